"""The catalogue: open it (SQLite by default, PostgreSQL by URL), migrate it (Alembic), query.  Visits are written by `storing.py`.

In: a database URL.  Out: rows of `inventory.model`, the same from either engine: times are aware and in UTC, text holds no NUL and no
lone surrogate; and what was read on hosts, unpacked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    JSON,
    TIMESTAMP,
    URL,
    Connection,
    DateTime,
    Engine,
    Row,
    String,
    Text,
    cast,
    create_engine,
    event,
    inspect,
    make_url,
    or_,
    select,
)
from sqlalchemy.dialects.sqlite import DATETIME
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from inventory import model, packing
from inventory.errors import CatalogueError, NotFound
from inventory.packing import clean

MIGRATIONS = Path(__file__).parent / "migrations"
T = TypeVar("T")
__all__ = [
    "Catalogue", "Known", "chunks", "clean", "everywhere", "host_by_name", "hosts_with", "now", "observations", "observed",
    "open_catalogue", "opened", "opened_values", "workload_by_name",
]  # fmt: skip

_MIGRATING = 5_203_114  # any number, as long as every planner takes the same
_SETTING = "see `catalogue` in the workspace's planner.yml"
_URLS = "sqlite:///PATH or postgresql+psycopg://USER@HOST/DATABASE; in a password write @ as %40, : as %3A, / as %2F"


class Catalogue:
    """An open catalogue.  `session()` gives a transaction: committed at the end, rolled back by any exception."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._factory = sessionmaker(engine, expire_on_commit=False, info={"shared": {}})  # one dictionary for all sessions
        event.listen(self._factory, "before_flush", _make_storable)
        event.listen(self._factory, "after_rollback", lambda session: session.info["shared"].clear())

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction."""
        try:
            with self._factory() as session, session.begin():
                yield session
        except SQLAlchemyError as error:
            full = re.search("disk is full|disk I/O error|No space left", str(error))
            hint = "make room on its disk; what was stored before stays, and running this again goes on from there" if full else ""
            raise CatalogueError(f"the catalogue {_hide(self.engine.url)}: {_first_line(error)}", hint=hint) from error

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
    except (SQLAlchemyError, ImportError, UnicodeError) as error:
        raise CatalogueError(
            f"cannot open the catalogue {_hide(place)}: {_first_line(error)}",
            hint=_SETTING,
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
        engine = create_engine(place, json_serializer=packing.encoded)
        engine.dialect.colspecs = {**engine.dialect.colspecs, DateTime: _SqliteTime, TIMESTAMP: _SqliteTime}
        event.listen(engine, "connect", _sqlite_pragmas)
    else:
        # a visit lasts minutes: the connection is tried before use, in case the server was restarted meanwhile
        patience = {} if "connect_timeout" in place.query else {"connect_timeout": 10}
        engine = create_engine(place, pool_pre_ping=True, connect_args=patience, json_serializer=packing.encoded)
        event.listen(engine, "connect", _postgresql_settings)
    event.listen(engine, "handle_error", _unstorable)
    return engine


def _unstorable(context: Any) -> None:
    # both drivers let this one out as it is, and it would end in a traceback
    if isinstance(context.original_exception, UnicodeError):
        raise CatalogueError(f"text that is not UTF-8 can neither be stored nor found: {context.original_exception}")


def _migrate(connection: Connection) -> bool:
    """Whether there was anything to do.  Two planners that start at once on an empty database migrate it one after the other."""
    if _revisions(connection) == _newest():
        return False
    # loading Alembic takes longer than most commands
    import alembic.command
    import alembic.config

    config = alembic.config.Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    if connection.dialect.name == "sqlite":
        # Alembic rebuilds a table to alter it: with foreign keys on, dropping the old one would delete what refers to it
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
    config.attributes["connection"] = connection
    try:
        alembic.command.upgrade(config, "head")
    except alembic.util.CommandError as error:
        raise CatalogueError(f"cannot open the catalogue {_hide(connection.engine.url)}: {error}", hint=_SETTING) from error
    return True


def _revisions(connection: Connection) -> set[str]:
    if not inspect(connection).has_table("alembic_version"):
        return set()
    return set(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars())


def _newest() -> set[str]:
    """The migrations that no other one follows, by their files."""
    texts = [path.read_text(encoding="utf-8") for path in (MIGRATIONS / "versions").glob("*.py")]
    told = [dict(re.findall(r'^(revision|down_revision)\b.*?= *"([^"]+)"', text, re.M)) for text in texts]
    return {one["revision"] for one in told if "revision" in one} - {one.get("down_revision", "") for one in told}


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


def chunks(values: Sequence[T], size: int = 500) -> Iterator[Sequence[T]]:
    """As many as one statement takes."""
    return (values[start : start + size] for start in range(0, len(values), size))


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
    if found is not None:
        return found
    # names are a JSON list: as text, either of the two ways to write it holds the name in quotes
    text = cast(model.Workload.names, Text)
    written = {json.dumps(clean(name), ensure_ascii=ascii_only) for ascii_only in (True, False)}
    query = select(model.Workload).where(or_(*(text.contains(word, autoescape=True) for word in sorted(written))))
    for item in session.scalars(query.order_by(model.Workload.name)):
        if clean(name) in item.names:
            return item
    known = ", ".join(session.scalars(select(model.Workload.name).order_by(model.Workload.name).limit(20)))
    raise NotFound(
        f"there is no site {name!r} in the catalogue",
        hint=f"sites there: {known or 'none yet: `planner discover`'}",
    )


class Known(NamedTuple):
    """One thing that was read on a host: its kind and data, and the snapshot, section and line that prove it."""

    host_id: int
    snapshot_id: int
    section: str
    kind: str
    line: int
    data: dict[str, Any]


def observations(session: Session, host_id: int, *kinds: str) -> list[Known]:
    """A host's observations of these kinds (all without), in the order in which they were read."""
    return [item for row in observed(session, [host_id], kinds) for item in opened(session, row)]


