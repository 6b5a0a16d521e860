"""Whether what is read or called may be awaitable or not, as it turns out when it runs."""

from __future__ import annotations

import libcst as cst

from service.porting import flask_types as types
from service.porting.awaitables import AWAITABLE
from service.porting.nodes import dotted, text_of
from service.porting.plan import Plan
from service.porting.program import Function, Module
from service.porting.registration import AFTER, RECEIVER
from service.porting.sites import Site
from service.porting.values import DATA, NOTHING, External, Instance, Object, Routine, Value


def may_be_either(plan: Plan, site: Site) -> bool:
    """Whether only some of what this may be is awaited: by its name, or by what it is of."""
    node = site.node
    if site.paths.isdisjoint(AWAITABLE):
        return False
    read = node.func if isinstance(node, cst.Call) else node
    if isinstance(node, cst.Call) and dotted(read) == "getattr":
        return site.either or text_of(node.args[1].value) is None
    base = plan.program.values.get(read, NOTHING) if isinstance(read, cst.Attribute) else NOTHING
    if reads_any_response(plan, site.where):
        base -= types.ANY_RESPONSE
    name = read.attr.value if isinstance(read, cst.Attribute) else ""
    return site.either or any(_is_plain(plan, value, name) for value in base)


def _is_plain(plan: Plan, value: Value, name: str) -> bool:
    """Whether a value has something of this name that is not awaited."""
    if isinstance(value, Object):
        return any(
            not isinstance(each, Routine) or not plan.colours.is_async(each.function)
            for each in value.of.attribute(name)
        )
    if isinstance(value, External):
        return value.path.endswith("()")  # a double
    if not isinstance(value, Instance) or value in DATA or value.kind.endswith(".?"):
        return False
    return types.canonical(f"{value.kind}.{name}") not in AWAITABLE


def reads_any_response(plan: Plan, function: Function | Module) -> bool:
    """Whether it is to make Quart's own of whatever response it gets, since it awaits the body."""
    if function not in plan.colours.asynchronous or not isinstance(function, Function):
        return False
    received = RECEIVER in function.roles and "response" in function.names
    return (AFTER in function.roles or received) and any(
        path.startswith("flask.Response.") and plan.colours.needs(site)
        for site in plan.colours.sites(function)
        for path in site.paths
    )
