"""A local tree's files → the `Facts` that `recognition` judges; what the probe's sh and awk do on a host, done here.

In: a folder.  Out: facts, and what could not be read or was cut.  Nothing is run.  Symbolic links in its first levels are seen through as
on a host, but only to what lies in a folder that is named: in a copy of a host's files, the others lead into this machine's own.  No other
filesystem is entered.  Bounded in entries, depth, files read, bytes of each and time; the limits and the order of reading are the probe's.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from inventory import applications
from inventory.applications import Facts, Rule

ENTRIES, NAMES, READS, FOLDERS, BESIDE = 300_000, 20_000, 3_000, 5_000, 1_000
LEVELS, LINKS = 2, 200
DEPTH, LARGEST, LINE, SHOWN, TAIL = 8, 4095 * 512, 2_000, 400, 262_144
KINDS = {
    "htm": "html", "html": "html", "xhtml": "html", "shtml": "html", "php": "php", "php3": "php", "php5": "php", "phtml": "php",
    "jsp": "jsp", "jspx": "jsp", "aspx": "aspx", "asp": "asp",
}  # fmt: skip
IGNORED = ("robots.txt", "favicon.ico")
ARCHIVED = re.compile(rb"(?:WEB-INF|META-INF)/[A-Za-z0-9._/-]*[.](?:xml|jar|MF|properties|yml)")
_STRING = {b'"': re.compile(rb'"(?:[^"\\]|\\.)*"'), b"'": re.compile(rb"'(?:[^'\\]|\\.)*'")}
_WORD = re.compile(rb"[$@]?[A-Za-z_0-9][A-Za-z0-9_.]*")
_PLAIN = re.compile(rb"(?:true|false|TRUE|FALSE|True|False|[0-9][0-9.]*)")
_ASSIGNED = re.compile(rb"[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.-]*)[ \t]*[=:](.*)", re.S)
_SCHEME = re.compile(rb"(?:jdbc:)?([a-z0-9_]+)(?:[+][a-z0-9_]+)?:(//)?")
_PAIRS = re.compile(rb"(?:^|;)[ ]*(?:host|dbname|server|data source|initial catalog|database|databasename|uid|user id)[ ]*=", re.I)
SCHEMES = frozenset(b"mysql mysql2 mysqli mariadb pgsql postgres postgresql sqlserver mssql pdo_mysql pdo_pgsql sqlite".split())
PAIRS = {
    b"host": "host", b"server": "host", b"data source": "host", b"dbname": "name", b"database": "name", b"initial catalog": "name",
    b"databasename": "name", b"uid": "user", b"user id": "user", b"user": "user", b"port": "port", b"unix_socket": "socket",
}  # fmt: skip
SECRET = re.compile(rb"pass|pwd|secret|token|salt|_key", re.I)
LINEWISE = ("env", "ini", "properties", "yml", "yaml", "local", "production")


@dataclass
class Reading:
    """The facts of a tree, and what was not seen: (path, why)."""

    facts: Facts = field(default_factory=Facts)
    unread: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class _Wanted:
    patterns: tuple[re.Pattern[bytes], ...]
    keys: frozenset[bytes]
    comments: bool
    head: int


@cache
def _index() -> tuple[dict[str, list[Rule]], dict[str, list[Rule]], dict[str, re.Pattern[str]]]:
    exact: dict[str, list[Rule]] = {}
    endings: dict[str, list[Rule]] = {}
    for rule in applications.rules().values():
        (endings.setdefault(rule.ending, []) if "*" in rule.base else exact.setdefault(rule.base, [])).append(rule)
    return exact, endings, {path: re.compile(applications.expression(path)) for path in applications.rules()}


def matching(path: str) -> list[Rule]:
    """The rules that a relative path comes under."""
    exact, endings, marks = _index()
    base = path.rsplit("/", 1)[-1]
    _, dot, end = base.rpartition(".")
    near = (*exact.get(base, ()), *endings.get(end if dot else "", ()), *(endings.get("", ()) if dot else ()))
    return [rule for rule in near if marks[rule.path].search(path)]


def wanted(rules: Collection[Rule]) -> _Wanted:
    """What all these rules together ask of a file."""
    patterns = sorted({pattern for rule in rules for pattern in rule.patterns})
    keys = frozenset(key.encode() for rule in rules for key in rule.keys)
    head = max((rule.head for rule in rules if rule.keys or rule.patterns), default=0)
    return _Wanted(tuple(re.compile(pattern.encode()) for pattern in patterns), keys, any(rule.comments for rule in rules), head)


def kind(base: str) -> tuple[str, bool]:
    """What sort of page a file is (php, jsp, aspx, asp, html, other or ''), and whether it is an index page."""
    stem, dot, end = base.lower().rpartition(".")
    found = KINDS.get(end if dot else "", "other")
    if found == "other" and (base.startswith(".") or base.lower() in IGNORED or end == "war"):
        return "", False
    return found, found != "other" and stem in {"index", "default", "main", "home"}


def read(folder: Path, *, within: Path | None = None, seconds: float = 60) -> Reading:
    """Walk through a folder and take out what the rules ask for; links may lead to what lies in `within`, or else in the folder itself."""
    return _Walk(folder, within or folder, seconds).walk()


class _Walk:
    def __init__(self, folder: Path, within: Path, seconds: float) -> None:
        self.top = os.fsencode(folder)
        self.within = os.path.realpath(os.fsencode(within)).rstrip(b"/") + b"/"
        self.links: list[tuple[bytes, int]] = []
        self.end = time.monotonic() + seconds
        self.reading = Reading()
        self.entries = self.reads = 0
        self.cut: dict[str, None] = {}
        self.beside: dict[str, None] = {}

    def walk(self) -> Reading:
        """Folder by folder, then what the links of the first levels lead to; then single files beside."""
        self._folder(b"", 1)
        self._through(self.links[:LINKS])
        self._named()
        missing = [name for name in self.beside if name not in self.reading.facts.names]
        self.cut |= {"too many applications": None} if len(missing) > BESIDE else {}
        for name in missing[:BESIDE]:
            self._beside(name)
        self.reading.unread += [(".", why) for why in self.cut]
        return self.reading

    def _folder(self, start: bytes, level: int) -> None:
        device = os.stat(os.path.join(self.top, start)).st_dev  # noqa: PTH116,PTH118  (bytes: names need not be UTF-8)
        ahead = [(start, level)]
        while ahead and self.entries < ENTRIES and time.monotonic() < self.end:
            folder, depth = ahead.pop()
            try:
                with os.scandir(os.path.join(self.top, folder) if folder else self.top) as found:  # noqa: PTH118
                    for entry in found:
                        self.entries += 1
                        if self.entries > ENTRIES or time.monotonic() > self.end:
                            break
                        path = folder + b"/" + entry.name if folder else entry.name
                        if self._skipped(entry.name):
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            if depth < DEPTH and entry.stat(follow_symlinks=False).st_dev == device:
                                ahead.append((path, depth + 1))
                        elif entry.is_symlink():
                            if depth <= LEVELS:
                                self.links.append((path, depth))
                        elif entry.is_file(follow_symlinks=False):
                            self._file(path, entry.stat(follow_symlinks=False).st_size)
            except OSError as error:
                self.reading.unread.append((_text(folder) or ".", error.strerror or "unreadable"))
        if ahead or self.entries > ENTRIES:
            self.cut["not all of it was walked through"] = None

    def _through(self, links: list[tuple[bytes, int]]) -> None:
        """Files behind links, and folders, unless they are walked through already or hold the whole."""
        top = os.path.realpath(self.top) + b"/"
        for path, depth in links:
            real = os.path.realpath(os.path.join(top, path))  # noqa: PTH118
            if not real.startswith(self.within):
                continue
            if os.path.isfile(real):  # noqa: PTH113
                self._file(path, os.stat(real).st_size, real)  # noqa: PTH116
            elif os.path.isdir(real) and not real.startswith(top) and not top.startswith(real + b"/"):  # noqa: PTH112
                self._folder(path, depth + 1)

    def _named(self) -> None:
        """The configurations for each site name, where they are asked for and lie within what may be read."""
        said = {line for lines in self.reading.facts.lines.values() for line in lines}
        for files in applications.named():
            asked, folder = re.compile(applications.rules()[files].mentioned), Path(files).parent
            if os.path.realpath(os.fsencode(folder)).startswith(self.within) and any(map(asked.search, said)):
                for path in map(str, sorted(one for one in folder.glob(Path(files).name) if one.is_file())):
                    self._note(path)
                    self._lines(path, wanted(matching(path)), os.path.realpath(os.fsencode(path)))

    def _skipped(self, name: bytes) -> bool:
        return b"\n" in name or name in _pruned()

    def _file(self, path: bytes, size: int, real: bytes = b"") -> None:
        name = _text(path)
        base = name.rsplit("/", 1)[-1]
        if base.endswith(".war"):
            self._note(name)
            self._archive(name, real)
        if size > LARGEST:
            return
        self._count(name, base)
        found = matching(name)
        if not found or base.endswith(".war"):
            return
        if len(self.reading.facts.names) >= NAMES:
            self.cut["too many files of interest"] = None
            return
        self._note(name)
        self._lines(name, wanted(found), real)
        for rule in found:
            root = name[: len(name) - len(rule.path)]
            if "*" not in rule.path:
                self.beside.update(dict.fromkeys(root + deep for deep in sorted(rule.deep)))

    def _note(self, name: str) -> None:
        self.reading.facts.names.setdefault(name, 1)

    def _count(self, name: str, base: str) -> None:
        sort, index = kind(base)
        folder = name.rpartition("/")[0] or "."
        counts = self.reading.facts.counts
        if not sort:
            return
        if folder not in counts and len(counts) >= FOLDERS:
            self.cut["too many folders with pages"] = None
            return
        counts[folder][sort] = counts[folder].get(sort, 0) + 1
        if index:
            counts[folder]["index"] = 1

    def _beside(self, name: str) -> None:
        """A file in a folder that is not walked through, or behind a link that stays inside."""
        real = os.path.realpath(os.path.join(self.top, name.encode("utf-8", "surrogateescape")))  # noqa: PTH118
        if real.startswith((self.within, os.path.realpath(self.top) + b"/")) and os.path.isfile(real):  # noqa: PTH113
            self._note(name)
            self._lines(name, wanted(matching(name)), real)

    def _open(self, name: str, start: int, size: int, path: bytes = b"") -> bytes | None:
        path = path or os.path.join(self.top, name.encode("utf-8", "surrogateescape"))  # noqa: PTH118
        try:
            # never block on what was swapped for a pipe, never follow what was swapped for a link
            number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
            with open(number, "rb") as file:  # noqa: PTH123
                status = os.fstat(number)
                if not stat.S_ISREG(status.st_mode):
                    return None
                file.seek(max(0, status.st_size - size) if start else 0)
                return file.read(size)
        except OSError as error:
            self.reading.facts.unreadable.add(name)
            self.reading.unread.append((name, error.strerror or "unreadable"))
            return None

    def _archive(self, name: str, real: bytes = b"") -> None:
        text = self._open(name, -1, TAIL, real)
        lines = re.split(rb"[^A-Za-z0-9._/-]+", text or b"")
        found = {match.group().decode() for line in lines if len(line) <= 500 for match in ARCHIVED.finditer(line)}
        self.reading.facts.archives[name] = sorted(found)[:200]

    def _lines(self, name: str, asked: _Wanted, path: bytes = b"") -> None:
        if not asked.patterns and not asked.keys:
            return
        self.reads += 1
        if self.reads > READS:
            self.cut["too many files to read"] = None
            return
        text = self._open(name, 0, asked.head + 1, path)
        if text is None:
            return
        lines = text[: asked.head].split(b"\n")
        if len(text) > asked.head or lines[-1] == b"":
            lines.pop()
        reader = Settings(name, asked)
        for line in lines:
            line = line.removesuffix(b"\r")
            for pattern in asked.patterns:
                match = pattern.search(line)
                if match:
                    self.reading.facts.lines[name].append(_text(match.group()[:SHOWN]))
            if asked.keys:
                reader.line(line[:LINE])
        if reader.found:
            self.reading.facts.settings[name] = reader.found


@cache
def _pruned() -> frozenset[bytes]:
    return frozenset(name.encode() for name in applications.data().prune)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


class Settings:
    """Settings out of a configuration file's lines: `found` has only those whose names were asked for, and the parts of a DSN."""

    def __init__(self, name: str, asked: _Wanted) -> None:
        self.keys, self.comments = asked.keys, asked.comments
        self.found: list[tuple[str, str]] = []
        end = name.rpartition(".")[2].lower()
        self.linewise = end in LINEWISE and "." in name
        self.basic = end == "asp"
        self.hidden = False

    def line(self, line: bytes) -> None:
        """One line, without its end."""
        text = line.lstrip(b" \t")
        if self.hidden:
            self.hidden = not (b"*/" in text or b"-->" in text)
            return
        if not self.comments:
            if text.startswith((b"//", b"#", b"*", b";")) or (self.basic and text.startswith(b"'")):
                return
            if text.startswith((b"/*", b"<!--")):
                self.hidden = not (b"*/" in text or b"-->" in text)
                return
        if self.linewise:
            match = _ASSIGNED.match(line)
            if match:
                self._assigned(match.group(1), match.group(2).strip(b" \t"))
            return
        self._tokens(line)

    def _assigned(self, key: bytes, value: bytes) -> None:
        if value[:1] in (b'"', b"'") and value.find(value[:1], 1) > 0:
            value = value[1 : value.find(value[:1], 1)]
        else:
            value = value.partition(b" #")[0].rstrip(b" \t")
        if value[:1] == b"&" or value == b"":
            value = b"{"
        self._emit(key, value)
        if not SECRET.search(key):
            self._composite(value)

    def _tokens(self, text: bytes) -> None:
        key, separated, at = b"", False, 0
        while at < len(text):
            char = text[at : at + 1]
            if char in _STRING:
                match = _STRING[char].match(text, at)
                if not match:
                    key, separated, at = b"", False, at + 1
                    continue
                value, at = match.group()[1:-1], match.end()
                if not (key and SECRET.search(key)):
                    self._composite(value)
                if separated and key:
                    self._emit(key, value)
                    key = b""
                else:
                    key = value
                separated = False
                continue
            match = _WORD.match(text, at)
            if match:
                at = match.end()
                if separated and key:
                    self._emit(key, match.group() if _PLAIN.fullmatch(match.group()) else b"?")
                    key = b"" if _PLAIN.fullmatch(match.group()) else match.group()
                else:
                    key = match.group()
                separated = False
                continue
            if text.startswith((b"//", b"#"), at):
                return
            if text.startswith(b"=>", at):
                separated, at = True, at + 2
            elif char in (b"=", b":", b","):
                separated, at = True, at + 1
            elif char in (b"{", b"(", b"["):
                if separated and key:
                    self._emit(key, b"{")
                    key = b""
                separated, at = False, at + 1
            else:
                if char == b";":
                    key, separated = b"", False
                at += 1

    def _emit(self, key: bytes, value: bytes) -> None:
        key = key.lower().removeprefix(b"$").removeprefix(b"@")
        if key not in self.keys:
            return
        if b"://" in value:
            head, _, rest = value.partition(b"://")
            value = head + b"://" + rest.partition(b"?")[0].rpartition(b"@")[2]
        self.found.append((_text(key), _text(value[:200])))

    def _part(self, name: str, value: bytes) -> None:
        if name and value:
            self._emit(b"dsn." + name.encode(), value)

    def _composite(self, value: bytes) -> None:
        """The database named in a URL (`mysql://user:…@host/name`) or in pairs (`mysql:host=…;dbname=…`); the password is left out."""
        match = _SCHEME.match(value)
        if match and match.group(1) in SCHEMES:
            self._part("server", match.group(1))
            value = value[match.end() :]
            if match.group(1) == b"sqlite":
                self._part("name", re.split(rb"[?#;]", value, maxsplit=1)[0])
                return
            if match.group(2):
                place = re.split(rb"[?#;]", value, maxsplit=1)[0]
                value = value[len(place) :]
                login, _, place = place.rpartition(b"@")
                host, _, name = place.partition(b"/")
                self._part("user", login.partition(b":")[0])
                self._part("host", host)
                self._part("name", name)
        elif not _PAIRS.search(value):
            return
        for pair in re.split(rb"[;?&]", value):
            name, _, told = pair.partition(b"=")
            self._part(PAIRS.get(name.strip(b" ").lower(), ""), told.strip(b" "))
