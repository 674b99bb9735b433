"""The map of an export as a server reads it.  Pure.

`as_data` gives `redirects.json`: everything that any static server needs to answer the old URLs.  `nginx` gives the same for nginx, in two
parts, for inside `http {}` and for inside `server {}`.  nginx compares the strings of a map without regard to case; keys that differ in
nothing else are therefore written as regular expressions, which it takes as they are.  Bytes of a GBK path stand as they are, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Mapping as Readable
from hashlib import sha256
from typing import Any
from urllib.parse import unquote_to_bytes

from planner.export.mapping import EXECUTED, Mapping

VERSION = 2
_NOWHERE = "/_export/none"
_SESSIONS = ((b"(?i)^(?<export_a>.*?)(?:^|&)(?:phpsessid|jsessionid|aspsessionid\\w*|cftoken)=[^&]*&?(?<export_b>.*)$"),)


def as_data(made: Mapping) -> dict[str, Any]:
    """Plain JSON types; keys and files are percent-encoded paths."""
    return {
        "version": VERSION,
        "names": {name: list(value) for name, value in sorted(made.names.items())},
        "moved": {key: list(value) for key, value in sorted(made.moved.items())},
        "exact": dict(sorted(made.exact.items())),
        "significant": dict(sorted(made.significant.items())),
        "pages": dict(sorted(made.pages.items())),
        "types": dict(sorted(made.types.items())),
        "headers": {name: dict(sorted(values.items())) for name, values in sorted(made.headers.items())},
    }


def prefix(site: str) -> str:
    """How the variables of a site's map begin, so that one nginx can hold many exports."""
    return f"export_{sha256(site.encode()).hexdigest()[:8]}"


def nginx_http(made: Mapping, prefix: str = "export") -> bytes:
    """Maps, for inside `http {}`; `prefix` names their variables, so that one server can hold several exports."""
    name = prefix.encode()
    out = [b"# Generated. Where the old URLs of an exported site are answered from; include inside http {}."]
    size = max(2048, 1 << (len(made.exact) + len(made.pages) + len(made.moved) + 1).bit_length())
    longest = max(map(len, (*made.exact, *made.pages, *made.moved, *made.files)), default=0)
    bucket = max(512, 1 << (longest + 40).bit_length())
    out.append(b"# nginx needs, once in http {}: map_hash_max_size %d; map_hash_bucket_size %d;" % (size, bucket))
    out += _block(name + b"_args", b"$args", b"$args", ((b"~" + _SESSIONS[0], b"$export_a$export_b"),))
    request = b'"$uri?$' + name + b'_args"'
    out += _block(name + b"_exact", request, _NOWHERE.encode(), _entries(made.exact))
    out += _block(name + b"_page", b"$uri", b"$uri", _entries(made.pages))
    out += _block(name + b"_plain", request, b"$" + name + b"_page", _significant(made.significant))
    # what somebody put there and a server might execute is none of ours: its source is not shown
    chosen_of = b'"$' + name + b"_exact $" + name + b'_plain"'
    ended = b"~*^" + _NOWHERE.encode() + rb" .*\.(?:" + b"|".join(sorted(ending.encode() for ending in EXECUTED)) + b")$"
    out += _block(name + b"_script", chosen_of, b"", [(ended, b"1")])
    for status in _statuses(made):
        chosen = {key: where for key, (its, where) in made.moved.items() if its == status}
        out += _block(name + b"_moved_%d" % status, request, b"", _entries(chosen, location=True))
    for header, values in sorted(made.headers.items()):
        rest = {file: value for file, value in values.items() if file}
        variable = name + b"_header_" + header.replace("-", "_").encode()
        out += _block(variable, b"$uri", _safe(values[""]), _entries(rest, location=True))
    return b"\n".join(out) + b"\n"


def nginx_server(made: Mapping, prefix: str = "export") -> bytes:
    """What answers, for inside `server {}` beside its `root`."""
    name = prefix.encode()
    out = [b"# Generated. Answers the old URLs of an exported site; include inside server {}.", b"charset off;", b"absolute_redirect off;"]
    out.append(b"types {")
    out += [b"    %s %s;" % (_quoted(kind.encode()), ending.encode()) for ending, kind in sorted(made.types.items())]
    out += [b"}", b"default_type application/octet-stream;"]
    for header in sorted(made.headers):
        out.append(b"add_header %s $%s_header_%s always;" % (header.encode(), name, header.replace("-", "_").encode()))
    for other, (status, where) in sorted(made.names.items()):
        out.append(b"if ($host = %s) { return %d %s; }" % (_quoted(other.encode()), status, _quoted(_safe(where) + b"$request_uri")))
    for status in _statuses(made):
        out.append(b"if ($%s_moved_%d) { return %d $%s_moved_%d; }" % (name, status, status, name, status))
    out.append(b"if ($%s_script) { return 404; }" % name)
    out.append(b"location / {")
    out.append(b"    try_files $%s_exact $%s_plain ${%s_plain}index.html =404;" % (name, name, name))
    out.append(b"}")
    return b"\n".join(out) + b"\n"


def _statuses(made: Mapping) -> list[int]:
    return sorted({status for status, _ in made.moved.values()})


def _block(variable: bytes, source: bytes, default: bytes, entries: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    lines = [b"map %s $%s {" % (source, variable), b"    default %s;" % (default if default.startswith(b"$") else _quoted(default))]
    lines += [b"    %s %s;" % (_quoted(key), _quoted(value)) for key, value in entries]
    return [*lines, b"}"]


def _entries(table: Readable[str, str], *, location: bool = False) -> list[tuple[bytes, bytes]]:
    """Keys decoded as `$uri` is, the query as it is; values as nginx opens files (decoded), or as they are sent."""
    told: dict[bytes, bytes] = {}
    for key, value in sorted(table.items()):
        path, mark, query = key.partition("?")
        raw = unquote_to_bytes(path) + mark.encode() + query.encode()
        told[raw] = _safe(value) if location else unquote_to_bytes(value)
    counted: dict[bytes, int] = {}
    for raw in told:
        counted[raw.lower()] = counted.get(raw.lower(), 0) + 1
    return [(b"~^" + _literal(raw) + b"$" if counted[raw.lower()] > 1 else raw, value) for raw, value in sorted(told.items())]


def _significant(table: Readable[str, list[str]]) -> list[tuple[bytes, bytes]]:
    found = []
    for path, names in sorted(table.items()):
        alternatives = b"|".join(_literal(name.encode()) for name in names)
        found.append((b"~^" + _literal(unquote_to_bytes(path)) + rb"\?(?:.*&)?(?:" + alternatives + b")(?:=|&|$)", _NOWHERE.encode()))
    return found


def _literal(raw: bytes) -> bytes:
    return re.sub(rb"([^A-Za-z0-9_/\x80-\xff-])", rb"\\\1", raw)


def _safe(value: str) -> bytes:
    """A value that nginx sends; `$` would begin a variable there, and control characters a header of their own."""
    return re.sub(rb"[\x00-\x1f\x7f]", b"", value.encode("utf-8", "surrogateescape")).replace(b"$", b"%24")


def _quoted(raw: bytes) -> bytes:
    """A string as nginx's configuration reads it."""
    return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
