"""What lies behind a site, compared: files by checksum and tables by row count and digest.  Pure.

In: the text that `CHECKSUM_SCRIPT` prints for a directory on each side, and {table: (rows, digest)} of each side.
Out: what is missing, extra or different, with a verdict that is never "equal" when nothing could be compared.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from planner import ownership, thresholds
from planner.thresholds import Severity, Thresholds

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
  { stat -c "s %s %u:%g:%a %n" -- "$@"; sha256sum -- "$@" | sed "s/^/h /"; } 2>/dev/null | awk "
    /^s / { rest = substr(\$0, 3); at = index(rest, \" \"); at += index(substr(rest, at + 1), \" \"); name = substr(rest, at + 1)
            size[name] = substr(rest, 1, at - 1); order[++n] = name; next }
    /^h / { hash[substr(\$0, 69)] = substr(\$0, 3, 64) }
    END { for (i = 1; i <= n; i++) { name = order[i]
            print (name in hash ? \"f \" hash[name] : \"? -\"), size[name], substr(name, 3) } }"
' sh {} + || rc=1
find . -xdev -type d ! -name . ! -path "$odd" -exec sh -c '
  stat -c "d - 0 %u:%g:%a %n" -- "$@" 2>/dev/null | sed "s,^\(d - 0 [0-9:]*\) \./,\1 ,"
' sh {} + || rc=1
# All other names, and the symbolic links, one by one; "/" guards a newline at the end of a name.
find . -xdev \( -type l -o \( -type f -o -type d \) -path "$odd" \) -exec sh -c '
  escape() { sed -e ":a" -e "\$!{" -e "N" -e "ba" -e "}" \
    -e "s/\\\\/\\\\\\\\/g" -e "s/\\n/\\\\n/g" -e "s/$cr/\\\\r/g" -e "s,/\$,,"; }
  cr=$(printf "\r")
  for f in "$@"; do
    name=$(printf "%s/" "${f#./}" | escape)
    if [ -h "$f" ]; then
      target=$({ readlink "$f" | sed -e "\$s,\$,/,"; } | escape | sed "s/ /\\\\s/g")
      printf "l %s 0 - %s\n" "$target" "$name"
      continue
    fi
    owner=$(stat -c "%u:%g:%a" -- "$f" 2>/dev/null) || owner=-
    if [ -d "$f" ]; then printf "d - 0 %s %s\n" "$owner" "$name"; continue; fi
    size=$(wc -c <"$f" | tr -d " ")
    if hash=$(sha256sum 2>/dev/null <"$f"); then printf "f %s %s %s %s\n" "${hash%% *}" "$size" "$owner" "$name"
    else printf "? - %s %s %s\n" "${size:-0}" "$owner" "$name"; fi
  done
' sh {} + || rc=1
exit $rc
"""
"""POSIX sh for GNU coreutils and busybox; `$1` is the directory.  Stays on its filesystem and follows no link.

Prints a line `<type> <sha256 or target> <size> <owner:group:mode> <path>` per regular file (`f`), symbolic link (`l`), directory
below (`d`) and unreadable file (`?`); owner and group as numbers, `-` where they are not told.  In paths and targets a newline, return or backslash is written `\\n`, `\\r`, `\\\\`; in targets a space is
`\\s`.
Exit status: 0 all listed, 1 some directory could not be read, 2 no such directory, 3 no sha256sum.
"""

