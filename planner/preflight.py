"""What can be known to fail is said before anything is begun: all problems of all moves at once, read-only.

In: moves, how machines are reached.  Out: sentences.  `known` looks only at this machine and the catalogue; `asked` visits each machine
once and asks the name server whether it takes our key.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from inventory import ssh
from inventory.errors import HostError
from planner import equality, movesteps

Move = Mapping[str, Any]
SKEW = 60.0
"""Seconds that two clocks may differ: TSIG allows 300 (RFC 8945, 10), and a freeze's clock is compared with ours."""
SPARE = 1.2
"""A destination needs the content's bytes and this much more: a schema is filled beside the one it replaces."""

SCRIPT = r"""
printf 'clock %s\n' "$(date +%s)"
for program in $1; do
  found=
  for one in $(printf %s "$program" | tr '|' ' '); do command -v "$one" >/dev/null 2>&1 && found=1; done
  test -n "$found" || printf 'no-program %s\n' "$program"
done
for path in $2; do test -e "$path" || printf 'no-path %s\n' "$path"; done
folder=$3
while test -n "$folder" && ! test -d "$folder"; do folder=${folder%/*}; done
test -n "$3" && df -Pk "${folder:-/}" 2>/dev/null | awk 'NR > 1 && NF >= 6 { printf "free %s\n", $(NF - 2) }'
test -n "$3" && df -Pi "${folder:-/}" 2>/dev/null | awk 'NR > 1 && NF >= 6 && $2 > 0 { printf "inodes %s\n", $(NF - 2) }'
for port in $4; do
  owner=$(ss -Hltnp "sport = :$port" 2>/dev/null | sed -n 's/.*users:(("\([^"]*\)".*/\1/p' | head -n 1)
  test -n "$owner" && printf 'port %s %s\n' "$port" "$owner"
done
exit 0
"""
"""Arguments: programs, paths, a folder whose room is asked for, ports.  Lists are words, so that no path may need quoting."""

WEB_SERVERS = {"nginx", "haproxy", "apache2", "httpd"}


def machines(move: Move) -> dict[str, str]:
    """Address → name of every machine that a move logs in to."""
    destination = move["destination"]
    found = {move["source"]["address"]: move["source"]["host"], destination["receiver_address"]: destination["receiver"]}
    found |= {address: name for name, address in destination.get("node_addresses", {}).items()}
    if destination.get("front"):
        found[destination["address"]] = destination["front"]
    return {address: name for address, name in found.items() if address}


def known(moves: Sequence[Move], peer: Callable[[str], ssh.Peer], dns_key: str, login_keys: Sequence[str]) -> list[str]:
    """What this machine lacks, and machines that a move cannot reach by the ways that it goes."""
    listed: dict[str, str] = {}
    for move in moves:
        listed |= machines(move)
    problems = [f"{name} ({address}) has no trusted key" for address, name in sorted(listed.items()) if not peer(address).keys]
    for address, name in sorted(listed.items()):
        way = peer(address)
        if way.jumps or way.legacy or way.refusal:
            kind = "behind a bastion" if way.jumps else "spoken to by algorithms of the SHA-1 era" if way.legacy else way.refusal
            problems.append(f"{name} ({address}) is {kind}: it can be visited, and a move cannot go that way")
    if any(move["dns"] for move in moves) and not os.access(dns_key, os.R_OK):
        problems.append(f"the DNS key {dns_key} cannot be read")
    if any(movesteps.exported(move) for move in moves) and shutil.which("rsync") is None:
        problems.append("rsync is not installed on this machine, which publishes static exports: apt-get install rsync")
    return problems + [f"the login key {name} cannot be read" for name in login_keys if not os.access(name, os.R_OK)]


