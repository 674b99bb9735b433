"""Samples of load kept in the catalogue, and what they say of a host: how many, over which span, mean, 95th and 99th percentile.

In: the `usage_sample` of short visits, and the `usage_history` that the last whole visit found.  Out: rows of `sample`; a `Load` for each
source, never mixed: our own samples, the days that sysstat kept, the averages since boot.  One sample is not a size: count and span are
part of every answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import catalogue, model, usage


@dataclass(frozen=True)
class Load:
    """What one source says: `source` samples | sysstat | boot, `count` of rates, `span_s` from first to last, `covered_s` that rates cover.

    `figures[name]` is {mean, p95, p99, max}, or {mean} where a source keeps no more; a figure that nobody measured is absent.
    """

    source: str
    count: int
    span_s: float
    covered_s: float
    figures: Mapping[str, Mapping[str, float]]


def store(session: Session, host_id: int, at: datetime, data: Mapping[str, Any]) -> None:
    """Keep one sample; a second one of the same second replaces the first."""
    session.merge(model.Sample(host_id=host_id, at=at, data=dict(data)))


def loads(session: Session, host_id: int, within: timedelta | None = None, now: datetime | None = None) -> list[Load]:
    """What is known of a host's load, the best source first: own samples, then sysstat's days, then the time since boot."""
    query = select(model.Sample.data).where(model.Sample.host_id == host_id).order_by(model.Sample.at)
    if within is not None and now is not None:
        query = query.where(model.Sample.at >= now - within)
    found = [of_samples(list(session.scalars(query)))]
    history = [item.data for item in catalogue.observations(session, host_id, "usage_history")]
    found += [of_history([entry for entry in history if entry.get("source") == "sysstat"], "sysstat")]
    found += [of_history([entry for entry in history if entry.get("source") == "boot"], "boot")]
    return [load for load in found if load is not None]


def of_samples(samples: Sequence[Mapping[str, Any]]) -> Load | None:
    """Rates between neighbours; a pair with a restart between gives none, and its time is not covered."""
    rates = [rate for before, after in pairwise(samples) if (rate := usage.rates(before, after)) is not None]
    if not rates:
        return None
    columns = {name: [value for rate in rates if (value := getattr(rate, name)) is not None] for name in usage.FIGURES}
    figures = {name: _figures(values) for name, values in columns.items() if values}
    first, last = (float(samples[i].get("time") or 0) for i in (0, -1))
    return Load("samples", len(rates), max(last - first, 0.0), sum(rate.seconds for rate in rates), figures)


def _figures(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)

    def rank(share: float) -> float:  # the nearest: one of the values
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    return {"mean": round(sum(ordered) / len(ordered), 2), "p95": rank(0.95), "p99": rank(0.99), "max": ordered[-1]}


def of_history(entries: Iterable[Mapping[str, Any]], source: str) -> Load | None:
    """Days as a source kept them: the mean of their means, the highest of their percentiles."""
    days = list(entries)
    if not days:
        return None
    figures: dict[str, dict[str, float]] = {}
    for name in usage.FIGURES:
        told = [value for day in days if (value := day.get(name)) is not None]
        means = [float(mean) for value in told if (mean := value.get("mean") if isinstance(value, Mapping) else value) is not None]
        peaks = [float(value["p95"]) for value in told if isinstance(value, Mapping) and value.get("p95") is not None]
        if means:
            figures[name] = {"mean": round(sum(means) / len(means), 2)} | ({"p95": max(peaks)} if peaks else {})
    span = sum(float(day.get("span_s") or 0) for day in days)
    return Load(source, sum(int(day.get("samples") or 0) for day in days), span, span, figures) if figures else None
