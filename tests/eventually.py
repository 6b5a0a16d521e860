"""Waiting for what must come, instead of sleeping and hoping."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable


async def until(condition: Callable[[], object | Awaitable[object]], seconds: float = 10.0) -> None:
    """Let the loop go on until `condition()`, awaited if need be, is true.

    Raises:
        TimeoutError: it was not within `seconds`.
    """
    async with asyncio.timeout(seconds):
        while True:
            holds = condition()
            if await holds if isawaitable(holds) else holds:
                return
            await asyncio.sleep(0.001)
