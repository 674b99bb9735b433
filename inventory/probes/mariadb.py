"""MariaDB and MySQL: every server that runs here, over its Unix socket; names, sizes, definitions and rights, never a hash or a secret.

Servers are found by their processes and the sockets those listen on (in containers too, through /proc/PID/root).  The client logs in with
what it finds itself: as root over the socket, or by a file of the client's own (`~/.my.cnf`, Debian's `debian.cnf`); no password is ever on
a command line.  Sessions are read only and bounded by the server itself where it can be (MariaDB 10.1, MySQL 5.7.8); conditional comments
let one text serve MySQL 5.0 to 8.4 and MariaDB 5.5 to 11, and a statement that an old server does not know leaves only its own fact
unknown.  All names travel as HEX, so that a hostile one can hold tabs and newlines.  The shape of what comes out: `mariadbfacts`.
"""

from __future__ import annotations

from inventory.probes import mariadbfacts
from inventory.probes.base import Observation, Probe, Section
from inventory.probes.fragments import SHOW

_OWN = "NOT IN ('mysql','sys','information_schema','performance_schema')"
_PREAMBLE = (
    "/*!50605 SET SESSION TRANSACTION READ ONLY */; /*M!100000 SET SESSION TRANSACTION READ ONLY */;"
    " /*M!100101 SET SESSION max_statement_time=5 */; /*!50708 SET SESSION max_execution_time=5000 */;"
    " /*!50503 SET SESSION lock_wait_timeout=2 */; SET SESSION group_concat_max_len=100000;"
)
_VARIABLES = (
    "version", "version_comment", "port", "socket", "datadir", "time_zone", "system_time_zone", "sql_mode", "character_set_server",
    "collation_server", "event_scheduler", "lower_case_table_names", "max_allowed_packet", "innodb_file_format", "innodb_file_per_table",
    "innodb_large_prefix", "innodb_page_size", "innodb_strict_mode", "innodb_buffer_pool_size", "log_bin", "binlog_format", "server_id",
    "read_only", "super_read_only", "gtid_mode", "default_storage_engine", "storage_engine", "max_connections", "bind_address",
    "skip_networking", "old_passwords", "default_authentication_plugin", "authentication_policy", "explicit_defaults_for_timestamp",
    "log_bin_trust_function_creators", "wsrep_on", "local_infile", "secure_file_priv", "have_ssl", "general_log",
)  # fmt: skip
_STATUS = ("Uptime", "Max_used_connections", "Questions", "Threads_connected", "Com_insert", "Com_update", "Com_delete")


def _list(names: tuple[str, ...]) -> str:
    return ",".join(f"'{name}'" for name in names)


def _objects(what: str, schema: str, table: str, more: str = "'-'") -> str:
    return (
        f"SELECT '@ {what}'; SELECT HEX({schema}),HEX(DEFINER),{more},COUNT(*) FROM information_schema.{table}"
        f" WHERE {schema} {_OWN} GROUP BY 1,2,3;"
    )


