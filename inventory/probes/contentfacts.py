"""What the walk through a docroot printed → facts: the shape of `content`, and the signs of infection that names, owners and times give.

`content`: {docroot, exists, complete, files, bytes (apparent), allocated_bytes, inodes, directories, symlinks, special, newest, oldest,
age_days, newest_path, newest_files [{path, at}], largest_files [{path, bytes}], years {year: {files, bytes}}, months (the last 24, by
mtime: what was added or changed, in UTC), owners {name: files}, owner_bytes, groups, modes {"f 644": entries}, extensions, extension_bytes,
hard_links (names of files with several), hard_links_outside (files with names elsewhere), hard_link_bytes (what a copy without -H adds),
sparse_files, setid, world_writable, writable_areas [{path, by, directories, files, bytes, php}], writable_files {files, php, paths},
odd_names {not_utf8, newline, over_143_bytes, same_but_for_case: paths}, links_outside, links_absolute (that point inside), links_dangling,
links_not_followed, mounts, version_control, backups [{path, bytes}], backup_bytes, htaccess, user_ini, password_files, sso_files,
php_in_uploads, acl, xattrs, immutable {count, paths}, counts {list: how many} where a list was cut at 50, not_read [why]}.

What was not walked to its end gives lower bounds under `at_least`, and only those lists that hold something: a fact that was not read
is absent.  `infection_sign`: {docroot, path, sign, severity (low | medium | high), text}: a reason to look, never a verdict.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

from inventory.probes.base import Block, Observation
from inventory.probes.fragments import number

SUMS = (
    "files", "bytes", "allocated_bytes", "directories", "symlinks", "special", "hard_links", "again", "hard_link_bytes",
    "hard_links_outside", "sparse_files",
)  # fmt: skip
LISTS = {
    "world": "world_writable", "setid": "setid", "special": "special_files", "vcs": "version_control", "htaccess": "htaccess",
    "userini": "user_ini", "htpasswd": "password_files", "sso": "sso_files", "upload": "php_in_uploads",
}  # fmt: skip
_ODD = {"bytes": "not_utf8", "newline": "newline", "long": "over_143_bytes", "case": "same_but_for_case"}
_ATTRIBUTES = {"acl": "acl", "xattr": "xattrs", "immutable": "immutable"}
_SIGNS = {
    "upload": ("php in uploads", "medium", "PHP lies among uploads"),
    "hidden": ("hidden php", "medium", "a PHP file whose name begins with a dot"),
    "double": ("double extension", "high", "one ending hides another"),
}
CORE_AGE = 86_400
"""Every update of WordPress rewrites wp-includes/version.php: core files a day newer than it were changed by something else."""


Rows = dict[str, list[tuple[list[str], int]]]
"""Lines by their tag: cells, and the line of the section."""


def whole(text: str) -> int | None:
    """A decimal number, or None."""
    return number(text)


def when(seconds: int) -> str | None:
    """Unix time as ISO 8601 in UTC; None outside of the years 1 to 9999."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else None
    except (ValueError, OverflowError, OSError):
        return None


def _name(text: str) -> str:
    return text.replace("\x01", "\n").replace("\x02", "\t")


def settings(block: Block) -> list[Observation]:
    """A `.htaccess` or `.user.ini`: its lines, secrets already taken out, and what in them an intruder would write."""
    lines = [line.strip() for line in block.lines if line.strip() and not line.strip().startswith(("#", "<", ";"))]
    if block.tag == "htaccess":
        found = [Observation("htaccess", {"path": block.value, "lines": lines[:200]}, block.line)]
    else:
        pairs = {name.strip(): value.strip() for name, equal, value in (line.partition("=") for line in lines[:200]) if equal}
        found = [Observation("user_ini", {"path": block.value, "settings": pairs}, block.line)]
    for offset, line in enumerate(block.lines, start=1):
        low = line.strip().lower()[:500]
        words = low.replace("=", " ").split()
        if "auto_prepend_file" in words or "auto_append_file" in words:
            found.append(_sign("", block.value, "code before every page", "low", low, block.line + offset))
        elif words[:1] in (["addhandler"], ["addtype"], ["sethandler"]) and "php" in low and set(words) & _HARMLESS:
            found.append(_sign("", block.value, "other files run as php", "high", low, block.line + offset))
    return found


_HARMLESS = {f"{dot}{end}" for dot in ("", ".") for end in ("jpg", "jpeg", "png", "gif", "ico", "txt", "css", "js", "pdf")}


def _sign(root: str, path: str, sign: str, severity: str, text: str, line: int) -> Observation:
    return Observation("infection_sign", {"docroot": root, "path": path, "sign": sign, "severity": severity, "text": text}, line)


