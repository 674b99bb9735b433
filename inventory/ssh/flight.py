"""One host in flight: the job, the socket on the way to it, and how far it has come.  No waiting here; `driven` says when to go on."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from inventory.ssh.dialogue import Dialogue
from inventory.ssh.model import Peer
from inventory.ssh.packets import Ended

_OURS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EAGAIN}
_ALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5), (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000),
)  # fmt: skip
"""A connection over which nothing comes through any more is given up after half a minute."""


@dataclass(frozen=True, eq=False)
class Job:
    """One visit to make.  `stdin` is asked for when it is to be sent; `tag` is the caller's own."""

    peer: Peer
    command: str
    stdin: Callable[[], bytes]
    tag: Any = None


class NoSocket(Exception):
    """This machine has no socket left: that is not the host's fault."""


class Flight:
    """A job under way.

    `stage` is connect, then the dialogue's, done in the end; `deadline` is when the stage ends, by the loop's clock (never while the flight
    waits for us; `left` is then what it has left).  `mask` is what epoll is asked for; `large` whether it has one of the places for long
    answers.
    """

    __slots__ = ("_failure", "_places", "begun", "deadline", "dialogue", "fd", "job", "large", "left", "mask", "sock", "stage")

    def __init__(self, job: Job) -> None:
        self.job, self.begun = job, time.monotonic()
        self.sock: socket.socket | None = None
        self.fd, self.mask = -1, 0
        self.dialogue: Dialogue | None = None
        self.stage = "connect"
        self.deadline = self.left = float("inf")
        self.large = False
        self._places: list[tuple[int, Any]] = []
        self._failure = Ended("unreachable", "it has no address")

    def locate(self, *, wait: bool) -> bool:
        """Find the address; a name takes time, so without `wait` it is left alone, and the answer is False.  Raises OSError."""
        address, port = self.job.peer.address, self.job.peer.port
        try:
            found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=0 if wait else socket.AI_NUMERICHOST)
        except (OSError, UnicodeError):
            if wait:
                raise
            return False
        self._places = [(family, place) for family, _, _, _, place in found]
        return True

    def connect(self) -> None:
        """Begin to connect to the next address.  Raises `Ended` after the last, `NoSocket` when there is none for it."""
        while self._places:
            family, place = self._places.pop(0)
            try:
                self.sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
                self.fd = self.sock.fileno()
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                # a network that is gone says nothing: the kernel finds out, also while a host is silent for long
                for level, option, value in _ALIVE:
                    self.sock.setsockopt(level, option, value)
                code = self.sock.connect_ex(place)
            except OSError as error:
                code = error.errno or 0
            if code in {0, errno.EINPROGRESS}:
                return
            self.leave()
            if code in _OURS:
                raise NoSocket(os.strerror(code))
            self.failed(code)
        raise self._failure

    def failed(self, code: int = 0, seconds: float = 0.0) -> None:
        """Remember how connecting failed: by an errno, or by no answer in so many seconds."""
        outcome = "refused" if code == errno.ECONNREFUSED else "unreachable"
        self._failure = Ended(outcome, f"port {self.job.peer.port}: {os.strerror(code) if code else f'no answer in {seconds:g} s'}")

    def error(self) -> int:
        """The errno with which connecting ended, 0 when it did not fail."""
        assert self.sock is not None
        return self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def acknowledge(self) -> None:
        """Let the kernel acknowledge at once: an answer that comes in two segments comes 40 ms sooner."""
        if self.sock is not None:
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def leave(self) -> None:
        """Close the socket."""
        if self.sock is not None:
            self.sock.close()
            self.sock = None


def room_for(in_flight: int) -> int:
    """As many connections as asked for, or as this process may have descriptors; the soft limit is raised as far as it goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = in_flight + 256
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return max(1, in_flight)
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(in_flight, soft - min(256, soft // 2)))
