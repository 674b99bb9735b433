"""One HTTP answer reduced to what a comparison needs.  Pure: in go the URL, status, headers and body of an answer, out
comes a `Page`, small enough to keep while the body is dropped.

Text is decoded as a browser would decode it (byte order mark, header, meta, then a guess), so that a wrongly declared
charset shows up as different text.  Links are resolved to absolute URLs as a browser would send them.  `may_request`
decides which URLs are harmless to fetch.  Nothing here raises on hostile content.
"""

from __future__ import annotations

import codecs
import hashlib
import html
import ipaddress
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

MAX_URL = 4096

# Labels of the WHATWG encoding standard → Python codecs.  Others are not trusted: not every Python codec is a charset.
_CODECS = {
    label: codec
    for codec, labels in {
        "utf-8": "utf-8 utf8 unicode-1-1-utf-8",
        "gb18030": "gb18030 gbk gb2312 gb_2312-80 x-gbk chinese csgb2312 cp936 euc-cn",
        "big5hkscs": "big5 big5-hkscs cn-big5 x-x-big5",
        "cp932": "shift_jis shift-jis sjis x-sjis windows-31j ms_kanji",
        "euc_jp": "euc-jp x-euc-jp",
        "iso2022_jp": "iso-2022-jp",
        "cp949": "euc-kr ks_c_5601-1987 korean windows-949",
        "cp1252": "iso-8859-1 iso8859-1 latin1 us-ascii ascii windows-1252 cp1252",
        "iso8859-15": "iso-8859-15 latin9",
        "cp1251": "windows-1251",
        "koi8_r": "koi8-r",
        "utf-16-le": "utf-16 utf-16le",
        "utf-16-be": "utf-16be",
    }.items()
    for label in labels.split()
}
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_META = re.compile(rb"<meta\b[^<>]{0,400}?charset\s{0,9}=\s{0,9}[\"']?\s{0,9}([A-Za-z0-9_.:+-]{1,40})", re.I)
_XML = re.compile(rb"^\s{0,99}<\?xml\b[^<>]{0,200}?encoding\s{0,9}=\s{0,9}[\"']([A-Za-z0-9_.:+-]{1,40})", re.I)
_HEADER = re.compile(r";\s{0,9}charset\s{0,9}=\s{0,9}[\"']?([A-Za-z0-9_.:+-]{1,40})", re.I)

KEPT_HEADERS = (
    "cache-control",
    "content-disposition",
    "content-language",
    "content-security-policy",
    "strict-transport-security",
    "x-frame-options",
)
_TEXT_TYPES = re.compile(r"^text/|[/+]xml$|[/+]json$|javascript$|ecmascript$")
_HTML_TYPES = ("text/html", "application/xhtml+xml")
_ERRORS = {
    "PHP message": re.compile(
        r"(?:<b>|^|PHP )(?:Warning|Notice|Deprecated|Fatal error|Parse error|Catchable fatal error)(?:</b>)?:\s", re.M
    ),
    "PHP exception": re.compile(r"Uncaught (?:\w+\\)*\w*(?:Error|Exception)\b"),
    "PHP source code": re.compile(r"<\?php\s"),
    "WordPress cannot reach its database": re.compile(r"Error establishing a database connection|建立数据库连接时出错|数据库连接错误"),
    "database error": re.compile(
        r"SQLSTATE\[|Access denied for user '|command denied to user '|You have an error in your SQL syntax|mysqli?_connect\(\)"
    ),
    "Java stack trace": re.compile(r"^\s{0,20}at [\w.$]{3,120}\([\w.]{1,80}\.java:\d+\)", re.M),
}

