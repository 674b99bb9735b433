"""The main job on real hosts, as a user runs it: register, trust, discover, assess, plan, verify; and everything that goes wrong.

Needs root: the lab's hosts are systemd machines in namespaces.  `tests/run.sh` runs it; `pytest -m e2e` does, too.
"""

import json
import re
import sqlite3
import zlib
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e
HOSTS = ("ns1", "hist", "phys", "odd", "locked", "hang", "flood", "mute", "nosudo")
TREE = "find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /var/log -o -path /tmp -o -path /var/lib/mysql -o -path /dev \\) -prune -o -printf '%p %y %s %T@ %m %u\\n' | sort"


@pytest.fixture(scope="module")
def discovered(campus, space):
    return json.loads(campus.planner(space, "discover", "hist", "phys", "odd", "--json").stdout)


def test_every_host_is_read_and_every_site_found(campus, discovered, space):
    assert {row["host"]: row["outcome"] for row in discovered["hosts"]} == {"hist": "ok", "phys": "ok", "odd": "ok"}
    sites = {row["site"]: row for row in json.loads(campus.planner(space, "sites", "--json").stdout)}
    assert {name: row["status"] for name, row in sites.items()} == {
        "www.hist.campus.test": "both", "www.phys.campus.test": "both", "events.phys.campus.test": "both", "odd.campus.test": "both",
        "conf2009.phys.campus.test": "undeclared", "museum.hist.campus.test": "missing",
    }  # fmt: skip
    history, events = sites["www.hist.campus.test"], sites["events.phys.campus.test"]
    assert (history["application"], history["version"][:3], history["database"]) == ("WordPress", "5.7", "wp_hist")
    assert history["requests_per_day"] > 10
    assert (events["application"], events["database"], events["unit"]) == ("PHP application", "physevents", "phys")
    assert sites["www.phys.campus.test"]["files"] > 500


def test_values_lead_to_their_raw_lines(campus, discovered, space):
    shown = json.loads(campus.planner(space, "show", "events.phys.campus.test", "--evidence", "--json").stdout)["facts"]
    assert shown["database.definers"]["value"] == ["physadmin@localhost"]
    assert shown["database.proofs"]["value"] == ["configuration", "database list", "grant of its user"]
    assert shown["site.php_version"]["value"] == "8.2"
    assert shown["site.web_user"]["value"] == "physweb"
    assert re.search(r"phys, .*, root, nginx:\d+: \|server", shown["site.docroot"]["lines"][0])


def test_no_password_of_a_source_is_kept(campus, discovered, space):
    book = sqlite3.connect(space / "catalogue.db")
    transcripts = [zlib.decompress(row[0]) for row in book.execute("select transcript from snapshot")]
    book.close()
    files = [path.read_bytes() for path in space.rglob("*") if path.is_file()]
    assert transcripts
    assert not [secret for secret in campus.secrets for text in (*transcripts, *files) if secret in text]


def test_discovery_changes_nothing_on_a_host(campus, discovered, space):
    before = campus.lab("exec", "hist", "sh", "-c", TREE).stdout.splitlines()
    campus.planner(space, "discover", "hist")
    after = campus.lab("exec", "hist", "sh", "-c", TREE).stdout.splitlines()
    assert len(before) > 10000
    assert set(before) ^ set(after) == set()


