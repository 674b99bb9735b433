"""Two sites are closed on real hosts: one that nobody has touched since 2009, with a page that says 410, and an application with a
database whose content was merged into another site, with a redirect.  Nothing goes before its owner has signed; both are taken back at last.
One story: the tests look at what it left, in order.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e
HOSTS = ("ns1", "phys", "vh1", "front", "node1")
ZOMBIE, MERGED = "conf2009-phys-campus-test", "events-phys-campus-test"
SHEET = "单位,网站名称,域名,服务器,用途,负责人\n物理学院,2009会议,conf2009.phys.campus.test,phys,学术会议,赵敏\n"
FOLDERS = "/var/www/conf2009 /var/www/events"


def source(campus):
    """All that the old host has of both sites: files with sums, owners, modes and times; tables with sums; who may write."""
    look = (
        f"cd / && find {FOLDERS} -type f -printf '%p %U %G %m %T@\\n' -exec sha256sum {{}} + | sort;"
        'for t in event log; do mariadb -N physevents -e "checksum table $t"; done;'
        "mariadb -N -e \"show grants for physevents@localhost; select event_name, status from information_schema.events\" | sed 's/BY PASSWORD.*//'"
    )
    return campus.lab("exec", "phys", "sh", "-c", look).stdout


def status(campus, space):
    return {row["move"]: row for row in json.loads(campus.planner(space, "status", "--json").stdout)}


@pytest.fixture(scope="module")
def before(campus, space):
    install = "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q mariadb-server"
    campus.lab("exec", "vh1", "sh", "-c", install)  # the archive restores dumps where it has a MariaDB
    pages = {url: campus.asked(url) for url in ("http://conf2009.phys.campus.test/", "http://events.phys.campus.test/")}
    assert [status for status, _, _ in pages.values()] == [200, 200]
    return {"source": source(campus), "pages": pages}


@pytest.fixture(scope="module")
def planned(campus, space, before):
    (space / "more.csv").write_text(SHEET)
    campus.planner(space, "register", "import", space / "more.csv")
    platforms = space / "inventory/platforms.yml"
    text = platforms.read_text().replace(", {name: node2, address: 198.51.100.112}", "")
    text += "archive: {name: vh1, address: 198.51.100.101, keep_years: 5}\ngone: {contact: '网络中心 <nic@campus.test> 50%'}\n"
    platforms.write_text(text)
    campus.planner(space, "discover", "phys")
    for question, answer in (("still_needed", "no"), ("merged_into", "www.phys.campus.test/*"), ("owner_agrees_to_retire", "yes")):
        campus.planner(space, "questions", "answer", "events.phys.campus.test", question, answer, "--by", "Zhao Min")
    # a log of a few days proves no disuse: whether it is needed still, is its unit's to say
    campus.planner(space, "questions", "answer", "conf2009.phys.campus.test", "still_needed", "no", "--by", "Zhao Min")
    verdicts = {row["site"]: row["verdict"] for row in json.loads(campus.planner(space, "assess", "--json").stdout)}
    assert verdicts["conf2009.phys.campus.test"] == verdicts["events.phys.campus.test"] == "retire"
    plan = json.loads(campus.planner(space, "plan", "--json").stdout)
    campus.planner(space, "generate")
    campus.planner(space, "plan", "approve", "--by", "the lab", "--despite", "this is a lab")
    return plan


@pytest.fixture(scope="module")
def closed(campus, space, planned):
    campus.planner(space, "plan", "agree", ZOMBIE, "--silence", "--by", "the lab")
    refused = campus.planner(space, "run", "--yes", "--any-time", "a lab has no nights", "--move", ZOMBIE, code=7).stderr
    assert "its owner has not signed (silence)" in refused
    assert status(campus, space)[ZOMBIE]["done"] == 0, "nothing was begun"
    for move in (ZOMBIE, MERGED):
        campus.planner(space, "plan", "agree", move, "--unit-agrees", "--by", "Zhao Min")
    return campus.planner(space, "run", "--yes", "--any-time", "a lab has no nights", "--move", ZOMBIE, "--move", MERGED)


def test_the_plan_says_how_each_is_closed(space, planned):
    moves = {move["id"]: move for move in planned["moves"]}
    assert {moves[name]["carried_out"] for name in (ZOMBIE, MERGED)} == {"planner"}
    assert moves[ZOMBIE]["steps"][0] == "sign-off"
    assert moves[ZOMBIE]["steps"][-1] == "decommission"
    assert moves[ZOMBIE]["retirement"]["redirect"] == ""
    assert (moves[MERGED]["retirement"]["redirect"], moves[MERGED]["retirement"]["keep_path"]) == ("http://www.phys.campus.test", True)
    night = moves[ZOMBIE]["schedule"]["cutover"]
    assert moves[ZOMBIE]["retirement"]["keep_until"] == f"{int(night[:4]) + 5}{night[4:]}"
    checklist = (space / "plans" / planned["id"] / "bundle/moves" / ZOMBIE / "CHECKLIST.md").read_text()
    assert moves[ZOMBIE]["retirement"]["wipe_from"] in checklist
    assert "ICP 备案" in checklist


def test_names_are_answered_by_the_front_and_the_old_host_serves_nothing(campus, closed):
    assert campus.ctl("dig", "+short", "conf2009.phys.campus.test", "events.phys.campus.test").split() == ["198.51.100.110"] * 2
    code, _, page = campus.asked("http://conf2009.phys.campus.test/program.html")
    assert code == 410
    for said in (
        "网站已关停",
        "This site has been closed",
        "<code>conf2009.phys.campus.test</code>",
        "网络中心 &lt;nic@campus.test&gt; 50%",
    ):
        assert said in page
    assert campus.asked("http://events.phys.campus.test/a/b?c=1")[:2] == (301, "http://www.phys.campus.test/a/b?c=1")
    assert campus.asked("http://www.phys.campus.test/")[0] == 200, "the rest of the host is served as before"
    for name in ("conf2009", "events"):
        old = campus.asked("http://198.51.100.12/", "-H", f"Host: {name}.phys.campus.test")
        assert (old[0], "mysite" in old[2]) == (410, False)


def test_the_archive_equals_the_source_and_the_source_lost_nothing(campus, before, closed):
    assert re.search(r"verify +done .*: 3 files of \d+ bytes are equal at the source and in the archive", closed.stderr)
    assert "the dump was restored into a scratch schema: 2 tables" in closed.stderr
    archive = "cd /srv/archive/{} && sha256sum -c --quiet SHA256SUMS && mkdir /tmp/{} && tar --same-owner -xpzf files.tar.gz -C /tmp/{}"
    for name, folder in ((ZOMBIE, "/var/www/conf2009"), (MERGED, "/var/www/events")):
        campus.lab("exec", "vh1", "sh", "-c", archive.format(name, name, name))
        listing = "cd {} && find . -type f -printf '%p %U %G %m %TY-%Tm-%Td %TT\\n' -exec sha256sum {{}} + | sed 's/[.][0-9]*$//' | sort"
        restored = campus.lab("exec", "vh1", "sh", "-c", listing.format(f"/tmp/{name}")).stdout
        there = campus.lab("exec", "phys", "sh", "-c", listing.format(folder)).stdout
        assert restored == there
        assert restored.count("\n") >= 4
    index = json.loads(campus.lab("exec", "vh1", "cat", f"/srv/archive/{ZOMBIE}/static/index.json").stdout)
    assert {page["url"] for page in index["pages"] if page.get("status") == 200} >= {"/", "/program.html", "/travel.html"}
    assert campus.lab("exec", "vh1", "stat", "-c", "%a %U", "/srv/archive", f"/srv/archive/{ZOMBIE}").stdout.split() == ["700", "root"] * 2
    left = campus.lab(
        "exec", "vh1", "mariadb", "-N", "-e", "show databases like 'planner%'; select user from mysql.user where user like 'planner%'"
    )
    assert left.stdout == ""
    now = source(campus)
    assert [line for line in now.splitlines() if "/var/www/" in line] == [
        line for line in before["source"].splitlines() if "/var/www/" in line
    ]
    assert [line for line in now.splitlines() if line.startswith("physevents.")] == [
        line for line in before["source"].splitlines() if line.startswith("physevents.")
    ]


def test_a_second_run_changes_nothing_and_no_key_or_secret_stays(campus, space, closed):
    assert (
        "nothing to do"
        in campus.planner(space, "run", "--yes", "--any-time", "a lab has no nights", "--move", ZOMBIE, "--move", MERGED).stdout
    )
    would = json.loads(campus.planner(space, "drift", "--json").stdout)
    assert {row["move"]: (row["would_change"], row["trouble"]) for row in would} == {name: ([], "") for name in (ZOMBIE, MERGED)}
    playbook = [sys.executable, campus.root / "lab/lab", "ctl", "--", Path(sys.executable).parent / "ansible-playbook"]
    environment = {**campus.environment, "ANSIBLE_LOCALHOST_WARNING": "False"}
    folder = next((space / "plans").glob("*/bundle/moves")).parent
    for words in ((f"moves/{ZOMBIE}/90-decommission.yml",), (f"moves/{MERGED}/90-decommission.yml", "--check")):
        done = subprocess.run([*playbook, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "changed=0" in done.stdout
    assert "planner-move" not in campus.lab("exec", "phys", "cat", "/home/ops/.ssh/authorized_keys").stdout
    assert campus.lab("exec", "vh1", "sh", "-c", "ls /var/lib/moves/*/id_ed25519", check=False).returncode != 0
    assert not [path for path in space.rglob("*") if path.is_file() for secret in campus.secrets if secret in path.read_bytes()]


def test_a_rollback_brings_both_back_as_they_were_and_keeps_the_archive(campus, space, before, closed):
    for move in (ZOMBIE, MERGED):
        said = campus.planner(space, "rollback", move, "--yes").stdout
        assert "is served by phys" in said
    assert campus.ctl("dig", "+short", "conf2009.phys.campus.test", "events.phys.campus.test").split() == ["198.51.100.12"] * 2
    for url, (code, location, page) in before["pages"].items():
        assert campus.asked(url) == (code, location, page)
    assert source(campus) == before["source"]
    at_front = campus.asked("http://198.51.100.110/", "-H", "Host: conf2009.phys.campus.test")
    assert at_front[0] == 404
    assert campus.lab("exec", "phys", "sh", "-c", "ls /var/lib/planner-move", check=False).returncode != 0
    assert campus.lab("exec", "phys", "sh", "-c", "grep -rl planner /etc/nginx", check=False).stdout == ""
    assert campus.lab("exec", "vh1", "ls", f"/srv/archive/{ZOMBIE}/files.tar.gz").stdout
    states = status(campus, space)
    assert {states[name]["state"] for name in (ZOMBIE, MERGED)} == {"rolled back"}
