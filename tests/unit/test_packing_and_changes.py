"""What makes no reading new (packing) is what a comparison of readings leaves out (changes.yml): one list, in two layers."""

from inventory import changes, packing

TELLING = {"unknown", "access_log", "access_use", "access_url"}  # not compared, but news all the same


def test_the_two_lists_agree():
    kinds = changes.rules().kinds
    assert {kind for kind, rule in kinds.items() if rule.ignore} - TELLING == packing.PASSING
    assert {kind: frozenset(rule.volatile) for kind, rule in kinds.items() if rule.volatile and not rule.ignore} == packing.COUNTING
