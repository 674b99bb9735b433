"""What a system stands on, as data: all that a bare machine needs so that the system runs there as it ran before.  Pure.

`planner.rebuild` makes it from facts, a plan's document carries it, roles of the bundle take its parts.  Nothing in it is secret: passwords
are made at the destination, and configuration files go from host to host without passing through here.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

CARRIED = ("/srv", "/opt", "/home", "/var/www", "/var/lib", "/usr/local", "/data", "/web", "/app", "/apps", "/www")
"""Directories below which a system's own files may lie; the rest of a machine belongs to its distribution."""
_PLAIN = re.compile(r"/[A-Za-z0-9._@+-]+(?:/[A-Za-z0-9._@+ -]+)+")


def carried(path: str) -> bool:
    """Whether a directory may be copied to the same place on another machine: plain, and deep enough to be the system's alone."""
    if not _PLAIN.fullmatch(path) or {".", ".."} & {*path.split("/")}:
        return False
    return any(path.startswith(f"{root}/") for root in CARRIED)


def _is_carried(path: str) -> str:
    if not carried(path):
        raise ValueError(f"this is no directory of a system's own: it must lie below {', '.join(CARRIED)}")
    return path


def _is_file(path: str) -> str:
    if not _PLAIN.fullmatch(path) or {".", ".."} & {*path.split("/")}:
        raise ValueError("this is no plain absolute path")
    return path


Folder = Annotated[str, AfterValidator(_is_carried)]
File = Annotated[str, AfterValidator(_is_file)]
Package = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]+$")]
Account = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]
Role = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,62}$")]
HostName = Annotated[str, Field(pattern=r"^[a-z0-9_*][a-z0-9_.-]{0,252}$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Locale = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.@-]{1,63}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class User(_Part):
    """An account that the system's files belong to or that runs it; `uid` and `gid` as they are, kept where they are free."""

    name: Account
    uid: Annotated[int, Field(ge=1, le=4294967294)]
    gid: Annotated[int, Field(ge=1, le=4294967294)]
    home: str
    packaged: bool = False
    """It comes with a package, under a number of that package's choice."""


class Tomcat(_Part):
    """One host of a Tomcat, as an instance of its own.  `context` is the file that holds its resources, '' without one."""

    series: Annotated[str, Field(pattern=r"^[0-9]{1,2}$")]
    port: Port
    host: HostName
    aliases: tuple[HostName, ...] = ()
    docroot: Folder
    context: File | Literal[""] = ""
    java_options: tuple[Annotated[str, Field(pattern=r"^-[A-Za-z0-9:.=_/,+-]+$")], ...] = ()
    drivers: tuple[Annotated[str, Field(pattern=r"^/usr/share/java/[A-Za-z0-9.-]+\.jar$")], ...] = ()


class Database(_Part):
    """The PostgreSQL database: `owner` and `user` are roles, `roles` all that may matter to it; passwords are nowhere."""

    major: Annotated[str, Field(pattern=r"^[0-9]{1,2}$")]
    name: Account
    owner: Role
    user: Role
    encoding: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,20}$")]
    collation: Locale
    ctype: Locale
    locales: tuple[Annotated[str, Field(pattern=r"^[a-z]{2,3}_[A-Z]{2}(@[a-z]+)?\.[A-Z0-9-]+(@[a-z]+)? [A-Z0-9-]+$")], ...] = ()
    extensions: tuple[Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,63}$")], ...] = ()


class Job(_Part):
    """A cron entry; it rests until the cutover."""

    user: Account
    schedule: Annotated[str, Field(pattern=r"^(@[a-z]+|\S+ \S+ \S+ \S+ \S+)$")]
    command: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=2000)]
    file: str = ""


class Stack(_Part):
    """The whole of it; `notes` say what a person should know and what does not stop a move."""

    release: Literal["debian-12", "debian-13"]
    packages: tuple[Package, ...]
    users: tuple[User, ...] = ()
    folders: Annotated[tuple[Folder, ...], Field(min_length=1)]
    tomcat: Tomcat
    database: Database | None = None
    jobs: tuple[Job, ...] = ()
    ports: tuple[Port, ...] = (80,)
    notes: tuple[str, ...] = ()
