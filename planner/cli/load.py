"""`planner sample` and `planner usage`: how busy hosts are, by repeated short visits and by what they keep themselves."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from sqlalchemy import select

from inventory import catalogue, model
from inventory.errors import HostError, InputError
from planner import workspace
from planner.cli.output import Json, emit, note, table, visible

SECTION = frozenset({"usage"})


def add(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    app.command("sample")(sample)
    app.command("usage")(usage)


def sample(
    hosts: Annotated[list[str] | None, typer.Argument(help="Hosts by name or address; none: all.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How many samples to take of each.")] = 1,
    every: Annotated[float, typer.Option(min=1, help="Minutes between two rounds.")] = 10,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Take samples of how busy hosts are: one short visit each, one section, the kernel's counters; nothing else is read.

    Two samples give rates; days of them give a size. Run it by cron or a timer every ten minutes, or let it stay with --rounds.
    """
    from inventory import discovery, sampling, ssh

    space = workspace.find()
    book = space.open_catalogue()
    taken: list[dict[str, Any]] = []
    for turn in range(rounds):
        if turn:
            time.sleep(every * 60)
        with book.session() as session:
            rows = list(session.scalars(select(model.Host).order_by(model.Host.name)))
            chosen = [catalogue.host_by_name(session, name) for name in hosts] if hosts else rows
            refused = [reason for host in chosen if (reason := space.scope.refuses(host.address))]
            if refused:
                raise InputError("\n".join(refused), hint=f"see scope in {space.root / workspace.FILE}")
            ways = space.ways(session)
            pairs = [(host.name, ways.peer(host.address)) for host in chosen]
            ids = {host.name: host.id for host in chosen}
        deadlines = ssh.Deadlines(command=60)
        with space.lock("sampling"):
            for result in discovery.visit_and(
                _counters, pairs, in_flight=space.configuration.ssh.workers, deadlines=deadlines, sections=SECTION
            ):
                name, outcome, at, data = result
                if data is not None:
                    with book.session() as session:
                        sampling.store(session, ids[name], at, data)
                taken.append({"host": name, "at": f"{at:%Y-%m-%d %H:%M:%S}", "outcome": outcome, "taken": data is not None})
            ssh.close_bastions()
    taken.sort(key=lambda row: (str(row["at"]), str(row["host"])))
    table(
        taken, ["host", "at", "outcome", "taken"], as_json=as_json, empty="there are no hosts: planner register import, planner hosts add"
    )
    if taken and not any(row["taken"] for row in taken):
        raise typer.Exit(HostError.exit_code)


def _counters(result: Any) -> tuple[str, str, datetime, dict[str, Any] | None]:
    """A visit's sample; done where the visit was made, so that only this goes through the pipe."""
    data = next((dict(item.data) for _, item in result.observations if item.kind == "usage_sample"), None)
    seconds = (data or {}).get("time")
    at = datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, (int, float)) else datetime.now(UTC)
    now = datetime.now(UTC)
    # a host's clock may be years off; the order of its samples is by ours then
    return result.host, result.outcome, (at if abs(now - at) < timedelta(hours=1) else now).replace(microsecond=0), data


def usage(
    hosts: Annotated[list[str] | None, typer.Argument(help="Hosts by name or address; none: all.")] = None,
    days: Annotated[float, typer.Option(min=0.01, help="Only our own samples of the last so many days.")] = 30,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """How busy hosts are, with the count and the span that each figure rests on: our samples, sysstat's days, the averages since boot."""
    from inventory import sampling

    space = workspace.find()
    rows: list[dict[str, Any]] = []
    with space.open_catalogue().session() as session:
        every = list(session.scalars(select(model.Host).order_by(model.Host.name)))
        for host in [catalogue.host_by_name(session, name) for name in hosts] if hosts else every:
            for load in sampling.loads(session, host.id, timedelta(days=days), catalogue.now()):
                rows.append({"host": host.name, **vars(load)})
    if as_json:
        emit(rows)
        return
    shown = [
        {
            "host": visible(row["host"]), "source": row["source"], "rates": row["count"], "span": _span(row["span_s"]),
            "covered": _span(row["covered_s"]), "cpu": _figure(row, "cpu_percent"), "memory": _figure(row, "memory_percent"),
            "disk_io": _figure(row, "disk_tps", ""), "net_in": _figure(row, "net_in_kbps", " kB/s"),
        }
        for row in rows
    ]  # fmt: skip
    columns: Sequence[str] = ["host", "source", "rates", "span", "covered", "cpu", "memory", "disk_io", "net_in"]
    table(shown, columns, as_json=False, empty="nothing is known yet: planner discover, then planner sample twice")
    if shown:
        note("mean / 95 % / highest, where the source keeps them")


def _span(seconds: float) -> str:
    days, rest = divmod(int(seconds), 86_400)
    return f"{days} d {rest // 3600} h" if days else f"{rest // 3600} h {rest % 3600 // 60} min"


def _figure(row: dict[str, Any], name: str, unit: str = " %") -> str:
    told = row["figures"].get(name)
    if told is None:
        return "?"
    return " / ".join(f"{told[key]:g}" for key in ("mean", "p95", "max") if key in told) + unit
