"""The report's page: Jinja2 with autoescape over `templates/reports/`, and the filters that its templates use.  Pure.

In: what the templates show, the time, a language.  Out: HTML.  Observed text is hostile: each value becomes visible text (control and
bidirectional characters as `⟨U+202E⟩`) and is then escaped, without the templates having to ask for it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from planner import i18n, shipped, wording
from planner.policy import DIMENSIONS, PLACEMENTS
from planner.reportwords import Words

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_LONGEST = 1000


class _Shown(dict[str, str]):
    """How each character is shown; looked up once, because pages have millions."""

    def __missing__(self, character: str) -> str:
        hidden = unicodedata.category(character) in _HIDDEN
        shown = "⏎" if character == "\n" else f"⟨U+{ord(character):04X}⟩" if hidden else character
        self[character] = shown
        return shown


_SHOWN = _Shown()


def visible(text: str) -> str:
    """Text in which nothing hides: control, format and unassigned characters are written out, a newline as ⏎."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_SHOWN.__getitem__, text))


def _finalize(value: Any) -> Any:
    """Every value that a template prints comes through here, before it is escaped."""
    if isinstance(value, Markup):
        return value
    text = "" if value is None else str(value)
    return visible(text if len(text) <= _LONGEST else text[:_LONGEST] + "…")


def breakable(text: str) -> Markup:
    """A name or path that may be broken where a reader would break it: after dots and slashes."""
    parts = re.split(r"(?<=[./?&=_-])(?=\w)", visible(str(text)[:_LONGEST]))
    return Markup("<wbr>").join(parts)


def entry(text: str) -> str:
    """A file as comparisons write it (`f <sha256> <size>`), for people; all else as it stands."""
    match = re.fullmatch(r"f ([0-9a-f]{64}) (\d+)", text)
    return f"{wording.show('bytes', int(match[2]))}, sha256 {match[1][:16]}…" if match else text


def moment(at: datetime | None) -> str:
    """Date and time to the minute; the page names the zone once."""
    return at.strftime("%Y-%m-%d %H:%M") if at else "–"


def clock(at: datetime | None) -> str:
    """The time of day, to the second."""
    return at.strftime("%H:%M:%S") if at else "–"


def zone(at: datetime) -> str:
    """`UTC`, or `UTC+08:00`."""
    offset = at.strftime("%z")
    return "UTC" if offset in {"", "+0000"} else f"UTC{offset[:3]}:{offset[3:5]}"


def number(value: float) -> str:
    """Thin spaces between thousands; no letter that a language reads otherwise."""
    return f"{value:,.10g}".replace(",", "\u202f")


def segments(counts: Mapping[str, int], order: tuple[str, ...]) -> list[tuple[str, int, float, float]]:
    """A stacked bar: (code, count, start, width) in percent, known codes in their order, then the others."""
    codes = [code for code in order if counts.get(code)] + sorted(code for code in counts if code not in order and counts[code])
    total = sum(counts[code] for code in codes) or 1
    found, start = [], 0.0
    for code in codes:
        width = 100 * counts[code] / total
        found.append((code, counts[code], round(start, 2), round(width, 2)))
        start += width
    return found


def span(run: Any, step: Any) -> tuple[float, float]:
    """A step's bar on its run's time axis: (start, width) in percent, never too thin to be seen."""
    total = max(run.seconds, 1.0)
    start = 100 * (step.started - run.started).total_seconds() / total
    end = 100 * ((step.ended or step.started) - run.started).total_seconds() / total
    start = max(0.0, min(start, 98.5))
    return round(start, 2), round(max(1.5, min(end, 100.0) - start), 2)


def refusals(entries: Sequence[Mapping[str, Any]], words: Words) -> list[tuple[str, list[tuple[str, str]]]]:
    """Why not earlier, each reason once with the spans of nights that it refuses: [(sentence, [(first, last)])]."""
    found: dict[str, list[tuple[str, str]]] = {}
    for entry in entries:
        # the freezes stand above, beside the time axis
        said = words.frozen if entry["kind"] == "blackout" else words.refusal(str(entry["kind"]), str(entry["detail"]))
        found.setdefault(said, []).append((str(entry["from"]), str(entry["until"])))
    return list(found.items())


def proofs(site: Any, without: Sequence[str]) -> list[tuple[Any, str, list[tuple[Any, str]]]]:
    """A site's facts (but for `without`) by what proves them: [(place or None, why they all hold or '', [(fact, its own line)])].

    What one person answered, or one line of a visit shows, then stands under one heading.
    """
    found: dict[tuple[Any, ...], list[tuple[Any, str]]] = {}
    heads: dict[tuple[Any, ...], tuple[Any, str]] = {}
    for fact in site.facts.values():
        if fact.name in without:
            continue
        place = fact.evidence[0] if fact.evidence else None
        key: tuple[str, ...]
        head: tuple[Any, str]
        if place is None:
            key, line, head = ("",), "", (None, "")
        elif place.sheet:
            name, _, line = place.sheet.partition(":")
            why = fact.why if fact.name.startswith("answer.") else ""
            key, head = ("sheet", name, why), (replace(place, sheet=name), why)
        else:
            key, line, head = (place.host, place.section, f"{place.line:09}", str(place.at)), "", (place, "")
        heads.setdefault(key, head)
        found.setdefault(key, []).append((fact, line))
    return [(*heads[key], facts) for key, facts in sorted(found.items(), key=lambda item: (item[0] == ("",), item[0]))]


def environment(language: str, zone_: tzinfo | None = None) -> Environment:
    """Jinja for reports; a name that is not there is an error, never a gap."""
    translations = i18n.translator(language)
    words = Words(translations, zone_)
    env = Environment(
        loader=FileSystemLoader(shipped.folder("templates") / "reports"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    env.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]
    env.filters |= {
        "word": words.word, "advice": words, "difference": words.difference, "fact": words.fact, "group": words.group,
        "sentence": words.sentence, "breakable": breakable, "entry": entry, "duration": words.duration,
        "moment": moment, "clock": clock, "number": number,
        "size": lambda value: wording.show("bytes", value),
    }  # fmt: skip
    env.globals |= {
        "segments": segments, "span": span, "fact_value": words.value, "zone": zone, "range_": lambda *ends: tuple(range(*ends)),
        "refusals": lambda entries: refusals(entries, words), "placements": PLACEMENTS, "proofs": proofs, "dimensions": DIMENSIONS,
    }  # fmt: skip
    return env


def page(content: Mapping[str, Any], at: datetime, language: str) -> str:
    """The whole page.  The last look goes over all of it: only a newline may be unprintable, whatever a template did."""
    text = environment(language, at.tzinfo).get_template("report.html.j2").render(**content, language=language, at=at)
    return "\n".join(map(visible, text.split("\n")))
