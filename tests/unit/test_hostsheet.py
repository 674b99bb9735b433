"""A host's sheet: what there is, in order, and what no site explains."""

from inventory import hostsheet
from inventory.identify import Observed, Seen


def observed(*items):
    return Observed.of_all(Seen(kind, data, (1, "s", 1)) for kind, data in items)


def test_parts_stand_in_order_and_are_cut():
    kinds = {
        "unknown": [{"what": "x", "why": "y"}],
        "os": [{"id": "debian", "version": "12"}],
        "package": [{"name": str(n)} for n in range(50)],
        "new": [{"a": 1}],
    }
    found = hostsheet.parts(kinds)
    assert [part.kind for part in found] == ["os", "package", "unknown", "new"]
    assert [(part.total, len(part.rows)) for part in found if part.kind == "package"] == [(50, 20)]
    assert found[0].columns == ("id", "version")  # columns without a value are left out
    assert [(part.kind, len(part.rows)) for part in hostsheet.parts(kinds, only="package")] == [("package", 50)]
    assert [part.kind for part in hostsheet.parts(kinds, only="machine")] == ["os"]


def test_what_no_site_explains():
    seen = observed(
        ("database", {"name": "wp", "tables": 3, "bytes": 9}), ("database", {"name": "left_over", "tables": 1, "bytes": 4}),
        ("listener", {"protocol": "tcp", "port": 80, "process": "nginx"}), ("listener", {"protocol": "tcp", "port": 22, "process": "sshd"}),
        ("listener", {"protocol": "tcp", "port": 8080, "process": "java"}), ("listener", {"protocol": "tcp", "port": 21, "process": "vsftpd"}),
        ("listener", {"protocol": "tcp", "port": 21, "process": "vsftpd"}),
    )  # fmt: skip
    left = hostsheet.unclaimed(seen, [{"database.name": "wp", "site.ports": [80], "backend.address": "127.0.0.1:8080"}])
    assert [(item.kind, item.name) for item in left] == [("database", "left_over"), ("listener", "tcp 21")]
