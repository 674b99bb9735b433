"""Leases, go-aheads and the audit log, on both engines: one planner at a time, whoever dies; a log that only grows."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text, update

from inventory import catalogue, model
from inventory.errors import CatalogueError, RunError
from planner import audit, gates, journal, leases
from planner.calendars import Calendar

AT = datetime(2026, 12, 1, 20, tzinfo=UTC)
PLAN = {"id": "plan-1", "fingerprint": "f" * 64}
MOVE = {"id": "m", "placement": "virtual-host", "schedule": {"start": "2026-11-28", "cutover": "2026-12-01", "end": "2026-12-20"}}


def test_one_has_it_and_the_other_is_told_who(book):
    one, other = leases.Holder(book, "run-1"), leases.Holder(book, "run-2")
    assert one.take("move:m") == ""
    assert one.take("move:m") == "", "who has it may take it again"
    assert f"process {os.getpid()}, run run-1" in other.take("move:m")
    assert other.take("move:n") == ""
    other.drop(["move:m"])
    assert "run-1" in other.take("move:m"), "nobody lets go of another's"
    one.drop(["move:m"])
    assert other.take("move:m") == ""


def test_what_is_not_renewed_belongs_to_the_next(book):
    one, other = leases.Holder(book), leases.Holder(book)
    one.take("move:m")
    with book.session() as session:
        session.execute(update(leases._LEASE).values(until=catalogue.now() - timedelta(seconds=1)))
    assert other.take("move:m") == ""
    assert not one.renew()
    with pytest.raises(RunError, match="lost to another planner"), book.session() as session:
        one.check(session, "move:m")
    one.drop(["move:m"])
    assert one.take("move:m"), "the other still has it"


def test_a_lease_from_a_clock_that_was_wrong_holds_nobody_up(book):
    one, other = leases.Holder(book, identity=f"another-boot:{2**22}:1:abcd"), leases.Holder(book)
    one.take("move:m")
    assert other.take("move:m") != ""
    with book.session() as session:
        session.execute(update(leases._LEASE).values(until=catalogue.now() + timedelta(days=300)))
    assert other.take("move:m") == ""


def test_a_killed_process_of_this_machine_holds_nothing(book, url):
    program = (
        "import sys, time; from inventory.catalogue import open_catalogue; from planner import leases\n"
        f"h = leases.Holder(open_catalogue({url!r})); print(repr(h.take('move:m')), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as holding:
        assert holding.stdout.readline().strip() == "''"
        assert leases.Holder(book).take("move:m") != ""
        holding.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, holding.pid, os.WEXITED | os.WNOWAIT)  # dead, and nobody has asked how it died
        assert leases.Holder(book).take("move:m") == ""


def test_where_no_process_sees_itself_signals_tell(book, monkeypatch):
    monkeypatch.setattr(leases, "_began", lambda _: "")
    with subprocess.Popen(["sleep", "60"]) as other:
        there = f"{leases._machine()}:{other.pid}:{leases._UNSEEN}:abcd"
        assert leases.identity().split(":")[2] == leases._UNSEEN
        assert not leases.gone(there)
        other.kill()
        other.wait()
    assert leases.gone(there)


def test_another_machines_holder_counts_until_its_time_is_over(book):
    one = leases.Holder(book, identity=f"another-boot:{2**22}:1:abcd")
    assert one.take("move:m") == ""
    assert leases.Holder(book).take("move:m") != "", "whether that process lives cannot be known from here"


def _race(url, start, wins):
    holder = leases.Holder(catalogue.open_catalogue(url))
    start.wait()
    for turn in range(10):
        if holder.take(f"move:{turn}") == "":
            wins.put(turn)
    time.sleep(1)  # a holder that has ended holds nothing


def test_of_many_planners_one_gets_it(book, url):
    context = multiprocessing.get_context("spawn")
    start, wins = context.Event(), context.Queue()
    racing = [context.Process(target=_race, args=(url, start, wins)) for _ in range(4)]
    for one in racing:
        one.start()
    start.set()
    got = [wins.get(timeout=60) for _ in range(10)]
    for one in racing:
        one.join()
    assert sorted(got) == list(range(10))
    assert wins.empty()


def test_a_journal_line_needs_the_lease(book):
    one, other = leases.Holder(book), leases.Holder(book)
    one.take("move:m")
    journal.Writer(book, PLAN, "r", holder=one).write("m", "freeze", "started")
    with pytest.raises(RunError, match="was lost"):
        journal.Writer(book, PLAN, "r", holder=other).write("m", "freeze", "done")
    with book.session() as session:
        assert [row.event for row in session.scalars(select(model.Journal))] == ["started"]
        assert [row.action for row in audit.read(session)] == ["started"]


def test_machines_are_waited_for_and_given_back(book):
    one, other = leases.Holder(book), leases.Holder(book)
    waited, order = [], []

    def second():
        with other.machines(["vh1", "old"], waited.append, lambda: False):
            order.append("second")

    with one.machines(["old", "vh1"], waited.append, lambda: False):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.5)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert len(waited) == 1
    assert waited[0].startswith("waits for old, which ")
    with book.session() as session:
        assert session.scalars(select(model.Lease)).all() == []


def test_who_is_stopped_while_waiting_leaves_nothing(book):
    one, other = leases.Holder(book), leases.Holder(book)
    one.take("machine:vh1")
    with pytest.raises(RunError, match="stopped while waiting for vh1"), other.machines(["a", "vh1"], lambda _: None, lambda: True):
        pass
    assert leases.Holder(book).take("machine:a") == ""


def test_a_lost_lease_stops_the_run(book, monkeypatch):
    monkeypatch.setattr(leases, "RENEWED_EVERY", 0.05)
    lost = threading.Event()
    one = leases.Holder(book, lost=lost.set)
    with one.working():
        one.take("move:m")
        time.sleep(0.3)
        assert not lost.is_set()
        with book.session() as session:
            session.execute(update(leases._LEASE).values(holder="another"))
        assert lost.wait(10)


# ---------------------------------------------------------------- gates


def gate(book, at, **more):
    return gates.Gates(
        book, PLAN, Calendar.model_validate({"zone": "UTC", "nights": {"from": "19:00", "until": "05:00"}}), clock=lambda: at, **more
    )


def test_a_step_waits_for_its_hours_and_for_a_word(book):
    early = gate(book, AT - timedelta(days=2))
    assert early.closed(MOVE, "provision") == ""
    assert early.closed(MOVE, "freeze").startswith("its night is 2026-12-01 19:00")
    tonight = gate(book, AT)
    assert tonight.closed(MOVE, "freeze") == "freeze and cutover need a go-ahead: planner plan go m --by NAME"
    with book.session() as session:
        gates.go(session, PLAN, "m", "freeze", by="chen", note="", at=AT)
    assert tonight.closed(MOVE, "freeze") == "cutover needs a go-ahead: planner plan go m --by NAME", "frozen for nothing otherwise"
    with book.session() as session:
        gates.go(session, PLAN, "m", "cutover", by="chen", note="", at=AT)
    assert [tonight.closed(MOVE, step) for step in ("freeze", "sync", "cutover", "watch")] == [""] * 4
    with book.session() as session:
        assert gates.said(session, PLAN) == {("m", "freeze"): "chen", ("m", "cutover"): "chen"}
        assert gates.said(session, {**PLAN, "fingerprint": "e" * 64}) == {}, "a plan made anew needs another word"
        assert gates.withdraw(session, PLAN, "m", ["cutover"], by="li", at=AT) == 1
    assert "cutover needs" in tonight.closed(MOVE, "freeze")


def test_what_is_said_when_it_is_started(book):
    assert gate(book, AT, free=("freeze", "cutover")).closed(MOVE, "freeze") == ""
    assert "its night is" in gate(book, AT - timedelta(days=2), free=("freeze", "cutover")).closed(MOVE, "freeze")
    assert gate(book, AT - timedelta(days=2), free=("freeze", "cutover"), despite="an emergency").closed(MOVE, "freeze") == ""
    asked = []
    there = gate(book, AT, ask=lambda move, step: asked.append((move, step)) or False)
    assert there.closed(MOVE, "freeze") == "nobody said go for freeze"
    assert there.closed(MOVE, "sync") == ""
    assert asked == [("m", "freeze")]


# ---------------------------------------------------------------- the audit log


def test_the_log_only_grows(book):
    with book.session() as session:
        audit.add(session, "run", "m", plan="plan-1", at=AT, any_time="a fire")
        audit.command(session, ["plan", "approve", "--by", "陈\x00"], 0)
    for statement in ("UPDATE audit SET subject = 'x'", "DELETE FROM audit"):
        with pytest.raises(CatalogueError, match="only grows"), book.session() as session:
            session.execute(text(statement))
    with book.session() as session:
        rows = audit.read(session)
        assert [(row.action, row.subject) for row in rows] == [("run", "m"), ("command", "plan approve")]
        assert rows[0].detail == {"any_time": "a fire"}
        assert "@" in rows[0].by
        assert [row.action for row in audit.read(session, plan="plan-1")] == ["run"]
        assert [row.action for row in audit.read(session, subject="approve")] == ["command"]
        assert audit.read(session, subject="100%") == []
        assert [row.action for row in audit.read(session, last=1)] == ["command"]
        assert [row.action for row in audit.read(session, since=AT + timedelta(seconds=1))] == (["command"] if catalogue.now() > AT else [])
