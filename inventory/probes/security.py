"""How a host is kept in order: SELinux and AppArmor, automatic updates, a reboot that is due, the kernel settings that matter for a move.

In: files under /sys, /proc and /etc.  Out: `selinux`, `apparmor`, `automatic_updates`, `reboot`, `kernel_settings`.  Which updates are
pending is not asked: the answer would need the network, or stand in lists of unknown age.
"""

from __future__ import annotations

import re
from typing import Any

from inventory.probes.base import Block, Observation, Probe, Section, blocks, unknown
from inventory.probes.fragments import SHOW, assignments, number

SCRIPT = (
    SHOW
    + r"""
e=
for f in /sys/fs/selinux/enforce /selinux/enforce; do if test -r $f; then e=`cat $f 2>/dev/null`; fi; done
if test -n "$e"; then mark selinux "$e"; else mark selinux off; fi
file /etc/selinux/config
for f in /etc/selinux/*/contexts/files/file_contexts.local /var/lib/selinux/*/active/booleans.local \
  /etc/selinux/*/modules/active/booleans.local /etc/selinux/*/active/booleans.local /var/lib/selinux/*/active/ports.local /etc/selinux/*/modules/active/ports.local; do
  if test -f "$f"; then
    if test -r "$f"; then mark selinux-local "$f"; awk '!/^[ \t]*(#|$)/ && n++ < 200 { print "|" substr($0, 1, 300) }' < "$f"; else mark unknown "selinux $f unreadable"; fi
  fi
done
if test -r /sys/module/apparmor/parameters/enabled; then mark apparmor "`cat /sys/module/apparmor/parameters/enabled`"; fi
f=/sys/kernel/security/apparmor/profiles
if test -r $f && cat $f >/dev/null 2>&1; then echo '@ apparmor-profiles'; awk '{ m = $NF; gsub(/[()]/, "", m); n[m]++ } END { for (m in n) print "|" m " " n[m] }' $f
elif test -e $f; then mark unknown "apparmor $f unreadable"; fi
if test -d /etc/apt/apt.conf.d; then
  mark apt "`if test -e /usr/bin/unattended-upgrade; then echo unattended-upgrade; fi`"
  for f in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
    case $f in *.disabled|*.dpkg-*|*.ucf-*|*~|*.bak) continue ;; esac
    if test -f "$f" && test -r "$f"; then awk '/^[ \t]*APT::Periodic::/ { sub(/^[ \t]+/, ""); print "|" substr($0, 1, 200) }' < "$f"; fi
  done
fi
updates() { if test -r "$1"; then mark updates "$1"; awk '/^[ \t]*(apply_updates|download_updates|upgrade_type|update_cmd|CHECK_ONLY|DOWNLOAD_ONLY|ENABLED|AOU_ENABLE_CRONJOB)[ \t]*=/ { print "|" substr($0, 1, 200) }' < "$1"
  for w in /etc/systemd/system/*.wants/dnf-automatic*.timer /etc/systemd/system/*.wants/yum-cron.service /etc/systemd/system/*.wants/dnf5-automatic.timer /etc/rc3.d/S*yum-cron /etc/rc.d/rc3.d/S*yum-cron; do
    if test -L "$w" || test -e "$w"; then printf '|started %s\n' "${w##*/}"; fi
  done; fi; }
for f in /etc/dnf/automatic.conf /etc/yum/yum-cron.conf /etc/sysconfig/yum-cron /etc/sysconfig/yum-autoupdate /etc/sysconfig/automatic_online_update; do updates $f; done
for d in /var/run /run; do if test -e $d/reboot-required; then mark reboot-required $d/reboot-required; if test -r $d/reboot-required.pkgs; then awk 'NR <= 50 { print "|" $1 }' < $d/reboot-required.pkgs; fi; break; fi; done
mark kernels "`uname -r`"
for f in /boot/vmlinuz-* /boot/vmlinux-*; do case $f in *'*'|*rescue*) ;; *) k=${f#/boot/vmlinu?-}; printf '|%s\n' "$k" ;; esac; done
echo '@ sysctl'
# not by the shell's own read: dash reads byte by byte, and files under /proc/sys give only the first
(cd /proc/sys 2>/dev/null && grep . net/ipv4/ip_forward net/ipv6/conf/all/forwarding net/ipv6/conf/all/disable_ipv6 net/ipv4/tcp_syncookies \
  net/core/somaxconn kernel/randomize_va_space kernel/shmmax vm/swappiness vm/overcommit_memory vm/max_map_count fs/file-max \
  fs/inotify/max_user_watches 2>/dev/null) | awk '{ sub(/:/, "="); print "|" $0 }'
"""
)


