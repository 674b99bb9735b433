"""The register in both engines: taken twice it is the same, what cannot be used is said, every import can be taken back."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from inventory import model, register
from inventory.catalogue import open_catalogue
from inventory.errors import InputError, NotFound
from inventory.register import comparing, history, storing, undoing

AT = datetime(2026, 11, 1, tzinfo=UTC)
LATER = datetime(2026, 12, 1, tzinfo=UTC)
SHEET = """\
units:
  - {code: hist, name: {zh: 历史学院, en: School of History}, aliases: [历史系], ranges: [192.0.2.0/28]}
  - {code: phys, name: 物理学院 🧲}
  - {name: no code}
sites:
  - {unit: 历史学院, domain: WWW.Hist.x.edu., aliases: "hist.x.edu、h.x.edu", opened: 2009-09-01, name: 院网 🏛}
  - {unit: phys, domain: events.phys.x.edu, letter: true, visits: 1200}
  - {unit: nobody, domain: b.x.edu}
  - {unit: phys, domain: "not a name"}
servers:
  - {unit: 历史系, name: hist, address: 192.0.2.1}
  - {unit: phys, name: phys, address: 192.0.2.2, os: Debian 12}
  - {unit: phys, address: 192.0.2.300}
links:
  - {unit: hist, site: www.hist.x.edu, server: 192.0.2.1, database: wp}
