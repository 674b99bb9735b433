"""`planner plan diff`, `check`, `adopt`, `approve`, `unapprove`, `go`: a plan compared, edited by hand, and released for the run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.orm import Session

from inventory import catalogue, model
from inventory.errors import InputError, NotFound, PlanError
from planner import approvals, decisions, freshness, gates, journal, plandiff, plandocument, planedits, planstore, workspace
from planner.cli.options import By, PlanNamed, account, day
from planner.cli.output import Json, emit, note, say, table, visible


def add_to(group: typer.Typer) -> None:
    """Hang the commands into `planner plan`."""
    group.command("diff")(diff)
    group.command("check")(check)
    group.command("adopt")(adopt)
    group.command("approve")(approve)
    group.command("unapprove")(unapprove)
    group.command("go")(go)


# ---------------------------------------------------------------- compared


def diff(
    old: Annotated[str, typer.Argument(help="A plan's id or file; none: the newest approved one, or the last before NEW.")] = "",
    new: Annotated[str, typer.Argument(help="A plan's id or file; none: the newest.")] = "",
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Leave with 1 when they differ.")] = False,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """What differs between two plans: moves, dates, destinations, costs, and what they were made from."""
    space = workspace.find()
    with space.open_catalogue().session() as session:
        after, now = _either(session, space, new)
        before, then = _either(session, space, old or _former(session, after, new))
    changes = plandiff.compare(before, after, old_facts=then, new_facts=now)
    if as_json:
        emit({"old": before["id"], "new": after["id"], "changes": [change.to_json() for change in changes]})
    else:
        for line in plandiff.lines(changes, space.configuration.language):
            say(visible(line))
        note(f"{before['id']} → {after['id']}: {len(changes)} differences")
    if exit_code and changes:
        raise typer.Exit(1)


def _former(session: Session, document: dict[str, Any], given: str) -> str:
    if _is_file(given) and session.get(model.Plan, document["id"]) is not None:
        return str(document["id"])  # a file is compared with the plan that it was made from
    name = planstore.former(session, document["id"])
    if not name:
        raise NotFound(f"there is no plan to compare {document['id']} with", hint="planner plan diff OLD NEW takes ids and files")
    return name


def _is_file(name: str) -> bool:
    return name.endswith((".yml", ".yaml")) or "/" in name


def _either(session: Session, space: workspace.Workspace, name: str) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """A plan by id or file, and the facts that were kept beside it."""
    if _is_file(name):
        document, _ = plandocument.read(Path(name), derived=False)
        return document, freshness.read_facts(document, Path(name).parent)
    row = planstore.find(session, visible(name))
    # what was made is compared, whatever somebody has done to the file since; a plan of an earlier version is refused by its file
    document = row.document if row.document.get("format") == plandocument.FORMAT else plandocument.load(planstore.path(space, row.id))
    return document, freshness.read_facts(document, space.plan_folder(row.id))


# ---------------------------------------------------------------- edited by hand


def check(
    file: Annotated[str, typer.Argument(help="A plan's file; none: the newest plan's.")] = "", as_json: Annotated[bool, Json] = False
) -> None:
    """Whether a plan's file is good: every problem at once, with its place.  Of an edited one: what adopt would make of it."""
    space = workspace.find()
    with space.open_catalogue().session() as session:
        path = Path(file) if file else planstore.path(space, planstore.find(session).id)
        document, found = _edited(session, path)
    if as_json:
        emit({"file": str(path), "plan": document["id"], "changed": [vars(edit) for edit in found]})
        return
    if found:
        table([vars(edit) for edit in found], ["place", "move", "kind", "value", "why"], as_json=False, empty="")
        note(f"{path}: edited, and planner plan adopt would keep {len(found)} decisions")
    else:
        note(f"{path}: {document['id']}, {len(document['moves'])} moves in {len(document['waves'])} waves, as it was made")


def _edited(session: Session, path: Path) -> tuple[dict[str, Any], list[planedits.Edit]]:
    """A plan's file, and what was edited in it.  Raises ConfigurationError with every problem, NotFound."""
    document, places = plandocument.read(path, derived=False)
    if plandocument.fingerprint(document) == document["fingerprint"]:
        plandocument.parsed(places)
        return document, []
    row = session.get(model.Plan, document["id"])
    if row is None:
        raise NotFound(
            f"{places.place(('id',))}: {path} was edited, and the plan {document['id']} that it was made from is not in the catalogue",
            hint="keep a plan's id when you edit it",
        )
    return document, planedits.edits(row.document, document, places)


