"""What every probe is made of: a section of POSIX sh that runs on the host, and a pure parser of what it printed.

In: the text a section printed (`Section`).  Out: `Observation`s, each naming the line that proves it.  Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Section:
    """What one probe printed on one host.

    `status` is the shell's exit status (None when the section never ended), `seconds` its duration on the host,
    `privilege` is `root`, `helper` (as root, by the helper that the unit's admin installed), `user`, or `stale` (as a user, because the
    helper there is of another version).  `text` is decoded UTF-8; undecodable bytes are kept as surrogate escapes.
    """

    name: str
    text: str
    status: int | None = 0
    seconds: float = 0.0
    privilege: str = "root"
    truncated: bool = False

    @property
    def whole(self) -> bool:
        """Whether it was read with every right it could need."""
        return self.privilege in {"root", "helper"}


@dataclass(slots=True)
class Observation:
    """One thing read: its `kind` (`listener`, `vhost_file`, ...), its `data` (JSON), and the 1-based line of the section.

    Not frozen: there are a thousand for each host, and making a frozen one takes three times as long.
    """

    kind: str
    data: dict[str, Any]
    line: int


@dataclass(frozen=True)
class Probe:
    """A section of sh and its parser.  `seconds` bounds the section on the host; `max_bytes` what is kept of it.

    `root` says what only root may read there; '' where everybody may read all of it.
    """

    name: str
    script: str
    parse: Callable[[Section], list[Observation]]
    seconds: int = 20
    max_bytes: int = 4_000_000
    root: str = "files and processes of other users"


@dataclass
class Block:
    """A run of output under one marker line `@ tag value`: its lines without the `|`, with the line each stands on."""

    tag: str
    value: str
    line: int
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The block's lines joined by newlines."""
        return "\n".join(self.lines)


def blocks(text: str) -> Iterator[Block]:
    """Split a section into its blocks.  Marker: `@ tag value`; content: lines that begin with `|`.

    A line that is neither (a path with a newline in it, say) is a continuation of the marker's value, so that a hostile
    name can lengthen its own value but never forge a block: content is always prefixed by the host's script.
    """
    before, *parts = f"\n{text}".split("\n@ ")
    number = before.count("\n") + 1
    for part in parts:
        marker, *lines = part.split("\n|")
        ends = part.count("\n")
        if ends == len(lines):
            tag, _, value = marker.partition(" ")
            yield Block(tag, value, number, lines)
        else:
            yield Block(part.partition("\n")[0].partition(" ")[0], *_odd(part, number))
        number += ends + 1


def _odd(part: str, number: int) -> tuple[str, int, list[str]]:
    """A block's value, line and lines when some line in it is neither marker nor content."""
    first, *rest = part.split("\n")
    value, lines = [first.partition(" ")[2]], []
    for line in rest:
        if line.startswith("|"):
            lines.append(line[1:])
        elif line and not lines:
            value.append(line)
    return "\n".join(value), number, lines


def unknown(block: Block) -> Observation:
    """`@ unknown WHAT WHY` → an observation that says what could not be read and why."""
    what, _, why = block.value.partition(" ")
    return Observation("unknown", {"what": what, "why": why}, block.line)
