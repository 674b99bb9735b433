from __future__ import annotations

import base64
import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from inventory import ssh

TESTS = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of key pairs: `host`, `other` (for hosts), `client`, `rsa`, `stranger` (which nobody lets in)."""
    folder = tmp_path_factory.mktemp("keys")
    for name, kind in {
        "host": "ed25519",
        "other": "ed25519",
        "client": "ed25519",
        "stranger": "ed25519",
        "rsa": "rsa",
        "hostrsa": "rsa",
    }.items():
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", folder / name], check=True)
    return folder


def _public(path: Path) -> dict[str, bytes]:
    kind, blob = path.with_suffix(".pub").read_text().split()[:2]
    return {kind: base64.b64decode(blob)}


@pytest.fixture
def public() -> Callable[[Path], dict[str, bytes]]:
    """The trusted key of a server that has this private key."""
    return _public


@dataclass(frozen=True)
class Peers:
    """`tests/light_peers.py`, running: `port` answers at every loopback address, `dead` never does."""

    keys: dict[str, bytes]
    port: int
    dead: int
    login: ssh.Login

    def peer(self, address: str, **more: object) -> ssh.Peer:
        return ssh.Peer(address, (self.login,), **{"keys": self.keys, "port": self.port, **more})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def peers(keys: Path) -> Iterator[Peers]:
    command = [sys.executable, str(TESTS / "light_peers.py"), str(keys / "host")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdin is not None
        kind, blob, port, dead = program.stdout.readline().split()
        yield Peers({kind: base64.b64decode(blob)}, int(port), int(dead), ssh.Login("anybody", (str(keys / "client"),), False))
        program.stdin.close()
        program.wait(timeout=10)


Sshd = Callable[..., ssh.Peer]


@pytest.fixture
def sshd(keys: Path, tmp_path: Path) -> Iterator[Sshd]:
    """Start a real sshd with more lines of configuration; the peer to visit it by."""
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "sshd is not installed: sh tests/setup.sh"
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    running = []

    def start(*lines: str, key: str = "client", host_key: str = "host") -> ssh.Peer:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        configuration = tmp_path / f"sshd_config.{port}"
        authorized = tmp_path / "authorized_keys"
        authorized.write_text((keys / "client.pub").read_text() + (keys / "rsa.pub").read_text())
        configuration.write_text("\n".join([
            *lines, f"Port {port}", "ListenAddress 127.0.0.1", f"HostKey {keys / host_key}", f"AuthorizedKeysFile {authorized}", "StrictModes no",
            "UsePAM no", "PidFile none", "PermitRootLogin prohibit-password", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
            "MaxStartups 500", "LogLevel ERROR",
        ]) + "\n")  # fmt: skip
        server = subprocess.Popen([program, "-D", "-e", "-f", configuration], stderr=subprocess.DEVNULL)
        running.append(server)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert server.poll() is None, "sshd ended at once"
            time.sleep(0.02)
        login = ssh.Login(getpass.getuser(), (str(keys / key),), False)
        return ssh.Peer("127.0.0.1", (login,), _public(keys / host_key), port)

    yield start
    for server in running:
        server.terminate()
        server.wait(timeout=10)
