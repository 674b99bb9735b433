"""The model of a plan's document: which keys it has, of which kind, and in which order.  Pure.

In: plain data.  Out: a `Plan`, or pydantic's list of what is wrong with single values.  What parts of a document say of each other is
checked by `planner.planchecks`; file, fingerprint and canonical form are `planner.plandocument`'s.  docs/plans.md explains each field.
"""

from __future__ import annotations

import ipaddress
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from inventory.register import valid_name
from planner.policy import Placement, Skill, Step
from planner.stackmodel import Stack

FORMAT = 2


def _day(value: object) -> object:
    """YAML makes a date of `2026-12-01` without quotes; a document holds the text."""
    return value.isoformat() if type(value) is date else value


def _is_day(text: str) -> str:
    try:
        good = date.fromisoformat(text).isoformat() == text
    except ValueError:
        good = False
    if not good:
        raise ValueError("this is no date: write YYYY-MM-DD")
    return text


def _is_address(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("this is no IP address") from None
    return text


def _is_dns_name(text: str) -> str:
    if not valid_name(text):
        raise ValueError("this is no DNS name")
    return text


def _is_path(text: str) -> str:
    if not text.startswith("/") or ".." in text.split("/") or not text.isprintable():
        raise ValueError("this is no absolute path without `..`")
    return text


def _is_sentence(text: str) -> str:
    if not text.replace("\n", "").isprintable():
        raise ValueError("there are control characters in it")
    return text


def _sorted(value: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(value.items()))


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("this must be a number")
    return value


HSTS = r"^(max-age=\"?[0-9]{1,12}\"?( *; *(includeSubDomains|preload)){0,2} *;?)?$"
"""What a Strict-Transport-Security header may be, so that it can stand in a configuration (RFC 6797, 6.1); empty: none is sent."""

Day = Annotated[str, BeforeValidator(_day), AfterValidator(_is_day)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=255)]
Machine = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=253)]
"""A machine's or platform's name: it becomes a word in an inventory and a playbook."""
Account = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]
Address = Annotated[str, AfterValidator(_is_address)]
DnsName = Annotated[str, AfterValidator(_is_dns_name)]
AbsolutePath = Annotated[str, AfterValidator(_is_path)]
Count = Annotated[int, BeforeValidator(_no_boolean), Field(ge=0)]
Amount = Annotated[float, BeforeValidator(_no_boolean), Field(ge=0, allow_inf_nan=False)]
Money = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]+)?$")]
"""An amount of the plan's currency as text, so that no reader makes a binary fraction of it."""
Hours = Annotated[dict[Skill, Amount], AfterValidator(_sorted)]
Sentence = Annotated[str, AfterValidator(_is_sentence)]
"""What people read: names from the units' hosts stand in it with their control characters escaped."""
Texts = tuple[str, ...]
Sentences = tuple[Sentence, ...]
Ids = tuple[Id, ...]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class MadeFrom(_Part):
    """SHA-256 of what the plan was made from; a plan is stale when one of them is another (docs/plans.md)."""

    facts: Hash
    rules: Hash
    platforms: Hash
    calendar: Hash
    decisions: Hash


class Wave(_Part):
    """The moves that are cut over from the night `from` to the night `until`; both are null in a plan without a calendar."""

    wave: Annotated[int, BeforeValidator(_no_boolean), Field(ge=1)]
    first: Day | None = Field(default=None, alias="from")
    until: Day | None = None
    moves: Count
    hours: Hours = {}
    bytes: Count = 0


class Database(_Part):
    """The source's database."""

    name: str
    user: str = ""
    charset: str = "utf8mb4"
    definers: tuple[Any, ...] = ()
    events: Count = 0
    tables: Count = 0


class Certificate(_Part):
    """The source's certificate: where it, its key and its chain lie there.  The key itself is in no document."""

    path: str
    key_path: str
    chain: str = ""
    names: Texts = ()
    """What it holds."""
    hosts: Texts = ()
    """The site's names that are served over HTTPS."""
    expires: Day | None = None
    self_signed: bool = False


class Source(_Part):
    """Where the workload is today.  Texts come from the unit's host: nothing in them is trusted."""

    host: Machine
    address: Address
    docroot: str | None = None
    web_server: str | None = None
    vhosts: tuple[Any, ...] = ()
    web_user: str = "www-data"
    tls: bool = False
    https_only: bool = False
    hsts: Annotated[str, Field(pattern=HSTS)] = ""
    certificate: Certificate | None = None
    config_file: str = ""
    database: Database | None = None


