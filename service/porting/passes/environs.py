"""`request.environ`: an ASGI request has none, but most of what it held under other names."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst

from service.porting.nodes import text_of
from service.porting.plan import Plan
from service.porting.program import Module
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
_REASON = "request.scope is what an ASGI request has for environ, with other keys: look at it"


def rewrite_environs(plan: Plan) -> None:
    """Make out the edits for what is read from `request.environ`."""
    for module in plan.program.modules.values():
        if ".environ" in module.source:
            module.tree.visit(_Environs(plan, module))


class _Environs(cst.CSTVisitor):
    def __init__(self, plan: Plan, module: Module) -> None:
        super().__init__()
        self.plan = plan
        self.module = module
        self.read: set[cst.Attribute] = set()

    def visit_Call(self, node: cst.Call) -> None:
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
        if node not in self.read and self._is_environ(node):
            self.plan.hand(self.module, node, _REASON)

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
            self.read.add(environ)
            self.plan.edits(self.module).change(node, edit)


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
