"""How often something happens."""

from __future__ import annotations

from time import monotonic


class Meter:
    """Counts events: in total, and in the last full second."""

    __slots__ = ("_before", "_count", "_second", "total")

    def __init__(self) -> None:
        self.total = 0
        self._second = 0
        self._count = 0
        self._before = 0

    def add(self, count: int = 1) -> None:
        self._turn()
        self.total += count
        self._count += count

    def per_second(self) -> int:
        self._turn()
        return self._before

    def _turn(self) -> None:
        second = int(monotonic())
        if second != self._second:
            self._before = self._count if second == self._second + 1 else 0
            self._second, self._count = second, 0
