"""XLSX workbooks → grids, by openpyxl in its read-only mode.  A workbook comes from strangers: nothing in it is calculated or followed.

In: a path.  Out: one `Grid` for each visible sheet.  openpyxl's read-only mode tells neither merged nor hidden cells, nor whether an
empty value was a formula: a scan of the same XML by expat brings these.  Files that unpack to too much, that declare a DTD, that are
password-protected or damaged are refused as a whole with an InputError; a damaged style sheet alone is left out.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from xml.parsers import expat

import openpyxl
from openpyxl.workbook import Workbook
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from inventory.errors import InputError
from inventory.register.cells import Unreadable
from inventory.register.grid import LISTS, MOST_CELLS, MOST_COLUMNS, Grid, letter

MOST_FILE = 100_000_000
MOST_UNPACKED = 600_000_000
"""Bytes of all parts together: 100,000 rows with 40 columns are 150 MB.  zipfile reads no more of a part than its header promises."""
MOST_PARTS = 5_000
MOST_RATIO = 400
"""Text of a table packs to a tenth or a thirtieth, a bomb to a thousandth."""
_AGAIN = "open it in Excel, WPS or LibreOffice and save it as a new .xlsx, or as CSV (UTF-8)"


@dataclass
class _Marks:
    """What the scan of a sheet's XML found.  `formulas` are cells whose result, if they have one, is not empty."""

    merged: list[tuple[int, int, int, int]] = field(default_factory=list)
    hidden_columns: set[int] = field(default_factory=set)
    hidden_rows: int = 0
    formulas: set[tuple[int, int]] = field(default_factory=set)
    cells: int = 0


def grids(path: Path) -> tuple[list[Grid], list[str]]:
    """All visible sheets, and notes on what was left out.  Raises InputError."""
    raw = _bytes(path)
    book = _open(raw, path)
    found: list[Grid] = []
    notes: list[str] = []
    cells = 0
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        for sheet in book.worksheets:
            if not isinstance(sheet, ReadOnlyWorksheet):
                continue
            if sheet.sheet_state != "visible":
                if sheet.title != LISTS:
                    notes.append(f"{path}: sheet {sheet.title!r} is hidden and was not read")
                continue
            with archive.open(_part(sheet)) as stream:
                marks = _scan(stream, path)
            cells += marks.cells
            if cells > MOST_CELLS:
                raise InputError(f"{path}: more than {MOST_CELLS} cells", hint="split the workbook")
            found.append(
                Grid(str(path), sheet.title, _rows(sheet, marks, path), marks.merged, marks.hidden_columns, marks.hidden_rows, _epoch(book))
            )
    if not found:
        raise InputError(f"{path}: the workbook has no visible sheet")
    return found, notes


def _epoch(book: Workbook) -> datetime:
    return datetime(1904, 1, 1) if book.epoch.year == 1904 else datetime(1899, 12, 30)


def _part(sheet: ReadOnlyWorksheet) -> str:
    return str(sheet._worksheet_path)  # type: ignore[attr-defined]  # the stubs leave it out


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_FILE:
            raise InputError(f"{path}: larger than {MOST_FILE // 1_000_000} MB", hint="split it, and leave pictures out")
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    if raw.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        if "EncryptedPackage".encode("utf-16-le") in raw:
            raise InputError(f"{path}: protected by a password", hint="save it without a password")
        raise InputError(f"{path}: an old .xls workbook under another name", hint=_AGAIN)
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            _bound(archive, len(raw), path)
    except (zipfile.BadZipFile, zlib.error, ValueError, OSError, NotImplementedError, EOFError) as error:
        raise InputError(f"{path}: damaged, or not an XLSX workbook ({error})", hint=_AGAIN) from error
    return raw


def _bound(archive: zipfile.ZipFile, packed: int, path: Path) -> None:
    parts = archive.infolist()
    unpacked = sum(part.file_size for part in parts)
    if len(parts) > MOST_PARTS or unpacked > MOST_UNPACKED or (unpacked > 50_000_000 and unpacked > packed * MOST_RATIO):
        raise InputError(f"{path}: unpacks to {unpacked / 1e6:.0f} MB in {len(parts)} parts, which no register needs", hint=_AGAIN)
    if any(part.flag_bits & 1 for part in parts):
        raise InputError(f"{path}: protected by a password", hint="save it without a password")
    for part in parts:
        # openpyxl would expand entities; no spreadsheet program writes a DTD
        if part.filename.endswith((".xml", ".rels")):
            with archive.open(part) as stream:
                _refuse_doctype(stream, path, part.filename)


