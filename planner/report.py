"""The report: units, hosts, sites, verdicts, the plan, its moves and their verification as one self-contained HTML page.

In: an open session of the catalogue, the time, and what the workspace says: rules, platforms, calendar.  Out: `Report`, plain data, from
`gather`; a page from `render`; a file from `write`.  Gathering changes nothing; the same input gives the same bytes.  A fact's evidence
names host, section, line and time; the raw line itself stays in the catalogue (docs/decisions/0004).

A site's facts are shown as far as its verdict rests upon them; how many others there are is said (`planner show SITE --evidence`).
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from inventory import catalogue, lifecycle, model, ssh
from inventory.errors import InputError
from planner import approvals, decisions, policy, reportpage, reportplan, reportruns, reportverdicts, verdicts
from planner.assessment import Override
from planner.calendars import Calendar
from planner.platforms import Platforms
from planner.policy import Facts
from planner.reportplan import Plan
from planner.reportruns import Move
from planner.reportverdicts import Verdict
from planner.sizing import Size

ASKED_FOR = ("application.name", "application.version", "database.name", "content.bytes", "content.files", "content.newest",
             "use.requests_per_day", "site.docroot")  # fmt: skip
"""What stands open beside a site's name; all other facts are folded."""


class Known(Protocol):
    """Where facts come from: `planner.facts.Assembly`, or what alone stands in the catalogue."""

    @property
    def rules(self) -> policy.RuleSet:
        """The rules in force."""

    @property
    def sizes(self) -> Mapping[str, Size]:
        """What each workload (by its name) needs and holds."""

    def of(self, item: model.Workload, on: date | None = None) -> Facts:
        """What is known of one workload, as of a day."""

    def override(self, item: model.Workload) -> Override | None:
        """What an admin decided about its placement."""


@dataclass(frozen=True)
class Unit:
    """A unit, how many sites and hosts are its own, and the sites themselves.  `costs`: its part of the plan's (docs/plans.md)."""

    code: str
    name_en: str
    name_zh: str
    kind: str
    head: str
    contact: str
    hosts: int
    counts: Mapping[str, int]
    moved: int
    sites: tuple[Site, ...]
    costs: Mapping[str, Any] | None

    @property
    def planned(self) -> tuple[Site, ...]:
        """Those that have a move."""
        return tuple(site for site in self.sites if site.move is not None)


@dataclass(frozen=True)
class Host:
    """A host and its last visit.  `support_ends` None: unknown."""

    anchor: str
    name: str
    address: str
    unit: str
    outcome: str
    detail: str
    visited_at: datetime | None
    system: str
    support_ends: date | None
    supported: bool | None
    sites: int


@dataclass(frozen=True)
class Place:
    """Where a value was read: on a host (section, line, time, privilege), or in a sheet (`sheet`: file:line)."""

    host: str
    section: str
    line: int
    at: datetime | None
    privilege: str
    sheet: str = ""


@dataclass(frozen=True)
class Fact:
    """One fact with its proof."""

    name: str
    group: str
    value: Any
    why: str
    evidence: tuple[Place, ...]


@dataclass(frozen=True)
class Site:
    """A site found on a host, or declared and not found.  `facts` are those that are shown, `more` counts the others.

    `read` is where most of the facts were read; `because` the one sentence on its verdict; `stays` why the plan leaves it where it is.
    """

    anchor: str
    name: str
    names: tuple[str, ...]
    unit: str
    host: str
    status: str
    owner_reason: str
    facts: Mapping[str, Fact]
    more: int
    read: Place | None
    verdict: Verdict | None
    because: str
    move: Move | None
    gates: tuple[str, ...]
    stays: str


@dataclass(frozen=True)
class Report:
    """Everything the page shows."""

    at: datetime
    units: tuple[Unit, ...]
    hosts: tuple[Host, ...]
    sites: tuple[Site, ...]
    plan: Plan | None
    moves: tuple[Move, ...]
    counts: Mapping[str, Mapping[str, int]]
    attention: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    brings: tuple[tuple[str, tuple[reportverdicts.Reason, ...]], ...] = ()
    conditions: tuple[tuple[reportverdicts.Reason, int], ...] = ()


