"""A command as a child process, the way a shell starts it; ``service`` above all."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]

_PATIENCE = 60.0


@dataclass
class Command:
    """A running command and what it has said so far."""

    process: Process
    lines: list[str] = field(default_factory=list)

    async def line_with(self, text: str) -> str:
        """The next line of output that has ``text`` in it."""
        return await self._next(self.process.stdout, text)

    async def error_with(self, text: str) -> str:
        """The next line of standard error that has ``text`` in it."""
        return await self._next(self.process.stderr, text)

    async def _next(self, stream: asyncio.StreamReader | None, text: str) -> str:
        assert stream is not None
        async with asyncio.timeout(_PATIENCE):
            while raw := await stream.readline():
                self.lines.append(raw.decode().rstrip("\n"))
                if text in self.lines[-1]:
                    return self.lines[-1]
        raise AssertionError(f"it ended without saying {text!r}: {self.lines}")

    async def stopped_by(self, number: signal.Signals) -> tuple[int, str]:
        """Send a signal; the exit status and what it wrote to standard error until then."""
        self.process.send_signal(number)
        return await self.ended()

    async def ended(self) -> tuple[int, str]:
        """The exit status and what it wrote to standard error."""
        async with asyncio.timeout(_PATIENCE):
            output, errors = await self.process.communicate()
        self.lines += output.decode().splitlines()
        assert self.process.returncode is not None
        return self.process.returncode, errors.decode()

    def descendants(self) -> list[psutil.Process]:
        """The processes that it started, and those that these did."""
        return psutil.Process(self.process.pid).children(recursive=True)


def running(*arguments: str, **environment: str) -> AbstractAsyncContextManager[Command]:
    """``service`` with these arguments, in an environment that configures nothing else."""
    return running_program(sys.executable, "-m", "service", *arguments, **environment)


@asynccontextmanager
async def running_program(*program: str, **environment: str) -> AsyncIterator[Command]:
    """Any program, in a session of its own and an environment that configures nothing else."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SERVICE_") and not name.endswith("_URL")
    }
    process = await asyncio.create_subprocess_exec(
        *program,
        cwd=ROOT,
        env=inherited | environment,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,
    )
    try:
        yield Command(process)
    finally:
        if process.returncode is None:
            process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.communicate(), _PATIENCE)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
