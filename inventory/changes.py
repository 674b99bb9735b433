"""What changed between two readings of a host: per observation and per site.  Pure but for its data file, `changes.yml`.

In: two `Reading`s (observations with their sections, and as whom they were read), older first.  Out: `Change`s, sorted.  Unknown is
never empty: what stands in a section that was not read this time is `unread`, not `removed`; what could not be read before is
`learned`, not `added`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from inventory import collector, identify, yamlfile
from inventory.catalogue import clean
from inventory.probes.base import Observation


class Kind(BaseModel):
    """How observations of one kind are compared.  `told_by_site` names the field with a path that a site's facts cover."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    key: tuple[str, ...] = ()
    volatile: tuple[str, ...] = ()
    ignore: bool = False
    told_by_site: str = ""


class SiteFacts(BaseModel):
    """Names of facts, and beginnings of names, that are not compared."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    volatile: tuple[str, ...] = ()
    volatile_groups: tuple[str, ...] = ()


class Rules(BaseModel):
    """The data file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    default: Kind
    kinds: dict[str, Kind]
    site_facts: SiteFacts


@cache
def rules() -> Rules:
    """What ships.  Raises ConfigurationError with `file:line:column`."""
    return yamlfile.read(Path(__file__).with_name("changes.yml")).validate(Rules)


@dataclass(frozen=True)
class Reading:
    """Observations of one host (section, observation), its privilege and the sections that came; `snapshot` is for evidence.

    `helped` are sections that were read as root although the visit was a user's.
    """

    observations: Sequence[tuple[str, Observation]]
    privilege: str = "root"
    sections: frozenset[str] = frozenset()
    snapshot: int = 0
    helped: frozenset[str] = frozenset()

    @classmethod
    def of(cls, transcript: collector.Transcript, found: Sequence[tuple[str, Observation]], snapshot: int = 0) -> Reading:
        """What a transcript gave."""
        helped = frozenset(section.name for section in transcript.sections if section.whole)
        return cls(found, transcript.privilege, frozenset(section.name for section in transcript.sections), snapshot, helped)

    def doubts(self, other: Reading) -> frozenset[str]:
        """Sections in which a thing that only `other` has may well exist: missing, read as less than root, or with new unknowns."""
        lost = other.sections - self.sections
        lost |= other._whole() - self._whole()
        mine, theirs = self._unknown(), other._unknown()
        return frozenset(lost | {section for section, what in mine - theirs})

    def _whole(self) -> frozenset[str]:
        return self.sections if self.privilege == "root" else self.helped

    def _unknown(self) -> set[tuple[str, str]]:
        return {(section, str(item.data.get("what"))) for section, item in self.observations if item.kind == "unknown"}


@dataclass(frozen=True)
class Change:
    """One difference.  `site` is '' for the host's own; `what` is a kind or a fact's name, `key` which one of its kind."""

    site: str
    what: str
    key: str
    change: str  # added | removed | changed | learned | unread
    field: str = ""
    before: Any = None
    after: Any = None


def _at(data: Mapping[str, Any], path: str) -> Any:
    value: Any = data
    for part in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, (list, tuple)) and part.isdigit():
            value = value[int(part)] if int(part) < len(value) else None
        else:
            return None
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


Keyed = dict[tuple[str, str], tuple[str, dict[str, Any]]]  # (kind, key) → section, data without what is volatile


def _keyed(observations: Iterable[tuple[str, Observation]], everything: bool) -> Keyed:
    found: Keyed = {}
    for section, item in observations:
        rule = rules().kinds.get(item.kind, rules().default)
        if rule.ignore and not everything:
            continue
        data = {str(name): clean(value) for name, value in item.data.items()}
        words = [_text(value) for path in (rule.key or ()) if (value := _at(data, path)) not in (None, "")]
        if rule is rules().default and not words:
            words = [_text(data)]
        if not everything:
            data = {name: value for name, value in data.items() if name not in rule.volatile}
        key, number = " ".join(words), 2
        while (item.kind, key) in found:  # two of the same key are told apart by their order
            key, number = f"{' '.join(words)} #{number}", number + 1
        found[item.kind, key] = (section, data)
    return found


