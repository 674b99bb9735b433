"""Which certificates two addresses present for a site's names, and whether they are the same.

In: names, and the source's and the destination's address.  Out: a `TlsComparison`, with certificates as fingerprints (SHA-256 of the DER
form).  Nothing is verified against a store of this machine: the measure is the source.  What browsers accept there they accept at the
destination when it presents the same certificate with the same chain; a self-signed one is pinned by the same comparison.
"""

from __future__ import annotations

import hashlib
import http.client
import socket
import ssl
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from planner.contents import ContentDifference, weighed
from planner.thresholds import Thresholds

SECONDS = 15.0
AT_ONCE = 8


@dataclass(frozen=True)
class Presented:
    """What an address presents for one name: DER certificates, the site's own first; `why` there are none."""

    chain: tuple[bytes, ...] = ()
    whole: bool = False
    """Whether `chain` is all that was sent, and not the first only."""
    why: str = ""

    @property
    def fingerprint(self) -> str:
        """Of the site's own certificate; '' when there is none."""
        return hashlib.sha256(self.chain[0]).hexdigest() if self.chain else ""


@dataclass(frozen=True)
class TlsComparison:
    """Verdict `equal`, `different` or `insufficient`; `pins` are the source's fingerprints by name."""

    verdict: str
    reason: str
    compared: int
    differences: tuple[ContentDifference, ...]
    not_compared: tuple[ContentDifference, ...]
    pins: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "compared": self.compared,
            "differences": [vars(item) for item in self.differences],
            "not_compared": [vars(item) for item in self.not_compared],
            "pins": dict(self.pins),
        }


def presented(address: str, name: str, port: int = 443) -> Presented:
    """One handshake with an address, as a browser that wants `name` would begin it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED  # sources are old
    try:
        with (
            socket.create_connection((address, port), timeout=SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            first = secure.getpeercert(binary_form=True) or b""
            chain = _chain(secure)
    except (OSError, ValueError) as error:
        return Presented(why=f"{type(error).__name__}: {error}"[:200])
    if not first:
        return Presented(why="it presents no certificate")
    return Presented(chain or (first,), bool(chain))


def _chain(secure: ssl.SSLSocket) -> tuple[bytes, ...]:
    """All certificates that were sent: public from Python 3.13 on; before, they are there under the socket."""
    if hasattr(secure, "get_unverified_chain"):
        return tuple(bytes(one) for one in secure.get_unverified_chain())
    ask = getattr(getattr(secure, "_sslobj", None), "get_unverified_chain", None)
    return tuple(ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in ask() or ()) if ask is not None else ()


def compare(
    names: Sequence[str], source: str, destination: str, *, ports: tuple[int, int] = (443, 443), rules: Thresholds | None = None
) -> TlsComparison:
    """Every name at both addresses; also what plain HTTP answers there, for a site may send it on to HTTPS or serve it."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ours = list(pool.map(lambda name: presented(source, name, ports[0]), names))
        theirs = list(pool.map(lambda name: presented(destination, name, ports[1]), names))
        plain = list(pool.map(lambda place: _plain(*place), [(address, name) for name in names for address in (source, destination)]))
    differing: list[ContentDifference] = []
    unknown: list[ContentDifference] = []
    for at, name in enumerate(names):
        found, lacking = _one(name, ours[at], theirs[at])
        differing += found
        unknown += lacking
        differing += _redirects(name, plain[2 * at], plain[2 * at + 1])
    differing = list(weighed("tls", differing, rules))
    blocking = sum(one.severity == "block" for one in differing)
    verdict = "different" if blocking else "insufficient" if unknown else "equal"
    reason = f"certificates of {len(names)} name{'s' if len(names) > 1 else ''} " + {
        "equal": "equal", "different": f"differ: {blocking}", "insufficient": f"not compared: {len(unknown)}"
    }[verdict]  # fmt: skip
    pins = {name: one.fingerprint for name, one in zip(names, ours, strict=True) if one.chain}
    return TlsComparison(verdict, reason, len(names) - len(unknown), tuple(differing), tuple(unknown), pins)


def _one(name: str, ours: Presented, theirs: Presented) -> tuple[list[ContentDifference], list[ContentDifference]]:
    if not ours.chain:
        return [], [ContentDifference(name, "certificate", f"source: {ours.why}", "")]
    if not theirs.chain:
        return [ContentDifference(name, "certificate", ours.fingerprint, theirs.why)], []
    if ours.chain[0] != theirs.chain[0]:
        return [ContentDifference(name, "certificate", _told(ours), _told(theirs))], []
    if not (ours.whole and theirs.whole):
        return [], [ContentDifference(name, "certificate chain", "this Python does not tell", "")]
    if _without_roots(ours) != _without_roots(theirs):
        return [ContentDifference(name, "certificate chain", f"{len(ours.chain)} certificates", f"{len(theirs.chain)} certificates")], []
    return [], []


def _without_roots(one: Presented) -> set[bytes]:
    """Certificates that a browser needs: a root at the end is not, and some servers leave it out."""
    return {der for at, der in enumerate(one.chain) if not at or not _read(der)[2]}


def _read(der: bytes) -> tuple[str, list[str], bool]:
    """(day on which it ends, names, self-signed) of a certificate; ('?', [], False) of one that does not parse."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            one = x509.load_der_x509_certificate(der)
            own = one.issuer == one.subject
            ends = f"{one.not_valid_after_utc:%Y-%m-%d}"
        except ValueError:
            return "?", [], False
        try:
            names = one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
        except (x509.ExtensionNotFound, ValueError):
            names = []
    return ends, list(names), own


def _told(one: Presented) -> str:
    ends, names, _ = _read(one.chain[0])
    return f"{', '.join(names)[:200]}, until {ends}, {one.fingerprint[:16]}"


def _plain(address: str, name: str) -> tuple[int, str]:
    """(status, where to) of the home page over plain HTTP; (0, '') when nobody answers."""
    connection = http.client.HTTPConnection(address, 80, timeout=SECONDS)
    try:
        connection.request("GET", "/", headers={"Host": name, "User-Agent": "planner-verification/1.0", "Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Location") or ""
    except (OSError, http.client.HTTPException, ValueError):
        return 0, ""
    finally:
        connection.close()


def _redirects(name: str, ours: tuple[int, str], theirs: tuple[int, str]) -> list[ContentDifference]:
    """Plain HTTP is sent on to HTTPS on both sides or on neither.  A source that does not answer there asks for nothing."""
    if not ours[0] or (ours[0] in {403, 404, 421, 444} and theirs[0] in {301, 308}):
        return []
    sent = [300 <= status < 400 and urlsplit(where).scheme == "https" for status, where in (ours, theirs)]
    return [] if sent[0] == sent[1] else [ContentDifference(name, "redirect to HTTPS", _said(ours), _said(theirs))]


def _said(answer: tuple[int, str]) -> str:
    return " ".join(str(part) for part in answer if part)[:200] or "no answer"
