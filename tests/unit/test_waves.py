"""Dates for moves: every rule by a case, and by hypothesis against a second, slow reading of the rules that shares no code with the first."""

import itertools
import random
from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.errors import NotFound, PlanError
from planner import refusals, room
from planner.calendars import ABSENT, WEEKDAYS, Calendar
from planner.calendars import parse as calendar_of
from planner.moves import Move
from planner.shifting import held_back, shift
from planner.waves import schedule

START = date(2026, 8, 31)  # a Monday
DAY = timedelta(1)
BARE = "notice_days: 0\nttl_lead: 0\npilots: {moves: 0}\n"


def bare(more="", **changes):
    return calendar_of(BARE + more).model_copy(update=changes)


def on(day):
    return START + timedelta(day)


def dates(moves, calendar=None, start=START, **more):
    return schedule(moves, calendar or bare(), start, **more).cutovers


def kinds(schedule_, name):
    found = schedule_.of(name)
    reasons = found.why_not_earlier if hasattr(found, "cutover") else found.reasons
    return [(reason.kind, (reason.first - START).days, (reason.last - START).days) for reason in reasons]


def monday_of(day):
    return day - day.weekday() * DAY


# --- a second reading of the rules -------------------------------------------------------------------------------------------------


class Slow:
    """What refuses a night to a group when all others stand as scheduled; day by day, from the moves and the calendar alone."""

    def __init__(self, moves, calendar, start, schedule_):
        self.calendar, self.schedule = calendar, schedule_
        self.start = max(start, calendar.start or start)
        self.moves = {move.name: move for move in moves}
        self.cutovers = schedule_.cutovers
        torn = {note.move for note in schedule_.notes if note.kind == "torn-group"}
        self.groups = defaultdict(list)
        for move in sorted(moves, key=lambda move: move.name):
            key = move.group or f"move {move.name}"
            self.groups[key + (f" {self.cutovers[move.name]}" if move.name in torn else "")].append(move)
        self.of = {move.name: key for key, members in self.groups.items() for move in members}

    def copies(self, key):
        """(source, destination, link) → (seconds a day, near, far) in days before the cutover."""
        seconds = defaultdict(int)
        for move in self.groups[key]:
            rate = self.rate(move.link)
            seconds[move.source, move.destination, move.link] += 86_400 if move.bytes is None else ceil(move.bytes / rate)
        found, loads = {}, defaultdict(int)
        for copy, amount in sorted(seconds.items(), key=lambda item: (-item[1], item[0])):
            days = ceil(amount / 86_400)
            if days:
                load = ceil(amount / days)
                things = [thing for thing in zip(("source", "destination", "link"), copy, strict=True) if self.limit(*thing)]
                near = 1
                while any(loads[thing, near + n] + load > self.limit(*thing) for thing in things for n in range(days)):
                    near += 1
                for thing, n in itertools.product(things, range(days)):
                    loads[thing, near + n] += load
                found[copy] = load, near, near + days - 1
        for move in self.groups[key]:
            item = self.schedule.of(move.name)
            if move.bytes != 0 and hasattr(item, "cutover"):
                _, near, far = found[move.source, move.destination, move.link]
                assert item.transfer == (item.cutover - far * DAY, item.cutover - near * DAY)
        return found

    def limit(self, kind, name):
        """Seconds a day, None for any."""
        transfer = self.calendar.transfer
        streams = {"source": transfer.streams_per_source, "destination": transfer.streams_per_destination}.get(kind)
        if kind == "link":
            streams = transfer.links[name].streams if name in transfer.links else None
        return streams * 86_400 if name and streams else None

    def rate(self, link):
        links = self.calendar.transfer.links
        return links[link].bytes_per_s if link in links else self.calendar.transfer.bytes_per_s

    def weekly(self, key):
        """Skill → (minutes a week, weeks)."""
        total = defaultdict(int)
        for move in self.groups[key]:
            for skill, hours in move.hours.items():
                total[skill] += ceil(hours * 60 - 1e-6)
        found = {}
        for skill, minutes in total.items():
            if minutes and skill in self.calendar.crew:
                usual = int(self.calendar.crew[skill] * 60)
                weeks = ceil(minutes / usual) if usual else 1
                found[skill] = ceil(minutes / weeks), weeks
        return found

    def crew(self, skill, monday):
        usual = lost = int(self.calendar.crew[skill] * 60)
        left = usual
        for item in self.calendar.absences:
            if item.skill == skill and item.first <= monday + 6 * DAY and item.until >= monday:
                left -= lost if item.hours is None else ceil(item.hours * 60)
        return max(left, 0)

    def refusing(self, key, night):
        """The kinds of what speaks against a night."""
        calendar, members, found = self.calendar, self.groups[key], set()
        if calendar.weekdays and WEEKDAYS[night.weekday()] not in calendar.weekdays:
            found.add("weekday")
        for move in members:
            sent = move.noticed or self.start
            if night < sent + calendar.notice_days * DAY:
                found.add("notice")
            if night < self.start + ceil(max(move.ttl_s or 0, calendar.ttl_lead * 3600) / 86_400) * DAY:
                found.add("ttl")
            if move.not_before and night < move.not_before:
                found.add("not-before")
            if move.not_after and night > move.not_after:
                found.add("not-after")
            if move.agreed is not None and night not in move.agreed:
                found.add("agreed")
            for item in calendar.blackouts:
                if item.first <= night <= item.until and item.covers(move.unit, move.placement):
                    found.add("blackout" if item.units == ("all",) else "unit-blackout")
            windows = [item for item in calendar.windows if move.unit in item.units or item.units == ("all",)]
            if windows and not any(item.first <= night <= item.until for item in windows):
                found.add("window")
            for name in move.after:
                if self.of[name] != key and self.moves[name].group != (move.group or None):
                    if name not in self.cutovers:
                        found.add("held")
                    elif night <= self.cutovers[name]:
                        found.add("predecessor")
        pilots = self.schedule.pilots
        others = pilots and not any(move.name in pilots for move in members)
        if others and night < max(self.cutovers[name] for name in pilots) + calendar.pilots.days_before_next * DAY:
            found.add("pilots")
        return found | self.full(key, night)

    def full(self, key, night):
        """Capacities that would be overdrawn."""
        calendar, found = self.calendar, set()
        others = [
            (other, self.cutovers[self.groups[other][0].name])
            for other in self.groups
            if other != key and self.groups[other][0].name in self.cutovers
        ]
        size = sum(len(self.groups[other]) for other, day in others if day == night)
        if size and size + len(self.groups[key]) > calendar.nights.cutovers:
            found.add("night")
        for skill, (minutes, weeks) in self.weekly(key).items():
            mondays = [night - night.weekday() * DAY - 7 * n * DAY for n in range(weeks)]
            if mondays[-1] + 6 * DAY < self.start:
                found.add("work-time")
            # What a pinned move would have needed before the first week is not measured; `work-time` and `transfer-time` tell of it.
            for monday in (one for one in mondays if one >= monday_of(self.start)):
                used = minutes
                for other, day in others:
                    amount, length = self.weekly(other).get(skill, (0, 0))
                    theirs = day - day.weekday() * DAY
                    if any(theirs - 7 * n * DAY == monday for n in range(length)):
                        used += amount
                if used > self.crew(skill, monday):
                    found.add("crew")
        loads = defaultdict(int)
        mine = set()
        for other, day in [*others, (key, night)]:
            for copy, (load, near, far) in self.copies(other).items():
                for offset in range(near, far + 1):
                    for kind, name in zip(("source", "destination", "link"), copy, strict=True):
                        loads[kind, name, day - offset * DAY] += load
                        if other == key:
                            mine.add((kind, name, day - offset * DAY))
                            if day - offset * DAY < self.start:
                                found.add("transfer-time")
        for kind, name, day in (one for one in mine if one[2] >= monday_of(self.start)):
            if self.limit(kind, name) and loads[kind, name, day] > self.limit(kind, name):
                found.add(kind)
        return found


