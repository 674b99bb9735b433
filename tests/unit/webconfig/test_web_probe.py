"""The web servers' sections: what a host printed becomes vhosts, and what they print when real servers run, in containers too."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.probes import web
from inventory.probes.base import Observation, Section
from inventory.probes.docroots import DOCROOTS
from inventory.probes.web import apache, appservers, nginx, plain, tomcat
from inventory.probes.web.following import FOLLOW
from inventory.probes.web.locating import LOCATE

SHELLS = [shell for shell in (["dash"], ["bash"], ["mksh"], ["busybox", "ash"]) if shutil.which(shell[0])]
TOMCAT = """@ root -
@ process 77 0 /usr/lib/jvm/bin/java
|/usr/bin/java
|-Dcatalina.base=/opt/tomcat 9
@ instance 77 /opt/tomcat 9/conf/server.xml
|version Tomcat/9.0.31
|prefix /opt/tomcat 9
|home /opt/tomcat 9
@ file /opt/tomcat 9/conf/server.xml
|<Server><Service name="Catalina"><Connector port="8080"/>
|<Engine name="Catalina" defaultHost="localhost"><Host name="oa.example.edu" appBase="webapps"/></Engine></Service></Server>
@ unknown /opt/tomcat8/conf/server.xml unreadable
"""
EARLIER = """@ running /opt/tomcat9
@ base /opt/tomcat9
@ file /opt/tomcat9/conf/server.xml
|<Server><Service name="Catalina"><Connector port="8080"/>
|<Engine name="Catalina" defaultHost="localhost"><Host name="oa.example.edu" appBase="webapps"/></Engine></Service></Server>
@ unknown tomcat the configuration in /opt/tomcat8 cannot be read
"""
CONTAINER = """@ root 4711 docker 0123456789abcdef web-1
|listens 80 443
@ process 4711 0 /usr/sbin/nginx
|nginx: master process nginx -g daemon off;
@ instance 4711 /etc/nginx/nginx.conf
|version nginx/1.25.3
|prefix /etc/nginx
@ file /etc/nginx/nginx.conf
|user nginx;
|http { server { server_name in.example.edu; root html; } }
@ root -
@ instance - /etc/nginx/nginx.conf
|version
|prefix
@ file /etc/nginx/nginx.conf
|http { server { server_name out.example.edu; root /srv/out; } }
@ package 1:1.22.1-9+deb12u1
"""


def kinds(found: list[Observation], kind: str) -> list[dict[str, object]]:
    return [item.data for item in found if item.kind == kind]


def test_tomcat() -> None:
    found = tomcat.parse(Section("tomcat", TOMCAT))
    assert [(item.kind, item.line) for item in found] == [("unknown", 12), ("web_server", 5), ("vhost", 11)]
    assert (found[1].data["running"], found[1].data["version"], found[1].data["pid"]) == (True, "9.0.31", 77)
    assert (found[2].data["names"], found[2].data["docroot"]) == (["oa.example.edu"], "/opt/tomcat 9/webapps")


def test_a_transcript_of_an_earlier_collector_is_still_read() -> None:
    found = tomcat.parse(Section("tomcat", EARLIER))
    assert [(item.kind, item.line) for item in found] == [("unknown", 6), ("web_server", 2), ("vhost", 5)]
    assert found[1].data["running"] is True
    text = "@ process 5 1 0 nginx: master process nginx -c /etc/nginx/x.conf\n@ file /etc/nginx/x.conf\n|http { server { server_name a.edu; } }\n@ version 1.22.1-9"
    server, vhost = nginx.parse(Section("nginx", text))
    assert (server.data["main"], server.data["running"], server.data["version"], vhost.data["names"]) == (
        "/etc/nginx/x.conf",
        True,
        "1.22.1",
        ["a.edu"],
    )


def test_lighttpd_and_caddy() -> None:
    lighttpd = '@ file /etc/lighttpd/lighttpd.conf\n|server.document-root = "/srv/l"\n'
    assert plain.parse_lighttpd(Section("lighttpd", lighttpd))[1].data["docroot"] == "/srv/l"
    caddy = "@ file /etc/caddy/Caddyfile\n|c.example.edu {\n| root * /srv/c\n|}\n"
    assert plain.parse_caddy(Section("caddy", caddy))[1].data["docroot"] == "/srv/c"
    assert plain.parse_caddy(Section("caddy", "")) == tomcat.parse(Section("tomcat", "")) == []
    json_config = "@ root -\n@ process 3 0 caddy\n@ instance 3 /etc/caddy/c.json\n@ file /etc/caddy/c.json\n@ unknown /etc/caddy/c.json is JSON for an adapter: its sites are not known\n"
    assert [item.kind for item in plain.parse_caddy(Section("caddy", json_config))] == ["unknown", "web_server"]


def test_a_container_beside_a_server_that_does_not_run() -> None:
    found = nginx.parse(Section("nginx", CONTAINER))
    outside, inside = kinds(found, "web_server")
    assert (inside["version"], inside["user"], inside["running"], outside["version"], outside["running"]) == (
        "1.25.3",
        "nginx",
        True,
        "1.22.1",
        False,
    )
    other, one = (item for item in found if item.kind == "vhost")
    assert one.data["container"] == {"pid": 4711, "runtime": "docker", "id": "0123456789abcdef", "name": "web-1", "listens": [80, 443]}
    assert (one.data["docroot"], one.data["host_docroot"], one.line) == ("/etc/nginx/html", "/proc/4711/root/etc/nginx/html", 10)
    assert (other.data["names"], "container" in other.data, other.data["running"], other.line) == (["out.example.edu"], False, False, 16)


def test_passwords_in_xml_are_masked(tmp_path: Path) -> None:
    file = tmp_path / "server.xml"
    file.write_text(
        '<Resource password="Secret1" username="u" url="jdbc:x?user=u&amp;password=Secret2&amp;y=1"/>\n<Connector\n'
        '  keystorePass=\'Secret3\' port="1" certificateKeystorePassword = "Secret4" secret="Secret5"/>\n'
    )
    shown = subprocess.run(["awk", tomcat.MASK_XML, str(file)], capture_output=True, text=True, check=True).stdout
    assert not re.search(r"Secret\d", shown)
    assert 'username="u"' in shown
    assert 'port="1"' in shown


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
@pytest.mark.parametrize("probe", web.PROBES, ids=lambda probe: probe.name)
def test_sections_run_here_in_every_shell(shell: list[str], probe: object) -> None:
    script = probe.script  # type: ignore[attr-defined]
    assert subprocess.run([*shell, "-n"], input=script, text=True, capture_output=True, check=False).stderr == ""
    done = subprocess.run([*shell, "-c", script], capture_output=True, timeout=100, check=True)
    text = done.stdout.decode("utf-8", "surrogateescape")
    # a process may end while it is looked at
    assert not re.search(rb"syntax|not found|usage|awk:", done.stderr, re.I), done.stderr
    assert all(line[:1] in {"@", "|", ""} for line in text.split("\n"))
    for item in probe.parse(Section(probe.name, text)):  # type: ignore[attr-defined]
        json.dumps(item.data)


PIECES = [
    *TOMCAT.split("\n"),
    *CONTAINER.split("\n"),
    "@ link /a -> /b",
    "@ instance 9",
    "@ application 7 x node",
    "|listens",
    "|variable =",
    "@ root",
    "@ file",
]


@pytest.mark.parametrize("parse", [nginx.parse, apache.parse, tomcat.parse, plain.parse_lighttpd, plain.parse_caddy, appservers.parse])
@given(lines=st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=30)), max_size=40))
@settings(max_examples=60, deadline=None)
def test_any_output_is_read_without_an_error(parse: object, lines: list[str]) -> None:
    text = "\n".join(lines)
    for item in parse(Section("x", text)):  # type: ignore[operator]
        json.dumps(item.data)
        assert 1 <= item.line <= text.count("\n") + 1


needs_namespaces = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root for a private mount namespace"
)


def inside(command: str, *args: str, **more: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["unshare", "-m", "sh", "-c", command, "sh", *args], capture_output=True, timeout=120, check=True, **more)  # type: ignore[call-overload, no-any-return]


def thousand(folder: Path, server: str) -> None:
    (folder / "sites-available").mkdir(parents=True)
    (folder / "sites-enabled").mkdir()
    if server == "nginx":
        (folder / "nginx.conf").write_text("events {}\nhttp { include /etc/nginx/sites-enabled/*; }\n")
        (folder / "php.conf").write_text("location ~ \\.php$ { include params; fastcgi_pass unix:/run/php.sock; }\n")
        (folder / "params").write_text("".join(f"fastcgi_param P{n} $p{n};\n" for n in range(25)))
    else:
        (folder / "apache2.conf").write_text("Include sites-enabled/*.conf\n")
    for n in range(1000):
        text = (
            f"server {{\n listen 80;\n server_name s{n}.example.edu;\n root /srv/{n};\n"
            + " include php.conf;\n" * 3
            + " # comment\n" * 20
            + "}\n"
        )
        if server == "apache":
            text = (
                f"<VirtualHost *:80>\nServerName s{n}.example.edu\nDocumentRoot /srv/{n}\n"
                + f"<Directory /srv/{n}/x>\nAllowOverride All\n</Directory>\n" * 10
            )
            text += "</VirtualHost>\n"
        (folder / "sites-available" / f"s{n}.conf").write_text(text)
        (folder / "sites-enabled" / f"s{n}.conf").symlink_to(f"/etc/{folder.name}/sites-available/s{n}.conf")


@needs_namespaces
@pytest.mark.parametrize("shell", [shell for shell in SHELLS if shell[0] in {"dash", "busybox"}], ids=lambda shell: shell[0])
@pytest.mark.parametrize(("server", "probe"), [("nginx", nginx.PROBE), ("apache", apache.PROBE)])
def test_a_thousand_vhosts_in_a_thousand_files(tmp_path: Path, shell: list[str], server: str, probe: object) -> None:
    """Read in under 10 s on the host and parsed in under 2 s of processor time."""
    name = "nginx" if server == "nginx" else "apache2"
    thousand(tmp_path / name, server)
    started = time.monotonic()
    cover = 'mkdir -p "$2" && mount --bind "$1" "$2" && shift 2 && exec "$@"'
    done = inside(cover, str(tmp_path / name), f"/etc/{name}", *shell, "-c", probe.script)  # type: ignore[attr-defined]
    assert time.monotonic() - started < 10
    started = time.process_time()
    found = probe.parse(Section(server, done.stdout.decode()))  # type: ignore[attr-defined]
    assert time.process_time() - started < 2
    ours = [item.data for item in found if item.kind == "vhost" and "container" not in item.data]
    assert len({vhost["names"][0] for vhost in ours if vhost["enabled"] and vhost["names"]}) == 1000
    files = re.findall(rb"^@ (?:root|file) .*$", done.stdout, re.M)
    host = files[max(n for n, line in enumerate(files) if line == b"@ root -") :]
    assert len(host) == len(set(host)), "a file was read twice"


CHROOT = r"""
set -e
mount -t tmpfs none "$1"; mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay none -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"; rm -rf etc/nginx; mkdir -p etc/nginx/on data/sites srv/inside run var/log/nginx etc/nginx/tls
printf 'SECRETKEY' > etc/nginx/tls/site.key
echo 'events {} pid /run/inside.pid; error_log stderr; http { access_log off; include /etc/nginx/on/*; include tls/site.key*; }' > etc/nginx/main.conf
sed -i 's/include tls.site.key[*];//' etc/nginx/main.conf
echo 'server { listen unix:/run/inside.sock; server_name inside.example.edu; root /srv/inside; }' > data/sites/a
ln -s /data/sites/a etc/nginx/on/a; ln -s /srv/inside srv/link
echo 'server { listen unix:/run/b.sock; server_name b.example.edu; root /srv/link; }' > etc/nginx/on/b
exec chroot . nginx -c /etc/nginx/main.conf -g 'daemon off;'
"""


@pytest.fixture
def contained(tmp_path: Path) -> Iterator[int]:
    """A real nginx in a mount namespace and a root of its own; its process number."""
    server = subprocess.Popen(["unshare", "-m", "-n", "sh", "-c", CHROOT, "sh", str(tmp_path)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            if Path(f"/proc/{server.pid}/root/run/inside.pid").exists() or server.poll() is not None:
                break
            time.sleep(0.05)
        assert server.poll() is None
        yield server.pid
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)


@needs_namespaces
@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_a_server_in_a_container_is_read_there(contained: int, shell: list[str]) -> None:
    done = subprocess.run([*shell, "-c", nginx.PROBE.script], capture_output=True, timeout=60, check=True)
    found = [
        item for item in nginx.parse(Section("nginx", done.stdout.decode())) if (item.data.get("container") or {}).get("pid") == contained
    ]
    (server,) = kinds(found, "web_server")
    assert (server["main"], server["running"], server["container"]["runtime"]) == ("/etc/nginx/main.conf", True, "namespace")  # type: ignore[index]
    vhosts = {vhost["names"][0]: vhost for vhost in kinds(found, "vhost")}  # type: ignore[index]
    assert {name: vhost["file"] for name, vhost in vhosts.items()} == {
        "inside.example.edu": "/data/sites/a",  # a link to an absolute path means a place inside
        "b.example.edu": "/etc/nginx/on/b",
    }
    assert vhosts["inside.example.edu"]["host_docroot"] == f"/proc/{contained}/root/srv/inside"
    assert b"SECRETKEY" not in done.stdout
    walked = subprocess.run([*shell, "-c", DOCROOTS + "docroots"], capture_output=True, timeout=60, check=True).stdout.decode().split("\n")
    assert f"/proc/{contained}/root/srv/inside" in walked


def test_includes_lead_out_of_the_directory_but_never_to_keys(tmp_path: Path) -> None:
    conf = tmp_path / "conf"
    (tmp_path / "elsewhere" / "private").mkdir(parents=True)
    conf.mkdir()
    (tmp_path / "elsewhere" / "b c.conf").write_text("server { server_name b; }")
    (tmp_path / "elsewhere" / "host.key").write_text("SECRET1")
    (tmp_path / "elsewhere" / "private" / "x.conf").write_text("SECRET2")
    (tmp_path / "elsewhere" / "pem.conf").write_text("a;\n-----BEGIN RSA PRIVATE KEY-----\nSECRET3\n-----END RSA PRIVATE KEY-----\nb;\n")
    os.mkfifo(tmp_path / "elsewhere" / "pipe.conf")
    (conf / "nginx.conf").write_text(
        f'http {{ include "{tmp_path}/elsewhere/*"; include ../elsewhere/private/x.conf; include loop.conf; include $(touch {tmp_path}/x); }}'
    )
    (conf / "loop.conf").write_text("include loop.conf; include nginx.conf;")
    script = FOLLOW + f"exec 4>&1; show=1; want=; prefix=; R=; seen=; follow nginx '{conf}/nginx.conf' 'R\t{conf}'"
    script = script.replace("\\t", "\t")
    for shell in SHELLS:
        done = subprocess.run([*shell, "-c", script], capture_output=True, text=True, timeout=30, check=True)
        files = sorted(line.removeprefix(f"@ file {tmp_path}") for line in done.stdout.split("\n") if line.startswith("@ file"))
        assert files == ["/conf/loop.conf", "/conf/nginx.conf", "/elsewhere/b c.conf", "/elsewhere/pem.conf"]
        assert not re.search(r"SECRET\d", done.stdout)
        assert "\n|b;" in done.stdout
    assert not (tmp_path / "x").exists()


NAMED = {
    "nginx": ("nginx.conf", 'http { log_format x \'$remote_addr "$request"\' \n \'$status\';\n server { root "/srv/a \\"b\\"; c"; set $d /data; } server { root $d/e; access_log /l.log x; ssl_certificate c.pem; ssl_certificate_key "k.pem"; } }'),
    "apache": ("apache2.conf", 'Define B /srv/b\nDocumentRoot "${B}/htdocs"\nLogFormat "%v %h \\"%r\\"" odd\nCustomLog logs/a.log odd\nCustomLog "|/usr/bin/rotatelogs /l/%Y.log 86400" combined\nSSLCertificateFile /c.pem\n'),
    "lighttpd": ("lighttpd.conf", 'var.basedir = "/srv/l"\nLogs=var.basedir+"/logs"\n# server.document-root = "/no"\nserver.document-root = var.basedir + "/w \\"w\\"" # all\n'
        '$HTTP["host"] == "b" { server.document-root = basedir + "/b" }\nserver.document-root = env.HOME + "/no"\nserver.document-root = var.unknown + "/no"\n'
        'include var.basedir + "/more.conf"\nssl.pemfile = "/p.pem"\naccesslog.filename = Logs + "/a.log"\nserver.document-root = "/unended\n'),
}  # fmt: skip


@pytest.mark.parametrize("server", NAMED)
@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_what_a_configuration_names(tmp_path: Path, server: str, shell: list[str]) -> None:
    name, text = NAMED[server]
    (tmp_path / name).write_text(text)
    found = []
    for want in ("docroots", "certificates", "logs"):
        servers = f"servers() {{ server - {server} '{tmp_path}/{name}' /pre 'R\t{tmp_path}'; }}\nnamed {want}"
        done = subprocess.run([*shell, "-c", LOCATE + servers], capture_output=True, text=True, timeout=30, check=True)
        found += [tuple(line.split("\t")[i] for i in (0, 2, 3) if i < len(line.split("\t"))) for line in done.stdout.strip().split("\n")]
    expected = {
        "nginx": [("D", '/srv/a "b"; c', ""), ("D", "/data/e", ""), ("C", f"{tmp_path}/c.pem", ""), ("K", f"{tmp_path}/k.pem", ""),
            ("N", "x", '$remote_addr "$request"'), ("M", "$status"), ("L", "/l.log", "x")],
        "apache": [("D", "/srv/b/htdocs", ""), ("C", "/c.pem", ""), ("N", "odd", '%v %h "%r"'), ("L", f"{tmp_path}/logs/a.log", "odd"),
            ("L", "|/usr/bin/rotatelogs /l/%Y.log 86400", "combined")],
        "lighttpd": [("D", '/srv/l/w "w"', ""), ("D", "/srv/l/b", ""), ("D", "/unended", ""), ("C", "/p.pem", ""),
            ("L", "/srv/l/logs/a.log", "vhost_first")],
    }  # fmt: skip
    assert found == expected[server]
