"""What ported tests need beside Quart's test client: calls with the arguments that Flask takes.

    client = PortedClient(app)
    response = await client.post("/login", data={"name": "ada"}, follow_redirects=True)

The responses are Quart's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar, Token
from importlib.metadata import version
from inspect import isawaitable
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit
from urllib.request import Request

from quart import Quart, Response
from quart.ctx import AppContext, RequestContext
from quart.globals import _cv_app, _cv_request
from quart.sessions import SessionMixin
from quart.signals import got_request_exception, request_finished, request_started
from quart.testing import QuartClient
from quart.testing.client import _TestCookieJarResponse
from werkzeug.datastructures import Headers
from werkzeug.test import Client, Cookie
from werkzeug.wsgi import get_current_url

from .request_contexts import Sent, request_context
from .runtime import run_apart

T = TypeVar("T")


class PortedClient(QuartClient):
    """Quart's test client, with requests given as for Flask's (and Werkzeug's `EnvironBuilder`).

    Within `async with client:` the request and what `g` had are kept until the next request, and
    `get_db` opens what is asked for meanwhile. What a view raises and nobody handles is raised here
    as Flask's client does: if the app is testing or debugging, unless `PROPAGATE_EXCEPTIONS` says
    otherwise.
    """

    def __init__(self, app: Quart, response_wrapper: Any = None, use_cookies: bool = True) -> None:
        super().__init__(app, use_cookies=use_cookies)
        self._cookies = Client(cast(Any, app), use_cookies=use_cookies)
        """Werkzeug's: it keeps cookies, and sends nothing."""
        self.environ_base: dict[str, Any] = {
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_USER_AGENT": f"Werkzeug/{version('werkzeug')}",
        }
        self._kept: list[tuple[ContextVar[Any], Any, Token[Any]]] = []
        self._open: list[Any] = []
        """The app contexts that are kept, each with connections of its own."""
        self._closing: asyncio.Future[None] | None = None  # or it would be collected

    @property
    def application(self) -> Quart:
        """The app, by the name that Flask's client has for it."""
        return self.app

    async def open(
        self, *args: Any, follow_redirects: bool = False, buffered: bool = False, **kwargs: Any
    ) -> Response:
        """Make a request; the arguments are those of Flask's `client.open`."""
        base = {**self.environ_base, **kwargs.pop("environ_base", {})}
        response = await self._send(Sent(self.app, *args, environ_base=base, **kwargs))
        history: list[Response] = []
        while follow_redirects and response.status_code in {301, 302, 303, 305, 307, 308}:
            history.append(response)
            response = await self._send(_redirected(self.app, response, base, kwargs))
        response.history = tuple(history)  # type: ignore[attr-defined]
        response.close = lambda: None  # type: ignore[attr-defined]
        return response

    async def _send(self, sent: Sent) -> Response:
        self._forget()
        await self._close()
        self._add_cookies(sent.headers, sent)
        met: list[tuple[RequestContext, AppContext]] = []
        raised: list[Exception] = []
        names: dict[str, str] = {}

        async def meet(sender: Quart, **extra: Any) -> None:
            met.append((_cv_request.get(), _cv_app.get()))

        async def catch(sender: Quart, exception: Exception, **extra: Any) -> None:
            raised.append(exception)

        async def name(sender: Quart, response: Any, **extra: Any) -> None:
            names.update((key.lower(), key) for key, _ in response.headers)

        try:
            with (
                request_finished.connected_to(name, self.app),
                request_started.connected_to(meet, self.app),
                got_request_exception.connected_to(catch, self.app),
            ):
                async with self.http_connection_class(self.app, sent.scope()) as connection:
                    await connection.send(sent.body)
                    await connection.send_complete()
                sent_back = cast(Any, connection).headers  # without capitals, as ASGI has them
                headers = Headers([(names.get(key, key), value) for key, value in sent_back])
                response = await connection.as_response()
                response.headers = headers  # as sent, without a type and a length made up
        finally:
            if self.preserve_context and met:
                self._keep(*met[-1])
        if raised and self._propagates():
            raise raised[-1]
        if sent.method == "HEAD" or response.status_code in {204, 304}:
            response.response = response.data_body_class(b"")  # and the headers as they are
        self._take_cookies(response, sent)
        response.request = sent  # type: ignore[attr-defined]
        return response

    @asynccontextmanager
    async def session_transaction(self, *args: Any, **kwargs: Any) -> AsyncIterator[SessionMixin]:
        """The session, to be read and changed; the arguments are those of Flask's.

        Raises:
            TypeError: the client keeps no cookies.
            RuntimeError: the app opens no session.
        """
        if self.cookie_jar is None:
            raise TypeError("cookies are disabled: create a client with use_cookies=True")
        app, interface, around = self.app, self.app.session_interface, _cv_request.get(None)
        sent = Sent(app, *args, **kwargs)
        headers = Headers(kwargs.pop("headers", None))
        self._add_cookies(headers, sent)
        async with request_context(app, *args, headers=headers, **kwargs) as context:
            session = await app.ensure_async(interface.open_session)(app, context.request)
            if session is None:
                raise RuntimeError("the app opened no session: is there a secret key?")
            token = cast(Any, _cv_request).set(around)
            try:
                yield session
            finally:
                _cv_request.reset(token)
            response = app.response_class(b"")
            if not interface.is_null_session(session):
                await app.ensure_async(interface.save_session)(app, session, response)
                self._take_cookies(response, sent)

    def _propagates(self) -> bool:
        propagates = self.app.config["PROPAGATE_EXCEPTIONS"]
        return bool(self.app.testing or self.app.debug if propagates is None else propagates)

    def _keep(self, of_request: RequestContext, of_app: AppContext) -> None:
        """Let `request`, `session` and `g` be what they were, until the next request.

        A request of Flask's has the app context that it was made in, if there is one.
        """
        around = _cv_app.get(None)
        if around is None or around.app is not self.app:
            self._push(_cv_app, self._opened(of_app))
        else:
            vars(around.g).update(vars(of_app.g))
        self._push(_cv_request, of_request.copy())

    def _opened(self, ended: AppContext) -> AppContext:
        """A context with the same `g`, in which `get_db` opens anew: its connections went back."""
        context = self.app.app_context()
        context.g = ended.g
        if hasattr(context, "let_go"):
            cast(Any, context).scope.enter()
            self._open.append(context)
        return context

    async def _close(self) -> None:
        while self._open:
            context = self._open.pop()
            if context.scope.is_here():  # what is of another event loop goes with that
                await context.let_go()

    def _push(self, variable: ContextVar[Any], context: Any) -> None:
        self._kept.append((variable, context, variable.set(context)))

    def _forget(self) -> None:
        while self._kept:
            variable, context, token = self._kept.pop()
            try:
                variable.reset(token)
            except ValueError:  # a fixture sent it, in the context that the test's is a copy of
                if variable.get(None) is context:
                    before = token.old_value
                    variable.set(None if before is Token.MISSING else before)

    def __enter__(self) -> PortedClient:
        """The same as `async with`, for an `ExitStack`."""
        self.preserve_context = True
        return self

    def __exit__(self, *error: Any) -> None:
        self.preserve_context = False
        self._forget()
        with suppress(RuntimeError):  # without an event loop they went with their own
            self._closing = asyncio.get_running_loop().create_task(self._close())

    async def __aexit__(self, *error: Any) -> None:
        self.preserve_context = False
        self._forget()
        await self._close()

    def set_cookie(  # type: ignore[override]
        self, key: str, value: str = "", **options: Any
    ) -> None:
        """Set a cookie; the arguments are those of Flask's since Werkzeug 3."""
        self._cookies.set_cookie(key, value, **options)

    def delete_cookie(self, key: str, **options: Any) -> None:  # type: ignore[override]
        """Forget a cookie."""
        self._cookies.delete_cookie(key, **options)

    def get_cookie(self, key: str, domain: str = "localhost", path: str = "/") -> Cookie | None:
        """The cookie of this name, domain and path, if there is one."""
        return self._cookies.get_cookie(key, domain, path)

    def _add_cookies(self, headers: Headers, sent: Sent) -> None:
        environ = {**sent.environ}
        self._cookies._add_cookies_to_wsgi(environ)
        headers.remove("Cookie")
        if "HTTP_COOKIE" in environ:
            headers["Cookie"] = environ["HTTP_COOKIE"]

    def _take_cookies(self, response: Response, sent: Sent) -> None:
        url = urlsplit(get_current_url(sent.environ))
        if self.cookie_jar is not None:  # for websockets, which are Quart's alone
            self.cookie_jar.extract_cookies(
                _TestCookieJarResponse(response.headers),  # type: ignore[arg-type]
                Request(url.geturl()),
            )
        set_there = response.headers.getlist("Set-Cookie")
        self._cookies._update_cookies_from_response(
            url.hostname or "localhost", url.path, set_there
        )


def ported_client(app: Quart, use_cookies: bool = True, **kwargs: Any) -> QuartClient:
    """The app's test client: of the class that it has been given, else a `PortedClient`."""
    of: Any = app.test_client_class
    if of in {None, Quart.test_client_class}:
        return PortedClient(app, use_cookies=use_cookies, **kwargs)
    client: QuartClient = of(app, app.response_class, use_cookies=use_cookies, **kwargs)
    return client


def _redirected(
    app: Quart, response: Response, base: dict[str, Any], kwargs: dict[str, Any]
) -> Sent:
    before: Sent = response.request  # type: ignore[attr-defined]
    target = urlsplit(response.location or "")
    method = before.method
    keeps = response.status_code in {307, 308}
    if not keeps and not (method == "HEAD" or (response.status_code == 301 and method == "GET")):
        method = "GET"
    host = target.netloc or before.headers["Host"]
    path = target.path or before.path
    if not path.startswith("/"):
        path = before.path.rpartition("/")[0] + "/" + path
    options: dict[str, Any] = {"headers": _without_body(before.headers)}
    if keeps:
        options = {"headers": before.headers, "data": before.body}
    return Sent(
        app,
        path,
        method=method,
        query_string=target.query,
        base_url=f"{target.scheme or before.scheme}://{host}/",
        environ_base=base,
        **options,
    )


def _without_body(headers: Headers) -> Headers:
    about_body = {"content-type", "content-length", "cookie", "host"}
    return Headers([(name, value) for name, value in headers if name.lower() not in about_body])


def plain_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """A plain function, for threads of a test, that waits for what a coroutine function does."""

    def called(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return run_apart(result) if isawaitable(result) else result

    return called


def coroutine_function(double: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """A coroutine function that does what a test's double of one does."""

    async def called(*args: Any, **kwargs: Any) -> Any:
        result = double(*args, **kwargs)
        return await result if isawaitable(result) else result

    return called


def generator_function(double: Callable[..., Any]) -> Callable[..., AsyncIterator[Any]]:
    """An asynchronous generator function that gives what a test's double of one does."""

    async def called(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        result = double(*args, **kwargs)
        if isinstance(result, AsyncIterable):
            async for each in result:
                yield each
        else:
            for each in result:
                yield each

    return called
