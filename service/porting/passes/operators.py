"""Operators, loops and tests of truth on objects whose special methods wait over the bridge.

A function on the event loop calls these without a word that could be awaited.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

import libcst as cst
import libcst.matchers as m

from service.porting.implicit import ARITHMETIC, EQUAL, IMPLICIT, ORDER
from service.porting.nodes import awaited, called, outline
from service.porting.plan import ENSURE_ASYNC, RUNNING, Plan
from service.porting.program import Function, Module, Scope
from service.porting.sites import Site
from service.porting.walking import below

_REASON = "{} is called here, and waits: the event loop cannot"
_ITSELF, _LATER = "()", "map()"
"""The calls of what calls the functions that it is given: there, or when it is gone through."""
_TRUTH = {"__bool__", "__len__"}
_LOOP = {_LATER, "__getitem__", "__iter__", "__len__", "__next__", "__reversed__"}
_SHOWN = {"__format__", "__repr__", "__str__"}
_ITEM = {"__delitem__", "__getitem__", "__setitem__"}
_SIGNS = {"__invert__", "__neg__", "__pos__"}
_GOING_THROUGH = {
    **dict.fromkeys(("all", "any", "list", "tuple"), _LOOP),
    **dict.fromkeys(("dict", "frozenset", "set"), _LOOP | EQUAL),
    **dict.fromkeys(("max", "min", "sorted"), _LOOP | ORDER),
    "format": _SHOWN,
    "print": _SHOWN,
    "sum": _LOOP | ARITHMETIC,
}
_LAZY_THEMSELVES = {"enumerate", "filter", "iter", "map", "reversed", "zip"}
_OF_CONTAINERS = {
    **dict.fromkeys(("count", "index", "remove"), EQUAL),
    **dict.fromkeys(("difference", "extend", "fromkeys", "intersection", "join", "union"), _LOOP),
    "format": _SHOWN,
    "sort": ORDER,
    "update": _LOOP,
}
"""Methods that go through what they are of, or are given."""

_NOT_THERE = m.Call(m.Name("super"), args=[]) | m.Call(m.Name("next"), args=[m.Arg()])
"""What is no method there, or raises what no coroutine can."""
_UNPACKING = m.Assign(
    targets=[m.ZeroOrMore(), m.AssignTarget(m.List() | m.Tuple()), m.ZeroOrMore()]
)
_WRAPPED = (
    cst.BinaryOperation
    | cst.BooleanOperation
    | cst.Call
    | cst.Comparison
    | cst.Subscript
    | cst.UnaryOperation
)
"""What becomes a lambda as a whole."""
_CALLING = {
    **dict.fromkeys((cst.Assert, cst.If, cst.IfExp, cst.While), "bool"),
    **dict.fromkeys((cst.Assign, cst.CompFor, cst.For, cst.StarredElement), "list"),
    cst.FormattedStringExpression: "format",
}
"""What comes to the same, called for the operand alone."""
_LAZY = {"builtins.filter", "builtins.map"}
_AT_ONCE = {"builtins.max", "builtins.min", "builtins.sorted", "functools.reduce"}
Operand = tuple[cst.CSTNode, set[str]]
Called = tuple[str, Function]
"""A function, and the special method that calls it."""


def rewrite_operators(plan: Plan) -> None:
    """Hand what a coroutine function does with such an object to a thread, or report it."""
    called: dict[cst.CSTNode, set[Called]] = defaultdict(set)
    scopes: dict[cst.CSTNode, Scope] = {}
    for site in plan.program.sites.values():
        if plan.colours.is_async(plan.colours.owner(site)):
            for name, function in _called(site):
                if function in plan.colours.bridged:
                    called[site.node].add((name, function))
                    scopes[site.node] = site.where
    waiting = {
        site.node
        for site in plan.program.sites.values()
        if called and site.role != IMPLICIT
        if plan.colours.needs(site) or plan.colours.takes_a_thread(site)
    }
    for module in dict.fromkeys(scope.module for scope in scopes.values()):
        _rewrite(plan, module, called, scopes, waiting | _kept(module))


def _rewrite(
    plan: Plan,
    module: Module,
    called: dict[cst.CSTNode, set[Called]],
    scopes: dict[cst.CSTNode, Scope],
    kept: set[cst.CSTNode],
) -> None:
    seen = _made_lazily(module, called, scopes)
    done: set[cst.CSTNode] = set()
    for node in below(module.tree):
        if isinstance(node, cst.Call) and isinstance(node.func, cst.Call):
            seen |= {arg.value for arg in node.args}  # as those of `ensure_async(list)(...)`
        for operand, names in _operands(node):
            found = [each for name, each in called.get(operand, ()) if name in names]
            function = min(found, key=lambda each: each.place, default=None)
            seen |= {operand} if found else set()
            if function is None or node in done:
                continue
            calling = _CALLING.get(type(node), "")
            part = operand if calling else node
            known = calling or isinstance(node, _WRAPPED)
            other = calling and _means_another(scopes[operand], calling)
            if not known or other or function.is_endless or not kept.isdisjoint(below(part)):
                plan.hand(scopes[operand], node, _REASON.format(function.label))
            else:
                edits = plan.edits(module)
                alone = called.keys().isdisjoint({*below(part)} - {part})
                edits.change(part, _elsewhere(edits.need(RUNNING, ENSURE_ASYNC), calling, alone))
                done |= {*below(part)}
            break
        later = [each for name, each in called.get(node, ()) if name == _LATER]
        if later and node not in seen | done:
            first = min(later, key=lambda each: each.place)
            plan.hand(scopes[node], node, _REASON.format(first.label))


def _means_another(scope: Scope | None, name: str) -> bool:
    """Whether the name of a built-in function is something else there."""
    while scope is not None and name not in scope.bindings:
        scope = scope.parent
    return scope is not None


def _made_lazily(
    module: Module, called: dict[cst.CSTNode, set[Called]], scopes: dict[cst.CSTNode, Scope]
) -> set[cst.CSTNode]:
    """What `zip(map(f, xs))` and the like are given, and go through when somebody does so."""
    seen: set[cst.CSTNode] = set()
    for node in reversed([*below(module.tree)]):
        if isinstance(node, cst.Call) and outline(node.func) in _LAZY_THEMSELVES:
            for arg in node.args:
                found = {each for each in called.get(arg.value, ()) if each[0] in _LOOP}
                if found:
                    seen.add(arg.value)
                    called[node] |= {(_LATER, function) for _, function in found}
                    scopes[node] = scopes[arg.value]
    return seen


def _called(site: Site) -> Iterator[Called]:
    if site.role == IMPLICIT:
        yield from ((function.name, function) for function in site.functions)
    elif site.role == "call" and site.paths & (_LAZY | _AT_ONCE):
        name = _LATER if site.paths & _LAZY else _ITSELF
        yield from ((name, function) for function in site.escaping)


def _kept(module: Module) -> set[cst.CSTNode]:
    """What cannot be handed to a thread, or awaited: what is assigned to, waits, or comes later."""
    found: set[cst.CSTNode] = set()
    for node in below(module.tree):
        if isinstance(node, cst.AssignTarget | cst.Del):
            found |= {*node.children}
        elif isinstance(node, cst.GeneratorExp | cst.Lambda):
            found |= {*below(node)}
        elif isinstance(node, cst.FormattedStringExpression) and (
            node.conversion or node.format_spec
        ):
            found.add(node.expression)
        elif isinstance(node, cst.Await | cst.Yield | cst.NamedExpr) or m.matches(node, _NOT_THERE):
            found.add(node)
    return found


def _elsewhere(
    ensure: str, calling: str, alone: bool
) -> Callable[[cst.BaseExpression], cst.BaseExpression]:
    """In a thread; what is called for an operand that waits for nothing else is named alone."""

    def edit(node: cst.BaseExpression) -> cst.BaseExpression:
        if calling and not alone:
            node = called(calling, node)
        elif calling:
            return awaited(called(called(ensure, cst.Name(calling)), node))
        return awaited(cst.Call(called(ensure, cst.Lambda(cst.Parameters(), node))))

    return edit


def _operands(node: cst.CSTNode) -> Iterator[Operand]:
    """The parts of an expression that it may call special methods of, and of which names."""
    if isinstance(node, cst.Comparison):
        yield from _compared(node)
    elif isinstance(node, cst.BinaryOperation):
        yield from ((node.left, ARITHMETIC), (node.right, ARITHMETIC | _SHOWN))
    elif isinstance(node, cst.AugAssign):
        yield from ((node.target, ARITHMETIC), (node.value, ARITHMETIC))
    elif isinstance(node, cst.UnaryOperation):
        yield node.expression, _TRUTH if isinstance(node.operator, cst.Not) else _SIGNS
    elif isinstance(node, cst.BooleanOperation):
        yield from ((node.left, _TRUTH), (node.right, _TRUTH))
    elif isinstance(node, cst.Assert | cst.If | cst.IfExp | cst.While):
        yield node.test, _TRUTH
    elif isinstance(node, cst.For | cst.CompFor):
        yield node.iter, _LOOP
    elif isinstance(node, cst.Subscript):
        yield node.value, _ITEM
    elif isinstance(node, cst.FormattedStringExpression):
        yield node.expression, _SHOWN
    elif isinstance(node, cst.StarredElement):
        yield node.value, _LOOP
    elif isinstance(node, cst.Call):
        yield node, {_ITSELF}
        yield from _given(node)
    elif isinstance(node, cst.Assign) and m.matches(node, _UNPACKING):
        yield node.value, _LOOP


def _given(node: cst.Call) -> Iterator[Operand]:
    if isinstance(node.func, cst.Name):
        names = _GOING_THROUGH.get(node.func.value, set())
    elif isinstance(node.func, cst.Attribute):
        names = _OF_CONTAINERS.get(node.func.attr.value, set())
        yield node.func.value, names
    else:
        names = set()
    yield from ((arg.value, _LOOP if arg.star == "*" else names) for arg in node.args)


def _compared(node: cst.Comparison) -> Iterator[Operand]:
    left = node.left
    for target in node.comparisons:
        if isinstance(target.operator, cst.In | cst.NotIn):
            yield from ((target.comparator, {"__contains__", *_LOOP, *EQUAL}), (left, EQUAL))
        elif not isinstance(target.operator, cst.Is | cst.IsNot):
            names = EQUAL if isinstance(target.operator, cst.Equal | cst.NotEqual) else ORDER
            yield from ((left, names), (target.comparator, names))
        left = target.comparator
