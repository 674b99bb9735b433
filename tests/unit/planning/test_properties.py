"""Properties of whole plans, on generated workloads: room, crew, nights, order; what changing the inputs may do; the same bytes."""

import hashlib
import math
import os
import random
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tests"))
from sample_subjects import CALENDAR, FIRST_DAY, GB, PLATFORMS, decided, inputs, subject

from planner import calendars, plandocument
from planner.planning import former, making

QUICK = settings(deadline=None, max_examples=25)
PLACEMENTS = ("virtual-host", "virtual-host", "site-cluster", "vps", "colocation", "retire", "none")
OURS = {"vh1": "192.0.2.101", "vh2": "192.0.2.102"}


@st.composite
def workloads(draw):
    found = []
    for number in range(draw(st.integers(1, 12))):
        host = draw(st.sampled_from(["h1", "h2", "h3", "vh1", "vh2"]))
        facts = {}
        if draw(st.booleans()):
            facts |= {
                "database__used": True,
                "database__product": "MariaDB",
                "database__name": draw(st.sampled_from(["a", "b", f"own{number}"])),
            }
        if draw(st.integers(0, 4)) == 0:
            facts["site__docroot"] = "/srv/shared"
        if draw(st.integers(0, 4)) == 0:
            facts["server__contract_end"] = draw(st.sampled_from(["2026-01-01", "2026-12-20", "2028-01-01"]))
        if draw(st.integers(0, 4)) == 0:
            facts["database__remote"] = [draw(st.sampled_from(["192.0.2.101:3306", f"198.51.100.{1 + sum(map(ord, 'h2')) % 250}"]))]
        chosen = {}
        if draw(st.integers(0, 6)) == 0:
            chosen = decided(node=draw(st.sampled_from(["vh1", "kvm2", "nowhere"])))
        placement = draw(st.sampled_from(PLACEMENTS))
        disk = draw(st.sampled_from([GB, 5 * GB, 18 * GB, 30 * GB, None]))
        strength = draw(st.sampled_from(["dominant", "dominant", "leaning", "undecided"]))
        unit = draw(st.sampled_from(["hist", "phys"]))
        found.append(subject(f"s{number}.x.edu", placement, host=host, address=OURS.get(host, ""), disk=disk, strength=strength, unit=unit,
                             decisions=chosen, server__height_u=draw(st.integers(1, 5)), **facts))  # fmt: skip
    return found


def planned(items, **more):
    made = making.make(inputs(*items, **more))
    return made, making.document(made)


def day(text):
    return date.fromisoformat(text)


# ---------------------------------------------------------------- room


def loads(made, document):
    """(node, resource) → [(first day, day after the last or None, amount)], from the document and the subjects alone."""
    found = defaultdict(list)
    by_id = {made.inputs.ids[item.name]: item for item in made.moving}
    flavour = {"cpus": 2.0, "memory_bytes": 4 * 1024**3, "disk_bytes": 50 * GB}
    last = max((move["schedule"]["cutover"] for move in document["moves"] if move["schedule"]), default=FIRST_DAY.isoformat())
    machines = {}
    for move in document["moves"]:
        item, node = by_id[move["id"]], move["destination"]["platform"]
        start = day(move["schedule"]["start"] if move["schedule"] else last)
        held = item.size.disk_bytes or GB
        if move["placement"] == "colocation":
            machine = machines.setdefault(item.host, [node, start, 0])
            assert machine[0] == node
            machine[1], machine[2] = min(machine[1], start), machine[2] or item.value("server.height_u")
        elif move["placement"] == "vps":
            for name, amount in flavour.items():
                found[node, name].append((start, None, amount))
        elif move["placement"] != "retire":
            found[node, "disk_bytes"].append((start, None, held))
            found[node, "accounts"].append((start, None, 1))
    for node, start, height in machines.values():
        found[node, "units"].append((start, None, height))
        found[node, "ports"].append((start, None, 1))
    ends = {move["id"]: day(move["schedule"]["end"]) for move in document["moves"] if move["schedule"]}
    for item in made.inputs.subjects:
        if item.host in OURS:
            end = ends.get(made.inputs.ids.get(item.name))
            found[item.host, "accounts"].append((date.min, end, 1))
            found[item.host, "disk_bytes"].append((date.min, end, item.size.held_bytes or GB))
    return found


