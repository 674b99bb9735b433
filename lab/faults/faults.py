"""What can go wrong: how each fault strikes, and how it is over.

In: the `Subject` and the running command.  A strike returns whether there was anything to strike (no playbook runs while pages are
compared).  A machine that loses its power also falls silent: its cable is out before it ends, so that nobody is told.
"""

from __future__ import annotations

import base64
import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from campuslab import LabError, hosts

from faults.subject import DESTINATION, NAMES, SOURCE, Subject

JUMPS = (6 * 3600, -6 * 3600, 40 * 86400)
"""Seconds."""
SHIM = Path(__file__).with_name("clock.c")
PRELOADED, MOVED = "/usr/lib/lab-clock.so", "/etc/lab-clock"
FILL = "/var/lib/.lab-full"


@dataclass(frozen=True)
class Fault:
    """One fault.  `lasts`: it has a length; the others are over at once."""

    name: str
    strike: Callable[[Subject, subprocess.Popen[str], random.Random], bool]
    mend: Callable[[Subject], None]
    lasts: bool = True


def _nothing(_: Subject) -> None:
    return None


def descendants(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from descendants(int(child))


def _arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def planners(run: subprocess.Popen[str]) -> list[int]:
    """The product's own processes of a command."""
    return [pid for pid in descendants(run.pid) if _arguments(pid)[1:3] == ["-m", "planner"]]


def playbooks(subject: Subject) -> list[int]:
    """ansible-playbook processes of this workspace."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(word.endswith("ansible-playbook") for word in _arguments(int(entry.name))[:3]) and str(subject.folder) in str(
                (entry / "cwd").readlink()
            ):
                found.append(int(entry.name))
    return found


def kill(pid: int) -> None:
    """End a process at once, if it is there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _kill(pids: list[int]) -> bool:
    for pid in pids:
        kill(pid)
    return bool(pids)


def _kill_planner(_: Subject, run: subprocess.Popen[str], __: random.Random) -> bool:
    return _kill(planners(run))


def _kill_ansible(subject: Subject, run: subprocess.Popen[str], __: random.Random) -> bool:
    until = time.monotonic() + 3
    while not (found := playbooks(subject)) and run.poll() is None and time.monotonic() < until:
        time.sleep(0.01)  # the journal tells of a step before its playbook begins
    return _kill(found)


def _power(host: str) -> Fault:
    def strike(subject: Subject, _: subprocess.Popen[str], __: random.Random) -> bool:
        hosts.set_cable(subject.lab, host, "down")
        hosts.switch_off(subject.lab, host, pull_the_plug=True)
        return True

    def mend(subject: Subject) -> None:
        hosts.set_cable(subject.lab, host, "up")
        subject.start(host)

    return Fault(f"power-{_side(host)}", strike, mend)


def _cut(host: str) -> Fault:
    def strike(subject: Subject, _: subprocess.Popen[str], __: random.Random) -> bool:
        hosts.set_cable(subject.lab, host, "down")
        return True

    def mend(subject: Subject) -> None:
        hosts.set_cable(subject.lab, host, "up")

    return Fault(f"cut-{_side(host)}", strike, mend)


def _full(host: str) -> Fault:
    def strike(subject: Subject, _: subprocess.Popen[str], __: random.Random) -> bool:
        subject.on(host, f"fallocate -l $(($(stat -f -c '%a * %S' /var/lib))) {FILL}; cat /dev/zero >> {FILL} 2>/dev/null; true")
        return True

    def mend(subject: Subject) -> None:
        subject.on(host, f"rm -f {FILL}")

    return Fault(f"full-{_side(host)}", strike, mend)


def _fill_planner(subject: Subject, _: subprocess.Popen[str], __: random.Random) -> bool:
    space = os.statvfs(subject.folder)
    with (subject.folder / ".full").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        os.posix_fallocate(file.fileno(), 0, space.f_bavail * space.f_frsize)
        file.seek(0, os.SEEK_END)
        while True:
            file.write(bytes(4096))
    return True


def _empty_planner(subject: Subject) -> None:
    (subject.folder / ".full").unlink(missing_ok=True)


def _restart(host: str) -> Fault:
    def strike(subject: Subject, _: subprocess.Popen[str], __: random.Random) -> bool:
        try:
            subject.on(host, "systemctl restart mariadb")
        except LabError:  # not installed there yet
            return False
        return True

    return Fault(f"database-{_side(host)}", strike, _nothing, lasts=False)


def _names_down(subject: Subject, _: subprocess.Popen[str], __: random.Random) -> bool:
    subject.on(NAMES, "systemctl stop named")
    return True


def _names_up(subject: Subject) -> None:
    subject.on(NAMES, "systemctl start named; for i in 1 2 3 4 5 6 7 8 9; do rndc status >/dev/null && exit 0; sleep 0.3; done; exit 1")


def _wrong_key(subject: Subject, _: subprocess.Popen[str], __: random.Random) -> bool:
    path, right = subject.folder / "tsig.key", subject.lab.tsig.read_text()
    secret = right.split('secret "')[1].split('"')[0]
    path.write_text(right.replace(secret, base64.b64encode(bytes(len(base64.b64decode(secret)))).decode()))
    return True


def _right_key(subject: Subject) -> None:
    (subject.folder / "tsig.key").write_text(subject.lab.tsig.read_text())


def shim(subject: Subject) -> Path | None:
    """What gives single processes another wall clock, since a lab's hosts have none of their own; None when nothing here compiles it."""
    library = subject.lab.run / "clock.so"
    if not library.exists():
        if shutil.which("cc") is None:
            return None
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, SHIM], check=True, capture_output=True)
    return library


