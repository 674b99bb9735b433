"""Questions: which are asked, what cells answer, sheets there and back."""

import io
import re
import tempfile
import zipfile
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.errors import ConfigurationError, InputError
from inventory.register.dates import Refused
from planner import answerreading, answers, answersheet, assessment, policy, questions

TODAY = date(2026, 11, 24)
FILE = """\
questions:
  - {id: still_needed, kind: yes-no, ask: {en: 'Is it needed?', zh: 是否需要？}, why: {en: w, zh: 因}}
  - {id: merged_into, kind: text, ask: {en: 'Merged, into what?', zh: 并入哪个网站？}, why: {en: w, zh: 因}}
  - id: sensitive
    kind: choice
    choices: {none: {en: 'nothing, really', zh: 无敏感信息}, personal: {en: 'health, card data', zh: 健康、一卡通}}
    ask: {en: 'Which data?', zh: 哪些信息？}
    why: {en: w, zh: 因}
  - {id: users, kind: number, ask: {en: 'How many?', zh: 多少人？}, why: {en: w, zh: 因}}
  - {id: ends, kind: date, ask: {en: 'Until when?', zh: 到何时？}, why: {en: w, zh: 因}}
  - {id: hardware, kind: yes-no, of: center, ask: {en: 'A dongle?', zh: 加密狗？}, why: {en: w, zh: 因}}
"""


