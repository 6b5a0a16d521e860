"""A fourth backend: connections that write down what happens to them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from service.connections import Backend, Settings, register_backend


@dataclass(eq=False)
class Entry:
    """One connection of the ledger."""

    number: int
    ledger: Ledger = field(repr=False)

    async def query(self) -> int:
        """Ask something; the answer is the connection's number."""
        await self.ledger.pause()
        return self.number


@dataclass
class Ledger:
    """What happened, in order, and what is to happen next.

    Attributes:
        events: such as "open", "acquire", "acquired 1", "released 1", "close"; "dropped 1" is a
            release that was cancelled, "aborted" a close.
        pauses: how often each operation waits for what the loop's next step brings.
        gate: what `acquire` waits for.
        failing: what `acquire` raises, while there is something.
        release_gate: what `release` waits for.
        release_failing: numbers of the connections whose release fails.
    """

    events: list[str] = field(default_factory=list)
    pauses: int = 0
    gate: asyncio.Event | None = None
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    failing: Exception | None = None
    release_gate: asyncio.Event | None = None
    release_entered: asyncio.Event = field(default_factory=asyncio.Event)
    release_failing: set[int] = field(default_factory=set)

    def count(self, event: str) -> int:
        return sum(one.split()[0] == event for one in self.events)

    def numbers(self, event: str) -> list[int]:
        """The connections that this happened to, in order."""
        return [int(one.split()[1]) for one in self.events if one.split()[0] == event]

    @property
    def out(self) -> int:
        """Connections acquired and not released."""
        return self.count("acquired") - self.count("released")

    async def pause(self) -> None:
        """Wait as for a server, whose answer is there after one step of the loop."""
        loop = asyncio.get_running_loop()
        for _ in range(self.pauses):
            answer: asyncio.Future[None] = loop.create_future()
            loop.call_soon(_answer, answer)
            await answer


def _answer(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


LEDGERS: dict[str, Ledger] = {}


@register_backend("ledger")
class LedgerBackend(Backend[Ledger, Entry]):
    def __init__(self, settings: Settings, *, color: str = "blue") -> None:
        if color not in ("blue", "red"):
            raise ValueError(f"color is {color!r}; allowed: blue, red")
        self.ledger = LEDGERS.setdefault(settings.url, Ledger())

    async def open(self) -> Ledger:
        await self.ledger.pause()
        self.ledger.events.append("open")
        return self.ledger

    async def acquire(self, pool: Ledger) -> Entry:
        pool.events.append("acquire")
        pool.entered.set()
        if pool.gate is not None:
            await pool.gate.wait()
        await pool.pause()
        if pool.failing is not None:
            raise pool.failing
        return self._acquired(pool)

    def _acquired(self, pool: Ledger) -> Entry:
        number = pool.count("acquired") + 1
        pool.events.append(f"acquired {number}")
        return Entry(number, pool)

    def _released(self, pool: Ledger, connection: Entry) -> None:
        pool.events.append(f"released {connection.number}")
        if connection.number in pool.release_failing:
            raise OSError("release failed")

    async def release(self, pool: Ledger, connection: Entry) -> None:
        pool.release_entered.set()
        try:
            if pool.release_gate is not None:
                await pool.release_gate.wait()
            await pool.pause()
        except asyncio.CancelledError:
            pool.events.append(f"dropped {connection.number}")
            raise
        self._released(pool, connection)

    async def close(self, pool: Ledger) -> None:
        try:
            await pool.pause()
        except asyncio.CancelledError:
            pool.events.append("aborted")
            raise
        pool.events.append("close")

    async def ping(self, connection: Entry) -> None:
        await self.ledger.pause()
        if self.ledger.failing is not None:
            raise self.ledger.failing


@register_backend("ledger-nowait")
class NowaitLedgerBackend(LedgerBackend):
    """The same, which waits only for what the ledger says."""

    def acquire_nowait(self, pool: Ledger) -> Entry | None:
        if pool.gate is not None or pool.pauses or pool.failing is not None:
            return None
        pool.events.append("acquire")
        pool.entered.set()
        return self._acquired(pool)

    def release_nowait(self, pool: Ledger, connection: Entry) -> bool:
        if pool.release_gate is not None or pool.pauses:
            return False
        pool.release_entered.set()
        self._released(pool, connection)
        return True
