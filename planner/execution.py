"""Moves carried out: the only importer of ansible_runner.  Each step is journalled before and after; what was frozen is always released.

In: a plan, its bundle, the catalogue.  Out: journal rows, comparisons, `runs/<id>/` with ansible-runner's artifacts.

A step is a playbook of the bundle, but for `verify`, which compares source and destination.  When freeze, sync or verify fails, the
freeze is taken back at once; when the cutover fails, the cutover too: visitors and editors have the old site again, and nothing that the
destination already holds is lost.  Interrupted (Ctrl-C, `kill -9`, power), a move stays where it is and the next run goes on there.
"""

from __future__ import annotations

import functools
import os
import queue
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import FrameType
from typing import Any

import ansible_runner

from inventory import catalogue, model
from inventory.errors import MissingProgram, PlannerError, RunError
from planner import approvals, bundle, certificates, closing, equality, movesteps, thresholds, traffic, verification
from planner.journal import ROLLBACK, MoveState, Writer

BEFOREHAND = ("lower-ttl", "provision")
"""Before these a site's certificate is looked at: the first step, and the one that takes it to the destination."""

Say = Callable[[str, str, str], None]
"""(move, step, text): what is going on, for a live view."""


@dataclass
class Outcome:
    """How a playbook ended: `changes` are the tasks that changed something, `trouble` the failed tasks' words, `proved` our scripts'."""

    ok: bool
    changes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    trouble: list[str] = field(default_factory=list)
    proved: list[str] = field(default_factory=list)
    cancelled: bool = False


class Stop:
    """Ctrl-C: the first lets the running step end and stops before the next, the second ends the running playbook."""

    def __init__(self) -> None:
        self.soon = threading.Event()
        self.now = threading.Event()

    @contextmanager
    def listening(self, say: Callable[[str], None]) -> Iterator[None]:
        """Take SIGINT and SIGTERM while moves run, and give them back."""

        def handle(_number: int, _frame: FrameType | None) -> None:
            if self.soon.is_set():
                self.now.set()
            else:
                self.soon.set()
                say("stopping after this step; once more to stop it in the middle")

        kept = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)


def program() -> Path:
    """ansible-playbook, as it stands beside this Python."""
    return Path(sys.executable).parent / "ansible-playbook"


def playbook(folder: Path, name: str, artifacts: Path, say: Callable[[str], None], stop: Stop, *options: str) -> Outcome:
    """Run one playbook of a bundle with more options of ansible-playbook.  Raises MissingProgram."""
    if not program().exists():
        raise MissingProgram(f"{program()} is not there", hint="install ansible-core into the planner's environment")
    artifacts.mkdir(parents=True, exist_ok=True, mode=0o700)
    events: queue.SimpleQueue[Mapping[str, Any] | None] = queue.SimpleQueue()
    outcome = Outcome(False)

    def listen() -> None:
        # ansible-runner's own thread must never wait for ours, nor see an exception of ours: it only fills the queue
        while (event := events.get()) is not None:
            _take(event, outcome, say)

    def handler(event: Mapping[str, Any]) -> bool:
        events.put(event)
        return True

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    begun = time.monotonic()
    kept = signal.getsignal(signal.SIGINT)
    try:
        runner = ansible_runner.run(
            private_data_dir=str(artifacts),
            project_dir=str(folder),
            playbook=name,
            inventory=str(folder / "inventory" / "hosts.json"),
            envvars={
                "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
                "PATH": f"{program().parent}:{os.environ.get('PATH', '/usr/bin:/bin')}",
                "ANSIBLE_LOCALHOST_WARNING": "False",
                "ANSIBLE_NOCOLOR": "True",
                "LC_ALL": "C.UTF-8",
            },
            cmdline=shlex.join(options) or None,
            event_handler=handler,
            cancel_callback=stop.now.is_set,
            suppress_env_files=True,
            quiet=True,
        )
    finally:
        signal.signal(signal.SIGINT, kept)  # ansible-runner leaves its own
        events.put(None)
        listener.join(timeout=30)
    outcome.seconds = time.monotonic() - begun
    outcome.cancelled = runner.status == "canceled"
    outcome.ok = runner.status == "successful"
    if not outcome.ok and not outcome.trouble:
        outcome.trouble.append("stopped" if outcome.cancelled else _unreported(runner, artifacts))
    return outcome


