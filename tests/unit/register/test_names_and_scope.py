"""DNS names, the scope of visits, and what is campus."""

import pytest

from inventory import register, scope
from inventory.errors import InputError


@pytest.mark.parametrize(
    ("name", "fine"),
    [
        ("a.x.edu", True),
        ("a_b.x.edu", True),
        ("x", False),
        ("{{ x }}.edu", False),
        ("192.0.2.1", False),
        ("网站.x.edu", True),
        ("a b.edu", False),
    ],
)
def test_names(name, fine):
    assert register.valid_name(name) is fine


@pytest.mark.parametrize(
    ("name", "plain"),
    [("WWW.X.edu.", "www.x.edu"), ("网站.x.edu", "xn--5tzm5g.x.edu"), ("a_b.x.edu", "a_b.x.edu"), ("名" * 70 + ".edu", "名" * 70 + ".edu")],
)
def test_ascii_names(name, plain):
    assert register.ascii_name(name) == plain


def test_scope():
    allowed = scope.scope(["192.0.2.0/24", "198.51.100.5-198.51.100.9"], ["192.0.2.7"])
    assert [allowed.refuses(a) != "" for a in ("192.0.2.1", "192.0.2.7", "198.51.100.9", "198.51.100.10", "x")] == [
        False,
        True,
        False,
        True,
        True,
    ]
    with pytest.raises(InputError):
        scope.parse_range("192.0.2.300")


def test_campus():
    campus = scope.campus(["192.0.2.0/24"], ["X.edu."])
    assert [campus.holds_address(a) for a in ("192.0.2.1", "198.51.100.1", "x")] == [True, False, None]
    assert [campus.holds_name(n) for n in ("x.edu", "a.x.edu", "ax.edu")] == [True, True, False]
    unknown = scope.campus([], [])
    assert (unknown.holds_address("192.0.2.1"), unknown.holds_name("a.x.edu")) == (None, None)