def docroot(block: Block, now: int, users: list[str]) -> list[Observation]:
    """One docroot's `content` with its `infection_sign`s; an `unknown` where it was not walked to its end."""
    rows: Rows = {}
    for offset, line in enumerate(block.lines, start=1):
        tag, *cells = line.split("\t")
        rows.setdefault(tag, []).append(([_name(cell) for cell in cells], block.line + offset))
    root = block.value
    data: dict[str, Any] = {"docroot": root, "exists": True}
    why = _incomplete(rows)
    for cells in _cells(rows, "real", 1):
        data["real_path"] = cells[0]
    facts = _sums(rows, now) | _distribution(rows, now) | _lists(rows) | _links(rows, {root, str(data.get("real_path") or root)})
    if why:
        sums = {name: facts[name] for name in ("files", "bytes", "directories") if name in facts}
        data |= {"complete": False, "at_least": sums} | {name: value for name, value in facts.items() if isinstance(value, list) and value}
    else:
        data |= {"complete": True} | facts | ({"web_users": users} if users else {})
    data["not_read"] = [cells[0] for cells in _cells(rows, "notread", 1)] + _untimely(rows)
    found = [Observation("content", data, block.line)]
    if why:
        found.append(Observation("unknown", {"what": f"content:{root}", "why": why}, block.line))
    return found + _signs(root, rows)


def _cells(rows: Rows, tag: str, width: int) -> list[list[str]]:
    return [cells for cells, _ in rows.get(tag, []) if len(cells) == width]


def _incomplete(rows: Rows) -> str:
    """Why the numbers are no whole ones, '' when they are."""
    status = next(iter(rows.get("status", [])), (["none"], 0))[0]
    if status[0] == "unreadable":
        return "unreadable"
    if status[0] in {"124", "137", "143", "none", ""}:
        return "the walk was stopped before its end"
    if unread := rows.get("unread"):
        many = next((cells[0] for cells in _cells(rows, "many", 2) if cells[1] == "unread"), str(len(unread)))
        return f"{many} folders in it are unreadable"
    if len(status) > 2 and (number(status[2]) or 0):
        return f"{status[2]} names with a newline in them, and what lies below, were not looked at"
    if status[0] not in {"0", "1"}:
        return f"find ended with {status[0]}"
    return ""


def _untimely(rows: Rows) -> list[str]:
    return [f"{cells[0]}: stopped before its end" for cells in _cells(rows, "total", 3) if cells[1] in {"124", "137"}]


