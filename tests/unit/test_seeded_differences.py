"""Faults that a move may put into a copy of a restless site: each is found, and twenty clean comparisons find none."""

import asyncio
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from inventory.inspection import pages
from planner import noise, traffic
from planner.comparison import SiteComparison, Traffic
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
    """A few at a time: on a busy machine, a hundred servers and clients in one process are slow, and slowness is a warning."""

    async def together():
        room = asyncio.Semaphore(6)

        async def one(task):
            async with room:
                return await task

        return await asyncio.gather(*(one(task) for task in work))

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


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> ssl.SSLContext:
    folder = tmp_path_factory.mktemp("tls")
    paths = ["-keyout", str(folder / "key"), "-out", str(folder / "cert")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={NAME}", *paths], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert", folder / "key")
    return context


def test_mixed_content_is_found(certificate):
    """Over HTTPS, a stylesheet that the copy loads over plain HTTP; the same page of a source that did so already is no difference."""
    fault = restless_site.swap("href=/css/site.css", f"href=http://{NAME}/css/site.css")
    broken, same = all_of(
        compared(Site(1), Site(2, fault=("/post/winter.html", fault)), tls=certificate),
        compared(Site(3, fault=("/post/winter.html", fault)), Site(4, fault=("/post/winter.html", fault)), tls=certificate),
    )
    assert ("mixed_content", "block") in found(broken)["/post/winter.html"]
    assert (same.verdict, found(same)) == ("equal", {})


def test_a_destination_that_fails_once_is_a_warning_and_one_that_goes_on_failing_a_difference():
    answers = []

    def once(answer):
        answers.append(answer)
        return (502, {"Content-Type": "text/html"}, b"<h1>502") if len(answers) == 1 else answer

    steady, failing = all_of(
        compared(Site(1), Site(2, fault=("/deep/1/2/4.html", once))),
        compared(Site(3), Site(4, fault=("/deep/1/2/4.html", lambda a: (502, a[1], b"x")))),
    )
    assert (steady.verdict, found(steady)) == ("equal", {"/deep/1/2/4.html": {("unsteady", "warn")}})
    assert found(failing) == {"/deep/1/2/4.html": {("status", "block")}}


def test_a_slow_destination_is_a_warning():
    class Slow(Site):
        async def __call__(self, request):
            if request.path == "/deep/1/2/4.html":
                await asyncio.sleep(2.5)
            return await super().__call__(request)

    (result,) = all_of(compared(Site(1), Slow(2)))
    assert (result.verdict, found(result)) == ("equal", {"/deep/1/2/4.html": {("slow", "warn")}})


@pytest.mark.parametrize(
    ("requests", "verdict", "share"),
    [
        ({"/": 900, "/post/winter.html": 50, "/never-linked.html": 20}, "equal", 0.97),
        ({"/": 100, "/captcha.png": 800}, "insufficient", 0.1),  # nobody can compare what most visitors ask for
        ({"/": 100, "/wp-login.php": 800}, "equal", 0.1),  # what we chose not to ask for counts on neither side
        ({}, "equal", None),
    ],
)
def test_the_log_weighs_pages(requests, verdict, share):
    told = Traffic(requests, 1000) if requests else None
    (result,) = all_of(compared(Site(1), Site(2), traffic=told))
    assert (result.verdict, result.traffic and result.traffic.share) == (verdict, share)
    assert verdict == "equal" or result.reason == "compared pages have only 100 of 900 requests that the log names"


def test_facts_give_traffic_and_where_to_begin():
    facts = {
        "use.top_urls": {"value": ["/", "/a.asp?id=1"]},
        "use.top_requests": {"value": [70, 20]},
        "use.requests": {"value": 100},
        "declared.url": {"value": "http://www.bio.campus.test/index.php"},
        "declared.columns": {"value": ["新闻：每周 http://www.bio.campus.test/news/；", "Notices: /notice/ daily"]},
    }
    assert traffic.of(facts) == Traffic({"/": 70, "/a.asp?id=1": 20}, 100)
    begin = ["/", "/a.asp?id=1", "http://www.bio.campus.test/index.php", "http://www.bio.campus.test/news/", "/notice/"]
    assert traffic.seeds(facts) == begin
    assert traffic.of({name: fact for name, fact in facts.items() if name != "use.top_requests"}) is None


CHUNKS = st.sampled_from(
    ["<a href=/a>", "<a href='b/c?x=1&amp;y=2'>", "<img src=p.png data-src=/lazy.jpg srcset='q.png 2x, /r.png'>", "<base href=/d/>", "<style>i{background:url(k.gif)}",
     "</style>", "<meta http-equiv=refresh content='0;url=/m'>", "<p style='background:url(/z.png)'>", "<iframe src=//x.test/>", "文字", "<", "<td background=t.gif>"]
)  # fmt: skip


@given(st.lists(CHUNKS, max_size=12))
def test_links_are_the_same_whether_a_page_is_taken_apart_or_not(chunks):
    body = "".join(chunks).encode()
    headers = (("Content-Type", "text/html; charset=utf-8"), ("Location", "/away"))
    url = f"http://{NAME}/x/y.html"
    assert pages.follow(url, headers, body) == pages.digest(url, 200, headers, body).follow


NUMBERS = st.sampled_from(["1", "22", "a1b2c3d4e5", "x", "<p>", " "])


@given(st.lists(NUMBERS, max_size=8), st.lists(NUMBERS, max_size=8))
def test_figures_hide_nothing_that_stands_still(first, other):
    """A source whose answers are the same leaves no room, and what is not a figure is never forgiven."""
    ours, theirs = ("|".join(parts).encode() for parts in (first, other))
    assert noise.same_but_figures(ours, ours, theirs) == (ours == theirs)


def test_figures_may_move_where_the_sources_do():
    assert noise.same_but_figures(b"<p>read 17<p>price 20", b"<p>read 18<p>price 20", b"<p>read 9<p>price 20")
    assert not noise.same_but_figures(b"<p>read 17<p>price 20", b"<p>read 18<p>price 20", b"<p>read 9<p>price 30")
    assert not noise.same_but_figures(b"<p>read 17<p>price 20", b"<p>read 18<p>price 20", b"<p>read 9<p>cost 20")


@pytest.mark.parametrize(
    ("text", "broken"),
    [("计算机科学与技术学院", True), ("新闻中心", True), ("Übergröße éèà", False), ("联通移动电信", False)],
)
def test_chinese_in_the_wrong_charset_is_told(text, broken):
    assert noise.garbled([text]) == []
    as_gbk, as_latin = text.encode().decode("gb18030", "replace"), text.encode().decode("cp1252", "replace")
    assert bool(noise.garbled([as_gbk])) == broken or not broken
    assert bool(noise.garbled([as_latin])) == broken or not broken


def test_old_hosts_are_not_reached_through_dns_that_leads_to_ourselves():
    """A name that leads to the loopback is not asked for: a hostile record must not lead us to this machine."""
    result = asyncio.run(
        compare_views(SiteView(("localhost",), "127.0.0.1", 1), SiteView(("localhost",), "", 1), limits=Limits(pages=3, seconds=5))
    )
    assert result.verdict == "insufficient"
