#!/usr/bin/python3
"""Turn an application's configuration to its new database.
usage: app-config ACCOUNT DOCROOT SOURCE_DOCROOT SOURCE_FILE SOURCE_SCHEMA SOURCE_USER   (as root; credentials from /var/lib/vhost)

PHP is read piece by piece: comments are skipped, each string literal is seen with the name that it stands under (define, variable,
array key, property, argument of a connect function).  Nothing is replaced by its looks alone.
"""

import configparser
import os
import pathlib
import pwd
import re
import subprocess
import sys
from dataclasses import dataclass

NAMES = {
    "schema": re.compile(r"(?:.*_)?(?:db|database|dbname|db_?name|schema)(?:_?name)?", re.I),
    "user": re.compile(r"(?:.*_)?(?:db_?)?(?:user|username|usr|login|user_?name)", re.I),
    "password": re.compile(r"(?:.*_)?(?:db_?)?(?:pass|password|passwd|pwd|pw|passwort)", re.I),
    "host": re.compile(r"(?:.*_)?(?:db_?)?(?:host|hostname|server|servername|host_?name)", re.I),
}
CALLS = {  # arguments of functions that connect
    "mysql_connect": ("host", "user", "password"),
    "mysql_pconnect": ("host", "user", "password"),
    "mysqli_connect": ("host", "user", "password", "schema"),
    "mysqli": ("host", "user", "password", "schema"),
    "mysql_select_db": ("schema",),
    "mysqli_select_db": ("", "schema"),
    "PDO": ("dsn", "user", "password"),
}
NEAR = 25  # lines around the schema's name in which the other three are looked for
TOKEN = re.compile(
    r"(?P<comment>//[^\n]*|\#(?!\[)[^\n]*|/\*.*?\*/)"
    r"|(?P<string>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<heredoc><<<\s*['\"]?(?P<tag>\w+)['\"]?\r?\n.*?^\s*(?P=tag)\b)"
    r"|(?P<word>\$?\w+)|(?P<arrow>=>|->|::)|(?P<sign>[^\s\w])",
    re.S | re.M,
)


@dataclass
class Literal:
    """A string in the file: where, its value, the names it stands under, the line."""

    start: int
    end: int
    value: str
    name: str
    role: str
    line: int


def fail(text: str) -> None:
    sys.exit(f"planner: failed: {text}")


def unquote(text: str) -> str:
    body = text[1:-1]
    if text[0] == "'":
        return re.sub(r"\\([\\'])", r"\1", body)
    return re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t", "r": "\r"}.get(m[1], m[1]), body)


