"""`planner coverage` and `planner access`: what could not be read on each host, and the least that would let us read it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import select

from inventory import catalogue, collector, coverage, model, transcripts
from inventory.errors import InputError
from inventory.probes import registry
from planner import workspace
from planner.cli.output import Json, note, say, table
from planner.cli.version import version

User = Annotated[str, typer.Option(help="The account on the units' hosts; without it, ssh.user of the workspace.")]


def add(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    app.command("coverage")(show)
    group = typer.Typer(help="The least privilege that works, as files for a unit's admin.", no_args_is_help=True, rich_markup_mode=None)
    group.command("script")(script)
    group.command("sudoers")(sudoers)
    group.command("recipe")(recipe)
    app.add_typer(group, name="access")


def show(
    hosts: Annotated[list[str] | None, typer.Argument(help="Hosts by name or address; none: all, a line each.")] = None,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """What the last visit of each host could not read, why, and the exact line for sudoers that would fill each gap."""
    space = workspace.find()
    digest = hashlib.sha256(collector.helper(registry.PROBES, version()).encode()).hexdigest()
    rows: list[dict[str, Any]] = []
    with space.open_catalogue().session() as session:
        chosen = (
            [catalogue.host_by_name(session, name) for name in hosts]
            if hosts
            else list(session.scalars(select(model.Host).order_by(model.Host.name)))
        )
        for host in chosen:
            snapshot = transcripts.newest(session, host)
            if snapshot is None:
                rows.append({"host": host.name, "read": "nothing", "gaps": [], "outcome": host.outcome})
                continue
            unknowns = [(item.section, item.data) for item in catalogue.observations(session, host.id, "unknown")]
            found = coverage.of(snapshot.sections, unknowns, registry.PROBES, space.login.user, digest)
            rows.append(
                {
                    "host": host.name,
                    "outcome": host.outcome,
                    "read": f"{found.whole} of {found.sections}",
                    "gaps": [{**vars(gap), "do": coverage.REMEDIES[gap.remedy]} for gap in found.gaps],
                }
            )
    if as_json or not hosts:
        columns = ["host", "outcome", "read", "gaps"]
        shown = rows if as_json else [{**row, "gaps": len(row["gaps"])} for row in rows]
        table(shown, columns, as_json=as_json, empty="no hosts yet: planner register import, planner hosts add")
        return
    for row in rows:
        say(f"{row['host']}: {row['read']} sections are whole ({row['outcome']})")
        table(row["gaps"], ["section", "what", "why", "do"], as_json=False, empty="nothing is missing")
        for text in dict.fromkeys(gap["sudoers"] for gap in row["gaps"] if gap["sudoers"]):
            say(f"  {text}")


def script(
    output: Annotated[Path, typer.Argument(help="Where to write the helper.")] = Path("planner-collect"),
) -> None:
    """Write the helper that a unit's admin reads and installs: it prints one section as root, secrets blacked out, no more."""
    text = collector.helper(registry.PROBES, version())
    _write(output, text, 0o755)
    note(f"wrote {output}, sha256 {hashlib.sha256(text.encode()).hexdigest()}; it belongs to {collector.HELPER}, owned by root, mode 0755")


def sudoers(
    output: Annotated[Path, typer.Argument(help="Where to write the rules.")] = Path("planner.sudoers"),
    user: User = "",
    sections: Annotated[list[str] | None, typer.Option("--section", help="Only this section; may be given several times.")] = None,
    no_digest: Annotated[bool, typer.Option("--no-digest", help="For sudo before 1.8.7, which cannot check the helper's bytes.")] = False,
) -> None:
    """Write the sudoers file that goes with the helper: these sections as root, by just these bytes, and nothing else."""
    text = collector.helper(registry.PROBES, version())
    name = user or workspace.find().login.user
    _write(output, coverage.sudoers(name, registry.PROBES, text, locked=not no_digest, sections=sections or ()), 0o440)
    note(f"wrote {output}; check it there by visudo -cf {output}")


def recipe(
    key: Annotated[Path, typer.Argument(help="The public key (.pub) that the inventory logs in with.")],
    source: Annotated[str, typer.Option("--from", help="The address or network that we come from.")],
    user: User = "",
    chinese: Annotated[bool, typer.Option("--zh", help="The comments in Chinese.")] = False,
) -> None:
    """Print what a unit's admin does once as root: account, key with its limits, helper, rules."""
    try:
        text = key.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{key}: {error}") from error
    typer.echo(coverage.recipe(user or workspace.find().login.user, text, source, language="zh_CN" if chinese else "en"), nl=False)


def _write(path: Path, text: str, mode: int) -> None:
    try:
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}", hint="choose another file") from error
