"""Whole plans of a few workloads: what stays and why, what moves together, what is lacking, and what a plan must say aloud."""

import sys
from datetime import date
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from sample_subjects import GB, decided, inputs, subject

from inventory.errors import NotFound, PlanError
from planner import plandocument
from planner.planning import former, making
from planner.planning.subjects import Carried, identities


def plan(*items, **more):
    return making.document(making.make(inputs(*items, **more)))


def moves(document):
    return {move["id"]: move for move in document["moves"]}


def left(document):
    return {entry["site"]: entry["why"] for entry in document["left"]}


def test_nothing_to_move_is_a_plan_too():
    document = plan()
    assert (document["moves"], document["waves"], document["costs"]) == ([], [], None)
    assert plandocument.fingerprint(document) == document["fingerprint"]


def test_without_any_platform_nothing_can_be_planned():
    nothing = {"virtual_hosts": [], "site_clusters": [], "vps_nodes": [], "racks": []}
    with pytest.raises(PlanError, match="no platform"):
        plan(subject("a.x.edu"), platforms=nothing)


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (subject("a.x.edu", host=""), "found on no host"),
        (subject("a.x.edu", "none", strength="insufficient data"), "insufficient data"),
        (subject("a.x.edu", strength="undecided"), "undecided"),
        (subject("a.x.edu", site__declared=False), "no unit has declared it"),
        (subject("a.x.edu", decisions=decided(leave="")), "chen decided that it stays: because"),
        (subject("a.x.edu", carried=Carried("plan-1", "virtual-host", "vh1", True)), "plan-1 has moved it"),
        (subject("a.x.edu", carried=Carried("plan-1", "virtual-host", "vh1", False)), "plan-1 has begun to move it"),
        (subject("a.x.edu", host="vh1", address="192.0.2.101"), "it is on vh1 already"),
    ],
)
def test_what_stays_and_why(item, why):
    document = plan(item)
    assert document["moves"] == []
    assert why in left(document)["a.x.edu"]


def test_what_stands_on_one_of_our_servers_moves_when_an_admin_chooses_another_node():
    document = plan(subject("a.x.edu", host="vh1", address="192.0.2.101", decisions=decided(node="vh2")))
    assert moves(document)["a-x-edu"]["destination"]["platform"] == "vh2"


# ---------------------------------------------------------------- what is shared


DATABASE = {"database__used": True, "database__name": "wp", "database__product": "MariaDB"}


def test_a_database_of_two_sites_keeps_them_on_one_node_and_out_of_the_playbooks():
    document = plan(subject("a.x.edu", **DATABASE), subject("b.x.edu", **DATABASE), subject("c.x.edu"))
    found = moves(document)
    assert found["a-x-edu"]["schedule"]["cutover"] == found["b-x-edu"]["schedule"]["cutover"]
    assert found["a-x-edu"]["destination"]["platform"] == found["b-x-edu"]["destination"]["platform"]
    assert found["a-x-edu"]["carried_out"] == "by hand"
    assert "it uses the database wp on old with b.x.edu" in found["a-x-edu"]["note"]
    assert "database wp" not in found["c-x-edu"]["note"]


def test_who_shares_a_database_with_one_that_stays_cannot_leave_it_behind():
    document = plan(
        subject("a.x.edu", **DATABASE),
        subject("b.x.edu", **DATABASE, site__docroot="/srv/both"),
        subject("c.x.edu", site__docroot="/srv/both/"),
        subject("d.x.edu"),
        subject("z.x.edu", strength="undecided", **DATABASE),
    )
    assert [move["site"] for move in document["moves"]] == ["d.x.edu"]
    assert left(document)["a.x.edu"] == "z.x.edu stays, and both use the database wp on old"
    assert left(document)["c.x.edu"] == "b.x.edu stays, and both serve /srv/both of old"


def test_the_same_name_of_a_database_on_two_hosts_is_two_databases():
    document = plan(subject("a.x.edu", **DATABASE), subject("z.x.edu", host="other", strength="undecided", **DATABASE))
    assert [move["site"] for move in document["moves"]] == ["a.x.edu"]


def test_data_that_would_go_to_two_kinds_of_places_is_a_problem():
    document = plan(subject("a.x.edu", **DATABASE), subject("b.x.edu", "vps", **DATABASE))
    assert any("a.x.edu, b.x.edu: both use the database wp on old, and go to virtual-host and vps" in text for text in document["problems"])


