"""What sizing reads, on either engine: samples in their order, a site's facts with what is declared, the past of content."""

import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from inventory import model, transcripts
from planner import measures, sizing

AT = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
HIST = Path(__file__).parents[1] / "cases/transcripts/hist.txt.gz"


def test_sizes_come_out_of_either_engine(book):
    body = zlib.compress(transcripts.read(transcripts.load(HIST), "hist").output)
    facts = {
        "site.docroot": "/srv/www/hist",
        "content.bytes": 49_862_958,
        "database.used": True,
        "database.name": "wp_hist",
        "database.bytes": 819_200,
    }
    with book.session() as session:
        session.add(model.Host(id=1, name="hist", address="192.0.2.1", outcome="ok"))
        session.flush()
        for days in (0, 20, 40):
            session.add(model.Snapshot(host_id=1, taken_at=AT + timedelta(days=days), privilege="root", seconds=1.0, transcript=body))
        known = model.SiteFacts(facts={name: {"value": value} for name, value in facts.items()})
        site = model.Site(host_id=1, name="www.hist.edu", names=[], known=known)
        session.add(model.Workload(name="www.hist.edu", host_id=1, site=site, status="both", names=[], identified_at=AT))
        for n in (2, 0, 1):
            session.add(model.Sample(host_id=1, at=AT + timedelta(minutes=n), data={"n": n}))
    with book.session() as session:
        ((ident, host),) = measures.hosts(session, since=AT + timedelta(seconds=30))
        assert [subject.name for subject in measures.subjects(session)] == ["www.hist.edu"]
    assert (ident, [reading.data["n"] for reading in host.samples], host.samples[0].at.tzinfo) == (1, [1, 2], UTC)
    assert [size for _, size in host.guests[0].held] == [50_682_158] * 3
    size = sizing.sizes(host)["www.hist.edu"]
    assert (size.held_bytes, size.disk_bytes, size.basis["disk_bytes"]) == (50_682_158, 64_000_000, "measured")
