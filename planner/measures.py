"""What sizing and costs need, read from the catalogue: host by host, for any number of workloads with a few statements each 200 hosts.

In: an open session, and which workloads (all without).  Out: `sizing.Host`s, one after another, so that a year of samples of a campus
never lies in memory at once; and for each workload its unit, its verdict's hours and states, its machine's height and power.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inventory import catalogue, collector, model, sampling
from inventory.conditions import value
from inventory.probes import registry
from planner.attribution import Guest, figure, inside_docroot, roots
from planner.costs import Machine
from planner.platforms import Platforms
from planner.sizing import GROWTH_S, Host, Size
from planner.sizing import sizes as sizes_on

NEEDED = (
    "backend.folder", "backend.kind", "backend.user", "content.bytes", "database.bytes", "database.name", "database.product",
    "database.remote", "database.used", "declared.size_bytes",
    "site.container", "site.docroot", "site.host_docroot", "site.php", "site.php_handler",
    "site.php_version", "site.web_server", "use.log_shared", "use.requests", "use.requests_per_day",
)  # fmt: skip
"""The facts that sizing reads."""

READINGS = 6
"""Stored visits of a host that are read again for its growth, spread evenly over their time: each costs milliseconds."""

_BATCH = 200
_GROWING = frozenset({"content", "mariadb", "postgresql"})


@dataclass(frozen=True)
class Subject:
    """One workload: where it is, and what its verdict and the register say.  `efforts` and `states` are by placement."""

    name: str
    unit: str
    host_id: int | None
    placement: str = ""
    efforts: Mapping[str, float] = field(default_factory=dict)
    states: Mapping[str, str] = field(default_factory=dict)
    machine: Machine = field(default_factory=Machine)


def subjects(session: Session, only: Collection[int] | None = None) -> list[Subject]:
    """Workloads by name; `only` by id."""
    workload, host = model.Workload, model.Host
    query = select(workload.name, workload.unit_code, workload.host_id, host.address, model.Verdict.recommendation, model.Verdict.summary)
    query = query.outerjoin(host, workload.host_id == host.id).outerjoin(model.Verdict, model.Verdict.workload_id == workload.id)
    machines = _machines(session)
    found = []
    for part in [None] if only is None else catalogue.chunks(sorted(only)):
        rows = query if part is None else query.where(workload.id.in_(part))
        for name, unit, host_id, address, placement, data in session.execute(rows):
            told = [entry for entry in (data or {}).get("placements") or [] if isinstance(entry, dict)]
            efforts = {str(entry.get("placement")): hours for entry in told if (hours := figure(entry.get("effort_h"))) is not None}
            states = {str(entry.get("placement")): str(entry["state"]) for entry in told if entry.get("state")}
            chosen = placement if placement not in {None, "none"} else ""
            found.append(Subject(name, unit or "", host_id, chosen, efforts, states, machines.get(address, Machine())))
    return sorted(found, key=lambda subject: subject.name)


def _machines(session: Session) -> dict[str, Machine]:
    """Declared servers by their address: what the register says of height and power."""
    query = select(model.Declared.key, model.Declared.data).where(model.Declared.kind == "server", model.Declared.withdrawn_at.is_(None))
    return {key: Machine(figure(data.get("height_u")), figure(data.get("power_w"))) for key, data in session.execute(query)}


def hosts(session: Session, ids: Collection[int] | None = None, since: datetime | None = None) -> Iterator[tuple[int, Host]]:
    """Hosts by id with all that sizing reads: `ids` (all that have workloads without); samples only `since` a time."""
    every = session.scalars(select(model.Workload.host_id).where(model.Workload.host_id.is_not(None)).distinct())
    wanted = sorted(item for item in (every if ids is None else ids) if item is not None)
    for part in catalogue.chunks(wanted, _BATCH):
        yield from _batch(session, part, since)


def sizes(session: Session, platforms: Platforms, ids: Collection[int] | None = None, since: datetime | None = None) -> dict[str, Size]:
    """The size of every workload of those hosts, by its name; `ids` and `since` as for `hosts`."""
    found: dict[str, Size] = {}
    for _, host in hosts(session, ids, since):
        found |= sizes_on(host, platforms.headroom, platforms.growth_months)
    return found


def _batch(session: Session, ids: Sequence[int], since: datetime | None) -> Iterator[tuple[int, Host]]:
    names = {row.id: row.name for row in session.execute(select(model.Host.id, model.Host.name).where(model.Host.id.in_(ids)))}
    seen: dict[int, dict[str, list[Mapping[str, Any]]]] = {}
    for row in catalogue.observed(session, ids, ("hardware", "disk", "usage_history", "container")):
        kinds = seen.setdefault(row.host_id, {})
        kinds.setdefault(row.kind, []).extend(data for data, _ in catalogue.opened_values(session, row))
    guests = _guests(session, ids)
    runs = sampling.runs(session, ids, since)
    for host_id in ids:
        told = seen.get(host_id, {})
        hardware = told.get("hardware", [{}])[0]
        memory = figure(hardware.get("memory_bytes"))
        yield host_id, Host(
            names.get(host_id, ""), guests.get(host_id, ()), (), told.get("usage_history", ()), figure(hardware.get("cpus")) or None,
            int(memory) if memory else None, told.get("disk", ()), _containers(told.get("container", ())),
            runs.get(host_id, ()),
        )  # fmt: skip


def _containers(found: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """`docker web` → the container's identifier, as `site.container` names it."""
    return {f"{data.get('engine')} {data.get('name')}": str(data["id"]) for data in found if data.get("id") and data.get("name")}


