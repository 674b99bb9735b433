"""The catalogue's tables (SQLAlchemy 2).  Pure declarations: opening, migrating and querying stand in `catalogue.py`.

What was read on a host stands in `Observations`, one row for each kind in each section (`packing.py`), and names its snapshot and lines;
sites are identified from observations and point back to them.  Declared values stand beside discovered ones, never over them.  What lists
need are columns of their own; what only one site's page needs is JSON in a row of its own, so that no list reads it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Dialect, ForeignKey, Index, LargeBinary, String, Table, Text, TypeDecorator, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TIMESTAMP

from inventory import findings, packing


def _name(length: int = 255) -> String:
    # PostgreSQL would sort by the database's language, SQLite sorts by bytes: lists, and the plan, must not depend on the engine
    return String(length).with_variant(String(length, collation="C"), "postgresql")


class PackedJson(TypeDecorator[dict[str, Any]]):
    """JSON that no statement looks into, compressed: facts are as long as all that was read of a host, and say much of it again."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: dict[str, Any] | bytes | None, dialect: Dialect) -> bytes | None:  # noqa: ARG002
        """To what is stored; bytes were made so already, perhaps by another process."""
        return value if value is None or isinstance(value, bytes) else packing.small(packing.encoded(value))

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> dict[str, Any] | None:  # noqa: ARG002
        """And back."""
        return None if value is None else packing.large(value)


class Base(DeclarativeBase):
    """Declarative base; JSON for dictionaries and lists, time zones kept where the engine can."""

    type_annotation_map = {dict[str, Any]: JSON, list[Any]: JSON, datetime: TIMESTAMP(timezone=True)}  # noqa: RUF012


def table(of: type[Base]) -> Table:
    """A class's table, for statements over many rows that need no objects."""
    return Base.metadata.tables[of.__tablename__]


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


class Answer(Base):
    """What somebody answered to one question about one site, dated and attributed; the newest answer to a question counts.

    It holds for the site with one of the names, on whatever host.  `value` is {"value": ...}; an answer taken back is kept.
    """

    __tablename__ = "answer"
    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[str] = mapped_column(_name(600), index=True)
    names: Mapped[list[Any]] = mapped_column(default=list)
    question: Mapped[str] = mapped_column(_name(64))
    value: Mapped[dict[str, Any]] = mapped_column(default=dict)
    by: Mapped[str] = mapped_column(String(64))
    answered_on: Mapped[str] = mapped_column(String(10))  # YYYY-MM-DD, as the one who answered dated it
    origin: Mapped[str] = mapped_column(Text, default="")  # file and row, or who typed it in
    at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[str] = mapped_column(String(64), default="")


class Decision(Base):
    """What an admin decided about one site beside the rules: `kind` and `value` say what; it holds until its day, or until it is withdrawn.

    placement  the placement, against the recommendation; cannot pass a block          cutover  the night, YYYY-MM-DD
    node       the destination node          leave  stays where it is          settled  a condition (its rule's id) is met
    """

    __tablename__ = "decision"
    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[str] = mapped_column(_name(600), index=True)
    names: Mapped[list[Any]] = mapped_column(default=list)
    kind: Mapped[str] = mapped_column(String(16))  # placement | cutover | node | leave | settled
    value: Mapped[str] = mapped_column(_name())
    by: Mapped[str] = mapped_column(String(64))
    why: Mapped[str] = mapped_column(Text, default="")
    until: Mapped[str] = mapped_column(String(10), default="")  # YYYY-MM-DD, the last day; '' without end
    at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[str] = mapped_column(String(64), default="")


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
    way: Mapped[dict[str, Any]] = mapped_column(default=dict)  # how we last came in: {login, via, legacy}
    visit_run_id: Mapped[int | None]  # the last discovery that came by; no key: runs are pruned
    snapshot_id: Mapped[int | None]  # whose observations stand; no key: a snapshot refers to its host
    digest: Mapped[str | None] = mapped_column(String(32))  # of what it said
    identified: Mapped[str | None] = mapped_column(String(32))  # what its sites were made from
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
    """One visit's transcript (zlib), so that it can be parsed again without visiting the host.

    Later visits that said the same only move `seen_at` and `readings`.
    """

    __tablename__ = "snapshot"
    id: Mapped[int] = mapped_column(primary_key=True)
    host_id: Mapped[int] = mapped_column(ForeignKey("host.id"), index=True)
    taken_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]  # the last visit that said the same; None: there was none
    readings: Mapped[int] = mapped_column(default=1, server_default="1")
    privilege: Mapped[str] = mapped_column(String(8))
    seconds: Mapped[float]
    transcript: Mapped[bytes] = mapped_column(LargeBinary)
    sections: Mapped[list[Any]] = mapped_column(default=list)  # [{name, status, seconds, truncated, first_line}]
    host: Mapped[Host] = relationship(back_populates="snapshots")


