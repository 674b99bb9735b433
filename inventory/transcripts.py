"""Transcripts that did not come over SSH just now: files of the stand-alone collector, and those the catalogue keeps, parsed again.

In: bytes of a file that somebody sent (or a stored transcript).  Out: the same `discovery.Result` as a visit's, the host that it
belongs to, or `Rejected` with line and reason; for stored ones, `Reparsed`.  A file is foreign text: nothing in it makes this raise
anything else, and nothing of it is believed beyond what a visit of that host would be.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import netaddr
from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, collector, discovery, model, storing
from inventory.errors import InputError
from inventory.probes import registry
from inventory.probes.base import Observation, Probe

MAX_BYTES = 64_000_000
"""The same as for a visit's output; also what a compressed file may unpack to."""
_ABOUT = re.compile(
    rb"^@@([0-9a-f]{24}) about 1 ([0-9A-Za-z.+-]{1,40}) ([0-9a-f]{64}) ([A-Za-z0-9._-]{1,200}) ([0-9TZ:-]{0,20})[ ]*$", re.M
)
_DEFAULT = ("default", "0.0.0.0", "0.0.0.0/0", "::/0")  # noqa: S104  (a route, not a listener)
_EMPTY = hashlib.sha256(b"").hexdigest()


Found = tuple[str, Observation]  # section, observation


class Rejected(InputError):
    """A file that is no whole output of the collector; `line` is where it stops being one."""

    def __init__(self, line: int, reason: str, *, hint: str = "") -> None:
        super().__init__(reason, hint=hint)
        self.line, self.reason = line, reason


@dataclass(frozen=True)
class File:
    """A file that was read: what its first frame says, the collector's output, and what to know about it."""

    name: str
    nonce: str
    version: str
    hostname: str
    at: datetime | None
    output: bytes
    transcript: collector.Transcript
    observations: tuple[tuple[str, Observation], ...]
    notes: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Of the collector's output, without what mail programs put around it."""
        return hashlib.sha256(self.output).hexdigest()


def load(path: Path) -> bytes:
    """The file's bytes, unpacked when it is gzip's.  Raises Rejected."""
    try:
        if not path.is_file():
            raise Rejected(1, "there is no such file" if not path.exists() else "not a regular file")
        with path.open("rb") as handle:
            data = handle.read(MAX_BYTES + 1)
    except OSError as error:
        raise Rejected(1, f"cannot be read: {error.strerror or error}") from error
    if data.startswith(b"\x1f\x8b"):
        data = unpack(data)
    if len(data) > MAX_BYTES:
        raise Rejected(1, f"larger than {MAX_BYTES} bytes: no host says that much")
    return data


def unpack(data: bytes) -> bytes:
    """gzip's members up to one byte over the cap; a file that ends early gives what is there.  Raises Rejected."""
    out = bytearray()
    while data.startswith(b"\x1f\x8b") and len(out) <= MAX_BYTES:
        member = zlib.decompressobj(31)
        try:
            out += member.decompress(data, MAX_BYTES + 1 - len(out))
        except zlib.error as error:
            raise Rejected(1, f"damaged gzip file: {error}", hint="send it again, as it is") from error
        data = member.unused_data
    return bytes(out)


