"""A plan's document: every problem with its place, one text for one content, and edits read as decisions."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory import yamlfile
from inventory.errors import ConfigurationError, InputError, PlanError
from planner import plandocument, planedits, wording

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from sample_plan import content, document, move


def written(tmp_path, plain):
    return plandocument.write(plain, tmp_path)


def problems(tmp_path, plain, **options):
    """The lines of what is wrong with a document, without the file's name."""
    path = written(tmp_path, plain)
    with pytest.raises(ConfigurationError) as refused:
        plandocument.read(path, **options)
    return [line.removeprefix(str(path)) for line in refused.value.problems]


def at(path, *parts):
    """Where a part of a file stands, as `:line:column`."""
    return yamlfile.read(path).place(parts).removeprefix(str(path))


# ---------------------------------------------------------------- to the file and back


def test_a_document_comes_back_as_it_was_written(tmp_path):
    plain = document()
    path = written(tmp_path, plain)
    assert plandocument.load(path) == plain
    assert plandocument.read(path)[0] == plain
    assert plain["id"] == f"plan-{plain['fingerprint'][:10]}"
    again = tmp_path / "again"
    assert written(again, plandocument.load(path)).read_bytes() == path.read_bytes()
    assert list(plain)[:5] == ["format", "id", "fingerprint", "first_day", "made_from"]
    assert "&id" not in path.read_text()


def test_the_fingerprint_is_over_everything_else():
    one = document()
    seen = {one["fingerprint"]}
    for name in ("first_day", "problems", "left"):
        other = {"first_day": "2026-11-25", "problems": ["x"], "left": []}[name]
        seen.add(document(**{name: other})["fingerprint"])
    seen.add(document(**{"made_from": {**content()["made_from"], "calendar": "9" * 64}})["fingerprint"])
    moves = content()["moves"]
    moves[0]["checks"] = []
    seen.add(document(*moves)["fingerprint"])
    assert len(seen) == 6


