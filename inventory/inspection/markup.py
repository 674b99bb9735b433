"""HTML taken apart: title, visible text, inline scripts, links, assets, forms; and the references in CSS, sitemaps and robots.txt.  Pure.

In: a page's URL, its text, its charset.  Out: `Markup`, or references alone, which takes a fifth of the time.  Nothing here raises on
hostile content, and nothing takes time quadratic in it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from inventory.inspection.references import absolute

_URL_ATTRIBUTES = {  # element → attributes that hold one URL; data-…: what scripts that load pictures late go by
    "a": ("href",),
    "area": ("href",),
    "link": ("href",),
    "img": ("src", "data-src", "data-original", "data-lazy-src"),
    "script": ("src",),
    "iframe": ("src",),
    "frame": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "source": ("src",),
    "track": ("src",),
    "video": ("src", "poster"),
    "audio": ("src",),
    "input": ("src",),
    "body": ("background",),
    "table": ("background",),
    "td": ("background",),
}
_LINKS = ("a", "area", "iframe", "frame")
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
_LABELS = {"img": ("alt",), "input": ("placeholder",), "textarea": ("placeholder",)}
_CSS_URL = re.compile(r"url\(\s{0,9}(?:\"([^\"\n]{1,2000})\"|'([^'\n]{1,2000})'|([^\"'()\s]{1,2000}))\s{0,9}\)", re.I)
_CSS_IMPORT = re.compile(r"@import\s{1,9}[\"']([^\"'\n]{1,2000})[\"']", re.I)
_REFRESH = re.compile(r"url\s{0,9}=\s{0,9}[\"']?([^\"'\s>]{1,2000})", re.I)
_LOC = re.compile(r"<loc>\s{0,99}(?:<!\[CDATA\[)?([^<>\]]{1,4096})", re.I)
_SITEMAP = re.compile(r"^\s{0,9}sitemap\s{0,9}:\s{0,9}(\S{1,4096})", re.I | re.M)


@dataclass
class Markup:
    """A page taken apart; `lines` are its visible text, `inline` its scripts, styles and meta elements."""

    title: str = ""
    lines: tuple[str, ...] = ()
    inline: tuple[str, ...] = ()
    links: set[str] = field(default_factory=set)
    assets: set[str] = field(default_factory=set)
    forms: set[str] = field(default_factory=set)


def lines_of(text: str) -> tuple[str, ...]:
    """Lines that hold something, each with single spaces."""
    return tuple(line for raw in text.splitlines() if (line := " ".join(raw.split())))


def locations(text: str) -> list[str]:
    """What a sitemap lists, as it stands there."""
    return [html.unescape(found) for found in _LOC.findall(text)]


def plain_references(url: str, media: str, text: str) -> list[str]:
    """What CSS, XML and robots.txt refer to, as it stands there."""
    if media == "text/css":
        return _css(text)
    if media.endswith("xml"):
        return locations(text)
    return _SITEMAP.findall(text) if urlsplit(url).path == "/robots.txt" else []


def _css(text: str) -> list[str]:
    return ["".join(groups) for groups in _CSS_URL.findall(text)] + _CSS_IMPORT.findall(text)


def _too_deep(text: str) -> bool:
    """True when elements nest so deeply that an HTML parser takes time quadratic in the page."""
    if text.count("<") <= _MAX_NESTING:
        return False
    depth = 0
    for found in _NESTING.finditer(text):
        depth = max(0, depth + (-1 if found[1] else 1))
        if depth > _MAX_NESTING:
            return True
    return False


def read(url: str, text: str, charset: str) -> Markup:
    """An HTML page taken apart."""
    if _too_deep(text):
        return Markup(lines=lines_of(re.sub(r"<[^<>]*>", "\n", text)))
    tree = LexborHTMLParser(text)
    base = _base(tree, url)
    out = Markup()
    out.links, out.assets = _references(tree, base, charset)
    seen: list[str] = []
    inline: list[str] = []
    for node in tree.root.traverse(include_text=True) if tree.root else ():
        tag = node.tag or ""
        if tag == "-text":
            parent = node.parent.tag if node.parent else ""
            content = node.text_content or ""
            if parent in ("script", "style"):
                inline.append(content)
            elif parent not in _UNSEEN:
                seen.append(content.replace("\n", " ").replace("\r", " "))
            continue
        if tag in _BLOCKS:
            seen.append("\n")
        if tag == "title" and not out.title:
            out.title = " ".join(node.text().split())
        elif tag == "meta":
            inline.append(" ".join(f"{k}={v or ''}" for k, v in sorted(node.attributes.items()) if k != "charset"))
        elif tag == "form":
            out.forms.add(_form(node, base, charset))
        elif tag in _LABELS:
            seen += [f" {label} " for label in _labels(tag, node) if label]
    out.lines = lines_of("".join(seen))
    out.inline = lines_of("\n".join(inline))
    return out


def references(url: str, text: str, charset: str) -> set[str]:
    """The links and assets of an HTML page, without taking it apart any further."""
    if _too_deep(text):
        return set()
    tree = LexborHTMLParser(text)
    links, assets = _references(tree, _base(tree, url), charset)
    return links | assets


def _base(tree: LexborHTMLParser, url: str) -> str:
    for node in tree.tags("base"):
        if (href := node.attributes.get("href")) is not None:
            return absolute(url, href) or url
    return url


def _references(tree: LexborHTMLParser, base: str, charset: str) -> tuple[set[str], set[str]]:
    links: set[str] = set()
    assets: set[str] = set()
    for tag, names in _URL_ATTRIBUTES.items():  # asked for by name: one selector for all of them takes several times as long
        bucket = links if tag in _LINKS else assets
        for node in tree.tags(tag):
            attributes = node.attributes
            for name in names:
                if (value := attributes.get(name)) is not None:
                    bucket.add(value)
            if tag in ("img", "source"):
                assets.update(_candidates(attributes.get("srcset") or ""))
    for node in tree.css("[style]"):
        assets.update(_css(node.attributes.get("style") or ""))
    for node in tree.tags("style"):
        assets.update(_css(node.text()))
    for node in tree.tags("meta"):
        if (node.attributes.get("http-equiv") or "").lower() == "refresh":
            links.update(_REFRESH.findall(node.attributes.get("content") or ""))
    return _all_absolute(base, links, charset), _all_absolute(base, assets, charset)


def _all_absolute(base: str, found: Iterable[str], charset: str) -> set[str]:
    origin = "/".join(base.split("/", 3)[:3]) + "/"
    return {
        # a menu stands on every page of a site, and its references lead to the same places from all of them
        _from_origin(origin, one, charset) if one[:1] == "/" and one[1:2] not in ("/", "\\") else absolute(base, one, charset)
        for one in found
    } - {""}


@lru_cache(maxsize=16_384)
def _from_origin(origin: str, reference: str, charset: str) -> str:
    return absolute(origin, reference, charset)


def _candidates(srcset: str) -> Iterator[str]:
    return (one.split()[0] for one in srcset.split(",") if one.split())


def _labels(tag: str, node: LexborNode) -> list[str]:
    """Text that a visitor reads and that stands in attributes: of pictures, of fields, of buttons."""
    attributes = node.attributes
    found = [attributes.get(name) or "" for name in _LABELS[tag]]
    if tag == "input" and (attributes.get("type") or "").lower() in ("submit", "button", "reset"):
        found.append(attributes.get("value") or "")
    return [" ".join(label.split()) for label in found]


def _form(node: LexborNode, base: str, charset: str) -> str:
    """A form as `METHOD action field,field`."""
    attributes = node.attributes
    method = (attributes.get("method") or "get").upper()[:8]
    names = {f.attributes.get("name") or "" for f in node.css("input,select,textarea,button")[:500]} - {""}
    return f"{method} {absolute(base, attributes.get('action') or '', charset)} {','.join(sorted(names))}"[:2000]
