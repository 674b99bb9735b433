"""What found no room: why, node by node; what is lacking; what to buy and by when; and who would be homeless if a node failed.

In: a `State` after packing and the items that sit nowhere.  Out: `Shortfall`, `Purchase` and `Loss`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from planner.placement.instance import Item, Problem, refusal
from planner.placement.loads import Load, Parts, sum_of, thousandths
from planner.placement.model import Amounts, Demand, Loss, Obstacle, Purchase, Shortfall
from planner.placement.packing import State


def shortfalls(state: State, items: Sequence[int], alone: frozenset[int]) -> list[Shortfall]:
    """One for each demand of the items; those of a group `together` tell the same, of the whole group."""
    found = []
    for number in items:
        item = state.problem.items[number]
        obstacles, lacking = _obstacles(state, item)
        for demand in item.demands:
            found.append(Shortfall(demand.name, demand.kind, demand.start, obstacles, lacking, number in alone))
    return found


def _obstacles(state: State, item: Item) -> tuple[tuple[Obstacle, ...], Amounts]:
    problem = state.problem
    needs = _highest(problem, item.parts)
    found: list[Obstacle] = []
    nearest: tuple[float, int, dict[str, int]] | None = None
    open_to = set(item.seats)
    for seat, node in enumerate(problem.nodes):
        refused = next(filter(None, (refusal(node, demand) for demand in item.demands)), None)
        if refused or seat not in open_to:
            what, detail = refused or ("together", item.demands[0].together)
            found.append(Obstacle(node.name, what, detail))
            continue
        clash = sorted(item.apart & state.groups[seat])
        if clash:
            found.append(Obstacle(node.name, "apart", ", ".join(clash)))
        lacks: dict[str, int] = {}
        pool = problem.pool_of[seat]
        holders = [("resource", state.loads[seat], problem.usable[seat])]
        if pool >= 0:
            holders.append(("spare", state.pools[pool], problem.pool_usable[pool]))
        for what, load, usable in holders:
            for resource, needed, free in _short(load, usable, item.parts):
                name = problem.resources[resource]
                if what == "resource" and usable[resource] < 0:
                    what, free = "unstated", 0
                found.append(Obstacle(node.name, what, "", name, needed / 1000, max(0, free) / 1000))
                lacks[name] = max(lacks.get(name, 0), needed - free)
        if lacks and not clash:
            far = max(lack / max(1, needs[name]) for name, lack in lacks.items())
            nearest = min(nearest or (math.inf, 0, {}), (far, seat, lacks), key=lambda one: one[:2])
    lacking = nearest[2] if nearest else needs
    return tuple(found), {name: amount / 1000 for name, amount in sorted(lacking.items()) if amount}


def _short(load: Load, usable: Sequence[int], parts: Parts) -> list[tuple[int, int, int]]:
    """(resource, needed, free) of what does not fit, at its tightest instant."""
    worst: dict[int, tuple[int, int]] = {}
    for start, end, vector in parts:
        for number, needed in vector:
            free = usable[number] - load.most(number, start, end)
            if needed > free and (number not in worst or needed - free > worst[number][0] - worst[number][1]):
                worst[number] = (needed, free)
    return [(number, *worst[number]) for number in sorted(worst)]


def _highest(problem: Problem, parts: Parts) -> dict[str, int]:
    found: dict[str, int] = {}
    for _, _, vector in parts:
        for number, amount in vector:
            found[problem.resources[number]] = max(found.get(problem.resources[number], 0), amount)
    return found


def purchases(state: State, items: Sequence[int], sizes: Mapping[str, Amounts]) -> list[Purchase]:
    """What to buy so that all of the items find room, with the placements of the others as they are."""
    problem = state.problem
    groups: dict[tuple[str, frozenset[str], str], list[Item]] = {}
    for number in items:
        item = problem.items[number]
        labels = frozenset().union(*(demand.labels for demand in item.demands))
        zones = sorted({demand.zone for demand in item.demands if demand.zone})
        bound = _bound_to(item.demands)
        if len(zones) < 2 and len(item.apart) == sum(len(demand.apart) for demand in item.demands):
            groups.setdefault((zones[0] if zones else _zone(problem), labels, bound), []).append(item)
    size = _size(problem, sizes)
    bought: dict[str, list[tuple[int, ...]]] = {}
    pools = dict(zip(_zones(problem), state.pools, strict=True))
    found = []
    for (zone, labels, bound), group in sorted(groups.items(), key=lambda one: (one[0][0], sorted(one[0][1]), one[0][2])):
        total = sum_of(part for item in group for part in item.parts)
        names = tuple(sorted(demand.name for item in group for demand in item.demands))
        needs = {name: amount / 1000 for name, amount in sorted(_highest(problem, total).items())}
        by = min(item.start for item in group)
        if size is None or bound:
            found.append(Purchase(problem.kind, zone, labels, by, names, needs, None, None, None, bound))
            continue
        reserve = max((node.reserve for node in problem.nodes), default=0.0)
        usable, capacity = _large_enough(problem, group, size, reserve)
        least = max((math.ceil(amount / usable[number]) for _, _, vector in total for number, amount in vector), default=1)
        nodes = _open_nodes(group, usable)
        if problem.spare:
            load = pools.setdefault(zone, Load(len(problem.resources)))
            load.add(total)
            own = [row for row, node in zip(problem.usable, problem.nodes, strict=True) if node.zone == zone] + bought.get(zone, [])
            nodes = _with_spare(load, own, usable, nodes)
        bought.setdefault(zone, []).extend([usable] * nodes)
        found.append(Purchase(problem.kind, zone, labels, by, names, needs, capacity, nodes, least))
    return found


def _bound_to(demands: Sequence[Demand]) -> str:
    """The node (or nodes) that must grow, when a new one would not be taken."""
    return next((demand.pinned or " | ".join(sorted(demand.allowed)) for demand in demands if demand.pinned or demand.allowed), "")


def _zones(problem: Problem) -> list[str]:
    return sorted({node.zone for node in problem.nodes}) if problem.spare else []


def _zone(problem: Problem) -> str:
    """Where to put what may stand anywhere: it matters only where a zone must bear the loss of a node; then the one with most nodes."""
    count = Counter(node.zone for node in problem.nodes) if problem.spare else Counter()
    return min(count, key=lambda zone: (-count[zone], zone), default="")


def _size(problem: Problem, sizes: Mapping[str, Amounts]) -> dict[str, float] | None:
    """The size of a new node: as told, else the commonest among the kind's nodes, else unknown."""
    if problem.kind in sizes:
        return dict(sizes[problem.kind])
    count: Counter[tuple[tuple[str, float], ...]] = Counter(tuple(sorted(node.capacity.items())) for node in problem.nodes)
    return dict(min((-number, size) for size, number in count.items())[1]) if count else None


