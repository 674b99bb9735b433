"""Candidates for closing: each rule in three values, its exceptions, the facts made for the rules, and the workspace's own rules."""

from datetime import date

import pytest

from inventory import candidates
from inventory.errors import ConfigurationError

RULES = candidates.load()
TODAY = date(2026, 11, 1)
GOOD = {"host.os_supported": True, "site.php_supported": True, "database_supported": True, "content.age_days": 3}


def findings(facts, declared=None, unit="hist", rules=RULES):
    given = {name: {"value": value, "evidence": [["h", name, 1]]} for name, value in facts.items()}
    return {item.rule.id: item for item in candidates.judge(rules, candidates.facts_of(given, declared, unit, TODAY))}


@pytest.mark.parametrize(
    ("rule", "facts", "declared", "unit", "expected"),
    [
        ("not-updated", {"content.age_days": 180}, {}, "hist", True),
        ("not-updated", {"content.age_days": 179}, {}, "hist", False),
        ("not-updated", {}, {}, "hist", None),
        ("not-updated", {"content.age_days": 900}, {"audience": "seasonal"}, "hist", False),
        ("not-updated", {"content.age_days": 900}, {"audience": "internet"}, "hist", True),
        ("not-updated", {"content.age_days": 900}, {"type": "archive"}, "hist", False),
        ("not-updated", {"content.age_days": 900}, {"purpose": "五十周年纪念网站"}, "hist", False),
        ("not-visited", {"use.requests_per_day": 1.0, "use.days": 730}, {}, "hist", True),
        ("not-visited", {"use.requests_per_day": 1.0, "use.days": 14}, {}, "hist", False),
        ("not-visited", {"use.requests_per_day": 50, "use.days": 14}, {}, "hist", False),
        ("not-visited", {"use.requests_per_day": 1.0, "use.days": 730, "use.log_shared": True}, {}, "hist", None),
        ("not-visited", {}, {"visits": 5}, "hist", None),
        ("not-visited", {}, {"visits": 500}, "hist", False),
        ("purpose-served", {}, {"valid_until": "2026-10-31"}, "hist", True),
        ("purpose-served", {}, {"valid_until": "2026-11"}, "hist", False),
        ("purpose-served", {}, {"valid_until": "2026-10"}, "hist", True),
        ("purpose-served", {}, {"valid_until": "never"}, "hist", False),
        ("purpose-served", {}, {}, "hist", None),
        ("unmaintained-with-holes", {**GOOD, "site.php_supported": False}, {"admin": "王"}, "hist", False),
        ("unmaintained-with-holes", {**GOOD, "site.php_supported": False}, {}, "hist", True),
        ("unmaintained-with-holes", {**GOOD, "site.php_supported": False}, {"admin": "小王", "admin_kind": "student"}, "hist", True),
        ("unmaintained-with-holes", {**GOOD, "content.age_days": 400}, {"admin": "王", "findings_high": 2}, "hist", True),
        ("unmaintained-with-holes", {**GOOD, "content.age_days": 400}, {"admin": "王", "findings_high": 0, "findings_medium": 0}, "hist", False),
        ("unmaintained-with-holes", {"content.age_days": 400}, {"admin": "王"}, "hist", None),
        ("owner-gone", {}, {}, None, True),
        ("owner-gone", {}, {"admin": "王"}, None, False),
        ("owner-gone", {}, {}, "hist", False),
        ("owner-gone", {"owner.ranking": {"hist": 0.5, "phys": 0.4}}, {}, None, None),
        ("owner-gone", {"owner.ranking": {}}, {}, None, True),
    ],
)  # fmt: skip
def test_rules(rule, facts, declared, unit, expected):
    assert findings(facts, declared, unit)[rule].holds is expected


def test_a_finding_names_its_facts_what_is_missing_and_what_excuses():
    found = findings({"content.age_days": 900}, {"audience": "seasonal"})
    assert found["not-updated"].excused == "seasonal"
    assert found["not-updated"].facts["content.age_days"]["evidence"] == [["h", "content.age_days", 1]]
    assert findings({})["not-visited"].missing == ("visits.month", "visits.months")


def test_one_unsupported_program_is_enough_and_one_supported_is_not():
    def supported(**facts):
        return candidates.facts_of({n.replace("__", "."): {"value": v} for n, v in facts.items()}, {}, None, TODAY).get(
            "software.unsupported"
        )

    assert supported(site__php_supported=False)["value"] is True
    assert supported(site__php_supported=True) is None
    assert supported(site__php_supported=True, host__os_supported=True)["value"] is False


def test_summary():
    assert candidates.summary(findings({"content.age_days": 900}).values()) is True
    assert candidates.summary(findings({}).values()) is None


def test_the_workspaces_own_rules(tmp_path):
    (tmp_path / "inventory").mkdir()
    own = tmp_path / candidates.OWN
    own.write_text(
        "rules:\n"
        "  - {id: not-updated, title: {en: old}, when: {fact: content.age_days, above: 29}, message: old, exceptions: [exam]}\n"
        "  - {id: owner-gone, title: {en: x}, when: {known: x}, message: x, enabled: false}\n"
        "exceptions: [{id: exam, title: {en: exams}, when: {all: [{known: declared.name}, {fact: declared.name, matches: exam}]}}]\n"
    )
    rules = candidates.load(tmp_path)
    assert "owner-gone" not in findings({}, rules=rules)
    assert findings({"content.age_days": 30}, rules=rules)["not-updated"].holds is True
    assert findings({"content.age_days": 30}, {"name": "exam site"}, rules=rules)["not-updated"].excused == "exam"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "rules: [{id: a, title: {en: a}, when: {fact: x}, message: m}]",
            "candidates.yml:1:9: rules.0: when: ['fact'] is no condition",
        ),
        (
            "rules: [{id: a, title: {en: a}, when: {known: x}, message: m, exceptions: [nix]}]",
            "candidates.yml:1:76: there is no exception 'nix'",
        ),
        ("rules: [{id: a}]", "title: Field required"),
    ],
)
def test_rules_that_are_wrong_are_said_with_their_place(tmp_path, text, said):
    (tmp_path / "inventory").mkdir()
    (tmp_path / candidates.OWN).write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        candidates.load(tmp_path)
    assert said in str(caught.value)
