"""What a function does with one argument: which connection it opens, whether it decorates it."""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from .environment import Environment
from .nodes import text_of
from .program import Function, Scope
from .registration import VIEW
from .values import DATA, Arguments, Routine, Values


def opened_for(function: Function, name: str) -> set[str]:
    """The attributes of `g` that a function uses where its first argument is this text."""
    if not function.names or not isinstance(function.node, cst.FunctionDef):
        return set()
    parameter = function.names[0]
    found: set[str] = set()
    for branch in m.findall(function.node, m.If()):
        assert isinstance(branch, cst.If)
        if _compares(branch.test, parameter, name):
            for read in m.findall(branch.body, m.Attribute(value=m.Name("g"))):
                assert isinstance(read, cst.Attribute)
                found.add(read.attr.value)
    return found


def decorated_at_once(function: Function, arguments: Arguments) -> Values:
    """What a decorator with optional arguments returns: a decorator, or what that makes of one."""
    if any(how in {"*", "**"} for how, _ in arguments):
        return function.returns
    makers = frozenset(
        value
        for value in function.returns
        if isinstance(value, Routine) and value.function in function.applies
    )
    firsts = [values for how, values in arguments if how in {"", *function.names[:1]}]
    if not firsts:
        return makers or function.returns
    return function.returns - makers if firsts[0] - DATA else function.returns


def passes_on(node: cst.CSTNode, function: Function) -> bool:
    """Whether the first argument is one that the function itself was given."""
    if not isinstance(node, cst.Call) or not node.args or node.args[0].star:
        return False
    given = node.args[0].value
    given = given.value if isinstance(given, cst.Subscript) else given
    own = {*function.names, *function.keyword_only, function.star}
    return isinstance(given, cst.Name) and given.value in own


def stands_for_a_view(node: cst.CSTNode, function: Function) -> bool:
    """Whether an object that is a view hands on there what it is called with."""
    if function.name != "__call__" or VIEW not in function.roles or not isinstance(node, cst.Call):
        return False
    own = {*function.names[1:], *function.keyword_only, function.star, function.double_star}
    return any(isinstance(arg.value, cst.Name) and arg.value.value in own for arg in node.args)


def is_parameter(node: cst.CSTNode, env: Environment) -> bool:
    """Whether what is called is an argument of the function, or of one around it."""
    if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Name):
        return False
    scope: Scope | None = env.scope
    name = node.func.value
    while scope is not None:
        if isinstance(scope, Function) and name in scope.names:
            return True
        if name in scope.bindings and scope is env.scope:
            return False
        scope = scope.parent
    return False


def _compares(test: cst.BaseExpression, parameter: str, name: str) -> bool:
    if not isinstance(test, cst.Comparison) or len(test.comparisons) != 1:
        return False
    target = test.comparisons[0]
    if not isinstance(target.operator, cst.Equal):
        return False
    sides = (test.left, target.comparator)
    named = any(isinstance(side, cst.Name) and side.value == parameter for side in sides)
    return named and any(text_of(side) == name for side in sides)
