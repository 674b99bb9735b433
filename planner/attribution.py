"""Whose load is it: a host's measured load divided among the sites that it serves.  Pure.

In: the sites of one host with their facts, and for each moment the host's load and that of its services (control groups).  Out: each
site's part of each moment, and on what the division rests:

    host       the site is alone there: all of it is the site's
    service    most of it comes from services that work for this site alone (its PHP-FPM, its container, its Tomcat)
    log        by its share of requests in the access logs; a request for a picture counts as much as one for a program
    equal      nobody knows: each site the same

A service that works for several sites is divided among those; what belongs to no known service, among all.  What a site does less lowers
its own part, whatever the others do.  The operating system's own needs are divided like the rest.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inventory.conditions import Facts, value

MOST = 10.0**18
"""Above an exabyte no figure is believed."""

Moment = tuple[float, Mapping[str, float]]
"""A host's load, and that of its services where it is known, in one unit."""

Users = Mapping[str, Sequence[str]]
"""Service → names of the guests that it works for."""


@dataclass(frozen=True)
class Guest:
    """One site or system of a host, as sizing knows it; `held` is how many bytes it had, by date as Unix time, in any order."""

    name: str
    facts: Facts
    held: Sequence[tuple[float, int]] = ()


@dataclass(frozen=True)
class Part:
    """One guest's load at each moment, and what it rests on."""

    values: tuple[float, ...]
    basis: str


@dataclass(frozen=True)
class Shares:
    """Each guest's weight among all of its host (they sum to 1), `bases` host | log | equal, and `containers` as in `shares`."""

    weights: Mapping[str, float]
    bases: Mapping[str, str]
    containers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """One figure before headroom: its value, basis and confidence, the count and seconds behind it, and `source` samples | sysstat."""

    value: float | None
    basis: str
    confidence: float
    count: int = 0
    covered_s: float = 0.0
    source: str = ""
    share: float | None = None


def figure(value: Any) -> float | None:
    """A credible amount, or None: no boolean, not negative, not endless."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value <= MOST else None


def roots(facts: Facts) -> tuple[str, ...]:
    """A site's docroot as its host sees it, and as its container does."""
    found = (value(facts, "site.host_docroot"), value(facts, "site.docroot"))
    return tuple(str(path).rstrip("/") for path in found if path)


def inside_docroot(facts: Facts) -> bool:
    """Whether its database is a file below its docroot, and is counted with its content."""
    name = str(value(facts, "database.name") or "")
    return value(facts, "database.product") == "SQLite" and any(name.startswith(root + "/") for root in roots(facts))


def shares(guests: Sequence[Guest], containers: Mapping[str, str] | None = None) -> Shares:
    """Weights by requests where at least half of the guests have a log of their own; one without counts as their mean.

    `containers` leads from `site.container` to the container's identifier, by which its control group is named.
    """
    asked = {guest.name: _requests(guest.facts) for guest in guests}
    told = [value for value in asked.values() if value is not None]
    total, count = math.fsum(told), len(guests)
    if count == 1:
        return Shares(dict.fromkeys(asked, 1.0), dict.fromkeys(asked, "host"), containers or {})
    if not told or total <= 0 or 2 * len(told) < count:
        return Shares(dict.fromkeys(asked, 1 / count if count else 0.0), dict.fromkeys(asked, "equal"), containers or {})
    mean = total / len(told)
    whole = total + mean * (count - len(told))
    weights = {name: (mean if value is None else value) / whole for name, value in asked.items()}
    return Shares(weights, {name: "equal" if value is None else "log" for name, value in asked.items()}, containers or {})


def _requests(facts: Facts) -> float | None:
    """Requests a day from the site's own lines; a log that several sites write together says nothing of one of them."""
    fact = facts.get("use.requests_per_day")
    if fact is None:
        return None
    if value(facts, "use.log_shared") is True and "shared" in str(facts.get("use.requests", fact).get("why") or ""):
        return None
    return figure(fact["value"])


