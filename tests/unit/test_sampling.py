"""Samples to figures: rates between neighbours, restarts, sources that are never mixed."""

from inventory import sampling


def sample(at, busy, boot="b", free=50):
    return {"time": at, "uptime_s": at, "boot_id": boot, "cpu": {"user": busy, "idle": at - busy, "iowait": 0},
            "memory": {"total": 100, "available": free}, "disks": {}, "net": {}}  # fmt: skip


def test_figures_of_own_samples():
    load = sampling.of_samples([sample(100, 10), sample(200, 20), sample(300, 110, free=20)])
    assert (load.source, load.count, load.span_s, load.covered_s) == ("samples", 2, 200, 200)
    assert load.figures["cpu_percent"] == {"mean": 50.0, "p95": 90.0, "p99": 90.0, "max": 90.0}
    assert load.figures["memory_percent"]["max"] == 80.0


def test_a_restart_is_no_rate_and_its_time_is_not_covered():
    load = sampling.of_samples([sample(100, 10), sample(200, 20), sample(50, 5, boot="c"), sample(150, 55, boot="c")])
    assert (load.count, load.covered_s) == (2, 200)
    assert sampling.of_samples([sample(100, 10)]) is None
    assert sampling.of_samples([]) is None


def test_a_percentile_is_one_of_the_values():
    samples = [sample(100 * n, sum(range(n)) % (100 * n)) for n in range(1, 30)]
    load = sampling.of_samples(samples)
    rates = load.figures["cpu_percent"]
    assert rates["mean"] <= rates["p95"] <= rates["p99"] <= rates["max"]


def test_days_that_the_host_kept():
    days = [{"source": "sysstat", "day": "d1", "samples": 144, "span_s": 86400, "cpu_percent": {"mean": 10, "p95": 40}, "memory_percent": None},
            {"source": "sysstat", "day": "d2", "samples": 72, "span_s": 43200, "cpu_percent": {"mean": 20, "p95": 30}, "memory_percent": None}]  # fmt: skip
    load = sampling.of_history(days, "sysstat")
    assert (load.count, load.span_s, dict(load.figures)) == (216, 129600, {"cpu_percent": {"mean": 15.0, "p95": 40.0}})
    assert sampling.of_history([], "boot") is None
    assert sampling.of_history([{"source": "boot", "samples": 1, "span_s": 9, "cpu_percent": 3.5}], "boot").figures == {
        "cpu_percent": {"mean": 3.5}
    }
