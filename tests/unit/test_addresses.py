"""Addresses from pools: what is never given, what is kept, and that the size of a pool costs nothing."""

from __future__ import annotations

import random

import netaddr
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.errors import ConfigurationError
from planner.addresses import Given, Pool, Want, assign

BOTH = frozenset({4, 6})
SMALL = Pool("a", "192.0.2.0/28", exclude=("192.0.2.3-192.0.2.4", "192.0.2.8/31"), reserved={"w7": "192.0.2.6"}, gateway="192.0.2.1")
WIDE = Pool("six", "2001:db8::/64", gateway="2001:db8::1")


def test_the_lowest_free_addresses_are_given_by_name() -> None:
    given_ = assign([Want("w2", "vps"), Want("w1", "vps", families=BOTH)], [SMALL, WIDE], {"192.0.2.2": ""})
    assert given_ == Given({"w1": ("192.0.2.5", "2001:db8::2"), "w2": ("192.0.2.7",)}, ())


def test_an_exhausted_pool_says_how_many_got_nothing() -> None:
    given_ = assign([Want(f"w{n:02}", "vps") for n in range(12)], [SMALL], {})
    # 14 hosts less gateway, four excluded and one reserved.
    assert len(given_.addresses) == 8
    (problem,) = given_.problems
    assert (problem.what, problem.count, problem.pools) == ("exhausted", 4, ("a",))


@pytest.mark.parametrize(
    ("network", "hosts"),
    [("192.0.2.0/30", 2), ("192.0.2.0/31", 2), ("192.0.2.7/32", 1), ("2001:db8::/127", 2), ("2001:db8::/126", 3), ("2001:db8::/120", 127)],
)
def test_what_a_network_keeps_for_itself(network: str, hosts: int) -> None:
    family = netaddr.IPNetwork(network).version
    wants = [Want(f"w{n:03}", "vps", families=frozenset({family})) for n in range(hosts + 2)]
    assert len(assign(wants, [Pool("p", network)], {}).addresses) == hosts


def test_pools_of_zones_and_kinds_come_before_those_for_all() -> None:
    pools = [Pool("all", "192.0.2.0/24"), Pool("east", "198.51.100.0/24", zones=frozenset({"east"}), kinds=frozenset({"vps"}))]
    given_ = assign([Want("a", "vps", "east"), Want("b", "virtual-host", "east"), Want("c", "vps", "west")], pools, {})
    assert given_.addresses == {"a": ("198.51.100.1",), "b": ("192.0.2.1",), "c": ("192.0.2.2",)}
    (problem,) = assign([Want("d", "colocation", "west")], pools[1:], {}).problems
    assert (problem.what, problem.workloads) == ("no-pool", ("d",))


def test_earlier_addresses_stay_unless_somebody_else_has_them() -> None:
    previous = {"w1": ("192.0.2.12",), "w2": ("192.0.2.13",), "w3": ("192.0.2.3",), "w4": ("192.0.2.6",)}
    wants = [Want(name, "vps") for name in previous]
    given_ = assign(wants, [SMALL], {"192.0.2.12": "w1", "192.0.2.13": "stranger"}, previous)
    assert given_.addresses == {"w1": ("192.0.2.12",), "w2": ("192.0.2.2",), "w3": ("192.0.2.5",), "w4": ("192.0.2.7",)}
    assert {(one.what, one.workloads, one.address) for one in given_.problems} == {
        ("in-use", ("w2",), "192.0.2.13"),
        ("unkept", ("w3",), "192.0.2.3"),
        ("unkept", ("w4",), "192.0.2.6"),
    }


def test_a_reserved_address_that_another_uses_is_for_the_admins_to_settle() -> None:
    given_ = assign([Want("w7", "vps")], [SMALL], {"192.0.2.6": "printer"})
    assert given_.addresses == {}
    assert (given_.problems[0].what, given_.problems[0].address) == ("in-use", "192.0.2.6")


def test_everything_wrong_with_pools_is_said_at_once() -> None:
    pools = [
        Pool("a", "192.0.2.0/33"),
        Pool(
            "b", "192.0.2.0/24", exclude=("2001:db8::1", "nonsense"), reserved={"w": "198.51.100.1", "v": "192.0.2.1"}, gateway="192.0.2.1"
        ),
    ]
    with pytest.raises(ConfigurationError) as error:
        assign([Want("w", "vps", families=frozenset({5})), Want("w", "vps")], pools, {"x": ""})
    assert len(error.value.problems) == 8


def test_a_pool_of_any_size_costs_nothing() -> None:
    wants = [Want(f"w{n:05}", "vps", families=frozenset({6})) for n in range(3000)]
    given_ = assign(wants, [Pool("huge", "2001:db8::/32", exclude=("2001:db8::/48",))], {})
    assert given_.addresses["w00000"] == ("2001:db8:1::",)
    assert len(set(given_.addresses.values())) == 3000


names = st.integers(0, 9).map(lambda n: f"w{n}")
hosts = st.integers(0, 31).map(lambda n: f"192.0.2.{n}")


@settings(max_examples=300, deadline=None)
@given(
    st.sets(names, min_size=1),
    st.lists(hosts, max_size=4).map(tuple),
    st.dictionaries(hosts, st.one_of(st.just(""), names), max_size=6),
    st.dictionaries(names, hosts.map(lambda one: (one,)), max_size=4),
    st.sampled_from(["192.0.2.0/28", "192.0.2.16/28", "192.0.2.0/27"]),
    st.randoms(use_true_random=False),
)
def test_nothing_forbidden_is_given_and_nobody_shares(
    asked: set[str],
    exclude: tuple[str, ...],
    taken: dict[str, str],
    previous: dict[str, tuple[str, ...]],
    network: str,
    chance: random.Random,
) -> None:
    inside = [str(one) for one in netaddr.IPNetwork(network).iter_hosts() if str(one) not in exclude]
    reserved = {"w0": inside[1], "w99": inside[2]}
    pools = [
        Pool("a", network, exclude=exclude, reserved=reserved, gateway=inside[0]),
        Pool("b", "192.0.2.0/29", exclude=(*exclude, *reserved.values())),
    ]
    wants = [Want(name, "vps") for name in sorted(asked)]
    given_ = assign(wants, pools, taken, previous)
    addresses = [one for its in given_.addresses.values() for one in its]
    assert len(addresses) == len(set(addresses))
    for workload, its in given_.addresses.items():
        for address in its:
            assert taken.get(address, workload) == workload
            assert address not in exclude
            assert inside[2] != address
            assert (address == inside[1]) <= (workload == "w0")
            assert any(netaddr.IPAddress(address) in netaddr.IPNetwork(pool.network) for pool in pools)
            assert address not in {str(netaddr.IPNetwork(pool.network)[end]) for pool in pools for end in (0, -1)} - {
                str(host) for pool in pools for host in netaddr.IPNetwork(pool.network).iter_hosts()
            }
    silent = {name for one in given_.problems for name in one.workloads}
    assert asked <= given_.addresses.keys() | silent
    assert assign(chance.sample(wants, len(wants)), chance.sample(pools, 2), taken, previous) == given_
    again = assign(wants, pools, taken, given_.addresses)
    assert again.addresses == given_.addresses
