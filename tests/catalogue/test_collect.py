"""Outputs of the stand-alone collector from two lab hosts, imported, parsed again and compared, on both engines."""

import gzip
import json
import re
import subprocess
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from sqlalchemy import func, select
from typer.testing import CliRunner

from inventory import catalogue, changes, collector, discovery, model, reconcile, storing, transcripts
from inventory.errors import Busy, InputError, NotFound
from inventory.probes import registry
from inventory.probes.base import Observation
from planner import workspace
from planner.cli import collect

CASES = Path(__file__).parents[1] / "cases" / "transcripts"
AT = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
NOW = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


@pytest.fixture
def space(url, tmp_path, monkeypatch):
    """A workspace on either engine, and a way to call the commands in it: (exit code, output)."""
    folder = tmp_path / "w"
    workspace.create(folder)
    settings = (folder / "planner.yml").read_text().replace("catalogue: catalogue.db ", f"catalogue: {url} ")
    (folder / "planner.yml").write_text(settings)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setattr(catalogue, "now", lambda: NOW)
    app = typer.Typer()
    collect.add(app)

    def call(*words, code=0):
        result = CliRunner().invoke(app, [str(word) for word in words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        assert "\x1b" not in result.output
        return json.loads(result.stdout) if "--json" in words else result.output

    call.folder, call.book = folder, workspace.find().open_catalogue()
    yield call
    call.book.close()


def real(host):
    return gzip.decompress((CASES / f"{host}.txt.gz").read_bytes())


def without_sum(data):
    return data[: data.rindex(b"\n@@")] + b"\n"


def write(space, name, data):
    (space.folder / name).write_bytes(data)
    return name


def later(data, old=b"T01:44:", new=b"T01:59:"):
    """The same host a quarter of an hour later, without a checksum."""
    head, _, rest = without_sum(data).partition(b"\n")
    assert old in head
    return head.replace(old, new) + b"\n" + rest


def test_an_import_gives_the_rows_of_a_visit(space):
    """The same bytes, once as what came over SSH and once as a file."""
    output = without_sum(real("hist"))
    nonce = collector.nonce_of(output)
    transcript = collector.read(output, nonce, registry.PROBES)
    outcome, detail = discovery.ended(transcript, registry.PROBES)
    visited = discovery.Result("visited", "192.0.2.9", outcome, detail, 2.0, output, transcript, tuple(registry.parse(transcript.sections)))
    with space.book.session() as session:
        session.add(model.Host(name="visited", address="192.0.2.9"))
    discovery.store(space.book, visited, lambda: AT)
    row = space("import-transcript", write(space, "hist.txt", real("hist")), "--json")["files"][0]
    assert (row["host"], row["address"], row["outcome"]) == ("hist.campus.test", "198.51.100.11", outcome)
    with space.book.session() as session:
        one, two = (catalogue.host_by_name(session, name) for name in ("visited", "hist.campus.test"))
        rows = [[(r.section, r.kind, r.line, r.data) for r in catalogue.observations(session, host.id)] for host in (one, two)]
        assert rows[0] == rows[1]
        assert len(rows[0]) > 150
        left, right = transcripts.newest(session, one), transcripts.newest(session, two)
        assert (left.privilege, zlib.decompress(left.transcript)) == (right.privilege, zlib.decompress(right.transcript))
        assert right.taken_at.isoformat() == "2026-11-24T01:44:53+00:00"  # when the host wrote it, not when it was imported
        assert [{k: v for k, v in entry.items() if k != "source"} for entry in right.sections] == left.sections
        assert all(entry["source"].startswith("file hist.txt sha256 ") for entry in right.sections)
        assert "from the file hist.txt" in two.outcome_detail
        site = catalogue.workload_by_name(session, "www.hist.campus.test")
        assert site.facts["host.os_version"]["value"] == "11"
        snapshot, section, line = site.facts["host.os_version"]["evidence"][0]
        sections = {part.name: part.text for part in transcripts.stored(session.get_one(model.Snapshot, snapshot))[0].sections}
        assert sections[section].split("\n")[line - 1] == "@ file /etc/os-release"


def test_bad_files_stop_no_other(space):
    names = [write(space, "junk\x1b[31m.txt", b"\x1b]0;owned\x07" * 99), write(space, "phys.txt.gz", gzip.compress(real("phys"))), "none"]
    names.append(write(space, "forged.txt", real("hist").replace(b"wp_hist", b"wp_hixx")))
    said = space("import-transcript", *names, code=2)
    assert "phys.campus.test" in said
    assert "forged.txt:" in said
    assert r"junk\x1b[31m.txt:1: not an output" in said
    answer = space("import-transcript", *names, "--json", code=2)
    assert [row["outcome"] for row in answer["files"]] == ["known"]
    assert [row["line"] > 1 for row in answer["rejected"]] == [False, False, True]
    assert answer["sites"] == {"undeclared": 3}


def test_a_part_never_replaces_the_whole_and_an_older_one_not_a_newer(space):
    space("import-transcript", write(space, "new.txt", later(real("hist"))))
    assert space("import-transcript", write(space, "cut.txt", later(real("hist"))[:60_000]), "--json")["files"][0]["outcome"] == "known"
    answer = space("import-transcript", write(space, "old.txt", real("hist")), "--json", code=2)
    assert "older (2026-11-24 01:44 UTC)" in answer["rejected"][0]["reason"]
    with space.book.session() as session:
        assert session.scalar(select(func.count()).select_from(model.Snapshot)) == 1


def test_a_cut_file_is_partial(space):
    row = space("import-transcript", write(space, "cut.txt", real("hist")[:60_000]), "--json")["files"][0]
    assert row["outcome"] == "partial"
    assert "missing: " in row["detail"]
    assert "content" in row["detail"]
    assert "cut: apache" in row["detail"]


def hosts(space, *pairs):
    with space.book.session() as session:
        session.add_all(model.Host(name=name, address=address) for name, address in pairs)


MATCHES = {
    "by its address": ([("web-old", "198.51.100.11")], (), "web-old"),
    "by address and name": ([("hist.campus.test", "198.51.100.11"), ("phys", "198.51.100.12")], (), "hist.campus.test"),
    "as told": ([("hist", "203.0.113.5")], ("--host", "hist"), "hist"),
    "as told by address": ([("other", "203.0.113.5")], ("--host", "203.0.113.5"), "other"),
    "new as told": ([], ("--host", "museum=203.0.113.7"), "museum"),
    "new by name": ([], ("--host", "museum"), "museum"),
    "only the name is the same": ([("hist", "203.0.113.5")], (), "it could be hist \\(203.0.113.5\\)"),
    "two could be": ([("hist", "203.0.113.5"), ("b", "198.51.100.11")], (), "it could be b .*, hist"),
    "told at odds": ([("hist", "203.0.113.5")], ("--host", "hist=203.0.113.6"), "knows hist at 203.0.113.5"),
    "no address": ([], ("--host", "x=nonsense"), "is not the address"),
    "its own": ([], ("--host", "x=127.0.0.1"), "is not the address"),
}


@pytest.mark.parametrize("case", MATCHES)
def test_whose_it_is(space, case):
    known, words, expected = MATCHES[case]
    hosts(space, *known)
    write(space, "f.txt", real("hist"))
    if " " not in expected:
        assert space("import-transcript", "f.txt", *words, "--json")["files"][0]["host"] == expected
        return
    answer = space("import-transcript", "f.txt", *words, "--json", code=2)
    assert re.search(expected, answer["rejected"][0]["reason"])
    assert "--host" in answer["rejected"][0]["hint"]
    with space.book.session() as session:
        assert session.scalar(select(func.count()).select_from(model.Host)) == len(known)


def test_one_file_for_one_told_host(space):
    with pytest.raises(InputError, match="whose one file"):
        space("import-transcript", "a", "b", "--host", "x")


def test_reparse(space, monkeypatch):
    space("import-transcript", write(space, "hist.txt", real("hist")), write(space, "phys.txt", real("phys")))
    answer = space("reparse", "--json")
    assert (answer["changes"], answer["hosts"], answer["left"], answer["stored"]) == ([], 2, {}, True)
    with space.book.session() as session:
        for host in session.scalars(select(model.Host)):  # as an older parser would have left it
            old = [
                (o.section, Observation(o.kind, dict(o.data), o.line)) for o in catalogue.observations(session, host.id) if o.kind != "cron"
            ]
            for _, item in old:
                if item.kind == "os":
                    item.data["version"] = "10"
            storing.replace_observations(session, transcripts.newest(session, host), old, (), "root")
        reconcile.update(session, AT)
    tried = space("reparse", "--dry-run", "--json")
    assert tried == {**space("reparse", "--dry-run", "--json")}
    assert {"hist.campus.test", "phys.campus.test"} == {row["host"] for row in tried["changes"]}
    changed = {(row["site"], row["what"], row["before"], row["after"]) for row in tried["changes"] if row["change"] == "changed"}
    assert ("", "os", "10", "11") in changed
    assert ("www.hist.campus.test", "host.os_version", "10", "11") in changed
    assert tried["counts"]["added"] > 10
    assert space("reparse", "hist.campus.test", "--json")["changes"] == [
        row for row in tried["changes"] if row["host"] == "hist.campus.test"
    ]
    assert {row["host"] for row in space("reparse", "--json")["changes"]} == {"phys.campus.test"}
    assert space("reparse", "--json")["changes"] == []
    with pytest.raises(NotFound):
        space("reparse", "nobody")


def everything(session):
    return [catalogue.observations(session, host) for host in session.scalars(select(model.Host.id).order_by(model.Host.id))]


def test_a_transcript_that_no_longer_parses_is_left_as_it_was(space):
    space("import-transcript", write(space, "hist.txt", real("hist")), write(space, "phys.txt", real("phys")))
    with space.book.session() as session:
        broken, garbage = (transcripts.newest(session, catalogue.host_by_name(session, f"{name}.campus.test")) for name in ("hist", "phys"))
        broken.transcript, garbage.transcript = b"not zlib", zlib.compress(b"\xff" * 999)
        before = everything(session)
    answer = space("reparse", "--json")
    assert set(answer["left"]) == {"hist.campus.test", "phys.campus.test"}
    assert answer["changes"] == []
    with space.book.session() as session:
        assert everything(session) == before
    assert "left as it was: hist.campus.test: the stored transcript is damaged" in space("reparse")


def test_a_section_that_a_newer_parser_cannot_read_keeps_its_facts(space, monkeypatch):
    space("import-transcript", write(space, "phys.txt", real("phys")))
    deaf = tuple(replace(probe, parse=lambda section: []) if probe.name == "mariadb" else probe for probe in registry.PROBES)
    monkeypatch.setattr(registry, "PROBES", deaf)
    answer = space("reparse", "--json")
    assert answer["changes"] == []
    assert "mariadb" in answer["left"]["phys.campus.test"]
    with space.book.session() as session:
        assert catalogue.observations(session, catalogue.host_by_name(session, "phys.campus.test").id, "database")


def test_a_clock_that_is_ahead_is_said_and_not_believed(space):
    row = space("import-transcript", write(space, "f.txt", later(real("phys"), b"2026-11-24T", b"2036-11-24T")), "--json")["files"][0]
    assert row["taken_at"] == str(NOW)
    assert "its clock is wrong" in row["detail"]


def test_changes(space):
    first = real("phys")
    second = later(first).replace(b"8.2", b"8.3")
    for name in (str, lambda text: text.encode().hex(), lambda text: text.encode().hex().upper()):
        second = second.replace(name("physevents").encode(), name("physarchive").encode())
    third = later(first, new=b"T02:30:").replace(b"T01:44:", b"T02:30:").partition(b"begin mariadb")[0].rpartition(b"\n")[0] + b"\n"
    space("import-transcript", write(space, "1.txt", first), write(space, "2.txt", second), code=0)
    rows = space("changes", "--json")["changes"]
    told = {(row["site"], row["what"], row["key"], row["change"]) for row in rows}
    assert ("", "database", "mariadb:/run/mysqld/mysqld.sock physevents", "removed") in told
    assert ("", "database", "mariadb:/run/mysqld/mysqld.sock physarchive", "added") in told
    php = next(row for row in rows if row["what"] == "site.php_version")
    assert (php["site"], php["before"], php["after"]) == ("events.phys.campus.test", "8.2", "8.3")
    assert not {"process", "load", "connection"} & {row["what"] for row in rows}
    assert rows == space("changes", "phys.campus.test", "--json")["changes"]
    only = space("changes", "events.phys.campus.test", "--json")["changes"]
    assert only == [row for row in rows if row["site"] == "events.phys.campus.test"] != []
    assert "database mariadb:/run/mysqld/mysqld.sock physevents" in space("changes")
    space("import-transcript", write(space, "3.txt", third))
    lost = {row["change"] for row in space("changes", "--json")["changes"] if row["what"] == "database"}
    assert lost == {"unread"}
    since = space("changes", "--since", "2026-11-24T01:50", "--json")["changes"]
    assert ("mariadb:/run/mysqld/mysqld.sock physevents", "unread") in {(row["key"], row["change"]) for row in since}
    assert "nothing is kept from 2020" in space("changes", "--since", "2020-01-01")
    for bad in ("yesterday", "99999w1", "999999w"):
        with pytest.raises(InputError):
            space("changes", "--since", bad)
    with pytest.raises(NotFound):
        space("changes", "nobody")


def test_changes_of_what_was_read_once_or_never(space):
    hosts(space, ("idle", "192.0.2.7"))
    space("import-transcript", write(space, "phys.txt", real("phys")))
    answer = space("changes", "--json")
    assert answer["changes"] == []
    assert answer["notes"] == ["idle: never read", "phys.campus.test: read only once, 2026-11-24 01:44"]


def test_the_script_command(space):
    done = space("collector", "--output", "c.sh", "--send-to", "noc@x.edu")
    text = (space.folder / "c.sh").read_text()
    assert "noc@x.edu" in text
    assert collector.digest_of(text) in done
    assert subprocess.run(["sh", "-n", "c.sh"], check=False).returncode == 0
    assert collector.nonce_of(text.encode()) == ""
    assert space("collector") != space("collector")  # each with a nonce of its own
    with pytest.raises(InputError):
        space("collector", "--output", space.folder / "no" / "c.sh")


def test_a_discovery_at_the_same_time_is_waited_for(space):
    with workspace.find().lock("discovery"), pytest.raises(Busy):
        space("import-transcript", "x")


def test_comparing_a_reading_with_itself(space):
    space("import-transcript", write(space, "phys.txt", real("phys")))
    with space.book.session() as session:
        snapshot = transcripts.newest(session, catalogue.host_by_name(session, "phys.campus.test"))
        reading = changes.Reading.of(*transcripts.stored(snapshot), snapshot.id)
    assert changes.compare("phys.campus.test", reading, reading) == []
