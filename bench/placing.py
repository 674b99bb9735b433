"""Placing demands on nodes: seconds from 1,000 to 20,000 demands, and HiGHS beside it on the same instances; a table and bench/placing.svg.

    .venv/bin/python bench/placing.py [--quick]

To be reached: 10,000 on 200 nodes in 4 s (so that placing and scheduling stay below 10), growth close to linear.  The peak
is to be within 2 % of the bound; with few demands on each node the bound itself is far below what whole demands can reach.
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench import measuring
from bench.growth import plot
from planner.placement import Demand, Node, Occupied, place
from planner.proof import prove

Given = tuple[list[Node], list[Demand], list[Occupied]]


def instance(count: int, nodes: int, seed: int = 1) -> Given:
    """Demands over 200 days, a tenth of them for a time only; half of the room is used in the end; labels, zones, moving sources."""
    chance = random.Random(seed)
    room = {"cpus": 64.0, "memory_bytes": 256e9, "disk_bytes": 8e12}
    each = 0.6 * 0.9 * nodes / count
    made = [
        Node(
            f"node-{n:03}",
            "vps",
            {**room, "ports": 4000},
            {},
            chance.choice("AB"),
            frozenset(chance.sample(["php7", "php8", "ssd"], 2)),
            0.1,
        )
        for n in range(nodes)
    ]
    demands = []
    for n in range(count):
        start = chance.randrange(200)
        needs = {name: round(amount * each * chance.choice([0.25, 0.5, 1, 1, 2]), 2) for name, amount in room.items()}
        end = None if chance.random() < 0.9 else start + chance.randrange(5, 60)
        labels = frozenset(chance.choice([(), (), ("php7",), ("ssd",)]))
        demands.append(Demand(f"demand-{n:05}", "vps", {**needs, "ports": 1}, start, end, chance.choice(["", "", "", "A", "B"]), labels))
    sources = [Occupied(chance.choice(made).name, f"source-{n}", {"cpus": 1}, chance.randrange(1, 200)) for n in range(count // 50)]
    return made, demands, sources


def main() -> None:
    options = measuring.arguments(__doc__.splitlines()[0]).parse_args()
    counts = (1000, 2000, 5000) if options.quick else (1000, 2000, 5000, 10_000, 20_000)
    print("demands  nodes  CPU s  ms/demand  peak    bound   gap     HiGHS s  HiGHS's peak  status")
    seconds: dict[int, float] = {}
    peers = [(40, 5), (120, 8), (240, 10)]
    for count, nodes in [*peers, *((count, 200) for count in counts)]:
        given = instance(count, nodes)
        taken = []
        for _ in range(1 if options.quick else options.rounds):
            begun = time.process_time()
            placed = place(*given)
            taken.append(time.process_time() - begun)
        seconds[count] = sorted(taken)[len(taken) // 2]
        bound = prove(given[0], given[1], placed, given[2], limit=5 if options.quick else 30)
        found = f"{bound.found:.4f}" if bound.found is not None else "-"
        short = f"  {placed.short()} left out" if placed.shortfalls else ""
        print(
            f"{count:7,}  {nodes:5}  {seconds[count]:5.2f}  {1000 * seconds[count] / count:9.3f}  {placed.peak:.4f}  {bound.value:.4f}"
            f"  {100 * bound.gap:5.2f} %  {bound.seconds:6.2f}  {found:>12}  {bound.status}{short}",
            flush=True,
        )
    last = counts[-1]
    print(f"time for each demand at {last:,} ÷ at 1,000: {seconds[last] / last / (seconds[1000] / 1000):.2f}")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    picture = plot({"placing": [(count, seconds[count]) for count in counts]}, "Placing on 200 nodes", "CPU s")
    (measuring.BENCH / "placing.svg").write_text(picture.replace(">hosts<", ">demands<"))


if __name__ == "__main__":
    main()
