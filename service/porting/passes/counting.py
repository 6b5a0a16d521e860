"""Counting the routes: those that became asynchronous, stayed plain, or need a hand."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from service.porting.implicit import IMPLICIT
from service.porting.libraries import extension
from service.porting.plan import Plan
from service.porting.program import Function, Module, Scope
from service.porting.registration import VIEW

from .hooks import behind
from .making_json import dumping_with, is_of_encoder, making_json
from .rendered import Rendered
from .setting_up import modules_of_settings
from .several_apps import views_beside
from .views_of_extensions import views_of_extensions

_OF_A_RESULT = m.Call(func=m.Call())
"""As in `ensure_async(view)()`."""


def count_routes(plan: Plan) -> None:
    """Count the routes in the report; after all that may need a hand is known."""
    routes = plan.report.routes
    by_hand = _needing_a_hand(plan)
    in_threads = _called_in_threads(plan)
    routes.by_hand += len(views_of_extensions(plan))
    for function in plan.functions():
        if VIEW not in function.roles or function.module.is_test or _wraps_views(plan, function):
            continue
        if function in by_hand:
            routes.by_hand += 1
        elif plan.colours.is_async(function) and function not in in_threads:
            routes.ported += 1
        else:
            routes.left_sync += 1


def _called_in_threads(plan: Plan) -> set[Function]:
    """Views that a decorator's wrapper calls which stays in a thread."""
    return {
        function
        for site in plan.sites("call")
        if site.through_parameter and site.where in plan.colours.threaded
        for function in site.functions
    }


def _needing_a_hand(plan: Plan) -> set[Function]:
    """The functions with a place in them that needs a hand, those around, and those that call."""
    asked = [module for module, nodes in plan.by_hand.items() if nodes]
    broken = {module for module in asked if not module.is_test and _is_broken(plan, module)}
    found = {each for each in plan.functions() if each.module in broken}
    elsewhere = {each.node for each in plan.called_by_templates}
    for module in asked:
        finder = _Around(plan, plan.by_hand[module] - elsewhere)
        module.tree.visit(finder)
        found |= finder.found
    for site in plan.program.sites.values():
        if any(map(extension, site.paths)):
            found |= set(_outwards(site.where))
    for of in {each.owner for each in found if each.owner and each.name == "default"}:
        found |= dumping_with(plan, of)
    rendered = Rendered(plan)
    rendering = {*rendered.by_hand(), *rendered.calling(plan.called_by_templates)}
    found |= {each for site in rendering for each in _outwards(site.where)}
    _add_callers(plan, rendered, found)
    if any(map(is_of_encoder, found)):
        found |= making_json(plan)
        _add_callers(plan, rendered, found)
    done = modules_of_settings(plan, found)
    return found | behind(plan, found) | (views_beside(plan, done) if done else set())


def _is_broken(plan: Plan, module: Module) -> bool:
    """Whether nothing of a module can be had: it is left, or what it imports is not there."""
    lines = (line for line in module.tree.body if isinstance(line, cst.SimpleStatementLine))
    parts = (part for line in lines for part in line.body)
    imports = {part for part in parts if isinstance(part, cst.Import | cst.ImportFrom)}
    return not plan.by_hand[module].isdisjoint({module.tree, *imports})


def _add_callers(plan: Plan, rendered: Rendered, found: set[Function]) -> None:
    size = 0
    while size < len(found):
        size = len(found)
        for site in plan.program.sites.values():
            called = site.functions | rendered.called.get(site, set())
            if site.role != IMPLICIT and not found.isdisjoint(called):
                found |= set(_outwards(site.where))


def _outwards(scope: Scope | None) -> Iterator[Function]:
    """A function, and those that it is defined in."""
    while scope is not None:
        if isinstance(scope, Function):
            yield scope
        scope = scope.parent


class _Around(cst.CSTVisitor):
    """Finds the functions around some nodes."""

    def __init__(self, plan: Plan, wanted: set[cst.CSTNode]) -> None:
        super().__init__()
        self.functions = plan.program.functions
        self.wanted = wanted
        self.found: set[Function] = set()
        self._around: list[cst.CSTNode] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Note the functions around a node that is wanted."""
        self._around += [node] if node in self.functions else []
        if node in self.wanted:
            self.found |= {self.functions[each] for each in self._around}
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        """Note that a function ends."""
        if self._around[-1:] == [original_node]:
            self._around.pop()


def _wraps_views(plan: Plan, function: Function) -> bool:
    """Whether it is what a decorator puts around a view."""
    is_inner = isinstance(function.parent, Function)
    for site in plan.colours.sites(function):
        if function.owner is not None and "flask.async_function" in site.paths:
            return False  # an object in the place of a view that nobody knows
        of_a_result = m.matches(site.node, _OF_A_RESULT) or _calls_from_around(function, site.node)
        if is_inner and of_a_result and "flask.async_function" in site.paths:
            return True
        is_given = site.through_parameter or of_a_result
        if is_given and any(VIEW in called.roles for called in site.functions):
            return True
    return False


def _calls_from_around(function: Function, node: cst.CSTNode) -> bool:
    """Whether what a call calls is a name of the function around."""
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Name):
        return False
    around, name = function.parent, node.func.value
    return (
        isinstance(around, Function) and name in around.bindings.keys() - function.bindings.keys()
    )
