"""The letter of responsibility (责任书) of a site in care: its data, and a draft to print and sign.

In: a site in care, its unit's and its own declared values, what of the duties applies, a day.  Out: `Letter` as plain data, and Markdown in
English or Chinese.  What the register does not hold stays a line to fill in; nothing is guessed.  Declared text is escaped, so that it can
be neither markup nor a further line.  A workspace's own `templates/letters/responsibility.LANGUAGE.md.j2` goes before what ships.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.exceptions import TemplateError
from sqlalchemy import select
from sqlalchemy.orm import Session

from inventory import model
from inventory.errors import InputError
from inventory.register import ascii_name
from planner.operations.care import Cared
from planner.platforms import Platforms
from planner.shipped import folder as shipped

UNIT = ("name_zh", "name_en", "head", "deputy", "contact", "phone", "email")
REGISTER = (
    "name", "purpose", "type", "audience", "admin", "admin_phone", "admin_email", "second_contact", "second_phone", "icp", "police", "mlps",
    "mlps_no", "valid_until",
)  # fmt: skip
PLACEMENTS = {
    "site-cluster": ("site cluster", "网站群"), "virtual-host": ("virtual host", "虚拟主机"), "vps": ("VPS", "虚拟专用服务器（VPS）"),
    "colocation": ("colocation", "服务器托管"), "retire": ("closed", "已关停"),
}  # fmt: skip

_SHARED = ("site-cluster", "virtual-host")
_SERVED = (*_SHARED, "vps", "colocation")
_CENTER = (
    (_SHARED, "the platform, its operating system, web server and database, with security updates",
     "平台及其操作系统、Web 服务器、数据库，并负责安全更新"),
    (("vps",), "the virtual machine, and its first set-up with a firewall and security updates",
     "虚拟机及其初始安全配置（防火墙、安全更新）"),
    (("colocation",), "rack space, power, cooling and network in the machine room", "机房机位、供电、制冷与网络"),
    (_SERVED, "names under the school's domain and network access", "学校域名解析与网络接入"),
    (_SERVED, "monitoring of availability and of certificates' ends, with a notice to the contact",
     "可用性与证书到期监测，并通知联络员"),
    (("backup",), "a backup every night, restored on trial every {test_days} days", "每晚备份，每 {test_days} 天做一次恢复测试"),
    (("retire",), "the archive of the closed site, and the notice or redirect at its names", "关停网站的归档，以及原域名上的公告或跳转"),
    (_SERVED, "help in incidents; in an emergency the site may be taken off the network first",
     "安全事件处置支持；紧急情况下可先行断网"),
)  # fmt: skip
_OWN = (
    (_SERVED, "the application: its code, its updates and its settings, and repair of holes that are found in it",
     "应用系统：程序、升级、配置，以及漏洞修复"),
    (_SERVED, "the content: that it is right, lawful and up to date, reviewed before it is published",
     "内容：真实、合法、及时更新，先审后发"),
    (_SERVED, "accounts and passwords of the application; a member of staff as site admin, and a second contact",
     "应用账号与口令；由在职人员任网站管理员，并设第二联系人"),
    (_SERVED, "filings (ICP, public security, graded protection) and their changes", "ICP、公安、等级保护等备案及变更"),
    (_SERVED, "taking part in the inspections of content, and rectifying what they find in time", "配合内容更新检查，按期完成整改"),
    (("vps", "colocation"), "operating system, database and other programs on the machine after its set-up",
     "初始配置之后的操作系统、数据库及其他软件"),
    (_SERVED, "notice to the center of every change of head, admin, purpose or audience, and of closing",
     "负责人、管理员、用途、开放范围变更或关停时及时告知"),
    (("retire",), "cancelling filings and accounts elsewhere, and links to the site", "注销备案与外部账号，清理指向该网站的链接"),
)  # fmt: skip


@dataclass(frozen=True)
class Letter:
    """What a letter says.  `unit` and `register` have every field, '' where the register has nothing; texts by language, English first."""

    site: str
    names: list[str]
    placement: str
    platform: str
    address: str
    since: str
    date: str
    unit: dict[str, str]
    register: dict[str, str]
    center: dict[str, list[str]]
    own: dict[str, list[str]]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def make(session: Session, one: Cared, platforms: Platforms, on: date) -> Letter:
    """The letter of one site, dated `on`."""
    unit = session.get(model.Unit, one.unit) if one.unit else None
    details: Mapping[str, Any] = {} if unit is None else {**unit.details, "name_zh": unit.name_zh, "name_en": unit.name_en}
    keys = [ascii_name(name) for name in (one.site, *one.names)]
    query = select(model.Declared).where(model.Declared.kind == "site", model.Declared.key.in_(keys), model.Declared.withdrawn_at.is_(None))
    rows = {row.key: row.data for row in session.scalars(query)}
    declared: Mapping[str, Any] = next((rows[key] for key in keys if key in rows), {})
    kinds = {one.placement, *(["backup"] if platforms.backup is not None and one.held else [])}
    days = platforms.backup.test_days if platforms.backup is not None else 0
    return Letter(
        one.site, one.names, one.placement, one.platform, one.address, f"{one.since:%Y-%m-%d}", on.isoformat(),
        {"code": one.unit} | {name: _text(details.get(name)) for name in UNIT},
        {name: _text(declared.get(name)) for name in REGISTER},
        _duties(_CENTER, kinds, days), _duties(_OWN, kinds, days),
    )  # fmt: skip


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)


def _duties(listed: tuple[tuple[tuple[str, ...], str, str], ...], kinds: set[str], days: int) -> dict[str, list[str]]:
    chosen = [texts for wanted, *texts in listed if kinds & set(wanted)]
    return {language: [texts[at].format(test_days=days) for texts in chosen] for at, language in enumerate(("en", "zh_CN"))}


def markdown(letter: Letter, language: str, own: Path | None = None) -> str:
    """The letter as Markdown; `own` is the workspace's folder of templates.  Raises InputError for a template that cannot be used."""
    places = [*([own] if own is not None else []), shipped("templates")]
    environment = Environment(
        loader=FileSystemLoader(places), undefined=StrictUndefined, finalize=_escaped, trim_blocks=True, lstrip_blocks=True,
        autoescape=False, keep_trailing_newline=True,  # noqa: S701  (Markdown; `finalize` escapes every value)
    )  # fmt: skip
    at = 1 if language.startswith("zh") else 0
    levels = {"none": ("not graded", "未定级"), **{str(level): (f"level {level}", f"第{level}级") for level in range(1, 6)}}
    words = {"placement": PLACEMENTS.get(letter.placement, (letter.placement,) * 2)[at]}
    words["mlps"] = levels.get(letter.register["mlps"], ("", ""))[at]
    values = letter.to_json() | {"center": letter.center[language], "own": letter.own[language], "words": words, "blank": _BLANK}
    name = f"letters/responsibility.{language}.md.j2"
    try:
        return environment.get_template(name).render(values)
    except TemplateError as error:
        raise InputError(f"templates/{name}: {error}", hint="correct the workspace's own template, or take it away") from error


_BLANK = "________"


def _escaped(value: Any) -> str:
    """A value as Markdown that shows it as it is, on one line."""
    text = re.sub(r"\s+", " ", "".join(c if c.isprintable() or c.isspace() else "�" for c in str(value)))
    return text if text == _BLANK else re.sub(r"([\\`*_{}\[\]<>#|~!])", r"\\\1", text)
