"""How large a workload is: CPUs, memory, disk and disk operations that a destination must have for it.  Pure.

In: a `Host` with what was measured there, its hardware and its guests with their facts; factors of headroom and the months to come.  Out:
a `Size` for each guest.  CPU is the 95th percentile of rates, memory the 99th of readings, by nearest rank as in `inventory.usage`; disk
is what is held now and what it grows in the months to come (Theil–Sen: the median of the slopes between all pairs of readings, which a
fifth of wrong readings does not move; Sen 1968); all times headroom, and rounded up.  Sources are never mixed: our own samples or
sysstat's days, whichever is better known.  Averages since boot hide every peak and are no history.

Confidence is 0 to 1, the lowest of CPU's, memory's and disk's.  Less than 30 hours of rates or fewer than 20 (of which the 95th percentile
would be the highest alone) are no history: 30 hours within 14 days is what AWS Compute Optimizer asks for.  From there it rises
from 0.4 to 1 at 14 days and 100 rates (fewer have no 99th percentile); what it is divided by takes away from it, see `BASES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import combinations
from statistics import median
from typing import Any, TypeVar

from inventory import daily
from inventory.conditions import value
from planner.attribution import Guest, Measured, Moment, Part, Shares, Users, divide, figure, inside_docroot, shares, users
from planner.platforms import Flavour, Headroom
from planner.sizewords import sentences

Number = TypeVar("Number", int, float)
MINIMUM_S, MINIMUM_COUNT = 30 * 3600, 20
FULL_S, FULL_COUNT = 14 * 86_400, 100
LONGEST_RATE_S = 7200
"""A rate over a longer time is an average that hides peaks; hourly samples pass."""

GROWTH_READINGS, GROWTH_S = 3, 28 * 86_400
"""Fewer readings, or over less than four weeks, tell no trend of a year."""

BASES = {
    "host": 1.0,
    "service": 0.9,
    "log": 0.6,
    "equal": 0.3,
    "measured": 1.0,
    "partial": 0.3,
    "filesystems": 0.5,
    "declared": 0.2,
    "unknown": 0.0,
}
"""How well a figure is known by what it rests on.  `allocated …` is a fifth of that: what somebody once ordered is not what is needed."""

_ALLOCATED, _NO_GROWTH = 0.2, 0.6
_MEMORY_STEP, _DISK_STEP = 16 * 1024**2, 1_000_000


@dataclass(frozen=True)
class Reading:
    """One `usage_sample` and when it was taken, by our clock."""

    at: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Host:
    """One host: its samples, the data of its `usage_history`, hardware, the data of its `disk`s, containers by `site.container`, guests.

    `runs` are samples from before `samples` as rates, each with whether its first pair begins with a sample that does not count.
    """

    name: str
    guests: Sequence[Guest] = ()
    samples: Sequence[Reading] = ()
    history: Sequence[Mapping[str, Any]] = ()
    cpus: float | None = None
    memory_bytes: int | None = None
    disks: Sequence[Mapping[str, Any]] = ()
    containers: Mapping[str, str] = field(default_factory=dict)
    runs: Sequence[tuple[daily.Run, bool]] = ()


@dataclass(frozen=True)
class Size:
    """What a destination must have; None is unknown.  `held_bytes` is what lies there today, before growth and headroom.

    `basis` has for cpus, memory_bytes, disk_bytes and iops a key of `BASES`, or one after `allocated `; `why` says it in words.
    """

    cpus: float | None
    memory_bytes: int | None
    disk_bytes: int | None
    iops: int | None
    held_bytes: int | None
    basis: Mapping[str, str]
    confidence: float
    why: str
    why_zh: str

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


UNKNOWN = Size(
    None, None, None, None, None, dict.fromkeys(("cpus", "memory_bytes", "disk_bytes", "iops"), "unknown"), 0.0, *sentences([], None, None)
)
"""Of a workload that was found on no host."""


def sizes(host: Host, headroom: Headroom | None = None, growth_months: int = 12) -> dict[str, Size]:
    """The size of each guest of a host, by name."""
    factors = headroom or Headroom()
    guests = sorted(host.guests, key=lambda guest: guest.name)
    if not guests:
        return {}
    told = shares(guests, host.containers)
    runs = [*host.runs, *([(daily.run(None, samples), True)] if (samples := _sorted(host.samples)) else ())]
    served = users(guests, told, {name for run, _ in runs for name in run.services})
    loads = _loads(host, runs, served)

    def figures(name: str, share: float, allocated: float | None) -> dict[str, Measured]:
        load = loads[name]
        return _allocated(told, allocated) if load is None else _percentile(load, divide(guests, told, served, load.moments), share, told)

    cpus, memory, iops = figures("cpus", 0.95, host.cpus), figures("memory", 0.99, host.memory_bytes), figures("iops", 0.95, None)
    found = {}
    for guest in guests:
        disk, growth = _disk(guest, host if len(guests) == 1 else None, growth_months)
        one, two, four = cpus[guest.name], memory[guest.name], iops[guest.name]
        basis = {"cpus": one.basis, "memory_bytes": two.basis, "disk_bytes": disk.basis, "iops": four.basis}
        whole = None if disk.value is None else disk.value + (growth or 0.0)
        why = sentences([("cpu", one, factors.cpu), ("memory", two, factors.memory), ("disk", disk, factors.disk)], growth, growth_months)
        found[guest.name] = Size(
            _up(one, factors.cpu, lambda value: max(1, _ceiling(value * 10)) / 10),
            _up(two, factors.memory, lambda value: max(4, _ceiling(value / _MEMORY_STEP)) * _MEMORY_STEP),
            None if whole is None else max(1, _ceiling(whole * factors.disk / _DISK_STEP)) * _DISK_STEP,
            _up(four, 1.0, lambda value: max(1, _ceiling(value))),
            None if disk.value is None else round(disk.value),
            basis, round(min(one.confidence, two.confidence, disk.confidence), 2), *why,
        )  # fmt: skip
    return found


def machine(host: Host, headroom: Headroom | None = None, growth_months: int = 12) -> Size:
    """The size of a whole host, whatever it serves: for a server that is replaced as it stands."""
    alone = Host(host.name, (Guest(host.name, {}),), host.samples, host.history, host.cpus, host.memory_bytes, host.disks, runs=host.runs)
    return sizes(alone, headroom, growth_months)[host.name]


def _ceiling(value: float) -> int:
    return math.ceil(round(value, 6))  # 0.1 × 3 is 0.30000000000000004: not a step more


def _up(measured: Measured, factor: float, to: Callable[[float], Number]) -> Number | None:
    """Times headroom and rounded up; what was allocated has its headroom already."""
    if measured.value is None:
        return None
    return to(measured.value if measured.basis.startswith("allocated") else measured.value * factor)


@dataclass(frozen=True)
class _Load:
    """One figure of a host over time: moments of our own samples, or the one value that sysstat's days leave."""

    moments: Sequence[Moment]
    count: int
    covered_s: float
    source: str

    @property
    def confidence(self) -> float:
        if self.count < MINIMUM_COUNT or self.covered_s < MINIMUM_S:
            return 0.0
        return 0.4 + 0.6 * min(1.0, self.covered_s / FULL_S, self.count / FULL_COUNT)


