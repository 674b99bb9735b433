"""What sizing reads from a catalogue: host by host, with the past of content and databases; and the command that shows it."""

import contextlib
import json
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event
from typer.testing import CliRunner

from inventory import model, packing, transcripts
from inventory.catalogue import open_catalogue
from inventory.probes.base import Observation
from planner import cli, measures, sizing, workspace
from planner.costs import Machine

AT = datetime(2026, 11, 1, tzinfo=UTC)
GIB = 2**30
CASES = Path(__file__).parents[1] / "cases/transcripts"


def facts(**known):
    return {name.replace("__", "."): {"value": value, "evidence": [], "why": ""} for name, value in known.items()}


def transcript(content, database=None):
    """A visit's output with a content and a mariadb section, as collectors print them."""
    text = f"@@n start root Linux\n@@n begin content\n{content}\n@@n end content 0 1\n"
    if database is not None:
        text += f"@@n begin mariadb\n{database}\n@@n end mariadb 0 1\n"
    return zlib.compress((text + "@@n finish\n").encode())


def add_host(session, ident, *observations, name=None, taken=(AT,), transcripts=(b"",)):
    session.add(model.Host(id=ident, name=name or f"h{ident}", address=f"192.0.2.{ident}", outcome="ok"))
    session.flush()
    for at, body in zip(taken, transcripts, strict=True):
        session.add(model.Snapshot(host_id=ident, taken_at=at, privilege="root", seconds=1.0, transcript=body))
    session.flush()
    newest = session.query(model.Snapshot).filter_by(host_id=ident).order_by(model.Snapshot.taken_at.desc()).first()
    for position, group in enumerate(packing.pack(b"", observations).groups):
        session.add(
            model.Observations(
                host_id=ident, kind=group.kind, section=group.section, snapshot_id=newest.id, position=position, body=group.body
            )
        )


def add_workload(session, name, host_id, *, declared=None, verdict=None, unit=None, **known):
    site = model.Site(host_id=host_id, name=name, names=[name], known=model.SiteFacts(facts=facts(**known))) if host_id else None
    item = model.Workload(
        name=name, host_id=host_id, site=site, status="both", names=[name], declared=declared or {}, unit_code=unit, identified_at=AT
    )
    session.add(item)
    session.flush()
    if verdict:
        session.add(
            model.Verdict(
                workload_id=item.id, recommendation=verdict, strength="dominant", rules_hash="", facts_hash="", assessed_at=AT,
                data={"placements": [{"placement": verdict, "state": "ready", "effort_h": 2.5}, {"placement": "vps", "state": "ineligible"}]},
            )
        )  # fmt: skip


HARDWARE = ("system", Observation("hardware", {"cpus": 4, "memory_bytes": 8 * GIB}, 1))
DISK = ("system", Observation("disk", {"mount": "/", "used_bytes": 9 * 10**9, "network": False}, 2))
BOOT = ("usage", Observation("usage_history", {"source": "boot", "samples": 1, "span_s": 9.0, "cpu_percent": {"mean": 3, "p95": None}}, 1))
BOX = ("containers", Observation("container", {"engine": "docker", "name": "web", "id": "0123456789abcdef" * 4, "owner": "root"}, 1))


@pytest.fixture
def book(tmp_path):
    workspace.create(tmp_path)
    opened = open_catalogue(f"sqlite:///{tmp_path}/catalogue.db")
    with opened.session() as session:
        session.add(model.Unit(code="hist"))
        add_host(session, 1, HARDWARE, DISK, BOOT, BOX)
        add_host(session, 2, name="bare")
        add_host(session, 3, HARDWARE)
        add_workload(
            session, "b.edu", 1, verdict="virtual-host", unit="hist", content__bytes=10**9, database__used=False, use__requests_per_day=30
        )
        add_workload(session, "a.edu", 1, declared=facts(content__bytes=5), content__bytes=7, use__requests_per_day=10, other=1)
        add_workload(session, "c.edu", 2)
        add_workload(session, "lost.edu", None)
        session.add(model.Declared(kind="server", key="192.0.2.1", data={"height_u": 2, "power_w": "many"}, imported_at=AT))
        old = {"height_u": 4, "power_w": 9}
        session.add(model.Declared(kind="server", key="192.0.2.2", data=old, imported_at=AT, withdrawn_at=AT))
        for n in range(3):
            session.add(model.Sample(host_id=1, at=AT + timedelta(minutes=10 * n), data={"uptime_s": 600.0 * n, "boot_id": "b"}))
    yield opened
    opened.close()


