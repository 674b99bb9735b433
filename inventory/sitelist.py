"""The list of sites, filtered and sorted by the database: columns only, no facts, however many sites there are.

In: an open session, filters, an order.  Out: rows as tuples of some `FIELDS`; `names` is JSON text as it is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, func, select
from sqlalchemy.orm import Session

from inventory import model
from inventory.catalogue import clean, host_by_name

Host, Site, Workload = (model.table(of) for of in (model.Host, model.Site, model.Workload))

FIELDS: dict[str, ColumnElement[Any]] = {
    "site": Workload.c.name, "names": cast(Workload.c.names, Text), "unit": Workload.c.unit_code, "host": Host.c.name,
    "status": Workload.c.status, "application": Site.c.application, "version": Site.c.version, "static": Site.c.static,
    "docroot": Site.c.docroot, "database": Site.c.database, "bytes": Site.c.bytes, "files": Site.c.files, "newest": Site.c.newest,
    "requests_per_day": Site.c.requests_per_day, "last_hit": Site.c.last_hit, "owner_reason": Workload.c.owner_reason,
}  # fmt: skip
"""What is listed of a site → its column."""

ORDERS = tuple(name for name in FIELDS if name not in {"names", "static", "owner_reason"})
"""What the list can be sorted by."""


def rows(
    session: Session,
    fields: Sequence[str] = tuple(FIELDS),
    *,
    unit: str = "",
    status: str = "",
    host: str = "",
    application: str = "",
    sort: str = "site",
    limit: int | None = None,
) -> Sequence[Any]:
    """Sites by name, or by `sort` (one of `ORDERS`; with `-` before it the greatest first); what is unknown stands last.

    `host` is a name or an address.  Raises NotFound when there is none.
    """
    query = select(*(FIELDS[name] for name in fields)).select_from(Workload)
    query = query.outerjoin(Host, Host.c.id == Workload.c.host_id).outerjoin(Site, Site.c.id == Workload.c.site_id)
    if unit:
        query = query.where(Workload.c.unit_code == clean(unit))
    if status:
        query = query.where(Workload.c.status == clean(status))
    if host:
        query = query.where(Workload.c.host_id == host_by_name(session, host).id)
    if application:
        query = query.where(func.lower(Site.c.application) == clean(application).lower())
    column = FIELDS[sort.removeprefix("-")]
    if column is Workload.c.name:
        query = query.order_by(column.desc() if sort.startswith("-") else column)
    else:
        query = query.order_by(column.is_(None), column.desc() if sort.startswith("-") else column, Workload.c.name)
    return session.execute(query.limit(limit) if limit is not None else query).all()
