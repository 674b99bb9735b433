"""What the journal tells of seconds: the last time counts, a freeze that was released does not, and nothing is predicted of nothing."""

from datetime import UTC, datetime, timedelta

from inventory import model
from planner import journal, movesteps, timings

AT = datetime(2026, 12, 1, 22, tzinfo=UTC)
MOVE = {"id": "m", "placement": "virtual-host", "bytes": 50_000_000}


def rows(*lines):
    """(minute, step, event[, seconds or steps])."""
    return [
        model.Journal(
            step=step, event=event, at=AT + timedelta(minutes=minute),
            detail={"steps": more[0]} if more and isinstance(more[0], dict) else {"seconds": more[0]} if more else {},
        )
        for minute, step, event, *more in lines
    ]  # fmt: skip


WHOLE = (
    (0, "preseed", "done", 10.0), (1, "freeze", "started"), (2, "freeze", "done", 60.0), (4, "sync", "done", 100.0),
    (5, "verify", "done", 20.0), (6, "cutover", "done", 30.0),
)  # fmt: skip


def test_what_was_done_last_counts():
    one = timings.told("p", MOVE, rows((0, "sync", "done", 5.0), *WHOLE))
    assert one.steps["sync"] == 100.0
    assert one.frozen == 300.0
    assert one.rehearsed is None


def test_a_freeze_that_was_released_is_not_counted():
    lines = rows(
        (0, "freeze", "started"), (1, "freeze", "done"), (2, "freeze", "undo-started"), (3, "freeze", "undone"), (9, "cutover", "done")
    )
    assert timings.told("p", MOVE, lines).frozen is None
    again = rows((0, "freeze", "started"), (3, "freeze", "undone"), (10, "freeze", "started"), (14, "cutover", "done"))
    assert timings.told("p", MOVE, again).frozen == 240.0


def test_a_prediction_takes_what_was_rehearsed_and_else_what_is_usual():
    others = [timings.told("p", {**MOVE, "id": str(n)}, rows(*WHOLE)) for n in range(3)]
    usual = timings.usual(others)
    assert usual["virtual-host", "cutover"] == timings.Usual(30.0, 3)
    rehearsed = timings.told("p", MOVE, rows((0, journal.REHEARSAL, "done", {"sync": 7.0, "verify": 3.0})))
    assert timings.predicted(rehearsed, usual) == 60.0 + 7.0 + 3.0 + 30.0
    assert timings.predicted(rehearsed, {}) is None, "nobody knows how long a freeze takes here"
    assert timings.predicted(timings.told("p", MOVE, []), usual) is None, "not rehearsed"


def test_the_rate_of_copies_leaves_out_what_only_starts_up():
    told = [
        timings.told("p", {**MOVE, "bytes": size}, rows((0, "preseed", "done", took)))
        for size, took in ((50_000_000, 10.0), (5, 3.0), (9_000_000, 0.1))
    ]
    assert timings.rate(told) == (5_000_000.0, 1)
    assert timings.rate([]) is None


def test_a_rehearsal_changes_nothing_that_a_run_goes_by():
    steps = movesteps.steps("virtual-host")
    now = journal.state(steps, [*rows(*((0, step, "done") for step in steps[:3])), *rows((1, journal.REHEARSAL, "done", {"sync": 1.0}))])
    assert now.next == "freeze"
    assert not now.error
