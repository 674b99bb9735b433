"""What must move together, and what before what: edges between moves, each with the facts that show it.  Pure.

In: subjects that move, their moves' ids.  Out: hard `Edge`s and orders `Before`.
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
    """What has to be there before another can use it: the machine behind a proxy, and the server of a database on another machine."""
    by_address: dict[str, list[Subject]] = {}
    for item in items:
        by_address.setdefault(item.address, []).append(item)
    found = []
    for item in items:
        for fact, said in (("backend.remote", "its proxy leads to"), ("database.remote", "its database is on")):
            for address in _texts(item.value(fact)):
                for other in by_address.get(address.partition(":")[0], []):
                    if other.name != item.name and other.host != item.host:
                        found.append(Before(ids[other.name], ids[item.name], f"{said} {address}"))
    return sorted(set(found))


def _texts(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, (list, tuple)) else [str(value)] if value else []
