"""Containers that a call makes, and what is in them."""

from __future__ import annotations

from .values import (
    DATA,
    NOTHING,
    Arguments,
    External,
    Instance,
    Object,
    Proxied,
    Routine,
    Row,
    Type,
    Value,
    Values,
    items,
    many,
    one,
    routines,
)

SAME_AS_ARGUMENT = {
    f"builtins.{name}"
    for name in (
        "enumerate", "filter", "frozenset", "iter", "list", "reversed", "set", "sorted", "tuple",
    )
}  # fmt: skip
_SEQUENCES = {"collections.deque", "collections.UserList", "weakref.WeakSet"}
_MAPPINGS = {
    "collections.ChainMap",
    "collections.OrderedDict",
    "collections.UserDict",
    "types.MappingProxyType",
    "weakref.WeakKeyDictionary",
    "weakref.WeakValueDictionary",
}
CONTAINERS = _SEQUENCES | _MAPPINGS
"""What the standard library has like a list, or like a dictionary."""
_DEFAULTING = "collections.defaultdict"
_EMPTY = {"builtins.dict", _DEFAULTING, *SAME_AS_ARGUMENT, *CONTAINERS}
_PASSING = {"bisect", "copy", "heapq", "itertools", "queue", "random"}
_DEPTH = 3
"""How deep in what `itertools.groupby` gives, and the like, an object may be."""
_HOLDING = ("collections.?", "weakref.?")


def made_by(path: str, arguments: Arguments) -> Values | None:
    """The container that a call of the standard library makes; None if it makes none."""
    positional = [values for how, values in arguments if how in {"", "*", "**"}]
    if path == "builtins.enumerate":
        return many(one(Row((DATA, items(NOTHING.union(*positional[:1]))))))
    if path in SAME_AS_ARGUMENT:
        return many(items(NOTHING.union(*(values for _, values in arguments))))
    if path in _SEQUENCES:
        return many(items(NOTHING.union(*positional[:1])))
    if path in _MAPPINGS | {"builtins.dict"}:
        return many(_kept(positional, arguments))
    if path == _DEFAULTING:
        making = NOTHING.union(*positional[:1])
        called = frozenset(Proxied(function) for function in routines(making))
        return many(_default(making) | _kept(positional[1:], arguments)) | called
    return None


def passed_through(path: str, values: Values) -> Values:
    """The objects that some function of the standard library gives back, or keeps."""
    if path.partition(".")[0] not in _PASSING and path != "functools.reduce":
        return NOTHING
    inner = items(values)
    found: Values = frozenset(
        value
        for value in values | inner | items(inner)
        if isinstance(value, Object) or (isinstance(value, Instance) and not is_unknown(value))
    )
    for _ in range(_DEPTH if found else 0):
        found |= many(found)
    return found


def is_unknown(value: Value) -> bool:
    """Whether it may be anything, as what some container holds."""
    return value in DATA or (isinstance(value, Instance) and value.kind in _HOLDING)


def _kept(positional: list[Values], arguments: Arguments) -> Values:
    """What a mapping is made of: another one, pairs, or what is given by name."""
    found = NOTHING.union(*(values for how, values in arguments if how not in {"", "*", "**"}))
    for value in NOTHING.union(*map(items, positional)):
        found |= value.places[-1] if isinstance(value, Row) and value.places else one(value)
    return found


def _default(factory: Values) -> Values:
    """What is there before anything is put there."""
    found: Values = NOTHING
    for value in factory:
        if isinstance(value, Type):
            found |= one(Object(value.of))
        elif isinstance(value, Routine):
            found |= value.function.returns
        elif isinstance(value, External):
            found |= many(NOTHING) if value.path in _EMPTY else DATA
    return found
