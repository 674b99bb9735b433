"""YAML with places: the same data, places and words, whichever parser composed the document."""

from pathlib import Path

import pytest

from inventory import yamlfile
from inventory.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
FILES = sorted(path for folder in ("inventory", "planner", "tests/cases/verdicts") for path in (ROOT / folder).rglob("*.yml"))
BROKEN = [
    "a: [1, 2",
    "a: b: c",
    "a:\n\t- 1",
    "a: 'x",
    "a: &x\n- *y",
    "- a\nb: c",
    "a: 1\n---\nb: 2",
    "a: 1\na: 2",
    "? [a]\n: 1",
    "[" * 3000,
    "- " * 3000,
]


def told(text, monkeypatch, fast, **how):
    if not fast:
        monkeypatch.setattr(yamlfile, "_FAST", None)
    try:
        document = yamlfile.parse(text, "f.yml", **how)
    except ConfigurationError as error:
        return str(error)
    finally:
        monkeypatch.undo()
    return document.data, document.places


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("typed", [True, False])
def test_both_parsers_read_the_same(path, typed, monkeypatch):
    text = path.read_text(encoding="utf-8")
    assert told(text, monkeypatch, True, typed=typed) == told(text, monkeypatch, False, typed=typed)


@pytest.mark.parametrize("text", BROKEN, ids=lambda text: text[:12])
def test_both_parsers_say_the_same(text, monkeypatch):
    said = told(text, monkeypatch, True)
    assert said == told(text, monkeypatch, False)
    assert isinstance(said, str) and said.startswith("f.yml:")


def test_depth_does_not_end_the_program():
    with pytest.raises(ConfigurationError):
        yamlfile.parse("[" * 300_000 + "]" * 300_000, "f.yml")


def test_chinese_counts_as_characters():
    document = yamlfile.parse("单位: {名称: 物理学院, a: [x, 历史]}\n", "f.yml")
    assert document.place(("单位", "a", 1)) == "f.yml:1:23"


def test_an_empty_file_is_an_empty_mapping():
    assert yamlfile.parse("# nothing\n", "f.yml").data == {}
