"""Subjects as the schedule takes them, and their dates.  Pure.

In: subjects that move, their groups, the calendar.  Out: `Move`s; a `Schedule`, and the moves whose server's contract ends before it.

The end of a server's contract orders moves and is kept where it can be.  Where no night is left before it, or it is past, the move is laid
without it and the plan says so: what nobody maintains any more must move all the sooner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from planner import waves
from planner.calendars import Calendar
from planner.groups import Groups
from planner.moves import Move
from planner.planning import writing
from planner.planning.subjects import Subject
from planner.policy import RuleSet
from planner.schedules import Schedule


def moves(items: Sequence[Subject], ids: Mapping[str, str], made: Groups, rules: RuleSet) -> list[Move]:
    """Subjects as the schedule takes them."""
    members = {group.name: group.members for group in made.groups}
    after = {group.name: sorted(name for before in group.after for name in members[before]) for group in made.groups}
    return [_move(item, ids[item.name], made.of[ids[item.name]], after[made.of[ids[item.name]]], rules) for item in items]


def schedule(
    wanted: Sequence[Move], calendar: Calendar, first_day: date, former: Schedule | None = None
) -> tuple[Schedule, dict[str, date]]:
    """(the dates, moves that were laid without regard to their server's contract → its end)."""
    late = {move.name: move.not_after for move in wanted if move.not_after is not None and move.not_after < first_day}
    laid = [replace(move, not_after=None) if move.name in late else move for move in wanted]
    while True:
        found = waves.schedule(laid, calendar, first_day, former=former)
        undated = {item.name for item in found.unscheduled}
        stuck = {move.name: move.not_after for move in laid if move.not_after is not None and move.name in undated}
        if not stuck:
            return found, {name: day for name, day in sorted(late.items()) if day is not None}
        late |= stuck
        laid = [replace(move, not_after=None) if move.name in stuck else move for move in laid]


def _move(item: Subject, identity: str, group: str, after: Sequence[str], rules: RuleSet) -> Move:
    taken = writing.hours(item, rules)
    ttls = [int(record["ttl"]) for record in item.records if item.address in record["values"]]
    return Move(
        identity, item.unit, item.placement, group, taken, None if item.placement == "colocation" else item.bytes, item.host,
        item.placement, ttl_s=max(ttls, default=None), risk=_risk(item, sum(taken.values())), urgency=_urgency(item), after=after,
        pinned=item.pinned, not_after=None if item.placement == "colocation" else _day(item.value("server.contract_end")),
    )  # fmt: skip


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None


def _risk(item: Subject, hours: float) -> float:
    """What can go wrong: work, visitors and the verdict's doubts.  Orders pilots only; the first moves should be harmless."""
    visits = float(item.value("use.requests_per_day", 0) or 0)
    return round(hours + min(20.0, visits / 500) + 10 * (1 - item.verdict.confidence) + 5 * (item.verdict.strength != "dominant"), 3)


def _urgency(item: Subject) -> float:
    """What should not wait: systems without security updates first, then PHP without, then certificates that run out."""
    days = item.value("tls.days_left")
    return (
        4.0 * (item.value("host.os_supported") is False) + 2.0 * (item.value("site.php_supported") is False)
        + 1.0 * (isinstance(days, (int, float)) and days < 60)
    )  # fmt: skip