def prove(moves, calendar, start):
    """The schedule, after everything that must hold for any input has been looked at."""
    made = schedule(moves, calendar, start)
    slow = Slow(moves, calendar, start, made)
    assert sorted(item.name for item in (*made.scheduled, *made.unscheduled)) == sorted(slow.moves)
    for key, members in slow.groups.items():
        nights = {made.cutovers.get(move.name) for move in members}
        assert len(nights) == 1
        night = nights.pop()
        item = made.of(members[0].name)
        pinned = any(move.pinned for move in members)
        reasons = item.why_not_earlier if night else item.reasons
        if night and not pinned:
            assert slow.refusing(key, night) == set(), (key, night)
            assert slow.start <= item.start <= night
        end = night or slow.start + calendar.horizon_days * DAY
        if night and night <= slow.start:
            assert reasons == ()
        else:
            assert reasons[0].first == slow.start
            assert reasons[-1].last == end - DAY
        assert all(one.last + DAY == next_.first for one, next_ in itertools.pairwise(reasons))
        for reason in reasons:
            assert reason.sentence("en")
            assert reason.sentence("zh_CN")
            if pinned:
                assert reason.kind == "pinned"
                continue
            for n in range((reason.last - reason.first).days + 1):
                found = slow.refusing(key, reason.first + n * DAY)
                assert reason.kind in found or (reason.kind in refusals.CAPACITY and "weekday" in found), (key, reason, n, found)
    for problem in made.problems:
        assert slow.moves[problem.move].pinned or slow.moves[problem.move].group
    spoken = {(problem.move, problem.refusal.kind) for problem in made.problems}
    horizon = slow.start + calendar.horizon_days * DAY
    for key, members in slow.groups.items():
        night = made.cutovers.get(members[0].name)
        if any(move.pinned for move in members) and slow.start <= night < horizon:
            # What is spread or copied before the first day is told by its own kind.
            assert {kind for name, kind in spoken if name == members[0].name} == slow.refusing(key, night)
    return made


