"""What is moved: a small PHP and MySQL application that takes entries and uploads, on a lab host, to a virtual-host server.

In: a lab, a folder for the workspace.  Out: a planned and approved move in a workspace with a file system of its own (so that the planner's
disk can be full), the product's commands as a user gives them, and the journal as it grows.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from campuslab import LabError, hosts, starting
from campuslab.holder import stop
from campuslab.layout import COMMAND, Lab

ROOT = Path(__file__).resolve().parents[2]
SOURCE, DESTINATION, NAMES = "phys", "vh1", "ns1"
SITE, MOVE, ACCOUNT = "events.phys.campus.test", "events-phys-campus-test", "w-events-phys-campus-test"
DOCROOT, MOVED_TO = "/var/www/events", f"/srv/sites/{ACCOUNT}/htdocs"
SCHEMA, NEW_SCHEMA = "physevents", ACCOUNT.replace("-", "_")
ADDRESS, NEW_ADDRESS = "198.51.100.12", "198.51.100.101"
RUN = ("run", "--yes", "--any-time", "a lab has no nights", "--move", SITE)
BACK = ("rollback", "--yes", SITE)
SECONDS = 420.0
"""A command of the product that lasts longer than this hangs: the planner's own patience with a silent machine is a minute."""

# Accepted is only what can be found again: the row is committed, the file is written through and closed.
APPLICATION = r"""<?php require 'config.php';
$name = $_POST['name'] ?? ''; $here = php_uname('n');
if ($_SERVER['REQUEST_METHOD'] === 'POST' && preg_match('/^[a-z0-9-]{1,60}$/', $name)) {
  if ($_POST['kind'] === 'row') {
    $db = new mysqli($db_host, $db_user, $db_password, $db_name);
    $q = $db->prepare('INSERT INTO entry(name, at) VALUES (?, NOW())'); $q->bind_param('s', $name); $q->execute();
  } else {
    $f = fopen("uploads/$name.txt", 'x');
    if (!$f || fwrite($f, "upload $name\n") === false || !fflush($f) || !fsync($f) || !fclose($f)) { http_response_code(500); exit; }
  }
  exit("accepted $name by $here\n");
}
echo '<!DOCTYPE html><meta charset="utf-8"><title>Entries</title><p>An entry, or an upload.</p>';
"""
SEED = f"""
cat > {DOCROOT}/write.php && chown physweb:www-data {DOCROOT}/write.php
mysql {SCHEMA} -e "CREATE TABLE entry (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(60), at DATETIME) CHARACTER SET utf8mb4"
printf '[mariadb]\\nevent_scheduler=ON\\n' > /etc/mysql/mariadb.conf.d/90-events.cnf  # the seed's own setting ends with the server
echo kept > {DOCROOT}/uploads/kept.txt; chown physweb:www-data {DOCROOT}/uploads/kept.txt
"""


@dataclass(frozen=True)
class Line:
    """A line of the journal."""

    id: int
    step: str
    event: str
    attempt: int
    seconds: float


class Subject:
    """The lab and its workspace."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self.environment = {**os.environ, "LAB_NAME": lab.name, "PYTHONPATH": str(ROOT), "COLUMNS": "250"}

    # ---- the lab ----

    def on(self, host: str, script: str, stdin: str = "") -> str:
        """What a script prints on a host, as its root.  Raises LabError when it fails."""
        if stdin:
            with tempfile.TemporaryFile("w+", encoding="utf-8") as text:
                text.write(stdin)
                text.seek(0)
                done = hosts.execute(self.lab, host, ["sh", "-c", script], capture=True, stdin=text)
        else:
            done = hosts.execute(self.lab, host, ["sh", "-c", script], capture=True)
        if done.returncode:
            raise LabError(f"{host}: {done.returncode}: {(done.stderr or done.stdout).strip()[-400:]}")
        return done.stdout

    def start(self, *names: str) -> None:
        """Switch hosts on and wait until all their services run; a start that fails once is tried again."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            try:
                starting.up(self.lab, names)
            except LabError:
                for name in names:
                    self.on(name, "systemctl reset-failed; systemctl start mariadb nginx php*-fpm 2>/dev/null || true")
                time.sleep(2)
                starting.up(self.lab, names)

    def ctl(self, *words: str) -> list[str]:
        """A command line on the control side."""
        return [sys.executable, str(COMMAND), "ctl", "--", *words]

    # ---- the product ----

    def planner(self, *words: str) -> list[str]:
        """A command line of the product, on the control side."""
        return self.ctl(sys.executable, "-m", "planner", *words)

    def ask(self, *words: str, seconds: float = SECONDS) -> subprocess.CompletedProcess[str]:
        """Run a command of the product to its end.  Raises subprocess.TimeoutExpired when it hangs."""
        return subprocess.run(
            self.planner(*words), cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False, timeout=seconds
        )

    def must(self, *words: str) -> str:
        """What a command prints that has to work."""
        done = self.ask(*words)
        if done.returncode:
            raise LabError(f"planner {' '.join(words)}: {done.returncode}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def journal(self, after: int = 0) -> list[Line]:
        """The move's lines behind one; empty while the catalogue is being written to."""
        try:
            book = sqlite3.connect(f"file:{self.folder / 'catalogue.db'}?mode=ro", uri=True, timeout=0.2)
        except sqlite3.Error:
            return []
        try:
            query = "select id, step, event, attempt, json_extract(detail, '$.seconds') from journal where move = ? and id > ? order by id"
            return [Line(row[0], row[1], row[2], row[3], float(row[4] or 0)) for row in book.execute(query, (MOVE, after))]
        except sqlite3.Error:
            return []
        finally:
            book.close()

    # ---- beginning and end ----

    def prepare(self, warm: bool) -> None:
        """Bring the lab up and plan the move, from nothing.  `warm`: there and back once, which installs what a first site needs."""
        self.close()
        self.folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m,mode=700", "faults", self.folder], check=True)
        with contextlib.redirect_stdout(io.StringIO()):
            starting.up(self.lab, [NAMES, SOURCE, DESTINATION])
        self.on(SOURCE, SEED, APPLICATION)
        self.must("init", str(self.folder))
        (self.folder / "planner.yml").write_text(
            f"ssh: {{user: ops, key_files: [{self.lab.key}], agent: false, command_seconds: 40}}\nscope: {{allow: [198.51.100.0/24]}}\n"
        )
        shutil.copy(self.lab.tsig, self.folder / "tsig.key")
        for name, place in (("platforms.yml", "inventory/platforms.yml"), ("calendar.yml", "calendar.yml")):
            shutil.copy(ROOT / "lab" / name, self.folder / place)
        self.must("register", "import", *[str(ROOT / "lab/register" / name) for name in ("units.yml", "servers.csv", "sites.csv")])
        self.must("hosts", "trust", SOURCE, DESTINATION, "--known-hosts", str(self.lab.known_hosts))
        for words in (("discover", SOURCE), ("assess",), ("plan",), ("generate",)):
            self.must(*words)
        self.must("plan", "approve", "--by", "the campaign", "--despite", "this is a lab")
        if warm:
            self.must(*RUN)
            self.must(*BACK)

    def close(self) -> None:
        """The lab down, the workspace gone."""
        stop(self.lab)
        while self.folder.is_mount():
            subprocess.run(["umount", "-l", self.folder], check=True)
