"""Identification of what changed only, against everything done anew: after any sequence of visits and imports the same sites."""

import copy
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from inventory import catalogue, collector, discovery, identify, model, reconcile, storing
from inventory.catalogue import open_catalogue
from inventory.probes.base import Observation, Section

AT = datetime(2026, 6, 1, 8, 30, tzinfo=UTC)
HOSTS = ("b", "a", "c")
NAMES = ("www.x.edu", "y.x.edu", "z.x.edu", "")  # '' is a default vhost, named after its docroot


def result(host, names, os="12"):
    seen = [Observation("os", {"id": "debian", "version": os}, 1)]
    for line, name in enumerate(names, start=2):
        vhost = {
            "server": "nginx",
            "names": [name, f"alias-{name}"] if name else [],
            "enabled": True,
            "docroot": f"/srv/{name}",
            "listen": [{"port": 80}],
        }
        seen += [Observation("vhost", vhost, line), Observation("content", {"docroot": f"/srv/{name}", "exists": True, "files": 9}, line)]
    transcript = collector.Transcript((Section("web", ""),), "root", "Linux", True)
    return discovery.Result(host, "192.0.2.1", "ok", "", 1.0, b"@@0 start root Linux\n", transcript, tuple(("web", item) for item in seen))


VISITS = st.tuples(
    st.just("visit"), st.sampled_from(HOSTS), st.lists(st.sampled_from(NAMES), max_size=3, unique=True), st.sampled_from(["8", "12"])
)
DECLARED = st.tuples(
    st.just("declare"),
    st.sampled_from(NAMES[:3]),
    st.sampled_from(["", "alias-y.x.edu", "alias-www.x.edu"]),
    st.sampled_from(["hist", None]),
)
OTHER = st.sampled_from(
    [
        ("undeclare", "www.x.edu"),
        ("undeclare", "y.x.edu"),
        ("fail", "a"),
        ("rename", "a"),
        ("unit", "b"),
        ("range", "hist"),
        ("remove", "c"),
    ]
)
STEPS = st.lists(st.tuples(VISITS | DECLARED | OTHER, st.booleans()), max_size=9)


def act(book, step, at):
    kind, what, *rest = step
    with book.session() as session:
        host = session.get(model.Host, HOSTS.index(what) + 1) if what in HOSTS else None
        if kind == "visit" and host is not None:
            discovery.store_in(session, host, result(host.name, *rest), at)
        elif kind == "fail" and host is not None:
            discovery.store_in(session, host, discovery.Result(host.name, "", "timeout", "", 9.0), at)
        elif kind == "declare":
            row = session.scalar(select(model.Declared).where(model.Declared.key == what)) or model.Declared(kind="site", key=what)
            row.data, row.unit_code, row.origin, row.imported_at = (
                {"aliases": [rest[0]] if rest[0] else [], "name": rest[0]},
                rest[1],
                f"s:{len(rest)}",
                at,
            )
            session.add(row)
        elif kind == "undeclare":
            session.execute(delete(model.Declared).where(model.Declared.key == what))
        elif kind == "rename" and host is not None:
            host.name = "zz" if host.name == "a" else "a"
        elif kind == "unit" and host is not None:
            host.unit_code = None if host.unit_code else "hist"
        elif kind == "range":
            session.get_one(model.Unit, "hist").details = {"ranges": ["192.0.2.0/24"]}
        elif kind == "remove" and host is not None:
            session.execute(delete(model.Workload).where(model.Workload.host_id == host.id))
            session.delete(host)


def everything(book):
    with book.session() as session:
        rows = session.scalars(select(model.Workload).order_by(model.Workload.name))
        return [
            (w.name, w.host_id, w.unit_code, w.owner_reason, w.status, w.names, list(w.facts.items()), w.site and (w.site.name, w.site.files, w.site.docroot))
            for w in rows
        ]  # fmt: skip


def start(book):
    with book.session() as session:
        for table in reversed(model.Base.metadata.sorted_tables):
            session.execute(delete(table))
        session.add(model.Unit(code="hist"))
        session.flush()
        session.add_all(model.Host(id=number, name=name, address=f"192.0.2.{number}") for number, name in enumerate(HOSTS, start=1))


