"""Drafts of what the center itself would write: its platforms, and the calendar of an academic year.

In: a campus.  Out: plain data for `platforms.yml` and `calendar.yml`.  The platforms have room for most of the campus, not for all of it.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from generated.model import Campus

_MODERN = {"cpus": 48, "memory_bytes": 192 << 30, "zone": "default"}


def platforms(campus: Campus) -> dict[str, Any]:
    """Where workloads can go; sizes are bytes, money is yuan a year."""
    return {
        "virtual_hosts": [
            {
                "name": f"vh{n}",
                "address": f"198.19.10.{n}",
                "php": ["7.4", "8.2"] if n % 3 == 0 else ["8.2"],
                "databases": ["MariaDB 10.11"],
                "disk_bytes": 2_000_000_000_000,
                "accounts": 80,
                **_MODERN,
            }
            for n in range(1, max(1, len(campus.sites) // 70) + 1)
        ],
        "site_clusters": [
            {
                "name": "cluster",
                "front": {"name": "front", "address": "198.19.20.10"},
                "nodes": [{"name": f"node{n}", "address": f"198.19.20.{10 + n}"} for n in (1, 2, 3)],
                "profiles": ["static", "wordpress", "static-export"],
                "plugins": ["akismet", "classic-editor", "contact-form-7", "wp-super-cache"],
                "themes": ["campus"],
                "disk_bytes": 3_000_000_000_000,
                **_MODERN,
            }
        ],
        "vps_nodes": [
            {
                "name": f"kvm{n}",
                "cpus": 64,
                "memory_bytes": 256 << 30,
                "disk_bytes": 8_000_000_000_000,
                "cpu_overcommit": 2.0,
                "zone": "default",
            }
            for n in range(1, max(2, len(campus.servers) // 25) + 1)
        ],
        "flavours": [
            {"name": "standard", "cpus": 2, "memory_bytes": 4 << 30, "disk_bytes": 50_000_000_000, "yearly": 1200},
            {"name": "medium", "cpus": 4, "memory_bytes": 8 << 30, "disk_bytes": 200_000_000_000, "yearly": 2400},
            {"name": "large", "cpus": 8, "memory_bytes": 32 << 30, "disk_bytes": 500_000_000_000, "yearly": 6000},
        ],
        "racks": [
            {"name": f"R{n}", "units": 42, "used_units": 12, "power_w": 5000, "used_power_w": 1500, "ports": 40, "used_ports": 10}
            for n in (1, 2)
        ],
        "pools": [
            {"name": "vps4", "network": "198.19.32.0/22", "gateway": "198.19.32.1", "exclude": ["198.19.32.2-198.19.32.20"]},
            {"name": "vps6", "network": "2001:db8:32::/64"},
        ],
        "tariffs": {
            "currency": "CNY",
            "hour": 120,
            "site_cluster": {"yearly": 0},
            "virtual_host": {"yearly": 300, "per_gb": 10, "included_gb": 1},
            "vps": {"per_gb": 2},
            "colocation": {"yearly": 1000, "per_u": 800, "per_100w": 300},
            "retire": {"archive_per_gb": 1},
        },
    }


def calendar(campus: Campus) -> dict[str, Any]:
    """An academic year's change freezes, notice periods and the crew."""
    year = campus.at.year

    def freeze(name: str, zh: str, first: date, until: date, **more: Any) -> dict[str, Any]:
        return {"name": name, "name_zh": zh, "from": first.isoformat(), "until": until.isoformat(), **more}

    have = {unit.code for unit in campus.units}
    teaching = [code for code in ("zsb", "jwc", "yjs", "xgb") if code in have]
    return {
        "start": campus.at.date().isoformat(),
        "notice_days": 30,
        "reminder_days": 7,
        "weekdays": ["tue", "wed", "thu"],
        "nights": {"cutovers": 6},
        "blackouts": [
            freeze("course registration", "选课", date(year, 12, 28), date(year + 1, 1, 8)),
            freeze("examinations", "期末考试", date(year + 1, 1, 9), date(year + 1, 1, 17)),
            freeze("spring festival", "春节", date(year + 1, 2, 4), date(year + 1, 2, 13)),
            freeze("term start", "开学", date(year + 1, 2, 22), date(year + 1, 3, 7)),
            *([freeze("admissions", "招生", date(year + 1, 5, 20), date(year + 1, 8, 10), units=teaching)] if teaching else []),
            freeze("examinations", "期末考试", date(year + 1, 6, 28), date(year + 1, 7, 10)),
            freeze("term start", "开学", date(year + 1, 8, 25), date(year + 1, 9, 12)),
        ],
        "crew": {"web": 60, "database": 30, "system": 60, "network": 20},
        "transfer": {"streams_per_source": 1, "streams_per_destination": 4, "bytes_per_s": 20_000_000},
        "pilots": {"moves": 6, "days_before_next": 14},
    }
