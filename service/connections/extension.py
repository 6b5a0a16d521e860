"""`Connections(app)`: the layer in a Quart app, and what it tells about itself."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from quart import Quart, Response, json

from .accessor import g_class_with
from .bridge import install_bridge
from .configuration import Configured, configure, sync_threads
from .context import current_scope, install
from .errors import ConnectionsError, ConnectionUnavailable, PoolTimeout, UnknownConnection
from .loops import THREADS, Loop, Loops
from .redaction import redacted, told
from .source import Stats

log = logging.getLogger("service.connections")


@dataclass(frozen=True)
class Check:
    """What one ping of a connection found.

    Attributes:
        name: the connection.
        ok: whether the backend answered.
        seconds: how long that took, opening included.
        error: what was wrong, without any password; None if nothing was.
    """

    name: str
    ok: bool
    seconds: float
    error: str | None = None


class Connections:
    """The extension. `Connections(app)`, or `init_app(app)` in an application factory.

    It reads `app.config["CONNECTIONS"]` then, and `SYNC_THREADS`, if given: how many threads each
    event loop has for plain functions (40). An app finds it again as
    `app.extensions["connections"]`. Given to a second app, it makes that app one of its own.

    Raises:
        ConfigurationError: a configuration that cannot work.
    """

    def __init__(self, app: Quart | None = None) -> None:
        self._app: Quart | None = None
        self._configured: dict[str, Configured] = {}
        self._loops = Loops(self._configured)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Read the configuration and wire the app.

        Raises:
            ConfigurationError: a configuration that cannot work.
            RuntimeError: the app has connections already.
        """
        if "connections" in app.extensions:
            raise RuntimeError(f"the app {app.name!r} has connections already")
        if self._app is not None:
            Connections(app)
            return
        self._configured.update(
            configure(app.config.get("CONNECTIONS", {}), app.app_ctx_globals_class)
        )
        self._app = app
        app.extensions["connections"] = self
        app.app_ctx_globals_class = g_class_with(self._configured, app.app_ctx_globals_class)
        self._loops.threads = sync_threads(app.config.get("SYNC_THREADS", THREADS))
        install(app, self.here)
        install_bridge(app)
        app.before_serving(self._open_eager)
        if ConnectionsError not in app.error_handler_spec[None][None]:
            app.register_error_handler(ConnectionsError, _service_unavailable)
        app.shutdown = self._closing_after(app.shutdown)  # type: ignore[method-assign]

    def here(self) -> Loop:
        """What the app has on the running event loop."""
        return self._loops.here()

    @property
    def names(self) -> list[str]:
        """The configured names, in the order of the configuration."""
        return list(self._configured)

    def url(self, name: str) -> str:
        """Where a connection leads, its password replaced by `***`.

        Raises:
            UnknownConnection: it is not configured.
        """
        if name not in self._configured:
            raise UnknownConnection(name, self._configured)
        return redacted(self._configured[name].settings.url)

    def stats(self) -> dict[str, Stats]:
        """The state of every connection on the running loop; opens nothing."""
        try:
            sources = self.here().sources
        except RuntimeError:
            return {name: Stats() for name in self._configured}
        return {name: source.stats() for name, source in sources.items()}

    def opened(self) -> dict[str, float]:
        """The seconds that opening took, for each connection the current app context opened."""
        scope = current_scope()
        return {} if scope is None else dict(scope.seconds)

    async def give_back(self) -> None:
        """Give back now, not at its end, what the current app context has open.

        For a request that is done with its connections and still has something slow to do.
        """
        scope = current_scope()
        if scope is not None:
            await scope.give_all_back()

    def unavailable(self, error: BaseException) -> ConnectionUnavailable | None:
        """Whether a driver's error in the current context means that a connection was lost.

        Returns:
            The error that names the connection, or None if this is an error of another kind.
        """
        for name in self.opened():
            source = self.here().source(name)
            if source.backend.is_unavailable(error):
                return source.health.lost(error)
        return None

    async def check(self, timeout: float = 2.0) -> dict[str, Check]:
        """Ping every configured connection, all at once.

        Args:
            timeout: seconds after which a connection that has not answered counts as dead.
        """
        checks = await asyncio.gather(*(self._check(name, timeout) for name in self._configured))
        return {check.name: check for check in checks}

    async def close(self) -> None:
        """Close the running loop's pools. The app does so itself when it stops serving."""
        await self.here().close()

    def __repr__(self) -> str:
        return f"<Connections {self.stats()}>"

    async def _check(self, name: str, timeout: float) -> Check:
        source = self.here().source(name)
        started = perf_counter()
        problem: str | None = None
        try:
            async with asyncio.timeout(timeout):
                grant = await source.acquire()
                try:
                    await source.backend.ping(grant.connection)
                finally:
                    # Not waited for: it may take longer than the check.
                    self.here().tasks.start(source.release(grant))
        except TimeoutError as error:
            problem = str(error) or f"no answer within {timeout:g} s"
        except ConnectionsError as error:
            problem = str(error) if error.__cause__ is None else told(error.__cause__)
        except Exception as error:
            problem = told(error)
        return Check(name, problem is None, perf_counter() - started, problem)

    async def _open_eager(self) -> None:
        here = self.here()
        for name, (settings, _) in self._configured.items():
            if settings.eager:
                source = here.source(name)
                try:
                    await here.tasks.finish(source.release(await source.acquire()))
                except ConnectionsError as error:
                    log.warning("%s; the app starts without it", error)

    def _closing_after(self, shutdown: Callable[[], Awaitable[None]]) -> Callable[[], Any]:
        async def shutdown_then_close() -> None:
            # after_serving functions have an app context, and may use connections.
            try:
                await shutdown()
            finally:
                await self.close()

        return shutdown_then_close


async def _service_unavailable(error: ConnectionsError) -> Response:
    """What a request gets that needs the connection, unless the app has a handler of its own.

    Raises:
        ConnectionsError: it is a mistake, such as a name that is not configured.
    """
    if not isinstance(error, ConnectionUnavailable | PoolTimeout):
        raise error
    problem = {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": str(error),
        "connection": error.name,
    }
    response = Response(json.dumps(problem), 503, content_type="application/problem+json")
    response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    return response
