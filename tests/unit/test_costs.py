"""Costs: exact amounts by placement, reasons where one is unknown, totals, alternatives."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner import costs
from planner.costs import Machine, Row, Total, Unknown
from planner.platforms import Platforms
from planner.policy import PLACEMENTS
from planner.sizing import UNKNOWN, Size

GIB, GB = 2**30, 10**9
TARIFFS = {
    "hour": 150, "site_cluster": {"yearly": 0}, "virtual_host": {"yearly": 300, "per_gb": "0.105", "included_gb": 1}, "vps": {"per_gb": 4},
    "colocation": {"yearly": 1000, "per_u": 500, "per_100w": 800}, "retire": {"archive_per_gb": "1.5"},
}  # fmt: skip
FLAVOURS = [
    {"name": "small", "cpus": 1, "memory_bytes": "2 GiB", "disk_bytes": "40 GB", "yearly": 600},
    {"name": "standard", "cpus": 2, "memory_bytes": "4 GiB", "disk_bytes": "50 GB", "yearly": 1200},
    {"name": "large", "cpus": 8, "memory_bytes": "16 GiB", "disk_bytes": "200 GB"},
]
PRICED = Platforms.model_validate({"tariffs": TARIFFS, "flavours": FLAVOURS})
BOX = Machine(2, 350)
EFFORTS = {"site-cluster": 2, "virtual-host": 4.5, "vps": 0.1, "retire": 1.0}


def size(cpus=0.5, memory=GIB, disk=3 * GB, held=2 * GB):
    return Size(cpus, memory, disk, None, held, {}, 1.0, "", "")


def priced(told=None, platforms=PRICED, efforts=EFFORTS, machine=BOX):
    return costs.costs(told or size(), platforms, efforts, machine)


def test_amounts_are_exact():
    found = priced(size(disk=3 * GB + 1))
    assert {name: cost.yearly for name, cost in found.items()} == {
        "site-cluster": Decimal("0.00"), "virtual-host": Decimal("300.32"),  # 3 begun GB beyond the first: 0.315, half up
        "vps": Decimal("600.00"), "colocation": Decimal("5200.00"), "retire": Decimal("3.00"),
    }  # fmt: skip
    assert {name: cost.once for name, cost in found.items()} == {
        "site-cluster": 300, "virtual-host": 675, "vps": 15, "colocation": None, "retire": 150,
    }  # fmt: skip
    assert found["colocation"].unknown == (Unknown("no effort"),)
    assert tuple(found) == PLACEMENTS


def test_halves_go_up():
    assert priced(size(disk=6 * GB))["virtual-host"].yearly == Decimal("300.53")  # 5 × 0.105


def test_no_tariff_is_unknown_and_not_nothing():
    found = priced(platforms=Platforms())
    assert all(cost.yearly is None and cost.once is None for cost in found.values())
    assert found["site-cluster"].unknown == (Unknown("no tariff", "site-cluster"), Unknown("no hour"))
    assert found["vps"].unknown[0] == Unknown("no price", "standard")


@pytest.mark.parametrize(
    ("told", "flavour", "yearly", "why", "justify"),
    [
        (size(), "small", "600.00", None, False), (size(2.0), "standard", "1200.00", None, False), (size(disk=31 * GB), "standard", "1200.00", None, False),
        (size(disk=30 * GB), "small", "600.00", None, False), (size(2.1), "large", None, Unknown("no price", "large"), True),
        (size(9), "", None, Unknown("too large"), False), (size(None), "", None, Unknown("size", "cpus"), False),
        (size(memory=None), "", None, Unknown("size", "memory"), False), (size(disk=None), "", None, Unknown("size", "disk"), False),
    ],
)  # fmt: skip
def test_the_vps_it_takes(told, flavour, yearly, why, justify):
    cost = priced(told)["vps"]
    assert (cost.flavour, cost.yearly, cost.justify) == (flavour, yearly and Decimal(yearly), justify)
    assert cost.unknown == ((why,) if why else ())


def test_disk_beyond_every_flavour_by_the_gigabyte():
    told = size(disk=300 * GB)
    few = Platforms.model_validate({"tariffs": TARIFFS, "flavours": FLAVOURS[:2]})
    cost = priced(told, few)["vps"]
    assert (cost.flavour, cost.yearly) == ("small", 600 + 4 * 270)  # 10 GB are the system's own
    twins = [FLAVOURS[0], {**FLAVOURS[0], "name": "wide", "disk_bytes": "90 GB"}]
    wide = priced(told, Platforms.model_validate({"tariffs": TARIFFS, "flavours": twins, "vps_default": "small"}))["vps"]
    assert (wide.flavour, wide.justify) == ("wide", True)
    dry = Platforms.model_validate({"tariffs": TARIFFS | {"vps": None}, "flavours": FLAVOURS[:2]})
    assert priced(told, dry)["vps"].unknown == (Unknown("no tariff", "vps"),)


@pytest.mark.parametrize(("machine", "what"), [(Machine(), "height"), (Machine(2), "power"), (Machine(None, 9), "height")])
def test_a_machine_that_the_register_does_not_tell(machine, what):
    assert priced(machine=machine)["colocation"].unknown[0] == Unknown("size", what)


def test_what_costs_nothing_by_its_size_needs_no_size():
    found = priced(UNKNOWN)
    assert found["site-cluster"].yearly == Decimal("0.00")
    assert found["virtual-host"].unknown == (Unknown("size", "disk"),)
    flat = Platforms.model_validate({"tariffs": {"colocation": {"yearly": 10}}})
    assert priced(UNKNOWN, flat, machine=Machine())["colocation"].yearly == 10


@pytest.mark.parametrize("reason", sorted(costs.REASONS))
def test_reasons_are_told_in_both_languages(reason):
    for what in ("vps", "disk", "x<1>"):
        english, chinese = (Unknown(reason, what).text(language) for language in ("en", "zh_CN"))
        assert english.isascii()
        assert not chinese.isascii()
        assert "{" not in english + chinese


def rows():
    cheap, dear = priced(), priced(size(disk=9 * GB))
    return [
        Row("hist", "virtual-host", cheap),
        Row("hist", "vps", dear),
        Row("phys", "colocation", cheap),
        Row("", "", cheap),
        Row("hist", "retire", dear),
    ]


def test_totals_add_what_is_known_and_count_what_is_not():
    found = costs.totals(rows())
    assert found.units["hist"] == Total(3, Decimal("903.21"), 0, Decimal("840.00"), 0)
    assert found.units["phys"] == Total(1, Decimal("5200.00"), 0, Decimal("0.00"), 1)
    assert found.placements[""] == Total(1, Decimal("0.00"), 1, Decimal("0.00"), 1)
    assert list(found.placements) == ["virtual-host", "vps", "colocation", "retire", ""]
    assert found.overall == Total(5, Decimal("6103.21"), 1, Decimal("840.00"), 2)
    assert dict(found.reasons) == {Unknown("no effort"): 1, Unknown("no placement"): 1}


@given(st.permutations(rows()))
def test_the_order_changes_no_total(order):
    found, same = costs.totals(order), costs.totals(rows())
    assert found == same
    assert list(found.reasons) == list(same.reasons)


@given(st.integers(0, 10**13), st.integers(0, 10**13))
def test_more_disk_never_costs_less(one, other):
    less, more = (priced(size(disk=bytes_, held=bytes_)) for bytes_ in sorted((one, other)))
    for name in ("site-cluster", "virtual-host", "retire"):
        assert less[name].yearly <= more[name].yearly


def test_alternatives_are_cheapest_first_and_stand_open():
    states = {"site-cluster": "ineligible", "virtual-host": "unproven", "vps": "ready", "colocation": "conditional", "retire": "ready"}
    assert [cost.placement for cost in costs.alternatives(priced(), states, "vps")] == ["virtual-host", "colocation"]
    assert [cost.placement for cost in costs.alternatives(priced(machine=Machine()), states, "")] == ["virtual-host", "vps"]
    assert costs.alternatives(priced(), {}, "vps") == ()


def test_equal_prices_go_to_the_least_privileged():
    same = Platforms.model_validate(
        {"tariffs": {"site_cluster": {"yearly": 5}, "virtual_host": {"yearly": 5}, "colocation": {"yearly": 5}}}
    )
    found = costs.alternatives(priced(platforms=same), dict.fromkeys(PLACEMENTS, "ready"), "retire")
    assert [cost.placement for cost in found] == ["site-cluster", "virtual-host", "colocation"]


def test_as_plain_data():
    data = priced()["virtual-host"].to_json("zh_CN")
    assert (data["yearly"], data["parts"]) == (
        "300.21",
        [{"name": "yearly", "count": 1, "amount": "300.00"}, {"name": "per_gb", "count": 2, "amount": "0.21"}],
    )
    assert priced(platforms=Platforms())["vps"].to_json()["unknown"] == [
        "the flavour standard has no price (yearly)",
        "the price of an engineer's hour (tariffs.hour) is not in platforms.yml",
    ]
