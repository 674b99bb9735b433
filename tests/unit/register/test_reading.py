"""Whole files: workbooks as offices make them, CSV in all encodings, YAML, and files that mean harm or are broken."""

import datetime
import zipfile
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory import register
from inventory.errors import ConfigurationError, InputError
from inventory.register import delimited, grid, xlsx


def workbook(path, **sheets):
    """A workbook by openpyxl; a sheet is a list of rows, or a function that fills it."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, content in sheets.items():
        sheet = book.create_sheet(name)
        if callable(content):
            content(sheet)
        else:
            for row in content:
                sheet.append(row)
    book.save(path)
    return path


def said(sheet):
    return [str(item) for item in sheet.rejected]


def office(sheet):
    """A sheet as an office sends it: a title, a line about the date, headings in two rows, merged cells, totals, a signature."""
    sheet["A1"] = "XX大学二级单位网站台账"
    sheet.merge_cells("A1:I1")
    sheet["A2"] = "填报日期：2026年3月"
    for column, (upper, lower) in enumerate(
        [("序号", None), ("主办单位", None), ("网站信息", "网站名称"), (None, "网址"), ("联系人", "管理员"), (None, "电话"), ("是否\nHTTPS", None),
         ("开通时间", None), ("网站大小（GB）", None)], start=1):  # fmt: skip
        sheet.cell(3, column, upper)
        sheet.cell(4, column, lower)
    for box in ("C3:D3", "E3:F3", "A3:A4", "B3:B4", "G3:G4", "H3:H4", "I3:I4", "B5:B6"):
        sheet.merge_cells(box)
    rows = [
        [1, "历史学院", "院网", "http://www.hist.x.edu/index.html", "王", 13800138000.0, "是", datetime.datetime(2009, 9, 1), 1.5],
        [2, None, "校史馆", "museum.hist.x.edu", None, "/", "maybe", "#REF!", "abc"],
        [3, "物理学院", "物理", "不是 域名", "赵", None, None, None, None],
        ["合计", None, "3"],
        [None, "填表人：张三"],
    ]
    for number, row in enumerate(rows, start=5):
        for column, value in enumerate(row, start=1):
            sheet.cell(number, column, value)
    sheet.row_dimensions[6].hidden = True
    sheet.column_dimensions["F"].hidden = True


def test_a_sheet_as_an_office_sends_it(tmp_path):
    path = workbook(tmp_path / "台账.xlsx", 网站台账=office)
    sheet = register.read(path)
    assert [(row.key, row.unit, row.origin) for row in sheet.rows] == [
        ("www.hist.x.edu", "历史学院", f"{path}: sheet '网站台账', row 5"),
        ("museum.hist.x.edu", "历史学院", f"{path}: sheet '网站台账', row 6"),
    ]
    assert sheet.rows[0].data == {
        "name": "院网", "domain": "www.hist.x.edu", "url": "http://www.hist.x.edu/index.html", "admin": "王", "admin_phone": "13800138000",
        "https": True, "opened": "2009-09-01", "size_bytes": 1_500_000_000,
    }  # fmt: skip
    where = f"{path}: sheet '网站台账', row"
    assert said(sheet) == [
        f"{where} 6, column G (是否\nHTTPS): 'maybe' is neither yes (是, 有, √, Y) nor no (否, 无, ×, N)",
        f"{where} 6, column H (开通时间): the cell holds the error #REF!: correct it, or leave it empty",
        f"{where} 6, column I (网站大小（GB）): 'abc' is not a size; write a number, or 500 MB, 1.5 GB",
        f"{where} 7, column D (网址): '不是' is not a DNS name",
    ]
    item = sheet.rejected[0].to_json()
    assert {name: item[name] for name in ("file", "sheet", "row", "column", "field", "value")} == {
        "file": str(path), "sheet": "网站台账", "row": 6, "column": "G", "field": "https", "value": "maybe",
    }  # fmt: skip
    notes = "\n".join(sheet.notes)
    assert "hidden columns are read too: F (电话)" in notes
    assert "1 hidden rows are read too" in notes
    assert "row 8: '合计' is no site" in notes
    assert sheet.lost["site"] == 1


def test_sheets_of_all_kinds_and_one_that_is_hidden(tmp_path):
    def old(sheet):
        sheet.sheet_state = "hidden"
        sheet.append(["域名"])
        sheet.append(["old.x.edu"])

    path = workbook(
        tmp_path / "r.xlsx",
        单位=[["单位代码", "单位名称", "负责人"], ["hist", "历史学院", "王"]],
        服务器=[["单位", "IP地址", "内存", "域名"], ["hist", "192.0.2.1/24", 16, "www.x.edu"]],
        网站=[["单位", "域名", "IP地址"], ["hist", "www.x.edu", "192.0.2.1"]],
        关联=[["域名", "服务器", "数据库名"], ["www.x.edu", "192.0.2.1", "wp"]],
        旧表=old,
        说明=[["请按要求填写"]],
    )
    sheet = register.read(path)
    assert [(row.kind, row.key) for row in sheet.rows] == [
        ("unit", "hist"), ("server", "192.0.2.1"), ("site", "www.x.edu"), ("link", "www.x.edu | 192.0.2.1 | wp | "),
    ]  # fmt: skip
    assert sheet.rows[1].data["mask"] == "255.255.255.0"
    assert [note for note in sheet.notes if "'旧表' is hidden" in note]
    assert [note for note in sheet.notes if "'说明' is not read" in note and "请按要求填写" in note]


def test_an_unknown_heading_gets_a_suggestion_and_is_never_guessed(tmp_path):
    path = workbook(tmp_path / "r.xlsx", 网站=[["域名", "网站管理员老师", "神秘列"], ["a.x.edu", "王", "1"]])
    sheet = register.read(path)
    assert sheet.rows[0].data == {"domain": "a.x.edu"}
    assert "column B: the heading '网站管理员老师' is not known" in sheet.notes[0]
    assert "did you mean admin (网站管理员)" in sheet.notes[0]
    assert "did you mean" not in sheet.notes[1]


def test_the_workspaces_own_headings(tmp_path):
    (tmp_path / "inventory").mkdir()
    own = tmp_path / "inventory/headings.yml"
    own.write_text("site: {admin: [网站管理员老师], purpose: 干啥用的}\nignored: [神秘列]\n", encoding="utf-8")
    path = workbook(tmp_path / "r.xlsx", 网站=[["域名", "网站管理员老师", "神秘列", "干啥用的"], ["a.x.edu", "王", "1", "招生"]])
    sheet = register.read(path, register.load(tmp_path))
    assert (sheet.rows[0].data, sheet.notes) == ({"domain": "a.x.edu", "admin": "王", "purpose": "招生"}, [])
    own.write_text("site:\n  amdin: [x]\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"headings.yml:2:10: there is no field 'amdin' of a site"):
        register.load(tmp_path)


def test_formulas_count_by_their_stored_result_and_are_never_calculated(tmp_path):
    path = tmp_path / "r.xlsx"
    book = xlsxwriter.Workbook(path)
    page = book.add_worksheet()
    page.write_row(0, 0, ["域名", "月访问量", "用途"])
    page.write_row(1, 0, ["a.x.edu"])
    page.write_formula(1, 1, "=1100+100", None, 1200)
    page.write_string(1, 2, "=1+1")
    book.close()
    sheet = register.read(path)
    assert (sheet.rows[0].data, said(sheet)) == ({"domain": "a.x.edu", "visits": 1200, "purpose": "=1+1"}, [])
    bare = workbook(tmp_path / "bare.xlsx", s=[["域名", "月访问量"], ["a.x.edu", "=1100+100"]])
    assert said(register.read(bare)) == [
        f"{bare}: sheet 's', row 2, column B (月访问量): the formula in B2 has no stored result: open the file in Excel or WPS and save it"
    ]


def test_a_row_that_stands_twice(tmp_path):
    path = workbook(
        tmp_path / "r.xlsx", a=[["域名", "管理员"], ["a.x.edu", "王"], ["http://A.x.edu/news/", "李"]], b=[["域名"], ["a.x.edu"]]
    )
    sheet = register.read(path)
    assert [row.data["admin"] for row in sheet.rows] == ["王"]
    assert [text.partition(": sheet")[2] for text in said(sheet)] == [
        f" 'a', row 3: a.x.edu is declared already at {path}: sheet 'a', row 2; this row is left out",
        f" 'b', row 2: a.x.edu is declared already at {path}: sheet 'a', row 2; this row is left out",
    ]


def test_headings_that_come_again_on_every_page(tmp_path):
    path = workbook(tmp_path / "r.xlsx", a=[["域名", "管理员"], ["a.x.edu", "王"], ["域名", "管理员"], ["b.x.edu", "李"]])
    sheet = register.read(path)
    assert ([row.key for row in sheet.rows], said(sheet)) == (["a.x.edu", "b.x.edu"], [])


def test_days_counted_from_1904(tmp_path):
    path = tmp_path / "r.xlsx"
    book = xlsxwriter.Workbook(path, {"date_1904": True})
    page = book.add_worksheet()
    page.write_row(0, 0, ["域名", "开通时间", "有效期至"])
    page.write_row(1, 0, ["a.x.edu", 45352 - 1462])
    page.write_datetime(1, 2, datetime.datetime(2026, 3, 1), book.add_format({"num_format": "yyyy-mm-dd"}))
    book.close()
    assert register.read(path).rows[0].data == {"domain": "a.x.edu", "opened": "2024-03-01", "valid_until": "2026-03-01"}


ENCODINGS = ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_csv(tmp_path, encoding, mark):
    path = tmp_path / "sites.csv"
    text = "单位,网站名称,域名\r\n历史学院,院网,www.hist.x.edu\r\n历史学院,坏行,不是域名\r\n".replace(",", mark)
    path.write_bytes(text.encode(encoding))
    sheet = register.read(path)
    assert [(row.key, row.unit, row.data["name"], row.origin) for row in sheet.rows] == [
        ("www.hist.x.edu", "历史学院", "院网", f"{path}:2")
    ]
    assert said(sheet) == [f"{path}:3: column C (域名): '不是域名' is not a DNS name"]


def test_csv_with_quotes_newlines_and_a_separator_line(tmp_path):
    path = tmp_path / "sites.csv"
    path.write_text('sep=;\n域名;用途;更新频率\n"a.x.edu";"他说""好""; 再见";"新闻：每周\n通知：每月"\nb.x.edu;x\n', encoding="utf-8")
    sheet = register.read(path)
    assert [(row.origin, row.data.get("purpose")) for row in sheet.rows] == [(f"{path}:3", '他说"好"; 再见'), (f"{path}:5", "x")]
    assert sheet.rows[0].data["columns"] == ["新闻：每周", "通知：每月"]


def test_a_quotation_mark_that_is_missing_loses_no_row_before_it(tmp_path):
    path = tmp_path / "sites.csv"
    path.write_text("域名,用途\n" + "".join(f"a{i}.x.edu,x\n" for i in range(60)) + 'b.x.edu,"' + "y" * 200_000, encoding="utf-8")
    sheet = register.read(path)
    assert len(sheet.rows) == 60
    assert said(sheet) == [f"{path}:62: field larger than field limit ({delimited.LONGEST_CELL}); the rest of the file is not read"]
    assert sheet.lost["site"] == 1


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"\n\n  \n", b"\x80\x81\xff", b"\0\0\0\0"])
def test_csv_that_is_none(tmp_path, content):
    path = tmp_path / "sites.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"sites\.csv"):
        register.read(path)


def test_yaml_scalars_are_what_was_written(tmp_path):
    path = tmp_path / "r.yml"
    path.write_text(
        "units: [{code: 0123, name: {zh: 历史学院, en: History}, phone: 010}]\n"
        "servers: [{address: 192.0.2.1, asset_no: 0117, cpus: 8, memory_bytes: 17179869184, rails: yes, ports: [443, 22/tcp]}]\n"
        "sites: [{domain: a.x.edu, opened: 2023-02-29, visits: .nan, 用途: 招生, aliases: [], server: ~, nme: x}]\n"
    )
    sheet = register.read(path)
    assert [dict(row.data) for row in sheet.rows] == [
        {"code": "0123", "name_zh": "历史学院", "name_en": "History", "phone": "010"},
        {"domain": "a.x.edu", "purpose": "招生", "aliases": []},
        {"address": "192.0.2.1", "asset_no": "0117", "cpus": 8, "memory_bytes": 17179869184, "rails": True, "ports": ["443/tcp", "22/tcp"]},
    ]
    assert said(sheet) == [
        f"{path}:3:35: opened: there is no day 2023-02-29",
        f"{path}:3:55: visits: '.nan' is not a number",
        f"{path}:3:98: nme: not a field of a site: did you mean name or runtime or remarks?",
    ]


CAPTURED = Path(__file__).parents[2] / "cases/register"
"""A workbook saved by LibreOffice Calc 7.4 as .xlsx and .xls, and the same encrypted as Office does (by msoffcrypto)."""


def test_a_workbook_of_libreoffice():
    """Dates formatted and not, formulas with their results (an empty text, too), errors, a hidden row, merged titles."""
    sheet = register.read(CAPTURED / "libreoffice.xlsx")
    assert [dict(row.data) for row in sheet.rows] == [
        {
            "name": "院网",
            "domain": "www.hist.x.edu",
            "opened": "2009-09-01",
            "visits": 1200,
            "admin": "院网",
            "https": True,
            "https_expires": "2026-12-31",
        },
        {"name": "校史馆", "domain": "museum.hist.x.edu", "opened": "2010-03", "https": False},
        {"name": "历史学院友站", "domain": "www.phys.x.edu", "opened": "2024-03-01", "admin": "赵"},
    ]
    assert [(item.row, item.column, item.value) for item in sheet.rejected] == [(4, "E", "#DIV/0!"), (5, "E", "#N/A")]


def test_captured_files_that_cannot_be_read(tmp_path):
    assert "protected by a password" in refusal(CAPTURED / "password.xlsx")
    (tmp_path / "renamed.xlsx").write_bytes((CAPTURED / "libreoffice.xls").read_bytes())
    assert "an old .xls workbook" in refusal(tmp_path / "renamed.xlsx")
    assert "a register is an .xlsx, .csv or .yml file" in refusal(CAPTURED / "libreoffice.xls")


# ---------------------------------------------------------------- files that are broken, or mean harm


def refusal(path):
    with pytest.raises(InputError) as caught:
        register.read(path)
    assert str(path) in caught.value.message
    assert caught.value.hint or caught.value.problems
    return str(caught.value)


def altered(path, target, change):
    """A copy of a workbook; `change` maps a part's name to its new content, None leaves it out."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy:
        for part in source.namelist():
            content = change(part, source.read(part))
            if content is not None:
                copy.writestr(part, content)
    return target


