"""`planner view`: the sites as a visitor sees them, asked over HTTP from here."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from sqlalchemy import select

from inventory import catalogue, model, reconcile
from inventory.errors import HostError, InputError
from inventory.inspection import kept, liveness
from inventory.inspection.model import Asked, View
from inventory.register import valid_name
from planner import workspace
from planner.cli.output import Json, note, table


def add(app: typer.Typer) -> None:
    """Hang the command into the application."""
    app.command("view")(view)


def view(
    sites: Annotated[list[str] | None, typer.Argument(help="Sites by any of their names; none: all.")] = None,
    all_names: Annotated[bool, typer.Option("--all-names", help="Every name of each site, not only its own.")] = False,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="How many names are asked at once.")] = 32,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Ask sites over HTTP and HTTPS by their names, as a visitor would: does DNS lead here, does it answer, with which certificate.

    Works for sites on machines that cannot be logged in to, too.  One page of each is asked for; nothing is changed anywhere.
    """
    from inventory.inspection import view as looking

    space = workspace.find()
    book = space.open_catalogue()
    with book.session() as session:
        chosen = (
            [catalogue.workload_by_name(session, name) for name in sites]
            if sites
            else list(session.scalars(select(model.Workload).order_by(model.Workload.name)))
        )
        asked = _names(chosen, all_names)
    if not asked:
        raise InputError("there is no site with a name that can be asked", hint="planner discover, planner register import")

    async def run() -> list[View]:
        return [seen async for seen in looking.look(asked, looking.Limits(concurrency=concurrency))]

    views = sorted(asyncio.run(run()), key=lambda seen: seen.name)
    if liveness.blind(views):
        raise HostError(
            "unreachable", f"not one of {len(views)} names could be reached: it is rather this machine that has no way out",
            hint="check DNS and network here; nothing was stored",
        )  # fmt: skip
    with book.session() as session:
        kept.store(session, views, catalogue.now())
        reconcile.update(session, catalogue.now())
    rows = [_row(seen) for seen in views]
    columns = ["name", "dns", "here", "answers", "status", "https", "expires", "server", "title", "problem"]
    table(rows, columns, as_json=as_json, empty="nothing asked")
    dead = sum(row["answers"] is False for row in rows)
    if dead and not as_json:
        note(f"{dead} of {len(rows)} do not answer")


def _names(chosen: Sequence[model.Workload], everything: bool) -> list[Asked]:
    found: dict[str, Asked] = {}
    for item in chosen:
        names = [str(name) for name in item.names if valid_name(str(name))]
        for name in names if everything else names[:1]:
            found.setdefault(name, Asked(name, item.host.address if item.host else ""))
    return list(found.values())


def _row(seen: View) -> dict[str, Any]:
    told = {name: fact["value"] for name, fact in liveness.facts(seen, catalogue.now()).items()}
    return {
        "name": seen.name, "dns": list(seen.addresses), "here": told.get("http.dns_here"), "answers": told.get("http.answers"),
        "status": told.get("http.status"), "https": told.get("http.https"), "expires": told.get("http.certificate_expires"),
        "server": told.get("http.server"), "title": told.get("http.title"), "redirects_to": told.get("http.redirects_to"),
        "answers_at_host": told.get("http.answers_at_host"), "problem": seen.problem or told.get("http.certificate_problem") or "",
    }  # fmt: skip
