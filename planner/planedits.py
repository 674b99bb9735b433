"""A plan that an admin edited, read as decisions.  Pure.

In: the plan as it was made, the edited one with the places of its parts.  Out: `Edit`s, the decisions that the editing amounts to, so that
a plan made anew keeps them; or all places at which something was changed that only planning can change.

What people may change: a move's `schedule.cutover` or its `wave` (the first night of that wave is meant), its `destination.platform` or
`destination.nodes`, and whether it moves at all: taken out of `moves` and put under `left` with `why`.  A move's `note` becomes the
decision's reason.  Sums, members of groups and the fingerprint need not be corrected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inventory import yamlfile
from inventory.errors import ConfigurationError
from planner.decisions import Kind

Path_ = tuple[str | int, ...]
Problem = tuple[Path_, str]
Decide = Callable[[Path_, str, Kind, str, str], None]
"""Takes path, move, kind, value and reason of a decision."""
MAY = "a person may change a move's cutover or wave, its destination's platform or nodes, its note, or put it under left"


@dataclass(frozen=True)
class Edit:
    """One decision: for the move `move`, because of `why` ('' where the editor gave no reason of its own), at `place`."""

    move: str
    kind: Kind
    value: str
    why: str
    place: str


def differing(old: Any, new: Any, path: Path_ = ()) -> Iterator[Path_]:
    """The deepest paths at which two values differ; a list of another length differs as a whole."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys((*old, *new)):
            if name not in old or name not in new:
                yield (*path, name)
            else:
                yield from differing(old[name], new[name], (*path, name))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from differing(a, b, (*path, index))
    elif old != new:
        yield path


def edits(old: Mapping[str, Any], new: Mapping[str, Any], document: yamlfile.Document) -> list[Edit]:
    """What the editing amounts to, in the order of the document.  Raises ConfigurationError with every change that is no decision."""
    problems: list[Problem] = []
    found: list[tuple[Path_, Edit]] = []

    def decided(path: Path_, move: str, kind: Kind, value: str, why: str) -> None:
        found.append((path, Edit(move, kind, value, why, document.place(path))))

    for name in old:
        if name not in {"moves", "left"}:
            problems += [(path, "only planning makes this") for path in differing(old[name], new[name], (name,))]
    before = {move["id"]: move for move in old["moves"]}
    gone = dict(before)
    for index, move in enumerate(new["moves"]):
        here: Path_ = ("moves", index)
        if move["id"] not in before:
            problems.append(((*here, "id"), f"the plan has no move {move['id']}"))
            continue
        gone.pop(move["id"], None)
        problems += _of_a_move(before[move["id"]], move, here, new["waves"], decided)
    problems += _left(old, new, gone, decided)
    if problems:
        raise ConfigurationError([f"{document.place(path)}: {'.'.join(map(str, path))}: {what}" for path, what in problems], hint=MAY)
    return [edit for _, edit in found]


def _of_a_move(
    old: Mapping[str, Any], new: Mapping[str, Any], here: Path_, waves: Sequence[Mapping[str, Any]], decided: Decide
) -> list[Problem]:
    problems: list[Problem] = []
    kinds = set()
    paths = [path[2:] for path in differing(dict(old), dict(new), here)]
    # what planning had noted is no reason of the editor's
    why = str(new["note"]) if ("note",) in paths else ""
    if ("schedule", "cutover") in paths:
        decided((*here, "schedule", "cutover"), new["id"], "cutover", new["schedule"]["cutover"], why)
        kinds.add("cutover")
    elif ("wave",) in paths:
        night = next((wave["from"] for wave in waves if wave["wave"] == new["wave"]), None)
        if night:
            decided((*here, "wave"), new["id"], "cutover", night, why)
            kinds.add("cutover")
        else:
            problems.append(((*here, "wave"), f"there is no wave {new['wave']} with a night; write the night into schedule.cutover"))
    chosen = {
        path: value
        for path, value in (
            (("destination", "platform"), new["destination"]["platform"]),
            (("destination", "nodes"), ", ".join(new["destination"]["nodes"])),
        )
        if any(item[:2] == path for item in paths)
    }
    if chosen:
        (first, value), *others = chosen.items()
        if any(other != value for _, other in others):
            problems.append(((*here, *others[0][0]), f"{others[0][1]}, and platform says {value}: which of them?"))
        else:
            decided((*here, *first), new["id"], "node", value, why)
            kinds.add("node")
    if ("note",) in paths and not kinds:
        problems.append(((*here, "note"), "a note is the reason of a change of cutover, wave or destination, and there is none"))
    free = {("note",), ("wave",), ("schedule", "cutover"), *chosen}
    problems += [((*here, *path), "only planning makes this") for path in paths if path not in free and path[:2] not in free]
    return problems


def _left(old: Mapping[str, Any], new: Mapping[str, Any], gone: Mapping[str, Mapping[str, Any]], decided: Decide) -> list[Problem]:
    """Moves that were taken out must be under `left`; what was there already stays as it is."""
    problems: list[Problem] = []
    rest = [dict(entry) for entry in old["left"]]
    waiting = dict(gone)
    for index, entry in enumerate(new["left"]):
        here: Path_ = ("left", index)
        if entry in rest:
            rest.remove(entry)
            continue
        move = next((name for name, item in waiting.items() if entry["site"] in (name, item["site"], *item["names"])), None)
        if move is None:
            same = any(entry["site"] == item["site"] for item in rest)
            rest = [item for item in rest if item["site"] != entry["site"]]
            problems.append((here, "only planning makes this" if same else f"no move of {entry['site']} was taken out of moves"))
            continue
        del waiting[move]
        decided(here, move, "leave", "", entry["why"])
    for entry in rest:
        problems.append(
            (("left",), f"{entry['site']} was taken out; to have it moved: planner plan override {entry['site']} --placement P")
        )
    for name, item in waiting.items():
        problems.append((("moves",), f"the move {name} was taken out; put it under left: {{site: {item['site']}, why: ...}}"))
    return problems
