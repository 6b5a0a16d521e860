"""The thread of one app context: all its plain functions run there, as under Flask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from .calls import Mailbox, MailboxClosed, innermost
from .threads import Threads

T = TypeVar("T")


class ContextThread:
    """Taken from the pool at the first call, given back when nobody holds it any more.

    Attributes:
        loop: whose plain functions it runs.
        task: which made the first call; contexts that it enters meanwhile share the thread.
    """

    def __init__(self, threads: Threads) -> None:
        self.loop = asyncio.get_running_loop()
        self.task = asyncio.current_task()
        self._threads = threads
        self._taking = asyncio.Lock()
        self._mailbox: Mailbox | None = None
        self._holders: set[object] = set()

    def hold(self, holder: object) -> None:
        """Keep the thread, once there is one, until `let_go` with the same holder."""
        self._holders.add(holder)

    def let_go(self, holder: object) -> None:
        """Do without the thread; without effect for who does not hold it."""
        self._holders.discard(holder)
        if not self._holders and self._mailbox is not None:
            mailbox, self._mailbox = self._mailbox, None
            self._threads.give_back(mailbox)

    async def call(self, function: Callable[[], T]) -> T:
        """What the function returns, called in the thread, one at a time.

        Where a `run` of a thread waits for the caller, in that thread: it has nothing else to do.
        """
        waiting = innermost.get()
        while waiting is not None:
            if not waiting.closed and waiting.loop is asyncio.get_running_loop():
                with suppress(MailboxClosed):
                    return await waiting.call(function)
            waiting = waiting.outer
        turn = object()
        self.hold(turn)
        try:
            async with self._taking:
                if self._mailbox is None:
                    self._mailbox = await self._threads.acquire()
            return await self._mailbox.call(function)
        finally:
            self.let_go(turn)
