"""The catalogue: open it (SQLite by default, PostgreSQL by URL), migrate it (Alembic), store snapshots, query.

In: a database URL, visits and parsed observations.  Out: rows of `inventory.model`, the same from either engine: times are aware and
in UTC, text holds no NUL and no lone surrogate.  One writer: callers store one host per transaction, so that a `kill -9` loses at
most the visits in flight.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, TIMESTAMP, URL, Connection, DateTime, Engine, String, create_engine, delete, event, insert, make_url, select
from sqlalchemy.dialects.sqlite import DATETIME
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from inventory import model
from inventory.errors import CatalogueError, NotFound
from inventory.probes.base import Observation, Section

MIGRATIONS = Path(__file__).parent / "migrations"


_MIGRATING = 5_203_114  # any number, as long as every planner takes the same
_URLS = "sqlite:///PATH or postgresql+psycopg://USER@HOST/DATABASE; in a password write @ as %40, : as %3A, / as %2F"


def clean(value: Any) -> Any:
    """A value that both engines can store: surrogates (undecodable bytes) become U+FFFD, NUL becomes U+2400, NaN None, the rest text."""
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value).replace("\0", "␀")
    if isinstance(value, dict):
        return {clean(key): clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return clean(value.isoformat() if isinstance(value, date) else str(value))


class Catalogue:
    """An open catalogue.  `session()` gives a transaction: committed at the end, rolled back by any exception."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._factory = sessionmaker(engine, expire_on_commit=False)
        event.listen(self._factory, "before_flush", _make_storable)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction."""
        try:
            with self._factory() as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            raise CatalogueError(f"the catalogue {_hide(self.engine.url)}: {_first_line(error)}") from error

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()


def _first_line(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).strip().split("\n")[0]


def _make_storable(session: Session, _context: Any, _instances: Any) -> None:
    # whatever a sheet or a host says: SQLite would take a NUL and PostgreSQL refuse it, and one row would stop an import
    for row in (*session.new, *session.dirty):
        for column in row.__table__.columns:
            value = row.__dict__.get(column.key)
            if isinstance(column.type, (String, JSON)) and (stored := clean(value)) != value:
                setattr(row, column.key, stored)


def open_catalogue(url: str) -> Catalogue:
    """Open and migrate to the newest schema.  Raises CatalogueError, whose message never holds the URL's password."""
    place = _parse(url)
    try:
        engine = _engine(place)
        with engine.begin() as connection:
            migrated = _migrate(connection)
        if migrated:
            engine.dispose()  # SQLite's foreign keys were off in this connection
    except (SQLAlchemyError, alembic.util.CommandError, ImportError, UnicodeError) as error:
        raise CatalogueError(
            f"cannot open the catalogue {_hide(place)}: {_first_line(error)}",
            hint="see `catalogue` in the workspace's planner.yml",
        ) from error
    return Catalogue(engine)


def _parse(url: str) -> URL:
    try:
        place = make_url(url)
    except (SQLAlchemyError, ValueError):
        place = URL.create("unreadable")
    if place.drivername == "unreadable" or "@" in (place.host or ""):
        # nothing of the text is repeated: what looks like a host or port here is mostly the second half of a password
        raise CatalogueError("`catalogue` in the workspace's planner.yml is not a database URL", hint=_URLS) from None
    if place.drivername not in {"sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg"}:
        raise CatalogueError(f"cannot open the catalogue {_hide(place)}: only SQLite and PostgreSQL (by psycopg) are known", hint=_URLS)
    return place


def _hide(place: URL) -> str:
    hidden = {key: "hidden" for key in place.query if "password" in key.lower()}
    return place.update_query_dict(hidden).render_as_string(hide_password=True)


def _engine(place: URL) -> Engine:
    if place.get_backend_name() == "sqlite":
        engine = create_engine(place)
        engine.dialect.colspecs = {**engine.dialect.colspecs, DateTime: _SqliteTime, TIMESTAMP: _SqliteTime}
        event.listen(engine, "connect", _sqlite_pragmas)
    else:
        # a visit lasts minutes: the connection is tried before use, in case the server was restarted meanwhile
        patience = {} if "connect_timeout" in place.query else {"connect_timeout": 10}
        engine = create_engine(place, pool_pre_ping=True, connect_args=patience)
        event.listen(engine, "connect", _postgresql_settings)
    event.listen(engine, "handle_error", _unstorable)
    return engine


def _unstorable(context: Any) -> None:
    # both drivers let this one out as it is, and it would end in a traceback
    if isinstance(context.original_exception, UnicodeError):
        raise CatalogueError(f"text that is not UTF-8 can neither be stored nor found: {context.original_exception}")


def _migrate(connection: Connection) -> bool:
    """Whether there was anything to do.  Two planners that start at once on an empty database migrate it one after the other."""
    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    newest = set(ScriptDirectory.from_config(config).get_heads())
    if set(MigrationContext.configure(connection).get_current_heads()) == newest:
        return False
    if connection.dialect.name == "sqlite":
        # Alembic rebuilds a table to alter it: with foreign keys on, dropping the old one would delete what refers to it
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, "head")
    return True


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in ("busy_timeout=20000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _postgresql_settings(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_encoding")
        encoding = cursor.fetchone()[0]
        if encoding not in {"UTF8", b"UTF8"}:
            raise CatalogueError(
                f"the database's encoding is {encoding if isinstance(encoding, str) else encoding.decode()}; the catalogue needs UTF8",
                hint="createdb --encoding=UTF8 --template=template0 NAME",
            )
        cursor.execute("SET client_encoding TO 'UTF8'")
        cursor.execute("SET TIME ZONE 'UTC'")
    connection.commit()


class _SqliteTime(DATETIME):
    """SQLite keeps no time zones: times are written in UTC and come back aware, as PostgreSQL's do."""

    def bind_processor(self, dialect: Any) -> Callable[[Any], Any]:
        """A time with a zone as the same time in UTC; one without is taken to be UTC."""
        write: Any = super().bind_processor(dialect)
        return lambda value: write(value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value)

    def result_processor(self, dialect: Any, coltype: Any) -> Callable[[Any], Any]:
        """What is read is UTC, and says so."""
        read: Any = super().result_processor(dialect, coltype)
        return lambda value: None if value is None else read(value).replace(tzinfo=UTC)


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
    host.outcome, host.outcome_detail, host.visited_at = outcome, detail, at
    if not sections:
        return None
    snapshot = model.Snapshot(
        host_id=host.id,
        taken_at=at,
        privilege=privilege if privilege in {"root", "user"} else "",  # a host's own word
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
    host = session.scalar(select(model.Host).where((model.Host.name == clean(name)) | (model.Host.address == clean(name))))
    if host is None:
        known = ", ".join(session.scalars(select(model.Host.name).order_by(model.Host.name).limit(20)))
        raise NotFound(f"there is no host {name!r} in the catalogue", hint=f"hosts there: {known or 'none yet'}")
    return host


def workload_by_name(session: Session, name: str) -> model.Workload:
    """A site by any of its names.  Raises NotFound with what there is."""
    found = session.scalar(select(model.Workload).where(model.Workload.name == clean(name)))
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
