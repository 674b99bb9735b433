"""What a plan is made from, and what it is before it is written down.  Values with no logic but their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from planner.calendars import Calendar
from planner.groups import Groups
from planner.placement import Demand, Node, Occupied, Placed
from planner.planning import fitting_in, ties
from planner.planning.former import Former
from planner.planning.subjects import Subject, identities, stays
from planner.platforms import Platforms
from planner.policy import RuleSet
from planner.schedules import Schedule


@dataclass(frozen=True)
class Inputs:
    """All that a plan is made from; `former` is the approved plan whose nights and places are kept where nothing speaks against them."""

    subjects: Sequence[Subject]
    platforms: Platforms
    rules: RuleSet
    calendar: Calendar
    first_day: date
    made_from: Mapping[str, str]
    language: str = "en"
    dns_key: str = ""
    former: Former | None = None

    @cached_property
    def left(self) -> dict[str, str]:
        """Name → why it stays: by itself, because it is where it belongs, or because of another that uses the same data."""
        found = {}
        for item in sorted(self.subjects, key=lambda one: one.name):
            why = stays(item) or fitting_in.arrived(item, self.platforms)
            if why:
                found[item.name] = why
        return found | ties.held(self.subjects, found)

    @cached_property
    def moving(self) -> list[Subject]:
        """Those that move, by name."""
        return sorted((item for item in self.subjects if item.name not in self.left), key=lambda item: item.name)

    @cached_property
    def ids(self) -> dict[str, str]:
        """The move's id of each of them."""
        return identities(self.moving)


@dataclass
class Lack:
    """What is lacking of one resource: how much, by which day, for which moves; `nodes` like the largest there is would do."""

    amount: float
    by: int
    moves: tuple[str, ...]
    nodes: int | None


Short = dict[tuple[str, str, tuple[str, ...], str], Lack]
"""(kind, zone, labels, resource) → what is lacking of it."""


@dataclass
class Made:
    """A plan before it is written down: what moves, with groups, dates and places; what stays, and why.

    `late`: moves that find no night before their server's contract ends → that day.  `unpinned`: sentences on nodes that were asked for
    and do not exist.
    """

    inputs: Inputs
    moving: list[Subject]
    groups: Groups
    schedule: Schedule
    placed: Placed
    demands: list[Demand]
    nodes: list[Node]
    occupied: list[Occupied]
    assumed: Mapping[str, Sequence[str]]
    late: Mapping[str, date] = field(default_factory=dict)
    unpinned: Sequence[str] = ()
    left: dict[str, str] = field(default_factory=dict)
    short: Short = field(default_factory=dict)
