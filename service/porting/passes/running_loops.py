"""`asyncio.run(coroutine)` in a test that awaits now: it is on an event loop, and has to await."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst

from service.porting.nodes import awaited
from service.porting.plan import RUN_APART, RUNNING, Plan
from service.porting.program import Function, Module
from service.porting.reach import with_callers
from service.porting.waiting_for_threads import runs_a_loop

_MADE_BEFORE = "what it runs is of another event loop than the test's, which runs: await it there"


def rewrite_running_loops(plan: Plan) -> None:
    """Make out the edits for what tests run on event loops of their own."""
    for site in plan.sites("call"):
        where, node = plan.colours.owner(site), site.node
        if not isinstance(node, cst.Call) or not runs_a_loop(site):
            continue
        if not site.where.module.is_test:
            continue
        waits = plan.colours.is_async(where)
        if not waits and not (isinstance(where, Function) and _may_be_on_a_loop(plan, where)):
            continue
        edits = plan.edits(site.where.module)
        if not node.args or not isinstance(node.args[0].value, cst.Call) or node.args[0].star:
            plan.hand(site.where, node, _MADE_BEFORE)
        elif waits:
            edits.change(node, _what_it_runs)
        else:
            edits.change(node, _apart(edits.need(RUNNING, RUN_APART)))


def _may_be_on_a_loop(plan: Plan, function: Function) -> bool:
    """Whether a coroutine function comes to call what cannot be one, or hands it to others."""
    if plan.colours.can_be_async(function):
        return False
    users = with_callers([function], plan.program.sites.values())
    handing = [site.where for each in users for site in plan.handed(each)]
    return any(map(plan.colours.is_async, users)) or any(
        isinstance(each, Module) or plan.colours.is_async(each) for each in handing
    )


def _apart(run_apart: str) -> Callable[[cst.Call], cst.Call]:
    def edit(node: cst.Call) -> cst.Call:
        given = node.args[0].with_changes(keyword=None, comma=cst.MaybeSentinel.DEFAULT)
        return node.with_changes(func=cst.Name(run_apart), args=[given])

    return edit


def _what_it_runs(node: cst.Call) -> cst.BaseExpression:
    inner = awaited(node.args[0].value)
    return inner.with_changes(lpar=node.lpar, rpar=node.rpar)
