"""Declared versus discovered: sites found and declared, found only (hidden), declared only (missing; unread: nobody looked), and whose
each is.

In: an open session.  Out: the tables `site` and `workload` brought up to what the newest observations and declarations say; a summary.

Two steps.  Identification reads a host's observations, and is done again only for hosts that said something new (`Host.identified` is a
digest of what a host's sites were made from, this program's own rules included).  Comparing with the sheets depends on all hosts: it
reads names and not facts, and writes what differs.  So the result is the same as if everything had been done anew.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from sqlalchemy import Row, Text, bindparam, cast, delete, insert, select
from sqlalchemy import update as change
from sqlalchemy.orm import Session

from inventory import catalogue, garbage, identify, lifecycle, model, ownership, packing, whereabouts
from inventory.inspection import kept
from inventory.register import names as register_names

AT_ONCE = 50
"""Hosts whose facts are in memory at the same time."""

COLUMNS: Mapping[str, str] = {
    "application": "application.name", "version": "application.version", "static": "site.static", "docroot": "site.docroot",
    "database": "database.name", "bytes": "content.bytes", "files": "content.files", "newest": "content.newest",
    "requests_per_day": "use.requests_per_day", "last_hit": "use.last",
}  # fmt: skip
"""What lists show of a site → the fact that it is."""
_NUMBERS = {"static": bool, "bytes": int, "files": int, "requests_per_day": float}

Host, Snapshot, Site, SiteFacts, Workload = (
    model.table(of) for of in (model.Host, model.Snapshot, model.Site, model.SiteFacts, model.Workload)
)


def update(session: Session, at: datetime, *, everything: bool = False) -> Counter[str]:
    """Identify the sites of hosts that said something new (of all with `everything`).

    Counts by status: both, undeclared, missing, unread.
    """
    session.flush()
    _identify_stale(session, everything)
    counts = _compare(session, at)
    session.expire_all()  # rows were written beside what this session has loaded
    return counts


# ---------------------------------------------------------------- per host


@cache
def _rules() -> bytes:
    """A digest of what makes sites of observations: after an upgrade, all hosts are identified anew."""
    identification = sorted(Path(identify.__file__).parent.glob("*.py"))
    files = (*identification, Path(register_names.__file__), Path(ownership.__file__), Path(lifecycle.__file__), Path(lifecycle.TABLE))
    return blake2b(b"\0".join(path.read_bytes() for path in files), digest_size=16).digest()


def _mark(snapshot: int, name: str) -> str:
    return blake2b(f"{snapshot} {name}".encode(), key=_rules(), digest_size=16).hexdigest()


def identify_hosts(session: Session, names: Sequence[str]) -> None:
    """The sites of hosts (by name) that said something new.  What `update` would do for them, while other hosts are still visited."""
    session.flush()
    for part in catalogue.chunks(names):
        _identify_stale(session, False, part)
    session.expire_all()


def _identify_stale(session: Session, everything: bool, names: Sequence[str] | None = None) -> None:
    columns = (Host.c.id, Host.c.name, Host.c.identified, Host.c.snapshot_id, Snapshot.c.taken_at)
    query = select(*columns).outerjoin(Snapshot, Snapshot.c.id == Host.c.snapshot_id).order_by(Host.c.name)
    stale = []
    for row in session.execute(query if names is None else query.where(Host.c.name.in_(names))):
        mark = _mark(row.snapshot_id, row.name) if row.taken_at is not None else None
        if everything or mark != row.identified:
            stale.append((row, mark))
    for part in catalogue.chunks(stale, AT_ONCE):
        with garbage.put_off():
            _identify(session, part)


def _identify(session: Session, part: Sequence[tuple[Any, str | None]]) -> None:
    """Sites of a few hosts (row, its mark), written."""
    rows: dict[int, list[Row[Any]]] = {}
    for stored in catalogue.observed(session, [row.id for row, _ in part]):
        rows.setdefault(stored.host_id, []).append(stored)
    found = []
    for row, _ in part:
        observed = _observations(session, rows.get(row.id, []))
        found.append((row.id, _sites(row.name, observed, row.taken_at.date() if row.taken_at else None)))
    _write_sites(session, found)
    marks = [{"key": row.id, "identified": mark} for row, mark in part]
    session.execute(change(Host).where(Host.c.id == bindparam("key")).values(identified=bindparam("identified")), marks)


def _sites(host: str, observed: identify.Observed, at: date | None) -> list[identify.Site]:
    """A host's sites, each with what the host says of its owner."""
    telling = [item for kind in ("vhost", "certificate", "authorized_key") for item in observed.of(kind)]
    sites = identify.sites(host, observed, at)
    for site in sites:
        site.learn(ownership.CLUES, ownership.clues(site, telling))
    return sites


