"""What commands print: JSON or a table on stdout, notes on stderr.  Control characters of observed text are shown, never sent."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

Json = typer.Option("--json", help="Print JSON for programs instead of a table for people.")


def visible(text: Any) -> str:
    """Text with control characters (C0, C1, bidirectional overrides) written as escapes: a terminal must not obey a host's text."""
    shown = "" if text is None else str(text)
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in shown).replace("\n", "⏎")


def emit(data: Any) -> None:
    """JSON on stdout."""
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2, default=str))


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, empty: str) -> None:
    """Rows as JSON, or the given columns as a table."""
    if as_json:
        emit(list(rows))
        return
    console = Console(soft_wrap=False)
    if not console.is_terminal:
        console.width = 1000  # a pipe has no width: nothing is folded, and one row is one line
    if not rows:
        note(empty)
        return
    view = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        view.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        cells = (row.get(column) for column in columns)
        # Text, not str: rich would obey markup in a host's words
        view.add_row(*(Text(visible(", ".join(map(str, cell)) if isinstance(cell, (list, tuple)) else cell)) for cell in cells))
    console.print(view)


def note(text: str) -> None:
    """A line for people, on stderr."""
    Console(stderr=True, soft_wrap=True).print(text, markup=False, highlight=False)


def say(text: str = "") -> None:
    """A line of the answer, on stdout; observed text goes through `visible` first."""
    Console(soft_wrap=True).print(text, markup=False, highlight=False)