_LINE = re.compile(r"(?:(f) ([0-9a-f]{64})|(l) ([^ ]*)|([?d]) -) ([0-9]{1,18}) (?:([0-9]+:[0-9]+):([0-7]{1,5})|-) (.+)", re.S)
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
q "SELECT 'listed',HEX(CONCAT('definition of table ',TABLE_NAME)),COUNT(*),HEX(GROUP_CONCAT(CONCAT_WS(' ',COLUMN_NAME,COLUMN_TYPE,IFNULL(CHARACTER_SET_NAME,'-')) ORDER BY ORDINAL_POSITION SEPARATOR '\n')),0 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=$name GROUP BY TABLE_NAME
 UNION ALL SELECT 'listed',HEX(CONCAT('collation of ',TABLE_NAME)),1,HEX(GROUP_CONCAT(CONCAT(COLUMN_NAME,'=',COLLATION_NAME) ORDER BY ORDINAL_POSITION SEPARATOR '\n')),0 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=$name AND COLLATION_NAME IS NOT NULL AND TABLE_NAME IN (SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA=$name AND TABLE_TYPE='BASE TABLE') GROUP BY TABLE_NAME
 UNION ALL SELECT 'listed',HEX(CONCAT('indexes of ',TABLE_NAME)),1,HEX(GROUP_CONCAT(CONCAT_WS(' ',IF(NON_UNIQUE,'index','unique'),INDEX_NAME,SEQ_IN_INDEX,IFNULL(COLUMN_NAME,'-'),IFNULL(SUB_PART,'')) ORDER BY INDEX_NAME,SEQ_IN_INDEX SEPARATOR '\n')),0 FROM information_schema.STATISTICS WHERE TABLE_SCHEMA=$name GROUP BY TABLE_NAME
 UNION ALL SELECT 'definition',HEX(CONCAT('trigger ',TRIGGER_NAME)),1,MD5(ACTION_STATEMENT),0 FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA=$name
 UNION ALL SELECT 'definition',HEX(CONCAT('routine ',ROUTINE_NAME)),1,MD5(ROUTINE_DEFINITION),0 FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA=$name
 UNION ALL SELECT 'definition',HEX(CONCAT('event ',EVENT_NAME)),1,MD5(EVENT_DEFINITION),0 FROM information_schema.EVENTS WHERE EVENT_SCHEMA=$name
 UNION ALL SELECT 'definition',HEX(CONCAT('view ',TABLE_NAME)),1,'present',0 FROM information_schema.VIEWS WHERE TABLE_SCHEMA=$name" || exit 7
