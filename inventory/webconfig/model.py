"""What a web server's configuration says: virtual hosts as data, whatever the server.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any


@dataclass
class Vhost:
    """One parsed block.  `listen` are {address, port, tls, default}; `access_log` are [path, format]."""

    server: str
    names: list[str]
    listen: list[dict[str, Any]]
    docroot: str
    file: str
    line: int
    enabled: bool = True
    tls: dict[str, str] | None = None
    proxy_to: list[str] = field(default_factory=list)
    fastcgi_to: list[str] = field(default_factory=list)
    php: bool = False
    redirect_to: str = ""
    access_log: list[list[str]] = field(default_factory=list)
    htaccess: bool = False
    default: bool = False
    problems: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass
class WebConfig:
    """All vhosts of one server; `problems` are {file, line, message}."""

    vhosts: list[Vhost] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)

    def problem(self, file: str, line: int, message: str) -> None:
        """Note what could not be read; reading goes on."""
        self.problems.append({"file": file, "line": line, "message": message})


def included(pattern: str, files: Mapping[str, str], links: Mapping[str, str]) -> list[tuple[str, str]]:
    """Collected files that an include's glob names, sorted: (name as included, name of the text).  Never looks at a disk.

    `*` does not cross a `/`; a pattern that names a directory takes everything below it (as Apache does).
    """
    depth = pattern.rstrip("/").count("/")
    found: dict[str, str] = {}
    for name in (*files, *links):
        real = links.get(name, name)
        for _ in range(5):
            real = links.get(real, real)
        if real not in files:
            continue
        below = name.startswith(pattern.rstrip("/") + "/")
        if below or (name.count("/") == depth and fnmatchcase(name, pattern) and not name.rsplit("/", 1)[1].startswith(".")):
            found[name] = real
    return sorted(found.items())
