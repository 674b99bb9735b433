"""SSH: the only importer of paramiko.  Host keys are verified, every stage has a deadline, every end is an outcome.

In: a `Peer` and a script for `sh -s`.  Out: a `Visit` with an outcome of `OUTCOMES` and what the host printed.  Nothing raises for
a bad host: a failed host is data (the way nornir sees it), so one never stops others.
"""

from inventory.ssh import openssh, threaded
from inventory.ssh.bastion import close as close_bastions
from inventory.ssh.clientconfig import ClientConfiguration, Said
from inventory.ssh.model import OUTCOMES, ROOT_SHELL, Deadlines, Keys, Login, OfferedKey, Peer, Visit

__all__ = [
    "OUTCOMES", "ROOT_SHELL", "ClientConfiguration", "Deadlines", "Keys", "Login", "OfferedKey", "Peer", "Said", "Visit",
    "close_bastions", "offered_keys", "old_algorithms", "visit",
]  # fmt: skip

old_algorithms = openssh.old_algorithms


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
