"""Discovery: visit hosts side by side, and store how each visit ended as soon as it does.

In: hosts (name, address), a login, trusted keys, probes.  Out: one `Result` per host, in the order in which they finish.  A host
that is off, refuses, hangs or floods is a result like any other.  Only the calling thread writes to the catalogue.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, collector, garbage, model, packing, ssh, storing, unchanged
from inventory.probes import registry
from inventory.probes.base import Observation, Probe
from inventory.processes import spread

Value = TypeVar("Value")


@dataclass(frozen=True)
class Result:
    """How one host's visit ended; `observations` are (section, observation).

    `way` is how we came in (see `way_in`).  `packed` (see `pack`) stands for output and observations, which are then empty.  `source` and
    `at` are for what was read from a file instead of over SSH: which file, and when its host wrote it.  `marks` are the sections' (see
    `unchanged`); those of `kept` said what they had said in `earlier`, and have no observations here.
    """

    host: str
    address: str
    outcome: str
    detail: str
    seconds: float
    output: bytes = b""
    transcript: collector.Transcript | None = None
    observations: tuple[tuple[str, Observation], ...] = ()
    source: str = ""
    at: datetime | None = None
    way: Mapping[str, Any] = field(default_factory=dict)
    packed: packing.Packed | None = None
    marks: Mapping[str, str] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()
    earlier: packing.Earlier | None = None


AGAIN = frozenset({"storage"})
"""Sections that are parsed at every visit: the visit's own detail speaks of what they say (`left_out`)."""


def visit(
    name: str,
    peer: ssh.Peer,
    probes: Sequence[Probe] = registry.PROBES,
    *,
    deadlines: ssh.Deadlines = ssh.Deadlines(),  # noqa: B008  (frozen)
    nonce: str | None = None,
) -> Result:
    """One host: one connection, one script, all sections parsed."""
    nonce = nonce or secrets.token_hex(12)
    stdin = collector.script(probes, nonce).encode()
    return read(name, peer, ssh.visit(peer, collector.COMMAND, stdin, deadlines=deadlines), nonce, probes)


def read(
    name: str,
    peer: ssh.Peer,
    seen: ssh.Visit,
    nonce: str,
    probes: Sequence[Probe] = registry.PROBES,
    earlier: packing.Earlier | None = None,
) -> Result:
    """What a visit brought, parsed, as far as it is not what it brought `earlier`."""
    way = way_in(peer, seen)
    if seen.outcome not in {"ok", "partial", "timeout", "sudo"} or (seen.outcome != "ok" and not seen.output):
        return Result(name, peer.address, seen.outcome, seen.detail, seen.seconds, way=way)
    transcript = collector.read(seen.output, nonce, probes)
    outcome, detail = seen.outcome, seen.detail
    if not transcript.privilege:
        outcome, why = unshelled(seen)
        return Result(name, peer.address, outcome, "; ".join(filter(None, (detail, why))), seen.seconds, way=way)
    marks = unchanged.marks(transcript.sections)
    kept = unchanged.same(marks, earlier) - AGAIN
    found = tuple(registry.parse(transcript.sections, kept))
    if outcome in {"ok", "timeout"}:
        outcome, detail = ended(transcript, probes, outcome, detail)
    elif outcome == "sudo" and (left := ended(transcript, probes)[1]) != detail:
        detail = f"{detail}; {left}"
    detail = "; ".join(filter(None, (detail, way_shown(peer, way), left_out(found))))
    output = collector.trimmed(seen.output, nonce)
    return Result(
        name, peer.address, outcome, detail, seen.seconds, output, transcript, found, way=way, marks=marks, kept=kept, earlier=earlier
    )


def way_in(peer: ssh.Peer, seen: ssh.Visit) -> dict[str, Any]:
    """How we came in, for the catalogue: {login, via, legacy}; {} when we did not."""
    if not seen.login:
        return {}
    return {"login": seen.login, "via": [str(hop) for hop in peer.jumps], "legacy": peer.legacy}


