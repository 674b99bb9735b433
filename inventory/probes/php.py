"""Which PHP versions a host has, how they are attached to its web servers, their pools and their modules.

In: files only (/etc/php*, the package database of dpkg and apk, the version string inside the binaries); PHP is never
run.  Out: `php_version`, `php_pool`, `php_modules`.  `version` is `8.2` everywhere, so that they join; `release` is the
exact one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from inventory.probes.base import Block, Observation, Probe, Section, blocks, unknown
from inventory.probes.docroots import DOCROOTS
from inventory.probes.fragments import MASK, SHOW, assignments
from inventory.probes.web.following import FOLLOW
from inventory.probes.web.masters import COMMANDS

SCRIPT = (
    SHOW
    + DOCROOTS
    + FOLLOW
    + COMMANDS
    + "show=; exec 4>&1\n"
    + "MASK='"
    + MASK
    + r"""'
ini() { awk "$MASK"'
  /^[ \t]*[;#]/ || /^[ \t]*$/ { next }
  {
    at = index($0, "="); name = at ? substr($0, 1, at - 1) : ""
    gsub(/^[ \t]+|[ \t\]]+$/, "", name); sub(/.*\[/, "", name)
  }
  at && sensitive(name) && name !~ /^session\.|_len/ { print "|" substr($0, 1, at) " [redacted]"; next }
  { print "|" $0 }' < "$1"; }
config() {
  test -e "$2" || return 0
  case $printed in *"$NL$2$NL"*) return 0 ;; esac
  printed=$printed$2$NL
  if test -f "$2" && test -r "$2"; then mark "$1" "$2"; ini "$2"; else mark unknown "$2 unreadable"; fi
}
known() { for c in "$1"/*.ini; do if test -e "$c"; then config modules "$c"; fi; done; }
found=; printed=$NL
powered() { p='X-Powered-By: PHP/[0-9][0-9.]*'; { grep -a -o "$p" "$1" 2>/dev/null || grep -o "$p" "$1" 2>/dev/null; } | head -n 1; }
fpm() {
  conf=; for o in `words "$1" | sed -n 's/^php-fpm: master process (\(\/[^ ]*\)).*/\1/p'`; do conf=$o; done
  conf=${conf:-`after -y "$1"`}; conf=${conf:-`after --fpm-config "$1"`}
  rooted "$1"
  if test "$R" = unreadable; then mark unknown "PHP of process $1 in a container: only root may read it"; return 0; fi
  v=`powered "/proc/$1/exe"`; v=${v##*/}
  case $conf in /*) ;; *) conf=`there /usr/local/etc/php-fpm.conf /etc/php-fpm.conf /usr/local/php/etc/php-fpm.conf` || return 0 ;; esac
  mark master "$1 ${v:--} $conf"
  if test -n "$R"; then printf '%s\n' "|container $runtime ${id:--} ${box:--}"; fi
  resolve "$conf" || return 0
  config pool "$R$real"
  for i in `awk '/^[ \t]*include[ \t]*=/ { sub(/^[^=]*=[ \t]*/, ""); sub(/[ \t;]*$/, ""); gsub(/^"|"$/, ""); if (NR < 5000 && /^[A-Za-z0-9_.\/*-]+$/) print }' < "$R$real" 2>/dev/null`; do
    case $i in /*) ;; *) i=${real%/*}/$i ;; esac
    for p in "$R"$i; do config pool "$p"; done
  done
  if test -n "$R"; then
    for p in "$R/usr/local/etc/php/php.ini" "$R/etc/php.ini"; do config ini "$p"; done
    for p in "$R"/usr/local/etc/php/conf.d/*.ini "$R"/etc/php.d/*.ini; do config modules "$p"; done
  fi
  echo '@ masters-end'
}
for p in /proc/[0-9]*; do
  s=; IFS= read -r s 2>/dev/null < "$p/stat" || continue
  c=${s#*\(}
  case $c in php*fpm*|rh-php*|ea-php*|sw-php*) case `words "${p#/proc/}" | head -n 1` in *'master process'*) found=1; fpm "${p#/proc/}" ;; esac ;; esac
done
R=
for d in /etc/php/*/* /etc/php5/*; do
  case ${d##*/} in cli|fpm|apache2|cgi|embed|phpdbg) test -d "$d" || continue ;; *) continue ;; esac
  found=1; config ini "$d/php.ini"; known "$d/conf.d"
  for p in "$d"/pool.d/*.conf "$d/php-fpm.conf"; do config pool "$p"; done
done
for r in '' /etc/opt/remi/php* /etc/opt/rh/rh-php* /opt/rh/php*/root/etc /opt/cpanel/ea-php*/root/etc \
  /opt/plesk/php/*/etc /usr/local/php*/etc /usr/local/lib/php /usr/local/etc /usr/local/etc/php /www/server/php/*/etc \
  /opt/lampp/etc /etc/php[0-9]*; do
  case $r in '') d=/etc ;; *) d=$r ;; esac
  test -d "$d" || continue
  if test -e "$d/php.ini" || test -d "$d/php-fpm.d" || test -d "$d/php.d"; then found=1; else continue; fi
  config ini "$d/php.ini"
  for c in "$d/php.d" "$d/conf.d" "$d/php/conf.d"; do
    if test "$c" != /etc/conf.d && test -d "$c"; then known "$c"; fi
  done
  for p in "$d"/php-fpm.d/*.conf "$d"/php-fpm.conf "$d"/php-fpm.d/*/*.conf; do config pool "$p"; done
done
for f in /etc/apache2/mods-enabled/php*.load /etc/httpd/conf.modules.d/*php*.conf /etc/httpd/conf.d/php*.conf; do
  if test -r "$f"; then mark load "$f"; grep -i '^[[:space:]]*LoadModule[[:space:]]' "$f" 2>/dev/null | show; fi
done
if test -r /var/lib/dpkg/status; then
  echo '@ packages /var/lib/dpkg/status'
  awk '/^Package: / { p = $2; s = "" } /^Status: / { s = $0 }
    /^Version: / && p ~ /^(php|libapache2-mod-php)/ && s ~ / installed/ { print "|" p " " $2 }' /var/lib/dpkg/status
fi
if test -r /lib/apk/db/installed; then
  echo '@ packages /lib/apk/db/installed'
  awk '/^P:php/ { p = substr($0, 3) } /^V:/ && p != "" { print "|" p " " substr($0, 3); p = "" }' /lib/apk/db/installed
fi
for b in /usr/bin/php /usr/bin/php[0-9]* /usr/sbin/php-fpm /usr/sbin/php-fpm[0-9]* /usr/local/bin/php \
  /usr/local/sbin/php-fpm /usr/lib/apache2/modules/libphp*.so /usr/lib64/httpd/modules/libphp*.so \
  /etc/httpd/modules/libphp*.so /opt/remi/php*/root/usr/sbin/php-fpm \
  /opt/rh/rh-php*/root/usr/sbin/php-fpm /opt/cpanel/ea-php*/root/usr/sbin/php-fpm /opt/plesk/php/*/sbin/php-fpm \
  /usr/local/php*/sbin/php-fpm /www/server/php/*/sbin/php-fpm /opt/lampp/modules/libphp*.so; do
  test -f "$b" && test -r "$b" || continue
  case $seen in *" `readlink -f "$b" 2>/dev/null` "*) continue ;; esac
  seen="$seen `readlink -f "$b" 2>/dev/null` "
  found=1; mark binary "$b"
  powered "$b" | awk '{ print "|" $0 }'
done
if test -z "$found"; then echo '@ none'; else
  docroots | awk 'NR <= 1000' | while IFS= read -r d; do
    for f in "$d/.user.ini" "$d"/*/.user.ini; do if test -f "$f"; then config user "$f"; fi; done
  done
fi
"""
)

_VERSIONED = re.compile(r"(?:^|/)(?:[a-z-]*php|php-fpm)[-/]?(\d)\.?(\d{1,2})(?=[/.]|$)")
_OLD = re.compile(r"(?:^|/)(?:lib)?(?:mod_)?php(5)(?=[/._]|$)")
_SETTINGS = {
    "memory_limit", "upload_max_filesize", "post_max_size", "max_execution_time", "max_input_vars", "default_charset",
    "date.timezone", "disable_functions", "open_basedir", "auto_prepend_file", "auto_append_file", "short_open_tag",
    "session.save_handler", "session.save_path", "sendmail_path", "allow_url_include", "allow_url_fopen", "register_globals",
    "magic_quotes_gpc", "magic_quotes_runtime", "safe_mode", "max_input_time", "file_uploads", "max_file_uploads", "display_errors",
    "error_reporting", "mbstring.func_overload", "mysql.default_socket", "mysqli.default_socket", "pdo_mysql.default_socket", "include_path",
    "upload_tmp_dir", "session.cookie_domain", "zend.multibyte",
}  # fmt: skip


def parse(section: Section) -> list[Observation]:
    """`version` is `major.minor` or '' when no file tells; `sapi` is cli|fpm|apache|cgi, or all when one
    file serves them all.  `settings` are those that a move must carry over, as php.ini and then the files of its scan directory set them;
    `set_in` maps each to its file.  `php_user_ini` is a `.user.ini` of a docroot, {path, settings, set_in}."""
    found: list[Observation] = []
    versions: dict[tuple[str, str], Observation] = {}
    modules: dict[tuple[str, str], tuple[list[str], int]] = {}
    scanned: list[tuple[str, str, Block]] = []
    releases: list[str] = []
    everything = list(blocks(section.text))
    for block in everything:
        releases += _releases(block)
    plain = [block for block in everything if block.tag == "packages" or not version_of(block.value)]
    default = next((_short(release) for block in plain for release in _releases(block)), "")
    master: list[str] = []
    for block in everything:
        if block.tag == "unknown":
            found.append(unknown(block))
        elif block.tag == "master":
            master = [*block.value.split(" ", 2), "", ""]
            inside = next((line.split(" ") for line in block.lines if line.startswith("container ")), None)
            running = {
                "pid": master[0],
                "version": _short(master[1]) if master[1] != "-" else "",
                "release": master[1].strip("-"),
                "config": master[2],
            }
            if inside and len(inside) == 4:
                running["container"] = " ".join([inside[1], *[word for word in (inside[3], inside[2]) if word != "-"][:1]])
            found.append(Observation("php_fpm", running, block.line))
        elif block.tag == "masters-end":
            master = []
        elif block.tag == "user":
            settings, places = _settings(block)
            found.append(Observation("php_user_ini", {"path": block.value, "settings": settings, "set_in": places}, block.line))
        elif block.tag in {"ini", "binary", "load"}:
            for sapi, version, data in _attached(block, default):
                known = versions.setdefault((version, sapi), Observation("php_version", data, block.line))
                if known.data is not data:
                    known.data.update({name: value for name, value in data.items() if value and not known.data.get(name)})
        elif block.tag == "pool":
            found.extend(_pools(block, _short(master[1]) if master and master[1] != "-" else default))
        elif block.tag == "modules":
            version = version_of(block.value) or (_short(master[1]) if master and master[1] != "-" else default)
            scanned.append((version, _sapi(block.value) or "all", block))
            names, _ = modules.setdefault((version, _sapi(block.value) or "all"), ([], block.line))
            names.extend(_extensions(block))
    for (version, _), observation in versions.items():
        exact = [release for release in releases if version and _short(release) == version]
        observation.data["release"] = observation.data["release"] or (exact[0] if exact else None)
    for version, sapi, block in scanned:
        settings, places = _settings(block)
        for (known_version, known_sapi), observation in versions.items():
            if settings and known_version == version and (sapi == "all" or known_sapi in {sapi, "all"}):
                observation.data["settings"] = {**observation.data["settings"], **settings}
                observation.data["set_in"] = {**observation.data["set_in"], **places}
    pools = {(item.data["version"], "fpm") for item in found if item.kind == "php_pool"}
    _share(versions, pools)
    found.extend(versions.values())
    for (version, sapi), (names, line) in modules.items():
        for each in _sapis(versions, version) if sapi == "all" else [sapi]:
            loaded = {"version": version, "sapi": each, "modules": sorted(set(names))}
            found.append(Observation("php_modules", loaded, line))
    return sorted(found, key=lambda observation: observation.line)


def _sapis(versions: dict[tuple[str, str], Observation], version: str) -> list[str]:
    return sorted(sapi for known, sapi in versions if known == version) or ["all"]


def _share(versions: dict[tuple[str, str], Observation], pools: set[tuple[str, str]]) -> None:
    """Where one php.ini serves every SAPI (all but Debian), give its settings to the SAPIs that are known, pools included."""
    for version in sorted({version for version, sapi in versions if sapi == "all"}):
        shared = versions[version, "all"]
        if (version, "fpm") in pools and (version, "fpm") not in versions:
            versions[version, "fpm"] = Observation("php_version", shared.data | {"sapi": "fpm"}, shared.line)
        specific = [sapi for sapi in _sapis(versions, version) if sapi != "all"]
        for sapi in specific:
            data = versions[version, sapi].data
            if not data["settings"]:
                data["settings"], data["set_in"] = shared.data["settings"], shared.data["set_in"]
        if specific:
            del versions[version, "all"]


def version_of(path: str) -> str:
    """`/etc/php/8.2/fpm`, `/etc/opt/remi/php74`, `/www/server/php/56/etc`, `libphp7.4.so` → `major.minor`, or ''."""
    match = _VERSIONED.search(path) or re.search(r"libphp(\d)\.(\d{1,2})\.so", path)
    if match:
        return f"{match.group(1)}.{match.group(2)}"
    return ""


def _short(release: str) -> str:
    return ".".join(release.split(".")[:2])


def _releases(block: Block) -> Iterator[str]:
    """Exact releases; a binary's word before a package's, since a source build has no package."""
    if block.tag == "binary":
        yield from re.findall(r"PHP/(\d+\.\d+\.\d+)", block.text[:1000])
    elif block.tag == "packages":
        for line in block.lines:
            name, _, version = line.partition(" ")
            match = re.match(r"(?:\d+:)?(?:\d+:)?(\d+\.\d+\.\d+)", version)
            if match and re.match(r"php\d|libapache2-mod-php\d", name):
                yield match.group(1)


def _sapi(path: str) -> str:
    for word, sapi in (
        ("fpm", "fpm"),
        ("apache2", "apache"),
        ("httpd", "apache"),
        ("cgi", "cgi"),
        ("libphp", "apache"),
    ):
        if word in path:
            return sapi
    return "cli" if "/cli" in path or "/bin/php" in path else ""


def _settings(block: Block) -> tuple[dict[str, str], dict[str, str]]:
    """(settings, the file that set each) of an ini file."""
    text = block.text
    found = _short_file(text) if len(text) < _SHORT else _set(text)
    return dict(found), dict.fromkeys([name for name, _ in found], block.value)


_SHORT = 16_384


def _set(text: str) -> tuple[tuple[str, str], ...]:
    settings: dict[str, str] = {}
    for line in text.split("\n"):
        for name, value in assignments([line.partition(";")[0] if '"' not in line else line]).items():
            if name in _SETTINGS:
                settings[name] = value
    return tuple(sorted(settings.items()))


_short_file = lru_cache(256)(_set)
"""Most of these files are as the distribution wrote them, the same on every host."""


def _attached(block: Block, default: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    path, release = block.value, None
    version = version_of(path)
    settings: dict[str, str] = {}
    places: dict[str, str] = {}
    sapi = _sapi(path)
    if block.tag == "binary":
        release = next(_releases(block), None)
        version = _short(release) if release else version
    elif block.tag == "load":
        line = next((line for line in block.lines if re.search(r"php\d?_module", line)), "")
        if not line:
            return
        sapi, version = "apache", version_of(path) or version_of(line.split()[-1])
    else:
        sapi = sapi or "all"
        settings, places = _settings(block)
    version = version or default
    if version or block.tag != "binary":
        yield (
            sapi,
            version,
            {"version": version, "sapi": sapi, "source_file": path, "release": release, "settings": settings, "set_in": places},
        )


def _pools(block: Block, default: str) -> Iterator[Observation]:
    """One file may hold several pools; `[global]` is none.  `$pool` in a value is the pool's name."""
    version = version_of(block.value) or default
    name, line = "", 0
    values: dict[str, str] = {}
    for offset, text in enumerate([*block.lines, "[]"]):
        stripped = text.strip()
        if stripped.startswith("[") and stripped.endswith("]"):
            if name and name != "global":
                data: dict[str, Any] = {"version": version, "name": name, "user": values.get("user")}
                data |= {"group": values.get("group"), "listen": values.get("listen"), "file": block.value}
                rest = {key: value for key, value in values.items() if key not in {"user", "group", "listen"}}
                yield Observation("php_pool", data | {"values": rest}, line)
            name, line, values = stripped[1:-1].strip(), block.line + 1 + offset, {}
        elif name:
            values.update({key: value.replace("$pool", name) for key, value in assignments([stripped]).items()})


def _extensions(block: Block) -> Iterator[str]:
    for line in block.lines:
        match = re.match(r"\s*(?:zend_)?extension\s*=\s*[\"']?([^\s\"';]{1,200})", line)
        if match:
            yield match.group(1).rpartition("/")[2].removesuffix(".so").removesuffix(".dll").lower()


PROBE = Probe("php", SCRIPT, parse, seconds=30, max_bytes=2_000_000)
