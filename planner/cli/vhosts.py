"""`planner vhosts DIR`: the virtual hosts of a copied configuration tree, by the same code that reads a visited host.

For sheets and archives that a unit mails in, and to try the readers on configurations found elsewhere; needs no workspace.
Only regular files below DIR are opened: links are kept as names and resolved among them.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from inventory.errors import InputError
from inventory.webconfig import layout
from inventory.webconfig.model import SERVERS
from inventory.webconfig.tree import absolute
from planner.cli.output import Json, note, table, visible

LARGEST = 1_000_000
MOST_FILES = 20_000
# content, not configuration: a copy of a whole host must not be read through
_CONTENT = re.compile(
    r"\.(php\d?|jsx?|mjs|css|scss|map|png|jpe?g|gif|svg|ico|webp|avif|woff2?|ttf|eot|otf|mp[34]|pdf|docx?|xlsx?|pptx?|zip|gz|bz2|xz|tar|tgz"
    r"|rar|7z|jar|war|class|so|o|a|sql|db|sqlite|pyc|log|key|pem|crt|cer|p12|jks|mo|po)$",
    re.I,
)
# one word with a slash, no line end: no directive of any server looks so
_LINK = re.compile(r"(?:\.{1,2}/|/)[^\s;{}<>\"']{1,250}")


def add(app: typer.Typer) -> None:
    """Hang the command into the application."""
    app.command("vhosts")(vhosts)


def vhosts(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="The copied tree: files under their absolute paths, or a server's root.")
    ],
    server: Annotated[str, typer.Option(help=f"Only this one: {', '.join(SERVERS)}.")] = "",
    as_json: Annotated[bool, Json] = False,
) -> None:
    """List the virtual hosts of a copied configuration tree."""
    if server and server not in SERVERS:
        raise InputError(f"no server is called {server}", hint=f"one of {', '.join(SERVERS)}")
    files, links, unread = collect(directory)
    readings = layout.read_all(files, links, server)
    if not readings and unread:
        for line in unread:
            note(visible(line))
    if not readings:
        kind = server or "nginx, Apache, Tomcat, lighttpd or Caddy"
        raise InputError(
            f"{directory} holds no configuration of {kind}",
            hint="give the folder that holds etc/nginx, etc/apache2, ..., or the server's own folder",
        )
    for line in unread + problems(readings):
        note(visible(line))
    found = rows(readings)
    table(found, list(found[0]) if found else [], as_json=as_json, empty="the configuration was read; it holds no virtual host")


def rows(readings: list[layout.Reading]) -> list[dict[str, Any]]:
    """One row for each virtual host, as the command prints it."""
    return [
        {
            "server": vhost.server,
            "names": vhost.names,
            "listen": vhost.addresses(),
            "docroot": vhost.docroot or None,
            "tls": vhost.secure,
            "proxy_to": vhost.proxy_to,
            "file": reading.shown(vhost.file),
            "line": vhost.line,
            "enabled": vhost.enabled,
        }
        for reading in readings
        for vhost in reading.config.vhosts
    ]


def problems(readings: list[layout.Reading]) -> list[str]:
    """What the readers could not read, as `file:line: reason`."""
    return [f"{reading.shown(p['file'])}:{p['line']}: {p['message']}" for reading in readings for p in reading.config.problems]


def collect(directory: Path) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """(files, links, what could not be read) below a folder, by their path from it."""
    try:
        root = directory.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise InputError(f"{directory} is not there", hint="give the folder of a copied configuration") from error
    files: dict[str, str] = {}
    links: dict[str, str] = {}
    unread: list[str] = []
    if not root.is_dir():
        _take(root, f"/{root.name}", files, unread)
        return files, links, unread
    for place, folders, names in os.walk(root, onerror=lambda error: unread.append(f"{error.filename}:1: {error.strerror}")):
        folders.sort()
        below = "/" + os.path.relpath(place, root) if Path(place) != root else ""
        for name in sorted([*names, *(folder for folder in folders if (Path(place) / folder).is_symlink())]):
            path = Path(place) / name
            if path.is_symlink():
                target = str(path.readlink())
                # a link that names the copy itself, made after copying, means the same place on the host
                inside = target.startswith(f"{root}/") and not os.path.lexists(f"{root}{target}")
                links[_shown(f"{below}/{name}")] = _shown(target.removeprefix(str(root)) if inside else target)
            elif path.is_file() and not _CONTENT.search(name):
                if len(files) >= MOST_FILES:
                    unread.append(f"{_shown(below)}/{_shown(name)}:1: more than {MOST_FILES} files: the rest is not read")
                    return files, links, unread
                _take(path, _shown(f"{below}/{name}"), files, unread)
    _flattened(files, links)
    return files, links, unread


def _flattened(files: dict[str, str], links: dict[str, str]) -> None:
    """Links that a copy turned into files which hold the target's name (git on Windows, some archives) are links again."""
    for name in [name for name, text in files.items() if len(text) < 300 and _LINK.fullmatch(text)]:
        target = absolute(files[name], name.rpartition("/")[0])
        if target in files and target != name:
            links[name] = files.pop(name)


def _shown(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "replace")


def _take(path: Path, name: str, files: dict[str, str], unread: list[str]) -> None:
    try:
        if path.stat().st_size > LARGEST:
            unread.append(f"{name}:1: more than {LARGEST} bytes: not read")
            return
        data = path.read_bytes()
    except OSError as error:
        unread.append(f"{name}:1: {error.strerror}")
        return
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        files[name] = data.decode("utf-16", "replace")
    elif b"\0" not in data[:4096]:
        files[name] = data.decode("utf-8", "surrogateescape")
