"""Files of the OpenSSH client (`~/.ssh/config`, a workspace's own) → what they say of one host, as data.  Nothing in them is executed.

In: paths.  Out: for a host's name `Said`: address, port, user, identity files, bastions, and notes on what was not followed.  Read with
paramiko's SSHConfig, of which three things are kept away: `Match … exec` (would run a program: the whole block is left out),
canonicalization (would ask DNS), and ProxyCommand (never run: a host that needs one is refused with the reason).  `UserKnownHostsFile`
and its like are not followed: whom we trust stands in the catalogue.
"""

from __future__ import annotations

import glob
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import paramiko

from inventory.errors import InputError

DEPTH = 16
"""How deep Include may nest: what OpenSSH allows, too."""
_KEPT = {"hostname", "port", "user", "identityfile", "identitiesonly", "identityagent", "proxyjump", "proxycommand"}
_TRUST = {"userknownhostsfile", "globalknownhostsfile", "stricthostkeychecking", "hostkeyalias", "verifyhostkeydns", "knownhostscommand"}


@dataclass(frozen=True)
class Hop:
    """One bastion of a ProxyJump as it is written: user and port only where they stand there."""

    host: str
    user: str = ""
    port: int | None = None


@dataclass(frozen=True)
class Said:
    """What the files say of a host; '' and None where they say nothing.  `refusal` is why it cannot be visited as they want it."""

    address: str = ""
    port: int | None = None
    user: str = ""
    key_files: tuple[str, ...] = ()
    agent: bool = True
    jumps: tuple[Hop, ...] = ()
    refusal: str = ""

    def over(self, other: Said) -> Said:
        """What these say, and where they are silent, what the others say."""
        return Said(
            self.address or other.address, self.port or other.port, self.user or other.user, self.key_files or other.key_files,
            self.agent and other.agent, self.jumps or other.jumps, self.refusal or (other.refusal if not self.jumps else ""),
        )  # fmt: skip

    @property
    def login(self) -> bool:
        """Whether they say anything about how to log in."""
        return bool(self.user or self.key_files)


class ClientConfiguration:
    """The files, read once.  `notes` are what in them is not followed, each with `file:line`."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Raises InputError naming the file and line."""
        self.notes: list[str] = []
        self.paths = tuple(paths)
        lines = [text for path in paths for text in [*self._lines(path, "Host *", 0), "Host *"]]
        try:
            self._config = paramiko.SSHConfig.from_text("\n".join(lines) + "\n")
        except (paramiko.SSHException, ValueError) as error:
            raise InputError(f"{', '.join(map(str, paths))}: {error}", hint="see ssh.ssh_config in planner.yml") from error

    def _lines(self, path: Path, block: str, depth: int) -> Iterator[str]:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8'}", hint="see ssh.ssh_config in planner.yml"
            ) from error
        outer, skipping = block, False
        for number, raw in enumerate(text.splitlines(), start=1):
            line = raw.strip()
            match = re.match(r"(\w+)(?:\s*=\s*|\s+)(.*)$", line)
            if not line or line.startswith("#"):
                continue
            if match is None:
                raise InputError(f"{path}:{number}:1: not a line of an ssh_config: {line[:60]!r}", hint="see ssh.ssh_config in planner.yml")
            word, value = match.group(1).lower(), match.group(2)
            if word in {"host", "match"}:
                unknown = _unknown_criterion(value) if word == "match" else ""
                skipping, block = bool(unknown), line
                if not skipping:
                    yield line
                elif unknown == "exec":
                    self.notes.append(f"{path}:{number}: Match exec is never run: its block is left out")
                else:
                    self.notes.append(f"{path}:{number}: Match {unknown} is not known here: its block is left out")
            elif skipping:
                continue
            elif word == "include":
                yield from self._include(path, number, value, block, outer, depth)
            elif word in _TRUST:
                self.notes.append(f"{path}:{number}: {match.group(1)} is not followed: whom we trust stands in the catalogue")
            elif word in _KEPT:
                yield line

    def _include(self, path: Path, number: int, value: str, block: str, outer: str, depth: int) -> Iterator[str]:
        if block != outer:
            self.notes.append(f"{path}:{number}: Include inside of a Host or Match block is not followed")
            return
        if depth >= DEPTH:
            raise InputError(f"{path}:{number}:1: Include nested deeper than {DEPTH}", hint="does the file include itself?")
        for pattern in value.replace('"', " ").split():
            folder = Path(pattern).expanduser()
            found = sorted(glob.glob(str(folder if folder.is_absolute() else path.parent / folder)))  # noqa: PTH207  (absolute patterns)
            for name in found:
                yield from self._lines(Path(name), block, depth + 1)
                yield block  # what follows belongs to where the Include stands

    def of(self, name: str) -> Said:
        """What they say of a host by this name.  Raises InputError."""
        try:
            found = self._config.lookup(name)
            port = int(found["port"]) if "port" in found else None
        except (ValueError, KeyError, paramiko.SSHException) as error:
            raise InputError(f"{', '.join(map(str, self.paths))}: {name}: {error}", hint="see ssh.ssh_config in planner.yml") from error
        address = found.get("hostname", "")
        jump = found.get("proxyjump") or ""
        refusal = ""
        if found.get("proxycommand") and not jump:
            refusal = "an ssh_config wants a ProxyCommand for it, which is never run: write the bastions as `via` in planner.yml"
        agent = found.get("identitiesonly", "no").lower() != "yes" and found.get("identityagent", "").lower() != "none"
        keys = tuple(text for text in found.get("identityfile", []) if text.lower() != "none")
        hops = () if jump.lower() in {"", "none"} else tuple(_hop(text) for text in jump.split(","))
        return Said("" if address == name else address, port, found.get("user", ""), keys, agent, hops, refusal)


def _unknown_criterion(text: str) -> str:
    """The first criterion of a Match line that we must not or cannot follow; paramiko would run `exec` and take others for fulfilled."""
    try:
        words = shlex.split(text)
    except ValueError:
        return "with an open quote"
    while words:
        word = words.pop(0).removeprefix("!").lower()
        if word in {"host", "originalhost", "user", "localuser"}:
            words = words[1:]
        elif word not in {"all", "final"}:
            return word
    return ""


def _hop(text: str) -> Hop:
    """`[user@]host[:port]` or `ssh://[user@]host[:port]`."""
    user, _, rest = text.strip().removeprefix("ssh://").rpartition("@")
    match = re.fullmatch(r"\[([^\]]+)\](?::(\d+))?|([^:]+)(?::(\d+))?|(.*)", rest)
    host, port = (match.group(1) or match.group(3) or match.group(5), match.group(2) or match.group(4)) if match else (rest, None)
    return Hop(host, user, int(port) if port else None)