def adopt(
    file: Annotated[str, typer.Argument(help="The edited file; none: the newest plan's own.")] = "",
    by: By = "",
    why: Annotated[str, typer.Option("--why", help="The reason of every change that has no note of its own.")] = "",
    until: Annotated[str, typer.Option("--until", help="The last day of all of them, YYYY-MM-DD; none: without end.")] = "",
) -> None:
    """Take over what was edited in a plan's file as decisions, so that the plan made anew keeps it.  All of it or nothing."""
    space = workspace.find()
    now = catalogue.now()
    with space.lock("decisions"), space.open_catalogue().session() as session:
        path = Path(file) if file else planstore.path(space, planstore.find(session).id)
        document, found = _edited(session, path)
        if not found:
            say(f"nothing was changed in {path}")
            return
        unexplained = [edit.place for edit in found if not (edit.why.strip() or why.strip())]
        if unexplained:
            raise InputError("why?  " + ", ".join(unexplained), hint='a `note` in the move (`why` under left), or --why "..." for all')
        row = session.get_one(model.Plan, document["id"])
        moves = {move["id"]: move for move in row.document["moves"]}
        items = freshness.workloads(session, list(moves.values()))
        problems = []
        for edit in found:
            move, item = moves[edit.move], items.get(edit.move)
            site = item.name if item is not None else move["site"]
            if edit.kind == "node" and edit.value not in space.platforms.places(move["placement"]):
                places = ", ".join(space.platforms.places(move["placement"])) or "none"
                problems.append(f"{edit.place}: {edit.value} is no place for {move['placement']}: {places}")
                continue
            names = tuple(map(str, move["names"]))
            decisions.add(session, decisions.Decision(site, names, edit.kind, edit.value, account(by), edit.why or why, day(until), now))
        if problems:
            raise InputError("\n".join(problems), hint="inventory/platforms.yml lists what there is")
        own = planstore.path(space, document["id"])
        if path.resolve() == own.resolve():
            plandocument.write(row.document, own.parent)
    for edit in found:
        say(visible(f"{edit.move}: {edit.kind} {edit.value}".rstrip()))
    note(f"kept {len(found)} decisions; planner plan makes the plan anew with them")


# ---------------------------------------------------------------- approved


def approve(
    plan_id: PlanNamed = "",
    by: By = "",
    comment: Annotated[str, typer.Option("--note", help="What the approver wants to be remembered.")] = "",
    despite: Annotated[str, typer.Option("--despite", help="Why a plan with unsettled problems is approved.")] = "",
) -> None:
    """Release a plan for the run: who, when, and its fingerprint.  A plan that is not of today is refused, with what changed."""
    space = workspace.find()
    now = catalogue.now()
    with space.open_catalogue().session() as session:
        document = planstore.load(session, space, visible(plan_id))
        states = journal.read(session, document)
        untouched = [move for move in document["moves"] if not states[move["id"]].touched]
        stale = freshness.stale(session, space, document, untouched, now.date())
        if stale:
            lines = [visible(line) for line in freshness.lines(stale, space.configuration.language)]
            raise PlanError("\n  ".join([f"{document['id']} is not of today:", *lines[:40]]), hint="planner plan makes the plan anew")
        approvals.approve(session, document, by=account(by), note=comment, despite=despite, at=now)
    note(f"{document['id']} is approved by {visible(account(by))}; fingerprint {document['fingerprint']}")


def unapprove(plan_id: PlanNamed = "", by: By = "") -> None:
    """Withdraw a plan's approval: it can be looked at, and not run."""
    space = workspace.find()
    with space.open_catalogue().session() as session:
        row = planstore.find(session, visible(plan_id))
        identity, count = row.id, approvals.unapprove(session, row.id, by=account(by), at=catalogue.now())
    if not count:
        raise NotFound(f"{identity} is not approved", hint="planner status shows which plan is")
    note(f"{identity} is approved no longer")


def go(
    moves: Annotated[list[str], typer.Argument(help="Moves' ids, or any of their sites' names.", metavar="MOVE...")],
    step: Annotated[list[str] | None, typer.Option("--step", help="Only this step; may be repeated. None: all that need a word.")] = None,
    plan: Annotated[str, typer.Option("--plan", help="A plan's id; none: the newest.")] = "",
    by: By = "",
    comment: Annotated[str, typer.Option("--note", help="What is to be remembered.")] = "",
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take it back instead.")] = False,
) -> None:
    """Say beforehand that moves may be frozen and cut over in their night, so that nobody has to be there.  For the plan as it is now."""
    space = workspace.find()
    now = catalogue.now()
    done = []
    with space.open_catalogue().session() as session:
        document = planstore.load(session, space, visible(plan))
        if approvals.approval(session, document) is None:
            raise PlanError(f"nobody has approved {document['id']}", hint="planner plan approve --by NAME, then planner plan go")
        for name in moves:
            found = [move for move in document["moves"] if name in (move["id"], *move["names"])]
            if not found:
                raise NotFound(f"the plan has no move {visible(name)}", hint="planner plan show lists them")
            for move in found:
                possible = gates.asked(move["placement"]) if move["carried_out"] == "planner" else []
                wanted = step or possible
                if not wanted or set(wanted) - set(possible):
                    hint = "one of " + ", ".join(possible) if possible else "it is carried out by hand"
                    raise InputError(f"{move['id']} has no step that waits for a word: {', '.join(map(visible, wanted))}", hint=hint)
                if withdraw:
                    gates.withdraw(session, document, move["id"], wanted, by=account(by), at=now)
                else:
                    for one in wanted:
                        gates.go(session, document, move["id"], one, by=account(by), note=comment, at=now)
                done.append(f"{move['id']}: {', '.join(wanted)}")
    for line in done:
        say(visible(f"{line} {'may not begin any more' if withdraw else 'may begin'}"))
