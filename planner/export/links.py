"""What a page leads to and what on it needs a program behind it.  Pure: in go URL, media type and text; out comes a `Found`.

Links are what a visitor may follow, assets what a page needs to look right, candidates strings in scripts and data attributes that look
like URLs of the site (asked for, but nothing is missed when they do not answer).  Forms and script calls are listed, never sent.
Resolution is a browser's (`pages.absolute`): base element, backslashes, IRIs, the page's own charset in queries.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from inventory.inspection.references import absolute as resolved

MOST = 5_000  # references taken from one document; a page with more is made by a machine to catch machines
_TEXT_KEPT = 200_000
_DATA = "[data-src],[data-srcset],[data-original],[data-lazy-src],[data-bg],[data-background],[data-url],[data-href]"
_SELECTED = (
    f"[href],[src],[srcset],[imagesrcset],[style],[data],[poster],[background],{_DATA},[longdesc],[cite],form,meta[content],style,script"
)
_LINKING = frozenset(("a", "area", "iframe", "frame"))
_RELATIONS = frozenset(
    ("canonical", "alternate", "next", "prev", "shortlink", "amphtml", "author", "license", "help", "search", "first", "last")
)
_NOT_FETCHED = frozenset(("preconnect", "dns-prefetch", "pingback", "edituri", "wlwmanifest"))
_ASSETS = frozenset((
    "src", "data", "poster", "background", "data-src", "data-original", "data-lazy-src", "data-bg", "data-background",
))  # fmt: skip
_CSS = re.compile(
    r"url\(\s{0,99}(?:\"([^\"\n]{1,4000})\"|'([^'\n]{1,4000})'|([^\"'()\s]{1,4000}))\s{0,99}\)|@import\s{1,99}(?:\"([^\"\n]{1,2000})\"|'([^'\n]{1,2000})')",
    re.I,
)
_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.S)
_REFRESH = re.compile(r"^\s{0,99}[\d.]{0,20}\s{0,99}[;,]\s{0,99}(?:url\s{0,9}=\s{0,9})?[\"']?([^\"'\s>]{1,4000})", re.I)
_FILES = (
    "png|jpe?g|gif|svg|webp|avif|ico|bmp|css|m?js|json|xml|woff2?|ttf|eot|otf|"  # what pages are made of
    "pdf|docx?|xlsx?|pptx?|zip|rar|7z|mp[34]|m4[av]|webm|ogg|swf|html?"
)
_IN_SCRIPT = re.compile(
    r"[\"'`]((?:https?:)?(?:\\?/){1,2}[^\"'`\s<>(){}$+]{1,500}"
    rf"|[\w./%-]{{1,300}}\.(?:{_FILES})(?:\?[\w=&.%-]{{0,200}})?)[\"'`]",
    re.I,
)
_CALL = re.compile(
    r"(?:\bfetch|\$http\.\w{3,6}|\baxios(?:\.\w{3,7})?|(?:\$|jQuery)\.(?:get|post|getJSON|ajax|load)|\bsendBeacon|new\s{1,9}(?:EventSource|WebSocket))"
    r"\s{0,9}\(\s{0,9}[\"'`]([^\"'`\n]{1,500})[\"'`]"
    r"|\.open\(\s{0,9}[\"'](?:GET|POST|PUT|DELETE|PATCH)[\"']\s{0,9},\s{0,9}[\"'`]([^\"'`\n]{1,500})[\"'`]"
    r"|\burl\s{0,9}:\s{0,9}[\"'`]([^\"'`\n]{1,500})[\"'`](?=[^}]{0,400}\b(?:success|dataType|method|type)\b)",
    re.I,
)
_LOC = re.compile(r"<(?:\w{1,20}:)?loc>\s{0,99}(?:<!\[CDATA\[)?([^<>\]]{1,4096})", re.I)
_FEED = re.compile(
    r"<(?:link|guid|comments|url)(?:\s[^<>]{0,300})?>\s{0,99}(?:<!\[CDATA\[)?\s{0,99}(https?://[^<>\]\s]{1,4096}|/[^<>\]\s]{1,4096})"
    r"|<(?:link|enclosure|media:content|atom:link|\?xml-stylesheet)\b[^<>]{0,500}?\b(?:href|url)\s{0,9}=\s{0,9}[\"']([^\"'<>]{1,4096})",
    re.I,
)
_SITEMAP_LINE = re.compile(r"^\s{0,9}sitemap\s{0,9}:\s{0,9}(\S{1,4096})", re.I | re.M)
_DISALLOWED = re.compile(r"^\s{0,9}disallow\s{0,9}:\s{0,9}(\S{1,1000})", re.I | re.M)
_SEARCH_FIELDS = frozenset(
    ("q", "s", "search", "keyword", "keywords", "kw", "wd", "query", "searchword", "searchkey", "key", "showkeycode")
)
_SCRIPTED = re.compile(r"javascript$|ecmascript$")


@lru_cache(maxsize=20_000)
def _from(place: str, reference: str, charset: str) -> str:
    return resolved(place, reference, charset)


def absolute(base: str, reference: str, charset: str = "") -> str:
    """`pages.absolute`, which menus make worth remembering: what leads to the same from every page of a folder is resolved once."""
    if not reference or reference[0] in "?#" or len(reference) > 300:
        return resolved(base, reference, charset)
    path = base.partition("?")[0]
    return _from(path[: path.find("/", 8) + 1] if reference[0] == "/" else path[: path.rfind("/") + 1], reference, charset)


@dataclass(frozen=True, order=True)
class Function:
    """Something on a page that needs a program: `kind` is search, login, comment, upload, form, call; `target` where it leads."""

    kind: str
    method: str
    target: str
    fields: tuple[str, ...] = ()


@dataclass
class Found:
    """All that one document leads to; URLs are absolute and of any host."""

    links: set[str] = field(default_factory=set)
    assets: set[str] = field(default_factory=set)
    candidates: set[str] = field(default_factory=set)
    sitemap: set[str] = field(default_factory=set)
    functions: set[Function] = field(default_factory=set)
    disallowed: tuple[str, ...] = ()
    title: str = ""
    text: str = ""
    mixed: int = 0  # assets of a page that name plain http

    def clean(self) -> Found:
        """Without what could not be resolved, and without what stands in a stronger place already."""
        for found in (self.links, self.assets, self.candidates, self.sitemap):
            found.discard("")
        self.candidates -= self.links | self.assets
        return self


def read(url: str, media: str, text: str, charset: str = "") -> Found:
    """References and functions of one document; nothing raises on hostile text."""
    found = Found()
    if media in ("text/html", "application/xhtml+xml"):
        _html(url, text, charset, found)
    elif media == "text/css":
        found.assets.update(absolute(url, one, charset) for one in css(text))
        found.text = text[:_TEXT_KEPT]
    elif media.endswith("xml"):
        _xml(url, text, found)
    elif _SCRIPTED.search(media) or media.endswith("json"):
        _script(url, text, found, relative=False)
        found.text = text[:_TEXT_KEPT]
    elif urlsplit(url).path == "/robots.txt":
        found.sitemap.update(absolute(url, one) for one in _SITEMAP_LINE.findall(text))
        found.disallowed = tuple(sorted(set(_DISALLOWED.findall(text))))
        found.text = text[:_TEXT_KEPT]
    else:
        found.text = text[:_TEXT_KEPT]
    return found.clean()


def css(text: str) -> Iterator[str]:
    """What a style sheet, or a style attribute, refers to: url() and @import."""
    for groups in _CSS.findall(_CSS_COMMENT.sub("", text)):
        one = "".join(groups).strip()
        if one and not one.startswith(("data:", "#", "about:", "blob:")):
            yield re.sub(r"\\([0-9a-fA-F]{1,6})\s?|\\(.)", _unescaped, one)


def _unescaped(found: re.Match[str]) -> str:
    if found[2]:
        return found[2]
    number = int(found[1], 16)
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else "\ufffd"


def srcset(text: str) -> Iterator[str]:
    """The URLs of an image's candidates; commas inside of a URL stay, as the HTML standard parses them."""
    rest = text
    while rest := rest.lstrip(" \t\r\n\f,"):
        one, _, rest = rest.partition(" ") if " " in rest else (rest, "", "")
        first = re.match(r"\S+", one)
        if first is None:
            return
        word = first[0]
        rest = one[len(word) :] + " " + rest
        if word.endswith(","):
            word = word.rstrip(",")
        else:
            rest = re.sub(r"^(?:[^,(]|\([^)]*\))*,?", "", rest, count=1)
        if word and not word.startswith("data:"):
            yield word


