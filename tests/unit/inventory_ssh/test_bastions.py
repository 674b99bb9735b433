"""Bastions: chains of real sshds on the loopback address, their failures named, and one connection shared by all that go through."""

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import paramiko
import pytest
from paramiko.common import cMSG_CHANNEL_DATA

from inventory import ssh
from inventory.errors import HostError
from inventory.ssh import bastion

QUICK = ssh.Deadlines(connect=3, exchange=4, auth=6, command=15)


def visit(peer, command="cat", stdin=b"hello"):
    return ssh.visit(peer, command, stdin, deadlines=QUICK)


def through(inner, *gates):
    return inner.peer(jumps=tuple(gate.peer(name=f"gate{number}") for number, gate in enumerate(gates, start=1)))


def test_one_and_two_hops(start_sshd):
    inner, first, second = start_sshd(), start_sshd(), start_sshd()
    assert visit(through(inner, first)).output == b"hello"
    seen = visit(through(inner, first, second))
    assert (seen.outcome, seen.output) == ("ok", b"hello")
    assert f"127.0.0.1 port {second.port}" in inner.log or "Accepted publickey" in inner.log
    assert [key.algorithm for key in ssh.offered_keys(replace(through(inner, first), keys={}, logins=()))] == ["ssh-ed25519"]


def test_all_share_one_connection(start_sshd):
    inner, gate = start_sshd("MaxStartups 100"), start_sshd()
    peer = through(inner, gate)
    with ThreadPoolExecutor(12) as pool:
        seen = list(pool.map(lambda _: visit(peer), range(24)))
    assert {one.outcome for one in seen} == {"ok"}, seen
    assert gate.log.count("Accepted publickey") == 1
    assert inner.log.count("Accepted publickey") == 24


def test_what_is_sent_after_a_channel_s_end_ends_no_other(start_sshd):
    """A thread that was held up between paramiko's look at the channel and its sending, while another closed it."""
    inner, gate = start_sshd(), start_sshd()
    peer = through(inner, gate)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(visit, peer, "sleep 1; cat")
        while "Accepted publickey" not in inner.log:
            time.sleep(0.02)
        channel = bastion.stream(peer, QUICK)
        late = paramiko.Message()
        late.add_byte(cMSG_CHANNEL_DATA)
        late.add_int(channel.remote_chanid)
        late.add_string(b"late")
        channel.close()
        time.sleep(0.3)  # now the bastion has forgotten the channel
        channel.get_transport()._send_user_message(late)
        again = bastion.stream(peer, QUICK)  # which is given its number
        assert again.remote_chanid == channel.remote_chanid
        channel.get_transport()._send_user_message(late)
        assert again.recv(4) == b"SSH-"
        again.send(b"SSH-2.0-test\r\n")
        assert len(again.recv(64)) > 10
        again.close()
        assert other.result().outcome == "ok"
    assert gate.log.count("Accepted publickey") == 1
    assert "nonexistent channel" not in gate.log


def test_a_peer_that_hangs_up_at_once_ends_no_other(start_sshd, monkeypatch):
    inner, gate = start_sshd(), start_sshd()
    peer = through(inner, gate)
    assert visit(peer).outcome == "ok"
    (shared,) = bastion._bastions.values()
    # opened and closed before the thread that asked for it wakes: paramiko has no channel and no reason then
    shared.transport.saved_exception = None
    monkeypatch.setattr(shared.transport, "_channels", Forgetful(shared.transport._channels))
    with pytest.raises(ssh.model.Stop) as caught:
        bastion.stream(peer, QUICK)
    assert (caught.value.outcome, "it hung up at once" in caught.value.detail) == ("protocol", True)
    monkeypatch.undo()
    assert visit(peer).outcome == "ok"
    assert gate.log.count("Accepted publickey") == 1


