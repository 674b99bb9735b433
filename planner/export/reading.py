"""An answer → what is kept of it and what it leads to.  Pure.

In: an `Answer`, and what is known of the site's error pages.  Out: a `Record` and a `Found` (None for what leads nowhere).  The same
function reads a body again that an earlier crawl kept, so that a resumed crawl goes the same way as one that was never cut off.
"""

from __future__ import annotations

import re
from dataclasses import replace
from hashlib import sha256
from urllib.parse import urlsplit

from inventory.inspection import errortexts
from inventory.inspection.pages import charsets, decode, gunzip, is_text_type
from inventory.inspection.references import absolute
from planner.export import links, urls
from planner.export.errorpages import ErrorPages
from planner.export.fetching import Answer
from planner.export.records import Record

KEPT_HEADERS = (
    "content-disposition", "content-language", "content-security-policy", "strict-transport-security", "x-frame-options",
    "access-control-allow-origin", "x-robots-tag", "x-content-type-options", "referrer-policy",
)  # fmt: skip
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_SITEMAP_GZ = re.compile(r"sitemap[^/]*\.gz$", re.I)
_INDEX = re.compile(r"/(?:index|default|home|main)?(?:\.\w{2,5})?$", re.I)
HTML = ("text/html", "application/xhtml+xml")


def read(answer: Answer, errors: ErrorPages) -> tuple[Record, links.Found | None]:
    """The record of an answer, and what its document leads to.  A body that a record needs has been kept by who fetched it."""
    url, headers = answer.url, answer.headers
    if answer.failure:
        return Record(url, "failed", reason=answer.failure), None
    if answer.too_large:
        return Record(url, "too_large", answer.status, f"{answer.size} bytes are more than is taken"), None
    if answer.status in (301, 302, 303, 307, 308):
        return _moved(answer), None
    if answer.status != 200:
        return Record(url, "error", answer.status, f"the source answers {answer.status}"), None
    content_type = headers.get("content-type", "")
    media = content_type.partition(";")[0].strip().lower()
    is_html = media in HTML or (not media and b"<html" in answer.body[:2048].lower())
    is_text = is_html or is_text_type(media)
    record = Record(
        url, "exported", 200, type=content_type or ("text/html" if is_html else ""), sha256=answer.sha256, size=answer.size,
        etag=headers.get("etag", ""), modified=headers.get("last-modified", ""),
        headers={name: headers[name] for name in KEPT_HEADERS if headers.get(name)},
    )  # fmt: skip
    if not is_text:
        found = None
        if _SITEMAP_GZ.search(urlsplit(url).path) and answer.body[:2] == b"\x1f\x8b":
            found = links.read(url, "text/xml", gunzip(answer.body))
        return record, found
    header, meta = charsets(content_type, answer.body, is_html=is_html)
    text = decode(answer.body, header, meta)
    found = links.read(url, "text/html" if is_html else media, text, header or meta)
    declared = text_digest = plain = ""
    if is_html and not header and not meta and not answer.body.startswith(_BOMS) and not answer.body.isascii():
        declared = _guessed(answer.body)
    if is_html:
        home = _INDEX.search(urlsplit(url).path) is not None and "?" not in url
        if reason := errors.reason(url, found.title, found.text, home=home):
            return Record(url, "soft_error", 200, reason), None
        text_digest, plain = _digests(url, found)
        record = replace(record, errors=", ".join(errortexts.found(text)), blank=not (found.text.strip() or found.assets or found.links))
    return replace(record, charset=header, declared=declared, text=text_digest, plain=plain), found


def _moved(answer: Answer) -> Record:
    # Header bytes arrive as latin-1 or surrogates: give a UTF-8 location its characters back.
    location = answer.headers.get("location", "").encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    where = absolute(answer.url, location) if location else ""
    if not where:
        return Record(answer.url, "error", answer.status, f"the source answers {answer.status} and leads nowhere")
    fragment = location.partition("#")[2]
    if fragment and re.fullmatch(r"[!-~]{1,200}", fragment):
        where += f"#{fragment}"
    return Record(answer.url, "moved", answer.status, location=where)


def _guessed(body: bytes) -> str:
    for codec, name in (("utf-8", "utf-8"), ("gb18030", "gbk")):
        try:
            body.decode(codec)
        except UnicodeDecodeError:
            continue
        return name
    return ""


def _digests(url: str, found: links.Found) -> tuple[str, str]:
    """Of what a visitor sees and where it leads; and of what is left without digits and links to the same kind, as calendars have them."""
    assets = " ".join(sorted(found.assets))
    leading = " ".join(sorted(found.links | found.candidates))
    seen = sha256(f"{found.title}\n{found.text}\n{assets}\n{leading}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
    own = urls.shape(url)
    leads = {re.sub(r"\d+", "#", one) if "?" in one or not links.is_file(one) else one for one in found.links if urls.shape(one) != own}
    text = re.sub(r"\d+", "", f"{found.title}\n{found.text}")
    plain = sha256(f"{text}\n{assets}\n{' '.join(sorted(leads))}".encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return seen, plain
