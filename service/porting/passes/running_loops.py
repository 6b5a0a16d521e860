"""`asyncio.run(coroutine)` in a test that awaits now: it is on an event loop, and has to await."""

from __future__ import annotations

import libcst as cst

from service.porting.nodes import awaited
from service.porting.plan import Plan
from service.porting.waiting_for_threads import runs_a_loop

_MADE_BEFORE = "what it runs is of another event loop than the test's, which runs: await it there"


def rewrite_running_loops(plan: Plan) -> None:
    """Make out the edits for what tests run on event loops of their own."""
    for site in plan.sites("call"):
        where, node = plan.colours.owner(site), site.node
        if not isinstance(node, cst.Call) or not runs_a_loop(site):
            continue
        if not site.where.module.is_test or not plan.colours.is_async(where):
            continue
        if node.args and isinstance(node.args[0].value, cst.Call) and not node.args[0].star:
            plan.edits(site.where.module).change(node, _what_it_runs)
        else:
            plan.hand(site.where, node, _MADE_BEFORE)


def _what_it_runs(node: cst.Call) -> cst.BaseExpression:
    inner = awaited(node.args[0].value)
    return inner.with_changes(lpar=node.lpar, rpar=node.rpar)
