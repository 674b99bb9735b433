"""Seconds to lay the dates of 1,000 to 20,000 moves, with the reasons for every earlier night; beside a scheduler that tries day after day.

A campus from a seed: moves with one to six hours of work, copies from some hundred megabytes to some hundred gigabytes, every fifth one in
a group, every fifteenth one after another move; nights and crew grow with the number of moves, so that they fill about a year and a half.
The peer has the same bookings, order and rules but no sets of days: it looks at one night after the other and counts.  It has to
find the same nights, and gives no reasons.

    python bench/scheduling.py --quick      # 1,000 and 2,000
    python bench/scheduling.py --svg bench/scheduling.svg
"""

from __future__ import annotations

import argparse
import gc
import heapq
import itertools
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import date
from math import log10
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from planner import groups
from planner.bookings import collect
from planner.calendars import Calendar, parse
from planner.moves import Move
from planner.room import DAY_S
from planner.shifting import shift
from planner.waves import schedule

START = date(2026, 8, 24)
LINES = (("schedule", "#2166ac"), ("groups", "#4d9221"), ("day by day", "#b2182b"))


def campus(count: int) -> tuple[list[Move], Calendar]:
    """Moves and a calendar; the same for the same number."""
    chance = random.Random(count)
    moves = [
        Move(
            f"m{number:05}", unit=f"u{number % 80}", placement=chance.choice(["site-cluster", "virtual-host", "vps"]),
            group=f"g{number // 4}" if number % 20 < 4 else "",
            hours={"web": chance.choice([1, 1.5, 2, 3]), "system": round(3 * chance.random(), 2)},
            bytes=int(chance.lognormvariate(22, 1.7)), source=f"h{chance.randrange(count * 2 // 5)}",
            destination=f"n{chance.randrange(200)}", link=chance.choice(["", "east"]), ttl_s=3600,
            risk=chance.random(), urgency=chance.randrange(4),
            after=(f"m{number - 10:05}",) if number % 30 in {17, 27} else (),
        )
        for number in range(count)
    ]  # fmt: skip
    text = f"""
weekdays: [mon, tue, wed, thu]
nights: {{cutovers: {max(5, count // 250)}}}
crew: {{web: {count / 35:.0f}, system: {count / 40:.0f}}}
pilots: {{moves: 0}}
transfer: {{links: {{east: {{bytes_per_s: 10000000, streams: {max(2, count // 250)}}}}}}}
blackouts:
- {{name: Term start, from: 2026-08-31, until: 2026-09-11}}
- {{name: Course registration, from: 2026-12-07, until: 2026-12-18, units: [u1, u2, u3]}}
- {{name: Examinations, from: 2027-01-04, until: 2027-01-15}}
- {{name: Term start, from: 2027-02-22, until: 2027-03-05}}
- {{name: Examinations, from: 2027-06-21, until: 2027-07-02}}
"""
    return moves, parse(text)


