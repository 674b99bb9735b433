"""The main job on real hosts, as a user runs it: register, trust, discover, assess, plan, verify; and everything that goes wrong.

Needs root: the lab's hosts are systemd machines in namespaces.  `tests/run.sh` runs it; `pytest -m e2e` does, too.
"""

import json
import os
import re
import sqlite3
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
NAME = f"test{os.getpid()}"
SECRETS = [b"hist-Secret-7f3a", b"admin-Secret-91bc", b"phys-Secret-55de"]
TREE = "find / -xdev \\( -path /proc -o -path /sys -o -path /run -o -path /var/log -o -path /tmp -o -path /var/lib/mysql -o -path /dev \\) -prune -o -printf '%p %y %s %T@ %m %u\\n' | sort"


def lab(*words, check=True, **options):
    environment = {**os.environ, "LAB_NAME": NAME}
    return subprocess.run([ROOT / "lab/lab", *words], env=environment, capture_output=True, text=True, check=check, **options)


@pytest.fixture(scope="module")
def campus():
    if os.geteuid() != 0:
        pytest.fail("the end-to-end tests need root: run the unit tests alone with `pytest`")
    lab("up")
    lab("up", "locked", "hang", "flood", "nosudo")
    yield
    lab("down")
    left = subprocess.run(["ps", "ax", "-o", "args"], capture_output=True, text=True, check=True).stdout
    assert f"campus-lab/{NAME}" not in left
    assert not list(Path("/sys/fs/cgroup").glob(f"**/lab-{NAME}"))


