"""A site asked as a visitor asks it: its name resolved, its front page fetched over HTTP and HTTPS.  The I/O of the HTTP view.

In: names, each with the address of the host that it was found on, if any.  Out: a `View` for each name, in the order in which they are
done.  One GET of `/` for each scheme, and again at the host's own address where DNS leads elsewhere.  Nothing else is asked, no redirect
is followed, no cookie kept, no form sent; an address of this machine or of the local link is never asked, whatever a name resolves to.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import netaddr
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509

from inventory.inspection.model import Answer, Asked, View
from inventory.inspection.pages import digest
from inventory.probes import certificates

_HEADERS = {"User-Agent": "planner-inspection/1.0", "Accept": "text/html,*/*;q=0.5", "Accept-Encoding": "gzip, deflate"}
_NOBODY = netaddr.IPSet(["0.0.0.0/8", "240.0.0.0/4", "::/128"])
_UNKNOWN_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


@dataclass(frozen=True)
class Limits:
    """Bounds of a look; seconds and bytes."""

    concurrency: int = 32
    resolve_seconds: float = 8.0
    request_seconds: float = 15.0
    page_bytes: int = 512_000


class _Pinned(AbstractResolver):
    """One address for every name: which one was decided before."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:  # noqa: ARG002
        """The pinned address, whatever the name."""
        kind = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [ResolveResult(hostname=host, host=self._address, port=port, family=kind, proto=socket.IPPROTO_TCP, flags=flags)]

    async def close(self) -> None:
        """Nothing is held."""


def may_ask(address: str) -> bool:
    """False for this machine, the local link and addresses that are nobody's: a hostile name must not lead us to ourselves."""
    try:
        value = netaddr.IPAddress(address)
    except (netaddr.AddrFormatError, ValueError):
        return False
    return not (value.is_loopback() or value.is_link_local() or value.is_multicast() or value in _NOBODY)


async def look(asked: Iterable[Asked], limits: Limits = Limits()) -> AsyncIterator[View]:
    """Look at each name; a name that cannot be asked is a view like any other."""
    gate = asyncio.Semaphore(limits.concurrency)

    async def one(item: Asked) -> View:
        async with gate:
            return await _view(item, limits)

    tasks = [asyncio.create_task(one(item)) for item in asked]
    try:
        for task in asyncio.as_completed(tasks):
            yield await task
    finally:
        for task in tasks:
            task.cancel()


async def _view(asked: Asked, limits: Limits) -> View:
    addresses, problem = await _resolve(asked.name, limits.resolve_seconds)
    usable = [address for address in addresses if may_ask(address)]
    through = await _both(asked.name, usable[0], limits) if usable else ()
    if addresses and not usable:
        problem = f"it resolves to {', '.join(addresses)}: not asked"
    at_host: Sequence[Answer] = ()
    if asked.host_address and asked.host_address not in addresses and may_ask(asked.host_address):
        at_host = await _both(asked.name, asked.host_address, limits)
    return View(asked.name, tuple(addresses), problem, tuple(through), tuple(at_host), asked.host_address)


async def _resolve(name: str, seconds: float) -> tuple[list[str], str]:
    """Addresses and '', none and '' when the name does not exist, none and a reason when nobody could say."""
    loop = asyncio.get_running_loop()
    try:
        found = await asyncio.wait_for(loop.getaddrinfo(name, 80, type=socket.SOCK_STREAM), seconds)
    except TimeoutError:
        return [], f"no answer from DNS in {seconds:g} s"
    except socket.gaierror as error:
        return [], "" if error.errno in _UNKNOWN_NAME else f"DNS: {error.strerror}"
    except UnicodeError:
        return [], "not a name that DNS can hold"
    return list(dict.fromkeys(str(entry[4][0]) for entry in found)), ""


async def _both(name: str, address: str, limits: Limits) -> tuple[Answer, Answer]:
    return await _get("http", name, address, limits), await _get("https", name, address, limits)


