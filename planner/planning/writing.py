"""One workload with its dates and its place, as a move of the plan's document (docs/plans.md).  Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from inventory.register import valid_name
from planner import movesteps, policy
from planner.freshness import facts_digest
from planner.planmodel import HSTS
from planner.planning import fitting_in
from planner.planning.colocating import Machine
from planner.planning.subjects import Subject, by_hand
from planner.platforms import Cluster, Dns, Platforms, VirtualHostServer, VpsMachine
from planner.policy import RuleSet
from planner.refusals import reason
from planner.schedules import Scheduled, Unscheduled
from planner.wording import line

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
    found = {str(skill): amount for placement, by_skill in rules.weights.hours.items() if placement == item.placement
             for skill, amount in by_skill.items()}  # fmt: skip
    for finding in item.verdict.findings_on(item.placement):
        if finding.holds and finding.effort_h and finding.rule in rules.by_id:
            skill = rules.by_id[finding.rule].skill
            found[skill] = found.get(skill, 0.0) + finding.effort_h
    return {skill: round(amount, 2) for skill, amount in sorted(found.items()) if amount}


def move(
    item: Subject, identity: str, group: str, node: str, given: tuple[str, str], told: Scheduled | Unscheduled, platforms: Platforms,
    rules: RuleSet, dns_key: str, language: str, notes: Sequence[str], apart: str = "", riding: bool = False,
    machine: Machine | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The move as the document has it.

    `node` and `given` (IPv4, IPv6) are its place, '' for none; `notes` what had to be assumed; `apart` why no playbook may move it alone;
    `riding`: its machine is paid for with another workload; `machine`: how that comes into our room, of a workload that is colocated.
    """
    kind, names = profile(item), item.dns_names
    where = _destination(item, kind, node, given, platforms)
    records = machine.records if machine is not None else item.records
    dns = _dns(item.address, records, platforms.dns, str(where["address"]), dns_key)
    if dns is not None and machine is not None:  # a name of several machines keeps the others
        new = str(where["address"])
        dns["records"] = [one | {"new": [new if value == item.address else value for value in one["old"]]} for one in dns["records"]]
    why = (by_hand(item, platforms) or apart) if machine is None else machine.why
    if not why and platforms.dns is not None and dns is None and machine is None:
        why = f"none of its names points at {item.address} in the zones that we serve"
    findings = [finding for finding in item.verdict.findings_on(item.placement) if finding.holds and finding.effect == "condition"]
    rebuilt = item.rebuilt.stack if item.rebuilt is not None else None
    said = [*notes, *(_carried_as_it_is(item) if machine is None else ()), *_ends(item, kind)]
    said += [*(rebuilt.notes if rebuilt is not None else ()), *([f"by hand: {why}"] if why else [])]
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
        "steps": _planned_steps(item, machine) if not why else _steps(item),
        "bytes": item.bytes or 0,
        "files": int(item.value("content.files", 0) or 0),
        "hours": hours(item, rules),
        "facts": facts_digest(item.facts),
        "schedule": _schedule(told) if isinstance(told, Scheduled) else None,
        "source": _source(item),
        "destination": where,
        "stack": item.rebuilt.stack.model_dump(mode="json") if item.rebuilt is not None and item.rebuilt.stack is not None else None,
        "retirement": _retirement(item, identity, told, platforms),
        "colocation": machine.data if machine is not None else None,
        "dns": dns,
        "gates": [
            {"rule": one.rule, "step": one.step, "message": line(one.message), "settled": one.rule in item.settled}
            for one in findings if one.gate
        ],
        "checks": list(dict.fromkeys(one.check for one in findings if one.check)),
        "findings": [{"rule": one.rule, "step": one.step, "message": line(one.message)} for one in findings if not one.gate],
        "size": _size(item),
        "cost": None if riding else _cost(item),
        "why_not_earlier": _refused(told, language),
        "seeds": [str(url) for url in item.value("use.top_urls", []) or []][:MOST_SEEDS],
        "note": line("; ".join(said)),
    }  # fmt: skip


