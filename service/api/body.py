"""Request bodies: JSON, or an error that says so and that reaches who sent it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, NoReturn

import quart
from quart import Quart, Response, request
from quart.wrappers.request import Body
from quart.wrappers.response import ResponseBody
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from service.keep_alive import ReceivedBody

LINGER = 2.0
"""Seconds to let a client finish sending a body that nobody wants."""
LONGEST_NAME = 32
"""Characters shown of a member's name."""


class StrictJSON:
    """Reads nothing that two readers would understand in two ways."""

    @staticmethod
    def loads(text: str) -> Any:
        """What ``text`` says. Raises `ValueError`."""
        return json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_number)


class Request(quart.Request):
    """A request whose ``get_json`` answers whatever is not JSON with an error of the client's.

    JSON is what RFC 8259 and RFC 7493 say: UTF-8, no ``NaN`` or ``Infinity``, no member twice.
    """

    body_class: type[Body] = ReceivedBody
    json_module: Any

    async def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The body as JSON; a 415 if it says that it is something else, a 400 if it is not."""
        if not (force or silent or self.is_json):
            raise UnsupportedMediaType("Send JSON, with Content-Type: application/json.")
        if not (silent or _is_utf_8(self.mimetype_params.get("charset", "utf-8"))):
            raise UnsupportedMediaType("Send JSON in UTF-8.")
        # Here, since Quart gives every request the app's own.
        self.json_module = StrictJSON
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


def _is_utf_8(charset: str) -> bool:
    # Not by `codecs.lookup`, which remembers every name it was ever asked for.
    return charset.lower() in {"utf-8", "utf8", "us-ascii", "ascii"}


def _distinct(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in members:
        if name in found:
            raise ValueError(f"it has two members {name[:LONGEST_NAME]!r}")
        found[name] = value
    return found


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


async def _linger(response: Response) -> Response:
    """Let the answer's end, not the answer, wait for the end of the body.

    Closed while it still sends, a connection is reset, and the client never sees the answer.
    """
    sends = {"Content-Length", "Transfer-Encoding"} & set(request.headers.keys())
    if response.status_code >= 400 and sends and isinstance(request.body, ReceivedBody):
        # Iterated when the request's context is gone, and its connections with it.
        answer = _and_wait(response.response, request.body.received)
        response.response = response.iterable_body_class(answer)
    return response


async def _and_wait(answer: ResponseBody, received: asyncio.Event) -> AsyncIterator[Any]:
    async with answer as parts:
        async for part in parts:
            yield part
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            await received.wait()
