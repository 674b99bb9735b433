"""`planner generate`, `run`, `status`, `rollback`, `drift`: the plan carried out, looked at, and taken back."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from sqlalchemy import select

from inventory import catalogue, model, ssh
from inventory.errors import DifferenceFound, InputError, MissingProgram, NotFound, PlanError, RunError
from planner import approvals, bundle, decisions, equality, execution, freshness, journal, movesteps, planstore, workspace
from planner.cli.output import Json, emit, note, say, table, visible
from planner.operations import registering

Named = Annotated[str, typer.Argument(help="A plan's id; none: the newest.")]
Chosen = Annotated[list[str] | None, typer.Option("--move", help="Only this move (an id, or any of its site's names); may be repeated.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def add(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    app.command("generate")(generate)
    app.command("run")(run)
    app.command("status")(status)
    app.command("rollback")(rollback)
    app.command("drift")(drift)


def newest(book: catalogue.Catalogue, space: workspace.Workspace, name: str) -> dict[str, Any]:
    """The plan of that id, or the newest, from its file.  Raises NotFound, PlanError."""
    with book.session() as session:
        return planstore.load(session, space, visible(name))


def generate(plan_id: Named = "", as_json: Annotated[bool, Json] = False) -> None:
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


def _carrier(space: workspace.Workspace, book: catalogue.Catalogue, document: Mapping[str, Any], live: _Live) -> execution.Carrier:
    for program, package in (("ssh", "openssh-client"), ("nsupdate", "bind9-dnsutils")):
        if shutil.which(program) is None and (program == "ssh" or any(move["dns"] for move in document["moves"])):
            raise MissingProgram(f"{program} is not installed", hint=f"apt-get install {package}")
    with book.session() as session:
        ways = space.ways(session)
    run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"
    folder = space.plan_folder(document["id"]) / "bundle"
    hosts = equality.Hosts(ways.peer)
    return execution.Carrier(document, folder, book, hosts, space.root / "runs", run_id, live.step)


class _Live:
    """What is going on, on stderr: a line that moves on a terminal, plain lines of what ended elsewhere."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, soft_wrap=True)
        self.status = self.console.status("") if self.console.is_terminal else None

    def __enter__(self) -> _Live:
        if self.status:
            self.status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.status:
            self.status.stop()

    def step(self, move: str, step: str, text: str) -> None:
        """One report of the carrier."""
        line = f"{move}  {step:<9}  {visible(text)}"
        if text.startswith(("done", "failed", "taken back")):
            self.console.print(line, markup=False, highlight=False)
        elif self.status:
            self.status.update(line.replace("[", r"\["))


