"""The plan as the report shows it: its weeks on a time axis, what stays grouped by reason, approval, agreements, gates, loads.  Pure.

In: a plan's document (docs/plans.md), what people said of it, the calendar, the platforms, sizes of what stays on them.  Out: a `Plan`.
A document of an earlier format is shown as far as it goes: what it does not say is left out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from planner.approvals import Said
from planner.calendars import Blackout, Calendar
from planner.planning import fitting_in
from planner.platforms import Platforms
from planner.policy import PLACEMENTS
from planner.reportruns import Move

Json = Mapping[str, Any]
Settled = Mapping[str, frozenset[str]]
"""Move's id → rules of its gates that nobody has settled yet."""


@dataclass(frozen=True)
class Band:
    """A change freeze on the axis: where it begins and how wide it is, in days; `units` 0: all, `whole`: for all units and placements."""

    at: int
    days: int
    first: date
    until: date
    name: str
    name_zh: str
    units: int
    whole: bool


@dataclass(frozen=True)
class Week:
    """A week's cutovers by placement, from the bottom: (placement, moves, moves below it)."""

    at: int
    first: date
    parts: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Timeline:
    """Weeks, waves (number, first day, days) and change freezes on one axis of `days` days; `months`: (first day, where in percent)."""

    first: date
    last: date
    days: int
    most: int
    weeks: tuple[Week, ...]
    waves: tuple[tuple[int, int, int], ...]
    bands: tuple[Band, ...]
    months: tuple[tuple[date, float], ...]


@dataclass(frozen=True)
class Stay:
    """Workloads that stay for one reason, by the placement that is recommended for them."""

    why: str
    recommendations: tuple[tuple[str, int], ...]
    entries: tuple[Json, ...]


@dataclass(frozen=True)
class Loaded:
    """A resource of a node: what it has, keeps back, carries today beside our moves, and carries when all have been made."""

    node: str
    kind: str
    zone: str
    resource: str
    capacity: float
    reserve: float
    before: float
    after: float

    @property
    def share(self) -> float:
        """What is used in the end, of all that there is."""
        return self.after / self.capacity if self.capacity else 0.0


@dataclass(frozen=True)
class Approval:
    """Who approved exactly this plan."""

    by: str
    note: str
    at: datetime


@dataclass(frozen=True)
class Plan:
    """The newest plan."""

    id: str
    fingerprint: str
    created_at: datetime
    document: Json
    moves: tuple[Move, ...]
    timeline: Timeline | None
    hours: Mapping[str, float]
    stays: tuple[Stay, ...]
    together: tuple[Json, ...]
    approval: Approval | None
    said: Mapping[str, Said]
    open_gates: Settled
    loads: tuple[Loaded, ...]

    @property
    def left(self) -> int:
        """How many stay."""
        return sum(len(stay.entries) for stay in self.stays)

    @property
    def agreed(self) -> Mapping[str, int]:
        """Moves by what their units said; '' is nothing yet."""
        return Counter(self.said[move.id].state for move in self.moves if move.id in self.said)


def plan(
    id_: str, fingerprint: str, created_at: datetime, document: Json, moves: Iterable[Move], *, approval: Approval | None,
    said: Mapping[str, Said], open_gates: Settled, calendar: Calendar | None, platforms: Platforms | None, staying: Iterable[Json] = (),
) -> Plan:  # fmt: skip
    """The plan with what follows from it.  `staying`: {address, disk_bytes} of what lives on our own servers and does not move."""
    hours: dict[str, float] = defaultdict(float)
    for wave in document.get("waves", ()):
        for skill, amount in wave["hours"].items():
            hours[skill] += amount
    together = tuple(group for group in document.get("groups", ()) if len(group["moves"]) > 1 or group["after"])
    return Plan(
        id_, fingerprint, created_at, document, tuple(moves), timeline(document, calendar), dict(sorted(hours.items())),
        stays(document.get("left", ())), together, approval, said, open_gates,
        loads(document, platforms, staying) if platforms is not None else (),
    )  # fmt: skip


def stays(left: Iterable[Json]) -> tuple[Stay, ...]:
    """What stays, the commonest reason first."""
    found: dict[str, list[Json]] = defaultdict(list)
    for entry in left:
        found[str(entry["why"])].append(entry)
    ordered = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(Stay(why, tuple(sorted(Counter(str(e["recommendation"]) for e in es).items())), tuple(es)) for why, es in ordered)


# ---------------------------------------------------------------- the time axis


