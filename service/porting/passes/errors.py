"""Errors of drivers, where they are handled: the new driver's names, and what `get_db` raises."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

import libcst as cst
import libcst.matchers as m
from asyncpg import exceptions

from service.porting.idiom import KINDS, POSTGRESQL, connect_sites
from service.porting.nodes import as_dotted, dotted, parts_of
from service.porting.plan import RUNTIME, Plan, paths
from service.porting.program import Function, Scope
from service.porting.registration import is_of_error_handlers
from service.porting.sites import Site
from service.porting.values import NOTHING, routines

from .databases import attempts
from .errors_left import no_longer_asked

_UNAVAILABLE = "ConnectionsError"
_OF_CONNECTING = (
    "ConnectionError", "OperationalError", "InterfaceError", "ReqlDriverError", "RqlDriverError",
    "TimeoutError", "ReqlTimeoutError", "RqlTimeoutError", "RedisError", "DatabaseError",
    "ReqlError", "Error",
)  # fmt: skip
"""What the drivers raise, among others, if a server is away; what says so most clearly, first."""
_OF_ASYNCPG = {
    "Error": "PostgresError",
    "DatabaseError": "PostgresError",
    "IntegrityError": "IntegrityConstraintViolationError",
    "ProgrammingError": "SyntaxOrAccessError",
}
"""asyncpg's names of what psycopg raises, unless it is the same, with `Error`."""
_OTHERS = m.Attribute(
    attr=m.OneOf(
        *map(m.Name, ("pgerror", "diag", "cursor", "sqlite_errorcode", "sqlite_errorname"))
    )
)
_ATTRIBUTES = "asyncpg's errors have sqlstate and other attributes"
_ONE_FOR_ALL = "for any connection that cannot be had, get_db raises ConnectionsError: handle it"


def rewrite_errors(plan: Plan) -> None:
    """Make out the edits for what handles errors of a driver that is no longer asked."""
    kinds = {kept.kind for kept in plan.idiom.kept.values() if not kept.refusal}
    left = no_longer_asked(plan)
    if not kinds and not left:
        return
    opened = _opened_in_attempts(plan)
    of_openers = {handler for _, handler in attempts(plan)}
    for handler, (where, _) in plan.program.handlers.items():
        assert isinstance(handler, cst.ExceptHandler | cst.ExceptStarHandler)
        assert handler.type is not None
        if handler in of_openers:
            continue
        both = bool(_of_connecting(plan, handler.type, opened[handler]))
        if both:
            name = plan.edits(where.module).need(RUNTIME, _UNAVAILABLE)
            plan.edits(where.module).change(handler.type, _or(name))
        of_sql = (POSTGRESQL in kinds or left) and _rename(plan, where, handler.type, left)
        if of_sql and handler.name is not None:
            _rewrite_attributes(plan, where, handler, dotted(handler.name.name), both)
    _rewrite_registered(plan, kinds, left)


def _of_connecting(plan: Plan, caught: cst.BaseExpression, kinds: set[str]) -> str:
    """The error of a driver there which says that a server is away; empty if there is none."""
    found = {
        name
        for part in parts_of(caught)
        for path in paths(plan.program.errors.get(part, NOTHING))
        if KINDS.get(path.partition(".")[0]) in kinds
        if (name := path.rpartition(".")[2]) in _OF_CONNECTING
    }
    return min(found, key=_OF_CONNECTING.index, default="")


def _opened_in_attempts(plan: Plan) -> Mapping[cst.CSTNode, set[str]]:
    """The kinds of the connections that may be opened within what a handler is for."""
    opened = _opened(plan)
    found: dict[cst.CSTNode, set[str]] = defaultdict(set)
    for module in {where.module for where, _ in plan.program.handlers.values()}:
        for attempt in m.findall(module.tree, m.Try() | m.TryStar()):
            assert isinstance(attempt, cst.Try | cst.TryStar)
            within = m.findall(attempt.body, m.Call() | m.Name() | m.Attribute() | m.WithItem())
            kinds = {kind for node in within for kind in opened.get(node, ())}
            found.update((handler, kinds) for handler in attempt.handlers)
    return found


def _opened(plan: Plan) -> Mapping[cst.CSTNode, set[str]]:
    """The kinds of the connections that a place may come to open, itself or by what it calls."""
    idiom = plan.idiom
    found: dict[cst.CSTNode, set[str]] = defaultdict(set)
    within: dict[Scope, set[str]] = defaultdict(set)
    asked = [(node, site.where, name) for node, (site, name) in idiom.opener_calls.items()]
    asked += [(node, read.where, read.name) for node, read in idiom.reads.items()]
    for node, where, name in asked:
        if where not in idiom.removed:
            found[node].add(idiom.kept[name].kind)
            within[where].add(idiom.kept[name].kind)
    size = -1
    while size != (size := sum(map(len, within.values()))):
        for site in plan.program.sites.values():
            for function in site.functions & within.keys():
                within[site.where] |= within[function]
                found[site.node] |= within[function]
    return found