class Observations(Base):
    """What one section of a host's newest snapshot says of one kind; `body` is opened by `packing.unpack`."""

    __tablename__ = "observations"
    host_id: Mapped[int] = mapped_column(ForeignKey("host.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(32), primary_key=True)
    section: Mapped[str] = mapped_column(String(32), primary_key=True)
    snapshot_id: Mapped[int] = mapped_column(ForeignKey("snapshot.id", ondelete="CASCADE"), index=True)
    position: Mapped[int]  # among the host's rows, as they were read
    body: Mapped[bytes] = mapped_column(LargeBinary)
    __table_args__ = (Index("observations_kind", "kind"),)


class Shared(Base):
    """A value that many hosts have (a package): kept once, referred to by its number from `Observations`."""

    __tablename__ = "shared"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(_name())
    digest: Mapped[str] = mapped_column(String(32), unique=True)
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    __table_args__ = (Index("shared_kind_name", "kind", "name"),)


class VisitRun(Base):
    """One discovery: what was asked, and when it had done it.  One that never finished was cut, and can be continued."""

    __tablename__ = "visit_run"
    id: Mapped[int] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    asked: Mapped[dict[str, Any]] = mapped_column(default=dict)  # {} all hosts; else {"hosts": [...]}, {"outcomes": [...]}, {"stale": days}
    hosts: Mapped[int] = mapped_column(default=0)  # how many there were to visit


class Site(Base):
    """A site as identification finds it on one host: what lists show.  Which workload it is, is `reconcile`'s to say."""

    __tablename__ = "site"
    id: Mapped[int] = mapped_column(primary_key=True)
    host_id: Mapped[int] = mapped_column(ForeignKey("host.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(_name(600))
    kind: Mapped[str] = mapped_column(String(16), default="site", server_default="site")  # site | system
    names: Mapped[list[Any]] = mapped_column(default=list)
    clues: Mapped[list[Any] | None] = mapped_column(JSON)  # what its host says of its owner
    application: Mapped[str | None] = mapped_column(Text)
    version: Mapped[str | None] = mapped_column(Text)
    static: Mapped[bool | None]
    docroot: Mapped[str | None] = mapped_column(Text)
    database: Mapped[str | None] = mapped_column(Text)
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    files: Mapped[int | None] = mapped_column(BigInteger)
    newest: Mapped[str | None] = mapped_column(Text)
    requests_per_day: Mapped[float | None]
    last_hit: Mapped[str | None] = mapped_column(Text)
    known: Mapped[SiteFacts] = relationship(cascade="all, delete-orphan", lazy="selectin")
    __table_args__ = (UniqueConstraint("host_id", "name"),)


class SiteFacts(Base):
    """All facts of a site: `facts[name] = {"value": ..., "evidence": [[snapshot_id, section, line], ...], "why": ""}`."""

    __tablename__ = "site_facts"
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id", ondelete="CASCADE"), primary_key=True)
    facts: Mapped[dict[str, Any]] = mapped_column(PackedJson, default=dict)


class Workload(Base):
    """A site (or system) found on a host, or declared and not found.  `facts` are what rules read, each with its evidence."""

    __tablename__ = "workload"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(_name(600), unique=True)  # NAME, NAME@HOST or HOST:DOCROOT
    kind: Mapped[str] = mapped_column(String(16), default="site")
    host_id: Mapped[int | None] = mapped_column(ForeignKey("host.id"))
    site_id: Mapped[int | None] = mapped_column(ForeignKey("site.id", ondelete="SET NULL"), index=True)
    unit_code: Mapped[str | None] = mapped_column(ForeignKey("unit.code"))
    owner_reason: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[str] = mapped_column(String(32))  # both | undeclared | missing | unread
    names: Mapped[list[Any]] = mapped_column(default=list)
    declared: Mapped[dict[str, Any]] = mapped_column(default=dict)  # facts from elsewhere than its host: its sheet, the HTTP view
    identified_at: Mapped[datetime]
    host: Mapped[Host | None] = relationship()
    site: Mapped[Site | None] = relationship(lazy="selectin")

    @property
    def facts(self) -> dict[str, Any]:
        """What was found and what is declared, together; an absent name is unknown.  A copy: to change facts, set them."""
        return {**(self.site.known.facts if self.site is not None else {}), **self.declared}

    @facts.setter
    def facts(self, facts: dict[str, Any]) -> None:
        self.declared = facts


class RuleSet(Base):
    """What the rules of one set say, by their ids (`inventory.findings`): kept as long as a verdict names the set."""

    __tablename__ = "rule_set"
    hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    rules: Mapped[dict[str, Any]] = mapped_column(PackedJson)


class Verdict(Base):
    """The assessment of one workload, with the rule set's and facts' hashes.  `data` is all of it; lists need only the `summary`."""

    __tablename__ = "verdict"
    id: Mapped[int] = mapped_column(primary_key=True)
    workload_id: Mapped[int] = mapped_column(ForeignKey("workload.id", ondelete="CASCADE"), unique=True)
    recommendation: Mapped[str] = mapped_column(String(32))
    strength: Mapped[str] = mapped_column(String(32))
    summary: Mapped[dict[str, Any]] = mapped_column(default=dict)  # per placement state, interval, hours; confidence; what would settle it
    reasons: Mapped[dict[str, Any]] = mapped_column(PackedJson, default=dict)  # the findings, see inventory.findings
    rules_hash: Mapped[str] = mapped_column(String(64))
    facts_hash: Mapped[str] = mapped_column(String(64))
    assessed_at: Mapped[datetime]
    rule_set: Mapped[RuleSet | None] = relationship(primaryjoin="foreign(Verdict.rules_hash) == RuleSet.hash", viewonly=True)

    @property
    def data(self) -> dict[str, Any]:
        """The whole verdict as it was made, its findings with their sentences."""
        rules = self.rule_set.rules if self.rule_set is not None else {}
        return {**self.summary, "findings": findings.whole(self.reasons, rules)}

    @data.setter
    def data(self, data: dict[str, Any]) -> None:
        self.summary = {name: value for name, value in data.items() if name != "findings"}
        self.reasons = {"whole": data["findings"]} if data.get("findings") else {}


class Plan(Base):
    """A plan by its fingerprint; the document itself also stands in the workspace as YAML."""

    __tablename__ = "plan"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    document: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]


class Approval(Base):
    """Who approved which plan, by its fingerprint: a run needs one that stands."""

    __tablename__ = "approval"
    id: Mapped[int] = mapped_column(primary_key=True)
    plan_id: Mapped[str] = mapped_column(String(64), index=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    by: Mapped[str] = mapped_column(String(64))
    note: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[str] = mapped_column(String(64), default="")


class Agreement(Base):
    """A unit's word on one move as it was told to it: agreed, refused, or silent where the center lets silence count."""

    __tablename__ = "agreement"
    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[str] = mapped_column(_name(600), index=True)
    unit_code: Mapped[str] = mapped_column(_name(64), default="")
    placement: Mapped[str] = mapped_column(String(32))
    cutover: Mapped[str] = mapped_column(String(10), default="")  # the night that it was asked about, YYYY-MM-DD
    answer: Mapped[str] = mapped_column(String(16))  # agreed | refused | silence
    by: Mapped[str] = mapped_column(String(64))
    note: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[str] = mapped_column(String(64), default="")


class GoAhead(Base):
    """Somebody's word that one step of one move may begin, for the plan as it was then (by its fingerprint)."""

    __tablename__ = "go_ahead"
    id: Mapped[int] = mapped_column(primary_key=True)
    plan_id: Mapped[str] = mapped_column(String(64), index=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    move: Mapped[str] = mapped_column(String(255))
    step: Mapped[str] = mapped_column(String(32))
    by: Mapped[str] = mapped_column(String(64))
    note: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[str] = mapped_column(String(64), default="")


class Lease(Base):
    """Who works on a move, or changes a machine, just now; whoever does not renew it in time has lost it."""

    __tablename__ = "lease"
    name: Mapped[str] = mapped_column(_name(300), primary_key=True)  # move:ID or machine:NAME
    holder: Mapped[str] = mapped_column(String(255))  # of one run in one process
    who: Mapped[str] = mapped_column(String(255), default="")  # for people
    until: Mapped[datetime]


class Audit(Base):
    """One line of the audit log.  The database refuses to change or delete any."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    by: Mapped[str] = mapped_column(String(255))
    action: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(_name(600), default="")
    plan_id: Mapped[str] = mapped_column(String(64), default="")
    fingerprint: Mapped[str] = mapped_column(String(64), default="")
    run: Mapped[str] = mapped_column(String(64), default="")
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)


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


class CareReading(Base):
    """What was last read of a site in care, by its move's id: backups, logs, certificates, monitoring, each with its time."""

    __tablename__ = "care_reading"
    id: Mapped[str] = mapped_column(_name(), primary_key=True)
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)


class HttpView(Base):
    """How a name answered when it was last asked over HTTP: `inventory.inspection.model.View` as JSON."""

    __tablename__ = "http_view"
    name: Mapped[str] = mapped_column(_name(), primary_key=True)
    at: Mapped[datetime]
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Sample(Base):
    """How busy a host was at one moment: the counters of a `usage_sample`; `inventory.usage` makes rates of two."""

    __tablename__ = "sample"
    host_id: Mapped[int] = mapped_column(ForeignKey("host.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(primary_key=True)
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)


class SampleDay(Base):
    """The rates of one host's samples of one day (UTC) as `inventory.daily.Run`: gone as soon as one of them is another."""

    __tablename__ = "sample_day"
    host_id: Mapped[int] = mapped_column(ForeignKey("host.id", ondelete="CASCADE"), primary_key=True, autoincrement=False)
    day: Mapped[str] = mapped_column(String(10), primary_key=True)  # YYYY-MM-DD
    body: Mapped[dict[str, Any]] = mapped_column(PackedJson)
