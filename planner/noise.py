"""What changes from request to request, told from what differs between two servers.  Pure.

In: answers of the source, the first of them the measure, and answers of the destination, each as lines, or as a set of links.  Out: the
places where every answer of the destination differs from the source and the source's own unrest does not explain it.  Clocks, nonces,
counters and random boxes show themselves when the source is asked again; what a place may hold instead is bounded by what it held there.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from urllib.parse import urlsplit

from inventory.inspection.references import is_address

_MAX_ALIGN = 1000  # beyond this many changed units alignment is too slow; whole stretches are compared instead
# An ASCII word with its punctuation stays whole, so that a nonce is one token; CJK is compared by character.
_TOKEN = re.compile(r"[!-~]+|[^\s!-~]")
_WIDE = re.compile(r"[\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
_FOREIGN = re.compile(r"[^\x00-\x7f\ufffd]{4,400}")

Change = tuple[Sequence[str], Sequence[str], Sequence[str]]
Texts = Sequence[str]


class Unstable(Exception):
    """The source's answers share too little for a comparison."""


@dataclass(frozen=True)
class Place:
    """A stretch of the first answer's lines, from `start` up to `end`, that differs: of the source, again, of the destination."""

    start: int
    end: int
    change: Change

    def meets(self, other: Place) -> bool:
        """Whether the two touch."""
        return self.start <= other.end and other.start <= self.end


def differing(sources: Sequence[Texts], others: Sequence[Texts]) -> list[Change]:
    """What differs in every pairing of two answers of the source with one of the destination, at the same place of the first answer.

    `sources` has two answers at least, `others` one.  Raises Unstable.
    """
    first, *again = sources
    if others[0] in sources:
        return []
    standing = _places(first, again[0], others[0])
    for second in again:
        for other in others:
            if not standing:
                return []
            found = _places(first, second, other)
            standing = [place for place in standing if any(place.meets(one) for one in found)]
    return [place.change for place in standing]


def unexplained(first: Texts, second: Texts, other: Texts) -> list[Change]:
    """`differing` of two answers and one."""
    return [place.change for place in _places(first, second, other)]


def lost_in_shuffle(sources: Sequence[Texts], others: Sequence[Texts]) -> list[Change]:
    """Lines that are gone or new in a page that has the same lines each time, in another order.

    Alignment sees unrest in such a page, and would forgive a line that is lost there.  Numbers in lines may move.
    """
    counted = [Counter(lines) for lines in (*sources, *others)]
    common = counted[0].copy()
    for one in counted[1:]:
        common &= one
    kinds = [Counter(map(_kind, (one - common).elements())) for one in counted]
    ours, theirs = kinds[: len(sources)], kinds[len(sources) :]
    if any(one != ours[0] for one in ours) or any(one == ours[0] for one in theirs) or all(lines == sources[0] for lines in sources):
        return []
    lost, new = ours[0] - theirs[0], theirs[0] - ours[0]
    gone = [line for line in sources[0] if _kind(line) in lost]
    return [(gone, gone, [line for line in others[0] if _kind(line) in new])]


_FIGURES = re.compile(rb"([0-9A-Fa-f]{8,}|[0-9]+)")


def same_but_figures(first: bytes, second: bytes, other: bytes) -> bool:
    """Whether the three are the same but for numbers and hexadecimal words, and where other numbers stand than at first, the source moves.

    What needs no taking apart: most pages that are restless are so by their tokens, clocks and counters alone.
    """
    pieces = [text.split(b"<") for text in (first, second, other)]
    if not len(pieces[0]) == len(pieces[1]) == len(pieces[2]):
        return False
    return all(a == c or _figures_alike(a, b, c) for a, b, c in zip(*pieces, strict=True))


def _figures_alike(first: bytes, second: bytes, other: bytes) -> bool:
    ours, again, theirs = (_FIGURES.split(text) for text in (first, second, other))
    if not len(ours) == len(again) == len(theirs) or not ours[::2] == again[::2] == theirs[::2]:
        return False
    return all(a == c or a != b for a, b, c in zip(ours[1::2], again[1::2], theirs[1::2], strict=True))