_URL_ATTRIBUTES = {  # element → attributes that hold one URL
    "a": ("href",),
    "area": ("href",),
    "link": ("href",),
    "img": ("src",),
    "script": ("src",),
    "iframe": ("src",),
    "frame": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "source": ("src",),
    "video": ("src", "poster"),
    "audio": ("src",),
    "input": ("src",),
    "body": ("background",),
    "table": ("background",),
    "td": ("background",),
}
_BLOCKS = frozenset(
    re.findall(
        r"\w+",
        "address article aside blockquote br body caption dd div dl dt fieldset figure footer form h1 h2 h3 h4 h5 h6"
        " header hr li main nav ol option p pre section table tbody td textarea th thead tr ul",
    )
)
_NESTING = re.compile(r"<(/?)(?!p\b|li\b|br\b|hr\b|img\b|input\b|meta\b|link\b|t[dhr]\b|option\b)[a-z]", re.I)
_MAX_NESTING = 1000
_UNSEEN = frozenset(("script", "style", "template", "title", "head"))
_CSS_URL = re.compile(r"url\(\s{0,9}(?:\"([^\"\n]{1,2000})\"|'([^'\n]{1,2000})'|([^\"'()\s]{1,2000}))\s{0,9}\)", re.I)
_CSS_IMPORT = re.compile(r"@import\s{1,9}[\"']([^\"'\n]{1,2000})[\"']", re.I)
_REFRESH = re.compile(r"url\s{0,9}=\s{0,9}[\"']?([^\"'\s>]{1,2000})", re.I)
_LOC = re.compile(r"<loc>\s{0,99}(?:<!\[CDATA\[)?([^<>\]]{1,4096})", re.I)
_SITEMAP = re.compile(r"^\s{0,9}sitemap\s{0,9}:\s{0,9}(\S{1,4096})", re.I | re.M)

_DANGEROUS_PATH = re.compile(
    r"log-?_?(?:out|off)|sign-?_?(?:out|off)|delete|destroy|unsubscribe|uninstall|truncate|wp-admin|wp-login|wp-cron|xmlrpc"
    r"|/(?:remove|purge|install|upgrade|administrator|admin|cron)(?=[/.?]|$)|注销|退出|删除",
    re.I,
)
_DANGEROUS_QUERY = re.compile(
    r"(?:^|[&;=_\-.])(?:del|drop|remove|purge|cancel|empty|clear|trash|edit|save|update|add|vote|buy|submit|add_to_cart|do_?log\w*)"
    r"(?=[&;=_\-.]|$)",
    re.I,
)
_PLAIN_FILE = re.compile(r"\.(?:png|jpe?g|gif|svg|webp|ico|css|js|woff2?|ttf|eot|pdf|docx?|xlsx?|pptx?|zip|rar|mp[34])$", re.I)


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


def decode(body: bytes, header_charset: str = "", meta_charset: str = "") -> str:
    """Text as a browser shows it; a truncated last character is dropped, undecodable bytes become U+FFFD."""
    for bom, codec in _BOMS:
        if body.startswith(bom):
            return _decode(body[len(bom) :], codec, "replace")
    if named := _CODECS.get(header_charset.lower()):
        return _decode(body, named, "replace")
    if named := _CODECS.get(meta_charset.lower()):  # a meta element that was readable as ASCII cannot be in UTF-16
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


def absolute(base: str, reference: str, charset: str = "utf-8") -> str:
    """The http(s) URL that a browser on page `base` requests for `reference`, without fragment; "" when there is none.

    Non-ASCII becomes percent-encoded UTF-8 in the path and, as browsers do, the page's own `charset` in the query.
    """
    reference = re.sub(r"[\t\r\n\x00]", "", reference[: MAX_URL * 2]).strip()
    try:
        parts = urlsplit(urljoin(base, reference.replace("\\", "/")))
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not host:
        return ""
    try:
        host = host.rstrip(".").encode("ascii").decode() if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return ""
    if not re.fullmatch(r"[a-z0-9_.:-]{1,253}", host):
        return ""
    host = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[parts.scheme]
    netloc = host if port in (None, default) else f"{host}:{port}"
    safe = "/:@!$&'()*+,;=~[]%"
    path = quote(parts.path or "/", safe, "utf-8", "replace")
    query = quote(parts.query, safe + "?", _CODECS.get(charset.lower(), "utf-8"), "replace")
    url = urlunsplit((parts.scheme, netloc, path, query, ""))
    return url if len(url) <= MAX_URL else ""


