"""Whose a site is: reasons of unequal weight put together into a ranked list of units with a confidence.  Pure but for its data file.

In: a site as found (its names, and `clues`, what its host says of owners), the sheet that declares it, its host, all units, and what
admins confirmed.  Out: an `Ownership`.  An admin's word overrules everything and follows the site's names to any host; a unit's own
sheet overrules what is only inferred, unless another unit's sheet declares the site, too; contradictions are kept and shown, and lower the
confidence.

Confidence: each reason alone would be right with its weight w.  Its odds w/(1-w) are multiplied for each unit (the strongest of each
group only, since reasons of one group are one circumstance), and compared with all other units' odds and with the odds 1 of "none of
these": P(unit) = odds(unit) / (1 + sum of odds).  That is Bayes' rule for independent witnesses with an even prior.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

from inventory import yamlfile
from inventory.errors import InputError
from inventory.register import claims
from inventory.register.fields import plain
from inventory.register.names import ascii_name
from inventory.scope import parse_range

SHIPPED = Path(__file__).with_name("ownership.yml")
CLUES = "owner.clues"
"""The fact of a site that holds its clues: {kind, text, evidence}, small enough to be read for all sites at once."""


class _Reason(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    weight: Annotated[float, Field(gt=0.5, lt=1)]
    group: str
    why: str


class Rules(BaseModel):
    """The data file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    assign_from: Annotated[float, Field(ge=0.5, lt=1)]
    sure_from: Annotated[float, Field(ge=0.5, lt=1)]
    shared_from: Annotated[float, Field(gt=0, le=1)]
    shared_accounts: frozenset[str]
    plain_labels: frozenset[str]
    public_mail: frozenset[str]
    reasons: Mapping[str, _Reason]


@cache
def rules() -> Rules:
    """What ships.  Raises ConfigurationError with `file:line:column`."""
    return yamlfile.read(SHIPPED).validate(Rules)


class Claimed(Protocol):
    """What is asked of a site: `identify.Site` has it."""

    name: str
    names: list[str]

    def value(self, name: str) -> Any:
        """A fact's value, None when unknown."""


class Observed(Protocol):
    """What is asked of an observation: `identify.Seen` has it."""

    @property
    def kind(self) -> str: ...
    @property
    def data(self) -> Mapping[str, Any]: ...
    @property
    def evidence(self) -> tuple[Any, ...]: ...


class Declared(Protocol):
    """What is asked of a declared row: `model.Declared` has it."""

    unit_code: Any
    origin: Any
    data: Any


class Machine(Protocol):
    """What is asked of a host: `model.Host` has it."""

    name: Any
    address: Any
    unit_code: Any


@dataclass(frozen=True)
class Confirmation:
    """An admin's word."""

    unit: str
    by: str
    why: str
    at: datetime


@dataclass(frozen=True)
class Reason:
    """One thing that speaks for a unit."""

    kind: str
    unit: str
    weight: float
    why: str
    evidence: tuple[Any, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"kind": self.kind, "unit": self.unit, "weight": self.weight, "why": self.why, "evidence": list(self.evidence)}


@dataclass(frozen=True)
class Ownership:
    """Who owns a site.  `unit` is None when nothing speaks clearly enough; `ranking` are (unit, confidence), best first."""

    unit: str | None
    confidence: float
    reason: str
    reasons: tuple[Reason, ...] = ()
    ranking: tuple[tuple[str, float], ...] = ()
    confirmed: Confirmation | None = None

    @property
    def contradictions(self) -> tuple[Reason, ...]:
        """What speaks for another unit."""
        return tuple(reason for reason in self.reasons if reason.unit != self.unit)

    @property
    def sure(self) -> bool:
        """Whether nobody needs to look: confirmed, or confident without contradiction."""
        return self.confirmed is not None or (self.unit is not None and self.confidence >= rules().sure_from and not self.contradictions)

    def facts(self) -> dict[str, dict[str, Any]]:
        """The same as facts of the site, each reason with its evidence."""
        evidence = [list(place) for reason in self.reasons for place in (reason.evidence,) if place]
        found: dict[str, Any] = {
            "owner.confidence": self.confidence, "owner.confirmed": self.confirmed is not None, "owner.sure": self.sure,
            "owner.ranking": dict(self.ranking), "owner.reasons": [reason.to_json() for reason in self.reasons],
        }  # fmt: skip
        if self.unit is not None:
            found["owner.unit"] = self.unit
        return {name: {"value": value, "evidence": evidence, "why": self.reason} for name, value in found.items()}


