"""The workspace's `inventory/platforms.yml` read and compared with itself: every mistake at once, with `file:line:column`.

In: the file.  Out: `Platforms`.  A part that is wrong by itself does not hide what is wrong between the others: names that stand twice,
pools that overlap, reservations outside of their pool, a default VPS that is not on offer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import netaddr
from pydantic import BaseModel, ValidationError

from inventory import yamlfile
from inventory.errors import ConfigurationError
from inventory.scope import parse_range
from planner.platforms import STANDARD, Platforms, Pool, Rack, VirtualHostServer, VpsMachine

Part = TypeVar("Part", bound=BaseModel)
Path_ = tuple[str | int, ...]
Problem = tuple[Path_, str]


def load(path: Path) -> Platforms:
    """Read the file; one that does not exist says nothing.  Raises ConfigurationError with all its problems, InputError."""
    return of(yamlfile.read(path)) if path.exists() else Platforms()


def of(document: yamlfile.Document) -> Platforms:
    """A document as `Platforms`.  Raises ConfigurationError."""
    problems: list[str] = []
    made = Platforms()
    try:
        made = document.validate(Platforms)
    except ConfigurationError as error:
        problems += error.problems
    for path, what in _problems(document.data if isinstance(document.data, dict) else {}):
        problems.append(f"{document.place(path)}: {'.'.join(map(str, path))}: {what}")
    if problems:
        raise ConfigurationError(problems)
    return made


def _problems(data: Mapping[Any, Any]) -> Iterator[Problem]:
    """What is wrong between parts of the file that are right by themselves."""
    yield from _names(data)
    flavours = data.get("flavours", [STANDARD.model_dump()])
    wanted = data.get("vps_default", STANDARD.name)
    offered = [str(_named(item)) for item in flavours] if isinstance(flavours, list) else []
    if offered and isinstance(wanted, str) and wanted not in offered:
        path: Path_ = ("vps_default",) if "vps_default" in data else ("flavours",)
        yield path, f"the default VPS {wanted!r} is none of the flavours {', '.join(offered)}: name one of them in vps_default"
    for index, server in _good(data, "virtual_hosts", VirtualHostServer):
        if server.quota_most_bytes < server.quota_bytes:
            yield ("virtual_hosts", index, "quota_most_bytes"), "less than quota_bytes: what is given on request is at least what all get"
    for index, rack in _good(data, "racks", Rack):
        for name, whole, taken in (("units", rack.units, rack.used_units), ("ports", rack.ports, rack.used_ports)):
            if whole is not None and taken > whole:
                yield ("racks", index, f"used_{name}"), f"{taken} {name} are used of {whole}"
    yield from _machines(list(_good(data, "vps_machines", VpsMachine)))
    gone, fronts = data.get("gone"), [_named(item) for kind in ("site_clusters", "virtual_hosts") for item in _listed(data, kind)]
    if isinstance(gone, dict) and gone.get("front") and gone["front"] not in fronts:
        yield ("gone", "front"), f"{gone['front']!r} is no site cluster and no virtual-host server"
    yield from _pools(list(_good(data, "pools", Pool)))


def _named(item: Any) -> Any:
    return item.get("name") if isinstance(item, dict) else None


def _listed(data: Mapping[Any, Any], kind: str) -> list[Any]:
    found = data.get(kind)
    return found if isinstance(found, list) else []


def _names(data: Mapping[Any, Any]) -> Iterator[Problem]:
    """Platforms share one space of names, since plans and playbooks name them; a machine may stand in several clusters."""
    seen: dict[str, tuple[Path_, Any]] = {}
    machines: list[tuple[Path_, str, Any]] = []
    for kind in ("virtual_hosts", "site_clusters", "vps_nodes", "vps_machines", "racks"):
        for index, item in enumerate(_listed(data, kind)):
            machines.append(((kind, index, "name"), _named(item), None))
            if kind == "site_clusters" and isinstance(item, dict):
                front, nodes = item.get("front"), _listed(item, "nodes")
                inner: list[tuple[Path_, Any]] = [((kind, index, "front", "name"), front)]
                inner += [((kind, index, "nodes", at, "name"), node) for at, node in enumerate(nodes)]
                machines += [(path, _named(node), node.get("address")) for path, node in inner if isinstance(node, dict)]
    for path, name, address in machines:
        if not isinstance(name, str):
            continue
        earlier = seen.setdefault(name, (path, address))
        if earlier[0] != path and (address is None or earlier[1] != address):
            yield path, f"the name {name!r} stands already at {'.'.join(map(str, earlier[0]))}"
    for kind in ("archive", "backup", "monitoring"):
        yield from _beside(data, kind, seen)
    for kind in ("flavours", "pools"):
        known: dict[str, int] = {}
        for index, item in enumerate(_listed(data, kind)):
            name = _named(item)
            if isinstance(name, str) and known.setdefault(name, index) != index:
                yield (kind, index, "name"), f"the name {name!r} stands already at {kind}.{known[name]}"


def _beside(data: Mapping[Any, Any], kind: str, seen: dict[str, tuple[Path_, Any]]) -> Iterator[Problem]:
    """It may be a machine that serves as something else, too, and then has that machine's address."""
    machine = data.get(kind)
    name = _named(machine)
    if not isinstance(machine, dict) or not isinstance(name, str):
        return
    path, address = seen.setdefault(name, ((kind, "name"), machine.get("address")))
    if path[0] in {"virtual_hosts", "vps_machines"}:
        address = _listed(data, str(path[0]))[int(path[1])].get("address")
    if address is None or address != machine.get("address"):
        yield (kind, "name"), f"the name {name!r} stands already at {'.'.join(map(str, path))}"


