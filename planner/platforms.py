"""Where workloads can go, and what it costs: the schema of the workspace's `inventory/platforms.yml`.

In: its data; `planner.platformsfile` reads the file and compares its parts.  Out: `Platforms`, frozen.  What ships are defaults drawn from
published hosting rules of universities; docs/platforms.md explains each key.  Sizes are bytes, or text such as `50 GB` (powers of 1000)
and `4 GiB` (powers of 1024).  Capacity that is left out is not counted; a price that is left out is unknown, never nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from decimal import Decimal
from typing import Annotated, Any, Literal

import netaddr
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from inventory.errors import InputError
from inventory.scope import parse_range

Placement = Literal["site-cluster", "virtual-host", "vps", "colocation", "retire"]
_UNITS = {"": 1, "B": 1} | {f"{letter}B": 1000**n for n, letter in enumerate(("k", "M", "G", "T", "P"), start=1)}
_UNITS |= {"KB": 1000} | {f"{letter}iB": 1024**n for n, letter in enumerate(("K", "M", "G", "T", "P"), start=1)}


def size(value: Any) -> int:
    """Bytes of `50 GB`, `1.5 TiB` or a whole number.  Raises ValueError (`Gb` would be bits, `50 G` says nothing)."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value // 1:
        return int(value)
    match = re.fullmatch(r"(\d{1,18}(?:\.\d{1,6})?) ?([A-Za-z]{1,3}|)", value.strip(), re.ASCII) if isinstance(value, str) else None
    if match is None or match.group(2) not in _UNITS:
        raise ValueError(
            f"{value!r} is no size: write a number of bytes, or one with {', '.join(unit for unit in _UNITS if unit)}, such as 50 GB"
        )
    amount = Decimal(match.group(1)) * _UNITS[match.group(2)]
    if amount != int(amount):
        raise ValueError(f"{value!r} is not a whole number of bytes")
    return int(amount)


def _no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("this is a number, not yes or no")
    return value


def _network(text: str) -> str:
    try:
        network = netaddr.IPNetwork(text)
    except (netaddr.AddrFormatError, ValueError) as error:
        raise ValueError(f"{text!r} is no network: write 198.51.100.0/24 or 2001:db8::/64") from error
    if "/" not in text or network.ip != network.network:
        raise ValueError(f"{text!r} is no network: did you mean {network.cidr}?")
    return text


def _address(text: str) -> str:
    try:
        netaddr.IPAddress(text)
    except (netaddr.AddrFormatError, ValueError) as error:
        raise ValueError(f"{text!r} is no address") from error
    return text


def _range(text: str) -> str:
    try:
        parse_range(text)
    except InputError as error:
        raise ValueError(error.message) from error
    return text


