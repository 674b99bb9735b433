"""What is given up of the history, and what never is."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from inventory import catalogue, collector, discovery, history, model, runs, transcripts
from inventory.probes.base import Observation, Section

AT = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def visit(book, host, day, said):
    transcript = collector.Transcript((Section("web", ""),), "root", "Linux", True)
    seen = (("web", Observation("os", {"id": said}, 1)),)
    discovery.store(book, discovery.Result(host, "", "ok", "", 1.0, b"@@0 start root Linux\n", transcript, seen), lambda: AT + day * DAY)


def test_prune(book):
    with book.session() as session:
        session.add_all(model.Host(name=name, address=f"192.0.2.{number}") for number, name in enumerate(("a", "b", "c"), start=1))
        runs.begin(session, {}, 3, AT)
    for day, host, said in ((0, "a", "x"), (1, "a", "y"), (5, "a", "y"), (20, "a", "z"), (0, "b", "old"), (2, "c", "one"), (3, "c", "two")):
        visit(book, host, day, said)
    discovery.store(book, discovery.Result("b", "", "timeout", "", 1.0), lambda: AT + 30 * DAY)
    with book.session() as session:
        kept = history.kept(session)
        assert (kept.snapshots, kept.readings, kept.oldest) == (6, 7, AT)
        assert kept.bytes > 0
        assert history.prune(session, AT + 4 * DAY) == 2  # x of a, one of c; y of a was confirmed since
    with book.session() as session:
        left = {(row.host.name, row.taken_at) for row in session.scalars(select(model.Snapshot))}
        assert left == {("a", AT + DAY), ("a", AT + 20 * DAY), ("b", AT), ("c", AT + 3 * DAY)}
        assert history.prune(session, AT + 365 * DAY) == 1
        assert runs.cut(session) is None
    with book.session() as session:
        for host in session.scalars(select(model.Host)):
            (known,) = catalogue.observations(session, host.id)
            assert session.get(model.Snapshot, known.snapshot_id) is transcripts.newest(session, host)
        assert history.prune(session, AT + 365 * DAY) == 0


def test_nothing_is_kept_yet(book):
    with book.session() as session:
        assert history.kept(session) == history.Kept(0, 0, 0, None)
