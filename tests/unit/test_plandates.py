"""A document's dates as a schedule again, and as an iCalendar file."""

import sys
from datetime import UTC, date, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from sample_plan import document, move
from sample_subjects import inputs, subject

from planner import calendars, plandates
from planner.planning import making

AT = datetime(2026, 11, 24, 8, tzinfo=UTC)


def test_the_schedule_comes_back_from_the_document():
    made = making.make(inputs(*(subject(f"{name}.x.edu") for name in "abc")))
    found = plandates.schedule(making.document(made))
    assert found.cutovers == made.schedule.cutovers
    assert found.pilots == made.schedule.pilots != frozenset()
    for item in made.schedule.scheduled:
        again = found.of(item.name)
        assert (again.start, again.end, again.ttl, again.wave) == (item.start, item.end, item.ttl, item.wave)


def test_a_move_without_a_date_is_in_no_calendar():
    plain = document(move("a"), move("b"))
    plain["moves"][1] = {**plain["moves"][1], "schedule": None, "wave": 0}
    assert plandates.schedule(plain).cutovers == {"a-x-edu": date(2026, 12, 1)}


def test_the_file_of_one_unit_and_the_same_bytes():
    plain = document(move("a"), move("b", unit="phys"))
    both = plandates.exported(plain, calendars.ABSENT, AT)
    mine = plandates.exported(plain, calendars.ABSENT, AT, unit="phys")
    assert both == plandates.exported(plain, calendars.ABSENT, AT)
    assert b"a-x-edu" in both and b"b-x-edu" in both and b"\r\n" in both
    assert b"a-x-edu" not in mine and b"b-x-edu" in mine


def test_hostile_texts_do_not_add_lines():
    plain = document(move("a"))
    plain["moves"][0]["unit"] = "hist\r\nBEGIN:VALARM"
    lines = plandates.exported(plain, calendars.ABSENT, AT).decode().split("\r\n")
    assert "BEGIN:VALARM" not in lines
