"""One move carried out, and back.  Each step is journalled before and after; what was frozen is always released.

In: a plan, its bundle, the catalogue.  Out: journal rows, comparisons, `runs/<id>/` with ansible-runner's artifacts.

A step is a playbook of the bundle, but for `verify`, which compares source and destination.  When freeze, sync or verify fails, the
freeze is taken back at once; when the cutover fails, the cutover too: visitors and editors have the old site again, and nothing that the
destination already holds is lost.  Interrupted (Ctrl-C, `kill -9`, power), a move stays where it is and the next run goes on there.

Several moves may be carried out at once, each in a thread of its own (`dispatch.py`).  A step that changes a machine's shared configuration
has that machine to itself meanwhile.
"""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from inventory import catalogue, model
from inventory.errors import CatalogueError, PlannerError, RunError
from planner import (
    approvals,
    bundle,
    certificates,
    closing,
    colocation,
    equality,
    leases,
    movesteps,
    publishing,
    thresholds,
    traffic,
    verification,
)
from planner.gates import Gates
from planner.journal import REHEARSAL, ROLLBACK, MoveState, Writer
from planner.playing import Outcome, Stop, playbook

BEFOREHAND = ("lower-ttl", "provision")
"""Before these a site's certificate is looked at: the first step, and the one that takes it to the destination."""

Say = Callable[[str, str, str], None]
"""(move, step, text): what is going on, for a live view."""


