"""Declared and found values that mean the same, that differ, and that cannot be compared."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory import sameness


@pytest.mark.parametrize(
    ("declared", "found", "same"),
    [
        ("CentOS 7.9", "centos 7", True),
        ("centos7", "centos 7", True),
        ("CentOS Linux release 7.9.2009 (Core)", "centos 7", True),
        ("CentOS 6.5", "centos 7", False),
        ("红帽 6", "rhel 6.10", True),
        ("Red Hat Enterprise Linux Server 7.6 64位", "rhel 7.9", False),
        ("Linux", "debian 12", True),
        ("Linux 3.10", "debian 12", False),
        ("Windows Server 2008 R2 SP1", "debian 12", False),
        ("Windows Server 2008 R2 x64", "windows 2008", True),
        ("Ubuntu", "ubuntu 22.04", True),
        ("银河麒麟V10", "kylin 10", True),
        ("某国产系统", "debian 12", None),
        ("MySQL5.7", "MySQL 5.7.44", True),
        ("mysql 5.6", "MySQL 5.7.44", False),
        ("MySQL", "MariaDB 10.11.6", True),
        ("MySQL 5.7", "MariaDB 10.11.6", False),
        ("SQL Server 2008", "MySQL 5.7.44", False),
        ("PHP+MySQL", "MySQL 5.7.44", True),
        ("PHP 5.6 / Apache 2.4", "php 5.6.40", True),
        ("Apache Tomcat 8.5", "tomcat 8.5.100", True),
        ("Apache Tomcat", "apache 2.4", False),
        ("nginx/1.18.0 (Ubuntu)", "nginx 1.18.0", True),
        ("织梦CMS V5.7", "DedeCMS 5.7.118", True),
        ("WordPress", "wordpress 6.4.2", True),
        ("自研", "自研", True),
        ("JPG", "postgresql 15", None),
        ("", "debian 12", None),
    ],
)
def test_products(declared, found, same):
    assert sameness.same_product(declared, found) is same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("2026-12-31", "2026-12-31", True), ("2026-12-31", "2027-01-01", True), ("2026-12-31", "2027-01-02", False), ("2026-12", "2026-12-31", True),
     ("2026", "2027-01-01", False), ("never", "2027-01-01", False), ("never", "never", True)],
)  # fmt: skip
def test_days(one, other, same):
    assert sameness.same_day(one, other) is same


@pytest.mark.parametrize(
    ("one", "other", "within", "same"),
    [
        (500, 480, 0.1, True),
        (500, 400, 0.1, False),
        (0, 0, 0.0, True),
        (8, 8, 0.0, True),
        (8, 4, 0.0, False),
        ("8", 8, 0.0, None),
        (True, 1, 0.0, None),
    ],
)
def test_numbers(one, other, within, same):
    assert sameness.same_number(one, other, within) is same


def test_names():
    assert sameness.same_names(["WWW.x.edu", "网站.x.edu"], ["www.x.edu.", "xn--5tzm5g.x.edu", "b.x.edu"]) == ([], ["b.x.edu"])


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_texts(one, other):
    assert sameness.same_product(one, other) in {True, False, None}


@given(st.text(min_size=1))
def test_a_text_never_differs_from_itself(text):
    assert sameness.same_product(text, text) is not False


@pytest.mark.parametrize("text", ["mysql " * 100_000, "1." * 200_000, " " * 400_000, "centos" * 80_000])
def test_long_texts(text):
    begin = time.perf_counter()
    sameness.same_product(text, "mysql 5.7")
    assert time.perf_counter() - begin < 1
