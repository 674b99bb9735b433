"""What a register file declares, as data: rows of units, sites, servers and links, and each cell that could not be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One declared row.  `key` is '' for a unit without a code; `unit` is the unit cell's text, not yet looked up.

    `places` are the fields' columns (`C`), or their own places in YAML; `emptied` are fields whose cells are there and empty.
    `others` are the units, with their places, of further rows of the file that declare the same site.
    """

    kind: str
    key: str
    unit: str
    data: Mapping[str, Any]
    origin: str
    places: Mapping[str, str] = field(default_factory=dict)
    emptied: frozenset[str] = frozenset()
    others: tuple[tuple[str, str], ...] = ()

    def place(self, name: str) -> str:
        """Where a field's value stands: the row's place with the column, or the YAML key's own place."""
        at = self.places.get(name, "")
        return at if ":" in at else f"{self.origin}, column {at}" if at else self.origin


@dataclass(frozen=True)
class Rejection:
    """A cell, a row or a column that could not be used.  `place` leads to it; `row` 0 and `column` '' where there is none."""

    place: str
    reason: str
    file: str = ""
    sheet: str = ""
    row: int = 0
    column: str = ""
    heading: str = ""
    field: str = ""
    value: str = ""

    def __str__(self) -> str:
        # in one table with the places of compilers: `file:line`, then what
        if self.column:
            joint = ", " if self.sheet else ": "
            return f"{self.place}{joint}column {self.column}{f' ({self.heading})' if self.heading else ''}: {self.reason}"
        return f"{self.place}: {f'{self.field}: ' if self.field else ''}{self.reason}"

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass
class Sheet:
    """A file's rows in their order; `lost` counts, by kind, rows of which not even the key could be read."""

    file: str
    rows: list[Row] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)

    def count(self, kind: str) -> int:
        """How many rows of a kind it declares."""
        return sum(row.kind == kind for row in self.rows)
