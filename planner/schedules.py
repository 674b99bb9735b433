"""A schedule as data: each move's dates with the reasons for them, what has no date, and what speaks against pinned dates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from inventory.errors import NotFound
from planner.refusals import Note, Refusal


@dataclass(frozen=True)
class Scheduled:
    """A move's dates.  `start` is the first day of preparation, `transfer` the days of copying, `end` the end of the trial run, when the
    source may be switched off; `notice` and `reminder` are None where the calendar has no notice period and no letter went out.
    """

    name: str
    unit: str
    placement: str
    group: str
    wave: int
    pilot: bool
    pinned: bool
    start: date
    notice: date | None
    reminder: date | None
    transfer: tuple[date, date] | None
    ttl: date
    cutover: date
    end: date
    why_not_earlier: tuple[Refusal, ...]


@dataclass(frozen=True)
class Unscheduled:
    """A move without a date.  `held_by` is the move at the root of it, empty where the reasons are its own."""

    name: str
    unit: str
    group: str
    held_by: str
    reasons: tuple[Refusal, ...]


@dataclass(frozen=True)
class Problem:
    """A pinned date that something speaks against; the date stays."""

    move: str
    refusal: Refusal

    def sentence(self, language: str = "en") -> str:
        """The move, its date and what speaks against it."""
        return f"{self.move}: {self.refusal.sentence(language)}"


@dataclass(frozen=True)
class Schedule:
    """All dates.  `scheduled` stands in order of cutover, `unscheduled` by name."""

    start: date
    scheduled: tuple[Scheduled, ...]
    unscheduled: tuple[Unscheduled, ...]
    problems: tuple[Problem, ...]
    notes: tuple[Note, ...]

    @property
    def cutovers(self) -> dict[str, date]:
        """Each scheduled move's night."""
        return {item.name: item.cutover for item in self.scheduled}

    @property
    def pilots(self) -> frozenset[str]:
        """The moves that go first."""
        return frozenset(item.name for item in self.scheduled if item.pilot)

    def of(self, name: str) -> Scheduled | Unscheduled:
        """One move.  Raises NotFound."""
        if name not in self._by_name:
            raise NotFound(f"the schedule has no move {name!r}")
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> Mapping[str, Scheduled | Unscheduled]:
        return {item.name: item for item in self.scheduled} | {item.name: item for item in self.unscheduled}
