"""Two real local servers, one site: every seeded difference is found, noise is not."""

import asyncio
import hashlib
import itertools
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from aiohttp import web

from planner.comparison import SiteComparison
from planner.verification import Limits, compare_site

NAMES = ("www.hist.campus.test", "hist.campus.test")
QUICK = Limits(pages=200, seconds=30, request_seconds=2, settle_seconds=1.1)
HTML = "text/html"


def page(title: str, body: str, meta: str = "gbk") -> bytes:
    text = f'<html><head><meta charset="{meta}"><title>{title}</title></head><body>{body}</body></html>'
    return text.encode(meta)


def site() -> dict[str, tuple[int, dict[str, str], bytes]]:
    """path → status, headers, body: a small site in GBK, the source as it is."""
    links = ["/about.html", "/新闻/第 1 页.html", "/deep/a.html", "/old", "/wp-admin/", "/do?action=delete&id=1"]
    hostile = "<a href='javascript:alert(1)'>x</a><a href='mailto:a@b'>m</a><a href='http://[bad'>b</a><a href='/%zz%'>z</a>"
    body = "".join(f"<p><a href='{link}'>{link}</a>" for link in links) + hostile + "<img src=/logo.png srcset='/big.png 2x'>"
    ok = {"Content-Type": HTML}
    return {
        "/": (200, ok | {"X-Frame-Options": "SAMEORIGIN"}, page("历史学院", body)),
        "/about.html": (
            200,
            ok,
            page("关于", "<p>院史</p><a href=/report.pdf>报告</a><a href=http://other.test/>o</a>"),
        ),
        "/新闻/第 1 页.html": (200, ok, page("新闻", "<p>消息</p>")),
        "/deep/a.html": (200, ok, page("甲", "<a href='b/c.html'>下</a>")),
        "/deep/b/c.html": (200, ok, page("乙", "<p>深处</p>")),
        "/old": (301, {"Location": "/about.html"}, b""),
        "/logo.png": (200, {"Content-Type": "image/png"}, b"\x89PNG" + bytes(1000)),
        "/big.png": (200, {"Content-Type": "image/png"}, b"\x89PNG" + bytes(2000)),
        "/report.pdf": (200, {"Content-Type": "application/pdf"}, b"%PDF" + bytes(3000)),
        "/robots.txt": (200, {"Content-Type": "text/plain"}, b"Sitemap: http://www.hist.campus.test/map.xml\n"),
        "/map.xml": (
            200,
            {"Content-Type": "text/xml"},
            b"<urlset><url><loc>http://hist.campus.test/from-map.html</loc></url></urlset>",
        ),
        "/from-map.html": (200, ok, page("图", "<p>地图</p>")),
    }


class Server:
    def __init__(self, pages, tick: int) -> None:
        self.pages, self.asked, self.count = pages, [], itertools.count(tick)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(str(request.rel_url))
        found = self.pages.get(request.path)
        if callable(found):
            found = await found(next(self.count)) if asyncio.iscoroutinefunction(found) else found(next(self.count))
        if found is None:
            return web.Response(status=404, text="nothing here")
        status, headers, body = found
        return web.Response(status=status, headers=headers, body=body)


@contextmanager
def serving(*servers: Server, tls: ssl.SSLContext | None = None) -> Iterator[list[int]]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start(server: Server) -> tuple[web.ServerRunner, int]:
        runner = web.ServerRunner(web.Server(server.answer))
        await runner.setup()
        listener = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await listener.start()
        return runner, listener._server.sockets[0].getsockname()[1]

    started = [asyncio.run_coroutine_threadsafe(start(s), loop).result(5) for s in servers]
    try:
        yield [port for _, port in started]
    finally:
        for runner, _ in started:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


def compare(source, destination, seeds=(), limits=QUICK) -> tuple[SiteComparison, Server, Server]:
    ours, theirs = Server(source, 10), Server(destination, 5000)
    with serving(ours, theirs) as (port, other):
        address = "127.0.0.1"
        result = compare_site(NAMES, address, address, seeds, limits, source_port=port, destination_port=other)
    return result, ours, theirs


def kinds(result: SiteComparison) -> set[tuple[str, str]]:
    return {(p.url.partition("test")[2], d.kind) for p in result.pages for d in p.differences if d.severity == "block"}


