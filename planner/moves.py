"""Moves as the schedule sees them, gathered into bookings: one for each group, with who goes after whom.  Pure.

In: moves.  Out: `Booking`s by key, ordered by deadline and urgency.  Members of one group that are pinned to different nights become
bookings of their own; a note says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from inventory.errors import PlanError
from planner.calendars import EARLIEST, LATEST
from planner.refusals import Constraint, Note
from planner.room import Demand, Need

NEVER = 1 << 60
Copy = tuple[str, str, str]
"""(source, destination, link)."""


@dataclass(frozen=True)
class Move:
    """One workload's move as the schedule sees it.

    `hours` by skill; `bytes` None where unknown; `ttl_s` the TTL of its DNS records, None where unknown; `risk` orders pilots (low first),
    `urgency` all others (high first); `after` names moves that are cut over in an earlier night, those of its own group are passed over;
    `noticed` is the day on which the unit's letter went out; `agreed` are the only nights that the unit has agreed to, None for any.
    """

    name: str
    unit: str = ""
    placement: str = ""
    group: str = ""
    hours: Mapping[str, float] = field(default_factory=dict)
    bytes: int | None = 0
    source: str = ""
    destination: str = ""
    link: str = ""
    ttl_s: int | None = None
    risk: float = 0
    urgency: float = 0
    after: Sequence[str] = ()
    pinned: date | None = None
    not_before: date | None = None
    not_after: date | None = None
    agreed: Sequence[date] | None = None
    noticed: date | None = None

    @property
    def copy(self) -> Copy:
        """Between what it is copied."""
        return self.source, self.destination, self.link


class Booking:
    """A group on its way to a date.

    `after` leads from a group that goes before to the move that is named; `weeks` is how many its work takes; `deadline` an ordinal.
    """

    __slots__ = (
        "after", "bytes", "copies", "deadline", "demands", "fixed", "fixed_bits", "group", "key", "moves", "names", "needs", "pinned",
        "risk", "urgency", "weeks",
    )  # fmt: skip

    def __init__(self, key: str, moves: Sequence[Move], pinned: date | None) -> None:
        self.key, self.moves, self.pinned = key, tuple(moves), pinned
        self.names = frozenset(move.name for move in moves)
        self.group = moves[0].group or moves[0].name
        self.risk = max(move.risk for move in moves)
        self.urgency = max(move.urgency for move in moves)
        self.bytes = sum(move.bytes or 0 for move in moves)
        self.deadline = NEVER
        self.after: dict[str, str] = {}
        self.copies: dict[Copy, tuple[int, int]] = {}
        self.needs: list[Need] = []
        self.demands: list[Demand] = []
        self.fixed: list[Constraint] = []
        self.fixed_bits = 0
        self.weeks = 1

    @property
    def priority(self) -> tuple[int, float, int, str]:
        """Deadlines first, then urgency, then what is small."""
        return self.deadline, -self.urgency, self.bytes, self.key

    @property
    def may_be_pilot(self) -> bool:
        """Whether it could go first: it waits for nothing and nobody."""
        return self.pinned is None and not self.after and all(move.not_before is None and move.agreed is None for move in self.moves)


def check(moves: Sequence[Move]) -> None:
    """Names once, predecessors known, amounts possible.  Raises PlanError with all problems."""
    names = {move.name for move in moves}
    problems = [f"{move.name}: it goes after {name!r}, which is no move" for move in moves for name in move.after if name not in names]
    seen: set[str] = set()
    for move in moves:
        if move.name in seen:
            problems.append(f"{move.name}: the move stands twice")
        seen.add(move.name)
        problems += [f"{move.name}: {hours} hours of {skill} are no amount" for skill, hours in move.hours.items() if not 0 <= hours < 1e6]
        if move.pinned is not None and not EARLIEST <= move.pinned <= LATEST:
            problems.append(f"{move.name}: it is pinned to {move.pinned}, which is no day to plan with")
        if move.bytes is not None and move.bytes < 0:
            problems.append(f"{move.name}: {move.bytes} bytes are no amount")
    if problems:
        raise PlanError("\n".join(sorted(problems)), hint="correct the moves, or leave out the order that names what stays")


def gather(moves: Sequence[Move]) -> tuple[dict[str, Booking], list[Note]]:
    """Bookings by group; `moves` stand in order of their names."""
    groups: dict[str, list[Move]] = {}
    for move in moves:
        groups.setdefault(f"group {move.group}" if move.group else f"move {move.name}", []).append(move)
    notes: list[Note] = []
    bookings: dict[str, Booking] = {}
    for key, members in sorted(groups.items()):
        pins = sorted({move.pinned for move in members if move.pinned is not None})
        if len(pins) > 1:
            notes += [Note(move.name, "torn-group", {"dates": tuple(map(str, pins))}) for move in members]
        for number, pin in enumerate(pins or [None]):
            # Who is not pinned goes with the earliest of the pinned ones.
            mine = [move for move in members if move.pinned == pin or (not number and move.pinned is None)]
            name = f"{key} {pin}" if number else key
            bookings[name] = Booking(name, mine, pin)
    return bookings, notes


def follow(bookings: Mapping[str, Booking], moves: Sequence[Move]) -> None:
    """Who goes after whom; deadlines and urgency reach back to what must go before.  Raises PlanError for a circle."""
    of = {name: key for key, item in bookings.items() for name in item.names}
    then: dict[str, list[str]] = {}
    for move in moves:
        here = bookings[of[move.name]]
        for name in sorted(move.after):
            there = bookings[of[name]]
            # A group that was torn by its pins has no order within it, either.
            if there.group != here.group and there.key not in here.after:
                here.after[there.key] = name
                then.setdefault(there.key, []).append(here.key)
    waiting = {key: len(item.after) for key, item in bookings.items()}
    order = [key for key, count in waiting.items() if not count]
    for key in order:
        for other in then.get(key, ()):
            waiting[other] -= 1
            if not waiting[other]:
                order.append(other)
    if len(order) < len(bookings):
        raise PlanError(
            f"these moves wait for each other: {_circle(bookings, waiting)}", hint="moves that need each other belong into one group"
        )
    for key in reversed(order):
        item = bookings[key]
        own = [move.not_after.toordinal() for move in item.moves if move.not_after is not None]
        item.deadline = min([*own, *(bookings[other].deadline - 1 for other in then.get(key, ()))], default=NEVER)
        if item.pinned is not None:
            item.deadline = min(item.deadline, item.pinned.toordinal())
        item.urgency = max([item.urgency, *(bookings[other].urgency for other in then.get(key, ()))])
        if item.deadline > NEVER // 2:
            item.deadline = NEVER


def _circle(bookings: Mapping[str, Booking], waiting: Mapping[str, int]) -> str:
    """A circle among those that still wait: each of them waits for another one that does."""
    here = next(key for key, count in waiting.items() if count)
    path: list[str] = []
    while here not in path:
        path.append(here)
        here = min(key for key in bookings[here].after if waiting[key])
    circle = path[path.index(here) :]
    return " after ".join([*(bookings[key].moves[0].name for key in circle), bookings[here].moves[0].name])
