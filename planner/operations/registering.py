"""The register after a move: where a site is hosted now, written as an import of its own, and taken back with the move.

In: an open session, the sites in care, the hour.  Out: what was written and taken back, as sentences.  It can be repeated at will: what
stands already is not written again.  The history of the register names the move; a value that somebody has declared since stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, model
from inventory.errors import InputError
from inventory.register import ascii_name
from inventory.register.sheet import Row, Sheet
from inventory.register.storing import store
from inventory.register.undoing import undo
from planner.operations.care import Cared, in_care

WHO = "planner"


def origin(plan: str, move: str) -> str:
    """How the register's history names a move."""
    return f"move {move} of {plan}"


def follow(book: catalogue.Catalogue) -> list[str]:
    """Let the register follow what was moved and taken back up to now; returns what was written, as sentences."""
    with book.session() as session:
        return settle(session, in_care(session), catalogue.now())


def settle(session: Session, cared: Sequence[Cared], at: datetime) -> list[str]:
    """Write what done moves changed, take back what moves that were rolled back had written."""
    said = []
    table = model.RegisterImport
    made = session.scalars(select(table).where(table.by == WHO, table.file.startswith("move ")).order_by(table.id)).all()
    standing = {one.file: one for one in made if one.undone_at is None}
    refused = {one.file for one in made if one.undone_at is not None and one.undone_by != WHO}  # an admin took it back
    wanted = {origin(one.plan, one.id): one for one in cared}
    for file in sorted(standing.keys() - wanted.keys(), key=lambda name: -standing[name].id):
        said.append(_back(session, standing[file], at))
    for file, one in wanted.items():
        if file not in standing and file not in refused:
            said.append(_write(session, one, file, at))
    return said


def _back(session: Session, made: model.RegisterImport, at: datetime) -> str:
    """A move that is not in care any more: rolled back, or followed by another one of the same site."""
    file = made.file
    try:
        with session.begin_nested():
            _, notes = undo(session, made.id, at, WHO)
    except InputError as error:
        return f"{file}: what was declared since stays: {error.message}"
    return "; ".join([f"{file}: the register says again what it said before", *notes])


def _write(session: Session, one: Cared, file: str, at: datetime) -> str:
    key, data = _declared(session, one)
    row = Row("site", key, one.unit, data, file)
    store(session, Sheet(file, [row]), at, by=WHO)
    return f"{file}: {key} is hosted as {one.placement}" + (f" on {', '.join(data['server'])}" if data.get("server") else "")


def _declared(session: Session, one: Cared) -> tuple[str, dict[str, Any]]:
    """The site's key in the register, and what the move changed.  A closed site keeps its old server: that still answers for it."""
    names = [ascii_name(name) for name in (one.site, *one.names)]
    there = set(session.scalars(select(model.Declared.key).where(model.Declared.kind == "site", model.Declared.key.in_(names))))
    key = next((name for name in names if name in there), names[0])
    data: dict[str, Any] = {"placement": one.placement}
    if not one.closed:
        data["server"] = list(dict.fromkeys(text for text in (one.machine or one.platform, one.machine_address or one.address) if text))
    if key not in there:
        data |= {"domain": key} | ({"aliases": names[2:]} if names[2:] else {})
    if one.https:
        data["https"] = True
    return key, data
