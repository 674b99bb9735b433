"""Machines that come into the room: who does the work, where each stands, and every reason why people do it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
from sample_subjects import PLATFORMS, inputs, subject

from planner.planning import former, making

ROOM = {
    "archive": {"name": "keep", "address": "192.0.2.150"},
    "pools": [{"name": "room", "network": "203.0.113.0/28", "gateway": "203.0.113.1", "vlan": 12, "placements": ["colocation"]}],
    "racks": [{"name": "r1", "units": 10, "used_units": 3, "ports": 8, "used_ports": 2, "switch": "sw1", "feeds": ["A", "B"]}],
    "dns": {"server": "192.0.2.53", "zones": ["x.edu"], "key_file": "k"},
}
CARD = {"interface": "eth0", "mac": "02:00:00:00:00:01", "prefix": 24, "gateway": "198.51.100.254", "others": []}
STANDS = "old"


def machine(name, *, host=STANDS, card=CARD, pointing=True, **more):
    item = subject(name, "colocation", host=host, **more)
    address = item.address
    object.__setattr__(item, "card", card)
    if pointing and not item.records:
        object.__setattr__(item, "records", [{"name": name, "values": [address], "ttl": 3600}])
    return item


def plan(*items, platforms=None, **more):
    return making.document(making.make(inputs(*items, platforms={**ROOM, **(platforms or {})}, **more)))


def moves(document):
    return {move["id"]: move for move in document["moves"]}


def test_one_move_carries_the_machine_with_all_its_names_and_the_others_ride():
    found = moves(plan(machine("b.x.edu"), machine("a.x.edu")))
    leader, rider = found["a-x-edu"], found["b-x-edu"]
    assert {move["carried_out"] for move in found.values()} == {"planner"}
    assert rider["steps"] == ["verify"]
    assert [step for step in leader["steps"] if step in {"renumber", "depart", "arrive"}] == ["depart", "arrive"]
    assert [record["name"] for record in leader["dns"]["records"]] == ["a.x.edu", "b.x.edu"]
    assert rider["dns"] is None
    how = leader["colocation"]
    assert how == rider["colocation"]
    assert (how["leader"], how["rides"], [part["id"] for part in how["contents"]]) == ("a-x-edu", ["b-x-edu"], ["a-x-edu", "b-x-edu"])
    assert (how["rack"], how["unit"], how["height"], how["port"], how["vlan"], how["feeds"]) == ("r1", 4, 2, 3, 12, ["A", "B"])
    assert how["new"] == {"address": "203.0.113.2", "prefix": 28, "gateway": "203.0.113.1"}
    assert leader["source"]["host"] == rider["source"]["host"]


def test_a_machine_that_stays_where_it_is_only_restarts():
    found = moves(plan(machine("a.x.edu"), platforms={"room": {"transport": "stays"}}))
    assert "renumber" in found["a-x-edu"]["steps"]
    assert not {"depart", "arrive"} & set(found["a-x-edu"]["steps"])


def test_a_name_of_several_machines_keeps_the_others():
    item = machine("a.x.edu")
    object.__setattr__(item, "records", [{"name": "a.x.edu", "values": ["192.0.2.200", item.address], "ttl": 60}])
    (record,) = moves(plan(item))["a-x-edu"]["dns"]["records"]
    assert record["new"] == ["192.0.2.200", "203.0.113.2"]


def test_machines_get_units_and_ports_of_their_own_and_keep_them_when_the_plan_is_made_anew():
    first = plan(machine("b.x.edu", host="two", server__height_u=3))
    seat = moves(first)["b-x-edu"]["colocation"]
    assert (seat["unit"], seat["port"]) == (4, 3)
    both = plan(machine("a.x.edu"), machine("b.x.edu", host="two", server__height_u=3), former=former.read(first))
    found = {name: move["colocation"] for name, move in moves(both).items()}
    assert (found["b-x-edu"]["unit"], found["b-x-edu"]["port"]) == (4, 3)
    assert (found["a-x-edu"]["unit"], found["a-x-edu"]["port"]) == (7, 4)


@pytest.mark.parametrize(
    ("item", "platforms", "why"),
    [
        (machine("a.x.edu", card={}), {}, "network card, prefix or gateway"),
        (machine("a.x.edu", card={**CARD, "interface": "eth0; rm"}), {}, "plain names"),
        (machine("a.x.edu", card={**CARD, "gateway": "fe80::1"}), {}, "plain names"),
        (machine("a.x.edu", site__docroot="/srv/a\nb"), {}, "cannot stand in a command"),
        (machine("a.x.edu", card={**CARD, "others": ["10.1.1.1"]}), {}, "other addresses beside"),
        (
            machine("a.x.edu", pointing=False, records=[{"name": "a.x.edu", "values": ["192.0.2.1"], "ttl": 60}]),
            {},
            "none of its names points",
        ),
        (machine("a.x.edu"), {"archive": None}, "names no archive"),
        (machine("a.x.edu"), {"pools": [{**ROOM["pools"][0], "gateway": None}]}, "names no gateway"),
        (machine("a.x.edu"), {"pools": []}, "has an IPv4 address for it"),
        (machine("a.x.edu", site__docroot=None), {}, "docroot is unknown"),
        (machine("a.x.edu", site__userdirs=True), {}, "folders of users"),
        (machine("a.x.edu", site__odd_names=["*.clubs.x.edu"]), {}, "every name of"),
        (
            machine("a.x.edu", database__used=True, database__product="PostgreSQL", database__name="s"),
            {},
            "backs up its database (postgresql)",
        ),
    ],
)
def test_why_people_carry_it_out(item, platforms, why):
    move = moves(plan(item, platforms=platforms))["a-x-edu"]
    assert move["carried_out"] == "by hand"
    assert why in move["note"]
    assert move["colocation"] is None


def test_what_stays_on_the_machine_would_lose_its_address():
    staying = machine("z.x.edu", strength="undecided")
    move = moves(plan(machine("a.x.edu"), staying))["a-x-edu"]
    assert "z.x.edu stays on the machine and would lose its address" in move["note"]


def test_all_reasons_are_told_at_once():
    note = moves(plan(machine("a.x.edu", card={}, site__docroot=None), platforms={"archive": None}))["a-x-edu"]["note"]
    assert all(text in note for text in ("network card", "names no archive", "docroot is unknown"))


def test_others_that_reach_it_by_its_address_are_on_the_sheet():
    item = machine("a.x.edu")
    other = subject("w.x.edu", host="elsewhere", database__remote=f"{item.address}:3306")
    how = moves(plan(item, other))["a-x-edu"]["colocation"]
    assert how["written"] == [f"w.x.edu on elsewhere: it reaches a database or a service at {item.address}"]
    assert PLATFORMS
