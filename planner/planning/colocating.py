"""A machine that comes into our room: which of its moves does the work, where it stands there, what it takes along, or why people do it.

In: a plan that has its places and addresses.  Out: for each workload that is colocated a `Machine`: the part of the document, or a reason.
Units and ports are given out upwards from what is taken, machine by machine in order of their days; who had its place in the former plan
keeps it.  Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import netaddr
from netaddr import valid_ipv4

from planner.planning import fitting_in, former, ties
from planner.planning.subjects import Subject
from planner.planning.values import Made
from planner.platforms import Platforms, Pool, Rack

MOST_WRITTEN = 50


@dataclass(frozen=True)
class Machine:
    """`data` is the document's `colocation`; None, with `why`, when people carry it out.  `records`: DNS records of all its workloads."""

    data: Mapping[str, Any] | None
    why: str
    leads: bool = False
    records: tuple[Mapping[str, Any], ...] = ()


def machines(made: Made, given: Mapping[str, tuple[str, str]]) -> dict[str, Machine]:
    """Workload's name → its machine.  `given`: (IPv4, IPv6) of each workload."""
    members: dict[str, list[Subject]] = {}
    for item in made.moving:
        if item.placement == "colocation":
            members.setdefault(item.host, []).append(item)
    if not members:
        return {}
    around, seats = _around(made), _seats(made, members)
    found: dict[str, Machine] = {}
    for host, items in sorted(members.items()):
        found |= _machine(made, around, host, items, given, seats.get(host, (0, 0)))
    return found


@dataclass(frozen=True)
class _Around:
    """All workloads by their host, and by the addresses of other machines that they need."""

    on: Mapping[str, Sequence[Subject]]
    using: Mapping[str, Sequence[Subject]]


def _around(made: Made) -> _Around:
    on: dict[str, list[Subject]] = {}
    using: dict[str, list[Subject]] = {}
    for item in sorted(made.inputs.subjects, key=lambda one: one.name):
        on.setdefault(item.host, []).append(item)
        for address in ties.used(item):
            using.setdefault(address, []).append(item)
    return _Around(on, using)


def _machine(
    made: Made, around: _Around, host: str, items: Sequence[Subject], given: Mapping[str, tuple[str, str]], seat: tuple[int, int]
) -> dict[str, Machine]:
    platforms, ids = made.inputs.platforms, made.inputs.ids
    first = min(items, key=lambda item: ids[item.name])
    node = made.placed.assignments.get(ids[first.name], "")
    rack = next((one for one in platforms.racks if one.name == node), None)
    address = given[first.name][0]
    pool = _pool(platforms, address)
    reasons = list(dict.fromkeys(_reasons(made, around, host, items, rack, pool, address)))
    if reasons or rack is None or pool is None or platforms.archive is None:
        return {item.name: Machine(None, "; ".join(reasons)) for item in items}
    records = tuple({str(one["name"]): one for item in items for one in item.records if first.address in one["values"]}.values())
    data = {
        "leader": ids[first.name], "rides": sorted(ids[item.name] for item in items if item is not first),
        "transport": platforms.room.transport, "rack": rack.name, "unit": seat[0], "height": _height(first),
        "power_w": _watts(first), "feeds": list(rack.feeds), "switch": rack.switch, "port": seat[1], "vlan": pool.vlan,
        "interface": first.card["interface"], "mac": str(first.card.get("mac") or ""),
        "model": str(first.value("server.model") or ""), "asset_no": str(first.value("server.asset_no") or ""),
        "old": {"address": first.address, "prefix": first.card["prefix"], "gateway": first.card["gateway"]},
        "new": {"address": address, "prefix": netaddr.IPNetwork(pool.network).prefixlen, "gateway": pool.gateway},
        "confirm_seconds": platforms.room.confirm_seconds, "boot_seconds": platforms.room.boot_seconds,
        "contact": platforms.room.contact, "folder": platforms.archive.folder,
        "contents": [_content(item, ids[item.name]) for item in sorted(items, key=lambda item: ids[item.name])],
        "written": _written(around, items, first),
    }  # fmt: skip
    return {item.name: Machine(data, "", item is first, records if item is first else ()) for item in items}


def _reasons(
    made: Made, around: _Around, host: str, items: Sequence[Subject], rack: Rack | None, pool: Pool | None, address: str
) -> Iterator[str]:  # fmt: skip
    """All that stands in the way of the playbooks."""
    platforms, first = made.inputs.platforms, items[0]
    if rack is None:
        yield "it has no place in a rack"
    if not address or pool is None:
        yield "no pool of inventory/platforms.yml has an IPv4 address for it"
    elif pool.gateway is None or ":" in pool.gateway:
        yield f"the pool {pool.name} of inventory/platforms.yml names no gateway"
    if platforms.archive is None:
        yield "inventory/platforms.yml names no archive: without a backup that was verified it is not carried"
    if not first.card:
        yield f"the network card, prefix or gateway of {first.address} is unknown: discover {host} again"
    elif not _is_plain(first):
        yield f"{first.address} is no IPv4 address behind a card and a gateway with plain names"
    if first.card.get("others"):
        yield f"{host} has other addresses beside {first.address}: {', '.join(sorted(first.card['others']))}"
    if platforms.dns is not None and not any(first.address in one["values"] for item in items for one in item.records):
        yield f"none of its names points at {first.address} in the zones that we serve"
    for item in items:
        yield from (f"{item.name}: {why}" for why in _left_behind(item))
    here = {item.name for item in items}
    for item in around.on.get(host, ()):
        moves = item.name in here or item.name not in made.left or (item.carried is not None and item.carried.done)
        pointing = [str(one["name"]) for one in item.records if first.address in one["values"]]
        if not moves and (pointing or platforms.dns is None):
            yield f"{item.name} stays on the machine and would lose its address: {made.left[item.name]}"


