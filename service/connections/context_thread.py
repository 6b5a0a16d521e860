"""The thread of one app context: all its plain functions run there, as under Flask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar
from weakref import ref

from .calls import Mailbox, MailboxClosed, innermost
from .threads import Threads

T = TypeVar("T")


class ContextThread:
    """Taken from the pool at the first call, given back when nobody holds it any more.

    Attributes:
        loop: whose plain functions it runs.
    """

    def __init__(self, threads: Threads) -> None:
        self.loop = asyncio.get_running_loop()
        # Not kept: it has the error it ended with, and that has the frames with the response.
        self._task = ref(task) if (task := asyncio.current_task()) else None
        self._threads = threads
        self._taking = asyncio.Lock()
        self._mailbox: Mailbox | None = None
        self._holders: set[object] = set()
        self._bodies: set[object] = set()

    @property
    def is_of_this_task(self) -> bool:
        """Whether the current task made the first call: its nested contexts share the thread."""
        return self._task is not None and self._task() is asyncio.current_task()

    def hold(self, holder: object) -> None:
        """Keep the thread, once there is one, until `let_go` with the same holder."""
        self._holders.add(holder)

    def hold_for_a_body(self, body: object) -> None:
        """The same, for what will be sent when the context has ended, if it is sent at all."""
        self._bodies.add(body)

    def nothing_will_be_sent(self) -> None:
        """Let all the bodies go. Should one be read after all, it may be in another thread."""
        self._bodies.clear()

    def let_go(self, holder: object) -> None:
        """Do without the thread; without effect for who does not hold it."""
        self._holders.discard(holder)
        self._bodies.discard(holder)
        if not self._holders and not self._bodies and self._mailbox is not None:
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
