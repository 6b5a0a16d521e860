"""One configured connection on one event loop: its pool and its waiting queue."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from .backend import Backend, Settings
from .errors import ConnectionUnavailable, PoolTimeout
from .health import Health
from .redaction import told
from .tasks import Tasks, ended

log = logging.getLogger("service.connections")

RELEASE_TIMEOUT = 10.0
"""Seconds that a backend may take to take a connection back."""
CLOSE_TIMEOUT = 5.0
"""Seconds that a backend may take to close its pool."""

NOT_OPEN: Any = object()
"""In place of a pool: a backend's pool may be anything, None too."""


@dataclass(frozen=True)
class Stats:
    """The state of one connection on the running loop.

    Attributes:
        pool: whether its pool exists.
        size: connections open to the server.
        idle: of these, how many nobody holds.
        in_use: contexts that hold one.
        waiting: tasks that wait for a place in the pool.
        opened: times one was given to a context.
        failed: times that failed, pool timeouts included.
    """

    pool: bool = False
    size: int = 0
    idle: int = 0
    in_use: int = 0
    waiting: int = 0
    opened: int = 0
    failed: int = 0


class Grant(NamedTuple):
    """A connection and the pool it must go back to."""

    pool: Any
    connection: Any


Turn: TypeAlias = "asyncio.Future[Grant]"
"""Somebody's place in the waiting queue; the connection, when it comes."""


