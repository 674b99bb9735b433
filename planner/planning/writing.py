"""One workload with its dates and its place, as a move of the plan's document (docs/plans.md).  Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from planner import movesteps, policy
from planner.freshness import facts_digest
from planner.planning import fitting_in
from planner.planning.subjects import Subject, by_hand
from planner.platforms import Cluster, Dns, Platforms, VirtualHostServer, VpsMachine
from planner.policy import RuleSet
from planner.refusals import reason
from planner.schedules import Scheduled, Unscheduled

MOST_SEEDS = 100


def profile(item: Subject) -> str:
    """What kind of site it is for its platform."""
    if item.placement == "site-cluster":
        return str(item.value("fit.cluster_profile", "static") or "static")
    if item.value("site.static"):
        return "static"
    if item.value("application.name") == "WordPress":
        return "wordpress"
    return "php-mysql" if item.placement == "virtual-host" else ""


def hours(item: Subject, rules: RuleSet) -> dict[str, float]:
    """Work by skill: what any such move takes, and what the conditions that hold add."""
    found: dict[str, float] = {}
    for placement, by_skill in rules.weights.hours.items():
        if placement == item.placement:
            found = {str(skill): amount for skill, amount in by_skill.items()}
    for finding in item.verdict.findings_on(item.placement):
        if finding.holds and finding.effort_h and finding.rule in rules.by_id:
            skill = rules.by_id[finding.rule].skill
            found[skill] = found.get(skill, 0.0) + finding.effort_h
    return {skill: round(amount, 2) for skill, amount in sorted(found.items()) if amount}


def move(
    item: Subject, identity: str, group: str, node: str, address: str, told: Scheduled | Unscheduled | None, platforms: Platforms,
    rules: RuleSet, dns_key: str, language: str, notes: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """The move as the document has it."""
    kind, names = profile(item), item.dns_names
    where = _destination(item, kind, node, address, platforms)
    dns = _dns(item, platforms.dns, str(where["address"]), dns_key)
    why = by_hand(item)
    if not why and platforms.dns is not None and dns is None:
        why = f"none of its names points at {item.address} in the zones that we serve"
    findings = [finding for finding in item.verdict.findings_on(item.placement) if finding.holds and finding.effect == "condition"]
    rebuilt = item.rebuilt.stack if item.rebuilt is not None else None
    said = [*notes, *(rebuilt.notes if rebuilt is not None else ()), *([f"by hand: {why}"] if why else [])]
    return {
        "id": identity,
        "site": names[0] if names else item.name,
        "unit": item.unit,
        "names": names,
        "placement": item.placement,
        "strength": item.verdict.strength,
        "profile": kind,
        "wave": told.wave if isinstance(told, Scheduled) else 0,
        "group": group,
        "carried_out": "by hand" if why else "planner",
        "steps": list(movesteps.steps(item.placement)) if not why else _steps(item),
        "bytes": item.bytes or 0,
        "files": int(item.value("content.files", 0) or 0),
        "hours": hours(item, rules),
        "facts": facts_digest(item.facts),
        "schedule": _schedule(told) if isinstance(told, Scheduled) else None,
        "source": _source(item),
        "destination": where,
        "stack": item.rebuilt.stack.model_dump(mode="json") if item.rebuilt is not None and item.rebuilt.stack is not None else None,
        "dns": dns,
        "gates": [
            {"rule": one.rule, "step": one.step, "message": one.message, "settled": one.rule in item.settled}
            for one in findings if one.gate
        ],
        "checks": list(dict.fromkeys(one.check for one in findings if one.check)),
        "findings": [{"rule": one.rule, "step": one.step, "message": one.message} for one in findings if not one.gate],
        "size": _size(item),
        "cost": _cost(item),
        "why_not_earlier": _refused(told, language),
        "seeds": [str(url) for url in item.value("use.top_urls", []) or []][:MOST_SEEDS],
        "note": "; ".join(said),
    }  # fmt: skip


_USUAL = ("agree", "provision", "preseed", "freeze", "sync", "verify", "cutover", "watch", "accept", "decommission")
_OTHERWISE = {
    "colocation": ("agree", "provision", "freeze", "cutover", "verify", "accept"),
    "retire": ("agree", "sync", "verify", "cutover", "decommission"),
}


def _steps(item: Subject) -> list[str]:
    """The order of work of a move that people carry out: what the rules' findings ask for, and what every such move has."""
    asked = {one.step for one in item.verdict.findings_on(item.placement) if one.holds and one.step and one.effect == "condition"}
    usual = _OTHERWISE.get(item.placement, _USUAL)
    return [step for step in policy.STEPS if step in asked or step in usual]


def _source(item: Subject) -> dict[str, Any]:
    return {
        "host": item.host, "address": item.address, "docroot": item.value("site.docroot"),
        "web_server": item.value("site.web_server"), "vhosts": _front(item),
        "web_user": item.value("site.web_user", "www-data"), "tls": bool(item.value("site.tls", False)),
        "config_file": item.value("application.config_file", "") or "", "database": _database(item),
    }  # fmt: skip


def _front(item: Subject) -> list[Any]:
    """The blocks of the web server before it; a host of the Tomcat behind is no place for a line of nginx's or Apache's."""
    return [block for block in item.value("site.vhosts", []) or [] if not (item.placement == "vps" and str(block[0]).endswith(".xml"))]