Bytes = Annotated[int, BeforeValidator(size), Field(ge=0)]
Some = Annotated[int, BeforeValidator(size), Field(gt=0)]
Count = Annotated[int, BeforeValidator(_no_boolean), Field(ge=0)]
Amount = Annotated[float, BeforeValidator(_no_boolean), Field(ge=0, allow_inf_nan=False)]
Cpus = Annotated[float, BeforeValidator(_no_boolean), Field(gt=0, allow_inf_nan=False)]
Factor = Annotated[float, BeforeValidator(_no_boolean), Field(ge=1, le=100, allow_inf_nan=False)]
Money = Annotated[Decimal, BeforeValidator(_no_boolean), Field(ge=0, allow_inf_nan=False, max_digits=15, decimal_places=4)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*$")]
Address = Annotated[str, AfterValidator(_address)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Used(_Strict):
    """What a node already carries beside the moves that we plan."""

    accounts: Count = 0
    disk_bytes: Bytes = 0
    cpus: Amount = 0
    memory_bytes: Bytes = 0


class Node(_Strict):
    """A machine of the center's."""

    name: Name
    address: str


PHP_MODULES = (
    "calendar", "ctype", "curl", "dom", "exif", "ffi", "fileinfo", "filter", "ftp", "gd", "gettext", "hash", "iconv", "intl", "json",
    "libxml",
    "mbstring", "mysqli", "mysqlnd", "opcache", "openssl", "pcre", "pdo", "pdo_mysql", "phar", "posix", "readline", "session", "shmop",
    "simplexml", "sockets", "sodium", "sysvmsg", "sysvsem", "sysvshm", "tokenizer", "xml", "xmlreader", "xmlwriter", "xsl", "zip", "zlib",
)  # fmt: skip
"""What the role vhost_server installs, as Debian divides PHP into packages: fpm, common, curl, gd, intl, mbstring, mysql, xml, zip."""


class VirtualHostServer(Node):
    """A server for virtual hosts, with what it can take."""

    php: tuple[str, ...] = ("8.2",)
    php_modules: tuple[str, ...] = PHP_MODULES
    databases: tuple[str, ...] = ("MariaDB 10.11",)
    disk_bytes: Bytes = 200_000_000_000
    accounts: Count = 100
    cpus: Cpus | None = None
    memory_bytes: Some | None = None
    zone: str = "default"
    labels: tuple[str, ...] = ()
    used: Used = Used()
    quota_bytes: Bytes = 1_000_000_000
    quota_most_bytes: Bytes = 10_000_000_000


class Cluster(_Strict):
    """A site cluster: a front and its nodes; `plugins` and `themes` are what its profile `wordpress` allows."""

    name: Annotated[str, Field(min_length=1)]
    front: Node
    nodes: Annotated[tuple[Node, ...], Field(min_length=1)]
    profiles: tuple[str, ...] = ("static",)
    disk_bytes: Bytes = 200_000_000_000
    cpus: Cpus | None = None
    memory_bytes: Some | None = None
    zone: str = "default"
    labels: tuple[str, ...] = ()
    used: Used = Used()
    plugins: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()


class VpsNode(_Strict):
    """A hypervisor.  Its capacity is `cpus` × `cpu_overcommit` and `memory_bytes` × `memory_overcommit`, before the reserve."""

    name: Name
    cpus: Cpus
    memory_bytes: Some
    disk_bytes: Some
    cpu_overcommit: Factor = 1.0
    memory_overcommit: Factor = 1.0
    zone: str = "default"
    labels: tuple[str, ...] = ()
    used: Used = Used()

    @property
    def virtual_cpus(self) -> float:
        """How many CPUs its guests may have together."""
        return self.cpus * self.cpu_overcommit

    @property
    def virtual_memory_bytes(self) -> int:
        """How much memory its guests may have together."""
        return int(self.memory_bytes * Decimal(str(self.memory_overcommit)))


class VpsMachine(Node):
    """A virtual machine that the center has made and that answers over SSH (provider `existing`); `workloads` are those it is for, by name.

    `release` is what runs on it, since packages are named by it.
    """

    release: Literal["debian-12", "debian-13"] = "debian-12"
    workloads: Annotated[tuple[str, ...], Field(min_length=1)]


class Flavour(_Strict):
    """A size of VPS that is on offer; `yearly` is its price."""

    name: Name
    cpus: Cpus
    memory_bytes: Some
    disk_bytes: Some
    yearly: Money | None = None


class Rack(_Strict):
    """A rack of the machine room: units, power and switch ports, and what is taken of them.

    Units and ports are given out upwards: of `used_units` 30, U1 to U30 are taken.  `switch` is its switch's name, `feeds` those of its
    power feeds.
    """

    name: Name
    units: Count = 42
    used_units: Count = 0
    power_w: Count | None = None
    used_power_w: Count = 0
    ports: Count | None = None
    used_ports: Count = 0
    switch: str = ""
    feeds: tuple[str, ...] = ()
    zone: str = "default"
    labels: tuple[str, ...] = ()


class Pool(_Strict):
    """Addresses that we may give out; `reserved` keeps some for workloads by name."""

    name: Name
    network: Annotated[str, AfterValidator(_network)]
    placements: tuple[Placement, ...] = ("vps", "colocation")
    zone: str = "default"
    gateway: Address | None = None
    vlan: Annotated[int, BeforeValidator(_no_boolean), Field(ge=1, le=4094)] | None = None
    exclude: tuple[Annotated[str, AfterValidator(_range)], ...] = ()
    reserved: dict[str, Address] = {}

    @property
    def usable(self) -> netaddr.IPSet:
        """What may be given out, reservations included: without the network's own and its broadcast address, gateway and exclusions."""
        network = netaddr.IPNetwork(self.network)
        found = netaddr.IPSet([network])
        if network.size > 2:
            found.remove(network.network)
            if network.version == 4:
                found.remove(network.broadcast)
        for text in (*self.exclude, *([self.gateway] if self.gateway else [])):
            found -= parse_range(text)
        return found


class SharedTariff(_Strict):
    """A place on shared servers for a year: `yearly`, and `per_gb` for each started GB beyond `included_gb`."""

    yearly: Money
    per_gb: Money = Decimal(0)
    included_gb: Count = 0


class VpsTariff(_Strict):
    """Disk beyond a flavour's own, for each started GB a year."""

    per_gb: Money


class ColocationTariff(_Strict):
    """A machine in our room for a year: `yearly`, for each rack unit, and for each started 100 W."""

    yearly: Money
    per_u: Money = Decimal(0)
    per_100w: Money = Decimal(0)


class RetireTariff(_Strict):
    """What keeping a closed site's archive costs for each started GB a year."""

    archive_per_gb: Money


class Tariffs(_Strict):
    """Prices.  A tariff that is left out makes that cost unknown; a part that a written tariff leaves out is not charged."""

    currency: str = "CNY"
    hour: Money | None = None
    site_cluster: SharedTariff | None = None
    virtual_host: SharedTariff | None = None
    vps: VpsTariff | None = None
    colocation: ColocationTariff | None = None
    retire: RetireTariff | None = None


class Reserve(_Strict):
    """What stays free: a share of each node, and room for the largest `nodes` of a kind to fail (N+1)."""

    share: Annotated[float, BeforeValidator(_no_boolean), Field(ge=0, lt=1, allow_inf_nan=False)] = 0.2
    nodes: Count = 1


class Headroom(_Strict):
    """Factors over what was measured.  1.3 is the comfort factor of Azure Migrate's worked example; what is measured so well as memory and
    disk gets 1.25, the same as a fifth that stays free."""

    cpu: Factor = 1.3
    memory: Factor = 1.25
    disk: Factor = 1.25


class Dns(_Strict):
    """The name server that we may update (RFC 2136, TSIG)."""

    server: str
    zones: tuple[str, ...]
    key_file: str
    lowered_ttl: Annotated[int, Field(ge=5, le=3600)] = 60


class Archive(Node):
    """The machine that keeps what was closed, in `folder`, for `keep_years` after the cutover."""

    folder: Annotated[str, Field(pattern=r"^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$")] = "/srv/archive"
    keep_years: Annotated[int, BeforeValidator(_no_boolean), Field(ge=1, le=100)] = 3


class Gone(_Strict):
    """How a closed site's names are answered: by the front of this cluster or this virtual-host server; '' is the first that there is.

    `contact` stands on the page that says 410.  `wipe_after_days`: so long everything stays on the old host (published terms: 90).
    """

    front: str = ""
    contact: Annotated[str, Field(max_length=200)] = ""
    wipe_after_days: Annotated[int, BeforeValidator(_no_boolean), Field(ge=0, le=3660)] = 90


class Room(_Strict):
    """How a machine comes into our room.  `carried`: people carry it, switched off, and switch it on there; `stays`: it only restarts.

    After a start it waits `confirm_seconds` for us at its new address, then takes its old one back; `boot_seconds`: what a start may take.
    `contact` stands on the run-sheet: whom to call.
    """

    transport: Literal["carried", "stays"] = "carried"
    confirm_seconds: Annotated[int, BeforeValidator(_no_boolean), Field(ge=10, le=86400)] = 1800
    boot_seconds: Annotated[int, BeforeValidator(_no_boolean), Field(ge=10, le=3600)] = 900
    contact: Annotated[str, Field(max_length=200)] = ""


STANDARD = Flavour(name="standard", cpus=2, memory_bytes=4 * 1024**3, disk_bytes=50_000_000_000)
"""The VPS that published guides of universities give without asking for reasons: 2 CPUs, 4 GB, 50 GB."""


class Platforms(_Strict):
    """`inventory/platforms.yml`: where workloads can go."""

    virtual_hosts: tuple[VirtualHostServer, ...] = ()
    site_clusters: tuple[Cluster, ...] = ()
    vps_nodes: tuple[VpsNode, ...] = ()
    vps_machines: tuple[VpsMachine, ...] = ()
    flavours: tuple[Flavour, ...] = (STANDARD,)
    vps_default: str = STANDARD.name
    vps_system_bytes: Bytes = 10_000_000_000
    racks: tuple[Rack, ...] = ()
    pools: tuple[Pool, ...] = ()
    tariffs: Tariffs = Tariffs()
    reserve: Reserve = Reserve()
    headroom: Headroom = Headroom()
    growth_months: Annotated[int, BeforeValidator(_no_boolean), Field(ge=0, le=120)] = 12
    dns: Dns | None = None
    archive: Archive | None = None
    gone: Gone = Gone()
    room: Room = Room()

    @property
    def machines(self) -> tuple[Node, ...]:
        """Every machine of the platforms, once."""
        found: dict[str, Node] = {node.address: node for node in self.virtual_hosts}
        for cluster in self.site_clusters:
            found |= {node.address: node for node in (cluster.front, *cluster.nodes)}
        found |= {node.address: node for node in self.vps_machines}
        if self.archive is not None:
            found.setdefault(self.archive.address, self.archive)
        return tuple(found.values())

    @property
    def gone_front(self) -> VirtualHostServer | Cluster | None:
        """What answers for closed sites' names."""
        fronts: tuple[VirtualHostServer | Cluster, ...] = (*self.site_clusters, *self.virtual_hosts)
        return next((one for one in fronts if self.gone.front in {"", one.name}), None)

    def machine_for(self, names: Collection[str]) -> VpsMachine | None:
        """The virtual machine that was made for a workload of these names."""
        wanted = {name.lower() for name in names}
        return next((machine for machine in self.vps_machines if wanted & {name.lower() for name in machine.workloads}), None)

    def places(self, placement: str) -> tuple[str, ...]:
        """The names of what a workload of this placement can be put on: servers, clusters, hypervisors or racks."""
        kinds: dict[str, tuple[VirtualHostServer | Cluster | VpsNode | Rack, ...]] = {
            "site-cluster": self.site_clusters, "virtual-host": self.virtual_hosts, "vps": self.vps_nodes, "colocation": self.racks,
        }  # fmt: skip
        return tuple(item.name for item in kinds.get(placement, ()))

    @property
    def default_flavour(self) -> Flavour | None:
        """The VPS that needs no reason; None when no VPS is on offer."""
        return next((flavour for flavour in self.flavours if flavour.name == self.vps_default), None)