def _observations(session: Session, rows: Sequence[Row[Any]]) -> identify.Observed:
    def seen(row: Row[Any]) -> list[identify.Seen]:
        kind, snapshot, section = row.kind, row.snapshot_id, row.section
        return [identify.Seen(kind, data, (snapshot, section, line)) for data, line in catalogue.opened_values(session, row)]

    return identify.Observed([(row.kind, partial(seen, row)) for row in rows])


def _write_sites(session: Session, found: Sequence[tuple[int, Sequence[identify.Site]]]) -> None:
    query = select(Site.c.id, Site.c.host_id, Site.c.name).where(Site.c.host_id.in_([host for host, _ in found]))
    known = {(row.host_id, row.name): row.id for row in session.execute(query)}
    places = [((host, site.name), site) for host, sites in found for site in sites]
    new = [(place, site) for place, site in places if place not in known]
    if new:
        rows = [{"host_id": place[0], "name": place[1], **_listed(site)} for place, site in new]
        made = session.execute(insert(Site).returning(Site.c.id, sort_by_parameter_order=True), rows).scalars().all()
        session.execute(insert(SiteFacts), [{"site_id": key, "facts": site.facts} for key, (_, site) in zip(made, new, strict=True)])
    same = [(known[place], site) for place, site in places if place in known]
    if same:
        values: dict[str, Any] = {name: bindparam(name) for name in ("kind", "names", "clues", *COLUMNS)}
        session.execute(change(Site).where(Site.c.id == bindparam("key")).values(values), [{"key": k, **_listed(s)} for k, s in same])
        facts = change(SiteFacts).where(SiteFacts.c.site_id == bindparam("key")).values(facts=bindparam("facts"))
        session.execute(facts, [{"key": key, "facts": site.facts} for key, site in same])
    gone = sorted(known[place] for place in known.keys() - {place for place, _ in places})
    for part in catalogue.chunks(gone):
        session.execute(delete(Site).where(Site.c.id.in_(part)))


def _listed(site: identify.Site) -> dict[str, Any]:
    listed: dict[str, Any] = {"kind": site.kind, "names": site.names, "clues": site.value(ownership.CLUES) or []}
    for column, fact in COLUMNS.items():
        value, kind = site.value(fact), _NUMBERS.get(column, str)
        if kind is str:
            listed[column] = None if value is None else str(value)
        else:
            usable = isinstance(value, (int, float)) and abs(value) < 1 << 62
            listed[column] = kind(value) if usable else None
    return listed


# ---------------------------------------------------------------- across hosts


@dataclass(frozen=True)
class _Row:
    """A workload's row as it should be; `names` and `declared` are JSON, and are compared as text."""

    kind: str
    host_id: int | None
    site_id: int | None
    unit_code: str | None
    owner_reason: str
    status: str
    names: str
    declared: str


def _compare(session: Session, at: datetime) -> Counter[str]:
    wanted = dict(_wanted(session))
    text = (cast(Workload.c.names, Text).label("names"), cast(Workload.c.declared, Text).label("declared"))
    plain = (Workload.c.kind, Workload.c.host_id, Workload.c.site_id, Workload.c.unit_code, Workload.c.owner_reason, Workload.c.status)
    gone, changed = [], []
    have: set[str] = set()
    for key, name, *values in session.execute(select(Workload.c.id, Workload.c.name, *plain, *text)):
        row = wanted.get(name)
        have.add(name)
        if row is None:
            gone.append(key)
        elif row != _Row(*values):
            changed.append({"key": key, **_values(row, at)})
    new = [{"name": name, **_values(row, at)} for name, row in wanted.items() if name not in have]
    for part in catalogue.chunks(sorted(gone)):
        session.execute(delete(Workload).where(Workload.c.id.in_(part)))
    if changed:
        moved: dict[str, Any] = {name: bindparam(name) for name in changed[0] if name != "key"}
        session.execute(change(Workload).where(Workload.c.id == bindparam("key")).values(moved), changed)
    if new:
        session.execute(insert(Workload), new)
    return Counter(row.status for row in wanted.values())


def _values(row: _Row, at: datetime) -> dict[str, Any]:
    plain = {name: getattr(row, name) for name in ("kind", "host_id", "site_id", "unit_code", "owner_reason", "status")}
    return {**plain, "names": json.loads(row.names), "declared": json.loads(row.declared), "identified_at": at}


