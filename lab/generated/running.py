"""The way of a generated campus through the product, by its commands: register, transcripts, verdicts, plan, report; the comparison.

In: a folder that `writing` filled.  Out: a workspace in it, lines of what each phase took and brought, whether all of it went well.
"""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from sqlalchemy import select

from generated import comparing
from inventory import model
from planner import platforms, workspace

ROOT = Path(__file__).parents[2]

_CONFIGURATION = """\
catalogue: catalogue.db
scope: {allow: [198.18.0.0/15]}
campus: {networks: [198.18.0.0/15], domains: [example.edu]}
"""


@dataclass
class Phase:
    """One command of the product: seconds, its exit status, its JSON or text, and what it said beside."""

    name: str
    seconds: float
    status: int
    output: str
    said: str

    @property
    def data(self) -> Any:
        """What it printed as JSON, None if that is none."""
        try:
            return json.loads(self.output)
        except ValueError:
            return None


@dataclass
class Run:
    """All phases, and the comparison at the end."""

    folder: Path
    phases: list[Phase] = field(default_factory=list)
    comparison: comparing.Comparison | None = None
    problems: list[str] = field(default_factory=list)

    def planner(self, name: str, *words: str | Path, accepted: tuple[int, ...] = (0,)) -> Phase:
        """One command in the workspace; a status that is not accepted is a problem of the run."""
        begun = time.monotonic()
        paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        done = subprocess.run(
            [sys.executable, "-m", "planner", *map(str, words)], cwd=self.folder / "workspace", capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": paths, "COLUMNS": "200"},
        )  # fmt: skip
        phase = Phase(name, time.monotonic() - begun, done.returncode, done.stdout, done.stderr)
        self.phases.append(phase)
        if done.returncode not in accepted:
            self.problems.append(f"{name}: exit {done.returncode}: {(done.stderr or done.stdout).strip()[-2000:]}")
        return phase


def run(folder: Path, say: Callable[[str], object] = print, *, judged: bool = True) -> Run:
    """Everything, phase by phase; `say` gets a line after each and the comparison at the end.  `folder` is as `writing.write` leaves it.

    Without `judged` it ends with what was found: no answers, verdicts, plan and report.
    """
    done = Run(folder)
    for phases in (_read, _judged) if judged else (_read,):
        for line in phases(done):
            say(line)
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    done.comparison = comparing.compare(truth, found(folder / "workspace"))
    say("")
    for line in comparing.lines(done.comparison):
        say(line)
    for text in done.problems:
        say(f"PROBLEM {text}")
    say(f"{sum(phase.seconds for phase in done.phases):.1f} s in {len(done.phases)} commands, {len(done.problems)} problems")
    return done


def _line(phase: Phase, what: str) -> str:
    return f"{phase.seconds:7.1f} s  {phase.name:20} {what}"


def _read(done: Run) -> Iterator[str]:
    folder = done.folder
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    prepare(folder)
    sheets = sorted((folder / "register").glob("*.xlsx"))
    units = done.planner("register: units", "register", "import", sheets[0], "--by", "lab", "--json")
    yield _line(units, _imported(units))
    rest = done.planner("register: sheets", "register", "import", *sheets[1:], "--by", "lab", "--json", accepted=(0, 2))
    yield _line(rest, _imported(rest))
    refused = len(rest.data["rejected"]) if rest.data else 0
    if refused != len(truth["register"]["rejected"]):
        done.problems.append(f"{refused} cells were rejected, {len(truth['register']['rejected'])} were meant to be")
    texts = sorted((folder / "transcripts").glob("*.txt"))
    taken = done.planner("transcripts", "import-transcript", *texts, "--json", accepted=(0, 2))
    data = taken.data or {"files": [], "rejected": []}
    outcomes: dict[str, int] = {}
    for row in data["files"]:
        outcomes[row["outcome"]] = outcomes.get(row["outcome"], 0) + 1
    yield _line(taken, f"{outcomes}, {len(data['rejected'])} rejected, sites {data.get('sites')}")
    done.problems += [f"transcript {Path(row['file']).name}:{row['line']}: {row['reason']}" for row in data["rejected"]]


def _judged(done: Run) -> Iterator[str]:
    if find_spec("planner.cli.questions") is not None:
        answered = done.planner("answers", "questions", "import", done.folder / "answers.csv", "--json")
        data = answered.data or {}
        yield _line(answered, f"{data.get('stored', 0)} stored, {len(data.get('rejected', []))} rejected")
        done.problems += [f"answers.csv: {row}" for row in data.get("rejected", [])]
    judged = done.planner("assess", "assess", "--json")
    yield _line(judged, _verdicts(judged))
    planned = done.planner("plan", "plan", "--json")
    yield _line(planned, _plan(planned))
    report = done.planner("report", "report")
    page = done.folder / "workspace" / "reports" / "report.html"
    yield _line(report, f"{page.stat().st_size if page.exists() else 0} bytes")


def prepare(folder: Path) -> None:
    """A new workspace in the folder, with the draft of the platforms as far as the product knows such a thing."""
    space = folder / "workspace"
    if space.exists():
        for path in sorted(space.glob("catalogue.db*")):
            path.unlink()
    workspace.create(space)
    (space / workspace.FILE).write_text(_CONFIGURATION, encoding="utf-8")
    drafted = yaml.safe_load((folder / "platforms.yml").read_text(encoding="utf-8"))
    known = known_to(platforms.Platforms, drafted)
    (space / "inventory" / "platforms.yml").write_text(yaml.safe_dump(known, sort_keys=False), encoding="utf-8")
    (space / "calendar.yml").write_bytes((folder / "calendar.yml").read_bytes())


def known_to(schema: type[BaseModel], drafted: dict[str, Any]) -> dict[str, Any]:
    """The draft without keys that the schema has no place for: it may say more than this product plans with."""
    known = copy.deepcopy(drafted)
    while True:
        try:
            schema.model_validate(known)
        except ValidationError as error:
            extra = [item["loc"] for item in error.errors() if item["type"] == "extra_forbidden"]
            if not extra:
                raise
            for place in extra:
                part: Any = known
                for key in place[:-1]:
                    part = part[key]
                del part[place[-1]]
        else:
            return known


def found(space: Path) -> list[comparing.Found]:
    """Every workload of the catalogue."""
    with workspace.find(space).open_catalogue().session() as session:
        return [
            comparing.Found(
                item.name, item.host.address if item.host else None, item.status, item.unit_code,
                {name: fact["value"] for name, fact in item.facts.items()},
            )
            for item in session.scalars(select(model.Workload).order_by(model.Workload.name))
        ]  # fmt: skip


def _imported(phase: Phase) -> str:
    rows = phase.data["files"] if phase.data else []
    sums = {name: sum(row[name] for row in rows) for name in ("units", "sites", "servers", "rejected")}
    return ", ".join(f"{number} {name}" for name, number in sums.items() if number) or "nothing"


def _verdicts(phase: Phase) -> str:
    counts: dict[str, int] = {}
    rows = phase.data if isinstance(phase.data, list) else (phase.data or {}).get("verdicts", [])
    for row in rows:
        counts[str(row.get("verdict"))] = counts.get(str(row.get("verdict")), 0) + 1
    return ", ".join(f"{number} {name}" for name, number in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _plan(phase: Phase) -> str:
    data = phase.data if isinstance(phase.data, dict) else {}
    moves = data.get("moves") or []
    waves = {str(move.get("wave")) for move in moves}
    return f"{len(moves)} moves in {len(waves)} waves, {len(data.get('left') or [])} stay"
