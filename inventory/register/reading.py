"""A register file → a `Sheet`: XLSX, CSV or YAML, whatever order and wording its columns have.

In: a path and the fields in force.  Out: rows with typed values, each knowing its cell, and every cell that was rejected with file,
sheet, row, column, heading and reason.  One bad cell never stops its row, one bad row never stops the others.  Raises InputError
only when the file as a whole cannot be used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from inventory import yamlfile
from inventory.errors import InputError
from inventory.register import cells, delimited, headings, network
from inventory.register.dates import Refused
from inventory.register.fields import Column, Register, plain, shipped
from inventory.register.grid import Grid, letter
from inventory.register.headings import Table
from inventory.register.network import Value
from inventory.register.sheet import Rejection, Row, Sheet

PARTS = {"units": "unit", "sites": "site", "servers": "server", "links": "link"}
"""Keys of a YAML register."""
_CACHED = 20_000


def read(path: Path, register: Register | None = None) -> Sheet:
    """Read a register file by its ending.  Raises InputError when the file as a whole cannot be used."""
    fields = register or shipped()
    ending = path.suffix.lower()
    if ending in {".yml", ".yaml"}:
        return _read_yaml(yamlfile.read(path, typed=False), fields)
    sheet = Sheet(str(path))
    if ending in {".csv", ".tsv", ".txt"}:
        grids = [delimited.grid(path)]
    elif ending in {".xlsx", ".xlsm"}:
        from inventory.register import xlsx  # openpyxl is large, and most commands read no workbook

        grids, sheet.notes = xlsx.grids(path)
    else:
        raise InputError(f"{path}: a register is an .xlsx, .csv or .yml file", hint="save the sheet as .xlsx, or as CSV (UTF-8 or GB18030)")
    reader = _Reader(sheet, fields)
    tables = [reader.take(grid) for grid in grids]
    if not any(tables):
        raise InputError(
            f"{path}: no table of units, sites or servers in it", hint="\n    ".join(reader.missed) or "see `planner register template`"
        )
    sheet.notes += reader.missed
    return sheet


class _Reader:
    """Takes grids into one sheet; keys must be unique across the file."""

    def __init__(self, sheet: Sheet, register: Register) -> None:
        self.sheet, self.register = sheet, register
        self.missed: list[str] = []
        self.keys: dict[tuple[str, str], int] = {}

    def take(self, grid: Grid) -> bool:
        """Whether the grid held a table; its rows, rejections and remarks are then in the sheet."""
        rows = iter(grid.rows)
        head = list(islice(rows, headings.LOOKED_AT + 3))
        table = headings.find(self.register, grid, head)
        if table is None:
            if head and grid.name not in self.register.instruction_sheet.values():
                self.missed.append(self._miss(grid, head))
            return False
        self.sheet.notes += headings.remarks(self.register, grid, table)
        records = _Records(self.register, table, grid)
        try:
            for number, line in _filled(grid, chain(head, rows), table.first):
                self._row(records, number, line)
        except InputError as error:  # the rest of a CSV after a lost quotation mark
            place, _, reason = error.message.partition(": ")
            self.sheet.rejected.append(Rejection(place, f"{reason}; the rest of the file is not read", grid.file, grid.name))
            self.sheet.lost.update({table.kind: 1})
        return True

    def _row(self, records: _Records, number: int, line: Sequence[Any]) -> None:
        row, rejected = records.read(number, line)
        if row is None:
            return
        kind = row.kind
        if not row.key and not (kind == "unit" and row.data.get("name_zh")):
            if not rejected and self._ends_table(line):
                self.sheet.notes.append(f"{row.origin}: {_first_text(line)[:40]!r} is no {kind}; the row is left out")
                return
            self.sheet.lost[kind] += 1
            needed = self.register.kinds[kind].key
            if not any(item.field == needed for item in rejected):
                reason = "a link needs a site and another end" if kind == "link" else "is missing"
                named = "" if kind == "link" else needed
                rejected.append(Rejection(row.origin, reason, records.grid.file, records.grid.name, number, field=named))
            self.sheet.rejected += rejected
            return
        _keep(self.sheet, self.keys, row, rejected, Rejection(row.origin, "", records.grid.file, records.grid.name, number))

    def _ends_table(self, line: Sequence[Any]) -> bool:
        filled = [cell for cell in line if not cells.blank(self.register, cell)]
        first = plain(_first_text(line))
        return not filled or first.startswith(self.register.footers) or (len(filled) == 1 and len(first) > 8)

    def _miss(self, grid: Grid, head: Sequence[tuple[int, Sequence[Any]]]) -> str:
        widest = max(head, key=lambda row: sum(isinstance(cell, str) and bool(cell.strip()) for cell in row[1]))
        shown = ", ".join(cells.text_of(cell)[:20] for cell in widest[1] if cell is not None)
        where = f"sheet {grid.name!r}" if grid.name else "it"
        return (
            f"{grid.file}: {where} is not read: no row is the heading of a domain (域名), an IP address (IP地址) or a unit (单位代码); "
            f"row {widest[0]} has {shown[:200]}"
        )


def _keep(sheet: Sheet, keys: dict[tuple[str, str], int], row: Row, rejected: list[Rejection], where: Rejection) -> None:
    """Take a row, unless its key stands in the file already; of a site that another unit declares there, too, that unit is kept."""
    mark = (row.kind, row.key or str(row.data.get("name_zh")))
    at = keys.get(mark)
    if at is not None:
        kept = sheet.rows[at]
        reason = f"{mark[1]} is declared already at {kept.origin}; this row is left out"
        if row.kind == "site" and row.unit and kept.unit and row.unit != kept.unit:
            reason += f", but for its unit: {kept.unit} there, {row.unit} here"
            sheet.rows[at] = replace(kept, others=(*kept.others, (row.unit, row.place("unit"))))
        sheet.rejected.append(Rejection(where.place, reason, where.file, where.sheet, where.row))
        return
    keys[mark] = len(sheet.rows)
    sheet.rows.append(row)
    sheet.rejected += rejected


def _first_text(line: Sequence[Any]) -> str:
    return next((cells.text_of(cell) for cell in line if cell is not None and str(cell).strip()), "")


class _Records:
    """Lines of one table → rows.  Equal cells of a column are read once."""

    def __init__(self, register: Register, table: Table, grid: Grid) -> None:
        self.register, self.table, self.grid = register, table, grid
        self.cache: list[dict[str, Value | Refused]] = [{} for _ in table.columns]
        self.columns = [(position, index, column) for position, (index, column, _, _) in enumerate(table.columns)]
        self.fields = frozenset(column.id for _, column, _, _ in table.columns)
        self.places = {column.id: letter(index + 1) for index, column, _, _ in reversed(table.columns)}

    def read(self, number: int, line: Sequence[Any]) -> tuple[Row | None, list[Rejection]]:
        """A row, or None for a line without anything in the table's columns, or one that repeats the headings."""
        data: dict[str, Any] = {}
        more: dict[str, Any] = {}
        rejected: list[Rejection] = []
        width = len(line)
        for position, index, column in self.columns:
            if index >= width or (cell := line[index]) is None or cell == "":
                continue
            known = self.cache[position].get(cell) if cell.__class__ is str else None
            value = known if known is not None else self._value(position, column, cell)
            if value is None:
                continue
            if isinstance(value, Refused):
                at = self.grid.place(number), str(value), self.grid.file, self.grid.name, number, letter(index + 1)
                heading = self.table.columns[position][2]
                rejected.append(Rejection(*at, heading, column.id, cells.text_of(cell)[:100]))
            elif column.id not in data:
                data[column.id] = value.data
                if value.more:
                    more |= value.more
        if not data and not rejected:
            return None, []
        if rejected and all(plain(item.value) == plain(item.heading) for item in rejected) and self._repeats(line):
            return None, []
        _take_more(self.table.kind, data, more)
        emptied = self.fields - data.keys() - {item.field for item in rejected}
        unit = str(data.pop("unit", "")) if self.table.kind != "unit" else ""
        key = cells.key_of(self.table.kind, data)
        return Row(self.table.kind, key, unit, data, self.grid.place(number), self.places, emptied), rejected

    def _value(self, position: int, column: Column, cell: Any) -> Value | Refused | None:
        value = self._parsed(column, cell, self.table.columns[position][3])
        if value is not None and cell.__class__ is str and len(cell) < 80:
            known = self.cache[position]
            if len(known) > _CACHED:
                known.clear()
            known[cell] = value
        return value

    def _parsed(self, column: Column, cell: Any, measure: str) -> Value | Refused | None:
        if cells.blank(self.register, cell):
            return None
        try:
            value = cells.parse(column, cell, unit=measure, epoch=self.grid.epoch)
        except Refused as refused:
            return refused
        return None if value.data == "" else value

    def _repeats(self, line: Sequence[Any]) -> bool:
        same = [
            plain(cells.text_of(line[i])) == plain(heading)
            for i, _, heading, _ in self.table.columns
            if i < len(line) and line[i] is not None
        ]
        return bool(same) and all(same)


