"""Rounds: a move that goes forward, or is taken back, is struck; the fault ends; `planner run` or `planner rollback`; all is looked at.

In: a `Subject` and a seed.  Out: one record for each round, as JSON, and what was left when one went wrong.  A round that ends well leaves
the move at one of its two ends, and the next begins there: forward from the source, back from the destination.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from campuslab import LabError

from faults import checks, faults, schedule
from faults.subject import ADDRESS, BACK, DESTINATION, MOVE, NAMES, ROOT, RUN, SITE, SOURCE, Line, Subject

PATIENCE = 150.0
"""The longest that a fault lasts, seconds, when the command does not give up before."""
USUAL = {"lower-ttl": 1.3, "provision": 16.0, "preseed": 1.6, "freeze": 1.0, "sync": 4.0, "verify": 1.5, "cutover": 3.3, "watch": 2.3}
USUAL_BACK = {"cutover": 2.0, "freeze": 0.8, "provision": 8.8, "lower-ttl": 1.3}
"""Seconds, measured on a calm machine: by these an instant's share becomes a time; a campaign goes by what it measured last."""


class Campaign:
    """Plays rounds one after another."""

    def __init__(self, subject: Subject, seed: int, names: Sequence[str], results: Path, skip: int = 0, length: int = 1) -> None:
        self.subject, self.seed, self.results = subject, seed, results
        self.forward = schedule.chains(seed, names, schedule.FORWARD, length)
        self.back = schedule.chains(seed, names, schedule.BACK, min(2, length))
        self.number, self.stops = skip, False
        for _ in range(skip):
            next(self.forward), next(self.back)
        self.ledger = checks.Ledger()
        self.before: list[str] = []
        self.at_destination = False
        self.usual, self.usual_back = dict(USUAL), dict(USUAL_BACK)

    def begin(self, warm: bool = True) -> None:
        """From nothing: lab, workspace, how the source is before a move.  `warm`: with a destination that was used once."""
        self.subject.prepare(warm)
        self.before = checks.fingerprint(self.subject)
        checks.sweep(self.subject, self.ledger)
        self.at_destination = False

    def play(self, *chain: schedule.Strike) -> dict[str, Any]:
        """One round; its record, which is also written down.  A chain strikes command after command before the move comes to its end."""
        self.number += 1
        chain = chain or next(self.back if self.at_destination else self.forward)
        strike = chain[-1]
        chance = random.Random(f"{self.seed} {self.number}")  # noqa: S311  (a schedule, not a secret)
        record: dict[str, Any] = {
            "round": self.number, "seed": self.seed, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "fault": ", ".join(one.fault for one in chain), "way": "back" if self.at_destination else "forward",
            "where": ", ".join(one.where for one in chain), "recover": strike.recover, "strikes": [],
        }  # fmt: skip
        try:
            with self._client() as log:
                self._round(chain, chance, record, log)
        except (LabError, subprocess.SubprocessError, OSError) as error:
            record["problems"] = [f"the round broke off: {error}"[:600]]
        record["outcome"] = "wrong" if record["problems"] else record.get("outcome", "right")
        with self.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
        if record["problems"]:
            self._keep(record)
            if not self.stops:
                self.begin()
        return record

    def _round(self, chain: Sequence[schedule.Strike], chance: random.Random, record: dict[str, Any], log: Path) -> None:
        begun, strike = time.time(), chain[-1]
        record["from"] = max([line.id for line in self.subject.journal()], default=0)
        for one in chain:
            last = one is chain[-1]
            struck: dict[str, Any] = {"fault": one.fault, "where": one.where, "instant": one.instant is not None, "hold": one.hold}
            record["strikes"].append(struck)
            # so that one that is withstood leaves something for the next
            struck["ended"] = self._struck(one, chance, struck, record, () if last or self.at_destination else ("--until", one.step))
        record["struck"] = sum(bool(struck["struck"]) for struck in record["strikes"])
        fault_over = time.time()
        tries = []
        words = RUN if strike.recover == "run" else BACK
        for _ in range(2):
            done = self.subject.ask(*words)
            tries.append(done.returncode)
            self._say(record, done.stderr)
            if not done.returncode:
                break
        record["recovered"] = {"codes": tries, "seconds": round(time.time() - fault_over, 1)}
        problems = self._traceback(record)
        problems += [f"planner hung under {one['fault']}" for one in record["strikes"] if one["ended"]["hung"]]
        state = self._state()
        wanted = {"done"} if strike.recover == "run" else {"rolled back", "waiting"}
        if tries[-1]:
            problems.append(f"planner {strike.recover} failed twice once the fault was over: {record['said'][-1][-300:]}")
        elif len(tries) > 1:
            record["outcome"] = "right at the second try"
        if state not in wanted:
            problems.append(f"the move is {state} after planner {strike.recover}")
        there = state == "done"
        if not problems:
            problems += self._writes(log, DESTINATION if there else SOURCE)
        end = time.time()
        log.with_name(f"{log.name}.stop").touch()
        until = time.monotonic() + 15
        while log.with_name(f"{log.name}.stop").exists() and time.monotonic() < until:
            time.sleep(0.05)
        lines = checks.told(log)
        self.ledger.take(lines)
        for kind in ("read", "row", "file"):
            record[f"without_{kind}"] = checks.longest_without(lines, kind, begun, end)
        record["accepted"] = sum(bool(line["ok"]) and line["kind"] != "read" for line in lines)
        record["seconds"] = round(end - begun, 1)
        journal = self.subject.journal(record.pop("from"))
        problems += checks.done_once(journal)
        self._learn(journal)
        if there:
            problems += checks.at_the_destination(self.subject, self.before, self.ledger)
        elif state in wanted:
            problems += checks.at_the_source(self.subject, self.before, self.ledger)
        record["archived"] = len(self.ledger.by(DESTINATION) & checks.archived(self.subject)) if self.ledger.by(DESTINATION) else 0
        record["problems"] = problems
        if not problems:
            self.at_destination = there
            if not there:
                checks.sweep(self.subject, self.ledger)
            shutil.rmtree(self.subject.folder / "runs", ignore_errors=True)
            (self.subject.folder / "runs").mkdir(mode=0o700)

    def _struck(
        self, strike: schedule.Strike, chance: random.Random, struck: dict[str, Any], record: dict[str, Any], until_step: Sequence[str]
    ) -> dict[str, Any]:
        """A command, its fault, and how that ended; the fault is over when this returns."""
        subject, fault = self.subject, faults.BY_NAME[strike.fault]
        last = max([line.id for line in subject.journal()], default=0)
        words = BACK if self.at_destination else (*RUN, *until_step)
        environment = subject.environment | (faults.clock(subject) if fault.name == "clock-planner" else {})
        output = (subject.lab.run / "said").open("w+", encoding="utf-8")
        run = subprocess.Popen(
            subject.planner(*words), cwd=subject.folder, env=environment, stdout=subprocess.DEVNULL, stderr=output, text=True
        )
        begun = time.monotonic()
        hit = self._wait(strike, run, last) and fault.strike(subject, run, chance)
        struck["struck"] = hit
        at = time.monotonic()
        struck["after"] = round(at - begun, 1)
        lines = subject.journal(last)
        struck["during"] = f"{lines[-1].step} {lines[-1].event}" if lines else "before the first step"
        if hit and fault.lasts:
            until = at + (PATIENCE if strike.hold is None else strike.hold)
            while time.monotonic() < until and (strike.hold is not None or run.poll() is None):
                time.sleep(0.05)
        if hit:
            fault.mend(subject)
        struck["lasted"] = round(time.monotonic() - at, 1)
        hung = False
        try:
            if fault.name == "kill-planner" and hit:
                faults.wait_gone(faults.planners(run))
            else:
                run.wait(timeout=300)
        except subprocess.TimeoutExpired:
            hung = True
            for pid in [*faults.planners(run), *faults.playbooks(subject)]:
                faults.kill(pid)
        run.wait(timeout=30)
        with output:
            output.seek(0)
            self._say(record, output.read())
        return {"code": run.returncode, "seconds": round(time.monotonic() - begun, 1), "hung": hung}

    def _wait(self, strike: schedule.Strike, run: subprocess.Popen[str], last: int) -> bool:
        """Until the moment has come; False when the command ended before."""
        usual = self.usual_back if self.at_destination else self.usual
        event = "undo-started" if self.at_destination else "started"
        until = None
        if strike.instant is not None and not strike.step:
            until = time.monotonic() + 0.7 + strike.instant * sum(usual.values())  # Python's own start is no part of the move
        while run.poll() is None:
            if until is not None:
                if time.monotonic() >= until:
                    return True
                time.sleep(min(0.05, max(0.0, until - time.monotonic())))
                continue
            if any((line.step, line.event) == (strike.step, event) for line in self.subject.journal(last)):
                if strike.instant is None:
                    return True
                until = time.monotonic() + strike.instant * usual[strike.step]
            time.sleep(0.005)
        return False

    def _learn(self, journal: Sequence[Line]) -> None:
        """How long steps last here and now: half of what was thought, half of what was seen."""
        for line in journal:
            usual = {"done": self.usual, "undone": self.usual_back}.get(line.event, {})
            if line.step in usual and line.seconds:
                usual[line.step] = (usual[line.step] + line.seconds) / 2

    def _state(self) -> str:
        rows = json.loads(self.subject.must("status", "--json"))
        return str(next(row["state"] for row in rows if row["move"] == MOVE))

    def _writes(self, log: Path, host: str) -> list[str]:
        """Whether both clients can write again, where the site is now."""
        begun, missing = time.time(), {(who, kind) for who in ("fresh", "stale") for kind in ("row", "file")}
        while time.time() < begun + 20:
            for line in checks.told(log):
                if line["ok"] and float(line["at"]) > begun and line["by"] == host:  # type: ignore[arg-type]
                    missing.discard((str(line["who"]), str(line["kind"])))
            if not missing:
                return []
            time.sleep(0.1)
        return [f"the {who} client can write no {kind} at {host}" for who, kind in sorted(missing)]

    @contextmanager
    def _client(self) -> Iterator[Path]:
        log = self.subject.lab.run / "client"
        for path in (log, log.with_name("client.stop")):
            path.unlink(missing_ok=True)
        words = self.subject.ctl("python3", str(ROOT / "lab/faults/client.py"), SITE, ADDRESS, f"r{self.seed}{self.number:04d}", str(log))
        running = subprocess.Popen(words, env=self.subject.environment)
        try:
            until = time.monotonic() + 15
            while not log.exists() or len(checks.told(log)) < 8:
                if time.monotonic() > until:
                    raise LabError("the client does not start")
                time.sleep(0.05)
            yield log
        finally:
            log.with_name("client.stop").touch()
            try:
                running.wait(timeout=30)
            except subprocess.TimeoutExpired:
                for pid in faults.descendants(running.pid):
                    faults.kill(pid)

    def _say(self, record: dict[str, Any], text: str) -> None:
        record.setdefault("said", []).append(text.strip()[-1500:])

    def _traceback(self, record: Mapping[str, Any]) -> list[str]:
        return [f"a traceback: {text[-500:]}" for text in record.get("said", ()) if "Traceback" in text]

    def _keep(self, record: Mapping[str, Any]) -> None:
        """What a round that went wrong left: the workspace's runs and journal, the hosts' own words."""
        folder = self.results.with_name(f"{self.results.stem}-{record['round']}")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("runs", "catalogue.db", "catalogue.db-wal"):
            place = self.subject.folder / name
            if place.is_dir():
                shutil.copytree(place, folder / name, symlinks=True, ignore=shutil.ignore_patterns("fact_cache", "*.sock"))
            elif place.exists():
                shutil.copy(place, folder / name)
        if (self.subject.lab.run / "client").exists():
            shutil.copy(self.subject.lab.run / "client", folder / "client.jsonl")
        for host in (SOURCE, DESTINATION, NAMES):
            try:
                said = self.subject.on(host, "journalctl -b --no-pager | tail -n 400; find /var/lib/planner-move /var/lib/moves; true")
            except LabError as error:
                said = str(error)
            (folder / f"{host}.txt").write_text(said, encoding="utf-8")
        (folder / "record.json").write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")
