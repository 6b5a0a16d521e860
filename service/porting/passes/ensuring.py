"""`ensure_sync`, which is `ensure_async` under Quart: what it makes has to be awaited."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

import libcst as cst
import libcst.matchers as m

from service.porting.flask_types import VIEW
from service.porting.nodes import dotted, outline
from service.porting.plan import Plan
from service.porting.program import Function, Module, Scope
from service.porting.registration import role_of
from service.porting.values import NOTHING, Values, one
from service.porting.walking import below

_ENSURING = {"flask.Flask.ensure_sync", "flask.Flask.ensure_async"}
_MADE = "flask.async_function"
_REASON = "ensure_async returns a coroutine function: await its calls"
_BINDING = cst.AsName | cst.AssignTarget | cst.NamedExpr | cst.Param
_GIVEN_ON = cst.Await | cst.BooleanOperation | cst.IfExp | cst.NamedExpr
_UNUSED = cst.Attribute | cst.Comparison | cst.ComparisonTarget | cst.Expr | cst.If
_ASKING = re.compile(
    r"(.*\.)?(callable|getattr|hasattr|is\w*function|isinstance|print|signature|type|wraps)"
)
"""Calls that find out about what they are given, and do not call it."""


def rewrite_ensured(plan: Plan) -> None:
    """Rename it, and report what is handed on, or not seen to be called."""
    uses = _Uses(plan)
    for site in plan.sites("call"):
        node = site.node
        if not (site.paths & _ENSURING and isinstance(node, cst.Call)):
            continue
        if isinstance(node.func, cst.Attribute):
            if node.func.attr.value == "ensure_sync":
                plan.edits(site.where.module).rename(node.func.attr, "ensure_async")
            if not uses.are_calls(node, site.where):
                plan.hand(site.where, node, _REASON)


class _Uses:
    """What the project does with what it makes."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._followed: set[tuple[cst.CSTNode, str]] = set()
        self._values: Values = NOTHING
        """What a name that it is kept by may stand for."""

    def are_calls(self, made: cst.Call, where: Scope) -> bool:
        """Whether something calls it, and nothing hands it to what is not of the project."""
        self._followed.clear()
        self._values = one(VIEW).union(*(self._value(arg.value) for arg in made.args))
        found = set(self._of(made, where))
        return found == {True}

    def _of(self, node: cst.CSTNode, where: Scope) -> Iterator[bool]:
        """For each use of a value whether it is called, rather than handed on."""
        around = self._around[node]
        if isinstance(around, cst.Call):
            yield True
        elif isinstance(around, cst.Arg):
            call = self._around[around]
            yield from self._of(call, where) if self._awaits(call) else self._given(call)
        elif isinstance(around, cst.Return | cst.Lambda) and isinstance(where, Function):
            yield from self._returned(where)
        elif isinstance(around, cst.Assign):
            for target in around.targets:
                yield from self._kept(target.target, node, where)
        elif isinstance(around, _GIVEN_ON):
            if isinstance(around, cst.NamedExpr):
                yield from self._kept(around.target, node, where)
            if getattr(around, "test", None) is not node:
                yield from self._of(around, where)
        elif not isinstance(around, _UNUSED):
            yield from self._called_by(where.module)

    def _given(self, call: cst.CSTNode) -> Iterator[bool]:
        site = self._plan.program.sites.get((call, "call"))
        if site is not None and site.functions:
            yield from (found for each in site.functions for found in self._called_by(each))
        elif isinstance(call, cst.Call) and not _ASKING.fullmatch(dotted(call.func)):
            yield site is not None and any(map(role_of, site.paths))

    def _returned(self, function: Function) -> Iterator[bool]:
        if not self._is_new(function.node, ""):
            return
        for site in self._plan.sites("call"):
            if function in site.functions:
                yield from self._of(site.node, site.where)

    def _kept(self, target: cst.BaseExpression, value: cst.CSTNode, where: Scope) -> Iterator[bool]:
        """What is done with a name after it in its function, or with an attribute anywhere."""
        if isinstance(target, cst.Name):
            tree = where.node if isinstance(where, Function) else where.module.tree
            if self._is_new(tree, target.value):
                nodes = list(below(tree))
                for node in nodes[nodes.index(value) + len(list(below(value))) :]:
                    if m.matches(node, m.Name(target.value)) and self._is_read(node):
                        yield from self._of(node, where)
        if isinstance(target, cst.Attribute) or isinstance(where, Module):
            last = outline(target).rpartition(".")[2]
            yield from self._called_by(None, last)
            yield from self._handed_on(last)
        elif not isinstance(target, cst.Name):
            yield from self._called_by(where.module)

    def _handed_on(self, name: str) -> Iterator[bool]:
        """The same for what an attribute, or a name of a module, is given to."""
        for node, around in self._around.items():
            if isinstance(around, cst.Arg) and around.value is node:
                call = self._around[around]
                is_made = self._values & self._value(node) and not self._awaits(call)
                if is_made and outline(node).rpartition(".")[2] == name:
                    yield from self._given(call)

    def _called_by(self, where: Scope | None, name: str = "") -> Iterator[bool]:
        """The calls of such a thing, made elsewhere, in a scope, or by a name."""
        for site in self._plan.sites("call"):
            if not isinstance(site.node, cst.Call):
                continue
            function = site.node.func
            if isinstance(function, cst.Call) and self._awaits(function):
                function = function.args[0].value
            elif _MADE not in site.paths:
                continue
            called = outline(function)
            if name:
                if called.rpartition(".")[2] == name:
                    yield True
            elif _is_within(site.where, where) and not called.endswith("(...)"):
                yield True

    def _awaits(self, call: cst.CSTNode) -> bool:
        """Whether a port has come to write it around what is called."""
        site = self._plan.program.sites.get((call, "call"))
        is_plain = m.matches(call, m.Call(func=m.Name(), args=[m.Arg(star="")]))
        return is_plain and site is not None and bool(site.paths & _ENSURING)

    def _value(self, node: cst.CSTNode) -> Values:
        return self._plan.program.values.get(node, NOTHING)

    def _is_read(self, node: cst.CSTNode) -> bool:
        around = self._around[node]
        if isinstance(around, cst.Attribute):
            return around.value is node
        if isinstance(around, cst.Arg):
            return around.value is node
        bound = getattr(around, "target", getattr(around, "name", None))
        return not (isinstance(around, _BINDING) and bound is node)

    def _is_new(self, of: cst.CSTNode, name: str) -> bool:
        """Whether this has not been followed yet."""
        before = (of, name) in self._followed
        self._followed.add((of, name))
        return not before

    @cached_property
    def _around(self) -> dict[cst.CSTNode, cst.CSTNode]:
        trees = (module.tree for module in self._plan.program.modules.values())
        return {child: node for tree in trees for node in below(tree) for child in node.children}


def _is_within(scope: Scope | None, where: Scope | None) -> bool:
    """Whether it is a scope, in one, or a method of the same class."""
    owner = where.owner if isinstance(where, Function) else None
    while scope is not None and scope is not where:
        if owner is not None and isinstance(scope, Function) and scope.owner is owner:
            return True
        scope = scope.parent
    return scope is not None