def _unreported(runner: Any, artifacts: Path) -> str:
    """What ansible-playbook itself said when no task could: a role that cannot be read, an inventory that is broken."""
    with runner.stdout as text:
        lines = [line.strip() for line in text if "ERROR" in line][:3]
    return " ".join(lines) or f"ansible-playbook ended with {runner.rc}, see {artifacts}"


def _take(event: Mapping[str, Any], outcome: Outcome, say: Callable[[str], None]) -> None:
    data = event.get("event_data") or {}
    kind, result = event.get("event"), data.get("res") or {}
    if kind == "runner_on_ok":
        outcome.proved += [line.partition("planner: proved: ")[2] for line in _lines(result) if line.startswith("planner: proved: ")]
    if kind == "playbook_on_task_start":
        say(str(data.get("name") or data.get("task") or ""))
    elif kind == "runner_on_ok" and result.get("changed"):
        outcome.changes.append(f"{data.get('host')}: {data.get('task')}")
    elif kind in {"runner_on_failed", "runner_on_unreachable"} and not data.get("ignore_errors"):
        outcome.trouble.append(f"{data.get('host')}: {data.get('task')}: {_words(result)}")


def _lines(result: Mapping[str, Any]) -> list[str]:
    return str(result.get("stdout") or "").splitlines()


def _words(result: Mapping[str, Any]) -> str:
    """What a failed task says: our scripts' own sentence if there is one."""
    for key in ("stdout", "stderr", "msg", "module_stderr"):
        text = str(result.get(key) or "")
        for line in text.splitlines():
            if "planner: failed:" in line:
                return line.partition("planner: failed:")[2].strip()
    return str(result.get("msg") or result.get("stderr") or result.get("stdout") or "no reason given").strip()[:2000]


def end_leftovers(folder: Path, seconds: float = 10.0) -> int:
    """End playbooks of this bundle that a killed planner left behind: two at once would do things twice.  Returns how many there were."""
    found = _playbooks_in(folder)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in _playbooks_in(folder):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        until = time.monotonic() + seconds
        while _playbooks_in(folder) and time.monotonic() < until:
            time.sleep(0.1)
    return len(found)


