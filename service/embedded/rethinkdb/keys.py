"""The keys of tables and indexes: what may be one, ranges of them, and their orders."""

from __future__ import annotations

import json
import struct
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from .errors import QueryLogicError
from .values import (
    MAXVAL,
    MINVAL,
    PSEUDOTYPE,
    Datum,
    Extreme,
    SortKey,
    is_time,
    printed,
    printed_short,
    sort_key,
    type_name,
    wrong_type,
)

LONGEST_PRIMARY_KEY: Final = 127
_MASK: Final = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Range:
    """The values between two bounds, each of them part of it or not."""

    lower: Datum = MINVAL
    upper: Datum = MAXVAL
    lower_open: bool = False
    upper_open: bool = True

    def __contains__(self, key: SortKey) -> bool:
        lower, upper = sort_key(self.lower), sort_key(self.upper)
        above = lower < key if self.lower_open else lower <= key
        return above and (key < upper if self.upper_open else key <= upper)


EVERYTHING = Range()


class KeyOrder:
    """The keys of a mapping in order: sorted when first asked for, maintained from then on."""

    def __init__(self, keys: Callable[[], Iterable[SortKey]]) -> None:
        self._keys = keys
        self._sorted: list[SortKey] | None = None

    def add(self, key: SortKey) -> None:
        if self._sorted is not None:
            insort(self._sorted, key)

    def remove(self, key: SortKey) -> None:
        if self._sorted is not None:
            del self._sorted[bisect_left(self._sorted, key)]

    def all(self) -> Sequence[SortKey]:
        if self._sorted is None:
            self._sorted = sorted(self._keys())
        return self._sorted

    def within(self, bounds: Range) -> Sequence[SortKey]:
        keys = self.all()
        if bounds is EVERYTHING:
            return keys
        after = bisect_right if bounds.lower_open else bisect_left
        start = after(keys, sort_key(bounds.lower))
        before = bisect_left if bounds.upper_open else bisect_right
        return keys[start : before(keys, sort_key(bounds.upper))]


@lru_cache(maxsize=65536)
def hash_shard(key: SortKey) -> int:
    """Which of a table's eight hash shards holds a primary key; a scan walks them in turn."""
    state = 0x47A59E381FB2DC06
    for byte in _encoded(key):
        mirrored = ((byte * 0x80200802) & 0x0884422110) * 0x0101010101 & _MASK
        state = (state + (mirrored << 23)) & _MASK
        state ^= (state >> 11) ^ ((state << 21) & _MASK)
    return (state & (2**63 - 1)) >> 60


def _encoded(key: SortKey) -> bytes:
    """A primary key as the server's B-tree stores it; exact for strings and numbers."""
    rank, *rest = key
    if rank == 9:
        return b"S" + str(rest[0]).encode("utf-8", "surrogatepass")
    if rank == 4:
        value = float(rest[0])
        (bits,) = struct.unpack(">Q", struct.pack(">d", value + 0.0))
        bits = bits ^ _MASK if bits >> 63 else bits ^ 2**63
        return f"N{bits:016x}#{value:.20g}".encode()
    return json.dumps(key, default=repr).encode()


def check_primary_key(value: Datum) -> None:
    """Refuse what cannot be a primary key, in RethinkDB's words."""
    _check_key(value, "Primary keys must be either a number, string, bool, pseudotype or array")
    if type(value) is str and len(value.encode("utf-8", "surrogatepass")) > LONGEST_PRIMARY_KEY:
        raise QueryLogicError(
            f"Primary key too long (max {LONGEST_PRIMARY_KEY} characters): {printed(value)}"
        )


def check_secondary_key(value: Datum) -> None:
    """Refuse what cannot be in a secondary index, in RethinkDB's words."""
    _check_key(value, "Secondary keys must be a number, string, bool, pseudotype, or array")


def _check_key(value: Datum, rule: str) -> None:
    if value is None or (type(value) is dict and PSEUDOTYPE not in value):
        problem = f"{rule} (got type {type_name(value)}):\n{printed_short(value)}"
        raise wrong_type(problem, value)
    _check_parts(value)


def _check_parts(value: Datum) -> None:
    if isinstance(value, Extreme):
        raise QueryLogicError("Cannot use `r.minval` or `r.maxval` in an index key.")
    if type(value) is list:
        for part in value:
            if part is None or (type(part) is dict and PSEUDOTYPE not in part):
                raise wrong_type(
                    "Array keys can only contain numbers, strings, bools,  pseudotypes, "
                    f"or arrays (got {printed(part)} of type {type_name(part)}).",
                    part,
                )
            _check_parts(part)
    elif type(value) is dict and not is_time(value):
        raise QueryLogicError(
            f"Cannot use pseudotype {type_name(value)} as a primary or secondary key value ."
        )
