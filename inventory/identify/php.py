"""Which PHP really serves a site, from which pool, with which settings and modules: facts from the vhost and from what the host has.  Pure.

In: the site's vhosts, what its host says, its docroot.  Out: facts as (name, value, observations that prove it, why).
Settings are put together in PHP's own order: php.ini, the scan directory, the vhost's or the pool's values, `.user.ini` and `.htaccess`,
each with the file that had the last word; what an administrator's directive sets is not overridden.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from inventory.identify.facts import Observed, Seen

Fact = tuple[str, Any, list[Any], str]
_INSIDE = re.compile(r"/proc/\d+/root/")
_SAPI = {"module": "apache", "fpm": "fpm", "cgi": "cgi", "fcgid": "cgi", "suphp": "cgi"}


def facts(vhosts: Sequence[Seen], observed: Observed, docroot: str) -> Iterator[Fact]:
    """`site.php_handler`, `php_version`, `pool`, `web_user`, `php_settings` {name: [value, file]}, `php_modules`."""
    handler = next((str(v.data["php_handler"]) for v in vhosts if v.data.get("php_handler")), "")
    kind, _, rest = handler.partition(" ")
    yield from ([("site.php_handler", handler, list(vhosts), "")] if handler else [])
    sockets = sorted({_address(str(text)) for v in vhosts for text in v.data.get("fastcgi_to") or []})
    inside = any(v.data.get("container") for v in vhosts)
    pools = [p for p in observed.of("php_pool") if bool(_INSIDE.match(str(p.data.get("file")))) == inside]
    pool = next((p for p in pools if _address(str(p.data.get("listen"))) in sockets), None)
    version, proof = "", pool
    if pool is not None:
        version = str(pool.data.get("version") or "")
        yield "site.web_user", pool.data.get("user"), [pool], ""
        yield "site.pool", pool.data.get("name"), [pool], ""
    else:
        version, proof = _version(vhosts, observed, kind, rest, sockets)
    if version and proof is not None:
        yield "site.php_version", version, [proof], ""
    sapi = _SAPI.get(kind, "apache" if any(v.data.get("server") == "apache" for v in vhosts) and not sockets else "fpm")
    base = [i for i in observed.of("php_version") if i.data.get("version") == version and i.data.get("sapi") in {sapi, "all"}]
    settings, proofs = _settings(vhosts, observed, base, pool, docroot, module=kind in {"module", ""} and not sockets)
    if settings:
        yield "site.php_settings", settings, proofs, ""
    loaded = [i for i in observed.of("php_modules") if i.data.get("version") == version and i.data.get("sapi") in {sapi, "all"}]
    if loaded:
        yield "site.php_modules", sorted({str(name) for item in loaded for name in item.data.get("modules") or []}), loaded, ""


def _address(text: str) -> str:
    """`unix:/run/a.sock`, `unix:/run/a.sock|fcgi://x`, `fcgi://127.0.0.1:9000/srv`, `127.0.0.1:9000`, `9000` → one way to write it."""
    text = text.partition("|")[0]
    text = re.sub(r"^(proxy:)?(fcgi://|unix:/*(?=/))", "", text)
    if text.startswith("/"):
        return text.removesuffix(":")
    text = text.partition("/")[0]
    host, _, port = text.rpartition(":")
    host = "127.0.0.1" if host in {"localhost", "", "*"} or re.fullmatch(r"(0\.){3}0", host) else host
    return f"{host}:{port}"


def _version(vhosts: Sequence[Seen], observed: Observed, kind: str, rest: str, sockets: list[str]) -> tuple[str, Seen | None]:
    """Without a pool: what the handler's or the socket's own name says, else the only version of that kind that is there."""
    named = re.search(r"(?:php(?:-cgi|-fpm)?|lsphp)[-/]?(\d)\.?(\d{1,2})(?!\d)", " ".join([rest, *sockets])) or re.fullmatch(
        r"(\d)\.(\d+)", rest
    )
    versions = list(observed.of("php_version"))
    if named:
        text = f"{named.group(1)}.{named.group(2)}"
        return text, next((v for v in versions if v.data.get("version") == text), vhosts[0])
    wanted = _SAPI.get(kind, "apache" if any(v.data.get("server") == "apache" for v in vhosts) and not sockets else "fpm")
    held = [v for v in versions if v.data.get("sapi") == wanted]
    if len(held) != 1:
        return "", None
    return str(held[0].data.get("version") or ""), held[0]


def _settings(
    vhosts: Sequence[Seen], observed: Observed, base: list[Seen], pool: Seen | None, docroot: str, *, module: bool
) -> tuple[dict[str, list[str]], list[Seen]]:
    found: dict[str, list[str]] = {}
    fixed: set[str] = set()
    proofs: list[Seen] = []

    def put(values: Mapping[str, Any], where: Mapping[str, Any] | str, proof: Seen, *, admin: bool = False) -> None:
        for name, value in values.items():
            if name not in fixed or admin:
                found[str(name)] = [str(value), where if isinstance(where, str) else str(where.get(name, ""))]
        if admin:
            fixed.update(values)
        if values and proof not in proofs:
            proofs.append(proof)

    for item in base[:1]:
        put(item.data.get("settings") or {}, item.data.get("set_in") or str(item.data.get("source_file") or ""), item)
    if pool is not None:
        values = pool.data.get("values") or {}
        for admin in (False, True):
            names = ("php_admin_value[", "php_admin_flag[") if admin else ("php_value[", "php_flag[")
            plain = {name.partition("[")[2].rstrip("]"): value for name, value in values.items() if str(name).startswith(names)}
            put(plain, str(pool.data.get("file") or ""), pool, admin=admin)
    for vhost in vhosts:
        put(vhost.data.get("php_values") or {}, str(vhost.data.get("file") or ""), vhost)
    for item in (*observed.of("php_user_ini"), *observed.of("htaccess")):
        place = str(item.data.get("path") or "").rpartition("/")[0]
        if item.kind == "php_user_ini" and not module and docroot and place == docroot:
            put(item.data.get("settings") or {}, str(item.data["path"]), item)
        elif item.kind == "htaccess" and module and docroot and place == docroot:
            words = [str(line).split(None, 2) for line in item.data.get("lines") or []]
            told = {w[1]: w[2].strip("\"'") for w in words if len(w) == 3 and w[0].lower() in {"php_value", "php_flag"}}
            put(told, str(item.data["path"]), item)
    return dict(sorted(found.items())), proofs
