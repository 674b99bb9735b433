#!/usr/bin/python3
"""Fill an account's schema from its source, or switch its events on.  usage: schema-copy copied|live MOVE ACCOUNT  (as root)

The dump comes over the move's own key, compressed, and is filtered line by line on its way into the client: definers, collations and
the lines that only a client obeys.  mysqldump writes each INSERT on one line, so that data is told from definitions by a line's start.
"""

import configparser
import fcntl
import os
import pathlib
import re
import subprocess
import sys
import zlib

DEFINER = re.compile(rb"DEFINER\s*=\s*(?:`(?:[^`]|``)*`|'(?:[^'\\]|\\.)*'|\S+?)@(?:`(?:[^`]|``)*`|'(?:[^'\\]|\\.)*'|[\w.%-]+)")
DEFINITION = re.compile(rb"\s*(?:/\*!\d+\s+)?(?:CREATE|ALTER|DEFINER)\b|\s*/\*!5\d+ (?:DEFINER|SQL SECURITY|CREATE)")
OWN_DATABASE = re.compile(rb"(?:/\*!\d+ )?ALTER DATABASE `(?:[^`]|``)*`")
MYSQL8_COLLATION = re.compile(rb"\butf8mb4_\w*0900\w*")
HEADER_EVENT = re.compile(rb"-- planner: event ([0-9A-F]*)\s*$")


def fail(text: str) -> None:
    sys.exit(f"planner: failed: {text}")


def rewrite(line: bytes, definer: bytes, schema: bytes) -> bytes:
    """A line of the dump as it may go into this server."""
    if line.startswith(b"INSERT "):
        return line
    if OWN_DATABASE.match(line):  # around a trigger made under another collation; it names the schema as the source did
        return OWN_DATABASE.sub(b"ALTER DATABASE " + schema, line, count=1).replace(b"*/ ;", b";")
    if DEFINITION.match(line):
        line = DEFINER.sub(b"DEFINER=" + definer, line)
    if b"0900" in line:
        line = MYSQL8_COLLATION.sub(b"utf8mb4_unicode_520_ci", line)
    return line


def lines(stream, size: int = 1 << 20):
    """Decompressed lines; never more than a chunk and one line in memory."""
    unzip, rest = zlib.decompressobj(31), b""
    while chunk := stream.read(size):
        *whole, rest = (rest + unzip.decompress(chunk)).split(b"\n")
        yield from (line + b"\n" for line in whole)
    if rest:
        yield rest
    if not unzip.eof:
        fail("the dump was cut off on its way")


def statement(text: str, options: list[str]) -> None:
    done = subprocess.run(["mariadb", *options, "-e", text], capture_output=True, text=True, check=False)
    if done.returncode:
        fail(done.stderr.strip())


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def main() -> None:
    mode, move, account = sys.argv[1:]
    folder, credentials = pathlib.Path("/var/lib/moves") / move, pathlib.Path("/var/lib/vhost") / f"{account}.cnf"
    client = configparser.ConfigParser(interpolation=None)
    client.read(credentials)
    try:
        schema, user = client["client"]["database"].strip('"'), client["client"]["user"].strip('"')
    except KeyError:
        fail(f"{credentials} names no database: has vhost_account run?")
    own = [f"--defaults-extra-file={credentials}"]
    if mode == "live":
        return live(folder, schema, own)
    if (folder / "live").exists():
        fail(f"{schema} serves visitors since its cutover; copying again would overwrite what they wrote")
    lock = (folder / "lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)  # a copy that a killed run left going ends first
    statement(
        f"DROP DATABASE IF EXISTS {quoted(schema)}; CREATE DATABASE {quoted(schema)} CHARACTER SET utf8mb4",
        ["--default-character-set=utf8mb4"],
    )
    sender = subprocess.Popen(
        ["ssh", "-F", str(folder / "ssh_config"), "planner-source", "dump"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    # --sandbox: "\!" and "source" inside a dump are not obeyed
    filler = subprocess.Popen(
        ["mariadb", *own, "--sandbox", "--default-character-set=utf8mb4", schema], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    definer = f"{quoted(user)}@`localhost`".encode()
    events, last, inserts = [], b"", 0
    try:
        for line in lines(sender.stdout):
            if found := HEADER_EVENT.match(line):
                events.append(found[1].decode())
                continue
            if line.startswith(b"/*M!999999") or line.startswith(b"/*!999999"):
                continue  # the dump's own sandbox line: not every client knows it, and ours is in a sandbox anyway
            filler.stdin.write(rewrite(line, definer, quoted(schema).encode()))
            inserts += line.startswith(b"INSERT ")
            if line.strip():
                last = line
        filler.stdin.close()
    except BrokenPipeError:
        pass
    message = filler.stderr.read().decode(errors="replace").strip()
    if filler.wait():
        sender.kill()
        fail(f"the database refused the dump: {message[:500]}")
    if sender.wait() or not last.startswith(b"-- Dump completed"):
        fail("the dump is not whole: its last line is missing")
    # on the disk before it takes its name: empty after a loss of power, it would leave the events off for good
    with (folder / "events.new").open("w") as kept:
        kept.write("\n".join(events))
        kept.flush()
        os.fsync(kept.fileno())
    (folder / "events.new").replace(folder / "events")
    print(f"planner: changed: {inserts} INSERT statements")


def live(folder: pathlib.Path, schema: str, own: list[str]) -> None:
    wanted = [bytes.fromhex(line).decode() for line in (folder / "events").read_text().split()] if (folder / "events").exists() else []
    for name in wanted:
        asked = name.encode().hex().upper()
        query = f"SELECT STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA='{schema}' AND HEX(EVENT_NAME)='{asked}'"
        done = subprocess.run(["mariadb", *own, "-N", "-e", query], capture_output=True, text=True, check=False)
        if done.stdout.strip() != "ENABLED":
            statement(f"ALTER EVENT {quoted(schema)}.{quoted(name)} ENABLE", own)
            print(f"planner: changed: event {name!r}")


if __name__ == "__main__":
    main()