def capacities():
    found = {}
    for server in PLATFORMS["virtual_hosts"]:
        found |= {(server["name"], "accounts"): server["accounts"], (server["name"], "disk_bytes"): server["disk_bytes"]}
    found["cluster", "disk_bytes"] = PLATFORMS["site_clusters"][0]["disk_bytes"]
    for node in PLATFORMS["vps_nodes"]:
        found |= {(node["name"], name): node[name] for name in ("cpus", "memory_bytes", "disk_bytes")}
    return found | {("r1", "units"): 10, ("r1", "ports"): 4}


@QUICK
@given(workloads())
def test_no_node_ever_holds_more_than_it_has(items):
    made, document = planned(items)
    limits = capacities()
    for (node, resource), spans in loads(made, document).items():
        if (node, resource) not in limits:
            continue
        own = [span for span in spans if span[0] > date.min]
        for at in {span[0] for span in own}:
            there = sum(amount for first, until, amount in spans if first <= at and (until is None or at < until))
            assert there <= limits[node, resource] + 1e-6, (node, resource, at)


# ---------------------------------------------------------------- nights


@QUICK
@given(workloads())
def test_nights_crew_order_and_freezes_are_kept(items):
    _, document = planned(items)
    calendar = calendars.parse(CALENDAR)
    dated = [move for move in document["moves"] if move["schedule"]]
    nights = Counter(move["schedule"]["cutover"] for move in dated)
    groups = {move["id"]: group["moves"] for group in document["groups"] for move in dated if move["id"] in group["moves"]}
    for night, count in nights.items():
        here = {tuple(groups[move["id"]]) for move in dated if move["schedule"]["cutover"] == night}
        assert count <= calendar.nights.cutovers or len(here) == 1  # a group that is larger than a night has one of its own
        assert day(night).weekday() < 4 and not date(2026, 12, 7) <= day(night) <= date(2026, 12, 13)
        assert day(night) >= FIRST_DAY
    by_id = {move["id"]: move for move in document["moves"]}
    for group in document["groups"]:
        assert len({(by_id[name]["schedule"] or {}).get("cutover") for name in group["moves"]}) == 1
        for before in group["after"]:
            first = [by_id[name]["schedule"] for one in document["groups"] if one["group"] == before for name in one["moves"]]
            then = [by_id[name]["schedule"] for name in group["moves"]]
            assert not any(then) or (all(first) and max(s["cutover"] for s in first) < min(s["cutover"] for s in then))
    for skill, limit in calendar.crew.items():
        weeks = defaultdict(float)
        for group in document["groups"]:
            members = [by_id[name] for name in group["moves"] if by_id[name]["schedule"]]
            amount = sum(move["hours"].get(skill, 0) for move in members)
            if amount:
                night = day(members[0]["schedule"]["cutover"])
                needed = math.ceil(amount / limit - 1e-9)  # more than a week's work is begun in earlier weeks
                for number in range(needed):
                    weeks[night - timedelta(night.weekday() + 7 * number)] += amount / needed
        for week, hours in weeks.items():
            # work is counted in whole minutes, rounded up for each week
            assert hours <= limit + 0.1, (week, skill)


# ---------------------------------------------------------------- what shares data


