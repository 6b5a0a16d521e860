"""Coroutine functions that block, and cannot be helped: they are reported."""

from __future__ import annotations

from collections import defaultdict

import libcst as cst

from service.porting import drivers
from service.porting.awaitables import AWAITABLE
from service.porting.closure import closure
from service.porting.libraries import WAITING_IN_STDLIB, extension, may_wait_here
from service.porting.plan import COPY_CONTEXT, RUN_APART, RUNNING, Plan, paths
from service.porting.program import Function
from service.porting.registration import APP_COMMAND, COMMAND, CONTEXT_MANAGER, FIXTURE, TEST
from service.porting.sites import Site
from service.porting.unseen import unresolved
from service.porting.walking import below

from .views_of_extensions import views_of_extensions

_COPYING = {f"flask.{COPY_CONTEXT}", "contextvars.copy_context"}
_OWN_LOOPS = {"asyncio.run", f"{RUNNING}.{RUN_APART}"}
_OF_OTHERS = {APP_COMMAND, COMMAND, CONTEXT_MANAGER, FIXTURE, TEST}
"""Who is called by other roles than these is called by Flask."""
_LOGGING = {f"logging.handlers.{name}Handler" for name in ("HTTP", "SMTP", "Socket", "SysLog")}
_LOGS = "may block the event loop when something is logged: put a QueueHandler before it"
_ELSEWHERE = "the body of a request comes on the app's event loop alone: await it in the view"
_WAITS = "a thread that it waits for may wait for this event loop: wait in asyncio.to_thread"


def tell_of_blocking(plan: Plan) -> None:
    """Report what holds up the event loop in a coroutine function that stays as it is."""
    apart = _run_apart(plan)
    of_flask = _reached_by_flask(plan)
    for function in plan.functions():
        if not function.was_async or plan.colours.tolerates_blocking(function):
            continue
        if function not in of_flask:
            continue  # it is on an event loop of its own, as before
        if function in apart:
            _tell_of_requests(plan, function)
            continue
        for site in plan.colours.sites(function):
            if site.role in {"call", "for"} and site.node not in plan.program.awaited:
                what = _blocking(plan, site)
                if what:
                    plan.hand(function, site.node, f"{what} may block the event loop")


def tell_of_log_handlers(plan: Plan) -> None:
    """Note what sends what is logged somewhere, at once, wherever that is."""
    for site in plan.sites("call"):
        for path in site.paths & _LOGGING:
            if not site.where.module.is_test:
                plan.note(site.where, site.node, f"{path} {_LOGS}")
    for module in plan.program.modules.values():
        named = not module.is_test and any(path in module.source for path in _LOGGING)
        for node in below(module.tree) if named else ():
            if isinstance(node, cst.SimpleString) and node.evaluated_value in _LOGGING:
                plan.note(module, node, f"{node.evaluated_value} {_LOGS}")


def _tell_of_requests(plan: Plan, function: Function) -> None:
    """Report what waits for a request's body, whose own event loop alone hears of it."""
    for site in plan.colours.sites(function):
        if any(path.startswith("flask.Request.") for path in site.paths & AWAITABLE):
            plan.hand(function, site.node, _ELSEWHERE)


def _reached_by_flask(plan: Plan) -> set[Function]:
    """The functions that Flask, or an extension of it, comes to call; all, if that is not seen."""
    sites = list(plan.program.sites.values())
    handed = {
        each for site in sites if any(map(_is_of_flask, site.paths)) for each in site.escaping
    }
    begun = (each for each in plan.functions() if _begins(each))
    begin = {*begun, *handed, *views_of_extensions(plan)}
    called: dict[object, set[Function]] = defaultdict(set)
    for site in sites:
        called[site.where] |= site.functions | site.escaping
    found = closure(begin, lambda function: called[function])
    unseen = (
        unresolved(site) for each in found if each.was_async for site in plan.colours.sites(each)
    )
    return {*plan.functions()} if any(unseen) else found


def _begins(function: Function) -> bool:
    """Whether Flask, or what extends it, calls a function while it serves."""
    decorating = {path for values in function.decorators for path in paths(values)}
    return bool(function.roles - _OF_OTHERS) or any(map(extension, decorating))


def _is_of_flask(path: str) -> bool:
    return path.startswith("flask.") or extension(path) is not None


def _run_apart(plan: Plan) -> set[Function]:
    """What runs on event loops of its own alone, where it holds nothing else up."""
    given = {
        arg.value
        for site in plan.sites("call")
        if site.paths & _OWN_LOOPS and isinstance(site.node, cst.Call)
        for arg in site.node.args
    }
    calls = [(site.node in given, site.functions) for site in plan.sites("call")]
    apart = {function for is_apart, functions in calls if is_apart for function in functions}
    return apart - {f for is_apart, functions in calls if not is_apart for f in functions}


def tell_of_waiting_for_threads(plan: Plan) -> None:
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
