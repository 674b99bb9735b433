"""The stand-alone collector under several shells, and its output read back: whole, cut, changed on the way, forged, or no text at all."""

import gzip
import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory import collector, transcripts
from inventory.probes import registry
from inventory.probes.base import Probe

NONCE = "00112233445566778899aabb"
SHELLS = [["dash"], ["bash"], ["bash", "--posix"], ["busybox", "sh"]]
CASES = Path(__file__).parents[1] / "cases" / "transcripts"
SMALL = (
    Probe("system", "echo '@ hostname h1'; echo 'password=s3cr3t'", lambda section: []),
    Probe("network", "printf 'no newline at the end'", lambda section: []),
)


def run(script, shell, *words, **options):
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed")
    return subprocess.run([*shell, *words], input=script.encode(), capture_output=True, check=False, timeout=60, **options)


def lines(*frames):
    return b"".join(b"@@%s %s\n" % (NONCE.encode(), frame) for frame in frames)


def signed(*frames, newline=b"\n"):
    body = lines(b"about 1 0.1.0 " + b"0" * 64 + b" h1 2026-11-01T08:30:00Z", *frames)
    return (body[:-1] + b"\n" + lines(b"sum " + hashlib.sha256(body[:-1]).hexdigest().encode())).replace(b"\n", newline)


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_every_shell_writes_the_same_frames(shell, tmp_path):
    script = collector.stand_alone(SMALL, NONCE, "0.1.0")
    (tmp_path / "collect.sh").write_text(script)
    as_file = run("", shell, str(tmp_path / "collect.sh"), cwd=tmp_path)
    for done in (as_file, run(script, shell, "-s", cwd=tmp_path)):
        assert b"s3cr3t" not in done.stdout
        file = transcripts.read(done.stdout, "f", SMALL)
        assert file.transcript.complete
        assert file.notes == ()
        assert [(s.name, s.status, s.text) for s in file.transcript.sections] == [
            ("system", 0, "@ hostname h1\npassword=[redacted]\n"),
            ("network", 0, "no newline at the end"),
        ]
    assert [path.name for path in tmp_path.iterdir()] == ["collect.sh"]  # it writes nothing


@pytest.mark.parametrize("shell", SHELLS[:1] + SHELLS[3:], ids=" ".join)
def test_the_whole_collector_reads_this_machine(shell):
    file = transcripts.read(run(collector.stand_alone(registry.PROBES, NONCE, "0.1.0"), shell, "-s").stdout, "f")
    assert [s.name for s in file.transcript.sections] == [probe.name for probe in registry.PROBES]
    assert file.transcript.complete


def test_the_output_redirected_into_a_file_is_whole(tmp_path):
    script = collector.stand_alone(SMALL, NONCE, "0.1.0")
    with (tmp_path / "out.txt").open("wb") as out:
        subprocess.run(["sh", "-s"], input=script.encode(), stdout=out, stderr=subprocess.DEVNULL, check=True)
    assert transcripts.read(transcripts.load(tmp_path / "out.txt"), "f", SMALL).notes == ()


def test_the_header_says_what_it_does_in_both_languages():
    text = collector.stand_alone(SMALL, NONCE, "1.2; rm -rf /", "noc@x.edu\nrm -rf /")
    header, _, body = text.partition("\nPLANNER_DIGEST=")
    assert all(line.startswith("#") for line in header.splitlines())
    for said in ("writes no file", "sends nothing", "不写文件", "sudo sh collect.sh > out.txt", "noc@x.edu"):
        assert said in header
    digest, _, body = body.partition("\n")
    assert digest == collector.digest_of(text) == hashlib.sha256(body.encode()).hexdigest()
    assert "rm -rf /" not in body
    assert text == collector.stand_alone(SMALL, NONCE, "1.2; rm -rf /", "noc@x.edu\nrm -rf /")


def test_a_script_of_another_version_is_said():
    done = run(collector.stand_alone(SMALL, NONCE, "0.0.9"), ["dash"], "-s").stdout
    assert transcripts.read(done, "f", SMALL).notes == ()
    assert any("0.0.9" in note for note in transcripts.read(done, "f", SMALL[:1]).notes)


WHOLE = (b"start root Linux", b"begin system", b"end system 0 1", b"finish")


@pytest.mark.parametrize("before", [b"", b"Dear colleague,\n@@not a frame\n", "您好\n".encode()])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_what_mail_programs_do(before, newline):
    assert transcripts.read(before + signed(*WHOLE, newline=newline) + b"\n--\nRegards", "f").hostname == "h1"
    assert transcripts.read(signed(*WHOLE).decode().encode("utf-16"), "f").hostname == "h1"


