"""A schedule for calendar programs: an iCalendar file (RFC 5545) of whole-day events, for all or for one unit, in English or Chinese.

In: a schedule, its calendar, the moment that the file is made.  Out: bytes; the same input gives the same bytes.  An event's id comes from
what it is about, never from its date, so that a subscribed calendar moves the event when a date moves.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

from icalendar import Calendar as Document
from icalendar import Event
from pydantic import RootModel

from inventory import yamlfile
from inventory.errors import InputError
from planner.calendars import ALL, Calendar
from planner.i18n import translator
from planner.refusals import Sentence
from planner.reportwords import WORDS
from planner.schedules import Schedule, Scheduled

DOMAIN = "campus-planner"
"""The right side of event ids: a word of ours, since a host's name would change the ids when the planner moves."""


class _Words(RootModel[dict[str, Sentence]]):
    pass


@dataclass(frozen=True)
class _Entry:
    kind: str
    key: str
    first: date
    last: date
    name: str
    item: Scheduled | None = None


def export(schedule: Schedule, calendar: Calendar, stamp: datetime, *, language: str = "en", unit: str = "") -> bytes:
    """The file.  `stamp` needs a time zone (InputError); `unit` leaves only what concerns that unit."""
    if stamp.tzinfo is None:
        raise InputError("the moment of an export needs a time zone", hint="give one, as in 2026-09-01T08:00:00+08:00")
    document = Document()
    document.add("prodid", "-//campus-planner//migration calendar//EN")
    document.add("version", "2.0")
    document.add("calscale", "GREGORIAN")
    document.add("method", "PUBLISH")
    document.add("x-wr-calname", _word("title", language))
    entries = [*_moves(schedule, unit), *_blackouts(calendar, language, unit)]
    for entry in sorted(entries, key=lambda entry: (entry.first, entry.kind, entry.key)):
        document.add_component(_event(entry, stamp.astimezone(UTC), language))
    return bytes(document.to_ical())


def _moves(schedule: Schedule, unit: str) -> Iterator[_Entry]:
    for item in schedule.scheduled:
        if unit and item.unit != unit:
            continue
        days = {
            "cutover": item.cutover, "freeze": item.cutover, "notice": item.notice, "reminder": item.reminder, "ttl": item.ttl,
            "trial-end": item.end,
        }  # fmt: skip
        for kind, day in days.items():
            # A reminder on the letter's own day is none.
            if day is not None and not (kind == "reminder" and day == item.notice):
                yield _Entry(kind, item.name, day, day, item.name, item)


def _blackouts(calendar: Calendar, language: str, unit: str) -> Iterator[_Entry]:
    seen: Counter[str] = Counter()
    for item in sorted(calendar.blackouts, key=lambda item: (item.name, item.first, item.until, item.units, item.placements or ())):
        # “Term start” comes twice a year: the first one stays the first one when its days are corrected.
        seen[item.name] += 1
        if not unit or item.units == (ALL,) or unit in item.units:
            shown = item.name_zh if language == "zh_CN" and item.name_zh else item.name
            whom = "" if item.units == (ALL,) else f" ({', '.join(item.units)})"
            yield _Entry("blackout", f"{item.name} {seen[item.name]}", item.first, item.until, shown + whom)


def _event(entry: _Entry, stamp: datetime, language: str) -> Event:
    event = Event()
    event.add("uid", f"{hashlib.sha256(f'{entry.kind} {entry.key}'.encode('utf-8', 'replace')).hexdigest()[:32]}@{DOMAIN}")
    event.add("dtstamp", stamp)
    event.add("dtstart", entry.first)
    event.add("dtend", entry.last + timedelta(1))  # RFC 5545: the end of a whole-day event is the day after
    unit = entry.item.unit if entry.item else ""
    event.add("summary", _word(entry.kind, language, name=entry.name, unit=unit or "?"))
    event.add("categories", [entry.kind])
    event.add("transp", "OPAQUE" if entry.kind == "cutover" else "TRANSPARENT")
    if entry.item is not None and entry.kind == "cutover":
        event.add("description", _description(entry.item, language))
    return event


def _description(item: Scheduled, language: str) -> str:
    placement = translator(language).gettext(WORDS.get(item.placement, item.placement)) if item.placement else "?"
    lines = [_word("about", language, unit=item.unit or "?", placement=placement, wave=str(item.wave))]
    if item.why_not_earlier:
        lines += [_word("why", language), *(plain(reason.sentence(language)) for reason in item.why_not_earlier)]
    return "\n".join(lines)


def plain(text: str) -> str:
    """Observed text in one line: what controls a screen, a line or the direction of writing becomes a space."""
    return " ".join("".join(" " if unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else sign for sign in text).split())


@cache
def _words() -> dict[str, Sentence]:
    return yamlfile.read(Path(__file__).with_suffix(".yml")).validate(_Words).root


def _word(kind: str, language: str, **values: str) -> str:
    sentence = _words()[kind]
    text = sentence.message_zh if language == "zh_CN" else sentence.message
    return re.sub(r"\{([a-z]+)\}", lambda match: plain(values[match.group(1)]), text)
