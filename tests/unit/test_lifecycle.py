"""The table of support ends: every row is a date, versions are found by release, unknown stays unknown."""

from datetime import date

import pytest

from inventory import lifecycle, yamlfile
from inventory.identify import Seen, sites


@pytest.mark.parametrize(
    ("product", "version", "end"),
    [
        ("debian", "11", date(2026, 8, 31)), ("debian", "11.6", date(2026, 8, 31)), ("ubuntu", "20.04", date(2025, 5, 29)),
        ("ubuntu", "20", None), ("MariaDB", "10.5.29", date(2025, 6, 24)), ("php", "7.4.33", date(2022, 11, 28)), ("php", "7", None),
        ("centos", "7.9.2009", date(2024, 6, 30)), ("debian", "", None), ("plan9", "4", None), ("debian", "110", None),
    ],
)  # fmt: skip
def test_ends(product, version, end):
    assert lifecycle.ends(product, version) == end


def test_every_row_is_a_date_and_names_its_source():
    data = yamlfile.read(lifecycle.TABLE).data
    assert isinstance(data["as_of"], date)
    for product, row in data["products"].items():
        assert row["source"], product
        assert row["ends"], product
        assert all(isinstance(version, str) and isinstance(end, date) for version, end in row["ends"].items()), product


@pytest.mark.parametrize(("at", "supported"), [(date(2026, 8, 31), True), (date(2026, 9, 1), False), (None, None)])
def test_a_site_knows_whether_its_host_still_got_updates(at, supported):
    seen = [
        Seen("vhost", {"enabled": True, "names": ["a.edu"], "server": "nginx", "docroot": "/a"}, (1, "nginx", 1)),
        Seen("os", {"id": "debian", "version": "11"}, (1, "system", 1)),
    ]
    (site,) = sites("h", seen, at)
    assert site.value("host.os_end") == "2026-08-31"
    assert site.value("host.os_supported") is supported
