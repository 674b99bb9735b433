"""What a copy of a site would trip over: own addresses in code, jobs by the clock, odd files, signs of break-ins, doubtful texts.  Pure.

In: a site that knows its docroot and database, and its host's observations.  Out: facts `code.*`, `infection.*`, more of `content.*` and
`database.*`, `site.cron`, `host.selinux*`.  Lists are short texts for people, at most 50 each; [] only where the search reached its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from inventory.identify.facts import Observed, Seen, Site, under, walked

MOST = 50
LOCK_BYTES_A_SECOND = 50_000_000
"""How fast a dump reads MyISAM tables, as an estimate for slow disks; a rehearsal measures it."""
_CODE = ("own_addresses", "docroot_paths", "own_urls", "private_addresses", "public_addresses", "mail", "sso")
_LISTS = ("mounts", "setid", "user_ini", "password_files", "version_control", "backups", "sso_files", "links_dangling")
_COUNTED = ("acl", "xattrs", "immutable")
_MARIADB = ("armscii8", "ascii", "big5", "binary", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866", "cp932", "dec8",
            "eucjpms", "euckr", "gb2312", "gbk", "geostd8", "greek", "hebrew", "hp8", "keybcs2", "koi8r", "koi8u", "latin1", "latin2",
            "latin5", "latin7", "macce", "macroman", "sjis", "swe7", "tis620", "ucs2", "ujis", "utf16", "utf16le", "utf32", "utf8",
            "utf8mb3", "utf8mb4", "uca1400")  # fmt: skip
"""Character sets of MariaDB; a collation begins with one of them."""


def describe(site: Site, observed: Observed) -> None:
    """All that a move has to heed beside the plain facts."""
    _code(site, observed)
    _infection(site, observed)
    _content(site, observed)
    _cron(site, observed)
    _database(site, observed)
    selinux = observed.first("selinux")
    if selinux is not None:
        site.learn("host.selinux", selinux.data.get("mode"), selinux)
        rules = [str(line) for name in ("fcontexts", "booleans", "ports") for line in selinux.data.get(name) or []]
        site.learn("host.selinux_local", rules[:MOST], selinux)


def _code(site: Site, observed: Observed) -> None:
    """What the files say: each place as `path:line token`."""
    searched = observed.where("code", "docroot", walked(site))
    if searched is None:
        return
    for name in _CODE:
        found = searched.data.get(name)
        if isinstance(found, Mapping):
            places = [f"{place.get('path')}:{place.get('line')} {place.get('token')}".strip() for place in found.get("places") or []]
            site.learn(f"code.{name}", places[:MOST], searched)


def _infection(site: Site, observed: Observed) -> None:
    """Signs of a break-in in the site's own folder, by severity; none is known to be none only where code and content were read."""
    docroot = walked(site)
    signs: Mapping[str, list[Seen]] = observed.once("infection", lambda: _by_docroot(observed.of("infection_sign")))
    own = [item for item in signs.get(str(docroot), ()) if docroot]
    own += [item for item in signs.get("", ()) if docroot and under(item.data.get("path"), docroot)]
    code, content = observed.where("code", "docroot", docroot), observed.where("content", "docroot", docroot)
    whole = code is not None and bool(code.data.get("complete")) and content is not None and content.data.get("complete", True) is True
    for severity in ("high", "medium"):
        found = [item for item in own if item.data.get("severity") == severity]
        if found or whole:
            shown = sorted({f"{item.data.get('path')}: {item.data.get('sign')}" for item in found})
            site.learn(f"infection.{severity}", shown[:MOST], *(found or [item for item in (code, content) if item is not None]))


def _by_docroot(items: Iterable[Seen]) -> dict[str, list[Seen]]:
    found: dict[str, list[Seen]] = {}
    for item in items:
        found.setdefault(str(item.data.get("docroot") or ""), []).append(item)
    return found


