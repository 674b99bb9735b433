"""`planner doctor`: what this machine and this workspace still lack, all of it at once."""

from __future__ import annotations

import os
import shutil
from typing import Annotated

import typer
from sqlalchemy import func, select

from inventory import model, ssh
from inventory.errors import InputError, MissingProgram, WorkspaceError
from planner import logins, playing, workspace
from planner.cli.output import Json, table


def add(app: typer.Typer) -> None:
    """Hang the command into the application."""
    app.command("doctor")(doctor)


def doctor(as_json: Annotated[bool, Json] = False) -> None:
    """Check programs, keys, scope, catalogue and rules; says what to do about each problem."""
    rows = [
        _program("ssh", "openssh-client", "the second transport, and Ansible's"),
        _program("dig", "bind9-dnsutils", "reading the TTLs of records"),
        _program("nsupdate", "bind9-dnsutils", "moving names"),
        _row("ansible-playbook", playing.program().exists(), str(playing.program()), "not here: pip install ansible-core"),
    ]
    space = workspace.find()
    rows += _logins(space)
    rows.append(
        _row(
            "scope",
            bool(space.configuration.scope.allow),
            "set",
            "empty: nothing may be visited; see scope in planner.yml",
        )
    )
    platforms = space.platforms
    rows.append(
        _row(
            "platforms",
            bool(platforms.virtual_hosts or platforms.site_clusters),
            "there are some",
            "none: fill inventory/platforms.yml",
        )
    )
    if platforms.dns:
        rows.append(_row("DNS key", os.access(space.dns_key(), os.R_OK), "readable", f"{space.dns_key()} cannot be read"))
    rules = space.rules
    rows.append(_row("rules", True, f"{len(rules.rules)} in force", ""))
    with space.open_catalogue().session() as session:
        hosts = session.scalar(select(func.count()).select_from(model.Host)) or 0
        trusted = set(session.scalars(select(model.HostKey.address)))
    rows += [
        _row(f"bastion {name}", bastion.address in trusted, "its key is trusted", f"planner hosts trust {name}")
        for name, bastion in space.configuration.ssh.bastions.items()
    ]
    rows += [
        _row(f"platform {node.name}", node.address in trusted, "its key is trusted", f"planner hosts trust {node.name}")
        for node in platforms.machines
    ]
    rows.append(_row("hosts", hosts > 0, f"{hosts}, {len(trusted)} with trusted keys", "none: planner register import, planner hosts add"))
    table(rows, ["check", "state", "detail"], as_json=as_json, empty="")
    if not all(row["state"] == "ok" for row in rows):
        missing = any(row["state"] != "ok" and row["check"].startswith("program") for row in rows)
        raise typer.Exit(MissingProgram.exit_code if missing else WorkspaceError.exit_code)


def _logins(space: workspace.Workspace) -> list[dict[str, str]]:
    """Rows on what hosts are logged in to with.  Asks nothing: a vault whose password would be asked for stays closed."""
    settings, rows = space.configuration.ssh, []
    named = settings.named
    files = {str(space.path(file)): name for name, login in named.items() for file in login.key_files}
    for file, name in files.items():
        rows.append(_row(f"key {file}", os.access(file, os.R_OK), "readable", f"cannot be read: see the login {name} in planner.yml"))
    if any(login.agent and not (login.key_files or login.password) for login in named.values()):
        rows.append(
            _row("ssh agent", bool(os.environ.get("SSH_AUTH_SOCK")), "there is one", "a login has nothing but the agent, and there is none")
        )
    for name, login in named.items():
        if not (login.key_files or login.agent or login.password):
            rows.append(_row(f"login {name}", False, "", "it has neither key_files nor agent nor password"))
    wanted = sorted({
        secret.vault for login in named.values() for secret in (login.password, login.passphrase, login.sudo_password)
        if isinstance(secret, logins.VaultSecret)
    })  # fmt: skip
    if wanted:
        rows.append(_vault(space, wanted))
    if settings.ssh_config:
        try:
            found = ssh.ClientConfiguration([space.path(name) for name in settings.ssh_config])
            rows.append(_row("ssh_config", True, "; ".join(["read", *found.notes]), ""))
        except InputError as error:
            rows.append(_row("ssh_config", False, "", str(error.message)))
    if any(way.legacy for way in settings.ways):
        known = ssh.old_algorithms() if shutil.which("ssh") else []
        rows.append(
            _row("legacy peers", bool(known), f"this ssh still knows {', '.join(known)}", "this ssh knows no algorithm of the SHA-1 era")
        )
    return rows


def _vault(space: workspace.Workspace, wanted: list[str]) -> dict[str, str]:
    secrets = space.secrets
    if secrets.file is None:
        return _row("vault", False, "", "logins name secrets, and there is no vault: vault: {file: secrets.yml} in planner.yml")
    if secrets.password_file is None:
        return _row("vault", secrets.file.is_file(), "its password will be asked for", f"{secrets.file}: No such file")
    if secrets.password_file.is_file() and secrets.password_file.stat().st_mode & 0o077:
        return _row("vault", False, "", f"{secrets.password_file} can be read by others: chmod 600")
    try:
        lacking = [name for name in wanted if name not in secrets.names()]
    except InputError as error:
        return _row("vault", False, "", error.message)
    return _row(
        "vault", not lacking, f"it opens, with all {len(wanted)} secrets that logins name", f"{secrets.file} lacks {', '.join(lacking)}"
    )


def _row(check: str, fine: bool, good: str, bad: str) -> dict[str, str]:
    return {"check": check, "state": "ok" if fine else "missing", "detail": good if fine else bad}


def _program(name: str, package: str, purpose: str) -> dict[str, str]:
    found = shutil.which(name)
    return _row(f"program {name}", found is not None, str(found), f"not installed ({purpose}): apt-get install {package}")
