"""Test doubles of what is awaited now: they are awaited, too, or reported."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import libcst as cst

from service.porting.awaitables import AWAITABLE, RENAMED
from service.porting.either import may_be_either
from service.porting.nodes import keywords, text_of, wrapped
from service.porting.plan import SENDING, TESTING, Plan, paths
from service.porting.program import Function, Module
from service.porting.registration import COMMAND
from service.porting.sites import Double
from service.porting.values import (
    NOTHING,
    External,
    Instance,
    ModuleValue,
    Object,
    Routine,
    Type,
    Values,
    routines,
)

from .imports import MOVED
from .mocks import (
    makes_mocks,
    makes_plain_mocks,
    read_of,
    wait_for,
    wait_for_methods,
    wait_for_what_is_made,
)

_SPECIFIED = ("spec", "spec_set")
_MADE_BY = "new_callable"
_MADE_TO_MEASURE = {"autospec", _MADE_BY, "wraps", *_SPECIFIED}
_ADVICE = "let the double have coroutine functions, or autospec=True"
_GENERATOR = "what this replaces is an asynchronous generator now"
_NO_APP = "Connections, which gets the app now, takes no mock: replace Connections, too"
_NOT_SERVED = "werkzeug.serving does not serve Quart: replace app.run, or what it is called by"
_Made = Callable[[Plan, Function | Module, cst.BaseExpression], bool]
_MADE = "what this replaces is awaited now: is what new_callable makes?"
_ANSWERS = "the response that this returns has awaitables for data and JSON"


def rewrite_doubles(plan: Plan) -> None:
    """Make out the edits for doubles of functions; those of objects are reported."""
    for double in plan.program.doubles.values():
        _tell_of_both(plan, double)
        if any(path.startswith("werkzeug.serving.") for path in paths(double.target)):
            plan.hand(double.site.where, double.site.node, _NOT_SERVED)
        if any(_is_awaited(plan, value) for value in double.target):
            if not _is_made(plan, double, wait_for_what_is_made):
                _of_function(plan, double)
            continue
        if plan.program.is_ported and any(map(plan.colours.is_async, routines(double.target))):
            _is_made(plan, double, makes_mocks)
        names = sorted(_not_awaited(plan, double))
        if names and not wait_for_methods(plan, double, names):
            reason = f"{', '.join(names)} of what this replaces is awaited now: {_ADVICE}"
            plan.hand(double.site.where, double.site.node, reason)
        elif not names and External("flask.Flask") in double.target and not _is_class(double.given):
            plan.hand(double.site.where, double.site.node, _NO_APP)
        _of_plain_function(plan, double)


def rename_targets(plan: Plan) -> None:
    """What a test names, in a string or as a member, has the name that its module gives it now."""
    for double in plan.program.doubles.values():
        node = double.site.node
        args = node.args if isinstance(node, cst.Call) else ()
        for position, of in enumerate((NOTHING, double.of)[: len(args)]):
            given = args[position].value
            if not isinstance(given, cst.SimpleString) or (name := text_of(given)) is None:
                continue
            new = _renamed_member(plan, of, name) if position else _renamed(plan, name)
            if new != name:
                text = given.value.replace(name, new)
                plan.edits(double.site.where.module).change(given, _string(text))
    for read, base in plan.program.values.items():
        if isinstance(read, cst.Attribute) and read in plan.program.module_of:
            new = _renamed_member(plan, base, read.attr.value)
            if new != read.attr.value:
                plan.edits(plan.program.module_of[read]).change(read.attr, _named(new))


def _renamed_member(plan: Plan, of: Values, name: str) -> str:
    """The name that a member of a module, or of Flask itself, has now."""
    for value in of:
        if isinstance(value, ModuleValue):
            return plan.edits(value.module).renamed.get(name, name)
        if value == External("flask"):
            return RENAMED.get(name, name)
    return name


def _named(name: str) -> Callable[[cst.Name], cst.Name]:
    return lambda old: old.with_changes(value=name)


def _renamed(plan: Plan, name: str) -> str:
    parts = name.split(".")
    for length in range(len(parts), -1, -1):
        module = plan.program.module_called(".".join(parts[:length]))
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
    functions = routines(double.given)
    if functions and all(map(plan.colours.is_async, functions)):
        return
    if any(function.is_generator for function in routines(double.target)):
        if node is None or not functions:
            plan.hand(where, double.site.node, _GENERATOR)
        else:
            wrapper = plan.edits(where.module).need(TESTING, "generator_function")
            plan.edits(where.module).change(node, _within(wrapper))
    elif node is not None and Instance("unittest.mock.AsyncMock") not in double.given:
        wait_for(plan, where, node)


def _is_made(plan: Plan, double: Double, is_known: _Made) -> bool:
    """Whether a test says by what a double is made; it is reported if that is not known."""
    call, where = double.site.node, double.site.where
    given = keywords(call) if double.node is None and isinstance(call, cst.Call) else {}
    if _MADE_BY not in given:
        return False
    if not is_known(plan, where, given[_MADE_BY]):
        plan.hand(where, given[_MADE_BY], _MADE)
    return True


def _of_plain_function(plan: Plan, double: Double) -> None:
    """What calls the double awaits nothing: where the double does, it gets a plain function."""
    for node, values in (*double.called, *((double.node, double.given),)):
        functions = [each for each in routines(values) if _became_async(plan, each)]
        if node is None or not functions:
            continue
        where = double.site.where
        if not double.target:
            reason = f"{functions[0].label} is a coroutine function now: is what this replaces?"
            plan.hand(where, node, reason)
            continue
        wrapper = plan.edits(where.module).need(TESTING, "plain_function")
        plan.edits(where.module).change(node, _within(wrapper))
        if any(Instance("flask.Response") in each.returns for each in functions):
            plan.hand(where, node, _ANSWERS)


def _tell_of_both(plan: Plan, double: Double) -> None:
    """Report one that replaces functions of both kinds, as a parametrized test's."""
    functions = routines(double.target)
    new = any(_became_async(plan, each) for each in functions) or plan.program.is_ported
    plain = sorted(each.label for each in functions if not plan.colours.is_async(each))
    if new and 0 < len(plain) < len(functions):
        reason = f"what this replaces is awaited, but for {', '.join(plain)}: give that another"
        plan.hand(double.site.where, double.site.node, reason)


