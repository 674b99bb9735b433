"""What is checked before a run begins."""

import pytest

from inventory import ssh
from inventory.errors import PlanError
from planner import workspace
from planner.cli import carry

MOVE = {
    "source": {"address": "192.0.2.1", "host": "old"}, "dns": {"zone": "edu"},
    "destination": {"receiver_address": "192.0.2.9", "receiver": "front", "node_addresses": {"n1": "192.0.2.21"}},
}  # fmt: skip


def peer(address, *trusted, **more):
    return ssh.Peer(address, (), {"ssh-ed25519": b"x"} if address in trusted else {}, **more)


def test_everything_that_is_missing_is_said_at_once(tmp_path):
    workspace.create(tmp_path)
    (tmp_path / "planner.yml").write_text("ssh: {key_files: [no-such-key]}\n")
    (tmp_path / "inventory/platforms.yml").write_text("dns: {server: 192.0.2.53, zones: [edu], key_file: tsig.key}\n")
    space = workspace.find(tmp_path)
    with pytest.raises(PlanError) as refused:
        carry._ready(space, [MOVE], lambda address: peer(address, "192.0.2.1"))
    for words in ("front (192.0.2.9) has no trusted key", "n1 (192.0.2.21)", "tsig.key cannot be read", "no-such-key cannot be read"):
        assert words in refused.value.message
    assert "old (" not in refused.value.message


def test_nothing_is_wanted_for_nothing(tmp_path):
    workspace.create(tmp_path)
    space = workspace.find(tmp_path)
    carry._ready(space, [], peer)


def test_a_source_that_only_visits_can_reach_is_named(tmp_path):
    workspace.create(tmp_path)
    space = workspace.find(tmp_path)
    everything = ("192.0.2.1", "192.0.2.9", "192.0.2.21")
    move = {**MOVE, "dns": None}
    for more, words in (
        ({"jumps": (peer("192.0.2.77"),)}, "old (192.0.2.1) is behind a bastion"),
        ({"legacy": True}, "algorithms of the SHA-1 era"),
    ):
        with pytest.raises(PlanError) as refused:
            carry._ready(space, [move], lambda address, more=more: peer(address, *everything, **(more if address == "192.0.2.1" else {})))
        assert words in refused.value.message
