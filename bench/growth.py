"""How cost grows: from 100 to 10,000 hosts, visited only, and visited and read; a table and a plot (bench/results/growth.svg).

    .venv/bin/python bench/growth.py [--quick]

Cost per host must not rise with their number.  What is read is a Debian host's transcript, made of the captured outputs under tests/cases.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench import measuring
from bench.measuring import Measured, run
from inventory.probes import registry

CASES = measuring.ROOT / "tests" / "cases" / "probes"
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 760, 380, 70, 50, 40
COLOURS = ("#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad")


def transcript() -> bytes:
    """An answer to the collector's script; the light peers put the visit's own mark where @@NONCE stands."""
    parts = ["@@NONCE start root Linux\n"]
    for probe in registry.PROBES:
        case = next(iter(sorted((CASES / probe.name).glob("debian*.txt"))), None)
        body = case.read_bytes().decode("utf-8", "replace") if case else ""
        parts.append(f"\n@@NONCE begin {probe.name}\n{body}\n@@NONCE end {probe.name} 0 1\n")
    return "".join([*parts, "\n@@NONCE finish\n"]).encode()


def plot(series: dict[str, list[tuple[int, float]]], title: str, unit: str) -> str:
    """Lines over the number of hosts (logarithmic), as SVG."""
    counts = [count for points in series.values() for count, _ in points]
    most = max(value for points in series.values() for _, value in points) * 1.15
    low, high = math.log10(min(counts)), math.log10(max(counts))

    def place(count: int, value: float) -> tuple[float, float]:
        across = LEFT + (WIDTH - LEFT - 20) * (math.log10(count) - low) / max(0.01, high - low)
        return round(across, 1), round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / most, 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/><text x="{LEFT}" y="22" font-size="15">{title}</text>',
    ]
    for step in range(6):
        value = most * step / 5
        _, down = place(max(counts), value)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{down}" y2="{down}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{down + 4}" text-anchor="end">{value:.3g}</text>')
    for count in sorted(set(counts)):
        across, down = place(count, 0)
        parts.append(f'<text x="{across}" y="{down + 18}" text-anchor="middle">{count:,}</text>')
    parts.append(f'<text x="{WIDTH / 2}" y="{HEIGHT - 10}" text-anchor="middle">hosts</text><text x="8" y="{TOP - 4}">{unit}</text>')
    for number, (name, points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        line = " ".join(f"{across},{down}" for across, down in (place(*point) for point in points))
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{place(*point)[0]}" cy="{place(*point)[1]}" r="3" fill="{colour}"/>' for point in points]
        parts.append(f'<text x="{LEFT + 12 + 220 * number}" y="{TOP + 4}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>\n"])


def main() -> None:
    options = measuring.arguments(__doc__.splitlines()[0]).parse_args()
    counts = (100, 300, 1000, 3000) if options.quick else (100, 300, 1000, 3000, 10_000)
    found: dict[str, list[Measured]] = {}
    hosts: dict[str, int] = {}
    kinds = {"visited": [], "visited and read": ["--discover"], "the same, 2 processes": ["--discover", "--processes", "2"]}
    series: dict[str, list[tuple[int, float]]] = {name: [] for name in kinds}
    memory: dict[str, list[tuple[int, float]]] = {name: [] for name in kinds}
    with measuring.light_peers(reply=transcript()) as server:
        for count in counts:
            listed = str(server.hosts(count))
            for kind, more in kinds.items():
                name = f"{count}: {kind}"
                measuring.say(name)
                hosts[name] = count
                command = [*measuring.OURS, listed, str(server.folder / "client"), *more]
                found[name] = [run(command, stdin=measuring.SCRIPT) for _ in range(1 if options.quick or count > 1000 else options.rounds)]
    table = measuring.rows(found, hosts)
    by: dict[str, dict[str, Any]] = {row["client"]: row for row in table}
    for count in counts:
        for kind in kinds:
            series[kind].append((count, by[f"{count}: {kind}"]["cpu_ms_per_host"]))
            memory[kind].append((count, by[f"{count}: {kind}"]["rss_mb"]))
    for name, text in {"growth": plot(series, "CPU per host", "ms"), "growth-memory": plot(memory, "Memory", "MB")}.items():
        path = measuring.BENCH / "results" / f"{name}.svg"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    ratios = {
        f"{kind}: CPU per host at {counts[-1]:,} ÷ at 1,000": round(
            by[f"{counts[-1]}: {kind}"]["cpu_ms_per_host"] / by[f"1000: {kind}"]["cpu_ms_per_host"], 2
        )
        for kind in kinds
    }
    measuring.publish("growth", table, ratios)


if __name__ == "__main__":
    main()
