"""The register back to the units: XLSX with drop-down lists and help, CSV or YAML; and an empty template to fill.

In: declared rows as plain data, and what was found beside them.  Out: a file that `reading` reads back to the same rows.  Observed and
declared text is written as text and never as a formula or a link.  Columns marked "found" stand beside the declared ones, grey and
not read back; declared cells that differ are yellow.
"""

from __future__ import annotations

import csv
import io
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xlsxwriter
import yaml

from inventory.errors import InputError
from inventory.register.cells import written
from inventory.register.delimited import guarded
from inventory.register.fields import KINDS, Column, Register, RowKind
from inventory.register.grid import LISTS

_PARTS = {"unit": "units", "site": "sites", "server": "servers", "link": "links"}
_EXCEL_ROWS = 1_048_576
_EXCEL_CELL = 32_767
_TEMPLATE_ROWS = 500
_FOUND = {"en": "(found)", "zh_CN": "（实测）"}


@dataclass(frozen=True)
class Found:
    """What was found for one declared value: the value for people, when, and whether it differs."""

    value: Any
    differs: bool
    note: str = ""


@dataclass
class Entry:
    """One row to write: declared values (a unit under `unit`), and what was found, by field."""

    kind: str
    data: Mapping[str, Any]
    found: Mapping[str, Found] = field(default_factory=dict)


def write(path: Path, register: Register, entries: Sequence[Entry], language: str = "en", *, with_found: bool = False) -> None:
    """Write by the path's ending.  Raises InputError."""
    ending = path.suffix.lower()
    if ending == ".xlsx":
        replace(path, _workbook(register, entries, language, with_found=with_found, template=False))
    elif with_found:
        raise InputError(f"{path}: what was found is shown in .xlsx files only")
    elif ending in {".yml", ".yaml"}:
        replace(path, _yaml(register, entries).encode())
    elif ending == ".csv":
        replace(path, _csv(register, entries, language, path).encode("utf-8-sig"))
    else:
        raise InputError(f"{path}: a register is written as .xlsx, .csv or .yml")


def template(path: Path, register: Register, language: str = "en", units: Sequence[Entry] = ()) -> None:
    """An empty workbook for units to fill, with the known units in a drop-down list.  Raises InputError."""
    if path.suffix.lower() != ".xlsx":
        raise InputError(f"{path}: a template is an .xlsx file")
    replace(path, _workbook(register, units, language, with_found=False, template=True))


def replace(path: Path, content: bytes) -> None:
    """Whole or not at all: a full disk leaves the old file."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def _yaml(register: Register, entries: Sequence[Entry]) -> str:
    document = {}
    for kind in KINDS:
        rows = []
        for entry in entries:
            if entry.kind == kind:
                order = [column.id for column in register.kinds[kind].fields]
                rows.append({name: entry.data[name] for name in order if name in entry.data})
        if rows:
            document[_PARTS[kind]] = rows
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=1000)


def _csv(register: Register, entries: Sequence[Entry], language: str, path: Path) -> str:
    kinds = {entry.kind for entry in entries}
    if len(kinds) > 1:
        raise InputError(
            f"{path}: a CSV file holds one kind of row, and these are {', '.join(sorted(kinds))}", hint="add --kind, or write .xlsx"
        )
    target = io.StringIO()
    writer = csv.writer(target)
    for kind in kinds:
        fields = list(register.kinds[kind].fields)
        writer.writerow([column.title(language) for column in fields])
        for entry in entries:
            cells = (written(column, entry.data[column.id], language) if column.id in entry.data else "" for column in fields)
            writer.writerow([guarded(printable(cell)) if isinstance(cell, str) else cell for cell in cells])
    return target.getvalue()


def printable(text: str) -> str:
    """Text without the control characters that XML and CSV cannot hold."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]", "", text)


@dataclass
class _Formats:
    head: Any
    key: Any
    found_head: Any
    text: Any
    found: Any
    differs: Any
    title: Any


def _workbook(register: Register, entries: Sequence[Entry], language: str, *, with_found: bool, template: bool) -> bytes:
    target = io.BytesIO()
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
    book = xlsxwriter.Workbook(target, options)
    edge = {"border": 1, "valign": "top"}
    formats = _Formats(
        head=book.add_format({**edge, "bold": True, "bg_color": "#DDEBF7", "text_wrap": True}),
        key=book.add_format({**edge, "bold": True, "bg_color": "#9BC2E6", "text_wrap": True}),
        found_head=book.add_format({**edge, "italic": True, "bg_color": "#D9D9D9", "text_wrap": True}),
        text=book.add_format({"valign": "top", "text_wrap": True, "num_format": "@"}),
        found=book.add_format({"valign": "top", "bg_color": "#EDEDED", "font_color": "#595959", "text_wrap": True}),
        differs=book.add_format({"valign": "top", "bg_color": "#FFEB9C", "text_wrap": True, "num_format": "@"}),
        title=book.add_format({"bold": True, "font_size": 14}),
    )
    _instructions(book, formats, register, language)
    units = sorted({str(entry.data["code"]) for entry in entries if entry.kind == "unit" and entry.data.get("code")})
    lists = _Lists(book, units)
    for kind in KINDS:
        rows = [entry for entry in entries if entry.kind == kind and not template]
        if rows or (template and kind != "unit"):
            _sheet(book, formats, lists, register.kinds[kind], rows, language, with_found=with_found, template=template)
    lists.finish()
    book.close()
    return target.getvalue()


