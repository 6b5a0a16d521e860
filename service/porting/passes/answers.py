"""What views return: Quart takes no `bytearray`, no status with its name, and no header twice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import libcst as cst

from service.porting.nodes import text_of, wrapped
from service.porting.plan import Plan
from service.porting.program import Function
from service.porting.registration import HOOK, VIEW
from service.porting.values import BYTEARRAY, NOTHING, Row, Text, Values, one

_TAKING = {
    "flask.Flask.make_response",
    "flask.Flask.response_class",
    "flask.Response",
    "flask.Response.set_data",
    "flask.make_response",
}
_STATUS = re.compile(r"(\d{3})( |$)")
_NO_BYTES = "Quart takes bytes for a body, and no bytearray, which this may be"
_NO_NUMBER = "Quart takes a number for a status, and no text, which this may be"
_ONCE = "Quart sends the last header of each name: use response.headers.add"

Part = tuple[cst.BaseExpression, Values]


def rewrite_answers(plan: Plan) -> None:
    """Make out the edits for answers; after those that await what they are made of."""
    for function, (body, *rest) in answers(plan):
        _body(plan, function, *body)
        for node, values in rest:
            _status(plan, function, node, values)
            if _names_twice(node):
                plan.hand(function, node, _ONCE)


def answers(plan: Plan) -> Iterator[tuple[Function, Sequence[Part]]]:
    """The bodies, with what comes after them, and the functions that they are in."""
    known = plan.program.values
    for function, node in plan.program.returned:
        if not function.roles & {VIEW, HOOK}:
            continue
        if isinstance(node, cst.Tuple) and node.elements:
            rows = [value for value in known.get(node, NOTHING) if isinstance(value, Row)]
            places = zip(*(row.places for row in rows), strict=False)
            values = [NOTHING.union(*place) for place in places]
            yield function, list(zip((e.value for e in node.elements), values, strict=False))
        else:
            yield function, [(node, known.get(node, NOTHING))]
    for site in plan.sites("call"):
        if site.paths & _TAKING and isinstance(site.node, cst.Call) and site.node.args:
            taking = site.node.args if "flask.make_response" in site.paths else site.node.args[:1]
            if isinstance(site.where, Function):
                yield site.where, [(arg.value, known.get(arg.value, NOTHING)) for arg in taking]


def _body(plan: Plan, function: Function, node: cst.BaseExpression, values: Values) -> None:
    if values == one(BYTEARRAY):
        plan.edits(function.module).change(node, lambda old: wrapped("bytes", old))
    elif BYTEARRAY in values:
        plan.hand(function, node, _NO_BYTES)


def _status(plan: Plan, function: Function, node: cst.BaseExpression, values: Values) -> None:
    found = _STATUS.match(text_of(node) or "")
    if found is not None:
        plan.edits(function.module).change(node, lambda old: cst.Integer(found[1]))
    elif any(isinstance(value, Text) and _STATUS.match(value.text) for value in values):
        plan.hand(function, node, _NO_NUMBER)


def _names_twice(node: cst.BaseExpression) -> bool:
    """Whether it is a list of headers, one of which has the name of another."""
    if not isinstance(node, cst.List):
        return False
    pairs = [each.value for each in node.elements if isinstance(each.value, cst.Tuple)]
    names = [text_of(pair.elements[0].value) for pair in pairs if pair.elements]
    return any(count > 1 for count in Counter(name.lower() for name in names if name).values())
