"""`planner acceptance`: what unit and center sign when a site has moved."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, model
from planner import acceptance, planstore, report, workspace
from planner.cli.output import note, visible


def add(app: typer.Typer) -> None:
    """Hang the command into the application."""
    app.command("acceptance")(write)


def write(
    move: Annotated[str, typer.Argument(help="A move's id, or any of its site's names.")],
    out: Annotated[Path, typer.Option("--out", help="The folder to write to.")],
    plan_id: Annotated[str, typer.Option("--plan", help="A plan's id; none: the newest that has the move.")] = "",
) -> None:
    """Write a move's acceptance pack: a page for unit and center to sign, in English and Chinese, and the comparison's data."""
    space = workspace.find()
    now = catalogue.now().astimezone()
    with space.open_catalogue().session() as session:
        document = planstore.load(session, space, visible(plan_id or _that_has(session, move)))
        pack = acceptance.gather(session, document, move, now)
    for name, content in acceptance.files(pack).items():
        report.write(out / name, content)
        note(f"wrote {out / name}")


def _that_has(session: Session, name: str) -> str:
    """The newest plan that has the move: one that was made since leaves out what is done.  "" where none has it."""
    plans = session.scalars(select(model.Plan).order_by(model.Plan.created_at.desc(), model.Plan.id))
    return next((row.id for row in plans if any(name in (m["id"], *m["names"]) for m in row.document.get("moves", ()))), "")