def _large_enough(problem: Problem, group: Sequence[Item], size: dict[str, float], reserve: float) -> tuple[tuple[int, ...], Amounts]:
    """(usable per resource, capacity) of the size, enlarged where a single item needs more than that."""
    highest: dict[str, int] = {}
    for item in group:
        for name, amount in _highest(problem, item.parts).items():
            highest[name] = max(highest.get(name, 0), amount)
    capacity = dict(size)
    for name, amount in highest.items():
        if thousandths(capacity.get(name, 0) * (1 - reserve), up=False) < amount:
            capacity[name] = thousandths(amount / 1000 / (1 - reserve), up=True) / 1000
    usable = tuple(max(thousandths(capacity.get(name, 0) * (1 - reserve), up=False), highest.get(name, 0)) for name in problem.resources)
    return usable, dict(sorted(capacity.items()))


def _open_nodes(group: Sequence[Item], usable: tuple[int, ...]) -> int:
    """First-fit, the largest first, on new nodes only."""
    loads: list[tuple[Load, set[str]]] = []
    for item in sorted(group, key=lambda one: (-one.size, one.start, one.name)):
        for load, groups in loads:
            if item.apart.isdisjoint(groups) and load.fits(item.parts, usable):
                break
        else:
            load, groups = Load(len(usable)), set()
            loads.append((load, groups))
        load.add(item.parts)
        groups |= item.apart
    return len(loads)


def _with_spare(load: Load, own: Sequence[tuple[int, ...]], usable: tuple[int, ...], nodes: int) -> int:
    """The number of new nodes, raised until the zone bears the loss of its largest."""
    for number, height in enumerate(load.peaks):
        column = [max(0, row[number]) for row in own]
        largest = max([*column, usable[number]])
        while height and usable[number] and height > sum(column) + nodes * usable[number] - largest:
            nodes += 1
    return nodes


def losses(state: State) -> list[Loss]:
    """For each node of which a spare is kept: its demands that find no room on the others, the largest first on the emptiest.

    That the zone as a whole has room is what placing keeps; this is the trial.  Pins do not bind here: the node they name is gone.
    """
    problem, found = state.problem, []
    for seat, pool in enumerate(problem.pool_of):
        if pool < 0 or not state.on[seat]:
            continue
        others = [other for other, its in enumerate(problem.pool_of) if its == pool and other != seat]
        others.sort(key=lambda other: (state.share(other), other))
        moved = sorted(state.on[seat], reverse=True)
        for item in moved:
            state.lift(item)
        homeless: list[str] = []
        for number in moved:
            one = problem.items[number]
            nodes = (other for other in others if not any(_refuses(problem, other, demand) for demand in one.demands))
            there = next((other for other in nodes if state.fits(number, other)), -1)
            if there < 0:
                homeless += [demand.name for demand in one.demands]
            else:
                state.put(number, there)
        for number in moved:
            if state.where[number] >= 0:
                state.lift(number)
            state.put(number, seat)
        found.append(Loss(problem.nodes[seat].name, tuple(sorted(homeless))))
    return found


def _refuses(problem: Problem, seat: int, demand: Demand) -> bool:
    refused = refusal(problem.nodes[seat], demand)
    return refused is not None and refused[0] not in ("pinned", "allowed")