@QUICK
@given(workloads())
def test_nobody_leaves_without_those_who_use_its_data(items):
    made, document = planned(items)
    places = {item.name: "" for item in items} | {item.name: made.inputs.ids[item.name] for item in made.moving}
    nights = {move["id"]: (move["schedule"] or {}).get("cutover", "none") for move in document["moves"]}
    keys = defaultdict(set)
    for item in items:
        if item.value("database.used"):
            keys[item.host, item.value("database.name")].add(nights.get(places[item.name], "stays"))
    assert all(len(found) == 1 for found in keys.values())


@QUICK
@given(workloads())
def test_a_host_is_free_only_when_nothing_is_left_on_it(items):
    made, document = planned(items)
    ends = {move["id"]: (move["schedule"] or {}).get("end") for move in document["moves"]}
    for entry in document["hosts_free"]:
        there = [item for item in items if item.host == entry["host"]]
        left = [ends.get(made.inputs.ids.get(item.name)) for item in there]
        assert (entry["on"] is None) == bool(entry["kept_by"])
        if entry["on"]:
            assert None not in left and entry["on"] >= max(left)
        assert entry["host"] not in OURS


# ---------------------------------------------------------------- other inputs


@QUICK
@given(workloads(), st.randoms(use_true_random=False))
def test_the_order_of_the_workloads_changes_nothing(items, chance: random.Random):
    turned = list(items)
    chance.shuffle(turned)
    assert plandocument.text(planned(items)[1]) == plandocument.text(planned(turned)[1])


@QUICK
@given(workloads(), st.integers(0, 11))
def test_removing_a_workload_never_costs_another_its_place(items, number):
    """With the plan before as the approved one: what had a place and a night then has one now."""
    gone = items[number % len(items)]
    before, document = planned(items)
    rest = [item for item in items if item is not gone]
    after, _ = planned(rest, former=former.read(document))
    moved = {item.name for item in before.moving} - {gone.name}
    # who shared its data with the one that is gone is free of it, and nobody who moved is left
    assert moved <= {item.name for item in after.moving}


@QUICK
@given(workloads())
def test_a_plan_that_follows_itself_keeps_every_night_and_place(items):
    _, document = planned(items)
    _, again = planned(items, former=former.read(document))
    nights = [{move["id"]: (move["schedule"], move["destination"]) for move in one["moves"]} for one in (document, again)]
    for name, (schedule, destination) in nights[0].items():
        other = nights[1][name]
        assert destination == other[1]
        assert (schedule or {}).get("cutover") == (other[0] or {}).get("cutover")


@QUICK
@given(workloads(), st.integers(0, 11))
def test_what_is_ruled_out_is_never_planned(items, number):
    """A block more on a workload takes it out of the plan, and brings nothing in that had no place for itself."""
    index = number % len(items)
    blocked = replace(items[index], verdict=replace(items[index].verdict, recommendation="none", strength="none possible"))
    _, document = planned([*items[:index], blocked, *items[index + 1 :]])
    assert items[index].name not in {move["site"] for move in document["moves"]}


# ---------------------------------------------------------------- bytes

PROGRAM = """
import random, sys
from sample_subjects import inputs, subject
from planner import plandocument
from planner.planning import making
items = [subject(f"s{n}.x.edu", ("virtual-host", "site-cluster", "vps", "retire", "colocation")[n % 5], host=f"h{n % 4}",
                 database__used=n % 3 == 0, database__name=f"d{n % 2}", database__product="MariaDB") for n in range(25)]
random.Random(int(sys.argv[1])).shuffle(items)
sys.stdout.buffer.write(plandocument.text(making.document(making.make(inputs(*items)))).encode())
"""


def test_the_same_bytes_under_any_hash_seed_locale_and_order():
    digests = set()
    for seed, language in (("0", "C"), ("1", "C.UTF-8"), ("4242", "tr_TR.UTF-8")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "LC_ALL": language, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
        said = subprocess.run([sys.executable, "-c", PROGRAM, seed], env=environment, capture_output=True, check=True, cwd="/").stdout
        assert b"moves:" in said
        digests.add(hashlib.sha256(said).hexdigest())
    assert len(digests) == 1
