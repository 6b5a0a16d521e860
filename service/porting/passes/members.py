"""Members of Flask's objects that Quart's lack: whoever reads or overrides them is told."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from service.porting.flask_attributes import taken
from service.porting.flask_types import REQUEST, TEMPLATE_EXTENSION, canonical
from service.porting.lacking import DEALT_WITH, IN_ANOTHER_WAY, LACKED, OTHERWISE
from service.porting.plan import Plan
from service.porting.values import External, Instance, Object, Super, Type, Value, routines

from .callbacks import CALLER

_AWAIT_CALLER = "Quart's templates are asynchronous: make this `async def`, and await caller()"
_GIVEN_IN_TESTS = "flask.Response.close"


def tell_of_members(plan: Plan) -> None:
    """Report what is read, and what would be called no more."""
    reasons = LACKED | OTHERWISE
    for node, base in plan.program.values.items():
        module = plan.program.module_of.get(node)
        if not isinstance(node, cst.Attribute) or module is None:
            continue
        for kind in {kind for value in base for kind in _kinds(value, node.attr.value)}:
            path = canonical(f"{kind}.{node.attr.value}")
            given = path == _GIVEN_IN_TESTS and module.is_test
            if path in reasons and not given:
                plan.hand(module, node, f"{node.attr.value}: {reasons[path]}")
            elif path in IN_ANOTHER_WAY:
                plan.note(module, node, f"{node.attr.value}: {IN_ANOTHER_WAY[path]}")
    for of in plan.program.classes.values():
        for name, values in of.bindings.items():
            paths = {canonical(f"{base}.{name}") for base in of.external_bases()}
            if paths & (LACKED.keys() | DEALT_WITH):
                for function in routines(values):
                    plan.hand(of, function.node, f"Quart does not call {name}")
        if TEMPLATE_EXTENSION in of.external_bases():
            for function in [each for values in of.bindings.values() for each in routines(values)]:
                if CALLER in function.names and not function.was_async:
                    plan.hand(of, function.node, _AWAIT_CALLER)
    _tell_of_names_taken(plan)


def _tell_of_names_taken(plan: Plan) -> None:
    names = taken()
    for of in plan.program.classes.values():
        for name in sorted(names & of.bindings.keys() if REQUEST in of.external_bases() else ()):
            for function in routines(of.bindings[name]):
                reason = f"Quart's requests have a {name} of their own: give this another name"
                plan.hand(of, function.node, reason)


def _kinds(value: Value, name: str) -> Iterator[str]:
    """The classes from outside the project that a value has an attribute from."""
    if isinstance(value, Instance):
        yield value.kind
    elif isinstance(value, External):
        yield value.path
    elif isinstance(value, Object | Type | Super) and not value.of.attribute(name):
        yield from value.of.external_bases()
