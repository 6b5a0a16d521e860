"""A data directory that one server at a time works in."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .errors import DirectoryInUse

# PostgreSQL may have to run as another account, which passes through such a directory.
_MODE = 0o711
_LOCK_TIMEOUT = 2.0
_POLL_INTERVAL = 0.02


@dataclass(frozen=True)
class Directory:
    """A claimed directory. A process that inherits ``lock`` keeps the claim while it lives."""

    path: Path
    lock: IO[bytes]


@contextmanager
def data_directory(path: Path | None) -> Iterator[Path]:
    """The directory ``path``, created if need be; without one, a temporary one, gone at the end."""
    if path is not None:
        yield _made(path).resolve()
        return
    temporary = Path(tempfile.mkdtemp(prefix="service-"))
    temporary.chmod(_MODE)
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary)


@asynccontextmanager
async def claimed(path: Path) -> AsyncIterator[Directory]:
    """Create the directory ``path`` and claim it.

    Raises `DirectoryInUse` when somebody else keeps it for longer than the rest of a killed
    server needs to disappear.
    """
    directory = _opened(path)
    with directory.lock:
        deadline = time.monotonic() + _LOCK_TIMEOUT
        while not _locked(directory.lock):
            if time.monotonic() > deadline:
                raise DirectoryInUse(f"{path} is in use: a server is running on it already")
            await asyncio.sleep(_POLL_INTERVAL)
        yield directory


def _opened(path: Path) -> Directory:
    path = _made(path).resolve()
    return Directory(path, (path / "lock").open("wb"))


def _made(path: Path) -> Path:
    if not path.exists():
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(_MODE)
    return path


def _locked(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
