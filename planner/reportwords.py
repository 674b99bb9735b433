"""The words of the report: what codes, facts and the planner's own sentences are called, in English, for gettext.

In: a code, a fact's name or an English sentence from the catalogue.  Out: its words in the report's language.  Pure.
"""

from __future__ import annotations

import gettext
import re
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cache
from typing import Any

from inventory import register
from inventory.register.fields import Column
from planner import questions, refusals
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
    # dimensions of a score
    "technical": N_("technical fit"), "effort": N_("effort"), "operations": N_("operations"), "security": N_("security"),
    "capacity": N_("capacity"), "autonomy": N_("autonomy"), "cost": N_("cost"),
    # steps that are people's, or that only some moves have
    "agree": N_("Agree"), "quarantine": N_("Quarantine"), "content": N_("Content work"), "rehearse": N_("Rehearse"),
    "accept": N_("Accept"), "decommission": N_("Switch off"),
    # whose hours; what is lacking or loaded
    "web": N_("Web"), "database": N_("Databases"), "system": N_("Systems"), "network": N_("Network"), "unit": N_("Unit's staff"),
    "cpus": N_("CPUs"), "memory_bytes": N_("Memory"), "disk_bytes": N_("Disk"), "accounts": N_("Accounts"), "units": N_("Rack units"),
    "power_w": N_("Power (W)"), "ports": N_("Switch ports"),
    # how a move is carried out; how sites go onto a cluster
    "planner": N_("carried out by the planner"), "by hand": N_("by hand"), "static-export": N_("pages exported as static ones"),
    # what a unit said of a move
    "said agreed": N_("unit agrees"), "said silence": N_("unit silent, counts as agreed"), "said refused": N_("unit refuses"),
    "said agreed to another date": N_("agreed to another date"), "said agreed to another placement": N_("agreed to another placement"),
    "said silence to another date": N_("silent about another date"),
    "said silence to another placement": N_("silent about another placement"),
    "said refused another date": N_("refused another date"), "said refused another placement": N_("refused another placement"),
}  # fmt: skip

DIFFERENCES = {
    "status": N_("HTTP status"), "title": N_("title"), "text": N_("text"), "inline": N_("inline script or style"),
    "links": N_("links"), "assets": N_("images, styles, scripts"), "forms": N_("forms"), "cookie": N_("cookie"),
    "redirect": N_("redirect"), "header": N_("header"), "content": N_("content"), "content_type": N_("content type"),
    "charset_header": N_("charset in the header"), "charset_meta": N_("charset in the page"), "error_text": N_("error message"),
    "old_address": N_("old address in the page"), "unreachable": N_("no answer"), "missing": N_("missing at the destination"),
    "extra": N_("only at the destination"), "type": N_("kind of file"), "size": N_("size in bytes"), "link": N_("link's target"),
    "rows": N_("number of rows"), "unreadable": N_("unreadable"), "certificate": N_("certificate"),
    "certificate chain": N_("certificate chain"), "redirect to HTTPS": N_("redirect to HTTPS"),
    "owner": N_("owner"), "mode": N_("mode"), "collation": N_("collation"), "mixed_content": N_("loads over plain HTTP"),
    "garbled": N_("text in the wrong charset"), "charset_spelling": N_("charset written otherwise"),
    "content_type_spelling": N_("media type written otherwise"),
    "cookie_more": N_("cookie or flag added"), "unsteady": N_("answered with an error once"), "slow": N_("slower than the source"),
}  # fmt: skip

GROUPS = {
    "site": N_("Web server"), "content": N_("Content"), "application": N_("Application"), "database": N_("Database"),
    "use": N_("Use"), "host": N_("Host"), "declared": N_("Declared by the unit"), "backend": N_("Behind the proxy"),
    "owner": N_("Whose it is"), "http": N_("As visitors see it"), "tls": N_("Certificate"),
    "answer": N_("Questions to people"), "server": N_("Declared of the server"), "code": N_("Program code"), "infection": N_("Infection"),
    "fit": N_("At the destination"), "filing": N_("Filings"), "risk": N_("Risks"), "retire": N_("Whether it is dead"),
    "size": N_("Size needed"),
    "cost": N_("Costs"), "visits": N_("Visits"), "purpose": N_("Purpose"), "sign": N_("Telling words"),
    "database_supported": N_("Updates of the database"), "database_end": N_("Updates of the database"),
}  # fmt: skip

