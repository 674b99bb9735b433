"""Differences of two readings: what came, went and changed; what only could not be read; what changes by itself and is left out."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory import changes
from inventory.changes import Change, Reading
from inventory.probes.base import Observation

VHOST = {
    "server": "nginx",
    "names": ["www.x.edu"],
    "enabled": True,
    "docroot": "/srv/w",
    "file": "/etc/nginx/x",
    "listen": [{"port": "80"}],
}
CONTENT = {"docroot": "/srv/w", "exists": True, "bytes": 5, "files": 2, "newest": "2026-01-01T00:00:00Z", "age_days": 1}


def reading(*items, privilege="root", sections=("s", "nginx", "content")):
    found = [({"vhost": "nginx", "content": "content"}.get(kind, "s"), Observation(kind, data, 1)) for kind, data in items]
    return Reading(found, privilege, frozenset(sections))


def differences(old, new):
    return [(c.site, c.what, c.key, c.change, c.field, c.before, c.after) for c in changes.compare("h", old, new)]


def listener(port, process="x", pid=1):
    return "listener", {"protocol": "tcp", "address": "0.0.0.0", "port": port, "process": process, "pid": pid}


def test_added_removed_changed():
    old = reading(listener(22), listener(80, "apache2"), ("os", {"version": "11"}))
    new = reading(listener(80, "nginx", 99), listener(443), ("os", {"version": "12"}))
    assert [row[1:5] for row in differences(old, new)] == [
        ("listener", "tcp 0.0.0.0 22", "removed", ""),
        ("listener", "tcp 0.0.0.0 443", "added", ""),
        ("listener", "tcp 0.0.0.0 80", "changed", "process"),
        ("os", "", "changed", "version"),
    ]


def test_what_changes_by_itself_is_left_out():
    old = reading(
        ("machine", {"hostname": "h", "uptime_s": 1}), ("load", {"one": 1.0}), ("disk", {"mount": "/", "used_bytes": 1}), listener(22)
    )
    new = reading(
        ("machine", {"hostname": "h", "uptime_s": 9}),
        ("load", {"one": 2.0}),
        ("disk", {"mount": "/", "used_bytes": 2}),
        listener(22, pid=7),
    )
    assert differences(old, new) == []
    assert len(changes.host_changes(old, new, everything=True)) == 4


@pytest.mark.parametrize("less", ["the section is missing", "no sudo", "said to be unknown"])
def test_what_was_not_read_is_not_removed(less):
    full = reading(listener(22), ("vhost", VHOST))
    poor = {
        "the section is missing": replace(full, observations=(), sections=frozenset()),
        "no sudo": replace(full, observations=(), privilege="user"),
        "said to be unknown": reading(("unknown", {"what": "listeners", "why": "x"}), ("vhost", VHOST)),
    }[less]
    away = [row for row in differences(full, poor) if row[1] in {"listener", "site"}]
    assert {row[3] for row in away} == {"unread"}
    assert {row[3] for row in differences(poor, full) if row[1] in {"listener", "site"}} == {"learned"}
    assert len(away) == (1 if less == "said to be unknown" else 2)


def test_sites():
    grown = {**CONTENT, "bytes": 9, "newest": "2026-02-01T00:00:00Z", "age_days": 0}
    old, new = reading(("vhost", VHOST), ("content", CONTENT)), reading(("vhost", {**VHOST, "line": 7}), ("content", grown))
    assert differences(old, new) == [
        ("www.x.edu", "content.bytes", "", "changed", "", 5, 9),
        ("www.x.edu", "content.newest", "", "changed", "", CONTENT["newest"], grown["newest"]),
    ]
    assert [row[:4] for row in differences(old, reading())] == [
        ("", "vhost", "nginx /etc/nginx/x www.x.edu 80", "removed"),
        ("www.x.edu", "site", "", "removed"),
    ]
    moved = reading(("vhost", {**VHOST, "docroot": "/srv/v"}), ("content", CONTENT))
    assert ("www.x.edu", "site.docroot", "", "changed", "", "/srv/w", "/srv/v") in differences(old, moved)


def test_content_that_belongs_to_no_site_is_the_hosts():
    assert [row[:4] for row in differences(reading(), reading(("content", CONTENT)))] == [("", "content", "/srv/w", "added")]


def test_the_same_key_twice_and_kinds_that_nobody_named():
    twice = reading(("cron", {"file": "a", "command": "x"}), ("cron", {"file": "a", "command": "x"}))
    once = reading(("cron", {"file": "a", "command": "x"}))
    assert [row[2:4] for row in differences(twice, once)] == [("a x #2", "removed")]
    old, new = (
        reading(("novelty", {"name": "n", "size": 1, "pid": 3}), ("odd", {"z": [1]})),
        reading(("novelty", {"name": "n", "size": 2, "pid": 4})),
    )
    assert [row[1:5] for row in differences(old, new)] == [("novelty", "n", "changed", "size"), ("odd", '{"z": [1]}', "removed", "")]


def test_the_data_file_is_sorted_out():
    rules = changes.rules()
    assert {"load", "process", "connection"} <= {kind for kind, rule in rules.kinds.items() if rule.ignore}
    assert rules.site_facts.volatile_groups


VALUES = st.sampled_from([None, "", "a", "b", 0, 1, [1], ["a", None], {"port": "80"}])
DATA = st.dictionaries(st.sampled_from(["name", "names", "file", "listen", "docroot", "x"]), VALUES, max_size=4)
ITEMS = st.lists(st.tuples(st.sampled_from(["cron", "content", "application", "new"]), DATA), max_size=8)


@given(ITEMS, ITEMS)
def test_a_reading_equals_itself_and_the_order_of_comparison_mirrors(left, right):
    one, two = reading(*left), reading(*right)
    assert changes.host_changes(one, one) == []
    there, back = changes.host_changes(one, two), changes.host_changes(two, one)
    mirror = {"added": "removed", "removed": "added", "changed": "changed"}
    assert there == [Change("", c.what, c.key, mirror[c.change], c.field, c.after, c.before) for c in back]