def divide(guests: Sequence[Guest], told: Shares, users: Users, moments: Sequence[Moment]) -> dict[str, Part]:
    """Each guest's part of each moment, in the order of the moments; `users` are the services that are told apart."""
    if len(guests) == 1:
        return {guests[0].name: Part(tuple(load for load, _ in moments), "host")}
    if not any(services for _, services in moments):
        return {guest.name: Part(tuple(load * told.weights[guest.name] for load, _ in moments), told.bases[guest.name]) for guest in guests}
    by_guest: dict[str, list[tuple[str, float]]] = {guest.name: [] for guest in guests}
    for service, names in sorted(users.items()):
        together = math.fsum(told.weights[name] for name in names)
        for name in names:
            by_guest[name].append((service, told.weights[name] / together if together > 0 else 1 / len(names)))
    turns: list[tuple[Mapping[str, float], float, float]] = []
    for load, services in moments:
        claimed = math.fsum(amount for service, amount in services.items() if service in users)
        # services may claim more than the host's figure (caches are counted to them): then the host's figure is what there is
        turns.append((services, min(1.0, load / claimed) if claimed > 0 else 1.0, max(0.0, load - claimed)))
    found = {}
    for guest in guests:
        weight, mine = told.weights[guest.name], by_guest[guest.name]
        values = [scale * sum([share * services.get(s, 0.0) for s, share in mine]) + weight * rest for services, scale, rest in turns]
        alone = [service for service, _ in mine if len(users[service]) == 1]
        own = math.fsum(scale * services.get(s, 0.0) for s in alone for services, scale, _ in turns)
        found[guest.name] = Part(tuple(values), "service" if own > 0 and 2 * own >= math.fsum(values) else told.bases[guest.name])
    return found


def users(guests: Sequence[Guest], told: Shares, services: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Service → the guests that it works for; services of nobody known are left out, and all of them where a guest is alone."""
    found = {}
    for service in sorted(services) if len(guests) > 1 else ():
        names = tuple(sorted(guest.name for guest in guests if serves(service, guest.facts, told.containers)))
        if names:
            found[service] = names
    return found


_FPM = re.compile(r"(?:rh-)?php-?(\d)?\.?(\d{1,2})?-?(?:php-)?fpm(?:-.*)?$")
_WEB = {"nginx": "nginx", "openresty": "nginx", "apache2": "apache", "httpd": "apache", "lighttpd": "lighttpd", "caddy": "caddy"}
_COMMON = frozenset({"root", "www-data", "apache", "nginx", "nobody", "www", "daemon", "http", "wwwrun"})


def serves(service: str, facts: Facts, containers: Mapping[str, str]) -> bool:
    """Whether a control group works for a site: `php8.2-fpm.service`, `mariadb.service`, a container's, its program's own service."""
    name = service.rpartition("/")[2].removesuffix(".service").removesuffix(".scope").lower()
    inside = value(facts, "site.container")
    if inside is not None:
        ident = containers.get(str(inside), "")
        return len(ident) >= 12 and ident[:12].lower() in name
    fpm = _FPM.fullmatch(name)
    if fpm is not None:
        return _runs_php(facts, f"{fpm.group(1)}.{fpm.group(2)}" if fpm.group(2) else "")
    if name.startswith(("mariadb", "mysql", "postgresql")):
        return _uses_database(facts, postgresql=name.startswith("postgresql"))
    if name.partition("@")[0] in _WEB:
        return bool(value(facts, "site.web_server") == _WEB[name.partition("@")[0]])
    if name.startswith("tomcat"):
        return "tomcat" in {value(facts, "site.web_server"), value(facts, "backend.kind")}
    folder = str(value(facts, "backend.folder") or "").rstrip("/").rpartition("/")[2].lower()
    user = str(value(facts, "backend.user") or "").lower()
    return name != "" and (name == folder or (name == user and user not in _COMMON))


def _runs_php(facts: Facts, version: str) -> bool:
    handler = str(value(facts, "site.php_handler") or "")
    if value(facts, "site.php") is not True or handler.startswith(("module", "cgi", "fcgid", "suphp")):
        return False
    runs = str(value(facts, "site.php_version") or "")
    return not version or not runs or runs == version


def _uses_database(facts: Facts, *, postgresql: bool) -> bool:
    if value(facts, "database.used") is not True or value(facts, "database.remote"):
        return False
    product = str(value(facts, "database.product") or "").lower()
    return not product or product.startswith("postgresql" if postgresql else ("mariadb", "mysql"))
