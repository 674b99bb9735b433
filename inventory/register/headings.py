"""Where a table begins and what its columns mean: the heading row, or two of them, found among titles and explanations.  Pure.

In: the first rows of a grid.  Out: a `Table`: kind of row, field of each column, first row of data; or why there is none, with the
headings that come near.  Recognition counts known headings; nothing is guessed from the data below.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inventory.register.cells import text_of
from inventory.register.fields import Column, Register, plain
from inventory.register.grid import Grid, letter

LOOKED_AT = 40
"""Rows that may stand above the headings."""
_FOUND = re.compile(r"[(（](found|实测)[)）]\s*$", re.I)
_MEASURE = re.compile(r"[(（\[]\s*([kmgtp]?)i?(?:b|字节)?\s*[)）\]]\s*$", re.I)


@dataclass
class Table:
    """A recognised table.  `columns` are (index, field, heading, measure); several may mean one field, the first filled one counts."""

    kind: str
    first: int
    columns: list[tuple[int, Column, str, str]] = field(default_factory=list)
    headings: Mapping[int, str] = field(default_factory=dict)
    unknown: list[tuple[int, str]] = field(default_factory=list)
    twice: list[tuple[int, str, str]] = field(default_factory=list)


Rows = Sequence[tuple[int, Sequence[Any]]]


def find(register: Register, grid: Grid, rows: Rows) -> Table | None:
    """The best table among the first rows, or None when no row holds a key column's heading."""
    best: tuple[float, Table] | None = None
    texts = _texts(grid, rows)
    for index in range(min(len(rows), LOOKED_AT)):
        for depth in (1, 2, 3):
            if index + depth > len(rows) or rows[index + depth - 1][0] != rows[index][0] + depth - 1:
                break
            names = _joined(texts[index : index + depth])
            for position, kind in enumerate(("site", "server", "unit", "link")):
                table = _match(register, kind, names, rows[index + depth - 1][0] + 1)
                if table is None:
                    continue
                fields = len({column.id for _, column, _, _ in table.columns})
                named = plain(grid.name) in {plain(word) for word in (kind, *register.kinds[kind].sheets, *_titles(register, kind))}
                # ties: the sheet's own name, then the upper row, then the lower depth, then the order of kinds
                score = fields + 0.5 * named - 0.01 * depth - 0.001 * position - 0.0001 * index
                if best is None or score > best[0]:
                    best = score, table
    return best[1] if best else None


def _titles(register: Register, kind: str) -> tuple[str, str]:
    return register.kinds[kind].en, register.kinds[kind].zh


def _texts(grid: Grid, rows: Rows) -> list[dict[int, str]]:
    """The heading texts of each row by column, merged cells filled."""
    found = []
    for number, cells in rows[: LOOKED_AT + 3]:
        line = {index: text_of(cell)[:200] for index, cell in enumerate(cells) if isinstance(cell, (str, int)) and str(cell).strip()}
        found.append(line)
        at = {row: line for (row, _), line in zip(rows, found, strict=False)}
        for top, left, bottom, right in grid.merged:
            if top <= number <= bottom and top in at and left - 1 in at[top]:
                for column in range(left - 1, min(right, left + 100)):
                    line.setdefault(column, at[top][left - 1])
    return found


def _joined(lines: Sequence[Mapping[int, str]]) -> dict[int, list[str]]:
    """For each column the texts that may be its heading: the lowest alone, and all from top to bottom joined."""
    names: dict[int, list[str]] = {}
    for column in sorted({column for line in lines for column in line}):
        parts = list(dict.fromkeys(line[column] for line in lines if column in line))
        names[column] = list(dict.fromkeys(["".join(parts), parts[-1]]))
    return names


def _match(register: Register, kind: str, names: Mapping[int, list[str]], first: int) -> Table | None:
    table = Table(kind, first, headings={column: texts[-1] for column, texts in names.items()})
    seen: dict[str, str] = {}
    for index, texts in names.items():
        if any(_FOUND.search(text) for text in texts) or any(register.ignores(text) for text in texts):
            continue
        column = next((found for text in texts if (found := register.field_of(kind, text)) is not None), None)
        heading = texts[-1]
        if column is None:
            table.unknown.append((index, heading))
        elif column.id in seen and column.id != "unit":
            table.twice.append((index, heading, seen[column.id]))
        else:
            seen.setdefault(column.id, letter(index + 1))
            table.columns.append((index, column, heading, _measure(column, heading)))
    wanted = {"unit": [{"code"}, {"name_zh"}], "site": [{"domain"}, {"url"}], "server": [{"address"}],
              "link": [{"site", "server"}, {"site", "database"}, {"site", "dns"}]}[kind]  # fmt: skip
    return table if any(need <= set(seen) for need in wanted) else None


def _measure(column: Column, heading: str) -> str:
    if column.kind != "size":
        return ""
    if plain(heading) == plain(column.id):
        return "B"
    match = _MEASURE.search(heading)
    return (match[1] or "b") if match else ""


def remarks(register: Register, grid: Grid, table: Table) -> list[str]:
    """What the user should know of the columns: unknown headings with the nearest known ones, doubled and hidden columns."""
    said = []
    where = f"{grid.file}: sheet {grid.name!r}, " if grid.name else f"{grid.file}: "
    for index, heading in table.unknown:
        near = register.suggest(table.kind, heading)
        words = " or ".join(f"{column.id} ({column.zh})" for column in near)
        advice = f"did you mean {words}? " if near else ""
        said.append(f"{where}column {letter(index + 1)}: the heading {heading[:60]!r} is not known, its cells are not read: {advice}"
                    "rename it, or add it to inventory/headings.yml")  # fmt: skip
    for index, heading, other in table.twice:
        said.append(f"{where}column {letter(index + 1)} ({heading[:60]}) means the same as column {other}; it is not read")
    hidden = [f"{letter(index + 1)} ({heading})" for index, _, heading, _ in table.columns if index + 1 in grid.hidden_columns]
    if hidden:
        said.append(f"{where}hidden columns are read too: {', '.join(hidden)}")
    if grid.hidden_rows:
        said.append(f"{where}{grid.hidden_rows} hidden rows are read too")
    return said
