"""``service serve``: Hypercorn in as many processes as are wanted, on the same addresses.

Hypercorn can start worker processes itself, but ends all of them when one is lost. Here each is a
Hypercorn of its own; another takes the place of one that is lost, and the rest serve on.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from importlib.resources import as_file, files

from service.embedded import child
from service.embedded.errors import StartupError
from service.embedded.foreground import stop_signals
from service.embedded.ports import bound_socket

APPLICATION = "service.app:create_app()"

Say = Callable[[str], None]

_ATTEMPTS = 3
_AT_ONCE = 15.0
"""Seconds within which a worker that ends with an error has not started."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_PATIENCE = 25.0
"""Seconds for a worker to stop: more than config/hypercorn.toml lets it take."""


def run(application: str, binds: Sequence[str], count: int, say: Say) -> None:
    """Serve ``application`` on ``binds``, each ``HOST:PORT``, until Ctrl-C or SIGTERM.

    A single worker takes the place of this process. Of several, its children, each that ends is
    replaced, which goes to ``say``. Raises `StartupError`: an address is none, or in use, or a
    worker ends with an error as often as it is started.
    """
    with ExitStack() as stack:
        listeners = [stack.enter_context(_listener(bind)) for bind in binds]
        config = stack.enter_context(as_file(files("config") / "hypercorn.toml"))
        command = [sys.executable, "-m", "hypercorn", "--config", str(config)]
        command += [f"--bind=fd://{listener.fileno()}" for listener in listeners]
        command.append(application)
        if count == 1:
            for listener in listeners:
                listener.set_inheritable(True)
            os.execv(command[0], command)
        asyncio.run(_Workers(command, listeners, say).run(count))


def _listener(bind: str) -> socket.socket:
    host, _, port = bind.rpartition(":")
    if not (host and port.isascii() and port.isdecimal() and int(port) < 65536):
        raise StartupError(f"{bind!r} is not HOST:PORT")
    return bound_socket(host.strip("[]"), int(port))


class _Workers:
    """The processes that serve, each kept running."""

    def __init__(
        self, command: Sequence[str], listeners: Sequence[socket.socket], say: Say
    ) -> None:
        ends_with_this = (child.__file__, str(os.getpid()), str(int(signal.SIGTERM)), "")
        self._command = (sys.executable, "-I", "-S", *ends_with_this, *command)
        self._listeners = listeners
        self._say = say
        self._failed: int | None = None

    async def run(self, count: int) -> None:
        """Keep ``count`` of them running until a signal."""
        with stop_signals() as stop:
            async with asyncio.TaskGroup() as workers:
                for _ in range(count):
                    workers.create_task(self._keep(stop))
        if self._failed is not None:
            raise StartupError(
                f"a worker ended with exit status {self._failed} each time it was started"
            )

    async def _keep(self, stop: asyncio.Event) -> None:
        """One worker after the other."""
        clock = asyncio.get_running_loop().time
        failures, pause = 0, _FIRST_PAUSE
        while not stop.is_set():
            began = clock()
            process = await self._start()
            status = await self._end(process, stop)
            if stop.is_set():
                return
            soon = clock() - began < _AT_ONCE
            # A status below 0 is a signal: somebody's deed, or the memory's end.
            failures = failures + 1 if soon and status > 0 else 0
            if failures == _ATTEMPTS:
                self._failed = status
                stop.set()
                return
            self._say(f"worker {process.pid} ended with exit status {status}; starting another")
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
            pause = min(pause * 2, _LONGEST_PAUSE) if soon else _FIRST_PAUSE

    async def _start(self) -> Process:
        descriptors = [listener.fileno() for listener in self._listeners]
        return await asyncio.create_subprocess_exec(*self._command, pass_fds=descriptors)

    async def _end(self, process: Process, stop: asyncio.Event) -> int:
        """The exit status of a worker, which is asked to end when all of them shall."""
        ended = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            process.terminate()
            raise
        finally:
            stopping.cancel()
        if not ended.done():
            # While one process listens, clients wait for somebody to take their connections.
            for listener in self._listeners:
                listener.close()
            process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(ended), _PATIENCE)
        if not ended.done():
            self._say(f"worker {process.pid} does not end and is killed")
            process.kill()
        return await ended
