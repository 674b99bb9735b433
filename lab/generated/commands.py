"""`lab/campus make DIR` writes a campus; `lab/campus run DIR` takes it through the product and says what that took and how right it is."""

from __future__ import annotations

import argparse
import json
import time
from datetime import UTC, datetime
from pathlib import Path

from generated import making, running, writing

_SIZES = {"units": 80, "sites": 600, "servers": 250}


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0, or 1 when a phase failed."""
    parser = argparse.ArgumentParser(prog="lab/campus", description="A whole campus, made from a seed.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("make", "write register, transcripts, platforms, calendar and truth into DIR"),
        ("run", "take it through the product"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("folder", metavar="DIR", type=Path)
        command.add_argument("--seed", type=int, default=1)
        for size, number in _SIZES.items():
            command.add_argument(f"--{size}", type=int, default=number, help=f"default {number}")
        command.add_argument("--at", default=f"{making.AT:%Y-%m-%dT%H:%M:%SZ}", help="the moment at which all collectors ran (UTC)")
    asked = parser.parse_args(arguments)
    if min(asked.units, asked.sites, asked.servers) < 1 or asked.servers < 6:
        parser.error("a campus has a unit, a site and six servers at least")
    if asked.units > 250:
        parser.error("at most 250 units: each has addresses of its own in 198.18.0.0/16")
    if asked.servers > 200 * asked.units:
        parser.error("at most 200 servers for each unit")
    begun = time.monotonic()
    at = datetime.strptime(asked.at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    campus = making.make(asked.seed, asked.units, asked.sites, asked.servers, at)
    counts = writing.write(campus, asked.folder)
    print(f"{time.monotonic() - begun:7.1f} s  {'made':20} {json.dumps(counts)}")
    if asked.command == "make":
        return 0
    return 1 if running.run(asked.folder, _say).problems else 0


def _say(line: str) -> None:
    print(line, flush=True)
