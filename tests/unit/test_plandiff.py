"""What differs between two plans, as data and as sentences."""

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner import plandiff
from planner.planwords import SENTENCES

sys.path.insert(0, str(Path(__file__).parents[1]))
from sample_plan import content, document, move


def said(old, new, language="en", **facts):
    return plandiff.lines(plandiff.compare(old, new, **facts), language)


def altered(**more):
    return document(move("a", **more))


def test_a_plan_does_not_differ_from_itself():
    assert plandiff.compare(document(), document()) == []


DESTINATION = move("a")["destination"]
CASES = {
    "placement": ({"placement": "site-cluster", "destination": {**DESTINATION, "front": "f", "node_addresses": {"vh1": "192.0.2.101"}}},
                  "a.x.edu: virtual-host becomes site-cluster", "a.x.edu：去向由虚拟主机改为网站群"),
    "destination": ({"destination": {**DESTINATION, "platform": "vh2", "nodes": ["vh2"]}},
                    "a.x.edu: goes to vh2 instead of vh1", "a.x.edu：目的地由 vh1 改为 vh2"),
    "address": ({"destination": {**DESTINATION, "address": "192.0.2.102"}},
                "a.x.edu: gets the address 192.0.2.102 instead of 192.0.2.101", "a.x.edu：地址由 192.0.2.101 改为 192.0.2.102"),
    "size": ({"size": {"cpus": 2, "memory_bytes": None, "disk_bytes": 2000}},
             "a.x.edu: CPUs 2 instead of 0.5; a.x.edu: memory unknown instead of 512 B",
             "a.x.edu：CPU 数由 0.5 改为 2; a.x.edu：内存由 512 B 改为 未知"),
    "cost": ({"cost": {"yearly": None, "once": "1000.00"}},
             "a.x.edu: costs yearly unknown instead of 120.00", "a.x.edu：每年费用由 120.00 改为 未知"),
    "hours": ({"hours": {"web": 2.5, "network": 1}}, "a.x.edu: 1 h of network instead of 0", "a.x.edu：网络工时由 0 改为 1"),
    "gate gone": ({"gates": []}, "a.x.edu: waits no longer for 12 files look infected", "a.x.edu：前置条件取消：12 files look infected"),
    "gate settled": ({"gates": [{"rule": "infected", "step": "quarantine", "message": "12 files look infected", "settled": True}]},
                     "a.x.edu: infected is settled", "a.x.edu：infected：已解决"),
    "finding": ({"findings": []}, "a.x.edu: holds no longer: PHP 5.6", "a.x.edu：不再成立：PHP 5.6"),
    "check": ({"checks": ["the search finds 历史", "mail arrives"]},
              "a.x.edu: is also verified by: mail arrives", "a.x.edu：新增核对项：mail arrives"),
    "steps": ({"steps": ["provision", "cutover"]}, "provision, cutover, were lower-ttl", "改为 provision、cutover"),
    "no dns": ({"dns": None}, "a.x.edu: other DNS records are changed", "DNS 记录不同"),
    "pinned": ({"schedule": {**move("a")["schedule"], "pinned": True}}, "a.x.edu: its date is pinned, was not pinned", "现为固定"),
    "work begins later": ({"schedule": {**move("a")["schedule"], "start": "2026-11-29"}},
                          "a.x.edu: start on 2026-11-29 instead of 2026-11-28", "a.x.edu：开始由 2026-11-28 改为 2026-11-29"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_changes_in_a_move_is_one_sentence_each(case):
    more, english, chinese = CASES[case]
    old, new = altered(), altered(**more)
    old["costs"] = new["costs"] = None
    assert english in "; ".join(said(old, new))
    assert chinese in "; ".join(said(old, new, "zh_CN"))
    assert len(said(old, new)) == english.count("; ") + 1
    assert len(said(new, old)) == len(said(old, new)), "and back"


def test_a_later_night_says_by_how_many_days():
    old = document(move("a"), move("b"))
    new = document(move("a"), move("b", night="2026-12-08", wave=2))
    assert said(old, new) == ["b.x.edu: wave 2 instead of 1", "b.x.edu: cut over on 2026-12-08 instead of 2026-12-01 (+7 days)"]
    assert "（-7 天）" in said(new, old, "zh_CN")[1]


def test_days_that_follow_the_cutover_are_not_told_apart():
    later = {
        "notice": "2026-11-20",
        "start": "2026-12-05",
        "ttl_lowered": "2026-12-07",
        "cutover": "2026-12-08",
        "end": "2027-01-10",
        "pinned": False,
    }
    said_ = said(document(move("a")), document(move("a", schedule=later)))
    assert said_ == [
        "a.x.edu: cut over on 2026-12-08 instead of 2026-12-01 (+7 days)", "a.x.edu: end on 2027-01-10 instead of 2026-12-20",
    ]  # fmt: skip


def test_what_comes_and_goes_says_why():
    old = document(move("a"), move("b"))
    new = {**document(move("a")), "left": [{"site": "b.x.edu", "unit": "hist", "recommendation": "vps", "why": "no address is left"}]}
    old["left"], one = [], ["b.x.edu: moves no longer: no address is left"]
    assert said(old, new) == one
    assert said(new, old) == ["b.x.edu: moves to virtual-host (vh1) in wave 1, on 2026-12-01; before: no address is left"]
    assert said(new, old, "zh_CN") == ["b.x.edu：新增，第 1 批（2026-12-01 割接）迁往虚拟主机（vh1）；此前：no address is left"]
    assert said(old, {**new, "left": []}) == ["b.x.edu: moves no longer: it is not mentioned"]


def test_the_same_name_on_two_hosts_is_two_moves():
    other = move("a", id="a-2", group="a-2")
    other["source"] = {**other["source"], "host": "old2"}
    assert said(document(move("a"), other), document(move("a"))) == ["a.x.edu: moves no longer: it is not mentioned"]


def test_facts_are_told_one_by_one_where_they_were_kept():
    old, new = altered(), altered(facts="b" * 64)
    assert said(old, new) == ["a.x.edu: what was found of it differs"]
    facts = [{"a-x-edu": {"site.php_version": "7.4", "site.tls": False}}, {"a-x-edu": {"site.php_version": "8.1", "site.names": ["a"]}}]
    assert said(old, new, old_facts=facts[0], new_facts=facts[1]) == [
        "a.x.edu: site.names was unknown, is a",
        "a.x.edu: site.php_version was 7.4, is 8.1", "a.x.edu: site.tls was false, is unknown",
    ]  # fmt: skip


def test_what_it_was_made_from():
    made = content()["made_from"]
    new = document(made_from={**made, "rules": "9" * 64, "calendar": "9" * 64})
    assert said(document(), new) == ["made from other rules", "made from other calendar"]
    assert said(document(), new, "zh_CN")[1] == "制定依据有变：日历"


def test_groups_that_merge_and_split():
    one = document(move("a"), move("b"))
    two = document(move("a"), move("b", group="a-x-edu"))
    assert said(one, two) == ["a-x-edu: one group of what were a-x-edu, b-x-edu"]
    assert said(two, one) == ["a-x-edu: its moves are of several groups now: a-x-edu, b-x-edu"]


def test_what_is_lacking_costs_and_troubles():
    new = document(shortfall=[], problems=["the crew is full"], costs=None)
    assert said(document(), new) == [
        "lacking no longer: vps dmz memory 8.0 GB (2026-12-08)",
        "all of it costs yearly unknown instead of 360.00 CNY", "all of it costs once unknown instead of 3000.00 CNY",
        "new problem: the crew is full",
    ]  # fmt: skip
    more = document(addresses_missing=[])
    assert said(more, document()) == ["lacking now: address dmz IPv4 2"]


def test_a_brace_in_an_observed_text_is_a_brace():
    finding = [{"rule": "r", "step": "", "message": "{move} {0} %s"}]
    assert "a.x.edu: new finding: {move} {0} %s" in said(altered(), altered(findings=finding))


@settings(deadline=None, max_examples=30)
@given(st.permutations(range(3)), st.permutations(range(3)))
def test_the_order_of_moves_changes_nothing(one, two):
    old, new = document(), document(first_day="2026-11-25")
    new["moves"][0]["wave"] = 7
    expected = plandiff.compare(old, new)
    assert expected
    old["moves"] = [old["moves"][index] for index in one]
    new["moves"] = [new["moves"][index] for index in two]
    assert plandiff.compare(old, new) == expected


def test_each_sentence_asks_for_the_same_in_both_languages():
    for kind, (english, chinese) in SENTENCES.items():
        for name in ("move", "what", "old", "new", "placement", "to", "wave", "on", "by", "before", "why"):
            assert (f"{{{name}}}" in english) == (f"{{{name}}}" in chinese), (kind, name)


def test_hosts_that_become_free_or_are_kept_and_labels_that_lack():
    def plan(on, kept, labels):
        lack = {"kind": "vps", "resource": "cpus", "lacking": 2, "labels": labels, "for": []}
        return document(move("a"), hosts_free=[{"host": "old", "on": on, "kept_by": kept}], shortfall=[lack])

    free, kept = plan("2026-12-20", [], []), plan(None, ["z.x.edu"], ["nvme"])
    assert [text for text in said(free, kept) if "old" in text] == ["old: can no longer be switched off on 2026-12-20: z.x.edu needs it"]
    assert "old: can be switched off on 2026-12-20, was none" in said(kept, free)
    assert "lacking now: vps cpus with nvme 2" in said(free, kept)
