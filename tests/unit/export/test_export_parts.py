"""The parts of an export by themselves: spellings, links, bounds, error pages, names of files, nginx's strings, shares."""

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventory.errors import InputError
from planner.cli import export
from planner.export import coverage, links, mapping, reading, servers, urls, writing
from planner.export.bounds import Bounds, Fence
from planner.export.crawl import Crawled
from planner.export.errorpages import BY_WORDS, ErrorPages, missing_paths
from planner.export.fetching import Answer
from planner.export.links import Function, srcset
from planner.export.records import Record, opened
from planner.pinned import SiteView

NAME = "www.hist.campus.test"
HOME = f"http://{NAME}/"
SITE = urls.Site("http", NAME, frozenset({"hist.campus.test"}))
NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        (f"http://{NAME}", "/"),
        (f"https://{NAME}/a", "/a"),
        ("http://hist.campus.test/a?b=1", "/a?b=1"),
        (HOME + "a//b/./c/../d", "/a/b/d"),
        (HOME + "a/..", "/"),
        (HOME + "../../etc/passwd", "/etc/passwd"),
        (HOME + "%2e%2e/%2E%2E/etc", "/etc"),
        (HOME + "a%2Fb%2f..%2fc", "/a/c"),
        (HOME + "a/b/..", "/a/"),
        (HOME + "%7euser/%41.html", "/~user/A.html"),
        (HOME + "%e6%96%b0", "/%E6%96%B0"),
        (HOME + "%d0%c2.html", "/%D0%C2.html"),
        (HOME + "a?x=%7e&y=%e6", "/a?x=~&y=%E6"),
        (HOME + "a?", "/a"),
        (HOME + "a?PHPSESSID=1&id=3", "/a?id=3"),
        (HOME + "a?id=3&PHPSESSID=1", "/a?id=3"),
        (HOME + "a;jsessionid=AB12.n1?x=1", "/a?x=1"),
        (HOME + "a?s=search", "/a?s=search"),
        (HOME + "a?sid=12", "/a?sid=12"),
        (HOME + "a?sid=abcdefabcdefabcdefabcdef", "/a"),
        (HOME + "a?sid=abcdefabcdefabcdefabcdef.x", "/a?sid=abcdefabcdefabcdefabcdef.x"),
        (HOME + "a?b=2&a=1", "/a?b=2&a=1"),
        (HOME + "a?/b", "/a?/b"),
        ("http://other.test/a", None),
        (f"ftp://{NAME}/a", None),
        (f"http://{NAME}:8080/a", None),
        ("http://[bad/", None),
    ],
)
def test_one_spelling(url, normal):
    found = SITE.normal(url)
    assert found == ("" if normal is None else HOME[:-1] + normal)
    assert not found or SITE.normal(found) == found


@given(st.text(alphabet="/.%2eEfF5cabc?&=;~新", max_size=30))
def test_normal_forms_are_stable_and_never_climb(text):
    found = SITE.normal(HOME + quote(text, "/.%?&=;~"))
    assert SITE.normal(found) == found
    assert ".." not in unquote(found.partition("?")[0]).split("/")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a.png", ["a.png"]),
        ("a.png 1x, b.png 2x", ["a.png", "b.png"]),
        ("a,1.png 100w,b.png 200w", ["a,1.png", "b.png"]),
        (" ,a.png , b.png", ["a.png", "b.png"]),
        ("a.png,", ["a.png"]),
        ("data:image/png;base64,AA== 1x, b.png 2x", ["b.png"]),
        ("a.png\n 2x,\tb.png", ["a.png", "b.png"]),
        ("", []),
    ],
)
def test_srcset(text, found):
    assert list(srcset(text)) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a{b:url(x.png)}", ["x.png"]),
        ("a{b:url( 'x y.png' )}", ["x y.png"]),
        ('@import "a.css";@import url(b.css) screen;', ["a.css", "b.css"]),
        ("a{b:url(data:image/png;base64,AA)} /* url(c.png) */", []),
        (r"a{b:url(x\ y.png)}", []),
        (r"a{b:url('x\28 1\29.png')}", ["x(1).png"]),
        ("a{filter:url(#f)}", []),
    ],
)
def test_css(text, found):
    assert list(links.css(text)) == found


