"""What people decide, approve and say of a plan, from the command line to both engines; and what the run refuses because of it."""

import json
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from sqlalchemy import select

from inventory import catalogue, model
from inventory.errors import InputError, PlanError, RunError
from planner import approvals, bundle, decisions, execution, facts, freshness, journal, movesteps, planstore, workspace
from planner import cli as commands
from planner.decisions import Decision

sys.path.insert(0, str(Path(__file__).parents[1]))
from sample_plan import document, move

AT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
TODAY = AT.date()
PLATFORMS = """\
virtual_hosts: [{name: vh1, address: 192.0.2.101}, {name: vh2, address: 192.0.2.102}]
site_clusters: [{name: main, front: {name: front, address: 192.0.2.110}, nodes: [{name: n1, address: 192.0.2.111}]}]
vps_nodes: [{name: hv1, cpus: 8, memory_bytes: 64000000000, disk_bytes: 1000000000000}]
"""


def known(**values):
    return {name.replace("__", "."): {"value": value, "evidence": [], "why": ""} for name, value in values.items()}


class Desk:
    """A workspace with three sites, a plan of their moves, and the commands, which run on AT's day."""

    def __init__(self, folder, url, capsys, monkeypatch):
        workspace.create(folder)
        (folder / "planner.yml").write_text(f"catalogue: {url}\n")
        (folder / "inventory/platforms.yml").write_text(PLATFORMS)
        self.folder, self.capsys, self.patch = folder, capsys, monkeypatch
        self.now = AT
        monkeypatch.chdir(folder)
        monkeypatch.setattr(catalogue, "now", lambda: self.now)
        self.book = catalogue.open_catalogue(url)
        with self.book.session() as session:
            session.add(model.Unit(code="hist"))
            session.flush()
            session.add_all(model.Host(name=name, address=f"192.0.2.{n}", unit_code="hist") for n, name in ((1, "old"), (2, "older")))
            session.flush()
        for name in ("a", "b", "c"):
            self.site(f"{name}.x.edu")
        self.plan()

    @property
    def space(self):
        return workspace.find(self.folder)

    def site(self, name, host=1, **more):
        values = {"site__docroot": f"/var/www/{name}", "site__static": True, "site__declared": True, **more}
        main = name.partition("@")[0]
        with self.book.session() as session:
            row = model.Site(host_id=host, name=name, names=[main], known=model.SiteFacts(facts=known(**values)))
            session.add(row)
            session.flush()
            session.add(
                model.Workload(
                    name=name, host_id=host, site_id=row.id, unit_code="hist", status="both", names=[main], declared={}, identified_at=AT
                )
            )

    def change(self, name, **values):
        """What the next visit finds."""
        with self.book.session() as session:
            row = session.get(model.SiteFacts, catalogue.workload_by_name(session, name).site_id)
            row.facts = {**row.facts, **known(**values)}

    def plan(self, *moves, **more):
        """Keep a plan as planning would, from what is known now."""
        moves = moves or (move("a"), move("b", gates=[]), move("c", gates=[], night="2026-12-08", wave=2))
        space = self.space
        self.now += timedelta(minutes=1)
        with self.book.session() as session:
            assembly = facts.Assembly(session, space, self.now.date())
            items = freshness.workloads(session, moves)
            told = {name: assembly.of(item) for name, item in items.items()}
            moves = [{**item, "facts": freshness.facts_digest(told[item["id"]])} for item in moves]
            made_from = {"facts": "0" * 64, **freshness.made_from(session, space, self.now.date())}
            made = document(*moves, **{"made_from": made_from, "costs": None, **more})
            planstore.keep(session, space, made, told, self.now)
        self.now += timedelta(minutes=1)
        self.document = made
        return made

    def say(self, *words, code=0):
        """Run a command; what it printed, both streams in one."""
        self.patch.setattr(sys, "argv", ["planner", *map(str, words)])
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            commands.main()
        out, err = self.capsys.readouterr()
        assert (left.value.code or 0) == code, (words, left.value.code, out, err)
        return out + err

    def json(self, *words):
        return json.JSONDecoder().raw_decode(self.say(*words, "--json"))[0]  # notes on stderr come after it

    def held(self):
        with self.book.session() as session:
            standing = decisions.standing(session, self.now.date())
            return approvals.held(self.document, approvals.agreements(session, self.document), standing)

    def stale(self):
        with self.book.session() as session:
            found = freshness.stale(session, self.space, self.document, self.document["moves"], self.now.date())
        return freshness.lines(found)


@pytest.fixture
def desk(tmp_path, capsys, monkeypatch):
    made = Desk(tmp_path / "w", f"sqlite:///{tmp_path}/c.db", capsys, monkeypatch)
    yield made
    made.book.close()


