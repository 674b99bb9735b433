"""A sheet against the register as it stands: what would be added, changed, emptied or withdrawn.  Writes nothing.

In: an open session and a `Sheet`.  Out: `Comparison`: one `Change` for each row that differs, each with its fields' old and new
values, and the cells whose unit nobody knows.  `storing.write` carries it out, `--preview` only shows it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import model
from inventory.catalogue import clean
from inventory.register import claims
from inventory.register.fields import plain
from inventory.register.sheet import Rejection, Row, Sheet

Fields = dict[str, dict[str, Any]]


@dataclass
class Change:
    """What happens to one row.  `fields[name]` has `old` and `new`; an absent side has no value.  `row` is None for withdrawals."""

    kind: str
    key: str
    action: str  # added | changed | withdrawn | returned
    fields: Fields
    place: str
    unit: str | None = None
    row: Row | None = None

    def cells(self) -> list[dict[str, Any]]:
        """One entry for each field, for people and `--json`."""
        base = {"kind": self.kind, "key": self.key, "action": self.action, "place": self.place}
        if not self.fields:
            return [{**base, "field": "", "old": None, "new": None}]
        return [
            {**base, "field": name, "old": values.get("old"), "new": values.get("new"),
             "place": self.row.place(name) if self.row else self.place}
            for name, values in self.fields.items()
        ]  # fmt: skip


@dataclass
class Comparison:
    """All changes of a sheet; `same` rows say what the register says already and are only confirmed."""

    changes: list[Change] = field(default_factory=list)
    same: list[Change] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def counts(self) -> Counter[str]:
        """Rows by what happens to them."""
        counts = Counter(change.action for change in self.changes)
        counts["same"] = len(self.same)
        return counts


class Units:
    """Whom a unit cell means: a code, a Chinese or English name, or a short name; in the catalogue or in the sheet itself."""

    def __init__(self, session: Session, sheet: Sheet) -> None:
        self.codes: set[str] = set()
        self.names: dict[str, set[str]] = {}
        self.states: dict[str, dict[str, Any]] = {}
        for unit in session.scalars(select(model.Unit)):
            self.states[unit.code] = unit_state(unit)
            self._add(unit.code, self.states[unit.code])
        for row in sheet.rows:
            if row.kind == "unit" and row.key:
                self._add(row.key, row.data)

    def _add(self, code: str, data: Mapping[str, Any]) -> None:
        self.codes.add(code)
        aliases = data.get("aliases")
        for name in (code, data.get("name_zh"), data.get("name_en"), *(aliases if isinstance(aliases, list) else [])):
            if name:
                self.names.setdefault(plain(str(name)), set()).add(code)

    def find(self, text: str) -> tuple[str | None, str]:
        """The code, or None with the reason."""
        if text in self.codes:
            return text, ""
        found = self.names.get(plain(text), set())
        if len(found) == 1:
            return next(iter(found)), ""
        if found:
            return None, f"{text[:60]!r} may be any of {', '.join(sorted(found))}; write the code"
        return None, f"{text[:60]!r} is not in the register"


def unit_state(unit: model.Unit) -> dict[str, Any]:
    """A unit's declared values; names that only stand in for each other are not its own."""
    state = {str(key): value for key, value in unit.details.items()}
    if "name_zh" not in state and "name_en" not in state:
        state |= {"name_zh": unit.name_zh, **({"name_en": unit.name_en} if unit.name_en != unit.name_zh else {})}
    return state


def compare(session: Session, sheet: Sheet, *, complete: bool = False) -> Comparison:
    """What the sheet would change.  `complete`: it is the whole of its units' rows, so that what it lacks is withdrawn."""
    result = Comparison()
    units = Units(session, sheet)
    for row in sheet.rows:
        if row.kind == "unit":
            _unit(result, units, row, complete)
    for kind in ("site", "server", "link"):
        rows = [row for row in sheet.rows if row.kind == kind]
        if rows:
            _rows(session, result, units, sheet, kind, rows, complete)
    return result


