"""Request bodies: JSON, or an error that says so and that reaches who sent it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import quart
from quart import Quart, Response, current_app, request
from quart.wrappers.request import Body
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from service.connections import Connections

LINGER = 2.0
"""Seconds to let a client finish sending a body that nobody wants."""


class ReceivedBody(Body):
    """A body that knows when all of it has come, also what was too much and dropped.

    Attributes:
        received: set then.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.received = asyncio.Event()
        self._appending = False

    def append(self, data: bytes) -> None:
        # This calls set_complete as soon as it is too much, which is not the end of it.
        self._appending = True
        super().append(data)
        self._appending = False

    def set_complete(self) -> None:
        super().set_complete()
        if not self._appending:
            self.received.set()


class Request(quart.Request):
    """A request whose ``get_json`` answers whatever is not JSON with an error of the client's."""

    body_class: type[Body] = ReceivedBody
    body: ReceivedBody

    async def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The body as JSON; a 415 if it says that it is something else, a 400 if it is not."""
        if not (force or silent or self.is_json):
            raise UnsupportedMediaType("Send JSON, with Content-Type: application/json.")
        try:
            return await super().get_json(force=force, silent=silent, cache=cache)
        except (UnicodeDecodeError, RecursionError) as error:
            return self.on_json_loading_failed(error)

    def on_json_loading_failed(self, error: Exception) -> Any:
        """Say where the JSON is wrong."""
        if isinstance(error, RecursionError):
            raise BadRequest("The body is nested too deeply.") from error
        raise BadRequest(f"The body is not JSON: {error}.") from error


def register(app: Quart) -> None:
    """Make the requests of ``app`` such ones, and let errors wait for the end of a body."""
    app.request_class = Request
    app.after_request(_linger)


async def _linger(response: Response) -> Response:
    """Closed while it still sends, a connection is reset, and the client never sees the answer."""
    sends = {"Content-Length", "Transfer-Encoding"} & set(request.headers.keys())
    if response.status_code >= 400 and sends and isinstance(request.body, ReceivedBody):
        if not request.body.received.is_set():
            # Whoever sends slowly keeps nobody from the databases.
            connections: Connections = current_app.extensions["connections"]
            await connections.give_back()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER):
                await request.body.received.wait()
    return response
