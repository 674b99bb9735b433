"""A site that the sheets of two units declare: both claims are kept, until one unit's sheet lets it go.  Pure but for the history it reads.

In: a site's declared row as it stands, and the units that a new sheet gives it.  Out: what changes in the row's field `claims`, {unit:
place} of all units that claim it, absent where one does.  A sheet that speaks for a unit (other rows of it name that unit) and gives the
site to another one takes that unit's claim back: it is a correction.  A sheet that says nothing of the other unit cannot.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from inventory.catalogue import clean
from inventory.register import history
from inventory.register.sheet import Row

FIELD = "claims"
_TOLD = 20


@dataclass(frozen=True)
class Standing:
    """A declared row as the register has it."""

    unit: str | None
    data: Mapping[str, Any]
    withdrawn: datetime | None
    origin: str

    def claimants(self) -> set[str]:
        """The units that declare it."""
        return {*of(self.data), *([self.unit] if self.unit else [])}


def of(data: Mapping[str, Any]) -> dict[str, str]:
    """{unit: place} of a declared row's values where several units claim it, by unit; else empty."""
    found = data.get(FIELD)
    return {str(unit): str(found[unit]) for unit in sorted(found)} if isinstance(found, dict) else {}


def declared(
    session: Session, notes: list[str], old: Standing | None, row: Row, given: Sequence[tuple[str, str]], spoken: Collection[str]
) -> dict[str, dict[str, Any]]:
    """The change of the field for a row that gives its site to the units `given` (unit, place), the first of them its own.

    A conflict is told in `notes`, with both units and both places.
    """
    before = of(old.data) if old is not None else {}
    held: dict[str, str] = {}
    if old is not None and old.withdrawn is None:
        held = before or ({old.unit: old.origin} if old.unit else {})
    elsewhere = {unit: place for unit, place in held.items() if unit not in spoken}
    if elsewhere and not before:
        source = history.sources(session, "site", [row.key]).get(row.key, {}).get("unit")
        elsewhere = {unit: source.place if source is not None else place for unit, place in elsewhere.items()}
    after = {**elsewhere, **{unit: clean(place) for unit, place in reversed(given)}}
    if len(after) < 2:
        return {FIELD: {"old": before}} if before else {}
    _tell(notes, row.key, given[0], after)
    if before.keys() == after.keys():
        return {}
    return {FIELD: {**({"old": before} if before else {}), "new": after}}


def _tell(notes: list[str], key: str, own: tuple[str, str], after: Mapping[str, str]) -> None:
    beginning = "declared by more than one unit: "
    told = sum(note.startswith(beginning) for note in notes)
    if told < _TOLD:
        others = ", ".join(f"{unit} at {after[unit]}" for unit in sorted(after) if unit != own[0])
        notes.append(f"{beginning}{key}, by {own[0]} at {own[1]}, and by {others}; planner owner confirm {key} UNIT decides")
    elif told == _TOLD:
        notes.append(f"{beginning}and others; planner owners --unsure lists them")


def without(row: Standing, units: Collection[str]) -> tuple[str, dict[str, dict[str, Any]]] | None:
    """The unit that keeps a site which complete sheets of `units` no longer have, and what changes; None when nobody does."""
    before = of(row.data)
    after = {unit: place for unit, place in before.items() if unit not in units}
    if not after:
        return None
    unit = row.unit if row.unit in after else min(after)
    fields: dict[str, dict[str, Any]] = {FIELD: {"old": before, **({"new": after} if len(after) > 1 else {})}}
    if unit != row.unit:
        fields["unit"] = {**({"old": row.unit} if row.unit else {}), "new": unit}
    return unit, fields
