"""The report: hostile text stays text, nothing is loaded, the same input gives the same bytes, and every word exists in Chinese."""

import json
import re
import stat
import string
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from babel.messages import extract

from inventory import catalogue, model, ownership, ssh, storing
from inventory.errors import InputError
from inventory.probes.base import Observation
from planner import assessment, comparison, contents, i18n, policy, report, reportpage, reportruns, shipped
from planner.movesteps import steps
from planner.reportwords import Words

STEPS = steps("virtual-host")

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=timezone(timedelta(hours=8)))
THEN = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>{{ lookup('pipe','id') }}\"'\n\u202egnp.exe\x1b[31m&amp;" + "W" * 400
RULES = policy.load()


def fact(value, *evidence, why=""):
    return {"value": value, "evidence": list(evidence), "why": why}


def static_facts(**more):
    known = {"site.static": True, "site.php": False, "site.docroot": "/srv/a", "site.names": ["a.x.test"], "site.odd_names": [], "site.declared": True,
             "content.links_outside": [], "content.bytes": 12_345_678, "content.files": 7, "content.newest": "2026-11-20T10:00:00Z"}  # fmt: skip
    return {name: fact(value, [1, "nginx", 12]) for name, value in (known | more).items()}


def journal(session, move, *lines, plan="plan-1", run="run-1"):
    for step, event, seconds, *detail in lines:
        session.add(
            model.Journal(
                plan_id=plan, move=move, step=step, event=event, at=THEN + timedelta(seconds=seconds), run=run, detail=dict(*detail)
            )
        )
        session.flush()


def done(*steps, at=0):
    return [
        line
        for n, step in enumerate(steps)
        for line in ((step, "started", at + 10 * n), (step, "done", at + 10 * n + 8, {"seconds": 8.0, "changed": 2}))
    ]


def move(name, **more):
    source = {"host": "h1", "address": "192.0.2.1"}
    destination = {"platform": "vh1", "address": "192.0.2.9"}
    dns = {"records": [{"name": f"{name}.x.test"}]}
    return {"id": name, "site": f"{name}.x.test", "unit": "phys", "placement": "virtual-host", "profile": "static", "wave": 1, "steps": list(STEPS),
            "bytes": 10, "files": 2, "source": source, "destination": destination, "dns": dns} | more  # fmt: skip


