"""A tiny static server that answers as the map says, for looking at an export and for proving it.  Not for visitors.

In: the folder `current` of an export.  Out: an aiohttp server on a loopback port.  It reads `redirects.json` and nothing else: what it
answers, any server can that does as `planner.export.mapping` says.
"""

from __future__ import annotations

import json
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from planner.export import urls
from planner.export.mapping import Mapping, resolve
from planner.export.writing import HTDOCS


def load(tree: Path) -> Mapping:
    """The map of a tree that was written."""
    data: dict[str, Any] = json.loads((tree / "redirects.json").read_bytes())
    return Mapping(
        names={name: (int(status), str(where)) for name, (status, where) in data.get("names", {}).items()},
        exact=data["exact"], pages=data["pages"], significant=data["significant"], types=data["types"], headers=data["headers"],
        moved={key: (int(status), str(where)) for key, (status, where) in data["moved"].items()},
    )  # fmt: skip


class Static:
    """Answers requests from a tree."""

    def __init__(self, tree: Path) -> None:
        self._root = (tree / HTDOCS).resolve()
        self._map = load(tree)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request."""
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405)
        if (leads := self._map.names.get(request.host.partition(":")[0].lower())) is not None:
            return web.Response(status=leads[0], headers={"Location": leads[1] + request.raw_path})
        raw, _, asked = request.raw_path.partition("?")
        path = urls.target(raw, "").partition("?")[0]
        query = urls.without_session(asked)
        if (moved := self._map.moved.get(f"{path}?{query}")) is not None:
            return web.Response(status=moved[0], headers={"Location": moved[1]})
        for name in resolve(self._map, path, query):
            file = self._file(name)
            if file is not None and file.is_file():
                return self._send(name, file)
        return web.Response(status=404, text="not found\n")

    def _file(self, name: str) -> Path | None:
        try:
            there = self._root.joinpath(unquote(name, errors="strict").lstrip("/"))
            return there if there.resolve().is_relative_to(self._root) else None
        except (ValueError, OSError):
            return None

    def _send(self, name: str, file: Path) -> web.StreamResponse:
        headers = {"Content-Type": self._map.types.get(file.suffix[1:].lower(), "application/octet-stream")}
        for header, values in self._map.headers.items():
            if value := values.get(name, values[""]):
                headers[header] = value
        return web.FileResponse(file, headers=headers)


@asynccontextmanager
async def serving(tree: Path, port: int = 0, *, tls: bool = False) -> AsyncIterator[int]:
    """The server at work on loopback; gives its port.  With `tls` under a certificate of the moment, which nobody should trust."""
    runner = web.ServerRunner(web.Server(Static(tree).answer))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=_context() if tls else None).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _context() -> ssl.SSLContext:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "export")])
    begun = datetime(2000, 1, 1, tzinfo=UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(private.public_key()).serial_number(1)
    signed = made.not_valid_before(begun).not_valid_after(begun + timedelta(days=36_500)).sign(private, hashes.SHA256())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    kept = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    with tempfile.NamedTemporaryFile() as file:
        file.write(private.private_bytes(serialization.Encoding.PEM, *kept) + signed.public_bytes(serialization.Encoding.PEM))
        file.flush()
        context.load_cert_chain(file.name)
    return context
