"""Visits into the catalogue: many at a time, by one writer, in transactions of a hundred hosts or a second.

In: `Visit`s (how a host's visit ended, and what it brought, packed).  Out: rows of `inventory.model`.  A host that said the same as at its
last visit moves two times and a count; anything else becomes a snapshot with its observations; those of sections that did not change are
taken over.  One bad visit never loses those that were stored with it, and what was committed stays whatever happens next: a `kill -9`
loses the visits of the last second.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from time import monotonic
from types import MappingProxyType, TracebackType
from typing import Any

from sqlalchemy import Insert, bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.orm import Session

from inventory import model, packing
from inventory.catalogue import Catalogue, chunks
from inventory.errors import PlannerError
from inventory.probes.base import Observation, Section

KEEP = timedelta(days=7)
"""A host that says the same is stored whole again once a week, so that what is of the moment is never older than that."""

BATCH, SECONDS = 100, 1.0
"""A transaction holds at most so many hosts, and waits at most so long for more of them."""

Host, Snapshot, Rows, Shared = (model.table(of) for of in (model.Host, model.Snapshot, model.Observations, model.Shared))


@dataclass(frozen=True)
class Visit:
    """How the visit of a host (by its name) ended; `packed` None when it brought nothing.  `source` names the file it was read from.

    `way` is how we came in; None keeps what is known of that.
    """

    host: str
    outcome: str
    detail: str
    at: datetime
    seconds: float = 0.0
    privilege: str = ""
    sections: Sequence[Section] = ()
    packed: packing.Packed | None = None
    source: str = ""
    way: Mapping[str, Any] | None = None


def write(session: Session, visits: Sequence[Visit], run: int | None = None) -> list[str]:
    """Record visits, the later of two of one host last; returns the names that the catalogue does not know.

    A visit that brought nothing keeps the last snapshot's observations.
    """
    session.flush()
    last = {packing.clean(visit.host): visit for visit in visits}
    for visit in visits:
        if visit is not last[packing.clean(visit.host)] and visit.packed is not None:  # both readings are kept
            write(session, [visit], run)
    known = _known(session, set(last))
    mine = [(known[name], visit) for name, visit in last.items() if name in known]
    ended, again = [], []
    fresh: list[tuple[int, Visit, packing.Packed]] = []
    for host, visit in mine:
        values = {"key": host.id, "outcome": visit.outcome, "outcome_detail": packing.clean(visit.detail), "visited_at": visit.at}
        values["way"] = dict(visit.way) if visit.way else host.way
        ended.append(values | {"visit_run_id": run if run is not None else host.visit_run_id})
        if visit.packed is None:
            continue
        if _same(host, visit):
            again.append({"key": host.snapshot_id, "seen_at": visit.at})
        elif (packed := _stands(session, host, visit.packed)) is not None:
            fresh.append((host.id, visit, packed))
    if ended:
        names = ("outcome", "outcome_detail", "visited_at", "visit_run_id", "way")
        session.execute(update(Host).where(Host.c.id == bindparam("key")).values({name: bindparam(name) for name in names}), ended)
    if again:
        moved = {"seen_at": bindparam("seen_at"), "readings": Snapshot.c.readings + 1}
        session.execute(update(Snapshot).where(Snapshot.c.id == bindparam("key")).values(moved), again)
    if fresh:
        _snapshots(session, fresh)
    return [visit.host for name, visit in last.items() if name not in known]


def _known(session: Session, names: set[str]) -> dict[str, Any]:
    columns = (Host.c.id, Host.c.name, Host.c.snapshot_id, Host.c.digest, Host.c.visit_run_id, Host.c.way, Snapshot.c.taken_at)
    query = select(*columns).outerjoin(Snapshot, Snapshot.c.id == Host.c.snapshot_id)
    return {row.name: row for part in chunks(sorted(names)) for row in session.execute(query.where(Host.c.name.in_(part)))}


def _same(host: Any, visit: Visit) -> bool:
    if visit.source or visit.packed is None or host.taken_at is None or visit.packed.digest != host.digest:
        return False
    return bool(timedelta() <= visit.at - host.taken_at < KEEP)


def _snapshots(session: Session, fresh: Sequence[tuple[int, Visit, packing.Packed]]) -> None:
    rows = [
        {
            "host_id": host, "taken_at": visit.at, "seconds": visit.seconds, "transcript": packed.transcript, "readings": 1,
            "privilege": visit.privilege if visit.privilege in {"root", "user"} else "",  # a host's own word
            "sections": [_section(section, visit.source, packed.marks) for section in visit.sections],
        }
        for host, visit, packed in fresh
    ]  # fmt: skip
    made = session.execute(insert(Snapshot).returning(Snapshot.c.id, sort_by_parameter_order=True), rows).scalars().all()
    kept = _kept(session, fresh)
    observed = [(host, snapshot, packed) for (host, _, packed), snapshot in zip(fresh, made, strict=True)]
    orders = {host: {section.name: -at for at, section in enumerate(reversed(visit.sections))} for host, visit, _ in fresh}
    _observations(session, observed, kept, orders)


def _section(section: Section, source: str, marks: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    told = {name: packing.clean(getattr(section, name)) for name in ("name", "status", "seconds", "truncated", "privilege")}
    mark = {"mark": list(marks[section.name])} if section.name in marks else {}
    return told | mark | ({"source": packing.clean(source)} if source else {})


def _stands(session: Session, host: Any, packed: packing.Packed) -> packing.Packed | None:
    """The same, unless it rests on a snapshot that is no longer the host's newest: then all of it, parsed here.

    None when that is not to be had any more, because the snapshot went meanwhile: what was stored since stays.
    """
    if packed.base is None or (packed.transcript and packed.base == host.snapshot_id):
        return packed
    from inventory import collector  # heavy, and hardly ever needed
    from inventory.probes import registry

    stored = packed.transcript or session.scalar(select(Snapshot.c.transcript).where(Snapshot.c.id == packed.base))
    if not stored:
        return None
    try:
        output = zlib.decompress(stored)
        read = collector.read(output, collector.nonce_of(output), registry.PROBES)
        return packing.pack(output, registry.parse(read.sections), read.sections, read.privilege)
    except Exception as error:  # one host's defect, which must not stop the writer
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _kept(session: Session, fresh: Sequence[tuple[int, Visit, packing.Packed]]) -> dict[int, list[packing.Group]]:
    """The stored rows that are taken over, by host, in their order."""
    wanted = {host: set(packed.kept) for host, _, packed in fresh if packed.kept}
    found: dict[int, list[packing.Group]] = {}
    query = select(Rows.c.host_id, Rows.c.kind, Rows.c.section, Rows.c.body).order_by(Rows.c.host_id, Rows.c.position)
    for part in chunks(sorted(wanted)):
        for row in session.execute(query.where(Rows.c.host_id.in_(part))):
            if row.section in wanted[row.host_id]:
                found.setdefault(row.host_id, []).append(packing.Group(row.kind, row.section, row.body))
    return found


def _observations(
    session: Session,
    observed: Sequence[tuple[int, int, packing.Packed]],
    kept: Mapping[int, list[packing.Group]] = MappingProxyType({}),
    orders: Mapping[int, Mapping[str, int]] = MappingProxyType({}),
) -> None:
    """Replace what is known of hosts (host's id, snapshot's id, packed); their sites are to be identified anew.

    Rows that are taken over (`kept`) go among the new ones in the `orders` of their sections.
    """
    hosts = [host for host, _, _ in observed]
    for part in chunks(hosts):
        session.execute(delete(Rows).where(Rows.c.host_id.in_(part)))
    groups = _numbered(session, [packed for _, _, packed in observed])
    for (host, _, _), own in zip(observed, groups, strict=True):
        if host in kept:
            own += kept[host]
            own.sort(key=lambda group, order=orders[host]: order.get(group.section, 1))  # type: ignore[misc]
    rows = [
        {"host_id": host, "kind": g.kind, "section": g.section, "snapshot_id": snapshot, "position": position, "body": g.body}
        for (host, snapshot, _), own in zip(observed, groups, strict=True)
        for position, g in enumerate(own)
    ]
    if rows:
        session.execute(insert(Rows), rows)
    values: dict[str, Any] = {"snapshot_id": bindparam("snapshot_id"), "digest": bindparam("digest"), "identified": None}
    changes = [{"key": host, "snapshot_id": snapshot, "digest": packed.digest} for host, snapshot, packed in observed]
    session.execute(update(Host).where(Host.c.id == bindparam("key")).values(values), changes)


def _numbered(session: Session, visits: Sequence[packing.Packed]) -> list[list[packing.Group]]:
    """Each visit's rows, with numbers in the place of values that hosts share; values met for the first time get theirs."""
    numbers: dict[Any, int] = session.info.setdefault("shared", {})
    new: dict[Any, tuple[str, dict[str, Any]]] = {}
    for packed in visits:
        for group in packed.groups:
            if isinstance(group, packing.SharedGroup):
                for value in group.values:
                    key = _key(group, value)
                    if key not in numbers and key not in new:
                        data = dict(zip(group.keys, value, strict=True))
                        text = packing.encoded([group.kind, group.keys, value])
                        new[key] = blake2b(text.encode(), digest_size=16).hexdigest(), {"kind": group.kind, "data": data}
    if new:
        found = _found(session, [digest for digest, _ in new.values()])
        rows = [
            {"digest": digest, "kind": row["kind"], "name": str(row["data"]["name"])[:255], "data": row["data"]}
            for digest, row in new.values()
            if digest not in found
        ]
        if rows:
            session.execute(_or_nothing(session), rows)
            found |= _found(session, [row["digest"] for row in rows])
        numbers |= {key: found[digest] for key, (digest, _) in new.items()}

    def stored(group: packing.Group | packing.SharedGroup) -> packing.Group:
        if isinstance(group, packing.Group):
            return group
        return packing.numbered(group, [numbers[_key(group, value)] for value in group.values])

    return [[stored(group) for group in packed.groups] for packed in visits]


