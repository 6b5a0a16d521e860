"""WSGI middleware around the app: Werkzeug's ProxyFix becomes Hypercorn's; all else is reported."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst

from service.porting.plan import Plan
from service.porting.sites import Site
from service.porting.values import Instance

_WERKZEUGS = "werkzeug.middleware."
_PROXY_FIX = "werkzeug.middleware.proxy_fix.ProxyFix"
_OF_ASGI = "UvicornWorker"
"""A worker of gunicorn's that speaks ASGI."""
_COUNTS = ("x_for", "x_proto", "x_host", "x_port", "x_prefix")
_OF_WSGI = "Quart speaks ASGI: wrap app.asgi_app, with middleware for ASGI"
_AS_WSGI = "Quart speaks ASGI: a server or a test client calls the app, not WSGI code"
_BY_GUNICORN = "gunicorn serves WSGI: let hypercorn.asyncio.serve serve the app"
_NOTE = "Hypercorn's ProxyFixMiddleware trusts the proxy's X-Forwarded-Host, too"


def rewrite_middleware(plan: Plan) -> None:
    """Make out the edits for middleware, and report what calls the app as WSGI does."""
    done: set[cst.CSTNode] = set()
    for site in plan.sites("call"):
        if "flask.Flask.__call__" in site.paths:
            plan.hand(site.where, site.node, _AS_WSGI)
        elif any(map(_is_made_of_werkzeugs, site.paths)):
            dealt_with = _behind_proxies(plan, site)
            done |= dealt_with
            if not dealt_with:
                plan.hand(site.where, site.node, _OF_WSGI)
    for node, base in plan.program.values.items():
        if not isinstance(node, cst.Attribute) or node.attr.value != "wsgi_app" or node in done:
            continue
        module = plan.program.module_of.get(node)
        if Instance("flask.Flask") in base and module is not None:
            plan.hand(module, node, _OF_WSGI)
    for of in plan.program.classes.values():
        by_gunicorn = any(base.startswith("gunicorn.app.") for base in of.external_bases())
        if by_gunicorn and _OF_ASGI not in of.module.tree.code_for_node(of.node):
            plan.hand(of, of.node, _BY_GUNICORN)


def _is_made_of_werkzeugs(path: str) -> bool:
    """Whether it makes middleware of Werkzeug's, and does not only call it."""
    return path.startswith(_WERKZEUGS) and not path.endswith(".__call__")


def _behind_proxies(plan: Plan, site: Site) -> set[cst.CSTNode]:
    """`app.wsgi_app = ProxyFix(app.wsgi_app, ...)`; the `app.wsgi_app` that is dealt with."""
    node = site.node
    if _PROXY_FIX not in site.paths or not isinstance(node, cst.Call):
        return set()
    line = plan.program.statements.get(node)
    assign = line.body[0] if line is not None else None
    hops = _trusted_hops(node)
    if not isinstance(assign, cst.Assign) or hops is None:
        return set()
    target, app = assign.targets[0].target, node.args[0].value
    if not isinstance(target, cst.Attribute) or not isinstance(app, cst.Attribute):
        return set()
    if target.attr.value != "wsgi_app" or app.attr.value != "wsgi_app":
        return set()
    edits = plan.edits(site.where.module)
    middleware = edits.need("hypercorn.middleware", "ProxyFixMiddleware")
    edits.rename(target.attr, "asgi_app")
    edits.rename(app.attr, "asgi_app")
    edits.change(node, _to(middleware, hops))
    plan.note(site.where, node, _NOTE)
    return {app}


def _trusted_hops(node: cst.Call) -> int | None:
    """How many proxies each header is trusted from, if that is the same number, written out."""
    counts = {"x_for": 1, "x_proto": 1, "x_host": 0, "x_port": 0, "x_prefix": 0}
    for name, arg in zip(("app", *_COUNTS), node.args, strict=False):
        key = arg.keyword.value if arg.keyword is not None else name
        if key in _COUNTS:
            if arg.star or not isinstance(arg.value, cst.Integer):
                return None
            counts[key] = arg.value.evaluated_value
    given = {counts["x_for"], counts["x_proto"], *filter(None, counts.values())}
    return given.pop() or None if len(given) == 1 else None


def _to(middleware: str, hops: int) -> Callable[[cst.Call], cst.Call]:
    def edit(node: cst.Call) -> cst.Call:
        made = cst.ensure_type(
            cst.parse_expression(f"{middleware}(app, trusted_hops={hops})"), cst.Call
        )
        app = made.args[0].with_changes(value=node.args[0].value)
        return made.with_changes(args=[app, *made.args[1:]])

    return edit
