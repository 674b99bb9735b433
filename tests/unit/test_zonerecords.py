"""The A records of names as dig prints them; names that must not reach its command line; a server that is silent or a program that is not there."""

import subprocess

import pytest

from planner import zonerecords
from planner.platforms import Dns

DNS = Dns(server="192.0.2.53", zones=("example.edu", "xn--fiq228c.cn"), key_file="k")
ANSWER = """www.example.edu.\t3600\tIN\tA\t198.51.100.2
www.example.edu.\t3600\tIN\tA\t198.51.100.1
WWW.Example.edu.\t60\tIN\tA\t198.51.100.1
alias.example.edu.\t300\tIN\tCNAME\thost.elsewhere.org.
host.elsewhere.org.\t300\tIN\tA\t203.0.113.9
txt.example.edu.\t300\tIN\tTXT\t"a A 1"
;; communications error to 192.0.2.53#53: timed out
broken.example.edu. soon IN A 198.51.100.3
xn--0zwm56d.xn--fiq228c.cn. 120 IN A 198.51.100.7
"""


@pytest.fixture
def dig(monkeypatch):
    """What was asked, command by command; `answers` what comes back."""
    asked, said = [], {"stdout": ANSWER, "returncode": 0}

    def run(command, **_):
        asked.append(command)
        if isinstance(said.get("raises"), Exception):
            raise said["raises"]
        return subprocess.CompletedProcess(command, said["returncode"], said["stdout"], "")

    monkeypatch.setattr(zonerecords.subprocess, "run", run)
    return asked, said


def test_records_by_name_with_all_values_and_the_longest_ttl(dig):
    found, problems = zonerecords.records(DNS, ["www.example.edu", "alias.example.edu", "none.example.edu", "broken.example.edu"])
    assert problems == []
    assert found == {"www.example.edu": {"name": "www.example.edu", "values": ["198.51.100.1", "198.51.100.2"], "ttl": 3600}}


def test_a_name_is_found_as_it_is_written(dig):
    found, _ = zonerecords.records(DNS, ["测试.中国互联.cn", "WWW.Example.EDU", "测试.中文.cn"])
    assert found["WWW.Example.EDU"]["name"] == "WWW.Example.EDU"
    assert "测试.中国互联.cn" not in found


@pytest.mark.parametrize(
    "name", ["-f/etc/passwd.example.edu", "+trace.example.edu", "@192.0.2.9.example.edu", "a b.example.edu", "a\nb.example.edu"]
)
def test_what_is_no_name_never_reaches_the_command_line(dig, name):
    zonerecords.records(DNS, [name, "ok.example.edu"])
    ((*_, flag, asked, _, _),) = dig[0]
    assert (flag, asked) == ("-q", "ok.example.edu")


def test_names_of_other_zones_are_not_asked(dig):
    assert zonerecords.records(DNS, ["www.other.org", "notexample.edu", "evil-example.edu"]) == ({}, [])
    assert zonerecords.records(None, ["www.example.edu"]) == ({}, [])
    assert dig[0] == []


@pytest.mark.parametrize(
    ("raises", "code", "said"),
    [
        (FileNotFoundError(2, "No such file"), 0, "dig is missing"),
        (subprocess.TimeoutExpired("dig", 60), 0, "does not answer within 60 seconds"),
        (PermissionError(13, "Permission denied"), 0, "Permission denied"),
        (None, 9, "192.0.2.53 does not answer"),
    ],
)
def test_what_cannot_be_asked_is_told_once_however_many_names_there_are(dig, raises, code, said):
    dig[1].update(raises=raises, returncode=code, stdout="")
    found, (problem,) = zonerecords.records(DNS, [f"n{number}.example.edu" for number in range(120)])
    assert found == {}
    assert said in problem and problem.startswith("120 names")
    assert len(dig[0]) == 1


def test_what_was_answered_before_the_server_fell_silent_is_kept(dig):
    dig[1]["returncode"] = 9
    assert "www.example.edu" in zonerecords.records(DNS, ["www.example.edu"])[0]