class Source:
    """Where the connections of one name come from, on one event loop."""

    def __init__(self, settings: Settings, backend: Backend[Any, Any], tasks: Tasks) -> None:
        self.settings = settings
        self.backend = backend
        self.health = Health(settings)
        self._tasks = tasks
        self._pool: Any = NOT_OPEN
        self._opening: asyncio.Task[Any] | None = None
        self._waiting: deque[Turn] = deque()
        self._awaiting_pool = 0
        self._nobody_awaits_pool = asyncio.Event()
        self._in_use = 0
        self._opened = 0
        self._failed = 0
        # Where the driver has the places, whoever opens a connection waits for one first.
        self._patience = settings.connect_timeout + backend.shared * settings.acquire_timeout

    async def acquire(self) -> Grant:
        """A connection, with the place in the pool that it takes.

        Cancelled, it leaves neither a connection nor a place taken.

        Raises:
            ConnectionUnavailable: the backend cannot be reached, or is known not to be.
            PoolTimeout: no place for `acquire_timeout` seconds.
        """
        try:
            self.health.check()
        except ConnectionUnavailable:
            self._failed += 1
            raise
        if self._has_room():
            self._in_use += 1
            return await self._acquire_in_place()
        turn = self._queue()
        try:
            await ended(turn)
        except asyncio.CancelledError:
            self.give_up(turn)
            raise
        return turn.result()

    async def release(self, grant: Grant) -> None:
        """Give one back. Never raises but for cancellation: a failure is logged, the place freed.

        Cancelled, the backend's own `release` sees the cancellation, and the place is freed.
        """
        try:
            await self._take_back(grant)
        finally:
            self._leave()

    def acquire_nowait(self) -> Grant | None:
        """The same as `acquire` if nothing is in doubt and nothing is waited for; None if not."""
        if not self._has_room():
            return None
        grant = self._grant_nowait()
        if grant is not None:
            self._in_use += 1
            self._opened += 1
        return grant

    def queue(self) -> Turn | None:
        """The same as `acquire` if there is only one's turn to wait for; None if not.

        Who does not want it any more must `give_up`.
        """
        return None if self._has_room() or self.health.failures else self._queue()

    def give_up(self, turn: Turn) -> None:
        """Leave the queue; what has come at this moment goes back."""
        if turn.cancel():
            with suppress(ValueError):  # a connection is being opened for it
                self._waiting.remove(turn)
        elif turn.exception() is None:
            grant = turn.result()
            if not self.release_nowait(grant):
                self._tasks.start(self.release(grant))

    def release_nowait(self, grant: Grant) -> bool:
        """The same as `release` if nothing is waited for; False, and `release` must follow."""
        try:
            if not self.backend.release_nowait(*grant):
                return False
        except Exception as error:
            self._not_given_back(error)
        self._leave()
        return True

    async def open(self) -> Any:
        """The pool, made if there is none; several callers share one attempt.

        Raises:
            Exception: whatever the backend's `open` raises, or `TimeoutError`.
        """
        if self._pool is not NOT_OPEN and self._awaiting_pool:
            await self._nobody_awaits_pool.wait()  # a step or two: they came before
        if self._pool is not NOT_OPEN:
            return self._pool
        if self._opening is None or self._opening.done():
            self._opening = self._tasks.start(self._open())
        self._awaiting_pool += 1
        self._nobody_awaits_pool.clear()
        try:
            return await self._tasks.outcome(self._opening)
        finally:
            self._awaiting_pool -= 1
            if not self._awaiting_pool:
                self._nobody_awaits_pool.set()

    async def close(self) -> None:
        """Close the pool, if there is one. A later `acquire` makes a new one."""
        if self._opening is not None and not self._opening.done():
            self._opening.cancel()
            await asyncio.wait([self._opening])
        pool, self._pool = self._pool, NOT_OPEN
        if pool is NOT_OPEN:
            return
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self.backend.close(pool)
        except Exception as error:
            log.warning("connection %r: closing failed: %s", self.settings.name, told(error))

    def stats(self) -> Stats:
        """What is so now; opens nothing."""
        size, idle = (0, 0) if self._pool is NOT_OPEN else self.backend.counts(self._pool)
        return Stats(
            pool=self._pool is not NOT_OPEN,
            size=size,
            idle=idle,
            in_use=self._in_use,
            waiting=len(self._waiting),
            opened=self._opened,
            failed=self._failed,
        )

    # The pool

    async def _acquire_in_place(self) -> Grant:
        try:
            grant = self._grant_nowait() or await self._connect()
        except BaseException as error:
            self._leave()
            self._failed += isinstance(error, ConnectionUnavailable | PoolTimeout)
            raise
        self._opened += 1
        return grant

    async def _open(self) -> Any:
        async with asyncio.timeout(self.settings.connect_timeout):
            self._pool = await self.backend.open()
        return self._pool

    def _grant_nowait(self) -> Grant | None:
        if self._pool is NOT_OPEN or self._awaiting_pool or self.health.doubt is not None:
            return None
        connection = self.backend.acquire_nowait(self._pool)
        return None if connection is None else Grant(self._pool, connection)

    async def _connect(self) -> Grant:
        # Checked again: the backend may have been found dead while this task waited its turn.
        with self.health.attempt():
            pool = await self.open()
            async with asyncio.timeout(self._patience):
                return await self._proven(pool) or Grant(pool, await self.backend.acquire(pool))

    async def _proven(self, pool: Any) -> Grant | None:
        """One that answers, if that is in doubt: to a backend that hangs, connections look open.

        None once there is no doubt.
        """
        if self.health.doubt is None:
            return None
        async with self.health.one_asks() as asks:
            if not asks:
                return None
            grant = Grant(pool, await self.backend.acquire(pool))
            try:
                await self.backend.ping(grant.connection)
            except BaseException:
                await self._tasks.finish(self._take_back(grant))
                raise
            self.health.answered()
            return grant

    async def _take_back(self, grant: Grant) -> None:
        try:
            async with asyncio.timeout(RELEASE_TIMEOUT):
                await self.backend.release(*grant)
        except Exception as error:
            self._not_given_back(error)

    def _not_given_back(self, error: Exception) -> None:
        log.warning("connection %r: giving back failed: %s", self.settings.name, told(error))

    # The waiting queue: first come, first served; a place is handed over, never raced for

    def _has_room(self) -> bool:
        return self.backend.shared or (self._in_use < self.settings.max_size and not self._waiting)

    def _queue(self) -> Turn:
        loop = asyncio.get_running_loop()
        turn: Turn = loop.create_future()
        self._waiting.append(turn)
        timer = loop.call_later(self.settings.acquire_timeout, self._too_late, turn)
        turn.add_done_callback(lambda _: timer.cancel())
        return turn

    def _too_late(self, turn: Turn) -> None:
        if turn in self._waiting:
            self._waiting.remove(turn)
            self._failed += 1
            name, seconds = self.settings.name, self.settings.acquire_timeout
            turn.set_exception(PoolTimeout(name, max_size=self.settings.max_size, waited=seconds))

    def _leave(self) -> None:
        self._in_use -= 1
        while self._waiting and self._in_use < self.settings.max_size:
            turn = self._waiting.popleft()
            self._in_use += 1
            grant = self._grant_nowait()
            if grant is None:
                self._tasks.start(self._open_for(turn))
            else:
                self._opened += 1
                turn.set_result(grant)

    async def _open_for(self, turn: Turn) -> None:
        await asyncio.sleep(0)  # one that fails lets the next one begin, and so on
        try:
            grant = await self._acquire_in_place()
        except Exception as error:
            if not turn.done():
                turn.set_exception(error)
        else:
            if turn.done():
                await self.release(grant)
            else:
                turn.set_result(grant)
