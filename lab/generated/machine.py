"""The sections of a generated server that tell of the machine: system, network, services, usage and its history, PHP, cron, certificates.

In: the campus and a server.  Out: lines, in the form that the collector of today prints.
"""

from __future__ import annotations

import base64
import hashlib
import math
from datetime import datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from generated import webtext
from generated.making import system_of
from generated.model import EVERYWHERE, Campus, Server, Site, draw
from generated.stacks import STACKS

BOOT_SECONDS = 40 * 86400
_CODENAMES = {"8": "jessie", "10": "buster", "11": "bullseye", "12": "bookworm"}


def system(campus: Campus, server: Server) -> list[str]:
    """Release, size, names, mounts."""
    it, random = system_of(server), draw(campus.seed, server.name, "system")
    memory = server.memory_bytes // 1024
    lines = []
    if it.ident == "centos" and it.version == "6":
        lines += ["@ file /etc/centos-release", f"|{it.name}"]
    else:
        lines += ["@ file /etc/os-release", f'|PRETTY_NAME="{it.name}"', f"|ID={it.ident}", f'|VERSION_ID="{it.version}"']
        lines += [f"|VERSION_CODENAME={_CODENAMES[it.version]}"] if it.ident == "debian" else []
    share = min(0.95, 0.25 + server.load_percent / 100)
    lines += [
        "@ uname Linux x86_64 5.10.0-campus",
        "@ file /proc/loadavg",
        f"|{server.load_percent * server.cpus / 100:.2f} 0.40 0.30 2/300 9000",
    ]
    lines += [
        "@ file /proc/uptime",
        f"|{BOOT_SECONDS}.00 {BOOT_SECONDS}.00",
        "@ meminfo",
        f"|MemTotal: {memory} kB",
        f"|MemFree: {memory // 8} kB",
    ]
    lines += [f"|MemAvailable: {round(memory * (1 - share))} kB", "|SwapTotal: 0 kB", "|SwapFree: 0 kB", f"@ cpus {server.cpus}"]
    lines += [f"@ virtualization {'none' if server.physical else random.choice(['kvm', 'vmware', 'kvm'])}"]
    if server.physical:
        maker = random.choice(
            ["Dell Inc. PowerEdge R730", "HPE ProLiant DL380 Gen9", "Inspur NF5280M5", "Huawei RH2288 V3", "Lenovo ThinkServer RD650"]
        )
        lines += ["@ dmi sys_vendor", f"|{maker.split(' ')[0]}", "@ dmi product_name", f"|{maker.partition(' ')[2]}"]
    lines += [
        f"@ hostname {server.name}",
        f"@ fqdn {server.name}.example.edu",
        "@ machine-id " + hashlib.sha256(server.name.encode()).hexdigest()[:32],
    ]
    lines += ["@ localtime /usr/share/zoneinfo/Asia/Shanghai", f"@ date {campus.at:%Y-%m-%dT%H:%M:%SZ} +0800"]
    used = sum(site.bytes for site in server.sites) + sum(item.bytes for item in server.databases) + 6 * 10**9
    total = max(server.disk_bytes, round(1.2 * used))
    return [*lines, "@ mount /dev/sda1 ext4 / local", f"|stat 4096 {total // 4096} {(total - used) // 4096} {(total - used) // 4096}"]


def network(server: Server) -> list[str]:
    """Addresses, routes, listeners."""
    gate = server.address.rpartition(".")[0] + ".1"
    lines = ["@ ip-addr", "|1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever"]
    lines += [f"|2: eth0    inet {server.address}/24 scope global eth0\\       valid_lft forever preferred_lft forever", "@ ip-route"]
    lines += [f"|default via {gate} dev eth0 ", "@ ss-listen"]
    lines += ["|Netid State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess"]
    for address, port, name, pid in _listeners(server):
        lines.append(f'|tcp   LISTEN 0      128          {address}:{port}        0.0.0.0:*    users:(("{name}",pid={pid},fd=4))')
    return [*lines, "@ ss-established", "|Recv-Q Send-Q Local Address:Port Peer Address:PortProcess"]