def run(book, steps):
    start(book)
    for number, (step, update) in enumerate(steps):
        act(book, step, AT + timedelta(days=number))
        if update:
            with book.session() as session:
                reconcile.update(session, AT)
    with book.session() as session:
        counts = reconcile.update(session, AT)
    step_by_step = everything(book)
    with book.session() as session:
        assert reconcile.update(session, AT, everything=True) == counts
    assert everything(book) == step_by_step
    with book.session() as session:  # and from nothing
        for table in (model.Workload, model.Site):
            session.execute(delete(table))
    with book.session() as session:
        reconcile.update(session, AT, everything=True)
    assert everything(book) == step_by_step
    return step_by_step


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_step_by_step_is_all_anew(tmp_path_factory, steps):
    if not hasattr(test_step_by_step_is_all_anew, "book"):
        test_step_by_step_is_all_anew.book = open_catalogue(f"sqlite:///{tmp_path_factory.mktemp('c')}/c.db")
    run(test_step_by_step_is_all_anew.book, steps)


def test_the_same_on_either_engine(book):
    found = run(book, [
        (("visit", "c", ["www.x.edu", ""], "8"), True), (("visit", "a", ["www.x.edu"], "12"), True), (("declare", "y.x.edu", "", "hist"), True),
        (("declare", "www.x.edu", "alias-y.x.edu", None), True), (("visit", "b", ["y.x.edu", "www.x.edu"], "12"), True), (("rename", "a"), True),
        (("range", "hist"), True),
    ])  # fmt: skip
    assert [(name, status) for name, _, _, _, status, *_ in found] == [
        ("c:/srv/", "undeclared"), ("www.x.edu", "both"), ("www.x.edu@c", "both"), ("www.x.edu@zz", "both"), ("y.x.edu", "both"),
    ]  # fmt: skip
    assert {unit for _, _, unit, *_ in found} == {"hist"}


def identified(monkeypatch):
    seen = []
    real = identify.sites
    monkeypatch.setattr(identify, "sites", lambda host, *rest: seen.append(host) or real(host, *rest))
    return seen


def test_only_hosts_that_said_something_new_are_identified(book, monkeypatch):
    start(book)
    hosts = identified(monkeypatch)

    def update():
        hosts.clear()
        with book.session() as session:
            reconcile.update(session, AT)
        return sorted(hosts)

    for name in HOSTS:
        act(book, ("visit", name, ["www.x.edu"], "12"), AT)
    assert update() == ["a", "b", "c"]
    assert update() == []
    for day, name in ((1, "a"), (2, "a"), (3, "b")):
        act(book, ("visit", name, ["www.x.edu"], "12"), AT + timedelta(days=day))  # the same again
    act(book, ("fail", "c"), AT)
    act(book, ("declare", "www.x.edu", "", "hist"), AT)
    assert update() == []
    act(book, ("visit", "b", ["www.x.edu", "y.x.edu"], "12"), AT)
    assert update() == ["b"]
    act(book, ("rename", "a"), AT)
    assert update() == ["zz"]
    monkeypatch.setattr(reconcile, "_rules", lambda: b"another version")
    assert update() == ["b", "c", "zz"]


def test_hosts_are_identified_while_others_are_visited(book, monkeypatch):
    start(book)
    hosts = identified(monkeypatch)
    with storing.Writer(book, after=reconcile.identify_hosts) as writer:
        for name in HOSTS:
            writer.add(discovery.as_visit(result(name, ["www.x.edu"]), AT))
    assert sorted(hosts) == ["a", "b", "c"]
    with book.session() as session:
        assert reconcile.update(session, AT) == {"undeclared": 3}
    assert sorted(hosts) == ["a", "b", "c"]  # nothing was left to do for hosts
    one = everything(book)
    with book.session() as session:
        reconcile.update(session, AT, everything=True)
    assert everything(book) == one


def test_a_defect_of_identification_loses_no_visit_and_is_raised_afterwards(book, monkeypatch):
    start(book)
    real = identify.sites

    def broken(host, *rest):
        if host == "b":
            raise ZeroDivisionError
        return real(host, *rest)

    monkeypatch.setattr(identify, "sites", broken)
    with storing.Writer(book, after=reconcile.identify_hosts) as writer:
        for name in HOSTS:
            writer.add(discovery.as_visit(result(name, ["www.x.edu"]), AT))
    with book.session() as session:
        assert len(catalogue.observations(session, 1)) == 3
    with pytest.raises(ZeroDivisionError), book.session() as session:
        reconcile.update(session, AT)


def test_a_host_that_says_the_same_moves_one_row(book):
    start(book)
    for day in range(10):
        act(book, ("visit", "a", ["www.x.edu"], "12"), AT + timedelta(days=day))
    with book.session() as session:
        rows = list(session.scalars(select(model.Snapshot).order_by(model.Snapshot.id)))
        assert [(row.readings, (row.seen_at or row.taken_at) - AT) for row in rows] == [(7, timedelta(days=6)), (3, timedelta(days=9))]
        host = catalogue.host_by_name(session, "a")
        assert host.visited_at == AT + timedelta(days=9)
        assert {item.snapshot_id for item in catalogue.observations(session, host.id)} == {rows[-1].id}
    act(book, ("visit", "a", ["www.x.edu"], "12"), AT)  # a clock that went back is no reading of the same
    with book.session() as session:
        assert len(list(session.scalars(select(model.Snapshot)))) == 3