@dataclass
class Carrier:
    """Carries moves of one plan out, and back."""

    plan: Mapping[str, Any]
    bundle: Path
    book: catalogue.Catalogue
    hosts: equality.Hosts
    runs: Path
    run: str
    say: Say
    stop: Stop = field(default_factory=Stop)
    gates: Gates | None = None
    holder: leases.Holder | None = None
    rules: thresholds.Thresholds = field(default_factory=thresholds.shipped)

    def _note(self, move: Mapping[str, Any], now: MoveState, step: str, event: str, attempt: int = 1, **detail: Any) -> None:
        """One line of the journal, on disk first, then in the state that this run goes by."""
        Writer(self.book, self.plan, self.run, holder=self.holder).write(move["id"], step, event, attempt, **detail)
        now.take(step, event, str(detail.get("error", "")))

    def forward(self, move: Mapping[str, Any], now: MoveState, until: str = "") -> str:
        """All steps that are left, up to `until`.  Raises RunError with what failed, after what was frozen is released.

        Returns '' or why it is held at a gate.  What was frozen is released there, too: nobody knows for how long it would stay so.
        """
        for begun in now.undo_first:
            self._undo(move, now, begun)
        try:
            return self._forward(move, now, until)
        except CatalogueError as error:  # nothing can be written down any more, and what is frozen must not stay so
            self._let_go(move, now)
            raise RunError(f"{move['id']}: {error.message}", hint=error.hint) from error

    def _forward(self, move: Mapping[str, Any], now: MoveState, until: str) -> str:
        now.resume()
        while step := now.next:
            if self.stop.soon.is_set():
                raise RunError(f"{move['id']}: stopped before {step}", hint="planner run goes on there")
            if reason := self.gates.closed(move, step) if self.gates else "":
                self._release(move, now, step)
                return f"{step}: {reason}"
            self._apply(move, now, step)
            if step == until:
                break
        return ""

    def _let_go(self, move: Mapping[str, Any], now: MoveState) -> None:
        """Release what is frozen without a line in the journal.  The next run takes it for frozen, and the proof refuses its cutover."""
        if now.steps.get("freeze", "waiting") == "waiting" or now.steps.get("cutover") in {"started", "done"}:
            return
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:  # noqa: S108  (the disk is full)
            try:
                name = bundle.playbook_path(move, "undo-freeze")
                done = playbook(self.bundle, name, Path(folder), lambda text: self.say(move["id"], "freeze", text), self.stop)
                self.say(
                    move["id"], "freeze", "taken back, without a line in the journal" if done.ok else "failed: its own clock releases it"
                )
            except (PlannerError, OSError) as error:
                self.say(move["id"], "freeze", f"failed: {error}; its own clock releases it")

    def rehearse(self, move: Mapping[str, Any], now: MoveState) -> dict[str, Any]:
        """Prepare the move, then copy and compare while the source is in use.  Returns each step's seconds and what the comparison said.

        Raises RunError when a step fails.  What differs may have been written meanwhile: that is told and is no failure; a run copies anew.
        """
        last = movesteps.prepared(move["placement"])
        if now.steps.get(last, "done") != "done" and (held := self.forward(move, now, last)):
            raise RunError(f"{move['id']}: {held}", hint="planner plan show tells its dates")
        attempt = sum(now.attempts.values()) + 1
        seconds: dict[str, float] = {}
        said: dict[str, Any] = {}
        try:
            for kind in movesteps.rehearsed(move["placement"]):
                begun = time.monotonic()
                if kind.work == "compare":
                    result = self._compared(move)
                    said = {"verdict": result.verdict, "compared": result.reason, "first": _first(result)}
                else:
                    if movesteps.work(move, kind.name) == "export":
                        self._crawled(move, kind.name)
                    self._play(move, kind.name, attempt)
                seconds[kind.name] = round(time.monotonic() - begun, 1)
                self.say(move["id"], kind.name, f"done in {seconds[kind.name]:.1f} s")
        except (PlannerError, OSError) as error:
            self._note(move, now, REHEARSAL, "failed", error=str(error)[:4000])
            raise RunError(f"{move['id']}: rehearsal: {error}", hint="the site is served and written to where it was") from error
        self._note(move, now, REHEARSAL, "done", steps=seconds, **said)
        return {"steps": seconds, **said}

    def back(self, move: Mapping[str, Any], now: MoveState) -> None:
        """Take back every step that may have left something, the last one first.  Raises RunError."""
        for step in now.touched:
            kind = movesteps.step(move["placement"], step)
            if kind.undo and (move["dns"] is not None or not kind.dns):
                self._undo(move, now, step)
            else:
                self._note(move, now, step, "undone")
        if move["placement"] == "colocation":
            colocation.taken_back(self.book, self.hosts, Writer(self.book, self.plan, self.run), move, self.say)
        self._note(move, now, ROLLBACK, "undone")

    def _apply(self, move: Mapping[str, Any], now: MoveState, step: str) -> None:
        attempt = now.attempts.get(step, 0) + 1
        self._note(move, now, step, "started", attempt)
        begun = time.monotonic()
        try:
            work = movesteps.work(move, step)
            if work == "sign-off":
                detail = self._signed(move)
            elif work in {"record", "recheck"}:
                self.say(move["id"], step, "what the machine is like")
                detail = colocation.work(work, self.book, self.hosts, self.plan, move, self.runs / self.run / move["id"])
            else:
                before = self._certificate(move) if step in BEFOREHAND else {}
                before |= self._crawled(move, step) if work == "export" else {}
                detail = before | (self._verify(move) if work == "compare" else self._play(move, step, attempt))
            if step == "cutover":
                after = {"retire": self._after_closing, "colocation": colocation.after_cutover}.get(move["placement"], self._after_cutover)
                detail |= after(move)
        except (PlannerError, OSError) as error:
            if self.stop.now.is_set():
                raise RunError(f"{move['id']}: stopped in the middle of {step}", hint="planner run goes on there") from error
            self._note(move, now, step, "failed", attempt, error=str(error)[:4000], seconds=round(time.monotonic() - begun, 1))
            self.say(move["id"], step, f"failed: {error}")
            self._release(move, now, step)
            raise RunError(f"{move['id']}: {step}: {error}", hint=_afterwards(move, step)) from error
        detail["seconds"] = round(time.monotonic() - begun, 1)
        self._note(move, now, step, "done", attempt, **detail)
        self.say(move["id"], step, f"done in {detail['seconds']:.1f} s{_summary(detail)}")

    def _release(self, move: Mapping[str, Any], now: MoveState, step: str) -> None:
        """Take back what a failure takes back.  A dead destination does not keep the source frozen: there, its part is the last one."""
        left = None
        for release in movesteps.step(move["placement"], step).on_failure:
            if now.steps.get(release, "waiting") != "waiting":
                try:
                    self._undo(move, now, release)
                except RunError as error:
                    if not error.machines or not error.machines <= set(machines(move, ("destination",))) - {move["source"]["host"]}:
                        raise
                    left = error
        if left is not None:
            raise left

    def _undo(self, move: Mapping[str, Any], now: MoveState, step: str) -> None:
        self._note(move, now, step, "undo-started")
        try:
            detail = self._play(move, f"undo-{step}", now.attempts.get(step, 0) + 1)
        except (PlannerError, OSError) as error:
            self._note(move, now, step, "undo-failed", error=str(error)[:4000])
            raise RunError(
                f"{move['id']}: {step} could not be taken back: {error}",
                hint=f"put it right, then planner run or planner rollback {move['id']} tries again",
                machines=error.machines if isinstance(error, RunError) else frozenset(),
            ) from error
        self._note(move, now, step, "undone", **detail)
        self.say(move["id"], step, f"taken back in {detail['seconds']:.1f} s" + (f": {detail['proved']}" if "proved" in detail else ""))

    def _play(self, move: Mapping[str, Any], step: str, attempt: int) -> dict[str, Any]:
        name = bundle.playbook_path(move, step)
        if not (self.bundle / name).exists():  # a site whose names are not in our zones has no DNS steps
            return {"seconds": 0.0, "changed": 0, "absent": True}
        artifacts = self.runs / self.run / move["id"] / f"{Path(name).stem}-{attempt}"
        # services may not have heard of what the attempt before had written: a handler runs after its file
        again = ("--extra-vars", '{"planner_again": true}') if attempt > 1 else ()
        with self._alone(move, step):
            outcome = playbook(self.bundle, name, artifacts, lambda text: self.say(move["id"], step, text), self.stop, *again)
        if not outcome.ok:
            raise RunError("; ".join(outcome.trouble)[:4000], machines=frozenset(outcome.machines))
        found = {"seconds": round(outcome.seconds, 1), "changed": len(outcome.changes)}
        return found | ({"proved": "; ".join(outcome.proved)} if outcome.proved else {})

    @contextmanager
    def _alone(self, move: Mapping[str, Any], step: str) -> Iterator[None]:
        """No other move changes meanwhile what this step changes: a web server tests all of its sites before it takes up one."""
        names = machines(move, movesteps.changes(move, step.removeprefix("undo-")))
        if not names:
            yield
            return
        own = leases.Holder(self.book, f"{self.run} of {move['id']}", lost=self.stop.now.set)
        stopped = self.stop.now if step.startswith("undo-") else self.stop.soon  # what is taken back is waited for
        with own.working(), own.machines(names, lambda text: self.say(move["id"], step, text), stopped.is_set):
            yield

    def _certificate(self, move: Mapping[str, Any]) -> dict[str, Any]:
        """Nothing is changed for a site whose certificate cannot be carried.  Raises RunError with all reasons."""
        source, schedule = move["source"], move.get("schedule")
        if not source.get("certificate") or move["placement"] == "colocation":  # a machine keeps its own
            return {}
        self.say(move["id"], "provision", "the certificate and its key at the source")
        given = source["certificate"]
        _, printed = self.hosts.run(source["address"], certificates.SCRIPT, given["path"], given["key_path"], given["chain"])
        until = date.fromisoformat(schedule["end"]) if schedule else None
        judged = certificates.judge(printed, equality.over_https(move), catalogue.now(), until)
        if judged.refused:
            raise RunError(f"the certificate {given['path']} cannot be carried: {'; '.join(judged.refused)}")
        return {"certificate": "; ".join(judged.remarks)} if judged.remarks else {}

    @property
    def exports(self) -> Path:
        """Where static exports are kept on this machine."""
        return self.runs / "exports"

    def _crawled(self, move: Mapping[str, Any], step: str) -> dict[str, Any]:
        """The source of a static export, crawled on this machine; the step's playbook publishes what came of it."""
        tell = functools.partial(self.say, move["id"], step)
        return publishing.crawled(move, step, self.exports, catalogue.now(), tell, self.stop.now.is_set)

    def _compared(self, move: Mapping[str, Any]) -> equality.Equality:
        with self.book.session() as session:
            asked = traffic.of_site(session, str(move["site"]))
        return publishing.compare(move, self.hosts, self.exports, rules=self.rules, traffic=asked)

    def _verify(self, move: Mapping[str, Any]) -> dict[str, Any]:
        self.say(move["id"], "verify", "rows, files and pages of both sides")
        result = self._compared(move)
        with self.book.session() as session:
            session.add(
                model.Comparison(
                    plan_id=str(self.plan["id"]), move=move["id"], at=catalogue.now(), verdict=result.verdict, data=result.to_json()
                )
            )
        if result.verdict != "equal":
            raise RunError(f"source and destination are not proved equal ({result.verdict}): {result.reason}{_first(result)}")
        return {"compared": result.reason}

    def _signed(self, move: Mapping[str, Any]) -> dict[str, Any]:
        """The unit's recorded word.  Raises RunError when it is none, or silence, or to something else."""
        with self.book.session() as session:
            said = approvals.agreements(session, self.plan)[move["id"]]
        if not said.signed:
            raise RunError(approvals.unsigned(said))
        return {"signed": f"{said.by}, {said.at:%Y-%m-%d %H:%M}"}

    def _after_closing(self, move: Mapping[str, Any]) -> dict[str, Any]:
        """A closed site's names are asked for at the front and at the old address."""
        self.say(move["id"], "cutover", "asking the front and the old address as a visitor would")
        problems = closing.asked(move)
        if problems:
            raise RunError("; ".join(problems[:4]))
        return {"closed": f"{len(move['names'])} names"}

    def _after_cutover(self, move: Mapping[str, Any]) -> dict[str, Any]:
        """Whoever still comes to the old address gets the new site: the home page and some more, asked at both.

        Editors write again by now, so texts may differ between two answers; who answers, and with what kind of page, may not.
        """
        self.say(move["id"], "cutover", "asking the old address as a visitor would")
        limits, https = verification.Limits(pages=8, seconds=60), equality.over_https(move)
        seen = verification.compare_site(
            https or move["names"], move["source"]["address"], move["destination"]["address"], move["seeds"][:4], limits, tls=bool(https)
        )
        kinds = {"status", "redirect", "title", "content_type", "charset_header", "unreachable", "error_text"}
        wrong = [page for page in seen.pages if page.outcome == "different" and kinds & {d.kind for d in page.differences}]
        answered = [page for page in seen.pages if page.outcome != "not_compared" or page.reason.startswith("source unstable: ")]
        if wrong or not answered:
            what = f"{wrong[0].url}: {wrong[0].differences[0].kind}" if wrong else seen.reason
            raise RunError(f"the old address does not pass visitors on as it should: {what}")
        return {"passed_on": f"{len(answered)} pages"}


