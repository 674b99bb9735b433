"""Records → files, and a map by which a plain static server answers the old URLs from them.  Pure.

In: a `Crawled`.  Out: a `Mapping`.  A URL whose path can be a file keeps it (`natural`): the ending has to mean the same Content-Type
everywhere in the site, and must be none that a server might execute.  Everything else (queries, `.php`, GBK paths, a page that is also a
folder, an odd type) lies below `_export/` under a name made of the URL and its digest, and the map leads there.  Names that climb, hide
or hold control characters are refused.  Bytes are never changed.

How a server resolves a request, path decoded and normal, query without session ids: `names` by its Host; `moved` by path and query;
`exact` by path and query; 404 when the query names a parameter that is `significant` for the path; `pages` by path; the path as a file,
then its `index.html`.  A file that a server might execute is never one of ours, and is not shown if somebody puts one there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import PurePosixPath
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from planner.export import urls
from planner.export.crawl import Crawled
from planner.export.records import Record

OWN = "_export"
EXECUTED = frozenset((
    "php", "php3", "php4", "php5", "php7", "phtml", "phar", "asp", "aspx", "asa", "ascx", "ashx", "asmx", "jsp", "jspx", "jspa", "jhtml",
    "do", "action", "cgi", "fcgi", "pl", "py", "rb", "cfm", "shtml", "shtm", "stm", "dll", "exe",
))  # fmt: skip
_ENDINGS = {
    "text/html": "html", "application/xhtml+xml": "xhtml", "text/css": "css", "text/javascript": "js", "application/javascript": "js",
    "application/x-javascript": "js", "application/json": "json", "text/xml": "xml", "application/xml": "xml", "application/rss+xml": "rss",
    "application/atom+xml": "atom", "text/plain": "txt", "image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp",
    "image/svg+xml": "svg", "image/x-icon": "ico", "application/pdf": "pdf", "application/zip": "zip", "application/gzip": "gz",
}  # fmt: skip
_TYPE = re.compile(r"[a-z0-9][a-z0-9.+_-]{0,100}/[a-z0-9][a-z0-9.+_-]{0,100}")
_ENDING = re.compile(r"\.([A-Za-z0-9_-]{1,12})$")
HIDDEN, CIRCLE = "hidden files are not published", "it redirects in a circle"
_BARE = re.compile(r"css|javascript$|ecmascript$|^(?:image|font|audio|video)/|font")


@dataclass(frozen=True)
class File:
    """One file of the export: its record and the Content-Type it has to be served with."""

    record: Record
    type: str


@dataclass
class Mapping:
    """Paths are those of URLs, percent-encoded, with a leading slash; keys are a path, `?`, and the query (which may be empty)."""

    files: dict[str, File] = field(default_factory=dict)
    exact: dict[str, str] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    significant: dict[str, list[str]] = field(default_factory=dict)
    moved: dict[str, tuple[int, str]] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)  # header → file → value; "" is every other file
    answered: dict[str, str] = field(default_factory=dict)  # URL → file, or the key in `moved`
    refused: dict[str, str] = field(default_factory=dict)  # URL → why there is no file for it
    names: dict[str, tuple[int, str]] = field(default_factory=dict)  # another name → status and where it leads
    case_pairs: list[tuple[str, str]] = field(default_factory=list)


def build(crawled: Crawled) -> Mapping:
    """The map of a crawl; the same crawl gives the same map."""
    made = Mapping()
    exported: dict[str, Record] = {}
    for url in sorted(crawled.records):
        record = crawled.records[url]
        if record.outcome not in ("exported", "moved"):
            continue
        if reason := _hostile(urls.split(url)[0]):
            made.refused[url] = reason
        elif record.outcome == "exported":
            exported[url] = record
    _moved(crawled, made)
    paths: dict[str, dict[str, Record]] = {}
    for url, record in exported.items():
        path, query = urls.split(url)
        paths.setdefault(path, {})[query] = record
    plain = {path: one for path, queries in paths.items() if (one := _plain(queries)) is not None}
    _types(plain, made)
    natural = _natural(plain, made)
    for path, queries in paths.items():
        _place(path, queries, plain.get(path), natural, made, crawled.site)
    _folders(plain, crawled, made)
    _spellings(crawled, made)
    _headers(made)
    made.names = {name: (status, crawled.site.home[:-1]) for name, status in sorted(crawled.leading.items())}
    by_case: dict[str, str] = {}
    for name in sorted(made.files):
        other = by_case.setdefault(name.lower(), name)
        if other != name:
            made.case_pairs.append((other, name))
    return made


def key(url: str) -> str:
    """How a URL stands in the map: path, `?`, query."""
    path, query = urls.split(url)
    return f"{path}?{query}"


def _hostile(path: str) -> str:
    """Why no file may be made for a path; "" when one may.  Dots were resolved when the URL was made normal."""
    raw = unquote_to_bytes(path)
    if any(byte < 0x20 or byte == 0x7F for byte in raw):
        return "its name holds control characters"
    parts = raw.split(b"/")
    if any(part in (b".", b"..") for part in parts):
        return "its name climbs"
    if any(part.startswith(b".") and not (place == 1 and part == b".well-known") for place, part in enumerate(parts)):
        return HIDDEN
    return ""


def _moved(crawled: Crawled, made: Mapping) -> None:
    own = crawled.site
    for url in sorted(crawled.records):
        record = crawled.records[url]
        if record.outcome != "moved" or url in made.refused:
            continue
        bare, _, fragment = record.location.partition("#")
        inside = own.normal(bare)
        if inside and _loops(crawled, url):
            made.refused[url] = CIRCLE
            continue
        where = urls.request_target(inside) if inside else bare
        made.moved[key(url)] = (record.status, (f"{where}#{fragment}" if fragment else where).replace("$", "%24"))
        made.answered[url] = key(url)


def _loops(crawled: Crawled, url: str) -> bool:
    seen = {url}
    while (record := crawled.records.get(url)) is not None and record.outcome == "moved":
        url = crawled.site.normal(record.location.partition("#")[0])
        if url in seen:
            return True
        seen.add(url)
    return False


def _plain(queries: dict[str, Record]) -> Record | None:
    """What a path answers without a query; a style sheet that is only ever asked for as `?ver=…`, always the same, counts as that."""
    if "" in queries:
        return queries[""]
    first = queries[min(queries)]
    same = all(one.sha256 == first.sha256 for one in queries.values())
    return first if same and _BARE.search(first.media) else None


def content_type(record: Record) -> str:
    """The Content-Type of a record as we serve it: media type and charset, in one spelling."""
    media = record.media if _TYPE.fullmatch(record.media) else "application/octet-stream"
    charset = record.charset or record.declared
    return f"{media}; charset={charset}" if charset else media


def _file_of(path: str) -> tuple[str, str]:
    """(path of its natural file, ending in lower case); ("", "") when a path cannot be a file."""
    name = f"{path}index.html" if path.endswith("/") else path
    try:
        text = unquote(name, errors="strict")
    except UnicodeDecodeError:
        return "", ""
    found = _ENDING.search(text)
    parts = text.split("/")
    if found is None or found[1].lower() in EXECUTED or parts[1] == OWN or re.search(r"[\\$]", text):
        return "", ""
    if any(len(part.encode()) > 240 for part in parts) or len(text.encode()) > 2_000:
        return "", ""
    return name, found[1].lower()


def _types(plain: dict[str, Record], made: Mapping) -> None:
    """What each ending means: the type that most of its files have."""
    counted: dict[str, Counter[str]] = {}
    for path, record in plain.items():
        _, ending = _file_of(path)
        if ending:
            counted.setdefault(ending, Counter())[content_type(record)] += 1
    for ending in sorted(counted):
        made.types[ending] = min(counted[ending], key=lambda one: (-counted[ending][one], one))


def _natural(plain: dict[str, Record], made: Mapping) -> dict[str, str]:
    """Paths that are their own file → that file.  What is a folder of others cannot be one."""
    wanted: dict[str, str] = {}
    for path, record in plain.items():
        name, ending = _file_of(path)
        if ending and made.types[ending] == content_type(record):
            wanted[path] = name
    folders = {str(folder) for name in wanted.values() for folder in PurePosixPath(unquote(name)).parents}
    taken: dict[str, str] = {}
    for path in sorted(wanted, key=lambda one: (one.endswith("/"), one)):  # a file's own name goes before a folder's index
        name = wanted[path]
        if unquote(name) in folders:
            continue
        other = taken.get(name)
        if other is None or plain[other].digest == plain[path].digest:
            taken.setdefault(name, path)
        else:
            wanted[path] = ""
    return {path: name for path, name in wanted.items() if name and unquote(name) not in folders}


def _place(path: str, queries: dict[str, Record], plain: Record | None, natural: dict[str, str], made: Mapping, site: urls.Site) -> None:
    home = site.home[:-1]
    file = natural.get(path, "")
    if plain is not None:
        if file:
            made.files.setdefault(file, File(plain, content_type(plain)))
        else:
            file = made.pages[path] = _own_file(path, plain, made)
    differing = {query: one for query, one in queries.items() if query and (plain is None or not _alike(one, plain))}
    names = {name for query in differing for name, _ in urls.parameters(query)} if plain is not None else set()
    if names:
        made.significant[path] = sorted(names)
    by_form: dict[str, tuple[Record, str]] = {}
    for query, record in sorted(queries.items()):
        where = file
        if query in differing:
            # Two orders of the same parameters that show the same are one file.
            first, where = by_form.get(urls.sorted_form(f"?{query}"), (None, ""))
            if first is None or not _alike(record, first):
                where = _own_file(f"{path}?{query}", record, made)
                by_form.setdefault(urls.sorted_form(f"?{query}"), (record, where))
        made.answered[f"{home}{path}?{query}" if query else f"{home}{path}"] = where
        if query in differing or (query and names & {name for name, _ in urls.parameters(query)}):
            made.exact[f"{path}?{query}"] = where


def _alike(one: Record, other: Record) -> bool:
    return one.digest == other.digest and content_type(one) == content_type(other) and one.headers == other.headers


def _own_file(target: str, record: Record, made: Mapping) -> str:
    """The file of a URL that cannot be its own: readable, unique by the URL's digest, its ending made for its type."""
    digest = sha256(target.encode()).hexdigest()
    words = re.sub(r"[^A-Za-z0-9]+", "-", unquote(target, errors="ignore")).strip("-")[:60].strip("-") or "page"
    kind = content_type(record)
    name = f"/{OWN}/{digest[:2]}/{words}-{digest[:20]}.{_ending(kind, made)}"
    made.files[name] = File(record, kind)
    return name