@pytest.fixture
def either_desk(tmp_path, url, capsys, monkeypatch):
    """On SQLite, then on PostgreSQL."""
    made = Desk(tmp_path / "w", url, capsys, monkeypatch)
    yield made
    made.book.close()


# ---------------------------------------------------------------- decisions


def decision(site="a.x.edu", kind="cutover", value="2026-12-24", **more):
    return Decision(
        **{
            "site": site,
            "names": ("a.x.edu", "www.a.x.edu"),
            "kind": kind,
            "value": value,
            "by": "chen",
            "why": "asked",
            "until": "",
            "at": AT,
            **more,
        }
    )


def kept(book, *given, on=TODAY):
    with book.session() as session:
        for item in given:
            decisions.add(session, item)
        session.flush()
        return decisions.standing(session, on)


def test_a_decision_is_found_by_any_name_until_its_day(book):
    found = kept(book, decision(until="2026-11-30"))
    for name, names in (("a.x.edu", ()), ("q", ("www.a.x.edu",)), ("a.x.edu@new", ("a.x.edu",))):
        assert found.of(name, names)["cutover"].value == "2026-12-24", name
    assert found.of("b.x.edu", ("b.x.edu",)) == {}
    with book.session() as session:
        assert decisions.standing(session, date(2026, 11, 30)).standing
        assert not decisions.standing(session, date(2026, 12, 1)).standing


def test_one_of_several_copies_is_not_the_others(book):
    found = kept(book, decision("a.x.edu@old", kind="leave", value=""))
    assert found.of("a.x.edu@old", ("a.x.edu",))
    assert not found.of("a.x.edu@older", ("a.x.edu",))
    assert found.of("a.x.edu", ("a.x.edu",)), "when there is only one copy left, it is this one"


def test_the_later_word_counts_and_what_contradicts_it_is_withdrawn(book):
    found = kept(book, decision(), decision(value="2026-12-25"), decision(kind="node", value="vh2"), decision(kind="settled", value="r1"),
                 decision(kind="settled", value="r2"))  # fmt: skip
    assert {kind: item.value for kind, item in found.of("a.x.edu").items()} == {"cutover": "2026-12-25", "node": "vh2"}
    assert set(found.settled("a.x.edu")) == {"r1", "r2"}
    found = kept(book, decision(kind="leave", value=""))
    assert set(found.of("a.x.edu")) == {"leave"}
    assert set(found.settled("a.x.edu")) == {"r1", "r2"}
    assert set(kept(book, decision(kind="placement", value="vps")).of("a.x.edu")) == {"placement"}


@pytest.mark.parametrize(
    ("more", "words"),
    [({"why": " "}, "why"), ({"kind": "placement", "value": "cloud"}, "no placement"), ({"until": "2026-11-23"}, "is over")],
)
def test_what_cannot_be_decided(book, more, words):
    with pytest.raises(InputError, match=words):
        kept(book, decision(**more))


def test_the_hash_is_of_what_a_plan_is_made_from(book):
    none = decisions.Decisions().hash
    one = kept(book, decision())
    assert one.hash != none
    assert kept(book, decision(why="another reason", by="li")).hash == one.hash
    assert kept(book, decision(kind="settled", value="r")).hash == one.hash
    assert kept(book, decision(value="2026-12-26")).hash != one.hash
    ending = kept(book, decision(until="2026-12-01"))
    with book.session() as session:
        assert decisions.standing(session, date(2026, 12, 2)).hash == none != ending.hash


# ---------------------------------------------------------------- overrides


def test_an_override_says_who_why_and_until_when(either_desk):
    desk = either_desk
    desk.say(
        "plan", "override", "a-x-edu", "--cutover", "2026-12-24", "--node", "vh2", "--by", "chen", "--why", "exams", "--until", "2026-12-31"
    )
    rows = desk.json("plan", "overrides")
    assert [(r["site"], r["kind"], r["value"], r["by"], r["why"], r["until"]) for r in rows] == [
        ("a.x.edu", "cutover", "2026-12-24", "chen", "exams", "2026-12-31"), ("a.x.edu", "node", "vh2", "chen", "exams", "2026-12-31"),
    ]  # fmt: skip
    assert desk.stale() == ["a.x.edu: cutover 2026-12-24, decided by chen since", "a.x.edu: node vh2, decided by chen since"]
    assert "is withdrawn" in desk.say("plan", "override", "a.x.edu", "--withdraw", "cutover", "--by", "li")
    assert [r["kind"] for r in desk.json("plan", "overrides")] == ["node"]
    desk.say("plan", "override", "a.x.edu", "--withdraw", "all")
    assert desk.json("plan", "overrides") == []
    assert desk.stale() == []
    desk.say("plan", "override", "a.x.edu", "--withdraw", "all", code=5)