def _is_class(values: Values) -> bool:
    return any(isinstance(value, Type) for value in values)


def _within(function: str) -> Callable[[cst.BaseExpression], cst.BaseExpression]:
    return lambda old: wrapped(function, old)


def _not_awaited(plan: Plan, double: Double) -> set[str]:
    """The methods that are awaited of an object now, and that its double has as plain ones."""
    made_up = double.node if double.node is not None else double.site.node
    if isinstance(made_up, cst.Name) and made_up.value == "None":
        return set()
    made = NOTHING.union(double.given, *(each.returns for each in routines(double.given)))
    own = {
        name
        for value in made
        if isinstance(value, Object | Type)
        for name, method in _methods(value)
        if plan.colours.is_async(method)
    }
    of_project = {
        name
        for value in double.target
        if isinstance(value, Object | Type)
        for name, method in _methods(value)
        if _became_async(plan, method) or (method.was_async and _is_left(plan, name))
        if not _is_called_as_either(plan, value, method)
    }
    found = (of_project | _of_flask(plan, double)) - own
    return _beyond_measure(plan, double, made_up, found)


def _is_called_as_either(plan: Plan, of: Object | Type, method: Function) -> bool:
    """Whether all that calls it, but for its own class, awaits only what is awaitable."""
    callers = [
        site
        for site in plan.sites("call")
        if method in site.functions and not site.where.module.is_test
        if getattr(site.where, "owner", None) not in of.of.lineage()
    ]
    return bool(callers) and all(may_be_either(plan.colours, site) for site in callers)


def _beyond_measure(plan: Plan, double: Double, made_up: cst.CSTNode, names: set[str]) -> set[str]:
    """Those of the names that a mock has as plain ones, though it may be made to measure.

    By a class, it has coroutine functions; but attributes, and what it is given, stay as they are.
    """
    given = keywords(made_up) if isinstance(made_up, cst.Call) else {}
    listed = [each for each in map(given.get, _SPECIFIED) if isinstance(each, cst.List | cst.Tuple)]
    if listed:
        return names & {text_of(each.value) for of in listed for each in of.elements}
    where = double.site.where.module
    plainly = _MADE_BY in given and makes_plain_mocks(where, given[_MADE_BY])
    if (_MADE_TO_MEASURE - ({_MADE_BY} if plainly else set())).isdisjoint(given):
        return names
    source = where.source
    set_up = {name for name in read_of(plan, names) if re.search(rf"\b{name}\b", source)}
    return set_up | (names & given.keys())


def _of_flask(plan: Plan, double: Double) -> set[str]:
    """What is awaited of an object of Flask's, or of Flask itself, where a test replaces it."""
    kinds = {value.kind for value in double.target if isinstance(value, Instance)}
    kinds |= {"flask"} & {value.path for value in double.target if isinstance(value, External)}
    within = {value.module for value in double.of if isinstance(value, ModuleValue)}
    return {
        path.rpartition(".")[2]
        for site in plan.program.sites.values()
        if not site.where.module.is_test and (not within or site.where.module in within)
        for path in site.paths & AWAITABLE
        if path.rpartition(".")[0] in kinds
        and not may_be_either(plan.colours, site)
        and (plan.colours.needs(site) or _is_left(plan, path.rpartition(".")[2]))
    }


def _is_left(plan: Plan, name: str) -> bool:
    """Whether a port before this one has left mocks without a method that is awaited."""
    mocks = ("unittest.", "mock.", "pytest_mock.")
    given = any(key[1] == name and key[0].startswith(mocks) for key in plan.program.stored)
    return plan.program.is_ported and not given


def _methods(value: Object | Type) -> Iterator[tuple[str, Function]]:
    for each in value.of.lineage():
        for name, values in each.bindings.items():
            for method in routines(values):
                yield name, method
