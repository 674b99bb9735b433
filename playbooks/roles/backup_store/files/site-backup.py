#!/usr/bin/python3
"""Backups of sites, fetched from their machines, kept, and restored on trial.  As root on the machine that keeps them.

usage: site-backup nightly | status | backup ID | test ID | restore ID STAMP|newest FOLDER | prepare | public

A backup is a folder named by its time: `files/` with owners, modes and dates, unchanged ones as hard links to the backup before;
`database.sql.gz` or `database.dump`; `settings.tar.gz`; `manifest.json` with a SHA-256 of each and the rows of each table.  It is made
beside its place and renamed, so that it is whole or not there.  What is known of them stands in /var/lib/site-backup, on another disk.
"""

import contextlib
import datetime
import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import threading
import time
import zlib

SETTINGS, STATE = pathlib.Path("/etc/site-backup"), pathlib.Path("/var/lib/site-backup")
CHUNK = 1 << 20
SECONDS = 6 * 3600
"""No part of one backup may take longer: a machine that hangs must not hold up the others."""
NAME = re.compile(r"[a-z0-9-]{1,64}")
STAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z")
SHRUNK = 0.5
"""A backup with fewer than this share of the files or rows of those before it is kept and pointed at."""
RESTORER = "site-restore"
MARK = ".site-backup"
"""Lies in the folder of backups: a disk that is not mounted has none, and the system's own is not filled in its place."""
DEFINER = re.compile(rb"DEFINER\s*=\s*(?:`(?:[^`]|``)*`|'(?:[^'\\]|\\.)*'|\S+?)@(?:`(?:[^`]|``)*`|'(?:[^'\\]|\\.)*'|[\w.%-]+)")
DEFINITION = re.compile(rb"\s*(?:/\*!\d+\s+)?(?:CREATE|ALTER|DEFINER)\b|\s*/\*!5\d+ (?:DEFINER|SQL SECURITY|CREATE)")
OWN_DATABASE = re.compile(rb"(?:/\*!\d+ )?ALTER DATABASE `(?:[^`]|``)*`")
INSERT = re.compile(rb"INSERT (?:IGNORE )?INTO `((?:[^`]|``)*)`")
CREATE = re.compile(rb"CREATE TABLE `((?:[^`]|``)*)` ")
QUOTED = re.compile(rb"'[^'\\]*(?:\\.[^'\\]*)*'|`[^`]*`", re.DOTALL)
COPY = re.compile(rb"COPY (.+?) (?:\(.*\) )?FROM stdin;\n", re.DOTALL)


class Failed(Exception):
    """A backup, test or restore that did not come about, in words."""


class Damaged(Failed):
    """What is kept is not what was written."""


def now():
    return datetime.datetime.now(datetime.UTC)


def moment(stamp):
    return datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)


# ---------------------------------------------------------------- what is known


