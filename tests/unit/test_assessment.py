"""Verdicts: what holds whatever the rules and facts are, and how overrides, trials and confidence count."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner import assessment, flips, policy, scoring

SHIPPED = policy.load()
NAMES = [*(f"a.{letter}" for letter in "uvwx"), "answer.y", "answer.z"]
VALUES = st.sampled_from([True, False, 0, 3, 200, "static", "7.4", [], ["x"]])
LEAVES = st.one_of(
    st.builds(lambda name, value: {"fact": name, "is": value}, st.sampled_from(NAMES), VALUES),
    st.builds(lambda name, value: {"fact": name, "above": value}, st.sampled_from(NAMES), st.sampled_from([0, 100, "7.0"])),
    st.builds(lambda name, value: {"fact": name, "empty": value}, st.sampled_from(NAMES), st.booleans()),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda items: {"all": items}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda items: {"any": items}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda item: {"not": item}, inner),
    ),
    max_leaves=5,
)


@st.composite
def rules(draw):
    made = []
    for number in range(draw(st.integers(0, 12))):
        effect = draw(st.sampled_from(["block", "condition", "utility"]))
        made.append(
            policy.Rule(
                id=f"r{number:02}",
                placements=draw(st.lists(st.sampled_from(policy.PLACEMENTS), min_size=1, unique=True).map(tuple)),
                when=draw(CONDITIONS), effect=effect, message="{a.x}", help="h",
                dimension=draw(st.sampled_from(["technical", "security", "autonomy"])) if effect == "utility" else None,
                points=draw(st.integers(-60, 60).filter(bool)) if effect == "utility" else 0,
                effort_h=draw(st.sampled_from([0, 0.5, 30])) if effect == "condition" else 0,
            )
        )  # fmt: skip
    return policy.RuleSet(tuple(made), SHIPPED.weights)


def facts(values):
    return {name: {"value": value, "evidence": [[1, "s", 2]], "why": ""} for name, value in values.items()}


KNOWN = st.dictionaries(st.sampled_from([*NAMES, "cost.vps"]), VALUES.filter(lambda v: isinstance(v, (int, float))) | VALUES).map(
    lambda d: {k: v for k, v in d.items() if k != "cost.vps" or (isinstance(v, int) and not isinstance(v, bool))}
)
RANK = {state: place for place, state in enumerate(scoring.STATES)}


@given(rules(), KNOWN, st.data())
@settings(max_examples=150, deadline=None)
def test_more_knowledge_never_widens_an_interval_and_never_undoes_a_state(made, values, data):
    hidden = data.draw(st.lists(st.sampled_from(sorted(values)), unique=True) if values else st.just([]))
    full = assessment.assess(facts(values), made)
    less = assessment.assess(facts({k: v for k, v in values.items() if k not in hidden}), made)
    for known, unknown in zip(full.placements, less.placements, strict=True):
        assert unknown.low <= known.low + 1e-6
        assert known.high <= unknown.high + 1e-6
        assert (unknown.effort_h, known.effort_most_h) <= (known.effort_h, unknown.effort_most_h)
        if unknown.state == "ineligible":
            assert known.state == "ineligible"
        if unknown.open:  # nothing that is not yet known could forbid it
            assert known.open


@given(rules(), KNOWN, CONDITIONS, st.sampled_from(policy.PLACEMENTS))
@settings(max_examples=120, deadline=None)
def test_a_block_more_never_raises_a_placement(made, values, when, placement):
    block = policy.Rule(id="zz", placements=(placement,), when=when, effect="block", message="m", help="h")
    before = assessment.assess(facts(values), made)
    after = assessment.assess(facts(values), policy.RuleSet((*made.rules, block), made.weights))
    for old, new in zip(before.placements, after.placements, strict=True):
        assert RANK[new.state] >= RANK[old.state]
        assert new.high <= old.high
    if before.recommendation != placement:
        assert after.recommendation != placement


@given(rules(), KNOWN, st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None)
def test_the_order_of_facts_and_rules_changes_nothing(made, values, chance):
    names, order = list(values), list(made.rules)
    chance.shuffle(names)
    chance.shuffle(order)
    shuffled = policy.RuleSet(tuple(sorted(order, key=lambda rule: rule.id)), made.weights)
    assert (
        assessment.assess(facts(values), made).to_json()
        == assessment.assess(facts({name: values[name] for name in names}), shuffled).to_json()
    )


@given(rules(), KNOWN)
@settings(max_examples=80, deadline=None)
def test_what_flips_says_is_what_an_assessment_with_that_fact_says(made, values):
    known = facts(values)
    now = assessment.assess(known, made)
    told = {(flip.fact, str(flip.value)): flip for flip in flips.flips(known, made, known=True)}
    trial = flips._Trial(known, made)
    for name in sorted(made.asked):
        for value in trial.possible(name):
            then = assessment.assess(flips.what_if(known, {name: value}), made)
            found = told.get((name, str(value)))
            place, before = then.of(then.recommendation), now.of(now.recommendation)
            changed = (then.recommendation, place and place.state) != (now.recommendation, before and before.state)
            assert changed == (found is not None), (name, value)
            if found is not None:
                assert (found.recommendation, found.state) == (then.recommendation, place.state if place else "")


@given(rules(), KNOWN)
@settings(max_examples=80, deadline=None)
def test_a_dominant_first_rank_hangs_on_no_rival(made, values):
    verdict = assessment.assess(facts(values), made)
    if verdict.strength == "dominant":
        assert verdict.holds == 1
        first = verdict.of(verdict.recommendation)
        assert all(item.state == "ineligible" or item.high <= first.low for item in verdict.placements if item is not first)
    elif verdict.strength == "leaning":
        assert verdict.holds >= 0.8
    assert not set(verdict.would_settle) & set(values)


def rule_set(*said):
    made = [
        policy.Rule.model_validate({"placements": ["vps"], "message": "m", "help": "h", "id": f"r{number}", **one})
        for number, one in enumerate(said)
    ]
    return policy.RuleSet(
        tuple(made),
        SHIPPED.weights.model_copy(update={"dimensions": {**dict.fromkeys(policy.DIMENSIONS, 0.0), "technical": 1.0, "autonomy": 1.0}}),
    )


def utility(placement, points, dimension="technical", when=None):
    return {"placements": [placement], "effect": "utility", "dimension": dimension, "points": points, "when": when or {"always": True}}


def test_ties_go_to_the_least_privileged():
    assert assessment.assess({}, rule_set()).recommendation == "site-cluster"
    assert (
        assessment.assess({}, rule_set({"effect": "block", "placements": ["site-cluster"], "when": {"always": True}})).recommendation
        == "virtual-host"
    )


@pytest.mark.parametrize(("margin", "strengths"), [(1, {"undecided", "leaning"}), (14, {"leaning"}), (40, {"dominant"})])
def test_a_rank_that_other_weights_would_turn_is_not_dominant(margin, strengths):
    # the first is better in one dimension and worse in another: how clearly depends on the margin
    others = [{"effect": "block", "placements": [name], "when": {"always": True}} for name in ("virtual-host", "colocation", "retire")]
    made = rule_set(utility("site-cluster", 50), utility("vps", 50 - margin, "autonomy"), *others)
    verdict = assessment.assess({}, made)
    assert verdict.recommendation == "site-cluster"
    assert verdict.strength in strengths
    assert (verdict.holds == 1) == (verdict.strength == "dominant")
    assert verdict.to_json() == assessment.assess({}, made).to_json()


def test_an_unproven_rival_that_would_win_is_named_by_its_fact():
    made = rule_set(utility("vps", 40), {"effect": "block", "placements": ["vps"], "when": {"fact": "a.x", "is": 1}})
    verdict = assessment.assess({}, made)
    assert (verdict.recommendation, verdict.strength, verdict.would_settle) == ("site-cluster", "undecided", ("a.x",))
    assert [(flip.fact, flip.value, flip.recommendation) for flip in flips.flips({}, made)] == [("a.x", 2, "vps")]
    assert [item.fact for item in flips.decisive({}, made, ["a.x", "a.y"])] == ["a.x"]


def test_what_only_people_must_still_prove_is_recommended_as_unproven():
    made = rule_set(utility("virtual-host", 40), {"effect": "block", "placements": ["virtual-host"], "when": {"fact": "answer.z", "is": 1}})
    verdict = assessment.assess({}, made)
    assert (verdict.recommendation, verdict.of("virtual-host").state, verdict.would_settle) == ("virtual-host", "unproven", ("answer.z",))
    assert verdict.strength == "leaning"
    unread = rule_set(utility("virtual-host", 40), {"effect": "block", "placements": ["virtual-host"], "when": {"fact": "a.x", "is": 1}})
    assert assessment.assess({}, unread).recommendation == "site-cluster"


def test_nothing_open():
    everywhere = {"effect": "block", "placements": list(policy.PLACEMENTS)}
    assert assessment.assess({}, rule_set({**everywhere, "when": {"always": True}})).strength == "none possible"
    verdict = assessment.assess({}, rule_set({**everywhere, "when": {"fact": "a.x", "is": 1}}))
    assert (verdict.recommendation, verdict.strength, verdict.would_settle) == ("none", "insufficient data", ("a.x",))


def test_an_override_counts_until_its_day_and_never_passes_a_block():
    made = rule_set({"effect": "block", "placements": ["retire"], "when": {"always": True}})
    said = assessment.Override("colocation", "li", "the licence is bound to the machine", date(2026, 12, 1))
    verdict = assessment.assess({}, made, today=date(2026, 12, 1), override=said)
    assert (verdict.recommendation, verdict.strength, verdict.computed) == ("colocation", "overridden", "site-cluster")
    late = assessment.assess({}, made, today=date(2026, 12, 2), override=said)
    assert (late.recommendation, late.void) == ("site-cluster", "it ended on 2026-12-01")
    blocked = assessment.assess({}, made, override=assessment.Override("retire", "li", "gone"))
    assert blocked.recommendation == "site-cluster"
    assert "block" in blocked.void


def test_confidence_falls_with_age_and_with_the_kind_of_source():
    made = rule_set({"effect": "block", "placements": ["site-cluster"], "when": {"fact": "a.x", "is": 1}})

    def confidence(evidence, seen="2026-11-24", why=""):
        fact = {"a.x": {"value": 2, "evidence": evidence, "why": why, "seen": seen}}
        return assessment.assess(fact, made, today=date(2026, 11, 24)).confidence

    observed = confidence([[7, "web", 1]])
    assert observed == 1
    assert confidence([[7, "web", 1]], "2025-11-24") == 0.5
    assert observed > confidence([["answer", "sheet", 1]]) > confidence([["declared", "sheet", 1]])
    assert assessment.assess({}, made).confidence == 0


def test_without_tariffs_cost_does_not_count():
    made = policy.RuleSet((), SHIPPED.weights).unpriced()
    assert all(item.low == item.high for item in assessment.assess({}, made).placements)
    priced = assessment.assess({"cost.vps": {"value": 0}}, policy.RuleSet((), SHIPPED.weights))
    assert priced.of("vps").low == priced.of("vps").high
    assert priced.of("retire").low < priced.of("retire").high