PAGE = HOME + "dir/page.html"


@pytest.mark.parametrize(
    ("html", "kind", "target"),
    [
        ("<a href=x.html>", "links", "/dir/x.html"),
        ("<base href=/b/><a href=x.html>", "links", "/b/x.html"),
        ("<area href=/x>", "links", "/x"),
        ("<a href='/新闻?关=1'>", "links", "/%E6%96%B0%E9%97%BB?%E5%85%B3=1"),
        ("<a href='a\\b.html'>", "links", "/dir/a/b.html"),
        ("<a href=' /x \n'>", "links", "/x"),
        ("<link rel=canonical href=/c>", "links", "/c"),
        ("<link rel=stylesheet href=/c.css>", "assets", "/c.css"),
        ("<link rel='apple-touch-icon' href=/i.png>", "assets", "/i.png"),
        ("<link rel=preload imagesrcset='/i2.png 2x' href=/p.png>", "assets", "/i2.png"),
        ("<iframe src=/f>", "links", "/f"),
        ("<meta http-equiv=Refresh content='0;URL=/r'>", "links", "/r"),
        ("<meta http-equiv=refresh content=\"3; url='/r'\">", "links", "/r"),
        ("<meta property=og:image content=/o.png>", "candidates", "/o.png"),
        ("<img data-src=/d.png>", "assets", "/d.png"),
        ("<img data-original=/d.png>", "assets", "/d.png"),
        ("<audio><track src=/t.vtt></audio>", "assets", "/t.vtt"),
        ("<object data=/o.swf>", "assets", "/o.swf"),
        ("<embed src=/e.swf>", "assets", "/e.swf"),
        ("<table><tr><td background=/b.gif>", "assets", "/b.gif"),
        ("<p style='background:url(&quot;/s.png&quot;)'>", "assets", "/s.png"),
        ("<style>@import '/i.css';</style>", "assets", "/i.css"),
        ("<script>a('/j.png')</script>", "candidates", "/j.png"),
        ("<script>a('img/j.png')</script>", "candidates", "/dir/img/j.png"),
        ("<script>a='http:\\/\\/www.hist.campus.test\\/k.png'</script>", "candidates", "/k.png"),
        ("<script type=application/json>{\"a\": \"/m.json\"}</script>", "candidates", "/m.json"),
        ("<div data-url=/n>", "candidates", "/n"),
    ],
)  # fmt: skip
def test_references(html, kind, target):
    found = links.read(PAGE, "text/html", html)
    assert HOME[:-1] + target in getattr(found, kind)


@pytest.mark.parametrize("html", ["<a href='javascript:x()'>", "<a href=mailto:a@b>", "<link rel=dns-prefetch href=//x.test>", "<img src=data:image/png;base64,A>",
                                  "<a href='http://[bad'>", "<script>x('//')</script>", "<!-- <a href=/c> -->", "<a>"])  # fmt: skip
def test_no_reference(html):
    found = links.read(PAGE, "text/html", html)
    assert not found.links | found.assets | found.candidates


def test_queries_are_in_the_charset_of_the_page():
    assert HOME + "s?k=%C0%FA" in links.read(PAGE, "text/html", "<a href='/s?k=历'>", "gb2312").links


@pytest.mark.parametrize(
    ("html", "function"),
    [
        ("<form action=/s><input name=q></form>", Function("search", "GET", HOME + "s", ("q",))),
        ("<form method=POST action=/l><input type=password name=p></form>", Function("login", "POST", HOME + "l", ("p",))),
        ("<form method=post><textarea name=content></textarea></form>", Function("comment", "POST", PAGE, ("content",))),
        ("<form method=post action=/u><input type=file name=f></form>", Function("upload", "POST", HOME + "u", ("f",))),
        ("<form method=post action=/v><input name=v></form>", Function("form", "POST", HOME + "v", ("v",))),
        ("<script>$.post('/a.php', {})</script>", Function("call", "XHR", HOME + "a.php")),
        ("<script>x.open('GET','/b.php',true)</script>", Function("call", "XHR", HOME + "b.php")),
        ("<script>$.ajax({url:'/c.php',type:'post'})</script>", Function("call", "XHR", HOME + "c.php")),
    ],
)
def test_functions(html, function):
    assert function in links.read(PAGE, "text/html", html).functions


