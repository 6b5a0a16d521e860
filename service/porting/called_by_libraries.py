"""What calls of the standard library come to in the project, without naming it."""

from __future__ import annotations

import sys
from pydoc import ErrorDuringImport, locate

from .handing import Handing
from .implicit import is_special
from .program import Class, Function
from .sites import Site
from .values import NOTHING, Arguments, Object, Routine, items, routines

_SPECIAL = {f"builtins.{name}" for name in ("bool", "iter", "len", "next", "repr", "str")}
_CLOSING = "contextlib.closing"
_ELSEWHERE = {
    *("asyncio", "builtins", "concurrent", "contextlib", "http", "json", "logging"),
    *("multiprocessing", "socketserver", "sqlite3", "threading", "unittest"),
}
"""Modules whose classes call such methods in other threads, or are looked at by themselves."""
_GOING_THROUGH = {
    *(f"builtins.{name}" for name in ("filter", "map", "max", "min", "sorted")),
    *(f"itertools.{name}" for name in ("dropwhile", "filterfalse", "groupby", "takewhile")),
    *("functools.reduce", "heapq.nlargest", "heapq.nsmallest"),
}
_NAMED_BY_WHAT_COMES = ("do_", "handle_", "on_", "visit_")


def called_by_library(
    evaluation: Handing, site: Site, path: str, arguments: Arguments
) -> set[Function]:
    """The methods that a call of the standard library calls; those it knows by name are pinned.

    Special methods, by the call that is named like them; `close`, by `closing`; what `iter` has
    beside a last value; and what a class overrides of the one that the called method is of.
    """
    found: set[Function] = set()
    given = arguments[0][1] if arguments else NOTHING
    classes = [value.of for value in given if isinstance(value, Object)]
    _pass_items(evaluation, path, arguments)
    if path == "builtins.iter" and len(arguments) > 1:
        found |= routines(given)
    elif path in _SPECIAL:
        name = f"__{path.removeprefix('builtins.')}__"
        return {each for of in classes for each in evaluation.methods(of, name)}
    elif path == "builtins.str.format":
        shown = NOTHING.union(*(values for _, values in arguments))
        objects = (value for value in shown if isinstance(value, Object))
        return {each for value in objects for each in _properties(evaluation, value.of)}
    elif path == _CLOSING:
        found |= {each for of in classes for each in evaluation.methods(of, "close")}
    owner, _, method = path.rpartition(".")
    library = owner.partition(".")[0]
    if library in sys.stdlib_module_names and library not in _ELSEWHERE:
        for value in evaluation.program.values.get(getattr(site.node, "func", site.node), NOTHING):
            if isinstance(value, Object) and owner in value.of.external_bases():
                found |= _overridden(value.of, owner, method)
    for function in found:
        function.pins.setdefault(f"{path} calls it", site.node)
    return found


def _pass_items(evaluation: Handing, path: str, arguments: Arguments) -> None:
    """Bind the objects that `sorted`, `map` and the like go through to what they call with them."""
    name = path.rpartition(".")[2]
    if path not in _GOING_THROUGH:
        return
    called = [values for how, values in arguments if how == "key"]
    through = [values for how, values in arguments if how == ""]
    if not called:
        called, through = through[:1], through[1:]
    several = name in {"max", "min"} and len(through) > 1
    within = [values if several else items(values) for values in through]
    if name != "map":
        within = [NOTHING.union(*within)] * (2 if name == "reduce" else 1)
    if any(isinstance(value, Object) for values in within for value in values):
        for values in called:
            for value in values:
                if isinstance(value, Routine):
                    evaluation.call_function(value, [("", each) for each in within])


def made_by_class(evaluation: Handing, of: Class, site: Site) -> set[Function]:
    """What making an object calls, or looking for a member of an `Enum`, beside `__init__`."""
    missing = {*evaluation.methods(of, "_missing_")}
    for function in missing:
        function.pins.setdefault("Enum calls it", site.node)
    return {*missing, *evaluation.methods(of, "__post_init__")}


def _overridden(of: Class, base: str, method: str) -> set[Function]:
    try:
        known = locate(base)
    except ErrorDuringImport:
        return set()
    return {
        function
        for each in of.lineage()
        for name, values in each.bindings.items()
        if name != method and (is_special(name) or not name.startswith("__"))
        if hasattr(known, name) or name.startswith(_NAMED_BY_WHAT_COMES)
        for function in routines(values)
    }


def _properties(evaluation: Handing, of: Class) -> set[Function]:
    names = {name for each in of.lineage() for name in each.bindings}
    return {each for name in names for each in evaluation.methods(of, name) if each.is_property()}
