"""A plan from its inputs: groups, dates, destinations, and what is lacking.  Pure.

In: `Inputs`.  Out: `Made`, and the document (docs/plans.md).

Dates come before destinations: a workload needs room from its own start on.  What finds no room is left out with its whole group, and dates
are laid anew without it, until nothing more falls out; so nobody's crew waits for a move that cannot be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from inventory.errors import PlanError
from planner import groups, plandocument, shifting
from planner.freshness import facts_digest
from planner.placement import Demand, Node, Placed, Purchase, place
from planner.planning import addressing, colocating, dating, fitting_in, former, summing, ties, writing
from planner.planning.subjects import PLACES, Subject
from planner.planning.values import Inputs, Lack, Made, Short
from planner.schedules import Schedule, Scheduled

__all__ = ["Inputs", "Made", "document", "make", "shifted"]


def make(inputs: Inputs) -> Made:
    """Lay dates and find places.  Raises PlanError when there is nothing to plan with."""
    platforms, ids, moving = inputs.platforms, inputs.ids, list(inputs.moving)
    all_nodes = fitting_in.nodes(platforms)
    if not all_nodes:
        raise PlanError("there is no platform to move anything to", hint="fill inventory/platforms.yml")
    left, short = dict(inputs.left), Short()
    seats = former.nodes(inputs.former, moving, ids)
    nights = former.schedule(inputs.former, moving, ids)
    while True:  # every round but the last takes something out
        tied = groups.make([ids[item.name] for item in moving], ties.edges(moving, ids), ties.orders(moving, ids))
        wanted = dating.moves(moving, ids, tied, inputs.rules)
        dates, late = dating.schedule(wanted, inputs.calendar, inputs.first_day, nights)
        demands, assumed = _demands(moving, ids, dates, inputs)
        ends = {item.name: item.end for item in dates.scheduled}
        held = fitting_in.occupied(inputs.subjects, ids, ends, platforms)
        placed = place(all_nodes, demands, held, spare=fitting_in.spare(platforms), previous=seats, sizes=_sizes(all_nodes))
        if not placed.shortfalls:
            unpinned = fitting_in.unpinned(moving, platforms)
            return Made(inputs, moving, tied, dates, placed, demands, all_nodes, held, assumed, late, unpinned, left, short)
        for purchase in placed.purchases:
            _lacking(short, purchase)
        out = _homeless(placed)
        gone = {*out} | {other for group in tied.groups for other in group.members if out.keys() & {*group.members}}
        for item in moving:
            if ids[item.name] in gone:
                left[item.name] = out.get(ids[item.name], "what it must move together with finds no room")
        moving = [item for item in moving if ids[item.name] not in gone]
        seats = dict(placed.assignments)


def _homeless(placed: Placed) -> dict[str, str]:
    """Move's id → why it finds no place: what no node has, or what the nearest lacks."""
    found = {}
    for one in placed.shortfalls:
        place_, labels = PLACES[one.kind], sorted({item.detail for item in one.obstacles if item.what == "label"})
        if not one.obstacles:
            found[one.demand] = f"there is no {place_}"
        elif labels and all(item.what in {"label", "kind"} for item in one.obstacles):
            found[one.demand] = f"no {place_} has {' or '.join(labels)}"
        else:
            bound = next((f" {item.detail}" for item in one.obstacles if item.what == "pinned"), "")
            found[one.demand] = f"the {place_}{bound} that was chosen has no room for it" if bound else f"no {place_} has room for it"
    return found


def _sizes(nodes: Iterable[Node]) -> dict[str, Mapping[str, float]]:
    """What would be bought: a node like the largest that there is of its kind."""
    found: dict[str, Mapping[str, float]] = {}
    for node in sorted(nodes, key=lambda node: (sum(node.capacity.values()), node.name)):
        found[node.kind] = node.capacity
    return found


def _lacking(short: Short, purchase: Purchase) -> None:
    """Put what a round found lacking to what rounds before it did."""
    for resource, amount in purchase.needs.items():
        key = (purchase.kind, purchase.zone, tuple(sorted(purchase.labels)), resource)
        old = short.get(key, Lack(0.0, purchase.by, (), 0))
        count = None if old.nodes is None or purchase.nodes is None else old.nodes + purchase.nodes
        moves = tuple(sorted({*old.moves, *purchase.demands}))
        short[key] = Lack(old.amount + amount, min(old.by, purchase.by), moves, count)


