"""Which web servers a copied configuration tree holds, and where their main files are.  Pure.

In: files and links by their path below the folder that was given (`/etc/nginx/nginx.conf`, or `/nginx.conf` when the folder is
the server's root), and perhaps which server.  Out: vhosts of all servers found, each with the file as the host names it, or
relative to the folder.  Discovery reads with the same functions; it knows the main file from the running process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from inventory.webconfig import apache, caddy, lighttpd, nginx, tomcat
from inventory.webconfig.model import SERVERS, WebConfig, unique
from inventory.webconfig.tree import Tree

_TOP = {"etc", "usr", "opt", "var", "srv", "home", "root", "www", "data", "app", "apps", "export", "mnt", "apache", "nginx", "tomcat"}
_KNOWN: dict[str, tuple[str, ...]] = {
    "nginx": (
        "/etc/nginx", "/usr/local/nginx/conf", "/usr/local/etc/nginx", "/usr/local/openresty/nginx/conf", "/opt/nginx/conf",
        "/www/server/nginx/conf", "/etc/tengine", "/usr/local/tengine/conf", "/opt/homebrew/etc/nginx",
    ),
    "apache": (
        "/etc/apache2", "/etc/httpd/conf", "/usr/local/apache2/conf", "/usr/local/apache/conf", "/etc/apache2/conf",
        "/usr/local/etc/apache24", "/opt/lampp/etc", "/www/server/apache/conf",
    ),
    "tomcat": ("/opt/tomcat/conf", "/usr/local/tomcat/conf", "/etc/tomcat"),
    "lighttpd": ("/etc/lighttpd", "/usr/local/etc/lighttpd"),
    "caddy": ("/etc/caddy", "/usr/local/etc/caddy"),
}  # fmt: skip
_MAIN: dict[str, Callable[[str, str], bool]] = {
    "nginx": lambda name, text: name == "nginx.conf" and re.search(r"^[ \t]*(http|events)\s{0,50}\{", text, re.M) is not None,
    "apache": lambda name, text: name in {"apache2.conf", "httpd.conf"} and not re.search(r"^[ \t]*(http|events)\s{0,50}\{", text, re.M),
    "tomcat": lambda name, text: name == "server.xml" and "<Server" in text,
    "lighttpd": lambda name, _text: name == "lighttpd.conf",
    "caddy": lambda name, _text: name == "Caddyfile",
}
_SIGNS = {
    "nginx": re.compile(r"^[ \t]*server[ \t\n]{0,20}\{", re.M),
    "apache": re.compile(r"^[ \t]*<VirtualHost[ \t]", re.M | re.I),
    "tomcat": re.compile(r"<Server[ \t\n][^<]{0,500}>"),
    "lighttpd": re.compile(r'^[ \t]*(\$HTTP\["host"\]|server\.document-root)', re.M),
    "caddy": re.compile(r"^\S[^\n{]{0,300}\{\s", re.M),
}
_NOT_CONFIGURATION = re.compile(r"\.(md|rst|html?|py|sh|ya?ml|json|j2|tmpl|php|pl|rb|go|js|css|adoc)$", re.I)
_OFF = re.compile(
    r"/(sites|conf|vhosts?)[-_.]?(available|disabled|off|old)/|/(disabled|backup|old|bak)/"
    r"|(~|\.(disabled?|off|bak|old|orig|save|sample|example|default|dpkg-\w+|ucf-\w+|rpm(new|save|orig)|swp|\d{6,}))$",
    re.I,
)


@dataclass
class Reading:
    """What one folder holds: for each server found its configuration; `names` gives back the names of the files as shown."""

    server: str
    main: str
    config: WebConfig
    names: Mapping[str, str] = field(default_factory=dict)

    def shown(self, file: str) -> str:
        """The file's name on its host, or below the folder when that is not known."""
        return self.names.get(file, file)