def test_same_site_is_equal_and_dangerous_urls_are_left_alone():
    result, ours, _ = compare(site(), site())
    assert result.verdict == "equal", result.reason
    urls = {p.url: p for p in result.pages}
    compared = {u for u, p in urls.items() if p.outcome == "equal"}
    for path in (
        "/deep/b/c.html",
        "/report.pdf",
        "/big.png",
        "/%E6%96%B0%E9%97%BB/%E7%AC%AC%201%20%E9%A1%B5.html",
        "/%zz%",
    ):
        assert f"http://www.hist.campus.test{path}" in compared
    assert "http://hist.campus.test/from-map.html" in compared
    assert not any("admin" in path or "delete" in path for path in ours.asked)
    assert "not requested" in urls["http://www.hist.campus.test/wp-admin/"].reason
    assert not any("other.test" in url for url in urls)
    assert [p.url for p in result.pages] == sorted(urls)
    assert result.to_json()["counts"]["not_compared"] == 4  # two dangerous links, on two names


def test_every_seeded_difference_is_found():
    broken = site()
    broken["/report.pdf"] = (200, {"Content-Type": "application/pdf"}, b"%PDF" + bytes(2999) + b"\x01")
    broken["/deep/b/c.html"] = (500, {"Content-Type": HTML}, b"<b>Fatal error</b>: Uncaught Error")
    del broken["/logo.png"]
    broken["/from-map.html"] = (
        200,
        {"Content-Type": HTML},
        page("图".encode().decode("gbk", "replace"), "<p>地图</p>", "gb18030"),
    )
    broken["/about.html"] = (200, {"Content-Type": "text/html; charset=utf-8"}, site()["/about.html"][2])
    broken["/deep/a.html"] = (200, {"Content-Type": HTML}, page("甲", "<a href='b/d.html'>下</a>"))
    broken["/old"] = (301, {"Location": "http://vh1.test/about.html"}, b"")
    broken["/"] = (200, {"Content-Type": HTML}, site()["/"][2])
    result, *_ = compare(site(), broken)
    assert result.verdict == "different"
    found = kinds(result)
    for expected in (
        ("/report.pdf", "content"),
        ("/deep/b/c.html", "status"),
        ("/deep/b/c.html", "error_text"),
        ("/logo.png", "status"),
        ("/from-map.html", "title"),
        ("/about.html", "charset_header"),
        ("/about.html", "text"),
        ("/deep/a.html", "links"),
        ("/old", "redirect"),
        ("/", "header x-frame-options"),
    ):
        assert expected in found
    untouched = {p.url.partition("test")[2] for p in result.pages if p.outcome == "equal"}
    assert {"/big.png", "/robots.txt"} <= untouched


def dynamic(extra: str = ""):
    def make(n: int):
        clock = time.strftime("%H:%M:%S")
        nonce = f"{n * 2654435761 % 2**32:08x}"
        body = (
            f"<p>欢迎访问</p><p>访问量：{n} 次</p><p>现在是 {clock} 欢迎您</p><a href='/?_wpnonce={nonce}'>x</a>"
            f"<form action=/s><input name=q><input name=k value={nonce}></form><script>var k='{nonce}';</script>{extra}"
        )
        headers = {
            "Content-Type": HTML,
            "Content-Security-Policy": f"script-src 'nonce-{nonce}'",
            "Set-Cookie": f"S={n}; Path=/",
        }
        return 200, headers, page("动态", body)

    return make


def test_clock_counter_and_nonce_are_noise_but_a_change_beside_them_is_not():
    same, *_ = compare({"/": dynamic()}, {"/": dynamic()}, limits=Limits(pages=3, seconds=20, request_seconds=2))
    assert same.verdict == "equal", same.to_json()
    assert same.counts["warnings"] == 0, same.to_json()
    other, *_ = compare({"/": dynamic()}, {"/": dynamic("<p>多余")}, limits=Limits(pages=3, seconds=20, request_seconds=2))
    assert ("/", "text") in kinds(other)


def test_slow_pages_are_not_compared_and_not_equal():
    async def slow(_n: int):
        await asyncio.sleep(1.5)
        return 200, {"Content-Type": HTML}, b"late"

    limits = Limits(pages=20, seconds=20, request_seconds=0.3, settle_seconds=0)
    pages = {"/": (200, {"Content-Type": HTML}, page("甲", "<a href=/slow>s</a>"))}
    result, *_ = compare(pages | {"/slow": slow}, pages | {"/slow": slow}, limits=limits)
    late = [p for p in result.pages if p.url.endswith("/slow")]
    assert {(p.outcome, p.reason) for p in late} == {("not_compared", "source: no answer within 0.3 s")}
    home, *_ = compare({"/": slow}, {"/": slow}, limits=limits)
    assert home.verdict == "insufficient"