def test_a_decision_on_a_site_that_is_gone_can_be_withdrawn(desk):
    desk.say("plan", "override", "c.x.edu", "--leave", "--why", "x")
    desk.plan(move("a"))
    with desk.book.session() as session:
        session.delete(catalogue.workload_by_name(session, "c.x.edu"))
    desk.say("plan", "override", "c.x.edu", "--withdraw", "leave")
    assert desk.json("plan", "overrides") == []


def test_a_refusal_repeats_no_control_characters(desk):
    """No plan holds any (planmodel); a file that somebody has put some into is refused without repeating them."""
    desk.plan(move("a"))
    path = planstore.path(desk.space, desk.document["id"])
    path.write_text(path.read_text().replace("virtual-host", '"\\e[2Jlooks \\u202Einfected"', 1))
    refused = desk.say("plan", "check", code=2)
    assert "placement" in refused
    assert not {"\x1b", "\u202e"} & {*refused}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["a.x.edu"], 2, "what is decided?"),
        (["a.x.edu", "--leave", "--node", "vh1"], 2, "what is decided?"),
        (["a.x.edu", "--leave", "--withdraw", "all"], 2, "what is decided?"),
        (["a.x.edu", "--leave"], 2, "why?"),
        (["a.x.edu", "--node", "vh9", "--why", "x"], 2, "vh9 is no place for virtual-host"),
        (["a.x.edu", "--node", "main", "--why", "x"], 2, "main is no place for virtual-host"),
        (["a.x.edu", "--placement", "cloud", "--why", "x"], 2, "there is no placement cloud"),
        (["a.x.edu", "--cutover", "24.12.2026", "--why", "x"], 2, "is no date"),
        (["a.x.edu", "--cutover", "2026-11-23", "--why", "x"], 2, "is over"),
        (["a.x.edu", "--leave", "--why", "x", "--until", "2026-11-23"], 2, "is over"),
        (["a.x.edu", "--withdraw", "colour"], 2, "cannot be withdrawn"),
        (["no.such.site", "--leave", "--why", "x"], 5, "no site"),
    ],
)
def test_an_override_that_cannot_be(desk, words, code, said):
    assert said in desk.say("plan", "override", *words, code=code)
    assert desk.json("plan", "overrides") == []


def test_an_override_of_placement_changes_the_verdict_and_cannot_pass_a_block(desk):
    desk.say("plan", "override", "a.x.edu", "--placement", "vps", "--why", "their own administrator", "--by", "chen")
    rows = {row["site"]: row for row in desk.json("assess")}
    assert (rows["a.x.edu"]["verdict"], rows["a.x.edu"]["strength"]) == ("vps", "overridden")
    assert rows["b.x.edu"]["strength"] != "overridden"
    (desk.folder / "policy/ours.yml").write_text(
        "rules: [{id: no-vps, placements: [vps], when: {fact: site.static, is: true}, effect: block, message: static sites get none, help: x}]\n"
    )
    refused = desk.say("plan", "override", "b.x.edu", "--placement", "vps", "--why", "x", code=7)
    assert "b.x.edu cannot go to vps: a block holds" in refused
    assert "static sites get none   [no-vps]" in refused
    assert [row["site"] for row in desk.json("plan", "overrides")] == ["a.x.edu"]
    rows = {row["site"]: row for row in desk.json("assess")}
    assert rows["a.x.edu"]["strength"] != "overridden", "a block that came later is not passed either"


def test_the_name_of_several_moves_has_to_be_told_apart(desk):
    desk.site("a.x.edu@older", host=2)
    twin = move("a", id="a-2", group="a-2", gates=[])
    twin["source"] = {**twin["source"], "host": "older"}
    desk.plan(move("a"), twin)
    assert "one of a-x-edu, a-2" in desk.say("plan", "override", "a.x.edu", "--leave", "--why", "x", code=2)
    desk.say("plan", "override", "a-2", "--leave", "--why", "x")
    assert [row["site"] for row in desk.json("plan", "overrides")] == ["a.x.edu@older"]


# ---------------------------------------------------------------- edited by hand


def edit(desk, change, name="plan.yml"):
    path = desk.space.plan_folder(desk.document["id"]) / "plan.yml"
    data = yaml.safe_load(path.read_text())
    change(data)
    target = path.with_name(name)
    target.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True))
    return target


