"""What every request comes through: what is done to an app while it is set up, or given to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property

import libcst as cst
import libcst.matchers as m
from quart.sessions import SessionInterface

from service.porting.flask_attributes import may_have, taken
from service.porting.flask_types import APP
from service.porting.libraries import CALLING_WSGI, extension
from service.porting.plan import Plan
from service.porting.program import Function, Module, Scope
from service.porting.reach import with_called
from service.porting.registration import role_of
from service.porting.values import Instance, Object, Values
from service.porting.walking import below

from .entries import apps_made
from .request_classes import given_to_apps

_AS_PROGRAM = m.If(test=m.Comparison(left=m.Name("__name__")))
_SETTING = cst.Assign | cst.AnnAssign | cst.Arg | cst.DictElement
_OF_SESSIONS = {name for name in vars(SessionInterface) if not name.startswith("_")}
_OF_APPS = {
    *("__init__", "create_url_adapter", "dispatch_request", "do_teardown_appcontext"),
    *("do_teardown_request", "ensure_sync", "finalize_request", "full_dispatch_request"),
    *("make_response", "preprocess_request", "process_response", "wsgi_app"),
}
"""Methods of an app that each request comes to."""
_RUN = f"{APP}.run"
_SERVING = tuple(each for each in CALLING_WSGI if each != "whitenoise.")
"""What calls an app once it is set up, and is nothing that Hypercorn comes through."""
_OF_TEMPLATES = "jinja_env"
"""What is put there, only those requests come to that render a template."""


def modules_of_settings(plan: Plan, functions: set[Function]) -> set[Module]:
    """Where something is whose app's requests all come to it: one of these functions, or a line."""
    found = {each.module for each in functions if _is_for_every_request(plan, each)}
    return found | _SettingUp(plan).modules()


def _is_for_every_request(plan: Plan, function: Function) -> bool:
    """Whether it is a method that Quart calls by itself, of the app or of what this is given."""
    of = function.owner
    if of is None or function.module.is_test:
        return False
    if APP in of.external_bases():
        return function.name in _OF_APPS
    for attribute, names in (("request_class", taken()), ("session_interface", _OF_SESSIONS)):
        given = given_to_apps(plan, attribute) if function.name in names else ()
        if any(of in value.of.lineage() for value in given):
            return True
    return False


class _SettingUp:
    """The lines that run while an app is set up."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.wanted: dict[Module, set[cst.CSTNode]] = defaultdict(set)
        """What needs a hand."""
        for module, nodes in plan.by_hand.items():
            self.wanted[module] |= nodes
        for site in plan.sites("call"):
            if any(map(extension, site.paths)):
                self.wanted[site.where.module].add(site.node)

    def modules(self) -> set[Module]:
        """Where something that needs a hand is a setting, or is done to an app."""
        return {
            module
            for module in [each for each in self.wanted if not each.is_test]
            if any(self._is_done(module, scope, line) for scope, line in self._lines(module))
        }

    def _lines(self, module: Module) -> Iterator[tuple[Scope, cst.SimpleStatementLine]]:
        """The lines of a module that run when it is imported, and those of what sets apps up."""
        known = self.plan.program.functions
        stack: list[tuple[Scope, cst.CSTNode]] = [(module, module.tree)]
        while stack:
            scope, node = stack.pop()
            if not isinstance(node, cst.SimpleStatementLine):
                inner = known.get(node, scope)
                as_program = m.matches(node, _AS_PROGRAM)
                stack += [(inner, child) for child in node.children if not as_program]
            elif scope is module or scope in self._functions:
                yield scope, node

    @cached_property
    def _functions(self) -> set[Function]:
        """Those that make or run an app or run at an import, and what these call."""
        as_programs = {
            node
            for module in self.plan.program.modules.values()
            for part in module.tree.body
            if m.matches(part, _AS_PROGRAM)
            for node in below(part)
        }
        sites = list(self.plan.sites("call"))
        makers = {site.where for site in apps_made(self.plan)}
        makers |= {site.where for site in sites if _RUN in site.paths}
        at_once = [each for each in sites if isinstance(each.where, Module)]
        begun = {
            function
            for site in at_once
            if site.node not in as_programs and not site.where.module.is_test
            for function in site.functions
        }
        return with_called(begun | {each for each in makers if isinstance(each, Function)}, sites)

    def _is_done(self, module: Module, scope: Scope, line: cst.SimpleStatementLine) -> bool:
        """Whether a line does to an app, or sets, what needs a hand."""
        later = {node for each in m.findall(line, m.Lambda()) for node in below(each)}
        at_once = [node for node in below(line) if node not in later]
        wanted = [node for node in at_once if node in self.wanted[module]]
        if not wanted:
            return False
        if scope is module and any(isinstance(node, _SETTING) for node in wanted):
            return True
        return any(self._is_of_app(node, scope) for node in at_once)

    def _is_of_app(self, node: cst.CSTNode, scope: Scope) -> bool:
        """Whether a part of a line sets an attribute of an app, or hands the app to a call."""
        if isinstance(node, cst.AssignTarget):
            return self._is_below_app(node.target, scope)
        if not isinstance(node, cst.Call):
            return False
        site = self.plan.program.sites.get((node, "call"))
        if site is not None and any(map(_sets_nothing_up, site.paths)):
            return False
        values = [node.func, *(arg.value for arg in node.args)]
        return any(
            self._is_app(value, scope) or self._is_below_app(value, scope) for value in values
        )

    def _is_below_app(self, node: cst.BaseExpression, scope: Scope) -> bool:
        """Whether it is reached by an attribute that Quart's apps have, as `app.config["NAME"]`."""
        while isinstance(node, cst.Attribute | cst.Subscript):
            if isinstance(node, cst.Attribute) and self._is_app(node.value, scope):
                name = node.attr.value
                return may_have(APP, name) and name != _OF_TEMPLATES
            node = node.value
        return False

    def _is_app(self, node: cst.BaseExpression, scope: Scope | None) -> bool:
        """Whether a name may stand for an app."""
        while isinstance(node, cst.Name) and scope is not None:
            if node.value in scope.bindings:
                return _has_app(scope.bindings[node.value])
            scope = scope.parent
        return False


def _sets_nothing_up(path: str) -> bool:
    """Whether it serves an app that is given to it, or is given what routes come to."""
    return path == _RUN or path.startswith(_SERVING) or bool(role_of(path))


def _has_app(values: Values) -> bool:
    return any(
        value == Instance(APP) or (isinstance(value, Object) and APP in value.of.external_bases())
        for value in values
    )