def _key(group: packing.SharedGroup, value: tuple[Any, ...]) -> Any:
    return (group.kind, group.keys, value, tuple(map(type, value)))  # 1 and True are equal, and are not the same


def _found(session: Session, digests: Sequence[str]) -> dict[str, int]:
    query = select(Shared.c.digest, Shared.c.id)
    return {digest: key for part in chunks(digests) for digest, key in session.execute(query.where(Shared.c.digest.in_(part)))}


def _or_nothing(session: Session) -> Insert:
    """Another planner may have written the same value meanwhile."""
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(Shared).on_conflict_do_nothing()
    return sqlite.insert(Shared).on_conflict_do_nothing()


def replace_observations(
    session: Session, snapshot: model.Snapshot, observations: Sequence[tuple[str, Observation]], sections: Sequence[Section], privilege: str
) -> None:
    """What today's parsers read in a stored snapshot, in the place of what was known of its host."""
    session.flush()
    packed = packing.pack(b"", observations, sections, privilege)
    _observations(session, [(snapshot.host_id, snapshot.id, packed)])
    snapshot.sections = [{name: value for name, value in entry.items() if name != "mark"} for entry in snapshot.sections]
    host = session.get(model.Host, snapshot.host_id)
    if host is not None:
        session.expire(host)


