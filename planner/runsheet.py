"""The run-sheet of a machine that is carried into our room: what people print, do in order, tick off and sign.  Chinese, then English.

In: the move that leads a machine.  Out: Markdown.  Everything in it comes from the plan; what the plan does not know is left as a line to be
filled in.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

BLANK = "__________"


def text(move: Mapping[str, Any]) -> str:
    """The whole sheet."""
    return "\n".join([*_page(move, 1), "", "---", "", *_page(move, 0)]) + "\n"


def _page(move: Mapping[str, Any], chinese: int) -> Iterator[str]:
    how, host = move["colocation"], move["source"]["host"]

    def say(english: str, translated: str) -> str:
        return translated if chinese else english

    yield say(f"# Run-sheet: {host} into the machine room", f"# 服务器搬迁实施单：{host}")
    yield ""
    night = (move.get("schedule") or {}).get("cutover") or BLANK
    yield say(
        f"Move `{move['id']}`, unit {_plain(move['unit']) or BLANK}, night {night}. Print it, take it along, tick every line.",
        f"迁移项 `{move['id']}`，单位 {_plain(move['unit']) or BLANK}，日期 {night}。请打印随身携带，逐项勾选。",
    )
    yield ""
    yield from _table(move, chinese)
    yield ""
    people = (("Leads and decides to stop", "现场负责人（有权中止）"), ("Carries, two people", "搬运人员（两名）"), ("For the unit", "单位到场人员"),
              ("At the planner", "平台操作员"), ("Network: port and VLAN", "网络：端口与 VLAN"))  # fmt: skip
    yield say("| who | name | telephone |", "| 职责 | 姓名 | 电话 |")
    yield "|---|---|---|"
    for english, translated in people:
        yield f"| {say(english, translated)} | {BLANK} | {BLANK} |"
    if how["contact"]:
        yield ""
        yield say(f"To be called when anything is unclear: {_plain(how['contact'])}", f"遇到问题请联系：{_plain(how['contact'])}")
    for heading, items in _parts(move):
        yield ""
        yield f"## {heading[chinese]}"
        yield ""
        for item in items:
            yield f"- [ ] {item[chinese]}"
    if how["written"]:
        yield ""
        yield say("## The old address is written here", "## 以下位置写有旧地址")
        yield ""
        for place in how["written"]:
            yield f"- {_plain(place)}"
    yield ""
    yield say(
        f"Begun {BLANK} Switched off {BLANK} On again {BLANK} Done {BLANK} Signed, unit {BLANK} center {BLANK}",
        f"开始 {BLANK}　关机 {BLANK}　上电 {BLANK}　完成 {BLANK}　单位签字 {BLANK}　网络中心签字 {BLANK}",
    )


def _table(move: Mapping[str, Any], chinese: int) -> Iterator[str]:
    how = move["colocation"]
    last = how["unit"] + how["height"] - 1
    units = (f"U{how['unit']}" if last == how["unit"] else f"U{how['unit']}–U{last}") if how["unit"] else BLANK
    power = f"{how['power_w']:g} W" if how["power_w"] is not None else f"{BLANK} W"
    net = {name: f"{how[name]['address']}/{how[name]['prefix']}" for name in ("old", "new")}
    rows = (
        (("machine", "设备"), f"{_plain(how['model']) or BLANK}"),
        (("asset no.", "资产编号"), f"{_plain(how['asset_no']) or BLANK}"),
        (("rack, units from the bottom", "机柜、机位（自下而上）"), f"{how['rack']}, {units}"),
        (("power, feeds", "功率、供电"), f"{power}, {', '.join(map(_plain, how['feeds'])) or BLANK}"),
        (("switch, port", "交换机、端口"), f"{_plain(how['switch']) or BLANK}, {how['port'] or BLANK}"),
        (("VLAN of the port", "端口 VLAN"), f"{how['vlan'] or BLANK}"),
        (("network card, MAC", "网卡、MAC"), f"{how['interface']}, {_plain(how['mac']) or BLANK}"),
        (("address before", "原地址"), f"{net['old']}, {('gateway', '网关')[chinese]} {how['old']['gateway']}"),
        (("address after", "新地址"), f"{net['new']}, {('gateway', '网关')[chinese]} {how['new']['gateway']}"),
        (("answers for", "承载域名"), ", ".join(name for part in how["contents"] for name in part["names"])),
    )
    yield "| | |"
    yield "|---|---|"
    for name, value in rows:
        yield f"| {name[chinese]} | {value} |"


Item = tuple[str, str]
"""(English, Chinese)."""


def _parts(move: Mapping[str, Any]) -> Iterator[tuple[Item, list[Item]]]:
    """Headings with what is to be ticked off below them."""
    how, archive = move["colocation"], move["destination"]["receiver"]
    minutes, carried = how["confirm_seconds"] // 60, how["transport"] == "carried"
    yield ("The days before", "搬迁前"), [
        ("Rails and screws fit the rack; the units are free; somebody has measured depth and door", "导轨、螺丝匹配，机位空闲，已核对机柜深度与柜门"),
        ("The feeds carry the power above beside what is there; both power supplies get a feed of their own", "供电容量足够，双电源分接两路"),
        ("The switch port is patched, up, in its VLAN, and nobody has the new address", "交换机端口已布线、启用并划入 VLAN，新地址无人使用"),
        ("Firewalls on campus let the new address do what the old one could: to databases, mail, login, backup, licences",
         "校园防火墙已为新地址放行原地址的访问：数据库、邮件、统一认证、备份、授权"),
        ("Licences bound to address or MAC: the MAC stays, the address does not; their makers know", "绑定地址或 MAC 的授权：MAC 不变、地址变更，已与厂商确认"),
        ("The unit's own backup of the whole machine is of this week; somebody has read from it", "单位已完成本周整机备份并验证可读"),
        (f"The planner's backup is verified (`backup` done): files and databases at {archive}", f"平台备份已验证（`backup` 步骤完成）：文件与数据库存于 {archive}"),
        ("Firmware passwords, disk encryption keys and RAID settings are known to those who carry", "搬运人员掌握固件口令、磁盘加密口令与 RAID 配置"),
    ]  # fmt: skip
    yield ("Stop and go home, if", "出现下列情况立即中止"), [
        ("`planner status` shows a failed step before `depart`", "`planner status` 显示 `depart` 之前有失败步骤"),
        ("a disk is degraded, a fan or power supply has failed, or the machine has not been restarted for a year and nobody knows whether it can be",
         "磁盘阵列降级、风扇或电源故障，或已一年以上未重启且无法确认能否启动"),
        ("somebody of the unit says that people work on it", "单位反映仍有人在使用"),
    ]  # fmt: skip
    if carried:
        yield ("Switching off and carrying", "关机与搬运"), [
            ("Photograph the cabling at the back; label every cable and disk", "拍摄背面线缆，逐根、逐盘贴标签"),
            ("`planner run` up to `depart`: the machine gets its new configuration and switches itself off; never pull the plug",
             "执行 `planner run` 至 `depart`：写入新配置并自动关机，严禁直接断电"),
            ("Lights are out; unplug power first, then the network", "指示灯熄灭后先拔电源，再拔网线"),
            ("Carry it level, by two; disks stay in", "两人水平搬运，硬盘不拔出"),
            ("Rails, units, screws; let it get to the temperature of the room", "安装导轨、上架、固定，静置至室温"),
            (f"Network into port {how['port'] or BLANK}, then power, one feed after the other; switch on",
             f"网线接入端口 {how['port'] or BLANK}，依次接通两路电源，开机"),
        ]  # fmt: skip
    yield ("After it is on again", "上电后"), [
        ("No amber light, no beep; all disks are there; the clock is right", "无告警灯、无蜂鸣，硬盘齐全，时间正确"),
        (f"Tell the planner's operator at once: within {minutes} minutes of its start he runs `planner run`. Else the machine puts its old address "
         "back by itself and restarts", f"立即通知平台操作员：开机后 {minutes} 分钟内须执行 `planner run`，否则服务器将自动恢复原地址并重启"),
        ("`planner status`: `verify` and `cutover` are done", "`planner status` 显示 `verify`、`cutover` 已完成"),
        ("The unit looks at its sites and logs in to its systems", "单位检查网站并登录系统"),
        ("Labels on machine and cables; register and rack plan are brought up to date", "粘贴设备与线缆标签，更新台账与机柜图"),
    ]  # fmt: skip
    yield ("The way back", "回退"), [
        (f"`planner rollback {move['id']}`: the old configuration comes back"
         + ("; the machine switches itself off and is carried back; after it is on, `planner rollback` once more" if carried else " with a restart"),
         f"执行 `planner rollback {move['id']}`：恢复原配置" + ("并自动关机，搬回原处上电后再次执行 `planner rollback`" if carried else "并重启")),
        ("It does not start at all: call the maker, restore from the backup; DNS was not changed yet", "无法启动：联系厂商，从备份恢复；此时 DNS 尚未变更"),
    ]  # fmt: skip


def _plain(value: object) -> str:
    """Text from registers and hosts, without what Markdown or a terminal would take for its own."""
    return "".join(letter if letter.isprintable() and letter not in "|`<>[]*_" else " " for letter in str(value or "")).strip()