def way_shown(peer: ssh.Peer, way: Mapping[str, Any]) -> str:
    """What is worth saying of the way in: a login that was not the first to be tried, algorithms that nobody should use any more."""
    if not way:
        return ""
    parts = [f"logged in as {way['login']}"] if way["login"] != str(peer.logins[0]) else []
    return "; ".join(parts + (["by SSH algorithms of the SHA-1 era, as allowed for it"] if way["legacy"] else []))


def left_out(found: Sequence[tuple[str, Observation]]) -> str:
    """Mounted network filesystems, which no section looks into: a dead server behind one would hold up whoever asks."""
    mounts = [
        f"{item.data.get('mount')} ({item.data.get('fstype')})" for _, item in found if item.kind == "disk" and item.data.get("network")
    ]
    return f"not looked into: {', '.join(mounts[:5])}{f' and {len(mounts) - 5} more' if len(mounts) > 5 else ''}" if mounts else ""


NO_SHELL = {
    "account is currently not available|nologin": "the account's login shell is nologin",
    "git-shell|Interactive git shell|fatal: unrecognized command": "the account's login shell is git's",
    "password has expired|Password change required": "the account's password has expired: it must be changed by hand first",
    "restricted to|This service allows sftp connections only|rssh|scponly": "the account may transfer files only",
    "has expired": "the account has expired",
}
"""What an account that runs no script says for itself, and what that means."""


def unshelled(seen: ssh.Visit) -> tuple[str, str]:
    """Outcome and detail of a visit on which no POSIX shell answered: auth when it is the account's, not the system's fault."""
    if seen.outcome != "ok":
        return seen.outcome, "no POSIX shell answered"
    said = f"{seen.output[:2000].decode('utf-8', 'replace')}\n{seen.said}"
    for pattern, meaning in NO_SHELL.items():
        if re.search(pattern, said):
            return "auth" if "expired" in meaning else "not unix", meaning
    first = next((line.strip() for line in said.splitlines() if line.strip()), "")
    return "not unix", f"no POSIX shell answered; it said: {first[:120]}" if first else "no POSIX shell answered, nothing was said"


def ended(transcript: collector.Transcript, probes: Sequence[Probe], outcome: str = "ok", detail: str = "") -> tuple[str, str]:
    """Outcome and detail of a transcript: partial when sections are missing or were cut, or when sudo would have told more."""
    missing = [probe.name for probe in probes if probe.name not in {s.name for s in transcript.sections}]
    cut = [s.name for s in transcript.sections if s.status in {None, 124, 137} or s.truncated]
    if missing or cut or not transcript.complete:
        parts = [detail] if detail else []
        parts += [f"missing: {', '.join(missing)}"] if missing else []
        parts += [f"cut: {', '.join(cut)}"] if cut else []
        return "partial", "; ".join(parts) or "the last frame is missing"
    needing = {probe.name for probe in probes if probe.root}
    short = [section.name for section in transcript.sections if section.name in needing and not section.whole]
    if short:
        why = collector.NO_ROOT[transcript.sudo]
        return "partial", f"{why}: what only root may read is unknown in {len(short)} sections (planner coverage)"
    return outcome, detail


Host = tuple[str, ssh.Peer]
_Item = tuple[str, ssh.Peer, packing.Earlier | None]


@dataclass(frozen=True)
class _Discovery:
    """What `processes` does for each host; `finish` is done where the visit was made."""

    finish: Callable[[Result], Any] | None = None
    sections: frozenset[str] = frozenset()

    @property
    def probes(self) -> tuple[Probe, ...]:
        """All of them, or the sections named."""
        return tuple(probe for probe in registry.PROBES if not self.sections or probe.name in self.sections)

    def job(self, item: _Item) -> ssh.Job:
        nonce = secrets.token_hex(12)
        return ssh.Job(item[1], collector.COMMAND, lambda: collector.script(self.probes, nonce).encode(), nonce)

    def value(self, job: ssh.Job, item: _Item, seen: ssh.Visit) -> Any:
        with garbage.put_off():  # until all of it is packed and forgotten
            return self._finished(read(item[0], item[1], seen, job.tag, self.probes, item[2]))

    def lost(self, item: _Item, why: str) -> Any:
        return self._finished(Result(item[0], item[1].address, "protocol", why, 0.0))

    def _finished(self, result: Result) -> Any:
        return self.finish(result) if self.finish else result