def test_a_site_keeps_its_verdict_while_its_facts_change(book):
    start(book)
    act(book, ("visit", "a", ["www.x.edu"], "12"), AT)
    with book.session() as session:
        reconcile.update(session, AT)
        item = catalogue.workload_by_name(session, "www.x.edu")
        session.add(
            model.Verdict(workload_id=item.id, recommendation="r", strength="s", data={}, rules_hash="", facts_hash="", assessed_at=AT)
        )
        before = copy.deepcopy(item.facts)
    act(book, ("visit", "a", ["www.x.edu"], "8"), AT)
    with book.session() as session:
        reconcile.update(session, AT)
        item = catalogue.workload_by_name(session, "alias-www.x.edu")
        assert session.scalar(select(model.Verdict.workload_id)) == item.id
        assert (before["host.os_version"]["value"], item.facts["host.os_version"]["value"]) == ("12", "8")
        assert item.facts["host.os_supported"]["value"] is False


@pytest.mark.parametrize("fields", [{"name": "openssl"}, {"name": "openssl", "version": "1"}, {}, {"name": "nobody"}, {"version": "2"}])
def test_which_hosts_have_a_package(book, fields):
    start(book)
    for host, versions in (("a", ["1"]), ("b", ["1", "2"]), ("c", [])):
        seen = [Observation("package", {"name": "openssl", "version": version, "arch": "amd64"}, 3) for version in versions]
        seen.append(Observation("package", {"name": "zlib", "version": "1", "arch": None}, 4))
        if host == "c":  # no flat record: kept as it is
            seen.append(Observation("package", {"name": "openssl", "version": "2", "files": ["x"]}, 5))
        act(book, ("visit", host, [], "12"), AT)
        with book.session() as session:
            one = result(host, [])
            extra = tuple(("packages", item) for item in seen)
            discovery.store_in(
                session,
                catalogue.host_by_name(session, host),
                discovery.Result(**{**vars(one), "observations": one.observations + extra}),
                AT,
            )
    with book.session() as session:
        found = [
            (item.host_id, item.data["name"], item.data.get("version"), item.line)
            for item in catalogue.hosts_with(session, "package", **fields)
        ]
        every = [
            (item.host_id, item.data["name"], item.data.get("version"), item.line) for key in (1, 2, 3)
            for item in catalogue.observations(session, key, "package") if all(item.data.get(k) == v for k, v in fields.items())
        ]  # fmt: skip
        assert sorted(found, key=str) == sorted(every, key=str)
        assert len(session.scalars(select(model.Shared)).all()) == 3  # three values, however many hosts
        assert {item.host_id for item in catalogue.hosts_with(session, "os", version="12")} == {1, 2, 3}


@pytest.mark.parametrize(
    ("named", "status"),
    [
        (["a"], "missing"), (["192.0.2.1"], "missing"), (["Front"], "missing"), ("A", "missing"), (["a", "b"], "unread"), (["b"], "unread"),
        (["nobody"], "unread"), (["a", "b", "c"], "unread"), ([], "unread"),
    ],
)  # fmt: skip
def test_a_site_that_nobody_could_look_for_is_not_missing(book, named, status):
    """`a` was read, `b` timed out, `c` was never visited."""
    with book.session() as session:
        session.add_all(model.Host(id=n, name=name, address=f"192.0.2.{n}") for n, name in enumerate("abc", start=1))
        session.add(model.Declared(kind="server", key="192.0.2.1", data={"name": "front"}, origin="s:1", imported_at=AT))
        session.add(model.Declared(kind="site", key="x.edu", data={"server": named}, origin="s:2", imported_at=AT))
        session.flush()
        discovery.store_in(session, session.get(model.Host, 1), result("a", [], "12"), AT)
        discovery.store_in(session, session.get(model.Host, 2), discovery.Result("b", "", "timeout", "", 9.0), AT)
        assert reconcile.update(session, AT) == {status: 1}
        for number in (2, 3):
            session.get(model.Host, number).outcome = "partial"
        session.flush()
        assert reconcile.update(session, AT) == {"unread" if named == ["nobody"] else "missing": 1}


def test_without_a_host_nothing_is_missing(book):
    with book.session() as session:
        session.add(model.Declared(kind="site", key="x.edu", data={}, origin="s:2", imported_at=AT))
        assert reconcile.update(session, AT) == {"unread": 1}