def _unit(result: Comparison, units: Units, row: Row, complete: bool) -> None:
    code = row.key
    if not code:
        found, _ = units.find(str(row.data.get("name_zh") or ""))
        if found is None:
            result.rejected.append(Rejection(row.origin, f"the new unit {row.data.get('name_zh')!r} needs a code", field="code"))
            return
        code = found
    old = units.states.get(code)
    new = {name: clean(value) for name, value in row.data.items() if name != "code"}
    fields = _differing(old or {}, new, row.emptied if complete else frozenset())
    _take(result, Change("unit", code, "changed" if old is not None else "added", fields, row.origin, code, row), new=old is None)


def _differing(old: Mapping[str, Any], new: Mapping[str, Any], emptied: frozenset[str]) -> Fields:
    fields: Fields = {}
    for name, value in new.items():
        if name not in old:
            fields[name] = {"new": value}
        elif old[name] != value:
            fields[name] = {"old": old[name], "new": value}
    for name in sorted(emptied):
        if name in old:
            fields[name] = {"old": old[name]}
    return fields


def _take(result: Comparison, change: Change, *, new: bool) -> None:
    (result.changes if new or change.fields or change.action == "returned" else result.same).append(change)


def _rows(session: Session, result: Comparison, units: Units, sheet: Sheet, kind: str, rows: list[Row], complete: bool) -> None:
    table = model.Declared
    have = {
        row.key: claims.Standing(row.unit_code, row.data, row.withdrawn_at, row.origin)
        for row in session.execute(
            select(table.key, table.unit_code, table.data, table.withdrawn_at, table.origin).where(table.kind == kind)
        )
    }
    whole: set[str] = set()
    texts = {row.unit for row in rows} | {text for row in rows for text, _ in row.others}
    known = {text: units.find(text) for text in texts if text}
    spoken = {unit for unit, _ in known.values() if unit}
    for row in rows:
        if len(row.key) > 255:
            result.rejected.append(Rejection(row.origin, f"the ends of a link are longer than 255 characters together: {row.key[:40]!r}…"))
            continue
        unit = None
        if row.unit:
            unit, reason = known[row.unit]
            if reason:
                at = row.places.get("unit", "")
                result.rejected.append(
                    Rejection(row.place("unit"), reason, sheet.file, column="" if ":" in at else at, field="unit", value=row.unit)
                )
        old = have.get(row.key)
        before = {**old.data, **({"unit": old.unit} if old.unit else {})} if old else {}
        new = {name: clean(value) for name, value in row.data.items()} | ({"unit": unit} if unit else {})
        fields = _differing(before, new, row.emptied - {"unit"} if complete else frozenset())
        if kind == "site" and unit:
            others = [(code, place) for text, place in row.others if (code := known[text][0]) is not None]
            fields |= claims.declared(session, result.notes, old, row, [(unit, row.place("unit")), *others], spoken)
        action = "added" if old is None else "returned" if old.withdrawn else "changed"
        effective = unit or (old.unit if old else None)
        _take(result, Change(kind, row.key, action, fields, row.origin, effective, row), new=old is None)
        if effective:
            whole.add(effective)
    if complete:
        _withdraw(result, sheet, kind, {row.key for row in rows}, have, whole)


def _withdraw(result: Comparison, sheet: Sheet, kind: str, there: set[str], have: Mapping[str, claims.Standing], units: set[str]) -> None:
    gone = sorted(key for key, row in have.items() if row.claimants() & units and key not in there and row.withdrawn is None)
    if gone and sheet.lost[kind]:
        shown = ", ".join(gone[:5]) + (f" and {len(gone) - 5} more" if len(gone) > 5 else "")
        result.notes.append(
            f"{sheet.file}: nothing is withdrawn: {sheet.lost[kind]} rows of {kind}s could not be read, and each may be one of {shown}"
        )
        return
    for key in gone:
        left = claims.without(have[key], units)
        if left is None:
            result.changes.append(Change(kind, key, "withdrawn", {}, sheet.file, have[key].unit))
        else:  # another unit declares it still
            result.changes.append(Change(kind, key, "changed", left[1], sheet.file, left[0]))
