"""`planner rollback`: a move taken back, from whatever step it is at, after it was shown what that would lose."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

import typer
from sqlalchemy import select

from inventory import catalogue, model
from inventory.errors import Busy, InputError
from planner import audit, execution, notifications, planstore, playing, publishing, workspace
from planner.cli.carry import Yes, carrier, chosen, leased, newest, states
from planner.cli.live import Live
from planner.cli.output import note, say, visible


def add(app: typer.Typer) -> None:
    """Hang the command into the application."""
    app.command("rollback")(rollback)


def rollback(
    move: Annotated[str, typer.Argument(help="A move's id, or any of its site's names.")],
    plan_id: Annotated[str, typer.Option("--plan", help="A plan's id; none: the newest.")] = "",
    yes: Yes = False,
) -> None:
    """Take a move back, from whatever step it is at, on any day.  What the destination took in since the cutover is shown first."""
    if not (yes or sys.stdin.isatty()):
        raise InputError("nobody is there to say yes", hint="--yes, when it is to be taken back")
    space = workspace.find()
    book = space.open_catalogue()
    document = _that_has(book, space, move) if not plan_id else newest(book, space, plan_id)
    (one,) = chosen(document, [move], 0)
    if one["carried_out"] != "planner":
        hint = f"planner plan done {one['id']} --withdraw, when it is not done after all"
        raise InputError(f"{one['id']} is carried out by hand", hint=hint)
    with Live() as live:
        carrying = carrier(space, book, document, live)
        assert carrying.holder is not None
        with carrying.holder.working():
            for name, who in leased(carrying.holder, [one]).items():
                raise Busy(f"{name} is held by {who}", hint="stop that run first (Ctrl-C there), then take the move back")
            now = states(book, document)[one["id"]]
            if not now.touched:
                say(f"nothing to take back: {one['id']} is {now.name}")
                return
            lines = [f"{one['id']}: back to {one['source']['host']}, from {now.touched[0]} on"]
            if one["placement"] not in {"retire", "colocation"} and now.steps["cutover"] != "waiting":  # nothing is left behind there
                lines += [_until(one), *_divergence(one, carrying)]
            for line in lines:
                note(visible(line))
            if not yes and not live.ask("Do this now?", carrying.stop.soon.is_set):
                raise typer.Exit(1)
            with book.session() as session:
                audit.add(
                    session, "rollback", one["id"], plan=document["id"], fingerprint=document["fingerprint"], run=carrying.run, shown=lines
                )
            playing.end_leftovers(carrying.bundle, [one["id"]])
            with carrying.stop.listening(note):
                carrying.back(one, now)
            with notifications.Messenger(space.configuration.notify, note).working() as messenger:
                at = catalogue.now().isoformat(timespec="seconds")
                messenger.tell(notifications.Event("rolled back", document["id"], carrying.run, one["id"], "", at))
    say(f"{one['id']} is rolled back: {one['site']} is served by {one['source']['host']}")


def _until(move: Mapping[str, Any]) -> str:
    """Until when the way back is cheap: while the old host stands as it was left."""
    if not move["schedule"]:
        return "the plan has no end of its trial run: nobody knows how long the old host is kept"
    end = date.fromisoformat(move["schedule"]["end"])
    left = (end - catalogue.now().date()).days
    if left < 0:
        return f"its trial run ended on {end}: the old host may have been changed or switched off since"
    return f"the old host is kept until {end}, {left} days from now; each day adds to what was written at the destination"


def _that_has(book: catalogue.Catalogue, space: workspace.Workspace, name: str) -> dict[str, Any]:
    """The newest plan that has the move: one that was made since leaves out what is done."""
    with book.session() as session:
        for row in session.scalars(select(model.Plan).order_by(model.Plan.created_at.desc(), model.Plan.id)):
            if any(name in (move["id"], *move["names"]) for move in row.document.get("moves", ())):
                return planstore.load(session, space, row.id)
    return newest(book, space, "")


def _divergence(move: Mapping[str, Any], carrying: execution.Carrier) -> list[str]:
    """What differs between the frozen source and the destination: it was written since the cutover and will not be on the old host."""
    try:
        seen = publishing.compare(move, carrying.hosts, carrying.exports, pages=False)
    except Exception as error:  # a rollback is never held up by what it would only like to know
        return [f"what was written since the cutover could not be read: {error}"]
    lost = [f"{d['name']} ({d['kind']})" for part in seen.parts.values() for d in part["differences"]]
    if not lost:
        return ["nothing was written at the destination since the cutover: nothing is lost"]
    more = f" and {len(lost) - 10} more" if len(lost) > 10 else ""
    return [
        f"written at the destination since the cutover, and not on the old host: {', '.join(lost[:10])}{more}",
        "it is kept in the archive that the destination makes before it is cleared (/var/backups there)",
    ]
