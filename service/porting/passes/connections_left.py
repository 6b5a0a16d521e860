"""Connections that stay because they are kept nowhere that `get_db` could take the place of."""

from __future__ import annotations

import libcst as cst

from service.porting.drivers import number_of
from service.porting.idiom import connect_sites, kept_of, numbers_in
from service.porting.nodes import outline
from service.porting.plan import Plan
from service.porting.program import Function, Module
from service.porting.report import Kind
from service.porting.sites import Site

_KEPT_BY_AN_OBJECT = "an object keeps it, which may outlive the app context"
_KEPT_IN_ANOTHER_WAY = "a function puts it into a variable, in a way that is not understood"
_KEPT_BY_NO_NAME = "no attribute of g and no variable of a module keeps it"


def tell_of_connections_left(plan: Plan) -> None:
    """Report connections of the app that no name could be found for."""
    used = {
        number_of(path)
        for site in plan.program.sites.values()
        if site.where in plan.reached
        for path in site.paths
    }
    told: set[tuple[Module, str]] = set()
    for number, site in connect_sites(plan.idiom):
        if site.where.module.is_test or kept_of(plan.idiom, number) is not None:
            continue
        reason = (
            f"connection {_named(plan, number, site)} stays as it is: {_why(plan, number, site)}"
        )
        module = site.where.module
        of_app = number in used or site.where in plan.reached
        if of_app and (module, reason) not in told:
            told.add((module, reason))
            plan.report.tell(module, site.node, Kind.THREAD, reason)


def _named(plan: Plan, number: int, site: Site) -> str:
    attached = plan.program.attached.get(number)
    if attached is not None:
        return repr(outline(attached.node))
    if isinstance(site.where, Function) and not _is_of_sqlite(site):
        return f"of {site.where.label}"
    return f"of {outline(cst.ensure_type(site.node, cst.Call).func)}"


def _why(plan: Plan, number: int, site: Site) -> str:
    if _is_of_sqlite(site):
        return "sqlite3 stays"
    if number in plan.program.attached:
        return _KEPT_BY_AN_OBJECT
    bound = (values for each in plan.program.modules.values() for values in each.bindings.values())
    in_a_variable = any(number in numbers_in(values) for values in bound)
    return _KEPT_IN_ANOTHER_WAY if in_a_variable else _KEPT_BY_NO_NAME


def _is_of_sqlite(site: Site) -> bool:
    return any(path.startswith("sqlite3.") for path in site.paths)