def test_an_edited_plan_is_checked_and_adopted(desk):
    assert "as it was made" in desk.say("plan", "check")

    def change(plan):
        plan["moves"][0]["schedule"]["cutover"] = date(2026, 12, 24)
        plan["moves"][0]["note"] = "their anniversary"
        plan["moves"][1]["destination"]["platform"] = "vh2"
        plan["left"].append({"site": "c.x.edu", "why": "it closes"})
        plan["moves"].pop()

    path = edit(desk, change)
    before = planstore.path(desk.space, desk.document["id"])
    assert path == before
    assert [(e["move"], e["kind"]) for e in desk.json("plan", "check")["changed"]] == [
        ("a-x-edu", "cutover"), ("b-x-edu", "node"), ("c-x-edu", "leave"),
    ]  # fmt: skip
    assert "destination" not in desk.say("generate", code=7)  # `plan show` shows what was made, from the catalogue
    refused = desk.say("plan", "adopt", "--by", "chen", code=2)
    assert f"why?  {path}:" in refused
    assert desk.json("plan", "overrides") == []
    desk.say("plan", "adopt", "--by", "chen", "--why", "more room")
    assert [(r["site"], r["kind"], r["value"], r["why"]) for r in desk.json("plan", "overrides")] == [
        ("a.x.edu", "cutover", "2026-12-24", "their anniversary"), ("b.x.edu", "node", "vh2", "more room"), ("c.x.edu", "leave", "", "it closes"),
    ]  # fmt: skip
    assert "as it was made" in desk.say("plan", "check"), "the plan's own file is written back"
    assert "nothing was changed" in desk.say("plan", "adopt")


def test_what_only_planning_makes_is_refused_and_nothing_is_kept(desk):
    def change(plan):
        plan["moves"][0]["schedule"]["cutover"] = "2026-12-24"
        plan["moves"][1]["destination"]["address"] = "192.0.2.7"

    path = edit(desk, change, "mine.yml")
    for words in (("check", path), ("adopt", path, "--why", "x")):
        assert "moves.1.destination.address: only planning makes this" in desk.say("plan", *words, code=2)
    assert desk.json("plan", "overrides") == []
    edit(desk, lambda plan: plan["moves"][1]["destination"].update(platform="vh9"), "mine.yml")
    assert "vh9 is no place for virtual-host: vh1, vh2" in desk.say("plan", "adopt", path, "--why", "x", code=2)
    edit(desk, lambda plan: plan.update(id="plan-0123456789", problems=["x"]), "mine.yml")
    assert "is not in the catalogue" in desk.say("plan", "check", path, code=5)


# ---------------------------------------------------------------- compared


def test_the_newest_plan_is_compared_with_the_approved_one(either_desk):
    desk = either_desk
    first = desk.document["id"]
    assert "there is no plan to compare" in desk.say("plan", "diff", code=5)
    desk.say("plan", "approve", "--by", "chen")
    desk.now += timedelta(hours=1)
    second = desk.plan(move("a"), move("b", gates=[], night="2026-12-08", wave=2), move("c", gates=[], night="2026-12-08", wave=2))["id"]
    desk.now += timedelta(hours=1)
    desk.change("a.x.edu", site__php_version="8.1")
    third = desk.plan(move("a"), move("b", gates=[]))["id"]
    changes = desk.json("plan", "diff")
    assert (changes["old"], changes["new"]) == (first, third)
    assert {"kind": "fact", "move": "a.x.edu", "what": "site.php_version", "old": None, "new": "8.1"} in changes["changes"]
    assert [(c["kind"], c["move"]) for c in changes["changes"] if c["kind"] == "removed"] == [("removed", "c.x.edu")]
    assert desk.json("plan", "diff", first, second)["changes"]
    assert desk.json("plan", "diff", second)["new"] == third
    desk.say("plan", "unapprove", first)
    assert desk.json("plan", "diff")["old"] == second
    desk.say("plan", "diff", "--exit-code", code=1)
    desk.say("plan", "diff", third, third, "--exit-code")
    path = edit(desk, lambda plan: plan["moves"][0]["schedule"].update(cutover="2026-12-24"), "mine.yml")
    assert "cut over on 2026-12-24 instead of 2026-12-01 (+23 days)" in desk.say("plan", "diff", "", path)
    desk.say("plan", "diff", "plan-0", code=5)


# ---------------------------------------------------------------- approved


def test_an_approval_is_of_one_fingerprint_and_can_be_withdrawn(desk):
    desk.say("plan", "unapprove", code=5)
    desk.say("plan", "approve", "--by", "chen", "--note", "as discussed")
    with desk.book.session() as session:
        row = approvals.approval(session, desk.document)
        assert (row.by, row.note, row.fingerprint) == ("chen", "as discussed", desk.document["fingerprint"])
        assert approvals.approval(session, {**desk.document, "fingerprint": "f" * 64}) is None
    assert "approved by chen on 2026-11-24" in desk.say("status")
    desk.say("plan", "unapprove", "--by", "li")
    assert "not approved" in desk.say("status")
    assert "nobody has approved" in desk.say("run", "--yes", code=7)


