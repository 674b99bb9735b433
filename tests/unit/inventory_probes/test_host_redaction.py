"""A secret in each source that the host's probes read: what is told about it leaves the host, the secret does not."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from inventory.collector import REDACT
from inventory.probes import (
    accounts,
    containers,
    firewall,
    mail,
    packages,
    packagetrees,
    security,
    storage,
    system,
    usage,
    usagehistory,
)
from inventory.probes.base import Section
from inventory.probes.fragments import MASK, SHOW
from inventory.probes.rpmquery import RPM
from inventory.probes.sudoers import SUDOERS

SHELLS = [path for path in map(shutil.which, ("dash", "bash", "ksh", "mksh")) if path]
SECRETS = ["Hush1", "Hu@sh2", "Hush3=x", "Hush4", "Hush5", "Hush6", "Hush7", "Hush8", "Hush9"]


def silent(text: str) -> bool:
    return "Hush" not in text and "Hu@sh" not in text and "sh2" not in text


def test_nothing_shared_holds_a_single_quote():
    """MASK and the JSON reader stand in single quotes; the rest must not break out of a word of theirs."""
    assert "'" not in containers.JSON_PATHS
    for text in (SHOW + RPM, SUDOERS):
        assert text.count("'") % 2 == 0
    assert MASK in mail.SCRIPT


@pytest.mark.parametrize("shell", SHELLS)
def test_repositories(shell, host):
    host.put({
        "etc/apt/sources.list": "# Hush1\ndeb https://me:Hush1@apt.test/x ./\ndeb https://Hu@sh2@apt.test/y stable main\n",
        "etc/apt/sources.list.d/v.sources": "Types: deb\nURIs: https://a:Hush3=x@v.test/\n https://b.test/\nSuites: ./\nX-Token: Hush4\n",
        "etc/yum.repos.d/v.repo": "[v]\nbaseurl=https://u:Hush5@r.test/el7?token=Hush6\nusername=u\npassword=Hush7\nproxy_password=Hush8\n",
        "etc/apk/repositories": "@edge https://k:Hush9@apk.test/edge\n",
        "var/lib/dpkg/status": "Package: x\nStatus: hold ok installed\nArchitecture: all\nVersion: 1\n",
    })  # fmt: skip
    text = host.output(shell, packages.SCRIPT)
    assert silent(text)
    found = host.observed(packages.PROBE, text)
    repositories = [item.data for item in found if item.kind == "repository"]
    assert [row["uris"] for row in repositories] == [
        ["https://[redacted]@apt.test/x"],
        ["https://[redacted]@apt.test/y"],
        ["https://[redacted]@v.test/", "https://b.test/"],
        ["https://[redacted]@r.test/el7?token=[redacted]"],
        ["https://[redacted]@apk.test/edge"],
    ]
    assert [item.data["state"] for item in found if item.kind == "package"] == ["held"]


@pytest.mark.parametrize("shell", SHELLS)
def test_mail(shell, host):
    host.put({
        "etc/postfix/main.cf": "# Hush1\nrelayhost = me:Hu@sh2@[relay.test]:587\nsmtp_sasl_password_maps = static:me:Hush3=x\n"
        "smtp_sasl_auth_enable = yes\nmydestination = a.test,\n  b.test\n",
        "etc/exim4/update-exim4.conf.conf": "dc_smarthost='me:Hush4@smtp.test::587'\n",
        "etc/mail/sendmail.cf": "DSesmtp:[me:Hush5@relay.test]\n",
        "etc/msmtprc": "host smtp.test\nport 587\nuser me\npassword Hush6\npasswordeval echo Hush6\n",
        "etc/nullmailer/remotes": "smtp.test smtp --port=587 --user=me --pass=Hush7\n",
        "etc/ssmtp/ssmtp.conf": "mailhub=smtp.test\nAuthPass=Hush8\n",
        "etc/aliases": 'root: li@x.test\nrt: "|/bin/gate --password=Hush9 --url http://u:Hush9@rt.test/"\n',
    })  # fmt: skip
    text = host.output(shell, mail.SCRIPT)
    assert silent(text)
    servers = {item.data["mta"]: item.data for item in host.observed(mail.PROBE, text) if item.kind == "mail_server"}
    assert servers["postfix"]["relay"] == "[redacted]@[relay.test]:587"
    assert servers["postfix"]["destinations"] == ["a.test", "b.test"]
    assert servers["postfix"]["authenticated"] is True
    assert servers["exim"]["relay"] == "[redacted]@smtp.test::587"
    assert servers["msmtp"]["relay"] == "smtp.test:587"
    assert servers["nullmailer"]["relay"] == "smtp.test:587"
    assert {"sendmail", "ssmtp"} <= servers.keys()


@pytest.mark.parametrize("shell", SHELLS)
def test_accounts(shell, host):
    key = base64.b64encode(b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + bytes(32)).decode()
    private = f"-----BEGIN OPENSSH PRIVATE KEY-----\nHush5{key}\n-----END OPENSSH PRIVATE KEY-----\n"
    host.put({
        "etc/passwd": f"root:$6$Hush1:0:0:root:{host.root}/root:/bin/sh\nli:x:1001:1001:Li:{host.root}/home/li:/bin/sh\n",
        "etc/group": "root:Hu@sh2:0:\nweb:x:33:li\n",
        "etc/shadow": "root:Hush3=x:1::::::\n",
        "etc/sudoers": "# the password is Hush4\nli ALL = NOPASSWD: /bin/mysql -pHush4 x # Hush4\nDefaults passprompt=Hush4\n",
        "home/li/.ssh/authorized_keys": f'# Hush5\n{private}command="/bin/dump --password=Hush6" ssh-ed25519 {key} pw=Hush7\n',
        "etc/ssh/sshd_config": "Port 22\nBanner Hush8\nMatch User li\nForceCommand /bin/x --token Hush9\n",
    })  # fmt: skip
    text = host.output(shell, accounts.SCRIPT)
    assert silent(text)
    assert "shadow" not in accounts.SCRIPT
    found = {item.kind: item.data for item in host.observed(accounts.PROBE, text)}
    assert found["authorized_key"]["fingerprint"].startswith("SHA256:")
    assert found["authorized_key"]["options"] == 'command="/bin/dump --password=[redacted]'
    assert found["sudo_rule"]["commands"] == ["/bin/mysql -p[redacted] x"]
    assert found["account"]["name"] == "li"
    assert found["group"]["members"] == ["li"]
    assert found["ssh_server"]["match"] == [{"when": "User li", "settings": {"forcecommand": "/bin/x --token [redacted]"}}]


CASES = Path(__file__).parents[2] / "cases" / "probes"
MODULES = (accounts, containers, firewall, mail, packages, packagetrees, security, storage, system, usage, usagehistory)
TEXTS = [path for module in MODULES for path in sorted((CASES / module.PROBE.name).glob("*.txt"))]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_the_visit_redacts_besides_spoils_nothing(path):
    """Every section passes the collector's own expressions, too: what the probes print must survive them."""
    probe = next(module.PROBE for module in MODULES if module.PROBE.name == path.parent.name)
    expressions = [word for expression in REDACT for word in ("-e", expression)]
    text = path.read_bytes()
    again = subprocess.run(["sed", "-E", *expressions], input=text, capture_output=True, check=True).stdout
    left, right = (probe.parse(Section(probe.name, each.decode("utf-8", "surrogateescape"))) for each in (text, again))
    assert left == right


