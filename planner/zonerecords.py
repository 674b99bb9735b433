"""The A records of names, asked of the center's own name server by dig: what a cutover will change, and how long it is cached.

In: the server with its zones, names.  Out: {name, values, ttl} for each name that has records, and what could not be asked.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from typing import Any

from inventory.catalogue import chunks
from inventory.register import ascii_name, valid_name
from planner.platforms import Dns

AT_ONCE = 50
SECONDS = 60


def records(dns: Dns | None, names: Iterable[str]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """(name → its record, sentences on what could not be asked).

    Names that are none, or lie outside of the server's zones, are not asked: a name comes from a unit's host, and must be no option of
    dig's.  A server that does not answer is asked once, not once for every fifty names.
    """
    if dns is None:
        return {}, []
    zones = [ascii_name(zone) for zone in dns.zones]
    asked = {name: ascii_name(name) for name in names if valid_name(name)}
    ours = sorted({name for name in asked.values() if any(name == zone or name.endswith(f".{zone}") for zone in zones)})
    answered: dict[str, list[tuple[int, str]]] = {}
    problems = []
    for part in chunks(ours, AT_ONCE):
        problem, text = _dig(dns.server, part)
        for name, rows in _answers(text).items():
            answered[name] = rows
        if problem:
            problems.append(f"{len(ours)} names have no known DNS records: {problem}")
            break
    found = {}
    for name, plain in sorted(asked.items()):
        if plain in answered and plain in ours:
            rows = answered[plain]
            values = sorted({value for _, value in rows})
            found[name] = {"name": name, "values": values, "ttl": max(ttl for ttl, _ in rows)}
    return found, problems


def _dig(server: str, names: Iterable[str]) -> tuple[str, str]:
    """(what went wrong, what it printed)."""
    queries = [word for name in names for word in ("-q", name, "-t", "A")]
    command = ["dig", f"@{server}", "+noall", "+answer", "+time=2", "+tries=2", *queries]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=SECONDS)
    except FileNotFoundError:
        return "the program dig is missing (package bind9-dnsutils)", ""
    except subprocess.TimeoutExpired:
        return f"{server} does not answer within {SECONDS} seconds", ""
    except OSError as error:
        return f"dig: {error.strerror or error}", ""
    return (f"{server} does not answer" if done.returncode else ""), done.stdout


def _answers(text: str) -> dict[str, list[tuple[int, str]]]:
    """A records of dig's answer sections, by name; lines that are none are passed over."""
    found: dict[str, list[tuple[int, str]]] = {}
    for line in text.splitlines():
        row = line.split()
        if len(row) == 5 and row[3] == "A" and row[1].isdecimal():
            found.setdefault(row[0].rstrip(".").lower(), []).append((int(row[1]), row[4]))
    return found
