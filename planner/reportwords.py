"""The words of the report: what codes, facts and the planner's own sentences are called, in English, for gettext.

In: a code, a fact's name or an English sentence from the catalogue.  Out: its words in the report's language.  Pure.
"""

from __future__ import annotations

import gettext
import re
from datetime import datetime, tzinfo
from functools import cache
from typing import Any

from planner.i18n import N_
from planner.wording import show

WORDS = {
    # placements
    "site-cluster": N_("Site cluster"), "virtual-host": N_("Virtual host"), "vps": N_("VPS"), "colocation": N_("Colocation"),
    "retire": N_("Retire"), "none": N_("No recommendation"),
    # states of a placement, and strengths of a verdict
    "ready": N_("ready"), "conditional": N_("with conditions"), "unproven": N_("unproven"), "ineligible": N_("not eligible"),
    "dominant": N_("clear"), "leaning": N_("leaning"), "undecided": N_("undecided"), "insufficient data": N_("too little is known"),
    "none possible": N_("nothing is possible"), "overridden": N_("decided by hand"),
    # a site: declared and discovered
    "both": N_("declared and found"), "undeclared": N_("hidden"), "missing": N_("missing"), "unread": N_("not looked for"),
    # effects of rules
    "block": N_("blocks"), "condition": N_("condition"), "utility": N_("score"), "info": N_("note"), "unknown": N_("unknown"),
    # moves and their steps
    "planned": N_("planned"), "running": N_("under way"), "done": N_("done"), "failed": N_("failed"),
    "rolled-back": N_("rolled back"), "rolling-back": N_("partly rolled back"), "undo-failed": N_("undo failed"),
    "undone": N_("undone"), "open": N_("no end recorded"),
    "lower-ttl": N_("Lower TTL"), "provision": N_("Provision"), "preseed": N_("First copy"), "freeze": N_("Freeze content"),
    "sync": N_("Final copy"), "verify": N_("Verify"), "cutover": N_("Cutover"), "watch": N_("Watch"),
    # verification
    "equal": N_("equal"), "different": N_("different"), "insufficient": N_("not proved"), "warn": N_("warning"),
    "wordpress": N_("WordPress"), "static": N_("static"), "PHP application": N_("PHP application"), "php-mysql": N_("PHP and MySQL"),
    # visits
    "ok": N_("visited"), "partial": N_("partly read"), "unreachable": N_("unreachable"), "refused": N_("connection refused"),
    "host key unknown": N_("host key unknown"), "host key changed": N_("host key changed"), "auth": N_("login refused"),
    "timeout": N_("timed out"), "protocol": N_("no usable SSH"), "not unix": N_("no POSIX shell"), "not visited": N_("not visited"),
    # units
    "school": N_("school"), "department": N_("department"), "affiliated": N_("affiliated unit"), "hospital": N_("hospital"),
    "other": N_("other"),
}  # fmt: skip

DIFFERENCES = {
    "status": N_("HTTP status"), "title": N_("title"), "text": N_("text"), "inline": N_("inline script or style"),
    "links": N_("links"), "assets": N_("images, styles, scripts"), "forms": N_("forms"), "cookie": N_("cookie"),
    "redirect": N_("redirect"), "header": N_("header"), "content": N_("content"), "content_type": N_("content type"),
    "charset_header": N_("charset in the header"), "charset_meta": N_("charset in the page"), "error_text": N_("error message"),
    "old_address": N_("old address in the page"), "unreachable": N_("no answer"), "missing": N_("missing at the destination"),
    "extra": N_("only at the destination"), "type": N_("kind of file"), "size": N_("size in bytes"), "link": N_("link's target"),
    "rows": N_("number of rows"), "unreadable": N_("unreadable"),
}  # fmt: skip

GROUPS = {
    "site": N_("Web server"), "content": N_("Content"), "application": N_("Application"), "database": N_("Database"),
    "use": N_("Use"), "host": N_("Host"), "declared": N_("Declared by the unit"), "backend": N_("Behind the proxy"),
    "owner": N_("Whose it is"), "http": N_("As visitors see it"), "tls": N_("Certificate"),
}  # fmt: skip

