"""Asks a site at its source and at its destination address, before DNS moves, and says whether they are the same.

In: the site's names, both addresses and URLs to start from (sitemap, top of the access log).  Out: a `SiteComparison`.
Every name is resolved to the given address and to nothing else (a view without an address is asked for where DNS leads); no proxy, no
cookie, no redirect is followed, no form is sent, and URLs that may change something are not requested.  Certificates are not verified
against a store: an expired one at the source must not stop its move.  Where `pins` are given (planner/handshakes.py), the destination must
present for each name the certificate of that fingerprint; without, the connection is pinned to an address only.

A page is asked for once at either side.  What is the same byte for byte is equal; else the source is asked again, so that its own unrest
is known; and what still differs is asked for some more times, because a random picture shows the same twice as often as not.  What is
kept of a page that was compared is its result: memory does not grow with what the pages hold.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

from inventory.inspection import pages
from inventory.inspection.pages import Page
from inventory.inspection.references import absolute, may_request
from planner import pinned, thresholds
from planner.comparison import Difference, PageResult, SiteComparison, Traffic, compare_samples, summarise
from planner.fetching import Answer, Bounds, Client, Failure
from planner.pinned import SiteView
from planner.thresholds import Thresholds

_INLINE_BYTES = 150_000  # beyond this a page is taken apart in a thread: the other requests go on meanwhile
_HELD_BYTES = 1_000_000  # a page beyond this keeps its turn while its source settles, so that few of them are held at once
_OPEN = 128  # pages that are waited for at once, with what was read of them
_AGAIN = ((4, 2), (8, 4))  # how often source and destination are asked again for a page that differs: at first, and where there is unrest
_UPHELD = 60  # pages proved different by such rounds, after which a site's other pages are not asked for again
_BY_CHANCE = {
    "status",
    "redirect",
    "title",
    "text",
    "garbled",
    "inline",
    "links",
    "assets",
    "mixed_content",
    "forms",
    "content",
    "error_text",
}
"""Differences that chance can make: of a random box that shows the same twice at the source, and something else at the destination."""
_FEW = 3  # differences kept of each page after those
_UNNAMED = 20_000  # how many URLs beyond the limit of pages are remembered

T = TypeVar("T")


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

    @property
    def bounds(self) -> Bounds:
        """Those of a request."""
        return Bounds(self.per_page_bytes, self.per_asset_bytes, self.request_seconds, self.concurrency)


@dataclass
class _Crawl:
    """The state of one comparison: what has been seen and what came out."""

    source: Client
    destination: Client
    names: tuple[str, ...]
    scheme: str
    limits: Limits
    rules: Thresholds
    old: tuple[str, ...]
    deadline: float
    gate: asyncio.Semaphore
    seen: set[str] = field(default_factory=set)
    found: set[str] = field(default_factory=set)
    results: list[PageResult] = field(default_factory=list)
    requested: int = 0
    upheld: int = 0

    @property
    def _most(self) -> int:
        """A hostile site can offer links without end: what is remembered is bounded, too."""
        return min(10 * self.limits.pages, self.limits.pages + _UNNAMED)

    def note(self, references: Iterable[str]) -> None:
        """Remember URLs not seen before, in the view's scheme.  Of too many the first by name stay, whatever the timing."""
        for reference in references:
            parts = urlsplit(reference)
            if parts.netloc in self.names and parts.scheme in ("http", "https"):
                url = reference if parts.scheme == self.scheme and not parts.fragment else urlunsplit((self.scheme, *parts[1:]))
                if url not in self.seen:
                    self.found.add(url)
        if len(self.found) > 4 * self._most:
            self.found = set(sorted(self.found)[: self._most])

    def admit(self, references: Iterable[str] = ()) -> list[str]:
        """What was noted, sorted.  URLs that are not to be requested get a result.

        Level by level and sorted: the same site gives the same choice of pages whatever the timing.
        """
        self.note(references)
        ordered = sorted(self.found)[: max(0, self._most - len(self.seen))]
        self.found = set()
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

    async def level(self, urls: Sequence[str], *, follow: bool) -> None:
        """Compares all of them, so many at a time that what is held of them stays bounded."""
        room = asyncio.Semaphore(_OPEN + self.limits.concurrency)

        async def one(url: str) -> None:
            try:
                await self._visit(url, follow=follow)
            finally:
                room.release()

        async with asyncio.TaskGroup() as group:
            for url in urls:
                await room.acquire()
                group.create_task(one(url))

    async def _visit(self, url: str, *, follow: bool) -> None:
        try:
            async with asyncio.timeout(max(0.0, self.deadline - time.monotonic())):
                result = await self._compare(url, follow=follow)
        except TimeoutError:
            self._skip(url, f"limit of {self.limits.seconds:g} s reached")
        except Exception as error:  # hostile content must cost one page, never the comparison
            self._skip(url, f"{type(error).__name__}: {error}"[:200])
        else:
            few = result.differences[:_FEW] if self.upheld > _UPHELD else result.differences
            self.results.append(replace(result, differences=few))

    async def _compare(self, url: str, *, follow: bool) -> PageResult:
        async with self.gate:
            asked = time.monotonic()
            first = await self.source.get(url)
            if isinstance(first, Failure):
                return PageResult(url, "not_compared", (), f"source: {first.reason}")
            other = await self.destination.get(url)
            if isinstance(other, Answer) and first.same(other) and not self._suspect(first, other):
                if follow:
                    self.note(await _reduced(first.size, lambda: pages.follow(url, first.headers, first.body)))
                return PageResult(url, "equal", (), "", first.status, first.seconds, other.seconds)
            ours = await self._page(first)
            if follow:
                self.note(ours.follow)
            theirs = other if isinstance(other, Failure) else await self._page(other, self.old)
            large = first.size + (other.size if isinstance(other, Answer) else 0) > _HELD_BYTES
            del first, other  # their bodies
            if isinstance(theirs, Page):
                result = await self._judged([ours, ours], [theirs])
                if result.outcome == "equal" and all(one.kind in ("old_address", "slow") for one in result.differences):
                    return result  # no noise to cancel: the source is spared
            if large:
                await self._settle(asked)
        if not large:
            await self._settle(asked)
        async with self.gate:
            second = await self.source.get(url)
            if isinstance(second, Failure):
                return PageResult(url, "not_compared", (), f"source unstable: {second.reason}", ours.status)
            if isinstance(theirs, Failure):
                if not theirs.refused or ours.status >= 500:
                    return PageResult(url, "not_compared", (), f"destination: {theirs.reason}", ours.status)
                gone = Difference("unreachable", str(ours.status), theirs.reason, self.rules.page("unreachable"))
                return PageResult(url, "different", (gone,), "", ours.status, ours.seconds)
            sources, others = [ours, await self._page(second)], [theirs]
            del second
            return await self._settled(url, sources, others)

    async def _settled(self, url: str, sources: list[Page], others: list[Page]) -> PageResult:
        """The result of two answers and one; what differs is asked for again, the more often the more unrest there is."""
        result = await self._judged(sources, others)
        for ours, theirs in _AGAIN:
            doubtful = any(one.kind in _BY_CHANCE and one.severity != "design" for one in result.differences)
            if self.upheld >= _UPHELD or result.outcome == "not_compared" or not doubtful:
                break
            if theirs != _AGAIN[0][1] and not (_restless(sources) or _restless(others)):
                break
            sources += await self._more(self.source, url, ours, ())
            others += await self._more(self.destination, url, theirs, self.old)
            result = await self._judged(sources, others)
        self.upheld += result.outcome == "different"
        return result

    async def _more(self, client: Client, url: str, times: int, old: Sequence[str]) -> list[Page]:
        answers = [await client.get(url) for _ in range(times)]
        return [await self._page(answer, old) for answer in answers if isinstance(answer, Answer)]

    async def _page(self, answer: Answer, old: Sequence[str] = ()) -> Page:
        return await _reduced(answer.size, lambda: answer.page(old))

    async def _judged(self, sources: Sequence[Page], others: Sequence[Page]) -> PageResult:
        size = max(page.size for page in (*sources, *others))
        return await _reduced(size, lambda: compare_samples(sources, others, self.rules))

    async def _settle(self, asked: float) -> None:
        """The destination was asked between the two: a clock that moved until it answered has moved for the second, too."""
        await asyncio.sleep(max(0.0, asked + self.limits.settle_seconds - time.monotonic()))

    def _suspect(self, first: Answer, other: Answer) -> bool:
        """Whether two answers that are the same have to be looked into all the same: they failed, or name the old host."""
        if first.status >= 500 or first.status == 429:
            return True
        limits = self.rules.limits
        if other.seconds > limits.slower_times * first.seconds and other.seconds > first.seconds + limits.slower_seconds:
            return True
        return bool(self.old) and any(old.lower().encode() in other.body.lower() for old in self.old)


