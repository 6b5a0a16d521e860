"""What is done with the generators of a project: what has no asynchronous form keeps them plain."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from .lazily import AT_ONCE, METHODS
from .program import Function
from .values import Generated, Instance, Values

_ONE_BY_ONE = {"enumerate", "filter", "map", "zip"}
ENDLESS = {"itertools.count", "itertools.cycle", "itertools.repeat"}
_PROMISES = ("collections.", "types.", "typing.")


def taken_by(path: str, function: Function) -> bool:
    """Whether a call takes all that a generator gives, so that a list of it will do."""
    owner, _, name = path.rpartition(".")
    if owner == "builtins" and name in _ONE_BY_ONE:
        return not m.findall(function.node, m.While())  # which may never end
    if owner == "builtins":
        return name in AT_ONCE
    return name in METHODS and owner in {"builtins.?", "builtins.str"}


def pin_beside_others(values: Values, node: cst.CSTNode) -> None:
    """Pin the generator functions whose generators are gone through where others may be, too."""
    others = any(not isinstance(value, Generated) and not _is_promise(value) for value in values)
    for value in values if others else ():
        if isinstance(value, Generated):
            value.function.pins.setdefault("a list may be gone through in its place", node)


def pin_used(values: Values, name: str, node: cst.CSTNode) -> Iterator[Function]:
    """Pin the generator functions of whose generators a method is called, and tell them."""
    for value in values:
        if isinstance(value, Generated):
            value.function.pins.setdefault(f"its generator's {name} is called", node)
            yield value.function


def _is_promise(value: object) -> bool:
    """Whether it is no more than what an annotation says of a generator."""
    return isinstance(value, Instance) and value.kind.startswith(_PROMISES)
