"""The files of one host as names and texts: globs and links are resolved among them, never on a disk.  Pure.

In: {absolute path: text} and {link: target}.  Out: a `Tree` that answers `text`, `real` and `glob`.  `..` ends at the root.
"""

from __future__ import annotations

import contextlib
import posixpath
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

MOST_NAMES = 20_000
_MAGIC = re.compile(r"[*?\[]")


def clean(text: str) -> str:
    """Text as a server reads it: no byte order mark, Unix line ends; bytes that are not UTF-8 are tried as GB 18030.

    Discovery hands undecodable bytes on as surrogate escapes, which neither a terminal nor JSON can print.
    """
    text = text.removeprefix("\ufeff")
    if not text.isascii() and re.search("[\ud800-\udfff]", text):
        raw = text.encode("utf-8", "surrogateescape") if not re.search("[\ud800-\udc7f\udd00-\udfff]", text) else b""
        with contextlib.suppress(UnicodeDecodeError):
            text = raw.decode("gb18030") if raw else text
        text = re.sub("[\ud800-\udfff]", "\ufffd", text)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def absolute(path: str, directory: str) -> str:
    """A path as an absolute one without `.`, `..` and doubled slashes; `..` never leads above the root."""
    return "/" + posixpath.normpath(f"/{path}" if path.startswith("/") else f"/{directory}/{path}").lstrip("/")


class Tree:
    """Files and links of one host.  `files` holds cleaned texts, `parsed` what a reader made of one, for files included often,
    `dead` the links that an include met and that lead to nothing collected."""

    def __init__(self, files: Mapping[str, str], links: Mapping[str, str] | None = None) -> None:
        self.files = {name: clean(text) for name, text in files.items()}
        self.links = {name: absolute(target, posixpath.dirname(name)) for name, target in (links or {}).items() if target}
        self.parsed: dict[str, Any] = {}
        self.dead: set[str] = set()
        self._children: dict[str, set[str]] = {}
        self._real: dict[str, str] = {}
        for name in (*self.files, *self.links):
            while name not in {"/", ""}:
                parent, _, last = name.rpartition("/")
                held = self._children.setdefault(parent or "/", set())
                if last in held:
                    break
                held.add(last)
                name = parent

    @classmethod
    def of(cls, files: Mapping[str, str] | Tree, links: Mapping[str, str] | None = None) -> Tree:
        """A tree, made unless it is one."""
        return files if isinstance(files, Tree) else cls(files, links)

    def real(self, name: str) -> str:
        """The name behind all links on the way; what does not exist stays as it is."""
        if name in self._real:
            return self._real[name]
        done, rest, hops = "", [part for part in name.split("/") if part], 0
        while rest:
            step = f"{done}/{rest.pop(0)}"
            target = self.links.get(step)
            if target is None:
                done = step
                continue
            hops += 1
            if hops > 40:  # a circle: the name leads nowhere
                done = step
                break
            done, rest = "", [part for part in target.split("/") if part] + rest
        self._real[name] = done or "/"
        return self._real[name]

    def text(self, name: str) -> str | None:
        """The text of a file, links followed; None if it was not collected."""
        return self.files.get(self.real(name))

    def listed(self, directory: str) -> list[str]:
        """Names in a directory, sorted."""
        return sorted(self._children.get(self.real(directory), ()))

    def exists(self, name: str) -> bool:
        """Whether a file or directory of that name was collected."""
        real = self.real(name)
        return real in self.files or real in self._children

    def glob(self, pattern: str, *, directories: bool = False) -> list[tuple[str, str]]:
        """(name as included, name of the text), sorted.  `*` does not cross a `/` and hides dot files.

        With `directories`, a directory that is named or matched stands for all files below it, as Apache has it.
        """
        frontier = [""]
        for part in absolute(pattern, "/").split("/")[1:]:
            if not part or len(part) > 255:
                return [] if part else self._ended(["/"], directories)
            if _MAGIC.search(part):
                frontier = [
                    f"{base}/{name}"
                    for base in frontier
                    for name in self.listed(base or "/")
                    if fnmatchcase(name, part) and (part[0] == "." or name[0] != ".")
                ][:MOST_NAMES]
            else:
                frontier = [name for base in frontier if (name := f"{base}/{part}") in self.links or self.exists(name)]
        return self._ended(frontier, directories)

    def _ended(self, names: list[str], directories: bool) -> list[tuple[str, str]]:
        found: dict[str, str] = {}
        seen: set[str] = set()
        waiting = list(names)
        while waiting and len(found) < MOST_NAMES:
            name = waiting.pop()
            real = self.real(name)
            if real in self.files:
                found[name] = real
            elif real not in self._children and name in self.links:
                if "/mod" not in name:  # modules lie outside the configuration on purpose
                    self.dead.add(name)
            elif directories and real not in seen and real in self._children:
                seen.add(real)
                waiting += [f"{name.rstrip('/')}/{child}" for child in self._children[real]]
        return sorted(found.items())
