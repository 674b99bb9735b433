"""Docroots: bytes, files, newest, owners, links leaving, what should not be there; one `find` pass each, aggregated on the host.

Names with newlines are safe: `find` ends each record with NUL, and what is a newline inside a record is turned into \\001.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from inventory.probes.base import Observation, Probe, Section, blocks, unknown
from inventory.probes.docroots import DOCROOTS

SCRIPT = (
    DOCROOTS
    + r"""
echo "@ now `date +%s`"
if ! find / -maxdepth 0 -printf '' 2>/dev/null; then echo "@ unknown content find has no -printf here"; exit 0; fi
docroots | while IFS= read -r d; do
  echo "@ docroot $d"
  find "$d" -xdev -printf '%y\t%s\t%T@\t%u\t%m\t%n\t%k\t%l\t%P\0' 2>/dev/null | tr '\n\000' '\001\n' | awk -F '\t' -v root="$d" '
  { t=$1; p=$9; for (i=10;i<=NF;i++) p=p "\t" $i; n=split($3,tt,"."); m=tt[1]+0
    if (t=="f") { files++; bytes+=$2; own[$4]++; if (m>newest) { newest=m; np=p } if (!oldest || m<oldest) oldest=m
      if ($6>1) hard++; if ($2>65536 && $7*1024*2<$2) sparse++
      e=p; if (sub(/^.*\./,"",e) && e !~ /[\/ ]/ && length(e)<9) ext[tolower(e)]++
      if (p ~ /(^|\/)(uploads?|attachments?|images?|files)\/.*\.(php|phtml|php[3-7])$/ && p !~ /(^|\/)index\.php$/) if (up++<50) print "|upload\t" p
      if (p ~ /(^|\/)\.htaccess$/) if (ht++<50) print "|htaccess\t" p
      if (substr($5,length($5),1) ~ /[2367]/) if (ww++<50) print "|world\t" p }
    else if (t=="d") { dirs++; if (substr($5,length($5),1) ~ /[2367]/ && length($5)<4) if (ww++<50) print "|world\t" p "/" }
    else if (t=="l") { links++; print "|link\t" $8 "\t" p }
    else other++ }
  END { printf "|sum\t%d\t%.0f\t%d\t%d\t%.0f\t%.0f\t%d\t%d\t%d\n", files, bytes, dirs, links, newest, oldest, hard, sparse, other
    print "|newest\t" np; for (o in own) print "|owner\t" own[o] "\t" o; for (x in ext) print "|ext\t" ext[x] "\t" x }'
  find "$d" -xdev -maxdepth 4 -name .htaccess -type f -size -64k 2>/dev/null | head -n 30 | while IFS= read -r h; do echo "@ htaccess $h"; awk '{print "|" $0}' "$h"; done
done
"""
)


def _when(seconds: str) -> str | None:
    try:
        value = float(seconds)
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if value else None
    except (ValueError, OverflowError, OSError):
        return None


def _leaves(root: str, link: str, target: str) -> bool:
    """Whether a symlink's text leads out of the docroot; links through other links are judged by their text alone."""
    parts = [] if target.startswith("/") else [part for part in f"{root}/{link}".split("/")[:-1] if part]
    for part in target.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in {"", "."}:
            parts.append(part)
    path = "/" + "/".join(parts)
    return not (path == root or path.startswith(root.rstrip("/") + "/"))


def parse(section: Section) -> list[Observation]:
    """`content` per docroot, `htaccess` per file."""
    found: list[Observation] = []
    now = 0.0
    for block in blocks(section.text):
        if block.tag == "now":
            now = float(block.value) if block.value.isdigit() else 0.0
        elif block.tag == "unknown":
            found.append(unknown(block))
        elif block.tag == "htaccess":
            lines = [line.strip() for line in block.lines if line.strip() and not line.strip().startswith(("#", "<"))]
            found.append(Observation("htaccess", {"path": block.value, "lines": lines[:200]}, block.line))
        elif block.tag == "docroot":
            found.append(Observation("content", _content(block.value, block.lines, now), block.line))
    return found


def _content(root: str, lines: list[str], now: float) -> dict[str, Any]:
    data: dict[str, Any] = {"docroot": root, "exists": True, "owners": {}, "extensions": {}}
    data |= {"world_writable": [], "links_outside": [], "php_in_uploads": [], "htaccess": []}
    for line in lines:
        tag, *cells = line.split("\t")
        cells = [cell.replace("\x01", "\n") for cell in cells]
        if tag == "sum" and len(cells) == 9 and all(cell.isdigit() for cell in cells):
            names = (
                "files",
                "bytes",
                "directories",
                "symlinks",
                "newest_s",
                "oldest_s",
                "hard_links",
                "sparse_files",
                "special",
            )
            values = dict(zip(names, map(int, cells), strict=True))
            data["newest"], data["oldest"] = _when(str(values.pop("newest_s"))), _when(str(values.pop("oldest_s")))
            data |= values
            if now and int(cells[4]):
                data["age_days"] = max(0, int((now - int(cells[4])) // 86400))
        elif tag == "newest" and cells:
            data["newest_path"] = cells[0]
        elif tag in {"owner", "ext"} and len(cells) == 2 and cells[0].isdigit():
            data["owners" if tag == "owner" else "extensions"][cells[1]] = int(cells[0])
        elif tag == "world" and cells:
            data["world_writable"].append(cells[0])
        elif tag == "upload" and cells:
            data["php_in_uploads"].append(cells[0])
        elif tag == "htaccess" and cells:
            data["htaccess"].append(cells[0])
        elif tag == "link" and len(cells) >= 2 and _leaves(root, cells[1], cells[0]):
            data["links_outside"].append({"path": cells[1], "target": cells[0]})
    return data


PROBE = Probe("content", SCRIPT, parse, seconds=120, max_bytes=8_000_000)
