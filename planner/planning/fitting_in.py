"""Platforms as nodes with room, and what each workload needs on them.  Pure.

In: the platforms; subjects with their dates.  Out: `Node`s, `Demand`s and `Occupied` for `planner.placement`.  A day is its ordinal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from planner.fitting import series
from planner.placement import Demand, Node, Occupied
from planner.planning.subjects import Subject
from planner.platforms import Platforms

UNKNOWN_HEIGHT_U = 2
"""What is planned for a machine whose height the register does not tell: the commonest height of a rack server with disks."""


def nodes(platforms: Platforms) -> list[Node]:
    """All that can take a workload.  What a platform does not state is not planned with."""
    share = platforms.reserve.share
    found = []
    for host in platforms.virtual_hosts:
        capacity = _stated(accounts=host.accounts, disk_bytes=host.disk_bytes, cpus=host.cpus, memory_bytes=host.memory_bytes)
        labels = {*host.labels, *(f"PHP {version}" for version in host.php), *(text.split()[0] for text in host.databases)}
        found.append(Node(host.name, "virtual-host", capacity, _used(host.used, capacity), host.zone, frozenset(labels), share))
    for cluster in platforms.site_clusters:
        capacity = _stated(disk_bytes=cluster.disk_bytes, cpus=cluster.cpus, memory_bytes=cluster.memory_bytes)
        labels = {*cluster.labels, *(f"profile {profile}" for profile in cluster.profiles)}
        found.append(Node(cluster.name, "site-cluster", capacity, _used(cluster.used, capacity), cluster.zone, frozenset(labels), share))
    for machine in platforms.vps_nodes:
        capacity = _stated(cpus=machine.virtual_cpus, memory_bytes=machine.virtual_memory_bytes, disk_bytes=machine.disk_bytes)
        found.append(Node(machine.name, "vps", capacity, _used(machine.used, capacity), machine.zone, frozenset(machine.labels), share))
    for rack in platforms.racks:
        capacity = _stated(units=rack.units, power_w=rack.power_w, ports=rack.ports)
        used = {"units": rack.used_units, "power_w": rack.used_power_w, "ports": rack.used_ports}
        taken = {name: float(amount) for name, amount in used.items() if name in capacity}
        found.append(Node(rack.name, "colocation", capacity, taken, rack.zone, frozenset(rack.labels), 0.0))
    return found


def _stated(**amounts: float | None) -> dict[str, float]:
    return {name: float(amount) for name, amount in amounts.items() if amount is not None}


def _used(used: object, capacity: Mapping[str, float]) -> dict[str, float]:
    return {name: float(getattr(used, name, 0) or 0) for name in capacity}


def spare(platforms: Platforms) -> tuple[str, ...]:
    """The kinds that must bear the loss of a node: where the center asks for it, and there is another to bear it."""
    if platforms.reserve.nodes == 0:
        return ()
    counts: dict[tuple[str, str], int] = {}
    for node in nodes(platforms):
        if node.kind in {"virtual-host", "vps"}:
            counts[node.kind, node.zone] = counts.get((node.kind, node.zone), 0) + 1
    kinds = sorted({kind for kind, _ in counts})
    return tuple(kind for kind in kinds if all(count > 1 for (one, _), count in counts.items() if one == kind))


def demand(item: Subject, identity: str, start: date, platforms: Platforms, profile: str) -> tuple[Demand, list[str]]:
    """What a workload needs at its destination, and what had to be assumed."""
    assumed: list[str] = []
    labels: set[str] = set()
    held = item.size.disk_bytes
    if item.placement == "vps":
        needs = _flavour(item, platforms, assumed)
    elif item.placement == "colocation":
        needs = _machine(item, assumed)
    else:
        if held is None:
            quota = max((host.quota_bytes for host in platforms.virtual_hosts), default=1_000_000_000)
            held = quota
            assumed.append("its size is unknown: the quota of a virtual host is planned for it")
        needs = {"disk_bytes": float(held)}
        if item.placement == "virtual-host":
            needs["accounts"] = 1.0
            needs |= _stated(cpus=item.size.cpus, memory_bytes=item.size.memory_bytes)
            if item.value("site.php") and item.value("fit.php_destination"):
                labels.add(f"PHP {item.value('fit.php_destination')}")
            if item.value("database.used") and str(item.value("database.product", "")).lower() in {"mysql", "mariadb"}:
                labels.add("MariaDB")
        else:
            labels.add(f"profile {profile}")
    pinned = item.decisions.get("node")
    return (
        Demand(
            identity, item.placement, needs, start.toordinal(), labels=frozenset(labels), pinned=pinned.value if pinned is not None else ""
        ),
        assumed,
    )


def _flavour(item: Subject, platforms: Platforms, assumed: list[str]) -> dict[str, float]:
    wanted = item.costs["vps"].flavour if "vps" in item.costs else ""
    flavour = next((one for one in platforms.flavours if one.name == wanted), None)
    if flavour is None and item.size.cpus is not None and item.size.memory_bytes is not None and item.size.disk_bytes is not None:
        assumed.append("no flavour is large enough: it is planned for as it is")
        disk = item.size.disk_bytes + platforms.vps_system_bytes
        return {"cpus": item.size.cpus, "memory_bytes": float(item.size.memory_bytes), "disk_bytes": float(disk)}
    if flavour is None:
        flavour = platforms.default_flavour or platforms.flavours[0]
        assumed.append(f"its size is unknown: the flavour {flavour.name} is planned for it")
    return {"cpus": float(flavour.cpus), "memory_bytes": float(flavour.memory_bytes), "disk_bytes": float(flavour.disk_bytes)}


def _machine(item: Subject, assumed: list[str]) -> dict[str, float]:
    height, power = item.value("server.height_u"), item.value("server.power_w")
    if height is None:
        assumed.append(f"the height of its machine is unknown: {UNKNOWN_HEIGHT_U} U are planned for it")
    return {"units": float(height or UNKNOWN_HEIGHT_U), "ports": 1.0, **_stated(power_w=power)}


def occupied(items: Sequence[Subject], ids: Mapping[str, str], ends: Mapping[str, date], platforms: Platforms) -> list[Occupied]:
    """Sources that live on our own nodes: they hold their room until their move's trial run is over."""
    own = {host.address: host for host in platforms.virtual_hosts}
    found = []
    for item in items:
        host = own.get(item.address)
        identity = ids.get(item.name, "")
        if host is not None and item.size.held_bytes is not None:
            end = ends.get(identity)
            needs = {"accounts": 1.0, "disk_bytes": float(item.size.held_bytes)}
            found.append(Occupied(host.name, item.name, needs, end.toordinal() if end is not None else None))
    return found


