"""One move's source and destination compared in full: rows and objects, files, certificates, then pages.

In: a move, logins and trusted keys.  Out: `Equality`, with a part for each; what could not be compared is never equal.  The order matters:
visiting a page may make an application write (caches, counters), so rows are read before the first page is asked for.
"""

from __future__ import annotations

import os
import posixpath
import secrets
import shlex
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from inventory import collector, ssh
from inventory.errors import HostError
from planner import contents, handshakes, postgresqlrows, verification
from planner.comparison import Traffic
from planner.contents import FilesComparison, RowsComparison
from planner.thresholds import Thresholds

PART_SECONDS = 1800.0


@dataclass(frozen=True)
class Hosts:
    """How the machines are reached, by address."""

    peer: Callable[[str], ssh.Peer]

    def run(self, address: str, script: str, *arguments: str) -> tuple[int, str]:
        """A script as root with arguments: exit status and what it printed.  Raises HostError when the visit itself failed."""
        nonce = secrets.token_hex(8)
        text = f"set -- {' '.join(shlex.quote(a) for a in arguments)}\n(\n{script}\n)\nprintf '\\nplanner-{nonce} %s\\n' \"$?\"\n"
        seen = ssh.visit(
            self.peer(address),
            collector.COMMAND,
            text.encode(),
            deadlines=ssh.Deadlines(command=PART_SECONDS),
            max_bytes=512_000_000,
        )
        body, mark, status = seen.output.decode("utf-8", "surrogateescape").rpartition(f"\nplanner-{nonce} ")
        if seen.outcome != "ok" or not mark:
            raise HostError(seen.outcome, f"{address}: {seen.detail or 'the script did not end'}", hint=ssh.OUTCOMES.get(seen.outcome, ""))
        return int(status), body


@dataclass(frozen=True)
class Equality:
    """The parts as plain JSON (None: there is nothing of that kind); verdict equal, different or insufficient."""

    pages: dict[str, Any] | None
    files: dict[str, Any] | None
    rows: dict[str, Any] | None
    tls: dict[str, Any] | None = None

    @property
    def parts(self) -> dict[str, dict[str, Any]]:
        """The parts that there are."""
        named = (("rows", self.rows), ("files", self.files), ("tls", self.tls), ("pages", self.pages))
        return {name: part for name, part in named if part is not None}

    @property
    def verdict(self) -> str:
        """Equal only when every part is."""
        verdicts = {part["verdict"] for part in self.parts.values()}
        return "different" if "different" in verdicts else "equal" if verdicts == {"equal"} else "insufficient"

    @property
    def reason(self) -> str:
        """All parts in one line."""
        return "; ".join(part["reason"] for part in self.parts.values())

    def to_json(self) -> dict[str, Any]:
        """As it is stored."""
        return {"pages": self.pages, "files": self.files, "rows": self.rows, "tls": self.tls}


def within(path: str, folder: str) -> bool:
    """Whether an absolute path lies below a folder, by their texts alone."""
    relative = posixpath.relpath(path, folder)
    return relative != "." and relative.partition("/")[0] != ".."


def configuration_path(move: Mapping[str, Any]) -> str | None:
    """The application's configuration file relative to the docroot: it differs on purpose, in its credentials.

    None without a database, and for a file outside of the docroot: a plan leaves such a site where it is.
    """
    file, docroot = move["source"]["config_file"], move["source"]["docroot"]
    return os.path.relpath(file, docroot) if file and move["source"]["database"] and within(file, docroot) else None


def compare(
    move: Mapping[str, Any], hosts: Hosts, *, pages: bool = True, limits: verification.Limits | None = None,
    rules: Thresholds | None = None, traffic: Traffic | None = None,
) -> Equality:  # fmt: skip
    """Everything of one move.  Raises HostError when one of the machines cannot be visited.

    `rules`: what differences weigh, none: as it ships; `traffic`: what the access log says of the site.
    """
    rows = _rows(move, hosts, rules) if move["source"]["database"] else None
    files = _files(move, hosts, rules)
    seen = presented = None
    if pages:
        addresses = move["source"]["address"], move["destination"]["address"]
        names = over_https(move)
        presented = handshakes.compare(names, *addresses, rules=rules) if names else None
        pins = presented.pins if presented else {}
        seen = verification.compare_site(
            names or move["names"], *addresses, move["seeds"], limits, tls=bool(names), pins=pins, rules=rules, traffic=traffic,
            old_names=[one for one in [str(move["source"]["host"])] if "." in one],
        ).to_json()  # fmt: skip
    return Equality(seen, files.to_json(), rows.to_json() if rows else None, presented.to_json() if presented else None)


