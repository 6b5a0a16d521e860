"""`pool.submit(client.get, path)`: what is awaited now, handed to something that only calls it."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst

from service.porting.nodes import source_of, wrapped
from service.porting.plan import TESTING, Plan

_READS_ON = "an attrgetter does not await what it reads: read what is awaited now by itself"


def rewrite_handovers(plan: Plan) -> None:
    """Make out the edits for tests, where a plain function waits; an app is reported."""
    for node, site in plan.program.handed.items():
        if site.where.module.is_test and site.paths:
            wrapper = plan.edits(site.where.module).need(TESTING, "plain_function")
            plan.edits(site.where.module).change(node, _within(wrapper))
        else:
            name = source_of(node).rpartition(".")[2]
            reason = f"{name} is awaited now: hand over what awaits it"
            plan.hand(site.where, site.node, reason)
    for call, site in plan.program.read_on.items():
        plan.hand(site.where, call, _READS_ON)


def _within(function: str) -> Callable[[cst.BaseExpression], cst.Call]:
    return lambda old: wrapped(function, old)