def _instructions(book: Any, formats: _Formats, register: Register, language: str) -> None:
    chinese = language.startswith("zh")
    title = register.instruction_sheet["zh" if chinese else "en"]
    page = book.add_worksheet(title)
    page.set_column(0, 0, 100)
    page.write_string(0, 0, title, formats.title)
    for index, line in enumerate(register.instructions["zh" if chinese else "en"], start=2):
        page.write_string(index, 0, line)


class _Lists:
    """Values of drop-down lists: short ones stand in the validation itself, which takes 255 characters; others on a hidden sheet."""

    def __init__(self, book: Any, units: Sequence[str]) -> None:
        self.units = f"={LISTS}!$A$1:$A${len(units)}" if units else ""
        self.page: Any = None
        if units:
            page = self.page = book.add_worksheet(LISTS)
            for index, code in enumerate(units):
                page.write_string(index, 0, printable(code))

    def of(self, column: Column, language: str) -> Any:
        """The source of a column's list, or None."""
        if column.kind == "unit":
            return self.units or None
        if column.kind == "boolean":
            return [written(column, value, language) for value in (True, False)]
        if column.kind == "choice":
            words = [column.shown(value, language) for value in column.values]
            return words if sum(map(len, words)) + len(words) < 250 else None
        return None

    def finish(self) -> None:
        """The lists are not for reading."""
        if self.page is not None:
            self.page.hide()


def _sheet(
    book: Any, formats: _Formats, lists: _Lists, kind: RowKind, rows: Sequence[Entry], language: str, *, with_found: bool, template: bool
) -> None:
    page = book.add_worksheet(kind.title(language))
    page.freeze_panes(1, 1)
    chinese = language.startswith("zh")
    last = _TEMPLATE_ROWS if template else min(len(rows) + 100, _EXCEL_ROWS - 1)
    shown: list[tuple[Column, bool]] = []
    for column in kind.fields:
        shown.append((column, False))
        if with_found and any(column.id in entry.found for entry in rows):
            shown.append((column, True))
    if len(rows) >= _EXCEL_ROWS:
        raise InputError(f"{len(rows)} rows are more than a sheet holds", hint="write one file for each unit: --unit CODE")
    for index, (column, found) in enumerate(shown):
        title = column.title(language)
        if found:
            page.write_string(0, index, f"{title} {_FOUND.get(language, '(found)')}", formats.found_head)
        else:
            page.write_string(0, index, title, formats.key if column.id == kind.key else formats.head)
            _help(page, index, column, lists.of(column, language), last, chinese)
        page.set_column(
            index, index, 28 if column.kind in {"text", "domain", "url", "list", "domains"} else 16, formats.text if not found else None
        )
    for number, entry in enumerate(rows, start=1):
        for index, (column, found) in enumerate(shown):
            proof = entry.found.get(column.id)
            if found:
                if proof is not None:
                    _cell(
                        page,
                        number,
                        index,
                        written(column, proof.value, language),
                        formats.found,
                    )
                    if proof.note:
                        page.write_comment(number, index, printable(proof.note)[:1000])
            elif column.id in entry.data:
                differs = with_found and proof is not None and proof.differs
                _cell(page, number, index, written(column, entry.data[column.id], language), formats.differs if differs else formats.text)


def _help(page: Any, index: int, column: Column, source: Any, last: int, chinese: bool) -> None:
    text = column.help.get("zh" if chinese else "en", "")
    rule: dict[str, Any] = {"validate": "list", "source": source, "error_type": "warning"} if source else {"validate": "any"}
    if text:
        rule |= {"input_title": (column.zh if chinese else column.en)[:32], "input_message": text[:255]}
    if source or text:
        page.data_validation(1, index, last, index, rule)


def _cell(page: Any, row: int, column: int, value: Any, look: Any) -> None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        page.write_number(row, column, value, look)
    elif value != "":
        page.write_string(row, column, printable(str(value))[:_EXCEL_CELL], look)
