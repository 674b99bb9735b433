"""A plan with everything that a document can have: three moves in two waves, one of them by hand, one that follows another."""

import copy

from planner import plandocument
from planner.movesteps import steps

STEPS = steps("virtual-host")


def move(name="a", *, night="2026-12-01", wave=1, placement="virtual-host", by="planner", **more):
    site = f"{name}.x.edu"
    destination = {
        "platform": "vh1", "nodes": ["vh1"], "address": "192.0.2.101", "account": f"w-{name}", "docroot": f"/srv/sites/w-{name}/htdocs",
        "php": "8.2", "receiver": "vh1", "receiver_address": "192.0.2.101", "database": None,
    }  # fmt: skip
    return {
        "id": f"{name}-x-edu", "site": site, "unit": "hist", "names": [site], "placement": placement, "strength": "dominant",
        "profile": "static", "wave": wave, "group": f"{name}-x-edu", "carried_out": by, "steps": list(STEPS), "bytes": 1000, "files": 9,
        "hours": {"web": 2.5}, "facts": "a" * 64, "seeds": ["/"],
        "schedule": {"notice": "2026-11-20", "start": "2026-11-28", "ttl_lowered": "2026-11-30", "cutover": night, "end": "2026-12-20",
                     "pinned": False},
        "source": {"host": "old", "address": "192.0.2.1", "docroot": f"/var/www/{name} {{{{ x }}}}\u202e", "web_server": "nginx", "vhosts": [["a", 1]]},
        "destination": destination,
        "dns": {"server": "192.0.2.53", "zone": "x.edu", "key_file": "/k", "lowered_ttl": 60,
                "records": [{"name": site, "type": "A", "old": ["192.0.2.1"], "new": ["192.0.2.101"], "ttl": 3600}]},
        "gates": [{"rule": "infected", "step": "quarantine", "message": "12 files look infected", "settled": False}],
        "checks": ["the search finds 历史"], "findings": [{"rule": "old-php", "step": "content", "message": "PHP 5.6"}],
        "size": {"cpus": 0.5, "memory_bytes": 512, "disk_bytes": 2000, "basis": "measured", "confidence": 0.8},
        "cost": {"yearly": "120.00", "once": "1000.00"},
        "why_not_earlier": [{"from": "2026-11-24", "until": "2026-11-30", "kind": "notice", "detail": "7 days of notice"}],
        **more,
    }  # fmt: skip


def content(*moves):
    """A plan's content for these moves, or for three."""
    if not moves:
        vps = {"platform": "hv1", "nodes": ["hv1"], "flavour": "small", "address": "192.0.2.200"}
        moves = (move("a"), move("b", gates=[]),
                 move("c", night="2026-12-08", wave=2, placement="vps", by="by hand", destination=vps, steps=["provision", "cutover"]))  # fmt: skip
    moves = copy.deepcopy(moves)
    waves = []
    for number in sorted({item["wave"] for item in moves}):
        mine = [item for item in moves if item["wave"] == number]
        nights = [item["schedule"]["cutover"] for item in mine]
        waves.append({"wave": number, "from": min(nights), "until": max(nights), "moves": len(mine),
                      "hours": {skill: sum(item["hours"].get(skill, 0) for item in mine) for skill in ("web", "network")}, "bytes": sum(item["bytes"] for item in mine)})  # fmt: skip
    groups = {}
    for item in moves:
        groups.setdefault(item["group"], []).append(item["id"])
    return {
        "first_day": "2026-11-24",
        "made_from": {"facts": "1" * 64, "rules": "2" * 64, "platforms": "3" * 64, "calendar": "4" * 64, "decisions": "5" * 64},
        "waves": waves, "moves": list(moves),
        "groups": [{"group": name, "moves": members, "why": [], "after": ["a-x-edu"] if name == "c-x-edu" else []}
                   for name, members in groups.items()],
        "left": [{"site": "z.x.edu", "unit": "hist", "recommendation": "none", "why": "no verdict: insufficient data"}],
        "shortfall": [{"kind": "vps", "zone": "dmz", "resource": "memory_bytes", "lacking": 8e9, "by": "2026-12-08", "for": ["z.x.edu"]}],
        "addresses_missing": [{"zone": "dmz", "version": 4, "lacking": 2, "for": ["z.x.edu"]}],
        "costs": {"currency": "CNY", "total": {"count": 3, "yearly": "360.00", "once": "3000.00"},
                  "by_unit": {"hist": {"count": 3, "yearly": "360.00", "once": "3000.00"}}},
        "problems": [],
    }  # fmt: skip


def document(*moves, **more):
    return plandocument.made({**content(*moves), **more})
