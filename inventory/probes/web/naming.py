"""A piece of awk: what a web server's configuration names besides other files, line by line: docroots, certificates, logs and formats.

In: nothing.  Out: `NAMES`, functions for the program in `following`, which has `joined` and knows `kind` (the server), `want`, `root`,
`prefix`, `R` and `file`.
Each thing is one line: a letter, `R`, the value, more, the file; docroots `D`, certificates `C` with keys `K` and chains `H`, logs `L` with a
format or its name, formats `N` and `M` (more of the last one).  Rough on purpose: a value that only a request decides keeps its `$`.
"""

from __future__ import annotations

NAMES = r"""
function quoted(s,  q, i, c, out) {
  sub(/^[ \t]+/, "", s)
  q = substr(s, 1, 1)
  if (q != "\"" && q != "\047") { sub(stop, "", s); if (kind == "nginx") gsub(/\\/, "", s); return s }
  out = ""
  for (i = 2; i <= length(s); i++) {
    c = substr(s, i, 1)
    if (c == "\\") { i++; out = out substr(s, i, 1) } else if (c == q) return out; else out = out c
  }
  return out
}
function put(s,  n, name, at) {
  n = 0
  while (match(s, /[$][{]?[A-Za-z_][A-Za-z0-9_]*[}]?/) && ++n < 20) {
    name = substr(s, RSTART, RLENGTH); gsub(/[${}]/, "", name)
    if (!(name in V)) break
    s = substr(s, 1, RSTART - 1) V[name] substr(s, RSTART + RLENGTH)
  }
  return s
}
function told(tag, value, rest) {
  if (value == "" || length(value) > 1000 || index(value, "\t")) return
  print tag "\t" R "\t" value "\t" rest "\t" file
}
function below(path, base) { return substr(path, 1, 1) == "/" || path ~ /^[|]/ || path ~ /^[a-z]+:/ ? path : base "/" path }
function tell(s,  l, name, value, rest) {
  if (kind == "nginx") {
    if (s ~ /^[ \t]*#/) return
    stop = "[ \t;{}].*"
    while (match(s, /(^|[ \t;{}])(root|alias|set|ssl_certificate|ssl_certificate_key|access_log|log_format)[ \t]+/)) {
      name = substr(s, RSTART, RLENGTH); gsub(/[ \t;{}]/, "", name)
      s = substr(s, RSTART + RLENGTH)
      if (name == "set") {
        value = s; sub(/^[$]/, "", value); l = value; sub(/[ \t].*/, "", l); sub(/^[^ \t]*[ \t]+/, "", value)
        V[l] = put(quoted(value)); continue
      }
      value = quoted(s)
      if (want == "docroots" && name == "root") told("D", below(put(value), prefix), "")
      else if (want == "certificates" && name == "ssl_certificate") told("C", below(put(value), root), "")
      else if (want == "certificates" && name == "ssl_certificate_key") told("K", below(put(value), root), "")
      else if (want == "logs" && name == "access_log" && value != "off") {
        rest = s; sub(/^[ \t]*("[^"]*"|\047[^\047]*\047|[^ \t;]+)[ \t]*/, "", rest); sub(/[ \t;].*/, "", rest)
        told("L", below(put(value), prefix), rest == "" ? "combined" : rest)
      } else if (want == "logs" && name == "log_format") { told("N", value, format_of(s)) }
    }
    if (want == "logs" && format_name != "") more_format(s)
  } else if (kind == "apache") {
    if (!match(s, /^[ \t]*[A-Za-z]+[ \t]+/)) return
    name = tolower(substr(s, RSTART, RLENGTH)); gsub(/[ \t]/, "", name); s = substr(s, RSTART + RLENGTH)
    stop = "[ \t].*"
    if (name == "documentroot" && want == "docroots") told("D", below(given(quoted(s)), root), "")
    else if (name == "sslcertificatefile" && want == "certificates") told("C", below(given(quoted(s)), root), "")
    else if (name == "sslcertificatekeyfile" && want == "certificates") told("K", below(given(quoted(s)), root), "")
    else if ((name == "sslcertificatechainfile" || name == "sslcacertificatefile") && want == "certificates") told("H", below(given(quoted(s)), root), name)
    else if (want == "logs" && (name == "customlog" || name == "transferlog" || name == "globallog")) {
      rest = s; sub(/^[ \t]*("([^"\\]|\\.)*"|[^ \t]+)[ \t]*/, "", rest)
      told("L", below(given(quoted(s)), root), name == "transferlog" ? "common" : quoted(rest))
    } else if (want == "logs" && name == "logformat") {
      rest = s; sub(/^[ \t]*("([^"\\]|\\.)*"|[^ \t]+)[ \t]*/, "", rest); sub(/[ \t].*/, "", rest)
      told("N", rest == "" ? "-" : rest, quoted(s))
    }
  } else if (kind == "lighttpd") {
    sub(/^[ \t]*#.*/, "", s)
    if (match(s, /(^|[ \t{])(server[.]document-root|ssl[.]pemfile|ssl[.]privkey|accesslog[.]filename)[ \t]*=[ \t]*["A-Za-z_]/)) {
      name = substr(s, RSTART, RLENGTH); value = joined(substr(s, RSTART + RLENGTH - 1))
      if (name ~ /document-root/ && want == "docroots") told("D", value, "")
      else if (name ~ /pemfile/ && want == "certificates") told("C", value, "")
      else if (name ~ /privkey/ && want == "certificates") told("K", value, "")
      else if (name ~ /accesslog/ && want == "logs") told("L", value, "vhost_first")
    }
  } else if (kind == "caddy") {
    stop = "[ \t].*"
    if (want == "docroots" && match(s, /^[ \t]*root[ \t]+([*][ \t]+)?/)) told("D", quoted(substr(s, RSTART + RLENGTH)), "")
    else if (want == "certificates" && match(s, /^[ \t]*tls[ \t]+[\/"]/)) {
      rest = substr(s, RSTART + RLENGTH - 1); told("C", quoted(rest), ""); sub(/^[^ \t]+[ \t]+/, "", rest); if (rest ~ /^[\/"]/) told("K", quoted(rest), "")
    } else if (want == "logs" && match(s, /^[ \t]*output[ \t]+file[ \t]+/)) told("L", quoted(substr(s, RSTART + RLENGTH)), "json")
  }
}
function format_of(s,  out) {
  sub(/^[ \t]*("[^"]*"|\047[^\047]*\047|[^ \t;]+)[ \t]*/, "", s)
  sub(/^escape=[a-z]+[ \t]*/, "", s)
  format_name = index(s, ";") && pieces(s) != "" && closed ? "" : "x"
  return pieces(s)
}
function pieces(s,  out, q, at) {
  out = ""; closed = 0
  while (1) {
    sub(/^[ \t]+/, "", s); q = substr(s, 1, 1)
    if (q == ";") { closed = 1; return out }
    if (q != "\"" && q != "\047") return out
    s = substr(s, 2); at = index(s, q)
    if (!at) return out s
    out = out substr(s, 1, at - 1); s = substr(s, at + 1)
  }
}
function more_format(s,  part) {
  part = pieces(s)
  if (s ~ /^[ \t]*["\047]/ && part != "") print "M\t" R "\t" part
  if (closed) format_name = ""
}
"""
"""Holds no single quote: it stands between two in the sh text."""
