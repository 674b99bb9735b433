"""Web servers: the configuration that the running master uses, collected as files, parsed on the planner's side.

Nothing is executed: `nginx -T` as root is not read-only, and `apachectl -S` is not there everywhere.  Private keys are never read,
and passwords in Tomcat's XML are masked on the host.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from inventory.probes.base import Observation, Probe, Section, blocks, unknown
from inventory.webconfig import apache, caddy, lighttpd, nginx, tomcat
from inventory.webconfig.model import WebConfig

_MASTERS = r"""
masters() { for p in /proc/[0-9]*; do
  test -r $p/cmdline || continue
  case "`readlink $p/exe 2>/dev/null`" in */$1|*/$1\ *) ;; *) continue;; esac
  c=`tr '\000' ' ' <$p/cmdline`
  u=`sed -n 's/^Uid:[[:space:]]*\([0-9]*\).*/\1/p' $p/status`
  pp=`sed -n 's/^PPid:[[:space:]]*//p' $p/status`
  printf '@ process %s %s %s %s\n' "${p#/proc/}" "$pp" "$u" "$c"
done; }
collect() { find "$@" -xdev \( -name '*.key' -o -name '*.pem' -o -name '*.crt' -o -name '*.p12' -o -name private \) -prune \
  -o -type f -size -512k -exec awk 'FNR==1{printf "@ file %s\n",FILENAME} {print "|" $0}' {} + 2>/dev/null
  find "$@" -xdev -type l -exec sh -c 'for l; do printf "@ link %s -> %s\n" "$l" "`readlink -f "$l"`"; done' x {} + 2>/dev/null; }
"""

NGINX = (
    _MASTERS
    + r"""
masters nginx
for d in /etc/nginx /usr/local/nginx/conf /usr/local/etc/nginx; do
  if test -d $d; then if test -r $d/nginx.conf; then collect $d; else echo "@ unknown nginx the configuration in $d cannot be read"; fi; fi
