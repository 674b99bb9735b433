"""`planner discover`, `sites`, `show`: visit the hosts, list what was found, and lead from a value to the line that proves it."""

from __future__ import annotations

import zlib
from collections import Counter
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, discovery, model, reconcile, ssh
from inventory.errors import HostError, InputError
from planner import policy, workspace
from planner.cli.output import Json, emit, note, say, table, visible


def add(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    app.command("discover")(discover)
    app.command("sites")(sites)
    app.command("show")(show)


def discover(
    hosts: Annotated[list[str] | None, typer.Argument(help="Hosts by name or address; none: all.")] = None,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Visit hosts over SSH and store what they say.  Nothing is changed there.  A bad host never stops the others."""
    space = workspace.find()
    book = space.open_catalogue()
    with book.session() as session:
        rows = list(session.scalars(select(model.Host).order_by(model.Host.name)))
        chosen = [catalogue.host_by_name(session, name) for name in hosts] if hosts else rows
        keys = discovery.trusted(session)
        pairs = [(host.name, space.peer(host.address, keys.get(host.address, {}))) for host in chosen]
    scope = space.scope
    refused = [reason for _, peer in pairs if (reason := scope.refuses(peer.address))]
    if refused:
        raise InputError("\n".join(refused), hint=f"see scope in {space.root / workspace.FILE}")
    if len(pairs) > scope.cap:
        raise InputError(
            f"{len(pairs)} hosts are more than the scope's cap of {scope.cap}",
            hint="name fewer hosts, or raise scope.cap",
        )
    settings = space.configuration.ssh
    deadlines = ssh.Deadlines(command=settings.command_seconds)
    done: list[dict[str, Any]] = []
    with space.lock("discovery"), _progress() as progress:
        task = progress.add_task("visiting", total=len(pairs))
        for result in discovery.visit_all(pairs, in_flight=settings.workers, deadlines=deadlines):
            discovery.store(book, result)
            done.append(
                {
                    "host": result.host,
                    "outcome": result.outcome,
                    "seconds": round(result.seconds, 1),
                    "detail": result.detail,
                }
            )
            progress.advance(task)
    with book.session() as session:
        counts = reconcile.update(session, catalogue.now())
    done.sort(key=lambda row: str(row["host"]))
    if as_json:
        emit({"hosts": done, "sites": dict(counts)})
    else:
        table(
            done,
            ["host", "outcome", "seconds", "detail"],
            as_json=False,
            empty="there are no hosts: planner register import, planner hosts add",
        )
        for outcome in sorted({str(row["outcome"]) for row in done} - {"ok"}):
            note(f"{outcome}: {ssh.OUTCOMES[outcome]}")
        note(f"sites: {_counts(counts)}")
    if done and not any(row["outcome"] in {"ok", "partial"} for row in done):
        raise typer.Exit(HostError.exit_code)


def _counts(counts: Counter[str]) -> str:
    words = {
        "both": "declared and found",
        "undeclared": "found, declared nowhere",
        "missing": "declared, found nowhere",
    }
    return ", ".join(f"{counts[key]} {text}" for key, text in words.items() if counts[key]) or "none"


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def sites(
    unit: Annotated[str, typer.Option(help="Only this unit's.")] = "",
    status: Annotated[str, typer.Option(help="Only both, undeclared or missing ones.")] = "",
    as_json: Annotated[bool, Json] = False,
) -> None:
    """All sites: declared and found (both), found only (undeclared: hidden), declared only (missing)."""
    space = workspace.find()
    with space.open_catalogue().session() as session:
        rows = []
        for item in session.scalars(select(model.Workload).order_by(model.Workload.name)):
            if (unit and item.unit_code != unit) or (status and item.status != status):
                continue
            rows.append(_line(item))
    if as_json:
        emit(rows)
        return
    for row in rows:
        row["size"] = policy.show("bytes", row["bytes"]) if row["bytes"] is not None else "?"
    table(
        rows, ["site", "unit", "host", "status", "application", "version", "database", "size", "files", "newest", "requests_per_day"],
        as_json=False, empty="no sites yet: planner discover",
    )  # fmt: skip


def _line(item: model.Workload) -> dict[str, Any]:
    def value(name: str) -> Any:
        return item.facts.get(name, {}).get("value")

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
            lines = _Lines(session)
            for fact in facts.values():
                fact["lines"] = [lines.find(*place) for place in fact.get("evidence", [])[:3]]
        if as_json:
            emit({**_line(item), "facts": facts})
            return
        say(f"{visible(item.name)}   unit {item.unit_code or '?'} ({visible(item.owner_reason)})   status {item.status}")
        for name, fact in facts.items():
            why = f"   ({visible(fact['why'])})" if fact.get("why") else ""
            say(f"  {name:28} {visible(policy.show(name, fact['value']))}{why}")
            for line in fact.get("lines", []):
                say(f"      ← {visible(line)}")


class _Lines:
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
