"""A fragment of sh: where symbolic links lead, found out without touching a network filesystem, not even to ask whether it is there.

In: `NETFS` of `docroots`.  Out: functions.  Nothing is read but the links themselves; what they lead to is for the caller.
"""

from __future__ import annotations

LINKED = r"""
leads_to() { # PATH: its real path in R_; fails where that lies on a network filesystem, in a loop of links, or has a newline
  q_=$1; R_=; h_=0; i_=$IFS; IFS='
'; set -f
  while test -n "$q_"; do
    c_=${q_%%/*}; case "$q_" in */*) q_=${q_#*/} ;; *) q_= ;; esac
    case "$c_" in ''|.) continue ;; ..) R_=${R_%/*}; continue ;; esac
    for m_ in $NETFS; do case "$R_/$c_/" in "${m_#* }"/*) IFS=$i_; set +f; return 1 ;; esac; done
    if test -L "$R_/$c_"; then
      t_=`readlink "$R_/$c_"`; h_=$((h_ + 1))
      case "$t_" in ''|*"$IFS"*) h_=99 ;; /*) R_= ;; esac
      if test "$h_" -gt 40; then IFS=$i_; set +f; return 1; fi
      q_=$t_/$q_
    else R_=$R_/$c_; fi
  done
  IFS=$i_; set +f
}
"""
"""`leads_to PATH` follows an absolute path component by component; one fork for each link on the way."""
