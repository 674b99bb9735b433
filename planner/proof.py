"""How good a placement is, proven: HiGHS bounds the lowest peak share that any placement of the same demands could have.  Optional.

In: what `planner.placement.place` was given, and its answer.  Out: a `Bound`.  Small cases are solved whole (a mixed-integer program),
larger ones as its linear relaxation; the largest day by day, with nodes that are open to the same demands summed up and each resource
split freely.  All three are bounds that no placement can undercut; the first is the optimum itself when HiGHS ends within its limit.
HiGHS comes with the extra `prove` (https://highs.dev, Huangfu and Hall 2018, https://doi.org/10.1007/s12532-017-0130-5).
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from inventory.errors import InputError
from planner.placement.instance import Item, Problem, check, problems_of
from planner.placement.loads import BEGINNING, FOREVER, Load
from planner.placement.model import Demand, Node, Occupied, Placed
from planner.placement.packing import components
from planner.placement.squeezing import least_share

WHOLE, RELAXED = 2_500, 30_000
"""The most pairs (item, node) that are solved as a mixed-integer program, and as a linear program, per kind."""
OPTIMAL, BOUNDED, RELAXATION, SNAPSHOTS = "optimal", "bounded", "relaxation", "snapshots"


@dataclass(frozen=True)
class Bound:
    """`value`: no placement has a lower peak share.  `achieved`: the placement's.  `gap` = achieved ÷ value − 1 (0 when both are 0).

    `status`: optimal (the value can be reached, to a ten-thousandth) | bounded (the limit came first) | relaxation | snapshots; of several
    kinds that of the one which decides the value.  `found` is the peak share of the best placement that HiGHS itself found, None where it
    only bounded.
    """

    value: float
    achieved: float
    gap: float
    seconds: float
    status: str
    found: float | None = None


def prove(
    nodes: Sequence[Node],
    demands: Sequence[Demand],
    placed: Placed,
    occupied: Sequence[Occupied] = (),
    *,
    spare: Iterable[str] = (),
    limit: float = 60.0,
) -> Bound:
    """Bound the peak share over all placements of the demands that `placed` assigned; HiGHS gets `limit` seconds for each kind.

    Raises InputError when HiGHS is not installed.
    """
    highs = _highs()
    check(nodes, demands, occupied)
    begun = time.perf_counter()
    there = [demand for demand in demands if demand.name in placed.assignments]
    bounds = [_of_kind(highs, problem, limit) for problem in problems_of(nodes, there, occupied, spare) if problem.nodes]
    value, status, found = max(bounds, default=(0.0, OPTIMAL, 0.0), key=lambda one: (one[0], one[1] == OPTIMAL))
    if len(bounds) > 1:
        found = None if any(one[2] is None for one in bounds) else max(one[2] or 0.0 for one in bounds)
    gap = placed.peak / value - 1 if value else (math.inf if placed.peak else 0.0)
    return Bound(value, placed.peak, gap, time.perf_counter() - begun, status, found)


def _highs() -> ModuleType:
    try:
        import highspy
    except ImportError as error:
        raise InputError(
            "HiGHS, which proves bounds, is not installed", hint="pip install 'campus-planner[prove]', or leave --prove out"
        ) from error
    found: ModuleType = highspy
    return found


Kind = tuple[float, str, float | None]


def _quietly(highs: ModuleType) -> Any:
    """A model.  Its constructor prints a banner to the process's stdout, where the command's own answer belongs, whatever is set later."""
    sys.stdout.flush()
    kept = os.dup(1)
    with open(os.devnull, "wb") as nothing:  # noqa: PTH123  (a file descriptor is wanted)
        os.dup2(nothing.fileno(), 1)
    try:
        return highs.Highs()
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _of_kind(highs: ModuleType, problem: Problem, limit: float) -> Kind:
    pairs = sum(len(item.seats) for item in problem.items)
    fixed = [problem.load(seat) for seat in range(len(problem.nodes))]
    start = max(
        (height * per for load, row in zip(fixed, problem.per, strict=True) for height, per in zip(load.peaks, row, strict=True)),
        default=0.0,
    )
    if not pairs:
        return start, OPTIMAL, start
    for component in components(problem, range(len(problem.items))):
        start = max(start, least_share(problem, component))
    if pairs <= RELAXED:
        return _program(highs, problem, fixed, start, limit, whole=pairs <= WHOLE)
    return max(start, _snapshots(highs, problem, fixed, limit)), SNAPSHOTS, None


def _days(problem: Problem) -> list[tuple[int, frozenset[int]]]:
    """The days that matter with the items active then.  Fixed loads only fall, so that peaks lie where an item starts; a day whose items
    are all active on an earlier one cannot be worse than that, nor, where nothing falls, than a later one."""
    starts = sorted({part[0] for item in problem.items for part in item.parts})
    active = [(day, frozenset(n for n, item in enumerate(problem.items) if any(s <= day < e for s, e, _ in item.parts))) for day in starts]
    steady = all(len(item.parts) == 1 for item in problem.items)
    if not steady:
        return active
    moving = any(end < FOREVER for rows in problem.fixed for parts in rows for _, end, _ in parts)
    return [
        (day, items)
        for place, (day, items) in enumerate(active)
        if not any(items <= other for _, other in active[:place])
        and (moving or not any(items <= other for _, other in active[place + 1 :]))
    ]


def _needs(item: Item, day: int) -> dict[int, int]:
    return next((dict(vector) for start, end, vector in item.parts if start <= day < end), {})


def _height(load: Load, number: int, day: int) -> int:
    return load.most(number, day, day + 1)


class _Rows:
    """A linear program being written down: columns first, then rows."""

    def __init__(self, highs: ModuleType, limit: float) -> None:
        self.highs, self.model = highs, _quietly(highs)
        for name, setting in {"output_flag": False, "time_limit": limit, "threads": 1, "random_seed": 1, "mip_rel_gap": 1e-4}.items():
            self.model.setOptionValue(name, setting)

    def column(self, low: float, high: float, cost: float = 0.0, *, whole: bool = False) -> int:
        number = int(self.model.getNumCol())
        self.model.addCol(cost, low, high, 0, [], [])
        if whole:
            self.model.changeColIntegrality(number, self.highs.HighsVarType.kInteger)
        return number

    def row(self, low: float, high: float, terms: dict[int, float]) -> None:
        self.model.addRow(low, high, len(terms), list(terms), list(terms.values()))

    def solve(self) -> tuple[bool, float, float, list[float]]:
        """(came to its end, bound, objective, values).  Raises InputError for a program without a solution, which a placement refutes."""
        self.model.run()
        status, info = self.model.getModelStatus(), self.model.getInfo()
        if status == self.highs.HighsModelStatus.kInfeasible:
            raise InputError(
                "no placement of these demands exists, yet one was given", hint="prove a placement with the input it was made of"
            )
        ended = status == self.highs.HighsModelStatus.kOptimal
        return ended, float(info.mip_dual_bound), float(info.objective_function_value), list(self.model.getSolution().col_value)


def _program(highs: ModuleType, problem: Problem, fixed: list[Load], start: float, limit: float, *, whole: bool) -> Kind:
    rows = _Rows(highs, limit)
    infinite = highs.kHighsInf
    peak = rows.column(start, infinite, 1.0)
    seated = {(n, seat): rows.column(0, 1, whole=whole) for n, item in enumerate(problem.items) for seat in item.seats}
    for n, item in enumerate(problem.items):
        rows.row(1, 1, {seated[n, seat]: 1.0 for seat in item.seats})
    groups = sorted({group for item in problem.items for group in item.apart})
    for group in groups:
        for seat in range(len(problem.nodes)):
            alike = [n for n, item in enumerate(problem.items) if group in item.apart and seat in item.seats]
            if len(alike) > 1:
                rows.row(0, 1, {seated[n, seat]: 1.0 for n in alike})
    for day, active in _days(problem):
        needs = {n: _needs(problem.items[n], day) for n in sorted(active)}
        for seat in range(len(problem.nodes)):
            for number in range(len(problem.resources)):
                usable = problem.usable[seat][number]
                terms = {seated[n, seat]: needs[n][number] / max(1, usable) for n in needs if number in needs[n] and (n, seat) in seated}
                if terms and usable > 0:
                    rows.row(-infinite, -_height(fixed[seat], number, day) / usable, {**terms, peak: -1.0})
                elif terms:
                    rows.row(0, 0, terms)
        _spare_rows(rows, problem, fixed, seated, day, needs)
    ended, bound, objective, values = rows.solve()
    if not whole:
        # Only a relaxation solved to its end is a bound.
        return (max(start, objective), RELAXATION, None) if ended else (start, BOUNDED, None)
    found = objective if values and math.isfinite(objective) else None
    value = objective if ended else max(start, bound)
    return value * (1 - 1e-4) if ended else value, OPTIMAL if ended else BOUNDED, found


def _spare_rows(
    rows: _Rows, problem: Problem, fixed: list[Load], seated: dict[tuple[int, int], int], day: int, needs: dict[int, dict[int, int]]
) -> None:
    for pool, usable in enumerate(problem.pool_usable):
        seats = [seat for seat, its in enumerate(problem.pool_of) if its == pool]
        for number in range(len(problem.resources)):
            terms = {seated[n, s]: needs[n][number] / 1000 for s in seats for n in needs if number in needs[n] and (n, s) in seated}
            there = sum(_height(fixed[seat], number, day) for seat in seats)
            if terms:
                rows.row(-rows.highs.kHighsInf, (usable[number] - there) / 1000 + 1e-6, terms)


def _snapshots(highs: ModuleType, problem: Problem, fixed: list[Load], limit: float) -> float:
    """The highest bound of any one day: classes of demands onto sums of nodes."""
    kinds = sorted({item.seats for item in problem.items})
    open_to = [frozenset(number for number, seats in enumerate(kinds) if seat in seats) for seat in range(len(problem.nodes))]
    sums = sorted({tuple(sorted(one)) for one in open_to if one})
    members = {one: [seat for seat, its in enumerate(open_to) if tuple(sorted(its)) == one] for one in sums}
    class_of = {seats: number for number, seats in enumerate(kinds)}
    days = sorted({part[0] for item in problem.items for part in item.parts} | {BEGINNING})
    changes: list[tuple[int, int, int, int]] = []  # (day, class, resource, amount)
    for item in problem.items:
        for start, end, vector in item.parts:
            for number, amount in vector:
                changes += [(start, class_of[item.seats], number, amount), (end, class_of[item.seats], number, -amount)]
    changes.sort()
    totals = [[0] * len(problem.resources) for _ in kinds]
    best, at, ends = 0.0, 0, time.perf_counter() + limit
    snapshots = []
    for day in days:
        while at < len(changes) and changes[at][0] <= day:
            _, kind, number, amount = changes[at]
            totals[kind][number] += amount
            at += 1
        snapshots.append((day, [list(row) for row in totals]))
    # The fullest days first: they are likely to decide, and the limit may end the rest.  Fewer days make a weaker bound, never a false one.
    snapshots.sort(key=lambda one: (-max((sum(row[r] for row in one[1]) for r in range(len(problem.resources))), default=0), one[0]))
    for day, demand in snapshots:
        if time.perf_counter() > ends:
            break
        best = max(best, _snapshot(highs, problem, fixed, sums, members, demand, day))
    return best


def _snapshot(
    highs: ModuleType,
    problem: Problem,
    fixed: list[Load],
    sums: list[tuple[int, ...]],
    members: dict[tuple[int, ...], list[int]],
    demand: list[list[int]],
    day: int,
) -> float:
    rows = _Rows(highs, 10.0)
    infinite = highs.kHighsInf
    peak = rows.column(0, infinite, 1.0)
    for number in range(len(problem.resources)):
        share = {(kind, place): rows.column(0, 1) for place, one in enumerate(sums) for kind in one if demand[kind][number]}
        for kind, row in enumerate(demand):
            if row[number]:
                rows.row(1, 1, {column: 1.0 for (its, _), column in share.items() if its == kind})
        for place, one in enumerate(sums):
            usable = sum(max(0, problem.usable[seat][number]) for seat in members[one])
            there = sum(_height(fixed[seat], number, day) for seat in members[one])
            terms = {column: demand[kind][number] / max(1, usable) for (kind, its), column in share.items() if its == place}
            if usable:
                rows.row(-infinite, -there / usable, {**terms, peak: -1.0})
            elif terms:
                rows.row(0, 0, terms)
    ended, _, objective, _ = rows.solve()
    return objective if ended else 0.0
