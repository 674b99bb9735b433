"""How planning closes a site: what the planner carries out, which front answers, where its names lead, and until when it is kept."""

from datetime import date
from types import SimpleNamespace

import pytest

from planner.planning import writing
from planner.planning.subjects import Subject, by_hand
from planner.platforms import Platforms
from planner.sizing import UNKNOWN

CLUSTER = {"name": "main", "front": {"name": "front", "address": "192.0.2.20"}, "nodes": [{"name": "n1", "address": "192.0.2.21"}]}
SERVER = {"name": "vh1", "address": "192.0.2.10"}
ARCHIVE = {"name": "store", "address": "192.0.2.30", "keep_years": 5}
ALL = {"site_clusters": [CLUSTER], "virtual_hosts": [SERVER], "archive": ARCHIVE}


def subject(**facts):
    values = {"site.docroot": "/var/www/a", "site.web_server": "nginx", **{name.replace("__", "."): value for name, value in facts.items()}}
    known = {name: {"value": value, "evidence": [], "why": ""} for name, value in values.items()}
    return Subject("a.x.edu", "hist", "site", "old", "192.0.2.1", ["a.x.edu"], known, SimpleNamespace(recommendation="retire"), UNKNOWN, {})


def platforms(**more):
    return Platforms.model_validate({**ALL, **more})


@pytest.mark.parametrize(
    ("facts", "more", "why"),
    [
        ({}, {}, ""),
        ({}, {"archive": None}, "names no archive"),
        ({}, {"site_clusters": [], "virtual_hosts": []}, "no front"),
        ({"site__web_server": "lighttpd"}, {}, "closes a site of its web server"),
        ({"site__docroot": None}, {}, "docroot is unknown"),
        ({"database__used": True, "database__product": "PostgreSQL"}, {}, "its kind of database"),
        ({"database__used": True, "database__product": "MariaDB"}, {}, ""),
        ({"database__used": True, "database__product": "MariaDB", "application__config_file": "/etc/a.php"}, {}, ""),
    ],
)
def test_it_is_carried_out_where_there_is_an_archive_and_a_front(facts, more, why):
    said = by_hand(subject(**facts), platforms(**more))
    assert why in said
    assert bool(said) == bool(why)


def test_the_first_cluster_answers_else_the_first_server_and_the_center_may_choose():
    assert writing._closed(platforms()) == {
        "platform": "main", "front": "front", "address": "192.0.2.20", "nodes": [], "node_addresses": {"n1": "192.0.2.21"},
        "receiver": "store", "receiver_address": "192.0.2.30",
    }  # fmt: skip
    chosen = writing._closed(platforms(gone={"front": "vh1"}))
    assert (chosen["platform"], chosen["front"], chosen["address"]) == ("vh1", "vh1", "192.0.2.10")
    assert writing._closed(platforms(site_clusters=[]))["front"] == "vh1"
    assert writing._closed(platforms(archive=None)).get("receiver") is None


@pytest.mark.parametrize(
    ("said", "url", "keep"),
    [
        ("www.x.edu", "http://www.x.edu/", False),
        (" https://WWW.x.edu/history/ ", "https://www.x.edu/history/", False),
        ("https://www.x.edu/*", "https://www.x.edu", True),
        ("http://www.x.edu:8080/old/*", "http://www.x.edu:8080/old", True),
        ("a.x.edu", "", False),  # itself
        ("the library's new site", "", False),
        ("javascript:alert(1)", "", False),
        ("http://x.edu/{{ 1 }}", "", False),
        ("http://x.edu/\n", "http://x.edu/", False),
        ("http://x.edu/$a", "", False),
        ("历史学院", "", False),
        ("", "", False),
    ],
)
def test_a_unit_says_in_its_own_words_where_its_site_went(said, url, keep):
    assert writing.elsewhere(said, ["a.x.edu"]) == (url, keep)


@pytest.mark.parametrize(
    ("day", "years", "until"), [("2026-11-25", 5, "2031-11-25"), ("2028-02-29", 1, "2029-03-01"), ("2028-02-29", 4, "2032-03-01")]
)
def test_it_is_kept_so_many_years(day, years, until):
    assert writing._years_on(date.fromisoformat(day), years).isoformat() == until


def test_without_a_night_nothing_is_said_of_dates_and_other_placements_have_none():
    item = subject(answer__merged_into="www.x.edu")
    made = writing._retirement(item, "a-x-edu", None, platforms(gone={"contact": "nic"}))
    assert made == {"folder": "/srv/archive/a-x-edu", "redirect": "http://www.x.edu/", "keep_path": False, "contact": "nic", "keep_until": None,
                    "wipe_from": None}  # fmt: skip
    assert writing._retirement(item, "a-x-edu", None, platforms(archive=None)) is None
