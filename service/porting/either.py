"""Whether what is read or called may be awaitable or not, as it turns out when it runs."""

from __future__ import annotations

import libcst as cst

from . import flask_types as types
from .awaitables import AWAITABLE
from .colouring import Colours
from .nodes import dotted, text_of
from .program import Function, Module, Program
from .reach import with_callers
from .registration import AFTER, RECEIVER
from .sites import Site
from .values import DATA, NOTHING, External, Getter, Instance, ModuleValue, Object, Routine, Value

_MOCKS = {
    External(f"{library}.{name}()")
    for library in ("mock", "unittest.mock")
    for name in ("MagicMock", "Mock", "NonCallableMagicMock", "NonCallableMock")
}


def may_be_either(colours: Colours, site: Site) -> bool:
    """Whether only some of what this may be is awaited: by its name, or by what it is of."""
    node = site.node
    read = node.func if isinstance(node, cst.Call) else node
    if _is_of_a_mock(colours, site, read) or site.perhaps:
        return True
    if site.paths.isdisjoint(AWAITABLE):
        return False
    if site.role == "call" and any(each.is_lambda for each in site.functions):
        return True
    if _is_of_a_replaced_package(colours.program, site):
        return True
    if isinstance(node, cst.Call) and dotted(read) == "getattr":
        return site.either or text_of(node.args[1].value) is None
    base = colours.program.values.get(read, NOTHING) if isinstance(read, cst.Attribute) else NOTHING
    if reads_any_response(colours, site.where):
        base -= types.ANY_RESPONSE
    name = read.attr.value if isinstance(read, cst.Attribute) else ""
    return site.either or any(_is_plain(colours, value, name) for value in base)


def _is_of_a_mock(colours: Colours, site: Site, read: cst.CSTNode) -> bool:
    """Whether a test lets a mock stand in for a function that is awaited, or for its object."""
    if site.where.module.is_test or not any(map(colours.is_async, site.functions)):
        return False
    base = colours.program.values.get(read, NOTHING) if isinstance(read, cst.Attribute) else NOTHING
    return not _MOCKS.isdisjoint({*base, *map(External, site.paths)})


def _is_of_a_replaced_package(program: Program, site: Site) -> bool:
    """Whether tests put something in the place of all of Flask there, and so of its request."""
    module = site.where.module
    of_request = any(path.startswith("flask.Request.") for path in site.paths)
    return (of_request and "request" not in module.bindings) and any(
        ModuleValue(module) in double.of and External("flask") in double.target
        for double in program.doubles.values()
    )


def _is_plain(colours: Colours, value: Value, name: str) -> bool:
    """Whether a value has something of this name that is not awaited."""
    if isinstance(value, Object):
        return any(
            not isinstance(each, Getter)
            and not (isinstance(each, Routine) and colours.is_async(each.function))
            for each in value.of.attribute(name)
        )
    if isinstance(value, External):
        return value.path.endswith("()")  # a double
    if not isinstance(value, Instance) or value in DATA or value.kind.endswith(".?"):
        return False
    return types.canonical(f"{value.kind}.{name}") not in AWAITABLE


def reads_any_response(colours: Colours, function: Function | Module) -> bool:
    """Whether it is to make Quart's own of whatever response it gets, since it awaits the body."""
    if function not in colours.asynchronous or not isinstance(function, Function):
        return False
    received = RECEIVER in function.roles and "response" in function.names
    return (AFTER in function.roles or received) and any(
        path.startswith("flask.Response.") and colours.needs(site)
        for site in colours.sites(function)
        for path in site.paths
    )


def may_meet_either(colours: Colours) -> set[Function]:
    """The app's functions where something may be either, and those that call them.

    A test may call them with something in the place of a request, outside of any context.
    """
    sites = colours.program.sites.values()
    meeting = {
        site.where
        for site in sites
        if isinstance(site.where, Function) and not site.where.module.is_test
        if may_be_either(colours, site)
    }
    return with_callers(meeting, sites)
