"""Answers in both engines: what is stored, what supersedes what, what is taken back, and the commands around it."""

import contextlib
import io
import json
import sys
from datetime import UTC, date, datetime
from types import SimpleNamespace
from unittest import mock

import openpyxl
import pytest

from inventory import model
from inventory.catalogue import open_catalogue
from inventory.register.dates import Refused
from planner import answers, cli

AT = datetime(2026, 11, 1, 8, tzinfo=UTC)


def add_sites(book):
    with book.session() as session:
        session.add(model.Unit(code="hist", name_zh="历史学院", name_en="School of History"))
        hosts = [model.Host(name=name, address=f"192.0.2.{place}") for place, name in enumerate(("web1", "web2"), start=1)]
        session.add_all(hosts)
        session.flush()
        for name, host, names in (
            ("www.hist.x.edu@web1", 0, ["www.hist.x.edu", "hist.x.edu", "localhost"]), ("www.hist.x.edu@web2", 1, ["www.hist.x.edu"]),
            ("b.x.edu", 1, ["b.x.edu", "localhost", "*.x.edu"]), ("web1:/srv/a@b", 0, []), ("web1:/srv/a", 0, []),
            ("xn--5tzm5g.x.edu", 0, ["xn--5tzm5g.x.edu"]),
        ):  # fmt: skip
            facts = {"site.static": {"value": True, "evidence": [], "why": ""}}
            session.add(model.Workload(name=name, kind="site", host_id=hosts[host].id, unit_code="hist", status="both", names=names,
                                       declared=facts, identified_at=AT))  # fmt: skip


def given(site, question, value, on="2026-11-01", by="王老师", dated=True, origin="f.xlsx:hist!H4", remark=""):
    return site, question, value, on, by, dated, origin, remark


def store(book, *items):
    with book.session() as session:
        sites = answers.Sites(session)
        made = [answers.Given(sites.find(site), question, value, by, on, dated, origin, remark)
                for site, question, value, on, by, dated, origin, remark in items]  # fmt: skip
        return [item.action for item in answers.store(session, made, AT)]


def facts(book, *names):
    with book.session() as session:
        return answers.facts(session)(names)


def values(book, *names):
    return {name: fact["value"] for name, fact in facts(book, *names).items()}


@pytest.fixture
def sites(book):
    add_sites(book)
    return book


def test_an_answer_is_a_fact_of_the_site_on_whatever_host(sites):
    assert store(sites, given("www.hist.x.edu@web1", "still_needed", True), given("WWW.hist.x.edu", "users", 12)) == ["new", "new"]
    assert facts(sites, "www.hist.x.edu@web2", "www.hist.x.edu") == {
        "answer.still_needed": {"value": True, "evidence": [["answer", "f.xlsx:hist!H4", 0]], "why": "answered by 王老师 on 2026-11-01", "seen": "2026-11-01"},
        "answer.users": {"value": 12, "evidence": [["answer", "f.xlsx:hist!H4", 0]], "why": "answered by 王老师 on 2026-11-01", "seen": "2026-11-01"},
    }  # fmt: skip
    assert facts(sites, "hist.x.edu") != {}
    # a name that many sites have carries no answer to others
    assert facts(sites, "b.x.edu", "localhost", "*.x.edu") == {} == facts(sites)


def test_names_that_dns_does_not_know_are_whole(sites):
    store(sites, given("web1:/srv/a@b", "users", 1), given("web1:/srv/a", "users", 2), given("网站.x.edu", "users", 3))
    assert [values(sites, name) for name in ("web1:/srv/a@b", "web1:/srv/a", "xn--5tzm5g.x.edu")] == [
        {"answer.users": n} for n in (1, 2, 3)
    ]


def test_a_site_that_is_not_there_is_refused_with_the_nearest(sites):
    with sites.session() as session:
        known = answers.Sites(session)
        with pytest.raises(Refused, match=r"did you mean .*hist\.x\.edu"):
            known.find("wwww.hist.x.edu")
        with pytest.raises(Refused, match=r"b\.x\.edu, www\.hist\.x\.edu"):
            known.find("localhost")
        assert known.find("www.hist.x.edu").site == "www.hist.x.edu"