def read_all(files: Mapping[str, str], links: Mapping[str, str] | None = None, server: str = "") -> list[Reading]:
    """Read every server (or the one named) of a folder."""
    links = links or {}
    wanted = (server,) if server else SERVERS
    whole = Tree(files, links)
    found: list[Reading] = []
    for kind in wanted:
        mains = [name for name in sorted(whole.files) if _is_main(kind, name, whole)]
        found += [_mounted(kind, name, whole) for name in mains]
    missing = [kind for kind in wanted if not any(reading.server == kind for reading in found)]
    for kind in missing:
        taken = {name for reading in found for name in reading.config.reached}
        loose = [name for name in sorted(whole.files) if name not in taken and _is_loose(kind, name, whole, forced=bool(server))]
        if loose:
            found.append(_loose(kind, loose, whole))
    return found


def _is_main(kind: str, name: str, tree: Tree) -> bool:
    directory, _, last = name.rpartition("/")
    if not _MAIN[kind](last, tree.files[name]):
        return False
    # Debian keeps an empty httpd.conf beside apache2.conf
    return not (last == "httpd.conf" and tree.exists(f"{directory}/apache2.conf"))


def _is_loose(kind: str, name: str, tree: Tree, *, forced: bool) -> bool:
    if _NOT_CONFIGURATION.search(name) and not forced:
        return False
    if kind == "caddy" and not forced:
        return "caddyfile" in name.rsplit("/", 1)[1].lower() or name.endswith(".caddy")
    return _SIGNS[kind].search(tree.files[name]) is not None


def _place(kind: str, main: str, tree: Tree) -> tuple[str, str]:
    """(what to take off, what to put before) so that a path below the folder becomes the path on the host."""
    directory = main.rpartition("/")[0]
    for known in sorted(_KNOWN[kind], key=len, reverse=True):
        if directory.endswith(known):
            return directory.removesuffix(known), ""
    for part in re.finditer(r"/(etc|opt|usr|var|srv|www|home)/", directory + "/"):
        return directory[: part.start()], ""
    if directory.split("/")[1:2] and directory.split("/")[1] in _TOP - {"apache", "nginx", "tomcat"}:
        return "", ""
    if kind == "tomcat":
        return directory.removesuffix("/conf"), ""
    return max(_candidates(kind, directory, tree.files[main], tree), key=lambda found: found[0])[1]


_INCLUDE = {
    "nginx": re.compile(r"(?:^|[{;])[ \t]*include[ \t]+[\"']?([^;\"'\n]{1,300})", re.M),
    "apache": re.compile(r"^[ \t]*Include(?:Optional)?[ \t]+[\"']?([^\"'\n]{1,300})", re.M | re.I),
}


def _candidates(kind: str, directory: str, text: str, tree: Tree) -> Iterator[tuple[int, tuple[str, str]]]:
    """(how many of its includes lead to what is here, (what to take off, what to put before)) for each place the main file may have had."""
    said = [found.strip().replace("\\", "/") for found in _INCLUDE[kind].findall(text)[:50]] if kind in _INCLUDE else []
    homes = list(_KNOWN[kind])
    root = ""
    if kind == "apache":
        root = _server_root(text)
        debian = tree.exists(f"{directory}/apache2.conf") or any(target.startswith("/etc/apache2/") for target in said)
        first = root or ("/etc/apache2" if debian else "/etc/httpd")
        homes = ([f"{first}/conf", first] if directory.endswith("/conf") else [first, f"{first}/conf"]) + homes
    if kind == "nginx":
        homes += [target.rpartition("/")[0].rpartition("/")[0] for target in said if target.startswith("/")]
    for home in unique([home for home in homes if home]):
        theirs, ours = home.split("/"), directory.split("/")
        while len(ours) > 1 and len(theirs) > 1 and theirs[-1] == ours[-1]:
            theirs.pop()
            ours.pop()
        put, cut = "/".join(theirs), "/".join(ours)
        base = home if kind == "nginx" else root or home.removesuffix("/conf")
        score = 0
        for target in said:
            path = _rooted(target) if target.startswith("/") or _DRIVE.match(target) else f"{base}/{target}"
            if path.startswith(f"{put}/"):
                here = cut + path.removeprefix(put)
                score += 3 if tree.exists(here.rpartition("/")[0] if re.search(r"[*?\[]", here) else here) else 0
                score += target.startswith("/")
        yield score, (cut, put)


_DRIVE = re.compile(r"[A-Za-z]:[/\\]")


def _rooted(path: str) -> str:
    return f"/{path}" if _DRIVE.match(path) else path


