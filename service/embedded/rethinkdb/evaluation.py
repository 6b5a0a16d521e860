"""Queries that take long: they make way for others, and end at a limit.

The work runs in a greenlet, so that `step` can leave it from any depth and `run` go on with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import Any, Final, TypeVar

from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]

from .errors import TimeLimitError

T = TypeVar("T")
Work = Callable[[], bytes]

SLICE_SECONDS: Final = 0.005
MOST_SECONDS: Final = 10.0


class _Thread(threading.local):
    """Of each thread: what it evaluates now, and the greenlets to evaluate in next."""

    def __init__(self) -> None:
        self.current: Evaluation | None = None
        self.idle: list[Any] = []


_thread = _Thread()


def _worker(work: Work) -> None:
    """A greenlet's life: making one costs more than most queries do, so they are used again."""
    me = getcurrent()
    while True:
        answer = work()
        _thread.idle.append(me)
        work = me.parent.switch(answer)


class Evaluation:
    """Work on one answer, done in slices of `SLICE_SECONDS`, `MOST_SECONDS` in all."""

    def __init__(self, work: Work) -> None:
        self._work: Work | None = work
        self._greenlet = _thread.idle.pop() if _thread.idle else greenlet(_worker)
        self._held = False
        self._spent = 0.0
        self._since = 0.0

    def run(self) -> bytes | None:
        """Work on: the answer, or None if it is not there yet and others are to have a turn."""
        before, _thread.current = _thread.current, self
        work, self._work = self._work, None
        self._since = monotonic()
        try:
            answer: bytes | None = self._greenlet.switch(work)
        finally:
            _thread.current = before
        return answer

    def stop(self) -> None:
        """Give up work that has made way."""
        self._greenlet.throw()

    def hold(self) -> None:
        self._held = True

    def step(self) -> None:
        now = monotonic()
        elapsed = now - self._since
        if elapsed < SLICE_SECONDS and self._spent < MOST_SECONDS:
            return
        self._spent += elapsed
        self._since = now
        if self._spent >= MOST_SECONDS:
            raise TimeLimitError(
                f"Query over time limit: this server works {MOST_SECONDS:g} s on an answer."
            )
        if not self._held:
            self._greenlet.parent.switch(None)


def hold() -> None:
    """What runs now is not to make way: nobody may see, or change, what it has half done."""
    if _thread.current is not None:
        _thread.current.hold()


def step() -> None:
    """Called wherever a query can go on for long. Raises `TimeLimitError`."""
    if _thread.current is not None:
        _thread.current.step()


def stepping(items: Iterable[T]) -> Iterator[T]:
    """The items, with a step before each. Raises `TimeLimitError`."""
    for item in items:
        step()
        yield item
