"""`planner generate`, `preflight`, `run`, `drift`: a plan's playbooks, what they still lack, and the plan carried out."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from sqlalchemy import select

from inventory import catalogue, model
from inventory.errors import Busy, DifferenceFound, InputError, MissingProgram, NotFound, PlanError, RunError
from planner import (
    admission,
    audit,
    bundle,
    calendars,
    dispatch,
    equality,
    execution,
    gates,
    journal,
    leases,
    movesteps,
    notifications,
    planstore,
    playing,
    preflight,
    thresholds,
    workspace,
)
from planner.cli.live import Live
from planner.cli.options import PlanNamed
from planner.cli.output import Json, emit, note, say, table, visible
from planner.operations import registering

Chosen = Annotated[list[str] | None, typer.Option("--move", help="Only this move (an id, or any of its site's names); may be repeated.")]
Wave = Annotated[int, typer.Option(help="Only this wave.", min=0)]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def add(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    app.command("generate")(generate)
    app.command("preflight")(preflight_)
    app.command("run")(run)
    app.command("drift")(drift)


def newest(book: catalogue.Catalogue, space: workspace.Workspace, name: str) -> dict[str, Any]:
    """The plan of that id, or the newest, from its file.  Raises NotFound, PlanError."""
    with book.session() as session:
        return planstore.load(session, space, visible(name))


def generate(plan_id: PlanNamed = "", as_json: Annotated[bool, Json] = False) -> None:
    """Write the plan's bundle: playbooks, inventory and vars that plain ansible-playbook can run, for review."""
    space = workspace.find()
    book = space.open_catalogue()
    document = newest(book, space, plan_id)
    folder = space.plan_folder(document["id"]) / "bundle"
    digest = bundle.write(document, folder, _access(book, space))
    moves = [f"moves/{move['id']}/" for move in bundle.carried_out(document)]
    names = sorted(str(path.relative_to(folder)) for path in folder.glob("*.yml")) + moves
    if as_json:
        emit({"plan": document["id"], "folder": str(folder), "digest": digest, "playbooks": names})
        return
    note(f"wrote {folder} ({', '.join(names)}; digest {digest[:12]})")


def _access(book: catalogue.Catalogue, space: workspace.Workspace) -> bundle.Access:
    """How Ansible reaches the machines; writes the trusted keys out for OpenSSH."""
    with book.session() as session:
        rows = session.scalars(select(model.HostKey).order_by(model.HostKey.address, model.HostKey.algorithm)).all()
        keys: dict[str, list[str]] = {}
        for row in rows:
            keys.setdefault(row.address, []).append(f"{row.algorithm} {row.key}")
    space.known_hosts.parent.mkdir(exist_ok=True, mode=0o700)
    port = space.configuration.ssh.port
    lines = [f"{address if port == 22 else f'[{address}]:{port}'} {key}\n" for address, listed in keys.items() for key in listed]
    space.known_hosts.write_text("".join(lines), encoding="utf-8")
    login = space.login
    return bundle.Access(login.user, port, login.key_files, str(space.known_hosts), keys)


def carrier(
    space: workspace.Workspace, book: catalogue.Catalogue, document: Mapping[str, Any], live: Live, gated: gates.Gates | None = None
) -> execution.Carrier:
    """What carries moves of the plan out.  Raises MissingProgram, PlanError for a bundle that is not as it was generated."""
    bundle.check(space.plan_folder(document["id"]) / "bundle")
    for program, package in (("ssh", "openssh-client"), ("nsupdate", "bind9-dnsutils")):
        if shutil.which(program) is None and (program == "ssh" or any(move["dns"] for move in document["moves"])):
            raise MissingProgram(f"{program} is not installed", hint=f"apt-get install {package}")
    with book.session() as session:
        ways = space.ways(session)
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"
    folder = space.plan_folder(document["id"]) / "bundle"
    stop = playing.Stop()
    holder = leases.Holder(book, run_id, lost=stop.now.set)
    return execution.Carrier(
        document, folder, book, equality.Hosts(ways.peer), space.root / "runs", run_id, live.step, stop, gated, holder,
        thresholds.load(space.root),
    )  # fmt: skip