def clock(subject: Subject) -> dict[str, str]:
    """What a command of the product is started with, so that its wall clock can jump while it runs."""
    library = shim(subject)
    _clock_right(subject)
    return {"LD_PRELOAD": str(library), "LAB_CLOCK": str(subject.lab.run / "clock")} if library else {}


def _clock_planner(subject: Subject, _: subprocess.Popen[str], chance: random.Random) -> bool:
    (subject.lab.run / "clock").write_text(str(chance.choice(JUMPS)))
    return shim(subject) is not None


def _clock_right(subject: Subject) -> None:
    (subject.lab.run / "clock").write_text("0")


def _clock(host: str) -> Fault:
    def strike(subject: Subject, _: subprocess.Popen[str], chance: random.Random) -> bool:
        if (library := shim(subject)) is None:
            return False
        Path(f"/proc/{hosts.leader(subject.lab, host)}/root{PRELOADED}").write_bytes(library.read_bytes())
        # from now on for every process that starts there: the one of each login, of sudo, of each program
        subject.on(host, f"chmod 755 {PRELOADED}; echo {chance.choice(JUMPS)} > {MOVED}; echo {PRELOADED} > /etc/ld.so.preload")
        return True

    def mend(subject: Subject) -> None:
        subject.on(host, f"rm -f /etc/ld.so.preload {MOVED}; sleep 0.2; rm -f {PRELOADED}")

    return Fault(f"clock-{_side(host)}", strike, mend)


def _side(host: str) -> str:
    return {SOURCE: "source", DESTINATION: "destination", NAMES: "names"}[host]


EVERY = (
    Fault("kill-planner", _kill_planner, _nothing, lasts=False),
    Fault("kill-ansible", _kill_ansible, _nothing, lasts=False),
    _power(SOURCE),
    _power(DESTINATION),
    _cut(SOURCE),
    _cut(DESTINATION),
    _full(SOURCE),
    _full(DESTINATION),
    Fault("full-planner", _fill_planner, _empty_planner),
    _restart(SOURCE),
    _restart(DESTINATION),
    Fault("dns-down", _names_down, _names_up),
    Fault("wrong-tsig", _wrong_key, _right_key),
    Fault("clock-planner", _clock_planner, _clock_right),
    _clock(SOURCE),
    _clock(DESTINATION),
)
BY_NAME = {fault.name: fault for fault in EVERY}


def wait_gone(pids: list[int], seconds: float = 5.0) -> None:
    """Until processes have ended."""
    until = time.monotonic() + seconds
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < until:
        time.sleep(0.02)
