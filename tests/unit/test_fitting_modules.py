"""Which PHP modules of a site the virtual hosts lack."""

import pytest

from inventory.scope import campus
from planner import fitting
from planner.platforms import PHP_MODULES, Platforms


def missing(modules, *servers, version="8.2"):
    made = [{"name": f"v{n}", "address": f"192.0.2.{n}", **server} for n, server in enumerate(servers or ({},), start=1)]
    known = {"site.php_version": {"value": version}, "site.php_modules": {"value": modules}}
    known = {name: fact for name, fact in known.items() if fact["value"] is not None}
    found = fitting.facts(known, [], "", Platforms.model_validate({"virtual_hosts": made}), campus([], []))
    return found.get("fit.php_modules_missing", {}).get("value")


@pytest.mark.parametrize(
    ("modules", "expected"),
    [
        (["curl", "Zend OPcache", "Core", "PDO", "SimpleXML"], []),
        (["curl", "oci8", "imagick"], ["imagick", "oci8"]),
        (["mysql", "mcrypt", "mysqli"], []),
        ([], []),
        (None, None),
    ],
)
def test_modules_that_are_missing(modules, expected):
    assert missing(modules) == expected


def test_the_server_that_lacks_the_fewest_counts_and_only_of_its_php():
    much = {"php": ["8.2"], "php_modules": [*PHP_MODULES, "imagick"]}
    other = {"php": ["7.4"], "php_modules": [*PHP_MODULES, "imagick", "soap"]}
    assert missing(["imagick", "soap"], {}, much, other) == ["soap"]
    assert missing(["imagick", "soap"], {}, much, other, version="7.4") == []
