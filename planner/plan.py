"""The making of moves: which site goes where, in which wave, by which steps.  Pure but for `save` and `load`.

In: workloads with facts and verdicts, the platforms.  Out: a plan's document (docs/plans.md).  Same inputs, same bytes: there is no clock
and no chance in it.  `left` says why each workload that is not moved stays.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from inventory.errors import PlanError
from inventory.register import valid_name
from planner import plandocument, policy
from planner.freshness import facts_digest
from planner.plandocument import STEPS, canonical
from planner.platforms import Cluster, Platforms, VirtualHostServer

__all__ = ["STEPS", "Candidate", "canonical", "facts_digest", "load", "make", "save", "value"]


@dataclass(frozen=True)
class Candidate:
    """One workload as the plan sees it; `records` are its A records as read: {name, values, ttl}."""

    name: str
    unit: str
    host: str
    address: str
    names: Sequence[str]
    facts: policy.Facts
    recommendation: str
    strength: str
    records: Sequence[Mapping[str, Any]] = ()


def value(facts: policy.Facts, name: str, default: Any = None) -> Any:
    """A fact's value, `default` when unknown."""
    return facts[name]["value"] if name in facts else default


def make(
    candidates: Sequence[Candidate], platforms: Platforms, made_from: Mapping[str, str], first_day: date, *, dns_key: str = ""
) -> dict[str, Any]:
    """Choose destinations, waves and steps for all candidates.  Raises PlanError when there is nothing to plan with.

    `made_from` has the hashes of rules, platforms, calendar and decisions (`planner.freshness`).
    """
    if not platforms.virtual_hosts and not platforms.site_clusters:
        raise PlanError("there is no platform to move anything to", hint="fill inventory/platforms.yml")
    loads: dict[str, int] = {}
    bytes_at: dict[str, int] = {}
    moves, left = [], []
    for item in sorted(candidates, key=lambda c: (value(c.facts, "content.bytes", 0) or 0, c.name)):
        why = _stays(item)
        if not why:
            try:
                moves.append(_move(item, platforms, loads, bytes_at, dns_key))
                continue
            except PlanError as error:
                why = error.message
        left.append({"site": item.name, "unit": item.unit, "recommendation": item.recommendation, "why": why})
    _waves(moves, platforms.waves.moves_per_wave)
    groups: dict[str, list[str]] = {}
    for move in moves:
        groups.setdefault(move["group"], []).append(move["id"])
    facts = {item.name: facts_digest(item.facts) for item in candidates}
    return plandocument.made(
        {
            "first_day": first_day.isoformat(),
            "made_from": {"facts": plandocument.digest(facts), **made_from},
            "waves": [_wave(number, moves) for number in sorted({move["wave"] for move in moves})],
            "moves": moves,
            "groups": [
                {"group": name, "moves": members, "why": ["they share a docroot or a database"] if len(members) > 1 else []}
                for name, members in groups.items()
            ],
            "left": sorted(left, key=lambda entry: str(entry["site"])),
        }
    )


