"""One spelling for each of a site's URLs, so that none is fetched twice.  Pure.

In: absolute URLs as `inventory.inspection.references.absolute` makes them.  Out: their normal form; its path and query as a web server sees
them (`target`); the query with its parameters sorted; the shape that URLs of one kind share.  Percent-encoding follows RFC 3986, section
6.2.2; bytes that are no UTF-8 (a GBK path) stay percent-encoded as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes, urlsplit

_UNRESERVED = re.compile(r"%([0-9A-Fa-f]{2})")
_SESSION_NAMES = frozenset((
    "phpsessid", "jsessionid", "sessionid", "session_id", "sid", "zenid", "oscsid", "cfid", "cftoken", "s", "sess", "aspsessionid",
))  # fmt: skip
_SESSION_VALUE = re.compile(r"[0-9a-zA-Z,-]{22,256}")
_ALWAYS_SESSION = re.compile(r"phpsessid|jsessionid|aspsessionid\w*|cftoken", re.I)
_PATH_SESSION = re.compile(r";(?:jsessionid|phpsessid|sid)=[^/?;]*", re.I)


@dataclass(frozen=True)
class Site:
    """What belongs to the site: its scheme, its primary name, and further names that show the same."""

    scheme: str
    name: str
    aliases: frozenset[str] = frozenset()

    @property
    def home(self) -> str:
        """The URL of the home page."""
        return f"{self.scheme}://{self.name}/"

    def normal(self, url: str) -> str:
        """The URL in its one spelling; "" for a foreign one."""
        return _normal(self, url)


@lru_cache(maxsize=20_000)
def _normal(site: Site, url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or (parts.netloc != site.name and parts.netloc not in site.aliases):
        return ""
    return f"{site.scheme}://{site.name}{target(parts.path, parts.query)}"


def target(path: str, query: str) -> str:
    """Path and query as a request names them: dots resolved, no double slashes, session ids left out."""
    path = _PATH_SESSION.sub("", path) if ";" in path else path
    text = _path(path or "/")
    query = without_session(query) if query else ""
    return f"{text}?{_respelled(query)}" if query else text


def _path(path: str) -> str:
    """A web server decodes first, then resolves: `%2F` divides and `%2E%2E` climbs like their plain forms."""
    if "%" not in path and "." not in path and "//" not in path:
        return path
    kept: list[bytes] = []
    parts = unquote_to_bytes(path).split(b"/")[1:]
    for part in parts:
        if part == b"..":
            kept = kept[:-1]
        elif part not in (b"", b"."):
            kept.append(part)
    ends = b"/" if parts and parts[-1] in (b"", b".", b"..") and kept else b""
    return quote(b"/" + b"/".join(kept) + ends, "/:@!$&'()*+,;=~[]")


def _respelled(text: str) -> str:
    """Hexadecimal digits in capitals; what needs no encoding is not encoded."""
    if "%" not in text:
        return text

    def one(found: re.Match[str]) -> str:
        character = chr(int(found[1], 16))
        return character if re.fullmatch(r"[A-Za-z0-9._~-]", character) else f"%{found[1].upper()}"

    return _UNRESERVED.sub(one, text)


def without_session(query: str) -> str:
    """The query without session identifiers; a short `s=` or `sid=` is a search or a section and stays."""
    kept = []
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        lowered = name.lower()
        if _ALWAYS_SESSION.fullmatch(lowered) or (lowered in _SESSION_NAMES and _SESSION_VALUE.fullmatch(value)):
            continue
        if pair:
            kept.append(pair)
    return "&".join(kept)


def split(url: str) -> tuple[str, str]:
    """(path, query) of a normal URL."""
    parts = urlsplit(url)
    return parts.path, parts.query


def request_target(url: str) -> str:
    """What follows the name: path, and query if there is one."""
    path, query = split(url)
    return f"{path}?{query}" if query else path


def sorted_form(url: str) -> str:
    """The URL with its parameters in order: two that differ in their order only have the same."""
    head, mark, query = url.partition("?")
    return f"{head}?{'&'.join(sorted(query.split('&')))}" if mark and "&" in query else url


def parameters(query: str) -> list[tuple[str, str]]:
    """Names and values as they are written."""
    return [(name, value) for name, _, value in (pair.partition("=") for pair in query.split("&") if pair)]


@lru_cache(maxsize=20_000)
def shape(url: str) -> str:
    """What URLs of one kind have in common: numbers are `#`, long hexadecimal words, too; of a query only the sorted names."""
    path, query = split(url)
    names = sorted({name for name, _ in parameters(query)})
    text = re.sub(r"(?<![0-9A-Za-z%])[0-9a-fA-F]{16,}(?![0-9A-Za-z])|(?<!%)(?<!%[0-9A-F])\d+", "#", path)
    return f"{text}?{'&'.join(names)}" if names else text


def hits_of(lines: Sequence[str]) -> dict[str, int | None]:
    """A list of URLs, `HITS URL` or `URL` a line, → hits by URL; None where no number stands.  Blank lines and `#` are passed over."""
    found: dict[str, int | None] = {}
    for line in lines:
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        count, _, rest = text.partition(" ")
        known, url = (int(count), rest.strip()) if rest and count.isascii() and count.isdigit() else (None, text)
        before = found.get(url)
        found[url] = (before or 0) + known if known is not None else before
    return found
