"""Sections that did not change are taken over: what stands in the catalogue is what parsing everything would have put there."""

import gzip
import itertools
import random
import re
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from inventory import catalogue, collector, discovery, model, packing, ssh, storing, transcripts, unchanged
from inventory.probes import registry

CASES = Path(__file__).parents[1] / "cases" / "transcripts"
AT = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
PEER = ssh.Peer("192.0.2.1", (ssh.Login("root"),), {})
HOSTS = sorted(path.name.removesuffix(".txt.gz") for path in CASES.glob("*.txt.gz"))


def output_of(host):
    data = gzip.decompress((CASES / f"{host}.txt.gz").read_bytes())
    return data[: data.rindex(b"\n@@")] + b"\n"


REAL = {host: output_of(host) for host in HOSTS}


def read(name, output, earlier=None):
    return discovery.read(name, PEER, ssh.Visit("ok", "", output, 1.0), collector.nonce_of(output), registry.PROBES, earlier)


def known(book, at=AT):
    with book.session() as session:
        return unchanged.earlier(session, list(session.scalars(select(model.Host.id))), at)


def store(book, name, output, at=AT, earlier=None):
    """A visit of a host; `earlier` as it was known when the discovery began."""
    made = read(name, output, earlier)
    visit = discovery.as_visit(made, at)
    assert not visit.detail.startswith("internal")
    with book.session() as session:
        storing.write(session, [visit])
    return made, visit


def add(book, *names):
    with book.session() as session:
        session.add_all(model.Host(name=name, address=name) for name in names)


def stands(book, name):
    """All that the catalogue holds of a host, but times of sections."""
    with book.session() as session:
        host = catalogue.host_by_name(session, name)
        rows = [(row.section, row.kind, row.line, row.data) for row in catalogue.observations(session, host.id)]
        newest = transcripts.newest(session, host)
        assert {row.snapshot_id for row in catalogue.observations(session, host.id)} <= {newest.id}
        count = session.scalar(select(func.count()).select_from(model.Snapshot).where(model.Snapshot.host_id == host.id))
        return (
            rows,
            host.digest,
            host.outcome,
            host.outcome_detail,
            newest.sections,
            zlib.decompress(newest.transcript),
            newest.readings,
            count,
        )


def sections(output):
    """(head, [(name, whole text with its frames)], tail)."""
    nonce = re.escape(collector.nonce_of(output).encode())
    parts = re.split(rb"(?=\n@@%s begin )" % nonce, output)
    last, tail = re.match(rb"(?s)(.*\n@@%s end [^\n]*\n)(.*)" % nonce, parts[-1]).groups()
    return parts[0], [*parts[1:-1], last], tail


def disturbed(output, seed, acts):
    """The host's next visit: some sections differ, as whom some were read, one hangs, one is missing, their order is another."""
    made = random.Random(seed)
    head, parts, tail = sections(output)
    for act in acts:
        at = made.randrange(len(parts))
        lines = parts[at].split(b"\n")
        inner = range(3, len(lines) - 2)
        if act == "drop" and inner:
            del lines[made.choice(inner)]
        elif act == "twice" and inner:
            place = made.choice(inner)
            lines.insert(place, lines[place])
        elif act == "digit" and inner:
            place = made.choice(inner)
            lines[place] = re.sub(rb"\d", b"7", lines[place], count=1)
        elif act == "user":
            lines[-2] += b" user" if lines[-2].count(b" ") == 4 else b""
        elif act == "hung":
            lines[-2] = re.sub(rb"( end \S+) \S+", rb"\1 124", lines[-2])
        elif act == "slow":
            lines[-2] = re.sub(rb"( end \S+ \S+) \S+", rb"\1 77", lines[-2])
        parts[at] = b"\n".join(lines)
        if act == "gone" and len(parts) > 2:
            del parts[at]
        elif act == "order":
            made.shuffle(parts)
        elif act == "again":
            parts.append(parts[at])
    return head + b"".join(parts) + tail


NUMBERS = itertools.count()
ACTS = st.lists(st.sampled_from(["drop", "twice", "digit", "user", "hung", "slow", "gone", "order", "again"]), max_size=6)


@pytest.fixture(scope="module")
def kept_book(tmp_path_factory):
    opened = catalogue.open_catalogue(f"sqlite:///{tmp_path_factory.mktemp('book')}/catalogue.db")
    yield opened
    opened.close()


@given(st.sampled_from(HOSTS), st.integers(0, 10**6), st.lists(ACTS, min_size=1, max_size=3), st.booleans())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reading_what_changed_is_reading_all(kept_book, host, seed, visits, aged):
    """Visit after visit, beside a host that says the same and of which nothing is ever taken over."""
    number = next(NUMBERS)
    short, whole = f"short{number}", f"whole{number}"
    add(kept_book, short, whole)
    output, at = REAL[host], AT
    for step, acts in enumerate([[], *visits]):
        output = disturbed(output, seed + step, acts)
        store(kept_book, short, output, at, known(kept_book, at).get(short))
        store(kept_book, whole, output, at)
        assert stands(kept_book, short) == stands(kept_book, whole)
        at += timedelta(days=8) if aged else timedelta(hours=1)


