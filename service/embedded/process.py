"""A local server as a child process: started, seen to answer, stopped, never left behind."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .directory import Directory
from .errors import PortInUse, StartupError
from .ports import free_port, require_free_port
from .secret import private

_BECOME = Path(__file__).with_name("child.py")
_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 10.0
_POLL_INTERVAL = 0.02
_PORT_ATTEMPTS = 3


@dataclass(frozen=True)
class Account:
    """The operating system account that a program runs as."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Program:
    """How one kind of server is run.

    ``command`` and ``url`` take the port. ``answers`` takes the URL, tries one real connection and
    says whether the server answered it. ``stop_signal`` asks for an orderly, prompt shutdown.
    """

    name: str
    command: Callable[[int], Sequence[str]]
    url: Callable[[int], str]
    answers: Callable[[str], Awaitable[bool]]
    stop_signal: signal.Signals = signal.SIGTERM
    account: Account | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Server:
    """A running local server. ``url`` holds its password, so it is not part of ``repr``."""

    name: str
    url: str = field(repr=False)
    process: subprocess.Popen[bytes]
    stop_signal: signal.Signals = field(default=signal.SIGTERM, repr=False)

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether the process is still there."""
        return self.process.poll() is None

    async def stop(self, grace: float = _STOP_TIMEOUT) -> None:
        """Shut the server down in an orderly way; kill it after ``grace`` seconds."""
        self.process.send_signal(self.stop_signal)
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self.process.wait, grace)
        self.kill()

    def kill(self) -> None:
        """End the server with SIGKILL, as a crash would, and reap it."""
        self.process.kill()
        self.process.wait()
        atexit.unregister(self.kill)


async def run(program: Program, directory: Directory, port: int | None) -> Server:
    """Start ``program`` in ``directory`` and return once it answers a real connection.

    Without a ``port`` a free one is taken. The server keeps the directory for itself even when
    this process is gone, runs in a session of its own (Ctrl-C in the terminal does not reach it),
    and on Linux ends with the thread that started it. Raises `StartupError`, with nothing left
    running, when the server ends early or does not answer within a minute.
    """
    if port is not None:
        require_free_port(port)
        return await _run_on(port, program, directory)
    for _ in range(_PORT_ATTEMPTS - 1):
        with contextlib.suppress(PortInUse):
            return await _run_on(free_port(), program, directory)
    return await _run_on(free_port(), program, directory)


async def _run_on(port: int, program: Program, directory: Directory) -> Server:
    log = directory.path / "log"
    process = _spawn(program, program.command(port), directory, log)
    server = Server(program.name, program.url(port), process, program.stop_signal)
    atexit.register(server.kill)
    answer = asyncio.create_task(_answer(program, server))
    try:
        async with asyncio.timeout(_START_TIMEOUT):
            # What answers on the port may be another server, while ours has ended.
            while server.running and not answer.done():
                await asyncio.wait({answer}, timeout=_POLL_INTERVAL)
        if not server.running:
            raise _ended_early(program.name, port, log)
        await answer
    except TimeoutError:
        server.kill()
        raise StartupError(
            f"{program.name} does not answer after {_START_TIMEOUT:.0f} s; {_end_of(log)}"
        ) from None
    except BaseException:
        server.kill()
        raise
    finally:
        answer.cancel()
    return server


async def _answer(program: Program, server: Server) -> None:
    while True:
        if await program.answers(server.url):
            return
        await asyncio.sleep(_POLL_INTERVAL)


def _spawn(
    program: Program, command: Sequence[str], directory: Directory, log: Path
) -> subprocess.Popen[bytes]:
    account = program.account
    ids = f"{account.uid}:{account.gid}" if account else ""
    become = [str(_BECOME), str(os.getpid()), str(int(program.stop_signal)), ids]
    with open(log, "wb", opener=private) as output:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", *become, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory.path,
            env={**os.environ, "LC_ALL": "C", **program.environment},
            umask=0o077,
            pass_fds=(directory.lock.fileno(),),
            start_new_session=True,
        )


def last_lines(text: str, count: int = 5) -> str:
    """The last lines that are not empty, as one line for an error message."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-count:]) or "(nothing)"


def _ended_early(name: str, port: int, log: Path) -> StartupError:
    in_use = "address already in use" in log.read_text(errors="replace").lower()
    kind = PortInUse if in_use else StartupError
    return kind(f"{name} ended while starting on port {port}; {_end_of(log)}")


def _end_of(log: Path) -> str:
    return f"its log ends: {last_lines(log.read_text(errors='replace'))}"
