"""Facts of a tree of files → the web applications in it, with version, configuration file, database, plugins and themes.  Pure.

In: `applications.Facts`.  Out: what was recognised, outermost first, each with the line that proves it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Set
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from inventory.applications import DSN, GENERATOR, GENERIC, INDEXES, SECTIONS, Depends, Facts, Parts, Signature, data, expression

PAGES = {"php": "PHP application", "jsp": "JSP pages", "aspx": "ASP.NET", "asp": "Classic ASP"}
LANGUAGES = {"php": "PHP", "jsp": "Java", "aspx": ".NET", "asp": "VBScript"}
DATABASE = ("name", "user", "host", "server", "port", "charset", "prefix", "socket")
PRODUCTS = {
    "mysqli": "mysql", "pdo_mysql": "mysql", "mysql2": "mysql", "pgsql": "postgresql", "postgres": "postgresql", "postgis": "postgresql",
    "pdo_pgsql": "postgresql", "sqlite3": "sqlite", "pdo_sqlite": "sqlite", "mssql": "sqlserver", "sqlsrv": "sqlserver", "oci": "oracle",
}  # fmt: skip
PACKAGES = {"dependencies", "devdependencies", "peerdependencies", "optionaldependencies"}
COPY = re.compile(
    r"(?i)(?:.+[ ._-](?:old|bak|backup|copy|orig)(?:[._-]?\d*)|(?:old|bak|backup)[._-].+"
    r"|bak|backups?|\.bak|.+ - copy|.*备份.*|.+[._-]20\d{6})"
)


@dataclass(frozen=True)
class Found:
    """One application; `line` is the one of `Facts.names` that proves it; `root` its folder, '' for the tree's own."""

    data: dict[str, Any]
    line: int
    root: str
    static: bool = False


@lru_cache(2000)
def _mark(path: str) -> re.Pattern[str]:
    return re.compile(expression(path))


def _join(root: str, path: str) -> str:
    return f"{root}/{path}" if root else path


class _Tree:
    """Facts by what recognition asks: is it there, what does it say."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.by_base: dict[str, list[str]] = defaultdict(list)
        for name in sorted(facts.names):
            self.by_base[name.rsplit("/", 1)[-1]].append(name)
        self._ends: dict[str, list[tuple[str, str]]] = {}

    def ends(self, path: str) -> list[tuple[str, str]]:
        """(root, name) of the names that end with a path."""
        if path not in self._ends:
            base = path.rsplit("/", 1)[-1]
            names = self.by_base.get(base, []) if "*" not in base else self.facts.names
            depth = path.count("/") + 1
            self._ends[path] = [("/".join(name.split("/")[:-depth]), name) for name in names if _mark(path).search(name)][:2000]
        return self._ends[path]

    def under(self, root: str, paths: str) -> list[str]:
        """The files at a path (with `*`, or alternatives) below a root."""
        found: list[str] = []
        for path in paths.split("|"):
            if "*" not in path:
                parts = _join(root, path).split("/")
                if ".." in parts[1:] and parts[0] != "..":
                    at = parts.index("..")
                    parts = parts[: at - 1] + parts[at + 1 :]
                found += ["/".join(parts)] if "/".join(parts) in self.facts.names else []
            else:
                found += sorted(name for at, name in self.ends(path) if at == root)
        return found

    def line(self, name: str, expected: str) -> str:
        """What a pattern's last group finds in a file, '' if nothing or if there is no pattern."""
        matches = (re.search(expected, line) for line in (self.facts.lines.get(name, []) if expected else []))
        return next((match.group(match.re.groups).strip() for match in matches if match), "")

    def told(self, root: str, wanted: tuple[str, ...]) -> str:
        """What the patterns find in the first such file, joined by dots; '' unless all do."""
        for name in self.under(root, wanted[0]):
            values = [self.line(name, expected) for expected in wanted[1:]]
            if all(values):
                return ".".join(values)
        return ""


