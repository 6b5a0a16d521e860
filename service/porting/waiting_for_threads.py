"""Functions of tests that wait for other threads, or run event loops of their own."""

from __future__ import annotations

from .libraries import may_wait_elsewhere
from .program import Function, Program
from .reach import with_callers
from .sites import Site

_RUNNING = {"asyncio.run", "asyncio.?.run_until_complete"}


def waiting_in_tests(program: Program) -> set[Function]:
    """Those that wait for other threads, which may need the event loop, or run one of their own.

    With them, those that call them.
    """
    calls = [
        site for site in program.sites.values() if site.role == "call" and site.where.module.is_test
    ]
    waiting = {
        site.where
        for site in calls
        if isinstance(site.where, Function) and (waits_elsewhere(site) or runs_a_loop(site))
    }
    return with_callers(waiting, calls)


def waits_elsewhere(site: Site) -> bool:
    """Whether something is called there that waits while other threads go on."""
    known = site.role == "call" and not site.functions
    return known and any(may_wait_elsewhere(path) for path in site.paths)


def runs_a_loop(site: Site) -> bool:
    """Whether a call runs a coroutine on an event loop, which it cannot on one."""
    return site.role == "call" and not site.paths.isdisjoint(_RUNNING)
