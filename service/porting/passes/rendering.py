"""Templates are rendered on the event loop: connections that they use themselves hold it up."""

from __future__ import annotations

from service.porting import drivers
from service.porting.idiom import connect_sites, kept_of
from service.porting.plan import Plan
from service.porting.shown import of_drivers, read_from_g

_INSTEAD = "give them what it returns"


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