@st.composite
def cases(draw):
    count = draw(st.integers(1, 12))
    pick = st.sampled_from
    day = st.integers(0, 50).map(on)
    moves = []
    for number in range(count):
        moves.append(
            Move(
                f"m{number:02}",
                unit=draw(pick(["a", "b", "c"])),
                placement=draw(pick(["vps", "virtual-host"])),
                group=draw(pick(["", "", "", "g", "h"])),
                hours={skill: draw(pick([0, 0.5, 1, 2, 3.25, 9])) for skill in draw(st.sets(pick(["web", "db", "other"])))},
                bytes=draw(pick([0, None, 1000, 86_400, 100_000, 250_000])),
                source=draw(pick(["", "s", "t"])),
                destination=draw(pick(["d", "e"])),
                link=draw(pick(["", "slow", "nobody"])),
                ttl_s=draw(pick([None, 300, 172_800])),
                risk=draw(st.integers(0, 3)),
                urgency=draw(st.integers(0, 2)),
                pinned=draw(st.none() | st.none() | st.none() | day),
                not_before=draw(st.none() | st.none() | day),
                not_after=draw(st.none() | st.none() | st.none() | day),
                agreed=draw(st.none() | st.none() | st.none() | st.lists(day, max_size=3)),
                noticed=draw(st.none() | st.none() | st.just(START - 3 * DAY)),
            )
        )
    for number in range(1, count):
        if draw(st.booleans()):
            earlier = draw(st.integers(0, number - 1))
            # Through groups a chain can become a circle, which is refused and tested by its own case.
            if not moves[number].group and not moves[earlier].group:
                moves[number] = replace(moves[number], after=(f"m{earlier:02}",))
    text = f"""
notice_days: {draw(pick([0, 5]))}
weekdays: {draw(pick(["[mon, tue, wed, thu, fri, sat, sun]", "[tue, thu]", "[mon, wed, sat]"]))}
nights: {{cutovers: {draw(st.integers(1, 3))}}}
crew: {{web: {draw(pick([0, 3, 10]))}, db: {draw(pick([2, 4.5]))}}}
ttl_lead: {draw(pick([0, 24, 30]))}
horizon_days: {draw(pick([20, 60]))}
pilots: {{moves: {draw(st.integers(0, 3))}, days_before_next: {draw(pick([1, 8]))}}}
transfer:
  streams_per_source: 1
  streams_per_destination: {draw(st.integers(1, 2))}
  bytes_per_s: 1
  links: {{slow: {{bytes_per_s: 1, streams: 1}}}}
"""
    ranges = draw(
        st.lists(
            st.tuples(st.integers(-3, 40), st.integers(0, 12), pick(["all", "[a]", "[b, c]"]), pick(["", ", placements: [vps]"])),
            max_size=3,
        )
    )
    text += "blackouts:\n" + "".join(
        f"- {{name: B{n}, from: {on(first)}, until: {on(first + length)}, units: {units}{places}}}\n"
        for n, (first, length, units, places) in enumerate(ranges)
    )
    if draw(st.booleans()):
        text += f"windows:\n- {{units: [b], from: {on(draw(st.integers(0, 10)))}, until: {on(draw(st.integers(10, 30)))}}}\n"
    if draw(st.booleans()):
        text += f"absences:\n- {{skill: web, from: {on(3)}, until: {on(9)}}}\n- {{skill: db, from: {on(8)}, until: {on(8)}, hours: 1.5}}\n"
    return moves, calendar_of(text), START + draw(st.integers(0, 6)) * DAY