def test_a_plan_with_problems_is_approved_only_with_a_reason(desk):
    desk.plan(problems=["the crew is full on 2026-12-01"])
    assert "the crew is full" in desk.say("plan", "approve", "--by", "chen", code=7)
    desk.say("plan", "approve", "--by", "chen", "--despite", "two more hands come")
    with desk.book.session() as session:
        assert approvals.approval(session, desk.document).note == "despite 1 problems: two more hands come"


STALE = {
    "facts": (lambda desk: desk.change("b.x.edu", site__php_version="8.1"), "b-x-edu: site.php_version was unknown, is 8.1"),
    "platforms": (
        lambda desk: (desk.folder / "inventory/platforms.yml").write_text(PLATFORMS.replace("vh2", "vh3")),
        "platforms.yml changed",
    ),
    "calendar": (lambda desk: (desk.folder / "calendar.yml").write_text("nights: {cutovers: 3}\n"), "calendar.yml changed"),
    "rules": (
        lambda desk: (desk.folder / "policy/ours.yml").write_text(
            "rules: [{id: ours, placements: [vps], when: {fact: site.static, is: true}, effect: info, message: m, help: x}]\n"
        ),
        "the rules or weights changed",
    ),
    "decisions": (
        lambda desk: desk.say("plan", "override", "c.x.edu", "--cutover", "2026-12-24", "--why", "x", "--by", "li"),
        "c.x.edu: cutover 2026-12-24, decided by li since",
    ),
}


@pytest.mark.parametrize("what", STALE)
def test_a_stale_plan_is_neither_run_nor_approved_and_says_what_changed(desk, what):
    change, words = STALE[what]
    desk.say("plan", "approve", "--by", "chen")
    desk.say("generate")
    assert desk.stale() == []
    change(desk)
    for command in (("run", "--yes"), ("plan", "approve", "--by", "chen")):
        refused = desk.say(*command, code=7)
        assert f"{desk.document['id']} is not of today" in refused
        assert words in refused
    desk.say("generate")


def test_what_grows_every_day_makes_nothing_stale(desk):
    desk.change(
        "a.x.edu", content__bytes=7, use__requests_per_day=3.5, site__php_end="2027-01-01", database__bytes=9, database__myisam_bytes=9
    )
    assert desk.stale() == []


def test_without_the_kept_facts_the_move_is_named(desk):
    kept_facts = desk.space.plan_folder(desk.document["id"]) / "facts.json"
    kept_facts.write_text(kept_facts.read_text().replace("/var/www", "/srv/www"))
    desk.change("a.x.edu", site__docroot="/srv/other")
    assert desk.stale() == ["a-x-edu: what was found of it differs from what it was planned with"]


def test_a_site_that_is_gone_is_named(desk):
    with desk.book.session() as session:
        session.delete(catalogue.workload_by_name(session, "a.x.edu"))
    assert desk.stale() == ["a-x-edu: it is no longer found where it was"]


def test_an_override_that_ended_makes_the_plan_stale(desk):
    desk.say("plan", "override", "c.x.edu", "--cutover", "2026-12-08", "--why", "x", "--until", "2026-11-25", "--by", "root")
    desk.plan()
    desk.now += timedelta(days=1)
    assert desk.stale() == []
    desk.now += timedelta(days=1)
    assert desk.stale() == ["c.x.edu: cutover 2026-12-08, decided by root, holds no longer (2026-11-25)"]


def test_a_withdrawn_override_makes_the_plan_stale(desk):
    desk.say("plan", "override", "c.x.edu", "--leave", "--why", "x", "--by", "chen")
    desk.plan()
    assert desk.stale() == []
    desk.now += timedelta(minutes=1)
    desk.say("plan", "override", "c.x.edu", "--withdraw", "all", "--by", "li")
    assert desk.stale() == ["c.x.edu: leave, decided by chen, holds no longer (li)"]
    with desk.book.session() as session:
        told = freshness.stale(session, desk.space, desk.document, [], desk.now.date())
    assert freshness.lines(told, "zh_CN") == ["c.x.edu：chen的决定（不迁移）已失效（li）"]
    desk.plan(made_from={**desk.document["made_from"]})
    assert desk.stale() == ["an admin's decision came, was withdrawn or ended"], "one that nobody can name is not passed over"


# ---------------------------------------------------------------- gates and agreements


