"""Cells that name things of the network: DNS names, URLs, addresses, masks, ranges, MACs, ports.  Pure.

In: a cell's text, with whatever width of digits and separators.  Out: `Value`; raises `Refused` with the reason.  What a cell says by
the way goes into `Value.more`: the mask in `192.0.2.1/24`, the home page in a URL that stands for a domain, further names.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from inventory.errors import InputError
from inventory.register import dates
from inventory.register.dates import Refused
from inventory.register.fields import plain
from inventory.register.names import valid_name
from inventory.scope import parse_range

MOST_ITEMS = 200


@dataclass(frozen=True)
class Value:
    """A cell's value; `more` holds what it said about other fields of the row."""

    data: Any
    more: Mapping[str, Any] = field(default_factory=dict)


def narrow(text: str) -> str:
    """Full-width digits, letters and marks as ASCII (`１９２．０` → `192.0`); for values that programs read, not for names."""
    return text.strip() if text.isascii() else unicodedata.normalize("NFKC", text).replace("。", ".").strip()


def words(text: str, separators: str = r"[\s,;、，；|]+") -> list[str]:
    """The values in one cell, each once.  Raises Refused when there are too many."""
    parts = list(dict.fromkeys(part for part in re.split(separators, text) if part))
    if len(parts) > MOST_ITEMS:
        raise Refused(f"more than {MOST_ITEMS} values in one cell")
    return parts


def domain(text: str) -> Value:
    """The first is the main name; a URL gives its host, and itself as the home page; the rest are further names."""
    parts = words(_dotted(text))
    if not parts:
        raise Refused(f"{text[:60]!r} is not a DNS name")
    name, url = _host(parts[0])
    more: dict[str, Any] = {"url": url} if url else {}
    if len(parts) > 1:
        more["aliases"] = [_host(part)[0] for part in parts[1:]]
    return Value(name, more)


def domains(text: str) -> Value:
    """Further names; `none` is an empty list."""
    if plain(text) in {"无", "none", "没有"}:
        return Value([])
    return Value(list(dict.fromkeys(_host(part)[0] for part in words(_dotted(text)))))


