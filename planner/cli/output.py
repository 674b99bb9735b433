"""What commands print: JSON or a table on stdout, notes on stderr.  Control characters of observed text are shown, never sent."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence, Set
from json.encoder import encode_basestring
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


def emit_rows(fields: Sequence[str], rows: Sequence[Sequence[Any]], as_they_are: Set[str] = frozenset()) -> None:
    """Many rows as a JSON list of objects, one a line; cells of the fields `as_they_are` are JSON already.

    Column by column: a hundred thousand rows take half a second.
    """
    if not rows:
        sys.stdout.write("[]\n")
        return
    columns = zip(fields, zip(*rows, strict=True), strict=True)
    written = [cells if name in as_they_are else _encoded(cells) for name, cells in columns]
    form = "  {" + ", ".join(f"{_encode(name).replace('%', '%%')}: %s" for name in fields) + "}"
    sys.stdout.write("[\n" + ",\n".join([form % row for row in zip(*written, strict=True)]) + "\n]\n")


def _encoded(cells: Sequence[Any]) -> Sequence[str]:
    """A column of one type, or of one and None."""
    if len(set(cells[:1000])) < 200:  # states, units and versions come again and again
        texts: dict[Any, str] = {}
        return [texts.get(cell) or texts.setdefault(cell, _encode_one(cell)) for cell in cells]
    kinds = set(map(type, cells))
    if kinds == {str}:
        return list(map(encode_basestring, cells))
    return list(map(repr if kinds in ({int}, {float}) else _encode_one, cells))


def _encode_one(cell: Any) -> str:
    return "null" if cell is None else encode_basestring(cell) if type(cell) is str else _encode(cell)


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
    table_of(columns, [[row.get(column) for row in rows] for column in columns], empty=empty)


FOLDED = 1000
"""A table with more rows is not folded to the terminal's width: measuring every cell takes longer than anybody reads."""


def table_of(heads: Sequence[str], columns: Sequence[Sequence[Any]], *, empty: str) -> None:
    """Columns of cells as a table; in a pipe, which has no width, one row is one line."""
    if not columns or not columns[0]:
        note(empty)
        return
    heads = [head.replace("_", " ") for head in heads]
    shown = [_shown(cells) for cells in columns]
    if len(shown[0]) > FOLDED or not sys.stdout.isatty():
        padded = [_padded([head, *cells]) for head, cells in zip(heads, shown, strict=True)]
        sys.stdout.write("".join([line.rstrip() + "\n" for line in map("  ".join, zip(*padded, strict=True))]))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    view = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        view.add_column(head, overflow="fold")
    for cells in zip(*shown, strict=True):
        view.add_row(*(Text(cell) for cell in cells))  # Text, not str: rich would obey markup in a host's words
    Console(soft_wrap=False).print(view)


def _shown(cells: Sequence[Any]) -> list[str]:
    plain = [
        "" if c is None else c if type(c) is str else ", ".join(map(str, c)) if isinstance(c, (list, tuple)) else str(c) for c in cells
    ]
    return plain if "".join(plain).isprintable() else list(map(visible, plain))


def _padded(cells: Sequence[str]) -> list[str]:
    """Cells made as wide as the widest of them on a terminal; Chinese takes two places."""
    if "".join(cells).isascii():
        width = max(map(len, cells))
        return [cell.ljust(width) for cell in cells]
    from rich.cells import cell_len

    widths = [len(cell) if cell.isascii() else cell_len(cell) for cell in cells]
    widest = max(widths)
    return [cell + " " * (widest - width) for cell, width in zip(cells, widths, strict=True)]


def note(text: str) -> None:
    """A line for people, on stderr."""
    from rich.console import Console

    Console(stderr=True, soft_wrap=True).print(text, markup=False, highlight=False)


def say(text: str = "") -> None:
    """A line of the answer, on stdout; observed text goes through `visible` first."""
    from rich.console import Console

    Console(soft_wrap=True).print(text, markup=False, highlight=False)
