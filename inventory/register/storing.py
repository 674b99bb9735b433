"""A sheet compared and written into the catalogue: units, declared rows, hosts, the import itself and what it changed.

In: an open session and a `Sheet`.  Out: the comparison, and the import's number.  All of one file is one transaction of the caller's.
Rows are written in bulk: 100,000 of them take seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from inventory import model
from inventory.catalogue import clean
from inventory.register.comparing import Change, Comparison, compare, unit_state
from inventory.register.sheet import Rejection, Sheet

T = TypeVar("T")
_AT_ONCE = 2000


def store(
    session: Session, sheet: Sheet, at: datetime, *, by: str = "", sha256: str = "", complete: bool = False, record: bool = True
) -> tuple[Comparison, int]:
    """Compare a sheet and write what differs; returns the comparison and the import's number.

    A preview of several files needs each written before the next is compared: it does not `record` (number 0), and rolls back.
    """
    comparison = compare(session, sheet, complete=complete)
    made = None
    if record:
        counts = {**{kind: sheet.count(kind) for kind in ("unit", "site", "server", "link")}, **comparison.counts()}
        counts["rejected"] = len(rejections(sheet, comparison))
        made = model.RegisterImport(at=at, by=by[:64], file=sheet.file, sha256=sha256, complete=complete, counts=counts)
        session.add(made)
        session.flush()
    changes = _write(session, comparison, at)
    if made is None:
        return comparison, 0
    for part in _parts(changes):
        session.execute(insert(model.RegisterChange), [_kept(made.id, change) for change in part])
    return comparison, made.id


def rejections(sheet: Sheet, comparison: Comparison) -> list[Rejection]:
    """Everything of a sheet that could not be used, in the order in which it was found."""
    return [*sheet.rejected, *comparison.rejected]


def _write(session: Session, comparison: Comparison, at: datetime) -> list[Change]:
    """Carry out a comparison; returns all that was done, hosts included, in the order in which it can be undone backwards."""
    for change in comparison.changes:
        if change.kind == "unit":
            _write_unit(session, change)
    session.flush()
    _write_declared(session, comparison, at)
    return [*comparison.changes, *_write_hosts(session, comparison)]


def _parts(items: list[T]) -> Iterator[list[T]]:
    """A few thousand at a time: a statement's parameters are copied more than once on their way."""
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]


def _kept(number: int, change: Change) -> dict[str, Any]:
    places = change.row.places if change.row is not None else {}
    fields = {name: {**sides, **({"at": places[name]} if name in places else {})} for name, sides in change.fields.items()}
    return {
        "import_id": number,
        "kind": change.kind,
        "key": change.key,
        "action": change.action,
        "place": clean(change.place),
        "fields": fields,
    }


def _write_unit(session: Session, change: Change) -> None:
    unit = session.get(model.Unit, change.key) or model.Unit(code=change.key, details={})
    set_unit(unit, applied({} if change.action == "added" else unit_state(unit), change.fields))
    session.add(unit)


def set_unit(unit: model.Unit, values: dict[str, Any]) -> None:
    """Give a unit its declared values; each name stands in for the other where only one is declared."""
    unit.details = values
    zh, en = str(values.get("name_zh") or ""), str(values.get("name_en") or "")
    unit.name_zh, unit.name_en = zh or en or unit.code, en or zh or unit.code


def applied(values: dict[str, Any], fields: dict[str, dict[str, Any]], side: str = "new") -> dict[str, Any]:
    """Values after a change (`side` new) or before it (`old`)."""
    after = dict(values)
    for name, sides in fields.items():
        if side in sides:
            after[name] = sides[side]
        else:
            after.pop(name, None)
    return after


def _write_declared(session: Session, comparison: Comparison, at: datetime) -> None:
    table = model.Declared
    added: list[dict[str, Any]] = []
    changed: list[Change] = []
    same: list[dict[str, Any]] = []
    withdrawn: list[dict[str, Any]] = []
    for change in (*comparison.changes, *comparison.same):
        if change.kind == "unit":
            continue
        if change.action == "added":
            data = {name: sides["new"] for name, sides in change.fields.items() if name != "unit"}
            added.append({"kind": change.kind, "key": change.key, "unit_code": change.unit, "data": data, "origin": clean(change.place),
                          "imported_at": at, "withdrawn_at": None})  # fmt: skip
        elif change.action == "withdrawn":
            withdrawn.append({"k": change.kind, "w": change.key, "v_withdrawn_at": at})
        elif change.fields or change.action == "returned":
            changed.append(change)
        else:
            same.append({"k": change.kind, "w": change.key, "v_origin": clean(change.place), "v_imported_at": at})
    for part in _parts(added):
        session.execute(insert(table), part)
    _update(session, same)
    _update(session, withdrawn)
    if changed:
        query = select(table.kind, table.key, table.data, table.origin)
        have = {(kind, key): (data, origin) for kind, key, data, origin in session.execute(query)}
        rows = [
            {"k": c.kind, "w": c.key, "v_unit_code": c.unit, "v_imported_at": at, "v_withdrawn_at": None,
             "v_origin": clean(c.place) if c.row is not None else have[c.kind, c.key][1],
             "v_data": applied(have[c.kind, c.key][0], {name: sides for name, sides in c.fields.items() if name != "unit"})}
            for c in changed
        ]  # fmt: skip
        _update(session, rows)
    session.expire_all()


def _update(session: Session, rows: list[dict[str, Any]]) -> None:
    """Rows by kind `k` and key `w`; each gets the columns `v_…`, the same ones in all rows."""
    if rows:
        table = model.Declared
        values: dict[str, Any] = {name.removeprefix("v_"): bindparam(name) for name in rows[0] if name.startswith("v_")}
        statement = update(table).where(table.kind == bindparam("k"), table.key == bindparam("w")).values(values)
        for part in _parts(rows):
            session.connection().execute(statement, part)


def _write_hosts(session: Session, comparison: Comparison) -> list[Change]:
    """A declared server is a host that may be visited; returns what was done, for the history."""
    servers = [change for change in (*comparison.changes, *comparison.same) if change.kind == "server" and change.row is not None]
    if not servers:
        return []
    have = {
        address: (number, unit)
        for number, address, unit in session.execute(select(model.Host.id, model.Host.address, model.Host.unit_code))
    }
    taken = set(session.scalars(select(model.Host.name)))
    done: list[Change] = []
    new: list[dict[str, Any]] = []
    moved: list[dict[str, Any]] = []
    for change in servers:
        row = change.row
        assert row is not None
        if row.key not in have:
            name = clean(str(row.data.get("name") or row.key))
            name = row.key if name in taken else name
            taken.add(name)
            new.append({"name": name, "address": row.key, "unit_code": change.unit, "outcome": "not visited", "outcome_detail": ""})
            fields = {"name": {"new": name}, **({"unit": {"new": change.unit}} if change.unit else {})}
            done.append(Change("host", row.key, "added", fields, change.place))
        elif change.unit and have[row.key][1] != change.unit:
            moved.append({"i": have[row.key][0], "u": change.unit})
            old = have[row.key][1]
            done.append(Change("host", row.key, "changed", {"unit": {**({"old": old} if old else {}), "new": change.unit}}, change.place))
    for part in _parts(new):
        session.execute(insert(model.Host), part)
    if moved:
        statement = update(model.Host).where(model.Host.id == bindparam("i")).values(unit_code=bindparam("u"))
        session.connection().execute(statement, moved)
    return done
