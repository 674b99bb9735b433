"""What is written reads back the same, in every format and language; nothing that is written is a formula, a link or a broken file."""

import csv
import zipfile

import openpyxl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from inventory import register
from inventory.errors import InputError
from inventory.register import cells, dates, writing
from inventory.register.writing import Entry, Found

REGISTER = register.shipped()
TEXT = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=30) | st.sampled_from(
    [
        "=1+1",
        "@SUM(A1)",
        "+86 10",
        "-x",
        "'=x",
        "''",
        "http://x.edu/",
        "#REF!x",
        "a\nb",
        "{=1}",
        "1e5",
        "0117",
        "TRUE",
        "2024-03-01",
        "<b>&amp;",
    ]
)


def raw(kind):
    """Something that a cell of a kind may hold."""
    names = st.from_regex(r"[a-z]{1,8}(\.[a-z]{2,5}){1,2}", fullmatch=True)
    addresses = st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(str)
    days = st.dates(min_value=dates.date(1990, 1, 1), max_value=dates.date(2100, 1, 1)).map(str) | st.sampled_from(["2024", "2024年3月"])
    return {
        "domain": names, "domains": st.lists(names, max_size=3).map(lambda items: "\n".join(items) or "无"), "url": names.map(lambda name: f"https://{name}/a?b=c"),
        "address": addresses, "plain_address": addresses, "addresses": st.lists(addresses, max_size=3).map(lambda items: ",".join(items) or "none"),
        "ranges": addresses.map(lambda text: f"{text}/{'64' if ':' in text else '24'}"), "mask": st.integers(0, 32), "macs": st.from_regex(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", fullmatch=True),
        "phone": st.from_regex(r"\+?[0-9]{3,11}", fullmatch=True), "email": names.map(lambda name: f"web@{name}.edu"), "date": days, "boolean": st.booleans(),
        "integer": st.integers(0, 10**12), "number": st.integers(0, 10**6) | st.decimals(0, 1000, places=2).map(float), "size": st.integers(0, 10**15),
        "ports": st.sampled_from(["80", "443/tcp", "22 (至2026-12-31)", "8080-8090/udp", "无"]),
    }.get(kind, TEXT)  # fmt: skip


@st.composite
def entries(draw):
    """Rows as the catalogue holds them: typed values, unique keys."""
    found = {}
    for kind in draw(st.lists(st.sampled_from(["unit", "site", "server"]), min_size=1, max_size=5)):
        data = {}
        for column in REGISTER.kinds[kind].fields:
            needed = column.id == REGISTER.kinds[kind].key
            if not needed and not draw(st.booleans()):
                continue
            value = draw(st.sampled_from(sorted(column.values))) if column.kind == "choice" else draw(raw(column.kind))
            if not cells.blank(REGISTER, value):
                try:
                    data[column.id] = cells.parse(column, value, unit="B").data
                except dates.Refused:
                    continue
        data = {name: value for name, value in data.items() if value != ""}
        data["aliases"] = (
            [name for name in data.get("aliases", []) if name != data.get("domain")] if kind == "site" else data.get("aliases")
        )
        data = {name: value for name, value in data.items() if value is not None}
        key = cells.key_of(kind, data)
        if key and len(key) < 200:
            found[kind, key] = Entry(kind, data)
    return list(found.values())


def same(rows, wanted):
    """Rows as read, against entries as written; a unit cell is text until it is looked up."""
    have = {(row.kind, row.key): {**row.data, **({"unit": row.unit} if row.unit else {})} for row in rows}
    assert have == {(entry.kind, cells.key_of(entry.kind, entry.data)): dict(entry.data) for entry in wanted}


SLOW = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    max_examples=40,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)


@SLOW
@given(entries(), st.sampled_from([".xlsx", ".yml"]), st.sampled_from(["en", "zh_CN"]))
def test_what_is_exported_imports_to_the_same(tmp_path_factory, rows, ending, language):
    path = tmp_path_factory.mktemp("round") / f"r{ending}"
    writing.write(path, REGISTER, rows, language)
    if not rows:
        return
    sheet = register.read(path)
    assert [str(item) for item in sheet.rejected] == []
    same(sheet.rows, rows)


@SLOW
@given(entries(), st.sampled_from(["en", "zh_CN"]))
def test_csv_holds_one_kind_and_imports_to_the_same(tmp_path_factory, rows, language):
    path = tmp_path_factory.mktemp("round") / "r.csv"
    if len({entry.kind for entry in rows}) > 1:
        with pytest.raises(InputError, match="one kind of row"):
            writing.write(path, REGISTER, rows, language)
        rows = [entry for entry in rows if entry.kind == rows[0].kind]
    writing.write(path, REGISTER, rows, language)
    if rows:
        with path.open(encoding="utf-8-sig", newline="") as file:
            assert all(not cell.startswith(("=", "+", "-", "@")) for line in csv.reader(file) for cell in line)
        same(register.read(path).rows, rows)


HOSTILE = [
    "=cmd|' /C calc'!A0",
    "@SUM(1)",
    "+1",
    "-1+2",
    "http://evil.x.edu",
    "mailto:a@x.edu",
    "{=1}",
    "\x07bell\x1b[31m",
    "<script>",
    "x" * 1900,
]


