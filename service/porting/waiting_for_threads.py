"""Functions of tests that wait for other threads, which may need the event loop meanwhile."""

from __future__ import annotations

from .libraries import may_wait_elsewhere
from .program import Function, Program
from .sites import Site


def waiting_in_tests(program: Program) -> set[Function]:
    """Those that wait for other threads, or call one that does."""
    sites = [site for site in program.sites.values() if site.where.module.is_test]
    found: set[Function] = set()
    grown = True
    while grown:
        size = len(found)
        for site in sites:
            calls = site.role == "call" and not found.isdisjoint(site.functions)
            if isinstance(site.where, Function) and (calls or waits_elsewhere(site)):
                found.add(site.where)
        grown = len(found) > size
    return found


def waits_elsewhere(site: Site) -> bool:
    """Whether something is called there that waits while other threads go on."""
    known = site.role == "call" and not site.functions
    return known and any(may_wait_elsewhere(path) for path in site.paths)
