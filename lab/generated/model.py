"""What a generated campus is made of.  Plain data: what there really is (`Site`, `Server`), and how the units tell it (`declared`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

EVERYWHERE = "0.0.0.0"  # noqa: S104  (what a generated server's listener says)


def draw(*names: object) -> Random:
    """A generator of its own for each thing that is decided: the same names give the same numbers, whatever else was drawn before."""
    return Random(":".join(map(str, names)))  # noqa: S311  (nothing here is secret)


@dataclass
class Unit:
    """A unit; `chinese` is whether its sheets have Chinese headings, `third` the third part of its addresses."""

    code: str
    name_zh: str
    name_en: str
    kind: str
    third: int
    chinese: bool
    head: str = ""
    deputy: str = ""
    contact: str = ""

    @property
    def domain(self) -> str:
        """The unit's own part of the school's domain."""
        return f"{self.code}.example.edu"

    @property
    def range(self) -> str:
        """Its addresses: of the block that RFC 2544 keeps for tests, so that nobody's machine is meant."""
        return f"198.18.{self.third}.0/24"


@dataclass
class System:
    """A release of a system with what it ships: PHP, database, and how it lays out its configuration (debian or rhel)."""

    ident: str
    version: str
    name: str
    layout: str
    php: str
    php_release: str
    database: tuple[str, str]
    apache: str
    nginx: str


@dataclass
class Database:
    """A schema; `on` is the server that holds it, sizes are bytes."""

    product: str
    name: str
    user: str
    on: str
    bytes: int
    tables: int
    myisam_bytes: int = 0
    charset: str = "utf8mb4"
    definer: str = ""
    events: int = 0
    triggers: int = 0


@dataclass
class Site:
    """A site as it really is.  `stack` is a key of `stacks.STACKS`; sizes are bytes; `per_day` None where no log is written.

    `answers` are what its people would say of it; `claimed_by` is a second unit that has it in its sheets.
    """

    name: str
    aliases: list[str]
    unit: str
    server: str
    stack: str
    title: str
    docroot: str
    version: str
    static: bool
    files: int
    bytes: int
    age_days: int
    per_day: float | None
    traits: list[str] = field(default_factory=list)
    database: Database | None = None
    shared_with: list[str] = field(default_factory=list)
    plugins: list[str] = field(default_factory=list)
    port: int = 0
    remote: str = ""
    tls: bool = False
    tls_days_left: int = 0
    htaccess: list[str] = field(default_factory=list)
    uploads: list[str] = field(default_factory=list)
    links_outside: list[tuple[str, str]] = field(default_factory=list)
    declared: bool = True
    claimed_by: str = ""
    answers: dict[str, bool | str] = field(default_factory=dict)


@dataclass
class Server:
    """A server.  `web` is nginx, apache or '' (a database server, a program without a web server, Windows)."""

    name: str
    address: str
    unit: str
    system: System | None
    web: str
    cpus: int
    memory_bytes: int
    disk_bytes: int
    physical: bool
    kind: str = "web"
    load_percent: float = 5.0
    history_days: int = 0
    gaps: list[str] = field(default_factory=list)
    windows: str = ""
    outside: bool = False
    sites: list[Site] = field(default_factory=list)
    services: list[tuple[int, str]] = field(default_factory=list)
    databases: list[Database] = field(default_factory=list)

    @property
    def told(self) -> bool:
        """Whether a collector's output of it exists."""
        return not self.windows


@dataclass
class Campus:
    """All of it; `at` is the moment at which every collector ran, `gone` are names that the register has and nobody serves."""

    seed: int
    at: datetime
    units: list[Unit]
    servers: list[Server]
    sites: list[Site]
    gone: list[dict[str, Any]] = field(default_factory=list)

    def unit(self, code: str) -> Unit:
        """A unit by its code."""
        return next(unit for unit in self.units if unit.code == code)

    def server(self, name: str) -> Server:
        """A server by its name."""
        return next(server for server in self.servers if server.name == name)