FACTS = {
    "site.names": N_("Names"), "site.odd_names": N_("Invalid names"), "site.web_server": N_("Web server"),
    "site.vhosts": N_("Configuration"), "site.docroot": N_("Document root"), "site.tls": N_("HTTPS"),
    "site.hsts": N_("HTTPS demanded of browsers"), "site.https_only": N_("Plain HTTP is sent on to HTTPS"),
    "site.tls_names": N_("Names served over HTTPS"),
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
    "use.requests": N_("Requests in the logs"), "use.days": N_("Days in the logs"), "use.watched": N_("Logs long enough to tell"),
    "use.log_shared": N_("Log shared with other sites"),
    "use.requests_per_day": N_("Requests a day"), "use.last": N_("Last request"), "use.top_urls": N_("Most asked for"),
    "use.top_requests": N_("Requests to each of them"),
    "use.last_human": N_("Last human visit"), "use.posts": N_("Form submissions"), "use.months": N_("Requests by month"),
    "use.visitors": N_("Visitors, at least"), "use.visitors_by_month": N_("Visitors by month"),
    "owner.unit": N_("Responsible unit"), "owner.confidence": N_("Confidence in the unit"), "owner.confirmed": N_("Confirmed by an admin"),
    "owner.sure": N_("The unit is sure"), "owner.ranking": N_("Units in question"), "owner.reasons": N_("Reasons for a unit"),
    "owner.clues": N_("Clues to a unit"),
    "host.os": N_("Operating system"), "host.os_version": N_("System version"), "host.cpus": N_("CPUs"),
    "host.memory_bytes": N_("Memory"), "host.virtualization": N_("Virtualization"),
    "answer.still_needed": N_("Still needed"), "answer.merged_into": N_("Merged into"),
    "answer.archive_value": N_("Worth keeping as an archive"), "answer.seasonal": N_("Used in certain months only"),
    "answer.owner_agrees_to_retire": N_("The head signs for switching off"), "answer.sensitive": N_("Personal data"),
    "answer.state_secrets": N_("State secrets"), "answer.student_records": N_("Linked to core systems"),
    "answer.login": N_("Visitors log in"), "answer.interactive": N_("Visitors post or send"),
    "answer.publishing_only": N_("Only publishes"), "answer.custom_code": N_("Made or changed for this unit"),
    "answer.root_needed": N_("Needs software or administration of its own"), "answer.outage_tolerable": N_("Bears an outage of hours"),
    "answer.critical": N_("The whole school depends on it"), "answer.staff_admin": N_("Administered by staff"),
    "answer.virtualizable": N_("Can run as a virtual machine"), "answer.special_hardware": N_("Needs a device"),
    "answer.sso": N_("Uses single sign-on (as answered)"), "answer.mail_sending": N_("Sends e-mail"),
    "answer.address_listed": N_("Known by its address"),
    "application.multisite": N_("Many sites in one installation"), "backend.remote": N_("Leads to another machine"),
    "backend.chain": N_("Chain of proxies"), "backend.address": N_("Address behind the proxy"),
    "backend.command": N_("Command behind the proxy"), "backend.user": N_("Account behind the proxy"),
    "application.language": N_("Programming language"), "code.docroot_paths": N_("Absolute paths in its files"),
    "code.own_addresses": N_("Own address in its files"), "code.own_urls": N_("Own URLs in its files"),
    "code.private_addresses": N_("Private addresses in its files"), "code.public_addresses": N_("Public addresses in its files"),
    "code.mail": N_("Sends mail"), "code.sso": N_("Uses single sign-on"), "content.acl": N_("Files with access lists"),
    "content.backups": N_("Backups below the docroot"), "content.hard_links_outside": N_("Hard links that lead outside"),
    "content.immutable": N_("Immutable files"), "content.mounts": N_("Mounts below the docroot"),
    "content.odd_file_names": N_("File names that are not UTF-8"), "content.password_files": N_("Password files"),
    "content.setid": N_("Set-id files"), "content.user_ini": N_(".user.ini files"),
    "content.version_control": N_("Version control below the docroot"), "content.links_dangling": N_("Links that lead nowhere"),
    "content.sso_files": N_("Files of single sign-on"), "content.xattrs": N_("Extended attributes"),
    "database.collations_foreign": N_("Collations unknown at the destination"), "database.double_encoded": N_("Text encoded twice"),
    "database.foreign_keys_to": N_("Foreign keys into other schemas"), "database.sql_mode": N_("SQL mode"),
    "database.time_zone": N_("Time zone of the database"), "database.unresolved": N_("Database not made out"),
    "database.utf8_in_latin1": N_("UTF-8 in latin1 columns"), "database.zero_date_defaults": N_("Columns with a zero date by default"),
    "database.zero_dates": N_("Zero dates"), "database.lock_seconds": N_("Lock time of MyISAM tables"),
    "database.definers_missing": N_("Definers that do not exist"), "database.events_enabled": N_("Scheduled events that run"),
    "database.rows_estimate": N_("Rows, estimated"), "database.candidates": N_("Databases in question"),
    "database_supported": N_("Database gets updates"), "database_end": N_("Updates of the database until"),
    "filing.icp": N_("ICP filing"), "fit.cluster_plugins_foreign": N_("Plugins that the cluster does not allow"),
    "fit.cluster_profile": N_("Profile of the site cluster"), "fit.database": N_("Database at the destination"),
    "fit.flavour": N_("VPS flavour"), "fit.flavour_above_default": N_("Larger than the default VPS"),
    "fit.off_network": N_("Outside the campus network"), "fit.over_quota": N_("Over the quota of a virtual host"),
    "fit.over_quota_most": N_("Over the largest quota of a virtual host"), "fit.own_domain": N_("In the school's domain"),
    "fit.php": N_("PHP at the destination"), "fit.php_destination": N_("PHP version at the destination"),
    "fit.php_modules_missing": N_("PHP modules lacking at the destination"), "fit.rack_room": N_("Room in a rack"),
    "host.os_supported": N_("System gets updates"), "host.os_end": N_("Updates of the system until"), "host.selinux": N_("SELinux"),
    "host.selinux_local": N_("SELinux rules of its own"), "http.answers_at_host": N_("Answers at its host"),
    "http.certificate_problem": N_("Problem of the certificate"), "http.dns": N_("DNS addresses"),
    "http.errors": N_("Errors over HTTP"), "http.hsts": N_("HSTS"), "http.redirects_to": N_("Redirects to"),
    "http.checked": N_("Asked over HTTP"), "http.status": N_("HTTP status"), "http.title": N_("Title"),
    "http.generator": N_("Generator"), "http.server": N_("Server header"), "http.server_kind": N_("Kind of server"),
    "http.powered_by": N_("Powered by"), "http.charset": N_("Charset"), "http.seconds": N_("Seconds until the answer"),
    "http.https": N_("Answers over HTTPS"), "http.https_redirect": N_("Redirects to HTTPS"),
    "http.certificate_names": N_("Certificate's names"), "http.certificate_fingerprint": N_("Certificate's fingerprint"),
    "infection.high": N_("Sure signs of infection"), "infection.medium": N_("Possible signs of infection"),
    "owner.known": N_("Its unit is known"), "purpose.passed": N_("Its purpose has passed"),
    "retire.exceptions": N_("Exceptions from retiring"), "retire.signs": N_("Signs that it is dead"),
    "risk.encoded": N_("Encoded program files"), "risk.encoded_by": N_("Program files encoded by"), "risk.mlps": N_("MLPS level"),
    "risk.special_modules": N_("Special PHP modules"), "risk.unsaid": N_("Sensitive words that nobody explained"),
    "sign.words": N_("Telling words"), "site.cron": N_("Scheduled jobs"), "site.kind": N_("Site or system"),
    "site.php_supported": N_("PHP gets updates"), "site.php_end": N_("Updates of PHP until"), "site.surveyed": N_("Seen from inside"),
    "site.host_docroot": N_("Document root on the host"), "tls.days_left": N_("Days until the certificate expires"),
    "tls.self_signed": N_("Certificate signed by itself"), "tls.names": N_("Certificate's names"),
    "tls.chain": N_("Chain of the certificate"), "tls.chain_path": N_("File of the chain"), "tls.key_there": N_("Private key is there"),
    "tls.key_path": N_("Path of the key"), "size.cpus": N_("CPUs needed"), "size.memory_bytes": N_("Memory needed"),
    "size.disk_bytes": N_("Disk needed"), "size.iops": N_("IOPS needed"), "cost.site-cluster": N_("Yearly cost on the site cluster"),
    "cost.virtual-host": N_("Yearly cost as a virtual host"), "cost.vps": N_("Yearly cost as a VPS"),
    "cost.colocation": N_("Yearly cost of colocation"), "cost.retire": N_("Yearly cost once retired"),
    "visits.month": N_("Visits in the last month"), "visits.months": N_("Visits by month"),
}  # fmt: skip

