"""One script for one visit: all probes' sections framed by a nonce, and the transcript it prints read back into sections.

In: probes and a nonce (randomness is the caller's).  Out: POSIX sh for `sh -s`; from its output, `Section`s.  Pure.

The script writes no file (no here-documents either: bash keeps those in /tmp), runs each section under `timeout` in a shell of
its own with an empty stdin, and pipes it through `REDACT`, so that secrets are gone before the text leaves the host.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

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
    lines += [f"run {probe.name} {probe.seconds} {probe.max_bytes} {shlex.quote(probe.script)}" for probe in probes]
    lines.append("printf '\\n%s finish\\n' \"$M\"")
    return "\n".join(lines) + "\n"


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
