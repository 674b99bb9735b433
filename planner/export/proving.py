"""Proof of an export: every URL that it answers, asked at the source and at a static server, compared as any move is.

In: a view of the source and a tree.  Out: a `SiteComparison`.  Differences that an export has by its nature only warn: a static server
sets no cookies, and it declares the charset of pages for which the source left that to guessing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from planner.comparison import PageResult, SiteComparison, summarise
from planner.export.crawl import Crawled
from planner.export.mapping import Mapping
from planner.export.serving import serving
from planner.pinned import SiteView
from planner.verification import Limits, compare_views


async def prove(crawled: Crawled, made: Mapping, tree: Path, limits: Limits) -> SiteComparison:
    """Compare all that the export answers; at most `limits.pages` of it."""
    tls = crawled.view.tls  # a comparison has one scheme
    async with serving(tree, tls=tls) as port:
        return await compare(crawled, made, SiteView((crawled.site.name,), "127.0.0.1", port, tls), limits)


async def compare(crawled: Crawled, made: Mapping, served: SiteView, limits: Limits) -> SiteComparison:
    """The same against a server that serves the tree already, nginx for one."""
    source = SiteView((crawled.site.name,), crawled.view.address, crawled.view.port, crawled.view.tls)
    seeds: Sequence[str] = sorted(made.answered)
    found = await compare_views(source, served, seeds, limits, follow=False)
    declared = {url for url, file in made.answered.items() if file in made.files and made.files[file].record.declared}
    return summarise([by_nature(page, declared) for page in found.pages], required=[crawled.site.home])


OF_PAGES = frozenset(
    f"header {name}"
    for name in ("content-language", "content-security-policy", "permissions-policy", "referrer-policy", "x-content-type-options",
                 "x-frame-options")
)  # fmt: skip
"""Differences of headers that speak of what a page shows."""


def by_nature(page: PageResult, declared: Collection[str]) -> PageResult:
    """A page's result without what an export changes by its nature; `declared` are the URLs whose charset it declares in their stead.

    A server of files sends a redirect with the headers that its pages have; without a page they mean nothing.
    """
    moved = 300 <= page.status < 400
    softened = tuple(
        replace(one, severity="warn")
        if (one.kind == "cookie" and not one.destination)
        or (one.kind == "charset_header" and not one.source and page.url in declared)
        or (moved and one.kind in OF_PAGES)
        else one
        for one in page.differences
    )
    if page.outcome == "different" and not any(one.severity == "block" for one in softened):
        return replace(page, outcome="equal", differences=softened)
    return replace(page, differences=softened)
