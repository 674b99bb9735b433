"""The register: sheets with Chinese headings, rows that cannot be used, and the scope of visits."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from inventory import model, register, scope
from inventory.catalogue import open_catalogue
from inventory.errors import InputError

AT = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_chinese_sheet(tmp_path, encoding):
    path = tmp_path / "sites.csv"
    path.write_bytes("单位,网站名称,域名\n历史学院,院网,www.hist.x.edu\n历史学院,坏行,不是域名\n".encode(encoding))
    sheet = register.read(path)
    assert [(row.key, row.data["name"], row.origin) for row in sheet.rows] == [("www.hist.x.edu", "院网", f"{path}:2")]
    assert sheet.rejected == [f"{path}:3: domain: '不是域名' is not a DNS name"]


def test_rows_of_an_unknown_unit_are_rejected_and_the_rest_is_taken(tmp_path):
    path = tmp_path / "r.yml"
    path.write_text(
        "units: [{code: hist, name: {zh: 历史学院}}]\nsites:\n  - {unit: 历史学院, domain: a.x.edu}\n  - {unit: nobody, domain: b.x.edu}\n"
    )
    book = open_catalogue(f"sqlite:///{tmp_path}/c.db")
    with book.session() as session:
        rejected = register.store(session, register.read(path), AT)
        assert [row.key for row in session.scalars(select(model.Declared))] == ["a.x.edu"]
    assert rejected == [f"{path}:4:5: unit: 'nobody' is not in the register"]


@pytest.mark.parametrize(
    ("name", "fine"),
    [
        ("a.x.edu", True),
        ("a_b.x.edu", True),
        ("x", False),
        ("{{ x }}.edu", False),
        ("192.0.2.1", False),
        ("网站.x.edu", True),
        ("a b.edu", False),
    ],
)
def test_names(name, fine):
    assert register.valid_name(name) is fine


def test_scope():
    allowed = scope.scope(["192.0.2.0/24", "198.51.100.5-198.51.100.9"], ["192.0.2.7"])
    assert [allowed.refuses(a) != "" for a in ("192.0.2.1", "192.0.2.7", "198.51.100.9", "198.51.100.10", "x")] == [
        False,
        True,
        False,
        True,
        True,
    ]
    with pytest.raises(InputError):
        scope.parse_range("192.0.2.300")
