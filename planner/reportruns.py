"""The report's moves: a plan's moves with what the journal and the comparisons say of them.  Reads, never writes.

In: a session, and plans (id, document), the newest first.  Out: `Move`s in that order, each with its runs, steps, freezes, comparisons.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import model
from planner import journal, movesteps

SHOWN = 200
"""How many entries of a list of differences are shown; the catalogue has all."""

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """One attempt at a step, or (`undo`) its undoing; `state` is done, failed, undone, undo-failed or open (no end recorded)."""

    step: str
    attempt: int
    undo: bool
    state: str
    started: datetime
    ended: datetime | None
    seconds: float | None
    changed: str
    notes: tuple[str, ...]
    absent: bool
    error: str


@dataclass(frozen=True)
class Run:
    """The steps that one run took with one move."""

    id: str
    started: datetime
    seconds: float
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Freeze:
    """A time in which the unit could not change its content: from the freeze to the cutover, or to its undoing."""

    started: datetime
    ended: datetime | None
    seconds: float
    ended_by: str


@dataclass(frozen=True)
class Part:
    """One comparison's pages, files or tables; `more` counts what the lists leave out."""

    kind: str
    verdict: str
    reason: str
    compared: int
    different: int
    unknown: int
    warnings: int
    differences: tuple[Json, ...]
    more: int
    reasons: tuple[tuple[str, int, tuple[str, ...]], ...]
    ignored: int


@dataclass(frozen=True)
class Comparison:
    """A verification of a move."""

    at: datetime
    verdict: str
    parts: tuple[Part, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True)
class Move:
    """A move of a plan, and how far it has come.  `data` is the move in the plan's document, empty when only the journal knows it."""

    anchor: str
    plan: str
    id: str
    site: str
    unit: str
    placement: str
    profile: str
    wave: int
    steps: tuple[str, ...]
    source: str
    source_address: str
    platform: str
    address: str
    bytes: int
    files: int
    records: tuple[Json, ...]
    state: str
    runs: tuple[Run, ...]
    freezes: tuple[Freeze, ...]
    comparisons: tuple[Comparison, ...]
    data: Json

    @property
    def schedule(self) -> Json:
        """Its days; empty while it has none."""
        return self.data.get("schedule") or {}

    @property
    def cost(self) -> Json:
        """What it costs: `yearly`, `once`; None or absent is unknown."""
        return self.data.get("cost") or {}


def zoned(at: datetime, now: datetime) -> datetime:
    """In `now`'s zone; SQLite forgets zones, and the catalogue is in UTC."""
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(now.tzinfo)


def moves(session: Session, plans: Sequence[tuple[str, Json]], now: datetime) -> tuple[Move, ...]:
    """All moves of the plans, and those that only the journal remembers."""
    rows: dict[tuple[str, str], list[model.Journal]] = defaultdict(list)
    for line in session.scalars(select(model.Journal).order_by(model.Journal.id)):
        rows[line.plan_id, line.move].append(line)
    compared: dict[tuple[str, str], list[model.Comparison]] = defaultdict(list)
    for item in session.scalars(select(model.Comparison).order_by(model.Comparison.at.desc(), model.Comparison.id.desc())):
        compared[item.plan_id, item.move].append(item)
    planned = {(plan, str(move["id"])): move for plan, document in plans for move in document.get("moves", ())}
    orphans = sorted((set(rows) | set(compared)) - set(planned))
    found = []
    for number, key in enumerate([*planned, *orphans], start=1):
        data = planned.get(key, {})
        whole = journal.story(key[0], data, rows, planned) if data else rows.get(key, ())
        lines = [_Line(line, now) for line in rows.get(key, ())]
        steps = tuple(data.get("steps") or movesteps.of(line.step for line in rows.get(key, ())))
        source, destination, dns = (data.get(name) or {} for name in ("source", "destination", "dns"))
        found.append(
            Move(
                f"move-{number}", key[0], key[1], str(data.get("site") or key[1]), str(data.get("unit") or ""),
                str(data.get("placement") or ""), str(data.get("profile") or ""), int(data.get("wave") or 0), steps,
                str(source.get("host") or ""), str(source.get("address") or ""), str(destination.get("platform") or ""),
                str(destination.get("address") or ""), int(data.get("bytes") or 0), int(data.get("files") or 0),
                tuple(dns.get("records") or ()), _state(whole, steps), _runs(lines), _freezes(lines, now),
                tuple(_comparison(row, now) for row in compared.get(key, ())), data,
            )
        )  # fmt: skip
    return tuple(found)


class _Line:
    """A line of the journal in the report's zone."""

    def __init__(self, row: model.Journal, now: datetime) -> None:
        self.step, self.event, self.attempt, self.run = row.step, row.event, row.attempt, row.run
        self.at, self.detail = zoned(row.at, now), row.detail or {}


def _state(rows: Sequence[model.Journal], steps: Sequence[str]) -> str:
    """How far a move has come: a code of `reportwords.WORDS`."""
    now = journal.state(steps, rows)
    if "undo-failed" in now.steps.values():
        return "undo-failed"
    if now.name == "waiting":
        return "rolled-back" if now.begun else "planned"
    if now.name == "under way" and now.error:  # failed, and what was frozen is released
        return "failed"
    return {"under way": "running", "taking back": "rolling-back", "rolled back": "rolled-back"}.get(now.name, now.name)


_ENDS = {"done": ("started", "done"), "failed": ("started", "failed"),
         "undone": ("undo-started", "undone"), "undo-failed": ("undo-started", "undo-failed")}  # fmt: skip


