"""Work that must end, whatever happens to the task that began it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def result_now(steps: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns that is known to wait for nothing.

    Raises:
        AssertionError: it waits; it is closed then.
    """
    try:
        steps.send(None)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
    steps.close()
    raise AssertionError(f"{steps!r} waits")


async def ended(task: asyncio.Future[Any]) -> None:
    """Wait until it is done; cancelled, leave it alone. As asyncio.wait, for the one."""
    if task.done():
        return
    waiter = asyncio.get_running_loop().create_future()

    def wake(_: asyncio.Future[Any]) -> None:
        if not waiter.done():
            waiter.set_result(None)

    task.add_done_callback(wake)
    try:
        await waiter
    finally:
        task.remove_done_callback(wake)


class Tasks:
    """The tasks of one event loop that others wait for, kept until they are done."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run it in a task of its own, at once where Python can (3.12)."""
        loop = asyncio.get_running_loop()
        if sys.version_info >= (3, 12):
            task = asyncio.Task(work, loop=loop, eager_start=True)
        else:
            task = loop.create_task(work)
        if not task.done():
            self._running.add(task)
        task.add_done_callback(self._done)
        return task

    async def outcome(self, task: asyncio.Task[T]) -> T:
        """Wait for it; the waiter's own cancellation leaves it alone.

        Raises:
            InterruptedError: the task was cancelled, which only the end of its loop does.
        """
        await ended(task)
        if task.cancelled():
            raise InterruptedError("cancelled before it was done")
        return task.result()

    async def finish(self, work: Coroutine[Any, Any, None]) -> None:
        """Run it to its end. Cancelled, it goes on alone and the cancellation goes on here."""
        task = self.start(work)
        await ended(task)
        if not task.cancelled():
            task.result()

    async def drain(self, timeout: float) -> None:
        """Wait until nothing runs any more, at most `timeout` seconds."""
        if self._running:
            await asyncio.wait(set(self._running), timeout=timeout)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits hears of it; if nobody does, nobody needs to