def test_the_same_is_not_stored_again_and_what_differs_supersedes(sites):
    one = given("b.x.edu", "users", 1)
    assert store(sites, one) == ["new"]
    assert store(sites, one) == ["same"]
    assert store(sites, given("b.x.edu", "users", 1, by="li", on="2026-10-01")) == ["same"]
    assert store(sites, given("b.x.edu", "users", True)) == ["changed"]  # yes is not 1
    assert store(sites, given("b.x.edu", "users", 2, on="2026-11-03")) == ["changed"]
    assert store(sites, given("b.x.edu", "users", 3, on="2026-11-02")) == ["older"]
    assert values(sites, "b.x.edu") == {"answer.users": 2}
    assert store(sites, given("b.x.edu", "users", 2, on="2026-11-20", by="li")) == ["confirmed"]
    assert facts(sites, "b.x.edu")["answer.users"]["seen"] == "2026-11-20"
    assert store(sites, given("b.x.edu", "users", 2, on="2026-11-20", by="li", remark="with guests")) == ["changed"]
    with sites.session() as session:
        rows = answers.of(session, answers.Found("b.x.edu", ("b.x.edu",)))
        assert [row.value["value"] for row in rows] == [1, True, 2, 3, 2, 2]
        assert answers.counting(rows)["users"].value == {"value": 2, "remark": "with guests"}


def test_a_cell_without_a_day_read_again_does_not_undo_what_was_said_since(sites):
    undated = given("b.x.edu", "still_needed", True, on="2026-11-01", dated=False)
    assert store(sites, undated) == ["new"]
    assert store(sites, given("b.x.edu", "still_needed", False, on="2026-11-02", origin="typed in")) == ["changed"]
    later = given("b.x.edu", "still_needed", True, on="2026-11-03", dated=False)
    assert store(sites, later) == ["outdated"]
    assert values(sites, "b.x.edu") == {"answer.still_needed": False}
    # but what comes in another cell, or with its day, is heard
    assert store(sites, given("b.x.edu", "still_needed", False, on="2026-11-04", dated=False)) == ["same"]
    assert store(sites, given("b.x.edu", "still_needed", True, on="2026-11-05", dated=False, origin="g.xlsx:hist!H4")) == ["changed"]
    assert values(sites, "b.x.edu") == {"answer.still_needed": True}
    assert store(sites, given("b.x.edu", "still_needed", False, on="2026-11-06")) == ["changed"]


def test_what_is_taken_back_is_open_again_and_kept(sites):
    store(sites, given("b.x.edu", "users", 1), given("b.x.edu", "users", 2), given("b.x.edu", "still_needed", False))
    with sites.session() as session:
        at = answers.Sites(session).find("b.x.edu")
        assert [row.value["value"] for row in answers.withdraw(session, at, "users", "li", AT)] == [1, 2]
        assert answers.withdraw(session, at, "users", "li", AT) == []
    assert values(sites, "b.x.edu") == {"answer.still_needed": False}
    with sites.session() as session:
        assert {row.withdrawn_by for row in answers.of(session, at) if row.question == "users"} == {"li"}
    assert store(sites, given("b.x.edu", "users", 1)) == ["new"]


def test_hostile_words_are_stored(sites):
    text = "a\x00b\ud800 ' \" ; DROP"
    assert store(sites, given("b.x.edu", "merged_into", text)) == ["new"]
    assert values(sites, "b.x.edu")["answer.merged_into"].endswith("' \" ; DROP")


# ---------------------------------------------------------------- the commands


def planner(folder, *words, code=0):
    """The command as the entry point runs it, in this process: a start takes longer than all that is asked of it here."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), mock.patch.object(sys, "argv", ["planner", *map(str, words)]), contextlib.redirect_stdout(out), \
            contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:  # fmt: skip
        cli.main()
    assert (ended.value.code or 0) == code, f"{words}: {ended.value.code}\n{out.getvalue()}\n{err.getvalue()}"
    return SimpleNamespace(stdout=out.getvalue(), stderr=err.getvalue())


RULES = """\
rules:
  - {id: own-roof, placements: [site-cluster, virtual-host, vps, colocation, retire], when: {fact: answer.roof, is: red}, effect: block, message: m, help: h}
  - {id: own-ghost, placements: [vps], when: {fact: answer.ghost, is: true}, effect: info, message: m, help: h}
"""
OWN = """\
questions:
  - id: roof
    kind: choice
    choices: {red: {en: 'red, or so', zh: 红}, blue: {en: blue, zh: 蓝}}
    ask: {en: 'Which colour has the roof?', zh: 屋顶是什么颜色？}
    why: {en: 'A red one attracts storks.', zh: 红色会招来鹳鸟。}
