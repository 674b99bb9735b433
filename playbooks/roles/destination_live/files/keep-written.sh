#!/bin/sh
# Managed by Ansible (role destination_live).
#
#   keep-written MOVE DOCROOT ACCOUNT DATABASE
#
# A cutover was taken back: what visitors wrote here between the two is put into /var/backups/moves before a copy of the source takes its
# place. Files: those that were made or changed since the site went live. The schema of the account (MariaDB), or the database (PostgreSQL):
# a whole dump. Prints where it stands. Exit: 0 done, or nothing to do; 1 not kept, and then nothing may be copied.
set -eu
umask 077
export LC_ALL=C
move=$1 docroot=$2 account=$3 database=$4
marker=/var/lib/moves/$move/was-live
backups=/var/backups/moves
fail() { printf 'planner: failed: what was written while %s was live is not kept: %s\n' "$move" "$1"; exit 1; }
keep() { gzip -f "$1" && sync "$1.gz" && mv "$1.gz" "${1%.partial}.gz" || fail "$1.gz cannot be written"; }

[ -f "$marker" ] || exit 0
mkdir -p "$backups"
base=$backups/$move-$(date -u +%Y%m%dT%H%M%SZ)
if [ -d "$docroot" ]; then
    # The change of a file's state cannot be set back, as its time of modification can.
    (cd "$docroot" && find . ! -type d -cnewer "$marker" ! -path '*/.planner-partial/*' -print0) > "$base.list" || fail "$docroot cannot be read"
    if [ -s "$base.list" ]; then
        tar --create --file="$base.tar.partial" --directory="$docroot" --null --verbatim-files-from --files-from="$base.list" || fail "$base.tar cannot be written"
        keep "$base.tar.partial"
    fi
    rm -f "$base.list"
fi
if [ -n "$account" ] && [ -s "/var/lib/vhost/$account.cnf" ]; then
    schema=$(sed -n 's/^database=//p' "/var/lib/vhost/$account.cnf" | tr -d '"')
    mariadb-dump --no-defaults --protocol=socket --user=root --single-transaction --routines --events --triggers --hex-blob \
        --default-character-set=utf8mb4 "$schema" > "$base.sql.partial" || fail "the schema $schema could not be dumped"
    tail -n 1 "$base.sql.partial" | grep -q '^-- Dump completed' || fail "the dump of $schema is not whole"
    keep "$base.sql.partial"
elif [ -n "$database" ]; then
    (cd / && runuser -u postgres -- pg_dump --no-password -- "$database") > "$base.sql.partial" || fail "the database $database could not be dumped"
    keep "$base.sql.partial"
fi
rm -f "$marker"
printf 'planner: changed: kept\nplanner: proved: what was written while it was live stands in %s.*\n' "$base"
