"""What else an app calls by another name, or with other arguments, under Quart."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import libcst as cst
import libcst.matchers as m

from service.porting.nodes import (
    beside,
    dotted,
    statement,
)
from service.porting.plan import (
    CONNECTIONS,
    ENVIRONMENT,
    PORTED_REQUEST,
    RUNNING,
    RUNTIME,
    SESSIONS,
    TEMPLATING,
    Plan,
    paths,
)
from service.porting.program import Function, Module
from service.porting.sites import Site
from service.porting.templating import LAZY
from service.porting.values import NOTHING, External, Instance

from .ensuring import rewrite_ensured
from .entries import apps_made, names_read
from .entries_lacking import asks_for_connections, tell_of_entries_left
from .request_classes import has_request_class, inherits_from_another, needs_ported_request
from .unnamed_apps import name_before

_FLASK = "flask.Flask"
_SESSION = {Instance("flask.session"), External("flask.get_flashed_messages")}
_HAVING_SESSION = {"flask", "flask.globals"}
_OF_AN_OBJECT = m.Attribute(value=~m.Call(func=m.Name("super")))
_AS_PROGRAM = m.If(test=m.Comparison(left=m.Name("__name__")))
_GIVING = m.AssignTarget() | m.AnnAssign() | m.For()
_NAMING = m.AsName() | m.ImportAlias()
_APPS_CONFIG = re.compile(r"\bapp\.config")
_OF_WERKZEUG = {
    "exclude_patterns", "extra_files", "load_dotenv", "passthrough_errors", "processes",
    "reloader_interval", "reloader_type", "request_handler", "static_files", "threaded",
    "use_debugger", "use_evalex",
}  # fmt: skip


def rewrite_applications(plan: Plan) -> None:
    """Make out the edits for what differs in more than an `await`."""
    for site in plan.sites("call"):
        _call(plan, site)
    rewrite_ensured(plan)
    _connect(plan)
    for module in plan.program.modules.values():
        module.tree.visit(_Guard(plan, module))


def _call(plan: Plan, site: Site) -> None:
    node = site.node
    if not isinstance(node, cst.Call):
        return
    edits = plan.edits(site.where.module)
    if "flask.Response.make_conditional" in site.paths and _is_of_a_response(plan, node.func):
        edits.change(node, _as_function(edits.need(RUNNING, "make_conditional")))
    if "flask.Flask.run" in site.paths:
        _tell_of_running(plan, site, node)


def _tell_of_running(plan: Plan, site: Site, node: cst.Call) -> None:
    """Quart's own server, for development, takes other arguments than Werkzeug's."""
    given = {arg.keyword.value for arg in node.args if arg.keyword is not None}
    if "ssl_context" in given:
        plan.hand(site.where, node, "app.run takes certfile and keyfile instead of ssl_context")
    if ignored := sorted(given & _OF_WERKZEUG):
        plan.note(site.where, node, f"app.run ignores {', '.join(ignored)}")


def _is_of_a_response(plan: Plan, method: cst.BaseExpression) -> bool:
    """Whether a method is called of a response, and not of its class, or of the runtime."""
    of = plan.program.values.get(method, NOTHING)
    return m.matches(method, _OF_AN_OBJECT) and not paths(of)


def _as_function(name: str) -> Callable[[cst.Call], cst.Call]:
    def edit(node: cst.Call) -> cst.Call:
        assert isinstance(node.func, cst.Attribute)
        of = node.func.value
        if isinstance(of, cst.Await):
            of = of.with_changes(lpar=of.lpar[1:], rpar=of.rpar[1:])
        return node.with_changes(func=cst.Name(name), args=[cst.Arg(of), *node.args])

    return edit


def _connect(plan: Plan) -> None:
    """`Connections(app)` after every app that is made: its bridge runs the plain functions."""
    has_sessions = _has_sessions(plan)
    begun: list[Site] = []
    left: list[Site] = []
    for site in apps_made(plan):
        app = _target(plan, site)
        if not _is_connected(plan, site.where.module, app):
            _tell_of_classes(plan, site)
            (begun if _begin(plan, site, app, has_sessions) else left).append(site)
    asking = bool(left) and asks_for_connections(plan)
    for site in left:
        own = ", after it has its CONNECTIONS" if asking and not site.where.module.is_test else ""
        plan.hand(site.where, site.node, f"call {CONNECTIONS}(app) with this app{own}")
    tell_of_entries_left(plan, begun)


def _tell_of_classes(plan: Plan, site: Site) -> None:
    """Say what the project's own classes, which the app is given, are to inherit."""
    if inherits_from_another(plan):
        plan.note(site.where, site.node, f"let the app's request_class inherit {PORTED_REQUEST}")
    if plan.program.templates.filters & set(LAZY) and _has(plan, "jinja_environment"):
        plan.note(site.where, site.node, f"let its jinja_environment inherit {ENVIRONMENT}")


