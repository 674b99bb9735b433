"""A comparison as one self-contained page: verdict, figures, what differs side by side, what was not compared and why.  Pure.

In: `SiteComparison.to_json()` or the parts of an `Equality`, where it was made, the time, a language.  Out: HTML that loads nothing, runs
nothing and lets no text from a site become more than text.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup, escape

from planner import reportpage, verificationwords

SHOWN = 400
"""How many differences a page shows; the data file has all."""

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Shown:
    """One difference; `source` and `destination` have what is not the other's marked."""

    where: str
    kind: str
    severity: str
    source: Markup
    destination: Markup


@dataclass(frozen=True)
class Summary:
    """A part in figures; `reasons` are why something was not compared: reason, how many, examples."""

    kind: str
    verdict: str
    compared: int
    differ: int
    warnings: int
    design: int
    unknown: int
    reasons: tuple[tuple[str, int, tuple[str, ...]], ...]


def summaries(parts: Mapping[str, Json]) -> list[Summary]:
    """The parts of a comparison, in the order rows, files, tls, pages."""
    return [_summary(kind, parts[kind]) for kind in ("rows", "files", "tls", "pages") if parts.get(kind)]


def _summary(kind: str, part: Json) -> Summary:
    found = entries(kind, part)
    weighs = Counter(str(entry.get("severity", "block")) for entry in found)
    if kind == "pages":
        counts = part["counts"]
        missed = [(str(page["reason"]), str(page["url"])) for page in part["pages"] if page["outcome"] == "not_compared"]
        compared, differ = int(counts["equal"]) + int(counts["different"]), int(counts["different"])
    else:
        missed = [(str(entry["kind"]), str(entry["name"])) for entry in part.get("not_compared", ())]
        compared, differ = int(part["compared"]), len({entry["name"] for entry in found if entry.get("severity", "block") == "block"})
    examples: dict[str, list[str]] = defaultdict(list)
    for reason, name in missed:
        examples[reason].append(name)
    reasons = tuple(
        (reason, len(names), tuple(sorted(names)[:5])) for reason, names in sorted(examples.items(), key=lambda i: (-len(i[1]), i[0]))
    )
    return Summary(kind, str(part["verdict"]), compared, differ, weighs["warn"], weighs["design"], len(missed), reasons)


def entries(kind: str, part: Json) -> list[dict[str, Any]]:
    """All differences of a part, each with its `name`."""
    if kind != "pages":
        return [dict(entry) for entry in part.get("differences", ())]
    return [{"name": page["url"], **entry} for page in part["pages"] for entry in page["differences"]]


def side_by_side(parts: Mapping[str, Json]) -> tuple[list[Shown], int]:
    """What differs and was not meant to, what blocks first; and how many more there are."""
    every = [entry for kind in ("rows", "files", "tls", "pages") if parts.get(kind) for entry in entries(kind, parts[kind])]
    every = [entry for entry in every if entry.get("severity") != "design"]
    every.sort(key=lambda entry: (entry.get("severity", "block") != "block", str(entry["name"]), str(entry["kind"])))
    found = []
    for entry in every[:SHOWN]:
        ours, theirs = marked(str(entry["source"]), str(entry["destination"]))
        found.append(Shown(str(entry["name"]), str(entry["kind"]), str(entry.get("severity", "block")), ours, theirs))
    return found, len(every) - len(found)


def marked(source: str, destination: str) -> tuple[Markup, Markup]:
    """Two texts, escaped, each with what the other does not have marked: by words, Chinese by character."""
    ours, theirs = (re.findall(r"[!-~]+|\s+|[^\s!-~]", text[:1000]) for text in (source, destination))
    left, right = Markup(), Markup()
    if not ours or not theirs:  # all of it is new: marks would say nothing
        return _text(ours), _text(theirs)
    for tag, a, b, c, d in difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        left += _text(ours[a:b]) if tag == "equal" else _mark(ours[a:b])
        right += _text(theirs[c:d]) if tag == "equal" else _mark(theirs[c:d])
    return left, right


def _text(words: Sequence[str]) -> Markup:
    return escape(reportpage.visible("".join(words)))


def _mark(words: Sequence[str]) -> Markup:
    return Markup("<mark>{}</mark>").format(_text(words)) if words else Markup()


def page(data: Json, about: Mapping[str, str], at: datetime, language: str) -> str:
    """The page of `planner verify`; `about` has site, source and destination."""
    parts = {"pages": data}
    shown, more = side_by_side(parts)
    return render("comparison.html.j2", language, at, about=about, data=data, summaries=summaries(parts), shown=shown, more=more)


def render(template: str, language: str, at: datetime, **content: Any) -> str:
    """A template of this family; only a newline may be unprintable in what comes out."""
    environment = reportpage.environment(language, at.tzinfo)
    text = environment.get_template(template).render(say=verificationwords.speaker(language), language=language, at=at, **content)
    return "\n".join(map(reportpage.visible, text.split("\n")))