def read(data: bytes, name: str, probes: Sequence[Probe] = registry.PROBES) -> File:
    """One output of the stand-alone collector.  Raises Rejected, and nothing else, whatever the bytes are."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # a Windows terminal's redirection
        data = data.decode("utf-16", "replace").encode("utf-8", "replace")
    first = _ABOUT.search(data)
    if first is None and b"\r\n" in data[:100_000]:
        data = data.replace(b"\r\n", b"\n")
        first = _ABOUT.search(data)
    if first is None:
        hint = "a unit's admin makes one with the script of `planner collector`: sh collect.sh > out.txt"
        raise Rejected(1, "not an output of the collector: its first frame is missing", hint=hint)
    nonce, version, digest, hostname, time = (group.decode("ascii") for group in first.groups())
    before = data.count(b"\n", 0, first.start())
    if again := _ABOUT.search(data, first.end()):
        raise Rejected(data.count(b"\n", 0, again.start()) + 1, "a second output begins here", hint="one file for each host")
    output, told = data[first.start() :], ""
    ending = list(re.finditer(rb"^@@%s sum ([0-9a-f]{64})?[ \r]*$" % nonce.encode(), output, re.M))
    notes: list[str] = []
    if ending:
        told = (ending[-1].group(1) or b"").decode("ascii")
        covered = output[: max(0, ending[-1].start() - 1)]
        if told in {"", _EMPTY}:
            notes.append("the host has no program for checksums: changes on the way cannot be seen")
        elif hashlib.sha256(covered).hexdigest() != told:
            output = output.replace(b"\r\n", b"\n")
            covered = output[: max(0, output.rfind(b"\n@@%s sum " % nonce.encode()))]
            if hashlib.sha256(covered).hexdigest() != told:
                at = before + 1 + data[first.start() :].count(b"\n", 0, ending[-1].start())
                raise Rejected(at, "the text was changed after the collector wrote it: the checksum differs", hint="send the file gzipped")
        output = covered + b"\n"
    else:
        notes.append("the end is missing")
        output = output[: output.rfind(b"\n") + 1]  # where it was cut, half a frame may stand
    _check_frames(output, nonce, before)
    transcript = collector.read(output, nonce, probes)
    if not transcript.privilege:
        raise Rejected(before + 1, "the frame that says as whom it ran is missing")
    try:
        found = tuple(registry.parse(transcript.sections))
    except Exception as error:  # a parser's defect on one file must not lose the others
        raise Rejected(before + 1, f"internal: {type(error).__name__}: {error}") from error
    if digest != collector.digest_of(collector.stand_alone(probes, nonce, version)):
        notes.append(f"made by a collector that is not this version's ({version})")
    return File(name, nonce, version, hostname, _time(time), output, transcript, found, tuple(notes))


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


_FRAME = {
    "start": rb"(root|user) ?[!-~]{0,40}",
    "begin": rb"[a-z0-9_-]{1,32}",
    "end": rb"[a-z0-9_-]{1,32} (none|[0-9]{1,4}) -?[0-9]{1,9}( (root|user|helper|stale))?",
    "finish": rb"",
}


def _check_frames(output: bytes, nonce: str, before: int) -> None:
    """about, start, then begin and end in turn, finish.  A visit's reader is lenient, since it knows whom it talks to; this is not."""
    inside, names, state, line, position = b"", set(), "about", before + 1, 0
    for match in re.finditer(rb"^@@%s (.*)$" % nonce.encode(), output, re.M):
        line += output.count(b"\n", position, match.start())
        position = match.start()
        start, _, rest = match.group(1)[:300].rstrip().partition(b" ")
        word = start.decode("ascii", "replace")
        if word == "about" and match.start() == 0:
            continue
        if word not in _FRAME or not re.fullmatch(_FRAME[word], rest):
            raise Rejected(line, "this frame is not one that the collector writes")
        if state == "finish" or (word == "start") != (state == "about"):
            raise Rejected(line, f"the frame {word!r} is out of its place")
        name = rest.split(b" ")[0]
        if word == "begin" and (inside or name in names):
            raise Rejected(line, "a section begins twice, or inside another")
        if (word == "end" and name != inside) or (word == "finish" and inside):
            raise Rejected(line, "a section ends that did not begin")
        inside = name if word == "begin" else b""
        names.add(name)
        state = word


def result(file: File, host: model.Host, now: datetime) -> discovery.Result:
    """What a visit would have brought; the detail says that it came from a file."""
    outcome, detail = discovery.ended(file.transcript, registry.PROBES)
    at = file.at if file.at is not None and datetime(2015, 1, 1, tzinfo=UTC) < file.at <= now + timedelta(minutes=5) else None
    notes = [f"from the file {file.name}", *([] if at else ["its clock is wrong: the time is that of the import"]), *file.notes]
    seconds = sum(section.seconds for section in file.transcript.sections)
    return discovery.Result(
        host.name, host.address, outcome, "; ".join([*([detail] if detail else []), *notes]), seconds, file.output, file.transcript,
        file.observations, f"file {file.name} sha256 {file.sha256}", at or now,
    )  # fmt: skip


def standing(session: Session, host: model.Host, made: discovery.Result) -> str:
    """'' when the result is news; 'same' when this very output, or more of it, is stored already.

    Raises Rejected when something newer is stored.
    """
    for snapshot in session.scalars(_snapshots(host.id).limit(5)):
        from_file = any(entry.get("source") for entry in snapshot.sections)
        # also when only the beginning of it was sent this time: less must not replace more
        if from_file and zlib.decompress(snapshot.transcript).startswith(made.output.rstrip(b"\n")):
            return "same"
    last = newest(session, host)
    known = max(last.taken_at, last.seen_at or last.taken_at) if last is not None else None
    if known is not None and made.at is not None and known > made.at:
        raise Rejected(
            1, f"older ({made.at:%Y-%m-%d %H:%M} UTC) than what is known of {host.name} ({known:%Y-%m-%d %H:%M} UTC)",
            hint="run the collector again; if the host's clock is wrong, correct it first",
        )  # fmt: skip
    return ""


