"""The workspace: the admins' own folder (`planner init DIR`), fit for git, and its configuration with `file:line:column` errors.

In: a directory.  Out: a `Workspace` with validated configuration and the paths of everything that lives in it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, model, register, scope, ssh, yamlfile
from inventory.errors import Busy, ConfigurationError, InputError, WorkspaceError
from inventory.scope import Campus
from planner import calendars, logins, notifications, platformsfile, policy
from planner.platforms import Platforms
from planner.vault import Secrets

FILE = "planner.yml"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Vault(_Strict):
    """The ansible-vault encrypted file that holds the passwords of logins, and the file with its own; without that one it is asked for."""

    file: str = "secrets.yml"
    password_file: str | None = None


class ScopeFile(_Strict):
    """Which addresses may be visited at all."""

    allow: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    cap: Annotated[int, Field(ge=1)] = 4096


class CampusFile(_Strict):
    """What is the school's own: its address space and its domains; what lies outside is 双非."""

    networks: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()


class Configuration(_Strict):
    """`planner.yml`."""

    catalogue: str = "catalogue.db"
    language: Annotated[str, Field(pattern="^(en|zh_CN)$")] = "en"
    ssh: logins.Ssh = logins.Ssh()
    vault: Vault | None = None
    scope: ScopeFile = ScopeFile()
    campus: CampusFile = CampusFile()
    notify: notifications.Notify = notifications.Notify()


class Workspace:
    """An opened workspace."""

    def __init__(self, root: Path, document: yamlfile.Document, configuration: Configuration, platforms: Platforms) -> None:
        self.root, self.document, self.configuration, self.platforms = root, document, configuration, platforms

    @property
    def catalogue_url(self) -> str:
        """The catalogue's database URL: a path in the configuration is relative to the workspace."""
        text = self.configuration.catalogue
        return text if "://" in text else f"sqlite:///{self.root / text}"

    @property
    def known_hosts(self) -> Path:
        """The trusted host keys, written out for OpenSSH (Ansible uses it)."""
        return self.root / "runs" / "known_hosts"

    @property
    def login(self) -> ssh.Login:
        """How hosts are logged in to where nothing else is said of them."""
        settings = self.configuration.ssh.named["default"]
        return ssh.Login(settings.user, tuple(str(self.path(name)) for name in settings.key_files), settings.agent)

    @cached_property
    def secrets(self) -> Secrets:
        """The vault; it is opened when a secret is needed."""
        settings = self.configuration.vault
        if settings is None:
            return Secrets(None, None)
        return Secrets(self.path(settings.file), self.path(settings.password_file) if settings.password_file else None)

    def ways(self, session: Session) -> logins.Ways:
        """How each host of the catalogue is reached and logged in to."""
        from inventory import discovery  # with all probes: not for commands that only list

        rows = session.execute(select(model.Host.address, model.Host.name, model.Host.unit_code, model.Host.way))
        hosts = {address: logins.Known(name, unit or "", way.get("login", "")) for address, name, unit, way in rows}
        return logins.Ways(self.configuration.ssh, self.root, self.secrets, discovery.trusted(session), hosts)

    @property
    def scope(self) -> scope.Scope:
        """The addresses that may be visited."""
        return scope.scope(self.configuration.scope.allow, self.configuration.scope.exclude, self.configuration.scope.cap)

    @property
    def campus(self) -> Campus:
        """The school's address space and domains."""
        return scope.campus(self.configuration.campus.networks, self.configuration.campus.domains)

    @cached_property
    def rules(self) -> policy.RuleSet:
        """The rules in force: the shipped ones, with what the workspace adds and changes."""
        return policy.load((policy.SHIPPED, self.root / "policy"))

    @property
    def fields(self) -> register.Register:
        """The register's fields, with this workspace's own headings."""
        return register.load(self.root)

    def path(self, name: str) -> Path:
        """A file that the configuration names: relative to the workspace, `~` is the home directory."""
        return (self.root / Path(name).expanduser()).absolute()

    def dns_key(self) -> str:
        """The TSIG key file, absolute."""
        return str(self.path(self.platforms.dns.key_file)) if self.platforms.dns else ""

    def plan_folder(self, plan: str) -> Path:
        """`plans/<id>`."""
        return self.root / "plans" / plan

    def open_catalogue(self) -> catalogue.Catalogue:
        """The catalogue, migrated."""
        return catalogue.open_catalogue(self.catalogue_url)

    @contextmanager
    def lock(self, what: str) -> Iterator[None]:
        """One holder at a time across processes; the kernel gives it back when the process dies."""
        path = self.root / "runs" / f".{what}.lock"
        path.parent.mkdir(exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = os.pread(handle, 200, 0).decode(errors="replace").strip() or "another process"
                raise Busy(f"{what} is held by {holder}", hint="wait until it has finished") from error
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"process {os.getpid()}".encode(), 0)
            yield
        finally:
            os.close(handle)


