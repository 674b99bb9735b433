"""Which machine this is: operating system, kernel, hardware, file systems, names, clock and load.

In: files under /etc, /proc and /sys, and few tools.  Out: `os`, `kernel`, `hardware`, `disk`, `network_mount`, `machine`, `load`.
Disks come from /proc/mounts; only file systems known to be local are asked for their size, because one dead network
mount hangs `df` beyond the reach of any signal.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from inventory.probes.base import Block, Observation, Probe, Section, blocks, unknown
from inventory.probes.fragments import SHOW, assignments, first_line, number

SCRIPT = (
    SHOW
    + r"""
for f in /etc/os-release /usr/lib/os-release; do if test -r $f; then file $f; break; fi; done
for f in centos-release redhat-release SuSE-release debian_version alpine-release; do file /etc/$f; done
mark uname "`uname -s` `uname -m` `uname -r`"
file /proc/loadavg
file /proc/uptime
echo '@ meminfo'
awk '/^(MemTotal|MemFree|MemAvailable|Buffers|Cached|SwapTotal|SwapFree):/ { print "|" $0 }' /proc/meminfo 2>/dev/null
echo '@ stat'; awk '/^cpu / { print "|" $0 }' /proc/stat 2>/dev/null
n=`nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || grep -c '^processor' /proc/cpuinfo 2>/dev/null`
if test -n "$n"; then mark cpus "$n"; else mark unknown 'cpus nproc, getconf and /proc/cpuinfo missing'; fi
v=
if have systemd-detect-virt; then v=`systemd-detect-virt 2>/dev/null`; fi
if test -z "$v"; then
  if test -f /.dockerenv; then v=docker
  elif test -d /proc/vz && test ! -d /proc/bc; then v=openvz
  elif test -r /proc/1/environ && grep -q 'container=lxc' /proc/1/environ 2>/dev/null; then v=lxc
  elif test -e /proc/xen/capabilities; then v=xen
  elif test -r /proc/cpuinfo && grep -q '^flags.*hypervisor' /proc/cpuinfo; then v=vm-other
  fi
fi
if test -n "$v"; then mark virtualization "$v"; else mark unknown 'virtualization no tool or sign says'; fi
awk -F: '/^(model name|Processor|cpu model|Hardware)[ \t]*:/ { sub(/^[ \t]+/, "", $2); print "@ cpu-model " $2; exit }' /proc/cpuinfo 2>/dev/null
for f in sys_vendor product_name product_version product_serial chassis_type; do
  if test -r /sys/class/dmi/id/$f; then printf '@ dmi %s\n' $f; show < /sys/class/dmi/id/$f; fi
done
h=`hostname 2>/dev/null || uname -n`
mark hostname "$h"
q=`limit 3 hostname -f 2>/dev/null`
if test -n "$q"; then mark fqdn "$q"; else mark unknown 'fqdn hostname -f gave no answer'; fi
file /etc/hostname
for f in /etc/machine-id /var/lib/dbus/machine-id; do
  if test -s $f; then mark machine-id "`head -n 1 $f 2>/dev/null`"; break; fi
done
file /etc/timezone
file /etc/sysconfig/clock
l=`readlink /etc/localtime 2>/dev/null`
if test -n "$l"; then mark localtime "$l"; fi
mark date "`date -u +%Y-%m-%dT%H:%M:%SZ` `date +%z`"
if test -r /proc/sys/kernel/random/boot_id; then mark boot-id "`cat /proc/sys/kernel/random/boot_id 2>/dev/null`"; fi
awk '/^btime / { print "@ booted " $2 }' /proc/stat 2>/dev/null
for f in /etc/locale.conf /etc/default/locale /etc/sysconfig/i18n; do
  if test -r $f; then mark locale $f; awk '/^[ \t]*(export[ \t]+)?(LANG|LC_ALL)=/ { print "|" $0 }' < $f; fi
