"""What was found, under the names that `differences.yml` uses: values of a site from its facts, values of a server from its observations.

In: facts or observations.  Out: `Found` values, each with the day and place of its reading.  What was not read is absent.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inventory import model
from inventory.scope import Campus


@dataclass(frozen=True)
class Found:
    """A value and where it was read: `host, section:line`."""

    value: Any
    place: str = ""
    at: datetime | None = None


Times = Mapping[int, datetime]
"""When each snapshot was taken."""


def of_site(item: model.Workload, observations: Sequence[Any], campus: Campus, times: Times) -> dict[str, Found]:
    """Values of a site that was found on a host; `observations` are its host's certificates."""
    host = item.host.name if item.host else ""
    found: dict[str, Found] = {}

    def take(name: str, value: Any, *facts: str) -> None:
        if value is None or value == "":
            return
        places = [place for fact in facts for place in item.facts.get(fact, {}).get("evidence", [])]
        place, at = _where(host, places[0] if places else None, times)
        found[name] = Found(value, place, at or (item.host.visited_at if item.host else None))

    def fact(name: str) -> Any:
        return item.facts.get(name, {}).get("value")

    take("names", list(item.names), "site.names")
    take("host", [item.host.name, item.host.address] if item.host else None)
    take("application", _joined(fact("application.name"), fact("application.version")), "application.name")
    take("web_server", fact("site.web_server"), "site.web_server")
    take("database", _joined(fact("database.product"), fact("database.version")), "database.product", "database.name")
    runtime = _joined("PHP", fact("site.php_version")) if fact("site.php") else "static" if fact("site.static") else None
    take("runtime", runtime, "site.php_version", "site.php", "site.static")
    take("bytes", fact("content.bytes"), "content.bytes")
    take("tls", fact("site.tls"), "site.tls")
    certificate = fact("site.certificate")
    for seen in observations:
        if seen.kind == "certificate" and certificate and seen.data.get("path") == certificate:
            place, at = _where(host, [seen.snapshot_id, seen.section, seen.line], times)
            found["certificate_end"] = Found(str(seen.data.get("not_after") or "")[:10], place, at)
    take("off_network", off_network(campus, item.host.address if item.host else "", item.names))
    return found


def off_network(campus: Campus, address: str, names: Sequence[str]) -> str | None:
    """双非: whether a site lies outside the campus addresses, outside the school's domains, or both; None when that cannot be told."""
    inside = campus.holds_address(address) if address else None
    known = [campus.holds_name(name) for name in names]
    at_home = None if not known or None in known else all(known)
    if inside is None or at_home is None:
        # one half alone can settle that it is outside, never that it is inside
        return (
            "outside-network" if inside is False and at_home is None else "outside-domain" if at_home is False and inside is None else None
        )
    return {(True, True): "inside", (False, True): "outside-network", (True, False): "outside-domain", (False, False): "outside-both"}[
        inside, at_home
    ]


def of_server(host: model.Host, observations: Sequence[Any], times: Times) -> dict[str, Found]:
    """Values of a visited host."""
    found: dict[str, Found] = {}

    def take(name: str, kind: str, value: Callable[[Sequence[Mapping[str, Any]]], Any]) -> None:
        rows = [seen for seen in observations if seen.kind == kind]
        if rows and (read := value([seen.data for seen in rows])) not in (None, "", []):
            place, at = _where(host.name, [rows[0].snapshot_id, rows[0].section, rows[0].line], times)
            found[name] = Found(read, place, at or host.visited_at)

    take("os", "os", lambda rows: _joined(rows[0].get("id"), rows[0].get("version")))
    take("machine", "hardware", lambda rows: _machine(rows[0].get("virtualization")))
    take("cpus", "hardware", lambda rows: rows[0].get("cpus"))
    take("memory", "hardware", lambda rows: rows[0].get("memory_bytes"))
    take("disk", "disk", _disk)
    take("addresses", "address", _addresses)
    take("mask", "address", lambda rows: _mask(rows, host.address))
    take(
        "gateway",
        "route",
        lambda rows: next((r.get("gateway") for r in rows if r.get("destination") == "default" and r.get("gateway")), None),
    )
    take(
        "web_server", "web_server", lambda rows: ", ".join(sorted({_joined(r.get("server"), r.get("version")) or "" for r in rows} - {""}))
    )
    take(
        "database",
        "database_server",
        lambda rows: ", ".join(sorted({_joined(r.get("product"), r.get("version")) or "" for r in rows} - {""})),
    )
    take("runtime", "php_version", lambda rows: ", ".join(sorted({f"PHP {r['version']}" for r in rows if r.get("version")})))
    take("ports", "listener", _ports)
    return found


def _where(host: str, place: Sequence[Any] | None, times: Times) -> tuple[str, datetime | None]:
    if not place or not isinstance(place[0], int):
        return host, None
    return f"{host}, {place[1]}:{place[2]}", times.get(place[0])


def _joined(name: Any, version: Any) -> str | None:
    return " ".join(str(part) for part in (name, version) if part) or None if name else None


def _machine(virtualization: Any) -> str | None:
    if virtualization is None or virtualization == "":
        return None
    return "physical" if str(virtualization) in {"none", "physical"} else "virtual"


def _disk(rows: Sequence[Mapping[str, Any]]) -> int | None:
    sizes = [row["bytes"] for row in rows if isinstance(row.get("bytes"), int) and not row.get("network")]
    return sum(sizes) or None


def _loopback(text: Any) -> bool:
    try:
        address = ipaddress.ip_address(str(text))
    except ValueError:
        return False
    return address.is_loopback or address.is_link_local


def _addresses(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return sorted({str(row["address"]) for row in rows if row.get("address") and not _loopback(row["address"])})


def _mask(rows: Sequence[Mapping[str, Any]], own: str) -> str | None:
    for row in rows:
        if row.get("address") == own and isinstance(row.get("prefix"), int):
            if row.get("family") == "ipv4":
                return str(ipaddress.ip_network(f"0.0.0.0/{row['prefix']}").netmask)
            return f"/{row['prefix']}"
    return None


def _ports(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Listeners that others can reach."""
    ports = {
        (row["port"], str(row.get("protocol") or "tcp"))
        for row in rows
        if isinstance(row.get("port"), int) and not _loopback(row.get("address"))
    }
    return [f"{port}/{protocol}" for port, protocol in sorted(ports)]
