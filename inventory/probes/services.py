"""Which services a host has, whether they run and start by themselves, and which processes there are.

In: `systemctl show`, or the files of OpenRC, upstart and SysV init; `ps`.  Out: `service`, `process`.
Init scripts are never run to ask for a state (they are the application's own code): without systemd `state` is None.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from inventory.probes.base import Block, Observation, Probe, Section, blocks, unknown
from inventory.probes.fragments import MASK, SHOW, number

SCRIPT = (
    SHOW
    + "MASK='"
    + MASK
    + r"""'
if have systemctl && test -d /run/systemd/system; then
  echo '@ units'
  systemctl show --no-pager -p Id -p LoadState -p ActiveState -p UnitFileState '*.service' 2>/dev/null | show
  echo '@ unit-files'; systemctl list-unit-files --no-pager --no-legend --type=service 2>/dev/null | show
elif test -d /etc/runlevels; then
  echo '@ openrc'; for f in /etc/runlevels/*/*; do if test -e "$f"; then printf '|%s\n' "${f#/etc/runlevels/}"; fi; done
  for f in /run/openrc/started/*; do if test -e "$f"; then printf '|started/%s\n' "${f##*/}"; fi; done
elif test -d /etc/init.d; then
  echo '@ sysv'
  for f in /etc/init.d/*; do if test -f "$f" && test -x "$f"; then printf '|script %s\n' "${f##*/}"; fi; done
  for r in /etc/rc2.d /etc/rc3.d /etc/rc5.d /etc/rc.d/rc3.d /etc/rc.d/rc5.d /etc/init.d/rc3.d; do
    for f in $r/S*; do if test -e "$f"; then printf '|start %s\n' "${f##*/}"; fi; done
  done
  for f in /etc/init/*.conf; do if test -f "$f"; then printf '|upstart %s\n' "${f##*/}"; fi; done
else
  mark unknown 'services no known service manager'
fi
if ps -ww -e -o pid,ppid,user:32,args >/dev/null 2>&1; then echo '@ ps'; list='ps -ww -e -o pid,ppid,user:32,args'
elif ps -e -o pid,ppid,user,args >/dev/null 2>&1; then echo '@ ps'; list='ps -e -o pid,ppid,user,args'
elif ps -o pid,ppid,user,args >/dev/null 2>&1; then echo '@ ps'; list='ps -o pid,ppid,user,args'
elif have ps; then echo '@ ps'; list='ps -ef'; mark unknown 'process_users ps knows no columns'
else list=; mark unknown 'processes ps missing'; fi
if test -n "$list"; then
  $list 2>/dev/null | awk -v self=$$ "$MASK"'
    NR == 1 { print "|" $0; next }
    $2 == 2 || $1 == 2 || NR > 8000 { next }
    {
      head = ""; rest = $0; pid = $1; order[++n] = pid; parent[pid] = $2
      for (i = 1; i <= 3; i++) {
        match(rest, /^ *[^ ]+/)
        head = head " " substr(rest, RSTART, RLENGTH)
        rest = substr(rest, RLENGTH + 1)
      }
      sub(/^ +/, "", rest)
      row[pid] = head; args[pid] = substr(rest, 1, 2000)
    }
    END {
      top = self
      while (parent[top] > 1 && args[parent[top]] ~ /(^|[ \/])(k?sh|bash|busybox) -(s|c)|^(timeout|nice|sudo) /) top = parent[top]
      for (k = 1; k <= n; k++) {
        up = order[k]
        for (depth = 0; depth < 20 && up != top && up > 1; depth++) up = parent[up]
        if (up != top && !index(args[order[k]], "have() {")) print "|" row[order[k]] " " mask(args[order[k]])
      }
    }'
fi
"""
)

_ENABLED = {"enabled": True, "enabled-runtime": True, "linked": False, "linked-runtime": False, "disabled": False}
_ENABLED |= {"masked": False, "masked-runtime": False, "indirect": False}


def parse(section: Section) -> list[Observation]:
    """`service`: `state` active|inactive|failed|… or None, `enabled` True, False or None (static, generated)."""
    found: list[Observation] = []
    services: dict[str, Observation] = {}
    for block in blocks(section.text):
        if block.tag == "unknown":
            found.append(unknown(block))
        elif block.tag == "ps":
            found.extend(_processes(block))
        else:
            for name, state, enabled, manager, offset in _SERVICES.get(block.tag, _nothing)(block):
                if name not in services:
                    data = {"name": name, "state": state, "enabled": enabled, "manager": manager}
                    services[name] = Observation("service", data, block.line + 1 + offset)
    return sorted([*found, *services.values()], key=lambda observation: observation.line)


Service = tuple[str, str | None, bool | None, str, int]


def _nothing(_block: Block) -> Iterator[Service]:
    return iter(())


def _units(block: Block) -> Iterator[Service]:
    """Paragraphs of `Name=value`; a unit that is named by others but has no file (`not-found`) is no service."""
    values: dict[str, str] = {}
    start = 0
    for offset, line in enumerate([*block.lines, ""]):
        name, equal, value = line.partition("=")
        if equal:
            if not values:
                start = offset
            values[name] = value
        elif values:
            ident = values.get("Id", "")
            if ident.endswith(".service") and values.get("LoadState") not in {"not-found", "masked"}:
                enabled = _ENABLED.get(values.get("UnitFileState", ""))
                yield ident.removesuffix(".service"), values.get("ActiveState"), enabled, "systemd", start
            values = {}


def _unit_files(block: Block) -> Iterator[Service]:
    """What is installed but not loaded: inactive by definition.  Templates (`getty@`) are no services themselves."""
    for offset, line in enumerate(block.lines):
        words = line.split()
        if len(words) >= 2 and words[0].endswith(".service") and "@." not in words[0] and words[1] not in {"masked", "alias"}:
            yield words[0].removesuffix(".service"), "inactive", _ENABLED.get(words[1]), "systemd", offset


def _openrc(block: Block) -> Iterator[Service]:
    started = {line.partition("/")[2] for line in block.lines if line.startswith("started/")}
    for offset, line in enumerate(block.lines):
        level, slash, name = line.partition("/")
        if slash and name:
            yield name, "active" if name in started else "inactive", level != "started", "openrc", offset


def _sysv(block: Block) -> Iterator[Service]:
    enabled = {match.group(1) for line in block.lines if (match := re.match(r"start S\d\d(.+)", line))}
    for offset, line in enumerate(block.lines):
        word, _, name = line.partition(" ")
        if word == "script" and name and name not in {"rc", "rcS", "functions", "skeleton", "README"}:
            yield name, None, name in enabled, "sysv", offset
        elif word == "upstart" and name.endswith(".conf"):
            yield name.removesuffix(".conf"), None, None, "upstart", offset


_SERVICES = {"units": _units, "unit-files": _unit_files, "openrc": _openrc, "sysv": _sysv}


def _processes(block: Block) -> Iterator[Observation]:
    """Columns by the header's names; kernel threads and the probe's own processes are left out."""
    header = block.lines[0].split() if block.lines else []
    for offset, line in enumerate(block.lines[1:], start=1):
        words = line.split(None, 3)
        if len(words) < 4 or (pid := number(words[0])) is None:
            continue
        command = words[3]
        user: Any = words[2] if "USER" in header else None
        if command.startswith("[") and command.endswith("]"):
            continue
        yield Observation("process", {"pid": pid, "user": user, "command": command}, block.line + 1 + offset)


PROBE = Probe("services", SCRIPT, parse, seconds=25, max_bytes=3_000_000)
