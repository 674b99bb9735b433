"""What the machines say of the sites in care: one short visit to each, which changes nothing, and a handshake for each name.

In: the sites in care, the platforms, how hosts are reached, the hour, what was read before.  Out: for each site a dictionary of four parts:

    backup        {at, trouble, status}       as `site-backup status` has it; {} of a site that it does not know
    rotation      {at, trouble, missing, errors, timer}
    certificates  {at, trouble, names: {name: {fingerprint, not_after, covers, why, since, former}}}
    monitoring    {at, trouble, files}

It is read live, because a backup that failed this night is worth knowing this morning, and kept in the catalogue, because of a machine that
does not answer what it said last is still worth more than nothing: then `trouble` says why, and `at` how old the rest is.  Certificates are
kept with the day on which each was first seen, by which a renewal is told.
"""

from __future__ import annotations

import hashlib
import json
import socket
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from cryptography import x509
from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import model
from inventory.errors import HostError
from inventory.identify.vhosts import covers
from planner import handshakes
from planner.equality import Hosts
from planner.operations import targets
from planner.operations.care import Cared, logs
from planner.platforms import Platforms

AT_ONCE = 16
SECONDS = 120.0
CONNECT_SECONDS = 8.0
PORT = 443

STATUS = r"test -x /usr/local/sbin/site-backup || exit 4; /usr/local/sbin/site-backup status"
"""Exit status 4: this machine was never set up for backups."""

ROTATION = r"""
LC_ALL=C; PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; export LC_ALL PATH
command -v logrotate >/dev/null || { echo "no logrotate"; exit 0; }
timer=no
if test -d /run/systemd/system; then systemctl is-enabled logrotate.timer >/dev/null 2>&1 && timer=yes
else test -x /etc/cron.daily/logrotate && timer=yes; fi
echo "timer $timer"
logrotate -d /etc/logrotate.conf </dev/null 2>&1 | sed -n 's/^ *considering log /log /p; s/^error: */error /p'
for pattern in "$@"; do for file in $pattern; do test -e "$file" && echo "there $file"; done; done
exit 0
"""
"""Arguments: globs of logs, made of our own accounts' names.  `logrotate -d` only says what it would do."""

FILES = r"""
cd -- "$1" 2>/dev/null || exit 4
for f in node.json blackbox-http.json blackbox-https.json; do echo "@ $f"; cat "$f" 2>/dev/null; echo; done
"""
"""Argument: the folder of Prometheus' targets."""

Part = dict[str, Any]
Reading = dict[str, Part]


def read(cared: Sequence[Cared], platforms: Platforms, hosts: Hosts, at: datetime, before: Mapping[str, Reading]) -> dict[str, Reading]:
    """A reading for each site, by its id.  Nothing raises for a machine that does not answer."""
    stamp = at.isoformat(timespec="seconds")
    wanted = _logs(cared)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        status = pool.submit(_tried, lambda: _status(platforms, hosts))
        files = pool.submit(_tried, lambda: _files(platforms, hosts))
        rotations = {
            address: pool.submit(_tried, lambda a=address, g=globs: _rotation(hosts, a, g))  # type: ignore[misc]
            for address, globs in wanted.items()
        }
        presented = _handshakes(pool, cared)
        kept, kept_trouble = status.result()
        watched, watched_trouble = files.result()
        rotated = {address: job.result() for address, job in rotations.items()}
    found: dict[str, Reading] = {}
    for one in cared:
        old = before.get(one.id, {})
        found[one.id] = {
            "backup": _part(stamp, old.get("backup"), kept_trouble, {"status": (kept or {}).get("sites", {}).get(one.id, {})}),
            "rotation": _rotation_of(one, rotated, stamp, old.get("rotation")),
            "certificates": _certificates(one, presented, stamp, old.get("certificates")),
            "monitoring": _part(stamp, old.get("monitoring"), watched_trouble, {"files": sorted((watched or {}).get(one.site, ()))}),
        }
    return found


def _tried(ask: Callable[[], Any]) -> tuple[Any, str]:
    try:
        return ask(), ""
    except HostError as error:
        return None, f"{error.outcome}: {error.message}"
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return None, f"its answer cannot be read: {error}"


def _part(stamp: str, old: Part | None, trouble: str, new: Part) -> Part:
    """What was read now, or what was read before with what is in the way now."""
    if trouble:
        return {**(old or {"at": None}), "trouble": trouble}
    return {"at": stamp, "trouble": "", **new}


def _status(platforms: Platforms, hosts: Hosts) -> dict[str, Any] | None:
    if platforms.backup is None:
        return None
    code, text = hosts.run(platforms.backup.address, STATUS, seconds=SECONDS)
    if code == 4:
        return {"sites": {}}
    if code:
        raise HostError("partial", f"{platforms.backup.address}: site-backup status ended with {code}")
    told = json.loads(text)
    if not isinstance(told["sites"], dict):
        raise ValueError("no sites")
    return dict(told)


