"""What servers and applications say to visitors when something behind them is broken.  Pure.

In: the text of a page, markup included.  Out: the names of the signatures that it bears.  A page about programming may quote one: a
comparison counts only those that the source's own page does not have.
"""

from __future__ import annotations

import re

SIGNATURES = {
    "PHP message": re.compile(
        r"(?:<b>|^|PHP )(?:Warning|Notice|Deprecated|Fatal error|Parse error|Catchable fatal error)(?:</b>)?:\s", re.M
    ),
    "PHP exception": re.compile(
        r"Uncaught (?:\w+\\)*\w*(?:Error|Exception)\b|Call to undefined (?:function|method) |Allowed memory size of "
    ),
    "PHP source code": re.compile(r"<\?php\s"),
    "PHP-FPM does not find the program": re.compile(r"No input file specified\.|Primary script unknown"),
    "WordPress cannot reach its database": re.compile(r"Error establishing a database connection|建立数据库连接时出错|数据库连接错误"),
    "WordPress has met a critical error": re.compile(r"There has been a critical error on this website|此站点遇到了致命错误"),
    "database error": re.compile(
        r"SQLSTATE\[|Access denied for user '|command denied to user '|You have an error in your SQL syntax|mysqli?_connect\(\)"
        r"|Unknown database '[^'<]{1,200}'|Table '[^'<]{1,200}' doesn't exist|Can't connect to (?:local )?(?:MySQL|MariaDB) server"
        r"|Lost connection to MySQL server|(?:Discuz! Database|DedeCMS) Error|数据库连接失败|无法连接数据库|连接数据库失败"
    ),
    "Java stack trace": re.compile(r"^\s{0,20}at [\w.$]{3,120}\([\w.]{1,80}\.java:\d+\)", re.M),
    "Tomcat's error page": re.compile(r"<h1>HTTP Status [45]\d\d"),
    "ASP.NET's error page": re.compile(r"Server Error in '[^'<]{0,200}' Application|应用程序中的服务器错误"),
    "Python traceback": re.compile(r"Traceback \(most recent call last\)"),
    "ThinkPHP's error page": re.compile(r"系统发生错误|页面错误！请稍后再试"),
    "a web server's own first page": re.compile(
        r"<title>(?:Welcome to nginx!?|Apache2? (?:[\w ]{1,30} )?Default Page|Apache HTTP Server Test Page|IIS Windows Server)"
    ),
    "a listing of a folder": re.compile(r"<title>Index of /"),
}


def found(text: str) -> tuple[str, ...]:
    """The signatures in a page's text, in the table's order."""
    return tuple(name for name, pattern in SIGNATURES.items() if pattern.search(text))