def _runs(lines: Iterable[_Line]) -> tuple[Run, ...]:
    steps: dict[str, list[Step]] = defaultdict(list)
    open_: dict[tuple[str, str, str], _Line] = {}
    for line in lines:
        if line.event in {"started", "undo-started"}:
            before = open_.pop((line.run, line.step, line.event), None)
            if before is not None:  # killed in the middle, then begun again
                steps[line.run].append(_step(before, None))
            open_[line.run, line.step, line.event] = line
        elif line.event in _ENDS:
            begin = open_.pop((line.run, line.step, _ENDS[line.event][0]), None)
            if begin is not None or line.event != "undone":  # a step that has no undo is only noted as taken back
                steps[line.run].append(_step(begin or line, line))
    for (run, _, _), line in open_.items():
        steps[run].append(_step(line, None))
    found = []
    for run, own in steps.items():
        own.sort(key=lambda step: step.started)
        first = own[0].started
        last = max(step.ended or step.started for step in own)
        found.append(Run(run, first, (last - first).total_seconds(), tuple(own)))
    return tuple(sorted(found, key=lambda run: (run.started, run.id)))


def _step(begin: _Line, end: _Line | None) -> Step:
    undo = begin.event.startswith("undo") or begin.event == "undone"
    detail: Json = end.detail if end is not None else begin.detail
    seconds: float | None = None
    if end is not None:
        given = detail.get("seconds")
        measured = (end.at - begin.at).total_seconds()
        seconds = float(given) if isinstance(given, (int, float)) and not isinstance(given, bool) else measured
    changed = detail.get("changed")
    return Step(
        begin.step, begin.attempt, undo, _ENDS[end.event][1] if end else "open", begin.at, end.at if end else None, seconds,
        "" if changed is None else ", ".join(map(str, changed)) if isinstance(changed, list) else str(changed),
        _notes(detail), bool(detail.get("absent")),
        str(detail.get("error") or ""),
    )  # fmt: skip


def _notes(detail: Json) -> tuple[str, ...]:
    """What a step had to say, in sentences that `reportwords` knows."""
    notes = [text for text in str(detail.get("compared") or "").split("; ") if text]
    if detail.get("passed_on"):
        notes.append(f"the old address passes visitors on: {detail['passed_on']}")
    return tuple(notes)


def _freezes(lines: Iterable[_Line], now: datetime) -> tuple[Freeze, ...]:
    found: list[Freeze] = []
    since: datetime | None = None
    for line in lines:
        freezes = (line.step, line.event) in {("freeze", "started"), ("freeze", "done"), ("cutover", "undone")}
        thaws = (line.step, line.event) in {("cutover", "done"), ("freeze", "undone")}
        if freezes and since is None:
            since = line.at
        elif thaws and since is not None:
            found.append(Freeze(since, line.at, (line.at - since).total_seconds(), line.step))
            since = None
    if since is not None:
        found.append(Freeze(since, None, max(0.0, (now - since).total_seconds()), ""))
    return tuple(found)


def _comparison(row: model.Comparison, now: datetime) -> Comparison:
    parts, absent = [], []
    for kind in ("pages", "files", "rows", "tls"):
        data = row.data.get(kind)
        if kind == "tls" and data is None:
            continue  # it is not served over HTTPS
        if isinstance(data, dict):
            parts.append(_pages(data) if kind == "pages" else _contents(kind, data))
        else:
            absent.append(kind)
    return Comparison(zoned(row.at, now), row.verdict, tuple(parts), tuple(absent))


def _pages(data: Json) -> Part:
    counts, pages = data.get("counts", {}), data.get("pages", [])
    rows = [{"name": page["url"], **entry} for page in pages for entry in page.get("differences", ()) if entry.get("severity") != "design"]
    rows.sort(key=lambda entry: entry.get("severity") != "block")  # stable: by URL within
    missed = [(str(page.get("reason") or ""), str(page["url"])) for page in pages if page["outcome"] == "not_compared"]
    compared = int(counts.get("equal", 0)) + int(counts.get("different", 0))
    return _part("pages", data, compared, int(counts.get("different", 0)), rows, missed, int(counts.get("warnings", 0)), 0)


def _contents(kind: str, data: Json) -> Part:
    rows = [{"severity": "block", **entry} for entry in data.get("differences", ()) if entry.get("severity") != "design"]
    missed = [(str(entry.get("kind") or ""), str(entry["name"])) for entry in data.get("not_compared", ())]
    warnings = sum(entry["severity"] == "warn" for entry in rows)
    rows.sort(key=lambda entry: entry["severity"] != "block")
    return _part(kind, data, int(data.get("compared", 0)), len(rows) - warnings, rows, missed, warnings, len(data.get("ignored", ())))


def _part(
    kind: str, data: Json, compared: int, different: int, rows: Sequence[Json], missed: Sequence[tuple[str, str]],
    warnings: int, ignored: int,
) -> Part:  # fmt: skip
    examples: dict[str, list[str]] = defaultdict(list)
    for reason, name in missed:
        examples[reason].append(name)
    tally = Counter(reason for reason, _ in missed)
    reasons = tuple((reason, count, tuple(examples[reason][:10])) for reason, count in sorted(tally.items(), key=lambda i: (-i[1], i[0])))
    return Part(
        kind, str(data.get("verdict") or ""), str(data.get("reason") or ""), compared, different, len(missed), warnings,
        tuple(rows[:SHOWN]), max(0, len(rows) - SHOWN), reasons, ignored,
    )  # fmt: skip
