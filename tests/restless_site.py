"""A small site as units have them, restless in all the usual ways, and the faults that a move may put into its copy.

Every answer of it has nonces, tokens, sessions, clocks, counters, shuffled and random boxes; `Site` answers as one of two servers with the
same content, and `FAULTS` are what goes wrong on the other one.
"""

from __future__ import annotations

import gzip
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

NAME = "www.bio.campus.test"
OLD_ADDRESS = "192.0.2.77"
OLD_NAME = "bioweb01.campus.test"
TITLES = ["关于做好寒假安排的通知", "学院召开教学工作会议", "我院学子获奖", "海外名师讲座预告", "实验室安全检查", "研究生招生简章", "党建工作简报",
          "校友返校日", "科研项目立项公示"]  # fmt: skip
SLUGS = ["winter", "teaching", "prize", "lecture", "safety", "admission", "party", "alumni", "projects"]
PARTNERS = ["library", "lab", "press", "hospital", "union"]
PDF = b"%PDF-1.4 " + bytes(range(256)) * 40
Answer = tuple[int, dict[str, str], bytes]
Fault = Callable[[Answer], Answer | None]


class Site:
    """One server of the site: `seed` makes it differ in all that is noise; `minutes` is how far its clock is off."""

    def __init__(self, seed: int, *, minutes: int = 0, frozen: bool = False, fault: tuple[str, Fault] | None = None) -> None:
        self.random, self.minutes, self.frozen, self.fault = random.Random(seed), minutes, frozen, fault
        self.read = dict.fromkeys(SLUGS, 100)
        self.visits = 20_000 + (0 if frozen else seed % 7)
        self.asked: list[str] = []

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path_qs
        self.asked.append(path)
        answer = self.answer(path)
        if self.fault and path == self.fault[0]:
            broken = self.fault[1](answer)
            answer = broken if broken is not None else (404, {"Content-Type": "text/html"}, b"<h1>Not Found</h1>")
        status, headers, body = answer
        return web.Response(status=status, headers=headers, body=body)

    def answer(self, path: str) -> Answer:
        """What it says, before anything is broken."""
        bare = path.partition("?")[0]
        if bare == "/":
            return self._home()
        if bare.startswith("/post/") and bare[6:-5] in SLUGS:
            return self._post(bare[6:-5])
        if bare.startswith("/gb/"):
            return self._chinese(bare)
        return FIXED.get(bare) or self._odd(path) or (404, {"Content-Type": "text/html"}, b"<title>404</title>")

    def _nonce(self) -> str:
        return f"{self.random.getrandbits(64):016x}"

    def _headers(self) -> dict[str, str]:
        nonce = self._nonce()
        return {
            "Content-Type": "text/html; charset=utf-8",
            "Cache-Control": "no-cache, must-revalidate",
            "X-Frame-Options": "SAMEORIGIN",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": f"script-src 'self' 'nonce-{nonce}'",
            "Set-Cookie": f"PHPSESSID={nonce}; Path=/; HttpOnly; Secure; SameSite=Lax",
            "Expires": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 7200)),
        }

    def _frame(self, title: str, inner: str) -> bytes:
        """What all pages share: the clock, the banner, partners in any order, what it took."""
        local = time.gmtime(time.time() + 8 * 3600 + 60 * self.minutes)
        if not self.frozen:
            self.visits += 1
        partners = self.random.sample(PARTNERS, len(PARTNERS))
        parts = [
            f"<html><head><meta charset=utf-8><title>{title}</title><link rel=stylesheet href=/css/site.css>",
            f"<meta name=csrf-token content={self._nonce()}></head><body id=b{self._nonce()}>",
            f"<p>今天是{local.tm_year}年{local.tm_mon}月{local.tm_mday}日 {local.tm_hour:02}:{local.tm_min:02}:{local.tm_sec:02}</p>",
            f"<img src=/img/{self.random.choice(['spring', 'summer', 'autumn'])}.jpg alt=横幅>",
            "<ul>" + "".join(f"<li><a href=/partner/{one}>{one}</a>" for one in partners) + "</ul>",
            inner,
            f"<p>本站访问量：{self.visits} 在线 {self.random.randint(3, 90)} 人</p>",
            f"<script nonce='{self._nonce()}'>var t='{self._nonce()}';</script>",
            f"<!-- {self._nonce()} --><p>Processed in 0.{self.random.randint(1000, 9999)} second(s), {self.random.randint(3, 9)} queries</p>",
        ]
        return "".join(parts).encode()

    def _home(self) -> Answer:
        news = "".join(
            f"<li><a href=/post/{slug}.html>{title}</a> 11-0{n + 1}" for n, (slug, title) in enumerate(zip(SLUGS, TITLES, strict=True))
        )
        liked = self.random.sample(range(len(SLUGS)), 4)
        box = "".join(f"<li><a href=/post/{SLUGS[n]}.html>推荐：{TITLES[n]}</a>" for n in liked)
        form = f"<form action=/search><input name=q placeholder=站内搜索><input type=hidden name=t value={self._nonce()}></form>"
        more = (
            "<a href=/gb/gbk.html>旧站</a> <a href=/gb/gb2312.html>教师</a> <a href=/gb/gb18030.html>校史</a> <a href=/old>旧地址</a>"
            f"<a href='/download?id=3'>下载</a> <img src='/captcha.png'> <a href='/show?id=7&amp;sid={self._nonce()}'>会话</a>"
            "<a href=/plain.txt>文本</a> <a href=/deep/1/2/3.html>深</a>"
        )
        return 200, self._headers(), self._frame("生命科学学院", f"<ul>{news}</ul><div>{box}</div>{form}{more}")

    def _post(self, slug: str) -> Answer:
        n = SLUGS.index(slug)
        if not self.frozen:
            self.read[slug] += 1
        inner = (
            f"<h1>{TITLES[n]}</h1><p>发布于 {3 + self.minutes} 分钟前 点击数：{self.read[slug]} 次</p><p>正文第 {n} 篇：各位老师同学，😀 请注意。</p>"
            f"<a href=/files/report.pdf>附件</a> <a href=/post/{SLUGS[(n + 1) % 9]}.html>下一篇</a>"
            f"<form method=post action=/comment><input name=text><input name=_token value={self._nonce()}></form>"
        )
        return 200, self._headers(), self._frame(f"{TITLES[n]} - 生命科学学院", inner)

    def _chinese(self, path: str) -> Answer:
        name = path[4:-5]
        if name not in ("gbk", "gb2312", "gb18030"):
            return 404, {"Content-Type": "text/html"}, b""
        declared = {"gbk": "text/html; charset=gbk", "gb2312": "text/html", "gb18030": "text/html"}[name]
        meta = "" if name == "gbk" else f"<meta http-equiv=Content-Type content='text/html; charset={name}'>"
        sign = "𠮷镕" if name == "gb18030" else "学院"
        text = f"<html><head>{meta}<title>{sign}概况</title></head><body><p>{sign}历史沿革</p><p>浏览量: {self.random.randint(1, 999)}</p>"
        return 200, {"Content-Type": declared}, text.encode(name if name != "gb2312" else "gbk")

    def _odd(self, path: str) -> Answer | None:
        if path == "/captcha.png":
            return 200, {"Content-Type": "image/png"}, b"\x89PNG" + self._nonce().encode()
        if path.startswith("/show?id=7"):
            return 200, self._headers(), self._frame("会话页", "<p>内容</p>")
        if path == "/sitemap-posts.xml.gz":
            listed = "".join(f"<url><loc>http://{NAME}/deep/{n}.html</loc></url>" for n in range(3))
            body = gzip.compress(f"<urlset>{listed}</urlset>".encode(), mtime=self.random.randint(1, 2**30))
            return 200, {"Content-Type": "application/x-gzip"}, body
        return None


