"""`planner discover`, `sites`, `show`: visit the hosts, list what was found, and lead from a value to the line that proves it."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from sqlalchemy.orm import Session

from inventory import catalogue, model, sitelist
from inventory.errors import HostError, InputError
from planner import workspace
from planner.cli.output import Json, emit, emit_rows, note, say, table, table_of, visible, write_csv

if TYPE_CHECKING:
    from rich.progress import Progress

LISTED = 200
"""A discovery of more hosts than that lists only those that did not end well."""


def add(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    app.command("discover")(discover)
    app.command("sites")(sites)
    app.command("show")(show)


def discover(
    hosts: Annotated[list[str] | None, typer.Argument(help="Hosts by name or address; none: all.")] = None,
    outcome: Annotated[
        list[str] | None, typer.Option(help="Only hosts whose last visit ended so: timeout,auth; `not visited` is one, too.")
    ] = None,
    stale: Annotated[float | None, typer.Option(min=0, help="Only hosts that were not read in the last so many days.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Visit all hosts anew, also when an earlier discovery was cut.")] = False,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Visit hosts over SSH and store what they say.  Nothing is changed there.  A bad host never stops the others.

    When an earlier discovery of all hosts was cut in the last 24 hours (killed, a full disk), this one visits those that it had not come
    to.
    """
    # heavy, and nothing that lists needs them
    from inventory import discovery, reconcile, runs, ssh, storing, unchanged

    space = workspace.find()
    book = space.open_catalogue()
    outcomes = {word.strip() for text in outcome or [] for word in text.split(",") if word.strip()}
    if unknown := outcomes - set(ssh.OUTCOMES) - {"not visited"}:
        hint = f"not visited, {', '.join(sorted(ssh.OUTCOMES))}"
        raise InputError(f"--outcome {', '.join(sorted(unknown))}: no visit ends so", hint=hint)
    asked: dict[str, Any] = {"hosts": hosts or [], "outcomes": sorted(outcomes), "stale": stale}
    asked = {name: value for name, value in asked.items() if value not in ([], None)}
    if fresh and asked:
        raise InputError("--fresh is for a discovery of all hosts; those that are named or chosen are visited in any case")
    continued = False
    with space.lock("discovery"):
        with book.session() as session:
            now = catalogue.now()
            before = runs.cut(session) if not asked and not fresh else None
            if before is not None and now - before.started_at > runs.WITHIN:
                note(f"the discovery of {before.started_at:%Y-%m-%d %H:%M} UTC was cut, more than a day ago: all hosts are visited anew")
                before = None
            age = timedelta(days=stale) if stale is not None else None
            rows = runs.left(session, before) if before else runs.chosen(session, hosts or (), outcomes, age, now)
            ways = space.ways(session)
            pairs = [(host.name, ways.peer(host.address)) for host in rows]
            earlier = unchanged.earlier(session, [host.id for host in rows], now)
            if before is not None:
                continued = True
                note(
                    f"the discovery of {before.started_at:%Y-%m-%d %H:%M} UTC was cut: {len(pairs)} hosts are left to visit "
                    "(--fresh visits all anew)"
                )
        _within_scope(space, [peer.address for _, peer in pairs])
        with book.session() as session:
            run = before.id if before is not None else runs.begin(session, asked, len(pairs), now).id
        settings = space.configuration.ssh
        deadlines = ssh.Deadlines(command=settings.command_seconds)
        done: list[dict[str, Any]] = []
        with _progress() as progress, storing.Writer(book, run, after=reconcile.identify_hosts) as writer:
            task = progress.add_task("visiting", total=len(pairs))
            for result in discovery.visit_and(discovery.pack, pairs, in_flight=settings.workers, deadlines=deadlines, earlier=earlier):
                writer.add(discovery.as_visit(result, catalogue.now()))
                done.append(
                    {
                        "host": result.host,
                        "outcome": result.outcome,
                        "seconds": round(result.seconds, 1),
                        "detail": result.detail,
                    }
                )
                progress.advance(task)
        ssh.close_bastions()
        with book.session() as session:
            counts = reconcile.update(session, catalogue.now())
            runs.finish(session, run, catalogue.now())
    done.sort(key=lambda row: str(row["host"]))
    if as_json:
        emit({"hosts": done, "sites": dict(counts), "continued": continued})
    else:
        shown = done if len(done) <= LISTED else [row for row in done if row["outcome"] != "ok"]
        empty = "there are no hosts: planner register import, planner hosts add"
        if done or asked or continued:
            empty = f"all {len(done)} hosts ended well" if done else "no host is left to visit"
        table(shown, ["host", "outcome", "seconds", "detail"], as_json=False, empty=empty)
        for ended in sorted({str(row["outcome"]) for row in done} - {"ok"}):
            note(f"{ended}: {ssh.OUTCOMES[ended]}")
        if len(shown) < len(done):
            note(f"hosts: {', '.join(f'{number} {ended}' for ended, number in sorted(Counter(row['outcome'] for row in done).items()))}")
        for name in writer.unknown:
            note(f"{visible(name)} left the catalogue while it was visited")
        note(f"sites: {_counts(counts)}")
    if done and not any(row["outcome"] in {"ok", "partial", "sudo"} for row in done):
        raise typer.Exit(HostError.exit_code)


def _within_scope(space: workspace.Workspace, addresses: Sequence[str]) -> None:
    scope = space.scope
    refused = [reason for address in addresses if (reason := scope.refuses(address))]
    if refused:
        raise InputError("\n".join(refused), hint=f"see scope in {space.root / workspace.FILE}")
    if len(addresses) > scope.cap:
        raise InputError(
            f"{len(addresses)} hosts are more than the scope's cap of {scope.cap}",
            hint="name fewer hosts, or raise scope.cap",
        )


