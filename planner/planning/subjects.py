"""A workload as planning sees it, and why one stays where it is.  Pure."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from inventory.conditions import Facts, value
from inventory.register import valid_name
from planner import equality, movesteps
from planner.assessment import Verdict
from planner.costs import Cost
from planner.decisions import Decision, Kind
from planner.platforms import Platforms
from planner.rebuild import Rebuilt
from planner.sizing import Size

PLACES = {"site-cluster": "site cluster", "virtual-host": "virtual-host server", "vps": "VPS node", "colocation": "rack"}


@dataclass(frozen=True)
class Carried:
    """A move that a run or people finished (`done`, on the day `on`) or began: of which plan, as which placement, onto which platform."""

    plan: str
    placement: str
    platform: str
    done: bool
    on: str = ""


@dataclass(frozen=True)
class Subject:
    """One workload.

    `records` are its A records as read: {name, values, ttl}; `agreed` the night that its unit agreed to; `carried` its move in a plan
    that has moved it or has begun to.
    `rebuilt` is what it stands on, where it goes to a VPS that has been made for it; None where there is no such machine.
    `card` is how its host reaches the network, where the machine itself moves: interface, mac, prefix, gateway, others (its
    further IPv4 addresses); empty when unknown.
    """

    name: str
    unit: str
    kind: str
    host: str
    address: str
    names: Sequence[str]
    facts: Facts
    verdict: Verdict
    size: Size
    costs: Mapping[str, Cost]
    decisions: Mapping[Kind, Decision] = field(default_factory=dict)
    settled: Mapping[str, Decision] = field(default_factory=dict)
    records: Sequence[Mapping[str, Any]] = ()
    agreed: date | None = None
    carried: Carried | None = None
    rebuilt: Rebuilt | None = None
    card: Mapping[str, Any] = field(default_factory=dict)

    def value(self, name: str, default: Any = None) -> Any:
        """A fact's value, `default` when unknown."""
        return value(self.facts, name, default)

    @property
    def placement(self) -> str:
        """Where it is to go."""
        return self.verdict.recommendation

    @property
    def dns_names(self) -> list[str]:
        """Its names that DNS allows."""
        return [name for name in self.names if valid_name(name)]

    @property
    def bytes(self) -> int | None:
        """What has to be copied: content and database; None when the content's size is unknown."""
        content = self.value("content.bytes")
        return None if content is None else int(content) + int(self.value("database.bytes", 0) or 0)

    @property
    def pinned(self) -> date | None:
        """The night that an admin chose, else the one that its unit agreed to."""
        chosen = self.decisions.get("cutover")
        return date.fromisoformat(chosen.value) if chosen is not None else self.agreed


def stays(item: Subject) -> str:
    """Why a workload is in no plan, by itself; '' when it moves."""
    if item.carried is not None:
        # planned anew it would be moved a second time, over what its visitors have written since
        when = f" on {item.carried.on}" if item.carried.on else ""
        if item.carried.done:
            return f"{item.carried.plan} has moved it{when}"
        return f"{item.carried.plan} has begun to move it; planner run {item.carried.plan} goes on"
    left = item.decisions.get("leave")
    if left is not None:
        return f"{left.by} decided that it stays: {left.why}"
    if not item.host:
        return "it is declared, but was found on no host"
    if item.placement == "none":
        return f"no verdict: {item.verdict.strength}"
    chosen = item.verdict.of(item.placement)
    if chosen is not None and chosen.asked_only:
        return "its unit must answer first; see planner questions"
    if item.value("site.declared") is False and item.value("owner.known") is not True:
        return "no unit has declared it; have it declared first"
    if item.verdict.strength == "undecided":
        return "the verdict is undecided; see planner explain"
    return ""


PROGRAMS = frozenset({"tomcat", "java", "python", "node", "ruby", "dotnet", "go", "container"})
"""What may answer behind a web server with files and data of its own, which a site's docroot and schema do not hold."""


