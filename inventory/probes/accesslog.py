"""What visitors ask of a host's web servers: a summary of each access log, made on the host.

In: the logs that the web servers' configurations name (piped ones and those in containers, too) and those at the usual places, with
their rotations; one awk pass for each log (`logsummary`) reads at most the last 64 MB of each of its files, the newest first, so that no
log is shipped and no visitor's address leaves the host.  Each log has its share of the time; what there was none for is said.  Out: `access_log` per file, `access_use` per virtual host of a
shared log, `access_url` for the 200 most wanted addresses.  Packed files cannot be read from the end: of those the first 64 MB count.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from inventory.probes.base import Block, Observation, Probe, Section, blocks, unknown
from inventory.probes.fragments import MASK, SHOW, number
from inventory.probes.logsummary import SUMMARY
from inventory.probes.web.locating import LOCATE

MOST = 64 << 20
"""Bytes read of one file: its last ones, or the first ones of a packed one."""

SCRIPT = (
    SHOW
    + LOCATE
    + "MASK='"
    + MASK
    + r"""'
most=@MOST@
SUMMARY='"""
    + SUMMARY
    + r"""'
begun=`date +%s`
export FORMAT
beside() { printf '\001%s\n' "$1"; }
told() { beside "`mark "$@"`"; }
summary() {
  if test ! -f "$1"; then return 0; fi
  if test ! -r "$1"; then told unknown "$1 unreadable"; return 0; fi
  if test ! -s "$1"; then told empty "$1"; beside "|named $2"; return 0; fi
  now=`date +%s`
  if test $now -gt $bound; then told unknown "$1 no time left"; return 0; fi
  case $1 in *.bz2) z=bzip2 ;; *.xz) z=xz ;; *.gz) z=gzip ;; *.zst) z=zstd ;; *) z= ;; esac
  if test -n "$z" && ! have $z; then told unknown "$1 needs $z, which is not here"; return 0; fi
  told log "$1"
  beside "|named $2"
  s=`ls -ln "$1" 2>/dev/null | awk 'NR == 1 { print $5 }'`
  if test -n "$z"; then beside '|packed'; else beside "|file $s"; fi
  if test -n "$z"; then $z -dc < "$1" 2>/dev/null | head -c $most
  elif test "${s:-0}" -gt $most 2>/dev/null; then tail -c $most < "$1" | sed 1d
  else cat < "$1"; fi | tr -d '\001'
  echo
}
formats=`named logs`
plain() { awk -F '\t' -v n="$1" -v R="$2" '
  $1 == "N" && $3 == n && $2 == R { f = $4; on = 1; next } $1 == "M" && on { f = f $3; next } { on = 0 } END { print f }'; }
BUILT_IN='combined vhost_combined common json vhost_first'
format() {
  case $1 in
    ''|*'%'*|*'$'*) printf '%s\n' "$1" ;;
    *) printf '%s\n' "$formats" | plain "$1" "$2" ;;
  esac
}
path_of() { printf '%s\n' "$1" | awk '{
  s = $0
  if (s ~ /^[|]/) {
    n = split(s, w, /[ \t"|\047]+/); s = ""
    for (i = n; i > 0; i--) if (w[i] ~ /^\// && w[i] !~ /bin\/|[.](sh|pl|py)$/) { s = w[i]; break }
    if (s != "" && $0 ~ /rotatelogs/ && s !~ /%/) s = s ".*"
  }
  print s }'; }
globbed() { printf '%s\n' "$1" | sed 's/[$]{[A-Za-z_]*}/*/g; s/[$][A-Za-z_][A-Za-z_0-9]*/*/g; s/%[A-Za-z]/*/g'; }
logs() {
  printf '%s\n' "$formats" | awk -F '\t' '$1 == "L" && !s[$2, $3]++ && ++n <= 2000 { print ($2 == "" ? "-" : $2) "\t" ($4 == "" ? "-" : $4) "\t" $3 }' | while IFS=$TAB read -r R f p; do
    if test "$R" = -; then R=; fi
    named=$p; p=`path_of "$p"`
    case $p in
      /dev/*|'') case $named in /dev/*|syslog:*) ;; *) mark unknown "$named is no plain file" >&5 ;; esac ;;
      /*[\$%*]*)
        IFS=; set -- "$R"`globbed "$p"`; unset IFS
        for q do if test -f "$q"; then printf '%s\t%s\t%s\t%s\n' "$f" "${R:--}" "$p" "$q"; fi; done | sort -r | awk 'NR <= 60' ;;
      /*)
        if test -n "$R"; then last=none; resolve "$p" || continue; case $real in /dev/*|/proc/*) continue ;; esac; q=$R$real; else q=$p; fi
        printf '%s\t%s\t%s\t%s\n' "$f" "${R:--}" "$p" "$q" ;;
    esac
  done
  for d in /var/log/nginx /var/log/apache2 /var/log/httpd /var/log/lighttpd /usr/local/nginx/logs /usr/local/apache2/logs /www/wwwlogs; do
    if test -d $d && test ! -r $d; then mark unknown "$d unreadable" >&5; fi
    for q in $d/*access*log $d/*access_log $d/*.log; do
      case $q in *error*|*'*'*) ;; *) printf -- '-\t-\t%s\t%s\n' "$q" "$q" ;; esac
    done
  done
  for q in /opt/tomcat*/logs/localhost_access_log.* /usr/local/tomcat*/logs/localhost_access_log.* /var/log/tomcat*/localhost_access_log.* /var/lib/tomcat*/logs/localhost_access_log.*; do
    if test -f "$q"; then printf -- '-\t-\t%s\t%s\n' "$q" "$q"; fi
  done | sort -r | awk 'NR <= 60'
}
exec 5>&1
found=`logs | awk -F '\t' '!seen[$4]++ && ++n <= 300'`
rotated() {
  for r in "$1.1" "$1.1.gz" "$1.1.bz2" "$1.1.xz" "$1.0"; do summary "$r" "$2"; done
  for r in "$1".[2-9] "$1".[2-9].* "$1".[1-9][0-9].*; do if test -f "$r"; then printf '%s\n' "$r"; fi; done | awk 'NR <= 60' | while IFS= read -r r; do summary "$r" "$2"; done
  for r in "$1"[-._]20[0-9][0-9]*; do if test -f "$r"; then printf '%s\n' "$r"; fi; done | sort -r | awk 'NR <= 90' | while IFS= read -r r; do summary "$r" "$2"; done
}
left=`printf '%s\n' "$found" | awk 'END { print NR }'`
printf '%s\n' "$found" | while IFS=$TAB read -r f R p q; do
  if test "$R" = -; then R=; fi
  if test -n "$q"; then
    if test "$f" = -; then FORMAT=; else FORMAT=`format "$f" "$R"`; fi
    end=$((begun + 75)); now=`date +%s`; share=$((now + (end - now) / left)); left=$((left - 1))
    { bound=$end; summary "$q" "$p"; bound=$share; rotated "$q" "$p"; } | awk "$MASK$SUMMARY"
  fi
done
"""
).replace("@MOST@", str(MOST))

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY = re.compile(r"(\d{2})/([A-Z][a-z]{2})/(\d{4})")


