"""What a site can be built of, and which traces each stack leaves in a docroot: the lines that the applications section prints.

In: a site.  Out: the lines of its `@ docroot` block (names of marker files, matched lines, settings, counts), its endings by number of
files, and the name under which identification should know it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from generated.model import Site

Lines = list[str]


@dataclass(frozen=True)
class Stack:
    """One stack: `weight` in the campus, `name` that identification gives it, `behind` the kind of program behind a proxy ('' none)."""

    weight: float
    name: str
    language: str
    php: bool
    database: str  # mysql, postgresql or ''
    behind: str
    traces: Callable[[Site], Lines]
    versions: Callable[[str], str] = lambda _php: ""
    purposes: tuple[str, ...] = ()


def _settings(site: Site, *keys: str) -> Lines:
    """`s KEY VALUE` for name, user and host of the site's database, in this order."""
    held = site.database
    if held is None:
        return []
    values = (held.name, held.user, "localhost" if held.on == site.server else f"{held.on}.example.edu")
    return [f"s {key} {value}" for key, value in zip(keys, values, strict=False)]


def _static(site: Site) -> Lines:
    return ["n index.html", "c index 1 .", f"c html {max(1, site.files // 3)} .", f"c other {max(1, site.files // 2)} images"]


def _wordpress(site: Site) -> Lines:
    lines = ["n wp-includes/version.php", f"m $wp_version = '{site.version}';", "n wp-config.php"]
    lines += [*_settings(site, "db_name", "db_user", "db_host"), "s table_prefix wp_"]
    for plugin in site.plugins:
        lines += [f"n wp-content/plugins/{plugin}/{plugin}.php", f"m Plugin Name: {plugin.replace('-', ' ').title()}", "m Version: 5.1"]
    lines += ["n wp-content/themes/campus/style.css", "m Theme Name: Campus", "m Version: 1.2"]
    return [*lines, "c php 480 wp-includes", "c php 89 wp-admin", "c index 1 ."]


def _dedecms(site: Site) -> Lines:
    lines = ["n include/dedesql.class.php", "n include/common.inc.php", f"m $cfg_version = '{site.version}';", "n data/common.inc.php"]
    return [*lines, *_settings(site, "cfg_dbname", "cfg_dbuser", "cfg_dbhost"), "c php 210 include", "c html 400 a", "c index 1 ."]


def _discuz(site: Site) -> Lines:
    lines = ["n source/discuz_version.php", f"m define('DISCUZ_VERSION', '{site.version}');", "n config/config_global.php"]
    return [*lines, *_settings(site, "dbname", "dbuser", "dbhost"), "s tablepre pre_", "c php 640 source", "c index 1 ."]


def _phpcms(site: Site) -> Lines:
    lines = ["n phpcms/base.php", "n caches/configs/version.php", f"m 'pc_version' => '{site.version}',", "n caches/configs/database.php"]
    return [*lines, *_settings(site, "database", "username", "hostname"), "s type mysqli", "c php 300 phpcms", "c index 1 ."]


def _empirecms(site: Site) -> Lines:
    lines = ["n e/class/EmpireCMS_version.php", f"m define('EmpireCMS_VERSION','{site.version}');", "n e/config/config.php"]
    return [*lines, *_settings(site, "dbname", "dbusername", "dbserver"), "c php 350 e", "c index 1 ."]


def _joomla(site: Site) -> Lines:
    lines = [
        "n administrator/manifests/files/joomla.xml",
        f"m <version>{site.version}</version>",
        "n administrator/index.php",
        "n configuration.php",
    ]
    return [*lines, *_settings(site, "db", "user", "host"), "s dbtype mysqli", "c php 700 libraries", "c index 1 ."]


def _drupal(site: Site) -> Lines:
    lines = ["n core/lib/Drupal.php", f"m const VERSION = '{site.version}';", "n sites/default/settings.php"]
    return [*lines, *_settings(site, "database", "username", "host"), "s driver mysql", "c php 900 core", "c index 1 ."]