class Forgetful:
    """A connection's channels, of which none is found again."""

    def __init__(self, channels):
        self.channels = channels

    def __getattr__(self, name):
        return getattr(self.channels, name)

    def get(self, number):
        caller = sys._getframe(1).f_code.co_name
        return None if caller == "open_channel" else self.channels.get(number)


def test_handshakes_in_flight_are_limited(start_sshd, monkeypatch):
    inner, gate = start_sshd("MaxStartups 100"), start_sshd()
    now, most, lock = [0], [0], threading.Lock()
    real = bastion.stream

    def counted(peer, deadlines):
        if peer.port != inner.port:
            return real(peer, deadlines)
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.05)
        try:
            return real(peer, deadlines)
        finally:
            with lock:
                now[0] -= 1

    monkeypatch.setattr(bastion, "stream", counted)
    peer = through(inner, gate)
    with ThreadPoolExecutor(30) as pool:
        assert {one.outcome for one in pool.map(lambda _: visit(peer), range(30))} == {"ok"}
    assert 2 <= most[0] <= bastion.HANDSHAKES


def test_the_hop_that_failed_is_named(start_sshd, closed_port):
    inner, gate, closed = start_sshd(), start_sshd(), start_sshd("AllowTcpForwarding no")
    peer = through(inner, gate)
    cases = [
        (replace(peer, port=closed_port), "refused", f"through the bastion gate1, port {closed_port}: Connection refused"),
        (replace(peer, address="no-such-name.invalid"), "unreachable", "through the bastion gate1, port"),
        (replace(peer, keys={}), "host key unknown", "it offers ssh-ed25519"),
        (through(inner, closed), "refused", "the bastion does not forward there"),
        (replace(peer, jumps=(replace(peer.jumps[0], keys={}, name="new"),)), "host key unknown", "at the bastion new: it offers"),
        (replace(peer, jumps=(replace(peer.jumps[0], port=closed_port),)), "refused", "at the bastion gate1: port"),
        (replace(peer, jumps=(peer.jumps[0], replace(peer.jumps[0], port=closed_port, name="gate2"))), "refused",
         f"at the bastion gate2: through the bastion gate1, port {closed_port}: Connection refused"),
        (replace(peer, jumps=(replace(peer.jumps[0], logins=(ssh.Login("x", agent=False, name="none"),)),)), "auth",
         "at the bastion gate1: none: there is neither"),
    ]  # fmt: skip
    for wrong, outcome, detail in cases:
        bastion.close()
        seen = visit(wrong)
        assert (seen.outcome, detail in seen.detail) == (outcome, True), seen
    with pytest.raises(HostError) as caught:
        ssh.offered_keys(cases[5][0], seconds=2)
    assert caught.value.outcome == "refused"


def test_a_bastion_that_refused_is_not_asked_again_for_each_host(start_sshd, tmp_path, make_key):
    inner, gate = start_sshd(), start_sshd()
    wrong = ssh.Login(gate.login.user, (str(make_key(tmp_path / "wrong")),), agent=False, name="wrong")
    peer = inner.peer(jumps=(gate.peer(name="gate", logins=(wrong,)),))
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: visit(peer), range(20)))
    assert {(one.outcome, one.detail) for one in seen} == {("auth", "at the bastion gate: wrong: refused key wrong")}
    assert gate.log.count("Connection from") == 1


def test_a_bastion_that_died_is_connected_to_anew(start_sshd):
    inner, gate = start_sshd(), start_sshd()
    peer = through(inner, gate)
    assert visit(peer).outcome == "ok"
    (shared,) = bastion._bastions.values()
    shared.transport.sock.shutdown(2)
    assert visit(peer).outcome == "ok"
    assert gate.log.count("Accepted publickey") == 2


def test_closing_leaves_nothing(start_sshd):
    inner, gate = start_sshd(), start_sshd()
    before = threading.active_count()
    assert visit(through(inner, gate)).outcome == "ok"
    bastion.close()
    time.sleep(0.5)
    assert threading.active_count() <= before
