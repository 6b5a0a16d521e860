"""Tests: their client, their contexts, their command line, and how pytest runs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import libcst as cst

from service.porting.colouring import ENTERED_HERE
from service.porting.flask_types import returned
from service.porting.nodes import called, dotted, with_keyword
from service.porting.plan import REQUEST_CONTEXTS, TESTING, Plan
from service.porting.registration import ENTERING
from service.porting.values import Instance

_QUART_TAKES = {"path", "method", "headers", "json", "auth", "scheme", "root_path", "subdomain"}

_ENTERED = "Quart has it entered with `async with`: use an AsyncExitStack"


def rewrite_testsuites(plan: Plan) -> None:
    """Make out the edits for what tests call."""
    classes = any(name == "test_client_class" for _, name in plan.program.stored)
    for site in plan.sites("call"):
        node = site.node
        if not isinstance(node, cst.Call) or not isinstance(node.func, cst.Attribute):
            continue
        edits = plan.edits(site.where.module)
        if "flask.Flask.test_client" in site.paths:
            client = edits.need(TESTING, "ported_client" if classes else "PortedClient")
            edits.change(node, _of_app(client))
        elif "flask.Flask.test_request_context" in site.paths and _flask_only(node):
            context = edits.need(REQUEST_CONTEXTS, "request_context")
            edits.change(node, _of_app(context))
        elif any(path.endswith(ENTERING) for path in site.paths) and _is_context(plan, node.args):
            plan.hand(site.where, node, _ENTERED)
    for site in plan.sites("with"):
        if "flask.Response" in site.paths and isinstance(site.node, cst.WithItem):
            edits = plan.edits(site.where.module)
            nullcontext = edits.need("contextlib", "nullcontext")
            edits.change(site.node, _held(nullcontext))
    for site in plan.sites("attribute"):
        if "flask.Response.text" in site.paths and isinstance(site.node, cst.Attribute):
            edits = plan.edits(site.where.module)
            edits.of_node[site.node].insert(0, _text)


def _is_context(plan: Plan, args: Sequence[cst.Arg]) -> bool:
    """Whether it is one of what Quart enters with `async with`, but for the client."""
    made = plan.program.sites.get((args[0].value, "call")) if args else None
    kinds = {kind for path in made.paths for kind in returned(path) or ()} if made else set()
    return any(
        Instance(entered) in kinds for entered in ENTERED_HERE - {"flask.testing.FlaskClient"}
    )


def _held(nullcontext: str) -> Callable[[cst.WithItem], cst.WithItem]:
    """Quart's responses are not closed; `with` keeps its block."""

    def edit(item: cst.WithItem) -> cst.WithItem:
        if isinstance(item.item, cst.Call) and dotted(item.item.func) == nullcontext:
            return item
        return item.with_changes(item=called(nullcontext, item.item))

    return edit


def _text(node: cst.Attribute) -> cst.Call:
    read = cst.Call(cst.Attribute(node.value, cst.Name("get_data")))
    whole = with_keyword(read, "as_text", cst.Name("True"))
    return whole.with_changes(lpar=node.lpar, rpar=node.rpar)


def _flask_only(node: cst.Call) -> bool:
    given = ["path" if arg.keyword is None else arg.keyword.value for arg in node.args]
    starred = any(arg.star for arg in node.args)
    return starred or given.count("path") != 1 or not _QUART_TAKES.issuperset(given)


def _of_app(name: str) -> Callable[[cst.Call], cst.Call]:
    def edit(node: cst.Call) -> cst.Call:
        assert isinstance(node.func, cst.Attribute)
        app = cst.Arg(node.func.value)
        return node.with_changes(func=cst.Name(name), args=[app, *node.args])

    return edit
