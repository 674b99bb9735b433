"""What a host's disks are made of: devices with model and size, software RAID, volume groups, swap, RAID controllers.

In: /sys/block, /proc/swaps, and LVM's own backup of its layout; few forks.  Out: `block_device`, `raid`, `volume_group`, `swap`,
`raid_controller`.  `lvs`, `vgs` and `mdadm` are not run: LVM's tools take locks in /run and may write that backup anew.
"""

from __future__ import annotations

import re
from typing import Any

from inventory.probes.base import Block, Observation, Probe, Section, blocks, unknown
from inventory.probes.fragments import SHOW, number

SCRIPT = (
    SHOW
    + r"""
get() { v=; if test -r "$1"; then read -r v < "$1"; fi 2>/dev/null; v=${v:-}; }
if test -d /sys/block && ls /sys/block >/dev/null 2>&1; then
  for d in /sys/block/*; do
    n=${d##*/}
    case $n in loop*|ram*|zram*|fd*|'*') continue ;; esac
    mark device "$n"
    for f in size queue/rotational removable device/model device/vendor device/serial device/wwid dm/name dm/uuid md/level md/array_state md/raid_disks md/degraded; do
      get "$d/$f"
      if test -n "$v"; then printf '|%s\t%s\n' "$f" "$v"; fi
    done
    for s in "$d"/slaves/*; do if test -e "$s"; then printf '|slave\t%s\n' "${s##*/}"; fi; done
    for p in "$d/$n"*; do if test -r "$p/partition"; then get "$p/size"; printf '|partition\t%s\t%s\n' "${p##*/}" "$v"; fi; done
  done
elif test -r /proc/partitions; then echo '@ partitions'; show < /proc/partitions
else mark unknown 'block_devices /sys/block and /proc/partitions missing'; fi
if test -r /proc/swaps; then echo '@ swaps'; show < /proc/swaps; else mark unknown 'swap /proc/swaps unreadable'; fi
for k in megaraid_sas megaraid mpt3sas mpt2sas mptsas mptspi hpsa cciss smartpqi aacraid 3w-9xxx 3w-xxxx 3w-sas arcmsr ips; do
  for e in /sys/bus/pci/drivers/$k/[0-9a-f]*:*; do if test -e "$e"; then mark controller "$k"; break; fi; done
done
if test -d /etc/lvm/backup; then
  if test -r /etc/lvm/backup && test -x /etc/lvm/backup; then
    for f in /etc/lvm/backup/*; do
      if test -f "$f" && test -r "$f"; then
        mark lvm "${f##*/}"
        awk '/^[ \t]*(extent_size|pe_count|extent_count|device|type) = / || /[{}]/ { sub(/^[ \t]+/, ""); sub(/[ \t]*#.*/, ""); if (n++ < 4000) print "|" substr($0, 1, 200) }' < "$f"
      fi
    done
  else mark unknown 'volume_groups /etc/lvm/backup unreadable'; fi
fi
"""
)

_HARDWARE = re.compile(r"perc|megaraid|logical volume|serveraid|smart array|mr9|avago|lsi|raid", re.I)
_MAPPED = {"LVM": "lvm", "CRYPT": "crypt", "mpath": "multipath"}


def parse(section: Section) -> list[Observation]:
    """`block_device` {name, sort, bytes, model, rotational, …}: `sort` is disk, partition, raid, lvm, crypt, multipath, optical or mapped;
    `parents` are the devices it lies on; `hardware_raid` is True when the model is a controller's volume, None when nothing tells."""
    found: list[Observation] = []
    for block in blocks(section.text):
        if block.tag == "unknown":
            found.append(unknown(block))
        elif block.tag == "device" and block.value:
            found.extend(_device(block))
        elif block.tag == "partitions":
            found.extend(_partitions(block))
        elif block.tag == "swaps":
            found.extend(_swaps(block))
        elif block.tag == "controller":
            found.append(Observation("raid_controller", {"driver": block.value}, block.line))
        elif block.tag == "lvm" and block.value:
            found.append(Observation("volume_group", _volume_group(block), block.line))
    return found


def _blocks_of_512(text: str) -> int | None:
    sectors = number(text)
    return None if sectors is None else sectors * 512


def _record(name: str, sort: str, size: int | None, **more: Any) -> dict[str, Any]:
    data: dict[str, Any] = {"name": name, "sort": sort, "bytes": size, "model": None, "serial": None, "rotational": None, "removable": None}
    return data | {"parents": [], "label": None, "hardware_raid": None} | more


