"""PostgreSQL: every cluster that runs here, by `psql` as the account that owns it, over its Unix socket; read only, bounded, no secrets.

Clusters are found by their processes (the working directory of each is its data directory, and `postmaster.pid` there names port and socket
folder).  As root, `psql` runs under the cluster's own account (setpriv, else su: less right than root, never more); otherwise as the
login user.  Sessions are read only with a statement timeout of the server.  Roles without their passwords; `pg_hba.conf` as lines with
what sounds secret taken out.  All names travel as hex.  Statements that an old server (9.0 on) does not know leave only their own fact
unknown.  The shape of what comes out: `postgresqlfacts`.
"""

from __future__ import annotations

from inventory.probes import postgresqlfacts
from inventory.probes.base import Observation, Probe, Section
from inventory.probes.fragments import MASK, SHOW

_SETTINGS = (
    "server_version", "server_version_num", "port", "data_directory", "hba_file", "unix_socket_directories", "unix_socket_directory",
    "listen_addresses", "max_connections", "shared_buffers", "timezone", "log_timezone", "lc_messages", "lc_monetary", "server_encoding",
    "wal_level", "archive_mode", "hot_standby", "ssl", "shared_preload_libraries", "default_text_search_config", "password_encryption",
    "standard_conforming_strings", "bytea_output", "default_with_oids", "max_wal_senders", "fsync", "data_checksums", "autovacuum", "datestyle",
)  # fmt: skip


def _hex(text: str) -> str:
    """text → hex of its bytes, whatever the database's encoding; chr(92) is a backslash."""
    return f"encode(decode(replace(({text})::text, chr(92), chr(92)||chr(92)), 'escape'), 'hex')"


_USER = "n.nspname NOT IN ('pg_catalog','information_schema') AND n.nspname NOT LIKE 'pg!_t%' ESCAPE '!'"
_OWN = "NOT EXISTS (SELECT 1 FROM pg_depend x WHERE x.objid = {} AND x.deptype = 'e')"

CLUSTER = rf"""
\echo @ settings
SELECT name, {_hex("setting")} FROM pg_settings WHERE name IN ({",".join(f"'{name}'" for name in _SETTINGS)});
\echo @ self
SELECT {_hex("current_user")}, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user), pg_is_in_recovery();
\echo @ databases
SELECT {_hex("d.datname")}, {_hex("r.rolname")}, pg_encoding_to_char(d.encoding), {_hex("d.datcollate")}, {_hex("d.datctype")}, d.datallowconn, d.datistemplate, {_hex("t.spcname")}, CASE WHEN has_database_privilege(d.oid, 'CONNECT') THEN pg_database_size(d.oid) END FROM pg_database d LEFT JOIN pg_roles r ON r.oid = d.datdba LEFT JOIN pg_tablespace t ON t.oid = d.dattablespace;
\echo @ roles
SELECT {_hex("rolname")}, rolsuper, rolcreatedb, rolcreaterole, rolcanlogin, rolvaliduntil IS NOT NULL FROM pg_roles WHERE rolname NOT LIKE 'pg!_%' ESCAPE '!';
\echo @ members
SELECT {_hex("m.rolname")}, {_hex("g.rolname")} FROM pg_auth_members a JOIN pg_roles g ON g.oid = a.roleid JOIN pg_roles m ON m.oid = a.member WHERE m.rolname NOT LIKE 'pg!_%' ESCAPE '!';
\echo @ owned
SELECT {_hex("r.rolname")}, coalesce({_hex("d.datname")}, ''), count(*) FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid LEFT JOIN pg_database d ON d.oid = s.dbid WHERE s.deptype = 'o' GROUP BY 1, 2;
\echo @ tablespaces
SELECT {_hex("spcname")}, {_hex("pg_tablespace_location(oid)")}, pg_tablespace_size(oid) FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global');
\echo @ clients
SELECT coalesce({_hex("datname")}, ''), coalesce({_hex("usename")}, ''), coalesce({_hex("application_name")}, ''), coalesce(client_addr::text, ''), count(*) FROM pg_stat_activity WHERE datname IS NOT NULL AND application_name <> 'inventory' GROUP BY 1, 2, 3, 4;
\echo @ replicas
SELECT {_hex("application_name")}, coalesce(client_addr::text, ''), state FROM pg_stat_replication;
\echo @ slots
SELECT {_hex("slot_name")}, slot_type, active FROM pg_replication_slots;
\echo @ stats
SELECT {_hex("datname")}, xact_commit, tup_inserted + tup_updated + tup_deleted, coalesce(extract(epoch from stats_reset)::bigint::text, '') FROM pg_stat_database WHERE datname IS NOT NULL;
"""
DATABASE = rf"""
\echo @ extensions
SELECT {_hex("extname")}, {_hex("extversion")} FROM pg_extension;
\echo @ relations
SELECT {_hex("n.nspname")}, c.relkind, count(*), sum(CASE WHEN c.reltuples > 0 THEN c.reltuples ELSE 0 END)::bigint, sum(c.relpages::bigint) * current_setting('block_size')::bigint, sum(CASE WHEN c.reltuples < 0 OR (c.reltuples = 0 AND c.relpages = 0) THEN 1 ELSE 0 END) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_USER} GROUP BY 1, 2;
\echo @ schemas
SELECT {_hex("n.nspname")}, {_hex("r.rolname")} FROM pg_namespace n LEFT JOIN pg_roles r ON r.oid = n.nspowner WHERE {_USER};
\echo @ largest
SELECT {_hex("n.nspname")}, {_hex("c.relname")}, c.relpages::bigint * current_setting('block_size')::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND {_USER} ORDER BY c.relpages DESC, 2 LIMIT 1;
\echo @ unlogged
SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relpersistence = 'u' AND c.relkind = 'r' AND {_USER};
\echo @ functions
SELECT {_hex("l.lanname")}, count(*) FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {_USER} AND {_OWN.format("p.oid")} GROUP BY 1;
\echo @ triggers
SELECT tgenabled, count(*) FROM pg_trigger WHERE NOT tgisinternal GROUP BY 1;
\echo @ eventtriggers
SELECT {_hex("evtname")}, evtevent, evtenabled FROM pg_event_trigger;
\echo @ largeobjects
SELECT count(*) FROM pg_largeobject_metadata;
\echo @ foreign
SELECT {_hex("s.srvname")}, {_hex("w.fdwname")} FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw;
\echo @ publications
SELECT count(*) FROM pg_publication;
\echo @ subscriptions
SELECT count(*) FROM pg_subscription;
\echo @ writes
SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables;
\echo @ outside
SELECT count(*) FROM pg_class WHERE reltablespace <> 0 AND reltablespace NOT IN (SELECT oid FROM pg_tablespace WHERE spcname IN ('pg_default', 'pg_global'));
"""
OIDS = r"""
\echo @ oids
SELECT count(*) FROM pg_class WHERE relhasoids AND relkind = 'r';
"""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


