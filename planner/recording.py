"""What a site answers, written down and later held against what it answers then: for what cannot answer at two addresses at once.

In: a site's names, an address, URLs to start from.  Out: pages as plain JSON, each asked twice, so that what changes by itself is known;
then a comparison of them with another address.  The same rules as `planner.verification`: no cookie, no redirect, no form.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from inventory.inspection.pages import Page, digest
from inventory.inspection.references import absolute, may_request
from planner import pinned
from planner.comparison import Difference, PageResult, SiteComparison, compare_pages, summarise
from planner.pinned import SiteView

PAGES = 60
"""So many are written down of a site: its homes, what is asked for most, what they link to."""
BYTES = 2_000_000
SECONDS = 20.0
SETTLE = 1.1
_SETS = ("links", "assets", "forms", "cookies")
_TUPLES = ("lines", "inline", "errors", "addresses", "follow")


def recorded(names: Sequence[str], address: str, seeds: Sequence[str], *, tls: bool) -> list[dict[str, Any]]:
    """Pages of a site as they are now: [{"first": page, "second": page}], the home first."""
    return asyncio.run(_record(SiteView(tuple(names), address, 0, tls), seeds))


def compared(names: Sequence[str], address: str, record: Sequence[Mapping[str, Any]], *, tls: bool) -> SiteComparison:
    """The same pages from another address against the record."""
    return asyncio.run(_compare(SiteView(tuple(names), address, 0, tls), record))


async def _record(view: SiteView, seeds: Sequence[str]) -> list[dict[str, Any]]:
    names = pinned.ascii_names(view.names)
    scheme = "https" if view.tls else "http"
    homes = [f"{scheme}://{name}/" for name in names]
    todo = [*homes, *(absolute(homes[0], seed) for seed in seeds)]
    found: list[dict[str, Any]] = []
    seen: set[str] = set()
    async with _session(SiteView(names, view.address, view.port, view.tls)) as session:
        while todo and len(found) < PAGES:
            url = todo.pop(0)
            parts = urlsplit(url)
            if url in seen or parts.netloc not in names or parts.scheme != scheme or not may_request(url):
                continue
            seen.add(url)
            first = await _get(session, url)
            if isinstance(first, str):
                continue
            todo += sorted(set(first.follow) - seen)
            found.append({"first": first, "second": first})
        await asyncio.sleep(SETTLE)
        for pair in found:  # a clock that is shown in seconds has moved since
            second = await _get(session, pair["first"].url)
            pair["second"] = second if isinstance(second, Page) else pair["first"]
    return [{name: _plain(page) for name, page in pair.items()} for pair in found]


async def _compare(view: SiteView, record: Sequence[Mapping[str, Any]]) -> SiteComparison:
    names = pinned.ascii_names(view.names)
    results = []
    async with _session(SiteView(names, view.address, view.port, view.tls)) as session:
        for pair in record:
            first, second = _page(pair["first"]), _page(pair["second"])
            other = await _get(session, first.url)
            if isinstance(other, str):
                results.append(PageResult(first.url, "different", (Difference("unreachable", str(first.status), other),), "", first.status))
            else:
                results.append(compare_pages(first, second, other))
    scheme = "https" if view.tls else "http"
    return summarise(results, required=[f"{scheme}://{names[0]}/"])


def _session(view: SiteView) -> aiohttp.ClientSession:
    return pinned.session(view, concurrency=4, request_seconds=SECONDS, headers={"User-Agent": "planner-verification/1.0", "Accept": "*/*"})


async def _get(session: aiohttp.ClientSession, url: str) -> Page | str:
    """One answer, asked for once more when the connection ends; what went wrong otherwise."""
    said = ""
    for _ in range(2):
        started = time.monotonic()
        try:
            async with session.get(URL(url, encoded=True), allow_redirects=False) as response:
                body = await response.content.read(BYTES)
                while len(body) < BYTES and (more := await response.content.read(BYTES - len(body))):
                    body += more
                truncated = not response.content.at_eof()
                return digest(
                    url, response.status, list(response.headers.items()), body, sha256=hashlib.sha256(body).hexdigest(), size=len(body),
                    truncated=truncated, seconds=round(time.monotonic() - started, 3), old_addresses=(),
                )  # fmt: skip
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as error:
            said = f"{type(error).__name__}: {error}"[:200]
    return said


def _plain(page: Page) -> dict[str, Any]:
    data = asdict(page) | {"answered": page.answered.isoformat() if page.answered else None}
    return data | {name: sorted(data[name]) for name in _SETS} | {name: list(data[name]) for name in _TUPLES}


def _page(data: Mapping[str, Any]) -> Page:
    moment = {"answered": datetime.fromisoformat(data["answered"]) if data["answered"] else None}
    return Page(**{**data, **moment, **{name: frozenset(data[name]) for name in _SETS}, **{name: tuple(data[name]) for name in _TUPLES}})