def _device(block: Block) -> list[Observation]:
    values: dict[str, str] = {}
    slaves: list[str] = []
    parts: list[tuple[str, str, int]] = []
    for offset, line in enumerate(block.lines, start=block.line + 1):
        key, _, value = line.partition("\t")
        if key == "slave":
            slaves.append(value)
        elif key == "partition":
            parts.append((*value.partition("\t")[::2], offset))
        else:
            values[key] = value.strip()
    name, size = block.value, _blocks_of_512(values.get("size", ""))
    model = (
        " ".join(word for word in (values.get("device/vendor"), values.get("device/model")) if word and not word.startswith("0x")) or None
    )
    sort = _sort(name, values)
    if size == 0 and sort != "raid":
        return []  # an empty card reader or drive
    data = _record(name, sort, size, model=model, parents=sorted(slaves), label=values.get("dm/name"))
    data["serial"] = values.get("device/serial")
    data["rotational"] = {"1": True, "0": False}.get(values.get("queue/rotational", ""))
    data["removable"] = {"1": True, "0": False}.get(values.get("removable", ""))
    if sort == "disk":
        data["hardware_raid"] = True if model and _HARDWARE.search(model) else None
    found = [Observation("block_device", data, block.line)]
    if "md/level" in values:
        raid = {"name": name, "level": values["md/level"], "state": values.get("md/array_state"), "devices": sorted(slaves), "bytes": size}
        raid |= {"members": number(values.get("md/raid_disks", "")), "missing": number(values.get("md/degraded", ""))}
        found.append(Observation("raid", raid, block.line))
    for part, sectors, offset in parts:
        found.append(Observation("block_device", _record(part, "partition", _blocks_of_512(sectors), parents=[name]), offset))
    return found


def _sort(name: str, values: dict[str, str]) -> str:
    if name.startswith("md"):
        return "raid"
    if name.startswith("dm-"):
        return _MAPPED.get(values.get("dm/uuid", "").partition("-")[0], "mapped")
    return "optical" if name.startswith("sr") else "disk"


def _partitions(block: Block) -> list[Observation]:
    """Kernels without /sys: major, minor, blocks of 1 KiB, name."""
    found = []
    for offset, line in enumerate(block.lines, start=block.line + 1):
        words = line.split()
        if len(words) == 4 and (size := number(words[2])) is not None and not words[3].startswith(("loop", "ram")):
            sort = "partition" if re.fullmatch(r"(?:[hsv]d|xvd)[a-z]{1,2}\d{1,3}", words[3]) else _sort(words[3], {})
            found.append(Observation("block_device", _record(words[3], sort, size * 1024), offset))
    return found


def _swaps(block: Block) -> list[Observation]:
    found = []
    for offset, line in enumerate(block.lines[1:], start=block.line + 2):
        words = line.split()
        if len(words) >= 5 and (size := number(words[-3])) is not None:
            used = number(words[-2])
            data = {
                "device": " ".join(words[:-4]),
                "type": words[-4],
                "bytes": size * 1024,
                "used_bytes": None if used is None else used * 1024,
            }
            found.append(Observation("swap", data, offset))
    return found


def _volume_group(block: Block) -> dict[str, Any]:
    """LVM's text format: sections in braces; the group's extent size in sectors, extents per physical volume and per segment."""
    path: list[str] = []
    extent, total, used = 0, 0, 0
    devices: list[str] = []
    volumes: list[str] = []
    segments: dict[str, tuple[int, str]] = {}
    for line in block.lines:
        name, equal, value = line.partition(" = ")
        if line.endswith("{"):
            path.append(line[:-1].strip())
            if len(path) == 3 and path[1] == "logical_volumes":
                volumes.append(path[2])
        elif line.startswith("}"):
            del path[-1:]
        elif equal and name == "extent_size" and len(path) == 1:
            extent = number(value) or 0
        elif equal and len(path) == 3 and path[1] == "physical_volumes":
            if name == "device":
                devices.append(value.strip('"'))
            elif name == "pe_count":
                total += number(value) or 0
        elif equal and len(path) == 4 and path[1] == "logical_volumes":
            count, kind = segments.get("/".join(path), (0, ""))
            segments["/".join(path)] = (
                (number(value) or 0, kind) if name == "extent_count" else (count, value) if name == "type" else (count, kind)
            )
    plain = all(kind.strip('"') in {"striped", "linear", ""} for _, kind in segments.values())
    used = sum(count for count, _ in segments.values())
    data: dict[str, Any] = {"name": block.value, "devices": devices, "volumes": sorted(volumes), "bytes": total * extent * 512}
    return data | {"free_bytes": (total - used) * extent * 512 if plain and total >= used else None}


PROBE = Probe("storage", SCRIPT, parse, seconds=10, max_bytes=500_000)
