"""What is given → one `Problem` per kind, in whole numbers and in an order of its own; everything wrong with the input is said at once.

In: nodes, demands, occupied room.  Out: seats (nodes), items (a demand, or demands that go together), who may sit where, and the pools in
which the loss of one node must be bearable.  The order of the input leaves no trace: seats by name, items by size, start and name.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from inventory.errors import ConfigurationError
from planner.placement.loads import BEGINNING, FOREVER, UNSTATED, Load, Parts, sum_of, thousandths
from planner.placement.model import Demand, Node, Occupied


@dataclass(frozen=True)
class Item:
    """One demand, or all demands of a group `together`.  `size` is its largest share of the largest usable amount, in billionths."""

    demands: tuple[Demand, ...]
    parts: Parts
    size: int
    seats: tuple[int, ...]
    apart: frozenset[str]

    @property
    def start(self) -> int:
        """The first day on which it needs room."""
        return min(demand.start for demand in self.demands)

    @cached_property
    def top(self) -> dict[int, int]:
        """The highest need of each resource."""
        return {which: max(n for _, _, v in self.parts for w, n in v if w == which) for _, _, vector in self.parts for which, _ in vector}

    @cached_property
    def name(self) -> str:
        """The first of its demands."""
        return self.demands[0].name


@dataclass(frozen=True)
class Problem:
    """One kind.  `usable[seat][resource]` and `pool_usable[pool]` in thousandths.  `spare`: each zone is a pool that must bear the loss of
    one node; else `pool_of[seat]` is -1."""

    kind: str
    nodes: tuple[Node, ...]
    resources: tuple[str, ...]
    usable: tuple[tuple[int, ...], ...]
    per: tuple[tuple[float, ...], ...]
    fixed: tuple[tuple[Parts, ...], ...]
    pool_of: tuple[int, ...]
    pool_usable: tuple[tuple[int, ...], ...]
    spare: bool
    items: tuple[Item, ...]
    unplanned: frozenset[str]

    def load(self, seat: int) -> Load:
        """What is on a node before any demand."""
        found = Load(len(self.resources))
        for parts in self.fixed[seat]:
            found.add(parts)
        return found


def check(nodes: Sequence[Node], demands: Sequence[Demand], occupied: Sequence[Occupied]) -> None:
    """Raises ConfigurationError with every problem of the input."""
    problems: list[str] = []
    for what, names in (("node", [node.name for node in nodes]), ("demand", [demand.name for demand in demands])):
        problems += [f"{what} {name!r} is given {times} times" for name, times in Counter(names).items() if times > 1]
    known = {node.name for node in nodes}
    for node in nodes:
        problems += _amounts(f"node {node.name!r}, capacity", node.capacity) + _amounts(f"node {node.name!r}, used", node.used)
        if not 0 <= node.reserve < 1:
            problems.append(f"node {node.name!r}: the reserve {node.reserve} is no share from 0 to below 1")
    for demand in demands:
        problems += _amounts(f"demand {demand.name!r}", demand.needs)
        problems += _day(f"demand {demand.name!r}", demand.start)
        if demand.end is not None and demand.end <= demand.start:
            problems.append(f"demand {demand.name!r} ends on day {demand.end}, not after its start {demand.start}")
        named = demand.allowed | ({demand.pinned} if demand.pinned else frozenset())
        problems += [f"demand {demand.name!r} names the node {name!r}, which does not exist" for name in sorted(named - known)]
    for one in occupied:
        problems += _amounts(f"{one.name!r} on {one.node!r}", one.needs)
        if one.node not in known:
            problems.append(f"{one.name!r} occupies the node {one.node!r}, which does not exist")
    if problems:
        raise ConfigurationError(sorted(problems), hint="correct the platforms' capacities or the demands and place again")


def problems_of(
    nodes: Sequence[Node], demands: Sequence[Demand], occupied: Sequence[Occupied], spare: Iterable[str]
) -> tuple[Problem, ...]:
    """One problem per kind that has demands or nodes, by name."""
    spared = frozenset(spare)
    kinds = sorted({node.kind for node in nodes} | {demand.kind for demand in demands})
    by_kind: dict[str, list[Demand]] = {kind: [] for kind in kinds}
    for demand in demands:
        by_kind[demand.kind].append(demand)
    held: dict[str, list[Occupied]] = {}
    for one in occupied:
        held.setdefault(one.node, []).append(one)
    return tuple(
        _problem(kind, sorted((n for n in nodes if n.kind == kind), key=lambda n: n.name), by_kind[kind], held, kind in spared)
        for kind in kinds
    )


def _problem(kind: str, nodes: list[Node], demands: list[Demand], held: Mapping[str, list[Occupied]], spare: bool) -> Problem:
    # A resource that no node states is not planned with; where there are no nodes at all, everything needed is what must be bought.
    stated = {name for node in nodes for name in node.capacity} if nodes else {name for demand in demands for name in demand.needs}
    resources = tuple(sorted(stated))
    number = {name: place for place, name in enumerate(resources)}

    def vector(needs: Mapping[str, float]) -> tuple[tuple[int, int], ...]:
        whole = ((number[name], thousandths(amount, up=True)) for name, amount in needs.items() if name in number)
        return tuple(sorted((place, amount) for place, amount in whole if amount))

    usable = tuple(
        tuple(thousandths(node.capacity[name] * (1 - node.reserve), up=False) if name in node.capacity else UNSTATED for name in resources)
        for node in nodes
    )
    fixed = []
    for node in nodes:
        parts = [((BEGINNING, FOREVER, vector(node.used)),)] if vector(node.used) else []
        for one in held.get(node.name, ()):
            if vector(one.needs) and (one.until is None or one.until > BEGINNING):
                parts.append(((BEGINNING, FOREVER if one.until is None else one.until, vector(one.needs)),))
        fixed.append(tuple(sorted(parts)))
    zones = sorted({node.zone for node in nodes}) if spare else []
    pool_of = tuple(zones.index(node.zone) if spare else -1 for node in nodes)
    largest = [max((row[place] for row in usable), default=0) for place in range(len(resources))]
    seats = _Seats(nodes)
    items = []
    for group in _groups(demands):
        parts_of = sum_of((demand.start, demand.end or FOREVER, vector(demand.needs)) for demand in group if vector(demand.needs))
        # What needs nothing (of what is planned with) has no parts: it is placed all the same, and takes no room.
        size = max((10**9 * amount // max(1, largest[place]) for _, _, one in parts_of for place, amount in one), default=0)
        apart = frozenset().union(*(demand.apart for demand in group))
        torn = len(apart) < sum(len(demand.apart) for demand in group)
        items.append(Item(group, parts_of, size, () if torn else seats.of(group), apart))
    return Problem(
        kind=kind,
        nodes=tuple(nodes),
        resources=resources,
        usable=usable,
        per=tuple(tuple(1 / amount if amount > 0 else 0.0 for amount in row) for row in usable),
        fixed=tuple(fixed),
        pool_of=pool_of,
        pool_usable=tuple(_pool([row for row, node in zip(usable, nodes, strict=True) if node.zone == zone]) for zone in zones),
        spare=spare,
        items=tuple(sorted(items, key=lambda item: (item.size, item.start, item.name))),
        unplanned=frozenset(name for demand in demands for name, amount in demand.needs.items() if amount and name not in number),
    )


def _pool(rows: list[tuple[int, ...]]) -> tuple[int, ...]:
    """What a pool may carry when its largest node is lost: per resource the worst loss, whichever node that is."""
    stated = [[max(0, amount) for amount in column] for column in zip(*rows, strict=True)]
    return tuple(sum(column) - max(column) for column in stated)


class _Seats:
    """Which seats may take a group of demands; demands that ask alike are looked up once."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes
        self._found: dict[tuple[str, frozenset[str], frozenset[str], str], tuple[int, ...]] = {}

    def of(self, group: tuple[Demand, ...]) -> tuple[int, ...]:
        common: tuple[int, ...] | None = None
        for demand in group:
            key = (demand.zone, demand.labels, demand.allowed, demand.pinned)
            seats = self._found.get(key)
            if seats is None:
                seats = tuple(place for place, node in enumerate(self._nodes) if not refusal(node, demand))
                self._found[key] = seats
            common = seats if common is None else tuple(seat for seat in common if seat in set(seats))
        return common or ()