def visit_all(
    hosts: Sequence[Host],
    *,
    in_flight: int = 256,
    processes: int = 0,
    deadlines: ssh.Deadlines = ssh.Deadlines(),  # noqa: B008  (frozen)
) -> Iterator[Result]:
    """Visit (name, peer) pairs, `in_flight` at a time, on all cores (or so many processes); results come as they finish."""
    items = [(name, peer, None) for name, peer in hosts]
    return spread(items, _Discovery(), in_flight=in_flight, processes=processes, deadlines=deadlines)


def visit_and(
    finish: Callable[[Result], Value],
    hosts: Sequence[Host],
    *,
    in_flight: int = 256,
    processes: int = 0,
    deadlines: ssh.Deadlines = ssh.Deadlines(),  # noqa: B008  (frozen)
    sections: frozenset[str] = frozenset(),
    earlier: Mapping[str, packing.Earlier] = MappingProxyType({}),
) -> Iterator[Value]:
    """`visit_all`, with something done to each result where the visit was made: beside the visits, on all cores.

    `finish` is a function at the top of a module; what it returns must go through a pipe.  `sections` limits what is read;
    `earlier` is what is stored of hosts by their names (`unchanged.earlier`): only what changed since is parsed.
    """
    items = [(name, peer, earlier.get(name)) for name, peer in hosts]
    return spread(items, _Discovery(finish, sections), in_flight=in_flight, processes=processes, deadlines=deadlines)


def trusted(session: Session) -> dict[str, dict[str, bytes]]:
    """All trusted host keys: address → algorithm → key blob."""
    keys: dict[str, dict[str, bytes]] = {}
    for row in session.scalars(select(model.HostKey)):
        keys.setdefault(row.address, {})[row.algorithm] = base64.b64decode(row.key)
    return keys


def pack(result: Result) -> Result:
    """The same, packed for the way from the process that visits to the one that stores, without what only the parsers needed."""
    if result.transcript is None or result.packed is not None:
        return result
    transcript = result.transcript
    with garbage.put_off():
        packed = packing.pack(
            result.output, result.observations, transcript.sections, transcript.privilege,
            marks=result.marks, earlier=result.earlier, kept=result.kept,
        )  # fmt: skip
    told = replace(transcript, sections=tuple(replace(section, text="") for section in transcript.sections))
    return replace(result, output=b"", transcript=told, observations=(), packed=packed, marks={}, kept=frozenset(), earlier=None)


def as_visit(result: Result, at: datetime) -> storing.Visit:
    """A result as it is stored.  What cannot be packed is an outcome like any other."""
    try:
        packed = pack(result)
        transcript = packed.transcript
        return storing.Visit(
            result.host, result.outcome, result.detail, result.at or at, result.seconds, transcript.privilege if transcript else "",
            transcript.sections if transcript else (), packed.packed if transcript and transcript.sections else None, result.source,
            result.way or None,
        )  # fmt: skip
    except Exception as error:  # a parser's defect on one host must not lose the others' visits
        return storing.failed(result.host, error, result.at or at, result.seconds)


def store(book: catalogue.Catalogue, result: Result, clock: Callable[[], datetime] = catalogue.now) -> None:
    """Record one result in one transaction.  Raises NotFound, CatalogueError."""
    with book.session() as session:
        store_in(session, catalogue.host_by_name(session, result.host), result, clock())


def store_in(session: Session, host: model.Host, result: Result, at: datetime) -> None:
    """Record one result of a host; the sections of one that came from a file say so."""
    storing.write(session, [replace(as_visit(result, at), host=host.name)])
    session.expire(host)