def test_retiring_with_a_mover_goes_in_one_night():
    document = plan(subject("a.x.edu", **DATABASE), subject("b.x.edu", "retire", **DATABASE))
    assert len({move["schedule"]["cutover"] for move in document["moves"]}) == 1
    assert document["problems"] == []


# ---------------------------------------------------------------- machines


def test_a_machine_takes_its_room_and_its_price_once():
    both = [subject(f"{name}.x.edu", "colocation", server__height_u=8) for name in "ab"]
    document = plan(*both, platforms={"tariffs": {"colocation": {"yearly": 100}}})
    assert {move["destination"]["platform"] for move in document["moves"]} == {"r1"}
    assert document["shortfall"] == []
    assert document["hosts_free"] == []  # it stays in use
    assert document["costs"] is None or document["costs"]["total"]["count"] == 1


def test_a_machine_that_is_colocated_waits_for_what_leaves_it_and_says_what_rides_along():
    document = plan(subject("a.x.edu", "colocation"), subject("b.x.edu", "vps"), subject("c.x.edu", strength="undecided"))
    found = moves(document)
    assert found["b-x-edu"]["schedule"]["cutover"] < found["a-x-edu"]["schedule"]["cutover"]
    assert any("old moves as a machine, and takes along what was to stay on it: c.x.edu" in text for text in document["problems"])


def test_each_site_that_needs_a_vps_gets_its_own():
    pools = [{"name": "v4", "network": "203.0.113.0/28"}, {"name": "v6", "network": "2001:db8::/64"}]
    document = plan(subject("a.x.edu", "vps"), subject("b.x.edu", "vps"), platforms={"pools": pools})
    addresses = [(move["destination"]["address"], move["destination"]["address6"]) for move in document["moves"]]
    assert sorted(addresses) == [("203.0.113.1", "2001:db8::1"), ("203.0.113.2", "2001:db8::2")]
    assert document["addresses_missing"] == []


def test_addresses_that_run_out_are_told_by_family():
    pools = [{"name": "v4", "network": "203.0.113.0/30", "gateway": "203.0.113.1"}, {"name": "v6", "network": "2001:db8::/64"}]
    document = plan(*(subject(f"{name}.x.edu", "vps") for name in "abc"), platforms={"pools": pools})
    assert [(entry["version"], entry["lacking"]) for entry in document["addresses_missing"]] == [(4, 2)]


# ---------------------------------------------------------------- room


def test_what_finds_no_room_stays_with_what_must_go_with_it_and_the_shortfall_says_what_lacks():
    document = plan(
        subject("a.x.edu", disk=90 * GB, **DATABASE), subject("b.x.edu", **DATABASE), subject("c.x.edu"), subject("d.x.edu", "vps")
    )
    assert [move["site"] for move in document["moves"]] == ["c.x.edu", "d.x.edu"]
    assert left(document)["a.x.edu"] == left(document)["b.x.edu"] == "no virtual-host server has room for it"
    (entry,) = [entry for entry in document["shortfall"] if entry["resource"] == "disk_bytes"]
    assert entry["for"] == ["a-x-edu", "b-x-edu"]


def test_a_label_that_no_node_has_is_named():
    document = plan(
        subject("a.x.edu", site__php=True, site__static=False, fit__php_destination="5.6"),
        subject("b.x.edu", database__used=True, database__name="b", database__product="PostgreSQL"),
    )
    assert left(document) == {
        "a.x.edu": "no virtual-host server has PHP 5.6", "b.x.edu": "no virtual-host server has database postgresql"
    }  # fmt: skip
    assert ["PHP 5.6"] in [entry["labels"] for entry in document["shortfall"]]


def test_php_and_databases_of_one_family_find_their_server():
    document = plan(subject("a.x.edu", site__php=True, site__static=False, fit__php_destination="7.4", database__used=True,
                            database__name="a", database__product="MySQL"))  # fmt: skip
    (move,) = document["moves"]
    assert (move["destination"]["platform"], move["destination"]["php"]) == ("vh2", "7.4")


def test_no_platform_of_a_kind():
    document = plan(subject("a.x.edu", "vps"), subject("b.x.edu"), platforms={"vps_nodes": []})
    assert left(document)["a.x.edu"] == "there is no VPS node"
    assert {entry["kind"] for entry in document["shortfall"]} == {"vps"}


