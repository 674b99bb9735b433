"""`planner history`: how much of what hosts said is kept, and the oldest part of it given up."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import typer

from inventory import catalogue, history
from planner import workspace
from planner.cli.output import Json, emit, note, table


def add(app: typer.Typer) -> None:
    """Hang the command into the application."""
    app.command("history")(show_history)


def show_history(
    prune: Annotated[
        float | None, typer.Option(min=0, metavar="DAYS", help="Give up what was last confirmed more than so many days ago.")
    ] = None,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """How many snapshots of hosts are kept.  All of them, until --prune; each host's newest stays in any case, with all evidence."""
    space = workspace.find()
    book = space.open_catalogue()
    gone = None
    if prune is not None:
        with space.lock("discovery"), book.session() as session:
            gone = history.prune(session, catalogue.now() - timedelta(days=prune))
    with book.session() as session:
        kept = history.kept(session)
    row: dict[str, Any] = {"snapshots": kept.snapshots, "readings": kept.readings, "bytes": kept.bytes, "oldest": kept.oldest}
    if as_json:
        emit({**row, "pruned": gone})
        return
    table([row], list(row), as_json=False, empty="")
    if gone is not None:
        note(f"{gone} snapshots were given up; their room is used again by what comes next")
