"""What was declared when, by which import, from which cell: of the register as a whole, and of one unit, site, server or link.

In: an open session.  Out: plain data, oldest first.  `sources` gives for each declared value the cell and day that it came from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from inventory import model
from inventory.errors import NotFound
from inventory.register.names import ascii_name

_CHUNK = 500


def imports(session: Session) -> list[dict[str, Any]]:
    """All imports."""
    return [
        {
            "import": made.id, "at": made.at, "by": made.by, "file": made.file, "sha256": made.sha256, "complete": made.complete,
            "counts": made.counts, "undone_at": made.undone_at, "undone_by": made.undone_by,
        }
        for made in session.scalars(select(model.RegisterImport).order_by(model.RegisterImport.id))
    ]  # fmt: skip


def of(session: Session, name: str) -> list[dict[str, Any]]:
    """One row's values through all imports; `name` is a unit's code, a site's domain, a server's address or name.  Raises NotFound."""
    keys = {name, ascii_name(name)}
    for kind, key, data in session.execute(select(model.Declared.kind, model.Declared.key, model.Declared.data)):
        if kind == "server" and data.get("name") == name:
            keys.add(key)
    found = _changes(session, model.RegisterChange.key.in_(keys))
    if not found:
        raise NotFound(f"the register has no history of {name!r}", hint="a unit's code, a site's domain, a server's address or name")
    entries = []
    for change, made in found:
        for field, sides in (change.fields or {"": {}}).items():
            entries.append(
                {
                    "at": made.at, "import": made.id, "by": made.by, "kind": change.kind, "key": change.key, "action": change.action,
                    "field": field, "old": sides.get("old"), "new": sides.get("new"), "place": cell(change.place, sides.get("at", "")),
                    "undone_at": made.undone_at,
                }
            )  # fmt: skip
    return entries


def cell(place: str, column: str) -> str:
    """A row's place and a column as one place."""
    return column if ":" in column else f"{place}, column {column}" if column else place


def _changes(session: Session, *conditions: ColumnElement[bool]) -> list[tuple[model.RegisterChange, model.RegisterImport]]:
    query = select(model.RegisterChange, model.RegisterImport).join(
        model.RegisterImport, model.RegisterImport.id == model.RegisterChange.import_id
    )
    return [(change, made) for change, made in session.execute(query.where(*conditions).order_by(model.RegisterChange.id))]


@dataclass(frozen=True)
class Source:
    """Where and when a declared value was last written."""

    place: str
    at: datetime
    by: str


def sources(session: Session, kind: str, keys: Iterable[str]) -> dict[str, dict[str, Source]]:
    """For each key its fields' sources; imports that were taken back do not count."""
    found: dict[str, dict[str, Source]] = {}
    wanted = sorted(set(keys))
    for start in range(0, len(wanted), _CHUNK):
        some = model.RegisterChange.key.in_(wanted[start : start + _CHUNK])
        for change, made in _changes(session, model.RegisterChange.kind == kind, some, model.RegisterImport.undone_at.is_(None)):
            for field, sides in change.fields.items():
                found.setdefault(change.key, {})[field] = Source(cell(change.place, sides.get("at", "")), made.at, made.by)
    return found
