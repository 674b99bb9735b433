"""Web applications that a package brought: which of their files were changed or are gone, and which nobody's package put there.

In: the lists of files and digests that dpkg and rpm keep, and one `find` for each such tree.  Out: `package_tree`, with counts and the first 20
paths of each sort.  A changed file in a packaged application is an edit that the next upgrade undoes, or a break-in.
"""

from __future__ import annotations

from typing import Any

from inventory.probes.base import Block, Observation, Probe, Section, blocks, unknown
from inventory.probes.docroots import DOCROOTS
from inventory.probes.fragments import SHOW, number
from inventory.probes.rpmquery import RPM

SCRIPT = (
    SHOW
    + RPM
    + DOCROOTS
    + r"""
i=/var/lib/dpkg/info
begun=`date +%s`
base=`rpm_base`
if test ! -d $i && { test -z "$base" || ! have rpm; }; then exit 0; fi
if test -d $i && test ! -r $i; then mark unknown "package_trees $i unreadable"; fi
# PACKAGE<tab>DIGEST or -<tab>PATH
lists() {
  if test -d $i; then
    find $i -name '*.md5sums' -type f -exec awk 'FNR == 1 { n = FILENAME; sub(/^.*\//, "", n); sub(/(:[^:]*)?\.md5sums$/, "", n) }
      { d = $1; sub(/^[0-9a-f]+  /, ""); print n "\t" d "\t/" $0 }' {} +
    find $i -name '*.list' -type f -exec awk 'FNR == 1 { n = FILENAME; sub(/^.*\//, "", n); sub(/(:[^:]*)?\.list$/, "", n) } { print n "\t-\t" $0 }' {} +
  fi
  if test -n "$base" && have rpm; then rpm_query 20 "$base" '[%{=NAME}\t%{FILEMD5S}\t%{FILENAMES}\n]' || echo late; fi
}
# of all that is listed, what lies in a docroot, or in a folder with an index.php: ROOT in front
mine=`{ docroots; echo; lists; } 2>/dev/null | awk -F '\t' '
  !rest { if ($0 == "") rest = 1; else if ($0 ~ /^\/[^\/]+\/./ && $0 !~ /^\/(usr|var)\/[^\/]+$/) docroot[$0] = 1; next }
  $0 == "late" { late = 1; next }
  $3 ~ /^\/(usr\/share|var\/lib|var\/www|srv|opt|home|www|data)\/./ {
    if ($3 ~ /^\/usr\/share\/(doc|man|locale|info|icons|zoneinfo|fonts|perl|perl5|licenses|common-licenses|i18n|mime|help|gnome|themes|pixmaps)\//) next
    line[++n] = $0; p = $3
    if (p ~ /^\/(usr\/share|var\/lib|var\/www|srv|opt)\/[^\/]+\/((htdocs|html|www|web|public|public_html)\/)?index\.php$/) { sub(/\/index\.php$/, "", p); root[p] = 1 }
    for (d = $3; match(d, /\/[^\/]*$/) && RSTART > 1; ) { d = substr(d, 1, RSTART - 1); if (d in docroot && ++below[d] == 5) root[d] = 1 }
  }
  END {
    if (late) print "late"
    for (j = 1; j <= n; j++) {
      split(line[j], c, "\t"); top = ""
      for (d = c[3]; match(d, /\/[^\/]*$/) && RSTART > 1; ) { d = substr(d, 1, RSTART - 1); if (d in root) top = d }
      if (top != "" && ++kept[top] <= 60000) print top "\t" line[j]
    }
  }'`
case $mine in late*) mark unknown 'package_trees rpm did not list its files' ;; esac
roots() { printf '%s\n' "$mine" | awk -F '\t' 'NF < 4 { next } !($1 in names) { order[++n] = $1 } !(($1, $2) in seen) { seen[$1, $2] = 1; names[$1] = names[$1] " " $2 }
  END { for (k = 1; k <= n; k++) print order[k] "\t" names[order[k]] }' | sort | awk 'NR <= 10'; }
summed() { own | awk -F '\t' -v length_of="$2" 'length($3) == length_of && $3 ~ /^[0-9a-f]+$/ { print $3 "  " $4 }' | { limit 15 "$1" -c - 2>/dev/null; if test $? = 124; then echo late; fi; } |
  awk '!/: OK$/ { print $0 == "late" ? "T" : "M" $0 }'; }
roots | while IFS= read -r line; do
  t=`printf '\t'`
  root=${line%%"$t"*}; names=${line#*"$t"}
  if test $((`date +%s` - begun)) -gt 45; then mark unknown "package_tree $root no time left"; continue; fi
  mark tree "$root"
  printf '|packages%s\n' "$names"
  # the root travels in the environment: -v would read backslashes in a name as escapes
  own() { printf '%s\n' "$mine" | ROOT=$root awk -F '\t' '$1 == ENVIRON["ROOT"]'; }
  # one stream, a letter before each line: S summed, L listed, F found, M not as summed (busybox calls a missing file changed)
  { own | awk -F '\t' '{ print (length($3) == 32 || length($3) == 64 ? "S" : "L") $4 }'
    find "$root" -xdev ! -type d -print 2>/dev/null | awk 'NR <= 200000 { print "F" $0 }'
    summed md5sum 32; summed sha256sum 64; } | awk '
      { k = substr($0, 1, 1); p = substr($0, 2) }
      k == "S" { own[p] = 1; sum[++sums] = p }
      k == "L" { own[p] = 1 }
      k == "F" { found++; there[p] = 1; if (!(p in own) && unowned++ < 20) print "|unowned " p }
      k == "T" { print "|late" }
      k == "M" && sub(/: FAILED.*$/, "", p) { if (p in there && changed++ < 20) print "|changed " p }
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
