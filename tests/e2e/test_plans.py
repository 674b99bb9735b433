"""A plan on real hosts: groups and dates, approval, a change on a source that makes it stale, a gate that holds one move while the others go.

One story, in order; the moves themselves are tests/e2e/test_moves.py's.
"""

import json
import subprocess
import time

import pytest

pytestmark = pytest.mark.e2e
HOSTS = ("ns1", "odd", "arch", "vh1", "front", "node1", "node2")
SHEETS = ("units.yml", "servers.csv", "sites.csv", "more-servers.csv", "more-sites.csv")


def status(campus, space):
    return {row["move"]: row for row in json.loads(campus.planner(space, "status", "--json").stdout)}


@pytest.fixture(scope="module")
def desk(campus, tmp_path_factory):
    return campus.workspace(tmp_path_factory.mktemp("plans"), ["odd", "arch", "vh1", "front", "node1", "node2"], SHEETS)


@pytest.fixture(scope="module")
def first(campus, desk):
    campus.lab("exec", "odd", "mv", "/usr/bin/rsync", "/usr/bin/rsync.away")  # a source that has only tar
    hosts = json.loads(campus.planner(desk, "discover", "odd", "arch", "--json").stdout)["hosts"]
    assert {row["host"]: row["outcome"] for row in hosts} == {"odd": "ok", "arch": "ok"}, "half a visit gives no verdicts"
    campus.planner(desk, "assess")
    return json.loads(campus.planner(desk, "plan", "--json").stdout)


def test_every_move_has_a_date_a_place_and_a_reason(campus, desk, first):
    assert first["problems"] == []
    nights = {}
    for move in first["moves"]:
        assert move["schedule"]["start"] <= move["schedule"]["cutover"] < move["schedule"]["end"]
        assert move["schedule"]["cutover"] > first["first_day"]
        assert move["why_not_earlier"], "the TTL alone needs a day"
        nights[move["schedule"]["cutover"]] = nights.get(move["schedule"]["cutover"], 0) + 1
    assert max(nights.values()) <= 4, "calendar.yml says so"
    places = {"site-cluster": "cluster", "virtual-host": "vh1", "retire": ""}
    assert all(move["destination"]["platform"] == places[move["placement"]] for move in first["moves"])


def test_sites_with_one_database_move_together_and_by_people(campus, desk, first):
    moves = {move["site"]: move for move in first["moves"]}
    law, alumni = moves["law.campus.test"], moves["alumni.campus.test"]
    assert law["group"] == alumni["group"]
    assert law["schedule"]["cutover"] == alumni["schedule"]["cutover"]
    said = campus.planner(desk, "plan", "why", "law.campus.test").stdout
    assert "Together with alumni-campus-test" in said
    assert "both use the database shared on arch" in said
    assert law["carried_out"] == alumni["carried_out"] == "by hand"
    assert "shares its database with" in law["note"]


def test_only_what_is_approved_runs(campus, desk, first):
    campus.planner(desk, "generate")
    assert "nobody has approved" in campus.planner(desk, "run", "--yes", "--any-time", "a lab has no nights", code=7).stderr
    campus.planner(desk, "plan", "approve", "--by", "the head of operations")


def test_a_change_on_a_source_makes_the_plan_stale(campus, desk, first):
    change = "sed -i 's/server_name odd.campus.test/server_name odd.campus.test chemistry.campus.test/' /etc/nginx/sites-available/odd"
    campus.lab("exec", "odd", "sh", "-c", f"{change} && nginx -t && systemctl reload nginx")
    campus.planner(desk, "discover", "odd")
    refused = campus.planner(desk, "run", "--yes", "--any-time", "a lab has no nights", code=7).stderr
    assert f"{first['id']} is not of today" in refused
    assert "odd-campus-test: site.names was" in refused
    assert "chemistry.campus.test" in refused
    assert "is not of today" in campus.planner(desk, "plan", "approve", code=7).stderr
    campus.planner(desk, "plan")
    said = campus.planner(desk, "plan", "diff", first["id"]).stdout
    assert "chemistry.campus.test" in said


@pytest.fixture(scope="module")
def approved(campus, desk, first):
    campus.planner(desk, "generate")
    campus.planner(desk, "plan", "approve", "--by", "the head of operations")


ODD = ("--move", "odd-campus-test")
BY_DAY = ("--any-time", "a lab has no nights")


def test_a_run_keeps_to_the_night_and_waits_for_a_word(campus, desk, approved):
    assert "0 problems" in campus.planner(desk, "preflight", *ODD).stderr
    early = json.loads(campus.planner(desk, "run", "--unattended", *ODD, "--json").stdout)
    assert early["carried"] == early["failed"] == []
    assert "its night is" in early["held"][0] or "its preparation begins on" in early["held"][0]
    assert status(campus, desk)["odd-campus-test"]["steps"]["freeze"] == "waiting"
    unsaid = campus.planner(desk, "run", "--unattended", *ODD, *BY_DAY).stderr
    assert "odd-campus-test: freeze: freeze and cutover need a go-ahead: planner plan go odd-campus-test --by NAME" in unsaid
    assert status(campus, desk)["odd-campus-test"]["next"] == "freeze", "it is prepared"


