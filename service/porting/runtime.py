"""What ported apps use where Quart is not as Flask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from contextvars import copy_context
from functools import cached_property, wraps
from inspect import isawaitable, iscoroutinefunction
from io import BytesIO
from typing import Any, ParamSpec, TypeVar

from click import Context, get_current_context
from click.globals import pop_context, push_context
from quart import Request, Response, current_app, has_app_context, has_request_context
from quart.cli import ScriptInfo
from quart.globals import _cv_request
from quart.utils import run_sync
from quart.wrappers.response import DataBody
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType
from werkzeug.wrappers import Response as WerkzeugResponse

from .environ import environ
from .uploads import PortedFormParser

P = ParamSpec("P")
T = TypeVar("T")

_NOT_JSON = (
    "Did not attempt to load JSON data because the request Content-Type was not 'application/json'."
)
_END: Any = object()


class PortedRequest(Request):
    """A request whose body is read, and refused, as Flask does it; with an environ."""

    form_data_parser_class = PortedFormParser
    _data: bytes | None = None
    _stream: BytesIO | None = None

    @property
    async def stream(self) -> BytesIO:  # type: ignore[override]
        """The body, or what is left of it, to be read once; all of it is in memory by then.

        Raises:
            RequestEntityTooLarge: it is longer than `max_content_length`.
        """
        if self._stream is None:
            left = await self.get_data(cache=False) if self._data is None else b""
            self._stream = self._stream or BytesIO(left)
        return self._stream

    @cached_property
    def environ(self) -> dict[str, Any]:
        """What a WSGI server would have passed with it, without the body."""
        return environ(self)

    async def get_data(
        self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False
    ) -> Any:
        """The body; of one that was read as a form, nothing is left.

        Raises:
            RequestEntityTooLarge: it is longer than `max_content_length`.
        """
        data = self._data
        if data is None:
            if parse_form_data:
                await self._load_form_data()
            if self._stream is not None:
                data = self._stream.read()
            else:
                data = b"" if self._was_a_form() else await self._read(cache)
            if cache:
                self._data = data
        return data.decode(errors="replace") if as_text else data

    async def _read(self, cache: bool) -> bytes:
        self._refuse_more(self.content_length or 0)
        data: bytes = await super().get_data(cache, as_text=False, parse_form_data=False)
        self._refuse_more(len(data))
        return data

    async def _load_form_data(self) -> None:
        if self._form is None:
            self._refuse_more(self.content_length or 0)
        await super()._load_form_data()

    def _was_a_form(self) -> bool:
        if self._form is None:
            return False
        parser = self.make_form_data_parser()
        return parser.get_parse_func(self.mimetype, self.mimetype_params) is not None

    def _refuse_more(self, length: int) -> None:
        if self.max_content_length is not None and length > self.max_content_length:
            raise RequestEntityTooLarge()

    async def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The JSON of the body; or what `on_json_loading_failed` returns instead.

        Raises:
            BadRequest: it is no JSON.
            UnsupportedMediaType: the content type is another. Quart's own returns None then.
        """
        if cache and self._cached_json[silent] is not Ellipsis:
            return self._cached_json[silent]
        if not (force or self.is_json):
            return None if silent else self.on_json_loading_failed(None)
        data = await self.get_data(cache=cache)
        try:
            found = self.json_module.loads(data)
        except ValueError as error:
            found = None if silent else self.on_json_loading_failed(error)
            kept = {silent: found}
        else:
            kept = {True: found, False: found}
        if cache:
            self._cached_json.update(kept)
        return found

    def on_json_loading_failed(self, error: Exception | None) -> Any:
        """Refuse what is no JSON, or, without an error, what is not said to be."""
        if error is None:
            raise UnsupportedMediaType(_NOT_JSON)
        return super().on_json_loading_failed(error)


async def quart_response(response: Response | WerkzeugResponse) -> Response:
    """The response as one of Quart's, whose body is awaited.

    Redirects and default error pages are Werkzeug's responses in Quart, too, and come so to
    `after_request` functions.
    """
    if not isinstance(response, WerkzeugResponse):
        return response
    return current_app.response_class(response.get_data(), response.status_code, response.headers)


async def make_conditional(response: Response, *args: Any, **kwargs: Any) -> Response:
    """`response.make_conditional(request)`: after a 304, the body can be read, as under Flask.

    Quart's empties it, and then an `after_request` function that reads it finds nothing.
    """
    body = response.response
    await response.make_conditional(*args, **kwargs)
    if response.status_code == 304:
        response.data_body_class = _Unsent
        if isinstance(body, DataBody):
            response.set_data(body.data)
    return response


