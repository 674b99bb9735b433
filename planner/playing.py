"""A playbook of a bundle played by ansible-runner: the only importer of it.  What is running can be stopped; what a kill left is ended.

In: a bundle, a playbook's name, options.  Out: `Outcome`; ansible-runner's artifacts in a folder of their own.  Several may be played at
once, each in a thread of its own: nothing here is shared but `Stop`.
"""

from __future__ import annotations

import os
import queue
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import ansible_runner

from inventory.errors import MissingProgram


@dataclass
class Outcome:
    """How a playbook ended: `changes` are the tasks that changed something, `trouble` the failed tasks' words, `proved` our scripts'.

    `machines`: those on which something failed.
    """

    ok: bool
    changes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    trouble: list[str] = field(default_factory=list)
    proved: list[str] = field(default_factory=list)
    cancelled: bool = False
    machines: set[str] = field(default_factory=set)


class Stop:
    """Ctrl-C: the first lets the running step end and stops before the next, the second ends the running playbook."""

    def __init__(self) -> None:
        self.soon = threading.Event()
        self.now = threading.Event()

    @contextmanager
    def listening(self, say: Callable[[str], None]) -> Iterator[None]:
        """Take SIGINT and SIGTERM while moves run, and give them back."""

        def handle(_number: int, _frame: FrameType | None) -> None:
            if self.soon.is_set():
                self.now.set()
            else:
                self.soon.set()
                say("stopping after this step; once more to stop it in the middle")

        kept = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)


def program() -> Path:
    """ansible-playbook, as it stands beside this Python."""
    return Path(sys.executable).parent / "ansible-playbook"


def playbook(folder: Path, name: str, artifacts: Path, say: Callable[[str], None], stop: Stop, *options: str) -> Outcome:
    """Run one playbook of a bundle with more options of ansible-playbook.  Raises MissingProgram."""
    if not program().exists():
        raise MissingProgram(f"{program()} is not there", hint="install ansible-core into the planner's environment")
    artifacts.mkdir(parents=True, exist_ok=True, mode=0o700)
    events: queue.SimpleQueue[Mapping[str, Any] | None] = queue.SimpleQueue()
    outcome = Outcome(False)

    def listen() -> None:
        # ansible-runner's own thread must never wait for ours, nor see an exception of ours: it only fills the queue
        while (event := events.get()) is not None:
            _take(event, outcome, say)

    def handler(event: Mapping[str, Any]) -> bool:
        events.put(event)
        return True

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    begun = time.monotonic()
    kept = signal.getsignal(signal.SIGINT)
    try:
        runner = ansible_runner.run(
            private_data_dir=str(artifacts),
            project_dir=str(folder),
            playbook=name,
            inventory=str(folder / "inventory" / "hosts.json"),
            envvars={
                "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
                "PATH": f"{program().parent}:{os.environ.get('PATH', '/usr/bin:/bin')}",
                "ANSIBLE_LOCALHOST_WARNING": "False",
                "ANSIBLE_NOCOLOR": "True",
                "LC_ALL": "C.UTF-8",
            },
            cmdline=shlex.join(options) or None,
            event_handler=handler,
            cancel_callback=stop.now.is_set,
            suppress_env_files=True,
            quiet=True,
        )
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, kept)  # ansible-runner leaves its own; in a thread it can set none
        events.put(None)
        listener.join(timeout=30)
    outcome.seconds = time.monotonic() - begun
    outcome.cancelled = runner.status == "canceled"
    outcome.ok = runner.status == "successful"
    if not outcome.ok and not outcome.trouble:
        outcome.trouble.append("stopped" if outcome.cancelled else _unreported(runner, artifacts))
    return outcome


def _unreported(runner: Any, artifacts: Path) -> str:
    """What ansible-playbook itself said when no task could: a role that cannot be read, an inventory that is broken."""
    with runner.stdout as text:
        lines = [line.strip() for line in text if "ERROR" in line][:3]
    return " ".join(lines) or f"ansible-playbook ended with {runner.rc}, see {artifacts}"


def _take(event: Mapping[str, Any], outcome: Outcome, say: Callable[[str], None]) -> None:
    data = event.get("event_data") or {}
    kind, result = event.get("event"), data.get("res") or {}
    if kind == "runner_on_ok":
        outcome.proved += [line.partition("planner: proved: ")[2] for line in _lines(result) if line.startswith("planner: proved: ")]
    if kind == "playbook_on_task_start":
        say(str(data.get("name") or data.get("task") or ""))
    elif kind == "runner_on_ok" and result.get("changed"):
        outcome.changes.append(f"{data.get('host')}: {data.get('task')}")
    elif kind in {"runner_on_failed", "runner_on_unreachable"} and not data.get("ignore_errors"):
        outcome.trouble.append(f"{data.get('host')}: {data.get('task')}: {_words(result)}")
        outcome.machines.add(str(data.get("host")))


def _lines(result: Mapping[str, Any]) -> list[str]:
    return str(result.get("stdout") or "").splitlines()


def _words(result: Mapping[str, Any]) -> str:
    """What a failed task says: our scripts' own sentence if there is one."""
    for key in ("stdout", "stderr", "msg", "module_stderr"):
        text = str(result.get(key) or "")
        for line in text.splitlines():
            if "planner: failed:" in line:
                return line.partition("planner: failed:")[2].strip()
    return str(result.get("msg") or result.get("stderr") or result.get("stdout") or "no reason given").strip()[:2000]


def end_leftovers(folder: Path, moves: Collection[str], seconds: float = 10.0) -> int:
    """End playbooks of these moves that a killed planner left behind: two at once would do things twice.  Returns how many there were."""
    found = _playbooks_in(folder, moves)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in _playbooks_in(folder, moves):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        until = time.monotonic() + seconds
        while _playbooks_in(folder, moves) and time.monotonic() < until:
            time.sleep(0.1)
    return len(found)


def _playbooks_in(folder: Path, moves: Collection[str]) -> list[int]:
    pids, wanted = [], tuple(f"moves/{move}/".encode() for move in moves)
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes()
            if b"ansible-playbook" in line and any(name in line for name in wanted) and (entry / "cwd").readlink() == folder.resolve():
                pids.append(int(entry.name))
        except OSError:
            continue
    return [pid for pid in pids if pid != os.getpid()]
