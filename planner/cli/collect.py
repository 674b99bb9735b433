"""`planner collector`, `import-transcript`, `reparse`, `changes`: hosts we may not log in to, and readings compared with earlier ones."""

from __future__ import annotations

import re
import secrets
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, changes, collector, discovery, model, reconcile, transcripts
from inventory.errors import InputError, NotFound
from inventory.probes import registry
from inventory.probes.base import Observation
from planner import workspace
from planner.cli.output import Json, emit, note, table, visible
from planner.cli.version import version


def add(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    app.command("collector")(collector_script)
    app.command("import-transcript")(import_transcript)
    app.command("reparse")(reparse)
    app.command("changes")(show_changes)


def collector_script(
    output: Annotated[Path | None, typer.Option(help="Write the script to this file; without it, to stdout.")] = None,
    send_to: Annotated[str, typer.Option(help="Who gets the output: an address that the script's header names.")] = "",
) -> None:
    """Write the collector as a script that a unit's admin runs on a host we may not log in to: `sh collect.sh > out.txt`."""
    text = collector.stand_alone(registry.PROBES, secrets.token_hex(12), version(), send_to)
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{output}: {error.strerror or error}", hint="choose another file with --output") from error
    note(f"wrote {output}, sha256 of its body {collector.digest_of(text)}")


def import_transcript(
    files: Annotated[list[Path], typer.Argument(help="Outputs of the collector's script, plain or gzipped.")],
    host: Annotated[str, typer.Option(help="Whose it is: NAME of the catalogue, or NAME=ADDRESS of a new host; for one FILE.")] = "",
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Store what units' admins collected with the script of `planner collector`, as if we had visited.  A bad file stops no other."""
    if host and len(files) > 1:
        raise InputError("--host says whose one file is; there are several", hint="import them one by one")
    space = workspace.find()
    book = space.open_catalogue()
    done: list[dict[str, Any]] = []
    rejected: list[dict[str, Any]] = []
    with space.lock("discovery"):
        for path in files:
            try:
                done.append(_import(book, path, host))
            except transcripts.Rejected as error:
                rejected.append({"file": str(path), "line": error.line, "reason": error.reason, "hint": error.hint})
        with book.session() as session:
            counts = reconcile.update(session, catalogue.now())
    if as_json:
        emit({"files": done, "rejected": rejected, "sites": dict(counts)})
    else:
        table(done, ["file", "host", "address", "outcome", "facts", "detail"], as_json=False, empty="nothing was imported")
        for row in rejected:
            hint = f"\n  → {visible(row['hint'])}" if row["hint"] else ""
            note(f"rejected {visible(row['file'])}:{row['line']}: {visible(row['reason'])}{hint}")
        note(f"sites: {', '.join(f'{number} {status}' for status, number in sorted(counts.items())) or 'none'}")
    if rejected:
        raise typer.Exit(InputError.exit_code)


def _import(book: catalogue.Catalogue, path: Path, asked: str) -> dict[str, Any]:
    file = transcripts.read(transcripts.load(path), path.name)
    with book.session() as session:
        # a host made for a file that is then refused goes again with this transaction
        host = transcripts.host_for(session, file, asked)
        made = transcripts.result(file, host, catalogue.now())
        again = transcripts.standing(session, host, made)
        if not again:
            discovery.store_in(session, host, made, catalogue.now())
    outcome, detail = ("known", "imported before: nothing to do") if again else (made.outcome, made.detail)
    return {
        "file": str(path), "host": made.host, "address": made.address, "outcome": outcome, "detail": detail,
        "facts": len(made.observations), "taken_at": made.at, "sha256": file.sha256,
    }  # fmt: skip


class _DryRun(Exception):
    """Takes the transaction back."""


def reparse(
    hosts: Annotated[list[str] | None, typer.Argument(help="Hosts by name or address; none: all.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Parse the newest stored transcripts again, after an upgrade, without visiting; say what that changes, and store it."""
    space = workspace.find()
    book = space.open_catalogue()
    rows: list[dict[str, Any]] = []
    left: dict[str, str] = {}
    numbers: Counter[str] = Counter()
    with space.lock("discovery"):
        try:
            with book.session() as session:
                rows, left, numbers = _reparse(session, hosts)
                if dry_run:
                    raise _DryRun
        except _DryRun:
            pass
    if as_json:
        emit({"changes": rows, "left": left, "hosts": numbers["hosts"], "counts": _counts(rows), "stored": not dry_run})
        return
    _print(rows, "today's parsers read the same as is stored")
    for name, why in left.items():
        note(f"left as it was: {visible(name)}: {visible(why)}")
    end = "; nothing was stored" if dry_run else ""
    note(f"{numbers['hosts']} hosts parsed again, {len(left)} left wholly or in part; {_said(rows)}{end}")


def _reparse(session: Session, names: list[str] | None) -> tuple[list[dict[str, Any]], dict[str, str], Counter[str]]:
    hosts = _hosts(session, names)
    before = {host.id: _known(session, host) for host in hosts}
    facts = _facts(session)
    left: dict[str, str] = {}
    numbers: Counter[str] = Counter()
    for host, why in transcripts.reparse(session, hosts):
        numbers["hosts"] += not why
        if why:
            left[host.name] = why
    session.flush()
    reconcile.update(session, catalogue.now())
    session.flush()
    rows = []
    for host in hosts:
        for change in changes.host_changes(before[host.id], _known(session, host), everything=True):
            rows.append(_row(host.name, change))
    owner = {item.name: item.host.name if item.host else "" for item in session.scalars(select(model.Workload))}
    for change in changes.site_changes(facts, _facts(session), everything=True):
        rows.append(_row(owner.get(change.site, ""), change))
    return rows, left, numbers


def _known(session: Session, host: model.Host) -> changes.Reading:
    rows = catalogue.observations(session, host.id)
    found = [(row.section, Observation(row.kind, row.data, row.line)) for row in rows]
    return changes.Reading(found, "root", frozenset())


def _facts(session: Session) -> dict[str, dict[str, Any]]:
    session.expire_all()
    return {item.name: dict(item.facts) for item in session.scalars(select(model.Workload))}


def _hosts(session: Session, names: list[str] | None) -> list[model.Host]:
    if names:
        return [catalogue.host_by_name(session, name) for name in dict.fromkeys(names)]
    return list(session.scalars(select(model.Host).order_by(model.Host.name)))


def show_changes(
    subject: Annotated[str, typer.Argument(metavar="[HOST|SITE]", help="One host, or one site by any of its names; none: all.")] = "",
    since: Annotated[
        str, typer.Option(help="Against the reading of then: 2026-11-01, 2026-11-01T08:30 (UTC) or 7d, 12h ago; without: the one before.")
    ] = "",
    as_json: Annotated[bool, Json] = False,
) -> None:
    """What changed on hosts and sites between their newest reading and an earlier one; what could not be read is never `removed`."""
    moment = _moment(since, catalogue.now()) if since else None
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    with workspace.find().open_catalogue().session() as session:
        hosts, site = _subject(session, subject)
        for host in hosts:
            found, why = _host_changes(session, host, moment)
            notes += [f"{host.name}: {why}"] if why else []
            rows += [row for row in found if not site or row["site"] == site]
    if as_json:
        emit({"changes": rows, "notes": notes, "counts": _counts(rows)})
        return
    _print(rows, "nothing changed")
    for text in notes:
        note(visible(text))


def _subject(session: Session, name: str) -> tuple[list[model.Host], str]:
    if not name:
        return _hosts(session, None), ""
    try:
        return [catalogue.host_by_name(session, name)], ""
    except NotFound:
        item = catalogue.workload_by_name(session, name)
    if item.host is None:
        raise NotFound(f"the site {item.name!r} was found on no host", hint="planner sites --status missing")
    # a site that two hosts serve stands as NAME@HOST for the second one; its readings know it as NAME
    return [item.host], item.name.removesuffix(f"@{item.host.name}")


def _host_changes(session: Session, host: model.Host, moment: datetime | None) -> tuple[list[dict[str, Any]], str]:
    new = transcripts.newest(session, host)
    if new is None:
        return [], "never read"
    old = transcripts.earlier(session, new, moment)
    if old is None:
        return [], f"read only once, {new.taken_at:%Y-%m-%d %H:%M}"
    readings = []
    for snapshot in (old, new):
        try:
            transcript, found = transcripts.stored(snapshot)
        except transcripts.Unreadable as error:
            return [], f"the reading of {snapshot.taken_at:%Y-%m-%d %H:%M} cannot be compared: {error}"
        readings.append(changes.Reading.of(transcript, found, snapshot.id))
    times = {"from": old.taken_at, "to": new.taken_at}
    late = moment is not None and old.taken_at > moment
    why = f"nothing is kept from {moment:%Y-%m-%d %H:%M}; compared with {old.taken_at:%Y-%m-%d %H:%M}" if late and moment else ""
    return [{**_row(host.name, change), **times} for change in changes.compare(host.name, *readings)], why


def _moment(text: str, now: datetime) -> datetime:
    hours = {"h": 1, "d": 24, "w": 168}
    try:
        if ago := re.fullmatch(r"([0-9]{1,6})([hdw])", text.strip()):
            return now - timedelta(hours=int(ago.group(1)) * hours[ago.group(2)])
        given = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError) as error:
        raise InputError(f"--since {text!r} is not a time", hint="2026-11-01, 2026-11-01T08:30 or 7d") from error
    return given if given.tzinfo else given.replace(tzinfo=UTC)


def _row(host: str, change: changes.Change) -> dict[str, Any]:
    return {
        "host": host, "site": change.site, "what": change.what, "key": change.key, "field": change.field,
        "change": change.change, "before": change.before, "after": change.after,
    }  # fmt: skip


def _counts(rows: list[dict[str, Any]]) -> dict[str, int]:
    return dict(sorted(Counter(row["change"] for row in rows).items()))


def _said(rows: list[dict[str, Any]]) -> str:
    return ", ".join(f"{number} {word}" for word, number in _counts(rows).items()) or "no change"


def _print(rows: list[dict[str, Any]], empty: str) -> None:
    shown = []
    for row in rows:
        name = " ".join(part for part in (row["what"], row["key"], row["field"]) if part)
        line = {"host": row["host"], "site": row["site"], "change": row["change"], "what": _short(name)}
        # what came or went whole is named by its key; --json has all of it
        whole = not row["field"] and not row["site"]
        shown.append(line | {end: "" if whole else _short(row[end]) for end in ("before", "after")})
    table(shown, ["host", "site", "change", "what", "before", "after"], as_json=False, empty=empty)


def _short(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= 120 else text[:119] + "…"
