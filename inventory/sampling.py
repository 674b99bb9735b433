"""Samples of load kept in the catalogue, and what they say of a host: how many, over which span, mean, 95th and 99th percentile.

In: the `usage_sample` of short visits, and the `usage_history` that the last whole visit found.  Out: rows of `sample`; a `Load` for each
source, never mixed: our own samples, the days that sysstat kept, the averages since boot.  One sample is not a size: count and span are
part of every answer.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from inventory import catalogue, daily, model, usage


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


WINDOW_DAYS = 14
"""Verdicts size by our own samples of so many days."""


def store(session: Session, host_id: int, at: datetime, data: Mapping[str, Any]) -> None:
    """Keep one sample; a second one of the same second replaces the first.

    With the first one of a day, the rates of the days before are summed up (`inventory.daily`): who sizes a campus reads these.
    """
    table, days = model.table(model.Sample).c, model.table(model.SampleDay)
    midnight = datetime.combine(at.astimezone(UTC).date(), time(), UTC)
    own = select(table.at).where(table.host_id == host_id, table.at >= midnight, table.at < midnight + timedelta(days=1)).limit(1)
    first = session.scalar(own) is None
    session.merge(model.Sample(host_id=host_id, at=at, data=dict(data)))
    session.flush()
    today = midnight.date().isoformat()
    after = session.scalar(select(func.min(days.c.day)).where(days.c.host_id == host_id, days.c.day > today))
    # the first pair of the next day begins with the last sample of this one
    session.execute(delete(days).where(days.c.host_id == host_id, days.c.day.in_([today, after or today])))
    if first:
        _sum_up(session, host_id, midnight)


def _sum_up(session: Session, host_id: int, until: datetime) -> None:
    """The rates of the days with samples before `until`, as far as sizes reach back and as they do not stand yet."""
    table, days = model.table(model.Sample), model.table(model.SampleDay)
    oldest = until - timedelta(days=WINDOW_DAYS)
    standing = set(session.scalars(select(days.c.day).where(days.c.host_id == host_id, days.c.day >= oldest.date().isoformat())))
    while True:
        last = session.scalar(select(func.max(table.c.at)).where(table.c.host_id == host_id, table.c.at < until, table.c.at >= oldest))
        if last is None:
            return
        midnight = datetime.combine(last.astimezone(UTC).date(), time(), UTC)
        if (day := midnight.date().isoformat()) not in standing:
            read = between(session, host_id, midnight, midnight + timedelta(days=1))
            body = daily.run(before(session, host_id, midnight), read).to_json()
            session.execute(insert(days), [{"host_id": host_id, "day": day, "body": body}])
        until = midnight


def between(session: Session, host_id: int, since: datetime | None, until: datetime | None) -> list[dict[str, Any]]:
    """The data of a host's samples in their order, `since` included, `until` not."""
    table = model.table(model.Sample).c
    query = select(table.data).where(table.host_id == host_id).order_by(table.at)
    query = query.where(table.at >= since) if since is not None else query
    return list(session.scalars(query.where(table.at < until) if until is not None else query))


def before(session: Session, host_id: int, at: datetime) -> dict[str, Any] | None:
    """The data of a host's last sample before a time."""
    table = model.table(model.Sample).c
    return session.scalar(select(table.data).where(table.host_id == host_id, table.at < at).order_by(table.at.desc()).limit(1))


def runs(session: Session, hosts: Collection[int], since: datetime | None = None) -> dict[int, list[tuple[daily.Run, bool]]]:
    """The rates of hosts since a time, in order: each run, and whether its first pair would begin with a sample from before that time.

    Days that are summed up are read so; what is not, sample by sample.  The outcome is the same.
    """
    table, days = model.table(model.Sample).c, model.table(model.SampleDay).c
    first = "" if since is None else _first_whole(since).isoformat()
    query = select(days.host_id, days.day, days.body).where(days.host_id.in_(hosts), days.day >= first).order_by(days.host_id, days.day)
    summed: dict[int, list[tuple[datetime, daily.Run]]] = {}
    for host_id, day, body in session.execute(query):
        made = daily.stored(body)
        if made is not None:
            summed.setdefault(host_id, []).append((datetime.combine(date.fromisoformat(day), time(), UTC), made))
    found: dict[int, list[tuple[daily.Run, bool]]] = {}
    for host_id in sorted(set(session.scalars(select(table.host_id).where(table.host_id.in_(hosts)).distinct()))):
        mine: list[tuple[daily.Run, bool]] = []
        start = since
        for midnight, made in summed.get(host_id, ()):
            if start is None or start < midnight:
                mine += _read(session, host_id, start, midnight, bool(mine))
            mine.append((made, not mine))
            start = midnight + timedelta(days=1)
        found[host_id] = mine + _read(session, host_id, start, None, bool(mine))
    return found


def _read(session: Session, host_id: int, since: datetime | None, until: datetime | None, follows: bool) -> list[tuple[daily.Run, bool]]:
    read = between(session, host_id, since, until)
    earlier = before(session, host_id, since) if read and follows and since is not None else None
    return [(daily.run(earlier, read), not follows)] if read else []


def _first_whole(since: datetime) -> date:
    """The first day of which nothing lies before a time."""
    at = since.astimezone(UTC)
    return at.date() if at.time() == time() else at.date() + timedelta(days=1)


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
