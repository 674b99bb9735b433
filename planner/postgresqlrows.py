"""What a PostgreSQL database holds, as lines that two servers can be compared by: the script that prints them.  Pure.

In: the database as `$1`.  Out: the lines that `planner.contents.parse_rows` reads, of 9.4 and later.
"""

from __future__ import annotations

SCRIPT = r"""
LC_ALL=C; export LC_ALL; cd /
command -v psql >/dev/null || exit 4
T=`printf '\t'`; D=postgres; export T D
PGOPTIONS="-c timezone=UTC -c datestyle=ISO -c intervalstyle=iso_8601 -c extra_float_digits=0 -c bytea_output=hex -c xmlbinary=base64 -c search_path=pg_catalog"
PGCLIENTENCODING=UTF8; PGAPPNAME=planner; export PGOPTIONS PGCLIENTENCODING PGAPPNAME
q() { su -s /bin/sh postgres -c 'exec psql -X -A -t -q -w -F "$T" -v ON_ERROR_STOP=1 -d "$D"'; }
test "$(echo 'SELECT 1;' | q 2>/dev/null)" = 1 || exit 5
name=$(printf '%s' "$1" | sed "s/'/''/g")
test "$(echo "SELECT count(*) FROM pg_database WHERE datname = '$name';" | q)" = 1 || exit 6
D=$1
mine="n.nspname NOT IN ('pg_catalog','information_schema') AND n.nspname NOT LIKE 'pg!_t%' ESCAPE '!'"
own() { printf "NOT EXISTS (SELECT 1 FROM pg_depend x WHERE x.objid = %s AND x.deptype = 'e')" "$1"; }
hex() { printf "encode(convert_to(%s, 'UTF8'), 'hex')" "$1"; }
full="quote_ident(n.nspname) || '.' || quote_ident(c.relname)"
sums="coalesce(sum(('x' || substr(h, 1, 15))::bit(60)::bigint::numeric), 0), coalesce(sum(('x' || substr(h, 17, 15))::bit(60)::bigint::numeric), 0)"
note() { printf "SELECT 'definition', %s, %s, coalesce(md5(%s), '-'), 0" "$(hex "$1")" "$2" "$3"; }
table="FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
{
  # statements that the server writes for each table and sequence, dollar-quoted so that no quoting meets another
  { echo "SELECT \$s\$SELECT 'table', '\$s\$ || $(hex "$full") || \$s\$', count(*), $sums FROM (SELECT md5(t::text) AS h FROM ONLY \$s\$ || $full || ' t) rows_;'
      $table WHERE $mine AND (c.relkind = 'r' OR c.relkind = 'm' AND c.relispopulated) ORDER BY 1;"
    echo "SELECT \$s\$SELECT 'definition', '\$s\$ || $(hex "'sequence ' || $full") || \$s\$', 1, last_value, CASE WHEN is_called THEN 1 ELSE 0 END FROM \$s\$ || $full || ';'
      $table WHERE $mine AND c.relkind = 'S' ORDER BY 1;"
  } | q || echo "SELECT 1/0;"
  echo "$(note "'columns of ' || $full" "count(*)" "string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull || coalesce(' ' || o.collname, ''), ',' ORDER BY a.attnum)")
    $table JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_collation o ON o.oid = a.attcollation AND a.attcollation <> t.typcollation
    WHERE $mine AND c.relkind IN ('r', 'm', 'v', 'p') GROUP BY n.nspname, c.relname ORDER BY 2;"
  grants="SELECT pg_get_userbyid(c.relowner)::text AS g UNION ALL SELECT CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE pg_get_userbyid(x.grantee)::text END || ' ' || x.privilege_type
    FROM aclexplode(coalesce(c.relacl, acldefault(CASE WHEN c.relkind = 'S' THEN 's' ELSE 'r' END::\"char\", c.relowner))) x WHERE x.privilege_type <> 'MAINTAIN'"
  echo "$(note "'owner and grants of ' || $full" 1 "(SELECT string_agg(g, ',' ORDER BY g) FROM ($grants) every)")
    $table WHERE $mine AND c.relkind IN ('r', 'm', 'v', 'p', 'S') AND $(own c.oid) ORDER BY 2;"
  echo "$(note "'index ' || $full" 1 "pg_get_indexdef(c.oid)") $table WHERE $mine AND c.relkind = 'i' ORDER BY 2;"
  echo "$(note "'constraint ' || o.conname || ' on ' || $full" 1 "o.contype::text") $table JOIN pg_constraint o ON o.conrelid = c.oid WHERE $mine AND o.contype <> 'n' ORDER BY 2;"
  echo "$(note "'trigger ' || g.tgname || ' on ' || $full" 1 "g.tgenabled::text || pg_get_triggerdef(g.oid)")
    $table JOIN pg_trigger g ON g.tgrelid = c.oid WHERE $mine AND NOT g.tgisinternal ORDER BY 2;"
  echo "$(note "'function ' || p.oid::regprocedure::text" 1 "p.prosrc") FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE $mine AND $(own p.oid) ORDER BY 2;"
  echo "$(note "'extension ' || extname" 1 "'present'") FROM pg_extension ORDER BY 2;"
  echo "SELECT 'definition', $(hex "'large objects'"), count(*), $sums FROM (SELECT md5(lo_get(oid)) AS h FROM pg_largeobject_metadata) every;"
} | q || exit 7
echo "end"
"""
"""Rows count as their text with settings fixed (times as UTC, floats to 15 digits), as two sums over halves of each row's MD5, which no order
of rows changes; beside tables: columns with the collations they were given, owners and grants, indexes, constraints, triggers, functions, extensions, sequences with where they
stand, large objects.  Reads only, as the server's own account.  Exit status as that of `contents.ROWS_SCRIPT`."""
