"""Gives workloads addresses from pools: what is reserved or was given before stays, the lowest free one else.  Pure, on netaddr.

In: what is wanted (workload, kind, zone, families), pools, the addresses in use, an earlier result.  Out: workload → addresses, and
problems.  Never given: a pool's network address and broadcast address (IPv4), subnet-router anycast address (IPv6, RFC 4291) and
subnet anycast addresses (RFC 2526), its gateway, what it excludes, what is in use, and what is reserved for another workload.
Pools are never enumerated, so that an IPv6 /64 costs as much as an IPv4 /24.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

import netaddr

from inventory.errors import ConfigurationError

IPV4, IPV6 = 4, 6
Span = tuple[int, int]
"""First and last address, as numbers."""


@dataclass(frozen=True)
class Pool:
    """A network out of which workloads of some `zones` and `kinds` (empty: of any) get addresses.

    `exclude` holds addresses, ranges (`192.0.2.10-192.0.2.20`) and networks; `reserved` is workload → address, kept even while the
    workload does not ask.
    """

    name: str
    network: str
    zones: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    exclude: tuple[str, ...] = ()
    reserved: Mapping[str, str] = field(default_factory=dict)
    gateway: str = ""


@dataclass(frozen=True)
class Want:
    """What one workload needs: one address of each family (4, 6) from a pool of its kind and zone ('' is any)."""

    workload: str
    kind: str
    zone: str = ""
    families: frozenset[int] = frozenset({IPV4})


@dataclass(frozen=True)
class Problem:
    """What could not be given or kept.

    `what`: exhausted (`workloads` got none; `pools` were full) | no-pool | in-use (a reserved or earlier `address` answers for another
    workload) | unkept (an earlier address that no pool may give any more; a new one was looked for).
    """

    what: str
    family: int
    workloads: tuple[str, ...]
    pools: tuple[str, ...] = ()
    address: str = ""

    @property
    def count(self) -> int:
        """How many workloads it concerns."""
        return len(self.workloads)


@dataclass(frozen=True)
class Given:
    """`addresses`: workload → its addresses, IPv4 first; a workload that got none is missing."""

    addresses: Mapping[str, tuple[str, ...]]
    problems: tuple[Problem, ...]


def assign(
    wants: Iterable[Want], pools: Iterable[Pool], taken: Mapping[str, str], previous: Mapping[str, Sequence[str]] | None = None
) -> Given:
    """Give addresses.  `taken` is address → the workload that has it, '' when nobody knows whose it is; `previous` an earlier result.

    Workloads are served by name, pools that name zones and kinds before those for all, then by name: the order of the input does not
    matter.  Raises ConfigurationError with all that is wrong with pools, wants and addresses.
    """
    asked = sorted(wants, key=lambda want: want.workload)
    books = _books(list(pools), asked, taken)
    return _Desk(books, taken, previous or {}).serve(asked)


@dataclass
class _Book:
    """A pool in numbers: `closed` are sorted disjoint spans that are never given; `next` is the lowest number not yet looked at."""

    pool: Pool
    family: int
    span: Span
    closed: list[Span]
    reserved: dict[str, int]
    next: int

    def open_to(self, want: Want, family: int) -> bool:
        """Whether it may serve a workload."""
        pool = self.pool
        serves_zone = not want.zone or not pool.zones or want.zone in pool.zones
        return self.family == family and serves_zone and (not pool.kinds or want.kind in pool.kinds)

    def may_give(self, number: int) -> bool:
        """Whether a number lies in the pool and is not closed."""
        return self.span[0] <= number <= self.span[1] and not self._closes(number)

    def lowest(self, given: set[int]) -> int | None:
        """The lowest open number that is not given; the search goes on from there the next time."""
        while self.next <= self.span[1]:
            span = self._closes(self.next)
            if span:
                self.next = span[1] + 1
            elif self.next in given:
                self.next += 1
            else:
                return self.next
        return None

    def _closes(self, number: int) -> Span | None:
        at = bisect_right(self.closed, number, key=itemgetter(0)) - 1  # by beginnings: an exclusion may reach beyond the pool
        return self.closed[at] if at >= 0 and self.closed[at][0] <= number <= self.closed[at][1] else None


class _Desk:
    """Hands out addresses: reserved ones first, then earlier ones, then new ones, so that nobody gets what another has a right to."""

    def __init__(self, books: list[_Book], taken: Mapping[str, str], previous: Mapping[str, Sequence[str]]) -> None:
        self.books = books
        self.taken = {_key(address): owner for address, owner in taken.items()}
        self.previous = {workload: [_key(one) for one in addresses] for workload, addresses in previous.items()}
        self.promised = {(book.family, number) for book in books for number in book.reserved.values()}
        self.given: dict[int, set[int]] = {IPV4: set(), IPV6: set()}
        for family, number in [*self.taken, *self.promised]:
            self.given[family].add(number)
        self.found: dict[tuple[str, int], int] = {}
        self.held: set[tuple[int, int]] = set()  # kept from before
        self.refused: set[tuple[str, int]] = set()
        self.problems: list[Problem] = []

    def serve(self, wants: list[Want]) -> Given:
        asked = [(want, family) for want in wants for family in sorted(want.families)]
        self.refused = {(want.workload, family) for want, family in asked if self._reserved(want, family)}
        for want, family in asked:
            if self._waits(want, family):
                self._keep(want, family)
        full: dict[tuple[str, int, tuple[str, ...]], list[str]] = {}
        for want, family in asked:
            if self._waits(want, family):
                self._new(want, family, full)
        for (what, family, pools), workloads in full.items():
            self.problems.append(Problem(what, family, tuple(workloads), pools))
        addresses: dict[str, tuple[str, ...]] = {}
        for (workload, family), number in sorted(self.found.items()):
            addresses[workload] = (*addresses.get(workload, ()), str(netaddr.IPAddress(number, family)))
        order = sorted(self.problems, key=lambda one: (one.what, one.family, one.pools, one.workloads))
        return Given(addresses, tuple(order))

    def _waits(self, want: Want, family: int) -> bool:
        return (want.workload, family) not in self.found and (want.workload, family) not in self.refused

    def _reserved(self, want: Want, family: int) -> bool:
        """Give the reserved address; True when there is one that another has: the admins must settle that, no other is given."""
        for book in self.books:
            number = book.reserved.get(want.workload)
            if number is None or not book.open_to(want, family):
                continue
            if self.taken.get((family, number), want.workload) == want.workload:
                self.found[want.workload, family] = number
                return False
            self.problems.append(Problem("in-use", family, (want.workload,), (book.pool.name,), str(netaddr.IPAddress(number, family))))
            return True
        return False

    def _keep(self, want: Want, family: int) -> None:
        for its, number in self.previous.get(want.workload, ()):
            if its != family:
                continue
            owner = self.taken.get((family, number), want.workload)
            books = [book for book in self.books if book.open_to(want, family) and book.may_give(number)]
            if owner == want.workload and books and (family, number) not in self.promised and (family, number) not in self.held:
                self.found[want.workload, family] = number
                self.given[family].add(number)
                self.held.add((family, number))
                return
            what = "in-use" if owner != want.workload else "unkept"
            names = tuple(book.pool.name for book in books)
            self.problems.append(Problem(what, family, (want.workload,), names, str(netaddr.IPAddress(number, family))))

    def _new(self, want: Want, family: int, full: dict[tuple[str, int, tuple[str, ...]], list[str]]) -> None:
        books = [book for book in self.books if book.open_to(want, family)]
        for book in books:
            number = book.lowest(self.given[family])
            if number is not None:
                self.found[want.workload, family] = number
                self.given[family].add(number)
                return
        what = "exhausted" if books else "no-pool"
        full.setdefault((what, family, tuple(sorted(book.pool.name for book in books))), []).append(want.workload)


def _key(address: str) -> tuple[int, int]:
    value = netaddr.IPAddress(address)
    return int(value.version), int(value)


def _books(pools: list[Pool], wants: list[Want], taken: Mapping[str, str]) -> list[_Book]:
    problems = [f"pool {pool.name!r} is given twice" for at, pool in enumerate(pools) if pool.name in {one.name for one in pools[:at]}]
    names = Counter(want.workload for want in wants)
    problems += [f"workload {name!r} asks twice" for name, times in sorted(names.items()) if times > 1]
    problems += [f"workload {w.workload!r}: there is no family {f}" for w in wants for f in sorted(w.families - {IPV4, IPV6})]
    problems += [f"{address!r} in use is no address" for address in sorted(taken) if not _is_address(address)]
    books = []
    for pool in sorted(pools, key=lambda one: (not one.zones, not one.kinds, one.name)):
        try:
            books.append(_book(pool))
        except ConfigurationError as error:
            problems += error.problems
    promised: dict[tuple[int, int], str] = {}
    for book in books:
        for workload, number in sorted(book.reserved.items()):
            other = promised.setdefault((book.family, number), workload)
            if other != workload:
                problems.append(f"pool {book.pool.name!r}: {book.pool.reserved[workload]} is reserved for {other!r} and {workload!r}")
    if problems:
        raise ConfigurationError(sorted(problems), hint="correct the pools and assign again")
    return books


def _is_address(text: str) -> bool:
    try:
        netaddr.IPAddress(text)
    except (netaddr.AddrFormatError, ValueError):
        return False
    return True


def _book(pool: Pool) -> _Book:
    try:
        network = netaddr.IPNetwork(pool.network)
    except (netaddr.AddrFormatError, ValueError) as error:
        raise ConfigurationError([f"pool {pool.name!r}: {pool.network!r} is no network"]) from error
    span = (int(network.first), int(network.last))
    family = int(network.version)
    problems: list[str] = []
    closed = _never(family, int(network.prefixlen), span)
    for text in (*pool.exclude, *([pool.gateway] if pool.gateway else [])):
        try:
            first, _, last = text.partition("-")
            found = netaddr.IPRange(first.strip(), last.strip()) if last else netaddr.IPNetwork(text)
        except (netaddr.AddrFormatError, ValueError):
            problems.append(f"pool {pool.name!r}: {text!r} is no address, range or network")
            continue
        if found.version != family:
            problems.append(f"pool {pool.name!r}: {text!r} is not of the family of {pool.network}")
        closed.append((int(found.first), int(found.last)))
    reserved: dict[str, int] = {}
    for workload, address in sorted(pool.reserved.items()):
        if not _is_address(address) or address not in network:
            problems.append(f"pool {pool.name!r}: {address!r}, reserved for {workload!r}, lies not in {pool.network}")
        elif any(first <= int(netaddr.IPAddress(address)) <= last for first, last in closed):
            problems.append(f"pool {pool.name!r}: {address!r}, reserved for {workload!r}, is excluded, the gateway or the network's own")
        else:
            reserved[workload] = int(netaddr.IPAddress(address))
    if problems:
        raise ConfigurationError(problems)
    return _Book(pool, family, span, _disjoint(closed), reserved, span[0])


def _never(family: int, prefix: int, span: Span) -> list[Span]:
    """What a network keeps for itself.  A pair (/31, /127) and a single address (/32, /128) keep nothing (RFC 3021, RFC 6164)."""
    first, last = span
    if last - first < 2:
        return []
    if family == IPV4:
        return [(first, first), (last, last)]
    anycast = [(first + 0xFDFF_FFFF_FFFF_FF80, first + 0xFDFF_FFFF_FFFF_FFFF)] if prefix == 64 else []
    if prefix != 64 and prefix <= 120:
        anycast = [(last - 127, last)]
    return [(first, first), *anycast]


def _disjoint(spans: Iterable[Span]) -> list[Span]:
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found
