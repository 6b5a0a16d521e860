"""What a test reads of a value that may be a response of its client, for all that is known."""

from __future__ import annotations

import libcst as cst

from service.porting.nodes import source_of
from service.porting.plan import Plan
from service.porting.values import External, Instance, Value, Values

_OF_RESPONSES = {"get_data", "get_json"}
"""Methods that nothing but requests and responses has, and mocks of them."""
_OF_OTHERS, _BESIDE = {"data", "json"}, {"status_code"} | _OF_RESPONSES
"""Attributes that others have, too; and what tells a response when it is read of the same."""
_HOLDING = {"asyncio", "collections", "concurrent", "copy", "operator", "queue", "types"}
"""Libraries whose objects give back what they were given."""


def tell_of_unknown_answers(plan: Plan) -> None:
    """Report what must be awaited if it is read of a response."""
    program = plan.program
    nodes = [site.node for site in plan.sites("call")]
    calls = {node.func: node for node in nodes if isinstance(node, cst.Call)}
    reads = [
        (node, node.attr.value, program.module_of[node], base)
        for node, base in program.values.items()
        if isinstance(node, cst.Attribute) and node in program.module_of
    ]
    answers = {(source_of(n.value), module) for n, name, module, _ in reads if name in _BESIDE}
    for node, name, module, base in reads:
        of, call = source_of(node.value), calls.get(node)
        if not module.is_test or {node, call} & program.awaited or not _may_be_any(base):
            continue
        told = (of, module) in answers or bool(base)
        if name in _OF_RESPONSES or (name in _OF_OTHERS and told and call is None):
            plan.hand(module, node, f"{name}: await it if {of} is a response of the test client")


def _may_be_any(base: Values) -> bool:
    """Whether nothing is known of a value, but perhaps what it was kept by."""
    return all(map(_is_holding, base))


def _is_holding(value: Value) -> bool:
    path = value.path if isinstance(value, External) else ""
    if isinstance(value, Instance) and value.kind.endswith(".?"):
        path = value.kind
    return path.partition(".")[0] in _HOLDING