def test_the_order_in_which_a_content_was_built_changes_nothing():
    plain = content()
    turned = json.loads(json.dumps(plain), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
    turned["costs"]["by_unit"] = {"phys": {}, **turned["costs"]["by_unit"]}
    plain["costs"]["by_unit"]["phys"] = {}
    assert plandocument.text(plandocument.made(turned)) == plandocument.text(plandocument.made(plain))


def test_the_same_bytes_under_any_hash_seed_and_locale():
    program = "from sample_plan import document; from planner import plandocument; import sys; sys.stdout.buffer.write(plandocument.text(document()).encode())"
    digests = set()
    for seed, language in (("0", "C"), ("1", "C.UTF-8"), ("4242", "tr_TR.UTF-8")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": language, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
        said = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True, cwd="/").stdout
        digests.add(hashlib.sha256(said).hexdigest())
    assert digests == {hashlib.sha256(plandocument.text(document()).encode()).hexdigest()}


@settings(deadline=None, max_examples=60)
@given(st.text(min_size=1, max_size=60), st.floats(0, 1000, allow_nan=False))
def test_any_observed_text_and_figure_survives_the_file(words, hours):
    words = "".join(c for c in words if not 0xD800 <= ord(c) <= 0xDFFF)
    one = move("a", hours={"web": hours})
    one["source"]["docroot"] = "/" + words
    one["findings"] = [{"rule": "r", "step": "", "message": wording.line(words)}]
    plain = document(one)
    data = yaml.safe_load(plandocument.text(plain))
    assert plandocument.Plan.model_validate(data).plain() == plain


def test_a_sentence_with_control_characters_is_refused_with_its_place():
    with pytest.raises(PlanError, match=r"moves\.0\.note.*control characters"):
        document(move("a", note="x\x1b[2J"))


def test_dates_may_stand_without_quotes(tmp_path):
    path = written(tmp_path, document())
    path.write_text(path.read_text().replace("'2026-12-01'", "2026-12-01"))
    assert plandocument.load(path) == document()


# ---------------------------------------------------------------- what is refused


def test_a_plan_of_an_earlier_version_is_named(tmp_path):
    path = tmp_path / "plan.yml"
    path.write_text("id: plan-1\nfingerprint: x\nrules: y\nmoves: []\nleft: []\n")
    for read in (plandocument.load, plandocument.read):
        with pytest.raises(PlanError) as refused:
            read(path)
        assert "made by an earlier version" in refused.value.message
        assert "planner plan makes it anew" in refused.value.hint


def test_a_plan_of_a_later_version_is_named(tmp_path):
    path = tmp_path / "plan.yml"
    path.write_text("format: 3\nmoves: []\n")
    with pytest.raises(InputError, match=r"plan\.yml:1:9: format 3: this planner reads format 2"):
        plandocument.load(path)


def test_a_changed_plan_does_not_load(tmp_path):
    path = written(tmp_path, document())
    path.write_text(path.read_text().replace("PHP 5.6", "PHP 5.7", 1))
    with pytest.raises(PlanError, match="fingerprint does not match"):
        plandocument.load(path)
    plandocument.read(path, derived=False)
    with pytest.raises(ConfigurationError, match=r"plan\.yml:3:14: fingerprint: it does not match the content"):
        plandocument.read(path)


@pytest.mark.parametrize("text", ["", "[]", "3", "moves: 4", "format: 2\nmoves: {}", "a: b: c", "format: true"])
def test_what_is_no_plan_is_refused(tmp_path, text):
    path = tmp_path / "plan.yml"
    path.write_text(text)
    for read in (plandocument.load, plandocument.read):
        with pytest.raises((ConfigurationError, PlanError)):
            read(path)


def test_all_problems_at_once_each_at_its_place(tmp_path):
    plain = document()
    plain["moves"][0]["schedule"]["cutover"] = "2026-02-30"
    plain["moves"][1]["destination"]["receiver"] = "-oProxyCommand=x"
    plain["moves"][1]["colour"] = "red"
    plain["moves"][2]["placement"] = "cloud"
    plain["moves"].append({**plain["moves"][1], "destination": {**plain["moves"][1]["destination"], "receiver": ""}})
    del plain["moves"][3]["colour"]
    plain["made_from"]["rules"] = "x"
    found = problems(tmp_path, plain)
    path = tmp_path / "plan.yml"
    expected = {
        ("made_from", "rules"): "String should match",
        ("moves", 0, "schedule", "cutover"): "this is no date",
        ("moves", 1, "destination", "receiver"): "",
        ("moves", 1, "colour"): "Extra inputs",
        ("moves", 2, "placement"): "Input should be",
        ("moves", 3, "destination", "receiver"): "a move that the planner carries out needs it",
    }
    for place, words in expected.items():
        assert [line for line in found if line.startswith(f"{at(path, *place)}: {'.'.join(map(str, place))}") and words in line], (
            place,
            found,
        )
    lines = [int(line.split(":")[1]) for line in found]
    assert lines == sorted(lines)


def test_a_date_that_is_none_without_quotes_has_its_place_too(tmp_path):
    path = written(tmp_path, document())
    path.write_text(path.read_text().replace("'2026-12-01'", "2026-02-30").replace("'2026-12-08'", "2026-13-01"))
    with pytest.raises(ConfigurationError) as refused:
        plandocument.load(path)
    assert len(refused.value.problems) == 8, refused.value.problems
    assert all("'2026-02-30': day is out of range" in line or "'2026-13-01': month must be" in line for line in refused.value.problems)


def change(plain, place, value):
    part = plain
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value


WRONG = {
    "an id twice": (("moves", 1, "id"), "a-x-edu", ("moves", 1, "id"), "stands twice (moves.0)"),
    "a wave that is left out": (("waves", 1, "wave"), 3, ("waves", 1, "wave"), "2 is expected"),
    "a wave's count": (("waves", 0, "moves"), 7, ("waves", 0, "moves"), "2 moves are of wave 1"),
    "a wave's bytes": (("waves", 0, "bytes"), 7, ("waves", 0, "bytes"), "have 2000"),
    "a wave's hours": (("waves", 0, "hours"), {"web": 4.0}, ("waves", 0, "hours"), "take 5 h of web"),
    "a cutover outside its wave": (("moves", 0, "schedule", "cutover"), "2026-12-02", ("moves", 0, "wave"), "from 2026-12-01 to 2026-12-01"),
    "no such wave": (("moves", 2, "wave"), 9, ("moves", 2, "wave"), "there is no wave 9"),
    "a cutover after the end": (("moves", 0, "schedule", "end"), "2026-11-30", ("moves", 0, "schedule", "end"), "before the cutover"),
    "work after the cutover": (("moves", 0, "schedule", "start"), "2026-12-02", ("moves", 0, "schedule", "start"), "after the cutover"),
    "a group without members known": (("groups", 0, "moves"), ["q"], ("groups", 0, "moves", 0), "there is no move q"),
    "a member of two groups": (("groups", 1, "moves"), ["b-x-edu", "a-x-edu"], ("groups", 1, "moves", 1), "is in the group a-x-edu, too"),
    "a move in no group": (("moves", 1, "group"), "a-x-edu", ("moves", 1, "group"), "does not list it"),
    "a group that goes before its prerequisite": (("groups", 0, "after"), ["c-x-edu"], ("groups", 0, "after", 0), "is to go before it"),
    "a group after itself": (("groups", 0, "after"), ["a-x-edu"], ("groups", 0, "after", 0), "cannot wait for itself"),
    "a total that is no sum": (("costs", "total", "yearly"), "1.00", ("costs", "by_unit"), "is not the total"),
    "by hand and by the planner": (("moves", 2, "carried_out"), "planner", ("moves", 2, "stack"), "what it stands on"),
    "a site that is not its name": (("moves", 0, "site"), "q.x.edu", ("moves", 0, "site"), "not among its names"),
    "steps in another order": (("moves", 0, "steps"), ["cutover", "sync"], ("moves", 0, "steps"), "in their order"),
    "a path that climbs": (("moves", 0, "destination", "docroot"), "/srv/../etc", ("moves", 0, "destination", "docroot"), ""),
    "an address that is none": (("moves", 0, "source", "address"), "192.0.2.256", ("moves", 0, "source", "address"), "no IP address"),
    "a number that is a truth": (("moves", 0, "bytes"), True, ("moves", 0, "bytes"), "must be a number"),
    "an id that is a path": (("moves", 0, "id"), "../x", ("moves", 0, "id"), "String should match"),
    "another plan's id": (("id",), "plan-0123456789", ("id",), "does not belong to the fingerprint"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_contradicts_itself_is_refused_at_its_place(tmp_path, case):
    place, value, where, words = WRONG[case]
    plain = document()
    change(plain, place, value)
    found = problems(tmp_path, plain)
    place_of = at(tmp_path / "plan.yml", *where)
    assert [line for line in found if line.startswith(f"{place_of}: {'.'.join(map(str, where))}") and words in line], found
    if place[0] != "id":
        with pytest.raises(PlanError):
            plandocument.made({name: part for name, part in plain.items() if name not in {"format", "id", "fingerprint"}})


def test_a_plan_without_dates_is_a_plan():
    one = move("a", schedule=None)
    made = {**content(move("a")), "moves": [one]}
    made["waves"][0] |= {"from": None, "until": None}
    made |= {"costs": None}
    assert plandocument.made(made)["moves"][0]["schedule"] is None
    made["moves"][0]["wave"], made["waves"] = 0, []
    plandocument.made(made)


# ---------------------------------------------------------------- edited by hand


def edited(tmp_path, alter):
    plain = document()
    path = written(tmp_path, plain)
    new = plandocument.load(path)
    alter(new)
    new, places = plandocument.read(written(tmp_path, new), derived=False)
    return planedits.edits(plain, new, places)


def test_a_date_written_otherwise_is_a_decision(tmp_path):
    def alter(plan):
        plan["moves"][0]["schedule"]["cutover"] = "2026-12-15"
        plan["moves"][0]["note"] = "the unit's anniversary"

    (one,) = edited(tmp_path, alter)
    assert (one.move, one.kind, one.value, one.why) == ("a-x-edu", "cutover", "2026-12-15", "the unit's anniversary")
    assert one.place == yamlfile.read(tmp_path / "plan.yml").place(("moves", 0, "schedule", "cutover"))


def test_every_kind_of_decision_in_one_go(tmp_path):
    def alter(plan):
        plan["moves"][0]["wave"] = 2
        plan["moves"][1]["destination"]["platform"] = "vh2"
        plan["moves"][1]["destination"]["nodes"] = ["vh2"]
        plan["moves"][2]["schedule"]["cutover"] = "2026-11-26"  # before its own preparation: planning says what that breaks

    assert [(e.move, e.kind, e.value) for e in edited(tmp_path, alter)] == [
        ("a-x-edu", "cutover", "2026-12-08"), ("b-x-edu", "node", "vh2"), ("c-x-edu", "cutover", "2026-11-26"),
    ]  # fmt: skip


def test_a_move_put_under_left_stays(tmp_path):
    def alter(plan):
        plan["moves"].pop(1)
        plan["left"].insert(0, {"site": "b.x.edu", "why": "it closes in spring"})

    assert [(e.move, e.kind, e.why) for e in edited(tmp_path, alter)] == [("b-x-edu", "leave", "it closes in spring")]


def test_moves_in_another_order_are_no_edit(tmp_path):
    assert edited(tmp_path, lambda plan: plan["moves"].reverse()) == []


def test_everything_else_is_refused_with_its_place(tmp_path):
    def alter(plan):
        plan["moves"][0]["destination"]["php"] = "7.4"
        plan["moves"][0]["gates"][0]["settled"] = True
        plan["moves"][1]["note"] = "a note alone"
        plan["moves"][1]["bytes"] = 7
        plan["waves"][0]["moves"] = 5
        plan["problems"] = ["x"]
        plan["left"] = []
        plan["moves"].pop(2)

    with pytest.raises(ConfigurationError) as refused:
        edited(tmp_path, alter)
    text = "\n".join(refused.value.problems)
    document_ = yamlfile.read(tmp_path / "plan.yml")
    for place in (("moves", 0, "destination", "php"), ("moves", 0, "gates", 0, "settled"), ("moves", 1, "note"), ("moves", 1, "bytes"),
                  ("waves", 0, "moves"), ("problems",)):  # fmt: skip
        assert f"{document_.place(place)}: {'.'.join(map(str, place))}:" in text, place
    assert "z.x.edu was taken out" in text
    assert "the move c-x-edu was taken out; put it under left" in text
    assert len(refused.value.problems) == 8


def test_two_answers_to_one_question_are_refused(tmp_path):
    def alter(plan):
        plan["moves"][0]["destination"]["platform"] = "vh2"
        plan["moves"][0]["destination"]["nodes"] = ["vh3"]

    with pytest.raises(ConfigurationError, match="vh3, and platform says vh2"):
        edited(tmp_path, alter)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_an_edit_is_either_one_of_the_four_or_refused(data):
    plain = document()
    new = json.loads(json.dumps(plain))
    leaves = [path for path in _leaves(plain) if path[0] not in {"format"}]
    place = data.draw(st.sampled_from(leaves))
    change(new, place, 3 - new["moves"][place[1]]["wave"] if (place[0], place[2:]) == ("moves", ("wave",)) else "changed")
    places = yamlfile.parse(plandocument.text(new), "f")
    allowed = {("wave",), ("schedule", "cutover"), ("destination", "platform"), ("destination", "nodes", 0)}
    if place[0] == "moves" and place[2:] in allowed:
        assert len(planedits.edits(plain, new, places)) == 1
    else:
        with pytest.raises(ConfigurationError):
            planedits.edits(plain, new, places)


def _leaves(value, path=()):
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    else:
        yield path
