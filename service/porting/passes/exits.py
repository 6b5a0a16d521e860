"""What Python calls when it ends: no event loop, and no thread, can begin then."""

from __future__ import annotations

from service.porting.colouring import WAITING_PLAINLY
from service.porting.plan import Plan, paths
from service.porting.program import Function
from service.porting.reach import with_called

_REGISTERS = "atexit.register"
_TOO_LATE = (
    "it waits, and Python calls it when no event loop can begin any more: use app.after_serving"
)


def tell_of_exits(plan: Plan) -> None:
    """Report what is to be called at the end, and waits."""
    calls = list(plan.sites("call"))
    given = [(site.where, site.node, site.escaping) for site in calls if _REGISTERS in site.paths]
    decorated = [
        (function, function.node, {function})
        for function in plan.functions()
        if any(_REGISTERS in paths(values) for values in function.decorators)
    ]
    for where, node, functions in [*given, *decorated]:
        reached = with_called(functions, calls)
        if any(_enters(plan, each) or _waits(plan, each) for each in reached):
            plan.hand(where, node, _TOO_LATE)


def _enters(plan: Plan, function: Function) -> bool:
    """Whether it waits for what is done within an app context."""
    blocks = [each for each in plan.program.blocks.values() if each.function is function]
    return any(map(plan.colours.is_detached, blocks))


def _waits(plan: Plan, function: Function) -> bool:
    colours = plan.colours
    return any(
        site.paths & WAITING_PLAINLY
        or (colours.needs(site) and not colours.is_async(colours.owner(site)))
        for site in colours.sites(function)
    )
