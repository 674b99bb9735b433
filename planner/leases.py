"""Leases in the catalogue: of all planners that share one, one works on a move, and one changes a machine, at a time.

In: the catalogue, names.  Out: a `Holder` that has them until it lets go, dies, or cannot renew them.  A lease that was not renewed for
`SECONDS` belongs to whoever asks next; one whose process is gone from this very machine is free at once.  The database's own clock counts,
because two planners' clocks may differ.
"""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from inventory import catalogue, model
from inventory.errors import CatalogueError, RunError

SECONDS = 90.0
"""A planner that has not renewed for so long is taken for dead."""
RENEWED_EVERY = 20.0
_LEASE = model.table(model.Lease)


def _machine() -> str:
    """This boot of this machine: another boot's processes are gone, whatever their numbers."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _began(pid: int) -> str:
    """When a process began, in ticks since boot: its number may have been given to another since.  '' when there is none.

    One that has ended and whose parent has not asked how is none.  Source: proc(5), fields 3 and 22 of /proc/PID/stat, counted behind the
    command's closing parenthesis.
    """
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return "" if words[0] in {"Z", "X"} else words[19]
    except (OSError, IndexError):
        return ""


def identity() -> str:
    """Of this process, and of one run in it."""
    return f"{_machine()}:{os.getpid()}:{_began(os.getpid()) or _UNSEEN}:{secrets.token_hex(4)}"


_UNSEEN = "unseen"
"""Stands for when a process began that cannot see itself: /proc may be that of another namespace."""


def gone(holder: str) -> bool:
    """Whether a holder was a process of this boot of this machine, and is no more."""
    machine, pid, began, *_ = [*holder.split(":"), "", "", ""]
    if machine != _machine() or not pid.isdigit():
        return False
    if began != _UNSEEN:
        return _began(int(pid)) != began
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def now(session: Session) -> datetime:
    """The database's clock."""
    value = session.scalar(
        select(func.clock_timestamp() if session.get_bind().dialect.name == "postgresql" else func.strftime("%s", "now"))
    )
    return value if isinstance(value, datetime) else datetime.fromtimestamp(int(str(value)), UTC)


@dataclass
class Holder:
    """One run's leases.  `lost` is called, once, when they could not be renewed in time: whatever is being done has to stop."""

    book: catalogue.Catalogue
    run: str = ""
    lost: Callable[[], None] = lambda: None
    identity: str = field(default_factory=identity)
    _names: set[str] = field(default_factory=set)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def who(self) -> str:
        """For people: who holds it, where, in which run."""
        return f"{getpass.getuser()} on {socket.gethostname()}, process {os.getpid()}" + (f", run {self.run}" if self.run else "")

    def take(self, name: str) -> str:
        """Take a lease.  Returns who has it, '' when it is ours now."""
        with self.book.session() as session:
            moment = now(session)
            until = moment + timedelta(seconds=SECONDS)
            row = session.execute(select(_LEASE).where(_LEASE.c.name == name)).one_or_none()
            if row is None:
                try:
                    with session.begin_nested():
                        session.execute(insert(_LEASE).values(name=name, holder=self.identity, who=self.who, until=until))
                except IntegrityError:  # somebody was quicker
                    return session.scalar(select(_LEASE.c.who).where(_LEASE.c.name == name)) or "another planner"
            elif row.holder != self.identity:
                if moment < row.until <= moment + timedelta(seconds=2 * SECONDS) and not gone(
                    row.holder
                ):  # further ahead: a clock was wrong
                    return str(row.who)
                taken = update(_LEASE).where(_LEASE.c.name == name, _LEASE.c.holder == row.holder, _LEASE.c.until == row.until)
                if session.execute(taken.values(holder=self.identity, who=self.who, until=until)).rowcount != 1:  # type: ignore[attr-defined]
                    return "another planner"
        with self._guard:
            self._names.add(name)
        return ""

    def drop(self, names: Iterable[str]) -> None:
        """Let leases go; what was lost already stays with whoever has it."""
        wanted = set(names)
        with self._guard:
            self._names -= wanted
        with self.book.session() as session:
            for name in sorted(wanted):
                session.execute(delete(_LEASE).where(_LEASE.c.name == name, _LEASE.c.holder == self.identity))

    def check(self, session: Session, name: str) -> None:
        """Renew a lease in the transaction of what it guards.  Raises RunError when it is no longer ours."""
        until = now(session) + timedelta(seconds=SECONDS)
        kept = update(_LEASE).where(_LEASE.c.name == name, _LEASE.c.holder == self.identity).values(until=until)
        if session.execute(kept).rowcount != 1:  # type: ignore[attr-defined]
            raise RunError(f"the lease of {name} was lost to another planner", hint="planner status shows what it does")

    def renew(self) -> bool:
        """Renew all of them; False when one was lost."""
        with self._guard:
            names = sorted(self._names)
        if not names:
            return True
        with self.book.session() as session:
            until = now(session) + timedelta(seconds=SECONDS)
            mine = or_(*(_LEASE.c.name == name for name in names))
            kept = session.execute(update(_LEASE).where(mine, _LEASE.c.holder == self.identity).values(until=until))
        with self._guard:  # what was let go meanwhile is not lost
            return int(kept.rowcount) >= len(self._names & set(names))  # type: ignore[attr-defined]

    @contextmanager
    def working(self) -> Iterator[Holder]:
        """Renew in the background; at the end everything is let go."""
        over = threading.Event()

        def keep() -> None:
            good = time.monotonic()
            while not over.wait(RENEWED_EVERY):
                try:
                    kept = self.renew()
                    good = time.monotonic() if kept else good
                except CatalogueError:
                    kept = time.monotonic() - good < SECONDS - 2 * RENEWED_EVERY  # tried again while nobody else can have taken it
                if not kept:
                    self.lost()
                    return

        thread = threading.Thread(target=keep, daemon=True, name="leases")
        thread.start()
        try:
            yield self
        finally:
            over.set()
            thread.join()
            with self._guard:
                left = set(self._names)
            if left:
                self.drop(left)

    @contextmanager
    def machines(self, names: Iterable[str], waiting: Callable[[str], None], stopped: Callable[[], bool]) -> Iterator[None]:
        """Hold some machines, waiting for whoever changes them.  Raises RunError when the run is stopped meanwhile.

        All are taken in the order of their names, so that two that want the same ones never wait for each other.
        """
        taken: list[str] = []
        try:
            for name in sorted({f"machine:{name}" for name in names}):
                told = False
                while who := self.take(name):
                    if stopped():
                        raise RunError(f"stopped while waiting for {name.partition(':')[2]}", hint="planner run goes on there")
                    if not told:
                        waiting(f"waits for {name.partition(':')[2]}, which {who} is changing")
                        told = True
                    time.sleep(0.2)
                taken.append(name)
            yield
        finally:
            if taken:
                self.drop(taken)
