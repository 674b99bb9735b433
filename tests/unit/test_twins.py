"""One machine under two names, clones, and what is neither."""

from inventory.twins import Marks, find, lines


def marks(name, address, addresses, keys=("k",), ident="m"):
    return Marks(name, address, frozenset(addresses), frozenset(keys), ident)


def kinds(*hosts):
    return [(t.first, t.second, t.kind) for t in find(hosts)]


def test_one_machine_at_two_addresses():
    both = ["10.0.0.1", "10.0.0.2"]
    found = find([marks("b", "10.0.0.2", both), marks("a", "10.0.0.1", both)])
    assert [(t.first, t.second, t.kind, t.why) for t in found] == [("a", "b", "same", "host key and machine id and address 10.0.0.1")]
    assert "keep one" in lines(found)[0]


def test_a_host_that_was_never_read_is_known_by_its_key_and_the_others_addresses():
    assert kinds(marks("a", "10.0.0.1", ["10.0.0.1", "10.0.0.2"]), marks("b", "10.0.0.2", [], ident="")) == [("a", "b", "same")]


def test_clones_have_one_identity_and_addresses_of_their_own():
    assert kinds(marks("a", "10.0.0.1", ["10.0.0.1"]), marks("b", "10.0.0.2", ["10.0.0.2"])) == [("a", "b", "cloned")]
    assert kinds(marks("a", "10.0.0.1", ["10.0.0.1"], keys=["x"]), marks("b", "10.0.0.2", ["10.0.0.2"], keys=["y"])) == [
        ("a", "b", "cloned")
    ]


def test_a_private_address_that_repeats_is_no_proof():
    docker = ["10.0.0.1", "172.17.0.1"]
    assert kinds(marks("a", "10.0.0.1", docker, ["x"], "1"), marks("b", "10.0.0.2", ["10.0.0.2", "172.17.0.1"], ["y"], "2")) == []
    assert kinds(marks("a", "10.0.0.1", [], ["x"], ""), marks("b", "10.0.0.2", [], ["y"], "")) == []
    # one key and no addresses read: a clone or a second name, nobody can say
    assert kinds(marks("a", "10.0.0.1", [], ident=""), marks("b", "10.0.0.2", [], ident="")) == []