def write(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    return questions.load((write(tmp_path_factory.mktemp("q"), "questions.yml", FILE),))


@pytest.fixture
def by_id(asked):
    return {question.id: question for question in asked}


# ---------------------------------------------------------------- the files


def test_the_shipped_questions_are_good_and_can_be_told_apart():
    shipped = questions.load()
    assert len(shipped) > 10
    words = [text for question in shipped for text in (question.ask.en, question.ask.zh)]
    assert len(words) == len(set(words))
    assert all(re.search(r"[\u4e00-\u9fff]", question.ask.zh) and question.ask.en.isascii() for question in shipped)
    for question in shipped:
        for language in ("en", "zh_CN"):
            for value in [True, False] if question.kind == "yes-no" else question.choices:
                assert questions.parse(question, question.shown(value, language)) == value


def test_a_later_file_replaces_and_adds(tmp_path):
    first = write(tmp_path, "a.yml", FILE)
    own = write(tmp_path, "b.yml", "questions: [{id: users, kind: yes-no, ask: {en: x, zh: 甲}, why: {en: y, zh: 乙}},"
                                   " {id: more, kind: text, ask: {en: z, zh: 丙}, why: {en: y, zh: 乙}}]")  # fmt: skip
    loaded = questions.load((first, own))
    assert [question.id for question in loaded] == ["still_needed", "merged_into", "sensitive", "users", "ends", "hardware", "more"]
    assert loaded[3].kind == "yes-no"


def test_all_problems_of_all_files_at_once_with_their_places(tmp_path):
    one = write(tmp_path, "one.yml", """\
questions:
  - {id: Bad Id, kind: yes-no, ask: {en: x, zh: 甲}, why: {en: y, zh: 乙}}
  - {id: a, kind: choice, ask: {en: x, zh: 甲}, why: {en: y, zh: 乙}}
  - {id: b, kind: number, ask: {en: x}, why: {en: y, zh: 乙}, colour: red}
""")  # fmt: skip
    two = write(tmp_path, "two.yml", """\
questions:
  - {id: a, kind: text, ask: {en: x, zh: 甲}, why: {en: y, zh: 乙}}
  - {id: a, kind: text, ask: {en: x, zh: 甲}, why: {en: y, zh: 乙}}
""")  # fmt: skip
    with pytest.raises(ConfigurationError) as error:
        questions.load((one, two))
    said = error.value.problems
    assert len(said) == 5
    for place, word in (("one.yml:2:10", "pattern"), ("one.yml:3:5", "choices belong"), ("one.yml:4:", "ask.zh"), ("one.yml:4:", "colour"),
                        ("two.yml:3:10", "stands already at")):  # fmt: skip
        assert any(place in text and word in text for text in said), (place, word, said)


@pytest.mark.parametrize("choices", [
    "{a: {en: 'Yes!', zh: 是}, b: {en: 'yes !', zh: 否}}", "{a: {en: unknown, zh: 甲}, b: {en: x, zh: 乙}}", "{a: {en: x, zh: 甲}, x: {en: y, zh: 乙}}",
])  # fmt: skip
def test_choices_that_a_cell_could_not_tell_apart_are_refused(tmp_path, choices):
    path = write(
        tmp_path, "q.yml", f"questions: [{{id: a, kind: choice, choices: {choices}, ask: {{en: x, zh: 甲}}, why: {{en: y, zh: 乙}}}}]"
    )
    with pytest.raises(ConfigurationError, match=r"written"):
        questions.load((path,))


def test_the_rules_folder_may_hold_questions(tmp_path):
    write(tmp_path, "questions.yml", FILE)
    assert policy.load((policy.SHIPPED, tmp_path)).hash == policy.load().hash


# ---------------------------------------------------------------- cells


@pytest.mark.parametrize(("question", "cell", "value"), [
    ("still_needed", "是", True), ("still_needed", " YES ", True), ("still_needed", "√", True), ("still_needed", True, True), ("still_needed", 1, True),
    ("still_needed", "y", True), ("still_needed", "否", False), ("still_needed", "×", False), ("still_needed", "Ｎｏ", False), ("still_needed", 0.0, False),
    ("still_needed", None, None), ("still_needed", "", None), ("still_needed", "  ", None), ("still_needed", "未知", None), ("still_needed", "-", None),
    ("sensitive", "none", "none"), ("sensitive", "nothing, really", "none"), ("sensitive", "无敏感信息", "none"),
    ("sensitive", "健康、一卡通", "personal"), ("sensitive", "Health card data", "personal"), ("sensitive", "不详", None),
    ("merged_into", "www.x.edu\u0007", "www.x.edu"), ("merged_into", "无", ""), ("merged_into", "None", ""), ("merged_into", "=1+1", "=1+1"),
    ("merged_into", 12, "12"),
    ("users", 1200, 1200), ("users", "约1.5万", 15000), ("users", "１，２００", 1200), ("users", 2.5, 2.5), ("users", 0, 0),
    ("ends", datetime(2026, 3, 1), "2026-03-01"), ("ends", date(2026, 3, 1), "2026-03-01"), ("ends", "2026年3月1日", "2026-03-01"),
    ("ends", 46082, "2026-03-01"), ("ends", "二〇二六年三月一日", "2026-03-01"),
])  # fmt: skip
def test_what_a_cell_answers(by_id, question, cell, value):
    found = questions.parse(by_id[question], cell)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(("question", "cell", "words"), [
    ("still_needed", "maybe", ["'maybe'", "yes / no", "是 / 否"]), ("still_needed", 2, ["'2'"]), ("still_needed", datetime(2026, 1, 2), ["date"]),
    ("still_needed", "是，但年底停用", ["是 / 否"]), ("still_needed", "#REF!", ["error"]),
    ("sensitive", "some", ["nothing, really", "健康、一卡通"]), ("users", "many", ["number", "数字"]), ("users", -3, ["below zero"]),
    ("ends", "2026-03", ["which day", "2026-03-01"]), ("ends", "3/1/2026", ["year"]), ("ends", "soon", ["2026-03-01"]),
    ("merged_into", "x" * 3000, ["longer"]),
])  # fmt: skip
def test_what_a_cell_cannot_answer_is_said_with_what_it_could(by_id, question, cell, words):
    with pytest.raises(Refused) as error:
        questions.parse(by_id[question], cell)
    for word in words:
        assert word in str(error.value)


# ---------------------------------------------------------------- which are asked


def rule(name, when, effect="block", placements=("vps",), **more):
    return policy.Rule(id=name, placements=placements, when=when, effect=effect, message="m", help="h", **more)


def ruleset(*rules):
    # without a word against it every placement is ready, and the first wins: others are shut
    shut = rule("shut", {"always": True}, placements=("site-cluster", "colocation", "retire"))
    return policy.RuleSet(tuple(sorted((shut, *rules), key=lambda item: item.id)), policy.load().weights).unpriced()


def fact(value):
    return {"value": value, "evidence": [], "why": ""}


def test_only_what_could_change_is_asked_most_decisive_first_with_what_comes_out(asked):
    rules = ruleset(
        rule("needed", {"fact": "answer.still_needed", "is": False}, placements=("virtual-host",)),
        rule("data", {"fact": "answer.sensitive", "is": "personal"}, "condition", ("virtual-host",), effort_h=1.0),
        rule("users", {"fact": "answer.users", "above": 100}, "utility", ("virtual-host",), dimension="technical", points=-1),
        rule("ends", {"all": [{"fact": "answer.ends", "is": "2027-01-01"}, {"fact": "site.static", "is": True}]}),
    )
    known = {"site.static": fact(False), "answer.still_needed": fact(True)}
    found = questions.decisive(known, rules, asked)
    assert [item.question.id for item in found] == ["sensitive", "users"]  # one is answered, one can change nothing any more
    assert found[0].weight == 1 and 0 < found[1].weight < 1
    assert found[0].now == ("virtual-host", "ready")
    assert found[0].outcomes == (
        questions.Outcome("none", "virtual-host", "ready"),
        questions.Outcome("personal", "virtual-host", "conditional"),
    )
    assert [outcome.value for outcome in found[0].changes] == ["personal"]
    assert [item.question.id for item in questions.decisive(known, rules, asked, everything=True)] == [
        "sensitive",
        "users",
        "merged_into",
        "ends",
        "hardware",
    ]

    unknown = questions.decisive({"site.static": fact(False)}, rules, asked)
    assert next((item.question.id, item.weight >= 1) for item in unknown) == ("still_needed", True)
    assert {(o.value, o.recommendation) for o in unknown[0].outcomes} >= {(False, "vps")}
    assert questions.decisive(dict(reversed(known.items())), rules, tuple(asked)) == found


def test_nobody_is_asked_where_a_block_holds_everywhere(asked):
    rules = ruleset(
        rule("all", {"fact": "a.b", "is": True}, placements=policy.PLACEMENTS),
        rule("needed", {"fact": "answer.still_needed", "is": False}, "condition", effort_h=1.0),
    )
    assert questions.decisive({"a.b": fact(True)}, rules, asked) == []


def test_two_unknown_blocks_are_both_asked_though_neither_changes_anything_by_itself(asked):
    rules = ruleset(
        rule("unread", {"fact": "site.unread", "is": True}, placements=("virtual-host", "vps")),
        rule("one", {"fact": "answer.still_needed", "is": False}, placements=("virtual-host", "vps")),
        rule("two", {"fact": "answer.sensitive", "is": "personal"}, placements=("virtual-host", "vps")),
        rule("three", {"fact": "answer.users", "above": 100}, placements=("vps",)),
        rule("four", {"fact": "answer.ends", "below": "2027"}, "condition", effort_h=1.0),
    )
    found = questions.decisive({}, rules, asked)
    assert [(item.question.id, round(item.weight, 2)) for item in found] == [
        ("still_needed", 0.99),
        ("sensitive", 0.99),
        ("users", 0.57),
        ("ends", 0.01),
    ]
    assert found[0].now == ("none", "") and found[0].changes == ()


def presuming(facts):
    """As signs do: what nobody said is presumed; here that data is harmless, and who needs no site has no users."""
    known = {name: item for name, item in facts.items() if not item.get("presumed")}
    known.setdefault("answer.sensitive", {**fact("none"), "why": "no sign of it", "presumed": True})
    if known.get("answer.still_needed", {}).get("value") is False:
        known.setdefault("answer.users", {**fact(0), "presumed": True})
    return known


def test_what_is_presumed_is_asked_where_another_answer_would_change_the_verdict_and_weighs_half(asked):
    rules = ruleset(
        rule("risk", {"fact": "answer.sensitive", "is": "personal"}, placements=("virtual-host",)),
        rule("empty", {"fact": "answer.users", "below": 1}, placements=("virtual-host",)),
    )
    facts = presuming({})
    assert questions.decisive({**facts, "answer.users": fact(5)}, rules, asked, derive=presuming) == []
    found = questions.decisive({**facts, "answer.users": fact(5)}, rules, asked, derive=presuming, presumptions=True)
    assert [(item.question.id, item.weight, item.presumed, item.why) for item in found] == [("sensitive", 1.0, "none", "no sign of it")]
    assert [(o.value, o.recommendation) for o in found[0].outcomes] == [("none", "virtual-host"), ("personal", "vps")]
    assert (
        questions.decisive({"answer.users": fact(5), "answer.sensitive": fact("none")}, rules, asked, derive=presuming, presumptions=True)
        == []
    )
    assert questions.decisive(facts, ruleset(), asked, derive=presuming, presumptions=True) == []


def test_what_follows_from_an_answer_counts_in_its_outcome(asked):
    rules = ruleset(
        rule("empty", {"fact": "answer.users", "below": 1}, placements=("virtual-host",)),
        rule("needed", {"fact": "answer.still_needed", "is": False}, "condition", ("virtual-host",), effort_h=1.0),
    )
    found = questions.decisive(presuming({}), rules, asked, derive=presuming)
    by_id = {item.question.id: item for item in found}
    assert (False, "vps") in {(o.value, o.recommendation) for o in by_id["still_needed"].outcomes}


def test_words_numbers_and_days_are_tried_with_what_conditions_tell_apart(by_id):
    rules = ruleset(
        rule("a", {"fact": "answer.users", "above": 100}), rule("b", {"fact": "answer.merged_into", "empty": False}),
        rule("c", {"fact": "answer.ends", "below": "2027-06-01"}),
    )  # fmt: skip
    assert questions.possible(by_id["users"], rules) == [99, 101]
    assert questions.possible(by_id["merged_into"], rules) == [questions.ANYTHING, ""]
    assert questions.possible(by_id["ends"], rules) == ["2026-01-01", "2028-01-01"]


def test_an_answer_that_no_question_brings_is_named(asked):
    rules = ruleset(rule("a", {"fact": "answer.colour", "is": "red"}), rule("b", {"fact": "answer.users", "above": 1}))
    assert questions.unasked(rules, asked) == ["answer.colour"]


IDS = ["still_needed", "hardware", "sensitive"]
LEAVES = st.one_of(
    st.builds(lambda name, value: {"fact": f"answer.{name}", "is": value}, st.sampled_from(IDS[:2]), st.booleans()),
    st.builds(lambda value: {"fact": "answer.sensitive", "is": value}, st.sampled_from(["none", "personal"])),
    st.builds(lambda value: {"fact": "a.b", "is": value}, st.booleans()),
)
CONDITIONS = st.recursive(
    LEAVES, lambda inner: st.builds(lambda kind, items: {kind: items}, st.sampled_from(["all", "any"]), st.lists(inner, min_size=1, max_size=3)), max_leaves=4
)  # fmt: skip


@st.composite
def rulesets(draw):
    effects = st.sampled_from([("block", {}), ("condition", {"effort_h": 8.0}), ("utility", {"points": 40, "dimension": "technical"})])
    made = []
    for number in range(draw(st.integers(1, 8))):
        effect, more = draw(effects)
        places = tuple(draw(st.lists(st.sampled_from(policy.PLACEMENTS), min_size=1, unique=True)))
        made.append(rule(f"r{number}", draw(CONDITIONS), effect, places, **more))
    return policy.RuleSet(tuple(made), policy.load().weights).unpriced()


@given(rulesets(), st.booleans(), st.sets(st.sampled_from(IDS)))
@settings(max_examples=60, deadline=None)
def test_what_is_promised_comes_out_and_nothing_that_decides_alone_is_left_unasked(asked, rules, known, answered):
    facts = {"a.b": fact(known), **{f"answer.{name}": fact("none" if name == "sensitive" else True) for name in answered}}

    def outcome(facts):
        verdict = assessment.assess(facts, rules)
        first = verdict.of(verdict.computed)
        return verdict.computed, first.state if first else ""

    found = {item.question.id: item for item in questions.decisive(facts, rules, asked)}
    assert not found.keys() & answered
    for item in found.values():
        assert item.now == outcome(facts)
    for question in (question for question in asked if question.id in set(IDS) - answered):
        then = {value: outcome({**facts, question.fact: fact(value)}) for value in questions.possible(question, rules)}
        if any(one != outcome(facts) for one in then.values()):
            assert found[question.id].weight >= 1
        if question.id in found:
            assert {item.value: (item.recommendation, item.state) for item in found[question.id].outcomes} == then


# ---------------------------------------------------------------- the sheet

HOSTILE = ["=HYPERLINK(\"http://x\",\"y\")", "+1+1", "-2", "@SUM(A1)", "{=1}", "http://a.b/", "mailto:a@b.c", "_x0041_", "0123", "TRUE", "2026-01-01",
           "<b>&amp;\"'", "\x07bell\x1b[31m", "网站.x.edu", "a" * 600, " spaced ", "new\nline", "\u202eabc", "\ufffe\uffffz", "#REF!", "'quoted"]  # fmt: skip


class Sites:
    """As `answers.Sites`, over a list of names."""

    def __init__(self, names):
        self.sites = {answers._written(name): answers.Found(name, (name,)) for name in names}

    def find(self, text):
        word = answers._written(text)
        if word not in self.sites:
            raise Refused(f"there is no site {text!r}")
        return self.sites[word]


def line(question, site, weight=1.0, unit="hist", known=""):
    outcomes = (questions.Outcome(True, "vps", "ready"), questions.Outcome(False, "virtual-host", "ready"))
    return answersheet.Line(unit, "历史学院", site, questions.Asked(question, weight, ("virtual-host", "ready"), outcomes), known)


def book(lines, language="zh_CN", on=TODAY):
    return answersheet.workbook(answersheet.pages(lines, language), language, on)


def filled(content, path, answers_, **columns):
    """The workbook as a unit fills it: answers by (site, question id), other columns for all answered rows."""
    loaded = openpyxl.load_workbook(io.BytesIO(content))
    titles = {column.id: {column.en, column.zh} for column in answersheet.layout().columns}
    for sheet in loaded.worksheets:
        heads = {cell.value: cell.column for cell in sheet[3]} if sheet.max_row >= 3 else {}
        at = {name: next((heads[word] for word in words if word in heads), None) for name, words in titles.items()}
        if at["answer"] is None:
            continue
        for row in range(4, sheet.max_row + 1):
            key = sheet.cell(row, at["site"]).value, sheet.cell(row, at["id"]).value
            if key in answers_ or key[1] in answers_:
                sheet.cell(row, at["answer"]).value = answers_.get(key, answers_.get(key[1]))
                for name, value in columns.items():
                    sheet.cell(row, at[name]).value = value
    loaded.save(path)
    return path


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_hostile_names_are_text_and_come_back_as_the_same_site(by_id, asked, tmp_path, language):
    content = book([line(by_id["still_needed"], name, unit=name[:20], known=name) for name in HOSTILE], language)
    parts = {name: data.read(name) for data in [zipfile.ZipFile(io.BytesIO(content))] for name in data.namelist()}
    assert not any(b"<f>" in data or b"<hyperlink" in data for name, data in parts.items() if name.startswith("xl/worksheets/"))
    path = filled(content, tmp_path / "back.xlsx", {"still_needed": "是"}, by="王老师")
    found = answerreading.read([path], asked, Sites(HOSTILE), by="", today=TODAY)
    assert found.problems == []
    assert sorted(item.at.site for item in found.given) == sorted(HOSTILE)
    assert {(item.value, item.by, item.on, item.dated) for item in found.given} == {(True, "王老师", "2026-11-24", False)}


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40), min_size=1, max_size=5))
@settings(max_examples=20, deadline=None)
def test_any_name_can_be_written_into_a_sheet_and_read_back(names):
    content = book([line(questions.load()[0], name, unit=name) for name in names])
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "back.xlsx").write_bytes(content)
        read, _ = answerreading.rows(Path(folder) / "back.xlsx")
    known = Sites(names)
    for row in read:
        assert not row.text("site") or known.find(row.text("site"))
    assert {row.text("id") for row in read} == {questions.load()[0].id}
    assert len(read) == len(names)


