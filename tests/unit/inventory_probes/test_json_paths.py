"""The JSON reader in awk tells the same as Python's, in each awk at hand; it takes any text, in linear time."""

from __future__ import annotations

import json
import shutil
import subprocess
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventory.probes.jsonpaths import JSON_PATHS, members, unescaped

AWKS = [[path] for path in map(shutil.which, ("mawk", "gawk", "nawk", "awk")) if path]
AWKS += [[path, "awk"] for path in [shutil.which("busybox")] if path]
EVERYTHING = JSON_PATHS + 'function keep(p, v) { return v == "" ? "-empty-" : v }'
LEAVES = st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=12).filter(lambda text: "\x00" not in text)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=6), inner, max_size=3), max_leaves=12
)


def flat(value, path=()):
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flat(inner, (*path, key))
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from flat(inner, (*path, str(index)))
    elif value == "":
        yield path, "-empty-"
    else:
        yield path, value if isinstance(value, str) else json.dumps(value)


def read(awk, text):
    result = subprocess.run([*awk, EVERYTHING], input=text, capture_output=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.decode("utf-8", "surrogateescape").split("\n")
    assert all(line.startswith("|") for line in lines if line)
    return [(tuple(path), value) for path, value, _ in members(line[1:] for line in lines if line)]


@pytest.mark.parametrize("awk", AWKS, ids=" ".join)
@given(value=st.dictionaries(st.text(min_size=1, max_size=6), VALUES, min_size=1, max_size=4), indent=st.sampled_from([None, 1]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_equals_pythons(awk, value, indent):
    assert read(awk, json.dumps(value, indent=indent).encode()) == list(flat(value))


@pytest.mark.parametrize("awk", AWKS, ids=" ".join)
@given(noise=st.binary(max_size=200), json_like=st.text(alphabet='{}[]:,"\\ \n1a', max_size=80))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_text(awk, noise, json_like):
    read(awk, json_like.encode())
    read(awk, noise.replace(b"\x00", b"0"))


@pytest.mark.parametrize("awk", AWKS, ids=" ".join)
def test_a_large_file(awk):
    value = {"Env": ["A=" + "x" * 50] * 5000, "Labels": {f"k{n}": '"\\' for n in range(5000)}}
    started = time.perf_counter()
    assert len(read(awk, json.dumps(value).encode())) == 10_000
    assert time.perf_counter() - started < 10


def test_escapes_undone_or_left():
    assert unescaped(r"a\u00e9\"\/") == 'aé"/'
    assert unescaped(r"\u12") == r"\u12"
    assert unescaped('\\"x"') == '\\"x"'