FACTS = {
    "site.names": N_("Names"), "site.odd_names": N_("Invalid names"), "site.web_server": N_("Web server"),
    "site.vhosts": N_("Configuration"), "site.docroot": N_("Document root"), "site.tls": N_("HTTPS"),
    "site.certificate": N_("Certificate"), "site.proxy_to": N_("Proxied to"), "site.fastcgi_to": N_("FastCGI sockets"),
    "site.php": N_("Runs PHP"), "site.ports": N_("Ports"), "site.php_version": N_("PHP version"), "site.web_user": N_("Runs as user"),
    "site.pool": N_("PHP-FPM pool"), "site.static": N_("Static only"), "site.declared": N_("Declared"),
    "site.userdirs": N_("Folders of users' homes"), "host.addresses": N_("Addresses of the host"),
    "use.span_days": N_("Days between first and last in the logs"),
    "site.running": N_("Server is running"), "site.container": N_("Container"), "site.php_handler": N_("PHP handler"),
    "site.php_settings": N_("PHP settings"), "site.php_modules": N_("PHP modules"),
    "backend.kind": N_("Behind the proxy"), "backend.folder": N_("Folder behind the proxy"),
    "backend.exposed": N_("Backend answers to everybody"), "backend.missing": N_("Nothing listens behind the proxy"),
    "tls.expires": N_("Certificate expires"), "tls.issuer": N_("Certificate's issuer"),
    "tls.names_missing": N_("Names missing in the certificate"),
    "http.answers": N_("Answers over HTTP"), "http.dns_here": N_("DNS leads here"),
    "http.certificate_expires": N_("Certificate expires"), "http.certificate_issuer": N_("Certificate's issuer"),
    "content.exists": N_("Document root exists"), "content.bytes": N_("Size"), "content.files": N_("Files"),
    "content.directories": N_("Directories"), "content.symlinks": N_("Symbolic links"), "content.newest": N_("Last changed file"),
    "content.age_days": N_("Days since the last change"), "content.hard_links": N_("Hard links"),
    "content.sparse_files": N_("Sparse files"), "content.owners": N_("Files by owner"),
    "content.links_outside": N_("Links that lead outside"), "content.php_in_uploads": N_("PHP among uploads"),
    "content.world_writable": N_("World-writable paths"), "content.htaccess": N_(".htaccess files"),
    "content.htaccess_directives": N_(".htaccess directives"),
    "application.name": N_("Application"), "application.version": N_("Version"), "application.config_file": N_("Configuration file"),
    "application.plugins": N_("Plugins"), "application.others": N_("Further applications"),
    "database.used": N_("Uses a database"), "database.name": N_("Database name"), "database.user": N_("Database user"),
    "database.host": N_("Database host"), "database.bytes": N_("Database size"), "database.tables": N_("Tables"),
    "database.charset": N_("Character set"), "database.collation": N_("Collation"), "database.engines": N_("Tables by engine"),
    "database.myisam_bytes": N_("Size of MyISAM tables"), "database.views": N_("Views"), "database.routines": N_("Routines"),
    "database.triggers": N_("Triggers"), "database.events": N_("Scheduled events"), "database.definers": N_("Definers"),
    "database.latin1_columns": N_("latin1 columns"), "database.product": N_("Database product"),
    "database.version": N_("Database version"), "database.proofs": N_("Proofs"), "database.missing": N_("Database not found"),
    "database.remote": N_("Database elsewhere"), "database.shared_with": N_("Shares its database with"),
    "database.disagreements": N_("Disagreements"),
    "use.requests": N_("Requests in the logs"), "use.days": N_("Days in the logs"), "use.log_shared": N_("Log shared with other sites"),
    "use.requests_per_day": N_("Requests a day"), "use.last": N_("Last request"), "use.top_urls": N_("Most asked for"),
    "use.last_human": N_("Last human visit"), "use.posts": N_("Form submissions"), "use.months": N_("Requests by month"),
    "owner.unit": N_("Responsible unit"), "owner.confidence": N_("Confidence in the unit"), "owner.confirmed": N_("Confirmed by an admin"),
    "owner.sure": N_("The unit is sure"), "owner.ranking": N_("Units in question"), "owner.reasons": N_("Reasons for a unit"),
    "owner.clues": N_("Clues to a unit"),
    "host.os": N_("Operating system"), "host.os_version": N_("System version"), "host.cpus": N_("CPUs"),
    "host.memory_bytes": N_("Memory"), "host.virtualization": N_("Virtualization"),
    "declared.name": N_("Name"), "declared.type": N_("Type"), "declared.audience": N_("Audience"), "declared.server": N_("Server"),
    "declared.purpose": N_("Purpose"), "declared.admin": N_("Site admin"), "declared.url": N_("Address of the site"),
}  # fmt: skip

