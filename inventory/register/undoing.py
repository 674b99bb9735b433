"""An import taken back: every field it set gets its former value, every row it brought goes, every row it withdrew returns.

In: an open session and an import's number (none: the newest).  Out: what was done.  Refuses with InputError where a later import has
touched the same fields, or other rows rest on what would go: nothing of somebody else's is ever lost.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from inventory import model
from inventory.errors import InputError, NotFound
from inventory.register.comparing import unit_state
from inventory.register.storing import applied, set_unit

_SHOWN = 5


def undo(session: Session, number: int | None, at: datetime, by: str) -> tuple[model.RegisterImport, list[str]]:
    """Take an import back.  Returns it, and notes on what had to stay.  Raises NotFound, InputError."""
    made = _which(session, number)
    table = model.RegisterChange
    changes = list(session.scalars(select(table).where(table.import_id == made.id).order_by(table.id.desc())))
    _refuse_if_touched_later(session, made, changes)
    declared: dict[tuple[str, str], model.Declared] = {}
    if any(change.kind in {"site", "server", "link"} for change in changes):
        declared = {(row.kind, row.key): row for row in session.scalars(select(model.Declared))}
    notes: list[str] = []
    for change in changes:
        if change.kind == "host":
            notes += _undo_host(session, change)
        elif change.kind != "unit":
            _undo_declared(session, change, declared.get((change.kind, change.key)), made.at)
    session.flush()
    for change in changes:
        if change.kind == "unit":
            _undo_unit(session, change)
    made.undone_at, made.undone_by = at, by[:64]
    session.flush()
    return made, notes


def _which(session: Session, number: int | None) -> model.RegisterImport:
    table = model.RegisterImport
    if number is None:
        made = session.scalar(select(table).where(table.undone_at.is_(None)).order_by(table.id.desc()).limit(1))
        if made is None:
            raise NotFound("there is no import to undo", hint="planner register history lists them")
        return made
    made = session.get(table, number)
    if made is None:
        raise NotFound(f"there is no import {number}", hint="planner register history lists them")
    if made.undone_at is not None:
        raise InputError(f"import {number} was taken back already on {made.undone_at:%Y-%m-%d} by {made.undone_by}")
    return made


def _refuse_if_touched_later(session: Session, made: model.RegisterImport, changes: list[model.RegisterChange]) -> None:
    mine = {(change.kind, change.key): change for change in changes if change.kind != "host"}
    later = session.scalars(
        select(model.RegisterChange)
        .join(model.RegisterImport, model.RegisterImport.id == model.RegisterChange.import_id)
        .where(model.RegisterChange.import_id > made.id, model.RegisterImport.undone_at.is_(None), model.RegisterChange.kind != "host")
        .order_by(model.RegisterChange.import_id)
    )
    touched: dict[int, list[str]] = {}
    for other in later:
        own = mine.get((other.kind, other.key))
        if own is None:
            continue
        both = sorted(own.fields.keys() & other.fields.keys())
        if both or own.action != "changed" or other.action != "changed":
            touched.setdefault(other.import_id, []).append(f"{other.key} ({', '.join(both) or other.action})")
    if touched:
        lines = [f"  import {number}: {', '.join(keys[:_SHOWN])}{' …' if len(keys) > _SHOWN else ''}" for number, keys in touched.items()]
        raise InputError(f"later imports touched what import {made.id} set:\n" + "\n".join(lines), hint="undo those first, newest first")


def _undo_declared(session: Session, change: model.RegisterChange, row: model.Declared | None, withdrawn: datetime) -> None:
    if row is None:
        return
    if change.action == "added":
        session.delete(row)
        return
    if change.action == "withdrawn":
        row.withdrawn_at = None
        return
    row.data = applied(row.data, {name: sides for name, sides in change.fields.items() if name != "unit"}, "old")
    if "unit" in change.fields:
        row.unit_code = change.fields["unit"].get("old")
    if change.action == "returned":
        row.withdrawn_at = withdrawn


def _undo_host(session: Session, change: model.RegisterChange) -> list[str]:
    host = session.scalar(select(model.Host).where(model.Host.address == change.key))
    if host is None:
        return []
    if change.action == "added":
        if host.visited_at is None and host.outcome == "not visited" and not host.snapshots:
            session.execute(update(model.Workload).where(model.Workload.host_id == host.id).values(host_id=None))
            session.delete(host)
            return []
        host.unit_code = None
        return [f"the host {host.name} ({host.address}) stays: it has been visited since"]
    host.unit_code = change.fields.get("unit", {}).get("old")
    return []


def _undo_unit(session: Session, change: model.RegisterChange) -> None:
    unit = session.get(model.Unit, change.key)
    if unit is None:
        return
    if change.action != "added":
        set_unit(unit, applied(unit_state(unit), change.fields, "old"))
        return
    tables = {"declared rows": model.Declared, "hosts": model.Host, "confirmed owners": model.OwnerConfirmation}
    for what, table in tables.items():
        resting = len(list(session.scalars(select(table.id).where(table.unit_code == unit.code))))  # type: ignore[attr-defined]
        if resting:
            raise InputError(f"the unit {unit.code} cannot go: {resting} {what} name it", hint="undo their imports first")
    # sites are identified anew after an undo; until then they must not hold on to a unit that goes
    session.execute(update(model.Workload).where(model.Workload.unit_code == unit.code).values(unit_code=None))
    session.execute(delete(model.Unit).where(model.Unit.code == unit.code))
    session.expunge(unit)
