"""The fault campaign's pure parts: when it strikes, what it reads out of a journal and a client's log, its table."""

import itertools
import sys
from pathlib import Path

import pytest

LAB = str(Path(__file__).parents[2] / "lab")
sys.path.insert(0, LAB)
try:
    from faults import checks, schedule, table
    from faults import faults as every
    from faults.subject import Line
finally:
    sys.path.remove(LAB)

NAMES = [fault.name for fault in every.EVERY]


@pytest.mark.parametrize("steps", [schedule.FORWARD, schedule.BACK])
def test_a_campaign_strikes_every_step_with_every_fault_and_as_often_at_random(steps):
    count = 2 * len(NAMES) * len(steps)
    found = list(itertools.islice(schedule.strikes(7, NAMES, steps), count))
    boundaries = [(one.fault, one.step) for one in found if one.instant is None]
    assert sorted(boundaries) == sorted(itertools.product(NAMES, steps))
    assert all(0 <= one.instant < 1 for one in found if one.instant is not None)
    assert {one.recover for one in found if one.instant is None} == {"run", "rollback"}
    assert found == list(itertools.islice(schedule.strikes(7, NAMES, steps), count))
    assert found != list(itertools.islice(schedule.strikes(8, NAMES, steps), count))


def test_a_chain_strikes_different_steps_in_their_order():
    for chain in itertools.islice(schedule.chains(3, NAMES, schedule.FORWARD, 4), 50):
        at = [schedule.FORWARD.index(one.step) for one in chain]
        assert len(at) == 4
        assert at == sorted(set(at))


def test_the_bounded_campaign_knows_its_faults_and_steps():
    strikes = [one for chain in schedule.BOUNDED for one in chain]
    assert len(strikes) == 12
    assert {one.fault for one in strikes} <= set(NAMES)
    for way, chain in zip((schedule.FORWARD, schedule.BACK) * 2, schedule.BOUNDED, strict=True):
        assert {one.step for one in chain} <= set(way)


JOURNALS = {
    "a straight way": ("provision started, provision done, freeze started, freeze done", []),
    "again after it was taken back": ("freeze started, freeze done, freeze undo-started, freeze undone, freeze started, freeze done", []),
    "again after it failed": ("sync started, sync failed, sync started, sync done", []),
    "a comparison that was cut off": ("sync started, sync done, verify started, sync started, sync done", []),
    "twice": (
        "freeze started, freeze done, sync started, freeze started, freeze done",
        ["freeze was done and is begun again"],
    ),
    "a copy after a comparison after which a run ended": (
        "sync started, sync done, verify started, verify done, sync started, sync done, verify started, verify done, cutover started",
        [],
    ),
    "a copy over a cutover that had begun": (
        "sync started, sync done, verify started, verify done, cutover started, sync started",
        ["sync was done and is begun again"],
    ),
    "a later step after an earlier was taken back": (
        "provision done, freeze done, provision undone, provision started, freeze started",
        [],
    ),
}


@pytest.mark.parametrize("case", JOURNALS)
def test_a_step_that_is_done_twice_is_found(case):
    text, problems = JOURNALS[case]
    lines = [Line(number, *words.split(), 1, 0.0) for number, words in enumerate(text.split(", "))]
    assert checks.done_once(lines) == problems


def test_the_longest_time_without_an_answer_counts_from_the_beginning_and_to_the_end():
    log = [{"kind": "row", "who": "fresh", "ok": ok, "end": at} for at, ok in ((11, True), (12, False), (15, True))]
    other = [{"kind": "row", "who": "stale", "ok": True, "end": 13}, {"kind": "read", "who": "fresh", "ok": True, "end": 13}]
    assert checks.longest_without([*log, *other], "row", 10, 16) == 4.0
    assert checks.longest_without(log, "row", 10, 22) == 7.0
    assert checks.longest_without([], "row", 10, 22) == 12.0


def test_what_was_accepted_is_kept_by_host():
    ledger = checks.Ledger()
    ledger.take(
        [
            {"kind": "row", "ok": True, "by": "phys", "name": "a"},
            {"kind": "file", "ok": False, "by": "", "name": "b"},
            {"kind": "file", "ok": True, "by": "vh1", "name": "c"},
            {"kind": "read", "ok": True, "by": "", "name": ""},
        ]
    )
    assert (ledger.by("phys"), ledger.by("vh1"), ledger.tried) == ({"a"}, {"c"}, {"a", "b", "c"})


def test_the_table_counts_strikes_and_names_what_was_wrong():
    def record(number, outcome, problems, *strikes):
        return {
            "round": number, "seed": 1, "fault": "x", "where": "sync", "recover": "run", "outcome": outcome, "problems": problems, "accepted": 5,
            "recovered": {"codes": [0], "seconds": 7.0}, "without_read": 0.5, "without_row": 2.0, "without_file": 3.0, "strikes": list(strikes),
        }  # fmt: skip

    hit = {"fault": "kill-planner", "struck": True, "during": "sync started", "instant": True}
    undo = {"fault": "kill-planner", "struck": True, "during": "freeze undo-started", "instant": False}
    text = table.markdown([record(1, "right", [], hit, {**hit, "struck": False}), record(2, "wrong", ["a | b"], undo)])
    assert "2 faults struck in 2 rounds, 1 of them at random instants, 1 at the beginning of a step; 1 more came too late" in text
    assert "| 1, 2 | x | sync | run | a \\| b |" in text
    assert "| kill-planner | 2 | 1 | 0 | 0.5 / 0.5 | 2.0 / 2.0 | 3.0 / 3.0 | 7 / 7 |" in text
