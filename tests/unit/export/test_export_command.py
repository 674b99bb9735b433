"""`planner export` at the command line: exit codes, JSON, what it says."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parent))

from dynamic_site import NAME, DynamicSite, serving

from inventory.errors import InputError
from planner import cli


def run(*words):
    return CliRunner().invoke(cli._one("export"), ["export", *map(str, words)])


def test_exports_by_url_without_a_workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "urls.txt").write_text("90 /about\n10 /dead.html\n5 /show.php?id=3&cat=1\n")
    with serving(DynamicSite()) as (port,):
        words = ("--url", f"http://{NAME}:{port}/", "--at", "127.0.0.1", "--out", tmp_path / "out")
        done = run(*words, "--urls", "urls.txt", "--no-prove", "--json")
        assert done.exit_code == 0, done.output
        told = json.loads(done.stdout)
        assert told["coverage"]["shares"]["hits"] == {
            "share": 1.0,
            "total": 95,
            "answered": 95,
            "gone": 1,
            "administers": 0,
            "cut": 0,
            "lacks": [],
        }
        assert told["written"]["added"] > 100
        again = run(*words, "--no-prove")
        assert again.exit_code == 0
        assert "0 files added, 0 changed, 0 removed" in again.stdout
        assert "will stop working: 2 call, 1 comment, 1 login, 1 search" in again.stdout
        assert "left out: 2 like" in again.stdout


def test_a_refusal_has_its_exit_code_and_says_what_lacks(tmp_path):
    site = DynamicSite()
    site.broken.add("/only-in-map.html")
    with serving(site) as (port,):
        done = run("--url", f"http://{NAME}:{port}/", "--at", "127.0.0.1", "--out", tmp_path)
    assert done.exit_code == 9
    assert "only-in-map.html" in done.stdout
    assert "the source answers 500" in done.stdout
    assert not (tmp_path / "current").exists()


@pytest.mark.parametrize(
    "words",
    [(), ("a", "--url", "http://b.test/"), ("--url", "ftp://b.test/"), ("--url", "http://127.0.0.1/"), ("--url", "http://b.test:99999/")],
)
def test_bad_input(words, tmp_path):
    done = run(*words, "--out", tmp_path, "--at", "127.0.0.1")
    assert isinstance(done.exception, InputError)