@settings(max_examples=120, deadline=None)
@given(cases(), st.randoms(use_true_random=False))
def test_whatever_the_input_every_rule_holds_and_every_reason_is_true(case, chance):
    moves, calendar, start = case
    made = prove(moves, calendar, start)
    mixed = list(moves)
    chance.shuffle(mixed)
    assert schedule(mixed, calendar, start) == made
    again = schedule(mixed, calendar, start, former=made)
    assert again.cutovers == made.cutovers, "a re-plan on the same day moves nothing"
    assert again.pilots == made.pilots


# --- rule by rule ------------------------------------------------------------------------------------------------------------------


def test_without_a_calendar_nothing_is_invented_and_the_schedule_says_so():
    made = schedule([Move(f"s{n}", bytes=0) for n in range(6)], ABSENT, START)
    assert sorted((day - START).days for day in made.cutovers.values()) == [1] * 5 + [2]  # a day's lead for the TTL
    assert [note.kind for note in made.notes] == ["no-calendar"]
    assert made.scheduled[0].notice is None
    assert made.pilots == frozenset()
    assert "没有 calendar.yml" in made.notes[0].sentence("zh_CN")


def test_dates_of_one_move():
    calendar = calendar_of(
        "notice_days: 30\nreminder_days: 7\nttl_lead: 24\ntrial_days: 45\npilots: {moves: 0}\ntransfer: {bytes_per_s: 10}"
    )
    made = schedule(
        [Move("s", unit="hist", bytes=10 * 86_400 * 3 + 1, ttl_s=90_000, source="h", destination="n", hours={"web": 2})], calendar, START
    )
    item = made.of("s")
    assert item.cutover == on(30)
    assert item.notice == START
    assert item.reminder == on(23)
    assert item.transfer == (on(26), on(29)), "three days and a second are four, and end before the night"
    assert item.ttl == on(28), "25 hours are two days"
    assert item.start == on(26)
    assert item.end == on(75)
    assert item.wave == 1
    assert [(why.kind, why.first, why.last) for why in item.why_not_earlier] == [("notice", START, on(29))]


def test_calendars_own_start_counts_when_it_is_later():
    assert dates([Move("s")], bare(f"start: {on(10)}\n")) == {"s": on(10)}
    assert dates([Move("s")], bare(f"start: {on(-10)}\n")) == {"s": START}


@pytest.mark.parametrize(
    "more, move, expected",
    [
        (f"blackouts: [{{name: Exams, from: {on(0)}, until: {on(2)}}}]", {}, [("blackout", 0, 2)]),
        (f"blackouts: [{{name: Exams, from: {on(-9)}, until: {on(0)}, units: [u]}}]", {}, [("unit-blackout", 0, 0)]),
        (f"blackouts: [{{name: Exams, from: {on(0)}, until: {on(2)}, units: [other]}}]", {}, []),
        (f"blackouts: [{{name: Racks, from: {on(0)}, until: {on(2)}, placements: [colocation]}}]", {}, []),
        (f"windows: [{{units: [u], from: {on(3)}, until: {on(4)}}}]", {}, [("window", 0, 2)]),
        (f"windows: [{{units: [other], from: {on(3)}, until: {on(4)}}}]", {}, []),
        ("weekdays: [wed]", {}, [("weekday", 0, 1)]),
        ("ttl_lead: 49", {}, [("ttl", 0, 2)]),
        ("", {"ttl_s": 86_401}, [("ttl", 0, 1)]),
        ("", {"not_before": on(5)}, [("not-before", 0, 4)]),
        ("", {"agreed": [on(9), on(4)]}, [("agreed", 0, 3)]),
        ("transfer: {bytes_per_s: 1}", {"bytes": 86_401}, [("transfer-time", 0, 1)]),
        ("", {"bytes": None}, [("transfer-time", 0, 0)]),
        ("crew: {web: 2}", {"hours": {"web": 5}}, [("work-time", 0, 13)]),
        (
            f"crew: {{web: 2}}\nabsences: [{{skill: web, from: {on(6)}, until: {on(7)}, hours: 1}}]",
            {"hours": {"web": 1.5}},
            [("crew", 0, 13)],
        ),
        ("notice_days: 4", {"noticed": on(-3)}, [("notice", 0, 0)]),
        (f"notice_days: 3\nblackouts: [{{name: Exams, from: {on(0)}, until: {on(2)}}}]", {}, [("notice", 0, 2)]),
    ],
)
def test_one_constraint(more, move, expected):
    text = BARE
    for line in more.splitlines():
        key = line.partition(":")[0]
        text = "".join(kept + "\n" for kept in text.splitlines() if not kept.startswith(key + ":")) + line + "\n"
    made = schedule([Move("s", unit="u", placement="vps", **move)], calendar_of(text), START)
    assert kinds(made, "s") == expected
    assert made.cutovers["s"] == on(expected[-1][2] + 1 if expected else 0)


