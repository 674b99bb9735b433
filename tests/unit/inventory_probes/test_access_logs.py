"""The summary of an access log, made by every awk at hand: formats, visitors, machines, what is left out; and the section run for real."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from inventory.probes import accesslog
from inventory.probes.base import Observation, Section
from inventory.probes.fragments import MASK
from inventory.probes.logsummary import BOTS, SUMMARY

AWKS = [awk for awk in (["mawk"], ["gawk"], ["original-awk"], ["busybox", "awk"]) if shutil.which(awk[0])]
COMBINED = '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"'
LINES = [
    '192.0.2.1 - - [22/Nov/2026:23:59:51 +0800] "GET /a?token=Secret1&x=1 HTTP/1.1" 200 100 "https://Search.example.org/q?x" "Mozilla/5.0"',
    '192.0.2.1 - - [22/Nov/2026:23:59:52 +0800] "GET /a?token=Secret2&x=1 HTTP/1.1" 200 100 "-" "Mozilla/5.0"',
    '192.0.2.2 - - [23/Nov/2026:00:00:01 +0800] "GET /b?p=1 HTTP/1.1" 404 7 "http://r/\\"q" "Mozilla/5.0 \\"x\\""',
    '192.0.2.4 - - [23/Nov/2026:00:00:03 +0800] "POST /login HTTP/1.1" 200 5 "-" "Mozilla/5.0"',
    '192.0.2.3 - - [23/Nov/2026:00:00:02 +0800] "GET /c HTTP/1.1" 301 - "-" "Googlebot/2.1"',
    '192.0.2.9 - - [24/Nov/2026:00:00:02 +0800] "GET /c HTTP/1.1" 200 1 "-" "-"',
    "not a log line",
]


def summarised(awk: list[str], lines: list[str], form: str = "") -> list[Observation]:
    environment = {"LC_ALL": "C", "PATH": os.environ["PATH"], "FORMAT": form}
    text = "".join(line + "\n" for line in lines)
    done = subprocess.run([*awk, MASK + SUMMARY], input=text.encode(), capture_output=True, timeout=100, env=environment, check=True)
    assert done.stderr == b""
    out = done.stdout.decode("utf-8", "surrogateescape")
    assert not re.search(r"192\.0\.2\.|198\.51\.100\.|2001:db8", out), "a visitor's address leaves the host"
    return accesslog.parse(Section("accesslog", "@ log /var/log/x.log\n|named /var/log/x.log\n" + out))


@pytest.mark.parametrize("form", ["", COMBINED])
@pytest.mark.parametrize("awk", AWKS, ids=lambda awk: awk[0])
def test_summary(awk: list[str], form: str) -> None:
    log, unread, *urls = summarised(awk, LINES, form)
    assert log.data == {
        "file": "/var/log/x.log", "named": "/var/log/x.log", "format": "configured" if form else "combined", "requests": 6, "bytes": 213, "bots": 2,
        "visitors": 3, "first": "2026-11-22T23:59:51+0800", "last": "2026-11-24T00:00:02+0800", "last_human": "2026-11-23T00:00:03+0800",
        "status": {"2xx": 4, "3xx": 1, "4xx": 1}, "methods": {"GET": 5, "POST": 1}, "days": {"2026-11-22": 2, "2026-11-23": 3, "2026-11-24": 1},
        "visitors_by_day": {"2026-11-22": 1, "2026-11-23": 2, "2026-11-24": 0}, "months": {"2026-11": {"requests": 6, "visitors": 3}}, "vhosts": {},
        "referrers": [["r", 1], ["search.example.org", 1]], "missing": [["/b", 1]], "forwarded": 0, "left_out_bytes": 0,
        "merged": True,
    }  # fmt: skip
    assert unread.data["why"] == "1 of 7 lines not understood"
    assert [(url.data["path"], url.data["count"], url.data["status"]) for url in urls] == [
        ("/a?token=[redacted]&x=1", 2, 200),
        ("/c", 1, 200),
        ("/c", 1, 301),
    ]


FORMATS = {
    "nginx combined": ('$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"',
        '192.0.2.1 - John Smith [22/Nov/2026:23:59:51 +0800] "GET /p HTTP/2.0" 200 9 "-" "Mozilla"', {}),
    "apache vhost_combined": ('%v:%p ' + COMBINED, 'WWW.x.edu:443 192.0.2.1 - - [22/Nov/2026:23:59:51 +0800] "GET /p HTTP/1.1" 200 9 "-" "Mozilla"',
        {"vhosts": {"www.x.edu:443": 1}}),
    "vhost after the address": ('%h %V %l %u %t "%r" %s %O', '192.0.2.1 www.x.edu - - [22/Nov/2026:23:59:51 +0800] "GET /p HTTP/1.1" 200 9', {"vhosts": {"www.x.edu": 1}}),
    "visitor behind a proxy": ('%{X-Forwarded-For}i %h %t "%r" %>s %b', '192.0.2.77, 10.0.0.1 10.0.0.9 [22/Nov/2026:23:59:51 +0800] "GET /p HTTP/1.1" 200 9', {"forwarded": 1}),
    "nginx with times and host": ('$time_iso8601|$host|$remote_addr|$request_method|$request_uri|$status|$bytes_sent|$request_time',
        "2026-11-22T23:59:51+08:00|www.x.edu|192.0.2.1|GET|/p|200|9|0.01", {"vhosts": {"www.x.edu": 1}, "first": "2026-11-22T23:59:51+08:00"}),
    "JSON by nginx": ('{"t":"$time_iso8601","xff":"$http_x_forwarded_for","h":"$host","r":"$request","s":$status,"b":$body_bytes_sent,"ua":"$http_user_agent"}',
        '{"t":"2026-11-22T23:59:51+08:00","xff":"192.0.2.5","h":"www.x.edu","r":"GET /p HTTP/1.1","s":200,"b":9,"ua":"Mozilla"}', {"forwarded": 1, "vhosts": {"www.x.edu": 1}}),
    "JSON by Caddy": ("", '{"level":"info","ts":1795363191.5,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"192.0.2.1","proto":"HTTP/2.0","method":"GET",'
        '"host":"www.x.edu","uri":"/p","headers":{"User-Agent":["Mozilla"]}},"bytes_read":0,"duration":0.001,"size":9,"status":200}',
        {"vhosts": {"www.x.edu": 1}, "format": "json", "first": "2026-11-22T15:59:51Z", "days": {"2026-11-22": 1}}),
    "seconds since the epoch": ("$msec $remote_addr $request_method $uri $status $body_bytes_sent", "1795363191.123 192.0.2.1 GET /p 200 9", {"first": "2026-11-22T15:59:51Z"}),
    "path and query apart": ('%h %t %m "%U%q" %>s %b', '192.0.2.1 [22/Nov/2026:23:59:51 +0800] GET "/p" 200 9', {}),
    "Apache's own time": ('%{%Y-%m-%d %H:%M:%S}t %a "%r" %>s %B', '2026-11-22 23:59:51 192.0.2.1 "GET /p HTTP/1.1" 200 9', {"first": "2026-11-22T23:59:51"}),
    "IPv6": (COMBINED, '2001:db8::7 - - [22/Nov/2026:23:59:51 +0800] "GET /p HTTP/1.1" 200 9 "-" "Mozilla"', {}),
    "a format that the lines have left": ("$time_iso8601 $remote_addr $request $status", '192.0.2.1 - - [22/Nov/2026:23:59:51 +0800] "GET /p HTTP/1.1" 200 9 "-" "Mozilla"', {"format": "combined"}),
}  # fmt: skip


@pytest.mark.parametrize("case", FORMATS)
@pytest.mark.parametrize("awk", AWKS, ids=lambda awk: awk[0])
def test_formats(awk: list[str], case: str) -> None:
    form, line, expected = FORMATS[case]
    log, *more = summarised(awk, [line], form)
    assert (log.data["requests"], log.data["bytes"], log.data["visitors"], log.data["methods"]) == (1, 9, 1, {"GET": 1})
    assert {key: log.data[key] for key in expected} == expected
    assert [item.data["path"] for item in more if item.kind == "access_url"] == ["/p"]


@pytest.mark.parametrize("awk", AWKS, ids=lambda awk: awk[0])
def test_a_shared_log_is_told_apart_by_virtual_host(awk: list[str]) -> None:
    found = summarised(awk, ["a.x.edu:80 " + LINES[0], "a.x.edu:80 " + LINES[3], "b.x.edu:80 " + LINES[4]])
    assert [(item.data["vhost"], item.data["requests"], item.data["visits"], item.data["visitors"], item.data["posts"], item.data["last_human"])
            for item in found if item.kind == "access_use"] == [
        ("a.x.edu:80", 2, 2, 2, 1, "2026-11-23T00:00:03+0800"), ("b.x.edu:80", 1, 0, 0, 0, None),
    ]  # fmt: skip


@pytest.mark.parametrize("awk", AWKS, ids=lambda awk: awk[0])
def test_the_200_most_wanted_are_kept(awk: list[str]) -> None:
    lines = [LINES[0].replace("/a?token=Secret1&x=1", f"/page/{n}") for n in range(300) for _ in range(1 + (n < 150))]
    urls = [item for item in summarised(awk, lines) if item.kind == "access_url"]
    assert len(urls) == 200
    assert {url.data["path"] for url in urls if url.data["count"] == 2} == {f"/page/{n}" for n in range(150)}


@pytest.mark.parametrize(
    "agent", ["Baiduspider+(+http://x)", "python-requests/2", "Mozilla/5.0 (compatible; bingbot/2.0)", "curl/8", "Go-http-client/1.1", "-"]
)
def test_machines(agent: str) -> None:
    log, *_ = summarised(AWKS[0], [LINES[0].replace("Mozilla/5.0", agent)])
    assert log.data["bots"] == 1


@pytest.mark.parametrize("agent", ["Mozilla/5.0 (Windows NT 10.0) Chrome/120 Safari/537.36", "MicroMessenger/8.0", "Opera/9.8"])
def test_visitors(agent: str) -> None:
    log, *_ = summarised(AWKS[0], [LINES[0].replace("Mozilla/5.0", agent)])
    assert log.data["bots"] == 0


def test_patterns_are_plain_to_every_awk() -> None:
    assert "'" not in BOTS + SUMMARY
    assert BOTS.lower() == BOTS


def hostile(seed: int, count: int) -> list[str]:
    """Lines as a busy site has them: few agents, many addresses."""
    chance = random.Random(seed)
    agents = [f"Mozilla/5.0 (X; {n}) Chrome/{n}" for n in range(300)] + [f"bot/{n}" for n in range(50)]
    return [
        f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)} - - [{1 + n * 27 // count:02}/Nov/2026:10:00:00 +0800] "
        f'"GET /p/{chance.randrange(60000)}?x={n % 7} HTTP/1.1" {chance.choice([200, 200, 200, 404, 301])} {n} "https://r{n % 900}.edu/" "{chance.choice(agents)}"'
        for n in range(count)
    ]


@pytest.mark.parametrize("awk", AWKS, ids=lambda awk: awk[0])
def test_time_and_memory_are_bounded(awk: list[str], tmp_path: Path) -> None:
    """300,000 lines, most from addresses never seen before: linear, and under 150 MB."""
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_text("\n".join(hostile(1, 60_000)))
    large.write_text("\n".join(hostile(2, 300_000)))
    seconds = []
    for file in (small, large):
        started = time.monotonic()
        limited = f'ulimit -v 400000; exec {" ".join(awk)} "$0" < {file}'
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "FORMAT": COMBINED}
        subprocess.run(["sh", "-c", limited, MASK + SUMMARY], check=True, capture_output=True, env=environment, timeout=200)
        seconds.append(time.monotonic() - started)
    assert seconds[1] < seconds[0] * 5 * 4 + 1


def run_section(tmp_path: Path, naming: str) -> list[Observation]:
    """The section as it is, over logs that a configuration in a folder names."""
    script = accesslog.SCRIPT.replace("formats=`named logs`", f"servers() {{ {naming}; }}\nformats=`named logs`")
    script = re.sub(r"for d in /var/log/nginx .*?; do", f"for d in {tmp_path}/none; do", script)
    script = (
        script.replace("/opt/tomcat*", f"{tmp_path}/none")
        .replace("/usr/local/tomcat*", f"{tmp_path}/none")
        .replace("/var/l", f"{tmp_path}/none/l")
    )
    done = subprocess.run(["sh", "-c", script], capture_output=True, timeout=100, check=True)
    return accesslog.parse(Section("accesslog", done.stdout.decode("utf-8", "surrogateescape")))


def test_rotated_piped_packed_and_named_by_a_variable(tmp_path: Path) -> None:
    line = LINES[1] + "\n"
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.log").write_text(line)
    (logs / "a.log.1").write_text(line * 2)
    (logs / "a.log.2.gz").write_bytes(gzip.compress(line.encode() * 3))
    (logs / "a.log-20261101.gz").write_bytes(gzip.compress(line.encode() * 4))
    (logs / "a.log.3.xz").write_bytes(b"broken")
    (logs / "cut.2026-11").mkdir()
    (logs / "day-2026-11-22.log").write_text(line * 5)
    (logs / "one.x.edu.access").write_text(line * 6)
    (tmp_path / "nginx.conf").write_text(
        f"http {{ access_log {logs}/a.log main; log_format main '{FORMATS['nginx combined'][0]}';\nserver {{ access_log {logs}/$host.access main; }} }}"
    )
    (tmp_path / "httpd.conf").write_text(
        f'CustomLog "|/usr/sbin/rotatelogs -l {logs}/day-%Y-%m-%d.log 86400" combined\nCustomLog "|/usr/bin/logger -t x" common\n'
    )
    found = run_section(
        tmp_path,
        f"server - nginx '{tmp_path}/nginx.conf' /pre 'R\t{tmp_path}'; server - apache '{tmp_path}/httpd.conf' '{tmp_path}' 'R\t{tmp_path}'",
    )
    read = {
        item.data["file"].removeprefix(f"{logs}/"): (item.data["requests"], item.data["named"].removeprefix(f"{logs}/"))
        for item in found
        if item.kind == "access_log"
    }
    assert read == {
        "a.log": (1, "a.log"), "a.log.1": (2, "a.log"), "a.log.2.gz": (3, "a.log"), "a.log-20261101.gz": (4, "a.log"),
        "day-2026-11-22.log": (5, "day-%Y-%m-%d.log"), "one.x.edu.access": (6, "$host.access"),
    }  # fmt: skip
    unread = {item.data["what"]: item.data["why"] for item in found if item.kind == "unknown"}
    assert unread[f"{logs}/a.log.3.xz"] in {"nothing could be unpacked", "needs xz, which is not here"}
    assert any(what.startswith("|/usr/bin/logger") for what in unread)


def test_what_a_large_log_leaves_out_is_said() -> None:
    text = f"@ log /l\n|named /l\n|file {accesslog.MOST + 500}\n|total 9 9 9 0 1 0 0 0\n|size {accesslog.MOST - 20}\n"
    assert accesslog.parse(Section("accesslog", text))[0].data["left_out_bytes"] == 520
    packed = f"@ log /l.gz\n|named /l\n|total 9 9 9 0 1 0 0 0\n|size {accesslog.MOST}\n|packed\n"
    assert accesslog.parse(Section("accesslog", packed))[0].data["left_out_bytes"] is None
    json.dumps([item.data for item in accesslog.parse(Section("accesslog", packed))])


DAY = '{address} - - [{day}/Nov/2026:{hour}:00:00 +0800] "GET /{page} HTTP/1.1" 200 1 "-" "Mozilla/5.0"'


def said(day: int, *visitors: int, hour: int = 10) -> str:
    return "".join(DAY.format(address=f"192.0.2.{visitor}", day=f"{day:02}", hour=hour, page=visitor) + "\n" for visitor in visitors)


def streamed(awk: list[str], *files: tuple[str, str]) -> list[Observation]:
    """Files of one log as the section sends them."""
    text = "".join(f"\x01@ log {name}\n\x01|named /l\n{body}\n" for name, body in files)
    environment = {"LC_ALL": "C", "PATH": os.environ["PATH"], "FORMAT": ""}
    done = subprocess.run([*awk, MASK + SUMMARY], input=text.encode(), capture_output=True, timeout=100, env=environment, check=True)
    assert "192.0.2." not in done.stdout.decode()
    return accesslog.parse(Section("accesslog", done.stdout.decode()))


@pytest.mark.parametrize("awk", AWKS, ids=lambda awk: awk[0])
def test_visitors_of_a_day_in_two_files_count_once(awk: list[str]) -> None:
    """The 22nd stands in two files, the month in three; in the last one is a visitor of a newer day, and one of the month before."""
    older = said(3, 1, 5) + DAY.format(address="192.0.2.7", day="30", hour=1, page="o").replace("Nov", "Oct") + "\n"
    files = [("/l", said(22, 1, 2, hour=12) + said(23, 1, 3)), ("/l.1", said(20, 2) + said(22, 1, 2, 4, hour=9)), ("/l.2", older)]
    logs = [item.data for item in streamed(awk, *files) if item.kind == "access_log"]
    assert [log["file"] for log in logs] == ["/l", "/l.1", "/l.2"]
    assert [log["requests"] for log in logs] == [4, 4, 3]
    assert [log["visitors_by_day"] for log in logs] == [
        {"2026-11-22": 2, "2026-11-23": 2}, {"2026-11-20": 1, "2026-11-22": 1}, {"2026-10-30": 1, "2026-11-03": 2},
    ]  # fmt: skip
    months = [{month: counts["visitors"] for month, counts in log["months"].items()} for log in logs]
    assert months == [{"2026-11": 3}, {"2026-11": 1}, {"2026-10": 1, "2026-11": 1}]
    assert [log["visitors"] for log in logs] == [3, 1, 2]
    assert all(log["merged"] for log in logs)


@pytest.mark.parametrize("awk", AWKS, ids=lambda awk: awk[0])
def test_files_added_up_are_one_file(awk: list[str]) -> None:
    """However a log was cut into files, the sums are those of the whole."""
    chance = random.Random(4)
    lines = [said(day, chance.randrange(30), hour=hour) for day in range(1, 29) for hour in range(10, 24)]
    (whole,) = [item.data for item in streamed(awk, ("/l", "".join(lines))) if item.kind == "access_log"]
    for _ in range(4):
        cuts = sorted(chance.sample(range(1, len(lines)), 3))
        parts = ["".join(lines[begin:end]) for begin, end in zip([0, *cuts], [*cuts, len(lines)], strict=True)]
        logs = [
            item.data for item in streamed(awk, *((f"/l.{n}", part) for n, part in enumerate(reversed(parts)))) if item.kind == "access_log"
        ]
        assert sum(log["visitors"] for log in logs) == whole["visitors"]
        assert sum(log["months"]["2026-11"]["visitors"] for log in logs) == whole["months"]["2026-11"]["visitors"]
        for day, count in whole["visitors_by_day"].items():
            assert sum(log["visitors_by_day"].get(day, 0) for log in logs) == count
        assert sum(log["requests"] for log in logs) == whole["requests"]


@pytest.mark.parametrize("awk", AWKS, ids=lambda awk: awk[0])
def test_ends_of_files(awk: list[str]) -> None:
    """A last line without its end, blank lines, nothing at all: what was read is told for each file."""
    line = said(1, 1)
    found = streamed(awk, ("/a", line.rstrip("\n")), ("/b", line + "\n\n"), ("/c", "\n" + line), ("/d", ""), ("/e", line))
    logs = {item.data["file"]: item.data["requests"] for item in found if item.kind == "access_log"}
    assert logs == {"/a": 1, "/b": 1, "/c": 1, "/e": 1}
    unread = {item.data["what"]: item.data["why"] for item in found if item.kind == "unknown"}
    assert unread == {
        "/b": "2 of 3 lines not understood", "/c": "1 of 2 lines not understood", "/d": "nothing could be unpacked",
    }  # fmt: skip


SHELLS = [shell for shell in (["dash"], ["bash"], ["ksh"], ["busybox", "sh"]) if shutil.which(shell[0])]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_rotated_files_add_up_and_no_line_forges_a_file(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(said(22, 1, hour=12) + "\x01@ log /etc/forged\n\x01|total 9 9 9 9 9 0 0 0\n" + said(23, 2).rstrip("\n"))
    (tmp_path / "a.log.1").write_text(said(22, 1, 3))
    (tmp_path / "a.log.2.gz").write_bytes(gzip.compress(said(21, 1).encode()))
    (tmp_path / "b.log").write_text(said(22, 1))
    (tmp_path / "a.log.3").write_text("")
    names = "".join(f"L\\t\\t{tmp_path}/{name}\\tcombined\\n" for name in ("a.log", "b.log"))
    script = accesslog.SCRIPT.replace("formats=`named logs`", f"formats=`printf '{names}'`")
    script = re.sub(r"for d in /var/log/nginx .*?; do", f"for d in {tmp_path}/none; do", script)
    script = re.sub(r"/(opt|usr/local|var/log|var/lib)/tomcat", f"{tmp_path}/none/tomcat", script)
    done = subprocess.run([*shell, "-c", script], capture_output=True, timeout=100, check=True, env={**os.environ, "LC_ALL": "C"})
    found = accesslog.parse(Section("accesslog", done.stdout.decode()))
    logs = {item.data["file"].rpartition("/")[2]: item.data for item in found if item.kind == "access_log"}
    assert {name: (log["requests"], log["visitors"]) for name, log in logs.items()} == {
        "a.log": (2, 2), "a.log.1": (2, 1), "a.log.2.gz": (1, 0), "a.log.3": (0, 0), "b.log": (1, 1),
    }  # fmt: skip
    assert logs["a.log.1"]["visitors_by_day"] == {"2026-11-22": 1}
    assert logs["a.log"]["left_out_bytes"] == 0
    assert b"192.0.2." not in done.stdout


@pytest.mark.parametrize("awk", AWKS, ids=lambda awk: awk[0])
def test_what_newer_days_needed_is_let_go(awk: list[str]) -> None:
    """Ten days of 300 visitors each, with room for the days of three and the month of all: no older day is short of room."""
    body = "".join(LINES[0].replace("22/Nov", "DAY").replace("192.0.2.1", f"10.1.{n // 200}.{n % 200}") + "\n" for n in range(300))
    text = "".join(f"\x01@ log /l.{day}\n{body.replace('DAY', f'{day:02}/Nov')}\n" for day in range(28, 18, -1))
    small = SUMMARY.replace("held < 300000", "held < 1000")
    assert small != SUMMARY
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "FORMAT": COMBINED}
    done = subprocess.run([*awk, MASK + small], input=text.encode(), check=True, capture_output=True, env=environment, timeout=60)
    logs = [item.data for item in accesslog.parse(Section("accesslog", done.stdout.decode())) if item.kind == "access_log"]
    assert [sum(log["visitors_by_day"].values()) for log in logs] == [300] * 10
    assert [log["months"]["2026-11"]["visitors"] for log in logs] == [300] + [0] * 9