class _Unsent(DataBody):
    """A body that is there as long as its request, and empty when the response is sent."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._request = _cv_request.get()

    def __aiter__(self) -> AsyncIterator[bytes]:
        is_read = _cv_request.get(None) is self._request
        return super().__aiter__() if is_read else DataBody(b"").__aiter__()


def copy_current_request_context(function: Callable[P, T]) -> Callable[P, T]:
    """A plain function with the current request at hand, for threads of one's own, as Flask's.

    Quart's is a coroutine function, which a thread cannot call. What waits for connections in the
    function must end before the request does.

    Raises:
        RuntimeError: there is no request.
    """
    if not has_request_context():
        raise RuntimeError("there is no request whose context could be copied")
    context = copy_context()

    @wraps(function)
    def in_context(*args: P.args, **kwargs: P.kwargs) -> T:
        return context.copy().run(function, *args, **kwargs)

    return in_context


def stream_with_context(streamed: Any) -> Any:
    """Quart's, for plain generators, too, which run in a thread with the request at hand.

    Args:
        streamed: a generator, or a function that returns one, as Flask's takes them.

    Returns:
        An asynchronous generator, or a function that returns one.
    """
    if isinstance(streamed, Iterator | AsyncGenerator):
        return _streaming(streamed)

    @wraps(streamed)
    def decorated(*args: Any, **kwargs: Any) -> AsyncGenerator[Any]:
        return _streaming(streamed(*args, **kwargs))

    return decorated


def _streaming(streamed: Any) -> AsyncGenerator[Any]:
    context = _cv_request.get().copy()

    async def items() -> AsyncGenerator[Any]:
        async with context:
            steps = streamed if isinstance(streamed, AsyncGenerator) else _steps(streamed)
            async with aclosing(steps):
                async for item in steps:
                    yield item

    return items()


async def _steps(streamed: Iterator[Any]) -> AsyncGenerator[Any]:
    in_thread: Callable[[Callable[..., Any]], Callable[..., Awaitable[Any]]]
    in_thread = current_app.ensure_async
    try:
        while (item := await in_thread(next)(streamed, _END)) is not _END:
            yield item
    finally:
        if (close := getattr(streamed, "close", None)) is not None:
            await in_thread(close)()


def ensure_async(function: Callable[P, Any]) -> Callable[P, Awaitable[Any]]:
    """The current app's `ensure_async`; and outside of an app context, what does the same.

    A plain function that a command calls so has the command's context at hand, as on its thread.
    """
    command = get_current_context(silent=True)
    if command is not None and not iscoroutinefunction(function):
        function = _within(command, function)
    if has_app_context():
        return current_app.ensure_async(function)
    return function if iscoroutinefunction(function) else run_sync(function)


def _within(command: Context, function: Callable[P, T]) -> Callable[P, T]:
    @wraps(function)
    def within(*args: P.args, **kwargs: P.kwargs) -> T:
        push_context(command)  # `with command:` counts who is in it, which threads must not share
        try:
            return function(*args, **kwargs)
        finally:
            pop_context()

    return within


async def await_if_awaitable(value: Any) -> Any:
    """What a value comes to, if it is an awaitable; else the value. For coroutine functions."""
    return await value if isawaitable(value) else value


def run_if_awaitable(run: Callable[[Awaitable[Any]], Any], result: Any) -> Any:
    """What a call gave; if that is an awaitable, what it comes to. For plain functions.

    Args:
        run: waits for it within an app context; outside of one, `run_apart` does.
        result: what the call gave.

    Raises:
        BaseException: what an awaitable raises.
    """
    if not isawaitable(result):
        return result
    return run(result) if has_app_context() else run_apart(result)


def run_apart(awaitable: Awaitable[T]) -> T:
    """Wait in a plain function, wherever it is called, on an event loop and a thread of its own.

    Within a request, `service.connections.run` is for that: on the app's event loop.

    Raises:
        BaseException: what the awaitable raises.
    """

    async def finish() -> T:
        return await awaitable

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, asyncio.run, finish()).result()


async def call_commands(commands: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """`app.cli()`, or a command, called in an app context: in a thread, and with that app.

    Each command has an event loop of its own, which no other may go on around; and Quart's know
    nothing of a context that is there.

    Raises:
        BaseException: what the command raises; `SystemExit`, unless it is told not to.
    """
    if has_app_context():
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        kwargs = {"obj": ScriptInfo(create_app=lambda: app, set_debug_flag=False), **kwargs}
    return await asyncio.to_thread(commands, *args, **kwargs)
