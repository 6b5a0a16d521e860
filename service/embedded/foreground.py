"""Work in the foreground until Ctrl-C or SIGTERM: one server alone, or anything else."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from .directory import data_directory
from .errors import StartupError
from .servers import START

Result = TypeVar("Result")

_LOOK_INTERVAL = 0.2


class Stopped(Exception):
    """Ctrl-C or SIGTERM arrived while something was under way."""


def run(name: str, port: int | None, data: Path | None, say: Callable[[str], None]) -> None:
    """Run the server called ``name`` and ``say`` its URL when it answers.

    Raises `StartupError`, also when the server ends by itself.
    """
    with data_directory(data) as directory, suppress(Stopped):
        asyncio.run(_run(name, port, directory, say))


async def _run(name: str, port: int | None, data: Path, say: Callable[[str], None]) -> None:
    with stop_signals() as stop:
        server = await unless(stop, START[name](data / name, port))
        try:
            say(server.url)
            while server.running and not stop.is_set():
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), _LOOK_INTERVAL)
            if not stop.is_set():
                status = server.process.returncode
                raise StartupError(f"{name} ended by itself with exit status {status}")
        finally:
            await server.stop()


@contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """An event that Ctrl-C, SIGTERM and the end of the terminal set, instead of ending us."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of ``work``; `Stopped`, once ``work`` is cancelled, if ``stop`` is set before."""
    task = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return await task
        raise Stopped
    finally:
        stopping.cancel()
        task.cancel()
        await asyncio.wait({task, stopping})
