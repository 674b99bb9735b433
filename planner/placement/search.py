"""The complete search of small cases: tries every way to seat the items of a component, unless a bound says that none can be better.

In: a problem, a component's items, the cost that is to be undercut.  Out: whether the search came to its end (then what is left out is
proven to be the best choice), and the better seats if there are any.  Bounded by steps.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from planner.placement.instance import Problem
from planner.placement.packing import Cost, State, Steps

MOST_ITEMS = 60
"""Above this the search has no hope of ending within its steps and is not begun."""


def complete(problem: Problem, items: Sequence[int], cost: Cost, steps: Steps) -> tuple[bool, tuple[Cost, list[int]] | None]:
    """(came to its end, (cost, seats of the items) below the given cost or None)."""
    if len(items) > MOST_ITEMS:
        return False, None
    search = _Search(problem, items, cost, steps)
    search.descend(0, (0, 0))
    return steps.left >= 0, None if search.best is None else (search.cost, search.best)


class _Search:
    def __init__(self, problem: Problem, items: Sequence[int], cost: Cost, steps: Steps) -> None:
        self.problem, self.items, self.cost, self.steps = problem, items, cost, steps
        self.best: list[int] | None = None
        self.state = State(problem)
        # The hard ones first: few seats, large.
        self.order = sorted(items, key=lambda item: (len(problem.items[item].seats), -problem.items[item].size, item))
        named = any(demand.allowed or demand.pinned for item in items for demand in problem.items[item].demands)
        # Two empty seats alike are one choice, as long as no demand calls seats by their names.
        self.alike: list[object] = [
            seat if named else (node.zone, node.labels, problem.usable[seat], problem.fixed[seat])
            for seat, node in enumerate(problem.nodes)
        ]
        self.bound = _Bound(self.state, self.order)

    def descend(self, depth: int, cost: Cost) -> None:
        if depth == len(self.order):
            if cost < self.cost:
                self.cost, self.best = cost, [self.state.where[item] for item in self.items]
            return
        least = cost[0] + self.bound.left_out(depth)
        if least > self.cost[0] or (cost[0] == self.cost[0] and cost >= self.cost) or not self.steps.spend():
            return
        item = self.order[depth]
        one = self.problem.items[item]
        tried: set[object] = set()
        for seat in one.seats:
            alike = self.alike[seat] if not self.state.on[seat] else seat
            if alike not in tried and self.state.fits(item, seat):
                tried.add(alike)
                self.state.put(item, seat)
                self.descend(depth + 1, cost)
                self.state.lift(item)
                if self.steps.left < 0:
                    return
        self.bound.leave_out(depth, 1)
        self.descend(depth + 1, (cost[0] + len(one.demands), cost[1] - one.size))
        self.bound.leave_out(depth, -1)


class _Bound:
    """How many of the items still to be seated must be left out, whatever is done: what all items need together exceeds what all seats
    have, at some instant and for some resource.  Counts the largest needs first, each as if it were one demand only."""

    def __init__(self, state: State, order: Sequence[int]) -> None:
        problem = state.problem
        seats = sorted({seat for item in order for seat in problem.items[item].seats})
        days = sorted({start for item in order for start, _, _ in problem.items[item].parts})
        self.excess: list[int] = []
        self.largest: list[list[tuple[int, int]]] = []  # per cell (need, depth), the largest first
        self.cells: list[list[tuple[int, int]]] = [[] for _ in order]  # per depth (cell, need)
        for day, number in itertools.product(days, range(len(problem.resources))):
            needs = [
                (amount, depth)
                for depth, item in enumerate(order)
                for start, end, vector in problem.items[item].parts
                for which, amount in vector
                if which == number and start <= day < end
            ]
            room = sum(max(0, problem.usable[seat][number] - state.loads[seat].most(number, day, day + 1)) for seat in seats)
            excess = sum(amount for amount, _ in needs) - room
            if excess > 0:  # else nothing can make it so: leaving out only lessens it
                for amount, depth in needs:
                    self.cells[depth].append((len(self.excess), amount))
                self.excess.append(excess)
                self.largest.append(sorted(needs, key=lambda one: (-one[0], one[1])))

    def leave_out(self, depth: int, sign: int) -> None:
        """Count an item as left out (1), or no longer (-1)."""
        for cell, amount in self.cells[depth]:
            self.excess[cell] -= sign * amount

    def left_out(self, depth: int) -> int:
        """The bound when the items before `depth` are seated or left out."""
        most = 0
        for cell, excess in enumerate(self.excess):
            count = 0
            for amount, at in self.largest[cell]:
                if excess <= 0:
                    break
                if at >= depth:
                    excess -= amount
                    count += 1
            most = max(most, count)
        return most