def _good(data: Mapping[Any, Any], kind: str, model: type[Part]) -> Iterator[tuple[int, Part]]:
    for index, item in enumerate(_listed(data, kind)):
        try:
            yield index, model.model_validate(item)
        except ValidationError:
            continue


def _machines(machines: Sequence[tuple[int, VpsMachine]]) -> Iterator[Problem]:
    """One machine for a workload, and one entry for a machine."""
    owner: dict[str, int] = {}
    address: dict[str, int] = {}
    for index, machine in machines:
        if address.setdefault(machine.address, index) != index:
            yield ("vps_machines", index, "address"), f"{machine.address} is the address of vps_machines.{address[machine.address]}, too"
        for at, name in enumerate(machine.workloads):
            if owner.setdefault(name.lower(), index) != index:
                yield ("vps_machines", index, "workloads", at), f"{name!r} has vps_machines.{owner[name.lower()]} already"


def _pools(pools: Sequence[tuple[int, Pool]]) -> Iterator[Problem]:
    for place, (index, pool) in enumerate(pools):
        network = netaddr.IPNetwork(pool.network)
        for earlier, other in pools[:place]:
            if _overlap(network, netaddr.IPNetwork(other.network)):
                yield ("pools", index, "network"), f"{pool.network} overlaps {other.network} of pools.{earlier}"
        if pool.gateway is not None and netaddr.IPAddress(pool.gateway) not in network:
            yield ("pools", index, "gateway"), f"{pool.gateway} lies outside of {pool.network}"
        for at, text in enumerate(pool.exclude):
            if not parse_range(text).issubset(netaddr.IPSet([network])):
                yield ("pools", index, "exclude", at), f"{text} lies outside of {pool.network}"
        usable, given = pool.usable, dict[netaddr.IPAddress, str]()
        for name, text in pool.reserved.items():
            address = netaddr.IPAddress(text)
            if address not in network:
                yield ("pools", index, "reserved", name), f"{text} lies outside of {pool.network}"
            elif address not in usable:
                yield ("pools", index, "reserved", name), f"{text} is the gateway, excluded, or no host's address in {pool.network}"
            elif given.setdefault(address, name) != name:
                yield ("pools", index, "reserved", name), f"{text} is reserved for {given[address]!r} already"


def _overlap(one: netaddr.IPNetwork, other: netaddr.IPNetwork) -> bool:
    return bool(one.version == other.version and one.first <= other.last and other.first <= one.last)
