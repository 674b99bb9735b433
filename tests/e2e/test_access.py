"""The least privilege that works, on a real sudo: gaps without it, the helper by its digest, and nothing beyond it."""

import json

import pytest

pytestmark = pytest.mark.e2e
HOSTS = ("ns1", "nosudo", "phys")


@pytest.fixture(scope="module")
def space(campus, tmp_path_factory):
    folder = campus.workspace(tmp_path_factory.mktemp("workspace"), ("phys",))
    campus.planner(folder, "hosts", "add", "nosudo=198.51.100.25")
    campus.planner(folder, "hosts", "trust", "nosudo", "--known-hosts", campus.lab("known-hosts").stdout.strip())
    return folder


def visit(campus, space):
    row = json.loads(campus.planner(space, "discover", "nosudo", "--json").stdout)["hosts"][0]
    covered = json.loads(campus.planner(space, "coverage", "nosudo", "--json").stdout)[0]
    return row, covered


def install(campus, space, *options):
    campus.planner(space, "access", "script", space / "planner-collect")
    campus.planner(space, "access", "sudoers", space / "planner.sudoers", *options)
    for name, target, mode in (
        ("planner-collect", "/usr/local/sbin/planner-collect", "755"),
        ("planner.sudoers", "/etc/sudoers.d/planner", "440"),
    ):
        campus.lab("exec", "nosudo", "sh", "-c", f"cat > {target}; chmod {mode} {target}", input=(space / name).read_text())
    assert "parsed OK" in campus.lab("exec", "nosudo", "visudo", "-cf", "/etc/sudoers.d/planner").stdout


def test_gaps_then_the_helper_then_none(campus, space):
    row, covered = visit(campus, space)
    assert row["outcome"] == "partial"
    assert "no sudo" in row["detail"]
    network = [gap for gap in covered["gaps"] if gap["section"] == "network"]
    assert any(gap["sudoers"].endswith("/usr/local/sbin/planner-collect network") for gap in network)

    install(campus, space, "--section", "network")  # one line fills just that gap
    assert not [gap for gap in visit(campus, space)[1]["gaps"] if gap["section"] == "network" and gap["remedy"] == "root"]

    install(campus, space)
    row, covered = visit(campus, space)
    assert not [gap for gap in covered["gaps"] if gap["remedy"] in {"root", "stale"}]
    assert row["outcome"] == "ok"


def test_the_rule_gives_nothing_else(campus, space):
    install(campus, space)
    for words in (
        "sh -c id",
        "cat /etc/shadow",
        "/usr/local/sbin/planner-collect",
        "/usr/local/sbin/planner-collect network x",
        "-s",
        "true",
    ):
        assert campus.lab("exec", "nosudo", "su", "ops", "-c", f"sudo -n {words}", check=False).returncode != 0, words
    changed = "echo '# one more line' >> /usr/local/sbin/planner-collect"
    campus.lab("exec", "nosudo", "sh", "-c", changed)
    assert campus.lab("exec", "nosudo", "su", "ops", "-c", "sudo -n /usr/local/sbin/planner-collect network", check=False).returncode != 0
    assert visit(campus, space)[0]["outcome"] == "partial"


def test_a_helper_of_another_version_is_said(campus, space):
    install(campus, space)
    campus.lab(
        "exec", "nosudo", "sed", "-i", "s/^# section network .*/# section network 0123456789abcdef/", "/usr/local/sbin/planner-collect"
    )
    gaps = visit(campus, space)[1]["gaps"]
    assert {gap["remedy"] for gap in gaps if gap["section"] == "network"} == {"stale"}


def test_the_facts_are_those_of_a_visit_as_root(campus, space):
    """The same host read through the helper and as root: the same observations, but for what changes by itself."""
    install(campus, space)
    campus.planner(space, "discover", "nosudo")
    campus.lab("exec", "nosudo", "sh", "-c", "echo 'ops ALL=(root) NOPASSWD: ALL' > /etc/sudoers.d/ops; chmod 440 /etc/sudoers.d/ops")
    campus.planner(space, "discover", "nosudo")
    changed = json.loads(campus.planner(space, "changes", "nosudo", "--json").stdout)
    shown = [(c["what"], c["key"], c["change"]) for c in changed["changes"] if c["change"] in {"learned", "unread"}]
    assert shown == []
