"""Lowers the peak share of small and middling components further than moves and swaps can: packs anew into smaller nodes, by bisection,
and shakes what it has.

In: a `State` whose component is packed and balanced.  Out: the same with a peak that is no higher.  This is the idea of MULTIFIT (Coffman,
Garey and Johnson 1978, https://doi.org/10.1137/0207001) with several resources and time: a packing that fits into nodes of t times their
size has a peak share of t at most.  `least_share` is the bound from which the bisection starts, and at which there is nothing left to gain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from planner.placement.balancing import balance
from planner.placement.instance import Problem
from planner.placement.packing import State, Steps, pack
from planner.placement.search import complete

MOST_ITEMS = 1_500
"""Larger components are made of items so small beside their nodes that balancing alone comes close enough."""
ROUNDS = 9
CLOSE = 0.002
"""A peak within this share of the bound is good enough."""
SHAKES, SHAKES_EACH = 40_000, 400
"""Steps of shaking a component at most, and for each of its items."""
ASIDE = 0.02
"""Shaking goes on from a state that is this much worse than the best; from the best again when it is worse than that."""
NOBODY: frozenset[int] = frozenset()


def squeeze(state: State, component: Sequence[int], effort: float) -> int:
    """Lower the peak of a component of which nothing is left out; the steps that it took."""
    if len(component) > MOST_ITEMS:
        return 0
    problem = state.problem
    seats = sorted({seat for item in component for seat in problem.items[item].seats})
    bound, high = least_share(problem, component), max(state.share(seat) for seat in seats)
    low, done = bound, 0
    for _ in range(ROUNDS):
        if high <= low * (1 + CLOSE):
            break
        aim = (low + high) / 2
        tight = State(
            replace(problem, usable=tuple(tuple(int(amount * aim) if amount > 0 else amount for amount in row) for row in problem.usable))
        )
        steps = Steps(int((4000 + 4 * len(component)) * effort))
        cost, found = pack(tight, component, NOBODY, steps)
        if cost[0]:
            _, better = complete(tight.problem, component, (0, 1), steps)
            if better is None:
                done += steps.done
                low = aim  # not proven: what is found nowhere may be there, hence the shaking afterwards
                continue
            found = better[1]
        before = [state.where[item] for item in component]
        state.become(component, found)
        balancing = Steps(int((1000 + 4 * len(component)) * effort))
        balance(state, component, NOBODY, balancing)
        done += steps.done + balancing.done
        now = max(state.share(seat) for seat in seats)
        if now >= high:  # the whole thousandths of the small nodes allow for a little more than aimed at
            state.become(component, before)
            break
        high = now
    return done + _shake(state, component, seats, bound, effort)


def _shake(state: State, component: Sequence[int], seats: list[int], low: float, effort: float) -> int:
    """Swap two items that chance names, lower the peak from there, and keep what is better; the steps that it took."""
    steps = Steps(int(min(SHAKES, SHAKES_EACH * len(component)) * effort))
    chance = _Chance()
    best = [state.where[item] for item in component]
    high = max(state.share(seat) for seat in seats)
    while steps.left > 0 and high > low * (1 + CLOSE):
        hot = max(seats, key=lambda seat: (state.share(seat), seat))
        for _ in range(2):
            _exchange(state, chance.choice(sorted(state.on[hot])), chance.choice(component))
            hot = chance.choice([seat for seat in seats if state.on[seat]])
        steps.spend(4)
        balance(state, component, NOBODY, steps, peak_only=True)
        now = max(state.share(seat) for seat in seats)
        if now < high:
            high, best = now, [state.where[item] for item in component]
        elif now > high * (1 + ASIDE):
            state.become(component, best)
    state.become(component, best)
    balance(state, component, NOBODY, Steps(int((1000 + 4 * len(component)) * effort)))
    return steps.done


def _exchange(state: State, one: int, other: int) -> None:
    """Swap the seats of two items, when both fit."""
    here, there = state.where[one], state.where[other]
    items = state.problem.items
    if here == there or there not in items[one].seats or here not in items[other].seats:
        return
    state.lift(one)
    state.lift(other)
    if state.fits(one, there) and state.fits(other, here):
        here, there = there, here
    state.put(one, here)
    state.put(other, there)


class _Chance:
    """A sequence of numbers that is the same everywhere and always: Lehmer's generator with the multiplier of Park and Miller."""

    def __init__(self) -> None:
        self._state = 20_011

    def choice(self, among: Sequence[int]) -> int:
        """One of some numbers."""
        self._state = self._state * 48_271 % 2_147_483_647
        return among[self._state % len(among)]


def least_share(problem: Problem, component: Sequence[int]) -> float:
    """A peak share that no placement of all these items undercuts.

    Over all instants and resources the highest of: what is on a seat anyway; one item on the largest of its seats; the sum of all over the
    sum of the seats; and of the k·m + 1 largest items on m seats the k + 1 smallest, because k + 1 of them share a seat.
    """
    items = [problem.items[item] for item in component]
    seats = sorted({seat for item in items for seat in item.seats})
    loads = {seat: problem.load(seat) for seat in seats}
    best = max(
        (height * per for seat in seats for height, per in zip(loads[seat].peaks, problem.per[seat], strict=True)),
        default=0.0,
    )
    largest: dict[tuple[int, ...], list[int]] = {}
    for item in items:
        if item.seats not in largest:
            largest[item.seats] = [max(column) for column in zip(*(problem.usable[seat] for seat in item.seats), strict=True)]
        best = max([best, *(amount / max(1, largest[item.seats][number]) for number, amount in item.top.items())])
    sums = [sum(max(0, problem.usable[seat][number]) for seat in seats) for number in range(len(problem.resources))]
    tops = [max(problem.usable[seat][number] for seat in seats) for number in range(len(problem.resources))]
    for day in sorted({start for item in items for start, _, _ in item.parts}):
        needs: list[list[int]] = [[] for _ in problem.resources]
        for item in items:
            for start, end, vector in item.parts:
                if start <= day < end:
                    for number, amount in vector:
                        needs[number].append(amount)
        for number, amounts in enumerate(needs):
            if amounts and tops[number] > 0:
                there = sum(loads[seat].most(number, day, day + 1) for seat in seats)
                best = max(best, (there + sum(amounts)) / sums[number], _crowded(amounts, len(seats)) / tops[number])
    return best


def _crowded(amounts: list[int], seats: int) -> int:
    """The least that the fullest of some seats holds, by the pigeonhole principle."""
    amounts.sort(reverse=True)
    return max((sum(amounts[times * seats - times : times * seats + 1]) for times in range(1, (len(amounts) - 1) // seats + 1)), default=0)
