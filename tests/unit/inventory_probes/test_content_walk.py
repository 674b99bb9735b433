"""The walk through docroots, for real: against Python's own reading of the same tree, with every shell and awk at hand, and where it must fail."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inventory.probes import codesearch, content, sqlite
from inventory.probes.base import Observation, Probe, Section

SHELLS = [[path] for path in map(shutil.which, ("dash", "bash", "ksh", "mksh")) if path]
SHELLS += [["busybox", "ash"]] if shutil.which("busybox") else []
AWKS = [path for path in map(shutil.which, ("mawk", "gawk")) if path]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ROOT = os.geteuid() == 0
SECRET = "Secret1"


def run(
    probe: Probe, root: str, shell: list[str] = SHELLS[0], path: str = "", before: tuple[str, ...] = (), privilege: str = "root"
) -> list[Observation]:
    """The section over one docroot instead of those that this machine's configuration names."""
    script = probe.script.replace("all_docroots() {", "all_docroots() { printf '%s\\n' \"$ONLY\"; }; unused() {")
    environment = {"LC_ALL": "C", "PATH": path + PATH, "PRIV": privilege, "ONLY": root}
    done = subprocess.run(
        [*before, *shell, "-c", script], stdin=subprocess.DEVNULL, capture_output=True, timeout=100, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode("utf-8", "surrogateescape")
    assert SECRET not in text
    return probe.parse(Section(probe.name, text))


def the(found: list[Observation], kind: str) -> dict[str, object]:
    return next(item.data for item in found if item.kind == kind)


def expected(root: Path) -> dict[str, object]:
    """What Python sees."""
    files: list[tuple[str, os.stat_result]] = []
    count: Counter[str] = Counter()
    modes: Counter[str] = Counter()
    for path in [root, *root.rglob("*")]:
        status = path.lstat()
        letter = {stat.S_IFREG: "f", stat.S_IFDIR: "d", stat.S_IFLNK: "l", stat.S_IFIFO: "p"}[stat.S_IFMT(status.st_mode)]
        modes[f"{letter} {stat.S_IMODE(status.st_mode):o}"] += 1
        if letter == "f":
            files.append((str(path.relative_to(root)), status))
        else:
            count[{"d": "directories", "l": "symlinks", "p": "special"}[letter]] += 1
    inodes = {status.st_ino: status for _, status in files}
    return {
        "files": len(files), "bytes": sum(s.st_size for _, s in files), "directories": count["directories"], "symlinks": count["symlinks"],
        "special": count["special"], "allocated_bytes": sum(s.st_blocks * 512 for s in inodes.values()),
        "hard_links": sum(s.st_nlink > 1 for _, s in files), "inodes": len(inodes) + sum(count.values()),
        "modes": dict(sorted(modes.items())),
        "largest": sorted((s.st_size for _, s in files), reverse=True)[:10],
        "newest": sorted((int(s.st_mtime) for _, s in files), reverse=True)[:5],
    }  # fmt: skip


def same(found: list[Observation], root: Path) -> None:
    data, truth = the(found, "content"), expected(root)
    largest, newest = truth.pop("largest"), truth.pop("newest")
    assert {name: data[name] for name in truth} == truth
    assert [item["bytes"] for item in data["largest_files"]] == largest  # type: ignore[attr-defined]
    assert len(data["newest_files"]) == len(newest)  # type: ignore[arg-type]
    assert sum(year["files"] for year in data["years"].values()) == truth["files"]  # type: ignore[attr-defined]


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A tree of what bites."""
    root = tmp_path / "docroot {{ x }} $(touch x)"
    for folder in ("a/b", "uploads", "wp-includes", "wp-admin", ".git", "with\nnewline", "tab\tdir"):
        (root / folder).mkdir(parents=True)
    for name, text in {
        "index.html": "hi", "uploads/x.php": "<?php", "uploads/index.php": "", "with\nnewline/f": "1", "tab\tdir/t\tf.txt": "22",
        "中文.txt": "x", "README": "A", "readme": "b", "n" * 150 + ".txt": "", ".h.php": "", "a/shell.php.jpg": "", "a/pic.jpg.php": "",
        "dump.sql": "x" * 5000, "config.php~": SECRET, "wp-includes/version.php": "", "wp-includes/a.php": "", "wp-admin/b.php": "",
        ".htaccess": f"SetEnv DB_PASSWORD {SECRET}\nphp_value mysqli.default_pw \"{SECRET}\"\nAddType application/x-httpd-php .jpg\n"
        f"RequestHeader set Authorization \"Basic {SECRET}\"\nRewriteRule ^a /b?token={SECRET}\n",
        "a/.user.ini": f"auto_prepend_file = /x.php\nmysqli.default_pw = {SECRET}\n",
    }.items():  # fmt: skip
        (root / name).write_text(text)
    (root / os.fsdecode("中文.txt".encode("gb18030"))).write_text("y")
    os.link(root / "index.html", root / "hard.html")
    os.link(root / "index.html", tmp_path / "outside.html")
    with (root / "sparse.bin").open("wb") as handle:
        handle.truncate(1_000_000)
    os.mkfifo(root / "pipe")
    for name, target in {
        "out": "/etc/passwd", "up": "../../etc", "gone": "nothing", "absolute": f"{root}/index.html", "fine": "a/../index.html", "nl": "a\nb",
    }.items():  # fmt: skip
        (root / name).symlink_to(target)
    (root / "README").chmod(0o4755)
    (root / "a").chmod(0o777)
    (root / "dump.sql").chmod(0o666)
    for name in ("wp-includes/version.php", "wp-includes/a.php", "index.html"):
        os.utime(root / name, (1_425_427_200, 1_425_427_200))
    return root


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: "-".join(Path(word).name for word in shell))
@pytest.mark.parametrize("awk", AWKS, ids=lambda awk: Path(awk).name)
def test_odd_tree(odd: Path, shell: list[str], awk: str, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "awk").symlink_to(awk)
    found = run(content.PROBE, str(odd), shell, f"{tmp_path}/bin:")
    same(found, odd)
    data = the(found, "content")
    assert data["complete"]
    assert data["odd_names"] == {
        "not_utf8": [os.fsdecode("中文.txt".encode("gb18030"))], "newline": ["with\nnewline"], "over_143_bytes": ["n" * 150 + ".txt"],
        "same_but_for_case": data["odd_names"]["same_but_for_case"],  # type: ignore[index]
    }  # fmt: skip
    assert data["odd_names"]["same_but_for_case"] in (["README"], ["readme"])  # type: ignore[index]
    assert data["links_outside"] == [{"path": "out", "target": "/etc/passwd"}, {"path": "up", "target": "../../etc"}]
    assert [item["path"] for item in data["links_absolute"]] == ["absolute"]  # type: ignore[attr-defined]
    assert [item["path"] for item in data["links_dangling"]] == ["gone", "up"]  # type: ignore[attr-defined]
    assert [item["path"] for item in data["links_not_followed"]] == ["nl"]  # type: ignore[attr-defined]
    assert (data["hard_links"], data["hard_links_outside"], data["sparse_files"]) == (2, 1, 1)
    assert (data["setid"], data["version_control"], data["php_in_uploads"]) == (["README"], [".git"], ["uploads/x.php"])
    assert data["world_writable"] == ["a/", "dump.sql"]
    assert {"path": "a", "by": "everyone", "directories": 1, "files": 3, "bytes": data["writable_areas"][0]["bytes"], "php": 1} == data[  # type: ignore[index]
        "writable_areas"
    ][0]
    assert [item["path"] for item in data["backups"]] == ["dump.sql", "config.php~"]  # type: ignore[attr-defined]
    assert {(item.data["path"], item.data["sign"]) for item in found if item.kind == "infection_sign"} == {
        ("uploads/x.php", "php in uploads"), (".h.php", "hidden php"), ("a/shell.php.jpg", "double extension"),
        ("a/pic.jpg.php", "double extension"), ("wp-admin/b.php", "core file newer than the core"),
        (f"{odd}/.htaccess", "other files run as php"), (f"{odd}/a/.user.ini", "code before every page"),
    }  # fmt: skip
    assert the(found, "htaccess")["lines"][0] == "SetEnv DB_PASSWORD [redacted]"  # type: ignore[index]
    assert the(found, "user_ini")["settings"] == {"auto_prepend_file": "/x.php"}


@pytest.mark.skipif(not shutil.which("busybox"), reason="tests/setup.sh installs busybox")
def test_without_printf(odd: Path, tmp_path: Path) -> None:
    """BusyBox's find: the same numbers; only a name with a newline makes them a lower bound, and that is said."""
    applets = tmp_path / "applets"
    applets.mkdir()
    for name in ("find", "stat", "xargs", "awk", "sed", "grep", "tr", "head", "sort", "ls", "date", "cut", "wc", "timeout", "readlink"):
        (applets / name).symlink_to(shutil.which("busybox") or "")
    found = run(content.PROBE, str(odd), ["busybox", "ash"], f"{applets}:")
    data = the(found, "content")
    assert not data["complete"]
    truth = expected(odd)
    assert data["at_least"] == {
        "files": truth["files"] - 1, "bytes": truth["bytes"] - 1, "directories": truth["directories"] - 1  # type: ignore[operator]
    }  # fmt: skip
    assert "files" not in data
    assert "1 names with a newline" in the(found, "unknown")["why"]  # type: ignore[operator]
    shutil.rmtree(odd / "with\nnewline")
    same(run(content.PROBE, str(odd), ["busybox", "ash"], f"{applets}:"), odd)


name = st.binary(min_size=1, max_size=12).filter(lambda b: b"/" not in b and b"\0" not in b and b not in (b".", b".."))


@given(st.lists(st.tuples(st.lists(name, min_size=1, max_size=3), st.integers(0, 200_000), st.sampled_from([0o644, 0o666, 0o600, 0o2755]))))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_names(tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[list[bytes], int, int]]) -> None:
    """Whatever bytes stand in names, the sums are those of the tree, and nothing is forged."""
    root = tmp_path_factory.mktemp("walk")
    for parts, size, mode in entries:
        path = root.joinpath(*map(os.fsdecode, parts))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as handle:
                handle.truncate(size)
            path.chmod(mode)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            continue
    same(run(content.PROBE, str(root)), root)


