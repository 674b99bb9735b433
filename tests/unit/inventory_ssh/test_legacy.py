"""Peers of the SHA-1 era by the OpenSSH client: real sshds that offer nothing better, and what the client's log means."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory import collector, discovery, ssh
from inventory.probes.base import Probe
from inventory.ssh import openssh

QUICK = ssh.Deadlines(connect=3, exchange=4, auth=6, command=15)
OLD = (
    "HostKeyAlgorithms ssh-rsa", "KexAlgorithms diffie-hellman-group14-sha1,diffie-hellman-group1-sha1", "Ciphers aes128-cbc,3des-cbc", "MACs hmac-sha1",
)  # fmt: skip
ECHO = [Probe("echo", "echo hello", lambda section: [])]


def visit(peer, command="cat", stdin=b"hello", **options):
    return ssh.visit(peer, command, stdin, **({"deadlines": QUICK} | options))


def old(start_sshd, *lines):
    server = start_sshd(*OLD, *lines, kinds=("rsa",))
    return server, server.peer(legacy=True)


def test_only_with_the_admins_word(start_sshd):
    server, peer = old(start_sshd)
    modern = visit(replace(peer, legacy=False))
    assert modern.outcome in {"protocol", "host key changed"}
    allowed = visit(peer)
    assert (allowed.outcome, allowed.output, allowed.login) == ("ok", b"hello", "key")
    assert "Accepted publickey" in server.log
    result = discovery.visit("h", peer, ECHO, deadlines=QUICK)
    assert result.transcript.sections[0].text.strip() == "hello"
    assert (result.way["legacy"], "SHA-1 era" in result.detail) == (True, True)


def test_a_modern_sshd_without_a_common_kex_is_told_what_to_do(start_sshd):
    server = start_sshd("KexAlgorithms diffie-hellman-group14-sha1")
    seen = visit(server.peer())
    assert seen.outcome == "protocol"
    assert "legacy: true" in seen.detail


def test_its_keys_can_be_read_and_are_compared(start_sshd):
    server, peer = old(start_sshd)
    assert {key.algorithm: key.blob for key in ssh.offered_keys(replace(peer, keys={}, logins=()))} == server.keys
    assert visit(replace(peer, keys={})).outcome == "host key unknown"
    assert visit(replace(peer, keys={"ssh-rsa": start_sshd(kinds=("rsa",)).keys["ssh-rsa"]})).outcome == "host key changed"
    assert visit(replace(peer, keys={"ssh-ed25519": start_sshd().keys["ssh-ed25519"]})).outcome == "host key changed"


def test_outcomes(start_sshd, closed_port, tmp_path, make_key):
    server, peer = old(start_sshd)
    assert visit(replace(peer, port=closed_port)).outcome == "refused"
    assert visit(replace(peer, address="no-such-name.invalid")).outcome == "unreachable"
    wrong = ssh.Login(server.login.user, (str(make_key(tmp_path / "wrong")),), agent=False, name="wrong")
    refused = visit(replace(peer, logins=(wrong,)))
    assert (refused.outcome, refused.detail) == ("auth", "wrong: refused; the server takes publickey")
    both = visit(replace(peer, logins=(wrong, server.login)))
    assert (both.outcome, both.login) == ("ok", "key")
    slow = visit(peer, "echo begun; sleep 60", b"", deadlines=ssh.Deadlines(3, 4, 6, 4))
    assert (slow.outcome, slow.output) == ("timeout", b"begun\n")
    much = visit(peer, "cat /dev/zero", b"", max_bytes=500_000)
    assert (much.outcome, len(much.output) >= 500_000) == ("partial", True)
    lost = visit(peer, 'echo begun; sleep 0.3; kill -9 "$PPID"; sleep 5', b"")
    assert (lost.outcome, lost.output) == ("partial", b"begun\n")
    failed = visit(peer, "echo x; exit 255", b"")
    assert (failed.outcome, failed.output) == ("ok", b"x\n")
    data = os.urandom(3_000_000)
    assert visit(peer, "tee /dev/stderr", data).output == data
    assert visit(peer, "echo done", b"x" * 3_000_000).output == b"done\n"


def test_a_key_with_a_passphrase(start_sshd, tmp_path, make_key):
    server, peer = old(start_sshd)
    key = make_key(tmp_path / "locked", passphrase="open sesame")
    with (server.folder / "authorized_keys").open("a") as file:
        file.write(key.with_suffix(".pub").read_text())
    login = ssh.Login(server.login.user, (str(key),), agent=False, name="locked", passphrase="open sesame")
    assert visit(replace(peer, logins=(login,))).outcome == "ok"
    assert visit(replace(peer, logins=(replace(login, passphrase="open barley"),))).outcome == "auth"
    assert visit(replace(peer, logins=(replace(login, passphrase=""),))).outcome == "auth"


def test_a_password_by_the_client(serve, odd):
    server = odd(password="correct horse")
    peer = replace(serve(server, ssh.Login("ops", agent=False, password="correct horse", name="pw")), legacy=True)
    assert visit(peer).output == b"hello\n"
    wrong = replace(peer, logins=(ssh.Login("ops", agent=False, password="wrong horse", name="pw"),))
    seen = visit(wrong)
    assert (seen.outcome, "horse" in repr(seen)) == ("auth", False)


def test_through_a_bastion(start_sshd):
    _, peer = old(start_sshd)
    gate = start_sshd()
    peer = replace(peer, jumps=(gate.peer(name="gate"),))
    data = os.urandom(2_000_000)
    assert visit(peer, "cat", data).output == data
    assert [key.algorithm for key in ssh.offered_keys(replace(peer, keys={}, logins=()))] == ["ssh-rsa"]
    shut = replace(peer, jumps=(replace(gate.peer(name="shut"), keys={}),))
    assert visit(shut).detail.startswith("at the bastion shut: it offers")


def test_nothing_is_left_in_the_temporary_folder_nor_running(start_sshd, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    _, peer = old(start_sshd)
    visit(peer)
    visit(replace(peer, keys={"ssh-rsa": b"junk"}))
    ssh.offered_keys(replace(peer, keys={}, logins=()))
    assert list(tmp_path.glob("planner-ssh-*")) == []
    left = subprocess.run(["ps", "ax", "-o", "args"], capture_output=True, text=True, check=True).stdout
    assert f"-p {peer.port} " not in left


def test_secrets_stand_in_no_argument_and_no_file(monkeypatch, serve, odd):
    seen = []
    real = subprocess.Popen

    def spy(words, **options):
        if words[0] == "ssh":
            folder = Path(options["env"]["HOME"])
            seen.append(" ".join(map(str, words)) + "".join(path.read_text() for path in folder.iterdir() if path.is_file()))
        return real(words, **options)

    monkeypatch.setattr(subprocess, "Popen", spy)
    login = ssh.Login("ops", agent=False, password="correct horse", passphrase="open sesame", name="pw")
    visit(replace(serve(odd(password="correct horse"), login), legacy=True))
    assert seen
    assert "horse" not in "".join(seen)
    assert "sesame" not in "".join(seen)
    assert "StrictHostKeyChecking=yes" in seen[0]


@pytest.mark.parametrize(
    ("log", "outcome", "detail"),
    [
        ("ssh: connect to host x port 22: No route to host\r\n", "unreachable", "No route to host"),
        ("ssh: connect to host x port 22: Connection timed out\r\n", "unreachable", "Connection timed out"),
        ("Connection timed out during banner exchange\r\nConnection to 1.2.3.4 port 22 timed out\r\n", "timeout", "no SSH greeting in time"),
        ("Unable to negotiate with 1.2.3.4 port 22: no matching key exchange method found. Their offer: diffie-hellman-group1-sha1\r\n",
         "protocol", "no common key exchange method; it offers diffie-hellman-group1-sha1"),
        ("Received disconnect from 1.2.3.4 port 22:2: Too many authentication failures\r\n", "auth", "Too many authentication failures"),
        ("kex_exchange_identification: Connection closed by remote host\r\n", "protocol", "the connection was closed before the login"),
        ("", "protocol", "ssh ended without a word"),
    ],
)  # fmt: skip
def test_what_the_log_means(log, outcome, detail):
    stop = openssh.classify(log)
    assert (stop.outcome, stop.detail) == (outcome, detail)


@given(st.text(max_size=300))
def test_any_log_is_classified(log):
    assert openssh.classify(log).outcome in ssh.OUTCOMES


def test_the_command_is_the_same_as_everywhere(start_sshd):
    _, peer = old(start_sshd)
    seen = visit(peer, collector.COMMAND, collector.script(ECHO, "n").encode())
    assert collector.read(seen.output, "n", ECHO).complete
