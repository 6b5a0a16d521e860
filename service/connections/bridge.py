"""The bridge between plain functions, which Quart runs in threads, and the app's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Sequence,
)
from contextlib import suppress
from contextvars import copy_context
from functools import partial, wraps
from inspect import isawaitable, isgenerator
from typing import Any, Generic, TypeVar
from weakref import finalize

from quart import Quart, Response
from quart.wrappers.response import IterableBody

from .calls import Mailbox, adopt, current_call, innermost
from .context import current_context
from .context_thread import ContextThread
from .scope import Scope

T = TypeVar("T")

_ON_THE_LOOP = """run() was called on the event loop, which would wait for itself.

In a coroutine, await instead: connection = await get_db("a"). A plain function that a coroutine
calls is on the loop, too, unless it is called by: await app.ensure_async(function)(...)"""
_NO_CONTEXT = """run() was called outside of an app context of an app with connections.

Plain functions that Quart calls have the context of their request. Threads of your own have none:
let a task of the loop call what they are for, by: await app.ensure_async(function)(...)"""
_LOOP_STOPPED = "run() waits for the event loop of the app context, which does not run meanwhile"
_LOOP_CLOSED = "the event loop was closed before run() had what it waited for"
_END: Any = object()


def run(awaitable: Awaitable[T]) -> T:
    """Wait in a plain function for what only the app's event loop can do.

    For functions that Quart runs in a thread: plain routes, hooks, error handlers, teardowns. The
    awaitable is awaited on the loop, in the context of the function: `run(get_db("a"))` is the
    connection that `await get_db("a")` is elsewhere in the context. It is named and used like
    `asyncio.run`; with the loop that is there instead of a new one.

    Raises:
        BaseException: what the awaitable raises.
        asyncio.CancelledError: the task that called the function was cancelled, as when its client
            leaves, and so was the awaitable; or the app context has ended.
        RuntimeError: this is the event loop itself, there is no app context, or no loop any more.
        TypeError: what was given is not awaitable.
    """
    if not isawaitable(awaitable):
        raise TypeError(
            f"run() needs an awaitable, such as get_db('a'), not {type(awaitable).__name__}"
        )
    context = current_context()
    on_the_loop = _is_on_a_loop()
    if on_the_loop or context is None:
        _discard(awaitable)
        raise RuntimeError(_ON_THE_LOOP if on_the_loop else _NO_CONTEXT)
    if context.scope.loop is not None and not context.scope.loop.is_running():
        _discard(awaitable)
        raise RuntimeError(_LOOP_STOPPED)
    return _Run(awaitable, context.scope).result()


class _Run(Generic[T]):
    """One `run`: a task of the loop, and a thread that takes calls until the task is done."""

    def __init__(self, awaitable: Awaitable[T], scope: Scope) -> None:
        assert scope.loop is not None
        self._awaitable = awaitable
        self._scope = scope
        self._loop = scope.loop
        self._call = current_call()
        self._mailbox = Mailbox(scope.loop, outer=innermost.get())
        self._context = copy_context()
        self._context.run(innermost.set, self._mailbox)
        self._task: asyncio.Task[T] | None = None

    def result(self) -> T:
        try:
            self._loop.call_soon_threadsafe(self._begin)
        except RuntimeError:
            _discard(self._awaitable)
            raise RuntimeError(_LOOP_CLOSED) from None
        self._mailbox.serve()
        if self._task is None or not self._task.done():
            raise RuntimeError(_LOOP_CLOSED)
        adopt(self._context)
        return self._task.result()

    def _begin(self) -> None:
        work: Any = self._awaitable
        if not isinstance(work, Coroutine):
            work = _awaiting(work)
        self._task = self._loop.create_task(work, context=self._context)
        self._scope.ends_after(self._task)
        self._task.add_done_callback(self._end)
        if self._call is not None:
            self._call.awaits(self._task)

    def _end(self, task: asyncio.Task[T]) -> None:
        if self._call is not None:
            self._call.awaits(None)
        self._mailbox.close()


async def _awaiting(awaitable: Awaitable[T]) -> T:
    return await awaitable


def _discard(awaitable: Awaitable[Any]) -> None:
    if isinstance(awaitable, Coroutine):
        awaitable.close()  # or Python reports that it was never awaited


def _is_on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def install_bridge(app: Quart) -> None:
    """Let the app's plain functions run each in the thread of its context."""
    elsewhere = app.sync_to_async

    def sync_to_async(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        @wraps(function)
        async def call(*args: Any, **kwargs: Any) -> Any:
            thread = _thread_here()
            if thread is None:
                return await elsewhere(function)(*args, **kwargs)
            result = await thread.call(partial(function, *args, **kwargs))
            if isinstance(result, Coroutine):  # a plain decorator around a coroutine function
                return await result
            return _iterated_in(thread, result) if isgenerator(result) else result

        return call

    app.sync_to_async = sync_to_async  # type: ignore[assignment,method-assign]
    # Quart has no place to say so for one app: routes make responses of Quart's own class.
    Response.iterable_body_class = ContextBody


def _thread_here() -> ContextThread | None:
    """The thread of the current app context; None if there is none, or on another loop."""
    context = current_context()
    if context is None or not _is_on_a_loop():
        return None if context is None else context.thread
    if context.scope.loop is not asyncio.get_running_loop():
        return None
    return context.thread_of_functions()


class ContextBody(IterableBody):
    """A response's body from a plain iterator, which runs in the thread of its context, too."""

    def __init__(self, iterable: Any) -> None:
        if isinstance(iterable, Iterable) and not isinstance(iterable, Sequence):
            thread = _thread_here()
            if thread is not None:
                iterable = _iterated_in(thread, iter(iterable))
        super().__init__(iterable)


def _iterated_in(thread: ContextThread, iterator: Iterator[T]) -> AsyncGenerator[T]:
    """The items of the iterator; its thread is kept until it ends, which is after the context."""
    holder = object()

    def let_go() -> None:
        with suppress(RuntimeError):  # the loop may be closed when garbage is collected
            thread.loop.call_soon_threadsafe(thread.let_go, holder)

    async def items() -> AsyncGenerator[T]:
        try:
            while (item := await thread.call(partial(next, iterator, _END))) is not _END:
                yield item
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                await thread.call(close)
            let_go_once()

    found = items()
    thread.hold_for_a_body(holder)
    # A body that is never sent is never closed.
    let_go_once = finalize(found, let_go)
    let_go_once.atexit = False
    return found
