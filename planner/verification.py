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
import functools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from inventory.inspection import pages
from inventory.inspection.pages import Page
from inventory.inspection.references import absolute, may_request
from planner import pinned, thresholds
from planner.comparison import Difference, PageResult, SiteComparison, Traffic, compare_samples, summarise
from planner.fetching import Answer, Bounds, Client, Failure
from planner.noise import same_but_figures
from planner.pinned import SiteView
from planner.thresholds import Thresholds

_INLINE_BYTES = 150_000  # beyond this a page is taken apart in a thread: the other requests go on meanwhile
_HELD_BYTES = 1_000_000  # a page beyond this keeps its turn while its source settles, so that few of them are held at once
_HELD_IN_ALL = 64_000_000  # so does any page when those that are waited for are as large as this together
_OPEN = 2048  # pages that are waited for at once
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
"""Differences that chance can make: of a random box that shows the same twice at the source, and something else at the destination;
of a machine that was busy just then."""
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
    held: int = 0

    @property
    def _most(self) -> int:
        """A hostile site can offer links without end: what is remembered is bounded, too."""
        return min(10 * self.limits.pages, self.limits.pages + _UNNAMED)

    def note(self, references: Iterable[str]) -> None:
        """Remember URLs not seen before, in the view's scheme.  Of too many the first by name stay, whatever the timing."""
        for reference in references:
            if reference in self.seen or reference in self.found:
                continue
            scheme, _, rest = reference.partition("://")
            name, slash, _ = rest.partition("/")
            if name in self.names and slash and scheme in ("http", "https"):
                url = f"{self.scheme}://{rest.partition('#')[0]}"
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

    async def whole(self, level: Sequence[str], *, follow: bool) -> None:
        """Compares these URLs and all that they lead to, so many at a time that what is held of them stays bounded.

        A level ends when its links are known: the next one goes on while pages of this one still settle.
        """
        room = asyncio.Semaphore(_OPEN)
        async with asyncio.TaskGroup() as group:
            while level:
                looked: list[asyncio.Future[None]] = []
                for url in level:
                    await room.acquire()
                    looked.append(asyncio.get_running_loop().create_future())
                    task = group.create_task(self._visit(url, looked[-1], follow=follow))
                    task.add_done_callback(lambda _: room.release())
                for one in looked:
                    await one
                level = self.admit() if follow else []

    async def _visit(self, url: str, looked: asyncio.Future[None], *, follow: bool) -> None:
        try:
            async with asyncio.timeout(max(0.0, self.deadline - time.monotonic())):
                result = await self._compare(url, looked, follow=follow)
        except TimeoutError:
            self._skip(url, f"limit of {self.limits.seconds:g} s reached")
        except Exception as error:  # hostile content must cost one page, never the comparison
            self._skip(url, f"{type(error).__name__}: {error}"[:200])
        else:
            few = result.differences[:_FEW] if self.upheld > _UPHELD else result.differences
            self.results.append(replace(result, differences=few))
        finally:
            _told(looked)

    async def _compare(self, url: str, looked: asyncio.Future[None], *, follow: bool) -> PageResult:
        asked = time.monotonic()
        async with self.gate:
            first = await self.source.get(url)
            if isinstance(first, Failure):
                return PageResult(url, "not_compared", (), f"source: {first.reason}")
            other = await self.destination.get(url)
            if follow:
                self.note(await _reduced(first.size, functools.partial(pages.follow, url, first.headers, first.body)))
            _told(looked)
            if isinstance(other, Answer) and first.same(other):
                return await self._same(first, other)
            size = len(first.body) + (len(other.body) if isinstance(other, Answer) else 0)
            aside = size <= _HELD_BYTES and self.held + size <= _HELD_IN_ALL
            if not aside:
                await self._settle(asked)
        if aside:
            self.held += size
            try:
                await self._settle(asked)
            finally:
                self.held -= size
        async with self.gate:
            second = await self.source.get(url)
            if isinstance(second, Failure):
                return PageResult(url, "not_compared", (), f"source unstable: {second.reason}", first.status)
            if isinstance(other, Failure):
                if not other.refused or first.status >= 500:
                    return PageResult(url, "not_compared", (), f"destination: {other.reason}", first.status)
                gone = Difference("unreachable", str(first.status), other.reason, self.rules.page("unreachable"))
                blocks = gone.severity == "block"
                return PageResult(url, "different" if blocks else "equal", (gone,), "", first.status, first.seconds)
            if not self._suspect(first, other) and await _reduced(first.size, functools.partial(_figures_only, first, second, other)):
                return PageResult(url, "equal", (), "", first.status, first.seconds, other.seconds)
            ours, again, theirs = await self._page(first), await self._page(second), await self._page(other, self.old)
            del first, second, other
            return await self._settled(url, [ours, again], [theirs])

    async def _same(self, first: Answer, other: Answer) -> PageResult:
        """What is the same needs no second look at the source, and mostly none at all."""
        if not self._suspect(first, other):
            return PageResult(first.url, "equal", (), "", first.status, first.seconds, other.seconds)
        ours = await self._page(first)
        return await self._settled(first.url, [ours, ours], [await self._page(other, self.old)])

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


def _told(looked: asyncio.Future[None]) -> None:
    if not looked.done():
        looked.set_result(None)


def _figures_only(first: Answer, second: Answer, other: Answer) -> bool:
    """Whether the answers differ by restless numbers and tokens alone, in their headers as in their texts."""
    if not first.status == second.status == other.status or first.truncated or other.truncated or not first.body:
        return False
    heads = ["\n".join(f"{name}: {value}" for name, value in answer.told()).encode("utf-8", "replace") for answer in (first, second, other)]
    return same_but_figures(*heads) and same_but_figures(first.body, second.body, other.body)


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
        await crawl.whole(level, follow=follow)
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
