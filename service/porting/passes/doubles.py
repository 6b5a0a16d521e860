"""Test doubles of what is awaited now: they are awaited, too, or reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import libcst as cst

from service.porting.awaitables import AWAITABLE, RENAMED
from service.porting.nodes import wrapped
from service.porting.plan import SENDING, TESTING, Plan
from service.porting.program import Double, Function, Module
from service.porting.registration import COMMAND
from service.porting.values import (
    NOTHING,
    External,
    Instance,
    Object,
    Routine,
    Type,
    routines,
)

from .imports import MOVED

_PLAIN_MOCKS = ("Mock", "MagicMock")
_MADE_TO_MEASURE = {"autospec", "new_callable", "spec", "spec_set"}
_ADVICE = "let the double have coroutine functions, or autospec=True"
_WRAPPER = "coroutine_function"


def rewrite_doubles(plan: Plan) -> None:
    """Make out the edits for doubles of functions; those of objects are reported."""
    for double in plan.program.doubles.values():
        if any(_is_awaited(plan, value) for value in double.target):
            _of_function(plan, double)
        elif names := sorted(_not_awaited(plan, double)):
            reason = f"{', '.join(names)} of what this replaces is awaited now: {_ADVICE}"
            plan.hand(double.site.where, double.site.node, reason)


def rename_targets(plan: Plan) -> None:
    """What a test names in a string has the name that its module gives it now."""
    for double in plan.program.doubles.values():
        node = double.site.node
        first = node.args[0].value if isinstance(node, cst.Call) and node.args else None
        if not isinstance(first, cst.SimpleString) or not isinstance(first.evaluated_value, str):
            continue
        new = _renamed(plan, first.evaluated_value)
        if new != first.evaluated_value:
            text = first.value.replace(first.evaluated_value, new)
            plan.edits(double.site.where.module).change(first, _string(text))


def _renamed(plan: Plan, name: str) -> str:
    parts = name.split(".")
    for length in range(len(parts), -1, -1):
        module = plan.program.module_at(".".join(parts[:length]))
        if module is None and length:
            continue
        before, after = parts[:length], parts[length:]
        names = plan.edits(module).renamed if module is not None else {"flask": "quart"}
        of_flask = bool(after) and _is_flask(module, after[0])
        if not after or not (of_flask or after[0] in names):
            break
        if of_flask and after[1:] and after[1] in MOVED:
            return ".".join([*before, *after[1:]] if before else [SENDING, *after[1:]])
        if of_flask:
            after[1:] = [RENAMED.get(each, each) for each in after[1:]]
        return ".".join([*before, names.get(after[0], after[0]), *after[1:]])
    return name


def _is_flask(module: Module | None, name: str) -> bool:
    """Whether the package has this name in a module; without one, where it is imported."""
    if module is None:
        return name == "flask"
    return External("flask") in module.bindings.get(name, NOTHING) and "flask" in module.source


def _string(text: str) -> Callable[[cst.SimpleString], cst.SimpleString]:
    return lambda old: old.with_changes(value=text)


def _is_awaited(plan: Plan, value: object) -> bool:
    if isinstance(value, External):
        return value.path in AWAITABLE
    return isinstance(value, Routine) and _became_async(plan, value.function)


def _became_async(plan: Plan, function: Function) -> bool:
    new = function in plan.colours.asynchronous and not function.was_async
    return new and COMMAND not in function.roles


def _of_function(plan: Plan, double: Double) -> None:
    """`mock.patch` makes doubles up that are awaited; what it is given may have to be wrapped."""
    where, node = double.site.where, double.node
    if any(function.is_generator for function in routines(double.target)):
        plan.hand(where, double.site.node, "what this replaces is an asynchronous generator now")
        return
    functions = routines(double.given)
    if node is None or (functions and all(map(plan.colours.is_async, functions))):
        return
    edits = plan.edits(where.module)
    made = plan.program.sites.get((node, "call"))
    paths = made.paths if made is not None else set()
    if f"{TESTING}.{_WRAPPER}" in paths or Instance("unittest.mock.AsyncMock") in double.given:
        return
    if isinstance(node, cst.Call) and any(_is_plain_mock(path) for path in paths):
        if isinstance(node.func, cst.Attribute):
            edits.rename(node.func.attr, "AsyncMock")
        else:
            edits.rename(node.func, edits.need("unittest.mock", "AsyncMock"))
        return
    wrapper = edits.need(TESTING, _WRAPPER)
    edits.change(node, lambda old: wrapped(wrapper, old))


def _is_plain_mock(path: str) -> bool:
    library, _, name = path.rpartition(".")
    return library in {"unittest.mock", "mock"} and name in _PLAIN_MOCKS


def _not_awaited(plan: Plan, double: Double) -> set[str]:
    """The methods that are awaited of an object now, and that its double has as plain ones."""
    made_up = double.node if double.node is not None else double.site.node
    if isinstance(made_up, cst.Call) and _MADE_TO_MEASURE & {
        arg.keyword.value for arg in made_up.args if arg.keyword is not None
    }:
        return set()
    if isinstance(made_up, cst.Name) and made_up.value == "None":
        return set()
    own = {
        name
        for value in double.given
        if isinstance(value, Object | Type)
        for name, method in _methods(value)
        if plan.colours.is_async(method)
    }
    return {
        name
        for value in double.target
        if isinstance(value, Object | Type)
        for name, method in _methods(value)
        if _became_async(plan, method) and name not in own
    }


def _methods(value: Object | Type) -> Iterator[tuple[str, Function]]:
    for each in value.of.lineage():
        for name, values in each.bindings.items():
            for method in routines(values):
                yield name, method