FIRST = (
    f"{_PREAMBLE} SELECT '@ self'; SELECT HEX(CURRENT_USER());"
    f" SELECT '@ variables'; SHOW GLOBAL VARIABLES WHERE Variable_name IN ({_list(_VARIABLES)});"
    f" SELECT '@ status'; SHOW GLOBAL STATUS WHERE Variable_name IN ({_list(_STATUS)});"
    " SELECT '@ accounts'; SELECT HEX(User),HEX(Host) FROM mysql.user;"
    " SELECT '@ plugins'; SELECT HEX(User),HEX(Host),plugin FROM mysql.user WHERE plugin<>'';"
    " SELECT '@ schemas'; SELECT HEX(SCHEMA_NAME),DEFAULT_CHARACTER_SET_NAME,DEFAULT_COLLATION_NAME"
    f" FROM information_schema.SCHEMATA WHERE SCHEMA_NAME {_OWN};"
    f" SELECT '@ counts'; SELECT HEX(TABLE_SCHEMA),COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA {_OWN} GROUP BY 1;"
    " SELECT '@ grants'; SELECT HEX(GRANTEE),'-',GROUP_CONCAT(PRIVILEGE_TYPE),MAX(IS_GRANTABLE) FROM information_schema.USER_PRIVILEGES"
    " WHERE PRIVILEGE_TYPE<>'USAGE' GROUP BY 1;"
    " SELECT HEX(GRANTEE),HEX(TABLE_SCHEMA),GROUP_CONCAT(PRIVILEGE_TYPE),MAX(IS_GRANTABLE) FROM information_schema.SCHEMA_PRIVILEGES GROUP BY 1,2;"
    " SELECT '@ tablegrants'; SELECT HEX(GRANTEE),HEX(TABLE_SCHEMA),COUNT(*) FROM information_schema.TABLE_PRIVILEGES"
    f" WHERE TABLE_SCHEMA {_OWN} GROUP BY 1,2;"
    " SELECT '@ clients'; SELECT HEX(USER),HEX(IF(INSTR(HOST,':'),LEFT(HOST,LENGTH(HOST)-LENGTH(SUBSTRING_INDEX(HOST,':',-1))-1),HOST)),"
    "HEX(IFNULL(DB,'')),COMMAND,COUNT(*) FROM information_schema.PROCESSLIST WHERE ID<>CONNECTION_ID() GROUP BY 1,2,3,4;"
    + _objects("routines", "ROUTINE_SCHEMA", "ROUTINES", "SECURITY_TYPE")
    + _objects("triggers", "TRIGGER_SCHEMA", "TRIGGERS")
    + _objects("events", "EVENT_SCHEMA", "EVENTS", "STATUS")
    + " SELECT '@ keys'; SELECT HEX(CONSTRAINT_SCHEMA),HEX(UNIQUE_CONSTRAINT_SCHEMA),COUNT(*) FROM"
    f" information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA {_OWN} GROUP BY 1,2;"
)
SECOND = (
    f"{_PREAMBLE} SELECT '@ tables'; SELECT HEX(TABLE_SCHEMA),HEX(TABLE_NAME),IFNULL(ENGINE,'-'),TABLE_TYPE,IFNULL(TABLE_COLLATION,'-'),"
    "IFNULL(TABLE_ROWS,0),IFNULL(DATA_LENGTH,0),IFNULL(INDEX_LENGTH,0),IFNULL(UNIX_TIMESTAMP(UPDATE_TIME),0),"
    "IFNULL(ROW_FORMAT,'-'),IF(CREATE_OPTIONS LIKE '%partitioned%',1,0) FROM information_schema.TABLES WHERE TABLE_SCHEMA @WHERE@;"
    " SELECT '@ views'; SELECT HEX(TABLE_SCHEMA),HEX(DEFINER),SECURITY_TYPE,COUNT(*) FROM information_schema.VIEWS"
    " WHERE TABLE_SCHEMA @WHERE@ GROUP BY 1,2,3;"
    " SELECT '@ columns'; SELECT HEX(TABLE_SCHEMA),HEX(TABLE_NAME),HEX(COLUMN_NAME),DATA_TYPE,IFNULL(CHARACTER_SET_NAME,'-'),"
    "IFNULL(COLLATION_NAME,'-'),IF(COLUMN_DEFAULT LIKE '%0000-00-00%',1,0) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA @WHERE@"
    " AND (CHARACTER_SET_NAME IS NOT NULL OR DATA_TYPE IN ('date','datetime','timestamp'));"
)
_HIGH = "^(..)*[89A-F]"
_UTF8 = "^(..)*(C[2-9A-F]|D.|E.[89AB].)[89AB]"
_DOUBLED = "^(..)*(C383C2[89AB]|C3A[4-9](C2[89AB].|E2....|C[56]..|CB..)(C2[89AB].|E2....|C[56]..|CB..))"
"""On HEX, whole bytes: not ASCII; valid UTF-8 of two or three bytes; UTF-8 read as latin1 or cp1252 and encoded once more (a two-byte
character becomes C383 C2xx, the first byte of a Chinese one C3A4–C3A9 with both its others encoded after it)."""

