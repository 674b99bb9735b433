"""Pages that say 200 and mean "there is nothing".  Pure.

In: what the site answers for URLs that cannot exist (asked first), and a page's title and text.  Out: why the page is an error, "" when it
is none.  A page equal to such an answer is one, and so is a short page whose words say so, or that shows a failed database.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

ALIKE = 0.92
"""Share of words (Jaccard) that a page has in common with the answer for a missing one, to be the same."""
_SHORT = 600
BROKEN = "it shows an error: "
"""How the reason begins for a page that shows a failure, not that there is nothing."""
BY_WORDS = "its words say that there is nothing"
_SAYS = re.compile(
    r"\b404\b.{0,20}(?:not found|error|错误|页面)|(?:not found|error|错误)\D{0,12}\b404\b|page (?:was )?not found|(?:does|do) not exist"
    r"|(?:页面|文章|内容|网页|信息|文件|栏目|记录)(?:已经?)?(?:不存在|被删除|未找到|找不到|没有找到)"
    r"|(?:找不到|未找到|没有找到|不存在)(?:该|您|你|此|这|要|访问|请求|的|篇|个){0,6}(?:页面|文章|内容|网页|信息|文件|栏目|记录)|参数错误|非法参数",
    re.I,
)
_BROKEN = re.compile(
    r"Error establishing a database connection|建立数据库连接时出错|数据库连接(?:错误|失败)|SQLSTATE\[|Access denied for user '"
    r"|You have an error in your SQL syntax|Uncaught (?:\w+\\)*\w*(?:Error|Exception)\b|Fatal error:|HTTP Status 500|Server Error in '/"
)
_WORD = re.compile(r"[A-Za-z]+|[^\W\dA-Za-z_]")


def missing_paths(name: str) -> list[str]:
    """Paths that no site has, the same ones each time; different endings, since other programs may answer for them."""
    word = "no-such-" + sha256(name.encode()).hexdigest()[:10]
    return [f"/{word}", f"/{word}.html", f"/{word}.php", f"/{word}/", f"/{word}/{word}.html"]


@dataclass(frozen=True)
class Missing:
    """An answer with status 200 for a URL that cannot exist."""

    url: str
    words: frozenset[str]
    text: str


class ErrorPages:
    """What is known of a site's error pages."""

    def __init__(self) -> None:
        self._missing: list[Missing] = []

    def learn(self, url: str, text: str) -> None:
        """An answer for a URL that cannot exist."""
        self._missing.append(Missing(url, _words(text, url), _without(text, url)))

    @property
    def answers_everything(self) -> bool:
        """Whether the site answers 200 for what does not exist."""
        return bool(self._missing)

    def reason(self, url: str, title: str, text: str, *, home: bool) -> str:
        """Why a page is an error; "" when it is none.  The home page may be what the site answers for everything."""
        short = text[:_SHORT]
        if len(text) <= _SHORT and _SAYS.search(f"{title} {short}"):
            return BY_WORDS
        if re.search(r"^\W{0,3}404\b|\b404\W{0,3}$", title) and len(text) < 3_000:
            return "its title says 404"
        if (found := _BROKEN.search(f"{title} {short}")) and len(text) <= 4 * _SHORT:
            return f"{BROKEN}{found[0]}"
        if home or not self._missing:
            return ""
        words, plain = _words(text, url), _without(text, url)
        for one in self._missing:
            if plain == one.text:
                return f"the same as what is answered for {one.url}, which does not exist"
            union = len(words | one.words)
            if min(len(words), len(one.words)) >= 8 and len(words & one.words) >= ALIKE * union and _length_alike(plain, one.text):
                return f"as good as what is answered for {one.url}, which does not exist"
        return ""


def _length_alike(one: str, other: str) -> bool:
    return min(len(one), len(other)) >= 0.9 * max(len(one), len(other))


def _without(text: str, url: str) -> str:
    """Text without the echo of the URL, without digits and spaces."""
    path = url.partition("://")[2].partition("/")[2]
    for echo in (url, path):
        if len(echo) > 4:
            text = text.replace(echo, "")
    return re.sub(r"[\d\s]+", "", text)


def _words(text: str, url: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.replace(url.partition("://")[2].partition("/")[2] or "\0", "")))
