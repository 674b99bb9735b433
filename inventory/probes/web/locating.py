"""A piece of sh for other sections: what the configurations of all web servers of a host, and of its containers, name.

In: nothing.  Out: `LOCATE`, with the function `named WANT` (`docroots`, `certificates` or `logs`): one line for each thing named, as
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