def test_a_full_night_names_who_is_there():
    made = schedule([Move(name) for name in "abc"], bare("nights: {cutovers: 2}"), START)
    assert made.cutovers == {"a": START, "b": START, "c": on(1)}
    (reason,) = made.of("c").why_not_earlier
    assert reason.sentence() == "2026-08-31: the nights are full: 2 cutovers each, 1 more do not fit (first night: a, b)"
    assert reason.sentence("zh_CN") == "2026-08-31：各晚割接已满：每晚最多 2 个，无法再容纳 1 个（首晚已排：a、b）"


def test_a_weekend_between_two_full_weeks_does_not_break_the_reason():
    made = schedule([Move(f"m{n:02}") for n in range(11)], bare("nights: {cutovers: 1}\nweekdays: [mon, tue, wed, thu, fri]"), START)
    assert kinds(made, "m10") == [("night", 0, 13)]


def test_a_group_is_cut_over_in_one_night_and_a_big_one_has_a_night_of_its_own():
    moves = [Move(f"g{n}", group="g") for n in range(4)] + [Move("a", urgency=9), Move("z", urgency=-1)]
    made = schedule(moves, bare("nights: {cutovers: 3}"), START)
    assert {made.cutovers[f"g{n}"] for n in range(4)} == {on(1)}
    assert made.cutovers["a"] == made.cutovers["z"] == START
    assert {(note.move, note.kind) for note in made.notes} == {(f"g{n}", "own-night") for n in range(4)}


def test_hours_of_a_week_are_not_overdrawn_and_the_next_week_goes_on():
    made = schedule([Move(f"m{n}", hours={"db": 2}) for n in range(5)], bare("crew: {db: 4.5}"), START)
    assert [(item.cutover - START).days for item in made.scheduled] == [0, 0, 7, 7, 14]
    assert kinds(made, "m4") == [("crew", 0, 13)]
    assert [item.wave for item in made.scheduled] == [1, 1, 2, 2, 3]


@pytest.mark.parametrize("hours, day", [(2.5, 0), (2.52, 7)])
def test_absences_of_one_week_add_up_to_the_minute(hours, day):
    calendar = bare(
        f"crew: {{db: 4.5}}\nabsences: [{{skill: db, from: {on(0)}, until: {on(0)}, hours: 1}}, {{skill: db, from: {on(6)}, until: {on(6)}, hours: 1}}]"
    )
    assert dates([Move("m", hours={"db": hours})], calendar) == {"m": on(day)}


def test_with_more_amounts_than_levels_the_nights_are_the_same(monkeypatch):
    chance = random.Random(7)
    moves = [
        Move(
            f"m{n:02}", hours={"web": chance.randrange(10, 400) / 60}, bytes=chance.randrange(200_000), source=f"s{n % 3}", destination="d"
        )
        for n in range(36)
    ]
    calendar = bare("crew: {web: 20}\nnights: {cutovers: 3}\ntransfer: {streams_per_source: 1, streams_per_destination: 2, bytes_per_s: 1}")
    made = prove(moves, calendar, START)
    assert {reason.kind for item in made.scheduled for reason in item.why_not_earlier} >= {"crew", "source", "destination"}
    monkeypatch.setattr(room, "LEVELS", 2)
    assert prove(moves, calendar, START).cutovers == made.cutovers


def test_a_skill_that_the_calendar_does_not_name_is_not_limited_and_that_is_said():
    made = schedule([Move("m", hours={"web": 99}, link="dark")], bare("crew: {db: 1}"), START)
    assert made.cutovers == {"m": START}
    assert {(note.kind, str(note.detail)) for note in made.notes} == {
        ("skill-not-limited", "{'skill': 'web'}"),
        ("link-unknown", "{'name': 'dark'}"),
    }