@dataclass(frozen=True)
class _Stored:
    """Facts as they stand in the catalogue, for a report without a workspace."""

    rules: policy.RuleSet
    sizes: Mapping[str, Size] = field(default_factory=dict)

    def of(self, item: model.Workload, on: date | None = None) -> Facts:  # noqa: ARG002  (they do not age)
        return item.facts

    def override(self, item: model.Workload) -> Override | None:  # noqa: ARG002
        return None


def gather(
    session: Session, now: datetime, *, known: Known | None = None, rules: policy.RuleSet | None = None,
    platforms: Platforms | None = None, calendar: Calendar | None = None, language: str = "en",
) -> Report:  # fmt: skip
    """Read the whole catalogue.  Times are turned into `now`'s zone.  With the rules in force, reasons speak the report's language.

    `known` gives facts as verdicts are made from; without it those of the catalogue count, and `rules` are the rules in force.
    """
    if known is None and rules is not None:
        known = _Stored(rules)
    items = list(session.scalars(_workloads()))
    plans = list(session.scalars(select(model.Plan).order_by(model.Plan.created_at.desc(), model.Plan.id)))
    moves = reportruns.moves(session, [(row.id, row.document) for row in plans], now)
    latest: dict[str, Move] = {}
    for move in moves:
        latest.setdefault(move.id, move)
    newest = plans[0] if plans else None
    plan = _plan(session, newest, moves, items, known, platforms, calendar, now) if newest is not None else None
    sites = _sites(session, items, now, _moved(items, latest.values()), plan, known, language)
    hosts = _hosts(session, now, Counter(site.host for site in sites))
    counts = {
        "sites": Counter(site.status for site in sites),
        "verdicts": Counter(site.verdict.recommendation for site in sites if site.verdict),
        "strengths": Counter(site.verdict.strength for site in sites if site.verdict),
        "moves": Counter(move.state for move in latest.values()),
        "hosts": Counter(host.outcome for host in hosts),
    }
    attention = {
        "hosts": tuple(host for host in hosts if host.outcome != "ok"),
        "unsupported": tuple(host for host in hosts if host.supported is False),
        "hidden": tuple(site for site in sites if site.status == "undeclared"),
        "missing": tuple(site for site in sites if site.status == "missing"),
        "unread": tuple(site for site in sites if site.status == "unread"),
        "unsettled": tuple(site for site in sites if site.verdict and site.verdict.strength in {"undecided", "insufficient data"}),
        "outdated": tuple(site for site in sites if site.verdict and not site.verdict.current),
        "void": tuple(site for site in sites if site.verdict and site.verdict.void),
        "failed": tuple(move for move in latest.values() if move.state in {"failed", "undo-failed"}),
        "frozen": tuple(move for move in latest.values() if any(span.ended is None for span in move.freezes)),
        "different": tuple(move for move in latest.values() if move.comparisons and move.comparisons[0].verdict != "equal"),
    }
    units = _units(session, sites, hosts, plan)
    run = tuple(move for move in moves if move.runs or move.comparisons)
    brings = tuple(reportverdicts.brings(known.rules if known is not None else None, language))
    given = known.rules if known is not None else None
    conditions = reportverdicts.dealt_with([site.verdict for site in sites if site.verdict], given, language)
    return Report(now, units, hosts, sites, plan, run, counts, attention, brings, conditions)


def _workloads() -> Any:
    order = (model.Workload.unit_code.is_(None), model.Workload.unit_code, model.Workload.name)
    return select(model.Workload).order_by(*order).options(selectinload(model.Workload.host))


def _moved(items: Sequence[model.Workload], moves: Iterable[Move]) -> dict[int, Move]:
    """Each workload's move (by the workload's key), as `freshness.workloads` finds them: by a name on the move's source host."""
    known: dict[tuple[str, str], int] = {}
    for item in sorted(items, key=lambda item: item.name):
        for name in (item.name, item.name.partition("@")[0], *map(str, item.names)):
            known.setdefault((item.host.name if item.host is not None else "", name), item.id)
    found: dict[int, Move] = {}
    for move in moves:
        keys = ((move.source, str(name)) for name in (move.site, *(move.data.get("names") or ())))
        key = next((known[key] for key in keys if key in known), None)
        if key is not None:
            found.setdefault(key, move)
    return found


