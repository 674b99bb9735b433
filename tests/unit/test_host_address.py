"""A host's network files from one address to another: cases by kind, and what holds for any text."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.test_move_tools import load

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "playbooks/roles/host_address/files/host-address.py"
CASES = yaml.safe_load((ROOT / "tests/cases/host_address.yml").read_text(encoding="utf-8"))
tool = load(TOOL)
OLD = {"address": "192.0.2.19", "prefix": 24, "gateway": "192.0.2.1"}
NEW = {"address": "198.51.100.162", "prefix": 27, "gateway": "198.51.100.161"}
PATHS = ("/etc/network/interfaces", "/etc/systemd/network/a.network", "/etc/netplan/a.yaml",
         "/etc/NetworkManager/system-connections/a", "/etc/sysconfig/network-scripts/ifcfg-eth0", "/etc/hosts")  # fmt: skip


def rewrite(contents, old=OLD, new=NEW, cloud=True):
    kind, files, problems = tool.rewrite(tool.Net(old), tool.Net(new), contents, cloud)
    return kind, {file.path: file.rewritten() for file in files}, problems


def contents_of(case):
    return {path: text.encode() for path, text in case.items() if path.startswith("/")}


@pytest.mark.parametrize("name", CASES)
def test_case(name):
    case = CASES[name]
    before = contents_of(case)
    kind, after, problems = rewrite(before, cloud=case.get("cloud_init_off", True))
    if "problem" in case:
        assert any(case["problem"] in problem for problem in problems), problems
        return
    assert problems == []
    assert name.startswith(kind.lower().removeprefix("systemd-"))
    (path,) = before
    assert after[path].decode() == case["after"]
    # and back: what a rollback writes is what was there, byte by byte, but for a mask that the class had said
    _, again, problems = rewrite(after, NEW, OLD)
    assert problems == []
    if "class-of" not in name:
        assert again == before


def test_every_kind_is_tried():
    assert {kind.lower().removeprefix("systemd-") for kind, _ in tool.KINDS} <= {name.partition("-")[0] for name in CASES}


def test_the_hosts_file_follows_and_other_lines_stay():
    hosts = b"127.0.0.1 localhost\n192.0.2.19\tbio.campus.test bio # 192.0.2.19\n192.0.2.190 other\n 192.0.2.19 x\n"
    _, after, problems = rewrite({"/etc/hosts": hosts, PATHS[1]: b"[Network]\nAddress=192.0.2.19/24\n"})
    assert problems == []
    assert (
        after["/etc/hosts"]
        == b"127.0.0.1 localhost\n198.51.100.162\tbio.campus.test bio # 192.0.2.19\n192.0.2.190 other\n 198.51.100.162 x\n"
    )


def test_two_programs_that_both_set_it_are_for_a_person():
    _, _, problems = rewrite({PATHS[0]: b"iface e inet static\n address 192.0.2.19/24\n", PATHS[1]: b"[Network]\nAddress=192.0.2.19/24\n"})
    assert any("set 2 times" in problem and PATHS[1] in problem for problem in problems)


WORDS = st.lists(
    st.sampled_from(
        ["192.0.2.19", "/24", "192.0.2.1", " ", "\n", "\t", "iface e inet static\n", " address ", "[Network]\n", "Address=", "Gateway=",
         "IPADDR=", "PREFIX=24\n", "[ipv4]\n", "address1=", "addresses:\n", "- ", "{", "}", ":", '"', "'", "#", "\\", "\r\n", "é机", "&a ", "*a"]
    )
).map("".join)  # fmt: skip


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(PATHS), st.binary(max_size=200) | WORDS.map(str.encode) | st.text(max_size=100).map(str.encode)))
def test_any_text_is_rewritten_rightly_or_refused(contents):
    kind, after, problems = rewrite(contents)
    if problems:
        return
    assert kind
    network = {path: text for path, text in {**contents, **after}.items() if path != "/etc/hosts"}
    again_kind, nothing, problems = rewrite(network, NEW, NEW)
    assert (again_kind, nothing, problems) == (kind, {}, []), "it reads as the new address"
    for path, text in after.items():
        changed = {line for line in text.splitlines() if line not in contents[path].splitlines()}
        assert all(b"198.51.100." in line or b"27" in line or b"255.255.255.224" in line for line in changed), "nothing else is touched"


def test_the_program_reads_what_the_host_printed_and_says_offsets():
    text = b"[Network]\nAddress=192.0.2.19/24\nGateway=192.0.2.1\n"
    path = base64.b64encode(b"/etc/systemd/network/a.network").decode()
    read = f"file {path} {base64.b64encode(text).decode()}\r\nalso /etc/nginx/nginx.conf:3\nalso /etc/systemd/network/a.network:2\nend\n"
    job = {"from": OLD, "to": NEW, "read": read}
    done = subprocess.run([sys.executable, TOOL], input=json.dumps(job), capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert (found["kind"], found["also"], found["problems"]) == ("systemd-networkd", ["/etc/nginx/nginx.conf:3"], [])
    (file,) = found["files"]
    assert file["lines"] == [2, 3]
    for start, end, new in file["edits"]:
        text = text[:start] + new.encode() + text[end:]
    assert text == b"[Network]\nAddress=198.51.100.162/27\nGateway=198.51.100.161\n"


@pytest.mark.parametrize(
    ("read", "said"),
    [
        ("", "cut off"),
        ("file !! !!\nend", "damaged"),
        ("problem there is no base64\nend", "there is no base64"),
        ("end", "stands in no file"),
    ],
)
def test_what_the_host_could_not_say_ends_it(read, said):
    found = tool.worked_out({"from": OLD, "to": NEW, "read": read})
    assert found["files"] == []
    assert any(said in problem for problem in found["problems"])
