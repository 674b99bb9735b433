"""A unit's server comes into the machine room, on real hosts: renumbered where it stands, first with a switch port in the wrong VLAN, then
with the right one, and back; then carried, switched off and on, and back.  Two sites over HTTPS go with it, and nothing is left on it.
One story: the tests look at what it left, in order.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e
HOSTS = ("ns1", "bio", "vh1")
RUN = ("run", "--yes", "--any-time", "a lab has no nights")
OLD, NEW, GATEWAY = "198.51.100.19", "198.51.100.162", "198.51.100.161"
LEADER, RIDER = "herbarium-bio-campus-test", "www-bio-campus-test"
NAMES = ("www.bio.campus.test", "bio.campus.test", "herbarium.bio.campus.test")
ROOM = "archive: {name: vh1, address: 198.51.100.101}\nroom: {transport: stays, confirm_seconds: 25, boot_seconds: 12, contact: 'room, 8888'}\n"
STATE = (
    "cat /etc/systemd/network/* /etc/hosts; stat -c '%n %a %U %G' /etc/systemd/network/* /etc/hosts; "
    "ls -A /etc/systemd/network /etc/systemd/system /var/lib /home/ops/.ssh; cat /home/ops/.ssh/authorized_keys"
)


def on(campus, script, check=True):
    return campus.lab("exec", "bio", "sh", "-c", script, check=check).stdout


def addresses(campus):
    return [word.partition("/")[0] for word in on(campus, "ip -4 -o addr show dev eth0").split() if "/" in word]


def visitor(campus):
    """What a visitor gets, by the names and through DNS.  (The control side knows machines by a file, too, which is left out.)"""
    where = zip(NAMES, resolved(campus), strict=True)
    return [campus.ctl("curl", "-sk", "-m", "60", "--resolve", f"{name}:443:{at}", f"https://{name}/") for name, at in where]


def resolved(campus):
    return campus.ctl("dig", "+short", "@198.51.100.53", *NAMES).split()


def status(campus, space):
    return {row["move"]: row for row in json.loads(campus.planner(space, "status", "--json").stdout)}


def plan(campus, space):
    made = json.loads(campus.planner(space, "plan", "--json").stdout)
    campus.planner(space, "generate")
    campus.planner(space, "plan", "approve", "--by", "the lab", "--despite", "this is a lab")
    return {move["id"]: move for move in made["moves"]}


@pytest.fixture(scope="module")
def space(campus, tmp_path_factory):
    return campus.workspace(
        tmp_path_factory.mktemp("workspace"), ("bio", "vh1"), sheets=("units.yml", "https-servers.csv", "https-sites.csv")
    )


@pytest.fixture(scope="module")
def before(campus):
    return {"state": on(campus, STATE), "files": on(campus, "cat /etc/systemd/network/* /etc/hosts"), "pages": visitor(campus)}


@pytest.fixture(scope="module")
def planned(campus, space, before):
    platforms = space / "inventory/platforms.yml"
    platforms.write_text(platforms.read_text() + ROOM)
    campus.planner(space, "discover", "bio")
    for name in (NAMES[0], NAMES[2]):
        campus.planner(space, "questions", "answer", name, "virtualizable", "no", "--by", "Qian Min")
        campus.planner(space, "plan", "override", name, "--placement", "colocation", "--by", "the lab", "--why", "its microscope needs it")
    return plan(campus, space)


@pytest.fixture(scope="module")
def astray(campus, space, planned):
    """Nobody has the gateway of the new network: its answers get nowhere, as from a port in the wrong VLAN."""
    return campus.planner(space, *RUN, code=8)


@pytest.fixture(scope="module")
def moved(campus, space, astray):
    campus.ctl("ip", "address", "add", f"{GATEWAY}/27", "dev", "br0")
    return campus.planner(space, *RUN)


def test_the_plan_says_where_it_goes_and_the_sheet_is_to_be_printed(space, planned):
    how = planned[LEADER]["colocation"]
    assert (how["rack"], how["unit"], how["height"], how["switch"], how["port"], how["vlan"]) == ("rack1", 31, 2, "sw-room-1", 32, 160)
    assert how["new"] == {"address": NEW, "prefix": 27, "gateway": GATEWAY}
    assert how["old"] == {"address": OLD, "prefix": 24, "gateway": "198.51.100.1"}
    assert {planned[name]["carried_out"] for name in (LEADER, RIDER)} == {"planner"}
    assert planned[RIDER]["steps"] == ["verify"]
    sheet = next((space / "plans").glob(f"*/bundle/moves/{LEADER}/RUNSHEET.md")).read_text()
    for said in ("U31–U32", "sw-room-1, 32", f"{NEW}/27", "服务器搬迁实施单", "25 seconds"):
        assert said in sheet


def test_without_an_answer_it_goes_back_by_itself(campus, space, before, astray):
    assert f"nothing answers SSH at {NEW}" in astray.stderr
    assert f"it had put its address {OLD} back by itself" in astray.stderr
    assert addresses(campus) == [OLD]
    assert resolved(campus) == [OLD] * 3
    assert visitor(campus) == before["pages"]
    assert on(campus, "cat /etc/systemd/network/* /etc/hosts") == before["files"]
    rows = status(campus, space)
    assert (rows[LEADER]["next"], rows[RIDER]["done"]) == ("renumber", 0)


def test_the_backup_was_read_back_before(campus, moved, astray):
    assert re.search("backup +done", astray.stderr)
    assert moved.returncode == 0
    assert "41 files of 9236 bytes are in the archive, read back as they were sent" in astray.stderr
    for name in (LEADER, RIDER):
        campus.lab("exec", "vh1", "sh", "-c", f"cd /srv/archive/{name} && sha256sum -c --quiet SHA256SUMS && test -s verified.json")


def test_it_answers_under_its_new_address_through_dns(campus, space, before, moved):
    assert "pages are equal; listeners, services, disks and mounts are as before" in moved.stderr
    assert addresses(campus) == [NEW]
    assert resolved(campus) == [NEW] * 3
    assert visitor(campus) == before["pages"]
    assert campus.ctl("curl", "-sk", "-m", "3", f"https://{OLD}/") == ""
    assert {row["state"] for row in status(campus, space).values()} == {"done"}
    assert "nothing to do" in campus.planner(space, *RUN).stdout
    # nothing is left there but what was meant to change, and the catalogue visits it where it is, by the key that it had
    now = on(campus, STATE)
    meant = before["state"].replace(f"Address={OLD}/24", f"Address={NEW}/27").replace(f"{OLD} bio", f"{NEW} bio")
    assert now == meant.replace("Gateway=198.51.100.1\n", f"Gateway={GATEWAY}\n")
    assert "ok" in campus.planner(space, "discover", "bio").stdout + campus.planner(space, "hosts", "list").stdout


def test_a_step_once_more_or_in_check_mode_changes_nothing(campus, space, moved):
    playbook = [sys.executable, campus.root / "lab/lab", "ctl", "--", Path(sys.executable).parent / "ansible-playbook"]
    folder = next((space / "plans").glob("*/bundle/moves")).parent
    for words in (
        (f"moves/{LEADER}/25-renumber.yml",),
        (f"moves/{LEADER}/25-renumber.yml", "--check"),
        (f"moves/{LEADER}/15-prepare.yml",),
    ):
        done = subprocess.run([*playbook, *words], cwd=folder, env=campus.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "changed=0" in done.stdout, done.stdout


def test_a_rollback_brings_the_old_address_back(campus, space, before, moved):
    said = campus.planner(space, "rollback", LEADER, "--yes").stderr
    assert re.search("as it was: [0-9]+ pages are equal; listeners, services, disks and mounts, too", said)
    assert addresses(campus) == [OLD]
    assert resolved(campus) == [OLD] * 3
    assert visitor(campus) == before["pages"]
    assert on(campus, STATE) == before["state"]
    assert {row["state"] for row in status(campus, space).values()} == {"rolled back"}


def test_carried_it_switches_itself_off_and_is_waited_for(campus, space, before, moved):
    platforms = space / "inventory/platforms.yml"
    text = platforms.read_text().replace("transport: stays, confirm_seconds: 25", "transport: carried, confirm_seconds: 90")
    platforms.write_text(text.replace("boot_seconds: 12", "boot_seconds: 10"))
    campus.planner(space, "discover", "bio")
    moves = plan(campus, space)
    assert [step for step in moves[LEADER]["steps"] if step in {"renumber", "depart", "arrive"}] == ["depart", "arrive"]
    waiting = campus.planner(space, *RUN, "--move", LEADER, code=8).stderr
    assert "carry it as RUNSHEET.md says and switch it on" in waiting
    assert re.search("bio .* down", campus.lab("ps").stdout)
    campus.lab("start", "bio")  # in its rack
    campus.planner(space, *RUN)
    assert {row["state"] for row in status(campus, space).values()} == {"done"}
    assert (addresses(campus), resolved(campus), visitor(campus)) == ([NEW], [NEW] * 3, before["pages"])


def test_and_carried_back(campus, space, before, moved):
    campus.planner(space, "rollback", LEADER, "--yes", code=8)
    campus.lab("start", "bio")
    campus.planner(space, "rollback", LEADER, "--yes")
    assert (addresses(campus), resolved(campus), visitor(campus)) == ([OLD], [OLD] * 3, before["pages"])
    assert on(campus, STATE) == before["state"]
    assert not [path for path in space.rglob("*") if path.is_file() for secret in campus.secrets if secret in path.read_bytes()]
