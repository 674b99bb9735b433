"""What a host does by the clock: crontabs, the cron directories, systemd timers, `at` jobs.

In: their files, each line masked on the host (a crontab is where database passwords stand); for `at` the queue's listing
only, since a job's file is a copy of its owner's environment.  Out: `cron`, also for jobs that are commented out
(`enabled` False).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from inventory.probes.base import Block, Observation, Probe, Section, blocks, unknown
from inventory.probes.fragments import MASK, SHOW

SCRIPT = (
    SHOW
    + "MASK='"
    + MASK
    + r"""'
masked() { awk "$MASK"'NR > 2000 { exit } { print "|" mask(substr($0, 1, 4000)) }' < "$1"; }
table() {
  test -e "$2" || return 0
  if test -f "$2" && test -r "$2"; then mark "$1" "$2"; masked "$2"; else mark unknown "$2 unreadable"; fi
}
readable() {
  test -d "$1" || return 1
  if test -r "$1" && test -x "$1"; then return 0; fi
  mark unknown "$1 unreadable"; return 1
}
table system /etc/crontab
table anacron /etc/anacrontab
if readable /etc/cron.d; then for f in /etc/cron.d/*; do table system "$f"; done; fi
for d in /var/spool/cron/crontabs /var/spool/cron/tabs /etc/crontabs /var/cron/tabs /var/spool/cron; do
  if readable $d; then for f in $d/*; do if test ! -d "$f"; then table user "$f"; fi; done; fi
done
for p in hourly daily weekly monthly; do
  d=/etc/cron.$p
  if readable $d; then
    for f in $d/*; do
      if test -f "$f"; then if test -x "$f"; then mark "part $p yes" "$f"; else mark "part $p no" "$f"; fi; fi
    done
  fi
done
seen=' '
for d in /etc/systemd/system /run/systemd/system /usr/lib/systemd/system /lib/systemd/system; do
  for f in $d/*.timer; do
    test -f "$f" && test -r "$f" || continue
    u=${f##*/}
    case $seen in *" $u "*) continue ;; esac
    seen="$seen$u "
    on=no
    for w in /etc/systemd/system/*.wants/"$u" /run/systemd/system/*.wants/"$u" \
      /usr/lib/systemd/system/*.wants/"$u" /lib/systemd/system/*.wants/"$u"; do
      if test -L "$w" || test -e "$w"; then on=yes; break; fi
    done
    mark "timer $on" "$f"
    awk '/^[ \t]*(On[A-Za-z]+|Unit)[ \t]*=/ { print "|" $0 }' < "$f"
    s=`awk '/^[ \t]*Unit[ \t]*=/ { sub(/^[^=]*=[ \t]*/, ""); print; exit }' < "$f"`
    test -n "$s" || s=${u%.timer}.service
    for e in /etc/systemd/system /run/systemd/system /usr/lib/systemd/system /lib/systemd/system; do
      if test -f "$e/$s" && test -r "$e/$s"; then
        awk "$MASK"'/^[ \t]*(ExecStart|User)[ \t]*=/ { print "|" mask($0) }' < "$e/$s"; break
      fi
    done
  done
done
if have atq; then echo '@ atq'; atq 2>/dev/null | show
else
  for d in /var/spool/at /var/spool/cron/atjobs /var/spool/at/jobs; do
    if readable $d; then for f in $d/[a-z=]0*; do if test -f "$f"; then mark at "$f"; fi; done; fi
  done