SENTENCES = (
    # planner.planning: why a site stays
    N_("{who} decided that it stays: {text}"), N_("it is declared, but was found on no host"), N_("no verdict: {strength}"),
    N_("its unit must answer first; see planner questions"), N_("no unit has declared it; have it declared first"),
    N_("the verdict is undecided; see planner explain"), N_("no site cluster has room for it"),
    N_("no virtual-host server has room for it"),
    N_("no VPS node has room for it"), N_("no rack has room for it"), N_("what it must move together with finds no room"),
    # planner.planning: why a move is carried out by hand, and what is assumed of it
    N_("by hand: {reason}"), N_("there are no playbooks for {placement}"), N_("it has no name that DNS allows"),
    N_("its docroot is unknown"), N_("its configuration {path} stands outside of its docroot, and a move does not carry it"),
    N_("it is served over HTTPS, and this planner does not yet bring certificates to a destination"),
    N_("there is no playbook for this profile of the site cluster"), N_("there is no playbook for its kind of database"),
    N_("none of its names points at {address} in the zones that we serve"),
    N_("its size is unknown: the quota of a virtual host is planned for it"), N_("no flavour is large enough: it is planned for as it is"),
    N_("its size is unknown: the flavour {name} is planned for it"),
    N_("the height of its machine is unknown: {n} U are planned for it"),
    # planner.planning: what moves together and why, what is not settled
    N_("{a} and {b}: both use the database {name} on {where}"), N_("{a} and {b}: both stand in the certificate {path} on {host}"),
    N_("{a} and {b}: both run on {host}, which moves as a machine"), N_("{a} and {b}: both serve {path} of {host}"),
    N_("{a} and {b}: {path} lies in {other} of {host}"), N_("{a} before {b}: {reason}"),
    N_("{node}: if it fails, {n} of its workloads find no room"), N_("{move}: no date, for {other} has none"),
    N_("{move}: no night found; {reason}"), N_("{move}: the address {address} is used by another"),
    N_("{move}: the address {address} can no longer be given"),
    # planner.costs: why a cost is unknown
    N_("its disk is unknown"), N_("its cpus is unknown"), N_("its memory is unknown"), N_("its height is unknown"),
    N_("its power is unknown"),
    N_("no flavour holds it"), N_("the flavour {name} has no price (yearly)"), N_("the tariff of {placement} is not in platforms.yml"),
    N_("the price of an engineer's hour (tariffs.hour) is not in platforms.yml"), N_("the effort is unknown: it was not assessed"),
    N_("no placement is recommended yet: planner assess"),
    # planner.assessment: why an override does not count
    N_("it ended on {day}"), N_("a block holds, and an override cannot pass it"),
    # inventory.reconcile, inventory.ownership and inventory.identify: who owns it, why a fact holds
    N_("declared in {place}"), N_("no sheet names it"), N_("its host {host} is declared as this unit's"),
    N_("its host {host} is declared as this unit's, but other units' sites are there, too"),
    N_("its host's address {address} lies in this unit's range, but other units' sites are there, too"),
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
    # planner.answers, planner.signs, planner.fitting: why a fact is inferred
    N_("answered by {who} on {day}"), N_("on {day}"), N_("virtual hosts offer PHP {text}"), N_("virtual hosts offer {text}"),
    N_("site clusters take {text}"), N_("the quota is {size}"), N_("on request there is {size}"),
    N_("the emptiest rack has {n} units free"),
    N_("its host is {address}"), N_("tariffs in inventory/platforms.yml"),
    N_("declared"), N_("declared as publishing information"), N_("plain files take nothing in"), N_("plain files know no accounts"),
    N_("it is a system"), N_("declared as interactive"), N_("it only publishes, as was answered"),
    N_("the whole university depends on it"), N_("signs of disuse"), N_("its log spans less than two weeks"),
    N_("its log holds less than two weeks"), N_("two weeks or more"), N_("plain pages"), N_("plain files send nothing"),
    N_("plain files exchange nothing"), N_("plain files ask nobody"), N_("plain files are no program"),
    N_("nothing binds it to a machine"), N_("nobody has signed"), N_("nobody has said that it cannot"), N_("no such module is loaded"),
    N_("no sign that everybody depends on it"), N_("no sign of state secrets"), N_("no sign of personal data"), N_("no sign of disuse"),
    N_("no sign of a system"), N_("no sign of a link to core systems"), N_("no sign of a device"), N_("no number is declared"),
    N_("no level is declared"), N_("no known application"), N_("its visitors do not log in"),
    N_("its name or purpose speaks of the student records"), N_("its name or purpose says so"), N_("its log is its own"),
    N_("its log holds no request"), N_("its host was visited"), N_("its host was not visited"), N_("its code says so"),
    N_("its code does"), N_("its code does not"), N_("its code does not speak of it"), N_("its admin is declared as staff"),
    N_("its admin is declared as a student"), N_("its MLPS level says so"), N_("it was said"), N_("it runs in a virtual machine today"),
    N_("it needs a device"), N_("it is interactive"), N_("declared with interactive columns"), N_("declared as an archive"),
    N_("core systems let it in by its address"), N_("an application that its visitors write in"),
    N_("an application for accounts of its visitors"), N_("a plugin that gives its visitors accounts"), N_("a known application"),
    N_("a framework in which programs are written"), N_("a content system without a sign of interactive columns"),
    N_("a content system without a sign of accounts for visitors"), N_("the module is loaded, and is bought for encoded files"),
    N_("no sign of software beside web server, PHP and database"), N_("its files are small, and so its database will be"),
    N_("an application or a program behind a proxy answers"), N_("inferred"),
    N_("an admin is declared, and nothing says that it is a student"), N_("it is a system, and nobody has said"),
    N_("it sleeps, or is an archive"), N_("its name or purpose speaks of students' data, and it is a system"),
    N_("its name or purpose speaks of health, card, password or personnel data, and it is a system"),
    # planner.comparison, planner.contents, planner.verification: what was compared, and what was not
    N_("{n} of {all} pages differ"), N_("no page with content was compared"), N_("not compared: {url}"),
    N_("only {n} of {all} pages could be compared"),
    N_("compared pages have only {n} of {all} requests that the log names"), N_("{n} pages are equal"),
    N_("{n} files are equal"), N_("{n} tables are equal"),
    N_("{n} files are equal on each of {k} machines"), N_("the old address passes visitors on: {reason}"),
    N_("{n} files differ"), N_("{n} tables differ"), N_("{n} files could not be read"), N_("{n} tables could not be read"),
    N_("no file was compared"), N_("no table was compared"), N_("not requested: it may change something"),
    N_("limit of {n} pages reached"), N_("limit of {n} s reached"), N_("source: {reason}"), N_("destination: {reason}"),
    N_("source unstable: {reason}"), N_("source answers {status}, destination {other}"),
    N_("larger than {n} bytes; what was read is equal"), N_("no answer within {n} s"),
)  # fmt: skip