def test_the_same_input_gives_the_same_bytes_whatever_its_order(by_id):
    lines = [line(by_id[name], site, weight, unit) for site, unit in (("b.x", "hist"), ("a.x", "phys"), ("c.x", "")) for name, weight in
             (("still_needed", 2.0), ("sensitive", 0.5), ("hardware", 1.0))]  # fmt: skip
    assert book(lines) == book(list(lines))
    sites = [[item for item in lines if item.site == site] for site in ("c.x", "a.x", "b.x")]
    assert book(lines) == book([item for part in sites for item in part])
    assert book(lines) != book(lines, on=date(2026, 11, 25))
    assert book(lines) != book(lines, "en")


def test_what_stands_on_a_sheet(by_id):
    lines = [line(by_id[name], site, weight, unit) for site, unit, name, weight in (
        ("b.x", "hist", "users", 0.5), ("a.x", "hist", "sensitive", 0.1), ("c.x", "hist", "still_needed", 2.0), ("c.x", "hist", "merged_into", 0.2),
        ("d.x", "", "ends", 1.0), ("a.x", "hist", "hardware", 1.0),
    )]  # fmt: skip
    loaded = openpyxl.load_workbook(io.BytesIO(book(lines)))
    assert [(sheet.title, sheet.sheet_state) for sheet in loaded.worksheets] == [
        ("填写说明", "visible"), ("lists", "hidden"), ("hist", "visible"), ("未归属", "visible"), ("网络中心", "visible"),
    ]  # fmt: skip
    sheet = loaded["hist"]
    assert [sheet.cell(row, 2).value for row in range(4, 8)] == ["c.x", "c.x", "b.x", "a.x"]
    heads = {cell.value: cell.column for cell in sheet[3]}
    assert sheet.cell(4, heads["问题"]).value == "是否需要？\nIs it needed?"
    assert sheet.cell(4, heads["回答对去向的影响"]).value == "是 → 虚拟专用服务器（VPS）（可直接迁移）；否 → 不变"
    assert sheet.protection.sheet and sheet.freeze_panes == "C4"
    assert sheet.cell(4, heads["网站"]).protection.locked and not sheet.cell(4, heads["回答"]).protection.locked
    rules = {str(rule.sqref): rule for rule in sheet.data_validations.dataValidation}
    assert rules["H4"].formula1 == "lists!$A$1:$A$2" and rules["H7"].formula1 == "lists!$B$1:$B$2"
    assert [cell.value for cell in loaded["lists"]["A"]] == ["是", "否"]
    assert [cell.value for cell in loaded["lists"]["B"]] == ["无敏感信息", "健康、一卡通"]  # a comma would have parted it
    assert rules["H6"].type is None and "数字" in rules["H6"].prompt
    assert sheet.page_setup.orientation == "landscape" and sheet.print_title_rows == "$3:$3"


