"""The writer: batches, bad visits among good ones, a real kill -9 in the middle, a full disk; and a discovery that goes on afterwards."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from sqlalchemy import func, select, update
from typer.testing import CliRunner

from inventory import catalogue, collector, discovery, model, runs, storing
from inventory.catalogue import open_catalogue
from inventory.errors import CatalogueError, InputError, NotFound
from inventory.probes.base import Observation, Section
from planner import workspace
from planner.cli import look

ROOT = Path(__file__).parents[2]
AT = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)


def result(host, size=1, **more):
    seen = tuple(("web", Observation("os", {"id": "debian", "number": number, **more}, number)) for number in range(1, size + 1))
    transcript = collector.Transcript((Section("web", ""),), "root", "Linux", True)
    return discovery.Result(host, "192.0.2.1", "ok", "", 1.0, os.urandom(200) * size, transcript, seen)


def add_hosts(book, number):
    with book.session() as session:
        session.add_all(model.Host(name=f"h{n:04}", address=f"10.0.{n // 250}.{n % 250 + 1}") for n in range(number))


def outcomes(book):
    with book.session() as session:
        return dict(session.execute(select(model.Host.name, model.Host.outcome).order_by(model.Host.name)).all())


def snapshots(book):
    with book.session() as session:
        return session.scalar(select(func.count()).select_from(model.Snapshot))


def test_all_visits_are_stored_in_few_transactions(book, monkeypatch):
    add_hosts(book, 450)
    batches = []
    real = storing.write
    monkeypatch.setattr(storing, "write", lambda session, visits, run=None: batches.append(len(visits)) or real(session, visits, run))
    with storing.Writer(book, seconds=60) as writer:
        for number in range(450):
            writer.add(discovery.as_visit(result(f"h{number:04}"), AT))
    assert set(outcomes(book).values()) == {"ok"}
    assert snapshots(book) == 450
    assert max(batches) <= storing.BATCH
    assert len(batches) <= 10
    assert writer.unknown == []


def test_what_waits_is_stored_after_a_second(book):
    add_hosts(book, 2)
    with storing.Writer(book, seconds=0.2) as writer:
        writer.add(discovery.as_visit(result("h0000"), AT))
        until = time.monotonic() + 20
        while outcomes(book)["h0000"] != "ok":
            assert time.monotonic() < until
            time.sleep(0.05)
        writer.add(discovery.as_visit(result("h0001"), AT))
    assert set(outcomes(book).values()) == {"ok"}


class Odd:
    def __str__(self):
        raise ValueError("a parser's defect")


def test_bad_visits_lose_none_of_those_beside_them(book):
    add_hosts(book, 30)
    circle = {}
    circle["circle"] = circle
    bad = {
        "h0003": result("h0003", odd=Odd()), "h0007": result("h0007", deep=circle),
        "h0011": discovery.Result(**{**vars(result("h0011")), "observations": (("s" * 5000, Observation("os", {}, 1)),)}),
        "h0013": discovery.Result(**{**vars(result("h0013")), "observations": (("web", Observation("os", {}, 2**80)),)}),
        "h0017": discovery.Result(**{**vars(result("h0017")), "observations": (None,)}),
    }  # fmt: skip
    with storing.Writer(book) as writer:
        for number in range(30):
            name = f"h{number:04}"
            writer.add(discovery.as_visit(bad.get(name) or result(name), AT))
        writer.add(discovery.as_visit(result("nobody"), AT))
    ended = outcomes(book)
    assert {name for name, outcome in ended.items() if outcome == "ok"} >= ended.keys() - bad.keys()
    assert {ended[name] for name in ("h0003", "h0007", "h0017")} == {"protocol"}
    assert writer.unknown == ["nobody"]
    with book.session() as session:
        host = catalogue.host_by_name(session, "h0003")
        assert "internal: " in host.outcome_detail
        assert catalogue.observations(session, host.id) == []
    with pytest.raises(NotFound):
        discovery.store(book, result("nobody"))


def test_a_visit_that_the_database_refuses(book):
    """A section's name that is too long is refused by PostgreSQL in the middle of a batch; SQLite takes it."""
    add_hosts(book, 3)
    long = discovery.Result(**{**vars(result("h0001")), "observations": (("s" * 40, Observation("os", {}, 1)),)})
    with storing.Writer(book) as writer:
        for one in (result("h0000"), long, result("h0002")):
            writer.add(discovery.as_visit(one, AT))
    ended = outcomes(book)
    assert (ended["h0000"], ended["h0002"]) == ("ok", "ok")
    assert ended["h0001"] == ("ok" if book.engine.dialect.name == "sqlite" else "protocol")