def _listeners(server: Server) -> list[tuple[str, int, str, int]]:
    found = [(EVERYWHERE, 22, "sshd", 700)]
    if server.web:
        program = {"nginx": "nginx", "apache": "apache2"}[server.web]
        found += [(EVERYWHERE, port, program, webtext.MASTER) for port in ([80, 443] if any(site.tls for site in server.sites) else [80])]
    products = {item.product for item in server.databases}
    if products & {"MySQL", "MariaDB"}:
        found.append((EVERYWHERE if server.kind == "database" else "127.0.0.1", 3306, "mysqld", 900))
    if "PostgreSQL" in products:
        found.append(("127.0.0.1", 5432, "postgres", 910))
    if any(STACKS[site.stack].behind == "tomcat" for site in server.sites):
        found.append((EVERYWHERE, 8080, "java", webtext.TOMCAT))
    found += [("127.0.0.1", site.port, "docker-proxy", pid - 500) for pid, site in contained(server)]
    found += [("127.0.0.1", port, word, pid) for pid, _, word, _, port, _ in programs(server) if server.kind != "program"]
    found += [(EVERYWHERE, port, word, pid) for pid, _, word, _, port, _ in programs(server) if server.kind == "program"]
    return found


def programs(server: Server) -> list[tuple[int, str, str, str, int, str]]:
    """Programs that answer on ports of their own: (pid, user, name, command, port, folder)."""
    found = []
    for at, site in enumerate(site for site in server.sites if STACKS[site.stack].behind in {"node", "python"}):
        user = f"app{at}"
        if STACKS[site.stack].behind == "node":
            found.append((2000 + at, user, "node", "/usr/bin/node server.js", site.port, site.docroot))
        else:
            module = "portal.wsgi" if site.stack == "django" else "app:app"
            command = f"/usr/bin/python3 /usr/bin/gunicorn --bind 127.0.0.1:{site.port} {module}"
            found.append((2000 + at, user, "gunicorn", command, site.port, site.docroot))
    for at, (port, name) in enumerate(server.services):
        found.append((2100 + at, "svc", "node", "/usr/bin/node /srv/service/main.js", port, f"/srv/service/{name}"))
    return found


def containers(server: Server) -> list[str]:
    """Docker's own files on the containers that answer behind the web server."""
    lines = []
    for pid, site in contained(server):
        ident = hashlib.sha256(site.name.encode()).hexdigest()
        values = [
            ("State", "Running", "true"),
            ("State", "Pid", str(pid)),
            ("ID", ident),
            ("Config", "Image", f"registry.example.edu/{site.unit}/app:1.4"),
        ]
        values += [("Name", f"/{site.name.split('.')[0]}"), ("NetworkSettings", "Ports", "8000/tcp", "0", "HostIp", "127.0.0.1")]
        values.append(("NetworkSettings", "Ports", "8000/tcp", "0", "HostPort", str(site.port)))
        lines += [
            f"@ docker /var/lib/docker/containers/{ident}",
            *("|config\t" + "\t".join(row) for row in values),
            "|host\tNetworkMode\tbridge",
        ]
    return ["@ engine docker /var/lib/docker", *lines] if lines else []


def contained(server: Server) -> list[tuple[int, Site]]:
    """Sites whose program runs in a container, with its process."""
    return [(3000 + at, site) for at, site in enumerate(site for site in server.sites if site.stack == "container")]


def services(server: Server) -> list[str]:
    """Units and processes."""
    web = {"nginx": "nginx", "apache": "apache2"}.get(server.web, "")
    names = ["ssh", "cron", *([web] if web else []), *(["mysqld"] if server.databases else [])]
    lines = ["@ units"]
    for name in names:
        lines += [f"|Id={name}.service", "|LoadState=loaded", "|ActiveState=active", "|UnitFileState=enabled", "|"]
    lines += ["@ ps", "|    PID    PPID USER                             COMMAND", "|       1        0  root /sbin/init"]
    if web:
        command = "nginx: master process /usr/sbin/nginx" if web == "nginx" else "/usr/sbin/apache2 -k start"
        lines.append(f"|     {webtext.MASTER}        1  root {command}")
    if server.databases:
        lines.append("|     900        1  mysql /usr/sbin/mysqld")
    if any(STACKS[site.stack].behind == "tomcat" for site in server.sites):
        lines.append(f"|    {webtext.TOMCAT}        1  tomcat {webtext.tomcat_command()}")
    return lines + [f"|    {pid}        1  {user} {command}" for pid, user, _, command, _, _ in programs(server)]