@pytest.fixture(scope="module")
def space(campus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("workspace")
    planner(folder, "init", folder)
    key = lab("key").stdout.strip()
    (folder / "planner.yml").write_text(
        f"ssh: {{user: ops, key_files: [{key}], agent: false, command_seconds: 40}}\nscope: {{allow: [198.51.100.0/24]}}\n"
    )
    (folder / "inventory/platforms.yml").write_text((ROOT / "lab/platforms.yml").read_text())
    register = [ROOT / "lab/register" / name for name in ("units.yml", "servers.csv", "sites.csv")]
    planner(folder, "register", "import", *register)
    planner(folder, "hosts", "trust", "--known-hosts", lab("known-hosts").stdout.strip())
    return folder


@pytest.fixture(scope="module")
def discovered(space):
    return json.loads(planner(space, "discover", "hist", "phys", "odd", "--json").stdout)


def planner(folder, *words, code=0, **environment):
    result = subprocess.run(
        [ROOT / "lab/lab", "ctl", "--", sys.executable, "-m", "planner", *map(str, words)],
        cwd=folder, env={**os.environ, "LAB_NAME": NAME, "PYTHONPATH": str(ROOT), **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == code, f"{words}: {result.returncode}\n{result.stdout}\n{result.stderr}"
    assert "Traceback" not in result.stderr
    return result


def test_every_host_is_read_and_every_site_found(discovered, space):
    assert {row["host"]: row["outcome"] for row in discovered["hosts"]} == {"hist": "ok", "phys": "ok", "odd": "ok"}
    sites = {row["site"]: row for row in json.loads(planner(space, "sites", "--json").stdout)}
    assert {name: row["status"] for name, row in sites.items()} == {
        "www.hist.campus.test": "both", "www.phys.campus.test": "both", "events.phys.campus.test": "both", "odd.campus.test": "both",
        "conf2009.phys.campus.test": "undeclared", "museum.hist.campus.test": "missing",
    }  # fmt: skip
    history, events = sites["www.hist.campus.test"], sites["events.phys.campus.test"]
    assert (history["application"], history["version"][:3], history["database"]) == ("WordPress", "5.7", "wp_hist")
    assert history["requests_per_day"] > 10
    assert (events["application"], events["database"], events["unit"]) == ("PHP application", "physevents", "phys")
    assert sites["www.phys.campus.test"]["files"] > 500


def test_values_lead_to_their_raw_lines(discovered, space):
    shown = json.loads(planner(space, "show", "events.phys.campus.test", "--evidence", "--json").stdout)["facts"]
    assert shown["database.definers"]["value"] == ["physadmin@localhost"]
    assert shown["database.proofs"]["value"] == ["configuration", "database list", "grant of its user"]
    assert shown["site.php_version"]["value"] == "8.2"
    assert shown["site.web_user"]["value"] == "physweb"
    assert re.search(r"phys, .*, root, nginx:\d+: \|server", shown["site.docroot"]["lines"][0])


def test_no_password_of_a_source_is_kept(discovered, space):
    book = sqlite3.connect(space / "catalogue.db")
    transcripts = [zlib.decompress(row[0]) for row in book.execute("select transcript from snapshot")]
    book.close()
    files = [path.read_bytes() for path in space.rglob("*") if path.is_file()]
    assert transcripts
    assert not [secret for secret in SECRETS for text in (*transcripts, *files) if secret in text]


def test_discovery_changes_nothing_on_a_host(discovered, space):
    before = lab("exec", "hist", "sh", "-c", TREE).stdout.splitlines()
    planner(space, "discover", "hist")
    after = lab("exec", "hist", "sh", "-c", TREE).stdout.splitlines()
    assert len(before) > 10000
    assert set(before) ^ set(after) == set()


def test_verdicts_and_plan_are_reasoned_and_the_same_each_time(discovered, space):
    verdicts = {row["site"]: row["verdict"] for row in json.loads(planner(space, "assess", "--json").stdout)}
    assert verdicts["www.hist.campus.test"] == verdicts["events.phys.campus.test"] == "virtual-host"
    assert verdicts["www.phys.campus.test"] == verdicts["odd.campus.test"] == "site-cluster"
    said = planner(space, "explain", "www.hist.campus.test").stdout
    assert "It runs on PHP 7.4 today" in said
    one = planner(space, "plan", "--json", PYTHONHASHSEED="1").stdout
    assert one == planner(space, "plan", "--json", PYTHONHASHSEED="2", LC_ALL="C").stdout
    plan = json.loads(one)
    assert sorted(move["site"] for move in plan["moves"]) == sorted(set(verdicts) - {"conf2009.phys.campus.test"})
    assert {entry["site"] for entry in plan["left"]} == {"conf2009.phys.campus.test", "museum.hist.campus.test"}
    folder = space / "plans" / plan["id"]
    changed = (folder / "plan.yml").read_text().replace("virtual-host", "site-cluster")
    (folder / "plan.yml").write_text(changed)
    assert "fingerprint does not match" in planner(space, "plan", "show", code=7).stderr


def test_hostile_text_is_carried_as_text(discovered, space):
    facts = json.loads(planner(space, "show", "odd.campus.test", "--json").stdout)["facts"]
    assert facts["site.docroot"]["value"].startswith("/var/www/{{ lookup('pipe','touch /tmp/x') }}")
    assert facts["site.odd_names"]["value"] == ["{{ lookup('pipe','touch /tmp/x') }}"]
    assert facts["content.files"]["value"] == 2
    assert lab("exec", "odd", "ls", "/tmp/x", check=False).returncode != 0
    assert not Path("/tmp/x").exists()


def test_a_site_equals_itself_and_no_other(discovered, space):
    same = json.loads(planner(space, "verify", "www.phys.campus.test", "--at", "198.51.100.12", "--pages", "100", "--json").stdout)
    assert same["verdict"] == "equal"
    assert same["counts"]["equal"] >= 90
    other = planner(space, "verify", "www.phys.campus.test", "--at", "198.51.100.11", "--pages", "20", "--json", code=9)
    assert json.loads(other.stdout)["verdict"] == "different"


def test_bad_hosts_are_classified_and_stop_nobody(discovered, space):
    planner(
        space,
        "hosts",
        "add",
        "locked=198.51.100.21",
        "hang=198.51.100.22",
        "flood=198.51.100.23",
        "nosudo=198.51.100.25",
        "dead=198.51.100.29",
        "stranger=198.51.100.53",
    )
    planner(space, "hosts", "trust", "locked", "hang", "flood", "nosudo", "--known-hosts", lab("known-hosts").stdout.strip())
    hosts = json.loads(planner(space, "discover", "--json").stdout)["hosts"]
    assert {row["host"]: row["outcome"] for row in hosts} == {  # on a failure, `hosts` says each one's detail
        "hist": "ok", "phys": "ok", "odd": "ok", "locked": "auth", "hang": "timeout", "flood": "partial", "nosudo": "partial",
        "dead": "unreachable", "stranger": "host key unknown",
    }  # fmt: skip


def test_a_changed_host_key_always_stops(discovered, space):
    lab(
        "exec",
        "odd",
        "sh",
        "-c",
        "rm /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key; systemctl restart ssh",
    )
    row = json.loads(planner(space, "discover", "odd", "--json", code=6).stdout)["hosts"][0]
    assert row["outcome"] == "host key changed"
    sites = {item["site"] for item in json.loads(planner(space, "sites", "--json").stdout)}
    assert "odd.campus.test" in sites, "what was known before is kept"


def test_errors_say_what_where_and_what_to_do(space, tmp_path):
    assert "198.51.101.1 lies outside the scope" in planner(space, "hosts", "add", "x=198.51.101.1", code=2).stderr
    assert "sites there" in planner(space, "show", "nobody.x.edu", code=5).stderr
    assert "planner init" in planner(tmp_path, "sites", code=3).stderr
