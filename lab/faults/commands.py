"""`lab/campaign`: rounds of moves under faults, and the table of what came of them."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from campuslab.layout import current

from faults import faults, table
from faults.rounds import Campaign
from faults.subject import Subject


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0, or 1 when a round was wrong."""
    parser = argparse.ArgumentParser(
        prog="lab/campaign", description="Moves on the lab, each struck by a fault, then carried to an end and looked at."
    )
    parser.add_argument("--seed", type=int, default=1, help="decides faults, moments and ways back (1)")
    parser.add_argument("--rounds", type=int, default=300, help="how many (300: every fault at every step, and as many random instants)")
    parser.add_argument("--skip", type=int, default=0, help="leave out so many of the schedule: to go on after an earlier campaign")
    parser.add_argument("--chain", type=int, default=1, help="strike each way so often, in as many steps, before it comes to its end (1)")
    parser.add_argument("--only", action="append", choices=sorted(faults.BY_NAME), help="only this fault; may be repeated")
    parser.add_argument("--results", type=Path, default=Path("campaign.jsonl"), help="where records go, one a line (campaign.jsonl)")
    parser.add_argument("--table", action="store_true", help="play nothing; print the table of what stands in RESULTS")
    parser.add_argument("--leave", action="store_true", help="leave lab and workspace as they are at the end")
    asked = parser.parse_args(arguments)
    if asked.table:
        print(table.markdown([json.loads(line) for line in asked.results.read_text(encoding="utf-8").splitlines()]))
        return 0
    if os.geteuid() != 0:
        parser.error("the lab needs root")
    lab = current()
    subject = Subject(lab, Path("/tmp") / f"campaign-{lab.name}")  # noqa: S108  (a mount of its own, for root alone)
    names = asked.only or [fault.name for fault in faults.EVERY]
    if shutil.which("cc") is None:
        names = [name for name in names if not name.startswith("clock")]
        print("there is no cc here, and without it no clock jumps (apt-get install gcc libc6-dev)", file=sys.stderr)
    campaign = Campaign(subject, asked.seed, names, asked.results.absolute(), asked.skip, asked.chain)
    wrong = 0
    try:
        campaign.begin()
        for _ in range(asked.rounds):
            record = campaign.play()
            wrong += record["outcome"] == "wrong"
            print(_line(record), flush=True)
    finally:
        if not asked.leave:
            subject.close()
    return 1 if wrong else 0


def _line(record: dict[str, object]) -> str:
    strikes = record["strikes"]
    details = (
        [f"{one['fault']} at {one['where']} ({one['during'] if one.get('struck') else 'not struck'})" for one in strikes]
        if isinstance(strikes, list)
        else []
    )
    problems = record["problems"]
    text = "".join(f"\n      {problem}" for problem in problems) if isinstance(problems, list) else ""
    struck = "; ".join(details)
    return (
        f"{record['round']:>4}  {record['way']:<8}{struck}; {record['recover']}: {record['outcome']}  {record.get('seconds', '')} s{text}"
    )