def test_nothing_listens_is_insufficient_and_a_dead_destination_is_different():
    result = compare_site(NAMES, "127.0.0.1", "127.0.0.1", (), QUICK, source_port=1, destination_port=1)
    assert result.verdict == "insufficient"
    assert result.counts["equal"] == 0
    with serving(Server(site(), 0)) as (port,):
        dead = compare_site(NAMES, "127.0.0.1", "127.0.0.1", (), QUICK, source_port=port, destination_port=1)
    assert ("/", "unreachable") in kinds(dead)


def test_limits_are_kept_and_named():
    many = {"/": (200, {"Content-Type": HTML}, page("多", "".join(f"<a href='/{n:03}.html'>n</a>" for n in range(300))))}
    many |= {f"/{n:03}.html": (200, {"Content-Type": HTML}, page("页", str(n))) for n in range(300)}
    result, ours, _ = compare(many, many, limits=Limits(pages=20, seconds=20))
    assert len(ours.asked) == 20
    assert result.verdict == "equal"
    assert sum("limit of 20 pages" in p.reason for p in result.pages) == result.counts["not_compared"] > 100
    again, *_ = compare(many, many, limits=Limits(pages=20, seconds=20))
    assert [(p.url, p.outcome) for p in again.pages] == [(p.url, p.outcome) for p in result.pages]
    none, *_ = compare(many, many, limits=Limits(pages=20, seconds=0))
    assert none.verdict == "insufficient"


def test_bodies_over_the_limit_are_read_up_to_it():
    big = {"/": (200, {"Content-Type": HTML}, page("大", "<a href=/v.mp4>v</a>"))}
    file = {"Content-Type": "video/mp4"}
    limits = Limits(pages=20, seconds=20, per_asset_bytes=100_000, settle_seconds=0)
    same, *_ = compare(big | {"/v.mp4": (200, file, bytes(300_000))}, big | {"/v.mp4": (200, file, bytes(300_000))}, limits=limits)
    reasons = {p.reason for p in same.pages if p.url.endswith("mp4")}
    assert reasons == {"larger than 100000 bytes; what was read is equal"}
    other, *_ = compare(big | {"/v.mp4": (200, file, bytes(300_000))}, big | {"/v.mp4": (200, file, b"x" * 300_000)}, limits=limits)
    assert ("/v.mp4", "content") in kinds(other)


def test_seeds_reach_pages_without_links():
    lonely = site() | {"/orphan.asp": (200, {"Content-Type": HTML}, page("孤", "甲"))}
    changed = site() | {"/orphan.asp": (200, {"Content-Type": HTML}, page("孤", "乙"))}
    result, *_ = compare(lonely, changed, seeds=["/orphan.asp", "http://elsewhere.test/", "::::", "/logout"])
    assert kinds(result) == {("/orphan.asp", "text")}


@pytest.mark.parametrize("name", ["", "127.0.0.1", "[::1]", "127.1", "a b", "x/y@z:"])
def test_addresses_and_garbage_are_no_names(name):
    with pytest.raises(ValueError, match="name"):
        compare_site([name], "127.0.0.1", "127.0.0.2")


def test_tls_is_pinned_by_address_and_needs_no_valid_certificate(tmp_path):
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subject = ["-subj", "/CN=other.test", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *subject], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with serving(Server(site(), 0), Server(site(), 0), tls=context) as (port, other):
        address = "127.0.0.1"
        result = compare_site(NAMES, address, address, (), QUICK, tls=True, source_port=port, destination_port=other)
        held = hashlib.sha256(ssl.PEM_cert_to_DER_cert(cert.read_text())).hexdigest()
        pinned, wrong = (
            compare_site(
                NAMES, address, address, (), QUICK, tls=True, source_port=port, destination_port=other, pins=dict.fromkeys(NAMES, pin)
            )
            for pin in (held, "0" * 64)
        )
    assert result.verdict == "equal", result.reason
    assert all(p.url.startswith("https://") for p in result.pages)
    assert pinned.verdict == "equal", pinned.reason
    assert wrong.verdict == "different", "the destination must present the certificate that it is asked for"
    assert {d.kind for p in wrong.pages for d in p.differences} == {"unreachable"}