def _server_root(text: str) -> str:
    """What `ServerRoot` says, `Define`s put in; a drive's letter stands below the root."""
    match = re.search(r'^[ \t]*ServerRoot[ \t]+"?([^"\s]+)', text, re.M | re.I)
    if not match:
        return ""
    defined = dict(re.findall(r'^[ \t]*Define[ \t]+(\w{1,100})[ \t]+"?([^"\s]{1,300})', text, re.M | re.I)[:100])
    value = re.sub(r"\$\{(\w+)\}", lambda m: defined.get(m.group(1), m.group()), match.group(1)).replace("\\", "/").rstrip("/")
    return _rooted(value) if value.startswith("/") or _DRIVE.match(value) else ""


def _mounted(kind: str, main: str, tree: Tree) -> Reading:
    cut, put = _place(kind, main, tree)
    if not cut and not put:
        inside = kind == "tomcat" and main in {"/server.xml", "/conf/server.xml"}
        names = {name: name.lstrip("/") for name in tree.files} if inside else {}
        return _read(kind, [main], tree, names, "", relative=inside)
    shown = {put + name.removeprefix(cut): name.lstrip("/") for name in (*tree.files, *tree.links) if name.startswith(cut + "/")}
    files = {put + name.removeprefix(cut): text for name, text in tree.files.items() if name.startswith(cut + "/")}
    links: dict[str, str] = {}
    for name, target in tree.links.items():
        if name.startswith(cut + "/"):
            # a relative link was made absolute below the folder; an absolute one already names a place on the host
            inside = target.startswith(cut + "/") and tree.exists(target)
            links[put + name.removeprefix(cut)] = put + target.removeprefix(cut) if inside else target
    return _read(kind, [put + main.removeprefix(cut)], Tree(files, links), shown, "", relative=True)


def _loose(kind: str, names: list[str], tree: Tree) -> Reading:
    on = [name for name in names if not _OFF.search(name)]
    linked = {tree.real(name) for name in tree.links if not _OFF.search(name)}
    on += [name for name in names if name not in on and name in linked]
    root = next((home for home in _KNOWN[kind] if any(name.startswith(home + "/") for name in names)), "")
    shown = {} if root or any(name.split("/")[1] in _TOP for name in names) else {name: name.lstrip("/") for name in tree.files}
    directory = root or names[0].rpartition("/")[0] or "/"
    reading = _read(kind, on, tree, shown, directory, relative=not root)
    for name in names:
        if name not in reading.config.reached:
            alone = _read(kind, [name], tree, shown, directory, relative=not root).config
            vhosts = [vhost for vhost in alone.vhosts if vhost.file == name]
            for vhost in vhosts:
                vhost.enabled = False
            reading.config.vhosts = [vhost for vhost in reading.config.vhosts if vhost.file != name] + vhosts
    return reading


def _read(kind: str, mains: list[str], tree: Tree, shown: Mapping[str, str], root: str, *, relative: bool) -> Reading:
    main = mains[0] if mains else ""
    if kind == "nginx":
        known = any(root == home or main.startswith(home + "/") for home in _KNOWN["nginx"])
        config = nginx.read(tree, mains, root=root, prefix=None if known and not shown else "")
    elif kind == "apache":
        config = apache.read(tree, mains, variables=_environment(tree, main), root=root)
    elif kind == "lighttpd":
        config = lighttpd.read(tree, mains, root=root)
    elif kind == "caddy":
        config = caddy.read(tree, mains, root=root)
    else:
        config = WebConfig()
        for name in mains:
            one = tomcat.read(tree, name, base="" if relative else None)
            config.vhosts += one.vhosts
            config.problems += one.problems
            config.reached |= one.reached
    return Reading(kind, main, config, shown)


def _environment(tree: Tree, main: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in (f"{main.rpartition('/')[0]}/envvars", "/etc/sysconfig/httpd", "/etc/conf.d/apache2", "/etc/default/apache2"):
        found |= apache.environment(tree.text(name) or "")
    for name in ("APACHE_ARGUMENTS", "OPTIONS", "APACHE2_OPTS"):
        found |= dict.fromkeys(apache.arguments(found.get(name, "")), "")
    return found
