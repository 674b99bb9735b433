"""1,000 hosts, some of them in every way bad: all classified, none lost, nothing left behind, and no good one called bad."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from inventory import discovery, processes, ssh

DEADLINES = ssh.Deadlines(connect=2.0, exchange=3.0, auth=3.0, command=5.0)
BAD = {  # manner: (its network, how many of 1,000, outcome)
    "silent": ("127.200", 20, "timeout"),
    "cut": ("127.201", 10, "protocol"),
    "garbage": ("127.202", 10, "protocol"),
    "hang": ("127.203", 10, "timeout"),
    "flood": ("127.204", 5, "partial"),
    "half": ("127.205", 10, "partial"),
    "close": ("127.206", 10, "protocol"),
    "web": ("127.207", 10, "protocol"),
    "refuse": ("127.208", 10, "auth"),
    "chatty": ("127.211", 20, "ok"),
    "lie": ("127.215", 10, "protocol"),
    "rekey": ("127.218", 20, "ok"),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Work:
    def job(self, item: tuple[str, ssh.Peer]) -> ssh.Job:
        return ssh.Job(item[1], "sh -s", lambda: b"x" * 20_000)

    def value(self, job: ssh.Job, item: tuple[str, ssh.Peer], seen: ssh.Visit) -> tuple[str, str, int, float]:
        return item[0], seen.outcome, len(seen.output), seen.seconds

    def lost(self, item: tuple[str, ssh.Peer], why: str) -> tuple[str, str, int, float]:
        return item[0], why, 0, 0.0


def campus(peers: Any, changed: dict[str, bytes]) -> list[tuple[str, ssh.Peer]]:
    """Names say what is to be expected; 5 % are off, and their places among the others are fixed."""
    hosts = [
        (f"{outcome}:{manner}-{n}", peers.peer(f"{network}.9.{1 + n}"))
        for manner, (network, many, outcome) in BAD.items()
        for n in range(many)
    ]
    hosts += [(f"unreachable:off-{n}", peers.peer(f"127.0.9.{1 + n}", port=peers.dead)) for n in range(50)]
    hosts += [(f"refused:closed-{n}", peers.peer(f"127.0.9.{1 + n}", port=1)) for n in range(10)]
    hosts += [(f"host key changed:key-{n}", peers.peer(f"127.0.9.{1 + n}", keys=changed)) for n in range(10)]
    hosts += [(f"host key unknown:key-{n}", peers.peer(f"127.0.9.{1 + n}", keys={})) for n in range(10)]
    hosts += [(f"ok:good-{n}", peers.peer(f"127.0.{10 + n // 250}.{1 + n % 250}")) for n in range(1000 - len(hosts))]
    return sorted(hosts, key=lambda host: (sum(map(ord, host[0])) * 7919) % 1009)


def footprint() -> tuple[int, int, int]:
    children = sum(len(path.read_text().split()) for path in Path("/proc/self/task").glob("*/children"))
    return len(list(Path("/proc/self/fd").iterdir())), threading.active_count(), children


@pytest.mark.parametrize("count", [1, 2])
def test_a_thousand_hosts(peers: Any, keys: Path, public: Any, count: int) -> None:
    hosts = campus(peers, public(keys / "other"))
    assert len({name for name, _ in hosts}) == 1000
    before, begun = footprint(), time.monotonic()
    found = list(processes.spread(hosts, Work(), in_flight=1000, deadlines=DEADLINES, processes=count))
    seconds = time.monotonic() - begun
    assert footprint() == before
    assert Counter(name for name, _, _, _ in found) == Counter(name for name, _ in hosts)
    wrong = [(name, outcome) for name, outcome, _, _ in found if outcome != name.partition(":")[0]]
    assert wrong == []
    assert {size for name, _, size, _ in found if ":good" in name} == {6006}
    assert seconds < 25  # the longest way is two connects and some of our own work; bad hosts wait side by side


def test_dead_hosts_hold_nobody_up(peers: Any) -> None:
    """Thirty hosts that are off, in front of 300 that answer, and only 20 in flight: the good ones do not wait for all deadlines."""
    off = [(f"off-{n}", peers.peer(f"127.0.20.{1 + n}", port=peers.dead)) for n in range(15)]
    good = [(f"good-{n}", peers.peer(f"127.0.21.{1 + n % 250}")) for n in range(300)]
    begun = time.monotonic()
    times = {}
    for name, outcome, _, _ in processes.spread(off + good, Work(), in_flight=20, deadlines=DEADLINES, processes=1):
        times[name] = (outcome, time.monotonic() - begun)
    assert len(times) == 315
    assert {outcome for name, (outcome, _) in times.items() if name.startswith("good")} == {"ok"}
    assert max(seconds for name, (_, seconds) in times.items() if name.startswith("good")) < 3 * DEADLINES.connect
    assert {outcome for name, (outcome, _) in times.items() if name.startswith("off")} == {"unreachable"}


def test_discovery_of_bad_hosts_gives_a_result_for_each(peers: Any, keys: Path, public: Any) -> None:
    hosts = [host for host in campus(peers, public(keys / "other")) if ":good" not in host[0]][:100]
    found = list(discovery.visit_all(hosts, in_flight=100, processes=2, deadlines=DEADLINES))
    assert sorted(result.host for result in found) == sorted(name for name, _ in hosts)
    assert {result.outcome for result in found} <= set(ssh.OUTCOMES)
