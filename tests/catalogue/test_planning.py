"""A small generated campus on either engine: assessed, explained, planned, looked at, shifted, approved, and planned again."""

import json
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[2] / "lab"))

from generated import making, running, writing

DAYS = timedelta(days=14)


class Campus:
    """The workspace of a filled campus, and its commands."""

    def __init__(self, folder):
        self.run = running.Run(folder)
        self.space = folder / "workspace"

    def __call__(self, *words, code=0):
        phase = self.run.planner(words[0], *words, accepted=(code,))
        assert phase.status == code, f"{words}: {phase.status}\n{phase.output}\n{phase.said}"
        assert "Traceback" not in phase.said
        return phase

    def data(self, *words):
        return json.loads(self(*words, "--json").output)


@pytest.fixture
def campus(url, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "_CONFIGURATION", running._CONFIGURATION.replace("catalogue.db", url, 1))
    writing.write(making.make(11, 6, 24, 10), tmp_path)
    filled = running.run(tmp_path, str)
    assert filled.problems == []
    return Campus(tmp_path)


def test_the_whole_way(campus):
    plan = campus.data("plan", "show")
    assert plan["moves"] and plan["left"] and plan["hosts_free"]
    verdicts = {row["site"]: row for row in campus.data("assess")}
    move = next(one for one in plan["moves"] if one["schedule"] and not one["schedule"]["pilot"])

    # explained, with what would be if
    said = campus("explain", move["site"], "--evidence").output
    assert f"{move['placement']}: " in said and "← " in said
    assert len(campus("explain", move["site"], "--all").output) > len(campus("explain", move["site"]).output)
    secret = campus.data("explain", move["site"], "--what-if", "answer.state_secrets=true")
    assert {entry["state"] for entry in secret["placements"] if entry["placement"] in {"vps", "colocation"}} == {"ineligible"}
    rows = campus.data("assess", "--what-if", "answer.state_secrets=true")
    assert {row["site"] for row in rows} <= set(verdicts)
    assert "no value" in campus("explain", move["site"], "--what-if", "site.static=[", code=2).said
    assert "no rule asks for nothing.known" in campus("explain", move["site"], "--what-if", "nothing.known=1").said

    # looked at
    assert "Can be switched off" in campus("plan", "show").output or "Must be kept running" in campus("plan", "show").output
    assert f"{move['id']}: wave {move['wave']}" in campus("plan", "why", move["id"]).output
    stays = plan["left"][0]
    assert "does not move" in campus("plan", "why", stays["site"], code=5).said
    assert "no move nosuch" in campus("plan", "why", "nosuch", code=5).said
    campus("plan", "calendar", campus.space / "moves.ics")
    assert (campus.space / "moves.ics").read_bytes().count(b"BEGIN:VEVENT") >= len(plan["moves"])
    assert "moves nothing of the unit" in campus("plan", "calendar", "x.ics", "--unit", "nosuch", code=5).said

    # shifted; nothing is stored by that
    later = (date.fromisoformat(move["schedule"]["cutover"]) + DAYS).isoformat()
    effects = campus.data("plan", "shift", move["id"], later)
    assert {"move": move["id"], "from": move["schedule"]["cutover"], "to": later, "days": 14} in effects["moved"]
    assert "no date" in campus("plan", "shift", move["id"], "tomorrow", code=2).said
    assert "does not move" in campus("plan", "shift", stays["site"], later, code=5).said

    # approved; made anew of the same it is the same plan
    assert campus.data("plan")["fingerprint"] == plan["fingerprint"]
    campus("plan", "approve", "--by", "chen", "--despite", "a test")
    assert campus.data("plan")["fingerprint"] == plan["fingerprint"]

    # one decision more: it follows the approved plan, which it names, and only what must changes
    campus("plan", "override", move["id"], "--leave", "--by", "chen", "--why", "not this year")
    again = campus.data("plan")
    assert again["follows"] == plan["id"]
    before = {one["id"]: one for one in plan["moves"]}
    tied = next(group["moves"] for group in plan["groups"] if move["id"] in group["moves"])
    kept = [one for one in again["moves"] if one["id"] in before and one["id"] not in tied]
    assert len(kept) == len(again["moves"]) == len(plan["moves"]) - len(tied)
    for one in kept:
        assert one["destination"]["platform"] == before[one["id"]]["destination"]["platform"]
        assert (one["schedule"] or {}).get("cutover") == (before[one["id"]]["schedule"] or {}).get("cutover")
    assert "moves no longer" in campus("plan", "diff").output
    assert campus.data("plan")["fingerprint"] == again["fingerprint"]
    assert campus.data("plan", "--afresh")["follows"] == ""

    # what stands in the file is what was said
    assert yaml.safe_load((campus.space / "plans" / plan["id"] / "plan.yml").read_text(encoding="utf-8")) == plan