def _kind(line: str) -> str:
    return re.sub(r"[0-9a-fA-F]{8,}|\d+", "#", line)


def _places(first: Texts, second: Texts, other: Texts) -> list[Place]:
    """Where `other` differs from the source and noise does not cover it.  Lines are aligned three-way, then the words inside."""
    out: list[Place] = []
    noise = 0
    for start, lines in _merged(first, second, other):
        ours, again, theirs = lines
        if theirs in (ours, again):
            continue
        words = [_TOKEN.findall("\n".join(part)) for part in lines]
        stretches = list(merge(*words))
        changed = len(words[0]) - len(_matches(words[0], words[1])) if ours != again else 0
        noise += changed
        if ours != again and 2 * changed > max(len(words[0]), len(words[1])):
            stretches = [(words[0], words[1], words[2])]  # mostly noise: what matches inside does so by chance
        if any(c not in (a, b) and not _covered(a, b, c) for a, b, c in stretches):
            out.append(Place(start, start + len(ours), lines))
    total = sum(len(_TOKEN.findall(line)) for line in first)
    if noise > 20 and 2 * noise > total:
        raise Unstable(f"{noise} of {total} words change with each request")
    return out


def _covered(ours: Texts, again: Texts, theirs: Texts) -> bool:
    """Whether what stands there is of the kind that stood there: no longer by much, no Chinese among what was none, nothing broken.

    Where something stood each time, something must stand; and what most of it was each time may not be missing.
    """
    longest = max(len(ours), len(again))
    if ours == again or len(theirs) > 2 * longest + 8 or (ours and again and not theirs):
        return False
    if 2 * len(_matches(ours, again)) >= longest:
        return False
    known, now = "".join([*ours, *again]), "".join(theirs)
    return not (("\ufffd" in now and "\ufffd" not in known) or (_WIDE.search(now) and known and not _WIDE.search(known)))


def merge(first: Texts, second: Texts, other: Texts) -> Iterator[Change]:
    """Three-way alignment on `first`: yields the stretches where not all three are the same, in order."""
    return (change for _, change in _merged(first, second, other))


def _merged(first: Texts, second: Texts, other: Texts) -> Iterator[tuple[int, Change]]:
    """`merge`, each stretch with where it begins in `first`."""
    to_second, to_other = _matches(first, second), _matches(first, other)
    i = j = k = 0
    for at in [*sorted(to_second.keys() & to_other.keys()), len(first)]:
        end_j, end_k = to_second.get(at, len(second)), to_other.get(at, len(other))
        if at == len(first):
            end_j, end_k = len(second), len(other)
        if (at, end_j, end_k) != (i, j, k):
            yield i, (first[i:at], second[j:end_j], other[k:end_k])
        i, j, k = at + 1, end_j + 1, end_k + 1


def _matches(first: Texts, other: Texts) -> dict[int, int]:
    """Index in `first` → index in `other` of the same unit; both ascend."""
    start, shorter = 0, min(len(first), len(other))
    while start < shorter and first[start] == other[start]:
        start += 1
    tail = 0
    while tail < shorter - start and first[-1 - tail] == other[-1 - tail]:
        tail += 1
    found = {i: i for i in range(start)}
    left, right = first[start : len(first) - tail], other[start : len(other) - tail]
    if left and right and max(len(left), len(right)) <= _MAX_ALIGN:
        for block in difflib.SequenceMatcher(None, left, right).get_matching_blocks():
            found.update((start + block.a + n, start + block.b + n) for n in range(block.size))
    found.update((len(first) - tail + n, len(other) - tail + n) for n in range(tail))
    return found


