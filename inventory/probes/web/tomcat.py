"""Tomcat: every running JVM's `catalina.base` and those that lie at the usual places, with their versions as files tell them.

In: `server.xml`, `catalina.properties` and the context files; passwords are masked before they are printed.  Out: `web_server` for each
installation, `vhost`, `web_problem`, `unknown`.  No Java is run: RELEASE-NOTES, the manifest of catalina.jar (where unzip is) or the
package tell the version.
"""

from __future__ import annotations

from inventory.probes.base import Observation, Probe, Section, blocks
from inventory.probes.web.collecting import PLACE, Instance, described, gather, instances, running
from inventory.probes.web.following import FOLLOW
from inventory.probes.web.masters import COMMANDS
from inventory.webconfig import tomcat

MASK_XML = r"""
{ s = $0; out = ""
  if (properties && s ~ /^[^=]*([Pp]ass|[Ss]ecret|[Tt]oken)[^=]*=/) { print "|" substr(s, 1, index(s, "=")) "[redacted]"; next }
  while (match(s, /([Pp]ass|[Ss]ecret|[Tt]oken|[Pp]wd|[Cc]redential)[A-Za-z_.]*[ \t]*=[ \t]*("[^"]*"|\047[^\047]*\047)/)) {
    found = substr(s, RSTART, RLENGTH); out = out substr(s, 1, RSTART - 1) substr(found, 1, index(found, "=")) "\"[redacted]\""
    s = substr(s, RSTART + RLENGTH)
  }
  out = out s; gsub(/[Pp]assword=[^&;"\047 \t<>]+/, "password=[redacted]", out); print "|" out }
"""

SCRIPT = (
    FOLLOW
    + COMMANDS
    + PLACE
    + "MASK_XML='"
    + MASK_XML
    + r"""'
exec 4>&1; show=1; want=; prefix=; bases=$NL
option() { words "$2" | awk -v o="-D$1=" 'index($0, o) == 1 { print substr($0, length(o) + 1); exit }'; }
version() {
  v=
  if test -r "$R$1/RELEASE-NOTES"; then v=`sed -n 's/.*Apache Tomcat Version \([0-9][0-9.A-Za-z-]*\).*/\1/p' < "$R$1/RELEASE-NOTES" | head -n 1`; fi
  for j in "$1/lib/catalina.jar" "$1/server/lib/catalina.jar"; do
    if test -z "$v" && test -r "$R$j" && have unzip; then
      v=`unzip -p "$R$j" META-INF/MANIFEST.MF 2>/dev/null | tr -d '\r' | sed -n 's/^Implementation-Version: *//p' | head -n 1`
    fi
  done
  case $v$R in '')
    case $1 in /usr/share/tomcat[0-9]*) p=${1##*/} ;; *) p=tomcat ;; esac
    v=`dpkg-query -W -f '${Version}\n' "$p" 2>/dev/null || rpm -q --qf '%{VERSION}\n' "$p" 2>/dev/null`
    case $v in [0-9]*) v=${v%%-*} ;; *) v= ;; esac ;;
  esac
}
base() {
  case $2 in *"$NL"*) return 0 ;; esac
  last=none; resolve "$2/conf/server.xml"
  case $bases in *"$NL$R$real$NL"*) return 0 ;; esac
  bases=$bases$R$real$NL
  place "$1"
  if test "$1" != -; then process "$1"; fi
  if test "$R" = unreadable; then mark unknown "the files of process $1 in a container: only root may read them"; return 0; fi
  version "$3"
  mark instance "$1 $2/conf/server.xml"
  printf '%s\n' "|version ${v:+Tomcat/$v}" "|prefix $2" "|home $3"
  if test ! -r "$R$real"; then mark unknown "$2/conf/server.xml unreadable"; return 0; fi
  resolve "$2/conf" && real=${real%/}
  { printf '%s\n' "$2/conf/server.xml" "$2/conf/context.xml" "$2/conf/catalina.properties"
    for f in "$R$real"/*/*/*.xml; do printf '%s\n' "$2/conf${f#"$R$real"}"; done; } | awk 'NR <= 1000' | while IFS= read -r f; do
    last=none; resolve "$f" || continue
    if test ! -f "$R$real"; then continue; fi
    if test ! -r "$R$real"; then mark unknown "$real unreadable"; continue; fi
    mark file "$real"
    case $f in *.properties) p=1 ;; *) p= ;; esac
    head -c 1000000 < "$R$real" | awk -v properties="$p" "$MASK_XML"
  done
}
running 'java jsvc jsvc.exec tomcat tomcat8 tomcat9 tomcat10'
for m in $all; do
  rooted "$m"; program "$m"
  b=`option catalina.base "$m"`; h=`option catalina.home "$m"`; b=${b:-$h}
  case $b in /*) base "$m" "${b%/}" "${h:-$b}" ;; esac
done
R=; runtime=
for b in /opt/tomcat* /opt/apache-tomcat* /opt/*/tomcat* /opt/*/apache-tomcat* /usr/local/tomcat* /usr/local/apache-tomcat* /usr/share/tomcat* /usr/share/apache-tomcat* \
  /var/lib/tomcat* /var/lib/tomcats/* /srv/tomcat* /home/*/tomcat* /home/*/apache-tomcat* /data/tomcat* /data/apache-tomcat* /www/server/tomcat*; do
  if test -e "$b/conf/server.xml"; then
    h=$b
    case $b in /var/lib/tomcats/*) h=/usr/share/tomcat ;; /var/lib/tomcat*) h=/usr/share/${b##*/} ;; esac
    base - "$b" "$h"
  fi
done
"""
)


def parse(section: Section) -> list[Observation]:
    """`web_server` for each installation, `vhost`, `web_problem`, `unknown`."""
    gathered = gather(section)
    found = list(gathered.found)
    homes = {
        block.line: line.removeprefix("home ")
        for block in blocks(section.text)
        if block.tag == "instance"
        for line in block.lines
        if line.startswith("home ")
    }
    # visits before there were `@ instance` lines
    bases = [(block.tag, block.value, block.line) for block in blocks(section.text) if block.tag in {"base", "running"}]
    live = {value for tag, value, _ in bases if tag == "running"}
    gathered.places[0].instances += [
        Instance(f"{base}/conf/server.xml", line, prefix=base, live=base in live) for tag, base, line in bases if tag == "base"
    ]
    for place, instance in instances(gathered):
        data = described("tomcat", instance, place, "", "") | {"home": homes.get(instance.line, "")}
        found.append(Observation("web_server", data, instance.line))
        if place.files:
            config = tomcat.read(place.files, instance.main, place.links, base=instance.prefix)
            found += place.observations("tomcat", config, **running(instance))
    return found


PROBE = Probe("tomcat", SCRIPT, parse, seconds=30)
