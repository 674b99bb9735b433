"""A lab of its own for each module of end-to-end tests, and the product run inside it as a user runs it."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TRUTH = yaml.safe_load((ROOT / "lab/truth.yml").read_text())
MACHINES = {*TRUTH["hosts"], *TRUTH["bare"]}  # what a workspace trusts; faults are each test's own
SECRETS = tuple(secret.encode() for host in TRUTH["hosts"].values() for secret in host["never_shown"])


@dataclass
class Campus:
    """A running lab.  `lab` runs its command, `planner` the product on the control side, in a workspace."""

    name: str
    secrets: tuple[bytes, ...] = SECRETS
    root: Path = ROOT
    truth: dict = field(default_factory=lambda: TRUTH)
    notes: dict = field(default_factory=dict)

    @property
    def environment(self):
        return {**os.environ, "LAB_NAME": self.name, "PYTHONPATH": str(ROOT)}

    def lab(self, *words, check=True, **options):
        return subprocess.run(
            [sys.executable, ROOT / "lab/lab", *words], env=self.environment, capture_output=True, text=True, check=check, **options
        )

    def ctl(self, *words):
        """What a command on the control side prints, however it ends."""
        command = [sys.executable, self.root / "lab/lab", "ctl", "--", *words]
        return subprocess.run(command, env=self.environment, capture_output=True, check=False).stdout.decode(errors="replace")

    def asked(self, url, *options):
        """(status, location, page) as a visitor gets it."""
        text = self.ctl("curl", "-s", "-m", "20", "-o", "-", "-w", "\\n%{http_code} %{redirect_url}", *options, url)
        page, _, last = text.rpartition("\n")
        status, _, location = last.partition(" ")
        return int(status), location, page

    def command(self, *words):
        return [sys.executable, ROOT / "lab/lab", "ctl", "--", sys.executable, "-m", "planner", *map(str, words)]

    def planner(self, folder, *words, code=0, **environment):
        result = subprocess.run(
            self.command(*words), cwd=folder, env={**self.environment, **environment}, capture_output=True, text=True, check=False
        )
        assert result.returncode == code, f"{words}: {result.returncode}\n{result.stdout}\n{result.stderr}"
        assert "Traceback" not in result.stderr
        return result

    def workspace(self, folder, machines, sheets=("units.yml", "servers.csv", "sites.csv")):
        self.planner(folder, "init", folder)
        key, tsig = self.lab("key").stdout.strip(), self.lab("tsig").stdout.strip()
        (folder / "planner.yml").write_text(
            f"ssh: {{user: ops, key_files: [{key}], agent: false, command_seconds: 40}}\nscope: {{allow: [198.51.100.0/24]}}\n"
        )
        platforms = (ROOT / "lab/platforms.yml").read_text().replace("key_file: tsig.key", f"key_file: {tsig}")
        (folder / "inventory/platforms.yml").write_text(platforms)
        (folder / "calendar.yml").write_text((ROOT / "lab/calendar.yml").read_text())
        self.planner(folder, "register", "import", *[ROOT / "lab/register" / name for name in sheets])
        self.planner(folder, "hosts", "trust", *machines, "--known-hosts", self.lab("known-hosts").stdout.strip())
        return folder


@pytest.fixture(scope="module")
def campus(request):
    if os.geteuid() != 0:
        pytest.fail("the end-to-end tests need root: run the unit tests alone with `pytest`")
    running = Campus(f"test{os.getpid()}")
    running.lab("up", *request.module.HOSTS)
    yield running
    running.lab("down")
    left = subprocess.run(["ps", "ax", "-o", "args"], capture_output=True, text=True, check=True).stdout
    assert f"campus-lab/{running.name}" not in left
    assert not list(Path("/sys/fs/cgroup").glob(f"**/lab-{running.name}"))


@pytest.fixture(scope="module")
def space(campus, request, tmp_path_factory):
    machines = [name for name in request.module.HOSTS if name in MACHINES]
    return campus.workspace(tmp_path_factory.mktemp("workspace"), machines)