def by_hand(item: Subject, platforms: Platforms) -> str:
    """Why the planner's playbooks do not carry the move out; '' when they do."""
    if not movesteps.steps(item.placement):
        return f"there are no playbooks for {item.placement}"
    if item.placement == "colocation":
        return ""  # a machine is looked at as a whole, by planner.planning.colocating
    if not item.dns_names:
        return "it has no name that DNS allows"
    if not item.value("site.docroot"):
        return "its docroot is unknown"
    if item.placement == "retire" and (platforms.archive is None or platforms.gone_front is None):
        return "platforms.yml names no archive, or no front that could answer for its names"
    if item.placement == "retire" and item.value("site.tls") is True:
        return "it is served over HTTPS, and the front would have no certificate for its names"
    if item.placement == "retire" and item.value("site.web_server") not in {"nginx", "apache"}:
        return "there is no playbook that closes a site of its web server"
    program = str(item.value("backend.kind", ""))
    if program in PROGRAMS and item.placement != "vps":
        return f"a program of its own ({program}) answers behind its web server, and our playbooks neither freeze nor carry what it writes"
    if item.value("site.userdirs"):
        return "it serves folders of users' homes, and a move carries its docroot only"
    wild = [str(name) for name in item.value("site.odd_names", []) or [] if str(name).startswith("*.")]
    if wild:
        return f"it answers for every name of {', '.join(wild)}, and a move carries single names only"
    if exported(item) and (why := _not_exportable(item)):
        return why
    if item.value("database.shared_with"):
        others = ", ".join(str(name) for name in item.value("database.shared_with"))
        return f"it shares its database with {others}, and a move would give each a copy of its own"
    server = item.value("site.web_server")
    if server is not None and server not in {"nginx", "apache"}:
        return f"its web server {server} cannot be made to pass visitors on to the new place by our playbooks"
    if item.placement == "vps":
        if item.rebuilt is None:
            return "no virtual machine has been made for it: name one in vps_machines of inventory/platforms.yml"
        return "; ".join(item.rebuilt.problems)
    configuration, docroot = item.value("application.config_file"), str(item.value("site.docroot"))
    outside = bool(configuration) and item.value("database.used", False) and not equality.within(str(configuration), docroot)
    if outside and item.placement != "retire" and not exported(item):
        return f"its configuration {configuration} stands outside of its docroot, and a move does not carry it"
    if item.value("site.tls") is True and (lacking := _no_certificate(item)):
        return lacking
    if item.placement == "site-cluster" and item.value("site.static") is not True and not exported(item):
        return "there is no playbook for this profile of the site cluster"
    if item.placement in {"virtual-host", "retire"} and item.value("database.used") and _product(item) not in {"mariadb", "mysql"}:
        return "there is no playbook for its kind of database"
    return ""


def exported(item: Subject) -> bool:
    """Whether it would become plain files on the site cluster, whatever program makes its pages today."""
    return item.placement == "site-cluster" and item.value("fit.cluster_profile") == movesteps.EXPORT


def _not_exportable(item: Subject) -> str:
    """Why a site is not published as files by a run; '' when it is.

    What a program answers to (search, log-in, forms) ends with an export: that takes somebody's word.  And nothing may be written between
    the crawl and the cutover: so what makes the pages has to be something that the freeze holds, all of it.
    """
    if item.value("answer.publishing_only") is not True:
        return "nobody has said that it only publishes, so that search, log-in and forms may stop; see planner questions, publishing_only"
    if item.value("site.php") is not True or item.value("site.proxy_to"):
        return "its pages are made by something else than PHP of its own web server, which our playbooks cannot freeze"
    if item.value("database.used") is None:
        return "whether it uses a database is unknown, and what it writes could not be frozen"
    if item.value("database.used"):
        if not item.value("database.name"):
            return "the name of its database is unknown, so that it could not be frozen"
        if item.value("database.remote"):
            return "its database is on another host, and our playbooks freeze what is on its own"
        return "" if _product(item) in {"mariadb", "mysql"} else "there is no playbook that freezes its kind of database"
    configuration, docroot = item.value("application.config_file"), str(item.value("site.docroot"))
    if configuration and not equality.within(str(configuration), docroot):
        return f"its configuration {configuration} stands outside of its docroot, perhaps its data, too, which would not be frozen"
    return ""


def _no_certificate(item: Subject) -> str:
    """Why a site's certificate cannot be carried; '' when it can, as far as the visit tells."""
    path, key = item.value("site.certificate"), item.value("tls.key_path")
    if not path or not str(path).startswith("/") or item.value("tls.names") is None:
        return f"it is served over HTTPS, and its certificate {path or ''} could not be read".replace("  ", " ")
    if key and item.value("tls.key_there") is not True:
        missing = item.value("tls.key_there") is False
        return f"its private key {key} {'is not there' if missing else 'could not be seen: that takes root on its host'}"
    return ""


def _product(item: Subject) -> str:
    return str(item.value("database.product", "")).lower()


def identities(items: Iterable[Subject]) -> dict[str, str]:
    """A move's id for each workload's name: readable, and unique by a digest where two names would give one.

    All names that would give one get a digest, so that an id does not depend on which of them came first.
    """
    names = sorted(item.name for item in items)
    plain = {name: re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:200].strip("-") or "site" for name in names}
    times = Counter(plain.values())
    found: dict[str, str] = {}
    given: set[str] = set()
    for name in names:
        digest, length = hashlib.sha256(name.encode()).hexdigest(), 6
        text = plain[name] if times[plain[name]] == 1 else f"{plain[name]}-{digest[:length]}"
        while text in given or (text != plain[name] and text in times):
            length += 1
            text = f"{plain[name]}-{digest[:length]}"
        found[name] = text
        given.add(text)
    return found
