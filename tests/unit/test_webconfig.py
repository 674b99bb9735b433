"""nginx and Apache configuration: the oddities met in the field, one case each, and text that is no configuration at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory.webconfig import apache, nginx

MAIN = "/etc/nginx/nginx.conf"
HTTP = "events {}\nhttp { access_log /var/log/all.log; include /etc/nginx/sites-enabled/*; }\n"


def read_nginx(site: str, **more: str):
    files = {MAIN: HTTP, "/etc/nginx/sites-available/a": site, **more}
    return nginx.read(files, MAIN, {"/etc/nginx/sites-enabled/a": "/etc/nginx/sites-available/a"})


@pytest.mark.parametrize(
    ("quirk", "text", "expected"),
    [
        ("brace without a space", "server{listen 80;server_name a.example.edu;root /srv/a;}", {"names": ["a.example.edu"], "docroot": "/srv/a"}),
        ("two names, trailing slash", "server { server_name a.x.edu b.x.edu; root /srv/a/; }", {"names": ["a.x.edu", "b.x.edu"], "docroot": "/srv/a"}),
        ("quoted root with braces and quotes", "server { server_name a.x.edu; root \"/srv/{{ x }} \\\"q\\\"; y\"; }", {"docroot": '/srv/{{ x }} "q"; y'}),
        ("root by variable", "server { server_name a.x.edu; set $base /srv/b; root $base/htdocs; }", {"docroot": "/srv/b/htdocs"}),
        ("root by $host with one name", "server { server_name a.x.edu; root /srv/$host; }", {"docroot": "/srv/a.x.edu"}),
        ("root only a request decides", "server { server_name a.x.edu b.x.edu; root /srv/$host; }", {"docroot": ""}),
        ("root in location /", "server { server_name a.x.edu; location / { root /srv/c; } }", {"docroot": "/srv/c"}),
        ("redirect only", "server { server_name a.x.edu; return 301 https://b.x.edu$request_uri; }", {"redirect_to": "https://b.x.edu$request_uri"}),
        ("upstream behind a proxy", "upstream app { server 127.0.0.1:8080; }\nserver { server_name a.x.edu; location / { proxy_pass http://app; } }", {"proxy_to": ["http://127.0.0.1:8080"]}),
        ("TLS by listen", "server { listen 443 ssl; server_name a.x.edu; ssl_certificate /c.pem; ssl_certificate_key /k.pem; }", {"tls": {"certificate": "/c.pem", "key": "/k.pem"}}),
        ("IPv6 default", "server { listen [::]:8080 default_server; }", {"default": True, "listen": [{"address": "[::]", "port": "8080", "tls": False, "default": True}]}),
        ("lua block", "server { server_name a.x.edu; content_by_lua_block { if x then { } end } root /srv/d; }", {"names": ["a.x.edu"], "docroot": "/srv/d"}),
        ("comment with braces", "# server {\nserver { # }\n server_name a.x.edu; }", {"names": ["a.x.edu"], "line": 2}),
        ("log of http inherited", "server { server_name a.x.edu; }", {"access_log": [["/var/log/all.log", "combined"]]}),
    ],
)  # fmt: skip
def test_nginx_reads(quirk, text, expected):
    vhost = read_nginx(text).vhosts[0].to_json()
    assert {key: vhost[key] for key in expected} == expected


def test_nginx_disabled_is_never_live():
    files = {MAIN: HTTP, "/etc/nginx/sites-available/old": "server { server_name old.x.edu; }"}
    assert [(v.names, v.enabled) for v in nginx.read(files, MAIN).vhosts] == [(["old.x.edu"], False)]


def test_nginx_one_bad_file_hides_no_other():
    files = {
        MAIN: "http { include a.conf; include b.conf; include gone.conf; }",
        "/etc/nginx/a.conf": "server { server_name a.x.edu; } }",
        "/etc/nginx/b.conf": "server { server_name b.x.edu; }",
    }
    config = nginx.read(files, MAIN)
    assert [v.names for v in config.vhosts] == [["a.x.edu"], ["b.x.edu"]]
    assert sorted((p["file"], p["message"]) for p in config.problems) == [
        ("/etc/nginx/a.conf", "a `}` too many"),
        (MAIN, "the included file /etc/nginx/gone.conf was not collected"),
    ]


def read_apache(text: str, **more: str):
    files = {
        "/etc/apache2/apache2.conf": "LoadModule php7_module x\nIncludeOptional sites-enabled/*.conf\n" + more.pop("top", ""),
        "/etc/apache2/sites-enabled/a.conf": text,
    }
    return apache.read(files)


@pytest.mark.parametrize(
    ("quirk", "text", "expected"),
    [
        ("names and docroot", '<VirtualHost *:80>\nServerName a.x.edu:80\nServerAlias b.x.edu c.x.edu\nDocumentRoot "/srv/a b"\n</VirtualHost>', {"names": ["a.x.edu", "b.x.edu", "c.x.edu"], "docroot": "/srv/a b"}),
        ("Define inside a vhost", "<VirtualHost *:80>\nDefine base /srv/x\nServerName a.x.edu\nDocumentRoot ${base}/www\n</VirtualHost>", {"docroot": "/srv/x/www"}),
        ("continued line", "<VirtualHost *:80>\nServerName \\\n a.x.edu\n</VirtualHost>", {"names": ["a.x.edu"]}),
        ("module not loaded", "<VirtualHost *:80>\nServerName a.x.edu\n<IfModule mod_ssl.c>\nServerAlias no.x.edu\n</IfModule>\n</VirtualHost>", {"names": ["a.x.edu"]}),
        ("module loaded", "<VirtualHost *:80>\nServerName a.x.edu\n<IfModule mod_php7.c>\nServerAlias yes.x.edu\n</IfModule>\n</VirtualHost>", {"names": ["a.x.edu", "yes.x.edu"], "php": True}),
        ("htaccess by Directory", "<VirtualHost *:80>\nServerName a.x.edu\nDocumentRoot /srv/a\n<Directory /srv/a>\nAllowOverride All\n</Directory>\n</VirtualHost>", {"htaccess": True}),
        ("redirect only", "<VirtualHost *:80>\nServerName a.x.edu\nRedirect permanent / https://a.x.edu/\n</VirtualHost>", {"redirect_to": "https://a.x.edu/"}),
        ("proxy", "<VirtualHost *:80>\nServerName a.x.edu\nProxyPass / http://127.0.0.1:8080/\n</VirtualHost>", {"proxy_to": ["http://127.0.0.1:8080/"]}),
        ("FPM by handler", '<VirtualHost *:80>\nServerName a.x.edu\n<FilesMatch \\.php$>\nSetHandler "proxy:unix:/run/a.sock|fcgi://localhost"\n</FilesMatch>\n</VirtualHost>', {"fastcgi_to": ["unix:/run/a.sock"]}),
    ],
)  # fmt: skip
def test_apache_reads(quirk, text, expected):
    vhost = read_apache(text).vhosts[0].to_json()
    assert {key: vhost[key] for key in expected} == expected


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error(text):
    nginx.read({MAIN: text}, MAIN)
    apache.read({"/etc/apache2/apache2.conf": text})


@given(st.text(alphabet="server{}; \n\"'\\#$<>/VirtualHost", max_size=300))
def test_text_that_looks_like_configuration_is_read_without_an_error(text):
    nginx.read({MAIN: text}, MAIN)
    apache.read({"/etc/apache2/apache2.conf": text})
