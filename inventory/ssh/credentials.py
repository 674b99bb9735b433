"""Whom `driven` can log in as: the keys of a peer's login, read once for all its hosts."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

import paramiko

from inventory.ssh.model import Login
from inventory.ssh.packets import Agent

_SIGNS_BY_ITSELF = {"ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"}
_AGENT_SECONDS = 5.0


@dataclass(frozen=True)
class Signers:
    """Keys to log in with, in order; `more` is whether the plain way could try something else."""

    keys: tuple[paramiko.PKey, ...]
    more: bool


class Credentials:
    """The signers of logins.  A login that cannot be read here has none: the plain way will say what is wrong with it."""

    def __init__(self) -> None:
        self._found: dict[Login, Signers] = {}
        self._agent: Agent | None = None
        self._agent_keys: list[paramiko.PKey] | None = None

    def of(self, login: Login) -> Signers:
        """Key files in their order, then the agent's keys."""
        if login not in self._found:
            self._found[login] = self._read(login)
        return self._found[login]

    def close(self) -> None:
        """Leave the agent."""
        if self._agent is not None:
            self._agent.close()

    def _read(self, login: Login) -> Signers:
        try:
            keys = [paramiko.PKey.from_path(Path(name).expanduser()) for name in login.key_files]
        except Exception:  # missing, encrypted, no key at all: paramiko has many ways to say it
            return Signers((), True)
        offered = self._from_agent() if login.agent and os.environ.get("SSH_AUTH_SOCK") else []
        # a key on a token waits for a finger, and all other connections with it
        willing = [key for key in offered if key.get_name() in _SIGNS_BY_ITSELF]
        return Signers((*keys, *willing), len(willing) < len(offered))

    def _from_agent(self) -> list[paramiko.PKey]:
        if self._agent_keys is None:
            self._agent_keys = []
            with contextlib.suppress(paramiko.SSHException, OSError):
                self._agent = Agent(_AGENT_SECONDS)
                self._agent_keys = list(self._agent.get_keys())
        return self._agent_keys
