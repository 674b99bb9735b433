"""Start hosts side by side, seed the new ones, and print one line for each.

In: a `Lab` and names.  Out: running hosts and the files that others read (known_hosts, tsig.key); `LabError` names each host that is
not as it should be, with the end of its log.
"""

import contextlib
import fcntl
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from campuslab import LabError
from campuslab.configuration import Host
from campuslab.holder import enter, start
from campuslab.hosts import execute, wait_until_running
from campuslab.layout import COMMAND, SEEDS, Lab

AT_ONCE = 4  # hosts that boot side by side
TAIL = 15  # lines of a log that say what went wrong


@dataclass
class Outcome:
    """How one host's start went; times in seconds."""

    name: str
    state: str = "not started"
    boot: float = 0.0
    seed: float = 0.0
    trouble: str = ""  # what the user should read when it did not go well


def up(lab: Lab, names: Sequence[str]) -> None:
    """Start these hosts; a running one is left alone."""
    began = time.monotonic()
    with _alone(lab, "holder"):
        holder = start(lab)
    held = time.monotonic() - began
    (lab.run / "seeded").mkdir(exist_ok=True)
    outcomes = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for outcome in pool.map(lambda name: _start(lab, holder, name), names):
            outcomes.append(outcome)
            address = lab.configuration.hosts[outcome.name].ip
            print(f"{outcome.name:12} {address:16} {outcome.state:10} boot {outcome.boot:.1f}s seed {outcome.seed:.1f}s", flush=True)
    _write_known_hosts(lab)
    print(f"lab up in {time.monotonic() - began:.1f}s (holder {held:.1f}s)", flush=True)
    troubled = [outcome for outcome in outcomes if outcome.trouble]
    for outcome in troubled:
        print(f"-- {outcome.name}: {outcome.trouble}", file=sys.stderr)
    if troubled:
        raise LabError(f"not as they should be: {', '.join(outcome.name for outcome in troubled)}; all logs are in {lab.log}/")


def _start(lab: Lab, holder: int, name: str) -> Outcome:
    host, outcome, began = lab.configuration.hosts[name], Outcome(name), time.monotonic()
    with _alone(lab, name):
        result = enter(holder, [sys.executable, COMMAND, "_host_up", name], capture=True)
        if result.returncode:
            outcome.trouble = f"could not be started: {result.stderr.strip()}"
            return outcome
        outcome.state = wait_until_running(lab, name)
        outcome.boot, began = time.monotonic() - began, time.monotonic()
        if outcome.state == "degraded":
            failed = execute(lab, name, ["systemctl", "--failed", "--no-legend", "--plain"], capture=True).stdout
            outcome.trouble = f"units failed:\n{failed.rstrip()}\nmore: lab exec {name} journalctl -b"
        elif outcome.state != "running":
            outcome.trouble = f"did not finish booting ({lab.log / name}):\n{_tail(lab.log / name)}"
            return outcome
        seeding = _seed(lab, host)
        if seeding:
            outcome.state += " SEED FAILED"
            outcome.trouble = seeding
        if host.role == "dns":  # what the name server's administrator hands out to those who may change the zone
            lab.tsig.touch(0o600)
            lab.tsig.write_text(execute(lab, name, ["cat", "/etc/bind/lab-key.conf"], capture=True).stdout)
        outcome.seed = time.monotonic() - began
    return outcome


def _seed(lab: Lab, host: Host) -> str:
    """Run a new host's seed once; what went wrong, or nothing.

    Seeds are not made to run twice.  The mark says "started" meanwhile, so that an interrupted one is not taken for a good one.
    """
    mark, log = lab.seeded(host.name), lab.log / f"{host.name}.seed"
    if mark.exists():
        said = mark.read_text()
        return f"its seed {said} earlier; `lab reset {host.name}` starts it afresh ({log}):\n{_tail(log)}" if said else ""
    if host.seed:
        mark.write_text("was interrupted")
        environment = [f"HOST={host.name}", f"IP={host.ip}", f"DOMAIN={lab.configuration.domain}"]
        with (SEEDS / host.seed).open() as script, log.open("wb") as output:
            result = execute(lab, host.name, ["env", *environment, "bash", "-eu"], stdin=script, log=output)
        if result.returncode:
            mark.write_text("failed")
            return f"its seed failed with code {result.returncode} ({log}):\n{_tail(log)}"
    mark.write_text("")
    return ""


def _write_known_hosts(lab: Lab) -> None:
    """The keys of all hosts started so far.  Replaced in one go: others read it at any time."""
    lines = []
    for name, host in lab.configuration.hosts.items():
        public = lab.host_keys(name) / "ssh_host_ed25519_key.pub"
        if public.exists():
            lines.append(f"{host.ip},{name},{name}.{lab.configuration.domain} {public.read_text()}")
    part = lab.run / "known_hosts.part"
    part.write_text("".join(lines))
    part.rename(lab.known_hosts)


@contextlib.contextmanager
def _alone(lab: Lab, what: str) -> Iterator[None]:
    """Two `lab up` at the same time must not start or seed the same thing twice: the second waits."""
    folder = lab.run / "lock"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / what).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _tail(path: Path) -> str:
    try:
        lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()][-TAIL:]
    except OSError:
        lines = []
    return "\n".join(f"   | {line}" for line in lines) or "   | (the log is empty)"
