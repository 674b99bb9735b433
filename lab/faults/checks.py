# ruff: noqa: E501, S608  (the long lines are sh and SQL; they hold no observed text)
"""What has to hold when a round is over, looked at by other means than the product's: sums of files, rows of tables, the client's log.

In: the `Subject`, what the client was told, how the source was before anything began.  Out: problems as text; none when all went well.
"""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from faults.subject import (
    ACCOUNT,
    ADDRESS,
    DESTINATION,
    DOCROOT,
    MOVE,
    MOVED_TO,
    NEW_ADDRESS,
    NEW_SCHEMA,
    SCHEMA,
    SITE,
    SOURCE,
    Line,
    Subject,
)

TABLES = ("event", "log", "entry")
# All that a stay of ours could leave: files with owner, mode and sum; keys, timers, mounts, users, processes; rights and schemata.
FINGERPRINT = r"""
LC_ALL=C; export LC_ALL
find /etc /home /root /usr/local /opt /srv /tmp /var/tmp /var/spool /var/www /run/systemd/transient -xdev -path '*systemd-private*' -prune -o -name 'session-*.scope*' -prune -o \
  -path '*/uploads/r[0-9]*' -prune -o \( -type f -o -type d -o -type l \) -printf 'file %p %y %m %u:%g\n' 2>/dev/null | sort
find /etc /home /root /usr/local /var/www -xdev -path '*/uploads/r[0-9]*' -prune -o -type f -print0 | sort -z | xargs -0 sha256sum | sed 's/^/sum /'
ls -d /run/planner* 2>/dev/null | sed 's/^/file /'
test -e /var/lib/planner-move && find /var/lib/planner-move | sed 's/^/file /'
systemctl list-units --all --plain --no-legend 'planner*' | sed 's/^/unit /'
grep -E 'planner|/var/www' /proc/self/mountinfo | cut -d' ' -f4-6 | sed 's/^/mount /'
cut -d: -f1 /etc/passwd /etc/group | sed 's/^/account /'
for p in /proc/[0-9]*; do tr '\0' ' ' < $p/cmdline 2>/dev/null | grep -E '^[^ ]*(sh|sleep|rsync|mysqldump|mariadb-dump|gzip|sudo) .*(planner|/var/www|physevents|7200)' \
  | grep -v LC_ALL; done | sed 's/^/process /'
mysql -N -e "SELECT 'schema', SCHEMA_NAME FROM information_schema.SCHEMATA; SELECT 'user', User, Host FROM mysql.user;
  SELECT 'right', d.* FROM mysql.db d; SELECT 'right', User, Host, Db, Routine_name FROM mysql.procs_priv;
  SELECT 'event', EVENT_SCHEMA, EVENT_NAME, STATUS FROM information_schema.EVENTS;
  SELECT 'global', @@global.read_only, @@global.event_scheduler" | sort
"""
FROZEN = re.compile(
    r"file /var/lib/planner-move|file /etc/nginx/sites-available/phys |sum .*/etc/nginx/sites-available/phys$|right\t|event\t|mount .*/var/www/events|file /var/www/events"
)
"""What stays different on the source of a move that is done: it passes requests on and is frozen."""


@dataclass
class Ledger:
    """What the client was told since the source was last swept: name → (kind, who accepted it).  `tried`: all names that were sent."""

    accepted: dict[str, tuple[str, str]] = field(default_factory=dict)
    tried: set[str] = field(default_factory=set)

    def take(self, lines: Iterable[Mapping[str, object]]) -> None:
        """More of the client's log."""
        for line in lines:
            if line["kind"] != "read":
                self.tried.add(str(line["name"]))
                if line["ok"]:
                    self.accepted[str(line["name"])] = str(line["kind"]), str(line["by"])

    def by(self, host: str) -> set[str]:
        """What one host accepted."""
        return {name for name, (_, who) in self.accepted.items() if who == host}


def told(log: Path) -> list[dict[str, object]]:
    """The client's log, but for a line that is being written."""
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]


def longest_without(lines: Sequence[Mapping[str, object]], kind: str, begun: float, end: float) -> float:
    """The longest time, seconds, in which the client that asks the name server got no good answer of a kind."""
    good = sorted(float(str(line["end"])) for line in lines if line["kind"] == kind and line["who"] == "fresh" and line["ok"])
    marks = [begun, *(at for at in good if begun < at < end), end]
    return round(max(later - earlier for earlier, later in itertools.pairwise(marks)), 1)


