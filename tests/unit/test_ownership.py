"""Whose a site is: each kind of reason alone, reasons together, contradictions, and the admins' word."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory import identify, model, ownership

AT = datetime(2026, 11, 1, tzinfo=UTC)
UNITS = ownership.Units(
    [
        model.Unit(code="hist", name_zh="历史学院", name_en="School of History",
                   details={"domains": ["hist.x.edu"], "ranges": ["192.0.2.0/28"], "email": "web@hist.x.edu", "aliases": ["历史系"]}),
        model.Unit(code="phys", name_zh="物理学院", name_en="Physics", details={"ranges": ["192.0.2.0/24"], "email": "li@qq.com"}),
        model.Unit(code="lit", name_zh="文学院", name_en="Literature", details={"ranges": ["203.0.113.0/24"]}),
        model.Unit(code="chem", name_zh="化学学院", name_en="Chemistry", details={"email": "a@chem-lab.x.edu"}),
    ]
)  # fmt: skip


def site(name="www.y.org", names=(), **facts):
    found = identify.Site(name, "h", [name, *names])
    for key, value in facts.items():
        found.learn(key.replace("__", ".", 1), value)
    return found


def seen(kind, **data):
    return identify.Seen(kind, data, (7, "web", 3))


def owner(found, declared=None, host=None, confirmed=None, observations=()):
    found.learn(ownership.CLUES, ownership.clues(found, observations))
    return ownership.of(found, declared, host or machine("198.51.100.1"), UNITS, confirmed or {})


def machine(address, unit=None):
    return model.Host(name="h1", address=address, unit_code=unit)


def row(unit, origin="s.xlsx: sheet '网站', row 3"):
    return model.Declared(kind="site", key="www.y.org", unit_code=unit, origin=origin, data={})


@pytest.mark.parametrize(
    ("kind", "unit", "given_"),
    [
        ("declared-site", "hist", dict(declared=row("hist"))),
        ("declared-server", "phys", dict(host=machine("198.51.100.1", "phys"))),
        ("range", "hist", dict(host=machine("192.0.2.3"))),  # the narrower of two ranges
        ("range", "phys", dict(host=machine("192.0.2.77"))),
        ("domain", "hist", dict(found=site("news.hist.x.edu"))),
        ("domain", "hist", dict(found=site("www.y.org", ["hist.x.edu"]))),
        ("label", "chem", dict(found=site("www.chem.x.edu"))),
        ("file-owner", "chem", dict(found=site(content__owners={"chem": 90, "root": 10}))),
        ("docroot", "chem", dict(found=site(site__docroot="/home/chem/public_html"))),
        ("docroot", "hist", dict(found=site(site__docroot="/srv/www/old.hist.x.edu/htdocs"))),
        ("database", "chem", dict(found=site(database__name="chem_wp"))),
        ("server-admin", "hist", dict(observations=[seen("vhost", names=["www.y.org"], server_admin="root@mail.hist.x.edu")])),
        ("server-admin", "chem", dict(observations=[seen("vhost", names=["www.y.org"], server_admin="x@chem-lab.x.edu")])),
        ("certificate", "hist", dict(found=site(site__certificate="/c.pem"),
                                     observations=[seen("certificate", path="/c.pem", subject="CN=a,OU=历史学院,O=X University,C=CN")])),
        ("key-comment", "chem", dict(found=site(content__owners={"w3": 9}), observations=[seen("authorized_key", user="w3", comment="li@chem.x.edu")])),
    ],
)  # fmt: skip
def test_each_reason_alone(kind, unit, given_):
    given_ = dict(given_)
    answer = owner(given_.pop("found", None) or site(), **given_)
    reason = next(reason for reason in answer.reasons if reason.kind == kind)
    assert reason.unit == unit
    weight = ownership.rules().reasons[kind].weight
    if len(answer.reasons) == 1:
        assert answer.confidence == pytest.approx(weight, abs=0.006)
        assert answer.unit == (unit if weight >= ownership.rules().assign_from else None)


@pytest.mark.parametrize(
    "found",
    [
        site(content__owners={"www-data": 90}),
        site(content__owners={"chem": 50, "hist": 50}),
        site(site__docroot="/var/www/html"),
        site(site__docroot="/home/chem/hist"),
        site("chem.edu"),
        site("www.y.org"),
    ],
)
def test_what_says_nothing(found):
    answer = owner(found)
    assert (answer.unit, answer.reasons, answer.reason) == (None, (), "no declaration, no range: unknown")


@pytest.mark.parametrize("mail", ["webmaster@localhost", "a@qq.com", "you@example.com", "", "@", "x" * 5000])
def test_mail_that_is_nobodys(mail):
    assert owner(site(), observations=[seen("vhost", names=["www.y.org"], server_admin=mail)]).reasons == ()


def test_reasons_of_one_circumstance_count_once():
    one = owner(site(content__owners={"chem": 9}))
    both = owner(site(content__owners={"chem": 9}, site__docroot="/home/chem/www"))
    assert len(both.reasons) == 2
    assert both.confidence == one.confidence


def test_reasons_of_several_circumstances_confirm_each_other():
    answer = owner(site("www.chem.x.edu", content__owners={"chem": 9}, database__name="chem"))
    # odds 0.65/0.35 · 0.65/0.35 · 0.6/0.4 = 5.17; 5.17 / (1 + 5.17)
    assert (answer.unit, answer.confidence) == ("chem", 0.84)
    assert answer.sure


def test_contradictions_are_kept_and_lower_the_confidence():
    alone = owner(site("www.chem.x.edu"), host=machine("198.51.100.1", "chem"))
    torn = owner(site("www.chem.x.edu", content__owners={"hist": 9}), host=machine("198.51.100.1", "chem"))
    assert alone.unit == torn.unit == "chem"
    assert torn.confidence < alone.confidence
    assert [(reason.unit, reason.kind) for reason in torn.contradictions] == [("hist", "file-owner")]
    assert (alone.sure, torn.sure) == (True, False)
    assert [unit for unit, _ in torn.ranking] == ["chem", "hist"]


def test_a_units_own_sheet_overrules_what_is_inferred():
    answer = owner(site("hist.x.edu", content__owners={"hist": 9}), declared=row("phys"), host=machine("192.0.2.3", "hist"))
    assert (answer.unit, answer.reason) == ("phys", "declared in s.xlsx: sheet '网站', row 3")
    assert answer.confidence < 0.5
    assert not answer.sure


def test_an_admins_word_overrules_everything_on_any_host():
    word = ownership.Confirmation("chem", "wang", "moved with the lab", AT)
    for host in (machine("192.0.2.3", "hist"), machine("198.51.100.9")):
        answer = owner(site("hist.x.edu", ["old.y.org"]), declared=row("phys"), host=host, confirmed={"old.y.org": word})
        assert (answer.unit, answer.confidence, answer.sure) == ("chem", 1.0, True)
        assert answer.reason == "confirmed by wang on 2026-11-01: moved with the lab"
        assert {reason.unit for reason in answer.contradictions} >= {"phys", "hist"}


SHARED = ["news.hist.x.edu", "www.phys.x.edu", "www.chem.x.edu"]


def on_one_host(host, sites):
    """Owners of all sites of a host, as comparing with the register asks for them."""
    for one in sites:
        one.learn(ownership.CLUES, ownership.clues(one, [seen("authorized_key", user="robot", comment="li@chem.x.edu")]))
    said = [ownership.told(one, None, UNITS) for one in sites]
    shared = ownership.shared(host, said, UNITS)
    return [
        ownership.of(one, None, host, UNITS, {}, shared=serves, said=words) for one, serves, words in zip(sites, shared, said, strict=True)
    ]


@pytest.mark.parametrize("host", [machine("198.51.100.1", "lit"), machine("203.0.113.7"), machine("203.0.113.7", "lit")])
@pytest.mark.parametrize(
    ("facts", "unit", "kinds"),
    [
        (dict(content__owners={"robot": 9}), None, ["key-comment"]),  # the one key of its account is a colleague's
        (dict(content__owners={"chem": 9}), "chem", ["file-owner"]),
        (dict(content__owners={"hist": 9}, database__name="hist_robot"), "hist", ["file-owner", "database"]),
        (dict(content__owners={"www-data": 9}), None, ["shared"]),
        (dict(content__owners={"lit": 9}), "lit", ["shared", "file-owner"]),
    ],
)
def test_a_neutral_name_on_a_host_that_serves_many_units(host, facts, unit, kinds):
    """Whoever runs the host for everybody is not taken for the owner of what stands there."""
    answer = on_one_host(host, [site("www.robot.y.org", **facts), *map(site, SHARED)])[0]
    assert answer.unit == unit
    assert list(dict.fromkeys(reason.kind.partition("-server")[0].partition("-range")[0] for reason in answer.reasons)) == kinds
    assert answer.confidence < 0.8
    if "shared" not in kinds:
        assert "lit" not in {reason.unit for reason in answer.reasons}


@pytest.mark.parametrize(
    ("beside", "shared"),
    [
        ([], False),
        (["www.robot.y.org"], False),
        (["www.chem.x.edu"], True),
        (["www.chem.x.edu", "a.y.org", "b.y.org", "c.y.org"], True),
        (["www.chem.x.edu", "a.y.org", "b.y.org", "c.y.org", "d.y.org"], False),  # a guest on a unit's own server
        (["www.lit.x.edu", "old.lit.x.edu"], False),
        (["www.lit.x.edu", "www.chem.x.edu", "www.phys.x.edu"], True),
    ],
)
def test_when_a_host_is_shared(beside, shared):
    neutral = site("n.y.org", content__owners={"www-data": 9})
    answer = on_one_host(machine("198.51.100.1", "lit"), [neutral, *(site(name) for name in beside)])[0]
    assert (answer.unit, answer.confidence) == ((None, 0.52) if shared else ("lit", 0.8))


def test_a_declared_site_on_a_shared_host_is_no_contradiction():
    said = [ownership.told(site(name), row("hist") if name == "www.y.org" else None, UNITS) for name in ("www.y.org", *SHARED)]
    host = machine("198.51.100.1", "lit")
    answer = ownership.of(site(), row("hist"), host, UNITS, {}, shared=ownership.shared(host, said, UNITS)[0])
    assert (answer.unit, answer.confidence, answer.sure) == ("hist", 0.95, True)


def test_two_units_declare_it():
    both = row("hist")
    both.data = {"claims": {"phys": "p.xlsx: row 9", "hist": "h.xlsx: row 2"}}
    answer = owner(site(), declared=both)
    assert (answer.unit, answer.confidence, answer.sure) == (None, 0.49, False)
    assert answer.reason == "more than one unit declares it: hist (declared in h.xlsx: row 2), phys (declared in p.xlsx: row 9)"
    for unit in ("hist", "phys"):
        both.unit_code = unit  # whose sheet came last decides nothing
        helped = owner(site("hist.x.edu"), declared=both)
        assert (helped.unit, [reason.unit for reason in helped.contradictions]) == ("hist", ["phys"])


def test_a_site_that_was_found_nowhere():
    answer = ownership.of(site("www.chem.x.edu"), row("chem"), None, UNITS, {})
    assert answer.unit == "chem"


def test_facts_carry_their_evidence():
    answer = owner(site(), observations=[seen("vhost", names=["www.y.org"], server_admin="a@hist.x.edu")])
    facts = answer.facts()
    assert facts["owner.unit"]["value"] == "hist"
    assert facts["owner.unit"]["evidence"] == [[7, "web", 3]]
    assert facts["owner.reasons"]["value"][0]["why"] == "its ServerAdmin is a@hist.x.edu"
    assert "owner.unit" not in owner(site()).facts()


WORDS = st.text(max_size=60) | st.sampled_from(["hist", "chem.x.edu", "/home/hist", "O=历史学院", "a@hist.x.edu", "x,OU=\\", "..", "@h"])


@given(WORDS, st.lists(WORDS, max_size=3), WORDS, WORDS, st.dictionaries(WORDS, st.integers(0, 9), max_size=3))
def test_any_text_is_survived_and_confidences_are_shares(name, names, docroot, text, owners):
    found = site(name, names, site__docroot=docroot, content__owners=owners, database__name=text, site__certificate="/c")
    observations = [seen("vhost", names=[name], server_admin=text), seen("certificate", path="/c", subject=text)]
    answer = owner(found, host=machine(text), observations=observations)
    assert sum(confidence for _, confidence in answer.ranking) <= 1.02
    assert answer.unit in {None, "hist", "phys", "chem"}


def test_two_units_with_one_name_or_domain_tell_nothing():
    units = ownership.Units(
        [
            model.Unit(code=code, name_zh="实验室", name_en="Lab", details={"domains": ["lab.x.edu"], "email": "a@l.x.edu"})
            for code in ("l1", "l2")
        ]
    )
    assert (units.of_word("实验室"), units.of_domain("a.lab.x.edu"), units.of_mail("b@l.x.edu"), units.of_word("l1")) == (
        None,
        None,
        None,
        "l1",
    )
