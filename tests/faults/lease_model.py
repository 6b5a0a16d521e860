"""What the contract of `get_db` says must become of the leases of one context."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

CLOSED = "ContextClosed"
FAILED = "ConnectionUnavailable"
CANCELLED = "CancelledError"

Outcome = str | int
"""How a wait for a connection ends: with its number, or with one of the words above."""


@dataclass(eq=False)
class Asker:
    """Somebody who asked: for one name, for several at once, or with `async with`.

    Attributes:
        names: what for.
        block: whether it is an `async with`.
        outcomes: what must have come of each, by its place in `names`.
    """

    names: tuple[str, ...]
    block: bool = False
    outcomes: dict[int, Outcome] = field(default_factory=dict)

    @property
    def waits(self) -> bool:
        return len(self.outcomes) < len(self.names)

    def cancel(self) -> None:
        self.outcomes = dict.fromkeys(range(len(self.names)), CANCELLED)


@dataclass(eq=False)
class Lease:
    """One name, from when it is asked for until it goes back.

    Attributes:
        waiting: who waits for it to open, with the place of the name in what they asked for.
        owner: the block whose end gives it back; None: the end of the context does.
        connection: its number, once it is open.
    """

    waiting: list[tuple[Asker, int]] = field(default_factory=list)
    owner: Asker | None = None
    connection: int | None = None


class Model:
    """The expectations; every method is one thing that happens.

    Attributes:
        pins: how many contexts share the leases.
        leases: by name.
        asked: for each name, how often its backend was asked for a connection.
        opened: connections in the order they were opened.
        back: groups of connections that went back, each last opened first.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.pins = 0
        self.leases: dict[str, Lease] = {}
        self.asked = dict.fromkeys(names, 0)
        self.opened: list[int] = []
        self.back: list[list[int]] = []

    def ask(self, asker: Asker) -> None:
        for place, name in enumerate(asker.names):
            if not self.pins:
                asker.outcomes[place] = CLOSED
                continue
            lease = self.leases.get(name)
            if lease is None:
                lease = self.leases[name] = Lease(owner=asker if asker.block else None)
                self.asked[name] += 1
            else:
                lease.owner = None  # somebody else counts on it from now on
            if lease.connection is None:
                lease.waiting.append((asker, place))
            else:
                asker.outcomes[place] = lease.connection

    def opens(self, name: str, number: int) -> None:
        lease = self.leases[name]
        waiting, lease.waiting = lease.waiting, []
        self.opened.append(number)
        lease.connection = number
        for asker, place in waiting:
            asker.outcomes[place] = number
        if not waiting:
            self._goes_back(name)

    def fails_to_open(self, name: str) -> None:
        for asker, place in self.leases.pop(name).waiting:
            asker.outcomes[place] = FAILED

    def is_cancelled(self, asker: Asker) -> None:
        if asker.waits:
            asker.cancel()
            for lease in self.leases.values():
                lease.waiting = [one for one in lease.waiting if one[0] is not asker]
        else:
            self.block_ends(asker)

    def block_ends(self, asker: Asker) -> None:
        (name,) = asker.names
        lease = self.leases.get(name)
        if lease is not None and lease.owner is asker and lease.connection is not None:
            self._goes_back(name)

    def context_begins(self) -> None:
        self.pins += 1

    def context_ends(self) -> None:
        self.pins -= 1
        if not self.pins:
            self.all_goes_back()

    def all_goes_back(self) -> None:
        leases, self.leases = self.leases, {}
        for lease in leases.values():
            for asker, place in lease.waiting:
                asker.outcomes[place] = CLOSED
        held = {lease.connection for lease in leases.values()}
        self.back.append([number for number in reversed(self.opened) if number in held])

    def opening(self) -> list[str]:
        """The names whose backend has been asked and has not answered."""
        return [name for name, lease in self.leases.items() if lease.connection is None]

    def holds(self, name: str) -> Any:
        """The number of the open connection of a name, or None."""
        lease = self.leases.get(name)
        return None if lease is None else lease.connection

    def _goes_back(self, name: str) -> None:
        number = self.leases.pop(name).connection
        assert number is not None
        self.back.append([number])
