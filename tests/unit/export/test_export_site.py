"""A dynamic site exported for real: found whole, answered by its old URLs, the same bytes each time, resumed after a kill."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

sys.path.insert(0, str(Path(__file__).parent))

import dynamic_site
from dynamic_site import NAME, DynamicSite, page, serving

from inventory.errors import Busy, HostError, InputError
from planner.export import coverage, mapping
from planner.export.bounds import Bounds
from planner.export.crawl import Wanted, crawl
from planner.export.exporting import Options, export_site
from planner.export.fetching import Manners
from planner.export.records import opened
from planner.export.serving import serving as static_serving
from planner.pinned import SiteView

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOME = f"http://{NAME}/"
QUICK = Manners(concurrency=4, pause=0.01, request_seconds=5)
UNPROVED = Options(prove=False)
TOP = {"/show.php?id=3&cat=1": 50, "/list.php?page=2": 20, "/": 100}


def wanted(port, top=TOP, names=(NAME,), **bounds) -> Wanted:
    return Wanted(SiteView(names, "127.0.0.1", port), top, Bounds(**{"sample": 12, **bounds}), QUICK)


def export(port, out, options=UNPROVED, now=NOW, **more):
    return export_site(wanted(port, **more), out, now, options)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    site = DynamicSite()
    with serving(site) as (port,):
        result = export(port, out, Options())
    return result, out / "current", site


FOUND = """list.php?page=1 list.php?page=2 list.php?page=3 show.php?cat=1&id=12 upload/12.png download.php?id=2 新闻/第 1 页.html gbk.html about
about/staff.html logo.png logo@2x.png logo,3.png lazy.png poster.png film.mp4 bg 1.png style.css more.css css-bg.png fonts/a.woff2 app.js
from-script.png from-js.png escaped.png favicon.png feed from-feed.html sitemap-1.xml.gz only-in-map.html frames.html inner.html sub/based.html
refreshed.html Case.html case.html guess.html robots.txt map.xml trap/ sub/deep/ search.php?q=x"""


@pytest.mark.parametrize("target", re.split(r"\s(?!1)(?<!第 1\s)", FOUND))
def test_everything_is_found(whole, target):
    result, _, _ = whole
    if target == "search.php?q=x":  # nobody links to a result, and forms are not sent
        assert HOME + target not in result.crawled.records
        return
    url = HOME + quote(target, "/?=&,@") if target != "style.css" else HOME + "style.css?ver=5.1"
    url = url.replace("show.php?cat=1&id=12", "show.php?cat=1&id=12")
    fetched = {result.crawled.orders.get(u, u) for u in result.crawled.known}
    assert url in fetched or url.replace("cat=1&id=12", "id=12&cat=1") in fetched
    assert coverage.fate(url, result.crawled, result.made)[0] == "answered"


def test_paths_in_gbk_and_queries_in_the_pages_charset(whole):
    result, _, _ = whole
    assert result.crawled.records[HOME + "%D0%C2%CE%C5.html"].outcome == "exported"
    assert result.crawled.records[HOME + "gbk.php?kw=%C0%FA%CA%B7"].outcome == "exported"


def test_the_proof_is_equal_and_nothing_lacks(whole):
    result, _, _ = whole
    assert result.proof.verdict == "equal", [p for p in result.proof.pages if p.outcome != "equal"]
    assert result.proof.counts["equal"] >= len(result.made.answered)
    assert {name: its.share for name, its in result.coverage.shares.items()} == {"hits": 1.0, "sitemap": 1.0, "links": 1.0}


def test_errors_loops_and_hidden_files_are_not_exported(whole):
    result, tree, _ = whole
    names = {told["url"] for told in json.loads((tree / "manifest.json").read_text())["files"].values()}
    for bad in ("dead.html", ".git/config", "loop1", "wp-admin/", "sub/deep/deep/"):
        assert HOME + bad not in names
        assert HOME + bad not in result.made.answered
    assert not any(b".git" in bytes(path) for path in tree.rglob("*"))
    assert result.crawled.records[HOME + "dead.html"].outcome == "error"


def test_infinite_spaces_end_and_are_told(whole):
    result, _, site = whole
    assert {cut.kind: cut.reason for cut in result.crawled.cuts} == {
        "/calendar.php?m": "pages of its kind differ in digits only",
        "/events?year": "a date far from today",
        "/trap/a/b/a/b/a/b/": "the same folders again and again",
    }
    assert len([one for one in site.asked if one.startswith("/calendar")]) < 60  # crawled and compared


def test_what_stops_working_is_listed(whole):
    told = {(one["kind"], one["method"], one["target"]) for one in whole[0].stopping}
    assert told == {
        ("search", "GET", "/search.php"), ("login", "POST", "/login.php"), ("comment", "POST", "/comment.php"),
        ("call", "XHR", "/api/hits.php?id=1"), ("call", "XHR", "/api/vote.php"),
    }  # fmt: skip
    assert not any(one.startswith(("/login", "/comment", "/api", "/wp-admin")) for one in whole[2].asked)


def test_bytes_are_the_sources(whole):
    _, tree, _ = whole
    assert (tree / "htdocs/新闻/第 1 页.html").read_bytes() == dynamic_site.PLAIN["/新闻/第 1 页.html".encode()][2]
    files = json.loads((tree / "manifest.json").read_text())["files"]
    by_url = {told["url"]: (tree / "htdocs" / name[1:], told["type"]) for name, told in files.items()}
    path, kind = by_url[HOME + "gbk.html"]
    assert path.read_bytes() == dynamic_site.PLAIN[b"/gbk.html"][2]
    assert kind == "text/html; charset=gb2312"
    path, kind = by_url[HOME + "guess.html"]
    assert (path.read_bytes(), kind) == (dynamic_site.PLAIN[b"/guess.html"][2], "text/html; charset=gbk")


def test_no_file_that_a_server_could_execute(whole):
    assert not [path for path in whole[1].rglob("*") if path.suffix in (".php", ".jsp", ".asp", ".cgi")]


def asked(port, *targets):
    async def all_of_them():
        out = {}
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            for target in targets:
                async with session.get(URL(f"http://127.0.0.1:{port}{target}", encoded=True), allow_redirects=False) as answer:
                    kept = ("Location",) if answer.status >= 300 else ("Content-Type", "Content-Disposition")
                    headers = {name: answer.headers.get(name, "") for name in kept if answer.status < 400}
                    out[target] = (answer.status, headers, await answer.read() if answer.status == 200 else b"")
        return out

    return asyncio.run(all_of_them())


class Nginx:
    def __init__(self, tree: Path, folder: Path, port: int) -> None:
        self.folder = folder
        (folder / "nginx.conf").write_text(f"""
            worker_processes 1; daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
            events {{}}
            http {{
                access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
                uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; map_hash_max_size 65536; map_hash_bucket_size 512;
                include {tree}/nginx-http.conf;
                server {{ listen 127.0.0.1:{port}; root {tree}/htdocs; include {tree}/nginx-server.conf; }}
            }}""")

    def test(self) -> str:
        done = subprocess.run(
            ["nginx", "-t", "-p", self.folder, "-c", self.folder / "nginx.conf"], capture_output=True, text=True, check=False
        )
        return "" if done.returncode == 0 else done.stderr


def free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


UNKNOWN = ["/list.php?page=99", "/list.php?a=b&page=99", "/list.php?a=b&page=2", "/list.php?from=x", "/show.php?id=99", "/nowhere", "/style.css?ver=6", "/?from=wechat", "/about/", "/../../etc/passwd",
           "/%2e%2e/%2e%2e/etc/passwd", "/upload", "/Gbk.html", "/show.php?PHPSESSID=abcdef&id=3&cat=1", "//about", "/about/staff.html?x=1", "/trap"]  # fmt: skip


@pytest.mark.skipif(not shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"), reason="nginx is not installed")
def test_nginx_answers_as_the_tiny_server_does(whole, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin")
    result, tree, _ = whole
    targets = sorted(url.removeprefix(HOME[:-1]) for url in result.made.answered) + UNKNOWN
    port = free_port()
    nginx = Nginx(tree, tmp_path, port)
    assert nginx.test() == ""

    async def tiny():
        async with static_serving(tree) as own:
            return await asyncio.to_thread(asked, own, *targets)

    server = subprocess.Popen(["nginx", "-p", tmp_path, "-c", tmp_path / "nginx.conf"], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            try:
                theirs = asked(port, *targets)
                break
            except aiohttp.ClientError:
                time.sleep(0.05)
        ours = asyncio.run(tiny())
    finally:
        server.terminate()
        server.wait(10)
    climbing = {t: theirs.pop(t) for t in UNKNOWN if "passwd" in t}
    assert {status for status, _, _ in climbing.values()} == {400}, "nginx refuses those by itself"
    assert theirs.pop("/Gbk.html")[0] == 200, "docs/static-export.md: nginx's maps do not tell capitals"
    assert {t: a for t, a in theirs.items() if a != ours[t]} == {}
    assert ours["/old.html"][:2] == (301, {"Location": "/about"})
    assert ours["/download.php?id=1"][1]["Content-Disposition"] == 'attachment; filename="report-1.pdf"'
    assert [ours[t][0] for t in ("/list.php?page=99", "/nowhere", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd")] == [404] * 4
    assert [ours[t][0] for t in ("/style.css?ver=6", "/?from=wechat", "/show.php?PHPSESSID=abcdef&id=3&cat=1")] == [200] * 3


def test_same_site_same_bytes_whatever_the_timing(whole, tmp_path):
    site = DynamicSite()
    site.delay = 0.001
    with serving(site) as (port,):
        for number, (concurrency, top) in enumerate([(1, dict(reversed(TOP.items()))), (9, TOP)]):
            asked_for = replace(wanted(port, top), manners=replace(QUICK, concurrency=concurrency))
            export_site(asked_for, tmp_path / str(number), NOW, UNPROVED)
    trees = [whole[1], tmp_path / "0/current", tmp_path / "1/current"]
    contents = [{str(p.relative_to(t)): p.read_bytes() for p in t.rglob("*") if p.is_file()} for t in map(Path.resolve, trees)]
    assert contents[0] == contents[1] == contents[2]


def test_a_second_export_asks_under_conditions_and_changes_what_changed(tmp_path):
    site = DynamicSite()
    with serving(site) as (port,):
        first = export(port, tmp_path)
        tree = (tmp_path / "current").resolve()
        kept = (tree / "htdocs/logo.png").stat()
        again = export(port, tmp_path, now=NOW + timedelta(days=30))
        assert (tmp_path / "current").resolve() == tree, "nothing changed, so nothing is written"
        assert site.conditional > 20
        assert (again.written.added, again.written.changed, again.written.removed) == ((), (), ())
        site.edits["/about"] = page("关于", "<p>新的院史</p>")
        site.gone.add("/about/staff.html")
        third = export(port, tmp_path, now=NOW + timedelta(days=31))
    assert third.written.removed == ("/about/staff.html",)
    assert [name.rpartition("/")[2][:6] for name in third.written.changed] == ["about-"]
    now = (tmp_path / "current/htdocs/logo.png").stat()
    assert (now.st_ino, now.st_mtime) == (kept.st_ino, kept.st_mtime), "what did not change is the same file"
    assert [path.name for path in (tmp_path / "trees").iterdir()] == [(tmp_path / "current").resolve().name]
    assert first.written.digest != third.written.digest


def test_a_file_edited_in_the_tree_is_put_right(tmp_path):
    with serving(DynamicSite()) as (port,):
        export(port, tmp_path)
        good = (tmp_path / "current/htdocs/logo.png").read_bytes()
        (tmp_path / "current/htdocs/logo.png").write_bytes(b"defaced")
        (tmp_path / "current/htdocs/shell.php").write_bytes(b"<?php")
        export(port, tmp_path)
    assert (tmp_path / "current/htdocs/logo.png").read_bytes() == good
    assert not (tmp_path / "current/htdocs/shell.php").exists()


def test_a_tree_whose_manifest_is_lost_stays_until_there_is_another(tmp_path, monkeypatch):
    with serving(DynamicSite()) as (port,):
        export(port, tmp_path)
        (tmp_path / "current/manifest.json").write_text("lost")
        monkeypatch.setattr("planner.export.writing._file", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            export(port, tmp_path)
        assert (tmp_path / "current/htdocs/index.html").exists()
        monkeypatch.undo()
        export(port, tmp_path)
    assert json.loads((tmp_path / "current/manifest.json").read_text())["version"] == 1


KILLED = """
import sys; sys.path.insert(0, {folder!r})
from datetime import datetime
import test_export_site as t
t.export({port}, t.Path({out!r}), now=datetime.fromisoformat({now!r}))
"""


def test_resumes_after_a_kill(whole, tmp_path):
    site = DynamicSite()
    site.delay = 0.01
    with serving(site) as (port,):
        script = KILLED.format(folder=str(Path(__file__).parent), port=port, out=str(tmp_path), now=NOW.isoformat())
        for _ in range(2):
            begun = len(site.asked)
            program = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
            while len(site.asked) < begun + 50 and program.poll() is None:
                time.sleep(0.01)
            program.send_signal(signal.SIGKILL)
            program.wait()
        done = sum(1 for _ in (tmp_path / "crawl/journal.jsonl").open()) - 1
        assert done > 30
        with (tmp_path / "crawl/journal.jsonl").open("a") as file:
            file.write('{"url": "torn')
        site.delay, before = 0.0, len(site.asked)
        result = export(port, tmp_path)
    assert result.crawled.resumed
    assert len(site.asked) - before <= len(result.crawled.records) - done + 10, "what was done is not asked for again"
    assert (tmp_path / "current/manifest.json").read_bytes() == (whole[1] / "manifest.json").read_bytes()


def test_a_journal_of_last_week_is_not_gone_on_with(tmp_path):
    site = DynamicSite()
    with serving(site) as (port,):
        with opened(tmp_path / "crawl") as store:
            asyncio.run(crawl(wanted(port), store, NOW))
        old = export(port, tmp_path, now=NOW + timedelta(days=7))
        assert not old.crawled.resumed
        assert site.conditional > 10


def test_one_at_a_time(tmp_path):
    with opened(tmp_path / "crawl"), pytest.raises(Busy), serving(DynamicSite()) as (port,):
        export(port, tmp_path)


def refusal(tmp_path, change, **more):
    site = DynamicSite()
    with serving(site) as (port,):
        export(port, tmp_path)
        tree = (tmp_path / "current").resolve()
        change(site)
        result = export(port, tmp_path, **more)
    assert result.refused
    assert (tmp_path / "current").resolve() == tree
    assert (tree / "htdocs/index.html").exists()
    assert json.loads((tmp_path / "refused.json").read_text())["coverage"]["refusals"] == result.coverage.refusals
    return result


def test_refused_when_the_sitemap_is_not_whole(tmp_path):
    result = refusal(tmp_path, lambda site: site.broken.add("/only-in-map.html"))
    assert result.coverage.refusals == ["URLs of the sitemap: 66.67% answered, at least 100.00% is asked for"]
    (lack,) = result.coverage.shares["sitemap"].lacks
    assert (lack.url, lack.reason) == (HOME + "only-in-map.html", "the source answers 500")
    assert lack.by == HOME + "sitemap-1.xml.gz"


def test_refused_when_what_is_asked_for_most_lacks(tmp_path):
    result = refusal(tmp_path, lambda site: site.broken.add("/about"), top={"/about": 3, "/": 100})
    assert result.coverage.refusals[0].startswith("requests of the access log: 97.09%")
    assert [(lack.url, lack.weight) for lack in result.coverage.shares["hits"].lacks] == [(HOME + "about", 3)]


def test_accepted_all_the_same(tmp_path):
    site = DynamicSite()
    site.broken.add("/only-in-map.html")
    with serving(site) as (port,):
        result = export(port, tmp_path, replace(UNPROVED, accept=True))
    assert not result.refused
    assert json.loads((tmp_path / "current/report.json").read_text())["coverage"]["refusals"]


def test_home_that_fails_refuses(tmp_path):
    site = DynamicSite()
    site.broken.add("/")
    with serving(site) as (port,):
        result = export(port, tmp_path)
    assert result.coverage.refusals[0].startswith("the home page is not exported")


def test_a_source_that_stops_answering_ends_the_crawl(tmp_path):
    class Dying(DynamicSite):
        async def answer(self, request):
            if len(self.asked) > 40:
                request.transport.close()
            return await super().answer(request)

    with serving(Dying()) as (port,), pytest.raises(HostError, match="does not answer any more"):
        export(port, tmp_path)
    assert (tmp_path / "crawl/journal.jsonl").exists()
    assert not (tmp_path / "current").exists()


def test_nobody_there(tmp_path):
    with pytest.raises(HostError):
        export(free_port(), tmp_path)


class Orders:
    """Parameters in two orders; they matter for every fourth article, and the rest is reached one level deeper each."""

    def __init__(self, matters):
        self.matters, self.asked = matters, []

    async def answer(self, request):
        from aiohttp import web

        self.asked.append(request.raw_path)
        raw, _, query = request.raw_path.partition("?")
        links = "".join(f"<a href='/o?a=1&b={n}'>x</a><a href='/o?b={n}&a=1'>x</a>" for n in "fcdba")
        if raw == "/o":
            links = "<a href='/o?a=1&b=deep'>x</a><a href='/o?b=deep&a=1'>x</a>"
            word = query.replace("a=1", "").strip("&").partition("=")[2]
            links += f"<p>{word} {query[0] if word == self.matters else ''}"
        elif raw != "/":
            return web.Response(status=404)
        return web.Response(body=page("o", links), content_type="text/html", charset="utf-8")


@pytest.mark.parametrize(("matters", "fetched"), [("none", False), ("c", True)])
def test_orders_of_parameters_are_trusted_only_after_proof(tmp_path, matters, fetched):
    site = Orders(matters)
    with serving(site) as (port,):
        result = export_site(replace(wanted(port, {}), manners=replace(QUICK, concurrency=1)), tmp_path, NOW, UNPROVED)
    first = site.asked[site.asked.index("/o?a=1&b=a") :][:10]
    assert first == sorted(first), "asked in order, whatever the order of a set"
    assert len(first) == 10, "all of the first level are asked for"
    assert ("/o?b=deep&a=1" in site.asked) is fetched
    assert coverage.fate(HOME + "o?b=deep&a=1", result.crawled, result.made)[0] == "answered"
    assert (len({result.made.answered[HOME + f"o?{query}"] for query in ("a=1&b=c", "b=c&a=1")}) == 2) is fetched


def test_trees_share_no_file_with_the_store(whole):
    assert {path.stat().st_nlink for path in (whole[1] / "htdocs").rglob("*") if path.is_file()} == {1}


def test_a_folder_that_is_not_ours(tmp_path):
    (tmp_path / "current").mkdir()
    with serving(DynamicSite()) as (port,), pytest.raises(InputError, match="no link of ours"):
        export(port, tmp_path)


class Everything(DynamicSite):
    """200 for all that does not exist, with the path in it."""

    def route(self, path, query):
        found = super().route(path, query)
        if found is None:
            text = (
                f"<p>很抱歉，您要的 {path.decode('latin-1')} 可能搬走了，请回到首页重新开始浏览，谢谢您的理解与支持</p><a href=/>home</a>"
            )
            return 200, "text/html; charset=utf-8", page("历史学院", text)
        return found


def test_pages_that_say_200_and_mean_404(tmp_path):
    with serving(Everything()) as (port,):
        result = export(port, tmp_path)
    record = result.crawled.records[HOME + "dead.html"]
    assert (record.outcome, "does not exist" in record.reason) == ("soft_error", True)
    assert result.crawled.records[HOME + "about"].outcome == "exported"
    assert HOME + "dead.html" not in result.made.answered


def test_a_plain_page_that_says_nothing_is_there(whole):
    result, _, _ = whole
    assert not any(record.outcome == "soft_error" for record in result.crawled.records.values())


def test_names_of_one_site_and_of_another(tmp_path):
    class Named(DynamicSite):
        async def answer(self, request):
            if request.host.startswith("hist."):
                from aiohttp import web

                return web.Response(status=301, headers={"Location": HOME})
            if request.host.startswith("lib."):
                from aiohttp import web

                return web.Response(body=page("图书馆", "<p>别的网站</p>"), content_type="text/html")
            return await super().answer(request)

    with serving(Named()) as (port,):
        result = export(port, tmp_path, names=("hist.campus.test", NAME, "lib.campus.test"))
    assert result.crawled.site.name == NAME
    assert result.crawled.site.aliases == {"hist.campus.test", f"hist.campus.test:{port}", f"{NAME}:{port}"}
    assert "lib.campus.test shows another site" in result.crawled.notes[0]


def test_links_stay_unless_asked_and_https_is_written_where_asked(tmp_path):
    class Absolute(DynamicSite):
        def home(self):
            return super().home() + f"<a href='http://{NAME}/about'>a</a><a href='http://other.test/'>o</a>"

    with serving(Absolute()) as (port,):
        export(port, tmp_path / "kept")
        export(port, tmp_path / "turned", replace(UNPROVED, https=True))
    kept, turned = ((tmp_path / which / "current/htdocs/index.html").read_text() for which in ("kept", "turned"))
    assert f"http://{NAME}/about" in kept
    assert f"https://{NAME}/about" in turned
    assert "http://other.test/" in turned


class Many:
    """Ten thousand articles of two kilobytes behind lists of a hundred."""

    def __init__(self, count):
        self.count = count

    async def answer(self, request):
        from aiohttp import web

        raw, _, query = request.raw_path.partition("?")
        number = int(query.partition("=")[2] or 0) if query else 0
        if raw == "/":
            body = "".join(f"<a href='list?p={n}'>{n}</a>" for n in range(1, self.count // 100 + 1))
        elif raw == "/list":
            body = "".join(f"<a href='a?id={n}'>article</a>\n" for n in range((number - 1) * 100 + 1, number * 100 + 1))
        elif raw == "/a" and number:
            word = "".join(chr(97 + int(d)) for d in str(number))
            body = f"<h1>{word}</h1>" + f"<p>{word} text</p>" * 100
        else:
            return web.Response(status=404)
        return web.Response(body=page(f"{raw}", body), content_type="text/html", charset="utf-8")


MEASURED = """
import sys, resource; sys.path.insert(0, {folder!r})
import test_export_site as t
def use(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = use()
r = t.export({port}, t.Path({out!r}), top={{}})
print(len(r.made.answered), use() - before)
"""


@pytest.mark.parametrize("count", [int(os.environ.get("EXPORT_PAGES", "500"))])
def test_memory_is_bounded(tmp_path, count):
    """A record takes two or three kilobytes; bodies take none.  EXPORT_PAGES=10000 for the whole of it."""
    with serving(Many(count)) as (port,):
        script = MEASURED.format(folder=str(Path(__file__).parent), port=port, out=str(tmp_path))
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
    answered, grown = done.stdout.split()
    assert int(answered) == count + count // 100 + 1
    assert float(grown) < 40 + count * 0.008, "MB"


def test_answers_of_the_map_are_what_the_rule_says(whole):
    """`mapping.resolve` leads each URL to its own file."""
    made = whole[0].made
    for url, where in made.answered.items():
        if where in made.moved:
            continue
        path, _, query = url.removeprefix(HOME[:-1]).partition("?")
        assert where == next(name for name in mapping.resolve(made, path, query) if name in made.files), url
