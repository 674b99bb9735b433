"""A dynamic site in one process: all that makes exporting hard.  `serving(site)` gives its port on loopback."""

import asyncio
import gzip
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qsl, unquote_to_bytes

from aiohttp import web

NAME = "www.hist.campus.test"
PNG = b"\x89PNG\r\n\x1a\n"


def page(title: str, body: str, charset: str = "utf-8", meta: bool = True) -> bytes:
    head = f'<meta charset="{charset}">' if meta else ""
    return f"<!DOCTYPE html><html><head>{head}<title>{title}</title></head><body>{body}</body></html>".encode(charset)


def image(seed: str) -> bytes:
    return PNG + hashlib.sha256(seed.encode()).digest() * 4


class DynamicSite:
    """Answers by path and query; `news` is how many articles there are; `asked` remembers every request."""

    def __init__(self, news: int = 12) -> None:
        self.news = news
        self.asked: list[str] = []
        self.conditional = 0
        self.edits: dict[str, bytes] = {}
        self.broken: set[str] = set()
        self.gone: set[str] = set()
        self.delay = 0.0

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request.raw_path)
        if self.delay:
            await asyncio.sleep(self.delay)
        raw, _, asked = request.raw_path.partition("?")
        path = unquote_to_bytes(raw)
        query = dict(parse_qsl(asked, keep_blank_values=True, encoding="gb18030" if path == b"/gbk.php" else "utf-8"))
        found = self.route(path, query)
        if raw in self.broken:
            found = (500, "text/html", b"broken")
        if raw in self.gone or request.raw_path in self.gone:
            found = None
        if found is None:
            return web.Response(status=404, content_type="text/html", body=page("404 Not Found", "nothing here"))
        status, kind, body, *more = found
        headers = {"Content-Type": kind} if kind else {}
        headers |= more[0] if more else {}
        body = self.edits.get(raw, body)
        if kind in ("image/png", "text/css"):
            headers["ETag"] = f'"{hashlib.sha256(body).hexdigest()[:12]}"'
            if request.headers.get("If-None-Match") == headers["ETag"]:
                self.conditional += 1
                return web.Response(status=304, headers={"ETag": headers["ETag"]})
        return web.Response(status=status, headers=headers, body=body)

    def route(self, path: bytes, query: dict[str, str]):
        html = "text/html; charset=utf-8"
        if path == b"/":
            return 200, html, page("历史学院", self.home())
        if path == b"/index.php":
            return 301, "", b"", {"Location": "/"}
        if path == b"/list.php":
            number = int(query.get("page", "1"))
            last = max(1, (self.news + 4) // 5)
            if not 1 <= number <= last:
                return 200, html, page("列表", "栏目不存在")
            shown = range((number - 1) * 5 + 1, min(self.news, number * 5) + 1)
            links = "".join(f"<li><a href='show.php?cat=1&amp;id={n}'>新闻 {n}</a>" for n in shown)
            later = f"<a href='list.php?page={number + 1}'>下一页</a>" if number < last else ""
            return 200, html, page(f"列表 {number}", links + later)
        if path == b"/show.php":
            number = int(query.get("id", "0")) if query.get("id", "0").isdigit() else 0
            if not 1 <= number <= self.news:
                return 200, html, page("提示", "文章不存在")
            word = hashlib.sha256(str(number).encode()).hexdigest().translate(str.maketrans("0123456789", "ghijklmnop"))
            links = f"<a href='/show.php?id={number}&cat=1'>固定链接</a> <a href='/download.php?id={number % 3}'>附件</a>"
            return 200, html, page(f"新闻 {number} {word[:8]}", f"<p>{word}</p>{links}<img src='/upload/{number}.png'>")
        if path == b"/download.php" and query.get("id") in ("0", "1", "2"):
            name = {"Content-Disposition": f'attachment; filename="report-{query["id"]}.pdf"'}
            return 200, "application/pdf", b"%PDF" + query["id"].encode() * 50, name
        if path.startswith(b"/upload/") and path.endswith(b".png"):
            return 200, "image/png", image(path.decode())
        if path == b"/calendar.php":
            month = int(query.get("m", "0"))
            return (
                200,
                html,
                page(
                    "校历", f"<p>{month} 月</p><a href='calendar.php?m={month + 1}'>&gt;</a><a href='calendar.php?m={month - 1}'>&lt;</a>"
                ),
            )
        if path == b"/events":
            year = int(query.get("year", "2026"))
            return (
                200,
                html,
                page(
                    f"事件 {year}",
                    f"<p>{hashlib.md5(str(year).encode()).hexdigest().translate(str.maketrans('0123456789', 'ghijklmnop'))}</p><a href='?year={year + 1}'>next</a>",
                ),
            )
        if path == b"/gbk.php":
            return 200, "text/html; charset=gb2312", page("检索", f"<p>关键词 {query.get('kw', '')}</p>", "gbk")
        if path in PLAIN:
            return PLAIN[path]
        if path == b"/search.php":
            return 200, html, page("搜索", f"结果 {query.get('q', '')}")
        if path == b"/sub/deep/":
            return 200, html, page("深", "<a href='../deep/'>again</a> <a href='deep/'>deeper</a>")
        if path == b"/trap/" or path.startswith(b"/trap/a/"):
            return 200, html, page("trap " + str(path.count(b"/")), "<a href='a/b/'>deeper</a>" + path.decode())
        return None

    def home(self) -> str:
        return """
        <link rel=stylesheet href=/style.css?ver=5.1><link rel="alternate" type="application/rss+xml" href="/feed"><link rel=icon href=/favicon.png>
        <div style="background:url('/bg 1.png')"></div>
        <a href="list.php?page=1">新闻</a> <a href="list.php">全部</a> <a href="/新闻/第 1 页.html">中文</a> <a href="/%D0%C2%CE%C5.html">gbk path</a>
        <a href="/gbk.html">gbk</a> <a href="/calendar.php?m=1">校历</a> <a href="/events?year=2026">events</a> <a href="/trap/">trap</a> <a href="/sub/deep/">deep</a>
        <a href="/about">关于</a> <a href="/about/staff.html">人</a> <a href="/old.html">old</a> <a href="/loop1">loop</a> <a href="/away">away</a>
        <a href="/show.php?id=1&amp;cat=1&amp;PHPSESSID=abcdefabcdefabcdefabcdef12">session</a>
        <a href="http://other.test/">other</a> <a href="javascript:void(0)">js</a> <a href="/wp-admin/">admin</a> <a href="/Case.html">C</a> <a href="/case.html">c</a>
        <a href="/guess.html">guess</a> <a href="/dead.html">dead</a> <a href="/.git/config">git</a> <a href="/frames.html">frames</a> <a href="/en.html">en</a>
        <img src="logo.png" srcset="/logo@2x.png 2x, /logo,3.png 3x"> <img data-src="/lazy.png"> <video poster=/poster.png><source src=/film.mp4></video>
        <form action="/search.php"><input name=q></form> <form method=post action="/login.php"><input type=password name=pw></form>
        <form method=post action="/comment.php"><textarea name=comment></textarea></form>
        <script>var img = "/from-script.png"; fetch("/api/hits.php?id=1"); var x = {"u": "http:\\/\\/www.hist.campus.test\\/escaped.png"};</script>
        <script src="/app.js"></script>"""


PLAIN = {
    b"/robots.txt": (200, "text/plain", b"User-agent: *\nDisallow: /hidden/\nSitemap: http://www.hist.campus.test/map.xml\n"),
    b"/map.xml": (200, "application/xml", b"<sitemapindex><sitemap><loc>http://www.hist.campus.test/map1.xml.gz</loc></sitemap></sitemapindex>"),
    b"/map1.xml.gz": (200, "application/gzip", b""),
    b"/sitemap-1.xml.gz": (
        200, "application/gzip",
        gzip.compress(b"<urlset><url><loc>http://www.hist.campus.test/only-in-map.html</loc></url></urlset>", mtime=0),
    ),
    b"/only-in-map.html": (200, "text/html; charset=utf-8", page("地图", "<p>只在地图里</p>")),
    b"/feed": (
        200, "application/rss+xml; charset=utf-8",
        b"<rss><channel><link>http://www.hist.campus.test/</link><item><link>http://www.hist.campus.test/from-feed.html</link></item></channel></rss>",
    ),
    b"/from-feed.html": (200, "text/html; charset=utf-8", page("订阅", "<p>只在订阅里</p>")),
    b"/style.css": (200, "text/css", b"@import 'more.css'; body{background:url(/css-bg.png)} /* url(/commented.png) */"),
    b"/more.css": (200, "text/css", b"@font-face{src:url(fonts/a.woff2)}"),
    b"/fonts/a.woff2": (200, "font/woff2", b"wOF2" + bytes(50)),
    b"/app.js": (200, "application/javascript", b"var a='/from-js.png';$.post('/api/vote.php',{});"),
    "/新闻/第 1 页.html".encode(): (200, "text/html; charset=utf-8", page("新闻", "<p>消息</p><a href='../frames.html'>f</a>")),
    b"/\xd0\xc2\xce\xc5.html": (200, "text/html; charset=gbk", page("新闻", "<p>国标路径</p>", "gbk")),
    b"/gbk.html": (200, "text/html; charset=gb2312", page("国标", "<p>国标网页</p><a href='/gbk.php?kw=历史'>查</a>", "gb2312")),
    b"/guess.html": (200, "text/html", page("未声明", "<p>没有声明编码的网页</p>", "gbk", meta=False)),
    b"/en.html": (200, "text/html", page("English", "<p>plain ascii, no charset in the header</p>")),
    b"/about": (200, "text/html; charset=utf-8", page("关于", "<p>院史</p>")),
    b"/about/staff.html": (200, "text/html; charset=utf-8", page("人员", "<p>教师</p>")),
    b"/old.html": (301, "", b"", {"Location": "http://www.hist.campus.test/about"}),
    b"/loop1": (302, "", b"", {"Location": "/loop2"}),
    b"/loop2": (302, "", b"", {"Location": "/loop1"}),
    b"/away": (302, "", b"", {"Location": "http://other.test/x?a=1#top"}),
    b"/Case.html": (200, "text/html; charset=utf-8", page("Upper", "<p>upper case</p>")),
    b"/case.html": (200, "text/html; charset=utf-8", page("lower", "<p>lower case, another page</p>")),
    b"/.git/config": (200, "text/plain", b"[core]"),
    b"/frames.html": (200, "text/html; charset=utf-8", page("框架", "<meta http-equiv=refresh content='5; url=/refreshed.html'><iframe src=/inner.html></iframe>")),
    b"/refreshed.html": (200, "text/html; charset=utf-8", page("新", "<p>转到</p>")),
    b"/inner.html": (200, "text/html; charset=utf-8", page("内", "<base href='/sub/'><p>框内</p><a href=based.html>b</a>")),
    b"/sub/based.html": (200, "text/html; charset=utf-8", page("基", "<p>相对于 base</p>")),
    b"/film.mp4": (200, "video/mp4", b"\0\0\0 ftyp" + bytes(5_000_000)),
    **{
        path.encode(): (200, "image/png", image(path))
        for path in ("/logo.png", "/logo@2x.png", "/logo,3.png", "/lazy.png", "/poster.png", "/from-script.png", "/escaped.png", "/from-js.png",
                     "/css-bg.png", "/bg 1.png", "/favicon.png")
    },
}  # fmt: skip
PLAIN[b"/map.xml"] = (200, "application/xml", PLAIN[b"/map.xml"][2].replace(b"map1.xml.gz", b"sitemap-1.xml.gz"))
del PLAIN[b"/map1.xml.gz"]


@contextmanager
def serving(*sites) -> Iterator[list[int]]:
    """Each site (anything with `answer`) at a port of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start(site):
        runner = web.ServerRunner(web.Server(site.answer))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    runners = [asyncio.run_coroutine_threadsafe(start(site), loop).result(5) for site in sites]
    try:
        yield [runner.addresses[0][1] for runner in runners]
    finally:
        for runner in runners:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
