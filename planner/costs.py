"""What a workload costs on each placement: a year of it, and bringing it there.  Pure; exact decimal arithmetic.

In: a size, hours of effort for each placement, the center's platforms with their tariffs.  Out: a `Cost` for each placement, totals by
unit, by placement and over all, and cheaper placements that stand open.  A cost of which any part is unknown is unknown, with the reason;
totals add what is known and count what is not.  Amounts are in the tariffs' currency, rounded half up to hundredths part by part, so that
shown parts add up to shown totals.  A GB is 10⁹ bytes, and each that is begun counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from planner.platforms import Flavour, Platforms, SharedTariff, Tariffs
from planner.policy import PLACEMENTS
from planner.sizing import Size, smallest_flavour

GB = 1_000_000_000
_CENT = Decimal("0.01")

REASONS = {
    "no tariff": ("the tariff of {what} is not in platforms.yml", "platforms.yml 中没有{what}的资费"),
    "no hour": ("the price of an engineer's hour (tariffs.hour) is not in platforms.yml", "platforms.yml 中没有工时单价（tariffs.hour）"),
    "no effort": ("the effort is unknown: it was not assessed", "未评估，工作量未知"),
    "no placement": ("no placement is recommended yet: planner assess", "尚无推荐的去向：先运行 planner assess"),
    "size": ("its {what} is unknown", "其{what}未知"),
    "too large": ("no flavour holds it", "没有能容纳它的云主机规格"),
    "no price": ("the flavour {what} has no price (yearly)", "规格 {what} 没有价格（yearly）"),
}
_WORDS = {
    "site-cluster": "网站群", "virtual-host": "虚拟主机", "vps": "云主机", "colocation": "服务器托管", "retire": "关停归档",
    "disk": "磁盘容量",
    "cpus": "CPU 需求", "memory": "内存需求", "height": "设备高度（U）", "power": "设备功率",
}  # fmt: skip


@dataclass(frozen=True)
class Unknown:
    """Why a cost is unknown: a key of `REASONS` and what it speaks of."""

    reason: str
    what: str = ""

    def text(self, language: str = "en") -> str:
        """The sentence."""
        chinese = language == "zh_CN"
        return REASONS[self.reason][chinese].format(what=_WORDS.get(self.what, self.what) if chinese else self.what)


@dataclass(frozen=True)
class Part:
    """One part of a yearly price: its name in platforms.yml, how many of it, and the amount."""

    name: str
    count: int
    amount: Decimal


@dataclass(frozen=True)
class Cost:
    """One workload on one placement: `yearly` and the one-off `once`, None when unknown, with the reasons.

    `flavour` is the VPS it takes; `justify` whether that is more than the default one, which needs a reason.
    """

    placement: str
    yearly: Decimal | None
    once: Decimal | None
    parts: tuple[Part, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    flavour: str = ""
    justify: bool = False

    def to_json(self, language: str = "en") -> dict[str, Any]:
        """Plain data; amounts are text, so that no reader makes binary fractions of them."""
        return {
            "placement": self.placement, "yearly": _text(self.yearly), "once": _text(self.once),
            "parts": [{"name": part.name, "count": part.count, "amount": str(part.amount)} for part in self.parts],
            "unknown": [reason.text(language) for reason in self.unknown], "flavour": self.flavour, "justify": self.justify,
        }  # fmt: skip


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)


@dataclass(frozen=True)
class Machine:
    """What colocation charges for: rack units and watts, None when the register does not tell."""

    height_u: float | None = None
    power_w: float | None = None


def costs(size: Size, platforms: Platforms, efforts: Mapping[str, float] | None = None, machine: Machine | None = None) -> dict[str, Cost]:
    """The cost on each placement; `efforts` are hours by placement."""
    return {name: _cost(name, size, platforms, (efforts or {}).get(name), machine or Machine()) for name in PLACEMENTS}


def _cost(name: str, size: Size, platforms: Platforms, hours: float | None, machine: Machine) -> Cost:
    tariffs, flavour, justify = platforms.tariffs, "", False
    if name == "vps":
        chosen, found = _vps(size, platforms)
        if chosen is not None:
            flavour, justify = chosen.name, _more(chosen, platforms.default_flavour)
    elif name == "colocation":
        found = _colocation(tariffs, machine)
    elif name == "retire":
        found = _by_gb("archive_per_gb", tariffs.retire.archive_per_gb, size.held_bytes) if tariffs.retire else Unknown("no tariff", name)
    else:
        found = _shared(name, tariffs.site_cluster if name == "site-cluster" else tariffs.virtual_host, size)
    once = _once(tariffs, hours)
    unknown = tuple(item for item in (found, once) if isinstance(item, Unknown))
    parts = () if isinstance(found, Unknown) else found
    yearly = None if isinstance(found, Unknown) else sum((part.amount for part in parts), Decimal("0.00"))
    return Cost(name, yearly, None if isinstance(once, Unknown) else once, parts, unknown, flavour, justify)


def _once(tariffs: Tariffs, hours: float | None) -> Decimal | Unknown:
    if hours is None:
        return Unknown("no effort")
    return Unknown("no hour") if tariffs.hour is None else _round(Decimal(str(hours)) * tariffs.hour)


Parts = tuple[Part, ...]


def _round(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_HALF_UP)


def _part(name: str, count: int, price: Decimal) -> Part:
    return Part(name, count, _round(price * count))


def _started(amount: float, unit: int) -> int:
    return max(0, -(-int(-(-amount // 1)) // unit))


def _by_gb(name: str, price: Decimal, held: int | None) -> Parts | Unknown:
    if held is None:
        return () if price == 0 else Unknown("size", "disk")
    return (_part(name, _started(held, GB), price),)


def _shared(name: str, tariff: SharedTariff | None, size: Size) -> Parts | Unknown:
    if tariff is None:
        return Unknown("no tariff", name)
    beyond = None if size.disk_bytes is None else max(0, size.disk_bytes - tariff.included_gb * GB)
    more = _by_gb("per_gb", tariff.per_gb, beyond)
    return more if isinstance(more, Unknown) else (_part("yearly", 1, tariff.yearly), *more)


def _vps(size: Size, platforms: Platforms) -> tuple[Flavour | None, Parts | Unknown]:
    """The smallest flavour that holds it; where only disk is short, the smallest by CPU and memory and disk by the GB."""
    for what, value in (("cpus", size.cpus), ("memory", size.memory_bytes), ("disk", size.disk_bytes)):
        if value is None:
            return None, Unknown("size", what)
    wanted = (size.disk_bytes or 0) + platforms.vps_system_bytes
    flavour, extra = smallest_flavour(size, platforms.flavours, platforms.vps_system_bytes), 0
    if flavour is None:
        able = [f for f in platforms.flavours if f.cpus >= (size.cpus or 0) and f.memory_bytes >= (size.memory_bytes or 0)]
        flavour = min(able, key=lambda f: (f.memory_bytes, f.cpus, -f.disk_bytes, f.name), default=None)
        if flavour is None:
            return None, Unknown("too large")
        extra = _started(wanted - flavour.disk_bytes, GB)
    if flavour.yearly is None:
        return flavour, Unknown("no price", flavour.name)
    if extra and platforms.tariffs.vps is None:
        return flavour, Unknown("no tariff", "vps")
    more = (_part("per_gb", extra, platforms.tariffs.vps.per_gb),) if extra and platforms.tariffs.vps else ()
    return flavour, (_part(f"flavour {flavour.name}", 1, flavour.yearly), *more)


def _more(one: Flavour, default: Flavour | None) -> bool:
    return default is not None and (
        one.cpus > default.cpus or one.memory_bytes > default.memory_bytes or one.disk_bytes > default.disk_bytes
    )


def _colocation(tariffs: Tariffs, machine: Machine) -> Parts | Unknown:
    tariff = tariffs.colocation
    if tariff is None:
        return Unknown("no tariff", "colocation")
    parts = [_part("yearly", 1, tariff.yearly)]
    for name, what, price, amount, unit in (
        ("per_u", "height", tariff.per_u, machine.height_u, 1), ("per_100w", "power", tariff.per_100w, machine.power_w, 100),
    ):  # fmt: skip
        if price == 0:
            continue
        if amount is None:
            return Unknown("size", what)
        parts.append(_part(name, _started(amount, unit), price))
    return tuple(parts)


@dataclass(frozen=True)
class Row:
    """A workload's costs for totals: its unit, the placement it is to have ('' for none yet), and its cost on each."""

    unit: str
    placement: str
    costs: Mapping[str, Cost]


