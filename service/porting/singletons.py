"""Functions that do nothing but open a connection that one can do for all calls."""

from __future__ import annotations

import re
from dataclasses import dataclass

import libcst as cst
import libcst.matchers as m

from .nodes import body_of
from .program import Function, Module, Program
from .values import External, Instance

_CACHING = {External("functools.cache"), External("functools.lru_cache"), Instance("functools.?")}
"""The last is what `lru_cache(...)` returns."""
_DOC = m.SimpleStatementLine(body=[m.Expr(m.SimpleString() | m.ConcatenatedString())])
_NONE = m.Name("None")


@dataclass(frozen=True)
class Singleton:
    """What such a function keeps.

    Attributes:
        name: of the variable; of a cached function, its own, without `get_`.
        line: the statement that makes the variable, if there is one.
    """

    name: str
    line: cst.SimpleStatementLine | None = None


def singleton(program: Program, function: Function) -> Singleton | None:
    """What a function opens once; None if it does not, or does more."""
    node = function.node
    if not isinstance(node, cst.FunctionDef) or function.was_async or function.names:
        return None
    if not isinstance(function.parent, Module) or function.star or function.keyword_only:
        return None
    body = [line for line in body_of(node.body) if not m.matches(line, _DOC)]
    if function.decorators:
        return _cached(program, function, body)
    return _global(program, function, function.parent, body) or _each_time(program, function, body)


def _cached(
    program: Program, function: Function, body: list[cst.BaseStatement]
) -> Singleton | None:
    by = {value for values in function.decorators for value in values}
    used = re.compile(rf"\b{function.name}\.(cache_|__wrapped__)")
    if len(function.decorators) != 1 or not by or not by <= _CACHING:
        return None
    if _returned(body) not in program.connects or any(
        used.search(module.source) for module in program.modules.values()
    ):
        return None
    return Singleton(function.name.removeprefix("get_"))


def _each_time(
    program: Program, function: Function, body: list[cst.BaseStatement]
) -> Singleton | None:
    """A client of Redis with a pool of its own for each call: one for all does as well."""
    call = _returned(body)
    site = program.sites.get((call, "call")) if call in program.connects else None
    if site is None or not all(path.startswith("redis.") for path in site.paths):
        return None
    return Singleton(function.name.removeprefix("get_"))


def _returned(body: list[cst.BaseStatement]) -> cst.CSTNode | None:
    """What a function calls and returns, and does nothing else."""
    if len(body) != 1:
        return None
    found = m.extract(body[0], _line(m.Return(m.SaveMatchedNode(m.Call(), "call"))))
    return cst.ensure_type(found["call"], cst.Call) if found is not None else None


def _global(
    program: Program, function: Function, module: Module, body: list[cst.BaseStatement]
) -> Singleton | None:
    if len(function.outer_names) != 1:
        return None
    (name,) = function.outer_names
    variable = m.Name(name)
    unset = m.Comparison(variable, [m.ComparisonTarget(m.Is(), _NONE)])
    assigned = m.Assign([m.AssignTarget(variable)], m.SaveMatchedNode(m.Call(), "call"))
    forms: list[m.BaseMatcherNode] = [
        _line(m.Global()),
        m.If(
            m.OneOf(unset, m.UnaryOperation(m.Not(), variable)),
            m.IndentedBlock([_line(assigned)]),
            orelse=None,
        ),
        _line(m.Return(variable)),
    ]
    if len(body) != len(forms) or not all(
        m.matches(line, form) for line, form in zip(body, forms, strict=True)
    ):
        return None
    opens = any(call in program.connects for call in m.findall(body[1], m.Call()))
    others = (each for each in program.functions.values() if each.module is module)
    elsewhere = any(name in each.outer_names for each in others if each is not function)
    lines = [line for line in module.tree.body if _assigns(line, name)]
    if not opens or elsewhere or len(lines) != 1 or not _declares(lines[0]):
        return None
    return Singleton(name, cst.ensure_type(lines[0], cst.SimpleStatementLine))


def _line(part: m.BaseSmallStatementMatchType) -> m.SimpleStatementLine:
    return m.SimpleStatementLine(body=[part])


def _assigns(line: cst.CSTNode, name: str) -> bool:
    target = m.AssignTarget(m.Name(name)) | m.AnnAssign(m.Name(name)) | m.AugAssign(m.Name(name))
    return not isinstance(line, cst.FunctionDef | cst.ClassDef) and bool(m.findall(line, target))


def _declares(line: cst.CSTNode) -> bool:
    """Whether it says that there is nothing yet, and nothing else."""
    plain = m.Assign(targets=[m.AssignTarget()], value=_NONE)
    return any(m.matches(line, _line(part)) for part in (plain, m.AnnAssign(value=_NONE)))
