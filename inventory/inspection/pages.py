"""One HTTP answer reduced to what a comparison needs.  Pure: in go the URL, status, headers and body of an answer, out
comes a `Page`, small enough to keep while the body is dropped.

Text is decoded as a browser would decode it (byte order mark, header, meta, then a guess), so that a wrongly declared
charset shows up as different text.  Links are resolved to absolute URLs as a browser would send them.  Nothing here
raises on hostile content.
"""

from __future__ import annotations

import codecs
import hashlib
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from inventory.inspection import errortexts, markup
from inventory.inspection.markup import Markup
from inventory.inspection.references import CODECS, absolute, is_address

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_META = re.compile(rb"<meta\b[^<>]{0,400}?charset\s{0,9}=\s{0,9}[\"']?\s{0,9}([A-Za-z0-9_.:+-]{1,40})", re.I)
_XML = re.compile(rb"^\s{0,99}<\?xml\b[^<>]{0,200}?encoding\s{0,9}=\s{0,9}[\"']([A-Za-z0-9_.:+-]{1,40})", re.I)
_HEADER = re.compile(r";\s{0,9}charset\s{0,9}=\s{0,9}[\"']?([A-Za-z0-9_.:+-]{1,40})", re.I)

KEPT_HEADERS = (
    "access-control-allow-origin",
    "cache-control",
    "content-disposition",
    "content-language",
    "content-security-policy",
    "permissions-policy",
    "pragma",
    "referrer-policy",
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
)
"""Headers that are compared as they stand; `expires` and `last-modified` are, too, as what they mean."""
_TEXT_TYPES = re.compile(r"^text/|[/+]xml$|[/+]json$|javascript$|ecmascript$")
_HTML_TYPES = ("text/html", "application/xhtml+xml")


@dataclass(frozen=True)
class Page:
    """What is kept of one answer; `seconds` is the time until the body had been read, `size` is in bytes."""

    url: str
    status: int
    seconds: float = 0.0
    size: int = 0
    sha256: str = ""
    truncated: bool = False
    location: str = ""
    content_type: str = ""
    header_charset: str = ""
    meta_charset: str = ""
    title: str = ""
    is_text: bool = False
    lines: tuple[str, ...] = ()  # visible text of HTML, whole text of other text types
    inline: tuple[str, ...] = ()  # inline scripts, styles and meta elements
    links: frozenset[str] = frozenset()
    assets: frozenset[str] = frozenset()
    forms: frozenset[str] = frozenset()
    cookies: frozenset[str] = frozenset()  # "name; flag; flag"
    headers: dict[str, str] = field(default_factory=dict)
    errors: tuple[str, ...] = ()  # signatures of error messages that were seen
    addresses: tuple[str, ...] = ()  # which of the given old addresses the body mentions
    follow: tuple[str, ...] = ()  # absolute URLs, of any host
    answered: datetime | None = None  # by the server's own clock


def decode(body: bytes, header_charset: str = "", meta_charset: str = "") -> str:
    """Text as a browser shows it; a truncated last character is dropped, undecodable bytes become U+FFFD."""
    for bom, codec in _BOMS:
        if body.startswith(bom):
            return _decode(body[len(bom) :], codec, "replace")
    if named := CODECS.get(header_charset.lower()):
        return _decode(body, named, "replace")
    if named := CODECS.get(meta_charset.lower()):  # a meta element that was readable as ASCII cannot be in UTF-16
        return _decode(body, "utf-8" if named.startswith("utf-16") else named, "replace")
    for guess in ("utf-8", "gb18030"):
        try:
            return _decode(body, guess, "strict")
        except UnicodeDecodeError:
            continue
    return _decode(body, "cp1252", "replace")


def _decode(body: bytes, codec: str, errors: str) -> str:
    return codecs.getincrementaldecoder(codec)(errors).decode(body, final=False)


def normal_charset(label: str) -> str:
    """A label in lower case, with the two spellings of UTF-8 made one."""
    return "utf-8" if label.lower() == "utf8" else label.lower()


def is_text_type(media: str) -> bool:
    """Whether a media type (lower case, no parameters) is text: HTML, XML, JSON, scripts, anything `text/`."""
    return bool(_TEXT_TYPES.search(media))


def charsets(content_type: str, body: bytes, *, is_html: bool) -> tuple[str, str]:
    """The charsets that the header and the text itself (meta element, XML declaration) declare; "" for none."""
    declared = _HEADER.search(content_type)
    found = _META.search(body[:4096]) if is_html else _XML.search(body[:1024])
    return normal_charset(declared[1]) if declared else "", normal_charset(found[1].decode("ascii")) if found else ""


@dataclass(frozen=True)
class _Heading:
    """What an answer's headers say."""

    grouped: dict[str, list[str]]
    media: str
    is_html: bool
    is_text: bool
    header_charset: str
    meta_charset: str
    location: str


def _heading(url: str, headers: Iterable[tuple[str, str]], body: bytes) -> _Heading:
    grouped: dict[str, list[str]] = {}
    for name, value in headers:
        grouped.setdefault(name.lower(), []).append(" ".join(value.split()))
    full_type = next(iter(grouped.get("content-type", [])), "")
    media = full_type.partition(";")[0].strip().lower()
    is_html = media in _HTML_TYPES or (not media and b"<html" in body[:2048].lower())
    is_text = is_html or is_text_type(media)
    header_charset, meta = charsets(full_type, body if is_text else b"", is_html=is_html)
    location = next(iter(grouped.get("location", [])), "")
    # header bytes arrive as latin-1 or surrogates: give a UTF-8 location its characters back
    location = location.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    target = (absolute(url, location) or location) if location else ""
    return _Heading(grouped, media, is_html, is_text, header_charset, meta, target)


