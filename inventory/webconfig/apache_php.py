"""Which PHP answers for an Apache vhost, and what the configuration sets for it.  Pure.

In: the directives of the vhost and of the main server, the FastCGI addresses found in them, the modules loaded.  A handler that names
no PHP (`SetHandler server-status`) says nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from inventory.webconfig.apache_text import Line, deep


def php_handler(block: list[Line], main: list[Line], fastcgi: list[str], modules: Collection[str]) -> str:
    """`fpm ADDRESS`, `fcgid WRAPPER`, `cgi PROGRAM`, `suphp`, `module`, `off`, or ''.  The vhost's own word counts before the server's."""
    for scope in (block, main):
        lines = [line for line, _within in deep(scope) if line.args]
        if any(line.name in {"php_admin_flag", "php_flag"} and line.args[0].lower() == "engine" and line.args[-1].lower() in {"off", "0"}
               for line in scope if line.args):  # fmt: skip
            return "off"
        if scope is block and fastcgi:
            return f"fpm {' '.join(fastcgi)}"
        for line in lines:
            wrapper = line.name in {"fcgiwrapper", "fcgidwrapper"}
            if wrapper and (len(line.args) < 2 or "php" in " ".join(line.args).lower()):
                return f"fcgid {line.args[0]}"
            if line.name == "suphp_engine" and line.args[0].lower() == "on":
                return "suphp"
        for line in lines:
            if line.name == "fastcgiexternalserver" and "php" in " ".join(line.args).lower():
                place = next((after for word, after in zip(line.args, line.args[1:], strict=False) if word in {"-socket", "-host"}), "")
                return f"fpm {'unix:' if place.startswith('/') else ''}{place}" if place else "fpm"
        found = _by_type(lines)
        if found:
            return found
    if fastcgi:
        return f"fpm {' '.join(fastcgi)}"
    return "module" if any("php" in module for module in modules) else ""


def _by_type(lines: list[Line]) -> str:
    """`AddHandler application/x-httpd-php74 .php` and its kin: a program's when an `Action` names one, else the module's."""
    actions = {line.args[0].lower(): line.args[1] for line in lines if line.name == "action" and len(line.args) > 1}
    for line in lines:
        if line.name not in {"addhandler", "sethandler", "addtype"}:
            continue
        kind = line.args[0].lower()
        if kind == "x-httpd-suphp":
            return "suphp"
        if kind in actions and ("php" in kind or "php" in actions[kind].lower()):
            return f"cgi {actions[kind]}"
        if re.match(r"application/x-httpd-(ea-|alt-|lsphp)?php|php\d*-script|x-httpd-php|php-script", kind):
            version = re.search(r"php(\d)\.?(\d{0,2})", kind)
            return f"module {version.group(1)}.{version.group(2)}" if version and version.group(2) else "module"
    return ""


def php_values(block: list[Line], main: list[Line]) -> dict[str, str]:
    """`php_value`, `php_flag` and their admin forms, the main server's first; an admin's value is not overridden by a plain one."""
    found: dict[str, str] = {}
    for names in ({"php_value", "php_flag"}, {"php_admin_value", "php_admin_flag"}):
        for scope in (main, block):
            for line, _within in deep(scope):
                if line.name in names and len(line.args) > 1 and len(found) < 500:
                    found[line.args[0]] = line.args[1]
    return found
