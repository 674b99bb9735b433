"""The shipped rules: all their cases, their names of facts, their sentences, the questions, and the verdicts that an admin would give."""

import importlib.util
import re
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory import yamlfile
from inventory.errors import ConfigurationError
from inventory.scope import campus
from planner import assessment, factnames, fitting, policy, rulecases, signs, wording
from planner.cli import rules as command
from planner.platforms import Platforms

RULES = policy.load()
QUESTIONS = yamlfile.read(Path(policy.__file__).with_name("questions.yml")).data["questions"]
FILES = sorted(path for path in policy.SHIPPED.glob("*.yml") if path.name != "weights.yml")


# ---------------------------------------------------------------- cases


def test_all_cases_of_the_shipped_rules():
    report = rulecases.run(RULES, (policy.SHIPPED,))
    assert report.problems == ()
    assert report.rules == len(RULES.rules)
    assert report.tried > 2 * report.rules


OWN = "rules:\n  - {id: own, placements: [vps], when: {fact: site.tls, is: true}, effect: block, message: m, help: h}\n"


def tried(tmp_path, rules=OWN, cases="own: {match: [{site.tls: true}], no_match: [{site.tls: false}], unknown: [{}]}"):
    (tmp_path / "own.yml").write_text(rules)
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "own.yml").write_text(cases)
    weights = policy.SHIPPED / "weights.yml"
    (tmp_path / "weights.yml").write_bytes(weights.read_bytes())
    return rulecases.run(policy.load((tmp_path,)), (tmp_path,))


def test_good_cases_pass(tmp_path):
    assert tried(tmp_path) == rulecases.Report(1, 3, ())


@pytest.mark.parametrize(
    ("cases", "problem"),
    [
        ("own: {match: [{site.tls: false}], no_match: [{site.tls: false}], unknown: [{}]}", "cases/own.yml:1:15: own: it does not hold, where it holds"),
        ("own: {match: [{site.tls: true}], no_match: [{}], unknown: [{}]}", "nobody can tell, where it does not hold"),
        ("own: {match: [{site.tls: true}], no_match: [{site.tls: false}], unknown: [{site.tls: true}]}", "it holds, where nobody can tell"),
        ("own: {match: [{site.tls: true}], unknown: [{}]}", "it has no case of no_match"),
        ("own: {match: [{site.tls: true}], no_match: [{site.tls: false}]}", "it has no case of unknown"),
        ("own: {match: [{site.tls: true, site.tsl: 1}], no_match: [{site.tls: false}], unknown: [{}]}", "nothing can learn site.tsl"),
        ("own: {match: [{site.tls: true}], no_match: [{site.tls: false}], unknown: [{site.tls: null}]}", "leave out what is unknown"),
        ("other: {match: [{site.tls: true}]}", "there is no rule 'other'"),
        ("other: {match: [{site.tls: true}]}", "own: it has no cases"),
    ],
)  # fmt: skip
def test_bad_cases_are_told(tmp_path, cases, problem):
    assert any(problem in text for text in tried(tmp_path, cases=cases).problems)


def test_a_fact_that_nothing_can_learn_is_told(tmp_path):
    report = tried(tmp_path, OWN.replace("site.tls", "site.tsl"))
    assert "own: nothing can learn the fact 'site.tsl'; did you mean site.tls?" in report.problems


