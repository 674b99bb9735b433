"""Who talks to whom: connections that were open at a host's visit, and what configurations name, as edges between hosts.  Pure.

In: hosts with their addresses and observations, and sites with theirs.  Out: `Edge`s, sorted.  A connection is a moment: what was not
open when we looked is not shown, and a proxy target or a database host in a configuration is an edge without any connection.  Clients of
web servers are visitors, not dependencies: they are counted, never listed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import netaddr

from inventory.identify.backends import place

VISITED = frozenset({80, 443, 8080, 8443})
"""Ports whose clients are visitors."""
_SERVICES = {
    21: "ftp", 22: "ssh", 25: "smtp", 53: "dns", 88: "kerberos", 111: "rpcbind", 123: "ntp", 139: "smb", 389: "ldap", 445: "smb",
    514: "syslog", 587: "smtp", 636: "ldaps", 873: "rsync", 1433: "sql server", 1521: "oracle", 2049: "nfs",
    3306: "mysql", 5432: "postgresql",
    5672: "amqp", 6379: "redis", 8009: "ajp", 9200: "elasticsearch", 11211: "memcached", 27017: "mongodb",
}  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """A host of the catalogue: its name, every address that is known of it, and its connections as data."""

    name: str
    addresses: frozenset[str]
    connections: Sequence[Mapping[str, Any]] = ()


@dataclass
class Edge:
    """`source` needs `target` (a host's name, or an address that is no host's) on `port`.  `count` is how many clients were seen."""

    source: str
    target: str
    port: int
    service: str
    process: str
    proof: str  # connection | proxy | database
    inside: bool
    count: int = 1
    sites: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Graph:
    """All edges, and for each host how many visitors' addresses its web ports were serving."""

    edges: tuple[Edge, ...]
    visitors: Mapping[str, int]


def graph(machines: Sequence[Machine], sites: Iterable[tuple[str, str, Mapping[str, Any]]]) -> Graph:
    """Edges by connections of `machines`, and by `sites` as (name, host, fact values)."""
    names = {address: machine.name for machine in machines for address in machine.addresses}
    found: dict[tuple[str, str, int, str], Edge] = {}
    visitors: Counter[str] = Counter()

    def add(source: str, target: str, port: int, process: str, proof: str, site: str = "") -> None:
        inside = source in known and target in known
        key = (source, target, port, proof)
        edge = found.get(key)
        if edge is None:
            edge = found[key] = Edge(source, target, port, _SERVICES.get(port, ""), process, proof, inside)
        elif not site:
            edge.count += 1
        edge.process = edge.process or process
        if site and site not in edge.sites:
            edge.sites.append(site)

    known = {machine.name for machine in machines}
    for machine in machines:
        for data in machine.connections:
            inward = data.get("direction") == "in"
            own, other = str(data.get("local") or ""), str(data.get("peer") or "")
            address, port = _split(own) if inward else _split(other)
            peer = other if inward else address
            if not port or not _other(peer, machine):
                continue
            process = str(data.get("process") or "")
            if inward:
                if port == 22:
                    continue
                if port in VISITED and peer not in names:
                    visitors[machine.name] += 1
                    continue
                add(names.get(peer, peer), machine.name, port, process, "connection")
            else:
                add(machine.name, names.get(peer, peer), port, process, "connection")
    for name, host, facts in sites:
        for text in facts.get("backend.remote") or []:
            at = place(f"http://{text}")
            add(host, names.get(at.host, at.host), at.port, "", "proxy", name)
        if remote := facts.get("database.remote"):
            at = place(f"mysql://{remote}")
            default = 5432 if str(facts.get("database.product", "")).lower().startswith("postgres") else 3306
            explicit = str(remote).rpartition(":")[2].isdigit() and ":" in str(remote)
            add(host, names.get(at.host, at.host), at.port if explicit else default, "", "database", name)
    edges = sorted(found.values(), key=lambda edge: (edge.source, edge.target, edge.port, edge.proof))
    return Graph(tuple(edges), dict(sorted(visitors.items())))


def _split(text: str) -> tuple[str, int]:
    address, _, port = text.rpartition(":")
    return address.strip("[]"), int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 0


def _other(address: str, machine: Machine) -> bool:
    if address in machine.addresses:
        return False
    try:
        value = netaddr.IPAddress(address)
    except (netaddr.AddrFormatError, ValueError):
        return False
    return not (value.is_loopback() or value.is_link_local() or value.is_multicast())


def dot(shown: Graph) -> str:
    """The graph for Graphviz; names are quoted, whatever they hold."""
    lines = ["digraph dependencies {", "  rankdir=LR; node [shape=box];"]
    for edge in shown.edges:
        label = f"{edge.service or edge.port}" + ("" if edge.proof == "connection" else f" ({edge.proof})")
        style = "" if edge.inside else ", style=dashed"
        lines.append(f"  {_quoted(edge.source)} -> {_quoted(edge.target)} [label={_quoted(label)}{style}];")
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    plain = "".join(c if c.isprintable() else "?" for c in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
