"""What must move together, what before what, and what cannot go without another: each with the facts that show it.  Pure.

In: subjects, their moves' ids.  Out: hard `Edge`s, orders `Before`, those whose data another one uses too, and those held back by it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from planner.groups import Before, Edge
from planner.planning.subjects import Subject

_LOCAL = frozenset({"", "localhost", "127.0.0.1", "::1"})


def edges(items: Sequence[Subject], ids: Mapping[str, str]) -> list[Edge]:
    """Hard ties.  Members of one set are tied in a chain: that is enough to hold them together, and short to read."""
    found: list[Edge] = []
    for kind, shared in (("database", _databases(items)), ("certificate", _certificates(items)), ("host", _machines(items))):
        for evidence, members in sorted(shared.items()):
            found += _chain(kind, evidence, members, ids)
    return sorted({*found, *_docroots(items, ids)})


def shared(items: Sequence[Subject]) -> dict[str, list[Subject]]:
    """What several workloads read and write, by a sentence that says so: one database, or one docroot.  Two copies of it would part ways.

    A docroot inside of another is none: each site serves its own part.  What is retired writes to no docroot any more.
    """
    found = _databases(items)
    by_docroot: dict[str, list[Subject]] = {}
    for item in items:
        docroot = item.value("site.docroot")
        if docroot and item.placement != "retire":
            by_docroot.setdefault(f"both serve {posixpath.normpath(str(docroot))} of {item.host}", []).append(item)
    return dict(sorted((found | {text: members for text, members in by_docroot.items() if len(members) > 1}).items()))


def held(items: Iterable[Subject], left: Mapping[str, str]) -> dict[str, str]:
    """Who cannot leave because what it shares is used by one that stays, directly or through others, and why.

    `left`: name → why it stays.  A site that would go without its database's other user leaves it with half of the data.
    """
    located = [item for item in items if item.host]
    sets = shared(located)
    staying, found = set(left), dict[str, str]()
    grown = True
    while grown:
        grown = False
        for said, members in sets.items():
            there = sorted(item.name for item in members if item.name in staying)
            for item in sorted(members, key=lambda one: one.name):
                if there and item.name not in staying:
                    found[item.name] = f"{there[0]} stays, and {said}"
                    grown = True
        staying |= found.keys()
    return found


def _chain(kind: str, evidence: str, members: Iterable[Subject], ids: Mapping[str, str]) -> list[Edge]:
    names = sorted({ids[item.name] for item in members})
    return [Edge(one, other, kind, evidence) for one, other in pairwise(names)]


def _databases(items: Sequence[Subject]) -> dict[str, list[Subject]]:
    found: dict[str, list[Subject]] = {}
    for item in items:
        name = item.value("database.name")
        if item.value("database.used") and name:
            # a name alone says nothing: two hosts may each have a database `wordpress`
            server = str(item.value("database.host", "") or "").partition(":")[0]
            where = item.host if server in _LOCAL or server.startswith("/") else server
            found.setdefault(f"both use the database {name} on {where}", []).append(item)
    return {text: members for text, members in found.items() if len(members) > 1}


def _certificates(items: Sequence[Subject]) -> dict[str, list[Subject]]:
    """Sites named by one certificate.  A wildcard is no tie: it can be at both ends."""
    found: dict[str, list[Subject]] = {}
    for item in items:
        path, names = item.value("site.certificate"), item.value("tls.names")
        if path and names and not any(str(name).startswith("*") for name in names):
            found.setdefault(f"both stand in the certificate {path} on {item.host}", []).append(item)
    return {text: members for text, members in found.items() if len(members) > 1}


def _machines(items: Sequence[Subject]) -> dict[str, list[Subject]]:
    """A machine that moves into our room takes along all that is to be colocated on it."""
    found: dict[str, list[Subject]] = {}
    for item in items:
        if item.placement == "colocation":
            found.setdefault(f"both run on {item.host}, which moves as a machine", []).append(item)
    return {text: members for text, members in found.items() if len(members) > 1}


def _docroots(items: Sequence[Subject], ids: Mapping[str, str]) -> list[Edge]:
    """One docroot, or one inside of another: the files of both would be copied twice, and changed in two places."""
    found = []
    by_host: dict[str, list[tuple[str, Subject]]] = {}
    for item in items:
        docroot = item.value("site.docroot")
        if docroot and item.placement != "retire":
            by_host.setdefault(item.host, []).append((posixpath.normpath(str(docroot)) + "/", item))
    for host, entries in sorted(by_host.items()):
        entries.sort(key=lambda entry: (entry[0], entry[1].name))
        above: list[tuple[str, Subject]] = []
        for docroot, item in entries:
            while above and not docroot.startswith(above[-1][0]):
                above.pop()
            if above and above[-1][0] != "/":
                outer, other = above[-1]
                said = f"both serve {docroot[:-1]} of {host}" if outer == docroot else f"{docroot[:-1]} lies in {outer[:-1]} of {host}"
                one, two = sorted((ids[other.name], ids[item.name]))
                found.append(Edge(one, two, "docroot", said))
            above.append((docroot, item))
    return found


def orders(items: Sequence[Subject], ids: Mapping[str, str]) -> list[Before]:
    """What has to be there before another can use it: the machine behind a proxy, and the server of a database on another machine.

    And what leaves a machine that moves into our room leaves it before it is switched off.
    """
    by_address: dict[str, list[Subject]] = {}
    for item in items:
        by_address.setdefault(item.address, []).append(item)
    found = []
    for item in items:
        for fact, said in _REMOTE.items():
            for address in _texts(item.value(fact)):
                for other in by_address.get(_machine_of(address), []):
                    if other.name != item.name and other.host != item.host:
                        found.append(Before(ids[other.name], ids[item.name], f"{said} {address}"))
    machines: dict[str, Subject] = {}
    for item in sorted(items, key=lambda one: one.name):
        if item.placement == "colocation":
            machines.setdefault(item.host, item)
    for item in items:
        machine = machines.get(item.host)
        if machine is not None and item.placement != "colocation":
            found.append(Before(ids[item.name], ids[machine.name], f"{item.host} moves as a machine once this has left it"))
    return sorted(set(found))


_REMOTE = {"backend.remote": "its proxy leads to", "database.remote": "its database is on"}


def used(item: Subject) -> set[str]:
    """Addresses of the other machines that a workload needs."""
    return {_machine_of(address) for fact in _REMOTE for address in _texts(item.value(fact))}


def _machine_of(address: str) -> str:
    """`192.0.2.1:3306`, `[2001:db8::1]:3306` and `2001:db8::1` without the port."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address


def _texts(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, (list, tuple)) else [str(value)] if value else []