_USUAL = ("agree", "provision", "preseed", "freeze", "sync", "verify", "cutover", "watch", "accept", "decommission")
_OTHERWISE = {
    "colocation": ("agree", "provision", "freeze", "cutover", "verify", "accept"),
    "retire": ("agree", "sync", "verify", "cutover", "decommission"),
}


def _planned_steps(item: Subject, machine: Machine | None) -> list[str]:
    """The planner's steps.  A machine is carried once: moves that ride on it only look afterwards whether it has been."""
    if machine is None or machine.data is None:
        return list(movesteps.steps(item.placement))
    if not machine.leads:
        return ["verify"]
    other = {"renumber"} if machine.data["transport"] == "carried" else {"depart", "arrive"}
    return [step for step in movesteps.steps(item.placement) if step not in other]


def _steps(item: Subject) -> list[str]:
    """The order of work of a move that people carry out: what the rules' findings ask for, and what every such move has."""
    asked = {one.step for one in item.verdict.findings_on(item.placement) if one.holds and one.step and one.effect == "condition"}
    usual = _OTHERWISE.get(item.placement, _USUAL)
    return [step for step in policy.STEPS if step in asked or step in usual]


def _source(item: Subject) -> dict[str, Any]:
    return {
        "host": item.host, "address": item.address, "docroot": item.value("site.docroot"),
        "web_server": item.value("site.web_server"), "vhosts": _front(item),
        "web_user": item.value("site.web_user", "www-data"), "tls": bool(item.value("site.tls", False)), **_https(item),
        "config_file": item.value("application.config_file", "") or "", "database": _database(item),
    }  # fmt: skip


def _front(item: Subject) -> list[Any]:
    """The blocks of the web server before it; a host of the Tomcat behind is no place for a line of nginx's or Apache's."""
    return [block for block in item.value("site.vhosts", []) or [] if not (item.placement == "vps" and str(block[0]).endswith(".xml"))]


def _https(item: Subject) -> dict[str, Any]:
    """How it is served over HTTPS.  A key that has no file of its own stands in the certificate's."""
    path, sent = item.value("site.certificate"), str(item.value("site.hsts", "") or "")
    if item.value("site.tls") is not True or not path:
        return {"https_only": False, "hsts": "", "certificate": None}
    only = bool(item.value("site.https_only", False)) or item.value("http.https_redirect") is True
    return {
        "https_only": only,
        "hsts": sent if re.fullmatch(HSTS, sent) else "",
        "certificate": {
            "path": str(path), "key_path": str(item.value("tls.key_path") or path), "chain": str(item.value("tls.chain_path", "") or ""),
            "names": [str(name) for name in item.value("tls.names", [])],
            "hosts": [name for name in item.dns_names if name in item.value("site.tls_names", [])] or item.dns_names,
            "expires": item.value("tls.expires"), "self_signed": bool(item.value("tls.self_signed", False)),
        },
    }  # fmt: skip


def _ends(item: Subject, kind: str) -> list[str]:
    """What the unit has to know of a static export before its night."""
    if item.placement != "site-cluster" or kind != movesteps.EXPORT:
        return []
    return [
        "its pages are published as files: search, log-in, comments and other forms stop, and the pre-seed lists them; "
        f"its program and database stay on {item.host}, and what is edited there afterwards is not published"
    ]


def _carried_as_it_is(item: Subject) -> list[str]:
    """What browsers have held against its certificate until now, and will."""
    if item.value("site.tls") is not True:
        return []
    ended = (item.value("tls.days_left", 0) or 0) < 0
    said = [f"its certificate ended on {item.value('tls.expires')} and is carried as it is"] if ended else []
    return [*said, *(["its certificate is self-signed and is carried as it is"] if item.value("tls.self_signed") is True else [])]


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


