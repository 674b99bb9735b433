"""`planner plan`: destinations, waves and dates, as data."""

from __future__ import annotations

import subprocess
from typing import Annotated, Any

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, model
from inventory.errors import NotFound
from planner import assessment, plan, policy, wording, workspace
from planner.cli.output import Json, emit, note, say, table


def add(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    plans = typer.Typer(help="Destinations, waves and steps, as data.", invoke_without_command=True, rich_markup_mode=None)
    plans.callback()(plan_make)
    plans.command("show")(plan_show)
    app.add_typer(plans, name="plan")


def plan_make(context: typer.Context, as_json: Annotated[bool, Json] = False) -> None:
    """Make the plan: destinations on finite capacity, waves, steps, and a fingerprint over all of it."""
    if context.invoked_subcommand:
        return
    space = workspace.find()
    rules = space.rules
    with space.open_catalogue().session() as session:
        candidates = _candidates(session, space, rules)
        document = plan.make(candidates, space.platforms, rules.hash, dns_key=space.dns_key())
        if session.get(model.Plan, document["id"]) is None:
            session.add(
                model.Plan(
                    id=document["id"],
                    fingerprint=document["fingerprint"],
                    document=document,
                    created_at=catalogue.now(),
                )
            )
        else:
            row = session.get_one(model.Plan, document["id"])
            row.document, row.created_at = document, catalogue.now()
    path = plan.save(document, space.plan_folder(document["id"]))
    note(f"wrote {path}")
    _print(document, as_json)


def plan_show(
    name: Annotated[str, typer.Argument(help="A plan's id; none: the newest.")] = "",
    as_json: Annotated[bool, Json] = False,
) -> None:
    """The plan: what moves where in which wave, what stays and why."""
    space = workspace.find()
    with space.open_catalogue().session() as session:
        query = select(model.Plan).order_by(model.Plan.created_at.desc())
        row = session.scalar(query.where(model.Plan.id == name) if name else query)
        if row is None:
            raise NotFound(f"there is no plan {name!r}" if name else "there is no plan yet", hint="planner plan makes one")
        identity = row.id
    _print(plan.load(space.plan_folder(identity)), as_json)


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


def _candidates(session: Session, space: workspace.Workspace, rules: policy.RuleSet) -> list[plan.Candidate]:
    found = []
    for item in session.scalars(select(model.Workload).order_by(model.Workload.name)):
        verdict = assessment.assess(item.facts, rules)
        found.append(
            plan.Candidate(
                name=item.name, unit=item.unit_code or "", host=item.host.name if item.host else "",
                address=item.host.address if item.host else "", names=list(item.names), facts=item.facts,
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
