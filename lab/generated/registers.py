"""The units' sheets: what the campus declares of itself, with the headings, gaps and mistakes that such sheets have.

In: a campus.  Out: XLSX files as bytes by name, and for each intended mistake where it stands.  One workbook of units; then one for every
four units, with their sites and servers, Chinese headings for some and English ones for others.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

import xlsxwriter

from generated.model import Campus, Server, Site, Unit, draw
from generated.stacks import STACKS, WINDOWS
from inventory import register

FIELDS = {
    "unit": ["code", "name_zh", "name_en", "class", "head", "deputy", "contact", "phone", "email", "ranges", "domains"],
    "site": [
        "unit",
        "name",
        "domain",
        "aliases",
        "type",
        "audience",
        "opened",
        "valid_until",
        "off_network",
        "admin",
        "admin_kind",
        "admin_phone",
        "letter",
        "visits",
        "application",
        "runtime",
        "database",
        "server",
        "icp",
        "mlps",
        "findings_high",
        "remarks",
    ],
    "server": [
        "unit",
        "name",
        "address",
        "asset_no",
        "machine",
        "model",
        "height_u",
        "rails",
        "power_w",
        "location",
        "os",
        "cpus",
        "memory_bytes",
        "disk_bytes",
        "admin",
        "remarks",
    ],
}


_REMARKS = {"none": "", "student": "含学生信息", "personal": "含个人敏感信息"}


@dataclass
class Register:
    """Workbooks by name; `rejected` counts cells or rows that the product must refuse, `notes` says what else is wrong in them."""

    files: dict[str, bytes] = field(default_factory=dict)
    rejected: list[dict[str, str]] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)


def make(campus: Campus) -> Register:
    """All workbooks."""
    made = Register()
    random = draw(campus.seed, "register")
    units = [_unit(random, unit) for unit in campus.units]
    made.files["00-units.xlsx"] = _workbook(campus.at, [("单位台账", "unit", units, True)])
    in_one = 4
    for at in range(0, len(campus.units), in_one):
        some = campus.units[at : at + in_one]
        name = f"{at // in_one + 1:02}-{'-'.join(unit.code for unit in some)}.xlsx"
        made.files[name] = _of_units(campus, random, some, name, made)
    return made


def _of_units(campus: Campus, random: Random, units: Sequence[Unit], name: str, made: Register) -> bytes:
    chinese = units[0].chinese
    sites: list[dict[str, Any]] = []
    servers: list[dict[str, Any]] = []
    for unit in units:
        for site in (item for item in campus.sites if item.unit == unit.code and item.declared):
            sites.append(_site(random, campus, unit, site, made))
            if random.random() < 0.02:  # told by an assistant as well, in other words
                sites.append({**sites[-1], "admin": "", "visits": "", "name": sites[-1]["name"]})
                made.twice.append(site.name)
                made.rejected.append({"file": name, "kind": "site", "what": "twice", "value": site.name, "domain": ""})
        sites += [_site(random, campus, unit, site, Register()) for site in campus.sites if site.claimed_by == unit.code]
        for row in (item for item in campus.gone if item["unit"] == unit.code):
            sites.append({"unit": unit.name_zh, "name": row["title"], "domain": row["domain"], "type": "信息发布"})
        servers += [
            _server(random, unit, server)
            for server in campus.servers
            if server.unit == unit.code and (server.windows or random.random() > 0.08)
        ]
    _mistakes(random, sites, servers, name, made)
    heading = ("网站台账", "服务器台账") if chinese else ("Sites", "Servers")
    return _workbook(campus.at, [(heading[0], "site", sites, chinese), (heading[1], "server", servers, chinese)])


def _phone(random: Random) -> str:
    return f"010-5550{random.randint(1000, 9999)}"  # numbers of that kind are nobody's


def _unit(random: Random, unit: Unit) -> dict[str, Any]:
    kinds = {"school": "学院", "department": "职能部门", "affiliated": "直属单位", "hospital": "附属医院", "other": "其他"}
    return {
        "code": unit.code,
        "name_zh": unit.name_zh,
        "name_en": unit.name_en,
        "class": kinds[unit.kind],
        "head": unit.head,
        "deputy": unit.deputy,
        "contact": unit.contact,
        "phone": _phone(random),
        "email": f"web@{unit.domain}",
        "ranges": unit.range,
        "domains": unit.domain,
    }


def _site(random: Random, campus: Campus, unit: Unit, site: Site, made: Register) -> dict[str, Any]:
    stack = STACKS.get(site.stack)
    server = campus.server(site.server)
    interactive = bool(stack and stack.purposes) or server.windows
    seasonal = "seasonal" in site.traits
    row: dict[str, Any] = {
        "unit": unit.name_zh if unit.chinese else unit.code,
        "name": site.title,
        "domain": site.name,
        "aliases": "，".join(site.aliases),
        "type": "业务系统" if interactive else "信息发布",
        "audience": "季节性" if seasonal else random.choice(["互联网", "互联网", "校内"]),
        "opened": f"{random.randint(2005, 2024)}-{random.randint(1, 12):02}-01",
        "valid_until": f"{random.randint(2013, 2018)}-12-31"
        if "conference" in site.traits
        else random.choice(["长期", "长期", "2027-12-31", ""]),
        "off_network": "校外域名" if not site.name.endswith(".edu") else "否",
        "admin": unit.contact,
        "admin_kind": "教职工" if site.answers["staff_admin"] else "学生",
        "admin_phone": _phone(random),
        "letter": random.choice(["是", "是", "是", "否", ""]),
        "visits": round((site.per_day or 30) * 30),
        "application": stack.name if stack else "自研",
        "runtime": WINDOWS[0] if server.windows else "",
        "database": WINDOWS[1] if server.windows else site.database.product if site.database else "",
        "server": server.address,
        "icp": f"京ICP备{random.randint(5000000, 5999999):08}号" if random.random() < 0.7 else "",
        "mlps": random.choice(["二级", "三级"]) if interactive and random.random() < 0.5 else "未定级",
        "findings_high": 2 if "infected" in site.traits else random.choice([0, 0, 0, 1, ""]),
        "remarks": _REMARKS[str(site.answers["sensitive"])] if random.random() < 0.5 else "",
    }
    if random.random() < 0.05:  # the sheet names a server that it left long ago
        row["server"] = random.choice([item for item in campus.servers if item.name != site.server]).address
        made.moved.append(site.name)
    for name in ("admin", "admin_phone", "valid_until", "visits", "application", "icp", "mlps", "opened"):
        if random.random() < 0.12:
            row[name] = ""
    return row


def _server(random: Random, unit: Unit, server: Server) -> dict[str, Any]:
    system = server.windows or (server.system.name if server.system else "")
    if random.random() < 0.1 and not server.windows:
        system = "CentOS 7"  # as it was bought
    return {
        "unit": unit.name_zh if unit.chinese else unit.code,
        "name": server.name,
        "address": server.address,
        "asset_no": f"ZC{random.randint(10000, 99999)}",
        "machine": "物理机" if server.physical else "虚拟机",
        "model": "PowerEdge R730" if server.physical else "",
        "height_u": 2 if server.physical else "",
        "rails": random.choice(["有", "无", ""]) if server.physical else "",
        "power_w": random.choice([450, 550, 750, ""]) if server.physical else "",
        "location": "校外"
        if server.outside
        else "网络中心"
        if server.kind == "center"
        else random.choice(["学院机房", "办公室", "学院机房", ""]),
        "os": system,
        "cpus": server.cpus,
        "memory_bytes": server.memory_bytes // (1 << 30),
        "disk_bytes": server.disk_bytes // 10**9,
        "admin": unit.contact if random.random() < 0.85 else "",
        "remarks": "",
    }


def _mistakes(random: Random, sites: list[dict[str, Any]], servers: list[dict[str, Any]], name: str, made: Register) -> None:
    """Rows and cells that no product may take: each stands beside good ones."""

    def wrong(kind: str, row: dict[str, Any], what: str) -> None:
        # of a row whose unit is refused, the rest is taken
        taken = str(row["domain"]) if what == "unit" else ""
        made.rejected.append({"file": name, "kind": kind, "what": what, "value": str(row.get(what) or ""), "domain": taken})

    if sites and random.random() < 0.5:
        row = {**sites[0], "domain": random.choice(["www..example.edu", "待定", "见备注", "http://"]), "name": "打字错误", "aliases": ""}
        sites.append(row)
        wrong("site", row, "domain")
    if sites and random.random() < 0.4:
        row = {**sites[0], "domain": f"typo{len(made.rejected)}.example.edu", "unit": "不存在的学院", "name": "单位写错", "aliases": ""}
        sites.append(row)
        wrong("site", row, "unit")
    if servers and random.random() < 0.5:
        row = {**servers[0], "address": random.choice(["198.18.300.4", "198.18.1", "同上"]), "name": "typo", "asset_no": ""}
        servers.append(row)
        wrong("server", row, "address")


def _workbook(at: datetime, tables: Sequence[tuple[str, str, list[dict[str, Any]], bool]]) -> bytes:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(
        out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    )
    # the time of making stands in the file: the same campus must give the same bytes
    book.set_properties({"author": "campus", "created": at.astimezone(UTC).replace(tzinfo=None)})
    fields = register.shipped().kinds
    for title, kind, rows, chinese in tables:
        sheet = book.add_worksheet(title)
        columns = fields[kind].by_id
        for column, name in enumerate(FIELDS[kind]):
            sheet.write_string(0, column, columns[name].zh if chinese else columns[name].en)
            for number, row in enumerate(rows, start=1):
                value = row.get(name, "")
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    sheet.write_number(number, column, value)
                elif value:
                    sheet.write_string(number, column, str(value))
    book.close()
    return out.getvalue()


def answers(campus: Campus) -> bytes:
    """What people answered, as a CSV sheet of questions that came back; some questions of some sites are still open."""
    random = draw(campus.seed, "answers")
    lines = ["Site,Question ID,Answer,Answered by,Date"]
    for site in campus.sites:
        if random.random() < 0.1:  # nobody of this site's people has answered at all
            continue
        for name, value in site.answers.items():
            if random.random() < 0.93:
                word = value if isinstance(value, str) else "yes" if value else "no"
                lines.append(f"{site.name},{name},{word},{campus.unit(site.unit).contact},{campus.at:%Y-%m-%d}")
    return ("\n".join(lines) + "\n").encode("utf-8-sig")
