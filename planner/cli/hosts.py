"""`planner hosts`: the machines that we may visit, how they are reached, and whose keys are trusted."""

from __future__ import annotations

import getpass
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from inventory import catalogue, model, reconcile, ssh, twins
from inventory.errors import HostError, InputError, NotFound
from planner import logins, workspace
from planner.cli.output import Json, emit, note, say, table, visible


def add(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    hosts = typer.Typer(help="The machines we may visit, and their host keys.", no_args_is_help=True, rich_markup_mode=None)
    hosts.command("add")(hosts_add)
    hosts.command("list")(hosts_list)
    hosts.command("trust")(hosts_trust)
    hosts.command("way")(hosts_way)
    hosts.command("set")(hosts_set)
    hosts.command("remove")(hosts_remove)
    app.add_typer(hosts, name="hosts")


def _allowed(space: workspace.Workspace, address: str) -> str:
    reason = space.scope.refuses(address)
    if reason:
        raise InputError(reason, hint=f"see scope in {space.root / workspace.FILE}")
    return address


def hosts_add(
    hosts: Annotated[list[str], typer.Argument(help="NAME=ADDRESS, an address alone, or a name that an ssh_config of planner.yml knows.")],
) -> None:
    """Add hosts that no sheet names."""
    space = workspace.find()
    with space.open_catalogue().session() as session:
        files = space.ways(session).files
        pairs = []
        for text in hosts:
            name, _, address = text.rpartition("=")
            if not name and files is not None and (written := files.of(text).address):
                name, address = text, written
            pairs.append((name or address, _allowed(space, address)))
        for name, address in pairs:
            host = session.scalar(select(model.Host).where(model.Host.address == address))
            if host is None:
                session.add(model.Host(name=name, address=address))
            else:
                host.name = name


def _way_shown(way: dict[str, Any], legacy: bool) -> str:
    parts = [way["login"]] if way.get("login", "default") != "default" else []
    parts += [f"via {', '.join(way['via'])}"] if way.get("via") else []
    return "; ".join([*parts, *(["SHA-1 era"] if legacy else [])])


def hosts_list(as_json: Annotated[bool, Json] = False) -> None:
    """All hosts, how their last visit ended and by which way, and whether their keys are trusted.

    The way names the login where it was not `default`, the bastions, and whether algorithms of the SHA-1 era are allowed (`legacy`).
    """
    space = workspace.find()
    with space.open_catalogue().session() as session:
        trusted = set(session.scalars(select(model.HostKey.address)))
        ways = space.ways(session)
        rows: list[dict[str, Any]] = [
            {
                "host": host.name, "address": host.address, "unit": host.unit_code, "outcome": host.outcome,
                "detail": host.outcome_detail, "visited": host.visited_at, "trusted": host.address in trusted,
                "way": dict(host.way), "legacy": ways.decide(host.address).legacy,
            }
            for host in session.scalars(select(model.Host).order_by(model.Host.name))
        ]  # fmt: skip
        pairs = twins.find(_marks(session))
    for row in rows:
        row["twins"] = [vars(pair) for pair in pairs if row["host"] in (pair.first, pair.second)]
    if not as_json:
        for row in rows:
            row["way"] = _way_shown(row["way"], row["legacy"])
    table(
        rows,
        ["host", "address", "unit", "trusted", "outcome", "way", "detail"],
        as_json=as_json,
        empty="no hosts yet: planner register import, planner hosts add",
    )
    for line in twins.lines(pairs) if not as_json else ():
        note(visible(line))


def _marks(session: Session) -> list[twins.Marks]:
    """What tells each host from the others: addresses, keys, machine id."""
    keys: dict[str, set[str]] = {}
    for address, fingerprint in session.execute(select(model.HostKey.address, model.HostKey.fingerprint)):
        keys.setdefault(address, set()).add(fingerprint)
    own: dict[int, set[str]] = {}
    ids: dict[int, str] = {}
    for item in catalogue.everywhere(session, "address", "machine"):
        if item.kind == "machine":
            ids[item.host_id] = str(item.data.get("machine_id") or "")
        elif not str(item.data.get("address")).startswith(("127.", "::1", "fe80:")):
            own.setdefault(item.host_id, set()).add(str(item.data.get("address")))
    return [
        twins.Marks(host.name, host.address, frozenset(own.get(host.id, ())), frozenset(keys.get(host.address, ())), ids.get(host.id, ""))
        for host in session.scalars(select(model.Host))
    ]


def hosts_way(
    host: Annotated[str, typer.Argument(help="A host by name or address.")],
    as_json: Annotated[bool, Json] = False,
) -> None:
    """How a host would be reached and logged in to, and which rules of planner.yml say so.  Nothing is visited, no secret is read."""
    space = workspace.find()
    with space.open_catalogue().session() as session:
        ways = space.ways(session)
        name, address = _machine(session, space, host, {})
    found = ways.decide(address)
    settings = space.configuration.ssh.named
    row: dict[str, Any] = {
        "host": name, "address": address, "port": found.port,
        "via": list(found.via) if found.via is not None else [hop.host for hop in found.said.jumps],
        "logins": [_login_shown(login, settings) for login in found.logins], "legacy": found.legacy, "refused": found.refusal,
        "rules": [space.document.place(("ssh", "ways", number)) for number in found.rules], "notes": ways.files.notes if ways.files else [],
    }  # fmt: skip
    if found.said.address not in {"", address}:
        row["notes"] = [f"ssh_config says {found.said.address}: the catalogue's address is visited", *row["notes"]]
    if as_json:
        emit(row)
        return
    for key, value in row.items():
        for number, item in enumerate((value if isinstance(value, list) else [value]) or ["-"]):
            shown = {True: "yes", False: "no", "": "-"}.get(item, item)
            say(f"{'' if number else key:<8}  {visible(shown)}")


def _login_shown(name: str, settings: dict[str, logins.LoginSettings]) -> str:
    if name not in settings:
        return f"{name}: as the ssh_config says"
    login = settings[name]
    means = [f"key {file}" for file in login.key_files] + (["the agent's keys"] if login.agent else [])
    for what in ("password", "passphrase", "sudo_password"):
        wanted = getattr(login, what)
        if wanted is not None:
            means.append(f"{what.replace('_', ' ')} " + ("asked for" if wanted == "prompt" else f"from the vault, {wanted.vault}"))
    return f"{name}: user {login.user}, {', '.join(means) or 'nothing to log in with'}"


def hosts_set(
    host: Annotated[str, typer.Argument(help="A host by name or address.")],
    name: Annotated[str, typer.Option(help="Its new name.")] = "",
    address: Annotated[str, typer.Option(help="Its new address; the key there must be trusted anew.")] = "",
    unit: Annotated[str, typer.Option(help="The code of the unit that answers for it; none: nobody.")] = "",
) -> None:
    """Correct what the catalogue says of a host.  How it is logged in to stands in planner.yml, under ssh.ways."""
    space = workspace.find()
    with space.open_catalogue().session() as session:
        row = catalogue.host_by_name(session, host)
        for column, value in (("name", name), ("address", address)):
            taken = session.scalar(select(model.Host).where(getattr(model.Host, column) == value)) if value else None
            if taken is not None and taken is not row:
                raise InputError(f"{value} is taken by the host {taken.name} ({taken.address})", hint="planner hosts list")
        if address:
            row.address = _allowed(space, address)
        row.name = name or row.name
        if unit and unit != "none" and session.get(model.Unit, unit) is None:
            known = ", ".join(session.scalars(select(model.Unit.code).order_by(model.Unit.code)))
            raise NotFound(f"there is no unit {unit!r}", hint=f"units there: {known or 'none yet: planner register import'}")
        if unit:
            row.unit_code = None if unit == "none" else unit
        session.flush()
        reconcile.update(session, catalogue.now())


def hosts_remove(
    hosts: Annotated[list[str], typer.Argument(help="Hosts by name or address.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Forget hosts: their visits, what was found on them, and their trusted keys.  A sheet that declares one brings it back."""
    space = workspace.find()
    with space.open_catalogue().session() as session:
        rows = [catalogue.host_by_name(session, name) for name in hosts]
        names = ", ".join(row.name for row in rows)
        if not (yes or typer.confirm(f"Forget {names} and all that was found there?", err=True)):
            raise typer.Exit(1)
        for row in rows:
            session.execute(delete(model.Observations).where(model.Observations.host_id == row.id))
            session.execute(update(model.Workload).where(model.Workload.host_id == row.id).values(host_id=None))
            session.execute(delete(model.HostKey).where(model.HostKey.address == row.address))
            session.delete(row)
        session.flush()
        reconcile.update(session, catalogue.now())
    note(f"forgotten: {names}")


def hosts_trust(
    hosts: Annotated[
        list[str] | None, typer.Argument(help="Hosts, platforms or bastions by name or address; none: all that have no trusted key yet.")
    ] = None,
    known_hosts: Annotated[Path | None, typer.Option(help="Take keys from an OpenSSH known_hosts file that you have verified.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Trust what the hosts offer without asking (first contact).")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also replace keys trusted before: only when you know why they changed.")
    ] = False,
) -> None:
    """Record keys of bastions, hosts and platforms once you have compared their fingerprints.  A changed key stops every visit."""
    space = workspace.find()
    book = space.open_catalogue()
    given = _read_known_hosts(known_hosts) if known_hosts else {}
    with book.session() as session:
        have = set(session.scalars(select(model.HostKey.address)))
        ways = space.ways(session)
        doors = _bastions(ways)
        known = {door.address: name for name, door in doors.items()} if not hosts else {}  # first: others may stand behind them
        for address, name in session.execute(select(model.Host.address, model.Host.name).order_by(model.Host.name)):
            known.setdefault(address, name)
        for node in space.platforms.machines:
            known.setdefault(node.address, node.name)
        if hosts:
            pairs = [_machine(session, space, name, doors) for name in hosts]
        else:
            pairs = [(name, address) for address, name in known.items() if address not in have]
    failed = 0
    for name, address in pairs:
        if address in have and not replace:
            note(f"{name}: trusted already; --replace if you know why its key changed")
            continue
        door = ways.door(address) if address in ways.hosts or name not in doors else doors[name]
        try:
            keys = given.get(address) if known_hosts else ssh.offered_keys(door)
        except HostError as error:
            note(f"{name}: {visible(error.message)}\n  → {error.hint}")
            failed += 1
            continue
        if not keys:
            note(f"{name}: {known_hosts} has no key of {address}")
            failed += 1
            continue
        for key in keys:
            say(f"{name} ({address})  {key.algorithm}  {key.fingerprint}")
        if not (known_hosts or yes or typer.confirm(f"Do these belong to {name}?", err=True)):
            continue
        _trust(book, address, door.port, keys)
        if name in doors:  # who stands behind it can be reached from now on
            ways.keys = {**ways.keys, address: {key.algorithm: key.blob for key in keys}}
            doors = _bastions(ways)
    ssh.close_bastions()
    if failed:
        raise typer.Exit(HostError.exit_code)


def _bastions(ways: logins.Ways) -> dict[str, ssh.Peer]:
    """The doors of all bastions by name: those of planner.yml, then those that an ssh_config names for a host of the catalogue."""
    found = {name: ways.bastion_door(name) for name in ways.settings.bastions}
    for address in ways.hosts if ways.files else ():
        jumps = ways.door(address).jumps
        for number, hop in enumerate(jumps):
            found.setdefault(str(hop), ssh.Peer(hop.address, (), {}, hop.port, jumps[:number], name=str(hop)))
    return found


def _machine(session: Session, space: workspace.Workspace, name: str, doors: Mapping[str, ssh.Peer]) -> tuple[str, str]:
    """Name and address of a machine of the platforms, a bastion or a host of the catalogue.  Raises NotFound."""
    for node in space.platforms.machines:
        if name in (node.name, node.address):
            return node.name, node.address
    for known, door in doors.items():
        if name in (known, door.address):
            return known, door.address
    host = catalogue.host_by_name(session, name)
    return host.name, host.address


def _trust(book: catalogue.Catalogue, address: str, port: int, keys: list[ssh.OfferedKey]) -> None:
    with book.session() as session:
        for old in session.scalars(select(model.HostKey).where(model.HostKey.address == address)):
            session.delete(old)
        session.flush()
        session.add_all(
            model.HostKey(
                address=address, port=port, algorithm=key.algorithm, key=key.base64, fingerprint=key.fingerprint,
                trusted_at=catalogue.now(), trusted_by=getpass.getuser(),
            )
            for key in keys
        )  # fmt: skip


def _read_known_hosts(path: Path) -> dict[str, list[ssh.OfferedKey]]:
    keys: dict[str, list[ssh.OfferedKey]] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}") from error
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith(("#", "@", "|")):
            continue
        try:
            for name in words[0].split(","):
                address = re.sub(r"^\[(.*)\]:\d+$", r"\1", name)
                keys.setdefault(address, []).append(ssh.OfferedKey.read(words[1], words[2]))
        except (IndexError, ValueError) as error:
            raise InputError(f"{path}:{number}:1: not a known_hosts line") from error
    return keys
