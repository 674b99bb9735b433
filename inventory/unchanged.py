"""Sections that say byte for byte what they said at the visit that is stored: they need not be parsed again.

In: the sections of a visit, and what the catalogue keeps of a host's newest snapshot.  Out: a mark for each section (its bytes, how it was
read, and which parsers read it), and the sections whose mark is the stored one's; the rows of these are taken over when the visit is
written (`packing`, `storing`).  A parser is a function of its section and of nothing else, no clock and no other section, so that an equal
mark means equal observations, lines included.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from hashlib import blake2b
from pathlib import Path

import cryptography
from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, model, packing, storing
from inventory.probes.base import Section

LONGEST = timedelta(days=1)
"""A visit is written at most so long after its discovery asked what is known."""


@cache
def parsers() -> str:
    """16 hexadecimal digits that change with this package's files, with Python, and with the library that reads certificates."""
    told = blake2b(f"{sys.version}\0{cryptography.__version__}".encode(), digest_size=8)
    root = Path(__file__).parent
    for path in sorted(root.rglob("*")):
        if path.suffix in {".py", ".yml"} and path.is_file():
            told.update(f"\0{path.relative_to(root)}\0".encode() + path.read_bytes())
    return told.hexdigest()


def marks(sections: Sequence[Section]) -> dict[str, str]:
    """Name → mark.  A section that was cut has none: it is always parsed; so is everything when some section came twice."""
    if len({section.name for section in sections}) < len(sections):
        return {}
    return {section.name: _mark(section) for section in sections if section.status not in {None, 124, 137} and not section.truncated}


def _mark(section: Section) -> str:
    told = blake2b(f"{parsers()}\0{section.name}\0{section.status}\0{section.privilege}\0".encode("utf-8", "replace"), digest_size=12)
    told.update(section.text.encode("utf-8", "surrogatepass"))
    return told.hexdigest()


def same(now: Mapping[str, str], before: packing.Earlier | None) -> frozenset[str]:
    """The sections whose mark is the stored one's."""
    stored = before.marks if before is not None else {}
    return frozenset(name for name, mark in now.items() if name in stored and stored[name][0] == mark)


def earlier(session: Session, hosts: Iterable[int], now: datetime) -> dict[str, packing.Earlier]:
    """Host's name → what its newest snapshot told; hosts that were never read are left out."""
    host, snapshot = model.table(model.Host), model.table(model.Snapshot)
    columns = (host.c.name, host.c.digest, snapshot.c.id, snapshot.c.taken_at, snapshot.c.sections)
    query = select(*columns).join(snapshot, snapshot.c.id == host.c.snapshot_id)
    found = {}
    for part in catalogue.chunks(sorted(hosts)):
        for row in session.execute(query.where(host.c.id.in_(part))):
            told = {entry["name"]: tuple(entry["mark"]) for entry in row.sections if entry.get("mark")}
            fresh = row.taken_at <= now and now + LONGEST - row.taken_at < storing.KEEP
            found[row.name] = packing.Earlier(row.id, row.digest or "", fresh, told)
    return found