def _begin(plan: Plan, site: Site, app: str | None, has_sessions: bool) -> bool:
    """Write all that an app needs after it is made; False if there is no place for it."""
    if app is None:
        return name_before(plan, site, partial(_begun, plan, site, has_sessions))
    module, line = site.where.module, plan.program.statements[site.node]
    last = _configured(plan, module, line, app) if _is_to_have_entries(plan, module) else line
    plan.edits(module).change(last, _followed_by(_connecting(plan, site, app)))
    plan.edits(module).change(line, _followed_by(_settings(plan, site, has_sessions, app)))
    return True


def _is_to_have_entries(plan: Plan, module: Module) -> bool:
    """Whether apps that a module makes get CONNECTIONS; tests say themselves what these are."""
    return bool(plan.entries) and not module.is_test


def _is_connected(plan: Plan, module: Module, app: str | None) -> bool:
    """Whether a port before this one, or somebody else, has connected an app of a module."""
    given = {
        dotted(site.node.args[0].value) if site.node.args else ""
        for site in plan.sites("call")
        if f"{RUNTIME}.{CONNECTIONS}" in site.paths and site.where.module is module
        if isinstance(site.node, cst.Call)
    }
    made = {_target(plan, site) for site in apps_made(plan) if site.where.module is module}
    return app in given or not given <= made


def _begun(plan: Plan, site: Site, has_sessions: bool, app: str) -> list[str]:
    """All statements that an app needs after it is made."""
    return [*_connecting(plan, site, app), *_settings(plan, site, has_sessions, app)]


def _connecting(plan: Plan, site: Site, app: str) -> list[str]:
    """The statements that connect an app, and say what to."""
    edits = plan.edits(site.where.module)
    connected = f"{edits.need(RUNTIME, CONNECTIONS)}({app})"
    if not _is_to_have_entries(plan, site.where.module):
        return [connected]
    for needed in ("os", "urllib.parse"):
        if any(f"{needed}." in entry for entry in plan.entries.values()):
            edits.need(needed)
    return [*_borrowing(plan), _entries(plan, app), connected]


def _settings(plan: Plan, site: Site, has_sessions: bool, app: str) -> list[str]:
    """The statements that give an app what ported code needs of it."""
    edits, found = plan.edits(site.where.module), []
    if needs_ported_request(plan) and not (has_request_class(plan) or inherits_from_another(plan)):
        found.append(f"{app}.request_class = {edits.need(RUNNING, PORTED_REQUEST)}")
    if plan.program.templates.filters & set(LAZY) and not _has(plan, "jinja_environment"):
        found.append(f"{app}.jinja_environment = {edits.need(TEMPLATING, ENVIRONMENT)}")
    if has_sessions and not _has(plan, "session_interface"):
        found.append(f"{app}.session_interface = {edits.need(SESSIONS, 'PortedSessions')}()")
    return found


def _has(plan: Plan, attribute: str) -> bool:
    """Whether the project gives the app something of its own for this."""
    apps = [each for each in plan.program.classes.values() if _FLASK in each.external_bases()]
    set_on_it = (_FLASK, attribute) in plan.program.stored
    return set_on_it or any(attribute in each.bindings for each in apps)


