"""The error tree of the whole product: each class owns its exit code and the shape of its message.

    PlannerError                      1
    ├── InputError                    2   a file, an option or a value that we were given; says where and what to do
    │   └── ConfigurationError        2   the same, in a file of the workspace (`file:line:column: what`)
    ├── WorkspaceError                3   no workspace here, or it cannot be used
    ├── CatalogueError                4   the database cannot be opened, migrated or written
    ├── NotFound                      5   a name that is not in the catalogue
    ├── HostError                     6   a host could not be visited; `outcome` classifies why
    ├── PlanError                     7   a plan cannot be made, is stale or not approved
    ├── RunError                      8   a step of a run failed
    ├── DifferenceFound               9   verification found the destination different from its source
    ├── Busy                         10   somebody else holds the lock
    ├── MissingProgram               11   an external program that we need is not installed
    └── Overdue                      12   something in care needs somebody: a backup, a restore on trial, a certificate

A message says what is wrong, where, and what to do next.  `Interrupted` by Ctrl-C leaves with 130.
"""

from __future__ import annotations


class PlannerError(Exception):
    """Anything that we can explain to the user.  `exit_code` is what the command line leaves with."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.hint}" if self.hint else self.message


class InputError(PlannerError):
    """A file, option or value given by the user cannot be used."""

    exit_code = 2


class ConfigurationError(InputError):
    """Problems in a configuration file; `problems` lists all of them as `file:line:column: what`."""

    def __init__(self, problems: list[str], *, hint: str = "") -> None:
        super().__init__("\n".join(problems), hint=hint)
        self.problems = problems


class WorkspaceError(PlannerError):
    """There is no workspace here, or it cannot be used."""

    exit_code = 3


class CatalogueError(PlannerError):
    """The catalogue cannot be opened, migrated or written."""

    exit_code = 4


class NotFound(PlannerError):
    """A unit, host, site, plan or move of that name is not in the catalogue."""

    exit_code = 5


class HostError(PlannerError):
    """A host could not be visited.  `outcome` is one of `inventory.ssh.OUTCOMES`."""

    exit_code = 6

    def __init__(self, outcome: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.outcome = outcome


class PlanError(PlannerError):
    """A plan cannot be made, or the facts beneath it have changed, or nobody approved it."""

    exit_code = 7


class RunError(PlannerError):
    """A step of a run failed; the journal holds which, and `planner run` continues there."""

    exit_code = 8

    def __init__(self, message: str, *, hint: str = "", machines: frozenset[str] = frozenset()) -> None:
        super().__init__(message, hint=hint)
        self.machines = machines  # on which it failed, where that is known


class DifferenceFound(PlannerError):
    """The destination does not equal its source."""

    exit_code = 9


class Busy(PlannerError):
    """Another process holds the lock that this command needs."""

    exit_code = 10


class MissingProgram(PlannerError):
    """A program that this command starts is not installed."""

    exit_code = 11


class Overdue(PlannerError):
    """Something in care needs somebody: a backup, a restore on trial, a certificate, rotation of logs or monitoring."""

    exit_code = 12
