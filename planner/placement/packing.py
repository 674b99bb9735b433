"""Puts the items of one kind on seats: greedy, then repairs, then (in small cases) a complete search, so that the fewest are left out.

In: a `Problem`.  Out: a `State`.  What is best is fixed by a sum, (demands left out, less their sizes): first the fewest demands, then,
of equally many, the largest.  As a sum's optimum, it never gets worse when a demand goes away; and keeping the small ones is what makes
the very set of those left out shrink in the plain case of one resource on equal nodes.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from planner.placement.instance import Problem
from planner.placement.loads import Load

CANDIDATES = 6
"""How many of the least loaded seats the greedy compares by their load within the demand's span."""
Cost = tuple[int, int]


@dataclass
class Steps:
    """What may still be tried; counted, not timed, so that a slow machine gives the same plan."""

    left: int
    done: int = field(default=0)

    def spend(self, number: int = 1) -> bool:
        """Whether there was something left."""
        self.done += number
        self.left -= number
        return self.left >= 0


class State:
    """Who sits where, and the loads that come of it.  `put` and `lift` are each other's inverse."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.loads = [problem.load(seat) for seat in range(len(problem.nodes))]
        self.pools = [Load(len(problem.resources)) for _ in problem.pool_usable]
        for seat, pool in enumerate(problem.pool_of):
            if pool >= 0:
                for parts in problem.fixed[seat]:
                    self.pools[pool].add(parts)
        self.where = [-1] * len(problem.items)
        self.on: list[set[int]] = [set() for _ in problem.nodes]
        self.groups: list[set[str]] = [set() for _ in problem.nodes]

    def fits(self, item: int, seat: int) -> bool:
        """Whether an item that sits nowhere may be put on a seat that is open to it."""
        one, problem = self.problem.items[item], self.problem
        if one.apart and not one.apart.isdisjoint(self.groups[seat]):
            return False
        if not self.loads[seat].fits(one.parts, problem.usable[seat]):
            return False
        pool = problem.pool_of[seat]
        return pool < 0 or self.pools[pool].fits(one.parts, problem.pool_usable[pool])

    def put(self, item: int, seat: int) -> None:
        """Seat an item."""
        one, pool = self.problem.items[item], self.problem.pool_of[seat]
        self.loads[seat].add(one.parts)
        if pool >= 0:
            self.pools[pool].add(one.parts)
        self.groups[seat] |= one.apart
        self.on[seat].add(item)
        self.where[item] = seat

    def lift(self, item: int) -> int:
        """Take an item off its seat, which is given back."""
        seat, one = self.where[item], self.problem.items[item]
        pool = self.problem.pool_of[seat]
        self.loads[seat].take(one.parts)
        if pool >= 0:
            self.pools[pool].take(one.parts)
        self.groups[seat] -= one.apart  # nobody else on this seat is in any of them
        self.on[seat].discard(item)
        self.where[item] = -1
        return seat

    def share(self, seat: int) -> float:
        """The highest share of any resource at any time."""
        per = self.problem.per[seat]
        return max((height * one for height, one in zip(self.loads[seat].peaks, per, strict=True)), default=0.0)

    def cost(self, items: Iterable[int]) -> Cost:
        """What is left out of some items."""
        out = [self.problem.items[item] for item in items if self.where[item] < 0]
        return sum(len(one.demands) for one in out), -sum(one.size for one in out)

    def become(self, items: Sequence[int], seats: Sequence[int]) -> None:
        """Seat some items as they were in another state."""
        for item in items:
            if self.where[item] >= 0:
                self.lift(item)
        for item, seat in zip(items, seats, strict=True):
            if seat >= 0:
                self.put(item, seat)


def components(problem: Problem, items: Sequence[int]) -> list[list[int]]:
    """Items that can get in each other's way, by way of a seat or of a pool; each component in the items' order."""
    parent = list(range(len(problem.nodes) + len(problem.pool_usable)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for seat, pool in enumerate(problem.pool_of):
        if pool >= 0:
            parent[root(seat)] = root(len(problem.nodes) + pool)
    for seats in {problem.items[item].seats for item in items}:
        for seat in seats[1:]:
            parent[root(seat)] = root(seats[0])
    found: dict[int, list[int]] = {}
    for item in items:
        found.setdefault(root(problem.items[item].seats[0]), []).append(item)
    return list(found.values())


def greedy(state: State, items: Iterable[int]) -> None:
    """Seat items in the given order, each on the seat whose highest share stays lowest."""
    heaps: dict[tuple[int, ...], list[tuple[float, int]]] = {}
    for item in items:
        one = state.problem.items[item]
        heap = heaps.get(one.seats)
        if heap is None:
            heap = heaps[one.seats] = [(state.share(seat), seat) for seat in one.seats]
            heapq.heapify(heap)
        seen: list[tuple[float, int]] = []
        fitting: list[tuple[float, float, int]] = []
        while heap and len(fitting) < CANDIDATES:
            share, seat = heap[0]
            now = state.share(seat)
            if (
                now > share
            ):  # its load has grown since it was put here: loads only grow in a greedy run, so that a stale seat comes up too early
                heapq.heapreplace(heap, (now, seat))
                continue
            seen.append(heapq.heappop(heap))
            if state.fits(item, seat):
                fitting.append((max(now, state.loads[seat].share_with(one.parts, state.problem.per[seat])), now, seat))
        if fitting:
            state.put(item, min(fitting)[2])
        for entry in seen:
            heapq.heappush(heap, entry)


def first_fit(state: State, items: Iterable[int]) -> None:
    """Seat items in the given order, each on the first seat where it fits: packs tighter than the greedy, balances nothing."""
    for item in items:
        seat = next((seat for seat in state.problem.items[item].seats if state.fits(item, seat)), -1)
        if seat >= 0:
            state.put(item, seat)


def repair(state: State, items: Sequence[int], kept: frozenset[int], steps: Steps) -> None:
    """Make room for items left out, the smallest first: move one other away, or leave out a larger one that is not `kept`."""
    for item in items:
        if state.where[item] < 0 and not _make_room(state, item, steps) and not _oust(state, item, kept, steps) and steps.left < 0:
            return
    first_fit(state, [item for item in items if state.where[item] < 0])


def _make_room(state: State, item: int, steps: Steps) -> bool:
    problem = state.problem
    for seat in problem.items[item].seats:
        for other in sorted(state.on[seat], reverse=True):
            if len(problem.items[other].seats) < 2 or not steps.spend():
                continue
            state.lift(other)
            if state.fits(item, seat):
                state.put(item, seat)
                for elsewhere in problem.items[other].seats:
                    if elsewhere != seat and steps.spend() and state.fits(other, elsewhere):
                        state.put(other, elsewhere)
                        return True
                state.lift(item)
            state.put(other, seat)
            if steps.left < 0:
                return False
    return False


def _oust(state: State, item: int, kept: frozenset[int], steps: Steps) -> bool:
    problem, one = state.problem, state.problem.items[item]
    rivals = sorted({other for seat in one.seats for other in state.on[seat]} - kept, reverse=True)
    for other in rivals:
        rival = problem.items[other]
        if (len(rival.demands), -rival.size) >= (len(one.demands), -one.size) or not steps.spend():
            continue
        seat = state.lift(other)
        if state.fits(item, seat):
            state.put(item, seat)
            return True
        state.put(other, seat)
    return False


def pack(state: State, items: Sequence[int], kept: frozenset[int], steps: Steps) -> tuple[Cost, list[int]]:
    """Seat the items of one component (in the problem's order) and say what that costs, and the seats.

    Items that sit already (`kept`) stay in.  Ways of packing are tried in turn until nothing is left out; else the best of all stands.
    """
    free = [item for item in items if item not in kept]
    named = state.problem.items
    tightest = sorted(free, key=lambda item: (-named[item].size, named[item].start, named[item].name))
    before = [state.where[item] for item in items]
    best: tuple[Cost, list[int]] | None = None
    for way, order in ((greedy, tightest), (first_fit, tightest), (first_fit, free)):
        state.become(items, before)
        way(state, order)
        if state.cost(items)[0]:
            repair(state, free, kept, Steps(min(steps.left, 40 * len(items) + 2000)))
        found = (state.cost(items), [state.where[item] for item in items])
        best = found if best is None or found[0] < best[0] else best
        if not best[0][0]:
            break
    assert best is not None
    state.become(items, best[1])
    return best