def test_a_gate_is_settled_by_name_and_can_be_unsettled(desk):
    assert desk.held() == {"a-x-edu": ["the gate infected is not settled: 12 files look infected"]}
    assert "its gates: infected" in desk.say("plan", "settle", "a-x-edu", "old-php", "--why", "x", code=2)
    assert "why?" in desk.say("plan", "settle", "a-x-edu", "infected", code=2)
    assert [row["held"] for row in desk.json("status")] == [desk.held()["a-x-edu"], [], []]
    desk.say("plan", "settle", "a.x.edu", "infected", "--by", "chen", "--why", "cleaned and scanned")
    assert desk.held() == {}
    assert [row["held"] for row in desk.json("status")] == [[], [], []]
    assert desk.stale() == [], "the plan need not be made anew"
    desk.say("plan", "settle", "a.x.edu", "infected", "--withdraw")
    assert "a-x-edu" in desk.held()
    desk.say("plan", "settle", "a.x.edu", "infected", "--withdraw", code=5)


def word(desk, name="b-x-edu"):
    row = next(row for row in desk.json("plan", "agreements") if row["move"] == name)
    return row["answer"], row["counts"]


def test_an_agreement_is_to_a_night_and_a_placement(either_desk):
    desk = either_desk
    assert word(desk) == ("", False)
    desk.say("plan", "agree", "b-x-edu", "--unit-agrees", "--by", "Prof. Li", "--note", "by mail")
    assert word(desk) == ("agreed", True)
    desk.plan(move("b", gates=[], night="2026-12-02"))
    assert word(desk) == ("agreed to another date", False)
    desk.plan(move("b", gates=[], placement="retire", by="by hand", steps=["cutover"], destination={}))
    assert word(desk) == ("agreed to another placement", False)
    desk.plan()
    assert word(desk) == ("agreed", True)
    desk.say("plan", "agree", "b-x-edu", "--withdraw")
    assert word(desk) == ("", False)
    desk.say("plan", "agree", "b-x-edu", "--withdraw", code=5)
    desk.say("plan", "agree", "b-x-edu", "--silence", "--on", "2026-12-05")
    assert word(desk) == ("silence to another date", False)


def test_a_refusal_holds_the_move_whatever_its_date_until_the_unit_says_otherwise(desk):
    desk.say("plan", "agree", "b-x-edu", "--refuses", "--by", "Prof. Li", "--note", "exams")
    assert desk.held()["b-x-edu"] == ["its unit refused, says Prof. Li: exams"]
    desk.plan(move("b", gates=[], night="2026-12-02"))
    assert desk.held()["b-x-edu"] == ["its unit refused virtual-host on 2026-12-01, says Prof. Li: exams"]
    desk.say("plan", "agree", "b-x-edu", "--unit-agrees", "--by", "Prof. Li")
    assert desk.held() == {}


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["b-x-edu"], "what does the unit say?", 2),
        (["b-x-edu", "--refuses", "--silence"], "what does the unit say?", 2),
        (["b-x-edu", "--unit-agrees"], "who of the unit", 2),
        (["q-x-edu", "--silence"], "has no move q-x-edu", 5),
        (["b-x-edu", "--silence", "--on", "tomorrow"], "is no date", 2),
    ],
)
def test_words_that_are_none(desk, words, said, code):
    assert said in desk.say("plan", "agree", *words, code=code)


# ---------------------------------------------------------------- the run


@pytest.fixture
def runs(desk, monkeypatch):
    """Runs the newest plan without Ansible: which moves were begun, in order, and what was printed."""
    from planner.cli import carry

    def run(*words, failing=(), code=0, dates=False):
        carried = []

        def play(_, one, step, *__):
            if one["id"] not in carried:
                carried.append(one["id"])
            if one["id"] in failing:
                raise RunError(f"{step}: x")
            return {"seconds": 0.0, "changed": 0}

        for name in ("_play", "_verify", "_after_cutover", "_after_closing"):
            monkeypatch.setattr(execution.Carrier, name, play if name == "_play" else lambda *_: {})
        monkeypatch.setattr(carry, "_lacking", lambda *_: [])
        desk.say("generate")
        free = () if dates else ("--any-time", "a test has no nights")
        return carried, desk.say("run", "--at-once", "1", *(words if "--unattended" in words else ("--yes", *words)), *free, code=code)

    return run


