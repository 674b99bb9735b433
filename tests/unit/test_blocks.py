"""The two readers that every section goes through are written for speed; here they are held against the plain way to say the same."""

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from inventory import collector
from inventory.probes.base import Block, blocks

PIECES = st.sampled_from(["@ ", "@", "|", "\n", "\n@ ", "\n|", "a", " ", "tag value", "\r", "@@N ", "é", "\udcff", ""])


def plainly(text):
    current = None
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith("@ "):
            if current is not None:
                yield current
            tag, _, value = line[2:].partition(" ")
            current = Block(tag, value, number)
        elif current is None:
            continue
        elif line.startswith("|"):
            current.lines.append(line[1:])
        elif line and not current.lines:
            current.value += "\n" + line
    if current is not None:
        yield current


@given(st.lists(PIECES, max_size=40).map("".join))
@example("@ a b\n|1\n|2\n@ c\n")
@example("no marker\n\n@ a\nmore\n|x\nlater\n@ a")
@settings(max_examples=500)
def test_blocks(text):
    assert list(blocks(text)) == list(plainly(text))


FRAMES = st.sampled_from(
    ["@@N ", "@@N begin a", "@@N end a 0 1", "@@N start root Linux", "@@N finish", "@@N beginning", "\n", "text", " ", "\r"]
)


@given(st.lists(FRAMES, max_size=30).map("".join))
@example("@@N start root Linux\n@@N begin a\nx\n@@N end a 0 1\n@@N finish\n")
@settings(max_examples=500)
def test_frames(text):
    wanted = [match.span() for match in re.finditer(r"^@@N (start|begin|end|finish)\b(.*)$", text, re.M)]
    frame = re.compile(r"@@N (start|begin|end|finish)\b(.*)$", re.M)
    assert [match.span() for at in collector._beginnings(text, "@@N ") if (match := frame.match(text, at))] == wanted
