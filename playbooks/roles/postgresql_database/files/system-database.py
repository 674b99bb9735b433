#!/usr/bin/python3
"""A system's PostgreSQL database here: made, filled from its source, archived and removed.

usage: system-database [check-]present|copied|absent MOVE ACCOUNT NAME OWNER USER ENCODING COLLATION CTYPE  (as root)

Roles, settings and grants of the database come as text over the move's own key, the content as pg_dump's archive, streamed: no file of
it lies anywhere.  It is restored into a database of its own that takes the old one's name when all of it is there.  Passwords of the
source are never asked for: the application's role gets a new one, other roles none.
"""

import fcntl
import json
import os
import pathlib
import secrets
import subprocess
import sys
import time

SYSTEMS, MOVES, ARCHIVES = pathlib.Path("/var/lib/systems"), pathlib.Path("/var/lib/moves"), pathlib.Path("/var/backups/systems")
PRIVILEGES = {"CONNECT", "CREATE", "TEMPORARY"}


def fail(text: str) -> None:
    sys.exit(f"planner: failed: {text}")


def as_postgres(*words: str) -> list[str]:
    return ["runuser", "-u", "postgres", "--", *words]


def sql(text: str, database: str = "postgres") -> list[list[str]]:
    """Statements run in one transaction; rows of the last one.  Statements go over stdin: a password is in no list of processes."""
    words = as_postgres("psql", "-X", "-A", "-t", "-q", "-w", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d", database)
    done = subprocess.run(words, input=text, capture_output=True, text=True, cwd="/", check=False)
    if done.returncode:
        fail(done.stderr.strip().splitlines()[0] if done.stderr.strip() else "psql failed")
    return [line.split("\t") for line in done.stdout.splitlines() if line]


def name_(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def text_(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class Work:
    """One database of one move; with `check` it only says what it would do."""

    def __init__(self, check: bool, move: str, account: str, name: str, owner: str, user: str, encoding: str, collation: str, ctype: str):
        self.check, self.move, self.account, self.name, self.owner, self.user = check, move, account, name, owner, user
        self.encoding, self.collation, self.ctype = encoding, collation, ctype
        self.mark = f"planner-move:{move}"
        self.folder, self.credentials = MOVES / move, SYSTEMS / f"{account}.json"

    def changed(self, text: str) -> None:
        print(f"planner: changed: {text}")

    def roles(self) -> set[str]:
        return {row[0] for row in sql("SELECT rolname FROM pg_roles;")}

    def is_there(self, name: str) -> bool:
        return bool(sql(f"SELECT 1 FROM pg_database WHERE datname = {text_(name)};"))

    def is_ours(self, name: str) -> bool:
        found = sql(f"SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = {text_(name)};")
        return bool(found) and found[0][0] == self.mark

    def make_role(self, name: str, login: bool, inherit: bool = True) -> None:
        if not self.check:
            kind = f"{'LOGIN' if login else 'NOLOGIN'} {'INHERIT' if inherit else 'NOINHERIT'}"
            sql(f"CREATE ROLE {name_(name)} {kind}; COMMENT ON ROLE {name_(name)} IS {text_(self.mark)};")
        self.changed(f"role {name}")

    def present(self) -> None:
        there = self.roles()
        for name in dict.fromkeys((self.owner, self.user)):
            if name not in there:
                self.make_role(name, name == self.user)
        if self.user == "postgres" or (
            self.user in there and sql(f"SELECT 1 FROM pg_roles WHERE rolsuper AND rolname = {text_(self.user)};")
        ):
            fail(f"{self.user} is a superuser here: the system needs a role of its own")
        if not self.credentials.exists():
            if not self.check:
                self.new_password()
            self.changed(f"password of {self.user}")
        if self.is_there(self.name):
            if not self.is_ours(self.name):
                fail(f"a database {self.name} that no move of ours made is here already")
        else:
            if not self.check:
                self.create(self.name)
            self.changed(f"database {self.name}")

    def new_password(self) -> None:
        password = secrets.token_urlsafe(24)
        sql(f"SET password_encryption = 'scram-sha-256'; ALTER ROLE {name_(self.user)} PASSWORD {text_(password)};")
        draft = self.credentials.with_suffix(".new")
        draft.unlink(missing_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(handle, json.dumps({"name": self.name, "user": self.user, "password": password}).encode())
        os.close(handle)
        draft.replace(self.credentials)

    def create(self, name: str) -> None:
        sql(
            f"CREATE DATABASE {name_(name)} OWNER {name_(self.owner)} TEMPLATE template0 ENCODING {text_(self.encoding)}"
            f" LC_COLLATE {text_(self.collation)} LC_CTYPE {text_(self.ctype)};"
        )
        sql(f"COMMENT ON DATABASE {name_(name)} IS {text_(self.mark)};")

    def from_source(self, word: str) -> subprocess.Popen:
        return subprocess.Popen(
            ["ssh", "-F", str(self.folder / "ssh_config"), "planner-source", word], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )

    def told(self) -> list[list[str]]:
        """What the source says around the database: lines of a word and hexadecimal texts, ended by `end`."""
        source = self.from_source("around")
        text = source.communicate()[0].decode("ascii", "replace")
        lines = [line.split("\t") for line in text.splitlines()]
        if source.returncode or not lines or lines[-1] != ["end"]:
            fail("the source does not tell the database's roles")
        return [[word, *(bytes.fromhex(cell).decode("utf-8", "replace") for cell in cells)] for word, *cells in lines[:-1]]

    def copied(self) -> None:
        if (self.folder / "live").exists():
            fail(f"{self.name} serves visitors since its cutover; copying again would overwrite what they wrote")
        if not self.is_ours(self.name):
            fail(f"there is no database {self.name} of this move")
        if self.check:
            return self.changed(f"{self.name} would be filled")
        lock = (self.folder / "lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)  # a copy that a killed run left going ends first
        around, there = self.told(), self.roles()
        for word, *cells in around:
            if word == "role" and cells[0] not in there:
                self.make_role(cells[0], cells[1] == "true", cells[2] == "true")
        for word, *cells in around:
            if word == "member":
                sql(f"GRANT {name_(cells[1])} TO {name_(cells[0])};")
        draft, old = (f"planner_{what}_{self.move.replace('-', '_')}"[:63] for what in ("new", "old"))
        for name in (draft, old):
            sql(f"DROP DATABASE IF EXISTS {name_(name)};")
        self.create(draft)
        self.restore(draft)
        self.settle(draft, around)
        end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ({text_(self.name)}, {text_(draft)});"
        sql(end)
        sql(
            f"BEGIN; ALTER DATABASE {name_(self.name)} RENAME TO {name_(old)};"
            f" ALTER DATABASE {name_(draft)} RENAME TO {name_(self.name)}; COMMIT;"
        )
        sql(f"DROP DATABASE {name_(old)};")
        self.changed(f"{self.name} is filled")

    def restore(self, draft: str) -> None:
        source = self.from_source("dump")
        words = as_postgres("pg_restore", "--exit-on-error", "--no-password", "--dbname", draft)
        done = subprocess.run(words, stdin=source.stdout, capture_output=True, text=True, cwd="/", check=False)
        source.stdout.close()
        if done.returncode:
            source.kill()
            fail(f"the dump could not be restored: {done.stderr.strip()[:500]}")
        if source.wait():
            fail("the dump was cut off on its way")

    def settle(self, draft: str, around: list[list[str]]) -> None:
        """Grants on the database itself and settings for it, which no dump of one database holds; and figures for the query planner."""
        grants = [cells for word, *cells in around if word == "grant" and cells[1] in PRIVILEGES]
        if grants:
            text = f"REVOKE ALL ON DATABASE {name_(draft)} FROM PUBLIC;"
            for who, privilege in grants:
                text += f"GRANT {privilege} ON DATABASE {name_(draft)} TO {name_(who) if who else 'PUBLIC'};"
            sql(text)
        for word, *cells in around:
            if word == "setting":
                role, (key, _, value) = cells[0], cells[1].partition("=")
                if key.replace(".", "").replace("_", "").isalnum() and key != "default_transaction_read_only":
                    whose = f"ROLE {name_(role)} IN DATABASE {name_(draft)}" if role else f"DATABASE {name_(draft)}"
                    parts = value if key == "search_path" else text_(value)
                    sql(f"ALTER {whose} SET {key} TO {parts};")
        sql("ANALYZE;", draft)

    def absent(self) -> None:
        if self.is_there(self.name) and self.is_ours(self.name):
            if not self.check:
                archive = ARCHIVES / f"{self.account}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.dump"
                with archive.open("wb") as out:
                    archive.chmod(0o600)
                    if subprocess.run(as_postgres("pg_dump", "-Fc", "--", self.name), stdout=out, cwd="/", check=False).returncode:
                        fail(f"{self.name} could not be archived: it stays")
                sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {text_(self.name)};")
                sql(f"DROP DATABASE {name_(self.name)};")
            self.changed(f"database {self.name} is archived and gone")
        mine = sql(f"SELECT rolname FROM pg_roles WHERE shobj_description(oid, 'pg_authid') = {text_(self.mark)};")
        for (name,) in mine:
            # a role that another database needs stays
            needed = sql(
                f"SELECT 1 FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = {text_(name)}::regrole LIMIT 1;"
            )
            if not needed:
                if not self.check:
                    sql(f"DROP ROLE {name_(name)};")
                self.changed(f"role {name} is gone")
        if self.credentials.exists():
            if not self.check:
                self.credentials.unlink()
            self.changed("its credentials are gone")


def main() -> None:
    word, *rest = sys.argv[1:]
    work = Work(word.startswith("check-"), *rest)
    {"present": work.present, "copied": work.copied, "absent": work.absent}[word.removeprefix("check-")]()


if __name__ == "__main__":
    main()
