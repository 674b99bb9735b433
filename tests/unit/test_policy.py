"""Three-valued conditions, verdicts, and what must hold whatever the facts are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.errors import ConfigurationError
from planner import assessment, policy

RULES = policy.load()


def facts(**values):
    return {name.replace("__", "."): {"value": value, "evidence": []} for name, value in values.items()}


@pytest.mark.parametrize(
    ("condition", "known", "expected"),
    [
        ({"fact": "a", "is": 1}, facts(a=1), True),
        ({"fact": "a", "is": 1}, facts(), None),
        ({"not": {"fact": "a", "is": 1}}, facts(), None),
        ({"all": [{"fact": "a", "is": 1}, {"fact": "b", "is": 1}]}, facts(b=2), False),
        ({"all": [{"fact": "a", "is": 1}, {"fact": "b", "is": 1}]}, facts(b=1), None),
        ({"any": [{"fact": "a", "is": 1}, {"fact": "b", "is": 1}]}, facts(b=1), True),
        ({"any": [{"fact": "a", "is": 1}, {"fact": "b", "is": 1}]}, facts(b=2), None),
        ({"known": "a"}, facts(), False),
        ({"fact": "v", "below": "10.11"}, facts(v="10.5.29-MariaDB"), True),
        ({"fact": "v", "below": "8.0"}, facts(v="7.4"), True),
        ({"fact": "v", "above": 3}, facts(v="none"), None),
        ({"fact": "l", "empty": False}, facts(l=[]), False),
    ],
)
def test_conditions(condition, known, expected):
    assert policy.holds(condition, known) is expected


STATIC = dict(site__static=True, site__php=False, site__docroot="/srv/a", site__names=["a.x.edu"], site__odd_names=[], site__declared=True,
              content__links_outside=[], content__php_in_uploads=[], content__htaccess_directives=[], content__age_days=3,
              use__requests_per_day=50, database__used=False)  # fmt: skip


def test_nothing_known_is_no_verdict_for_the_shared_platforms():
    verdict = assessment.assess({}, RULES)
    states = {p.placement: p.state for p in verdict.placements}
    assert states["site-cluster"] == states["virtual-host"] == "unproven"


@given(st.lists(st.sampled_from(sorted(STATIC)), unique=True))
def test_more_knowledge_never_widens_an_interval(hidden):
    full = assessment.assess(facts(**STATIC), RULES)
    less = assessment.assess(facts(**{k: v for k, v in STATIC.items() if k not in hidden or k == "site__docroot"}), RULES)
    for known, unknown in zip(full.placements, less.placements, strict=True):
        assert unknown.low <= known.low
        assert known.high <= unknown.high


def test_every_rule_has_its_help_and_a_message_in_both_languages():
    for rule in RULES.rules:
        assert rule.help
        assert rule.message_zh, rule.id


def test_a_bad_rule_file_says_where(tmp_path):
    (tmp_path / "own.yml").write_text(
        "rules:\n  - id: x\n    placements: [moon]\n    when: {fact: a}\n    effect: block\n    message: m\n    help: h\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        policy.load((tmp_path,))
    assert f"{tmp_path}/own.yml:3:18" in caught.value.message