def test_two_visits_of_one_host_in_one_batch(book):
    add_hosts(book, 1)
    with storing.Writer(book, seconds=5) as writer:
        writer.add(discovery.as_visit(result("h0000", size=1), AT))
        writer.add(discovery.as_visit(result("h0000", size=2), AT + timedelta(minutes=1)))
    assert snapshots(book) == 2
    with book.session() as session:
        assert len(catalogue.observations(session, catalogue.host_by_name(session, "h0000").id)) == 2


def test_a_packed_result_is_stored_like_an_unpacked_one(book):
    add_hosts(book, 2)
    whole = result("h0000", size=3)
    packed = discovery.pack(discovery.Result(**{**vars(whole), "host": "h0001"}))
    assert (packed.output, packed.observations, discovery.pack(packed)) == (b"", (), packed)
    for one in (whole, packed):
        discovery.store(book, one, lambda: AT)
    with book.session() as session:
        hosts = [catalogue.host_by_name(session, name) for name in ("h0000", "h0001")]
        one, two = ([(o.kind, o.data, o.line, o.section) for o in catalogue.observations(session, host.id)] for host in hosts)
        assert one == two
        assert hosts[0].digest == hosts[1].digest
        rows = [session.get_one(model.Snapshot, host.snapshot_id) for host in hosts]
        assert rows[0].transcript == rows[1].transcript
        assert rows[0].sections == rows[1].sections


# ---------------------------------------------------------------- cut off

PROGRAM = """
import sys, time
from datetime import UTC, datetime
sys.path.insert(0, {tests!r})
from test_storing import result
from inventory import catalogue, discovery, runs, storing
book = catalogue.open_catalogue(sys.argv[1])
with book.session() as session:
    run = runs.begin(session, {{}}, 3000, datetime(2026, 11, 1, 8, 30, tzinfo=UTC)).id
with storing.Writer(book, run, batch=50, seconds=0.5) as writer:
    for number in range(3000):
        writer.add(discovery.as_visit(result(f"h{{number:04}}", size=20), datetime(2026, 11, 1, 8, 30, tzinfo=UTC)))
        print(number, flush=True)
        time.sleep(0.002)
"""


def storing_process(url, **more):
    program = PROGRAM.format(tests=str(Path(__file__).parent))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", program, url], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more
    )


def test_a_kill_loses_at_most_what_was_not_yet_committed(url):
    book = open_catalogue(url)
    add_hosts(book, 3000)
    process = storing_process(url)
    handed = 0
    for line in process.stdout:
        handed = int(line) + 1
        if handed == 400:
            process.send_signal(signal.SIGKILL)
            break
    handed += len(process.stdout.read().split())
    assert process.wait() == -signal.SIGKILL
    done = [name for name, outcome in outcomes(book).items() if outcome == "ok"]
    assert handed - 250 <= len(done) <= handed  # at most the batch in hand, and what waits for it
    assert done == [f"h{n:04}" for n in range(len(done))]
    assert snapshots(book) == len(done)
    with book.session() as session:
        run = runs.cut(session)
        assert run is not None
        left = [host.name for host in runs.left(session, run)]
        assert left == [f"h{n:04}" for n in range(len(done), 3000)]
        complete = [
            len(catalogue.observations(session, host)) for host in session.scalars(select(model.Host.id).where(model.Host.outcome == "ok"))
        ]
        assert set(complete) == {20}
    book.close()


def test_a_full_disk_is_said_and_what_was_committed_stays(tmp_path):
    url = f"sqlite:///{tmp_path}/catalogue.db"
    book = open_catalogue(url)
    add_hosts(book, 3000)
    book.close()

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    process = storing_process(url, preexec_fn=limit)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert re.search(r"CatalogueError: the catalogue .*: (disk I/O error|database or disk is full)", said.decode())
    assert "make room on its disk" in said.decode()
    book = open_catalogue(url)
    done = [name for name, outcome in outcomes(book).items() if outcome == "ok"]
    assert 50 <= len(done) < 3000
    assert snapshots(book) == len(done)
    assert "protocol" not in set(outcomes(book).values())  # the disk's fault is no host's
    with storing.Writer(book) as writer:  # and on, once there is room
        writer.add(discovery.as_visit(result("h2999"), AT))
    assert outcomes(book)["h2999"] == "ok"
    book.close()


