"""Secrets for logins: an ansible-vault encrypted file of the workspace, or a question on the terminal.  They live in memory only.

In: the vault's settings, and the name of a secret.  Out: its text.  An error names the secret and the file, never a value or a piece of
the decrypted text.  ansible-core's own VaultLib decrypts; it is imported only when there is something to decrypt.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from inventory import yamlfile
from inventory.errors import ConfigurationError, InputError


def ask(question: str) -> str:
    """Ask on the terminal, without an echo.  Raises InputError where there is none."""
    if not sys.stdin.isatty():
        raise InputError(
            f"{question}: nobody is there to ask",
            hint="put it into the vault file, and the vault's password into a file (vault in planner.yml)",
        )
    return getpass.getpass(f"{question}: ", stream=sys.stderr)


class Secrets:
    """The vault, opened when the first secret is needed; what was asked once is not asked again."""

    def __init__(self, file: Path | None, password_file: Path | None, question: Callable[[str], str] = ask) -> None:
        self.file, self.password_file, self._question = file, password_file, question
        self._values: Mapping[str, str] | None = None
        self._answers: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Secrets({self.file})"

    def asked(self, question: str) -> str:
        """The answer to a question on the terminal."""
        if question not in self._answers:
            self._answers[question] = _usable(self._question(question), question)
        return self._answers[question]

    def named(self, name: str) -> str:
        """A secret of the vault file.  Raises InputError."""
        values = self._open()
        if name not in values:
            raise InputError(f"{self.file}: there is no secret {name!r}", hint=f"ansible-vault edit {self.file}")
        return values[name]

    def names(self) -> list[str]:
        """The names of all secrets in the vault file.  Raises InputError."""
        return sorted(self._open())

    def _open(self) -> Mapping[str, str]:
        if self._values is None:
            if self.file is None:
                raise InputError(
                    "a login takes a secret from the vault, and there is none", hint="vault: {file: secrets.yml} in planner.yml"
                )
            try:
                data = self.file.read_bytes()
            except OSError as error:
                raise InputError(f"{self.file}: {error.strerror}", hint="ansible-vault create makes it") from error
            if not data.startswith(b"$ANSIBLE_VAULT;"):
                raise InputError(f"{self.file} is not encrypted", hint=f"ansible-vault encrypt {self.file}")
            self._values = _read(self.file, _decrypt(self.file, data, self._password()))
        return self._values

    def _password(self) -> bytes:
        if self.password_file is None:
            return self.asked(f"Password of the vault {self.file}").encode()
        try:
            text = self.password_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{self.password_file}: {getattr(error, 'strerror', None) or 'not UTF-8'}", hint="see vault in planner.yml"
            ) from None
        if text.startswith("#!"):
            raise InputError(
                f"{self.password_file} is a program, and programs are not run for a password", hint="name a file that holds it"
            )
        return text.rstrip("\r\n").encode()


def _decrypt(file: Path, data: bytes, password: bytes) -> str:
    from ansible.errors import AnsibleError
    from ansible.parsing.vault import VaultLib, VaultSecret

    try:
        return str(VaultLib([("default", VaultSecret(password))]).decrypt(data).decode("utf-8"))
    except (AnsibleError, ValueError):  # its text would name ansible's own options, and could hold what it decrypted
        raise InputError(f"{file}: the password does not open it", hint="see vault.password_file in planner.yml") from None


def _read(file: Path, text: str) -> dict[str, str]:
    try:
        data = yamlfile.parse(text, str(file)).data
    except ConfigurationError as error:
        places = "; ".join(problem.removeprefix(f"{file}:").split(" ")[0].rstrip(":") for problem in error.problems)
        raise InputError(f"{file}: what it holds is not good YAML, at {places}", hint=f"ansible-vault edit {file}") from None
    if not isinstance(data, dict):
        raise InputError(f"{file}: it must hold lines NAME: 'secret'", hint=f"ansible-vault edit {file}")
    return {str(name): _usable(value, f"{file}: the secret {name!r}") for name, value in data.items()}


def _usable(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{what} is not text", hint="write it in quotes: a number or yes/no would lose its form")
    if not value or any(character in value for character in "\n\r\0"):
        raise InputError(f"{what} is empty, or holds a line break", hint="one line of text")
    return value
