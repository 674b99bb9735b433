"""Visits by paramiko as it comes: one thread for each connection.  The way for every peer that is not legacy.

Host keys are verified, every stage has a deadline, every end is an outcome.  Nothing raises for a bad host.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator

import paramiko

from inventory.ssh import authentication, bastion, connection
from inventory.ssh.elevation import REASONS, SECONDS, Dialogue
from inventory.ssh.model import OUTCOMES, ROOT_SHELL, SAID, Deadlines, Login, OfferedKey, Peer, Stop, Visit, without

KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")

KEEPALIVE = 10
"""Seconds of silence after which something is sent: what is never acknowledged ends the connection (`connection.LOST`)."""


class _Exchange:
    """One command on one channel: what is to be sent, what has come."""

    def __init__(self, transport: paramiko.Transport, command: str, deadline: float) -> None:
        self.transport, self.deadline = transport, deadline
        self.channel = transport.open_session(timeout=max(1.0, deadline - time.monotonic()))
        self.channel.settimeout(1.0)
        self.channel.exec_command(command)
        self.output, self.said = bytearray(), bytearray()

    def run(self, stdin: bytes, max_bytes: int, dialogue: Dialogue | None = None) -> None:
        """Both streams are drained together, up to `max_bytes`; a channel that stays full or silent ends at the deadline.

        With a dialogue, `stdin` waits until it has led to a root shell, and the command ends early when it has failed.
        """
        channel, sent, closed = self.channel, 0, False
        pending = b"" if dialogue else stdin
        asking_until = time.monotonic() + SECONDS
        while True:
            now = time.monotonic()
            if now > self.deadline:
                raise Stop("timeout", "the command's deadline passed", bytes(self.output))
            asking = dialogue is not None and not dialogue.root
            if asking and dialogue is not None and now > asking_until:
                dialogue.failed = "slow"
            if dialogue is not None and dialogue.failed:
                return
            if sent < len(pending) and channel.send_ready() and not channel.closed:
                try:
                    sent += channel.send(pending[sent : sent + 32768])
                except OSError:  # it wants no more: what it has printed still counts
                    sent, closed = len(pending), True
            elif sent >= len(pending) and not closed and not asking:
                with contextlib.suppress(OSError):
                    channel.shutdown_write()
                closed = True
            # asked first: what came before the end must still be read
            alive = self.transport.is_active()
            ended = channel.closed or channel.eof_received
            if channel.recv_stderr_ready():
                heard = channel.recv_stderr(65536)
                self.said += heard[: SAID - len(self.said)] if len(self.said) < SAID else b""
                if asking and dialogue is not None:
                    pending += dialogue.hear(heard)
                    if dialogue.root:
                        pending += stdin
                continue
            if channel.recv_ready():
                self.output += channel.recv(131072)
            elif ended:
                if channel.exit_status < 0 and not channel.eof_received:
                    raise Stop("partial", "the connection was lost during the visit", bytes(self.output))
                return
            elif not alive:
                raise Stop("partial", "the connection was lost during the visit", bytes(self.output))
            elif closed:
                with contextlib.suppress(TimeoutError):
                    self.output += channel.recv(131072)
            else:
                time.sleep(0.005)
            if len(self.output) > max_bytes:
                raise Stop("partial", f"it printed more than {max_bytes} bytes; the rest was cut", bytes(self.output))


def _elevated(transport: paramiko.Transport, login: Login, stdin: bytes, deadline: float, max_bytes: int) -> tuple[bytes, str]:
    """The script's output as root by the login's password for sudo, or '' and why there is no root shell (a key of REASONS)."""
    dialogue = Dialogue(secrets.token_hex(12), login.sudo_password)
    running = _Exchange(transport, dialogue.command, deadline)
    try:
        running.run(stdin, max_bytes, dialogue)
    finally:
        running.channel.close()
    return (bytes(running.output), "") if dialogue.root else (b"", dialogue.ended())


@contextlib.contextmanager
def _logged_in(peer: Peer, deadlines: Deadlines) -> Iterator[tuple[connection.Connection, Login]]:
    with bastion.handshake(peer.jumps):
        transport, login = authentication.log_in(
            lambda: connection.verified(bastion.stream(peer, deadlines), peer, deadlines), peer.in_order, deadlines.auth
        )
    transport.set_keepalive(KEEPALIVE)
    try:
        yield transport, login
    finally:
        transport.hang_up()


def visit(peer: Peer, command: str, stdin: bytes, *, deadlines: Deadlines, max_bytes: int) -> Visit:
    """Run `command` with `stdin` on the host and bring back what it prints.  Never raises for anything the host does."""
    begun = time.monotonic()
    outcome, detail, output, said = "ok", "", b"", b""
    login: Login | None = None
    try:
        with _logged_in(peer, deadlines) as (transport, login):
            deadline = time.monotonic() + deadlines.command
            refused = ""
            if login.sudo_password and command == ROOT_SHELL:
                output, refused = _elevated(transport, login, stdin, deadline, max_bytes)
            if refused:
                outcome, detail = "sudo", REASONS[refused]
            if refused or not (login.sudo_password and command == ROOT_SHELL):
                running = _Exchange(transport, command, deadline)
                try:
                    running.run(stdin, max_bytes)
                finally:
                    output, said = bytes(running.output), bytes(running.said)
    except Stop as stop:
        outcome, detail, output = stop.outcome, stop.detail, stop.output or output
    except (paramiko.SSHException, EOFError, OSError) as error:
        outcome, detail = (
            ("partial", "the connection was lost during the visit") if output else ("protocol", str(error) or type(error).__name__)
        )
    hidden = tuple(text for one in peer.logins for text in one.secrets)
    shown = without(said, hidden).decode("utf-8", "replace")
    detail = without(detail.encode("utf-8", "replace"), hidden).decode()
    return Visit(outcome, detail, without(output, hidden), time.monotonic() - begun, str(login) if login else "", shown)


def offered_keys(peer: Peer, *, seconds: float = 8.0) -> list[OfferedKey]:
    """All host keys a server offers, one connection per algorithm, through its bastions.  Raises `inventory.errors.HostError`."""
    from inventory.errors import HostError

    deadlines = Deadlines(connect=seconds, exchange=seconds)
    found: dict[str, OfferedKey] = {}
    stopped: Stop | None = None
    for algorithm in KINDS:
        try:
            with bastion.handshake(peer.jumps):
                transport = connection.exchange(bastion.stream(peer, deadlines), seconds, (algorithm,))
        except Stop as stop:
            if stop.outcome in {"protocol", "host key changed"}:
                stopped = stop
                continue  # it has no key of this algorithm
            raise HostError(stop.outcome, f"{peer}: {stop.detail}", hint=OUTCOMES[stop.outcome]) from stop
        key = transport.get_remote_server_key()
        found[key.get_name()] = OfferedKey(key.get_name(), key.asbytes())
        transport.hang_up()
    if not found:
        detail = stopped.detail if stopped and stopped.outcome == "protocol" else "it offers no host key that we know"
        raise HostError("protocol", f"{peer}: {detail}", hint=OUTCOMES["protocol"])
    return [found[name] for name in sorted(found)]
