"""Many hosts at once: how near a thousand come to the time that cannot be undercut, and what five thousand cost in memory.

    .venv/bin/python bench/in_flight.py [--quick]

First 1,000 hosts whose collector takes 2 s, 5 % of them off.  A host that is off is tried twice, so that the floor is two connect deadlines
(4 s each here); without them it is the collector's 2 s.  To be reached: 1.1 times the floor, and every live host read.  Then 5,000 hosts
with collectors of 30 s, all at once: to be kept under 200 MB.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench import measuring
from bench.measuring import Measured, run

CONNECT = 4.0


def main() -> None:
    options = measuring.arguments(__doc__.splitlines()[0]).parse_args()
    rounds = 1 if options.quick else options.rounds
    python = measuring.peers_python()
    peers = str(measuring.BENCH / "clients" / "peers.py")
    found: dict[str, list[Measured]] = {}
    hosts: dict[str, int] = {}

    def take(name: str, count: int, command: list[str]) -> None:
        measuring.say(name)
        hosts[name] = count
        found.setdefault(name, []).append(run(command, stdin=measuring.SCRIPT, limit=180))

    limits = ["--connect", str(CONNECT), "--in-flight", "1000"]
    with measuring.light_peers(delay=2.0) as server, measuring.dead_port() as off:
        key = str(server.folder / "client")
        alive = str(server.hosts(1000).rename(server.folder / "alive"))
        Path(f"{server.folder}/hosts-1000.known").rename(f"{alive}.known")
        mixed = str(server.hosts(1000, [(f"127.0.200.{1 + n}", off) for n in range(50)]))
        for _ in range(rounds):
            take("ours, none dead", 1000, [*measuring.OURS, alive, key, *limits])
            take("ours, 5 % dead", 1000, [*measuring.OURS, mixed, key, *limits])
            take("ours, 5 % dead, 2 processes", 1000, [*measuring.OURS, mixed, key, *limits, "--processes", "2"])
            take("asyncssh, 5 % dead (tried once)", 1000, [python, peers, "asyncssh", mixed, key, *limits])
    many, seconds = (2000, 10.0) if options.quick else (5000, 30.0)
    with measuring.light_peers(delay=seconds) as server:
        key, listed = str(server.folder / "client"), str(server.hosts(many))
        take(f"ours, {many} in flight", many, [*measuring.OURS, listed, key, "--in-flight", str(many)])
        take(f"ours, {many} in flight, 2 processes", many, [*measuring.OURS, listed, key, "--in-flight", str(many), "--processes", "2"])
        if not options.quick:
            take(f"asyncssh, {many} in flight", many, [python, peers, "asyncssh", listed, key, "--in-flight", str(many)])
    table = measuring.rows(found, hosts)
    by = {row["client"]: row for row in table}
    dead = by["ours, 5 % dead"]
    ratios = {
        "none dead: seconds ÷ the collector's 2": round(by["ours, none dead"]["seconds"] / 2, 2),
        f"5 % dead: seconds ÷ two connect deadlines of {CONNECT:g} (to be reached: 1.1)": round(dead["seconds"] / (2 * CONNECT), 3),
        "the same with 2 processes": round(by["ours, 5 % dead, 2 processes"]["seconds"] / (2 * CONNECT), 3),
        "live hosts not read, of 950": 950 - min(dead["done"], by["ours, 5 % dead, 2 processes"]["done"]),
        f"MB with {many} in flight (to be kept under: 200)": by[f"ours, {many} in flight"]["rss_mb"],
        f"seconds for {many} at once ÷ the collector's {seconds:g}": round(by[f"ours, {many} in flight"]["seconds"] / seconds, 2),
    }  # fmt: skip
    measuring.publish("in_flight", table, ratios)


if __name__ == "__main__":
    main()
