"""Connections that leave the app context that they are opened in: they go back when it ends."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from service.porting.plan import GET_DB, RUNTIME, Plan
from service.porting.program import Block, Function, Module
from service.porting.walking import below

from .blocks import own

_REASON = (
    "get_db's connection goes back when this app context ends, and is used after that: "
    "get it where it is used, in a context"
)
_RAISES = m.Name(m.MatchRegex("raises|assertRaises.*"))
_EXPECTING = m.With(
    [m.ZeroOrMore(), m.WithItem(m.Call(_RAISES | m.Attribute(attr=_RAISES))), m.ZeroOrMore()]
)
"""Where a test makes sure that a connection has gone back."""

_BINDING = cst.AssignTarget | cst.For | cst.CompFor | cst.AnnAssign | cst.NamedExpr | cst.Del

_IDENTIFYING = m.Name("id") | m.Name("isinstance") | m.Name("type")


def tell_of_connections_that_leave(plan: Plan) -> None:
    """Report where a `with app.app_context():` opens what is returned, or used after it."""
    for node, where, block in _got(plan):
        if block is None or block.function is not where:
            continue
        names = _names_of(node, block.node)
        leaves = any(
            _is_got(value, node) or (isinstance(value, cst.Name) and value.value in names)
            for value in _returned(block.node)
        )
        shared = isinstance(where, Function) and not names.isdisjoint(where.outer_names)
        if leaves or shared or any(_is_read_after(name, block) for name in names):
            plan.hand(where, node, _REASON)


def _got(plan: Plan) -> Iterator[tuple[cst.CSTNode, Function | Module, Block | None]]:
    """Where `get_db` comes to stand: in which function, and in which context."""
    for node, (site, _) in plan.idiom.opener_calls.items():
        if site.where not in plan.idiom.removed:
            yield node, site.where, site.block
    for node, read in plan.idiom.reads.items():
        yield node, read.where, read.block
    for site in plan.sites("call"):
        if f"{RUNTIME}.{GET_DB}" in site.paths:
            yield site.node, site.where, site.block


def _names_of(node: cst.CSTNode, block: cst.With) -> set[str]:
    """The names that a connection is given in a context."""
    lines = (each for each in below(block) if isinstance(each, cst.Assign))
    got = (line for line in lines if _is_got(line.value, node))
    targets = (each.target for line in got for each in line.targets)
    return {target.value for target in targets if isinstance(target, cst.Name)}


def _is_got(value: cst.CSTNode, node: cst.CSTNode) -> bool:
    """Whether it is the connection, before or after a port."""
    return value is node or (isinstance(value, cst.Await) and value.expression is node)


def _returned(block: cst.With) -> Iterator[cst.CSTNode]:
    """What is returned out of a context, or is in a tuple that is."""
    for line in own(block, m.Return()):
        value = cst.ensure_type(line, cst.Return).value
        if isinstance(value, cst.Tuple):
            yield from (element.value for element in value.elements)
        elif value is not None:
            yield value


def _is_read_after(name: str, block: Block) -> bool:
    """Whether a name, given nothing else, is read after a context where no error is expected."""
    scope = block.function
    nodes = list(below(scope.tree if isinstance(scope, Module) else scope.node))
    after = nodes[nodes.index(block.node) + len(list(below(block.node))) :]
    named = (each for each in after if isinstance(each, cst.Name) and each.value == name)
    bound = {id(part) for each in after for part in _not_read(each)}
    passed_over = {id(each.attr) for each in after if isinstance(each, cst.Attribute)}
    passed_over |= {id(part) for each in after for part in _asked_nothing(each)}
    passed_over |= {id(part) for each in after for part in _of_its_own(each, name)}
    expected = {id(part) for each in after if m.matches(each, _EXPECTING) for part in below(each)}
    first = next((each for each in named if id(each) not in passed_over), None)
    return first is not None and id(first) not in bound | expected


def _asked_nothing(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """The parts of which a node finds out what they are, or that they are there, and no more."""
    if isinstance(node, cst.Assert | cst.If | cst.IfExp | cst.While):
        yield from _asked_for_truth(node.test)
    elif isinstance(node, cst.Comparison):
        if all(isinstance(each.operator, cst.Is | cst.IsNot) for each in node.comparisons):
            yield from (node.left, *(each.comparator for each in node.comparisons))
    elif isinstance(node, cst.Call) and m.matches(node.func, _IDENTIFYING):
        yield from (arg.value for arg in node.args[:1])


def _asked_for_truth(test: cst.BaseExpression) -> Iterator[cst.BaseExpression]:
    if isinstance(test, cst.BooleanOperation):
        yield from _asked_for_truth(test.left)
        yield from _asked_for_truth(test.right)
    elif isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        yield from _asked_for_truth(test.expression)
    else:
        yield test


def _of_its_own(node: cst.CSTNode, name: str) -> Iterator[cst.CSTNode]:
    """What is below a function or a comprehension that has a name of its own spelled like this."""
    if isinstance(node, cst.FunctionDef | cst.Lambda):
        params = node.params
        given = [*params.posonly_params, *params.params, *params.kwonly_params]
        if any(param.name.value == name for param in given):
            yield from (*(param.name for param in given), *below(node.body))
    elif isinstance(node, cst.BaseComp):
        targets = [
            each.target for each in m.findall(node, m.CompFor()) if isinstance(each, cst.CompFor)
        ]
        goes = any(m.findall(target, m.Name(name)) for target in targets)
        outermost = {id(part) for part in below(node.for_in.iter)}
        yield from (part for part in below(node) if goes and id(part) not in outermost)


def _not_read(node: cst.CSTNode) -> Iterator[cst.CSTNode | None]:
    """The name that a node binds, or has for an argument."""
    if isinstance(node, _BINDING):
        yield from m.findall(node.target, m.Name())
    elif isinstance(node, cst.AsName | cst.Param):
        yield node.name
    elif isinstance(node, cst.Arg):
        yield node.keyword
