"""Storing and reading back: visits, observations, hostile text, times, large transcripts, several writers."""

import math
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from sqlalchemy import func, select

from inventory import catalogue, collector, discovery, model, reconcile
from inventory.catalogue import clean, open_catalogue
from inventory.errors import CatalogueError, NotFound
from inventory.probes.base import Observation, Section

AT = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
EMOJI = "院网 🏛️ “quoted” ﷽ \u202e"
RAW = b"\xb5\xa5\xce\xbb".decode("utf-8", "surrogateescape")  # gb18030 bytes as a parser hands them on
NONCE = "00ff"


def result(host="h1", observations=(), output=b"@@00ff start root Linux\n", privilege="root", sections=("web",), **more):
    transcript = collector.Transcript(tuple(Section(name, "", **more) for name in sections), privilege, "Linux", True)
    return discovery.Result(host, "192.0.2.1", "ok", "", 1.5, output, transcript, tuple(("web", item) for item in observations))


def add_hosts(book, *names):
    with book.session() as session:
        session.add_all(model.Host(name=name, address=f"192.0.2.{number}") for number, name in enumerate(names, start=1))


def read(book, host="h1", *kinds):
    with book.session() as session:
        return [row.data for row in catalogue.observations(session, catalogue.host_by_name(session, host).id, *kinds)]


def test_a_visit_and_its_evidence(book):
    add_hosts(book, "h1")
    discovery.store(book, result(observations=[Observation("os", {"id": "debian"}, 3), Observation("vhost", {"names": []}, 7)]), lambda: AT)
    with book.session() as session:
        host = catalogue.host_by_name(session, "192.0.2.1")
        assert (host.name, host.outcome, host.visited_at) == ("h1", "ok", AT)
        rows = catalogue.observations(session, host.id)
        assert [(row.kind, row.section, row.line, row.data) for row in rows] == [
            ("os", "web", 3, {"id": "debian"}),
            ("vhost", "web", 7, {"names": []}),
        ]
        snapshot = session.get_one(model.Snapshot, rows[0].snapshot_id)
        assert (snapshot.taken_at, snapshot.privilege, snapshot.seconds) == (AT, "root", 1.5)
        assert zlib.decompress(snapshot.transcript) == b"@@00ff start root Linux\n"
    assert read(book, "h1", "os") == [{"id": "debian"}]