def test_verdicts_and_plan_are_reasoned_and_the_same_each_time(campus, discovered, space):
    verdicts = {row["site"]: row["verdict"] for row in json.loads(campus.planner(space, "assess", "--json").stdout)}
    assert verdicts["www.hist.campus.test"] == verdicts["events.phys.campus.test"] == "virtual-host"
    assert verdicts["www.phys.campus.test"] == verdicts["odd.campus.test"] == "site-cluster"
    said = campus.planner(space, "explain", "www.hist.campus.test").stdout
    assert "It runs on PHP 7.4 today" in said
    one = campus.planner(space, "plan", "--json", PYTHONHASHSEED="1").stdout
    assert one == campus.planner(space, "plan", "--json", PYTHONHASHSEED="2", LC_ALL="C").stdout
    plan = json.loads(one)
    assert verdicts["conf2009.phys.campus.test"] == "retire"
    moves = {move["site"]: move for move in plan["moves"]}
    assert sorted(moves) == sorted(set(verdicts) - {"museum.hist.campus.test"})
    assert [entry["why"] for entry in plan["left"]] == ["it is declared, but was found on no host"]
    old = moves["conf2009.phys.campus.test"]
    assert (old["carried_out"], {gate["rule"] for gate in old["gates"]}) == ("by hand", {"retire-sign-off", "undeclared"})
    assert {name: move["carried_out"] for name, move in moves.items() if move is not old} == dict.fromkeys(
        moves.keys() - {old["site"]}, "planner"
    )
    assert all(move["schedule"] and not move["gates"] for move in moves.values() if move is not old)
    folder = space / "plans" / plan["id"]
    changed = (folder / "plan.yml").read_text().replace("virtual-host", "site-cluster")
    (folder / "plan.yml").write_text(changed)
    assert "fingerprint does not match" in campus.planner(space, "generate", code=7).stderr  # `plan show` shows what was made


def test_hostile_text_is_carried_as_text(campus, discovered, space):
    facts = json.loads(campus.planner(space, "show", "odd.campus.test", "--json").stdout)["facts"]
    assert facts["site.docroot"]["value"].startswith("/var/www/{{ lookup('pipe','touch /tmp/x') }}")
    assert facts["site.odd_names"]["value"] == ["{{ lookup('pipe','touch /tmp/x') }}"]
    assert facts["content.files"]["value"] == 2
    assert campus.lab("exec", "odd", "ls", "/tmp/x", check=False).returncode != 0
    assert not Path("/tmp/x").exists()


def test_a_site_equals_itself_and_no_other(campus, discovered, space):
    same = json.loads(campus.planner(space, "verify", "www.phys.campus.test", "--at", "198.51.100.12", "--pages", "100", "--json").stdout)
    assert same["verdict"] == "equal"
    assert same["counts"]["equal"] >= 90
    other = campus.planner(space, "verify", "www.phys.campus.test", "--at", "198.51.100.11", "--pages", "20", "--json", code=9)
    assert json.loads(other.stdout)["verdict"] == "different"


def test_bad_hosts_are_classified_and_stop_nobody(campus, discovered, space):
    campus.planner(
        space,
        "hosts",
        "add",
        "locked=198.51.100.21",
        "hang=198.51.100.22",
        "flood=198.51.100.23",
        "mute=198.51.100.24",
        "nosudo=198.51.100.25",
        "dead=198.51.100.29",
        "stranger=198.51.100.53",
    )
    campus.planner(
        space, "hosts", "trust", "locked", "hang", "flood", "mute", "nosudo", "--known-hosts", campus.lab("known-hosts").stdout.strip()
    )
    hosts = json.loads(campus.planner(space, "discover", "--json").stdout)["hosts"]
    assert {row["host"]: row["outcome"] for row in hosts} == {  # on a failure, `hosts` says each one's detail
        "hist": "ok", "phys": "ok", "odd": "ok", "locked": "auth", "hang": "timeout", "flood": "partial", "mute": "timeout", "nosudo": "partial",
        "dead": "unreachable", "stranger": "host key unknown",
    }  # fmt: skip


def test_a_changed_host_key_always_stops(campus, discovered, space):
    campus.lab(
        "exec",
        "odd",
        "sh",
        "-c",
        "rm /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; systemctl restart ssh",
    )
    row = json.loads(campus.planner(space, "discover", "odd", "--json", code=6).stdout)["hosts"][0]
    assert row["outcome"] == "host key changed"
    sites = {item["site"] for item in json.loads(campus.planner(space, "sites", "--json").stdout)}
    assert "odd.campus.test" in sites, "what was known before is kept"


def test_errors_say_what_where_and_what_to_do(campus, space, tmp_path):
    assert "198.51.101.1 lies outside the scope" in campus.planner(space, "hosts", "add", "x=198.51.101.1", code=2).stderr
    assert "sites there" in campus.planner(space, "show", "nobody.x.edu", code=5).stderr
    assert "planner init" in campus.planner(tmp_path, "sites", code=3).stderr