class Writer:
    """The one writer of a discovery, a thread: `add` hands it a visit, leaving the block waits until all are stored.

    When the database does not take one visit, its host's outcome says so.  A catalogue that cannot be written at all (a full disk)
    is raised by the next `add`, or at the end of the block.  `after` is called with the names of each batch, in a transaction of its own:
    what can be done for hosts one by one is then done while others are still visited.
    """

    def __init__(
        self,
        book: Catalogue,
        run: int | None = None,
        *,
        after: Callable[[Session, Sequence[str]], None] | None = None,
        batch: int = BATCH,
        seconds: float = SECONDS,
    ) -> None:
        self._book, self._run, self._after, self._batch, self._seconds = book, run, after, batch, seconds
        self._waiting: list[Visit] = []
        self._turn = threading.Condition()
        self._closed = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="catalogue writer", daemon=True)
        self.unknown: list[str] = []
        """Hosts that left the catalogue while they were visited."""

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._turn:
            self._closed = True
            self._turn.notify_all()
        self._thread.join()
        if kind is None:
            self._raise()

    def add(self, visit: Visit) -> None:
        """Hand over a visit; waits while the writer is far behind.  Raises CatalogueError when the writer has given up."""
        with self._turn:
            while len(self._waiting) >= 4 * self._batch and self._error is None:
                self._turn.wait()
            self._raise()
            self._waiting.append(visit)
            self._turn.notify_all()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            while self._store_next():
                pass
        except BaseException as error:  # raised where the visits come from
            with self._turn:
                self._error = error
                self._turn.notify_all()

    def _store_next(self) -> bool:
        with self._turn:
            while not self._waiting and not self._closed:
                self._turn.wait()
            until = monotonic() + self._seconds
            while len(self._waiting) < self._batch and not self._closed and (left := until - monotonic()) > 0:
                self._turn.wait(left)
            visits, self._waiting = self._waiting[: self._batch], self._waiting[self._batch :]
            self._turn.notify_all()
        if visits:
            self._store(visits)
            self._follow(visits)
        return bool(visits) or not self._closed

    def _store(self, visits: Sequence[Visit]) -> None:
        try:
            self._write(visits)
        except (PlannerError, ValueError, TypeError) as error:
            _not_ours(error)
            for visit in visits:  # one of them is at fault: each in a transaction of its own tells which
                self._store_one(visit)

    def _store_one(self, visit: Visit) -> None:
        try:
            self._write([visit])
        except (PlannerError, ValueError, TypeError) as error:
            _not_ours(error)
            self._write([failed(visit.host, error, visit.at, visit.seconds)])

    def _follow(self, visits: Sequence[Visit]) -> None:
        if self._after is None:
            return
        # whatever is wrong with one of them must not stop the visits: it is met again, and raised, by whoever does all that was left over
        with suppress(Exception), self._book.session() as session:
            self._after(session, [packing.clean(visit.host) for visit in visits if visit.packed is not None])

    def _write(self, visits: Sequence[Visit]) -> None:
        with self._book.session() as session:
            self.unknown += write(session, visits, self._run)


def failed(host: str, error: Exception, at: datetime, seconds: float = 0.0) -> Visit:
    """The outcome of a host whose visit cannot be stored."""
    return Visit(host, "protocol", f"internal: {type(error).__name__}: {str(error)[:300]}", at, seconds)


def _not_ours(error: Exception) -> None:
    """A full disk or a server that went away is no visit's fault."""
    if isinstance(error.__cause__, (OperationalError, InterfaceError, InternalError)):
        raise error
