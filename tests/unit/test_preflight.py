"""What is asked before a run: the script on real shells, its answers against moves, and that one dead machine hides no other."""

import shutil
import subprocess
import time

import pytest

from inventory.errors import HostError
from planner import preflight

GIGABYTE = 1_000_000_000


def move(**more):
    return {
        "id": "a", "placement": "virtual-host", "bytes": 1000, "dns": None,
        "source": {"host": "old", "address": "192.0.2.1", "docroot": "/srv/a", "config_file": "/srv/a/config.php"},
        "destination": {"receiver": "vh1", "receiver_address": "192.0.2.9", "address": "192.0.2.9", "docroot": "/srv/sites/w-a/htdocs"},
        **more,
    }  # fmt: skip


class Hosts:
    """Answers by address; what they are not asked for is good."""

    def __init__(self, answers=None, clock=0):
        self.answers, self.clock, self.asked = answers or {}, clock, {}

    def run(self, address, script, *arguments):
        self.asked[address] = arguments
        answer = self.answers.get(address, "")
        if isinstance(answer, Exception):
            raise answer
        return 0, f"clock {int(time.time()) + self.clock}\nfree {GIGABYTE // 1024}\ninodes 100000\n{answer}"


def test_nothing_is_said_of_machines_that_are_well():
    hosts = Hosts()
    assert preflight.asked([move()], hosts, "") == []
    assert hosts.asked["192.0.2.1"] == ("base64 rsync|tar", "/srv/a /srv/a/config.php", "", "")
    assert hosts.asked["192.0.2.9"] == ("base64 python3", "", "/srv/sites/w-a/htdocs", "80 443")


@pytest.mark.parametrize(
    ("address", "answer", "said"),
    [
        ("192.0.2.1", "no-program rsync|tar\n", "old (192.0.2.1): rsync or tar is not there"),
        ("192.0.2.1", "no-path /srv/a\n", "old (192.0.2.1): /srv/a is not there any more"),
        ("192.0.2.9", "port 80 lighttpd\n", "vh1 (192.0.2.9): port 80 is held by lighttpd"),
        ("192.0.2.9", "free 0\n", "/srv/sites/w-a/htdocs has 0 bytes free, and the content needs 1,200"),
        ("192.0.2.9", "inodes 5\n", "only 5 free inodes"),
        ("192.0.2.9", HostError("timeout", "192.0.2.9: no answer"), "vh1 (192.0.2.9) cannot be visited: 192.0.2.9: no answer"),
    ],
)
def test_each_problem_has_its_machine(address, answer, said):
    found = preflight.asked([move()], Hosts({address: answer}), "")
    assert len(found) == 1
    assert said in found[0]


def test_a_web_server_may_have_the_port():
    assert preflight.asked([move()], Hosts({"192.0.2.9": "port 80 nginx\nport 443 haproxy\n"}), "") == []


def test_clocks_are_compared_and_all_problems_are_said_at_once():
    found = preflight.asked([move()], Hosts(clock=3600), "")
    assert [line.partition(": its clock is ")[0] for line in found] == ["old (192.0.2.1)", "vh1 (192.0.2.9)"]
    assert "+3600 s off ours" in found[0] or "+3599 s off ours" in found[0]


def test_room_is_for_all_moves_to_one_machine():
    many = [move(id=str(n), bytes=GIGABYTE // 2) for n in range(2)]
    assert preflight.asked(many[:1], Hosts(), "") == []
    assert "the content needs 1,200,000,000" in preflight.asked(many, Hosts(), "")[0]


def test_a_path_that_a_shell_would_take_apart_is_not_asked_for():
    odd = move(source={"host": "old", "address": "192.0.2.1", "docroot": "/srv/a b$(x)*", "config_file": ""})
    hosts = Hosts()
    preflight.asked([odd], hosts, "")
    assert hosts.asked["192.0.2.1"][1] == ""


def test_a_name_server_that_does_not_answer(tmp_path):
    key = tmp_path / "key"
    key.write_text('key "k" { algorithm hmac-sha256; secret "c2VjcmV0c2VjcmV0"; };\n')
    (said,) = preflight._zone("127.0.0.254", "x.edu", str(key))
    assert said.startswith("the name server 127.0.0.254 ")
    assert "c2VjcmV0" not in said


SHELLS = [[name, *more] for name, *more in (["dash"], ["bash", "--posix"], ["busybox", "ash"]) if shutil.which(name)]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda words: words[0])
def test_the_script_on_real_shells(shell, tmp_path):
    (tmp_path / "here").touch()
    wanted = ["sh no-such-program|sh no-such-program", f"{tmp_path}/here {tmp_path}/gone", f"{tmp_path}/not/yet/there", "1"]
    done = subprocess.run([*shell, "-c", preflight.SCRIPT, "x", *wanted], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert abs(int(lines[0].removeprefix("clock ")) - time.time()) < 5
    assert lines[1:3] == ["no-program no-such-program", f"no-path {tmp_path}/gone"]
    assert int(lines[3].removeprefix("free ")) > 0
    assert not [line for line in lines if line.startswith("port")]


def test_all_shells_were_there():
    assert len(SHELLS) == 3, "tests/setup.sh installs them"