class Schema(_Part):
    """The destination's database and its user."""

    name: Account
    user: Account


class Destination(_Part):
    """Where it goes.  `platform` is a cluster, a virtual-host server, a hypervisor or a rack; `receiver` the machine that takes it in."""

    platform: Machine | Literal[""] = ""
    nodes: tuple[Machine, ...] = ()
    front: Machine | Literal[""] = ""
    node_addresses: Annotated[dict[Machine, Address], AfterValidator(_sorted)] = {}
    address: Address | Literal[""] = ""
    address6: Address | Literal[""] = ""
    account: Account | Literal[""] = ""
    docroot: AbsolutePath | Literal[""] = ""
    certificate: AbsolutePath | Literal[""] = ""
    php: Annotated[str, Field(pattern=r"^([0-9]+\.[0-9]+)?$")] = ""
    database: Schema | None = None
    receiver: Machine | Literal[""] = ""
    receiver_address: Address | Literal[""] = ""
    flavour: Machine | Literal[""] = ""


class Record(_Part):
    """One DNS record that the cutover changes."""

    name: DnsName
    type: Literal["A", "AAAA", "CNAME"]
    old: Texts
    new: Texts
    ttl: Count


class Dns(_Part):
    """The zone's server and the records; null where the name server is not ours."""

    server: str
    zone: str
    key_file: str
    lowered_ttl: Count
    records: tuple[Record, ...]


class Gate(_Part):
    """A condition that must be met before the move begins; `settled` is whether somebody had said so when the plan was made."""

    rule: str
    step: Step
    message: Sentence
    settled: bool = False


class Finding(_Part):
    """What a rule says of the workload, and the step in which it is dealt with."""

    rule: str
    step: Step
    message: Sentence


class Size(_Part):
    """What the destination must have; null is unknown."""

    cpus: Amount | None = None
    memory_bytes: Count | None = None
    disk_bytes: Count | None = None
    basis: str = ""
    confidence: Annotated[float, Field(ge=0, le=1)] | None = None


class Cost(_Part):
    """A year of it, and bringing it there; null is unknown."""

    yearly: Money | None = None
    once: Money | None = None


class Schedule(_Part):
    """A move's days: the letter, the first work, the lowered TTL, the night of the cutover, the end of the trial run."""

    notice: Day | None = None
    start: Day
    ttl_lowered: Day | None = None
    cutover: Day
    end: Day
    pinned: bool = False
    pilot: bool = False


class Refusal(_Part):
    """Nights, both included, on which the cutover could not be."""

    first: Day = Field(alias="from")
    until: Day
    kind: str
    detail: Sentence


class Retirement(_Part):
    """How a site is closed: where its archive is kept and until when, what the front answers, from when on the old host may be wiped.

    `redirect` is where its names lead, '' for a page that says 410; with `keep_path` the path that was asked for is kept.
    """

    folder: AbsolutePath
    keep_until: Day | None = None
    redirect: Annotated[str, Field(pattern=r"^(https?://[A-Za-z0-9._-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?)?$", max_length=500)] = ""
    keep_path: bool = False
    contact: Annotated[str, Field(max_length=200)] = ""
    wipe_from: Day | None = None


class Net(_Part):
    """An address in its network."""

    address: Address
    prefix: Annotated[int, BeforeValidator(_no_boolean), Field(ge=1, le=32)]
    gateway: Address


class Content(_Part):
    """What a workload of a machine holds that cannot be replaced, and the names under which it must answer as before."""

    id: Id
    names: Annotated[tuple[DnsName, ...], Field(min_length=1)]
    docroot: AbsolutePath
    schema_name: str = Field(default="", alias="schema")
    tls: bool = False
    hosts: tuple[DnsName, ...] = ()
    seeds: Texts = ()


class Colocation(_Part):
    """How a machine is carried into our room and renumbered.  All moves of one machine have it; that of `leader` does the work.

    `unit` is the lowest of its `height` rack units; `feeds`, `switch`, `port` (a number, 0 is unknown) and `vlan` are what people plug and
    set; `folder` is where the archive machine keeps each content's backup, under its id; `written` are places that name the old address.
    """

    leader: Id
    rides: Ids = ()
    transport: Literal["carried", "stays"]
    rack: Machine
    unit: Count = 0
    height: Count = 1
    power_w: Amount | None = None
    feeds: Texts = ()
    switch: str = ""
    port: Count = 0
    vlan: Count | None = None
    interface: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]{0,31}$")]
    mac: str = ""
    model: str = ""
    asset_no: str = ""
    old: Net
    new: Net
    confirm_seconds: Count
    boot_seconds: Count
    contact: str = ""
    folder: AbsolutePath
    contents: Annotated[tuple[Content, ...], Field(min_length=1)]
    written: Sentences = ()


