"""Tomcat's server.xml and context files → vhosts: a `<Host>` is a vhost.  Pure; no entity is followed, no file is opened.

Read by expat, which knows the line of each element.  A document type and its entities are taken out before: what they would
pull in lies on the planner's disk or blows up in its memory.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from inventory.webconfig.model import DEEPEST, Vhost, WebConfig, unique
from inventory.webconfig.tree import Tree, absolute

_DOCTYPE = re.compile(r"<!DOCTYPE(?:[^\[>]*+)(?:\[(?:\"[^\"]*+\"|'[^']*+'|[^\]\"'])*+\]\s*+)?>")
_ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\w{1,8});)([\w.:-]{1,100});")
_PROPERTY = re.compile(r"\$\{([^}:$]{1,200})(?::-([^}]{0,500}))?\}")


@dataclass
class Element:
    """An element with its attributes, its line and what it holds."""

    name: str
    attributes: dict[str, str]
    line: int
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def each(self, name: str) -> list[Element]:
        """The children of that name."""
        return [child for child in self.children if child.name == name]


def _without_comments(text: str) -> str:
    kept, at = [], 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        kept += [text[at:start], "\n" * text.count("\n", start, end)]
        at = end + 3
    return "".join([*kept, text[at:]])


def _without_doctype(text: str) -> str:
    match = _DOCTYPE.match(text, at) if (at := text.find("<!DOCTYPE")) >= 0 else None
    return text[: match.start()] + _blank(match) + text[match.end() :] if match else text


def _blank(match: re.Match[str]) -> str:
    return "\n" * match.group().count("\n")


def parse(text: str, file: str, config: WebConfig) -> Element:
    """The document's elements under one root without a name.  After an error, what stands before it is kept."""
    top = Element("", {}, 0)
    stack, skipped = [top], [0]
    # what was blacked out on the host on its way here has lost its quotes
    text = _without_doctype(_without_comments(text.replace("=[redacted]", '="[redacted]"')))
    for match in _ENTITY.finditer(text):
        config.problem(file, text.count("\n", 0, match.start()) + 1, f"the entity &{match.group(1)}; is not followed")
        break
    text = re.sub(r"^\s+(?=<\?xml)", _blank, _ENTITY.sub("", text))
    parser = expat.ParserCreate()

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(stack) > DEEPEST:
            skipped[0] += 1
            return
        made = Element(name.rpartition(":")[2], attributes, parser.CurrentLineNumber)
        stack[-1].children.append(made)
        stack.append(made)

    def end(_name: str) -> None:
        if skipped[0]:
            skipped[0] -= 1
        else:
            stack.pop()

    def data(found: str) -> None:
        if len(stack[-1].text) < 4096:
            stack[-1].text += found

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, data
    parser.EntityDeclHandler = _no_entities
    try:
        parser.Parse(text, True)
    except (expat.ExpatError, ValueError) as error:
        line = getattr(error, "lineno", 1)
        config.problem(file, line, f"not well-formed XML: {expat.ErrorString(getattr(error, 'code', 0)) or 'refused'}")
    return top


def _no_entities(*_declared: object) -> None:
    raise ValueError("a document type with entities is refused")


def read(
    files: Mapping[str, str] | Tree,
    main: str,
    links: Mapping[str, str] | None = None,
    *,
    base: str | None = None,
) -> WebConfig:
    """The hosts of one server.xml with the contexts beside it.

    `base` is `catalina.base` (`None`: the directory above conf/, or the distribution's); '' leaves relative paths relative.
    """
    tree, config = Tree.of(files, links), WebConfig()
    text = tree.text(main)
    if text is None:
        config.problem(main, 1, "the main configuration was not collected")
        return config
    real, conf = tree.real(main), main.rsplit("/", 1)[0]
    config.reached |= {main, real}
    base = _base(conf) if base is None else base
    known = {"catalina.base": base or ".", "catalina.home": base or "."}
    for raw in (tree.text(f"{conf}/catalina.properties") or "").split("\n"):
        key, equals, value = raw.partition("=")
        if equals and not key.lstrip().startswith("#"):
            known.setdefault(key.strip(), value.strip())
    reader = _Reader(tree, config, conf, base, known)
    for server in parse(text, real, config).each("Server"):
        for service in server.each("Service"):
            for engine in service.each("Engine"):
                config.vhosts += [reader.vhost(host, engine, service, real) for host in engine.each("Host")]
    return config


def _base(conf: str) -> str:
    match = re.fullmatch(r"/etc/(tomcat\d*)", conf)
    if match:
        return f"/var/lib/{match.group(1)}"
    return conf.removesuffix("/conf") if conf.endswith("/conf") else conf


