"""Asks a site at its source and at its destination address, before DNS moves, and says whether they are the same.

In: the site's names, both addresses and URLs to start from (sitemap, top of the access log).  Out: a `SiteComparison`.
Every name is resolved to the given address and to nothing else; no proxy, no cookie, no redirect is followed, no form
is sent, and URLs that may change something are not requested.  Certificates are not verified against a store: an
expired one at the source must not stop its move.  Where `pins` are given (planner/handshakes.py), the destination must
present for each name the certificate of that fingerprint; without, the connection is pinned to an address only.
Bodies are dropped as soon as they are reduced to a `Page`.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

import aiohttp
from yarl import URL

from inventory.inspection.pages import Page, digest
from inventory.inspection.references import absolute, may_request
from planner import pinned
from planner.comparison import Difference, PageResult, SiteComparison, compare_pages, summarise
from planner.pinned import SiteView

_READ = 65_536
_HEADERS = {"User-Agent": "planner-verification/1.0", "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}


@dataclass(frozen=True)
class Limits:
    """Bounds of one comparison; sizes in bytes, times in seconds.

    A text page longer than `per_page_bytes` and another file longer than `per_asset_bytes` is read up to there.
    `settle_seconds` lies at least between the source's two answers, so that a clock shown in seconds moves.
    """

    pages: int = 2000
    seconds: float = 300.0
    concurrency: int = 8
    request_seconds: float = 20.0
    per_page_bytes: int = 4_000_000
    per_asset_bytes: int = 64_000_000
    settle_seconds: float = 1.1


@dataclass(frozen=True)
class _Failure:
    """No answer; `refused` when the peer said so itself, as opposed to a timeout."""

    reason: str
    refused: bool


class _Client:
    """Fetches URLs of one view and reduces the answers."""

    def __init__(self, view: SiteView, limits: Limits, old_addresses: Sequence[str]) -> None:
        self._limits, self._old = limits, old_addresses
        self._pins = {name: aiohttp.Fingerprint(bytes.fromhex(pin)) for name, pin in view.pins.items()}
        self._session = pinned.session(view, concurrency=limits.concurrency, request_seconds=limits.request_seconds, headers=_HEADERS)

    async def close(self) -> None:
        await self._session.close()

    async def get(self, url: str) -> Page | _Failure:
        """One answer; a dropped connection is tried once more, for kept-alive connections end at any time."""
        answer = await self._once(url)
        if isinstance(answer, _Failure) and answer.refused:
            answer = await self._once(url)
        return answer

    async def _once(self, url: str) -> Page | _Failure:
        started = time.monotonic()
        try:
            pin = self._pins.get(urlsplit(url).netloc, True)
            async with self._session.get(URL(url, encoded=True), allow_redirects=False, ssl=pin) as response:
                headers = list(response.headers.items())
                media = response.headers.get("Content-Type", "").lower()
                is_text = not media or any(word in media for word in ("text", "html", "xml", "json", "script"))
                keep = self._limits.per_page_bytes
                limit = keep if is_text else self._limits.per_asset_bytes
                body, size, whole, truncated = bytearray(), 0, hashlib.sha256(), False
                async for chunk in response.content.iter_chunked(_READ):
                    part = chunk[: limit - size]
                    whole.update(part)
                    size += len(part)
                    body += part[: max(0, keep - len(body))] if is_text or ".gz" in url else b""
                    if len(part) < len(chunk):
                        truncated = True
                        response.close()
                        break
                status = response.status
        except TimeoutError:
            return _Failure(f"no answer within {self._limits.request_seconds:g} s", refused=False)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _Failure(f"{type(error).__name__}: {error}"[:200], refused=True)
        return await asyncio.to_thread(
            digest,
            url,
            status,
            headers,
            bytes(body),
            sha256=whole.hexdigest(),
            size=size,
            truncated=truncated,
            seconds=round(time.monotonic() - started, 3),
            old_addresses=self._old,
        )


@dataclass
class _Crawl:
    """The state of one comparison: what has been seen and what came out."""

    source: _Client
    destination: _Client
    names: tuple[str, ...]
    scheme: str
    limits: Limits
    deadline: float
    gate: asyncio.Semaphore
    seen: set[str] = field(default_factory=set)
    results: list[PageResult] = field(default_factory=list)
    requested: int = 0

    def admit(self, references: Iterable[str]) -> list[str]:
        """URLs not seen before, sorted, in the view's scheme.  Those not to be requested get a result."""
        fresh: set[str] = set()
        for reference in references:
            parts = urlsplit(reference)
            if parts.netloc in self.names and parts.scheme in ("http", "https"):
                fresh.add(urlunsplit((self.scheme, *parts[1:])))
        fresh -= self.seen
        # Level by level and sorted: the same site gives the same choice of pages whatever the timing.
        ordered = sorted(fresh)
        # A hostile site can offer links without end: what is remembered is bounded too.
        ordered = ordered[: max(0, 10 * self.limits.pages - len(self.seen))]
        self.seen.update(ordered)
        chosen: list[str] = []
        for url in ordered:
            if not may_request(url):
                self._skip(url, "not requested: it may change something", by_design=True)
            elif self.requested >= self.limits.pages:
                self._skip(url, f"limit of {self.limits.pages} pages reached", by_design=True)
            else:
                self.requested += 1
                chosen.append(url)
        return chosen

    def _skip(self, url: str, reason: str, *, by_design: bool = False) -> None:
        self.results.append(PageResult(url, "not_compared", (), reason, by_design=by_design))

    async def visit(self, url: str) -> tuple[str, ...]:
        """Compares one URL; returns the links to follow."""
        async with self.gate:
            left = self.deadline - time.monotonic()
            try:
                async with asyncio.timeout(max(0.0, left)):
                    result, follow = await self._compare(url)
            except TimeoutError:
                self._skip(url, f"limit of {self.limits.seconds:g} s reached")
                return ()
            except Exception as error:  # hostile content must cost one page, never the comparison
                self._skip(url, f"{type(error).__name__}: {error}"[:200])
                return ()
            self.results.append(result)
            return follow

    async def _compare(self, url: str) -> tuple[PageResult, tuple[str, ...]]:
        asked = time.monotonic()
        first = await self.source.get(url)
        if isinstance(first, _Failure):
            return PageResult(url, "not_compared", (), f"source: {first.reason}"), ()
        other = await self.destination.get(url)
        if isinstance(other, Page):
            result = await asyncio.to_thread(compare_pages, first, first, other)
            if result.outcome == "equal" and not result.differences:
                return result, first.follow  # no difference, so no noise to cancel: the source is spared
        # The destination was asked between the two: a clock that moved until it answered has moved for the second, too.
        await asyncio.sleep(max(0.0, asked + self.limits.settle_seconds - time.monotonic()))
        second = await self.source.get(url)
        if isinstance(second, _Failure):
            reason = f"source unstable: {second.reason}"
            return PageResult(url, "not_compared", (), reason, first.status), first.follow
        if isinstance(other, _Failure):
            if not other.refused or first.status >= 500:
                return PageResult(url, "not_compared", (), f"destination: {other.reason}", first.status), first.follow
            gone = Difference("unreachable", str(first.status), other.reason)
            return PageResult(url, "different", (gone,), "", first.status, first.seconds), first.follow
        return await asyncio.to_thread(compare_pages, first, second, other), first.follow