def _plan(
    session: Session, row: model.Plan, moves: Sequence[Move], items: Sequence[model.Workload], known: Known | None,
    platforms: Platforms | None, calendar: Calendar | None, now: datetime,
) -> Plan:  # fmt: skip
    document, own = row.document, [move for move in moves if move.plan == row.id and move.data]
    said: Mapping[str, approvals.Said] = {}
    open_gates: dict[str, frozenset[str]] = {}
    approval = None
    if document.get("format") == 2:
        stood = approvals.approval(session, document)
        approval = reportplan.Approval(stood.by, stood.note, reportruns.zoned(stood.at, now)) if stood is not None else None
        said = approvals.agreements(session, document)
        decided = decisions.standing(session, now.date())
        open_gates = {
            str(move["id"]): frozenset(str(gate["rule"]) for gate in approvals.unsettled(move, decided)) for move in document["moves"]
        }
    moving = {*_moved(items, own)}
    staying = [
        {"address": item.host.address, "disk_bytes": known.sizes[item.name].held_bytes}
        for item in items
        if known is not None and item.host is not None and item.id not in moving and item.name in known.sizes
    ]
    return reportplan.plan(
        row.id, row.fingerprint, reportruns.zoned(row.created_at, now), document, own, approval=approval, said=said, open_gates=open_gates,
        calendar=calendar, platforms=platforms if known is not None and known.sizes else None, staying=staying,
    )  # fmt: skip


def _units(session: Session, sites: Sequence[Site], hosts: Sequence[Host], plan: Plan | None) -> tuple[Unit, ...]:
    """All units, and at the end one without a code for sites of which no unit is known."""
    own: dict[str, list[Site]] = defaultdict(list)
    for site in sites:
        own[site.unit].append(site)
    costs = ((plan.document.get("costs") or {}) if plan is not None else {}).get("by_unit", {})
    machines = Counter(host.unit for host in hosts)
    rows: list[tuple[str, str, str, Mapping[str, Any]]] = [
        (row.code, row.name_en, row.name_zh, row.details) for row in session.scalars(select(model.Unit).order_by(model.Unit.code))
    ]  # fmt: skip
    if own[""]:
        rows.append(("", "", "", {}))
    found = []
    for code, english, chinese, details in rows:
        moved = sum(site.move is not None and site.move.state == "done" for site in own[code])
        kind, head, contact = (str(details.get(key) or "") for key in ("class", "head", "contact"))
        found.append(
            Unit(
                code, english, chinese, kind, head, contact, machines[code],
                Counter(site.status for site in own[code]), moved, tuple(own[code]), costs.get(code or "none"),
            )
        )  # fmt: skip
    return tuple(found)


def _hosts(session: Session, now: datetime, sites: Mapping[str, int]) -> tuple[Host, ...]:
    systems = {row.host_id: row.data for row in catalogue.everywhere(session, "os")}
    found = []
    for number, row in enumerate(session.scalars(select(model.Host).order_by(model.Host.name)), start=1):
        system = systems.get(row.id, {})
        until = lifecycle.ends(str(system.get("id") or ""), str(system.get("version") or ""))
        name = str(system.get("name") or " ".join(str(system.get(key) or "") for key in ("id", "version"))).strip()
        found.append(
            Host(
                f"host-{number}", row.name, row.address, row.unit_code or "", row.outcome, row.outcome_detail,
                reportruns.zoned(row.visited_at, now) if row.visited_at else None, name, until,
                None if until is None else now.date() <= until, sites.get(row.name, 0),
            )
        )  # fmt: skip
    return tuple(found)