def quote(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def literals(text: str) -> list[Literal]:
    """All string literals of a PHP file with the names that they stand under."""
    found, before = [], []  # before: the last tokens, strings as their value
    calls: list[list] = []  # open parentheses: [function, argument index]
    begin = text.find("<?")
    for match in TOKEN.finditer(text, max(begin, 0)):
        kind, piece = match.lastgroup if match.lastgroup != "tag" else "heredoc", match[0]
        if kind in {"comment", "heredoc"}:
            continue
        if kind == "string":
            name, role = _name(before), ""
            if not name and calls and calls[-1][0] in CALLS:
                roles = CALLS[calls[-1][0]]
                role = roles[calls[-1][1]] if calls[-1][1] < len(roles) else ""
            found.append(Literal(match.start(), match.end(), unquote(piece), name, role, text.count("\n", 0, match.start()) + 1))
        elif piece == "(":
            calls.append([before[-1][1] if before and before[-1][0] == "word" else "", 0])
        elif piece == ")":
            calls and calls.pop()
        elif piece == "," and calls:
            calls[-1][1] += 1
        before.append((kind, unquote(piece) if kind == "string" else piece))
        del before[:-8]
    return found


def _name(before: list) -> str:
    words = [piece for _, piece in before]
    kinds = [kind for kind, _ in before]
    if words[-1:] == [","] and len(words) >= 4 and words[-4].lower() == "define" and words[-3] == "(" and kinds[-2] == "string":
        return words[-2]
    if words[-1:] == ["=>"] and kinds[-2] == "string":
        return words[-2]
    if words[-1:] == ["="]:
        if words[-2] == "]" and len(words) >= 3 and kinds[-3] == "string":
            return words[-3]
        return words[-2].lstrip("$")
    return ""


def edits(text: str, old: dict[str, str], new: dict[str, str], docroots: tuple[str, str]) -> list[tuple[int, int, str]]:
    """(start, end, replacement) for a PHP file.  Raises ValueError with what is missing or in doubt."""
    every = literals(text)
    is_ = lambda item, role: item.role == role or (not item.role and bool(NAMES[role].fullmatch(item.name)))  # noqa: E731
    anchors = [item for item in every if is_(item, "schema") and item.value in {old["schema"], new["schema"]}]
    names = "|".join(re.escape(name) for name in (old["schema"], new["schema"]))
    dsn = [item for item in every if item.role == "dsn" and re.search(rf"dbname=(?:{names})(?:;|$)", item.value)]
    if not anchors and not dsn:
        raise ValueError(f"no literal names the schema {old['schema']!r}")
    changes = [(item.start, item.end, quote(new["schema"])) for item in anchors if item.value != new["schema"]]
    for item in dsn:
        value = re.sub(r"dbname=[^;]*", "dbname=" + new["schema"], item.value)
        value = re.sub(r"host=[^;]*", "host=localhost", value)
        if value != item.value:
            changes.append((item.start, item.end, quote(value)))
    lines = [item.line for item in anchors + dsn]
    for role in ("user", "password", "host"):
        near = [i for i in every if is_(i, role) and min(abs(i.line - line) for line in lines) <= NEAR]
        if role == "user" and old["user"]:
            near = [item for item in near if item.value in {old["user"], new["user"]}]
        if role == "password" and len({item.name for item in near}) > 1:
            prefix = [item for item in near if item.name.lower().startswith("db")]
            near = prefix or near
        if role != "host" and not near:
            raise ValueError(f"no literal near line {lines[0]} holds the {role} of the database")
        if role != "host" and len({item.value for item in near}) > 1:
            raise ValueError(f"lines {', '.join(str(item.line) for item in near)} could each hold the {role} of the database")
        changes += [(item.start, item.end, quote(new[role])) for item in near if item.value != new[role]]
    for item in every:
        if (item.value + "/").startswith(docroots[0].rstrip("/") + "/"):
            changes.append((item.start, item.end, quote(docroots[1] + item.value[len(docroots[0].rstrip("/")) :])))
    return sorted(set(changes))


ENV = {"schema": "DB_DATABASE", "user": "DB_USERNAME", "password": "DB_PASSWORD", "host": "DB_HOST"}


def edits_env(text: str, new: dict[str, str]) -> list[tuple[int, int, str]]:
    """The same for a `.env` file (Laravel and relatives)."""
    changes = []
    for role, name in ENV.items():
        match = re.search(rf"^{name}=(.*)$", text, re.M)
        if match is None:
            if role == "host":
                continue
            raise ValueError(f"there is no {name}")
        if match[1].strip("\"'") != new[role]:
            changes.append((match.start(1), match.end(1), f'"{new[role]}"'))
    return sorted(changes)


def apply(text: str, changes: list[tuple[int, int, str]]) -> str:
    for start, end, value in reversed(changes):
        text = text[:start] + value + text[end:]
    return text


def main() -> None:
    account, docroot, source_docroot, source_file, schema, user = sys.argv[1:]
    relative = os.path.relpath(source_file, source_docroot)
    path = pathlib.Path(docroot) / relative
    home = pathlib.Path(docroot).resolve()
    if home not in path.resolve().parents:
        fail(f"{source_file} stands outside {source_docroot}: move it by hand")
    client = configparser.ConfigParser(interpolation=None)
    client.read(f"/var/lib/vhost/{account}.cnf")
    values = {key: value.strip('"') for key, value in client["client"].items()}
    new = {"schema": values["database"], "user": values["user"], "password": values["password"], "host": "localhost"}
    try:
        text = path.read_bytes().decode("latin-1")  # one byte, one character: an old gb2312 comment comes out as it went in
    except OSError as error:
        fail(f"{path}: {error.strerror}")
    try:
        changes = (
            edits_env(text, new)
            if path.name.startswith(".env")
            else edits(text, {"schema": schema, "user": user}, new, (source_docroot, docroot))
        )
    except ValueError as error:
        fail(f"{relative}: {error}; set its database by hand")
    if not changes:
        return
    owner = pwd.getpwnam(account)
    draft = path.with_name(f".{path.name}.planner")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o640)
    os.write(handle, apply(text, changes).encode("latin-1"))
    os.fchown(handle, owner.pw_uid, owner.pw_gid)
    os.close(handle)
    if path.suffix == ".php":
        check = subprocess.run(["php", "-l", str(draft)], capture_output=True, text=True, check=False)
        if check.returncode:
            draft.unlink()
            fail(f"{relative}: it would no longer be PHP: {check.stdout.strip()[:200]}")
    draft.replace(path)
    print(f"planner: changed: {len(changes)} literals in {relative}")


if __name__ == "__main__":
    main()
