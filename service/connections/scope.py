"""What one app context, with its copies, has open: opened once, given back once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from threading import get_ident
from time import perf_counter
from typing import Any

from .errors import ContextClosed
from .loops import Loop
from .source import Grant, Source, Turn
from .tasks import ended

_OTHER_LOOP = """The app context in which get_db({name!r}) was called belongs to another event loop.

A connection cannot be used on two loops. In a loop of its own, such as that of asyncio.run in a
thread, enter a context of its own:

    async with app.app_context():
        connection = await get_db({name!r})"""


class Lease:
    """One connection of one scope, from the first `get` until it goes back."""

    __slots__ = ("block", "grant", "opening", "source", "started", "task", "turn", "waiters")

    def __init__(self, source: Source, block: object | None) -> None:
        self.source = source
        self.block = block
        """The `async with` whose end gives it back; None: the end of the scope does."""
        self.task = None if block is None else asyncio.current_task()
        self.grant: Grant | None = None
        self.started = perf_counter()
        self.turn: Turn | None = None
        self.opening: asyncio.Task[None] | None = None
        self.waiters = 0

    def give_up_turn(self) -> None:
        """Wait for nothing any more, if it is in the queue."""
        turn, self.turn = self.turn, None
        if turn is not None:
            self.source.give_up(turn)


class Scope:
    """The lease book of an app context and its copies; it ends when the last of them does.

    The book changes only between two awaits: no task ever sees half of a change.
    """

    __slots__ = (
        "_awaited",
        "_leases",
        "_order",
        "_pins",
        "here",
        "loop",
        "ready",
        "seconds",
        "thread",
    )

    def __init__(self, here: Callable[[], Loop]) -> None:
        self.here = here
        self.loop: asyncio.AbstractEventLoop | None = None
        """The event loop that it belongs to, from its first `enter`."""
        self.thread = 0
        self._leases: dict[str, Lease] = {}
        self._order: list[Lease] = []
        self._pins = 0
        self.seconds: dict[str, float] = {}
        """How long opening took, for each name that was opened."""
        self.ready: dict[str, Callable[[], Generator[Any, Any, Any]]] = {}
        """What `__await__` is, with the connection, for each name that was got more than once."""
        self._awaited: set[asyncio.Task[Any]] | None = None

    def enter(self) -> None:
        """One more context lives on this scope."""
        if not self._pins:
            self.loop, self.thread = asyncio.get_running_loop(), get_ident()
        self._pins += 1

    async def leave(self) -> None:
        """One context fewer; with the last, everything goes back, last opened first.

        Cancelled, everything goes back all the same.
        """
        self._pins -= 1
        if not self._pins:
            if self._awaited:
                await self.here().tasks.finish(self._give_all_back_after(self._awaited))
            else:
                await self.give_all_back()

    def ends_after(self, task: asyncio.Task[Any]) -> None:
        """Nothing goes back at the end before this task is done; it is cancelled then."""
        if self._awaited is None:
            self._awaited = set()
        self._awaited.add(task)
        task.add_done_callback(self._awaited.discard)

    async def give_all_back(self) -> None:
        """Give everything back now, last opened first; cancelled, all the same."""
        if self._leases:
            leases, self._leases = self._leases, {}
            order, self._order = self._order, []
            self.ready.clear()
            opening = len(leases) > len(order)
            if opening:
                for lease in leases.values():
                    lease.give_up_turn()
            if opening or not _give_all_back_nowait(order):
                await self.here().tasks.finish(_end(leases, order))

    async def get(self, name: str, block: object | None = None) -> Any:
        """The connection of this name, opened if it is not yet.

        Args:
            name: as configured.
            block: the `async with` that asks, if one does.

        Raises:
            RuntimeError: this is another event loop than the context's.
            UnknownConnection, ContextClosed, ConnectionUnavailable, PoolTimeout
        """
        if not self.is_here():
            raise RuntimeError(_OTHER_LOOP.format(name=name))
        lease = self._leases.get(name)
        if lease is None:
            here = self.here()
            source = here.source(name)
            if not self._pins:
                raise ContextClosed(name)
            lease = Lease(source, block)
            grant = source.acquire_nowait()
            self._leases[name] = lease
            if grant is not None:
                self._have(name, lease, grant)
                return grant.connection
            lease.turn = source.queue()
            lease.waiters = 1
            if lease.turn is None:
                lease.opening = here.tasks.start(self._open(name, lease))
        else:
            if lease.block is not None and lease.task is not asyncio.current_task():
                lease.block = None  # another task counts on it from now on
            if lease.grant is not None:
                if lease.block is None and name not in self.ready:
                    self.ready[name] = _done(lease.grant.connection)
                return lease.grant.connection
            lease.waiters += 1
        coming = lease.turn or lease.opening
        assert coming is not None
        try:
            await ended(coming)
        except BaseException:
            lease.waiters -= 1
            if not lease.waiters and lease.turn is not None:
                del self._leases[name]
                lease.give_up_turn()
            raise
        lease.waiters -= 1
        if lease.turn is not None:
            self._take_turn(name, lease)
        if not coming.cancelled():
            coming.result()
        if lease.grant is None:
            raise ContextClosed(name)
        return lease.grant.connection

    def is_here(self) -> bool:
        """Whether the running event loop is the one it was entered on."""
        # What asyncio.get_running_loop says costs a system call in Python 3.11.
        return self.thread == get_ident() and self.loop is not None and self.loop.is_running()

    async def end_block(self, name: str, block: object) -> None:
        """The `async with` ends: what it opened goes back, unless another task shares it.

        Cancelled, it goes back all the same.
        """
        lease = self._leases.get(name)
        if lease is not None and lease.block is block:
            await self.give_back(name)

    async def give_back(self, name: str) -> None:
        """Give this one back now, if it is open; cancelled, all the same."""
        lease = self._leases.get(name)
        if lease is not None and lease.grant is not None:
            del self._leases[name]
            self._order.remove(lease)
            self.ready.pop(name, None)
            if not _give_back_nowait(lease):
                await self.here().tasks.finish(_give_back(lease))

    async def _give_all_back_after(self, awaited: set[asyncio.Task[Any]]) -> None:
        for task in awaited:
            task.cancel()
        if awaited:  # some may have ended since
            await asyncio.wait(awaited)
        await self.give_all_back()

    def _have(self, name: str, lease: Lease, grant: Grant) -> None:
        lease.grant = grant
        self._order.append(lease)
        self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - lease.started

    def _take_turn(self, name: str, lease: Lease) -> None:
        turn, lease.turn = lease.turn, None
        assert turn is not None
        if turn.exception() is None:
            self._have(name, lease, turn.result())
        else:
            del self._leases[name]

    async def _open(self, name: str, lease: Lease) -> None:
        try:
            grant = await lease.source.acquire()
        except BaseException:
            if self._leases.get(name) is lease:
                del self._leases[name]
            raise
        if self._leases.get(name) is lease:
            if lease.waiters:
                self._have(name, lease, grant)
                return
            del self._leases[name]
        # Everybody who asked has been cancelled, or the scope has ended.
        lease.grant = grant
        await self.here().tasks.finish(_give_back(lease))


def _done(connection: Any) -> Callable[[], Generator[Any, Any, Any]]:
    future = asyncio.get_running_loop().create_future()
    future.set_result(connection)
    return future.__await__


async def _end(leases: dict[str, Lease], order: list[Lease]) -> None:
    opening = [
        lease.opening for lease in leases.values() if lease.opening and not lease.opening.done()
    ]
    for task in opening:
        task.cancel()
    try:
        if opening:
            await asyncio.wait(opening)
    finally:
        await _give_all_back(order)


async def _give_all_back(order: list[Lease]) -> None:
    cancelled: asyncio.CancelledError | None = None
    while order:
        try:
            await _give_back(order.pop())
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


def _give_all_back_nowait(order: list[Lease]) -> bool:
    """Give back, last opened first, until one has to wait for something; whether none had to."""
    while order:
        if not _give_back_nowait(order[-1]):
            return False
        order.pop()
    return True


def _give_back_nowait(lease: Lease) -> bool:
    if lease.grant is not None and not lease.source.release_nowait(lease.grant):
        return False
    lease.grant = None
    return True


async def _give_back(lease: Lease) -> None:
    grant, lease.grant = lease.grant, None
    if grant is not None:
        await lease.source.release(grant)
