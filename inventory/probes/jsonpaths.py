"""A fragment of awk that reads JSON on the host and lets only named members out of it; and the lines that it prints, read back.

In: JSON on stdin, on one line or many (jq is on no old host).  Out: lines `|key<tab>key<tab>value`, one for each scalar, empty object
or empty array whose path the caller's function `keep` lets pass.  A list of what may leave is the only safe redaction for files that
hold an application's whole environment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

JSON_PATHS = r"""
function path(  k, p) {
  p = ENVIRON["PREFIX"]
  for (k = 1; k <= depth; k++) p = p (p == "" ? "" : "\t") (kind[k] == "o" ? key[k] : at[k])
  return p
}
function emit(v,  p) {
  p = path()
  members[depth]++
  v = keep(p, substr(v, 1, 2000))
  if (v != "") { gsub(/[\001-\037]/, " ", v); print "|" p "\t" v }
}
function closing(what) {
  if (word != "") { emit(word); word = "" }
  depth--
  if (depth >= 0 && members[depth + 1] + 0 == 0) emit(what); else members[depth]++
}
function structure(s,  j, m, c) {
  m = length(s)
  for (j = 1; j <= m; j++) {
    c = substr(s, j, 1)
    if (c == "{" || c == "[") { depth++; kind[depth] = c == "{" ? "o" : "a"; at[depth] = 0; key[depth] = ""; members[depth] = 0; named = 0 }
    else if (c == "}") closing("{}")
    else if (c == "]") closing("[]")
    else if (c == ",") { if (word != "") { emit(word); word = "" } at[depth]++; named = 0 }
    else if (c == ":") named = 1
    else if (c ~ /[-+.0-9A-Za-z]/) word = word c
  }
}
{ if (length(text) < 1000000) text = text $0 "\n" }
END {
  n = split(text, part, "\"")
  for (i = 1; i <= n; i++) {
    structure(part[i])
    if (++i > n) break
    s = part[i]
    while (i < n && match(s, /\\+$/) && RLENGTH % 2) { i++; s = s "\"" part[i] }
    gsub(/[\001-\037]/, " ", s)
    if (kind[depth] == "o" && !named) key[depth] = s; else { emit(s); named = 0 }
  }
}
"""
"""To be joined with `function keep(path, value)`, which returns what may be printed, '' for nothing.  PREFIX in the environment
stands before every path.  Strings stay escaped as JSON has them.  It is linear in the text, and text that is no JSON gives some lines
or none."""


def members(lines: Iterable[str]) -> Iterator[tuple[list[str], str, int]]:
    """(path, value, 0-based line) of what the fragment printed, with JSON's escapes undone."""
    for offset, line in enumerate(lines):
        cells = [unescaped(cell) for cell in line.split("\t")]
        if len(cells) > 1:
            yield cells[:-1], cells[-1], offset


def unescaped(text: str) -> str:
    r"""A JSON string's inner text: `\u00e9`, `\"`, `\/`; unchanged when it is none."""
    if "\\" not in text:
        return text
    try:
        value = json.loads(f'"{text}"')
    except ValueError:
        return text
    return value if isinstance(value, str) else text