def _is_packed_sitemap(url: str) -> bool:
    return url.lower().endswith(".gz") and "sitemap" in url.lower()


def follow(url: str, headers: Iterable[tuple[str, str]], body: bytes) -> tuple[str, ...]:
    """The absolute URLs, of any host, that an answer leads to: `Page.follow` without the rest of the page."""
    head = _heading(url, headers, body)
    charset = head.header_charset or head.meta_charset
    found: set[str] = {head.location}
    if head.is_html:
        found |= markup.references(url, decode(body, head.header_charset, head.meta_charset), charset)
    elif head.is_text:
        text = decode(body, head.header_charset, head.meta_charset)
        found |= {absolute(url, one, charset) for one in markup.plain_references(url, head.media, text)}
    elif _is_packed_sitemap(url):
        found |= {absolute(url, one) for one in markup.locations(gunzip(body))}
    return tuple(sorted(one for one in found if one.startswith(("http://", "https://"))))


def digest(
    url: str,
    status: int,
    headers: Iterable[tuple[str, str]],
    body: bytes,
    *,
    sha256: str = "",
    size: int | None = None,
    truncated: bool = False,
    seconds: float = 0.0,
    old_addresses: Sequence[str] = (),
) -> Page:
    """Reduces one answer.  If `body` is only its beginning, `sha256` and `size` are those of all that was read.

    `old_addresses`: addresses and names of hosts that shall no longer be mentioned.
    """
    head = _heading(url, headers, body)
    packed = gunzip(body) if not head.is_text and _is_packed_sitemap(url) else ""
    text = decode(body, head.header_charset, head.meta_charset) if head.is_text else packed
    charset = head.header_charset or head.meta_charset
    parsed = markup.read(url, text, charset) if head.is_html else Markup(lines=markup.lines_of(text))
    references = parsed.links | parsed.assets | {head.location}
    if head.is_text and not head.is_html:
        references |= {absolute(url, found, charset) for found in markup.plain_references(url, head.media, text)}
    elif packed:
        references |= {absolute(url, found) for found in markup.locations(packed)}
    return Page(
        url=url,
        status=status,
        seconds=seconds,
        size=len(body) if size is None else size,
        sha256=sha256 or hashlib.sha256(body).hexdigest(),
        truncated=truncated,
        location=head.location,
        content_type=head.media,
        header_charset=head.header_charset,
        meta_charset=head.meta_charset,
        title=parsed.title,
        is_text=head.is_text or bool(packed),  # two compressions of one sitemap differ in a date that nobody reads
        lines=parsed.lines,
        inline=parsed.inline,
        links=frozenset(parsed.links),
        assets=frozenset(parsed.assets),
        forms=frozenset(parsed.forms),
        cookies=frozenset(map(cookie_shape, head.grouped.get("set-cookie", []))),
        headers=_kept(head.grouped),
        errors=errortexts.found(text) if head.is_html or head.media == "text/plain" else (),
        addresses=tuple(a for a in sorted(old_addresses) if text and _mentions(text, a)),
        follow=tuple(sorted(r for r in references if r.startswith(("http://", "https://")))),
        answered=_moment(next(iter(head.grouped.get("date", [])), "")),
    )


def _kept(grouped: dict[str, list[str]]) -> dict[str, str]:
    """The headers that are compared; of a date only what it means, because the date itself moves with every answer."""
    found = {name: ", ".join(grouped[name]) for name in KEPT_HEADERS if name in grouped}
    if "expires" in grouped:
        found["expires"] = _expiry(grouped["expires"][0], next(iter(grouped.get("date", [])), ""))
    if "last-modified" in grouped:
        found["last-modified"] = "present"
    return found


def _moment(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _expiry(expires: str, date: str) -> str:
    """How long an answer may be kept by `Expires`: `at once`, or days and hours, counted from the answer's own date."""
    until, since = _moment(expires), _moment(date)
    if until is None:
        return "at once"  # RFC 9111, 5.3: what is no date, `0` above all, has expired
    if since is None:
        return f"until {until:%Y-%m-%d}"
    seconds = (until - since).total_seconds()
    hours = round(seconds / 3600)
    return "at once" if seconds <= 0 else f"{hours // 24} d {hours % 24} h" if hours else f"{round(seconds / 60)} min"


def cookie_shape(header: str) -> str:
    """A Set-Cookie header as name and sorted flags; value and times left out: `PHPSESSID; httponly; path=/`."""
    first, *attributes = header.split(";")
    kept = {a.strip().lower() for a in attributes if a.strip()}
    flags = sorted(a for a in kept if a.partition("=")[0].strip() in ("secure", "httponly", "samesite", "path", "domain"))
    return "; ".join([first.partition("=")[0].strip(), *flags])


def _mentions(text: str, old: str) -> bool:
    if old not in text and old.lower() not in text.lower():
        return False
    if is_address(old):
        return re.search(rf"(?<![0-9A-Fa-f.:]){re.escape(old)}(?![0-9A-Fa-f:]|\.\d)(?!\d)", text) is not None
    return re.search(rf"(?<![\w.-]){re.escape(old)}(?![\w-]|\.\w)", text, re.I) is not None


def gunzip(body: bytes) -> str:
    """The text of a compressed sitemap, at most 16 MB; of one that came uncompressed under that name, as it is; "" when it is neither."""
    try:
        return zlib.decompressobj(31).decompress(body, 16_000_000).decode("utf-8", "replace")
    except zlib.error:
        return body.decode("utf-8", "replace") if body.lstrip()[:5] in (b"<?xml", b"<urls", b"<site") else ""
