"""Visits in several processes, one for each core, because one Python process uses one core.

In: items and a `Work` that makes a job of each and a value of each visit.  Out: the values, as they are ready.  Each process has a loop
of its own (`ssh.Loop`) and also does the work on what came back, so that the caller only takes values from a pipe.  A process that is
killed loses nothing: its items are done again in another, except one on which two processes ended while they read its answer, which is
given up by name.  Few items, or one core, are done in the calling process.  When the caller goes, by whatever end, so do they.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol, TypeVar

from inventory import ssh

FEW = 8
"""So many items are not worth another process: starting one takes half a second."""
_BATCH = 32  # items sent at once, at most: what a pipe's buffer holds, so that the two ends never wait for each other
_DEATHS = 8  # after so many, what is left is done in the calling process

Item = TypeVar("Item")
Value = TypeVar("Value")
_In_contra = TypeVar("_In_contra", contravariant=True)
_Out_co = TypeVar("_Out_co", covariant=True)


class Work(Protocol[_In_contra, _Out_co]):
    """What is done for each item.  It goes through a pipe: a dataclass at the top of a module, say."""

    def job(self, item: _In_contra) -> ssh.Job:
        """The visit to make."""
        ...

    def value(self, job: ssh.Job, item: _In_contra, seen: ssh.Visit) -> _Out_co:
        """What comes of the visit.  What it raises is a defect of ours, and becomes `lost`."""
        ...

    def lost(self, item: _In_contra, why: str) -> _Out_co:
        """What stands for an item that could not be done."""
        ...


def spread(
    items: Sequence[Item],
    work: Work[Item, Value],
    *,
    in_flight: int,
    deadlines: ssh.Deadlines,
    processes: int = 0,
) -> Iterator[Value]:
    """The value of every item, as it is ready.  `processes` 0: one for each core.  Close the iterator to end early."""
    count = min(processes or len(os.sched_getaffinity(0)), -(-len(items) // FEW))
    if count <= 1:
        yield from _here(items, work, in_flight, deadlines)
        return
    crew = _Crew(items, work, count, in_flight, deadlines)
    try:
        yield from crew.values()
    finally:
        crew.close()
    yield from _here(crew.left, work, in_flight, deadlines)


def _here(items: Sequence[Item], work: Work[Item, Value], in_flight: int, deadlines: ssh.Deadlines) -> Iterator[Value]:
    belongs: dict[ssh.Job, Item] = {}

    def jobs() -> Iterator[ssh.Job]:
        for item in items:
            job = work.job(item)
            belongs[job] = item
            yield job

    for job, seen in ssh.visit_many(jobs(), in_flight=in_flight, deadlines=deadlines):
        yield _value(work, job, belongs.pop(job), seen)


def _value(work: Work[Item, Value], job: ssh.Job, item: Item, seen: ssh.Visit) -> Value:
    try:
        return work.value(job, item, seen)
    except Exception as error:  # a parser's defect on one host must not lose the others' visits
        return work.lost(item, f"internal: {type(error).__name__}: {error}")


class _Process:
    """A process and the link to it; `has` are the items that it was given, `reading` the one whose answer it works on."""

    def __init__(self, work: Any, in_flight: int, deadlines: ssh.Deadlines) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            root = str(Path(__file__).resolve().parents[1])
            code = "import sys; r = sys.argv[2]; r in sys.path or sys.path.insert(0, r); from inventory import processes; processes.main()"
            self.program = subprocess.Popen(
                [sys.executable, "-P", "-c", code, str(theirs.fileno()), root],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                process_group=0,  # Ctrl-C is for us; it ends when its link does
            )
        self.link = Connection(ours.detach())
        self.has: set[int] = set()
        self.reading: int | None = None
        self.wants = 0
        self.told_last = False
        with contextlib.suppress(OSError):  # it has ended already: that is read from the link
            self.link.send((work, in_flight, deadlines))

    def end(self) -> int:
        """Close the link and wait for its end; its exit status."""
        self.link.close()
        try:
            return self.program.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.program.kill()  # it owns nothing that it would have to put in order
            return self.program.wait()


class _Crew:
    """All processes of one `spread`.  `left` is what is not done when they have ended too often."""

    def __init__(self, items: Sequence[Any], work: Any, count: int, in_flight: int, deadlines: ssh.Deadlines) -> None:
        self._items, self._work = items, work
        self._settings = (-(-in_flight // count), deadlines)
        self._pending = deque(range(len(items)))
        self._undone = set(self._pending)
        self._struck: set[int] = set()
        self._deaths = 0
        self._crew: dict[Connection, _Process] = {}
        for _ in range(count):
            self._hire()

    @property
    def left(self) -> list[Any]:
        return [self._items[index] for index in sorted(self._undone)]

    def values(self) -> Iterator[Any]:
        """Values as they come, until all are there or the processes ended too often."""
        while self._undone and self._crew:
            for link in wait(list(self._crew)):
                assert isinstance(link, Connection)
                process = self._crew[link]
                try:
                    message = link.recv()
                except (EOFError, OSError):
                    yield from self._bury(process)
                    continue
                yield from self._heard(process, message)

    def close(self) -> None:
        """End them all."""
        for process in self._crew.values():
            process.link.close()
        for process in self._crew.values():
            process.end()
        self._crew.clear()

    def _hire(self) -> None:
        process = _Process(self._work, *self._settings)
        self._crew[process.link] = process

    def _heard(self, process: _Process, message: tuple[Any, ...]) -> Iterator[Any]:
        if message[0] == "want":
            process.wants = message[1]
            self._give(process)
        elif message[0] == "reading":
            process.reading = message[1]
        else:
            _, index, value = message
            process.reading = None
            process.has.discard(index)
            if index in self._undone:
                self._undone.discard(index)
                yield value

    def _give(self, process: _Process) -> None:
        """Answer a process that wants items; without any left, it hears so once, and later if others' come back."""
        fair = -(-len(self._pending) // (2 * len(self._crew)))  # towards the end less and less, so that all end together
        indexes = [self._pending.popleft() for _ in range(min(process.wants, _BATCH, fair))]
        if not indexes and process.told_last:
            return
        process.has.update(indexes)
        process.told_last = not self._pending
        if indexes:
            process.wants = 0
        try:
            process.link.send(([(index, self._items[index]) for index in indexes], bool(self._pending)))
        except OSError:
            return  # it has just ended; its end is read from the link

    def _bury(self, process: _Process) -> Iterator[Any]:
        """A process has ended with items undone: they go to the others."""
        del self._crew[process.link]
        status = process.end()
        self._deaths += 1
        back = sorted(process.has & self._undone)
        if process.reading is not None and process.reading in back:
            back.remove(process.reading)
            if process.reading in self._struck:
                self._undone.discard(process.reading)
                how = f"signal {-status}" if status < 0 else f"exit status {status}"
                yield self._work.lost(
                    self._items[process.reading], f"internal: two processes ended while they read its answer (the last by {how})"
                )
            else:
                self._struck.add(process.reading)
                self._pending.append(process.reading)
        self._pending.extendleft(reversed(back))
        if self._deaths <= _DEATHS and self._undone:
            self._hire()
        for other in list(self._crew.values()):
            if other.wants:
                self._give(other)


def main() -> None:
    """A process of the crew: `argv[1]` is the descriptor of its link.  It ends when the link does, whatever it is doing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    link = Connection(int(sys.argv[1]))
    try:
        work, in_flight, deadlines = link.recv()
        _serve(link, work, in_flight, deadlines)
    except (EOFError, OSError):
        pass  # the caller has gone
    os._exit(0)  # threads that still visit the plain way are left behind


def _serve(link: Connection, work: Work[Any, Any], in_flight: int, deadlines: ssh.Deadlines) -> None:
    loop = ssh.Loop(in_flight=in_flight, deadlines=deadlines)
    loop.watch(link.fileno())
    loop.expecting = True
    belongs: dict[ssh.Job, tuple[int, Any]] = {}
    asked = False
    while True:
        if not asked and loop.room > 0:  # no item waits here that another process might begin
            link.send(("want", loop.room))
            asked = True
        done = loop.turn()
        while link.poll():
            items, loop.expecting = link.recv()
            asked = asked and not items
            for index, item in items:
                job = work.job(item)
                belongs[job] = (index, item)
                loop.submit(job)
        for job, seen in done:
            index, item = belongs.pop(job)
            link.send(("reading", index))
            value = _value(work, job, item, seen)
            link.send(("value", index, value))