def _destination(item: Subject, kind: str, node: str, given: tuple[str, str], platforms: Platforms) -> dict[str, Any]:
    own = account(item.host, item.name)
    certificate = {"certificate": f"/etc/ssl/sites/{own}.pem"} if item.value("site.tls") is True else {}
    if item.placement == "site-cluster":
        return _on_cluster(next(one for one in platforms.site_clusters if one.name == node), own) | certificate
    if item.placement == "virtual-host":
        return _on_server(next(one for one in platforms.virtual_hosts if one.name == node), own, item, kind) | certificate
    if item.placement == "retire":
        return _closed(platforms)
    flavour = item.costs["vps"].flavour if item.placement == "vps" and "vps" in item.costs else ""
    machine = platforms.machine_for([item.name, *item.names]) if item.placement == "vps" else None
    if machine is not None:
        return _on_machine(machine, own, item, node, flavour)
    found = {"platform": node, "nodes": [node] if node else [], "address": given[0], "address6": given[1], "flavour": flavour}
    if item.placement == "colocation" and platforms.archive is not None:
        found |= {"receiver": platforms.archive.name, "receiver_address": platforms.archive.address}
    return found


def _closed(platforms: Platforms) -> dict[str, Any]:
    """Of a site that is closed: the front that answers for it, and the machine that keeps its archive."""
    front, archive = platforms.gone_front, platforms.archive
    found: dict[str, Any] = {"platform": "", "nodes": [], "address": ""}
    if archive is not None:
        found |= {"receiver": archive.name, "receiver_address": archive.address}
    if isinstance(front, Cluster):
        found |= {"platform": front.name, "front": front.front.name, "address": front.front.address}
        found |= {"node_addresses": {one.name: one.address for one in front.nodes}}
    elif front is not None:
        found |= {"platform": front.name, "front": front.name, "address": front.address}
    return found


_ELSEWHERE = re.compile(r"(?:(https?)://)?([A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*?)?(/\*)?")


def elsewhere(said: str, own: Sequence[str]) -> tuple[str, bool]:
    """Where a unit says that a site was merged into, as a URL, and whether paths are kept (`…/*`); '' when that is no other site's name."""
    found = _ELSEWHERE.fullmatch(said.strip())
    if found is None or not valid_name(found[2].lower()) or "." not in found[2] or found[2].lower() in own:
        return "", False
    keep = found[5] is not None
    return f"{found[1] or 'http'}://{found[2].lower()}{found[3] or ''}{found[4] or ('' if keep else '/')}", keep


def _retirement(item: Subject, identity: str, told: Scheduled | Unscheduled | None, platforms: Platforms) -> dict[str, Any] | None:
    if item.placement != "retire" or platforms.archive is None:
        return None
    night = told.cutover if isinstance(told, Scheduled) else None
    redirect, keep_path = elsewhere(str(item.value("answer.merged_into", "") or ""), item.dns_names)
    return {
        "folder": f"{platforms.archive.folder}/{identity}", "redirect": redirect, "keep_path": keep_path, "contact": platforms.gone.contact,
        "keep_until": _years_on(night, platforms.archive.keep_years).isoformat() if night else None,
        "wipe_from": (night + timedelta(days=platforms.gone.wipe_after_days)).isoformat() if night else None,
    }  # fmt: skip


def _years_on(day: date, years: int) -> date:
    """The same day years later; a leap day's is the first of March."""
    leap = (day.month, day.day) == (2, 29)
    return date(day.year + years, 3, 1) if leap else day.replace(year=day.year + years)


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


def _dns(old: str, given: Sequence[Mapping[str, Any]], dns: Dns | None, address: str, key: str) -> dict[str, Any] | None:
    """Only records that point at the source today are ours to move; without a zone of ours, DNS is left to the admin."""
    if dns is None or not address:
        return None
    records = [
        {"name": one["name"], "type": "A", "old": list(one["values"]), "new": [address], "ttl": int(one["ttl"])}
        for one in given
        if old in one["values"]
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
        "pilot": told.pilot,
    }  # fmt: skip


def _refused(told: Scheduled | Unscheduled, language: str) -> list[dict[str, str]]:
    refusals = told.why_not_earlier if isinstance(told, Scheduled) else told.reasons
    return [
        {
            "from": one.first.isoformat(),
            "until": one.last.isoformat(),
            "kind": one.kind,
            "detail": line(reason(one.kind, one.detail, language)),
        }
        for one in refusals
    ]
