"""lab.toml: read and check it before anything is started.

In: the path of lab.toml.  Out: a `Configuration` of plain values, or `WrongUse` with every mistake found, each as `file:line: what`.
"""

import difflib
import ipaddress
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from campuslab import WrongUse

Table = dict[str, Any]

# Kinds of table, and for each key of one its type and whether it must stand there.
KEYS: dict[str, dict[str, tuple[type, bool]]] = {
    "lab": {"name": (str, True), "bridge": (str, True), "domain": (str, True), "dns": (str, False)},
    "host": {
        "image": (str, True), "ip": (str, True), "role": (str, False), "seed": (str, False), "mem": (str, False),
        "disk": (str, False), "repo": (str, False), "autostart": (bool, False), "also": (list, False),
        "network": (str, False),
    },
    "image": {"parent": (str, True), "packages": (str, True)},
    "repo": {"parent": (str, True), "sets": (list, True)},
}  # fmt: skip
HOST_NAME = re.compile(r"[a-z][a-z0-9-]{0,12}")  # its network device is v-NAME, and a device's name has at most 15 characters
LAB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,40}")  # part of paths and of the cgroup's name
BASE = re.compile(r"base-[a-z]+")
MEMORY = re.compile(r"[1-9][0-9]*G")
DISK = re.compile(r"[1-9][0-9]*[MG]")


@dataclass(frozen=True)
class Host:
    """One host as declared: `mem` is the memory that it sees (not a limit), `disk` the size of its writable layer, `also` are further
    addresses of its network card; `network` is `lab` (its card has the address before it boots) or `own` (systemd-networkd sets it from
    a file of the host's, at every boot)."""

    name: str
    image: str
    ip: str
    role: str = ""
    seed: str = ""
    mem: str = ""
    disk: str = "4G"
    repo: str = ""
    autostart: bool = True
    also: Sequence[str] = ()
    network: str = "lab"


@dataclass(frozen=True)
class Image:
    """Packages added on a base image, or on another image."""

    name: str
    parent: str
    packages: tuple[str, ...]


@dataclass(frozen=True)
class Repository:
    """Packages offered to bare hosts; each set is what one run of the package manager asks for."""

    name: str
    parent: str
    sets: tuple[str, ...]


@dataclass(frozen=True)
class Configuration:
    """All of lab.toml.  `bridge` is the control side's address with its prefix; `dns` may be empty."""

    name: str
    bridge: ipaddress.IPv4Interface
    domain: str
    dns: str
    hosts: dict[str, Host]
    images: dict[str, Image]
    repositories: dict[str, Repository]

    def chain(self, image: str) -> list[str]:
        """An image and what lies under it, upper one first; the base image stands last."""
        names = [image]
        while names[-1] in self.images:
            names.append(self.images[names[-1]].parent)
        return names

    def base(self, image: str) -> str:
        """The base image under an image, or itself."""
        return self.chain(image)[-1]


