"""Methods of connections that are named before they are called: `push = r.lpush`."""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from .nodes import body_of
from .program import Function, Program
from .sites import Site

_RETURNED = m.SimpleStatementLine(body=[m.Return(m.Dict() | m.Call(func=m.Name("dict")))])


def only_called(program: Program, site: Site) -> bool:
    """Whether all calls of a method that is read here are seen, or are in templates."""
    where = site.where
    if not isinstance(where, Function) or not isinstance(where.node, cst.FunctionDef):
        return False
    return _is_shown(program, where.node, site.node) or _has_a_name(where, site.node)


def _is_shown(program: Program, function: cst.FunctionDef, node: cst.CSTNode) -> bool:
    """Whether a context processor returns it in a dictionary, or it is given for rendering."""
    this: m.MatchIfTrue[cst.BaseExpression] = m.MatchIfTrue(lambda each: each is node)
    given = m.DictElement(value=this) | m.Arg(this)
    around: list[cst.CSTNode] = [each for each in program.shown if isinstance(each, cst.Call)]
    if function in program.shown:
        around += [line for line in body_of(function.body) if m.matches(line, _RETURNED)]
    return any(m.findall(each, given) for each in around)


def _has_a_name(where: Function, node: cst.CSTNode) -> bool:
    """Whether a name of its function stands for it, or for another, and is only called."""
    for assign in m.findall(where.node, m.Assign(targets=[m.AssignTarget(m.Name())])):
        assert isinstance(assign, cst.Assign)
        name = cst.ensure_type(assign.targets[0].target, cst.Name)
        if any(each is node for each in _choices(assign.value)):
            return name.value not in where.outer_names and _is_only_called(where.node, name.value)
    return False


def _is_only_called(function: cst.CSTNode, name: str) -> bool:
    """Whether nothing is done with what has a name but to call it."""
    this = m.Name(name)
    of_others = m.Attribute(attr=this) | m.Arg(keyword=this)
    understood = m.AssignTarget(this) | m.Call(func=this) | of_others
    return len(m.findall(function, this)) == len(m.findall(function, understood))


def _choices(node: cst.BaseExpression) -> list[cst.BaseExpression]:
    """What a conditional expression may give."""
    if isinstance(node, cst.IfExp):
        return [*_choices(node.body), *_choices(node.orelse)]
    return [node]
