"""The report: units, hosts, sites, verdicts, the plan, its moves and their verification as one self-contained HTML page.

In: an open session of the catalogue and the time.  Out: `Report`, plain data, from `gather`; a page from `render`; a file from
`write`.  Gathering changes nothing; the same catalogue and time give the same bytes.  A fact's evidence names host, section, line and
time; the raw line itself stays in the catalogue (docs/decisions/0004).
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, lifecycle, model, ssh
from inventory.errors import InputError
from planner import assessment, policy, reportpage, reportruns, wording
from planner.reportruns import Move

ASKED_FOR = ("application.name", "application.version", "database.name", "content.bytes", "content.files", "content.newest",
             "use.requests_per_day", "site.docroot")  # fmt: skip
"""What stands open beside a site's name; all other facts are folded."""


@dataclass(frozen=True)
class Unit:
    """A unit, with how many sites and hosts are its own."""

    code: str
    name_en: str
    name_zh: str
    kind: str
    head: str
    contact: str
    hosts: int
    sites: Mapping[str, int]
    moved: int


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
class Verdict:
    """A site's assessment as stored; `current` is false when its facts have changed since."""

    recommendation: str
    strength: str
    confidence: float
    would_settle: tuple[str, ...]
    placements: tuple[Mapping[str, Any], ...]
    assessed_at: datetime
    current: bool


@dataclass(frozen=True)
class Site:
    """A site found on a host, or declared and not found."""

    anchor: str
    name: str
    names: tuple[str, ...]
    unit: str
    host: str
    status: str
    owner_reason: str
    facts: Mapping[str, Fact]
    verdict: Verdict | None
    move: Move | None


@dataclass(frozen=True)
class Plan:
    """The newest plan."""

    id: str
    fingerprint: str
    created_at: datetime
    moves: tuple[Move, ...]
    left: tuple[Mapping[str, Any], ...]


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


def gather(session: Session, now: datetime, *, rules: policy.RuleSet | None = None, language: str = "en") -> Report:
    """Read the whole catalogue.  Times are turned into `now`'s zone.  With the rules in force, reasons speak the report's language."""
    plans = list(session.scalars(select(model.Plan).order_by(model.Plan.created_at.desc(), model.Plan.id)))
    moves = reportruns.moves(session, [(row.id, row.document) for row in plans], now)
    latest: dict[str, Move] = {}
    for move in moves:
        latest.setdefault(move.id, move)
    states = {move.site: move for move in reversed(latest.values())}
    sites = _sites(session, now, states, rules, language)
    hosts = _hosts(session, now, Counter(site.host for site in sites))
    plan = None
    if plans:
        newest = plans[0]
        own = tuple(move for move in moves if move.plan == newest.id)
        left = tuple(newest.document.get("left", ()))
        plan = Plan(newest.id, newest.fingerprint, reportruns.zoned(newest.created_at, now), own, left)
    counts = {
        "sites": Counter(site.status for site in sites),
        "verdicts": Counter(site.verdict.recommendation for site in sites if site.verdict),
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
        "failed": tuple(move for move in latest.values() if move.state in {"failed", "undo-failed"}),
        "frozen": tuple(move for move in latest.values() if any(span.ended is None for span in move.freezes)),
        "different": tuple(move for move in latest.values() if move.comparisons and move.comparisons[0].verdict != "equal"),
    }
    units = _units(session, sites, hosts)
    run = tuple(move for move in moves if move.runs or move.comparisons)
    return Report(now, units, hosts, sites, plan, run, counts, attention)


