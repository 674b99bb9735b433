"""`planner sites`: filters, orders, JSON and CSV, the same from either engine; and that a command loads its own module only."""

import csv
import io
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from inventory import model, sitelist
from inventory.errors import InputError, NotFound
from planner import cli, workspace
from planner.cli import look

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
HOSTILE = '=HYPERLINK("x")\x1b[31m\n'


@pytest.fixture
def sites(url, tmp_path, monkeypatch):
    folder = tmp_path / "w"
    workspace.create(folder)
    text = (folder / "planner.yml").read_text().replace("catalogue: catalogue.db ", f"catalogue: {url} ")
    (folder / "planner.yml").write_text(text)
    monkeypatch.chdir(folder)
    app = typer.Typer()
    look.add(app)
    book = workspace.find().open_catalogue()
    with book.session() as session:
        session.add_all([model.Unit(code="hist"), model.Unit(code="phys")])
        session.flush()
        session.add_all([model.Host(id=1, name="h1", address="192.0.2.1"), model.Host(id=2, name="h2", address="192.0.2.2")])
        session.flush()
        rows = [
            ("a.x.edu", 1, "hist", "both", "WordPress", 500, 2, 1.5, True), ("B.x.edu", 1, None, "undeclared", None, None, None, None, None),
            ("c.x.edu", 2, "phys", "both", "wordpress", 9_000_000_000, 7, 0.0, False), ("史.x.edu", 2, "hist", "undeclared", HOSTILE, 0, 0, None, False),
        ]  # fmt: skip
        for name, host, unit, status, application, size, files, requests, static in rows:
            site = model.Site(
                host_id=host, name=name, names=[name], application=application, bytes=size, files=files, requests_per_day=requests, static=static,
                known=model.SiteFacts(facts={"application.name": {"value": application, "evidence": [], "why": ""}}),
            )  # fmt: skip
            session.add(
                model.Workload(name=name, host_id=host, unit_code=unit, status=status, names=[name, "alias"], site=site, owner_reason="r", identified_at=AT)
            )  # fmt: skip
        session.add(model.Workload(name="gone.x.edu", unit_code="hist", status="missing", names=["gone.x.edu"], identified_at=AT))

    def call(*words):
        done = CliRunner().invoke(app, ["sites", *map(str, words)])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    call.app = app
    yield call
    book.close()


def names(text):
    return [row["site"] for row in json.loads(text)]


EVERY = ["B.x.edu", "a.x.edu", "c.x.edu", "gone.x.edu", "史.x.edu"]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ((), EVERY), (("--unit", "hist"), ["a.x.edu", "gone.x.edu", "史.x.edu"]), (("--status", "missing"), ["gone.x.edu"]),
        (("--host", "h2"), ["c.x.edu", "史.x.edu"]), (("--host", "192.0.2.1", "--unit", "hist"), ["a.x.edu"]),
        (("--application", "WORDPRESS"), ["a.x.edu", "c.x.edu"]), (("--unit", "\udcff"), []), (("--limit", 2), EVERY[:2]),
        (("--sort", "-bytes"), ["c.x.edu", "a.x.edu", "史.x.edu", "B.x.edu", "gone.x.edu"]),
        (("--sort", "bytes", "--limit", 1), ["史.x.edu"]), (("--sort", "unit"), ["a.x.edu", "gone.x.edu", "史.x.edu", "c.x.edu", "B.x.edu"]),
        (("--sort", "-site"), EVERY[::-1]), (("--sort", "host"), ["B.x.edu", "a.x.edu", "c.x.edu", "史.x.edu", "gone.x.edu"]),
    ],
)  # fmt: skip
def test_filters_and_orders(sites, words, wanted):
    assert names(sites(*words, "--json")) == wanted


def test_json_has_what_it_had(sites):
    first = json.loads(sites("--unit", "hist", "--json"))[0]
    assert first == {
        "site": "a.x.edu", "names": ["a.x.edu", "alias"], "unit": "hist", "host": "h1", "status": "both", "application": "WordPress",
        "version": None, "static": True, "docroot": None, "database": None, "bytes": 500, "files": 2, "newest": None,
        "requests_per_day": 1.5, "last_hit": None, "owner_reason": "r",
    }  # fmt: skip
    assert list(first) == list(sitelist.FIELDS)
    assert sites("--unit", "nobody", "--json") == "[]\n"
    shown = CliRunner().invoke(sites.app, ["show", "c.x.edu", "--json"]).stdout
    assert set(json.loads(shown)) == {*sitelist.FIELDS, "facts"}


def test_csv_holds_no_formula(sites):
    rows = list(csv.DictReader(io.StringIO(sites("--csv"))))
    assert [row["site"] for row in rows] == EVERY
    assert rows[-1]["application"] == "'" + HOSTILE
    assert rows[1]["names"] == "a.x.edu alias"


def test_the_table_has_one_line_for_each_site_and_obeys_nothing(sites):
    lines = sites().splitlines()
    assert len(lines) == 6
    assert lines[0].split() == [
        "site",
        "unit",
        "host",
        "status",
        "application",
        "version",
        "database",
        "size",
        "files",
        "newest",
        "requests",
        "per",
        "day",
    ]
    assert "\\x1b[31m" in lines[5]
    places = {line.index("h1") for line in lines[1:3]}
    assert places == {lines[0].index("host")}
    assert "9.0 GB" in lines[3]


def test_what_cannot_be_asked(sites):
    for words in (["--sort", "names"], ["--sort", "--bytes"], ["--csv", "--json"]):
        with pytest.raises(InputError):
            sites(*words)
    with pytest.raises(NotFound):
        sites("--host", "nobody")


def test_each_command_stands_in_the_table_of_modules():
    for module, commands in cli.MODULES.items():
        own = cli._application([module])
        found = [entry.name for entry in own.registered_commands] + [group.name for group in own.registered_groups]
        assert sorted(found) == sorted(commands), module
    everything = [name for names in cli.MODULES.values() for name in names]
    assert len(everything) == len(set(everything))
    listed = [entry.name for entry in cli.app.registered_commands] + [group.name for group in cli.app.registered_groups]
    assert sorted(listed) == sorted(everything)


def test_a_list_loads_nothing_heavy():
    program = "import sys; sys.argv = ['planner', 'sites', '--help']\nfrom planner import cli\ntry: cli.main()\nexcept SystemExit: pass\nprint(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(eval(done.stdout.splitlines()[-1]))
    assert "planner.cli.look" in loaded
    assert not loaded & {"ansible_runner", "aiohttp", "selectolax", "alembic", "inventory.probes.registry", "planner.execution", "psycopg"}
    assert "Only this unit's" in done.stdout