def test_the_run_leaves_out_what_is_held_and_carries_the_others(desk, runs):
    desk.plan(groups=[{"group": f"{name}-x-edu", "moves": [f"{name}-x-edu"]} for name in "abc"])
    desk.say("plan", "approve", "--by", "chen")
    desk.say("plan", "agree", "b-x-edu", "--refuses", "--by", "Li")
    carried, said = runs()
    assert carried == ["c-x-edu"]
    assert "a-x-edu: the gate infected is not settled: 12 files look infected" in said
    assert "b-x-edu: its unit refused" in said
    carried, said = runs("--move", "a-x-edu", code=7)
    assert carried == []
    assert "the gate infected is not settled" in said
    desk.say("plan", "settle", "a-x-edu", "infected", "--why", "cleaned")
    assert runs("--move", "a-x-edu")[0] == ["a-x-edu"]


def test_a_failed_group_holds_back_only_its_successors(desk, runs):
    after = [{"group": f"{name}-x-edu", "moves": [f"{name}-x-edu"], "after": ["a-x-edu"] if name == "c" else []} for name in "abc"]
    desk.plan(move("a", gates=[]), move("b", gates=[]), move("c", gates=[], night="2026-12-08", wave=2), groups=after)
    desk.say("plan", "approve", "--by", "chen")
    carried, said = runs(failing=["a-x-edu"], code=8)
    assert carried == ["a-x-edu", "b-x-edu"]
    assert "c-x-edu: a-x-edu must be moved before it" in said
    assert runs()[0] == ["a-x-edu", "c-x-edu"], "what is done is not done again"


def test_what_has_begun_goes_on_though_the_plan_is_stale(desk, runs):
    desk.say("plan", "approve", "--by", "chen")
    with desk.book.session() as session:
        session.add(model.Journal(plan_id=desk.document["id"], move="b-x-edu", step="freeze", event="started", at=AT))
    desk.change("b.x.edu", site__php_version="8.1")
    desk.change("c.x.edu", site__php_version="8.1")
    carried, said = runs(code=7)
    assert carried == []
    assert "c-x-edu: site.php_version was unknown, is 8.1" in said
    assert "b-x-edu: site" not in said
    assert runs("--move", "b-x-edu")[0] == ["b-x-edu"]


def test_what_is_carried_out_by_hand_has_no_playbooks_and_is_not_run(desk, runs):
    vps = {"platform": "hv1", "nodes": ["hv1"], "flavour": "small", "address": "192.0.2.200"}
    desk.plan(move("a", gates=[]), move("b", gates=[], placement="vps", by="by hand", steps=["provision", "cutover"], destination=vps))
    desk.say("plan", "approve", "--by", "chen")
    carried, said = runs()
    assert carried == ["a-x-edu"]
    assert "b-x-edu: it is carried out by hand" in said
    folder = desk.space.plan_folder(desk.document["id"]) / "bundle"
    assert [path.name for path in (folder / "moves").iterdir()] == ["a-x-edu"]
    assert "hv1" not in (folder / "inventory/hosts.json").read_text()
    bundle.check(folder)
    states = {row["move"]: row["state"] for row in desk.json("status")}
    assert states["b-x-edu"] == "by hand"


def test_two_copies_of_a_site_do_not_share_an_agreement(either_desk):
    desk = either_desk
    desk.site("a.x.edu@older", host=2)
    other = move("a", id="a-x-edu-older", group="a-x-edu-older")
    other["source"] = {**other["source"], "host": "older", "address": "192.0.2.2"}
    desk.plan(move("a"), other)
    desk.say("plan", "agree", "a-x-edu", "--refuses", "--by", "Li")
    assert word(desk, "a-x-edu") == ("refused", True)
    assert word(desk, "a-x-edu-older") == ("", False)
    desk.say("plan", "agree", "a-x-edu-older", "--withdraw", code=5)
    desk.say("plan", "agree", "a-x-edu", "--withdraw")
    assert word(desk, "a-x-edu") == ("", False)


def test_what_people_carried_out_is_journalled_and_can_be_taken_back(either_desk):
    desk = either_desk
    desk.plan(move("a", by="by hand", gates=[]), move("b", gates=[]))
    assert "carried out by the planner" in desk.say("plan", "done", "b-x-edu", "--note", "x", code=7)
    assert "what was done?" in desk.say("plan", "done", "a-x-edu", code=2)
    assert "is not over" in desk.say("plan", "done", "a-x-edu", "--note", "x", "--on", "2027-01-01", code=2)
    assert "not said to be done" in desk.say("plan", "done", "a-x-edu", "--withdraw", code=2)
    desk.say("plan", "done", "a.x.edu", "--by", "Li", "--note", "moved by hand", "--on", "2026-11-20")
    assert "done already, says Li" in desk.say("plan", "done", "a-x-edu", "--note", "again", code=2)
    row = next(row for row in desk.json("status") if row["move"] == "a-x-edu")
    assert (row["state"], row["by"]) == ("done", "Li")
    assert "--withdraw" in desk.say("rollback", "a-x-edu", "--yes", code=2)
    left = {entry["site"]: entry["why"] for entry in desk.json("plan")["left"]}
    assert left["a.x.edu"] == f"{desk.document['id']} has moved it on 2026-11-20"
    desk.say("plan", "done", "a-x-edu", "--withdraw")
    assert "has moved it" not in str(desk.json("plan")["left"])


