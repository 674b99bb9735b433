"""One cell at a time: every case of tests/cases/register/cells.yml, and what must hold whatever a cell holds."""

import json
import re
import time
from datetime import date, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from inventory.register import cells, dates, delimited, shipped
from inventory.register.dates import Refused

CASES = [
    pytest.param(case, id=f"{case['field']} {case.get('as') or case['cell']}")
    for group in yaml.safe_load((Path(__file__).parents[2] / "cases/register/cells.yml").read_text(encoding="utf-8")).values()
    for case in group
]
REGISTER = shipped()
COLUMNS = [(kind, column) for kind, item in REGISTER.kinds.items() for column in item.fields]


def column(name):
    kind, _, field = name.partition(".")
    return REGISTER.kinds[kind].by_id[field]


@pytest.mark.parametrize("case", CASES)
def test_cell(case):
    if "why" in case:
        with pytest.raises(Refused, match=re.escape(case["why"])):
            cells.parse(column(case["field"]), case["cell"])
        return
    value = cells.parse(column(case["field"]), case["cell"])
    assert (value.data, type(value.data)) == (case["is"], type(case["is"]))
    if "more" in case:
        assert value.more == case["more"]


@pytest.mark.parametrize("text", ["", "  ", "\u3000", "-", "—", "／", "/", "N/A", "未知", "不详", "待定", "Unknown"])
def test_cells_that_say_nothing(text):
    assert cells.blank(REGISTER, text)


@pytest.mark.parametrize("value", ["无", "0", 0, False, "是", cells.Unreadable("a formula")])
def test_cells_that_say_something(value):
    assert not cells.blank(REGISTER, value)


ANYTHING = st.one_of(
    st.text(),
    st.text("0123456789年月日.-/:,，、；（）()至一二十 TGMBtcpudp万约\n\u3000xX@", max_size=40),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.booleans(),
    st.datetimes(),
    st.dates(),
    st.times(),
    st.timedeltas(),
)


@given(st.sampled_from(COLUMNS), ANYTHING)
def test_any_cell_is_read_or_refused(named, value):
    try:
        found = cells.parse(named[1], value)
    except Refused as refused:
        assert 0 < len(str(refused)) < 700
        return
    json.dumps(found.data, allow_nan=False)
    json.dumps(found.more, allow_nan=False)


@given(st.sampled_from(COLUMNS), ANYTHING, st.sampled_from(["en", "zh_CN"]))
@example(("unit", REGISTER.kinds["unit"].by_id["ranges"]), ",", "en")
def test_what_was_read_is_written_so_that_it_reads_the_same(named, value, language):
    field = named[1]
    try:
        data = cells.parse(field, value).data
    except Refused:
        return
    written = cells.written(field, data, language)
    if cells.blank(REGISTER, value) or cells.blank(REGISTER, written) or data == "":
        return
    assert cells.parse(field, written).data == data


@given(st.text())
def test_guarded_cells(text):
    guarded = delimited.guarded(text)
    assert guarded[:1] not in set("=+-@\t\r")
    assert delimited.unguarded(guarded) == text


@pytest.mark.parametrize(
    "text", ["9" * 200_000, " " * 200_000 + "x", "2024" * 50_000, "a@" * 100_000, "1," * 100_000, "、" * 200_000, "十" * 200_000]
)
def test_long_cells_are_refused_at_once(text):
    begin = time.perf_counter()
    for _, field in COLUMNS:
        with pytest.raises(Refused):
            cells.parse(field, text)
    assert time.perf_counter() - begin < 5


@pytest.mark.parametrize(
    ("iso", "last"),
    [("2024-03-01", date(2024, 3, 1)), ("2024-02", date(2024, 2, 29)), ("2024-12", date(2024, 12, 31)), ("2024", date(2024, 12, 31)),
     ("never", None), ("soon", None), ("2024-13", None), ("٣", None)],
)  # fmt: skip
def test_the_last_day(iso, last):
    assert dates.last_day(iso) == last


def test_days_of_old_macs_are_counted_from_1904():
    assert dates.parse(45352 - 1462, epoch=datetime(1904, 1, 1)) == "2024-03-01"