def fill(session, text="plain"):
    session.add(model.Unit(code="phys", name_en=text, name_zh="物理学院", details={"class": "school", "head": text}))
    session.flush()
    session.add(model.Host(id=1, name=text, address="192.0.2.1", unit_code="phys", outcome="ok", outcome_detail="", visited_at=THEN))
    session.add(model.Host(id=2, name="h2", address="192.0.2.2", outcome="auth", outcome_detail=text))
    session.flush()
    session.add(model.Snapshot(id=1, host_id=1, taken_at=THEN, privilege="root", seconds=1, transcript=b"", sections=[]))
    session.flush()
    seen = Observation("os", {"id": "debian", "version": "11", "name": text}, 1)
    storing.replace_observations(session, session.get_one(model.Snapshot, 1), [("system", seen)], (), "root")
    facts = static_facts(**{"site.docroot": f"/srv/{text}", "application.name": text})
    facts["declared.name"] = fact(text, ["declared", f"/home/a/{text}.csv:3", 0], why="declared in /home/a/s.csv:3")
    for number, (name, status, host) in enumerate(
        [(f"{text}a", "both", 1), ("b.x.test", "undeclared", 1), ("c.x.test", "missing", None)], start=1
    ):
        own = facts if host else {}
        session.add(
            model.Workload(id=number, name=name, host_id=host, unit_code="phys" if host else None, owner_reason="declared in /home/a/s.csv:3", status=status,
                           names=[name, text], facts=own, identified_at=THEN)
        )  # fmt: skip
        session.flush()
        if host:
            verdict = assessment.assess(own, RULES)
            session.add(
                model.Verdict(workload_id=number, recommendation=verdict.recommendation, strength=verdict.strength, data=verdict.to_json(),
                              rules_hash=RULES.hash, facts_hash=assessment.facts_hash(own), assessed_at=THEN)
            )  # fmt: skip
    document = {
        "moves": [move("a", site=text), move("b"), move("c"), move("d")],
        "left": [{"site": text, "unit": "phys", "recommendation": "", "why": text}],
    }
    session.add(model.Plan(id="plan-1", fingerprint="f" * 64, document=document, created_at=THEN))
    journal(session, "a", *done(*STEPS))
    journal(session, "b", *done(*STEPS[:6]), ("cutover", "started", 60), ("cutover", "failed", 70, {"error": f"{text}\nsecond line"}),
            ("freeze", "undo-started", 71), ("freeze", "undone", 75))  # fmt: skip
    journal(session, "c", *done(*STEPS[:3]), ("freeze", "started", 40))
    page = comparison.PageResult(f"http://a.x.test/{text}", "different", (comparison.Difference("text", text, ""),), "", 200)
    skipped = comparison.PageResult("http://a.x.test/logout", "not_compared", (), "not requested: it may change something", by_design=True)
    files = contents.FilesComparison(
        "different", "1 files differ", 3, (contents.ContentDifference(text, "missing", f"f {'a' * 64} 18233"),), (), ("x",)
    )
    parts = {"pages": comparison.summarise([page, skipped]).to_json(), "files": files.to_json(), "rows": None}
    session.add(model.Comparison(plan_id="plan-1", move="a", at=THEN, verdict="different", data=json.loads(json.dumps(parts))))
    session.flush()


@pytest.fixture
def book(tmp_path):
    opened = catalogue.open_catalogue(f"sqlite:///{tmp_path / 'c.db'}")
    yield opened
    opened.close()


def made(book, language="en", text="plain"):
    with book.session() as session:
        fill(session, text)
    with book.session() as session:
        found = report.gather(session, NOW, rules=RULES, language=language)
    return found, report.render(found, language)


