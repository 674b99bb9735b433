"""Visits to peers of the SHA-1 era by the OpenSSH client: paramiko does not speak their algorithms any more, and rightly so.

In: a `Peer` with `legacy`, that is with the admin's word for it.  Out: a `Visit` like any other.  The host keys are the catalogue's,
written for the one run into a folder that only we can read; no configuration file of the client is read, nothing is asked on a
terminal, and a deadline ends its whole process group.  Old algorithms are added to the modern ones: a peer that can do better does.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from inventory.ssh import bastion
from inventory.ssh.connection import RSA, Stream
from inventory.ssh.elevation import REASONS, Dialogue
from inventory.ssh.model import OUTCOMES, ROOT_SHELL, Deadlines, Login, OfferedKey, Peer, Stop, Visit, without
from inventory.ssh.process import Ended, run

OLD = {
    "kex": ("KexAlgorithms", ("diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha1", "diffie-hellman-group1-sha1")),
    "cipher": ("Ciphers", ("aes256-cbc", "aes192-cbc", "aes128-cbc", "3des-cbc")),
    "mac": ("MACs", ("hmac-sha1", "hmac-sha1-96", "hmac-md5")),
    "key-sig": ("PubkeyAcceptedAlgorithms", ("ssh-rsa", "ssh-dss")),
}
"""What a legacy peer may use beside the modern algorithms; each client adds what it still knows itself (`ssh -Q`)."""
KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa", "ssh-dss")

ASKPASS = """\
#!/bin/sh
case $1 in
*passphrase*) printf '%s\\n' "$PLANNER_PASSPHRASE" ;;
*assword*) printf '%s\\n' "$PLANNER_PASSWORD" ;;
*) exit 1 ;;
esac
"""
"""Run by ssh for what it would ask: the secrets stand in its environment, which only root and our own account can read."""

_HAND_OVER = (
    "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
    "socket.send_fds(socket.socket(fileno=1), [b'.'], [s.fileno()])"
)

SAYS = (
    (r"Could not resolve hostname", "unreachable", "its name does not resolve"),
    (r"timed out during banner exchange|Connection to \S+ port \d+ timed out", "timeout", "no SSH greeting in time"),
    (r"Connection refused", "refused", "Connection refused"),
    (r"(Connection timed out|Operation timed out|No route to host|Network is unreachable)", "unreachable", r"\1"),
    (r"HOST IDENTIFICATION HAS CHANGED|DOES NOT MATCH", "host key changed", "its key is not the one trusted"),
    (r"No \S+ host key is known", "host key unknown", "no key of it is trusted"),
    (r"no matching host key type found\. Their offer: (\S+)", "host key changed", r"it has no key of the trusted kinds; it offers \1"),
    (r"no matching ([\w -]+) found\. Their offer: (\S+)", "protocol", r"no common \1; it offers \2"),
    (r"Host key verification failed", "host key changed", "its key is not the one trusted"),
    (r"Too many authentication failures", "auth", "Too many authentication failures"),
    (r"Permission denied \(([^)]*)\)", "auth", r"refused; the server takes \1"),
    (r"Bad configuration option: (\S+)|Bad (SSH2 \S+|key types) ", "protocol", "this machine's ssh does not know an option: \\1\\2"),
    (
        r"(Connection (closed|reset) by|kex_exchange_identification: [^\r\n]{0,80})",
        "protocol",
        "the connection was closed before the login",
    ),
)
"""What the client's own log says (never the host's words) → outcome, detail."""

FINISHED = r"^debug1: client_input_channel_req: channel \d+ rtype exit-s(tatus|ignal)"
"""Stands in its log when the command has ended by itself: without it, a status of 255 is a lost connection, not the command's own."""


@functools.cache
def _known(kind: str) -> frozenset[str]:
    answer = subprocess.run(["ssh", "-Q", kind], capture_output=True, text=True, check=False, timeout=20)
    return frozenset(answer.stdout.split())


def _algorithms() -> list[str]:
    options = []
    for kind, (option, old) in OLD.items():
        known = [name for name in old if name in _known(kind)]
        if known:
            options += ["-o", f"{option}=+{','.join(known)}"]
    return options


def old_algorithms() -> list[str]:
    """Which algorithms of the SHA-1 era this machine's client still knows."""
    return [name for kind, (_, old) in OLD.items() for name in old if name in _known(kind)]


