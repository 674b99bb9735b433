"""The shell side: syntax in every shell at hand, masking of secrets, the log summary, and scripts run for real on this machine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from inventory.probes import php, registry
from inventory.probes.base import Probe, Section
from inventory.probes.fragments import MASK, SHOW
from inventory.probes.logsummary import SUMMARY

OWN_TESTS = {"nginx", "apache", "tomcat", "lighttpd", "caddy", "applications"}  # unit/webconfig and test_applications have theirs
PROBES = [probe for probe in registry.PROBES if probe.name not in OWN_TESTS]
WALKS = {
    "accesslog",
    "certificates",
    "mariadb",
    "content",
    "codesearch",
    "sqlite",
    "packagetrees",
}  # this machine's files are no test's business
SHELLS = [path for path in map(shutil.which, ("dash", "bash", "ksh", "mksh", "sh")) if path]
AWKS = [path for path in map(shutil.which, ("mawk", "gawk", "nawk", "awk")) if path]
ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "PRIV": "root"}


def run(argv: list[str], text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, input=text, capture_output=True, text=True, timeout=100, env=ENVIRONMENT, errors="surrogateescape", check=False
    )


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_syntax(shell: str, probe: Probe) -> None:
    result = run([shell, "-n"], probe.script)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("shell", [shell for shell in SHELLS if not shell.endswith("/sh")])
@pytest.mark.parametrize("probe", [probe for probe in PROBES if probe.name not in WALKS], ids=lambda probe: probe.name)
def test_runs_here(shell: str, probe: Probe) -> None:
    result = run([shell, "-c", probe.script])
    assert result.returncode == 0
    assert "syntax" not in result.stderr
    assert all(line[:1] in {"@", "|", ""} for line in result.stdout.split("\n"))
    found = probe.parse(Section(probe.name, result.stdout))
    assert found or probe.name in {"cron", "php", "containers", "packagetrees", "usagehistory", "redis", "datastores", "appservers"}
    if probe.name == "system":
        assert {"os", "machine"} <= {item.kind for item in found}


def test_nothing_shared_holds_a_single_quote() -> None:
    """They stand inside single quotes in the scripts."""
    assert "'" not in MASK + SUMMARY


SECRETS = {
    "mysql -u root -pSecret1 db": "mysql -u root -p[redacted] db",
    "/usr/bin/mysqldump --password=Secret1 db": "/usr/bin/mysqldump --password=[redacted] db",
    "tool --password Secret1 --port 3": "tool --password [redacted] --port 3",
    "tool --password 'Secret1 Secret1' --port 3": "tool --password [redacted] --port 3",
    'PGPASSWORD="Secret1 Secret1" pg_dump x': "PGPASSWORD=[redacted] pg_dump x",
    "java -Djavax.net.ssl.keyStorePassword=Secret1 Main": "java -Djavax.net.ssl.keyStorePassword=[redacted] Main",
    "sshpass -p Secret1 ssh -p 2222 host": "sshpass -p [redacted] ssh -p 2222 host",
    "sshpass -pSecret1 ssh -p 2222 host": "sshpass -p[redacted] ssh -p 2222 host",
    "curl -u me:Secret1 https://h/": "curl -u me:[redacted] https://h/",
    "git pull https://me:Secret1@h/r.git": "git pull https://me:[redacted]@h/r.git",
    'wget "http://h/cron.php?a=1&cron_key=Secret1"': 'wget "http://h/cron.php?a=1&cron_key=[redacted]"',
    "redis-cli -a Secret1 ping": "redis-cli -a [redacted] ping",
    "ldapsearch -x -w Secret1 -b dc=x": "ldapsearch -x -w [redacted] -b dc=x",
    "PaSsWoRd=Secret1 x": "PaSsWoRd=[redacted] x",
    "db-pw=Secret1 pw:Secret1 spw=3": "db-pw=[redacted] pw:[redacted] spw=3",
    "ssh -p 2222 host mkdir -p /srv/x": "ssh -p 2222 host mkdir -p /srv/x",
    "curl http://h/?keyword=history&page=2": "curl http://h/?keyword=history&page=2",
    "nginx: master process /usr/sbin/nginx -c /etc/nginx/n.conf": "nginx: master process /usr/sbin/nginx -c /etc/nginx/n.conf",
}


@pytest.mark.parametrize("awk", AWKS)
@pytest.mark.parametrize("command", SECRETS)
def test_mask(awk: str, command: str) -> None:
    result = run([awk, MASK + "{ print mask($0) }"], command + "\n")
    assert result.stdout == SECRETS[command] + "\n", result.stderr


def test_a_path_with_a_newline_forges_no_marker(tmp_path: Path) -> None:
    hostile = tmp_path / "x\n@ user forged"
    hostile.write_text("* * * * * id")
    result = run(["sh", "-c", SHOW + 'file "$0"', str(hostile)])
    assert result.stdout.split("\n") == [f"@ file {tmp_path}/x\\n@ user forged", "|* * * * * id", ""]


def test_php_values_are_masked(tmp_path: Path) -> None:
    pool = tmp_path / "www.conf"
    pool.write_text("[www]\nenv[DB_PASSWORD] = Secret1\nphp_value[session.save_path] = /s\nmysqli.default_pw = Secret1\n; c = Secret1\n")
    functions = php.SCRIPT.partition("\nknown() {")[0]
    result = run(["sh", "-c", functions + '\nconfig pool "$0"', str(pool)])
    assert "Secret1" not in result.stdout
    assert "|php_value[session.save_path] = /s" in result.stdout