def timeline(document: Json, calendar: Calendar | None) -> Timeline | None:
    """The plan's cutovers by week; None for a plan without dates."""
    dated = [move for move in document.get("moves", ()) if move.get("schedule")]
    nights = [(date.fromisoformat(move["schedule"]["cutover"]), str(move["placement"])) for move in dated]
    if not nights:
        return None
    first = min(date.fromisoformat(str(document["first_day"])), *(day for day, _ in nights))
    first -= timedelta(days=first.weekday())
    last = max(day for day, _ in nights)
    last += timedelta(days=6 - last.weekday())
    by_week: dict[date, Counter[str]] = defaultdict(Counter)
    for day, placement in nights:
        by_week[day - timedelta(days=day.weekday())][placement] += 1
    weeks = tuple(Week((monday - first).days, monday, _stacked(counts)) for monday, counts in sorted(by_week.items()))
    days = (last - first).days + 1
    return Timeline(
        first, last, days, max(sum(counts.values()) for counts in by_week.values()), weeks, _waves(document, first),
        _bands(calendar.blackouts if calendar is not None else (), first, last), _months(first, days),
    )  # fmt: skip


def _stacked(counts: Mapping[str, int]) -> tuple[tuple[str, int, int], ...]:
    found, below = [], 0
    for placement in (*PLACEMENTS, *sorted(name for name in counts if name not in PLACEMENTS)):
        if counts.get(placement):
            found.append((placement, counts[placement], below))
            below += counts[placement]
    return tuple(found)


def _waves(document: Json, first: date) -> tuple[tuple[int, int, int], ...]:
    found = []
    for wave in document.get("waves", ()):
        if wave["from"]:
            begin, end = date.fromisoformat(wave["from"]), date.fromisoformat(wave["until"])
            found.append((int(wave["wave"]), (begin - first).days, (end - begin).days + 1))
    return tuple(found)


def _bands(blackouts: Sequence[Blackout], first: date, last: date) -> tuple[Band, ...]:
    found = []
    for item in blackouts:
        begin, end = max(item.first, first), min(item.until, last)
        if begin <= end:
            units = 0 if item.units == ("all",) else len(item.units)
            found.append(
                Band((begin - first).days, (end - begin).days + 1, item.first, item.until, item.name, item.name_zh, units,
                     not units and item.placements is None)
            )  # fmt: skip
    return tuple(sorted(found, key=lambda band: (band.first, band.until, band.name)))


def _months(first: date, days: int) -> tuple[tuple[date, float], ...]:
    found = [(first, 0.0)]
    month = first.replace(day=1)
    while True:
        month = (month + timedelta(days=32)).replace(day=1)
        at = 100 * (month - first).days / days
        if at >= 100:
            return tuple(found)
        if at - found[-1][1] < 2 and len(found) == 1:
            found = []  # the first week begins just before a month: one label is enough
        found.append((month, round(at, 2)))


# ---------------------------------------------------------------- what the nodes carry in the end


def loads(document: Json, platforms: Platforms, staying: Iterable[Json] = ()) -> tuple[Loaded, ...]:
    """Each node's load when all moves have been made, as planning reckons it (`planner.planning.fitting_in`).

    Racks are left out: a machine's height stands in the register, not in the plan.
    """
    coming: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for move in document.get("moves", ()):
        name = str((move.get("destination") or {}).get("platform") or "")
        if name:
            for resource, amount in _needs(move, platforms).items():
                coming[name][resource] += amount
    kept: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    own = {host.address: host.name for host in platforms.virtual_hosts}
    for item in staying:
        if item["address"] in own and item["disk_bytes"] is not None:
            kept[own[item["address"]]]["accounts"] += 1
            kept[own[item["address"]]]["disk_bytes"] += float(item["disk_bytes"])
    found = []
    for node in fitting_in.nodes(platforms):
        if node.kind == "colocation":
            continue
        for resource, capacity in node.capacity.items():
            before = node.used.get(resource, 0.0) + kept[node.name][resource]
            found.append(
                Loaded(node.name, node.kind, node.zone, resource, capacity, node.reserve, before, before + coming[node.name][resource])
            )
    return tuple(found)


def _needs(move: Json, platforms: Platforms) -> dict[str, float]:
    if move["placement"] not in {"site-cluster", "virtual-host", "vps"}:
        return {}
    flavour = str(move["destination"].get("flavour") or "")
    return fitting_in.amounts(move["placement"], move.get("size") or {}, flavour, platforms, [])
