"""`planner assess`, `explain`, `plan`: verdicts with their reasons, and the plan as data."""

from __future__ import annotations

import subprocess
from typing import Annotated, Any

import typer
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from inventory import catalogue, model
from inventory.errors import NotFound
from planner import assessment, plan, policy, workspace
from planner.cli.output import Json, emit, note, say, table, visible


def add(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    app.command("assess")(assess)
    app.command("explain")(explain)
    plans = typer.Typer(help="Destinations, waves and steps, as data.", invoke_without_command=True, rich_markup_mode=None)
    plans.callback()(plan_make)
    plans.command("show")(plan_show)
    app.add_typer(plans, name="plan")


def _rules(space: workspace.Workspace) -> policy.RuleSet:
    return policy.load((policy.SHIPPED, space.root / "policy"))


def assess(as_json: Annotated[bool, Json] = False) -> None:
    """A verdict for each site that was found, from facts and rules alone: the same facts give the same verdict."""
    space = workspace.find()
    rules = _rules(space)
    rows = []
    with space.open_catalogue().session() as session:
        session.execute(delete(model.Verdict))
        for item in session.scalars(select(model.Workload).where(model.Workload.host_id.is_not(None)).order_by(model.Workload.name)):
            verdict = assessment.assess(item.facts, rules, space.configuration.language)
            session.add(
                model.Verdict(
                    workload_id=item.id, recommendation=verdict.recommendation, strength=verdict.strength,
                    data=verdict.to_json(), rules_hash=rules.hash, facts_hash=assessment.facts_hash(item.facts),
                    assessed_at=catalogue.now(),
                )
            )  # fmt: skip
            best = next((p for p in verdict.placements if p.placement == verdict.recommendation), None)
            rows.append(
                {
                    "site": item.name, "unit": item.unit_code, "verdict": verdict.recommendation, "strength": verdict.strength,
                    "state": best.state if best else "", "score": f"{best.low}–{best.high}" if best else "",
                    "effort_h": best.effort_h if best else None, "confidence": verdict.confidence,
                }
            )  # fmt: skip
    table(
        rows,
        ["site", "unit", "verdict", "strength", "state", "score", "effort_h", "confidence"],
        as_json=as_json,
        empty="no sites yet: planner discover",
    )


def explain(
    site: Annotated[str, typer.Argument(help="A site by any of its names.")],
    placement: Annotated[str, typer.Option(help="Only this placement.")] = "",
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Why a site's verdict is what it is, in sentences with the measured values; what is unknown, and what it could change."""
    space = workspace.find()
    language = space.configuration.language
    with space.open_catalogue().session() as session:
        item = catalogue.workload_by_name(session, site)
        if item.host_id is None:
            raise NotFound(f"{item.name} is declared, but was found on no host", hint="is its server among `planner hosts list`?")
        verdict = assessment.assess(item.facts, _rules(space), language)
        name, unit = item.name, item.unit_code
    if placement:
        verdict.placements = [entry for entry in verdict.placements if entry.placement == placement]
        if not verdict.placements:
            raise NotFound(f"there is no placement {placement!r}", hint="one of " + ", ".join(policy.PLACEMENTS))
    if as_json:
        emit({"site": name, "unit": unit, **verdict.to_json()})
        return
    say(
        f"{visible(name)} (unit {unit or '?'}): {verdict.recommendation}, {verdict.strength}; "
        f"{verdict.confidence:.0%} of the facts that rules ask for are known"
    )
    marks = {"block": "✗", "condition": "!", "utility": "±", "info": "·"}
    for entry in verdict.placements:
        say(
            f"\n{entry.placement}: {entry.state}"
            + ("" if entry.state == "ineligible" else f", score {entry.low}–{entry.high}, {entry.effort_h:g} h of work")
        )
        for reason in entry.reasons:
            mark = "?" if reason.holds is None else marks[reason.effect]
            points = f" ({reason.points:+d})" if reason.effect == "utility" else ""
            say(f"  {mark} {visible(reason.message)}{points}   [{reason.rule}]")
            if reason.holds is None:
                say(f"      unknown: {', '.join(reason.missing)}")
            elif reason.fix and reason.effect != "utility":
                say(f"      → {reason.fix}")
    if verdict.would_settle:
        say(f"\nUnknown facts that could change this: {', '.join(verdict.would_settle)}")


def plan_make(context: typer.Context, as_json: Annotated[bool, Json] = False) -> None:
    """Make the plan: destinations on finite capacity, waves, steps, and a fingerprint over all of it."""
    if context.invoked_subcommand:
        return
    space = workspace.find()
    rules = _rules(space)
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
            "from": move["source"]["host"], "to": move["destination"]["platform"], "size": policy.show("bytes", move["bytes"]),
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