def read(path: Path) -> Configuration:
    """Read lab.toml; seeds are looked for in the folder `seeds` beside it."""
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except OSError as error:
        raise WrongUse(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WrongUse(f"{path}: not TOML: {error}") from None
    mistakes = list(_shape(document)) or list(_meaning(document, path.parent / "seeds"))
    if mistakes:
        raise WrongUse("\n".join(f"{path}:{_line(text, table, key)}: {what}" for table, key, what in mistakes))
    lab = document["lab"]
    return Configuration(
        name=lab["name"],
        bridge=ipaddress.IPv4Interface(lab["bridge"]),
        domain=lab["domain"],
        dns=lab.get("dns", ""),
        hosts={name: Host(name=name, **table) for name, table in document["host"].items()},
        images={name: Image(name, table["parent"], tuple(table["packages"].split())) for name, table in document.get("image", {}).items()},
        repositories={name: Repository(name, table["parent"], tuple(table["sets"])) for name, table in document.get("repo", {}).items()},
    )


Mistake = tuple[str, str, str]  # table as written in its header, key or "", what is wrong


def _tables(document: Table) -> Iterator[tuple[str, str, Any]]:
    """Each table: its kind, its header, its content."""
    for kind in KEYS:
        content = document.get(kind, {})
        if kind == "lab":
            yield kind, kind, content
        elif isinstance(content, dict):
            yield from ((kind, f"{kind}.{name}", table) for name, table in content.items())


def _shape(document: Table) -> Iterator[Mistake]:
    """Unknown, missing and mistyped tables and keys."""
    for kind, content in document.items():
        if kind not in KEYS:
            yield kind, "", f"unknown table [{kind}]{_nearest(kind, KEYS)}"
        elif not isinstance(content, dict):
            yield "", kind, f"{kind} must be a table"
    for kind in ("lab", "host"):
        if kind not in document:
            yield "", "", f"no table [{'lab' if kind == 'lab' else 'host.NAME'}]"
    for kind, header, table in _tables(document):
        if not isinstance(table, dict):
            yield header, "", f"[{header}] must be a table"
            continue
        for key, value in table.items():
            if key not in KEYS[kind]:
                yield header, key, f"unknown key {key} in [{header}]{_nearest(key, KEYS[kind])}"
            elif not isinstance(value, KEYS[kind][key][0]):
                yield header, key, f"{key} in [{header}] must be a {KEYS[kind][key][0].__name__}"
            elif isinstance(value, list) and not all(isinstance(item, str) for item in value):
                yield header, key, f"{key} in [{header}] must hold strings only"
        for key, (_, needed) in KEYS[kind].items():
            if needed and key not in table and (kind != "lab" or "lab" in document):
                yield header, "", f"[{header}] has no {key}"


def _meaning(document: Table, seeds: Path) -> Iterator[Mistake]:
    """Values that cannot be, and names that lead nowhere; the shape is right."""
    lab, hosts, images, repositories = (document.get(kind, {}) for kind in KEYS)
    network = None
    try:
        bridge = ipaddress.IPv4Interface(lab["bridge"])
        network = bridge.network
    except ValueError as error:
        yield "lab", "bridge", f"bridge: {error}"
    if not LAB_NAME.fullmatch(lab["name"]):
        yield "lab", "name", f"name {lab['name']!r}: letters, digits, dot, dash and underscore only"
    if lab.get("dns") and not _address(lab["dns"]):
        yield "lab", "dns", f"dns: {lab['dns']!r} is not an IPv4 address"
    users = Counter(address for host in hosts.values() for address in [host["ip"], *host.get("also", [])])
    for name, host in hosts.items():
        header = f"host.{name}"
        if not HOST_NAME.fullmatch(name):
            yield header, "", f"host name {name!r}: at most 13 small letters, digits and dashes, a letter first"
        for key, text in [("ip", host["ip"]), *[("also", text) for text in host.get("also", [])]]:
            address = _address(text)
            if address is None:
                yield header, key, f"{key} {text!r} of {name} is not an IPv4 address"
            elif network is not None and (address not in network or address == bridge.ip):
                yield header, key, f"{key} {address} of {name} must lie in {network} and differ from the bridge's"
            if users[text] > 1:
                yield header, key, f"{key} {text} of {name} is given to {users[text]} hosts"
        if host["image"] not in images and not BASE.fullmatch(host["image"]):
            yield header, "image", f"image {host['image']} of {name} is neither base-SUITE nor declared as [image.{host['image']}]"
        if host.get("repo") and host["repo"] not in repositories:
            yield header, "repo", f"repo {host['repo']} of {name} is not declared as [repo.{host['repo']}]"
        if host.get("seed") and not (seeds / host["seed"]).is_file():
            yield header, "seed", f"seed {host['seed']} of {name} is not in {seeds}"
        if host.get("network", "lab") not in {"lab", "own"}:
            yield header, "network", f"network {host['network']!r} of {name}: lab or own"
        for key, form, example in (("mem", MEMORY, "2G"), ("disk", DISK, "512M or 2G")):
            if key in host and not form.fullmatch(host[key]):
                yield header, key, f"{key} {host[key]!r} of {name}: write it as {example}"
    for name, table in repositories.items():
        if not BASE.fullmatch(table["parent"]):
            yield f"repo.{name}", "parent", f"parent {table['parent']!r} of {name} must be base-SUITE, as base-bookworm"
    for name, table in images.items():
        if table["parent"] not in images and not BASE.fullmatch(table["parent"]):
            what = f"parent {table['parent']!r} of {name} must be base-SUITE, as base-bookworm, or another image"
            yield f"image.{name}", "parent", what
        elif _endless(name, images):
            yield f"image.{name}", "parent", f"the parents of {name} lead back to it"


def _endless(name: str, images: Table) -> bool:
    """Do an image's parents lead back to it, and so to no base image?"""
    above: set[str] = set()
    while name in images and name not in above:
        above.add(name)
        name = images[name]["parent"]
    return name in above


def _address(text: str) -> ipaddress.IPv4Address | None:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        return None


def _nearest(word: str, known: Any) -> str:
    near = difflib.get_close_matches(word, known, 1, 0.5)
    return f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"


def _line(text: str, table: str, key: str) -> int:
    """The line on which a key (or its table's header) stands, for the eye of whoever corrects it; 1 when it stands nowhere."""
    current, found = "", 1
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]", line)
        if header:
            current = header[1].replace('"', "")
            if current == table:
                found = number
        elif key and current == table and re.match(rf'\s*"?{re.escape(key)}"?\s*=', line):
            return number
    return found
