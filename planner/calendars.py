"""The workspace's `calendar.yml`: on which nights moves may be cut over, and how much work, transfer and risk a day can take.

In: the file's text.  Out: a frozen `Calendar`.  Raises ConfigurationError with `file:line:column` for all problems at once.  Without the
file nothing is invented: `ABSENT` has no notice period, no blackout and no pilots, and `stated` is False so that a schedule says it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, time, tzinfo
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from inventory import yamlfile
from inventory.errors import ConfigurationError

FILE = "calendar.yml"
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ALL = "all"
EARLIEST, LATEST = date(1990, 1, 1), date(2999, 12, 31)
"""Days beyond are slips of the pen, and reckoning with them would leave what a date can hold."""


def _day(value: Any) -> Any:
    """Only `2026-09-01`: a lenient reader would take `20260901` for seconds since 1970."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        value = date.fromisoformat(value)
    if not isinstance(value, date):
        raise ValueError("a day is written 2026-09-01")
    if not EARLIEST <= value <= LATEST:
        raise ValueError(f"the day lies outside {EARLIEST} to {LATEST}")
    return value


def _hour(value: Any) -> Any:
    """Only `22:00`: YAML's older readers take it for a number of minutes."""
    if isinstance(value, time):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value, re.ASCII):
        raise ValueError("an hour is written 22:00")
    return time.fromisoformat(value)


def _zone(value: Any) -> Any:
    try:
        ZoneInfo(str(value))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("no time zone of this machine: Asia/Shanghai is one where tzdata is installed") from None
    return value


def _some(value: Any) -> Any:
    """A list with something in it.  (A minimum length would also complain of a list whose only entry is wrong.)"""
    if isinstance(value, (list, tuple)) and not value:
        raise ValueError("the list is empty: leave the key out where it does not matter")
    return value


def _codes(value: Any) -> Any:
    if value == ALL:
        return (ALL,)
    if isinstance(value, str):
        raise ValueError("a list of unit codes, or the word all")
    return _some(value)


