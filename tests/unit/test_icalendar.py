"""The exported calendar: read back by the library, and its bytes by the rules of RFC 5545."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from icalendar import Calendar as Document

from inventory.errors import InputError
from planner.calendars import Calendar, parse
from planner.icalendar import _words, export, plain
from planner.moves import Move
from planner.waves import schedule

START = date(2026, 8, 31)
STAMP = datetime(2026, 8, 31, 8, 30, tzinfo=timezone(timedelta(hours=8)))
CALENDAR = parse(
    "notice_days: 30\npilots: {moves: 0}\nblackouts:\n"
    "- {name: Term start, name_zh: 开学, from: 2026-08-31, until: 2026-10-02}\n"
    "- {name: Term start, name_zh: 开学, from: 2027-02-22, until: 2027-02-26}\n"
    "- {name: Exams, from: 2027-01-04, until: 2027-01-15, units: [hist]}\n"
)


def made(*moves, calendar=CALENDAR, **more):
    return export(schedule(moves, calendar, START), calendar, STAMP, **more)


def events(data):
    return {(str(event["categories"].cats[0]), str(event["uid"])): event for event in Document.from_ical(data).walk("VEVENT")}


def of(data, kind):
    return [event for (found, _), event in events(data).items() if found == kind]


def test_a_move_has_its_events_on_its_days():
    data = made(Move("www.hist.example.edu", unit="hist", placement="virtual-host", bytes=10))
    days = {kind: event["dtstart"].dt for (kind, _), event in events(data).items() if kind != "blackout"}
    cutover = date(2026, 10, 3)
    assert days == {
        "cutover": cutover, "freeze": cutover, "notice": date(2026, 9, 3), "reminder": date(2026, 9, 26),
        "ttl": date(2026, 10, 2), "trial-end": date(2026, 11, 17),
    }  # fmt: skip
    (event,) = of(data, "cutover")
    assert event["summary"] == "Cutover: www.hist.example.edu"
    assert event["dtend"].dt == date(2026, 10, 4)
    assert event["dtstamp"].dt == datetime(2026, 8, 31, 0, 30, tzinfo=UTC)
    assert event["description"].splitlines() == [
        "Unit hist, Virtual host, wave 1",
        "Why not earlier:",
        "2026-08-31 – 2026-10-02: change freeze “Term start”",
    ]


def test_chinese():
    data = made(Move("历史学院", unit="hist", placement="virtual-host"), language="zh_CN")
    (event,) = of(data, "cutover")
    assert event["summary"] == "割接：历史学院"
    assert event["description"].splitlines()[0] == "单位 hist，虚拟主机，第 1 批"
    assert "封网期“开学”" in event["description"]
    assert {str(one["summary"]) for one in of(data, "blackout")} == {"封网期：开学", "封网期：Exams (hist)"}


def test_ids_do_not_depend_on_dates_but_differ_for_everything():
    early, late = made(Move("a"), Move("b")), made(Move("a", not_before=date(2026, 12, 1)), Move("b"))
    assert set(events(early)) == set(events(late))
    assert len(events(early)) == len(list(Document.from_ical(early).walk("VEVENT"))) == 15


def test_same_input_same_bytes_whatever_the_order():
    assert made(Move("a"), Move("b")) == made(Move("b"), Move("a"))


def test_one_unit_gets_its_own():
    data = made(Move("a", unit="hist"), Move("b", unit="math"), unit="math")
    assert {str(event["summary"]) for event in events(data).values() if "a" in str(event["summary"]).split()} == set()
    assert [str(event["summary"]) for event in of(data, "cutover")] == ["Cutover: b"]
    assert [str(event["summary"]) for event in of(data, "blackout")] == ["Change freeze: Term start"] * 2


@pytest.mark.parametrize(
    "name",
    [
        "x\r\nEND:VEVENT\r\nBEGIN:VEVENT",
        'a;b,c\\n:"d"',
        "\x00\x07\x1b[31m",
        "\u202egnp.exe\u2028y",
        "站" * 300,
        "\ud800",
        "a\n\nb",
        "\ufeff",
    ],
)
def test_hostile_names_stay_one_name_in_one_event(name):
    data = made(Move(name, unit=name, placement=name), Move("ordinary"))
    assert data.split(b"\r\n").count(b"BEGIN:VEVENT") == 15
    names = [str(event["summary"]) for event in of(data, "cutover")]
    assert sorted(names) == sorted([f"Cutover: {plain(name)}", "Cutover: ordinary"])
    for line in data.split(b"\r\n"):
        assert len(line) <= 75, "octets, not characters"
        line.decode("utf-8")
        assert not any(byte < 32 and byte != 9 for byte in line)


def test_no_letter_without_a_notice_period():
    calendar = Calendar(notice_days=0)
    assert {kind for kind, _ in events(made(Move("a"), calendar=calendar))} == {"cutover", "freeze", "ttl", "trial-end"}


def test_a_reminder_on_the_letters_day_is_left_out():
    assert not of(made(Move("a"), calendar=Calendar(notice_days=5)), "reminder")


def test_a_moment_without_a_zone_is_refused():
    with pytest.raises(InputError):
        export(schedule([], CALENDAR, START), CALENDAR, datetime(2026, 8, 31))


def test_words_have_both_languages():
    import re

    for kind, sentence in _words().items():
        assert len({frozenset(re.findall(r"\{[a-z]+\}", text)) for text in (sentence.message, sentence.message_zh)}) == 1, kind