def _content(site: Site, observed: Observed) -> None:
    seen = observed.where("content", "docroot", walked(site))
    if seen is None or not seen.data.get("exists"):
        return
    for name in _LISTS:
        value = seen.data.get(name)
        if isinstance(value, list):
            site.learn(f"content.{name}", [_path(item) for item in value][:MOST], seen)
    for name in _COUNTED:
        value = seen.data.get(name)
        if isinstance(value, Mapping):
            site.learn(f"content.{name}", value.get("count"), seen)
    site.learn("content.hard_links_outside", seen.data.get("hard_links_outside"), seen)
    odd = seen.data.get("odd_names")
    if isinstance(odd, Mapping):
        names = sorted(str(path) for paths in odd.values() for path in paths or [])
        site.learn("content.odd_file_names", names[:MOST], seen)


def _path(item: Any) -> str:
    return str(item.get("path")) if isinstance(item, Mapping) else str(item)


_SYSTEM = ("/etc/cron.d/", "/etc/cron.hourly/", "/etc/cron.daily/", "/etc/cron.weekly/", "/etc/cron.monthly/", "/lib/", "/usr/lib/")
"""Where packages put jobs of their own."""


def _cron(site: Site, observed: Observed) -> None:
    """Jobs that name the site's folder or one of its names, and those of its own account."""
    docroot, jobs = str(walked(site) or ""), observed.of("cron")
    if not docroot or (not jobs and "cron" in observed.unread):
        return
    if not jobs:
        return  # a host without any job was probably not asked
    own_user = site.value("site.web_user")
    shared = {"root", "www-data", "apache", "nginx", "www", "http", "nobody", "wwwrun", "daemon"}
    found = []
    for job in jobs:
        command, user, file = str(job.data.get("command") or ""), job.data.get("user"), str(job.data.get("file") or "")
        named = docroot in command or any(name in command for name in site.names if "." in name)
        alone = user == own_user and user not in shared and not file.startswith(_SYSTEM)
        if job.data.get("enabled") and (named or (alone and user is not None)):
            found.append(job)
    shown = [f"{job.data.get('schedule')} {job.data.get('command')}"[:200] for job in found]
    site.learn("site.cron", shown[:MOST], *(found or jobs[:1]))


def _database(site: Site, observed: Observed) -> None:
    """Texts, dates and objects of its schema that a restore elsewhere would trip over."""
    name = site.value("database.name")
    size = site.value("database.myisam_bytes")
    if isinstance(size, int):
        site.learn("database.lock_seconds", -(-size // LOCK_BYTES_A_SECOND), why="MyISAM tables at 50 MB a second")
    if name is None or site.value("database.remote"):
        return
    places = [tuple(place) for place in site.facts.get("database.tables", site.facts["database.name"])["evidence"]]
    listed = next((item for item in observed.of("database") if item.data.get("name") == name and item.evidence in places), None)
    if listed is None:
        return
    data = listed.data
    for field in ("definers_missing", "zero_date_defaults", "foreign_keys_to", "events_enabled"):
        site.learn(f"database.{field}", data.get(field), listed)
    known = [*(data.get("table_collations") or {}), *(data.get("column_collations") or {})]
    if "table_collations" in data or "column_collations" in data:
        site.learn("database.collations_foreign", sorted({text for text in known if not _in_mariadb(str(text))}), listed)
    samples = data.get("samples")
    if isinstance(samples, Mapping):
        for field in ("double_encoded", "utf8_in_latin1", "zero_dates"):
            site.learn(f"database.{field}", _columns(samples.get(field) or []), listed, why="in samples of at most 200 rows of a column")
    server = observed.where("database_server", "server", data.get("server"))
    if server is not None:
        site.learn("database.sql_mode", server.data.get("sql_mode"), server)
        site.learn("database.time_zone", server.data.get("time_zone"), server)


def _columns(items: Sequence[Any]) -> list[str]:
    return [f"{item.get('table')}.{item.get('column')}" for item in items if isinstance(item, Mapping)][:MOST]


def _in_mariadb(collation: str) -> bool:
    """Whether MariaDB has a collation of that name: those of MySQL 8 (`utf8mb4_0900_ai_ci`, `gb18030_chinese_ci`) it has not."""
    return "_0900_" not in collation and collation.partition("_")[0] in _MARIADB
