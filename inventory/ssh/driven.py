"""One epoll loop that drives thousands of connections without a thread for each.

In: `Job`s, one by one.  Out: (job, `Visit`) as they finish.  A peer that needs more than `dialogue` can do is visited the
plain way in a few threads.  A host that could not be reached is tried once more when nothing fresh is waiting.

A live host must never be called dead because this program was busy: deadlines run by `pace`, no connection is given up before what had
come from it was read, key exchanges begin only as long as those under way keep moving, and a job for which this machine has no socket
waits for one.  Memory is bounded: an answer longer than its share is read on only in one of few large places.
"""

from __future__ import annotations

import contextlib
import select
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from inventory.ssh.credentials import Credentials
from inventory.ssh.dialogue import Dialogue
from inventory.ssh.flight import Flight, Job, NoSocket, room_for
from inventory.ssh.model import Deadlines, Peer, Visit
from inventory.ssh.pace import Pace
from inventory.ssh.packets import Ended
from inventory.ssh.plain import Threads
from inventory.ssh.visiting import visit

STARTS = 64  # connections begun in one turn
_TALKING = 48  # key exchanges and logins under way, whatever the load
_BRISK, _MORE = 0.02, 16  # a turn shorter than so many seconds lets so many more of them begin
_NO_SOCKET_SECONDS = 30.0
_LOGGED_IN = frozenset({"command", "done"})
_MANY, _NAP, _LONGEST_NAP = 16, 0.0001, 0.01  # with many in flight, it looks only every so many seconds for each: looking costs, too

Plain = Callable[[Peer, str, bytes, Deadlines, int], Visit]


def plainly(peer: Peer, command: str, stdin: bytes, deadlines: Deadlines, max_bytes: int) -> Visit:
    """A visit by a thread of its own."""
    return visit(peer, command, stdin, deadlines=deadlines, max_bytes=max_bytes)


