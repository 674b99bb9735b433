"""Packing: what goes in comes out, in its order, whatever a host said; and what makes two readings the same."""

import json
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory import packing
from inventory.probes.base import Observation, Section

TEXT = st.text(st.characters(), max_size=12) | st.sampled_from(["\0", "\udcff", "\\u0000", "é", '"', "\n"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
OBSERVATIONS = st.lists(
    st.tuples(
        st.sampled_from(["web", "packages"]),
        st.builds(
            Observation, st.sampled_from(["os", "package", "listener", "load"]), st.dictionaries(TEXT | st.just("name"), VALUES, max_size=4),
            st.integers(1, 99),
        ),
    ),
    max_size=12,
)  # fmt: skip


def opened(packed):
    """(section, kind, data, line), with shared values put in."""
    found = []
    for group in packed.groups:
        if isinstance(group, packing.SharedGroup):
            stored = packing.numbered(group, range(len(group.values)))
            values = [dict(zip(group.keys, value, strict=True)) for value in group.values]
            found += [(group.section, group.kind, values[number], line) for number, line in packing.unpack(stored.body).numbers]
        else:
            found += [(group.section, group.kind, data, line) for data, line in packing.unpack(group.body).rows]
    return found


@given(OBSERVATIONS)
@settings(max_examples=300)
def test_what_goes_in_comes_out(observations):
    packed = packing.pack(b"", observations)
    places = list(dict.fromkeys((section, item.kind) for section, item in observations))
    wanted = [
        (section, kind, json.loads(json.dumps(packing.clean(item.data))), item.line)
        for section, kind in places
        for at, item in observations
        if (at, item.kind) == (section, kind)
    ]
    assert opened(packed) == wanted
    assert packing.pack(b"", observations).digest == packed.digest
    for group in packed.groups:
        if isinstance(group, packing.Group):
            assert b"\\u0000" not in group.body or b"\\\\u0000" in group.body


@pytest.mark.parametrize("value", [date(2026, 11, 1), {1, 2}, object])
def test_values_that_are_no_json(value):
    ((_, _, data, _),) = opened(packing.pack(b"", [("web", Observation("os", {"value": value}, 1))]))
    assert data == {"value": packing.clean(value)}


BASE = [
    ("system", Observation("machine", {"hostname": "h", "uptime_s": 5}, 1)), ("system", Observation("load", {"one": 0.5}, 9)),
    ("network", Observation("listener", {"port": 80, "pid": 7}, 2)), ("packages", Observation("package", {"name": "a", "version": "1"}, 3)),
    ("services", Observation("process", {"pid": 9, "command": "x"}, 4)),
]  # fmt: skip


def changed(number, **data):
    return [(s, replace(o, data={**o.data, **data}) if at == number else o) for at, (s, o) in enumerate(BASE)]


@pytest.mark.parametrize(
    ("observations", "same"),
    [
        (changed(0, uptime_s=6), True), (changed(1, one=3.0), True), (changed(2, pid=8), True), (changed(4, command="y"), True),
        (BASE[:1] + BASE[2:], True), ([(s, replace(o, line=o.line + 1)) for s, o in BASE], True),
        (changed(0, hostname="i"), False), (changed(2, port=81), False), (changed(3, version="2"), False), (BASE[:3] + BASE[4:], False),
        ([*BASE, ("system", Observation("unknown", {"what": "os", "why": "x"}, 1))], False), (changed(0, uptime_s=5, more=1), False),
    ],
)  # fmt: skip
def test_what_makes_a_reading_new(observations, same):
    assert (packing.pack(b"", observations).digest == packing.pack(b"x", BASE).digest) is same


def test_sections_and_privilege_make_a_reading_new():
    whole = [Section("system", "text", 0, 1.0), Section("network", "", 0, 1.0)]
    digest = packing.pack(b"", BASE, whole, "root").digest
    assert packing.pack(b"", BASE, [replace(s, seconds=9.0, text="other") for s in whole], "root").digest == digest
    for sections, privilege in (
        (whole[:1], "root"),
        (whole, "user"),
        ([replace(s, status=124) for s in whole], "root"),
        ([replace(s, privilege="stale") for s in whole], "root"),
    ):
        assert packing.pack(b"", BASE, sections, privilege).digest != digest


def test_one_and_true_and_long_names_in_the_dictionary():
    group = packing.pack(b"", [("p", Observation("package", {"name": "a", "held": held}, 1)) for held in (True, 1)]).groups[0]
    assert isinstance(group, packing.SharedGroup)
    assert [type(value[1]) for value in group.values] == [bool, int]
    for odd in ({"version": "1"}, {"name": "a", "files": ["x"]}, {"name": "a", "size": 1.5}):
        assert isinstance(packing.pack(b"", [("p", Observation("package", odd, 1))]).groups[0], packing.Group)