def _ending(kind: str, made: Mapping) -> str:
    media = kind.partition(";")[0]
    usual = _ENDINGS.get(media, "")
    if usual and made.types.setdefault(usual, kind) == kind:
        return usual
    made_up = f"{usual or 'x'}-{sha256(kind.encode()).hexdigest()[:6]}"
    made.types[made_up] = kind
    return made_up


def _folders(plain: dict[str, Record], crawled: Crawled, made: Mapping) -> None:
    """A folder asked for without its slash leads to it, as with any server, unless the site answers something else there."""
    home = crawled.site.home[:-1]
    for path in plain:
        if path.endswith("/") and path != "/" and home + path[:-1] not in crawled.records:
            made.moved[f"{path[:-1]}?"] = (301, path.replace("$", "%24"))


def _spellings(crawled: Crawled, made: Mapping) -> None:
    """Other spellings of a query, and other orders of its parameters, lead to the same file."""
    home = crawled.site.home[:-1]
    others = [(key(url), first, url) for url, first in crawled.orders.items()]
    others += [(raw, url, "") for raw, url in crawled.spellings.items()]
    for raw, url, itself in sorted(others):
        where = made.answered.get(url) or made.answered.get(crawled.orders.get(url, ""))
        if where is None:
            continue
        if where in made.moved:
            made.moved.setdefault(raw, made.moved[where])
        elif key(url) in made.exact or itself:
            made.exact.setdefault(raw, where)
        if itself:
            made.answered.setdefault(itself if itself.startswith(home) else home + itself, where)


def _headers(made: Mapping) -> None:
    """Headers that have to be repeated; the value that most files have, if that is any, is everybody's."""
    names = {name for file in made.files.values() for name in file.record.headers}
    for name in sorted(names):
        values = {path: file.record.headers.get(name, "") for path, file in sorted(made.files.items())}
        counted = Counter(values.values())
        usual = min(counted, key=lambda one: (-counted[one], one))
        made.headers[name] = {"": usual, **{path: value for path, value in values.items() if value != usual}}


def resolve(made: Mapping, path: str, query: str) -> Iterator[str]:
    """Files by which a request is answered, the first that exists; `path` and `query` in their normal form.  The rule of this module."""
    if (exact := made.exact.get(f"{path}?{query}")) is not None:
        yield exact
        return
    if path not in made.pages and path.rpartition(".")[2].lower() in EXECUTED:
        return
    names = made.significant.get(path, [])
    if names and any(name in names for name, _ in urls.parameters(query)):
        return
    own = made.pages.get(path, path)
    yield own
    yield f"{own}index.html" if own.endswith("/") else ""


def inside(location: str, names: Iterable[str]) -> bool:
    """Whether a redirect stays within the site."""
    return location.startswith("/") or urlsplit(location).netloc in set(names)
