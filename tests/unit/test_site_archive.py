"""The archive tool on a real tar stream: whole, unchanged the second time, and any difference from the source is found."""

import importlib.util
import io
import json
import os
import subprocess
import tarfile
import zlib
from pathlib import Path

import pytest

_path = Path(__file__).parents[2] / "playbooks/roles/site_archive/files/site-archive.py"
_spec = importlib.util.spec_from_file_location("site_archive", _path)
tool = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tool)
DUMP = b"""-- MariaDB dump
CREATE TABLE `t` (`a` int);
INSERT INTO `t` VALUES ('-- Dump completed','DEFINER=`a`@`b`');
-- Dump completed on 2026-12-01
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A docroot with hostile names and a dump; the source is a tar of it, the key's connection a local process."""
    docroot = tmp_path / "docroot"
    (docroot / "sub").mkdir(parents=True)
    (docroot / "index.html").write_text("<a href='/sub/x.html'>x</a>")
    (docroot / "a\nb $(touch x) {{ 1 }}.txt").write_text("odd")
    (docroot / os.fsdecode("gbk-\xd6\xd0.txt".encode("latin-1"))).write_bytes(b"\xd6\xd0")
    (docroot / "link").symlink_to("index.html")
    os.utime(docroot / "index.html", (1_200_000_000, 1_200_000_000))
    dump = tmp_path / "dump.gz"
    import gzip

    dump.write_bytes(gzip.compress(DUMP))

    def asked(_job, what):
        command = ["tar", "-cf", "-", "-C", docroot, "."] if what == "tar" else ["cat", dump]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    pages = {"/": (200, "text/html", "", b'<a href="/sub/x.html">x</a><a href="http://other.edu/">o</a><img src=/p.png>'),
             "/sub/x.html": (200, "text/html", "", b"<a href=/deep.html>d</a><img src='p2.png'>"), "/p.png": (200, "image/png", "", b"png"),
             "/sub/p2.png": (404, "text/html", "", b"")}  # fmt: skip
    monkeypatch.setattr(tool, "asked", asked)
    monkeypatch.setattr(tool, "page", lambda _job, path: pages[path])
    monkeypatch.setattr(tool.shutil, "which", lambda _name: None)
    job = {"move": "m", "folder": str(tmp_path / "m"), "names": ["a.edu"], "address": "192.0.2.1", "tls": False, "schema": "s", "note": "n"}
    return docroot, dump, job


def test_made_twice_and_proved(site, capsys):
    docroot, _, job = site
    tool.made(job)
    assert "planner: changed: archived 3 files" in capsys.readouterr().out
    place = Path(job["folder"])
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=place, check=True)
    with tarfile.open(place / "files.tar.gz") as tar:
        entry = tar.getmember("./index.html")
        assert (entry.mtime, entry.uid, tar.extractfile(entry).read()) == (
            1_200_000_000,
            os.getuid(),
            (docroot / "index.html").read_bytes(),
        )
    index = json.loads((place / "static/index.json").read_text())["pages"]
    assert {page["url"]: page["status"] for page in index} == {"/": 200, "/sub/x.html": 200, "/p.png": 200, "/sub/p2.png": 404}
    tool.made(job)
    assert "changed" not in capsys.readouterr().out
    tool.proved(job)
    assert "no MariaDB here" in capsys.readouterr().out
    tool.proved(job)
    assert "changed" not in capsys.readouterr().out
    (docroot / "new").write_text("x")
    tool.made(job)
    assert "archived 4 files" in capsys.readouterr().out
    assert not (place / "verified.json").exists(), "a new archive is not proved yet"
    assert [path.name for path in place.parent.iterdir() if path.name.startswith(".m")] == []


def _touch(path):
    os.utime(path, (5, 5))


CHANGES = {
    "a byte at the source": lambda docroot, dump, place: (docroot / "index.html").write_text("<a href='/sub/y.html'>x</a>"),
    "a date at the source": lambda docroot, dump, place: _touch(docroot / "index.html"),
    "a mode at the source": lambda docroot, dump, place: (docroot / "index.html").chmod(0o600),
    "a file less at the source": lambda docroot, dump, place: (docroot / "link").unlink(),
    "a row at the source": lambda docroot, dump, place: dump.write_bytes(tool.gzip.compress(DUMP.replace(b"('", b"('x"))),
    "a dump that was cut off": lambda docroot, dump, place: dump.write_bytes(tool.gzip.compress(DUMP[:-40])),
    "a byte in the archive": lambda docroot, dump, place: (place / "static/index.json").write_text("{}"),
    "a file less in the archive": lambda docroot, dump, place: (place / "database.sql.gz").unlink(),
    "no archive": lambda docroot, dump, place: (place / "manifest.json").unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_difference_is_found(site, change):
    docroot, dump, job = site
    tool.made(job)
    CHANGES[change](docroot, dump, Path(job["folder"]))
    with pytest.raises(SystemExit, match="planner: failed: "):
        tool.proved(job)


def test_a_dump_of_another_day_is_the_same_and_one_cut_in_the_stream_is_not():
    one, other = tool.Dump(), tool.Dump()
    for line in DUMP.splitlines(keepends=True):
        one.take(line)
        other.take(line.replace(b"2026-12-01", b"2026-12-02"))
    assert one.known() == other.known() == {"sha256": one.sha.hexdigest(), "tables": 1, "inserts": 1}
    with pytest.raises(SystemExit, match="cut off"):
        list(tool.lines(io.BytesIO(zlib.compress(DUMP, wbits=31)[:-9])))


def test_a_restored_dump_reaches_its_schema_alone():
    line = b"/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`%`*/ /*!50003 TRIGGER t BEFORE INSERT ON x FOR EACH ROW SET @a=1 */;;\n"
    assert b"DEFINER=`u`@`localhost`" in tool.rewritten(line, b"u", b"s")
    insert = b"INSERT INTO `t` VALUES ('DEFINER=`a`@`b` utf8mb4_0900_ai_ci');\n"
    assert tool.rewritten(insert, b"u", b"s") == insert
    assert tool.rewritten(b"ALTER DATABASE `old` CHARACTER SET utf8 ;\n", b"u", b"s").startswith(b"ALTER DATABASE `s` ")
