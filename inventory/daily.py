"""A host's rates over a run of samples, kept small by the day: two weeks of a campus are half a million samples of some kilobytes each.

In: samples in the order of their times.  Out: a `Run`: one entry for each pair of neighbours that gives rates, in columns, and as JSON.
What services did stands as text for each of them: of a host's hundred services few are ever asked for.  Pure.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inventory import packing, usage

FORM = 1
"""Of what is stored; what was stored in another form is made anew from the samples."""

COLUMNS = ("seconds", "cpu_percent", "memory_percent", "disk_tps", "cpus", "total")


@dataclass(frozen=True, slots=True)
class Rated:
    """What one pair of samples says: `inventory.usage.Rates`, and of the later sample its CPUs and its memory in bytes, as they were read.

    `services` has (CPUs kept busy, bytes held) for each service that was asked for and is known in the run; None where not in the pair.
    """

    seconds: float
    cpu_percent: float | None
    memory_percent: float | None
    disk_tps: float | None
    cpus: Any
    total: Any
    services: Mapping[str, tuple[float | None, int | None]]


@dataclass(frozen=True, slots=True)
class Run:
    """Rates in columns of one length.  `crossing`: the first pair begins with a sample from before the run."""

    columns: Mapping[str, Sequence[Any]] = field(default_factory=lambda: {name: [] for name in COLUMNS})
    services: Mapping[str, str] = field(default_factory=dict)
    crossing: bool = False

    def rated(self, names: Collection[str], *, alone: bool = False) -> Iterator[Rated]:
        """The pairs, with what they say of the services `names`; `alone`: without one that begins before the run."""
        told = {name: json.loads(self.services[name]) for name in sorted(names) if name in self.services}
        for place, row in enumerate(zip(*(self.columns[name] for name in COLUMNS), strict=True)):
            if not (alone and self.crossing and place == 0):
                services = {name: (cpus[place], held[place]) for name, (cpus, held) in told.items()}
                seconds, cpu, memory, tps, processors, total = row
                yield Rated(seconds, cpu, memory, tps, processors, total, services)

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {"form": FORM, "columns": dict(self.columns), "services": dict(self.services), "crossing": self.crossing}


def stored(data: Mapping[str, Any]) -> Run | None:
    """What `to_json` gave; None of another form."""
    return Run(data["columns"], data["services"], data["crossing"]) if data.get("form") == FORM else None


def run(before: usage.Sample | None, samples: Iterable[usage.Sample]) -> Run:
    """The rates of samples, in their order; `before` is the last one before them, if there is one."""
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    services: dict[str, tuple[list[Any], list[Any]]] = {}
    crossing, earlier, count = False, before, 0
    for place, later in enumerate(samples):
        # what went over the network is no figure of a size
        rate = usage.rates({**earlier, "net": None}, {**later, "net": None}) if earlier is not None else None
        earlier = later
        if rate is None:
            continue
        crossing = crossing or place == 0
        memory = later.get("memory")
        row = (
            rate.seconds, rate.cpu_percent, rate.memory_percent, rate.disk_tps, later.get("cpus"),
            memory.get("total") if isinstance(memory, Mapping) else None,
        )  # fmt: skip
        for name, value in zip(COLUMNS, row, strict=True):
            columns[name].append(value)
        for name, service in rate.services.items():
            cpus, held = services.setdefault(name, ([None] * count, [None] * count))
            cpus.append(service.cpus)
            held.append(service.memory_bytes)
        count += 1
        for cpus, held in services.values():
            if len(cpus) < count:
                cpus.append(None)
                held.append(None)
    return Run(columns, {name: packing.encoded(list(both)) for name, both in sorted(services.items())}, crossing)
