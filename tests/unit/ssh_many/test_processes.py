"""Visits in several processes: killed ones lose nothing, and none outlives its caller."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from inventory import discovery, packing, processes, ssh

DEADLINES = ssh.Deadlines(connect=2.0, exchange=5.0, auth=5.0, command=20.0)


@dataclass(frozen=True)
class Item:
    name: str
    peer: ssh.Peer


@dataclass(frozen=True)
class Work:
    """`deadly` items kill the process that reads their answer; `marks` is a folder where each such death leaves a file."""

    marks: str = ""

    def job(self, item: Item) -> ssh.Job:
        return ssh.Job(item.peer, "sh -s", item.name.encode, item.name)

    def value(self, job: ssh.Job, item: Item, seen: ssh.Visit) -> tuple[str, str, int]:
        if item.name.startswith("deadly"):
            os.kill(os.getpid(), signal.SIGKILL)
        if item.name.startswith("once") and not Path(self.marks, item.name).exists():
            Path(self.marks, item.name).touch()
            os.kill(os.getpid(), signal.SIGSEGV)
        if item.name.startswith("defect"):
            raise KeyError("oh")
        return item.name, seen.outcome, os.getpid()

    def lost(self, item: Item, why: str) -> tuple[str, str, int]:
        return item.name, why, os.getpid()


def children() -> list[int]:
    return [int(pid) for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()]


def held() -> tuple[set[str], set[int]]:
    """Open descriptors and what each is, and children.  What other tests left as garbage is gone first: it would end in between."""
    gc.collect()
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            found.add(f"{entry.name} {entry.readlink()}")
    return found, set(children())


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    descriptors, processes_before = held()
    yield
    descriptors_after, processes_after = held()
    assert not descriptors_after - descriptors
    assert not processes_after - processes_before


def items(peers: Any, count: int, network: str = "127.0", **special: int) -> list[Item]:
    """`count` hosts that answer, and of each special kind as many as asked for, spread among them."""
    names = [f"{kind}-{n}" for kind, many in special.items() for n in range(many)]
    names += [f"plain-{n}" for n in range(count - len(names))]
    names.sort(key=lambda name: hash(name.split("-")[-1]) % 97)
    return [Item(name, peers.peer(f"{network}.{place // 250}.{1 + place % 250}")) for place, name in enumerate(names)]


def spread(work: list[Item], marks: str = "", count: int = 2, **options: Any) -> list[tuple[str, str, int]]:
    return list(processes.spread(work, Work(marks), **{"in_flight": 64, "deadlines": DEADLINES, "processes": count, **options}))


def test_every_host_once_and_by_all_processes(peers: Any) -> None:
    work = items(peers, 150, network="127.219")  # each takes a second or two
    found = spread(work, count=3)
    assert sorted(name for name, _, _ in found) == sorted(item.name for item in work)
    assert {outcome for _, outcome, _ in found} == {"ok"}
    pids = {pid for _, _, pid in found}
    assert len(pids) == 3
    assert os.getpid() not in pids


def test_a_few_hosts_are_visited_in_this_process(peers: Any) -> None:
    assert {pid for _, _, pid in spread(items(peers, processes.FEW))} == {os.getpid()}


@pytest.mark.parametrize("count", [1, 2])
def test_a_defect_on_one_host_is_its_outcome(peers: Any, count: int) -> None:
    found = spread(items(peers, 60, defect=3), count=count)
    assert Counter(outcome for _, outcome, _ in found) == {"ok": 57, "internal: KeyError: 'oh'": 3}


def test_a_killed_process_loses_nothing(peers: Any) -> None:
    work = items(peers, 200, network="127.219")  # each takes a second or two
    found = []
    for value in processes.spread(work, Work(), in_flight=100, deadlines=DEADLINES, processes=2):
        found.append(value)
        if len(found) in {20, 100}:
            os.kill(children_of_spread()[0], signal.SIGKILL)
    assert sorted(name for name, _, _ in found) == sorted(item.name for item in work)
    assert {outcome for _, outcome, _ in found} == {"ok"}


def children_of_spread() -> list[int]:
    return [pid for pid in children() if b"inventory import processes" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_a_host_that_kills_twice_is_given_up_by_name_and_the_others_are_not(peers: Any, tmp_path: Path) -> None:
    found = {name: outcome for name, outcome, _ in spread(items(peers, 200, deadly=2, once=2), str(tmp_path))}
    assert len(found) == 200
    for name, outcome in found.items():
        if name.startswith("deadly"):
            assert outcome == "internal: two processes ended while they read its answer (the last by signal 9)"
        else:
            assert outcome == "ok", name


def test_where_processes_cannot_be_had_the_caller_does_it(peers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes.sys, "executable", "/bin/false")
    assert {(outcome, pid) for _, outcome, pid in spread(items(peers, 40))} == {("ok", os.getpid())}


def test_an_early_end_ends_the_processes(peers: Any) -> None:
    visiting = processes.spread(items(peers, 300, network="127.219"), Work(), in_flight=64, deadlines=DEADLINES, processes=2)
    next(visiting)
    assert len(children_of_spread()) == 2
    visiting.close()  # type: ignore[attr-defined]
    assert children_of_spread() == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_processes_end_with_their_caller(peers: Any, keys: Path, how: signal.Signals) -> None:
    """Ctrl-C reaches only the caller; after a kill -9 of it nobody is there to end them."""
    code = (
        # whoever starts tests in the background has SIGINT ignored, and so has what they start
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from inventory import discovery, ssh; login = ssh.Login('anybody', (sys.argv[1],), False);"
        "keys = {'ssh-ed25519': bytes.fromhex(sys.argv[2])};"
        "hosts = [(f'h{n}', ssh.Peer(f'127.203.0.{1 + n}', (login,), keys, int(sys.argv[3]))) for n in range(100)];"
        "print('begun', flush=True); list(discovery.visit_all(hosts, processes=2))"
    )
    arguments = [str(keys / "client"), peers.keys["ssh-ed25519"].hex(), str(peers.port)]
    with subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as caller:
        assert caller.stdout is not None
        caller.stdout.readline()
        until = time.monotonic() + 10
        while len(crew := Path(f"/proc/{caller.pid}/task/{caller.pid}/children").read_text().split()) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        assert len(crew) == 2
        time.sleep(0.5)
        caller.send_signal(how)
        caller.wait(timeout=10)
    until = time.monotonic() + 5
    while any(alive(pid) for pid in crew) and time.monotonic() < until:
        time.sleep(0.05)
    assert [pid for pid in crew if alive(pid)] == []


def alive(pid: str) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def shortened(result: discovery.Result) -> tuple[str, str, int]:
    return result.host, result.outcome, os.getpid()


def test_discovery_reads_transcripts_in_the_processes(peers: Any) -> None:
    """Results are the same, whether they come from this process or from others, and more can be done with them there."""
    hosts = [(f"h{n}", peers.peer(f"127.220.0.{1 + n}")) for n in range(40)]
    far = {result.host: result for result in discovery.visit_all(hosts, in_flight=16, processes=2)}
    near = {result.host: result for result in discovery.visit_all(hosts, in_flight=16, processes=1)}
    assert sorted(far) == sorted(near) == sorted(name for name, _ in hosts)
    for name, result in far.items():
        assert (result.outcome, result.detail, result.address) == ("ok", "", near[name].address)
        assert result.transcript == near[name].transcript
        assert result.observations == near[name].observations != ()
        assert result.output.startswith(b"@@")
        assert len(result.output) == len(near[name].output)
    done = list(discovery.visit_and(shortened, hosts, in_flight=16, processes=2))
    assert {name for name, _, _ in done} == set(far)
    assert os.getpid() not in {pid for _, _, pid in done}


def packed(result: discovery.Result) -> tuple[str, int, discovery.Result]:
    return result.host, len(result.kept), discovery.pack(result)


def test_what_is_stored_already_is_known_in_the_processes(peers: Any) -> None:
    hosts = [(f"h{n}", peers.peer(f"127.220.0.{1 + n}")) for n in range(20)]
    first = list(discovery.visit_and(packed, hosts, in_flight=16, processes=2))
    assert {kept for _, kept, _ in first} == {0}
    known = {}
    for name, _, result in first:
        assert result.packed is not None
        known[name] = packing.Earlier(7, result.packed.digest if name != "h3" else "other", True, result.packed.marks)
    del known["h5"]
    for name, kept, result in discovery.visit_and(packed, hosts, in_flight=16, processes=2, earlier=known):
        assert result.packed is not None
        assert result.transcript is not None
        assert kept == (0 if name == "h5" else len(result.transcript.sections) - len(discovery.AGAIN))
        assert result.packed.base == (None if name == "h5" else 7)
        assert bool(result.packed.transcript) is (name in {"h3", "h5"})  # the others said the same: nothing is sent but that
        assert len(result.packed.kept) == (kept if name == "h3" else 0)


def test_discovery_says_of_every_host_how_it_ended(peers: Any) -> None:
    hosts = [("good", peers.peer("127.220.0.1")), ("silent", peers.peer("127.0.0.1")), ("closed", peers.peer("127.0.0.1", port=1))]
    found = {result.host: result for result in discovery.visit_all(hosts)}
    assert {name: result.outcome for name, result in found.items()} == {"good": "ok", "silent": "not unix", "closed": "refused"}
