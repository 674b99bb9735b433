"""The documentation is complete and says what the code does: generated pages are fresh, links resolve, everything is named."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from inventory.probes import registry

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])


def _generate():
    specification = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    module = importlib.util.module_from_spec(specification)
    sys.modules["docs_generate"] = module
    specification.loader.exec_module(module)
    return module


generate = _generate()
COMMANDS = list(generate.commands())


@pytest.mark.parametrize("name", generate.PAGES)
def test_generated_page_is_fresh(name):
    assert (DOCS / name).read_text(encoding="utf-8") == generate.PAGES[name](), f"docs/{name} is stale: python docs/generate.py"


def test_check_names_a_stale_page(tmp_path, monkeypatch, capsys):
    for page in DOCS.glob("*.md"):
        (tmp_path / page.name).write_text(page.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "rules.md").write_text("old", encoding="utf-8")
    monkeypatch.setattr(generate, "DOCS", tmp_path)
    assert "rules.md" in generate.stale()
    assert generate.main(["--check"]) == 1
    assert "docs/rules.md is stale" in capsys.readouterr().err
    assert (tmp_path / "rules.md").read_text(encoding="utf-8") == "old"
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.words)
def test_every_command_and_option_has_help(command):
    assert len(command.help) > 20
    for parameter in generate.parameters(command.callback):
        assert parameter.help, f"{command.words} {parameter.written}"


def test_the_list_of_commands_is_what_the_program_knows():
    """The page reads typer's declarations; this asks the program itself."""

    def known(*words):
        text = subprocess.run(
            [sys.executable, "-m", "planner", *words, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        found = re.findall(r"^  ([a-z][a-z-]*)(?:  |$)", text.partition("Commands:")[2], re.M)
        return [" ".join((*words, name)) for name in found]

    listed = {command.words for command in COMMANDS}
    groups = {words.split()[0] for words in listed if " " in words}
    assert set(known()) == {words for words in listed if " " not in words} | groups
    for group in groups:
        assert set(known(group)) == {words for words in listed if words.startswith(f"{group} ")}


@pytest.mark.parametrize("words", [("show",), ("hosts", "trust")])
def test_options_are_what_the_program_knows(words):
    text = subprocess.run([sys.executable, "-m", "planner", *words, "--help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    command = next(item for item in COMMANDS if item.words == " ".join(words))
    written = {name for item in generate.parameters(command.callback) for name in re.findall(r"--[a-z-]+", item.written)}
    assert set(re.findall(r"^ +(--[a-z-]+)", text, re.M)) - {"--help"} == {name for name in written if not name.startswith("--no-")}


def _anchor(heading):
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _anchors(page):
    text = re.sub(r"^(`{3,}).*?^\1", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return {_anchor(heading) for heading in re.findall(r"^#+ (.*)$", text, re.M)}


def _links(page):
    text = re.sub(r"^(`{3,}).*?^\1", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    text = re.sub(r"^    .*$", "", text, flags=re.M)
    return re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page):
    for link in _links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name}: {link}"
        assert there.is_relative_to(ROOT), f"{page.name}: {link}"
        if anchor:
            assert anchor in _anchors(there), f"{page.name}: {link}"


def test_every_page_is_reached_from_the_readme():
    seen, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        seen.add(page)
        for link in (link.partition("#")[0] for link in _links(page)):
            path = (page.parent / link).resolve() if link else page
            inside = sorted(path.glob("*.md")) if path.is_dir() else [path]
            ahead += [item for item in inside if item.suffix == ".md" and item in PAGES and item not in seen and item not in ahead]
    assert [page.name for page in PAGES if page not in seen] == []


@pytest.mark.parametrize("path", generate.modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert f"| `{generate._dotted(path)}` | " in (DOCS / "architecture.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("probe", registry.PROBES, ids=lambda probe: probe.name)
def test_no_section_raises_its_own_privilege(probe):
    """docs/probes.md says so."""
    for line in probe.script.splitlines():
        assert not re.search(r"(^|[;&|(`]|\bthen|\bdo|\bexec)\s*(sudo|su|doas|pkexec|runuser)\s", line), line


WORDS = """unit register host workload site system vhost fact evidence probe section transcript snapshot outcome coverage placement platform
node rule block condition weight interval confidence effort override plan move group wave gate step provision preseed rehearse freeze sync
verify cutover watch accept decommission undo fingerprint run journal artifact drift inspection round finding rectification"""


def test_the_glossary_has_all_words():
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", (DOCS / "glossary.md").read_text(encoding="utf-8"), re.M)
    explained = {row[0].removeprefix("move ") for row in rows}
    assert set(WORDS.split()) <= explained
    for word, chinese, meaning in rows:
        if word not in {"word", "---"}:
            assert re.search(r"[\u4e00-\u9fff]", chinese), word
            assert meaning.endswith("."), word