def recognise(facts: Facts) -> list[Found]:
    """All applications of a tree, outermost first; copies of one (`site_old`) are named in what holds them, not listed."""
    tree = _Tree(facts)
    kept: list[tuple[str, Signature, str]] = []
    copies: list[tuple[str, Signature, str]] = []
    for root, item, marker in sorted(_candidates(tree), key=lambda found: found[0].count("/") + bool(found[0])):
        same = [other for at, other, _ in kept if at == root]
        if any(other.name == item.name or other.name in item.unless for other in same) or (item.weak and same):
            continue
        if any(_owned(root, at, other) for at, other, _ in kept):
            continue
        (copies if _copy(root) else kept).append((root, item, marker))
    found = [Found(_described(tree, root, item), facts.names[marker], root) for root, item, marker in kept]
    found += _archives(tree, [at for at, *_ in kept])
    used = {str(one.data["config_file"]) for one in found} - {""}
    found += _others(tree, {at for at, *_ in kept + copies}, used)
    held: dict[str, list[str]] = defaultdict(list)
    for root, item, marker in copies:
        holder = max((one.root for one in found if one.root in {"", ".."} or _within(root, {one.root})), key=len, default=None)
        if holder is None:
            found.append(Found({**_described(tree, root, item), "copy": True}, facts.names[marker], root))
        else:
            held[holder].append(root)
    for one in found:
        if one.root in held:
            one.data["copies"] = sorted(held[one.root])
    return sorted(found, key=lambda one: (one.data["path"].count("/") + (one.data["path"] != "."), one.data["path"]))


def _copy(folder: str) -> bool:
    return any(COPY.fullmatch(part) for part in folder.split("/"))


def _within(folder: str, roots: Set[str]) -> bool:
    """Whether a folder is one of the roots or lies below one."""
    parts = folder.split("/")
    return any("/".join(parts[:length]) in roots for length in range(1, len(parts) + 1))


@cache
def _roots() -> list[tuple[Signature, list[tuple[str, str]]]]:
    """Each signature with the paths of its roots and their last part, '' where that is a pattern: most trees have none of them."""
    return [
        (item, [(path, "" if "*" in (base := path.rsplit("/", 1)[-1]) else base) for path in item.root]) for item in data().applications
    ]


def _candidates(tree: _Tree) -> Iterator[tuple[str, Signature, str]]:
    for item, paths in _roots():
        seen: set[str] = set()
        for path, base in paths:
            for root, marker in tree.ends(path) if not base or base in tree.by_base else ():
                if root in seen or len(seen) >= 500:
                    continue
                seen.add(root)
                if (
                    all(tree.under(root, other) for other in item.all)
                    and (not item.any or any(tree.under(root, other) for other in item.any))
                    and not any(tree.under(root, other) for other in item.none)
                    and all(_says(tree, root, said) for said in item.says)
                    and (item.depends is None or _framework(tree, root, item.depends) or _alone(tree, root, item.depends))
                ):
                    yield root, item, marker


def _says(tree: _Tree, root: str, said: tuple[str, str]) -> bool:
    return any(re.search(said[1], line) for name in tree.under(root, said[0]) for line in tree.facts.lines.get(name, []))


def _framework(tree: _Tree, root: str, depends: Depends) -> tuple[str, str] | None:
    """The first package of a package.json that makes it a server's, and the wished version."""
    names = {key.lower(): value for key, value in depends.packages.items()}
    for name in tree.under(root, depends.file):
        section = ""
        for key, value in tree.facts.settings.get(name, []):
            if key in SECTIONS and value == "{":
                section = key
            elif section in depends.sections and key in names:
                return names[key], value
    return None


def _alone(tree: _Tree, root: str, depends: Depends) -> bool:
    """Whether a package.json without any package starts a server all the same; with some, it may as well start a build."""
    return bool(depends.alone) and any(
        tree.line(name, depends.alone) and not any(key in PACKAGES and value == "{" for key, value in tree.facts.settings.get(name, []))
        for name in tree.under(root, depends.file)
    )