SENTENCES = (
    # planner.plan: why a site stays
    N_("it is declared, but was found on no host"), N_("no verdict: {strength}"),
    N_("its verdict is {placement}; this planner carries out site-cluster and virtual-host"),
    N_("no unit has declared it; have it declared first"), N_("the verdict is undecided; see planner explain"),
    N_("it is served over HTTPS, and this planner does not yet bring certificates to a destination"),
    N_("its configuration {path} stands outside of its docroot, and a move does not carry it"),
    N_("its docroot is unknown"), N_("no virtual-host server has room for it"),
    N_("no site cluster takes the profile {profile} and has room for it"),
    N_("none of its names points at {address} in the zones that we serve"),
    # inventory.reconcile, inventory.ownership and inventory.identify: who owns it, why a fact holds
    N_("declared in {place}"), N_("no sheet names it"), N_("its host {host} is declared as this unit's"),
    N_("its host's address {address} lies in this unit's range"), N_("no declaration, no range: unknown"),
    N_("its name {name} lies in this unit's domain"), N_("its name {name} has this unit's code in it"),
    N_("most of its files belong to the account {user}"), N_("its files lie in {path}"), N_("its ServerAdmin is {mail}"),
    N_("its certificate is made out to {name}"), N_("its database is called {name}"),
    N_("a key of the account of its files is marked {text}"), N_("confirmed by {who} on {day}: {text}"),
    N_("confirmed by {who} on {day}"), N_("nothing speaks clearly for one unit: {ranking}"),
    N_("names that DNS does not allow; they cannot be moved"), N_("no PHP, no proxy and no application in its docroot"),
    N_("PHP, a proxy or an application answers"), N_("the site is static"), N_("the application's configuration names it"),
    N_("the configuration names it, the server does not list it"), N_("the log is shared with other sites"),
    N_("no process of its web server uses this configuration"), N_("the folder that it runs in"),
    N_("the proxy leads to another machine"), N_("nothing listens there: this part of the site cannot answer"),
    N_("its database is on another machine"), N_("they name the same database"),
    N_("names of the site that its certificate does not hold"), N_("asked on {day}"), N_("its host is {address}; asked on {day}"),
    # planner.comparison, planner.contents, planner.verification: what was compared, and what was not
    N_("{n} of {all} pages differ"), N_("no page with content was compared"), N_("not compared: {url}"),
    N_("only {n} of {all} pages could be compared"), N_("{n} pages are equal"), N_("{n} files are equal"), N_("{n} tables are equal"),
    N_("{n} files are equal on each of {k} machines"), N_("the old address passes visitors on: {reason}"),
    N_("{n} files differ"), N_("{n} tables differ"), N_("{n} files could not be read"), N_("{n} tables could not be read"),
    N_("no file was compared"), N_("no table was compared"), N_("not requested: it may change something"),
    N_("limit of {n} pages reached"), N_("limit of {n} s reached"), N_("source: {reason}"), N_("destination: {reason}"),
    N_("source unstable: {reason}"), N_("source answers {status}, destination {other}"),
    N_("larger than {n} bytes; what was read is equal"), N_("no answer within {n} s"),
)  # fmt: skip


_TIMES = {"content.newest", "use.last", "use.last_human"}


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    parts = ((re.split(r"(\{[a-z]+\})", text), text) for text in SENTENCES)
    return tuple(
        (re.compile("".join(f"(?P<{p[1:-1]}>.+)" if p.startswith("{") else re.escape(p) for p in pieces), re.S), text)
        for pieces, text in parts
    )