def parse(section: Section) -> list[Observation]:
    """`access_log` for each file read, `access_url` and `access_use` (one virtual host in a log that several share).

    Counts are whole numbers; `days` maps ISO dates, `status` `2xx` and `methods` `GET` to requests; `first`, `last` and `last_human` are
    ISO 8601 as the host's clock had it.  `visitors` is the number of different client addresses that are no bots, at least (it is capped
    on the host), over all, in `visitors_by_day` and in `months` (None there in visits of before it was counted).  Where it is `merged`, an
    address counts only in the newest of a log's files that has it, so that the files' numbers add up; else in each file.  `vhosts` and a
    URL's `vhost` are as the log has them (`name:port`), else empty.  `named` is the configuration's word for the log, which may hold `%Y` or `$host`.  `left_out_bytes` were not read: the newest
    were; None when a packed log's size is not known.
    """
    found: list[Observation] = []
    for block in blocks(section.text):
        if block.tag == "unknown":
            found.append(unknown(block))
        elif block.tag == "empty":
            found.append(Observation("access_log", _empty(block), block.line))
        elif block.tag == "log":
            found.extend(_log(block))
    return found


def _empty(block: Block) -> dict[str, Any]:
    named = next((line[6:] for line in block.lines[:1] if line.startswith("named ")), block.value)
    data: dict[str, Any] = {"file": block.value, "named": named, "format": "", "requests": 0, "bytes": 0, "bots": 0, "visitors": 0}
    data |= {"first": None, "last": None, "last_human": None, "status": {}, "methods": {}, "days": {}, "visitors_by_day": {}, "months": {}}
    return data | {"vhosts": {}, "referrers": [], "missing": [], "forwarded": 0, "left_out_bytes": 0, "merged": False}


