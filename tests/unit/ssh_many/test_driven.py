"""Hosts of every kind in the epoll loop: how each visit ends; and that the plain way ends alike."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from inventory import ssh

QUICK = ssh.Deadlines(connect=0.5, exchange=1.0, auth=1.0, command=1.5)
PATIENT = ssh.Deadlines(connect=5.0, exchange=5.0, auth=5.0, command=10.0)
ANSWER = b"a line of an answer\n" * 300


def never(*_: Any) -> ssh.Visit:
    raise AssertionError("the plain way was taken")


def visits(peers: Iterable[ssh.Peer], command: str = "sh -s", stdin: bytes = b"", **options: Any) -> list[ssh.Visit]:
    """In the order of the peers."""
    jobs = [ssh.Job(peer, command, lambda: stdin, place) for place, peer in enumerate(peers)]
    seen = {job.tag: visit for job, visit in ssh.visit_many(jobs, **options)}
    assert sorted(seen) == list(range(len(jobs)))
    return [seen[place] for place in sorted(seen)]


def driven(peer: ssh.Peer, command: str = "sh -s", stdin: bytes = b"", **options: Any) -> ssh.Visit:
    return visits([peer], command, stdin, **{"deadlines": PATIENT, "plain": never, **options})[0]


MANNERS = {
    "127.0.0.1": ("ok", ""),
    "127.200.0.1": ("timeout", "no SSH greeting in 1 s"),
    "127.201.0.1": ("protocol", "it closed the connection during the key exchange"),
    "127.202.0.1": ("protocol", "it sent a packet of 4278190439 bytes, which is no SSH packet"),
    "127.203.0.1": ("timeout", "the command's deadline passed"),
    "127.204.0.1": ("partial", "it printed more than 1000000 bytes; the rest was cut"),
    "127.205.0.1": ("partial", "the connection was lost during the visit"),
    "127.206.0.1": ("protocol", "it closed the connection instead of greeting"),
    "127.207.0.1": ("protocol", "it closed the connection instead of greeting: HTTP/1.1 400 Bad Request"),
    "127.208.0.1": ("auth", "anybody: no key was accepted"),
    "127.209.0.1": ("protocol", "it opens no session: no room"),
    "127.210.0.1": ("protocol", "it refuses to run a command"),
    "127.211.0.1": ("ok", ""),
    "127.212.0.1": ("ok", ""),
    "127.215.0.1": ("protocol", "it sent a packet of 2147483647 bytes, which is no SSH packet"),
    "127.216.0.1": ("protocol", "it speaks another protocol: SSH-1.5-1.2.27"),
    "127.218.0.1": ("ok", ""),
    "127.219.0.1": ("ok", ""),
}


@pytest.mark.parametrize("address", MANNERS)
def test_manner(peers: Any, address: str) -> None:
    deadlines = ssh.Deadlines(0.5, 1.0, 1.0, 10.0 if address.startswith("127.204.") else 1.8)
    seen = driven(peers.peer(address), stdin=b"x" * 5000, deadlines=deadlines, max_bytes=1_000_000)
    outcome, detail = MANNERS[address]
    assert seen.outcome == outcome
    assert seen.detail.startswith(detail)  # a reset says so behind it
    assert detail or not seen.detail
    expected = {
        "ok": ANSWER + b"5000\n",
        "partial": (ANSWER + b"5000\n")[:3002] if address.startswith("127.205.") else b"flood " * 166_666 + b"floo",
    }
    assert seen.output == expected.get(outcome, b"")
    assert outcome in ssh.OUTCOMES


def test_a_host_that_is_off_is_tried_twice(peers: Any) -> None:
    begun = time.monotonic()
    seen = driven(peers.peer("127.0.0.1", port=peers.dead), deadlines=QUICK)
    assert (seen.outcome, seen.detail) == ("unreachable", f"port {peers.dead}: no answer in 0.5 s, twice")
    assert 1.0 <= time.monotonic() - begun < 3.0


def test_a_closed_port_is_refused_at_once(peers: Any) -> None:
    seen = driven(peers.peer("127.0.0.1", port=1))
    assert (seen.outcome, seen.detail) == ("refused", "port 1: Connection refused")


def test_an_unknown_and_a_changed_host_key_stop_the_visit_before_any_login(peers: Any, keys: Path, public: Any) -> None:
    other = public(keys / "other")
    assert driven(peers.peer("127.208.0.1", keys={})).outcome == "host key unknown"  # it would refuse the login
    seen = driven(peers.peer("127.208.0.1", keys=other))
    assert seen.outcome == "host key changed"
    for blob in (*other.values(), *peers.keys.values()):
        assert ssh.OfferedKey("ssh-ed25519", blob).fingerprint in seen.detail


def test_a_name_is_resolved_and_one_that_is_none_is_unreachable(peers: Any) -> None:
    assert driven(peers.peer("localhost")).outcome == "ok"
    seen = driven(peers.peer("no-such-host.invalid"))
    assert seen.outcome == "unreachable"
    assert "no-such-host.invalid" in seen.detail


@pytest.mark.parametrize(
    ("address", "change"),
    [
        ("127.213.0.1", {}),  # it wants more than a key
        ("127.217.0.1", {}),  # no framing with a clear length
        ("127.0.0.1", {"legacy": True}),
        ("127.0.0.1", {"jumps": (ssh.Peer("127.0.0.1", (ssh.Login("x"),), {}),)}),
        ("127.0.0.1", {"logins": (ssh.Login("x", ("/nonexistent/key",), agent=False),)}),
        ("127.0.0.1", {"logins": (ssh.Login("x", password="secret", agent=False),)}),
        ("127.0.0.1", {"logins": (ssh.Login("x", sudo_password="secret", agent=False),)}),
        ("127.0.0.1", {"logins": (ssh.Login("x"), ssh.Login("y"))}),
    ],
)  # fmt: skip
def test_a_peer_that_needs_more_is_visited_the_plain_way(peers: Any, address: str, change: dict[str, Any]) -> None:
    asked = []

    def plain(*arguments: Any) -> ssh.Visit:
        asked.append(arguments)
        return ssh.Visit("ok", "", b"the plain way")

    peer = dataclasses.replace(peers.peer(address), **change)
    seen = visits([peer], "true", b"input", plain=plain, deadlines=QUICK, max_bytes=99)
    assert seen[0].output == b"the plain way"
    assert asked == [(peer, "true", b"input", QUICK, 99)]


def test_a_defect_of_the_plain_way_is_an_outcome(peers: Any) -> None:
    def plain(*_: Any) -> ssh.Visit:
        raise ZeroDivisionError("oh")

    seen = visits([peers.peer("127.213.0.1"), peers.peer("127.0.0.1")], plain=plain)
    assert [visit.outcome for visit in seen] == ["protocol", "ok"]
    assert seen[0].detail == "internal: ZeroDivisionError: oh"


def test_an_agent_signs(peers: Any, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = subprocess.run(["ssh-agent", "-s"], check=True, capture_output=True, text=True).stdout
    variables = dict(part.split("=", 1) for part in started.replace("\n", "").split(";") if "=" in part)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", variables["SSH_AUTH_SOCK"])
        subprocess.run(["ssh-add", "-q", keys / "client"], check=True)
        login = ssh.Login("anybody")
        assert driven(dataclasses.replace(peers.peer("127.0.0.1"), logins=(login,))).outcome == "ok"
    finally:
        os.kill(int(variables["SSH_AGENT_PID"]), 15)


# a real sshd, and the plain way over the same cases

SAME = {
    "output": ("printf 'out\\n'; printf 'err\\n' >&2; exit 3", b""),
    "input": ("sh -s", b"echo from the input; cat >/dev/null; echo never"),
    "long input": ("wc -c", b"x" * 3_000_000),
    "long output": ("head -c 5000000 /dev/zero", b""),
    "both streams long": ("head -c 3000000 /dev/zero >&2; head -c 3000000 /dev/zero", b""),
    "bytes that are no text": ("printf '\\377\\000\\033[31m'", b""),
    "closed streams": ("exec >&- 2>&-; sleep 0.1", b""),
    "input unread": ("echo done", b"x" * 100_000),
    "flood": ("yes", b""),
    "hang": ("echo begun; sleep 60", b""),
    "connection cut": ('echo begun; sleep 0.3; kill -9 $(ps -o ppid= -p $$)', b""),
}  # fmt: skip


@pytest.mark.parametrize("case", SAME)
def test_both_ways_end_alike_on_a_real_sshd(sshd: Any, case: str) -> None:
    peer = sshd()
    command, stdin = SAME[case]
    deadlines = dataclasses.replace(PATIENT, command=2.0 if case == "hang" else 20.0)
    limits = {"deadlines": deadlines, "max_bytes": 6_000_000}
    mine = driven(peer, command, stdin, **limits)
    plain = ssh.visit(peer, command, stdin, **limits)
    if case == "connection cut":  # the plain way may take the end of the connection for the end of the command
        assert (mine.outcome, mine.output) == ("partial", b"begun\n")
    else:
        assert (mine.outcome, mine.detail) == (plain.outcome, plain.detail)
    assert mine.output == plain.output[:6_000_000]


@pytest.mark.parametrize(("key", "host_key"), [("client", "host"), ("rsa", "hostrsa"), ("stranger", "host")])
@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("Ciphers aes256-gcm@openssh.com",),
        ("Ciphers aes256-ctr", "MACs hmac-sha2-512-etm@openssh.com"),
        ("Ciphers aes128-ctr", "MACs hmac-sha2-256"),
        ("Ciphers aes128-gcm@openssh.com", "MACs hmac-sha2-256"),
        ("KexAlgorithms diffie-hellman-group14-sha256",),
        ("KexAlgorithms ecdh-sha2-nistp384",),
        ("Ciphers chacha20-poly1305@openssh.com",),
        ("RekeyLimit 64K",),
    ],
)  # fmt: skip
def test_both_ways_agree_on_algorithms(sshd: Any, lines: tuple[str, ...], key: str, host_key: str) -> None:
    peer = sshd(*lines, key=key, host_key=host_key)
    mine = visits([peer], "head -c 400000 /dev/zero", deadlines=PATIENT)[0]
    plain = ssh.visit(peer, "head -c 400000 /dev/zero", b"", deadlines=PATIENT)
    assert (mine.outcome, mine.output) == (plain.outcome, plain.output)
    assert mine.outcome == {"stranger": "auth"}.get(key, "ok") or lines[:1] == ("Ciphers chacha20-poly1305@openssh.com",)


def test_a_command_that_does_not_read_its_input_ends_all_the_same(sshd: Any) -> None:
    seen = driven(sshd(), "echo done", b"x" * 8_000_000)
    assert (seen.outcome, seen.output) == ("ok", b"done\n")


def test_keys_are_changed_in_the_middle_without_falling_back(sshd: Any) -> None:
    seen = driven(sshd("RekeyLimit 64K"), "cat; head -c 3000000 /dev/zero", b"x" * 1_000_000)
    assert (seen.outcome, len(seen.output)) == ("ok", 4_000_000)


def test_keys_are_tried_in_order_on_one_connection(sshd: Any, keys: Path) -> None:
    peer = sshd()
    login = dataclasses.replace(peer.logins[0], key_files=(str(keys / "stranger"), str(keys / "rsa")))
    assert driven(dataclasses.replace(peer, logins=(login,)), "echo in").output == b"in\n"


def test_a_server_that_takes_no_keys_says_what_it_takes(sshd: Any) -> None:
    seen = driven(sshd("PubkeyAuthentication no", "PasswordAuthentication yes"))
    assert seen.outcome == "auth"
    assert "it allows: password" in seen.detail


# many at once


def test_a_slow_caller_is_nobodys_timeout(peers: Any) -> None:
    """While the caller stores a result, what hosts answer lies unread: none may be given up for that."""
    addresses = [f"127.0.1.{place}" for place in range(1, 41)] + [f"127.219.1.{place}" for place in range(1, 21)]
    deadlines = ssh.Deadlines(connect=1.0, exchange=1.0, auth=1.0, command=1.0)
    jobs = [ssh.Job(peers.peer(address), "sh -s", lambda: b"") for address in addresses]
    outcomes = []
    for _, seen in ssh.visit_many(jobs, in_flight=60, deadlines=deadlines, plain=never):
        outcomes.append(seen.outcome)
        if len(outcomes) in {1, 20, 40}:
            time.sleep(1.3)  # longer than any stage may last
    assert outcomes == ["ok"] * 60


def test_long_answers_wait_for_a_place(peers: Any) -> None:
    """With room for one long answer at a time, all of them come whole, and the others do not wait."""
    loop = ssh.Loop(in_flight=40, deadlines=PATIENT, max_bytes=3_000_000, memory=3_000_000, plain=never)
    try:
        for place in range(1, 6):
            loop.submit(ssh.Job(peers.peer(f"127.204.2.{place}"), "flood", lambda: b"", "flood"))
        for place in range(1, 21):
            loop.submit(ssh.Job(peers.peer(f"127.0.2.{place}"), "sh -s", lambda: b"", "short"))
        ended = []
        while not loop.idle:
            ended += [(job.tag, seen.outcome, len(seen.output)) for job, seen in loop.turn()]
    finally:
        loop.close()
    assert sorted(ended) == [("flood", "partial", 3_000_000)] * 5 + [("short", "ok", 6002)] * 20
    assert [tag for tag, _, _ in ended][-1] == "flood"


def test_where_sockets_run_out_hosts_wait_for_one(peers: Any, keys: Path) -> None:
    """In a process that may have 60 descriptors, 300 hosts are all visited."""
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60)); from inventory import ssh; import collections;"
        "login = ssh.Login('anybody', (sys.argv[1],), False); keys = {'ssh-ed25519': bytes.fromhex(sys.argv[2])};"
        "jobs = [ssh.Job(ssh.Peer(f'127.0.3.{1 + n % 250}', (login,), keys, int(sys.argv[3])), 'sh -s', lambda: b'') for n in range(300)];"
        "extra = [open('/dev/null') for _ in range(25)];"
        "print(dict(collections.Counter(seen.outcome for _, seen in ssh.visit_many(jobs, in_flight=200))))"
    )
    arguments = [str(keys / "client"), peers.keys["ssh-ed25519"].hex(), str(peers.port)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "{'ok': 300}", done.stderr


def test_leaving_early_leaves_nothing(peers: Any) -> None:
    before = (len(list(Path("/proc/self/fd").iterdir())), threading.active_count())
    jobs = (ssh.Job(peers.peer(f"127.203.4.{place}"), "sh -s", lambda: b"") for place in range(1, 200))
    quick = (ssh.Job(peers.peer("127.0.4.1"), "sh -s", lambda: b"") for _ in range(1))
    visiting = ssh.visit_many((*quick, *jobs), in_flight=100)
    next(visiting)
    visiting.close()
    assert (len(list(Path("/proc/self/fd").iterdir())), threading.active_count()) == before


def test_jobs_are_drawn_only_as_there_is_room(peers: Any) -> None:
    drawn = 0

    def jobs() -> Iterable[ssh.Job]:
        nonlocal drawn
        for place in range(1, 1000):
            drawn += 1
            yield ssh.Job(peers.peer(f"127.0.5.{1 + place % 250}"), "sh -s", lambda: b"")

    visiting = ssh.visit_many(jobs(), in_flight=10)
    next(visiting)
    assert drawn < 250
    visiting.close()
