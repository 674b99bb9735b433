"""What each move group asks of the calendar, worked out before any date is laid: fixed refusals, needs, gauges.  Pure.

In: moves, a calendar, the first day.  Out: a `Calculation` with all bookings, in days counted from the Monday of the first day's week.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from math import ceil

from planner.calendars import ALL, WEEKDAYS, Calendar
from planner.moves import Booking, Copy, Move, check, follow, gather
from planner.refusals import Constraint, Note, sentences
from planner.room import DAY_S, Demand, Gauge, Need, lay_out, spans


class Calculation:
    """The calendar in days from a Monday, and all bookings by key.  Built by `collect`."""

    def __init__(self, calendar: Calendar, start: date) -> None:
        self.calendar, self.start = calendar, start
        self.base = start - timedelta(start.weekday())
        self.begin = start.weekday()
        self.days = self.begin + calendar.horizon_days
        self.every = ((1 << self.days) - 1) >> self.begin << self.begin
        week = sum(1 << number for number, name in enumerate(WEEKDAYS) if name not in calendar.weekdays)
        self.idle = sum(week << 7 * number for number in range(self.days // 7 + 1)) & self.every
        self.rank = {kind: number for number, kind in enumerate(sentences().refusals)}
        self.bookings: dict[str, Booking] = {}
        self.notes: tuple[Note, ...] = ()
        self._places: dict[tuple[str, str], list[tuple[object, Constraint]]] = {}

    def day(self, index: int) -> date:
        """The date of a day."""
        return self.base + timedelta(index)

    def index(self, day: date) -> int:
        """The day of a date; it may lie outside."""
        return (day - self.base).days

    def until(self, last: int) -> int:
        """The bits of all days up to `last`."""
        return (1 << min(max(last + 1, 0), self.days)) - 1 & self.every

    def between(self, first: date, last: date) -> int:
        """The bits of days from one date to another."""
        return self.until(self.index(last)) & ~self.until(self.index(first) - 1)

    def ttl_days(self, move: Move) -> int:
        """How many days before its cutover the TTL is lowered: what resolvers hold has run out by then; at least the calendar's lead."""
        return -(-self.ttl_s(move) // DAY_S)

    def ttl_s(self, move: Move) -> int:
        """The seconds for it.  RFC 2181 ends a TTL at 31 bits; an unknown one counts as the lead."""
        return max(min(move.ttl_s or 0, (1 << 31) - 1), self.calendar.ttl_lead * 3600)

    def first_open(self, item: Booking) -> int | None:
        """The first day that the calendar alone allows."""
        free = self.every & ~item.fixed_bits
        return (free & -free).bit_length() - 1 if free else None

    def place(self, unit: str, placement: str) -> list[tuple[object, Constraint]]:
        """Change freezes and windows that hold for a unit's move to a placement, each with what tells it from others."""
        found = self._places.get((unit, placement))
        if found is None:
            found = []
            for number, item in enumerate(self.calendar.blackouts):
                bits = self.between(item.first, item.until)
                if bits and item.covers(unit, placement):
                    words = {"name": item.name, "name_zh": item.name_zh or item.name}
                    if item.units == (ALL,):
                        found.append((number, Constraint("blackout", words, bits)))
                    else:
                        found.append(((number, unit), Constraint("unit-blackout", {**words, "unit": unit}, bits)))
            windows = [item for item in self.calendar.windows if item.units == (ALL,) or unit in item.units]
            if windows:
                allowed = 0
                for window in windows:
                    allowed |= self.between(window.first, window.until)
                found.append((("window", unit), Constraint("window", {"unit": unit}, self.every & ~allowed)))
            self._places[unit, placement] = found
        return found


def collect(moves: Sequence[Move], calendar: Calendar, start: date) -> Calculation:
    """All bookings.  Raises PlanError with every name that stands twice, is no move or waits in a circle."""
    check(moves)
    made = Calculation(calendar, start)
    made.bookings, notes = gather(moves)
    follow(made.bookings, moves)
    limits = _limits(made, moves)
    for item in made.bookings.values():
        notes += _fix(made, item, limits)
        if calendar.stated:
            notes += [
                Note("", "skill-not-limited", {"skill": s}) for m in item.moves for s, h in m.hours.items() if h and s not in calendar.crew
            ]
            notes += [Note("", "link-unknown", {"name": m.link}) for m in item.moves if m.link and m.link not in calendar.transfer.links]
    _bind(made)
    if not calendar.stated:
        said = {
            "cutovers": calendar.nights.cutovers, "streams": calendar.transfer.streams_per_source,
            "rate": calendar.transfer.bytes_per_s, "trial": calendar.trial_days,
        }  # fmt: skip
        notes.append(Note("", "no-calendar", said))
    unique = {(note.move, note.kind, str(sorted(note.detail.items()))): note for note in notes}
    made.notes = tuple(unique[key] for key in sorted(unique))
    return made


def _limits(made: Calculation, moves: Sequence[Move]) -> dict[tuple[str, str], int]:
    """Seconds of copying a day that each source, destination and link can take."""
    transfer = made.calendar.transfer
    limits: dict[tuple[str, str], int] = {}
    for move in moves:
        if move.source:
            limits["source", move.source] = transfer.streams_per_source * DAY_S
        if move.destination:
            limits["destination", move.destination] = transfer.streams_per_destination * DAY_S
        if move.link in transfer.links:
            limits["link", move.link] = transfer.links[move.link].streams * DAY_S
    return limits


def _fix(made: Calculation, item: Booking, limits: Mapping[tuple[str, str], int]) -> list[Note]:
    """A booking's needs, and the days that are refused whatever else is laid."""
    calendar, notes = made.calendar, []
    limit = calendar.nights.cutovers
    size = len(item.moves)
    if size > limit:
        notes += [Note(move.name, "own-night", {"size": size, "limit": limit}) for move in item.moves]
    item.needs.append(Need("night", "", ((0, 0, min(size, limit)),), {"limit": limit, "size": size}))
    fixed: dict[object, Constraint] = {}
    seconds: dict[Copy, int] = {}
    minutes: dict[str, int] = {}
    for move in item.moves:
        _limit(made, move, fixed)
        for skill, hours in move.hours.items():
            minutes[skill] = minutes.get(skill, 0) + ceil(hours * 60 - 1e-6)
        if move.bytes is None:
            notes.append(Note(move.name, "bytes-unknown", {}))
        taken = DAY_S if move.bytes is None else -(-move.bytes // _rate(calendar, move.link))
        seconds[move.copy] = seconds.get(move.copy, 0) + taken
    # A sparse file of exabytes must not fill the memory with days: what ends beyond the horizon has no night anyway.
    longest = (made.days + 1) * DAY_S
    item.copies, loads = lay_out({copy: min(taken, longest) for copy, taken in seconds.items()}, limits)
    if item.copies:
        copy, (_, far) = max(item.copies.items(), key=lambda one: (one[1][1], one[0]))
        detail = {"days": max(far, -(-seconds[copy] // DAY_S)), "rate": _rate(calendar, copy[2]), "begin": made.start}
        fixed["transfer"] = Constraint("transfer-time", detail, made.until(made.begin + far - 1))
    for (kind, name), profile in sorted(loads.items()):
        item.needs.append(Need(kind, name, spans(profile), {"name": name, "days": len(profile)}))
    for skill, amount in sorted(minutes.items()):
        if skill not in calendar.crew or not amount:
            continue
        usual = int(calendar.crew[skill] * 60 + 1e-6)
        # What a usual week cannot hold is spread evenly over the weeks up to the cutover's.
        weeks = -(-amount // usual) if usual else 1
        counted = min(weeks, made.days // 7 + 2)
        item.weeks = max(item.weeks, counted)
        weekly = -(-amount // weeks)
        item.needs.append(Need("crew", skill, ((0, counted - 1, weekly),), {"skill": skill, "hours": weekly / 60, "limit": usual / 60}))
        if weeks > 1:
            detail = {"hours": amount / 60, "skill": skill, "weeks": weeks}
            fixed["work", skill] = Constraint("work-time", detail, made.until(7 * (counted - 1) - 1))
    fixed["weekday"] = Constraint("weekday", {}, made.idle)
    item.fixed = [found for found in fixed.values() if found.bits]
    for found in item.fixed:
        item.fixed_bits |= found.bits
    return notes


def _rate(calendar: Calendar, link: str) -> int:
    named = calendar.transfer.links.get(link)
    return named.bytes_per_s if named else calendar.transfer.bytes_per_s


def _limit(made: Calculation, move: Move, fixed: dict[object, Constraint]) -> None:
    """The days that one member refuses; the same reason of several members stands once."""
    days = made.calendar.notice_days
    sent = move.noticed or made.start
    if days and ("notice", sent) not in fixed:
        fixed["notice", sent] = Constraint("notice", {"days": days, "sent": sent}, made.until(made.index(sent) + days - 1))
    lead = made.ttl_days(move)
    if lead and ("ttl", lead) not in fixed:
        hours = -(-made.ttl_s(move) // 3600)
        fixed["ttl", lead] = Constraint("ttl", {"hours": hours}, made.until(made.begin + lead - 1))
    fixed.update(made.place(move.unit, move.placement))
    if move.not_before is not None:
        bits = made.until(made.index(move.not_before) - 1)
        fixed["not-before", move.name] = Constraint("not-before", {"move": move.name, "date": move.not_before}, bits)
    if move.not_after is not None:
        bits = made.every & ~made.until(made.index(move.not_after))
        fixed["not-after", move.name] = Constraint("not-after", {"move": move.name, "date": move.not_after}, bits)
    if move.agreed is not None:
        agreed = sorted(set(move.agreed))
        allowed = 0
        for day in agreed:
            allowed |= made.between(day, day)
        detail = {"unit": move.unit, "move": move.name, "dates": tuple(map(str, agreed)) or ("–",)}
        fixed["agreed", move.name] = Constraint("agreed", detail, made.every & ~allowed)


def _bind(made: Calculation) -> None:
    """A gauge for each thing that anybody needs."""
    needs: dict[tuple[str, str], list[Need]] = {}
    for item in made.bookings.values():
        for need in item.needs:
            needs.setdefault((need.kind, need.name), []).append(need)
    transfer = made.calendar.transfer
    gauges: dict[tuple[str, str], Gauge] = {}
    for (kind, name), all_ in needs.items():
        amounts = {amount for need in all_ for _, _, amount in need.spans}
        if kind == "crew":
            gauges[kind, name] = Gauge(int(made.calendar.crew[name] * 60 + 1e-6), amounts, -(-made.days // 7), 7, _absent(made, name))
            continue
        capacity = {
            "night": made.calendar.nights.cutovers,
            "source": transfer.streams_per_source * DAY_S,
            "destination": transfer.streams_per_destination * DAY_S,
            "link": transfer.links[name].streams * DAY_S if name in transfer.links else 0,
        }
        gauges[kind, name] = Gauge(capacity[kind], amounts, made.days)
    for item in made.bookings.values():
        item.demands = [Demand(need, gauges[need.kind, need.name]) for need in item.needs]


def _absent(made: Calculation, skill: str) -> dict[int, int]:
    """Minutes that are missing in each week; never more than the week has."""
    whole = int(made.calendar.crew[skill] * 60 + 1e-6)
    less: dict[int, int] = {}
    for item in made.calendar.absences:
        if item.skill == skill:
            missing = whole if item.hours is None else ceil(item.hours * 60 - 1e-6)
            first, last = made.index(item.first) // 7, made.index(item.until) // 7
            for week in range(max(first, 0), min(last, made.days // 7) + 1):
                less[week] = min(whole, less.get(week, 0) + missing)
    return less
