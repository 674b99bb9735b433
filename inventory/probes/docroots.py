"""A fragment of sh that several probes share: the docroots of a host and of its containers, found there by a rough reading.

In: what the configurations of all web servers name (`inventory.probes.web.locating`), the usual folders.  Out: one line each, as the host
sees it (`/proc/PID/root/srv/x` inside a container); a docroot with a newline in its name is found by its parent instead.  The exact
reading of vhosts is `webconfig`'s; this only says where to look, so that one visit is enough.  Nothing on a network filesystem is touched,
not even to ask whether it is there: a dead server would hang the question.  `docroots` prints what is local, `docroots_remote` the others.
"""

from __future__ import annotations

from inventory.probes.web.locating import CONFIGURED_ROOTS

NETWORK_MOUNTS = r"""
NETFS=$(awk '$3 ~ /^(nfs4?|cifs|smb[a-z]*[0-9]*|ncpfs|afs|ceph|glusterfs|9p|lustre|beegfs|davfs|coda|gpfs|panfs|orangefs|pvfs2|autofs)$/ || $3 ~ /^fuse\./ {
  p = $2; gsub(/\\040/, " ", p); gsub(/\\011/, "\t", p); gsub(/\\134/, "\\", p); print $3 " " p }' /proc/mounts 2>/dev/null)
network_of() {
  printf '%s\n' "$NETFS" | while read -r t_ m_; do case "$1/" in "$m_"/*) printf '%s\n' "$t_" ;; esac; done | tail -n 1
}
on_network() {
  test -n "$NETFS" || return 1
  n_=`network_of "$1"`
  # only what is not there may be asked whether it is a link
  if test -z "$n_" && test -L "$1"; then n_=`readlink "$1"`; n_=`network_of "$n_"`; fi
  test -n "$n_"
}
"""
"""`NETFS`: the network filesystems of a host, `type path` a line; `on_network PATH` says whether a path, or what it links to, lies
on one, and leaves its type in `n_`."""

LOCAL_FIND = r"""
local_find() { telling_find "$@" 2>/dev/null; }
telling_find() { # SECONDS ROOT, then what find shall do
  s_=$1; r_=$2; shift 2; b_=`cd "$r_" 2>/dev/null && pwd -P 2>/dev/null`
  away_=`test -z "$NETFS" || printf '%s\n' "$NETFS" | while read -r t_ p_; do case "$p_" in "$b_"/?*) printf '%s\n' "${p_#"$b_"}" ;; esac; done`
  if test -z "$away_"; then limit "$s_" find -H "$r_" -xdev "$@"; return; fi
  # the folders above those mounts by themselves, then all that stands in them and is no mount
  way_=`printf '%s\n' "$away_" | awk '{ n = split($0, x, "/"); p = ""; for (i = 2; i <= n; i++) { if (!((p ".") in had)) print p "."; had[p "."] = 1; p = p "/" x[i] } }'`
  here_=$(B=$b_ awk '{ p = $2; gsub(/\\040/, " ", p); if (index(p, ENVIRON["B"] "/") == 1) print substr(p, length(ENVIRON["B"]) + 1) }' /proc/mounts)
  f_=0; e_=$(($# + 1)); i_=$IFS; IFS='
'
  set -f; for d_ in $way_; do limit "$s_" find -H "$r_${d_%.}" -maxdepth 0 "$@" || f_=$?; done
  set -- -xdev "$@"
  for d_ in $way_; do
    d_=${d_%.}; set +f
    for x_ in "$r_$d_"/* "$r_$d_"/.[!.]* "$r_$d_"/..?*; do
      y_=${x_#"$r_"}
      case "$IFS$away_$IFS$here_$IFS" in *"$IFS$y_$IFS"*) continue ;; esac
      case "$IFS$way_$IFS" in *"$IFS$y_.$IFS"*) continue ;; esac
      if test -L "$x_" || test -e "$x_"; then set -- "$@" "$x_"; fi
    done
    set -f
  done
  set +f; IFS=$i_; n_=$(($# - e_))
  test "$n_" -gt 0 || return $f_
  test "$n_" -le 5000 || return 125
  while test "$e_" -gt 0; do set -- "$@" "$1"; shift; e_=$((e_ - 1)); done
  limit "$s_" find "$@" || f_=$?
  return $f_
}
"""
"""`local_find SECONDS ROOT EXPRESSION`: find -H ROOT -xdev, but a network filesystem that is mounted below is not even asked for its
inode, which find does before any -prune; paths begin with ROOT.  125: too many entries beside such a mount.
`telling_find` is the same with find's complaints.  The expression must not hold a -maxdepth: it would undo the one for those folders."""

DOCROOTS = (
    NETWORK_MOUNTS
    + LOCAL_FIND
    + CONFIGURED_ROOTS
    + r"""
usual_roots() {
  for b in /var/www /srv/www /home/wwwroot /data/www /www/wwwroot /var/www/vhosts; do
    if on_network "$b"; then printf '%s\n' "$b"; continue; fi
    for d in "$b"/*; do if on_network "$d" || test -d "$d"; then printf '%s\n' "$d"; fi; done
  done
}
all_docroots() { { configured_roots; usual_roots; } | sed 's:/*$::' | grep '^/..*' | sort -u; }
docroots() { all_docroots | while IFS= read -r d; do on_network "$d" || { test -d "$d" && printf '%s\n' "$d"; }; done; }
docroots_remote() {
  test -n "$NETFS" || return 0
  all_docroots | while IFS= read -r d; do if on_network "$d"; then printf '%s %s\n' "$n_" "$d"; fi; done
}
"""
)
