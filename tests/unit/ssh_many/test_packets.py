"""paramiko's private names are there, and what a peer sends, whatever it is, ends in an outcome."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path
from typing import Any

import paramiko
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory import ssh
from inventory.ssh import packets
from inventory.ssh.dialogue import Dialogue
from inventory.ssh.packets import GREETING, Ended, Unfit

ROOT = Path(__file__).parents[3]


def test_the_private_names_are_there() -> None:
    assert [name for name in packets.PRIVATE if not hasattr(paramiko.Transport, name)] == []
    transport: Any = packets._Transport(packets._NoSocket(), packetizer_class=packets._Framing)
    assert [name for name in packets.PRIVATE_OF_INSTANCES if not hasattr(transport, name)] == []
    assert hasattr(paramiko.Agent, "_connect")


def test_every_private_name_that_is_used_is_listed() -> None:
    import re

    text = (ROOT / "inventory/ssh/packets.py").read_text()
    used = set(re.findall(r"(?:transport|_Base|paramiko\.Transport|self\._transport)\.(_\w+)", text))
    assert used - {"_transport"} <= {*packets.PRIVATE, *packets.PRIVATE_OF_INSTANCES}
    for other in (ROOT / "inventory/ssh").glob("*.py"):
        if other.name != "packets.py":
            assert "_Packetizer" not in other.read_text(), other


def test_the_version_is_pinned() -> None:
    """A new paramiko comes in only after these tests have seen it."""
    dependencies = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    pin = next(line for line in dependencies if line.startswith("paramiko"))
    assert "<5.2" in pin
    assert paramiko.__version__.startswith("5.1.")


def test_what_is_spoken_is_what_can_be_read_without_waiting() -> None:
    assert all("cbc" not in name for name in packets._Transport._preferred_ciphers)
    assert packets._Transport._preferred_kex
    assert packets.usable(["ssh-rsa", "ssh-ed25519", "ssh-dss"]) == ("rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519")


KEY = paramiko.ECDSAKey.generate()


def dialogue(stage: str = "greeting") -> Dialogue:
    found = Dialogue({"ssh-ed25519": b"trusted"}, "ops", [KEY], "sh -s", lambda: b"x" * 1000)
    if stage != "greeting":
        found.receive(b"SSH-2.0-peer\r\n")
        found.begin()
    return found


def ends(found: Dialogue, data: bytes) -> str:
    """Feed it in pieces; the outcome, '' when it goes on."""
    try:
        for start in range(0, len(data), 777):
            found.receive(data[start : start + 777])
            if found.stage == "greeted":
                found.begin()
    except Ended as ended:
        assert ended.outcome in ssh.OUTCOMES
        assert ended.detail.isprintable()
        return ended.outcome
    except Unfit:
        return "unfit"
    return ""


@given(st.binary(max_size=3000))
def test_any_greeting(data: bytes) -> None:
    ends(dialogue(), data)


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=300)), max_size=8), st.booleans())
def test_any_messages_before_the_keys(messages: list[tuple[int, bytes]], again: bool) -> None:
    """Well-framed packets of any kind and content, with and without a key exchange that has begun."""
    found = dialogue("exchange")
    data = bytearray()
    for kind, body in messages:
        payload = bytes([kind]) + body
        padding = 8 - (len(payload) + 5) % 8 + (8 if (len(payload) + 5) % 8 > 4 else 0)
        data += (len(payload) + padding + 1).to_bytes(4, "big") + bytes([padding]) + payload + bytes(padding)
    outcome = ends(found, bytes(data))
    assert outcome != "ok"
    assert found.stage == "exchange"  # nobody is logged in to who has not proved to be the host


@settings(max_examples=200)
@given(st.binary(min_size=1, max_size=3000))
def test_any_bytes_instead_of_packets(data: bytes) -> None:
    found = dialogue("exchange")
    ends(found, data)
    assert found.stage == "exchange"


def test_a_greeting_without_end_is_cut_off_in_linear_time() -> None:
    for text in (b"x" * 10_000_000, b"x\n" * 5_000_000, b"\n" * 10_000_000):
        begun = time.perf_counter()
        found = dialogue()
        with pytest.raises(Ended) as ended:
            for start in range(0, len(text), 65_536):
                found.receive(text[start : start + 65_536])
        assert ended.value.outcome == "protocol"
        assert time.perf_counter() - begun < 0.5


def test_packets_byte_by_byte_take_linear_time() -> None:
    """A peer that sends its key exchange a byte at a time costs no more than its bytes."""
    found = dialogue("exchange")
    begun = time.perf_counter()
    packet = (200_000).to_bytes(4, "big")
    for byte in packet + b"x" * 199_000:
        found.receive(bytes([byte]))
    assert time.perf_counter() - begun < 3


def test_the_greeting_says_who_visits() -> None:
    assert bytes(dialogue().outbox) == GREETING.encode() + b"\r\n"
    assert "paramiko" not in GREETING or GREETING.startswith("SSH-2.0-")
