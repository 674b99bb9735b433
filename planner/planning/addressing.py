"""Addresses for what gets a machine of its own, of each family that a pool has for it.  Pure.

In: what moves and where to, the pools, the addresses in use.  Out: workload → addresses, and what could not be given.
"""

from __future__ import annotations

import netaddr

from planner import addresses
from planner.planning import former
from planner.planning.values import Made
from planner.platforms import Pool


def given(made: Made) -> addresses.Given:
    """One of each family for each VPS, and for each machine that moves into our room.  What workloads have today is not given away."""
    platforms, ids = made.inputs.platforms, made.inputs.ids
    if not platforms.pools:
        return addresses.Given({}, ())
    zones = {node.name: node.zone for node in made.nodes}
    pools = [
        addresses.Pool(
            pool.name, pool.network, frozenset({pool.zone}), frozenset(pool.placements), pool.exclude, pool.reserved, pool.gateway or ""
        )
        for pool in platforms.pools
    ]  # fmt: skip
    wants = []
    machines: set[str] = set()
    for item in made.moving:
        node = made.placed.assignments.get(ids[item.name], "")
        if item.placement not in {"vps", "colocation"} or not node or (item.placement == "colocation" and item.host in machines):
            continue
        if item.placement == "vps" and platforms.machine_for(item.names) is not None:
            continue  # the center made its machine, and that has an address
        if item.placement == "colocation":
            machines.add(item.host)
        wants.append(addresses.Want(item.name, item.placement, zones[node], _families(platforms.pools, item.placement, zones[node])))
    taken = {item.address: "" for item in made.inputs.subjects if item.address}
    return addresses.assign(wants, pools, taken, former.addresses(made.inputs.former, made.moving))


def _families(pools: tuple[Pool, ...], placement: str, zone: str) -> frozenset[int]:
    """IPv4 always: what finds none is told as lacking.  IPv6 where a pool has it."""
    serving = (pool for pool in pools if pool.zone == zone and placement in (pool.placements or (placement,)))
    return frozenset({addresses.IPV4, *(int(netaddr.IPNetwork(pool.network).version) for pool in serving)})


def of_each(made: Made, got: addresses.Given) -> dict[str, tuple[str, str]]:
    """Workload → (IPv4, IPv6), '' for none; all of one machine have the machine's."""
    machines = {
        item.host: got.addresses[item.name] for item in made.moving if item.placement == "colocation" and item.name in got.addresses
    }
    found = {}
    for item in made.moving:
        mine = machines.get(item.host, ()) if item.placement == "colocation" else got.addresses.get(item.name, ())
        by_family = {netaddr.IPAddress(text).version: text for text in mine}
        found[item.name] = (by_family.get(addresses.IPV4, ""), by_family.get(addresses.IPV6, ""))
    return found


def problem(one: addresses.Problem) -> str:
    """A sentence on an address that was promised and cannot be had."""
    said = "is used by another" if one.what == "in-use" else "can no longer be given"
    return f"{', '.join(one.workloads)}: the address {one.address} {said}"