@pytest.mark.skipif(not ROOT or not shutil.which("setpriv"), reason="needs root to become somebody else")
def test_what_is_unreadable_is_a_lower_bound(odd: Path, tmp_path: Path) -> None:
    for folder in [*odd.parents, odd]:
        if str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    (odd / "a").chmod(0o700)
    before = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    found = run(content.PROBE, str(odd), before=before, privilege="user")
    data = the(found, "content")
    assert "files" not in data
    assert data["at_least"]["files"] == expected(odd)["files"] - 3  # type: ignore[index, operator]
    assert the(found, "unknown") == {"what": f"content:{odd}", "why": "1 folders in it are unreadable"}
    assert "htaccess" in data
    assert "password_files" not in data


HANG = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
fd = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={fd},rootmode=40000,user_id=0,group_id=0".encode()
if libc.mount(b"hang", sys.argv[1].encode(), b"fuse.hang", 0, options):
    print("cannot mount", os.strerror(ctypes.get_errno())); sys.exit(77)
os.set_inheritable(fd, True)
os.execvp(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.skipif(not ROOT or not Path("/dev/fuse").exists(), reason="needs root and /dev/fuse")
@pytest.mark.parametrize("probe", [content.PROBE, codesearch.PROBE, sqlite.PROBE], ids=lambda probe: probe.name)
def test_a_mount_that_never_answers_is_not_touched(tmp_path: Path, probe: Probe) -> None:
    """A docroot on it, one below a docroot, and a link to it: said, and the rest is read at once."""
    root = tmp_path / "sites" / "one"
    (root / "remote").mkdir(parents=True)
    (root / "index.html").write_text("x")
    (root / "link").symlink_to("remote/file")
    environment = {"LC_ALL": "C", "PATH": PATH, "PRIV": "root"}
    script = probe.script.replace("all_docroots() {", f"all_docroots() {{ printf '%s\\n' {root} {root}/remote/x; }}; unused() {{")
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", HANG, f"{root}/remote", "timeout", "-k", "1", "20", "sh", "-c", script],
        capture_output=True, timeout=60, env=environment, check=False, text=True,
    )  # fmt: skip
    if done.returncode == 77:
        pytest.skip(done.stdout)
    assert done.returncode == 0, (done.stdout, done.stderr)
    found = probe.parse(Section(probe.name, done.stdout))
    unread = [(item.data["what"], item.data["why"]) for item in found if item.kind == "unknown"]
    assert [what for what, why in unread if "network filesystem (fuse.hang)" in why] == [
        f"{'code' if probe is codesearch.PROBE else probe.name}:{root}/remote/x"
    ]
    assert len(unread) == 1
    if probe is content.PROBE:
        data = the(found, "content")
        assert (data["complete"], data["files"], data["symlinks"]) == (True, 1, 1)
        assert data["mounts"] == [{"type": "fuse.hang", "path": f"{root}/remote"}]
        assert [item["path"] for item in data["links_not_followed"]] == ["link"]  # type: ignore[attr-defined]
    elif probe is codesearch.PROBE:
        assert the(found, "code")["complete"]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: "-".join(Path(word).name for word in shell))