def test_a_case_file_of_another_shape_is_refused(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        tried(tmp_path, cases="own: {matches: [{}]}")
    assert "cases/own.yml:1:16: own.matches" in caught.value.message


def test_a_rule_that_crashes_is_told_with_its_name(tmp_path):
    wrong = OWN.replace("{fact: site.tls, is: true}", "{fact: site.php_settings, in: [1]}")
    report = tried(tmp_path, wrong, "own: {match: [{site.php_settings: {a: b}}], no_match: [{site.php_settings: {}}], unknown: [{}]}")
    assert any("own:" in text for text in report.problems)


# ---------------------------------------------------------------- texts and names


def test_every_fact_that_a_rule_asks_for_can_be_known():
    assert factnames.unknown(RULES.rules) == []
    table = yamlfile.read(factnames.TABLE).data
    listed = [f"{prefix}.{name}" for prefix, group in table.items() for name in group]
    assert len(listed) == len(set(listed))


def test_every_fact_that_a_sign_asks_for_can_be_known():
    told = signs.load()
    conditions = [*told.complete, *(part for sign in told.signs for part in (*sign.first, *sign.collect, sign.ask, sign.none) if part)]
    assert {name for one in conditions for name in one.facts} - factnames.names() == set()
    assert {one.fact for one in told.complete} - factnames.names() == set()


def test_facts_in_sentences_can_be_known():
    for rule in RULES.rules:
        for text in (rule.message, rule.message_zh, rule.fix, rule.fix_zh):
            assert set(re.findall(r"\{([^}]*)\}", text)) - factnames.names() == set(), rule.id


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_every_sentence_can_be_said_of_what_nobody_knows(language):
    for rule in RULES.rules:
        said = wording.message(rule, {}, language)
        assert said and "{" not in said, rule.id


def test_both_languages_name_the_same_facts_and_stand_for_all():
    for rule in RULES.rules:
        assert rule.help.strip() and rule.message and rule.message_zh, rule.id
        assert bool(rule.fix) == bool(rule.fix_zh), rule.id
        assert sorted(re.findall(r"\{[^}]*\}", rule.message)) == sorted(re.findall(r"\{[^}]*\}", rule.message_zh)), rule.id
        assert not re.search(r"[\u4e00-\u9fff]", rule.message + rule.fix + rule.help), rule.id
        assert re.search(r"[\u4e00-\u9fff]", rule.message_zh), rule.id


def test_what_can_be_done_says_when_and_how():
    for rule in RULES.rules:
        if rule.effect in {"block", "condition"}:
            assert rule.fix, rule.id
        if rule.effect == "condition":
            assert rule.effort_h > 0 and rule.step, rule.id
        if rule.gate:
            assert rule.step in {"agree", "quarantine", "content"}, rule.id  # a move cannot wait for what it does itself


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_rules_stand_in_order(path):
    ids = [rule["id"] for rule in yamlfile.read(path).data["rules"]]
    assert ids == sorted(ids)


def test_every_pitfall_adds_its_step_and_its_check():
    """A rule for each row of the tables of pitfalls: what is found beforehand is dealt with in the move, and looked at afterwards."""
    for name in (
        "content-htaccess", "content-paths", "content-links-outside", "php-jump", "cron-jobs", "mail-sending", "address-hard-coded",
        "login-sso", "infection-likely", "database-definers", "database-events", "database-serialized", "database-charset-doubt",
        "database-collation-missing", "database-myisam", "database-zero-dates", "database-sql-mode", "database-time-zone",
        "database-mysql8", "database-shared", "database-remote", "content-mounts", "content-hard-links", "content-acl", "tls-certificate",
        "tls-hsts", "host-selinux", "cluster-export-coverage", "cluster-export-forms", "cluster-wordpress-import", "content-world-writable",
    ):  # fmt: skip
        rule = RULES.by_id[name]
        assert rule.step and rule.check, name


def test_rules_are_read_fast():
    def once():
        started = time.perf_counter()
        policy.load()
        return time.perf_counter() - started

    assert min(once() for _ in range(3)) < 0.15


# ---------------------------------------------------------------- questions


def test_every_question_is_asked_by_a_rule_and_every_answer_has_its_question():
    asked = {name for rule in RULES.rules for name in rule.facts}
    told = signs.load()
    by_signs = {
        name
        for sign in told.signs
        for part in (*sign.first, *sign.collect, sign.ask, sign.none)
        if part is not None
        for name in part.facts
        if sign.fact in asked or sign.fact.startswith("answer.")
    }
    assert factnames.answers() - asked - by_signs == set()
    assert {name for name in asked | by_signs if name.startswith("answer.")} == factnames.answers()


def test_questions_are_whole():
    assert len({question["id"] for question in QUESTIONS}) == len(QUESTIONS)
    for question in QUESTIONS:
        assert set(question) - {"choices"} == {"id", "kind", "of", "ask", "why"}, question["id"]
        assert question["kind"] in {"yes-no", "choice", "text", "date", "number"} and question["of"] in {"unit", "center"}
        assert bool(question.get("choices")) == (question["kind"] == "choice")
        for text in (question["ask"], question["why"], *question.get("choices", {}).values()):
            assert set(text) == {"en", "zh"} and re.search(r"[\u4e00-\u9fff]", text["zh"])


def test_answers_that_rules_compare_with_are_ones_that_can_be_given():
    kinds = {f"answer.{question['id']}": question for question in QUESTIONS}

    def leaves(when):
        if "fact" in when:
            yield when
        for key in ("all", "any"):
            for item in when.get(key, ()):
                yield from leaves(item)
        if isinstance(when.get("not"), dict):
            yield from leaves(when["not"])

    for rule in RULES.rules:
        for leaf in leaves(rule.when):
            question = kinds.get(leaf.get("fact"))
            if question is None:
                continue
            wanted = [value for key in ("is", "in") if key in leaf for value in (leaf[key] if key == "in" else [leaf[key]])]
            allowed = set(question.get("choices", {})) or {True, False}
            assert set(wanted) <= allowed or question["kind"] == "text", rule.id


# ---------------------------------------------------------------- verdicts

_SPEC = importlib.util.spec_from_file_location("verdict_cases", Path(__file__).parents[1] / "verdict_cases.py")
verdict_cases = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = verdict_cases
_SPEC.loader.exec_module(verdict_cases)

GB, GIB = 10**9, 2**30
PLATFORMS = Platforms.model_validate(
    {
        "virtual_hosts": [{"name": "vh1", "address": "192.0.2.10", "quota_bytes": GB, "quota_most_bytes": 50 * GB}],
        "site_clusters": [{
            "name": "c1", "front": {"name": "f", "address": "192.0.2.20"}, "nodes": [{"name": "n1", "address": "192.0.2.21"}],
            "profiles": ["static", "wordpress", "static-export"], "plugins": ["akismet", "classic-editor", "wp-super-cache", "contact-form-7"],
        }],
        "flavours": [
            {"name": "small", "cpus": 2, "memory_bytes": 4 * GIB, "disk_bytes": 50 * GB},
            {"name": "standard", "cpus": 4, "memory_bytes": 8 * GIB, "disk_bytes": 100 * GB},
            {"name": "large", "cpus": 8, "memory_bytes": 32 * GIB, "disk_bytes": 500 * GB},
        ],
        "racks": [{"name": "r1", "units": 42, "used_units": 10}],
    }
)  # fmt: skip
CAMPUS = campus(["192.0.2.0/24"], ["example.edu"])


def known_of(case):
    facts = dict(case.known)

    def tell(name, *values):
        found = [case.facts[value] for value in values if value in case.facts]
        if found:
            facts[name] = {"value": found[0], "evidence": [], "why": ""}

    tell("size.cpus", "host.cpus", "server.cpus")
    tell("size.memory_bytes", "host.memory_bytes", "server.memory_bytes")
    sizes = [case.facts[name] for name in ("content.bytes", "database.bytes") if name in case.facts]
    if sizes:
        facts["size.disk_bytes"] = {"value": sum(sizes), "evidence": [], "why": ""}
    return completed(facts, case.facts.get("site.names", []), case.at)


def completed(facts, names, day=None):
    """As `planner.facts` does: what is presumed, then what fits."""
    told = signs.derive(facts, day)
    return {**told, **fitting.facts(told, names, "192.0.2.55", PLATFORMS, CAMPUS)}


def as_case_reads(verdict):
    places = [
        SimpleNamespace(placement=item.placement, state=item.state, reasons=list(verdict.findings_on(item.placement)))
        for item in verdict.placements
    ]
    return SimpleNamespace(
        recommendation=verdict.recommendation, strength=verdict.strength, would_settle=verdict.would_settle, placements=places
    )


CASES = verdict_cases.cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_admins_verdict(case):
    verdict = assessment.assess(known_of(case), RULES.unpriced(), today=case.at)
    assert list(verdict_cases.differences(case, as_case_reads(verdict))) == []


def test_what_was_broken_into_waits_and_keeps_its_place():
    case = next(case for case in CASES if case.name == "infected_dedecms")
    verdict = assessment.assess(known_of(case), RULES.unpriced(), today=case.at)
    gate = [item for item in verdict.findings_on(verdict.recommendation) if item.step == "quarantine" and item.holds]
    assert gate and gate[0].gate and verdict.of(verdict.recommendation).state == "conditional"


def test_nothing_is_promised_while_nobody_says_what_data_it_holds():
    case = next(case for case in CASES if case.name == "sensitive_not_answered")
    verdict = assessment.assess(known_of(case), RULES.unpriced(), today=case.at)
    assert verdict.of("virtual-host").state == verdict.of("vps").state == "unproven"
    assert verdict.of("virtual-host").middle > verdict.of("vps").middle
    assert "answer.sensitive" in verdict.would_settle
    for said, expected in (("none", "virtual-host"), ("personal", "vps")):
        facts = {**known_of(case), "answer.sensitive": {"value": said, "evidence": [["answer", "sensitive", 0]], "why": ""}}
        assert assessment.assess(signs.derive(facts, case.at), RULES.unpriced()).recommendation == expected


PLAIN = {
    "site.names": ["www.hist.example.edu"], "site.static": True, "site.php": False, "site.declared": True, "site.tls": False,
    "site.vhosts": [["/etc/nginx/a", 1]], "site.docroot": "/srv/a", "site.web_server": "nginx", "site.proxy_to": [], "site.odd_names": [],
    "content.exists": True, "content.files": 300, "content.bytes": 4_000_000, "content.age_days": 9, "content.links_outside": [],
    "content.php_in_uploads": [], "content.htaccess_directives": [], "use.requests_per_day": 40.0, "owner.unit": "hist", "http.dns_here": True,
}  # fmt: skip
WORDPRESS = {
    **PLAIN, "site.static": False, "site.php": True, "site.php_version": "8.2", "application.name": "WordPress",
    "application.version": "6.4", "application.plugins": ["own-plugin"], "database.used": True, "database.product": "MariaDB",
    "database.name": "wp", "database.host": "localhost", "database.proofs": ["configuration"], "database.bytes": 5_000_000,
}  # fmt: skip
TOMCAT = {**PLAIN, "site.static": False, "site.proxy_to": ["http://127.0.0.1:8080"], "backend.kind": "tomcat"}


def verdict_of(values):
    known = {name: {"value": value, "evidence": [], "why": ""} for name, value in values.items()}
    return assessment.assess(completed(known, values.get("site.names", [])), RULES.unpriced())


@pytest.mark.parametrize(
    ("values", "recommendation", "states"),
    [
        (PLAIN, "site-cluster", ("ready",)),
        ({**PLAIN, "answer.special_hardware": False}, "site-cluster", ("ready",)),
        (WORDPRESS, "virtual-host", ("conditional",)),
        ({**TOMCAT, "declared.admin_kind": "staff"}, "vps", ("ready", "conditional")),
        ({**TOMCAT, "declared.admin_kind": "student"}, "none", ()),
        (TOMCAT, "vps", ("unproven",)),
        ({**PLAIN, "content.age_days": 900, "use.requests_per_day": 0.2}, "retire", ("conditional",)),
        ({**PLAIN, "content.age_days": 900, "use.requests_per_day": 0.2, "declared.audience": "seasonal"}, "site-cluster", ("ready",)),
        ({**PLAIN, "content.age_days": 900, "use.requests_per_day": 900.0}, "site-cluster", ("ready",)),
        ({**WORDPRESS, "answer.sensitive": "personal", "declared.admin_kind": "staff"}, "vps", ("ready", "conditional")),
        ({**WORDPRESS, "answer.state_secrets": True}, "none", ()),
        ({**PLAIN, "site.declared": False}, "site-cluster", ("conditional",)),
        ({**PLAIN, "site.names": []}, "none", ()),
    ],
)
def test_verdicts_without_answers(values, recommendation, states):
    verdict = verdict_of({name: value for name, value in values.items() if not (name == "owner.unit" and not values["site.declared"])})
    assert verdict.recommendation == recommendation
    if states:
        assert verdict.of(recommendation).state in states


EVERY = sorted({*PLAIN, *WORDPRESS})


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(EVERY), unique=True), st.sampled_from([PLAIN, WORDPRESS, TOMCAT]))
def test_whatever_is_unknown_there_is_a_verdict_and_it_is_the_same_in_any_order(hidden, values):
    kept = {name: value for name, value in values.items() if name not in hidden}
    turned = dict(reversed(list(kept.items())))
    assert verdict_of(kept).to_json() == verdict_of(turned).to_json()


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([PLAIN, WORDPRESS, TOMCAT]), st.sampled_from(sorted(factnames.answers())), st.sampled_from([True, False]))
def test_an_answer_changes_nothing_but_what_hangs_on_it(values, name, said):
    before, after = (
        verdict_of(values),
        verdict_of({**values, name: said} if name not in {"answer.sensitive", "answer.merged_into"} else values),
    )
    assert [item.placement for item in before.placements] == [item.placement for item in after.placements]
    assert after.recommendation in {*policy.PLACEMENTS, "none"}


