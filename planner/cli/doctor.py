"""`planner doctor`: what this machine and this workspace still lack, all of it at once."""

from __future__ import annotations

import os
import shutil
from typing import Annotated

import typer
from sqlalchemy import func, select

from inventory import model
from inventory.errors import MissingProgram, WorkspaceError
from planner import execution, policy, workspace
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
        _row("ansible-playbook", execution.program().exists(), str(execution.program()), "not here: pip install ansible-core"),
    ]
    space = workspace.find()
    login = space.login
    for name in login.key_files:
        fine = os.access(name, os.R_OK)
        rows.append(_row(f"key {name}", fine, "readable", "cannot be read: see ssh.key_files in planner.yml"))
    if not login.key_files:
        rows.append(
            _row(
                "ssh agent",
                bool(os.environ.get("SSH_AUTH_SOCK")),
                "there is one",
                "no key_files and no agent: nothing to log in with",
            )
        )
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
    rules = policy.load((policy.SHIPPED, space.root / "policy"))
    rows.append(_row("rules", True, f"{len(rules.rules)} in force", ""))
    with space.open_catalogue().session() as session:
        hosts = session.scalar(select(func.count()).select_from(model.Host)) or 0
        trusted = set(session.scalars(select(model.HostKey.address)))
    rows += [
        _row(f"platform {node.name}", node.address in trusted, "its key is trusted", f"planner hosts trust {node.name}")
        for node in platforms.machines
    ]
    rows.append(_row("hosts", hosts > 0, f"{hosts}, {len(trusted)} with trusted keys", "none: planner register import, planner hosts add"))
    table(rows, ["check", "state", "detail"], as_json=as_json, empty="")
    if not all(row["state"] == "ok" for row in rows):
        missing = any(row["state"] != "ok" and row["check"].startswith("program") for row in rows)
        raise typer.Exit(MissingProgram.exit_code if missing else WorkspaceError.exit_code)


def _row(check: str, fine: bool, good: str, bad: str) -> dict[str, str]:
    return {"check": check, "state": "ok" if fine else "missing", "detail": good if fine else bad}


def _program(name: str, package: str, purpose: str) -> dict[str, str]:
    found = shutil.which(name)
    return _row(f"program {name}", found is not None, str(found), f"not installed ({purpose}): apt-get install {package}")