IDENT = "7f182da058fa7ed5e00cbd08337c093b6e864ff27aeb71db855d655a2c52a046"
DOCKER = {
    "ID": IDENT,
    "Name": "/web",
    "Path": "/bin/httpd",
    "Args": ["--password", "Hush1"],
    "State": {"Running": False, "StartedAt": "2026-01-01T00:00:00Z", "Error": "Hush1"},
    "Config": {
        "Image": "web:1",
        "Env": ["DB_PASSWORD=Hush3=x", 'Q="Hush4"} {[\\', "P=multi\nHush5"],
        "Cmd": ["Hush6"],
        "Labels": {"note": "Hush7", "com.docker.compose.project": "shop", 'k": "Hush8': "x"},
        "Healthcheck": {"Test": ["curl", "-u", "me:Hush9"]},
    },
}
PODMAN = {"process": {"args": ["Hush1"], "env": ["TOKEN=Hu@sh2"]}, "annotations": {"x": "Hush3"}, "hostname": "h"}


@pytest.mark.parametrize("shell", SHELLS)
def test_containers(shell, host):
    storage_root = "var/lib/containers/storage"
    host.put({
        f"var/lib/docker/containers/{IDENT}/config.v2.json": json.dumps(DOCKER),
        f"var/lib/docker/containers/{IDENT}/hostconfig.json": json.dumps({"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}, "Env": ["Hush1"]}),
        f"{storage_root}/overlay-containers/containers.json": json.dumps([{"id": IDENT, "names": ["p"], "metadata": '{"image-name":"i"}'}]),
        f"{storage_root}/overlay-containers/{IDENT}/userdata/config.json": json.dumps(PODMAN, indent=2),
        f"{storage_root}/libpod/bolt_state.db": f'\0{{"spec":{{"env":["A=Hush4"]}},"id":"{IDENT}","newPortMappings":[{{"host_ip":"","container_port":80,"host_port":81,"protocol":"tcp"}}],"x":"Hush5"}}\0',
        "var/lib/lxc/old/config": "lxc.rootfs = /var/lib/lxc/old/rootfs\nlxc.environment = P=Hush6\n",
        "etc/passwd": "root:x:0:0::/root:/bin/sh\n",
    })  # fmt: skip
    text = host.output(shell, containers.SCRIPT)
    assert silent(text)
    found = {item.data["engine"]: item.data for item in host.observed(containers.PROBE, text) if item.kind == "container"}
    assert found["docker"]["env"] == ["DB_PASSWORD", "P", "Q"]
    assert (found["docker"]["project"], found["docker"]["state"], found["docker"]["image"]) == ("shop", "exited", "web:1")
    assert found["docker"]["ports"] == [{"container": "80/tcp", "host": "0.0.0.0:8080"}]
    assert (found["podman"]["name"], found["podman"]["image"], found["podman"]["env"]) == ("p", "i", ["TOKEN"])
    assert found["podman"]["ports"] == [{"container": "80/tcp", "host": "0.0.0.0:81"}]
    assert found["lxc"]["name"] == "old"


@pytest.mark.parametrize(
    "probe", [packages, mail, accounts, containers, firewall, security, storage, packagetrees], ids=lambda p: p.PROBE.name
)
def test_every_path_was_moved(probe, host):
    """An empty tree tells nothing of this machine: the tests above read only what they wrote."""
    script = host.moved(probe.PROBE.script)
    assert not [word for word in script.split() if word.startswith(("/etc/", "/var/", "</etc/"))]
