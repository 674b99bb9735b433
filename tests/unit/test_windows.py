"""When a step may begin: in the calendar's own zone, over midnight, over a change of summer time, with and without hours."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from inventory.errors import ConfigurationError
from planner import calendars, windows

SHANGHAI = timezone(timedelta(hours=8))
DATES = {"start": "2026-11-28", "cutover": "2026-12-01", "end": "2026-12-20"}


def calendar(text="zone: Asia/Shanghai\nnights: {from: '22:00', until: '06:00'}\n"):
    return calendars.parse(text)


def at(day, hour, minute=0, zone=SHANGHAI):
    return datetime(2026, *day, hour, minute, tzinfo=zone)


@pytest.mark.parametrize(
    ("now", "when", "said"),
    [
        (at((12, 1), 21, 59), "window", "its night is 2026-12-01 22:00 to 2026-12-02 06:00 CST"),
        (at((12, 1), 22), "window", ""),
        (at((12, 2), 5, 59), "window", ""),
        (at((12, 1), 14, 0, UTC), "window", ""),  # the same moment as 22:00 there
        (at((12, 2), 6), "window", "its night is over"),
        (at((12, 1), 12), "window", "its night is"),
        (at((11, 27), 23, 59), "preparation", "its preparation begins on 2026-11-28"),
        (at((11, 28), 0), "preparation", ""),
        (at((12, 30), 0), "preparation", ""),
        (at((1, 1), 0), "any time", ""),
    ],
)
def test_days_and_hours(now, when, said):
    found = windows.closed(DATES, when, calendar(), now)
    assert found.startswith(said) and bool(found) == bool(said)


def test_a_move_without_a_date_may_not_begin_but_may_end():
    assert "no date" in windows.closed(None, "window", calendar(), at((12, 1), 23))
    assert "no date" in windows.closed(None, "preparation", calendar(), at((12, 1), 23))
    assert windows.closed(None, "any time", calendar(), at((12, 1), 23)) == ""


def test_hours_within_one_day_and_none_at_all():
    noon = calendar("zone: Asia/Shanghai\nnights: {from: '12:00', until: '13:30'}\n")
    assert windows.night(date(2026, 12, 1), noon) == windows.Window(at((12, 1), 12), at((12, 1), 13, 30))
    whole = calendar("zone: Asia/Shanghai\n")
    assert windows.night(date(2026, 12, 1), whole) == windows.Window(at((12, 1), 0), at((12, 2), 12))


def test_a_night_in_which_the_clocks_are_put_back_is_an_hour_longer():
    berlin = calendar("zone: Europe/Berlin\nnights: {from: '22:00', until: '06:00'}\n")
    night = windows.night(date(2026, 10, 24), berlin)
    assert night.closes.astimezone(UTC) - night.opens.astimezone(UTC) == timedelta(hours=9)


def test_without_a_zone_it_is_this_machines():
    here = calendar("nights: {from: '22:00', until: '06:00'}\n")
    night = windows.night(date(2026, 12, 1), here)
    assert night.opens.replace(tzinfo=None) == datetime(2026, 12, 1, 22) and night.opens.utcoffset() is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nights: {from: '22:00'}", "c.yml:1:9: nights: from and until are given together"),
        ("nights: {from: '25:00', until: '06:00'}", "c.yml:1:16: nights.from: an hour is written 22:00"),
        ("nights: {from: 1320, until: '06:00'}", "an hour is written 22:00"),
        ("nights: {from: '06:00', until: '06:00'}", "the same hour"),
        ("zone: Asia/Nowhere", "c.yml:1:7: zone: no time zone of this machine"),
        ("zone: ../../etc/passwd", "no time zone"),
    ],
)
def test_what_is_no_hour_and_no_zone(text, said):
    with pytest.raises(ConfigurationError) as refused:
        calendars.parse(text, "c.yml")
    assert said in str(refused.value)
