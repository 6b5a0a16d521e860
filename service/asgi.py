"""Quart's side of ASGI with fewer tasks and messages: `app.asgi_http_class = OneTaskConnection`.

What clients and routes see is what they see with Quart's own class, which takes three tasks for a
request and three messages for its answer. Each of them is one more pass through the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from typing import Any

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable
from quart import Response
from quart.asgi import ASGIHTTPConnection, _handle_exception
from quart.typing import ResponseTypes
from quart.utils import encode_headers
from quart.wrappers import Request
from quart.wrappers.response import DataBody


class Begun:
    """A coroutine that has gone as far as it can without waiting; await it for the rest.

    Attributes:
        done: whether there is none.
        waits_for: what it waits for first, if not.
    """

    __slots__ = ("_steps", "done", "waits_for")

    def __init__(self, steps: Coroutine[Any, Any, None]) -> None:
        self._steps = steps
        self.done = False
        self.waits_for: Any = None
        try:
            self.waits_for = steps.send(None)
        except StopIteration:
            self.done = True

    def __await__(self) -> Generator[Any, Any, None]:
        waits_for = self.waits_for
        with suppress(StopIteration):
            while True:
                try:
                    yield waits_for
                    break
                except BaseException as error:
                    failure = _from_there(error)
                try:
                    waits_for = self._steps.throw(failure)
                finally:
                    del failure  # its traceback has this frame
            yield from self._steps.__await__()

    def close(self) -> None:
        """Give up, without awaiting it."""
        self._steps.close()


def _from_there(error: BaseException) -> BaseException:
    """The error as it comes from what is waited for: some look where one comes from."""
    own = error.__traceback__
    return error.with_traceback(own and own.tb_next)


class Listener:
    """Receives until the client leaves, and says so.

    Of the servers that are known, it makes a task only for a client that sends more. A `receive`
    that is anything else may count on being in one task from its beginning to its end.
    """

    __slots__ = ("_begun", "_ended", "_left", "_task")

    def __init__(
        self, receiving: Coroutine[Any, Any, None], left: Callable[[], None], *, known: bool
    ) -> None:
        self._left = left
        self._ended = False
        self._task: asyncio.Task[None] | None = None
        self._begun: Begun | None = None
        if not known:
            self._run(receiving)
            return
        self._begun = Begun(receiving)
        if self._begun.done:
            left()
        else:
            self._begun.waits_for.add_done_callback(self._go_on)

    def end(self) -> None:
        """Listen no more."""
        self._ended = True
        if self._task is not None:
            self._task.cancel()
        elif self._begun is not None and not self._begun.done:
            self._begun.waits_for.remove_done_callback(self._go_on)
            self._begun.close()

    def _go_on(self, _: object) -> None:
        if not self._ended and self._begun is not None:
            self._run(_rest(self._begun))

    def _run(self, receiving: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.get_running_loop().create_task(receiving)
        self._task.add_done_callback(self._say_so)

    def _say_so(self, _: object) -> None:
        if not self._ended:
            self._left()


async def _rest(begun: Begun) -> None:
    await begun


def _is_known(receive: ASGIReceiveCallable) -> bool:
    """Whether it is Hypercorn's or uvicorn's own, which any task may go on with."""
    of = type(getattr(receive, "__self__", None)).__module__
    return of.startswith(("asyncio.queues", "service.http1.", "uvicorn.protocols."))


class OneTaskConnection(ASGIHTTPConnection):
    """One request, answered in the server's own task."""

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer; cancelled within, if the client leaves before the end."""
        request = self._create_request_from_scope(send)
        begun = Begun(self.handle_request(request, send))
        # Only a request that waits for something can wait for its body, or be left by its client.
        if not begun.done:
            await self._listening(receive, request, begun)

    async def handle_request(self, request: Request, send: ASGISendCallable) -> None:
        """Let the app answer, and send its answer, which may take the app's or its own timeout."""
        try:
            response = await self.app.handle_request(request)
        except Exception as error:
            response = await _handle_exception(self.app, error)
        seconds = getattr(response, "timeout", ...)
        if seconds is ...:
            seconds = self.app.config["RESPONSE_TIMEOUT"]
        with suppress(TimeoutError):
            begun = Begun(self._send_response(send, response))
            if not begun.done:
                async with asyncio.timeout(seconds):
                    await begun

    async def _listening(
        self, receive: ASGIReceiveCallable, request: Request, begun: Begun
    ) -> None:
        answering = asyncio.current_task()
        assert answering is not None
        cancelled = answering.cancelling()
        failure: Exception | None = None
        left = False

        async def receiving() -> None:
            nonlocal failure
            try:
                await self.handle_messages(request, receive)
            except Exception as error:
                failure = error

        def cut() -> None:
            nonlocal left
            left = answering.cancel()

        listener = Listener(receiving(), cut, known=_is_known(receive))
        try:
            await begun
        except asyncio.CancelledError:
            if not left or answering.cancelling() > cancelled + 1:
                raise
        finally:
            listener.end()
            if left:
                answering.uncancel()
        if failure is not None:
            raise failure

    async def _send_response(self, send: ASGISendCallable, response: ResponseTypes) -> None:
        if not isinstance(response, Response) or type(response.response) is not DataBody:
            await super()._send_response(send, response)
            return
        body = response.response
        start: Any = {
            "type": "http.response.start",
            "status": response.status_code,
            "headers": encode_headers(response.headers),
        }
        await send(start)
        data = body.data[body.begin : body.end]
        await send({"type": "http.response.body", "body": data, "more_body": False})
