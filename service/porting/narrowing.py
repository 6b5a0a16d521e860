"""Which connection a function opens when it is told a name: `if name == "a": ... g.a ...`."""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from .nodes import text_of
from .program import Function


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


def _compares(test: cst.BaseExpression, parameter: str, name: str) -> bool:
    if not isinstance(test, cst.Comparison) or len(test.comparisons) != 1:
        return False
    target = test.comparisons[0]
    if not isinstance(target.operator, cst.Equal):
        return False
    sides = (test.left, target.comparator)
    named = any(isinstance(side, cst.Name) and side.value == parameter for side in sides)
    return named and any(text_of(side) == name for side in sides)
