"""`planner status`, `planner log`: where each move stands, looked at once or all the time, and everything that was said and done."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from sqlalchemy import select

from inventory import catalogue, model
from planner import admission, approvals, audit, journal, workspace
from planner.cli.carry import newest
from planner.cli.carry import states as read_states
from planner.cli.options import PlanNamed, as_date
from planner.cli.output import Json, emit, say, table, visible

EVERY = 2.0
"""Seconds between two looks of `--watch`."""
COLUMNS = ["wave", "move", "placement", "state", "next", "done", "of", "since", "last", "error", "held"]


def add(app: typer.Typer) -> None:
    """Hang the commands into the application."""
    app.command("status")(status)
    app.command("log")(log)


def status(
    plan_id: PlanNamed = "",
    watch: Annotated[bool, typer.Option("--watch", help="Look again every two seconds, until Ctrl-C.")] = False,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Where each move stands: steps done, failures with their reason, who works on it, and what holds back those that wait."""
    space = workspace.find()
    book = space.open_catalogue()
    while True:
        document = newest(book, space, plan_id)
        rows, by = _rows(book, document)
        if watch and sys.stdout.isatty():
            Console().clear()
        if not as_json:
            say(f"{document['id']}  fingerprint {document['fingerprint']}  {by}")
        table(rows, COLUMNS, as_json=as_json, empty="nothing moves")
        if not watch:
            return
        sys.stdout.flush()
        time.sleep(EVERY)


def _rows(book: catalogue.Catalogue, document: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    states = read_states(book, document)
    with book.session() as session:
        approval = approvals.approval(session, document)
        held = admission.held(session, document, states)
        working = {row.name.partition(":")[2]: row.who for row in session.scalars(select(model.Lease)) if row.name.startswith("move:")}
    rows = []
    for move in document["moves"]:
        now, by_planner = states[move["id"]], move["carried_out"] == "planner"
        rows.append(
            {
                "wave": move["wave"], "move": move["id"], "placement": move["placement"],
                "state": now.name if by_planner or now.name == "done" else move["carried_out"],
                "next": (now.next or "") if by_planner else "",
                "done": sum(value == "done" for value in now.steps.values()), "of": len(now.steps),
                "since": _since(now), "working": working.get(move["id"], ""),
                "last": now.last.strftime("%Y-%m-%d %H:%M:%S") if now.last else "", "error": now.error, "steps": now.steps,
                "held": held.get(move["id"], []) if by_planner and not now.touched else [],
                "by": now.by,
            }
        )  # fmt: skip
    return rows, f"approved by {visible(approval.by)} on {approval.at:%Y-%m-%d}" if approval else "not approved"


def _since(now: journal.MoveState) -> str:
    """For how long a step has been under way."""
    if now.last is None or not set(now.steps.values()) & {"started", "undoing"}:
        return ""
    seconds = (catalogue.now() - now.last).total_seconds()
    return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s" if seconds >= 60 else f"{seconds:.0f} s"


def log(
    move: Annotated[str, typer.Argument(help="Only this move, or lines with this word.")] = "",
    plan: Annotated[str, typer.Option("--plan", help="Only this plan.")] = "",
    since: Annotated[str, typer.Option("--since", help="From this day on, YYYY-MM-DD.")] = "",
    last: Annotated[int, typer.Option("--last", help="Only so many of the newest; 0: all.", min=0)] = 0,
    as_json: Annotated[bool, Json] = False,
) -> None:
    """Who said or did what, when, to which plan: the audit log, which only grows."""
    day = as_date(since)
    with workspace.find().open_catalogue().session() as session:
        begin = datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None
        rows = audit.read(session, plan=visible(plan), subject=visible(move), since=begin, last=last)
        lines: list[dict[str, Any]] = [
            {
                "at": row.at.strftime("%Y-%m-%d %H:%M:%S"), "by": row.by, "action": row.action, "subject": row.subject, "plan": row.plan_id,
                "fingerprint": row.fingerprint[:12], "run": row.run, "detail": row.detail,
            }
            for row in rows
        ]  # fmt: skip
    if as_json:
        emit(lines)
        return
    for line in lines:
        line["detail"] = "; ".join(f"{key} {_plain(value)}" for key, value in line["detail"].items())
    table(lines, ["at", "by", "action", "subject", "plan", "detail"], as_json=False, empty="nothing was said or done yet")


def _plain(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
