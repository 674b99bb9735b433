"""A realistic transcript of a Debian host with ten sites, made for any number of hosts: what `storing.py` parses and stores.

In: a host's number and a visit's number.  Out: bytes as a visit brings them, the same for the same numbers.  Files that every Debian has
(PHP's settings, nginx's own files, units, crontabs) are those of a captured transcript (`tests/cases/transcripts`); listeners, processes,
packages, sites, logs and schemas are made here.  A later visit differs in what always differs (load, uptime, process ids, connections);
`changed` also raises the version of one application and one package, and adds requests; `live` is what a host in use brings: each site's
log has grown, tables have, and the clock beside the contents has moved.
"""

from __future__ import annotations

import gzip
import random
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from inventory import collector
from inventory.probes import registry

CASES = ROOT / "tests" / "cases"
SITES, LISTENERS, PACKAGES, URLS, DAYS = 10, 40, 300, 20, 14
NONCE = "00112233445566778899aabb"
UNITS = ("hist", "phys", "chem", "law", "med", "math", "bio", "arts", "lib", "geo")
PROGRAMS = ("mariadbd", "redis-server", "java", "memcached", "rpcbind", "postgres", "vsftpd", "cupsd", "exim4", "named")
PAGES = ("index.html", "news", "about", "people", "courses", "library", "contact", "events", "download", "2026/11/lecture")


@cache
def captured() -> dict[str, str]:
    """Sections of a captured Debian 12 host with nginx, PHP-FPM and MariaDB."""
    output = gzip.decompress((CASES / "transcripts" / "phys.txt.gz").read_bytes())
    sections = collector.read(output, collector.nonce_of(output), registry.PROBES).sections
    return {section.name: section.text for section in sections}


@cache
def package_names() -> tuple[tuple[str, str], ...]:
    """A pool of 900 (name, version): hosts of one release have most of their packages in common."""
    made = random.Random(1)
    roots = ("lib", "python3-", "php8.2-", "perl-", "fonts-", "linux-", "x11-", "gir1.2-", "ruby-", "")
    words = ("ssl", "xml", "curl", "zip", "core", "dev", "common", "data", "tools", "net", "text", "gd", "intl", "acl", "apt", "cron")
    names = [f"{made.choice(roots)}{made.choice(words)}{made.choice(words)}{number % 97}" for number in range(900)]
    return tuple((name, f"{made.randint(0, 9)}.{made.randint(0, 40)}.{made.randint(0, 9)}-{made.randint(1, 5)}") for name in names)


def name_of(host: int) -> str:
    """`web0042`."""
    return f"web{host:05d}"


def address_of(host: int) -> str:
    """10.x.y.z, different for each."""
    return f"10.{host // 62500 % 250}.{host // 250 % 250}.{host % 250 + 1}"


def site_names(host: int) -> list[str]:
    """The ten names that this host serves."""
    return [f"www{number}.h{host}.{UNITS[(host + number) % len(UNITS)]}.example.edu" for number in range(SITES)]


def transcript(host: int, visit: int = 0, *, changed: bool = False, live: bool = False) -> bytes:
    """All of a visit's output, from the first frame on."""
    made = random.Random(host)
    now = random.Random(host * 1000 + visit)
    pids = [now.randint(300, 30_000) for _ in range(LISTENERS)]
    parts = {
        "system": _system(host, now), "network": _network(host, made, now, pids), "services": _services(made, now),
        "nginx": _nginx(host), "apache": captured()["apache"], "php": captured()["php"], "cron": captured()["cron"],
        "certificates": _certificates(host), "mariadb": _mariadb(host, made, visit if live else 0), "packages": _packages(made, changed),
        "applications": _applications(host, changed), "accesslog": _accesslog(host, made, 5 if changed else 0, visit if live else 0),
        "content": _content(host, made, visit if live else 0),
    }  # fmt: skip
    text = [f"@@{NONCE} start root Linux\n"]
    text += [f"\n@@{NONCE} begin {name}\n{body}\n@@{NONCE} end {name} 0 {now.randint(0, 1)}\n" for name, body in parts.items()]
    return ("".join(text) + f"\n@@{NONCE} finish\n").encode()


def _system(host: int, now: random.Random) -> str:
    text = captured()["system"].replace("phys", name_of(host))
    lines = []
    follows = ""
    for line in text.split("\n"):
        if follows == "/proc/loadavg":
            line = f"|{now.random() * 3:.2f} 0.80 0.70 1/264 {now.randint(1, 9999)}"
        elif follows == "/proc/uptime":
            line = f"|{now.randint(1000, 9_000_000)}.22 9192.64"
        elif line.startswith("@ machine-id"):
            line = f"@ machine-id {host:032x}"
        elif line.startswith("|MemAvailable"):
            line = f"|MemAvailable:        {now.randint(100_000, 2_000_000)} kB"
        follows = line.removeprefix("@ file ") if line.startswith("@ file ") else ""
        lines.append(line)
    return "\n".join(lines)