class Page(HTMLParser):
    """What a browser would see: tags, attributes, and whether they are nested well."""

    VOID = frozenset({"meta", "br", "wbr", "rect", "line", "path", "link", "img", "input"})

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open, self.text = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_hostile_text_stays_text(book, language):
    _, text = made(book, language, HOSTILE)
    page = Page(text)
    assert not {"script", "iframe", "img", "link", "object", "form", "base"} & set(page.tags)
    assert not [entry for entry in page.attributes if entry[1].startswith("on")]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ lookup(" in text
    assert "⏎⟨U+202E⟩gnp.exe⟨U+001B⟩[31m&amp;amp;" in text
    assert all(c == "\n" or reportpage.visible(c) == c for c in text)
    assert "W" * 400 in "".join(page.text)


def test_nothing_is_loaded_and_links_lead_inside(book):
    found, text = made(book)
    page = Page(text)
    targets = {value for _, name, value in page.attributes if name == "id"}
    links = [value for _, name, value in page.attributes if name in {"href", "src", "srcset", "action", "data", "poster"}]
    assert links and all(link.startswith("#") and link[1:] in targets for link in links)
    assert len(targets) == sum(name == "id" for _, name, _ in page.attributes)
    assert not re.search(r"url\(|@import|javascript:", text)
    assert "default-src 'none'" in text
    assert f"http://a.x.test/{'plain'}" in "".join(page.text)
    assert found.counts["moves"] == {"done": 1, "failed": 1, "running": 1, "planned": 1}


def test_same_input_same_bytes(book, tmp_path):
    found, text = made(book)
    with book.session() as session:
        again = report.gather(session, NOW, rules=RULES)
    assert again == found
    assert report.render(again) == text
    later = {name: value for name, value in vars(found).items() if name != "at"}
    assert report.render(report.Report(at=NOW + timedelta(days=1), **later)) != text


def test_accessible(book):
    _, text = made(book)
    page = Page(text)
    levels = [int(tag[1]) for tag in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert page.tags.count("caption") == page.tags.count("table")
    pictures = [entry for entry in page.attributes if entry[0] == "svg" and entry[1] in {"aria-label", "aria-hidden"}]
    assert len(pictures) == page.tags.count("svg")
    assert ("html", "lang", "en") in page.attributes


def test_what_it_says(book):
    found, text = made(book)
    assert [site.status for site in found.sites] == ["undeclared", "both", "missing"]
    first = next(item for item in found.moves if item.id == "a")
    assert [round(span.seconds) for span in first.freezes] == [38]  # from freeze started to cutover done
    assert first.freezes[0].ended_by == "cutover"
    second, third = (next(item for item in found.moves if item.id == name) for name in "bc")
    assert [step.state for step in second.runs[0].steps][-2:] == ["failed", "undone"]
    assert second.freezes[0].ended_by == "freeze"
    assert third.freezes[0].ended is None and found.attention["frozen"] == (third,)
    assert third.runs[0].steps[-1].state == "open"
    host = found.hosts[1]
    assert (host.support_ends.isoformat(), host.supported) == ("2026-08-31", False)
    assert found.hosts[0].support_ends is None and found.hosts[0].supported is None
    part = first.comparisons[0].parts[0]
    assert (part.compared, part.different, part.unknown) == (1, 1, 1) and first.comparisons[0].absent == ("rows",)
    for words in ("nginx:12", "2026-11-24 06:00", "UTC+08:00", "f" * 64, "not requested: it may change something", "18.2 kB, sha256 aaaa"):
        assert words in text


def test_reasons_speak_the_reports_language_only_with_the_same_rules(book):
    _, text = made(book, "zh_CN")
    assert "纯静态文件" in text and "物理学院" in text and "申报于 s.csv:3" in text
    with book.session() as session:
        other = report.gather(session, NOW, rules=policy.RuleSet(RULES.rules[1:]), language="zh_CN")
    assert "Plain files only" in report.render(other, "zh_CN")


def test_changed_facts_are_said(book):
    made(book)
    with book.session() as session:
        site = session.get_one(model.Workload, 2)
        site.facts = {**site.facts, "site.static": fact(False)}
    with book.session() as session:
        found = report.gather(session, NOW)
    assert [site.verdict.current for site in found.sites if site.verdict] == [False, True]


def test_empty_catalogue(book):
    with book.session() as session:
        found = report.gather(session, NOW)
    for language in i18n.LANGUAGES:
        Page(report.render(found, language))


def test_many_entries_are_cut(book):
    with book.session() as session:
        files = [contents.ContentDifference(f"f{n}", "extra") for n in range(1000)]
        data = {"pages": None, "files": contents.FilesComparison("different", "", 0, tuple(files), ()).to_json(), "rows": None}
        session.add(model.Comparison(plan_id="gone", move="m", at=THEN, verdict="different", data=data))
        session.flush()
        found = report.gather(session, NOW)
    part = found.moves[0].comparisons[0].parts[0]
    assert (len(part.differences), part.more, part.different) == (reportruns.SHOWN, 1000 - reportruns.SHOWN, 1000)


def test_written_for_its_owner_only(tmp_path):
    path = tmp_path / "reports" / "report.html"
    report.write(path, "one")
    report.write(path, "two")
    assert path.read_text() == "two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["report.html"]
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError):
        report.write(tmp_path / "file" / "report.html", "no")


def messages():
    """Every string that the report may show, with its place."""
    root = shipped.folder("templates") / "reports"
    options = {"extensions": "jinja2.ext.i18n", "silent": "false", "trim_blocks": "true"}
    keywords = {"_": None, "N_": None, "ngettext": (1, 2)}
    for path in sorted(root.glob("*.j2")):
        with path.open("rb") as file:
            yield from (
                (path.name, found[1]) for found in extract.extract("jinja2.ext:babel_extract", file, keywords=keywords, options=options)
            )
    for path in sorted(shipped.PACKAGE.glob("report*.py")):
        with path.open("rb") as file:
            yield from ((path.name, found[1]) for found in extract.extract("python", file, keywords=keywords))
    yield from (("inventory.ssh", text) for text in ssh.OUTCOMES.values())


def test_every_string_is_translated():
    chinese = i18n.catalogue("zh_CN")
    found = list(messages())
    assert len(found) > 300
    lacking = sorted(
        {f"{place}: {text}" for place, text in found if (entry := chinese.get(text)) is None or not any(entry.string) or entry.fuzzy}
    )
    assert not lacking, "no zh_CN translation in planner/locale for:\n" + "\n".join(lacking)


def test_translations_are_sound():
    chinese = i18n.catalogue("zh_CN")
    used = {text if isinstance(text, str) else text[0] for _, text in messages()} | {rule.fix for rule in RULES.rules}
    for entry in chinese:
        if not entry.id:
            continue
        source = entry.id if isinstance(entry.id, str) else entry.id[1]
        translated = entry.string if isinstance(entry.string, str) else entry.string[0]
        assert list(entry.check(chinese)) == [], source
        fields = [sorted(name for _, name, _, _ in string.Formatter().parse(text) if name) for text in (source, translated)]
        assert fields[0] == fields[1], source
        assert (entry.id if isinstance(entry.id, str) else entry.id[0]) in used, f"unused: {source}"


@pytest.mark.parametrize("rule", RULES.rules, ids=lambda rule: rule.id)
def test_advice_is_translated(rule):
    assert not rule.fix or rule.fix_zh


def test_sentences_carry_their_values():
    chinese = Words(i18n.translator("zh_CN"), UTC)
    assert chinese.sentence("its verdict is vps; this planner carries out site-cluster and virtual-host").startswith(
        "评估结论为“虚拟专用服务器（VPS）”"
    )
    assert chinese.sentence("source: no answer within 20 s") == "源站：20 秒内无响应"
    assert chinese.sentence("{0.__class__} nobody wrote this") == "{0.__class__} nobody wrote this"
    assert chinese.sentence("declared in /a/{n}.csv:3") == "申报于 {n}.csv:3"
    assert chinese.difference("header x-frame-options") == "响应头 x-frame-options"
    assert chinese.duration(245) == "4 分 05 秒"
    assert chinese.value("use.last", "23/Nov/2026:23:32:12 +0000") == "2026-11-23 23:32"
    assert chinese.value("use.last_human", "23/Nov/2026:23:32:12 +0000") == "2026-11-23 23:32"
    assert chinese.sentence("confirmed by Wang Fang on 2026-03-01: letter") == "Wang Fang 于 2026-03-01 确认：letter"
    assert chinese.sentence("confirmed by Wang Fang on 2026-03-01") == "Wang Fang 于 2026-03-01 确认"
    assert chinese.value("owner.reasons", [{"kind": "docroot", "why": "its files lie in /home/phys"}]) == "文件位于 /home/phys"
    assert chinese.value("owner.clues", [{"kind": "docroot", "text": "/home/phys", "evidence": []}]) == "/home/phys"
    assert chinese.value("site.php_settings", {"memory_limit": ["256M", "/etc/php.ini"]}) == "memory_limit = 256M"


@pytest.mark.parametrize("reason", ownership.rules().reasons.values(), ids=lambda reason: reason.why)
def test_reasons_for_owners_are_translated(reason):
    said = reason.why.replace("{text}", "x.y")
    assert Words(i18n.translator("zh_CN"), UTC).sentence(said) not in {said, ""}


def test_no_such_language():
    with pytest.raises(InputError):
        i18n.translator("de")
