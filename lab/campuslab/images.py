"""Images and package repositories: have `lab/image` build what is missing or whose recipe changed.

In: which hosts are wanted.  Out: folders below LAB_HOME (img/NAME, repo/NAME), or `LabError` with the end of the builder's output.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from campuslab import LabError
from campuslab.configuration import Host
from campuslab.layout import IMAGE_BUILDER, Lab

# Program that the lab runs → Debian package that brings it.
TOOLS = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "apt-ftparchive": "apt-utils",
    "nsupdate": "bind9-dnsutils",
    "ip": "iproute2",
    "ssh-keygen": "openssh-client",
}

Job = tuple[str, ...]  # arguments of lab/image


def install_tools() -> None:
    """Install the programs that this machine lacks, and nothing else."""
    missing = sorted({package for program, package in TOOLS.items() if not shutil.which(program)})
    if not missing:
        return
    advice = f"install these packages yourself: {' '.join(missing)}"
    if not shutil.which("apt-get"):
        raise LabError(f"this machine has no apt-get; {advice}")
    print("installing " + " ".join(missing), flush=True)
    for words in (["update"], ["install", "-y", "--no-install-recommends", *missing]):
        result = subprocess.run(
            ["apt-get", "-qq", *words],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise LabError(f"apt-get {words[0]} failed; {advice}\n{result.stderr[-1000:].strip()}")


def layers(lab: Lab, image: str) -> list[Path]:
    """The folders of an image, upper one first, as overlayfs takes them."""
    folders = [lab.home / "img" / name for name in lab.configuration.chain(image)]
    for folder in folders:
        if not folder.is_dir():
            raise LabError(f"image {folder} is missing: run `lab build`")
    return folders


def build(lab: Lab, hosts: Iterable[str]) -> None:
    """Build what these hosts need; what is there with the same recipe is kept."""
    started = time.monotonic()
    lab.home.mkdir(parents=True, exist_ok=True)
    with (lab.home / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # two builders would write into the same layer
            print(f"waiting for another build in {lab.home}", file=sys.stderr, flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        bases, chains = jobs(lab, [lab.configuration.hosts[name] for name in hosts])
        # The builders inherit the lock: when this process is killed, their children work on, and the next build waits for them.
        with ThreadPoolExecutor(2) as pool:
            failed = [job for job in pool.map(lambda job: _run(lab, job, lock.fileno()), bases) if job]
            if not failed:
                failed = [job for job in pool.map(lambda chain: _chain(lab, chain, lock.fileno()), chains) if job]
    if failed:
        raise LabError(f"could not build {', '.join(failed)}; what went wrong stands above; `lab build` tries again")
    spent = time.monotonic() - started
    if spent > 2:
        print(f"images ready in {spent:.1f}s")


def jobs(lab: Lab, hosts: list[Host]) -> tuple[list[Job], list[list[Job]]]:
    """What to build: base images, then one chain of jobs per base.

    Within a chain one job follows the other, because they share their suite's package cache, and apt locks it.
    """
    configuration = lab.configuration
    chains: dict[str, list[Job]] = {configuration.base(host.image): [] for host in hosts}
    for image in sorted({host.image for host in hosts}):
        *names, base = configuration.chain(image)
        for name in reversed(names):  # a parent before what lies on it
            job = ("layer", name, ":".join(configuration.chain(name)[1:]), *configuration.images[name].packages)
            if job not in chains[base]:
                chains[base].append(job)
    for name in sorted({host.repo for host in hosts if host.repo}):
        repository = configuration.repositories[name]
        chains.setdefault(repository.parent, []).append(("repo", name, repository.parent, *repository.sets))
    bases: list[Job] = [("base", base.removeprefix("base-")) for base in sorted(chains)]
    return bases, [chain for chain in chains.values() if chain]


def _chain(lab: Lab, chain: list[Job], lock: int) -> str:
    """Run jobs one after the other up to the first that fails; its name, or nothing."""
    return next((failed for failed in (_run(lab, job, lock) for job in chain) if failed), "")


def _run(lab: Lab, job: Job, lock: int) -> str:
    """Run one job; its name when it fails, or nothing.  The builder says "have …" when nothing is to be done."""
    started = time.monotonic()
    result = subprocess.run(
        [str(IMAGE_BUILDER), *job],
        env={**os.environ, "LAB_HOME": str(lab.home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        pass_fds=[lock],
    )
    name = " ".join(job[:2])
    if result.returncode:
        print(f"{name} failed:\n{(result.stdout + result.stderr)[-2000:].strip()}", file=sys.stderr, flush=True)
        return name
    if not result.stdout.startswith("have"):
        print(f"{time.monotonic() - started:6.1f}s  {name}", flush=True)
    return ""
