"""Real masters started by odd words (`-p`, `-c`, `-d`, `-D`, an environment, blanks in a path): the sections read what these really use."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from inventory.probes.base import Observation, Section
from inventory.probes.web import apache, nginx, plain

STAGE = r"""
set -e
mount -t tmpfs none "$1"; mkdir "$1/upper" "$1/work" "$1/root" "$1/out"
mount -t overlay none -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"; ip link set lo up 2>/dev/null || true
mount --bind /dev dev
cp -a etc/apache2 etc/apache2-intern; rm -rf etc/nginx etc/lighttpd
mkdir -p opt/ng/sbin opt/ng/conf/v opt/ng/logs opt/ng/html srv/p srv/extra 'etc/light ttpd' var/log/apache2-intern run/apache2-intern run/lock/apache2-intern
cp usr/sbin/nginx opt/ng/sbin/nginx
echo 'events {} pid /run/n.pid; error_log /dev/null; http { include v/*.conf; }' > opt/ng/conf/my.conf
echo 'server { listen unix:/run/p.sock; server_name prefix.example.edu; root html; access_log logs/a.log; }' > opt/ng/conf/v/a.conf
echo 'server { server_name off.example.edu; }' > opt/ng/conf/off.conf
echo 'Listen 127.0.0.1:8099' > etc/apache2-intern/ports.conf
cat > etc/apache2-intern/sites-enabled/000-default.conf <<X
<VirtualHost *:8099>
ServerName intern.example.edu
DocumentRoot /srv/p
CustomLog \${APACHE_LOG_DIR}/x.log combined
Include /srv/extra/*.inc
<IfDefine TEST>
ServerAlias defined.example.edu
</IfDefine>
</VirtualHost>
X
echo 'ServerAlias extra.example.edu' > srv/extra/a.inc
printf 'server.document-root = "/srv/p"\nserver.port = 8098\nserver.bind = "127.0.0.1"\nserver.pid-file = "/run/l.pid"\n$HTTP["host"] == "light.example.edu" { server.document-root = "/srv/p" }\n' > 'etc/light ttpd/my.conf'
stop() { kill `cat run/n.pid run/l.pid run/apache2-intern/apache2.pid 2>/dev/null` 2>/dev/null || true; }
trap stop EXIT
chroot . /opt/ng/sbin/nginx -p /opt/ng/ -c conf/my.conf >/dev/null 2>&1
chroot . sh -c 'APACHE_CONFDIR=/etc/apache2-intern; export APACHE_CONFDIR; . /etc/apache2-intern/envvars; exec apache2 -d /etc/apache2-intern -DTEST -k start' >/dev/null 2>&1
if command -v lighttpd >/dev/null; then chroot . lighttpd -f '/etc/light ttpd/my.conf' >/dev/null 2>&1; fi
n=0; while test $n -lt 50 && ! { test -s run/n.pid && test -s run/apache2-intern/apache2.pid; }; do n=$((n + 1)); sleep 0.1; done
sh -c "$2" > "$1/out/nginx"; sh -c "$3" > "$1/out/apache"; sh -c "$4" > "$1/out/lighttpd"
for f in nginx apache lighttpd; do echo "@@@ $f"; cat "$1/out/$f"; done
"""


@pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "nginx", "apache2"))), reason="needs root, nginx and apache2"
)
def test_what_the_masters_really_use(tmp_path: Path) -> None:
    scripts = [nginx.PROBE.script, apache.PROBE.script, plain.LIGHTTPD.script]
    done = subprocess.run(
        ["unshare", "-m", "-n", "sh", "-c", STAGE, "sh", str(tmp_path), *scripts], capture_output=True, timeout=120, check=True
    )
    text = {part.partition("\n")[0]: part.partition("\n")[2] for part in done.stdout.decode("utf-8", "surrogateescape").split("@@@ ")[1:]}
    found = nginx.parse(Section("nginx", text["nginx"])) + apache.parse(Section("apache", text["apache"]))
    found += plain.parse_lighttpd(Section("lighttpd", text["lighttpd"]))
    servers = {item.data["main"]: item.data for item in found if item.kind == "web_server" and item.data["running"]}
    vhosts: dict[str, Observation] = {item.data["names"][0]: item for item in found if item.kind == "vhost" and item.data["names"]}

    one = vhosts["prefix.example.edu"].data
    assert (servers["/opt/ng/conf/my.conf"]["prefix"], servers["/opt/ng/conf/my.conf"]["user"]) == ("/opt/ng", "nobody")
    assert (one["docroot"], one["access_log"], one["enabled"]) == ("/opt/ng/html", [["/opt/ng/logs/a.log", "combined"]], True)
    assert vhosts["off.example.edu"].data["enabled"] is False

    two = vhosts["intern.example.edu"].data
    assert servers["/etc/apache2-intern/apache2.conf"]["version"].startswith("2.4.")
    assert two["names"] == ["intern.example.edu", "extra.example.edu", "defined.example.edu"]
    assert two["access_log"] == [["/var/log/apache2-intern/x.log", "combined"]]  # the instance's own envvars and environment
    assert two["host_docroot"] == f"/proc/{two['container']['pid']}/root/srv/p"

    if shutil.which("lighttpd"):
        assert vhosts["light.example.edu"].data["listen"][0]["port"] == "8098"
        assert servers["/etc/light ttpd/my.conf"]["container"]["runtime"] in {"chroot", "namespace"}