def _sums(rows: Rows, now: int) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for cells in _cells(rows, "sum", len(SUMS)):
        numbers = [number(cell) for cell in cells]
        if None not in numbers:
            data |= dict(zip(SUMS, numbers, strict=True))
    if data:
        again = data.pop("again")
        data["inodes"] = data["files"] + data["directories"] + data["symlinks"] + data["special"] - again
    files = [(number(cells[0]), cells[1]) for cells in _cells(rows, "newest", 2)]
    known = [(seconds, path) for seconds, path in files if seconds is not None and when(seconds)]
    data["newest_files"] = []
    if known:
        data |= {"newest": when(known[0][0]), "newest_path": known[0][1]}
        data["newest_files"] = [{"path": path, "at": when(seconds)} for seconds, path in known]
        if now:
            data["age_days"] = max(0, (now - known[0][0]) // 86400)
    for cells in _cells(rows, "oldest", 1):
        data["oldest"] = when(number(cells[0]) or 0)
    sizes = [(number(cells[0]), cells[1]) for cells in _cells(rows, "largest", 2)]
    data["largest_files"] = [{"path": path, "bytes": size} for size, path in sizes if size is not None]
    for cells in _cells(rows, "backups", 1):
        data["backup_bytes"] = number(cells[0])
    return data


def _distribution(rows: Rows, now: int) -> dict[str, Any]:
    """By age, owner, group, mode and ending."""
    data: dict[str, Any] = {"years": {}, "months": {}, "owners": {}, "owner_bytes": {}, "groups": {}, "modes": {}}
    data |= {"extensions": {}, "extension_bytes": {}}
    try:
        today = datetime.fromtimestamp(now, UTC)
    except (ValueError, OverflowError, OSError):
        today = datetime.fromtimestamp(0, UTC)
    first = date(max(1, today.year - 2), today.month, 1)
    for cells in _cells(rows, "day", 3):
        day, count, size = int(cells[0]) if re.fullmatch(r"-?\d{1,7}", cells[0], re.A) else None, number(cells[1]), number(cells[2])
        if day is None or count is None or size is None or not -719_000 < day < 2_900_000:
            continue
        at = date(1970, 1, 1) + timedelta(days=day)
        months = [("months", f"{at:%Y-%m}")] if now and at > first and at <= today.date() + timedelta(days=1) else []
        for group, key in [("years", str(at.year)), *months]:
            entry = data[group].setdefault(key, {"files": 0, "bytes": 0})
            entry["files"] += count
            entry["bytes"] += size
    for tag, counts, sizes in (("owner", "owners", "owner_bytes"), ("ext", "extensions", "extension_bytes")):
        for cells in _cells(rows, tag, 3):
            count, size = number(cells[0]), number(cells[1])
            if count is not None and size is not None:
                data[counts][cells[2]], data[sizes][cells[2]] = count, size
    for tag, name in (("group", "groups"), ("mode", "modes")):
        for cells in _cells(rows, tag, 2):
            if (count := number(cells[0])) is not None:
                data[name][cells[1]] = count
    # awk's order is chance: the same tree must give the same bytes
    return {name: dict(sorted(value.items())) if isinstance(value, dict) else value for name, value in data.items()}


def _lists(rows: Rows) -> dict[str, Any]:
    data: dict[str, Any] = {name: sorted(cells[0] for cells in _cells(rows, tag, 1)) for tag, name in LISTS.items()}
    data["odd_names"] = {name: sorted(cells[0] for cells in _cells(rows, tag, 1)) for tag, name in _ODD.items()}
    status = next(iter(rows.get("status", [])), ([""], 0))[0]
    if len(status) > 3 and status[1] != "yes":
        del data["odd_names"]["not_utf8"]
    backups = [{"path": cells[1], "bytes": size} for cells in _cells(rows, "backup", 2) if (size := number(cells[0])) is not None]
    data["backups"] = sorted(backups, key=lambda item: (-int(str(item["bytes"])), str(item["path"])))
    data["mounts"] = [{"type": cells[0], "path": cells[1]} for cells in _cells(rows, "mount", 2)]
    areas = []
    for cells in _cells(rows, "area", 6):
        counts = [number(cell) for cell in cells[1:5]]
        if None not in counts:
            areas.append({"path": cells[5], "by": cells[0]} | dict(zip(("directories", "files", "bytes", "php"), counts, strict=True)))
    data["writable_areas"] = sorted(areas, key=lambda item: str(item["path"]))
    for cells in _cells(rows, "writable", 3):
        paths = sorted(path[0] for path in _cells(rows, "loose", 1))
        data["writable_files"] = {"files": number(cells[1]), "php": number(cells[2]), "paths": paths}
        if (number(cells[0]) or 0) > len(areas):
            data["writable_areas_count"] = number(cells[0])
    names = LISTS | _ODD | {"backup": "backups", "loose": "writable_files"}
    cut = {names[cells[1]]: count for cells in _cells(rows, "many", 2) if cells[1] in names and (count := number(cells[0])) and count > 50}
    if cut:
        data["counts"] = dict(sorted(cut.items()))
    for tag, name in _ATTRIBUTES.items():
        for cells in _cells(rows, "total", 3):
            if cells[0] == tag and cells[1] not in {"124", "137"} and (count := number(cells[2])) is not None:
                data[name] = {"count": count, "paths": sorted(" ".join(found) for found, _ in rows.get(tag, []))}
    return data


def _links(rows: Rows, roots: set[str]) -> dict[str, Any]:
    data: dict[str, Any] = {"links_outside": [], "links_absolute": [], "links_dangling": [], "links_not_followed": []}
    for state, path, target in _cells(rows, "link", 3):
        entry = {"path": path, "target": target}
        inside = any(_within(base, path, target) for base in roots)
        if not inside:
            data["links_outside"].append(entry)
        elif target.startswith("/"):
            data["links_absolute"].append(entry)
        if state == "gone":
            data["links_dangling"].append(entry)
        elif state != "ok":
            data["links_not_followed"].append(entry)
    return {name: sorted(value, key=lambda item: item["path"]) for name, value in data.items()}


def _within(root: str, link: str, target: str) -> bool:
    """Whether a symlink's text stays in the docroot; links through other links are judged by their text alone."""
    parts = [] if target.startswith("/") else [part for part in f"{root}/{link}".split("/")[:-1] if part]
    for part in target.split("/"):
        if part == "..":
            if parts:
                parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    path = "/" + "/".join(parts)
    return path == root or path.startswith(root.rstrip("/") + "/")


def _signs(root: str, rows: Rows) -> list[Observation]:
    found: list[Observation] = []
    for tag, (sign, severity, text) in _SIGNS.items():
        found += [_sign(root, cells[0], sign, severity, text, line) for cells, line in rows.get(tag, []) if len(cells) == 1]
    versions = {cells[1].rpartition("version.php")[0]: number(cells[0]) or 0 for cells in _cells(rows, "version", 2)}
    for cells, line in rows.get("corefile", []):
        if len(cells) != 2 or (changed := number(cells[0])) is None:
            continue
        core = re.match(r"(.*?)wp-(?:includes|admin)/", cells[1], re.S)
        known = versions.get(f"{core.group(1)}wp-includes/") if core else None
        if known and changed > known + CORE_AGE:
            text = f"changed {when(changed)}, the core's version.php {when(known)}"
            found.append(_sign(root, cells[1], "core file newer than the core", "medium", text, line))
    for cells, _ in rows.get("core", []):
        if len(cells) == 2 and (total := number(cells[0])) and (own := number(cells[1])) and own * 10 < total:
            text = f"the web server's user owns {own} of {total} core files"
            found += [
                _sign(root, at[0], "core file of the web user", "medium", text, line)
                for at, line in rows.get("coreweb", [])
                if len(at) == 1
            ]
    return sorted(found, key=lambda item: item.line)
