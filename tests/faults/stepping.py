"""A loop that counts the moments at which something else can happen, and cuts in at them.

Between two callbacks of a loop, and before it waits for the network, is every moment at which a
task can be cancelled. A run is repeated with a cut at its first moment, at its second, and so on,
until one ends before its cut comes: then no moment is left, and no `await` was passed over.
"""

from __future__ import annotations

import ast
import asyncio
import gc
import selectors
import sys
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator
from contextvars import Context
from itertools import count
from pathlib import Path
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType, ModuleType
from typing import Any, TypeVarTuple

Ts = TypeVarTuple("Ts")

Cut = Callable[[], object]
Place = tuple[str, int]
"""An `await`: file and line."""


class SteppedLoop(asyncio.SelectorEventLoop):
    """An event loop that can be cut in at each of its moments.

    Attributes:
        reached: the places that a task waited at as a cut came.
        inside: how many cuts came while a task was in this function, by its qualified name.
    """

    def __init__(self) -> None:
        super().__init__(_Selector(self._now))
        self.reached: set[Place] = set()
        self.inside: Counter[str] = Counter()
        self._task: asyncio.Task[Any] | None = None
        self._moment = 0
        self._cuts: deque[tuple[int, Cut]] = deque()

    async def cut_in(self, task: asyncio.Task[Any], cuts: Iterable[tuple[int, Cut]]) -> int:
        """Do something at some moments of a task that begins, and wait for it.

        Args:
            task: what is running from its first moment to its last.
            cuts: at which moments, in rising order, and what.

        Returns:
            How many of them the task did not live to see.
        """
        self._task, self._moment, self._cuts = task, 0, deque(cuts)
        await asyncio.wait([task])
        self._task = None
        return len(self._cuts)

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        return super().call_soon(self._step, callback, args, context=context)

    def _step(self, callback: Callable[[*Ts], object], args: tuple[*Ts]) -> None:
        self._now()
        callback(*args)

    def _now(self) -> bool:
        """Whether something was cut at this moment."""
        if not self._cuts or self._task is None or self._task.done():
            return False
        self._moment += 1
        cut = False
        while self._cuts and self._cuts[0][0] == self._moment:
            self._look()
            self._cuts.popleft()[1]()
            cut = True
        return cut

    def _look(self) -> None:
        waiting = [frame for task in asyncio.all_tasks(self) for frame in frames(task.get_coro())]
        self.reached.update((frame.f_code.co_filename, frame.f_lineno) for frame in waiting)
        self.inside.update({frame.f_code.co_qualname for frame in waiting})


class _Selector(selectors.DefaultSelector):
    def __init__(self, now: Callable[[], bool]) -> None:
        super().__init__()
        self._now = now

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout != 0 and self._now():
            timeout = 0  # the cut has given the loop something to do
        return super().select(timeout)


def step_once(run: Callable[[tuple[int, ...]], int]) -> int:
    """Cut once at every moment.

    Args:
        run: runs anew with a cut at each of the given moments; returns how many did not come.

    Returns:
        How many moments there are.
    """
    for moment in count(1):
        if run((moment,)):
            return moment - 1
    raise AssertionError


def step_twice(run: Callable[[tuple[int, ...]], int], within: int = sys.maxsize) -> int:
    """Cut at every moment, and again at the same and at each later one.

    Args:
        run: as for `step_once`.
        within: the second cut comes at most so many moments after the first.

    Returns:
        How many such pairs there are.
    """
    pairs = 0
    for first in count(1):
        for second in count(first):
            if second - first > within:
                break
            left = run((first, second))
            if left == 2:
                return pairs
            if left:
                break
            pairs += 1
    raise AssertionError


async def others_ended(besides: Collection[str] = (), seconds: float = 10.0) -> None:
    """Wait until no other task is left.

    Args:
        besides: qualified names of the coroutines of tasks that may stay.
        seconds: how long at most.

    Raises:
        TimeoutError: one was left.
    """
    this = asyncio.current_task()
    async with asyncio.timeout(seconds):
        while others := {
            task
            for task in asyncio.all_tasks() - {this}
            if getattr(task.get_coro(), "__qualname__", "") not in besides
        }:
            await asyncio.wait(others)


def frames(awaitable: Any) -> Iterator[FrameType]:
    """What a task that waits is in, the outermost first."""
    while awaitable is not None:
        frame: FrameType | None
        match awaitable:
            case CoroutineType():
                frame, awaitable = awaitable.cr_frame, awaitable.cr_await
            case GeneratorType():
                frame, awaitable = awaitable.gi_frame, awaitable.gi_yieldfrom
            case AsyncGeneratorType():
                frame, awaitable = awaitable.ag_frame, awaitable.ag_await
            case asyncio.Future():
                return
            case _:
                # Such as what `__await__` and `__anext__` of these return, which tell nothing.
                awaitable = next(
                    (
                        inner
                        for inner in gc.get_referents(awaitable)
                        if isinstance(inner, CoroutineType | GeneratorType | AsyncGeneratorType)
                    ),
                    None,
                )
                continue
        if frame is not None:
            yield frame


def awaits(module: ModuleType) -> set[Place]:
    """Every `await` in a module's source, by its first line."""
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text())
    return {
        (module.__file__, node.lineno) for node in ast.walk(tree) if isinstance(node, ast.Await)
    }