def _owned(root: str, outer: str, item: Signature) -> bool:
    """Whether a root lies in a folder that is another application's own."""
    if root == outer or not (root.startswith(outer + "/") or not outer):
        return False
    inside = root[len(outer) + bool(outer) :].split("/")
    return any(folder == "*" or inside[: folder.count("/") + 1] == folder.split("/") for folder in item.owns)


def _described(tree: _Tree, root: str, item: Signature) -> dict[str, Any]:
    version = next((value for told in item.version if (value := tree.told(root, told))), "")
    config, database, details = _configured(tree, root, item)
    framework = _framework(tree, root, item.depends) if item.depends else None
    found: dict[str, Any] = {
        "name": item.name, "version": version, "path": "." if root in {"", ".."} else root, "config_file": config, "database": database,
        "language": item.language, "plugins": _parts(tree, root, item.plugins), "themes": _parts(tree, root, item.themes),
    }  # fmt: skip
    more: dict[str, Any] = {
        "requires": next((value for told in item.requires if (value := tree.told(root, told))), ""),
        "root": root if root == ".." else "",
        **{name: tree.told(root, told) for name, told in item.details.items()},
        **{name: len(tree.under(root, path)) > 1 for name, path in item.several.items()},
        **details,
    }
    if framework:
        more["framework"], more["requires"] = framework[0] if framework[0] != item.name else "", framework[1]
    springs = [re.search(r"spring-core-([0-9][\w.]*?)\.jar$", name) for name in tree.under(root, "WEB-INF/lib/spring-*.jar")]
    if item.name == "Spring":
        more["framework"] = " ".join(["Spring", *[match.group(1) for match in springs if match][:1]])
    if item.named and _says(tree, root, (item.named.file, item.named.says)):
        more["configured_by_name"] = _named(tree, item, item.named.files)
    below = [name for name in sorted(tree.facts.unreadable) if not root or name.startswith(root + "/")]
    wanted = {name for path in (*item.config, *(told[0] for told in item.version)) for name in tree.under(root, path)}
    more["unreadable"] = [name for name in below if name in wanted]
    return found | {key: value for key, value in more.items() if value}


def _configured(tree: _Tree, root: str, item: Signature) -> tuple[str, dict[str, Any] | None, dict[str, Any]]:
    """The configuration file, the database that it names, further settings: of the first that names a database, else the first."""
    first: tuple[str, dict[str, Any] | None, dict[str, Any]] = ("", None, {})
    fields = {key.lower(): value for key, value in item.keys.items()} | DSN
    above = ".." if not root else root.rpartition("/")[0]
    own = bool(tree.under(above, item.root[0]))  # the folder above is an application of its own, and so is its configuration
    files = [name for path in item.config if not (own and path.startswith("../")) for name in tree.under(root, path)]
    for name in dict.fromkeys(files):
        database, details = _database(tree.facts.settings.get(name, []), fields, item.server)
        if name in tree.facts.unreadable or not item.keys:
            return first if first[0] else (name, database, details)
        if database or not first[0]:
            first = (name, database, {**first[2], **details})
        if database:
            break
    return first


def _named(tree: _Tree, item: Signature, files: str) -> dict[str, dict[str, Any]]:
    """Site name, or `default` → configuration file, database (as much of it as is said there) and further settings."""
    fields = {key.lower(): value for key, value in item.keys.items()} | DSN
    before, _, after = files.rpartition("/")[2].partition("*")
    found: dict[str, dict[str, Any]] = {}
    for _, name in tree.ends(files):
        database, details = _database(tree.facts.settings.get(name, []), fields, item.server)
        host = name.rpartition("/")[2].removeprefix(before).removesuffix(after)
        found[host] = {"config_file": name.replace("//", "/"), "database": database, **details}
        if name in tree.facts.unreadable:
            found[host]["unreadable"] = [name]
    return found


