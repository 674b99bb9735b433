"""One machine under two names, and two machines with one identity: told by host keys, machine ids and addresses together.  Pure.

In: hosts with what is known of each.  Out: `Twin`s, sorted.  No single mark is enough: containers share a machine's UUID, cloned
machines share host keys and machine ids, and private addresses repeat from network to network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True)
class Marks:
    """What tells a machine: the address it is visited at, all that it said it has, its host keys' fingerprints, its machine id."""

    name: str
    address: str
    addresses: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    machine_id: str = ""


@dataclass(frozen=True)
class Twin:
    """Two hosts of the catalogue; `kind` is `same` (one machine) or `cloned` (two, with one identity); `why` names the marks."""

    first: str
    second: str
    kind: str
    why: str


def find(hosts: Iterable[Marks]) -> list[Twin]:
    """All pairs that are one machine, or claim to be."""
    by_mark: dict[str, list[Marks]] = {}
    for host in hosts:
        marks = {*(f"key {key}" for key in host.keys), *([f"id {host.machine_id}"] if host.machine_id else ()), f"at {host.address}"}
        for mark in {*marks, *(f"at {address}" for address in host.addresses)}:
            by_mark.setdefault(mark, []).append(host)
    pairs: dict[tuple[str, str], tuple[Marks, Marks]] = {}
    for sharing in by_mark.values():
        for one, other in combinations(sorted(sharing, key=lambda host: host.name), 2):
            if one.name != other.name:
                pairs[one.name, other.name] = (one, other)
    return [twin for _, (one, other) in sorted(pairs.items()) if (twin := _judge(one, other)) is not None]


def _judge(one: Marks, other: Marks) -> Twin | None:
    key = bool(one.keys & other.keys)
    ident = bool(one.machine_id) and one.machine_id == other.machine_id
    crossed = [a for a, b in ((one.address, other), (other.address, one)) if a in b.addresses]
    shared = [word for word, true in (("host key", key), ("machine id", ident)) if true]
    if not shared:
        return None  # an address alone: private networks repeat, and addresses are given away
    if crossed:
        return Twin(one.name, other.name, "same", " and ".join([*shared, f"address {crossed[0]}"]))
    differ = one.addresses and other.addresses and not one.addresses & other.addresses
    return Twin(one.name, other.name, "cloned", " and ".join(shared)) if differ else None


def lines(twins: Sequence[Twin]) -> list[str]:
    """What an admin should do about each."""
    told = {
        "same": "one machine under two names ({why}): its sites stand there twice; keep one of them",
        "cloned": "two machines with one identity ({why}): whoever has one key can pass for the other; make new host keys there",
    }
    return [f"{twin.first}, {twin.second}: {told[twin.kind].format(why=twin.why)}" for twin in twins]
