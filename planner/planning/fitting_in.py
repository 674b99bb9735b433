"""Platforms as nodes with room, what each workload needs on them, and what holds room meanwhile.  Pure.

In: the platforms; subjects with their dates.  Out: `Node`s, `Demand`s and `Occupied` for `planner.placement`.  A day is its ordinal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from planner.fitting import family, series
from planner.placement import Demand, Node, Occupied
from planner.planning.subjects import PLACES, Subject
from planner.platforms import STANDARD, Platforms

UNKNOWN_HEIGHT_U = 2
"""What is planned for a machine whose height the register does not tell: the commonest height of a rack server with disks."""
QUOTA = 1_000_000_000
"""Disk planned for a site of unknown size where no virtual-host server states a quota: the larger of the quotas that are usual."""


# ---------------------------------------------------------------- platforms


def nodes(platforms: Platforms) -> list[Node]:
    """All that can take a workload.  What a platform does not state is not planned with."""
    share = platforms.reserve.share
    found = []
    for host in platforms.virtual_hosts:
        capacity = _stated(accounts=host.accounts, disk_bytes=host.disk_bytes, cpus=host.cpus, memory_bytes=host.memory_bytes)
        labels = {*host.labels, *(f"PHP {version}" for version in host.php), *(_product(text) for text in host.databases)}
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


def _product(text: str) -> str:
    """The label of a database that is on offer, or is used; MySQL's data goes to MariaDB as it is (`fit.database` says the same)."""
    return f"database {family(text.split(maxsplit=1)[0])}" if text.strip() else ""


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


def _owner(address: str, platforms: Platforms) -> tuple[str, str]:
    """(placement, name) of the platform that a machine belongs to, ('', '') when it is none of ours."""
    for host in platforms.virtual_hosts:
        if host.address == address:
            return "virtual-host", host.name
    for cluster in platforms.site_clusters:
        if address in {cluster.front.address, *(node.address for node in cluster.nodes)}:
            return "site-cluster", cluster.name
    return "", ""


def is_ours(address: str, platforms: Platforms) -> bool:
    """Whether a machine belongs to one of our platforms."""
    return bool(_owner(address, platforms)[0])


def arrived(item: Subject, platforms: Platforms) -> str:
    """Why a workload that stands on the kind of platform that it should need not move; '' when it does.  An admin may choose another."""
    kind, name = _owner(item.address, platforms)
    chosen = item.decisions.get("node")
    return f"it is on {name} already" if kind == item.placement and (chosen is None or chosen.value == name) else ""


# ---------------------------------------------------------------- what workloads need there


def demand(item: Subject, identity: str, start: date, platforms: Platforms, profile: str) -> tuple[Demand, list[str]]:
    """What a workload needs at its destination, and what had to be assumed.  A node that does not exist binds nobody (`unpinned`)."""
    assumed: list[str] = []
    amounts = needs(item, item.placement, platforms, assumed)
    labels: set[str] = set()
    if item.placement == "virtual-host":
        if item.value("site.php") and item.value("fit.php_destination"):
            labels.add(f"PHP {item.value('fit.php_destination')}")
        product = str(item.value("database.product", "") or "")
        if item.value("database.used") and product and family(product) != "sqlite":
            labels.add(_product(product))
    elif item.placement == "site-cluster":
        labels.add(f"profile {profile}")
    pinned = item.decisions.get("node")
    node = pinned.value if pinned is not None and pinned.value in platforms.places(item.placement) else ""
    return Demand(identity, item.placement, amounts, start.toordinal(), labels=frozenset(labels), pinned=node), assumed


def unpinned(items: Iterable[Subject], platforms: Platforms) -> list[str]:
    """Sentences on decisions for a node that is none, or not of the kind that the workload goes to."""
    found = []
    for item in items:
        pinned = item.decisions.get("node")
        if pinned is not None and item.placement in PLACES and pinned.value not in platforms.places(item.placement):
            there = ", ".join(platforms.places(item.placement)) or "there is none"
            kind = PLACES[item.placement]
            found.append(f"{item.name}: {pinned.by} chose {pinned.value}, which is no {kind} ({there}); it is placed as if nobody had")
    return found


