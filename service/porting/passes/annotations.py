"""What generators say that they return, once they are asynchronous."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst

from service.porting.nodes import dotted, source_of
from service.porting.plan import Plan, paths
from service.porting.program import Function, Module

_ASYNCHRONOUS = {
    f"{module}.{name}": (module, f"Async{name}")
    for module in ("collections.abc", "typing", "typing_extensions")
    for name in ("Generator", "Iterable", "Iterator")
}


def rewrite_annotations(plan: Plan) -> None:
    """Make out the edits for the annotations of generators that become asynchronous."""
    for function in plan.functions():
        returns = function.node.returns if isinstance(function.node, cst.FunctionDef) else None
        becomes = function in plan.colours.asynchronous and function.is_generator
        if becomes and returns is not None:
            _annotate(plan, function, returns.annotation)


def _annotate(plan: Plan, function: Function, written: cst.BaseExpression) -> None:
    parsed = _parsed(written)
    named = parsed.value if isinstance(parsed, cst.Subscript) else parsed
    for path in sorted(_meant(function.module, named) & _ASYNCHRONOUS.keys())[:1]:
        module, name = _ASYNCHRONOUS[path]
        edits = plan.edits(function.module)
        bound = edits.need(module, name) if isinstance(named, cst.Name) else name
        edits.change(written, _asynchronous(bound))


def _parsed(written: cst.BaseExpression) -> cst.BaseExpression:
    """An annotation, of a string what it says."""
    if not isinstance(written, cst.SimpleString):
        return written
    try:
        return cst.parse_expression(str(written.evaluated_value))
    except cst.ParserSyntaxError:
        return written


def _meant(module: Module, named: cst.BaseExpression) -> set[str]:
    """The paths that a name in an annotation may stand for."""
    first, dot, rest = dotted(named).partition(".")
    return {f"{path}{dot}{rest}" for path in paths(module.bindings.get(first, frozenset()))}


def _asynchronous(name: str) -> Callable[[cst.BaseExpression], cst.BaseExpression]:
    def edit(node: cst.BaseExpression) -> cst.BaseExpression:
        if isinstance(node, cst.SimpleString):
            text = source_of(edit(_parsed(node)))
            return node.with_changes(value=f"{node.prefix}{node.quote}{text}{node.quote}")
        if isinstance(node, cst.Attribute):
            return node.with_changes(attr=cst.Name(name))
        if not isinstance(node, cst.Subscript):
            return cst.Name(name)
        kept = node.slice[:2]  # what it yields, and is sent; it has no result
        kept = [*kept[:-1], kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)]
        return node.with_changes(value=edit(node.value), slice=kept)

    return edit
