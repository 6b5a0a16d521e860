"""Errors of drivers that nobody asks any more: a port before this one has left their names."""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from service.porting.drivers import SPEAKING_SQL
from service.porting.plan import GET_DB, RUNTIME, Plan

_ASKING = m.Call(
    func=m.Attribute(attr=m.OneOf(*map(m.Name, ("execute", "fetch", "fetchrow", "fetchval")))),
    args=[m.AtLeastN(m.Arg(), n=1)],
)


def no_longer_asked(plan: Plan) -> set[str]:
    """The drivers of SQL of which the app has nothing but errors, where it asks asyncpg.

    A library may raise those of sqlite3, which is asked no more only if `--map` names it.
    """
    if not plan.program.is_ported or not _asks_asyncpg(plan):
        return set()
    asked = {
        path.partition(".")[0]
        for site in plan.program.sites.values()
        if not site.where.module.is_test
        for path in site.paths
    }
    return {*SPEAKING_SQL} - asked - (set() if plan.idiom.names else {"sqlite3"})


def _asks_asyncpg(plan: Plan) -> bool:
    awaited = (node for node in plan.program.awaited if isinstance(node, cst.Call))
    opened = any(f"{RUNTIME}.{GET_DB}" in site.paths for site in plan.sites("call"))
    return opened and any(m.matches(node, _ASKING) for node in awaited)