def test_names_of_sheets_and_files_are_safe_and_different():
    names = answersheet.Names({"lists"})
    made = [
        names.of(text)
        for text in ("../../etc/x", "a/b", "A:B", "History", "lists", "", "'x'", "u" * 40, "u" * 41, "历史学院", "..", "𐀀" * 40, "𐀀" * 41)
    ]
    assert len({name.casefold() for name in made}) == len(made)
    for name in made:
        assert 0 < len(name.encode("utf-16-le")) <= 62 and not re.search(r"[\[\]:*?/\\]", name) and not name.startswith((".", "'")), name
        assert name.casefold() not in {"history", "lists"}


# ---------------------------------------------------------------- back again


def sheet(path, rows, title="x"):
    made = xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "default_date_format": "yyyy-mm-dd"})
    page = made.add_worksheet(title)
    for number, row in enumerate(rows):
        for index, cell in enumerate(row):
            if isinstance(cell, (date, datetime)):
                page.write_datetime(number, index, datetime(cell.year, cell.month, cell.day))
            elif isinstance(cell, tuple):
                page.write_formula(number, index, cell[0], None, "")
            elif cell is not None:
                page.write(number, index, cell)
    made.close()
    return path


def test_columns_are_found_in_any_order_in_both_languages_and_others_ignored(asked, tmp_path):
    one = sheet(tmp_path / "one.xlsx", [
        ["2026 年问题表"], [], ["电话", "答案", "题号", "域名", "日期", "姓名", "备注"],
        ["139", "否", "still_needed", "A.X.edu", date(2026, 11, 2), "李老师", "年底停用"],
    ])  # fmt: skip
    two = write(
        tmp_path,
        "two.csv",
        'Question,Site,Answer,Answered by,Date\nHow many?,a.x.edu,"1,200",wang,2026/11/3\n并入哪个网站？,a.x.edu,无,wang,\n',
    )
    read = answerreading.read([one, two], asked, Sites(["a.x.edu"]), by="", today=TODAY)
    assert read.problems == []
    assert [(item.question, item.value, item.by, item.on, item.dated, item.remark) for item in read.given] == [
        ("still_needed", False, "李老师", "2026-11-02", True, "年底停用"), ("users", 1200, "wang", "2026-11-03", True, ""),
        ("merged_into", "", "wang", "2026-11-24", False, ""),
    ]  # fmt: skip
    assert [item.origin for item in read.given] == [f"{one}:x!B4", f"{two}:2, column C", f"{two}:3, column C"]


