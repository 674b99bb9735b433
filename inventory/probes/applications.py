"""Applications in docroots, by marker files; database name, user and host from their configuration.  Passwords never leave the host:
only whitelisted names are printed at all, and the collector redacts every section besides.
"""

from __future__ import annotations

import re
from typing import Any

from inventory import applications
from inventory.probes.base import Block, Observation, Probe, Section, blocks
from inventory.probes.docroots import DOCROOTS

_WHITELIST = (
    r"define[[:space:]]*\([[:space:]]*[\"'](DB_NAME|DB_USER|DB_HOST|DB_CHARSET|WP_HOME|WP_SITEURL|MULTISITE)[\"']|table_prefix"
    r"|mysql:host=|\$?[\"']?(db_?name|db_?user|db_?host|database|dbname|dbuser|dbhost|hostname|username|DB_NAME|DB_USER|DB_HOST)[\"']?\]?[[:space:]]*(=|=>)"
)


def _script() -> str:
    names = sorted({s.marker.rsplit("/", 1)[-1] for s in applications.signatures()})
    match = " -o ".join(f"-name '{name}'" for name in names)
    cases = "\n".join(
        f'  */{s.marker}) r=${{f%/{s.marker}}}; echo "@ application $r"; echo "|name {s.name}"; head -n 60 "$r/{s.version[0]}" 2>/dev/null | cut -c1-300 | sed "s/^/|version /"; config "$r/{s.config}"; extras "$r";;'
        for s in applications.signatures()
    )
    whitelist = _WHITELIST.replace("'", "'\\''")
    return (
        DOCROOTS
        + rf"""
config() {{ c=$1; test -f "$c" || c="`dirname "$1"`/../`basename "$1"`"; test -f "$c" || return 0
  echo "|config $c"; test -r "$c" || {{ echo "|unreadable"; return 0; }}
  awk '{{ n=split($0,a,";"); for (i=1;i<=n;i++) print NR ":" a[i] }}' "$c" | grep -a -i -E '{whitelist}' | grep -a -v -i -E 'pass|pwd|secret|salt|_key' | cut -c1-300 | head -n 40 | sed 's/^/|setting /'; }}
extras() {{ for p in "$1"/wp-content/plugins/*/; do test -d "$p" && echo "|plugin `basename "$p"`"; done
  for p in "$1"/wp-content/themes/*/; do test -d "$p" && echo "|theme `basename "$p"`"; done; }}
docroots | while IFS= read -r d; do
  echo "@ docroot $d"
  find "$d" -xdev -maxdepth 5 -type f \( {match} \) -print 2>/dev/null | head -n 200 | while IFS= read -r f; do case "$f" in
{cases}
  esac; done
  n=`find "$d" -xdev -maxdepth 4 -type f -name '*.php' -print 2>/dev/null | head -n 5000 | wc -l`
  echo "@ php_files $n $d"
  find "$d" -xdev -maxdepth 3 -type f \( -iname '*config*.php' -o -iname 'conn*.php' -o -iname 'db*.php' -o -iname 'settings*.php' \) -print 2>/dev/null | head -n 10 | while IFS= read -r f; do
    if grep -a -q -i -E 'mysqli|mysql:host|mysql_connect|db_?name|db_?host' "$f"; then echo "@ generic $d"; config "$f"; fi; done
done
"""
    )


def _settings(block: Block) -> dict[str, Any]:
    """Database settings out of whitelisted lines: `define('DB_NAME', 'x')`, `$db_name = 'x'`, `'dbname' => 'x'`, a PDO DSN."""
    found: dict[str, Any] = {}
    keys = {
        "db_name": "name", "dbname": "name", "database": "name", "db_user": "user", "dbuser": "user", "username": "user",
        "db_host": "host", "dbhost": "host", "hostname": "host", "db_charset": "charset", "table_prefix": "prefix",
        "wp_home": "site_url", "wp_siteurl": "site_url", "multisite": "multisite",
    }  # fmt: skip
    for line in block.lines:
        if not line.startswith("setting "):
            continue
        text = line.partition(":")[2].strip()
        if text.startswith(("//", "#", "*", "/*")):
            continue
        dsn = re.search(r"mysql:host=([^;\"']+);\s*(?:port=\d+;\s*)?dbname=([^;\"']+)", text)
        if dsn:
            found.setdefault("host", dsn.group(1))
            found.setdefault("name", dsn.group(2))
        for match in re.finditer(r"[$\"']?\b(\w+)\b[\"']?\]?\s*(?:,|=>|=)\s*(?:\"([^\"]*)\"|'([^']*)'|([\w.]+\())", text):
            key = keys.get(match.group(1).lower())
            if key and match.group(4):
                found["unresolved"] = True
            elif key:
                found.setdefault(key, match.group(2) if match.group(2) is not None else match.group(3))
    return found


def parse(section: Section) -> list[Observation]:
    """`application` {name, version, path, config_file, database, plugins, themes}; `generic` PHP and static folders, too."""
    found: list[Observation] = []
    known: dict[str, str] = {}
    generic: dict[str, tuple[dict[str, Any], str, int]] = {}
    php: dict[str, tuple[int, int]] = {}
    by_name = {s.name: s for s in applications.signatures()}
    for block in blocks(section.text):
        if block.tag == "application":
            data = _application(block, by_name)
            if data and known.get(block.value) != data["name"]:
                known[block.value] = str(data["name"])
                found.append(Observation("application", data, block.line))
        elif block.tag == "generic":
            settings = _settings(block)
            config = next((line[7:] for line in block.lines if line.startswith("config ")), "")
            if settings.get("name") and block.value not in generic:
                generic[block.value] = (settings, config, block.line)
        elif block.tag == "php_files":
            count, _, root = block.value.partition(" ")
            php[root] = (int(count) if count.isdigit() else 0, block.line)
    for root, (number, line) in php.items():
        if any(path == root or path.startswith(root + "/") for path in known):
            continue
        if number:
            settings, config, at = generic.get(root, ({}, "", line))
            data = {
                "name": "PHP application",
                "version": "",
                "path": root,
                "config_file": config,
                "database": _database(settings),
            }
            found.append(Observation("application", {**data, "plugins": [], "themes": [], "php_files": number}, at))
        else:
            data = {
                "name": "static",
                "version": "",
                "path": root,
                "config_file": "",
                "database": None,
                "plugins": [],
                "themes": [],
            }
            found.append(Observation("application", data, line))
    return found


def _database(settings: dict[str, Any]) -> dict[str, Any] | None:
    kept: dict[str, Any] = {key: settings[key] for key in ("name", "user", "host", "charset", "prefix") if key in settings}
    return kept or None


def _application(block: Block, by_name: dict[str, applications.Signature]) -> dict[str, Any] | None:
    name = next((line[5:] for line in block.lines if line.startswith("name ")), "")
    signature = by_name.get(name)
    if signature is None:
        return None
    lines = [line[8:] for line in block.lines if line.startswith("version ")]
    settings = _settings(block)
    return {
        "name": name,
        "version": applications.version(signature, {signature.version[0]: lines}),
        "path": block.value,
        "config_file": next((line[7:] for line in block.lines if line.startswith("config ")), ""),
        "database": _database(settings),
        "plugins": [{"name": line[7:]} for line in block.lines if line.startswith("plugin ")],
        "themes": [line[6:] for line in block.lines if line.startswith("theme ")],
        "site_url": settings.get("site_url", ""),
        "unresolved": bool(settings.get("unresolved")),
    }


PROBE = Probe("applications", _script(), parse, seconds=60)
