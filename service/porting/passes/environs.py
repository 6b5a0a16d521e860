"""`request.environ`: what it held has other names in Quart; for the rest, one is made up."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst

from service.porting.nodes import text_of
from service.porting.plan import Plan
from service.porting.program import Module
from service.porting.sites import Site
from service.porting.values import Instance

_NAMED = {
    "HTTP_HOST": "host",
    "PATH_INFO": "path",
    "REMOTE_ADDR": "remote_addr",
    "REQUEST_METHOD": "method",
    "SCRIPT_NAME": "root_path",
    "wsgi.url_scheme": "scheme",
}
_HEADERS = {"CONTENT_TYPE": "Content-Type", "CONTENT_LENGTH": "Content-Length"}
_BODY = "wsgi.input"
_REASON = f"request.environ holds no {_BODY} here: read the body from the request"
_TAKING_IT_APART = ("builtins.", "json.", "logging.", "pprint.", "werkzeug.wsgi.")


def rewrite_environs(plan: Plan) -> None:
    """Make out the edits for what is read from `request.environ`."""
    for module in plan.program.modules.values():
        found = _found(plan, module)
        for node, edit in found.renamed.items():
            plan.edits(module).change(node, edit)
        for node in found.bodiless:
            plan.hand(module, node, _REASON)


def keeps_environ(plan: Plan) -> bool:
    """Whether the app reads something in it that has no other name."""
    modules = [module for module in plan.program.modules.values() if not module.is_test]
    return any(_found(plan, module).kept for module in modules)


def _found(plan: Plan, module: Module) -> _Environs:
    environs = _Environs(plan)
    if ".environ" in module.source:
        module.tree.visit(environs)
    return environs


class _Environs(cst.CSTVisitor):
    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan = plan
        self.renamed: dict[cst.CSTNode, Callable[[cst.CSTNode], cst.CSTNode]] = {}
        self.bodiless: list[cst.CSTNode] = []
        """Where the body may be looked for."""
        self.kept: set[cst.CSTNode] = set()
        self._read: set[cst.CSTNode] = set()

    def visit_Call(self, node: cst.Call) -> None:
        site = self.plan.program.sites.get((node, "call"))
        for arg in node.args:
            given = isinstance(arg.value, cst.Attribute) and self._is_environ(arg.value)
            if given and not _is_known(site):
                self.bodiless.append(arg.value)
        method = node.func
        if not isinstance(method, cst.Attribute) or method.attr.value != "get" or not node.args:
            return
        environ = method.value
        if isinstance(environ, cst.Attribute) and self._is_environ(environ):
            default = node.args[1].value if len(node.args) > 1 else None
            self._replace(node, environ, node.args[0].value, default, required=False)

    def visit_Subscript(self, node: cst.Subscript) -> None:
        environ, index = node.value, node.slice[0].slice
        if not isinstance(environ, cst.Attribute) or not isinstance(index, cst.Index):
            return
        if self._is_environ(environ):
            self._replace(node, environ, index.value, None, required=True)

    def visit_Attribute(self, node: cst.Attribute) -> None:
        if node not in self._read and self._is_environ(node):
            self.kept.add(node)

    def _is_environ(self, node: cst.Attribute) -> bool:
        base = self.plan.program.values.get(node, frozenset())
        return node.attr.value == "environ" and Instance("flask.Request") in base

    def _replace(
        self,
        node: cst.Call | cst.Subscript,
        environ: cst.Attribute,
        key: cst.BaseExpression,
        default: cst.BaseExpression | None,
        required: bool,
    ) -> None:
        edit = _reading(text_of(key) or "", environ.value, default, required)
        if edit is not None:
            self.renamed[node] = edit
            self._read.add(environ)
        elif text_of(key) == _BODY:
            self.bodiless.append(environ)


def _is_known(site: Site | None) -> bool:
    """Whether a call is of functions that are seen not to look for the body."""
    if site is None or not (site.paths or site.functions):
        return False
    return all(path.startswith(_TAKING_IT_APART) for path in site.paths)


def _reading(
    key: str,
    request: cst.BaseExpression,
    default: cst.BaseExpression | None,
    required: bool,
) -> Callable[[cst.CSTNode], cst.CSTNode] | None:
    if key in _NAMED:
        return lambda old: cst.Attribute(request, cst.Name(_NAMED[key]))
    name = _HEADERS.get(key)
    if key.startswith("HTTP_"):
        name = key.removeprefix("HTTP_").replace("_", "-").title()
    if name is None:
        return None
    headers = cst.Attribute(request, cst.Name("headers"))
    text = cst.SimpleString(f'"{name}"')
    if required:
        index = cst.SubscriptElement(cst.Index(text))
        return lambda old: cst.Subscript(headers, [index])
    arguments = [cst.Arg(value) for value in (text, default) if value is not None]
    return lambda old: cst.Call(cst.Attribute(headers, cst.Name("get")), arguments)
