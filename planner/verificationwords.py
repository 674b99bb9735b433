"""The words of a comparison's page and of an acceptance pack, in English and Chinese.  Pure data, and a look-up."""

from __future__ import annotations

from collections.abc import Callable

WORDS: dict[str, tuple[str, str]] = {
    "comparison": ("Comparison of two copies of a site", "网站两处副本比对"),
    "pack": ("Acceptance of a migrated site", "网站迁移验收单"),
    "site": ("Site", "网站"),
    "names": ("Names", "域名"),
    "unit": ("Unit", "单位"),
    "move": ("Move", "迁移项"),
    "plan": ("Plan", "计划"),
    "source": ("Source", "源"),
    "destination": ("Destination", "目的地"),
    "from": ("From", "迁出"),
    "to": ("To", "迁入"),
    "placement": ("Placement", "去向"),
    "docroot": ("Folder", "网站目录"),
    "database": ("Database", "数据库"),
    "content": ("Files", "文件"),
    "files n": ("{files} files, {size}", "{files} 个文件，{size}"),
    "no database": ("none", "无"),
    "records": ("DNS records", "DNS 记录"),
    "no records": ("The name server is not ours: the unit changes its records itself.", "域名服务器不由本中心管理，由单位自行修改解析。"),
    "dates": ("What was done, and when", "实施过程"),
    "step": ("Step", "步骤"),
    "begun": ("Begun", "开始"),
    "ended": ("Ended", "结束"),
    "state": ("State", "结果"),
    "frozen": ("Content could not be changed from {start} to {end} ({minutes} minutes).", "内容冻结：{start} 至 {end}（{minutes} 分钟）。"),
    "frozen still": ("Content cannot be changed since {start}.", "自 {start} 起内容冻结，尚未解除。"),
    "compared at": ("Compared", "比对时间"),
    "verdict": ("Verdict", "结论"),
    "equal": ("source and destination are equal", "源与目的地一致"),
    "different": ("source and destination differ", "源与目的地不一致"),
    "insufficient": ("not proved: too little could be compared", "未能证明：可比对内容不足"),
    "what": ("What", "项目"),
    "pages": ("Pages", "页面"),
    "files": ("Files", "文件"),
    "rows": ("Database: tables and definitions", "数据库：表与定义"),
    "tls": ("Certificates", "证书"),
    "compared": ("Compared", "已比对"),
    "differ": ("Differ", "不一致"),
    "warnings": ("Warnings", "提示"),
    "not compared": ("Not compared", "未比对"),
    "design": ("By design", "有意不同"),
    "traffic": (
        "The compared pages had {share} % of the {total} requests in the access log, at least.",
        "已比对页面至少占访问日志 {total} 次请求的 {share} %。",
    ),
    "no traffic": ("No access log tells how much of the traffic the compared pages have.",
                   "没有访问日志，无法得知已比对页面占访问量的比例。"),
    "seconds": ("Median time of an answer: {source} s at the source, {destination} s at the destination.",
                "响应时间中位数：源 {source} 秒，目的地 {destination} 秒。"),
    "why not": ("What was not compared, and why", "未比对的内容及原因"),
    "why": ("Reason", "原因"),
    "how many": ("How many", "数量"),
    "for example": ("For example", "例如"),
    "all compared": ("Everything was compared.", "全部已比对。"),
    "by design": ("What differs by design", "有意不同之处"),
    "design owner": (
        "Files belong to the site's own account at the destination; owners and modes follow one rule there.",
        "目的地文件归网站专用账户所有，属主与权限统一。",
    ),
    "design configuration": (
        "{file} has the credentials of the destination's own database.", "{file} 中为目的地数据库的新口令。",
    ),
    "design left out": ("Left out on purpose: {names}.", "有意不比对：{names}。"),
    "differences": ("What differs, side by side", "差异对照"),
    "nothing differs": ("Nothing differs.", "没有差异。"),
    "where": ("Where", "位置"),
    "kind": ("What", "类别"),
    "block": ("blocks", "阻断"),
    "warn": ("warning", "提示"),
    "more": ("{n} more stand in the data file.", "其余 {n} 项见数据文件。"),
    "old": ("The old site", "原网站"),
    "old lies": (
        "{host} ({address}) keeps {docroot} as it was when it was frozen, and passes visitors on.",
        "{host}（{address}）保留冻结时的 {docroot}，并将访问转往新址。",
    ),
    "old database": ("So it does the database {name}.", "数据库 {name} 亦予保留。"),
    "cheap": (
        "Until {day} the site can be taken back at once: planner rollback {move}. What was written at the destination since the cutover is "
        "shown before, and has to be carried back by hand.",
        "{day} 前可随时回退（planner rollback {move}）。回退前会列出割接后在新址写入的内容，这些内容须人工带回。",
    ),
    "cheap undated": (
        "Until the old host is switched off the site can be taken back at once: planner rollback {move}. What was written at the "
        "destination since the cutover is shown before, and has to be carried back by hand.",
        "旧主机关机前可随时回退（planner rollback {move}）。回退前会列出割接后在新址写入的内容，这些内容须人工带回。",
    ),
    "wiped": ("The old host may be wiped from {day} on.", "自 {day} 起旧主机可清除。"),
    "archive": ("The archive lies in {folder} until {day}.", "归档存于 {folder}，保留至 {day}。"),
    "no end": ("no end is set", "未定期限"),
    "agreement": ("The unit confirms that its site works at the destination and that its content is complete.",
                  "本单位确认网站在新址运行正常、内容完整。"),
    "center agrees": (
        "The network center confirms the comparison above and takes the site into its operations.",
        "网络中心确认上述比对结果，并将网站纳入运维。",
    ),
    "signatures": ("Signatures", "签字"),
    "signed unit": ("For the unit", "单位（盖章）"),
    "signed center": ("For the network center", "网络中心（盖章）"),
    "name": ("Name", "姓名"),
    "signature": ("Signature", "签字"),
    "date": ("Date", "日期"),
    "data": ("All of it as data: {file}, SHA-256 {sum}", "完整数据：{file}，SHA-256 {sum}"),
    "unfinished": ("This move is not finished: {state}.", "本迁移项尚未完成：{state}。"),
    "zone": ("All times are {zone}.", "时间均为 {zone}。"),
}  # fmt: skip


def speaker(language: str) -> Callable[..., str]:
    """The look-up for one language; values fill the places of a sentence."""
    column = 1 if language == "zh_CN" else 0

    def say(key: str, **values: object) -> str:
        text = WORDS[key][column]
        return text.format(**values) if values else text

    return say
