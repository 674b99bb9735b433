"""Applications in docroots, by the files that `inventory.applications` asks for: one `find` pass and one awk for each docroot.

Passwords never leave the host: of a configuration file only the settings that a signature names are printed, of a database's address
only server, host, user and name; of all other files only the part of a line that a pattern matched.  The collector redacts every
section besides.  Symbolic links in a docroot's first levels are seen through: what they lead to is told by the link's name.  What awk
does here, `inventory.applicationtree` does in Python for a local folder; one set of cases holds for both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from inventory import applications, applicationtree, recognition
from inventory.applications import Facts
from inventory.probes.applicationawk import program
from inventory.probes.base import Block, Observation, Probe, Section, blocks
from inventory.probes.docroots import DOCROOTS
from inventory.probes.fragments import SHOW
from inventory.probes.linked import LINKED


def _script() -> str:
    awk = program().replace("'", "'\\''")
    prune = " -o ".join(f"-name {name}" for name in applications.data().prune)
    named = " ".join(f'"$1"/{path}' for path in applications.named())  # // before what is outside of the docroot
    folders = " ".join(f'"$1"{path.rpartition("/")[0]}' for path in applications.named())
    levels = {name: "*/." + "/*" * number for name, number in (("deep", applicationtree.DEPTH), ("near", applicationtree.LEVELS))}
    return (
        SHOW
        + DOCROOTS
        + LINKED
        + f"""
skip() {{ f_=$1; s_=$2; r_=$3; d_=$4; shift 4
  "$f_" "$s_" "$r_" '(' -name "*$NL*" -o {prune} -o -type d -path "$d_" ')' -prune -o "$@" -print
  if test $? = 124; then echo '|x not all of it was walked through'; fi; }}
files() {{ skip telling_find "$1" "$2" '{levels["deep"]}' -type f '(' -size -4096 -o -name '*.war' ')'; }}
linked() {{ leads_to "$1" || return 0; own=$R_
  skip local_find 10 "$1/." '{levels["near"]}' -type l | head -n {applicationtree.LINKS} | while IFS= read -r l; do
    case "$l" in "|"*) printf '%s\\n' "$l"; continue ;; esac
    if leads_to "$l"; then :; else printf '%s\\n' "-$l"; continue; fi
    case "$R_/" in /proc/*|/sys/*|/dev/*) continue ;; esac
    if test -f "$R_"; then :; elif test -d "$R_"; then
      # what is walked through at its own place, or would be again from there
      case "$R_/" in "$own"/*) continue ;; esac; case "$own/" in "$R_"/*) continue ;; esac
    else continue; fi
    printf '|l %s\\n|r %s\\n' "${{l#"$1/./"}}" "$R_"
    if test -d "$R_"; then files 10 "$l"
    else find -H "$l" -type f '(' -size -4096 -o -name '*.war' ')' -print; fi
  done; }}
named() {{ for c in {named}; do
    if leads_to "$c" && test -f "$c"; then printf '+%s\\n' "$c"; fi
  done
  for c in {folders}; do if test -d "$c" && test ! -r "$c"; then printf '|x %s: unreadable\\n' "$c"; fi; done; }}
entries() {{ files 40 "$1/."
  case "$1" in
    /proc/*) c=${{1#/proc/*/root/}}; named "${{1%"/$c"}}" ;; # its links lead elsewhere seen from here
    *) linked "$1"; named "" ;;
  esac; }}
walk() {{ entries "$1" 2>&3 | D="$1" M="$NETFS" LC_ALL=C awk '{awk}' >&4; }}
look() {{ printf '@ docroot %s\\n' "$1"; unread=`walk "$1" 3>&1 | awk 'NR <= 50'`
  printf '%s\\n' "$unread" | awk '/^find: / {{ sub(/^find: /, ""); print "|x " $0 }}'; }}
all() {{ docroots | while IFS= read -r d; do look "$d"; done; }}
{{ all; }} 4>&1
"""
    )


def facts(block: Block) -> tuple[Facts, list[tuple[str, str]]]:
    """What one docroot's block says, and what could not be read: (path, why)."""
    found = Facts()
    unread: list[tuple[str, str]] = []
    name = link = ""
    for at, line in enumerate(block.lines, start=block.line + 1):
        tag, _, text = line.partition(" ")
        if tag == "n" and text:
            name = text
            found.names.setdefault(name, at)
            if name.endswith(".war"):
                found.archives[name] = []
        elif tag == "m" and name:
            found.lines[name].append(text)
        elif tag == "s" and name:
            key, _, value = text.partition(" ")
            found.settings[name].append((key, value))
        elif tag == "u" and name:
            found.unreadable.add(name)
            unread.append((name.replace("//", "/"), "unreadable"))
        elif tag == "w" and name in found.archives and len(found.archives[name]) < 5000:
            found.archives[name].append(text)
        elif tag == "l":
            link = text
        elif tag == "r" and link:
            found.links[link] = text
        elif tag == "c":
            _count(found, text)
        elif tag == "x":
            path, _, why = text.rpartition(": ")
            unread.append((path.strip("'\"‘’").replace("/./", "/", 1) or block.value, why))
    for inside in found.archives.values():
        inside[:] = sorted(set(inside))[:200]
    return found, unread


def _count(found: Facts, text: str) -> None:
    words = text.split(" ", 2)
    if len(words) == 3 and words[2] and words[1].isdigit() and words[1].isascii() and len(words[1]) < 10:
        found.counts[words[2]][words[0]] = int(words[1])


def parse(section: Section) -> list[Observation]:
    """`application` {name, version, path, config_file, database, language, plugins, themes, …} with absolute paths; `unknown`."""
    found: list[Observation] = []
    known: set[tuple[str, str]] = set()
    for block in blocks(section.text):
        if block.tag != "docroot":
            continue
        seen, unread = facts(block)
        found += [Observation("unknown", {"what": _absolute(block.value, path), "why": why}, block.line) for path, why in unread]
        for one in recognition.recognise(seen):
            data = described(one, block.value, seen.links)
            if (data["path"], data["name"]) not in known:
                known.add((data["path"], data["name"]))
                found.append(Observation("application", data, one.line if one.line > 1 else block.line))
    return found


def described(one: recognition.Found, docroot: str, links: Mapping[str, str]) -> dict[str, Any]:
    """What was recognised, with the host's own paths; of a configuration file behind a link, the file's own.

    A generated static site is `static`: identification asks for that name.
    """
    data = {"site_url": "", "unresolved": False, **one.data}
    data["path"] = docroot if data["path"] == "." else _absolute(docroot, data["path"])
    data["config_file"] = _absolute(docroot, _real(data["config_file"], links)) if data["config_file"] else ""
    if data.get("root"):
        data["root"] = docroot.rpartition("/")[0]
    if one.static:
        data["name"] = "static"
        data.setdefault("generator", "")
    return data


def _real(path: str, links: Mapping[str, str]) -> str:
    parts = path.split("/")
    for length in range(len(parts), 0, -1):
        link = links.get("/".join(parts[:length]))
        if link:
            return "/".join([link, *parts[length:]])
    return path


def _absolute(docroot: str, path: str) -> str:
    if path.startswith("../"):
        return docroot.rpartition("/")[0] + path[2:]
    return path if path.startswith("/") else f"{docroot}/{path}"


PROBE = Probe("applications", _script(), parse, seconds=60)
