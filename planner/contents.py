"""What lies behind a site, compared: files by checksum and tables by row count and digest.  Pure.

In: the text that `CHECKSUM_SCRIPT` prints for a directory on each side, and {table: (rows, digest)} of each side.
Out: what is missing, extra or different, with a verdict that is never "equal" when nothing could be compared.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["equal", "different", "insufficient"]

CHECKSUM_SCRIPT = r"""
command -v sha256sum >/dev/null || { echo 'sha256sum is missing' >&2; exit 3; }
LC_ALL=C; export LC_ALL
CDPATH= cd -- "$1" || exit 2
cr=$(printf '\r')
nl='
'
odd="*[\\\\$nl$cr]*"
rc=0
# Names without newline, return or backslash, in batches: sizes first, then hashes, joined by name, so that a file that
# cannot be read shows as unreadable and shifts nothing.
find . -xdev -type f ! -path "$odd" -exec sh -c '
  { stat -c "s %s %n" -- "$@"; sha256sum -- "$@" | sed "s/^/h /"; } 2>/dev/null | awk "
    /^s / { rest = substr(\$0, 3); at = index(rest, \" \"); name = substr(rest, at + 1)
            size[name] = substr(rest, 1, at - 1); order[++n] = name; next }
    /^h / { hash[substr(\$0, 69)] = substr(\$0, 3, 64) }
    END { for (i = 1; i <= n; i++) { name = order[i]
            print (name in hash ? \"f \" hash[name] : \"? -\"), size[name], substr(name, 3) } }"
' sh {} + || rc=1
# All other names, and the symbolic links, one by one; "/" guards a newline at the end of a name.
find . -xdev \( -type l -o -type f -path "$odd" \) -exec sh -c '
  escape() { sed -e ":a" -e "\$!{" -e "N" -e "ba" -e "}" \
    -e "s/\\\\/\\\\\\\\/g" -e "s/\\n/\\\\n/g" -e "s/$cr/\\\\r/g" -e "s,/\$,,"; }
  cr=$(printf "\r")
  for f in "$@"; do
    name=$(printf "%s/" "${f#./}" | escape)
    if [ -h "$f" ]; then
      target=$({ readlink "$f" | sed -e "\$s,\$,/,"; } | escape | sed "s/ /\\\\s/g")
      printf "l %s 0 %s\n" "$target" "$name"
    else
      size=$(wc -c <"$f" | tr -d " ")
      if hash=$(sha256sum 2>/dev/null <"$f"); then printf "f %s %s %s\n" "${hash%% *}" "$size" "$name"
      else printf "? - %s %s\n" "${size:-0}" "$name"; fi
    fi
  done
' sh {} + || rc=1
exit $rc
"""
"""POSIX sh for GNU coreutils and busybox; `$1` is the directory.  Stays on its filesystem and follows no link.

Prints a line `<type> <sha256 or target> <size> <path>` per regular file (`f`), symbolic link (`l`) and unreadable file
(`?`).  In paths and targets a newline, return or backslash is written `\\n`, `\\r`, `\\\\`; in targets a space is
`\\s`.
Exit status: 0 all listed, 1 some directory could not be read, 2 no such directory, 3 no sha256sum.
"""

_LINE = re.compile(r"(?:(f) ([0-9a-f]{64})|(l) ([^ ]*)|(\?) -) ([0-9]{1,18}) (.+)", re.S)
_ESCAPES = {"n": "\n", "r": "\r", "s": " ", "\\": "\\"}


Rows = dict[str, tuple[int, str | None]]
"""Table, or `definition of KIND NAME`: rows and digest."""

ROWS_SCRIPT = r"""
LC_ALL=C; export LC_ALL
c=$(command -v mariadb || command -v mysql) || exit 4
o=; ok=
for try in "" --defaults-file=/root/.my.cnf --defaults-file=/etc/mysql/debian.cnf; do
  case "$try" in --defaults-file=*) test -r "${try#*=}" || continue;; esac
  o=$try; "$c" $o -e "SELECT 1" </dev/null >/dev/null 2>&1 && { ok=1; break; }
done
test -n "$ok" || exit 5
set_up="SET SESSION group_concat_max_len=16000000, time_zone='+00:00', sql_mode=''"
q() { "$c" $o --batch --raw --skip-column-names --default-character-set=utf8 -e "$set_up; $1" </dev/null; }
name="CONVERT(X'$(printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n')' USING utf8)"
test "$(q "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME=$name")" = 1 || exit 6
bytes="'char','varchar','tinytext','text','mediumtext','longtext','enum','set','json','binary','varbinary','tinyblob','blob','mediumblob','longblob','geometry'"
{ echo "$set_up;"
  q "SELECT CONCAT('SELECT ''table'',''',HEX(t.TABLE_NAME),''',COUNT(*),COALESCE(SUM(CAST(CONV(SUBSTRING(h,1,15),16,10) AS UNSIGNED)),0),COALESCE(SUM(CAST(CONV(SUBSTRING(h,17,15),16,10) AS UNSIGNED)),0) FROM (SELECT MD5(CONCAT_WS('','',',
     GROUP_CONCAT(CASE WHEN DATA_TYPE IN ($bytes) THEN CONCAT('IFNULL(MD5(\`',REPLACE(COLUMN_NAME,'\`','\`\`'),'\`),''N'')')
       WHEN DATA_TYPE='bit' THEN CONCAT('IFNULL(HEX(\`',REPLACE(COLUMN_NAME,'\`','\`\`'),'\`),''N'')')
       ELSE CONCAT('IFNULL(MD5(CAST(\`',REPLACE(COLUMN_NAME,'\`','\`\`'),'\` AS CHAR)),''N'')') END ORDER BY ORDINAL_POSITION),
     ')) AS h FROM \`',REPLACE(t.TABLE_SCHEMA,'\`','\`\`'),'\`.\`',REPLACE(t.TABLE_NAME,'\`','\`\`'),'\`) x;')
     FROM information_schema.TABLES t JOIN information_schema.COLUMNS c ON c.TABLE_SCHEMA=t.TABLE_SCHEMA AND c.TABLE_NAME=t.TABLE_NAME
     WHERE t.TABLE_SCHEMA=$name AND t.TABLE_TYPE='BASE TABLE' GROUP BY t.TABLE_SCHEMA,t.TABLE_NAME"
} | "$c" $o --batch --raw --skip-column-names --default-character-set=utf8 || exit 7
q "SELECT 'definition',HEX(CONCAT('table ',TABLE_NAME)),COUNT(*),MD5(GROUP_CONCAT(CONCAT_WS(',',COLUMN_NAME,COLUMN_TYPE,IFNULL(CHARACTER_SET_NAME,'-')) ORDER BY ORDINAL_POSITION)),0 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=$name GROUP BY TABLE_NAME
 UNION ALL SELECT 'definition',HEX(CONCAT('trigger ',TRIGGER_NAME)),1,MD5(ACTION_STATEMENT),0 FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA=$name
 UNION ALL SELECT 'definition',HEX(CONCAT('routine ',ROUTINE_NAME)),1,MD5(ROUTINE_DEFINITION),0 FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA=$name
 UNION ALL SELECT 'definition',HEX(CONCAT('event ',EVENT_NAME)),1,MD5(EVENT_DEFINITION),0 FROM information_schema.EVENTS WHERE EVENT_SCHEMA=$name
 UNION ALL SELECT 'definition',HEX(CONCAT('view ',TABLE_NAME)),1,'present',0 FROM information_schema.VIEWS WHERE TABLE_SCHEMA=$name" || exit 7
echo "end"
"""
"""`$1` is the schema.  Per table its rows and two sums over halves of each row's MD5, which no order of rows changes; per view, trigger,
routine and event that it is there and its text.  Strings count as the bytes that are stored; times as UTC.  Reads only."""


def parse_rows(text: str) -> Rows:
    """What `ROWS_SCRIPT` prints: {table or "kind name": (rows, digest)}.  Raises ValueError when it is cut off or malformed."""
    *lines, last = text.rstrip("\n").split("\n")
    if last != "end":
        raise ValueError("the list of tables is cut off")
    found: Rows = {}
    for line in lines:
        cells = line.split("\t")
        if len(cells) != 5:
            raise ValueError(f"not a table's line: {line[:80]!r}")
        name = bytes.fromhex(cells[1]).decode("utf-8", "replace")
        found[name if cells[0] == "table" else f"definition of {name}"] = (int(cells[2]), f"{cells[3]}-{cells[4]}")
    return found


@dataclass(frozen=True)
class Entry:
    """A file (`f`, value: its SHA-256), a symbolic link (`l`, its target) or an unreadable one (`?`); size in bytes."""

    type: str
    value: str
    size: int


@dataclass(frozen=True)
class Checksums:
    """`entries` by path; `malformed` counts lines that do not have the format: more than 0 means a damaged listing."""

    entries: Mapping[str, Entry]
    malformed: int


@dataclass(frozen=True)
class ContentDifference:
    """`kind` is missing, extra, type, size, content, link, rows or unreadable; values are as text."""

    name: str
    kind: str
    source: str = ""
    destination: str = ""


@dataclass(frozen=True)
class FilesComparison:
    """`compared` counts the paths found on both sides; `ignored` the paths that a glob took out."""

    verdict: Verdict
    reason: str
    compared: int
    differences: tuple[ContentDifference, ...]
    not_compared: tuple[ContentDifference, ...]
    ignored: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON types; lists are sorted by name."""
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "compared": self.compared,
            "differences": [vars(d) for d in self.differences],
            "not_compared": [vars(d) for d in self.not_compared],
            "ignored": list(self.ignored),
        }


class RowsComparison(FilesComparison):
    """The same for tables: names are tables, kinds are missing, extra, rows, content, unreadable."""


def parse_checksums(text: str) -> Checksums:
    """Reads what `CHECKSUM_SCRIPT` prints; never raises.  Only a newline ends a line."""
    entries: dict[str, Entry] = {}
    malformed = 0
    for line in text.split("\n"):
        if not line:
            continue
        found = _LINE.fullmatch(line)
        path = _unescape(found[7]) if found else ""
        if not found or path in entries:
            malformed += 1
            continue
        kind = found[1] or found[3] or found[5]
        entries[path] = Entry(kind, found[2] or _unescape(found[4] or ""), int(found[6]))
    return Checksums(entries, malformed)


def _unescape(text: str) -> str:
    return re.sub(r"\\([nrs\\])", lambda m: _ESCAPES[m[1]], text)


def compare_files(source: Mapping[str, Entry], destination: Mapping[str, Entry], ignore: Sequence[str] = ()) -> FilesComparison:
    """Compares two listings.  `ignore`: shell globs over the whole relative path, where `*` also matches `/`."""
    globs = [re.compile(fnmatch.translate(glob)) for glob in ignore]
    every = sorted(source.keys() | destination.keys())
    ignored = tuple(path for path in every if any(glob.match(path) for glob in globs))
    left = [path for path in every if path not in set(ignored)] if ignored else every
    differences: list[ContentDifference] = []
    unknown: list[ContentDifference] = []
    for path in left:
        ours, theirs = source.get(path), destination.get(path)
        if ours is None:
            differences.append(ContentDifference(path, "extra", destination=_shown(theirs)))
        elif theirs is None:
            differences.append(ContentDifference(path, "missing", _shown(ours)))
        elif "?" in (ours.type, theirs.type):
            unknown.append(ContentDifference(path, "unreadable", _shown(ours), _shown(theirs)))
        elif ours.type != theirs.type:
            differences.append(ContentDifference(path, "type", _shown(ours), _shown(theirs)))
        elif ours.type == "l":
            if ours.value != theirs.value:
                differences.append(ContentDifference(path, "link", ours.value, theirs.value))
        elif ours.size != theirs.size:
            differences.append(ContentDifference(path, "size", str(ours.size), str(theirs.size)))
        elif ours.value != theirs.value:
            differences.append(ContentDifference(path, "content", ours.value, theirs.value))
    compared = sum(1 for path in left if path in source and path in destination) - len(unknown)
    verdict, reason = _verdict(differences, unknown, compared, "file")
    return FilesComparison(verdict, reason, compared, tuple(differences), tuple(unknown), ignored)


def compare_rows(source: Mapping[str, tuple[int, str | None]], destination: Mapping[str, tuple[int, str | None]]) -> RowsComparison:
    """Compares {table: (row count, digest)}; a digest of None or "" is unknown, then only the count can differ."""
    differences: list[ContentDifference] = []
    unknown: list[ContentDifference] = []
    compared = 0
    for table in sorted(source.keys() | destination.keys()):
        if table not in source:
            differences.append(ContentDifference(table, "extra", destination=str(destination[table][0])))
            continue
        if table not in destination:
            differences.append(ContentDifference(table, "missing", str(source[table][0])))
            continue
        (rows, ours), (their_rows, theirs) = source[table], destination[table]
        if rows != their_rows:
            differences.append(ContentDifference(table, "rows", str(rows), str(their_rows)))
        elif not ours or not theirs:
            unknown.append(ContentDifference(table, "unreadable", ours or "", theirs or ""))
            continue
        elif ours != theirs:
            differences.append(ContentDifference(table, "content", ours, theirs))
        compared += 1
    verdict, reason = _verdict(differences, unknown, compared, "table")
    return RowsComparison(verdict, reason, compared, tuple(differences), tuple(unknown))


def _shown(entry: Entry | None) -> str:
    return f"{entry.type} {entry.value or '-'} {entry.size}" if entry else ""


def _verdict(
    differences: Sequence[ContentDifference], unknown: Sequence[ContentDifference], compared: int, noun: str
) -> tuple[Verdict, str]:
    if differences:
        return "different", f"{len(differences)} {noun}s differ"
    if unknown:
        return "insufficient", f"{len(unknown)} {noun}s could not be read"
    if not compared:
        return "insufficient", f"no {noun} was compared"
    return "equal", f"{compared} {noun}s are equal"