def test_every_bad_cell_is_named_and_good_rows_are_taken(asked, tmp_path):
    path = sheet(tmp_path / "q.xlsx", [
        ["网站", "问题编号", "回答", "填写人", "填写日期", "备注"],
        ["a.x.edu", "still_needed", "yes", "wang", date(2026, 11, 2)],
        ["b.x.edu", "still_neded", "yes", "wang", "2027-01-01"],
        ["a.x.edu", "still_needed", None, "wang", "garbage", None],
        ["a.x.edu", "sensitive", "a bit", None, "2026-11"],
        ["a.x.edu", "users", ("=1+1",), "wang", None],
        [None, "users", 7, "x" * 65, None],
        ["a.x.edu", None, 7, "wang", None],
        ["a.x.edu", "ends", "", "wang", None, "nobody knows yet"],
        ["a.x.edu", "users", 7, "wang", date(2026, 11, 2)],
    ], "历史 学院")  # fmt: skip
    read = answerreading.read([path], asked, Sites(["a.x.edu"]), by="", today=TODAY)
    assert [(item.question, item.value) for item in read.given] == [("still_needed", True), ("users", 7)]
    said = {problem.place.rpartition("!")[2]: problem.reason for problem in read.problems}
    assert all(problem.place.startswith(f"{path}:历史 学院!") for problem in read.problems)
    assert sorted(said) == ["A3", "A7", "B3", "B8", "C5", "C6", "D5", "D7", "E3", "E5"]
    assert "did you mean still_needed" in said["B3"] and "b.x.edu" in said["A3"] and "still to come" in said["E3"]
    assert "nothing, really" in said["C5"] and "--by" in said["D5"] and "which day" in said["E5"] and "formula" in said["C6"]
    assert "64" in said["D7"] and "empty" in said["A7"]
    assert [note for note in read.notes if "F9" in note and "nobody knows yet" in note]
    assert read.rows == 7
    with_by = answerreading.read([path], asked, Sites(["a.x.edu"]), by="office", today=TODAY)
    assert {problem.place.rpartition("!")[2] for problem in with_by.problems} == set(said) - {"D5"}


