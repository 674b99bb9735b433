"""What the benches share: peers to visit, clients as processes of their own, rounds in turn, medians, a table and a JSON file.

A client is a program that visits all addresses of a file (`address port` a line) and prints one line of JSON: {"done": hosts, "seconds":
wall time without its imports}.  Its CPU (of itself and of the processes it waited for) and its memory are read from the kernel when it
ends.  Rounds go through the clients in turn, so that what else the machine does falls on all of them; what counts are ratios.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BENCH = Path(__file__).resolve().parent
ROOT = BENCH.parent
SCRIPT = BENCH / "collector.sh"
OURS = (sys.executable, str(BENCH / "clients" / "ours.py"))


def arguments(about: str) -> argparse.ArgumentParser:
    """Options that every bench has."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--quick", action="store_true", help="smaller numbers, one round: under two minutes")
    parser.add_argument("--rounds", type=int, default=3)
    return parser


def peers_python() -> str:
    """The Python of bench/.venv, with what `requirements.txt` names."""
    wanted = hashlib.sha256((BENCH / "requirements.txt").read_bytes()).hexdigest()
    stamp = BENCH / ".venv" / ".stamp"
    if not stamp.exists() or stamp.read_text() != wanted:
        say("installing the peers into bench/.venv")
        subprocess.run([sys.executable, "-m", "venv", BENCH / ".venv"], check=True)
        subprocess.run([BENCH / ".venv/bin/pip", "install", "-q", "-r", BENCH / "requirements.txt"], check=True)
        stamp.write_text(wanted)
    return str(BENCH / ".venv/bin/python")


def _light_peer() -> Path:
    """The light peer's program, built by Debian's Go and its ssh library."""
    source, program = BENCH / "lightpeer" / "main.go", BENCH / ".build" / "lightpeer"
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return program
    if not shutil.which("go") or not Path("/usr/share/gocode/src/golang.org/x/crypto/ssh").exists():
        if os.getuid():
            sys.exit("bench: as root: apt-get install golang-go golang-golang-x-crypto-dev")
        say("installing Go")
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "golang-go", "golang-golang-x-crypto-dev"]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    program.parent.mkdir(exist_ok=True)
    subprocess.run(
        ["go", "build", "-o", program, source], check=True, env={**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode"}
    )
    return program


def addresses(count: int) -> list[str]:
    """Loopback addresses that behave."""
    return [f"127.{1 + n // 62_500}.{n // 250 % 250}.{1 + n % 250}" for n in range(count)]


@dataclass
class Server:
    """Peers at work: a port at every loopback address, their host key (`ssh-ed25519 AAAA…`), and a folder for keys and lists."""

    port: int
    key: str
    folder: Path
    cpu: float = 0.0  # of the server and all its children, once it has ended

    def hosts(self, count: int, dead: Sequence[tuple[str, int]] = ()) -> Path:
        """A file of hosts, dead ones spread among them; known_hosts beside it (`<file>.known`)."""
        lines = [(address, self.port) for address in addresses(count - len(dead))]
        step = max(1, len(lines) // max(1, len(dead)))
        for place, one in enumerate(dead):
            lines.insert(place * (step + 1), one)
        path = self.folder / f"hosts-{count}"
        path.write_text("".join(f"{address} {port}\n" for address, port in lines))
        known = [f"[{address}]:{port} {self.key}\n" if port != 22 else f"{address} {self.key}\n" for address, port in lines]
        Path(f"{path}.known").write_text("".join(known))
        return path


def many_descriptors() -> None:
    """Thousands of sockets are wanted, by us and by what we start."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="planner-bench-"))
    try:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "client"], check=True)
        yield folder
    finally:
        shutil.rmtree(folder)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("0.0.0.0", 0))
        return int(one.getsockname()[1])


@contextmanager
def light_peers(*, delay: float = 0.0, reply: bytes = b"a line that some section printed\n" * 180) -> Iterator[Server]:
    """Servers so cheap that the client is what is measured."""
    many_descriptors()
    with _folder() as folder:
        port = free_port()
        (folder / "reply").write_bytes(reply)
        command = [_light_peer(), "-address", f"0.0.0.0:{port}", "-reply", folder / "reply", "-delay", f"{delay}s"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as program:
            assert program.stdout is not None
            assert program.stdin is not None
            server = Server(port, program.stdout.readline().strip(), folder)
            try:
                yield server
            finally:
                program.stdin.close()
                _, _, usage = os.wait4(program.pid, 0)
                program.returncode = 0
                server.cpu = usage.ru_utime + usage.ru_stime


@contextmanager
def real_sshd() -> Iterator[Server]:
    """OpenSSH's server for the current user, on every loopback address; its CPU is known when it has ended."""
    with _folder() as folder:
        port = free_port()
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "host"], check=True)
        (folder / "home").mkdir()
        (folder / "sshd_config").write_text(
            f"Port {port}\nListenAddress 0.0.0.0\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/client.pub\n"
            "StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
            "MaxStartups 1000\nMaxSessions 100\nLogLevel ERROR\nSubsystem sftp internal-sftp\n"
            f"SetEnv HOME={folder}/home\n"  # whatever the account's own profile does at each login is nobody's merit
        )
        sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin") or sys.exit("bench: apt-get install openssh-server")
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        program = subprocess.Popen([sshd, "-D", "-f", folder / "sshd_config"], stderr=subprocess.DEVNULL)
        server = Server(port, " ".join((folder / "host.pub").read_text().split()[:2]), folder)
        while program.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        try:
            yield server
        finally:
            time.sleep(0.3)  # its last sessions end
            program.terminate()
            _, _, usage = os.wait4(program.pid, 0)
            program.returncode = 0
            server.cpu = usage.ru_utime + usage.ru_stime