@pytest.fixture
def good(tmp_path):
    return workbook(tmp_path / "good.xlsx", 网站=[["域名", "开通时间"], ["a.x.edu", datetime.date(2024, 3, 1)]])


def test_damaged_files(good, tmp_path):
    raw = good.read_bytes()
    path = tmp_path / "bad.xlsx"
    for content in (b"", b"hello", raw[:100], raw[: len(raw) // 2], raw[:-10], raw[:500] + b"\0" * 200 + raw[700:]):
        path.write_bytes(content)
        assert "bad.xlsx" in refusal(path)


@settings(deadline=None)
@given(st.integers(0, 6000), st.binary(min_size=1, max_size=30))
def test_any_damage_is_an_input_error_or_no_matter(tmp_path_factory, place, junk):
    folder = tmp_path_factory.mktemp("damage")
    path = workbook(folder / "r.xlsx", 网站=[["域名", "开通时间"], ["a.x.edu", datetime.date(2024, 3, 1)]])
    raw = bytearray(path.read_bytes())
    place %= len(raw)
    raw[place : place + len(junk)] = junk
    path.write_bytes(bytes(raw))
    try:
        register.read(path)
    except InputError as error:
        assert "r.xlsx" in error.message


def test_a_bomb_is_refused_before_it_is_unpacked(good, tmp_path):
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as copy:
        for part in source.namelist():
            copy.writestr(part, source.read(part))
        with copy.open("xl/media/zero.xml", "w", force_zip64=True) as part:
            for _ in range(110):
                part.write(b"\0" * 1_000_000)
    assert path.stat().st_size < 1_000_000
    assert "unpacks to 110 MB" in refusal(path)


def test_entities_are_refused(good, tmp_path):
    evil = b'<?xml version="1.0"?><!-- ' + b"x" * 9000 + b' --><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]>'

    def change(part, content):
        return (
            content.replace(b"<?xml version='1.0' encoding='UTF-8'?>", b"").replace(b"<workbook", evil + b"<workbook", 1)
            if part == "xl/workbook.xml"
            else content
        )

    assert "declares a document type" in refusal(altered(good, tmp_path / "evil.xlsx", change))


def test_a_style_sheet_against_the_standard_costs_only_the_styles(good, tmp_path):
    """Some office programs write `<fill/>` without a pattern, which openpyxl refuses."""
    path = altered(
        good,
        tmp_path / "wps.xlsx",
        lambda part, text: text.replace(b"<fills", b"<fills><fill><nonsense/></fill></fills><x", 1) if part == "xl/styles.xml" else text,
    )
    assert register.read(path).rows[0].data == {"domain": "a.x.edu", "opened": "2024-03-01"}


def test_a_wrong_dimension_loses_no_cell(good, tmp_path):
    path = altered(good, tmp_path / "d.xlsx", lambda part, text: text.replace(b'ref="A1:B2"', b'ref="A1"'))
    assert register.read(path).rows[0].data["opened"] == "2024-03-01"


def test_cells_far_out_cost_nothing(tmp_path):
    path = tmp_path / "far.xlsx"
    book = xlsxwriter.Workbook(path)
    page = book.add_worksheet()
    page.write_row(0, 0, ["域名"])
    page.write_string(1, 0, "a.x.edu")
    page.write_string(1, 16383, "far right")
    page.write_string(1_048_575, 0, "b.x.edu")
    page.merge_range(2, 0, 1_048_574, 0, "c.x.edu")
    book.close()
    sheet = register.read(path)
    assert [row.key for row in sheet.rows] == ["a.x.edu", "c.x.edu", "b.x.edu"]


def test_too_many_cells(tmp_path, monkeypatch):
    path = workbook(tmp_path / "r.xlsx", 网站=[["域名"]] + [[f"a{i}.x.edu"] for i in range(50)])
    monkeypatch.setattr(xlsx, "MOST_CELLS", 40)
    assert "more than 40 cells" in refusal(path)


def test_a_folder_a_missing_file_and_another_kind(tmp_path):
    (tmp_path / "d.xlsx").mkdir()
    for name in ("d.xlsx", "none.xlsx", "none.csv", "none.yml"):
        with pytest.raises(InputError, match=name):
            register.read(tmp_path / name)


def test_a_workbook_without_any_table(tmp_path):
    path = workbook(tmp_path / "r.xlsx", a=[["姓名", "年龄"], ["王", 3]])
    text = refusal(path)
    assert "no table of units, sites or servers" in text
    assert "row 1 has 姓名, 年龄" in text


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_as_csv(tmp_path_factory, raw):
    path = tmp_path_factory.mktemp("csv") / "r.csv"
    path.write_bytes("域名,用途\na.x.edu,x\n".encode() + raw)
    try:
        register.read(path)
    except InputError:
        return


def test_letters():
    assert [grid.letter(number) for number in (1, 26, 27, 52, 703, 16384)] == ["A", "Z", "AA", "AZ", "AAA", "XFD"]
