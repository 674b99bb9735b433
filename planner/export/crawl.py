"""The crawl of an export: from home page, sitemaps, feeds and the access log to all that the site leads to.

In: the site as one address serves it, what is known of its URLs, limits, and the store for journal and bodies.  Out: a `Crawled`.  Level
by level, each in the order of its URLs: what is asked depends on the site only, never on timing, and a crawl that was cut off goes on with
the same choices, because its records are read again instead of asked for again.  robots.txt is noted and not obeyed: the site is ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

from inventory.errors import HostError
from inventory.inspection.references import absolute, may_request
from planner import pinned
from planner.export import reading, urls
from planner.export.bounds import Bounds, Cut, Fence
from planner.export.errorpages import ErrorPages, missing_paths
from planner.export.fetching import Answer, Client, Manners
from planner.export.links import Found, Function
from planner.export.records import Record, Store, again

FAILURES = 25
"""After so many failures with nothing between, the source is down, and the crawl ends without a result."""
PROVEN = 3
"""After so many pairs of one kind whose parameters differ in their order only, and whose pages are equal, the others are taken as equal."""
_TRIED = ("robots.txt", "sitemap.xml", "sitemap_index.xml", "sitemap.xml.gz", "favicon.ico")
MOVED = (301, 302, 303, 307, 308)
_STRONGER = {"candidate": 0, "asset": 1, "link": 2, "sitemap": 3, "top": 4}


@dataclass(frozen=True)
class Wanted:
    """A site to export: its view, what is known of its URLs (hits by URL or path, None where nobody counted), and limits.

    With `anew`, a crawl that was cut off is not gone on with: everything is asked now.
    """

    view: pinned.SiteView
    top: Mapping[str, int | None] = field(default_factory=dict)
    bounds: Bounds = field(default_factory=Bounds)
    manners: Manners = field(default_factory=Manners)
    anew: bool = False


@dataclass
class Crawled:
    """What came of it.  `known` gives for each URL the strongest way in which it was met, `by` the first page that leads to it.

    `leading`: names of the site that only lead to its first one → the status with which they do.
    """

    site: urls.Site
    view: pinned.SiteView
    records: dict[str, Record] = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)
    by: dict[str, str] = field(default_factory=dict)
    top: dict[str, int | None] = field(default_factory=dict)
    sitemap: set[str] = field(default_factory=set)
    spellings: dict[str, str] = field(default_factory=dict)  # request target as it was written → normal URL, where they differ
    orders: dict[str, str] = field(default_factory=dict)  # URL that was not asked → the same one with its parameters in another order
    not_asked: dict[str, str] = field(default_factory=dict)
    cuts: list[Cut] = field(default_factory=list)
    functions: dict[Function, str] = field(default_factory=dict)  # → the first page that has it
    disallowed: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    leading: dict[str, int] = field(default_factory=dict)
    mixed: int = 0
    requests: int = 0
    resumed: bool = False


@dataclass
class _Crawl:
    wanted: Wanted
    client: Client
    store: Store
    out: Crawled
    fence: Fence
    progress: Callable[[int, int], None]
    errors: ErrorPages = field(default_factory=ErrorPages)
    ahead: dict[str, tuple[int, str]] = field(default_factory=dict)  # URL → (strength, page that leads there)
    sorted_forms: dict[str, str] = field(default_factory=dict)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    equal_pairs: dict[str, int] = field(default_factory=dict)
    unequal: set[str] = field(default_factory=set)
    down: int = 0

    def meet(self, references: Iterable[str], strength: str, page: str) -> None:
        """References of a page, or of a list, to be admitted with the next level."""
        rank = _STRONGER[strength]
        for reference in references:
            url = self.out.site.normal(reference)
            if not url:
                continue
            self._spelling(reference, url)
            if strength == "sitemap":
                self.out.sitemap.add(url)
            if url in self.out.known:
                if rank > _STRONGER[self.out.known[url]]:
                    if rank >= _STRONGER["sitemap"] > _STRONGER[self.out.known[url]] and self.out.not_asked.pop(url, ""):
                        self.ahead[url] = (rank, page)  # cut when nobody had named it
                    self.out.known[url] = strength
                continue
            before = self.ahead.get(url)
            self.ahead[url] = (rank, page) if before is None else (max(rank, before[0]), min(page, before[1]))

    def _spelling(self, reference: str, url: str) -> None:
        if "?" not in reference:
            return
        query = urls.without_session(reference.partition("#")[0].partition("?")[2])
        if query and query != url.partition("?")[2]:
            self.out.spellings[f"{urls.split(url)[0]}?{query}"] = url

    def admit(self, level: int) -> list[str]:
        """The URLs of the next level, in order; those that are not asked get their reason."""
        chosen: list[str] = []
        names = {rank: name for name, rank in _STRONGER.items()}
        ahead, self.ahead = self.ahead, {}
        for url in sorted(ahead):
            rank, page = ahead[url]
            self.out.known[url], self.out.by[url] = names[rank], page
            if not may_request(url):
                self.out.not_asked[url] = "asking may change something, or it administers the site"
                continue
            form = urls.sorted_form(url)
            first = self.sorted_forms.setdefault(form, url)
            kind = urls.shape(url)
            if first != url and kind not in self.unequal and self.equal_pairs.get(kind, 0) >= PROVEN:
                self.out.orders[url] = first
                continue
            if reason := self.fence.refuses(url, level, named=rank >= _STRONGER["sitemap"]):
                self.out.not_asked[url] = reason
                continue
            if first != url:
                self.pairs.append((first, url))
            chosen.append(url)
        return chosen

    async def level(self, chosen: list[str]) -> None:
        """Ask all URLs of one level, a few at a time; results are taken in the order of the URLs."""
        waiting = iter(chosen)
        found: dict[str, tuple[Record, Found | None]] = {}

        async def work() -> None:
            for url in waiting:
                found[url] = await self.one(url)
                self._take(url, *found.pop(url))
                self.progress(len(self.out.records), len(self.out.known))

        workers = [asyncio.create_task(work()) for _ in range(min(len(chosen), self.wanted.manners.concurrency))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        self._learn(chosen)

    async def one(self, url: str) -> tuple[Record, Found | None]:
        """The record of one URL: from this crawl's journal, by a condition, or fresh."""
        done = self.store.done.get(url)
        if done is not None and done.outcome != "failed" and self.store.has(done):
            return done, await self._kept(done)
        before = self.store.before.get(url)
        answer = await self.client.get(url, before)
        if answer.status == 304 and before is not None:
            fresh = Record(url, "exported", etag=answer.headers.get("etag", ""), modified=answer.headers.get("last-modified", ""))
            record, found = again(fresh, before), await self._kept(before)
        else:
            record, found = await self._read(answer)
        self.store.add(record)
        self.down = self.down + 1 if record.outcome == "failed" else 0
        if self.down >= FAILURES:
            raise HostError(
                "unreachable", f"{self.out.site.name} does not answer any more: {record.reason}",
                hint="run the same command again within a day: it goes on where it stopped",
            )  # fmt: skip
        return record, found

    async def _read(self, answer: Answer) -> tuple[Record, Found | None]:
        if len(answer.body) > 500_000:
            return await asyncio.to_thread(reading.read, answer, self.errors)
        return reading.read(answer, self.errors)

    async def _kept(self, record: Record) -> Found | None:
        """What a body that is kept leads to."""
        if record.outcome != "exported" or not (record.text or record.size <= self.wanted.manners.page_bytes):
            return None
        body = self.store.path(record.sha256).read_bytes()
        return (await self._read(Answer(record.url, 200, {"content-type": record.type}, body, record.sha256, record.size)))[1]

    def _take(self, url: str, record: Record, found: Found | None) -> None:
        self.out.records[url] = record
        if record.location:
            self.meet([record.location.partition("#")[0]], self.out.known[url] if self.out.known[url] != "sitemap" else "link", url)
        if found is None:
            return
        self.meet(found.links, "link", url)
        self.meet(found.assets, "asset", url)
        self.meet(found.candidates, "candidate", url)
        self.meet(found.sitemap, "sitemap", url)
        self.out.mixed += found.mixed if self.out.site.scheme == "https" else 0
        for function in found.functions:
            self.out.functions[function] = min(url, self.out.functions.get(function, url))
        if found.disallowed:
            self.out.disallowed = found.disallowed

    def _learn(self, chosen: Iterable[str]) -> None:
        """What a level teaches for the next: kinds that repeat themselves, orders of parameters that do not matter."""
        for url in chosen:
            self.fence.learn(self.out.records[url])
        for first, other in self.pairs:
            kind = urls.shape(other)
            one, two = self.out.records.get(first), self.out.records.get(other)
            if one is None or two is None or one.outcome != "exported":
                continue
            if two.outcome == "exported" and one.digest == two.digest:
                self.equal_pairs[kind] = self.equal_pairs.get(kind, 0) + 1
            else:
                self.unequal.add(kind)
        self.pairs = []


