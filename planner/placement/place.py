"""The way from what is given to the answer: kind by kind, component by component; then what is left out is explained and priced.

In: nodes, demands, occupied room, the kinds that must bear the loss of a node, a previous placement.  Out: `Placed`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from planner.placement.balancing import balance
from planner.placement.instance import check, problems_of
from planner.placement.loads import FOREVER
from planner.placement.model import Amounts, Demand, Loss, Node, Occupied, Peak, Placed, Purchase, Shortfall
from planner.placement.packing import State, Steps, components, pack
from planner.placement.search import complete
from planner.placement.shortfalls import losses, purchases, shortfalls
from planner.placement.squeezing import squeeze

SEARCH_STEPS = 20_000
"""For the complete search of one component with something left out: well below a second."""
BALANCE_STEPS, BALANCE_STEPS_EACH = 20_000, 10
"""For balancing one component: so many, and so many more for each of its items."""
NOTHING: Mapping[str, str] = {}
NO_SIZES: Mapping[str, Amounts] = {}


def place(
    nodes: Sequence[Node],
    demands: Sequence[Demand],
    occupied: Sequence[Occupied] = (),
    *,
    spare: Iterable[str] = (),
    previous: Mapping[str, str] = NOTHING,
    sizes: Mapping[str, Amounts] = NO_SIZES,
    effort: float = 1.0,
) -> Placed:
    """Put demands on nodes.  The order of the arguments' elements does not matter.

    `spare`: kinds of which each zone must carry its load without its largest node.  `previous`: demand → node of an earlier placement;
    what can stay there does, is not moved for balance, and is left out for no other demand.  `sizes`: kind → capacity of a node as it
    would be bought.  `effort` multiplies the steps of searching and balancing.

    Raises ConfigurationError with all that is wrong with the input.
    """
    check(nodes, demands, occupied)
    assignments: dict[str, str] = {}
    short: list[Shortfall] = []
    to_buy: list[Purchase] = []
    peaks: list[Peak] = []
    timeline: dict[str, tuple[tuple[int, Amounts], ...]] = {}
    lost: list[Loss] = []
    settled: set[str] = set()
    unplanned: set[tuple[str, str]] = set()
    steps = 0
    for problem in problems_of(nodes, demands, occupied, spare):
        state = State(problem)
        alone = frozenset(number for number, item in enumerate(problem.items) if not any(state.fits(number, seat) for seat in item.seats))
        kept = _keep(state, alone, previous)
        proven = True
        for component in components(problem, [number for number in range(len(problem.items)) if number not in alone]):
            ended, used = _component(state, component, kept, effort)
            proven, steps = proven and ended, steps + used
        if proven:
            settled.add(problem.kind)
        out = [number for number, seat in enumerate(state.where) if seat < 0]
        for number, seat in enumerate(state.where):
            if seat >= 0:
                assignments.update((demand.name, problem.nodes[seat].name) for demand in problem.items[number].demands)
        short += shortfalls(state, out, alone)
        to_buy += purchases(state, out, sizes)
        peaks += _peaks(state)
        timeline.update(_timeline(state))
        lost += losses(state)
        unplanned |= {(problem.kind, name) for name in problem.unplanned}
    return Placed(
        assignments=dict(sorted(assignments.items())),
        shortfalls=tuple(sorted(short, key=lambda one: (one.kind, one.day, one.demand))),
        purchases=tuple(to_buy),
        peaks=tuple(sorted(peaks, key=lambda one: (one.node, one.resource))),
        timeline=dict(sorted(timeline.items())),
        losses=tuple(sorted(lost, key=lambda one: one.node)),
        settled=frozenset(settled),
        unplanned=frozenset(unplanned),
        steps=steps,
    )


def _component(state: State, component: list[int], kept: frozenset[int], effort: float) -> tuple[bool, int]:
    """(what is left out is proven to be the best choice, steps)."""
    here = kept & frozenset(component)
    search = Steps(int(SEARCH_STEPS * effort))
    cost, _ = pack(state, component, here, search)
    settled = not cost[0]
    if not settled and not here:
        settled, better = complete(state.problem, component, cost, search)
        if better is not None:
            state.become(component, better[1])
    improving = Steps(int((BALANCE_STEPS + BALANCE_STEPS_EACH * len(component)) * effort))
    balance(state, component, here, improving)
    done = search.done + improving.done
    if not here and not state.cost(component)[0]:
        done += squeeze(state, component, effort)
    return settled, done


def _keep(state: State, alone: frozenset[int], previous: Mapping[str, str]) -> frozenset[int]:
    """Seat what can stay where it was."""
    seat_of = {node.name: seat for seat, node in enumerate(state.problem.nodes)}
    kept = set()
    for number, item in enumerate(state.problem.items):
        named = {previous[demand.name] for demand in item.demands if demand.name in previous}
        seat = seat_of.get(min(named), -1) if len(named) == 1 else -1
        if number not in alone and seat in item.seats and state.fits(number, seat):
            state.put(number, seat)
            kept.add(number)
    return frozenset(kept)


def _peaks(state: State) -> list[Peak]:
    problem, found = state.problem, []
    for seat, node in enumerate(problem.nodes):
        load = state.loads[seat]
        for number, name in enumerate(problem.resources):
            usable, height = problem.usable[seat][number], load.peaks[number]
            if usable >= 0:
                share = height / usable if usable else (math.inf if height else 0.0)
                day = load.days[load.rows[number].index(height)]
                found.append(Peak(node.name, name, day, height / 1000, usable / 1000, share))
    return found


def _timeline(state: State) -> dict[str, tuple[tuple[int, Amounts], ...]]:
    problem = state.problem
    found: dict[str, tuple[tuple[int, Amounts], ...]] = {}
    for seat, node in enumerate(problem.nodes):
        load, last = state.loads[seat], None
        steps: list[tuple[int, Amounts]] = []
        for place_, day in enumerate(load.days):
            heights = tuple(row[place_] for row in load.rows)
            if heights != last and day < FOREVER:
                steps.append((day, {name: height / 1000 for name, height in zip(problem.resources, heights, strict=True)}))
                last = heights
        found[node.name] = tuple(steps)
    return found