def may_request(url: str) -> bool:
    """False for URLs whose mere GET may change something: log-out, deletion, administration, voting, baskets."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if not parts.query and _PLAIN_FILE.search(parts.path):
        return True
    path, query = unquote(unquote(parts.path)), unquote(unquote(parts.query))
    return not (_DANGEROUS_PATH.search(path) or _DANGEROUS_PATH.search(query) or _DANGEROUS_QUERY.search(query))


def is_address(host: str) -> bool:
    """True for an IP literal, also for the short forms that a resolver would take (`127.1`)."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return not host.rstrip(".").rpartition(".")[2].strip("0123456789")
    return True


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
    """Reduces one answer.  If `body` is only its beginning, `sha256` and `size` are those of all that was read."""
    grouped: dict[str, list[str]] = {}
    for name, value in headers:
        grouped.setdefault(name.lower(), []).append(" ".join(value.split()))
    full_type = next(iter(grouped.get("content-type", [])), "")
    media = full_type.partition(";")[0].strip().lower()
    is_html = media in _HTML_TYPES or (not media and b"<html" in body[:2048].lower())
    is_text = is_html or is_text_type(media)
    header_charset, meta = charsets(full_type, body if is_text else b"", is_html=is_html)
    text = decode(body, header_charset, meta) if is_text else ""
    charset = header_charset or meta
    parsed = _read_html(url, text, charset) if is_html else _Parsed(lines=_lines(text))
    references = list(parsed.links) + list(parsed.assets)
    if is_text and not is_html:
        references += [absolute(url, found, charset) for found in _plain_references(url, media, text)]
    elif url.lower().endswith(".gz") and "sitemap" in url.lower():
        references += [absolute(url, html.unescape(found)) for found in _LOC.findall(gunzip(body))]
    location = next(iter(grouped.get("location", [])), "")
    # header bytes arrive as latin-1 or surrogates: give a UTF-8 location its characters back
    location = location.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    target = (absolute(url, location) or location) if location else ""
    references.append(target)
    return Page(
        url=url,
        status=status,
        seconds=seconds,
        size=len(body) if size is None else size,
        sha256=sha256 or hashlib.sha256(body).hexdigest(),
        truncated=truncated,
        location=target,
        content_type=media,
        header_charset=header_charset,
        meta_charset=meta,
        title=parsed.title,
        is_text=is_text,
        lines=parsed.lines,
        inline=parsed.inline,
        links=frozenset(parsed.links),
        assets=frozenset(parsed.assets),
        forms=frozenset(parsed.forms),
        cookies=frozenset(map(cookie_shape, grouped.get("set-cookie", []))),
        headers={name: ", ".join(grouped[name]) for name in KEPT_HEADERS if name in grouped},
        errors=error_messages(text) if is_html else (),
        addresses=tuple(a for a in sorted(old_addresses) if is_text and _mentions(text, a)),
        follow=tuple(sorted({r for r in references if r.startswith(("http://", "https://"))})),
    )


def error_messages(text: str) -> tuple[str, ...]:
    """Which kinds of error messages of programs stand in a page's text as it was sent."""
    return tuple(name for name, pattern in _ERRORS.items() if pattern.search(text))


def cookie_shape(header: str) -> str:
    """A Set-Cookie header as name and sorted flags; value and times left out: `PHPSESSID; httponly; path=/`."""
    first, *attributes = header.split(";")
    kept = {a.strip().lower() for a in attributes if a.strip()}
    flags = sorted(a for a in kept if a.partition("=")[0].strip() in ("secure", "httponly", "samesite", "path", "domain"))
    return "; ".join([first.partition("=")[0].strip(), *flags])


def _mentions(text: str, address: str) -> bool:
    return re.search(rf"(?<![0-9A-Fa-f.:]){re.escape(address)}(?![0-9A-Fa-f:]|\.\d)(?!\d)", text) is not None


