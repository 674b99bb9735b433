"""The pure part: decoding, links, noise, verdicts, file listings and the script that makes them."""

import os
import shutil
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.inspection.pages import cookie_shape, decode, digest
from inventory.inspection.references import absolute, is_address, may_request
from planner.comparison import PageResult, compare_pages, summarise
from planner.contents import CHECKSUM_SCRIPT, Entry, compare_files, compare_rows, parse_checksums
from planner.noise import merge, shape, unexplained

URL = "http://www.hist.campus.test/a/b.html"


def html(body: str, headers: tuple[tuple[str, str], ...] = (), charset: str = "utf-8", **more):
    return digest(URL, 200, [("Content-Type", "text/html"), *headers], body.encode(charset), **more)


@pytest.mark.parametrize(
    ("body", "header", "meta", "text"),
    [
        ("历史".encode("gbk"), "", "gb2312", "历史"),
        ("历史".encode("gbk"), "", "", "历史"),
        ("历史".encode(), "", "", "历史"),
        ("历史".encode()[:-1], "", "", "历"),
        (b"\xef\xbb\xbf" + "历史".encode(), "gbk", "gbk", "历史"),
        ("歷史".encode("big5"), "big5", "gbk", "歷史"),
        ("历史".encode(), "rot13", "", "历史"),
        ("历".encode("gbk"), "", "utf-16", "��"),
        (b"caf\xe9", "iso-8859-1", "", "café"),
    ],
)
def test_decoding_follows_the_browser(body, header, meta, text):
    assert decode(body, header, meta) == text


@pytest.mark.parametrize(
    ("reference", "charset", "url"),
    [
        ("c.html#x", "utf-8", "http://www.hist.campus.test/a/c.html"),
        ("/新闻?q=新闻", "gbk", "http://www.hist.campus.test/%E6%96%B0%E9%97%BB?q=%D0%C2%CE%C5"),
        ("/a b\n.html", "utf-8", "http://www.hist.campus.test/a%20b.html"),
        ("..\\x.html", "utf-8", "http://www.hist.campus.test/x.html"),
        ("//大学.test/", "utf-8", "http://xn--pss25c.test/"),
        ("https://WWW.hist.campus.test:443/%zz", "utf-8", "https://www.hist.campus.test/%zz"),
        ("javascript:alert(1)", "utf-8", ""),
        ("mailto:a@b", "utf-8", ""),
        ("http://[bad", "utf-8", ""),
        ("http://a:99999/", "utf-8", ""),
    ],
)
def test_links_become_what_a_browser_requests(reference, charset, url):
    assert absolute(URL, reference, charset) == url


@pytest.mark.parametrize(
    "path",
    [
        "/logout",
        "/user/logOut.php",
        "/x?action=delete",
        "/x?a=b&do=del",
        "/wp-admin/x.php",
        "/wp-login.php",
        "/%E5%88%A0%E9%99%A4",
    ],
)
def test_dangerous_urls(path):
    assert not may_request("http://h.test" + path)


@pytest.mark.parametrize("path", ["/", "/news/model.html", "/delta?page=2", "/js/delete.js", "/address?order=1"])
def test_harmless_urls(path):
    assert may_request("http://h.test" + path)


def test_a_page_is_taken_apart():
    page = html(
        "<title> a &amp;\n b</title><style>i{background:url('i.png')}</style><p>one<b>two</b><p>three"
        "<script>x()</script>"
        "<form method=post action=/s><input name=b><input name=a></form><a href=l.html>l</a> at 198.51.100.11,"
        " 198.51.100.110",
        (("Set-Cookie", "S=1; HttpOnly; Path=/; Max-Age=9"), ("X-Frame-Options", "DENY"), ("Server", "x")),
        old_addresses=["198.51.100.11", "98.51.100.11"],
    )
    assert page.title == "a & b"
    assert page.lines[:2] == ("onetwo", "three")
    assert page.inline == ("i{background:url('i.png')}", "x()")
    assert page.assets == {"http://www.hist.campus.test/a/i.png"}
    assert page.links == {"http://www.hist.campus.test/a/l.html"}
    assert page.forms == {"POST http://www.hist.campus.test/s a,b"}
    assert page.cookies == {"S; httponly; path=/"}
    assert page.headers == {"x-frame-options": "DENY"}
    assert page.addresses == ("198.51.100.11",)


def test_old_addresses_are_a_warning_only():
    page = html("<p>see 198.51.100.11")
    result = compare_pages(page, page, replace(page, addresses=("198.51.100.11",)))
    assert result.outcome == "equal"
    assert [(d.kind, d.severity) for d in result.differences] == [("old_address", "warn")]


