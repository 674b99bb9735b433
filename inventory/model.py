"""The catalogue's tables (SQLAlchemy 2).  Pure declarations: opening, migrating and querying stand in `catalogue.py`.

Every value that was read on a host is an `Observation` row that names its snapshot, section and line; sites and databases are
identified from observations and point back to them.  Declared values stand beside discovered ones, never over them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TIMESTAMP


def _name(length: int = 255) -> String:
    # PostgreSQL would sort by the database's language, SQLite sorts by bytes: lists, and the plan, must not depend on the engine
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class Base(DeclarativeBase):
    """Declarative base; JSON for dictionaries and lists, time zones kept where the engine can."""

    type_annotation_map = {dict[str, Any]: JSON, list[Any]: JSON, datetime: TIMESTAMP(timezone=True)}  # noqa: RUF012


class Unit(Base):
    """A school, department or other unit: accountable for its sites."""

    __tablename__ = "unit"
    code: Mapped[str] = mapped_column(_name(64), primary_key=True)
    name_en: Mapped[str] = mapped_column(String(255), default="")
    name_zh: Mapped[str] = mapped_column(String(255), default="")
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Declared(Base):
    """One declared site, server or link: what a unit's sheets say; `RegisterChange` has the place of each value."""

    __tablename__ = "declared"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))  # site | server | link
    key: Mapped[str] = mapped_column(String(255))  # site: its domain in ASCII; server: its address; link: its ends
    unit_code: Mapped[str | None] = mapped_column(ForeignKey("unit.code"))
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    origin: Mapped[str] = mapped_column(Text, default="")  # file:line
    imported_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]  # a complete sheet of its unit no longer had it
    __table_args__ = (UniqueConstraint("kind", "key"),)


class RegisterImport(Base):
    """One file taken into the register: who, when, which bytes, how many rows; `undone_at` when it was taken back."""

    __tablename__ = "register_import"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(64))
    file: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(String(64))
    complete: Mapped[bool] = mapped_column(default=False)
    counts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str] = mapped_column(String(64), default="")


