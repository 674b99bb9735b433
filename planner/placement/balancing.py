"""Lowers the highest load by moving and swapping items, without ever leaving one out.

In: a `State` of which everything sits.  Out: the same state, better: the seat with the highest share gives an item away, or swaps one for
a smaller one, whenever both seats stay below that share; then the next highest seat.  Bounded by steps.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from planner.placement.packing import State, Steps

ITEMS, SEATS, SWAPS = 40, 12, 10
"""For each improvement: how many items of the hottest seat and how many of the coolest other seats are looked at, and how many items of
such a seat are tried for a swap with one item."""
LEAST = 1e-9
"""Less than this is no improvement: it keeps rounding from going round in circles."""


def balance(state: State, items: Sequence[int], kept: frozenset[int], steps: Steps, *, peak_only: bool = False) -> None:
    """Improve the seats that a component's items may use.  Items that are `kept` do not move.  `peak_only` ends with the highest seat."""
    seats = sorted({seat for item in items for seat in state.problem.items[item].seats})
    heap = [(-state.share(seat), seat) for seat in seats]
    heapq.heapify(heap)
    while heap and steps.left > 0:
        share, seat = heapq.heappop(heap)
        now = state.share(seat)
        if now < -share:
            heapq.heappush(heap, (-now, seat))
            continue
        changed = _cool(state, seat, seats, kept, steps)
        if peak_only and not changed:
            return
        # A seat that cannot be improved leaves the heap, so that the next highest gets its turn; one that received is put back.
        for one in changed:
            heapq.heappush(heap, (-state.share(one), one))


def _cool(state: State, hot: int, seats: Sequence[int], kept: frozenset[int], steps: Steps) -> tuple[int, ...]:
    """Lower one seat; the seats that changed, none when there is no way."""
    problem, load = state.problem, state.loads[hot]
    share = state.share(hot)
    number = max(range(len(problem.resources)), key=lambda which: load.peaks[which] * problem.per[hot][which], default=-1)
    if number < 0 or share <= 0:
        return ()
    row = load.rows[number]
    day = load.days[row.index(load.peaks[number])]
    on_it = [
        (amount, item)
        for item in state.on[hot] - kept
        for start, end, vector in problem.items[item].parts
        if start <= day < end
        for which, amount in vector
        if which == number
    ]
    on_it.sort(key=lambda one: (-one[0], one[1]))
    others = sorted((state.share(seat), seat) for seat in seats if seat != hot)
    coolest = [seat for other, seat in others if other < share - LEAST][:SEATS]
    best: tuple[float, int, int] | None = None
    for _, item in _spread(on_it):
        open_to = set(problem.items[item].seats)
        for seat in coolest:
            if seat in open_to and steps.spend() and state.fits(item, seat):
                there = state.loads[seat].share_with(problem.items[item].parts, problem.per[seat])
                if there < share - LEAST and (best is None or (there, item, seat) < best):
                    best = (there, item, seat)
        if steps.left <= 0:
            break
    if best is not None:
        _, item, seat = best
        state.lift(item)
        state.put(item, seat)
        return hot, seat
    for amount, item in _spread(on_it):
        open_to = set(problem.items[item].seats)
        for seat in coolest:
            if seat not in open_to:
                continue
            if _swap(state, item, hot, seat, number, amount, share, kept, steps):
                return hot, seat
            if steps.left <= 0:
                return ()
    return ()


def _spread(items: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """At most ITEMS of them, from the largest to the smallest."""
    if len(items) <= ITEMS:
        return items
    return [items[place * len(items) // ITEMS] for place in range(ITEMS)]


def _swap(state: State, item: int, hot: int, cool: int, number: int, amount: int, share: float, kept: frozenset[int], steps: Steps) -> bool:
    problem, load = state.problem, state.loads[cool]
    # What the cool seat would carry at least, and may carry at most, less what the other takes away: most pairs fall here, at little cost.
    over: dict[int, int] = {}
    for start, end, vector in problem.items[item].parts:
        for which, need in vector:
            room = int(share * problem.usable[cool][which])
            over[which] = max(over.get(which, 0), load.most(which, start, end) + need - room)
    must = [(which, excess) for which, excess in sorted(over.items()) if excess > 0]
    smaller = []
    for other in state.on[cool] - kept:
        top = problem.items[other].top
        if top.get(number, 0) < amount and all(top.get(which, 0) >= excess for which, excess in must) and hot in problem.items[other].seats:
            smaller.append((-top.get(number, 0), other))
    smaller.sort()
    for _, other in smaller[:SWAPS]:
        if not steps.spend(2):
            return False
        state.lift(item)
        state.lift(other)
        if state.fits(item, cool) and state.fits(other, hot):
            state.put(item, cool)
            state.put(other, hot)
            if max(state.share(hot), state.share(cool)) < share - LEAST:
                return True
            state.lift(item)
            state.lift(other)
        state.put(item, hot)
        state.put(other, cool)
    return False
