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
from collections.abc import Sequence
from dataclasses import dataclass

from inventory.probes import shared
from inventory.probes.base import Probe, Section

COMMAND = (
    "sh -c 'if test `id -u` = 0; then exec nice -n 19 sh -s; "
    "elif sudo -n true 2>/dev/null; then exec nice -n 19 sudo -n sh -s; else exec nice -n 19 sh -s; fi'"
)
"""What is executed over SSH; quoted so that csh and fish as login shells pass it on unchanged."""

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


def script(probes: Sequence[Probe], nonce: str) -> str:
    """The collector for these probes; every frame line begins with `@@<nonce>`, which a host cannot know beforehand."""
    redact = " ".join("-e " + shlex.quote(expression) for expression in REDACT)
    lines = [
        f"M=@@{nonce}",
        "LC_ALL=C LANG=C PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "export LC_ALL LANG PATH; unset LANGUAGE; umask 077",
        'if test "`id -u`" = 0; then PRIV=root; else PRIV=user; fi; export PRIV',
        "if timeout -k 1 5 true 2>/dev/null; then T='timeout -k 2'; else T=''; fi",
        'limited() { if test -n "$T"; then $T "$1" sh -c "$2" </dev/null 2>/dev/null; else',
        '  sh -c "$2" </dev/null 2>/dev/null & c=$!; ( sleep "$1"; kill -9 $c ) >/dev/null 2>&1 & w=$!',
        "  wait $c; s=$?; kill $w 2>/dev/null; return $s; fi; }",
        f"redact() {{ sed -E {redact}; }}",
        "exec 4>&1",
        'run() { printf \'\\n%s begin %s\\n\' "$M" "$1"; b=`date +%s`',
        '  st=`{ { limited "$2" "$4"; echo $? >&3; } | redact | head -c "$3" >&4; } 3>&1`',
        '  printf \'\\n%s end %s %s %s\\n\' "$M" "$1" "${st:-none}" $((`date +%s` - b)); }',
        'printf "%s start %s %s\\n" "$M" "$PRIV" "`uname -s 2>/dev/null`"',
    ]
    lines += shared.definitions()
    lines += [f"run {probe.name} {probe.seconds} {probe.max_bytes} {shared.quoted(probe.script)}" for probe in probes]
    lines.append("printf '\\n%s finish\\n' \"$M\"")
    return "\n".join(lines) + "\n"


HEADER = """\
#!/bin/sh
# Collector of the network center's inventory, version {version}.
#
# What it reads: the system's name, release, size, addresses, listeners, services, scheduled jobs and disks; the web servers' and
#   PHP's configuration; which sites, applications, databases (names and sizes, never contents) and certificates there are;
#   how many files lie in the sites' folders; a summary of the access logs.
# It changes nothing: it writes no file, installs nothing, starts and stops nothing, and sends nothing anywhere.
# Passwords and keys in what it reads are blacked out here, before anything is printed.  Read it: it is plain sh.
# How to run it (it takes a few minutes at most):
#   sudo sh collect.sh > out.txt       with it, everything is read
#   sh collect.sh > out.txt            without it, what only root may read stays unknown
# Then look through out.txt and send it, unchanged, to: {contact}
#
# 这是网络中心资产清单的采集脚本，版本 {version}。
# 读取内容：系统名称、版本、配置、地址、监听端口、服务、计划任务和磁盘；Web 服务器和 PHP 的配置；有哪些网站、
#   应用、数据库（只读名称和大小，不读内容）和证书；网站目录中的文件数量；访问日志的汇总。
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
    """What came back.  `complete` is whether the last frame was seen; `system` is `uname -s`; `privilege` root, user or ''."""

    sections: tuple[Section, ...]
    privilege: str
    system: str
    complete: bool


def read(output: bytes, nonce: str, probes: Sequence[Probe]) -> Transcript:
    """Split a visit's output into sections.  A section that never ended has status None and what had come of it."""
    limits = {probe.name: probe.max_bytes for probe in probes}
    marker = f"@@{nonce} "
    text = output.decode("utf-8", "surrogateescape")
    found = list(re.finditer(rf"^{re.escape(marker)}(start|begin|end|finish)\b(.*)$", text, re.M))
    privilege = system = ""
    complete = False
    sections: list[Section] = []
    for index, match in enumerate(found):
        words = match.group(2).split()
        if match.group(1) == "start" and words:
            privilege, system = words[0], words[1] if len(words) > 1 else ""
        elif match.group(1) == "finish":
            complete = True
        elif match.group(1) == "begin" and words:
            following = found[index + 1] if index + 1 < len(found) else None
            body = text[match.end() + 1 : following.start() if following else len(text)]
            ended = following is not None and following.group(1) == "end"
            fields = following.group(2).split() if following is not None and ended else []
            status = int(fields[1]) if len(fields) > 1 and fields[1].isdigit() else None
            seconds = float(fields[2]) if len(fields) > 2 and fields[2].isdigit() else 0.0
            body = body.removesuffix("\n") if ended else body
            cut = len(body.encode("utf-8", "surrogateescape")) >= limits.get(words[0], 1 << 62)
            sections.append(Section(words[0], body, status, seconds, privilege, cut))
    return Transcript(tuple(sections), privilege, system, complete)
