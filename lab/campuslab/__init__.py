"""The lab: a network of real Debian hosts (systemd as PID 1) on one machine, in namespaces only.

`configuration` reads lab.toml, `layout` says where everything stands, `images` has the images built, `holder` owns the namespaces,
`hosts` starts and stops single hosts, `starting` starts and seeds many at once, `commands` is the command line.
"""


class LabError(Exception):
    """Something in the lab does not work; the message says what to do.  Exit code 1."""

    code = 1


class WrongUse(LabError):
    """The command line, lab.toml or the account is wrong; nothing was done.  Exit code 2."""

    code = 2
