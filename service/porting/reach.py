"""How far something reaches: what calls lead to, and who comes to call."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from .closure import closure
from .program import Function
from .sites import Site


def with_callers(functions: Iterable[Function], sites: Iterable[Site]) -> set[Function]:
    """Functions, and those that come to call them at these sites."""
    callers = callers_at(sites)
    return closure(functions, lambda function: callers.get(function, ()))


def with_called(
    functions: Iterable[Function], sites: Iterable[Site], handing: bool = False
) -> set[Function]:
    """Functions, and those that they come to call at these sites; if `handing`, to hand over."""
    called: dict[object, set[Function]] = defaultdict(set)
    for site in sites:
        called[site.where] |= site.functions | (site.escaping if handing else set())
    return closure(functions, lambda function: called.get(function, ()))


def callers_at(sites: Iterable[Site]) -> defaultdict[Function, set[Function]]:
    """By what may be called at these sites, the functions that call it."""
    found: defaultdict[Function, set[Function]] = defaultdict(set)
    for site in sites:
        if isinstance(site.where, Function):
            for function in site.functions:
                found[function].add(site.where)
    return found
