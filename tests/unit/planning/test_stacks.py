"""What the playbooks carry where, stack by stack: the table of docs/placements.md is what the plan says, and each "works" has its run."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from planner import rebuild
from planner.planning.subjects import by_hand
from planner.platforms import Platforms

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tests"))
from sample_subjects import PLATFORMS, subject

PAGE = ROOT / "docs/placements.md"
PLATFORM = Platforms.model_validate({**PLATFORMS, "archive": {"name": "store", "address": "192.0.2.30"}})
PLACEMENTS = ("site-cluster", "virtual-host", "vps", "colocation", "retire")
PHP = {"site__static": False, "site__php": True, "site__web_server": "apache"}
MARIADB = {"database__used": True, "database__name": "x", "database__product": "MariaDB"}
EXPORT = {"answer__publishing_only": True, "fit__cluster_profile": "static-export"}
PROXY = {"site__static": False, "site__web_server": "nginx", "site__proxy_to": "http://127.0.0.1:3000"}

STACKS = {
    "static files": {"site__web_server": "nginx"},
    "WordPress, or other PHP with MySQL or MariaDB": {**PHP, **MARIADB, **EXPORT},
    "PHP without a database": {**PHP, **EXPORT, "database__used": False},
    "PHP with PostgreSQL": {**PHP, **EXPORT, **MARIADB, "database__product": "PostgreSQL"},
    "PHP with its configuration below /etc (Debian's MediaWiki)": {
        **PHP, **MARIADB, "application__config_file": "/etc/mediawiki/LocalSettings.php"
    },
    "two sites with one database": {**PHP, **MARIADB, "database__shared_with": ["b.x.edu"]},
    "Tomcat with PostgreSQL": {**PROXY, **MARIADB, "database__product": "PostgreSQL", "backend__kind": "tomcat"},
    "a Python or Node service behind nginx": {**PROXY, "backend__kind": "node", "database__used": False},
    "a container behind nginx": {**PROXY, "backend__kind": "container", "site__docroot": None},
    "lighttpd or Caddy": {"site__web_server": "lighttpd"},
}  # fmt: skip
RUN_ON_THE_LAB = {("Tomcat with PostgreSQL", "vps")}
"""What a plan says of it hangs on all that was observed on its host: tests/unit/test_rebuild.py and the lab's own run."""


def rows():
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["stack", "site cluster", "virtual host", "VPS", "colocation", "retire"]
    return {line[0]: dict(zip(PLACEMENTS, line[1:], strict=True)) for line in cells[1:] if len(line) == 6}


def notes():
    """Number → what stands behind it."""
    return dict(re.findall(r"^(\d+)\. (.*(?:\n   .*)*)", PAGE.read_text(encoding="utf-8"), re.M))


def said(stack, placement):
    item = subject("a.x.edu", placement, **STACKS[stack])
    if placement == "vps":
        seen = {kind: [] for kind in rebuild.KINDS}
        item = replace(item, rebuilt=rebuild.rebuild(item.facts, seen, "debian-12"))
    return by_hand(item, PLATFORM)


def test_the_page_has_these_stacks():
    assert list(rows()) == list(STACKS)


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("stack", STACKS)
def test_a_cell_is_what_the_plan_says(stack, placement):
    cell = rows()[stack][placement]
    kind, number = re.fullmatch(r"(works|conditional|by hand) (\d+)", cell).groups()
    assert number in notes()
    if (stack, placement) in RUN_ON_THE_LAB:
        assert kind == "conditional"
        return
    reason = said(stack, placement)
    assert (kind == "by hand") == bool(reason), reason
    if reason:
        quoted = re.findall(r'"([^"]+)"', notes()[number].replace("\n  ", ""))
        assert any(words in reason for words in quoted), (reason, quoted)


def test_what_works_names_tests_that_there_are():
    told = notes()
    used = {cell.rpartition(" ")[2] for line in rows().values() for cell in line.values()}
    assert used == set(told), "no note without a cell, no cell without a note"
    works = {cell.rpartition(" ")[2] for line in rows().values() for cell in line.values() if not cell.startswith("by hand")}
    for number in works:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", told[number].replace("\n  ", ""))
        assert named, told[number]
        for file, test in named:
            assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), (file, test)
