"""Requests that are wrong as HTTP, refused before Quart sees them: it expects none of these."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
    Scope,
    WebsocketScope,
)
from quart import Response
from werkzeug.exceptions import BadHost
from werkzeug.routing import Map

from .errors import respond

MOST_HEADERS = 100
"""Fields in the head of one request."""

_HOSTS = (b"host", b"x-forwarded-host")
_LENGTHS = {b"content-length", b"transfer-encoding"}
_anything = Map()


def refusing_malformed(inner: ASGIFramework) -> ASGIFramework:
    """``inner``, asked only what it can answer; for the rest a 400 or a 431, and the end."""

    async def asgi_app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "lifespan" and (refused := _refused(scope)):
            await _answer(scope, refused, send)
        else:
            await inner(scope, receive, send)

    return asgi_app


def _refused(scope: HTTPScope | WebsocketScope) -> Response | None:
    names = [name.lower() for name, _ in scope["headers"]]
    if len(names) > MOST_HEADERS:
        return _response(431, f"A request may have {MOST_HEADERS} header fields at most.")
    if set(names) >= _LENGTHS:
        # What two readers end in different places may hide a second request.
        return _response(400, "Send either Content-Length or Transfer-Encoding.")
    if not all(_is_host(value) for name, value in scope["headers"] if name.lower() in _HOSTS):
        return _response(400, "The Host is no host.")
    if not scope["query_string"].isascii():
        scope["query_string"] = b""  # It is logged, as text.
        return _response(400, "The query has bytes that are not percent-encoded.")
    path = _path(scope["path"])
    if path is None:
        return _response(400, "The target of the request is neither a path nor a URL.")
    scope["path"] = path
    return None


def _is_host(value: bytes) -> bool:
    try:
        for host in value.decode("latin1").split(","):
            _anything.bind(host.strip())
    except BadHost:
        return False
    return True


def _path(target: str) -> str | None:
    """The path of a request target: of one that is a whole URL, too, as proxies get it."""
    if target.startswith("/"):
        return target
    try:
        path = urlsplit(target).path or "/"
    except ValueError:
        return None
    return path if path.startswith("/") else None


def _response(status: int, detail: str) -> Response:
    return respond(status, "about:blank", HTTPStatus(status).phrase, detail, {}, {})


async def _answer(scope: HTTPScope | WebsocketScope, response: Response, send: Any) -> None:
    kind = "http.response" if scope["type"] == "http" else "websocket.http.response"
    headers = [(name.lower().encode(), value.encode()) for name, value in response.headers]
    if scope["http_version"].startswith("1"):
        headers.append((b"connection", b"close"))
    body = await response.get_data(as_text=False)
    await send({"type": f"{kind}.start", "status": response.status_code, "headers": headers})
    await send({"type": f"{kind}.body", "body": body, "more_body": False})