@cache
def _columns() -> dict[str, Column]:
    """What sheets and questions ask for, by the fact: `declared.*`, `server.*`, `answer.*`."""
    found = {question.fact: question.column for question in questions.load()}
    for kind, prefix in (("site", "declared"), ("server", "server")):
        found |= {f"{prefix}.{field.id}": field for field in register.shipped().kinds[kind].fields}
    return found


@dataclass(frozen=True)
class Pattern:
    """A sentence with places for values: `name {who} on {day}`.

    Matched from the left, each value as short as it can be: that takes a time that grows with the text alone, whatever a host made it of,
    where a regular expression with as many places could be kept busy for hours.
    """

    text: str
    first: str
    places: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, text: str) -> Pattern:
        """The pattern of a sentence."""
        pieces = re.split(r"\{([a-z]+)\}", text)
        return cls(text, pieces[0], tuple(zip(pieces[1::2], pieces[2::2], strict=True)))

    def match(self, text: str) -> dict[str, str] | None:
        """The values in a text, or None where it is no such sentence.  No value is empty, and one that stands twice is twice the same."""
        if not self.places or not text.startswith(self.first) or not text.endswith(self.places[-1][1]):
            return None
        found: dict[str, str] = {}
        at = len(self.first)
        for number, (name, after) in enumerate(self.places, start=1):
            last = number == len(self.places)
            end = len(text) - len(after) if last else text.find(after, at + 1)
            if end <= at or found.setdefault(name, text[at:end]) != text[at:end]:
                return None
            at = end + len(after)
        return found