def everywhere(session: Session, *kinds: str) -> Iterator[Known]:
    """Observations of these kinds on all hosts, host by host."""
    query = select(_ROWS).where(_ROWS.c.kind.in_(kinds)).order_by(_ROWS.c.host_id, _ROWS.c.position)
    for row in session.execute(query.execution_options(yield_per=500)):
        yield from opened(session, row)


def hosts_with(session: Session, kind: str, **fields: Any) -> list[Known]:
    """Which hosts have such a thing: `hosts_with(session, "package", name="openssl")`; without `fields`, all of the kind."""
    if kind not in packing.SHARED:
        return [item for item in everywhere(session, kind) if _has(item.data, fields)]
    query = select(model.Shared.id, model.Shared.data).where(model.Shared.kind == kind)
    if isinstance(fields.get("name"), str):
        query = query.where(model.Shared.name == clean(fields["name"])[:255])
    wanted = {key: data for key, data in session.execute(query) if _has(data, fields)}
    rows = select(_ROWS).where(_ROWS.c.kind == kind).order_by(_ROWS.c.host_id, _ROWS.c.position)
    found = []
    for row in session.execute(rows.execution_options(yield_per=500)):
        told = packing.unpack(row.body)
        place = (row.host_id, row.snapshot_id, row.section, row.kind)
        found += [Known(*place, line, dict(wanted[number])) for number, line in told.numbers if number in wanted]
        found += [Known(*place, line, data) for data, line in told.rows if _has(data, fields)]
    return found


def _has(data: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    return all(name in data and data[name] == value for name, value in fields.items())


_ROWS = model.table(model.Observations)


def observed(session: Session, hosts: Sequence[int], kinds: Sequence[str] = ()) -> list[Row[Any]]:
    """Stored rows of hosts, of some kinds (all without), unopened, host by host in the order in which they were read."""
    query = select(_ROWS).where(_ROWS.c.host_id.in_(hosts))
    query = query.where(_ROWS.c.kind.in_(kinds)) if kinds else query
    return list(session.execute(query.order_by(_ROWS.c.host_id, _ROWS.c.position)))


def opened(session: Session, row: Row[Any]) -> list[Known]:
    """The observations of one stored row."""
    place = (row.host_id, row.snapshot_id, row.section, row.kind)
    return [Known(*place, line, data) for data, line in opened_values(session, row)]


def opened_values(session: Session, row: Row[Any]) -> Sequence[tuple[dict[str, Any], int]]:
    """The same as (data, line)."""
    told = packing.unpack(row.body)
    if not told.numbers:
        return told.rows
    query = select(model.Shared.id, model.Shared.data)
    numbers = sorted({number for number, _ in told.numbers})
    values = {key: data for part in chunks(numbers) for key, data in session.execute(query.where(model.Shared.id.in_(part)))}
    return [(dict(values[number]), line) for number, line in told.numbers]
