"""How busy a host is: the kernel's counters as one sample, and the averages since boot.

In: /proc and the control groups of services; cheap enough to be run alone again and again.  Out: `usage_sample` with raw counters, of
which `inventory.usage` makes rates when there are two, and one `usage_history` for the time since boot.
"""

from __future__ import annotations

import re
from typing import Any

from inventory import usage
from inventory.probes.base import Block, Observation, Probe, Section, blocks, unknown
from inventory.probes.fragments import SHOW, number

SCRIPT = (
    SHOW
    + r"""
b=`cat /proc/sys/kernel/random/boot_id 2>/dev/null`
if read -r u rest < /proc/uptime; then mark clock "`date +%s` $u ${b:--}"; else mark unknown 'usage_sample /proc/uptime unreadable'; fi
echo '@ stat'; awk '/^(cpu[0-9]* |ctxt|btime|processes|procs_)/ { if ($1 ~ /^cpu[0-9]/) n++; else print "|" $0 } END { print "|cpus " n + 0 }' /proc/stat 2>/dev/null
echo '@ meminfo'; awk '/^(MemTotal|MemFree|MemAvailable|Buffers|Cached|SwapTotal|SwapFree|Dirty|Shmem):/ { print "|" $0 }' /proc/meminfo 2>/dev/null
echo '@ loadavg'; show < /proc/loadavg
if test -r /proc/vmstat; then echo '@ vmstat'; awk '/^(pswpin|pswpout|pgmajfault|oom_kill) / { print "|" $0 }' /proc/vmstat; fi
if test -r /proc/diskstats; then
  printf '@ blocks'; for d in /sys/block/*; do printf ' %s' "${d##*/}"; done; echo
  echo '@ diskstats'; awk 'NF >= 14 && $4 + $8 > 0 && $3 !~ /^(loop|ram|zram|fd|sr)/ && n++ < 500 { print "|" $3, $4, $6, $8, $10, $13 }' /proc/diskstats
else mark unknown 'disk_counters /proc/diskstats missing'; fi
if test -r /proc/net/dev; then echo '@ netdev'; awk 'NR > 2 && n++ < 200 { sub(/:/, " "); print "|" $1, $2, $10 }' /proc/net/dev; else mark unknown 'net_counters /proc/net/dev missing'; fi
for k in cpu memory io; do if test -r /proc/pressure/$k; then mark pressure $k; cat /proc/pressure/$k 2>/dev/null | show; fi; done
g=/sys/fs/cgroup
if test -e $g/cgroup.controllers; then
  echo '@ cgroup2'
  (cd $g && grep -s '^usage_usec ' system.slice/*/cpu.stat machine.slice/*/cpu.stat user.slice/cpu.stat docker/*/cpu.stat /dev/null) | awk 'NR <= 2000 { print "|" $0 }'
  (cd $g && grep -s . system.slice/*/memory.current system.slice/*/memory.peak machine.slice/*/memory.current user.slice/memory.current docker/*/memory.current /dev/null) | awk 'NR <= 4000 { print "|" $0 }'
else
  for d in $g/cpuacct $g/cpu,cpuacct /cgroup/cpuacct; do
    if test -d $d; then echo '@ cgroup1 cpu'; (cd $d && grep -s . system.slice/*/cpuacct.usage machine.slice/*/cpuacct.usage user.slice/cpuacct.usage docker/*/cpuacct.usage /dev/null) | awk 'NR <= 2000 { print "|" $0 }'; break; fi
  done
  for d in $g/memory /cgroup/memory; do
    if test -d $d; then echo '@ cgroup1 memory'; (cd $d && grep -s . system.slice/*/memory.usage_in_bytes system.slice/*/memory.max_usage_in_bytes machine.slice/*/memory.usage_in_bytes docker/*/memory.usage_in_bytes /dev/null) | awk 'NR <= 4000 { print "|" $0 }'; break; fi
  done
fi
"""
)

_CPU = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_WHOLE = re.compile(r"[hsv]d[a-z]{1,2}|xvd[a-z]{1,2}|(?:nvme\d{1,3}n|mmcblk)\d{1,3}|(?:cciss|ida)!?/?c\dd\d{1,2}|dasd[a-z]{1,2}")
_VIRTUAL = ("lo", "veth", "br-", "docker", "virbr", "ifb", "tap", "vnet", "bond", "dummy", "sit", "cni", "podman")


def parse(section: Section) -> list[Observation]:
    """`usage_sample` {time, uptime_s, boot_id, cpus, cpu, memory, disks, net, load, paging, pressure, services}: counters since boot.

    `cpu` is in the kernel's ticks, `disks` and `net` in counts and bytes, memory in bytes, a service's `cpu_s` in seconds; `disks` are whole
    ones (not partitions, nor what lies on them), `net` leaves out bridges and the like, so that nothing is counted twice.
    """
    found: list[Observation] = []
    once: dict[str, Block] = {}
    for block in blocks(section.text):
        if block.tag == "unknown":
            found.append(unknown(block))
        else:
            name = f"{block.tag} {block.value}" if block.tag in {"pressure", "cgroup1"} else block.tag
            once.setdefault(name, block)
    clock = once.get("clock")
    words = clock.value.split() if clock else []
    if clock is None or len(words) != 3 or (uptime := real(words[1])) is None:
        return found
    data: dict[str, Any] = {"time": number(words[0]), "uptime_s": uptime, "boot_id": words[2] if words[2] != "-" else None}
    data |= _processors(once.get("stat")) | {"memory": _memory(once.get("meminfo")), "disks": _disks(once), "net": _net(once.get("netdev"))}
    load = [real(word) for word in (once["loadavg"].text.split()[:3] if "loadavg" in once else [])]
    data |= {"load": load if len(load) == 3 and None not in load else None, "paging": _counters(once.get("vmstat"))}
    data |= {"pressure": _pressure(once), "services": _services(once)}
    found.append(Observation("usage_sample", data, clock.line))
    averages = usage.since_boot(data)
    if averages is not None:
        figures = {
            name: None if value is None else {"mean": value, "p95": None}
            for name, value in averages.to_json().items()
            if name not in {"seconds", "services"}
        }
        found.append(
            Observation("usage_history", {"source": "boot", "day": None, "samples": 1, "span_s": averages.seconds, **figures}, clock.line)
        )
    return found


