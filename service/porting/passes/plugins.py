"""Fixtures that tests cannot get: of pytest-flask, or while they wait already."""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from service.porting.libraries import EXTENSIONS
from service.porting.nodes import text_of
from service.porting.parametrized import parameters
from service.porting.plan import Plan, paths
from service.porting.program import Function, Module
from service.porting.registration import FIXTURE, TEST
from service.porting.values import NOTHING

from .borrowing import named

_FIXTURES = {
    *("accept_any", "accept_json", "accept_jsonp", "accept_mimetype"),
    *("client", "client_class", "live_server"),
}
_WAITED_FOR = "is asynchronous now: an asynchronous test can only take it as an argument"
_PLUGINS = m.Assign([m.AssignTarget(m.Name("pytest_plugins"))])
PYTEST_FLASK = f"pytest-flask is for Flask; instead: {EXTENSIONS['pytest_flask']}"


def tell_of_plugins(plan: Plan) -> None:
    """Report, once for each file, tests that take what only pytest-flask has; and the others."""
    told = set()
    for function in plan.functions():
        if function.module in told or not plan.program.fixtures.get("app"):
            continue
        if taken := sorted(_asked_for(plan, function)):
            told.add(function.module)
            reason = f"{taken[0]} is no fixture of this project's: {PYTEST_FLASK}"
            plan.hand(function, function.node, reason)
    for site, asked in plan.program.fixtures_asked_for.items():
        taken = site.where.names if isinstance(site.where, Function) else []
        for fixture in filter(plan.colours.is_async, asked):
            if fixture.name not in taken and plan.colours.is_async(plan.colours.owner(site)):
                plan.hand(site.where, site.node, f"{fixture.name} {_WAITED_FOR}")


def _asked_for(plan: Plan, function: Function) -> list[str]:
    """The fixtures of pytest-flask that it takes, a test or a fixture, and the project lacks."""
    taken = [name for name in function.names if name in _FIXTURES]
    if not taken or not function.roles & {FIXTURE, TEST}:
        return []
    patched = any("patch" in path for values in function.decorators for path in paths(values))
    if patched:
        return []
    given = {
        name
        for of in (function.node, function.owner and function.owner.node)
        if isinstance(of, cst.FunctionDef | cst.ClassDef)
        for decorator in of.decorators
        for name in parameters(decorator.decorator, lambda node: NOTHING)
    }
    return [
        name
        for name in taken
        if name not in given
        and not plan.program.fixtures.get(name)
        and not _comes_from_elsewhere(plan, function.module, name)
    ]


def _comes_from_elsewhere(plan: Plan, module: Module, name: str) -> bool:
    """Whether another library may have the fixture: it is imported, or a plugin is named."""
    return any(
        bool(paths(each.bindings.get(name, NOTHING))) or _names_plugins(plan, each)
        for each in plan.program.modules.values()
        if each is module or each.path.stem == "conftest"
    )


def _names_plugins(plan: Plan, module: Module) -> bool:
    """Whether `pytest_plugins` has others than the project's modules, and pytest-flask."""
    return "pytest_plugins" in module.source and any(
        not any(named(plan.program, plugin)) and not plugin.startswith("pytest_flask")
        for line in module.tree.body
        for listing in m.findall(line, _PLUGINS)
        for each in m.findall(listing, m.SimpleString())
        if (plugin := text_of(each))
    )
