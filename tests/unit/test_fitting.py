"""Which platforms could take a workload at all: `fit.*` facts, and that what cannot be told is no fact."""

import pytest

from inventory.scope import campus
from planner import fitting
from planner.platforms import Platforms

SERVER = {"name": "vh1", "address": "192.0.2.1", "php": ["7.4", "8.2"], "quota_bytes": 10, "quota_most_bytes": 100}
CLUSTER = {
    "name": "c", "front": {"name": "f", "address": "192.0.2.2"}, "nodes": [{"name": "n", "address": "192.0.2.3"}],
    "profiles": ["static", "wordpress", "static-export"], "plugins": ["akismet"],
}  # fmt: skip


NO_SCHOOL = campus([], [])


def fits(known, names=(), address="", platforms=None, school=NO_SCHOOL):
    made = Platforms.model_validate({"virtual_hosts": [SERVER], "site_clusters": [CLUSTER], **(platforms or {})})
    facts = {name: {"value": value} for name, value in known.items()}
    found = fitting.facts(facts, names, address, made, school)
    assert all(name.startswith("fit.") and fact["why"] for name, fact in found.items())
    return {name.removeprefix("fit."): fact["value"] for name, fact in found.items()}


@pytest.mark.parametrize(
    ("version", "word", "destination"),
    [("7.4.33", "same", "7.4"), ("5.6", "newer", "7.4"), ("8.0.1", "newer", "8.2"), ("8.4", "older", "8.2"), ("8.10", "older", "8.2")],
)
def test_php_goes_to_its_own_series_or_the_next(version, word, destination):
    found = fits({"site.php_version": version})
    assert (found["php"], found["php_destination"]) == (word, destination)


@pytest.mark.parametrize("known", [{}, {"site.php_version": "unknown"}])
def test_php_of_no_known_version(known):
    assert "php" not in fits(known)
    assert fits(known, platforms={"virtual_hosts": []})["php"] == "none"


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"database.used": False}, True),
        ({"database.product": "MySQL"}, True),
        ({"database.product": "Percona"}, True),
        ({"database.product": "PostgreSQL"}, False),
        ({"database.product": "SQLite"}, True),
        ({"database.used": True}, None),
    ],
)
def test_databases(known, expected):
    assert fits(known).get("database") is expected


def test_a_server_with_mysql_takes_mariadb():
    assert fits({"database.product": "MariaDB"}, platforms={"virtual_hosts": [{**SERVER, "databases": ["MySQL 8.0"]}]})["database"] is True


WORDPRESS = {"site.static": False, "application.name": "WordPress"}


@pytest.mark.parametrize(
    ("known", "profile"),
    [
        ({}, None),
        ({"site.static": True}, "static"),
        ({**WORDPRESS, "application.plugins": ["Akismet"]}, "wordpress"),
        ({**WORDPRESS, "application.plugins": ["shop"]}, None),
        ({**WORDPRESS, "application.plugins": ["shop"], "declared.type": "information"}, "static-export"),
        ({**WORDPRESS, "application.plugins": ["shop"], "declared.type": "business"}, "none"),
        ({**WORDPRESS, "application.plugins": ["shop"], "answer.publishing_only": False, "declared.type": "information"}, "none"),
        (WORDPRESS, None),
        ({**WORDPRESS, "declared.type": "information"}, "static-export"),
        ({**WORDPRESS, "declared.type": "business"}, None),
        ({"site.static": False, "answer.publishing_only": True}, "static-export"),
        ({"site.static": False}, None),
    ],
)
def test_the_profile_of_the_cluster(known, profile):
    assert fits(known).get("cluster_profile") == profile


def test_without_a_cluster_or_an_export_there_is_no_profile_for_a_program():
    assert fits({}, platforms={"site_clusters": []})["cluster_profile"] == "none"
    only = {"site_clusters": [{**CLUSTER, "profiles": ["static"]}]}
    assert fits({"site.static": False, "declared.type": "information"}, platforms=only)["cluster_profile"] == "none"


def test_quota_flavour_and_rack():
    known = {"size.cpus": 1.0, "size.memory_bytes": 1, "size.disk_bytes": 50, "server.height_u": 4}
    found = fits(known, platforms={"racks": [{"name": "r", "units": 10, "used_units": 7}]})
    assert found["over_quota"] is True and found["over_quota_most"] is False
    assert (found["flavour"], found["flavour_above_default"], found["rack_room"]) == ("standard", False, False)
    assert fits({**known, "size.cpus": 64.0})["flavour"] == "none"
    assert not {"over_quota", "flavour", "rack_room"} & fits({}).keys()


def test_names_and_networks_of_others():
    school = campus(["192.0.2.0/24"], ["example.edu"])
    found = fits({}, ["www.example.edu", "hotel.com"], "203.0.113.5", school=school)
    assert (found["own_domain"], found["off_network"]) == (True, True)
    found = fits({}, ["www.example.edu"], "192.0.2.5", school=school)
    assert (found["own_domain"], found["off_network"]) == (False, False)
    assert not {"own_domain", "off_network"} & fits({}).keys()