def test_hosts_with_what_was_read_there(book):
    with book.session() as session:
        found = dict(measures.hosts(session))
        only = dict(measures.hosts(session, {2}, AT))
        late = dict(measures.hosts(session, {1}, AT + timedelta(minutes=10)))
    assert sorted(found) == [1, 2]
    assert (found[1].name, found[1].cpus, found[1].memory_bytes, found[1].disks[0]["used_bytes"]) == ("h1", 4, 8 * GIB, 9 * 10**9)
    assert found[1].containers == {"docker web": "0123456789abcdef" * 4}
    assert [list(run.columns["seconds"]) for run, _ in found[1].runs] == [[600.0, 600.0]]
    assert [list(run.columns["seconds"]) for run, _ in late[1].runs] == [[600.0]]
    assert found[1].history[0]["source"] == "boot"
    guests = {guest.name: guest.facts for guest in found[1].guests}
    assert guests["a.edu"]["content.bytes"]["value"] == 5  # what was declared is read as everywhere else
    assert "other" not in guests["a.edu"]
    assert list(only) == [2]
    assert (only[2].cpus, only[2].memory_bytes, only[2].runs, only[2].disks) == (None, None, (), ())


def test_subjects(book):
    with book.session() as session:
        found = {subject.name: subject for subject in measures.subjects(session)}
        assert [subject.name for subject in measures.subjects(session, [1])] == ["b.edu"]
    assert list(found) == ["a.edu", "b.edu", "c.edu", "lost.edu"]
    told = found["b.edu"]
    assert (told.unit, told.host_id, told.placement, told.efforts) == ("hist", 1, "virtual-host", {"virtual-host": 2.5})
    assert told.states == {"virtual-host": "ready", "vps": "ineligible"}
    assert told.machine == Machine(2.0, None)
    assert found["c.edu"].machine == Machine()  # its sheet was withdrawn
    assert (found["lost.edu"].host_id, found["lost.edu"].placement, found["lost.edu"].machine) == (None, "", Machine())


def test_as_many_statements_for_many_workloads_as_for_few(book):
    counted = []
    with book.session() as session:
        event.listen(session.get_bind(), "before_cursor_execute", lambda *arguments: counted.append(arguments[2]))
        for number in (2, 60):
            for n in range(number):
                add_workload(session, f"more{number}-{n}.edu", 3, content__bytes=n)
            session.flush()
            counted.clear()
            measures.subjects(session)
            sizes = {name for _, host in measures.hosts(session) for name in sizing.sizes(host)}
            assert f"more{number}-1.edu" in sizes
            assert len(counted) < 12, counted


def test_the_past_of_a_site(tmp_path, monkeypatch):
    """Which bytes a visit tells is the probes' own business: here a visit is its number."""
    told = {number: ({"/srv/a": number * 10**9, "/proc/7/root/srv/b": 5}, {"a": number * 100, "twice": None}) for number in range(1, 9)}
    monkeypatch.setattr(measures, "_sizes", lambda body: told[int(body)])
    book = open_catalogue(f"sqlite:///{tmp_path}/catalogue.db")
    taken = [AT + timedelta(days=10 * n) for n in range(8)]
    with book.session() as session:
        add_host(session, 1, HARDWARE, taken=taken, transcripts=[str(n).encode() for n in range(1, 9)])
        add_host(session, 2, HARDWARE, taken=taken[:2], transcripts=[b"1", b"2"])
        base = dict(database__used=False)
        add_workload(session, "plain", 1, site__docroot="/srv/a/", **base)
        add_workload(session, "mixed", 1, site__docroot="/srv/a", database__used=True, database__name="a")
        add_workload(session, "twice", 1, site__docroot="/srv/a", database__used=True, database__name="twice")
        add_workload(session, "inside", 1, site__docroot="/srv/b", site__host_docroot="/proc/7/root/srv/b", **base)
        add_workload(session, "young", 2, site__docroot="/srv/a", **base)
    with book.session() as session:
        held = {guest.name: guest.held for _, host in measures.hosts(session) for guest in host.guests}
    book.close()
    days = {name: [(round((at - AT.timestamp()) / 86_400), size) for at, size in sorted(points)] for name, points in held.items()}
    assert days["plain"] == [(0, 10**9), (10, 2 * 10**9), (30, 4 * 10**9), (40, 5 * 10**9), (60, 7 * 10**9), (70, 8 * 10**9)]
    assert days["mixed"][0] == (0, 10**9 + 100)
    assert days["twice"] == []
    assert {size for _, size in days["inside"]} == {5}
    assert days["young"] == []  # ten days tell no trend: they are not read
    assert sizing.growth(held["plain"]) == pytest.approx(10**9 / (10 * 86_400))


