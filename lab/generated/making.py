"""A campus decided from a seed: which units there are, which servers they run, which sites lie where, and what is odd about each.

In: a seed and three sizes.  Out: a `Campus`.  The same input gives the same campus, whatever Python's hash seed: every choice is drawn from
a generator that is named after what it decides, and nothing is drawn from a set.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain, count
from random import Random
from typing import TypeVar

from generated import names
from generated.model import Campus, Database, Server, Site, System, Unit, draw
from generated.stacks import STACKS

AT = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
GIB = 1 << 30
T = TypeVar("T")

_PLUGINS = ["akismet", "classic-editor", "contact-form-7", "wp-super-cache"]
_FOREIGN = ["buddypress", "revslider", "publist-pro", "woocommerce", "alumni-cards"]


def make(seed: int, units: int, sites: int, servers: int, at: datetime = AT) -> Campus:
    """Decide everything."""
    campus = Campus(seed, at, _units(seed, units), [], [])
    _servers(campus, servers)
    _sites(campus, sites)
    _shares(campus)
    _gone(campus, max(1, sites // 30))
    return campus


def pick(random: Random, items: Sequence[T], weights: Sequence[float]) -> T:
    """One of the items by weight."""
    return random.choices(items, weights)[0]


def _units(seed: int, number: int) -> list[Unit]:
    random = draw(seed, "units")
    always = [row for code in names.ALWAYS for row in names.UNITS if row[0] == code]
    others = [row for row in names.UNITS if row not in always]
    random.shuffle(others)
    rows = (always + others)[:number]
    rows += [(f"inst{n}", f"第{n}研究所", f"Institute {n}", "other") for n in range(1, number - len(rows) + 1)]
    found = []
    for third, (code, zh, en, kind) in enumerate(rows, start=1):
        people = [random.choice(names.SURNAMES) + random.choice(names.GIVEN) for _ in range(3)]
        found.append(Unit(code, zh, en, kind, third, random.random() < 0.75, *people))
    return found


# ---------------------------------------------------------------- servers


def _servers(campus: Campus, number: int) -> None:
    random = draw(campus.seed, "servers")
    counts = {"windows": max(1, round(number * 0.10)), "database": max(1, round(number * 0.03)), "program": max(1, round(number * 0.02))}
    counts["center"] = max(1, round(number * 0.03))
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    kinds += ["web"] * (number - len(kinds))
    weights = [random.paretovariate(1.6) for _ in campus.units]
    addresses: dict[str, int] = {}
    outside = 0
    for at, kind in enumerate(kinds):
        # every unit has a server before any has a second, as far as they go
        nth = at - len(kinds) + kinds.count("web")
        if kind == "center":
            unit = campus.unit(names.CENTER)
        elif kind == "web" and 0 <= nth < len(campus.units):
            unit = campus.units[nth]
        else:
            unit = pick(random, campus.units, weights)
        if addresses.get(unit.code, 10) >= 250:
            unit = next(other for other in campus.units if addresses.get(other.code, 10) < 250)
        addresses[unit.code] = addresses.get(unit.code, 10) + 1
        made = _server(random, kind, unit, addresses[unit.code])
        if kind == "web" and outside < 200 and random.random() < 0.02:  # rented somewhere, with a card of somebody's own
            outside += 1
            made.address, made.physical, made.outside = f"203.0.113.{outside}", False, True
        campus.servers.append(made)


def _server(random: Random, kind: str, unit: Unit, last: int) -> Server:
    physical = random.random() < (0.2 if kind == "center" else 0.55)
    cpus = pick(random, [1, 2, 4, 8, 16, 32], [4, 24, 34, 22, 12, 4]) * (2 if kind == "center" else 1)
    memory = cpus * pick(random, [1, 2, 4], [3, 6, 2]) * GIB
    disk = pick(random, [40, 100, 250, 500, 1000, 4000], [8, 20, 26, 22, 16, 8]) * 10**9
    system = pick(random, names.SYSTEMS, names.SYSTEM_WEIGHTS)
    web = "" if kind in {"database", "program", "windows"} else pick(random, ["nginx", "apache"], [55, 45])
    suffix = {"windows": "win", "database": "db", "program": "app", "center": "host"}.get(kind, "www")
    made = Server(f"{unit.code}-{suffix}{last}", f"198.18.{unit.third}.{last}", unit.code, system, web, cpus, memory, disk, physical, kind)
    made.load_percent = round(min(85.0, random.lognormvariate(1.6, 0.9)), 1)
    made.history_days = pick(random, [0, 7, 14, 28], [35, 20, 30, 15])
    if kind == "windows":
        made.system, made.windows = None, random.choice(names.WINDOWS)
    elif kind in {"web", "center"}:
        gap = random.random()
        made.gaps = ["user"] if gap < 0.06 else ["cut"] if gap < 0.08 else ["content"] if gap < 0.11 else []
    return made


# ---------------------------------------------------------------- sites


def _sites(campus: Campus, number: int) -> None:
    random = draw(campus.seed, "sites")
    windows = [server for server in campus.servers if server.windows]
    webs = [server for server in campus.servers if server.web]
    programs = [server for server in campus.servers if server.kind == "program"]
    on_windows = min(round(number * 0.08), 2 * len(windows)) or 1
    places = [random.choice(windows) for _ in range(on_windows)]
    idle = len(webs) // 25
    order = webs[:]
    random.shuffle(order)
    used = order[idle:]
    places += used[: number - on_windows]
    weights = [random.paretovariate(1.1) * (14 if server.kind == "center" else 1) for server in used]
    places += [pick(random, used, weights) for _ in range(number - len(places))]
    stacks = _stacks(random, number - on_windows, bool(programs))
    taken: set[str] = set()
    for at, server in enumerate(places):
        unit = campus.unit(server.unit)
        if server.kind == "center" and random.random() < 0.9:
            unit = random.choice(campus.units)
        stack = "windows" if server.windows else stacks[at - on_windows]
        site = _site(random, campus, unit, server, stack, taken)
        if stack == "remote":
            behind = random.choice(programs)
            site.port = 8000 + len(behind.services)
            behind.services.append((site.port, site.name))
            site.remote = behind.address
        server.sites.append(site)
        campus.sites.append(site)


def _stacks(random: Random, number: int, remote: bool) -> list[str]:
    """Each stack once, as far as they go, then by weight."""
    keys = [key for key in STACKS if key != "remote" or remote]
    weights = [STACKS[key].weight for key in keys]
    once = keys[:]
    random.shuffle(once)
    once = once[:number] if number < 2 * len(keys) else [*once, *(["remote"] * (number // 120) if remote else [])]
    found = once + [pick(random, keys, weights) for _ in range(number - len(once))]
    random.shuffle(found)
    return found[:number]


def _named(random: Random, unit: Unit, purposes: Sequence[str], taken: set[str]) -> tuple[str, list[str], str]:
    """A free name, its aliases and its title."""
    main = f"www.{unit.domain}"
    chance = random.random()
    if main not in taken and (chance < 0.5 or not purposes):
        aliases = [unit.domain] if unit.domain not in taken and random.random() < 0.7 else []
        return main, aliases, f"{unit.name_zh}网站" if unit.chinese else unit.name_en
    if chance > 0.97:
        word = next((w for w in random.sample(names.WORDS, len(names.WORDS)) if f"www.{w}.example" not in taken), "")
        if word:
            return f"www.{word}.example", [f"{word}.example"], word.capitalize()
    if chance > 0.94:
        word = next((w for w in random.sample(names.WORDS, len(names.WORDS)) if f"{w}.example.edu" not in taken), "")
        if word:
            return f"{word}.example.edu", [], word.capitalize()
    rows = [row for row in names.PURPOSES if row[0] in purposes] or names.PURPOSES
    label, zh, en = random.choice(rows)
    years = [str(year) for year in range(2012, 2026)] if label == "conf" else []
    numbers = chain([""], years, map(str, count(2)))
    name = next(text for n in numbers if (text := f"{label}{n}.{unit.domain}") not in taken)
    return name, [], f"{unit.name_zh}{zh}" if unit.chinese else f"{unit.name_en}: {en}"


def _site(random: Random, campus: Campus, unit: Unit, server: Server, stack: str, taken: set[str]) -> Site:
    kind = STACKS.get(stack)
    name, aliases, title = _named(random, unit, kind.purposes if kind else (), taken)
    taken.update([name, *aliases])
    php = server.system.php if server.system else ""
    files = max(12, round(random.lognormvariate(7.2, 1.3)))
    size = round(files * random.lognormvariate(10.5, 0.8))
    age = round(random.expovariate(1 / 60)) if random.random() < 0.55 else round(random.uniform(120, 4200))
    per_day: float | None = round(random.lognormvariate(4.6, 1.6), 1)
    short = name.removeprefix("www.").split(".")[0] + (f"-{unit.code}" if not name.startswith("www.") else "")
    root = random.choice(["/var/www", "/srv/www", "/data/www", "/home/www", "/var/www/html"])
    site = Site(
        name,
        aliases,
        unit.code,
        server.name,
        stack,
        title,
        f"{root}/{short}",
        kind.versions(php) if kind else "",
        bool(kind and kind.name == "static"),
        files,
        size,
        age,
        per_day,
    )
    _traits(random, site, server, age)
    if kind and kind.database and not server.windows:
        site.database = _database(random, campus, site, server, kind.database, unit)
    site.declared = server.windows != "" or random.random() > 0.12
    if site.declared and len(campus.units) > 8 and random.random() < 0.01:
        site.claimed_by = random.choice([other.code for other in campus.units if other is not unit])
    site.answers = _answers(random, site, server, unit)
    if site.stack == "laravel":
        site.docroot += "/public"
    if kind and kind.behind:
        site.docroot = f"/srv/{short}/webapps/ROOT" if kind.behind == "tomcat" else f"/srv/{short}"
        site.port = 8100 + len(server.sites)
    return site


def _answers(random: Random, site: Site, server: Server, unit: Unit) -> dict[str, bool | str]:
    """What its people know of it and no machine can see."""
    stack = STACKS.get(site.stack)
    interactive = bool(stack is None or stack.purposes)
    dead, health = bool({"zombie", "conference"} & set(site.traits)), unit.kind == "hospital"
    sensitive = "none"
    if interactive:
        sensitive = pick(random, ["none", "student", "personal"], [3, 1, 6] if health else [7, 2, 1])
    hardware = interactive and server.physical and random.random() < 0.03
    return {
        "still_needed": random.random() < (0.25 if dead else 0.98),
        "archive_value": random.random() < (0.18 if dead else 0.03),
        "seasonal": "seasonal" in site.traits,
        "sensitive": sensitive,
        "state_secrets": interactive and random.random() < 0.006,
        "student_records": sensitive == "student" and random.random() < 0.5,
        "login": interactive,
        "interactive": interactive,
        "publishing_only": not interactive,
        "custom_code": interactive
        and site.stack in {"php", "php-postgresql", "laravel", "java", "spring", "node", "django", "flask", "windows"},
        "root_needed": bool(stack is None or stack.behind) or (interactive and random.random() < 0.1),
        "outage_tolerable": random.random() < 0.85,
        "critical": interactive and random.random() < 0.02,
        "staff_admin": random.random() < 0.92,
        "virtualizable": not hardware,
        "special_hardware": hardware,
        "sso": interactive and random.random() < 0.3,
        "mail_sending": interactive and random.random() < 0.35,
    }


def _traits(random: Random, site: Site, server: Server, age: int) -> None:
    """What is odd about it.  A trait is a word in the truth; what it does to the site is done here."""
    chance = random.random()
    stack = STACKS.get(site.stack)
    if chance < 0.09:
        site.traits.append("zombie")
        site.age_days, site.per_day = max(age, random.randint(400, 4500)), round(random.uniform(0.1, 3.0), 1)
    elif chance < 0.12:
        site.traits.append("seasonal")
        site.age_days, site.per_day = random.randint(150, 240), round(random.uniform(0.5, 3.0), 1)
    elif chance < 0.14:
        site.traits.append("huge")
        site.bytes, site.files = random.randint(100, 320) * 10**9, max(site.files, 20_000)
        server.disk_bytes = max(server.disk_bytes, 2 * site.bytes)
    elif chance < 0.16:
        site.traits.append("conference")
        site.age_days, site.per_day = random.randint(1500, 4000), round(random.uniform(0.2, 4.0), 1)
    if random.random() < 0.12:
        site.per_day = None
        site.traits.append("no log")
    if stack and stack.php and not site.static:
        if random.random() < 0.05:
            site.traits.append("infected")
            site.uploads = [f"uploads/{random.choice(['x', 'shell', '1', 'cache'])}.php", "uploads/allimg/2019/config.php"]
        if server.web == "apache" and random.random() < 0.6:
            site.htaccess = ["RewriteEngine On", "RewriteBase /", "RewriteCond %{REQUEST_FILENAME} !-f", "RewriteRule . /index.php [L]"]
            if random.random() < 0.2:
                site.htaccess += ["AuthType Basic", "Require valid-user"]
    if random.random() < 0.04 and not (stack and stack.behind):
        site.traits.append("links outside")
        site.links_outside = [("files", "/data/share/files"), ("old", "/home/backup/old")]
    if site.stack == "wordpress":
        site.plugins = sorted(
            random.sample(_PLUGINS, random.randint(0, 3)) + (random.sample(_FOREIGN, 1) if random.random() < 0.35 else [])
        )
    if random.random() < 0.4:
        site.tls, site.tls_days_left = True, random.choice([-400, -20, 12, 40, 75, 300])


def _database(random: Random, campus: Campus, site: Site, server: Server, family: str, unit: Unit) -> Database:
    product = "PostgreSQL" if family == "postgresql" else ""
    stem = "".join(c if c.isalnum() else "_" for c in site.name.split(".")[0])[:10]
    name = f"{stem}_{unit.code}_{len(campus.sites)}"
    on = server.name
    holders = [item for item in campus.servers if item.kind == "database"]
    if family == "mysql" and holders and random.random() < 0.06:
        on = random.choice(holders).name
    system = campus.server(on).system
    size = round(random.lognormvariate(17, 1.4))
    made = Database(
        product or (system.database[0] if system else "MariaDB"), name, f"u{len(campus.sites)}_{stem}"[:16], on, size, random.randint(4, 90)
    )
    if family == "mysql":
        old = server.system is not None and server.system.php < "7.3"
        made.charset = pick(random, ["gbk", "latin1", "utf8mb4", "utf8"], [3, 1, 1, 4] if old else [0.3, 0.3, 9, 2])
        if (old and random.random() < 0.6) or random.random() < 0.12:
            made.myisam_bytes = round(size * random.uniform(0.2, 1.0))
        if site.stack in {"php", "laravel"} and random.random() < 0.25:
            made.definer, made.events, made.triggers = f"{unit.code}admin", random.randint(0, 2), random.randint(1, 3)
    if on == server.name:
        server.databases.append(made)
    else:
        campus.server(on).databases.append(made)
    return made


def _shares(campus: Campus) -> None:
    """Some sites of a host use one database: the second takes the first one's."""
    random = draw(campus.seed, "shares")
    for server in campus.servers:
        pairs = [site for site in server.sites if site.stack == "php" and site.database and site.database.on == server.name]
        if len(pairs) > 1 and random.random() < 0.5:
            first, second = pairs[:2]
            server.databases.remove(second.database)  # type: ignore[arg-type]
            second.database = first.database
            first.shared_with, second.shared_with = [second.name], [first.name]
            for site in (first, second):
                site.traits.append("shared database")


def _gone(campus: Campus, number: int) -> None:
    """Rows of the register whose sites nobody serves any more."""
    random = draw(campus.seed, "gone")
    for at in range(number):
        unit = random.choice(campus.units)
        campus.gone.append({"domain": f"gone{at + 1}.{unit.domain}", "unit": unit.code, "title": f"{unit.name_zh}旧站"})


def system_of(server: Server) -> System:
    """The Linux release of a server that has one."""
    if server.system is None:
        raise ValueError(f"{server.name} runs {server.windows}")
    return server.system
