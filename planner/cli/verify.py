"""`planner verify`: a site at its source address against the same site at another address, before its name is moved or after."""

from __future__ import annotations

import json
import socket
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from inventory import catalogue
from inventory.errors import DifferenceFound, InputError, NotFound
from inventory.register import valid_name
from planner import comparisonpage, report, thresholds, traffic, verification, workspace
from planner.cli.output import Json, emit, note, say, table, visible

DNS = "dns"


def add(app: typer.Typer) -> None:
    """Hang the command into the application."""
    app.command("verify")(verify)


def verify(
    site: Annotated[str, typer.Argument(help="A site by any of its names.")],
    at: Annotated[str, typer.Option("--at", help="The address where the site shall be served from; dns: where visitors are led to.")],
    pages: Annotated[int, typer.Option(help="How many pages at most.", min=1)] = 2000,
    seconds: Annotated[float, typer.Option(help="How long at most.", min=1)] = 300.0,
    save: Annotated[Path | None, typer.Option(help="Also write the whole comparison as JSON.")] = None,
    page: Annotated[Path | None, typer.Option("--report", help="Also write a page with what differs side by side.")] = None,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Compare all pages reachable by crawl, sitemap and the access log's top; nothing is sent but GET.

    What a difference weighs and how far the comparison has to reach stands in verification.yml of the workspace.
    """
    space = workspace.find()
    rules = thresholds.load(space.root)
    with space.open_catalogue().session() as session:
        item = catalogue.workload_by_name(session, site)
        if item.host is None:
            raise NotFound(f"{item.name} was found on no host, so there is nothing to compare with")
        names = [str(name) for name in item.names if valid_name(str(name))]
        address, host, facts = item.host.address, item.host.name, dict(item.facts)
    if at != DNS and space.scope.refuses(at):
        raise InputError(space.scope.refuses(at), hint=f"see scope in {space.root / workspace.FILE}")
    if not names:
        raise InputError(f"{visible(site)} has no DNS name to ask for")
    if at == DNS:
        note(f"{visible(names[0])} leads to {_led_to(names[0], address)}")
    tls = facts.get("site.tls", {}).get("value") is True
    now = datetime.now().astimezone().replace(microsecond=0)
    limits = verification.Limits(pages=pages, seconds=seconds)
    result = verification.compare_site(
        names, address, "" if at == DNS else at, traffic.seeds(facts), limits, tls=tls, rules=rules, traffic=traffic.of(facts),
        old_names=[host] if host and "." in host else [],
    )  # fmt: skip
    data = result.to_json()
    if save is not None:
        report.write(save, json.dumps(data, ensure_ascii=False, indent=2))
    if page is not None:
        about = {"site": names[0], "source": f"{host} {address}", "destination": at}
        report.write(page, comparisonpage.page(data, about, now, space.configuration.language))
        note(f"wrote {page}")
    if as_json:
        emit(data)
    else:
        _told(data)
    if data["verdict"] != "equal":
        note(f"the destination is not proved equal to its source: {visible(data['reason'])}")
        raise typer.Exit(DifferenceFound.exit_code)


def _told(data: dict[str, Any]) -> None:
    rows = [
        {
            "url": one["url"],
            "outcome": one["outcome"],
            "what": "; ".join(d["kind"] for d in one["differences"]) or one["reason"],
        }
        for one in data["pages"]
        if one["outcome"] != "equal" or any(d["severity"] == "warn" for d in one["differences"])
    ]
    table(rows[:50], ["url", "outcome", "what"], as_json=False, empty="no page differs")
    if len(rows) > 50:
        note(f"{len(rows) - 50} more: --save, --report or --json")
    say(f"{data['verdict']}: " + ", ".join(f"{count} {name}" for name, count in data["counts"].items()))
    if "traffic" in data:
        had = data["traffic"]
        say(f"the compared pages had at least {100 * had['share']:.1f} % of the {had['total']} requests in the access log")


def _led_to(name: str, source: str) -> str:
    """Where DNS leads a name from here, in words."""
    try:
        found = sorted({str(one[4][0]) for one in socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)})
    except OSError as error:
        return f"nothing: {error}"
    return ", ".join(found) + (", which is still the source" if source in found else "")
