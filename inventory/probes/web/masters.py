"""Pieces of sh: which web servers run on a host, with which main configuration, in which container, and which lie there unused.

In: nothing.  Out: for each server a function that calls `server PID KIND MAIN PREFIX STATE` once for each main configuration, the
running masters' first; `SERVERS` over all of them.  What a server was built with (prefix, main file, version) is looked for in its binary
as text (/proc/PID/exe); no binary is run.
"""

from __future__ import annotations

COMMANDS = r"""
words() { tr '\n\000' '\001\n' 2>/dev/null < "/proc/$1/cmdline"; }
after() { words "$2" | awk -v o="$1" '
  !n++ && index($0, ": master process ") { s = $0; sub(/.*: master process /, "", s)
    if (match(s, " " o " *[^ ]")) { s = substr(s, RSTART + RLENGTH - 1); sub(/ -[A-Za-z]( .*)?$/, "", s); sub(/[ ]+$/, "", s); print s; exit } }
  on { print; exit } $0 == o { on = 1; next } length($0) > 2 && index($0, o) == 1 && length(o) == 2 { print substr($0, 3); exit }
  index($0, o "=") == 1 && length(o) > 2 { print substr($0, length(o) + 2); exit }'; }
program() {
  exe=`readlink "/proc/$1/exe" 2>/dev/null`; exe=${exe% (deleted)}
  if test -z "$exe"; then exe=`words "$1" | awk 'NR == 1 { sub(/.*: master process /, ""); sub(/ .*/, ""); print }'`; fi
  image=/proc/$1/exe
  if test ! -r "$image"; then image=$exe; fi
}
absolute() { case $1 in '') ;; /*) printf '%s\n' "$1" ;; *) printf '%s\n' "${2%/}/$1" ;; esac; }
there() { for f do if test -n "$f" && test -e "$R$f"; then printf '%s\n' "$f"; return 0; fi; done; return 1; }
"""

NGINX = r"""
built_nginx() { strings "$1" | awk '
  /^(nginx|openresty|Tengine|tengine|freenginx|Angie|angie)\/[0-9]/ && length($0) < 60 && v == "" { v = $0; sub(/ .*/, "", v) }
  /--(conf-path|prefix|with-)/ && n < 4000 { n += length($0)
    if (match($0, /--conf-path=[^ ]+/)) c = substr($0, RSTART + 12, RLENGTH - 12)
    if (match($0, /(^| )--prefix=[^ ]+/)) { p = substr($0, RSTART, RLENGTH); sub(/.*=/, "", p) } }
  END { print v; print p; print c }'; }
nginx_servers() {
  running 'nginx openresty tengine angie freenginx'
  for m in $masters; do
    rooted "$m"; program "$m"
    built=`built_nginx "$image"`; v=`printf '%s\n' "$built" | sed -n 1p`; p=`printf '%s\n' "$built" | sed -n 2p`; c=`printf '%s\n' "$built" | sed -n 3p`
    given=`after -p "$m"`; f=`after -c "$m"`
    case $exe in */sbin/nginx) guess=${exe%/sbin/nginx} ;; *) guess=/usr/local/nginx ;; esac
    case $guess in /usr|'') guess= ;; esac
    case $p in /*) ;; *) p=$guess ;; esac
    if test -n "$given"; then p=`absolute "$given" "$guess"`; c=`absolute "${c#"$guess"/}" "$p"`; fi
    if test -n "$f"; then f=`absolute "$f" "$p"`
    else f=`there "$(absolute "$c" "$p")" "${p:-/usr/local/nginx}/conf/nginx.conf" "$guess/conf/nginx.conf" /etc/nginx/nginx.conf /usr/local/etc/nginx/nginx.conf`; fi
    server "$m" nginx "$f" "$p" ''
  done
  R=; runtime=; v=
  for f in /etc/nginx/nginx.conf /usr/local/nginx/conf/nginx.conf /usr/local/openresty/nginx/conf/nginx.conf /opt/nginx/conf/nginx.conf \
    /usr/local/etc/nginx/nginx.conf /www/server/nginx/conf/nginx.conf /etc/tengine/nginx.conf /usr/local/tengine/conf/nginx.conf \
    /opt/openresty/nginx/conf/nginx.conf /usr/local/angie/conf/nginx.conf /etc/angie/angie.conf; do
    if test -e "$f" || test -L "${f%/*}"; then server - nginx "$f" '' ''; fi
  done
}
"""