def _take_more(kind: str, data: dict[str, Any], more: Mapping[str, Any]) -> None:
    """What cells said about other fields counts where these have no cell of their own; further names and addresses are added."""
    for name, value in more.items():
        if isinstance(value, list):
            data[name] = list(dict.fromkeys([*data.get(name, []), *value]))
        else:
            data.setdefault(name, value)
    if kind == "site" and "domain" not in data and "url" in data:
        try:
            data["domain"] = network.host_of(str(data["url"]))
        except Refused:
            return
    if kind == "site" and isinstance(data.get("aliases"), list):
        data["aliases"] = [name for name in data["aliases"] if name != data.get("domain")]


def _filled(grid: Grid, rows: Iterator[tuple[int, Sequence[Any]]], first: int) -> Iterator[tuple[int, Sequence[Any]]]:
    """Rows of data; a cell merged over several rows counts in each of them."""
    merges = sorted(box for box in grid.merged if box[2] > box[0] and box[2] >= first)
    ahead = 0
    open_: dict[int, tuple[int, Any]] = {}
    for number, line in rows:
        while ahead < len(merges) and merges[ahead][0] <= number:
            top, left, bottom, _ = merges[ahead]
            if top == number and left <= len(line) and number >= first:
                open_[left - 1] = (bottom, line[left - 1])
            ahead += 1
        if number < first:
            continue
        active = {column: value for column, (bottom, value) in open_.items() if number <= bottom}
        if len(active) < len(open_):
            open_ = {column: open_[column] for column in active}
        if active and any(column >= len(line) or line[column] is None for column in active):
            width = max(len(line), max(active) + 1)
            line = [line[i] if i < len(line) and line[i] is not None else active.get(i) for i in range(width)]
        yield number, line


