"""CSV files → a grid: UTF-8, UTF-16 or GB18030, separated by comma, semicolon or tab, as the programs of unit offices write them."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from inventory.errors import InputError
from inventory.register.grid import MOST_CELLS, MOST_COLUMNS, Grid

MOST_FILE = 200_000_000
LONGEST_CELL = 100_000


def grid(path: Path) -> Grid:
    """The file as one sheet.  Raises InputError."""
    try:
        if path.stat().st_size > MOST_FILE:
            raise InputError(f"{path}: larger than {MOST_FILE // 1_000_000} MB", hint="split it")
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    text = decode(raw, path)
    if not text.strip():
        raise InputError(f"{path}:1: the sheet is empty")
    return Grid(str(path), "", _rows(text, path))


def decode(raw: bytes, path: Path) -> str:
    """The text, by its byte order mark, else UTF-8, else UTF-16 where every second byte is 0, else GB18030.  Raises InputError."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    elif raw[1:200:2].count(0) > len(raw[1:200:2]) // 3:
        encodings = ["utf-16-le"]
    elif raw[0:200:2].count(0) > len(raw[0:200:2]) // 3:
        encodings = ["utf-16-be"]
    else:
        encodings = ["utf-8-sig", "gb18030"]
    for encoding in encodings:
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError(f"{path}: neither UTF-8 nor UTF-16 nor GB18030", hint="save the sheet as CSV (UTF-8) or as .xlsx")


def separator(text: str) -> str:
    """The separator of the first lines: the one that stands in most of them, outside quotes, equally often if possible."""
    first, _, rest = text.partition("\n")
    if match := re.fullmatch(r"\s*sep=(.)\s*", first):
        return match[1]
    lines = [re.sub(r'"[^"]*"', "", line) for line in [first, *rest.split("\n", 40)[:40]] if line.strip()]
    totals = {mark: sum(line.count(mark) for line in lines) for mark in (",", ";", "\t", "，")}
    best = max(totals, key=lambda mark: totals[mark])
    return best if totals[best] else ","


def _rows(text: str, path: Path) -> Iterator[tuple[int, Sequence[Any]]]:
    # NUL and stray carriage returns would end the csv module's reading
    text = text.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")
    mark = separator(text)
    reader = csv.reader(io.StringIO(text), delimiter=mark)
    csv.field_size_limit(LONGEST_CELL)
    cells = 0
    line = 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"{path}:{line}: {error}", hint="a quotation mark may be missing in this line or before it") from error
        cells += len(row)
        if cells > MOST_CELLS:
            raise InputError(f"{path}:{line}: more than {MOST_CELLS} cells", hint="split the file")
        if any(cell.strip() for cell in row) and not (line == 1 and re.fullmatch(r"\s*sep=.?\s*", mark.join(row))):
            yield line, [unguarded(cell) if cell[:1] == "'" else cell for cell in row[:MOST_COLUMNS]]
        line = reader.line_num + 1


def guarded(text: str) -> str:
    """A cell for a CSV file that a spreadsheet program will not take for a formula: `=1+1` becomes `'=1+1`; `unguarded` undoes it."""
    return f"'{text}" if re.match(r"'*[=+\-@\t\r]", text) else text


def unguarded(text: str) -> str:
    """What `guarded` was given."""
    return text[1:] if re.match(r"'+[=+\-@\t\r]", text) else text
