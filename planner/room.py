"""Room on nights, in weeks and on streams: what is already taken, and which days refuse a group.  No dates: day 0 is a Monday.

In: what groups need, as amounts in slots before their cutover.  Out: the refused days as the bits of one integer, so that a year of nights
is asked in a few machine operations.  A gauge keeps such a set for each of at most `LEVELS` amounts; an amount between two of them is
answered with the lower one (never too many days refused) and looked at exactly on the day in question.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from planner.refusals import Constraint, Detail

LEVELS = 32
DAY_S = 86_400
Span = tuple[int, int, int]
"""(near, far, amount): from `near` to `far` slots before the cutover's slot, both included, `amount` in each."""


class Need(NamedTuple):
    """What a group needs of one scarce thing; `kind` and `name` say which."""

    kind: str
    name: str
    spans: tuple[Span, ...]
    detail: Detail


class Gauge:
    """One scarce thing over slots of `width` days.  `less` is what is missing in some slots."""

    __slots__ = ("_capacity", "_less", "_levels", "_low", "_slots", "_used", "width")

    def __init__(self, capacity: int, needs: Iterable[int], slots: int, width: int = 1, less: Mapping[int, int] | None = None) -> None:
        self.width, self._slots = width, slots
        self._capacity, self._less, self._used = capacity, dict(less or {}), dict[int, int]()
        distinct = sorted(set(needs))
        if len(distinct) > LEVELS:
            distinct = [distinct[index * (len(distinct) - 1) // (LEVELS - 1)] for index in range(LEVELS)]
        self._levels = distinct
        every = (1 << slots * width) - 1
        self._low = [every if capacity < level else 0 for level in distinct]
        for slot in self._less:
            self._note(slot)

    def free(self, slot: int) -> int:
        """What is left in a slot; negative where pinned moves have taken more than there is."""
        return self._capacity - self._less.get(slot, 0) - self._used.get(slot, 0)

    def take(self, slot: int, amount: int) -> None:
        """Take an amount."""
        self._used[slot] = self._used.get(slot, 0) + amount
        self._note(slot)

    def _note(self, slot: int) -> None:
        if slot >= self._slots:
            return  # a pinned move beyond the horizon, where nothing is asked
        left = self.free(slot)
        days = ((1 << self.width) - 1) << slot * self.width
        for index in range(len(self._levels) - 1, -1, -1):
            if left >= self._levels[index]:
                break
            self._low[index] |= days

    def refused(self, amount: int) -> int:
        """Days of slots in which the amount does not fit for certain."""
        index = bisect_right(self._levels, amount) - 1
        return self._low[index] if index >= 0 else 0


def smear(bits: int, count: int, step: int) -> int:
    """The bits and their copies 1 … count-1 steps later."""
    done = 1
    while done < count:
        more = min(done, count - done)
        bits |= bits << more * step
        done += more
    return bits


class Demand(NamedTuple):
    """A need bound to its gauge."""

    need: Need
    gauge: Gauge

    def refused(self) -> int:
        """Days on which a cutover is out of the question."""
        gauge, bits = self.gauge, 0
        for near, far, amount in self.need.spans:
            low = gauge.refused(amount)
            if low:
                bits |= smear(low << near * gauge.width, far - near + 1, gauge.width)
        return bits

    def fits(self, day: int, *, own: bool = False) -> bool:
        """Whether a cutover on `day` fits; `own`: the need has been taken there already."""
        slot = day // self.gauge.width
        for near, far, amount in self.need.spans:
            wanted = 0 if own else amount
            for offset in range(near, far + 1):
                if slot >= offset and self.gauge.free(slot - offset) < wanted:
                    return False
        return True

    def take(self, day: int) -> None:
        """Take what a cutover on `day` needs; what would lie before the first day was not measured and is left out."""
        slot = day // self.gauge.width
        for near, far, amount in self.need.spans:
            for offset in range(near, min(far, slot) + 1):
                self.gauge.take(slot - offset, amount)

    def days(self, day: int) -> int:
        """The days that share the slot with `day`: none of them fits when it does not."""
        width = self.gauge.width
        return ((1 << width) - 1) << day // width * width

    def constraint(self, bits: int) -> Constraint:
        """Refused days with their reason."""
        return Constraint(self.need.kind, self.need.detail, bits)


def lay_out(
    copies: Mapping[tuple[str, str, str], int], limits: Mapping[tuple[str, str], int]
) -> tuple[dict[tuple[str, str, str], tuple[int, int]], dict[tuple[str, str], list[int]]]:
    """A group's copies on the days before its cutover, as late as its own streams allow.

    In: seconds of copying for each (source, destination, link), seconds a day that each (kind, name) takes.  Out: for each copy its nearest
    and farthest day before the cutover, for each thing its seconds on 1, 2, … days before.  A copy of two days and a half is three days of
    20 hours: so much of a stream is left to others.
    """
    where: dict[tuple[str, str, str], tuple[int, int]] = {}
    loads: dict[tuple[str, str], list[int]] = {}
    for copy, seconds in sorted(copies.items(), key=lambda item: (-item[1], item[0])):
        if not seconds:
            continue
        days = -(-seconds // DAY_S)
        load = -(-seconds // days)
        things = [thing for thing in zip(("source", "destination", "link"), copy, strict=True) if thing in limits]
        near = 1
        while clash := _last_clash(things, loads, limits, near, days, load):
            near = clash + 1
        for thing in things:
            profile = loads.setdefault(thing, [])
            profile.extend([0] * (near + days - 1 - len(profile)))
            for offset in range(near, near + days):
                profile[offset - 1] += load
        where[copy] = (near, near + days - 1)
    return where, loads


def _last_clash(
    things: list[tuple[str, str]],
    loads: Mapping[tuple[str, str], list[int]],
    limits: Mapping[tuple[str, str], int],
    near: int,
    days: int,
    load: int,
) -> int:
    """The farthest day among `near` … on which the load does not fit beside the group's own; 0 when it fits."""
    for offset in range(near + days - 1, near - 1, -1):
        for thing in things:
            profile = loads.get(thing, ())
            if offset <= len(profile) and profile[offset - 1] + load > limits[thing]:
                return offset
    return 0


def spans(profile: list[int]) -> tuple[Span, ...]:
    """Seconds on 1, 2, … days before as spans of equal amounts."""
    found: list[Span] = []
    for offset, amount in enumerate(profile, 1):
        if found and found[-1][2] == amount:
            found[-1] = (found[-1][0], offset, amount)
        else:
            found.append((offset, offset, amount))
    return tuple(span for span in found if span[2])
