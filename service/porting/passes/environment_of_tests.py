"""Environment variables that tests set after an app is made: CONNECTIONS has read them before."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from service.porting.closure import closure
from service.porting.plan import Plan
from service.porting.program import Function, Module
from service.porting.reach import callers_at

from .borrowing import imports_in, named
from .entries import apps_made
from .settings_of_tests import entries_of, keys_given, keys_read

_TEXT = m.SimpleString()
_ENVIRON = m.Name("environ") | m.Attribute(attr=m.Name("environ"))
_ITEM = m.Subscript(value=_ENVIRON, slice=[m.SubscriptElement(m.Index(_TEXT))])
_GETENV = m.Name("getenv") | m.Attribute(attr=m.Name("getenv"))
_GET = _GETENV | m.Attribute(_ENVIRON, m.Name("get"))
_READ = _ITEM | m.Call(_GET, [m.Arg(_TEXT), m.ZeroOrMore()])
_SETENV = m.Call(m.Attribute(attr=m.Name("setenv") | m.Name("delenv")))
_UPDATE = m.Call(m.Attribute(_ENVIRON, m.Name("setdefault") | m.Name("update")))
_ELSEWHERE = m.Attribute(attr=m.OneOf(*map(m.Name, ("delitem", "dict", "setitem"))))
_OF_ENVIRON = m.Arg(_ENVIRON | m.SimpleString(m.MatchRegex(r"\Wos\.environ\W")))
_GIVEN_TO = m.Call(_ELSEWHERE, [_OF_ENVIRON, m.AtLeastN(n=1)])
"""As in `monkeypatch.setitem(os.environ, ...)`, or `patch.dict("os.environ", ...)`."""


def tell_of_environments(plan: Plan) -> None:
    """Report where tests set what an entry of CONNECTIONS was read from."""
    read = {key: name for name, entry in entries_of(plan) for key in keys_read(entry, _READ)}
    tests = [each for each in plan.program.modules.values() if each.is_test]
    setting = [each for each in tests if any(key in each.source for key in read)]
    if not any("environ" in each.source or "env(" in each.source for each in setting):
        return
    made = {site.where for site in apps_made(plan) if not site.where.module.is_test}
    with_app = _with_app(plan, {each for each in made if isinstance(each, Module)})
    making = _making(plan, {each for each in made if isinstance(each, Function)})
    for module in setting:
        for node, key in _set_too_late(plan, module, with_app, making):
            if key in read:
                reason = f'CONNECTIONS["{read[key]}"] has read {key} before: set it before'
                plan.hand(module, node, f"{reason} the app is made")


def _set_too_late(
    plan: Plan, module: Module, with_app: set[Module], making: set[Function]
) -> Iterator[tuple[cst.CSTNode, str]]:
    """Where tests set variables once the app is imported, or a fixture has made it."""
    if "reload" in module.source or "sys.modules" in module.source:
        return
    importing = [each for each in with_app if each.is_test]
    imported = any(each.path.stem == "conftest" and each is not module for each in importing)
    for line in module.tree.body:
        if not isinstance(line, cst.FunctionDef | cst.ClassDef):
            if imported:
                yield from _set(line)
            imported = imported or not with_app.isdisjoint(_imported(plan, module, line))
    for function in plan.functions():
        if function.module is not module or isinstance(function.parent, Function):
            continue
        given = {each for name in function.names for each in plan.program.fixtures.get(name, ())}
        if importing or given & making:
            in_time = _before_an_app(plan, function, making)
            yield from (each for each in _set(function.node) if each[0] not in in_time)


def _before_an_app(plan: Plan, function: Function, making: set[Function]) -> set[cst.CSTNode]:
    """What a function does before it makes an app itself, which is in time for that one."""
    steps = m.findall(function.node, m.Call() | m.AssignTarget())
    sites = (plan.program.sites.get((step, "call")) for step in steps)
    makes = [number for number, site in enumerate(sites) if site and site.functions & making]
    return set(steps[: makes[-1]]) if makes else set()


def _with_app(plan: Plan, homes: set[Module]) -> set[Module]:
    """The modules with which one is imported that makes an app."""
    imports = {
        module: {found for line in module.tree.body for found in _imported(plan, module, line)}
        for module in (plan.program.modules.values() if homes else ())
    }
    return closure(homes, lambda home: (each for each in imports if home in imports[each]))


def _imported(plan: Plan, module: Module, line: cst.CSTNode) -> set[Module]:
    """What of the project a statement imports, before a function is called."""
    if isinstance(line, cst.FunctionDef | cst.ClassDef):
        return set()
    names = imports_in(module, line)
    return {found for name in names for found in named(plan.program, name)}


def _making(plan: Plan, factories: set[Function]) -> set[Function]:
    """The functions, fixtures among them, that come to make an app."""
    using = callers_at(plan.program.sites.values())
    for each in plan.functions():
        for name in each.names:
            for fixture in plan.program.fixtures.get(name, ()):
                using[fixture].add(each)
    return closure(factories, lambda function: using.get(function, ()))


def _set(within: cst.CSTNode) -> Iterator[tuple[cst.CSTNode, str]]:
    """Where environment variables are set, and which."""
    for node in m.findall(within, m.AssignTarget(_ITEM)):
        yield from ((node, key) for key in keys_read(node, _READ))
    for node in m.findall(within, _SETENV | _UPDATE | _GIVEN_TO):
        for arg in cst.ensure_type(node, cst.Call).args:
            yield from ((node, key) for key in sorted(keys_given(arg)))