def test_nothing_new_is_neither_parsed_nor_packed(book, monkeypatch):
    add(book, "h")
    store(book, "h", REAL["hist"])
    parsed = []
    real = registry.parse
    monkeypatch.setattr(registry, "parse", lambda parts, kept=(): parsed.append({s.name for s in parts} - set(kept)) or real(parts, kept))
    _, visit = store(book, "h", REAL["hist"], AT + timedelta(hours=1), known(book)["h"])
    assert parsed == [{"storage"} & {s.name for s in visit.sections}]
    assert (visit.packed.transcript, visit.packed.groups) == (b"", ())
    assert stands(book, "h")[-2:] == (2, 1)
    store(book, "h", REAL["hist"], AT + timedelta(days=8), known(book, AT + timedelta(days=8))["h"])  # once a week whole again
    assert stands(book, "h")[-2:] == (1, 2)


def test_one_section_that_changed(book):
    add(book, "h", "other")
    store(book, "h", REAL["hist"])
    changed = REAL["hist"].replace(b'VERSION_ID="11"', b'VERSION_ID="12"', 1)
    made, visit = store(book, "h", changed, AT + timedelta(hours=1), known(book)["h"])
    told = {section.name for section in made.transcript.sections}
    assert len(told - made.kept - discovery.AGAIN) == 1
    assert set(visit.packed.kept) == made.kept
    store(book, "other", changed, AT + timedelta(hours=1))
    assert stands(book, "h")[:2] == stands(book, "other")[:2]


@pytest.mark.parametrize("same", [True, False])
def test_another_reading_was_stored_meanwhile(book, same):
    """What a discovery knew when it began no longer stands: its own reading is parsed whole, and nothing of the other's is taken."""
    add(book, "h", "other")
    store(book, "h", REAL["hist"])
    before = known(book)["h"]
    store(book, "h", REAL["phys"], AT + timedelta(minutes=1))
    mine = REAL["hist"] if same else disturbed(REAL["hist"], 5, ["drop", "digit"])
    _, visit = store(book, "h", mine, AT + timedelta(minutes=2), before)
    assert bool(visit.packed.transcript) is not same
    store(book, "other", mine, AT + timedelta(minutes=2))
    rows, digest, *_ = stands(book, "h")
    assert (rows, digest) == stands(book, "other")[:2]


def test_two_visits_of_one_host_in_one_batch(book):
    add(book, "h", "other")
    store(book, "h", REAL["hist"])
    before = known(book)["h"]
    outputs = [disturbed(REAL["hist"], seed, ["digit", "drop"]) for seed in (1, 2)]
    with book.session() as session:
        made = [discovery.as_visit(read("h", output, before), AT + timedelta(minutes=at)) for at, output in enumerate(outputs, 1)]
        storing.write(session, made)
    store(book, "other", outputs[1])
    assert stands(book, "h")[:2] == stands(book, "other")[:2]
    assert stands(book, "h")[-1] == 3


def test_other_parsers_read_everything_anew(book, monkeypatch):
    add(book, "h")
    store(book, "h", REAL["hist"])
    monkeypatch.setattr(unchanged, "parsers", lambda: "newer")
    made = read("h", REAL["hist"], known(book)["h"])
    assert made.kept == frozenset()
    assert len(made.observations) == len(stands(book, "h")[0])


def test_what_was_parsed_again_is_not_taken_over(book):
    """`planner reparse` may keep an old parser's rows; the next visit does not trust them."""
    add(book, "h")
    store(book, "h", REAL["hist"])
    with book.session() as session:
        snapshot = transcripts.newest(session, catalogue.host_by_name(session, "h"))
        storing.replace_observations(session, snapshot, [], (), "root")
    assert known(book)["h"].marks == {}
    store(book, "h", REAL["hist"], AT + timedelta(hours=1), known(book)["h"])
    assert len(stands(book, "h")[0]) > 150


def test_a_damaged_snapshot_stops_no_writer(book):
    add(book, "h")
    store(book, "h", REAL["hist"])
    before = known(book)["h"]
    with book.session() as session:
        session.query(model.Snapshot).update({"transcript": b"junk"})
        host = catalogue.host_by_name(session, "h")
        host.digest = "other"
    visit = discovery.as_visit(read("h", REAL["hist"], before), AT)
    with storing.Writer(book) as writer:
        writer.add(visit)
    with book.session() as session:
        assert catalogue.host_by_name(session, "h").outcome == "protocol"


def test_marks_say_how_a_section_was_read():
    part = read("h", REAL["hist"]).transcript.sections[0]
    mark = unchanged.marks([part])[part.name]
    assert unchanged.marks([replace(part, seconds=99.0)])[part.name] == mark
    for other in ({"text": part.text + " "}, {"status": 1}, {"privilege": "stale"}):
        assert unchanged.marks([replace(part, **other)])[part.name] != mark
    for odd in ([replace(part, status=None)], [replace(part, status=124)], [replace(part, truncated=True)], [part, part]):
        assert unchanged.marks(odd) == {}
    assert unchanged.marks([replace(part, text="\udc80\ud800")])
    earlier = packing.Earlier(1, "", True, {part.name: (mark, "")})
    assert unchanged.same({part.name: mark}, earlier) == {part.name}
    assert unchanged.same({part.name: mark}, None) == frozenset()