def _database(item: Subject) -> dict[str, Any] | None:
    name = item.value("database.name")
    if not item.value("database.used", False) or not name:
        return None
    return {
        "name": str(name), "user": item.value("database.user", "") or "",
        "charset": item.value("database.charset", "utf8mb4") or "utf8mb4", "definers": list(item.value("database.definers", []) or []),
        "events": int(item.value("database.events", 0) or 0), "tables": int(item.value("database.tables", 0) or 0),
    }  # fmt: skip


def account(host: str, name: str) -> str:
    """A system account's name: at most 30 characters, unique by a digest where it had to be cut."""
    text = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if len(text) > 24:
        text = text[:17].strip("-") + "-" + hashlib.sha256(f"{host}/{name}".encode()).hexdigest()[:6]
    return f"w-{text}"


def _destination(item: Subject, kind: str, node: str, address: str, platforms: Platforms) -> dict[str, Any]:
    own = account(item.host, item.name)
    if item.placement == "site-cluster":
        return _on_cluster(next(one for one in platforms.site_clusters if one.name == node), own)
    if item.placement == "virtual-host":
        return _on_server(next(one for one in platforms.virtual_hosts if one.name == node), own, item, kind)
    flavour = item.costs["vps"].flavour if item.placement == "vps" and "vps" in item.costs else ""
    machine = platforms.machine_for([item.name, *item.names]) if item.placement == "vps" else None
    if machine is not None:
        return _on_machine(machine, own, item, node, flavour)
    return {"platform": node, "nodes": [node] if node else [], "address": address, "flavour": flavour}


def _on_cluster(cluster: Cluster, own: str) -> dict[str, Any]:
    return {
        "platform": cluster.name, "nodes": [one.name for one in cluster.nodes], "front": cluster.front.name,
        "node_addresses": {one.name: one.address for one in cluster.nodes}, "address": cluster.front.address, "account": own,
        "docroot": f"/srv/cluster/origin/{own}/htdocs", "receiver": cluster.front.name, "receiver_address": cluster.front.address,
    }  # fmt: skip


def _on_server(server: VirtualHostServer, own: str, item: Subject, kind: str) -> dict[str, Any]:
    schema = {"name": own.replace("-", "_"), "user": own.replace("-", "_")} if _database(item) is not None else None
    return {
        "platform": server.name, "nodes": [server.name], "address": server.address, "account": own, "docroot": f"/srv/sites/{own}/htdocs",
        "php": "" if kind == "static" else fitting_in.php(item, server.php), "database": schema,
        "receiver": server.name, "receiver_address": server.address,
    }  # fmt: skip


def _on_machine(machine: VpsMachine, own: str, item: Subject, node: str, flavour: str) -> dict[str, Any]:
    """A system keeps its paths, and the names of its database and role."""
    stack = item.rebuilt.stack if item.rebuilt is not None else None
    schema = {"name": stack.database.name, "user": stack.database.user} if stack is not None and stack.database is not None else None
    return {
        "platform": node or machine.name, "nodes": [node or machine.name], "address": machine.address, "account": own,
        "docroot": stack.tomcat.docroot if stack is not None else "", "database": schema, "flavour": flavour,
        "receiver": machine.name, "receiver_address": machine.address,
    }  # fmt: skip


def _dns(item: Subject, dns: Dns | None, address: str, key: str) -> dict[str, Any] | None:
    """Only records that point at the source today are ours to move; without a zone of ours, DNS is left to the admin."""
    if dns is None or not address:
        return None
    records = [
        {"name": one["name"], "type": "A", "old": list(one["values"]), "new": [address], "ttl": int(one["ttl"])}
        for one in item.records
        if item.address in one["values"]
    ]
    if not records:
        return None
    first = str(records[0]["name"])
    zone = next((one for one in dns.zones if first == one or first.endswith(f".{one}")), dns.zones[0])
    return {"server": dns.server, "zone": zone, "key_file": key, "lowered_ttl": dns.lowered_ttl, "records": records}


def _size(item: Subject) -> dict[str, Any]:
    size = item.size
    return {
        "cpus": size.cpus, "memory_bytes": size.memory_bytes, "disk_bytes": size.disk_bytes,
        "basis": ", ".join(f"{name} {size.basis[name]}" for name in ("cpus", "memory_bytes", "disk_bytes") if name in size.basis),
        "confidence": size.confidence,
    }  # fmt: skip


def _cost(item: Subject) -> dict[str, Any] | None:
    cost = item.costs.get(item.placement)
    if cost is None:
        return None
    return {"yearly": None if cost.yearly is None else str(cost.yearly), "once": None if cost.once is None else str(cost.once)}


def _schedule(told: Scheduled) -> dict[str, Any]:
    return {
        "notice": told.notice.isoformat() if told.notice is not None else None, "start": told.start.isoformat(),
        "ttl_lowered": told.ttl.isoformat(), "cutover": told.cutover.isoformat(), "end": told.end.isoformat(), "pinned": told.pinned,
    }  # fmt: skip


def _refused(told: Scheduled | Unscheduled | None, language: str) -> list[dict[str, str]]:
    if told is None:
        return []
    refusals = told.why_not_earlier if isinstance(told, Scheduled) else told.reasons
    return [
        {"from": one.first.isoformat(), "until": one.last.isoformat(), "kind": one.kind, "detail": reason(one.kind, one.detail, language)}
        for one in refusals
    ]
