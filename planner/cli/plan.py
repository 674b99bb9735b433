"""`planner plan`, `plan show`, `why`, `shift`, `prove`, `calendar`: the plan made and looked at."""

from __future__ import annotations

import re
from datetime import UTC, date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from sqlalchemy.orm import Session

from inventory import catalogue, model
from inventory.errors import InputError, NotFound
from planner import plandocument, planstore, wording, workspace
from planner.cli import overrides
from planner.cli import plans as editing
from planner.cli.options import PlanNamed, as_date
from planner.cli.output import Json, emit, note, say, table, visible

if TYPE_CHECKING:
    from planner.planning.values import Inputs, Made

MOVED = re.compile(r"plan-[0-9a-f]{10} has (moved|begun to move) it")
"""How `planning.subjects.stays` tells of what an earlier plan did."""
Start = Annotated[
    str, typer.Option("--start", metavar="DATE", help="The first day of the plan; none: today. calendar.yml may set a later one.")
]


def add(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    plans = typer.Typer(help="Destinations, waves and dates, as data.", invoke_without_command=True, rich_markup_mode=None)
    plans.callback()(plan_make)
    plans.command("show")(plan_show)
    plans.command("why")(plan_why)
    plans.command("shift")(plan_shift)
    plans.command("prove")(plan_prove)
    plans.command("calendar")(plan_calendar)
    editing.add_to(plans)
    overrides.add_to(plans)
    app.add_typer(plans, name="plan")


Afresh = Annotated[
    bool, typer.Option("--afresh", help="Lay all nights and places anew; else those of the approved plan are kept where they can be.")
]


def plan_make(context: typer.Context, start: Start = "", afresh: Afresh = False, as_json: Annotated[bool, Json] = False) -> None:
    """Make the plan: move groups, dates, destinations on finite capacity, what is lacking; and a fingerprint over all of it."""
    if context.invoked_subcommand:
        return
    from planner.planning import making

    space = workspace.find()
    now = catalogue.now()
    with space.open_catalogue().session() as session:
        inputs, made = _made(session, space, start, afresh)
        document = making.document(made)
        known = {inputs.ids[item.name]: item.facts for item in inputs.moving}
        path = planstore.keep(session, space, document, known, now)
    note(f"wrote {path}")
    if document["follows"]:
        note(f"nights and places of {document['follows']}, which is approved, are kept where they can be")
    _print(document, as_json)


def _made(session: Session, space: workspace.Workspace, start: str, afresh: bool = False) -> tuple[Inputs, Made]:
    """What a plan is made from today, and the plan before it is written down; what could not be read is told.

    It follows the approved plan.  Where nothing has changed it follows what that followed, and so is the same plan again.
    """
    from dataclasses import replace

    from planner.planning import former, gathering, making

    today = catalogue.now().date()
    inputs, problems = gathering.inputs(session, space, today, as_date(start) or today)
    for problem in problems:
        note(visible(problem))
    approved = None if afresh else planstore.approved(session)
    if approved is None or approved.document.get("format") != plandocument.FORMAT:
        return inputs, making.make(inputs)
    before = session.get(model.Plan, approved.document.get("follows") or "")
    same = replace(inputs, former=former.read(before.document) if before is not None else None)
    made = making.make(same)
    if making.document(made)["fingerprint"] == approved.fingerprint:
        return same, made
    follows = replace(inputs, former=former.read(approved.document))
    return follows, making.make(follows)


def plan_show(name: PlanNamed = "", as_json: Annotated[bool, Json] = False) -> None:
    """The plan: what moves where and when, what stays and why, and what is lacking."""
    space = workspace.find()
    with space.open_catalogue().session() as session:
        document = planstore.look(session, space, visible(name))
    _print(document, as_json)


def _print(document: dict[str, Any], as_json: bool) -> None:
    if as_json:
        emit(document)
        return
    rows = [
        {
            "wave": move["wave"] or "-", "cutover": move["schedule"]["cutover"] if move["schedule"] else "no date", "move": move["id"],
            "unit": move["unit"], "placement": move["placement"], "from": move["source"]["host"], "to": move["destination"]["platform"],
            "size": wording.show("bytes", move["bytes"]), "by": move["carried_out"],
            "gates": sum(not gate["settled"] for gate in move["gates"]),
            "pilot": "pilot" if move["schedule"] and move["schedule"].get("pilot") else "",
        }
        for move in document["moves"]
    ]  # fmt: skip
    say(f"{document['id']}  fingerprint {document['fingerprint']}")
    table(
        rows,
        ["wave", "cutover", "move", "unit", "placement", "from", "to", "size", "by", "gates", "pilot"],
        as_json=False,
        empty="nothing moves",
    )
    moved = [entry for entry in document["left"] if MOVED.match(entry["why"])]
    stays = [entry for entry in document["left"] if entry not in moved]
    if moved:
        say("\nMoved already, or on the way:")
        table(moved, ["site", "unit", "why"], as_json=False, empty="")
    if stays:
        say("\nStays where it is:")
        table(stays, ["site", "unit", "recommendation", "why"], as_json=False, empty="")
    _print_hosts(document)
    if document["shortfall"]:
        say("\nLacking:")
        rows = [
            {**entry, "lacking": wording.show(entry["resource"], entry["lacking"]), "for": len(entry["for"])}
            for entry in document["shortfall"]
        ]
        table(rows, ["kind", "zone", "labels", "resource", "lacking", "nodes", "by", "for"], as_json=False, empty="")
    for entry in document["addresses_missing"]:
        say(f"IPv{entry['version']} addresses lacking: {entry['lacking']}")
    costs = document["costs"]
    if costs:
        total = costs["total"]
        unknown = f" ({total['yearly_unknown']} unknown)" if total["yearly_unknown"] else ""
        say(f"\nCosts: {total['yearly']} {costs['currency']} a year{unknown}, {total['once']} once")
    for problem in document["problems"]:
        say(f"! {visible(problem)}")


def _print_hosts(document: dict[str, Any]) -> None:
    free = document.get("hosts_free") or []
    off = sorted((entry for entry in free if entry["on"]), key=lambda entry: (entry["on"], entry["host"]))
    kept = [{**entry, "kept_by": _few(entry["kept_by"])} for entry in free if not entry["on"]]
    if off:
        say("\nCan be switched off:")
        table(off, ["on", "host"], as_json=False, empty="")
    if kept:
        say("\nMust be kept running:")
        table(kept, ["host", "kept_by"], as_json=False, empty="")


def _few(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def plan_why(
    move: Annotated[str, typer.Argument(help="A move's id, or its site.")],
    plan: Annotated[str, typer.Option("--plan", help="A plan's id; none: the newest.")] = "",
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Why a move is on its date and not earlier, with what it moves together, and what it waits for."""
    space = workspace.find()
    with space.open_catalogue().session() as session:
        document = planstore.look(session, space, visible(plan))
    found = _move(document, move)
    group = next(one for one in document["groups"] if one["group"] == found["group"])
    if as_json:
        emit(
            {
                "move": found["id"],
                "schedule": found["schedule"],
                "why_not_earlier": found["why_not_earlier"],
                "group": group,
                "gates": found["gates"],
            }
        )
        return
    dates = found["schedule"]
    say(f"{found['id']}: " + (f"wave {found['wave']}, cut over in the night of {dates['cutover']}" if dates else "no date"))
    if dates:
        shown = {
            "letter to the unit": dates["notice"],
            "work begins": dates["start"],
            "TTL lowered": dates["ttl_lowered"],
            "trial ends": dates["end"],
        }
        say("  " + ", ".join(f"{what} {day}" for what, day in shown.items() if day))
    if found["why_not_earlier"]:
        say("\nNot earlier, because:")
        table(found["why_not_earlier"], ["from", "until", "detail"], as_json=False, empty="")
    if len(group["moves"]) > 1:
        say(f"\nTogether with {', '.join(name for name in group['moves'] if name != found['id'])}:")
        for line in group["why"]:
            say(f"  {visible(line)}")
    if group["after"]:
        say(f"\nAfter {', '.join(group['after'])}")
    if closed := found["retirement"]:
        answer = f"lead to {closed['redirect']}" if closed["redirect"] else "answer 410"
        place = f"{found['destination']['receiver']}:{closed['folder']}"
        say(f"\nClosed: archived to {place}, kept until {closed['keep_until'] or 'no date yet'}; its names {answer}")
        say(f"  the old host may be wiped from {closed['wipe_from'] or 'no date yet'} on")
    for gate in found["gates"]:
        say(f"\nGate {gate['rule']}{' (settled)' if gate['settled'] else ''}: {visible(gate['message'])}")
    if found["note"]:
        say(f"\nNote: {visible(found['note'])}")


def _move(document: dict[str, Any], name: str) -> dict[str, Any]:
    """The move of that id or site.  Raises NotFound with why a site that stays does so, InputError for the name of several."""
    by_id = [move for move in document["moves"] if name == move["id"]]
    found = by_id or [move for move in document["moves"] if name in {move["site"], *move["names"]}]
    if len(found) > 1:
        raise InputError(f"{visible(name)} is the name of several moves", hint="one of " + ", ".join(move["id"] for move in found))
    if found:
        return dict(found[0])
    for entry in document["left"]:
        if name in {entry["site"], entry["site"].partition("@")[0]}:
            raise NotFound(f"{visible(name)} does not move: {visible(entry['why'])}", hint=f"planner explain {visible(entry['site'])}")
    raise NotFound(f"{document['id']} has no move {visible(name)}", hint="planner plan show lists them")


def plan_shift(
    move: Annotated[str, typer.Argument(help="A move's id, or its site.")],
    to: Annotated[str, typer.Argument(metavar="DATE", help="The night that it should be cut over in.")],
    start: Start = "",
    as_json: Annotated[bool, Json] = False,
) -> None:
    """What would follow if a move had another date: what else moves, and what that date breaks.  Nothing is stored."""
    from planner.planning import making

    space = workspace.find()
    day = as_date(to)
    if day is None:
        raise InputError("to which date?", hint="YYYY-MM-DD")
    with space.open_catalogue().session() as session:
        inputs, made = _made(session, space, start)
    identity = _identity(inputs, made, move)
    effects = making.shifted(made, identity, day)
    language = space.configuration.language
    rows = [
        {"move": one.name, "from": _shown(one.before), "to": _shown(one.after), "days": one.days}
        for one in (*effects.group, *effects.moved)
    ]  # fmt: skip
    broken = [problem.sentence(language) for problem in effects.broken]
    if as_json:
        emit(
            {
                "move": identity,
                "to": day.isoformat(),
                "moved": [{k: v.isoformat() if isinstance(v, date) else v for k, v in row.items()} for row in rows],
                "breaks": broken,
            }
        )
        return
    table(rows, ["move", "from", "to", "days"], as_json=False, empty="nothing else moves")
    for line in broken:
        say(f"! {visible(line)}")
    note(f"to keep that date: planner plan override {identity} --cutover {day} --why ...")


def _identity(inputs: Inputs, made: Made, name: str) -> str:
    """A move's id by itself or by one of its site's names.  Raises NotFound, InputError."""
    moving = {inputs.ids[item.name]: {item.name, *map(str, item.names)} for item in made.moving}
    found = [name] if name in moving else sorted(identity for identity, names in moving.items() if name in names)
    if len(found) > 1:
        raise InputError(f"{visible(name)} is the name of several moves", hint="one of " + ", ".join(found))
    if not found:
        why = next((text for site, text in made.left.items() if name in {site, site.partition("@")[0]}), "")
        raise NotFound(
            f"{visible(name)} does not move" + (f": {visible(why)}" if why else ""), hint="planner plan show lists moves, and what stays"
        )
    return found[0]


def _shown(day: date | None) -> str:
    return day.isoformat() if day else "no date"


def plan_prove(
    seconds: Annotated[float, typer.Option(min=1, help="How long HiGHS may look at each kind of node.")] = 60,
    start: Start = "",
    as_json: Annotated[bool, Json] = False,
) -> None:
    """How near the plan's highest load is to the lowest that any placement could have: a bound proven by HiGHS (an optional package)."""
    from planner import proof
    from planner.planning import fitting_in

    space = workspace.find()
    with space.open_catalogue().session() as session:
        _, made = _made(session, space, start)
    bound = proof.prove(made.nodes, made.demands, made.placed, made.occupied, spare=fitting_in.spare(space.platforms), limit=seconds)
    row = {
        "achieved": round(bound.achieved, 4),
        "bound": round(bound.value, 4),
        "gap": round(bound.gap, 4),
        "status": bound.status,
        "seconds": round(bound.seconds, 1),
    }
    if as_json:
        emit(row)
        return
    say(f"highest load {bound.achieved:.1%}, {bound.gap:.2%} above the bound")
    say(f"no placement is below {bound.value:.1%} ({bound.status}, {bound.seconds:.1f} s)")


def plan_calendar(
    out: Annotated[Path, typer.Argument(help="Where to write the .ics file.")],
    plan: Annotated[str, typer.Option("--plan", help="A plan's id; none: the newest.")] = "",
    unit: Annotated[str, typer.Option(help="Only this unit's moves.")] = "",
) -> None:
    """The plan's dates as an iCalendar file: letters, cutovers, ends of trial runs, change freezes."""
    from planner import calendars, freshness, plandates

    space = workspace.find()
    with space.open_catalogue().session() as session:
        row = planstore.find(session, visible(plan))
        document, at = planstore.look(session, space, row.id), row.created_at
    if unit and not any(move["unit"] == unit for move in document["moves"]):
        raise NotFound(f"{document['id']} moves nothing of the unit {visible(unit)}", hint="planner plan show lists the moves' units")
    calendar = calendars.load(space.root / freshness.CALENDAR)
    stamp = at if at.tzinfo else at.replace(tzinfo=UTC)
    data = plandates.exported(document, calendar, stamp, space.configuration.language, unit)
    try:
        out.write_bytes(data)
    except OSError as error:
        raise InputError(f"{out}: {error.strerror}") from error
    note(f"wrote {out}")
