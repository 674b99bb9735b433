"""`planner operations`: what is in care after its move; backups, restores on trial, targets of the monitoring, letters."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from inventory import catalogue
from inventory.errors import HostError, InputError, NotFound, Overdue, RunError
from planner import bundle, equality, playing, workspace
from planner.cli.carry import Yes, _access
from planner.cli.live import Live
from planner.cli.output import Json, emit, note, say, table, visible
from planner.operations import bundle as setting_up
from planner.operations import care, judging, letter, reading, registering, targets
from planner.operations.care import Cared

LONG_SECONDS = 6 * 3600.0
Named = Annotated[list[str] | None, typer.Argument(metavar="[SITE]…", help="Only these: a move's id, or any of a site's names.")]
One = Annotated[str, typer.Argument(help="A move's id, or any of its site's names.")]


def add(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    commands = typer.Typer(help="What is in care after its move.", invoke_without_command=True, rich_markup_mode=None)
    commands.callback()(operations)
    commands.command("setup")(setup)
    commands.command("backup")(backup)
    commands.command("restore-test")(restore_test)
    commands.command("restore")(restore)
    commands.command("targets")(write_targets)
    commands.command("register")(register)
    commands.command("letter")(write_letter)
    app.add_typer(commands, name="operations")


def operations(
    context: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Leave with an exit code of its own when something is overdue, for cron.")] = False,
    kept: Annotated[bool, typer.Option("--kept", help="Visit nothing: show what was read last.")] = False,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """List what is in care: backups, restores on trial, certificates, rotation of logs, monitoring; what is overdue first.

    The machines are visited, nothing is changed there, and what they say is kept.
    """
    if context.invoked_subcommand:
        return
    space = workspace.find()
    book = space.open_catalogue()
    now = catalogue.now()
    with book.session() as session:
        cared, before, ways = care.in_care(session), reading.kept(session), space.ways(session)
    found = before
    if not kept and cared:
        found = reading.read(cared, space.platforms, equality.Hosts(ways.peer), now, before)
        with book.session() as session:
            reading.keep(session, found)
    rows = judging.order([judging.row(one, found.get(one.id, {}), space.platforms, now) for one in cared])
    overdue = sum(one.overdue for one in rows)
    if as_json:
        emit([one.to_json() for one in rows])
    else:
        _show(rows, overdue)
    if check and overdue:
        raise Overdue(f"{overdue} of {len(rows)} in care need somebody: planner operations says why")


def _show(rows: list[judging.Row], overdue: int) -> None:
    lines = [
        {
            "": "!" if one.overdue else "", "unit": one.unit, "site": one.site, "placement": one.placement, "where": one.machine,
            "since": f"{one.since:%Y-%m-%d}", "backup": _backup(one.backup), "restored": _restored(one.restore),
            "certificate": _certificate(one.certificate), "logs": one.rotation, "watched": one.monitoring,
        }
        for one in rows
    ]  # fmt: skip
    columns = ["", "unit", "site", "placement", "where", "since", "backup", "restored", "certificate", "logs", "watched"]
    table(lines, columns, as_json=False, empty="nothing is in care yet: no move is done")
    for one in rows:
        for text in one.warnings:
            say(f"! {visible(one.site)}: {visible(text)}")
    if rows:
        note(f"{len(rows)} in care, {overdue} of them need somebody")


def _backup(told: dict[str, Any]) -> str:
    if told["state"] != "ok":
        return str(told["state"])
    return f"{told['hours']:.0f} h, {size(told['bytes'])}, {told['kept']} kept"


def size(count: int) -> str:
    """Bytes for people: three digits and a unit of 1000."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} TB"


def _restored(told: dict[str, Any]) -> str:
    return f"{told['state']}, {told['days']:.0f} d" if "days" in told else str(told["state"])


def _certificate(told: dict[str, Any]) -> str:
    if told["state"] != "ok":
        return str(told["state"])
    return f"{told['ends']} ({told['days']} d)" + (f", renewed {told['renewed']}" if told["renewed"] else "")