def _has_sessions(plan: Plan) -> bool:
    """Whether the app, and not only its tests, looks into the session, itself or in a template."""
    if plan.program.templates.read_session:
        return True
    scopes = [*plan.program.modules.values(), *plan.functions()]
    known = [scope.bindings.values() for scope in scopes if not scope.module.is_test]
    return any(_SESSION & values for each in known for values in each) or any(
        isinstance(node, cst.Attribute)
        and node.attr.value in {"session", "get_flashed_messages"}
        and not paths(base).isdisjoint(_HAVING_SESSION)
        and not plan.program.module_of[node].is_test
        for node, base in plan.program.values.items()
    )


def _borrowing(plan: Plan) -> list[str]:
    """The imports that the entries need there."""
    borrowed = sorted(plan.borrowed.items())
    return [f"from {path} import {', '.join(sorted(names))}" for path, names in borrowed]


def _entries(plan: Plan, app: str) -> str:
    """The statement that configures the connections."""
    listed = "".join(
        f'    "{name}": {_APPS_CONFIG.sub(f"{app}.config", entry)},\n'
        for name, entry in plan.entries.items()
    )
    return f'{app}.config["CONNECTIONS"] = {{\n{listed}}}'


def _configured(
    plan: Plan, module: Module, line: cst.SimpleStatementLine, app: str
) -> cst.BaseStatement | cst.SimpleStatementLine:
    """The last statement beside `line` that the app's configuration, or an entry, depends on."""
    entries = [cst.parse_expression(entry) for entry in plan.entries.values()]
    needed = {name for entry in entries for name in names_read(entry)}
    after = False
    last: cst.BaseStatement | cst.SimpleStatementLine = line
    for statement_ in beside(module.tree, line):
        if m.matches(statement_, _AS_PROGRAM):
            break  # it may serve there
        after = after or statement_ is line
        if any(
            plan.program.statements.get(node) is statement_ and plan.idiom.converted(number)
            for node, number in plan.program.connects.items()
        ):
            continue  # it goes away
        if isinstance(statement_, cst.FunctionDef | cst.ClassDef):
            depends = statement_.name.value in needed
        else:
            configures = f"{app}.config" in module.tree.code_for_node(statement_)
            depends = configures or bool(needed & _bound(statement_))
        if after and depends:
            last = statement_
    return last


def _bound(node: cst.CSTNode) -> set[str]:
    """The names that a statement binds."""
    targets = [each.target for each in m.findall(node, _GIVING)]  # type: ignore[attr-defined]
    names = [each.name for each in m.findall(node, _NAMING)]  # type: ignore[attr-defined]
    return {name for each in (*targets, *names) for name in names_read(each)}


def _target(plan: Plan, site: Site) -> str | None:
    """How the app that is made is called there."""
    line = plan.program.statements.get(site.node)
    if line is None:
        return None
    if _FLASK not in site.paths:
        return next(iter(site.where.names), None) if isinstance(site.where, Function) else None
    for part in line.body:
        if isinstance(part, cst.Assign) and len(part.targets) == 1:
            return dotted(part.targets[0].target) or None
        if isinstance(part, cst.AnnAssign):
            return dotted(part.target) or None
    return None


def _followed_by(source: list[str]) -> Callable[[cst.BaseStatement], object]:
    def edit(old: Any) -> object:
        before = list(old) if isinstance(old, cst.FlattenSentinel) else [old]
        return cst.FlattenSentinel([*before, *(statement(each) for each in source)])

    return edit


class _Guard(cst.CSTVisitor):
    """`app.run()` at the top of a module would serve while it is imported."""

    def __init__(self, plan: Plan, module: Module) -> None:
        super().__init__()
        self.plan = plan
        self.module = module

    def visit_Module(self, node: cst.Module) -> bool:
        for line in node.body:
            if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1:
                part = line.body[0]
                if isinstance(part, cst.Expr) and isinstance(part.value, cst.Call):
                    site = self.plan.program.sites.get((part.value, "call"))
                    if site is not None and "flask.Flask.run" in site.paths:
                        self.plan.edits(self.module).change(line, _guarded)
        return False


def _guarded(line: cst.SimpleStatementLine) -> cst.BaseStatement:
    guard = statement('if __name__ == "__main__":\n    pass\n')
    body = cst.IndentedBlock([line.with_changes(leading_lines=[])])
    return guard.with_changes(body=body, leading_lines=line.leading_lines)
