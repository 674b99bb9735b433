"""Assessing 1,000 to 20,000 workloads with all rules, out of a catalogue and back into it; json-logic beside it on the same conditions.

    .venv/bin/python bench/assessing.py [--quick] [--svg bench/assessing.svg]

To be reached: 10,000 in 10 s on 2 cores; growth close to linear; one changed fact assesses one workload.  Workloads are the hand-written
ones of `tests/cases/verdicts`, varied from a seed: facts are left out, sizes and versions are others; eight to a host, with answers and
declared values where a catalogue has them.  Every figure is of a whole `planner assess` but for starting Python: facts, signs, sizes and
costs, verdicts, and storing them.  Seconds are wall time and the CPU time of all processes; on a loaded machine the latter counts.

The peer is json-logic, a library of conditions as data.  It gets conditions and values ready in memory, and says for each condition only
whether it holds: no unknown, no score, no sentence, no catalogue.  Beside it stands our own evaluation of the same conditions alone.
"""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "tests"))
import verdict_cases
from sqlalchemy import func, insert, select

from bench import measuring
from bench.growth import plot
from inventory import conditions, garbage, model
from planner import scoring, verdicts, workspace
from planner.facts import Assembly
from planner.workspace import Workspace

AT = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
PEER = Path(__file__).parent / "clients" / "jsonlogic.py"
PEER_WORKLOADS = 500


def varied(chance: random.Random, cases: list[verdict_cases.Case], number: int) -> dict[str, Any]:
    """One workload's facts: a case's, some left out, some others."""
    case = chance.choice(cases)
    facts = {name: value for name, value in case.facts.items() if name.startswith("site.") or chance.random() > 0.1}
    for name, value in facts.items():
        if isinstance(value, bool) and name.startswith("answer.") and chance.random() < 0.1:
            facts[name] = not value
        elif isinstance(value, int) and not isinstance(value, bool) and value > 10:
            facts[name] = int(value * chance.choice([0.3, 0.8, 1, 1, 2, 7]))
        elif name.endswith(".php_version"):
            facts[name] = chance.choice(["5.3", "5.6", "7.2", "7.4", "8.1", "8.2"])
    facts["site.names"] = [f"s{number}.example.edu"]
    return facts