def test_hostile_documents_end_soon():
    for text in ("<div>" * 50_000, "<a href='" + "a" * 100_000, "url(" * 50_000, "<script>" + "'/" * 50_000, "<form>" * 20_000):
        for media in ("text/html", "text/css", "text/xml", "application/javascript"):
            links.read(PAGE, media, text)


def walk(fence, chain, level=0, named=False, plain=None):
    out = []
    for number, url in enumerate(chain):
        reason = fence.refuses(url, level, named=named)
        out.append(reason)
        if not reason:
            fence.learn(Record(url, "exported", 200, plain="same" if plain is None else plain(number)))
    return out


def test_a_kind_that_says_nothing_new_is_left():
    chain = [HOME + f"cal?m={n}" for n in range(100)]
    said = walk(Fence(Bounds(sample=20), 2026), chain)
    assert said[:20] == [""] * 20
    assert set(said[20:]) == {"pages of its kind differ in digits only"}


def test_a_kind_that_differs_goes_on():
    chain = [HOME + f"news?id={n}" for n in range(500)]
    assert set(walk(Fence(Bounds(sample=20), 2026), chain, plain=lambda n: str(n // 2))) == {""}


def test_what_is_named_is_not_cut_by_its_kind():
    chain = [HOME + f"cal?m={n}" for n in range(100)]
    assert set(walk(Fence(Bounds(sample=20, per_kind=30), 2026), chain, named=True)) == {""}


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("a" * 3000, "longer"), ("a/" * 30, "deeper"), ("a/a/a/", "same folders"), ("x/a/b/a/b/a/b/c", "same folders"),
        ("f?" + "&".join(f"p{n}=1" for n in range(9)), "parameters"), ("c?year=2031", "date"), ("c?date=1900-01-01", "date"),
        ("events/2040/01/", "date"), ("calendar/month/1901-05", "date"),
    ],
)  # fmt: skip
def test_cut_by_form(target, reason):
    fence = Fence(Bounds(), 2026)
    assert reason in fence.refuses(HOME + target, 0, named=False)
    ((_, cut),) = fence.cuts.items()
    assert (cut.count, cut.examples) == (1, [HOME + target])


@pytest.mark.parametrize(
    "target", ["c?year=2028", "c?date=20261124", "archives/2024/05/", "show?id=1900", "events/12345.html", "a/b/a/b/c", "2024/01/01/x.html"]
)
def test_not_cut_by_form(target):
    assert Fence(Bounds(), 2026).refuses(HOME + target, 0, named=False) == ""


@pytest.mark.parametrize(
    ("title", "text", "error"),
    [
        ("404 Not Found", "nothing", True), ("提示信息", "您访问的页面不存在", True), ("", "文章已被删除！", True), ("出错", "参数错误", True),
        ("Page not found – Hist", "Sorry, " * 200, False), ("首页", "Error establishing a database connection", True),
        ("新闻", "校史馆中不存在的那扇门", False), ("通知", "该课程不存在先修要求" + "内容" * 400, False), ("404 公交路线调整", "正文" * 2000, False),
        ("404", "Sorry, " * 100, True), ("院史", "学院成立于一九五二年", False),
    ],
)  # fmt: skip
def test_error_pages_by_their_words(title, text, error):
    assert bool(ErrorPages().reason(HOME + "x", title, text, home=False)) is error


def test_error_pages_by_their_likeness():
    pages = ErrorPages()
    menu = " ".join(f"menu{chr(97 + n)}{chr(110 - n)}" for n in range(13))
    pages.learn(HOME + "no-such-1", f"{menu} /no-such-1 was moved away 12")
    assert pages.reason(HOME + "gone.html", "x", f"{menu} /gone.html was moved away 99", home=False)
    assert not pages.reason(HOME + "gone.html", "x", f"{menu} /gone.html was moved away 99", home=True)
    assert not pages.reason(HOME + "real", "x", f"{menu} our history begins with quite another story in the year fifty two", home=False)


def test_error_pages_of_few_words():
    pages = ErrorPages()
    pages.learn(HOME + "no-such-1", "Sorry 12")
    assert pages.reason(HOME + "x", "x", "Sorry 99", home=False)
    assert not pages.reason(HOME + "x", "x", "Sorry indeed", home=False)


def test_missing_paths_are_always_the_same():
    assert missing_paths(NAME) == missing_paths(NAME) != missing_paths("other")


def crawled(*records, **more):
    out = Crawled(SITE, SiteView((NAME,), "127.0.0.1"), **more)
    out.records = {record.url: record for record in records}
    out.known = dict.fromkeys(out.records, "link") | dict.fromkeys(out.not_asked, "link")
    out.known |= dict.fromkeys(out.sitemap, "sitemap") | dict.fromkeys(out.top, "top")
    return out


def page(target, body="x", kind="text/html; charset=utf-8", **more):
    charset = kind.partition("charset=")[2]
    return Record(
        SITE.normal(HOME + target),
        "exported",
        200,
        type=kind,
        charset=charset,
        sha256=body * 8,
        size=1,
        text=body if "html" in kind else "",
        **more,
    )


def moved(target, where, status=301):
    return Record(SITE.normal(HOME + target), "moved", status, location=where)


def test_natural_paths_and_others():
    made = mapping.build(crawled(
        page("", "h"), page("a/b.html", "b"), page("c/", "c"), page("list.php", "l"), page("list.php?id=1", "l1"), page("s.css?v=1", "s", "text/css"),
        page("s.css?v=2", "s", "text/css"), page("x", "x"), page("x/y.html", "y"), page("g.html", "g", "text/html; charset=gbk"),
        page("%D0%C2.html", "n"), page("_export/q.html", "q"), page("d$x.html", "d"), page("f.html", "f"), page("f.html/sub.html", "fs"),
    ))  # fmt: skip
    natural = {name for name in made.files if not name.startswith("/_export/")}
    assert natural == {"/index.html", "/a/b.html", "/c/index.html", "/s.css", "/x/y.html", "/f.html/sub.html"}
    assert set(made.pages) == {"/list.php", "/x", "/g.html", "/%D0%C2.html", "/_export/q.html", "/d$x.html", "/f.html"}
    assert set(made.exact) == {"/list.php?id=1"}
    assert made.significant == {"/list.php": ["id"]}
    assert made.moved == {"/c?": (301, "/c/")}
    assert made.types["html"] == "text/html; charset=utf-8"
    assert made.types[made.pages["/g.html"].rpartition(".")[2]] == "text/html; charset=gbk"


def test_a_folder_and_its_index_that_differ():
    made = mapping.build(crawled(page("a/", "dynamic"), page("a/index.html", "static")))
    assert made.answered[HOME + "a/index.html"] == "/a/index.html"
    assert made.pages["/a/"].startswith("/_export/")
    same = mapping.build(crawled(page("a/", "one"), page("a/index.html", "one")))
    assert set(same.files) == {"/a/index.html"}


def test_two_orders_that_show_the_same_are_one_file():
    made = mapping.build(crawled(page("l.php?a=1&b=2", "one"), page("l.php?b=2&a=1", "one"), page("l.php?b=3&a=1", "two")))
    assert made.exact["/l.php?a=1&b=2"] == made.exact["/l.php?b=2&a=1"] != made.exact["/l.php?b=3&a=1"]
    differing = mapping.build(crawled(page("l.php?a=1&b=2", "one"), page("l.php?b=2&a=1", "two")))
    assert len(differing.files) == 2


@pytest.mark.parametrize("target", ["a%00b", "a%0ab", ".env", "a/.git/config", ".htaccess", "%2Ehtaccess", "a%7f"])
def test_hostile_names_are_refused(target):
    made = mapping.build(crawled(page(target)))
    assert made.files == {}
    assert list(made.refused) == [SITE.normal(HOME + target)]


def test_well_known_is_no_hidden_file():
    assert set(mapping.build(crawled(page(".well-known/security.txt", "s", "text/plain"))).files) == {"/.well-known/security.txt"}


def test_an_unknown_value_of_a_parameter_that_matters_is_not_answered_with_another_page():
    made = mapping.build(crawled(page("list.php", "one"), page("list.php?page=2", "two"), page("list.php?page=1", "one")))
    assert list(mapping.resolve(made, "/list.php", "page=99")) == []
    assert (
        next(mapping.resolve(made, "/list.php", "page=1")) == next(mapping.resolve(made, "/list.php", "from=x")) == made.pages["/list.php"]
    )
    assert next(mapping.resolve(made, "/list.php", "page=2")) == made.exact["/list.php?page=2"]


def test_pages_of_the_same_words_that_lead_elsewhere_are_two():
    text = "<title>t</title><p>same<a href=/f/{}.pdf>file</a>"
    one, two = (
        reading.read(Answer(HOME + f"x?p={n}", 200, {"content-type": "text/html"}, text.format(n).encode(), f"s{n}", 9), ErrorPages())[0]
        for n in "12"
    )
    assert one.digest != two.digest


def test_redirects():
    made = mapping.build(crawled(
        moved("a", HOME + "b?x=1#y"), moved("c?d=1", "http://other.test/e$f", 302), moved("l1", HOME + "l2"), moved("l2", HOME + "l1"),
        moved("s", f"https://{NAME}/s"), page("b?x=1"),
    ))  # fmt: skip
    assert made.moved == {"/a?": (301, "/b?x=1#y"), "/c?d=1": (302, "http://other.test/e%24f")}
    assert set(made.refused.values()) == {mapping.CIRCLE}
    assert len(made.refused) == 3


def test_headers_that_most_have_are_everybodys():
    same = {"x-frame-options": "DENY"}
    made = mapping.build(crawled(page("a.html", "a", headers=same), page("b.html", "b", headers=same), page("c.html", "c")))
    assert made.headers == {"x-frame-options": {"": "DENY", "/c.html": ""}}


SEGMENT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12)
TARGETS = st.builds(
    lambda parts, slash, query: quote("/".join(parts), "/%;") + ("/" if slash and parts else "") + (f"?{quote(query, '=&/%')}" if query else ""),
    st.lists(st.one_of(SEGMENT, st.sampled_from(["..", ".", "%2e%2e", "index.html", "a.php", "a", "A", "%D0%C2", "$x", '"', "\\", "_export"])), max_size=4),
    st.booleans(), st.text(alphabet="ab=&%2.$\"'\\{};/~ 新", max_size=10),
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(TARGETS, st.sampled_from(["one", "two"]), st.sampled_from(["text/html", "text/html; charset=gbk", "image/png", "odd"])),
        max_size=12,
    )
)
def test_every_url_has_its_file_and_no_file_leaves_the_tree(told):
    records = {}
    for target, body, kind in told:
        url = SITE.normal(HOME + target)
        if url:
            records[url] = page(url.removeprefix(HOME), body, kind)
    made = mapping.build(crawled(*records.values()))
    for url, record in records.items():
        if url in made.refused:
            assert url not in made.answered
            continue
        path, query = urls.split(url)
        where = next(name for name in mapping.resolve(made, path, query) if name in made.files)
        assert made.files[where].record.digest == record.digest, url
        assert made.files[where].type == mapping.content_type(record), url
    for name in made.files:
        parts = unquote(name, errors="strict").split("/")[1:]
        assert parts
        assert not any(part in ("", ".", "..") or "\0" in part or len(part.encode()) > 255 for part in parts)
    names = [unquote(name) for name in made.files]
    assert len(set(names)) == len(names)
    assert not [one for one in names if any(other.startswith(one + "/") for other in names)], "a file is no folder"


