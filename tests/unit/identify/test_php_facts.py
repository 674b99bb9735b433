"""Which PHP serves a site, and what it is set to: by handler, pool, wrapper, module; each setting with the file that had the last word."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.identify import Observed
from inventory.identify import php as served
from inventory.probes import php
from inventory.probes.base import Section
from inventory.webconfig import apache, nginx

TOP = "LoadModule {module} x\nIncludeOptional s.conf\n"


def handler(text: str, module: str = "dir_module") -> str:
    config = apache.read(
        {
            "/etc/apache2/apache2.conf": TOP.format(module=module),
            "/etc/apache2/s.conf": f"<VirtualHost *:80>\nServerName a.edu\n{text}\n</VirtualHost>\n",
        }
    )
    return config.vhosts[0].php_handler


@pytest.mark.parametrize(
    ("quirk", "text", "module", "expected"),
    [
        ("no PHP", "DocumentRoot /srv", "dir_module", ""),
        ("module for all", "DocumentRoot /srv", "php7_module", "module"),
        ("module switched off", "php_admin_flag engine off", "php7_module", "off"),
        ("FPM by socket beside a loaded module", '<FilesMatch \\.php$>\nSetHandler "proxy:unix:/run/php/php8.1-fpm.sock|fcgi://localhost"\n</FilesMatch>', "php_module", "fpm unix:/run/php/php8.1-fpm.sock"),
        ("FPM by ProxyPassMatch", "ProxyPassMatch ^/(.*\\.php)$ fcgi://127.0.0.1:9000/srv/$1", "dir_module", "fpm fcgi://127.0.0.1:9000/srv/$1"),
        ("fcgid with a wrapper", "<Directory /srv>\nAddHandler fcgid-script .php\nFCGIWrapper /usr/local/bin/php74-wrapper .php\n</Directory>", "dir_module", "fcgid /usr/local/bin/php74-wrapper"),
        ("suPHP", "suPHP_Engine on\nAddHandler x-httpd-suphp .php", "dir_module", "suphp"),
        ("cPanel by type", "<FilesMatch .php>\nSetHandler application/x-httpd-ea-php72\n</FilesMatch>", "dir_module", "module 7.2"),
        ("CGI by action", "ScriptAlias /cgi-bin/ /usr/lib/cgi-bin/\nAction application/x-httpd-php5 /cgi-bin/php5\nAddHandler application/x-httpd-php5 .php", "dir_module", "cgi /cgi-bin/php5"),
        ("mod_fastcgi with an external server", "FastCgiExternalServer /usr/lib/cgi-bin/php5-fcgi -socket /var/run/php5-fpm.sock -pass-header Authorization", "dir_module", "fpm unix:/var/run/php5-fpm.sock"),
        ("an action that is no PHP's", "Action text/x-perl /cgi-bin/perl\nAddHandler text/x-perl .pl", "dir_module", ""),
    ],
)  # fmt: skip
def test_apache_handlers(quirk: str, text: str, module: str, expected: str) -> None:
    assert handler(text, module) == expected, quirk


def test_values_of_the_vhost_an_admin_wins() -> None:
    text = "php_admin_value memory_limit 64M\nphp_value memory_limit 512M\n<Directory /srv>\nphp_flag short_open_tag on\n</Directory>"
    config = apache.read({"/etc/apache2/apache2.conf": f"LoadModule php_module x\n<VirtualHost *:80>\n{text}\n</VirtualHost>"})
    assert config.vhosts[0].php_values == {"memory_limit": "64M", "short_open_tag": "on"}


def test_values_by_fastcgi_parameter() -> None:
    text = 'http { server { server_name a; location ~ php { fastcgi_pass 127.0.0.1:9000; fastcgi_param PHP_VALUE "upload_max_filesize=9M \n post_max_size=10M"; fastcgi_param X y; } } }'
    (vhost,) = nginx.read({"/etc/nginx/nginx.conf": text}).vhosts
    assert (vhost.php_values, vhost.php_handler) == ({"upload_max_filesize": "9M", "post_max_size": "10M"}, "fpm 127.0.0.1:9000")


@dataclass
class Item:
    kind: str
    data: dict[str, Any] = field(default_factory=dict)


INI = """@ ini /etc/php/8.2/fpm/php.ini
|memory_limit = 128M
|upload_max_filesize = 2M
|date.timezone = UTC
@ modules /etc/php/8.2/fpm/conf.d/20-imagick.ini
|extension=imagick.so
@ modules /etc/php/8.2/fpm/conf.d/99-local.ini
|memory_limit = 256M
|extension=/opt/ioncube/ioncube_loader_lin_8.2.so
@ pool /etc/php/8.2/fpm/pool.d/a.conf
|[a]
|user = alice
|listen = 127.0.0.1:9001
|php_admin_value[open_basedir] = /srv/a:/tmp
|php_value[upload_max_filesize] = 20M
@ user /srv/a/.user.ini
|upload_max_filesize = 30M
|open_basedir = /
@ master 77 7.4.33 /usr/local/etc/php-fpm.conf
|container docker 0123 web
@ pool /proc/77/root/usr/local/etc/php-fpm.d/www.conf
|[www]
|listen = 9000
@ masters-end
"""


def learnt(vhosts: list[Item], text: str = INI, docroot: str = "/srv/a") -> dict[str, Any]:
    read = [Item(item.kind, item.data) for item in php.parse(Section("php", text))]
    return {name: value for name, value, _proofs, _why in served.facts(vhosts, Observed.of_all([*vhosts, *read]), docroot)}


def test_a_pool_with_every_layer_of_settings() -> None:
    vhost = Item(
        "vhost",
        {
            "server": "nginx",
            "file": "/n.conf",
            "fastcgi_to": ["localhost:9001"],
            "php_handler": "fpm localhost:9001",
            "php_values": {"post_max_size": "40M"},
        },
    )
    found = learnt([vhost])
    assert (found["site.pool"], found["site.web_user"], found["site.php_version"]) == ("a", "alice", "8.2")
    assert found["site.php_settings"] == {
        "date.timezone": ["UTC", "/etc/php/8.2/fpm/php.ini"], "memory_limit": ["256M", "/etc/php/8.2/fpm/conf.d/99-local.ini"],
        "open_basedir": ["/srv/a:/tmp", "/etc/php/8.2/fpm/pool.d/a.conf"], "post_max_size": ["40M", "/n.conf"],
        "upload_max_filesize": ["30M", "/srv/a/.user.ini"],
    }  # fmt: skip
    assert found["site.php_modules"] == ["imagick", "ioncube_loader_lin_8.2"]


def test_a_container_has_its_own_pool() -> None:
    vhost = Item(
        "vhost", {"server": "nginx", "fastcgi_to": ["127.0.0.1:9000"], "php_handler": "fpm 127.0.0.1:9000", "container": {"pid": 5}}
    )
    assert learnt([vhost])["site.php_version"] == "7.4"
    assert "site.pool" not in learnt([Item("vhost", {**vhost.data, "container": None})])


@pytest.mark.parametrize(
    ("given_handler", "expected"),
    [("fcgid /opt/php56/bin/wrapper", "5.6"), ("module 7.2", "7.2"), ("fpm unix:/tmp/php-cgi-74.sock", "7.4")],
)
def test_the_handler_names_the_version(given_handler: str, expected: str) -> None:
    sockets = [given_handler.partition(" ")[2]] if given_handler.startswith("fpm") else []
    vhost = Item("vhost", {"server": "apache", "php_handler": given_handler, "fastcgi_to": sockets})
    assert learnt([vhost], "")["site.php_version"] == expected


def test_two_versions_and_no_word_is_unknown() -> None:
    text = "@ ini /etc/php/7.4/apache2/php.ini\n|a=1\n@ ini /etc/php/8.2/apache2/php.ini\n|a=1\n"
    assert "site.php_version" not in learnt([Item("vhost", {"server": "apache", "php_handler": "module"})], text)


@given(st.lists(st.text(max_size=40), max_size=4), st.text(max_size=40))
def test_any_handler_is_borne(sockets: list[str], named: str) -> None:
    learnt([Item("vhost", {"server": "apache", "php_handler": named, "fastcgi_to": sockets})])


@given(st.text(alphabet='AddHandler SetAction php x/-<>\n."{}$', max_size=200))
def test_any_directives_are_borne(text: str) -> None:
    handler_text = f"<VirtualHost *:80>\n{text}\n</VirtualHost>"
    apache.read({"/etc/apache2/apache2.conf": handler_text})
