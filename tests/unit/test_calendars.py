"""The calendar's file: every key, every mistake with its place, and the page that explains it."""

import re
from datetime import date
from pathlib import Path

import pytest
from pydantic import BaseModel

from inventory.errors import ConfigurationError, InputError
from planner import calendars
from planner.calendars import ABSENT, Calendar, load, parse

PAGE = Path(__file__).parents[2] / "docs" / "calendar.md"


def test_no_file_invents_nothing_an_empty_one_has_the_defaults(tmp_path):
    absent = load(tmp_path / "calendar.yml")
    assert absent is ABSENT
    assert (absent.notice_days, absent.blackouts, absent.crew, absent.pilots.moves, absent.nights.cutovers) == (0, (), {}, 0, 5)
    assert set(absent.weekdays) == set(calendars.WEEKDAYS)
    assert not absent.stated
    (tmp_path / "calendar.yml").write_text("# nothing yet\n")
    empty = load(tmp_path / "calendar.yml")
    assert empty == Calendar()
    assert (empty.notice_days, empty.reminder_days, empty.trial_days, empty.horizon_days) == (30, 7, 45, 730)
    assert empty.stated


def test_the_skeleton_is_good_and_so_are_its_examples():
    assert parse(calendars.SKELETON).blackouts == ()
    full = parse(re.sub(r"^# ?(?=start:|  )", "", calendars.SKELETON, flags=re.MULTILINE))
    assert full.start == date(2026, 9, 1)
    assert [item.name_zh for item in full.blackouts] == ["开学", "选课", ""]
    assert full.crew["web"] == 24
    assert full.transfer.links["east-campus"].streams == 2
    assert full.absences[0].hours == 12
    assert full.windows[0].units == ("hospital",)


def test_all_mistakes_at_once_each_with_its_place():
    text = """\
start: 2026-02-30
notice_days: -1
weekdays: [mon, tomorrow]
nights: {cutovers: 0}
blackouts:
  - {name: Exams, from: 2026-07-09, until: 2026-07-01}
  - {name: "", from: 20260901, until: 2026-09-02, units: hist}
  - {name: Term, from: 2026-09-01, until: 2026-09-02, units: [], placements: [moon]}
windows: [{from: 2026-09-01, until: 2026-09-02}]
crew: {web: many, db: -2, system: nan}
transfer: {links: {east: {bytes_per_s: 0}}, streams: 3}
holidays: []
"""
    with pytest.raises(ConfigurationError) as caught:
        parse(text, "calendar.yml")
    problems = caught.value.problems
    for wanted in [
        "calendar.yml:1:8: start", "2:14: notice_days", "3:17: weekdays.1", "4:20: nights.cutovers", "6:5: blackouts.0: until 2026-07-01",
        "7:12: blackouts.1.name", "7:22: blackouts.1.from: a day is written 2026-09-01", "7:58: blackouts.1.units",
        "8:62: blackouts.2.units", "8:79: blackouts.2.placements.0", "9:11: windows.0.units", "10:13: crew.web", "10:23: crew.db", "10:35: crew.system",
        "11:40: transfer.links.east.bytes_per_s", "11:54: transfer.streams", "12:11: holidays",
    ]:  # fmt: skip
        assert any(wanted in problem for problem in problems), (wanted, problems)
    assert len(problems) == 17


def test_an_absence_of_a_skill_that_the_crew_lacks():
    with pytest.raises(ConfigurationError, match=r"calendar.yml:3:13: absences.0.skill: crew has no skill 'wbe'"):
        parse("crew: {web: 1}\nabsences:\n  - {skill: wbe, from: 2026-09-01, until: 2026-09-01}\n")


@pytest.mark.parametrize(
    "text", ["[]", "just words", "notice_days: [1]", "blackouts: {name: x}", "nights: 3", "a: 1\na: 2", "{", "units: \x00"]
)
def test_what_is_no_calendar(text):
    with pytest.raises(ConfigurationError, match=r"^calendar.yml:\d+:\d+: "):
        parse(text)


def test_a_file_that_cannot_be_read(tmp_path):
    (tmp_path / "calendar.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError):
        load(tmp_path / "calendar.yml")


def test_whom_a_blackout_covers():
    one = parse("blackouts: [{name: X, from: 2026-09-01, until: 2026-09-01, units: [a, b], placements: [vps]}]").blackouts[0]
    assert [one.covers(*pair) for pair in [("a", "vps"), ("c", "vps"), ("a", "colocation"), ("", "vps")]] == [True, False, False, False]
    every = parse("blackouts: [{name: X, from: 2026-09-01, until: 2026-09-01}]").blackouts[0]
    assert every.covers("", "")


def test_units_are_named_with_their_path():
    calendar = parse(
        "blackouts: [{name: X, from: 2026-09-01, until: 2026-09-01}, {name: Y, from: 2026-09-01, until: 2026-09-01, units: [a]}]\n"
        "windows: [{units: [b], from: 2026-09-01, until: 2026-09-01}]"
    )
    assert list(calendar.units_named()) == [(("blackouts", 1, "units", 0), "a"), (("windows", 0, "units", 0), "b")]


def _keys(model):
    for name, field in model.model_fields.items():
        yield field.alias or name
    for other in (
        calendars.Nights,
        calendars.Blackout,
        calendars.Window,
        calendars.Absence,
        calendars.Transfer,
        calendars.Link,
        calendars.Pilots,
    ):
        for name, field in other.model_fields.items():
            yield field.alias or name


def test_every_key_is_on_the_page_with_its_default():
    text = PAGE.read_text(encoding="utf-8")
    for key in _keys(Calendar):
        assert f"`{key}`" in text, key
    for model in [Calendar, calendars.Nights, calendars.Transfer, calendars.Link, calendars.Pilots]:
        for name, field in model.model_fields.items():
            default = field.get_default(call_default_factory=True)
            if isinstance(default, int) and not isinstance(default, BaseModel):
                rows = [line for line in text.splitlines() if line.startswith("|") and f"`{name}`" in line]
                assert any(f"{default:,}" in row for row in rows), (name, default)


def test_the_pages_example_is_good():
    text = PAGE.read_text(encoding="utf-8")
    example = text.split("```yaml\n")[1].split("```")[0]
    calendar = parse(example)
    assert {item.name_zh for item in calendar.blackouts} >= {"开学", "选课", "期末考试", "成绩录入", "招生录取", "毕业典礼"}
    assert calendar.crew
    assert calendar.absences
    assert calendar.windows
    assert calendar.transfer.links