class _Reader:
    def __init__(self, tree: Tree, config: WebConfig, conf: str, base: str, known: dict[str, str]) -> None:
        self.tree, self.config, self.conf, self.base, self.known = tree, config, conf, base, known

    def value(self, text: str) -> str:
        """The text with `${property}` and `${property:-default}` put in."""
        return _PROPERTY.sub(lambda m: self.known.get(m.group(1), m.group(2) if m.group(2) is not None else m.group()), text)[:4096]

    def path(self, text: str, home: str) -> str:
        text = self.value(text).replace("\\", "/")
        if text.startswith("/"):
            return absolute(text, "/")
        if re.match(r"[A-Za-z]:/", text):
            return text
        joined = posixpath.normpath(f"{home}/{text}") if home else posixpath.normpath(text or ".")
        return "/" + joined.lstrip("/") if joined.startswith("/") else joined

    def vhost(self, host: Element, engine: Element, service: Element, file: str) -> Vhost:
        name = self.value(host.attributes.get("name", ""))
        names = [name, *(self.value(alias.text.strip()) for alias in host.each("Alias"))]
        default = self.value(engine.attributes.get("defaultHost", "")).lower() == name.lower()
        listen, tls = [], None
        for connector in service.each("Connector"):
            attributes = {key: self.value(value) for key, value in connector.attributes.items()}
            secure = attributes.get("SSLEnabled", "").lower() == "true"
            listen.append({
                "address": attributes.get("address", ""), "port": attributes.get("port", ""), "tls": secure, "default": default,
            })  # fmt: skip
            if secure and tls is None:
                tls = self._certificate(connector, attributes)
        home = self.path(host.attributes.get("appBase", "webapps"), self.base)
        sources: list[dict[str, Any]] = []
        contexts, problems = self._contexts(host, engine, name, home, file, sources), []
        docroot = contexts.pop("", "") or home
        if "${" in docroot:
            problems.append(f"the root {docroot[:300]} holds a property that nothing read here defines")
            self.config.problem(file, host.line, problems[0])
            docroot = ""
        return Vhost(
            "tomcat", unique([text for text in names if text]), listen, docroot, file, host.line, True, tls, default=default,
            problems=problems, contexts=[[path, place] for path, place in sorted(contexts.items())], datasources=sources,
        )  # fmt: skip

    def _certificate(self, connector: Element, attributes: dict[str, str]) -> dict[str, str]:
        held = [item.attributes for config in connector.each("SSLHostConfig") for item in config.each("Certificate")]
        where = {**attributes, **(held[0] if held else {})}
        certificate = where.get("certificateFile") or where.get("certificateKeystoreFile") or where.get("keystoreFile")
        certificate = certificate or where.get("SSLCertificateFile") or ""
        key = where.get("certificateKeyFile") or where.get("SSLCertificateKeyFile") or ""
        return {name: self.path(text, self.base) if text else "" for name, text in (("certificate", certificate), ("key", key))}

    def _contexts(self, host: Element, engine: Element, name: str, home: str, file: str, sources: list[dict[str, Any]]) -> dict[str, str]:
        """{context path: directory}; server.xml counts before the files of conf/Engine/host/.  The root's databases go to `sources`."""
        found: dict[str, str] = {}
        for context in host.each("Context"):
            path = self.value(context.attributes.get("path", "")).strip("/")
            if not path:
                sources += self._sources(context, file)
            if "docBase" in context.attributes:
                found.setdefault(f"/{path}" if path else "", self.path(context.attributes["docBase"], home))
        directory = f"{self.conf}/{self.value(engine.attributes.get('name', 'Catalina'))}/{name}"
        for shown in self.tree.listed(directory):
            text = self.tree.text(f"{directory}/{shown}")
            if not shown.endswith(".xml") or text is None:
                continue
            self.config.reached.add(self.tree.real(f"{directory}/{shown}"))
            # app#sub##3.xml is version 3 of the application at /app/sub
            path = shown.removesuffix(".xml").partition("##")[0].replace("#", "/")
            for context in parse(text, self.tree.real(f"{directory}/{shown}"), self.config).each("Context"):
                place = context.attributes.get("docBase", path)
                if path == "ROOT":
                    sources += self._sources(context, self.tree.real(f"{directory}/{shown}"))
                found.setdefault("" if path == "ROOT" else f"/{path}", self.path(place, home))
        return found

    def _sources(self, context: Element, file: str) -> list[dict[str, Any]]:
        """The JDBC data sources of a context."""
        return [
            {
                "url": self.value(item.attributes["url"]).partition("?")[0][:500],
                "user": self.value(item.attributes.get("username", "")),
                "file": file,
                "line": item.line,
            }
            for item in context.each("Resource")
            if item.attributes.get("url", "").startswith("jdbc:")
        ]
