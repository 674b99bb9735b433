"""Two plans compared: what moves otherwise, when, where to, for how much, and what of what they were made from is not the same.  Pure.

In: two documents, perhaps the facts that each was built on.  Out: `Change`s in a fixed order, as data and as sentences in two languages.
Moves are the same when site and source host are; ids of moves and numbers of waves follow from other things.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from planner import freshness, wording
from planner.planwords import SENTENCES, WORDS

Document = Mapping[str, Any]
Facts = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Change:
    """One difference; `old` and `new` are None where a side has none.  `words` are further values of the sentence."""

    kind: str
    move: str = ""
    what: str = ""
    old: Any = None
    new: Any = None
    words: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"kind": self.kind, "move": self.move, "what": self.what, "old": self.old, "new": self.new, **self.words}

    def sentence(self, language: str = "en") -> str:
        """For people."""
        chinese = language == "zh_CN"

        def shown(value: Any) -> str:
            if isinstance(value, (list, tuple)):
                return ("、" if chinese else ", ").join(map(shown, value)) or shown("none")
            if value is None or value == "":
                return shown("unknown" if self.kind == "fact" else "none")
            text = value if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
            return WORDS.get(text, text) if chinese else text

        words = {name: shown(value) if value else "" for name, value in self.words.items()}
        if words.get("on"):
            words["on"] = f"（{words['on']} 割接）" if chinese else f", on {words['on']}"
        if words.get("by"):
            words["by"] = f"（{words['by']} 天）" if chinese else f" ({words['by']} days)"
        words |= {"what": shown(self.what), "old": shown(self.old), "new": shown(self.new)}
        return SENTENCES[self.kind][chinese].format(move=self.move, **words)


def lines(changes: Iterable[Change], language: str = "en") -> list[str]:
    """The changes as sentences."""
    return [change.sentence(language) for change in changes]


def compare(old: Document, new: Document, *, old_facts: Facts | None = None, new_facts: Facts | None = None) -> list[Change]:
    """All changes from one plan to another: what they were made from, moves in the order of their sites, groups, what is lacking, costs."""
    before, after = _moves(old), _moves(new)
    found = [Change("made from", what=part) for part in old["made_from"] if old["made_from"][part] != new["made_from"][part]]
    stays_before, stays_after = _left(old), _left(new)
    for key in sorted(before.keys() | after.keys()):
        if key not in after:
            why = _why_left(before[key], stays_after)
            found.append(Change("removed", key[0], old=before[key]["placement"], words={"why": why or "it is not mentioned"}))
        elif key not in before:
            found.append(_added(after[key], stays_before, key[0]))
        else:
            found += _facts(before[key], after[key], old_facts or {}, new_facts or {})
            found += _move(before[key], after[key], key[0])
    moved = {name for move in (*before.values(), *after.values()) for name in (move["site"], *move["names"])}
    found += _stays(stays_before, stays_after, moved)
    return [*found, *_groups(old, new), *_hosts(old, new), *_shortfall(old, new), *_costs(old, new), *_problems(old, new)]


def _moves(document: Document) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {(str(move["site"]), str(move["source"]["host"])): move for move in document["moves"]}


def _left(document: Document) -> dict[str, Mapping[str, Any]]:
    return {str(entry["site"]): entry for entry in document["left"]}


def _why_left(move: Mapping[str, Any], stays: Mapping[str, Mapping[str, Any]]) -> str:
    names = {move["site"], *move["names"], f"{move['site']}@{move['source']['host']}"}
    return next((str(stays[name]["why"]) for name in sorted(names) if name in stays), "")


def _night(move: Mapping[str, Any]) -> str:
    return str(move["schedule"]["cutover"]) if move["schedule"] else ""


def _to(move: Mapping[str, Any]) -> str:
    destination = move["destination"]
    return " ".join(dict.fromkeys(part for part in (destination["platform"], destination["flavour"]) if part))


def _added(move: Mapping[str, Any], stays: Mapping[str, Mapping[str, Any]], name: str) -> Change:
    words = {
        "placement": move["placement"], "to": _to(move) or "none", "wave": str(move["wave"]), "on": _night(move),
        "before": _why_left(move, stays) or "it was not known",
    }  # fmt: skip
    return Change("added", name, new=move["placement"], words=words)


def _facts(old: Mapping[str, Any], new: Mapping[str, Any], old_facts: Facts, new_facts: Facts) -> Iterator[Change]:
    if old["facts"] == new["facts"]:
        return
    name, known, now = str(new["site"]), old_facts.get(old["id"]), new_facts.get(new["id"])
    if known is None or now is None:
        yield Change("facts", name)
        return
    for item in freshness.changed(name, known, now):
        yield Change("fact" if item.fact else "facts", name, item.fact, item.old, item.new)


def _move(old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> Iterator[Change]:
    def one(kind: str, a: Any, b: Any, what: str = "", **words: str) -> Iterator[Change]:
        if a != b:
            yield Change(kind, name, what, a, b, words)

    yield from one("placement", old["placement"], new["placement"])
    yield from one("destination", _to(old), _to(new))
    if old["destination"]["nodes"] != new["destination"]["nodes"] and _to(old) == _to(new):
        yield Change("destination", name, "nodes", old["destination"]["nodes"], new["destination"]["nodes"])
    yield from one("address", old["destination"]["address"], new["destination"]["address"])
    yield from one("wave", old["wave"], new["wave"])
    before, after = old["schedule"] or {}, new["schedule"] or {}
    yield from one("cutover", before.get("cutover"), after.get("cutover"), by=_days(before.get("cutover"), after.get("cutover")))
    for key, what in (("notice", "notice"), ("start", "start"), ("ttl_lowered", "the TTL is lowered"), ("end", "end")):
        # what is as many days later as the cutover follows from that
        if before and after and _days(before[key], after[key]) != _days(before["cutover"], after["cutover"]):
            yield from one("schedule", before[key], after[key], what)
    if before and after:
        yield from one("pinned", *("pinned" if side["pinned"] else "not pinned" for side in (before, after)))
    yield from one("carried out", *(str(side["carried_out"]).removeprefix("by ") for side in (old, new)))
    yield from one("steps", old["steps"], new["steps"])
    for what, key in (("CPUs", "cpus"), ("memory", "memory_bytes"), ("disk", "disk_bytes")):
        a, b = ((side["size"] or {}).get(key) for side in (old, new))
        shown = ["unknown" if v is None else wording.size(v) if key.endswith("bytes") else v for v in (a, b)]
        if a != b:
            yield Change("size", name, what, shown[0], shown[1])
    for what in ("yearly", "once"):
        a, b = ((side["cost"] or {}).get(what) for side in (old, new))
        yield from one("cost", "unknown" if a is None else a, "unknown" if b is None else b, what)
    for skill in sorted({*old["hours"], *new["hours"]}):
        yield from one("hours", float(old["hours"].get(skill, 0)), float(new["hours"].get(skill, 0)), skill)
    yield from _said(old, new, name)
    yield from one("records", None if old["dns"] is None else old["dns"]["records"], None if new["dns"] is None else new["dns"]["records"])


def _said(old: Mapping[str, Any], new: Mapping[str, Any], name: str) -> Iterator[Change]:
    """Gates, findings and checks."""
    before, after = ({gate["rule"]: gate for gate in side["gates"]} for side in (old, new))
    for rule in sorted(before.keys() | after.keys()):
        if rule not in after:
            yield Change("gate removed", name, rule, before[rule]["message"])
        elif rule not in before:
            yield Change("gate added", name, rule, None, after[rule]["message"])
        elif before[rule]["settled"] != after[rule]["settled"]:
            now = after[rule]["settled"]
            yield Change("gate settled", name, rule, *(("not settled", "settled") if now else ("settled", "not settled")))
    for kind, part in (("finding", "findings"), ("check", "checks")):
        texts = [[item["message"] if part == "findings" else item for item in side[part]] for side in (old, new)]
        yield from (Change(f"{kind} removed", name, "", text) for text in texts[0] if text not in texts[1])
        yield from (Change(f"{kind} added", name, "", None, text) for text in texts[1] if text not in texts[0])


def _days(old: str | None, new: str | None) -> str:
    return f"{(date.fromisoformat(new) - date.fromisoformat(old)).days:+d}" if old and new and old != new else ""


def _stays(old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]], moved: set[str]) -> Iterator[Change]:
    for site in sorted(old.keys() | new.keys()):
        if site in moved or site.partition("@")[0] in moved:
            continue
        if site not in new:
            yield Change("left removed", site, "", old[site]["why"])
        elif site not in old:
            yield Change("left added", site, "", None, new[site]["why"])
        elif old[site]["why"] != new[site]["why"]:
            yield Change("left", site, "", old[site]["why"], new[site]["why"])


def _groups(old: Document, new: Document) -> Iterator[Change]:
    """Groups by their members, as far as these are in both plans."""
    sites = [{move["id"]: (str(move["site"]), str(move["source"]["host"])) for move in side["moves"]} for side in (old, new)]
    both = set(sites[0].values()) & set(sites[1].values())
    of: list[dict[tuple[str, str], str]] = []
    for names, side in zip(sites, (old, new), strict=True):
        of.append({names[move]: str(group["group"]) for group in side["groups"] for move in group["moves"] if names.get(move) in both})
    if any(set(side) != both for side in of):
        return  # an edited plan, whose groups do not cover its moves
    for kind, one, other in (("merged", of[1], of[0]), ("split", of[0], of[1])):
        for group in sorted(set(one.values())):
            parts = sorted({other[key] for key, name in one.items() if name == group})
            if len(parts) > 1:
                yield Change("merged", old=parts, new=group) if kind == "merged" else Change("split", old=group, new=parts)


def _shortfall(old: Document, new: Document) -> Iterator[Change]:
    sides = []
    for side in (old, new):
        entries = {(item["kind"], item["zone"], _what(item)): item for item in side["shortfall"]}
        entries |= {("address", item["zone"], f"IPv{item['version']}"): {**item, "by": None} for item in side["addresses_missing"]}
        sides.append(entries)
    for key in sorted(sides[0].keys() | sides[1].keys()):
        a, b = (_lacking(key, side[key]) if key in side else None for side in sides)
        if a != b:
            yield Change("shortfall added" if a is None else "shortfall removed" if b is None else "shortfall", "", " ".join(key), a, b)


def _what(item: Mapping[str, Any]) -> str:
    labels = item.get("labels")
    return f"{item['resource'].removesuffix('_bytes')} with {', '.join(labels)}" if labels else str(item["resource"])


def _hosts(old: Document, new: Document) -> Iterator[Change]:
    """Hosts that become free, are kept, or do so on another day."""
    sides = [{item["host"]: item for item in side.get("hosts_free") or ()} for side in (old, new)]
    for host in sorted(sides[0].keys() | sides[1].keys()):
        a, b = (side.get(host, {"on": None, "kept_by": []}) for side in sides)
        if a["on"] != b["on"]:
            yield Change("host free" if b["on"] else "host kept", host, "", a["on"], b["on"] or b["kept_by"])


def _lacking(key: tuple[str, str, str], item: Mapping[str, Any]) -> str:
    kind, zone, resource = key
    amount = wording.size(item["lacking"]) if item.get("resource", "").endswith("bytes") else f"{item['lacking']:g}"
    return " ".join(part for part in (kind, zone, resource.removesuffix("_bytes"), amount, f"({item['by']})" if item["by"] else "") if part)


def _costs(old: Document, new: Document) -> Iterator[Change]:
    for what in ("yearly", "once"):
        a, b = (f"{side['costs']['total'][what]} {side['costs']['currency']}" if side["costs"] else "unknown" for side in (old, new))
        if a != b:
            yield Change("total", "", what, a, b)


def _problems(old: Document, new: Document) -> Iterator[Change]:
    yield from (Change("problem removed", "", "", text) for text in old["problems"] if text not in new["problems"])
    yield from (Change("problem added", "", "", None, text) for text in new["problems"] if text not in old["problems"])