def _restless(answers: Sequence[Page]) -> bool:
    return any((page.lines, page.links, page.assets, page.inline, page.sha256 if not page.is_text else "") != (
        answers[0].lines, answers[0].links, answers[0].assets, answers[0].inline, answers[0].sha256 if not page.is_text else "",
    ) for page in answers)  # fmt: skip


async def _reduced(size: int, work: Callable[[], T]) -> T:
    """Work on a body: a small one at once, for a thread costs more than that."""
    return work() if size <= _INLINE_BYTES else await asyncio.to_thread(work)


async def compare_views(
    source: SiteView,
    destination: SiteView,
    seeds: Sequence[str] = (),
    limits: Limits | None = None,
    *,
    follow: bool = True,
    rules: Thresholds | None = None,
    traffic: Traffic | None = None,
    old_names: Sequence[str] = (),
) -> SiteComparison:
    """Compares two views of one site; `seeds` are paths or URLs; without `follow` the home pages and seeds only, no link of theirs.

    `traffic`: what the access log says, by path or URL; what it names is asked for, too.  `old_names`: names of the old host.
    Raises ValueError for a view that cannot be, only.
    """
    limits, rules = limits or Limits(), rules or thresholds.shipped()
    names = pinned.ascii_names(source.names)
    if source.tls != destination.tls or set(pinned.ascii_names(destination.names)) != set(names):
        raise ValueError("both views must have the same names and the same scheme")
    scheme = "https" if source.tls else "http"
    homes = [f"{scheme}://{name}/" for name in names]
    old = ([source.address] if source.address not in ("", destination.address) else []) + [one for one in old_names if one not in names]
    views = [SiteView(names, view.address, view.port, view.tls, view.pins) for view in (source, destination)]
    clients = [Client(view, limits.bounds) for view in views]
    asked = _asked(traffic, homes[0])
    crawl = _Crawl(
        clients[0], clients[1], names, scheme, limits, rules, tuple(old), time.monotonic() + limits.seconds,
        asyncio.Semaphore(limits.concurrency),
    )  # fmt: skip
    start = [absolute(homes[0], seed) for seed in seeds] + list(asked.requests if asked else ())
    start += [homes[0] + "robots.txt", homes[0] + "sitemap.xml"] if follow else []
    try:
        level = crawl.admit(homes) + crawl.admit(start)  # the page limit must not cost a home page
        while level:
            await crawl.level(level, follow=follow)
            level = crawl.admit() if follow else []
    finally:
        for client in clients:
            await client.close()
    return summarise(crawl.results, required=homes[:1], traffic=asked, rules=rules)


def _asked(traffic: Traffic | None, home: str) -> Traffic | None:
    """The log's paths as URLs of the primary name; a log does not tell which of a site's names was asked."""
    if traffic is None:
        return None
    requests: dict[str, int] = {}
    for path, count in traffic.requests.items():
        if (url := absolute(home, path)) and url.startswith(home):
            requests[url] = requests.get(url, 0) + count
    return Traffic(requests, traffic.total)


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
    rules: Thresholds | None = None,
    traffic: Traffic | None = None,
    old_names: Sequence[str] = (),
) -> SiteComparison:
    """`compare_views` for callers without an event loop; the first of `names` is the site's primary one.

    `pins`: the SHA-256 of the certificate that the destination must present for a name.  A destination address of "" is where DNS leads.
    """
    source = SiteView(tuple(names), source_address, source_port, tls)
    destination = SiteView(tuple(names), destination_address, destination_port, tls, pins or {})
    return asyncio.run(compare_views(source, destination, seeds, limits, rules=rules, traffic=traffic, old_names=old_names))