def _sorted(samples: Sequence[Reading]) -> list[Mapping[str, Any]]:
    return [reading.data for reading in sorted(samples, key=lambda reading: reading.at)]


def _loads(host: Host, runs: Sequence[tuple[daily.Run, bool]], served: Users) -> dict[str, _Load | None]:
    """The better known source of each figure; our own samples when they are equal."""
    rates = [rate for run, alone in runs for rate in run.rated(served, alone=alone) if rate.seconds <= LONGEST_RATE_S]
    cpus: list[Moment] = []
    memory: list[Moment] = []
    iops: list[Moment] = []
    for rate in rates:
        processors = figure(rate.cpus) or host.cpus
        if rate.cpu_percent is not None and processors:
            services = {name: busy for name, (busy, _) in rate.services.items() if busy is not None}
            cpus.append((rate.cpu_percent / 100 * processors, services))
        total = figure(rate.total)
        if rate.memory_percent is not None and total is not None:
            services = {name: float(held) for name, (_, held) in rate.services.items() if held is not None}
            memory.append((max(0.0, rate.memory_percent) / 100 * total, services))
        if rate.disk_tps is not None and figure(rate.disk_tps) is not None:
            iops.append((rate.disk_tps, {}))
    covered = math.fsum(rate.seconds for rate in rates)
    days = [day for day in host.history if day.get("source") == "sysstat"]
    whole = {"cpus": (host.cpus or 0.0) / 100, "memory": (host.memory_bytes or 0) / 100, "iops": 1.0}
    names = {"cpus": "cpu_percent", "memory": "memory_percent", "iops": "disk_tps"}
    found: dict[str, _Load | None] = {}
    for name, moments in (("cpus", cpus), ("memory", memory), ("iops", iops)):
        share = len(moments) / len(rates) if rates else 0.0
        own = _Load(moments, len(moments), covered * share, "samples")
        best = max((own, _sysstat(days, names[name], whole[name])), key=lambda load: load.confidence)
        found[name] = best if best.confidence > 0 else None
    return found