def test_a_new_visit_replaces_and_a_failed_one_keeps(book):
    add_hosts(book, "h1", "h2")
    for number in (1, 2):
        discovery.store(book, result(observations=[Observation("os", {"visit": number}, 1)]), lambda: AT)
    discovery.store(book, result("h2", observations=[Observation("os", {"visit": 9}, 1)]), lambda: AT)
    assert read(book) == [{"visit": 2}]
    later = AT + timedelta(days=1)
    discovery.store(book, discovery.Result("h1", "192.0.2.1", "unreachable", "no route", 3.0), lambda: later)
    assert read(book) == [{"visit": 2}]
    with book.session() as session:
        host = catalogue.host_by_name(session, "h1")
        assert (host.outcome, host.outcome_detail, host.visited_at) == ("unreachable", "no route", later)
        assert session.scalar(select(func.count()).select_from(model.Snapshot).where(model.Snapshot.host_id == host.id)) == 2


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (EMOJI, EMOJI),
        ("a\0b", "a␀b"),
        ("\\u0000 '; DROP TABLE host; --", "\\u0000 '; DROP TABLE host; --"),
        (RAW, "\ufffd\ufffdλ"),
        ("\ud800", "\ufffd"),
        ("\ud800é", "\ufffdé"),
        ("\r\n\t\x1b[31m\x7f\x85\ufeff", "\r\n\t\x1b[31m\x7f\x85\ufeff"),
        ("x" * 1_000_000, "x" * 1_000_000),
        (2**70, 2**70),
        (-0.5, -0.5),
        (math.nan, None),
        (math.inf, None),
        (True, True),
        (None, None),
        (("a\0", [1, "\udcff"]), ["a␀", [1, "\ufffd"]]),
        ({"k\0": {"\udcff": 1}}, {"k␀": {"\ufffd": 1}}),
        (date(2026, 11, 1), "2026-11-01"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_observed_values_come_back(book, value, stored):
    add_hosts(book, "h1")
    assert clean(value) == stored
    discovery.store(book, result(observations=[Observation("os", {"value": value}, 1)]), lambda: AT)
    assert read(book) == [{"value": stored}]
    with book.session() as session:  # the same through the tables that are written row by row
        session.add(model.Workload(name="w", status="undeclared", names=[EMOJI, "n\0"], facts={"f": {"value": value}}, identified_at=AT))
    with book.session() as session:
        found = catalogue.workload_by_name(session, "n␀")
        assert (found.name, found.names, found.facts) == ("w", [EMOJI, "n␀"], {"f": {"value": stored}})


def test_text_columns_take_any_text(book):
    text = EMOJI + "\0" + RAW + "\ud83d"
    with book.session() as session:
        session.add(model.Unit(code="hist", name_zh=text, details={"a": text}))
        session.add(model.Host(name=text, address="192.0.2.1", outcome_detail=text))
    with book.session() as session:
        unit, host = session.get_one(model.Unit, "hist"), catalogue.host_by_name(session, text)
        assert unit.name_zh == unit.details["a"] == host.name == host.outcome_detail == clean(text)
        host.name = "h\0h"  # a change is cleaned like a new row
    with book.session() as session:
        assert catalogue.host_by_name(session, "h␀h").address == "192.0.2.1"


@pytest.mark.parametrize("name", ["\udcff", "a\0b", "x" * 5000, "", "'"])
def test_names_that_are_not_there(book, name):
    with book.session() as session:
        with pytest.raises(NotFound):
            catalogue.host_by_name(session, name)
        with pytest.raises(NotFound):
            catalogue.workload_by_name(session, name)


def test_text_that_no_engine_takes_is_an_error_of_ours(book):
    with pytest.raises(CatalogueError), book.session() as session:
        session.scalar(select(model.Plan).where(model.Plan.id == "\udcff"))


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=8)), timezone(timedelta(hours=-3, minutes=-30))])
def test_times_come_back_aware_and_the_same(book, url, zone):
    at = datetime(2026, 3, 1, 0, 30, 15, tzinfo=zone)
    with book.session() as session:
        session.add(model.Plan(id="p", fingerprint="f", document={}, created_at=at))
        session.add(model.Host(name="h", address="192.0.2.1"))
    again = open_catalogue(url)
    with again.session() as session:
        found = session.get_one(model.Plan, "p").created_at
        assert found == at
        assert found.utcoffset() == timedelta(0)
        assert f"{found:%Y-%m-%d %H:%M}" == f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"
        assert session.scalar(select(model.Plan.created_at).where(model.Plan.created_at == at)) == at
        assert session.scalar(select(model.Plan.id).where(model.Plan.created_at < at)) is None
        assert session.scalar(select(func.max(model.Plan.created_at))) == at
        assert session.scalar(select(model.Host.visited_at)) is None
    again.close()


def test_a_large_transcript(book):
    add_hosts(book, "h1")
    output = os.urandom(30_000_000) + b"\0" * 30_000_000
    many = [Observation("process", {"number": number, "text": EMOJI}, number) for number in range(20_000)]
    discovery.store(book, result(observations=many, output=output), lambda: AT)
    with book.session() as session:
        assert zlib.decompress(session.scalars(select(model.Snapshot)).one().transcript) == output
    assert [row["number"] for row in read(book)] == list(range(20_000))


def test_frames_that_a_host_forged(book):
    """A host reads the script, so it knows the nonce and can print frames of its own."""
    add_hosts(book, "h1")
    output = (
        f"@@{NONCE} start {'r' * 300} \udcff\n\n@@{NONCE} begin web\n@@{NONCE} end web {'9' * 400} {'9' * 400}\n"
        f"\n@@{NONCE} begin {'s' * 300}\n@@{NONCE} end x 0 0\n@@{NONCE} finish\n"
    ).encode("utf-8", "surrogateescape")
    transcript = collector.read(output, NONCE, [])
    forged = discovery.Result("h1", "192.0.2.1", "ok", "", 1.0, output, transcript, (("web", Observation("os", {}, 1)),))
    discovery.store(book, forged, lambda: AT)
    with book.session() as session:
        snapshot = session.scalars(select(model.Snapshot)).one()
        assert (snapshot.privilege, len(snapshot.sections)) == ("", 2)