class Site:
    """One site: its settings, its folder of backups, and what is known of them."""

    def __init__(self, name, store):
        if name not in store["sites"] or not NAME.fullmatch(name):
            raise Failed(f"{name!r} is not among the sites of this machine")
        self.name, self.store, self.own = name, store, store["sites"][name]
        self.folder, self.state = pathlib.Path(store["folder"]) / name, STATE / name
        self.status = self.state / "status.json"
        if not (pathlib.Path(store["folder"]) / MARK).exists():
            raise Failed(f"{store['folder']} is not the folder that was set up for backups: is its disk mounted?")
        for folder in (self.folder, self.state):
            folder.mkdir(mode=0o700, exist_ok=True)

    @contextlib.contextmanager
    def alone(self):
        with (self.state / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self

    def known(self):
        try:
            return json.loads(self.status.read_text())
        except FileNotFoundError:
            return {"backups": {}, "last": None, "test": None}

    def note(self, known):
        draft = self.status.with_suffix(".new")
        draft.write_text(json.dumps(known, sort_keys=True, indent=1) + "\n")
        draft.replace(self.status)

    def there(self):
        """Stamps of whole backups, the oldest first."""
        return sorted(entry.name for entry in self.folder.iterdir() if STAMP.fullmatch(entry.name) and entry.is_dir())

    def manifest(self, stamp, known):
        """A backup's manifest, when it is the one that was written."""
        try:
            data = (self.folder / stamp / "manifest.json").read_bytes()
        except OSError as error:
            raise Damaged(f"the manifest of {stamp} cannot be read: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != known["backups"].get(stamp, {}).get("manifest"):
            raise Damaged(f"the manifest of {stamp} is not the one that was written")
        return json.loads(data)

    def ask(self, *words):
        command = ["ssh", "-F", str(self.state / "ssh_config"), "backup-source", *words]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)


def ended(sender, what):
    message = sender.stderr.read().decode(errors="replace").strip()
    if sender.wait():
        raise Failed(f"{what} did not come: {message[-300:] or f'exit status {sender.returncode}'}")


@contextlib.contextmanager
def within(process):
    """Kill a process that takes too long, or that is left behind by a failure."""
    timer = threading.Timer(SECONDS, process.kill)
    timer.start()
    try:
        yield process
    finally:
        timer.cancel()
        if process.poll() is None:
            process.kill()
            process.wait()


# ---------------------------------------------------------------- files


def digest(path):
    """SHA-256 of a file that is no link."""
    sha = hashlib.sha256()
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(handle, "rb") as stream:
        while data := stream.read(CHUNK):
            sha.update(data)
    return sha.hexdigest()


def listed(root, before=None, entries=None):
    """Each path below a folder: [kind, mode, uid, gid, size, mtime in ns, SHA-256 or where a link leads]; and the bytes that only it takes.

    A file that is the same inode as in the folder `before` has the digest that it had there (`entries`).
    """
    found, alone = {}, 0
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = os.path.join(folder, name)  # noqa: PTH118  (pathlib would take twice as long over a million files)
            known, relative = os.lstat(path), os.path.relpath(path, root)
            kind, value = "d", ""
            if stat.S_ISLNK(known.st_mode):
                kind, value = "l", os.readlink(path)  # noqa: PTH115
            elif not stat.S_ISDIR(known.st_mode):
                kind, value = "f", same(before, relative, known, entries) or digest(path)
            size = 0 if kind == "d" else known.st_size
            alone += known.st_blocks * 512 if kind == "f" and known.st_nlink == 1 else 0
            moved = 0 if kind == "l" else known.st_mtime_ns  # not every rsync sets a link's own date
            found[relative] = [kind, known.st_mode & 0o7777, known.st_uid, known.st_gid, size, moved, value]
    return found, alone


def same(before, relative, known, entries):
    if before is None or known.st_nlink < 2 or relative not in entries:
        return None
    try:
        other = os.lstat(os.path.join(before, relative))  # noqa: PTH118
    except OSError:
        return None
    return entries[relative][6] if (other.st_dev, other.st_ino) == (known.st_dev, known.st_ino) else None


def fetch_files(site, target, before):
    """The docroot by rsync: what is unchanged since `before` becomes a hard link to it."""
    shell = f"ssh -F {site.state / 'ssh_config'}"
    # no --checksum: size and date tell a change; a damaged backup is never linked to, see `base`
    command = ["rsync", "-rlptgoHz", "--numeric-ids", "--timeout=600", "--no-devices", "--no-specials", "-e", shell]
    command += [f"--link-dest={before}"] if before else []
    with within(subprocess.Popen([*command, "backup-source:./", f"{target}/"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)) as run:
        said = run.stderr.read().decode(errors="replace").strip()
        # 24: a file vanished while it was read, as files of a site in use do
        if run.wait() not in {0, 24}:
            raise Failed(f"its files did not come: {said[-300:] or f'rsync ended with {run.returncode}'}")


def base(site, known):
    """The newest sound backup and its files, (None, None) without one.  A doubtful one's damage would live on in all that link to it."""
    for stamp in reversed(sound(site, known)):
        try:
            return stamp, site.manifest(stamp, known)["files"]
        except Damaged:
            doubt(stamp, known)
    return None, None


def sound(site, known):
    """Backups that nothing speaks against, the oldest first."""
    return [stamp for stamp in site.there() if stamp in known["backups"] and not known["backups"][stamp].get("doubtful")]


def doubt(stamp, known):
    """A damaged backup, and those that it was linked to: they may share the damaged file."""
    while stamp in known["backups"] and not known["backups"][stamp].get("doubtful"):
        known["backups"][stamp]["doubtful"] = True
        stamp = known["backups"][stamp]["linked"]


# ---------------------------------------------------------------- databases


class Rows:
    """Counts the rows of each table in a MariaDB dump, line by line, whether a statement is one line or has a line for each row."""

    def __init__(self):
        self.tables, self.inside, self.last, self.program = {}, None, b"", False

    def take(self, line):
        if line.startswith(b"DELIMITER "):  # what stands between are bodies of routines, which may hold any statement
            self.program = line.split()[1] != b";"
        if self.inside is None and not self.program:
            made, found = CREATE.match(line), INSERT.match(line)
            if made:
                self.tables.setdefault(made[1], 0)
            if found:
                self.inside = found[1]
                line = line[found.end() :]
                head, values, rest = QUOTED.sub(b"", line).partition(b"VALUES")
                line = rest if values else head
        if self.inside is not None:
            bare = QUOTED.sub(b"", line)
            self.tables[self.inside] = self.tables.get(self.inside, 0) + bare.count(b"(")
            if bare.rstrip().endswith(b";"):
                self.inside = None
        if line.strip():
            self.last = line

    def counted(self):
        if not self.last.startswith(b"-- Dump completed"):
            raise Failed("the dump is not whole: its last line is missing")
        return {name.replace(b"``", b"`").decode("utf-8", "replace"): rows for name, rows in sorted(self.tables.items())}


def unzipped(stream):
    unzip, rest = zlib.decompressobj(31), b""
    while data := stream.read(CHUNK):
        *whole, rest = (rest + unzip.decompress(data)).split(b"\n")
        yield from (line + b"\n" for line in whole)
    if rest:
        yield rest
    if not unzip.eof:
        raise Failed("the dump was cut off on its way")


class Tee:
    """A stream that is read once, and written to a file at the same time."""

    def __init__(self, stream, sink):
        self.stream, self.sink = stream, sink

    def read(self, size):
        data = self.stream.read(size)
        self.sink.write(data)
        return data


def fetch(site, word, path):
    """One answer of the source as a file."""
    with path.open("wb") as sink, within(site.ask(word)) as sender:
        shutil.copyfileobj(sender.stdout, sink, CHUNK)
        ended(sender, word)


def fetch_database(site, folder):
    """The dump, and how many rows of each table are in it."""
    if site.own["engine"] == "postgresql":
        path = folder / "database.dump"
        fetch(site, "dump", path)
        return {"file": path.name, "tables": rows_of_archive(path)}
    path, rows = folder / "database.sql.gz", Rows()
    with path.open("wb") as sink, within(site.ask("dump")) as sender:
        try:
            for line in unzipped(Tee(sender.stdout, sink)):
                rows.take(line)
        except (Failed, zlib.error) as error:
            ended(sender, "the dump")  # the source's own words go before what came of them
            raise Failed(str(error)) from error
        ended(sender, "the dump")
    return {"file": path.name, "tables": rows.counted()}


def rows_of_archive(path):
    """Rows of each table in pg_dump's archive, read to its end: COPY has a line for each."""
    found, inside = {}, None
    words = ["pg_restore", "--data-only", "-f", "-", str(path)]
    with within(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)) as reader:
        for line in reader.stdout:
            if inside is None:
                begun = COPY.fullmatch(line)
                if begun:
                    inside = begun[1].decode("utf-8", "replace")
                    found[inside] = 0
            elif line == b"\\.\n":
                inside = None
            else:
                found[inside] += 1
        ended(reader, "pg_restore: the dump")
    return found


def sql(text):
    done = subprocess.run(["mariadb", "--batch", "--skip-column-names"], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"the scratch schema: {done.stderr.strip()[:300]}")
    return done.stdout


def psql(text, database="postgres"):
    words = ["runuser", "-u", "postgres", "--", "psql", "-XAtqw", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", database]
    done = subprocess.run(words, input=text, capture_output=True, text=True, cwd="/", check=False)
    if done.returncode:
        raise Failed(f"the scratch database: {done.stderr.strip()[:300]}")
    return done.stdout


def scratch_name(site):
    return "planner_restore_" + hashlib.sha256(site.name.encode()).hexdigest()[:12]


def restore_mysql(site, path):
    """The dump in a scratch schema, by an account that may write nowhere else and has no password: it logs in by its system account."""
    scratch = scratch_name(site)
    who = f"'{RESTORER}'@'localhost'"
    clear = f"DROP DATABASE IF EXISTS `{scratch}`; DROP USER IF EXISTS {who};"
    sql(f"{clear} CREATE DATABASE `{scratch}` CHARACTER SET utf8mb4; CREATE USER {who} IDENTIFIED VIA unix_socket;"
        f" GRANT ALL ON `{scratch}`.* TO {who};")  # fmt: skip
    try:
        fill(scratch, path)
        kinds = "TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')"
        names = sql(f"SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{scratch}' AND {kinds};")
        quoted = {name: name.replace("`", "``") for name in names.splitlines()}
        return {name: int(sql(f"SELECT COUNT(*) FROM `{scratch}`.`{inner}`;")) for name, inner in quoted.items()}, set()
    finally:
        sql(clear)


def fill(scratch, path):
    # --sandbox: "\!" and "source" inside a dump are not obeyed; --local-infile=0: nor may it read files of this machine
    client = ["mariadb", "--no-defaults", f"--user={RESTORER}", "--sandbox", "--local-infile=0", "--default-character-set=utf8mb4", scratch]
    opened = subprocess.Popen(
        client, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, user=RESTORER, group=RESTORER, extra_groups=[],
        cwd="/", env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    with within(opened) as filler:
        with contextlib.suppress(BrokenPipeError):
            with path.open("rb") as stream:
                for line in unzipped(stream):
                    if not line.startswith((b"/*M!999999", b"/*!999999")):
                        filler.stdin.write(rewritten(line, scratch.encode()))
            filler.stdin.close()
        message = filler.stderr.read().decode(errors="replace").strip()
        if filler.wait():
            raise Failed(f"the dump cannot be restored: {message[:300]}")


def rewritten(line, schema):
    """A definition of the dump as an account without privileges elsewhere may run it; rows stay as they are."""
    if line.startswith((b"INSERT ", b"(")):
        return line
    if OWN_DATABASE.match(line):
        return OWN_DATABASE.sub(b"ALTER DATABASE `" + schema + b"`", line, count=1).replace(b"*/ ;", b";")
    if DEFINITION.match(line):
        line = DEFINER.sub(b"DEFINER=`" + RESTORER.encode() + b"`@`localhost`", line)
    return re.sub(rb"\butf8mb4_\w*0900\w*", b"utf8mb4_unicode_520_ci", line)


def restore_postgresql(site, path):
    """The archive in a scratch database, by a role that owns nothing else.  pg_restore runs no command of psql's."""
    scratch = scratch_name(site)
    clear = f'DROP DATABASE IF EXISTS "{scratch}";\n'
    if not psql(f"SELECT 1 FROM pg_roles WHERE rolname = '{RESTORER}';"):
        psql(f'CREATE ROLE "{RESTORER}" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;')
    psql(clear)
    psql(f'CREATE DATABASE "{scratch}" OWNER "{RESTORER}" TEMPLATE template0 ENCODING \'UTF8\';')
    try:
        words = ["pg_restore", "--exit-on-error", "--no-owner", "--no-privileges", "--no-password", "--dbname", scratch]
        with path.open("rb") as stream:
            opened = subprocess.Popen(
                words, stdin=stream, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, user=RESTORER, group=RESTORER, extra_groups=[],
                cwd="/", env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            )  # fmt: skip
            with within(opened) as filler:
                ended(filler, "the dump cannot be restored: it")
        told = psql(
            "SELECT format('%I.%I', n.nspname, c.relname), (xpath('/row/c/text()', query_to_xml(format('SELECT count(*) AS c FROM %I.%I',"
            " n.nspname, c.relname), false, true, '')))[1]::text, EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass"
            " AND d.objid = c.oid AND d.deptype = 'e') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind = 'r' AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg!_%' ESCAPE '!';",
            scratch,
        )
        rows = [line.split("\t") for line in told.splitlines()]
        # tables of extensions come with the extension, and only what was added to them with the dump
        return {name: int(count) for name, count, own in rows if own == "f"}, {name for name, _, own in rows if own == "t"}
    finally:
        psql(clear)


# ---------------------------------------------------------------- a backup


def backup(site):
    """One backup; returns what is known of it.  Raises Failed, and then leaves nothing."""
    known, begun = site.known(), time.monotonic()
    for left in site.folder.iterdir():
        if left.name.startswith("."):
            shutil.rmtree(left)
    room(site, known)
    stamp = now().strftime("%Y%m%dT%H%M%SZ")
    if site.there() and stamp <= site.there()[-1]:
        raise Failed(f"there is a backup of {site.there()[-1]} already: is this machine's clock right?")
    draft, (former, entries) = site.folder / f".{stamp}.new", base(site, known)
    try:
        draft.mkdir(mode=0o700)
        (draft / "files").mkdir()
        # the database first: each row's file is then there, unless it was deleted meanwhile
        manifest = {"database": fetch_database(site, draft) if site.own["engine"] else None}
        fetch(site, "settings", draft / "settings.tar.gz")
        before = site.folder / former / "files" if former else None
        fetch_files(site, draft / "files", before)
        manifest["files"], new = listed(draft / "files", before, entries)
        for part in ("database", "settings"):
            path = draft / (manifest["database"]["file"] if part == "database" else "settings.tar.gz") if manifest.get(part, True) else None
            if path:
                manifest[part] = {**(manifest.get(part) or {}), "file": path.name, "bytes": path.stat().st_size, "sha256": digest(path)}
        data = (json.dumps(manifest, sort_keys=True) + "\n").encode()
        (draft / "manifest.json").write_bytes(data)
        os.sync()
        told = summed(manifest, new)
        told["odd"] = odd(site, told, known)
        told |= {"manifest": hashlib.sha256(data).hexdigest(), "seconds": round(time.monotonic() - begun, 1), "linked": former or ""}
        known["backups"][stamp] = told
        known["last"] = {"at": stamp, "ok": True, "error": "", "stamp": stamp}
        site.note(known)  # first: a backup that nobody knows of could not be trusted
        draft.rename(site.folder / stamp)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    prune(site)
    return told


def room(site, known):
    """Whether there is room for what the last backup brought, and what is to stay free.  Raises Failed."""
    there = site.there()
    needed = site.store["free_bytes"] + (known["backups"].get(there[-1], {}).get("new_bytes", 0) if there else 0)
    free = shutil.disk_usage(site.folder).free
    if free < needed:
        prune(site)
        free = shutil.disk_usage(site.folder).free
    if free < needed:
        raise Failed(f"{site.folder} has {free // 10**6} MB free and needs {needed // 10**6} MB: make room, or keep fewer backups")


def summed(manifest, new):
    """What is worth knowing of a backup: counts and bytes."""
    files = [entry for entry in manifest["files"].values() if entry[0] == "f"]
    tables = manifest["database"]["tables"] if manifest["database"] else {}
    packed = sum(manifest[part]["bytes"] for part in ("database", "settings") if manifest[part])
    return {
        "files": len(files), "bytes": sum(entry[4] for entry in files) + packed, "new_bytes": new + packed, "tables": len(tables),
        "rows": sum(tables.values()),
    }  # fmt: skip


def odd(site, told, known):
    """What a backup lacks against the last ones: said for as many days as days are kept, then it is how the site is now."""
    last = [known["backups"][stamp] for stamp in sound(site, known)[-site.store["days"] :]]
    for what in ("files", "rows"):
        most = max((one[what] for one in last), default=0)
        if told[what] < SHRUNK * most:
            return f"{told[what]} {what}, and up to {most} before"
    return ""


def kept(stamps, days, weeks, months, guarded=()):
    """Which of these stamps stay: the last of each of the newest days, weeks and months that have one; always the newest, and `guarded`."""
    ordered = sorted(stamps, reverse=True)
    stay = set(ordered[:1]) | (set(guarded) & set(ordered))
    for many, period in ((days, lambda at: at.date()), (weeks, lambda at: at.isocalendar()[:2]), (months, lambda at: (at.year, at.month))):
        seen = []
        for stamp in ordered:
            name = period(moment(stamp))
            if name not in seen:
                seen.append(name)
                if len(seen) > many:
                    break
                stay.add(stamp)
    return stay


def prune(site):
    """Let older backups go.  Never the last one that was restored on trial, nor the last one that nothing is odd about.

    While nothing but doubtful ones is there, all stay: most of what is in them may still be good.
    """
    known, there = site.known(), site.there()
    good = sound(site, known)
    if not good:
        return
    guarded = [stamp for stamp in good if not known["backups"][stamp]["odd"]][-1:] + good[-1:]
    guarded += [stamp for stamp in (known.get("proved"),) if stamp in good]
    stay = kept(there, site.store["days"], site.store["weeks"], site.store["months"], guarded)
    for stamp in there:
        if stamp not in stay:
            gone = site.folder / f".{stamp}.gone"
            (site.folder / stamp).rename(gone)
            shutil.rmtree(gone)
    remain = set(site.there()) | ({known["last"]["stamp"]} if known["last"] and known["last"].get("stamp") else set())
    known["backups"] = {stamp: told for stamp, told in known["backups"].items() if stamp in remain}
    site.note(known)


# ---------------------------------------------------------------- a restore


def restored(site, stamp, target, known):
    """A backup's content in a folder, every file compared with the manifest.  Raises Failed with the first that is not what was kept."""
    manifest, place = site.manifest(stamp, known), site.folder / stamp
    for part in ("database", "settings"):
        own = manifest[part]
        if own:
            try:
                shutil.copyfile(place / own["file"], target / own["file"])
            except OSError as error:
                raise Damaged(f"{own['file']} of {stamp} cannot be read: {error.strerror}") from error
            if digest(target / own["file"]) != own["sha256"]:
                raise Damaged(f"{own['file']} of {stamp} is not what was kept")
    copied = subprocess.run(
        ["cp", "-a", "--reflink=auto", "--", str(place / "files"), str(target / "files")], capture_output=True, text=True, check=False
    )
    if copied.returncode:
        raise Damaged(f"the files of {stamp} cannot be read: {copied.stderr.strip()[:300]}")
    (found, _), wanted = listed(target / "files"), manifest["files"]
    for name in sorted(found.keys() | wanted.keys()):
        if name not in found or name not in wanted:
            raise Damaged(f"{name!r} is {'missing in' if name in wanted else 'too much in'} the backup {stamp}")
        if found[name] != wanted[name]:
            what = "content" if found[name][6] != wanted[name][6] else "owner, mode or date"
            raise Damaged(f"{name!r} of {stamp} is not what was kept: its {what} differs")
    return manifest


def test(site):
    """The newest backup restored into a scratch place, files compared one by one, rows counted; returns what was found."""
    known, begun = site.known(), time.monotonic()
    stamp = next((stamp for stamp in reversed(site.there()) if stamp in known["backups"]), None)
    told = {"at": now().strftime("%Y%m%dT%H%M%SZ"), "stamp": stamp or "", "ok": False, "error": "", "files": 0, "tables": 0, "rows": 0}
    target = site.folder / ".restored"
    shutil.rmtree(target, ignore_errors=True)
    try:
        if stamp is None:
            raise Failed("there is no backup to restore")
        needed = known["backups"][stamp]["bytes"] + site.store["free_bytes"]
        if shutil.disk_usage(site.folder).free < needed:
            raise Failed(f"there is no room to restore it on trial: {needed // 10**6} MB are needed")
        target.mkdir(mode=0o700)
        manifest = restored(site, stamp, target, known)
        told["files"] = sum(entry[0] == "f" for entry in manifest["files"].values())
        if manifest["database"]:
            restore = restore_postgresql if manifest["database"]["file"].endswith(".dump") else restore_mysql
            found, passed_over = restore(site, target / manifest["database"]["file"])
            wanted = manifest["database"]["tables"]
            for name in sorted((found.keys() | wanted.keys()) - passed_over):
                if found.get(name) != wanted.get(name):
                    there, here = (counts.get(name, "no") for counts in (wanted, found))
                    raise Failed(f"the table {name!r} has {here} rows after the restore, and {there} in the dump")
            told |= {"tables": len(found), "rows": sum(found.values())}
        told["ok"] = True
        known["proved"] = stamp
    except (Failed, OSError) as error:
        told["error"] = str(error)
        if isinstance(error, Damaged):
            doubt(stamp, known)
    finally:
        shutil.rmtree(target, ignore_errors=True)
    told["seconds"] = round(time.monotonic() - begun, 1)
    known["test"] = told
    site.note(known)
    return told


def aside(site, stamp, folder):
    """A backup restored into a new folder of this machine, for people to take what they need from."""
    known, target = site.known(), pathlib.Path(folder)
    stamp = (site.there() or ["(none)"])[-1] if stamp == "newest" else stamp
    if stamp not in site.there() or stamp not in known["backups"]:
        raise Failed(f"there is no backup {stamp} of {site.name}; there are {', '.join(site.there()) or 'none'}")
    if not target.is_absolute() or target.exists() or not target.parent.is_dir():
        raise Failed(f"{folder} must be a new folder, by its whole path, in one that is there")
    if site.folder in (target, *target.parents) or pathlib.Path(site.store["folder"]) in target.parents:
        raise Failed(f"{folder} lies among the backups")
    target.mkdir(mode=0o700)
    try:
        manifest = restored(site, stamp, target, known)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return {"stamp": stamp, "folder": folder, "files": sum(entry[0] == "f" for entry in manifest["files"].values()),
            "database": (manifest["database"] or {}).get("file", "")}  # fmt: skip


# ---------------------------------------------------------------- keys

SSH_CONFIG = """\
Host backup-source
  HostName {address}
  Port {port}
  User site-backup
  HostKeyAlias backup-source
  UserKnownHostsFile {state}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  IdentityFile {state}/id_ed25519
  IdentitiesOnly yes
  BatchMode yes
  ConnectTimeout 15
  ServerAliveInterval 15
  ServerAliveCountMax 4
"""


def prepare(store):
    """A key for each site, and how its machine is reached; sites that are in care no longer lose theirs.  Returns what changed."""
    changed = []
    for name, own in store["sites"].items():
        state = STATE / name
        state.mkdir(mode=0o700, exist_ok=True)
        key = state / "id_ed25519"
        if not key.exists():
            made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"planner-backup:{name}", "-f", str(key)]
            subprocess.run(made, check=True, stdin=subprocess.DEVNULL)
            changed.append(str(key))
        hosts = "".join(f"backup-source {line}\n" for line in own["host_keys"])
        for file, text in (("ssh_config", SSH_CONFIG.format(state=state, **own)), ("known_hosts", hosts)):
            path = state / file
            if not path.exists() or path.read_text() != text:
                path.with_suffix(".new").write_text(text)
                path.with_suffix(".new").replace(path)
                changed.append(str(path))
    for key in sorted(STATE.glob("*/id_ed25519*")):
        if key.parent.name not in store["sites"]:
            key.unlink()
            changed.append(str(key))
    return changed


def public(store):
    """The public keys that there are, by site."""
    paths = {name: STATE / name / "id_ed25519.pub" for name in store["sites"]}
    return {name: path.read_text().strip() for name, path in paths.items() if path.exists()}


# ---------------------------------------------------------------- the command


def tried(site, what):
    """A backup or a test, whose failure is noted and returned."""
    with site.alone():
        if what == "test":
            return test(site)
        try:
            return {**backup(site), "ok": True, "error": ""}
        except (Failed, OSError) as error:
            known = site.known()
            known["last"] = {"at": now().strftime("%Y%m%dT%H%M%SZ"), "ok": False, "error": str(error)[:500], "stamp": ""}
            site.note(known)
            return {"ok": False, "error": str(error)[:500]}


def due(site):
    """Whether the newest backup is to be restored on trial: never done, failed, or long ago."""
    last = site.known()["test"]
    return last is None or not last["ok"] or now() - moment(last["at"]) > datetime.timedelta(days=site.store["test_days"] - 0.5)


def nightly(store, names):
    failures = 0
    for name in names:
        try:
            site = Site(name, store)
            for what in ("backup", "test"):
                if what == "test" and not due(site):
                    continue
                told = tried(site, what)
                failures += not told["ok"]
                print(f"{name}: {what}: {'ok' if told['ok'] else told['error']}", flush=True)
        except Exception as error:  # one site never stops the others
            failures += 1
            print(f"{name}: {error}", flush=True)
    return failures


def status(store, names):
    out = {"folder": store["folder"], "sites": {}}
    folder = pathlib.Path(store["folder"])
    out["free_bytes"] = shutil.disk_usage(folder).free if folder.is_dir() else 0
    for name in names:
        try:
            site = Site(name, store)
            there = set(site.there())
            known = site.known()
            known["backups"] = {stamp: told for stamp, told in known["backups"].items() if stamp in there}
            out["sites"][name] = known
        except (Failed, OSError, ValueError) as error:
            out["sites"][name] = {"error": str(error)}
    return out


def main():
    os.umask(0o077)
    store = json.loads((SETTINGS / "store.json").read_text())
    store["sites"] = json.loads((SETTINGS / "sites.json").read_text())
    names = sorted(store["sites"])
    verb, *words = sys.argv[1:] or [""]
    try:
        if verb == "nightly":
            return 1 if nightly(store, names) else 0
        if verb == "status":
            told = status(store, names)
        elif verb in {"prepare", "public"}:
            changed = prepare(store) if verb == "prepare" else []
            told = {"changed": changed, "public": public(store)}
        elif verb in {"backup", "test"} and len(words) == 1:
            told = tried(Site(words[0], store), verb)
        elif verb == "restore" and len(words) == 3:
            site = Site(words[0], store)
            with site.alone():
                told = {**aside(site, words[1], words[2]), "ok": True, "error": ""}
        else:
            sys.exit(__doc__.split("\n")[2])
    except (Failed, OSError) as error:
        told = {"ok": False, "error": str(error)}
    print(json.dumps(told, sort_keys=True))
    return 0 if told.get("ok", True) else 1


if __name__ == "__main__":
    sys.exit(main())