def test_no_formula_no_link_no_control_character_leaves_the_house(tmp_path):
    path = tmp_path / "r.xlsx"
    rows = [Entry("site", {"domain": f"a{i}.x.edu", "name": text, "purpose": text}) for i, text in enumerate(HOSTILE)]
    rows[0].found = {"application": Found("=1+1", True, "=2+2")}
    writing.write(path, REGISTER, rows, with_found=True)
    book = openpyxl.load_workbook(path)
    assert not [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.data_type == "f" or cell.hyperlink]
    text = zipfile.ZipFile(path).read("xl/sharedStrings.xml").decode()
    assert "\x07" not in text
    assert "\x1b" not in text


def test_found_values_stand_beside_declared_ones_and_are_not_read_back(tmp_path):
    path = tmp_path / "r.xlsx"
    entry = Entry("server", {"address": "192.0.2.1", "os": "CentOS 6", "memory_bytes": 2**34})
    entry.found = {"os": Found("debian 12", True, "read on 2026-11-01"), "memory_bytes": Found(2**34, False)}
    writing.write(path, REGISTER, [entry], "zh_CN", with_found=True)
    page = openpyxl.load_workbook(path)["服务器"]
    titles = {cell.value: cell.column for cell in page[1]}
    assert "操作系统 （实测）" in titles
    declared, found = page.cell(2, titles["操作系统"]), page.cell(2, titles["操作系统 （实测）"])
    assert (declared.value, declared.fill.fgColor.rgb) == ("CentOS 6", "FFFFEB9C")
    assert (found.value, found.fill.fgColor.rgb, found.comment.text) == ("debian 12", "FFEDEDED", "read on 2026-11-01")
    assert page.cell(2, titles["内存 (GB)"]).fill.fgColor.rgb != "FFFFEB9C"
    sheet = register.read(path)
    assert (dict(sheet.rows[0].data), sheet.notes) == (dict(entry.data), [])


def test_a_template_has_lists_help_and_instructions(tmp_path):
    path = tmp_path / "t.xlsx"
    writing.template(path, REGISTER, "zh_CN", [Entry("unit", {"code": "hist", "name_zh": "历史学院"})])
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["填写说明", "lists", "网站", "服务器", "关联"]
    assert book["lists"].sheet_state == "hidden"
    rules = {str(rule.sqref).split(":")[0]: rule for rule in book["网站"].data_validations.dataValidation}
    titles = {cell.value: cell.coordinate.replace("1", "2") for cell in book["网站"][1]}
    assert rules[titles["单位"]].formula1 == "lists!$A$1:$A$1"
    assert rules[titles["支持HTTPS"]].formula1 == '"是,否"'
    assert "季节性" in rules[titles["开放范围"]].formula1
    assert rules[titles["有效期至"]].prompt.startswith("网站需要运行到的最后一天")
    assert all(cell.value for cell in book["填写说明"]["A"][2:])


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_a_template_that_was_filled_is_read(tmp_path, language):
    path = tmp_path / "t.xlsx"
    writing.template(path, REGISTER, language)
    book = openpyxl.load_workbook(path)
    page = book[REGISTER.kinds["site"].title(language)]
    titles = {cell.value: cell.column for cell in page[1]}
    page.cell(2, titles[REGISTER.kinds["site"].by_id["domain"].title(language)], "a.x.edu")
    book.save(path)
    sheet = register.read(path)
    assert ([row.key for row in sheet.rows], sheet.rejected) == (["a.x.edu"], [])


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_every_title_means_its_own_field(language):
    for kind, item in REGISTER.kinds.items():
        for column in item.fields:
            assert REGISTER.field_of(kind, column.title(language)) is column


def test_every_heading_of_a_kind_means_one_field():
    for kind, item in REGISTER.kinds.items():
        seen = {}
        for column in item.fields:
            for word in {column.id, column.en, column.zh, *column.headings}:
                assert seen.setdefault(word, column.id) == column.id, f"{kind}: {word}"
                assert REGISTER.field_of(kind, word) is column, f"{kind}: {word}"
            for value in column.values:
                assert cells.parse(column, column.shown(value, "en")).data == cells.parse(column, column.shown(value, "zh")).data == value


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "r.xlsx"
    path.write_text("old")
    monkeypatch.setattr(writing.os, "fdopen", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(InputError, match="No space left"):
        writing.write(path, REGISTER, [])
    assert (path.read_text(), [item.name for item in tmp_path.iterdir()]) == ("old", ["r.xlsx"])


def test_other_endings(tmp_path):
    for name in ("r.ods", "r"):
        with pytest.raises(InputError, match=r"xlsx, \.csv or \.yml"):
            writing.write(tmp_path / name, REGISTER, [])
    with pytest.raises(InputError, match=r"in \.xlsx files only"):
        writing.write(tmp_path / "r.csv", REGISTER, [], with_found=True)
    with pytest.raises(InputError, match=r"a template is an \.xlsx file"):
        writing.template(tmp_path / "t.csv", REGISTER)
