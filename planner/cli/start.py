"""`planner init`, `hosts`: a workspace, the hosts and the keys that are trusted."""

from __future__ import annotations

import base64
import getpass
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, model, ssh
from inventory.errors import HostError, InputError
from planner import workspace
from planner.cli.output import Json, note, say, table


def add(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    app.command("init")(init)
    hosts = typer.Typer(help="The machines we may visit, and their host keys.", no_args_is_help=True, rich_markup_mode=None)
    hosts.command("add")(hosts_add)
    hosts.command("list")(hosts_list)
    hosts.command("trust")(hosts_trust)
    app.add_typer(hosts, name="hosts")


def init(folder: Annotated[Path, typer.Argument(help="The folder to make; files that exist are kept.")]) -> None:
    """Make a workspace: configuration, platforms and an empty catalogue."""
    for name in workspace.create(folder):
        note(f"wrote {folder / name}")
    workspace.find(folder).open_catalogue().close()
    note(f"the workspace stands: fill {folder / workspace.FILE}, then `planner doctor`")


def hosts_add(
    hosts: Annotated[list[str], typer.Argument(help="NAME=ADDRESS, or an address alone.")],
) -> None:
    """Add hosts that no sheet names."""
    space = workspace.find()
    pairs = []
    for text in hosts:
        name, _, address = text.rpartition("=")
        reason = space.scope.refuses(address)
        if reason:
            raise InputError(reason, hint=f"see scope in {space.root / workspace.FILE}")
        pairs.append((name or address, address))
    with space.open_catalogue().session() as session:
        for name, address in pairs:
            host = session.scalar(select(model.Host).where(model.Host.address == address))
            if host is None:
                session.add(model.Host(name=name, address=address))
            else:
                host.name = name


def hosts_list(as_json: Annotated[bool, Json] = False) -> None:
    """All hosts, how their last visit ended, and whether their keys are trusted."""
    space = workspace.find()
    with space.open_catalogue().session() as session:
        trusted = set(session.scalars(select(model.HostKey.address)))
        rows = [
            {
                "host": host.name, "address": host.address, "unit": host.unit_code, "outcome": host.outcome,
                "detail": host.outcome_detail, "visited": host.visited_at, "trusted": host.address in trusted,
            }
            for host in session.scalars(select(model.Host).order_by(model.Host.name))
        ]  # fmt: skip
    table(
        rows,
        ["host", "address", "unit", "trusted", "outcome", "detail"],
        as_json=as_json,
        empty="no hosts yet: planner register import, planner hosts add",
    )


def hosts_trust(
    hosts: Annotated[list[str] | None, typer.Argument(help="Hosts by name or address; none: all that have no trusted key yet.")] = None,
    known_hosts: Annotated[Path | None, typer.Option(help="Take keys from an OpenSSH known_hosts file that you have verified.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Trust what the hosts offer without asking (first contact).")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also replace keys trusted before: only when you know why they changed.")
    ] = False,
) -> None:
    """Record keys of hosts and platforms once you have compared their fingerprints.  A changed key stops every visit."""
    space = workspace.find()
    book = space.open_catalogue()
    given = _read_known_hosts(known_hosts) if known_hosts else {}
    with book.session() as session:
        have = set(session.scalars(select(model.HostKey.address)))
        known = {host.address: host.name for host in session.scalars(select(model.Host).order_by(model.Host.name))}
        known |= {node.address: node.name for node in space.platforms.machines if node.address not in known}
        if hosts:
            pairs = [_machine(session, space, name) for name in hosts]
        else:
            pairs = [(name, address) for address, name in known.items() if address not in have]
    failed = 0
    for name, address in pairs:
        if address in have and not replace:
            note(f"{name}: trusted already; --replace if you know why its key changed")
            continue
        try:
            keys = given.get(address) if known_hosts else ssh.offered_keys(address, space.configuration.ssh.port)
        except HostError as error:
            note(f"{name}: {error}")
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
        _trust(book, address, space.configuration.ssh.port, keys)
    if failed:
        raise typer.Exit(HostError.exit_code)


def _machine(session: Session, space: workspace.Workspace, name: str) -> tuple[str, str]:
    """Name and address of a host of the catalogue or a machine of the platforms.  Raises NotFound."""
    for node in space.platforms.machines:
        if name in (node.name, node.address):
            return node.name, node.address
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
                keys.setdefault(name, []).append(ssh.OfferedKey(words[1], base64.b64decode(words[2], validate=True)))
        except (IndexError, ValueError) as error:
            raise InputError(f"{path}:{number}:1: not a known_hosts line") from error
    return keys
