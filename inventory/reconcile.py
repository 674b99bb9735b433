"""Declared versus discovered: sites found and declared, found only (hidden), declared only (missing), and who owns each.

In: an open session.  Out: the `workload` table brought up to what the newest observations and declarations say; returns a summary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import identify, model, scope
from inventory.inspection import kept


def update(session: Session, at: datetime) -> Counter[str]:
    """Identify all sites anew; counts by status (both, undeclared, missing)."""
    declared = {row.key: row for row in session.scalars(select(model.Declared).where(model.Declared.kind == "site"))}
    by_name = dict(declared)
    for row in declared.values():
        for alias in row.data.get("aliases") or []:
            by_name.setdefault(str(alias).lower(), row)
    units = list(session.scalars(select(model.Unit).order_by(model.Unit.code)))
    ranges = {unit.code: [str(text) for text in unit.details.get("ranges") or []] for unit in units}
    existing = {row.name: row for row in session.scalars(select(model.Workload))}
    views = kept.Views(session)
    seen: set[str] = set()
    matched: set[str] = set()
    for host in session.scalars(select(model.Host).order_by(model.Host.name)):
        rows = session.scalars(select(model.Observation).where(model.Observation.host_id == host.id).order_by(model.Observation.id))
        observations = [identify.Seen(r.kind, r.data, (r.snapshot_id, r.section, r.line)) for r in rows]
        for site in identify.sites(host.name, observations, host.visited_at.date() if host.visited_at else None):
            sheet = next((by_name[name] for name in [site.name, *site.names] if name in by_name), None)
            unit, reason = _owner(sheet, host, ranges)
            name = site.name if site.name not in seen else f"{site.name}@{host.name}"
            site.learn("site.declared", sheet is not None, why=f"declared in {sheet.origin}" if sheet else "no sheet names it")
            _learn_declared(site, sheet)
            site.facts.update(views.facts([site.name, *site.names]))
            item = existing.get(name) or model.Workload(name=name)
            item.host_id, item.unit_code, item.owner_reason, item.kind = host.id, unit, reason, site.kind
            item.status, item.names, item.facts = ("both" if sheet else "undeclared"), site.names, site.facts
            item.identified_at = at
            session.add(item)
            seen.add(name)
            if sheet is not None:
                matched.add(sheet.key)
    for key, row in declared.items():
        if key in matched:
            continue
        item = existing.get(key) or model.Workload(name=key)
        item.host_id, item.unit_code, item.owner_reason = None, row.unit_code, f"declared in {row.origin}"
        item.status, item.names, item.identified_at = "missing", [key, *(row.data.get("aliases") or [])], at
        item.facts = views.facts(item.names)
        session.add(item)
        seen.add(key)
    for name, item in existing.items():
        if name not in seen:
            session.delete(item)
    session.flush()
    return Counter(session.scalars(select(model.Workload.status)))


def _owner(row: model.Declared | None, host: model.Host, ranges: Mapping[str, Sequence[str]]) -> tuple[str | None, str]:
    if row is not None and row.unit_code:
        return row.unit_code, f"declared in {row.origin}"
    if host.unit_code:
        return host.unit_code, f"its host {host.name} is declared as this unit's"
    unit = scope.owner(host.address, ranges)
    return (
        unit,
        f"its host's address {host.address} lies in this unit's range" if unit else "no declaration, no range: unknown",
    )


def _learn_declared(site: identify.Site, row: model.Declared | None) -> None:
    if row is None:
        return
    for name, value in sorted(row.data.items()):
        if isinstance(value, (str, bool, int, float, list)) and name not in {"unit", "domain", "aliases"}:
            fact: dict[str, Any] = {
                "value": value,
                "evidence": [["declared", row.origin, 0]],
                "why": f"declared in {row.origin}",
            }
            site.facts[f"declared.{name}"] = fact