def appservers(server: Server) -> list[str]:
    """Programs with the folder that they run in."""
    lines = []
    for pid, _, name, command, port, folder in programs(server):
        host = EVERYWHERE if server.kind == "program" else "127.0.0.1"
        lines += [f"@ application {pid} 1001 {name}", f"|directory {folder}", f"|listens {host}:{port}", f"|command {command}"]
    return lines


# ---------------------------------------------------------------- load


def usage(campus: Campus, server: Server) -> list[str]:
    """Counters since boot that agree with the load."""
    ticks = BOOT_SECONDS * 100 * server.cpus
    busy = round(ticks * server.load_percent / 100)
    memory = server.memory_bytes // 1024
    share = min(0.95, 0.25 + server.load_percent / 100)
    lines = [f"@ clock {int(campus.at.timestamp())} {BOOT_SECONDS}.00 {hashlib.sha256(server.name.encode()).hexdigest()[:32]}", "@ stat"]
    lines += [
        f"|cpu  {busy * 3 // 4} 0 {busy // 4} {ticks - busy} 0 0 0 0 0 0",
        f"|cpus {server.cpus}",
        "@ meminfo",
        f"|MemTotal: {memory} kB",
    ]
    lines += [f"|MemFree: {memory // 8} kB", f"|MemAvailable: {round(memory * (1 - share))} kB", "@ loadavg", "|0.40 0.40 0.30 2/300 9000"]
    served = round(sum((site.per_day or 20) for site in server.sites)) * 40
    lines += ["@ blocks sda", "@ diskstats", f"|sda {served * 3} {served * 60} {served} {served * 30} 9000"]
    lines += ["@ netdev", "|lo 8000 8000", f"|eth0 {served * 2000} {served * 40_000}", "@ cgroup2"]
    seconds = busy / 100
    shares = [("mysqld", 0.35)] if server.databases else []
    shares += [({"nginx": "nginx", "apache": "apache2"}[server.web], 0.5)] if server.web else []
    return [*lines, *(f"|system.slice/{name}.service/cpu.stat:usage_usec {round(seconds * part * 1e6)}" for name, part in shares)]


def usagehistory(campus: Campus, server: Server) -> list[str]:
    """Hourly rows of sysstat, busier by day than by night, over the days that this server keeps."""
    random, lines = draw(campus.seed, server.name, "history"), []
    for back in range(server.history_days, 0, -1):
        day = campus.at - timedelta(days=back)
        lines.append(f"@ sysstat /var/log/sysstat/sa{day:%d}")
        for hour in range(24):
            wave = 0.5 + 0.5 * math.sin((hour - 8) / 24 * 2 * math.pi) + 0.3
            cpu = min(97.0, server.load_percent * wave * random.uniform(0.6, 1.5))
            memory = min(96.0, 25 + server.load_percent + random.uniform(-3, 3))
            io, net = cpu * 4 * random.random(), cpu * 30 * random.random()
            at = datetime(day.year, day.month, day.day, hour)
            lines.append(
                f"|{at:%Y-%m-%d %H:%M:%S} UTC;3600;{100 - cpu:.2f};0.40;{memory:.2f};{io:.2f};{io * 20:.2f};{net:.2f};{net * 5:.2f}"
            )
    return lines


# ---------------------------------------------------------------- PHP, cron, certificates

_EXTENSIONS = ["curl", "gd", "json", "mbstring", "mysqli", "pdo_mysql", "xml"]


