"""One script for one visit: all probes' sections framed by a nonce, and the transcript it prints read back into sections.

In: probes and a nonce (randomness is the caller's).  Out: POSIX sh for `sh -s`, or the same as a file that a unit's admin runs
(`stand_alone`); from its output, `Section`s.  Pure.

The script writes no file (no here-documents either: bash keeps those in /tmp), runs each section under `timeout` in a shell of
its own with an empty stdin, and pipes it through `REDACT`, so that secrets are gone before the text leaves the host.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from inventory import ssh
from inventory.probes import shared
from inventory.probes.base import Probe, Section

COMMAND = ssh.ROOT_SHELL
"""What is executed over SSH."""

_VALUE = r"""("[^"]*"|'[^']*'|[^[:space:]"';&|]+)"""
_NAMES = (
    r"([Pp][Aa][Ss][Ss]([Ww][Oo]?[Rr]?[Dd])?|[Pp][Ww][Dd]|[Ss][Ee][Cc][Rr][Ee][Tt]|[Tt][Oo][Kk][Ee][Nn]"
    r"|[Aa][Pp][Ii]_?[Kk][Ee][Yy]|[A-Z]+_KEY|[A-Z]+_SALT)[A-Za-z_]*"
)
REDACT = (
    r"/BEGIN [A-Z ]*PRIVATE KEY/,/END [A-Z ]*PRIVATE KEY/d",
    rf"""s/({_NAMES}["']?[]]?[[:space:]]*(=>|[=:,])[[:space:]]*){_VALUE}/\1[redacted]/g""",
    rf"""s/([Ii][Dd][Ee][Nn][Tt][Ii][Ff][Ii][Ee][Dd] [Bb][Yy][[:space:]]+([Pp][Aa][Ss][Ss][Ww][Oo][Rr][Dd][[:space:]]+)?){_VALUE}/\1[redacted]/g""",
    r"s#(://[^/:@[:space:]]*):[^@/[:space:]]*@#\1:[redacted]@#g",
    r"s/((mysql|mariadb)[a-z-]*[^|]*[[:space:]]-p)[^[:space:]]+/\1[redacted]/g",
    r"s/(--pass(word)?[= ])[^[:space:]]+/\1[redacted]/g",
)
"""sed -E expressions applied on the host to every line of every section."""


HELPER = "/usr/local/sbin/planner-collect"
"""Where a unit's admin puts the reviewed helper, so that the account needs no right beyond it."""

_SHELL = (
    "LC_ALL=C LANG=C PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "export LC_ALL LANG PATH; unset LANGUAGE; umask 077",
    'if test "`id -u`" = 0; then PRIV=root; else PRIV=user; fi; export PRIV',
    # BusyBox's leaves a watcher behind that holds our pipe for a second
    "case `timeout --help 2>&1` in *BusyBox*) T= ;; *) if timeout -k 1 5 true 2>/dev/null; then T='timeout -k 2'; else T=; fi ;; esac",
    'limited() { if test -n "$T"; then $T "$1" sh -c "$2" </dev/null 2>/dev/null; else',
    # the watcher ends by itself soon after what it watches: a long sleep would stay on the host when the visit is over
    '  sh -c "$2" </dev/null 2>/dev/null & c=$!; ( exec 3>&- 4>&- 5>&- 6>&-; n=0; while sleep 1; kill -0 $c; do n=$((n + 1))',
    '  if test $n -ge "$1"; then kill -9 $c; fi; done ) >/dev/null 2>&1 &',
    "  wait $c; return $?; fi; }",
    f"redact() {{ sed -E {' '.join('-e ' + shlex.quote(expression) for expression in REDACT)}; }}",
)
"""What a visit and the helper have in common: environment, the bound on a section, redaction."""


