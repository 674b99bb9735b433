"""Peers to visit: a real sshd on a free port of the loopback address, with a configuration of its own, and odd ones made with paramiko.

The sshd runs as whoever runs the tests, and lets in that account by key; it ends with the test.  Nothing of the system's own sshd, its keys or
its configuration is touched.  What needs other accounts (passwords, sudo, login shells) is tested on the lab.
"""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
import pytest

from inventory import ssh
from inventory.ssh import bastion

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin") or ""


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _make_key(path, kind="ed25519", *options, passphrase=""):
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", str(path), *options], check=True)
    return path


@pytest.fixture
def make_key():
    """A function that makes a key pair: path, kind, further options of ssh-keygen → path."""
    return _make_key


@pytest.fixture
def closed_port():
    """A port on which nobody listens."""
    return _free_port()


@dataclass
class Sshd:
    """A running sshd; `peer()` is how to reach it."""

    folder: Path
    port: int
    keys: dict
    process: subprocess.Popen
    key: Path = field(default=Path())

    @property
    def login(self):
        return ssh.Login(getpass.getuser(), (str(self.key),), agent=False, name="key")

    def peer(self, **changes):
        values = {"logins": (self.login,), "keys": self.keys, "port": self.port} | changes
        return ssh.Peer("127.0.0.1", **values)

    @property
    def log(self):
        return (self.folder / "log").read_text(errors="replace")


@pytest.fixture
def start_sshd(tmp_path):
    """A function that starts one: lines of sshd_config → Sshd."""
    if not SSHD:
        pytest.fail("no sshd: tests/setup.sh installs openssh-server")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    running = []

    def start(*lines, kinds=("ed25519",), name="sshd"):
        folder = tmp_path / f"{name}{len(running)}"
        folder.mkdir()
        keys = {}
        for kind in kinds:
            host = _make_key(folder / f"host_{kind}", kind)
            algorithm, blob = host.with_suffix(".pub").read_text().split()[:2]
            keys[algorithm] = ssh.OfferedKey.read(algorithm, blob).blob
        key = _make_key(folder / "login")
        shutil.copy(key.with_suffix(".pub"), folder / "authorized_keys")
        port = _free_port()
        settings = [
            *lines, f"Port {port}", "ListenAddress 127.0.0.1", "PidFile none", "UsePAM no", "StrictModes no", "PermitRootLogin yes",
            "PasswordAuthentication no", "KbdInteractiveAuthentication no", f"AuthorizedKeysFile {folder}/authorized_keys", "LogLevel VERBOSE",
            *(f"HostKey {folder}/host_{kind}" for kind in kinds),
        ]  # fmt: skip
        (folder / "config").write_text("\n".join(settings) + "\n")
        log = (folder / "log").open("wb")
        process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(folder / "config")], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        server = Sshd(folder, port, keys, process, key)
        running.append(server)
        until = time.monotonic() + 10
        while "Server listening" not in server.log:
            assert process.poll() is None, server.log
            assert time.monotonic() < until, server.log
            time.sleep(0.02)
        return server

    yield start
    bastion.close()
    for server in running:
        # each connection has a process of its own, in a session of its own: those end when their peer does
        server.process.terminate()
        server.process.wait(10)


class Odd(paramiko.ServerInterface):
    """A server that behaves as its test says: who may come in, and what a command does."""

    def __init__(self, *, password="", methods="password", question="Password: ", more=(), after="", script=None):
        self.password, self.methods, self.question, self.more, self.after, self.script = password, methods, question, more, after, script
        self.tried = []
        self.commands = []

    def get_allowed_auths(self, username):
        return self.methods

    def check_auth_password(self, username, password):
        if "password" not in self.methods:
            return paramiko.AUTH_FAILED
        self.tried.append(("password", username, password))
        return self._answer(password)

    def _answer(self, password):
        if password != self.password:
            return paramiko.AUTH_FAILED
        if self.after:
            self.methods = self.after
            return paramiko.AUTH_PARTIALLY_SUCCESSFUL
        return paramiko.AUTH_SUCCESSFUL

    def check_auth_publickey(self, username, key):
        self.tried.append(("publickey", username, key.get_name()))
        return paramiko.AUTH_FAILED

    def check_auth_interactive(self, username, submethods):
        self.tried.append(("keyboard-interactive", username, ""))
        if "keyboard-interactive" not in self.methods:
            return paramiko.AUTH_FAILED
        return paramiko.InteractiveQuery("", "", (self.question, False), *((text, False) for text in self.more))

    def check_auth_interactive_response(self, responses):
        self.tried.append(("answers", "", tuple(responses)))
        return paramiko.AUTH_FAILED if self.more else self._answer(responses[0])

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel, command):
        self.commands.append(command.decode())
        script = self.script or (lambda channel, command: channel.sendall(b"hello\n"))
        threading.Thread(target=self._run, args=(script, channel, command.decode()), daemon=True).start()
        return True

    @staticmethod
    def _run(script, channel, command):
        time.sleep(0.1)  # the answer to the request goes out when the caller returns, and must come before the end
        with contextlib.suppress(OSError, EOFError):
            script(channel, command)
            channel.send_exit_status(0)
        channel.close()


@pytest.fixture
def odd():
    """The class of servers that `serve` serves; a test may make its own of it."""
    return Odd


@pytest.fixture
def serve():
    """A function that serves an `Odd` on a free port → Peer (its logins are the caller's)."""
    doors, transports = [], []

    def start(server, *logins):
        key = paramiko.ECDSAKey.generate()
        door = socket.create_server(("127.0.0.1", 0))
        doors.append(door)

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    stream, _ = door.accept()
                    transport = paramiko.Transport(stream)
                    transport.add_server_key(key)
                    transports.append(transport)
                    with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
                        transport.start_server(event=threading.Event(), server=server)

        threading.Thread(target=accept, daemon=True).start()
        return ssh.Peer("127.0.0.1", logins, {key.get_name(): key.asbytes()}, door.getsockname()[1])

    yield start
    for door in doors:
        door.close()
    for transport in transports:
        transport.close()