def find(start: Path | None = None) -> Workspace:
    """The workspace at `start` or above it.  Raises WorkspaceError, ConfigurationError."""
    begin = (start or Path.cwd()).absolute()
    for folder in (begin, *begin.parents):
        if (folder / FILE).is_file():
            return _open(folder)
    raise WorkspaceError(f"there is no {FILE} in {begin} or above it", hint="make a workspace: planner init DIR")


def _open(root: Path) -> Workspace:
    document = yamlfile.read(root / FILE)
    configuration = document.validate(Configuration)
    problems = [f"{document.place(('ssh', *path))}: ssh.{'.'.join(map(str, path))}: {what}" for path, what in configuration.ssh.problems()]
    if problems:
        raise ConfigurationError(problems)
    return Workspace(root, document, configuration, platformsfile.load(root / "inventory" / "platforms.yml"))


SKELETON = {
    FILE: """\
# How the planner reaches the units' hosts.  Every value here is checked when a command starts.
catalogue: catalogue.db            # or postgresql+psycopg://user@host/database
language: en                       # en or zh_CN: tables, reports, letters
ssh:
  user: ops                        # the account on the units' hosts (docs/security.md says what it needs)
  key_files: []                    # private keys tried in order; none: the agent's keys
  agent: true
  # logins:                      # more of them by name, which hosts they are for, bastions, old hosts: docs/security.md, Logging in
  # ways:
# vault: {file: secrets.yml}       # passwords for logins, encrypted with ansible-vault; never in this file
scope:
  allow: []                        # networks, ranges and addresses that may be visited; none: nothing
  exclude: []
campus:                            # what lies outside is off-network or off-domain (双非); none: nobody can tell
  networks: []
  domains: []
""",
    "inventory/platforms.yml": """\
# Where workloads can go, and what it costs: every key stands in docs/platforms.md of the planner.
virtual_hosts: []                  # - {name: vh1, address: 192.0.2.10, php: ["8.2"]}
site_clusters: []                  # - {name: main, front: {name: front, address: 192.0.2.20}, nodes: [{name: n1, address: 192.0.2.21}]}
# dns: {server: 192.0.2.53, zones: [example.edu], key_file: tsig.key, lowered_ttl: 60}
""",
    "calendar.yml": calendars.SKELETON,
    "inventory/headings.yml": """\
# What stands over columns in our units' sheets, beyond the shipped headings.  kind: {field: [headings]}; fields: docs/register.md
# site: {admin: [网站责任老师], url: [门户地址]}
# ignored: [流水号]
""",
    "policy/README.md": "Your own rules: `*.yml` like those of docs/rules.md; the same id replaces one, `change:` alters one.\n",
    ".gitignore": "catalogue.db*\nruns/\nreports/\n*.key\n",
}


def create(root: Path) -> list[str]:
    """Make a workspace; existing files are kept.  Returns what was written.  Raises InputError."""
    written = []
    try:
        for name, text in SKELETON.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.write_text(text, encoding="utf-8")
                written.append(name)
        for folder in ("plans", "runs", "reports"):
            (root / folder).mkdir(exist_ok=True)
        (root / "runs").chmod(0o700)
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}") from error
    return written