def _mediawiki(site: Site) -> Lines:
    lines = ["n includes/Defines.php", f"m define( 'MW_VERSION', '{site.version}' );", "n api.php", "n LocalSettings.php"]
    return [*lines, *_settings(site, "wgdbname", "wgdbuser", "wgdbserver"), "s wgdbtype mysql", "c php 1200 includes", "c index 1 ."]


def _dokuwiki(site: Site) -> Lines:
    return ["n inc/init.php", "n doku.php", "n VERSION", f'm {site.version} "Igor"', "n conf/local.php", "c php 260 inc", "c index 1 ."]


def _typecho(site: Site) -> Lines:
    lines = ["n var/Typecho/Common.php", f"m const VERSION = '{site.version}';", "n config.inc.php"]
    return [*lines, *_settings(site, "database", "user", "host"), "c php 180 var", "c index 1 ."]


def _moodle(site: Site) -> Lines:
    lines = ["n lib/moodlelib.php", "n version.php", f"m $release  = '{site.version} (Build: 20240212)';", "n config.php"]
    return [*lines, *_settings(site, "dbname", "dbuser", "dbhost"), "s dbtype mariadb", "c php 4000 lib", "c index 1 ."]


def _generic(site: Site) -> Lines:
    return ["n config.php", *_settings(site, "db_name", "db_user", "db_host"), f"c php {max(3, site.files // 4)} .", "c index 1 ."]


def _generic_postgresql(site: Site) -> Lines:
    keys = ("dsn.name", "dsn.user", "dsn.host")
    return ["n config.php", "s dsn.server pgsql", *_settings(site, *keys), f"c php {max(3, site.files // 4)} .", "c index 1 ."]


def _laravel(site: Site) -> Lines:
    lines = [
        "n ../artisan",
        "m use Illuminate;",
        "n ../bootstrap/app.php",
        "n ../vendor/laravel/framework/src/Illuminate/Foundation/Application.php",
    ]
    lines += [
        f"m const VERSION = '{site.version}';",
        "n ../.env",
        *_settings(site, "db_database", "db_username", "db_host"),
        "s db_connection mysql",
    ]
    return [*lines, "c php 2 .", "c index 1 ."]


def _java(site: Site) -> Lines:
    return ["n WEB-INF/web.xml", "n META-INF/MANIFEST.MF", f"m Implementation-Version: {site.version}", "c jsp 60 .", "c index 1 ."]


def _spring(site: Site) -> Lines:
    lines = [
        "n WEB-INF/web.xml",
        "n META-INF/MANIFEST.MF",
        f"m Implementation-Version: {site.version}",
        "n WEB-INF/lib/spring-core-5.3.20.jar",
    ]
    lines += [
        "n WEB-INF/classes/application.properties",
        "s dsn.server mysql",
        *_settings(site, "dsn.name", "spring.datasource.username", "dsn.host"),
    ]
    return [*lines, "c jsp 5 .", "c index 1 ."]


def _node(site: Site) -> Lines:
    lines = ["n package.json", f'm "version": "{site.version}",', "s dependencies {", "s express ^4.18.2"]
    return [*lines, "c other 40 public"]


def _django(site: Site) -> Lines:
    lines = [
        "n manage.py",
        "m os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'portal.settings')",
        "n requirements.txt",
        f"m Django=={site.version}",
    ]
    lines += ["n portal/settings.py", "s engine django.db.backends.postgresql", *_settings(site, "name", "user", "host")]
    return [*lines, "c other 70 ."]


def _flask(site: Site) -> Lines:
    return ["n app.py", "m from flask import Flask", "n requirements.txt", f"m Flask=={site.version}", "c other 20 ."]


def _by_php(old: str, middle: str, new: str) -> Callable[[str], str]:
    """A version by the PHP that is there: below 7, below 8, from 8 on."""
    return lambda php: old if php < "7" else middle if php < "8" else new


def _only(version: str) -> Callable[[str], str]:
    return lambda _php: version


_INTERACTIVE = ("bbs", "wiki", "oa", "booking", "teach", "survey", "project", "equip")