def shape(url: str) -> str:
    """A URL without what changes from request to request: numbers, long hexadecimal words, values of the query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    keys = sorted(pair.partition("=")[0] for pair in parts.query.split("&"))
    path = re.sub(r"[0-9a-fA-F]{8,}|\d+", "#", parts.path)
    return f"{parts.scheme}://{parts.netloc}{path}?{'&'.join(keys)}"


Members = frozenset[str]


def lost(sources: Sequence[Members], others: Sequence[Members]) -> list[str]:
    """Members that every answer of the source has and none of the destination; shapes of unstable members are forgiven."""
    always = frozenset.intersection(*sources)
    noisy = {shape(item) for item in frozenset.union(*sources) - always}
    return sorted(item for item in always - frozenset.union(*others) if shape(item) not in noisy)


def gained(sources: Sequence[Members], others: Sequence[Members]) -> list[str]:
    """Members that every answer of the destination has and none of the source.

    Where the source shows other ones each time, as many others are forgiven, of hosts that it refers to.
    """
    known = frozenset.union(*sources)
    moving = known - frozenset.intersection(*sources)
    noisy = {shape(item) for item in moving}
    new = sorted(item for item in frozenset.intersection(*others) - known if shape(item) not in noisy)
    hosts = {_host(item) for item in moving}
    random = [item for item in new if _host(item) in hosts and not is_address(_host(item))]
    return [item for item in new if item not in random] if len(random) <= len(moving) else new


def _host(item: str) -> str:
    """The host of a URL, or of the URL in a form's shape; "" when there is none."""
    found = re.search(r"https?://([^/?# ]*)", item)
    return found[1].rpartition("@")[2].partition(":")[0] if found else ""


Moving = tuple[tuple[str, re.Pattern[str]], ...]


def masked(every: Sequence[Texts], moving: Moving) -> list[tuple[str, ...]]:
    """Each answer's lines with what moves by nature (`2 minutes ago`, `read 17 times`) replaced by what it is.

    A line that stands in every answer needs no look.
    """
    common = set(every[0]).intersection(*every[1:])
    return [tuple(line if line in common else _masked(line, moving) for line in lines) for lines in every]


@lru_cache(maxsize=4096)
def _masked(line: str, moving: Moving) -> str:
    for name, pattern in moving:
        line = pattern.sub(_replacement(name), line)
    return line


def _replacement(name: str) -> Callable[[re.Match[str]], str]:
    """A group `keep` stays: it tells what is counted, and only the figure moves."""

    def replaced(match: re.Match[str]) -> str:
        kept = match.groupdict().get("keep") or ""
        return f"{kept}‹{name}›"

    return replaced


_CLOCK = re.compile(r"(?<![\d:])(\d{1,2}:\d{2})(?::\d{2})?(?![\d:])")
_ZONES = (0, 8)
_MINUTES = range(-3, 4)


def without_clock(lines: Texts, answered: datetime) -> tuple[str, ...]:
    """Lines in which times of day within three minutes of the answer, in UTC or in China's time, are `‹now›`."""
    near = {f"{at:%H:%M}" for hours in _ZONES for m in _MINUTES for at in [answered.astimezone(UTC) + timedelta(hours=hours, minutes=m)]}
    return tuple(_CLOCK.sub(lambda match: "‹now›" if match[1].zfill(5) in near else match[0], line) for line in lines)


def garbled(lines: Iterable[str]) -> list[str]:
    """Words that are Chinese in UTF-8 read as GBK or as Latin-1: their bytes are good UTF-8 of other Chinese.

    Of three characters that come out so, chance makes one word in a hundred million.
    """
    return [
        word for line in lines for word in _FOREIGN.findall(line) if any(_chinese_inside(word, codec) for codec in ("gb18030", "cp1252"))
    ]


def _chinese_inside(word: str, codec: str) -> bool:
    data = word.encode(codec, "ignore")
    for start in range(3):  # the first and the last character may have been cut
        for cut in range(3):
            try:
                text = data[start : len(data) - cut].decode("utf-8")
            except UnicodeDecodeError:
                continue
            wide = len(_WIDE.findall(text))
            return wide >= 3 and wide >= 0.6 * len(text)
    return False
