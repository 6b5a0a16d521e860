"""What is done with the generators of a project: what has no asynchronous form keeps them plain."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from .drivers import endless
from .lazily import AT_ONCE, METHODS
from .program import Function, Program
from .values import Generated, Instance, Values

_ONE_BY_ONE = {"enumerate", "filter", "map", "zip"}
_ENDLESS = {"itertools.count", "itertools.cycle", "itertools.repeat"}
_CALLED_AGAIN = m.Call(args=[m.Arg(), m.Arg()])
"""`iter(function, end)`."""
_PROMISES = ("collections.", "types.", "typing.")


def taken_by(path: str, function: Function) -> bool:
    """Whether a call takes all that a generator gives, so that a list of it will do."""
    owner, _, name = path.rpartition(".")
    if owner == "builtins" and name in _ONE_BY_ONE:
        return not (function.is_endless or m.findall(function.node, m.While()))
    if owner == "builtins":
        return name in AT_ONCE and not function.is_endless
    return name in METHODS and owner in {"builtins.?", "builtins.str"}


def is_endless(program: Program, loop: cst.For | cst.CompFor) -> bool:
    """Whether what a loop goes through may never end."""
    made = program.sites.get((loop.iter, "call"))
    counted = made is not None and not made.paths.isdisjoint(_ENDLESS)
    if made is not None and "builtins.iter" in made.paths and m.matches(loop.iter, _CALLED_AGAIN):
        return True
    return counted or any(
        (isinstance(value, Generated) and value.function.is_endless)
        or (isinstance(value, Instance) and endless(value.kind))
        for value in program.values[loop]
    )


def pin_what_never_ends(program: Program) -> None:
    """Pin whoever makes a generator expression that cannot become a list; `anext` takes any."""
    taken = {
        site.node.args[0].value
        for site in program.sites.values()
        if "builtins.next" in site.paths and isinstance(site.node, cst.Call) and site.node.args
    }
    for node, function in program.endless.items():
        if node not in taken:
            function.pins.setdefault("it goes through what does not end", node)


def pin_beside_others(values: Values, node: cst.CSTNode) -> None:
    """Pin the generator functions whose generators are gone through where others may be, too."""
    others = any(not isinstance(value, Generated) and not _is_promise(value) for value in values)
    for value in values if others else ():
        if isinstance(value, Generated):
            value.function.pins.setdefault("a list may be gone through in its place", node)


def all_generating(values: Values) -> set[Function]:
    """The generator functions whose generators the values are; none if there are others, too."""
    made = {value.function for value in values if isinstance(value, Generated)}
    return made if len(made) == len(values) else set()


def pin_used(values: Values, name: str, node: cst.CSTNode) -> Iterator[Function]:
    """Pin the generator functions of whose generators a method is called, and tell them."""
    for value in values:
        if isinstance(value, Generated):
            value.function.pins.setdefault(f"its generator's {name} is called", node)
            yield value.function


def _is_promise(value: object) -> bool:
    """Whether it is no more than what an annotation says of a generator."""
    return isinstance(value, Instance) and value.kind.startswith(_PROMISES)