def asked(moves: Sequence[Move], hosts: equality.Hosts, dns_key: str, streams: int = 16) -> list[str]:
    """What the machines and the name server say of moves that have not begun."""
    listed: dict[str, str] = {}
    wanted: dict[str, list[Move]] = {}
    for move in moves:
        if (move.get("colocation") or {"leader": move.get("id")})["leader"] != move.get("id"):
            continue  # it rides on a machine that may be on its way
        listed |= machines(move)
        for address in machines(move):
            wanted.setdefault(address, []).append(move)
    with ThreadPoolExecutor(max(1, min(streams, len(listed)))) as pool:
        found = pool.map(lambda address: _machine(hosts, address, listed[address], wanted[address]), sorted(listed))
    zones = sorted({(move["dns"]["server"], move["dns"]["zone"]) for move in moves if move["dns"]})
    return [problem for problems in found for problem in problems] + [line for zone in zones for line in _zone(*zone, dns_key)]


def _machine(hosts: equality.Hosts, address: str, name: str, moves: Sequence[Move]) -> list[str]:
    here, problems = f"{name} ({address})", []
    own = [move for move in moves if move["source"]["address"] == address]
    taken = [move for move in moves if move["destination"]["receiver_address"] == address]
    programs = {"base64"}
    paths: set[str] = set()
    for move in own:
        # of an export nothing is read but pages, and a certificate
        if not movesteps.exported(move) or move["source"]["certificate"]:
            programs.add("tar" if move["placement"] in {"retire", "colocation"} or movesteps.exported(move) else "rsync|tar")
        docroot = move["source"]["docroot"]
        if docroot and move["placement"] != "vps" and not _blank(docroot):
            paths.add(docroot)
        if move["source"]["config_file"] and not _blank(move["source"]["config_file"]):
            paths.add(move["source"]["config_file"])
    if taken:
        programs.add("python3")
    folder = next((move["destination"]["docroot"] for move in taken if move["destination"]["docroot"]), "/var" if taken else "")
    ports = "80 443" if taken or any(address == move["destination"]["address"] for move in moves) else ""
    begun = time.time()
    try:
        status, said = hosts.run(address, SCRIPT, " ".join(sorted(programs)), " ".join(sorted(paths)), folder, ports)
    except HostError as error:
        return [f"{here} cannot be visited: {error.message}"]
    between = (begun + time.time()) / 2
    if status:
        return [f"{here}: the questions could not be asked (status {status})"]
    for line in said.splitlines():
        word, _, rest = line.partition(" ")
        if word == "clock" and rest.isdigit() and abs(int(rest) - between) > SKEW + (time.time() - begun):
            problems.append(f"{here}: its clock is {int(rest) - between:+.0f} s off ours")
        elif word == "no-program":
            problems.append(f"{here}: {rest.replace('|', ' or ')} is not there")
        elif word == "no-path":
            problems.append(f"{here}: {rest} is not there any more")
        elif word == "free" and rest.isdigit():
            problems += _room(here, folder, int(rest) * 1024, sum(move["bytes"] for move in taken))
        elif word == "inodes" and rest.isdigit() and int(rest) < 1000:
            problems.append(f"{here}: {folder} has only {rest} free inodes")
        elif word == "port":
            port, _, owner = rest.partition(" ")
            if owner not in WEB_SERVERS:
                problems.append(f"{here}: port {port} is held by {owner}")
    return problems


def _blank(path: str) -> bool:
    """Whether the shell would take a path apart, or more out of it than it is: such a one is looked at by the move itself."""
    return shlex.quote(path) != path


def _room(here: str, folder: str, free: int, needed: int) -> list[str]:
    wanted = int(needed * SPARE)
    return [f"{here}: {folder} has {free:,} bytes free, and the content needs {wanted:,}"] if free < wanted else []


def _zone(server: str, zone: str, dns_key: str) -> list[str]:
    """An update that changes nothing (only a prerequisite, RFC 2136, 2.4): the server has to take our key for it."""
    text = f"server {server}\nzone {zone}\nprereq yxdomain {zone}\nsend\n"
    try:
        done = subprocess.run(["nsupdate", "-t", "10", "-k", dns_key], input=text, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        return [f"the name server {server} could not be asked about {zone}: {error}"]
    said = " ".join((done.stdout + done.stderr).split())
    return [f"the name server {server} does not take updates of {zone} by our key: {said[:300]}"] if done.returncode else []