def leased(holder: leases.Holder, moves: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Take the moves' leases; returns who has those that another planner works on."""
    taken = {str(move["id"]): holder.take(f"move:{move['id']}") for move in moves}
    return {name: who for name, who in taken.items() if who}


def preflight_(plan_id: PlanNamed = "", moves: Chosen = None, wave: Wave = 0, as_json: Annotated[bool, Json] = False) -> None:
    """What would make the moves fail: machines that do not answer, no room, a clock or a key that is wrong.  Only looks, at all of it."""
    space = workspace.find()
    book = space.open_catalogue()
    document = newest(book, space, plan_id)
    now = states(book, document)
    wanted = chosen(document, moves, wave)
    todo = [move for move in wanted if move["carried_out"] == "planner" and now[move["id"]].next is not None]
    found = _lacking(space, book, todo, todo)
    if as_json:
        emit({"plan": document["id"], "moves": [move["id"] for move in todo], "problems": found})
    else:
        for line in found:
            say(visible(line))
        note(f"{document['id']}: {len(todo)} moves looked at, {len(found)} problems")
    if found:
        raise typer.Exit(PlanError.exit_code)


def _lacking(
    space: workspace.Workspace, book: catalogue.Catalogue, todo: Sequence[Mapping[str, Any]], fresh: Sequence[Mapping[str, Any]]
) -> list[str]:
    with book.session() as session:
        peer = space.ways(session).peer
    found = preflight.known(todo, peer, space.dns_key(), space.login.key_files)
    return found or (preflight.asked(fresh, equality.Hosts(peer), space.dns_key()) if fresh else [])


def run(
    plan_id: PlanNamed = "",
    moves: Chosen = None,
    wave: Wave = 0,
    until: Annotated[str, typer.Option(help="Stop after this step of each move.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for anything: every step may begin.")] = False,
    yes_until: Annotated[str, typer.Option("--yes-until", help="Do not ask for steps up to this one.", metavar="STEP")] = "",
    unattended: Annotated[
        bool, typer.Option("--unattended", help="Nobody is there: only steps whose go-ahead was given by planner plan go.")
    ] = False,
    any_time: Annotated[
        str, typer.Option("--any-time", help="Do not keep to the plan's days and hours, and why not; it stands in the log.", metavar="WHY")
    ] = "",
    at_once: Annotated[int, typer.Option("--at-once", help="Moves side by side; none: one for each core here.", min=0, max=64)] = 0,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Carry the plan out in its days and hours, or go on.  Done moves are never repeated; a failed one holds up no other."""
    for name in (until, yes_until):
        if name and name not in movesteps.every():
            raise InputError(f"there is no step {visible(name)}", hint="one of " + ", ".join(movesteps.every()))
    if not (yes or yes_until or unattended or sys.stdin.isatty()):
        raise InputError("nobody is there to say yes", hint="--yes, when the window is agreed on; --unattended goes by planner plan go")
    space = workspace.find()
    book = space.open_catalogue()
    document = newest(book, space, plan_id)
    with book.session() as session:
        admission.approved(session, document)
    with Live() as live:
        attended = sys.stdin.isatty() and not (yes or unattended)
        gated = gates.Gates(book, document, calendars.load(space.root / calendars.FILE), despite=any_time, free=_free(yes, yes_until))
        carrying = carrier(space, book, document, live, gated)
        if attended:
            gated.ask = lambda move, step: live.ask(f"{move}: begin {step}?", carrying.stop.soon.is_set)
        assert carrying.holder is not None
        with carrying.holder.working(), notifications.Messenger(space.configuration.notify, note).working() as messenger:
            wanted = chosen(document, moves, wave)
            result = _carried(space, book, carrying, live, wanted, messenger, bool(moves), until, at_once or os.cpu_count() or 1)
    failed = result.failed
    for line in registering.follow(book):
        note(visible(line))
    if not as_json and not result.begun:
        done = sum(states(book, document)[move["id"]].name == "done" for move in wanted)
        say(f"nothing to do: {done} of {len(wanted)} moves are done; 0 changes")
    if as_json:
        emit(
            {
                "plan": document["id"], "run": carrying.run, "carried": result.carried,
                "failed": list(failed.values()), "held": [f"{name}: {reason}" for name, reason in result.held.items()],
            }
        )  # fmt: skip
    if failed:
        raise typer.Exit(RunError.exit_code)
    if carrying.stop.soon.is_set():
        raise typer.Exit(130)


def _free(yes: bool, yes_until: str) -> Collection[str]:
    """The steps that need no word."""
    if yes:
        return movesteps.every()
    return {name for listed in movesteps.TABLE.values() for name in _up_to([step.name for step in listed], yes_until)}


def _up_to(names: Sequence[str], last: str) -> Sequence[str]:
    return names[: names.index(last) + 1] if last in names else []


def _carried(
    space: workspace.Workspace, book: catalogue.Catalogue, carrying: execution.Carrier, live: Live, wanted: list[dict[str, Any]],
    messenger: notifications.Messenger, named: bool, until: str, at_once: int,
) -> dispatch.Result:  # fmt: skip
    """The moves that are left, as far as each may go.  Raises PlanError, Busy when none may."""
    document, holder, gated = carrying.plan, carrying.holder, carrying.gates
    assert holder is not None and gated is not None
    before = states(book, document)
    left = [move for move in wanted if before[move["id"]].next is not None]
    busy = leased(holder, [move for move in left if move["carried_out"] == "planner"])
    now = states(book, document)  # of what a run before ours did until we had the leases
    todo = [m for m in left if m["id"] not in busy and now[m["id"]].next is not None and (named or not now[m["id"]].rolled_back)]
    with book.session() as session:
        todo, reasons = admission.permitted(session, space, document, todo, now)
    done = sum(now[move["id"]].name == "done" for move in wanted)
    held = [f"{name}: {reason}" for name, reason in reasons.items()]
    if busy and not todo:
        raise Busy("\n".join(f"{name} is held by {who}" for name, who in busy.items()), hint="planner status --watch shows what it does")
    if held and not todo and (named or not done):
        raise PlanError(visible("\n".join(held)).replace("⏎", "\n"), hint=_SETTLE)
    for line in [*held, *(f"{name}: held by {who}" for name, who in busy.items())]:
        note(visible(line))
    if not todo:
        return dispatch.Result(held=reasons | busy)
    lacking = _lacking(space, book, todo, [move for move in todo if not now[move["id"]].touched])
    if lacking:
        raise PlanError(
            "\n".join(visible(line) for line in lacking), hint="planner preflight looks again; planner doctor and planner hosts trust help"
        )
    for move in todo:
        note(visible(f"{move['id']}: {move['source']['host']} → {move['destination']['platform']}, from {now[move['id']].next} on"))
    if gated.ask is not None and not live.ask("Do this now?", carrying.stop.soon.is_set):
        raise typer.Exit(1)
    with book.session() as session:
        audit.add(
            session, "run", " ".join(move["id"] for move in todo), plan=document["id"], fingerprint=document["fingerprint"],
            run=carrying.run, any_time=gated.despite,
        )  # fmt: skip
    if playing.end_leftovers(carrying.bundle, [move["id"] for move in todo]):
        note("ended a playbook that a killed run had left behind")

    def ended(move: str, how: notifications.Kind, reason: str) -> None:
        live.over(move)
        holder.drop([f"move:{move}"])
        if reason:
            note(visible(reason if reason.startswith(f"{move}: ") else f"{move}: {reason}").replace("⏎", "\n"))
        messenger.tell(notifications.Event(how, document["id"], carrying.run, move, reason, catalogue.now().isoformat(timespec="seconds")))

    transfer = gated.calendar.transfer
    limits = dispatch.Limits(at_once, transfer.streams_per_source, transfer.streams_per_destination)
    with carrying.stop.listening(note):
        result = dispatch.carry(carrying, document, todo, now, limits, until, ended)
    result.held = reasons | busy | result.held
    return result


_SETTLE = "planner plan settle MOVE RULE, planner plan agree MOVE; planner plan show and planner status tell more"


def chosen(document: Mapping[str, Any], names: list[str] | None, wave: int) -> list[dict[str, Any]]:
    """The moves with these ids or names, of one wave or (0) of all.  Raises NotFound."""
    moves = [move for move in document["moves"] if not wave or move["wave"] == wave]
    if not names:
        return moves
    for name in names:
        if not any(name in (move["id"], *move["names"]) for move in moves):
            raise NotFound(f"the plan has no move {visible(name)}", hint="planner plan show lists them")
    return [move for move in moves if any(name in (move["id"], *move["names"]) for name in names)]


def states(book: catalogue.Catalogue, document: Mapping[str, Any]) -> dict[str, journal.MoveState]:
    """Where each move of a plan stands."""
    with book.session() as session:
        return journal.read(session, document)


def drift(plan_id: PlanNamed = "", moves: Chosen = None, as_json: Annotated[bool, Json] = False) -> None:
    """What setting up the done moves' destinations again would change: nothing, unless somebody did by hand.  Only looks."""
    space = workspace.find()
    book = space.open_catalogue()
    document = newest(book, space, plan_id)
    folder = space.plan_folder(document["id"]) / "bundle"
    bundle.check(folder)
    now = states(book, document)
    done = [move for move in chosen(document, moves, 0) if now[move["id"]].name == "done"]
    stop = playing.Stop()
    with Live() as live, stop.listening(note):
        artifacts = space.root / "runs" / f"drift-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"
        found = execution.drift(folder, done, artifacts, live.step, stop)
    rows = [{"move": name, "would_change": o.changes, "trouble": "; ".join(o.trouble)} for name, o in found.items()]
    table(rows, ["move", "would_change", "trouble"], as_json=as_json, empty="no move is done yet")
    if any(outcome.changes or not outcome.ok for outcome in found.values()):
        raise typer.Exit(DifferenceFound.exit_code)