def fingerprint(subject: Subject) -> list[str]:
    """The source, as a list of lines."""
    return subject.on(SOURCE, FINGERPRINT).splitlines()


def _difference(before: Sequence[str], now: Sequence[str], apart: re.Pattern[str] | None = None) -> list[str]:
    gone, come = sorted(set(before) - set(now)), sorted(set(now) - set(before))
    lines = [f"is gone: {line}" for line in gone] + [f"is new: {line}" for line in come]
    return [f"source: {line}" for line in lines if apart is None or not apart.search(line)]


def _rows(subject: Subject, host: str, schema: str, table: str) -> list[str]:
    return subject.on(host, f"mysql -N --default-character-set=utf8mb4 {schema} -e 'SELECT * FROM {table} ORDER BY id'").splitlines()


def _names(subject: Subject, host: str, schema: str) -> list[str]:
    return subject.on(host, f"mysql -N {schema} -e 'SELECT name FROM entry ORDER BY id'").split()


def _files(subject: Subject, host: str, docroot: str) -> dict[str, str]:
    listed = subject.on(host, f"cd {docroot} && find . -type f ! -name config.php -exec sha256sum {{}} +")
    return {line[66:]: line[:64] for line in listed.splitlines()}


def _uploads(files: Iterable[str]) -> set[str]:
    return {Path(name).stem for name in files if name.startswith("./uploads/")} - {"kept"}


def _objects(subject: Subject, host: str, schema: str) -> list[str]:
    query = f"""SELECT 'table', TABLE_NAME, ENGINE, TABLE_COLLATION FROM information_schema.TABLES WHERE TABLE_SCHEMA='{schema}';
      SELECT 'trigger', TRIGGER_NAME, ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA='{schema}';
      SELECT 'routine', ROUTINE_NAME, ROUTINE_DEFINITION FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA='{schema}';
      SELECT 'event', EVENT_NAME, EVENT_DEFINITION FROM information_schema.EVENTS WHERE EVENT_SCHEMA='{schema}'"""
    return sorted(subject.on(host, f'mysql -N -e "{query}"').splitlines())


def _dns(subject: Subject) -> str:
    words = subject.ctl("dig", "+noall", "+answer", SITE, "A")
    return " ".join(subprocess.run(words, env=subject.environment, capture_output=True, text=True, check=False).stdout.split()[1:])


def at_the_destination(subject: Subject, before: Sequence[str], ledger: Ledger) -> list[str]:
    """A move that is done."""
    problems = _difference(before, fingerprint(subject), FROZEN)
    old, new = _files(subject, SOURCE, DOCROOT), _files(subject, DESTINATION, MOVED_TO)
    problems += [f"file {name} is {'another' if name in new else 'missing'}" for name, total in old.items() if new.get(name) != total]
    problems += [f"file {name} came from nowhere" for name in new.keys() - old.keys() if not _uploads([name]) <= ledger.tried]
    for table in TABLES:
        here, there = _rows(subject, SOURCE, SCHEMA, table), _rows(subject, DESTINATION, NEW_SCHEMA, table)
        missing = set(here) - set(there)
        extra = set(there) - set(here)
        problems += [f"row of {table} is missing: {row}" for row in sorted(missing)[:5]]
        if table != "entry":
            problems += [f"row of {table} came from nowhere: {row}" for row in sorted(extra)[:5]]
    if _objects(subject, SOURCE, SCHEMA) != _objects(subject, DESTINATION, NEW_SCHEMA):
        problems.append("tables, triggers, routines or events differ")
    names = _names(subject, DESTINATION, NEW_SCHEMA)
    problems += (
        [f"row {name} arrived twice" for name in sorted({name for name in names if names.count(name) > 1})[:3]]
        if len(set(names)) < len(names)
        else []
    )
    present, kept = set(names) | _uploads(new), archived(subject)
    problems += _lost(ledger.by(SOURCE), present, f"accepted by {SOURCE} and not at {DESTINATION}")
    problems += _lost(ledger.by(DESTINATION), present | kept, f"accepted by {DESTINATION} and neither there nor in an archive")
    if (answer := _dns(subject)) != f"3600 IN A {NEW_ADDRESS}":
        problems.append(f"DNS says {answer}")
    problems += [f"left at the destination: {line}" for line in subject.on(DESTINATION, LEFT_WHEN_DONE).split()]
    if subject.on(
        DESTINATION, f"mysql -N -e \"SELECT STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA='{NEW_SCHEMA}'\""
    ).split() != ["ENABLED"]:
        problems.append("the event at the destination is not enabled")
    return problems


