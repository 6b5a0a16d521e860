"""What follows from something, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

_T = TypeVar("_T")


def closure(start: Iterable[_T], following: Callable[[_T], Iterable[_T]]) -> set[_T]:
    """Those that are given, what follows each of them, what follows that, and so on."""
    found = set(start)
    queue = [*found]
    while queue:
        new = set(following(queue.pop())) - found
        found |= new
        queue += new
    return found