def _page(title: str, inner: str) -> Answer:
    text = f"<html><head><meta charset=utf-8><title>{title}</title></head><body>{inner}</body></html>"
    return 200, {"Content-Type": "text/html", "Last-Modified": "Mon, 02 Nov 2026 08:00:00 GMT"}, text.encode()


FIXED: Mapping[str, Answer] = {
    "/robots.txt": (200, {"Content-Type": "text/plain"}, f"User-agent: *\nSitemap: http://{NAME}/sitemap_index.xml\n".encode()),
    "/sitemap_index.xml": (
        200, {"Content-Type": "application/xml"},
        f"<sitemapindex><sitemap><loc>http://{NAME}/sitemap-posts.xml.gz</loc></sitemap></sitemapindex>".encode(),
    ),
    "/css/site.css": (200, {"Content-Type": "text/css", "Cache-Control": "max-age=86400"}, b"@import 'deep.css'; p{color:red}"),
    "/css/deep.css": (200, {"Content-Type": "text/css"}, b"@font-face{src:url(font.woff2)} i{background:url('../img/bg.gif')}"),
    "/css/font.woff2": (200, {"Content-Type": "font/woff2"}, b"wOF2" + bytes(99)),
    "/img/bg.gif": (200, {"Content-Type": "image/gif"}, b"GIF89a" + bytes(99)),
    "/files/report.pdf": (200, {"Content-Type": "application/pdf"}, PDF),
    "/old": (301, {"Location": "/post/winter.html"}, b""),
    "/download": (200, {"Content-Type": "application/octet-stream", "Content-Disposition": "attachment; filename=a.zip"}, b"PK" * 50),
    "/plain.txt": (200, {"Content-Type": "text/plain; charset=utf-8"}, "说明".encode()),
    "/deep/1/2/3.html": _page("深", f"<p>联系 {'电话'} 010</p><a href=4.html>四</a>"),
    "/deep/1/2/4.html": _page("四", "<p>第四页</p><a href=/post/winter.html>通知</a>"),
    **{f"/deep/{n}.html": _page(f"图 {n}", f"<p>只在站点地图中 {n}</p>") for n in range(3)},
    **{f"/img/{name}.jpg": (200, {"Content-Type": "image/jpeg"}, b"\xff\xd8" + name.encode()) for name in ("spring", "summer", "autumn")},
    **{f"/partner/{name}": _page(name, f"<p>伙伴 {name}</p>") for name in PARTNERS},
}  # fmt: skip


