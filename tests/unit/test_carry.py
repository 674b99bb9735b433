"""What is checked before a run begins."""

from inventory import ssh
from planner import preflight, workspace

MOVE = {
    "placement": "virtual-host", "source": {"address": "192.0.2.1", "host": "old"}, "dns": {"zone": "edu"},
    "destination": {"receiver_address": "192.0.2.9", "receiver": "front", "node_addresses": {"n1": "192.0.2.21"}},
}  # fmt: skip


def peer(address, *trusted, **more):
    return ssh.Peer(address, (), {"ssh-ed25519": b"x"} if address in trusted else {}, **more)


def test_everything_that_is_missing_is_said_at_once(tmp_path):
    workspace.create(tmp_path)
    (tmp_path / "planner.yml").write_text("ssh: {key_files: [no-such-key]}\n")
    (tmp_path / "inventory/platforms.yml").write_text("dns: {server: 192.0.2.53, zones: [edu], key_file: tsig.key}\n")
    space = workspace.find(tmp_path)
    said = "; ".join(preflight.known([MOVE], lambda address: peer(address, "192.0.2.1"), space.dns_key(), space.login.key_files))
    for words in ("front (192.0.2.9) has no trusted key", "n1 (192.0.2.21)", "tsig.key cannot be read", "no-such-key cannot be read"):
        assert words in said
    assert "old (" not in said


def test_nothing_is_wanted_for_nothing():
    assert preflight.known([], peer, "/no/such/key", []) == []


def test_a_source_that_only_visits_can_reach_is_named():
    everything = ("192.0.2.1", "192.0.2.9", "192.0.2.21")
    move = {**MOVE, "dns": None}
    for more, words in (
        ({"jumps": (peer("192.0.2.77"),)}, "old (192.0.2.1) is behind a bastion"),
        ({"legacy": True}, "algorithms of the SHA-1 era"),
    ):

        def ways(address, more=more):
            return peer(address, *everything, **(more if address == "192.0.2.1" else {}))

        assert words in "; ".join(preflight.known([move], ways, "", []))
