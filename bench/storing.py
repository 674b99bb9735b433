"""What it costs to read, store, identify and list many hosts, and how that grows: CPU time for each host, beside a peer in the same run.

    python bench/storing.py --quick            under a minute: 100 and 300 hosts
    python bench/storing.py                    100 to 10,000 hosts, some minutes
    python bench/storing.py --svg growth.svg   also as a picture; --json for programs

Transcripts are those of `transcript.py` (ten sites, 40 listeners, 300 packages each).  Each host is read three times: for the first
time, again when nothing happened but what always does, and again when its logs, tables and contents' clock have moved.  CPU time of this
process is measured, not time on the wall, which other programs on the machine would change; times of `planner sites` are of a whole
process, on the wall.  The peer stores what the same visits brought the plain way: one row for each observation, by SQLAlchemy's ORM, a
transaction for a hundred hosts.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

import transcript
from sqlalchemy import JSON, ForeignKey, LargeBinary, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from inventory import catalogue, collector, discovery, model, packing, reconcile, ssh, storing, unchanged
from inventory.probes import registry
from inventory.probes.base import Observation, blocks

AT = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
PEER_HOSTS = 100
UNIT = transcript.UNITS[0]
LOGINS = (ssh.Login("root"),)
KINDS = {"first": {}, "idle": {}, "live": {"live": True}}
"""A host that was never read; one on which nothing happened since; one that is in use."""
STEPS = ("ask", "parse", "pack", "store")


class Base(DeclarativeBase):
    """The peer's tables."""

    type_annotation_map = {dict[str, Any]: JSON}  # noqa: RUF012


class Reading(Base):
    """A visit."""

    __tablename__ = "reading"
    id: Mapped[int] = mapped_column(primary_key=True)
    host: Mapped[str]
    transcript: Mapped[bytes] = mapped_column(LargeBinary)


class Row(Base):
    """An observation."""

    __tablename__ = "row"
    id: Mapped[int] = mapped_column(primary_key=True)
    reading_id: Mapped[int] = mapped_column(ForeignKey("reading.id"), index=True)
    kind: Mapped[str]
    section: Mapped[str]
    line: Mapped[int]
    data: Mapped[dict[str, Any]]


@dataclass
class Meter:
    """CPU seconds by what they went into."""

    spent: dict[str, float] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)

    def run(self, name: str, count: int, work: Callable[[], Any]) -> Any:
        """Do some work, and book it."""
        begun = process_time()
        made = work()
        self.spent[name] = self.spent.get(name, 0.0) + process_time() - begun
        self.done[name] = self.done.get(name, 0) + count
        return made

    def ms(self, name: str) -> float:
        """Milliseconds for one host."""
        return 1000 * self.spent[name] / max(1, self.done[name])


def parsed(output: bytes) -> tuple[collector.Transcript, tuple[tuple[str, Observation], ...]]:
    """Sections and observations; packages by a few lines of our own as long as no probe reads them."""
    read = collector.read(output, transcript.NONCE, registry.PROBES)
    found = registry.parse(read.sections)
    if "packages" not in {probe.name for probe in registry.PROBES}:
        text = next(section.text for section in read.sections if section.name == "packages")
        for block in blocks(text):
            for line, row in enumerate(block.lines, start=block.line + 1):
                name, version, arch, _ = row.split("\t")
                data = {"manager": "dpkg", "name": name, "version": version, "arch": arch, "state": "installed"}
                found.append(("packages", Observation("package", data, line)))
    return read, tuple(found)


