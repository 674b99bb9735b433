"""Placing and scheduling 1,000 to 20,000 workloads, one after the other as `planner plan` does; a table and bench/planning.svg.

    .venv/bin/python bench/planning.py [--quick] [--svg bench/planning.svg]

To be reached: 10,000 on 200 nodes placed and scheduled in 10 s; growth close to linear.  Demands and nodes are those of `placing.py`, moves
and calendar those of `scheduling.py`.  Two rows of figures: on 200 nodes whatever the number of workloads, and with a node for every fifty
of them, as a center buys.  CPU seconds of one process, because other programs share the machine.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench import measuring
from bench.growth import plot
from bench.placing import instance
from bench.scheduling import START, campus, timed
from planner.placement import place
from planner.waves import schedule

EACH = 50
"""Workloads to a node, where nodes grow with them: 10,000 on 200."""


def main() -> None:
    parser = measuring.arguments(__doc__.splitlines()[0])
    parser.add_argument("--svg", type=Path)
    options = parser.parse_args()
    counts = (1000, 2000) if options.quick else (1000, 2000, 5000, 10_000, 20_000)
    print("| workloads | nodes | place, s | schedule, s | both, s | ms each | left out | without a date |\n" + "|---" * 8 + "|")
    series: dict[str, list[tuple[int, float]]] = {"200 nodes": [], f"{EACH} to a node": []}
    for count in counts:
        moves, calendar = campus(count)
        scheduling, made = timed(lambda moves=moves, calendar=calendar: schedule(moves, calendar, START))
        placed_on: dict[int, float] = {}
        for name, nodes in zip(series, (200, max(1, count // EACH)), strict=True):
            short = 0
            if nodes not in placed_on:
                given = instance(count, nodes)
                placed_on[nodes], placed = timed(lambda given=given: place(*given))
                short = placed.short()
                both = placed_on[nodes] + scheduling
                print(
                    f"| {count:,} | {nodes} | {placed_on[nodes]:.2f} | {scheduling:.2f} | {both:.2f} | {1000 * both / count:.2f} | {short} "
                    f"| {len(made.unscheduled)} |",
                    flush=True,
                )
            series[name].append((count, placed_on[nodes] + scheduling))
    for name, points in series.items():
        (few, first), (many, last) = points[0], points[-1]
        print(f"{name}: time for each workload at {many:,} ÷ at {few:,}: {last / many / (first / few):.2f}")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if options.svg:
        options.svg.write_text(plot(series, "Placing and scheduling", "CPU s").replace(">hosts<", ">workloads<"))


if __name__ == "__main__":
    main()
