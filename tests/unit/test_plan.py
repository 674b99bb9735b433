"""Which sites a plan leaves where they are, and why."""

import pytest

from planner import equality, plan
from planner.workspace import Platforms

PLATFORMS = Platforms.model_validate({"virtual_hosts": [{"name": "vh1", "address": "192.0.2.9"}]})


def candidate(**facts):
    known = {"site.declared": True, "site.docroot": "/a", "site.tls": False, "site.static": True, **facts}
    listed = {name: {"value": value, "evidence": [], "why": ""} for name, value in known.items() if value is not None}
    return plan.Candidate("a.edu", "u", "old", "192.0.2.1", ["a.edu"], listed, "virtual-host", "dominant")


def test_a_declared_site_moves():
    assert [move["id"] for move in plan.make([candidate()], PLATFORMS, "rules")["moves"]] == ["a-edu"]


@pytest.mark.parametrize(
    ("facts", "why"),
    [({"site.tls": True}, "HTTPS"), ({"site.declared": False}, "no unit has declared it"), ({"site.docroot": None}, "docroot is unknown"),
     ({"application.config_file": "/etc/a/config.php", "database.used": True}, "its configuration /etc/a/config.php stands outside"),
     ({"application.config_file": "/a/../ab/config.php", "database.used": True}, "stands outside of its docroot"),
     ({"application.config_file": "/.env", "database.used": True}, "stands outside of its docroot")],
)  # fmt: skip
def test_what_stays_has_a_reason(facts, why):
    made = plan.make([candidate(**facts)], PLATFORMS, "rules")
    assert made["moves"] == []
    assert why in made["left"][0]["why"]


@pytest.mark.parametrize(
    ("file", "database", "relative"),
    [("/a/conf/db.php", {"name": "x"}, "conf/db.php"), ("/a//db.php", {"name": "x"}, "db.php"), ("/a/db.php", None, None),
     ("", {"name": "x"}, None), ("/etc/a/db.php", {"name": "x"}, None), ("/ab/db.php", {"name": "x"}, None)],
)  # fmt: skip
def test_the_configuration_is_told_relative_to_its_docroot_or_not_at_all(file, database, relative):
    assert equality.configuration_path({"source": {"config_file": file, "docroot": "/a", "database": database}}) == relative
