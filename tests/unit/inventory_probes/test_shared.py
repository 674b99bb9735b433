"""A section sent in pieces is the same section."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory import collector
from inventory.probes import shared
from inventory.probes.fragments import SHOW
from inventory.probes.registry import PROBES

PRELUDE = "\n".join(shared.definitions()) + "\n"


def expanded(script: str) -> str:
    return subprocess.run(
        ["sh", "-s"], input=f"{PRELUDE}printf %s {shared.quoted(script)}", capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_every_section(probe) -> None:
    assert expanded(probe.script) == probe.script
    assert len(probe.script) < 120_000, "Linux takes no argument of more than 128 KiB"


@given(before=st.text(alphabet="a'\"$\\ \n`", max_size=20), after=st.text(alphabet="a'\"$\\ \n`", max_size=20), times=st.integers(0, 2))
@settings(max_examples=30, deadline=None)
def test_any_text_around_a_piece(before: str, after: str, times: int) -> None:
    script = before + SHOW * times + after
    assert expanded(script) == script


def test_much_is_saved() -> None:
    assert len(collector.script(PROBES, "n")) < 0.75 * sum(len(probe.script) for probe in PROBES)
