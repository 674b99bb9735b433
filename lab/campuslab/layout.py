"""Where a lab's things stand on this machine.

In: lab.toml, and from the environment LAB_NAME (which lab) and LAB_HOME (where images are kept).  Out: a `Lab`, which every other
module takes.  Names of files and cgroups stay as they are: labs started by an earlier version are found by them.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from campuslab import WrongUse
from campuslab.configuration import LAB_NAME, Configuration, read

FOLDER = Path(__file__).resolve().parent.parent
COMMAND = FOLDER / "lab"  # what the holder and its visitors run again inside the namespaces
SEEDS = FOLDER / "seeds"
IMAGE_BUILDER = FOLDER / "image"
CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Lab:
    """One lab: its declaration and its paths."""

    configuration: Configuration
    name: str
    home: Path  # images and packages: outside the clone, so that all clones share them

    @property
    def run(self) -> Path:
        """Keys, logs and state of the running lab."""
        return Path("/run/campus-lab") / self.name

    @property
    def disks(self) -> Path:
        """Where the hosts' disks are mounted; empty outside the holder's mount namespace."""
        return self.run / "fs"

    @property
    def log(self) -> Path:
        """One file for each host's console, HOST.seed for its seed, `holder` for the holder."""
        return self.run / "log"

    @property
    def key(self) -> Path:
        """The private key that logs in on every host."""
        return self.run / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The hosts' keys, as OpenSSH reads them."""
        return self.run / "known_hosts"

    @property
    def tsig(self) -> Path:
        """The key for dynamic updates, as the name server's administrator would hand it out."""
        return self.run / "tsig.key"

    def host_keys(self, host: str) -> Path:
        """A host's own keys; they survive a reset, as a restored machine keeps its name."""
        return self.run / "hostkeys" / host

    def seeded(self, host: str) -> Path:
        """Says how a host's seed went: empty when well."""
        return self.run / "seeded" / host

    def cgroup(self, host: str = "") -> Path:
        """The lab's (or a host's) cgroup, seen from this machine: its cgroup v2 stands alone or beside v1."""
        alone = (CGROUPS / "cgroup.controllers").exists()
        return (CGROUPS if alone else CGROUPS / "unified") / f"lab-{self.name}" / host

    def cgroup_inside(self, host: str = "") -> Path:
        """The same seen from the holder, which mounts cgroup v2 alone."""
        return CGROUPS / f"lab-{self.name}" / host

    def known(self, hosts: Iterable[str]) -> list[str]:
        """The same names, when lab.toml has them all."""
        names = list(hosts)
        unknown = [name for name in names if name not in self.configuration.hosts]
        if unknown:
            raise WrongUse(f"no host {', '.join(unknown)} in lab.toml; there are {', '.join(self.configuration.hosts)}")
        return names


def current() -> Lab:
    """The lab that lab.toml and the environment name."""
    configuration = read(FOLDER / "lab.toml")
    name = os.environ.get("LAB_NAME", "") or configuration.name
    if not LAB_NAME.fullmatch(name):
        raise WrongUse(f"LAB_NAME {name!r}: letters, digits, dot, dash and underscore only, at most 41")
    return Lab(configuration, name, Path(os.environ.get("LAB_HOME", "") or "/var/lib/campus-lab").absolute())