def test_an_error_in_the_midst_of_noise_is_seen():
    first, second = html("<p>1 x<p>8f1a"), html("<p>2 x<p>77ab")
    other = html("<p>3 x<p><b>Warning</b>: mysqli_connect() in /srv/x.php")
    assert "error_text" in {d.kind for d in compare_pages(first, second, other).differences}


def test_a_source_that_changes_wholly_is_not_compared():
    first, second, other = (html(f"<p>{' '.join(f'{seed}{n}' for n in range(99))}") for seed in "abc")
    result = compare_pages(first, second, other)
    assert (result.outcome, result.reason.partition(":")[0]) == ("not_compared", "source unstable")


def test_a_lost_cookie_flag_blocks_and_a_gained_one_warns():
    plain, safe = html("x", (("Set-Cookie", "S=1"),)), html("x", (("Set-Cookie", "S=1; Secure"),))
    assert compare_pages(safe, safe, plain).outcome == "different"
    gained = compare_pages(plain, plain, safe)
    assert (gained.outcome, [d.severity for d in gained.differences]) == ("equal", ["warn"])


def test_error_pages_differ_only_by_status():
    ours, theirs = (replace(html(f"<p>{text}"), status=404) for text in ("Apache", "nginx"))
    assert compare_pages(ours, ours, theirs).outcome == "equal"
    assert compare_pages(ours, ours, replace(theirs, status=403)).outcome == "different"


def test_excerpts_are_short():
    long = "字" * 5000
    found = compare_pages(html("<p>a"), html("<p>a"), html(f"<p>{long}")).differences
    assert [len(d.destination) for d in found] == [500]


def result(url: str, outcome: str, status: int = 200, **more) -> PageResult:
    return PageResult(url, outcome, status=status, **more)


@pytest.mark.parametrize(
    ("pages", "verdict"),
    [
        ([], "insufficient"),
        ([result("/", "not_compared")], "insufficient"),
        ([result("/", "equal", 301)], "insufficient"),
        ([result("/a", "equal")], "insufficient"),
        ([result("/", "equal"), result("/a", "not_compared")], "insufficient"),
        ([result("/", "equal"), result("/a", "not_compared", by_design=True)], "equal"),
        ([result("/", "equal")], "equal"),
        ([result("/a", "different")], "different"),
    ],
)
def test_verdicts(pages, verdict):
    assert summarise(pages, required=["/"]).verdict == verdict


LINES = st.lists(st.sampled_from(["甲", "乙 1", "丙 2 x", "丁", "x"]), max_size=12)


@given(LINES, LINES, LINES)
def test_merge_covers_everything_that_differs(first, second, other):
    stretches = list(merge(first, second, other))
    for index, whole in enumerate((first, second, other)):
        assert sum(len(s[index]) for s in stretches) <= len(whole)
    kept = {len(whole) - sum(len(s[i]) for s in stretches) for i, whole in enumerate((first, second, other))}
    assert len(kept) == 1
    assert bool(stretches) == (not first == second == other)


@given(LINES, LINES)
def test_a_stable_source_hides_nothing_and_the_same_answer_is_never_a_difference(first, other):
    assert bool(unexplained(first, first, other)) == (first != other)
    assert unexplained(first, other, other) == []


@settings(max_examples=150)
@given(
    st.binary(max_size=400),
    st.sampled_from(["text/html", "text/css", "text/xml", "", "image/png", "text/html; charset=gbk"]),
)
def test_hostile_bodies_never_raise(body, media):
    page = digest(URL, 200, [("Content-Type", media), ("Set-Cookie", media), ("Location", "http://[")], b"<a href='" + body)
    assert compare_pages(page, page, page).outcome == "equal"


@given(st.text(max_size=60))
def test_urls_never_raise(text):
    url = absolute(URL, text)
    assert url == "" or (url.isascii() and " " not in url)
    may_request(text)
    shape(text)
    cookie_shape(text)
    is_address(text)


def test_deep_nesting_is_read_in_linear_time():
    assert html("<div>" * 100_000 + "end").lines == ("end",)


A, B = "a" * 64, "b" * 64


