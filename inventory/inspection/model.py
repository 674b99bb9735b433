"""What a look at a site over HTTP is made of, as data; kept as JSON in the catalogue.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

OUTCOMES = {
    "answered": "there was an answer, whatever its status",
    "refused": "the port answers with a refusal",
    "unreachable": "no route or no connection",
    "timeout": "no whole answer in time",
    "certificate": "TLS was offered with a certificate or parameters that a browser refuses",
    "tls": "no TLS could be agreed on, not even an old one",
    "protocol": "the answer is no HTTP",
}
"""How one GET can end."""


@dataclass(frozen=True)
class Asked:
    """A name to ask, and the address of the host that the site was found on ('' for a site that was only declared)."""

    name: str
    host_address: str = ""


@dataclass(frozen=True)
class Answer:
    """One GET.  `seconds` until the body was read, `size` in bytes; `certificate_problem` is why a browser would warn."""

    url: str
    address: str
    outcome: str
    detail: str = ""
    status: int = 0
    location: str = ""
    title: str = ""
    server: str = ""
    powered_by: str = ""
    generator: str = ""
    charset: str = ""
    size: int = 0
    seconds: float = 0.0
    errors: tuple[str, ...] = ()
    hsts: bool = False
    certificate: Mapping[str, Any] | None = None
    certificate_problem: str = ""

    @property
    def fine(self) -> bool:
        """Whether a visitor gets a page, a redirect or a login: anything but an error of the server or a missing front page."""
        return self.outcome == "answered" and (self.status < 400 or self.status in {401, 403})


@dataclass(frozen=True)
class View:
    """A name as DNS and the web servers answer for it: HTTP then HTTPS, each at the name's address and, where that is another, at the
    host's.  `problem` says why DNS could not be asked; a name that does not exist has neither addresses nor a problem."""

    name: str
    addresses: tuple[str, ...]
    problem: str
    answers: tuple[Answer, ...]
    at_host: tuple[Answer, ...]
    host_address: str

    def to_json(self) -> dict[str, Any]:
        """Plain data; `from_json` reads it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> View:
        """A view as `to_json` wrote it; fields of another version are left out."""
        known = {field.name for field in fields(Answer)}

        def answer(entry: Mapping[str, Any]) -> Answer:
            kept: dict[str, Any] = {key: value for key, value in entry.items() if key in known}
            return Answer(**{**kept, "errors": tuple(kept.get("errors") or ())})

        answers = {part: tuple(answer(entry) for entry in data.get(part) or ()) for part in ("answers", "at_host")}
        return cls(
            str(data.get("name", "")), tuple(data.get("addresses") or ()), str(data.get("problem", "")), answers["answers"],
            answers["at_host"], str(data.get("host_address", "")),
        )  # fmt: skip
