"""The carrier's own view of a move and its journal are one: whatever fails, both say the same, and what was frozen is released."""

import pytest
from sqlalchemy import select

from inventory import model
from inventory.catalogue import open_catalogue
from inventory.errors import CatalogueError, RunError
from planner import execution, journal, movesteps, playing
from planner.movesteps import steps

STEPS = steps("virtual-host")

MOVE = {
    "id": "m", "placement": "virtual-host", "steps": list(STEPS), "dns": None, "names": ["a.edu"], "site": "a.edu",
    "source": {"certificate": None, "host": "old"}, "destination": {"receiver": "vh1"},
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


def test_a_dead_destination_does_not_keep_the_source_frozen(carry, monkeypatch):
    carrier, played, _, written = carry
    dead = frozenset({"vh1"})

    def play(self, move, step, attempt):
        played.append(step)
        if dead and step in {"cutover", "undo-cutover"}:
            raise RunError("unreachable", machines=dead)
        return {"seconds": 0.1, "changed": 1}

    monkeypatch.setattr(execution.Carrier, "_play", play)
    now = written()
    with pytest.raises(RunError, match="cutover could not be taken back: unreachable"):
        carrier.forward(MOVE, now)
    same(now, written())
    assert played[-3:] == ["cutover", "undo-cutover", "undo-freeze"]
    assert (now.steps["freeze"], now.steps["cutover"], now.undo_first) == ("waiting", "undo-failed", ["cutover"])
    dead = frozenset()
    carrier.forward(MOVE, now)
    assert played[played.index("undo-freeze") + 1 :][:2] == ["undo-cutover", "freeze"], "what is left there goes first"
    same(now, written())
    assert now.name == "done"


def test_a_source_that_cannot_be_led_back_stays_frozen(carry, monkeypatch):
    carrier, played, _, written = carry

    def play(self, move, step, attempt):
        played.append(step)
        if step in {"cutover", "undo-cutover"}:
            raise RunError("no answer", machines=frozenset({"localhost"}))
        return {"seconds": 0.1, "changed": 1}

    monkeypatch.setattr(execution.Carrier, "_play", play)
    with pytest.raises(RunError, match="no answer"):
        carrier.forward(MOVE, written())
    assert played[-1] == "undo-cutover", "visitors may still be led to the destination: what is written must stay in one place"


def test_a_run_that_begins_at_the_cutover_copies_and_compares_anew(carry):
    carrier, played, _, written = carry
    now = written()
    carrier.forward(MOVE, now, "verify")
    played.clear()
    carrier.forward(MOVE, written())
    assert played == ["sync", "verify", "cutover", "watch"]


def test_a_cutover_that_was_cut_off_is_ended_and_nothing_is_copied_over_it(carry):
    carrier, played, _, written = carry
    carrier.forward(MOVE, written(), "verify")
    journal.Writer(carrier.book, carrier.plan, "r").write("m", "cutover", "started")
    played.clear()
    carrier.forward(MOVE, written())
    assert played == ["cutover", "watch"], "it may serve visitors already"


def test_when_nothing_can_be_written_down_what_is_frozen_is_let_go(carry, monkeypatch):
    carrier, _, _, written = carry
    real, let_go = journal.Writer.write, []

    def write(self, move, step, event, attempt=1, **detail):
        if (step, event) == ("sync", "started"):
            raise CatalogueError("the disk is full")
        real(self, move, step, event, attempt, **detail)

    monkeypatch.setattr(journal.Writer, "write", write)
    monkeypatch.setattr(execution, "playbook", lambda folder, name, *_: let_go.append(name) or playing.Outcome(True))
    with pytest.raises(RunError, match="the disk is full"):
        carrier.forward(MOVE, written())
    assert let_go == ["moves/m/40-undo-freeze.yml"]
    assert written().steps["freeze"] == "done", "the journal could not say so; the cutover's own proof will"
