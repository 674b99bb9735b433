"""Two samples → rates: right where counters grew, None where they fell back, and nothing at all across a reboot."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory import usage
from inventory.usage import Rates, ServiceRates

BEFORE = {
    "time": 1000, "uptime_s": 100.0, "boot_id": "b", "cpus": 2,
    "cpu": {"user": 1000, "nice": 0, "system": 500, "idle": 18000, "iowait": 500, "irq": 0, "softirq": 0, "steal": 0},
    "memory": {"total": 1000, "available": 400},
    "disks": {"sda": {"reads": 100, "read_bytes": 1000, "writes": 100, "written_bytes": 1000, "busy_ms": 1}},
    "net": {"eth0": {"in_bytes": 1_000_000, "out_bytes": 500_000}},
    "services": {"httpd.service": {"cpu_s": 10.0, "memory_bytes": 100}},
}  # fmt: skip
AFTER = {
    "time": 1010, "uptime_s": 110.0, "boot_id": "b", "cpus": 2,
    "cpu": {"user": 1600, "nice": 0, "system": 700, "idle": 19000, "iowait": 600, "irq": 0, "softirq": 0, "steal": 100},
    "memory": {"total": 1000, "available": 250},
    "disks": {"sda": {"reads": 150, "read_bytes": 501_000, "writes": 150, "written_bytes": 501_000, "busy_ms": 9}},
    "net": {"eth0": {"in_bytes": 3_000_000, "out_bytes": 1_500_000}, "eth1": {"in_bytes": 10_000, "out_bytes": 0}},
    "services": {"httpd.service": {"cpu_s": 15.0, "memory_bytes": 120}, "new.service": {"cpu_s": 1.0, "memory_bytes": None}},
}  # fmt: skip


def changed(sample, group, name, value):
    other = copy.deepcopy(sample)
    other[group] = value if name is None else {**other[group], name: value}
    return other


def test_rates():
    assert usage.rates(BEFORE, AFTER) == Rates(
        seconds=10.0, cpu_percent=45.0, iowait_percent=5.0, steal_percent=5.0, memory_percent=75.0, disk_tps=10.0, disk_kbps=100.0,
        net_in_kbps=201.0, net_out_kbps=100.0,
        services={"httpd.service": ServiceRates(0.5, 120), "new.service": ServiceRates(0.1, None)},
    )  # fmt: skip


@pytest.mark.parametrize(
    "after",
    [{**AFTER, "boot_id": "c"}, {**AFTER, "uptime_s": 50.0}, {**AFTER, "uptime_s": 100.0}, {**AFTER, "uptime_s": None}, {}],
    ids=["another boot", "started anew", "the same moment", "no clock", "nothing"],
)
def test_no_rates(after):
    assert usage.rates(BEFORE, after) is None


def test_a_counter_that_fell_back_spoils_only_its_own_figure():
    found = usage.rates(BEFORE, changed(AFTER, "net", "eth0", {"in_bytes": 5, "out_bytes": 600_000}))
    assert (found.net_in_kbps, found.net_out_kbps, found.disk_tps) == (None, 10.0, 10.0)
    restarted = usage.rates(BEFORE, changed(AFTER, "services", "httpd.service", {"cpu_s": 1.0, "memory_bytes": 5}))
    assert restarted.services["httpd.service"] == ServiceRates(None, 5)
    assert usage.rates(BEFORE, changed(AFTER, "cpu", "idle", 1)).cpu_percent is None


def test_what_was_not_read_is_none():
    bare = {"uptime_s": 110.0, "boot_id": "b", "cpu": None, "memory": None, "disks": None, "net": None, "services": None}
    found = usage.rates(BEFORE, bare)
    assert (found.seconds, found.services) == (10.0, {})
    assert (found.cpu_percent, found.memory_percent, found.disk_tps, found.net_in_kbps) == (None, None, None, None)


def test_since_boot():
    found = usage.since_boot(AFTER)
    assert (found.seconds, found.cpu_percent, found.net_in_kbps) == (110.0, 10.91, 27.36)
    assert found.services["httpd.service"].cpus is None
    assert usage.since_boot({"uptime_s": 0}) is None


@pytest.mark.parametrize(
    ("memory", "percent"),
    [
        ({"total": 100, "free": 10, "buffers": 20, "cached": 30}, 40.0),
        ({"total": 100, "available": 120}, 0.0),
        ({"total": 100}, None),
        ({"available": 5}, None),
        ({}, None),
    ],
)
def test_memory(memory, percent):
    assert usage.memory_percent({"memory": memory}) == percent


def test_summary():
    assert usage.summary([]) is None
    assert usage.summary([5.0]) == {"mean": 5.0, "p95": 5.0}
    assert usage.summary([float(n) for n in range(1, 101)]) == {"mean": 50.5, "p95": 95.0}


COUNTERS = st.fixed_dictionaries({name: st.integers(0, 10**12) for name in ("user", "system", "idle", "iowait")})
SAMPLES = st.fixed_dictionaries({
    "uptime_s": st.floats(0, 1e9), "boot_id": st.sampled_from(["a", "b", None]), "cpu": st.none() | COUNTERS,
    "net": st.none() | st.dictionaries(st.sampled_from(["e0", "e1"]), st.fixed_dictionaries({"in_bytes": st.integers(0, 10**15), "out_bytes": st.integers(0, 10**15)})),
    "services": st.none() | st.dictionaries(st.sampled_from(["a", "b"]), st.fixed_dictionaries({"cpu_s": st.none() | st.floats(0, 1e6), "memory_bytes": st.none()})),
})  # fmt: skip


@given(SAMPLES, SAMPLES)
def test_never_negative_and_never_both_ways(one, two):
    there, back = usage.rates(one, two), usage.rates(two, one)
    assert there is None or back is None
    for found in (there, back, usage.since_boot(one)):
        if found is not None:
            figures = [value for name, value in found.to_json().items() if name != "services" and value is not None]
            assert all(value >= 0 for value in figures)
            assert found.cpu_percent is None or found.cpu_percent <= 100
            assert all(service.cpus is None or service.cpus >= 0 for service in found.services.values())