def _signatures(algorithm: str) -> tuple[str, ...]:
    return (*RSA, "ssh-rsa") if algorithm == "ssh-rsa" else (algorithm,)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="planner-ssh-"))  # mkdtemp: for our account only
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _private(path: Path, text: str, mode: int = 0o600) -> Path:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def _options(peer: Peer, folder: Path, deadlines: Deadlines, kinds: tuple[str, ...]) -> list[str]:
    wanted = [name for kind in kinds for name in _signatures(kind) if name in _known("key-sig")]
    settings = {
        "UserKnownHostsFile": folder / "known_hosts", "GlobalKnownHostsFile": "/dev/null", "HostKeyAlias": "peer", "CheckHostIP": "no",
        "UpdateHostKeys": "no", "VerifyHostKeyDNS": "no", "HostKeyAlgorithms": ",".join(wanted),
        "ConnectTimeout": max(1, round(deadlines.connect)),
        "ConnectionAttempts": 1, "ServerAliveInterval": 10, "ServerAliveCountMax": 2, "LogLevel": "DEBUG1", "ControlMaster": "no",
        "ControlPath": "none", "ClearAllForwardings": "yes", "PermitLocalCommand": "no", "EscapeChar": "none", "RequestTTY": "no",
    }  # fmt: skip
    listed = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
    return ["ssh", "-F", "none", "-a", "-x", "-p", str(peer.port), "-E", str(folder / "log"), *listed, *_algorithms()]


def _login(login: Login, folder: Path) -> tuple[list[str], dict[str, str]]:
    """Options and environment for one login."""
    asked = bool(login.password or login.passphrase)
    methods = "publickey,password,keyboard-interactive" if login.password else "publickey"
    options = ["-l", login.user, "-o", f"BatchMode={'no' if asked else 'yes'}", "-o", f"PreferredAuthentications={methods}"]
    options += ["-o", "NumberOfPasswordPrompts=1", "-o", f"IdentitiesOnly={'no' if login.agent else 'yes'}"]
    for name in login.key_files:
        options += ["-i", str(Path(name).expanduser())]
    if not login.key_files:
        options += ["-o", "IdentityFile=none"]
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(folder), "SHELL": "/bin/sh", "LC_ALL": "C"}
    if login.agent and os.environ.get("SSH_AUTH_SOCK"):
        environment["SSH_AUTH_SOCK"] = os.environ["SSH_AUTH_SOCK"]
    else:
        options += ["-o", "IdentityAgent=none"]
    if asked:
        program = folder / "askpass"
        if not program.exists():
            _private(program, ASKPASS, 0o700)
        environment |= {"SSH_ASKPASS": str(program), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": "none:0"}
        environment |= {"PLANNER_PASSWORD": login.password, "PLANNER_PASSPHRASE": login.passphrase}
    return options, environment


@contextlib.contextmanager
def _way(peer: Peer, folder: Path, deadlines: Deadlines) -> Iterator[list[str]]:
    """The options that bring the client through the peer's bastions: it is handed a socket whose other end we carry on."""
    if not peer.jumps:
        yield []
        return
    path = folder / f"way-{secrets.token_hex(4)}"
    with bastion.handshake(peer.jumps):
        channel = bastion.stream(peer, deadlines)
    with contextlib.closing(channel), socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))
        door.listen(1)
        door.settimeout(deadlines.connect)
        carrier = threading.Thread(target=_carry, args=(door, channel), daemon=True)
        carrier.start()
        words = [sys.executable, "-I", "-c", _HAND_OVER, str(path)]
        yield ["-o", f"ProxyCommand={shlex.join(words).replace('%', '%%')}", "-o", "ProxyUseFdpass=yes"]


def _carry(door: socket.socket, channel: Stream) -> None:
    with contextlib.suppress(OSError):
        near, _ = door.accept()
        back = threading.Thread(target=_pump, args=(channel, near), daemon=True)
        back.start()
        _pump(near, channel)
        back.join(5)
        near.close()


def _pump(source: Stream, drain: Stream) -> None:
    source.settimeout(None)
    with contextlib.suppress(OSError, EOFError):
        while data := source.recv(65536):
            drain.sendall(data)
    with contextlib.suppress(Exception):
        drain.shutdown(socket.SHUT_WR) if isinstance(drain, socket.socket) else drain.shutdown_write()


def classify(log: str) -> Stop:
    """The outcome that the client's log tells of a connection on which nobody was let in.  Pure."""
    log = "".join(f"{line}\n" for line in log.splitlines() if not line.startswith("debug"))  # there the server may have a word
    for pattern, outcome, detail in SAYS:
        match = re.search(pattern, log)
        if match:
            return Stop(outcome, match.expand(detail) if "\\" in detail else detail)
    last = [line.strip() for line in log.splitlines() if line.strip()]
    return Stop("protocol", last[-1][:200] if last else "ssh ended without a word")


def visit(peer: Peer, command: str, stdin: bytes, *, deadlines: Deadlines, max_bytes: int) -> Visit:
    """Run `command` with `stdin` on a legacy peer.  Never raises for anything the host does."""
    begun = time.monotonic()
    hidden = tuple(text for login in peer.logins for text in login.secrets)
    login: Login | None = None
    outcome, detail, ended = "ok", "", Ended(0, b"", b"")
    try:
        login, ended, refused = _visit(peer, command, stdin, deadlines, max_bytes)
        if refused:
            outcome, detail = "sudo", REASONS[refused]
        if ended.stopped:
            outcome, detail = {"deadline": ("timeout", "the command's deadline passed")}.get(
                ended.stopped, ("partial", f"it printed more than {max_bytes} bytes; the rest was cut")
            )
        elif ended.lost:
            outcome, detail = "partial", "the connection was lost during the visit"
    except Stop as stop:
        outcome, detail = stop.outcome, stop.detail
    except OSError as error:
        outcome, detail = "protocol", f"ssh: {error.strerror or error}"
    said = without(ended.said, hidden).decode("utf-8", "replace")
    detail = without(detail.encode("utf-8", "replace"), hidden).decode()
    return Visit(outcome, detail, without(ended.output, hidden), time.monotonic() - begun, str(login) if login else "", said)


