"""The text of web servers' configuration files for a generated server, and the sections that print them.

In: a server with its sites.  Out: the lines of the sections nginx, apache and tomcat: processes, instances, files and links, laid out as
the server's system does it.
"""

from __future__ import annotations

from generated.making import system_of
from generated.model import Server, Site
from generated.stacks import STACKS

MASTER = 812


def access_log(server: Server, site: Site) -> str:
    """Where a site's requests are logged."""
    folder = "/var/log/nginx" if server.web == "nginx" else "/var/log/apache2" if system_of(server).layout == "debian" else "/var/log/httpd"
    return f"{folder}/{site.name}-access.log"


def certificate(site: Site) -> tuple[str, str]:
    """Paths of a site's certificate and key."""
    return f"/etc/ssl/sites/{site.name}.crt", f"/etc/ssl/sites/{site.name}.key"


def socket(server: Server) -> str:
    """Where PHP-FPM listens."""
    system = system_of(server)
    return f"/run/php/php{system.php}-fpm.sock" if system.layout == "debian" else "/run/php-fpm/www.sock"


def text(name: str, content: str) -> list[str]:
    """A file as a section prints it."""
    return [f"@ file {name}", *(f"|{line}" for line in content.strip("\n").split("\n"))]


def _backend(site: Site) -> str:
    return (
        f"http://{site.remote}:{site.port}"
        if site.remote
        else f"http://127.0.0.1:{8080 if STACKS[site.stack].behind == 'tomcat' else site.port}"
    )


# ---------------------------------------------------------------- nginx


def nginx(server: Server) -> list[str]:
    """The section of a server that runs nginx."""
    system, sites = system_of(server), server.sites
    debian = system.layout == "debian"
    include = "include /etc/nginx/sites-enabled/*;" if debian else "include /etc/nginx/conf.d/*.conf;"
    user = "www-data" if debian else "nginx"
    main = f"""user {user};
worker_processes auto;
pid /run/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  log_format combined_host '$host $remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent';
  sendfile on;
  server_names_hash_bucket_size 128;
  {include}
}}"""
    lines = [
        "@ root -",
        f"@ process {MASTER} 0 /usr/sbin/nginx",
        "|nginx: master process /usr/sbin/nginx",
        f"@ instance {MASTER} /etc/nginx/nginx.conf",
    ]
    lines += [f"|version nginx/{system.nginx}", "|prefix /usr/share/nginx", *text("/etc/nginx/nginx.conf", main)]
    lines += text("/etc/nginx/fastcgi_params", "fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;")
    lines += _nginx_others(server)
    for site in sites:
        held = "/etc/nginx/sites-available" if debian else "/etc/nginx/conf.d"
        file = f"{held}/{site.name}" + ("" if debian else ".conf")
        lines += text(file, "\n".join(_nginx_vhost(server, site, tls) for tls in ([False, True] if site.tls else [False])))
        if debian:
            lines.append(f"@ link /etc/nginx/sites-enabled/{site.name} -> {file}")
    return [*lines, f"@ package {system.nginx}-1"]


def _nginx_others(server: Server) -> list[str]:
    """What is in the files and is no site: the distribution's default, a name that only leads on, a file that nothing includes."""
    debian = system_of(server).layout == "debian"
    default = "server {\n  listen 80 default_server;\n  server_name _;\n  root /var/www/html;\n}"
    onward = f"server {{\n  listen 80;\n  server_name old-{server.unit}.example.edu;\n  return 301 http://www.{server.unit}.example.edu$request_uri;\n}}"
    unused = f"server {{\n  listen 80;\n  server_name never.{server.unit}.example.edu;\n  root /var/www/never;\n}}"
    if not debian:
        return text("/etc/nginx/conf.d/default.conf", f"{default}\n{onward}") + text("/etc/nginx/conf.d/never.conf.bak", unused)
    lines = text("/etc/nginx/sites-available/default", f"{default}\n{onward}") + text("/etc/nginx/sites-available/never", unused)
    return [*lines, "@ link /etc/nginx/sites-enabled/default -> /etc/nginx/sites-available/default"]


def _nginx_vhost(server: Server, site: Site, tls: bool) -> str:
    stack = STACKS[site.stack]
    names = " ".join([site.name, *site.aliases])
    lines = ["server {", f"  listen {'443 ssl' if tls else '80'};", f"  server_name {names};"]
    if tls:
        lines += [f"  ssl_certificate {certificate(site)[0]};", f"  ssl_certificate_key {certificate(site)[1]};"]
    lines.append(f"  access_log {access_log(server, site)};" if site.per_day is not None else "  access_log off;")
    if stack.behind:
        lines += ["  location / {", f"    proxy_pass {_backend(site)};", "    proxy_set_header Host $host;", "  }"]
    else:
        lines += [f"  root {site.docroot};", f"  index index.html{' index.php' if stack.php else ''};"]
        lines += ["  location / { try_files $uri $uri/ /index.php?$args; }"] if stack.php else []
    if stack.php:
        lines += ["  location ~ \\.php$ {", "    include fastcgi_params;", f"    fastcgi_pass unix:{socket(server)};", "  }"]
    return "\n".join([*lines, "}"])