def php(server: Server) -> list[str]:
    """php.ini, modules and the pool, where any site needs PHP."""
    if not any(STACKS[site.stack].php for site in server.sites):
        return []
    it, fpm = system_of(server), server.web == "nginx"
    modules = [*_EXTENSIONS, *(["pgsql"] if any(site.stack == "php-postgresql" for site in server.sites) else [])]
    modules += ["ioncube_loader_lin"] if server.name.endswith("7") else []
    pool = [
        "|[www]",
        "|user = www-data",
        "|group = www-data",
        f"|listen = {webtext.socket(server)}",
        "|pm = dynamic",
        "|pm.max_children = 20",
    ]
    limits = ["|[PHP]", "|memory_limit = 128M", "|upload_max_filesize = 20M", "|post_max_size = 24M"]
    if it.layout == "debian":
        base = f"/etc/php/{it.php}" if it.php >= "7" else "/etc/php5"
        folder = f"{base}/{'fpm' if fpm else 'apache2'}"
        lines = [f"@ ini {folder}/php.ini", *limits]
        for name in modules:
            lines += [f"@ modules {folder}/conf.d/20-{name}.ini", f"|{'zend_' if 'ioncube' in name else ''}extension={name}.so"]
        lines += [f"@ pool {folder}/pool.d/www.conf", *pool] if fpm else []
        package = f"php{it.php}-common" if it.php >= "7" else "php5-common"
        return [*lines, "@ packages /var/lib/dpkg/status", f"|{package} {it.php_release}-1"]
    lines = ["@ ini /etc/php.ini", *limits]
    for name in modules:
        lines += [f"@ modules /etc/php.d/{name}.ini", f"|{'zend_' if 'ioncube' in name else ''}extension={name}.so"]
    if fpm:
        return [*lines, "@ pool /etc/php-fpm.d/www.conf", *pool, "@ binary /usr/sbin/php-fpm", f"|X-Powered-By: PHP/{it.php_release}"]
    major = it.php.partition(".")[0] if it.php < "8" else ""
    lines += ["@ load /etc/httpd/conf.modules.d/10-php.conf", f"|LoadModule php{major}_module modules/libphp{major}.so"]
    return [*lines, "@ binary /usr/bin/php", f"|X-Powered-By: PHP/{it.php_release}"]


def cron(campus: Campus, server: Server) -> list[str]:
    """A backup job here, a job of a site there."""
    random = draw(campus.seed, server.name, "cron")
    lines = ["@ system /etc/crontab", "|17 * * * * root cd / && run-parts --report /etc/cron.hourly"]
    if server.databases and random.random() < 0.6:
        lines += ["@ system /etc/cron.d/backup", "|30 2 * * * root /usr/local/bin/backup-databases"]
    for site in server.sites:
        if STACKS[site.stack].php and not site.static and random.random() < 0.15:
            lines += [f"@ system /etc/cron.d/{site.name.replace('.', '-')}", f"|*/10 * * * * www-data php {site.docroot}/cron.php"]
    return lines


def certificates(campus: Campus, server: Server) -> list[str]:
    """The certificates that the web server's files name."""
    lines = []
    for site in (item for item in server.sites if item.tls):
        path, key = webtext.certificate(site)
        lines += [f"@ certificate {path}", f"@ key {key}", "|there", "@ pem", *(f"|{line}" for line in _pem(campus, site))]
    return lines


def _pem(campus: Campus, site: Site) -> list[str]:
    names = (site.name, *site.aliases)
    until = campus.at.replace(hour=0, tzinfo=None) + timedelta(days=site.tls_days_left)
    return list(_signed(campus.seed, names, until))


@lru_cache(4096)
def _signed(seed: int, names: tuple[str, ...], until: datetime) -> tuple[str, ...]:
    """Ed25519: key and signature follow from the seed alone, so that the same seed gives the same bytes."""
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"{seed}:{names[0]}".encode()).digest())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0][:60])])
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Campus Test CA")])
    made = x509.CertificateBuilder().subject_name(who).issuer_name(issuer).public_key(key.public_key())
    made = made.serial_number(int.from_bytes(hashlib.sha256(names[0].encode()).digest()[:8], "big") >> 1 | 1)
    made = made.not_valid_before(until - timedelta(days=365)).not_valid_after(until)
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    raw = base64.b64encode(made.sign(key, None).public_bytes(Encoding.DER)).decode()
    return ("-----BEGIN CERTIFICATE-----", *(raw[at : at + 64] for at in range(0, len(raw), 64)), "-----END CERTIFICATE-----")
