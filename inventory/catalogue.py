"""The catalogue: open it (SQLite by default, PostgreSQL by URL), migrate it (Alembic), store snapshots, query.

In: a database URL, visits and parsed observations.  Out: rows of `inventory.model`.  One writer: callers store one host per
transaction, so that a `kill -9` loses at most the visits in flight.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
from sqlalchemy import Engine, create_engine, delete, event, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from inventory import model
from inventory.errors import CatalogueError, NotFound
from inventory.probes.base import Observation, Section

MIGRATIONS = Path(__file__).parent / "migrations"


def clean(value: Any) -> Any:
    """Text that both engines can store: surrogates (undecodable bytes) become U+FFFD, NUL becomes U+2400."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace" if value.isascii() else "surrogateescape").decode("utf-8", "replace").replace("\0", "␀")
    if isinstance(value, dict):
        return {clean(key): clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]
    return value


class Catalogue:
    """An open catalogue.  `session()` gives a transaction: committed at the end, rolled back by any exception."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._factory = sessionmaker(engine, expire_on_commit=False)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction."""
        try:
            with self._factory() as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            raise CatalogueError(f"the catalogue {self.engine.url!r}: {_first_line(error)}") from error

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().split("\n")[0]


def open_catalogue(url: str) -> Catalogue:
    """Open and migrate to the newest schema.  Raises CatalogueError."""
    try:
        engine = create_engine(url)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _sqlite_pragmas)
        config = alembic.config.Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, "head")
    except (SQLAlchemyError, alembic.util.CommandError, ImportError) as error:
        raise CatalogueError(
            f"cannot open the catalogue {_hide(url)}: {_first_line(error)}",
            hint="see `catalogue` in the workspace's planner.yml",
        ) from error
    return Catalogue(engine)


def _hide(url: str) -> str:
    from sqlalchemy.engine import make_url

    try:
        return make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return "(not a URL)"


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=20000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def now() -> datetime:
    """The clock, in UTC; callers that must be deterministic take it as an argument instead."""
    return datetime.now(UTC).replace(microsecond=0)


def store_snapshot(
    session: Session,
    host: model.Host,
    *,
    outcome: str,
    detail: str,
    at: datetime,
    transcript: bytes = b"",
    seconds: float = 0.0,
    privilege: str = "",
    sections: Sequence[Section] = (),
    observations: Iterable[tuple[str, Observation]] = (),
) -> model.Snapshot | None:
    """Record how a visit ended and what it brought.  A visit that brought nothing keeps the last snapshot's observations."""
    host.outcome, host.outcome_detail, host.visited_at = outcome, clean(detail), at
    if not sections:
        return None
    snapshot = model.Snapshot(
        host_id=host.id,
        taken_at=at,
        privilege=privilege,
        seconds=seconds,
        transcript=zlib.compress(transcript, 6),
        sections=[
            {
                "name": s.name,
                "status": s.status,
                "seconds": s.seconds,
                "truncated": s.truncated,
                "privilege": s.privilege,
            }
            for s in sections
        ],
    )
    session.add(snapshot)
    session.flush()
    store_observations(session, snapshot, observations)
    return snapshot


def store_observations(session: Session, snapshot: model.Snapshot, observations: Iterable[tuple[str, Observation]]) -> None:
    """Replace what is known of the host by a snapshot's observations (section name, observation)."""
    session.execute(delete(model.Observation).where(model.Observation.host_id == snapshot.host_id))
    rows = [
        {
            "snapshot_id": snapshot.id,
            "host_id": snapshot.host_id,
            "kind": item.kind,
            "section": section,
            "line": item.line,
            "data": clean(item.data),
        }
        for section, item in observations
    ]
    if rows:
        session.execute(insert(model.Observation), rows)


def host_by_name(session: Session, name: str) -> model.Host:
    """A host by name or address.  Raises NotFound with what there is."""
    host = session.scalar(select(model.Host).where((model.Host.name == name) | (model.Host.address == name)))
    if host is None:
        known = ", ".join(session.scalars(select(model.Host.name).order_by(model.Host.name).limit(20)))
        raise NotFound(f"there is no host {name!r} in the catalogue", hint=f"hosts there: {known or 'none yet'}")
    return host


def workload_by_name(session: Session, name: str) -> model.Workload:
    """A site by any of its names.  Raises NotFound with what there is."""
    found = session.scalar(select(model.Workload).where(model.Workload.name == name))
    if found is None:
        everything = list(session.scalars(select(model.Workload).order_by(model.Workload.name)))
        for item in everything:
            if name in item.names:
                return item
        known = ", ".join(item.name for item in everything[:20])
        raise NotFound(
            f"there is no site {name!r} in the catalogue",
            hint=f"sites there: {known or 'none yet: `planner discover`'}",
        )
    return found


def observations(session: Session, host_id: int, *kinds: str) -> list[model.Observation]:
    """A host's observations of these kinds (all without), in the order in which they were read."""
    query = select(model.Observation).where(model.Observation.host_id == host_id).order_by(model.Observation.id)
    return list(session.scalars(query.where(model.Observation.kind.in_(kinds)) if kinds else query))