def _sites(
    session: Session, items: Sequence[model.Workload], now: datetime, moves: Mapping[int, Move], plan: Plan | None, known: Known | None,
    language: str,
) -> tuple[Site, ...]:  # fmt: skip
    # without the transcripts: they are large, and nothing of them is shown
    columns = (model.Snapshot.id, model.Host.name, model.Snapshot.taken_at, model.Snapshot.privilege)
    visits = {row[0]: row for row in session.execute(select(*columns).join(model.Host))}
    stored = {row.workload_id: row for row in session.scalars(select(model.Verdict))}
    stays = {str(entry["site"]): str(entry["why"]) for entry in (plan.document.get("left", ()) if plan is not None else ())}
    asked = known.rules.asked if known is not None else frozenset[str]()
    found = []
    for number, row in enumerate(items, start=1):
        row_ = stored.get(row.id)
        facts = known.of(row, _day(row_.assessed_at) if row_ is not None else None) if known is not None else row.facts
        verdict = None
        if row_ is not None:
            current = known is None or row_.facts_hash == verdicts.marked(facts, known.override(row), asked)
            rules = known.rules if known is not None else None
            verdict = reportverdicts.verdict(
                row_, facts, rules, language, at=reportruns.zoned(row_.assessed_at, now), current=current
            )  # fmt: skip
        names = sorted(name for name in facts if verdict is None or name in verdict.behind or name in ASKED_FOR)
        shown = {
            name: Fact(
                name, name.partition(".")[0], facts[name]["value"], str(facts[name].get("why") or ""), _places(facts[name], visits, now)
            )
            for name in names
        }  # fmt: skip
        read = Counter(place for fact in shown.values() for place in fact.evidence if place.host)
        most = max(((count, place.host, place.privilege, str(place.at), place) for place, count in _bare(read).items()), default=None)
        reason = reportverdicts.because(verdict) if verdict is not None else None
        move = moves.get(row.id)
        found.append(
            Site(
                f"site-{number}", row.name, tuple(str(name) for name in row.names), row.unit_code or "", row.host.name if row.host else "",
                row.status, row.owner_reason, shown, len(facts) - len(shown), most[-1] if most else None, verdict,
                reason.message if reason is not None else "", move, _gates(verdict, move, plan), stays.get(row.name, ""),
            )
        )  # fmt: skip
    return tuple(found)


def _day(at: datetime) -> date:
    """The day on which a verdict was made: verdicts are dated in UTC."""
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).date()


def _bare(places: Mapping[Place, int]) -> Counter[Place]:
    """Visits alone, without section and line: how many facts each has told."""
    found: Counter[Place] = Counter()
    for place, count in places.items():
        found[Place(place.host, "", 0, place.at, place.privilege)] += count
    return found


def _gates(verdict: Verdict | None, move: Move | None, plan: Plan | None) -> tuple[str, ...]:
    """What the unit has to settle before its move may begin, in sentences."""
    said = {reason.rule: reason.message for reason in (verdict.conditions if verdict is not None else ())}
    if move is None or plan is None or move.plan != plan.id:
        return tuple(reason.message for reason in (verdict.gates if verdict is not None else ()))
    waiting = plan.open_gates.get(move.id, frozenset())
    return tuple(said.get(gate["rule"], str(gate["message"])) for gate in move.data.get("gates", ()) if gate["rule"] in waiting)


def _places(item: Mapping[str, Any], visits: Mapping[int, Any], now: datetime) -> tuple[Place, ...]:
    found = []
    for snapshot, section, line in item.get("evidence") or []:
        visit = visits.get(snapshot) if isinstance(snapshot, int) else None
        if visit is not None:
            found.append(Place(visit[1], str(section), int(line), reportruns.zoned(visit[2], now), visit[3]))
        elif not isinstance(snapshot, int):
            found.append(Place("", "", 0, None, "", Path(str(section)).name))
    return tuple(dict.fromkeys(found))


def render(report: Report, language: str = "en") -> str:
    """The page.  Pure: depends on the report and the language alone."""
    names = {
        unit.code: (unit.name_zh or unit.name_en if language == "zh_CN" else unit.name_en or unit.name_zh) or unit.code
        for unit in report.units
    }
    costs = (report.plan.document.get("costs") or {}) if report.plan is not None else {}
    content = {
        "report": report, "unit_names": names, "asked_for": ASKED_FOR, "outcomes": ssh.OUTCOMES, "currency": costs.get("currency", ""),
        "rule_numbers": {reason.rule: number for number, (reason, _) in enumerate(report.conditions, start=1)},
        "anchors": {site.name: site.anchor for site in report.sites},
        "sites_of": {site.move.id: site.anchor for site in reversed(report.sites) if site.move is not None},
    }  # fmt: skip
    return reportpage.page(content, report.at, language)


def write(path: Path, content: str | bytes) -> None:
    """Replace `path` at once and for its owner only: a reader never sees half a page.  Raises InputError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content if isinstance(content, bytes) else content.encode())
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(f"{error.filename or path}: {error.strerror}") from error