@dataclass(frozen=True)
class Total:
    """A sum over `count` workloads; `yearly_unknown` and `once_unknown` of them are not in it."""

    count: int = 0
    yearly: Decimal = Decimal("0.00")
    yearly_unknown: int = 0
    once: Decimal = Decimal("0.00")
    once_unknown: int = 0

    def plus(self, cost: Cost | None) -> Total:
        """With one more; None is a workload without a placement: all of it unknown."""
        yearly, once = (None, None) if cost is None else (cost.yearly, cost.once)
        return Total(
            self.count + 1, self.yearly + (yearly or 0), self.yearly_unknown + (yearly is None), self.once + (once or 0),
            self.once_unknown + (once is None),
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "count": self.count, "yearly": str(self.yearly), "yearly_unknown": self.yearly_unknown, "once": str(self.once),
            "once_unknown": self.once_unknown,
        }  # fmt: skip


@dataclass(frozen=True)
class Totals:
    """Sums over the chosen placements: by unit, by placement ('' is none yet), overall; `reasons` counts why costs are unknown."""

    units: Mapping[str, Total] = field(default_factory=dict)
    placements: Mapping[str, Total] = field(default_factory=dict)
    overall: Total = Total()
    reasons: Mapping[Unknown, int] = field(default_factory=dict)


def totals(rows: Iterable[Row]) -> Totals:
    """Totals of many workloads, whatever their order."""
    units: dict[str, Total] = {}
    placements: dict[str, Total] = {}
    overall, reasons = Total(), Counter[Unknown]()
    for row in rows:
        cost = row.costs.get(row.placement)
        units[row.unit] = units.get(row.unit, Total()).plus(cost)
        placements[row.placement] = placements.get(row.placement, Total()).plus(cost)
        overall = overall.plus(cost)
        reasons.update((Unknown("no placement"),) if cost is None else cost.unknown)
    counted = dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0].reason, item[0].what)))
    order = [name for name in (*PLACEMENTS, "") if name in placements]
    return Totals(dict(sorted(units.items())), {name: placements[name] for name in order}, overall, counted)


def alternatives(found: Mapping[str, Cost], states: Mapping[str, str], chosen: str) -> tuple[Cost, ...]:
    """The other placements that are not ineligible and whose yearly cost is known, the cheapest first; equal ones by least privilege.

    One whose state is unknown is not offered: nobody has looked whether it could be.  Retiring is a decision, no cheaper way to run.
    """
    open_ = [
        found[name]
        for name in PLACEMENTS
        if name in found and name not in {chosen, "retire"} and states.get(name, "ineligible") != "ineligible"
    ]
    return tuple(
        sorted((cost for cost in open_ if cost.yearly is not None), key=lambda cost: (cost.yearly, PLACEMENTS.index(cost.placement)))
    )