def test_small_copies_share_a_stream_of_their_day_and_big_ones_wait():
    calendar = bare("transfer: {streams_per_source: 1, streams_per_destination: 9, bytes_per_s: 1}")
    small = [Move(f"m{n}", bytes=30_000, source="old", destination=f"d{n}") for n in range(3)]
    assert [(day - START).days for day in dates(small, calendar).values()] == [1, 1, 2], "30,000 s each: two fit into a day"
    big = [Move(f"m{n}", bytes=86_400 * 2, source="old", destination=f"d{n}") for n in range(2)]
    made = schedule(big, calendar, START)
    assert made.of("m0").transfer == (START, on(1))
    assert made.of("m1").transfer == (on(2), on(3))
    assert kinds(made, "m1") == [("transfer-time", 0, 1), ("source", 2, 3)]


def test_copies_of_one_group_share_the_streams_of_their_source():
    calendar = bare("transfer: {streams_per_source: 1, streams_per_destination: 9, bytes_per_s: 1}")
    moves = [Move(f"m{n}", group="g", bytes=86_400, source="old", destination=f"d{n}") for n in range(3)]
    made = schedule(moves, calendar, START)
    assert {item.cutover for item in made.scheduled} == {on(3)}
    assert sorted(item.transfer[0] for item in made.scheduled) == [START, on(1), on(2)]


def test_unknown_size_is_reckoned_as_a_day_and_said():
    made = schedule([Move("m", bytes=None, source="s")], bare(), START)
    assert made.of("m").transfer == (START, START)
    assert [(note.move, note.kind) for note in made.notes] == [("m", "bytes-unknown")]


def test_what_goes_before_is_cut_over_in_an_earlier_night():
    made = schedule([Move("a", after=["z"]), Move("z"), Move("y", after=["a"])], bare(), START)
    assert made.cutovers == {"z": START, "a": on(1), "y": on(2)}
    assert made.of("y").why_not_earlier[0].sentence() == "2026-08-31 – 2026-09-01: a goes before it, and is cut over on 2026-09-01"


def test_urgent_first_and_what_an_urgent_one_waits_for_with_it():
    moves = [Move("a"), Move("b", urgency=5, after=["z"]), Move("z"), Move("c", urgency=1)]
    made = schedule(moves, bare("nights: {cutovers: 1}"), START)
    assert [item.name for item in made.scheduled] == ["z", "b", "c", "a"]


def test_deadlines_go_before_urgency():
    made = schedule([Move("a", urgency=5), Move("b", not_after=START)], bare("nights: {cutovers: 1}"), START)
    assert made.cutovers == {"b": START, "a": on(1)}


def test_a_deadline_that_cannot_be_met_is_told_with_all_reasons():
    made = schedule([Move("a", not_after=on(2)), Move("b", after=["a"])], bare(notice_days=9), START)
    assert not made.scheduled
    assert kinds(made, "a") == [("notice", 0, 8), ("not-after", 9, 729)]
    assert made.of("b").held_by == "a"


def test_others_go_on_when_one_cannot_be_scheduled():
    moves = [Move("a", hours={"web": 3}), Move("b", after=["a"]), Move("c", after=["b"]), Move("d")]
    made = schedule(moves, bare("crew: {web: 0}"), START)
    assert made.cutovers == {"d": START}
    assert [(item.name, item.held_by) for item in made.unscheduled] == [("a", ""), ("b", "a"), ("c", "a")]
    assert made.of("c").reasons[0].sentence().endswith("it waits for a, which has no date itself")


def test_pilots_are_the_easiest_and_of_different_kinds_and_the_others_wait_for_them():
    moves = [
        Move("a", unit="u", placement="vps", risk=1),
        Move("b", unit="u", placement="vps", risk=2),
        Move("c", unit="u", placement="virtual-host", risk=3),
        Move("d", unit="v", placement="vps", risk=4),
        Move("e", unit="w", placement="vps", risk=0, after=["a"]),
        Move("f", unit="w", placement="vps", risk=0, not_before=on(1)),
        Move("g", unit="w", placement="vps", risk=0, bytes=0, group="x"),
        Move("h", unit="w", placement="vps", risk=9, bytes=0, group="x"),
    ]
    made = schedule(moves, bare(pilots=Calendar().pilots), START)
    assert made.pilots == {"a", "c", "d"}
    assert [item.wave for item in made.scheduled] == [1] * 3 + [2] * 5
    assert {item.cutover for item in made.scheduled if not item.pilot} == {on(14), on(14)}
    assert made.of("b").why_not_earlier[0].kind == "pilots"