def test_contradictions_are_taken_on_neither_side_but_later_days_may_differ(asked, tmp_path):
    path = sheet(tmp_path / "q.xlsx", [
        ["Site", "Question ID", "Answer", "Answered by", "Date"],
        ["a.x", "users", 1, "w", "2026-01-02"], ["a.x", "users", True, "w", "2026-01-02"], ["a.x", "users", 5, "w", "2026-01-03"],
        ["a.x", "still_needed", "是", "w", "2026-01-02"], ["A.X", "still_needed", "yes", "w", "2026-01-02"],
        ["a.x", "merged_into", "b", "w", None], ["a.x", "merged_into", "c", "w", None],
    ])  # fmt: skip
    read = answerreading.read([path], asked, Sites(["a.x"]), by="", today=TODAY)
    assert [(item.question, item.value) for item in read.given] == [("users", 1), ("users", 5), ("still_needed", True)]
    assert [problem.place.rpartition("!")[2] for problem in read.problems] == ["C3", "C7", "C8"]
    assert "C8" in read.problems[1].reason and "C7" in read.problems[2].reason


@pytest.mark.parametrize(("name", "content", "words"), [
    ("a.xlsx", b"not a workbook", "damaged"), ("a.docx", b"", ".xlsx or .csv"), ("a.csv", b"x,y\n1,2\n", "no sheet of questions"),
    ("missing.xlsx", None, "No such file"),
])  # fmt: skip
def test_files_that_cannot_be_used(asked, tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        answerreading.read([tmp_path / name], asked, Sites([]), by="", today=TODAY)