def _nested_too_deep(text: str) -> bool:
    # Elements that are never closed nest without end, and an HTML parser's time grows with the square of the depth.
    return text.count("<div") - text.count("</div") > 2_000 or text.count("<span") - text.count("</span") > 2_000


def _html(url: str, text: str, charset: str, found: Found) -> None:
    if _nested_too_deep(text):
        found.text = re.sub(r"<[^<>]*>", " ", text)[:_TEXT_KEPT]
        return
    tree = LexborHTMLParser(text)
    node = tree.css_first("base[href]")
    base = (absolute(url, node.attributes.get("href") or "") or url) if node else url
    for place, node in enumerate(tree.css(_SELECTED)):
        if place > MOST:
            break
        _element(node, node.tag or "", base, charset, found)
    title = tree.css_first("title")
    found.title = " ".join(title.text().split())[:500] if title else ""
    for node in tree.css("script,style,template,noscript"):
        node.decompose()
    found.text = " ".join(tree.body.text(separator=" ")[: 2 * _TEXT_KEPT].split())[:_TEXT_KEPT] if tree.body else ""


def _element(node: LexborNode, tag: str, base: str, charset: str, found: Found) -> None:
    attributes = node.attributes
    if tag == "base":
        return
    if tag == "form":
        found.functions.add(_form(node, base, charset))
        return
    if tag == "meta":
        _meta(attributes, base, charset, found)
        return
    if tag == "style":
        found.assets.update(absolute(base, one, charset) for one in css(node.text()))
    elif tag == "script" and not attributes.get("src"):
        _script(base, node.text(), found, relative=True)
    for name, value in attributes.items():
        if not value:
            continue
        if name == "href":
            if tag == "link":
                _link(attributes, absolute(base, value, charset), found)
            else:
                found.links.add(absolute(base, value, charset))
        elif name in ("srcset", "data-srcset", "imagesrcset"):
            found.assets.update(absolute(base, one, charset) for one in srcset(value))
        elif name == "style":
            found.assets.update(absolute(base, one, charset) for one in css(value))
        elif name == "src" and tag in _LINKING:
            found.links.add(absolute(base, value, charset))
        elif name in _ASSETS and (name != "data" or tag == "object") and not value.startswith("data:"):
            one = absolute(base, value, charset)
            found.assets.add(one)
            found.mixed += one.startswith("http://")
        elif name in ("longdesc", "cite", "data-url", "data-href"):
            found.candidates.add(absolute(base, value, charset))