@pytest.mark.parametrize("body", [b"", b"no zlib", zlib.compress(b"no frames"), transcript("@ docroot /srv/a\nbroken")])
def test_a_visit_that_cannot_be_read_tells_nothing(body):
    assert measures._sizes(body) == ({}, {})


@pytest.mark.parametrize(("status", "databases"), [(0, {"one": 1, "two": None}), (124, {})])
def test_only_a_section_that_ended_well_tells(monkeypatch, status, databases):
    found = [("one", 1), ("two", 2), ("two", 3), ("three", None)]
    items = [
        Observation("content", {"docroot": "/srv/a/", "bytes": 7}, 1),
        *(Observation("database", {"name": n, "bytes": b}, 1) for n, b in found),
    ]
    monkeypatch.setattr(measures.registry, "parse", lambda sections: [(section.name, item) for section in sections for item in items])
    body = zlib.compress(f"@@n start root Linux\n@@n begin content\nx\n@@n end content {status} 1\n@@n finish\n".encode())
    assert measures._sizes(body) == ({"/srv/a": 7} if databases else {}, databases)


def test_a_real_visit_tells_what_lay_there():
    output = transcripts.read(transcripts.load(CASES / "hist.txt.gz"), "hist").output
    assert measures._sizes(zlib.compress(output)) == ({"/srv/www/hist": 49862958, "/var/www/html": 10701}, {"wp_hist": 819200})


def run(folder, *words):
    with contextlib.chdir(folder):
        result = CliRunner().invoke(cli._one("size"), ["size", *words], env={"COLUMNS": "250"})
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command(book, tmp_path):
    (tmp_path / "inventory/platforms.yml").write_text("tariffs: {hour: 100, virtual_host: {yearly: 300}}\n")
    data = json.loads(run(tmp_path, "--json"))
    told = {entry["site"]: entry for entry in data["workloads"]}
    assert (told["b.edu"]["size"]["cpus"], told["a.edu"]["size"]["cpus"]) == (3.0, 1.0)
    assert told["lost.edu"]["size"]["cpus"] is None
    prices = {cost["placement"]: cost for cost in told["b.edu"]["costs"]}
    assert (prices["virtual-host"]["yearly"], prices["virtual-host"]["once"], prices["vps"]["yearly"]) == ("300.00", "250.00", None)
    assert data["totals"]["overall"] == {"count": 4, "yearly": "300.00", "yearly_unknown": 3, "once": "250.00", "once_unknown": 3}
    assert [entry["site"] for entry in json.loads(run(tmp_path, "b.edu", "--json"))["workloads"]] == ["b.edu"]


@pytest.mark.parametrize(("language", "words"), [("en", "as allocated"), ("zh_CN", "缺少历史数据")])
def test_the_table(book, tmp_path, language, words):
    settings = (tmp_path / "planner.yml").read_text().replace("language: en ", f"language: {language} ")
    (tmp_path / "planner.yml").write_text(settings)
    shown = run(tmp_path, "--why")
    assert words in shown
    row = next(line for line in shown.splitlines() if line.startswith("b.edu"))
    assert row.split()[:4] == ["b.edu", "hist", "3", "6.4"]
    assert row.split()[-3:] == ["–", "?", "?"]  # its VPS is not eligible; what is unknown is not free