def script(probes: Sequence[Probe], nonce: str) -> str:
    """The collector for these probes; every frame line begins with `@@<nonce>`, which a host cannot know beforehand.

    Where it runs as a user and the helper of just this version may be called through sudo, a section is read through it.
    """
    lines = [
        f"M=@@{nonce}",
        f"H={HELPER}",
        *_SHELL,
        "how() { if test $PRIV = root || test ! -r $H; then echo $PRIV",
        '  elif ! grep -q "^# section $1 $2\\$" $H; then echo stale',
        "  elif sudo -n -l $H $1 >/dev/null 2>&1; then echo helper; else echo user; fi; }",
        "exec 4>&1",
        'run() { printf "\\n%s begin %s\\n" "$M" "$1"; b=`date +%s`; as=`how "$1" "$5"`',
        '  if test $as = helper; then set -- "$1" "$2" "$3" "exec sudo -n $H $1"; fi',
        '  st=`{ { limited "$2" "$4"; echo $? >&3; } | redact | head -c "$3" >&4; } 3>&1`',
        '  printf "\\n%s end %s %s %s %s\\n" "$M" "$1" "${st:-none}" $((`date +%s` - b)) $as; }',
        "case ${PLANNER_SUDO:-} in tty|password|none|refused) ;; *) PLANNER_SUDO=; esac",
        'printf "%s start %s %s %s\\n" "$M" "$PRIV" "`uname -s 2>/dev/null || echo unknown`" "$PLANNER_SUDO"',
    ]
    lines += shared.definitions()
    lines += [
        f"run {probe.name} {probe.seconds} {probe.max_bytes} {shared.quoted(probe.script)} {section_digest(probe)}" for probe in probes
    ]
    lines.append("printf '\\n%s finish\\n' \"$M\"")
    return "\n".join(lines) + "\n"


def section_digest(probe: Probe) -> str:
    """16 hexadecimal digits that change with a section's text."""
    return hashlib.sha256(probe.script.encode()).hexdigest()[:16]


_HELPER_HEADER = """\
#!/bin/sh
# planner-collect {version}: one section of the network center's inventory, read as root, secrets blacked out.
# It changes nothing: it writes no file, installs nothing, starts and stops nothing, and sends nothing anywhere.
# The account of the inventory may call it through sudo and nothing else.  Read it: it is plain sh.
# Install:  install -o root -g root -m 0755 planner-collect {path}
# 以 root 身份读取清单的一个部分，密码已涂去；不做任何改动。清单账号只能通过 sudo 调用本脚本。脚本为普通 sh，可自行审阅。
"""


def helper(probes: Sequence[Probe], version: str) -> str:
    """The helper that a unit's admin installs: `planner-collect SECTION` prints that section, bounded and redacted, and does nothing else."""
    wanted = [probe for probe in probes if probe.root]
    lines = [f"# section {probe.name} {section_digest(probe)}" for probe in wanted]
    lines += [
        'test $# = 1 || { echo "usage: planner-collect SECTION" >&2; exit 2; }',
        *_SHELL,
        'case "$1" in',
        *(f"{probe.name}) N={probe.seconds} B={probe.max_bytes} S={shlex.quote(probe.script)};;" for probe in wanted),
        '*) echo "planner-collect: there is no such section" >&2; exit 2;;',
        "esac",
        "exec 4>&1",
        'st=`{ { limited "$N" "$S"; echo $? >&3; } | redact | head -c "$B" >&4; } 3>&1`',
        'exit "${st:-1}"',
    ]
    return _HELPER_HEADER.format(version=re.sub("[^A-Za-z0-9.+-]", "", version) or "0", path=HELPER) + "\n".join(lines) + "\n"


