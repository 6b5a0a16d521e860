"""Bodies of responses: Quart takes no `bytearray`."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from service.porting.nodes import wrapped
from service.porting.plan import Plan
from service.porting.program import Function
from service.porting.registration import HOOK, VIEW
from service.porting.values import BYTEARRAY, Row, Values, one

_TAKING = {
    "flask.Flask.make_response",
    "flask.Flask.response_class",
    "flask.Response",
    "flask.Response.set_data",
    "flask.make_response",
}
_REASON = "Quart takes bytes for a body, and no bytearray, which this may be"


def rewrite_bodies(plan: Plan) -> None:
    """Make out the edits for bodies; after those that await what they are made of."""
    for function, node, values in _bodies(plan):
        if BYTEARRAY not in values:
            continue
        if values == one(BYTEARRAY):
            plan.edits(function.module).change(node, lambda old: wrapped("bytes", old))
        else:
            plan.hand(function, node, _REASON)


def _bodies(plan: Plan) -> Iterator[tuple[Function, cst.CSTNode, Values]]:
    """The expressions for bodies, each with the function that it is in."""
    known = plan.program.values
    for function, node in plan.program.returned:
        if not function.roles & {VIEW, HOOK}:
            continue
        values = known[node]
        if isinstance(node, cst.Tuple) and node.elements:
            places = [value.places[0] for value in values if isinstance(value, Row)]
            yield function, node.elements[0].value, frozenset().union(*places)
        else:
            yield function, node, values
    for site in plan.sites("call"):
        if site.paths & _TAKING and isinstance(site.node, cst.Call):
            for arg in site.node.args[:1]:
                if isinstance(site.where, Function):
                    yield site.where, arg.value, known.get(arg.value, frozenset())
