"""``Server-Timing``: which connections a request opened, and the milliseconds each one took."""

from __future__ import annotations

from collections.abc import Mapping

from quart import Quart, Response, current_app

from .connections import Connections

HEADER = "Server-Timing"


def register(app: Quart) -> None:
    """Give every response of ``app`` the header, unless its request opened nothing."""
    app.after_request(_add)


def header(seconds: Mapping[str, float]) -> str:
    """The value that says how many ``seconds`` each of these connections took."""
    return ", ".join(f"{name};dur={took * 1000:.3f}" for name, took in seconds.items())


async def _add(response: Response) -> Response:
    connections: Connections = current_app.extensions["connections"]
    opened = connections.opened()
    if opened and HEADER not in response.headers:
        response.headers[HEADER] = header(opened)
    return response