SCRIPT = (
    SHOW
    + f"MASK='{MASK}'\nCLUSTER={_quoted(CLUSTER)}\nDATABASE={_quoted(DATABASE)}\nOIDS={_quoted(OIDS)}\n"
    + r"""
started=`date +%s`; T=`printf '\t'`; cd /
PGOPTIONS='-c default_transaction_read_only=on -c statement_timeout=5000'; PGCONNECT_TIMEOUT=5; PGAPPNAME=inventory; PGCLIENTENCODING=SQL_ASCII
export PGOPTIONS PGCONNECT_TIMEOUT PGAPPNAME PGCLIENTENCODING; unset PGSERVICE PGPASSWORD PGSSLMODE
say() { printf '%s\n' "$1"; }
pids=`grep -lE '^(postgres|postmaster)$' /proc/[0-9]*/comm 2>/dev/null | sed 's:^/proc/::; s:/comm$::'`
psql_as() { # SECONDS, statements on stdin
  if test "`id -u`" != 0; then limit "$1" "$psql" -X -A -t -q -w -F "$T" 2>&1
  elif setpriv --reuid "$uid" --regid "$gid" --clear-groups true 2>/dev/null; then
    limit "$1" setpriv --reuid "$uid" --regid "$gid" --clear-groups "$psql" -X -A -t -q -w -F "$T" 2>&1
  else
    P=$psql T=$T; export P T; set -- "$1" su -s /bin/sh "$owner" -c 'exec "$P" -X -A -t -q -w -F "$T"'
    limit "$@" 2>&1
  fi
}
framed() { awk '/^@ [a-z]+$/ { print; next } /^(LINE |HINT: |DETAIL: |WARNING: |NOTICE: | *\^)/ { next } { print "|" $0 }'; }
unhex() { printf '%b' "`say "$1" | awk 'function d(c) { return index("0123456789abcdef", c) - 1 }
  { for (i = 1; i < length($0); i += 2) { n = d(substr($0, i, 1)) * 16 + d(substr($0, i + 1, 1)); printf "\\\\0%d%d%d", int(n / 64), int(n / 8) % 8, n % 8 } }'`"; }
rules() { # pg_hba.conf
  test -r "$1" || { mark unknown "databases:postgresql rules unreadable"; return; }
  mark hba "$2"
  awk "$MASK"'/^[ \t]*(#|$)/ { next } ++n > 300 { exit } { line = $0; gsub(/(passwd|secrets?|password)[ \t]*=[ \t]*("[^"]*"|[^ \t]+)/, "secret=[redacted]", line); print "|" mask(line) }' "$1"
}
cluster() { # ROOT DATADIR: what runs there
  pidfile=$1$2/postmaster.pid
  if ! test -r "$pidfile"; then mark unknown "databases:postgresql $2 unreadable"; return; fi
  PGPORT=`sed -n 4p "$pidfile"`; dir=`sed -n 5p "$pidfile"`
  test -n "$dir" || for d in /var/run/postgresql /tmp; do if test -S "$1$d/.s.PGSQL.$PGPORT"; then dir=$d; fi; done
  mark cluster "${1:+container }$2"
  if test -z "$dir"; then mark unknown "databases:postgresql the cluster in $2 has no Unix socket"; return; fi
  PGHOST=$1$dir; PGDATABASE=postgres; export PGPORT PGHOST PGDATABASE; unset PGUSER
  set -- "$1" "$2" `ls -lnd "$1$2" | awk '{ print $3, $4 }'`; uid=$3; gid=$4
  owner=`awk -F : -v u="$uid" '$3 == u { print $1; exit }' /etc/passwd`
  if test -n "$1"; then PGUSER=postgres; export PGUSER; fi
  if test -z "$psql"; then mark unknown "databases:postgresql there is no psql for the cluster in $2"; return; fi
  say 'SELECT 1' | psql_as 8 | grep -x 1 >/dev/null || { PGDATABASE=template1; say 'SELECT 1' | psql_as 8 | grep -x 1 >/dev/null; } || {
    mark unknown "databases:postgresql the cluster in $2 refuses this account"; return; }
  first=`say "$CLUSTER" | psql_as 20 | framed`
  say "$first"
  case `say "$first" | sed -n 's/^|server_version_num'"$T"'//p'` in 38*|39*|313[01]*) old=$OIDS ;; *) old= ;; esac
  hba=`say "$first" | sed -n 's/^|hba_file'"$T"'//p'`; hba=`unhex "$hba"`
  test -z "$hba" || rules "$1$hba" "$hba"
  say "$first" | awk -F '\t' '/^@ / { t = $0; next } t == "@ databases" && $6 == "t" && $7 == "f" { sub(/^\|/, "", $1); print $1 }' | head -n 100 | while read -r h; do
    if test $((`date +%s` - started)) -gt 70; then echo "@ unknown databases:postgresql the time for this section was used up"; break; fi
    PGDATABASE=`unhex "$h"`; export PGDATABASE
    echo "@ database $h"
    say "$DATABASE$old" | psql_as 15 | framed
  done
}
seen=' '
for pid in $pids; do
  data=`readlink /proc/$pid/cwd 2>/dev/null` || data=
  if test -z "$data"; then data=`tr '\000' '\n' < /proc/$pid/cmdline 2>/dev/null | sed -n '/^-D$/{n;p;q;}; s/^-D//p' | head -n 1`; fi
  root=; space=`readlink /proc/$pid/ns/pid 2>/dev/null`
  if test -n "$space" && test "$space" != "`readlink /proc/self/ns/pid`"; then root=/proc/$pid/root; key=$space$data; else key=$data; fi
  case $data in ''|/) continue ;; esac
  case $seen in *" $key "*) continue ;; esac
  if test -n "$root" || test -e "$data/PG_VERSION" || test "$PRIV" != root; then
    seen="$seen$key "
    exe=`readlink /proc/$pid/exe 2>/dev/null`; psql=${exe%/*}/psql
    if test -n "$root" || test -z "$exe" || ! test -x "$psql"; then psql=`command -v psql || ls /usr/lib/postgresql/*/bin/psql /usr/pgsql-*/bin/psql /usr/local/pgsql/bin/psql 2>/dev/null | tail -n 1`; fi
    cluster "$root" "$data"
  fi
done
for c in /etc/postgresql/*/*/postgresql.conf /var/lib/pgsql/data/PG_VERSION /var/lib/pgsql/*/data/PG_VERSION; do
  test -f "$c" || continue
  case $c in
    *.conf) d=`sed -n "s/^[[:space:]]*data_directory[[:space:]]*=[[:space:]]*'\([^']*\)'.*/\1/p" "$c" | tail -n 1`; v=${c#/etc/postgresql/}; v=${v%%/*} ;;
    *) d=${c%/PG_VERSION}; v=`head -n 1 "$c"` ;;
  esac
  case $seen in *" $d "*) ;; *) mark stopped "$v ${d:-$c}" ;; esac
done
"""
)


def parse(section: Section) -> list[Observation]:
    """`database_server`, `database`, `database_user`, `database_client`, `unknown`."""
    return postgresqlfacts.observations(section.text)


PROBE = Probe("postgresql", SCRIPT, parse, seconds=90, max_bytes=4_000_000)