async def crawl(wanted: Wanted, store: Store, now: datetime, progress: Callable[[int, int], None] = lambda *_: None) -> Crawled:
    """Crawl the site to its end.  Raises HostError when its home page does not answer, or when it stops answering on the way."""
    view = wanted.view
    store.begin(_head(wanted), now, anew=wanted.anew)
    client = Client(view, wanted.manners, store)
    try:
        site, view, notes, leading = await _entrance(view, client)
        if view is not wanted.view:
            await client.close()
            client = Client(view, wanted.manners, store)
            site, view, notes, leading = await _entrance(view, client)
        out = Crawled(site, view, notes=notes, leading=leading, resumed=store.resumed)
        work = _Crawl(wanted, client, store, out, Fence(wanted.bounds, now.year), progress)
        await _probe(work)
        for known, hits in wanted.top.items():
            url = site.normal(absolute(site.home, known))
            if url:
                out.top[url] = hits if out.top.get(url) is None else (out.top[url] or 0) + (hits or 0)
                work.meet([absolute(site.home, known)], "top", "")
        work.meet([site.home], "link", "")
        work.meet([site.home + name for name in _TRIED], "candidate", "")
        level = 0
        while work.ahead:
            await work.level(work.admit(level))
            level += 1
        out.cuts = [work.fence.cuts[key] for key in sorted(work.fence.cuts)]
        out.requests = client.requests
        return out
    finally:
        await client.close()