def test_conditions_in_words():
    when = {"all": [{"fact": "a.b", "is": True}, {"any": [{"fact": "c.d", "empty": False}, {"not": {"fact": "e.f", "in": ["x", "y"]}}]}]}
    assert wording.condition(when) == "a.b is true and (c.d is not empty or not e.f is one of x, y)"
    assert wording.condition(when, "zh_CN") == "a.b 为 true 且 (c.d 不为空 或 非 e.f 属于 x, y)"
    assert wording.condition({"fact": "a.b", "not": 3}) == "a.b is not 3" and wording.condition({"always": True}) == "always"
    for rule in RULES.rules:
        assert wording.condition(rule.when) and wording.condition(rule.when, "zh_CN")


# ---------------------------------------------------------------- the commands


@pytest.fixture
def space(tmp_path, monkeypatch):
    (tmp_path / "policy" / "cases").mkdir(parents=True)
    made = SimpleNamespace(
        root=tmp_path, configuration=SimpleNamespace(language="en"), rules=property(), fields=None
    )  # fmt: skip
    monkeypatch.setattr(
        command.workspace, "find", lambda: SimpleNamespace(**{**vars(made), "rules": policy.load((policy.SHIPPED, tmp_path / "policy"))})
    )
    return tmp_path


def ran(arguments):
    import typer
    from typer.testing import CliRunner

    app = typer.Typer()
    command.add(app)
    app.callback()(lambda: None)
    return CliRunner().invoke(app, ["rules", *arguments])