def _demands(
    items: Sequence[Subject], ids: Mapping[str, str], dates: Schedule, inputs: Inputs
) -> tuple[list[Demand], dict[str, list[str]]]:
    """What each needs from its start on; without a date from the last cutover on, when it would come at the latest."""
    found: list[Demand] = []
    assumed: dict[str, list[str]] = {}
    horizon = max((item.cutover for item in dates.scheduled), default=inputs.first_day)
    machines: dict[str, int] = {}
    together = _together(items)
    for item in items:
        if item.placement not in PLACES:
            continue
        identity = ids[item.name]
        told = dates.of(identity)
        start = told.start if isinstance(told, Scheduled) else horizon
        demand, notes = fitting_in.demand(item, identity, start, inputs.platforms, writing.profile(item))
        if item.placement == "colocation":
            _one_machine(item, demand, found, machines)
        else:
            found.append(replace(demand, together=together.get(item.name, "")))
        if notes:
            assumed[identity] = notes
    return found, assumed


def _one_machine(item: Subject, demand: Demand, found: list[Demand], machines: dict[str, int]) -> None:
    """The machine is there once, however many workloads are on it: the first of them needs its room, from the earliest start on."""
    at = machines.get(item.host)
    if at is None:
        machines[item.host] = len(found)
        found.append(replace(demand, together=f"machine {item.host}"))
        return
    first = found[at]
    found[at] = replace(first, start=min(first.start, demand.start))
    found.append(replace(demand, needs={}, together=f"machine {item.host}"))


def _together(items: Sequence[Subject]) -> dict[str, str]:
    """Workload → the name of those that must be on one node with it, since they use one database or docroot."""
    group: dict[str, str] = {}
    for members in ties.shared(items).values():
        for kind in sorted({item.placement for item in members} & {"virtual-host", "site-cluster", "vps"}):
            names = sorted(item.name for item in members if item.placement == kind)
            if len(names) > 1:
                old = {group[name] for name in names if name in group}
                one = min({f"data of {names[0]}", *old})
                group = {name: one if its in old else its for name, its in group.items()} | dict.fromkeys(names, one)
    return group


def document(made: Made) -> dict[str, Any]:
    """The plan as its document."""
    inputs, ids = made.inputs, made.inputs.ids
    got = addressing.given(made)
    mine = addressing.of_each(made, got)
    machines = colocating.machines(made, mine)
    apart, riding, late = summing.apart(made), summing.further(made.moving), summing.unmaintained(made)
    moves = []
    for item in made.moving:
        identity = ids[item.name]
        notes = [*made.assumed.get(identity, ()), *([late[identity]] if identity in late else [])]
        moves.append(
            writing.move(
                item, identity, made.groups.of[identity], made.placed.assignments.get(identity, ""), mine[item.name],
                made.schedule.of(identity), inputs.platforms, inputs.rules, inputs.dns_key, inputs.language, notes,
                apart.get(item.name, ""), item.name in riding, machines.get(item.name),
            )
        )  # fmt: skip
    moves.sort(key=lambda move: (move["wave"] or len(moves) + 1, move["schedule"]["cutover"] if move["schedule"] else "", move["id"]))
    digests = {item.name: facts_digest(item.facts) for item in inputs.subjects}
    return plandocument.made(
        {
            "first_day": inputs.first_day.isoformat(),
            "follows": inputs.former.plan if inputs.former is not None else "",
            "made_from": {"facts": plandocument.digest(digests), **inputs.made_from},
            "moves": moves,
            **summing.summed(made, moves, got),
        }
    )


def shifted(made: Made, identity: str, to: date) -> shifting.Effects:
    """What would follow if a move went to another night; all others keep theirs where they can.  Raises NotFound."""
    inputs = made.inputs
    wanted = dating.moves(made.moving, inputs.ids, made.groups, inputs.rules)
    laid = [replace(move, not_after=None) if move.name in made.late else move for move in wanted]
    return shifting.shift(laid, inputs.calendar, inputs.first_day, identity, to, former=made.schedule)
