"""Discovery: visit hosts side by side, and store how each visit ended as soon as it does.

In: hosts (name, address), a login, trusted keys, probes.  Out: one `Result` per host, in the order in which they finish.  A host
that is off, refuses, hangs or floods is a result like any other.  Only the calling thread writes to the catalogue.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, collector, model, ssh
from inventory.probes import registry
from inventory.probes.base import Observation, Probe
from inventory.processes import spread

Value = TypeVar("Value")


@dataclass(frozen=True)
class Result:
    """How one host's visit ended; `observations` are (section, observation).

    `source` and `at` are for what was read from a file instead of over SSH: which file, and when its host wrote it.
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


def read(name: str, peer: ssh.Peer, seen: ssh.Visit, nonce: str, probes: Sequence[Probe] = registry.PROBES) -> Result:
    """What a visit brought, parsed."""
    if seen.outcome not in {"ok", "partial", "timeout"} or not seen.output:
        return Result(name, peer.address, seen.outcome, seen.detail, seen.seconds)
    transcript = collector.read(seen.output, nonce, probes)
    outcome, detail = seen.outcome, seen.detail
    if not transcript.privilege:
        return Result(name, peer.address, "not unix" if outcome == "ok" else outcome, detail or "no POSIX shell answered", seen.seconds)
    found = tuple(registry.parse(transcript.sections))
    if outcome in {"ok", "timeout"}:
        outcome, detail = ended(transcript, probes, outcome, detail)
    output = collector.trimmed(seen.output, nonce)
    return Result(name, peer.address, outcome, detail, seen.seconds, output, transcript, found)


def ended(transcript: collector.Transcript, probes: Sequence[Probe], outcome: str = "ok", detail: str = "") -> tuple[str, str]:
    """Outcome and detail of a transcript: partial when sections are missing or were cut, or when sudo would have told more."""
    missing = [probe.name for probe in probes if probe.name not in {s.name for s in transcript.sections}]
    cut = [s.name for s in transcript.sections if s.status in {None, 124, 137} or s.truncated]
    if missing or cut or not transcript.complete:
        parts = [detail] if detail else []
        parts += [f"missing: {', '.join(missing)}"] if missing else []
        parts += [f"cut: {', '.join(cut)}"] if cut else []
        return "partial", "; ".join(parts) or "the last frame is missing"
    if transcript.privilege != "root":
        return "partial", "no sudo: what only root may read is unknown"
    return outcome, detail


Host = tuple[str, ssh.Peer]


@dataclass(frozen=True)
class _Discovery:
    """What `processes` does for each host; `finish` is done where the visit was made."""

    finish: Callable[[Result], Any] | None = None

    def job(self, item: Host) -> ssh.Job:
        nonce = secrets.token_hex(12)
        return ssh.Job(item[1], collector.COMMAND, lambda: collector.script(registry.PROBES, nonce).encode(), nonce)

    def value(self, job: ssh.Job, item: Host, seen: ssh.Visit) -> Any:
        return self._finished(read(*item, seen, job.tag))

    def lost(self, item: Host, why: str) -> Any:
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
    return spread(hosts, _Discovery(), in_flight=in_flight, processes=processes, deadlines=deadlines)


def visit_and(
    finish: Callable[[Result], Value],
    hosts: Sequence[Host],
    *,
    in_flight: int = 256,
    processes: int = 0,
    deadlines: ssh.Deadlines = ssh.Deadlines(),  # noqa: B008  (frozen)
) -> Iterator[Value]:
    """`visit_all`, with something done to each result where the visit was made: beside the visits, on all cores.

    `finish` is a function at the top of a module; what it returns must go through a pipe.
    """
    return spread(hosts, _Discovery(finish), in_flight=in_flight, processes=processes, deadlines=deadlines)


def trusted(session: Session) -> dict[str, dict[str, bytes]]:
    """All trusted host keys: address → algorithm → key blob."""
    keys: dict[str, dict[str, bytes]] = {}
    for row in session.scalars(select(model.HostKey)):
        keys.setdefault(row.address, {})[row.algorithm] = base64.b64decode(row.key)
    return keys


def store(book: catalogue.Catalogue, result: Result, clock: Callable[[], datetime] = catalogue.now) -> None:
    """Record one result in one transaction."""
    with book.session() as session:
        store_in(session, catalogue.host_by_name(session, result.host), result, clock())


def store_in(session: Session, host: model.Host, result: Result, at: datetime) -> None:
    """Record one result of a host; the sections of one that came from a file say so."""
    transcript = result.transcript
    snapshot = catalogue.store_snapshot(
        session,
        host,
        outcome=result.outcome,
        detail=result.detail,
        at=result.at or at,
        transcript=result.output,
        seconds=result.seconds,
        privilege=transcript.privilege if transcript else "",
        sections=transcript.sections if transcript else (),
        observations=result.observations,
    )
    if snapshot is not None and result.source:
        snapshot.sections = [{**entry, "source": result.source} for entry in snapshot.sections]