def _units(session: Session, sites: Sequence[Site], hosts: Sequence[Host]) -> tuple[Unit, ...]:
    found = []
    for row in session.scalars(select(model.Unit).order_by(model.Unit.code)):
        own = [site for site in sites if site.unit == row.code]
        details = {key: str(row.details.get(key) or "") for key in ("class", "head", "contact")}
        moved = sum(site.move is not None and site.move.state == "done" for site in own)
        found.append(
            Unit(
                row.code, row.name_en, row.name_zh, details["class"], details["head"], details["contact"],
                sum(host.unit == row.code for host in hosts), Counter(site.status for site in own), moved,
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


def _sites(session: Session, now: datetime, moves: Mapping[str, Move], rules: policy.RuleSet | None, language: str) -> tuple[Site, ...]:
    # without the transcripts: they are large, and nothing of them is shown
    columns = (model.Snapshot.id, model.Host.name, model.Snapshot.taken_at, model.Snapshot.privilege)
    visits = {row[0]: row for row in session.execute(select(*columns).join(model.Host))}
    verdicts = {row.workload_id: row for row in session.scalars(select(model.Verdict))}
    found = []
    order = (model.Workload.unit_code.is_(None), model.Workload.unit_code, model.Workload.name)
    for number, row in enumerate(session.scalars(select(model.Workload).order_by(*order)), start=1):
        facts = {
            name: Fact(name, name.partition(".")[0], item["value"], str(item.get("why") or ""), _places(item, visits, now))
            for name, item in sorted(row.facts.items())
        }
        verdict = verdicts.get(row.id)
        names = tuple(str(name) for name in row.names)
        move = next((moves[name] for name in (row.name, *names) if name in moves), None)
        found.append(
            Site(
                f"site-{number}", row.name, names, row.unit_code or "", row.host.name if row.host else "", row.status,
                row.owner_reason, facts, _verdict(verdict, row.facts, now, rules, language) if verdict else None, move,
            )
        )  # fmt: skip
    return tuple(found)


def _places(item: Mapping[str, Any], visits: Mapping[int, Any], now: datetime) -> tuple[Place, ...]:
    found = []
    for snapshot, section, line in item.get("evidence") or []:
        visit = visits.get(snapshot) if isinstance(snapshot, int) else None
        if visit is not None:
            found.append(Place(visit[1], str(section), int(line), reportruns.zoned(visit[2], now), visit[3]))
        elif not isinstance(snapshot, int):
            found.append(Place("", "", 0, None, "", Path(str(section)).name))
    return tuple(dict.fromkeys(found))


def _verdict(row: model.Verdict, facts: Mapping[str, Any], now: datetime, rules: policy.RuleSet | None, language: str) -> Verdict:
    # only the rule set that the verdict was made with may speak for it in another language
    spoken = rules.by_id if rules is not None and rules.hash == row.rules_hash else {}
    current = rules is None or row.facts_hash == assessment.facts_hash(facts, assessment.asked(rules))
    values = assessment.values_of(facts)
    findings = [
        {**item, "message": wording.message(spoken[item["rule"]], values, language), "fix": wording.fix(spoken[item["rule"]], language)}
        if current and item["rule"] in spoken else item
        for item in row.data.get("findings", [])
    ]  # fmt: skip
    placements = []
    for entry in row.data.get("placements", []):
        reasons = [item for item in findings if entry["placement"] in item["placements"]]
        placements.append({**entry, "reasons": reasons, "chosen": entry["placement"] == row.recommendation})
    placements.sort(key=lambda entry: (not entry["chosen"], entry["state"] == "ineligible", -entry["low"] - entry["high"]))
    settle = tuple(str(name) for name in row.data.get("would_settle", ()))
    at = reportruns.zoned(row.assessed_at, now)
    return Verdict(row.recommendation, row.strength, float(row.data.get("confidence", 0)), settle, tuple(placements), at, current)


def render(report: Report, language: str = "en") -> str:
    """The page.  Pure: depends on the report and the language alone."""
    names = {
        unit.code: (unit.name_zh or unit.name_en if language == "zh_CN" else unit.name_en or unit.name_zh) or unit.code
        for unit in report.units
    }
    content = {"report": report, "unit_names": names, "asked_for": ASKED_FOR, "outcomes": ssh.OUTCOMES}
    return reportpage.page(content, report.at, language)


def write(path: Path, text: str) -> None:
    """Replace `path` at once and for its owner only: a reader never sees half a page.  Raises InputError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(f"{error.filename or path}: {error.strerror}") from error
