"""Plain functions called in a thread, one at a time, by the tasks of an event loop."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")

LOOP_CHECK = 1.0
"""Seconds after which a thread that waits for a loop looks whether there still is one."""

_MISSING: Any = object()
_thread = threading.local()


class Call(Generic[T]):
    """One call of a plain function: made by a task, run in a thread.

    Everything but `__call__` is for the event loop's thread.
    """

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._context = copy_context()
        self._handled = sys.exc_info()[1]
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._result: Any = None
        self._error: BaseException | None = None
        self._awaited: asyncio.Task[Any] | None = None
        self._must_cancel = False

    def __call__(self) -> None:
        outer, _thread.call = current_call(), self
        try:
            self._result = self._context.run(self._run)
        except BaseException as raised:
            self._error = raised
        finally:
            _thread.call = outer
        with suppress(RuntimeError):  # nobody waits on a loop that is closed
            self._loop.call_soon_threadsafe(self._done.set_result, None)

    async def outcome(self) -> T:
        """What the function returned or raised.

        A cancellation is the function's: it ends what its `run` waits for, or the next `run`. The
        task goes on with it when the function has ended, which nothing can hasten; with another
        error of the function, if it made one of it.
        """
        cancelled: asyncio.CancelledError | None = None
        while not self._done.done():
            try:
                await asyncio.wait([self._done])
            except asyncio.CancelledError as cancellation:
                cancelled = cancellation
                self._cancel()
        adopt(self._context)
        error, self._error = self._error, None
        if error is None or isinstance(error, asyncio.CancelledError):
            error = cancelled or error
        result, self._result = self._result, None
        try:
            if error is None:
                return result  # type: ignore[no-any-return]
            raise error
        finally:
            del error, cancelled, result  # their tracebacks have this frame

    def awaits(self, task: asyncio.Task[Any] | None) -> None:
        """The function has a `run` that waits for this task; None: no more."""
        self._awaited = task
        if task is not None and self._must_cancel:
            self._must_cancel = False
            task.cancel()

    def _cancel(self) -> None:
        if self._awaited is None:
            self._must_cancel = True
        else:
            self._awaited.cancel()

    def _run(self) -> T:
        error = self._handled
        if error is None:
            return self._function()
        # A plain error handler may ask which error is being handled, as logging does.
        traceback = error.__traceback__
        try:
            raise error
        except BaseException:
            error.__traceback__ = traceback
            return self._function()
        finally:
            del error, traceback


class Mailbox:
    """Where a thread takes calls, in their order, until it is closed.

    Attributes:
        outer: of a thread that waits in `run`: the mailbox of the `run` around it, if there is one.
        loop: whose tasks call.
        closed: whether the thread has other things to do.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, outer: Mailbox | None = None) -> None:
        self.loop = loop
        self.outer = outer
        self.closed = False
        self._turn = asyncio.Lock()
        self._calls: SimpleQueue[Call[Any] | None] = SimpleQueue()

    def serve(self) -> None:
        """Take calls, in the thread that calls this, until the mailbox or the loop is closed."""
        while True:
            try:
                call = self._calls.get(timeout=LOOP_CHECK)
            except Empty:
                if self.loop.is_closed():
                    return
                continue
            if call is None:
                return
            call()
            del call  # and what it holds, before the next comes

    async def call(self, function: Callable[[], T]) -> T:
        """What the function returns, called in the thread when it has nothing else to do.

        Raises:
            MailboxClosed: it was not called.
        """
        async with self._turn:
            if self.closed:
                raise MailboxClosed
            call = Call(function)
            self._calls.put(call)
            return await call.outcome()

    def close(self) -> None:
        """Let the thread go, when it has done what it is at."""
        self.closed = True
        self._calls.put(None)


class MailboxClosed(Exception):
    """The thread takes no calls here any more."""


innermost: ContextVar[Mailbox | None] = ContextVar("service.connections.innermost", default=None)
"""The mailbox of the `run` that this code is awaited by."""


def current_call() -> Call[Any] | None:
    """The call that runs in this thread."""
    return getattr(_thread, "call", None)


def adopt(context: Context) -> None:
    """Set here what was set there, so that the next function sees it as under Flask."""
    for variable, value in context.items():
        if variable is not innermost and variable.get(_MISSING) is not value:
            variable.set(value)
