"""The threads for plain functions: a bounded pool, which no request that waits can block."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from threading import Thread

from .calls import Mailbox

STANDSTILL = 0.05
"""Seconds without a thread given back after which those who wait get one more."""
MOST = 10
"""How many times its size the pool may have then."""


class Threads:
    """The pool of one event loop. A context has a thread to itself, from its first plain function.

    While all are taken, contexts wait in their order. If none comes back meanwhile, whoever has
    one may be waiting for them: the pool grows, one by one, and shrinks when the wait is over.

    Attributes:
        size: how many threads there are at most, while some come back.
        count: how many there are.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.count = 0
        self._idle: list[Mailbox] = []
        self._waiting: deque[asyncio.Future[Mailbox]] = deque()
        self._watch: asyncio.TimerHandle | None = None

    @property
    def at_work(self) -> int:
        """How many of them contexts have."""
        return self.count - len(self._idle)

    async def acquire(self) -> Mailbox:
        """A thread of one's own, by its mailbox. Cancelled, none is taken."""
        if self._idle:
            return self._idle.pop()
        if self.count < self.size:
            return self._start()
        place: asyncio.Future[Mailbox] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        if self._watch is None:
            self._watch_for_a_standstill()
        try:
            return await place
        except BaseException:
            if place.done() and not place.cancelled():
                self.give_back(place.result())
            raise

    def give_back(self, thread: Mailbox) -> None:
        """The next who waits gets it; a thread that the pool has too many ends."""
        if self._watch is not None:
            self._watch_for_a_standstill()
        if self._hand_over(thread):
            return
        if self.count > self.size:
            self._end(thread)
        else:
            self._idle.append(thread)

    def close(self) -> None:
        """End those that nobody has."""
        while self._idle:
            self._end(self._idle.pop())

    def _start(self) -> Mailbox:
        mailbox = Mailbox(asyncio.get_running_loop())
        # A daemon: a function that never returns must not keep the process from its end.
        Thread(target=mailbox.serve, name="service.connections", daemon=True).start()
        self.count += 1
        return mailbox

    def _end(self, thread: Mailbox) -> None:
        self.count -= 1
        thread.close()

    def _hand_over(self, thread: Mailbox) -> bool:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(thread)
                return True
        return False

    def _watch_for_a_standstill(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._watch = asyncio.get_running_loop().call_later(STANDSTILL, self._grow)

    def _grow(self) -> None:
        self._watch = None
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        if self._waiting:
            if self.count < self.size * MOST:
                with suppress(RuntimeError):  # the system has no thread to give
                    self._hand_over(self._start())
            self._watch_for_a_standstill()