def body(change: Callable[[bytes], bytes]) -> Fault:
    """A fault of the text; it must change something."""

    def fault(answer: Answer) -> Answer:
        changed = change(answer[2])
        assert changed != answer[2]
        return answer[0], answer[1], changed

    return fault


def header(name: str, change: Callable[[str], str] | None = None) -> Fault:
    """A header that is missing, or says something else."""

    def fault(answer: Answer) -> Answer:
        assert name in answer[1]
        left = {key: value for key, value in answer[1].items() if key != name}
        return answer[0], left | ({name: change(answer[1][name])} if change else {}), answer[2]

    return fault


def swap(old: str, new: str) -> Fault:
    return body(lambda text: text.replace(old.encode(), new.encode()))


@dataclass(frozen=True)
class Seeded:
    """A fault at a path, and the kinds of difference of which one must be found there (or at another path)."""

    path: str
    fault: Fault
    kinds: frozenset[str]
    at: str = ""
    blocks: bool = True


def _gone(_: Answer) -> None:
    return None


MOJIBAKE = TITLES[3].encode().decode("gbk", "replace")
FAULTS: dict[str, Seeded] = {
    "one byte of a PDF": Seeded("/files/report.pdf", body(lambda b: b[:5000] + bytes([b[5000] ^ 1]) + b[5001:]), frozenset({"content"})),
    "a lost post": Seeded("/post/prize.html", _gone, frozenset({"status"})),
    "a post lost from the list": Seeded("/", swap(f"<li><a href=/post/prize.html>{TITLES[2]}</a> 11-03", ""), frozenset({"text"})),
    "a title of UTF-8 read as GBK": Seeded("/post/lecture.html", swap(f"<title>{TITLES[3]}", f"<title>{MOJIBAKE}"), frozenset({"title"})),
    "GBK declared as UTF-8 in the header": Seeded("/gb/gbk.html", header("Content-Type", lambda _: "text/html; charset=utf-8"), frozenset({"charset_header"})),
    "a header that contradicts the meta element": Seeded("/gb/gb2312.html", header("Content-Type", lambda _: "text/html; charset=utf-8"), frozenset({"charset_header"})),
    "characters of GB 18030 lost to GBK": Seeded("/gb/gb18030.html", body(lambda b: b.replace("𠮷".encode("gb18030"), b"?")), frozenset({"title"})),
    "an emoji cut to three bytes": Seeded("/post/party.html", swap("😀", "?"), frozenset({"text"})),
    "no cache header": Seeded("/css/site.css", header("Cache-Control"), frozenset({"header cache-control"}), blocks=False),
    "another expiry": Seeded("/post/alumni.html", header("Expires", lambda _: "0"), frozenset({"header expires"}), blocks=False),
    "no X-Frame-Options": Seeded("/", header("X-Frame-Options"), frozenset({"header x-frame-options"})),
    "no content security policy": Seeded("/post/safety.html", header("Content-Security-Policy"), frozenset({"header content-security-policy"})),
    "a cookie without HttpOnly": Seeded("/post/winter.html", header("Set-Cookie", lambda v: v.replace(" HttpOnly;", "")), frozenset({"cookie"})),
    "no session cookie": Seeded("/post/winter.html", header("Set-Cookie"), frozenset({"cookie"})),
    "a 500 on a deep page": Seeded("/deep/1/2/4.html", lambda a: (500, a[1], b"oops"), frozenset({"status"})),
    "a broken asset deep in CSS": Seeded("/css/font.woff2", _gone, frozenset({"status"})),
    "a lost redirect": Seeded("/old", lambda _: (200, {"Content-Type": "text/html"}, b"<p>x"), frozenset({"status"})),
    "a redirect to the old host": Seeded("/old", header("Location", lambda v: f"http://{OLD_ADDRESS}{v}"), frozenset({"redirect"})),
    "a missing form": Seeded("/post/teaching.html", body(lambda b: b[: b.index(b"<form")] + b[b.index(b"</form>") + 7 :]), frozenset({"forms"})),
    "a field missing from a form": Seeded("/", swap("<input name=q placeholder=站内搜索>", ""), frozenset({"forms"})),
    "error text in a page": Seeded("/post/projects.html", swap("在线", "<b>Warning</b>: mysqli_query() in /srv/a.php on line 3 在线"), frozenset({"error_text"})),
    "an error where a counter stood": Seeded("/gb/gbk.html", body(lambda b: b[: b.rindex(b": ") + 2] + b"SQLSTATE[HY000]"), frozenset({"error_text"})),
    "a page cut off": Seeded("/post/admission.html", body(lambda b: b[: len(b) // 2]), frozenset({"text"})),
    "a wrong type": Seeded("/download", header("Content-Type", lambda _: "text/html"), frozenset({"content_type"})),
    "no Content-Disposition": Seeded("/download?id=3", header("Content-Disposition"), frozenset({"header content-disposition"})),
    "a link to the old host's address": Seeded("/deep/1/2/3.html", swap("href=4.html", f"href=http://{OLD_ADDRESS}/4.html"), frozenset({"links"})),
    "the old host's address in the text": Seeded("/deep/1.html", swap("</body>", f"<!-- {OLD_ADDRESS} --></body>"), frozenset({"old_address"}), blocks=False),
    "the old host's name in the text": Seeded("/deep/2.html", swap("</body>", f"<i data-x={OLD_NAME}></i></body>"), frozenset({"old_address"}), blocks=False),
    "no robots.txt": Seeded("/robots.txt", _gone, frozenset({"status"})),
    "no sitemap": Seeded("/sitemap_index.xml", _gone, frozenset({"status"})),
    "an entry lost from a packed sitemap": Seeded(
        "/sitemap-posts.xml.gz", body(lambda b: gzip.compress(gzip.decompress(b).replace(b"deep/2", b"deep/9"))), frozenset({"text"})
    ),
    "a lost banner of three": Seeded("/img/summer.jpg", _gone, frozenset({"status"})),
    "a partner lost from a shuffled list": Seeded("/partner/lab", _gone, frozenset({"status"})),
    "a partner's line lost from a shuffled list": Seeded("/post/safety.html", swap("<li><a href=/partner/press>press</a>", ""), frozenset({"links"})),
    "a placeholder in the wrong charset": Seeded("/", swap("站内搜索", "站内搜索".encode().decode("gbk", "replace")), frozenset({"text", "garbled"})),
    "a test page of the web server": Seeded("/deep/0.html", lambda a: (200, a[1], b"<title>Welcome to nginx!</title>"), frozenset({"error_text"})),
    "a counter that shows rubbish": Seeded(
        "/gb/gb2312.html", body(lambda b: b[: b.rindex(b": ") + 2] + "新闻中心新闻中心".encode().decode("gbk", "replace").encode("gbk", "replace")),
        frozenset({"text", "garbled"}),
    ),
}  # fmt: skip
