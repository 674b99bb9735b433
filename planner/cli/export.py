"""`planner export`: a site that publishes, as plain files that answer its old URLs."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from inventory.errors import DifferenceFound, InputError
from planner.cli.output import Json, emit, note, say, table, visible
from planner.export import coverage, urls
from planner.export.bounds import Bounds
from planner.export.crawl import Wanted
from planner.export.exporting import Export, Options, export_site
from planner.export.fetching import Manners
from planner.pinned import SiteView, ascii_names


def add(app: typer.Typer) -> None:
    """Hang the command into the application."""
    app.command("export")(export)


def export(
    site: Annotated[str | None, typer.Argument(help="A site of the catalogue by any of its names; not with --url.")] = None,
    out: Annotated[Path, typer.Option("--out", help="The folder to export into; a second export changes what changed.")] = Path("export"),
    url: Annotated[str, typer.Option("--url", help="Export this site, by its home page's URL; needs no workspace.")] = "",
    at: Annotated[str, typer.Option("--at", help="Ask this address instead of the one that is known or that DNS gives.")] = "",
    known: Annotated[
        Path | None, typer.Option("--urls", help="URLs that have to answer, one a line, each with its hits before it if they are known.")
    ] = None,
    hits: Annotated[float, typer.Option(min=0, max=1, help="Least share of the access log's hits that the export answers.")] = 0.98,
    sitemap: Annotated[float, typer.Option(min=0, max=1, help="Least share of the sitemap's URLs that it answers.")] = 1.0,
    links: Annotated[float, typer.Option(min=0, max=1, help="Least share of the URLs that the site's own pages lead to.")] = 0.98,
    accept: Annotated[bool, typer.Option("--accept", help="Export although the gate refuses; the report says so.")] = False,
    https: Annotated[bool, typer.Option("--https", help="Write the site's own http:// links in its pages as https://.")] = False,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="How many requests at once.")] = 4,
    delay: Annotated[float, typer.Option(min=0, max=60, help="Seconds between the starts of two requests.")] = 0.0,
    pages: Annotated[int, typer.Option(min=1, help="How many URLs at most.")] = 200_000,
    per_kind: Annotated[int, typer.Option(min=1, help="How many URLs that differ in numbers only, at most.")] = 20_000,
    prove: Annotated[bool, typer.Option("--prove/--no-prove", help="Compare every URL of the export with the source afterwards.")] = True,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Crawl a site that publishes and write it as plain files, with a map by which a static server answers its old URLs.

    Nothing is written when too little of what visitors ask for would answer; what will stop working (search, log-in, forms) is listed.
    """
    if bool(site) == bool(url):
        raise InputError("name either a site of the catalogue or a URL", hint="planner export SITE, or planner export --url http://…/")
    view, top = _by_url(url, at) if url else _of_catalogue(str(site), at)
    if known is not None:
        try:
            top.update(urls.hits_of(known.read_text(encoding="utf-8").splitlines()))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{known}: {error}", hint="a text file in UTF-8, `HITS URL` or `URL` a line") from error
    wanted = Wanted(view, top, Bounds(pages=pages, per_kind=per_kind), Manners(concurrency=concurrency, delay=delay))
    options = Options(coverage.Gate(hits, sitemap, links), https=https, accept=accept, prove=prove)
    result = export_site(wanted, out, datetime.now(UTC), options, _progress())
    if as_json:
        emit(result.to_json())
    else:
        _show(result, out)
    if result.refused:
        note("nothing was written: " + "; ".join(result.coverage.refusals))
        raise typer.Exit(DifferenceFound.exit_code)
    if result.proof is not None and result.proof.verdict != "equal":
        note(f"the export is not proved equal to its source: {result.proof.reason}")
        raise typer.Exit(DifferenceFound.exit_code)


def _progress() -> Callable[[int, int], None]:
    shown = [0]

    def tell(done: int, known: int) -> None:
        if sys.stderr.isatty() and done - shown[0] >= 100:
            shown[0] = done
            note(f"{done} of {known} URLs")

    return tell


def _by_url(url: str, at: str) -> tuple[SiteView, dict[str, int | None]]:
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        name, port = parts.hostname or "", parts.port or 0
        names = ascii_names([name])
    except ValueError as error:
        raise InputError(f"{visible(url)} is no URL of a site: {error}", hint="such as http://www.hist.example.edu.cn/") from error
    if parts.scheme not in ("http", "https"):
        raise InputError(f"{visible(url)}: only http and https")
    return SiteView(names, at or _resolve(names[0]), port, parts.scheme == "https"), {}


def _resolve(name: str) -> str:
    try:
        return str(socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise InputError(f"{name} is not known to DNS: {error.strerror}", hint="give its address with --at") from error


def _of_catalogue(site: str, at: str) -> tuple[SiteView, dict[str, int | None]]:
    from inventory import catalogue
    from inventory.errors import NotFound
    from inventory.register import valid_name
    from planner import workspace

    space = workspace.find()
    with space.open_catalogue().session() as session:
        item = catalogue.workload_by_name(session, site)
        address = at or (item.host.address if item.host is not None else "")
        if not address:
            raise NotFound(f"{item.name} was found on no host, so nobody can be asked for it")
        names = [str(name) for name in item.names if valid_name(str(name))]
        top: dict[str, int | None] = dict.fromkeys(str(path) for path in item.facts.get("use.top_urls", {}).get("value") or [])
        tls = item.facts.get("http.https_redirect", {}).get("value") is True
    if space.scope.refuses(address):
        raise InputError(space.scope.refuses(address), hint=f"see scope in {space.root / workspace.FILE}")
    if not names:
        raise InputError(f"{visible(site)} has no DNS name to ask for")
    return SiteView(ascii_names(names), address, 0, tls), top


def _show(result: Export, out: Path) -> None:
    shares = result.coverage.shares
    rows = [
        {"of": name, "answered": its.answered, "of_all": its.total, "share": "unknown" if its.share is None else f"{its.share:.2%}",
         "gone": its.gone, "left_out": its.cut}
        for name, its in shares.items()
    ]  # fmt: skip
    table(rows, ["of", "answered", "of_all", "share", "gone", "left_out"], as_json=False, empty="")
    lacks = [{"lacks": lack.url, "why": lack.reason, "linked_from": lack.by} for its in shares.values() for lack in its.lacks]
    if lacks:
        table(lacks[:50], ["lacks", "why", "linked_from"], as_json=False, empty="")
    if result.stopping:
        table(result.stopping[:50], ["kind", "method", "target", "page"], as_json=False, empty="")
        say("will stop working: " + ", ".join(f"{count} {kind}" for kind, count in coverage.kinds(result.stopping).items()))
    for cut in result.crawled.cuts:
        say(visible(f"left out: {cut.count} like {cut.examples[0]}: {cut.reason}"))
    for line in (*result.crawled.notes, *result.coverage.unknown):
        say(visible(line))
    if result.written is not None:
        its = result.written
        counts = [
            f"{len(its.added)} files added",
            f"{len(its.changed)} changed",
            f"{len(its.removed)} removed",
            f"{its.unchanged} unchanged",
        ]
        say(f"{out}/current: {', '.join(counts)}")
    if result.proof is not None:
        for page in [page for page in result.proof.pages if page.outcome != "equal"][:50]:
            say(visible(f"{page.url}: {page.outcome}: {page.reason or '; '.join(one.kind for one in page.differences)}"))
        say(f"{result.proof.verdict}: {result.proof.reason}")