echo "end"
"""
"""`$1` is the schema.  Per table its rows and two sums over halves of each row's MD5, which no order of rows changes, its columns, collations and indexes; per view,
trigger, routine and event that it is there and its text.  Strings count as the bytes that are stored; times as UTC.  Reads only."""


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
        if cells[0] == "listed":
            found[name] = (int(cells[2]), _plain(bytes.fromhex(cells[3]).decode("utf-8", "replace")) if cells[3] != "NULL" else None)
            continue
        found[name if cells[0] == "table" else f"definition of {name}"] = (int(cells[2]), f"{cells[3]}-{cells[4]}")
    return found


_SEPARATOR = "\n"
_LISTED = ("definition of table ", "collation of ", "indexes of ")


def _plain(text: str) -> str:
    """A list of columns or collations as every server would write it: widths of integers and the two names of three-byte UTF-8 mean nothing."""
    text = re.sub(r"\b((?:tiny|small|medium|big)?int|year)\([0-9]+\)", r"\1", text)
    text = re.sub(r"(?<![A-Za-z0-9_])utf8mb3(?![A-Za-z0-9])", "utf8", text)
    return re.sub(r" json -$", " longtext utf8mb4", text, flags=re.M)  # MariaDB keeps JSON as text


@dataclass(frozen=True)
class Entry:
    """A file (`f`, value: its SHA-256), a symbolic link (`l`, its target), a directory (`d`) or an unreadable one (`?`); size in bytes.

    `owner` is `uid:gid`, `mode` octal; both "" where they are not known.
    """

    type: str
    value: str
    size: int
    owner: str = ""
    mode: str = ""


@dataclass(frozen=True)
class Checksums:
    """`entries` by path; `malformed` counts lines that do not have the format: more than 0 means a damaged listing."""

    entries: Mapping[str, Entry]
    malformed: int


@dataclass(frozen=True)
class ContentDifference:
    """`kind` is missing, extra, type, size, content, link, owner, mode, rows, collation or unreadable; values are as text."""

    name: str
    kind: str
    source: str = ""
    destination: str = ""
    severity: Severity = "block"


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
        path = _unescape(found[9]) if found else ""
        if not found or path in entries:
            malformed += 1
            continue
        kind = found[1] or found[3] or found[5]
        entries[path] = Entry(
            kind, found[2] or _unescape(found[4] or ""), int(found[6]), found[7] or "", (found[8] or "").zfill(4) if found[8] else ""
        )
    return Checksums(entries, malformed)


def _unescape(text: str) -> str:
    return re.sub(r"\\([nrs\\])", lambda m: _ESCAPES[m[1]], text)


def compare_files(
    source: Mapping[str, Entry], destination: Mapping[str, Entry], ignore: Sequence[str] = (), rules: Thresholds | None = None
) -> FilesComparison:
    """Compares two listings.  `ignore`: shell globs over the whole relative path, where `*` also matches `/`.

    An empty directory counts like a file.  Owners may be others, if they are so throughout: see planner/ownership.py.
    """
    globs = [re.compile(fnmatch.translate(glob)) for glob in ignore]
    every = sorted(source.keys() | destination.keys())
    ignored = tuple(path for path in every if any(glob.match(path) for glob in globs))
    left = [path for path in every if path not in set(ignored)] if ignored else every
    differences: list[ContentDifference] = []
    unknown: list[ContentDifference] = []
    both: list[str] = []
    full = {posixpath.dirname(path) for path in every}
    for path in left:
        ours, theirs = source.get(path), destination.get(path)
        if ours is None or theirs is None:
            if (ours or theirs or _NOTHING).type == "d" and path in full:
                continue  # what it holds is told
            kind = "extra" if ours is None else "missing"
            differences.append(ContentDifference(path, kind, _shown(ours), _shown(theirs)))
            continue
        if "?" in (ours.type, theirs.type):
            unknown.append(ContentDifference(path, "unreadable", _shown(ours), _shown(theirs)))
            continue
        both.append(path)
        if ours.type != theirs.type:
            differences.append(ContentDifference(path, "type", _shown(ours), _shown(theirs)))
        elif ours.type == "l":
            if ours.value != theirs.value:
                differences.append(ContentDifference(path, "link", ours.value, theirs.value))
        elif ours.size != theirs.size:
            differences.append(ContentDifference(path, "size", str(ours.size), str(theirs.size)))
        elif ours.value != theirs.value:
            differences.append(ContentDifference(path, "content", ours.value, theirs.value))
    told = [(path, source[path], destination[path]) for path in both if source[path].owner and destination[path].owner]
    owners = ownership.astray([(path, ours.owner, theirs.owner) for path, ours, theirs in told])
    differences += [
        ContentDifference(path, "owner", f"uid:gid {was}", f"uid:gid {now}, others of that owner {usual}")
        for path, was, now, usual in owners
    ]
    modes = ownership.astray([(path, f"{ours.type} {ours.mode}", f"{theirs.type} {theirs.mode}") for path, ours, theirs in told])
    differences += [
        ContentDifference(path, "mode", was[2:], f"{now[2:]}, others of that mode {usual[2:]}") for path, was, now, usual in modes
    ]
    found = weighed("files", sorted(differences, key=lambda one: one.name), rules)
    compared = sum(1 for path in both if source[path].type != "d")
    verdict, reason = _verdict(found, unknown, compared, "file")
    return FilesComparison(verdict, reason, compared, found, tuple(unknown), ignored)


def weighed(table: str, found: Sequence[ContentDifference], rules: Thresholds | None) -> tuple[ContentDifference, ...]:
    """Each with its weight; what was found to be by design stays so."""
    rules = rules or thresholds.shipped()
    return tuple(one if one.severity == "design" else replace(one, severity=rules.severity(table, one.kind)) for one in found)


def compare_rows(
    source: Mapping[str, tuple[int, str | None]], destination: Mapping[str, tuple[int, str | None]], rules: Thresholds | None = None
) -> RowsComparison:
    """Compares {table: (row count, digest)}; a digest of None or "" is unknown, then only the count can differ."""
    rules = rules or thresholds.shipped()
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
            differences.append(_differing(table, ours, theirs, rules))
        compared += 1
    found = weighed("rows", differences, rules)
    verdict, reason = _verdict(found, unknown, compared, "table")
    return RowsComparison(verdict, reason, compared, found, tuple(unknown))


def _differing(table: str, ours: str, theirs: str, rules: Thresholds) -> ContentDifference:
    """Of columns, indexes and collations only what differs in them; a collation that the copy had to replace differs by design."""
    if not table.startswith(_LISTED):
        return ContentDifference(table, "content", ours, theirs)
    was, now = (
        [item for item in one.split(_SEPARATOR) if item not in other.split(_SEPARATOR)] for one, other in ((ours, theirs), (theirs, ours))
    )
    shown = "; ".join(was), "; ".join(now)
    if not table.startswith("collation "):
        return ContentDifference(table, "content", *shown)
    old, new = (dict(item.rpartition("=")[::2] for item in one) for one in (was, now))
    meant = all(new.get(column, "-") in rules.collations.get(old.get(column, "-"), ()) for column in old.keys() | new.keys())
    return ContentDifference(table, "collation", *shown, severity="design" if meant else "block")


_NOTHING = Entry("", "", 0)


def _shown(entry: Entry | None) -> str:
    return f"{entry.type} {entry.value or '-'} {entry.size}" if entry else ""


def _verdict(
    differences: Sequence[ContentDifference], unknown: Sequence[ContentDifference], compared: int, noun: str
) -> tuple[Verdict, str]:
    blocking = len({one.name for one in differences if one.severity == "block"})
    if blocking:
        return "different", f"{blocking} {noun}s differ"
    if unknown:
        return "insufficient", f"{len(unknown)} {noun}s could not be read"
    if not compared:
        return "insufficient", f"no {noun} was compared"
    return "equal", f"{compared} {noun}s are equal"
