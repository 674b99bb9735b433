"""Signatures of web applications as data (`applications.yml`), and what they ask of a tree of files.

In: the data file.  Out: `rules()`, what has to be taken out of a tree; `Facts`, the names and few lines that the probe on a host, or
`applicationtree` on this machine, took out; `recognition` judges them.  Pure but for reading the data file.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from inventory import yamlfile

GENERATOR = (
    "<[Mm][Ee][Tt][Aa][^<>]*[Nn][Aa][Mm][Ee]=[\"']?[Gg]enerator[\"']?[^<>]*[Cc][Oo][Nn][Tt][Ee][Nn][Tt]=[\"']?([^\"'<>]+)",
    "<[Mm][Ee][Tt][Aa][^<>]*[Cc][Oo][Nn][Tt][Ee][Nn][Tt]=[\"']?([^\"'<>]+)[\"']?[^<>]*[Nn][Aa][Mm][Ee]=[\"']?[Gg]enerator",
    "<!--Announced by (Visual SiteBuilder[ 0-9.]*)",
)
GENERIC = (
    "*[Cc]onfig*.php", "[Cc]onn*.php", "[Dd][Bb]*.php", "[Dd]atabase*.php", "[Ss]etting*.php", "[Mm]ysql*.php", "*[Cc]ommon*.php",
    "[Cc]onn*.asp", "*[Cc]onfig*.asp", "[Cc]onn*.jsp", "*[Cc]onfig*.jsp", "[Dd][Bb]*.jsp",
)  # fmt: skip
INDEXES = ("index.html", "index.htm")
DSN = {"dsn.name": "name", "dsn.user": "user", "dsn.host": "host", "dsn.server": "server", "dsn.port": "port", "dsn.socket": "socket"}


def pattern(text: str) -> str:
    """The pattern that a signature's shorthand stands for; raises ValueError for what awk would read differently."""
    if re.search(r"\\(?!t)|[*+?][?+]|\(\?|\{", text):
        raise ValueError(f"not a pattern that awk and Python read alike: {text}")
    text = text.replace("%v", "[\"']([^\"']+)[\"']").replace("%q", "[\"']").replace("%s", "[ \t]*").replace("\\t", "\t")
    re.compile(text)
    return text


Pattern = Annotated[str, AfterValidator(pattern)]
PathGlob = Annotated[str, Field(pattern=r"^[A-Za-z0-9@._/*|-]+$")]
Told = tuple[PathGlob, Pattern] | tuple[PathGlob, Pattern, Pattern] | tuple[PathGlob, Pattern, Pattern, Pattern] | tuple[
    PathGlob, Pattern, Pattern, Pattern, Pattern
]  # fmt: skip


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Parts(_Data):
    """Plugins or themes: their files, and what their headers say."""

    files: tuple[PathGlob, ...]
    title: Pattern = ""
    version: Pattern = ""


class Depends(_Data):
    """Packages that make a package.json a server's; `alone` does so where it asks for no package at all."""

    file: PathGlob
    packages: dict[str, str]
    sections: tuple[str, ...] = ("dependencies",)
    alone: Pattern = ""


class Named(_Data):
    """Configuration in a file of its own for each site name, which `file` asks for; the one `*` of `files` is that name, or `default`."""

    file: PathGlob
    says: Pattern
    files: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9._-]+)+/[A-Za-z0-9._-]*[*][A-Za-z0-9._-]*$")]


class Signature(_Data):
    """One application, or one line of its versions; the file explains each word."""

    name: str
    language: str
    server: str = ""
    root: tuple[PathGlob, ...]
    all: tuple[PathGlob, ...] = ()
    any: tuple[PathGlob, ...] = ()
    none: tuple[PathGlob, ...] = ()
    says: tuple[tuple[PathGlob, Pattern], ...] = ()
    version: tuple[Told, ...] = ()
    requires: tuple[Told, ...] = ()
    config: tuple[PathGlob, ...] = ()
    comments: bool = False
    keys: dict[str, str] = {}
    details: dict[str, tuple[PathGlob, Pattern]] = {}
    several: dict[str, PathGlob] = {}
    depends: Depends | None = None
    named: Named | None = None
    plugins: Parts | None = None
    themes: Parts | None = None
    owns: tuple[PathGlob, ...] = ()
    weak: bool = False
    unless: tuple[str, ...] = ()
    above: tuple[str, ...] = ()