STACKS: dict[str, Stack] = {
    "static": Stack(27, "static", "HTML", False, "", "", _static),
    "php-static": Stack(4, "static", "HTML", True, "", "", _static),  # PHP is switched on, and no file needs it
    "wordpress": Stack(17, "WordPress", "PHP", True, "mysql", "", _wordpress, _by_php("4.9.8", "5.8.2", "6.4.3")),
    "dedecms": Stack(11, "DedeCMS", "PHP", True, "mysql", "", _dedecms, _only("V57_GBK_SP1")),
    "discuz": Stack(3, "Discuz!", "PHP", True, "mysql", "", _discuz, _by_php("X2.5", "X3.4", "X3.5"), ("bbs",)),
    "phpcms": Stack(3, "phpCMS", "PHP", True, "mysql", "", _phpcms, _only("V9.6.3")),
    "empirecms": Stack(2, "EmpireCMS", "PHP", True, "mysql", "", _empirecms, _only("7.5")),
    "joomla": Stack(2, "Joomla", "PHP", True, "mysql", "", _joomla, _by_php("3.4.8", "3.10.12", "4.4.2")),
    "drupal": Stack(3, "Drupal", "PHP", True, "mysql", "", _drupal, _by_php("8.0.6", "8.9.20", "10.2.4")),
    "mediawiki": Stack(2, "MediaWiki", "PHP", True, "mysql", "", _mediawiki, _by_php("1.33.4", "1.35.14", "1.39.6"), ("wiki",)),
    "dokuwiki": Stack(1.5, "DokuWiki", "PHP", True, "", "", _dokuwiki, _only("2023-04-04a"), ("wiki",)),
    "typecho": Stack(1, "Typecho", "PHP", True, "mysql", "", _typecho, _by_php("1.0", "1.1", "1.2.1")),
    "moodle": Stack(1, "Moodle", "PHP", True, "mysql", "", _moodle, _by_php("2.9.9", "3.9.25", "4.1.9"), ("teach",)),
    "php": Stack(9, "PHP application", "PHP", True, "mysql", "", _generic, purposes=_INTERACTIVE),
    "php-postgresql": Stack(1.2, "PHP application", "PHP", True, "postgresql", "", _generic_postgresql, purposes=_INTERACTIVE),
    "laravel": Stack(1.5, "Laravel", "PHP", True, "mysql", "", _laravel, _by_php("5.1.46", "6.20.44", "10.48.4"), _INTERACTIVE),
    "java": Stack(4, "Java web application", "Java", False, "", "tomcat", _java, _only("2.3.1"), _INTERACTIVE),
    "spring": Stack(2, "Spring", "Java", False, "mysql", "tomcat", _spring, _only("3.1.0"), _INTERACTIVE),
    "node": Stack(2, "Node.js", "JavaScript", False, "", "node", _node, _only("1.4.0"), _INTERACTIVE),
    "django": Stack(2, "Django", "Python", False, "postgresql", "python", _django, _only("4.2.11"), _INTERACTIVE),
    "flask": Stack(1.3, "Flask", "Python", False, "", "python", _flask, _only("2.2.5"), _INTERACTIVE),
    "container": Stack(1, "", "", False, "", "container", lambda _site: [], purposes=_INTERACTIVE),
    "remote": Stack(0, "", "", False, "", "remote", lambda _site: [], purposes=_INTERACTIVE),  # a front; the program is on another machine
}
"""Every stack that a collector can see; Windows' are only declared."""

NOWHERE = frozenset({"remote", "container"})
"""Stacks whose files are not in a docroot of the host."""

WINDOWS = ("ASP.NET 4.5", "SQL Server 2012")


def endings(site: Site) -> dict[str, int]:
    """Files by ending, as the content section counts them."""
    stack, files = STACKS[site.stack], site.files
    if stack.name == "static":
        return {"html": max(1, files // 3), "jpg": files // 3, "css": 2, "pdf": max(0, files - 2 * (files // 3) - 3)}
    if stack.php:
        return {"php": max(3, files // 4), "js": files // 4, "jpg": files // 3, "css": max(1, files // 10)}
    if stack.behind == "tomcat":
        return {"jsp": max(2, files // 5), "class": files // 3, "jar": 20, "js": files // 4}
    if stack.behind == "node":
        return {"js": max(2, files // 2), "json": 12, "css": 3}
    return {"py": max(2, files // 3), "html": files // 4, "css": 3}