def _left_behind(item: Subject) -> Iterator[str]:
    """What of a workload neither backup nor comparison would reach."""
    if not item.dns_names:
        yield "it has no name that DNS allows"
    docroot = str(item.value("site.docroot") or "")
    if not docroot:
        yield "its docroot is unknown, and its content could not be backed up"
    elif not docroot.startswith("/") or ".." in docroot.split("/") or not docroot.isprintable():
        yield "its docroot has a name that cannot stand in a command"
    if item.value("site.userdirs"):
        yield "it serves folders of users' homes, which the backup would not hold"
    wild = [str(name) for name in item.value("site.odd_names", []) or [] if str(name).startswith("*.")]
    if wild:
        yield f"it answers for every name of {', '.join(wild)}, whose DNS records are not known one by one"
    product = str(item.value("database.product", "") or "").lower()
    if item.value("database.used") and not item.value("database.remote") and product not in {"mariadb", "mysql"}:
        yield f"there is no playbook that backs up its database ({product or 'unknown'})"


def _pool(platforms: Platforms, address: str) -> Pool | None:
    if not address:
        return None
    return next((pool for pool in platforms.pools if netaddr.IPAddress(address) in netaddr.IPNetwork(pool.network)), None)


def _content(item: Subject, identity: str) -> dict[str, Any]:
    local = item.value("database.used", False) and not item.value("database.remote")
    return {
        "id": identity, "names": item.dns_names, "docroot": str(item.value("site.docroot")),
        "schema": str(item.value("database.name") or "") if local else "", "tls": item.value("site.tls") is True,
        "hosts": [name for name in item.dns_names if name in (item.value("site.tls_names", []) or [])],
        "seeds": [str(url) for url in item.value("use.top_urls", []) or []][:20],
    }  # fmt: skip


def _written(around: _Around, items: Sequence[Subject], first: Subject) -> list[str]:
    """Where code and configurations name the old address, as far as visits told: on the machine itself, and on others that need it."""
    address = first.address
    found = [
        f"{item.name} on {item.host}: it reaches a database or a service at {address}"
        for item in around.using.get(address, ())
        if item.host and item.host != first.host
    ]
    for item in items:
        for one in item.value("code.own_addresses", []) or []:
            text = " ".join(str(part) for part in one.values()) if isinstance(one, Mapping) else str(one)
            found.append(f"{item.name}: {text}".replace("\n", " "))
        if address in str(item.value("database.host") or ""):
            found.append(f"{item.name}: its database is reached as {address}")
    return ["".join(letter for letter in text if letter.isprintable())[:200] for text in found][:MOST_WRITTEN]


def _is_plain(item: Subject) -> bool:
    """Whether what a visit said of the card may stand in a plan: it comes from the unit's host."""
    card = item.card
    good = all(valid_ipv4(str(text)) for text in (item.address, card["gateway"]))
    return (
        good and 1 <= int(card["prefix"]) <= 32 and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,31}", str(card["interface"])) is not None
    )


def _watts(item: Subject) -> float | None:
    watts = item.value("server.power_w")
    return float(watts) if isinstance(watts, (int, float)) and watts >= 0 else None


def _height(item: Subject) -> int:
    return int(item.value("server.height_u") or fitting_in.UNKNOWN_HEIGHT_U)


def _seats(made: Made, members: Mapping[str, Sequence[Subject]]) -> dict[str, tuple[int, int]]:
    """Host → (lowest rack unit, switch port); 0 for a port that the rack does not count."""
    ids, starts = made.inputs.ids, {item.name: item.start for item in made.schedule.scheduled}
    racks: dict[str, list[str]] = {}
    for host, items in members.items():
        node = made.placed.assignments.get(min(ids[item.name] for item in items), "")
        racks.setdefault(node, []).append(host)
    found: dict[str, tuple[int, int]] = {}
    for rack in made.inputs.platforms.racks:
        hosts = racks.get(rack.name, [])
        taken, ports = set(range(1, rack.used_units + 1)), set(range(1, rack.used_ports + 1))
        kept = _kept(made.inputs.former, members, hosts, rack.name)
        for mine, height, port in kept.values():
            taken |= set(range(mine, mine + height))
            ports.add(port)
        # a machine of the former plan that is no more among the moves stands there by now
        far = max((day.toordinal() for day in starts.values()), default=0) + 1
        days = {one: [starts[ids[item.name]].toordinal() for item in members[one] if ids[item.name] in starts] for one in hosts}
        for host in sorted(hosts, key=lambda one: (min(days[one], default=far), one)):
            height = max(_height(item) for item in members[host])
            if host in kept:
                found[host] = kept[host][0], kept[host][2]
                continue
            lowest = next((at for at in range(1, rack.units - height + 2) if not taken & set(range(at, at + height))), 0)
            port = next(at for at in range(1, len(ports) + 2) if at not in ports) if rack.ports is not None else 0
            taken |= set(range(lowest, lowest + height)) if lowest else set()
            ports.add(port)
            found[host] = lowest, port
    return found


def _kept(
    before: former.Former | None, members: Mapping[str, Sequence[Subject]], hosts: Sequence[str], rack: str
) -> dict[str, tuple[int, int, int]]:
    """Host → (lowest unit, height, port) in the former plan; also of machines that are not planned any more: they came there."""
    found: dict[str, tuple[int, int, int]] = {}
    for move in before.document["moves"] if before is not None else ():
        part = move.get("colocation")
        host = str(move["source"]["host"])
        if part and part["rack"] == rack and part["unit"] and (host in hosts or host not in members):
            found[host] = int(part["unit"]), int(part["height"]), int(part["port"])
    return found