fi
"""
)

_NUMERIC = re.compile(r"[0-9*][0-9*,/~-]{0,80}")
_NAMED = re.compile(
    r"[a-z0-9,*/-]{0,20}(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun)[a-z0-9,*/-]{0,80}",
    re.I,
)
_WORD = re.compile(r"@(?:reboot|hourly|daily|midnight|weekly|monthly|yearly|annually|every_\w{1,20})")
_EXAMPLE = "0 5 * * 1 tar -zcf /var/backups/home.tgz /home/"
"""The example in the comment of every new Debian crontab: no job anybody switched off."""


def parse(section: Section) -> list[Observation]:
    """`user` None where the file does not say; `schedule` is as written (`17 3 * * *`, `@reboot`, `OnCalendar=…`)."""
    found: list[Observation] = []
    for block in blocks(section.text):
        if block.tag == "unknown":
            found.append(unknown(block))
        else:
            for data, offset in _READERS.get(block.tag, _nothing)(block):
                found.append(Observation("cron", data, block.line + offset))
    return found


Job = tuple[dict[str, Any], int]


def _job(file: str, user: str | None, schedule: str, command: str | None, enabled: bool) -> dict[str, Any]:
    return {"file": file, "user": user, "schedule": schedule, "command": command, "enabled": enabled}


def _nothing(_block: Block) -> Iterator[Job]:
    return iter(())


def _table(block: Block) -> Iterator[Job]:
    """A crontab.  Those of the system have a user's column; a spool file is named for its user."""
    owner = None if block.tag == "system" else block.value.rpartition("/")[2]
    for offset, line in enumerate(block.lines, start=1):
        text = line.strip()
        enabled = not text.startswith("#")
        text = text.lstrip("# \t")
        parsed = _schedule(text)
        if parsed is None or (not enabled and text == _EXAMPLE):
            continue
        schedule, rest = parsed
        user = owner
        if owner is None:
            user, _, rest = rest.partition(" ")
            if not enabled and (user == "user-name" or not re.fullmatch(r"[a-z_][a-z0-9_.-]{0,31}\$?", user)):
                continue
        if rest.strip():
            yield _job(block.value, user, schedule, rest.strip(), enabled), offset


def _schedule(text: str) -> tuple[str, str] | None:
    """A line's time fields and what follows them, separators made single blanks; None if it is no job."""
    words = text.split(None, 5)
    if words and _WORD.fullmatch(words[0]):
        rest = text.split(None, 1)
        return words[0], " ".join(rest[1].split(None, 1)) if len(rest) > 1 else ""
    if len(words) < 6 or not all(_NUMERIC.fullmatch(word) for word in words[:3]):
        return None
    if not all(_NUMERIC.fullmatch(word) or _NAMED.fullmatch(word) for word in words[3:5]):
        return None
    return " ".join(words[:5]), " ".join(words[5].split(None, 1))


def _anacron(block: Block) -> Iterator[Job]:
    for offset, line in enumerate(block.lines, start=1):
        words = line.split(None, 3)
        if len(words) == 4 and re.fullmatch(r"\d{1,4}|@[a-z]{1,20}", words[0]) and words[1].isdigit():
            schedule = words[0] if words[0].startswith("@") else f"every {words[0]} days"
            yield _job(block.value, "root", schedule, words[3], True), offset


def _part(block: Block) -> Iterator[Job]:
    """A file in cron.daily and its like.  Debian's run-parts passes over names with a dot: such a file never runs."""
    period, _, rest = block.value.partition(" ")
    executable, _, path = rest.partition(" ")
    if path and not path.endswith("/.placeholder"):
        enabled = executable == "yes" and "." not in path.rpartition("/")[2]
        yield _job(path, "root", period, path, enabled), 0


def _timer(block: Block) -> Iterator[Job]:
    """A timer unit and, after it, `ExecStart` and `User` of the service it starts."""
    enabled, _, path = block.value.partition(" ")
    schedule, commands, user = [], [], "root"
    for line in block.lines:
        name, _, value = line.strip().partition("=")
        name, value = name.strip(), value.strip()
        if name.startswith("On") and value:
            schedule.append(f"{name}={value}")
        elif name == "ExecStart" and value:
            commands.append(value.lstrip("-@+!:"))
        elif name == "User" and value:
            user = value
    if path:
        yield _job(path, user, "; ".join(schedule), "; ".join(commands) or None, enabled == "yes"), 0


def _atq(block: Block) -> Iterator[Job]:
    """`12\tTue Nov 24 03:00:00 2026 a www-data`."""
    for offset, line in enumerate(block.lines, start=1):
        words = line.split()
        if len(words) >= 8 and words[0].isdigit():
            yield _job(f"at:{words[0][:20]}", words[7], "at " + " ".join(words[1:6]), None, True), offset


def _at(block: Block) -> Iterator[Job]:
    """A job's file is named queue, number and minutes since 1970, the last two in hexadecimal."""
    name = block.value.rpartition("/")[2]
    match = re.fullmatch(r"[a-zA-Z=][0-9a-f]{5}([0-9a-f]{8})", name)
    if match:
        yield _job(block.value, None, f"at minute {int(match.group(1), 16)}", None, True), 0


_READERS = {
    "system": _table,
    "user": _table,
    "anacron": _anacron,
    "part": _part,
    "timer": _timer,
    "atq": _atq,
    "at": _at,
}

PROBE = Probe("cron", SCRIPT, parse, seconds=20, max_bytes=1_000_000)