def at_the_source(subject: Subject, before: Sequence[str], ledger: Ledger) -> list[str]:
    """A move that was taken back, or never began: as if it had never been, but for what was written meanwhile."""
    problems = _difference(before, fingerprint(subject))
    names, files = _names(subject, SOURCE, SCHEMA), _files(subject, SOURCE, DOCROOT)
    if len(set(names)) < len(names):
        problems.append("a row arrived twice")
    problems += [f"file {name} came from nowhere" for name in files if not _uploads([name]) <= ledger.tried]
    present = set(names) | _uploads(files)
    problems += _lost(ledger.by(SOURCE), present, f"accepted by {SOURCE} and not there")
    problems += _lost(ledger.by(DESTINATION), present | archived(subject), f"accepted by {DESTINATION} and not in an archive")
    if (answer := _dns(subject)) != f"3600 IN A {ADDRESS}":
        problems.append(f"DNS says {answer}")
    problems += [f"left at the destination: {line}" for line in subject.on(DESTINATION, LEFT_WHEN_BACK).split()]
    return problems


LEFT_WHEN_DONE = f"""for f in id_ed25519 id_ed25519.pub known_hosts ssh_config; do test ! -e /var/lib/moves/{MOVE}/$f || echo $f; done
for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -oE '[s]chema-copy|[r]sync |[p]lanner-source' | tr ' ' '_'; done; true"""
LEFT_WHEN_BACK = f"""for f in /srv/sites/{ACCOUNT} /etc/nginx/sites-enabled/{ACCOUNT}.conf /etc/nginx/sites-available/{ACCOUNT}.conf \
  /var/lib/vhost/{ACCOUNT}.cnf /var/lib/moves/{MOVE} /etc/php/8.2/fpm/pool.d/{ACCOUNT}.conf; do test ! -e $f || echo $f; done
getent passwd {ACCOUNT} | cut -d: -f1; getent group {ACCOUNT} | cut -d: -f1
mysql -N -e "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME='{NEW_SCHEMA}'; SELECT User FROM mysql.user WHERE User='{NEW_SCHEMA}'"
ls /var/backups/vhost /var/backups/moves 2>/dev/null | grep partial
for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -oE '[s]chema-copy|[r]sync |[p]lanner-source' | tr ' ' '_'; done; true"""


def archived(subject: Subject) -> set[str]:
    """Rows and uploads that stand in the destination's archives."""
    return set(
        subject.on(
            DESTINATION,
            "cd /var/backups; { for f in */*.tar.gz; do test ! -e $f || tar -tzf $f; done; "
            "for f in */*.sql.gz; do test ! -e $f || zcat $f; done; } | grep -oE 'r[0-9]+-(fresh|stale)-(row|file)-[0-9]+' | sort -u; true",
        ).split()
    )


def sweep(subject: Subject, ledger: Ledger) -> None:
    """When the site is back at the source and all was right: the unit clears its entries, the center its archives."""
    subject.on(SOURCE, f"mysql {SCHEMA} -e 'DELETE FROM entry'; rm -f {DOCROOT}/uploads/r[0-9]*")
    subject.on(DESTINATION, "rm -f /var/backups/vhost/*.gz /var/backups/moves/*.gz")
    ledger.accepted.clear()
    ledger.tried.clear()


def _lost(wanted: set[str], found: set[str], what: str) -> list[str]:
    missing = sorted(wanted - found)
    return [f"{len(missing)} {what}: {', '.join(missing[:4])}"] if missing else []


def done_once(lines: Sequence[Line]) -> list[str]:
    """No step is begun again that is done and was not taken back.

    A comparison that was cut off, or after which a run ended, begins with a fresh copy.
    """
    done: set[str] = set()
    problems = []
    compared = False
    for line in lines:
        if line.event == "started":
            if line.step in done and not (line.step == "sync" and compared):
                problems.append(f"{line.step} was done and is begun again")
            compared = line.step == "verify"
            done = {step for step in done if STEPS.index(step) < STEPS.index(line.step)} if line.step in STEPS else done
        elif line.event == "done":
            done.add(line.step)
            compared = line.step == "verify"
        elif line.event == "undone":  # with all that was built upon it
            done = {step for step in done if STEPS.index(step) < STEPS.index(line.step)} if line.step in STEPS else set()
    return problems


STEPS = ("lower-ttl", "provision", "preseed", "freeze", "sync", "verify", "cutover", "watch")
