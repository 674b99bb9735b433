"""What was not read, and the least that would let us: gaps, the helper as a real sh runs it, rules for sudo."""

import hashlib
import subprocess

import pytest

from inventory import collector, coverage
from inventory.errors import InputError
from inventory.probes import registry
from inventory.probes.base import Probe, Section

A = Probe("alpha", "echo one; echo password=s3cr3t; id -u", lambda s: [], root="what root sees")
B = Probe("beta", "sleep 30", lambda s: [], seconds=1, max_bytes=100)
OPEN = Probe("open", "echo all", lambda s: [], root="")
PROBES = (A, B, OPEN)


def entry(name, privilege="root", status=0, truncated=False):
    return {"name": name, "privilege": privilege, "status": status, "truncated": truncated, "seconds": 2}


def gaps(entries, unknowns=()):
    found = coverage.of(entries, unknowns, PROBES, "ops", "d1")
    return [(gap.section, gap.what, gap.remedy, bool(gap.sudoers)) for gap in found.gaps], f"{found.whole}/{found.sections}"


def test_what_root_read_in_time_has_no_gap():
    assert gaps([entry("alpha"), entry("beta", "helper"), entry("open", "user")]) == ([], "3/3")


def test_every_kind_of_gap_and_what_to_do():
    unknowns = [
        ("alpha", {"what": "listener_processes", "why": "not root"}),
        ("open", {"what": "x", "why": "damaged"}),
        ("beta", {"what": "beta", "why": "stopped"}),
    ]
    found, whole = gaps([entry("alpha", "user"), entry("beta", status=124, truncated=True), entry("open", "user")], unknowns)
    assert found == [("alpha", "listener_processes", "root", True), ("beta", "the rest of it", "time", False), ("beta", "the rest of it", "size", False),
                     ("open", "x", "host", False)]  # fmt: skip
    assert whole == "0/3"
    assert gaps([entry("alpha", "stale")])[0][0] == ("alpha", "what root sees", "stale", True)
    assert gaps([])[0][0] == ("alpha", "alpha", "missing", False)


def test_the_line_names_the_bytes_the_path_and_the_section():
    found = coverage.of([entry("alpha", "user")], [], PROBES, "ops", "abc")
    assert found.gaps[0].sudoers == "ops ALL=(root) NOPASSWD: sha256:abc /usr/local/sbin/planner-collect alpha"


@pytest.mark.parametrize("name", ["root ALL", "a,b", "%wheel", "", "ops\nx ALL=ALL", "Ops", "#0"])
def test_a_name_cannot_widen_the_rule(name):
    with pytest.raises(InputError):
        coverage.line(name, "alpha")


def test_rules_for_named_sections_only():
    text = coverage.sudoers("ops", PROBES, "helper", sections=["alpha"])
    assert [line for line in text.splitlines() if line.startswith("ops ")] == [
        f"ops ALL=(root) NOPASSWD: sha256:{hashlib.sha256(b'helper').hexdigest()} /usr/local/sbin/planner-collect alpha"
    ]
    assert "sha256" not in coverage.sudoers("ops", PROBES, "helper", locked=False)
    with pytest.raises(InputError, match="open"):
        coverage.sudoers("ops", PROBES, "helper", sections=["open"])  # everybody may read that one


def helped(*words):
    return subprocess.run(
        ["sh", "-c", collector.helper(PROBES, "1.0"), "planner-collect", *words], capture_output=True, text=True, check=False
    )


def test_the_helper_prints_one_section_redacted_and_nothing_else():
    ran = helped("alpha")
    assert ran.returncode == 0
    assert ran.stdout.splitlines()[:2] == ["one", "password=[redacted]"]
    assert helped("beta").returncode == 124
    for words in ((), ("open",), ("alpha", "beta"), ("../etc/shadow",), ("alpha; id",), ("*",)):
        refused = helped(*words)
        assert (refused.returncode, refused.stdout) == (2, ""), words


def test_the_shipped_helper_is_valid_sh_and_knows_each_section_that_needs_root():
    text = collector.helper(registry.PROBES, "1.0")
    assert subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode == 0
    for probe in registry.PROBES:
        assert (f"# section {probe.name} {collector.section_digest(probe)}\n" in text) == bool(probe.root)


def test_a_visit_says_how_each_section_was_read():
    output = subprocess.run(["sh", "-s"], input=collector.script([A], "n").encode(), capture_output=True, check=False).stdout
    assert collector.read(output, "n", [A]).sections[0].privilege in {"root", "user"}
    told = collector.read(output.replace(b" root\n", b" helper\n").replace(b" user\n", b" helper\n"), "n", [A]).sections[0]
    assert told.privilege == "helper"
    assert told.whole
    assert not Section("x", "", privilege="stale").whole


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBY planner@center"


def test_a_recipe_holds_the_key_its_limits_and_both_files():
    text = coverage.recipe("ops", KEY, "192.0.2.7")
    assert 'from="192.0.2.7",no-agent-forwarding' in text
    assert "visudo -cf planner.sudoers" in text
    assert subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode == 0
    assert "账号" in coverage.recipe("ops", KEY, "192.0.2.7", language="zh_CN")


@pytest.mark.parametrize(
    ("key", "source"), [("ssh-ed25519 AAAA'; reboot", "192.0.2.7x"), ("nonsense", "192.0.2.7"), (KEY, "$(reboot)"), ("a' b", "192.0.2.7")]
)
def test_a_recipe_takes_no_text_that_a_shell_would_run(key, source):
    with pytest.raises(InputError):
        coverage.recipe("ops", key, source)
