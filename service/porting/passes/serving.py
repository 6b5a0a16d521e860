"""`app.run` in a thread that the code starts: the main thread alone may handle signals."""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from service.porting.plan import Plan, paths
from service.porting.program import Function
from service.porting.reach import with_called
from service.porting.sites import Site
from service.porting.values import NOTHING, Instance, routines

_APP = Instance("flask.Flask")
_RUN = "flask.Flask.run"
_RUN_OF = m.Attribute(attr=m.Name("run"))
_THREAD = "threading.Thread"
_STARTING = ("_thread.", "concurrent.futures.ThreadPoolExecutor.", "threading.Timer")
_REASON = (
    "the main thread alone may call app.run: in another, "
    "asyncio.run(app.run_task(host, port, shutdown_trigger=asyncio.Event().wait))"
)


def tell_of_serving(plan: Plan) -> None:
    """Report where `app.run` is called by a thread, and where a thread is given it to call."""
    started = _started_by_threads(plan)
    for site in plan.sites("call"):
        if (_RUN in site.paths and site.where in started) or _is_given_it(plan, site):
            plan.hand(site.where, site.node, _REASON)


def _is_given_it(plan: Plan, site: Site) -> bool:
    """Whether a thread is given `app.run` to call."""
    args = site.node.args if isinstance(site.node, cst.Call) else ()
    starting = any(path.startswith(_STARTING) for path in site.paths)
    return _RUN in paths(plan.program.threads.get(site.node, NOTHING)) or any(
        starting
        and m.matches(arg.value, _RUN_OF)
        and _APP in plan.program.values.get(arg.value, NOTHING)
        for arg in args
    )


def _started_by_threads(plan: Plan) -> set[Function]:
    """The functions that threads call, and what those call."""
    found = {function for values in plan.program.threads.values() for function in routines(values)}
    for of in plan.program.classes.values():
        if _THREAD in of.external_bases():
            found |= routines(of.bindings.get("run", frozenset()))
    for site in plan.sites("call"):
        if any(path.startswith(_STARTING) for path in site.paths):
            found |= site.escaping
    return with_called(found, plan.sites("call"))
