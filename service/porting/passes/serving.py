"""`app.run` in a thread that the code starts: the main thread alone may handle signals."""

from __future__ import annotations

from service.porting.plan import Plan, paths
from service.porting.program import Function
from service.porting.reach import with_called
from service.porting.values import NOTHING, routines

_RUN = "flask.Flask.run"
_THREAD = "threading.Thread"
_REASON = (
    "the main thread alone may call app.run: in another, "
    "asyncio.run(app.run_task(host, port, shutdown_trigger=asyncio.Event().wait))"
)


def tell_of_serving(plan: Plan) -> None:
    """Report where `app.run` is called by a thread, and where a thread is given it to call."""
    started = _started_by_threads(plan)
    for site in plan.sites("call"):
        given = plan.program.threads.get(site.node, NOTHING)
        if (_RUN in site.paths and site.where in started) or _RUN in paths(given):
            plan.hand(site.where, site.node, _REASON)


def _started_by_threads(plan: Plan) -> set[Function]:
    """The functions that threads call, and what those call."""
    found = {function for values in plan.program.threads.values() for function in routines(values)}
    for of in plan.program.classes.values():
        if _THREAD in of.external_bases():
            found |= routines(of.bindings.get("run", frozenset()))
    return with_called(found, plan.sites("call"))
