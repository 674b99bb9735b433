"""`planner plan`: destinations, waves and dates, as data."""

from __future__ import annotations

import subprocess
from datetime import date
from typing import Annotated, Any

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, model
from planner import facts, freshness, plan, planstore, wording, workspace
from planner.cli import overrides
from planner.cli import plans as editing
from planner.cli.output import Json, emit, note, say, table, visible


def add(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    plans = typer.Typer(help="Destinations, waves and steps, as data.", invoke_without_command=True, rich_markup_mode=None)
    plans.callback()(plan_make)
    plans.command("show")(plan_show)
    editing.add_to(plans)
    overrides.add_to(plans)
    app.add_typer(plans, name="plan")


def plan_make(context: typer.Context, as_json: Annotated[bool, Json] = False) -> None:
    """Make the plan: destinations on finite capacity, waves, steps, and a fingerprint over all of it."""
    if context.invoked_subcommand:
        return
    space = workspace.find()
    now = catalogue.now()
    with space.open_catalogue().session() as session:
        candidates = _candidates(session, space, now.date())
        made_from = freshness.made_from(session, space, now.date())
        document = plan.make(candidates, space.platforms, made_from, now.date(), dns_key=space.dns_key())
        items = {item.name: item.facts for item in candidates}
        known = {move["id"]: items[name] for move in document["moves"] for name in _names(move) if name in items}
        path = planstore.keep(session, space, document, known, now)
    note(f"wrote {path}")
    _print(document, as_json)


def plan_show(
    name: Annotated[str, typer.Argument(help="A plan's id; none: the newest.")] = "",
    as_json: Annotated[bool, Json] = False,
) -> None:
    """The plan: what moves where in which wave, what stays and why."""
    space = workspace.find()
    with space.open_catalogue().session() as session:
        document = planstore.load(session, space, visible(name))
    _print(document, as_json)


def _names(move: dict[str, Any]) -> list[str]:
    """The names that its workload may have."""
    return [f"{move['site']}@{move['source']['host']}", move["site"], f"{move['source']['host']}:{move['source']['docroot']}"]


def _print(document: dict[str, Any], as_json: bool) -> None:
    if as_json:
        emit(document)
        return
    rows = [
        {
            "wave": move["wave"], "move": move["id"], "unit": move["unit"], "placement": move["placement"], "profile": move["profile"],
            "from": move["source"]["host"], "to": move["destination"]["platform"], "size": wording.show("bytes", move["bytes"]),
        }
        for move in document["moves"]
    ]  # fmt: skip
    say(f"{document['id']}  fingerprint {document['fingerprint']}")
    table(
        rows,
        ["wave", "move", "unit", "placement", "profile", "from", "to", "size"],
        as_json=False,
        empty="nothing moves",
    )
    if document["left"]:
        say("\nStays where it is:")
        table(document["left"], ["site", "unit", "recommendation", "why"], as_json=False, empty="")


def _candidates(session: Session, space: workspace.Workspace, today: date) -> list[plan.Candidate]:
    assembly = facts.Assembly(session, space, today)
    found = []
    for item in session.scalars(select(model.Workload).order_by(model.Workload.name)):
        known = assembly.of(item)
        verdict = assembly.assess(item, known)
        found.append(
            plan.Candidate(
                name=item.name, unit=item.unit_code or "", host=item.host.name if item.host else "",
                address=item.host.address if item.host else "", names=list(item.names), facts=known,
                recommendation=verdict.recommendation if item.host else "",
                strength=verdict.strength,
                records=_records(space, [str(name) for name in item.names]) if item.host else (),
            )
        )  # fmt: skip
    return found


def _records(space: workspace.Workspace, names: list[str]) -> list[dict[str, Any]]:
    """The names' A records at the center's own server, with the TTL that has to run out before a cutover."""
    dns = space.platforms.dns
    if dns is None:
        return []
    records = []
    for name in names:
        if not any(name == zone or name.endswith("." + zone) for zone in dns.zones):
            continue
        command = ["dig", f"@{dns.server}", "+noall", "+answer", "+time=2", "+tries=2", name, "A"]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=15).stdout
        except (OSError, subprocess.TimeoutExpired) as error:
            note(f"{name}: DNS could not be asked: {error}")
            continue
        rows = [line.split() for line in answer.splitlines()]
        values = sorted(row[4] for row in rows if len(row) == 5 and row[3] == "A")
        if values:
            records.append(
                {
                    "name": name,
                    "values": values,
                    "ttl": max(int(row[1]) for row in rows if len(row) == 5 and row[3] == "A"),
                }
            )
    return records
