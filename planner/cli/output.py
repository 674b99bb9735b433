"""What commands print: JSON or a table on stdout, notes on stderr.  Control characters of observed text are shown, never sent."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import typer

Json = typer.Option("--json", help="Print JSON for programs instead of a table for people.")


def visible(text: Any) -> str:
    """Text with control characters (C0, C1, bidirectional overrides) written as escapes: a terminal must not obey a host's text."""
    shown = "" if text is None else str(text)
    if shown.isprintable():
        return shown
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in shown).replace("\n", "⏎")


def emit(data: Any) -> None:
    """JSON on stdout."""
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2, default=str))


_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode


def emit_rows(fields: Sequence[str], rows: Iterable[Sequence[Any]], as_they_are: Set[str] = frozenset()) -> None:
    """Many rows as a JSON list of objects, one a line; cells of the fields `as_they_are` are JSON already."""
    heads = [f"{', ' if place else ''}{_encode(name)}: " for place, name in enumerate(fields)]
    plain = [name in as_they_are for name in fields]
    out, between = sys.stdout, "[\n"
    texts: dict[Any, str] = {None: "null"}  # units, states and versions come again and again

    def written(cell: Any) -> str:
        if type(cell) is not str:
            return "null" if cell is None else _encode(cell)
        if cell not in texts:
            if len(texts) > 10_000:
                texts.clear()
            texts[cell] = _encode(cell)
        return texts[cell]

    for row in rows:
        cells = [head + (cell if raw else written(cell)) for head, raw, cell in zip(heads, plain, row, strict=True)]
        out.write(f"{between}  {{{''.join(cells)}}}")
        between = ",\n"
    out.write("\n]\n" if between == ",\n" else "[]\n")


def write_csv(fields: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Rows as CSV on stdout; a text that a spreadsheet would take for a formula gets an apostrophe before it."""
    writer = csv.writer(sys.stdout)
    writer.writerow(fields)
    for row in rows:
        writer.writerow(["'" + cell if isinstance(cell, str) and cell[:1] in {"=", "+", "-", "@", "\t", "\r"} else cell for cell in row])


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, empty: str) -> None:
    """Rows as JSON, or the given columns as a table."""
    if as_json:
        emit(list(rows))
        return
    table_of(columns, [[row.get(column) for column in columns] for row in rows], empty=empty)


FOLDED = 1000
"""A table with more rows is not folded to the terminal's width: measuring every cell takes longer than anybody reads."""


def table_of(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, empty: str) -> None:
    """Rows of cells as a table; in a pipe, which has no width, one row is one line."""
    if not rows:
        note(empty)
        return
    shown = [[visible(", ".join(map(str, cell)) if isinstance(cell, (list, tuple)) else cell) for cell in row] for row in rows]
    heads = [column.replace("_", " ") for column in columns]
    if len(rows) > FOLDED or not sys.stdout.isatty():
        widths = [max(map(_width, column)) for column in zip(heads, *shown, strict=True)]
        for line in (heads, *shown):
            cells = [cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)]
            sys.stdout.write("  ".join(cells).rstrip() + "\n")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    view = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        view.add_column(head, overflow="fold")
    for cells in shown:
        view.add_row(*(Text(cell) for cell in cells))  # Text, not str: rich would obey markup in a host's words
    Console(soft_wrap=False).print(view)


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def note(text: str) -> None:
    """A line for people, on stderr."""
    from rich.console import Console

    Console(stderr=True, soft_wrap=True).print(text, markup=False, highlight=False)


def say(text: str = "") -> None:
    """A line of the answer, on stdout; observed text goes through `visible` first."""
    from rich.console import Console

    Console(soft_wrap=True).print(text, markup=False, highlight=False)
