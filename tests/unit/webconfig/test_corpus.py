"""Every configuration tree in tests/corpora/<server>/<oddity>/ is read as its expected.json says, through the command's own edge."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from inventory.errors import InputError
from inventory.webconfig import layout
from planner.cli import vhosts

CORPORA = Path(__file__).parents[2] / "corpora"
CASES = sorted(path.parent for path in CORPORA.glob("*/*/expected.json"))


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_case(folder: Path) -> None:
    files, links, unread = vhosts.collect(folder)
    readings = layout.read_all(files, links)
    expected = json.loads((folder / "expected.json").read_text())
    assert vhosts.rows(readings) == expected["vhosts"]
    assert sorted(unread + vhosts.problems(readings)) == expected["problems"]


def test_each_server_has_cases() -> None:
    assert {path.parent.name for path in CASES} == {"nginx", "apache", "tomcat", "lighttpd", "caddy", "several"}
    assert len(CASES) >= 60


def application() -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)
    vhosts.add(app)
    app.command("other")(lambda: None)
    return app


def test_json_on_stdout_and_problems_on_stderr() -> None:
    result = CliRunner().invoke(application(), ["vhosts", str(CORPORA / "nginx/unbalanced_brace_hides_no_other_file"), "--json"])
    assert result.exit_code == 0
    assert [row["names"] for row in json.loads(result.stdout)] == [["a.example.edu"], ["b.example.edu"], ["c.example.edu"]]
    assert "/etc/nginx/conf.d/a.conf:4: a `}` too many" in result.stderr


def test_only_one_server() -> None:
    folder = str(CORPORA / "several/two_servers_on_one_host")
    result = CliRunner().invoke(application(), ["vhosts", folder, "--server", "apache", "--json"])
    assert [row["server"] for row in json.loads(result.stdout)] == ["apache"]


@pytest.mark.parametrize("server", ["", "nginx", "caddy"])
def test_no_configuration_and_no_folder(tmp_path: Path, server: str) -> None:
    options = ["--server", server] if server else []
    (tmp_path / "readme.txt").write_text("nothing here\n")
    for folder in (tmp_path, tmp_path / "gone"):
        result = CliRunner().invoke(application(), ["vhosts", str(folder), *options])
        assert isinstance(result.exception, InputError)
        assert str(folder) in str(result.exception)


def test_nothing_outside_is_opened(tmp_path: Path) -> None:
    outside = tmp_path / "outside.conf"
    outside.write_text("server { server_name outside.example.edu; root /srv/outside; }\n")
    inside = tmp_path / "copy" / "etc" / "nginx"
    inside.mkdir(parents=True)
    (inside / "nginx.conf").write_text("events {}\nhttp { include sites/*; include ../../../outside.conf; include up/outside.conf; }\n")
    (inside / "sites").mkdir()
    (inside / "sites" / "a").symlink_to(outside)
    (inside / "sites" / "b").symlink_to("../../../../outside.conf")
    (inside / "up").symlink_to("/")
    (inside / "upper").symlink_to("../../..")
    os.mkfifo(inside / "sites" / "pipe")
    files, links, _unread = vhosts.collect(tmp_path / "copy")
    assert set(files) == {"/etc/nginx/nginx.conf"}
    readings = layout.read_all(files, links)
    assert vhosts.rows(readings) == []
    assert any("sites/a:1: a link to what was not collected" in line for line in vhosts.problems(readings))


def test_links_into_the_copy_itself(tmp_path: Path) -> None:
    root = tmp_path / "etc" / "nginx"
    (root / "sites-enabled").mkdir(parents=True)
    (root / "sites-available").mkdir()
    (root / "nginx.conf").write_text("events {}\nhttp { include sites-enabled/*; }\n")
    (root / "sites-available" / "a").write_text("server { server_name a.example.edu; root /srv/a; }\n")
    (root / "sites-enabled" / "a").symlink_to(root / "sites-available" / "a")
    files, links, _unread = vhosts.collect(tmp_path)
    assert [(row["names"], row["enabled"]) for row in vhosts.rows(layout.read_all(files, links))] == [(["a.example.edu"], True)]
