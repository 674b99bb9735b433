"""The A records of names, asked of the center's own name server by dig: what a cutover will change, and how long it is cached.

In: the server with its zones, names.  Out: {name, values, ttl} for each name that has records, and what could not be asked.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from typing import Any

from inventory.catalogue import chunks
from planner.platforms import Dns

AT_ONCE = 50
SECONDS = 60


def records(dns: Dns | None, names: Iterable[str]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """(name → its record, sentences on what could not be asked).  Names outside of the server's zones are not asked."""
    if dns is None:
        return {}, []
    ours = sorted({name for name in names if any(name == zone or name.endswith(f".{zone}") for zone in dns.zones)})
    found: dict[str, dict[str, Any]] = {}
    problems = []
    for part in chunks(ours, AT_ONCE):
        queries = [word for name in part for word in (name, "A")]
        command = ["dig", f"@{dns.server}", "+noall", "+answer", "+time=2", "+tries=2", *queries]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            problems.append(f"{part[0]} and {len(part) - 1} more: DNS could not be asked: {error}")
            continue
        if answer.returncode:
            problems.append(f"{part[0]} and {len(part) - 1} more: {dns.server} does not answer")
        for name, rows in _answers(answer.stdout).items():
            if name in part:
                found[name] = {"name": name, "values": sorted(value for _, value in rows), "ttl": max(ttl for ttl, _ in rows)}
    return found, problems


def _answers(text: str) -> dict[str, list[tuple[int, str]]]:
    found: dict[str, list[tuple[int, str]]] = {}
    for line in text.splitlines():
        row = line.split()
        if len(row) == 5 and row[3] == "A" and row[1].isdigit():
            found.setdefault(row[0].rstrip(".").lower(), []).append((int(row[1]), row[4]))
    return found
