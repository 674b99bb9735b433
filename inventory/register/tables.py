"""A plain table as a workbook for a unit's office: one sheet, headings, a filter; every cell is text and nothing is a formula."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xlsxwriter

from inventory.register.writing import printable, replace

_LONGEST = 32_767


def write(path: Path, title: str, headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Write or replace the file.  Raises InputError."""
    target = io.BytesIO()
    book = xlsxwriter.Workbook(
        target, {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
    )
    page = book.add_worksheet(title[:31])
    head = book.add_format({"bold": True, "border": 1, "bg_color": "#DDEBF7", "text_wrap": True})
    look = book.add_format({"valign": "top", "text_wrap": True})
    page.freeze_panes(1, 0)
    page.autofilter(0, 0, max(1, len(rows)), max(0, len(headings) - 1))
    page.set_column(0, max(0, len(headings) - 1), 22, look)
    for index, heading in enumerate(headings):
        page.write_string(0, index, heading, head)
    for number, row in enumerate(rows, start=1):
        for index, cell in enumerate(row):
            page.write_string(number, index, printable("" if cell is None else str(cell))[:_LONGEST], look)
    book.close()
    replace(path, target.getvalue())
