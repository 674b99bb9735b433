"""sudoers: the fragment of sh that prints its rules without comments, and the rules read: who may do what, as whom, and where it says so.

In: blocks `@ sudoers FILE` with `|LINE<tab>text`.  Out: `sudo_rule`.  Comments stay on the host, because people note passwords there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from inventory.probes.base import Block, Observation

SUDOERS = r"""
sudoers() {
  test -e "$1" || return 0
  if test ! -f "$1" || test ! -r "$1"; then mark unknown "sudo_rules $1 unreadable"; return 0; fi
  mark sudoers "$1"
  awk "$MASK"'
    { sub(/\r$/, "") }
    held == "" { first = NR }
    { if (sub(/\\$/, "")) { held = held $0 " "; if (length(held) < 20000) next } s = held $0; held = "" }
    s ~ /^[ \t]*[#@]include(dir)?[ \t]/ { print "|" first "\t" substr(s, 1, 500); next }
    {
      if (s ~ /^[ \t]*#[^0-9]/ || s ~ /^[ \t]*#$/) next
      if (match(s, /[^\\]#[^0-9]/) || match(s, /[^\\]#$/)) s = substr(s, 1, RSTART)
      gsub(/[ \t]+/, " ", s); sub(/^ /, "", s); sub(/ $/, "", s)
      if (s == "") next
      gsub(/PASSWD ?: ?/, "PASSWD> ", s)
      if (s ~ /^Defaults/ && s !~ /requiretty|authenticate|targetpw|rootpw|runaspw/) next
      if (n++ < 500) print "|" first "\t" mask(substr(s, 1, 2000))
    }' < "$1"
}
sudoers_all() {
  sudoers "$1"
  if test ! -r "$1"; then return 0; fi
  awk '/^[ \t]*[#@]include(dir)?[ \t]/ { d = ($1 ~ /dir$/) ? "dir " : "file "; sub(/^[ \t]*[#@]include(dir)?[ \t]+/, ""); print d $0 }' < "$1" |
  while IFS= read -r i; do
    p=${i#* }
    case $p in /*) ;; *) p=/etc/$p ;; esac
    case $i in
      dir*)
        if test -d "$p" && test ! -r "$p"; then mark unknown "sudo_rules $p unreadable"; fi
        for f in "$p"/*; do case ${f##*/} in *.*|*~) ;; *) sudoers "$f" ;; esac; done ;;
      *) sudoers "$p" ;;
    esac
  done
}
if test -e /etc/sudoers; then sudoers_all /etc/sudoers; else sudoers_all /usr/local/etc/sudoers; fi
"""
"""Needs SHOW and a variable MASK.  `NOPASSWD:` leaves the host as `NOPASSWD>`, since the
visit's own redaction takes it for a password.  Like sudo itself it passes over files in an included folder with a dot or a last `~` in the name."""

_ALIAS = re.compile(r"(User|Runas|Host|Cmnd|Cmd)_Alias (.{1,4000})")
_TAGS = re.compile(r"((?:NO)?(?:PASSWD|EXEC|SETENV|LOG_INPUT|LOG_OUTPUT|MAIL|FOLLOW|INTERCEPT))[:>]\s*")
_RULE = re.compile(r"(?P<who>[^=]{1,2000}?) (?P<hosts>[^ =]{1,200}) ?= ?(?P<what>.{1,4000})", re.S)


def sudo_rules(files: list[Block]) -> list[Observation]:
    """`sudo_rule` {who, users, hosts, run_as, nopasswd, commands, file, line}.

    `users` is `who` with aliases put in, groups as `%name`; `nopasswd` is True when at least one of the commands needs no password.
    """
    aliases: dict[str, list[str]] = {}
    rules: list[tuple[str, Block, int, int]] = []
    found: list[Observation] = []
    for block in files:
        for offset, line in enumerate(block.lines, start=block.line + 1):
            place, _, text = line.partition("\t")
            if not place.isascii() or not place.isdigit() or len(place) > 9 or not text or text[0] == "@" or text.startswith("#include"):
                continue
            alias = _ALIAS.match(text)
            if alias is not None:
                for part in alias.group(2).split(" : "):
                    name, _, members = part.partition("=")
                    aliases[name.strip()] = [word.strip() for word in members.split(",") if word.strip()]
            elif text.startswith("Defaults"):
                data = {
                    "file": block.value,
                    "line": int(place),
                    "who": "Defaults",
                    "users": [],
                    "hosts": "",
                    "run_as": "",
                    "nopasswd": None,
                }
                data["nopasswd"] = True if "!authenticate" in text else None
                found.append(Observation("sudo_rule", data | {"commands": [text]}, offset))
            else:
                rules.append((text, block, int(place), offset))
    for text, block, file_line, offset in rules:
        found += [Observation("sudo_rule", {"file": block.value, "line": file_line, **rule}, offset) for rule in _rules(text, aliases)]
    return sorted(found, key=lambda item: item.line)


def _rules(text: str, aliases: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    """`who hosts = (run_as) TAG: commands`; several `hosts = …` may follow after a colon, each a rule of its own."""
    match = _RULE.fullmatch(text)
    if match is None:
        return
    who = match.group("who").strip()
    hosts, what = match.group("hosts"), match.group("what")
    run_as = ""
    if what.startswith("(") and ")" in what:
        run_as, _, what = what[1:].partition(")")
    what = what.strip()
    tags = set(_TAGS.findall(what))
    commands = [word for part in re.split(r"(?<!\\),", _TAGS.sub("", what)) for word in _expanded(part.strip(), aliases)]
    users = [name for part in who.split(",") for name in _expanded(part.strip(), aliases)]
    yield {
        "who": who, "users": users, "hosts": hosts, "run_as": run_as.strip() or "root", "nopasswd": "NOPASSWD" in tags, "commands": commands,
    }  # fmt: skip


def _expanded(name: str, aliases: dict[str, list[str]], depth: int = 0) -> list[str]:
    if not name:
        return []
    members = aliases.get(name)
    if members is None or depth > 3:
        return [name]
    return [word for member in members[:200] for word in _expanded(member, aliases, depth + 1)][:500]
