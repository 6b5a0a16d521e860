"""`with`, where some of what it enters has to be entered with `async with`."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst

from service.porting.nodes import body_of
from service.porting.plan import Plan
from service.porting.program import Scope
from service.porting.sites import Site

_CLIENT = "flask.testing.FlaskClient"
"""What a plain `with` may enter, too: the ported one can be."""
_CONTEXTS = ("flask.ctx.AppContext", "flask.ctx.RequestContext")
_PUSHED = {f"{of}.push" for of in _CONTEXTS}
_POPPED = {f"{of}.pop" for of in _CONTEXTS}
_APART = "the context is that of a task of its own: enter it with `async with`, where one can await"


def enter_blocks(plan: Plan) -> None:
    """Make out the edits for the statements of functions that can await."""
    colours = plan.colours
    wanted = {id(site.node): site for site in plan.sites("with") if colours.needs(site)}
    detached = _detached(plan)
    for node, site in _statements(plan):
        if node.asynchronous is not None or id(node) in detached:
            continue
        if not any(id(item) in wanted for item in node.items):
            continue
        if not colours.is_async(colours.owner(site)):
            there = (wanted[id(item)] for item in node.items if id(item) in wanted)
            paths = {path for each in there for path in each.paths}
            if node not in plan.program.blocks and paths != {_CLIENT}:
                plan.hand(site.where, node, "`async with` is needed, in a function that cannot")
            continue
        plan.edits(site.where.module).change(node, entered(plan, node))
    _tell_of_contexts_apart(plan)


def _tell_of_contexts_apart(plan: Plan) -> None:
    """A context that is pushed by a task that a plain function waits for is not its own."""
    told: set[Scope] = set()
    for paths in (_PUSHED, _POPPED):
        sites = [site for site in plan.sites("call") if site.paths & paths]
        there = [site for site in sites if not plan.colours.is_async(plan.colours.owner(site))]
        for site in there:
            if site.where not in told:
                plan.hand(site.where, site.node, _APART)
        told |= {site.where for site in there}


def _detached(plan: Plan) -> set[int]:
    return {
        id(block.node) for block in plan.program.blocks.values() if plan.colours.is_detached(block)
    }


def _statements(plan: Plan) -> list[tuple[cst.With, Site]]:
    found: dict[cst.With, Site] = {}
    by_item = {site.node: site for site in plan.sites("with")}
    for node in plan.program.withs:
        for item in node.items:
            if item in by_item:
                found.setdefault(node, by_item[item])
    return list(found.items())


def entered(plan: Plan, node: cst.With) -> Callable[[cst.With], cst.With]:
    """The statement with `async with`, or one for each item if only some of them need it."""
    sites = [plan.program.sites.get((item, "with")) for item in node.items]
    needing = [site is not None and plan.colours.needs(site) for site in sites]
    if all(needing):
        return lambda node: node.with_changes(asynchronous=cst.Asynchronous())

    def edit(node: cst.With) -> cst.With:
        body = node.body
        for item, asynchronous in reversed(list(zip(node.items, needing, strict=True))):
            one = cst.With(
                [item.with_changes(comma=cst.MaybeSentinel.DEFAULT)],
                body if isinstance(body, cst.IndentedBlock) else cst.IndentedBlock(body_of(body)),
                asynchronous=cst.Asynchronous() if asynchronous else None,
            )
            body = cst.IndentedBlock([one])
        return one.with_changes(leading_lines=node.leading_lines)

    return edit
