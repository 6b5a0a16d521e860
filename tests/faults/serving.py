"""A real Hypercorn in a process of its own, which writes its log to a file."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from service.embedded.ports import free_port
from tests.command import ROOT
from tests.eventually import until

from .observed import PATH

OBSERVED = "tests.faults.observed:create_app()"

IN_A_HURRY = {
    "SERVICE_SECRET_KEY": "what nobody can guess 0123456789abcdef",
    "SERVICE_TOKEN_ATTEMPTS": "1000000000",
    "SERVICE_TOKEN_ATTEMPTS_ADDRESS": "1000000000",
    "SERVICE_TOKEN_ATTEMPTS_NAME": "1000000000",
    "SERVICE_ARGON2__time_cost": "1",
    "SERVICE_ARGON2__memory_cost": "8",
    "SERVICE_ARGON2__parallelism": "1",
}
"""Production, with cheap passwords and all the tokens a load may ask for."""


_QUERY_TIMEOUTS = {"a": "command_timeout", "b": "query_timeout", "client": "socket_timeout"}


def patience(seconds: float) -> dict[str, str]:
    """The environment in which no connection waits longer than this for its server or its turn."""
    return {
        f"SERVICE_CONNECTIONS__{name}__{option}": str(seconds)
        for name, query_timeout in _QUERY_TIMEOUTS.items()
        for option in (query_timeout, "connect_timeout", "acquire_timeout")
    }


@dataclass
class Service:
    """A serving process.

    Attributes:
        url: where it serves.
        process: Hypercorn.
        log: the file that has all it has said.
    """

    url: str
    process: Process
    log: Path

    def said(self) -> str:
        """All it has written so far, to standard output and standard error."""
        return self.log.read_text(errors="replace")

    def serving(self, processes: int = 1) -> bool:
        """Whether this many processes have begun to serve."""
        return self.said().count("Running on") >= processes

    async def inventory(self) -> dict[str, Any]:
        """What the process holds, as it says itself."""
        async with httpx.AsyncClient() as client:
            headers = {"Connection": "close"}
            response = await client.get(f"{self.url}{PATH}", headers=headers, timeout=30)
        response.raise_for_status()
        return dict(response.json())

    async def stopped(self, number: signal.Signals = signal.SIGTERM, seconds: float = 60) -> int:
        """Send a signal and wait for the end; the exit status."""
        self.process.send_signal(number)
        async with asyncio.timeout(seconds):
            return await self.process.wait()


@asynccontextmanager
async def serving(
    connections: Mapping[str, str],
    log: Path,
    *arguments: str,
    application: str = OBSERVED,
    workers: int = 0,
    **environment: str,
) -> AsyncIterator[Service]:
    """`hypercorn` with the shipped configuration and more `arguments`, until the end of the block.

    Args:
        connections: URLs by name; options go into `environment`, as for any operator.
        log: a file to write to; a pipe nobody reads would stop the server.
        workers: with this many, `service serve` runs it.
    """
    inherited = {name: value for name, value in os.environ.items() if name[-4:] != "_URL"}
    ours = {f"SERVICE_CONNECTIONS__{name}": url for name, url in connections.items()}
    program = ("hypercorn", "--config", "config/hypercorn.toml")
    if workers:
        program = ("service", "serve", f"--workers={workers}")
    port = free_port()
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *program),
            *("--bind", f"127.0.0.1:{port}", *arguments, application),
            cwd=ROOT,
            env=inherited | ours | IN_A_HURRY | environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    service = Service(f"http://127.0.0.1:{port}", process, log)
    try:
        await until(lambda: service.serving(workers or 1) or process.returncode is not None, 30)
        assert process.returncode is None, service.said()
        yield service
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
