"""What a sheet is, whatever file it came from: rows of cells, and what lay around them (merged, hidden, never calculated)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

MOST_COLUMNS = 256
LISTS = "lists"
"""The hidden sheet that our own workbooks keep the values of drop-down lists on."""
MOST_CELLS = 10_000_000
"""Of one file.  100,000 servers with all fields are three million."""


def letter(column: int) -> str:
    """1 → A, 27 → AA."""
    text = ""
    while column > 0:
        column, rest = divmod(column - 1, 26)
        text = chr(65 + rest) + text
    return text


@dataclass
class Grid:
    """One sheet.  `rows` yields (row number, cells) once; `places` gives a row's own place when it is not `file:row`.

    `merged` are (first row, first column, last row, last column), 1-based; `hidden_columns` and `notes` are told to the user.
    """

    file: str
    name: str
    rows: Iterable[tuple[int, Sequence[Any]]]
    merged: list[tuple[int, int, int, int]] = field(default_factory=list)
    hidden_columns: set[int] = field(default_factory=set)
    hidden_rows: int = 0
    epoch: datetime = datetime(1899, 12, 30)

    def place(self, row: int) -> str:
        """`file:row`, or `file: sheet 'X', row 3` when the file has sheets."""
        return f"{self.file}: sheet {self.name!r}, row {row}" if self.name else f"{self.file}:{row}"
