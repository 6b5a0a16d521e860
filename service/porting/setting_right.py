"""What a node has to be, now that what is inside it has changed."""

from __future__ import annotations

from typing import Any

import libcst as cst

from .emptied import without_gone
from .layout import removed
from .lazily import gone_through, made_plain
from .nodes import in_parentheses

_LOOSE = (
    *(cst.BinaryOperation, cst.BooleanOperation, cst.Comparison, cst.IfExp, cst.Lambda),
    *(cst.Tuple, cst.UnaryOperation, cst.Yield),
)
"""What an operator before it would take apart."""


def set_right(node: cst.CSTNode) -> cst.CSTNode:
    """The node with parentheses where an `await` has come to stand, and without what is gone."""
    if isinstance(node, cst.Attribute | cst.Subscript) and isinstance(node.value, cst.Await):
        return node.with_changes(value=in_parentheses(node.value))
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Await):
        return node.with_changes(func=in_parentheses(node.func))
    if isinstance(node, cst.GeneratorExp):
        return made_plain(node)
    if isinstance(node, cst.Call | cst.For | cst.CompFor):
        return gone_through(node)
    if isinstance(node, cst.IndentedBlock | cst.Module):
        return without_gone(node)
    if isinstance(node, cst.SimpleStatementLine) and not node.body:
        return removed(node)
    if isinstance(node, cst.AugAssign) and isinstance(node.target, cst.Await | cst.Call):
        return _assigned_anew(node)
    return node


def _assigned_anew(node: cst.AugAssign) -> cst.Assign:
    """`x.data += y` where reading `x.data` is not a plain attribute any more."""
    target: Any = node.target
    inner: Any = target.expression if isinstance(target, cst.Await) else target.args[0].value
    operator = type(node.operator).__name__.removesuffix("Assign")
    right = in_parentheses(node.value) if isinstance(node.value, _LOOSE) else node.value
    value = cst.BinaryOperation(target, getattr(cst, operator)(), right)
    return cst.Assign([cst.AssignTarget(inner)], value)
