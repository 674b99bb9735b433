"""What a campaign found, for people: faults by steps, and the figures.

In: the records of rounds.  Out: Markdown.  Pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from faults.schedule import BACK, FORWARD

Record = Mapping[str, Any]


def _strikes(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Each strike with what became of its round."""
    return [{**record, **one} for record in records for one in record["strikes"]]


def _place(record: Record) -> str:
    """The column: where the journal stood when the fault struck."""
    step, _, event = str(record.get("during", "")).partition(" ")
    if step not in FORWARD:
        return "between"
    return f"undo {step}" if event.startswith("und") else step


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 0.0


def _count(records: Sequence[Record]) -> str:
    if not records:
        return ""
    wrong = sum(record["outcome"] == "wrong" for record in records)
    return f"{len(records)}" + (f", **{wrong} wrong**" if wrong else "")


def markdown(records: Sequence[Record]) -> str:
    """Two tables and the figures."""
    every = _strikes(records)
    struck = [one for one in every if one.get("struck")]
    columns = [*FORWARD, *(f"undo {step}" for step in BACK), "between"]
    cells: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in struck:
        cells[record["fault"], _place(record)].append(record)
    names = sorted({record["fault"] for record in struck})
    lines = [
        "| fault | " + " | ".join(columns) + " | all |",
        "|---|" + "---|" * (len(columns) + 1),
    ]
    for name in names:
        own = [record for record in struck if record["fault"] == name]
        lines.append(f"| {name} | " + " | ".join(_count(cells[name, column]) for column in columns) + f" | {_count(own)} |")
    lines += [
        "",
        "| fault | rounds | right | second try | without reads, s | without rows, s | without uploads, s | way back, s |",
        "|---|" + "---|" * 7,
    ]
    for name in [*names, "all"]:
        own = [record for record in struck if name in (record["fault"], "all")]
        outcomes = Counter(record["outcome"] for record in own)
        figures = []
        for key in ("without_read", "without_row", "without_file"):
            values = [float(record[key]) for record in own if key in record]
            figures.append(f"{_median(values):.1f} / {max(values, default=0.0):.1f}")
        back = [float(record["recovered"]["seconds"]) for record in own if "recovered" in record]
        lines.append(
            f"| {name} | {len(own)} | {outcomes['right'] + outcomes['right at the second try']} | {outcomes['right at the second try']} | "
            + " | ".join(figures)
            + f" | {_median(back):.0f} / {max(back, default=0.0):.0f} |"
        )
    instants = sum(bool(record["instant"]) for record in struck)
    missed = len(every) - len(struck)
    lines += [
        "",
        f"{len(struck)} faults struck in {len(records)} rounds, {instants} of them at random instants, {len(struck) - instants} at the "
        f"beginning of a step; {missed} more came too late, or had nothing to strike. "
        f"{sum(int(record.get('accepted', 0)) for record in records)} writes were acknowledged. Seconds are median / longest.",
    ]
    wrong: list[Record] = [record for record in records if record["outcome"] == "wrong"]
    if wrong:
        lines += ["", "| seed, round | fault | at | then | what was wrong |", "|---|---|---|---|---|"]
        for bad in wrong:
            text = "; ".join(bad["problems"])[:300].replace("|", "\\|").replace("\n", " ")
            lines.append(f"| {bad['seed']}, {bad['round']} | {bad['fault']} | {bad['where']} | {bad['recover']} | {text} |")
    return "\n".join(lines) + "\n"
