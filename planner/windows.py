"""The hours in which a move's steps may be done: from its preparation's first day on, and in its night.  Pure.

In: a move's dates in a plan, the calendar, a moment.  Out: whether a step may begin then, and if not, why not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from planner.calendars import Calendar
from planner.movesteps import When

MORNING = time(12)
"""Where the calendar states no hours, a night ends at noon of the day after its evening."""


@dataclass(frozen=True)
class Window:
    """From `opens` on (included) until `closes` (not included), both aware."""

    opens: datetime
    closes: datetime

    def __str__(self) -> str:
        """For people, in the calendar's zone."""
        return f"{self.opens:%Y-%m-%d %H:%M} to {self.closes:%Y-%m-%d %H:%M %Z}".rstrip()


def _at(day: date, hour: time, calendar: Calendar) -> datetime:
    """A moment of the calendar's zone.  Without a zone, of this machine's: `astimezone` knows its summer time for each day."""
    moment = datetime.combine(day, hour)
    return moment.replace(tzinfo=calendar.tz) if calendar.tz else moment.astimezone()


def night(day: date, calendar: Calendar) -> Window:
    """The night that begins on a day.  Hours that end before they begin reach into the next day."""
    first, until = calendar.nights.first, calendar.nights.until
    if first is None or until is None:
        return Window(_at(day, time(0), calendar), _at(day + timedelta(days=1), MORNING, calendar))
    return Window(_at(day, first, calendar), _at(day + timedelta(days=until <= first), until, calendar))


def closed(schedule: Mapping[str, Any] | None, when: When, calendar: Calendar, now: datetime) -> str:
    """Why a step of a move with these dates may not begin now, '' when it may."""
    if when == "any time":
        return ""
    if schedule is None:
        return "it has no date: planner plan show says why"
    if when == "preparation":
        opens = _at(date.fromisoformat(schedule["start"]), time(0), calendar)
        return f"its preparation begins on {schedule['start']}" if now < opens else ""
    window = night(date.fromisoformat(schedule["cutover"]), calendar)
    if now < window.opens:
        return f"its night is {window}"
    if now >= window.closes:
        return f"its night is over ({window}): planner plan makes new dates, planner plan shift MOVE --to DAY another one"
    return ""