def fill(space: Workspace, count: int, seed: int = 1) -> None:
    """A catalogue with so many workloads."""
    chance, cases = random.Random(seed), verdict_cases.cases()
    t = {name: model.Base.metadata.tables[name] for name in ("host", "snapshot", "site", "site_facts", "workload", "answer", "declared")}
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in t}
    for host in range(1, count // 8 + 2):
        address = f"10.{host >> 16}.{host >> 8 & 255}.{host & 255}"
        rows["host"].append(
            {"id": host, "name": f"h{host}", "address": address, "outcome": "ok", "outcome_detail": "", "way": {}, "snapshot_id": host}
        )
        rows["snapshot"].append(
            {
                "id": host,
                "host_id": host,
                "taken_at": AT,
                "readings": 1,
                "privilege": "root",
                "seconds": 1.0,
                "transcript": b"",
                "sections": [],
            }
        )
        if host % 3 == 0:
            rows["declared"].append(
                {"kind": "server", "key": address, "data": {"height_u": 2, "rails": True}, "origin": "servers.csv:1", "imported_at": AT}
            )
    for key in range(1, count + 1):
        facts, name = varied(chance, cases, key), f"s{key}.example.edu"
        kept = {
            n: {"value": v, "evidence": [[1 + key // 8, "web", 12]], "why": ""}
            for n, v in facts.items()
            if not n.startswith(("answer.", "declared.", "server."))
        }
        told = {
            n: {"value": v, "evidence": [["declared", "sites.csv:7", 0]], "why": "declared"}
            for n, v in facts.items()
            if n.startswith("declared.")
        }
        rows["site"].append({"id": key, "host_id": 1 + key // 8, "name": name, "kind": "site", "names": [name]})
        rows["site_facts"].append({"site_id": key, "facts": kept})
        rows["workload"].append(
            {
                "id": key, "name": name, "kind": "site", "host_id": 1 + key // 8, "site_id": key, "unit_code": None, "owner_reason": "",
                "status": "both", "names": [name], "declared": told, "identified_at": AT,
            }
        )  # fmt: skip
        rows["answer"] += [
            {
                "site": name, "names": [name], "question": n.removeprefix("answer."), "value": {"value": v}, "by": "Li",
                "answered_on": "2026-11-02", "origin": "answers.xlsx:3", "at": AT, "withdrawn_by": "",
            }
            for n, v in facts.items() if n.startswith("answer.")
        ]  # fmt: skip
    with space.open_catalogue().session() as session:
        for name, table in t.items():
            session.execute(insert(table), rows[name])


def used() -> float:
    """CPU seconds of this process and of those that it waited for."""
    return sum(
        one.ru_utime + one.ru_stime for one in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Wall seconds, CPU seconds, and what came of it."""
    begun, spent = time.perf_counter(), used()
    made = work()
    return time.perf_counter() - begun, used() - spent, made


def assess(space: Workspace, everything: bool = False) -> verdicts.Kept:
    """What the command does."""
    with space.open_catalogue().session() as session:
        return verdicts.update_all(session, space, AT, everything=everything)


def one_changed(space: Workspace) -> None:
    """Another PHP for one site."""
    with space.open_catalogue().session() as session:
        known = session.get_one(model.SiteFacts, 77)
        known.facts = {**known.facts, "site.php_version": {"value": "4.4", "evidence": [[1, "web", 12]], "why": ""}}


def logic(condition: dict[str, Any]) -> Any:
    """A condition for json-logic; a dot would be a path there."""
    for key, word in (("all", "and"), ("any", "or")):
        if key in condition:
            return {word: [logic(item) for item in condition[key]]}
    if set(condition) == {"not"}:
        return {"!": [logic(condition["not"])]}
    if "always" in condition:
        return True
    name = {"var": (condition.get("fact") or condition["known"]).replace(".", "/")}
    if "known" in condition:
        return {"!=": [name, None]}
    operator = next(key for key in condition if key != "fact")
    wanted = condition[operator]
    if operator in {"below", "above"}:
        return {"<" if operator == "below" else ">": [{"number": [name]}, {"number": [wanted]}]}
    if operator == "empty":
        return {"!": [name]} if wanted else {"!!": [name]}
    return {
        {"is": "===", "not": "!==", "in": "in", "contains": "in", "matches": "matches"}[operator]: [wanted, name]
        if operator == "contains"
        else [name, wanted]
    }


def peer(space: Workspace) -> tuple[float, float]:
    """Milliseconds for each workload: json-logic's for the conditions, and ours for the same ones alone."""
    with space.open_catalogue().session() as session:
        items = list(session.scalars(select(model.Workload).order_by(model.Workload.id).limit(PEER_WORKLOADS)))
        assembly = Assembly(session, space, AT.date(), items)
        values = [dict(conditions.values_of(assembly.of(item))) for item in items]
    with garbage.put_off():
        begun = time.process_time()
        for one in values:
            scoring.answers(one, assembly.rules)
        ours = time.process_time() - begun
    with tempfile.TemporaryDirectory() as folder:
        given = Path(folder) / "given.json"
        workloads = [{name.replace(".", "/"): value for name, value in one.items()} for one in values]
        given.write_text(
            json.dumps({"conditions": [logic(rule.when) for rule in assembly.rules.rules], "workloads": workloads}, default=str)
        )
        done = subprocess.run([measuring.peers_python(), PEER, given], check=True, capture_output=True, text=True)
    return 1000 * json.loads(done.stdout)["seconds"] / len(values), 1000 * ours / len(values)


def main() -> None:
    parser = measuring.arguments(__doc__.splitlines()[0])
    parser.add_argument("--svg", type=Path)
    options = parser.parse_args()
    counts = (1000, 2000) if options.quick else (1000, 2000, 5000, 10_000, 20_000)
    columns = (
        "workloads", "first, s", "CPU s", "ms each", "again, s", "CPU s", "one fact changed: assessed", "CPU s", "bytes a verdict",
        "json-logic, ms each", "our conditions alone, ms each",
    )  # fmt: skip
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    series: dict[str, list[tuple[int, float]]] = {"first": [], "nothing changed": []}
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            workspace.create(Path(folder))
            shutil.copy(ROOT / "lab" / "platforms.yml", Path(folder) / "inventory" / "platforms.yml")
            space = workspace.find(Path(folder))
            fill(space, count)
            wall, cpu, kept = timed(lambda space=space: assess(space))
            wall2, cpu2, again = timed(lambda space=space: assess(space))
            one_changed(space)
            _, cpu3, changed = timed(lambda space=space: assess(space))
            assert (kept.assessed, again.assessed, changed.assessed) == (count, 0, 1)
            with space.open_catalogue().session() as session:
                size = func.avg(func.length(model.Verdict.reasons)) + func.avg(func.length(model.table(model.Verdict).c.summary))
                held = session.scalar(select(size))
            theirs, ours = peer(space)
        series["first"].append((count, cpu))
        series["nothing changed"].append((count, cpu2))
        print(
            f"| {count:,} | {wall:.2f} | {cpu:.2f} | {1000 * cpu / count:.2f} | {wall2:.2f} | {cpu2:.2f} | {changed.assessed} | {cpu3:.2f} "
            f"| {held:,.0f} | {theirs:.2f} | {ours:.2f} |",
            flush=True,
        )
    first, last = series["first"][0], series["first"][-1]
    print(f"\nCPU for each workload at {last[0]:,} ÷ at {first[0]:,}: {last[1] / last[0] / (first[1] / first[0]):.2f}")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if options.svg:
        options.svg.write_text(plot(series, "Assessing with all rules", "CPU s").replace(">hosts<", ">workloads<"))


if __name__ == "__main__":
    main()
