"""`stream_with_context`: Quart's takes asynchronous generator functions; the runtime's, all."""

from __future__ import annotations

import libcst as cst

from service.porting.nodes import dotted
from service.porting.plan import RUNNING, STREAM, Plan
from service.porting.program import Function, Module
from service.porting.sites import Site
from service.porting.values import External, Generated, routines

_PATH = f"flask.{STREAM}"


def rewrite_streams(plan: Plan) -> None:
    """Make out the edits for streams; after those for imports, which leave out Quart's name."""
    plain = streaming_plainly(plan)
    for site in plan.sites("call"):
        node = site.node
        if _PATH not in site.paths or not isinstance(node, cst.Call):
            continue
        if isinstance(node.func, cst.Attribute) and not _is_of_flask(plan, node.func):
            continue  # it is the runtime's already
        edits = plan.edits(site.where.module)
        if site.where.module not in plain:
            if isinstance(node.args[0].value, cst.Call):
                edits.change(node, _called_after)
        elif isinstance(node.func, cst.Attribute):
            name = edits.need(RUNNING, STREAM)
            edits.rename(node.func, name)
    for function in plan.functions():
        if function.module in plain and isinstance(function.node, cst.FunctionDef):
            for decorator in function.node.decorators:
                written = decorator.decorator
                if _is_of_flask(plan, written) and dotted(written).endswith(f".{STREAM}"):
                    name = plan.edits(function.module).need(RUNNING, STREAM)
                    plan.edits(function.module).rename(written, name)


def _is_of_flask(plan: Plan, node: cst.BaseExpression) -> bool:
    """Whether it is read from the package itself, by whichever name."""
    return External("flask") in plan.program.values.get(node, frozenset())


def streaming_plainly(plan: Plan) -> set[Module]:
    """The modules with a stream that is not known to be asynchronous."""
    found = {
        site.where.module
        for site in plan.sites("call")
        if _PATH in site.paths and not _is_async(plan, site)
    }
    return found | {
        function.module
        for function in plan.functions()
        if _is_streamed(function) and not plan.colours.is_async(function)
    }


def _is_streamed(function: Function) -> bool:
    return any(External(_PATH) in values for values in function.decorators)


def _is_async(plan: Plan, site: Site) -> bool:
    """Whether a call is given an asynchronous generator function, or what one returns."""
    if not isinstance(site.node, cst.Call) or not site.node.args:
        return True
    given = site.node.args[0].value
    values = plan.program.values.get(given, frozenset())
    functions = {value.function for value in values if isinstance(value, Generated)}
    return bool(functions | routines(values)) and all(
        plan.colours.is_async(function) for function in functions | routines(values)
    )


def _called_after(node: cst.Call) -> cst.BaseExpression:
    inner = node.args[0].value
    assert isinstance(inner, cst.Call)
    return inner.with_changes(func=node.with_changes(args=[cst.Arg(inner.func)]))