def _dotted(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFKC", text).replace("。", ".")


def _host(text: str) -> tuple[str, str]:
    host, url = text, ""
    if "/" in text or "://" in text or re.search(r":\d+$", text):
        url = text if "://" in text else f"http://{text}"
        try:
            split = urlsplit(url)
            host = split.hostname or ""
            if split.port is None and split.path in {"", "/"} and not split.query and "://" not in text:
                url = ""
        except ValueError:
            raise Refused(f"{text[:60]!r} is not a URL") from None
    host = host.lower().rstrip(".")
    if re.fullmatch(r"[\d.]+|\[?[0-9a-f]*:[0-9a-f:.]*\]?", host):
        raise Refused(f"{text[:60]!r} is an address; a site is known by its domain name, a server by its address")
    if not valid_name(host):
        raise Refused(f"{text[:60]!r} is not a DNS name")
    return host, url


def host_of(url: str) -> str:
    """The DNS name in a URL.  Raises Refused."""
    return _host(url)[0]


_HTTP = re.compile(r"https?://", re.I)


def url(text: str) -> Value:
    """One web address; `http://` is added where it is missing."""
    parts = words(_dotted(text), r"[\s、，；]+")
    if len(parts) != 1:
        raise Refused(f"{len(parts)} addresses in one cell; write the home page's")
    url = parts[0] if _HTTP.match(parts[0]) else f"http://{parts[0]}"
    try:
        split = urlsplit(url)
        _ = split.port
    except ValueError:
        raise Refused(f"{text[:60]!r} is not a URL") from None
    if split.scheme.lower() not in {"http", "https"} or not split.hostname or re.search(r"[\s<>\"\\^`{|}]", url):
        raise Refused(f"{text[:60]!r} is not a web address")
    if not valid_name(split.hostname) and not _is_address(split.hostname):
        raise Refused(f"{text[:60]!r}: {split.hostname!r} is neither a DNS name nor an address")
    return Value(url)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def one_address(text: str) -> tuple[str, str]:
    """Address and mask of `192.0.2.1`, `192.0.2.1/24`, `192.0.2.1/255.255.255.0`."""
    host, _, mask = text.partition("/")
    try:
        address = ipaddress.ip_address(host)
        return str(address), _mask_of(mask, address.version) if mask else ""
    except Refused:
        raise
    except ValueError:
        if re.fullmatch(r"(\d{1,3}\.){3}\d{1,3}", host) and any(len(part) > 1 and part[0] == "0" for part in host.split(".")):
            raise Refused(f"{text[:60]!r}: programs read leading zeros differently; leave them out") from None
        if re.fullmatch(r"[\d.]+:\d+", host):
            raise Refused(f"{text[:60]!r} has a port; write the address alone") from None
        raise Refused(f"{text[:60]!r} is not an address") from None


def address(text: str) -> Value:
    """The first is the server's, with its mask if it has one; the rest are further addresses."""
    # `192.0.2.1 / 24` and `192.0.2.1，192.0.2.2` and the like
    parts = words(re.sub(r"\s*/\s*", "/", narrow(text)))
    if not parts:
        raise Refused(f"{text[:60]!r} is not an address")
    pairs = [one_address(part) for part in parts]
    more: dict[str, Any] = {"mask": pairs[0][1]} if pairs[0][1] else {}
    if len(pairs) > 1:
        more["addresses"] = [address for address, _ in pairs[1:]]
    return Value(pairs[0][0], more)


def addresses(text: str) -> Value:
    """Addresses without their masks."""
    if plain(text) in {"无", "none", "没有"}:
        return Value([])
    return Value([one_address(part)[0] for part in words(re.sub(r"\s*/\s*", "/", narrow(text)))])


def _mask_of(text: str, version: int = 4) -> str:
    if text.isdecimal() and len(text) <= 3 and int(text) <= (32 if version == 4 else 128):
        return str(ipaddress.ip_network(f"0.0.0.0/{text}").netmask) if version == 4 else f"/{int(text)}"
    if version == 4:
        try:
            network = ipaddress.ip_network(f"0.0.0.0/{text}")
        except ValueError:
            network = None
        if network is not None and str(network.netmask) == text:
            return text
    raise Refused(f"{text[:40]!r} is not a mask; write 255.255.255.0 or /24")


def mask(text: str) -> Value:
    """`255.255.255.0`, `/24` or `24` → `255.255.255.0`; IPv6 → `/64`."""
    word = narrow(text).removeprefix("/").strip()
    return Value(_mask_of(word, 6 if word.isdecimal() and len(word) <= 3 and int(word) > 32 else 4))


def ranges(text: str) -> Value:
    """Networks, ranges and addresses, as `inventory.scope` reads them; `none` is an empty list."""
    if plain(text) in {"无", "none", "没有"}:
        return Value([])
    parts = words(re.sub(r"\s*([-~至—–])\s*", "-", re.sub(r"\s*/\s*", "/", narrow(text))))
    for word in parts:
        try:
            parse_range(word)
        except InputError as error:
            raise Refused(f"{error.message[:100]}: {error.hint}") from None
    return Value(parts)


def macs(text: str) -> Value:
    """MAC addresses in small letters with colons."""
    macs = []
    for part in words(narrow(text)):
        digits = re.sub(r"[:.-]", "", part).lower()
        if not re.fullmatch(r"[0-9a-f]{12}", digits):
            raise Refused(f"{part[:40]!r} is not a MAC address")
        macs.append(":".join(digits[i : i + 2] for i in range(0, 12, 2)))
    return Value(list(dict.fromkeys(macs)))


_PORT = re.compile(r"(?:(tcp|udp)\s*[:/]?\s*)?(\d{1,5})(?:\s*[-~]\s*(\d{1,5}))?(?:\s*/\s*(tcp|udp))?(?:\s*until (\S+))?", re.I)


def ports(text: str) -> Value:
    """`80、443（至2026-12-31）、22/tcp` → `80/tcp`, `443/tcp until 2026-12-31`, `22/tcp`."""
    if plain(text) in {"无", "none", "没有"}:
        return Value([])
    found = []
    word = re.sub(r"(?<=\d)\s*[(（\[]\s*(?:至|到|有效期至?|until)?\s*", " until ", narrow(text))
    word = re.sub(r"\s*(?:有效期至|有效期|至|到期|到|until)\s*(?=\d{4})", " until ", word.replace(")", " ").replace("]", " "))
    for part in words(word, r"[\n,;、，；|]+|(?<=\d)\s+(?=\d{1,5}(?:/|\s|$))(?!\d{4}[-年.])"):
        match = _PORT.fullmatch(part.strip())
        if match is None or not all(0 < int(number) < 65536 for number in (match[2], match[3]) if number):
            raise Refused(f"{part.strip()[:40]!r} is not a port; write 443, 22/tcp or 8080-8090, each with `until 2026-12-31` if it ends")
        ports = match[2] if not match[3] else f"{match[2]}-{match[3]}"
        until = f" until {dates.parse(match[5])}" if match[5] else ""
        found.append(f"{ports}/{(match[1] or match[4] or 'tcp').lower()}{until}")
    return Value(list(dict.fromkeys(found)))