Day = Annotated[date, BeforeValidator(_day)]
Units = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_codes)]
Hour = Annotated[time, BeforeValidator(_hour)]
Hours = Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Days = Annotated[int, Field(ge=0, le=3650)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    @model_validator(mode="before")
    @classmethod
    def _nothing_written(cls, data: Any) -> Any:
        """A key with nothing behind it (all its entries are comments) says nothing."""
        return {key: value for key, value in data.items() if value not in ("", None)} if isinstance(data, Mapping) else data


class _Range(_Strict):
    """Days from `from` to `until`, both included."""

    first: Day = Field(alias="from")
    until: Day

    @model_validator(mode="after")
    def _in_order(self) -> _Range:
        if self.until < self.first:
            raise ValueError(f"until {self.until} lies before from {self.first}")
        return self


class Nights(_Strict):
    """What one night can take, and its hours: from an evening to the next morning (or within one day), in the calendar's zone.

    Without hours a night is the whole of its day and the morning after it.
    """

    cutovers: Count = 5
    first: Hour | None = Field(default=None, alias="from")
    until: Hour | None = None

    @model_validator(mode="after")
    def _both(self) -> Nights:
        if (self.first is None) != (self.until is None):
            raise ValueError("from and until are given together")
        if self.first is not None and self.first == self.until:
            raise ValueError("from and until are the same hour")
        return self


class Blackout(_Range):
    """Days on whose nights nothing is cut over: for all, for some units, for some placements."""

    name: Annotated[str, Field(min_length=1)]
    name_zh: str = ""
    units: Units = (ALL,)
    placements: (
        Annotated[tuple[Literal["site-cluster", "virtual-host", "vps", "colocation", "retire"], ...], BeforeValidator(_some)] | None
    ) = None

    def covers(self, unit: str, placement: str) -> bool:
        """Whether it holds for a unit's move to a placement."""
        return (self.units == (ALL,) or unit in self.units) and (self.placements is None or placement in self.placements)


class Window(_Range):
    """Days that a unit accepts; a unit with windows is moved in one of them and at no other time."""

    units: Units


class Absence(_Range):
    """Hours of a skill that are missing in every calendar week which the range touches; without `hours`, all of them."""

    skill: Annotated[str, Field(min_length=1)]
    hours: Hours | None = None


class Link(_Strict):
    """A link between places: what one stream on it carries, and how many streams it takes at once."""

    bytes_per_s: Annotated[int, Field(ge=1)] = 10_000_000
    streams: Count = 4


class Transfer(_Strict):
    """How much is copied at once.  `bytes_per_s` is one stream's rate where no link is named."""

    streams_per_source: Count = 2
    streams_per_destination: Count = 8
    bytes_per_s: Annotated[int, Field(ge=1)] = 10_000_000
    links: dict[str, Link] = Field(default_factory=dict)


class Pilots(_Strict):
    """The first moves, and how many days are waited after the last of them."""

    moves: Annotated[int, Field(ge=0)] = 3
    days_before_next: Annotated[int, Field(ge=1, le=3650)] = 14


class Calendar(_Strict):
    """`calendar.yml`."""

    start: Day | None = None
    notice_days: Days = 30
    reminder_days: Days = 7
    weekdays: Annotated[tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...], BeforeValidator(_some)] = WEEKDAYS  # type: ignore[assignment]
    nights: Nights = Nights()
    blackouts: tuple[Blackout, ...] = ()
    windows: tuple[Window, ...] = ()
    crew: dict[str, Hours] = Field(default_factory=dict)
    absences: tuple[Absence, ...] = ()
    transfer: Transfer = Transfer()
    pilots: Pilots = Pilots()
    ttl_lead: Annotated[int, Field(ge=0, le=24 * 365)] = 24
    trial_days: Days = 45
    horizon_days: Annotated[int, Field(ge=1, le=20_000)] = 730
    zone: Annotated[str, BeforeValidator(_zone)] | None = None

    @property
    def tz(self) -> tzinfo | None:
        """The time zone of days and hours; None: this machine's own."""
        return ZoneInfo(self.zone) if self.zone else None

    @property
    def stated(self) -> bool:
        """False when there is no calendar and the built-in one stands in."""
        return self is not ABSENT

    def units_named(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Every unit code in the file and its path, for the check that there is such a unit."""
        lists = [("blackouts", [item.units for item in self.blackouts]), ("windows", [item.units for item in self.windows])]
        for key, entries in lists:
            for index, units in enumerate(entries):
                yield from (((key, index, "units", place), code) for place, code in enumerate(units) if code != ALL)


ABSENT = Calendar(notice_days=0, pilots=Pilots(moves=0))
"""What holds without a calendar: every night, five cutovers each, any number of engineers, no notice, no pilots."""


def parse(text: str, name: str = FILE) -> Calendar:
    """A calendar's text.  Raises ConfigurationError with every problem and its place."""
    # Scalars as they stand: a day that does not exist is then one problem with a place, not the end of the reading.
    document = yamlfile.parse(text, name, typed=False)
    if document.data in ({}, ""):
        return Calendar()
    return _checked(document)


def load(path: Path) -> Calendar:
    """A workspace's calendar, `ABSENT` where there is none.  Raises InputError, ConfigurationError."""
    if not path.exists():
        return ABSENT
    document = yamlfile.read(path, typed=False)
    return Calendar() if document.data in ({}, "") else _checked(document)


def _checked(document: yamlfile.Document) -> Calendar:
    calendar = document.validate(Calendar)
    strange = [
        f"{document.place(('absences', index, 'skill'))}: absences.{index}.skill: crew has no skill {item.skill!r}"
        for index, item in enumerate(calendar.absences)
        if item.skill not in calendar.crew
    ]
    if strange:
        raise ConfigurationError(strange, hint="name the skill under crew with its hours a week, or correct the absence")
    return calendar


SKELETON = """\
# When moves are made.  docs/calendar.md explains every key; what is commented out is an example with its meaning.
# start: 2026-09-01            # no preparation before this day; without it, the day on which the plan is made
notice_days: 30                # a unit gets its letter this long before its cutover
reminder_days: 7               # and a reminder this long before
weekdays: [mon, tue, wed, thu] # evenings on which sites are cut over
nights: {cutovers: 5}          # cutovers in one night; with {cutovers: 5, from: "22:00", until: "06:00"} only in these hours
# zone: Asia/Shanghai          # of days and hours; without it, the zone of the machine on which planner runs

blackouts:
#  - {name: Term start, name_zh: 开学, from: 2026-08-31, until: 2026-09-11, units: all}
#  - {name: Course registration, name_zh: 选课, from: 2026-09-07, until: 2026-09-18, units: [jwc]}   # only this unit
#  - {name: Rack works, from: 2026-10-12, until: 2026-10-16, units: all, placements: [colocation]}   # only this placement

windows:
#  - {units: [hospital], from: 2026-10-03, until: 2026-10-06}  # these units on these days and at no other time

crew:                          # engineer hours a week for this work; a skill that is not named is not limited
#  web: 24
#  database: 12
#  system: 16
#  network: 6

absences:
#  - {skill: database, from: 2026-10-01, until: 2026-10-08, hours: 12}  # hours missing in each week that is touched

transfer:
  streams_per_source: 2
  streams_per_destination: 8
  bytes_per_s: 10000000        # of one stream
  links:
#    east-campus: {bytes_per_s: 4000000, streams: 2}

pilots: {moves: 3, days_before_next: 14}  # the easiest moves first, then a pause to learn from them
ttl_lead: 24                   # hours before a cutover at which the DNS TTL is lowered, at least
trial_days: 45                 # trial run before the source is switched off
horizon_days: 730
"""
