#!/usr/bin/python3
"""Archive one site from its old host, or prove an archive against it.  usage: site-archive made|proved < JSON  (as root)

The docroot comes as a tar stream and the schema as a dump, over the move's own key; pages come as a visitor gets them.  `made` writes the
archive beside its place and renames it.  `proved` reads the archive back, has the source send everything once more, and compares both.
"""

import datetime
import fcntl
import gzip
import hashlib
import html
import http.client
import json
import os
import pathlib
import re
import secrets
import shutil
import ssl
import subprocess
import sys
import tarfile
import time
import urllib.parse
import zlib

CHUNK = 1 << 20
PAGES, PAGE_BYTES, PAGE_SECONDS = 300, 20_000_000, 300
"""A static copy is for readers: the home page, what it links to, and what those show; no mirror."""
LINK = re.compile(rb"""(?:href|src)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
SHOWN = re.compile(r"\.(?:css|js|png|jpe?g|gif|svg|ico|webp|woff2?|ttf)(?:\?|$)", re.IGNORECASE)
DEFINER = re.compile(rb"DEFINER\s*=\s*(?:`(?:[^`]|``)*`|'(?:[^'\\]|\\.)*'|\S+?)@(?:`(?:[^`]|``)*`|'(?:[^'\\]|\\.)*'|[\w.%-]+)")
DEFINITION = re.compile(rb"\s*(?:/\*!\d+\s+)?(?:CREATE|ALTER|DEFINER)\b|\s*/\*!5\d+ (?:DEFINER|SQL SECURITY|CREATE)")
OWN_DATABASE = re.compile(rb"(?:/\*!\d+ )?ALTER DATABASE `(?:[^`]|``)*`")
README = """\
{name}

中文：本目录为{state_zh} {names} 的归档。{note}
  files.tar.gz     网站根目录的全部文件，含属主、权限、时间：tar --same-owner -xpzf files.tar.gz -C 目标目录
  database.sql.gz  数据库转储（如有）：zcat database.sql.gz | mariadb 库名
  static/          首页及一级页面的静态副本，index.json 说明各文件对应的网址
  SHA256SUMS       校验和：sha256sum -c SHA256SUMS
归档含原网站的全部内容，包括其中的口令和个人信息，仅限 root 读取。

English: the archive of the {state} {names}.  {note}
  files.tar.gz     all files of its docroot with owners, modes and times: tar --same-owner -xpzf files.tar.gz -C FOLDER
  database.sql.gz  the dump of its database, if it had one: zcat database.sql.gz | mariadb SCHEMA
  static/          its home page and first-level pages as visitors saw them; index.json says which file is which URL
  SHA256SUMS       checksums: sha256sum -c SHA256SUMS
It holds whatever the site held, passwords and personal data included, and is for root alone.
"""


def fail(text):
    sys.exit(f"planner: failed: {text}")


# ---------------------------------------------------------------- what the source sends


class Tee:
    """A stream that is read once, and written to a file at the same time."""

    def __init__(self, stream, sink=None):
        self.stream, self.sink = stream, sink

    def read(self, size=CHUNK):
        data = self.stream.read(size)
        if self.sink is not None:
            self.sink.write(data)
        return data


def asked(job, what):
    """The source's answer to the move's key."""
    command = ["ssh", "-C", "-F", f"/var/lib/moves/{job['move']}/ssh_config", "planner-source", what]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)


def ended(sender, what):
    message = sender.stderr.read().decode(errors="replace").strip()
    if sender.wait():
        fail(f"the source did not send {what}: {message[-500:] or sender.returncode}")


def members(stream):
    """Each member of a tar stream: name → what is known of it, contents by their SHA-256."""
    found = {}
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        for entry in tar:
            digest = ""
            if entry.isreg():
                content, sha = tar.extractfile(entry), hashlib.sha256()
                while data := content.read(CHUNK):
                    sha.update(data)
                digest = sha.hexdigest()
            found[entry.name] = [
                entry.type.decode(), entry.mode, entry.uid, entry.gid, entry.uname, entry.gname, entry.size, int(entry.mtime),
                entry.linkname, digest,
            ]  # fmt: skip
    while stream.read():  # what pads the last block
        pass
    return found


def files_of_source(job, sink=None):
    sender = asked(job, "tar")
    try:
        found = members(Tee(sender.stdout, sink))
    except tarfile.TarError as error:
        ended(sender, "its files")
        fail(f"the source's files came as no whole tar archive: {error}")
    ended(sender, "its files")
    return found


class Dump:
    """What is known of a dump: a digest of its statements without comments, and what it makes."""

    def __init__(self):
        self.sha, self.tables, self.inserts, self.last = hashlib.sha256(), 0, 0, b""

    def take(self, line):
        if not line.startswith(b"-- "):  # dates stand in comments
            self.sha.update(line)
        self.tables += line.startswith(b"CREATE TABLE ")
        self.inserts += line.startswith(b"INSERT ")
        self.last = line if line.strip() else self.last

    def known(self):
        if not self.last.startswith(b"-- Dump completed"):
            fail("the dump is not whole: its last line is missing")
        return {"sha256": self.sha.hexdigest(), "tables": self.tables, "inserts": self.inserts}


def lines(stream):
    unzip, rest = zlib.decompressobj(31), b""
    while data := stream.read(CHUNK):
        *whole, rest = (rest + unzip.decompress(data)).split(b"\n")
        yield from (line + b"\n" for line in whole)
    if rest:
        yield rest
    if not unzip.eof:
        fail("the dump was cut off on its way")


def dump_of_source(job, sink=None):
    sender, dump = asked(job, "dump"), Dump()
    for line in lines(Tee(sender.stdout, sink)):
        dump.take(line)
    ended(sender, "its database")
    return dump.known()


# ---------------------------------------------------------------- pages


def page(job, path):
    """(status, content type, location, body) of one path of the site, asked at its old host."""
    context = ssl._create_unverified_context() if job["tls"] else None  # noqa: S323  (an old host's certificate may be of any age)
    kind, more = (http.client.HTTPSConnection, {"context": context}) if job["tls"] else (http.client.HTTPConnection, {})
    connection = kind(job["address"], timeout=20, **more)
    try:
        connection.request("GET", path, headers={"Host": job["names"][0], "User-Agent": "planner-archive", "Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type", ""), answer.getheader("Location", ""), answer.read(PAGE_BYTES)
    finally:
        connection.close()


def inside(job, base, link):
    """The path and query of a link, as it is asked for; '' when it leads to another site."""
    try:
        parts = urllib.parse.urlsplit(urllib.parse.urljoin(base, link.strip()))
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or (parts.hostname or "") not in job["names"]:
        return ""
    path = urllib.parse.quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    return path + ("?" + urllib.parse.quote(parts.query, safe="/%:@!$&'()*+,;=~-._?") if parts.query else "")


def static_copy(job, folder):
    """The home page, what it links to, and what those pages show; returns what came of it."""
    folder.mkdir()
    waiting, known, index = [("/", 0)], {"/"}, []
    until = time.monotonic() + PAGE_SECONDS
    while waiting and len(index) < PAGES and time.monotonic() < until:
        path, depth = waiting.pop(0)
        try:
            status, kind, location, body = page(job, path)
        except (OSError, http.client.HTTPException, ValueError) as error:
            index.append({"url": path, "problem": str(error) or type(error).__name__})
            continue
        entry = {"url": path, "status": status, "type": kind, "sha256": hashlib.sha256(body).hexdigest()}
        base = f"http://{job['names'][0]}{path}"
        links = [location] if location else []
        if status == 200:
            entry["file"] = f"{len(index):04d}-" + re.sub(r"[^A-Za-z0-9._-]+", "_", path)[-60:].strip("_")
            (folder / entry["file"]).write_bytes(body)
            if "html" in kind:
                links += [html.unescape(next(filter(None, found), b"").decode("utf-8", "surrogateescape")) for found in LINK.findall(body)]
        else:
            entry["location"] = location
        index.append(entry)
        for link in links:
            try:
                found = inside(job, base, link.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
            except ValueError:
                continue
            if found and found not in known and (depth == 0 or (depth == 1 and (SHOWN.search(found) or link == location))):
                known.add(found)
                waiting.append((found, depth if link == location else depth + 1))
    (folder / "index.json").write_text(json.dumps({"site": job["names"][0], "pages": index, "left_out": len(waiting)}, indent=1))
    return sum("file" in entry for entry in index)


# ---------------------------------------------------------------- made


def file_digest(path):
    sha = hashlib.sha256()
    with path.open("rb") as stream:
        while data := stream.read(CHUNK):
            sha.update(data)
    return sha.hexdigest()


def made(job):
    place = pathlib.Path(job["folder"])
    draft, old = place.with_name(f".{place.name}.new"), place.with_name(f".{place.name}.old")
    if old.exists() and not place.exists():  # cut off between the two renames
        old.rename(place)
    for left in (draft, old):
        if left.exists():
            shutil.rmtree(left)
    draft.mkdir(mode=0o700)
    with gzip.open(draft / "files.tar.gz", "wb", compresslevel=5) as packed:
        manifest = {"files": files_of_source(job, packed), "database": None}
    if job["schema"]:
        with (draft / "database.sql.gz").open("wb") as packed:
            manifest["database"] = dump_of_source(job, packed)
    (draft / "manifest.json").write_text(json.dumps(manifest, sort_keys=True) + "\n")
    kept = place / "manifest.json"
    if kept.exists() and kept.read_bytes() == (draft / "manifest.json").read_bytes():
        shutil.rmtree(draft)
        print(f"planner: proved: the archive holds what the source has: {told(manifest)}")
        return
    pages = static_copy(job, draft / "static")
    names = ", ".join(job["names"])
    (draft / "README").write_text(README.format(**state_of(job), name=job["names"][0], names=names, note=job["note"]))
    listed = sorted(path for path in draft.rglob("*") if path.is_file())
    (draft / "SHA256SUMS").write_text("".join(f"{file_digest(path)}  {path.relative_to(draft)}\n" for path in listed))
    os.sync()
    if place.exists():
        place.rename(old)
    draft.rename(place)
    if old.exists():
        shutil.rmtree(old)
    print(f"planner: changed: archived {told(manifest)}, {pages} pages")
    print(f"planner: proved: archived {told(manifest)}, {pages} pages")


def state_of(job):
    if job.get("live"):
        return {"state": "site in use", "state_zh": "在用网站"}
    return {"state": "closed site", "state_zh": "已关停网站"}


def told(manifest):
    files = manifest["files"].values()
    regular = [entry for entry in files if entry[0] == "0"]
    text = f"{len(regular)} files of {sum(entry[6] for entry in regular)} bytes"
    return text + (f", {manifest['database']['tables']} tables" if manifest["database"] else "")


# ---------------------------------------------------------------- proved


def proved(job):
    place = pathlib.Path(job["folder"])
    if not (place / "manifest.json").exists():
        fail(f"there is no archive at {place}")
    for line in (place / "SHA256SUMS").read_text().splitlines():
        digest, name = line[:64], line[66:]
        if not (place / name).exists() or file_digest(place / name) != digest:
            fail(f"{place / name} is not what was archived")
    manifest = json.loads((place / "manifest.json").read_text())
    with gzip.open(place / "files.tar.gz", "rb") as stream:
        same(manifest["files"], members(stream), "the archive's list", "its tar")
    if not job.get("live"):  # what is in use changes all the time
        same(members_of(manifest), files_of_source(job), "the archive", "the source")
    restored = ""
    if job["schema"]:
        if manifest["database"] is None:
            fail("the archive has no database, and the site has one")
        found = manifest["database"] if job.get("live") else dump_of_source(job)
        if found != manifest["database"]:
            fail(f"the database is not what was archived: {found} at the source, {manifest['database']} in the archive")
        restored = restore(job, place / "database.sql.gz", manifest["database"]["tables"])
    result = json.dumps({"files": len(manifest["files"]), "database": manifest["database"], "restored": restored,
                         "manifest": file_digest(place / "manifest.json")}, sort_keys=True) + "\n"  # fmt: skip
    note = place / "verified.json"
    if not note.exists() or note.read_text() != result:
        note.with_suffix(".new").write_text(result)
        note.with_suffix(".new").rename(note)
        print(f"planner: changed: {note}")
    today = datetime.datetime.now(datetime.UTC).date()
    more = f"; {restored}" if restored else ""
    where = "in the archive, read back as they were sent," if job.get("live") else "equal at the source and in the archive"
    print(f"planner: proved: {told(manifest)} are {where} on {today}{more}")


def members_of(manifest):
    return {name: list(entry) for name, entry in manifest["files"].items()}


def same(one, other, first, second):
    for name in sorted(one.keys() | other.keys()):
        if name not in one or name not in other:
            fail(f"{name!r} is in {first if name in one else second} and not in {second if name in one else first}")
        if one[name] != other[name]:
            fail(f"{name!r} differs: {one[name]} in {first}, {other[name]} in {second}")


def sql(text, check=True):
    done = subprocess.run(["mariadb", "--batch", "--skip-column-names", "-e", text], capture_output=True, text=True, check=False)
    if check and done.returncode:
        fail(f"the scratch schema: {done.stderr.strip()[:300]}")
    return done.stdout.strip() if done.returncode == 0 else None


def restore(job, path, tables):
    """Fill a scratch schema with the dump, as a user who may write nowhere else; says what was done."""
    if shutil.which("mariadb") is None or sql("SELECT 1", check=False) is None:
        return "no MariaDB here: the dump was read to its end and not restored"
    scratch = "planner_restore_" + hashlib.sha256(job["move"].encode()).hexdigest()[:12]
    user, password = f"'{scratch[:28]}'@'localhost'", secrets.token_hex(16)
    clear = f"DROP DATABASE IF EXISTS {scratch}; DROP USER IF EXISTS {user}"
    make = f"CREATE DATABASE {scratch} CHARACTER SET utf8mb4; CREATE USER {user} IDENTIFIED BY '{password}'"
    make += f"; GRANT ALL ON {scratch}.* TO {user}"
    subprocess.run(["mariadb"], input=f"{clear}; {make}", text=True, check=True, capture_output=True)  # on no command line
    try:
        fill(scratch, path, password)
        count = sql(f"SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA='{scratch}' AND TABLE_TYPE='BASE TABLE'")
        if count != str(tables):
            fail(f"{count} of {tables} tables came out of the dump")
    finally:
        sql(clear, check=False)
    return f"the dump was restored into a scratch schema: {tables} tables"


def fill(scratch, path, password):
    user = scratch[:28]
    environment = {**os.environ, "MYSQL_PWD": password}  # seen by root alone, and by this client only
    # --sandbox: "\!" and "source" inside a dump are not obeyed
    client = ["mariadb", "--no-defaults", f"--user={user}", "--sandbox", "--default-character-set=utf8mb4", scratch]
    filler = subprocess.Popen(client, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    try:
        with path.open("rb") as stream:
            for line in lines(stream):
                if not line.startswith((b"/*M!999999", b"/*!999999", b"-- planner: event ")):
                    filler.stdin.write(rewritten(line, user.encode(), scratch.encode()))
        filler.stdin.close()
    except BrokenPipeError:
        pass
    message = filler.stderr.read().decode(errors="replace").strip()
    if filler.wait():
        fail(f"the dump cannot be restored: {message[:300]}")


def rewritten(line, user, schema):
    """A line of the dump as a user without privileges elsewhere may run it; mysqldump writes each INSERT on one line."""
    if line.startswith(b"INSERT "):
        return line
    if OWN_DATABASE.match(line):
        return OWN_DATABASE.sub(b"ALTER DATABASE `" + schema + b"`", line, count=1).replace(b"*/ ;", b";")
    if DEFINITION.match(line):
        line = DEFINER.sub(b"DEFINER=`" + user + b"`@`localhost`", line)
    return re.sub(rb"\butf8mb4_\w*0900\w*", b"utf8mb4_unicode_520_ci", line)


def main():
    state, job = sys.argv[1], json.load(sys.stdin)
    os.umask(0o077)
    with pathlib.Path("/var/lib/moves", job["move"], "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # what a killed run left going ends first
        {"made": made, "proved": proved}[state](job)


if __name__ == "__main__":
    main()
