"""Where a declared site may be: the servers that its sheet names, and whether they have been read.  Pure.

In: hosts, the sheets of servers, a site's sheet.  Out: hosts by what sheets call them; whether somebody has looked where the site may be.
A site that nobody has looked for is not missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeVar

READ = {"ok", "partial"}
"""Outcomes of visits that brought something."""


class Host(Protocol):
    """What is asked of a host."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def address(self) -> str:
        """Its address."""

    @property
    def outcome(self) -> str:
        """Its last visit's, '' or another word when there was none."""


H = TypeVar("H", bound=Host)


def servers(sheet: Mapping[str, Any]) -> list[str]:
    """The servers that a site's sheet names; catalogues from before typed fields hold one text."""
    value = sheet.get("server")
    return [value] if isinstance(value, str) else [str(text) for text in value or []]


def called(hosts: Iterable[H], sheets: Mapping[str, Mapping[str, Any]]) -> dict[str, H]:
    """Hosts by what a sheet may call them, case folded: name, address, the name of the declared server (`sheets` by address)."""
    found: dict[str, H] = {}
    for host in hosts:
        for name in (host.name, host.address, str(sheets.get(host.address, {}).get("name") or "")):
            found.setdefault(name.casefold(), host)
    found.pop("", None)
    return found


def all_read(hosts: Iterable[Host]) -> bool:
    """Whether there is a host, and each has been read."""
    places = list(hosts)
    return bool(places) and all(host.outcome in READ for host in places)


def looked_for(sheet: Mapping[str, Any], known: Mapping[str, Host], everywhere: bool) -> bool:
    """Whether every server that the sheet names has been read; of one that names none, whether all hosts have (`everywhere`)."""
    named = [known.get(text.casefold()) for text in servers(sheet)]
    return all(host is not None and host.outcome in READ for host in named) if named else everywhere
