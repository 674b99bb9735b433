"""Whether a plan is still one of today: what it was made from, then and now.

In: a plan's document, an open session, the workspace, today.  Out: `Difference`s, none for a plan that is fresh.  A plan keeps a digest of
what each move was built on; the facts themselves stand beside it in `facts.json`, so that a stale plan can say what changed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, model, yamlfile
from inventory.conditions import Facts
from planner import decisions
from planner.facts import Assembly
from planner.plandocument import digest
from planner.platforms import AFTERWARDS
from planner.workspace import Workspace

CALENDAR = "calendar.yml"
FACTS = "facts.json"
PARTS = ("rules", "platforms", "calendar", "decisions")
"""What of `made_from` is one for the whole plan; facts are compared move by move."""


@dataclass(frozen=True)
class Difference:
    """What is not as it was: a `part` of `made_from`, or `facts` with the move and, where it is known, the fact's two values.

    For a decision, `move` is its site, `fact` what was decided, `old` by whom if it holds no longer, `new` by whom (or when) since.
    """

    part: str
    move: str = ""
    fact: str = ""
    old: Any = None
    new: Any = None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"part": self.part, "move": self.move, "fact": self.fact, "old": self.old, "new": self.new}


# ---------------------------------------------------------------- what a move is built on


_GROWS = ("bytes", "_seconds", "rows_estimate", "_end", "_supported")


def built_on(facts: Facts) -> dict[str, Any]:
    """The facts that a move is built on: what grows or ages with every day does not change the move."""
    return {
        name: item["value"]
        for name, item in sorted(facts.items())
        if name.startswith(("site.", "application.", "database.")) and not name.endswith(_GROWS)
    }


def facts_digest(facts: Facts) -> str:
    """A digest of them."""
    return _digest(built_on(facts))


def _digest(values: Mapping[str, Any]) -> str:
    return digest(json.loads(json.dumps(values, default=str)))


def write_facts(facts: Mapping[str, Facts], folder: Path) -> None:
    """Keep what each move (by its id) was built on beside the plan."""
    data = {move: built_on(known) for move, known in sorted(facts.items())}
    draft = folder / f".{FACTS}.{os.getpid()}"
    draft.write_text(json.dumps(data, ensure_ascii=False, indent=1, sort_keys=True, default=str) + "\n", encoding="utf-8", newline="\n")
    draft.replace(folder / FACTS)


def read_facts(document: Mapping[str, Any], folder: Path) -> dict[str, dict[str, Any]]:
    """The facts of each move as they were kept; a move whose kept facts are not those of its digest, or are not there, is left out."""
    try:
        data = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(data, dict):
        return {}
    digests = {move["id"]: move["facts"] for move in document["moves"]}
    return {move: kept for move, kept in data.items() if isinstance(kept, dict) and _digest(kept) == digests.get(move)}


# ---------------------------------------------------------------- then and now


def made_from(session: Session, space: Workspace, today: date) -> dict[str, str]:
    """The hashes of rules, platforms, calendar and decisions as they are today: `made_from` of a plan made now, but for the facts."""
    path = space.root / CALENDAR
    calendar = yamlfile.read(path).data if path.exists() else {}
    return {
        "rules": space.rules.hash,
        "platforms": digest(space.platforms.model_dump(mode="json", exclude=set(AFTERWARDS))),
        "calendar": digest(json.loads(json.dumps(calendar, default=str))),
        "decisions": decisions.standing(session, today).hash,
    }


def workloads(session: Session, moves: Sequence[Mapping[str, Any]]) -> dict[str, model.Workload]:
    """The workload that each move (by its id) moves: the one of its names on its source host, unless it is there no longer."""
    known: dict[tuple[str, str], model.Workload] = {}
    for hosts in catalogue.chunks(sorted({str(move["source"]["host"]) for move in moves})):
        query = select(model.Host.name, model.Workload).join(model.Workload, model.Workload.host_id == model.Host.id)
        for host, item in session.execute(query.where(model.Host.name.in_(hosts)).order_by(model.Workload.name)):
            for name in (item.name, item.name.partition("@")[0], *map(str, item.names)):
                known.setdefault((host, name), item)
    found: dict[str, model.Workload] = {}
    for move in moves:
        keys = [(str(move["source"]["host"]), str(name)) for name in (move["site"], *move["names"])]
        for key in keys:
            if key in known:
                found.setdefault(str(move["id"]), known[key])
    return found


def stale(
    session: Session, space: Workspace, document: Mapping[str, Any], moves: Sequence[Mapping[str, Any]], today: date
) -> list[Difference]:
    """What changed beneath the plan and beneath these moves of it since it was made."""
    now = made_from(session, space, today)
    found = []
    for part in PARTS:
        if now[part] != document["made_from"][part]:
            found += _decided_since(session, document, today) if part == "decisions" else [Difference(part)]
    items = workloads(session, moves)
    assembly = Assembly(session, space, today, list(items.values()))
    kept = read_facts(document, space.plan_folder(str(document["id"]))) if moves else {}
    for move in moves:
        item = items.get(move["id"])
        if item is None:
            found.append(Difference("workload", move["id"]))
            continue
        facts = built_on(assembly.of(item))
        if _digest(facts) != move["facts"]:
            found += changed(move["id"], kept.get(move["id"]), facts)
    return found


def _decided_since(session: Session, document: Mapping[str, Any], today: date) -> list[Difference]:
    """The decisions that came, were withdrawn or ended after the plan was made; one that names none when none is found."""
    plan = session.get(model.Plan, document["id"])
    found = []
    for row in session.scalars(select(model.Decision).where(model.Decision.kind.in_(decisions.OF_THE_PLAN)).order_by(model.Decision.id)):
        came = plan is not None and row.at > plan.created_at
        gone = plan is not None and row.withdrawn_at is not None and row.withdrawn_at > plan.created_at
        ended = row.withdrawn_at is None and bool(row.until) and row.until < today.isoformat()
        if (came or ended or gone) and not (came and (gone or ended)):
            what = f"{row.kind} {row.value}".rstrip()
            found.append(Difference("decisions", row.site, what, "" if came else row.by, row.by if came else row.withdrawn_by or row.until))
    return found or [Difference("decisions")]


def changed(move: str, old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> list[Difference]:
    """Which facts of a move are not as they were; one `Difference` without a fact when it is not known how they were."""
    if old is None:
        return [Difference("facts", move)]
    plain = json.loads(json.dumps(dict(new), default=str))
    names = sorted(name for name in old.keys() | plain.keys() if old.get(name) != plain.get(name) or (name in old) != (name in plain))
    return [Difference("facts", move, name, old.get(name), plain.get(name)) for name in names] or [Difference("facts", move)]


_PARTS = {
    "rules": ("the rules or weights changed", "规则或权重有变动"),
    "platforms": ("platforms.yml changed", "platforms.yml 有变动"),
    "calendar": ("calendar.yml changed", "calendar.yml 有变动"),
    "decisions": ("an admin's decision came, was withdrawn or ended", "管理员的决定有新增、撤回或到期"),
    "workload": ("{move}: it is no longer found where it was", "{move}：在原处已找不到"),
}
_FACT = ("{move}: {fact} was {old}, is {new}", "{move}：{fact} 原为 {old}，现为 {new}")
_FACTS = ("{move}: what was found of it differs from what it was planned with", "{move}：现查得的情况与制定计划时不同")
_DECIDED = ("{move}: {fact}, decided by {new} since", "{move}：其后由{new}决定：{fact}")
_UNDECIDED = ("{move}: {fact}, decided by {old}, holds no longer ({new})", "{move}：{old}的决定（{fact}）已失效（{new}）")
_KINDS = {"placement": "去向", "cutover": "割接日", "node": "节点", "leave": "不迁移"}
_NOTHING = ("unknown", "未知")


def lines(differences: Iterable[Difference], language: str = "en") -> list[str]:
    """The differences as sentences."""
    chinese = language == "zh_CN"
    shown = []
    for item in differences:
        form = (_FACT if item.fact else _FACTS) if item.part == "facts" else _PARTS[item.part]
        if item.part == "decisions" and item.move:
            form = _UNDECIDED if item.old else _DECIDED
        old, new = (_NOTHING[chinese] if value is None else _short(value) for value in (item.old, item.new))
        kind, _, value = item.fact.partition(" ")
        fact = f"{_KINDS.get(kind, kind)} {value}".rstrip() if item.part == "decisions" and chinese else item.fact
        shown.append(form[chinese].format(move=item.move, fact=fact, old=old, new=new))
    return shown


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