done
c=`cat /proc/[0-9]*/stat 2>/dev/null | awk -F '[()]' '$2 ~ /^(chronyd|ntpd|openntpd|systemd-timesyn|ptp4l|VBoxService|vmtoolsd)$/ && !s[$2]++ { printf "%s ", $2 }'`
mark clock-keepers "$c"
if test -e /run/systemd/timesync/synchronized; then echo '@ timesync'; fi
if test -r /proc/mounts; then
  while read -r dev mnt type opts rest; do
    case $type in
      nfs*|cifs|smb*|ncp*|afs|coda|ceph|gluster*|lustre|gpfs|beegfs|9p|davfs*|fuse.sshfs|fuse.*|ocfs2|gfs2|orangefs|pvfs2|prl_fs|vboxsf)
        printf '@ mount %s %s %s remote\n' "$dev" "$type" "$mnt" ;;
      ext2|ext3|ext4|xfs|btrfs|zfs|reiserfs|jfs|f2fs|ufs|fuseblk|ntfs*|vfat|exfat|simfs|bcachefs|ubifs|nilfs2|overlay|aufs|tmpfs)
        case $type:$mnt in
          overlay:/|aufs:/|tmpfs:/) ;;
          overlay:*|aufs:*|tmpfs:*) continue ;;
        esac
        case $mnt in
          /proc/*|/sys/*|/dev/*|/run/host/*|/snap/*) continue ;;
          /var/lib/docker/*|/var/lib/containers/*|/var/lib/kubelet/*) continue ;;
        esac
        printf '@ mount %s %s %s local\n' "$dev" "$type" "$mnt"
        case $mnt in
          *\\*) mnt=`printf '%s\n' "$mnt" | sed 's/\\\\\([0-7][0-7][0-7]\)/\\\\0\1/g'`; mnt=`printf '%b' "$mnt"` ;;
        esac
        r=`limit 5 stat -f -c '%S %b %f %a' "$mnt" 2>/dev/null`
        if test -n "$r"; then printf '|stat %s\n' "$r"
        else limit 5 df -P -k "$mnt" 2>/dev/null | awk 'NR == 2 { print "|df " $0 }'; fi ;;
    esac
  done < /proc/mounts
else
  mark unknown 'disk /proc/mounts unreadable'
fi
"""
)

_RELEASE = re.compile(r"^(.{1,80}?)(?: release)? (\d+(?:\.\d+)*)(?:.*\(([^)]{1,40})\))?")
_IDS = (
    ("red hat", "rhel"), ("centos", "centos"), ("rocky", "rocky"), ("alma", "almalinux"), ("oracle", "ol"),
    ("fedora", "fedora"), ("scientific", "scientific"), ("suse", "suse"), ("kylin", "kylin"), ("euler", "openeuler"),
)  # fmt: skip
_FAMILIES = {
    "debian": "debian", "ubuntu": "debian", "deepin": "debian", "uos": "debian", "raspbian": "debian",
    "devuan": "debian", "rhel": "rhel", "centos": "rhel", "fedora": "rhel", "rocky": "rhel", "almalinux": "rhel", "ol": "rhel",
    "scientific": "rhel", "openeuler": "rhel", "anolis": "rhel", "amzn": "rhel", "alinux": "rhel", "kylin": "rhel",
    "opencloudos": "rhel", "suse": "suse", "opensuse": "suse", "sles": "suse", "sled": "suse",
    "alpine": "alpine", "arch": "arch", "gentoo": "gentoo", "freebsd": "bsd", "openbsd": "bsd", "netbsd": "bsd",
    "sunos": "solaris", "aix": "aix", "hp-ux": "hpux", "darwin": "darwin",
}  # fmt: skip


def parse(section: Section) -> list[Observation]:
    """Observations of one machine.  Sizes are bytes, `uptime_s` seconds, `time` and `booted` ISO 8601 in UTC; what is unread is None.

    `serial` is the machine's own, readable to root only; `synchronized` is True where systemd-timesyncd says so, False where nothing keeps
    the clock and nothing outside can be told to (a container has its host's clock), else None.
    """
    found: list[Observation] = []
    once: dict[str, Block] = {}
    mounts: list[Block] = []
    for block in blocks(section.text):
        if block.tag == "unknown":
            found.append(unknown(block))
        elif block.tag == "mount":
            mounts.append(block)
        else:
            key = f"{block.tag} {block.value}" if block.tag in {"file", "dmi"} else block.tag
            once.setdefault(key, block)
    found += _os(once) + _hardware(once) + _machine(once) + _load(once) + _disks(mounts) + _network_mounts(mounts)
    return found


def _os(once: dict[str, Block]) -> list[Observation]:
    found: list[Observation] = []
    uname = once.get("uname")
    words = uname.value.split() if uname else []
    release = once.get("file /etc/os-release") or once.get("file /usr/lib/os-release")
    if release is not None and release.lines:
        values = assignments(release.lines)
        ident = values.get("ID", "").lower()
        codename = values.get("VERSION_CODENAME", "")
        if not codename and (match := re.search(r"\(([^)]{1,40})\)", values.get("VERSION", "")[:200])):
            codename = match.group(1)
        data: dict[str, Any] = {"id": ident, "version": values.get("VERSION_ID", ""), "codename": codename}
        data["name"] = values.get("PRETTY_NAME") or values.get("NAME", "")
        data["family"] = _family(ident, *values.get("ID_LIKE", "").lower().split()[:8])
        found.append(Observation("os", data, release.line))
    else:
        old = _old_os(once)
        if old is not None:
            found.append(old)
        elif uname is not None and words and words[0] != "Linux":
            ident = words[0].lower()
            version = words[2] if len(words) > 2 else ""
            data = {"id": ident, "version": version, "codename": "", "name": words[0], "family": _family(ident)}
            found.append(Observation("os", data, uname.line))
        else:
            found.append(Observation("unknown", {"what": "os", "why": "no release file"}, uname.line if uname else 1))
    if uname is not None and len(words) >= 3:
        found.append(Observation("kernel", {"release": words[2], "machine": words[1]}, uname.line))
    return found


def _old_os(once: dict[str, Block]) -> Observation | None:
    """Systems before os-release: CentOS 6 and older, Debian 6 and older, SLES 11."""
    for name in ("centos-release", "redhat-release", "SuSE-release"):
        block = once.get(f"file /etc/{name}")
        line = first_line(block)[:300] if block else ""
        match = _RELEASE.match(line)
        if block is not None and match:
            lower = line.lower()
            ident = next((value for word, value in _IDS if word in lower), "rhel" if "red" in name else "")
            data = {"id": ident, "version": match.group(2), "codename": match.group(3) or "", "name": line}
            return Observation("os", data | {"family": _family(ident)}, block.line)
    for name, ident in (("debian_version", "debian"), ("alpine-release", "alpine")):
        block = once.get(f"file /etc/{name}")
        if block is not None and first_line(block):
            version = first_line(block)[:40]
            data = {"id": ident, "version": version, "codename": "", "name": f"{ident.capitalize()} {version}"}
            return Observation("os", data | {"family": ident}, block.line)
    return None


def _family(*idents: str) -> str:
    for ident in idents:
        word = ident.partition("-")[0]
        if ident in _FAMILIES or word in _FAMILIES:
            return _FAMILIES.get(ident) or _FAMILIES[word]
    return ""


def _meminfo(once: dict[str, Block]) -> dict[str, int]:
    block = once.get("meminfo")
    values: dict[str, int] = {}
    for line in block.lines if block else []:
        name, _, rest = line.partition(":")
        amount = number(rest.replace("kB", ""))
        if amount is not None:
            values[name] = amount * 1024
    return values


def _hardware(once: dict[str, Block]) -> list[Observation]:
    cpus, virtualization = once.get("cpus"), once.get("virtualization")
    memory = _meminfo(once).get("MemTotal")
    proof = cpus or once.get("meminfo") or virtualization
    if proof is None:
        return []
    words = [_dmi(once, key) for key in ("sys_vendor", "product_name")]
    processor = once.get("cpu-model")
    data = {
        "cpus": number(cpus.value) if cpus else None,
        "cpu_model": " ".join(processor.value.split()) or None if processor else None,
        "memory_bytes": memory,
        "virtualization": virtualization.value if virtualization else None,
        "model": " ".join(word for word in words if word) or None,
        "serial": _dmi(once, "product_serial"),
    }
    return [Observation("hardware", data, proof.line)]


_UNSET = {"", "none", "not specified", "not applicable", "system serial number", "default string", "0", "0123456789"}
_UNSET |= {"to be filled by o.e.m.", "system product name", "system manufacturer", "unknown", "empty"}


def _dmi(once: dict[str, Block], name: str) -> str | None:
    """What the firmware says, None for what makers leave in place of it."""
    block = once.get(f"dmi {name}")
    text = first_line(block)[:200] if block else ""
    return None if text.lower() in _UNSET else text


def _machine(once: dict[str, Block]) -> list[Observation]:
    hostname, fqdn, ident = once.get("hostname"), once.get("fqdn"), once.get("machine-id")
    date, uptime = once.get("date"), once.get("file /proc/uptime")
    proof = hostname or date or uptime
    if proof is None:
        return []
    seconds = number(first_line(uptime).split(".")[0]) if uptime else None
    data = {
        "hostname": hostname.value if hostname else None,
        "fqdn": fqdn.value if fqdn else None,
        "machine_id": ident.value.strip() or None if ident else None,
        "timezone": _timezone(once),
        "uptime_s": seconds,
        "time": date.value.split(" ")[0] or None if date else None,
        "boot_id": once["boot-id"].value.strip() or None if "boot-id" in once else None,
        "booted": _booted(once),
        "locale": _locale(once),
        **_clock(once),
    }
    return [Observation("machine", data, proof.line)]


def _booted(once: dict[str, Block]) -> str | None:
    seconds = number(once["booted"].value) if "booted" in once else None
    if seconds is None or not 0 < seconds < 1 << 33:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _locale(once: dict[str, Block]) -> str | None:
    """The system's default; what a service sets for itself stands elsewhere."""
    values = assignments([line.strip().removeprefix("export ") for line in once["locale"].lines]) if "locale" in once else {}
    return values.get("LC_ALL") or values.get("LANG")


_CONTAINERS = {"lxc", "lxc-libvirt", "openvz", "docker", "podman", "rkt", "systemd-nspawn", "container-other", "wsl", "proot", "pouch"}


def _clock(once: dict[str, Block]) -> dict[str, Any]:
    keepers = once["clock-keepers"].value.split() if "clock-keepers" in once else None
    virtualization = once["virtualization"].value if "virtualization" in once else ""
    synchronized = True if "timesync" in once else None
    if synchronized is None and keepers == [] and virtualization not in _CONTAINERS:
        synchronized = False
    return {"clock_keeper": keepers[0] if keepers else None, "synchronized": synchronized}


def _timezone(once: dict[str, Block]) -> str | None:
    """The zone's name; failing that the offset `+0800`, which is better than nothing but hides daylight saving."""
    if (link := once.get("localtime")) and "zoneinfo/" in link.value:
        return link.value.rpartition("zoneinfo/")[2]
    if (zone := once.get("file /etc/timezone")) and first_line(zone):
        return first_line(zone)
    if (clock := once.get("file /etc/sysconfig/clock")) and (name := assignments(clock.lines).get("ZONE")):
        return name
    words = once["date"].value.split() if "date" in once else []
    return words[1] if len(words) > 1 else None


def _load(once: dict[str, Block]) -> list[Observation]:
    block = once.get("file /proc/loadavg")
    words = first_line(block).split() if block else []
    if block is None or len(words) < 3 or not all(re.fullmatch(r"\d{1,6}\.\d{1,4}", word) for word in words[:3]):
        return []
    memory = _meminfo(once)
    available = memory.get("MemAvailable")
    if available is None and "MemFree" in memory:  # kernels before 3.14
        available = memory["MemFree"] + memory.get("Buffers", 0) + memory.get("Cached", 0)
    swap = memory.get("SwapTotal")
    cpus = number(once["cpus"].value) if "cpus" in once else None
    cpu: list[int] = [number(word) or 0 for word in (once["stat"].text.split() if "stat" in once else [])[1:9]]
    data = {
        "one": float(words[0]),
        "one_per_cpu": round(float(words[0]) / cpus, 2) if cpus else None,
        "five": float(words[1]),
        "fifteen": float(words[2]),
        "memory_available_bytes": available,
        "swap_bytes": swap,
        "swap_used_bytes": swap - memory["SwapFree"] if swap is not None and "SwapFree" in memory else None,
        "cpu_busy_since_boot": round(1 - (cpu[3] + cpu[4]) / sum(cpu), 4) if len(cpu) > 4 and sum(cpu) > 0 else None,
    }
    return [Observation("load", data, block.line)]


def _disks(mounts: list[Block]) -> list[Observation]:
    """One `disk` per file system: of bind mounts the shortest mount point stays.  Remote ones have no sizes."""
    chosen: dict[str, Observation] = {}
    for block in mounts:
        words = block.value.split(" ")
        if len(words) != 4:
            continue
        device, kind, mount = (_octal(word) for word in words[:3])
        remote = words[3] == "remote"
        total, used = (None, None) if remote else _size(block.lines)
        data = {"mount": mount, "device": device, "fstype": kind, "bytes": total, "used_bytes": used, "network": remote}
        key = device if device.startswith("/") and not remote else f"{device} {mount}"
        if key not in chosen or len(mount) < len(chosen[key].data["mount"]):
            chosen[key] = Observation("disk", data, block.line)
    return sorted(chosen.values(), key=lambda observation: observation.line)


def _network_mounts(mounts: list[Block]) -> list[Observation]:
    """Whose disk a remote file system is: `server:/path`, `//server/share`, `[v6]:/path`; several servers of Ceph or Gluster as written."""
    found = []
    for block in mounts:
        words = block.value.split(" ")
        if len(words) != 4 or words[3] != "remote":
            continue
        device, kind, mount = (_octal(word) for word in words[:3])
        server, path = "", ""
        if device.startswith("//"):
            server, _, path = device[2:].partition("/")
        elif (at := device.find(":/")) > 0:
            server, path = device[:at].strip("[]").rpartition("@")[2], device[at + 1 :]
        found.append(
            Observation("network_mount", {"mount": mount, "fstype": kind, "server": server or None, "path": path or None}, block.line)
        )
    return found


def _size(lines: list[str]) -> tuple[int | None, int | None]:
    words = lines[0].split() if lines else []
    if len(words) >= 4 and words[0] == "stat":
        size, total, free = (number(word) for word in words[1:4])
        if size is not None and total is not None and free is not None:
            return size * total, size * (total - free)
    if len(words) >= 6 and words[0] == "df":
        total, used = number(words[-5]), number(words[-4])
        if total is not None and used is not None:
            return total * 1024, used * 1024
    return None, None


def _octal(text: str) -> str:
    r"""Undo the kernel's escapes in /proc/mounts: `\040` is a space."""
    return re.sub(r"\\([0-3][0-7]{2})", lambda match: chr(int(match.group(1), 8)), text)


PROBE = Probe("system", SCRIPT, parse, seconds=40, max_bytes=400_000)
