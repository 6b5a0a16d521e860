"""Mocks of objects whose methods are awaited: there, these methods are `AsyncMock`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import libcst as cst
import libcst.matchers as m

from service.porting.nodes import dotted, keywords, text_of, with_keyword, wrapped
from service.porting.plan import TESTING, Plan, meant
from service.porting.program import Function, Module
from service.porting.sites import Double
from service.porting.values import Type

_PLAIN_MOCKS = ("Mock", "MagicMock")
_WRAPPER = "coroutine_function"
_AWAITED = {f"{TESTING}.{_WRAPPER}", "unittest.mock.AsyncMock", "mock.AsyncMock"}
_PARAMETRIZED = m.Decorator(m.Call(m.Attribute(attr=m.Name("parametrize"))))


def wait_for(plan: Plan, where: Function | Module, node: cst.BaseExpression) -> None:
    """Let a double of a function be awaited."""
    if isinstance(node, cst.Call) and _is_plain_mock(plan, node):
        _make_async(plan, where, node.func)
    elif _paths(plan, node).isdisjoint(_AWAITED):
        edits = plan.edits(where.module)
        wrapper = edits.need(TESTING, _WRAPPER)
        edits.change(node, lambda old: wrapped(wrapper, old))


def wait_for_what_is_made(plan: Plan, where: Function | Module, by: cst.BaseExpression) -> bool:
    """Let what `new_callable` makes be awaited; whether it is known what that is."""
    if makes_plain_mocks(where.module, by):
        _make_async(plan, where, _class_of(where.module, by))
    return makes_mocks(plan, where, by)


def makes_mocks(plan: Plan, where: Function | Module, by: cst.BaseExpression) -> bool:
    """Whether it makes mocks, of whichever kind."""
    made = meant(where.module, dotted(_class_of(where.module, by)))
    return bool(made) and all(path in _AWAITED or _is_plain(path) for path in made)


def makes_plain_mocks(module: Module, by: cst.BaseExpression) -> bool:
    """Whether it makes mocks that cannot be awaited."""
    made = meant(module, dotted(_class_of(module, by)))
    return bool(made) and all(map(_is_plain, made))


def _class_of(module: Module, by: cst.BaseExpression) -> cst.BaseExpression:
    """The class of mocks that is called, perhaps by `partial`."""
    if isinstance(by, cst.Call) and "functools.partial" in meant(module, dotted(by.func)):
        return by.args[0].value if by.args else by
    return by


def _make_async(plan: Plan, where: Function | Module, by: cst.BaseExpression) -> None:
    edits = plan.edits(where.module)
    if isinstance(by, cst.Attribute):
        edits.rename(by.attr, "AsyncMock")
    else:
        edits.rename(by, edits.need("unittest.mock", "AsyncMock"))


def wait_for_methods(plan: Plan, double: Double, names: Iterable[str]) -> bool:
    """Let methods of a mock be awaited, if it is made there; whether it is."""
    made = double.node if double.node is not None else double.site.node
    of_class = any(isinstance(value, Type) for value in double.target)  # whose objects have them
    if of_class or not isinstance(made, cst.Call):
        return False
    if double.node is not None and not _is_plain_mock(plan, made):
        return False
    given = keywords(made)
    spread = [arg.value for arg in made.args if arg.star == "**"]
    if not all(_has_none(each, names) for each in spread) or read_of(plan, names):
        return False
    if _is_shared(plan, made):
        return False
    for name in names:
        if name in given:
            wait_for(plan, double.site.where, given[name])
        else:
            edits = plan.edits(double.site.where.module)
            edits.change(made, _with_method(name, edits.need("unittest.mock", "AsyncMock")))
    return True


def _is_shared(plan: Plan, made: cst.Call) -> bool:
    """Whether a decorator makes the mock for more than one test, which count its calls."""
    decorated = [*plan.program.classes, *plan.program.functions]
    return any(
        decorator.decorator is made
        and (isinstance(node, cst.ClassDef) or bool(m.findall(node, _PARAMETRIZED)))
        for node in decorated
        if isinstance(node, cst.FunctionDef | cst.ClassDef)
        for decorator in node.decorators
    )


def _with_method(name: str, mock: str) -> Callable[[cst.Call], cst.Call]:
    return lambda old: with_keyword(old, name, cst.Call(cst.Name(mock)))


def _paths(plan: Plan, node: cst.CSTNode) -> set[str]:
    site = plan.program.sites.get((node, "call"))
    return site.paths if site is not None else set()


def _is_plain_mock(plan: Plan, node: cst.Call) -> bool:
    return any(map(_is_plain, _paths(plan, node)))


def _is_plain(path: str) -> bool:
    of, _, name = path.rpartition(".")
    return of in {"unittest.mock", "mock"} and name in _PLAIN_MOCKS


def _has_none(spread: cst.BaseExpression, names: Iterable[str]) -> bool:
    """Whether what `**` spreads is written out, and has none of these names."""
    if not isinstance(spread, cst.Dict):
        return False
    keys = [text_of(each.key) for each in spread.elements if isinstance(each, cst.DictElement)]
    return len(keys) == len(spread.elements) and set(keys).isdisjoint({None, *names})


def read_of(plan: Plan, names: Iterable[str]) -> set[str]:
    """Those of them that are attributes of Flask's that are awaited, and not called."""
    read = {
        path.rpartition(".")[2]
        for site in plan.sites("attribute")
        if plan.colours.needs(site) or site.node in plan.program.awaited
        for path in site.paths
    }
    return read.intersection(names)