def test_code(tmp_path: Path, shell: list[str]) -> None:
    root = tmp_path / "code"
    for folder in ("uploads", "lib"):
        (root / folder).mkdir(parents=True)
    for path, text in {
        "config.php": f"<?php\n$password='{SECRET}'; mail($a); $m->email(1); wp_mail($x);\ninclude '{root}/lib/x.php';",
        "app.properties": f"db.host=10.1.2.3\ndb.url=jdbc:mysql://localhost/x?password={SECRET}\nv=300.1.2.3\nserver=202.112.1.9\n",
        "a.js": "v='10.1.2.3'; x='localhost'",
        "uploads/bad.php": "<?php EVAL( base64_decode('x')); @assert($_POST['x']);\npreg_replace(\"/x/ie\",'a',$b);",
        "uploads/p.gif": "GIF89a<?php echo 1;", "lib/sso.php": "<?php phpCAS::client();", "lib/long.php": "<?php '" + "QUJD" * 700 + "';",
        "lib/chr.php": "<?php " + "chr(101)." * 9 + "; \"" + "\\x41" * 31 + '";', "lib/fine.php": "<?php base64_decode($x); eval_it();",
        "10.9.9.9:7:x.conf": "10.9.9.9",
    }.items():  # fmt: skip
        (root / path).write_text(text)
    found = run(codesearch.PROBE, str(root), shell)
    data = the(found, "code")

    def places(subject: str) -> list[tuple[str, int, str]]:
        return [(place["path"], place["line"], place["token"]) for place in data[subject]["places"]]  # type: ignore[index]

    assert (data["complete"], data["names_skipped"], data["pictures_searched"]) == (True, 1, True)
    assert places("private_addresses") == [("app.properties", 1, "10.1.2.3")]
    assert places("public_addresses") == [("app.properties", 4, "202.112.1.9")]
    assert places("localhost") == [("app.properties", 2, "localhost")]
    assert places("docroot_paths") == [("config.php", 3, str(root))]
    assert places("mail") == [("config.php", 2, "mail"), ("config.php", 2, "wp_mail")]
    assert places("sso") == [("lib/sso.php", 1, "phpcas::client")]
    assert sorted((item.data["path"], item.data["sign"]) for item in found if item.kind == "infection_sign") == [
        ("lib/chr.php", "text built of numbers"), ("lib/chr.php", "text built of numbers"), ("lib/long.php", "very long encoded text"),
        ("uploads/bad.php", "preg_replace with /e"), ("uploads/bad.php", "runs decoded text"),
        ("uploads/bad.php", "runs what a visitor sends"), ("uploads/p.gif", "php in a picture"),
    ]  # fmt: skip


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: "-".join(Path(word).name for word in shell))
def test_sqlite_files_are_not_opened(tmp_path: Path, shell: list[str]) -> None:
    root = tmp_path / "site" / "public"
    (tmp_path / "site" / "data").mkdir(parents=True)
    root.mkdir()
    with sqlite3.connect(root / "blog.db") as connection:
        connection.execute("PRAGMA user_version = 7")
        connection.execute("CREATE TABLE t (a)")
    connection = sqlite3.connect(tmp_path / "site" / "data" / "x.sqlite3")
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("CREATE TABLE t (a)")
    connection.commit()
    for end in ("", "-wal"):
        shutil.copy(tmp_path / "site" / "data" / f"x.sqlite3{end}", tmp_path / "site" / "data" / f"crashed.sqlite3{end}")
    (root / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" * 300)
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in tmp_path.rglob("*")}
    found = run(sqlite.PROBE, str(root), shell)
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in tmp_path.rglob("*")} == before
    connection.close()
    data = {Path(item.data["path"]).name: item.data for item in found}
    assert set(data) == {"blog.db", "x.sqlite3", "crashed.sqlite3"}
    assert (data["blog.db"]["user_version"], data["blog.db"]["in_docroot"], data["blog.db"]["wal"]) == (7, True, False)
    assert (data["crashed.sqlite3"]["wal"], data["crashed.sqlite3"]["in_docroot"]) == (True, False)
    assert data["crashed.sqlite3"]["beside"]["-wal"] > 0
    assert data["blog.db"]["written_by"] == sqlite3.sqlite_version