class Move(_Part):
    """One workload's move.  `wave` is 0 and `schedule` null while it has no date."""

    id: Id
    site: str
    unit: str = ""
    names: tuple[DnsName, ...]
    placement: Placement
    strength: str = ""
    profile: str = ""
    wave: Count
    group: Id
    carried_out: Literal["planner", "by hand"]
    steps: tuple[Annotated[str, Field(pattern=r"^[a-z][a-z-]*$")], ...]
    bytes: Count = 0
    files: Count = 0
    hours: Hours = {}
    facts: Hash
    schedule: Schedule | None = None
    source: Source
    destination: Destination
    stack: Stack | None = None
    retirement: Retirement | None = None
    colocation: Colocation | None = None
    dns: Dns | None = None
    gates: tuple[Gate, ...] = ()
    checks: Texts = ()
    findings: tuple[Finding, ...] = ()
    size: Size | None = None
    cost: Cost | None = None
    why_not_earlier: tuple[Refusal, ...] = ()
    seeds: Texts = ()
    note: Sentence = ""


class Group(_Part):
    """Moves of one night, and why; `after` names the groups that have to be moved before it."""

    group: Id
    moves: Annotated[Ids, Field(min_length=1)]
    why: Sentences = ()
    after: Ids = ()


class Cycle(_Part):
    """Moves each of which was to go before the other, and so go together."""

    moves: Ids
    why: Sentences = ()


class Left(_Part):
    """A workload that stays where it is."""

    site: str
    unit: str = ""
    recommendation: str = ""
    why: Sentence


class HostFree(_Part):
    """A host that something leaves: the day from which it can be switched off, null while `kept_by` sites need it."""

    host: Machine
    on: Day | None = None
    kept_by: Sentences = ()


class Shortfall(_Part):
    """What is lacking, by when and for which moves; `nodes` as large as the largest there is would do, null where that is not known."""

    kind: str
    zone: str = ""
    labels: Texts = ()
    resource: str
    lacking: Amount
    by: Day | None = None
    nodes: Count | None = None
    workloads: Texts = Field(default=(), alias="for")


class AddressesMissing(_Part):
    """Addresses that no pool has left."""

    zone: str = ""
    version: Literal[4, 6] = 4
    lacking: Count
    workloads: Texts = Field(default=(), alias="for")


class Total(_Part):
    """A sum of costs; `*_unknown` counts the workloads whose cost is not in it."""

    count: Count = 0
    yearly: Money = "0"
    yearly_unknown: Count = 0
    once: Money = "0"
    once_unknown: Count = 0


class Unknown(_Part):
    """Why costs are unknown, and of how many workloads."""

    why: str
    count: Count


class Costs(_Part):
    """What all of it costs."""

    currency: str
    total: Total
    by_unit: Annotated[dict[str, Total], AfterValidator(_sorted)] = {}
    by_placement: Annotated[dict[str, Total], AfterValidator(_sorted)] = {}
    unknown: tuple[Unknown, ...] = ()


class Plan(_Part):
    """The whole document."""

    format: Literal[2]
    id: Annotated[str, Field(pattern=r"^plan-[0-9a-f]{10}$")]
    fingerprint: Hash
    first_day: Day
    made_from: MadeFrom
    follows: Annotated[str, Field(pattern=r"^(plan-[0-9a-f]{10})?$")] = ""
    waves: tuple[Wave, ...] = ()
    moves: tuple[Move, ...] = ()
    groups: tuple[Group, ...] = ()
    cycles: tuple[Cycle, ...] = ()
    left: tuple[Left, ...] = ()
    hosts_free: tuple[HostFree, ...] = ()
    shortfall: tuple[Shortfall, ...] = ()
    addresses_missing: tuple[AddressesMissing, ...] = ()
    costs: Costs | None = None
    problems: Sentences = ()

    def plain(self) -> dict[str, Any]:
        """The document as plain data: keys in the model's order, every part that does not apply is there and empty."""
        return self.model_dump(mode="json", by_alias=True)
