"""What visitors ask of a host's web servers: a summary of each access log, made on the host.

In: the logs that nginx and Apache configuration name and those at the usual places, with their rotations; one
awk pass per file reads at most its last 64 MB, so that no log is shipped.  Out: `access_log` per file, `access_url` for
its 200 most wanted addresses.  Compressed files cannot be read from the end: of those the first 64 MB count.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from inventory.probes.base import Block, Observation, Probe, Section, blocks, unknown
from inventory.probes.fragments import MASK, SHOW, WEB_CONFIGURATION, number

SUMMARY = r"""
BEGIN {
  robot = "bot|crawl|spider|slurp|curl|wget|python|^java|go-http|libwww|httpclient|scan|monitor|nagios|zabbix|check_http"
  robot = robot "|headless|scrapy|okhttp|feedfetch|facebookexternal"
}
function top(  k, h, n, limit, left, max) {
  for (k in urls) { h[urls[k]]++; if (urls[k] > max) max = urls[k] }
  left = 200; limit = max
  while (limit > 0 && h[limit] + 0 <= left) { left -= h[limit]; limit-- }
  for (k in urls) if (urls[k] > limit || (urls[k] == limit && left-- > 0)) print "|url " urls[k] " " k
}
{
  lines++
  line = $0
  gsub(/\\"/, "", line)
  parts = split(line, part, "\"")
  open = index(part[1], "[")
  n = split(part[3], after, " ")
  if (parts < 3 || !open || after[1] !~ /^[1-5][0-9][0-9]$/) { bad++; next }
  fields = split(substr(part[1], 1, open - 1), before, " ")
  stamp = substr(part[1], open + 1); sub(/\].*/, "", stamp)
  vhost = fields >= 4 && before[1] ~ /:[0-9]+$/
  client = vhost ? before[2] : before[1]
  requests++
  if (vhost && !(before[1] in vhosts)) nvhosts++
  if (vhost && (before[1] in vhosts || nvhosts <= 500)) vhosts[before[1]]++
  if (vhost) formats["vhost_combined"]++; else if (parts >= 6) formats["combined"]++; else formats["common"]++
  if (after[2] ~ /^[0-9]+$/) bytes += after[2]
  if (first == "") first = stamp
  last = stamp
  status[substr(after[1], 1, 1) "xx"]++
  day = substr(stamp, 1, 11)
  if (day in days || ndays < 400) { if (!(day in days)) ndays++; days[day]++ }
  agent = parts >= 6 ? tolower(part[parts - 1]) : ""
  if (parts >= 6 && (agent == "-" || agent == "" || agent ~ robot)) bots++
  else if (!(client in seen)) { if (visitors < 100000) { seen[client] = 1; visitors++ } else capped = 1 }
  if (after[1] == "200" || after[1] == "301" || after[1] == "302") {
    n = split(part[2], request, " ")
    if (request[1] == "GET" && n >= 2) {
      path = substr(mask_query(substr(request[2], 1, 1000)), 1, 1000)
      key = after[1] " " (vhost ? before[1] : "-") " " path
      if (key in urls) urls[key]++
      else if (nurls < 30000) { nurls++; urls[key] = 1 }
      else lost++
    }
  }
}
END {
  format = ""
  for (k in formats) if (format == "" || formats[k] > formats[format]) format = k
  printf "|total %.0f %.0f %.0f %.0f %.0f %.0f %d %.0f\n", lines, requests, bytes, bots, visitors, bad, capped, lost
  print "|format " format
  print "|first " first
  print "|last " last
  for (k in status) print "|status " k " " status[k]
  for (k in vhosts) print "|vhost " k " " vhosts[k]
  for (k in days) print "|day " k " " days[k]
  top()
}
"""
"""The awk pass over one log, after `MASK`: totals, then counts by status, vhost and day, then the 200 most wanted addresses."""

SCRIPT = (
    SHOW
    + WEB_CONFIGURATION
    + "MASK='"
    + MASK
    + r"""'
