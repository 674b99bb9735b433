"""`planner init`, `register`: a workspace, and the units' sheets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inventory import catalogue, reconcile, register
from inventory.errors import InputError
from planner import workspace
from planner.cli.output import Json, emit, note, table, visible


def add(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    app.command("init")(init)
    sheets = typer.Typer(help="The units' declared sheets.", no_args_is_help=True, rich_markup_mode=None)
    sheets.command("import")(register_import)
    app.add_typer(sheets, name="register")


def init(folder: Annotated[Path, typer.Argument(help="The folder to make; files that exist are kept.")]) -> None:
    """Make a workspace: configuration, platforms and an empty catalogue."""
    for name in workspace.create(folder):
        note(f"wrote {folder / name}")
    workspace.find(folder).open_catalogue().close()
    note(f"the workspace stands: fill {folder / workspace.FILE}, then `planner doctor`")


def register_import(
    files: Annotated[list[Path], typer.Argument(help="Register files: .yml or .csv, English or Chinese headings.")],
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Import units, declared sites and servers.  Rejected rows are listed with file, line and reason; the rest is taken."""
    space = workspace.find()
    book = space.open_catalogue()
    rejected: list[str] = []
    taken: list[dict[str, object]] = []
    for path in files:
        sheet = register.read(path)
        with book.session() as session:
            refused = sheet.rejected + register.store(session, sheet, catalogue.now())
            reconcile.update(session, catalogue.now())
        rejected += refused
        sites = sum(row.kind == "site" for row in sheet.rows)
        taken.append(
            {
                "file": str(path),
                "units": len(sheet.units),
                "sites": sites,
                "servers": len(sheet.rows) - sites,
                "rejected": len(refused),
            }
        )
    if as_json:
        emit({"files": taken, "rejected": rejected})
    else:
        table(taken, ["file", "units", "sites", "servers", "rejected"], as_json=False, empty="nothing was read")
        for line in rejected:
            note(f"rejected {visible(line)}")
    if rejected:
        raise typer.Exit(InputError.exit_code)
