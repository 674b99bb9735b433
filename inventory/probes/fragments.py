"""Pieces of sh and awk that several sections share, and the reading of their output.

In: nothing.  Out: constants that a probe puts in front of its own script, and small pure functions on what they print.
awk programs stand in single quotes in the sh text, so none of them contains a single quote (`\\047` is one).
"""

from __future__ import annotations

from inventory.probes.base import Block

SHOW = r"""
NL='
'
have() { command -v "$1" >/dev/null 2>&1; }
limit() { if have timeout && timeout 5 true 2>/dev/null; then timeout "$@"; else shift; "$@"; fi; }
show() { awk '{ print "|" $0 }'; }
mark() {
  case "$2" in
    *"$NL"*)
      printf '@ %s ' "$1"
      printf '%s\n' "$2" | awk '{ printf "%s%s", (NR > 1 ? "\\n" : ""), $0 } END { print "" }' ;;
    *) printf '@ %s %s\n' "$1" "$2" ;;
  esac
}
file() {
  if test ! -e "$1"; then return 0; fi
  if test -f "$1" && test -r "$1"; then mark file "$1"; show < "$1"; else mark unknown "$1 unreadable"; fi
}
"""
"""`show` prefixes stdin with `|`; awk and not sed, because sed keeps a missing last newline and the next marker would
be glued to content.  `mark` keeps a newline in a path from forging a marker.  `file` is silent on what does not exist."""

MASK = r"""
function sensitive(name) {
  name = tolower(name)
  if (name ~ /(key|_pw)$/ || name ~ /^(auth|sid|sig)$/) return 1
  return name ~ /pass|pwd|secret|token|credential|sess|ticket|signature|nonce/
}
function mask_query(s,  n, part, i, at, out, mark, start, tail) {
  start = index(s, "?")
  if (!start) return s
  tail = match(s, /["\047]+[);]*$/) ? substr(s, RSTART) : ""
  out = substr(s, 1, start)
  n = split(substr(s, start + 1), part, "&")
  for (i = 1; i <= n; i++) {
    at = index(part[i], "=")
    mark = i > 1 ? "&" : ""
    out = out mark
    if (at > 1 && sensitive(substr(part[i], 1, at - 1))) out = out substr(part[i], 1, at) "[redacted]" (i == n ? tail : "")
    else out = out part[i]
  }
  return out
}
function mask_word(w,  l, at, a, b, start) {
  l = tolower(w)
  start = index(w, "://")
  if (start) {
    at = index(substr(w, start + 3), "@")
    a = index(substr(w, start + 3), ":")
    b = index(substr(w, start + 3), "/")
    if (at && a && a < at && (!b || at < b)) w = substr(w, 1, start + 2 + a) "[redacted]" substr(w, start + 2 + at)
    return mask_query(w)
  }
  if (l ~ /^[^=:\/]*(pass|pwd|secret|token|credential|passphrase|api_?-?key)[^=:\/]*[=:]./ || l ~ /^([^=:\/]*[^a-z=:\/])?pw[=:]./) {
    match(w, /[=:]/)
    quote = substr(w, RSTART + 1, 1)
    if ((quote == "\"" || quote == "\047") && !closed(substr(w, RSTART + 2), quote)) open_quote = quote
    return substr(w, 1, RSTART) "[redacted]"
  }
  return mask_query(w)
}
function closed(s, q) { return index(s, q) > 0 }
function mask(s,  n, t, i, w, l, out, hide, tool, first) {
  n = split(s, t, "[ \t]")
  hide = 0; tool = ""; out = ""; open_quote = ""
  for (i = 1; i <= n; i++) {
    w = t[i]; l = tolower(w)
    if (open_quote != "") {
      if (closed(w, open_quote)) open_quote = ""
      continue
    }
    if (hide && w != "" && l !~ /^--/) {
      first = substr(w, 1, 1)
      if ((first == "\"" || first == "\047") && !closed(substr(w, 2), first)) open_quote = first
      if (hide == 2 && index(w, ":")) w = substr(w, 1, index(w, ":")) "[redacted]"
      else if (hide == 1) w = "[redacted]"
      if (tool == "p") tool = ""
      hide = 0
    } else if ((tool == "db" || tool == "p") && w ~ /^-p./) {
      w = "-p[redacted]"
      if (tool == "p") tool = ""
    } else if (l ~ /^["\047(]?--?[a-z0-9_.-]*(pass|pwd|secret|token|credential|api-?key)[a-z0-9_.-]*$/) hide = 1
    else if (tool == "p" && w == "-p") hide = 1
    else if (tool == "w" && w == "-w") hide = 1
    else if (tool == "a" && w == "-a") hide = 1
    else if (tool == "u" && (w == "-u" || w == "--user")) hide = 2
    else w = mask_word(w)
    if (l ~ /(^|[^a-z])(mysql|mariadb|mydumper|myloader|innobackupex|xtrabackup|automysqlbackup)[a-z_-]*$/) tool = "db"
    else if (l ~ /(^|[^a-z])(sshpass|7z|7za|mongo|mongodump|mongorestore|plink)$/) tool = "p"
    else if (l ~ /(^|[^a-z])ldap[a-z]+$/) tool = "w"
    else if (l ~ /(^|[^a-z])redis-cli$/) tool = "a"
    else if (l ~ /(^|[^a-z])(curl|wget|lftp)$/) tool = "u"
    else if (l ~ /^(\||\|\||&&|;)$/ || l ~ /;$/) tool = ""
    out = out (i > 1 ? " " : "") w
  }
  return out
}
"""
"""awk functions: `mask(command line)` and `mask_query(path?query)` put `[redacted]` where a secret stands.  Word by word
and not by one expression, because `-p` is a password for mysql and a port for ssh; POSIX sed cannot fold case either."""


def number(text: str) -> int | None:
    """A decimal number of at most 18 digits, or None: longer digit strings are no size, count or pid."""
    if len(text) <= 18 and text.isdigit() and text.isascii():
        return int(text)
    text = text.strip()
    return int(text) if len(text) <= 18 and text.isdigit() and text.isascii() else None


def assignments(lines: list[str]) -> dict[str, str]:
    """`NAME=value` lines as in /etc/os-release: the first `=` splits, quotes around the value are taken off."""
    found: dict[str, str] = {}
    for line in lines:
        name, equal, value = line.partition("=")
        value = value.strip()
        if equal and value[:1] in {'"', "'"} and value[-1:] == value[:1] and len(value) > 1:
            value = value[1:-1]
        if equal and not name.lstrip().startswith("#"):
            found[name.strip()] = value
    return found


def first_line(block: Block) -> str:
    """The first line of a block that is not blank, stripped; '' if there is none."""
    return next((line.strip() for line in block.lines if line.strip()), "")
