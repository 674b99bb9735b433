"""`planner rehearse`, `planner calibrate`: moves tried out while their sources are in use, and how right predictions were."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from inventory.errors import Busy, InputError, PlanError, RunError
from planner import admission, audit, calendars, gates, movesteps, timings, workspace
from planner.cli.carry import Chosen, carrier, chosen, leased, newest, states
from planner.cli.live import Live
from planner.cli.options import PlanNamed
from planner.cli.output import Json, emit, note, table, visible


def add(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    app.command("rehearse")(rehearse)
    app.command("calibrate")(calibrate)


def rehearse(
    plan_id: PlanNamed = "",
    moves: Chosen = None,
    any_time: Annotated[
        str, typer.Option("--any-time", help="Do not keep to the day on which preparation begins, and why not.", metavar="WHY")
    ] = "",
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Copy moves to their destinations and compare, while their sources are in use: what would differ, and how long a freeze would last."""
    if not moves:
        raise InputError("which moves?", hint="--move MOVE, which may be repeated")
    space = workspace.find()
    book = space.open_catalogue()
    document = newest(book, space, plan_id)
    with book.session() as session:
        admission.approved(session, document)
    wanted = [move for move in chosen(document, moves, 0) if move["carried_out"] == "planner" and movesteps.rehearsed(move["placement"])]
    rows: list[dict[str, Any]] = []
    failed = False
    with Live() as live:
        gated = gates.Gates(book, document, calendars.load(space.root / calendars.FILE), despite=any_time)
        carrying = carrier(space, book, document, live, gated)
        assert carrying.holder is not None
        with carrying.holder.working():
            if busy := leased(carrying.holder, wanted):
                raise Busy("\n".join(f"{name} is held by {who}" for name, who in busy.items()))
            now = states(book, document)
            begun = [move["id"] for move in wanted if _frozen(now[move["id"]].steps, move["placement"])]
            if begun or not wanted:
                raise PlanError(
                    f"{', '.join(begun) or 'none of these'} can not be rehearsed", hint="a move by the planner, before its source is frozen"
                )
            with book.session() as session:
                wanted, reasons = admission.permitted(session, space, document, wanted, now)
                audit.add(session, "rehearse", " ".join(move["id"] for move in wanted), plan=document["id"], run=carrying.run)
            for name, reason in reasons.items():
                note(visible(f"{name}: {reason}"))
            with carrying.stop.listening(note):
                for move in wanted:
                    row = {
                        "move": move["id"],
                        "verdict": "failed",
                        "compared": "",
                        "sync": None,
                        "verify": None,
                        "frozen": None,
                        "first": "",
                    }
                    try:
                        row |= _told(carrying.rehearse(move, now[move["id"]]))
                    except RunError as error:
                        note(visible(str(error)).replace("⏎", "\n"))
                        row["compared"], failed = error.message, True
                    live.over(move["id"])
                    rows.append(row)
    with book.session() as session:
        known = timings.read(session)
    usual = timings.usual(known)
    for row in rows:
        mine = [one for one in known if (one.plan, one.move) == (document["id"], row["move"])]
        row["frozen"] = timings.predicted(mine[-1], usual) if mine and row["verdict"] != "failed" else None
    table(rows, ["move", "verdict", "compared", "sync", "verify", "frozen", "first"], as_json=as_json, empty="nothing was rehearsed")
    if not as_json:
        note("frozen: seconds from freeze to cutover as they can be expected; empty while no move of that kind was carried out here")
    if failed:
        raise typer.Exit(RunError.exit_code)


def _told(said: dict[str, Any]) -> dict[str, Any]:
    return {**{key: value for key, value in said.items() if key != "steps"}, **said["steps"]}


def _frozen(steps: dict[str, str], placement: str) -> bool:
    """Whether anything from the first step that needs a go-ahead on has begun."""
    names = list(steps)
    return any(steps[name] != "waiting" for name in names[names.index(movesteps.prepared(placement)) + 1 :])


def calibrate(as_json: Annotated[bool, Json] = False) -> None:
    """What moves took against what was predicted, and what the calendar says of copies against what they did."""
    space = workspace.find()
    with space.open_catalogue().session() as session:
        known = timings.read(session)
    usual = timings.usual(known)
    rows: list[dict[str, Any]] = []
    for one in known:
        others = timings.usual(other for other in known if other is not one)  # a prediction does not know its own outcome
        expected = timings.predicted(one, others)
        ratio = round(one.frozen / expected, 2) if one.frozen is not None and expected else None
        rows.append(
            {"plan": one.plan, "move": one.move, "placement": one.placement, "frozen": one.frozen, "predicted": expected, "ratio": ratio}
        )
    steps = [
        {"placement": placement, "step": step, "seconds": found.seconds, "of": found.count} for (placement, step), found in usual.items()
    ]
    copied = timings.rate(known)
    stated = calendars.load(space.root / calendars.FILE).transfer.bytes_per_s
    if as_json:
        rate = {"measured": round(copied[0]), "of": copied[1]} if copied else None
        emit({"moves": rows, "steps": steps, "copies": rate, "stated": stated})
        return
    table(rows, ["plan", "move", "placement", "frozen", "predicted", "ratio"], as_json=False, empty="no move was carried out yet")
    table(steps, ["placement", "step", "seconds", "of"], as_json=False, empty="")
    if copied:
        note(f"first copies ran at {copied[0]:,.0f} bytes a second (median of {copied[1]}); calendar.yml reckons with {stated:,}")
