"""Hooks: which routes come to them at each request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import libcst as cst
import libcst.matchers as m

from service.porting.closure import closure
from service.porting.nodes import dotted
from service.porting.plan import Plan
from service.porting.program import Class, Function, Module
from service.porting.registration import VIEW
from service.porting.values import NOTHING, ModuleValue, Type

from .several_apps import views_beside

_BLUEPRINT = "flask.Blueprint"
_HOOKS = ("before_request", "after_request", "teardown_request", "url_value_preprocessor")
_OF_A_BLUEPRINT = {f"{_BLUEPRINT}.{name}" for name in _HOOKS}
_OF_THE_APP = {
    *(f"flask.Flask.{name}" for name in (*_HOOKS, "teardown_appcontext")),
    f"{_BLUEPRINT}.after_app_request",
    f"{_BLUEPRINT}.app_url_value_preprocessor",
    f"{_BLUEPRINT}.before_app_request",
    f"{_BLUEPRINT}.teardown_app_request",
}
_ASSIGNED = m.AssignTarget() | m.AnnAssign()
_MAKING_VIEWS = m.Call(func=m.SaveMatchedNode(m.Attribute(attr=m.Name("as_view")), "of"))

Registered = tuple[str, cst.CSTNode]
"""By which method a function is registered, and the decorator or the call."""
Name = tuple[Module, str]
"""The variable that a blueprint was given where it was made."""
_ANY = None
"""In the place of such a name: nobody knows which blueprint it is."""


def behind(plan: Plan, functions: set[Function]) -> set[Function]:
    """The views that come to some of these functions at each request."""
    known = plan.program.registered
    by = {each for function in functions & known.keys() for each in known[function]}
    views = {function for function in plan.functions() if VIEW in function.roles}
    of_apps = functions & plan.program.put_on_apps | {
        function
        for function in functions & known.keys()
        if any(path in _OF_THE_APP for path, _ in known[function])
    }
    found = views_beside(plan, {each.module for each in of_apps}) if of_apps else set()
    hooks = {(path, node) for path, node in by if path in _OF_A_BLUEPRINT}
    return found | (_Blueprints(plan).behind(hooks, views) if hooks else set())


class _Blueprints:
    """Which blueprint each hook and each view is registered with."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._imports: dict[Module, dict[str, Name]] = {}
        self._made = set(self._variables())
        self._views = self._registered_classes()
        self._within = self._nested()

    def behind(self, hooks: set[Registered], views: set[Function]) -> set[Function]:
        """The views of the blueprints that these hooks are of, and of those within them."""
        direct = {name for each in hooks for name in self._names(*each)}
        hooked = closure(direct, lambda name: self._within[name])
        found = set()
        for view in views:
            names = {name for each in self._registered(view) for name in self._names(*each)}
            if names and (_ANY in names | hooked or names & hooked):
                found.add(view)
        return found

    def _variables(self) -> Iterable[Name]:
        for site in self.plan.sites("call"):
            line = self.plan.program.statements.get(site.node)
            if _BLUEPRINT in site.paths and line is not None:
                for each in m.findall(line, _ASSIGNED):
                    assert isinstance(each, cst.AssignTarget | cst.AnnAssign)
                    yield site.where.module, dotted(each.target)

    def _registered(self, view: Function) -> set[Registered]:
        """How a view is registered; a method, by its class or by those that inherit from it."""
        of, known = view.owner, self.plan.program.registered
        if of is None or view in known:
            return known[view]
        by = {each for heir in (of, *of.heirs()) for each in self._views[heir]}
        return by or {(_BLUEPRINT, view.node)}

    def _registered_classes(self) -> dict[Class, set[Registered]]:
        found: dict[Class, set[Registered]] = defaultdict(set)
        for site in self.plan.sites("call"):
            paths = [path for path in site.paths if path.endswith(".add_url_rule")]
            for made in m.extractall(site.node, _MAKING_VIEWS) if paths else ():
                of = made["of"]
                assert isinstance(of, cst.CSTNode)
                for value in self.plan.program.values.get(of, NOTHING):
                    if isinstance(value, Type):
                        found[value.of] |= {(path, site.node) for path in paths}
        return found

    def _nested(self) -> dict[Name | None, set[Name | None]]:
        """The blueprints that are registered with another one, by that."""
        found: dict[Name | None, set[Name | None]] = defaultdict(set)
        for site in self.plan.sites("call"):
            if f"{_BLUEPRINT}.register_blueprint" in site.paths:
                given = site.node.args[:1] if isinstance(site.node, cst.Call) else ()
                inner = {self._made_as(site.where.module, arg.value) for arg in given}
                for outer in self._names(_BLUEPRINT, site.node):
                    found[outer] |= inner
        return found

    def _names(self, path: str, node: cst.CSTNode) -> Iterable[Name | None]:
        """The name of the blueprint that something is registered with, if it is one."""
        if not path.startswith(_BLUEPRINT):
            return
        by = node.decorator if isinstance(node, cst.Decorator) else node
        method = by.func if isinstance(by, cst.Call) else by
        module = self.plan.program.module_of.get(method)
        if module is None or not isinstance(method, cst.Attribute):
            yield _ANY
        else:
            yield self._made_as(module, method.value)

    def _made_as(self, module: Module, node: cst.BaseExpression) -> Name | None:
        name = module, dotted(node)
        seen: set[Name] = set()
        while name not in self._made and name not in seen:
            seen.add(name)
            name = self._elsewhere(*name)
        return name if name in self._made else _ANY

    def _elsewhere(self, module: Module, name: str) -> Name:
        """What a name in a module is in the module that it comes from."""
        first, _, rest = name.partition(".")
        for value in module.bindings.get(first, NOTHING) if rest else ():
            if isinstance(value, ModuleValue):
                return value.module, rest
        if module not in self._imports:
            self._imports[module] = dict(self._members(module))
        return self._imports[module].get(name, (module, name))

    def _members(self, module: Module) -> Iterable[tuple[str, Name]]:
        """What a module imports from others, by the names that it has there."""
        for node in m.findall(module.tree, m.ImportFrom()):
            assert isinstance(node, cst.ImportFrom)
            of = module.absolute(dotted(node.module), len(node.relative))
            home = self.plan.program.module_called(of)
            if home is None or isinstance(node.names, cst.ImportStar):
                continue
            for alias in node.names:
                name = dotted(alias.name)
                yield dotted(alias.asname.name) if alias.asname else name, (home, name)
