"""`planner applications DIR`: the web applications in a local folder, told by their files; needs no workspace and runs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from inventory import applicationtree, recognition
from inventory.errors import InputError
from planner.cli.output import Json, emit, note, table, visible


def add(app: typer.Typer) -> None:
    """Hang the command into the application."""
    app.command("applications")(applications)


def applications(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder: a docroot, or a copy of one.")],
    within: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Follow symbolic links to what lies in there, too; else only within the folder."),
    ] = None,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """The web applications in a local folder, told by their files alone: version, configuration file, database, plugins and themes."""
    if not folder.is_dir():
        raise InputError(f"{visible(folder)}: not a folder", hint="name the folder that holds the site's files")
    try:
        reading = applicationtree.read(folder, within=within)
    except OSError as error:
        raise InputError(f"{visible(folder)}: {error.strerror}") from error
    rows = [_shown(one.data) for one in recognition.recognise(reading.facts)]
    for path, why in reading.unread[:50]:
        note(visible(f"not read: {path}: {why}"))
    if len(reading.unread) > 50:
        note(f"not read: {len(reading.unread) - 50} more")
    if as_json:
        emit(rows)
        return
    for row in rows:
        database = row["database"] or {}
        row["database"] = " ".join(str(database[key]) for key in ("server", "name", "user", "host") if database.get(key))
        row["plugins"] = len(row["plugins"]) or ""
    columns = ["name", "version", "path", "config_file", "database", "plugins"]
    table(rows, columns, as_json=False, empty="no application and no pages there")


def _shown(value: Any) -> Any:
    """Bytes that are no UTF-8 written as escapes: JSON has no way to hold them."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if isinstance(value, dict):
        return {key: _shown(one) for key, one in value.items()}
    return [_shown(one) for one in value] if isinstance(value, list) else value
