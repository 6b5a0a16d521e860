"""Handlers of errors: where `get_db` opens within their `try`, its own error is caught, too."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst
import libcst.matchers as m

from service.porting.idiom import KINDS, errors_caught
from service.porting.plan import RUNTIME, Plan
from service.porting.program import Module

_OF_CONNECTING = {
    "ConnectionError", "DatabaseError", "Error", "InterfaceError", "OperationalError", "RedisError",
    "ReqlDriverError", "ReqlError", "ReqlTimeoutError", "RqlDriverError", "RqlTimeoutError",
    "TimeoutError",
}  # fmt: skip
"""What the drivers raise, among others, if a server is away."""


def catch_unavailable(plan: Plan) -> None:
    """Make out the edits for handlers of a driver's errors around what becomes `get_db`."""
    got: dict[Module, dict[cst.CSTNode, str]] = {}
    for node, (site, name) in plan.idiom.opener_calls.items():
        if site.where not in plan.idiom.removed and node not in plan.idiom.attempts:
            got.setdefault(site.where.module, {})[node] = plan.idiom.kept[name].kind
    for node, read in plan.idiom.reads.items():
        got.setdefault(read.where.module, {})[node] = plan.idiom.kept[read.name].kind
    for module, kinds in got.items():
        for attempt in m.findall(module.tree, m.Try(handlers=[m.AtLeastN(n=1)])):
            assert isinstance(attempt, cst.Try)
            within = m.findall(attempt.body, m.Call() | m.Name() | m.Attribute())
            opened = {kinds[node] for node in within if node in kinds}
            for handler in attempt.handlers if opened else ():
                if _handles(plan, handler, opened):
                    name = plan.edits(module).need(RUNTIME, "ConnectionsError")
                    plan.edits(module).change(handler, _catching(name))


def _handles(plan: Plan, handler: cst.ExceptHandler, kinds: set[str]) -> bool:
    """Whether it is for errors of a driver that say that a server is away."""
    if handler.type is None or handler not in plan.program.handlers:
        return False
    for path in errors_caught(plan.program, handler):
        of_driver = KINDS.get(path.partition(".")[0]) in kinds
        if of_driver and path.rpartition(".")[2] in _OF_CONNECTING:
            return True
    return False


def _catching(name: str) -> Callable[[cst.ExceptHandler], cst.ExceptHandler]:
    def edit(handler: cst.ExceptHandler) -> cst.ExceptHandler:
        caught = handler.type
        assert caught is not None
        comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
        added = cst.Element(cst.Name(name))
        if isinstance(caught, cst.Tuple):
            last = caught.elements[-1].with_changes(comma=comma)
            return handler.with_changes(
                type=caught.with_changes(elements=[*caught.elements[:-1], last, added])
            )
        both = cst.Tuple([cst.Element(caught, comma), added])
        return handler.with_changes(type=both)

    return edit
