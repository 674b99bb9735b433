"""Declared versus discovered: sites found and declared, found only (hidden), declared only (missing), and who owns each.

In: an open session.  Out: the `workload` table brought up to what the newest observations and declarations say; returns a summary.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import identify, model, ownership
from inventory.register.names import ascii_name


def update(session: Session, at: datetime) -> Counter[str]:
    """Identify all sites anew; counts by status (both, undeclared, missing)."""
    declared = {
        row.key: row
        for row in session.scalars(select(model.Declared).where(model.Declared.kind == "site", model.Declared.withdrawn_at.is_(None)))
    }
    by_name = dict(declared)
    for row in declared.values():
        for alias in row.data.get("aliases") or []:
            by_name.setdefault(ascii_name(str(alias)), row)
    units = list(session.scalars(select(model.Unit).order_by(model.Unit.code)))
    owners, confirmed = ownership.Units(units), confirmations(session)
    existing = {row.name: row for row in session.scalars(select(model.Workload))}
    seen: set[str] = set()
    matched: set[str] = set()
    for host in session.scalars(select(model.Host).order_by(model.Host.name)):
        rows = session.scalars(select(model.Observation).where(model.Observation.host_id == host.id).order_by(model.Observation.id))
        observations = [identify.Seen(r.kind, r.data, (r.snapshot_id, r.section, r.line)) for r in rows]
        for site in identify.sites(host.name, observations, host.visited_at.date() if host.visited_at else None):
            sheet = next((by_name[name] for name in [site.name, *site.names] if name in by_name), None)
            site.learn(ownership.CLUES, ownership.clues(site, observations))
            owner = ownership.of(site, sheet, host, owners, confirmed)
            site.facts |= owner.facts()
            name = site.name if site.name not in seen else f"{site.name}@{host.name}"
            site.learn("site.declared", sheet is not None, why=f"declared in {sheet.origin}" if sheet else "no sheet names it")
            _learn_declared(site, sheet)
            item = existing.get(name) or model.Workload(name=name)
            item.host_id, item.unit_code, item.owner_reason = host.id, owner.unit, owner.reason
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
        names = [key, *(ascii_name(str(alias)) for alias in row.data.get("aliases") or [])]
        owner = ownership.of(identify.Site(key, "", names), row, None, owners, confirmed)
        item.host_id, item.unit_code, item.owner_reason = None, owner.unit, owner.reason
        item.status, item.names, item.identified_at = "missing", names, at
        item.facts = owner.facts()
        session.add(item)
        seen.add(key)
    for name, item in existing.items():
        if name not in seen:
            session.delete(item)
    session.flush()
    return Counter(session.scalars(select(model.Workload.status)))


def confirmations(session: Session) -> dict[str, ownership.Confirmation]:
    """What admins said of owners, by each name of the site that they meant; the newest word counts."""
    found: dict[str, ownership.Confirmation] = {}
    query = select(model.OwnerConfirmation).where(model.OwnerConfirmation.forgotten_at.is_(None)).order_by(model.OwnerConfirmation.id)
    for row in session.scalars(query):
        word = ownership.Confirmation(row.unit_code, row.by, row.why, row.at)
        found |= dict.fromkeys([row.site, *map(str, row.names)], word)
    return found


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
