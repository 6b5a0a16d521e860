"""Those who have the leases of one context: it and its copies, and who asks in it."""

from __future__ import annotations

import asyncio
from contextvars import Context, copy_context
from typing import Any

from service.connections import ConnectionUnavailable, ContextClosed, get_db
from tests.connections.ledger import Entry

from .lease_model import Asker


class Holder:
    """A context, or a copy of it, in a task of its own; it ends when it is told how."""

    def __init__(self) -> None:
        self.how: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.inside: Context | None = None
        self.task: asyncio.Task[None] | None = None

    async def hold(self) -> None:
        self.inside = copy_context()
        if await self.how == "raise":
            raise ValueError


class Waiter:
    """Somebody who asks, in a task of its own, and the task's side of an `async with`."""

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self.got: Entry | None = None
        self.stay: asyncio.Queue[bool] = asyncio.Queue()
        self.task: asyncio.Task[list[Any]] | None = None

    async def one(self) -> list[Any]:
        try:
            return [await get_db(self.asker.names[0])]
        except (ConnectionUnavailable, ContextClosed) as error:
            return [error]

    async def several(self) -> list[Any]:
        asked = (get_db(name) for name in self.asker.names)
        return await asyncio.gather(*asked, return_exceptions=True)

    async def block(self) -> list[Any]:
        (name,) = self.asker.names
        try:
            async with get_db(name) as self.got:
                while await self.stay.get():
                    assert await get_db(name) is self.got
        except (ConnectionUnavailable, ContextClosed) as error:
            return [error]
        return [self.got]
