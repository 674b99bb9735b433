"""What a web server's configuration says: virtual hosts as data, whatever the server.  Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SERVERS = ("nginx", "apache", "tomcat", "lighttpd", "caddy")
MOST_LINES = 200_000
"""How many lines or directives one configuration may grow to by includes, macros and snippets: files that include each other
twice each would otherwise double with every level."""
MOST_PROBLEMS = 500
"""A file that is no configuration at all would have a problem in each of its lines."""
DEEPEST = 60
"""How deep blocks are followed; no server's language needs more, and a file of nothing but `{` must not exhaust the stack."""


@dataclass
class Vhost:
    """One parsed block.  `listen` are {address, port, tls, default}; `access_log` are [path, format]; `contexts` are Tomcat's
    applications beside the root, as [path, directory]; `datasources` are the databases that its root's context names, as {url, user,
    file, line}.  `php_handler` says which PHP answers: `module`, `fpm ADDRESS`, `fcgid WRAPPER`, `cgi PROGRAM`,
    `suphp`, `off`, '' when none was told; `php_values` are the settings that the configuration gives it, {name: value}; `userdirs` are the
    folders in users' homes that it serves as /~USER.
    `hsts` is the value of the Strict-Transport-Security header that it sends; `forces_tls`: it serves, but sends plain HTTP on to HTTPS."""

    server: str
    names: list[str]
    listen: list[dict[str, Any]]
    docroot: str
    file: str
    line: int
    enabled: bool = True
    tls: dict[str, str] | None = None
    proxy_to: list[str] = field(default_factory=list)
    fastcgi_to: list[str] = field(default_factory=list)
    php: bool = False
    redirect_to: str = ""
    access_log: list[list[str]] = field(default_factory=list)
    htaccess: bool = False
    default: bool = False
    problems: list[str] = field(default_factory=list)
    contexts: list[list[str]] = field(default_factory=list)
    datasources: list[dict[str, Any]] = field(default_factory=list)
    php_handler: str = ""
    php_values: dict[str, str] = field(default_factory=dict)
    userdirs: list[str] = field(default_factory=list)
    hsts: str = ""
    forces_tls: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain data; `userdirs` stands there only where there are some."""
        shown = {name: value for name, value in vars(self).items() if name != "userdirs" or value}
        return {name: _copy(value) if isinstance(value, (list, dict)) else value for name, value in shown.items()}

    @property
    def secure(self) -> bool:
        """Whether any of its addresses speaks TLS."""
        return bool(self.tls) or any(entry["tls"] for entry in self.listen)

    def addresses(self) -> list[str]:
        """Where it listens: `80` for all addresses, else `198.51.100.1:8080`, `[::]:443`, `unix:/run/x.sock`."""
        shown = []
        for entry in self.listen:
            address, port = str(entry["address"]), str(entry["port"])
            if ":" in address and not address.startswith(("[", "unix:")):
                address = f"[{address}]"
            text = port if address in {"", "*", "_default_"} else f"{address}:{port}" if port else address
            if text not in shown:
                shown.append(text)
        return shown


@dataclass
class WebConfig:
    """All vhosts of one server; `problems` are {file, line, message}; `reached` are the files that were read; `settings` are the main
    server's own (`user`)."""

    vhosts: list[Vhost] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)
    reached: set[str] = field(default_factory=set)
    lines: int = 0
    settings: dict[str, str] = field(default_factory=dict)

    def problem(self, file: str, line: int, message: str) -> None:
        """Note what could not be read; reading goes on."""
        entry = {"file": file, "line": line, "message": message}
        if len(self.problems) < MOST_PROBLEMS and entry not in self.problems[-20:]:
            self.problems.append(entry)

    def spend(self, count: int, file: str, line: int) -> bool:
        """Count lines read; False once there are more than a configuration has, with one problem noted."""
        within = self.lines < MOST_LINES
        self.lines += count
        if within and self.lines >= MOST_LINES:
            self.problem(file, line, f"more than {MOST_LINES} lines by includes: the rest is not read")
        return within

    def finish(self, dead_links: set[str]) -> None:
        """Problems of enabled vhosts are problems of the configuration, too; so are links that lead nowhere."""
        for name in sorted(dead_links):
            self.problem(name, 1, "a link to what was not collected")
        for vhost in self.vhosts:
            for text in vhost.problems:
                self.problem(vhost.file, vhost.line, text)


def unique(names: list[str]) -> list[str]:
    """The names in their order, each once."""
    return list(dict.fromkeys(names))


def _copy(value: Any) -> Any:
    if isinstance(value, list):
        return [item if type(item) is str else _copy(item) for item in value]
    return {key: _copy(item) for key, item in value.items()} if isinstance(value, dict) else value