class Loop:
    """The connections of one process.  `submit` jobs, then take `turn`s until it is `idle`; `close` it in the end.

    `expecting` is whether more jobs will come: second tries wait until none will.
    """

    def __init__(
        self,
        *,
        in_flight: int = 256,
        deadlines: Deadlines = Deadlines(),  # noqa: B008  (frozen)
        max_bytes: int = 64_000_000,
        memory: int = 256_000_000,
        plain: Plain = plainly,
        plain_threads: int = 8,
    ) -> None:
        self.deadlines, self.max_bytes, self.expecting = deadlines, max_bytes, False
        self._in_flight = room_for(in_flight)
        self._share, self._places = max(65_536, memory // self._in_flight), max(1, memory // max_bytes)
        self._poll = select.epoll()
        self._threads, self._plain = Threads(plain_threads), plain
        self._poll.register(self._threads.ready, select.EPOLLIN)
        self._credentials, self._pace = Credentials(), Pace()
        self._waiting: deque[Job] = deque()
        self._unreached: deque[Job] = deque()
        self._second: set[Job] = set()  # jobs that are tried for the second time
        self._flights: dict[int, Flight] = {}
        self._naming = 0  # flights whose name is being resolved
        self._greeted: deque[Flight] = deque()
        self._paused: deque[Flight] = deque()
        self._talking = 0
        self._socketless = 0.0  # since when there has been no socket for a job
        self._results: list[tuple[Job, Visit]] = []

    def submit(self, job: Job) -> None:
        """Have a visit made."""
        self._waiting.append(job)

    @property
    def waiting(self) -> int:
        """Jobs that are not begun."""
        return len(self._waiting)

    @property
    def active(self) -> int:
        """Jobs under way, one way or the other."""
        return len(self._flights) + len(self._paused) + self._threads.pending

    @property
    def room(self) -> int:
        """How many more jobs would be begun at once."""
        return self._in_flight - self.active - self.waiting

    @property
    def idle(self) -> bool:
        """Whether nothing is left to be done."""
        return not (self.active or self._waiting or self._unreached or self._results)

    def watch(self, fd: int) -> None:
        """Let a turn end early when this descriptor becomes readable."""
        self._poll.register(fd, select.EPOLLIN)

    def turn(self, wait: float = 1.0) -> list[tuple[Job, Visit]]:
        """Wait until something happens, `wait` seconds at most; what has finished."""
        self._start()
        self._pace.sleeps()
        wait = self._patience(wait)
        if len(self._flights) >= _MANY:
            time.sleep(max(0.0, min(wait, _LONGEST_NAP, _NAP * len(self._flights) - self._pace.busy)))
        events = self._poll.poll(wait, len(self._flights) + 16)
        self._pace.wakes()
        for fd, mask in events:
            flight = self._flights.get(fd)
            if flight is not None:
                self._guarded(flight, self._on_event, mask)
            elif fd == self._threads.ready:
                self._collect()
        self._admit()
        for flight in self._pace.expired():
            self._guarded(flight, self._expire)
        self._pace.worked()
        results, self._results = self._results, []
        return results

    def close(self) -> None:
        """Give up what is under way."""
        for flight in [*self._flights.values(), *self._paused]:
            self._drop(flight)
        self._threads.close()
        self._poll.close()
        self._credentials.close()

    # beginning

    def _free(self) -> bool:
        return len(self._flights) + len(self._paused) + self._naming < self._in_flight

    def _startable(self) -> deque[Job] | None:
        if self._waiting:
            return self._waiting
        return self._unreached if self._unreached and not self.expecting else None

    def _start(self) -> None:
        for _ in range(STARTS):
            source = self._startable()
            if source is None or not self._free():
                return
            job = source.popleft()
            if not job.peer.plain or not self._credentials.of(job.peer.logins[0]).keys:
                self._visit_plainly(job)
                continue
            flight = Flight(job)
            if not flight.locate(wait=False):
                self._naming += 1
                self._threads.submit(flight, partial(flight.locate, wait=True))
            elif not self._guarded(flight, self._connect):
                return

    def _patience(self, wait: float) -> float:
        if self._results or (self._greeted and self._pace.busy < _BRISK):
            return 0
        if self._startable() and self._free():
            return 0.1 if self._socketless else 0
        return self._pace.until_next(wait)

    def _connect(self, flight: Flight) -> bool:
        """Whether there was a socket for it."""
        try:
            flight.connect()
        except NoSocket as error:
            now = time.monotonic()
            self._socketless = self._socketless or now
            if not self._flights and now - self._socketless > _NO_SOCKET_SECONDS:
                raise Ended("protocol", f"this machine has no connection to give it: {error}") from error
            self._waiting.appendleft(flight.job)
            return False
        self._socketless = 0.0
        self._flights[flight.fd] = flight
        flight.mask = select.EPOLLOUT
        self._poll.register(flight.fd, flight.mask)
        self._pace.limit(flight, self.deadlines.connect)
        return True

    # going on

    def _guarded(self, flight: Flight, step: Callable[..., Any], *arguments: Any) -> bool:
        """Do something for a flight; how it ends is its job's result, and no other's concern.  False when the step says so."""
        try:
            return step(flight, *arguments) is not False
        except Ended as ended:
            self._ended(flight, ended.outcome, ended.detail)
        except OSError as error:
            try:
                assert flight.dialogue is not None
                flight.dialogue.closed()
            except Ended as ended:
                self._ended(flight, ended.outcome, f"{ended.detail}: {error.strerror or error}")
        except Exception:  # Unfit; or a defect of ours, which is no host's outcome: the plain way may do better
            self._drop(flight)
            self._visit_plainly(flight.job)
        return True

    def _on_event(self, flight: Flight, mask: int) -> None:
        if flight.dialogue is None:
            code = flight.error()
            if code:
                self._leave(flight)
                flight.failed(code)
                self._connect(flight)
            else:
                self._connected(flight)
            return
        assert flight.sock is not None
        if mask & ~select.EPOLLOUT:
            try:
                data = flight.sock.recv(65_536)
            except BlockingIOError:
                return
            if not data:
                flight.dialogue.closed()
            flight.dialogue.receive(data)
            self._advanced(flight)
        self._send(flight)

    def _connected(self, flight: Flight) -> None:
        job = flight.job
        login = job.peer.logins[0]
        signers = self._credentials.of(login)
        flight.dialogue = Dialogue(
            job.peer.keys, login.user, signers.keys, job.command, job.stdin, more=signers.more, max_bytes=self.max_bytes
        )
        flight.stage = "greeting"
        self._pace.limit(flight, self.deadlines.exchange)
        self._want(flight, select.EPOLLIN)
        self._send(flight)

    def _advanced(self, flight: Flight) -> None:
        dialogue = flight.dialogue
        assert dialogue is not None
        before, now = flight.stage, dialogue.stage
        if before != now:
            self._talking -= (before in {"exchange", "auth"}) - (now in {"exchange", "auth"})
            flight.stage = now
            if now == "done":
                self._ended(flight, "ok", "")
                return
            if now == "greeted":
                self._pace.hold(flight)
                self._greeted.append(flight)
                self._want(flight, 0)
            elif now == "auth":
                self._pace.limit(flight, self.deadlines.auth)
            elif now == "command":
                self._pace.limit(flight, self.deadlines.command)
        if now in {"greeting", "exchange", "auth"}:
            if len(self._flights) < _MANY:  # among many, nobody waits for one
                flight.acknowledge()
        elif not flight.large and len(dialogue.output) > self._share:
            self._enlarge(flight)

    def _admit(self) -> None:
        """Let greeted peers exchange keys, as long as those that do keep moving."""
        begun = 0
        while self._greeted and (self._talking < _TALKING or (self._pace.busy < _BRISK and begun < _MORE)):
            flight = self._greeted.popleft()
            if flight.stage == "greeted":
                begun += 1
                self._guarded(flight, self._let_on)

    def _let_on(self, flight: Flight) -> None:
        assert flight.dialogue is not None
        self._pace.go_on(flight)
        self._want(flight, select.EPOLLIN)
        flight.stage = "exchange"
        self._talking += 1
        flight.dialogue.begin()
        self._advanced(flight)
        self._send(flight)

    def _send(self, flight: Flight) -> None:
        dialogue, sock = flight.dialogue, flight.sock
        if dialogue is None or sock is None:
            return
        while dialogue.outbox:
            try:
                sent = sock.send(dialogue.outbox)
            except BlockingIOError:
                self._want(flight, flight.mask | select.EPOLLOUT)
                return
            del dialogue.outbox[:sent]
            if not dialogue.outbox:
                dialogue.flushed()
        if flight.mask & select.EPOLLOUT:
            self._want(flight, flight.mask & ~select.EPOLLOUT)

    def _want(self, flight: Flight, mask: int) -> None:
        if flight.mask != mask:
            flight.mask = mask
            if flight.fd in self._flights:
                self._poll.modify(flight.fd, mask)

    # limits

    def _expire(self, flight: Flight) -> None:
        if flight.stage == "connect":
            self._leave(flight)
            flight.failed(seconds=self.deadlines.connect)
            self._connect(flight)
        elif flight.stage == "auth":
            raise Ended("timeout", f"no end of the login in {self.deadlines.auth:g} s")
        elif flight.stage == "command":
            raise Ended("timeout", "the command's deadline passed")
        else:
            what = "SSH greeting" if flight.stage == "greeting" else "end of the key exchange"
            raise Ended("timeout", f"no {what} in {self.deadlines.exchange:g} s")

    def _enlarge(self, flight: Flight) -> None:
        """A long answer takes one of the large places, or waits for one with its time standing still."""
        if self._places:
            self._places -= 1
            flight.large = True
            return
        self._pace.hold(flight)
        del self._flights[flight.fd]
        self._poll.unregister(flight.fd)
        self._paused.append(flight)

    def _resume(self) -> None:
        while self._paused and self._places:
            flight = self._paused.popleft()
            self._places -= 1
            flight.large = True
            self._flights[flight.fd] = flight
            self._poll.register(flight.fd, flight.mask)
            self._pace.go_on(flight)

    # ending

    def _ended(self, flight: Flight, outcome: str, detail: str) -> None:
        output = bytes(flight.dialogue.output) if flight.dialogue is not None else b""
        said = flight.dialogue.said.decode("utf-8", "replace") if flight.dialogue is not None else ""
        login = str(flight.job.peer.logins[0]) if flight.stage in _LOGGED_IN else ""
        self._drop(flight)
        self._finish(flight.job, Visit(outcome, detail, output, time.monotonic() - flight.begun, login, said))

    def _finish(self, job: Job, seen: Visit) -> None:
        if seen.outcome == "unreachable" and not job.peer.refusal:
            if job not in self._second:
                self._second.add(job)
                self._unreached.append(job)
                return
            seen = replace(seen, detail=f"{seen.detail}, twice")
        self._second.discard(job)
        self._results.append((job, seen))

    def _leave(self, flight: Flight) -> None:
        if self._flights.pop(flight.fd, None) is not None:
            with contextlib.suppress(OSError):
                self._poll.unregister(flight.fd)
        flight.leave()
        flight.fd = -1

    def _drop(self, flight: Flight) -> None:
        self._leave(flight)
        self._talking -= flight.stage in {"exchange", "auth"}
        flight.stage = "done"
        if flight.dialogue is not None:
            flight.dialogue.close()
            flight.dialogue = None
        if flight.large:
            flight.large = False
            self._places += 1
            self._resume()

    # the plain way

    def _visit_plainly(self, job: Job) -> None:
        self._threads.submit(job, lambda: self._plain(job.peer, job.command, job.stdin(), self.deadlines, self.max_bytes))

    def _collect(self) -> None:
        for tag, result in self._threads.finished():
            if isinstance(tag, Flight):
                self._naming -= 1
                if isinstance(result, Exception):
                    why = result.strerror if isinstance(result, OSError) else str(result)
                    self._ended(tag, "unreachable", f"{tag.job.peer.address}: {why}")
                else:
                    self._guarded(tag, self._connect)
            elif isinstance(result, Visit):
                self._finish(tag, result)
            else:
                self._finish(tag, Visit("protocol", f"internal: {type(result).__name__}: {result}"))