def test_writers_side_by_side(book):
    names = [f"h{number}" for number in range(1, 9)]
    add_hosts(book, *names)
    rows = [Observation("os", {"number": number}, number) for number in range(300)]

    def visits(name):
        for _ in range(5):
            discovery.store(book, result(name, observations=rows), lambda: AT)

    with ThreadPoolExecutor(len(names)) as pool:
        for future in [pool.submit(visits, name) for name in names]:
            future.result()
    for name in names:
        assert len(read(book, name)) == 300
    with book.session() as session:
        snapshots = list(session.scalars(select(model.Snapshot)))
        assert (len(snapshots), sum(row.readings for row in snapshots)) == (8, 40)  # they said the same each time


def test_a_reader_is_not_held_up_by_a_writer(book, url):
    add_hosts(book, "h1")
    reader = open_catalogue(url)
    with book.session() as session:
        catalogue.host_by_name(session, "h1").outcome = "ok"
        session.flush()
        assert [host.outcome for host in _hosts(reader)] == ["not visited"]
    assert [host.outcome for host in _hosts(reader)] == ["ok"]
    reader.close()


def _hosts(book):
    with book.session() as session:
        return list(session.scalars(select(model.Host)))


def test_a_host_goes_with_its_snapshots(book):
    add_hosts(book, "h1")
    discovery.store(book, result(), lambda: AT)
    with book.session() as session:
        session.delete(catalogue.host_by_name(session, "h1"))
    with book.session() as session:
        assert session.scalar(select(func.count()).select_from(model.Snapshot)) == 0


VHOST = {
    "server": "nginx",
    "names": ["www.x.edu"],
    "enabled": True,
    "docroot": "/srv/www",
    "file": "/etc/nginx/x",
    "line": 1,
    "listen": [{"port": 80}],
}


def test_sites_are_identified_from_what_was_stored(book):
    add_hosts(book, "h1", "h2")
    vhosts = [Observation("vhost", {**VHOST, "names": [name]}, 1) for name in ("b.x.edu", "B-a.x.edu", "bb.x.edu", "史.x.edu")]
    discovery.store(book, result(observations=vhosts), lambda: AT)
    discovery.store(book, result("h2", observations=vhosts[:1]), lambda: AT)
    for _ in range(2):  # identified anew: the same rows, not more
        with book.session() as session:
            session.merge(model.Declared(id=1, kind="site", key="gone.x.edu", data={"aliases": ["b.x.edu"]}, origin="s:2", imported_at=AT))
            session.merge(model.Declared(id=2, kind="site", key="missing.x.edu", data={}, origin="s:3", imported_at=AT))
            session.flush()
            counts = reconcile.update(session, AT)
        assert counts == {"both": 2, "undeclared": 3, "missing": 1}
    with book.session() as session:
        facts = catalogue.workload_by_name(session, "b.x.edu").facts
        snapshot, section, line = facts["site.docroot"]["evidence"][0]
        assert (facts["site.docroot"]["value"], section, line) == ("/srv/www", "web", 1)
        assert session.get(model.Snapshot, snapshot) is not None


@pytest.mark.parametrize(
    "url", [pytest.param("sqlite", id="sqlite"), pytest.param("postgresql", id="postgresql", marks=pytest.mark.postgresql)]
)
def test_a_site_with_a_very_long_name(request, tmp_path, url):
    """A default vhost is named after its docroot, and a path has up to 4096 bytes."""
    book = open_catalogue(f"sqlite:///{tmp_path}/c.db" if url == "sqlite" else request.getfixturevalue("server").url())
    add_hosts(book, "h1")
    path = "/srv/" + "d" * 250
    seen = [
        Observation("vhost", {**VHOST, "names": [], "docroot": path}, 1),
        Observation("content", {"docroot": path, "files": 9, "exists": True}, 2),
    ]
    discovery.store(book, result(observations=seen), lambda: AT)
    with book.session() as session:
        assert reconcile.update(session, AT) == {"undeclared": 1}