def test_a_rehearsal_copies_and_compares_while_the_source_is_in_use(campus, desk, approved):
    (row,) = json.loads(campus.planner(desk, "rehearse", *ODD, *BY_DAY, "--json").stdout)
    assert (row["verdict"], row["frozen"]) == ("equal", None), "no move was carried out here, so nothing can be predicted"
    assert row["sync"] > 0
    assert status(campus, desk)["odd-campus-test"]["next"] == "freeze"
    assert campus.ctl("dig", "+short", "odd.campus.test").split() == ["198.51.100.14"]
    written = 'cd "$(dirname "$(find /var/www -name index.html | head -n 1)")" && touch written && rm written'
    campus.lab("exec", "odd", "sh", "-c", written)  # fails where the docroot is frozen


def test_of_two_planners_one_works_and_the_other_says_who_holds_it(campus, desk, approved):
    campus.planner(desk, "plan", "go", "odd-campus-test", "--by", "Chen Wei")
    words = campus.command("run", "--unattended", *ODD, *BY_DAY)
    with subprocess.Popen(words, cwd=desk, env=campus.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as working:
        until = time.monotonic() + 60
        while not status(campus, desk)["odd-campus-test"]["working"]:
            assert time.monotonic() < until, "the first run never began"
            assert working.poll() is None, working.stderr.read()
        refused = campus.planner(desk, "run", "--yes", *ODD, *BY_DAY, code=10).stderr
        back = campus.planner(desk, "rollback", "odd-campus-test", "--yes", code=10).stderr
        said = working.communicate(timeout=300)[1]
    assert "odd-campus-test is held by root on " in refused
    assert "is held by root on " in back
    assert working.returncode == 0, said
    now = status(campus, desk)["odd-campus-test"]
    assert (now["state"], now["working"]) == ("done", "")
    known = json.loads(campus.planner(desk, "calibrate", "--json").stdout)["moves"]
    assert next(one for one in known if one["move"] == "odd-campus-test")["frozen"] > 0


def test_what_was_said_and_done_stands_in_the_log(campus, desk, approved):
    lines = json.loads(campus.planner(desk, "log", "--json").stdout)
    commands = [line for line in lines if line["action"] == "command"]
    assert ["plan", "go", "odd-campus-test", "--by", "Chen Wei"] in [line["detail"]["words"] for line in commands]
    assert {7, 10} <= {line["detail"]["exit_code"] for line in commands}, "what was refused stands there, too"
    runs = [line for line in lines if line["action"] == "run"]
    assert all(line["detail"]["any_time"] == "a lab has no nights" for line in runs[1:])
    steps = [line["subject"] for line in lines if line["action"] == "done" and line["subject"].startswith("odd-campus-test")]
    assert steps.count("odd-campus-test cutover") == 1
    assert "odd-campus-test rehearsal" in steps


def test_a_gate_holds_one_move_and_the_others_go(campus, desk, approved):
    refused = campus.planner(
        desk, "run", "--yes", "--any-time", "a lab has no nights", "--move", "tools.archives.campus.test", code=7
    ).stderr
    assert "the gate undeclared is not settled" in refused
    run = campus.planner(desk, "run", "--yes", "--any-time", "a lab has no nights")
    (held,) = (line for line in run.stderr.splitlines() if line.startswith("tools-archives-campus-test: "))
    assert "the gate undeclared is not settled" in held
    now = status(campus, desk)
    assert {name: now[name]["state"] for name in ("odd-campus-test", "geo-campus-test")} == dict.fromkeys(
        ("odd-campus-test", "geo-campus-test"), "done"
    )
    assert now["tools-archives-campus-test"]["state"] == "waiting"
    assert any("infection-likely" in reason for reason in now["tools-archives-campus-test"]["held"])
    assert campus.ctl("dig", "+short", "geo.campus.test").split() == ["198.51.100.110"]
    assert "Geography" in campus.ctl("curl", "-s", "http://geo.campus.test/")
    for rule in ("undeclared", "infection-likely"):
        campus.planner(
            desk, "plan", "settle", "tools.archives.campus.test", rule, "--by", "Ma Yan", "--why", "looked at, and declared by letter"
        )
    assert status(campus, desk)["tools-archives-campus-test"]["held"] == []


def test_a_visit_after_the_move_changes_nothing_about_it(campus, desk, first):
    campus.planner(desk, "discover", "odd", "arch")
    plan = json.loads(campus.planner(desk, "plan", "--json").stdout)
    left = {entry["site"]: entry["why"] for entry in plan["left"]}
    for site in ("odd.campus.test", "geo.campus.test"):
        assert "has moved it on" in left[site], "what is moved is not moved again"
    assert "clubs.campus.test" in {move["site"] for move in plan["moves"]}
