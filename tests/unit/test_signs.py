"""Presumptions: what is taken for granted, what is asked, and that an answer always goes first."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner import factnames, signs

TODAY = date(2026, 11, 24)


def known(**values):
    return {
        name.replace("__", "."): {"value": value, "evidence": [[1, name, 2]], "why": "", "seen": "2026-11-20"}
        for name, value in values.items()
    }


def derived(**values):
    return {name: fact["value"] for name, fact in signs.derive(known(**values), TODAY).items()}


PHP = dict(site__static=False, site__php=True, site__kind="site", site__declared=True)


@pytest.mark.parametrize(
    ("values", "fact", "expected"),
    [
        # sensitive data
        (dict(site__static=True), "answer.sensitive", "none"),
        (dict(PHP, declared__type="business", declared__purpose="学生体检预约"), "answer.sensitive", "personal"),
        (dict(PHP, declared__type="business", declared__name="一卡通充值系统"), "answer.sensitive", "personal"),
        (dict(PHP, declared__type="business", declared__name="教务系统"), "answer.sensitive", "student"),
        (dict(PHP, declared__type="information", declared__name="校医院", site__names=["hospital.example.edu"]), "answer.sensitive", "none"),
        (dict(PHP, site__names=["card.example.edu"], declared__type="business"), "answer.sensitive", "personal"),
        (dict(PHP, site__names=["cardiology.example.edu"], application__name="WordPress"), "answer.sensitive", "none"),
        (dict(PHP, site__names=["salary.hr.example.edu"]), "answer.sensitive", None),
        (dict(PHP, application__name="ThinkPHP", declared__type="interactive"), "answer.sensitive", None),
        (dict(PHP, application__name="Discuz!", declared__type="interactive"), "answer.sensitive", "none"),
        (dict(PHP, application__name="Discuz!", declared__type="interactive"), "risk.unsaid", True),
        (dict(PHP, answer__sensitive="student", declared__type="information"), "answer.sensitive", "student"),
        (dict(site__static=True, answer__sensitive="personal"), "answer.sensitive", "personal"),
        # visitors who log in or write
        (dict(PHP, application__name="WordPress", application__plugins=["akismet"]), "answer.login", False),
        (dict(PHP, application__name="WordPress", application__plugins=["buddypress"]), "answer.login", True),
        (dict(PHP, application__name="WordPress", declared__purpose="会议报名"), "answer.login", None),
        (dict(PHP, application__name="Moodle"), "answer.login", True),
        (dict(PHP, application__name="unknown"), "answer.login", None),
        (dict(PHP, declared__type="information"), "answer.login", False),
        (dict(PHP, declared__type="information", declared__interactive_columns=["留言板"]), "answer.interactive", True),
        (dict(PHP, application__name="MediaWiki"), "answer.interactive", True),
        (dict(PHP, answer__publishing_only=True, application__name="unknown"), "answer.interactive", False),
        # secrets, weight, code
        (dict(PHP, declared__type="business", declared__purpose="国防项目管理"), "answer.state_secrets", None),
        (dict(PHP, declared__type="information", declared__name="保密与国防教育"), "answer.state_secrets", False),
        (dict(PHP), "answer.state_secrets", False),
        (dict(PHP, declared__type="business", declared__name="选课系统"), "answer.critical", True),
        (dict(PHP, declared__type="information", declared__name="选课系统使用说明"), "answer.critical", False),
        (dict(PHP, declared__mlps="3"), "answer.critical", True),
        (dict(PHP, declared__mlps="3"), "answer.outage_tolerable", False),
        (dict(PHP, application__name="Laravel"), "answer.custom_code", True),
        (dict(PHP, application__name="Drupal"), "answer.custom_code", False),
        (dict(PHP), "answer.custom_code", None),
        (dict(PHP, site__php_modules=["curl", "ionCube Loader"]), "risk.encoded", True),
        (dict(PHP, site__php_modules=["curl"]), "risk.encoded", False),
        # machines
        (dict(server__machine="virtual"), "answer.virtualizable", True),
        (dict(server__machine="physical", declared__remarks="需要加密狗"), "answer.virtualizable", None),
        (dict(server__machine="physical"), "answer.virtualizable", True),
        (dict(server__machine="physical", answer__special_hardware=True), "answer.virtualizable", False),
        (dict(declared__admin_kind="student"), "answer.staff_admin", False),
        (dict(declared__admin="张三"), "answer.staff_admin", True),
        (dict(), "answer.staff_admin", None),
        (dict(declared__runtime="ASP.NET 4.5"), "site.kind", "system"),
        (dict(declared__runtime="PHP 7.4", site__web_server="nginx"), "site.kind", "site"),
        # retirement
        (dict(content__age_days=900, use__requests_per_day=1.0), "answer.still_needed", False),
        (dict(content__age_days=900, use__requests_per_day=50.0), "answer.still_needed", True),
        (dict(content__age_days=900), "answer.still_needed", None),
        (dict(content__age_days=6, use__requests_per_day=1.0), "answer.still_needed", True),
        (dict(content__age_days=900, use__requests_per_day=1.0, answer__still_needed=True), "answer.still_needed", True),
        (dict(content__age_days=900, use__requests_per_day=1.0, declared__type="archive"), "answer.still_needed", True),
        (dict(content__age_days=900, use__requests_per_day=1.0, declared__type="archive", answer__owner_agrees_to_retire=True), "answer.still_needed", False),
        (dict(content__age_days=190, use__requests_per_day=1.0, declared__name="本科招生网"), "answer.still_needed", True),
        (dict(content__age_days=3000, use__requests_per_day=1.0, declared__name="2016 招生"), "answer.still_needed", False),
        (dict(declared__valid_until="2017-06-30"), "answer.still_needed", False),
        (dict(declared__valid_until="2027-06-30"), "answer.still_needed", True),
        (dict(http__dns_here=False, http__dns=["192.0.2.9"], use__requests_per_day=0.5), "answer.still_needed", False),
        (dict(http__dns_here=False, http__dns=["192.0.2.9"], use__requests_per_day=900.0), "answer.still_needed", True),
        (dict(http__dns_here=False, http__dns=["192.0.2.9"]), "answer.still_needed", None),
        (dict(http__dns=[], content__age_days=200, use__requests_per_day=20.0), "answer.still_needed", False),
        (dict(content__exists=False, site__proxy_to=[]), "answer.still_needed", False),
        # what the absence of a fact means where its neighbours were read
        (dict(site__proxy_to=[]), "backend.remote", []),
        (dict(site__static=True), "database.used", False),
        (dict(database__used=False), "database.shared_with", []),
        (dict(database__used=True), "database.shared_with", None),
        (dict(database__used=True, database__name="a"), "database.shared_with", []),
        (dict(site__declared=False), "owner.known", False),
        (dict(site__declared=False, owner__unit="phys"), "owner.known", True),
        (dict(declared__icp=""), "filing.icp", False),
        (dict(declared__icp="京ICP备05000001号"), "filing.icp", True),
    ],
)  # fmt: skip
def test_presumptions(values, fact, expected):
    assert derived(**values).get(fact) == expected


def test_the_day_decides_whether_a_purpose_is_served():
    facts = known(declared__valid_until="2026-11-23")
    assert signs.derive(facts, date(2026, 11, 24))["purpose.passed"]["value"] is True
    assert signs.derive(facts, date(2026, 11, 23))["purpose.passed"]["value"] is False
    assert "purpose.passed" not in signs.derive(facts)


def test_a_presumption_has_the_evidence_and_the_age_of_its_signs():
    facts = known(content__age_days=900, use__requests_per_day=1.0)
    facts["content.age_days"]["seen"] = "2026-01-01"
    fact = signs.derive(facts, TODAY)["retire.signs"]
    assert fact["presumed"] and fact["seen"] == "2026-01-01" and [1, "content__age_days", 2] in fact["evidence"]


def test_only_what_was_presumed_is_presumed():
    facts = signs.derive(known(site__static=True, answer__login=False), TODAY)
    assert "answer.sensitive" in signs.presumed(facts) and "answer.login" not in signs.presumed(facts)
    assert facts["answer.login"] == known(answer__login=False)["answer.login"]


VALUES = {
    "site.static": [True, False], "site.php": [True, False], "declared.type": ["information", "business", "archive"], "content.age_days": [3, 900],
    "use.requests_per_day": [0.5, 90.0], "application.name": ["WordPress", "unknown", "Discuz!"], "declared.name": ["体检系统", "历史学院", "论坛"],
    "answer.login": [True, False], "answer.still_needed": [True, False], "http.dns": [[], ["192.0.2.1"]], "site.declared": [True, False],
    "declared.mlps": ["3", "none"], "answer.special_hardware": [True, False],
}  # fmt: skip
WORLDS = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in VALUES.items()})


@settings(max_examples=150, deadline=None)
@given(WORLDS)
def test_to_derive_twice_changes_nothing_and_what_is_known_stays(world):
    facts = {name: {"value": value, "evidence": [[1, "s", 1]], "why": ""} for name, value in world.items()}
    once = signs.derive(facts, TODAY)
    assert signs.derive(once, TODAY) == once
    assert {name: once[name] for name in facts} == facts
    assert set(once) <= factnames.names()
    assert signs.derive(dict(reversed(list(facts.items()))), TODAY) == once


@settings(max_examples=80, deadline=None)
@given(WORLDS, st.sampled_from(["answer.login", "answer.sensitive", "answer.still_needed", "answer.publishing_only"]))
def test_an_answer_given_later_counts_as_one_given_first(world, name):
    said = {"value": "none" if name == "answer.sensitive" else False, "evidence": [["answer", name, 0]], "why": ""}
    facts = {key: {"value": value, "evidence": [], "why": ""} for key, value in world.items()}
    first = signs.derive({**facts, name: said}, TODAY)
    later = signs.derive({**signs.derive(facts, TODAY), name: said}, TODAY)
    assert first == later and first[name] == said


OLD = dict(site__static=True, site__declared=True, content__age_days=2000, use__requests_per_day=1.0)


@pytest.mark.parametrize(
    ("values", "needed"),
    [
        (dict(OLD, use__span_days=14, use__days=3), False),
        (dict(OLD, use__span_days=1, use__days=1), None),
        (dict(OLD, use__days=5), None),
        (dict(OLD, use__days=730), False),
        (dict(OLD), False),
        (dict(OLD, use__span_days=1, use__requests_per_day=90.0), True),
        (dict(OLD, use__span_days=1, content__age_days=3), True),
        (dict(OLD, use__span_days=1, site__declared=False), False),
        (dict(OLD, use__span_days=1, site__declared=False, owner__known=True, content__age_days=500), None),
    ],
)
def test_a_log_of_a_day_proves_no_disuse(values, needed):
    assert derived(**values).get("answer.still_needed") is needed


def test_a_fresh_site_without_a_name_in_dns_is_asked_about_not_retired():
    values = dict(site__static=True, site__declared=False, content__age_days=3, http__dns=[], use__requests_per_day=1.0)
    assert derived(**values, use__span_days=1)["answer.still_needed"] is True
    assert derived(**values, use__span_days=20)["retire.signs"] == ["its names do not exist in DNS"]
    assert derived(**{**values, "content__age_days": 60}, use__span_days=1)["answer.still_needed"] is False


def test_a_proxy_to_nothing_that_nobody_declared_is_no_longer_used():
    values = dict(site__vhosts=[["a", 1]], site__proxy_to=["http://127.0.0.1:9000"], backend__missing=["127.0.0.1:9000"])
    assert derived(**values, site__declared=False)["retire.signs"] == ["nothing answers behind its proxy and nobody has declared it"]
    assert derived(**values, site__declared=True)["retire.signs"] == []
    assert derived(**values, site__declared=False, site__docroot="/srv/a")["retire.signs"] == []