def _playbooks_in(folder: Path) -> list[int]:
    pids = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if b"ansible-playbook" in (entry / "cmdline").read_bytes() and (entry / "cwd").readlink() == folder.resolve():
                pids.append(int(entry.name))
        except OSError:
            continue
    return [pid for pid in pids if pid != os.getpid()]


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
    rules: thresholds.Thresholds = field(default_factory=thresholds.shipped)

    def _note(self, move: Mapping[str, Any], now: MoveState, step: str, event: str, attempt: int = 1, **detail: Any) -> None:
        """One line of the journal, on disk first, then in the state that this run goes by."""
        Writer(self.book, str(self.plan["id"]), self.run).write(move["id"], step, event, attempt, **detail)
        now.take(step, event, str(detail.get("error", "")))

    def forward(self, move: Mapping[str, Any], now: MoveState, until: str = "") -> None:
        """All steps that are left, up to `until`.  Raises RunError with what failed, after what was frozen is released."""
        for begun in now.undo_first:
            self._undo(move, now, begun)
        while step := now.next:
            if self.stop.soon.is_set():
                raise RunError(f"{move['id']}: stopped before {step}", hint="planner run goes on there")
            self._apply(move, now, step)
            if step == until:
                return

    def back(self, move: Mapping[str, Any], now: MoveState) -> None:
        """Take back every step that may have left something, the last one first.  Raises RunError."""
        for step in now.touched:
            kind = movesteps.step(move["placement"], step)
            if kind.undo and (move["dns"] is not None or not kind.dns):
                self._undo(move, now, step)
            else:
                self._note(move, now, step, "undone")
        self._note(move, now, ROLLBACK, "undone")

    def _apply(self, move: Mapping[str, Any], now: MoveState, step: str) -> None:
        attempt = now.attempts.get(step, 0) + 1
        self._note(move, now, step, "started", attempt)
        begun = time.monotonic()
        try:
            kind = movesteps.step(move["placement"], step)
            if kind.work == "sign-off":
                detail = self._signed(move)
            else:
                before = self._certificate(move) if step in BEFOREHAND else {}
                detail = before | (self._verify(move) if kind.work == "compare" else self._play(move, step, attempt))
            if step == "cutover":
                detail |= self._after_closing(move) if move["placement"] == "retire" else self._after_cutover(move)
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
        for release in movesteps.step(move["placement"], step).on_failure:
            if now.steps[release] != "waiting":
                self._undo(move, now, release)

    def _undo(self, move: Mapping[str, Any], now: MoveState, step: str) -> None:
        self._note(move, now, step, "undo-started")
        try:
            detail = self._play(move, f"undo-{step}", now.attempts.get(step, 0) + 1)
        except (PlannerError, OSError) as error:
            self._note(move, now, step, "undo-failed", error=str(error)[:4000])
            raise RunError(
                f"{move['id']}: {step} could not be taken back: {error}",
                hint=f"put it right, then planner run or planner rollback {move['id']} tries again",
            ) from error
        self._note(move, now, step, "undone", **detail)
        self.say(move["id"], step, f"taken back in {detail['seconds']:.1f} s")

    def _play(self, move: Mapping[str, Any], step: str, attempt: int) -> dict[str, Any]:
        playing = bundle.playbook_name(move["placement"], step)
        name = f"moves/{move['id']}/{playing}"
        if not (self.bundle / name).exists():  # a site whose names are not in our zones has no DNS steps
            return {"seconds": 0.0, "changed": 0, "absent": True}
        artifacts = self.runs / self.run / move["id"] / f"{playing.removesuffix('.yml')}-{attempt}"
        # services may not have heard of what the attempt before had written: a handler runs after its file
        again = ("--extra-vars", '{"planner_again": true}') if attempt > 1 else ()
        outcome = playbook(self.bundle, name, artifacts, lambda text: self.say(move["id"], step, text), self.stop, *again)
        if not outcome.ok:
            raise RunError("; ".join(outcome.trouble)[:4000])
        found = {"seconds": round(outcome.seconds, 1), "changed": len(outcome.changes)}
        return found | ({"proved": "; ".join(outcome.proved)} if outcome.proved else {})

    def _certificate(self, move: Mapping[str, Any]) -> dict[str, Any]:
        """Nothing is changed for a site whose certificate cannot be carried.  Raises RunError with all reasons."""
        source, schedule = move["source"], move.get("schedule")
        if not source.get("certificate"):
            return {}
        self.say(move["id"], "provision", "the certificate and its key at the source")
        given = source["certificate"]
        _, printed = self.hosts.run(source["address"], certificates.SCRIPT, given["path"], given["key_path"], given["chain"])
        until = date.fromisoformat(schedule["end"]) if schedule else None
        judged = certificates.judge(printed, equality.over_https(move), catalogue.now(), until)
        if judged.refused:
            raise RunError(f"the certificate {given['path']} cannot be carried: {'; '.join(judged.refused)}")
        return {"certificate": "; ".join(judged.remarks)} if judged.remarks else {}

    def _verify(self, move: Mapping[str, Any]) -> dict[str, Any]:
        self.say(move["id"], "verify", "rows, files and pages of both sides")
        with self.book.session() as session:
            asked = traffic.of_site(session, str(move["site"]))
        result = equality.compare(move, self.hosts, rules=self.rules, traffic=asked)
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


def _summary(detail: Mapping[str, Any]) -> str:
    if "compared" in detail:
        return f": {detail['compared']}"
    for word in ("signed", "proved"):
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
    if movesteps.step(move["placement"], step).on_failure:
        return "the site is served and written to where it was; put the cause right, then planner run"
    return "put the cause right, then planner run goes on with this step"


def drift(folder: Path, moves: Sequence[Mapping[str, Any]], artifacts: Path, say: Say, stop: Stop) -> dict[str, Outcome]:
    """What a second run would change on machines whose move is done: `provision` in check mode."""
    found = {}
    for move in moves:
        name = f"moves/{move['id']}/{bundle.playbook_name(move['placement'], 'provision')}"
        tell = functools.partial(say, move["id"], "provision")
        found[move["id"]] = playbook(folder, name, artifacts / move["id"], tell, stop, "--check", "--tags", "destination")
    return found