def _network(host: int, made: random.Random, now: random.Random, pids: list[int]) -> str:
    own = address_of(host)
    lines = [
        "@ ip-addr", "|1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever",
        f"|2: eth0    inet {own}/24 scope global eth0\\       valid_lft forever preferred_lft forever", "@ ip-route",
        f"|default via {own.rpartition('.')[0]}.254 dev eth0 ", "@ ss-listen",
        "|Netid State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess",
    ]  # fmt: skip
    for number, pid in enumerate(pids):
        port = (22, 80, 443, 3306)[number] if number < 4 else 1024 + made.randint(0, 60_000)
        program = PROGRAMS[number % len(PROGRAMS)]
        users = ",".join(f'("{program}",pid={pid + n},fd={n + 3})' for n in range(1 + number % 3))
        lines.append(f"|tcp   LISTEN 0      128          0.0.0.0:{port}        0.0.0.0:*    users:({users})          ")
    lines += ["@ ss-established", "|Recv-Q Send-Q Local Address:Port Peer Address:PortProcess"]
    for _ in range(30):
        peer = f"10.9.{now.randint(0, 250)}.{now.randint(1, 250)}:{now.randint(1024, 65000)}"
        lines.append(f'|0      0      {own}:80    {peer}    users:(("nginx",pid={now.randint(300, 9000)},fd=9))')
    lines += ["@ ss-unix", "|Netid Recv-Q Send-Q Local Address:Port Peer Address:Port Process"]
    for number in range(20):
        inode = 1_000_000 + now.randint(0, 900_000)
        lines.append(f'|u_str 0      0      * {inode}      * {inode + 1} users:(("php-fpm8.2",pid={300 + number},fd=2))')
        lines.append(
            f'|u_str 0      0      /run/php/pool{number % 4}.sock {inode + 1}    * {inode} users:(("nginx",pid={700 + number},fd=2))'
        )
    return "\n".join(lines) + "\n"


def _services(made: random.Random, now: random.Random) -> str:
    lines = captured()["services"].rstrip("\n").split("\n")
    for number in range(60):
        user = ("root", "www-data", "mysql", "app1")[number % 4]
        lines.append(
            f"|   {now.randint(300, 30000)}    1  {user} /opt/app{number % 9}/bin/server --port {8000 + number} --mode {made.randint(1, 9)}"
        )
    return "\n".join(lines) + "\n"


def _nginx(host: int) -> str:
    text = [line for line in captured()["nginx"].rstrip("\n").split("\n") if not line.startswith("@ link /etc/nginx/sites-enabled/")]
    links = []
    for number, name in enumerate(site_names(host)):
        file = f"/etc/nginx/sites-available/{name}"
        php = number % 10 < 7
        lines = [
            "server {", "    listen 80;", f"    server_name {name} {name.removeprefix('www')};",
            f"    return 301 https://{name}$request_uri;", "}",
            "server {", "    listen 443 ssl;", f"    server_name {name} {name.replace('www', 'web')};", f"    root /srv/www/{name};",
            "    index index.php index.html;", f"    access_log /var/log/nginx/{name}.access.log;",
            f"    error_log /var/log/nginx/{name}.error.log;",
            f"    ssl_certificate /etc/ssl/certs/site{number}.pem;", f"    ssl_certificate_key /etc/ssl/private/site{number}.key;",
            "    location / { try_files $uri $uri/ /index.php?$args; }", "    # uploads never run",
            "    location ~* /uploads/.*\\.php$ { deny all; }",
        ]  # fmt: skip
        if php:
            lines.append(
                f"    location ~ \\.php$ {{ include snippets/fastcgi-php.conf; fastcgi_pass unix:/run/php/pool{number % 4}.sock; }}"
            )
        text += [f"@ file {file}", *(f"|{line}" for line in [*lines, "}"])]
        links.append(f"@ link /etc/nginx/sites-enabled/{name} -> {file}")
    at = next((place for place, line in enumerate(text) if line.startswith("@ version")), len(text))
    return "\n".join([*text[:at], *links, *text[at:]]) + "\n"


@cache
def _pem() -> tuple[str, ...]:
    text = (CASES / "probes" / "certificates" / "debian11_self_signed_with_names.txt").read_text()
    begin = text.index("|-----BEGIN")
    end = text.index("|-----END CERTIFICATE-----", begin) + len("|-----END CERTIFICATE-----")
    return tuple(text[begin:end].split("\n"))


