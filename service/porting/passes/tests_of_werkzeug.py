"""What tests use of Werkzeug in the place of Flask: its own client, and environs of WSGI."""

from __future__ import annotations

from collections.abc import Callable

import libcst as cst
import libcst.matchers as m

from service.porting.flask_types import APP, CLIENT, REQUEST, REQUEST_CONTEXT
from service.porting.nodes import dotted
from service.porting.plan import REQUEST_CONTEXTS, TESTING, Plan, meant
from service.porting.program import Module
from service.porting.sites import Site
from service.porting.values import Instance, Object, Values

_NAME = "Client"
_IMPORT = m.ImportFrom(module=m.Attribute(m.Name("werkzeug"), m.Name("test")))
_PORTED = ("app", "response_wrapper", "use_cookies")
"""What the ported client takes, in its order."""
_RESPONSES = ("flask.Response", "flask.Flask.response_class", "werkzeug.wrappers.")
_NO_CLIENT = (
    "a client of Werkzeug's calls WSGI, and its requests are awaited here: use PortedClient(app)"
)
_NO_CONTEXT = (
    "Quart's request_context takes a request, and no environ: use app.test_request_context, "
    "with what the environ is made of"
)
_MAKING = {"werkzeug.test.EnvironBuilder", "werkzeug.test.create_environ"}
"""What makes environs, of the same that the ported context takes."""


def rewrite_tests_of_werkzeug(plan: Plan) -> None:
    """Make out the edits for clients and contexts, and report those that stay."""
    for site in plan.sites("call"):
        node = site.node
        if not isinstance(node, cst.Call):
            continue
        if CLIENT in site.paths and _is_werkzeugs(site.where.module, node.func):
            _client(plan, site, node)
        elif REQUEST_CONTEXT in site.paths and Instance(REQUEST) not in site.first:
            _context(plan, site, node)


def _is_werkzeugs(module: Module, function: cst.BaseExpression) -> bool:
    """Whether it is Werkzeug's client, and not Flask's, that is made."""
    name = dotted(function)
    imported = {
        alias.evaluated_alias or _NAME
        for line in m.findall(module.tree, _IMPORT)
        for alias in m.findall(line, m.ImportAlias(m.Name(_NAME)))
        if isinstance(alias, cst.ImportAlias)
    }
    return name in imported or name == f"werkzeug.test.{_NAME}"


def _client(plan: Plan, site: Site, node: cst.Call) -> None:
    given = {
        arg.keyword.value if arg.keyword else name: arg
        for arg, name in zip(node.args, (*_PORTED, ""), strict=False)
    }
    wrapper = given.pop("response_wrapper", None)
    plain = wrapper is None or _is_plain(site.where.module, wrapper.value)
    starred = any(arg.star for arg in node.args)
    if starred or not plain or not given.keys() <= {*_PORTED} or not _is_app(site.first):
        plan.hand(site.where, node, _NO_CLIENT)
        return
    edits = plan.edits(site.where.module)
    edits.rename(node.func, edits.need(TESTING, "PortedClient"))


def _is_plain(module: Module, response: cst.BaseExpression) -> bool:
    """Whether responses are to be of no class of the project's."""
    name = dotted(response)
    paths = meant(module, name)
    of_an_app = name.endswith(".response_class")
    return name == "None" or of_an_app or any(path.startswith(_RESPONSES) for path in paths)


def _is_app(values: Values) -> bool:
    return any(
        value == Instance(APP) or (isinstance(value, Object) and APP in value.of.external_bases())
        for value in values
    )


def _context(plan: Plan, site: Site, node: cst.Call) -> None:
    """A context that is given a new environ; others are reported."""
    made = _made_of(plan, node.args[0].value) if len(node.args) == 1 else None
    if made is None or not isinstance(node.func, cst.Attribute):
        plan.hand(site.where, node, _NO_CONTEXT)
        return
    edits = plan.edits(site.where.module)
    edits.change(node, _given(edits.need(REQUEST_CONTEXTS, "request_context"), made))


def _made_of(plan: Plan, environ: cst.BaseExpression) -> cst.Call | None:
    """The call that says what an environ is made of; None if that is said elsewhere."""
    read = m.matches(environ, m.Call(m.Attribute(m.Call(), m.Name("get_environ")), args=[]))
    made = environ.func.value if read else environ  # type: ignore[attr-defined]
    site = plan.program.sites.get((made, "call"))
    if site is None or not isinstance(made, cst.Call) or site.paths.isdisjoint(_MAKING):
        return None
    positional = [arg for arg in made.args if arg.keyword is None]
    return made if len(positional) <= 2 and not any(arg.star for arg in made.args) else None


def _given(context: str, made: cst.Call) -> Callable[[cst.Call], cst.Call]:
    def edit(node: cst.Call) -> cst.Call:
        assert isinstance(node.func, cst.Attribute)
        app = cst.Arg(node.func.value)
        return node.with_changes(func=cst.Name(context), args=[app, *made.args])

    return edit
