"""Coroutine functions that block, and cannot be helped: they are reported."""

from __future__ import annotations

import libcst as cst

from service.porting import drivers
from service.porting.libraries import WAITING_IN_STDLIB, may_wait_here
from service.porting.plan import COPY_CONTEXT, Plan, paths
from service.porting.program import Site

_COPYING = {f"flask.{COPY_CONTEXT}", "contextvars.copy_context"}
_WAITS = "a thread that it waits for may wait for this event loop: wait in asyncio.to_thread"


def tell_of_blocking(plan: Plan) -> None:
    """Report what holds up the event loop in a coroutine function that stays as it is."""
    for function in plan.functions():
        if not function.was_async or plan.colours.tolerates_blocking(function):
            continue
        for site in plan.colours.sites(function):
            if site.role in {"call", "for"} and site.node not in plan.program.awaited:
                what = _blocking(plan, site)
                if what:
                    plan.hand(function, site.node, f"{what} may block the event loop")


def tell_of_waiting(plan: Plan) -> None:
    """Report coroutine functions of tests that wait for threads which may need the event loop."""
    if not _needs_the_loop(plan):
        return
    for site in plan.program.sites.values():
        if site.where.module.is_test and plan.colours.is_async(plan.colours.owner(site)):
            waits = site.role == "call" and any(map(may_wait_here, site.paths))
            if waits or _leaves_executor(site):
                plan.hand(site.where, site.node, _WAITS)


def _needs_the_loop(plan: Plan) -> bool:
    """Whether the app has threads of its own that may wait for the event loop of a request."""
    app = [function for function in plan.functions() if not function.module.is_test]
    decorating = [values for function in app for values in function.decorators]
    calling = [site.paths for site in plan.sites("call") if not site.where.module.is_test]
    return any(_COPYING & found for found in [*map(paths, decorating), *calling])


def _leaves_executor(site: Site) -> bool:
    """Whether `with` waits for an executor that was there before."""
    there = isinstance(site.node, cst.WithItem) and not isinstance(site.node.item, cst.Call)
    return there and any(path.startswith("concurrent.") for path in site.paths)


def _blocking(plan: Plan, site: Site) -> str:
    for called in site.functions & plan.colours.threaded - plan.colours.bridged:
        if not plan.colours.is_lazy(site, called):
            return called.label
    if site.node in plan.idiom.involved:
        return ""
    for path in sorted(site.paths):
        if path in WAITING_IN_STDLIB or drivers.number_of(path) is not None:
            return drivers.plain(path)
    return ""
