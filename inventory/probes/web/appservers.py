"""What answers requests besides the servers whose configuration is read: application servers, proxies, and web servers known by name only.

In: processes, the sockets that each listens on, its working directory.  Out: `application_server` (gunicorn, uWSGI, Node, Puma, Jetty, a
Spring jar, ...), `web_server` with the configuration unknown (OpenLiteSpeed, HAProxy, Varnish, Squid, ...).  Containers are looked into.
"""

from __future__ import annotations

from typing import Any

from inventory.probes.base import Block, Observation, Probe, Section, blocks
from inventory.probes.fragments import MASK
from inventory.probes.web.collecting import number
from inventory.probes.web.following import FOLLOW
from inventory.probes.web.masters import COMMANDS

SERVERS = (
    "haproxy varnishd squid squid3 traefik envoy lshttpd litespeed openlitespeed lswsctrl h2o thttpd cherokee cherokee-worker hiawatha monkey boa "
    "mini_httpd webfsd darkhttpd bozohttpd jexus jws trafficserver pound"
)
APPLICATIONS = (
    "java jsvc gunicorn uwsgi uwsgi-core node nodejs MainThread python python2 python3 ruby puma unicorn thin rackup passenger PassengerAgent php "
    "php-cgi spawn-fcgi hypnotoad starman starlet perl dotnet mono uvicorn hypercorn daphne waitress-serve bun deno PM2 pm2 gitea gogs"
)
ANYTHING = {"python", "python2", "python3", "ruby", "perl", "node", "nodejs", "MainThread", "java", "mono", "dotnet", "deno", "bun"}
KINDS = r"""
function base(s) { sub(/^.*\//, "", s); return s }
{ a[++n] = $0; all = all " " $0 " " }
END {
  k = base(a[1]); sub(/: .*/, "", k)
  if (all ~ /-Dcatalina\.(base|home)=/) exit
  if (k ~ /^(java|jsvc)/) {
    if (all ~ /jboss[.-]|wildfly/) k = all ~ /wildfly/ ? "wildfly" : "jboss"
    else if (all ~ /com\.sun\.aas|glassfish/) k = "glassfish"
    else if (all ~ /weblogic\./) k = "weblogic"
    else if (all ~ /com\.ibm\.ws|wlp/) k = "websphere"
    else if (all ~ /resin/) k = "resin"
    else if (all ~ /jetty/) k = "jetty"
    else if (all ~ / -jar /) k = "java"
    else exit
  } else if (all ~ /gunicorn/) k = "gunicorn"
  else if (all ~ /uvicorn/) k = "uvicorn"
  else if (all ~ /hypercorn/) k = "hypercorn"
  else if (all ~ /daphne/) k = "daphne"
  else if (all ~ /waitress/) k = "waitress"
  else if (k ~ /^uwsgi/) k = "uwsgi"
  else if (all ~ /manage\.py/) k = "django-runserver"
  else if (all ~ /flask +run|\/flask .*run/) k = "flask-run"
  else if (all ~ /http\.server|SimpleHTTPServer/) k = "python-http"
  else if (all ~ /(^| )puma/) k = "puma"
  else if (all ~ /unicorn/) k = "unicorn"
  else if (all ~ /[Pp]assenger/) k = "passenger"
  else if (all ~ /(^|[ \/])thin /) k = "thin"
  else if (all ~ /PM2|pm2/) k = "pm2"
  else if (k ~ /^(node|nodejs|MainThread)$/) k = "node"
  else if (k ~ /^php/ && all ~ / -S /) k = "php-server"
  else if (k ~ /^php-cgi/ || k == "spawn-fcgi") k = "php-cgi"
  else if (k ~ /^php/) exit
  print k
}
"""
SCRIPT = (
    FOLLOW
    + COMMANDS
    + "KINDS='"
    + KINDS
    + "'\nMASK='"
    + MASK
    + r"""'
sockets() { ls -l "/proc/$1/fd" 2>/dev/null | sed -n 's/.*socket:\[\([0-9]*\)\]$/\1/p' | awk -v d="/proc/$1/net" '
  function number(h,  i, n) { n = 0; for (i = 1; i <= length(h); i++) n = n * 16 + index("0123456789ABCDEF", toupper(substr(h, i, 1))) - 1; return n }
  function shown(a) { return length(a) > 8 ? (a ~ /^0+$/ ? "[::]" : "[v6]") : number(substr(a, 7, 2)) "." number(substr(a, 5, 2)) "." number(substr(a, 3, 2)) "." number(substr(a, 1, 2)) }
  { S[$1] = 1 }
  END {
    for (v = 0; v < 2; v++) { t = d (v ? "/tcp6" : "/tcp")
      while ((getline line < t) > 0) { split(line, f, " "); if (f[4] == "0A" && (f[10] in S)) { split(f[2], ap, ":"); print "|listens " shown(ap[1]) ":" number(ap[2]) } } }
    t = d "/unix"
    while ((getline line < t) > 0) { split(line, f, " "); if (f[4] == "00010000" && (f[7] in S) && f[8] != "") print "|listens unix:" f[8] }
  }' | sort -u | head -n 20; }
say() {
  rooted "$2"; program "$2"
  u=; while read -r k x y; do case $k in Uid:) u=$x; break ;; esac; done 2>/dev/null < "/proc/$2/status"
  mark "$1" "$2 ${u:--} $3"
  if test -n "$R"; then printf '|container %s %s %s\n' "$runtime" "${id:--}" "${box:--}"; fi
  w=`readlink "/proc/$2/cwd" 2>/dev/null`
  printf '%s\n' "$w" | awk 'NR == 1 { print "|directory " $0 }'
  sockets "$2"
  words "$2" | awk 'NR <= 60 { printf "%s%s", (NR > 1 ? " " : ""), substr($0, 1, 500) } END { print "" }' | awk "$MASK"'{ print "|command " substr(mask($0), 1, 2000) }'
}
show=
running '"""
    + SERVERS
    + r"""'
for m in $masters; do s=; IFS= read -r s 2>/dev/null < "/proc/$m/stat" || continue; c=${s#*\(}; say server "$m" "${c%\)*}"; done
running '"""
    + APPLICATIONS
    + r"""'
count=0
for m in $all; do
  k=`words "$m" | awk "$KINDS"`
  if test -z "$k"; then continue; fi
  s=; IFS= read -r s 2>/dev/null < "/proc/$m/stat" || continue; s=${s##*\) }; s=${s#* }; s=${s%% *}
  case " $kept " in *" $k:$s "*) kept="$kept $k:$m"; continue ;; esac
  kept="$kept $k:$m"
  count=$((count + 1)); if test "$count" -gt 100; then mark unknown 'more than 100 application servers'; break; fi
  say application "$m" "$k"
done
"""
)