"""


def rows(book):
    """What is declared, as values, without numbers."""
    with book.session() as session:
        return {
            table: [
                {column.key: getattr(row, column.key) for column in row.__table__.columns if column.key != "id"}
                for row in session.scalars(select(table).order_by(key))
            ]
            for table, key in ((model.Unit, model.Unit.code), (model.Declared, model.Declared.id), (model.Host, model.Host.id))
        }


def take(book, path, at=AT, **options):
    sheet = register.read(path)
    with book.session() as session:
        comparison, _ = storing.store(session, sheet, at, by="wang", **options)
        return [str(item) for item in storing.rejections(sheet, comparison)], comparison


def undo(book, number=None):
    with book.session() as session:
        made, notes = undoing.undo(session, number, LATER, "li")
        return made.id, notes


def write(folder, name, text):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_sheet_taken_twice(book, tmp_path):
    path = write(tmp_path, "register.yml", SHEET)
    rejected = [
        f"{path}:4:5: a unit needs a code",
        f"{path}:9:26: domain: 'not' is not a DNS name",
        f"{path}:13:27: address: '192.0.2.300' is not an address",
        f"{path}:8:12: unit: 'nobody' is not in the register",
    ]
    assert take(book, path)[0] == rejected
    first = rows(book)
    assert [unit["name_zh"] for unit in first[model.Unit]] == ["历史学院", "物理学院 🧲"]
    assert [(row["kind"], row["key"], row["unit_code"], row["imported_at"]) for row in first[model.Declared]] == [
        ("site", "www.hist.x.edu", "hist", AT), ("site", "events.phys.x.edu", "phys", AT), ("site", "b.x.edu", None, AT),
        ("server", "192.0.2.1", "hist", AT), ("server", "192.0.2.2", "phys", AT), ("link", "www.hist.x.edu | 192.0.2.1 | wp | ", "hist", AT),
    ]  # fmt: skip
    history_ = first[model.Declared][0]["data"]
    assert (history_["aliases"], history_["name"], history_["opened"]) == (["hist.x.edu", "h.x.edu"], "院网 🏛", "2009-09-01")
    assert [(host["name"], host["address"], host["unit_code"]) for host in first[model.Host]] == [
        ("hist", "192.0.2.1", "hist"),
        ("phys", "192.0.2.2", "phys"),
    ]
    again, comparison = take(book, path)
    assert (again, comparison.changes, rows(book)) == (rejected, [], first)
    take(book, path, LATER)
    assert {row["imported_at"] for row in rows(book)[model.Declared]} == {LATER}


def test_a_later_sheet_adds_to_a_row_and_keeps_its_unit(book, tmp_path):
    one, two = write(tmp_path, "1.yml", SHEET), tmp_path / "2.csv"
    two.write_bytes("域名,负责人,用途\nwww.hist.x.edu,王老师,院网\n".encode("gb18030"))
    take(book, one)
    assert take(book, two)[0] == []
    row = next(row for row in rows(book)[model.Declared] if row["key"] == "www.hist.x.edu")
    assert (row["unit_code"], row["data"]["admin"], row["data"]["name"], row["origin"]) == ("hist", "王老师", "院网 🏛", f"{two}:2")


def test_a_comparison_writes_nothing(book, tmp_path):
    take(book, write(tmp_path, "1.yml", SHEET))
    before = rows(book)
    two = write(tmp_path, "2.csv", "域名,网站名称,月访问量\nwww.hist.x.edu,新院网,\nnew.x.edu,新,5\n")
    with book.session() as session:
        comparison = comparing.compare(session, register.read(two))
        cells = [cell for change in comparison.changes for cell in change.cells()]
    assert [(c["action"], c["key"], c["field"], c["old"], c["new"], c["place"]) for c in cells] == [
        ("changed", "www.hist.x.edu", "name", "院网 🏛", "新院网", f"{two}:2, column B"),
        ("added", "new.x.edu", "domain", None, "new.x.edu", f"{two}:3, column A"),
        ("added", "new.x.edu", "name", None, "新", f"{two}:3, column B"),
        ("added", "new.x.edu", "visits", None, 5, f"{two}:3, column C"),
    ]
    assert rows(book) == before


def test_undo_restores_every_value(book, tmp_path):
    """Import, change, withdraw; then back step by step: each state is the one before."""
    states = [rows(book)]
    take(book, write(tmp_path, "1.yml", SHEET))
    states.append(rows(book))
    change = "units: [{code: hist, head: 王}]\nsites: [{domain: www.hist.x.edu, name: 新, unit: phys}]\nservers: [{address: 192.0.2.2, unit: hist}]\n"
    take(book, write(tmp_path, "2.yml", change))
    states.append(rows(book))
    whole = "sites: [{domain: events.phys.x.edu, unit: phys, visits: ~, purpose: 招生}]\n"
    take(book, write(tmp_path, "3.yml", whole), complete=True)
    states.append(rows(book))
    back = "sites: [{domain: www.hist.x.edu, admin: 赵}]\n"
    take(book, write(tmp_path, "4.yml", back))

    def plain(state):
        volatile = {"origin", "imported_at"}  # of the last import that confirmed a row
        return {
            table: [{name: value for name, value in row.items() if name not in volatile} for row in found] for table, found in state.items()
        }

    for number in (4, 3, 2, 1):
        assert undo(book) == (number, [])
        assert plain(rows(book)) == plain(states[number - 1])
    with pytest.raises(NotFound, match="no import to undo"):
        undo(book)
    with pytest.raises(InputError, match="import 2 was taken back already on 2026-12-01 by li"):
        undo(book, 2)
    with pytest.raises(NotFound, match="no import 9"):
        undo(book, 9)


def test_an_older_import_is_undone_only_if_nothing_later_touched_the_same(book, tmp_path):
    take(book, write(tmp_path, "1.yml", SHEET))
    take(book, write(tmp_path, "2.csv", "域名,负责人,用途\nwww.hist.x.edu,王,院网\n"))
    take(book, write(tmp_path, "3.csv", "域名,负责人\nwww.hist.x.edu,李\n"))
    take(book, write(tmp_path, "4.csv", "域名,电话\nwww.hist.x.edu,12345\n"))
    before = rows(book)
    with pytest.raises(InputError, match=r"later imports touched what import 2 set:\n  import 3: www.hist.x.edu \(admin\)"):
        undo(book, 2)
    assert rows(book) == before
    undo(book, 3)
    undo(book, 2)
    row = next(row for row in rows(book)[model.Declared] if row["key"] == "www.hist.x.edu")
    assert ("admin" in row["data"], "purpose" in row["data"], row["data"]["admin_phone"]) == (False, False, "12345")
    with pytest.raises(InputError, match=r"import 4: www.hist.x.edu"):
        undo(book, 1)


def test_a_host_that_was_visited_stays(book, tmp_path):
    take(book, write(tmp_path, "1.yml", SHEET))
    with book.session() as session:
        host = session.scalar(select(model.Host).where(model.Host.address == "192.0.2.1"))
        host.visited_at, host.outcome = AT, "ok"
    assert undo(book)[1] == ["the host hist (192.0.2.1) stays: it has been visited since"]
    assert [host["address"] for host in rows(book)[model.Host]] == ["192.0.2.1"]


def test_a_unit_that_others_name_stays(book, tmp_path):
    take(book, write(tmp_path, "1.yml", "units: [{code: hist}]\n"))
    take(book, write(tmp_path, "2.yml", "sites: [{domain: a.x.edu, unit: hist}]\n"))
    with pytest.raises(InputError, match="the unit hist cannot go: 1 declared rows name it"):
        undo(book, 1)
    assert [unit["code"] for unit in rows(book)[model.Unit]] == ["hist"]


# ---------------------------------------------------------------- the whole of a unit's


def test_rows_that_a_sheet_lacks_are_withdrawn_only_when_it_is_complete(book, tmp_path):
    take(book, write(tmp_path, "1.csv", "单位,域名,用途\nhist,a.x.edu,x\nhist,b.x.edu,x\nphys,c.x.edu,x\n"))
    take(book, write(tmp_path, "u.yml", "units: [{code: hist}, {code: phys}]\n"))
    take(book, write(tmp_path, "1.csv", "单位,域名,用途\nhist,a.x.edu,x\nhist,b.x.edu,x\nphys,c.x.edu,x\n"))
    two = write(tmp_path, "2.csv", "单位,域名,用途\nhist,b.x.edu,\n")
    take(book, two)
    assert all(row["withdrawn_at"] is None for row in rows(book)[model.Declared])
    _, comparison = take(book, two, LATER, complete=True)
    assert [(change.action, change.key) for change in comparison.changes] == [("changed", "b.x.edu"), ("withdrawn", "a.x.edu")]
    found = {row["key"]: row for row in rows(book)[model.Declared]}
    assert [found[key]["withdrawn_at"] for key in ("a.x.edu", "b.x.edu", "c.x.edu")] == [LATER, None, None]
    assert "purpose" not in found["b.x.edu"]["data"]
    _, comparison = take(book, write(tmp_path, "3.csv", "单位,域名\nhist,a.x.edu\n"))
    assert [(change.action, change.key) for change in comparison.changes] == [("returned", "a.x.edu")]


def test_nothing_is_withdrawn_when_a_row_could_not_be_read(book, tmp_path):
    take(book, write(tmp_path, "u.yml", "units: [{code: hist}]\nsites: [{unit: hist, domain: a.x.edu}, {unit: hist, domain: b.x.edu}]\n"))
    _, comparison = take(book, write(tmp_path, "2.csv", "单位,域名\nhist,b.x.edu\nhist,a..x.edu\n"), complete=True)
    assert comparison.changes == []
    assert "nothing is withdrawn: 1 rows of sites could not be read, and each may be one of a.x.edu" in comparison.notes[0]


def test_a_rejected_cell_keeps_the_old_value(book, tmp_path):
    take(book, write(tmp_path, "1.yml", "sites: [{domain: a.x.edu, visits: 7}]\n"))
    said, comparison = take(book, write(tmp_path, "2.csv", "域名,月访问量\na.x.edu,many\n"), complete=True)
    assert (len(said), comparison.changes) == (1, [])


# ---------------------------------------------------------------- history


def test_history_of_one_site(book, tmp_path):
    one, two = write(tmp_path, "1.csv", "域名,负责人\na.x.edu,王\n"), write(tmp_path, "2.csv", "用途,域名,负责人\n招生,a.x.edu,李\n")
    take(book, one)
    take(book, two, LATER)
    undo(book, 2)
    with book.session() as session:
        told = history.of(session, "A.x.edu.")
        assert [(e["import"], e["by"], e["field"], e["old"], e["new"], e["place"], e["undone_at"]) for e in told] == [
            (1, "wang", "domain", None, "a.x.edu", f"{one}:2, column A", None),
            (1, "wang", "admin", None, "王", f"{one}:2, column B", None),
            (2, "wang", "purpose", None, "招生", f"{two}:2, column A", LATER),
            (2, "wang", "admin", "王", "李", f"{two}:2, column C", LATER),
        ]
        assert history.sources(session, "site", ["a.x.edu"])["a.x.edu"]["admin"] == history.Source(f"{one}:2, column B", AT, "wang")
        imports = history.imports(session)
        assert [(made["import"], made["file"], made["counts"]["rejected"]) for made in imports] == [(1, str(one), 0), (2, str(two), 0)]
        with pytest.raises(NotFound, match=r"no history of 'z\.x\.edu'"):
            history.of(session, "z.x.edu")


# ---------------------------------------------------------------- both engines, odd cells


@pytest.mark.postgresql
def test_both_engines_hold_the_same(server, tmp_path):
    path = write(tmp_path, "register.yml", SHEET)
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
    "not a number": ("units: [{code: a}]\nsites: [{unit: a, domain: a.x.edu, visits: .nan}]", ["visits"]),
    "an unknown field": ("units: [{code: a, opened: 2009-09-01}]", ["opened"]),
    "a set": ("units: [{code: a, aliases: !!set {x, y}}]", ["aliases"]),
    "a formula": ("units: [{code: a, name: \"=cmd|' /C calc'!A0\"}]", []),
    "a unit that is a list": ("units: [{code: a}]\nsites: [{unit: [a, b], domain: a.x.edu}]", ["unit"]),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_odd_cells_stop_nobody(book, tmp_path, case):
    text, reasons = HOSTILE[case]
    said, _ = take(book, write(tmp_path, "register.yml", text))
    assert len(said) == len(reasons)
    assert all(reason in line for reason, line in zip(reasons, said, strict=True))
    assert [unit["code"] for unit in rows(book)[model.Unit]] == ["a"]


LONG = {
    "code": "units: [{code: a}, {code: %s}]" % ("c" * 65),
    "name": "units: [{code: a}, {code: b, name: %s}]" % ("n" * 256),
    "host": "units: [{code: a}]\nservers: [{name: %s, address: 192.0.2.1}]" % ("h" * 256),
    "link": f"units: [{{code: a}}]\nlinks: [{{site: a.x.edu, server: {'s' * 200}, database: {'d' * 200}}}]",
}


@pytest.mark.parametrize("case", LONG)
def test_cells_that_are_too_long_stop_nobody(book, tmp_path, case):
    said, _ = take(book, write(tmp_path, "register.yml", LONG[case]))
    assert len(said) >= 1
    assert "a" in [unit["code"] for unit in rows(book)[model.Unit]]