def test_rules_are_listed_shown_and_tested(space):
    listed = ran(["--placement", "colocation"])
    assert listed.exit_code == 0 and "colocation-last" in listed.output and "cluster-static" not in listed.output
    shown = ran(["show", "php-jump"])
    assert shown.exit_code == 0
    assert "fit.php is newer" in shown.output and "verify" in shown.output and "holds" in shown.output
    assert yamlfile.parse(ran(["show", "php-jump", "--json"]).output, "x").data["cases"]["match"]
    passed = ran(["test"])
    assert passed.exit_code == 0 and f"{len(RULES.rules)} rules" in passed.output


def test_unknown_names_are_refused(space):
    assert type(ran(["show", "no-such-rule"]).exception).__name__ == "NotFound"
    assert type(ran(["--placement", "moon"]).exception).__name__ == "NotFound"


def test_a_workspaces_rules_are_tested_too(space):
    (space / "policy" / "own.yml").write_text(OWN + "change:\n  php-jump: {enabled: false}\n")
    failed = ran(["test"])
    assert isinstance(failed.exception, ConfigurationError) and failed.exception.problems == [
        "own: it has no cases; write them into cases/*.yml beside its rules"
    ]
    (space / "policy" / "cases" / "own.yml").write_text("own: {match: [{site.tls: true}], no_match: [{site.tls: false}], unknown: [{}]}\n")
    assert ran(["test"]).exit_code == 0
