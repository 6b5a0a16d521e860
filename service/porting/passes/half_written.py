"""Transactions that fail half-way, in an attempt that goes on: psycopg keeps what was written."""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from service.porting.drivers import SPEAKING_SQL
from service.porting.idiom import errors_caught
from service.porting.nodes import body_of
from service.porting.plan import Plan
from service.porting.program import Function, Scope
from service.porting.reach import with_called, with_callers
from service.porting.registration import VIEW
from service.porting.transactions import FAILING, ROLLING_BACK

from .errors_met import in_attempts

_OF_SQL = (*SPEAKING_SQL, "asyncpg", "service")
_UNDONE = "what an exception leaves half written is undone at once, not kept for a later commit"


def tell_of_half_written(plan: Plan) -> None:
    """Note the handlers after which another commit would have kept what was written before."""
    queries = plan.idiom.queries
    assert queries is not None
    transactions = [
        (node, site.where, site.where)
        for site in plan.program.sites.values()
        if (node := site.node) in queries.entering and isinstance(site.where, Function)
        if plan.idiom.converted(queries.number(node)) is not None
    ]
    for handler, failing in in_attempts(plan.program, transactions).items():
        if failing and isinstance(handler, cst.ExceptHandler) and _goes_on(plan, handler):
            where = _where(plan, handler)
            if not _ends(where, handler) and _commits_later(plan, where, handler, failing):
                plan.note(where, handler, _UNDONE)


def _goes_on(plan: Plan, handler: cst.ExceptHandler) -> bool:
    """Whether what it is for leaves a transaction of psycopg's as it is, and it does so, too."""
    of_sql = all(error.startswith(_OF_SQL) for error in errors_caught(plan.program, handler))
    return not (of_sql or m.matches(handler, FAILING) or m.findall(handler, ROLLING_BACK))


def _where(plan: Plan, handler: cst.ExceptHandler) -> Scope:
    if handler in plan.program.handlers:
        return plan.program.handlers[handler][0]
    within = (
        each for each in plan.functions() if handler in m.findall(each.node, m.ExceptHandler())
    )
    return next(within)


def _ends(where: Scope, handler: cst.ExceptHandler) -> bool:
    """Whether a request is answered there."""
    is_view = isinstance(where, Function) and VIEW in where.roles
    last = body_of(handler.body)[-1]
    return is_view and m.matches(last, m.SimpleStatementLine([m.Return()]))


def _commits_later(plan: Plan, where: Scope, handler: cst.CSTNode, failing: set[Function]) -> bool:
    queries = plan.idiom.queries
    assert queries is not None
    sites = plan.program.sites.values()
    if not isinstance(where, Function):
        return False
    loops = m.findall(where.node, m.For() | m.While())
    if any(handler in m.findall(loop, m.ExceptHandler()) for loop in loops):
        return True
    before = with_callers({where}, sites)
    return not (with_called(before, sites) & queries.committing) <= failing
