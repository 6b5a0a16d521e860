"""`raises(Error, function, argument)`: with `await`, the call goes into the block of a `with`."""

from __future__ import annotations

import re
from collections.abc import Callable

import libcst as cst
import libcst.matchers as m

from service.porting.nodes import text_of
from service.porting.plan import Plan
from service.porting.sites import Site

from .awaiting import waited_for

_LOGGED = re.compile(r"Exception on [/%]")
_LOGS = "Quart logs `Exception on request GET /path`, where Flask has `Exception on /path [GET]`"
_REASON = "what it is given to call is awaited now: call it in the block of a `with`"


def rewrite_expectations(plan: Plan) -> None:
    """Make out the edits for errors that are expected of what is awaited now; tell of logs."""
    for given, (site, position) in plan.program.given.items():
        inner = plan.program.sites.get((given, "call"))
        assert isinstance(site.node, cst.Call)
        if inner is not None and _are_coroutines(inner):
            plan.hand(site.where, site.node, _REASON)
            continue
        if inner is None or not plan.colours.needs(inner):
            continue
        line = plan.program.statements.get(site.node)
        part = line.body[0] if line is not None and len(line.body) == 1 else None
        named = isinstance(part, cst.Assign) and len(part.targets) == 1
        if line is None or not (named or isinstance(part, cst.Expr)):
            plan.hand(site.where, site.node, _REASON)
            continue
        plan.edits(site.where.module).change(line, _block(plan, inner, position))
    for module in plan.program.modules.values():
        if module.is_test and _LOGGED.search(module.source):
            for text in m.findall(module.tree, m.SimpleString()):
                if _LOGGED.match(text_of(text) or ""):
                    plan.hand(module, text, _LOGS)


def _are_coroutines(inner: Site) -> bool:
    """Whether what is called was there as a coroutine function already: nobody awaits it."""
    return bool(inner.functions) and all(
        isinstance(each.node, cst.FunctionDef)
        and each.was_async
        and not (each.is_generator or each.node.decorators)
        for each in inner.functions
    )


def _block(plan: Plan, inner: Site, position: int) -> Callable[[cst.SimpleStatementLine], cst.With]:
    wait = waited_for(plan, inner)

    def edit(line: cst.SimpleStatementLine) -> cst.With:
        part = line.body[0]
        assert isinstance(part, cst.Expr | cst.Assign)
        expecting = cst.ensure_type(part.value, cst.Call)
        given = expecting.args[position:]
        last = expecting.args[position - 1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        expecting = expecting.with_changes(args=[*expecting.args[: position - 1], last])
        called = cst.Call(given[0].value, given[1:])
        asname = None
        if isinstance(part, cst.Assign):
            name = cst.ensure_type(part.targets[0].target, cst.Name)
            asname = cst.AsName(name.with_changes(lpar=[], rpar=[]))
        body = cst.SimpleStatementLine([cst.Expr(wait(called))])
        return cst.With(
            [cst.WithItem(expecting, asname)],
            cst.IndentedBlock([body]),
            leading_lines=line.leading_lines,
        )

    return edit
