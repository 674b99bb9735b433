"""SQLite files in docroots and in the data folders beside them: told by their first bytes, read as plain files, never opened by SQLite.

Opening one in WAL mode would write a `-shm` file beside it, so only its header (100 bytes, https://www.sqlite.org/fileformat.html) is read.
Out: `database` {server "sqlite", product, name and path (its path), bytes, page_size, pages, charset, wal (write-ahead log in use), schema_version
(how often its tables were changed), user_version, application_id, written_by (the version of SQLite), beside {"-wal": bytes: what is not yet in the file itself}, in_docroot (can
be fetched unless the web server forbids it), owner, mode, last_write}.  `unknown` for what was not looked at.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from inventory.probes.base import Block, Observation, Probe, Section, blocks, unknown
from inventory.probes.docroots import DOCROOTS
from inventory.probes.fragments import SHOW, number

SCRIPT = (
    SHOW
    + DOCROOTS
    + r"""
started=`date +%s`
places() { # a docroot and the usual data folders beside it, and the files of the folder above
  docroots | while IFS= read -r d; do
    printf '0 %s\n' "$d"
    up=${d%/*}; case $up in ''|/var|/srv|/home|/usr*|/opt) continue ;; esac
    printf '1 %s\n' "$up"
    for s in data db database databases var storage instance shared sqlite; do
      if test -d "$up/$s" && ! on_network "$up/$s"; then printf '0 %s\n' "$up/$s"; fi
    done
  done | sort -u
}
docroots_remote | while IFS= read -r d; do printf '@ left lies on a network filesystem (%s): not searched\n|%s\n' "${d%% *}" "${d#* }"; done
roots=`docroots`
places | while read -r flat d; do
  left=$((40 + started - `date +%s`)); test "$left" -le 15 || left=15
  if test "$left" -lt 1; then printf 'left %s\n' "$d"; continue; fi
  if test "$flat" = 1; then # names alone are read, nothing else in there is asked after
    for f in "$d"/*.sqlite* "$d"/*.db "$d"/*.db3 "$d"/*.s3db; do case $f in *"$NL"*) ;; *) if ! on_network "$f" && test -f "$f"; then printf '%s\n' "$f"; fi ;; esac; done
    continue
  fi
  local_find "$left" "$d" -name "*$NL*" -prune -o -type f -size +1 '(' -name '*.sqlite*' -o -name '*.db' -o -name '*.db3' -o -name '*.s3db' -o -name '*.sl3' -o -name '*.sdb' ')' -print
  s=$?; if test "$s" = 124 || test "$s" = 137; then printf 'left %s\n' "$d"; fi
done | sort -u | head -n 500 | while IFS= read -r f; do
  case $f in
    'left '*) printf '@ left not searched to its end: the time for this section was used up\n|%s\n' "${f#left }"; continue ;;
  esac
  if ! test -r "$f"; then mark unreadable "$f"; continue; fi
  test "`dd if="$f" bs=15 count=1 2>/dev/null | tr -d '\000'`" = 'SQLite format 3' || continue
  mark sqlite "$f"
  printf '|header %s\n' "`dd if="$f" bs=100 count=1 2>/dev/null | od -An -v -tx1 | tr -d ' \n'`"
  printf '|stat %s\n' "`stat -c '%s %Y %U %a' "$f" 2>/dev/null || ls -ln "$f" | awk '{ print $5 }'`"
  for e in -wal -journal -shm; do if test -e "$f$e"; then printf '|beside %s %s\n' "$e" "`ls -ln "$f$e" | awk '{ print $5 }'`"; fi; done
  printf '%s\n' "$roots" | while IFS= read -r d; do case $f in "$d"/*) printf '|root %s\n' "$d" ;; esac; done
done
"""
)
_ENCODINGS = {1: "UTF-8", 2: "UTF-16le", 3: "UTF-16be"}


def parse(section: Section) -> list[Observation]:
    """`database` per file, `unknown`."""
    found: list[Observation] = []
    for block in blocks(section.text):
        if block.tag == "unknown":
            found.append(unknown(block))
        elif block.tag == "unreadable":
            found.append(Observation("unknown", {"what": f"sqlite:{block.value}", "why": "unreadable"}, block.line))
        elif block.tag == "left":
            found += [Observation("unknown", {"what": f"sqlite:{path}", "why": block.value}, block.line) for path in block.lines]
        elif block.tag == "sqlite":
            found.append(_file(block))
    return found


def _file(block: Block) -> Observation:
    data: dict[str, Any] = {
        "server": "sqlite",
        "product": "SQLite",
        "name": block.value,
        "path": block.value,
        "beside": {},
        "in_docroot": False,
    }
    for line in block.lines:
        word, _, rest = line.partition(" ")
        cells = rest.split()
        if word == "header":
            data |= header(rest)
        elif word == "stat" and cells and (size := number(cells[0])) is not None:
            data["bytes"] = size
            if len(cells) == 4:
                data |= {"owner": cells[2], "mode": cells[3], "last_write": _when(number(cells[1]) or 0)}
        elif word == "beside" and len(cells) == 2:
            data["beside"][cells[0]] = number(cells[1])
        elif word == "root":
            data["in_docroot"] = True
    return Observation("database", data, block.line)


def _when(seconds: int) -> str | None:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return None


def header(text: str) -> dict[str, Any]:
    """The database header as hex → its fields; {} when it is none."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        return {}
    if len(raw) < 100 or not raw.startswith(b"SQLite format 3\0"):
        return {}

    def at(start: int, size: int = 4) -> int:
        return int.from_bytes(raw[start : start + size], "big")

    size, version = at(16, 2), at(96)
    return {
        "page_size": 65536 if size == 1 else size, "pages": at(28), "charset": _ENCODINGS.get(at(56)), "wal": raw[18] == 2,
        "schema_version": at(40), "user_version": at(60), "application_id": at(68),
        "written_by": f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}" if version else None,
    }  # fmt: skip


PROBE = Probe("sqlite", SCRIPT, parse, seconds=60, max_bytes=1_000_000)