PICK = r"""
# which columns to look into: of each schema the tables with most rows, none above 1 GiB; a statement for each, of HEX and digits only
function name(hex) { return "REPLACE(CONVERT(UNHEX(" Q hex Q ") USING utf8)," Q "`" Q "," Q "``" Q ")" }
function ask(s, t, c, charset, kind,  what) {
  if (++asked > 120) return
  what = kind == "date" ? "COUNT(*),SUM(h LIKE " Q Q "0000-00-00%" Q Q "),0,0" : "COUNT(*),SUM(h REGEXP " Q Q HIGH Q Q "),SUM(h REGEXP " Q Q UTF Q Q "),SUM(h REGEXP " Q Q DOUBLED Q Q ")"
  print "SET @c=CONCAT(" Q "`" Q "," name(c) "," Q "`" Q "), @t=CONCAT(" Q "`" Q "," name(s) "," Q "`.`" Q "," name(t) "," Q "`" Q ");"
  print "SET @q=CONCAT(" Q "SELECT " Q Q s Q Q "," Q Q t Q Q "," Q Q c Q Q "," Q Q charset Q Q "," what " FROM (SELECT " (kind == "date" ? "CAST(" : "HEX(LEFT(CAST(") Q ",@c," Q (kind == "date" ? " AS CHAR)" : " AS BINARY),400))") " h FROM " Q ",@t," Q " WHERE " Q ",@c," Q " IS NOT NULL LIMIT 200) x" Q ");"
  print "PREPARE p FROM @q; EXECUTE p; DEALLOCATE PREPARE p;"
}
BEGIN { FS = "\t"; Q = "\047" }
/^@ / { tag = $0; next }
{ sub(/^\|/, "", $1) }
tag == "@ tables" && $4 == "BASE TABLE" && $6 > 0 && $7 < 1073741824 && $3 ~ /^(InnoDB|MyISAM|Aria)$/ { rows[$1, $2] = $6; schema[$1, $2] = $1 }
tag == "@ columns" && (($1, $2) in rows) { n[$1, $2]++; column[$1, $2, n[$1, $2]] = $3 "\t" $4 "\t" $5; table[$1, $2] = $2 }
END {
  while (tables < 40) {
    best = ""; most = 0
    for (k in n) if (!(k in done) && taken[schema[k]] < 6 && rows[k] > most) { most = rows[k]; best = k }
    if (best == "") break
    done[best] = 1; taken[schema[best]]++; tables++; texts = 0; dates = 0
    for (i = 1; i <= n[best]; i++) {
      split(column[best, i], c, "\t")
      if (c[3] == "-") { if (dates++ < 1) ask(schema[best], table[best], c[1], "-", "date") }
      else if (c[2] ~ /text|varchar/ && texts++ < 3) ask(schema[best], table[best], c[1], c[3], "text")
    }
  }
}
"""