def _snapshots(host_id: int) -> Any:
    return (
        select(model.Snapshot).where(model.Snapshot.host_id == host_id).order_by(model.Snapshot.taken_at.desc(), model.Snapshot.id.desc())
    )


def newest(session: Session, host: model.Host) -> model.Snapshot | None:
    """A host's newest snapshot."""
    found: model.Snapshot | None = session.scalar(_snapshots(host.id).limit(1))
    return found


def earlier(session: Session, new: model.Snapshot, moment: datetime | None) -> model.Snapshot | None:
    """The snapshot before `new`, or the one that was the newest at `moment`; when none is that old, the oldest.

    It is `new` itself when a later visit said the same, or when it was the newest then.
    """
    if new.seen_at is not None and (moment is None or moment >= new.taken_at):
        return new
    query = _snapshots(new.host_id).where(model.Snapshot.id != new.id, model.Snapshot.taken_at <= new.taken_at)
    found: model.Snapshot | None = session.scalar((query.where(model.Snapshot.taken_at <= moment) if moment else query).limit(1))
    if found is None and moment:
        found = session.scalar(query.order_by(None).order_by(model.Snapshot.taken_at, model.Snapshot.id).limit(1))
    return found


# ---------------------------------------------------------------- whose it is


@dataclass(frozen=True)
class _Identity:
    names: tuple[str, ...]
    addresses: tuple[str, ...]
    main: tuple[str, ...]
    machine_id: str