def _or(name: str) -> Callable[[cst.BaseExpression], cst.BaseExpression]:
    def edit(caught: cst.BaseExpression) -> cst.BaseExpression:
        comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
        added = cst.Element(cst.Name(name))
        if isinstance(caught, cst.Tuple):
            last = caught.elements[-1].with_changes(comma=comma)
            return caught.with_changes(elements=[*caught.elements[:-1], last, added])
        return cst.Tuple([cst.Element(caught, comma), added])

    return edit


def _rename(plan: Plan, where: Scope, caught: cst.BaseExpression, left: set[str]) -> bool:
    """Write asyncpg's names in the place of the old driver's; whether there is one now."""
    edits = plan.edits(where.module)
    gone = _gone(plan) | left
    of_driver = [
        (part, path.rpartition(".")[2])
        for part in parts_of(caught)
        for path in paths(plan.program.errors.get(part, NOTHING))
        if path.partition(".")[0] in gone
    ]
    caught_now = [paths(plan.program.errors.get(part, NOTHING)) for part in parts_of(caught)]
    renamed = any(path.startswith("asyncpg.") for each in caught_now for path in each)
    for part, name in of_driver:
        names = [found for found in (_OF_ASYNCPG.get(name), f"{name}Error", name) if found]
        new = next((found for found in names if hasattr(exceptions, found)), None)
        if new is None:
            plan.hand(where, part, f"asyncpg has another name for {name}: see asyncpg.exceptions")
            continue
        renamed = True
        edits.need("asyncpg")
        edits.of_node[part].insert(0, _named(as_dotted(f"asyncpg.{new}")))
    return renamed


def _gone(plan: Plan) -> set[str]:
    """The drivers whose errors asyncpg's come in the place of: sqlite3 only if all of it is."""
    opened = {
        kept is not None
        for number, site in connect_sites(plan.idiom)
        if any(path.startswith("sqlite3.") for path in site.paths) and not site.where.module.is_test
        for kept in [plan.idiom.converted(number)]
    }
    return {"psycopg", "psycopg2", *(["sqlite3"] if opened == {True} else [])}


def _named(node: cst.BaseExpression) -> Callable[[cst.BaseExpression], cst.BaseExpression]:
    return lambda old: node


def _rewrite_attributes(
    plan: Plan, where: Scope, handler: cst.CSTNode, error: str, both: bool
) -> None:
    """What a handler asks psycopg's error for; ConnectionsError, if it gets both, knows less."""
    edits = plan.edits(where.module)
    state = m.Attribute(value=m.Name(error), attr=m.OneOf(m.Name("pgcode"), m.Name("sqlstate")))
    for node in m.findall(handler, state):
        assert isinstance(node, cst.Attribute)
        if both:
            edits.change(node, _named(cst.parse_expression(f'getattr({error}, "sqlstate", None)')))
        elif node.attr.value == "pgcode":
            edits.rename(node.attr, "sqlstate")
    if m.findall(handler, _OTHERS):
        plan.hand(where, handler, _ATTRIBUTES)


def _rewrite_registered(plan: Plan, kinds: set[str], left: set[str]) -> None:
    """Error handlers of the app: one of them is for connections that cannot be had, too."""
    decorated: dict[cst.CSTNode, tuple[Function, cst.Decorator]] = {
        decorator.decorator: (function, decorator)
        for function in plan.functions()
        if isinstance(function.node, cst.FunctionDef)
        for decorator in function.node.decorators
    }
    found: dict[Site, str] = {}
    for site in plan.sites("call"):
        node = site.node
        if not isinstance(node, cst.Call) or not any(map(is_of_error_handlers, site.paths)):
            continue
        for arg in node.args[:1]:
            if name := _of_connecting(plan, arg.value, kinds):
                found[site] = name
            if (POSTGRESQL in kinds or left) and _rename(plan, site.where, arg.value, left):
                handlers = routines(plan.program.values.get(node.args[-1].value, NOTHING))
                for function in [decorated[node][0]] if node in decorated else handlers:
                    for error in function.names[:1]:
                        _rewrite_attributes(plan, function, function.node, error, bool(name))
    if not found:
        return
    site = min(found, key=lambda each: _OF_CONNECTING.index(found[each]))
    node = site.node
    place = decorated[node][1] if node in decorated else plan.program.statements.get(node)
    if len(kinds) > 1 or place is None:
        plan.hand(site.where, node, _ONE_FOR_ALL)
    else:
        edits = plan.edits(site.where.module)
        edits.change(place, _twice(edits.need(RUNTIME, _UNAVAILABLE)))


def _twice(error: str) -> Callable[[cst.Decorator | cst.SimpleStatementLine], object]:
    """Register once more, for an error of this name."""

    def edit(old: cst.Decorator | cst.SimpleStatementLine) -> object:
        written = old if isinstance(old, cst.Decorator) else old.body[0]
        call = m.findall(written, m.Call())[0]
        assert isinstance(call, cst.Call)
        first = call.args[0].with_changes(value=cst.Name(error))
        again = old.deep_replace(call, call.with_changes(args=[first, *call.args[1:]]))
        assert isinstance(again, cst.Decorator | cst.SimpleStatementLine)
        return cst.FlattenSentinel([old, again.with_changes(leading_lines=[])])

    return edit
