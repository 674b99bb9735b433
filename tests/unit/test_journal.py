"""The state of a move after any sequence of journal rows, as a run that is killed at any instant leaves them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory import model
from planner import journal
from planner.movesteps import steps

STEPS = steps("virtual-host")

AT = datetime(2026, 11, 23, tzinfo=UTC)


def rows(*words):
    return [model.Journal(move="m", step=w.split()[0], event=w.split()[1], at=AT, attempt=1, detail={"error": "why"}) for w in words]


def done(*steps):
    return [f"{step} {event}" for step in steps for event in ("started", "done")]


CASES = {
    "nothing yet": ([], "waiting", "lower-ttl"),
    "killed in the first step": (["lower-ttl started"], "under way", "lower-ttl"),
    "stopped between steps": (done("lower-ttl", "provision"), "under way", "preseed"),
    "killed in the database step": ([*done(*STEPS[:4]), "sync started"], "under way", "sync"),
    "killed while comparing: the copy is made anew": ([*done(*STEPS[:5]), "verify started"], "under way", "sync"),
    "compared and not equal, released": (
        [*done(*STEPS[:5]), "verify started", "verify failed", "freeze undo-started", "freeze undone"],
        "under way",
        "freeze",
    ),
    "failed, nothing to release": ([*done("lower-ttl"), "provision started", "provision failed"], "failed", "provision"),
    "cutover failed and was taken back": (
        [*done(*STEPS[:6]), "cutover started", "cutover failed", "cutover undo-started", "cutover undone", "freeze undo-started", "freeze undone"],
        "under way",
        "freeze",
    ),
    "killed while taking back": ([*done(*STEPS[:7]), "cutover undo-started"], "taking back", "cutover"),
    "all done": (done(*STEPS), "done", None),
    "rolled back": (
        [*done(*STEPS), *(f"{step} undone" for step in reversed(STEPS)), "rollback undone"],
        "rolled back",
        "lower-ttl",
    ),
    "begun again after a rollback": (
        [*done(*STEPS), *(f"{step} undone" for step in reversed(STEPS)), "rollback undone", *done("lower-ttl")],
        "under way",
        "provision",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_is_next(case):
    words, name, following = CASES[case]
    now = journal.state(STEPS, rows(*words))
    assert (now.name, now.next) == (name, following)


def test_an_undo_that_was_cut_off_comes_first():
    now = journal.state(STEPS, rows(*done(*STEPS[:7]), "cutover undo-started", "cutover undo-failed"))
    assert now.undo_first == ["cutover"]
    assert now.touched[0] == "cutover"
    assert now.error == "why"


@given(st.lists(st.tuples(st.sampled_from([*STEPS, "rollback", "unknown"]), st.sampled_from(journal.EVENTS)), max_size=60))
def test_any_sequence_has_a_state_and_never_skips_a_step(sequence):
    now = journal.state(STEPS, rows(*(f"{step} {event}" for step, event in sequence)))
    assert now.name in {"waiting", "under way", "done", "failed", "rolled back", "taking back"}
    if now.next is None:
        assert set(now.steps.values()) == {"done"}
    else:
        before = STEPS[: STEPS.index(now.next)]
        assert all(now.steps[step] == "done" for step in before)


def of(plan, *words, first=1):
    """Rows of one plan's move `m`, numbered as the catalogue does."""
    made = rows(*words)
    for number, row in enumerate(made, start=first):
        row.id, row.plan_id = number, plan
    return made


MOVE = {
    "id": "m",
    "site": "a.x.edu",
    "placement": "vps",
    "steps": list(STEPS),
    "source": {"host": "old"},
    "destination": {"platform": "hv"},
}
BACK = [*(f"{step} undone" for step in reversed(STEPS)), "rollback undone"]


def joined(plan, lines, other=MOVE):
    told = {("p1", "m"): [row for row in lines if row.plan_id == "p1"], ("p2", "m"): [row for row in lines if row.plan_id == "p2"]}
    return journal.state(MOVE["steps"], journal.story(plan, MOVE, told, {("p1", "m"): other, ("p2", "m"): other}))


def test_a_plan_made_anew_goes_on_where_the_former_one_stood_and_both_know_the_end():
    begun = of("p1", *done(*STEPS[:3]))
    assert joined("p2", begun).next == STEPS[3]
    whole = begun + of("p2", *done(*STEPS[3:]), first=100)
    assert joined("p2", whole).name == joined("p1", whole).name == "done"


def test_what_another_plan_took_back_does_not_hold_up_the_next_one():
    lines = of("p1", *done(*STEPS), *BACK)
    assert joined("p1", lines).rolled_back
    assert (joined("p2", lines).begun, joined("p2", lines).rolled_back) == (False, False)
    later = of("p1", *done(*STEPS)) + of("p2", *BACK, first=100)
    assert joined("p1", later).name == joined("p2", later).name or joined("p1", later).rolled_back
    assert joined("p1", later).rolled_back, "the plan that moved it knows that it is back"


def test_another_host_or_place_is_another_move():
    begun = of("p1", *done(*STEPS[:3]))
    assert not joined("p2", begun, {**MOVE, "source": {"host": "other"}}).begun
    assert not joined("p2", begun, {**MOVE, "destination": {"platform": "hv2"}}).begun


def test_what_people_carried_out_is_done_until_it_is_taken_back():
    lines = of("p1", "by-hand done")
    lines[0].detail = {"by": "Zhao Min", "on": "2026-11-20", "note": "signed"}
    now = journal.state(MOVE["steps"], lines)
    assert (now.name, now.next, now.by) == ("done", None, "Zhao Min")
    now = journal.state(MOVE["steps"], lines + of("p1", "by-hand undone", first=5))
    assert (now.name, now.next, now.by, now.begun) == ("waiting", STEPS[0], "", False)