def _identity(file: File) -> _Identity:
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for _, item in file.observations:
        by_kind.setdefault(item.kind, []).append(item.data)
    machine = next(iter(by_kind.get("machine", [])), {})
    names = [str(machine.get(key) or "").lower() for key in ("fqdn", "hostname")] + [file.hostname.lower()]
    names = [name for name in names if re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", name)]
    names = [name for name in dict.fromkeys(names) if name not in {"none", "localhost", "localhost.localdomain"}]
    addresses = [(str(data.get("interface")), text) for data in by_kind.get("address", []) if (text := _global(data.get("address")))]
    routes = by_kind.get("route", [])
    ways = {str(data.get("interface")) for data in routes if str(data.get("destination")) in _DEFAULT}
    on_way = [text for interface, text in addresses if interface in ways] or [text for _, text in addresses]
    main = [text for text in on_way if ":" not in text] or on_way
    return _Identity(tuple(names), tuple(text for _, text in addresses), tuple(dict.fromkeys(main)), str(machine.get("machine_id") or ""))


def _global(address: Any) -> str:
    try:
        value = netaddr.IPAddress(str(address))
    except (netaddr.AddrFormatError, ValueError):
        return ""
    return "" if value.is_loopback() or value.is_link_local() or value.is_multicast() or not int(value) else str(value)


def host_for(session: Session, file: File, asked: str = "") -> model.Host:
    """The host that a file is from: as asked (`NAME=ADDRESS` or `NAME`), else by addresses, name and machine id; made when it is new.

    Raises Rejected when two hosts could be meant, or none can be made, with what to do.
    """
    seen = _identity(file)
    name, _, address = asked.partition("=")
    if address and not _global(address):
        raise Rejected(1, f"{address!r} is not the address of a host", hint="--host NAME=ADDRESS")
    hosts = list(session.scalars(select(model.Host).order_by(model.Host.name)))
    if asked:
        named = [host for host in hosts if name in (host.name, host.address)]
        if not named and address:
            named = [host for host in hosts if host.address == address]
        if named and address and (named[0].address != address or named[0].name != name):
            raise Rejected(
                1,
                f"the catalogue knows {named[0].name} at {named[0].address}",
                hint=f"say --host {named[0].name}, or another name and address",
            )
        return named[0] if named else _new(session, name, address, seen)
    by_address = [host for host in hosts if host.address in seen.addresses]
    by_name = [host for host in hosts if host.name.lower() in seen.names]
    machines = _machines(session, [*by_address, *by_name])
    same = [host for host in by_name if seen.machine_id and machines.get(host.id) == seen.machine_id]
    chosen = {host.id: host for host in (*by_address, *same)}
    if not chosen and by_name and not seen.addresses:
        chosen = {host.id: host for host in by_name}
    others = [host for host in by_name if host.id not in chosen]
    if len(chosen) == 1 and not others:
        host = next(iter(chosen.values()))
        known = machines.get(host.id)
        if not (known and seen.machine_id and known != seen.machine_id and host not in by_name):
            return host
        raise Rejected(
            1, f"{host.name} has this address, {host.address}, but another name and machine id: two machines with one private address?",
            hint=f"if it is {host.name}: --host {host.name}; if not: --host NAME=ADDRESS with the address that others see",
        )  # fmt: skip
    if chosen or others:
        could = ", ".join(f"{host.name} ({host.address})" for host in {h.id: h for h in (*chosen.values(), *others)}.values())
        own = ", ".join(seen.addresses[:6]) or "none"
        raise Rejected(
            1, f"calls itself {seen.names[0] if seen.names else '?'} with the addresses {own}; it could be {could}",
            hint="say which: --host NAME of the catalogue, or --host NAME=ADDRESS for a new host",
        )  # fmt: skip
    return _new(session, seen.names[0] if seen.names else "", "", seen)


def _machines(session: Session, hosts: Sequence[model.Host]) -> dict[int, str]:
    rows = (row for host in hosts for row in catalogue.observations(session, host.id, "machine"))
    return {row.host_id: str(row.data.get("machine_id") or "") for row in rows}


def _new(session: Session, name: str, address: str, seen: _Identity) -> model.Host:
    if not name or (not address and len(seen.main) != 1):
        told = f"its addresses are {', '.join(seen.addresses[:6]) or 'unknown'}" if name else "it does not say its name"
        raise Rejected(1, f"the host is new, and {told}", hint=f"--host {name or 'NAME'}=ADDRESS")
    address = address or seen.main[0]
    taken = session.scalar(select(model.Host).where(model.Host.address == address))
    if taken is not None:
        raise Rejected(1, f"the address {address} belongs to {taken.name}", hint=f"--host {taken.name}, or --host {name}=ADDRESS")
    host = model.Host(name=name[:255], address=address)
    session.add(host)
    session.flush()
    return host


# ---------------------------------------------------------------- stored ones


class Unreadable(Exception):
    """A stored transcript that can no longer be read; the text says why."""


def stored(snapshot: model.Snapshot) -> tuple[collector.Transcript, list[tuple[str, Observation]]]:
    """A snapshot's transcript, parsed as today's parsers do.  Raises Unreadable."""
    try:
        output = zlib.decompress(snapshot.transcript)
    except zlib.error as error:
        raise Unreadable(f"the stored transcript is damaged: {error}") from error
    nonce = collector.nonce_of(output)
    try:
        transcript = collector.read(output, nonce, registry.PROBES)
        found = registry.parse(transcript.sections)
    except Exception as error:  # a parser's defect: what was read before stays as it is
        raise Unreadable(f"{type(error).__name__}: {error}") from error
    lost = {str(entry.get("name")) for entry in snapshot.sections} - {section.name for section in transcript.sections}
    if not nonce or not transcript.sections:
        raise Unreadable("its frames are not found")
    if lost:
        raise Unreadable(f"its sections are not found: {', '.join(sorted(lost))}")
    return transcript, found


def reparse(session: Session, hosts: Sequence[model.Host]) -> Iterator[tuple[model.Host, str]]:
    """Parse each host's newest transcript again and replace its observations; (host, '' or what was left as it was, and why)."""
    for host in hosts:
        snapshot = newest(session, host)
        if snapshot is None:
            continue
        try:
            transcript, found = stored(snapshot)
        except Unreadable as error:
            yield host, str(error)
            continue
        old = [(row.section, Observation(row.kind, row.data, row.line)) for row in catalogue.observations(session, host.id)]
        found, lost = _kept(old, [(section, replace(item, data=catalogue.clean(item.data))) for section, item in found])
        if found != old:
            storing.replace_observations(session, snapshot, found, transcript.sections, transcript.privilege)
        yield host, f"sections that today's parsers find nothing in: {', '.join(lost)}" if lost else ""


def _kept(old: list[Found], new: list[Found]) -> tuple[list[Found], list[str]]:
    """The new ones, but the old ones of a section in which a parser of a newer format finds nothing any more; those sections."""
    told = {section for section, item in new if item.kind != "unknown"}
    lost = list(dict.fromkeys(section for section, item in old if item.kind != "unknown" and section not in told))
    return [*(row for row in new if row[0] not in lost), *(row for row in old if row[0] in lost)], lost
