"""What sizing reads, on either engine: samples in their order, a site's facts with what is declared, the past of content."""

import random
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select, update

from inventory import model, sampling, transcripts
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
            session.add(model.Sample(host_id=1, at=AT + timedelta(minutes=n), data={"uptime_s": 60.0 * n, "boot_id": "b"}))
    with book.session() as session:
        ((ident, host),) = measures.hosts(session, since=AT + timedelta(seconds=30))
        assert [subject.name for subject in measures.subjects(session)] == ["www.hist.edu"]
    assert (ident, [list(run.columns["seconds"]) for run, _ in host.runs]) == (1, [[60.0]])
    assert [size for _, size in host.guests[0].held] == [50_682_158] * 3
    size = sizing.sizes(host)["www.hist.edu"]
    assert (size.held_bytes, size.disk_bytes, size.basis["disk_bytes"]) == (50_682_158, 64_000_000, "measured")


def test_sums_of_days_change_no_size(book):
    """Whatever is stored, in whatever order, with whatever window: sizes are those of the bare samples."""
    chance = random.Random(7)
    facts = {
        name: {"value": value, "why": ""}
        for name, value in {"site.php": True, "site.php_version": "8.2", "site.web_server": "nginx"}.items()
    }
    with book.session() as session:
        for number in (1, 2):
            session.add(model.Host(id=number, name=f"h{number}", address=f"192.0.2.{number}", outcome="ok"))
        session.flush()
        for number in range(4):
            served = {"site.php": {"value": number < 2, "why": ""}}
            known = model.SiteFacts(
                facts=facts | served | ({"use.requests_per_day": {"value": 10.0 * (number + 1), "why": ""}} if number < 3 else {})
            )
            site = model.Site(host_id=1 + number % 2, name=f"s{number}", names=[], known=known)
            session.add(model.Workload(name=f"s{number}", host_id=1 + number % 2, site=site, status="both", names=[], identified_at=AT))
    moments = [(host, AT + timedelta(minutes=60 * n + host)) for host in (1, 2) for n in range(24 * 4) if not 30 < n < 60 or host == 1]
    late = chance.sample(moments, 25)
    ordered = sorted(set(moments) - set(late), key=lambda one: one[1]) + late
    spent = {}
    for host, at in sorted(moments, key=lambda one: one[1]):
        before = spent.get((host, "last"), {"user": 0.0, "fpm": 0.0, "reads": 0})
        now = {
            "user": before["user"] + chance.random() * 180_000,
            "fpm": before["fpm"] + chance.random() * 7200,
            "reads": before["reads"] + chance.randrange(9000),
        }
        spent[host, "last"] = spent[host, at] = now
    with book.session() as session:
        for place, (host, at) in enumerate(ordered):
            told, seconds = spent[host, at], (at - AT).total_seconds() + 5000
            data = {
                "uptime_s": seconds, "boot_id": "a" if at < AT + timedelta(days=2) else "b", "cpus": 4,
                "cpu": {"user": told["user"], "idle": seconds * 400 - told["user"], "iowait": 0},
                "memory": {"total": 8 << 30, "available": chance.randrange(1 << 30, 8 << 30)},
                "disks": {"sda": {"reads": told["reads"], "writes": 0}}, "net": {},
                "services": {
                    "php8.2-fpm.service": {"cpu_s": told["fpm"], "memory_bytes": chance.randrange(1 << 30)}, "cron.service": {"cpu_s": 1.0},
                },
            }  # fmt: skip
            sampling.store(session, host, at, data)
            if place % 90 == 0 or place > len(ordered) - 4:
                same(session)
        assert session.scalar(select(func.count()).select_from(model.SampleDay)) <= 1  # what comes late takes the sums away
        for host in (1, 2):
            for hours in (0, 1):
                sampling.store(session, host, AT + timedelta(days=5, hours=hours), {**data, "uptime_s": 9.0 * 86_400 + 3600 * hours})
        assert session.scalar(select(func.count()).select_from(model.SampleDay)) == 10
        assert same(session)["s0"].basis["cpus"] == "service"
        found = sampling.runs(session, [1, 2])
        assert (
            sum(len(run.columns["seconds"]) for parts in found.values() for run, _ in parts) == len(moments) + 2 * 2 - 2 * 2
        )  # four more; each host started twice


def same(session):
    """The sizes, which are those of the bare samples."""
    for since in (AT + timedelta(hours=31), datetime(2026, 11, 3, tzinfo=UTC), None):
        found = {name: size for _, one in measures.hosts(session, None, since) for name, size in sizing.sizes(one).items()}
        assert found == bare(session, since), since
    return found


def bare(session, since):
    """The sizes from samples alone."""
    found = {}
    for ident, one in measures.hosts(session, None, since):
        query = select(model.Sample).where(model.Sample.host_id == ident).order_by(model.Sample.at)
        readings = [
            sizing.Reading(row.at, row.data) for row in session.scalars(query if since is None else query.where(model.Sample.at >= since))
        ]
        found |= sizing.sizes(replace(one, samples=readings, runs=()))
    return found


def test_a_sum_of_another_form_is_made_anew_from_the_samples(book):
    with book.session() as session:
        session.add(model.Host(id=1, name="h", address="192.0.2.1", outcome="ok"))
        session.flush()
        for n in range(4):
            sampling.store(session, 1, AT + timedelta(hours=9 * n), {"uptime_s": 32_400.0 * n, "boot_id": "b"})
        assert session.scalars(select(model.SampleDay.day)).all() == ["2026-11-01"]
        before = sampling.runs(session, [1])[1]
        session.execute(update(model.SampleDay).values(body={"form": 0}))
        after = sampling.runs(session, [1])[1]
    assert [[seconds for run, _ in runs for seconds in run.columns["seconds"]] for runs in (before, after)] == [[32_400.0] * 3] * 2
