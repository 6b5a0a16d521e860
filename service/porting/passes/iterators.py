"""Views that return `iter(...)` or `map(...)`: Quart makes responses of generators alone."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from service.porting.libraries import may_wait
from service.porting.plan import Plan
from service.porting.program import Function, Module, Scope
from service.porting.registration import HOOK, VIEW
from service.porting.written_out import written_out

_ITERATORS = {f"builtins.{name}" for name in ("filter", "iter", "map", "reversed", "zip")}
_PLAIN = m.Call(func=m.Name("iter"), args=[m.Arg()])


def rewrite_iterators(plan: Plan) -> None:
    """Make out the edits for iterators; after those that await what they are made of."""
    for function, node in _answers(plan):
        if isinstance(node, cst.GeneratorExp) or _is_iterator(plan, node, function):
            plan.edits(function.module).change(node, _generated)


def _is_iterator(
    plan: Plan, node: cst.BaseExpression, where: Scope, within: frozenset[Function] = frozenset()
) -> bool:
    """Whether it is an iterator, by whichever name or function of the project it comes."""
    if isinstance(where, Function | Module):
        node = written_out(node, where)
    site = plan.program.sites.get((node, "call"))
    if site is None or site.functions & within:
        return False
    given = {path for path in site.paths if not may_wait(path)}
    plain = not any(function.is_generator for function in site.functions)
    returned = [pair for pair in plan.program.returned if pair[0] in site.functions]
    functions = {function for function, _ in returned}
    return (
        bool(given or functions)
        and given <= _ITERATORS
        and plain
        and functions == site.functions
        and all(_is_iterator(plan, each, of, within | functions) for of, each in returned)
    )


def _answers(plan: Plan) -> Iterator[tuple[Function, cst.BaseExpression]]:
    """What views return, and what else responses are made of."""
    for function, node in plan.program.returned:
        if function.roles & {VIEW, HOOK}:
            if isinstance(node, cst.Tuple) and node.elements:
                node = node.elements[0].value
            yield function, node
    for site in plan.sites("call"):
        args = site.node.args if isinstance(site.node, cst.Call) else ()
        if "flask.make_response" in site.paths and isinstance(site.where, Function):
            yield from ((site.where, arg.value) for arg in args[:1])


def _generated(node: cst.BaseExpression) -> cst.BaseExpression:
    """A generator of what an iterator gives; a generator, unless it had to become a list, stays."""
    if isinstance(node, cst.GeneratorExp):
        return node
    part = cst.Name("part")
    if m.matches(node, _PLAIN):
        node = cst.ensure_type(node, cst.Call).args[0].value
    return cst.GeneratorExp(part, cst.CompFor(target=part, iter=node))