class _Seen(Exception):
    """Ends a scan; not an error."""


def _refuse_doctype(stream: IO[bytes], path: Path, part: str) -> None:
    def found(*_: Any) -> None:
        raise InputError(f"{path}: {part} declares a document type, which no spreadsheet program writes", hint=_AGAIN)

    def begun(*_: Any) -> None:
        raise _Seen

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = found
    parser.StartElementHandler = begun
    try:
        while chunk := stream.read(65536):
            parser.Parse(chunk)
    except (_Seen, expat.ExpatError):
        return  # what is not XML is openpyxl's to refuse


def _open(raw: bytes, path: Path) -> Workbook:
    for attempt in (raw, None):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # extensions that openpyxl does not know are none of ours
                content = attempt if attempt is not None else _without_styles(raw)
                return openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        except Exception as error:  # whatever a stranger's file makes of a library
            why = f"{type(error).__name__}: {str(error)[:150]}"
    raise InputError(f"{path}: damaged, or not an XLSX workbook ({why})", hint=_AGAIN)


def _without_styles(raw: bytes) -> bytes:
    """The same workbook without its style sheet, which some office programs write against the standard; dates stay readable as numbers."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as source, zipfile.ZipFile(target, "w") as copy:
        for part in source.infolist():
            if part.filename != "xl/styles.xml":
                copy.writestr(part.filename, source.read(part))
    return target.getvalue()


def _scan(stream: IO[bytes], path: Path) -> _Marks:
    marks = _Marks()
    at = [0, 0]  # row and column of the cell that is open
    kind = [""]
    formulas = marks.formulas

    def start(name: str, attributes: dict[str, str]) -> None:
        tag = name.rpartition(":")[2]
        if tag == "c":
            marks.cells += 1
            reference = attributes.get("r")
            at[1] = _column(reference) if reference else at[1] + 1
            kind[0] = attributes.get("t", "")
        elif tag == "row":
            at[0] = int(attributes.get("r") or at[0] + 1)
            at[1] = 0
            marks.hidden_rows += attributes.get("hidden") in {"1", "true"}
        elif tag == "f":
            formulas.add((at[0], at[1]))
        elif tag == "v":
            # an empty text is a result, too (`=IF(A1="","",A1)`); an empty number was never calculated
            if kind[0] == "str":
                formulas.discard((at[0], at[1]))
        elif tag == "mergeCell":
            box = re.fullmatch(r"\$?([A-Z]{1,3})\$?(\d{1,7}):\$?([A-Z]{1,3})\$?(\d{1,7})", attributes.get("ref", ""))
            if box and len(marks.merged) < 200_000:
                marks.merged.append((int(box[2]), _column(box[1]), int(box[4]), _column(box[3])))
        elif tag == "col" and attributes.get("hidden") in {"1", "true"}:
            first, last = int(attributes.get("min", 0)), int(attributes.get("max", 0))
            marks.hidden_columns.update(range(first, min(last, MOST_COLUMNS) + 1))

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    try:
        parser.ParseFile(stream)
    except (expat.ExpatError, ValueError, zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise InputError(f"{path}: damaged: {error}", hint=_AGAIN) from error
    return marks


def _column(reference: str) -> int:
    number = 0
    for character in reference:
        if not "A" <= character <= "Z":
            break
        number = number * 26 + ord(character) - 64
    return number


def _rows(sheet: ReadOnlyWorksheet, marks: _Marks, path: Path) -> Iterator[tuple[int, Sequence[Any]]]:
    sheet.reset_dimensions()  # some programs write a wrong one, and cells outside it would be lost
    bare: dict[int, list[int]] = {}
    reader: Any = sheet  # the stubs borrow `iter_rows` from the class that is not read-only
    lines = reader.iter_rows(max_col=MOST_COLUMNS, values_only=True)
    for row, column in marks.formulas:
        bare.setdefault(row, []).append(column)
    try:
        for number, cells in enumerate(lines, start=1):
            if number in bare:
                yield number, _with_formulas(cells, bare[number], number)
            elif any(cell is not None for cell in cells):
                yield number, cells
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{path}: sheet {sheet.title!r}: damaged ({type(error).__name__}: {str(error)[:150]})", hint=_AGAIN) from error


def _with_formulas(cells: Sequence[Any], columns: Sequence[int], row: int) -> Sequence[Any]:
    changed = list(cells)
    for column in columns:
        if column <= len(changed) and changed[column - 1] is None:
            changed[column - 1] = Unreadable(
                f"the formula in {letter(column)}{row} has no stored result: open the file in Excel or WPS and save it"
            )
    return changed