def refusal(node: Node, demand: Demand) -> tuple[str, str] | None:
    """(what, detail) of the first reason for which a node can never take a demand, whatever its load."""
    if node.kind != demand.kind:
        return "kind", node.kind
    if demand.pinned and node.name != demand.pinned:
        return "pinned", demand.pinned
    if demand.zone and node.zone != demand.zone:
        return "zone", node.zone
    if demand.labels - node.labels:
        return "label", ", ".join(sorted(demand.labels - node.labels))
    if demand.allowed and node.name not in demand.allowed:
        return "allowed", ", ".join(sorted(demand.allowed))
    return None


def _groups(demands: Iterable[Demand]) -> list[tuple[Demand, ...]]:
    groups: dict[tuple[int, str], list[Demand]] = {}
    for demand in sorted(demands, key=lambda one: one.name):
        groups.setdefault((1, demand.together) if demand.together else (0, demand.name), []).append(demand)
    return [tuple(group) for group in groups.values()]


def _amounts(where: str, amounts: Mapping[str, float]) -> list[str]:
    return [
        f"{where}: {amount} {name} is no amount from 0 on"
        for name, amount in sorted(amounts.items())
        if not (math.isfinite(amount) and amount >= 0)
    ]


def _day(where: str, day: int) -> list[str]:
    return [] if BEGINNING < day < FOREVER else [f"{where}: {day} is no day"]