def visits(meter: Meter, book: catalogue.Catalogue, hosts: Sequence[int], visit: int, kind: str, **how: bool) -> list[storing.Visit]:
    """What these hosts say, read and packed as a discovery does it; `kind` is what the figures are called by."""
    made = []
    at = AT + timedelta(days=visit)
    with book.session() as session:
        known = {
            name: key for key, name in session.execute(select(model.Host.id, model.Host.name).where(model.Host.snapshot_id.is_not(None)))
        }
        mine = [known[name] for name in map(transcript.name_of, hosts) if name in known]
        earlier = meter.run(f"{kind}: ask", len(hosts), lambda: unchanged.earlier(session, mine, at))
    for host in hosts:
        name, peer = transcript.name_of(host), ssh.Peer(transcript.address_of(host), LOGINS, {})
        seen = ssh.Visit("ok", "", transcript.transcript(host, visit, **how), 1.0)

        def read(name: str = name, peer: ssh.Peer = peer, seen: ssh.Visit = seen) -> discovery.Result:
            return discovery.read(name, peer, seen, transcript.NONCE, registry.PROBES, earlier.get(name))

        result = meter.run(f"{kind}: parse", 1, read)
        made.append(meter.run(f"{kind}: pack", 1, lambda result=result: discovery.as_visit(result, at)))
    return made


def store(book: catalogue.Catalogue, made: Sequence[storing.Visit]) -> None:
    """In the writer's batches, without its thread: so that what is measured is the storing."""
    for part in catalogue.chunks(made, storing.BATCH):
        with book.session() as session:
            storing.write(session, part)


def identify(book: catalogue.Catalogue) -> None:
    """Sites of all hosts that said something new."""
    with book.session() as session:
        reconcile.update(session, AT)


def peer(meter: Meter, folder: Path, hosts: int) -> None:
    """One row for each observation."""
    engine = create_engine(f"sqlite:///{folder}/peer.db")
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA journal_mode=WAL"))
    Base.metadata.create_all(engine)
    results = [parsed(transcript.transcript(host)) for host in range(hosts)]
    outputs = [transcript.transcript(host) for host in range(hosts)]

    def work() -> None:
        import zlib

        with Session(engine) as session:
            for number, ((_, found), output) in enumerate(zip(results, outputs, strict=True)):
                reading = Reading(host=transcript.name_of(number), transcript=zlib.compress(output, 6))
                session.add(reading)
                session.flush()
                session.add_all(
                    Row(reading_id=reading.id, kind=item.kind, section=section, line=item.line, data=packing.clean(item.data))
                    for section, item in found
                )
            session.commit()

    meter.run("peer", hosts, work)
    engine.dispose()


def planner(folder: Path, *words: str) -> tuple[float, int]:
    """Seconds of a whole command, and the bytes that it printed; the better of two."""
    best, size = 1e9, 0
    for _ in range(2):
        begun = perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "planner", *words], cwd=folder, capture_output=True, check=True, env={"PYTHONPATH": str(ROOT)}
        )
        best, size = min(best, perf_counter() - begun), len(done.stdout)
    return best, size


def grow(sizes: Sequence[int]) -> tuple[list[dict[str, Any]], Meter]:
    """A catalogue that grows to each size in turn; what one more host cost on the way there, and what lists cost then."""
    rows = []
    total = Meter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peer(total, folder, min(PEER_HOSTS, sizes[0]))
        (folder / "planner.yml").write_text("catalogue: catalogue.db\n")
        book = catalogue.open_catalogue(f"sqlite:///{folder}/catalogue.db")
        have = 0
        for size in sizes:
            meter = Meter()
            new = range(have, size)
            with book.session() as session:
                session.add_all(model.Host(name=transcript.name_of(host), address=transcript.address_of(host)) for host in new)
            for part in catalogue.chunks(new, 200):
                for visit, (kind, how) in enumerate(KINDS.items()):
                    made = visits(meter, book, part, visit, kind, **how)
                    meter.run(f"{kind}: store", len(part), lambda made=made: store(book, made))
            meter.run("identify", len(new), lambda: identify(book))
            meter.run("identify nothing new", 1, lambda: identify(book))
            with book.session() as session:
                found = meter.run(
                    "who has a package",
                    1,
                    lambda session=session: catalogue.hosts_with(session, "package", name=transcript.package_names()[0][0]),
                )
            have = size
            every, printed = planner(folder, "sites", "--json")
            some, _ = planner(folder, "sites", "--limit", "50", "--sort", "-bytes")
            row = {"hosts": size}
            for kind in KINDS:
                own = {step: meter.ms(f"{kind}: {step}") for step in STEPS}
                row |= {kind: round(sum(own.values()), 2), f"{kind}: {', '.join(STEPS)}": " ".join(f"{ms:.2f}" for ms in own.values())}
            row |= {name: round(meter.ms(name), 2) for name in meter.spent if ":" not in name} | {"hosts with it": len(found)}
            row |= {"sites --json, s": round(every, 2), "bytes": printed, "sites --limit 50, s": round(some, 2)}
            row["catalogue, KB a host"] = round(sum(path.stat().st_size for path in folder.glob("catalogue.db*")) / size / 1000, 1)
            rows.append(row)
            print(json.dumps(row), file=sys.stderr)
            for key in meter.spent:
                total.spent[key] = total.spent.get(key, 0.0) + meter.spent[key]
                total.done[key] = total.done.get(key, 0) + meter.done[key]
        book.close()
    return rows, total


