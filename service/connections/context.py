"""The seam into Quart: its three contexts, with a scope that ends when the last of them ends.

Quart makes every context through `app.app_context`, `app.request_context` and
`app.websocket_context` (see `quart/ctx.py`); `install` answers these with the classes below. Where
Quart's teardowns differ from Flask's, code that closes connections in them would err: they get
the error that nobody handled, and those of the app context run last registered first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from quart import Quart
from quart.ctx import AppContext, RequestContext, WebsocketContext, _sentinel
from quart.globals import _cv_app, _cv_request, _cv_websocket
from quart.signals import appcontext_tearing_down
from quart.typing import ResponseTypes
from quart.wrappers import Request, Websocket

from .context_thread import ContextThread
from .loops import Loop
from .scope import Scope

_MISSING: Any = _sentinel


class ScopedAppContext(AppContext):
    """An app context with a scope, which its copies share as they share `g`."""

    def __init__(self, app: Quart, scope: Scope) -> None:
        super().__init__(app)
        self.scope = scope
        self.thread: ContextThread | None = None
        self._let_go = False

    def copy(self) -> ScopedAppContext:
        context = ScopedAppContext(self.app, self.scope)
        context.g = self.g
        return context

    async def push(self) -> None:
        self.scope.enter()
        try:
            await super().push()
        except BaseException as error:
            await self.pop(error)
            raise

    async def pop(self, exc: BaseException | None = _MISSING) -> None:
        # After Quart's own pop: all teardown functions have run, or one of them has raised.
        try:
            await super().pop(exc)
        finally:
            if self.thread is not None and isinstance(exc, asyncio.CancelledError):
                self.thread.nothing_will_be_sent()
            if self._let_go:
                self._let_go = False
            else:
                await self._leave()

    async def let_go(self) -> None:
        """Leave the scope before the pop, which may never come."""
        self._let_go = True
        await self._leave()

    def thread_of_functions(self) -> ContextThread:
        """Where its plain functions run; for its event loop."""
        if self.thread is None:
            self.thread = self._outer_thread() or ContextThread(self.scope.here().threads)
        if self._cv_tokens and not self._let_go:
            self.thread.hold(self)
        return self.thread

    def _outer_thread(self) -> ContextThread | None:
        # Of the context around this one, unless a task of its own was begun between them.
        outer = self._cv_tokens[-1].old_value if self._cv_tokens else None
        thread = outer.thread if isinstance(outer, ScopedAppContext) else None
        return thread if thread is not None and thread.is_of_this_task else None

    async def _leave(self) -> None:
        try:
            await self.scope.leave()
        finally:
            if self.thread is not None and (self._let_go or not self._cv_tokens):
                self.thread.let_go(self)


class _Sharing:
    """A request's or websocket's context inside an app context that was there before it.

    So is a copy in a task of its own: it keeps the scope of the app context it inherited.
    """

    _cv_tokens: list[Any]
    preserved: bool
    _shared: list[Scope]
    unhandled: BaseException | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._shared = []

    async def push(self) -> None:
        depth = len(self._cv_tokens)
        inherited = current_scope()
        if inherited is not None:
            inherited.enter()
        try:
            await super().push()  # type: ignore[misc]
        except BaseException as error:
            # Quart leaves the app context pushed: nobody would ever end it.
            if len(self._cv_tokens) > depth and (context := self._cv_tokens[-1][1]) is not None:
                await context.pop(error)
            if inherited is not None:
                await inherited.leave()
            raise
        if inherited is not None:
            if self._cv_tokens[-1][1] is None:
                self._shared.append(inherited)
            else:
                await inherited.leave()

    async def pop(self, exc: BaseException | None = _MISSING) -> None:
        shares = self._cv_tokens[-1][1] is None and bool(self._shared)
        if self.unhandled is not None:
            exc, self.unhandled = self.unhandled, None
        try:
            await super().pop(exc)  # type: ignore[misc]
        finally:
            if shares:
                await self._shared.pop().leave()

    async def auto_pop(self, exc: BaseException | None) -> None:
        await super().auto_pop(exc)  # type: ignore[misc]
        if self.preserved:
            # Quart keeps this context for a debugger or a test, and may never pop it.
            if isinstance(context := self._cv_tokens[-1][1], ScopedAppContext):
                await context.let_go()
            elif self._shared:
                await self._shared.pop().leave()


class ScopedRequestContext(_Sharing, RequestContext):
    """A request context that keeps the scope it lives on."""


class ScopedWebsocketContext(_Sharing, WebsocketContext):
    """A websocket context that keeps the scope it lives on."""


def current_context() -> ScopedAppContext | None:
    """The current app context, if there is one and it has a scope."""
    context = _cv_app.get(None)
    return context if isinstance(context, ScopedAppContext) else None


def current_scope() -> Scope | None:
    """The scope of the current app context; None outside one."""
    return getattr(_cv_app.get(None), "scope", None)


def install(app: Quart, here: Callable[[], Loop]) -> None:
    """Make the app's contexts scoped ones; `here` gives what the running loop has."""

    def app_context() -> AppContext:
        return ScopedAppContext(app, Scope(here))

    def request_context(request: Request) -> RequestContext:
        return ScopedRequestContext(app, request)

    def websocket_context(websocket: Websocket) -> WebsocketContext:
        return ScopedWebsocketContext(app, websocket)

    async def do_teardown_appcontext(exc: BaseException | None) -> None:
        for function in reversed(app.teardown_appcontext_funcs):
            await app.ensure_async(function)(exc)
        await appcontext_tearing_down.send_async(app, _sync_wrapper=app.ensure_async, exc=exc)  # type: ignore[arg-type]

    answer, answer_websocket = app.handle_exception, app.handle_websocket_exception

    async def handle_exception(error: Exception) -> ResponseTypes:
        if isinstance(context := _cv_request.get(None), ScopedRequestContext):
            context.unhandled = error
        return await answer(error)

    async def handle_websocket_exception(error: Exception) -> ResponseTypes | None:
        if isinstance(context := _cv_websocket.get(None), ScopedWebsocketContext):
            context.unhandled = error
        return await answer_websocket(error)

    if type(app).do_teardown_appcontext is Quart.do_teardown_appcontext:
        app.do_teardown_appcontext = do_teardown_appcontext  # type: ignore[method-assign]
    app.handle_exception = handle_exception  # type: ignore[method-assign]
    app.handle_websocket_exception = handle_websocket_exception  # type: ignore[method-assign]
    app.app_context = app_context  # type: ignore[method-assign]
    app.request_context = request_context  # type: ignore[method-assign]
    app.websocket_context = websocket_context  # type: ignore[method-assign]
