"""`planner register …`: the units' sheets taken in, shown beforehand, taken back, and given out again to be filled or corrected."""

from __future__ import annotations

import getpass
import hashlib
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, differences, model, reconcile
from inventory import register as sheets
from inventory.errors import InputError
from inventory.register import comparing, history, storing, undoing, writing
from planner import workspace
from planner.cli.output import Json, emit, note, say, table, visible

KINDS = ("unit", "site", "server", "link")


class Kind(StrEnum):
    """Kinds of rows."""

    UNIT = "unit"
    SITE = "site"
    SERVER = "server"
    LINK = "link"


def add(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    group = typer.Typer(help="The units' declared sheets.", no_args_is_help=True, rich_markup_mode=None)
    group.command("import")(import_)
    group.command("undo")(undo)
    group.command("history")(show_history)
    group.command("export")(export)
    group.command("template")(template)
    app.add_typer(group, name="register")


By = Annotated[str, typer.Option("--by", help="Who does it; none: the account that runs the command.")]


def import_(
    files: Annotated[list[Path], typer.Argument(help="Register files: .xlsx, .csv or .yml, English or Chinese headings.")],
    preview: Annotated[bool, typer.Option("--preview", help="Show each cell that would change, and write nothing.")] = False,
    complete: Annotated[
        bool,
        typer.Option("--complete", help="Each sheet is the whole of its units': rows that it lacks are withdrawn, empty cells emptied."),
    ] = False,
    by: By = "",
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Import units, declared sites, servers and links.  Each rejected cell is listed with its place and reason; the rest is taken."""
    space = workspace.find()
    who, fields, book = by or getpass.getuser(), space.fields, space.open_catalogue()
    read = [(path, sheets.read(path, fields), _digest(path)) for path in files]
    taken: list[dict[str, Any]] = []
    with space.lock("register"):
        if preview:
            with book.session() as session:
                for _, sheet, digest in read:
                    taken.append(_take(session, sheet, digest, who, complete, record=False))
                session.rollback()
        else:
            for _, sheet, digest in read:
                with book.session() as session:
                    taken.append(_take(session, sheet, digest, who, complete))
            with book.session() as session:
                reconcile.update(session, catalogue.now())
    _tell(taken, preview=preview, as_json=as_json)
    if any(entry["rejected"] for entry in taken):
        raise typer.Exit(InputError.exit_code)


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def _take(session: Session, sheet: sheets.Sheet, digest: str, by: str, complete: bool, *, record: bool = True) -> dict[str, Any]:
    now = catalogue.now()
    comparison, number = storing.store(session, sheet, now, by=by, sha256=digest, complete=complete, record=record)
    counts = comparison.counts()
    return {
        "file": sheet.file, "import": number, **{f"{kind}s": sheet.count(kind) for kind in KINDS},
        **{name: counts[name] for name in ("added", "changed", "returned", "withdrawn", "same")},
        "rejected": storing.rejections(sheet, comparison), "notes": [*sheet.notes, *comparison.notes], "comparison": comparison,
    }  # fmt: skip


def _tell(taken: list[dict[str, Any]], *, preview: bool, as_json: bool) -> None:
    rejected = [item for entry in taken for item in entry["rejected"]]
    notes = [text for entry in taken for text in entry["notes"]]
    shown = [{**entry, "rejected": len(entry["rejected"])} for entry in taken]
    changes = [cell for entry in taken for change in entry["comparison"].changes for cell in change.cells()]
    for entry in shown:
        del entry["comparison"], entry["notes"]
        if preview:
            del entry["import"]
    if as_json:
        data: dict[str, Any] = {"files": shown, "rejected": [{**item.to_json(), "text": str(item)} for item in rejected], "notes": notes}
        emit({**data, "changes": changes} if preview else data)
        return
    if preview:
        _table_of_changes(changes)
    names = ["file", "units", "sites", "servers", "links", "added", "changed", "returned", "withdrawn", "same", "rejected"]
    if not preview:
        names.insert(1, "import")
    table(shown, names, as_json=False, empty="nothing was read")
    for text in notes:
        note(visible(text))
    for item in rejected:
        note(f"rejected {visible(item)}")
    if preview:
        note("preview: nothing was written")


def _table_of_changes(changes: list[dict[str, Any]]) -> None:
    def text(value: Any) -> str:
        if isinstance(value, dict):
            return "; ".join(f"{name}: {part}" for name, part in value.items())
        return "" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)

    rows = [{**cell, "old": text(cell["old"]), "new": text(cell["new"])} for cell in changes]
    table(rows, ["action", "kind", "key", "field", "old", "new", "place"], as_json=False, empty="nothing would change")
    if rows:
        say()


def undo(
    number: Annotated[int | None, typer.Argument(help="The import's number; none: the newest.")] = None,
    by: By = "",
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Take an import back: former values return, rows that it brought go.  Refused where a later import touched the same fields."""
    space = workspace.find()
    with space.lock("register"), space.open_catalogue().session() as session:
        made, kept = undoing.undo(session, number, catalogue.now(), by or getpass.getuser())
        reconcile.update(session, catalogue.now())
        said = {"import": made.id, "file": made.file, "at": made.at, "by": made.by, "counts": made.counts, "notes": kept}
    if as_json:
        emit(said)
        return
    for text in kept:
        note(visible(text))
    say(f"import {said['import']} of {visible(said['file'])} is taken back")


def show_history(
    name: Annotated[str, typer.Argument(help="A unit's code, a site's domain, a server's address or name; none: all imports.")] = "",
    as_json: Annotated[bool, Json] = False,
) -> None:
    """All imports; or every value that one unit, site or server was ever given, with its cell, day and import."""
    with workspace.find().open_catalogue().session() as session:
        rows = history.of(session, name) if name else history.imports(session)
    if not as_json:
        for row in rows:
            row["at"] = f"{row['at']:%Y-%m-%d %H:%M}"
            row["undone"] = f"{row['undone_at']:%Y-%m-%d}" if row["undone_at"] else ""
            if not name:
                row["counts"] = ", ".join(f"{count} {word}" for word, count in row["counts"].items() if count)
    columns = (
        ["at", "import", "by", "action", "field", "old", "new", "place", "undone"]
        if name
        else ["import", "at", "by", "file", "counts", "undone"]
    )
    table(rows, columns, as_json=as_json, empty="nothing was imported yet: planner register import")


def export(
    file: Annotated[Path, typer.Argument(help="The file to write: .xlsx, .csv or .yml.")],
    unit: Annotated[str, typer.Option(help="Only this unit's rows.")] = "",
    kind: Annotated[Kind | None, typer.Option(help="Only this kind of row; a .csv holds one kind.")] = None,
    with_found: Annotated[
        bool, typer.Option("--with-found", help="Beside each declared value what was found, differences marked (.xlsx only).")
    ] = False,
) -> None:
    """The register as a file that imports again to the same; with what was found beside it, for the unit to confirm."""
    space = workspace.find()
    with space.open_catalogue().session() as session:
        entries = _entries(session, unit)
        if with_found:
            _add_found(session, space, entries, unit)
    if kind:
        entries = [entry for entry in entries if entry.kind == kind]
    writing.write(file, space.fields, entries, space.configuration.language, with_found=with_found)
    counts = Counter(entry.kind for entry in entries)
    note(f"wrote {file}: " + (", ".join(f"{counts[name]} {name}s" for name in KINDS if counts[name]) or "no rows"))


def _entries(session: Session, unit: str) -> list[writing.Entry]:
    units = list(session.scalars(select(model.Unit).order_by(model.Unit.code)))
    if unit and unit not in {item.code for item in units}:
        raise InputError(f"there is no unit {unit!r}", hint="units: " + ", ".join(item.code for item in units))
    found = [writing.Entry("unit", {"code": item.code, **comparing.unit_state(item)}) for item in units if unit in ("", item.code)]
    query = select(model.Declared).where(model.Declared.withdrawn_at.is_(None)).order_by(model.Declared.kind, model.Declared.id)
    for row in session.scalars(query.where(model.Declared.unit_code == unit) if unit else query):
        found.append(writing.Entry(row.kind, {**({"unit": row.unit_code} if row.unit_code else {}), **row.data}))
    return found


def _add_found(session: Session, space: workspace.Workspace, entries: list[writing.Entry], unit: str) -> None:
    """What was found beside the declared values, and hidden sites as rows of their own."""
    report = differences.compare(session, space.campus, unit=unit)
    by_key = {(entry.kind, sheets.ascii_name(str(entry.data.get("domain") or entry.data.get("address") or ""))): entry for entry in entries}
    for pair in report.pairs:
        entry = by_key.get((pair.kind, pair.key.partition("@")[0]))
        if entry is None and pair.status == "hidden":
            key = "domain" if pair.kind == "site" else "address"
            named = pair.kind != "site" or sheets.valid_name(pair.key)
            entry = writing.Entry(
                pair.kind, {**({"unit": pair.unit} if pair.unit else {}), **({key: pair.key} if named else {"name": pair.key})}
            )
            entries.append(entry)
        if entry is not None:
            entry.found = {v.field: writing.Found(v.found, v.differs is True, v.note) for v in pair.values if v.found is not None}


def template(
    file: Annotated[Path, typer.Argument(help="The .xlsx file to write.")],
    language: Annotated[str, typer.Option(help="en or zh_CN; none: the workspace's.")] = "",
) -> None:
    """An empty workbook for units to fill: headings, drop-down lists, help beside each column, instructions."""
    space = workspace.find()
    spoken = language or space.configuration.language
    if spoken not in {"en", "zh_CN"}:
        raise InputError(f"there is no language {spoken!r}", hint="en or zh_CN")
    with space.open_catalogue().session() as session:
        units = [entry for entry in _entries(session, "") if entry.kind == "unit"]
    writing.template(file, space.fields, spoken, units)
    note(f"wrote {file}")