HEADER = """\
#!/bin/sh
# Collector of the network center's inventory, version {version}.
#
# What it reads: the system's name, release, size, addresses, listeners, firewall, services, scheduled jobs, disks, load and installed
#   packages; names of accounts and groups, who may use sudo, and whose public keys open which account (never a password or its hash);
#   mail setup; containers (the names of their variables, never the values); the web servers' and PHP's configuration; which sites,
#   applications, databases (names, sizes and how their texts are encoded, never contents) and certificates there are; how many files of
#   which kind lie in the sites' folders, which fixed addresses and signs of intruders are in them; a summary of the access logs.
# It changes nothing: it writes no file, installs nothing, starts and stops nothing, and sends nothing anywhere.
# Passwords and keys in what it reads are blacked out here, before anything is printed.  Read it: it is plain sh.
# How to run it (it takes a few minutes at most):
#   sudo sh collect.sh > out.txt       with it, everything is read
#   sh collect.sh > out.txt            without it, what only root may read stays unknown
# Then look through out.txt and send it, unchanged, to: {contact}
#
# 这是网络中心资产清单的采集脚本，版本 {version}。
# 读取内容：系统名称、版本、配置、地址、监听端口、防火墙、服务、计划任务、磁盘、负载和已安装的软件包；账号和用户组的名称、
#   谁可以使用 sudo、哪些公钥可以登录哪个账号（不读取密码及其散列值）；邮件设置；容器（只读环境变量的名称，不读值）；
#   Web 服务器和 PHP 的配置；有哪些网站、应用、数据库（只输出名称、大小和文字编码情况，不输出内容）和证书；网站目录中文件的
#   数量和种类、其中写死的地址和入侵迹象；访问日志的汇总。
# 不做任何改动：不写文件，不安装软件，不启停服务，也不向任何地方发送数据。
# 读到的密码和密钥在本机打印之前就已涂去。脚本是普通的 sh，可以自行审阅。
# 运行方法（最多几分钟）：
#   sudo sh collect.sh > out.txt       可读取全部内容
#   sh collect.sh > out.txt            不用 sudo 时，只有 root 可读的内容记为未知
# 然后检查 out.txt，原样发送给：{contact}
#
# To check that this script is as it was written / 核对脚本是否被改动：
#   sed '1,/^PLANNER_DIGEST=/d' collect.sh | sha256sum      sha256: {digest}
PLANNER_DIGEST={digest}
"""
_ABOUT = r"""
if test -t 1; then
  echo 'Send the output to a file: sh collect.sh > out.txt' >&2; echo '请把输出保存到文件：sh collect.sh > out.txt' >&2; exit 2
fi
if test "`id -u`" != 0; then
  echo 'Not root: what only root may read stays unknown; better: sudo sh collect.sh > out.txt' >&2
  echo '当前不是 root：只有 root 可读的内容将记为未知；建议：sudo sh collect.sh > out.txt' >&2
fi
{ renice -n 19 -p $$ || renice 19 $$; } >/dev/null 2>&1
about() {
  h=`hostname 2>/dev/null || uname -n`; h=`printf %s "$h" | tr -cd 'A-Za-z0-9._-' | head -c 200`
  printf '@@%s about 1 %s %s %s %s\n' "$1" "$PLANNER_VERSION" "$PLANNER_DIGEST" "${h:-none}" "`date -u +%Y-%m-%dT%H:%M:%SZ`"
}
digest() {
  if command -v sha256sum >/dev/null; then sha256sum; elif command -v shasum >/dev/null; then shasum -a 256
  elif command -v openssl >/dev/null; then openssl dgst -sha256; else cat >/dev/null; fi 2>/dev/null
}
exec 5>&1
"""


def stand_alone(probes: Sequence[Probe], nonce: str, version: str, contact: str = "") -> str:
    """The same collector as a file for a host that we may not log in to; `contact` says who gets the output.

    Around the visit's frames it prints `@@<nonce> about 1 VERSION DIGEST HOSTNAME TIME` (DIGEST: sha256 of the script below its
    header) and `@@<nonce> sum HEX`, the sha256 of all that came before: mail programs change text that they carry.
    """
    # the sum is taken from a pipe beside the output: no file is written, and nothing is held in memory
    body = (
        f"PLANNER_VERSION={shlex.quote(re.sub('[^A-Za-z0-9.+-]', '', version) or '0')}\n"
        f"collect() {{\n{script(probes, nonce)}}}\n"
        + _ABOUT.lstrip("\n")
        + f"sum=`{{ {{ about {nonce}; collect; }} 5>&- 6>&- | tee /dev/fd/6 >&5; }} 6>&1 | digest`\n"
        + f"printf '\\n@@%s sum %s\\n' {nonce} \"`printf %s \"$sum\" | tr ' ' '\\n' | grep '^[0-9a-f]\\{{64\\}}$'`\"\n"
    )
    digest = hashlib.sha256(body.encode()).hexdigest()
    contact = (
        "".join(c for c in contact if c.isprintable())[:200] or "the network center, who gave you this script / 发给您此脚本的网络中心"
    )
    return HEADER.format(version=re.sub("[^A-Za-z0-9.+-]", "", version) or "0", contact=contact, digest=digest) + body