@dataclass
class _Claim:
    """A site as ownership asks of it: names, and what its host says of its owner."""

    name: str
    names: list[str]
    clues: Sequence[Any] = ()

    def value(self, name: str) -> Any:
        """The clues; nothing else is asked here."""
        return self.clues if name == ownership.CLUES else None


def _wanted(session: Session) -> Iterator[tuple[str, _Row]]:
    """Every workload by its name.  Of one name on two hosts, the first host (by name) has it, and the others NAME@HOST."""
    query = select(model.Declared).where(model.Declared.kind.in_(("site", "server")), model.Declared.withdrawn_at.is_(None))
    declared = sorted(session.scalars(query), key=lambda row: row.key)
    sheets = {row.key: row for row in declared if row.kind == "site"}
    by_name = dict(sheets)
    for sheet in sheets.values():
        for alias in sheet.data.get("aliases") or []:
            by_name.setdefault(register_names.ascii_name(str(alias)), sheet)
    told = {key: _declared(sheet) for key, sheet in sheets.items()}
    alone = _declared(None)
    owners = ownership.Units(list(session.scalars(select(model.Unit).order_by(model.Unit.code))))
    confirmed, views = confirmations(session), kept.Views(session)
    hosts = {row.id: row for row in session.execute(select(Host.c.id, Host.c.name, Host.c.address, Host.c.unit_code, Host.c.outcome))}
    sites: dict[int, list[Any]] = {}
    columns = (Site.c.id, Site.c.host_id, Site.c.name, Site.c.kind, Site.c.clues, cast(Site.c.names, Text).label("names"))
    for row in session.execute(select(*columns)):
        sites.setdefault(row.host_id, []).append(row)
    seen: set[str] = set()
    matched: set[str] = set()
    for host in sorted((hosts[key] for key in sites), key=lambda row: row.name):
        mine = []
        for site in sorted(sites[host.id], key=lambda row: row.name):
            names = [str(name) for name in json.loads(site.names)]
            found = next((by_name[name] for name in (site.name, *names) if name in by_name), None)
            if found is not None:
                matched.add(found.key)
            claim = _Claim(site.name, names, site.clues or ())
            mine.append((site, names, found, claim, ownership.told(claim, found, owners)))
        shared = ownership.shared(host, [said for *_, said in mine], owners)
        for (site, names, found, claim, said), serves in zip(mine, shared, strict=True):
            owner = ownership.of(claim, found, host, owners, confirmed, shared=serves, said=said)
            name = site.name if site.name not in seen else f"{site.name}@{host.name}"
            seen.add(name)
            status = "both" if found is not None else "undeclared"
            beside = packing.encoded((told[found.key] if found is not None else alone) | owner.facts() | views.facts(names))
            yield name, _Row(site.kind, host.id, site.id, owner.unit, owner.reason, status, site.names, beside)
    everywhere = whereabouts.all_read(hosts.values())
    called = whereabouts.called(hosts.values(), {row.key: row.data for row in declared if row.kind == "server"})
    for key, sheet in sheets.items():
        if key not in matched:
            status = "missing" if whereabouts.looked_for(sheet.data, called, everywhere) else "unread"
            names = [key, *(register_names.ascii_name(str(alias)) for alias in sheet.data.get("aliases") or [])]
            owner = ownership.of(_Claim(key, names), sheet, None, owners, confirmed)
            beside = packing.encoded(owner.facts() | views.facts(names))
            yield key, _Row("site", None, None, owner.unit, owner.reason, status, packing.encoded(names), beside)


def confirmations(session: Session) -> dict[str, ownership.Confirmation]:
    """What admins said of owners, by each name of the site that they meant; the newest word counts."""
    found: dict[str, ownership.Confirmation] = {}
    query = select(model.OwnerConfirmation).where(model.OwnerConfirmation.forgotten_at.is_(None)).order_by(model.OwnerConfirmation.id)
    for row in session.scalars(query):
        word = ownership.Confirmation(row.unit_code, row.by, row.why, row.at)
        found |= dict.fromkeys([row.site, *map(str, row.names)], word)
    return found


def _declared(sheet: model.Declared | None) -> dict[str, Any]:
    """The facts that a sheet tells of its site."""
    why = f"declared in {sheet.origin}" if sheet is not None else "no sheet names it"
    facts: dict[str, Any] = {"site.declared": {"value": sheet is not None, "evidence": [], "why": why}}
    for name, value in sorted(sheet.data.items()) if sheet is not None else ():
        if isinstance(value, (str, bool, int, float, list)) and name not in {"unit", "domain", "aliases"} and sheet is not None:
            facts[f"declared.{name}"] = {"value": value, "evidence": [["declared", sheet.origin, 0]], "why": why}
    return facts
