"""The run-sheet of a machine that comes into our room: what people print, do in order, tick off and sign.  Chinese, then English.

In: the move that leads a machine; `runsheet.yml` has the words.  Out: Markdown.  What the plan does not know is a line to be filled in.
Pure but for reading the words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from inventory import yamlfile

BLANK = "__________"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(_Strict):
    """A line in both languages."""

    en: str
    zh: str


class Part(_Strict):
    """A heading with what is ticked off below it; `when`: only for such a machine."""

    heading: Words
    items: tuple[Words, ...]
    when: Literal["", "carried", "stays"] = ""


class Sheet(_Strict):
    """`runsheet.yml`."""

    people: tuple[Words, ...]
    parts: tuple[Part, ...]


@cache
def words() -> Sheet:
    """All lines."""
    return yamlfile.read(Path(__file__).with_suffix(".yml")).validate(Sheet)


def text(move: Mapping[str, Any]) -> str:
    """The whole sheet."""
    return "\n".join([*_page(move, "zh"), "", "---", "", *_page(move, "en")]) + "\n"


def _page(move: Mapping[str, Any], language: Literal["zh", "en"]) -> Iterator[str]:
    how, zh = move["colocation"], language == "zh"
    unit, night = _plain(move["unit"]) or BLANK, (move.get("schedule") or {}).get("cutover") or BLANK
    if zh:
        yield f"# 服务器搬迁实施单：{move['source']['host']}"
        yield ""
        yield f"迁移项 `{move['id']}`，单位 {unit}，日期 {night}。请打印随身携带，逐项勾选。"
    else:
        yield f"# Run-sheet: {move['source']['host']} into the machine room"
        yield ""
        yield f"Move `{move['id']}`, unit {unit}, night {night}. Print it, take it along, tick every line."
    yield ""
    yield from _table(move, zh)
    yield ""
    yield "| 职责 | 姓名 | 电话 |" if zh else "| who | name | telephone |"
    yield "|---|---|---|"
    for person in words().people:
        yield f"| {getattr(person, language)} | {BLANK} | {BLANK} |"
    if how["contact"]:
        yield ""
        yield ("遇到问题请联系：" if zh else "To be called when anything is unclear: ") + _plain(how["contact"])
    values = _values(move, zh)
    for part in words().parts:
        if part.when in {"", how["transport"]}:
            yield ""
            yield f"## {getattr(part.heading, language)}"
            yield ""
            for item in part.items:
                yield f"- [ ] {getattr(item, language).format(**values)}"
    if how["written"]:
        yield ""
        yield "## 以下位置写有旧地址" if zh else "## The old address is written here"
        yield ""
        for place in how["written"]:
            yield f"- {_plain(place)}"
    yield ""
    times = ("开始", "关机", "上电", "完成", "单位签字", "网络中心签字") if zh else (
        "Begun", "Switched off", "On again", "Done", "Signed, unit", "Signed, center"
    )  # fmt: skip
    yield "　".join(f"{one} {BLANK}" for one in times)


def _values(move: Mapping[str, Any], zh: bool) -> dict[str, str]:
    how, seconds = move["colocation"], move["colocation"]["confirm_seconds"]
    if seconds >= 120:
        limit = f"{seconds // 60} 分钟" if zh else f"{seconds // 60} minutes"
    else:
        limit = f"{seconds} 秒" if zh else f"{seconds} seconds"
    return {
        "host": move["source"]["host"], "move": move["id"], "archive": move["destination"]["receiver"], "limit": limit,
        "port": str(how["port"] or BLANK), "before": "depart" if how["transport"] == "carried" else "renumber",
    }  # fmt: skip


def _table(move: Mapping[str, Any], zh: bool) -> Iterator[str]:
    how, gateway = move["colocation"], "网关" if zh else "gateway"
    last = how["unit"] + how["height"] - 1
    units = (f"U{how['unit']}" if last == how["unit"] else f"U{how['unit']}–U{last}") if how["unit"] else BLANK
    power = f"{how['power_w']:g} W" if how["power_w"] is not None else f"{BLANK} W"
    net = {name: f"{how[name]['address']}/{how[name]['prefix']}, {gateway} {how[name]['gateway']}" for name in ("old", "new")}
    rows = (
        ("machine", "设备", _plain(how["model"]) or BLANK),
        ("asset no.", "资产编号", _plain(how["asset_no"]) or BLANK),
        ("rack, units from the bottom", "机柜、机位（自下而上）", f"{how['rack']}, {units}"),
        ("power, feeds", "功率、供电", f"{power}, {', '.join(map(_plain, how['feeds'])) or BLANK}"),
        ("switch, port", "交换机、端口", f"{_plain(how['switch']) or BLANK}, {how['port'] or BLANK}"),
        ("VLAN of the port", "端口 VLAN", str(how["vlan"] or BLANK)),
        ("network card, MAC", "网卡、MAC", f"{how['interface']}, {_plain(how['mac']) or BLANK}"),
        ("address before", "原地址", net["old"]),
        ("address after", "新地址", net["new"]),
        ("answers for", "承载域名", ", ".join(name for part in how["contents"] for name in part["names"])),
    )
    yield "| | |"
    yield "|---|---|"
    for english, chinese, value in rows:
        yield f"| {chinese if zh else english} | {value} |"


def _plain(value: object) -> str:
    """Text from registers and hosts, without what Markdown or a terminal would take for its own."""
    return "".join(letter if letter.isprintable() and letter not in "|`<>[]*_" else " " for letter in str(value or "")).strip()