def _wave(number: int, moves: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    mine = [move for move in moves if move["wave"] == number]
    return {"wave": number, "moves": len(mine), "bytes": sum(move["bytes"] for move in mine)}


def _stays(item: Candidate) -> str:
    if not item.host:
        return "it is declared, but was found on no host"
    if item.recommendation == "none":
        return f"no verdict: {item.strength}"
    if item.recommendation not in {"site-cluster", "virtual-host"}:
        return f"its verdict is {item.recommendation}; this planner carries out site-cluster and virtual-host"
    if value(item.facts, "site.declared") is not True:
        return "no unit has declared it; have it declared first"
    if value(item.facts, "site.tls") is True:
        return "it is served over HTTPS, and this planner does not yet bring certificates to a destination"
    if item.strength == "undecided":
        return "the verdict is undecided; see planner explain"
    return ""


def _account(host: str, name: str) -> str:
    """A system account's name: at most 30 characters, unique by a digest where it had to be cut."""
    text = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if len(text) > 24:
        text = text[:17].strip("-") + "-" + hashlib.sha256(f"{host}/{name}".encode()).hexdigest()[:6]
    return f"w-{text}"


def _move(item: Candidate, platforms: Platforms, loads: dict[str, int], bytes_at: dict[str, int], dns_key: str) -> dict[str, Any]:
    facts = item.facts
    docroot = value(facts, "site.docroot")
    if not docroot:
        raise PlanError("its docroot is unknown")
    names = [name for name in item.names if valid_name(name)]
    account = _account(item.host, item.name)
    size = int(value(facts, "content.bytes", 0) or 0)
    database = _database(facts)
    profile = "static" if value(facts, "site.static") else "wordpress" if value(facts, "application.name") == "WordPress" else "php-mysql"
    destination: dict[str, Any]
    if item.recommendation == "site-cluster":
        cluster = _choose_cluster(platforms.site_clusters, profile, size, bytes_at)
        destination = {
            "platform": cluster.name, "nodes": [node.name for node in cluster.nodes], "front": cluster.front.name,
            "node_addresses": {node.name: node.address for node in cluster.nodes},
            "address": cluster.front.address, "account": account, "docroot": f"/srv/cluster/origin/{account}/htdocs",
            "php": "", "database": None,
        }  # fmt: skip
        receiver = cluster.front
    else:
        server = _choose_server(platforms.virtual_hosts, size, loads, bytes_at)
        destination = {
            "platform": server.name, "nodes": [server.name], "front": "", "address": server.address, "account": account,
            "docroot": f"/srv/sites/{account}/htdocs", "php": "" if profile == "static" else server.php[-1],
            "database": {"name": account.replace("-", "_"), "user": account.replace("-", "_")} if database else None,
        }  # fmt: skip
        receiver = server
    return {
        "id": re.sub(r"[^a-z0-9]+", "-", item.name.lower()).strip("-"),
        "site": names[0] if names else item.name,
        "unit": item.unit,
        "names": names,
        "placement": item.recommendation,
        "strength": item.strength,
        "profile": profile,
        "group": "",
        "carried_out": "planner",
        "wave": 0,
        "steps": list(STEPS),
        "bytes": size,
        "files": int(value(facts, "content.files", 0) or 0),
        "facts": facts_digest(facts),
        "seeds": list(value(facts, "use.top_urls", []))[:100],
        "source": {
            "host": item.host, "address": item.address, "docroot": docroot,
            "web_server": value(facts, "site.web_server"), "vhosts": value(facts, "site.vhosts", []),
            "web_user": value(facts, "site.web_user", "www-data"), "tls": bool(value(facts, "site.tls", False)),
            "config_file": value(facts, "application.config_file", "") or "", "database": database,
        },
        "destination": {**destination, "receiver": receiver.name, "receiver_address": receiver.address},
        "dns": _dns(item, platforms, destination["address"], dns_key),
    }  # fmt: skip


def _database(facts: policy.Facts) -> dict[str, Any] | None:
    if not value(facts, "database.used", False):
        return None
    return {
        "name": value(facts, "database.name"),
        "user": value(facts, "database.user", "") or "",
        "charset": value(facts, "database.charset", "utf8mb4") or "utf8mb4",
        "definers": list(value(facts, "database.definers", []) or []),
        "events": int(value(facts, "database.events", 0) or 0),
        "tables": int(value(facts, "database.tables", 0) or 0),
    }


def _choose_server(servers: Sequence[VirtualHostServer], size: int, loads: dict[str, int], bytes_at: dict[str, int]) -> VirtualHostServer:
    fitting = [s for s in servers if loads.get(s.name, 0) < s.accounts and bytes_at.get(s.name, 0) + size <= s.disk_bytes]
    if not fitting:
        raise PlanError("no virtual-host server has room for it")
    chosen = min(fitting, key=lambda s: (loads.get(s.name, 0) / s.accounts, s.name))
    loads[chosen.name] = loads.get(chosen.name, 0) + 1
    bytes_at[chosen.name] = bytes_at.get(chosen.name, 0) + size
    return chosen


def _choose_cluster(clusters: Sequence[Cluster], profile: str, size: int, bytes_at: dict[str, int]) -> Cluster:
    fitting = [c for c in clusters if profile in c.profiles and bytes_at.get(c.name, 0) + size <= c.disk_bytes]
    if not fitting:
        raise PlanError(f"no site cluster takes the profile {profile} and has room for it")
    chosen = min(fitting, key=lambda c: (bytes_at.get(c.name, 0), c.name))
    bytes_at[chosen.name] = bytes_at.get(chosen.name, 0) + size
    return chosen


def _dns(item: Candidate, platforms: Platforms, address: str, dns_key: str) -> dict[str, Any] | None:
    """Only records that point at the source today are ours to move; without a zone of ours, DNS is left to the admin."""
    if platforms.dns is None:
        return None
    records = [
        {"name": r["name"], "type": "A", "old": list(r["values"]), "new": [address], "ttl": int(r["ttl"])}
        for r in item.records
        if item.address in r["values"]
    ]
    if not records:
        raise PlanError(f"none of its names points at {item.address} in the zones that we serve")
    zone = next(
        (z for z in platforms.dns.zones if records[0]["name"].endswith("." + z) or records[0]["name"] == z),
        platforms.dns.zones[0],
    )
    return {
        "server": platforms.dns.server, "zone": zone, "key_file": dns_key,
        "lowered_ttl": platforms.dns.lowered_ttl, "records": records,
    }  # fmt: skip


def _waves(moves: list[dict[str, Any]], size: int) -> None:
    """Small ones first, as pilots; sites that share a database or a docroot go together."""
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    wave, held = 1, 0
    for move in moves:
        source = move["source"]
        keys = [(source["host"], source["docroot"])]
        if source["database"]:
            keys.append((source["host"], "db:" + str(source["database"]["name"])))
        known = [groups[key] for key in keys if key in groups]
        if known:
            move["wave"], move["group"] = known[0]["wave"], known[0]["group"]
        else:
            if held >= size:
                wave, held = wave + 1, 0
            move["wave"], move["group"] = wave, move["id"]
            held += 1
        for key in keys:
            groups.setdefault(key, move)
    moves.sort(key=lambda move: (move["wave"], move["bytes"], move["id"]))


def save(document: Mapping[str, Any], folder: Path) -> Path:
    """Write `plan.yml`; the same document gives the same bytes."""
    return plandocument.write(document, folder)


def load(folder: Path) -> dict[str, Any]:
    """Read `plan.yml` and check that nobody changed it.  Raises PlanError."""
    return plandocument.load(folder / plandocument.FILE)