def test_a_pilot_does_not_keep_everybody_waiting_for_months():
    calendar = bare(
        f"blackouts: [{{name: X, from: {on(0)}, until: {on(99)}, units: [u]}}]", pilots=Calendar().pilots.model_copy(update={"moves": 1})
    )
    made = schedule([Move("a", unit="u", risk=0), Move("b", unit="v", risk=5)], calendar, START)
    assert made.pilots == {"b"}


def test_a_pilot_that_has_no_place_gives_its_turn_to_the_next():
    calendar = bare("crew: {web: 0}", pilots=Calendar().pilots.model_copy(update={"moves": 1}))
    made = schedule([Move("a", hours={"web": 1}), Move("b", risk=5), Move("c", risk=6)], calendar, START)
    assert made.pilots == {"b"}
    assert made.cutovers == {"b": START, "c": on(14)}


def test_pinned_dates_stay_and_what_speaks_against_them_is_told():
    calendar = bare(f"nights: {{cutovers: 1}}\nblackouts: [{{name: Exams, name_zh: 考试, from: {on(3)}, until: {on(5)}}}]")
    moves = [Move("a", pinned=on(4)), Move("b", pinned=on(4)), Move("c", pinned=on(1), after=["d"]), Move("d", not_before=on(7)), Move("e")]
    made = schedule(moves, calendar, START)
    assert made.cutovers == {"a": on(4), "b": on(4), "c": on(1), "d": on(7), "e": START}
    assert [(problem.move, problem.refusal.kind) for problem in made.problems] == [
        ("a", "blackout"), ("a", "night"), ("b", "blackout"), ("b", "night"), ("c", "predecessor"),
    ]  # fmt: skip
    assert made.problems[0].sentence("zh_CN") == "a: 2026-09-04：封网期“考试”"
    assert "(first night: b)" in made.problems[1].sentence()
    assert kinds(made, "a") == [("pinned", 0, 3)]


def test_a_pin_outside_the_horizon_stays_and_is_told():
    made = schedule([Move("a", pinned=on(-3)), Move("b", pinned=on(5000)), Move("c", after=["a"])], bare(), START)
    assert made.cutovers == {"a": on(-3), "b": on(5000), "c": START}
    assert [(problem.move, problem.refusal.kind) for problem in made.problems] == [("a", "outside"), ("b", "outside")]


def test_a_group_torn_by_its_pins_is_told_and_the_rest_goes_with_the_first():
    made = schedule(
        [Move("a", group="g", pinned=on(9)), Move("b", group="g", pinned=on(4)), Move("c", group="g", after=["a"])], bare(), START
    )
    assert made.cutovers == {"a": on(9), "b": on(4), "c": on(4)}
    assert {note.kind for note in made.notes} == {"torn-group"}


def test_absurd_amounts_are_told_and_break_nothing():
    moves = [
        Move("a", bytes=2**80, source="s", destination="d"),
        Move("b", hours={"web": 999_999}),
        Move("c", ttl_s=2**60),
        Move("d", bytes=2**80, source="s", destination="d", hours={"web": 999_999}, ttl_s=2**60, pinned=on(40)),
    ]
    made = schedule(moves, bare("crew: {web: 0.1}"), START)
    assert made.cutovers == {"d": on(40)}
    assert [(item.name, item.reasons[0].kind) for item in made.unscheduled] == [("a", "transfer-time"), ("b", "work-time"), ("c", "ttl")]
    assert made.of("a").reasons[0].detail["days"] > 10**12


def test_order_within_a_group_is_no_matter_of_nights():
    assert dates([Move("a", group="g", after=["b"]), Move("b", group="g")]) == {"a": START, "b": START}


def test_bad_input_is_told_at_once():
    with pytest.raises(PlanError) as caught:
        schedule([Move("a", after=["x"]), Move("a"), Move("b", bytes=-1, hours={"web": float("nan")}, pinned=date.max)], bare(), START)
    assert len(str(caught.value).splitlines()) == 6
    with pytest.raises(PlanError, match="a after b after a"):
        schedule([Move("a", after=["b"]), Move("b", after=["a"]), Move("c", after=["a"])], bare(), START)


# --- moving a date, and failures ---------------------------------------------------------------------------------------------------


