"""A comparison's page and a move's acceptance pack: hostile text stays text, nothing is loaded, both languages, the same bytes each time."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[1]))
from restless_site import NAME, Site
from sample_plan import document, move

from inventory import catalogue, model
from inventory.errors import NotFound, PlanError
from planner import acceptance, comparisonpage, contents, thresholds, verificationwords
from planner.comparison import Difference, PageResult, Traffic, summarise

AT = datetime(2026, 12, 1, 22, 0, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>{{ 7*7 }}\u202egnp.\x1b[31m&amp;'\""
STEPS = ("lower-ttl", "provision", "preseed", "freeze", "sync", "verify", "cutover", "watch")


class Seen(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.said = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_data(self, data):
        self.said.append(data)


def safe(page: str) -> Seen:
    seen = Seen(page)
    assert not {"script", "img", "iframe", "link", "object"} & set(seen.tags)
    assert not [name for name, _ in seen.attributes if name.startswith("on") or name in ("src", "href", "action")]
    policy = (
        dict(seen.attributes)["content"],
        [value for name, value in seen.attributes if value and value.startswith("default-src 'none'")],
    )
    assert policy[1]
    assert "\u202e" not in page
    assert "\x1b" not in page
    return seen


def site(text="plain"):
    pages = [
        PageResult(f"http://a.x.edu/{text}", "different", (Difference("text", f"旧 {text} 甲", f"新 {text} 乙"),), "", 200, 0.1, 0.2),
        PageResult("http://a.x.edu/", "equal", (Difference("slow", "0.1 s", "9.0 s", "warn"),), "", 200, 0.1, 0.2),
        PageResult("http://a.x.edu/logout", "not_compared", (), "not requested: it may change something", by_design=True),
    ]
    return summarise(pages, traffic=Traffic({"http://a.x.edu/": 80, "http://a.x.edu/logout": 100}, 200))


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_the_page_of_a_comparison_shows_both_sides_and_lets_nothing_in(language):
    page = comparisonpage.page(site(HOSTILE).to_json(), {"site": HOSTILE, "source": HOSTILE, "destination": HOSTILE}, AT, language)
    seen = safe(page)
    text = "".join(seen.said)
    assert "alert(1)" in text, "it is shown"
    assert "mark" in seen.tags
    assert "40.0 %" in text
    assert comparisonpage.page(site(HOSTILE).to_json(), {"site": HOSTILE, "source": HOSTILE, "destination": HOSTILE}, AT, language) == page
    assert ("不一致" in text) == (language == "zh_CN")


def test_what_differs_is_marked_and_only_that():
    ours, theirs = comparisonpage.marked("阅读 <b> 旧的", "阅读 <b> 新的")
    assert (str(ours), str(theirs)) == ("阅读 &lt;b&gt; <mark>旧</mark>的", "阅读 &lt;b&gt; <mark>新</mark>的")


def test_every_word_is_there_in_both_languages_with_the_same_places():
    for key, (english, chinese) in verificationwords.WORDS.items():
        places = [sorted(part.partition("}")[0] for part in text.split("{")[1:]) for text in (english, chinese)]
        assert places[0] == places[1], key
        assert english != chinese


@pytest.fixture
def book(tmp_path):
    opened = catalogue.open_catalogue(f"sqlite:///{tmp_path / 'c.db'}")
    yield opened
    opened.close()


def filled(book, text="plain", verdict="equal", **more):
    made = document(move("a", **more))
    with book.session() as session:
        session.add(model.Unit(code="hist", name_en=text, name_zh="历史学院", details={}))
        session.add(model.Plan(id=made["id"], fingerprint="f" * 64, document=made, created_at=AT))
        session.flush()
        for n, step in enumerate(STEPS):
            for event, later in (("started", 0), ("done", 50)):
                at = AT + timedelta(minutes=n, seconds=later)
                session.add(model.Journal(plan_id=made["id"], move="a-x-edu", step=step, event=event, at=at, run="r", detail={}))
                session.flush()
        lost = contents.ContentDifference(text, "mode", "0644", "0600", "warn")
        files = contents.FilesComparison(verdict, "9 files are equal", 9, (lost,), (), ("wp-config.php",))
        meant = contents.ContentDifference("collation of posts", "collation", "a=utf8mb4_0900_ai_ci", "a=utf8mb4_unicode_520_ci", "design")
        rows = contents.RowsComparison("equal", "3 tables are equal", 3, (meant,), ())
        data = {"pages": site(text).to_json(), "files": files.to_json(), "rows": rows.to_json(), "tls": None}
        session.add(model.Comparison(plan_id=made["id"], move="a-x-edu", at=AT, verdict=verdict, data=json.loads(json.dumps(data))))
    return made


def packed(book, made, name="a-x-edu"):
    with book.session() as session:
        return acceptance.files(acceptance.gather(session, made, name, AT))


def test_the_pack_says_what_moved_and_what_was_compared(book):
    made = packed(book, filled(book))
    assert sorted(made) == ["acceptance-a-x-edu.en.html", "acceptance-a-x-edu.zh_CN.html", "comparison-a-x-edu.json"]
    english, chinese = ("".join(safe(made[f"acceptance-a-x-edu.{name}.html"].decode()).said) for name in ("en", "zh_CN"))
    for text in (
        "a.x.edu", "192.0.2.1", "192.0.2.101", "/srv/sites/w-a/htdocs", "Verify", "2026-12-01 22:05", "40.0 % of the 200 requests",
        "not requested: it may change something", "wp-config.php", "utf8mb4_0900_ai_ci", "Until 2026-12-20 the site can be taken back at once",
        "For the unit", "Content could not be changed from 2026-12-01 22:03 to 2026-12-01 22:06",
    ):  # fmt: skip
        assert text in english, text
    for text in ("验收单", "历史学院", "单位（盖章）", "2026-12-20 前可随时回退", "割接", "排序规则"):
        assert text in chinese, text
    data = json.loads(made["comparison-a-x-edu.json"])
    assert data["parts"]["rows"]["differences"][0]["severity"] == "design"


def test_the_pack_is_the_same_each_time_and_for_any_of_its_names(book):
    made = filled(book, HOSTILE)
    first = packed(book, made)
    assert packed(book, made, "a.x.edu") == first
    for name, content in first.items():
        if name.endswith("html"):
            safe(content.decode())


def test_without_a_comparison_there_is_nothing_to_accept(book):
    made = document(move("a"))
    with book.session() as session, pytest.raises(PlanError, match="never compared"):
        acceptance.gather(session, made, "a-x-edu", AT)
    with book.session() as session, pytest.raises(NotFound, match="no move"):
        acceptance.gather(session, made, "zzz", AT)


def test_thresholds_that_a_workspace_changes_and_adds(tmp_path):
    from inventory.errors import ConfigurationError

    (tmp_path / thresholds.FILE).write_text(
        "pages: {inline: blocking}\nheaders: {x-campus: blocking}\nlimits: {slower_times: 5}\nmoving: {ago: null, hits: 'hit \\d+'}\n"
        "collations: {latin1_german1_ci: [latin1_swedish_ci]}\n"
    )
    rules, basis = thresholds.load(tmp_path), thresholds.shipped()
    assert (rules.page("inline"), rules.page("header x-campus"), rules.page("title"), rules.page("slow")) == (
        "block",
        "block",
        "block",
        "warn",
    )
    assert rules.limits == basis.limits.model_copy(update={"slower_times": 5.0})
    assert {name for name, _ in rules.moving} == {name for name, _ in basis.moving} - {"ago"} | {"hits"}
    assert rules.collations.keys() > basis.collations.keys()
    (tmp_path / thresholds.FILE).write_text("pages:\n  titel: warning\n  text: harmless\nlimits: {pages_compared: 2}\n")
    with pytest.raises(ConfigurationError) as error:
        thresholds.load(tmp_path)
    places = [line.rpartition("verification.yml")[2].partition(": ")[0] for line in error.value.problems]
    assert places == [":3:9", ":4:26"], error.value.problems
    (tmp_path / thresholds.FILE).write_text("pages:\n  titel: warning\nmoving:\n  a: '('\n  b: 'x*'\n  c: null\n")
    with pytest.raises(ConfigurationError) as error:
        thresholds.load(tmp_path)
    assert [line.rpartition("verification.yml")[2].split(": ")[0] for line in error.value.problems] == [":2:10", ":4:6", ":5:6", ":6:6"]
    assert thresholds.load(tmp_path / "nowhere") is basis


def test_every_kind_of_difference_has_its_weight():
    """What the code can say, the file weighs: a kind that it does not know blocks, which nobody has decided."""
    import re

    source = (Path(comparisonpage.__file__).with_name("comparison.py")).read_text() + (
        Path(comparisonpage.__file__).with_name("verification.py")
    ).read_text()
    said = set(re.findall(r"Difference\(\s*\"([a-z_]+)\"", source)) | {
        "title",
        "text",
        "inline",
        "links",
        "assets",
        "forms",
        "redirect",
    }
    assert said <= thresholds.shipped().weights["pages"].keys()
    assert not [
        kind
        for kind in ("missing", "extra", "type", "size", "content", "link", "owner", "mode")
        if kind not in thresholds.shipped().weights["files"]
    ]


def planner(folder, *words, code=0):
    result = subprocess.run(
        [sys.executable, "-m", "planner", *map(str, words)],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUTF8": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == code, f"{words}: {result.returncode}\n{result.stdout}\n{result.stderr}"
    assert "Traceback" not in result.stderr
    return result


@pytest.fixture
def space(tmp_path):
    planner(tmp_path, "init", "space")
    settings = tmp_path / "space/planner.yml"
    settings.write_text(settings.read_text().replace("allow: []", "allow: [127.0.0.0/8]"))
    return tmp_path / "space"


def test_the_command_writes_the_pack(space):
    from planner import plandocument

    book = catalogue.open_catalogue(f"sqlite:///{space / 'catalogue.db'}")
    made = filled(book)
    book.close()
    plandocument.write(made, space / "plans" / made["id"])
    for folder in ("one", "two"):
        planner(space, "acceptance", "a.x.edu", "--out", folder)
    names = sorted(path.name for path in (space / "one").iterdir())
    assert len(names) == 3
    assert all((space / "one" / name).read_bytes() == (space / "two" / name).read_bytes() for name in names)
    assert "has no move" in planner(space, "acceptance", "zzz", "--out", "three", code=5).stderr
    assert not (space / "three").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: two servers at port 80 of the loopback")
def test_verify_says_equal_and_different_writes_the_page_and_goes_by_the_workspace(space):
    broken = ("/post/prize.html", lambda _: None)
    sites = {"127.9.7.1": Site(1), "127.9.7.2": Site(2), "127.9.7.3": Site(3, fault=broken)}
    book = catalogue.open_catalogue(f"sqlite:///{space / 'catalogue.db'}")
    with book.session() as session:
        session.add(model.Host(id=1, name="old.bio.x.edu", address="127.9.7.1", outcome="ok", outcome_detail="", visited_at=AT))
        session.flush()
        facts = {"use.top_urls": {"value": ["/post/prize.html"]}, "use.top_requests": {"value": [30]}, "use.requests": {"value": 40}}
        session.add(model.Workload(id=1, name=NAME, host_id=1, owner_reason="", status="both", names=[NAME], facts=facts, identified_at=AT))
    book.close()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start(address, site):
        runner = web.ServerRunner(web.Server(site))
        await runner.setup()
        await web.TCPSite(runner, address, 80).start()
        return runner

    runners = [asyncio.run_coroutine_threadsafe(start(*one), loop).result(5) for one in sites.items()]
    try:
        good = planner(space, "verify", NAME, "--at", "127.9.7.2", "--report", "good.html")
        assert "equal: " in good.stdout
        assert "at least 75.0 % of the 40 requests" in good.stdout
        bad = planner(space, "verify", NAME, "--at", "127.9.7.3", "--report", "bad.html", "--save", "bad.json", "--json", code=9)
        assert json.loads(bad.stdout) == json.loads((space / "bad.json").read_text())
        assert "/post/prize.html" in "".join(safe((space / "bad.html").read_text()).said)
        safe((space / "good.html").read_text())
        (space / "verification.yml").write_text("pages: {status: warning}\n")
        assert "/post/prize.html" in planner(space, "verify", NAME, "--at", "127.9.7.3").stdout
        (space / "verification.yml").write_text("pages: {statu: warning}\n")
        refused = planner(space, "verify", NAME, "--at", "127.9.7.3", code=2)
        assert "verification.yml:1:16: pages.statu: there is no such difference" in refused.stderr
    finally:
        for runner in runners:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