def _link(attributes: dict[str, str | None], url: str, found: Found) -> None:
    relations = set((attributes.get("rel") or "").lower().split())
    if relations & _NOT_FETCHED:
        return
    if "stylesheet" in relations or not relations & _RELATIONS:
        found.assets.add(url)
    else:
        found.links.add(url)


def _meta(attributes: dict[str, str | None], base: str, charset: str, found: Found) -> None:
    content = attributes.get("content") or ""
    if (attributes.get("http-equiv") or "").lower() == "refresh":
        found.links.update(absolute(base, one, charset) for one in _REFRESH.findall(content))
    name = (attributes.get("property") or attributes.get("name") or attributes.get("itemprop") or "").lower()
    if name in (
        "og:image",
        "og:image:url",
        "og:url",
        "og:video",
        "og:audio",
        "twitter:image",
        "msapplication-tileimage",
        "image",
        "thumbnailurl",
    ):
        found.candidates.add(absolute(base, content, charset))


def _script(base: str, text: str, found: Found, *, relative: bool) -> None:
    text = text[:2_000_000]
    called = {one for groups in _CALL.findall(text) for one in groups if one}
    for one in sorted(called)[:200]:
        if where := absolute(base, one.replace("\\/", "/")):
            found.functions.add(Function("call", "XHR", where))
    for one in _strings(text):
        if one in called:
            continue
        if one.startswith(("http:", "https:", "/")) or relative:  # what a script file's relative paths are relative to is not known
            found.candidates.add(absolute(base, one))


def _strings(text: str) -> Iterator[str]:
    for place, one in enumerate(_IN_SCRIPT.findall(text)):
        if place > MOST:
            return
        plain = one.replace("\\/", "/")
        if plain.strip("/") and not re.search(r"[\\*^|\[\]]", plain):
            yield plain


def _xml(url: str, text: str, found: Found) -> None:
    locations = [html.unescape(one.strip()) for one in _LOC.findall(text)]
    found.sitemap.update(absolute(url, one) for one in locations)
    head = text[:2_000].lower()
    if not locations or "<rss" in head or "<feed" in head:
        references: Iterable[tuple[str, str]] = _FEED.findall(text)
        found.links.update(absolute(url, html.unescape(one or other)) for one, other in references)
    found.text = text[:_TEXT_KEPT]


def _form(node: LexborNode, base: str, charset: str) -> Function:
    attributes = node.attributes
    method = (attributes.get("method") or "get").upper()[:8]
    fields: list[str] = []
    kinds: set[str] = set()
    for one in node.css("input,select,textarea,button")[:200]:
        its = one.attributes
        kinds.add("textarea" if one.tag == "textarea" else (its.get("type") or "text").lower())
        if name := its.get("name"):
            fields.append(name[:100])
    where = absolute(base, attributes.get("action") or "", charset)
    lowered = {name.lower() for name in fields}
    if "password" in kinds:
        kind = "login"
    elif lowered & _SEARCH_FIELDS or "search" in kinds or "search" in where.lower() or attributes.get("role") == "search":
        kind = "search"
    elif "textarea" in kinds and (lowered & {"comment", "author", "content", "msg", "message"}):
        kind = "comment"
    elif "file" in kinds:
        kind = "upload"
    else:
        kind = "form"
    return Function(kind, method, where, tuple(sorted(set(fields)))[:50])


_FILE = re.compile(rf"\.(?:{_FILES})$", re.I)


def is_file(url: str) -> bool:
    """Whether a URL without query ends like a file: a picture, a document, a page."""
    return _FILE.search(url) is not None