def needs(item: Subject, placement: str, platforms: Platforms, assumed: list[str]) -> dict[str, float]:
    """Resource → amount on a node of that placement; what had to be assumed is added to `assumed`."""
    if placement == "colocation":
        return _machine(item, assumed)
    size = {"cpus": item.size.cpus, "memory_bytes": item.size.memory_bytes, "disk_bytes": item.size.disk_bytes}
    return amounts(placement, size, item.costs["vps"].flavour if "vps" in item.costs else "", platforms, assumed)


def amounts(placement: str, size: Mapping[str, float | None], flavour: str, platforms: Platforms, assumed: list[str]) -> dict[str, float]:
    """The same for what is no machine of its own in a rack, of its size (cpus, memory_bytes, disk_bytes; None is unknown) alone."""
    if placement == "vps":
        return _flavour(size, flavour, platforms, assumed)
    held = size.get("disk_bytes")
    if held is None:
        held = max((host.quota_bytes for host in platforms.virtual_hosts), default=QUOTA)
        assumed.append("its size is unknown: the quota of a virtual host is planned for it")
    if placement == "virtual-host":
        return {"disk_bytes": float(held), "accounts": 1.0, **_stated(cpus=size.get("cpus"), memory_bytes=size.get("memory_bytes"))}
    return {"disk_bytes": float(held)}


def _flavour(size: Mapping[str, float | None], wanted: str, platforms: Platforms, assumed: list[str]) -> dict[str, float]:
    flavour = next((one for one in platforms.flavours if one.name == wanted), None)
    cpus, memory, disk = size.get("cpus"), size.get("memory_bytes"), size.get("disk_bytes")
    if flavour is None and cpus is not None and memory is not None and disk is not None:
        assumed.append("no flavour is large enough: it is planned for as it is")
        return {"cpus": float(cpus), "memory_bytes": float(memory), "disk_bytes": float(disk + platforms.vps_system_bytes)}
    if flavour is None:
        flavour = platforms.default_flavour or next(iter(platforms.flavours), STANDARD)
        assumed.append(f"its size is unknown: the flavour {flavour.name} is planned for it")
    return {"cpus": float(flavour.cpus), "memory_bytes": float(flavour.memory_bytes), "disk_bytes": float(flavour.disk_bytes)}


def _machine(item: Subject, assumed: list[str]) -> dict[str, float]:
    height, power = item.value("server.height_u"), item.value("server.power_w")
    if height is None:
        assumed.append(f"the height of its machine is unknown: {UNKNOWN_HEIGHT_U} U are planned for it")
    return {"units": float(height or UNKNOWN_HEIGHT_U), "ports": 1.0, **_stated(power_w=power)}


def php(item: Subject, offered: Sequence[str]) -> str:
    """The PHP version that a site gets on a server that offers these; '' where it needs none."""
    if not item.value("site.php") or item.value("site.static"):
        return ""
    wanted = item.value("fit.php_destination")
    return str(wanted) if wanted in offered else max(offered, key=series, default="")


# ---------------------------------------------------------------- what holds room meanwhile


def occupied(items: Sequence[Subject], ids: Mapping[str, str], ends: Mapping[str, date], platforms: Platforms) -> list[Occupied]:
    """Sources on our own platforms, until their move's trial run is over; and what an earlier plan has brought to one, for good.

    `ends`: move's id → the end of its trial run; what has none holds its room for good.
    """
    found = []
    there: set[tuple[str, str]] = set()
    for item in sorted(items, key=lambda one: one.name):
        kind, node = _owner(item.address, platforms)
        if kind:
            there |= {(node, str(name)) for name in item.names}
            end = ends.get(ids.get(item.name, ""))
            found.append(Occupied(node, item.name, _held(item, kind, platforms), end.toordinal() if end is not None else None))
    known = {name for kind in PLACES for name in platforms.places(kind)}
    for item in sorted(items, key=lambda one: one.name):
        carried = item.carried
        # once it is discovered where it has been brought to, it stands above
        if carried is not None and carried.platform in known and not any((carried.platform, str(name)) in there for name in item.names):
            found.append(Occupied(carried.platform, f"{item.name}, moved", needs(item, carried.placement, platforms, []), None))
    return found


def _held(item: Subject, kind: str, platforms: Platforms) -> dict[str, float]:
    """What a source takes of our node today; as much as is planned for where that is unknown."""
    amounts: dict[str, Any] = needs(item, kind, platforms, [])
    if item.size.held_bytes is not None:
        amounts["disk_bytes"] = float(item.size.held_bytes)
    return amounts
