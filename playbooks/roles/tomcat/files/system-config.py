#!/usr/bin/python3
"""A context of Tomcat as its source has it, turned to the database of this machine.

usage: system-config MOVE ACCOUNT FILE USER DATABASE ROLE  (as root)

The file comes over the move's own key.  It is read as XML for the places of its start tags; only values of attributes that name the
database are written anew, and every other byte stays.  DATABASE is '' where the system has none.  What was there before stays beside it
as FILE.before.
"""

import grp
import html
import json
import os
import pathlib
import re
import subprocess
import sys
import xml.parsers.expat

ATTRIBUTE = re.compile(rb"""([A-Za-z_][\w:.-]*)\s*=\s*("[^"]*"|'[^']*')""")
URL = re.compile(r"jdbc:postgresql:(?://([^/?]*)/)?([^?]*)(\?.*)?", re.S)
LOCAL = {"", "localhost", "127.0.0.1", "[::1]"}
SERVER = "127.0.0.1:5432"


def fail(text: str) -> None:
    sys.exit(f"planner: failed: {text}")


def tags(text: bytes) -> list[tuple[int, str, dict[str, str]]]:
    """(place, name, attributes) of each start tag.  Raises ValueError for what is no XML, and for entities of its own."""
    found: list[tuple[int, str, dict[str, str]]] = []
    parser = xml.parsers.expat.ParserCreate()

    def start(name, attributes):
        found.append((parser.CurrentByteIndex, name, attributes))

    def entity(*_):
        raise ValueError("it declares entities of its own")

    parser.StartElementHandler, parser.EntityDeclHandler = start, entity
    try:
        parser.Parse(text, True)
    except xml.parsers.expat.ExpatError as error:
        raise ValueError(f"it is no XML: {error}") from error
    return found


def end_of(text: bytes, begin: int) -> int:
    """Where a start tag ends; a `>` may stand in a value."""
    quote = b""
    for at in range(begin, len(text)):
        byte = text[at : at + 1]
        if quote:
            quote = b"" if byte == quote else quote
        elif byte in {b'"', b"'"}:
            quote = byte
        elif byte == b">":
            return at
    raise ValueError("a tag has no end")


def rewritten(text: bytes, database: str, role: str, password: str) -> tuple[bytes, int]:
    """The file with its data source turned, and how many values are new.  Raises ValueError with what is missing or in doubt."""
    changes: list[tuple[int, int, str]] = []
    sources = 0
    for begin, name, attributes in tags(text):
        url = URL.fullmatch(attributes.get("url", ""))
        if name != "Resource" or url is None:
            continue
        server, schema = (url[1] or "").rpartition(":")[0] if re.search(r":\d+$", url[1] or "") else url[1] or "", url[2]
        if schema != database:
            raise ValueError(f"a data source names the database {schema!r}, not {database!r}")
        if server not in LOCAL:
            raise ValueError(f"a data source names the server {server!r}")
        if "username" not in attributes or "password" not in attributes:
            raise ValueError("a data source has no attributes username and password")
        if attributes["username"] != role:
            raise ValueError(f"a data source logs in as {attributes['username']!r}, not {role!r}")
        sources += 1
        new = {"url": f"jdbc:postgresql://{SERVER}/{database}{url[3] or ''}", "password": password}
        for match in ATTRIBUTE.finditer(text, begin, end_of(text, begin)):
            key = match[1].decode()
            if key in new and attributes[key] != new[key]:
                changes.append((match.start(2), match.end(2), new[key]))
    if database and not sources:
        raise ValueError(f"no data source names the database {database!r}")
    for begin, end, value in reversed(changes):
        text = text[:begin] + b'"' + html.escape(value, quote=True).encode() + b'"' + text[end:]
    tags(text)
    return text, len(changes)


def main() -> None:
    move, account, file, user, database, role = sys.argv[1:]
    source = subprocess.run(
        ["ssh", "-F", f"/var/lib/moves/{move}/ssh_config", "planner-source", "file", "1"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if source.returncode or not source.stdout:
        fail("the source does not send its configuration")
    password = json.loads(pathlib.Path(f"/var/lib/systems/{account}.json").read_text())["password"] if database else ""
    try:
        text, count = rewritten(source.stdout, database, role, password)
    except ValueError as error:
        fail(f"{pathlib.Path(file).name}: {error}; set it by hand")
    path = pathlib.Path(file)
    if path.exists() and path.read_bytes() == text:
        return
    if path.exists():
        path.replace(path.with_name(path.name + ".before"))
    draft = path.with_name(f".{path.name}.planner")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o640)
    os.write(handle, text)
    os.fchown(handle, 0, grp.getgrnam(user).gr_gid)
    os.fchmod(handle, 0o640)
    os.close(handle)
    draft.replace(path)
    print(f"planner: changed: {path.name}, {count} values of its data source")


if __name__ == "__main__":
    main()