def _sysstat(days: Sequence[Mapping[str, Any]], name: str, unit: float) -> _Load:
    """The highest of the days' 95th percentiles: more than the week's, and all that the days' summaries leave."""
    count, covered, peaks = 0, 0.0, [0.0]
    for day in days:
        told = day.get(name)
        peak = figure(told.get("p95")) if isinstance(told, Mapping) else None
        if peak is not None and unit > 0:
            peaks.append(peak)
            count += int(figure(day.get("samples")) or 0)
            covered += figure(day.get("span_s")) or 0.0
    return _Load([(max(peaks) * unit, {})] if count else [], count, covered, "sysstat")


def _percentile(load: _Load, parts: Mapping[str, Part], share: float, told: Shares) -> dict[str, Measured]:
    """A percentile for each guest, by nearest rank: one of the values."""
    found = {}
    for name, part in parts.items():
        value = sorted(part.values)[max(1, math.ceil(share * len(part.values))) - 1]
        weight = told.weights[name] if part.basis in {"log", "equal"} else None
        found[name] = Measured(value, part.basis, load.confidence * BASES[part.basis], load.count, load.covered_s, load.source, weight)
    return found


def _allocated(told: Shares, whole: float | None) -> dict[str, Measured]:
    """Without history each guest's share of what the host has."""
    if not whole:
        return dict.fromkeys(told.weights, Measured(None, "unknown", 0.0))
    return {
        name: Measured(whole * weight, f"allocated {basis}", _ALLOCATED * BASES[basis], share=None if basis == "host" else weight)
        for (name, weight), basis in zip(told.weights.items(), told.bases.values(), strict=True)
    }


def _disk(guest: Guest, alone: Host | None, months: int) -> tuple[Measured, float | None]:
    """What a guest holds, and what it grows in so many months (None: no trend is known; a shrinking one needs what it holds today)."""
    content, database = figure(value(guest.facts, "content.bytes")), _database(guest)
    if content is None and alone is not None:
        used = [figure(disk.get("used_bytes")) for disk in alone.disks if not disk.get("network")]
        if used and None not in used:
            return Measured(math.fsum(value or 0.0 for value in used), "filesystems", BASES["filesystems"]), None
    if content is None:
        told = figure(value(guest.facts, "declared.size_bytes"))
        return (Measured(None, "unknown", 0.0) if told is None else Measured(told, "declared", BASES["declared"])), None
    if database is None:
        return Measured(content, "partial", BASES["partial"]), None
    slope = growth(guest.held)
    grown = None if slope is None else max(0.0, slope) * months / 12 * 365 * 86_400
    return Measured(content + database, "measured", 1.0 if slope is not None else _NO_GROWTH, len(guest.held)), grown


def _database(guest: Guest) -> float | None:
    """Bytes of its database here; nothing where it has none or it lies elsewhere.  One that several sites use counts for each of them."""
    used = value(guest.facts, "database.used")
    if used is False or value(guest.facts, "database.remote") or inside_docroot(guest.facts):
        return 0.0
    return figure(value(guest.facts, "database.bytes")) if used is True else None


def growth(readings: Sequence[tuple[float, int]]) -> float | None:
    """Bytes a second by Theil–Sen; None of too few readings or too short a time."""
    points = sorted({(at, value) for at, value in readings})
    if len({at for at, _ in points}) < GROWTH_READINGS or points[-1][0] - points[0][0] < GROWTH_S:
        return None
    return median((late[1] - early[1]) / (late[0] - early[0]) for early, late in combinations(points, 2) if late[0] > early[0])


def smallest_flavour(size: Size, flavours: Sequence[Flavour], system_bytes: int = 0) -> Flavour | None:
    """The smallest flavour that holds a size and `system_bytes` of its own; None: none does, or a figure is unknown."""
    if size.cpus is None or size.memory_bytes is None or size.disk_bytes is None:
        return None
    fitting = [
        flavour
        for flavour in flavours
        if flavour.cpus >= size.cpus and flavour.memory_bytes >= size.memory_bytes and flavour.disk_bytes >= size.disk_bytes + system_bytes
    ]
    return min(fitting, key=lambda flavour: (flavour.memory_bytes, flavour.cpus, flavour.disk_bytes, flavour.name), default=None)
