"""What a host kept of its own load: the last seven days of sysstat, read by its own `sadf`, which writes nothing.

In: /var/log/sysstat or /var/log/sa.  Out: `usage_history` for each day.  The activities are joined by their time on the host, since a
week of one line for each device would be megabytes.  Columns go by their names, which differ from release to release.
"""

from __future__ import annotations

import re
from typing import Any

from inventory import usage
from inventory.probes.base import Observation, Probe, Section, blocks, unknown
from inventory.probes.fragments import SHOW
from inventory.probes.usage import real

SCRIPT = (
    SHOW
    + r"""
files=`ls -t /var/log/sysstat/sa[0-9]* /var/log/sa/sa[0-9]* 2>/dev/null | grep '/sa[0-9]*$' | head -n 7`
if test -z "$files"; then :
elif ! have sadf; then mark unknown 'usage_history sysstat files without sadf'
else
  for f in $files; do
    if test ! -r "$f"; then mark unknown "usage_history $f unreadable"; continue; fi
    mark sysstat "$f"
    limit 5 sadf -d "$f" -- -u -r -b -n DEV 2>/dev/null | awk -F ';' '
      /^#/ { split("", at); for (i = 1; i <= NF; i++) at[$i] = i; next }
      NF < 5 || $2 == -1 { next }
      {
        t = $3
        if (!(t in seen)) { seen[t] = 1; order[++n] = t; span[t] = $2 }
        if ("%idle" in at) { c = at["CPU"]; if (!c || $c == -1) { idle[t] = $at["%idle"]; wait[t] = $at["%iowait"] } }
        else if ("kbmemfree" in at) {
          free = $at["kbmemfree"]; used = $at["kbmemused"]
          if ("kbavail" in at) free = $at["kbavail"]; else free += $at["kbbuffers"] + $at["kbcached"]
          whole = $at["%memused"] > 0 ? used * 100 / $at["%memused"] : $at["kbmemfree"] + used
          if (whole > 0) memory[t] = 100 * (1 - free / whole)
        }
        else if ("tps" in at) { tps[t] = $at["tps"]; kb[t] = ($at["bread/s"] + $at["bwrtn/s"]) * 0.512 }
        else if ("IFACE" in at) {
          i = $at["IFACE"]
          if (i != "lo" && i !~ /^(veth|br-|docker|virbr|bond|ifb)/) {
            if ("rxkB/s" in at) { rx[t] += $at["rxkB/s"] * 1.024; tx[t] += $at["txkB/s"] * 1.024 }
            else if ("rxbyt/s" in at) { rx[t] += $at["rxbyt/s"] / 1000; tx[t] += $at["txbyt/s"] / 1000 }
          }
        }
      }
      function cell(v) { return v == "" ? "-" : v }
      END { for (k = 1; k <= n && k <= 1500; k++) { t = order[k]
        print "|" t ";" span[t] ";" cell(idle[t]) ";" cell(wait[t]) ";" cell(memory[t]) ";" cell(tps[t]) ";" cell(kb[t]) ";" cell(rx[t]) ";" cell(tx[t]) } }'
  done
fi
"""
)


def parse(section: Section) -> list[Observation]:
    """`usage_history` {source, day, samples, span_s, and {mean, p95} or None of each figure}: one for each day of sysstat, days in UTC."""
    found: list[Observation] = []
    days: dict[str, tuple[int, list[list[str]]]] = {}
    for block in blocks(section.text):
        if block.tag == "unknown":
            found.append(unknown(block))
        elif block.tag == "sysstat":
            for offset, line in enumerate(block.lines, start=block.line + 1):
                cells = line.split(";")
                if len(cells) == 9 and re.match(r"\d{4}-\d\d-\d\d ", cells[0], re.ASCII):
                    days.setdefault(cells[0][:10], (offset, []))[1].append(cells)
    for day, (place, rows) in sorted(days.items()):
        columns = {name: [value for row in rows if (value := real(row[index])) is not None] for index, name in enumerate(_COLUMNS, start=1)}
        columns["cpu_percent"] = [
            max(0.0, 100 - idle - wait) for row in rows if (idle := real(row[2])) is not None and (wait := real(row[3])) is not None
        ]
        data: dict[str, Any] = {"source": "sysstat", "day": day, "samples": len(rows), "span_s": sum(columns["span"])}
        found.append(Observation("usage_history", data | {name: usage.summary(columns[name]) for name in usage.FIGURES}, place))
    return found


_COLUMNS = ("span", "idle", "iowait_percent", "memory_percent", "disk_tps", "disk_kbps", "net_in_kbps", "net_out_kbps")

PROBE = Probe("usagehistory", SCRIPT, parse, seconds=40, max_bytes=1_000_000)