def _database(settings: list[tuple[str, str]], fields: dict[str, str], server: str) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Settings → database and details.  Of a file with sections, production's and then default's; the first value of each wins."""
    settings = _sections(settings, fields)
    values: dict[str, Any] = {}
    unresolved: set[str] = set()
    for key, value in settings:
        name = fields.get(key, "")
        if value == "?":
            unresolved |= {name} & ({*DATABASE[:3]} - values.keys())
        elif value not in {"", "{", "~"} and name and name != "section":
            values.setdefault(name, value)
    product = str(values.get("server", "")).lower().rsplit(".", 1)[-1].rsplit("\\", 1)[-1]
    details = {name: _plain(value) for name, value in values.items() if name not in DATABASE}
    if unresolved:
        details["unresolved"] = True
    if not values.get("name") and "name" not in unresolved:
        return None, details
    found = {name: values.get(name) for name in DATABASE[:3]}
    found["server"] = PRODUCTS.get(product, product) or server or None
    found |= {name: values[name] for name in DATABASE[4:] if name in values}
    return found | _placed(str(found["host"] or "")), details


def _placed(host: str) -> dict[str, str]:
    """Host, port and socket out of `db.edu:3307`, `localhost:/run/mysqld.sock`, `[::1]:3306`, `/run/mysqld.sock`."""
    match = re.fullmatch(r"([^:/]*|\[[^\]]*\]):(\d{1,5})", host)
    if match:
        return {"host": match.group(1) or "localhost", "port": match.group(2)}
    name, _, socket = host.partition(":") if re.match(r"[\w.-]*:/", host) else ("", "", host if host.startswith("/") else "")
    return {"host": name or "localhost", "socket": socket} if socket else {}


def _plain(value: str) -> Any:
    return {"true": True, "false": False}.get(value.lower(), value)


def _sections(settings: list[tuple[str, str]], fields: dict[str, str]) -> list[tuple[str, str]]:
    if "section" not in fields.values():
        return settings
    parts: dict[str, list[tuple[str, str]]] = defaultdict(list)
    section = ""
    for key, value in settings:
        if fields.get(key) == "section":
            section = key
        else:
            parts[section].append((key, value))
    live = parts["production"] + parts["default"] + parts[""]
    return live if parts["production"] else settings


def _parts(tree: _Tree, root: str, parts: Parts | None) -> list[dict[str, str]]:
    """Plugins or themes by folder, or by file where one file is all; with title and version from the header that has the title."""
    found: dict[str, dict[str, str]] = {}
    for path in parts.files if parts else ():
        at = path.rfind("*/")
        for name in tree.under(root, path):
            inside = name[len(root) + bool(root) :].split("/")
            slug = inside[path[: at + 1].count("/")] if at >= 0 else inside[-1]
            title = tree.line(name, parts.title).removesuffix("*/").strip() if parts else ""
            version = tree.line(name, parts.version) if parts else ""
            if at < 0 and not title:
                continue
            if slug not in found or (title and not found[slug]["title"]):
                found[slug] = {"name": slug, "version": version if title or not (parts and parts.title) else "", "title": title}
    return [found[slug] for slug in sorted(found)]


def _archives(tree: _Tree, roots: list[str]) -> Iterator[Found]:
    """WAR files by their lists of contents; one that lies unpacked beside itself is that folder."""
    for name, inside in sorted(tree.facts.archives.items()):
        folder, stem = name.rpartition("/")[0], name.rpartition("/")[2][:-4]
        beside = _join(folder, stem)
        if beside in roots or not any(path.startswith("WEB-INF/") for path in inside):
            continue
        if any(folder == at or folder.startswith(at + "/") for at in roots if at) or "" in roots:
            continue
        version = re.search(r"(?:-|##)v?(\d[\w.]*(?:-SNAPSHOT)?)$", stem)
        springs = [m for path in inside if (m := re.search(r"/spring-core-([0-9][\w.]*?)\.jar$", path))]
        is_spring = any("/spring-" in path for path in inside)
        yield Found(
            {
                "name": "Spring" if is_spring else "Java web application", "version": version.group(1) if version else "", "path": name,
                "config_file": "", "database": None, "language": "Java", "plugins": [], "themes": [], "archive": True,
                **({"framework": " ".join(["Spring", *[m.group(1) for m in springs[:1]]])} if is_spring else {}),
            },
            tree.facts.names.get(name, 1), name,
        )  # fmt: skip


def _others(tree: _Tree, roots: Set[str], used: Set[str]) -> Iterator[Found]:
    """What no signature claims: PHP, JSP and ASP pages, and static ones, where their index pages lie; `used` is some application's."""
    if roots & {"", ".."}:
        return
    left = {"" if folder == "." else folder: kinds for folder, kinds in tree.facts.counts.items()}
    left = {folder: kinds for folder, kinds in left.items() if not _within(folder, roots) and not _copy(folder)}
    for name in sorted(used):  # a configuration file beside its application
        folder, kind = name.rpartition("/")[0], name.rpartition(".")[2]
        if left.get(folder, {}).get(kind):
            left[folder] = {**left[folder], kind: left[folder][kind] - 1}
    indexed = {folder for folder, kinds in left.items() if kinds.get("index")}
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for folder, numbers in left.items():
        parts = folder.split("/")
        above = ["/".join(parts[:length]) for length in range(len(parts) + 1)]
        site = "" if not indexed else next((one for one in above if one in indexed), None)
        for kind, number in numbers.items() if site is not None else ():
            sums[site or ""][kind] += number
    for site, kinds in sorted(sums.items()):
        dynamic = [kind for kind in PAGES if kinds[kind]]
        for kind in dynamic:
            yield _generic(tree, site, kind, kinds[kind], roots)
        # what is no page (pictures, papers) makes a site only where nothing else was found
        if not dynamic and (kinds["html"] or (kinds["other"] and not roots)):
            yield _static(tree, site, kinds["html"])