# ---------------------------------------------------------------- Apache


def apache(server: Server) -> list[str]:
    """The section of a server that runs Apache."""
    return _apache_debian(server) if system_of(server).layout == "debian" else _apache_rhel(server)


_LOG_FORMAT = 'LogFormat "%h %l %u %t \\"%r\\" %>s %O \\"%{Referer}i\\" \\"%{User-Agent}i\\"" combined'


def _with_php(server: Server) -> bool:
    return any(STACKS[site.stack].php for site in server.sites)


def _apache_debian(server: Server) -> list[str]:
    system = system_of(server)
    php = f"php{system.php}" if system.php >= "7" else "php5"
    modules = {"rewrite": "rewrite", "proxy": "proxy", "proxy_http": "proxy_http", "ssl": "ssl"}
    env = """unset HOME
export APACHE_RUN_USER=www-data
export APACHE_RUN_GROUP=www-data
export APACHE_PID_FILE=/var/run/apache2/apache2.pid
export APACHE_LOG_DIR=/var/log/apache2"""
    main = f"""PidFile ${{APACHE_PID_FILE}}
User ${{APACHE_RUN_USER}}
Group ${{APACHE_RUN_GROUP}}
IncludeOptional mods-enabled/*.load
IncludeOptional mods-enabled/*.conf
Include ports.conf
{_LOG_FORMAT}
IncludeOptional conf-enabled/*.conf
IncludeOptional sites-enabled/*.conf"""
    lines = ["@ root -", f"@ process {MASTER} 0 /usr/sbin/apache2", "|/usr/sbin/apache2", "|-k", "|start"]
    lines += [f"@ instance {MASTER} /etc/apache2/apache2.conf", f"|version Apache/{system.apache}", "|prefix /etc/apache2"]
    lines += (
        text("/etc/apache2/envvars", env)
        + text("/etc/apache2/apache2.conf", main)
        + text("/etc/apache2/ports.conf", "Listen 80\nListen 443")
    )
    for name, module in modules.items():
        lines += text(f"/etc/apache2/mods-available/{name}.load", f"LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so")
        lines.append(f"@ link /etc/apache2/mods-enabled/{name}.load -> /etc/apache2/mods-available/{name}.load")
    if _with_php(server):
        word = "php7" if php.startswith("php7") else "php5" if php == "php5" else "php"
        library = f"lib{php}.so" if php != "php5" else "libphp5.so"
        lines += text(f"/etc/apache2/mods-available/{php}.load", f"LoadModule {word}_module /usr/lib/apache2/modules/{library}")
        handler = '<FilesMatch ".+\\.ph(ar|p|tml)$">\n    SetHandler application/x-httpd-php\n</FilesMatch>'
        lines += text(f"/etc/apache2/mods-available/{php}.conf", handler)
        lines += [f"@ link /etc/apache2/mods-enabled/{php}.{end} -> /etc/apache2/mods-available/{php}.{end}" for end in ("load", "conf")]
    default = "<VirtualHost *:80>\n  ServerAdmin webmaster@localhost\n  DocumentRoot /var/www/html\n</VirtualHost>"
    lines += text("/etc/apache2/sites-available/000-default.conf", default)
    lines.append("@ link /etc/apache2/sites-enabled/000-default.conf -> /etc/apache2/sites-available/000-default.conf")
    unused = f"<VirtualHost *:80>\n  ServerName never.{server.unit}.example.edu\n  DocumentRoot /var/www/never\n</VirtualHost>"
    lines += text("/etc/apache2/sites-available/never.conf", unused)
    for site in server.sites:
        lines += text(f"/etc/apache2/sites-available/{site.name}.conf", _apache_vhosts(server, site))
        lines.append(f"@ link /etc/apache2/sites-enabled/{site.name}.conf -> /etc/apache2/sites-available/{site.name}.conf")
    return [*lines, f"@ package {system.apache}-1"]