HOSTILE = ['a"b.php', "a\\b.php", "a$uri.php", "a;b.php", "a{b}.php", "a b.php", "~^.php", "A.php", "a.php", "%D0%5C.php", "%D0%7C.php", "default.php",
           'q.php?x=";}evil{', "q.php?x=$host", "q.php?x=\\", "q.php?X=\\", "r.php?a.b[]=(1|2)", "r.php"]  # fmt: skip


@pytest.mark.skipif(not shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"), reason="nginx is not installed")
def test_nginx_takes_hostile_names(tmp_path):
    disposition = {"content-disposition": 'attachment; filename="报$告\\";x.pdf"'}
    records = [
        page(target.replace("{", "%7B") if "?" not in target else target, str(n), headers=disposition if n % 3 else {})
        for n, target in enumerate(HOSTILE)
    ]
    made = mapping.build(crawled(*records, moved("m", 'http://other.test/";return%20200;$x')))
    (tmp_path / "http.conf").write_bytes(servers.nginx_http(made))
    (tmp_path / "server.conf").write_bytes(servers.nginx_server(made))
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log {tmp_path}/log; events {{}} http {{ map_hash_bucket_size 512; include {tmp_path}/http.conf;"
        f" access_log off; server {{ listen 127.0.0.1:9; root {tmp_path}; include {tmp_path}/server.conf; }} }}"
    )
    done = subprocess.run(
        ["nginx", "-t", "-p", tmp_path, "-c", tmp_path / "nginx.conf"], capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b'"~^/A\\\\.php$"' in servers.nginx_http(made), "names that differ in capitals only are told apart"


@pytest.mark.parametrize(
    ("record", "state"),
    [
        (Record(HOME + "x", "error", 404, "404"), "gone"), (Record(HOME + "x", "error", 403, "403"), "gone"), (Record(HOME + "x", "soft_error", 200, "s"), "gone"),
        (Record(HOME + "x", "error", 500, "500"), "lacking"), (Record(HOME + "x", "error", 429, "429"), "lacking"), (Record(HOME + "x", "failed", reason="t"), "lacking"),
        (Record(HOME + "x", "too_large", 200, "big"), "lacking"), (moved("x", "http://other.test/"), "answered"), (moved("x", HOME), "answered"),
        (moved("x", HOME + "y"), "lacking"),
    ],
)  # fmt: skip
def test_fates(record, state):
    site = crawled(page("", "h"), record, Record(HOME + "y", "failed", reason="timeout"))
    assert coverage.fate(HOME + "x", site, mapping.build(site))[0] == state


def test_shares_are_weighted_and_unknown_is_not_whole():
    site = crawled(page("", "h"), page("a", "a"), Record(HOME + "x", "failed", reason="t"), top={HOME: 97, HOME + "x": 3})
    measured = coverage.measure(site, mapping.build(site), coverage.Gate())
    assert measured.shares["hits"].share == 0.97
    assert measured.shares["sitemap"].share is None
    assert measured.unknown == ["the site has no sitemap"]
    assert [reason.partition(":")[0] for reason in measured.refusals] == ["requests of the access log", "URLs that the site links to"]
    assert coverage.measure(site, mapping.build(site), coverage.Gate(0.97, 1, 0)).refusals == []


def test_hits_that_nobody_counted_count_once_and_are_said():
    site = crawled(page("", "h"), top={HOME: None})
    assert coverage.measure(site, mapping.build(site), coverage.Gate()).unknown[-1].startswith("hits are not known")


@pytest.mark.parametrize(("target", "state"), [("wp-login.php", "administers"), ("news?action=delete", "lacking")])
def test_what_may_not_be_asked(target, state):
    site = crawled(page("", "h"), not_asked={HOME + target: "asking may change something, or it administers the site"})
    assert coverage.fate(HOME + target, site, mapping.build(site))[0] == state


def test_edit_links_are_no_content_and_words_may_deceive():
    said = {HOME + "w?action=edit": "asking may change something, or it administers the site"}
    deceived = Record(HOME + "ghosts", "soft_error", 200, BY_WORDS)
    linked = crawled(page("", "h"), deceived, not_asked=said)
    assert coverage.measure(linked, mapping.build(linked), coverage.Gate(links=1.0)).refusals == []
    named = crawled(page("", "h"), deceived, sitemap={HOME, deceived.url})
    assert coverage.measure(named, mapping.build(named), coverage.Gate()).shares["sitemap"].lacks[0].url == deceived.url


def test_cut_links_are_told_but_cut_sitemaps_refuse():
    reason = {HOME + "c?m=99": "pages of its kind differ in digits only"}
    linked = crawled(page("", "h"), not_asked=reason)
    assert coverage.measure(linked, mapping.build(linked), coverage.Gate()).refusals == []
    named = crawled(page("", "h"), not_asked=reason, sitemap={HOME + "c?m=99"})
    assert coverage.measure(named, mapping.build(named), coverage.Gate()).refusals


@pytest.mark.parametrize("bounds", [Bounds(pages=3), Bounds(per_kind=3)])
def test_a_limit_is_no_reason_to_do_without(bounds):
    fence = Fence(bounds, 2026)
    said = walk(fence, [HOME + f"n{n}.html" for n in range(9)], plain=str)
    assert said[:3] == [""] * 3
    (cut,) = fence.cuts.values()
    assert cut.count == 6
    site = crawled(page("", "h"), not_asked={HOME + "n9.html": said[-1]})
    assert coverage.measure(site, mapping.build(site), coverage.Gate()).refusals


def test_lists_of_urls_with_hits():
    assert urls.hits_of(["# x", "", "12 /a b", "/c", "3 /c", "/12"]) == {"/a b": 12, "/c": 3, "/12": None}


def test_a_body_is_there_before_its_line_and_torn_lines_are_passed_over(tmp_path):
    head = {"names": ["a"]}
    with opened(tmp_path) as store:
        store.begin(head, NOW)
        store.keep("ab" * 32, b"body")
        store.add(Record(HOME, "exported", 200, sha256="ab" * 32, size=4, headers={"x": "\udce6"}, etag='"1"'))
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write('{"url":"torn","outco')
    with opened(tmp_path) as store:
        store.begin(head, NOW + timedelta(hours=2))
        assert list(store.done) == [HOME]
        assert store.done[HOME].headers == {"x": "\udce6"}
        store.add(Record(HOME + "b", "error", 404))
        half = Record(HOME + "c", "exported", 200, sha256="cd" * 32, size=9)
        store.path("cd" * 32).parent.mkdir(exist_ok=True)
        store.path("cd" * 32).write_bytes(b"half")
        assert not store.has(half), "a kill in the middle of a body"
        store.keep("cd" * 32, b"the whole")
        assert store.has(half)
    with opened(tmp_path) as store:
        store.begin(head, NOW + timedelta(hours=3))
        assert list(store.done) == [HOME, HOME + "b"]
        store.finish()
        assert store.path("ab" * 32).read_bytes() == b"body"
    with opened(tmp_path) as store:
        store.begin({"names": ["other"]}, NOW)
        assert not store.done
        assert list(store.before) == [HOME, HOME + "b"]
        store.finish()
        assert not store.path("ab" * 32).exists(), "bodies that nobody names go"


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"content-type": "text/html"}, "<p>历史".encode("gbk"), ("exported", "gbk")),
        ({"content-type": "text/html"}, "<p>历史".encode(), ("exported", "utf-8")),
        ({"content-type": "text/html"}, b"<p>ascii", ("exported", "")),
        ({"content-type": "text/html; charset=GBK"}, "<p>历史".encode("gbk"), ("exported", "")),
        ({"content-type": "text/html"}, '<meta charset="gbk"><p>历史'.encode("gbk"), ("exported", "")),
        ({}, b"<html><p>x", ("exported", "")),
        ({"content-type": "text/html"}, "<p>文章不存在".encode(), ("soft_error", "")),
    ],
)
def test_charsets_are_declared_only_where_nobody_did(headers, body, expected):
    record, _ = reading.read(Answer(HOME + "x", 200, headers, body, "s", len(body)), ErrorPages())
    assert (record.outcome, record.declared) == expected


def test_the_writer_has_its_own_lock_on_names(tmp_path):
    for bad in ("/../x", "/a/%2E%2E/x", "//x", "/a%00"):
        with pytest.raises(InputError):
            writing._on_disk(tmp_path, bad)


def test_documents_name_the_command():
    text = (Path(__file__).parents[3] / "docs" / "static-export.md").read_text(encoding="utf-8")
    options = set(re.findall(r'"(--[a-z-]+)', Path(export.__file__).read_text(encoding="utf-8"))) - {"--no-prove"}
    assert {option for option in options if f"`{option}" not in text} == set()