async def compare_views(
    source: SiteView, destination: SiteView, seeds: Sequence[str] = (), limits: Limits | None = None, *, follow: bool = True
) -> SiteComparison:
    """Compares two views of one site; `seeds` are paths or URLs; without `follow` the home pages and seeds only, no link of theirs.

    Raises ValueError for a view that cannot be, only.
    """
    limits = limits or Limits()
    names = pinned.ascii_names(source.names)
    if source.tls != destination.tls or set(pinned.ascii_names(destination.names)) != set(names):
        raise ValueError("both views must have the same names and the same scheme")
    scheme = "https" if source.tls else "http"
    homes = [f"{scheme}://{name}/" for name in names]
    old = [source.address] if source.address != destination.address else []
    views = [SiteView(names, view.address, view.port, view.tls, view.pins) for view in (source, destination)]
    clients = [_Client(views[0], limits, ()), _Client(views[1], limits, old)]
    crawl = _Crawl(
        clients[0],
        clients[1],
        names,
        scheme,
        limits,
        time.monotonic() + limits.seconds,
        asyncio.Semaphore(limits.concurrency),
    )
    start = [absolute(homes[0], seed) for seed in seeds]
    start += [homes[0] + "robots.txt", homes[0] + "sitemap.xml"] if follow else []
    try:
        level = crawl.admit(homes) + crawl.admit(start)  # the page limit must not cost a home page
        while level:
            found = await asyncio.gather(*(crawl.visit(url) for url in level))
            level = crawl.admit(link for links in found for link in links) if follow else []
    finally:
        for client in clients:
            await client.close()
    return summarise(crawl.results, required=homes[:1])


def compare_site(
    names: Sequence[str],
    source_address: str,
    destination_address: str,
    seeds: Sequence[str] = (),
    limits: Limits | None = None,
    *,
    tls: bool = False,
    source_port: int = 0,
    destination_port: int = 0,
    pins: Mapping[str, str] | None = None,
) -> SiteComparison:
    """`compare_views` for callers without an event loop; the first of `names` is the site's primary one.

    `pins`: the SHA-256 of the certificate that the destination must present for a name.
    """
    source = SiteView(tuple(names), source_address, source_port, tls)
    destination = SiteView(tuple(names), destination_address, destination_port, tls, pins or {})
    return asyncio.run(compare_views(source, destination, seeds, limits))
