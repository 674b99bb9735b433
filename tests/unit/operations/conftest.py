"""A catalogue with moves of every kind and state, as the planner leaves them."""

from datetime import UTC, datetime, timedelta

import pytest

from inventory import model
from inventory.catalogue import open_catalogue
from planner.movesteps import steps

AT = datetime(2026, 11, 1, 2, tzinfo=UTC)


def move(identity, placement="virtual-host", **changes):
    own = f"w-{identity}"
    destination = {
        "platform": "vh1", "nodes": ["vh1"], "address": "192.0.2.9", "account": own, "docroot": f"/srv/sites/{own}/htdocs", "front": "",
        "receiver": "vh1", "receiver_address": "192.0.2.9", "database": {"name": own.replace("-", "_"), "user": "u"}, "node_addresses": {},
    }  # fmt: skip
    if placement == "site-cluster":
        destination |= {"platform": "main", "receiver": "front", "receiver_address": "192.0.2.20", "address": "192.0.2.20", "database": None,
                        "node_addresses": {"n1": "192.0.2.21", "n2": "192.0.2.22"}}  # fmt: skip
    if placement == "vps":
        destination |= {
            "platform": "hv1",
            "receiver": "vps1",
            "receiver_address": "192.0.2.30",
            "address": "192.0.2.30",
            "docroot": "/srv/app",
        }
    if placement == "colocation":
        destination = {"platform": "rack1", "nodes": ["rack1"], "address": "192.0.2.40", "address6": "", "flavour": ""}
    found = {
        "id": identity, "site": f"{identity}.edu", "names": [f"{identity}.edu", f"www.{identity}.edu"], "unit": "phys", "placement": placement,
        "carried_out": "planner", "steps": list(steps(placement)) or ["agree", "cutover"], "destination": destination,
        "stack": {} if placement != "vps" else {"database": {}},
        "source": {"host": "old", "address": "192.0.2.1", "certificate": None}, "retirement": None,
    }  # fmt: skip
    for key, value in changes.items():
        found[key] = {**found[key], **value} if isinstance(value, dict) and isinstance(found.get(key), dict) else value
    return found


def tls(*hosts):
    return {"certificate": {"hosts": list(hosts), "path": "/x"}}


@pytest.fixture
def book(tmp_path):
    opened = open_catalogue(f"sqlite:///{tmp_path}/catalogue.db")
    with opened.session() as session:
        session.add(model.Unit(code="phys", name_zh="物理学院", name_en="Physics", details={"head": "陈杰", "contact": "a|b\n# x"}))
    yield opened
    opened.close()


def plan(book, name, *moves, at=AT):
    with book.session() as session:
        session.add(model.Plan(id=name, fingerprint="f", document={"id": name, "moves": list(moves)}, created_at=at))


def journal(book, name, one, *events, at=AT):
    """`done`: all steps are; else lines such as `cutover failed`."""
    lines = [f"{step} {event}" for step in one["steps"] for event in ("started", "done")] if events == ("done",) else events
    with book.session() as session:
        for number, line in enumerate(lines):
            step, event = line.split()
            session.add(model.Journal(plan_id=name, move=one["id"], step=step, event=event, at=at + timedelta(minutes=number), run="r"))


def back(book, name, one, at):
    journal(book, name, one, *(f"{step} undone" for step in reversed(one["steps"])), "rollback undone", at=at)