def _apache_rhel(server: Server) -> list[str]:
    system = system_of(server)
    main = f"""ServerRoot "/etc/httpd"
Listen 80
Include conf.modules.d/*.conf
User apache
Group apache
ServerAdmin root@localhost
DocumentRoot "/var/www/html"
{_LOG_FORMAT}
CustomLog "logs/access_log" combined
IncludeOptional conf.d/*.conf"""
    lines = [
        "@ root -",
        f"@ process {MASTER} 0 /usr/sbin/httpd",
        "|/usr/sbin/httpd",
        "|-DFOREGROUND",
        f"@ instance {MASTER} /etc/httpd/conf/httpd.conf",
    ]
    lines += [f"|version Apache/{system.apache}", "|prefix /etc/httpd", *text("/etc/httpd/conf/httpd.conf", main)]
    modules = "\n".join(f"LoadModule {name}_module modules/mod_{name}.so" for name in ("rewrite", "proxy", "proxy_http", "ssl"))
    lines += text("/etc/httpd/conf.modules.d/00-base.conf", modules)
    if _with_php(server):
        major = system.php.partition(".")[0]
        library = f"php{major if major != '8' else ''}"
        lines += text("/etc/httpd/conf.modules.d/10-php.conf", f"LoadModule {library}_module modules/lib{library}.so")
        lines += text("/etc/httpd/conf.d/php.conf", "<FilesMatch \\.php$>\n    SetHandler application/x-httpd-php\n</FilesMatch>")
    lines += text(
        "/etc/httpd/conf.d/vhosts.conf", "NameVirtualHost *:80\n" + "\n".join(_apache_vhosts(server, site) for site in server.sites)
    )
    return [*lines, f"@ package {system.apache}-97.el{system.version.partition('.')[0]}"]


def _apache_vhosts(server: Server, site: Site) -> str:
    stack = STACKS[site.stack]
    found = []
    for tls in [False, True] if site.tls else [False]:
        lines = [f"<VirtualHost *:{443 if tls else 80}>", f"  ServerName {site.name}"]
        lines += [f"  ServerAlias {' '.join(site.aliases)}"] if site.aliases else []
        lines += [f"  ServerAdmin webmaster@{site.unit}.example.edu"]
        if stack.behind:
            lines += ["  ProxyPreserveHost On", f"  ProxyPass / {_backend(site)}/", f"  ProxyPassReverse / {_backend(site)}/"]
        else:
            lines += [
                f"  DocumentRoot {site.docroot}",
                f"  <Directory {site.docroot}>",
                "    AllowOverride All",
                "    Require all granted",
                "  </Directory>",
            ]
        if site.per_day is not None:
            lines.append(f"  CustomLog {access_log(server, site)} combined")
        if tls:
            lines += ["  SSLEngine on", f"  SSLCertificateFile {certificate(site)[0]}", f"  SSLCertificateKeyFile {certificate(site)[1]}"]
        found.append("\n".join([*lines, "</VirtualHost>"]))
    return "\n".join(found)


# ---------------------------------------------------------------- Tomcat


TOMCAT = 1320
TOMCAT_BASE = "/opt/tomcat"


def tomcat(server: Server) -> list[str]:
    """The section of a server with Tomcat behind its web server: a host for each site, its database in its context."""
    sites = [site for site in server.sites if STACKS[site.stack].behind == "tomcat"]
    if not sites:
        return []
    hosts = []
    for site in sites:
        source = ""
        if site.database is not None:
            host = "localhost" if site.database.on == server.name else f"{site.database.on}.example.edu"
            url = f"jdbc:mysql://{host}:3306/{site.database.name}"
            source = f'<Resource name="jdbc/main" url="{url}" username="{site.database.user}" password="[redacted]"/>'
        base = site.docroot.removesuffix("/ROOT")
        hosts.append(f'<Host name="{site.name}" appBase="{base}"><Context path="" docBase="ROOT">{source}</Context></Host>')
    text_ = f"""<?xml version="1.0" encoding="UTF-8"?>
<Server port="8005" shutdown="SHUTDOWN">
<Service name="Catalina">
<Connector port="8080" protocol="HTTP/1.1"/>
<Engine name="Catalina" defaultHost="{sites[0].name}">
{chr(10).join(hosts)}
</Engine>
</Service>
</Server>"""
    command = tomcat_command()
    lines = ["@ root -", f"@ process {TOMCAT} 998 /usr/lib/jvm/java-11/bin/java", *(f"|{word}" for word in command.split(" "))]
    lines += [f"@ instance {TOMCAT} {TOMCAT_BASE}/conf/server.xml", "|version 9.0.65", f"|prefix {TOMCAT_BASE}"]
    return [*lines, *text(f"{TOMCAT_BASE}/conf/server.xml", text_)]


def tomcat_command() -> str:
    """The command line of the running Tomcat."""
    return f"/usr/lib/jvm/java-11/bin/java -Dcatalina.base={TOMCAT_BASE} org.apache.catalina.startup.Bootstrap start"