def test_unknown_sizes_and_no_tariffs_are_planned_with_assumptions_that_are_told():
    document = plan(subject("a.x.edu", disk=None), subject("b.x.edu", "vps", disk=None), platforms={"flavours": []})
    found = moves(document)
    assert "the quota of a virtual host is planned for it" in found["a-x-edu"]["note"]
    assert "the flavour standard is planned for it" in found["b-x-edu"]["note"]
    assert found["a-x-edu"]["size"]["disk_bytes"] is None


def test_a_source_on_our_own_server_holds_its_room_until_its_trial_is_over():
    full = {"virtual_hosts": [{"name": "vh1", "address": "192.0.2.101", "disk_bytes": 10 * GB, "accounts": 1}]}
    staying = subject("s.x.edu", "vps", host="vh1", address="192.0.2.101", disk=None)
    made = making.make(inputs(staying, subject("a.x.edu"), platforms=full))
    ends = {item.name: item.end.toordinal() for item in made.schedule.scheduled}
    assert [(one.node, one.needs["accounts"], one.until) for one in made.occupied] == [("vh1", 1.0, ends["s-x-edu"])]
    assert "a.x.edu" in made.left


def test_what_an_earlier_plan_has_brought_here_keeps_its_room():
    full = {"virtual_hosts": [{"name": "vh1", "address": "192.0.2.101", "disk_bytes": 10 * GB, "accounts": 1}]}
    done = subject("a.x.edu", carried=Carried("plan-1", "virtual-host", "vh1", True))
    assert left(plan(done, subject("b.x.edu"), platforms=full))["b.x.edu"] == "no virtual-host server has room for it"
    found = subject("a.x.edu@vh1", names=["a.x.edu"], host="vh1", address="192.0.2.101")
    assert len(making.make(inputs(done, found, platforms=full)).occupied) == 1


def test_the_loss_of_a_node_is_planned_for():
    reserve = {"reserve": {"share": 0.0, "nodes": 1}}
    items = [subject(f"{name}.x.edu", disk=15 * GB) for name in "abc"]
    assert len(plan(*items, platforms=reserve)["moves"]) == 2
    assert len(plan(*items)["moves"]) == 3


# ---------------------------------------------------------------- decisions and dates


def test_a_node_that_does_not_exist_is_a_problem_and_no_crash():
    document = plan(subject("a.x.edu", decisions=decided(node="vh9")), subject("b.x.edu", decisions=decided(node="kvm1")))
    assert len(document["moves"]) == 2
    assert sum("which is no virtual-host server (vh1, vh2)" in text for text in document["problems"]) == 2


@pytest.mark.parametrize("night", ["2026-12-08", "2026-11-01", "2031-01-01"])
def test_a_chosen_night_in_a_blackout_past_or_far_away_stays_and_is_a_problem(night):
    document = plan(subject("a.x.edu", decisions=decided(cutover=night)))
    assert moves(document)["a-x-edu"]["schedule"]["cutover"] == night
    assert any("a-x-edu" in text for text in document["problems"])


def test_a_contract_that_has_ended_makes_no_move_impossible():
    document = plan(subject("a.x.edu", server__contract_end="2024-05-31"), subject("b.x.edu", server__contract_end="unknown"))
    found = moves(document)
    assert found["a-x-edu"]["schedule"] is not None
    assert "the contract of its server ended on 2024-05-31" in found["a-x-edu"]["note"]
    assert document["problems"] == []


def test_a_contract_that_ends_before_any_free_night_is_a_problem_and_the_move_is_laid_all_the_same():
    document = plan(subject("a.x.edu", server__contract_end="2026-12-10"), calendar="notice_days: 60\ntrial_days: 5\n")
    assert moves(document)["a-x-edu"]["schedule"]["cutover"] > "2026-12-10"
    assert any("a.x.edu: no night was left before 2026-12-10" in text for text in document["problems"])


def test_a_move_after_a_move_by_hand():
    first = subject("db.x.edu", "vps", host="dbhost", address="198.51.100.7")
    document = plan(first, subject("a.x.edu", database__remote=["198.51.100.7:3306"]))
    found = moves(document)
    assert found["db-x-edu"]["carried_out"] == "by hand"
    assert found["db-x-edu"]["schedule"]["cutover"] < found["a-x-edu"]["schedule"]["cutover"]


