"""A fragment of sh that several probes share: the docroots of a host and of its containers, found there by a rough reading.

In: the configurations that the running web servers use (`inventory.probes.web.locating`), Tomcat's application bases, the usual folders.
Out: one line each, as the host sees it (`/proc/PID/root/srv/x` inside a container); a docroot with a newline in its name is found by its
parent instead.  The exact reading of vhosts is `webconfig`'s; this only says where to look, so that one visit is enough.
"""

from __future__ import annotations

from inventory.probes.web.locating import LOCATE

DOCROOTS = (
    "docroots() { (\n"
    + LOCATE
    + r"""
placed() { awk -F '\t' '$1 == "D" && !s[$2, $3]++ { print ($2 == "" ? "-" : $2) "\t" $3 }' | while IFS=$TAB read -r R p; do
  if test "$R" = -; then R=; fi
  case $p in
    *'$'*)
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
      sub(/^[^"]*"/, "", t); sub(/"$/, "", t); print t } }' < "$R$real" 2>/dev/null; } | awk -v R="$R" -v b="$b" '{ print "D\t" R "\t" (/^\// ? $0 : b "/" $0) }'
done; }
{ { named docroots; tomcats; } | placed
  for d in /var/www/* /srv/www/* /home/wwwroot/* /data/www/* /www/wwwroot/*; do if test -d "$d"; then printf '%s\n' "$d"; fi; done
} | sed 's:/*$::' | grep '^/..*' | sort -u | while IFS= read -r d; do if test -d "$d"; then printf '%s\n' "$d"; fi; done
) }
"""
)
