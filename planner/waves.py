"""Waves: on which night each move is cut over, and why not on an earlier one.  Pure: the day on which planning begins is an input.

In: moves in groups, a `Calendar`, the first day.  Out: a `Schedule` with each move's dates, what has no date and why, the conflicts of
pinned dates.  Pinned moves are laid first and never moved; then the pilots; then the others by urgency, each on its earliest night that
nothing refuses.  A move that has no place holds back its successors only.  The order of the input changes nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta

from planner.bookings import Calculation, collect
from planner.calendars import Calendar
from planner.moves import Booking, Move
from planner.refusals import Constraint, Refusal, cover, dated
from planner.schedules import Problem, Schedule, Scheduled, Unscheduled

__all__ = ["Move", "schedule"]

PILOT_SPREAD_DAYS = 28
"""A pilot must not make all others wait: who could not go within four weeks of the first one that could is no pilot."""


def schedule(moves: Iterable[Move], calendar: Calendar, start: date, *, former: Schedule | None = None) -> Schedule:
    """Dates for all moves, none before `start` nor before the calendar's own first day.

    With a `former` schedule its pilots stay pilots, and every move keeps its night unless something now refuses it.  Raises PlanError for
    names that stand twice, predecessors that are no moves, and groups that wait for each other in a circle; all at once.
    """
    first = max(start, calendar.start) if calendar.start else start
    return _Scheduler(collect(sorted(moves, key=lambda move: move.name), calendar, first), former).run()


class _Scheduler:
    """The state while dates are laid: bookings by key, which days are taken stands in their demands."""

    def __init__(self, calculation: Calculation, former: Schedule | None) -> None:
        self.made = calculation
        self.bookings = calculation.bookings
        self.day: dict[str, int] = {}
        self.on: dict[int, list[str]] = {}
        self.refused: dict[str, tuple[Refusal, ...]] = {}
        self.held: dict[str, str] = {}
        self.pilots: set[str] = set()
        self.pause: tuple[int, Constraint] | None = None
        self.keep = former.cutovers if former else {}
        self.former_pilots = former.pilots if former else None

    def run(self) -> Schedule:
        """All phases."""
        pinned = [item for item in self.bookings.values() if item.pinned is not None]
        for item in pinned:
            assert item.pinned is not None
            self._put(item, self.made.index(item.pinned))
        self._lay_pilots()
        waiting = {key: item for key, item in self.bookings.items() if key not in self.day}
        if self.keep:
            for key in self._in_order(waiting):
                self._keep(waiting[key])
        for key in self._in_order({key: item for key, item in waiting.items() if key not in self.day}):
            item = self.bookings[key]
            if not self._keep(item):
                self._lay(item)
        return self._schedule(pinned)

    def _in_order(self, items: Mapping[str, Booking]) -> Iterator[str]:
        """Keys by urgency, each after those that go before it."""
        open_ = {key: sum(other in items for other in item.after) for key, item in items.items()}
        then: dict[str, list[str]] = {}
        for key, item in items.items():
            for other in item.after:
                if other in items:
                    then.setdefault(other, []).append(key)
        ready = [(items[key].priority, key) for key, count in open_.items() if not count]
        heapq.heapify(ready)
        while ready:
            key = heapq.heappop(ready)[1]
            yield key
            for other in then.get(key, ()):
                open_[other] -= 1
                if not open_[other]:
                    heapq.heappush(ready, (items[other].priority, other))

    def _put(self, item: Booking, day: int) -> None:
        self.day[item.key] = day
        self.on.setdefault(day, []).extend(move.name for move in item.moves)
        for demand in item.demands:
            demand.take(day)

    def _moving(self, item: Booking) -> list[Constraint]:
        """Constraints that depend on dates already laid: predecessors and pilots."""
        found = []
        last = max(((self.day[key], name) for key, name in item.after.items() if key in self.day), default=None)
        if last is not None:
            day = self.made.day(last[0])
            found.append(Constraint("predecessor", {"move": last[1], "date": day}, self.made.until(last[0])))
        if self.pause is not None and item.key not in self.pilots:
            found.append(self.pause[1])
        return found

    def _earliest(self, item: Booking, constraints: list[Constraint]) -> int | None:
        """The first day that nothing refuses; what looking at single days refuses is added to `constraints`."""
        refused = item.fixed_bits
        for found in constraints:
            refused |= found.bits
        for demand in item.demands:
            bits = demand.refused() & self.made.every
            constraints.append(demand.constraint(bits))
            refused |= bits
        free = self.made.every & ~refused
        offset = len(constraints) - len(item.demands)
        while free:
            day = (free & -free).bit_length() - 1
            for index, demand in enumerate(item.demands):
                if not demand.fits(day):
                    bits = demand.days(day) & self.made.every
                    at = constraints[offset + index]
                    constraints[offset + index] = Constraint(at.kind, at.detail, at.bits | bits)
                    free &= ~bits
                    break
            else:
                return day
        return None

    def _lay(self, item: Booking) -> bool:
        """Put a booking on its earliest day, with the reasons for all days before; without a day, with those for all days."""
        stuck = next((key for key in sorted(item.after) if key not in self.day), None)
        if stuck is not None:
            root = self.held.get(stuck, item.after[stuck])
            self.held[item.key] = root
            reason = Refusal(self.made.start, self.made.day(self.made.days - 1), "held", {"move": root})
            self.refused[item.key] = (reason,)
            return False
        constraints = self._moving(item)
        day = self._earliest(item, constraints)
        self.refused[item.key] = self._reasons(item, constraints, self.made.days if day is None else day)
        if day is None:
            return False
        self._put(item, day)
        return True

    def _keep(self, item: Booking) -> bool:
        """Put a booking on the day of the former schedule, if nothing refuses it now."""
        if item.key in self.day:
            return True
        days = {self.made.index(self.keep[move.name]) for move in item.moves if move.name in self.keep}
        if len(days) != 1 or any(key not in self.day for key in item.after):
            return False
        day = days.pop()
        moving = self._moving(item)
        refused = item.fixed_bits | ~self.made.every
        for found in moving:
            refused |= found.bits
        if day < 0 or refused >> day & 1 or not all(demand.fits(day) for demand in item.demands):
            return False
        constraints = [*moving, *(demand.constraint(demand.refused() & self.made.every) for demand in item.demands)]
        self.refused[item.key] = self._reasons(item, constraints, day, kept=True)
        self._put(item, day)
        return True

    def _reasons(self, item: Booking, constraints: list[Constraint], end: int, *, kept: bool = False) -> tuple[Refusal, ...]:
        rank = self.made.rank
        all_ = sorted((found for found in (*item.fixed, *constraints) if found.bits), key=lambda found: rank[found.kind])
        fallback = Constraint("kept", {"date": self.made.day(end)}, 0) if kept else None
        found = cover(all_, self.made.idle, self.made.begin, end, fallback)
        return dated(found, self.made.base, self.on)

    def _lay_pilots(self) -> None:
        wanted = self.made.calendar.pilots.moves
        if self.former_pilots is not None:
            chosen = [item for item in self.bookings.values() if any(move.name in self.former_pilots for move in item.moves)]
            self.pilots |= {item.key for item in chosen}
            for item in chosen:
                if item.key not in self.day and not self._keep(item):
                    self._lay(item)
        else:
            for item in _candidates(self.made, wanted):
                if len(item.moves) > wanted:
                    continue
                self.pilots.add(item.key)
                if self._lay(item):
                    wanted -= len(item.moves)
                else:
                    self.pilots.discard(item.key)
                    del self.refused[item.key]
                if not wanted:
                    break
        last = max(((self.day[key], self.bookings[key].moves[0].name) for key in self.pilots if key in self.day), default=None)
        if last is not None:
            days = self.made.calendar.pilots.days_before_next
            detail = {"move": last[1], "date": self.made.day(last[0]), "days": days}
            self.pause = last[0], Constraint("pilots", detail, self.made.until(last[0] + days - 1))

    def _problems(self, item: Booking) -> Iterator[Problem]:
        """What speaks against a pinned date once all is laid."""
        day = self.day[item.key]
        at = self.made.day(day)
        speaking: list[tuple[str, Mapping[str, object]]] = []
        if not self.made.begin <= day < self.made.days:
            speaking.append(("outside", {"horizon": self.made.day(self.made.days - 1)}))
        else:
            speaking += [(found.kind, found.detail) for found in (*item.fixed, *self._moving(item)) if found.bits >> day & 1]
            for demand in item.demands:
                if not demand.fits(day, own=True):
                    others = tuple(name for name in self.on[day] if name not in item.names) or ("–",)
                    speaking.append((demand.need.kind, {**demand.need.detail, "moves": others}))
        speaking += [("held", {"move": name}) for key, name in sorted(item.after.items()) if key not in self.day]
        for move in item.moves:
            yield from (Problem(move.name, Refusal(at, at, kind, detail)) for kind, detail in speaking)

    def _schedule(self, pinned: Sequence[Booking]) -> Schedule:
        made, calendar = self.made, self.made.calendar
        weeks = {week: number for number, week in enumerate(sorted({day // 7 for day in self.day.values()}), 1)}
        scheduled: list[Scheduled] = []
        unscheduled: list[Unscheduled] = []
        for item in self.bookings.values():
            if item.key not in self.day:
                held = self.held.get(item.key, "")
                unscheduled += [Unscheduled(move.name, move.unit, item.group, held, self.refused[item.key]) for move in item.moves]
                continue
            day = self.day[item.key]
            cutover = made.day(day)
            why = self.refused.get(item.key, ())
            if item.pinned is not None and cutover > made.start:
                why = (Refusal(made.start, cutover - timedelta(1), "pinned", {"date": cutover}),)
            work = made.day((day // 7 - item.weeks + 1) * 7)
            for move in item.moves:
                copy = item.copies.get((move.source, move.destination, move.link)) if move.bytes != 0 else None
                transfer = (cutover - timedelta(copy[1]), cutover - timedelta(copy[0])) if copy else None
                ttl = cutover - timedelta(made.ttl_days(move))
                letter = move.noticed or (cutover - timedelta(calendar.notice_days) if calendar.notice_days else None)
                reminder = max(cutover - timedelta(calendar.reminder_days), letter) if letter else None
                begun = min(ttl, transfer[0] if transfer else ttl, work if move.hours else ttl)
                scheduled.append(
                    Scheduled(
                        move.name, move.unit, move.placement, item.group, weeks[day // 7], item.key in self.pilots, item.pinned is not None,
                        min(max(begun, made.start), cutover), letter, reminder, transfer, ttl, cutover,
                        cutover + timedelta(calendar.trial_days), why,
                    )
                )  # fmt: skip
        problems = [problem for item in pinned for problem in self._problems(item)]
        return Schedule(
            made.start,
            tuple(sorted(scheduled, key=lambda item: (item.cutover, item.name))),
            tuple(sorted(unscheduled, key=lambda item: item.name)),
            tuple(sorted(problems, key=lambda problem: (problem.move, self.made.rank[problem.refusal.kind]))),
            made.notes,
        )


def _candidates(made: Calculation, wanted: int) -> Iterator[Booking]:
    """Pilots by rank: least risk, smallest; first one of each placement, then of each unit, then whoever is next."""
    free = [item for item in made.bookings.values() if item.may_be_pilot and len(item.moves) <= wanted]
    opening = {item.key: made.first_open(item) for item in free}
    earliest = min((day for day in opening.values() if day is not None), default=None)
    if earliest is None:
        return
    ranked = sorted(
        (item for item in free if (day := opening[item.key]) is not None and day <= earliest + PILOT_SPREAD_DAYS),
        key=lambda item: (item.risk, len(item.moves), item.bytes, item.key),
    )
    placements: set[str] = set()
    units: set[str] = set()
    given: set[str] = set()
    for new in ("placement", "unit", ""):
        for item in ranked:
            has = {move.placement for move in item.moves}, {move.unit for move in item.moves}
            fresh = not has[0] <= placements if new == "placement" else not has[1] <= units if new == "unit" else True
            if fresh and item.key not in given:
                given.add(item.key)
                placements |= has[0]
                units |= has[1]
                yield item
