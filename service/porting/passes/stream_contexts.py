"""What streams read from `g`: under Quart, a stream has a context, and a `g`, of its own."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from service.porting.closure import closure
from service.porting.nodes import dotted, text_of
from service.porting.plan import Plan, paths
from service.porting.program import Function
from service.porting.registration import TEMPLATE
from service.porting.values import Instance

_STREAMED_TEMPLATES = {"flask.stream_template", "flask.stream_template_string"}
_METHODS = {"get", "pop", "setdefault"}
_ASKING = m.Try() | m.Call(m.Name("hasattr")) | m.ComparisonTarget(m.In() | m.NotIn())


def tell_of_streams(plan: Plan) -> None:
    """Report what streams read from `g` and nobody puts there while they run."""
    for stream in plan.program.streamed | _called_by_streamed_templates(plan):
        reached = _reached(plan, stream)
        put = {name for function in reached for name in _put(plan, function)}
        for function in reached:
            for node, name in _read(plan, function):
                if name not in put and node not in plan.idiom.reads:
                    reason = f"a stream has a g of its own, without this {name}: pass it on"
                    plan.hand(function, node, reason)
    _tell_of_teardowns(plan)


def _tell_of_teardowns(plan: Plan) -> None:
    """Report what a teardown reads without asking: it runs for the context of a stream, too."""
    for function in plan.functions() if plan.program.streamed else ():
        by = {path for values in function.decorators for path in paths(values)}
        if not any(path.rpartition(".")[2].startswith("teardown_") for path in by):
            continue
        for node, name in _read(plan, function):
            asks = isinstance(node, cst.Attribute) and node.attr.value in _METHODS
            if not asks and node not in plan.idiom.reads and not m.findall(function.node, _ASKING):
                plan.hand(function, node, f"it runs after a stream, too, whose g has no {name}")


def _called_by_streamed_templates(plan: Plan) -> set[Function]:
    """What templates may call, if any of them is streamed."""
    if not any(_STREAMED_TEMPLATES & site.paths for site in plan.sites("call")):
        return set()
    given = {function for function in plan.functions() if TEMPLATE in function.roles}
    return given | plan.program.read_by_templates


def _reached(plan: Plan, stream: Function) -> set[Function]:
    """The functions that run with a stream."""
    return closure(
        [stream],
        lambda function: (
            called
            for site in plan.colours.sites(function)
            for called in site.functions - plan.idiom.removed
        ),
    )


def _of_g(plan: Plan, function: Function) -> Iterator[cst.Attribute]:
    for node in m.findall(function.node, m.Attribute()):
        if Instance("flask.g") in plan.program.values.get(node, frozenset()):
            assert isinstance(node, cst.Attribute)
            yield node


def _read(plan: Plan, function: Function) -> Iterator[tuple[cst.CSTNode, str]]:
    """What it reads: `g.name`, or `g.get("name")`."""
    for node in _of_g(plan, function):
        if node.attr.value not in _METHODS:
            yield node, node.attr.value
        elif node.attr.value in {"get", "pop"}:
            name = _named(plan, function, node)
            if name is not None:
                yield node, name


def _put(plan: Plan, function: Function) -> Iterator[str]:
    """What it sets: `g.name = ...`, or `g.setdefault("name", ...)`."""
    for target in m.findall(function.node, m.AssignTarget(m.Attribute())):
        assert isinstance(target, cst.AssignTarget)
        of, _, name = dotted(target.target).rpartition(".")
        if of.rpartition(".")[2] == "g":
            yield name
    for node in _of_g(plan, function):
        if node.attr.value == "setdefault":
            yield from filter(None, [_named(plan, function, node)])


def _named(plan: Plan, function: Function, method: cst.Attribute) -> str | None:
    """The name that a method of `g` is given."""
    for call in m.findall(function.node, m.Call()):
        if isinstance(call, cst.Call) and call.func is method and call.args:
            return text_of(call.args[0].value)
    return None
