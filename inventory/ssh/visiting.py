"""One visit by the way that its peer needs: paramiko in the calling thread, or the OpenSSH client for peers of the SHA-1 era.

In: a `Peer` and a script for `sh -s`.  Out: a `Visit`; nothing raises for a bad host.
"""

from __future__ import annotations

from inventory.ssh import openssh, threaded
from inventory.ssh.model import OUTCOMES, Deadlines, OfferedKey, Peer, Visit


def visit(
    peer: Peer,
    command: str,
    stdin: bytes,
    *,
    deadlines: Deadlines = Deadlines(),  # noqa: B008  (frozen)
    max_bytes: int = 64_000_000,
) -> Visit:
    """Run `command` with `stdin` on the host and bring back what it prints.  Never raises for anything the host does."""
    if peer.refusal:
        return Visit("unreachable", peer.refusal)
    visit_by = openssh.visit if peer.legacy else threaded.visit
    return visit_by(peer, command, stdin, deadlines=deadlines, max_bytes=max_bytes)


def offered_keys(peer: Peer, *, seconds: float = 8.0) -> list[OfferedKey]:
    """All host keys that a server offers, through its bastions.  Raises `inventory.errors.HostError`."""
    from inventory.errors import HostError

    if peer.refusal:
        raise HostError("unreachable", f"{peer}: {peer.refusal}", hint=OUTCOMES["unreachable"])
    offered_to = openssh.offered_keys if peer.legacy else threaded.offered_keys
    return offered_to(peer, seconds=seconds)