SCRIPT = (
    SHOW
    + f'OWN="{_OWN}"\nFIRST="{FIRST}"\nSECOND="{SECOND}"\nPREAMBLE="{_PREAMBLE}"\n'
    + f"HIGH='{_HIGH}'; UTF='{_UTF8}'; DOUBLED='{_DOUBLED}'\nPICK='{PICK}'\n"
    + r"""
MYSQL_HISTFILE=/dev/null; export MYSQL_HISTFILE
pids=`grep -lE '^(mysqld|mariadbd)(-|$)' /proc/[0-9]*/comm 2>/dev/null | sed 's:^/proc/::; s:/comm$::'`
if test -z "$pids"; then
  for f in /usr/sbin/mysqld /usr/sbin/mariadbd /usr/libexec/mysqld /usr/libexec/mariadbd /usr/local/mysql/bin/mysqld; do
    if test -x $f; then echo "@ installed $f"; fi
  done
  exit 0
fi
c=`command -v mariadb || command -v mysql || ls /usr/local/mysql/bin/mysql /opt/lampp/bin/mysql /www/server/mysql/bin/mysql 2>/dev/null | head -n 1`
framed() { awk '/^@ [a-z]+$/ { print; next } { print "|" $0 }'; }
client() { # SECONDS LOGIN SOCKET, statements on stdin
  limit "$1" "$c" $2 --batch --unbuffered --force --skip-column-names --connect-timeout=5 --default-character-set=utf8 --host=localhost --protocol=socket --socket="$3" 2>&1 | framed
}
say() { printf '%s\n' "$1"; }
listening() { # the sockets that a process listens on; without the right to see its descriptors, those of a telling name
  own=`ls -l /proc/$1/fd 2>/dev/null | sed -n 's/.*socket:\[\([0-9]*\)\].*/\1/p' | tr '\n' ' '`
  told=`tr '\000' '\n' < /proc/$1/cmdline 2>/dev/null | sed -n 's/^--socket=//p' | tail -n 1`
  TOLD=$told awk -v own=" $own" '$4 == "00010000" && $6 == "01" && $8 ~ /^\// && $8 !~ /mysqlx/ {
    if (own == " " ? $8 == ENVIRON["TOLD"] || $8 ~ /(mysql|maria)[^\/]*\.sock$|mysqld?\/[^\/]*sock/ : index(own, " " $7 " ")) print $8 }' /proc/$1/net/unix 2>/dev/null
}
read_server() { # PID SOCKET PATH-TO-CONNECT
  login=; ok=
  for try in '' --defaults-file=/root/.my.cnf --defaults-file=/etc/mysql/debian.cnf; do
    case $try in ?*) test -r "${try#*=}" || continue ;; esac
    if say 'SELECT 1' | client 8 "$try" "$3" | grep -x '|1' >/dev/null; then ok=1; login=$try; break; fi
  done
  if test -z "$ok"; then echo "@ unknown databases the server at $2 refuses this account; see docs/security.md for a read-only one"; return; fi
  first=`say "$FIRST" | client 25 "$login" "$3"`
  say "$first"
  say 'SHOW SLAVE STATUS\G SHOW REPLICA STATUS\G' | limit 5 "$c" $login --batch --force --connect-timeout=5 --host=localhost --protocol=socket --socket="$3" 2>/dev/null |
    awk 'BEGIN { print "@ replication" } /^ *(Master|Source)_(Host|Port|User)|^ *(Slave|Replica)_(IO|SQL)_Running:|^ *Seconds_Behind/ { sub(/^ +/, ""); print "|" $0 }'
  # each table is opened for its size: not all of them where there are thousands
  chosen=`say "$first" | awk -F '\t' '/^@ / { tag = $0; next } tag == "@ counts" { sub(/^\|/, "", $1); count[$1] = $2; all += $2 }
    END { if (all <= 4000) { print "all"; exit }
      while (1) { best = ""; for (s in count) if (!(s in took) && (best == "" || count[s] < count[best])) best = s
        if (best == "" || sum + count[best] > 4000) break
        took[best] = 1; sum += count[best]; list = list (list == "" ? "" : ",") "CONVERT(UNHEX(\047" best "\047) USING utf8)" }
      print list == "" ? "none" : "IN (" list ")" }'`
  case $chosen in
    all) where=$OWN ;;
    *) echo '@ cut'; where=$chosen
      dir=`say "$first" | awk -F '\t' '$1 == "|datadir" { print $2; exit }'`; root=${3%"$2"}
      limit 10 du -sk "$root$dir"*/ 2>/dev/null | head -n 500 | show ;;
  esac
  case $where in none) return ;; esac
  second=`say "$SECOND" | awk -v w="$where" '{ while ((at = index($0, "@WHERE@"))) $0 = substr($0, 1, at - 1) w substr($0, at + 7); print }' | client 25 "$login" "$3"`
  say "$second"
  echo '@ samples'
  { say "$PREAMBLE"; say "$second" | awk -v HIGH="$HIGH" -v UTF="$UTF" -v DOUBLED="$DOUBLED" "$PICK"; } | client 15 "$login" "$3"
}
for pid in $pids; do
  where=; space=`readlink /proc/$pid/ns/pid 2>/dev/null`
  if test -n "$space" && test "$space" != "`readlink /proc/self/ns/pid`"; then where=container; fi
  sockets=`listening $pid | sort -u | head -n 3`
  if test -z "$sockets"; then echo "@ unknown databases process $pid listens on no socket that can be seen"; continue; fi
  printf '%s\n' "$sockets" | while IFS= read -r s; do
    at=$s; if test -S "/proc/$pid/root$s"; then at=/proc/$pid/root$s; elif test -n "$where"; then continue; fi
    mark server "${where:-host} $s"
    if test -z "$c"; then echo "@ unknown databases there is no client program for the server at $s"; else read_server "$pid" "$s" "$at"; fi
  done
done
"""
)


def parse(section: Section) -> list[Observation]:
    """`database_server`, `database`, `database_user`, `database_client`, `unknown`."""
    return mariadbfacts.observations(section.text)


PROBE = Probe("mariadb", SCRIPT, parse, seconds=90, max_bytes=6_000_000)
