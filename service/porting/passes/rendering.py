"""Templates are rendered on the event loop: connections that they use themselves hold it up."""

from __future__ import annotations

from service.porting import drivers
from service.porting.idiom import connect_sites, kept_of
from service.porting.plan import Plan
from service.porting.registration import TEMPLATE
from service.porting.shown import of_drivers, read_from_g

from .callbacks import is_called_by_python
from .rendered import names_of

_INSTEAD = "give them what it returns"
_PIPED = {f"{where}template_{what}" for where in ("", "app_") for what in ("filter", "test")}
"""How functions are registered that no template can name."""
_HANDED = f"a template hands it to another function, which cannot await it: {_INSTEAD}"


def tell_of_rendering(plan: Plan) -> None:
    """Report what templates are given of connections that block."""
    for node, shown in plan.program.shown.items():
        site = plan.program.sites.get((node, "call"))
        in_thread = (
            site is not None
            and "jinja2.Template.render" in site.paths
            and not plan.colours.is_async(plan.colours.owner(site))
        )
        for path in sorted(of_drivers(plan.program, shown.values)):
            blocks = plan.idiom.converted(drivers.number_of(path)) is None
            if blocks and not in_thread and not shown.where.module.is_test:
                what = drivers.plain(path)
                plan.hand(
                    shown.where, node, f"templates may call {what} on the event loop: {_INSTEAD}"
                )
                break
    for number, site in connect_sites(plan.idiom):
        kept = kept_of(plan.idiom, number)
        if kept is None or not read_from_g(plan.program, kept):
            continue
        if kept.refusal or plan.name_of(kept.name) != kept.name:
            plan.hand(site.where, site.node, f"templates read g.{kept.name}: {_INSTEAD}")
    awaited = plan.colours.asynchronous | plan.colours.bridged
    for function in plan.functions():
        by = {path.rpartition(".")[2] for path, _ in plan.program.registered[function]}
        known = TEMPLATE in function.roles and not is_called_by_python(function) and not by & _PIPED
        handed = known and names_of(function) & plan.program.templates.handed
        if handed and (function.was_async or function in awaited):
            plan.hand(function, function.node, _HANDED)