# ---------------------------------------------------------------- a site that is closed


def closing(**more):
    gate = {"rule": "retire-sign-off", "step": "agree", "message": "the owner must sign", "settled": False}
    destination = {"platform": "cluster", "front": "front", "address": "192.0.2.110", "receiver": "store", "receiver_address": "192.0.2.101",
                   "node_addresses": {"n1": "192.0.2.111"}}  # fmt: skip
    return move("b", placement="retire", gates=[gate], destination=destination, steps=list(movesteps.steps("retire")),
                retirement={"folder": "/srv/archive/b-x-edu"}, **more)  # fmt: skip


def test_nothing_is_closed_without_its_owners_own_word(desk, runs):
    desk.plan(closing())
    desk.say("plan", "approve", "--by", "chen")
    assert "no word yet" in desk.held()["b-x-edu"][0]
    for words, state in (
        (("--silence",), "silence"), (("--unit-agrees", "--by", "Li", "--on", "2026-12-09"), "agreed to another date"),
    ):  # fmt: skip
        desk.say("plan", "agree", "b-x-edu", *words)
        signature, gate = desk.held()["b-x-edu"]
        assert signature.startswith(f"its owner has not signed ({state}): planner plan agree")
        assert gate == "the gate retire-sign-off is not settled: the owner must sign"
        assert runs(code=7)[0] == []
    desk.say("plan", "settle", "b-x-edu", "retire-sign-off", "--why", "a letter")
    assert len(desk.held()["b-x-edu"]) == 1, "a settled gate is no signature"
    desk.say("plan", "settle", "b-x-edu", "retire-sign-off", "--withdraw")
    desk.say("plan", "agree", "b-x-edu", "--unit-agrees", "--by", "Li")
    assert desk.held() == {}
    assert runs()[0] == ["b-x-edu"]


def test_the_step_itself_asks_for_the_signature(desk):
    desk.plan(closing())
    carrier = execution.Carrier(desk.document, desk.folder, desk.book, None, desk.folder, "r", lambda *_: None)
    with pytest.raises(RunError, match="sign-off: its owner has not signed"):
        carrier.forward(desk.document["moves"][0], journal.state(movesteps.steps("retire"), ()), "sign-off")
    desk.say("plan", "agree", "b-x-edu", "--unit-agrees", "--by", "Li")
    now = journal.state(movesteps.steps("retire"), ())
    carrier.forward(desk.document["moves"][0], now, "sign-off")
    assert (now.next, now.name) == ("lower-ttl", "under way")
    with desk.book.session() as session:
        row = session.scalars(select(model.Journal).order_by(model.Journal.id.desc()).limit(1)).one()
        assert row.detail["signed"].startswith("Li, 2026-")


def test_its_bundle_has_the_steps_the_machines_and_the_checklist(desk):
    desk.plan(closing())
    desk.say("generate")
    folder = desk.space.plan_folder(desk.document["id"]) / "bundle"
    names = sorted(path.name for path in (folder / "moves/b-x-edu").iterdir())
    assert names == [
        "20-lower-ttl.yml", "20-undo-lower-ttl.yml", "30-provision.yml", "30-undo-provision.yml", "40-freeze.yml", "40-undo-freeze.yml",
        "50-archive.yml", "60-verify.yml", "70-cutover.yml", "70-undo-cutover.yml", "80-watch.yml", "90-decommission.yml",
        "90-undo-decommission.yml", "CHECKLIST.md", "vars.json",
    ]  # fmt: skip
    children = json.loads((folder / "inventory/hosts.json").read_text())["all"]["children"]
    assert {kind: list(group["hosts"]) for kind, group in children.items()} == {
        "sources": ["old"], "vhost_servers": [], "cluster_fronts": ["front"], "cluster_nodes": ["n1"], "archives": ["store"], "vps_machines": [],
    }  # fmt: skip
    bundle.check(folder)


@pytest.mark.parametrize(
    ("more", "said"),
    [({"retirement": None}, "moves.0.retirement: a site that is closed has one"),
     ({"steps": ["archive", "sign-off"]}, "moves.0.steps: these are not steps that the planner carries out, in their order: sign-off")],
)  # fmt: skip
def test_a_closing_that_lacks_something_is_no_plan(more, said):
    with pytest.raises(PlanError, match=said):
        document({**closing(), **more})
