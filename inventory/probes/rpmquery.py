"""A fragment of sh that asks rpm's database without writing to it.

In: nothing.  Out: the constant `RPM`, to be put after SHOW.  rpm is never asked as root: a query by root creates `__db.00*`, lost indexes
and sqlite's `-shm` in the database's folder, and may leave a lock there.  As nobody it cannot write, and opens Berkeley DB in memory of its
own; where even that fails (an index is lost, say), packages stay unknown.
"""

from __future__ import annotations

RPM = r"""
unprivileged() {
  s=$1; shift
  if test "`id -u`" != 0; then limit "$s" "$@"
  elif chroot --userspec=65534:65534 --groups=65534 / true 2>/dev/null; then
    limit "$s" chroot --userspec=65534:65534 --groups=65534 / env HOME=/nonexistent "$@"
  elif setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null; then
    limit "$s" setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/nonexistent "$@"
  else return 97; fi
}
rpm_base() {
  for d in /usr/share/rpm /usr/lib/sysimage/rpm /var/lib/rpm; do
    for f in Packages rpmdb.sqlite Packages.db; do if test -s $d/$f; then echo $d; return 0; fi; done
  done
}
rpm_query() { s=$1; b=$2; q=$3; unprivileged "$s" rpm --dbpath "$b" -qa --nodigest --nosignature --qf "$q" 2>/dev/null; }
"""
"""`unprivileged SECONDS COMMAND…` runs a command as nobody: `chroot` and `setpriv` ask no PAM, so that no log of a login and no session
comes of it, as it would with su; where neither can do it the status is 97.  `rpm_base` prints the database's folder, and nothing where there
is none: rpm itself would make one.  `rpm_query SECONDS FOLDER FORMAT` prints what FORMAT says of every package."""
