"""A fourth backend: connections that write down what happens to them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from service.connections import Backend, Settings, register_backend


@dataclass(eq=False)
class Entry:
    """One connection of the ledger."""

    number: int


@dataclass
class Ledger:
    """What happened, in order, and what is to happen next.

    Attributes:
        events: such as "open", "acquire 1", "release 1", "close".
        gate: what `acquire` waits for.
        failing: what `acquire` raises, while there is something.
        release_gate: what `release` waits for.
        release_failing: numbers of the connections whose release fails.
    """

    events: list[str] = field(default_factory=list)
    gate: asyncio.Event | None = None
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    failing: Exception | None = None
    release_gate: asyncio.Event | None = None
    release_entered: asyncio.Event = field(default_factory=asyncio.Event)
    release_failing: set[int] = field(default_factory=set)
    numbers: int = 0

    def count(self, event: str) -> int:
        return sum(one.split()[0] == event for one in self.events)

    @property
    def out(self) -> int:
        """Connections acquired and not released."""
        return self.count("acquired") - self.count("released")


LEDGERS: dict[str, Ledger] = {}


@register_backend("ledger")
class LedgerBackend(Backend[Ledger, Entry]):
    def __init__(self, settings: Settings, *, color: str = "blue") -> None:
        if color not in ("blue", "red"):
            raise ValueError(f"color is {color!r}; allowed: blue, red")
        self.ledger = LEDGERS.setdefault(settings.url, Ledger())

    async def open(self) -> Ledger:
        self.ledger.events.append("open")
        return self.ledger

    async def acquire(self, pool: Ledger) -> Entry:
        pool.events.append("acquire")
        pool.entered.set()
        if pool.gate is not None:
            await pool.gate.wait()
        if pool.failing is not None:
            raise pool.failing
        pool.numbers += 1
        pool.events.append(f"acquired {pool.numbers}")
        return Entry(pool.numbers)

    async def release(self, pool: Ledger, connection: Entry) -> None:
        pool.release_entered.set()
        if pool.release_gate is not None:
            await pool.release_gate.wait()
        pool.events.append(f"released {connection.number}")
        if connection.number in pool.release_failing:
            raise OSError("release failed")

    async def close(self, pool: Ledger) -> None:
        pool.events.append("close")

    async def ping(self, connection: Entry) -> None:
        if self.ledger.failing is not None:
            raise self.ledger.failing
