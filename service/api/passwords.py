"""Password hashes: argon2, off the event loop and a few at a time."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from typing import Any, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from quart import current_app

from service.errors import Problem, retry_after

R = TypeVar("R")

RETRY_AFTER = 2
"""Seconds until somebody who was turned away should come back."""

# A hash takes a core and 64 MiB for some tens of milliseconds: more at once would only wait longer.
_AT_ONCE = os.cpu_count() or 1
_NICENESS = 15


def _yield_to_others() -> None:
    """Let this thread have a core when the event loop, and whoever serves others, wants none."""
    if sys.platform == "linux":  # Elsewhere that is the priority of the whole process.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


_threads = ThreadPoolExecutor(_AT_ONCE, "argon2", _yield_to_others)
_unfinished: set[Future[Any]] = set()


class TooManyPasswords(Problem):
    """``PASSWORDS_WAITING`` passwords wait for a thread already."""

    def __init__(self) -> None:
        super().__init__(
            503,
            "too-many-passwords",
            "Too many passwords",
            "More passwords wait to be hashed than this process can hash soon.",
            headers=retry_after(RETRY_AFTER),
        )


async def hash_password(password: str) -> str:
    """The hash to store for ``password``. Raises `TooManyPasswords`."""
    hasher = _hasher()
    return await _in_thread(lambda: hasher.hash(password))


async def verify_password(stored: str | None, password: str) -> bool:
    """Whether ``password`` is the one that was hashed to ``stored``.

    Takes as long when nothing is stored, so that nobody can tell which names exist. Raises
    `TooManyPasswords`.
    """
    hasher = _hasher()

    def verify() -> bool:
        decoy = _decoy(hasher)
        try:
            matches = hasher.verify(decoy if stored is None else stored, password)
            return matches and stored is not None
        except (VerificationError, InvalidHashError):
            return False

    return await _in_thread(verify)


def is_outdated(stored: str) -> bool:
    """Whether ``stored`` was made with other parameters than those configured now."""
    return _hasher().check_needs_rehash(stored)


def _hasher() -> PasswordHasher:
    return _hasher_with(**current_app.config["ARGON2"])


@cache
def _hasher_with(time_cost: int, memory_cost: int, parallelism: int) -> PasswordHasher:
    return PasswordHasher(time_cost, memory_cost, parallelism)


@cache
def _decoy(hasher: PasswordHasher) -> str:
    return hasher.hash("a password that nobody has")


async def _in_thread(work: Callable[[], R]) -> R:
    if len(_unfinished) >= _AT_ONCE + current_app.config["PASSWORDS_WAITING"]:
        raise TooManyPasswords
    future = _threads.submit(work)
    _unfinished.add(future)
    # Also when it is cancelled while it waits. One that is being worked on runs to its end.
    future.add_done_callback(_unfinished.discard)
    return await asyncio.wrap_future(future)