BAD = {
    "nothing": (b"", 1, "first frame"),
    "a changed letter": (signed(*WHOLE).replace(b"Linux", b"Minux"), 6, "changed"),
    "two outputs": (signed(*WHOLE) + signed(*WHOLE), 7, "second output"),
    "a section twice": (signed(*WHOLE[:3], *WHOLE[1:]), 5, "begins twice"),
    "one inside another": (signed(WHOLE[0], b"begin a", b"begin b", b"finish"), 4, "inside another"),
    "an end alone": (signed(WHOLE[0], b"end a 0 1", b"finish"), 3, "did not begin"),
    "finish inside": (signed(WHOLE[0], b"begin a", b"finish"), 4, "did not begin"),
    "after the finish": (signed(*WHOLE, b"begin x", b"end x 0 0"), 6, "out of its place"),
    "not started": (signed(*WHOLE[1:]), 2, "out of its place"),
    "another user": (signed(b"start king Linux"), 2, "not one that"),
    "a huge status": (signed(*WHOLE[:2], b"end system " + b"9" * 9000 + b" 1"), 4, "not one that"),
    "a foreign frame": (signed(*WHOLE[:1], b"\x1b[31mhello"), 3, "not one that"),
    "a bad name": (signed(WHOLE[0], b"begin " + b"a" * 40), 3, "not one that"),
    "gzip inside": (gzip.compress(signed(*WHOLE)), 1, "first frame"),
}


@pytest.mark.parametrize("name", BAD)
def test_forged_and_broken_files_are_refused_with_their_line(name):
    data, line, reason = BAD[name]
    with pytest.raises(transcripts.Rejected) as refused:
        transcripts.read(data, "f")
    assert re.search(reason, refused.value.reason)
    assert refused.value.line == line
    assert "\x1b" not in str(refused.value)


@pytest.mark.parametrize("host", ["hist", "phys"])
def test_a_real_output_cut_anywhere_tells_what_is_missing(host):
    data = gzip.decompress((CASES / f"{host}.txt.gz").read_bytes())
    whole = transcripts.read(data, "f")
    assert whole.transcript.complete
    assert {"os", "vhost", "database", "content"} <= {item.kind for _, item in whole.observations}
    for cut in range(200, len(data) - 200, len(data) // 15):
        file = transcripts.read(data[:cut], "f")
        assert not file.transcript.complete
        assert "the end is missing" in file.notes


def test_files(tmp_path):
    def refused(path):
        with pytest.raises(transcripts.Rejected) as error:
            transcripts.load(path)
        return error.value.reason

    data = signed(*WHOLE)
    (tmp_path / "two.gz").write_bytes(gzip.compress(data[:50]) + gzip.compress(data[50:]) + b"\0" * 9)
    assert transcripts.load(tmp_path / "two.gz") == data
    (tmp_path / "cut.gz").write_bytes(gzip.compress(data * 50)[:-9])
    assert data.startswith(transcripts.load(tmp_path / "cut.gz")[:100])
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(b"\0" * (transcripts.MAX_BYTES + 10)))
    assert "larger than" in refused(tmp_path / "bomb.gz")
    (tmp_path / "bad.gz").write_bytes(b"\x1f\x8b" + b"x" * 90)
    assert "damaged" in refused(tmp_path / "bad.gz")
    assert refused(tmp_path) == "not a regular file"
    assert refused(tmp_path / "none") == "there is no such file"


@given(st.binary(max_size=600))
def test_arbitrary_bytes_never_raise(noise):
    for data in (noise, signed(*WHOLE[:2])[:-80] + noise, lines(b"about 1 0 " + b"0" * 64 + b" h - ", noise), signed(WHOLE[0], noise)):
        try:
            transcripts.read(data, "f")
        except transcripts.Rejected as error:
            assert error.line >= 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 69_000), st.binary(max_size=40), st.integers(0, 40))
def test_a_real_output_with_a_hole_never_raises(at, noise, hole):
    data = gzip.decompress((CASES / "phys.txt.gz").read_bytes())
    data = data[:at] + noise + data[at + hole :]
    for text in (data, data[: data.rindex(b"\n@@")]):
        try:
            transcripts.read(text, "f")
        except transcripts.Rejected as error:
            assert error.line >= 1


def test_long_lines_take_linear_time():
    for filling in (b" ", b"\r", b"@@", b"@@" + NONCE.encode() + b" "):
        try:
            transcripts.read(signed(WHOLE[0], b"begin system", filling * 1_000_000 + b"x")[:-60], "f")
        except transcripts.Rejected:
            continue


def test_the_nonce_of_a_stored_transcript():
    assert collector.nonce_of(b"@@00ff start root Linux\n") == "00ff"
    assert collector.nonce_of(b"") == collector.nonce_of(b"\xff@@ start") == ""
    told = b"@@fake start root Linux\nWelcome\n@@n start user Linux\n"
    assert collector.nonce_of(collector.trimmed(told, "n")) == "n"
    assert collector.trimmed(b"noise", "n") == b"noise"
