"""Verdicts in the catalogue: one changed fact assesses what depends on it and nothing else; what stands is what would be made from scratch."""

import random
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import delete, func, select

from inventory import model
from planner import decisions, policy, verdicts, workspace
from planner.facts import Assembly

AT = datetime(2026, 11, 2, 8, 30, tzinfo=UTC)
RULES = policy.load()
EVIDENCE = [[1, "web", 3]]
LAST_DAY = date(2026, 12, 31)


def fact(value, told=True):
    return {"value": value, "evidence": EVIDENCE if told else [["declared", "s.csv:3", 0]], "why": "" if told else "declared in s.csv:3"}


@pytest.fixture
def space(tmp_path, book):
    """A workspace whose catalogue is `book`, with six sites on two hosts and one that is only declared."""
    root = tmp_path / "ws"
    workspace.create(root)
    with book.session() as session:
        for number in (1, 2):
            session.add(model.Host(id=number, name=f"h{number}", address=f"192.0.2.{number}", outcome="ok"))
        session.flush()
        for number in (1, 2):
            session.add(
                model.Snapshot(
                    id=number, host_id=number, taken_at=AT - timedelta(days=20 * number), privilege="root", seconds=1.0, transcript=b"x"
                )
            )
        session.flush()
        for number in (1, 2):
            session.get_one(model.Host, number).snapshot_id = number
        for number in range(7):
            found = {
                "site.static": number % 3 == 0, "site.php": number % 3 == 1, "site.php_version": "7.4", "site.docroot": f"/srv/{number}",
                "content.bytes": 10_000_000 * (number + 1), "content.files": 20, "site.names": [f"s{number}.x.edu"],
            }  # fmt: skip
            site = None
            if number < 6:
                known = model.SiteFacts(facts={name: fact(value) for name, value in found.items()})
                site = model.Site(host_id=1 + number % 2, name=f"s{number}.x.edu", names=[f"s{number}.x.edu"], known=known)
            session.add(
                model.Workload(
                    name=f"s{number}.x.edu", host_id=1 + number % 2 if site else None, site=site, status="both" if site else "missing",
                    names=[f"s{number}.x.edu"], identified_at=AT,
                    declared={"declared.name": fact("站 {x}", False), "declared.valid_until": fact(LAST_DAY.isoformat(), False)} if number == 5 else {},
                )
            )  # fmt: skip
    return workspace.find(root)


def run(book, space, at=AT, everything=False):
    with book.session() as session:
        items = list(session.scalars(select(model.Workload).order_by(model.Workload.name)))
        return verdicts.update(session, Assembly(session, space, at.date()), items, at, everything=everything)


def stored(book):
    with book.session() as session:
        names = {row.id: row.name for row in session.execute(select(model.Workload.id, model.Workload.name))}
        return {
            names[row.workload_id]: (row.recommendation, row.strength, row.data, row.facts_hash, row.rules_hash)
            for row in session.scalars(select(model.Verdict))
        }


def scratch(book, space, at):
    """What stands when nothing had stood; and then again what stood before."""
    with book.session() as session:
        before = [dict(row) for row in session.execute(select(verdicts.Table)).mappings()]
        session.execute(delete(verdicts.Table))
    assert run(book, space, at).assessed == 7
    found = stored(book)
    with book.session() as session:
        session.execute(delete(verdicts.Table))
        session.execute(verdicts.Table.insert(), before)
    return found


def test_a_stored_verdict_is_shown_as_it_was_made(book, space):
    run(book, space)
    with book.session() as session:
        assembly = Assembly(session, space, AT.date())
        for item in session.scalars(select(model.Workload)):
            made = assembly.assess(item).to_json()
            row = session.scalar(select(model.Verdict).where(model.Verdict.workload_id == item.id))
            assert row.data == made
            assert {finding["holds"] for finding in made["findings"]} == {True, None}
    # its rules may change since: what was said stays said
    with book.session() as session:
        before = stored(book)
        fewer = policy.RuleSet(RULES.rules[5:], RULES.weights)
        one = session.scalars(select(model.Workload).where(model.Workload.name == "s1.x.edu")).one()
        assembly = Assembly(session, space, AT.date())
        assembly.rules = fewer
        assert verdicts.update(session, assembly, [one], AT).assessed == 1
    after = stored(book)
    assert {name for name in before if before[name] != after[name]} == {"s1.x.edu"}
    with book.session() as session:
        assert session.scalar(select(func.count()).select_from(model.RuleSet)) == 2
    assert run(book, space).assessed == 1 and stored(book) == before
    with book.session() as session:
        assert session.scalars(select(model.RuleSet.hash)).all() == [Assembly.rules_of(space).hash]


def test_the_same_day_and_a_new_one_assess_nothing(book, space):
    assert run(book, space).assessed == 7
    assert run(book, space).assessed == 0
    believed = [data["confidence"] for _, _, data, *_ in stored(book).values()]
    later = AT + timedelta(days=40)
    kept = run(book, space, later)
    assert kept.assessed == 0
    assert stored(book) == scratch(book, space, later)
    assert sum(believed) > sum(data["confidence"] for _, _, data, *_ in stored(book).values())
    assert {name: data["confidence"] for name, (_, _, data, *_) in stored(book).items()} == {
        f"s{number}.x.edu": one["confidence"] for number, one in enumerate(kept.of[key] for key in sorted(kept.of))
    }
    with book.session() as session:
        assert set(session.scalars(select(model.Verdict.assessed_at))) == {AT}