def test_a_writer_that_gave_up_stops_the_visits(book, monkeypatch):
    add_hosts(book, 1)
    monkeypatch.setattr(storing, "write", lambda *_: (_ for _ in ()).throw(CatalogueError("gone")))
    with pytest.raises(CatalogueError, match="gone"), storing.Writer(book, batch=1, seconds=0) as writer:
        for _ in range(1000):
            writer.add(discovery.as_visit(result("h0000"), AT))
            time.sleep(0.01)


# ---------------------------------------------------------------- planner discover


@pytest.fixture
def space(url, tmp_path, monkeypatch):
    """A workspace with five hosts whose visits are played, and a way to call the commands: `call.visited` are the hosts visited."""
    folder = tmp_path / "w"
    workspace.create(folder)
    text = (
        (folder / "planner.yml")
        .read_text()
        .replace("catalogue: catalogue.db ", f"catalogue: {url} ")
        .replace("allow: []", "allow: [10.0.0.0/8]")
    )
    (folder / "planner.yml").write_text(text)
    monkeypatch.chdir(folder)
    app = typer.Typer()
    look.add(app)
    book = workspace.find().open_catalogue()
    add_hosts(book, 5)
    clock = [AT]
    monkeypatch.setattr(catalogue, "now", lambda: clock[0])

    def visit_and(finish, pairs, **_):
        for number, (name, peer) in enumerate(pairs):
            if number == call.stop:
                raise KeyboardInterrupt
            call.visited.append(name)
            yield finish(discovery.Result(name, peer.address, call.ends[name], "", 1.0) if name in call.ends else result(name))

    monkeypatch.setattr(discovery, "visit_and", visit_and)

    def call(*words, code=0, stop=None):
        call.visited, call.stop = [], stop
        done = CliRunner().invoke(app, [*map(str, words)])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return json.loads(done.stdout) if "--json" in words else done.output

    call.book, call.ends, call.clock, call.visited = book, {}, clock, []
    yield call
    book.close()


EVERY = [f"h{number:04}" for number in range(5)]


def test_a_cut_discovery_is_continued(space):
    assert space("discover", code=130, stop=2) is not None
    assert space.visited == EVERY[:2]
    said = space("discover")
    assert space.visited == EVERY[2:]
    assert "was cut: 3 hosts are left to visit" in said
    said = space("discover")  # the one before came to its end
    assert space.visited == EVERY
    assert "was cut" not in said


def test_hosts_added_meanwhile_are_among_those_left(space):
    space("discover", code=130, stop=4)
    with space.book.session() as session:
        session.add(model.Host(name="new", address="10.9.9.9"))
    assert space("discover", "--json")["continued"] is True
    assert space.visited == ["h0004", "new"]


def test_killed_after_the_last_visit(space):
    space("discover")
    with space.book.session() as session:
        session.execute(update(model.VisitRun).values(finished_at=None))
    assert "no host is left to visit" in space("discover")
    assert space.visited == []
    with space.book.session() as session:
        assert runs.cut(session) is None


def test_fresh_and_a_cut_that_is_old(space):
    space("discover", code=130, stop=2)
    space("discover", "--fresh")
    assert space.visited == EVERY
    space("discover", code=130, stop=2)
    space.clock[0] = AT + timedelta(hours=25)
    assert "more than a day ago" in space("discover")
    assert space.visited == EVERY


def test_a_discovery_of_some_hosts_is_no_beginning_of_one_of_all(space):
    space("discover", "h0001", "h0002", code=130, stop=1)
    assert "was cut" not in space("discover")
    assert space.visited == EVERY
    space("discover", code=130, stop=2)
    space("discover", "h0004")  # does not end the one that was cut
    space("discover")
    assert space.visited == ["h0002", "h0003", "h0004"]


def test_by_outcome_and_by_age(space):
    space.ends.update({"h0001": "timeout", "h0002": "auth", "h0003": "unreachable"})
    assert space("discover", "--outcome", "not visited")
    assert space.visited == EVERY
    space("discover", "--outcome", "timeout,auth", "--outcome", "unreachable", code=6)
    assert space.visited == EVERY[1:4]
    space("discover", "h0001", "h0000", "--outcome", "timeout", code=6)
    assert space.visited == ["h0001"]
    space.clock[0] = AT + timedelta(days=3)
    space.ends.clear()
    space("discover", "h0001")
    space("discover", "--stale", "2")
    assert space.visited == ["h0000", "h0002", "h0003", "h0004"]
    assert "no host is left" in space("discover", "--stale", "2")
    with pytest.raises(InputError, match="lost: no visit ends so"):
        space("discover", "--outcome", "lost")
    with pytest.raises(InputError, match="--fresh"):
        space("discover", "h0001", "--fresh")
