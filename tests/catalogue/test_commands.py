"""The commands, as a user runs them, with `catalogue:` in planner.yml leading to either engine; both must print the same."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from inventory import discovery
from inventory.catalogue import open_catalogue
from inventory.probes.base import Observation, Section

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
REGISTER = """\
units: [{code: hist, name: {zh: 历史学院, en: School of History}}, {code: phys, name: 物理学院}]
sites:
  - {unit: hist, domain: www.hist.x.edu, name: 院网 🏛}
  - {unit: hist, domain: museum.hist.x.edu, server: hist}
  - {unit: hist, domain: anywhere.hist.x.edu}
servers: [{unit: hist, name: hist, address: 192.0.2.1}, {unit: phys, name: Phys-2, address: 192.0.2.2}, {unit: phys, name: phys1, address: 192.0.2.3}]
"""


def planner(folder, *words, code=0):
    result = subprocess.run(
        [sys.executable, "-m", "planner", *map(str, words)],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "COLUMNS": "200"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == code, f"{words}: {result.returncode}\n{result.stdout}\n{result.stderr}"
    assert "Traceback" not in result.stderr
    return result


def workspace(folder, url):
    planner(folder.parent, "init", folder)
    settings = (folder / "planner.yml").read_text().replace("catalogue: catalogue.db ", f"catalogue: {url} ")
    (folder / "planner.yml").write_text(settings.replace("allow: []", "allow: [192.0.2.0/24]"))
    (folder / "inventory/platforms.yml").write_text(
        "virtual_hosts: [{name: vh1, address: 192.0.2.101}]\n"
        "site_clusters: [{name: main, front: {name: front, address: 192.0.2.110}, nodes: [{name: n1, address: 192.0.2.111}]}]\n"
    )
    (folder / "register.yml").write_text(REGISTER)
    return folder


def found(url):
    """What a visit of two hosts would have left."""

    def vhost(name, php):
        return Observation(
            "vhost", {"server": "nginx", "names": [name], "enabled": True, "docroot": f"/srv/{name}", "php": php, "listen": [{"port": "80"}]}, 1
        )  # fmt: skip

    def content(name):
        return Observation("content", {"docroot": f"/srv/{name}", "exists": True, "files": 9, "bytes": 5_000_000, "age_days": 3}, 2)

    book = open_catalogue(url)
    for host, names in {"hist": ["www.hist.x.edu"], "phys1": ["b-x.phys.x.edu", "bx.phys.x.edu", "b_y.phys.x.edu", "b.phys.x.edu"]}.items():
        seen = [item for name in names for item in (vhost(name, host == "hist"), content(name))]
        result = discovery.Result(host, "192.0.2.1", "ok", "", 1.0, b"@@0 start root Linux\n", None, tuple(("web", item) for item in seen))
        section = (Section("web", ""),)
        transcript = discovery.collector.Transcript(section, "root", "Linux", True)
        discovery.store(book, discovery.Result(**{**vars(result), "transcript": transcript}), lambda: AT)
    book.close()


def tour(folder, url):
    """The commands from the register to the plan; what each printed."""
    workspace(folder, url)
    said = {"import": planner(folder, "register", "import", "register.yml", "--json").stdout}
    found(url)
    planner(folder, "register", "import", "register.yml")  # identifies the sites
    planner(folder, "hosts", "add", "Extra=192.0.2.9", "192.0.2.10")
    for words in (("hosts", "list"), ("sites",), ("sites", "--status", "missing"), ("plan",), ("plan", "show")):
        said[" ".join(words)] = planner(folder, *words, "--json").stdout
    said["show"] = planner(folder, "show", "www.hist.x.edu", "--evidence").stdout
    said["explain"] = planner(folder, "explain", "www.hist.x.edu").stdout
    said["table"] = planner(folder, "hosts", "list").stdout
    return said


@pytest.fixture(scope="module")
def tours(request, tmp_path_factory):
    """Each engine's tour, made when it is first asked for."""
    made = {}

    def one(engine):
        if engine not in made:
            folder = tmp_path_factory.mktemp(engine)
            url = f"sqlite:///{folder}/one.db" if engine == "sqlite" else request.getfixturevalue("server").url()
            made[engine] = folder / "w", tour(folder / "w", url)
        return made[engine]

    return one


ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_tour(tours, engine):
    folder, said = tours(engine)
    hosts = {row["host"]: row for row in json.loads(said["hosts list"])}
    assert set(hosts) == {"hist", "Phys-2", "phys1", "Extra", "192.0.2.10"}
    assert (hosts["hist"]["outcome"], hosts["hist"]["visited"]) == ("ok", "2026-11-01 08:30:00+00:00")
    sites = {row["site"]: row["status"] for row in json.loads(said["sites"])}
    assert sites["www.hist.x.edu"] == "both"
    assert [row["site"] for row in json.loads(said["sites --status missing"])] == ["museum.hist.x.edu"]
    assert sites["anywhere.hist.x.edu"] == "unread"  # its sheet names no server, and Phys-2 was not visited
    assert json.loads(said["plan"]) == json.loads(said["plan show"])
    assert "hist, 2026-11-01 08:30, root, web:1" in said["show"]
    assert (folder / "catalogue.db").exists()  # made by init, before planner.yml was edited
    result = planner(folder, "show", "no.such.site", code=5)
    assert "www.hist.x.edu" in result.stderr
    planner(folder, "show", "\udcff", code=5)


@pytest.mark.parametrize("engine", ENGINES)
def test_assess(tours, engine):
    rows = json.loads(planner(tours(engine)[0], "assess", "--json").stdout)
    found = {"www.hist.x.edu", "b-x.phys.x.edu", "bx.phys.x.edu", "b_y.phys.x.edu", "b.phys.x.edu"}
    assert {row["site"] for row in rows} == found | {"anywhere.hist.x.edu", "museum.hist.x.edu"}  # declared ones are judged by their sheets


ORDERED = ("hosts list", "sites", "table")
"""Lists that the database sorts."""


@pytest.mark.postgresql
def test_both_engines_say_the_same(tours):
    one, two = tours("sqlite")[1], tours("postgresql")[1]
    for words, text in one.items():
        if words in ORDERED:
            assert sorted(text.split()) == sorted(two[words].split()), words
        else:
            assert text == two[words], words


@pytest.mark.postgresql
@pytest.mark.parametrize("words", ORDERED)
def test_both_engines_list_in_the_same_order(tours, words):
    one, two = tours("sqlite")[1], tours("postgresql")[1]
    assert one[words] == two[words]


@pytest.mark.postgresql
def test_no_password_in_what_a_failed_command_prints(server, tmp_path):
    secret = "Secret7f3a"
    folder = workspace(tmp_path / "w", server.url().replace(server.password, secret))
    result = planner(folder, "hosts", "list", code=4)
    assert "password authentication failed" in result.stderr
    assert "planner.yml" in result.stderr
    assert secret not in result.stdout + result.stderr


@pytest.mark.postgresql
def test_the_password_may_stand_outside_the_workspace(server, tmp_path, monkeypatch):
    """planner.yml is meant for git; libpq's own ways keep the password out of it."""
    url = server.url()
    workspace(tmp_path / "w", url.replace(f":{server.password}@", "@"))
    (tmp_path / "pgpass").write_text(f"127.0.0.1:*:*:planner:{server.password}\n")
    (tmp_path / "pgpass").chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "pgpass"))
    planner(tmp_path / "w", "hosts", "list")
