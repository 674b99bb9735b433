"""Many visits at once: one epoll loop drives thousands of connections without a thread for each.

In: `Job`s, as they are asked for.  Out: (job, `Visit`) as they finish.  A peer that needs more than `dialogue` can do is visited the
plain way, by `threaded.visit` in a few threads.  A host that could not be reached is tried once more when nothing fresh is waiting.

A live host must never be called dead because this program was busy.  Deadlines therefore run by a clock that counts what the loop
waited in full, and what it worked between two looks at its connections only up to `STEP`; no connection is given up before what had
come from it was read; a key exchange is begun only when those under way keep moving; and where the system refuses another socket, the
job goes back into the queue.  Memory is bounded: an answer longer than its share is read on only when it has one of few large places.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import itertools
import os
import resource
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko

from inventory.ssh.dialogue import Agent, Dialogue, Ended, Unfit
from inventory.ssh.model import Deadlines, Login, Peer, Visit
from inventory.ssh.plain import Threads
from inventory.ssh.threaded import visit

STEP = 0.05
"""Seconds of our own work between two looks that count for a deadline."""
_TALKING = 48  # key exchanges and logins under way at once, whatever the load
_BRISK = 0.02  # a turn shorter than this lets more of them begin
_STARTS = 64  # connections begun in one turn
_OURS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EAGAIN}
_AGENT_KEYS = {"ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"}


@dataclass(frozen=True, eq=False)
class Job:
    """One visit to make.  `stdin` is asked for when it is to be sent; `tag` is the caller's own."""

    peer: Peer
    command: str
    stdin: Callable[[], bytes]
    tag: Any = None


Plain = Callable[[Peer, str, bytes, Deadlines, int], Visit]


def _plainly(peer: Peer, command: str, stdin: bytes, deadlines: Deadlines, max_bytes: int) -> Visit:
    return visit(peer, command, stdin, deadlines=deadlines, max_bytes=max_bytes)


class _Connection:
    """One host in flight: its socket, what is said over it, and until when its stage may last (by the loop's clock)."""

    __slots__ = ("addresses", "begun", "deadline", "dialogue", "failure", "fd", "job", "large", "left", "mask", "sock", "stage")

    def __init__(self, job: Job, begun: float) -> None:
        self.job, self.begun = job, begun
        self.addresses: list[tuple[int, Any]] = []
        self.sock: socket.socket | None = None
        self.fd = -1
        self.mask = 0
        self.dialogue: Dialogue | None = None
        self.stage = "connect"
        self.deadline = self.left = 0.0
        self.large = False
        self.failure = ("unreachable", "it has no address")


