"""`planner host NAME`: everything known of one host, by subject, with what no site of it explains."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from sqlalchemy import select

from inventory import catalogue, hostsheet, identify, model, transcripts
from inventory.errors import NotFound
from planner import workspace
from planner.cli.output import Json, emit, note, say, table, visible


def add(app: typer.Typer) -> None:
    """Hang the command into the application."""
    app.command("host")(show)


def show(
    name: Annotated[str, typer.Argument(help="A host by name or address.")],
    only: Annotated[
        str, typer.Option("--only", help="One subject (network, databases, …) or kind (package, cron, …), with all its rows.")
    ] = "",
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Everything known of one host: machine, storage, network, web, databases, what runs, access, mail, software, and what is unknown."""
    space = workspace.find()
    with space.open_catalogue().session() as session:
        host = catalogue.host_by_name(session, name)
        rows = catalogue.observations(session, host.id)
        seen = [identify.Seen(row.kind, row.data, (row.snapshot_id, row.section, row.line)) for row in rows]
        sites = list(session.scalars(select(model.Workload).where(model.Workload.host_id == host.id).order_by(model.Workload.name)))
        snapshot = transcripts.newest(session, host)
        head = {
            "host": host.name, "address": host.address, "unit": host.unit_code, "outcome": host.outcome, "detail": host.outcome_detail,
            "visited": host.visited_at, "read": snapshot.taken_at if snapshot else None,
            "privilege": snapshot.privilege if snapshot else None,
            "sites": [item.name for item in sites],
        }  # fmt: skip
        values = [{fact: told.get("value") for fact, told in item.facts.items()} for item in sites]
    kinds: dict[str, list[dict[str, Any]]] = {}
    for row in seen:
        kinds.setdefault(row.kind, []).append(dict(row.data))
    chosen = hostsheet.parts(kinds, only=only, most=0 if as_json else 20)
    if only and not chosen:
        known = ", ".join(sorted({*kinds, *hostsheet.subjects()})) or "none: planner discover"
        raise NotFound(f"{host.name} has no {only!r}", hint=f"there is {known}")
    left = hostsheet.unclaimed(identify.Observed.of_all(seen), values)
    if as_json:
        emit({**head, "parts": [{**vars(part)} for part in chosen], "unclaimed": [vars(item) for item in left] if not only else []})
        return
    if not only:
        say(f"{visible(host.name)}   {host.address}   unit {host.unit_code or '?'}   {host.outcome}, read {head['read'] or 'never'}")
        say(f"sites: {visible(', '.join(item.name for item in sites)) or 'none'}")
    for part in chosen:
        more = f", {len(part.rows)} shown: --only {part.kind}" if part.total > len(part.rows) else ""
        say(f"\n{part.subject} · {part.kind.replace('_', ' ')} ({part.total}{more})")
        columns = part.columns if not only else tuple(dict.fromkeys([*part.columns, *(key for row in part.rows for key in row)]))
        table(part.rows, columns, as_json=False, empty="")
    if left and not only:
        say("\nexplained by no site")
        table([vars(item) for item in left], ["kind", "name", "detail"], as_json=False, empty="")
    if not seen:
        note("nothing was read there yet")
