"""Views → facts: does DNS lead here, does the site answer, over what, with which certificate.  Pure.

Evidence of such a fact is `["http", URL or name, 0]`: what proves it is the view that the catalogue keeps.  What nobody could find out
(DNS did not answer, our own network was down) is no fact: that we failed is not that the site failed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from inventory.inspection.model import Answer, View

Fact = dict[str, Any]
_SERVERS = (
    ("iis", r"Microsoft-IIS"), ("nginx", r"nginx|openresty|tengine"), ("apache", r"Apache(?!-Coyote)"), ("tomcat", r"Coyote|Tomcat"),
    ("lighttpd", r"lighttpd"), ("caddy", r"Caddy"), ("jetty", r"Jetty"),
)  # fmt: skip


def blind(views: Sequence[View]) -> bool:
    """Whether it is rather we who see nothing: of several names, not one could be resolved or reached."""
    tried = [view for view in views if view.problem or view.addresses]
    return len(tried) > 2 and not any(answer.outcome in {"answered", "refused"} for v in tried for answer in (*v.answers, *v.at_host))


def facts(view: View, checked: datetime) -> dict[str, Fact]:
    """Facts by name, each {"value", "evidence", "why"}."""
    found: dict[str, Fact] = {}
    when = f"asked on {checked:%Y-%m-%d}"

    def learn(name: str, value: Any, *answers: Answer, why: str = "") -> None:
        places = [["http", answer.url, 0] for answer in answers] or [["http", view.name, 0]]
        found[f"http.{name}"] = {"value": value, "evidence": places, "why": f"{why}; {when}" if why else when}

    learn("checked", f"{checked:%Y-%m-%dT%H:%M:%SZ}")
    if not view.problem or view.addresses:
        learn("dns", list(view.addresses), why="" if view.addresses else "the name does not exist in DNS")
        if view.host_address:
            learn("dns_here", view.host_address in view.addresses, why=f"its host is {view.host_address}")
    if view.answers:
        _answers(view.answers, learn)
    elif not view.problem and not view.addresses:
        learn("answers", False, why="the name does not exist in DNS")
    plain = next((answer for answer in view.at_host if answer.fine), None)
    if view.at_host:
        learn("answers_at_host", plain is not None, *view.at_host, why=f"asked at {view.host_address} under its name")
    elif view.host_address in view.addresses and view.answers:
        learn("answers_at_host", any(answer.fine for answer in view.answers), *view.answers)
    return found


def _answers(answers: Sequence[Answer], learn: Any) -> None:
    http = next((answer for answer in answers if answer.url.startswith("http:")), None)
    https = next((answer for answer in answers if answer.url.startswith("https:")), None)
    good = https if https is not None and not https.certificate_problem else None  # a front with a foreign certificate shows a foreign page
    best = next((answer for answer in (good, http, https) if answer is not None and answer.fine), http or https)
    if best is None:
        return
    fine = [answer for answer in answers if answer.fine]
    learn("answers", bool(fine), *answers, why="" if fine else "; ".join(_words(answer) for answer in answers))
    for name, value in (("status", best.status or None), ("title", best.title or None), ("generator", best.generator or None),
                        ("server", best.server or None), ("powered_by", best.powered_by or None), ("charset", best.charset or None),
                        ("seconds", best.seconds if best.outcome == "answered" else None)):  # fmt: skip
        if value is not None:
            learn(name, value, best)
    if best.errors:
        learn("errors", list(best.errors), best, why="its front page shows signs of an error")
    kind = next((kind for kind, pattern in _SERVERS if re.search(pattern, best.server, re.I)), None)
    if kind:
        learn("server_kind", kind, best)
    away = {_host(answer.location) for answer in fine if answer.location and _host(answer.location) != _host(answer.url)} - {""}
    if away:
        learn("redirects_to", sorted(away), *fine)
    if https is not None and https.outcome != "timeout":
        learn("https", https.fine and not https.certificate_problem, https, why=https.certificate_problem or _words(https))
        _certificate(https, learn)
    if http is not None and http.fine:
        learn("https_redirect", http.location.startswith("https://"), http)
    if https is not None and https.fine:
        learn("hsts", https.hsts, https)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _words(answer: Answer) -> str:
    said = f"status {answer.status}" if answer.outcome == "answered" else f"{answer.outcome} {answer.detail}".strip()
    return f"{urlsplit(answer.url).scheme}: {said}"


def _certificate(https: Answer, learn: Any) -> None:
    told = https.certificate
    if https.certificate_problem:
        learn("certificate_problem", https.certificate_problem, https)
    if told:
        learn("certificate_expires", str(told.get("not_after", ""))[:10], https)
        learn("certificate_issuer", told.get("issuer"), https)
        learn("certificate_names", told.get("names"), https)
        learn("certificate_fingerprint", told.get("fingerprint_sha256"), https)
