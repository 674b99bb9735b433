"""Sizes: percentiles, attribution on shared hosts, growth, confidence; and what must hold whatever was measured."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner import attribution, sizing
from planner.attribution import Guest
from planner.platforms import STANDARD, Flavour, Headroom
from planner.sizing import Host, Reading

START = datetime(2026, 10, 1, tzinfo=UTC)
NONE = Headroom(cpu=1, memory=1, disk=1)
GIB, DAY = 2**30, 86_400
COUNT = 14 * 144 + 1  # two weeks, one every ten minutes


def facts(**known):
    return {name.replace("__", "."): {"value": value, "why": ""} for name, value in known.items()}


def guest(name, requests=None, held=(), **known):
    told = {"content__bytes": 10**9, "database__used": False, **known}
    return Guest(name, facts(**told, **({} if requests is None else {"use__requests_per_day": requests})), held)


def samples(busy, memory, services=(), *, count=COUNT, seconds=600, cpus=4, boot="b"):
    """A host whose `busy(n)` CPUs are kept busy in the nth interval, and that holds `memory(n)` bytes of 8 GiB at its end.

    `services` are (name, cpus(n), bytes(n)).
    """
    ticks, spent, found = 0.0, {name: 0.0 for name, *_ in services}, []
    for n in range(count):
        if n:
            ticks += busy(n) * seconds * 100
            for name, used, _ in services:
                spent[name] += used(n) * seconds
        whole = 1000 + n * seconds
        data = {
            "time": n, "uptime_s": whole, "boot_id": boot, "cpus": cpus,
            "cpu": {"user": ticks, "idle": whole * cpus * 100 - ticks, "iowait": 0},
            "memory": {"total": 8 * GIB, "available": 8 * GIB - memory(n)},
            "disks": {"sda": {"reads": 30 * n * seconds, "writes": 12 * n * seconds, "read_bytes": 0, "written_bytes": 0}}, "net": {},
            "services": {name: {"cpu_s": spent[name], "memory_bytes": held(n)} for name, _, held in services},
        }  # fmt: skip
        found.append(Reading(START + timedelta(seconds=n * seconds), data))
    return found


def host(*guests, **more):
    return Host("h", guests, **{"cpus": 4, "memory_bytes": 8 * GIB, **more})


def test_one_site_has_what_its_host_uses():
    measured = samples(lambda n: 2.0 if n % 10 == 0 else 0.5, lambda n: (3 if n % 50 == 0 else 1) * GIB)
    found = sizing.sizes(host(guest("a"), samples=measured), Headroom(cpu=1.3, memory=1.25, disk=1.25))["a"]
    assert (found.cpus, found.memory_bytes, found.disk_bytes) == (
        2.6,
        int(3.75 * GIB),
        1_250_000_000,
    )  # a tenth of the time is more than 5 %
    assert found.iops == 42
    assert (found.basis["cpus"], found.basis["disk_bytes"], found.held_bytes) == ("host", "measured", 10**9)
    assert found.confidence == 0.6  # no trend of its disk
    assert "95th percentile of 2016 readings over 14 d" in found.why
    assert "第 95 百分位" in found.why_zh


def test_a_peak_that_is_rarer_than_the_percentile_is_left_out():
    measured = samples(lambda n: 4.0 if n % 25 == 0 else 1.0, lambda n: (7 if n % 120 == 0 else 2) * GIB)
    found = sizing.sizes(host(guest("a"), samples=measured), NONE)["a"]
    assert (found.cpus, found.memory_bytes) == (1.0, 2 * GIB)


@pytest.mark.parametrize(
    ("taken", "basis", "confidence"),
    [(0, "allocated host", 0.2), (1, "allocated host", 0.2), (2, "allocated host", 0.2), (180, "allocated host", 0.2), (182, "host", 0.45),
     (COUNT, "host", 1.0)],
)  # fmt: skip
def test_confidence_comes_from_count_and_span(taken, basis, confidence):
    held = [(n * 10 * DAY, 10**9) for n in range(5)]
    measured = samples(lambda n: 0.2, lambda n: GIB, count=taken)
    found = sizing.sizes(host(guest("a", held=held), samples=measured), NONE)["a"]
    assert found.basis["cpus"] == found.basis["memory_bytes"] == basis
    assert found.confidence == pytest.approx(confidence, abs=0.01)
    assert found.cpus == (4.0 if basis != "host" else 0.2)


def test_without_history_a_site_gets_its_share_of_what_is_there_and_no_headroom():
    found = sizing.sizes(host(guest("a", 300), guest("b", 100)))
    assert (found["a"].cpus, found["b"].cpus, found["a"].memory_bytes) == (3.0, 1.0, 6 * GIB)
    assert found["a"].basis["cpus"] == "allocated log"
    assert found["a"].confidence == 0.12
    assert "for want of a history" in found["a"].why


def test_nothing_known_is_unknown():
    found = sizing.sizes(Host("h", (Guest("a", {}),)))["a"]
    assert (found.cpus, found.memory_bytes, found.disk_bytes, found.iops, found.confidence) == (None, None, None, None, 0.0)
    assert set(found.basis.values()) == {"unknown"}
    assert sizing.smallest_flavour(found, [STANDARD]) is None
    assert sizing.sizes(Host("h")) == {}
    assert "no host" in sizing.UNKNOWN.why


def test_memory_may_be_unknown_alone():
    measured = samples(lambda n: 1.0, lambda n: GIB)
    for reading in measured:
        reading.data["memory"] = None
    found = sizing.sizes(host(guest("a"), samples=measured, memory_bytes=None), NONE)["a"]
    assert (found.cpus, found.memory_bytes, found.basis["memory_bytes"], found.confidence) == (1.0, None, "unknown", 0.0)


def test_a_restart_is_no_load_and_hides_none():
    first = samples(lambda n: 1.0, lambda n: GIB, count=1000)
    second = samples(lambda n: 1.0, lambda n: GIB, count=1000, boot="c")
    later = [Reading(item.at + timedelta(days=8), item.data) for item in second]
    found = sizing.sizes(host(guest("a"), samples=first + later), NONE)["a"]
    assert (found.cpus, "1998 readings" in found.why) == (1.0, True)


def test_a_rate_over_a_day_is_no_peak():
    measured = samples(lambda n: 0.1, lambda n: GIB, count=100, seconds=DAY)
    assert sizing.sizes(host(guest("a"), samples=measured))["a"].basis["cpus"] == "allocated host"


def day(number, p95, source="sysstat", samples=144):
    figure = {"mean": p95 / 2, "p95": p95}
    return {
        "source": source,
        "day": f"d{number}",
        "samples": samples,
        "span_s": DAY,
        "cpu_percent": figure,
        "memory_percent": figure,
        "disk_tps": figure,
    }


def test_sysstat_where_there_are_no_samples_of_ours():
    found = sizing.sizes(host(guest("a"), history=[day(1, 20), day(2, 50), day(3, 10)]), NONE)["a"]
    assert (found.cpus, found.memory_bytes, found.iops) == (2.0, 4 * GIB, 50)
    assert "sysstat" in found.why
    assert "99" not in found.why.partition("Disk")[0]


@pytest.mark.parametrize(("high", "cpus"), [(100, 1.0), (101, 4.0)])
def test_the_percentile_is_of_the_nearest_rank(high, cpus):
    """Of 2016 rates the 1916th: the 101st from above."""
    measured = samples(lambda n: 4.0 if n <= high else 1.0, lambda n: GIB)
    assert sizing.sizes(host(guest("a"), samples=measured), NONE)["a"].cpus == cpus


def test_what_only_some_samples_tell_is_known_from_those_alone():
    measured = samples(lambda n: 1.0, lambda n: GIB, count=300)
    for reading in measured[120:]:
        reading.data["cpu"] = None
    found = sizing.sizes(host(guest("a"), samples=measured), NONE)["a"]
    assert (found.basis["cpus"], found.basis["memory_bytes"]) == ("allocated host", "host")  # 20 hours of CPU


def test_averages_since_boot_are_no_history():
    long = {**day(1, 1, source="boot", samples=1000), "span_s": 90 * DAY}
    assert sizing.sizes(host(guest("a"), history=[long]))["a"].basis["cpus"] == "allocated host"
    found = sizing.sizes(host(guest("a"), history=[day(1, 1, source="boot", samples=1)]))["a"]
    assert found.basis["cpus"] == "allocated host"


def test_the_better_known_source_is_taken_and_none_are_mixed():
    few, many = samples(lambda n: 3.0, lambda n: GIB, count=300), samples(lambda n: 3.0, lambda n: GIB)
    week = [day(n, 25) for n in range(7)]
    assert sizing.sizes(host(guest("a"), samples=few, history=week), NONE)["a"].cpus == 1.0
    assert sizing.sizes(host(guest("a"), samples=many, history=week), NONE)["a"].cpus == 3.0


# ---- attribution

FPM82 = dict(site__php=True, site__php_version="8.2", site__php_handler="fpm", site__web_server="nginx")
FPM74 = dict(site__php=True, site__php_version="7.4", site__php_handler="fpm", site__web_server="nginx")


def test_a_service_of_its_own_counts_for_the_site_alone():
    services = [("php8.2-fpm.service", lambda n: 1.0, lambda n: 2 * GIB), ("php7.4-fpm.service", lambda n: 0.2, lambda n: GIB),
                ("cron.service", lambda n: 0.1, lambda n: 0)]  # fmt: skip
    guests = (guest("a", 1, **FPM82), guest("b", 999, **FPM74), guest("c", 1000, site__web_server="nginx"))
    found = sizing.sizes(host(*guests, samples=samples(lambda n: 1.6, lambda n: 4 * GIB, services)), NONE)
    assert {name: size.cpus for name, size in found.items()} == {"a": 1.1, "b": 0.4, "c": 0.2}  # 0.4 CPUs are nobody's own
    assert {name: size.basis["cpus"] for name, size in found.items()} == {"a": "service", "b": "service", "c": "log"}
    assert found["a"].memory_bytes >= 2 * GIB > found["b"].memory_bytes


@pytest.mark.parametrize(("own", "basis"), [(0.5, "log"), (0.7, "service")])
def test_mostly_its_own_is_at_least_half(own, basis):
    services = [("php8.2-fpm.service", lambda n: own, lambda n: 0)]
    guests = (guest("a", 50, **FPM82), guest("b", 50))
    measured = samples(lambda n: 2.0, lambda n: GIB, services)
    assert sizing.sizes(host(*guests, samples=measured), NONE)["a"].basis["cpus"] == basis


def test_a_service_of_several_is_divided_among_those():
    services = [("php8.2-fpm.service", lambda n: 1.0, lambda n: 0)]
    guests = (guest("a", 30, **FPM82), guest("b", 10, **FPM82), guest("c", 60, site__web_server="nginx"))
    found = sizing.sizes(host(*guests, samples=samples(lambda n: 2.0, lambda n: GIB, services)), NONE)
    assert {name: size.cpus for name, size in found.items()} == {"a": 1.1, "b": 0.4, "c": 0.6}


def test_what_services_claim_beyond_the_host_is_not_there():
    services = [("php8.2-fpm.service", lambda n: 0.1, lambda n: 7 * GIB), ("mariadb.service", lambda n: 0.1, lambda n: 7 * GIB)]
    data = dict(database__used=True, database__product="MariaDB", database__bytes=1)
    guests = (guest("a", 1, **FPM82), guest("b", 1, site__web_server="nginx", **data))
    found = sizing.sizes(host(*guests, samples=samples(lambda n: 1, lambda n: 4 * GIB, services)), NONE)
    assert found["a"].memory_bytes + found["b"].memory_bytes == 4 * GIB


@pytest.mark.parametrize(
    ("service", "known", "yes"),
    [
        ("php8.2-fpm.service", FPM82, True), ("php8.2-fpm.service", FPM74, False), ("php-fpm.service", FPM74, True),
        ("php74-php-fpm.service", FPM74, True), ("rh-php74-php-fpm.service", FPM74, True), ("php8.2-fpm-intranet.service", FPM82, True),
        ("php8.2-fpm.service", {**FPM82, "site__php_handler": "module"}, False), ("php8.2-fpm.service", {"site__php": False}, False),
        ("php8.2-fpm.service", {}, False), ("nginx.service", FPM82, True), ("httpd.service", {"site__web_server": "apache"}, True),
        ("apache2.service", {"site__web_server": "nginx"}, False), ("tomcat9.service", {"backend__kind": "tomcat"}, True),
        ("mysqld.service", {"database__used": True, "database__product": "MySQL"}, True),
        ("postgresql@15-main.service", {"database__used": True, "database__product": "PostgreSQL"}, True),
        ("mariadb.service", {"database__used": True, "database__product": "PostgreSQL"}, False),
        ("mariadb.service", {"database__used": True, "database__remote": "db.edu"}, False),
        ("wiki.service", {"backend__user": "wiki"}, True), ("wiki.service", {"backend__folder": "/opt/wiki/"}, True),
        ("www-data.service", {"backend__user": "www-data"}, False), (".service", {"backend__folder": "/"}, False),
        ("docker-0123456789abcdef.scope", {"site__container": "docker web"}, True),
        ("0123456789abcdef", {"site__container": "docker web"}, True),
        ("docker-ffffffffffffffff.scope", {"site__container": "docker web"}, False),
        ("nginx.service", {"site__container": "docker web", "site__web_server": "nginx"}, False),
        ("docker-0123456789abcdef.scope", {"site__container": "docker other"}, False),
    ],
)  # fmt: skip
def test_whom_a_service_works_for(service, known, yes):
    assert attribution.serves(service, facts(**known), {"docker web": "0123456789abcdef0123"}) is yes


def weights(*guests):
    told = attribution.shares(guests)
    return {name: round(weight, 3) for name, weight in told.weights.items()}, dict(told.bases)


def test_weights():
    assert weights(guest("a")) == ({"a": 1.0}, {"a": "host"})
    assert weights(guest("a", 30), guest("b", 10)) == ({"a": 0.75, "b": 0.25}, {"a": "log", "b": "log"})
    assert weights(guest("a", 0), guest("b", 0)) == ({"a": 0.5, "b": 0.5}, {"a": "equal", "b": "equal"})
    assert weights(guest("a", 30), guest("b", 10), guest("c")) == (
        {"a": 0.5, "b": 0.167, "c": 0.333},
        {"a": "log", "b": "log", "c": "equal"},
    )
    assert weights(guest("a", 30), guest("b"), guest("c"))[1] == {"a": "equal", "b": "equal", "c": "equal"}


def test_a_log_that_sites_write_together_tells_nothing_of_one():
    shared = guest("a", 50, use__log_shared=True)
    shared.facts["use.requests"] = {"value": 50, "why": "the log is shared with other sites"}
    assert weights(shared, guest("b"))[1] == {"a": "equal", "b": "equal"}
    split = guest("a", 50, use__log_shared=True)
    split.facts["use.requests"] = {"value": 50, "why": ""}
    assert weights(split, guest("b", 50))[1] == {"a": "log", "b": "log"}


@pytest.mark.parametrize("value", [float("inf"), float("nan"), -1, True, "7", None, 10**400, [1]])
def test_what_no_figure_can_be_is_unknown(value):
    assert attribution.figure(value) is None
    found = sizing.sizes(host(guest("a", value, content__bytes=value), guest("b", 3)))
    assert found["a"].disk_bytes is None
    assert 0 < found["a"].cpus <= 4


# ---- disk


def test_growth_for_twelve_months():
    held = [(n * 30 * DAY, 10**9 + n * 10**8) for n in range(6)]
    found = sizing.sizes(host(guest("a", held=held)), NONE)["a"]
    assert found.disk_bytes == pytest.approx(10**9 + 365 / 30 * 10**8, abs=10**6)
    assert "in 12 months by its trend" in found.why
    assert sizing.sizes(host(guest("a", held=held)), NONE, 0)["a"].disk_bytes == 10**9


@pytest.mark.parametrize("held", [(), [(0, 1)], [(0, 1), (90 * DAY, 9)], [(0, 1), (0, 5), (9 * DAY, 9), (20 * DAY, 7)], [(5, 1)] * 9])
def test_too_little_is_no_trend(held):
    assert sizing.growth(held) is None
    assert "growth unknown" in sizing.sizes(host(guest("a", held=held)))["a"].why


def test_what_shrinks_needs_what_it_holds():
    held = [(n * 30 * DAY, 10**10 - n * 10**9) for n in range(6)]
    assert sizing.sizes(host(guest("a", held=held)), NONE)["a"].disk_bytes == 10**9


@pytest.mark.parametrize(
    ("known", "held", "basis"),
    [
        ({"database__used": True, "database__bytes": 500}, 10**9 + 500, "measured"),
        ({"database__used": True}, 10**9, "partial"), ({"database__used": None}, 10**9, "partial"),
        ({"database__used": True, "database__remote": "db.edu"}, 10**9, "measured"),
        ({"database__used": True, "database__product": "SQLite", "database__name": "/srv/a/x.db", "database__bytes": 500, "site__docroot": "/srv/a"},
         10**9, "measured"),
        ({"database__used": True, "database__product": "SQLite", "database__name": "/srv/ab/x.db", "database__bytes": 500, "site__docroot": "/srv/a"},
         10**9 + 500, "measured"),
    ],
)  # fmt: skip
def test_what_a_site_holds(known, held, basis):
    found = sizing.sizes(host(guest("a", **known), guest("b")))["a"]
    assert (found.held_bytes, found.basis["disk_bytes"]) == (held, basis)


def test_a_host_of_one_workload_by_its_file_systems():
    disks = [{"used_bytes": 7 * 10**9, "network": False}, {"used_bytes": 10**9}, {"used_bytes": None, "network": True}]
    alone = Guest("a", {})
    found = sizing.sizes(host(alone, disks=disks), NONE)["a"]
    assert (found.held_bytes, found.basis["disk_bytes"]) == (8 * 10**9, "filesystems")
    assert sizing.sizes(host(alone, guest("b"), disks=disks))["a"].held_bytes is None  # they are not a's alone
    assert sizing.sizes(host(alone, disks=[*disks, {"used_bytes": None}]))["a"].held_bytes is None
    assert sizing.machine(host(guest("a"), guest("b"), disks=disks), NONE).disk_bytes == 8 * 10**9


def test_what_nobody_could_read_is_as_declared():
    found = sizing.sizes(host(Guest("a", facts(declared__size_bytes=10**9)), guest("b")), NONE)["a"]
    assert (found.held_bytes, found.basis["disk_bytes"]) == (10**9, "declared")
    assert "as its unit declared" in found.why
    assert sizing.sizes(host(guest("a", declared__size_bytes=1), guest("b")), NONE)["a"].held_bytes == 10**9  # what was read goes first


def test_a_whole_machine():
    measured = samples(lambda n: 1.5, lambda n: 3 * GIB)
    found = sizing.machine(host(guest("a", 1), guest("b", 9), samples=measured), NONE)
    assert (found.cpus, found.memory_bytes) == (1.5, 3 * GIB)


# ---- flavours

SMALL, LARGE = (Flavour(name=name, cpus=n, memory_bytes=n * GIB, disk_bytes=n * 10**10) for name, n in (("small", 1), ("large", 8)))


def needs(cpus=1.0, memory=GIB, disk=10**10):
    return sizing.Size(cpus, memory, disk, None, disk, {}, 1.0, "", "")


@pytest.mark.parametrize(
    ("size", "system", "flavour"),
    [(needs(), 0, "small"), (needs(), 1, "standard"), (needs(1.1), 0, "standard"), (needs(disk=6 * 10**10), 0, "large"), (needs(9), 0, None),
     (needs(None), 0, None), (needs(memory=None), 0, None), (needs(disk=None), 0, None)],
)  # fmt: skip
def test_the_smallest_flavour(size, system, flavour):
    for order in ([LARGE, STANDARD, SMALL], [SMALL, STANDARD, LARGE]):
        found = sizing.smallest_flavour(size, order, system)
        assert (found.name if found else None) == flavour


# ---- what holds whatever was measured

LOADS = st.lists(st.tuples(st.floats(0, 4), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=6)
REQUESTS = st.lists(st.one_of(st.none(), st.floats(0, 1e6)), min_size=1, max_size=5)


def built(loads, requests, factor=lambda n: 1.0):
    def turn(part):
        return lambda n: loads[n % len(loads)][part] * factor(n)

    def busy(n):
        return min(4.0, turn(0)(n))

    services = [("php8.2-fpm.service", lambda n: busy(n) * turn(1)(n) / factor(n) if factor(n) else 0.0, lambda n: int(turn(1)(n) * GIB)),
                ("mariadb.service", lambda n: busy(n) * turn(2)(n) / factor(n) if factor(n) else 0.0, lambda n: int(turn(2)(n) * GIB))]  # fmt: skip
    measured = samples(busy, lambda n: int(turn(0)(n) * GIB), services, count=200, seconds=1200)
    kinds = (FPM82, dict(site__web_server="nginx"), FPM74)
    return measured, [guest(f"g{n}", asked, **kinds[n % 3]) for n, asked in enumerate(requests)]


def figures(found):
    return {name: (size.cpus, size.memory_bytes, size.disk_bytes, size.iops) for name, size in found.items()}


@given(LOADS, REQUESTS, st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_order_of_input_changes_nothing(loads, requests, chance):
    measured, guests = built(loads, requests)
    before = sizing.sizes(host(*guests, samples=measured))
    chance.shuffle(measured)
    chance.shuffle(guests)
    assert sizing.sizes(host(*guests, samples=measured)) == before


@given(LOADS, REQUESTS, st.lists(st.floats(0, 1), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_less_load_is_never_a_larger_size(loads, requests, less):
    more, guests = built(loads, requests)
    fewer, _ = built(loads, requests, lambda n: less[n % len(less)])
    before, after = figures(sizing.sizes(host(*guests, samples=more))), figures(sizing.sizes(host(*guests, samples=fewer)))
    for name, was in before.items():
        assert all(now <= old for now, old in zip(after[name], was, strict=True)), (name, was, after[name])


@given(LOADS, st.lists(st.floats(0, 1e6), min_size=2, max_size=5), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_a_site_that_is_asked_for_less_is_never_larger(loads, requests, less):
    measured, guests = built(loads, requests)
    _, quieter = built(loads, [requests[0] * less, *requests[1:]])
    before = figures(sizing.sizes(host(*guests, samples=measured)))["g0"]
    after = figures(sizing.sizes(host(*quieter, samples=measured)))["g0"]
    assert all(now <= old for now, old in zip(after, before, strict=True))


@given(LOADS, REQUESTS)
@settings(max_examples=30, deadline=None)
def test_what_is_divided_is_the_host_s_load_again(loads, requests):
    _, guests = built(loads, requests)
    moments = [(load, {"php8.2-fpm.service": load * part}) for load, part, _ in loads]
    told = attribution.shares(guests)
    parts = attribution.divide(guests, told, attribution.users(guests, told, ["php8.2-fpm.service", "cron.service"]), moments)
    for index, (load, _) in enumerate(moments):
        assert sum(part.values[index] for part in parts.values()) == pytest.approx(load, rel=1e-9, abs=1e-9)


@given(st.integers(10, 40), st.floats(1, 1e6), st.integers(0, 2**32), st.integers(-(10**12), 10**12))
@settings(max_examples=60, deadline=None)
def test_a_fifth_of_wrong_readings_does_not_move_the_trend(count, slope, seed, wrong):
    chance = random.Random(seed)
    times = [n * 10 * DAY for n in range(count)]
    held = [(at, round(10**9 + slope * at)) for at in times]
    for index in chance.sample(range(count), count // 5):
        held[index] = (held[index][0], max(0, held[index][1] + wrong))
    assert sizing.growth(held) == pytest.approx(slope, rel=0.02, abs=0.01)