def test_shifting_a_move_and_one_that_stays():
    made = making.make(inputs(subject("a.x.edu"), subject("b.x.edu")))
    effects = making.shifted(made, "a-x-edu", date(2026, 12, 8))
    assert [problem.refusal.kind for problem in effects.broken] == ["blackout"]
    with pytest.raises(NotFound):
        making.shifted(made, "z", date(2026, 12, 8))


# ---------------------------------------------------------------- hosts to be switched off


def test_a_host_can_be_switched_off_when_the_last_trial_is_over():
    document = plan(
        subject("a.x.edu"), subject("b.x.edu", "retire"), subject("c.x.edu", host="new"), subject("d.x.edu", "none", host="new")
    )
    last = max(move["schedule"]["end"] for move in document["moves"] if move["source"]["host"] == "old")
    assert document["hosts_free"] == [{"host": "new", "on": None, "kept_by": ["d.x.edu"]}, {"host": "old", "on": last, "kept_by": []}]


def test_who_uses_a_host_from_elsewhere_keeps_it():
    user = subject("z.x.edu", host="other", strength="undecided", database__remote=["198.51.100.7:3306"])
    document = plan(subject("a.x.edu", host="dbhost", address="198.51.100.7"), user)
    assert document["hosts_free"] == [{"host": "dbhost", "on": None, "kept_by": ["z.x.edu"]}]


# ---------------------------------------------------------------- names


def test_names_that_would_give_one_id_and_copies_of_a_site():
    names = ["a.b.x.edu", "a-b.x.edu", "www.x.edu@h1", "www.x.edu@h2", "网站", "资源", "a-b-x-edu-" + "0" * 6]
    ids = identities([subject(name) for name in names])
    assert len(set(ids.values())) == len(names)
    assert ids == identities([subject(name) for name in reversed(names)])
    document = plan(*(subject(f"www.x.edu@h{n}", host=f"h{n}") for n in (1, 2)))
    assert sorted(moves(document)) == ["www-x-edu-h1", "www-x-edu-h2"]


HOSTILE = "x\x1b]0;evil\x07\u202e{{ lookup('pipe','id') }}\n- a: b"


def test_hostile_texts_come_out_of_the_document_as_they_went_in_and_no_sentence_has_control_characters():
    document = plan(
        subject("a.x.edu", database__used=True, database__name=HOSTILE, site__docroot="/" + HOSTILE),
        subject("b.x.edu", database__used=True, database__name=HOSTILE),
        subject(HOSTILE, "retire", names=[]),
        subject("c" + HOSTILE, "none", names=[]),
    )
    import yaml

    assert yaml.safe_load(plandocument.text(document)) == document
    assert moves(document)["a-x-edu"]["source"]["docroot"] == "/" + HOSTILE
    sentences = [*document["problems"], *left(document).values(), *(move["note"] for move in document["moves"])]
    sentences += [why for group in document["groups"] for why in group["why"]] + document["hosts_free"][0]["kept_by"]
    assert all(text.isprintable() for text in sentences)


# ---------------------------------------------------------------- what was approved


def test_approved_nights_places_and_addresses_are_kept_and_the_plan_made_of_the_same_is_the_same():
    pools = {"pools": [{"name": "v4", "network": "203.0.113.0/28"}]}
    items = [subject("b.x.edu"), subject("c.x.edu", "vps"), subject("d.x.edu", host="h2")]
    first = plan(*items, platforms=pools)
    again = plan(subject("a.x.edu", "vps"), *items, platforms=pools, former=former.read(first))
    assert again["follows"] == first["id"]
    before, after = moves(first), moves(again)
    for name in before:
        for part in ("platform", "address"):
            assert after[name]["destination"][part] == before[name]["destination"][part]
        assert after[name]["schedule"]["cutover"] == before[name]["schedule"]["cutover"]
        assert after[name]["schedule"]["pilot"] == before[name]["schedule"]["pilot"]
    third = plan(subject("a.x.edu", "vps"), *items, platforms=pools, former=former.read(again))
    assert {**third, "follows": "", "made_from": 0}["moves"][0]["destination"] == again["moves"][0]["destination"]


def test_a_workload_whose_placement_changed_keeps_nothing():
    first = plan(subject("a.x.edu"))
    again = plan(subject("a.x.edu", "vps"), former=former.read(first))
    assert moves(again)["a-x-edu"]["destination"]["platform"].startswith("kvm")
