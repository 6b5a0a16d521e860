"""Coroutine functions that were there before, and block: they did so already, and are reported."""

from __future__ import annotations

from service.porting import drivers
from service.porting.libraries import WAITING_IN_STDLIB
from service.porting.plan import Plan
from service.porting.program import Site


def tell_of_blocking(plan: Plan) -> None:
    """Report what holds up the event loop in a coroutine function that stays as it is."""
    for function in plan.functions():
        if not function.was_async or plan.colours.tolerates_blocking(function):
            continue
        for site in plan.colours.sites(function):
            if site.role == "call" and site.node not in plan.program.awaited:
                what = _blocking(plan, site)
                if what:
                    plan.hand(function, site.node, f"{what} may block the event loop")


def _blocking(plan: Plan, site: Site) -> str:
    for called in site.functions & plan.colours.threaded - plan.colours.bridged:
        return called.label
    if site.node in plan.idiom.involved:
        return ""
    for path in sorted(site.paths):
        if path in WAITING_IN_STDLIB or drivers.number_of(path) is not None:
            return drivers.plain(path)
    return ""
