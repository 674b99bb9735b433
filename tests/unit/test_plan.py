"""Which sites a plan leaves where they are, and why."""

import pytest

from planner import plan
from planner.platforms import Platforms

PLATFORMS = Platforms.model_validate({"virtual_hosts": [{"name": "vh1", "address": "192.0.2.9"}]})


def candidate(**facts):
    known = {"site.declared": True, "site.docroot": "/a", "site.tls": False, "site.static": True, **facts}
    listed = {name: {"value": value, "evidence": [], "why": ""} for name, value in known.items() if value is not None}
    return plan.Candidate("a.edu", "u", "old", "192.0.2.1", ["a.edu"], listed, "virtual-host", "dominant")


def test_a_declared_site_moves():
    assert [move["id"] for move in plan.make([candidate()], PLATFORMS, "rules")["moves"]] == ["a-edu"]


@pytest.mark.parametrize(
    ("facts", "why"),
    [({"site.tls": True}, "HTTPS"), ({"site.declared": False}, "no unit has declared it"), ({"site.docroot": None}, "docroot is unknown")],
)
def test_what_stays_has_a_reason(facts, why):
    made = plan.make([candidate(**facts)], PLATFORMS, "rules")
    assert made["moves"] == []
    assert why in made["left"][0]["why"]