exec 3>&1
most=67108864
SUMMARY='"""
    + SUMMARY
    + r"""'
begun=`date +%s`
summary() {
  test -f "$1" && test -s "$1" || { if test -f "$1"; then mark empty "$1"; fi; return 0; }
  if test ! -r "$1"; then mark unknown "$1 unreadable"; return 0; fi
  now=`date +%s`
  if test $((now - begun)) -gt 80; then mark unknown "$1 no time left"; return 0; fi
  mark log "$1"
  case $1 in
    *.gz) gzip -dc < "$1" 2>/dev/null | head -c $most ;;
    *) tail -c $most < "$1" ;;
  esac | awk "$MASK$SUMMARY"
}
apache=/var/log/apache2
if test -r /etc/apache2/envvars; then
  v=`sed -n 's/^[[:space:]]*export[[:space:]]*APACHE_LOG_DIR=\([^$[:space:]]*\).*/\1/p' /etc/apache2/envvars`
  if test -n "$v"; then apache=$v; fi
fi
named() {
  conf_files '^[[:space:]]*(access_log|CustomLog|TransferLog)[[:space:]]' | while IFS= read -r f; do
    awk '
      tolower($1) ~ /^(access_log|customlog|transferlog)$/ {
        s = $0; sub(/^[ \t]*[A-Za-z_]+[ \t]+/, "", s)
        if (s ~ /^"/) { s = substr(s, 2); sub(/".*/, "", s) } else sub(/[ \t;\r].*/, "", s)
        if (s != "off" && s != "") print s
      }' < "$f" | while IFS= read -r p; do
      case $p in '${APACHE_LOG_DIR}'*) p=$apache${p#'${APACHE_LOG_DIR}'} ;; esac
      case $p in
        '|'*|*'$'*|syslog:*|*%*) mark unknown "$p log named in $f is no plain file" >&3 ;;
        /dev/*) ;;
        /*) printf '%s\n' "$p" ;;
        *)
          d=${f%/*}
          while test -n "$d"; do
            if test -e "$d/$p"; then printf '%s\n' "$d/$p"; break; fi
            d=${d%/*}
          done ;;
      esac
    done
  done
  for d in /var/log/nginx /var/log/apache2 /var/log/httpd /usr/local/nginx/logs /usr/local/apache2/logs /www/wwwlogs; do
    if test -d $d && test ! -r $d; then mark unknown "$d unreadable" >&3; fi
    for p in $d/*access*log $d/*.log; do
      case $p in *error*|*'*'*) ;; *) printf '%s\n' "$p" ;; esac
    done
  done
}
logs=`named | awk '!seen[$0]++ && NR <= 3000' | awk 'NR <= 300'`
each() { printf '%s\n' "$logs" | while IFS= read -r p; do if test -n "$p"; then "$1" "$p"; fi; done; }
rotated() {
  summary "$1.1"; summary "$1.1.gz"
}
older() {
  for r in "$1".[2-9].gz "$1".[1-9][0-9].gz "$1"-20*; do if test -f "$r"; then summary "$r"; fi; done
}
each summary; each rotated; each older
"""
)

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY = re.compile(r"(\d{2})/([A-Z][a-z]{2})/(\d{4})")


def parse(section: Section) -> list[Observation]:
    """Counts are whole numbers; `days` maps ISO dates and `status` `2xx` to requests; `first`, `last` are as logged.
    `vhosts` (requests) and a URL's `vhost` are `name:port` where the format tells them (vhost_combined), else empty.

    `visitors` is the number of different client addresses that are no bots, at least (it is capped on the host).
    """
    found: list[Observation] = []
    for block in blocks(section.text):
        if block.tag == "unknown":
            found.append(unknown(block))
        elif block.tag == "empty":
            found.append(Observation("access_log", _empty(block.value), block.line))
        elif block.tag == "log":
            found.extend(_log(block))
    return found


def _empty(path: str) -> dict[str, Any]:
    data: dict[str, Any] = {"file": path, "format": "", "requests": 0, "bytes": 0, "bots": 0, "visitors": 0}
    return data | {"first": None, "last": None, "status": {}, "days": {}, "vhosts": {}}


def _log(block: Block) -> list[Observation]:
    data = _empty(block.value)
    lines = unparsed = None
    urls: list[Observation] = []
    path = block.value
    for at, line in enumerate(block.lines, start=block.line + 1):
        word, _, rest = line.partition(" ")
        if word == "url":
            words = rest.split(" ", 3)
            if len(words) == 4 and (count := number(words[0])) is not None and (code := number(words[1])) is not None:
                vhost = "" if words[2] == "-" else words[2]
                url = {"file": path, "path": words[3], "count": count, "status": code, "vhost": vhost}
                urls.append(Observation("access_url", url, at))
        elif word == "total":
            counts = [number(text) for text in rest.split()]
            if len(counts) == 8 and None not in counts:
                lines, data["requests"], data["bytes"], data["bots"], data["visitors"], unparsed = counts[:6]
        elif word in {"first", "last"}:
            data[word] = rest or None
        elif word == "format":
            data["format"] = rest
        elif word in {"status", "day", "vhost"}:
            name, _, text = rest.partition(" ")
            count = number(text)
            if count is not None and word != "day":
                data["status" if word == "status" else "vhosts"][name] = count
            elif count is not None and (day := _iso(name)) is not None:
                data["days"][day] = count
    if lines is None:
        return [Observation("unknown", {"what": block.value, "why": "no summary came"}, block.line)]
    if not data["requests"]:
        why = f"format not known: none of {lines} lines read" if lines else "nothing could be unpacked"
        return [Observation("unknown", {"what": block.value, "why": why}, block.line)]
    data["status"] = dict(sorted(data["status"].items()))
    data["days"] = dict(sorted(data["days"].items()))
    data["vhosts"] = dict(sorted(data["vhosts"].items()))
    found = [Observation("access_log", data, block.line)]
    if unparsed and unparsed * 10 > data["requests"]:
        what = {"what": block.value, "why": f"{unparsed} of {lines} lines not understood"}
        found.append(Observation("unknown", what, block.line))
    return found + sorted(urls, key=lambda url: (-url.data["count"], url.data["path"], url.data["status"]))


@lru_cache(4096)
def _iso(text: str) -> str | None:
    match = _DAY.fullmatch(text)
    if match is None or match.group(2) not in _MONTHS:
        return None
    return f"{match.group(3)}-{_MONTHS.index(match.group(2)) + 1:02}-{match.group(1)}"


PROBE = Probe("accesslog", SCRIPT, parse, seconds=120, max_bytes=6_000_000)