def setup(
    check: Annotated[bool, typer.Option("--check", help="Only say what would change.")] = False,
    yes: Yes = False,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Set up care of all done moves: nightly backups, targets of the monitoring.  It can be repeated; a second time changes nothing."""
    if not (check or yes or sys.stdin.isatty()):
        raise InputError("nobody is there to say yes", hint="--yes, when it is to be set up; --check only looks")
    space = workspace.find()
    book = space.open_catalogue()
    platforms = space.platforms
    if platforms.backup is None and platforms.monitoring is None:
        raise InputError(
            "inventory/platforms.yml names neither a machine for backups nor one for monitoring", hint="docs/operations.md says how"
        )
    with book.session() as session:
        cared, ways = care.in_care(session), space.ways(session)
    access, folder = _access(book, space), space.root / "plans" / "operations" / "bundle"
    named = {one.address: one.name for one in (platforms.backup, platforms.monitoring) if one is not None}
    where = setting_up.machines(cared, _former(folder)) if platforms.backup is not None else {}
    lacking = sorted(
        f"{name} ({address}) has no trusted key"
        for address, name in {**{address: name for name, address in where.items()}, **named}.items()
        if not ways.peer(address).keys
    )
    if lacking:
        raise InputError("\n".join(lacking), hint="planner hosts trust NAME ADDRESS")
    with space.lock("operations"), Live() as live:
        setting_up.write(cared, platforms, access, folder, _former(folder))
        sites = setting_up.backed_up(cared) if platforms.backup is not None else []
        lines = [f"{one.site}: fetched from {one.machine} by {platforms.backup.name}" for one in sites if platforms.backup is not None]
        if platforms.monitoring is not None:
            lines.append(f"targets of {len(cared)} sites to {platforms.monitoring.name}:{platforms.monitoring.folder}")
        stop = playing.Stop()
        for line in [] if check else lines:
            note(visible(line))
        if not (check or yes or live.ask("Do this now?", stop.soon.is_set)):
            raise typer.Exit(1)
        bundle.check(folder)
        artifacts = space.root / "runs" / f"operations-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"
        options = ("--check",) if check else ()
        with stop.listening(note):
            done = playing.playbook(
                folder, setting_up.PLAYBOOK, artifacts, lambda text: live.step("operations", "setup", text), stop, *options
            )
    told = [] if check else registering.follow(book)
    if as_json:
        emit({"changes": done.changes, "trouble": done.trouble, "ok": done.ok, "register": told, "seconds": round(done.seconds, 1)})
    else:
        for line in done.changes:
            say(f"{'would change' if check else 'changed'}: {visible(line)}")
        for line in told:
            say(visible(line))
        say(f"{len(done.changes)} changes for {len(sites)} sites, {done.seconds:.0f} s")
    if not done.ok:
        raise RunError("\n".join(visible(line) for line in done.trouble), hint="put it right, then planner operations setup goes on")


def _former(folder: Path) -> dict[str, str]:
    """The machines that had sites in care when care was set up last."""
    try:
        data = json.loads((folder / "vars.json").read_text(encoding="utf-8"))["operations"]
        hosts = json.loads((folder / "inventory/hosts.json").read_text(encoding="utf-8"))["all"]["children"]["care"]["hosts"]
        return {name: hosts[name]["ansible_host"] for name, sites in sorted(data["machines"].items()) if sites}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _store(space: workspace.Workspace, name: str) -> tuple[Cared, equality.Hosts, str]:
    """The site of that name, how hosts are reached, and the address of the machine that keeps backups.  Raises NotFound, InputError."""
    with space.open_catalogue().session() as session:
        (one, *_), ways = care.pick(care.in_care(session), [name]), space.ways(session)
    if space.platforms.backup is None:
        raise InputError("inventory/platforms.yml names no machine for backups", hint="backup: {name: …, address: …}")
    if not one.held:
        raise NotFound(
            f"{one.site} has no backups: the planner does not know where its content lies",
            hint="it was moved by hand or closed, or is its unit's own machine",
        )
    return one, equality.Hosts(ways.peer), space.platforms.backup.address


def _asked(hosts: equality.Hosts, address: str, *words: str) -> dict[str, Any]:
    """What the tool on the machine for backups answers.  Raises HostError, RunError."""
    code, text = hosts.run(address, 'exec /usr/local/sbin/site-backup "$@" 2>&1', *words, seconds=LONG_SECONDS)
    try:
        told = json.loads(text)
    except ValueError as error:
        hint = "planner operations setup" if code in {126, 127} else ""
        raise HostError("partial", f"{address}: site-backup ended with {code}: {text.strip()[-300:]}", hint=hint) from error
    if not isinstance(told, dict) or not told.get("ok"):
        raise RunError(f"{words[1]}: {told.get('error') if isinstance(told, dict) else text[:300]}")
    return told


def backup(site: One, as_json: Annotated[bool, Json] = False) -> None:
    """Fetch a backup of one site now."""
    one, hosts, address = _store(workspace.find(), site)
    told = _asked(hosts, address, "backup", one.id)
    if as_json:
        emit({"site": one.site, **told})
        return
    say(f"{one.site}: {told['files']} files, {told['tables']} tables of {told['rows']} rows, {size(told['bytes'])}, "
        f"{size(told['new_bytes'])} more on the disk, in {told['seconds']} s")  # fmt: skip
    if told["odd"]:
        note(f"odd: {told['odd']}")


def restore_test(site: One, as_json: Annotated[bool, Json] = False) -> None:
    """Restore one site's newest backup into a scratch place now: every file compared, the database loaded and its rows counted."""
    one, hosts, address = _store(workspace.find(), site)
    told = _asked(hosts, address, "test", one.id)
    if as_json:
        emit({"site": one.site, **told})
        return
    what = f"{told['files']} files, {told['tables']} tables of {told['rows']} rows"
    say(f"{one.site}: {told['stamp']} was restored on trial: {what}, in {told['seconds']} s")


def restore(
    site: One,
    to: Annotated[str, typer.Option("--to", metavar="FOLDER", help="A new folder on the machine for backups, by its whole path.")],
    stamp: Annotated[str, typer.Option("--backup", metavar="STAMP", help="Which backup, by its time.")] = "newest",
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Restore one site's backup into a new folder beside all others, on the machine that keeps it.

    It is never put over a live site: people take from it what they need.
    """
    one, hosts, address = _store(workspace.find(), site)
    told = _asked(hosts, address, "restore", one.id, stamp, to)
    if as_json:
        emit({"site": one.site, "machine": address, **told})
        return
    more = f" and {told['database']}" if told["database"] else ""
    say(f"{one.site}: {told['files']} files{more} of {told['stamp']} are in {told['folder']} on {address}, for root alone")


def write_targets(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder; files of other names in it are left alone.")],
    port: Annotated[int, typer.Option(help="Where node exporters answer; platforms.yml's monitoring may say another.", min=0)] = 0,
) -> None:
    """Write Prometheus' files of targets (file_sd): node.json, blackbox-http.json, blackbox-https.json."""
    space = workspace.find()
    with space.open_catalogue().session() as session:
        cared = care.in_care(session)
    prometheus = space.platforms.monitoring
    texts = targets.files(cared, port or (prometheus.node_port if prometheus is not None else 9100))
    for path in targets.write(texts, out):
        note(f"wrote {path}")


def register(as_json: Annotated[bool, Json] = False) -> None:
    """Write into the register where done moves have taken their sites, and take back what moves that were rolled back had written."""
    told = registering.follow(workspace.find().open_catalogue())
    if as_json:
        emit(told)
        return
    for line in told or ["the register says already where everything is"]:
        say(visible(line))


def write_letter(
    site: One,
    language: Annotated[str, typer.Option(help="en or zh_CN; none: the workspace's.")] = "",
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write it there instead of printing it.")] = None,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Draft a site's letter of responsibility as Markdown, or give its data: unit, persons, filings, what center and unit answer for."""
    space = workspace.find()
    language = language or space.configuration.language
    if language not in {"en", "zh_CN"}:
        raise InputError(f"there is no language {visible(language)}", hint="en or zh_CN")
    with space.open_catalogue().session() as session:
        one = care.pick(care.in_care(session), [site])[0]
        made = letter.make(session, one, space.platforms, catalogue.now().date())
    text = json.dumps(made.to_json(), ensure_ascii=False, indent=2) + "\n" if as_json else ""
    text = text or letter.markdown(made, language, space.root / "templates")
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{out}: {error.strerror}") from error
    note(f"wrote {out}")