APACHE = r"""
built_apache() { strings "$1" | awk '
  /^Apache\/[0-9.]+/ && length($0) < 80 && (v == "" || length($0) > length(v)) { v = $0; sub(/ .*/, "", v) }
  /HTTPD_ROOT="/ { r = $0; sub(/.*HTTPD_ROOT="/, "", r); sub(/".*/, "", r) }
  /SERVER_CONFIG_FILE="/ { c = $0; sub(/.*SERVER_CONFIG_FILE="/, "", c); sub(/".*/, "", c) }
  END { print v; print r; print c }'; }
apache_servers() {
  running 'apache2 httpd httpd-prefork httpd-worker httpd-event httpd.worker httpd.event httpd2 httpd2-prefork httpd2-worker httpd2-event apache httpsd'
  for m in $masters; do
    rooted "$m"; program "$m"
    built=`built_apache "$image"`; v=`printf '%s\n' "$built" | sed -n 1p`; r=`printf '%s\n' "$built" | sed -n 2p`; c=`printf '%s\n' "$built" | sed -n 3p`
    s=`tr '\n\000' '\001\n' 2>/dev/null < "/proc/$m/environ" | awk '/^(APACHE|HTTPD|LOG)[A-Z_]*=/ && length($0) < 500 { at = index($0, "="); print "V\t" substr($0, 1, at - 1) "\t" substr($0, at + 1) }'`
    d=`after -d "$m"`; f=`after -f "$m"`
    e=`printf '%s\n' "$s" | awk -F '\t' '$2 == "APACHE_CONFDIR" { print $3; exit }'`
    r=${d:-${r:-$e}}
    case $exe in */bin/httpd|*/sbin/httpd) guess=${exe%/*bin/httpd} ;; *) guess= ;; esac
    case $guess in /usr|'') guess=/etc/httpd ;; esac
    r=${r:-$guess}
    if test -n "$f"; then f=`absolute "$f" "$r"`
    else f=`there "$(absolute "$c" "$r")" "$r/apache2.conf" "$r/conf/httpd.conf" "$r/httpd.conf" /etc/apache2/apache2.conf /etc/httpd/conf/httpd.conf /etc/apache2/httpd.conf`; fi
    server "$m" apache "$f" "$r" "R$TAB$r$NL$s"
  done
  R=; runtime=; v=
  for f in /etc/apache2/apache2.conf /etc/apache2-*/apache2.conf /etc/apache2/httpd.conf /etc/apache2/conf/httpd.conf /etc/httpd/conf/httpd.conf \
    /opt/rh/httpd24/root/etc/httpd/conf/httpd.conf /usr/local/apache2/conf/httpd.conf /usr/local/apache/conf/httpd.conf /usr/local/httpd/conf/httpd.conf \
    /opt/lampp/etc/httpd.conf /www/server/apache/conf/httpd.conf /usr/local/etc/apache24/httpd.conf /opt/apache*/conf/httpd.conf; do
    case $f in /etc/apache2/httpd.conf) if test -e /etc/apache2/apache2.conf; then continue; fi ;; esac
    if test -e "$f"; then
      r=${f%/*}; case $f in */conf/httpd.conf) r=${r%/conf} ;; /opt/lampp/*) r=/opt/lampp ;; esac
      server - apache "$f" "$r" "R$TAB$r"
    fi
  done
}
"""

LIGHTTPD = r"""
lighttpd_servers() {
  running 'lighttpd lighttpd-angel'
  for m in $masters; do
    rooted "$m"; program "$m"
    v=`strings "$image" | awk '/^lighttpd\/[0-9.]+/ { sub(/[ ].*/, ""); print; exit }'`
    f=`after -f "$m"`; w=`readlink "/proc/$m/cwd" 2>/dev/null`
    f=`absolute "${f:-/etc/lighttpd/lighttpd.conf}" "$w"`
    server "$m" lighttpd "$f" "${f%/*}" "R$TAB${f%/*}"
  done
  R=; runtime=; v=
  for f in /etc/lighttpd/lighttpd.conf /usr/local/etc/lighttpd/lighttpd.conf /usr/local/lighttpd/etc/lighttpd.conf; do
    if test -e "$f"; then server - lighttpd "$f" "${f%/*}" "R$TAB${f%/*}"; fi
  done
}
"""

CADDY = r"""
caddy_servers() {
  running caddy
  for m in $masters; do
    rooted "$m"; program "$m"; v=
    f=`after --config "$m"`; f=${f:-`after -config "$m"`}; f=${f:-`after -conf "$m"`}; f=${f:-`after -c "$m"`}
    w=`readlink "/proc/$m/cwd" 2>/dev/null`; w=${w#"$R"}
    if test -n "$f"; then f=`absolute "$f" "$w"`; else f=`there "${w%/}/Caddyfile" /etc/caddy/Caddyfile`; fi
    server "$m" caddy "$f" "${f%/*}" ''
  done
  R=; runtime=; v=
  for f in /etc/caddy/Caddyfile /usr/local/etc/caddy/Caddyfile; do if test -e "$f"; then server - caddy "$f" "${f%/*}" ''; fi; done
}
"""

SERVERS = r"""
servers() {
  case $1 in
    nginx) nginx_servers ;; apache) apache_servers ;; lighttpd) lighttpd_servers ;; caddy) caddy_servers ;;
    *) nginx_servers; apache_servers; lighttpd_servers; caddy_servers ;;
  esac
}
"""
