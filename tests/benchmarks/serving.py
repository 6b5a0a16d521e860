"""A contender that serves: its address, and what its processes have used."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import httpx
import psutil

from service.embedded.ports import HOST, free_port
from service.embedded.process import last_lines
from tests.command import Command, running_program
from tests.eventually import until

from .contenders import Contender
from .load import Load, LoadFailed, NothingAnswered, load
from .machine import on

START_TIMEOUT = 60.0
"""Seconds until a contender must answer."""
LONGER = 5
"""Times the length of a slice, for who answers nothing in it."""


class ContenderFailed(Exception):
    """A contender does not start, or does not answer as the others do."""


@dataclass(frozen=True)
class Serving:
    """A contender that answers."""

    contender: Contender
    port: int
    command: Command

    def url(self, route: str) -> str:
        """The address of a route."""
        return f"http://{HOST}:{self.port}/{route}"

    def processes(self) -> list[psutil.Process]:
        """The server's process, and those it has started."""
        server = psutil.Process(self.command.process.pid)
        return [server, *server.children(recursive=True)]

    def cpu(self) -> float:
        """Seconds, user and system, that the processes have run so far."""
        return sum(_cpu_clock(process.pid) for process in self.processes())

    async def load(self, route: str, clients: int, seconds: float) -> Load:
        """Ask it for a route all the time, and for longer if no answer comes in this time.

        Raises:
            ContenderFailed: a request failed.
        """
        try:
            with suppress(NothingAnswered):
                return await load(self.url(route), clients, seconds)
            return await load(self.url(route), clients, LONGER * seconds)
        except LoadFailed as error:
            _, said = await self.command.stopped_by(signal.SIGTERM)
            name = self.contender.name
            raise ContenderFailed(f"{name}: {error}; it says: {last_lines(said)}") from error

    def memory(self) -> int:
        """Bytes of resident memory."""
        return sum(process.memory_info().rss for process in self.processes())


@asynccontextmanager
async def serving(
    contender: Contender, environment: Mapping[str, str], core: int
) -> AsyncIterator[Serving]:
    """Start a contender on this core; it answers once this is entered.

    Raises:
        ContenderFailed: it ended, or does not answer.
        MissingPackages: it needs packages that are not installed.
    """
    port = free_port()
    program = contender.command(port)
    with on(core):
        context = running_program(*program, **environment, **contender.environment)
        command = await context.__aenter__()
    try:
        started = Serving(contender, port, command)
        await _answering(started)
        yield started
    finally:
        await context.__aexit__(None, None, None)


async def _answering(server: Serving) -> None:
    async with httpx.AsyncClient() as client:

        async def answers() -> bool:
            if server.command.process.returncode is not None:
                return True
            try:
                return (await client.get(server.url("plain"))).is_success
            except httpx.TransportError:
                return False

        try:
            await until(answers, START_TIMEOUT)
        except TimeoutError:
            raise ContenderFailed(f"{server.contender.name} does not answer") from None
    if server.command.process.returncode is not None:
        status, errors = await server.command.ended()
        raise ContenderFailed(f"{server.contender.name} ended with {status}: {last_lines(errors)}")


async def same_answers(servers: list[Serving], route: str) -> bytes:
    """What all of them answer, byte for byte but for the line end that Flask and Quart may add.

    Raises:
        ContenderFailed: one of them answers something else.
    """
    answers: dict[str, bytes] = {}
    async with httpx.AsyncClient(timeout=30) as client:
        for server in servers:
            response = await client.get(server.url(route))
            if response.status_code != 200:
                raise ContenderFailed(
                    f"{server.contender.name} answers /{route} with {response.status_code}"
                )
            answers[server.contender.name] = response.content.removesuffix(b"\n")
    if len(set(answers.values())) != 1:
        told = "\n".join(f"  {name}: {answer!r}" for name, answer in answers.items())
        raise ContenderFailed(f"the answers to /{route} differ:\n{told}")
    return answers[servers[0].contender.name]


def _cpu_clock(pid: int) -> float:
    """The CPU clock of another process, which counts nanoseconds where /proc counts ticks.

    The number is what clock_getcpuclockid(3) makes of a process id on Linux.
    """
    return time.clock_gettime(~pid << 3 | 2)
