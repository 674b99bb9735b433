"""SSH: the only importer of paramiko.  Host keys are verified, every stage has a deadline, every end is an outcome.

In: a `Peer` and a script for `sh -s` (`visit`), or many of them (`visit_many`).  Out: a `Visit` with an outcome of `OUTCOMES` and what
the host printed.  Nothing raises for a bad host: a failed host is data (the way nornir sees it), so one never stops others.
"""

from inventory.ssh.bastion import close as close_bastions
from inventory.ssh.clientconfig import ClientConfiguration, Said
from inventory.ssh.driven import Loop
from inventory.ssh.flight import Job
from inventory.ssh.many import visit_many
from inventory.ssh.model import OUTCOMES, ROOT_SHELL, Deadlines, Keys, Login, OfferedKey, Peer, Visit
from inventory.ssh.openssh import old_algorithms
from inventory.ssh.visiting import offered_keys, visit

__all__ = [
    "OUTCOMES", "ROOT_SHELL", "ClientConfiguration", "Deadlines", "Job", "Keys", "Login", "Loop", "OfferedKey", "Peer", "Said", "Visit",
    "close_bastions", "offered_keys", "old_algorithms", "visit", "visit_many",
]  # fmt: skip