def test_files_compared():
    source = {
        "same": Entry("f", A, 1),
        "lost": Entry("f", A, 1),
        "changed.pdf": Entry("f", A, 9),
        "longer": Entry("f", A, 9),
        "link": Entry("l", "x", 0),
        "gone link": Entry("l", "x", 0),
        "kind": Entry("l", "x", 0),
        "wp-config.php": Entry("f", A, 9),
        "cache/x/y.tmp": Entry("f", A, 9),
        "closed": Entry("?", "", 9),
    }
    destination = {
        "same": Entry("f", A, 1),
        "changed.pdf": Entry("f", B, 9),
        "longer": Entry("f", B, 10),
        "link": Entry("l", "y", 0),
        "kind": Entry("f", A, 1),
        "wp-config.php": Entry("f", B, 9),
        "more": Entry("f", A, 1),
        "closed": Entry("f", A, 9),
    }
    found = compare_files(source, destination, ["wp-config.php", "cache/*"])
    assert [(d.name, d.kind) for d in found.differences] == [
        ("changed.pdf", "content"),
        ("gone link", "missing"),
        ("kind", "type"),
        ("link", "link"),
        ("longer", "size"),
        ("lost", "missing"),
        ("more", "extra"),
    ]
    assert found.ignored == ("cache/x/y.tmp", "wp-config.php")
    assert [d.name for d in found.not_compared] == ["closed"]
    assert (found.verdict, found.compared) == ("different", 5)
    assert compare_files({}, {}).verdict == "insufficient"
    assert compare_files({"a": source["closed"]}, {"a": source["same"]}).verdict == "insufficient"
    assert compare_files({"a": source["same"]}, {"a": source["same"]}).to_json()["verdict"] == "equal"


def test_rows_compared():
    found = compare_rows(
        {"a": (1, A), "b": (2, A), "c": (3, A), "d": (4, A), "e": (5, None)},
        {"a": (1, A), "b": (3, A), "c": (3, B), "e": (5, A), "f": (0, A)},
    )
    assert [(d.name, d.kind) for d in found.differences] == [
        ("b", "rows"),
        ("c", "content"),
        ("d", "missing"),
        ("f", "extra"),
    ]
    assert [d.name for d in found.not_compared] == ["e"]
    assert compare_rows({}, {}).verdict == "insufficient"
    assert compare_rows({"a": (1, A)}, {"a": (1, A)}).verdict == "equal"


def written(path: str) -> str:
    return path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.tuples(st.text(min_size=1, max_size=9), st.integers(0, 10**12))))
def test_listings_round_trip(files):
    lines = "".join(f"l {written(t).replace(' ', chr(92) + 's')} {n} - {written(p)}\n" for p, (t, n) in files.items())
    listing = parse_checksums(lines)
    assert listing.entries == {p: Entry("l", t, n) for p, (t, n) in files.items()}
    assert listing.malformed == 0


@given(st.text())
def test_any_text_is_a_listing(text):
    listing = parse_checksums(text)
    assert len(listing.entries) + listing.malformed <= text.count("\n") + 1


def test_damaged_lines_are_counted():
    assert parse_checksums(f"f {A} 1 - x\nf {A[:9]} 1 - y\nf {A} 1 - x\n").malformed == 2


SHELLS = [pytest.param([s], id=s) for s in ("sh", "bash") if shutil.which(s)]
if shutil.which("busybox"):
    SHELLS.append(pytest.param(["busybox", "sh"], id="busybox"))


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_lists_odd_names(shell, tmp_path):
    names = [
        "plain",
        "d e/ sp ace ",
        "nl\nin",
        "end\n",
        "back\\slash\\n",
        "cr\rx",
        "中文.pdf",
        "quote'\"$x`id`",
        "-dash",
        "*[x",
    ]
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    links = {"ln": "plain", "l\nn": "a b\\c\nd\n", "dangling": "../no where"}
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
    done = subprocess.run([*shell, "-s", str(tmp_path)], input=CHECKSUM_SCRIPT.encode(), capture_output=True, check=True)
    listing = parse_checksums(done.stdout.decode())
    assert listing.malformed == 0
    assert sorted(name for name, entry in listing.entries.items() if entry.type != "d") == sorted([*names, *links])
    assert listing.entries["d e"].type == "d"
    assert all(
        entry.type == "l" or (entry.owner, len(entry.mode)) == (f"{os.getuid()}:{os.getgid()}", 4) for entry in listing.entries.values()
    )
    assert {p: e.value for p, e in listing.entries.items() if e.type == "l"} == links
    plain = subprocess.run(["sha256sum"], input=b"end\n", capture_output=True, check=True).stdout.decode()[:64]
    assert replace(listing.entries["end\n"], owner="", mode="") == Entry("f", plain, 4)
    assert compare_files(listing.entries, listing.entries).verdict == "equal"


def test_the_script_says_when_there_is_no_directory(tmp_path):
    done = subprocess.run(["sh", "-s", str(tmp_path / "no")], input=CHECKSUM_SCRIPT.encode(), capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
