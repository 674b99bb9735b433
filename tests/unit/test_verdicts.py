"""The hand-written workloads: each file is well made, and a verdict that differs from the admin's is told apart."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from planner import policy

_SPEC = importlib.util.spec_from_file_location("verdict_cases", Path(__file__).parents[1] / "verdict_cases.py")
verdict_cases = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = verdict_cases
_SPEC.loader.exec_module(verdict_cases)

CASES = verdict_cases.cases()
by_name = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


@by_name
def test_a_case_is_well_made(case):
    assert list(verdict_cases.problems(case)) == []


def test_there_are_enough_and_no_two_are_the_same():
    assert len(CASES) >= 30
    assert len({case.title for case in CASES}) == len({case.story for case in CASES}) == len(CASES)
    assert len({str(sorted(case.facts.items(), key=str)) for case in CASES}) == len(CASES)
    names = [name for case in CASES for name in case.facts.get("site.names", [])]
    assert len(names) == len(set(names))


def test_every_placement_is_recommended_somewhere_and_every_answer_decides_something():
    assert {case.expect["recommendation"] for case in CASES} == {*policy.PLACEMENTS, "none"}
    told = {name.removeprefix("answer.") for case in CASES for name in case.facts if name.startswith("answer.")}
    assert told == verdict_cases.ANSWERS


def test_the_names_of_facts_come_from_the_product():
    assert {"site.static", "use.requests_per_day", "database.myisam_bytes", "content.age_days", "http.redirects_to", "http.dns_here",
            "declared.icp", "server.rails", "host.os_supported", "site.php_modules", "owner.unit"} <= verdict_cases.fact_names()  # fmt: skip
    assert "site.colour" not in verdict_cases.fact_names()


def as_wanted(case, **changes):
    """A verdict that says what the case's admin says."""
    wanted = case.expect["recommendation"]
    states = dict.fromkeys(policy.PLACEMENTS, "unproven") | dict(case.expect.get("placements") or {})
    if wanted != "none":
        states[wanted] = case.expect["state"]
    reasons = [SimpleNamespace(holds=True, step=step, missing=()) for step in case.expect.get("steps") or ()]
    placements = [
        SimpleNamespace(placement=name, state=verdict_cases.listed(state)[0], reasons=reasons if name == wanted else [])
        for name, state in states.items()
    ]
    values = {
        "recommendation": wanted, "strength": verdict_cases.listed(case.expect.get("strength", "leaning"))[0],
        "would_settle": list(case.expect.get("questions") or ()), "placements": placements,
    }  # fmt: skip
    return SimpleNamespace(**(values | changes))


@by_name
def test_what_the_admin_says_differs_in_nothing(case):
    assert list(verdict_cases.differences(case, as_wanted(case))) == []


@by_name
def test_another_recommendation_or_state_is_told(case):
    other = next(name for name in policy.PLACEMENTS if name != case.expect["recommendation"])
    assert list(verdict_cases.differences(case, as_wanted(case, recommendation=other)))
    for place in as_wanted(case).placements:
        if place.placement != case.expect["recommendation"] and place.placement not in (case.expect.get("placements") or {}):
            continue
        changed = as_wanted(case)
        next(item for item in changed.placements if item.placement == place.placement).state = "no state"
        assert [text for text in verdict_cases.differences(case, changed) if text.startswith(f"{place.placement} is no state")]


def test_questions_steps_and_strength_are_compared():
    by = {case.name: case for case in CASES}
    case = by["docroot_unread"]
    assert "site.static is not asked" in list(verdict_cases.differences(case, as_wanted(case, would_settle=[])))
    case = by["static_small"]
    assert list(verdict_cases.differences(case, as_wanted(case, would_settle=["answer.login"])))
    assert list(verdict_cases.differences(case, as_wanted(case, strength="undecided")))
    case = by["discuz_forum"]
    assert list(verdict_cases.differences(replace(case, expect={**case.expect, "steps": ["watch"]}), as_wanted(case)))


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"facts": {"site.colour": "red"}}, "nothing can learn the fact 'site.colour'"),
        ({"facts": {"answer.login": "perhaps"}}, "answer.login is yes or no"),
        ({"facts": {"answer.sensitive": True}}, "answer.sensitive is one of"),
        ({"facts": {"site.static": None}}, "site.static has no value"),
        ({"expect": {"recommendation": "cloud", "state": "ready"}}, "'cloud' is no placement"),
        ({"expect": {"recommendation": "none", "state": "ready"}}, "state belongs to"),
        ({"expect": {"recommendation": "vps"}}, "state belongs to"),
        ({"expect": {"recommendation": "vps", "state": "fine"}}, "'fine' is no state"),
        ({"expect": {"recommendation": "vps", "state": "ready", "placements": {"vps": "ineligible"}}}, "two different states"),
        ({"expect": {"recommendation": "vps", "state": "ineligible"}}, "nobody recommends"),
        ({"expect": {"recommendation": "vps", "state": "ready", "questions": ["site.static"]}}, "site.static is known"),
        ({"expect": {"recommendation": "vps", "state": "ready", "colour": "red"}}, "there is no expectation 'colour'"),
    ],
)
def test_a_badly_made_case_is_told(changed, problem):
    case = replace(next(case for case in CASES if case.name == "static_small"), **changed)
    assert [text for text in verdict_cases.problems(case) if problem in text]
