"""The carrier's own view of a move and its journal are one: whatever fails, both say the same, and what was frozen is released."""

import pytest
from sqlalchemy import select

from inventory import model
from inventory.catalogue import open_catalogue
from inventory.errors import RunError
from planner import execution, journal, movesteps
from planner.movesteps import steps

STEPS = steps("virtual-host")

MOVE = {
    "id": "m", "placement": "virtual-host", "steps": list(STEPS), "dns": None, "names": ["a.edu"], "source": {"certificate": None},
}  # fmt: skip


@pytest.fixture
def carry(tmp_path, monkeypatch):
    book = open_catalogue(f"sqlite:///{tmp_path}/c.db")
    played = []
    fails = set()

    def play(self, move, step, attempt):
        played.append(step)
        if step in fails:
            raise RunError("it broke")
        return {"seconds": 0.1, "changed": 1}

    monkeypatch.setattr(execution.Carrier, "_play", play)
    monkeypatch.setattr(execution.Carrier, "_verify", lambda self, move: play(self, move, "verify", 1))
    monkeypatch.setattr(execution.Carrier, "_after_cutover", lambda self, move: {})
    plan = {"id": "p", "moves": [MOVE]}
    carrier = execution.Carrier(plan, tmp_path, book, None, tmp_path, "r", lambda *_: None)

    def written():
        with book.session() as session:
            rows = session.scalars(select(model.Journal).order_by(model.Journal.id)).all()
        now = journal.state(STEPS, ())
        for row in rows:  # the diagram in the docs is the machine that really runs
            if row.step in STEPS:
                assert now.steps[row.step] in journal.TRANSITIONS[row.event][0], (row.step, row.event, now.steps)
            now.take(row.step, row.event, str(row.detail.get("error", "")))
        return now

    return carrier, played, fails, written


def same(one, other):
    assert (one.steps, one.attempts, one.rolled_back, one.error) == (other.steps, other.attempts, other.rolled_back, other.error)


def test_forward_and_back(carry):
    carrier, played, _, written = carry
    now = written()
    carrier.forward(MOVE, now)
    assert played == list(STEPS)
    same(now, written())
    assert now.name == "done"
    carrier.back(MOVE, now)
    assert played[len(STEPS) :] == ["undo-cutover", "undo-freeze", "undo-provision"]
    same(now, written())
    assert now.name == "rolled back"


@pytest.mark.parametrize("step", STEPS)
def test_a_failure_releases_and_the_next_run_ends_it(carry, step):
    carrier, played, fails, written = carry
    fails.add(step)
    now = written()
    with pytest.raises(RunError, match=f"{step}: it broke"):
        carrier.forward(MOVE, now)
    same(now, written())
    assert played[played.index(step) + 1 :] == [f"undo-{released}" for released in movesteps.step("virtual-host", step).on_failure]
    fails.clear()
    carrier.forward(MOVE, now)
    same(now, written())
    assert now.name == "done"


def test_an_undo_that_fails_comes_first_next_time(carry):
    carrier, played, fails, written = carry
    fails |= {"sync", "undo-freeze"}
    now = written()
    with pytest.raises(RunError, match="could not be taken back"):
        carrier.forward(MOVE, now)
    same(now, written())
    fails.clear()
    played.clear()
    carrier.forward(MOVE, now)
    assert played[:2] == ["undo-freeze", "freeze"]
    same(now, written())