def over_https(move: Mapping[str, Any]) -> list[str]:
    """The site's names that are served over HTTPS, none for a site of plain HTTP."""
    certificate = move["source"].get("certificate")
    return list(certificate["hosts"] or move["names"]) if certificate else []


Place = tuple[str, str, str]
"""What begins the names of what differs there, an address, a folder."""


def places_of(move: Mapping[str, Any]) -> list[Place]:
    """Where the files of a moved site lie: at the receiver, and on each node that serves them."""
    destination = move["destination"]
    places = [("", destination["receiver_address"], destination["docroot"])]
    if destination["front"]:
        docroot = f"/srv/cluster/sites/{destination['account']}/htdocs"
        places += [(f"{node}: ", address, docroot) for node, address in sorted(destination["node_addresses"].items())]
    return places


def _files(move: Mapping[str, Any], hosts: Hosts, rules: Thresholds | None) -> FilesComparison:
    """The docroot against each place that serves it."""
    places = places_of(move)
    own = configuration_path(move)
    ignore = ["*/.planner-*", ".planner-*", *([_literal(own)] if own else [])]
    wanted = [(move["source"]["address"], move["source"]["docroot"]), *((address, docroot) for _, address, docroot in places)]
    with ThreadPoolExecutor(max_workers=len(wanted)) as pool:
        source, *copies = pool.map(lambda place: checksums(hosts, *place), wanted)
    return together(
        [(name, contents.compare_files(source, copy, ignore, rules)) for (name, _, _), copy in zip(places, copies, strict=True)]
    )


def together(results: Sequence[tuple[str, FilesComparison]]) -> FilesComparison:
    """Several places as one: the worst counts, and what differs has its place in its name."""
    worst = next((r for _, r in results if r.verdict == "different"), next((r for _, r in results if r.verdict != "equal"), results[0][1]))

    def marked(kind: str) -> tuple[contents.ContentDifference, ...]:
        return tuple(replace(item, name=name + item.name) for name, result in results for item in getattr(result, kind))

    where = f" on each of {len(results)} machines" if len(results) > 1 and worst.verdict == "equal" else ""
    return FilesComparison(
        worst.verdict, worst.reason + where, worst.compared, marked("differences"), marked("not_compared"), results[0][1].ignored
    )


def _literal(path: str) -> str:
    """A glob that means this path alone."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in path)


def checksums(hosts: Hosts, address: str, docroot: str) -> Mapping[str, contents.Entry]:
    """All files of a folder.  Raises HostError when it cannot be read."""
    status, text = hosts.run(address, contents.CHECKSUM_SCRIPT, docroot)
    if status in {2, 3}:
        raise HostError("partial", f"{address}: {docroot} could not be read", hint="is the directory there, is sha256sum installed?")
    read = contents.parse_checksums(text)
    entries = dict(read.entries)
    if status or read.malformed:  # a directory that nobody could list: unknown, never equal
        entries["(directories that could not be read)"] = contents.Entry("?", "", 0)
    return entries


_ROWS_STATUS = {
    4: "there is no client of the database server",
    5: "the database server refuses us",
    6: "there is no such schema",
    7: "a table could not be read",
}


def _rows(move: Mapping[str, Any], hosts: Hosts, rules: Thresholds | None) -> RowsComparison:
    places: Sequence[tuple[str, str]] = [
        (move["source"]["address"], move["source"]["database"]["name"]),
        (move["destination"]["receiver_address"], move["destination"]["database"]["name"]),
    ]

    script = postgresqlrows.SCRIPT if move.get("stack") else contents.ROWS_SCRIPT

    def one(place: tuple[str, str]) -> contents.Rows:
        status, text = hosts.run(place[0], script, place[1])
        if status:
            raise HostError("partial", f"{place[0]}: schema {place[1]}: {_ROWS_STATUS.get(status, f'exit status {status}')}")
        try:
            return contents.parse_rows(text)
        except ValueError as error:
            raise HostError("partial", f"{place[0]}: schema {place[1]}: {error}") from error

    with ThreadPoolExecutor(max_workers=2) as pool:
        ours, theirs = pool.map(one, places)
    return contents.compare_rows(ours, theirs, rules)
