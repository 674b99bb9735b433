"""`planner plan override`, `overrides`, `settle`, `done`, `agree`, `agreements`: what people decide and say beside the rules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, model
from inventory.errors import InputError, NotFound, PlanError
from planner import approvals, assessment, decisions, facts, freshness, journal, planstore, workspace
from planner.cli.options import By, Why, account, day
from planner.cli.output import Json, note, say, table, visible
from planner.decisions import OF_THE_PLAN, Decision, Kind
from planner.policy import PLACEMENTS

Moved = Annotated[str, typer.Argument(help="A move's id, or any of a site's names.", metavar="MOVE")]
Taken = Annotated[bool, typer.Option("--withdraw", help="Take it back instead.")]


def add_to(group: typer.Typer) -> None:
    """Hang the commands into `planner plan`."""
    group.command("override")(override)
    group.command("overrides")(overrides)
    group.command("settle")(settle)
    group.command("done")(done)
    group.command("agree")(agree)
    group.command("agreements")(agreements)


def _move(session: Session, name: str) -> dict[str, Any] | None:
    """The move of the newest plan with that id or name.  Raises InputError when it is the name of several."""
    try:
        document = planstore.find(session).document
    except NotFound:
        return None
    return _in(document, name)


def _in(document: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    by_id = [move for move in document["moves"] if move["id"] == name]
    found = by_id or [move for move in document["moves"] if name in (move["site"], *move["names"])]
    if len(found) > 1:
        raise InputError(f"{visible(name)} is the name of several moves", hint="one of " + ", ".join(move["id"] for move in found))
    return found[0] if found else None


def _needed(session: Session, name: str) -> dict[str, Any]:
    move = _move(session, name)
    if move is None:
        raise NotFound(f"the newest plan has no move {visible(name)}", hint="planner plan show lists them")
    return move


def _workload(session: Session, name: str) -> tuple[model.Workload, dict[str, Any] | None]:
    """The workload, and its move where the newest plan has one.  Raises NotFound, InputError."""
    move = _move(session, name)
    item = freshness.workloads(session, [move]).get(move["id"]) if move is not None else None
    return item or catalogue.workload_by_name(session, move["site"] if move is not None else name), move


def _site(session: Session, name: str) -> tuple[str, tuple[str, ...]]:
    """Whose decisions are meant, also where the site is in the catalogue no longer."""
    try:
        item, _ = _workload(session, name)
    except NotFound:
        return name, ()
    return item.name, tuple(map(str, item.names))


# ---------------------------------------------------------------- overrides


def override(
    move: Moved,
    cutover: Annotated[str, typer.Option("--cutover", help="The night of its cutover, YYYY-MM-DD.")] = "",
    node: Annotated[str, typer.Option("--node", help="The server, cluster, hypervisor or rack that takes it in.")] = "",
    leave: Annotated[bool, typer.Option("--leave", help="It stays where it is.")] = False,
    placement: Annotated[str, typer.Option("--placement", help="Its placement, against the recommendation; cannot pass a block.")] = "",
    by: By = "",
    why: Why = "",
    until: Annotated[str, typer.Option("--until", help="The last day on which this holds, YYYY-MM-DD; none: without end.")] = "",
    withdraw: Annotated[str, typer.Option("--withdraw", help="Take back: cutover, node, leave, placement, or all.", metavar="WHAT")] = "",
) -> None:
    """Decide otherwise than the planner about one move: a plan made anew keeps it, and the plans made before are stale."""
    space = workspace.find()
    now = catalogue.now()
    wanted: dict[Kind, str] = {}
    if placement:
        wanted["placement"] = placement
    if cutover:
        wanted["cutover"] = day(cutover)
    if node:
        wanted["node"] = node
    if leave:
        wanted["leave"] = ""
    if bool(wanted) == bool(withdraw) or (leave and len(wanted) > 1):
        raise InputError("what is decided?", hint="--cutover, --node or --placement (or several), or --leave, or --withdraw WHAT")
    with space.lock("decisions"), space.open_catalogue().session() as session:
        if withdraw:
            said = _withdrawn(session, *_site(session, move), withdraw, account(by))
        else:
            item, planned = _workload(session, move)
            site, names = item.name, tuple(map(str, item.names))
            _possible(session, space, item, planned, wanted, now.date())
            for kind, value in wanted.items():
                decisions.add(session, Decision(site, names, kind, value, account(by), why, day(until), now))
            said = [f"{site}: {kind} {value}".rstrip() + (f", until {day(until)}" if until else "") for kind, value in wanted.items()]
    for line in said:
        say(visible(line))
    note("planner plan makes the plan anew with it")


def _withdrawn(session: Session, site: str, names: tuple[str, ...], what: str, by: str) -> list[str]:
    kinds: tuple[Kind, ...] = OF_THE_PLAN if what == "all" else tuple(kind for kind in OF_THE_PLAN if kind == what)
    if not kinds:
        raise InputError(f"{visible(what)} cannot be withdrawn", hint="one of " + ", ".join(OF_THE_PLAN) + ", all")
    taken = decisions.withdraw(session, site, names, kinds, by, catalogue.now())
    if not taken:
        raise NotFound(f"nothing of the kind is decided about {visible(site)}", hint="planner plan overrides lists what is")
    return [f"{site}: {item.by}'s decision of {item.at:%Y-%m-%d} is withdrawn: {item.kind} {item.value}".rstrip() for item in taken]


def _possible(
    session: Session, space: workspace.Workspace, item: model.Workload, move: dict[str, Any] | None, wanted: dict[Kind, str], today: date
) -> None:
    """Raises InputError or PlanError for what cannot be decided."""
    assembly = facts.Assembly(session, space, today)
    chosen = wanted.get("placement", "")
    if chosen:
        wish, language = assessment.Override(chosen, "", ""), space.configuration.language
        verdict = assessment.assess(assembly.of(item), assembly.rules, language, today=today, override=wish)
        if verdict.of(chosen) is None:
            raise InputError(f"there is no placement {visible(chosen)}", hint="one of " + ", ".join(PLACEMENTS))
        if verdict.void:
            blocks = [f"  {visible(f.message)}   [{f.rule}]" for f in verdict.findings_on(chosen) if f.effect == "block" and f.holds]
            raise PlanError(
                "\n".join([f"{visible(item.name)} cannot go to {chosen}: {verdict.void}:", *blocks]),
                hint=f"planner explain {visible(item.name)} --placement {chosen}",
            )
    if "node" in wanted:
        placement = chosen or (move["placement"] if move is not None else assembly.assess(item).recommendation)
        places = space.platforms.places(placement)
        if wanted["node"] not in places:
            raise InputError(
                f"{visible(wanted['node'])} is no place for {placement}",
                hint=f"inventory/platforms.yml has {', '.join(places) or 'none for it'}",
            )
    if "cutover" in wanted and wanted["cutover"] < today.isoformat():
        raise InputError(f"{wanted['cutover']} is over")


def overrides(as_json: Annotated[bool, Json] = False) -> None:
    """All decisions that stand: who, why, until when; conditions that are said to be met among them."""
    with workspace.find().open_catalogue().session() as session:
        standing = decisions.standing(session, catalogue.now().date()).standing
    rows = [
        {
            "site": item.site, "kind": item.kind, "value": item.value, "by": item.by, "why": item.why, "until": item.until,
            "at": f"{item.at:%Y-%m-%d %H:%M}",
        }
        for item in sorted(standing, key=lambda item: (item.site, item.kind, item.value))
    ]  # fmt: skip
    table(rows, ["site", "kind", "value", "by", "why", "until", "at"], as_json=as_json, empty="nothing is decided beside the rules")


def settle(
    move: Moved,
    rule: Annotated[str, typer.Argument(help="The gate: its rule's id, as `planner plan show` has it.")],
    by: By = "",
    why: Why = "",
    until: Annotated[str, typer.Option("--until", help="The last day on which this holds, YYYY-MM-DD; none: without end.")] = "",
    withdraw: Taken = False,
) -> None:
    """Say that a condition is met for which a move waits; the plan need not be made anew."""
    space = workspace.find()
    now = catalogue.now()
    with space.lock("decisions"), space.open_catalogue().session() as session:
        planned = _needed(session, move)
        item = freshness.workloads(session, [planned]).get(planned["id"])
        site, names = item.name if item is not None else planned["site"], tuple(map(str, planned["names"]))
        if withdraw:
            if not decisions.withdraw(session, site, names, ("settled",), account(by), now, value=rule):
                raise NotFound(f"nobody has settled {visible(rule)} for {planned['id']}", hint="planner plan overrides lists what is")
        else:
            gates = [gate["rule"] for gate in planned["gates"]]
            if rule not in gates:
                raise InputError(f"{planned['id']} has no gate {visible(rule)}", hint=f"its gates: {', '.join(gates) or 'none'}")
            decisions.add(session, Decision(site, names, "settled", rule, account(by), why, day(until), now))
    note(f"{planned['id']}: {visible(rule)} is {'not settled any more' if withdraw else 'settled'}, says {visible(account(by))}")


# ---------------------------------------------------------------- carried out by hand


def done(
    move: Moved,
    by: Annotated[str, typer.Option("--by", help="Who carried it out; none: the account that runs the command.")] = "",
    comment: Annotated[str, typer.Option("--note", help="What was done, and where that is written down.")] = "",
    on: Annotated[str, typer.Option("--on", help="The day on which it was done, YYYY-MM-DD; none: today.")] = "",
    withdraw: Taken = False,
) -> None:
    """Say that a move which people carry out is done: what waits for it may go on, and a plan made anew leaves it out."""
    space = workspace.find()
    book = space.open_catalogue()
    now = catalogue.now()
    told = day(on) or now.date().isoformat()
    if told > now.date().isoformat():
        raise InputError(f"{told} is not over: what is done was done on a day until today")
    if not comment.strip() and not withdraw:
        raise InputError("what was done?", hint='--note "...": it stands in the journal beside your name')
    with space.lock("decisions"):
        with book.session() as session:
            document, planned = _any(session, move)
            state = journal.read(session, document)[planned["id"]]
        if planned["carried_out"] != "by hand":
            raise PlanError(f"{planned['id']} is carried out by the planner", hint=f"planner run --move {planned['id']}")
        if withdraw == (state.name != "done"):
            raise InputError(f"{planned['id']} is {'not said to be done' if withdraw else 'done already, says ' + state.by}")
        writer = journal.Writer(book, document, "by hand")
        event = "undone" if withdraw else "done"
        writer.write(planned["id"], journal.BY_HAND, event, by=account(by), note=comment.strip(), on="" if withdraw else told)
    note(f"{planned['id']}: {'not done after all' if withdraw else f'done on {told}'}, says {visible(account(by))}")


def _any(session: Session, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The newest plan that has the move, and the move: a plan made since leaves out what is done.  Raises NotFound, InputError."""
    for row in session.scalars(select(model.Plan).order_by(model.Plan.created_at.desc(), model.Plan.id)):
        found = _in(row.document, name)
        if found is not None:
            return dict(row.document), found
    raise NotFound(f"no plan has a move {visible(name)}", hint="planner plan show lists them")