def _certificates(_host: int) -> str:
    lines = []
    for number in range(3):
        lines += [f"@ certificate /etc/ssl/certs/site{number}.pem", f"|key /etc/ssl/private/site{number}.key", *_pem()]
    return "\n".join(lines) + "\n"


def _mariadb(host: int, made: random.Random, grown: int) -> str:
    lines = captured()["mariadb"].rstrip("\n").split("\n")
    for number in range(6):
        name = f"site{host}_{number}".encode().hex().upper()
        account = f"{name}\t{b'localhost'.hex().upper()}"
        lines = _after(lines, "@ accounts", f"|{account}")
        lines = _after(lines, "@ schemas", f"|{name}\tutf8mb4\tutf8mb4_general_ci")
        lines = _after(lines, "@ counts", f"|{name}\t12")
        for table in range(12):
            rows, size = made.randint(10, 9000) + grown, made.randint(10, 90) * 16384
            called = f"wp_table{table}".encode().hex().upper()
            lines = _after(
                lines, "@ tables", f"|{name}\t{called}\tInnoDB\tBASE TABLE\tutf8mb4_unicode_ci\t{rows}\t{size}\t{size // 2}\t0\tDynamic\t0"
            )
    return "\n".join(lines) + "\n"


def _after(lines: list[str], marker: str, line: str) -> list[str]:
    at = lines.index(marker) + 1
    return [*lines[:at], line, *lines[at:]]


def _packages(made: random.Random, changed: bool) -> str:
    chosen = sorted(made.sample(package_names(), PACKAGES))
    lines = ["@ dpkg"]
    for number, (name, version) in enumerate(chosen):
        lines.append(f"|{name}\t{version}{'+deb12u9' if changed and number == 7 else ''}\tamd64\tinstall ok installed")
    return "\n".join(lines) + "\n"


@cache
def _wordpress() -> tuple[str, ...]:
    text = (CASES / "probes" / "applications" / "debian11_wordpress.txt").read_text()
    block = text.split("\n@ ")[0].split("\n")[1:]
    return tuple(block[:120])


def _applications(host: int, changed: bool) -> str:
    lines = []
    for number, name in enumerate(site_names(host)):
        lines.append(f"@ docroot /srv/www/{name}")
        if number < 4:
            own = [
                line.replace("wp_hist", f"site{host}_{number}").replace("db_user wp", f"db_user site{host}_{number}")
                for line in _wordpress()
            ]
            lines += [line.replace("5.7.14", "5.7.15") for line in own] if changed and number == 0 else own
        elif number < 7:
            lines += ["|n index.php", "|n config.php", "|s db_name app", "|s db_user app", "|c php 14 .", "|c other 40 images"]
        else:
            lines += ["|n index.html", "|c other 22 .", "|c other 140 images"]
    return "\n".join(lines) + "\n"


def _accesslog(host: int, made: random.Random, more: int, grown: int) -> str:
    lines = []
    for number, name in enumerate(site_names(host)):
        for ending in ("", ".1"):
            requests = made.randint(900, 90_000) + (more if number == 0 and not ending else 0) + (0 if ending else grown)
            lines += [
                f"@ log /var/log/nginx/{name}.access.log{ending}", f"|total {requests} {requests} {requests * 6000} 618 200 0 0 0",
                "|format combined", "|first 10/Nov/2026:01:16:29 +0000", "|last 24/Nov/2026:00:52:29 +0000",
                "|status 2xx 900", "|status 4xx 18",
            ]  # fmt: skip
            lines += [f"|day {day:02d}/Nov/2026 {made.randint(10, 900)}" for day in range(10, 10 + DAYS)]
            lines += [f"|url {made.randint(1, 90)} 200 - /{made.choice(PAGES)}/{made.randint(1, 99)}/" for _ in range(URLS)]
    return "\n".join(lines) + "\n"


def _content(host: int, made: random.Random, grown: int) -> str:
    lines = [f"@ now {1795484695 + 86400 * grown}"]
    for number, name in enumerate(site_names(host)):
        files = made.randint(20, 5000)
        lines += [
            f"@ docroot /srv/www/{name}",
            f"|sum\t{files}\t{files * 9000}\t{files // 9}\t1\t{1_795_000_000 + number}\t1243814400\t0\t0\t0",
            "|newest\tindex.php", f"|owner\t{files}\twww-data", f"|ext\t{files // 2}\thtml", f"|ext\t{files // 3}\tphp", "|ext\t9\tjpg",
            "|htaccess\twp-content/.htaccess", "|link\tnotes\texperiments",
        ]  # fmt: skip
    return "\n".join(lines) + "\n"
