"""A probe's script run against a tree of files that a test made: every absolute path in it leads there instead of to this machine."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from inventory.probes.base import Observation, Probe, Section

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PLACES = r"etc|var|root|run|boot|sys|lib/apk|usr/lib/sysimage|usr/share/rpm|usr/sbin/sendmail|usr/lib/sendmail"


class HostTree:
    """Files below `root` that stand for a host's."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, files: Mapping[str, str]) -> None:
        """Write files, named as on the host without the first slash."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def moved(self, script: str, places: str = _PLACES) -> str:
        r"""The script with its absolute paths below `root`; patterns in awk (`\/etc\/`) are none."""
        return re.sub(rf"(?<![\w\\./}}*\])-])/({places})(?=[/\s;)`\"']|$)", rf"{self.root}/\1", script, flags=re.M)

    def output(self, shell: str, script: str, path: str = PATH) -> str:
        """What a shell prints when it runs the moved script as the collector would."""
        result = subprocess.run(
            [shell, "-c", self.moved(script)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            errors="surrogateescape",
            env={"LC_ALL": "C", "PATH": path, "PRIV": "root"},
            stdin=subprocess.DEVNULL,
        )
        assert "syntax" not in result.stderr.lower(), result.stderr
        return result.stdout

    def observed(self, probe: Probe, text: str) -> list[Observation]:
        """The probe's parser on it."""
        return probe.parse(Section(probe.name, text))


@pytest.fixture
def host(tmp_path: Path) -> HostTree:
    """An empty host."""
    return HostTree(tmp_path)
