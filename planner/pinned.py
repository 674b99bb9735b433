"""HTTP towards one address, whatever DNS says.  In: a site's names and the address that shall answer for them.  Out: an aiohttp session.

Every name of the site is resolved to the given address and to nothing else; no proxy, no cookie.  Certificates are not verified: the
connection is pinned to an address that was chosen, and an expired certificate at an old source must not stop its move.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from inventory.inspection.references import absolute, is_address
from inventory.inspection.view import may_ask


@dataclass(frozen=True)
class SiteView:
    """A site as one address serves it, or with the address "" as visitors reach it, through DNS.  `port` 0 is the scheme's own; requests
    never name the port.

    `pins`: name → SHA-256 (hexadecimal) of the certificate that must answer for it.
    """

    names: tuple[str, ...]
    address: str
    port: int = 0
    tls: bool = False
    pins: Mapping[str, str] = field(default_factory=dict)


class Pinned(AbstractResolver):
    """Resolves the site's names to one address and port; everything else is refused."""

    def __init__(self, view: SiteView) -> None:
        self._view = view

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 - the view's address decides
    ) -> list[ResolveResult]:
        """The view's address, or those that DNS gives; OSError for a foreign name."""
        if host not in self._view.names:
            raise OSError(f"{host} is no name of this site")
        if not self._view.address:
            found = await ThreadedResolver().resolve(host, self._view.port or port, socket.AF_UNSPEC)
            allowed = [one for one in found if may_ask(one["host"])]
            if not allowed:
                raise OSError(f"DNS leads {host} to no address that may be asked")
            return allowed
        kind = socket.AF_INET6 if ":" in self._view.address else socket.AF_INET
        return [
            ResolveResult(
                hostname=host,
                host=self._view.address,
                port=self._view.port or port,
                family=kind,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
        ]

    async def close(self) -> None:
        """Nothing is held."""


def session(view: SiteView, *, concurrency: int, request_seconds: float, headers: Mapping[str, str]) -> aiohttp.ClientSession:
    """A session that reaches the view and nothing else; to be made inside the event loop, and closed."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED  # sources are old
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=Pinned(view), use_dns_cache=False, ssl=context, limit=concurrency),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers=dict(headers),
        timeout=aiohttp.ClientTimeout(total=request_seconds),
        trust_env=False,
        max_line_size=32_768,
        max_field_size=32_768,
    )


def ascii_names(names: Iterable[str]) -> tuple[str, ...]:
    """Names as they stand in URLs, in their order.  Raises ValueError for what is no name, and when there is none."""
    out: list[str] = []
    for name in names:
        host = urlsplit(absolute("http://invalid/", f"http://{name}/")).netloc
        if not re.fullmatch(r"[\w.-]+", name) or not host or is_address(host):
            raise ValueError(f"not a site's name: {name!r}")
        out.append(host)
    if not out:
        raise ValueError("a site needs at least one name")
    return tuple(dict.fromkeys(out))
