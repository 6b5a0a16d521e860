"""What a test reads of a value that may be a response of its client, for all that is known."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import Mock

import libcst as cst

from service.porting.nodes import source_of
from service.porting.plan import Plan
from service.porting.values import External, Instance, Value, Values
from service.porting.walking import below

_OF_RESPONSES = {"get_data", "get_json"}
"""Methods that nothing but requests and responses has."""
_OF_OTHERS, _BESIDE = {"data", "json"}, {"status_code"} | _OF_RESPONSES
"""Attributes that others have, too; and what tells a response when it is read of the same."""
_OF_MOCKS = {name for name in dir(Mock) if not name.startswith("_")}
"""What is read and set of mocks, such as those of methods."""
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
    mocks = set(_mocks(plan))
    for node, name, module, base in reads:
        if node in mocks:
            continue
        of, call = source_of(node.value), calls.get(node)
        if not module.is_test or {node, call} & program.awaited or not _may_be_any(base):
            continue
        told = (of, module) in answers or bool(base)
        if name in _OF_RESPONSES or (name in _OF_OTHERS and told and call is None):
            plan.hand(module, node, f"{name}: await it if {of} is a response of the test client")


def _mocks(plan: Plan) -> Iterator[cst.CSTNode]:
    """What tests ask for something that only mocks have, as in `made.get_json.return_value`."""
    for module in plan.program.modules.values():
        for node in below(module.tree) if module.is_test else ():
            if isinstance(node, cst.Attribute) and node.attr.value in _OF_MOCKS:
                yield node.value


def _may_be_any(base: Values) -> bool:
    """Whether nothing is known of a value, but perhaps what it was kept by."""
    return all(map(_is_holding, base))


def _is_holding(value: Value) -> bool:
    path = value.path if isinstance(value, External) else ""
    if isinstance(value, Instance) and value.kind.endswith(".?"):
        path = value.kind
    return path.partition(".")[0] in _HOLDING
