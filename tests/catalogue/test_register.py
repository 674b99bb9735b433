"""The units' sheets in both engines: taken twice they are the same, rows that cannot be used are said, the rest is taken."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from inventory import model, register
from inventory.catalogue import open_catalogue

AT = datetime(2026, 11, 1, tzinfo=UTC)
LATER = datetime(2026, 12, 1, tzinfo=UTC)
SHEET = """\
units:
  - {code: hist, name: {zh: 历史学院, en: School of History}, ranges: [192.0.2.0/28]}
  - {code: phys, name: 物理学院 🧲}
  - {name: no code}
sites:
  - {unit: 历史学院, domain: WWW.Hist.x.edu., aliases: "hist.x.edu、h.x.edu", opened: 2009-09-01, name: 院网 🏛}
  - {unit: phys, domain: events.phys.x.edu, letter: true, visits: 1200}
  - {unit: nobody, domain: b.x.edu}
  - {unit: phys, domain: "not a name"}
servers:
  - {unit: hist, name: hist, address: 192.0.2.1}
  - {unit: phys, name: phys, address: 192.0.2.2, os: Debian 12}
  - {unit: phys, address: 192.0.2.300}
"""


def rows(book):
    """All rows as values, without their numbers."""
    with book.session() as session:
        return {
            table: [
                {column.key: getattr(row, column.key) for column in row.__table__.columns if column.key != "id"}
                for row in session.scalars(select(table))
            ]
            for table in (model.Unit, model.Declared, model.Host)
        }


def take(book, path, at=AT):
    sheet = register.read(path)
    with book.session() as session:
        return sheet.rejected + register.store(session, sheet, at)


def test_a_sheet_taken_twice(book, tmp_path):
    path = tmp_path / "register.yml"
    path.write_text(SHEET)
    rejected = [
        f"{path}:4:5: a unit needs a code",
        f"{path}:9:5: domain: 'not a name' is not a DNS name",
        f"{path}:13:5: address: '192.0.2.300' is not an address",
        f"{path}:8:5: unit: 'nobody' is not in the register",
    ]
    assert take(book, path) == rejected
    first = rows(book)
    assert [unit["name_zh"] for unit in first[model.Unit]] == ["历史学院", "物理学院 🧲"]
    assert [(row["kind"], row["key"], row["unit_code"], row["imported_at"]) for row in first[model.Declared]] == [
        ("site", "www.hist.x.edu", "hist", AT), ("site", "events.phys.x.edu", "phys", AT),
        ("server", "192.0.2.1", "hist", AT), ("server", "192.0.2.2", "phys", AT),
    ]  # fmt: skip
    history = first[model.Declared][0]["data"]
    assert (history["aliases"], history["name"], history["opened"]) == (["hist.x.edu", "h.x.edu"], "院网 🏛", "2009-09-01")
    assert [(host["name"], host["address"], host["unit_code"]) for host in first[model.Host]] == [
        ("hist", "192.0.2.1", "hist"),
        ("phys", "192.0.2.2", "phys"),
    ]
    assert take(book, path) == rejected
    assert rows(book) == first
    take(book, path, LATER)
    assert {row["imported_at"] for row in rows(book)[model.Declared]} == {LATER}


def test_a_later_sheet_adds_to_a_row_and_keeps_its_unit(book, tmp_path):
    one, two = tmp_path / "1.yml", tmp_path / "2.csv"
    one.write_text(SHEET)
    two.write_bytes("域名,负责人,用途\nwww.hist.x.edu,王老师,院网\n".encode("gb18030"))
    take(book, one)
    assert take(book, two) == []
    row = next(row for row in rows(book)[model.Declared] if row["key"] == "www.hist.x.edu")
    assert (row["unit_code"], row["data"]["admin"], row["data"]["name"], row["origin"]) == ("hist", "王老师", "院网 🏛", f"{two}:2")


@pytest.mark.postgresql
def test_both_engines_hold_the_same(server, tmp_path):
    path = tmp_path / "register.yml"
    path.write_text(SHEET)
    held = []
    for url in (f"sqlite:///{tmp_path}/catalogue.db", server.url()):
        book = open_catalogue(url)
        take(book, path)
        held.append(rows(book))
        book.close()
    assert held[0] == held[1]


HOSTILE = {
    "NUL in a name": ('units: [{code: a, name: "x\\0y"}]', []),
    "half a surrogate pair": ('units: [{code: a, name: "x\\ud83dy"}]', []),
    "not a number": ("units: [{code: a}]\nsites: [{unit: a, domain: a.x.edu, visits: .nan}]", []),
    "a date": ("units: [{code: a, opened: 2009-09-01}]", []),
    "a set": ("units: [{code: a, tags: !!set {x, y}}]", []),
    "a formula": ("units: [{code: a, name: \"=cmd|' /C calc'!A0\"}]", []),
    "a unit that is a list": ("units: [{code: a}]\nsites: [{unit: [a], domain: a.x.edu}]", ["unit"]),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_odd_cells_stop_nobody(book, tmp_path, case):
    text, reasons = HOSTILE[case]
    path = tmp_path / "register.yml"
    path.write_text(text)
    said = take(book, path)
    assert len(said) == len(reasons)
    assert all(reason in line for reason, line in zip(reasons, said, strict=True))
    assert [unit["code"] for unit in rows(book)[model.Unit]] == ["a"]


LONG = {
    "code": "units: [{code: a}, {code: %s}]" % ("c" * 65),
    "name": "units: [{code: a}, {code: b, name: %s}]" % ("n" * 256),
    "host": "units: [{code: a}]\nservers: [{name: %s, address: 192.0.2.1}]" % ("h" * 256),
}


@pytest.mark.parametrize("case", LONG)
def test_cells_that_are_too_long_stop_nobody(book, tmp_path, case):
    path = tmp_path / "register.yml"
    path.write_text(LONG[case])
    take(book, path)
    assert "a" in [unit["code"] for unit in rows(book)[model.Unit]]