done
for p in /proc/[0-9]*; do test -r $p/cmdline || continue
  c=`tr '\000' ' ' <$p/cmdline`
  case "$c" in *nginx:\ master*\ -c\ *) f=`printf %s "$c" | sed 's/.* -c \([^ ]*\).*/\1/'`; case "$f" in /etc/nginx/*|/usr/local/nginx/conf/*) ;; *) test -f "$f" && collect "`dirname "$f"`";; esac;; esac
done
v=`dpkg-query -W -f '${Version}' nginx 2>/dev/null || rpm -q --qf '%{VERSION}' nginx 2>/dev/null`; echo "@ version $v"
"""
)

APACHE = (
    _MASTERS
    + r"""
masters apache2; masters httpd
for d in /etc/apache2 /etc/httpd /usr/local/apache2/conf; do
  test -d $d || continue
  if test -r $d/apache2.conf || test -r $d/conf/httpd.conf || test -r $d/httpd.conf; then collect $d
  elif test -e $d/apache2.conf || test -e $d/conf/httpd.conf; then echo "@ unknown apache the configuration in $d cannot be read"; fi
done
v=`dpkg-query -W -f '${Version}' apache2 2>/dev/null || rpm -q --qf '%{VERSION}' httpd 2>/dev/null`; echo "@ version $v"
"""
)

LIGHTTPD = (
    _MASTERS
    + r"""
masters lighttpd
for d in /etc/lighttpd /usr/local/etc/lighttpd; do
  test -d $d || continue
  if test -r $d/lighttpd.conf; then collect $d; elif test -e $d/lighttpd.conf; then echo "@ unknown lighttpd the configuration in $d cannot be read"; fi
done
v=`dpkg-query -W -f '${Version}' lighttpd 2>/dev/null || rpm -q --qf '%{VERSION}' lighttpd 2>/dev/null`; echo "@ version $v"
"""
)

CADDY = (
    _MASTERS
    + r"""
masters caddy
for d in /etc/caddy /usr/local/etc/caddy; do
  test -d $d || continue
  if test -r $d/Caddyfile; then collect $d; elif test -e $d/Caddyfile; then echo "@ unknown caddy the configuration in $d cannot be read"; fi
done
v=`dpkg-query -W -f '${Version}' caddy 2>/dev/null || rpm -q --qf '%{VERSION}' caddy 2>/dev/null`; echo "@ version $v"
"""
)

TOMCAT = r"""
running() { for p in /proc/[0-9]*; do test -r $p/cmdline || continue
  tr '\000' '\n' <$p/cmdline 2>/dev/null | sed -n 's/^-Dcatalina\.base=\(\/.*\)/\1/p'; done | sort -u; }
running | while IFS= read -r b; do printf '@ running %s\n' "$b"; done
{ running; for d in /opt/tomcat* /opt/apache-tomcat* /usr/local/tomcat* /usr/local/apache-tomcat* /usr/share/tomcat* /var/lib/tomcat*; do
  if test -e "$d/conf/server.xml"; then printf '%s\n' "$d"; fi; done; } | sort -u | awk 'NR <= 50' | while IFS= read -r b; do
  if test ! -r "$b/conf/server.xml"; then echo "@ unknown tomcat the configuration in $b cannot be read"; continue; fi
  printf '@ base %s\n' "$b"
  for f in "$b/conf/server.xml" "$b/conf/catalina.properties" "$b"/conf/*/*/*.xml; do
    if test -f "$f" && test -r "$f"; then printf '@ file %s\n' "$f"; awk '
      { s = $0; out = ""
        if (FILENAME ~ /properties$/ && s ~ /^[^=]*([Pp]ass|[Ss]ecret|[Tt]oken)[^=]*=/) { print "|" substr(s, 1, index(s, "=")) "[redacted]"; next }
        while (match(s, /([Pp]ass|[Ss]ecret|[Tt]oken|[Pp]wd|[Cc]redential)[A-Za-z_.]*[ \t]*=[ \t]*("[^"]*"|\047[^\047]*\047)/)) {
          found = substr(s, RSTART, RLENGTH); out = out substr(s, 1, RSTART - 1) substr(found, 1, index(found, "=")) "\"[redacted]\""
          s = substr(s, RSTART + RLENGTH)
        }
        out = out s; gsub(/[Pp]assword=[^&;"\047 \t<>]+/, "password=[redacted]", out); print "|" out }' "$f"; fi
  done
done
"""


def _gather(
    section: Section,
) -> tuple[dict[str, str], dict[str, str], dict[str, int], list[str], str, list[Observation]]:
    files: dict[str, str] = {}
    links: dict[str, str] = {}
    places: dict[str, int] = {}
    processes: list[str] = []
    version = ""
    found: list[Observation] = []
    for block in blocks(section.text):
        if block.tag == "file":
            files[block.value] = block.text
            places[block.value] = block.line
        elif block.tag == "link":
            name, arrow, real = block.value.partition(" -> ")
            if arrow:
                links[name] = real
        elif block.tag == "process":
            processes.append(block.value)
        elif block.tag == "version":
            version = block.value.strip().partition("-")[0].partition(":")[2] or block.value.strip().partition("-")[0]
        elif block.tag == "unknown":
            found.append(unknown(block))
    return files, links, places, processes, version, found


def _observe(server: str, config: WebConfig, places: Mapping[str, int]) -> list[Observation]:
    found = [
        Observation("vhost", {**vhost.to_json(), "file": vhost.file}, places.get(vhost.file, 0) + vhost.line) for vhost in config.vhosts
    ]
    found += [
        Observation("web_problem", {"server": server, **problem}, places.get(str(problem["file"]), 0) + int(problem["line"]))
        for problem in config.problems
    ]
    return found


def _option(processes: list[str], option: str) -> str:
    for text in processes:
        words = text.split()
        for index, word in enumerate(words[:-1]):
            if word == option:
                return words[index + 1]
    return ""


def parse_nginx(section: Section) -> list[Observation]:
    """`web_server`, `vhost`, `web_problem`, `unknown`."""
    files, links, places, processes, version, found = _gather(section)
    main = _option(processes, "-c") or next((n for n in sorted(files) if n.endswith("/nginx.conf")), "")
    if not files and not processes:
        return found
    config = nginx.read(files, main, links)
    user = "www-data" if main.startswith("/etc/nginx") else "nobody"
    for item in nginx.parse(files.get(main, ""), main, WebConfig()):
        if item.name == "user" and item.args:
            user = item.args[0]
    data = {"server": "nginx", "running": bool(processes), "version": version, "main": main, "user": user}
    return [*found, Observation("web_server", data, places.get(main, 1)), *_observe("nginx", config, places)]


def parse_apache(section: Section) -> list[Observation]:
    """`web_server`, `vhost`, `web_problem`, `unknown`."""
    files, links, places, processes, version, found = _gather(section)
    usual = ("/etc/apache2/apache2.conf", "/etc/httpd/conf/httpd.conf", "/usr/local/apache2/conf/httpd.conf")
    main = _option(processes, "-f") or next((name for name in usual if name in files), "")
    if not main:
        return found
    variables: dict[str, str] = {}
    for name in (f"{main.rpartition('/')[0]}/envvars", "/etc/apache2/envvars"):
        variables |= apache.environment(files.get(name, ""))
    for text in processes:
        variables |= dict.fromkeys(apache.arguments(text), "")
    config = apache.read(files, main, links, variables)
    user = variables.get("APACHE_RUN_USER", "apache" if "httpd" in main else "www-data")
    data = {"server": "apache", "running": bool(processes), "version": version, "main": main, "user": user}
    return [*found, Observation("web_server", data, places.get(main, 1)), *_observe("apache", config, places)]


def _parse_plain(section: Section, server: str, name: str, read: Callable[..., WebConfig]) -> list[Observation]:
    files, links, places, processes, version, found = _gather(section)
    option = _option(processes, "-f") or _option(processes, "--config")
    main = option if option in files else next((n for n in sorted(files) if n.endswith(f"/{name}")), "")
    if not main:
        return found
    data = {"server": server, "running": bool(processes), "version": version, "main": main, "user": ""}
    config = read(files, main, links)
    return [*found, Observation("web_server", data, places.get(main, 1)), *_observe(server, config, places)]


def parse_lighttpd(section: Section) -> list[Observation]:
    """`web_server`, `vhost`, `web_problem`, `unknown`."""
    return _parse_plain(section, "lighttpd", "lighttpd.conf", lighttpd.read)


def parse_caddy(section: Section) -> list[Observation]:
    """`web_server`, `vhost`, `web_problem`, `unknown`."""
    return _parse_plain(section, "caddy", "Caddyfile", caddy.read)


def parse_tomcat(section: Section) -> list[Observation]:
    """`web_server` for each installation, `vhost`, `web_problem`, `unknown`."""
    files, links, places, _processes, _version, found = _gather(section)
    bases = [block for block in blocks(section.text) if block.tag in {"base", "running"}]
    running = {block.value for block in bases if block.tag == "running"}
    for block in bases:
        main = f"{block.value}/conf/server.xml"
        if block.tag == "base" and main in files:
            data = {"server": "tomcat", "running": block.value in running, "version": "", "main": main, "user": ""}
            config = tomcat.read(files, main, links, base=block.value)
            found += [Observation("web_server", data, places.get(main, 1)), *_observe("tomcat", config, places)]
    return found


PROBES = (
    Probe("nginx", NGINX, parse_nginx, seconds=30),
    Probe("apache", APACHE, parse_apache, seconds=30),
    Probe("tomcat", TOMCAT, parse_tomcat, seconds=30),
    Probe("lighttpd", LIGHTTPD, parse_lighttpd, seconds=30),
    Probe("caddy", CADDY, parse_caddy, seconds=30),
)