async def _get(scheme: str, name: str, address: str, limits: Limits) -> Answer:
    """One GET.  A certificate that does not verify is noted, and the page asked for all the same: the visitor's browser would offer it."""
    answer = await _request(scheme, name, address, limits, ssl.create_default_context())
    if answer.outcome == "certificate":
        problem = answer.detail
        answer = await _request(scheme, name, address, limits, _lenient())
        answer = replace(answer, certificate_problem=problem)
    if scheme == "https" and answer.outcome == "answered":
        answer = replace(answer, certificate=await _certificate(name, address, limits))
    return answer


def _lenient() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED  # sources are old
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


async def _request(scheme: str, name: str, address: str, limits: Limits, context: ssl.SSLContext) -> Answer:
    url, begun = f"{scheme}://{name}/", time.monotonic()
    connector = aiohttp.TCPConnector(resolver=_Pinned(address), use_dns_cache=False, ssl=context, force_close=True)
    timeout = aiohttp.ClientTimeout(total=limits.request_seconds)

    def failed(outcome: str, detail: str) -> Answer:
        return Answer(url, address, outcome, detail=detail, seconds=round(time.monotonic() - begun, 3))

    try:
        async with (
            aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), headers=_HEADERS, timeout=timeout, trust_env=False,
                max_line_size=32_768, max_field_size=32_768,
            ) as session,
            session.get(url, allow_redirects=False) as response,
        ):  # fmt: skip
            body = await _body(response, limits.page_bytes)
            headers = [(key, value) for key, value in response.headers.items()]
            page = digest(url, response.status, headers, body, truncated=len(body) >= limits.page_bytes)
            told = {key.lower(): value for key, value in headers}
            return Answer(
                url, address, "answered", status=page.status, location=page.location, title=page.title[:300],
                server=told.get("server", "")[:200], powered_by=told.get("x-powered-by", "")[:200], generator=_generator(page.inline),
                charset=page.header_charset or page.meta_charset, size=len(body), errors=page.errors,
                hsts="strict-transport-security" in told,
                seconds=round(time.monotonic() - begun, 3),
            )  # fmt: skip
    except aiohttp.ClientConnectorCertificateError as error:
        return failed("certificate", str(getattr(error.certificate_error, "verify_message", "") or error.certificate_error)[:300])
    except aiohttp.ClientConnectorSSLError as error:
        # an old server's parameters are refused before its certificate is seen: the second, lenient request tells more
        return failed("certificate" if context.verify_mode != ssl.CERT_NONE else "tls", str(error.os_error)[:300])
    except aiohttp.ClientConnectorError as error:
        return failed("refused" if isinstance(error.os_error, ConnectionRefusedError) else "unreachable", str(error.os_error)[:300])
    except TimeoutError:
        return failed("timeout", f"no whole answer in {limits.request_seconds:g} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return failed("protocol", f"{type(error).__name__}: {error}"[:300])


async def _body(response: aiohttp.ClientResponse, most: int) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_chunked(65_536):
        body += piece
        if len(body) >= most:
            break
    return bytes(body[:most])


async def _certificate(name: str, address: str, limits: Limits) -> dict[str, Any] | None:
    """What is served for the name, in a handshake of its own: an answer of one packet has given its connection back by now."""
    try:
        async with asyncio.timeout(limits.request_seconds):
            [place] = await _Pinned(address).resolve(name, 443)
            _, writer = await asyncio.open_connection(place["host"], place["port"], ssl=_lenient(), server_hostname=name)
            raw = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            writer.transport.abort()
        return certificates.described(x509.load_der_x509_certificate(raw))
    except (OSError, TimeoutError, ssl.SSLError, ValueError, x509.ExtensionNotFound):  # whatever a stranger calls a certificate
        return None


def _generator(inline: Sequence[str]) -> str:
    """`<meta name="generator">`; a page's digest writes a meta element's attributes in the order of their names."""
    for text in inline:
        if text.startswith("content=") and text.lower().endswith(" name=generator"):
            return text[len("content=") : -len(" name=generator")][:200]
    return ""