def _head(wanted: Wanted) -> dict[str, object]:
    """What makes two crawls the same: other manners do not change what is found."""
    view = wanted.view
    return {"names": list(view.names), "address": view.address, "port": view.port, "tls": view.tls, "bounds": asdict(wanted.bounds)}


async def _entrance(view: pinned.SiteView, client: Client) -> tuple[urls.Site, pinned.SiteView, list[str], dict[str, int]]:
    """Which of the names the site goes by, whether it speaks HTTPS only, notes, and which names only lead to that one."""
    scheme = "https" if view.tls else "http"
    answers = {name: await client.get(f"{scheme}://{name}/") for name in view.names}
    notes: list[str] = []
    leads = {name: absolute(f"{scheme}://{name}/", answer.headers.get("location", "")) for name, answer in answers.items()}
    own = {f"https://{name}/" for name in view.names}
    if not view.tls and not view.port and any(leads[name] in own and 300 <= answers[name].status < 400 for name in view.names):
        return urls.Site("https", view.names[0]), pinned.SiteView(view.names, view.address, 0, True), [], {}
    homes = {f"{scheme}://{name}/" for name in view.names}
    real = [name for name in view.names if not answers[name].failure and leads[name] not in homes - {f"{scheme}://{name}/"}]
    real = [name for name in real if answers[name].status < 400] or real
    if not real:
        said = answers[view.names[0]]
        raise HostError(
            "unreachable", f"{view.names[0]} at {view.address}: {said.failure or 'its names lead to each other'}",
            hint="name another address with --at, or see whether its server runs",
        )  # fmt: skip
    primary, aliases = real[0], set()
    leading: dict[str, int] = {}
    for name in view.names:
        if name == primary:
            continue
        if leads[name].startswith(f"{scheme}://{primary}/") and answers[name].status in MOVED:
            leading[name] = answers[name].status
            aliases.add(name)
        elif _same(answers[name], answers[primary]):
            aliases.add(name)
        else:
            notes.append(f"{name} shows another site than {primary}: export it by itself")
    if view.port:
        aliases |= {f"{name}:{view.port}" for name in (primary, *aliases)}
    return urls.Site(scheme, primary, frozenset(aliases)), view, notes, leading


def _same(one: Answer, other: Answer) -> bool:
    if one.failure or other.failure or one.status != other.status:
        return False
    first, second = (reading.read(answer, ErrorPages())[0] for answer in (one, other))
    return first.digest == second.digest and first.location == second.location


async def _probe(work: _Crawl) -> None:
    """How the site answers for what it has not: those that say 200 are learned."""
    site = work.out.site
    for path in missing_paths(site.name):
        answer = await work.client.get(site.home[:-1] + path)
        if answer.status == 200 and not answer.failure:
            _, found = reading.read(answer, ErrorPages())
            work.errors.learn(answer.url, found.text if found is not None else "")
    if work.errors.answers_everything:
        work.out.notes.append("the site answers 200 for pages that do not exist; they are told by their text")
