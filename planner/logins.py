"""How hosts are reached and logged in to: the `ssh` part of planner.yml, and from it each host's `Peer`.

In: the validated settings, the trusted keys, the vault, and what is known of a host (name, address, unit).  Out: `ssh.Peer`s.  Named
logins say who; the rules under `ways` say for which hosts, the most specific first: a host by its name or address, then a name with
`*`, then the narrowest range, then the unit.  Each setting is decided by itself, so a unit's rule may name the bastion and a host's the
login.  What no rule says comes from `ssh_config` where that is on, then from the login `default` and `port`.
"""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import netaddr
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from inventory import scope, ssh
from inventory.errors import InputError
from planner.vault import Secrets

Port = Annotated[int, Field(ge=1, le=65535)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
HOPS = 8


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class VaultSecret(_Strict):
    """The name of a secret in the vault file."""

    vault: str


Secret = VaultSecret | Literal["prompt"]


class LoginSettings(_Strict):
    """A named login.  Passwords never stand here: `{vault: NAME}` names one of the vault file, `prompt` asks once on the terminal."""

    user: Annotated[str, Field(min_length=1)]
    key_files: tuple[str, ...] = ()
    agent: bool = False
    password: Secret | None = None
    passphrase: Secret | None = None
    sudo_password: Secret | None = None

    @field_validator("password", "passphrase", "sudo_password", mode="before")
    @classmethod
    def _never_plain(cls, value: object) -> object:
        named = isinstance(value, dict) and set(value) == {"vault"} and isinstance(value["vault"], str)
        if value is None or value == "prompt" or named:
            return value
        raise PydanticCustomError("secret", "a secret never stands here: write {vault: NAME}, or prompt")


class Bastion(_Strict):
    """A host on the way to others: it is logged in to, never visited."""

    address: Annotated[str, Field(min_length=1, max_length=64)]
    port: Port = 22
    logins: Annotated[tuple[str, ...], Field(min_length=1)] = ("default",)


class Way(_Strict):
    """A rule: for these hosts (names with `*`, addresses), ranges or units, what is to be done otherwise."""

    hosts: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    logins: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    via: tuple[str, ...] | None = None
    port: Port | None = None
    legacy: bool | None = None


class Ssh(_Strict):
    """How hosts are logged in to.  `user`, `key_files` and `agent` are the login `default` in short."""

    user: Annotated[str, Field(min_length=1)] = "ops"
    key_files: tuple[str, ...] = ()
    agent: bool = True
    port: Port = 22
    workers: Annotated[int, Field(ge=1, le=10_000)] = 256  # connections in flight
    command_seconds: Annotated[float, Field(gt=0, le=3600)] = 300
    logins: dict[Name, LoginSettings] = Field(default_factory=dict)
    bastions: dict[Name, Bastion] = Field(default_factory=dict)
    ways: tuple[Way, ...] = ()
    ssh_config: tuple[str, ...] = ()

    @property
    def named(self) -> dict[str, LoginSettings]:
        """All logins by name, `default` among them."""
        short = LoginSettings(user=self.user, key_files=self.key_files, agent=self.agent)
        return {"default": short, **self.logins}

    def problems(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """What is wrong although each value is right by itself: (path below `ssh`, what)."""
        if "default" in self.logins:
            for name in sorted({"user", "key_files", "agent"} & self.model_fields_set):
                yield (name,), f"{name} is short for the login default, which stands under logins as well: keep one of them"
        for name, bastion in self.bastions.items():
            yield from self._unknown(("bastions", name, "logins"), bastion.logins, self.named, "login")
        for number, way in enumerate(self.ways):
            if not (way.hosts or way.ranges or way.units):
                yield ("ways", number), "for whom? name hosts, ranges or units"
            yield from self._unknown(("ways", number, "logins"), way.logins or (), self.named, "login")
            yield from self._unknown(("ways", number, "via"), way.via or (), self.bastions, "bastion")
            for place, text in enumerate(way.ranges):
                try:
                    scope.parse_range(text)
                except InputError as error:
                    yield ("ways", number, "ranges", place), error.message

    @staticmethod
    def _unknown(
        path: tuple[str | int, ...], names: Sequence[str], known: Mapping[str, Any], what: str
    ) -> Iterator[tuple[tuple[str | int, ...], str]]:
        for place, name in enumerate(names):
            if name not in known:
                yield (*path, place), f"there is no {what} {name!r}; there are {', '.join(known) or 'none'}"


@dataclass(frozen=True)
class Known:
    """What the catalogue knows of a host; `last` is the login by which it was last visited."""

    name: str = ""
    unit: str = ""
    last: str = ""


FROM_FILE = "ssh_config"
"""What the login is called that an ssh_config describes."""


@dataclass(frozen=True)
class Decision:
    """How an address is reached: names of logins in order, bastions by name (None: as ssh_config says), the rules that were asked."""

    logins: tuple[str, ...]
    via: tuple[str, ...] | None
    port: int
    legacy: bool
    refusal: str
    rules: tuple[int, ...]
    said: ssh.Said


@dataclass
class Ways:
    """Peers for hosts.  Secrets are fetched when a peer that needs them is asked for."""

    settings: Ssh
    root: Path
    secrets: Secrets
    keys: Mapping[str, ssh.Keys]
    hosts: Mapping[str, Known] = field(default_factory=dict)
    _logins: dict[str, ssh.Login] = field(default_factory=dict, repr=False)
    _files: ssh.ClientConfiguration | None = None

    @property
    def files(self) -> ssh.ClientConfiguration | None:
        """The ssh_config files, read; None where none is named.  Raises InputError."""
        if self.settings.ssh_config and self._files is None:
            self._files = ssh.ClientConfiguration([_path(self.root, name) for name in self.settings.ssh_config])
        return self._files

    def decide(self, address: str) -> Decision:
        """What the rules and files say of an address, without fetching a secret.  Raises InputError for an unreadable ssh_config."""
        known = self.hosts.get(address, Known())
        said, rules = self._said(known.name, address), self.rules(address)
        logins, via = _first(rules, "logins"), _first(rules, "via")
        if logins is None:
            logins = (FROM_FILE, "default") if said.login else ("default",)
        port = _first(rules, "port") or said.port or self.settings.port
        refusal = said.refusal if via is None else ""
        return Decision(tuple(logins), via, port, bool(_first(rules, "legacy")), refusal, tuple(number for number, _ in rules), said)

    def door(self, address: str) -> ssh.Peer:
        """How this address is reached, without anything to log in to it with: for reading its host keys."""
        found = self.decide(address)
        jumps = tuple(self.bastion(name) for name in found.via) if found.via is not None else self._jumps(found.said, 0)
        refused = next((f"the bastion {hop}: {hop.refusal}" for hop in jumps if hop.refusal), found.refusal)
        return ssh.Peer(address, (), self.keys.get(address, {}), found.port, jumps, found.legacy, refusal=refused)

    def peer(self, address: str) -> ssh.Peer:
        """How this address is reached and logged in to.  Raises InputError for secrets and files that cannot be had."""
        found = self.decide(address)
        logins = tuple(self._file_login(found.said) if name == FROM_FILE else self.login(name) for name in found.logins)
        return replace(self.door(address), logins=logins, preferred=self.hosts.get(address, Known()).last)

    def rules(self, address: str) -> list[tuple[int, Way]]:
        """The rules that hold for an address, the most specific first, each with its number in the file."""
        known = self.hosts.get(address, Known())
        found = [(rank, number, way) for number, way in enumerate(self.settings.ways) if (rank := _rank(way, address, known)) is not None]
        return [(number, way) for _, number, way in sorted(found, key=lambda item: item[:2])]

    def login(self, name: str) -> ssh.Login:
        """A named login with its secrets.  Raises InputError."""
        if name not in self._logins:
            settings = self.settings.named[name]
            files = tuple(str(_path(self.root, text)) for text in settings.key_files)
            secrets = {
                what: self._secret(getattr(settings, what), f"{what.replace('_', ' ')} of the login {name}")
                for what in ("password", "sudo_password", "passphrase")
            }
            self._logins[name] = ssh.Login(settings.user, files, settings.agent, name=name, **secrets)
        return self._logins[name]

    def _secret(self, wanted: Secret | None, what: str) -> str:
        if wanted is None:
            return ""
        return self.secrets.asked(what.capitalize()) if wanted == "prompt" else self.secrets.named(wanted.vault)

    def bastion(self, name: str) -> ssh.Peer:
        """A bastion of planner.yml."""
        settings = self.settings.bastions[name]
        logins = tuple(self.login(login) for login in settings.logins)
        return ssh.Peer(settings.address, logins, self.keys.get(settings.address, {}), settings.port, name=name)

    def bastion_door(self, name: str) -> ssh.Peer:
        """How a bastion of planner.yml is reached for reading its host keys: behind those that stand before it in a rule."""
        ahead = next((way.via[: way.via.index(name)] for way in self.settings.ways if way.via and name in way.via), ())
        settings = self.settings.bastions[name]
        jumps = tuple(self.bastion(hop) for hop in ahead)
        return ssh.Peer(settings.address, (), {}, settings.port, jumps, name=name)

    def _said(self, name: str, address: str) -> ssh.Said:
        if self.files is None:
            return ssh.Said()
        by_address = self.files.of(address)
        return self.files.of(name).over(by_address) if name and name != address else by_address

    def _file_login(self, said: ssh.Said) -> ssh.Login:
        default = self.login("default")
        files = tuple(str(Path(name).expanduser()) for name in said.key_files) or default.key_files
        return ssh.Login(said.user or default.user, files, said.agent, name=FROM_FILE)

    def _jumps(self, said: ssh.Said, depth: int) -> tuple[ssh.Peer, ...]:
        if depth > HOPS:
            raise InputError(f"ssh_config: ProxyJump leads through more than {HOPS} bastions", hint="does one name itself?")
        found: list[ssh.Peer] = []
        for number, hop in enumerate(said.jumps):
            if hop.host in self.settings.bastions and not hop.user and hop.port is None:
                found.append(self.bastion(hop.host))
                continue
            assert self.files is not None
            own = self.files.of(hop.host)
            if number == 0:  # the first one may have a way of its own
                found += self._jumps(own, depth + 1)
            address = own.address or hop.host
            own = own.over(ssh.Said(user=self.login("default").user))
            login = self._file_login(ssh.Said(user=hop.user or own.user, key_files=own.key_files, agent=own.agent))
            logins = (login, self.login("default"))
            port = hop.port or own.port or 22
            found.append(ssh.Peer(address, logins, self.keys.get(address, {}), port, name=hop.host, refusal=own.refusal))
        return tuple(found)


def _rank(way: Way, address: str, known: Known) -> tuple[int, int] | None:
    """How specifically a rule names a host, smaller is more; None when it does not."""
    ranks = []
    for text in way.hosts:
        if text in (known.name, address):
            ranks.append((0, 0))
        elif any(fnmatch.fnmatchcase(value, text) for value in (known.name, address) if value):
            ranks.append((1, -len(text.replace("*", "").replace("?", ""))))
    try:
        value = netaddr.IPAddress(address)
    except (netaddr.AddrFormatError, ValueError):
        value = None
    for text in way.ranges if value is not None else ():
        held = _range(text)
        if value in held:
            ranks.append((2, held.size))
    if known.unit and known.unit in way.units:
        ranks.append((3, 0))
    return min(ranks) if ranks else None


@functools.cache
def _range(text: str) -> netaddr.IPSet:
    return scope.parse_range(text)


def _first(rules: Sequence[tuple[int, Way]], what: str) -> Any:
    return next((value for _, way in rules if (value := getattr(way, what)) is not None), None)


def _path(root: Path, name: str) -> Path:
    return (root / Path(name).expanduser()).absolute()