class Data(_Data):
    """`applications.yml`."""

    prune: tuple[str, ...]
    generic: dict[str, str]
    generators: tuple[str, ...]
    applications: tuple[Signature, ...]


@cache
def data() -> Data:
    """What ships.  Raises ConfigurationError with `file:line:column`."""
    return yamlfile.read(Path(__file__).with_name("applications.yml")).validate(Data)


HEADER, HEAD = 8_192, 65_536  # bytes of a plugin's file, as WordPress itself reads, and of any other
SECTIONS = ("dependencies", "devdependencies", "peerdependencies", "optionaldependencies", "scripts", "engines", "jest", "overrides")


@dataclass
class Rule:
    """Files of one (relative) path: take note of them, and of the lines that match `patterns` and the settings named in `keys`."""

    path: str
    patterns: set[str] = field(default_factory=set)
    keys: set[str] = field(default_factory=set)
    comments: bool = False
    head: int = HEADER  # so many bytes are read
    deep: set[str] = field(default_factory=set)  # below such a file's root: in folders not walked through, or behind a link
    above: set[str] = field(default_factory=set)  # also in the parent of a docroot of these names; `*`: of any
    mentioned: str = ""  # the pattern that some file of the tree must match before this one, outside of it, is read

    @property
    def base(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def ending(self) -> str:
        """Of a base with `*`, what follows its last dot; '' where that is open."""
        end = self.base.rpartition(".")[2] if "." in self.base else "*"
        return "" if "*" in end else end


@cache
def rules() -> dict[str, Rule]:
    """All that has to be taken out of a tree, by path."""
    found: dict[str, Rule] = {}

    def rule(path: str) -> Rule:
        return found.setdefault(path.removeprefix("../"), Rule(path.removeprefix("../")))

    for item in data().applications:
        told = [*item.says, *item.version, *item.requires, *item.details.values()]
        for paths, *patterns in told:
            for path in paths.split("|"):
                rule(path).patterns.update(patterns)
                rule(path).head = HEAD
        for path in (*item.root, *item.all, *item.any, *item.none, *item.several.values()):
            rule(path)
        for path in item.config:
            rule(path).keys.update(key.lower() for key in item.keys)
            rule(path).keys.update(DSN)
            rule(path).comments |= item.comments
            rule(path).head = HEAD
            if path.startswith("../"):
                rule(path).above.add("*")
                rule(item.root[0]).above.add("*")
        if item.named:
            rule(item.named.file).patterns.add(item.named.says)
            rule(item.named.files).keys.update((*(key.lower() for key in item.keys), *DSN))
            rule(item.named.files).head = HEAD
            rule(item.named.files).mentioned = item.named.says
        if item.depends:
            rule(item.depends.file).keys.update((*item.depends.packages, *SECTIONS))
            rule(item.depends.file).head = HEAD
            rule(item.depends.file).patterns.update({item.depends.alone} - {""})
        for parts in (item.plugins, item.themes):
            for path in parts.files if parts else ():
                rule(path).patterns.update({parts.title, parts.version} - {""} if parts else ())
        mentioned = [path for paths, *_ in told for path in paths.split("|")] + [*item.root, *item.all, *item.any, *item.config]
        for path in mentioned:
            if item.above and "*" not in path:
                rule(path).above.update(item.above)
            if set(path.split("/")[:-1]) & set(data().prune) or (path in item.config and "*" not in path and ".." not in path):
                for root in item.root:
                    rule(root).deep.add(path)
    for path in GENERIC:
        rule(path).keys.update((*data().generic, *DSN))
        rule(path).head = HEAD
    for path in INDEXES:
        rule(path).patterns.update(GENERATOR)
        rule(path).head = HEAD
    rule("*.war")
    return found


def named() -> list[str]:
    """The files that hold a configuration for each site name, by their absolute paths with one `*`."""
    return [item.named.files for item in data().applications if item.named]


def expression(path: str) -> str:
    """The pattern of the paths whose end a rule means, for awk and Python alike."""
    return "(^|/)" + re.sub(r"[.*]", lambda found: "[^/]*" if found.group() == "*" else f"[{found.group()}]", path) + "$"


@dataclass
class Facts:
    """What was taken out of a tree.  Paths are relative to it; `../x` lies beside it.  `names` has the line that proves each."""

    names: dict[str, int] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    settings: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    unreadable: set[str] = field(default_factory=set)
    counts: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))  # folder → kind of page → number
    archives: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    links: dict[str, str] = field(default_factory=dict)  # what was seen through → the real path of what it leads to