@dataclass
class _Unit:
    code: str
    names: frozenset[str]
    domains: tuple[str, ...]
    mail: frozenset[str]
    people: frozenset[str] = frozenset()


@dataclass
class Units:
    """All units, made ready once for many sites."""

    units: Sequence[Any]
    _by_code: dict[str, _Unit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for unit in self.units:
            details = unit.details
            names = {plain(str(text)) for text in (unit.code, unit.name_zh, unit.name_en, *_texts(details.get("aliases"))) if text}
            mail = {str(details.get("email") or "").rpartition("@")[2].lower()} - {""} - rules().public_mail
            domains = tuple(ascii_name(text) for text in _texts(details.get("domains")))
            self._by_code[unit.code] = _Unit(unit.code, frozenset(names), domains, frozenset(mail))

    @cached_property
    def _ranges(self) -> list[tuple[int, str, int, int, int]]:
        """(size, unit, version, first, last), narrowest first."""
        parts = []
        for unit in self.units:
            for text in _texts(unit.details.get("ranges")):
                try:
                    held = parse_range(text)
                except InputError:
                    continue  # an old catalogue's; import refuses it today
                parts += [(held.size, unit.code, part.version, int(part.first), int(part.last)) for part in held.iter_ipranges()]
        return sorted(parts)

    @cached_property
    def _domains(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for unit in self._by_code.values():
            for domain in unit.domains:
                found.setdefault(domain, set()).add(unit.code)
        return found

    @cached_property
    def _names(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for unit in self._by_code.values():
            for name in unit.names:
                found.setdefault(name, set()).add(unit.code)
        return found

    def of_address(self, address: str) -> str | None:
        """The unit whose range holds an address; the narrowest wins."""
        try:
            value = ipaddress.ip_address(address)
        except ValueError:
            return None
        number, version = int(value), value.version
        return next((unit for _, unit, kind, first, last in self._ranges if kind == version and first <= number <= last), None)

    def of_domain(self, name: str) -> str | None:
        """The unit in whose domain a DNS name lies; the longest domain wins, one that two units claim tells nothing."""
        labels = name.split(".")
        for start in range(len(labels)):
            units = self._domains.get(".".join(labels[start:]))
            if units:
                return next(iter(units)) if len(units) == 1 else None
        return None

    def of_mail(self, address: str) -> str | None:
        """The unit in whose domain, or in whose contact's domain if no other unit uses it, an address lies."""
        domain = address.rpartition("@")[2].lower().rstrip(".>")
        if not domain or domain in rules().public_mail:
            return None
        found = self.of_domain(domain)
        if found is None:
            using = [unit.code for unit in self._by_code.values() if domain in unit.mail]
            found = using[0] if len(using) == 1 else self.of_word(domain.split(".")[0])
        return found

    def of_word(self, word: str) -> str | None:
        """The one unit that has this code or name."""
        found = self._names.get(plain(word), set())
        return next(iter(found)) if len(found) == 1 else None

    def of_text(self, text: str) -> str | None:
        """The one unit whose code or name is a word of the text, or the text itself."""
        words = {word for word in re.split(r"[\W_\d]+", text) if len(word) > 1} | {text}
        found = {unit for word in words if (unit := self.of_word(word)) is not None}
        return next(iter(found)) if len(found) == 1 else None


def _texts(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else [str(value)] if value else []


# ---------------------------------------------------------------- what a host says of owners


def clues(site: Claimed, observations: Iterable[Observed] = ()) -> list[dict[str, Any]]:
    """{kind, text, evidence} of all that a site's host says of its owner; no unit is needed for it, so it is made once for a reading."""
    found: list[dict[str, Any]] = []

    def take(kind: str, text: str, evidence: Sequence[Any] = ()) -> None:
        found.append({"kind": kind, "text": text[:200], "evidence": list(evidence)})

    docroot = str(site.value("site.docroot") or "")
    account = ""
    owners = site.value("content.owners")
    if isinstance(owners, dict) and owners:
        counts = {str(name): count for name, count in owners.items() if isinstance(count, int)}
        top = max(sorted(counts), key=lambda name: counts[name], default="")
        if top and counts[top] * 2 > sum(counts.values()) and top not in rules().shared_accounts:
            account = top
            take("file-owner", top)
    if docroot:
        take("docroot", docroot)
    if name := site.value("database.name"):
        take("database", str(name))
    certificate = site.value("site.certificate")
    for seen in observations:
        data = seen.data
        if seen.kind == "vhost" and data.get("server_admin") and site.name in [str(text).lower() for text in data.get("names") or []]:
            take("server-admin", str(data["server_admin"]), seen.evidence)
        elif seen.kind == "certificate" and certificate and data.get("path") == certificate:
            for text in _organisations(str(data.get("subject") or "")):
                take("certificate", text, seen.evidence)
        elif seen.kind == "authorized_key" and account and data.get("user") == account and data.get("comment"):
            take("key-comment", str(data["comment"]), seen.evidence)
    return found


def _organisations(subject: str) -> list[str]:
    """O and OU of a subject in RFC 4514 form, the unit first."""
    parts = re.findall(r"(?:^|,)(OU|O)=((?:\\.|[^,\\])*)", subject[:2000])
    return [re.sub(r"\\(.)", r"\1", text)[:200] for _, text in sorted(parts, key=lambda part: part[0], reverse=True)]


# ---------------------------------------------------------------- whose it is


def of(
    site: Claimed,
    declared: Declared | None,
    host: Machine | None,
    units: Units,
    confirmed: Mapping[str, Confirmation],
    *,
    shared: bool = False,
    said: Sequence[Reason] | None = None,
) -> Ownership:
    """Whose a site is.  `confirmed` maps names of sites to an admin's word; `host` is None for a site that was found nowhere.

    `shared` says that the host serves other units, too (see `shared`); `said` is what `told` gave, where that was asked already.
    """
    own = told(site, declared, units) if said is None else said
    reasons = [*_of_host(host, units, shared, {reason.unit for reason in own}), *own]
    reasons.sort(key=lambda reason: reason.kind != "declared-site")
    ranking = _ranked(reasons)
    word = next((confirmed[name] for name in (site.name, *site.names) if name in confirmed), None)
    confidence = dict(ranking)
    if word is not None:
        text = f"confirmed by {word.by} on {word.at:%Y-%m-%d}" + (f": {word.why}" if word.why else "")
        return Ownership(word.unit, 1.0, text, tuple(reasons), tuple(ranking), word)
    declaring = {reason.unit for reason in reasons if reason.kind == "declared-site"}
    if len(declaring) == 1:
        chosen = declaring.pop()
    elif ranking and ranking[0][1] >= rules().assign_from:
        chosen = ranking[0][0]
    else:
        why = "no declaration, no range: unknown" if not reasons else f"nothing speaks clearly for one unit: {_shown(ranking)}"
        if declaring:
            both = ", ".join(f"{reason.unit} ({reason.why})" for reason in reasons if reason.kind == "declared-site")
            why = f"more than one unit declares it: {both}"
        return Ownership(None, ranking[0][1] if ranking else 0.0, why, tuple(reasons), tuple(ranking))
    best = max((reason for reason in reasons if reason.unit == chosen), key=lambda reason: reason.weight)
    return Ownership(chosen, confidence[chosen], best.why, tuple(reasons), tuple(ranking))


def _shown(ranking: Sequence[tuple[str, float]]) -> str:
    return ", ".join(f"{unit} {round(100 * confidence)} %" for unit, confidence in ranking[:3])


def _ranked(reasons: Sequence[Reason]) -> list[tuple[str, float]]:
    strongest: dict[str, dict[str, float]] = {}
    for reason in reasons:
        groups = strongest.setdefault(reason.unit, {})
        group = rules().reasons[reason.kind].group
        groups[group] = max(groups.get(group, 0.0), reason.weight)
    odds: dict[str, float] = {}
    for unit, groups in strongest.items():
        odds[unit] = 1.0
        for weight in groups.values():
            odds[unit] *= weight / (1 - weight)
    whole = 1 + sum(odds.values())
    return sorted(((unit, round(value / whole, 2)) for unit, value in odds.items()), key=lambda pair: (-pair[1], pair[0]))


def _reason(kind: str, unit: str, text: str, evidence: Sequence[Any] = ()) -> Reason:
    rule = rules().reasons[kind]
    return Reason(kind, unit, rule.weight, rule.why.replace("{text}", text[:200]), tuple(evidence))


def _of_host(host: Machine | None, units: Units, shared: bool, own: Set[str]) -> Iterable[Reason]:
    """What the host says; `own` are the units for which the site itself speaks.

    Where a shared host stands is no reason against these: whoever runs it for everybody owns what nobody else does, at most.
    """
    if host is None:
        return
    owner, holder = host.unit_code, units.of_address(host.address)
    for alone, among_others, unit, text in (
        ("declared-server", "shared-server", owner, host.name),
        ("range", "shared-range", holder, host.address),
    ):
        if unit and (not shared or not own or unit in own):
            yield _reason(among_others if shared else alone, unit, text)


def shared(host: Machine, said: Sequence[Sequence[Reason]], units: Units) -> list[bool]:
    """For each site of a host, by what each says of itself (`told`): whether the other sites show that the host serves several units."""
    mine = {host.unit_code, units.of_address(host.address)}
    others = []
    for reasons in said:
        best = _ranked(reasons)[:1]
        others.append(bool(best) and best[0][0] not in mine and best[0][1] >= rules().assign_from)
    return [len(others) > 1 and (sum(others) - other) / (len(others) - 1) >= rules().shared_from for other in others]


def told(site: Claimed, declared: Declared | None, units: Units) -> tuple[Reason, ...]:
    """What a site's sheet, its names and its host's clues say, whatever host it is on."""
    return tuple(_told(site, declared, units))


def _told(site: Claimed, declared: Declared | None, units: Units) -> Iterable[Reason]:
    if declared is not None and declared.unit_code:
        claimed = claims.of(declared.data) or {str(declared.unit_code): declared.origin}
        for claimant, place in claimed.items():
            yield _reason("declared-site", claimant, place, ("declared", place, 0))
    for name in dict.fromkeys((site.name, *site.names)):
        if unit := units.of_domain(name):
            yield _reason("domain", unit, name)
        elif unit := _by_label(name, units):
            yield _reason("label", unit, name)
    for clue in site.value(CLUES) or []:
        if unit := _by_clue(clue["kind"], clue["text"], units):
            yield _reason(clue["kind"], unit, clue["text"], clue["evidence"])


def _by_label(name: str, units: Units) -> str | None:
    """A label of a DNS name that is a unit's code; the last two are the school's own, and usual ones belong to everybody."""
    labels = [label for label in name.partition("@")[0].split(".")[:-2] if label not in rules().plain_labels]
    found = {unit for label in labels if (unit := units.of_word(label)) is not None}
    return next(iter(found)) if len(found) == 1 else None


def _by_clue(kind: str, text: str, units: Units) -> str | None:
    if kind == "server-admin":
        return units.of_mail(text)
    if kind == "key-comment":
        return units.of_mail(text) if "@" in text else units.of_text(text)
    if kind == "docroot":
        found = {unit for part in text.split("/") if part not in rules().shared_accounts and (unit := _by_part(part, units)) is not None}
        return next(iter(found)) if len(found) == 1 else None
    return units.of_text(text)


def _by_part(part: str, units: Units) -> str | None:
    """A directory that is called after a unit, or after a name in its domain (`/home/hist`, `/srv/www/www.hist.x.edu`)."""
    if part.count(".") > 1:
        return units.of_domain(part.lower()) or _by_label(part.lower(), units)
    return units.of_text(part)
