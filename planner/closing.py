"""A site that is closed: what its names answer afterwards, and the list of what people have to cancel for it.

In: a move of a plan.  Out: problems of the answers as sentences; the checklist as text, Chinese and English, for the unit and the center.
Only `asked` goes out to the network, over plain HTTP to the addresses that the plan names.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from typing import Any

MARK = 'name="site-status" content="closed"'
"""Stands in the page that says 410, so that it is told from a 410 of somebody else's."""
SECONDS = 10.0


def asked(move: Mapping[str, Any]) -> list[str]:
    """What is wrong with the answers for its names, at the front and at its old address; [] when all is as planned."""
    places = {"the front": move["destination"]["address"], "the old address": move["source"]["address"]}
    return [
        f"{what} ({address}) answers {name} with {problem}"
        for name in move["names"]
        for what, address in places.items()
        if (problem := _wrong(move["retirement"], name, address))
    ]


def _wrong(retirement: Mapping[str, Any], name: str, address: str) -> str:
    asked_for = "/planner/check"
    connection = http.client.HTTPConnection(address, 80, timeout=SECONDS)
    try:
        connection.request("GET", asked_for, headers={"Host": name, "Connection": "close"})
        answer = connection.getresponse()
        page = answer.read(1 << 16).decode("utf-8", errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"nothing: {error or type(error).__name__}"
    finally:
        connection.close()
    if retirement["redirect"]:
        wanted = retirement["redirect"] + (asked_for if retirement["keep_path"] else "")
        location = answer.getheader("Location", "")
        return "" if (answer.status, location) == (301, wanted) else f"{answer.status} {location}, not with a redirect to {wanted}"
    return "" if answer.status == 410 and MARK in page else f"{answer.status}, not with the page that says 410"


# ---------------------------------------------------------------- the list

_ITEMS = (
    ("ICP filing (MIIT) of these names: cancel the site, or the whole filing if it was the last",
     "工信部 ICP 备案：注销本网站；若为主体下最后一个网站，一并注销主体"),
    ("Public security (police) filing: cancel, and remove the badge from other pages that link to it",
     "公安联网备案：注销，并移除其他页面上的备案图标链接"),
    ("Graded protection (MLPS) record: cancel, or note the change where the system was part of a larger one",
     "网络安全等级保护定级备案：注销或变更"),
    ("DNS: the names lead to the center's front; delete the records when the redirect or the notice ends",
     "域名解析：现指向网络中心前端；公告或跳转期满后删除解析记录"),
    ("Port mappings, firewall openings and reverse proxies to {address}: remove what only served this site",
     "端口映射、防火墙策略、反向代理（指向 {address}）：移除仅供本网站使用的规则"),
    ("Certificates of these names: revoke or let expire, stop renewal, delete private keys when the host is wiped",
     "证书：吊销或到期不续，停止自动续期；擦除主机时一并销毁私钥"),
    ("Accounts for it elsewhere: mail sender, SSO client, API keys, statistics, WeChat or mini program settings",
     "外部账号：发信邮箱、统一身份认证接入、接口密钥、统计代码、公众号或小程序中的设置"),
    ("Links to it on the university's other pages; search engines: ask for removal", "校内其他网页上的链接；搜索引擎：申请删除收录"),
    ("Monitoring, backup jobs and the asset register entry: closed, with the date", "监控、备份任务、资产台账：注明关停日期"),
    ("If it was the last workload of {host}: switch the host off, take it from the register, wipe its disks not before {wipe}, "
     "and record who did it", "若 {host} 上已无其他业务：关机、销账；不早于 {wipe} 擦除磁盘并登记经办人"),
)  # fmt: skip


def checklist(move: Mapping[str, Any]) -> str:
    """The document that goes to the unit: what was done, what is kept and until when, and boxes for what people have to cancel."""
    return "\n".join([*_page(move, 1), "", "---", "", *_page(move, 0)]) + "\n"


def _page(move: Mapping[str, Any], chinese: int) -> Iterator[str]:
    how, names = move["retirement"], ", ".join(move["names"])
    wipe = how["wipe_from"] or ("待定日期" if chinese else "a date that is yet to be set")
    keep = how["keep_until"] or ("待定日期" if chinese else "a date that is yet to be set")
    place = f"{move['destination']['receiver']}:{how['folder']}"
    answer = f"301 → {how['redirect']}" if how["redirect"] else "410"
    host, address = move["source"]["host"], move["source"]["address"]
    yield f"# 网站关停清单：{move['site']}" if chinese else f"# Closing {move['site']}: checklist"
    yield ""
    if chinese:
        yield f"单位：{move['unit'] or '未登记'}。域名：{names}。原主机：{host}（{address}）。"
        yield f"归档（文件、数据库、静态页面、校验和）：`{place}`，保存至 {keep}。"
        yield f"前端应答：{answer}。原主机上的文件和数据库均未删除，{wipe} 之前不得擦除。"
    else:
        yield f"Unit: {move['unit'] or 'unknown'}. Names: {names}. Old host: {host} ({address})."
        yield f"Archive (files, database, static copy, checksums): `{place}`, kept until {keep}."
        yield f"The front answers {answer}. Nothing was deleted on the old host, and nothing is to be wiped there before {wipe}."
    yield ""
    for english, text in _ITEMS:
        yield "- [ ] " + (text if chinese else english).format(address=address, host=host, wipe=wipe)
    yield ""
    yield (
        "单位负责人签字：____________　日期：________　　网络中心经办人：____________"
        if chinese
        else ("Signed for the unit: ____________  Date: ________    For the center: ____________")
    )
