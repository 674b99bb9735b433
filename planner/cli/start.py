"""`planner init`: a workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from planner import workspace
from planner.cli.output import note


def add(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    app.command("init")(init)


def init(folder: Annotated[Path, typer.Argument(help="The folder to make; files that exist are kept.")]) -> None:
    """Make a workspace: configuration, platforms and an empty catalogue."""
    for name in workspace.create(folder):
        note(f"wrote {folder / name}")
    workspace.find(folder).open_catalogue().close()
    note(f"the workspace stands: fill {folder / workspace.FILE}, then `planner doctor`")