def test_a_day_that_something_ends_on_assesses_that(book, space):
    run(book, space)
    after = datetime(2027, 1, 1, 8, 30, tzinfo=UTC)
    assert run(book, space, after).assessed == 1
    assert stored(book) == scratch(book, space, after)
    with book.session() as session:
        choice = decisions.Decision("s0.x.edu", ("s0.x.edu",), "placement", "vps", "li", "because", "2027-01-05", after)
        decisions.add(session, choice)
    assert run(book, space, after).assessed == 1
    assert stored(book)["s0.x.edu"][:2] == ("vps", "overridden")
    assert run(book, space, after + timedelta(days=4)).assessed == 0
    assert run(book, space, after + timedelta(days=5)).assessed == 1
    assert stored(book)["s0.x.edu"][0] != "vps"


def change(book, name, changes):
    with book.session() as session:
        item = session.scalars(select(model.Workload).where(model.Workload.name == name)).one()
        if item.site is None:
            item.declared = {**item.declared, **changes}
        else:
            item.site.known.facts = {**item.site.known.facts, **changes}


def test_one_changed_fact_assesses_exactly_its_workload(book, space):
    run(book, space)
    change(book, "s1.x.edu", {"site.php_version": fact("5.6")})
    before = stored(book)
    assert run(book, space).assessed == 1
    after = stored(book)
    assert {name for name in before if before[name] != after[name]} == {"s1.x.edu"}
    assert after == scratch(book, space, AT)


def test_a_fact_that_no_rule_asks_for_assesses_nothing(book, space):
    run(book, space)
    name = "content.oldest_of_all"
    assert name not in RULES.asked
    change(book, "s1.x.edu", {name: fact(3)})
    assert run(book, space).assessed == 0
    assert stored(book) == scratch(book, space, AT)


def test_what_a_sentence_shows_counts_too(book, space):
    run(book, space)
    shown = sorted(RULES.asked - RULES.facts - {f"cost.{placement}" for placement in policy.PLACEMENTS})
    assert "content.bytes" in shown
    change(book, "s0.x.edu", {"content.bytes": fact(77)})
    assert run(book, space).assessed == 1
    assert stored(book) == scratch(book, space, AT)


def test_another_source_of_a_fact_changes_what_is_believed_and_assesses_nothing(book, space):
    run(book, space)
    change(book, "s6.x.edu", {"site.static": fact(True, False)})
    assert run(book, space).assessed == 1
    before = stored(book)["s6.x.edu"][2]["confidence"]
    change(book, "s6.x.edu", {"site.static": {"value": True, "evidence": EVIDENCE, "why": ""}})
    assert run(book, space).assessed == 0
    assert stored(book)["s6.x.edu"][2]["confidence"] > before
    assert stored(book) == scratch(book, space, AT)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_changes_the_outcome_is_that_of_assessing_everything(book, space, seed):
    chance = random.Random(seed)
    at = AT
    run(book, space, at)
    for _ in range(6):
        touched = set()
        for _ in range(chance.randrange(3)):
            name = f"s{chance.randrange(7)}.x.edu"
            asked = chance.choice(sorted(RULES.asked - {"content.bytes"}))
            change(book, name, {asked: fact(chance.choice([True, False, 3, "7.4", ["a"], "none"]) if not asked.startswith("cost.") else 5)})
            touched.add(name)
        at += timedelta(days=chance.choice([0, 1, 9]))
        ends = at.date() > LAST_DAY
        assert run(book, space, at).assessed <= len(touched | ({"s5.x.edu"} if ends else set()))
        assert stored(book) == scratch(book, space, at)


def test_other_processes_give_the_same(tmp_path, monkeypatch, space, book):
    run(book, space)
    expected = stored(book)
    with book.session() as session:
        session.execute(delete(verdicts.Table))
    monkeypatch.setattr(verdicts, "MANY", 2)
    monkeypatch.setattr(verdicts.os, "sched_getaffinity", lambda _: {0, 1})
    url = book.engine.url.render_as_string(hide_password=False)
    (space.root / workspace.FILE).write_text(
        (space.root / workspace.FILE).read_text().replace("catalogue: catalogue.db", f"catalogue: {url}")
    )
    with book.session() as session:
        assert verdicts.update_all(session, workspace.find(space.root), AT).assessed == 7
    assert stored(book) == expected
    with book.session() as session:
        assert verdicts.update_all(session, workspace.find(space.root), AT).assessed == 0


def test_parts_are_about_equal_and_no_host_is_in_two():
    hosts = [number // 7 for number in range(100)]
    keys = [*enumerate(hosts), *((number, None) for number in range(100, 140))]
    parts = verdicts._parts(keys, 3)
    assert sorted(key for part in parts for key in part) == list(range(140))
    assert all(35 <= len(part) <= 60 for part in parts)
    told = [{host for key, host in keys if host is not None and key in set(part)} for part in parts]
    assert not told[0] & told[1] and not told[1] & told[2] and not told[0] & told[2]
    assert verdicts._parts([], 2) == [[], []]
