"""Faults that a move may put into a copy of a restless site: each is found, and twenty clean comparisons find none."""

import asyncio
import ssl
import sys
from pathlib import Path

import pytest
from aiohttp import web

from planner.comparison import SiteComparison
from planner.pinned import SiteView
from planner.verification import Limits, compare_views

sys.path.insert(0, str(Path(__file__).parents[1]))
import restless_site
from restless_site import FAULTS, NAME, Site

LIMITS = Limits(pages=300, seconds=60, settle_seconds=0.05, request_seconds=30)


async def serve(site: Site, tls: ssl.SSLContext | None = None) -> tuple[web.ServerRunner, int]:
    runner = web.ServerRunner(web.Server(site))
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await listener.start()
    return runner, listener._server.sockets[0].getsockname()[1]


async def compared(source: Site, destination: Site, *, tls: ssl.SSLContext | None = None, seeds=(), **more) -> SiteComparison:
    runners = [await serve(source, tls), await serve(destination, tls)]
    views = [SiteView((NAME,), "127.0.0.1", port, tls is not None) for _, port in runners]
    try:
        return await compare_views(
            *views, seeds, LIMITS, old_names=[restless_site.OLD_ADDRESS, restless_site.OLD_NAME], **more
        )  # fmt: skip
    finally:
        for runner, _ in runners:
            await runner.cleanup()


def found(result: SiteComparison) -> dict[str, set[tuple[str, str]]]:
    return {p.url.partition(NAME)[2]: {(d.kind, d.severity) for d in p.differences} for p in result.pages if p.differences}


def all_of(*work) -> list[SiteComparison]:
    async def together():
        return await asyncio.gather(*work)

    return asyncio.run(together())


def test_nothing_is_invented_in_twenty_clean_comparisons():
    """The source is frozen in half of them: its counters stand still and the copy's go on; clocks are up to two minutes apart."""
    results = all_of(
        *(compared(Site(2 * n, frozen=n % 2 == 0), Site(2 * n + 1, minutes=n % 3)) for n in range(20))
    )  # fmt: skip
    assert [(r.verdict, found(r)) for r in results] == [("equal", {})] * 20
    for result in results:
        unknown = {p.url.partition(NAME)[2]: p.reason for p in result.pages if p.outcome == "not_compared"}
        assert unknown == {"/captcha.png": "source unstable: binary content changes with each request"}
        assert result.counts["equal"] > 35


@pytest.fixture(scope="module")
def faulty() -> dict[str, SiteComparison]:
    names = list(FAULTS)
    pairs = ((Site(3 * n), Site(3 * n + 1, fault=(FAULTS[name].path, FAULTS[name].fault))) for n, name in enumerate(names))
    seeds = ["/download"]
    return dict(zip(names, all_of(*(compared(*pair, seeds=seeds) for pair in pairs)), strict=True))


@pytest.mark.parametrize("name", FAULTS)
def test_a_seeded_difference_is_found_and_nothing_beside_it(faulty, name):
    seeded, result = FAULTS[name], faulty[name]
    assert seeded.kinds & {kind for kind, _ in found(result).get(seeded.path, set())}, found(result)
    assert result.verdict == ("different" if seeded.blocks else "equal"), result.reason
    assert set(found(result)) == {seeded.path}, "no other page is called different"