class Loop:
    """The connections of one process.  `submit` jobs, then call `turn` until it is `idle`; `close` it in the end."""

    def __init__(
        self,
        *,
        in_flight: int = 256,
        deadlines: Deadlines = Deadlines(),  # noqa: B008  (frozen)
        max_bytes: int = 64_000_000,
        memory: int = 256_000_000,
        plain: Plain = _plainly,
        plain_threads: int = 8,
    ) -> None:
        self.deadlines, self.max_bytes = deadlines, max_bytes
        self.expecting = False  # whether more jobs will be submitted: second tries wait for the end
        self._in_flight = _room_for(in_flight)
        self._share = max(65_536, memory // self._in_flight)
        self._large_places = max(1, memory // max_bytes)
        self._poll = select.epoll()
        self._threads = Threads(plain_threads)
        self._poll.register(self._threads.ready, select.EPOLLIN)
        self._plain = plain
        self._waiting: deque[Job] = deque()
        self._unreached: deque[Job] = deque()
        self._again: set[Job] = set()
        self._connections: dict[int, _Connection] = {}
        self._resolving = 0
        self._greeted: deque[_Connection] = deque()
        self._paused: deque[_Connection] = deque()
        self._talking = self._large = 0
        self._ends: list[tuple[float, int, _Connection]] = []
        self._count = itertools.count()
        self._clock, self._looked, self._busy = 0.0, time.monotonic(), 0.0
        self._no_sockets_since = 0.0
        self._results: list[tuple[Job, Visit]] = []
        self._watched: set[int] = set()
        self._credentials = _Credentials()

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
        return len(self._connections) + len(self._paused) + self._threads.pending

    @property
    def idle(self) -> bool:
        """Whether nothing is left to be done."""
        return not (self.active or self._waiting or self._unreached or self._results)

    def watch(self, fd: int) -> None:
        """Let a turn end early when this descriptor becomes readable."""
        self._watched.add(fd)
        self._poll.register(fd, select.EPOLLIN)

    def turn(self, wait: float = 1.0) -> list[tuple[Job, Visit]]:
        """Wait until something happens, `wait` seconds at most; what has finished."""
        self._start()
        now = time.monotonic()
        self._clock += min(now - self._looked, STEP)
        events = self._poll.poll(self._patience(wait), len(self._connections) + len(self._watched) + 8)
        self._looked = time.monotonic()
        self._clock += self._looked - now
        for fd, mask in events:
            connection = self._connections.get(fd)
            if connection is not None:
                self._guarded(connection, self._on_event, mask)
            elif fd == self._threads.ready:
                self._collect()
        self._admit()
        self._expire()
        self._busy = time.monotonic() - self._looked
        results, self._results = self._results, []
        return results

    def close(self) -> None:
        """Give up what is under way."""
        for connection in [*self._connections.values(), *self._paused]:
            self._drop(connection)
        self._waiting.clear()
        self._unreached.clear()
        self._paused.clear()
        self._threads.close()
        self._poll.close()
        self._credentials.close()

    # beginning

    def _start(self) -> None:
        begun = 0
        while begun < _STARTS and len(self._connections) + len(self._paused) + self._resolving < self._in_flight:
            if self._waiting:
                job = self._waiting.popleft()
            elif self._unreached and not self.expecting:
                job = self._unreached.popleft()
            else:
                return
            begun += 1
            if not self._begin(job):
                return

    def _patience(self, wait: float) -> float:
        free = len(self._connections) + len(self._paused) + self._resolving < self._in_flight
        startable = self._waiting or (self._unreached and not self.expecting)
        if self._results or (free and startable and not self._no_sockets_since):
            return 0
        if self._greeted and self._busy < _BRISK:
            return 0
        if self._ends:
            wait = min(wait, self._ends[0][0] - self._clock)
        return max(0.0, min(wait, 0.1) if self._no_sockets_since else wait)

    def _begin(self, job: Job) -> bool:
        """Whether there was a socket for it."""
        if not _fit(job.peer) or not self._credentials.signers(job.peer.logins[0]):
            self._visit_plainly(job)
            return True
        connection = _Connection(job, time.monotonic())
        try:
            found = socket.getaddrinfo(job.peer.address, job.peer.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except (OSError, UnicodeError):
            self._resolving += 1
            self._threads.submit(connection, _resolved, job.peer.address, job.peer.port)
            return True
        connection.addresses = [(family, place) for family, _, _, _, place in found]
        return self._guarded(connection, self._connect)

    def _connect(self, connection: _Connection) -> bool:
        """Try the next address; raises `Ended` after the last."""
        while connection.addresses:
            family, place = connection.addresses.pop(0)
            try:
                sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            except OSError as error:
                return self._no_socket(connection, error)
            connection.sock, connection.fd = sock, sock.fileno()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            code = sock.connect_ex(place)
            if code in {0, errno.EINPROGRESS}:
                self._no_sockets_since = 0.0
                self._connections[connection.fd] = connection
                connection.mask = select.EPOLLOUT
                self._poll.register(connection.fd, connection.mask)
                self._limit(connection, self.deadlines.connect)
                return True
            if code in _OURS:
                return self._no_socket(connection, OSError(code, os.strerror(code)))
            self._not_connected(connection, code)
        raise Ended(*connection.failure)

    def _not_connected(self, connection: _Connection, code: int) -> None:
        self._leave(connection)
        outcome = "refused" if code == errno.ECONNREFUSED else "unreachable"
        connection.failure = (outcome, f"port {connection.job.peer.port}: {os.strerror(code)}")

    def _no_socket(self, connection: _Connection, error: OSError) -> bool:
        """This machine has no socket left for it: that is not the host's fault, it waits for one."""
        if error.errno not in _OURS:
            raise Ended("unreachable", f"port {connection.job.peer.port}: {error.strerror}")
        self._leave(connection)
        now = time.monotonic()
        self._no_sockets_since = self._no_sockets_since or now
        if not self._connections and now - self._no_sockets_since > 30:
            raise Ended("protocol", f"this machine has no connection to give it: {error.strerror}")
        self._waiting.appendleft(connection.job)
        return False

    # going on

    def _guarded(self, connection: _Connection, step: Callable[..., Any], *arguments: Any) -> bool:
        """Do something for a connection; how it ends is its job's result, and no other's concern."""
        try:
            return step(connection, *arguments) is not False
        except Ended as ended:
            self._ended(connection, ended.outcome, ended.detail)
        except Unfit:
            self._drop(connection)
            self._visit_plainly(connection.job)
        except OSError as error:
            self._broke(connection, error)
        except Exception:  # a defect of ours shows itself in a second visit, not in a host's outcome
            self._drop(connection)
            self._visit_plainly(connection.job)
        return True

    def _broke(self, connection: _Connection, error: OSError) -> None:
        try:
            assert connection.dialogue is not None
            connection.dialogue.closed()
        except Ended as ended:
            self._ended(connection, ended.outcome, f"{ended.detail}: {error.strerror}" if error.strerror else ended.detail)

    def _on_event(self, connection: _Connection, mask: int) -> None:
        sock = connection.sock
        assert sock is not None
        if connection.dialogue is None:
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not code:
                self._connected(connection)
                return
            self._not_connected(connection, code)
            self._connect(connection)
            return
        if mask & ~select.EPOLLOUT:
            try:
                data = sock.recv(65_536)
            except BlockingIOError:
                return
            if not data:
                connection.dialogue.closed()
            connection.dialogue.receive(data)
            self._advanced(connection)
        self._send(connection)

    def _connected(self, connection: _Connection) -> None:
        job = connection.job
        login = job.peer.logins[0]
        connection.dialogue = Dialogue(
            job.peer.keys, login.user, self._credentials.signers(login), job.command, job.stdin,
            more=self._credentials.more(login), max_bytes=self.max_bytes,
        )  # fmt: skip
        connection.stage = "greeting"
        self._limit(connection, self.deadlines.exchange)
        self._want(connection, select.EPOLLIN)
        self._send(connection)

    def _advanced(self, connection: _Connection) -> None:
        dialogue = connection.dialogue
        assert dialogue is not None
        if dialogue.stage != connection.stage:
            before, connection.stage = connection.stage, dialogue.stage
            if connection.stage == "done":
                self._ended(connection, "ok", "")
                return
            if connection.stage == "greeted":  # until it is let on, its time stands still
                connection.left = connection.deadline - self._clock
                connection.deadline = float("inf")
                self._greeted.append(connection)
                self._want(connection, 0)
            elif connection.stage == "auth":
                self._limit(connection, self.deadlines.auth)
            elif connection.stage == "command":
                self._talking -= before in {"exchange", "auth"}
                self._limit(connection, self.deadlines.command)
        if connection.stage == "command":
            if not connection.large and len(dialogue.output) > self._share:
                self._enlarge(connection)
        elif connection.sock is not None and connection.stage != "greeted":
            with contextlib.suppress(OSError):  # an answer in two segments comes 40 ms sooner
                connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _admit(self) -> None:
        """Let greeted connections exchange keys, as long as those that do keep moving."""
        begun = 0
        while self._greeted and (self._talking < _TALKING or (self._busy < _BRISK and begun < 16)):
            connection = self._greeted.popleft()
            if connection.sock is None or connection.stage != "greeted":
                continue
            begun += 1
            self._talking += 1
            connection.stage = "exchange"
            self._limit(connection, connection.left)
            self._guarded(connection, self._let_on)

    def _let_on(self, connection: _Connection) -> None:
        assert connection.dialogue is not None
        connection.dialogue.begin()
        self._want(connection, select.EPOLLIN)
        self._advanced(connection)
        self._send(connection)

    def _send(self, connection: _Connection) -> None:
        dialogue, sock = connection.dialogue, connection.sock
        if dialogue is None or sock is None:
            return
        while dialogue.outbox:
            try:
                sent = sock.send(dialogue.outbox)
            except BlockingIOError:
                self._want(connection, connection.mask | select.EPOLLOUT)
                return
            del dialogue.outbox[:sent]
            if not dialogue.outbox:
                dialogue.flushed()
        if connection.mask & select.EPOLLOUT:
            self._want(connection, connection.mask & ~select.EPOLLOUT)

    def _want(self, connection: _Connection, mask: int) -> None:
        if connection.mask != mask and connection.sock is not None:
            connection.mask = mask
            self._poll.modify(connection.fd, mask)

    # limits

    def _limit(self, connection: _Connection, seconds: float) -> None:
        connection.deadline = self._clock + seconds
        heapq.heappush(self._ends, (connection.deadline, next(self._count), connection))

    def _expire(self) -> None:
        while self._ends and self._ends[0][0] <= self._clock:
            deadline, _, connection = heapq.heappop(self._ends)
            if connection.sock is None or connection.deadline != deadline:
                continue
            if connection.stage == "connect":
                self._leave(connection)
                connection.failure = ("unreachable", f"port {connection.job.peer.port}: no answer in {self.deadlines.connect:g} s")
                self._guarded(connection, self._connect)
            elif connection.stage in {"greeting", "exchange"}:
                what = "SSH greeting" if connection.stage == "greeting" else "end of the key exchange"
                self._ended(connection, "timeout", f"no {what} in {self.deadlines.exchange:g} s")
            elif connection.stage == "auth":
                self._ended(connection, "timeout", f"no end of the login in {self.deadlines.auth:g} s")
            else:
                self._ended(connection, "timeout", "the command's deadline passed")

    def _enlarge(self, connection: _Connection) -> None:
        """A long answer takes one of the large places, or waits for it with its time standing still."""
        if self._large < self._large_places:
            self._large += 1
            connection.large = True
        else:
            connection.left = connection.deadline - self._clock
            connection.deadline = float("inf")
            self._poll.unregister(connection.fd)
            del self._connections[connection.fd]
            self._paused.append(connection)

    def _resume(self) -> None:
        while self._paused and self._large < self._large_places:
            connection = self._paused.popleft()
            self._large += 1
            connection.large = True
            self._connections[connection.fd] = connection
            self._poll.register(connection.fd, connection.mask)
            self._limit(connection, connection.left)

    # ending

    def _ended(self, connection: _Connection, outcome: str, detail: str) -> None:
        output = bytes(connection.dialogue.output) if connection.dialogue is not None else b""
        self._drop(connection)
        self._finish(connection.job, Visit(outcome, detail, output, time.monotonic() - connection.begun))

    def _finish(self, job: Job, seen: Visit) -> None:
        if seen.outcome == "unreachable" and job not in self._again:
            self._again.add(job)
            self._unreached.append(job)
            return
        if job in self._again:
            self._again.discard(job)
            if seen.outcome == "unreachable":
                seen = Visit(seen.outcome, f"{seen.detail}, twice", seen.output, seen.seconds)
        self._results.append((job, seen))

    def _leave(self, connection: _Connection) -> None:
        """Close its socket."""
        if connection.sock is not None:
            if self._connections.pop(connection.fd, None) is not None:
                with contextlib.suppress(OSError):
                    self._poll.unregister(connection.fd)
            connection.sock.close()
            connection.sock = None

    def _drop(self, connection: _Connection) -> None:
        self._leave(connection)
        if connection.stage in {"exchange", "auth"}:
            self._talking -= 1
        if connection.dialogue is not None:
            connection.dialogue.close()
            connection.dialogue = None
        connection.stage = "done"
        if connection.large:
            connection.large = False
            self._large -= 1
            self._resume()

    # the plain way

    def _visit_plainly(self, job: Job) -> None:
        self._threads.submit(job, self._plain, job.peer, job.command, job.stdin(), self.deadlines, self.max_bytes)

    def _collect(self) -> None:
        for tag, result in self._threads.finished():
            if isinstance(tag, _Connection):
                self._resolving -= 1
                if isinstance(result, Exception):
                    why = result.strerror if isinstance(result, OSError) else str(result)
                    self._ended(tag, "unreachable", f"port {tag.job.peer.port}: {why}")
                else:
                    tag.addresses = result
                    self._guarded(tag, self._connect)
            elif isinstance(result, Visit):
                self._finish(tag, result)
            else:
                self._finish(tag, Visit("protocol", f"internal: {type(result).__name__}: {result}"))


class _Credentials:
    """The keys of logins, read once; those that cannot be read here are the plain way's to explain."""

    def __init__(self) -> None:
        self._found: dict[Login, tuple[list[paramiko.PKey], bool]] = {}
        self._agent: Agent | None = None
        self._agent_keys: list[paramiko.PKey] | None = None

    def signers(self, login: Login) -> list[paramiko.PKey]:
        """Key files, then the agent's keys."""
        return self._of(login)[0]

    def more(self, login: Login) -> bool:
        """Whether the plain way could try something else."""
        return self._of(login)[1]

    def close(self) -> None:
        """Leave the agent."""
        if self._agent is not None:
            self._agent.close()

    def _of(self, login: Login) -> tuple[list[paramiko.PKey], bool]:
        if login not in self._found:
            keys: list[paramiko.PKey] = []
            more = bool(login.password)
            try:
                keys += [paramiko.PKey.from_path(Path(name).expanduser()) for name in login.key_files]
            except Exception:
                self._found[login] = ([], True)
                return self._found[login]
            if login.agent and os.environ.get("SSH_AUTH_SOCK"):
                usable = self._from_agent()
                keys += [key for key in usable if key.get_name() in _AGENT_KEYS]
                more = more or len(usable) != len([key for key in usable if key.get_name() in _AGENT_KEYS])
            self._found[login] = (keys, more)
        return self._found[login]

    def _from_agent(self) -> list[paramiko.PKey]:
        if self._agent_keys is None:
            self._agent_keys = []
            with contextlib.suppress(paramiko.SSHException, OSError):
                self._agent = Agent(seconds=5.0)
                self._agent_keys = list(self._agent.get_keys())
        return self._agent_keys


def _fit(peer: Peer) -> bool:
    """Whether the peer's way and logins are such that `dialogue` may do."""
    return len(peer.logins) == 1 and not (peer.jumps or peer.legacy or peer.logins[0].password or peer.logins[0].sudo_password)


def _resolved(address: str, port: int) -> list[tuple[int, Any]]:
    return [(family, place) for family, _, _, _, place in socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)]


def _room_for(in_flight: int) -> int:
    """As many connections as asked for, or as this process may have descriptors; the soft limit is raised where it can be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = in_flight + 256
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
        return max(1, min(in_flight, soft - 256)) if soft > 512 else max(1, min(in_flight, soft // 2))
    return max(1, in_flight)


def visit_many(
    jobs: Iterable[Job],
    *,
    in_flight: int = 256,
    deadlines: Deadlines = Deadlines(),  # noqa: B008  (frozen)
    max_bytes: int = 64_000_000,
    plain: Plain = _plainly,
    plain_threads: int = 8,
) -> Iterator[tuple[Job, Visit]]:
    """Make all visits, `in_flight` at a time; yield each as it ends.  Jobs are drawn only as there is room for them."""
    loop = Loop(in_flight=in_flight, deadlines=deadlines, max_bytes=max_bytes, plain=plain, plain_threads=plain_threads)
    source = iter(jobs)
    loop.expecting = True
    try:
        while loop.expecting or not loop.idle:
            while loop.expecting and loop.waiting < _STARTS and loop.active < 2 * in_flight:
                job = next(source, None)
                if job is None:
                    loop.expecting = False
                else:
                    loop.submit(job)
            yield from loop.turn()
    finally:
        loop.close()