@cache
def _refusals(kind: str, chinese: bool) -> tuple[Pattern, str] | None:
    """How a sentence of a kind of refusal is recognised in one language, and how it reads in the other."""
    told = refusals.sentences()
    known = {**told.notes, **told.refusals}.get(kind)
    if known is None:
        return None
    source, target = (known.message, known.message_zh) if chinese else (known.message_zh, known.message)
    return Pattern.of(source), target


_TIMES = {"content.newest", "use.last", "use.last_human"}


@cache
def _patterns() -> tuple[Pattern, ...]:
    return tuple(Pattern.of(text) for text in SENTENCES if "{" in text)


class Words:
    """The vocabulary in one language."""

    def __init__(self, translations: gettext.NullTranslations, zone: tzinfo | None) -> None:
        self._translate, self._zone = translations.gettext, zone
        self.language = translations.info().get("language", "en")
        self._sentences: dict[str, str] = {}

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
        if name in FACTS:
            return self(FACTS[name])
        if name in _columns():
            return _columns()[name].title(self.language)
        return name.partition(".")[2].replace("_", " ") or name

    def group(self, name: str) -> str:
        """What a group of facts is about."""
        return self(GROUPS.get(name, name))

    def sentence(self, text: str) -> str:
        """A sentence that the planner wrote into the catalogue in English, with its values; others stay as they are."""
        if text not in self._sentences:
            self._sentences[text] = self._sentence(text)
        return self._sentences[text]

    def refusal(self, kind: str, detail: str) -> str:
        """Why a move was refused certain nights (`planner.refusals`); the plan wrote it in the language of its workspace."""
        chinese = self.language == "zh_CN"
        known = _refusals(kind, chinese)
        if known is None:
            return detail
        pattern, other = known
        found = pattern.match(detail) if pattern.places else {} if detail == pattern.text else None
        return detail if found is None else other.format_map(found)

    @property
    def frozen(self) -> str:
        """What change freezes are called."""
        return self(N_("change freezes"))

    def _sentence(self, text: str) -> str:
        if text in SENTENCES:
            return self(text)
        for pattern in _patterns():
            found = pattern.match(text)
            if found is not None:
                values = {key: self._filled(key, value) for key, value in found.items()}
                return self(pattern.text).format_map(values)
        return text

    def _filled(self, key: str, value: str) -> str:
        """A sentence's value: a code or another sentence where the place is one for it, else as it stands."""
        if key in {"placement", "strength"}:
            return self.word(value)
        if key == "reason":
            return self.sentence(value)
        # where the admins keep their sheets is of no interest to a unit
        return value.rpartition("/")[2] if key == "place" else value

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
        column = _columns().get(name)
        if column is not None and column.kind == "choice" and isinstance(value, str):
            return column.shown(value, self.language)
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
