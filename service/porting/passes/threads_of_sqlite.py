"""Connections of sqlite3, which no other thread may use than the one that has opened them."""

from __future__ import annotations

from itertools import takewhile

import libcst as cst
import libcst.matchers as m

from service.porting.nodes import outline, with_keyword
from service.porting.plan import Plan
from service.porting.program import Function, Scope
from service.porting.walking import below

_AMONG_OTHERS = "where this is sqlite3.connect, another thread may need check_same_thread=False"
_NAME, _PLACE = "check_same_thread", 4
"""Which argument of sqlite3.connect says it."""
_NAMED, _DEFAULT = m.Arg(keyword=m.Name(_NAME)), m.Name("True")
_MADE = {"cursor", "execute", "executemany", "executescript"}
_LATER = {"__enter__", "blobopen", "iterdump"}
_TAKING = {"backup", "dict", "list", "next", "set", "sorted", "tuple"}
_BINDING = cst.AssignTarget | cst.AsName | cst.Param
_ENDS = (
    *(cst.CompFor, cst.Comparison, cst.ComparisonTarget, cst.Expr, cst.For, cst.If),
    *(cst.UnaryOperation, cst.While),
)
_INNER = cst.ClassDef | cst.FunctionDef | cst.GeneratorExp | cst.Lambda


def share_between_threads(plan: Plan) -> None:
    """Let other threads use what leaves the function that opens it; they do one at a time."""
    for site in plan.sites("call"):
        node = site.node
        if "sqlite3.connect" not in site.paths or not isinstance(node, cst.Call):
            continue
        said = _said(node)
        if (said and not m.matches(said.value, _DEFAULT)) or _stays(site.where, node):
            continue
        unknown = any(arg.star for arg in node.args)
        if unknown or site.functions or site.paths != {"sqlite3.connect"}:
            plan.note(site.where, node, _AMONG_OTHERS)
        else:
            plan.edits(site.where.module).change(node, _shared)


def _said(call: cst.Call) -> cst.Arg | None:
    """What says, in a call, which threads may use what it opens."""
    before = list(takewhile(lambda arg: not (arg.star or arg.keyword), call.args))
    named = [arg for arg in call.args if m.matches(arg, _NAMED)]
    return next(iter(before[_PLACE:] + named), None)


def _shared(call: cst.Call) -> cst.Call:
    said = _said(call)
    if said is None:
        return with_keyword(call, _NAME, cst.Name("False"))
    return cst.ensure_type(call.with_deep_changes(said, value=cst.Name("False")), cst.Call)


def _stays(where: Scope, node: cst.CSTNode) -> bool:
    """Whether a connection, and its cursors, are of one call of one function."""
    if not isinstance(where, Function) or where.is_generator or where.is_lambda:
        return False
    return _Uses(where).end_there(node)


class _Uses:
    """What a function does with what it has opened."""

    def __init__(self, function: Function) -> None:
        self._nodes = list(below(function.node))
        self._around = {child: node for node in self._nodes for child in node.children}
        inner = (each for each in self._nodes[1:] if isinstance(each, _INNER))
        self._inner = {part for each in inner for part in below(each)}
        self._outer = function.outer_names
        self._followed: set[str] = set(self._outer)

    def end_there(self, node: cst.CSTNode) -> bool:
        """Whether nothing is left of it when the function ends."""
        around = self._around[node]
        if node in self._inner:
            return False
        if isinstance(around, cst.Attribute) and around.value is node:
            call = self._around[around]
            if isinstance(call, cst.Call) and around.attr.value in _MADE:
                return self.end_there(call)
            called = isinstance(call, cst.Call) and around.attr.value not in _LATER
            return called or isinstance(call, cst.AssignTarget)
        if isinstance(around, cst.Arg):
            call = self._around[around]
            taking = outline(cst.ensure_type(call, cst.Call).func).rpartition(".")[2]
            return taking in _TAKING or (taking == "closing" and self.end_there(call))
        if isinstance(around, cst.WithItem):
            return around.asname is None or self._is_local(around.asname.name)
        if isinstance(around, cst.Assign):
            return all(self._is_local(each.target) for each in around.targets)
        return isinstance(around, _ENDS)

    def _is_local(self, target: cst.BaseExpression) -> bool:
        """Whether all that is done with a name ends there."""
        name = target.value if isinstance(target, cst.Name) else ""
        if name in self._followed:
            return name not in self._outer
        self._followed.add(name)
        return name != "" and all(self.end_there(each) for each in self._reads(name))

    def _reads(self, name: str) -> list[cst.CSTNode]:
        named = (each for each in self._nodes if isinstance(each, cst.Name) and each.value == name)
        return [each for each in named if not self._is_no_read(each)]

    def _is_no_read(self, node: cst.Name) -> bool:
        around = self._around[node]
        if isinstance(around, cst.Attribute):
            return around.attr is node
        return isinstance(around, _BINDING) or getattr(around, "keyword", None) is node