"""


def test_the_commands_from_the_question_to_the_fact(tmp_path, url):
    folder = tmp_path / "ws"
    planner(tmp_path, "init", folder)
    (folder / "planner.yml").write_text((folder / "planner.yml").read_text().replace("catalogue: catalogue.db ", f"catalogue: {url} "))
    (folder / "policy/own.yml").write_text(RULES, encoding="utf-8")
    (folder / "policy/questions.yml").write_text(OWN, encoding="utf-8")
    book = open_catalogue(url)
    add_sites(book)
    book.close()

    listed = planner(folder, "questions", "hist", "--all", "--json")
    assert "answer.ghost" in listed.stderr
    asked = [row for row in json.loads(listed.stdout) if row["question"] == "roof"]
    assert len(asked) == 6 and all(row["weight"] > 0 for row in asked)
    assert asked[0]["outcomes"][0]["answer"] == "red" and asked[0]["in_words"] == "Which colour has the roof?"
    assert "Which colour" in planner(folder, "questions", "--site", "b.x.edu").stdout
    assert "hist" in planner(folder, "questions", "nobody", code=5).stderr

    said = planner(folder, "questions", "hist", "--out", "sheets", "--site", "b.x.edu").stderr
    assert "sheets/hist.xlsx" in said
    planner(folder, "questions", "--out", "all.xlsx")
    planner(folder, "questions", "--out", "all.pdf", code=2)
    loaded = openpyxl.load_workbook(folder / "sheets/hist.xlsx")
    page = loaded["hist"]
    heads = {cell.value: cell.column for cell in page[3]}
    rows = {page.cell(row, heads["Question ID"]).value: row for row in range(4, page.max_row + 1)}
    page.cell(rows["roof"], heads["Answer"]).value = "blau"
    loaded.save(folder / "wrong.xlsx")
    page.cell(rows["roof"], heads["Answer"]).value = "蓝"
    page.cell(rows["roof"], heads["Answered by"]).value = "王老师"
    page.cell(rows["roof"], heads["Date"]).value = date(2026, 3, 1)
    loaded.save(folder / "good.xlsx")

    refused = planner(folder, "questions", "import", "wrong.xlsx", "good.xlsx", "--preview", code=2)
    assert (
        f"wrong.xlsx:hist!H{rows['roof']}" in refused.stderr and "red, or so" in refused.stderr and "nothing was written" in refused.stderr
    )
    assert "nobody answered" in planner(folder, "questions", "history", "b.x.edu").stderr
    taken = json.loads(planner(folder, "questions", "import", "good.xlsx", "--json").stdout)
    assert (taken["stored"], taken["rows"], taken["rejected"]) == (1, 1, [])
    assert json.loads(planner(folder, "questions", "import", "good.xlsx", "--json").stdout)["counts"] == {"same": 1}
    assert [
        row for row in json.loads(planner(folder, "questions", "--site", "b.x.edu", "--json").stdout) if row["question"] == "roof"
    ] == []

    planner(folder, "questions", "answer", "b.x.edu", "roof", "green", "--by", "li", code=2)
    planner(folder, "questions", "answer", "b.x.edu", "rooof", "red", "--by", "li", code=5)
    planner(folder, "questions", "answer", "b.x.edu", "roof", "red", "--by", "li", "--on", "2999-01-01", code=2)
    assert (
        "kept in the history" in planner(folder, "questions", "answer", "b.x.edu", "roof", "red", "--by", "li", "--on", "2026-02-01").stdout
    )
    assert "supersedes blue" in planner(folder, "questions", "answer", "b.x.edu", "roof", "red", "--by", "li", "--on", "2026-03-02").stdout
    told = json.loads(planner(folder, "questions", "history", "b.x.edu", "--json").stdout)
    assert [(row["value"], row["by"], row["state"]) for row in told] == [
        ("blue", "王老师", "superseded"),
        ("red", "li", "superseded"),
        ("red", "li", "counts"),
    ]
    assert "taken back" in planner(folder, "questions", "withdraw", "b.x.edu", "roof", "--by", "li").stdout
    planner(folder, "questions", "withdraw", "b.x.edu", "roof", code=5)
    assert [row for row in json.loads(planner(folder, "questions", "--site", "b.x.edu", "--json").stdout) if row["question"] == "roof"]

    (folder / "policy/questions.yml").write_text(OWN.replace("kind: choice", "kind: colour"), encoding="utf-8")
    assert "questions.yml:3:11" in planner(folder, "questions", code=2).stderr
