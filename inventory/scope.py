"""Which addresses may be visited: networks and ranges, exclusions, a cap, which unit owns which range, what is campus.  Pure, on netaddr.

In: the workspace's `inventory/scope.yml` as a mapping.  Out: a `Scope` that allows or refuses an address with its reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import netaddr

from inventory.errors import InputError


def parse_range(text: str) -> netaddr.IPSet:
    """`192.0.2.0/24`, `192.0.2.10-192.0.2.20` or one address → a set.  Raises InputError naming the text."""
    try:
        if "-" in text:
            first, _, last = text.partition("-")
            return netaddr.IPSet(netaddr.IPRange(first.strip(), last.strip()))
        return netaddr.IPSet([netaddr.IPNetwork(text.strip())])
    except (netaddr.AddrFormatError, ValueError) as error:
        raise InputError(
            f"{text!r} is not an address, a network or a range",
            hint="write 192.0.2.7, 192.0.2.0/24 or 192.0.2.10-192.0.2.20",
        ) from error


@dataclass(frozen=True)
class Scope:
    """`allowed` less `excluded`; `cap` is the most addresses one discovery may visit."""

    allowed: netaddr.IPSet
    excluded: netaddr.IPSet
    cap: int = 4096

    def refuses(self, address: str) -> str:
        """Why the address may not be visited, or '' when it may."""
        try:
            value = netaddr.IPAddress(address)
        except (netaddr.AddrFormatError, ValueError):
            return f"{address!r} is not an address"
        if value in self.excluded:
            return f"{address} is excluded by the scope"
        if value not in self.allowed:
            return f"{address} lies outside the scope"
        return ""


def scope(allow: Iterable[str], exclude: Iterable[str] = (), cap: int = 4096) -> Scope:
    """Build a scope from texts; an empty `allow` allows nothing."""
    allowed, excluded = netaddr.IPSet(), netaddr.IPSet()
    for text in allow:
        allowed |= parse_range(text)
    for text in exclude:
        excluded |= parse_range(text)
    return Scope(allowed, excluded, cap)


@dataclass(frozen=True)
class Campus:
    """The school's own addresses and domains.  What is not configured is unknown, never outside."""

    networks: netaddr.IPSet
    domains: tuple[str, ...]

    def holds_address(self, address: str) -> bool | None:
        """Whether an address is the school's; None when no networks are configured, or it is no address."""
        if not self.networks:
            return None
        try:
            return netaddr.IPAddress(address) in self.networks
        except (netaddr.AddrFormatError, ValueError):
            return None

    def holds_name(self, name: str) -> bool | None:
        """Whether a DNS name lies in one of the school's domains; None when none are configured."""
        if not self.domains:
            return None
        return any(name == domain or name.endswith(f".{domain}") for domain in self.domains)


def campus(networks: Iterable[str], domains: Iterable[str]) -> Campus:
    """Build it from texts.  Raises InputError naming the text that is no range."""
    held = netaddr.IPSet()
    for text in networks:
        held |= parse_range(text)
    return Campus(held, tuple(domain.lower().strip(".") for domain in domains if domain.strip(".")))


def owner(address: str, ranges: Mapping[str, Sequence[str]]) -> str | None:
    """The unit whose range holds the address; the narrowest range wins, then the unit's code."""
    return Owners(ranges).of(address)


class Owners:
    """The same for many addresses: the ranges are read once, and compared as numbers."""

    def __init__(self, ranges: Mapping[str, Sequence[str]]) -> None:
        sets = [(parse_range(text), unit) for unit, texts in ranges.items() for text in texts]
        parts = [(found.size, unit, part) for found, unit in sets for part in found.iter_ipranges()]
        self._parts = sorted((size, unit, part.version, int(part.first), int(part.last)) for size, unit, part in parts)

    def of(self, address: str) -> str | None:
        """The unit, None when no range holds the address or when it is none."""
        try:
            value = netaddr.IPAddress(address)
        except (netaddr.AddrFormatError, ValueError):
            return None
        number, version = int(value), value.version
        return next((unit for _, unit, kind, first, last in self._parts if kind == version and first <= number <= last), None)