def _files(platforms: Platforms, hosts: Hosts) -> dict[str, set[str]] | None:
    if platforms.monitoring is None:
        return None
    _, text = hosts.run(platforms.monitoring.address, FILES, platforms.monitoring.folder, seconds=SECONDS)
    texts = dict(part.partition("\n")[::2] for part in text.split("@ ") if part.strip())
    return targets.watched(texts)


def _logs(cared: Iterable[Cared]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in cared:
        for address, globs in logs(one).items():
            found.setdefault(address, []).extend(globs)
    return found


def _rotation(hosts: Hosts, address: str, globs: Sequence[str]) -> dict[str, list[str]]:
    code, text = hosts.run(address, ROTATION, *globs, seconds=SECONDS)
    if code:
        raise HostError("partial", f"{address}: the look at logrotate ended with {code}")
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if rest:
            found.setdefault(word, []).append(rest)
    return found


def _rotation_of(one: Cared, rotated: Mapping[str, tuple[Any, str]], stamp: str, old: Part | None) -> Part:
    """The logs of one site over all its machines: `missing` are those that nothing rotates, `timer` whether anything ever runs."""
    from fnmatch import fnmatchcase

    missing, errors, timer = [], [], True
    for address, globs in logs(one).items():
        found, trouble = rotated[address]
        if trouble:
            return _part(stamp, old, trouble, {})
        own = [log for log in found.get("there", ()) if any(fnmatchcase(log, glob) for glob in globs)]
        missing += [f"{address}: {log}" for log in own if log not in found.get("log", ())]
        errors += [f"{address}: {line}" for line in found.get("error", ())]
        timer = timer and found.get("timer") == ["yes"]
    return {"at": stamp, "trouble": "", "missing": missing, "errors": errors[:5], "timer": timer}


Presented = dict[tuple[str, str], handshakes.Presented]


def _handshakes(pool: ThreadPoolExecutor, cared: Iterable[Cared]) -> Presented:
    """Every name at the address where it is served; an address that takes no connection is asked once."""
    places = sorted({(one.address, name) for one in cared if one.address and not one.closed for name in one.names if "*" not in name})
    addresses = sorted({address for address, _ in places})
    silent = dict(zip(addresses, pool.map(_silent, addresses), strict=True))

    def ask(place: tuple[str, str]) -> handshakes.Presented:
        why = silent[place[0]]
        return handshakes.Presented(why=why) if why else handshakes.presented(*place, port=PORT)

    return dict(zip(places, pool.map(ask, places), strict=True))


def _silent(address: str) -> str:
    try:
        socket.create_connection((address, PORT), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        return f"{type(error).__name__}: {error}"[:200]
    return ""


def _certificates(one: Cared, presented: Presented, stamp: str, old: Part | None) -> Part:
    """What its names present.  A name that was never served over HTTPS, and now presents nothing of its own, is passed over."""
    former = (old or {}).get("names", {})
    found: dict[str, Any] = {}
    for (address, name), shown in presented.items():
        if address != one.address or name not in one.names or one.closed:
            continue
        told = _told(name, shown)
        if name not in one.https and not told["covers"]:
            continue
        last = former.get(name, {})
        seen = last.get("fingerprint") or last.get("seen", "")  # a server that was down for a while has no new certificate
        if not told["fingerprint"]:
            found[name] = {**last, "why": told["why"], "fingerprint": "", "seen": seen}
        elif told["fingerprint"] == seen:
            found[name] = {**told, "since": last.get("since", stamp), "former": last.get("former", "")}
        else:  # the certificate before it is told by the day on which it ended, or would have
            found[name] = {**told, "since": stamp, "former": last.get("not_after", "")}
    return {"at": stamp, "trouble": "", "names": found}


def _told(name: str, shown: handshakes.Presented) -> dict[str, Any]:
    told: dict[str, Any] = {"fingerprint": "", "not_after": "", "covers": False, "why": shown.why}
    if not shown.chain:
        return told
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            leaf = x509.load_der_x509_certificate(shown.chain[0])
            ends = leaf.not_valid_after_utc
            names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
        except (ValueError, x509.ExtensionNotFound):
            return {**told, "why": "its certificate cannot be read, or names nothing"}
    digest = hashlib.sha256(shown.chain[0]).hexdigest()
    return {"fingerprint": digest, "not_after": ends.isoformat(timespec="seconds"), "covers": covers(names, name), "why": ""}


def kept(session: Session) -> dict[str, Reading]:
    """What was read last, by the sites' ids."""
    return {row.id: dict(row.data) for row in session.scalars(select(model.CareReading))}


def keep(session: Session, readings: Mapping[str, Reading]) -> None:
    """Put what was read into the catalogue; what is in care no longer is forgotten."""
    for row in session.scalars(select(model.CareReading)):
        if row.id not in readings:
            session.delete(row)
        elif row.data != readings[row.id]:
            row.data = dict(readings[row.id])
    there = set(session.scalars(select(model.CareReading.id)))
    for name in sorted(readings.keys() - there):
        session.add(model.CareReading(id=name, data=dict(readings[name])))
