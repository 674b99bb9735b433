"""A virtual host that hands every request to a program has neither the main server's files nor its PHP; one that keeps some has."""

import pytest

from inventory.webconfig import apache

MAIN = """ServerRoot "/etc/httpd"
Listen 80
LoadModule php5_module modules/libphp5.so
LoadModule proxy_module modules/mod_proxy.so
DocumentRoot "/var/www/html"
<FilesMatch \\.php$>
  SetHandler application/x-httpd-php
</FilesMatch>
<VirtualHost *:80>
  ServerName a.example.edu
  %s
</VirtualHost>
"""


@pytest.mark.parametrize(
    ("lines", "docroot", "php"),
    [
        ("ProxyPass / http://127.0.0.1:8080/", "", False),
        ("ProxyPass / ajp://127.0.0.1:8009/\n  ProxyPassReverse / ajp://127.0.0.1:8009/", "", False),
        ("<Location />\n    ProxyPass http://127.0.0.1:8080/\n  </Location>", "", False),
        ("<Location />\n    ProxyPass http://127.0.0.1:8080/ retry=0 timeout=60\n  </Location>", "", False),
        ("ProxyPassMatch ^/(.*)$ http://127.0.0.1:8080/$1", "", False),
        ("DocumentRoot /srv/own\n  ProxyPass / http://127.0.0.1:8080/", "/srv/own", False),
        ("ProxyPass /files !\n  ProxyPass / http://127.0.0.1:8080/", "/var/www/html", True),
        ("<Location /files>\n    ProxyPass !\n  </Location>\n  ProxyPass / http://127.0.0.1:8080/", "/var/www/html", True),
        ("ProxyPass /api http://127.0.0.1:8080/", "/var/www/html", True),
        ("<Location /api>\n    ProxyPass http://127.0.0.1:8080/\n  </Location>", "/var/www/html", True),
        ("ProxyPassMatch ^/(.*\\.php)$ fcgi://127.0.0.1:9000/srv/$1\n  ProxyPass / http://127.0.0.1:8080/", "/var/www/html", True),
        ("ServerAlias b.example.edu", "/var/www/html", True),
        ("ProxyPass", "/var/www/html", True),
    ],
)
def test_what_a_proxying_vhost_inherits(lines, docroot, php):
    config = apache.read({"/etc/httpd/conf/httpd.conf": MAIN % lines}, "/etc/httpd/conf/httpd.conf", {}, {})
    [vhost] = [item for item in config.vhosts if "a.example.edu" in item.names]
    assert (vhost.docroot, vhost.php) == (docroot, php)


@pytest.mark.parametrize(
    ("lines", "homes"),
    [
        ("UserDir public_html", ["public_html"]),
        ("UserDir public_html\n  UserDir disabled root", ["public_html"]),
        ("UserDir disabled", []),
        ("UserDir public_html\n  UserDir disabled", []),
        ("UserDir enabled zhang", []),
        ("ServerAlias b.example.edu", []),
    ],
)
def test_folders_of_users_homes(lines, homes):
    config = apache.read({"/etc/httpd/conf/httpd.conf": MAIN % lines}, "/etc/httpd/conf/httpd.conf", {}, {})
    [vhost] = [item for item in config.vhosts if "a.example.edu" in item.names]
    assert vhost.userdirs == homes
    assert ("userdirs" in vhost.to_json()) == bool(homes)