def parse(section: Section) -> list[Observation]:
    """`listens` are `127.0.0.1:8000` or `unix:/run/x.sock`; none known is an empty list.  `uid` is None when not readable."""
    found: list[Observation] = []
    for block in blocks(section.text):
        if block.tag in {"server", "application"}:
            item = _process(block)
            # a script that listens nowhere is no server; an account that may not see sockets cannot tell
            if item.data["listens"] or item.data["server"] not in ANYTHING:
                found.append(item)
        elif block.tag == "unknown":
            found.append(Observation("unknown", {"what": block.value, "why": ""}, block.line))
    return found


def _process(block: Block) -> Observation:
    pid, uid, kind = [*block.value.split(" ", 2), "", ""][:3]
    data: dict[str, Any] = {"server": kind, "pid": number(pid), "uid": number(uid), "directory": "", "listens": [], "command": ""}
    for line in block.lines:
        word, _, text = line.partition(" ")
        if word == "listens" and text not in data["listens"]:
            data["listens"].append(text)
        elif word in {"directory", "command"}:
            data[word] = text
        elif word == "container":
            runtime, ident, name = [*text.split(" "), "", "", ""][:3]
            data["container"] = {"pid": number(pid), "runtime": runtime, "id": ident.strip("-"), "name": name if name != "-" else ""}
    if block.tag == "server":
        return Observation(
            "web_server", {**data, "running": True, "version": "", "main": "", "user": "", "configuration": "unknown"}, block.line
        )
    return Observation("application_server", data, block.line)


PROBE = Probe("appservers", SCRIPT, parse, seconds=30)
