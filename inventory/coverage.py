"""What a visit could not read, why, and what would fill the gap: per host and section, down to the line for sudoers.  Pure.

In: a snapshot's sections, its `unknown` observations and the probes.  Out: `Gap`s.  A section that was read as root, without unknowns,
in time and whole has no gap.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inventory import collector
from inventory.errors import InputError
from inventory.probes.base import Probe

REMEDIES = {
    "root": "let the account call the helper for this section (planner access)",
    "stale": "the helper there is of another version: install the one that `planner access script` writes",
    "time": "the section took longer than it may: visit again when the host is idle, or raise the bound",
    "size": "the section said more than is kept: what was cut is unknown",
    "missing": "the section never came: visit again",
    "host": "the host has no tool for it, or the file is damaged: look there",
}
"""Kinds of gaps, and what to do about each."""


@dataclass(frozen=True)
class Gap:
    """One thing that is unknown: `section`, `what` of it and `why`; `remedy` is a key of REMEDIES, `sudoers` the line that would do."""

    section: str
    what: str
    why: str
    remedy: str
    sudoers: str = ""


@dataclass(frozen=True)
class Coverage:
    """`whole` of `sections` sections were read with all that there is; `gaps` is the rest, in the order of the probes."""

    sections: int
    whole: int
    gaps: tuple[Gap, ...]


def account(text: str) -> str:
    """A name that may stand in sudoers.  Raises InputError."""
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", text):
        raise InputError(f"{text!r} is not a user name for sudoers", hint="small letters, digits, - and _")
    return text


def line(user: str, section: str, digest: str = "") -> str:
    """The sudoers line for one section.  With `digest`, sudo (1.8.7 on) runs the helper only while its bytes are the reviewed ones."""
    lock = f"sha256:{digest} " if digest else ""
    return f"{account(user)} ALL=(root) NOPASSWD: {lock}{collector.HELPER} {section}"


def sudoers(user: str, probes: Sequence[Probe], text: str, *, locked: bool = True, sections: Iterable[str] = ()) -> str:
    """A whole sudoers file for the helper `text`: nothing but its sections, all of them or those named."""
    chosen = [probe for probe in probes if probe.root]
    names = {probe.name for probe in chosen}
    if strange := sorted(set(sections) - names):
        raise InputError(f"no section {', '.join(strange)}", hint=f"sections that need root: {', '.join(sorted(names))}")
    digest = hashlib.sha256(text.encode()).hexdigest() if locked else ""
    wanted = set(sections) or names
    lines = [
        "# The network center's inventory: the account may read these sections as root through the reviewed helper, and nothing else.",
        "# Install: visudo -cf planner && install -o root -g root -m 0440 planner /etc/sudoers.d/planner",
        f"# The helper: {collector.HELPER}",
        f"Defaults!{collector.HELPER} !requiretty",
    ]
    for probe in chosen:
        if probe.name in wanted:
            lines += [f"# {probe.name}: {probe.root}", line(user, probe.name, digest)]
    return "\n".join(lines) + "\n"


def of(
    sections: Sequence[Mapping[str, Any]],
    unknowns: Iterable[tuple[str, Mapping[str, Any]]],
    probes: Sequence[Probe],
    user: str,
    digest: str = "",
) -> Coverage:
    """Coverage of one snapshot: `sections` as the catalogue keeps them, `unknowns` as (section, data)."""
    came = {str(entry.get("name")): entry for entry in sections}
    by_section: dict[str, list[Mapping[str, Any]]] = {}
    for name, data in unknowns:
        by_section.setdefault(name, []).append(data)
    gaps: list[Gap] = []
    for probe in probes:
        gaps += _gaps(probe, came.get(probe.name), by_section.get(probe.name, []), line(user, probe.name, digest))
    lacking = {gap.section for gap in gaps}
    return Coverage(len(probes), sum(probe.name not in lacking for probe in probes), tuple(gaps))


def _gaps(probe: Probe, entry: Mapping[str, Any] | None, unknowns: Sequence[Mapping[str, Any]], sudo: str) -> list[Gap]:
    if entry is None:
        return [Gap(probe.name, probe.name, "the section did not come", "missing")]
    found: list[Gap] = []
    status = entry.get("status")
    if status in {None, 124, 137}:
        found.append(Gap(probe.name, "the rest of it", f"stopped after {float(entry.get('seconds') or 0):g} s", "time"))
    if entry.get("truncated"):
        found.append(Gap(probe.name, "the rest of it", f"more than {probe.max_bytes} bytes", "size"))
    as_user = bool(probe.root) and entry.get("privilege") in {"user", "stale"}
    remedy = "host" if not as_user else "stale" if entry.get("privilege") == "stale" else "root"
    for data in unknowns:
        if data.get("what") != probe.name:  # that one is the section's own end, told above
            found.append(Gap(probe.name, str(data.get("what")), str(data.get("why")), remedy, sudo if as_user else ""))
    if as_user and not unknowns:
        found.append(Gap(probe.name, probe.root, "read as a user", remedy, sudo))
    return found


def recipe(user: str, key: str, source: str, *, language: str = "en") -> str:
    """What a unit's admin does once, as root: the account, our key with its limits, the helper, the rule.  `key` is one public key line."""
    words = key.split()
    if len(words) < 2 or not re.fullmatch(r"[a-z0-9@.-]+", words[0]) or not re.fullmatch(r"[A-Za-z0-9+/=]+", words[1]):
        raise InputError("that is not a public key in one line", hint="the .pub file of the key that the inventory logs in with")
    if not re.fullmatch(r"[0-9a-fA-F.:/,]{2,200}", source):
        raise InputError(f"{source!r} is no address or network to come from", hint="192.0.2.7 or 192.0.2.0/28")
    name = account(user)
    limits = f'from="{source}",no-agent-forwarding,no-port-forwarding,no-X11-forwarding,no-pty'
    said = _ZH if language == "zh_CN" else _EN
    return f"""\
# {said[0]}
useradd --system --create-home --shell /bin/sh {name} && passwd -l {name}
# {said[1]}
install -d -o {name} -g {name} -m 0700 ~{name}/.ssh
echo '{limits} {words[0]} {words[1]} planner' > ~{name}/.ssh/authorized_keys
chown {name} ~{name}/.ssh/authorized_keys && chmod 0600 ~{name}/.ssh/authorized_keys
# {said[2]}
install -o root -g root -m 0755 planner-collect {collector.HELPER}
# {said[3]}
visudo -cf planner.sudoers && install -o root -g root -m 0440 planner.sudoers /etc/sudoers.d/planner
# {said[4]}
su {name} -c 'sudo -n -l'
"""


_EN = (
    "1. An account that nobody can log in to with a password",
    "2. The inventory's key: from the network center's address only, without forwarding and without a terminal",
    "3. The helper, which you have read",
    "4. The rule: these sections as root, and nothing else",
    "5. What the account may do now",
)
_ZH = (
    "1. 新建账号，禁止密码登录",
    "2. 清单使用的公钥：仅限网络中心地址，禁止转发，不分配终端",
    "3. 安装您已审阅过的脚本",
    "4. sudo 规则：仅允许以 root 读取这些部分，其余一概不许",
    "5. 查看该账号现在的权限",
)
