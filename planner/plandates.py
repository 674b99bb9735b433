"""A plan's dates as a schedule again, and as an iCalendar file for the admins' and the units' calendars.  Pure.

In: a plan's document, the calendar that it was made with, the moment that it was made.  Out: the bytes of an .ics file.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from planner import icalendar
from planner.calendars import Calendar
from planner.schedules import Schedule, Scheduled


def schedule(document: Mapping[str, Any]) -> Schedule:
    """The dates of a document.  Why a night was refused stands there as text and is not taken back."""
    scheduled = tuple(_scheduled(move) for move in document["moves"] if move["schedule"])
    ordered = sorted(scheduled, key=lambda item: (item.cutover, item.name))
    return Schedule(date.fromisoformat(document["first_day"]), tuple(ordered), (), (), ())


def _scheduled(move: Mapping[str, Any]) -> Scheduled:
    dates = move["schedule"]
    day = {name: date.fromisoformat(value) for name, value in dates.items() if isinstance(value, str)}
    return Scheduled(
        move["id"], move["unit"], move["placement"], move["group"], move["wave"], bool(dates["pilot"]), bool(dates["pinned"]), day["start"],
        day.get("notice"), None, None, day.get("ttl_lowered", day["cutover"]), day["cutover"], day["end"], (),
    )  # fmt: skip


def exported(document: Mapping[str, Any], calendar: Calendar, at: datetime, language: str = "en", unit: str = "") -> bytes:
    """The file; `unit` leaves only what concerns that unit.  Raises InputError."""
    return icalendar.export(schedule(document), calendar, at, language=language, unit=unit)
