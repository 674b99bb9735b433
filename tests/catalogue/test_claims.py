"""A site in the sheets of two units: both claims are kept and said, whoever comes first; a correction is none; each step can be undone."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from inventory import model, reconcile, register
from inventory.register import claims, history, storing, undoing

AT = datetime(2026, 11, 1, tzinfo=UTC)
UNITS = (
    "units:\n  - {code: hist, name: 历史学院, domains: [hist.x.edu]}\n  - {code: phys, name: 物理学院}\n  - {code: chem, name: 化学学院}\n"
)


def sheet(*rows):
    return "单位,域名\n" + "".join(f"{unit},{domain}\n" for unit, domain in rows)


HIST = sheet(("历史学院", "shared.x.edu"), ("历史学院", "a.x.edu"))
PHYS = sheet(("物理学院", "b.x.edu"), ("物理学院", "shared.x.edu"))
CHEM = sheet(("化学学院", "c.x.edu"), ("化学学院", "shared.x.edu"))


@pytest.fixture
def office(book, tmp_path):
    """Take a sheet: (what is rejected, notes); `office.stands()` is (unit, {unit: place}) of the shared site, None where it is gone."""

    def take(name, text, complete=False):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        read = register.read(path)
        with book.session() as session:
            comparison, number = storing.store(session, read, AT, by="wang", complete=complete)
            reconcile.update(session, AT)
        take.number = number
        told = [text.replace(f"{tmp_path}/", "") for text in comparison.notes]
        return [str(item).replace(f"{tmp_path}/", "") for item in storing.rejections(read, comparison)], told

    def stands():
        with book.session() as session:
            row = session.scalar(select(model.Declared).where(model.Declared.key == "shared.x.edu", model.Declared.withdrawn_at.is_(None)))
            found = {unit: place.replace(f"{tmp_path}/", "") for unit, place in claims.of(row.data).items()} if row else {}
            return row and row.unit_code, found

    def owner():
        with book.session() as session:
            item = session.scalar(select(model.Workload).where(model.Workload.name == "shared.x.edu"))
            told = {reason["unit"]: reason["why"].replace(f"{tmp_path}/", "") for reason in item.facts["owner.reasons"]["value"]}
            return item.unit_code, told, item.facts["owner.sure"]["value"], item.owner_reason.replace(f"{tmp_path}/", "")

    def undo(number=None):
        with book.session() as session:
            undoing.undo(session, number, AT, "li")
            reconcile.update(session, AT)

    take.stands, take.owner, take.undo, take.book = stands, owner, undo, book
    take("units.yml", UNITS)
    return take


BOTH = {"hist": "hist.csv:2, column A", "phys": "phys.csv:3, column A"}


@pytest.mark.parametrize("first", ["hist", "phys"])
def test_both_claims_are_kept_and_said_whoever_comes_first(office, first):
    texts = {"hist": HIST, "phys": PHYS}
    second = "phys" if first == "hist" else "hist"
    assert office(f"{first}.csv", texts[first]) == ([], [])
    assert office.owner()[2:] == (True, f"declared in {BOTH[first].partition(', ')[0]}")
    rejected, notes = office(f"{second}.csv", texts[second])
    assert rejected == []
    assert notes == [
        f"declared by more than one unit: shared.x.edu, by {second} at {BOTH[second]}, and by {first} at {BOTH[first]};"
        " planner owner confirm shared.x.edu UNIT decides"
    ]
    assert office.stands()[1] == BOTH
    reasons = {unit: f"declared in {place}" for unit, place in BOTH.items()}
    assert office.owner() == (
        None, reasons, False,
        "more than one unit declares it: hist (declared in hist.csv:2, column A), phys (declared in phys.csv:3, column A)",
    )  # fmt: skip
    before = office.stands()
    assert len(office(f"{second}.csv", texts[second])[1]) == 1  # said again, and nothing changes
    assert office.stands() == before
    office.undo()
    office.undo()
    assert office.stands() == (first, {})
    assert office.owner()[0] == first


def test_three_units(office):
    for name, text in (("hist", HIST), ("phys", PHYS), ("chem", CHEM)):
        _, notes = office(f"{name}.csv", text)
    assert "by chem at chem.csv:3, column A, and by hist at hist.csv:2, column A, phys at phys.csv:3, column A" in notes[0]
    assert office.stands()[1].keys() == {"hist", "phys", "chem"}


def test_what_else_speaks_decides_and_the_other_claim_stays_a_contradiction(office):
    for name, text in (("hist", HIST), ("phys", PHYS)):
        office(f"{name}.csv", text.replace("shared.x.edu", "shared.hist.x.edu"))
    with office.book.session() as session:
        item = session.scalar(select(model.Workload).where(model.Workload.name == "shared.hist.x.edu"))
        assert item.unit_code == "hist"  # its name lies in that unit's domain
        assert {reason["kind"] for reason in item.facts["owner.reasons"]["value"] if reason["unit"] == "phys"} == {"declared-site"}
        assert not item.facts["owner.sure"]["value"]


@pytest.mark.parametrize(
    ("text", "complete", "unit", "units"),
    [
        (sheet(("历史学院", "a.x.edu"), ("物理学院", "shared.x.edu")), False, "phys", set()),  # one sheet of several units: a correction
        (sheet(("历史学院", "a.x.edu")), False, "phys", {"hist", "phys"}),  # it is not said to be whole
        (sheet(("历史学院", "a.x.edu")), True, "phys", set()),
        (sheet(("物理学院", "b.x.edu")), True, "hist", set()),
        (sheet(("历史学院", "a.x.edu"), ("物理学院", "b.x.edu")), True, None, set()),
        ("域名,用途\nshared.x.edu,院网\n", False, "phys", {"hist", "phys"}),  # says nothing of units
        (sheet(("no such unit", "shared.x.edu")), False, "phys", {"hist", "phys"}),
    ],
)  # fmt: skip
def test_how_a_claim_ends(office, text, complete, unit, units):
    office("hist.csv", HIST)
    office("phys.csv", PHYS)
    before = office.stands()
    office("later.csv", text, complete)
    stands = office.stands()
    assert (stands[0], set(stands[1])) == (unit, units)
    office.undo()
    assert office.stands() == before
    office("later.csv", text, complete)
    office.undo()
    office.undo()
    assert office.stands() == ("hist", {})


def test_of_three_claims_one_is_given_up(office):
    for name, text in (("hist", HIST), ("phys", PHYS), ("chem", CHEM)):
        office(f"{name}.csv", text)
    office("chem2.csv", sheet(("化学学院", "c.x.edu")), True)
    assert office.stands() == ("hist", BOTH)


def test_a_site_that_was_withdrawn_and_another_unit_declares(office):
    office("hist.csv", HIST)
    office("hist2.csv", sheet(("历史学院", "a.x.edu")), True)
    assert office("phys.csv", PHYS)[1] == []
    assert office.stands() == ("phys", {})


@pytest.mark.parametrize(
    ("first", "second", "units"),
    [("历史学院", "物理学院", {"hist", "phys"}), ("历史学院", "hist", set()), ("历史学院", "", set()), ("", "物理学院", set())],
)
def test_twice_in_one_file(office, first, second, units):
    rejected, notes = office("all.csv", sheet((first, "shared.x.edu"), (second, "shared.x.edu"), ("物理学院", "b.x.edu")))
    assert len(rejected) == 1
    assert "all.csv:3: shared.x.edu is declared already at all.csv:2; this row is left out" in rejected[0]
    assert rejected[0].endswith(", but for its unit: 历史学院 there, 物理学院 here") is bool(units)
    assert set(office.stands()[1]) == units
    assert len(notes) == bool(units)


def test_two_sheets_of_one_workbook(office, tmp_path):
    from openpyxl import Workbook

    pages = Workbook()
    for number, (unit, title) in enumerate((("历史学院", "历史"), ("物理学院", "物理"))):
        page = pages.active if not number else pages.create_sheet()
        page.title = title
        for line in (("域名", "单位"), ("shared.x.edu", unit)):
            page.append(line)
    pages.save(tmp_path / "both.xlsx")
    read = register.read(tmp_path / "both.xlsx")
    with office.book.session() as session:
        comparison, _ = storing.store(session, read, AT, by="wang")
    assert len(comparison.notes) == 1
    assert office.stands()[1] == {"hist": "both.xlsx: sheet '历史', row 2, column B", "phys": "both.xlsx: sheet '物理', row 2, column B"}


def test_many_conflicts_are_not_all_said(office):
    rows = [(f"s{number}.x.edu") for number in range(60)]
    office("hist.csv", sheet(*(("历史学院", name) for name in rows)))
    _, notes = office("phys.csv", sheet(*(("物理学院", name) for name in rows)))
    assert len(notes) == 21
    assert notes[-1].endswith("planner owners --unsure lists them")


def test_the_history_tells_of_claims(office):
    office("hist.csv", HIST)
    office("phys.csv", PHYS)
    with office.book.session() as session:
        told = [(row["field"], row["new"]) for row in history.of(session, "shared.x.edu") if row["field"] in {"unit", "claims"}]
    assert [name for name, _ in told] == ["unit", "unit", "claims"]
    assert told[-1][1].keys() == {"hist", "phys"}
