"""No text makes a reader raise, and none takes it longer than its length warrants."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inventory.webconfig import apache, caddy, layout, lighttpd, nginx, nginx_text, tomcat
from inventory.webconfig.model import WebConfig

CORPORA = Path(__file__).parents[2] / "corpora"
READERS: dict[str, tuple[str, Callable[..., WebConfig]]] = {
    "nginx": ("/etc/nginx/nginx.conf", nginx.read),
    "apache": ("/etc/apache2/apache2.conf", apache.read),
    "tomcat": ("/opt/tomcat/conf/server.xml", tomcat.read),
    "lighttpd": ("/etc/lighttpd/lighttpd.conf", lighttpd.read),
    "caddy": ("/etc/caddy/Caddyfile", caddy.read),
}
WORDS = {
    "nginx": ["server", "server_name", "listen", "root", "set", "$a", "${a}", "map", "include *", "proxy_pass", "http", "location /", "x_by_lua_block", "{", "}", ";", '"', "'", "#", "\\", " ", "\n", "[[", "--"],
    "apache": ["<VirtualHost *:80>", "</VirtualHost>", "<IfModule !x>", "</IfModule>", "<Macro m $a>", "</Macro>", "Use m 1", "Define a ${a}", "ServerName", "Include *.conf", "ProxyPass / http://x", "RewriteRule ^ http://x [R]", "<", ">", '"', "'", "\\", " ", "\n", "${a}"],
    "tomcat": ["<Server>", "<Service>", "<Engine name='a'>", "<Host name='h'/>", "<Connector port='1'/>", "</Engine>", "</Service>", "</Server>", "&a;", "<!--", "-->", "<!DOCTYPE", "[", "]", ">", '"', "${a:-b}", "\n", "<Context docBase='x'/>"],
    "lighttpd": ['$HTTP["host"]', "==", "=~", '"(a|b)?\\\\.c$"', "{", "}", "(", ")", ",", "=>", "+", "=", "+=", "else", "include", '"*"', "server.document-root", "proxy.server", "ssl.engine", "var.a", "#", '"', "\n", " "],
    "caddy": ["a.edu", "{", "}", "(s)", "import s", "import *", "reverse_proxy", "root * /x", "redir", ",", "\n", " ", '"', "`", "<<E", "E", "{$A:b}", "{args[0]}", "#", "\\"],
}  # fmt: skip


def sane(server: str, text: str) -> None:
    main, read = READERS[server]
    config = read({main: text, main + ".conf": text}, main)
    lines = text.count("\n") + text.count("\r") + 1
    for vhost in config.vhosts:
        json.dumps([vhost.to_json(), vhost.addresses(), vhost.secure])
        assert 0 <= vhost.line <= lines
    json.dumps(config.problems, ensure_ascii=False).encode()


@pytest.mark.parametrize("server", READERS)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_text_like_configuration(server: str, data: st.DataObject) -> None:
    sane(server, "".join(data.draw(st.lists(st.sampled_from(WORDS[server]), max_size=60))))


NEVER = re.compile(r"(?!)")
PIECES = [
    *WORDS["nginx"],
    "\t",
    "\r\n",
    "a b;",
    "a\n b;",
    "a {",
    "a ${b};",
    "a $ {",
    "a$;",
    "${",
    "a#b;",
    "# c;\n",
    "\u2003",
    "\x1c",
    "a_by_lua_block {",
    "  }\n",
    "é 史;",
]


def compared(text: str) -> None:
    """A text with and without what is read at once."""
    told = []
    for plain in (nginx_text._PLAIN, NEVER):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(nginx_text, "_PLAIN", plain)
            config = WebConfig()
            told.append((nginx_text._read(text, "f", config), config.problems))
    assert told[0] == told[1]


@given(st.lists(st.sampled_from(PIECES), max_size=40))
@settings(max_examples=400, deadline=None)
def test_directives_read_at_once_are_those_read_word_by_word(pieces: list[str]) -> None:
    compared("".join(pieces))


def test_directives_read_at_once_in_the_corpus() -> None:
    texts = [path.read_text(errors="surrogateescape") for path in (CORPORA / "nginx").rglob("*") if path.is_file()]
    assert len(texts) > 20
    for text in [*texts, "{" * 200 + "a b;" + "}" * 200, "a {" * 200 + "b;" + "}" * 203]:
        compared(text)


@pytest.mark.parametrize("server", READERS)
@given(raw=st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_bytes(server: str, raw: bytes) -> None:
    sane(server, raw.decode("utf-8", "surrogateescape"))


@given(
    st.dictionaries(
        st.sampled_from(["/nginx.conf", "/etc/apache2/apache2.conf", "/conf/server.xml", "/x/Caddyfile", "/a", "/b.conf"]),
        st.text(max_size=80),
    )
)
@settings(max_examples=100, deadline=None)
def test_any_tree(files: dict[str, str]) -> None:
    layout.read_all(files, {"/l": "/l", "/etc/nginx": "../.."})


LONG = [
    "{", "}", "<", "\\", '"', "'", "(", "<a>\n", "a {\n", "${", "$", "`", "x_by_lua_block{[[", "<!--", "<!DOCTYPE[", "&a;", "<<A\n", "\\\n", "\r", "\n",
    "a,\n", 'a="b"+', "a=(", '$HTTP["host"]=="a"{', "include *;\n", "Include *.conf\n", "import *\n", "Define a ${a}${a}b\n", "server{}", "server{",
    "<Macro a>\nUse a\nUse a\n</Macro>\n", 'set $a "$a$a";', "(a){\nimport a\nimport a\n}\n", "<Server>", "<IfModule x>\n", "{$", "\udcff",
]  # fmt: skip


@pytest.mark.parametrize("server", READERS)
@pytest.mark.parametrize("piece", LONG, ids=repr)
def test_linear_time(server: str, piece: str) -> None:
    main, read = READERS[server]
    text = piece * (100_000 // len(piece))
    started = time.process_time()
    read({main: text}, main)
    assert time.process_time() - started < 3  # 0.5 s at most on an idle machine; a quadratic reader needs minutes


@pytest.mark.parametrize("piece", ["\n", "\r", "server\n", "include /a", "<VirtualHost\n", "a\n"], ids=repr)
def test_finding_servers_takes_linear_time(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    started = time.process_time()
    layout.read_all({"/nginx.conf": text, "/httpd.conf": text, "/x/a.conf": text})
    assert time.process_time() - started < 3


def test_files_that_include_each_other_twice() -> None:
    files = {f"/etc/nginx/{n}.conf": f"include {n + 1}.conf; include {n + 1}.conf;" for n in range(40)}
    started = time.process_time()
    config = nginx.read({**files, "/etc/nginx/nginx.conf": "http { include 0.conf; server { server_name a; } }"})
    assert time.process_time() - started < 5
    assert any("is not read" in problem["message"] for problem in config.problems)


def test_a_thousand_vhosts_with_shared_snippets() -> None:
    files = {
        "/etc/nginx/nginx.conf": "http { include sites/*; }",
        "/etc/nginx/php.conf": "location ~ php { fastcgi_pass 127.0.0.1:9000; }\n" * 20,
    }
    files |= {f"/etc/nginx/sites/{n}": f"server {{ server_name s{n}.example.edu; root /srv/{n}; include php.conf; }}" for n in range(1000)}
    started = time.process_time()
    assert len(nginx.read(files).vhosts) == 1000
    assert time.process_time() - started < 2
