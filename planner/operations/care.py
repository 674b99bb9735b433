"""Who is in care: the moves of all plans that are done and not rolled back.  Reads, never writes.

In: a session.  Out: `Cared`s in order of unit and site.  A site that was moved again is in care where its last move took it; a move that
people carried out is in care, too, though the planner does not know where its content lies and makes no backup of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import model
from inventory.errors import NotFound
from planner import journal
from planner.equality import over_https

PLAIN = re.compile(r"[a-z0-9-]{1,64}")
"""Ids of moves that may become part of a path and of a key's line."""


@dataclass(frozen=True)
class Cared:
    """One site or system in care.  `move` is its move as the plan has it, `since` the end of that."""

    plan: str
    move: Mapping[str, Any]
    since: datetime
    by: str = ""

    @property
    def id(self) -> str:
        """Its move's id: the name of its backups."""
        return str(self.move["id"])

    @property
    def site(self) -> str:
        """Its first name."""
        return str(self.move["site"])

    @property
    def unit(self) -> str:
        """Its unit's code, '' where nobody knows it."""
        return str(self.move.get("unit") or "")

    @property
    def names(self) -> list[str]:
        """Its DNS names."""
        return [str(name) for name in self.move["names"]]

    @property
    def placement(self) -> str:
        """Where workloads of its kind go."""
        return str(self.move["placement"])

    @property
    def closed(self) -> bool:
        """Whether it is closed: its archive is kept, and nothing of it is served."""
        return self.placement == "retire"

    @property
    def by_hand(self) -> bool:
        """Whether people carried its move out."""
        return bool(self.move["carried_out"] != "planner")

    @property
    def machine(self) -> str:
        """The machine that holds its content; '' where only people know it.  A colocated machine is its own, wherever its archive lies."""
        if self.placement == "colocation":
            return str(self.move["source"].get("host") or "")
        return str(self.move["destination"].get("receiver") or "")

    @property
    def machine_address(self) -> str:
        """The address of `machine`."""
        if self.placement == "colocation":
            return self.address
        return str(self.move["destination"].get("receiver_address") or "")

    @property
    def platform(self) -> str:
        """The server, cluster, hypervisor or rack of its plan."""
        return str(self.move["destination"].get("platform") or "")

    @property
    def address(self) -> str:
        """Where its names lead."""
        return str(self.move["destination"].get("address") or "")

    @property
    def account(self) -> str:
        """Its account on the platform."""
        return str(self.move["destination"].get("account") or "")

    @property
    def https(self) -> list[str]:
        """The names that it was served under over HTTPS when it was moved."""
        return [] if self.closed else over_https(self.move)

    @property
    def held(self) -> bool:
        """Whether the planner knows what to back up: content that its own move brought to a machine."""
        return bool(
            not self.by_hand and self.placement not in {"retire", "colocation"} and self.machine and self.move["destination"].get("docroot")
        )

    @property
    def engine(self) -> str:
        """mysql, postgresql or '' without a database."""
        if not self.move["destination"].get("database"):
            return ""
        return "postgresql" if self.move.get("stack") else "mysql"

    @property
    def schema(self) -> str:
        """Its schema or database at the destination; '' without one."""
        return str(self.move["destination"]["database"]["name"]) if self.engine else ""


def in_care(session: Session) -> list[Cared]:
    """All of them, each site once."""
    rows = journal.told(session)
    begun = {plan for plan, _ in rows}
    others = journal.documents(session, begun)
    found: dict[str, Cared] = {}
    plans = session.execute(select(model.Plan.id).where(model.Plan.id.in_(begun)).order_by(model.Plan.created_at, model.Plan.id))
    for (plan,) in plans:
        for (owner, _), move in others.items():
            if owner != plan:
                continue
            lines = journal.story(plan, move, rows, others)
            now = journal.state(move["steps"], lines)
            if not lines or now.name != "done":
                continue
            one = Cared(plan, move, lines[-1].at, now.by)
            before = found.get(str(move["site"]))
            if before is None or (before.since, before.plan) <= (one.since, one.plan):
                found[str(move["site"])] = one
    return sorted(found.values(), key=lambda one: (one.unit, one.site))


def pick(cared: Sequence[Cared], names: Iterable[str]) -> list[Cared]:
    """Those of these ids or DNS names, all when none is given.  Raises NotFound with every name that is nobody's."""
    wanted = list(names)
    lacking = [name for name in wanted if not any(name in (one.id, one.site, *one.names) for one in cared)]
    if lacking:
        raise NotFound(f"not in care: {', '.join(lacking)}", hint="planner operations lists what is: moves that are done")
    return [one for one in cared if not wanted or any(name in (one.id, one.site, *one.names) for name in wanted)]


def settings(one: Cared) -> list[str]:
    """Paths (with `*`) of what its roles made for it on its machine: a backup takes them along, for people to look at."""
    own = one.account
    if one.placement == "virtual-host":
        return [
            f"/etc/nginx/sites-available/{own}.conf", f"/etc/php/*/fpm/pool.d/{own}.conf", f"/etc/ssh/authorized_keys.d/{own}",
            f"/etc/ssl/sites/{own}.pem", f"/etc/ssl/sites/{own}.pem.key", f"/var/lib/vhost/{own}.cnf",
        ]  # fmt: skip
    if one.placement == "site-cluster":
        return [
            "/etc/haproxy/*.map", "/etc/haproxy/*.list", f"/etc/ssh/authorized_keys.d/{own}", f"/etc/ssl/sites/{own}.pem",
            f"/etc/ssl/sites/{own}.pem.key",
        ]  # fmt: skip
    return [
        f"/etc/nginx/sites-available/{own}.conf", f"/etc/systemd/system/{own}.service", f"/etc/cron.d/{own}",
        f"/var/lib/systems/{own}.json", f"/srv/systems/{own}/*/conf",
    ]  # fmt: skip


def logs(one: Cared) -> dict[str, list[str]]:
    """Machine's address → globs of the logs that the site writes there."""
    if not one.held:
        return {}
    own = f"/var/log/nginx/{one.account}.log"
    if one.placement == "site-cluster":
        return {str(address): [own] for _, address in sorted(one.move["destination"]["node_addresses"].items())}
    more = [f"/var/log/vhost/{one.account}.log"] if one.placement == "virtual-host" else [f"/srv/systems/{one.account}/*/logs/*.log"]
    return {one.machine_address: [own, *more]}
