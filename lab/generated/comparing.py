"""What the product found, held against what was generated: recall and precision of names and of each property, and every deviation by name.

In: `truth.json`'s data and what the catalogue says of each workload (`Found`).  Out: a `Comparison`.  Pure.

A property that no transcript holds (`tellable`) counts for neither; an answer given all the same is held against the truth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from generated.truth import PROPERTIES


@dataclass(frozen=True)
class Found:
    """A workload of the catalogue: `address` of its host, None when it was only declared; `facts` are values by name."""

    name: str
    address: str | None
    status: str
    unit: str | None
    facts: Mapping[str, Any]

    def told(self, what: str) -> Any:
        """The product's word on a property of the truth, None when it says nothing."""
        if what == "unit":
            return self.unit
        if what == "php":
            return "" if self.facts.get("site.php") is False else self.facts.get("site.php_version")
        if what == "database":
            return "" if self.facts.get("database.used") is False else self.facts.get("database.name")
        return self.facts.get({"application": "application.name", "static": "site.static"}[what])


@dataclass
class Score:
    """How often a property was told rightly, wrongly and not at all."""

    right: int = 0
    wrong: int = 0
    missing: int = 0

    @property
    def recall(self) -> float:
        """Of what could be told, how much was told rightly."""
        whole = self.right + self.wrong + self.missing
        return self.right / whole if whole else 1.0

    @property
    def precision(self) -> float:
        """Of what was told, how much is right."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0


@dataclass
class Comparison:
    """Scores by property, names first; deviations as sentences."""

    scores: dict[str, Score] = field(default_factory=dict)
    deviations: list[str] = field(default_factory=list)


def compare(truth: Mapping[str, Any], found: Sequence[Found]) -> Comparison:
    """Compare."""
    result = Comparison({name: Score() for name in ("name", "declared", *PROPERTIES)})
    here = {item.name: item for item in found if item.address is not None}
    addresses = {server["name"]: server["address"] for server in truth["servers"]}
    sites = {site["name"]: site for site in truth["sites"]}
    for name, site in sorted(sites.items()):
        if site["found"] and name not in here:
            result.scores["name"].missing += 1
            result.deviations.append(f"{name}: not found on {site['server']} ({site['stack']})")
    for name, item in sorted(here.items()):
        site = sites.get(name)
        if site is None or item.address != addresses[site["server"]] or not site["found"]:
            result.scores["name"].wrong += 1
            result.deviations.append(f"{name}: found on {item.address}, where there is no such site")
            continue
        result.scores["name"].right += 1
        _declared(result, name, site, item)
        for what in PROPERTIES:
            _property(result, what, site, item)
    missing = {item.name for item in found if item.status in {"missing", "unread"}}
    for name in sorted(_only_declared(truth) - missing):
        result.deviations.append(f"{name}: declared and found nowhere, and not listed so")
    for name in sorted(missing - _only_declared(truth)):
        result.deviations.append(f"{name}: listed as declared and found nowhere")
    return result


def _only_declared(truth: Mapping[str, Any]) -> set[str]:
    """Names that the register has and no transcript."""
    told = {site["name"] for site in truth["sites"] if site["declared"] and not site["found"]} | {row["domain"] for row in truth["gone"]}
    return told | ({row["domain"] for row in truth["register"]["rejected"]} - {""})


def _declared(result: Comparison, name: str, site: Mapping[str, Any], item: Found) -> None:
    if item.status == ("both" if site["declared"] else "undeclared"):
        result.scores["declared"].right += 1
    else:
        result.scores["declared"].wrong += 1
        result.deviations.append(f"{name}: {item.status}, and it is {'' if site['declared'] else 'not '}declared")


def _property(result: Comparison, what: str, site: Mapping[str, Any], item: Found) -> None:
    told, true = item.told(what), site[what]
    if true is None:
        return
    if what == "database" and told is None and true == "":
        told = ""  # no fact of a database is how a site without one looks
    score = result.scores[what]
    if told == true or (what == "unit" and told == (site["claimed_by"] or true)):
        score.right += what in site["tellable"]
    elif told is None:
        if what in site["tellable"]:
            score.missing += 1
            result.deviations.append(f"{site['name']}: {what} is {true!r}, and nothing is said ({site['stack']} on {site['server']})")
    else:
        score.wrong += 1
        result.deviations.append(f"{site['name']}: {what} is {true!r}, and {told!r} is said ({site['stack']} on {site['server']})")


def lines(result: Comparison) -> Iterator[str]:
    """For people."""
    yield f"{'':12}{'recall':>8}{'precision':>11}{'right':>7}{'wrong':>7}{'missing':>9}"
    for name, score in result.scores.items():
        yield f"{name:12}{score.recall:8.1%}{score.precision:11.1%}{score.right:7}{score.wrong:7}{score.missing:9}"
    yield f"{len(result.deviations)} deviations"
    yield from (f"  {text}" for text in result.deviations)