class Words:
    """The vocabulary in one language."""

    def __init__(self, translations: gettext.NullTranslations, zone: tzinfo | None) -> None:
        self._translate, self._zone = translations.gettext, zone

    def __call__(self, text: str) -> str:
        """A string of the planner's own (a rule's advice): translated, or as it stands."""
        return self._translate(text) if text else ""

    def word(self, code: str) -> str:
        """A code's word; a code that we do not know stands for itself."""
        return self(WORDS.get(code, code))

    def difference(self, kind: str) -> str:
        """What kind of difference it is; `header x-y` names the header."""
        head, _, name = kind.partition(" ")
        return f"{self(DIFFERENCES[head])} {name}" if name and head in DIFFERENCES else self(DIFFERENCES.get(kind, kind))

    def fact(self, name: str) -> str:
        """A fact's name for people."""
        return self(FACTS[name]) if name in FACTS else name.partition(".")[2].replace("_", " ") or name

    def group(self, name: str) -> str:
        """What a group of facts is about."""
        return self(GROUPS.get(name, name))

    def sentence(self, text: str) -> str:
        """A sentence that the planner wrote into the catalogue in English, with its values; others stay as they are."""
        exact = self(text)
        if exact != text:
            return exact
        for pattern, source in _patterns():
            match = pattern.fullmatch(text)
            if match and match.groups():
                values = {key: self.sentence(self.word(value)) for key, value in match.groupdict().items()}
                if "place" in values:  # where the admins keep their sheets is of no interest to a unit
                    values["place"] = values["place"].rpartition("/")[2]
                return self(source).format_map(values)
        return text

    def value(self, name: str, value: Any) -> str:
        """A fact's value for people."""
        if isinstance(value, bool):
            return self(N_("yes")) if value else self(N_("no"))
        if isinstance(value, (list, tuple)):
            if not value:
                return self(N_("none"))
            if name == "site.vhosts":
                return ", ".join(":".join(map(str, item)) if isinstance(item, list) else str(item) for item in value[:8])
            more = self(N_("and {n} more")).format(n=len(value) - 8) if len(value) > 8 else ""
            shown = [self._item(item) for item in value[:8]]
            return ", ".join(shown) + (f" … {more}" if more else "")
        if name == "application.name":
            return self.word(str(value))
        if name == "site.php_settings" and isinstance(value, dict):  # each is [value, file that had the last word]
            return ", ".join(
                f"{key} = {item[0] if isinstance(item, (list, tuple)) and item else item}" for key, item in sorted(value.items())
            )
        if name in _TIMES:
            return self._time(str(value))
        return show(name, value)

    def _item(self, item: Any) -> str:
        """One of a list: a path, a reason's sentence, what was seen, or as it stands."""
        if not isinstance(item, dict):
            return str(item)
        return self.sentence(str(item["why"])) if "why" in item else str(item.get("path", item.get("text", item)))

    def duration(self, seconds: float | None) -> str:
        """`12 s`, `4 min 05 s`, `2 h 10 min`, `3 d 4 h`; unknown is a dash."""
        if seconds is None:
            return "–"
        if seconds < 60:
            return self(N_("{s} s")).format(s=f"{seconds:.1f}" if seconds < 10 else round(seconds))
        minutes, rest = divmod(round(seconds), 60)
        if minutes < 60:
            return self(N_("{m} min {s} s")).format(m=minutes, s=f"{rest:02d}")
        hours, minutes = divmod(minutes, 60)
        if hours < 24:
            return self(N_("{h} h {m} min")).format(h=hours, m=f"{minutes:02d}")
        return self(N_("{d} d {h} h")).format(d=hours // 24, h=hours % 24)

    def _time(self, text: str) -> str:
        for form in ("%Y-%m-%dT%H:%M:%S%z", "%d/%b/%Y:%H:%M:%S %z"):
            try:
                return f"{datetime.strptime(text, form).astimezone(self._zone):%Y-%m-%d %H:%M}"
            except (ValueError, OverflowError):
                continue
        return text
