"""A piece of sh for other sections: what the configurations of all web servers of a host, and of its containers, name.

In: nothing.  Out: `CONFIGURED_ROOTS` for `docroots`, and `LOCATE`, with the function `named WANT` (`docroots`, `certificates` or `logs`): one line for each thing named, as
TAG, root (`/proc/PID/root` of a container, '' for the host), value, more, file.  It follows the includes like the servers' own sections.
"""

from __future__ import annotations

from inventory.probes.web.following import FOLLOW
from inventory.probes.web.masters import APACHE, CADDY, COMMANDS, LIGHTTPD, NGINX, SERVERS

LOCATE = (
    FOLLOW
    + COMMANDS
    + NGINX
    + APACHE
    + LIGHTTPD
    + CADDY
    + SERVERS
    + r"""
server() {
  if test "$R" = unreadable || test -z "$3"; then return 0; fi
  case $3 in *.json) return 0 ;; esac
  last=none; resolve "$3"
  if test "$1" = -; then case $mains in *"$NL$real$NL"*) return 0 ;; esac; fi
  if test -z "$R"; then mains=$mains$real$NL; fi
  seen=; state=$5; prefix=$4
  case $2:$prefix in nginx:) prefix=${3%/*}; prefix=${prefix%/conf}; if test "$prefix" = /etc/nginx; then prefix=/usr/share/nginx; fi ;; esac
  if test "$2" = nginx; then state=R$TAB${3%/*}; fi
  if test "$2" = apache; then
    follow environment "${3%/*}/envvars$NL/etc/sysconfig/httpd$NL/etc/sysconfig/apache2$NL/etc/conf.d/apache2$NL/etc/default/apache2" "$state"
  fi
  follow "$2" "$3" "$state"
}
named() { want=$1; show=; mains=$NL; { servers; } 4>&1; }
"""
)
"""Defines `named`, and all that `following` and `masters` define."""

CONFIGURED_ROOTS = (
    "configured_roots() { (\n"
    + LOCATE
    + r"""
placed() { awk -F '\t' '$1 == "D" && !s[$2, $3]++ { print ($2 == "" ? "-" : $2) "\t" $3 }' | while IFS=$TAB read -r R p; do
  if test "$R" = -; then R=; fi
  case $p in
    *'$'*)
      if test -z "$R" && have on_network && on_network "$p"; then continue; fi
      if test -d "$R$p"; then printf '%s\n' "$R$p"; continue; fi
      p=${p%%\$*}; p=${p%/*}
      case $p in ''|/var|/srv|/home|/opt|/usr|/data|/www|/var/www) continue ;; esac
      n=0; for d in "$R$p"/*; do if test -d "$d"; then n=$((n + 1)); if test "$n" -gt 300; then break; fi; printf '%s\n' "$d"; fi; done ;;
    *)
      if test -z "$R"; then printf '%s\n' "$p"; else last=none; resolve "$p" && printf '%s\n' "$R$real"; fi ;;
  esac
done; }
bases() {
  running 'java jsvc jsvc.exec'
  for m in $all; do rooted "$m"; words "$m" | awk -v R="${R:--}" 'index($0, "-Dcatalina.base=/") == 1 { print R "\t" substr($0, 17); exit }'; done
  for b in /opt/tomcat* /opt/apache-tomcat* /usr/local/tomcat* /usr/local/apache-tomcat* /usr/share/tomcat* /var/lib/tomcat* /var/lib/tomcats/*; do
    if test -e "$b/conf/server.xml"; then printf -- '-\t%s\n' "$b"; fi
  done
}
tomcats() { bases | awk '!s[$0]++' | while IFS=$TAB read -r R b; do
  if test "$R" = -; then R=; elif test "$R" = unreadable; then continue; fi
  last=none; resolve "$b/conf/server.xml" || continue
  { echo webapps; awk '{ s = $0; while (match(s, /(appBase|docBase)="[^"$]+"/)) { t = substr(s, RSTART, RLENGTH); s = substr(s, RSTART + RLENGTH)
      sub(/^[^"]*"/, "", t); sub(/"$/, "", t); print t } }' "$R$real" "$R$b"/conf/*/*/*.xml 2>/dev/null; } |
    awk -v R="$R" -v b="$b" '{ p = /^\// ? $0 : b "/" $0; print "D\t" R "\t" p; print "D\t" R "\t" p "/ROOT" }'
done; }
programs() {
  # where application servers run; a folder of the system's own is nobody's application
  running 'gunicorn uwsgi uwsgi-core node nodejs MainThread python3 python ruby puma unicorn dotnet java uvicorn hypercorn daphne waitress-serve bun deno'
  for m in $all; do
    d=`readlink "/proc/$m/cwd" 2>/dev/null`
    case $d in /srv/?*|/var/www/?*|/opt/?*|/home/*/?*|/data/?*|/www/?*|/usr/local/?*|/app|/app/*|/usr/src/app*|/var/lib/*/webapps*) ;; *) continue ;; esac
    rooted "$m"; if test -n "$R"; then continue; fi
    printf 'D\t\t%s\n' "$d"
  done
}
{ named docroots; tomcats; programs; } | placed
) }
"""
)
"""`configured_roots` prints the docroots that configurations name, those of containers as the host sees them, without asking whether one of
the host's own is there; in a subshell, so that none of its names is seen outside.  `on_network PATH` is asked where it is defined."""