def run(
    plan_id: Named = "",
    moves: Chosen = None,
    wave: Annotated[int, typer.Option(help="Only this wave.", min=0)] = 0,
    until: Annotated[str, typer.Option(help="Stop after this step of each move.")] = "",
    yes: Yes = False,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Carry the plan out, or go on where the last run stopped.  Done moves are never repeated; a failed one holds up no other."""
    if until and until not in movesteps.every():
        raise InputError(f"there is no step {visible(until)}", hint="one of " + ", ".join(movesteps.every()))
    space = workspace.find()
    book = space.open_catalogue()
    document = newest(book, space, plan_id)
    _approved(book, document)
    bundle.check(space.plan_folder(document["id"]) / "bundle")
    with space.lock(f"run-{document['id']}"), _Live() as live:
        chosen = _chosen(document, moves, wave)
        states = _states(book, document)
        todo = [m for m in chosen if states[m["id"]].next is not None and (moves or not states[m["id"]].rolled_back)]
        todo, held = _permitted(book, space, document, todo, states)
        done = sum(states[move["id"]].name == "done" for move in chosen)
        if held and not todo and (moves or not done):
            raise PlanError("\n".join(held), hint=_SETTLE)
        for line in held:
            note(visible(line))
        carrier = _carrier(space, book, document, live)
        _ready(space, todo, carrier.hosts.peer)
        failed: list[str] = []
        if todo:
            _ask(
                live,
                [f"{m['id']}: {m['source']['host']} → {m['destination']['platform']}, from {states[m['id']].next} on" for m in todo],
                yes,
            )
            if execution.end_leftovers(carrier.bundle):
                note("ended a playbook that a killed run had left behind")
        with carrier.stop.listening(note):
            for move in todo:
                before = waits_for(document, move, states)
                if before:
                    held.append(f"{move['id']}: {', '.join(before)} must be moved before it")
                    note(visible(held[-1]))
                    continue
                try:
                    carrier.forward(move, states[move["id"]], until)
                except RunError as error:
                    failed.append(str(error))
                    note(visible(str(error)).replace("⏎", "\n"))
                if carrier.stop.soon.is_set():
                    break
    for line in registering.follow(book):
        note(visible(line))
    if as_json:
        emit({"plan": document["id"], "run": carrier.run, "carried": [m["id"] for m in todo], "failed": failed, "held": held})
    elif not todo:
        say(f"nothing to do: {done} of {len(chosen)} moves are done; 0 changes")
    if failed:
        raise typer.Exit(RunError.exit_code)
    if carrier.stop.soon.is_set():
        raise typer.Exit(130)


def _chosen(document: Mapping[str, Any], names: list[str] | None, wave: int) -> list[dict[str, Any]]:
    moves = [move for move in document["moves"] if not wave or move["wave"] == wave]
    if not names:
        return moves
    for name in names:
        if not any(name in (move["id"], *move["names"]) for move in moves):
            raise NotFound(f"the plan has no move {visible(name)}", hint="planner plan show lists them")
    return [move for move in moves if any(name in (move["id"], *move["names"]) for name in names)]


def _states(book: catalogue.Catalogue, document: Mapping[str, Any]) -> dict[str, journal.MoveState]:
    with book.session() as session:
        return journal.read(session, document)


_SETTLE = "planner plan settle MOVE RULE, planner plan agree MOVE; planner plan show and planner status tell more"


def _approved(book: catalogue.Catalogue, document: Mapping[str, Any]) -> None:
    """Only what was reviewed is done.  Raises PlanError."""
    with book.session() as session:
        if approvals.approval(session, document) is None:
            raise PlanError(
                f"nobody has approved {document['id']} (fingerprint {document['fingerprint'][:12]})",
                hint="planner plan diff shows what it changes; planner plan approve --by NAME",
            )


def _permitted(
    book: catalogue.Catalogue, space: workspace.Workspace, document: Mapping[str, Any], moves: list[dict[str, Any]],
    states: Mapping[str, journal.MoveState],
) -> tuple[list[dict[str, Any]], list[str]]:  # fmt: skip
    """The moves that may go on, and why each of the others may not.  Raises PlanError when the plan is not of today.

    What has begun goes on: half a move is worse than one that was planned with yesterday's rules.  A unit's refusal stops also that.
    """
    today = catalogue.now().date()
    with book.session() as session:
        untouched = [move for move in moves if not states[move["id"]].touched]
        stale = freshness.stale(session, space, document, untouched, today) if untouched else []
        held = approvals.held(document, approvals.agreements(session, document), decisions.standing(session, today))
        said = approvals.agreements(session, document)
    if stale:
        lines = freshness.lines(stale, space.configuration.language)
        more = [f"  and {len(lines) - 40} more"] if len(lines) > 40 else []
        raise PlanError(
            "\n".join([f"{document['id']} is not of today:", *(f"  {visible(line)}" for line in lines[:40]), *more]),
            hint="planner plan makes the plan anew, planner plan diff shows what that changes; a move that has begun can go on by --move",
        )
    for name, reasons in _together(document, held, states).items():
        held.setdefault(name, []).extend(reasons)
    going = [move for move in moves if move["id"] not in held or (states[move["id"]].touched and not said[move["id"]].refused)]
    kept = {move["id"] for move in going}
    return going, [f"{move['id']}: {reason}" for move in moves if move["id"] not in kept for reason in held[move["id"]]]


def _together(document: Mapping[str, Any], held: Mapping[str, list[str]], states: Mapping[str, journal.MoveState]) -> dict[str, list[str]]:
    """What is held because a move of its own group is: sites with one database or docroot are not to be parted."""
    found: dict[str, list[str]] = {}
    for group in document["groups"]:
        waiting = [name for name in group["moves"] if name in held and states[name].name != "done" and not states[name].touched]
        for name in group["moves"]:
            others = [other for other in waiting if other != name]
            if others:
                found[name] = [f"{', '.join(others)}, which it moves together with, may not be run"]
    return found


def waits_for(document: Mapping[str, Any], move: Mapping[str, Any], states: Mapping[str, journal.MoveState]) -> list[str]:
    """Moves that have to be done before this one and are not.  Of those that people carry out, `planner plan done` tells."""
    groups = {group["group"]: group for group in document["groups"]}
    before = [name for group in groups[move["group"]]["after"] for name in groups[group]["moves"]]
    return sorted(name for name in before if states[name].name != "done")


def _ready(space: workspace.Workspace, moves: list[dict[str, Any]], peer: Callable[[str], ssh.Peer]) -> None:
    """What can be known to fail is said before anything is begun, all of it at once.  Raises PlanError."""
    machines: dict[str, str] = {}
    for move in moves:
        destination = move["destination"]
        machines |= {move["source"]["address"]: move["source"]["host"], destination["receiver_address"]: destination["receiver"]}
        machines |= {address: name for name, address in destination.get("node_addresses", {}).items()}
        if destination.get("front"):
            machines[destination["address"]] = destination["front"]
    problems = [f"{name} ({address}) has no trusted key" for address, name in sorted(machines.items()) if not peer(address).keys]
    for address, name in sorted(machines.items()):
        way = peer(address)
        if way.jumps or way.legacy or way.refusal:
            kind = "behind a bastion" if way.jumps else "spoken to by algorithms of the SHA-1 era" if way.legacy else way.refusal
            problems.append(f"{name} ({address}) is {kind}: it can be visited, and a move cannot go that way")
    if any(move["dns"] for move in moves) and not os.access(space.dns_key(), os.R_OK):
        problems.append(f"the DNS key {space.dns_key()} cannot be read")
    problems += [f"the login key {name} cannot be read" for name in space.login.key_files if not os.access(name, os.R_OK)]
    if problems:
        raise PlanError("; ".join(problems), hint="planner doctor lists what is missing; planner hosts trust NAME takes keys")


def _ask(live: _Live, lines: list[str], yes: bool) -> None:
    for line in lines:
        note(visible(line))
    if yes:
        return
    if live.status:
        live.status.stop()
    if not sys.stdin.isatty():
        raise InputError("nobody is there to say yes", hint="--yes, when the window is agreed on")
    if not typer.confirm("Do this now?", err=True):
        raise typer.Exit(1)
    if live.status:
        live.status.start()


def status(plan_id: Named = "", as_json: Annotated[bool, Json] = False) -> None:
    """Where each move stands: steps done, failures with their reason, and what holds back those that wait."""
    space = workspace.find()
    book = space.open_catalogue()
    document = newest(book, space, plan_id)
    states = _states(book, document)
    with book.session() as session:
        approval = approvals.approval(session, document)
        standing = decisions.standing(session, catalogue.now().date())
        held = approvals.held(document, approvals.agreements(session, document), standing)
    for name, reasons in _together(document, held, states).items():
        held.setdefault(name, []).extend(reasons)
    rows = []
    for move in document["moves"]:
        now, by_planner = states[move["id"]], move["carried_out"] == "planner"
        rows.append(
            {
                "wave": move["wave"], "move": move["id"], "placement": move["placement"],
                "state": now.name if by_planner or now.name == "done" else move["carried_out"],
                "next": (now.next or "") if by_planner else "",
                "done": sum(value == "done" for value in now.steps.values()), "of": len(now.steps),
                "last": now.last.strftime("%Y-%m-%d %H:%M:%S") if now.last else "", "error": now.error, "steps": now.steps,
                "held": held.get(move["id"], []) if by_planner and not now.touched else [],
                "by": now.by,
            }
        )  # fmt: skip
    if not as_json:
        by = f"approved by {visible(approval.by)} on {approval.at:%Y-%m-%d}" if approval else "not approved"
        say(f"{document['id']}  fingerprint {document['fingerprint']}  {by}")
    table(
        rows, ["wave", "move", "placement", "state", "next", "done", "of", "last", "error", "held"], as_json=as_json, empty="nothing moves"
    )


def rollback(
    move: Annotated[str, typer.Argument(help="A move's id, or any of its site's names.")],
    plan_id: Annotated[str, typer.Option("--plan", help="A plan's id; none: the newest.")] = "",
    yes: Yes = False,
) -> None:
    """Take a move back, from whatever step it is at.  What the destination took in since the cutover is shown first."""
    space = workspace.find()
    book = space.open_catalogue()
    document = _that_has(book, space, move) if not plan_id else newest(book, space, plan_id)
    (chosen,) = _chosen(document, [move], 0)
    if chosen["carried_out"] != "planner":
        hint = f"planner plan done {chosen['id']} --withdraw, when it is not done after all"
        raise InputError(f"{chosen['id']} is carried out by hand", hint=hint)
    bundle.check(space.plan_folder(document["id"]) / "bundle")
    with space.lock(f"run-{document['id']}"), _Live() as live:
        now = _states(book, document)[chosen["id"]]
        if not now.touched:
            say(f"nothing to take back: {chosen['id']} is {now.name}")
            return
        carrier = _carrier(space, book, document, live)
        lines = [f"{chosen['id']}: back to {chosen['source']['host']}, from {now.touched[0]} on"]
        if now.steps["cutover"] != "waiting" and chosen["placement"] != "retire":  # there, nothing is written at the destination
            lines += _divergence(chosen, carrier.hosts)
        _ask(live, lines, yes)
        execution.end_leftovers(carrier.bundle)
        with carrier.stop.listening(note):
            carrier.back(chosen, now)
    for line in registering.follow(book):
        note(visible(line))
    say(f"{chosen['id']} is rolled back: {chosen['site']} is served by {chosen['source']['host']}")


def _that_has(book: catalogue.Catalogue, space: workspace.Workspace, name: str) -> dict[str, Any]:
    """The newest plan that has the move: one that was made since leaves out what is done."""
    with book.session() as session:
        for row in session.scalars(select(model.Plan).order_by(model.Plan.created_at.desc(), model.Plan.id)):
            if any(name in (move["id"], *move["names"]) for move in row.document.get("moves", ())):
                return planstore.load(session, space, row.id)
    return newest(book, space, "")


def _divergence(move: Mapping[str, Any], hosts: equality.Hosts) -> list[str]:
    """What differs between the frozen source and the destination: it was written since the cutover and will not be on the old host."""
    try:
        seen = equality.compare(move, hosts, pages=False)
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


def drift(plan_id: Named = "", moves: Chosen = None, as_json: Annotated[bool, Json] = False) -> None:
    """What setting up the done moves' destinations again would change: nothing, unless somebody did by hand.  Only looks."""
    space = workspace.find()
    book = space.open_catalogue()
    document = newest(book, space, plan_id)
    folder = space.plan_folder(document["id"]) / "bundle"
    bundle.check(folder)
    states = _states(book, document)
    done = [move for move in _chosen(document, moves, 0) if states[move["id"]].name == "done"]
    stop = execution.Stop()
    with _Live() as live, stop.listening(note):
        artifacts = space.root / "runs" / f"drift-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"
        found = execution.drift(folder, done, artifacts, live.step, stop)
    rows = [{"move": name, "would_change": o.changes, "trouble": "; ".join(o.trouble)} for name, o in found.items()]
    table(rows, ["move", "would_change", "trouble"], as_json=as_json, empty="no move is done yet")
    if any(outcome.changes or not outcome.ok for outcome in found.values()):
        raise typer.Exit(DifferenceFound.exit_code)