def _log(block: Block) -> list[Observation]:
    data = _empty(block)
    lines = unparsed = read = size = None
    more: list[Observation] = []
    visitors: dict[str, int] = {}
    for offset, line in enumerate(block.lines, start=1):
        word, _, rest = line.partition(" ")
        if word == "url":  # most of them
            if (url := _url(block, rest)) is not None:
                more.append(Observation("access_url", url, block.line + offset))
        elif word == "day":
            _day(data, rest)
        elif word == "total":
            counts = [number(text) for text in rest.split()]
            if len(counts) == 8 and None not in counts:
                lines, data["requests"], data["bytes"], data["bots"], data["visitors"], unparsed = counts[:6]
        elif word in {"first", "last", "human"}:
            data["last_human" if word == "human" else word] = _moment(rest)
        elif word == "format":
            data["format"] = rest
        elif word == "size":
            read = number(rest)
        elif word == "file":
            size = number(rest)
        elif word == "merged":
            data["merged"] = True
        elif word == "packed":
            size = -1
        elif word == "forwarded":
            data["forwarded"] = number(rest) or 0
        elif word in {"status", "vhost", "method"}:
            name, _, text = rest.partition(" ")
            if (count := number(text)) is not None:
                data[{"status": "status", "vhost": "vhosts", "method": "methods"}[word]][name] = count
        elif word == "month":
            name, _, text = rest.partition(" ")
            if re.fullmatch(r"\d{4}-\d{2}", name, re.ASCII) and (count := number(text)) is not None:
                visitors[name] = count
        elif word in {"missing", "referrer"}:
            text, _, name = rest.partition(" ")
            if (count := number(text)) is not None and name:
                data["missing" if word == "missing" else "referrers"].append([name, count])
        elif word == "use":
            more += _use(block, data, rest, offset)
    if lines is None:
        return [Observation("unknown", {"what": block.value, "why": "no summary came"}, block.line)]
    if not data["requests"]:
        why = f"format not known: none of {lines} lines read" if lines else "nothing could be unpacked"
        return [Observation("unknown", {"what": block.value, "why": why}, block.line)]
    _left_out(data, read, size)
    for day, count in data["days"].items():
        month = data["months"].setdefault(day[:7], {"requests": 0, "visitors": visitors.get(day[:7], None if read is None else 0)})
        month["requests"] += count
    for name in ("status", "methods", "days", "visitors_by_day", "months", "vhosts"):
        data[name] = dict(sorted(data[name].items()))
    for name in ("missing", "referrers"):
        data[name].sort(key=lambda pair: (-pair[1], pair[0]))
    found = [Observation("access_log", data, block.line)]
    if unparsed and unparsed * 10 > data["requests"]:
        what = {"what": block.value, "why": f"{unparsed} of {lines} lines not understood"}
        found.append(Observation("unknown", what, block.line))
    return found + sorted(more, key=_order)


def _day(data: dict[str, Any], rest: str) -> None:
    name, *texts = rest.split(" ")
    day = _iso(name)
    if day is not None and texts and (count := number(texts[0])) is not None:
        data["days"][day] = count
        if len(texts) > 2:
            data["visitors_by_day"][day] = number(texts[2]) or 0


def _order(item: Observation) -> tuple[Any, ...]:
    data = item.data
    if item.kind == "access_url":
        return ("access_url", -data["count"], data["path"], data["status"])
    return (item.kind, -(data.get("requests") or 0), str(data["vhost"]), 0)


def _left_out(data: dict[str, Any], read: int | None, size: int | None) -> None:
    """What of the file was not read.  Of a packed one that filled the limit, how much is left is not known."""
    if size is not None and size >= 0 and read is not None:
        data["left_out_bytes"] = max(0, size - read) if size > MOST else 0
    elif size == -1 and read is not None and read >= MOST:
        data["left_out_bytes"] = None


def _url(block: Block, rest: str) -> dict[str, Any] | None:
    words = rest.split(" ", 3)
    if len(words) != 4:
        return None
    count, code = number(words[0]), number(words[1])
    if count is None or code is None:
        return None
    return {"file": block.value, "path": words[3], "count": count, "status": code, "vhost": "" if words[2] == "-" else words[2]}


def _use(block: Block, data: dict[str, Any], rest: str, offset: int) -> list[Observation]:
    words = rest.split(" ")
    counts = [number(text) for text in words[1:6]]
    if len(words) != 8 or None in counts:
        return []
    names = ("requests", "visits", "visitors", "bytes", "posts")
    use: dict[str, Any] = {"file": block.value, "named": data["named"], "vhost": words[0], **dict(zip(names, counts, strict=True))}
    use |= {"last": _moment(words[6]), "last_human": _moment(words[7])}
    return [Observation("access_use", use, block.line + offset)]


def _moment(text: str) -> str | None:
    """ISO 8601; logs of earlier visits have the servers' own `22/Nov/2026:23:59:51 +0800`."""
    if re.match(r"\d{4}-\d{2}-\d{2}T", text, re.ASCII):
        return text[:40]
    day = _iso(text[:11])
    return f"{day}T{text[12:20]}{text[21:26]}" if day else None


@lru_cache(4096)
def _iso(text: str) -> str | None:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
        return text
    match = _DAY.fullmatch(text)
    if match is None or match.group(2) not in _MONTHS:
        return None
    return f"{match.group(3)}-{_MONTHS.index(match.group(2)) + 1:02}-{match.group(1)}"


PROBE = Probe("accesslog", SCRIPT, parse, seconds=120, max_bytes=6_000_000)
