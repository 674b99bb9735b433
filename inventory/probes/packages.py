"""Which packages a host has, from where it gets them, and which of their configuration files were changed since.

In: the databases of dpkg, apk and pacman as files, rpm by a query; the lists of repositories.  Out: `package`, `package_database`,
`repository`, `config_changed`, `config_check`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from inventory.probes.base import Block, Observation, Probe, Section, blocks, unknown
from inventory.probes.fragments import MASK, SHOW, number
from inventory.probes.rpmquery import RPM

SCRIPT = (
    SHOW
    + RPM
    + "MASK='"
    + MASK
    + r"""'
most() { awk -v most="$1" -v what="$2" 'NR <= most { print "|" $0 }
  END { if (NR > most) print "@ unknown " what " only " most " of " NR " lines" }'; }
lines() {
  test -e "$1" || return 0
  if test ! -f "$1" || test ! -r "$1"; then mark unknown "$1 unreadable"; return 0; fi
  mark repository "$1"
  awk "$MASK"'NR > 500 { exit }
    { sub(/\r$/, ""); s = substr($0, 1, 2000); while (match(s, /:\/\/[^\/ \t]*@/) && substr(s, RSTART, RLENGTH) != "://[redacted]@") {
      out = out substr(s, 1, RSTART + 2) "[redacted]@"; s = substr(s, RSTART + RLENGTH) }
      print "|" mask(out s); out = "" }' < "$1"
}
listed() { lines "$1" | awk '/^@/ { print; next }
  /^\|[ \t]*(deb|deb-src|rpm|https?:|ftp:|file:|\/|@)/ ||
  /^\|[ \t]*(Types|URIs|Suites|Components|Enabled|name|baseurl|mirrorlist|metalink|enabled|type)[ \t]*[:=]/ || /^\|[ \t]*(\[|$)/'; }
changed() { if test -e "$2"; then t=`stat -c %Y "$2" 2>/dev/null`; if test -n "$t"; then mark database "$1 $t"; fi; fi; }
changed dpkg /var/lib/dpkg/status; changed apk /lib/apk/db/installed
for f in /var/lib/rpm/Packages /var/lib/rpm/rpmdb.sqlite /usr/lib/sysimage/rpm/rpmdb.sqlite /usr/lib/sysimage/rpm/Packages.db; do changed rpm $f; done
status=/var/lib/dpkg/status
if test -r $status; then
  echo '@ dpkg'
  awk '/^Package: / { p = $2; v = a = s = "" } /^Status: / { s = substr($0, 9) } /^Version: / { v = $2 } /^Architecture: / { a = $2 }
    /^$/ { if (p != "") print p "\t" v "\t" a "\t" (s == "install ok installed" ? "" : s); p = "" }
    END { if (p != "") print p "\t" v "\t" a "\t" (s == "install ok installed" ? "" : s) }' $status | most 20000 packages
elif test -e $status; then mark unknown "packages $status unreadable"; fi
if test -r /lib/apk/db/installed; then
  echo '@ apk'
  awk '/^P:/ { p = substr($0, 3); v = "" } /^V:/ { v = substr($0, 3) } /^A:/ { a = substr($0, 3) }
    /^$/ { if (p != "") print p "\t" v "\t" a; p = "" } END { if (p != "") print p "\t" v "\t" a }' /lib/apk/db/installed | most 20000 packages
fi
if test -d /var/lib/pacman/local; then
  echo '@ pacman'
  find /var/lib/pacman/local -name desc -type f -exec cat {} + 2>/dev/null | awk '
    /^%/ { if ($0 == "%NAME%" && p != "") { print p "\t" v "\t" a; p = "" } k = $0; next }
    /./ { if (k == "%NAME%") p = $0; if (k == "%VERSION%") v = $0; if (k == "%ARCH%") a = $0 }
    END { if (p != "") print p "\t" v "\t" a }' | most 20000 packages
fi
digest() {
  n=`printf '%s\n' "$2" | grep -c .`
  test "$n" != 0 || return 0
  if ! have "$1"; then mark unknown "changed_configuration $1 missing"; return 0; fi
  wrong=`cd / && { printf '%s\n' "$2" | limit 10 "$1" -c - 2>/dev/null; echo "ended $?"; } | awk '!/: OK$/'; echo x`
  case $wrong in *'ended 124'*|*'ended 137'*) mark unknown "changed_configuration $3's files were not all summed in time"; return 0 ;; esac
  mark check "$3 $n"
  printf '%s\n' "${wrong%x}" | awk 'NR <= 500' | while IFS= read -r w; do
    p=${w%: FAILED*}
    test -n "$p" && test "$p" != "$w" || continue
    if test ! -e "$p"; then printf '|missing %s\n' "$p"
    elif test ! -r "$p"; then printf '|unreadable %s\n' "$p"
    else printf '|changed %s\n' "$p"; fi
  done
}
if test -r $status; then
  l=`awk '/^Package: / { ok = 0 } /^Status: / { ok = / installed$/ } /^[^ ]/ { on = /^Conffiles:/ }
    on && ok && /^ \// && NF == 2 && length($2) == 32 && n++ < 4000 { print $2 "  " $1 }' $status`
  digest md5sum "$l" dpkg
fi
base=`rpm_base`
if test -n "$base" && have rpm; then
  r=`rpm_query 15 $base '%{NAME}\t%{EPOCH}:%{VERSION}-%{RELEASE}\t%{ARCH}\n'; echo " $?"`
  s=${r##* }
  if test "$s" = 97; then mark unknown 'packages no tool to ask rpm as nobody (chroot --userspec, setpriv); as root rpm would write'
  elif test "$s" != 0 || test -z "${r% *}"; then mark unknown "packages rpm as nobody told nothing, status $s"
  else
    echo '@ rpm'; printf '%s\n' "${r% *}" | awk 'NF' | most 20000 packages
    f=`{ rpm_query 10 $base '[%{FILEFLAGS:fflags} %{FILEMD5S}  %{FILENAMES}\n]'; echo "ended $?"; } |
      awk '$1 == "ended" { if ($2 != 0) print "ended" } $1 ~ /^[a-z]*c/ && $3 ~ /^\/etc\// && $1 !~ /g/ && ($2 ~ /^[0-9a-f]*$/) && n++ < 4000 { sub(/^[^ ]* /, ""); print }'`
    case $f in
      *ended) mark unknown "changed_configuration rpm did not list its files in time" ;;
      *)
        l=`printf '%s\n' "$f" | awk 'length($1) == 32'`
        digest md5sum "$l" rpm
        l=`printf '%s\n' "$f" | awk 'length($1) == 64'`
        digest sha256sum "$l" rpm ;;
    esac
  fi
elif test -n "$base"; then mark unknown 'packages an rpm database without rpm'; fi
for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources /etc/yum.repos.d/*.repo \
  /etc/zypp/repos.d/*.repo /etc/apk/repositories; do listed "$f"; done
"""
)


def parse(section: Section) -> list[Observation]:
    """`package`: `state` installed, held, or dpkg's own word (half-installed, unpacked, …); what only left its configuration is none."""
    found: list[Observation] = []
    for block in blocks(section.text):
        if block.tag == "unknown":
            found.append(unknown(block))
        elif block.tag in {"dpkg", "rpm", "apk", "pacman"}:
            found.extend(_packages(block))
        elif block.tag == "database":
            found.extend(_database(block))
        elif block.tag == "repository":
            found.extend(_repositories(block))
        elif block.tag == "check":
            found.extend(_check(block))
    return found


def _database(block: Block) -> Iterator[Observation]:
    """When packages were last installed, upgraded or removed: the file that each such act writes anew."""
    manager, _, text = block.value.partition(" ")
    seconds = number(text)
    if seconds is not None and 0 < seconds < 1 << 33:
        when = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        yield Observation("package_database", {"manager": manager, "changed": when}, block.line)


def _packages(block: Block) -> Iterator[Observation]:
    manager = block.tag
    for offset, line in enumerate(block.lines, start=block.line + 1):
        cells = line.split("\t")
        if len(cells) < 3 or not cells[0] or cells[0] == "gpg-pubkey":
            continue
        state = _state(cells[3]) if len(cells) > 3 and cells[3] else "installed"
        if state:
            version = cells[1].removeprefix("(none):")
            yield Observation(
                "package", {"manager": manager, "name": cells[0], "version": version, "arch": cells[2], "state": state}, offset
            )


def _state(text: str) -> str:
    """dpkg's `want flag status` in one word, '' when nothing but configuration is left."""
    words = text.split()
    if len(words) != 3:
        return "unreadable"
    want, flag, status = words
    if status in {"config-files", "not-installed"}:
        return ""
    if flag != "ok":
        return flag
    if status == "installed":
        return {"hold": "held"}.get(want, "installed")
    return status


def _check(block: Block) -> Iterator[Observation]:
    manager, _, checked = block.value.partition(" ")
    counts = dict.fromkeys(("changed", "missing", "unreadable"), 0)
    for offset, line in enumerate(block.lines, start=block.line + 1):
        state, _, path = line.partition(" ")
        if state not in counts or not path:
            continue
        counts[state] += 1
        if state == "unreadable":
            yield Observation("unknown", {"what": "changed_configuration", "why": f"{path} unreadable"}, offset)
        else:
            yield Observation("config_changed", {"manager": manager, "path": path, "state": state}, offset)
    yield Observation("config_check", {"manager": manager, "checked": number(checked), **counts}, block.line)


def _repositories(block: Block) -> Iterator[Observation]:
    """One-line lists of apt and apk, apt's paragraphs (deb822), and the sections of yum and zypper."""
    if block.value.endswith(".repo"):
        yield from _sections(block)
    elif block.value.endswith(".sources"):
        yield from _paragraphs(block)
    else:
        for offset, line in enumerate(block.lines, start=block.line + 1):
            found = _one_line(line.strip(), block.value)
            if found is not None:
                yield Observation("repository", found, offset)


def _repository(manager: str, file: str, name: str, uris: list[str], enabled: bool | None, **more: Any) -> dict[str, Any]:
    return {"manager": manager, "file": file, "name": name, "uris": uris, "enabled": enabled, "suites": [], "components": [], **more}


def _one_line(line: str, file: str) -> dict[str, Any] | None:
    if not line or line.startswith("#"):
        return None
    if file.endswith("/apk/repositories"):
        tag, _, rest = line.partition(" ") if line.startswith("@") else ("", "", line)
        return _repository("apk", file, tag, [rest.strip()], True)
    words = re.sub(r"^(\S{1,20}\s{1,20})\[[^\]]{0,500}\]", r"\1", line, count=1).split()  # options: [arch=amd64 signed-by=…]
    if len(words) < 3 or words[0] not in {"deb", "deb-src", "rpm"}:
        return None
    return _repository("apt", file, words[0], [words[1]], True, suites=[words[2]], components=words[3:])


def _paragraphs(block: Block) -> Iterator[Observation]:
    values: dict[str, str] = {}
    last, start = "", 0
    for offset, line in enumerate([*block.lines, ""], start=block.line + 1):
        name, colon, value = line.partition(":")
        if line.strip() and colon and not line.startswith((" ", "\t", "#")):
            start = start or offset
            last = name.strip().lower()
            values[last] = value.strip()
        elif line.startswith((" ", "\t")) and line.strip() and last in values:
            values[last] += " " + line.strip()
        elif not line.strip():
            if values.get("uris"):
                on = values.get("enabled", "yes").lower() not in {"no", "false", "0", "off"}
                more = {key: values.get(key, "").split() for key in ("suites", "components")}
                yield Observation(
                    "repository", _repository("apt", block.value, values.get("types", ""), values["uris"].split(), on, **more), start
                )
            values, start = {}, 0


def _sections(block: Block) -> Iterator[Observation]:
    manager = "zypper" if "/zypp/" in block.value else "yum"
    name, start = "", 0
    values: dict[str, str] = {}
    for offset, line in enumerate([*block.lines, "[]"], start=block.line + 1):
        text = line.strip()
        if text.startswith("[") and text.endswith("]"):
            if name:
                uris = [word for key in ("baseurl", "mirrorlist", "metalink") for word in values.get(key, "").split()]
                on = values.get("enabled", "1").lower() in {"1", "yes", "true", "on"}
                yield Observation("repository", _repository(manager, block.value, name, uris, on), start)
            name, start, values = text[1:-1].strip(), offset, {}
        else:
            key, equal, value = text.partition("=")
            if equal and not key.startswith(("#", ";")):
                values.setdefault(key.strip().lower(), value.strip())


PROBE = Probe("packages", SCRIPT, parse, seconds=45, max_bytes=4_000_000)