class RegisterChange(Base):
    """What one import did to one unit, site, server, link or host: the history of every declared value.

    `fields[name] = {"old": ..., "new": ..., "at": "C"}`; a side that is absent had no value; `at` is the column in `place`'s row.
    """

    __tablename__ = "register_change"
    id: Mapped[int] = mapped_column(primary_key=True)
    import_id: Mapped[int] = mapped_column(ForeignKey("register_import.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))  # unit | site | server | link | host
    key: Mapped[str] = mapped_column(String(255))
    action: Mapped[str] = mapped_column(String(16))  # added | changed | withdrawn | returned
    fields: Mapped[dict[str, Any]] = mapped_column(default=dict)
    place: Mapped[str] = mapped_column(Text, default="")
    __table_args__ = (Index("register_change_kind_key", "kind", "key"),)


class OwnerConfirmation(Base):
    """An admin's word on whose a site is; it holds for every site with one of the names, on whatever host, until it is forgotten."""

    __tablename__ = "owner_confirmation"
    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[str] = mapped_column(_name(600))
    names: Mapped[list[Any]] = mapped_column(default=list)
    unit_code: Mapped[str] = mapped_column(ForeignKey("unit.code"))
    by: Mapped[str] = mapped_column(String(64))
    why: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime]
    forgotten_at: Mapped[datetime | None]
    forgotten_by: Mapped[str] = mapped_column(String(64), default="")


class Host(Base):
    """A machine we may visit, and how its last visit ended."""

    __tablename__ = "host"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(_name(), unique=True)
    address: Mapped[str] = mapped_column(String(64), unique=True)
    unit_code: Mapped[str | None] = mapped_column(ForeignKey("unit.code"))
    outcome: Mapped[str] = mapped_column(String(32), default="not visited")
    outcome_detail: Mapped[str] = mapped_column(Text, default="")
    visited_at: Mapped[datetime | None]
    snapshots: Mapped[list[Snapshot]] = relationship(back_populates="host", cascade="all, delete-orphan")


class HostKey(Base):
    """A host key that an admin trusted, by address and port."""

    __tablename__ = "host_key"
    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(String(64))
    port: Mapped[int] = mapped_column(default=22)
    algorithm: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[str] = mapped_column(String(64))
    trusted_at: Mapped[datetime]
    trusted_by: Mapped[str] = mapped_column(String(64))
    __table_args__ = (UniqueConstraint("address", "port", "algorithm"),)


class Snapshot(Base):
    """One visit's transcript (zlib), so that it can be parsed again without visiting the host."""

    __tablename__ = "snapshot"
    id: Mapped[int] = mapped_column(primary_key=True)
    host_id: Mapped[int] = mapped_column(ForeignKey("host.id"), index=True)
    taken_at: Mapped[datetime]
    privilege: Mapped[str] = mapped_column(String(8))
    seconds: Mapped[float]
    transcript: Mapped[bytes] = mapped_column(LargeBinary)
    sections: Mapped[list[Any]] = mapped_column(default=list)  # [{name, status, seconds, truncated, first_line}]
    host: Mapped[Host] = relationship(back_populates="snapshots")


class Observation(Base):
    """One thing read on a host: kind, JSON data, and the line of the section that proves it."""

    __tablename__ = "observation"
    id: Mapped[int] = mapped_column(primary_key=True)
    snapshot_id: Mapped[int] = mapped_column(ForeignKey("snapshot.id", ondelete="CASCADE"))
    host_id: Mapped[int] = mapped_column(ForeignKey("host.id"))
    kind: Mapped[str] = mapped_column(String(32))
    section: Mapped[str] = mapped_column(String(32))
    line: Mapped[int]
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    __table_args__ = (Index("observation_host_kind", "host_id", "kind"),)


class Workload(Base):
    """A site (or system) found on a host, or declared and not found.  `facts` are what rules read, each with its evidence.

    `facts[name] = {"value": ..., "evidence": [[snapshot_id, section, line], ...], "why": ""}`; an absent name is unknown.
    """

    __tablename__ = "workload"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(_name(600), unique=True)  # NAME, NAME@HOST or HOST:DOCROOT
    kind: Mapped[str] = mapped_column(String(16), default="site")
    host_id: Mapped[int | None] = mapped_column(ForeignKey("host.id"))
    unit_code: Mapped[str | None] = mapped_column(ForeignKey("unit.code"))
    owner_reason: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[str] = mapped_column(String(32))  # both | undeclared | missing
    names: Mapped[list[Any]] = mapped_column(default=list)
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    identified_at: Mapped[datetime]
    host: Mapped[Host | None] = relationship()


class Verdict(Base):
    """The assessment of one workload: per placement state, interval, reasons; with the rule set's and facts' hashes."""

    __tablename__ = "verdict"
    id: Mapped[int] = mapped_column(primary_key=True)
    workload_id: Mapped[int] = mapped_column(ForeignKey("workload.id", ondelete="CASCADE"), unique=True)
    recommendation: Mapped[str] = mapped_column(String(32))
    strength: Mapped[str] = mapped_column(String(32))
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    rules_hash: Mapped[str] = mapped_column(String(64))
    facts_hash: Mapped[str] = mapped_column(String(64))
    assessed_at: Mapped[datetime]


class Plan(Base):
    """A plan by its fingerprint; the document itself also stands in the workspace as YAML."""

    __tablename__ = "plan"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    document: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]


class Journal(Base):
    """One line of the journal of moves: written before and after each step, never changed afterwards."""

    __tablename__ = "journal"
    id: Mapped[int] = mapped_column(primary_key=True)
    plan_id: Mapped[str] = mapped_column(String(64), index=True)
    move: Mapped[str] = mapped_column(String(255), index=True)
    step: Mapped[str] = mapped_column(String(32))
    event: Mapped[str] = mapped_column(String(16))  # started | done | failed | undo-started | undone | undo-failed
    at: Mapped[datetime]
    attempt: Mapped[int] = mapped_column(default=1)
    run: Mapped[str] = mapped_column(String(64), default="")
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Comparison(Base):
    """A verification of one move: source against destination."""

    __tablename__ = "comparison"
    id: Mapped[int] = mapped_column(primary_key=True)
    plan_id: Mapped[str] = mapped_column(String(64), index=True)
    move: Mapped[str] = mapped_column(String(255), index=True)
    at: Mapped[datetime]
    verdict: Mapped[str] = mapped_column(String(16))
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