LINES = (("first", "#06c"), ("live", "#2a7"), ("idle", "#93c"), ("identify", "#c60"))


def svg(rows: Sequence[dict[str, Any]]) -> str:
    """CPU milliseconds for one more host, by how many there are; the hosts on a logarithmic scale."""
    from math import log10

    most = max(row[name] for row in rows for name, _ in LINES) * 1.1
    low, high = log10(rows[0]["hosts"]), log10(max(rows[-1]["hosts"], rows[0]["hosts"] * 10))

    def place(row: dict[str, Any], name: str) -> str:
        return f"{70 + 480 * (log10(row['hosts']) - low) / (high - low):.0f},{320 - 280 * row[name] / most:.0f}"

    parts = ['<svg xmlns="http://www.w3.org/2000/svg" width="720" height="370" font-family="sans-serif" font-size="12">']
    parts += ['<text x="70" y="24">CPU ms for one host</text><path d="M70 40V320H550" fill="none" stroke="#999"/>']
    for step in range(5):
        y = 320 - 70 * step
        parts.append(f'<text x="62" y="{y + 4}" text-anchor="end">{most * step / 4:.1f}</text><path d="M70 {y}H550" stroke="#ddd"/>')
    for row in rows:
        x = place(row, LINES[0][0]).partition(",")[0]
        parts.append(f'<text x="{x}" y="340" text-anchor="middle">{row["hosts"]:,}</text>')
    for number, (name, color) in enumerate(LINES):
        parts.append(f'<polyline points="{" ".join(place(row, name) for row in rows)}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts.append(f'<text x="565" y="{60 + 20 * number}" fill="{color}">{name}</text>')
    return "\n".join([*parts, '<text x="310" y="360" text-anchor="middle">hosts in the catalogue</text>', "</svg>"]) + "\n"


def main() -> None:
    """Measure, and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="100 and 300 hosts")
    options.add_argument("--sizes", help="numbers of hosts, with commas between")
    options.add_argument("--json", action="store_true")
    options.add_argument("--svg", type=Path)
    asked = options.parse_args()
    sizes = [int(word) for word in asked.sizes.split(",")] if asked.sizes else [100, 300] if asked.quick else [100, 300, 1000, 3000, 10_000]
    gc.freeze()
    rows, total = grow(sizes)
    if asked.svg:
        asked.svg.write_text(svg(rows))
    whole = {kind: sum(total.ms(f"{kind}: {step}") for step in STEPS) for kind in KINDS}
    summary = {name: round(ms, 2) for name, ms in whole.items()} | {name: round(total.ms(name), 2) for name in ("identify", "peer")}
    summary |= {f"first / {kind}": round(whole["first"] / whole[kind], 1) for kind in KINDS if kind != "first"}
    summary["peer / (pack + store)"] = round(total.ms("peer") / (total.ms("first: pack") + total.ms("first: store")), 1)
    if asked.json:
        print(json.dumps({"growth": rows, "summary": summary}, indent=2))
        return
    columns = list(rows[0])
    print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(f"{row[name]:,}" if isinstance(row[name], (int, float)) else row[name] for name in columns) + " |")
    print("\nCPU ms for each host, over all: " + ", ".join(f"{name} {value}" for name, value in summary.items()))


if __name__ == "__main__":
    main()