def test_a_re_plan_keeps_the_dates_that_still_hold():
    calendar = bare("nights: {cutovers: 1}")
    former = schedule([Move("b"), Move("c")], calendar, START)
    made = schedule([Move("a", urgency=9), Move("b"), Move("c")], calendar, START, former=former)
    assert made.cutovers == {"b": START, "c": on(1), "a": on(2)}


def test_a_kept_date_tells_which_earlier_nights_are_free():
    calendar = bare("nights: {cutovers: 1}")
    former = schedule([Move("a"), Move("b"), Move("c")], calendar, START)
    made = schedule([Move("b"), Move("c")], calendar, START, former=former)
    assert kinds(made, "c") == [("kept", 0, 0), ("night", 1, 1)]


def test_shift_moves_only_what_has_to_move():
    calendar = bare("nights: {cutovers: 1}")
    moves = [Move("a"), Move("b", after=["a"]), Move("c"), Move("d")]
    assert dates(moves, calendar) == {"a": START, "b": on(1), "c": on(2), "d": on(3)}
    effects = shift(moves, calendar, START, "a", on(2))
    assert [(item.name, item.days) for item in effects.group] == [("a", 2)]
    assert [(item.name, item.days) for item in effects.moved] == [("b", 3), ("c", -2)]
    assert effects.broken == ()
    assert effects.schedule.of("a").pinned


def test_shift_lists_what_the_date_breaks():
    calendar = bare(f"blackouts: [{{name: Exams, from: {on(12)}, until: {on(14)}}}]", notice_days=9)
    effects = shift([Move("a"), Move("b", after=["a"])], calendar, START, "b", on(9))
    assert [problem.refusal.kind for problem in effects.broken] == ["predecessor"]
    effects = shift([Move("a", group="g"), Move("b", group="g")], calendar, START, "b", on(13))
    assert [(problem.move, problem.refusal.kind) for problem in effects.broken] == [("a", "blackout"), ("b", "blackout")]
    assert [item.name for item in effects.group] == ["a", "b"]
    with pytest.raises(NotFound):
        shift([Move("a")], calendar, START, "nobody", on(9))


def test_shifting_a_pilot_shifts_those_who_wait_for_the_pilots():
    calendar = bare(pilots=Calendar().pilots.model_copy(update={"moves": 1, "days_before_next": 7}))
    effects = shift([Move("a"), Move("b", risk=1)], calendar, START, "a", on(3))
    assert [(item.name, item.days) for item in effects.moved] == [("b", 3)]


def test_a_failed_group_holds_back_its_successors_only():
    groups = {"a": "a", "a2": "a", "b": "b", "c": "c", "d": "d", "e": "e"}
    edges = [("a", "b"), ("b", "c"), ("d", "c"), ("a", "a2"), ("e", "a")]
    assert held_back(["a2"], groups, edges) == {"b": "a2", "c": "a2"}
    assert held_back(["d", "b"], groups, edges) == {"c": "b"}
    assert held_back([], groups, edges) == {}


# --- words, speed ------------------------------------------------------------------------------------------------------------------


def test_every_kind_has_its_words_with_the_same_places_in_both_languages():
    import re

    words = refusals.sentences()
    for kind, sentence in (words.refusals | words.notes).items():
        places = [set(re.findall(r"\{([a-z]+)\}", text)) for text in (sentence.message, sentence.message_zh)]
        assert places[0] == places[1], kind
        assert re.search("[\u4e00-\u9fff]", sentence.message_zh), kind


def test_ten_thousand_moves_are_a_matter_of_seconds():
    import time

    chance = random.Random(4)
    moves = [
        Move(
            f"m{n:05}", unit=f"u{n % 80}", hours={"web": chance.choice([1, 2, 3.5])}, bytes=chance.randrange(10**11), source=f"h{n // 3}",
            destination=f"d{n % 200}", after=(f"m{n - 1:05}",) if n % 9 == 1 else (), group=f"g{n // 4}" if n % 16 < 3 else "",
        )
        for n in range(10_000)
    ]  # fmt: skip
    calendar = calendar_of("nights: {cutovers: 40}\ncrew: {web: 400}\nweekdays: [mon, tue, wed, thu]\n")
    begun = time.process_time()
    made = schedule(moves, calendar, START)
    assert time.process_time() - begun < 10, "1.0 s on a quiet machine"
    assert len(made.scheduled) + len(made.unscheduled) == 10_000