def machines(move: Mapping[str, Any], sides: Sequence[movesteps.Side]) -> list[str]:
    """The machines of a move's sides, by name."""
    destination = move["destination"]
    found = [move["source"]["host"]] if "source" in sides else []
    if "destination" in sides:
        found += [destination.get("receiver"), destination.get("front"), *destination.get("node_addresses", {})]
    return sorted({str(name) for name in found if name})


def _summary(detail: Mapping[str, Any]) -> str:
    if "compared" in detail:
        return f": {detail['compared']}"
    for word in ("signed", "recorded", "proved", "exported"):
        if word in detail:
            return f": {detail[word]}"
    if "certificate" in detail:
        return f", {detail.get('changed', 0)} changed; its certificate is carried as it is: {detail['certificate']}"
    return "" if detail.get("absent") else f", {detail.get('changed', 0)} changed"


def _first(result: equality.Equality) -> str:
    """The first things that differ, for the message; the catalogue holds all of them."""
    lines: list[str] = []
    for name, part in result.parts.items():
        if name == "pages":
            bad = [page for page in part["pages"] if page["outcome"] != "equal" and not page["by_design"]]
            lines += [f"{p['url']}: {', '.join(d['kind'] for d in p['differences']) or p['reason']}" for p in bad[:3]]
        else:
            lines += [f"{d['name']}: {d['kind']}" for d in (part["differences"] + part["not_compared"])[:3]]
    return "".join(f"\n    {line[:300]}" for line in lines)


def _afterwards(move: Mapping[str, Any], step: str) -> str:
    if move["placement"] == "colocation":
        return colocation.afterwards(move, step)
    if movesteps.step(move["placement"], step).on_failure:
        return "the site is served and written to where it was; put the cause right, then planner run"
    return "put the cause right, then planner run goes on with this step"


def drift(folder: Path, moves: Sequence[Mapping[str, Any]], artifacts: Path, say: Say, stop: Stop) -> dict[str, Outcome]:
    """What a second run would change on machines whose move is done: `provision` in check mode."""
    found = {}
    for move in moves:
        if "provision" not in move["steps"]:  # nothing of ours is set up: a machine that was carried is its unit's
            continue
        name = bundle.playbook_path(move, "provision")
        tell = functools.partial(say, move["id"], "provision")
        found[move["id"]] = playbook(folder, name, artifacts / move["id"], tell, stop, "--check", "--tags", "destination")
    return found
