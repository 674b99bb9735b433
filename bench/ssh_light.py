"""Our visits against other SSH clients, on light peers: hosts/s and client CPU per host.

    .venv/bin/python bench/ssh_light.py [--quick]

One process each at 32 and at 256 in flight; ours also with two processes.  OpenSSH's client and stock paramiko get fewer hosts: they are
slow.  To be reached: 2.5 times asyncssh (at its better setting), 2 ms of CPU per host, 700 hosts/s with two processes.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench import measuring
from bench.measuring import Measured, run


def main() -> None:
    """All clients in turn."""
    options = measuring.arguments(__doc__.splitlines()[0]).parse_args()
    rounds = 1 if options.quick else options.rounds
    most, few = (1000, 100) if options.quick else (3000, 300)
    python = measuring.peers_python()
    peers = str(measuring.BENCH / "clients" / "peers.py")
    product = sys.executable  # stock paramiko is the product's version
    with measuring.light_peers() as server:
        key = str(server.folder / "client")
        many, some, crowd = server.hosts(most), server.hosts(few), server.hosts(5000)  # two processes take a while to begin
        clients: dict[str, tuple[list[str], int]] = {
            "ours, 256": ([*measuring.OURS, str(many), key, "--in-flight", "256"], most),
            "asyncssh, 32": ([python, peers, "asyncssh", str(many), key, "--in-flight", "32"], most),
            "asyncssh, 256": ([python, peers, "asyncssh", str(many), key, "--in-flight", "256"], most),
            "ours, 32": ([*measuring.OURS, str(many), key, "--in-flight", "32"], most),
            "ours, 256, 2 processes": ([*measuring.OURS, str(crowd), key, "--in-flight", "256", "--processes", "2"], 5000),
            "parallel-ssh, 32": ([python, peers, "parallel-ssh", str(many), key, "--in-flight", "32"], most),
            "paramiko, 32 threads": ([product, peers, "paramiko", str(some), key, "--in-flight", "32"], few),
            "openssh, 32": ([python, peers, "openssh", str(some), key, "--in-flight", "32"], few),
        }  # fmt: skip
        found: dict[str, list[Measured]] = {name: [] for name in clients}
        for place in range(rounds):
            for name, (command, _) in clients.items():
                measuring.say(f"round {place + 1}: {name}")
                found[name].append(run(command, stdin=measuring.SCRIPT))
    table = measuring.rows(found, {name: hosts for name, (_, hosts) in clients.items()})
    by = {row["client"]: row for row in table}
    best = max(by["asyncssh, 32"]["hosts_per_s"], by["asyncssh, 256"]["hosts_per_s"])
    mine = by["ours, 256"]
    ratios = {
        "hosts/s, ours ÷ asyncssh (at its better setting; to be reached: 2.5)": round(mine["hosts_per_s"] / best, 2),
        "hosts/s, ours ÷ parallel-ssh": round(mine["hosts_per_s"] / by["parallel-ssh, 32"]["hosts_per_s"], 2),
        "hosts/s, ours ÷ stock paramiko": round(mine["hosts_per_s"] / by["paramiko, 32 threads"]["hosts_per_s"], 2),
        "hosts/s, ours ÷ OpenSSH's client": round(mine["hosts_per_s"] / by["openssh, 32"]["hosts_per_s"], 2),
        "client CPU per host, ms (to be kept under: 2)": mine["cpu_ms_per_host"],
        "CPU per host, asyncssh ÷ ours": round(by["asyncssh, 32"]["cpu_ms_per_host"] / mine["cpu_ms_per_host"], 2),
        "hosts/s with two processes (to be reached: 700)": by["ours, 256, 2 processes"]["hosts_per_s"],
    }
    measuring.publish("ssh_light", table, ratios)


if __name__ == "__main__":
    main()
