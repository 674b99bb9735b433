"""Web applications that a package brought: which of their files were changed or are gone, and which nobody's package put there.

In: dpkg's lists of files and of their MD5 sums, and one `find` for each such tree.  Out: `package_tree`, with counts and the first 20
paths of each sort.  A changed file in a packaged application is an edit that the next upgrade undoes, or a break-in.
"""

from __future__ import annotations

from typing import Any

from inventory.probes.base import Block, Observation, Probe, Section, blocks, unknown
from inventory.probes.docroots import DOCROOTS
from inventory.probes.fragments import SHOW, number

SCRIPT = (
    SHOW
    + DOCROOTS
    + r"""
i=/var/lib/dpkg/info
if test ! -d $i; then exit 0; fi
if test ! -r $i; then mark unknown "package_trees $i unreadable"; exit 0; fi
begun=`date +%s`
roots=`{ grep -hE '  (usr/share|usr/lib|usr/lib/cgi-bin|var/lib|var/www|srv|opt)/[^/]+/((htdocs|html|www|web|public|public_html)/)?index\.php$' \
    $i/*.md5sums 2>/dev/null | awk '{ sub(/^[0-9a-f]+  /, "/"); sub(/\/index\.php$/, ""); print }'
  docroots; } | sort -u | awk 'NR <= 5000 { d = $0; while (match(d, /\/[^\/]*$/) && RSTART > 1) { d = substr(d, 1, RSTART - 1); if (d in root) next } root[$0] = 1; print }'`
if test -z "$roots"; then exit 0; fi
# the roots travel in front of the lists, on one stream: -v would read backslashes in a name as escapes
owned() { { printf '%s\n' "$roots"; echo; find $i -name '*.list' -type f -exec awk '{ print FILENAME "\t" $0 }' {} +; } 2>/dev/null | awk -F '\t' '
  !rest { if ($0 == "") rest = 1; else if (substr($0, 1, 1) == "/") { root[++n] = $0; number[$0] = n } next }
  $2 ~ /^\/(usr|var|srv|opt|home|www|data)\/./ {
    d = $2
    while (match(d, /\/[^\/]*$/) && RSTART > 1) {
      d = substr(d, 1, RSTART - 1)
      if (!(d in number)) continue
      k = number[d]; p = $1; sub(/^.*\//, "", p); sub(/(:[^:]*)?\.list$/, "", p); count[k]++
      if (!((k, p) in seen)) { seen[k, p] = 1; names[k] = names[k] " " p }
      break
    } }
  END { for (k = 1; k <= n; k++) if (count[k] >= 5) print names[k] "\t" root[k] }'; }
owned | awk 'NR <= 10' | while IFS= read -r line; do
  t=`printf '\t'`
  names=${line%%"$t"*}; root=${line#*"$t"}
  if test $((`date +%s` - begun)) -gt 25; then mark unknown "package_tree $root no time left"; continue; fi
  mark tree "$root"
  printf '|packages%s\n' "$names"
  sums() { for p in $names; do for f in $i/$p.md5sums $i/$p:*.md5sums; do if test -r "$f"; then cat "$f"; fi; done; done |
    ROOT=$root awk '{ p = $0; sub(/^[0-9a-f]+  /, "/", p) } index(p, ENVIRON["ROOT"] "/") == 1 && ++n <= 40000'; }
  # one stream, a letter before each line: S summed, L listed, F found, M not as summed (busybox calls a missing file changed)
  { sums | awk '{ sub(/^[0-9a-f]+  /, "/"); print "S" $0 }'
    for p in $names; do for f in $i/$p.list $i/$p:*.list; do if test -r "$f"; then awk '{ print "L" $0 }' "$f"; fi; done; done
    find "$root" -xdev ! -type d -print 2>/dev/null | awk 'NR <= 200000 { print "F" $0 }'
    (cd / && sums | limit 15 md5sum -c - 2>/dev/null; if test $? = 124; then echo late; fi) | awk '!/: OK$/ { print $0 == "late" ? "T" : "M" $0 }'; } | awk '
      { k = substr($0, 1, 1); p = substr($0, 2) }
      k == "S" { sum[++sums] = p }
      k == "L" { own[p] = 1 }
      k == "F" { found++; there[p] = 1; if (!(p in own) && unowned++ < 20) print "|unowned " p }
      k == "T" { print "|late" }
      k == "M" && sub(/: FAILED.*$/, "", p) { p = "/" p; if (p in there && changed++ < 20) print "|changed " p }
      END {
        if (found >= 200000) print "|late"
        for (j = 1; j <= sums; j++) if (!(sum[j] in there) && missing++ < 20) print "|missing " sum[j]
        print "|listed " sums + 0; print "|count changed " changed + 0; print "|count missing " missing + 0; print "|count unowned " unowned + 0
      }'
done
"""
)

_SORTS = ("changed", "missing", "unowned")


def parse(section: Section) -> list[Observation]:
    """`package_tree` {root, packages, files, changed, missing, unowned: counts or None, *_paths: at most 20 each}."""
    found: list[Observation] = []
    for block in blocks(section.text):
        if block.tag == "unknown":
            found.append(unknown(block))
        elif block.tag == "tree" and block.value:
            found.extend(_tree(block))
    return found


def _tree(block: Block) -> list[Observation]:
    data: dict[str, Any] = {"root": block.value, "packages": [], "files": None, **dict.fromkeys(_SORTS)}
    paths: dict[str, list[str]] = {sort: [] for sort in _SORTS}
    late = False
    for line in block.lines:
        word, _, rest = line.partition(" ")
        if word == "packages":
            data["packages"] = sorted(rest.split())
        elif word == "listed":
            data["files"] = number(rest)
        elif word == "late":
            late = True
        elif word == "count":
            sort, _, count = rest.partition(" ")
            if sort in paths:
                data[sort] = number(count)
        elif word in paths and rest:
            paths[word].append(rest)
    if late:
        data |= {"changed": None, "missing": None}
    found = [Observation("package_tree", data | {f"{sort}_paths": paths[sort] for sort in _SORTS}, block.line)]
    if late:
        why = "its files were not all summed in time"
        found.append(Observation("unknown", {"what": f"package_tree {block.value}", "why": why}, block.line))
    return found


PROBE = Probe("packagetrees", SCRIPT, parse, seconds=90, max_bytes=500_000)