def _read_yaml(document: yamlfile.Document, register: Register) -> Sheet:
    sheet = Sheet(document.name)
    data = document.data
    if not isinstance(data, dict):
        raise InputError(f"{document.place(())}: expected the keys {', '.join(PARTS)}")
    for key in data:
        if key not in PARTS:
            sheet.rejected.append(Rejection(document.place((key,)), f"unknown key {key!r}; there are {', '.join(PARTS)}", document.name))
    keys: dict[tuple[str, str], int] = {}
    for part, kind in PARTS.items():
        items = data.get(part) or []
        if not isinstance(items, list):
            sheet.rejected.append(Rejection(document.place((part,)), f"{part} must be a list", document.name))
            sheet.lost[kind] += 1
            continue
        for index, item in enumerate(items):
            place = document.place((part, index))
            if isinstance(item, dict):
                _take_item(sheet, keys, register, document, (part, index))
            else:
                sheet.rejected.append(Rejection(place, f"expected a mapping, not {item!r}"[:200], document.name))
                sheet.lost[kind] += 1
    return sheet


def _take_item(
    sheet: Sheet, keys: dict[tuple[str, str], int], register: Register, document: yamlfile.Document, at: tuple[str, int]
) -> None:
    part, index = at
    kind, item = PARTS[part], document.data[part][index]
    place = document.place(at)
    data: dict[str, Any] = {}
    more: dict[str, Any] = {}
    places: dict[str, str] = {}
    emptied: set[str] = set()
    rejected: list[Rejection] = []

    def refuse(path: tuple[str, ...], reason: str, field: str = "") -> None:
        rejected.append(Rejection(document.place((*at, *path)), reason, document.name, field=field or path[0]))

    for name, path, raw in _entries(kind, item):
        column = register.field_of(kind, name)
        if column is None:
            near = " or ".join(found.id for found in register.suggest(kind, name))
            refuse(path, f"not a field of a {kind}" + (f": did you mean {near}?" if near else ""))
            continue
        value = "\n".join(cells.text_of(part) for part in raw) if isinstance(raw, (list, set, tuple)) else raw
        if isinstance(raw, (list, set, tuple)) and not raw:
            data[column.id], places[column.id] = [] if column.kind in _LISTS else "", document.place((*at, *path))
            continue
        if isinstance(value, dict):
            refuse(path, "a single value or a list is expected here", column.id)
        elif cells.blank(register, value) or value in _NULLS:
            emptied.add(column.id)
        else:
            try:
                found = cells.parse(column, value, unit="B")
            except Refused as refused:
                refuse(path, str(refused), column.id)
                continue
            data[column.id], places[column.id] = found.data, document.place((*at, *path))
            more |= found.more
    _take_more(kind, data, more)
    unit = str(data.pop("unit", "")) if kind != "unit" else ""
    row = Row(kind, cells.key_of(kind, data), unit, data, place, places, frozenset(emptied - data.keys()))
    if not row.key:
        sheet.lost[kind] += 1
        needed = register.kinds[kind].key
        if not any(entry.field == needed for entry in rejected):
            reason = (
                "a unit needs a code"
                if kind == "unit"
                else f"{needed} is missing"
                if kind != "link"
                else "a link needs a site and another end"
            )
            rejected.append(Rejection(place, reason, document.name))
        sheet.rejected += rejected
        return
    _keep(sheet, keys, row, rejected, Rejection(place, "", document.name))


_NULLS = {"~", "null", "Null", "NULL"}
_LISTS = {"list", "domains", "addresses", "ranges", "macs", "ports"}


def _entries(kind: str, item: Mapping[Any, Any]) -> Iterator[tuple[str, tuple[str, ...], Any]]:
    """The mapping's entries as (field, path in the mapping, value); a unit's `name: {zh: …, en: …}` is two."""
    for name, value in item.items():
        if kind == "unit" and name == "name":
            if isinstance(value, dict):
                yield from ((f"name_{language}", ("name", str(language)), text) for language, text in value.items())
            else:
                yield "name_zh", ("name",), value
        else:
            yield str(name), (str(name),), value
