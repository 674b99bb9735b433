"""Every captured output in tests/cases/probes/<probe>/<quirk>.txt parses to what <quirk>.json says; parsers bear any text."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory import changes
from inventory.probes import registry
from inventory.probes.base import Probe, Section

CASES = Path(__file__).parents[2] / "cases" / "probes"
OWN_TESTS = {"nginx", "apache", "tomcat", "lighttpd", "caddy", "applications"}  # unit/webconfig and test_applications have theirs
PROBES: dict[str, Probe] = {probe.name: probe for probe in registry.PROBES if probe.name not in OWN_TESTS}
TEXTS = sorted(path for name in PROBES for path in (CASES / name).glob("*.txt"))
SAMPLES = {name: [path.read_bytes().decode("utf-8", "surrogateescape") for path in TEXTS if path.parent.name == name] for name in PROBES}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_case(path: Path) -> None:
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    found = PROBES[path.parent.name].parse(Section(path.parent.name, text))
    expected = json.loads(path.with_suffix(".json").read_text())
    assert [{"kind": item.kind, "line": item.line, "data": item.data} for item in found] == expected


def test_every_probe_has_cases_and_every_expectation_a_capture() -> None:
    assert all(SAMPLES.values())
    stray = [path.name for name in PROBES for path in (CASES / name).glob("*.json") if not path.with_suffix(".txt").exists()]
    assert not stray


def test_comparison_knows_every_kind_and_its_fields() -> None:
    """changes.yml names each kind that these probes make, and the fields that it names exist in some capture."""
    fields: dict[str, set[str]] = {}
    for name, texts in SAMPLES.items():
        for text in texts:
            for item in PROBES[name].parse(Section(name, text)):
                fields.setdefault(item.kind, set()).update(item.data)
    rules = changes.rules().kinds
    assert not fields.keys() - rules.keys()
    inside = {"container"}  # only what runs in one has it
    named = {kind: {path.partition(".")[0] for path in (*rules[kind].key, *rules[kind].volatile)} - inside for kind in fields}
    assert not {kind: strange for kind, names in named.items() if (strange := names - fields[kind])}


def sane(probe: Probe, text: str) -> None:
    lines = text.count("\n") + 1
    for item in probe.parse(Section(probe.name, text)):
        assert 1 <= item.line <= lines
        json.dumps(item.data)
        if item.kind == "unknown":
            assert set(item.data) == {"what", "why"}


@pytest.mark.parametrize("name", PROBES)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_arbitrary_text_never_raises(name: str, data: st.DataObject) -> None:
    """Plain noise, and real captures whose lines were cut, doubled, shuffled and spoiled."""
    sane(PROBES[name], data.draw(st.text()))
    lines = data.draw(st.sampled_from(SAMPLES[name])).split("\n")
    spoiled = []
    for line in data.draw(st.lists(st.sampled_from(lines), max_size=40)):
        cut = data.draw(st.integers(0, len(line)))
        spoiled.append(
            line[:cut] + data.draw(st.sampled_from(["", "\x00", "9" * 30, "٣", " ", "[", "::", "\udcff", "=", line])) + line[cut:]
        )
    sane(PROBES[name], "\n".join(spoiled))


@pytest.mark.parametrize("name", PROBES)
def test_linear_time(name: str) -> None:
    """Long lines of what expressions like to backtrack on, under each marker a probe prints."""
    tags = {line.split(" ")[1] for text in SAMPLES[name] for line in text.split("\n") if line.startswith("@ ")}
    started = time.perf_counter()
    for tag in sorted(tags):
        for piece in ("a", "1", " ", "*", "(", '"', "jan", ".1", "=", "1 "):
            sane(PROBES[name], f"@ {tag} /etc/x\n|{piece * 20_000}\n@ {tag} {piece * 20_000}\n|x\n")
    assert time.perf_counter() - started < 20
