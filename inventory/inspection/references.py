"""URLs as a browser on a page requests them, and which of them are harmless to ask for.  Pure; nothing here raises on hostile text.

In: a page's URL and a reference in it.  Out: an absolute http(s) URL, or "" where there is none to request.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

MAX_URL = 4096

# Labels of the WHATWG encoding standard → Python codecs.  Others are not trusted: not every Python codec is a charset.
CODECS = {
    label: codec
    for codec, labels in {
        "utf-8": "utf-8 utf8 unicode-1-1-utf-8",
        "gb18030": "gb18030 gbk gb2312 gb_2312-80 x-gbk chinese csgb2312 cp936 euc-cn",
        "big5hkscs": "big5 big5-hkscs cn-big5 x-x-big5",
        "cp932": "shift_jis shift-jis sjis x-sjis windows-31j ms_kanji",
        "euc_jp": "euc-jp x-euc-jp",
        "iso2022_jp": "iso-2022-jp",
        "cp949": "euc-kr ks_c_5601-1987 korean windows-949",
        "cp1252": "iso-8859-1 iso8859-1 latin1 us-ascii ascii windows-1252 cp1252",
        "iso8859-15": "iso-8859-15 latin9",
        "cp1251": "windows-1251",
        "koi8_r": "koi8-r",
        "utf-16-le": "utf-16 utf-16le",
        "utf-16-be": "utf-16be",
    }.items()
    for label in labels.split()
}

_DANGEROUS_PATH = re.compile(
    r"log-?_?(?:out|off)|sign-?_?(?:out|off)|delete|destroy|unsubscribe|uninstall|truncate|wp-admin|wp-login|wp-cron|xmlrpc"
    r"|/(?:remove|purge|install|upgrade|administrator|admin|cron)(?=[/.?]|$)|注销|退出|删除",
    re.I,
)
_DANGEROUS_QUERY = re.compile(
    r"(?:^|[&;=_\-.])(?:del|drop|remove|purge|cancel|empty|clear|trash|edit|save|update|add|vote|buy|submit|add_to_cart|do_?log\w*)"
    r"(?=[&;=_\-.]|$)",
    re.I,
)
_PLAIN_FILE = re.compile(r"\.(?:png|jpe?g|gif|svg|webp|ico|css|js|woff2?|ttf|eot|pdf|docx?|xlsx?|pptx?|zip|rar|mp[34])$", re.I)


def absolute(base: str, reference: str, charset: str = "utf-8") -> str:
    """The http(s) URL that a browser on page `base` requests for `reference`, without fragment; "" when there is none.

    Non-ASCII becomes percent-encoded UTF-8 in the path and, as browsers do, the page's own `charset` in the query.
    """
    reference = re.sub(r"[\t\r\n\x00]", "", reference[: MAX_URL * 2]).strip()
    try:
        parts = urlsplit(urljoin(base, reference.replace("\\", "/")))
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not host:
        return ""
    try:
        host = host.rstrip(".").encode("ascii").decode() if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return ""
    if not re.fullmatch(r"[a-z0-9_.:-]{1,253}", host):
        return ""
    host = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[parts.scheme]
    netloc = host if port in (None, default) else f"{host}:{port}"
    safe = "/:@!$&'()*+,;=~[]%"
    path = quote(parts.path or "/", safe, "utf-8", "replace")
    query = quote(parts.query, safe + "?", CODECS.get(charset.lower(), "utf-8"), "replace")
    url = urlunsplit((parts.scheme, netloc, path, query, ""))
    return url if len(url) <= MAX_URL else ""


def may_request(url: str) -> bool:
    """False for URLs whose mere GET may change something: log-out, deletion, administration, voting, baskets."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if not parts.query and _PLAIN_FILE.search(parts.path):
        return True
    path, query = unquote(unquote(parts.path)), unquote(unquote(parts.query))
    return not (_DANGEROUS_PATH.search(path) or _DANGEROUS_PATH.search(query) or _DANGEROUS_QUERY.search(query))


def is_address(host: str) -> bool:
    """True for an IP literal, also for the short forms that a resolver would take (`127.1`)."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return not host.rstrip(".").rpartition(".")[2].strip("0123456789")
    return True
