"""`planner verify`: a site at its source address against the same site at another address, before its name is moved."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inventory import catalogue
from inventory.errors import DifferenceFound, InputError, NotFound
from inventory.register import valid_name
from planner import verification, workspace
from planner.cli.output import Json, emit, note, say, table, visible


def add(app: typer.Typer) -> None:
    """Hang the command into the application."""
    app.command("verify")(verify)


def verify(
    site: Annotated[str, typer.Argument(help="A site by any of its names.")],
    at: Annotated[str, typer.Option("--at", help="The address where the site shall be served from.")],
    pages: Annotated[int, typer.Option(help="How many pages at most.", min=1)] = 2000,
    save: Annotated[Path | None, typer.Option(help="Also write the whole comparison as JSON.")] = None,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Compare all pages reachable by crawl, sitemap and the access log's top; nothing depends on DNS, nothing is sent but GET."""
    space = workspace.find()
    with space.open_catalogue().session() as session:
        item = catalogue.workload_by_name(session, site)
        if item.host is None:
            raise NotFound(f"{item.name} was found on no host, so there is nothing to compare with")
        names = [str(name) for name in item.names if valid_name(str(name))]
        seeds = [str(path) for path in item.facts.get("use.top_urls", {}).get("value", [])]
        address = item.host.address
        tls = item.facts.get("site.tls", {}).get("value") is True
    if space.scope.refuses(at):
        raise InputError(space.scope.refuses(at), hint=f"see scope in {space.root / workspace.FILE}")
    if not names:
        raise InputError(f"{visible(site)} has no DNS name to ask for")
    result = verification.compare_site(names, address, at, seeds, verification.Limits(pages=pages), tls=tls)
    data = result.to_json()
    if save is not None:
        import json

        save.write_text(json.dumps(data, ensure_ascii=False, indent=2), encoding="utf-8")
    if as_json:
        emit(data)
    else:
        rows = [
            {
                "url": page["url"],
                "outcome": page["outcome"],
                "what": "; ".join(d["kind"] for d in page["differences"]) or page["reason"],
            }
            for page in data["pages"]
            if page["outcome"] != "equal"
        ]
        table(rows[:50], ["url", "outcome", "what"], as_json=False, empty="no page differs")
        say(f"{data['verdict']}: " + ", ".join(f"{count} {name}" for name, count in data["counts"].items()))
    if data["verdict"] != "equal":
        note("the destination is not proved equal to its source")
        raise typer.Exit(DifferenceFound.exit_code)