def moved(items: Sequence[Subject], nodes: Sequence[Node]) -> list[Occupied]:
    """What earlier plans brought to our nodes, or are bringing there: it holds its room for good, and no platform's `used` tells of it."""
    capacity = {node.name: node.capacity for node in nodes}
    found = []
    for item in items:
        move = item.begun.move if item.begun is not None else None
        if move is None or move["destination"]["platform"] not in capacity:
            continue
        size, node = move["size"] or {}, move["destination"]["platform"]
        disk = size.get("disk_bytes") or move["bytes"]
        needs = _stated(disk_bytes=disk, cpus=size.get("cpus"), memory_bytes=size.get("memory_bytes"))
        if move["placement"] == "virtual-host":
            needs["accounts"] = 1.0
        elif move["placement"] == "site-cluster":
            needs = {"disk_bytes": float(disk)}
        elif move["placement"] == "colocation":
            needs = {"units": float(item.value("server.height_u") or UNKNOWN_HEIGHT_U), "ports": 1.0}
        found.append(Occupied(node, item.name, {name: amount for name, amount in needs.items() if name in capacity[node]}))
    return found


def php(item: Subject, offered: Sequence[str]) -> str:
    """The PHP version that a site gets on a server that offers these; '' where it needs none."""
    if not item.value("site.php") or item.value("site.static"):
        return ""
    wanted = item.value("fit.php_destination")
    return str(wanted) if wanted in offered else max(offered, key=series, default="")
