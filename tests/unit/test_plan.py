"""Which sites a plan leaves where they are, and why."""

from datetime import date

import pytest

from planner import plan
from planner.platforms import Platforms

PLATFORMS = Platforms.model_validate({"virtual_hosts": [{"name": "vh1", "address": "192.0.2.9"}]})

MADE_FROM = {name: "0" * 64 for name in ("rules", "platforms", "calendar", "decisions")}


def make(*candidates):
    return plan.make(candidates, PLATFORMS, MADE_FROM, date(2026, 11, 24))


def candidate(**facts):
    known = {"site.declared": True, "site.docroot": "/a", "site.tls": False, "site.static": True, **facts}
    listed = {name: {"value": value, "evidence": [], "why": ""} for name, value in known.items() if value is not None}
    return plan.Candidate("a.edu", "u", "old", "192.0.2.1", ["a.edu"], listed, "virtual-host", "dominant")


def test_a_declared_site_moves():
    assert [move["id"] for move in make(candidate())["moves"]] == ["a-edu"]


@pytest.mark.parametrize(
    ("facts", "why"),
    [({"site.tls": True}, "HTTPS"), ({"site.declared": False}, "no unit has declared it"), ({"site.docroot": None}, "docroot is unknown")],
)
def test_what_stays_has_a_reason(facts, why):
    made = make(candidate(**facts))
    assert made["moves"] == []
    assert why in made["left"][0]["why"]
