"""Both engines for every test of the catalogue: a SQLite file, and a database on a real PostgreSQL server that the tests start.

The server is private: a cluster of its own in /tmp, on a free port of the loopback address, with passwords; the system's cluster is
not touched.  PostgreSQL refuses to run as root, so root gives it to another user.  It dies with the tests, also with killed ones.
"""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from inventory.catalogue import open_catalogue

PACKAGED = "/usr/lib/postgresql"  # Debian's place, by version


@dataclass
class Server:
    """A running server: `url()` makes an empty database and leads to it."""

    port: int
    password: str
    made: int = 0

    def url(self, options: str = "", query: str = "") -> str:
        self.made += 1
        name = f"catalogue{self.made}"
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name} {options}".encode())
        return f"postgresql+psycopg://planner:{self.password}@127.0.0.1:{self.port}/{name}{query}"

    def connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="planner",
            password=self.password,
            dbname=database,
            autocommit=True,
            client_encoding="utf8",
        )


def _programs() -> Path:
    found = sorted(Path(PACKAGED).glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if not found:
        missing = f"the package postgresql is missing: no {PACKAGED}/*/bin/initdb (as root, tests/setup.sh installs it)"
        if os.geteuid() == 0:
            pytest.fail(missing)
        pytest.skip(missing)
    return found[-1].parent


def _other_user(folder: Path) -> list[str]:
    """The words before a program that must not run as root; its folder becomes the other user's."""
    if os.geteuid() != 0:
        return []
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        user = pwd.getpwnam("nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


@pytest.fixture(scope="session")
def server():
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="planner-postgresql-", dir="/tmp"))  # short: a socket's path has 107 bytes
    process = None
    try:
        become = _other_user(folder)
        password = secrets.token_hex(12)
        answer = folder / "password"
        answer.write_text(password)
        answer.chmod(0o644)  # the folder itself is closed to others
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": str(folder)}
        # an order of letters that is not that of bytes, as on the servers of most centers
        letters = ["--encoding=UTF8", "--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8"]
        command = [*become, str(programs / "initdb"), "-D", str(folder / "data"), "-U", "planner", "-A", "scram-sha-256"]
        made = subprocess.run(
            [*command, "--pwfile", str(answer), "--no-sync", *letters],
            env=environment,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": str(folder),
            "fsync": "off",
            "TimeZone": "Asia/Shanghai",
        }
        words = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        log = (folder / "log").open("wb")
        process = subprocess.Popen(
            [*(become or ["setpriv"]), "--pdeathsig=INT", str(programs / "postgres"), "-D", str(folder / "data"), *words],
            env=environment, cwd="/", stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        running = Server(port, password)
        until = time.monotonic() + 60
        while True:
            try:
                running.connect("postgres").close()
                break
            except psycopg.OperationalError:
                said = (folder / "log").read_text(errors="replace")
                assert process.poll() is None, said
                assert time.monotonic() < until, said
                time.sleep(0.1)
        yield running
    finally:
        if process is not None:
            process.send_signal(2)
            process.wait(60)
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def url(request, tmp_path):
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/catalogue.db"
    return request.getfixturevalue("server").url()


@pytest.fixture
def book(url):
    """An open catalogue."""
    opened = open_catalogue(url)
    yield opened
    opened.close()