# ---------------------------------------------------------------- units' agreement


def agree(
    move: Moved,
    agrees: Annotated[bool, typer.Option("--unit-agrees", help="The unit agrees.")] = False,
    refuses: Annotated[bool, typer.Option("--refuses", help="The unit refuses: the move is not run.")] = False,
    silence: Annotated[bool, typer.Option("--silence", help="The unit did not answer in time, where the center lets that count.")] = False,
    by: Annotated[str, typer.Option("--by", help="Who of the unit said so; for silence, who states it.")] = "",
    comment: Annotated[str, typer.Option("--note", help="What was said.")] = "",
    on: Annotated[str, typer.Option("--on", help="The night that it speaks of, YYYY-MM-DD; none: the plan's.")] = "",
    withdraw: Taken = False,
) -> None:
    """Keep a unit's word on a move of the newest plan.  It is bound to placement and night: for another one it counts no longer."""
    space = workspace.find()
    if agrees + refuses + silence + withdraw != 1:
        raise InputError("what does the unit say?", hint="one of --unit-agrees, --refuses, --silence, --withdraw")
    if not by.strip() and (agrees or refuses):
        raise InputError("who of the unit says so?", hint="--by NAME")
    with space.open_catalogue().session() as session:
        planned = _needed(session, move)
        night = day(on) or (planned["schedule"]["cutover"] if planned["schedule"] else "")
        if withdraw:
            if not approvals.withdraw(session, planned, by=account(by), at=catalogue.now()):
                raise NotFound(f"the unit has said nothing of {planned['id']}", hint="planner plan agreements lists what was said")
        else:
            answer: approvals.Answer = "agreed" if agrees else "refused" if refuses else "silence"
            approvals.agree(session, planned, answer, by=account(by), note=comment, night=night, at=catalogue.now())
    said = "taken back" if withdraw else f"{answer}, {planned['placement']}" + (f" on {night}" if night else "")
    note(f"{planned['id']}: {said}")


def agreements(
    plan_id: Annotated[str, typer.Argument(help="A plan's id; none: the newest.")] = "", as_json: Annotated[bool, Json] = False
) -> None:
    """What units say to each move: agreed, refused, silence, agreed to another date or placement, or nothing yet."""
    with workspace.find().open_catalogue().session() as session:
        document = planstore.find(session, visible(plan_id)).document
        said = approvals.agreements(session, document)
    rows = []
    for move in document["moves"]:
        word = said[move["id"]]
        rows.append(
            {
                "move": move["id"], "unit": move["unit"], "placement": move["placement"],
                "cutover": move["schedule"]["cutover"] if move["schedule"] else "", "answer": word.state, "counts": word.counts,
                "by": word.by, "asked": f"{word.placement} {word.cutover}".strip(), "note": word.note,
                "at": f"{word.at:%Y-%m-%d}" if word.at else "",
            }
        )  # fmt: skip
    order = ["move", "unit", "placement", "cutover", "answer", "by", "asked", "note", "at"]
    table(rows, order, as_json=as_json, empty="nothing moves")
