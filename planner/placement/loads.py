"""Load over time as a step function with few steps, in whole thousandths, so that sums are exact in any order.  Pure.

In: parts (start, end, ((resource number, amount), …)) that are added and taken away.  Out: the highest load within a span.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

BEGINNING, FOREVER = -(10**9), 10**9
"""Days before and after all others."""
Vector = tuple[tuple[int, int], ...]
"""(resource number, thousandths), only what is not zero."""
Part = tuple[int, int, Vector]
Parts = tuple[Part, ...]
"""Disjoint spans of days, half open, in order."""
UNSTATED = -1
"""A usable amount that nobody stated: nothing fits."""


def thousandths(amount: float, *, up: bool) -> int:
    """An amount in whole thousandths, rounded up (a need) or down (a capacity); what binary fractions add or lose is not rounded on."""
    exact = amount * 1000
    near = round(exact)
    if abs(exact - near) <= 1e-9 * max(1.0, abs(exact)):
        return near
    return math.ceil(exact) if up else math.floor(exact)


def sum_of(parts: Iterable[Part]) -> Parts:
    """Parts that may overlap → disjoint parts with the summed amounts."""
    given = list(parts)
    if len(given) == 1:
        return (given[0],)
    days = sorted({day for start, end, _ in given for day in (start, end)})
    found: list[Part] = []
    for start, end in itertools.pairwise(days):
        total: dict[int, int] = {}
        for first, last, vector in given:
            if first <= start and end <= last:
                for number, amount in vector:
                    total[number] = total.get(number, 0) + amount
        if total:
            found.append((start, end, tuple(sorted(total.items()))))
    return tuple(found)


class Load:
    """Loads of all resources of one node (or pool).  `days[i]` is where step i begins, `rows[resource][i]` its height."""

    __slots__ = ("days", "peaks", "rows")

    def __init__(self, resources: int) -> None:
        self.days = [BEGINNING]
        self.rows = [[0] for _ in range(resources)]
        self.peaks = [0] * resources

    def window(self, start: int, end: int) -> tuple[int, int]:
        """The steps (first, last + 1) that a span touches."""
        return bisect_right(self.days, start) - 1, bisect_left(self.days, end)

    def most(self, number: int, start: int, end: int) -> int:
        """The highest load of a resource within a span."""
        first, last = self.window(start, end)
        return max(self.rows[number][first:last])

    def add(self, parts: Parts) -> None:
        """Put load on."""
        for start, end, vector in parts:
            first, last = self._step(start), self._step(end)
            for number, amount in vector:
                row = self.rows[number]
                raised = [height + amount for height in row[first:last]]
                row[first:last] = raised
                self.peaks[number] = max(self.peaks[number], *raised)

    def take(self, parts: Parts) -> None:
        """Take load away that was put on before."""
        for start, end, vector in parts:
            first, last = self._step(start), self._step(end)
            for number, amount in vector:
                row = self.rows[number]
                row[first:last] = [height - amount for height in row[first:last]]
                self.peaks[number] = max(row)

    def fits(self, parts: Parts, usable: Sequence[int]) -> bool:
        """Whether the parts fit at every instant.  What is over already only refuses what needs more of the same resource."""
        for start, end, vector in parts:
            for number, amount in vector:
                if self.peaks[number] + amount > usable[number]:
                    first, last = self.window(start, end)
                    if max(self.rows[number][first:last]) + amount > usable[number]:
                        return False
        return True

    def share_with(self, parts: Parts, per: Sequence[float]) -> float:
        """The highest share within the parts' spans if they were added; `per` is 1 ÷ usable of each resource."""
        share = 0.0
        for start, end, vector in parts:
            first, last = self.window(start, end)
            for number, amount in vector:
                with_it = (max(self.rows[number][first:last]) + amount) * per[number]
                share = max(share, with_it)
        return share

    def _step(self, day: int) -> int:
        """The number of the step that begins on a day; made when there is none."""
        at = bisect_left(self.days, day)
        if at == len(self.days) or self.days[at] != day:
            self.days.insert(at, day)
            for row in self.rows:
                row.insert(at, row[at - 1])
        return at
