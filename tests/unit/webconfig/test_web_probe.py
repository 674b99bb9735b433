"""The sections of Tomcat, lighttpd and Caddy: what a host printed becomes vhosts; passwords are masked before they leave the host."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from inventory.probes import web
from inventory.probes.base import Section

TOMCAT = """@ running /opt/tomcat9
@ base /opt/tomcat9
@ file /opt/tomcat9/conf/server.xml
|<Server><Service name="Catalina"><Connector port="8080"/>
|<Engine name="Catalina" defaultHost="localhost"><Host name="oa.example.edu" appBase="webapps"/></Engine></Service></Server>
@ unknown tomcat the configuration in /opt/tomcat8 cannot be read
"""


def test_tomcat() -> None:
    found = web.parse_tomcat(Section("tomcat", TOMCAT))
    assert [(item.kind, item.line) for item in found] == [("unknown", 6), ("web_server", 3), ("vhost", 5)]
    assert found[1].data["running"] is True
    assert (found[2].data["names"], found[2].data["docroot"]) == (["oa.example.edu"], "/opt/tomcat9/webapps")


def test_lighttpd_and_caddy() -> None:
    lighttpd = '@ file /etc/lighttpd/lighttpd.conf\n|server.document-root = "/srv/l"\n'
    assert web.parse_lighttpd(Section("lighttpd", lighttpd))[1].data["docroot"] == "/srv/l"
    caddy = "@ file /etc/caddy/Caddyfile\n|c.example.edu {\n| root * /srv/c\n|}\n"
    assert web.parse_caddy(Section("caddy", caddy))[1].data["docroot"] == "/srv/c"
    assert web.parse_caddy(Section("caddy", "")) == web.parse_tomcat(Section("tomcat", "")) == []


def test_passwords_in_xml_are_masked(tmp_path: Path) -> None:
    program = re.search(r"awk '\n(.*?)' \"\$f\"", web.TOMCAT, re.S)
    assert program
    file = tmp_path / "server.xml"
    file.write_text(
        '<Resource password="Secret1" username="u" url="jdbc:x?user=u&amp;password=Secret2&amp;y=1"/>\n<Connector\n'
        '  keystorePass=\'Secret3\' port="1" certificateKeystorePassword = "Secret4" secret="Secret5"/>\n'
    )
    shown = subprocess.run(["awk", program.group(1), str(file)], capture_output=True, text=True, check=True).stdout
    assert not re.search(r"Secret\d", shown)
    assert 'username="u"' in shown
    assert 'port="1"' in shown