def digest_of(text: str) -> str:
    """The digest that a stand-alone script carries, '' when it is none."""
    match = re.search(r"^PLANNER_DIGEST=([0-9a-f]{64})$", text, re.M)
    return match.group(1) if match else ""


def nonce_of(output: bytes) -> str:
    """The nonce of a stored transcript, '' when there is no first frame.  A stored one begins with that frame (see `trimmed`)."""
    match = re.search(rb"^@@([!-~]{1,64}) (?:start|about) ", output, re.M)
    return match.group(1).decode("ascii") if match else ""


def trimmed(output: bytes, nonce: str) -> bytes:
    """From the first frame on: what a login shell said before it could pass for a frame when the nonce is no longer at hand."""
    place = re.search(rb"^@@%s (?:start|about) " % re.escape(nonce.encode()), output, re.M)
    return output[place.start() :] if place else output


@dataclass(frozen=True)
class Transcript:
    """What came back.  `complete` is whether the last frame was seen; `system` is `uname -s`; `privilege` root, user or ''.

    `sudo` is why there was no root: a key of `NO_ROOT`, or ''.
    """

    sections: tuple[Section, ...]
    privilege: str
    system: str
    complete: bool
    sudo: str = ""


NO_ROOT = {
    "tty": "no sudo without a terminal (requiretty)",
    "password": "no sudo without a password",
    "none": "there is no sudo",
    "refused": "no sudo for this account",
    "": "no sudo",
}
"""Why a visit was not root's, as `ssh.ROOT_SHELL` finds it."""


def read(output: bytes, nonce: str, probes: Sequence[Probe]) -> Transcript:
    """Split a visit's output into sections.  A section that never ended has status None and what had come of it."""
    limits = {probe.name: probe.max_bytes for probe in probes}
    marker = f"@@{nonce} "
    text = output.decode("utf-8", "surrogateescape")
    frame = re.compile(rf"{re.escape(marker)}(start|begin|end|finish)\b(.*)$", re.M)
    found = [match for at in _beginnings(text, marker) if (match := frame.match(text, at))]
    privilege = system = sudo = ""
    complete = False
    sections: list[Section] = []
    for index, match in enumerate(found):
        words = match.group(2).split()
        if match.group(1) == "start" and words:
            privilege, system, sudo = [*words, "", ""][:3]
        elif match.group(1) == "finish":
            complete = True
        elif match.group(1) == "begin" and words:
            following = found[index + 1] if index + 1 < len(found) else None
            body = text[match.end() + 1 : following.start() if following else len(text)]
            ended = following is not None and following.group(1) == "end"
            fields = following.group(2).split() if following is not None and ended else []
            status = int(fields[1]) if len(fields) > 1 and fields[1].isdigit() else None
            seconds = float(fields[2]) if len(fields) > 2 and fields[2].isdigit() else 0.0
            how = fields[3] if len(fields) > 3 and fields[3] in {"root", "helper", "stale"} else privilege
            body = body.removesuffix("\n") if ended else body
            limit = limits.get(words[0], 1 << 62)
            cut = 4 * len(body) >= limit and len(body.encode("utf-8", "surrogateescape")) >= limit
            sections.append(Section(words[0], body, status, seconds, how, cut))
    return Transcript(tuple(sections), privilege, system, complete, sudo if sudo in NO_ROOT else "")


def _beginnings(text: str, marker: str) -> Iterator[int]:
    """Where lines begin with the marker.  A plain search is ten times as fast as an expression that is tried at each line."""
    if text.startswith(marker):
        yield 0
    at = text.find("\n" + marker)
    while at >= 0:
        yield at + 1
        at = text.find("\n" + marker, at + 1)
