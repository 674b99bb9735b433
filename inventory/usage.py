"""Load from counters: two samples of a host → rates, one sample → its averages since boot, a series → mean and 95th percentile.  Pure.

In: the data of `usage_sample` observations (raw counters of the kernel with a monotonic clock).  Out: `Rates`.  A counter that went
backwards (a driver reloaded, 32 bits full, a service restarted) gives None, never a negative or invented rate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

Sample = Mapping[str, Any]
FIGURES = ("cpu_percent", "iowait_percent", "memory_percent", "disk_tps", "disk_kbps", "net_in_kbps", "net_out_kbps")
"""What is said of a host's load, whatever the source; fields of `Rates`."""


@dataclass(frozen=True)
class ServiceRates:
    """One service between two samples: CPUs that it kept busy (0.5 is half of one), and its memory at the later one in bytes."""

    cpus: float | None
    memory_bytes: int | None


@dataclass(frozen=True)
class Rates:
    """A host between two samples that lie `seconds` apart.  Percentages are of all CPUs and of all memory; kB are 1,000 bytes.

    `cpu_percent` is time neither idle nor waiting for disks; `memory_percent` is what programs hold, caches left out, at the later sample.
    """

    seconds: float
    cpu_percent: float | None
    iowait_percent: float | None
    steal_percent: float | None
    memory_percent: float | None
    disk_tps: float | None
    disk_kbps: float | None
    net_in_kbps: float | None
    net_out_kbps: float | None
    services: dict[str, ServiceRates] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def rates(before: Sample, after: Sample) -> Rates | None:
    """Rates between two `usage_sample`s of one host; None when it was started anew between them, or no time passed."""
    seconds = _difference(before.get("uptime_s"), after.get("uptime_s"))
    if seconds is None or seconds <= 0 or before.get("boot_id") != after.get("boot_id"):
        return None
    return _rates(seconds, before, after)


def since_boot(sample: Sample) -> Rates | None:
    """Averages over the whole time since the host started: one sample with a long span; it hides every peak."""
    seconds = sample.get("uptime_s")
    if not isinstance(seconds, (int, float)) or seconds <= 0:
        return None
    return _rates(float(seconds), {}, sample)


def summary(values: Sequence[float]) -> dict[str, float] | None:
    """{mean, p95} of a series (nearest rank, so that it is one of the values), None of an empty one."""
    if not values:
        return None
    ordered = sorted(values)
    rank = max(1, math.ceil(0.95 * len(ordered)))
    return {"mean": round(sum(ordered) / len(ordered), 2), "p95": round(ordered[rank - 1], 2)}


def memory_percent(sample: Sample) -> float | None:
    """Memory that programs hold: all but MemAvailable, or on kernels before 3.14 all but free memory, buffers and page cache."""
    memory = sample.get("memory") or {}
    total, available = memory.get("total"), memory.get("available")
    if available is None and all(name in memory for name in ("free", "buffers", "cached")):
        available = memory["free"] + memory["buffers"] + memory["cached"]
    if not total or available is None:
        return None
    return round(100 * (1 - float(min(available, total)) / float(total)), 2)


def _rates(seconds: float, before: Sample, after: Sample) -> Rates:
    cpu, past = after.get("cpu") or {}, before.get("cpu") or {}
    busy = {name: _difference(past.get(name, 0), value) for name, value in cpu.items()}
    known = [value for value in busy.values() if value is not None]
    total = sum(known) if len(known) == len(busy) else 0
    idle = (busy.get("idle") or 0) + (busy.get("iowait") or 0)
    return Rates(
        seconds=round(seconds, 2),
        cpu_percent=_percent(total - idle, total),
        iowait_percent=_percent(busy.get("iowait"), total),
        steal_percent=_percent(busy.get("steal"), total),
        memory_percent=memory_percent(after),
        disk_tps=_sum(before, after, "disks", ("reads", "writes"), seconds, 1),
        disk_kbps=_sum(before, after, "disks", ("read_bytes", "written_bytes"), seconds, 1000),
        net_in_kbps=_sum(before, after, "net", ("in_bytes",), seconds, 1000),
        net_out_kbps=_sum(before, after, "net", ("out_bytes",), seconds, 1000),
        services={
            name: ServiceRates(_cpus((before.get("services") or {}).get(name), service, seconds, bool(before)), service.get("memory_bytes"))
            for name, service in sorted((after.get("services") or {}).items())
        },
    )


def _difference(before: Any, after: Any) -> float | None:
    if not isinstance(before, (int, float)) or not isinstance(after, (int, float)) or after < before:
        return None
    return after - before


def _percent(part: float | None, whole: float) -> float | None:
    return None if part is None or whole <= 0 else round(100 * part / whole, 2)


def _sum(before: Sample, after: Sample, group: str, names: Sequence[str], seconds: float, unit: int) -> float | None:
    """Over all devices; one that is new since the first sample counts from nothing, one whose counter fell back spoils the sum."""
    now, then = after.get(group), before.get(group, {})
    if now is None or then is None:
        return None
    found = [_difference(then.get(device, {}).get(name, 0), counters.get(name)) for device, counters in now.items() for name in names]
    known = [value for value in found if value is not None]
    return round(sum(known) / seconds / unit, 2) if len(known) == len(found) else None


def _cpus(before: Mapping[str, Any] | None, after: Mapping[str, Any], seconds: float, paired: bool) -> float | None:
    """A service that the first sample did not have started in between: from nothing.  Since boot nobody knows when it started."""
    if not paired:
        return None
    spent = _difference((before or {"cpu_s": 0}).get("cpu_s"), after.get("cpu_s"))
    return None if spent is None else round(spent / seconds, 4)