def _counts(counts: Counter[str]) -> str:
    words = {
        "both": "declared and found",
        "undeclared": "found, declared nowhere",
        "missing": "declared, found nowhere",
        "unread": "declared, on servers that were not read",
    }
    return ", ".join(f"{counts[key]} {text}" for key, text in words.items() if counts[key]) or "none"


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def sites(
    unit: Annotated[str, typer.Option(help="Only this unit's.")] = "",
    status: Annotated[str, typer.Option(help="Only both, undeclared, missing or unread ones.")] = "",
    host: Annotated[str, typer.Option(help="Only those on this host, by its name or address.")] = "",
    application: Annotated[str, typer.Option(help="Only those of this application: WordPress, static, …")] = "",
    sort: Annotated[str, typer.Option(help=f"By {', '.join(sitelist.ORDERS)}; -bytes has the greatest first.")] = "site",
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    as_json: Annotated[bool, Json] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV (UTF-8) for a spreadsheet.")] = False,
) -> None:
    """All sites: declared and found (both), found only (undeclared: hidden), declared only (missing; unread: nobody looked)."""
    if sort.removeprefix("-") not in sitelist.ORDERS:
        raise InputError(f"--sort {sort!r}: there is no such column", hint=", ".join(sitelist.ORDERS))
    if as_csv and as_json:
        raise InputError("--csv and --json at once", hint="choose one")
    fields = list(sitelist.FIELDS) if as_json or as_csv else TABLE
    with workspace.find().open_catalogue().session() as session:
        rows = sitelist.rows(session, fields, unit=unit, status=status, host=host, application=application, sort=sort, limit=limit)
    if as_json:
        emit_rows(fields, rows, as_they_are={"names"})
    elif as_csv:
        names = fields.index("names")
        write_csv(fields, ([" ".join(json.loads(cell)) if at == names else cell for at, cell in enumerate(row)] for row in rows))
    else:
        from planner import wording

        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        if columns:
            columns[TABLE.index("bytes")] = ["?" if cell is None else wording.show("bytes", cell) for cell in columns[TABLE.index("bytes")]]
        table_of(["size" if name == "bytes" else name for name in TABLE], columns, empty="no sites yet: planner discover")


TABLE = ["site", "unit", "host", "status", "application", "version", "database", "bytes", "files", "newest", "requests_per_day"]
"""What the table shows of a site; --json and --csv give all fields."""


def _line(item: model.Workload) -> dict[str, Any]:
    facts = item.facts

    def value(name: str) -> Any:
        return facts.get(name, {}).get("value")

    return {
        "site": item.name, "names": item.names, "unit": item.unit_code, "host": item.host.name if item.host else None,
        "status": item.status, "application": value("application.name"), "version": value("application.version"),
        "static": value("site.static"), "docroot": value("site.docroot"), "database": value("database.name"),
        "bytes": value("content.bytes"), "files": value("content.files"), "newest": value("content.newest"),
        "requests_per_day": value("use.requests_per_day"), "last_hit": value("use.last"), "owner_reason": item.owner_reason,
    }  # fmt: skip


def show(
    site: Annotated[str, typer.Argument(help="A site by any of its names.")],
    evidence: Annotated[bool, typer.Option("--evidence", help="With each value, the host's raw line that proves it.")] = False,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Everything known of one site; with --evidence, down to the raw line, its host, time and privilege."""
    space = workspace.find()
    with space.open_catalogue().session() as session:
        item = catalogue.workload_by_name(session, site)
        facts = {name: dict(fact) for name, fact in sorted(item.facts.items())}
        if evidence:
            lines = Lines(session)
            for fact in facts.values():
                fact["lines"] = [lines.find(*place) for place in fact.get("evidence", [])[:3]]
        if as_json:
            emit({**_line(item), "facts": facts})
            return
        from planner import wording

        say(f"{visible(item.name)}   unit {item.unit_code or '?'} ({visible(item.owner_reason)})   status {item.status}")
        for name, fact in facts.items():
            why = f"   ({visible(fact['why'])})" if fact.get("why") else ""
            say(f"  {name:28} {visible(wording.show(name, fact['value']))}{why}")
            for line in fact.get("lines", []):
                say(f"      ← {visible(line)}")


class Lines:
    """Raw lines of stored transcripts, each transcript unpacked once."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.cache: dict[int, tuple[str, dict[str, list[str]]]] = {}

    def find(self, snapshot: Any, section: str, line: int) -> str:
        """`host, time, privilege, section:line: text`."""
        if not isinstance(snapshot, int):
            return f"{snapshot}: {section}"
        if snapshot not in self.cache:
            self.cache[snapshot] = self._unpack(snapshot)
        head, sections = self.cache[snapshot]
        lines = sections.get(section, [])
        text = lines[line - 1] if 0 < line <= len(lines) else "(not in the transcript)"
        return f"{head}, {section}:{line}: {text[:200]}"

    def _unpack(self, snapshot: int) -> tuple[str, dict[str, list[str]]]:
        row = self.session.get(model.Snapshot, snapshot)
        if row is None:
            return "(a snapshot that is gone)", {}
        from inventory import collector
        from inventory.probes import registry

        output = zlib.decompress(row.transcript)
        transcript = collector.read(output, collector.nonce_of(output), registry.PROBES)
        head = f"{row.host.name}, {row.taken_at:%Y-%m-%d %H:%M}, {row.privilege}"
        return head, {part.name: part.text.encode("utf-8", "replace").decode().split("\n") for part in transcript.sections}
