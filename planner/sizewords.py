"""Why a size is what it is, in one sentence for each figure, English and Chinese.  Pure.

In: what was measured of CPU, memory and disk, and the factors of headroom.  Out: two texts for admins and unit offices.
"""

from __future__ import annotations

from collections.abc import Sequence

from planner import wording
from planner.attribution import Measured

Figure = tuple[str, Measured, float]

_NAMES = {"cpu": ("CPU", "CPU"), "memory": ("Memory", "内存"), "disk": ("Disk", "磁盘")}
_DIVIDED = {
    "host": ("the host serves nothing else", "该主机只有这一项应用"),
    "service": ("mostly services of its own", "主要来自其专用的服务进程"),
    "log": ("its {share} of the requests in the access logs", "按访问日志中 {share} 的请求量分摊"),
    "equal": ("divided equally ({share}), since logs do not tell the sites apart", "日志无法区分各网站，平均分摊（{share}）"),
}
_DISK = {
    "measured": ("{value} of files and databases", "文件与数据库共 {value}"),
    "partial": ("{value} of files; its database's size is unknown, so this is the least", "文件 {value}；数据库大小未知，此为最低值"),
    "filesystems": ("{value} on the host's file systems, its system included", "主机文件系统已用 {value}（含操作系统）"),
    "declared": ("{value} as its unit declared, for want of a reading", "未能读取，按单位申报的 {value} 计"),
    "unknown": ("unknown", "未知"),
}


def sentences(figures: Sequence[Figure], growth: float | None, months: int | None) -> tuple[str, str]:
    """(English, Chinese); without figures, that the workload was found on no host."""
    if not figures:
        return "It was found on no host: nothing was measured.", "未在任何主机上发现，没有可用数据。"
    told = [
        _disk(measured, factor, growth, months) if name == "disk" else _load(name, measured, factor) for name, measured, factor in figures
    ]
    return " ".join(f"{_NAMES[f[0]][0]}: {en}." for f, (en, _) in zip(figures, told, strict=True)), "".join(
        f"{_NAMES[f[0]][1]}：{zh}。" for f, (_, zh) in zip(figures, told, strict=True)
    )


def _load(name: str, measured: Measured, factor: float) -> tuple[str, str]:
    if measured.value is None:
        return "unknown", "未知"
    allocated = measured.basis.startswith("allocated")
    share = percent(measured.share)
    en, zh = (text.format(share=share) for text in _DIVIDED[measured.basis.removeprefix("allocated ")])
    if allocated:
        return f"as allocated to its host, for want of a history; {en}", f"缺少历史数据，按主机现有配置计；{zh}"
    rank = "95" if name == "cpu" or measured.source == "sysstat" else "99"
    span = duration(measured.covered_s)
    if measured.source == "sysstat":
        return (
            f"the highest day's {rank}th percentile that sysstat kept ({measured.count} readings over {span[0]}), {en}, × {factor:g}",
            f"取 sysstat 各日第 {rank} 百分位的最大值（{span[1]}内 {measured.count} 次读数），{zh}，× {factor:g}",
        )
    return (
        f"{rank}th percentile of {measured.count} readings over {span[0]}, {en}, × {factor:g}",
        f"{span[1]}内 {measured.count} 次读数的第 {rank} 百分位，{zh}，× {factor:g}",
    )


def _disk(measured: Measured, factor: float, growth: float | None, months: int | None) -> tuple[str, str]:
    held = amount(measured.value)
    en, zh = (text.format(value=held) for text in _DISK[measured.basis])
    if measured.value is None:
        return en, zh
    if growth is None:
        return f"{en}, growth unknown, × {factor:g}", f"{zh}，增长趋势未知，× {factor:g}"
    grown = amount(growth)
    return f"{en}, + {grown} in {months} months by its trend, × {factor:g}", f"{zh}，按趋势 {months} 个月增长 {grown}，× {factor:g}"


def percent(share: float | None) -> str:
    """`12.3 %`; a share below a tenth of a per cent is not nothing."""
    if share is None:
        return ""
    return "< 0.1 %" if 0 < share < 0.001 else f"{100 * share:.1f} %"


def duration(seconds: float) -> tuple[str, str]:
    """`14 d`, `31 h`."""
    hours = int(seconds // 3600)
    return (f"{hours // 24} d", f"{hours // 24} 天") if hours >= 72 else (f"{hours} h", f"{hours} 小时")


def amount(value: float | None) -> str:
    """Bytes for people, in powers of 1000."""
    return "?" if value is None else wording.size(value)