def _guests(session: Session, ids: Sequence[int]) -> dict[int, tuple[Guest, ...]]:
    workload, facts = model.table(model.Workload), model.table(model.SiteFacts)
    query = select(workload.c.name, workload.c.host_id, workload.c.declared, facts.c.facts)
    query = query.outerjoin(facts, workload.c.site_id == facts.c.site_id).where(workload.c.host_id.in_(ids))
    found: dict[int, list[Guest]] = {}
    for name, host_id, declared, told in session.execute(query):
        whole = {**(told or {}), **(declared or {})}
        found.setdefault(host_id, []).append(Guest(name, {fact: whole[fact] for fact in NEEDED if fact in whole}))
    histories = _histories(session, ids)
    return {
        host_id: tuple(Guest(guest.name, guest.facts, _held(guest, histories.get(host_id, ()))) for guest in guests)
        for host_id, guests in found.items()
    }


@dataclass(frozen=True)
class _Past:
    """What one stored visit says of sizes: by docroot and by database (None: two of that name), and when that was so."""

    at: tuple[float, ...]
    content: Mapping[str, int]
    databases: Mapping[str, int | None]


def _held(guest: Guest, past: Iterable[_Past]) -> tuple[tuple[float, int], ...]:
    own = value(guest.facts, "database.used") is True and not value(guest.facts, "database.remote") and not inside_docroot(guest.facts)
    found = []
    for reading in past:
        content = next((reading.content[root] for root in roots(guest.facts) if root in reading.content), None)
        database = reading.databases.get(str(value(guest.facts, "database.name"))) if own else 0
        if content is not None and database is not None:
            found += [(at, content + database) for at in reading.at]
    return tuple(found)


def _histories(session: Session, ids: Sequence[int]) -> dict[int, list[_Past]]:
    """Of hosts whose stored visits span long enough for a trend; the others cost nothing."""
    table = model.table(model.Snapshot)
    times = select(table.c.id, table.c.host_id, table.c.taken_at, func.coalesce(table.c.seen_at, table.c.taken_at).label("seen"))
    by_host: dict[int, list[Any]] = {}
    for row in session.execute(times.where(table.c.host_id.in_(ids)).order_by(table.c.host_id, table.c.taken_at, table.c.id)):
        by_host.setdefault(row.host_id, []).append(row)
    chosen = {
        row.id: row
        for rows in by_host.values()
        if len(rows) > 1 and (rows[-1].seen - rows[0].taken_at).total_seconds() >= GROWTH_S
        for row in _spread(rows)
    }
    found: dict[int, list[_Past]] = {}
    for part in catalogue.chunks(sorted(chosen), 50):
        for ident, transcript in session.execute(select(table.c.id, table.c.transcript).where(table.c.id.in_(part))):
            row = chosen[ident]
            content, databases = _sizes(transcript)
            at = tuple(sorted({row.taken_at.timestamp(), row.seen.timestamp()}))
            found.setdefault(row.host_id, []).append(_Past(at, content, databases))
    return found


def _spread(rows: Sequence[Any]) -> Iterator[Any]:
    """At most `READINGS` of them: the first, the last, and evenly between."""
    last = len(rows) - 1
    yield from (rows[index] for index in sorted({round(step * last / (READINGS - 1)) for step in range(READINGS)}))


def _sizes(transcript: bytes) -> tuple[dict[str, int], dict[str, int | None]]:
    """Bytes by docroot and by database of a stored visit; nothing of one that can no longer be read."""
    content: dict[str, int] = {}
    databases: dict[str, int | None] = {}
    try:
        output = zlib.decompress(transcript)
        sections = collector.read(output, collector.nonce_of(output), registry.PROBES).sections
        observations = registry.parse(tuple(section for section in sections if section.name in _GROWING and section.status == 0))
    except Exception:  # an old visit that today's parsers fail on is no reading; the newest one's facts are stored by themselves
        return {}, {}
    for _, item in observations:
        size = figure(item.data.get("bytes"))
        if size is not None and item.kind == "content":
            content[str(item.data.get("docroot")).rstrip("/")] = int(size)
        elif size is not None and item.kind == "database":
            name = str(item.data.get("name"))
            databases[name] = None if name in databases else int(size)
    return content, databases
