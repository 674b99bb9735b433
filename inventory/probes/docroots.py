"""A fragment of sh that several probes share: the docroots of a host and of its containers, found there by a rough reading.

In: what the configurations of all web servers name (`inventory.probes.web.locating`), the usual folders.  Out: one line each, as the host
sees it (`/proc/PID/root/srv/x` inside a container); a docroot with a newline in its name is found by its parent instead.  The exact
reading of vhosts is `webconfig`'s; this only says where to look, so that one visit is enough.
"""

from __future__ import annotations

from inventory.probes.web.locating import CONFIGURED_ROOTS

DOCROOTS = (
    CONFIGURED_ROOTS
    + r"""
docroots() { {
  configured_roots
  for d in /var/www/* /srv/www/* /home/wwwroot/* /data/www/* /www/wwwroot/*; do if test -d "$d"; then printf '%s\n' "$d"; fi; done
} | sed 's:/*$::' | grep '^/..*' | sort -u | while IFS= read -r d; do if test -d "$d"; then printf '%s\n' "$d"; fi; done; }
"""
)