def parse(section: Section) -> list[Observation]:
    """`mode` of SELinux is enforcing, permissive or disabled; `enabled` of updates True, False or None; `required` of a reboot likewise."""
    found: list[Observation] = []
    once: dict[str, Block] = {}
    local: list[Block] = []
    for block in blocks(section.text):
        if block.tag == "unknown":
            found.append(unknown(block))
        elif block.tag == "selinux-local":
            local.append(block)
        elif block.tag == "updates":
            found.append(_updates(block))
        else:
            once.setdefault(f"file {block.value}" if block.tag == "file" else block.tag, block)
    if (state := once.get("selinux")) is not None:
        found.append(_selinux(state, once.get("file /etc/selinux/config"), local))
    found += _apparmor(once)
    if (apt := once.get("apt")) is not None:
        found.append(_apt(apt))
    found += _reboot(once)
    if (settings := once.get("sysctl")) is not None:
        values = {name.replace("/", "."): value for name, value in assignments(settings.lines).items()}
        found.append(Observation("kernel_settings", {"values": values}, settings.line))
    return sorted(found, key=lambda item: item.line)


def _selinux(state: Block, config: Block | None, local: list[Block]) -> Observation:
    mode = {"1": "enforcing", "0": "permissive", "off": "disabled"}.get(state.value.strip())
    values = assignments(config.lines) if config else {}
    data: dict[str, Any] = {"mode": mode, "configured": values.get("SELINUX"), "policy": values.get("SELINUXTYPE")}
    data |= {"fcontexts": [], "booleans": [], "ports": []}
    for block in local:
        name = next((sort for sort in ("booleans", "ports") if f"{sort}.local" in block.value), "fcontexts")
        data[name] += [line.strip() for line in block.lines]
    return Observation("selinux", data, state.line)


def _apparmor(once: dict[str, Block]) -> list[Observation]:
    enabled, profiles = once.get("apparmor"), once.get("apparmor-profiles")
    if enabled is None and profiles is None:
        return []
    counts: dict[str, int | None] = {}
    for line in profiles.lines if profiles else []:
        mode, _, count = line.rpartition(" ")
        if mode in {"enforce", "complain", "kill", "unconfined", "prompt", "mixed"}:
            counts[mode] = number(count)
    data: dict[str, Any] = {"enabled": {"Y": True, "N": False}.get(enabled.value.strip() if enabled else "")}
    proof = enabled or profiles
    return [Observation("apparmor", data | {"profiles": counts if profiles else None}, proof.line if proof else 1)]


def _apt(block: Block) -> Observation:
    """The last assignment of a name wins, files in their order; both lists and upgrades must be on, and the program there."""
    values: dict[str, str] = {}
    for line in block.lines:
        match = re.match(r'APT::Periodic::([A-Za-z-]{1,60})\s{0,20}"?([^";]{0,40})', line)
        if match is not None:
            values[match.group(1)] = match.group(2).strip()
    on = all(values.get(name, "0") not in {"", "0"} for name in ("Update-Package-Lists", "Unattended-Upgrade"))
    enabled = on and values.get("Enable", "1") != "0" and bool(block.value.strip())
    return Observation("automatic_updates", {"tool": "unattended-upgrades", "enabled": enabled, "file": "/etc/apt/apt.conf.d"}, block.line)


def _updates(block: Block) -> Observation:
    """dnf-automatic and yum-cron: the configuration applies updates, and something starts it; else None: a crontab of ours may."""
    values = {name.lower(): value.lower() for name, value in assignments(block.lines).items()}
    started = any(line.startswith("started ") for line in block.lines)
    tool = block.value.rpartition("/")[2].removesuffix(".conf")
    tool = "dnf-automatic" if tool == "automatic" else tool
    applies = values.get("apply_updates", values.get("enabled", values.get("aou_enable_cronjob", "")))
    if tool == "yum-cron" and "check_only" in values:
        applies = "no" if "yes" in {values.get("check_only"), values.get("download_only")} else "yes"
    on = applies in {"yes", "true", "1"}
    enabled = False if not on else True if started or tool.startswith(("yum-auto", "automatic_online")) else None
    return Observation("automatic_updates", {"tool": tool, "enabled": enabled, "file": block.value}, block.line)


def _natural(text: str) -> list[tuple[int, int, str]]:
    """`4.18.0-80.el8` sorts after `4.18.0-9.el8`: runs of digits by their number."""
    return [(1, int(word), "") if word.isdigit() else (0, 0, word) for word in re.findall(r"\d{1,18}|[^\d]{1,50}", text[:200], re.ASCII)]


def _reboot(once: dict[str, Block]) -> list[Observation]:
    """Due when a package says so, or when a newer kernel than the running one lies in /boot; None where no kernel lies there."""
    asked, kernels = once.get("reboot-required"), once.get("kernels")
    if kernels is None:
        return []
    running = kernels.value.strip()
    newest = max(kernels.lines, key=_natural, default=None)
    packages = list(dict.fromkeys(asked.lines)) if asked else []
    required = True if asked is not None else None if newest is None or running not in kernels.lines else newest != running
    data = {"required": required, "packages": packages, "running_kernel": running, "newest_kernel": newest}
    return [Observation("reboot", data, (asked or kernels).line)]


PROBE = Probe("security", SCRIPT, parse, seconds=10, max_bytes=500_000)