@dataclass
class _Parsed:
    title: str = ""
    lines: tuple[str, ...] = ()
    inline: tuple[str, ...] = ()
    links: set[str] = field(default_factory=set)
    assets: set[str] = field(default_factory=set)
    forms: set[str] = field(default_factory=set)


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line for raw in text.splitlines() if (line := " ".join(raw.split())))


def gunzip(body: bytes) -> str:
    """The text of a compressed sitemap, at most 16 MB; "" when it is none."""
    try:
        return zlib.decompressobj(31).decompress(body, 16_000_000).decode("utf-8", "replace")
    except zlib.error:
        return ""


def _plain_references(url: str, media: str, text: str) -> list[str]:
    if media == "text/css":
        return _css(text)
    if media.endswith("xml"):
        return [html.unescape(found) for found in _LOC.findall(text)]
    return _SITEMAP.findall(text) if urlsplit(url).path == "/robots.txt" else []


def _css(text: str) -> list[str]:
    return ["".join(groups) for groups in _CSS_URL.findall(text)] + _CSS_IMPORT.findall(text)


def _too_deep(text: str) -> bool:
    """True when elements nest so deeply that an HTML parser takes time quadratic in the page."""
    depth = 0
    for found in _NESTING.finditer(text):
        depth = max(0, depth + (-1 if found[1] else 1))
        if depth > _MAX_NESTING:
            return True
    return False


def _read_html(url: str, text: str, charset: str) -> _Parsed:
    if _too_deep(text):
        return _Parsed(lines=_lines(re.sub(r"<[^<>]*>", "\n", text)))
    tree = LexborHTMLParser(text)
    out = _Parsed()
    node = tree.css_first("base[href]")
    base = (absolute(url, node.attributes.get("href") or "") or url) if node else url
    seen: list[str] = []
    inline: list[str] = []
    for node in tree.root.traverse(include_text=True) if tree.root else ():
        tag = node.tag or ""
        if tag == "-text":
            parent = node.parent.tag if node.parent else ""
            content = node.text_content or ""
            if parent in ("script", "style"):
                inline.append(content)
                out.assets.update(absolute(base, u, charset) for u in (_css(content) if parent == "style" else ()))
            elif parent not in _UNSEEN:
                seen.append(content.replace("\n", " ").replace("\r", " "))
            continue
        if tag in _BLOCKS:
            seen.append("\n")
        attributes = node.attributes
        if tag == "title" and not out.title:
            out.title = " ".join(node.text().split())
        elif tag == "meta":
            inline.append(" ".join(f"{k}={v or ''}" for k, v in sorted(attributes.items()) if k != "charset"))
            if (attributes.get("http-equiv") or "").lower() == "refresh":
                out.links.update(absolute(base, u, charset) for u in _REFRESH.findall(attributes.get("content") or ""))
        elif tag == "form":
            out.forms.add(_form(node, base, charset))
        references = [v for name in _URL_ATTRIBUTES.get(tag, ()) if (v := attributes.get(name)) is not None]
        if tag in ("img", "source"):
            references += [c.split()[0] for c in (attributes.get("srcset") or "").split(",") if c.split()]
        if style := attributes.get("style"):
            out.assets.update(absolute(base, u, charset) for u in _css(style))
        bucket = out.links if tag in ("a", "area", "iframe", "frame") else out.assets
        bucket.update(absolute(base, r, charset) for r in references)
    out.links.discard("")
    out.assets.discard("")
    out.lines = _lines("".join(seen))
    out.inline = _lines("\n".join(inline))
    return out


def _form(node: LexborNode, base: str, charset: str) -> str:
    """A form as `METHOD action field,field`."""
    attributes = node.attributes
    method = (attributes.get("method") or "get").upper()[:8]
    names = {f.attributes.get("name") or "" for f in node.css("input,select,textarea,button")[:500]} - {""}
    return f"{method} {absolute(base, attributes.get('action') or '', charset)} {','.join(sorted(names))}"[:2000]