def host_changes(old: Reading, new: Reading, *, everything: bool = False) -> list[Change]:
    """Observations that came, went or changed; `everything` also compares what is volatile (the same transcript parsed twice)."""
    before, after = _keyed(old.observations, everything), _keyed(new.observations, everything)
    gone, fresh = new.doubts(old), old.doubts(new)
    changes: list[Change] = []
    for place in sorted(before.keys() | after.keys()):
        kind, key = place
        if place not in after:
            changes.append(Change("", kind, key, "unread" if before[place][0] in gone else "removed", before=before[place][1]))
        elif place not in before:
            changes.append(Change("", kind, key, "learned" if after[place][0] in fresh else "added", after=after[place][1]))
        else:
            (_, left), (section, right) = before[place], after[place]
            for name in sorted(left.keys() | right.keys()):
                if left.get(name) != right.get(name):
                    word = _word(left.get(name), right.get(name), section in gone, section in fresh)
                    changes.append(Change("", kind, key, word, name, left.get(name), right.get(name)))
    return changes


def _word(before: Any, after: Any, gone: bool, fresh: bool) -> str:
    if after is None and gone:
        return "unread"
    return "learned" if before is None and fresh else "changed"


def sites(host: str, reading: Reading) -> dict[str, dict[str, Any]]:
    """Name → facts of the sites that identification finds in a reading."""
    seen = [identify.Seen(i.kind, clean(i.data), (reading.snapshot, section, i.line)) for section, i in reading.observations]
    return {site.name: site.facts for site in identify.sites(host, seen)}


def site_changes(
    before: Mapping[str, Mapping[str, Any]],
    after: Mapping[str, Mapping[str, Any]],
    gone: frozenset[str] = frozenset(),
    fresh: frozenset[str] = frozenset(),
    *,
    everything: bool = False,
) -> list[Change]:
    """Sites and their facts that came, went or changed; `gone` and `fresh` are the sections in doubt now and before."""
    changes: list[Change] = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            facts = old if new is None else new
            doubt = _rests_on(facts or {}, "site.vhosts", gone if new is None else fresh)
            word = ("unread" if doubt else "removed") if new is None else ("learned" if doubt else "added")
            changes.append(Change(name, "site", "", word))
            continue
        for fact in sorted(old.keys() | new.keys()):
            if not everything and (fact in rules().site_facts.volatile or fact.startswith(rules().site_facts.volatile_groups)):
                continue
            left, right = old.get(fact, {}).get("value"), new.get(fact, {}).get("value")
            if left == right and (fact in old) == (fact in new):
                continue
            if fact not in new:
                word = "unread" if _rests_on(old, fact, gone) else "removed"
            elif fact not in old:
                word = "learned" if _rests_on(new, fact, fresh) else "added"
            else:
                word = "changed"
            changes.append(Change(name, fact, "", word, before=left, after=right))
    return changes


def _rests_on(facts: Mapping[str, Any], fact: str, sections: frozenset[str]) -> bool:
    return any(len(place) > 1 and place[1] in sections for place in facts.get(fact, {}).get("evidence") or [])


def compare(host: str, old: Reading, new: Reading) -> list[Change]:
    """All changes of a host and its sites, the host's own first; what a site's facts tell is not repeated among the host's."""
    before, after = sites(host, old), sites(host, new)
    roots = {
        str(facts["site.docroot"]["value"]).rstrip("/") for found in (before, after) for facts in found.values() if "site.docroot" in facts
    }
    own = []
    for change in host_changes(old, new):
        field = rules().kinds.get(change.what, rules().default).told_by_site
        path = str((change.after or change.before or {}).get(field) or "") if field and not change.field else change.key.split(" ")[0]
        if not (field and any(path == root or path.startswith(root + "/") for root in roots)):
            own.append(change)
    return own + site_changes(before, after, new.doubts(old), old.doubts(new))