def real(text: str) -> float | None:
    """A plain decimal number, or None."""
    return float(text) if re.fullmatch(r"\d{1,15}(?:\.\d{1,6})?", text, re.ASCII) else None


def _processors(block: Block | None) -> dict[str, Any]:
    found: dict[str, Any] = {"cpus": None, "cpu": None, "booted": None, "forks": None}
    for line in block.lines if block else []:
        words = line.split()
        values = [number(word) for word in words[1:]]
        if words[:1] == ["cpu"] and len(values) >= 4 and None not in values[:8]:
            found["cpu"] = dict(zip(_CPU, values, strict=False))
        elif len(words) == 2 and words[0] in {"cpus", "btime", "processes"}:
            found[{"cpus": "cpus", "btime": "booted", "processes": "forks"}[words[0]]] = values[0]
    return found


def _memory(block: Block | None) -> dict[str, int] | None:
    names = {"MemTotal": "total", "MemFree": "free", "MemAvailable": "available", "Buffers": "buffers", "Cached": "cached"}
    names |= {"SwapTotal": "swap_total", "SwapFree": "swap_free", "Shmem": "shared", "Dirty": "dirty"}
    found: dict[str, int] = {}
    for line in block.lines if block else []:
        name, _, rest = line.partition(":")
        amount = number(rest.replace("kB", ""))
        if name in names and amount is not None:
            found[names[name]] = amount * 1024
    return found or None


def _disks(once: dict[str, Block]) -> dict[str, dict[str, int]] | None:
    """Whole disks by the list of /sys/block without what is stacked on others; by their names where /sys does not tell."""
    block = once.get("diskstats")
    if block is None:
        return None
    listed = set(once["blocks"].value.split()) if "blocks" in once else set()
    listed -= {name for name in listed if name.startswith(("dm-", "md", "*"))}
    found: dict[str, dict[str, int]] = {}
    for line in block.lines:
        words = line.split()
        values = [number(word) for word in words[-5:]]
        name = words[0] if words else ""
        whole = name.replace("/", "!") in listed if listed else _WHOLE.fullmatch(name) is not None
        if len(words) == 6 and whole and None not in values:
            reads, read, writes, written, busy = (value or 0 for value in values)
            found[name] = {"reads": reads, "read_bytes": read * 512, "writes": writes, "written_bytes": written * 512, "busy_ms": busy}
    return found


def _net(block: Block | None) -> dict[str, dict[str, int]] | None:
    if block is None:
        return None
    found: dict[str, dict[str, int]] = {}
    for line in block.lines:
        words = line.split()
        if len(words) == 3 and not words[0].startswith(_VIRTUAL):
            received, sent = number(words[1]), number(words[2])
            if received is not None and sent is not None:
                found[words[0]] = {"in_bytes": received, "out_bytes": sent}
    return found


def _counters(block: Block | None) -> dict[str, int] | None:
    if block is None:
        return None
    pairs = [line.split() for line in block.lines]
    return {pair[0]: value for pair in pairs if len(pair) == 2 and (value := number(pair[1])) is not None}


def _pressure(once: dict[str, Block]) -> dict[str, int] | None:
    """Microseconds that tasks stood still for want of a resource, since boot: `some` of them, `full`: all of them."""
    found: dict[str, int] = {}
    for kind in ("cpu", "memory", "io"):
        block = once.get(f"pressure {kind}")
        for line in block.lines if block else []:
            match = re.match(r"(some|full) .{0,200}\btotal=(\d{1,18})", line)
            if match is not None:
                found[f"{kind}_{match.group(1)}_us"] = int(match.group(2))
    return found or None


def _services(once: dict[str, Block]) -> dict[str, dict[str, Any]] | None:
    """`system.slice/mariadb.service/cpu.stat:usage_usec 12` (cgroup v2), `…/cpuacct.usage:12000` in nanoseconds (v1)."""
    found: dict[str, dict[str, Any]] = {}
    present = [name for name in once if name.startswith("cgroup")]
    for name in present:
        for line in once[name].lines:
            path, _, value = line.rpartition(":")
            parts = path.split("/")
            service, file = "/".join(parts[1:-1]) or parts[0], parts[-1]
            amount = number(value.rpartition(" ")[2])
            if len(parts) < 2 or amount is None:
                continue
            row = found.setdefault(service, {"cpu_s": None, "memory_bytes": None, "memory_peak_bytes": None})
            if file in {"cpu.stat", "cpuacct.usage"}:
                row["cpu_s"] = round(amount / (1e6 if file == "cpu.stat" else 1e9), 3)
            elif file in {"memory.current", "memory.usage_in_bytes"}:
                row["memory_bytes"] = amount
            elif file in {"memory.peak", "memory.max_usage_in_bytes"}:
                row["memory_peak_bytes"] = amount
    return found if present else None


PROBE = Probe("usage", SCRIPT, parse, seconds=10, max_bytes=500_000)