@contextmanager
def dead_port() -> Iterator[int]:
    """A port whose queue is full and never emptied: no connection is ever answered, as with a host that is off."""
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", listener.getsockname()[1]))
        yield listener.getsockname()[1]
        for one in waiting:
            one.close()


@dataclass
class Measured:
    """One run of a client."""

    done: int
    seconds: float
    cpu: float
    rss_mb: float
    more: dict[str, Any]


def run(
    command: Sequence[str | Path], *, stdin: Path | None = None, count: Callable[[str], int] | None = None, limit: float = 300
) -> Measured:
    """A client to its end.  `count` finds in what it printed how many hosts it did; without, its last line is JSON."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SSH_AUTH_SOCK": ""}
    with Path(stdin or os.devnull).open("rb") as given, tempfile.TemporaryFile("w+") as out:
        begun = time.perf_counter()
        program = subprocess.Popen(command, stdin=given, stdout=out, stderr=subprocess.STDOUT if count else None, env=environment)
        pid, usage = 0, None
        while not pid:
            pid, _, usage = os.wait4(program.pid, os.WNOHANG)
            if time.perf_counter() - begun > limit:
                program.kill()
            if not pid:
                time.sleep(0.005)
        program.returncode = 0
        seconds = time.perf_counter() - begun
        out.seek(0)
        text = out.read()
    assert usage is not None
    cpu, rss = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    if count:
        return Measured(count(text), seconds, cpu, rss, {})
    try:
        said = json.loads(text.strip().splitlines()[-1])
    except (IndexError, ValueError):
        return Measured(0, seconds, cpu, rss, {"failed": text[-300:]})
    return Measured(said.pop("done"), said.pop("seconds"), said.pop("cpu", cpu), said.pop("rss_mb", rss), said)


def rows(rounds: dict[str, list[Measured]], hosts: dict[str, int]) -> list[dict[str, Any]]:
    """Medians of each client."""
    found = []
    for name, runs in rounds.items():
        rate = statistics.median(one.done / one.seconds for one in runs)
        cpu = statistics.median(1000 * one.cpu / max(1, one.done) for one in runs)
        found.append({
            "client": name, "hosts": hosts[name], "done": min(one.done for one in runs), "rounds": len(runs),
            "hosts_per_s": round(rate, 1), "seconds": round(statistics.median(one.seconds for one in runs), 2),
            "cpu_ms_per_host": round(cpu, 2), "rss_mb": round(statistics.median(one.rss_mb for one in runs)), **runs[0].more,
        })  # fmt: skip
    return found


def publish(bench: str, found: list[dict[str, Any]], ratios: dict[str, Any], **more: Any) -> None:
    """Print the table and the ratios, and keep all of it in bench/results/<bench>.json."""
    columns = list(dict.fromkeys(name for row in found for name in row))
    widths = {name: max(len(name), *(len(str(row.get(name, ""))) for row in found)) for name in columns}
    print(" ".join(name.ljust(widths[name]) for name in columns))
    for row in found:
        print(" ".join(str(row.get(name, "")).ljust(widths[name]) for name in columns))
    for name, value in ratios.items():
        print(f"{name}: {value}")
    load = [round(value, 1) for value in os.getloadavg()]
    print(f"load at the end: {load[0]}, {load[1]}, {load[2]} on {os.cpu_count()} cores")
    path = BENCH / "results" / f"{bench}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        json.dumps({"bench": bench, "rows": found, "ratios": ratios, "load": load, "cores": os.cpu_count(), **more}, indent=1) + "\n"
    )


def say(text: str) -> None:
    """A note on stderr."""
    print(text, file=sys.stderr, flush=True)
