"""Our own client: `ours.py HOSTS KEY --in-flight N --processes N`, with `bench/collector.sh` on its input; `--discover` for whole visits.

Its CPU is that of the visits: what importing costs is told apart, because the peers' is not counted either.
"""

from __future__ import annotations

import argparse
import base64
import getpass
import json
import resource
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from inventory import processes, ssh


@dataclass(frozen=True)
class Collect:
    """A visit and nothing else."""

    script: bytes
    command: str

    def job(self, item: ssh.Peer) -> ssh.Job:
        return ssh.Job(item, self.command, lambda: self.script)

    def value(self, job: ssh.Job, item: ssh.Peer, seen: ssh.Visit) -> tuple[str, int]:
        return seen.outcome, len(seen.output)

    def lost(self, item: ssh.Peer, why: str) -> tuple[str, int]:
        return why, 0


def _cpu() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main() -> None:
    """Visit the hosts and say how it went."""
    parser = argparse.ArgumentParser()
    parser.add_argument("hosts", type=Path)
    parser.add_argument("key")
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--connect", type=float, default=8.0)
    parser.add_argument("--exchange", type=float, default=12.0)
    parser.add_argument("--discover", action="store_true")
    options = parser.parse_args()
    keys = {}
    for line in Path(f"{options.hosts}.known").read_text().splitlines():
        name, kind, blob = line.split()
        keys[name] = {kind: base64.b64decode(blob)}
    login = ssh.Login(getpass.getuser(), (options.key,), agent=False)
    peers = []
    for line in options.hosts.read_text().splitlines():
        address, port = line.split()
        peers.append(ssh.Peer(address, (login,), keys.get(f"[{address}]:{port}") or keys[address], int(port)))
    deadlines = ssh.Deadlines(options.connect, options.exchange, options.exchange, 300.0)
    outcomes: Counter[str] = Counter()
    if options.discover:
        from inventory import discovery
    else:
        script = sys.stdin.buffer.read()
    cpu, begun = _cpu(), time.perf_counter()
    if options.discover:
        named = [(f"h{n}", peer) for n, peer in enumerate(peers)]
        for result in discovery.visit_all(named, in_flight=options.in_flight, processes=options.processes, deadlines=deadlines):
            outcomes[result.outcome] += 1
    else:
        from bench.clients.ours import Collect as Work  # by a name under which the other processes find it

        work = Work(script, "sh -s")
        for outcome, _ in processes.spread(peers, work, in_flight=options.in_flight, processes=options.processes, deadlines=deadlines):
            outcomes[outcome] += 1
    seconds = time.perf_counter() - begun
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if options.processes > 1:
        rss += options.processes * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps({
        "done": outcomes["ok"] + outcomes["partial"] * options.discover, "seconds": seconds, "cpu": _cpu() - cpu, "rss_mb": rss,
        "others": {name: count for name, count in sorted(outcomes.items()) if name != "ok"} or "",
    }))  # fmt: skip


if __name__ == "__main__":
    main()
