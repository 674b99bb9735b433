#!/usr/bin/python3
"""Send one site to the machine that keeps its backups.  usage: backup-source ID REQUEST  (as root, by the forced command of its key)

The request is taken apart here.  Only "send the docroot" (rsync), "dump" and "settings" are obeyed; nothing can be written by any of
them, and nothing of the backups can be reached from here.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

SITES = pathlib.Path("/etc/site-backup-source.json")
LONG = re.compile(r"--(?:numeric-ids|timeout=[0-9]+|bwlimit=[0-9]+)")
SHORT = re.compile(r"-[A-Za-rt-z]*(?:e[0-9]*\.[A-Za-z]*)?")
"""An "s" before the "e" would let the client name another path."""


def refuse(text="this key may not do that"):
    sys.exit(f"backup-source: {text}")


def rsync_options(request):
    """The options of an rsync request that only sends the docroot; None for anything else."""
    words = request.split(" ")
    if words[:3] != ["rsync", "--server", "--sender"] or words[-2:] != [".", "./"]:
        return None
    options = words[3:-2]
    good = all(LONG.fullmatch(one) if one.startswith("--") else SHORT.fullmatch(one) for one in options)
    return options if good else None


def transactions(schema):
    """Whether all tables of a schema can be read as of one moment without locking them."""
    query = (
        "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '" + schema.replace("'", "''") + "' AND TABLE_TYPE <> 'VIEW'"
        " AND COALESCE(ENGINE, '') <> 'InnoDB'"
    )
    done = subprocess.run(["mariadb", "--batch", "--skip-column-names", "-e", query], capture_output=True, text=True, check=False)
    if done.returncode:
        refuse(f"the database server refuses root: {done.stderr.strip()[:200]}")
    return done.stdout.strip() == "0"


def dump(site):
    if site["engine"] == "postgresql":
        words = ["nice", "runuser", "-u", "postgres", "--", "pg_dump", "-Fc", "--no-password", "--", site["schema"]]
        sys.exit(subprocess.run(words, cwd="/", check=False).returncode)
    if site["engine"] != "mysql":
        refuse("this site has no database")
    how = ["--single-transaction"] if transactions(site["schema"]) else ["--lock-tables"]
    words = ["nice", "mariadb-dump", "--opt", *how, "--quick", "--routines", "--triggers", "--events", "--hex-blob"]
    words += ["--default-character-set=utf8mb4", "--", site["schema"]]
    sender = subprocess.Popen(words, stdout=subprocess.PIPE)
    packed = subprocess.run(["nice", "gzip", "-1"], stdin=sender.stdout, check=False).returncode
    sender.stdout.close()
    sys.exit(sender.wait() or packed)


def settings(site):
    """What the site's roles wrote for it, as a compressed tar; what is not there is left out."""
    found = sorted({path for pattern in site["settings"] for path in pathlib.Path("/").glob(pattern.lstrip("/"))})
    words = ["tar", "--create", "--gzip", "--file=-", "--directory=/", "--null", "--files-from=-"]
    names = "".join(f"{str(path).lstrip('/')}\0" for path in found)
    sys.exit(subprocess.run(words, input=names.encode("utf-8", "surrogateescape"), check=False).returncode)


def main():
    name, request = [*sys.argv[1:], "", ""][:2]
    site = json.loads(SITES.read_text()).get(name)
    if site is None:
        refuse("there is no such site here")
    os.environ["LC_ALL"] = "C.UTF-8"
    options = rsync_options(request)
    if options is not None:
        os.chdir(site["docroot"])
        os.execv(shutil.which("nice"), ["nice", "rsync", "--server", "--sender", *options, ".", "./"])  # noqa: S606
    elif request == "dump":
        dump(site)
    elif request == "settings":
        settings(site)
    refuse()


if __name__ == "__main__":
    main()
