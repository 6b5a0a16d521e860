"""The seam into Quart: its three contexts, with a scope that ends when the last of them ends.

Quart makes every context through `app.app_context`, `app.request_context` and
`app.websocket_context` (see `quart/ctx.py`); `install` answers these with the classes below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quart import Quart
from quart.ctx import AppContext, RequestContext, WebsocketContext, _sentinel
from quart.globals import _cv_app
from quart.wrappers import Request, Websocket

from .loops import Loop
from .scope import Scope

_MISSING: Any = _sentinel


class ScopedAppContext(AppContext):
    """An app context with a scope, which its copies share as they share `g`."""

    def __init__(self, app: Quart, scope: Scope) -> None:
        super().__init__(app)
        self.scope = scope
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
            if self._let_go:
                self._let_go = False
            else:
                await self.scope.leave()

    async def let_go(self) -> None:
        """Leave the scope before the pop, which may never come."""
        self._let_go = True
        await self.scope.leave()


class _Sharing:
    """A request's or websocket's context inside an app context that was there before it.

    So is a copy in a task of its own: it keeps the scope of the app context it inherited.
    """

    _cv_tokens: list[Any]
    preserved: bool
    _shared: list[Scope]

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

    app.app_context = app_context  # type: ignore[method-assign]
    app.request_context = request_context  # type: ignore[method-assign]
    app.websocket_context = websocket_context  # type: ignore[method-assign]