def day_by_day(moves: Sequence[Move], calendar: Calendar) -> dict[str, date]:
    """The peer: tries each night from the first one on, and counts what is taken."""
    made = collect(sorted(moves, key=lambda move: move.name), calendar, START)
    limits = {"night": calendar.nights.cutovers, "source": calendar.transfer.streams_per_source * DAY_S,
              "destination": calendar.transfer.streams_per_destination * DAY_S}  # fmt: skip
    taken: Counter[tuple[str, str, int]] = Counter()
    day_of: dict[str, int] = {}

    def limit(kind: str, name: str) -> int:
        if kind == "crew":
            return int(calendar.crew[name] * 60)
        return calendar.transfer.links[name].streams * DAY_S if kind == "link" else limits[kind]

    waiting = {key: len(item.after) for key, item in made.bookings.items()}
    then: dict[str, list[str]] = {}
    for key, item in made.bookings.items():
        for other in item.after:
            then.setdefault(other, []).append(key)
    ready = [(made.bookings[key].priority, key) for key, left in waiting.items() if not left]
    heapq.heapify(ready)
    while ready:
        item = made.bookings[heapq.heappop(ready)[1]]
        last = max((day_of.get(other, made.days) for other in item.after), default=-1)
        for day in range(made.begin, made.days):
            if day <= last or any(found.bits >> day & 1 for found in item.fixed):
                continue
            slots = [
                (need.kind, need.name, (day // 7 if need.kind == "crew" else day) - offset, amount)
                for need in item.needs for near, far, amount in need.spans for offset in range(near, far + 1)
            ]  # fmt: skip
            if all(taken[kind, name, slot] + amount <= limit(kind, name) for kind, name, slot, amount in slots):
                for kind, name, slot, amount in slots:
                    taken[kind, name, slot] += amount
                day_of[item.key] = day
                break
        for other in then.get(item.key, ()):
            waiting[other] -= 1
            if not waiting[other]:
                heapq.heappush(ready, (made.bookings[other].priority, other))
    return {name: made.day(day) for key, day in day_of.items() for name in made.bookings[key].names}


def timed(work: Any) -> tuple[float, Any]:
    """CPU seconds of a call, and what it returns."""
    gc.collect()
    begun = time.process_time()
    result = work()
    return time.process_time() - begun, result


def measure(count: int, peer_up_to: int) -> dict[str, Any]:
    """One size."""
    moves, calendar = campus(count)
    ties = [groups.Edge(a.name, b.name, "host") for a, b in itertools.pairwise(moves) if a.group and a.group == b.group]
    before = [groups.Before(name, move.name) for move in moves for name in move.after]
    grouping, _ = timed(lambda: groups.make([move.name for move in moves], ties, before))
    laying, made = timed(lambda: schedule(moves, calendar, START))
    middle = made.scheduled[len(made.scheduled) // 2]
    shifting, _ = timed(lambda: shift(moves, calendar, START, middle.name, made.scheduled[-1].cutover, former=made))
    reasons = sum(len(item.why_not_earlier) for item in made.scheduled) / max(1, len(made.scheduled))
    row = {
        "moves": count, "groups": round(grouping, 3), "schedule": round(laying, 3), "shift": round(shifting, 3),
        "ms a move": round(1000 * laying / count, 3), "without a date": len(made.unscheduled), "reasons a move": round(reasons, 1),
        "weeks": made.scheduled[-1].wave, "day by day": None,
    }  # fmt: skip
    if count <= peer_up_to:
        seconds, nights = timed(lambda: day_by_day(moves, calendar))
        assert nights == made.cutovers, "both read the same rules, so both must find the same nights"
        row["day by day"] = round(seconds, 3)
    return row


def svg(rows: Sequence[dict[str, Any]]) -> str:
    """Seconds by moves, both on logarithmic scales: growth in proportion is a line at the slope of the grey one."""
    known = [row[name] for row in rows for name, _ in LINES if row[name]]
    low, high = log10(rows[0]["moves"]), log10(rows[-1]["moves"])
    bottom, top = log10(min(known)) - 0.1, log10(max(known)) + 0.1

    def place(moves: float, seconds: float) -> str:
        return f"{70 + 480 * (log10(moves) - low) / (high - low or 1):.0f},{320 - 280 * (log10(seconds) - bottom) / (top - bottom):.0f}"

    parts = ['<svg xmlns="http://www.w3.org/2000/svg" width="720" height="370" font-family="sans-serif" font-size="12">']
    parts += ['<text x="70" y="24">CPU seconds</text><path d="M70 40V320H550" fill="none" stroke="#999"/>']
    for power in range(-3, 4):
        if bottom <= power <= top:
            y = place(rows[0]["moves"], 10**power).partition(",")[2]
            parts.append(f'<text x="62" y="{int(y) + 4}" text-anchor="end">{10**power:g}</text><path d="M70 {y}H550" stroke="#ddd"/>')
    first = rows[0]
    ends = [place(row["moves"], first["schedule"] * row["moves"] / first["moves"]) for row in (first, rows[-1])]
    parts.append(f'<polyline points="{" ".join(ends)}" fill="none" stroke="#999" stroke-dasharray="4"/>')
    parts.append('<text x="565" y="40" fill="#999">in proportion</text>')
    for row in rows:
        x = place(row["moves"], row["schedule"]).partition(",")[0]
        parts.append(f'<text x="{x}" y="340" text-anchor="middle">{row["moves"]:,}</text>')
    for number, (name, color) in enumerate(LINES):
        points = " ".join(place(row["moves"], row[name]) for row in rows if row[name])
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts.append(f'<text x="565" y="{60 + 20 * number}" fill="{color}">{name}</text>')
    return "\n".join([*parts, '<text x="310" y="360" text-anchor="middle">moves</text>', "</svg>"]) + "\n"


def main() -> None:
    """Measure, and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="1,000 and 2,000 moves")
    options.add_argument("--sizes", help="numbers of moves, with commas between")
    options.add_argument("--peer-up-to", type=int, default=5000, help="the day-by-day scheduler is not run on more moves")
    options.add_argument("--json", action="store_true")
    options.add_argument("--svg", type=Path)
    asked = options.parse_args()
    sizes = (
        [int(word) for word in asked.sizes.split(",")]
        if asked.sizes
        else [1000, 2000]
        if asked.quick
        else [1000, 2000, 5000, 10_000, 20_000]
    )
    rows = [measure(size, asked.peer_up_to) for size in sizes]
    if asked.svg:
        asked.svg.write_text(svg(rows))
    if asked.json:
        print(json.dumps(rows, indent=2))
        return
    print("| " + " | ".join(rows[0]) + " |\n|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join("" if found is None else f"{found:,}" for found in row.values()) + " |")
    cores = os.cpu_count()
    print(f"\nCPU seconds of one process; {cores} cores, load {', '.join(f'{load:.1f}' for load in os.getloadavg())} from all programs.")


if __name__ == "__main__":
    main()