def _visit(peer: Peer, command: str, stdin: bytes, deadlines: Deadlines, max_bytes: int) -> tuple[Login, Ended, str]:
    if shutil.which("ssh") is None:
        raise Stop("protocol", "this machine has no ssh: apt-get install openssh-client")
    if not peer.keys:
        raise Stop("host key unknown", "no key of it is trusted")
    told = []
    with _folder() as folder:
        lines = [f"peer {name} {OfferedKey(name, blob).base64}\n" for name, blob in sorted(peer.keys.items())]
        _private(folder / "known_hosts", "".join(lines))
        for login in peer.in_order:
            try:
                refused = ""
                if login.sudo_password and command == ROOT_SHELL:
                    dialogue = Dialogue(secrets.token_hex(12), login.sudo_password)
                    ended = _run(peer, login, folder, dialogue.command, stdin, deadlines, max_bytes, dialogue)
                    if dialogue.root:
                        return login, ended, ""
                    refused = dialogue.ended()
                return login, _run(peer, login, folder, command, stdin, deadlines, max_bytes, None), refused
            except Stop as stop:
                if stop.outcome != "auth":
                    raise
                told.append(f"{login}: {stop.detail}")
    raise Stop("auth", "; ".join(told) or "there is no login for it")


def _run(
    peer: Peer, login: Login, folder: Path, command: str, stdin: bytes, deadlines: Deadlines, max_bytes: int, dialogue: Dialogue | None
) -> Ended:
    """One run of the client.  Raises Stop when nobody was let in."""
    log = folder / "log"
    log.unlink(missing_ok=True)
    options, environment = _login(login, folder)
    strict = ["-o", "StrictHostKeyChecking=yes", "-T"]
    before = deadlines.connect + deadlines.exchange + deadlines.auth

    def inside() -> bool:
        return log.exists() and "\nAuthenticated to " in "\n" + log.read_text(errors="replace")

    with _way(peer, folder, deadlines) as way:
        words = [*_options(peer, folder, deadlines, tuple(peer.keys)), *strict, *options, *way, "--", peer.address, command]
        ended = run(words, environment, stdin, before, deadlines.command, max_bytes, inside, dialogue)
    text = log.read_text(errors="replace") if log.exists() else ""
    if inside():
        ended.lost = ended.status == 255 and not ended.stopped and not re.search(FINISHED, text, re.M)
        return ended
    if ended.stopped:
        raise Stop("timeout", f"no end of the login in {before:g} s")
    raise classify(text)


def offered_keys(peer: Peer, *, seconds: float = 8.0) -> list[OfferedKey]:
    """All host keys that a legacy server offers, one connection per algorithm.  Raises `inventory.errors.HostError`."""
    from inventory.errors import HostError, MissingProgram

    if shutil.which("ssh") is None:
        raise MissingProgram("ssh is not installed", hint="apt-get install openssh-client")
    deadlines = Deadlines(connect=seconds, exchange=seconds, auth=seconds)
    nobody = Login("nobody", agent=False)
    found: dict[str, OfferedKey] = {}
    stopped = Stop("protocol", "it offers no host key that we know")
    for kind in KINDS:
        if not any(name in _known("key-sig") for name in _signatures(kind)):
            continue
        with _folder() as folder:
            options, environment = _login(nobody, folder)
            first = ["-o", "StrictHostKeyChecking=accept-new", "-o", "HashKnownHosts=no", "-o", "PreferredAuthentications=none", "-T"]
            try:
                with _way(peer, folder, deadlines) as way:
                    words = [*_options(peer, folder, deadlines, (kind,)), *first, *options, *way, "--", peer.address, "exit"]
                    run(words, environment, b"", 3 * seconds, seconds, 65536, lambda: False, None)
            except Stop as stop:
                raise HostError(stop.outcome, f"{peer}: {stop.detail}", hint=OUTCOMES[stop.outcome]) from stop
            known, log = folder / "known_hosts", folder / "log"
            for line in known.read_text().splitlines() if known.exists() else ():
                words = line.split()
                found[words[1]] = OfferedKey.read(words[1], words[2])
            why = classify(log.read_text(errors="replace") if log.exists() else "")
            if not known.exists() and why.outcome in {"refused", "unreachable", "timeout"}:
                raise HostError(why.outcome, f"{peer}: {why.detail}", hint=OUTCOMES[why.outcome])
            stopped = why if not known.exists() and why.outcome == "protocol" else stopped
    if not found:
        raise HostError("protocol", f"{peer}: {stopped.detail}", hint=OUTCOMES["protocol"])
    return [found[name] for name in sorted(found)]