def _generic(tree: _Tree, site: str, kind: str, number: int, roots: Set[str]) -> Found:
    config = ""
    database: dict[str, Any] | None = None
    details: dict[str, Any] = {}
    if kind in {"php", "asp", "jsp"}:
        inside = [
            name for path in GENERIC if path.endswith("." + kind) for _, name in tree.ends(path)
            if (not site or name.startswith(site + "/")) and not _within(name, roots) and not name.startswith(("../", "/"))
            and not _copy(name.rpartition("/")[0])
        ]  # fmt: skip
        for name in sorted(set(inside), key=lambda path: (path.count("/"), path)):
            database, details = _database(tree.facts.settings.get(name, []), data().generic | DSN, "mysql" if kind == "php" else "")
            if database:
                config = name
                break
    found = {
        "name": PAGES[kind], "version": "", "path": site or ".", "config_file": config, "database": database, "language": LANGUAGES[kind],
        "plugins": [], "themes": [], f"{kind}_files": number, **(details if config else {}),
    }  # fmt: skip
    return Found(found, 1, site)


def _static(tree: _Tree, site: str, pages: int) -> Found:
    told = [tree.told(site, (path, one)) for path in INDEXES for one in GENERATOR]
    generator = next((text for text in told if text), "")
    words = generator.split()
    name = next((known for known in data().generators if words and words[0].lower() == known.lower()), "")
    version = words[1].lstrip("v") if name and len(words) > 1 else ""
    found: dict[str, Any] = {
        "name": name or "static", "version": version, "path": site or ".", "config_file": "", "database": None, "language": "HTML",
        "plugins": [], "themes": [], "pages": pages,
    }  # fmt: skip
    if generator:
        found["generator"] = generator[:200]
    return Found(found, 1, site, static=True)
