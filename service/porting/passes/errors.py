"""Errors of drivers, where they are handled: the new driver's names, and what `get_db` raises."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import libcst as cst
import libcst.matchers as m
from asyncpg import exceptions

from service.porting.drivers import CONNECTING, SPEAKING_SQL
from service.porting.idiom import KINDS, connect_sites
from service.porting.nodes import as_dotted, called, dotted, parts_of, text_of
from service.porting.plan import RUNTIME, Plan, paths
from service.porting.program import Function, Scope
from service.porting.registration import is_of_error_handlers
from service.porting.sites import Site
from service.porting.values import NOTHING, routines

from .databases import attempts
from .errors_left import no_longer_asked
from .errors_met import expectations, only_of_what_stays, opened_in_attempts

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
    "NotSupportedError": "FeatureNotSupportedError",
    "ProgrammingError": "SyntaxOrAccessError",
}
"""asyncpg's names of what psycopg raises, unless they are put together as below."""
_OF_SQLITE = {"ProgrammingError": "InterfaceError"}
_IN_LOWER_CASE = {name.lower(): name for name in exceptions.__all__}
_ENDING = re.compile("(error|exception|failure)$")
_OTHERS = m.OneOf(
    *map(m.Name, ("pgerror", "diag", "cursor", "sqlite_errorcode", "sqlite_errorname"))
)
_STATE = m.OneOf(m.Name("pgcode"), m.Name("sqlstate"))
_NO_STATE = "ConnectionsError has no pgcode: its __cause__ may tell more"
_ATTRIBUTES = "asyncpg's errors have sqlstate and other attributes"
_OTHER_WORDS = "asyncpg does not say `closed`, but `released back to the pool`"
_ONE_FOR_ALL = "a connection that cannot be had is a ConnectionsError here: a 503, unless handled"


def rewrite_errors(plan: Plan) -> None:
    """Make out the edits for what handles errors of a driver that is no longer asked."""
    kinds = {kept.kind for kept in plan.idiom.kept.values() if not kept.refusal}
    opened = opened_in_attempts(plan) if kinds else {}
    drivers = _Drivers.of(plan)
    speaking = drivers.gone | drivers.shared | drivers.left
    stay = only_of_what_stays(plan) if speaking else set()
    of_openers = {handler for _, handler in attempts(plan)}
    for handler, (where, _) in plan.program.handlers.items():
        assert isinstance(handler, cst.ExceptHandler | cst.ExceptStarHandler)
        assert handler.type is not None
        if handler in of_openers or _is_of_connecting_alone(plan, handler.type):
            if handler.name is not None and m.findall(
                handler.body, m.Attribute(attr=m.OneOf(_STATE, _OTHERS))
            ):
                plan.hand(where, handler, _NO_STATE)
            continue
        met = drivers.apart_from_all() if handler in stay else drivers
        caught = _rewrite(plan, where, handler.type, met, opened.get(handler, set()))
        if handler.name is not None:
            named = m.Name(dotted(handler.name.name))
            _rewrite_attributes(plan, where, handler, named, caught)
    for expected, site in expectations(plan.program).items():
        met = drivers.apart_from_all() if expected in stay else drivers
        caught = _rewrite(
            plan, site.where, expected.args[0].value, met, opened.get(expected, set())
        )
        if caught.interfaces and _says_closed(expected, site):
            plan.hand(site.where, expected, _OTHER_WORDS)
        within = _node_of(site.where)
        for item in m.findall(within, m.WithItem(asname=m.AsName(m.Name()))):
            if isinstance(item, cst.WithItem) and item.item is expected:
                _rewrite_attributes(plan, site.where, within, _met_as(item), caught)
    _rewrite_registered(plan, kinds, drivers)


def _rewrite(
    plan: Plan, where: Scope, types: cst.BaseExpression, drivers: _Drivers, opened: set[str]
) -> _Caught:
    """Let a handler, or a test that expects an error, get those that come now."""
    caught = _caught(plan, where, types, drivers)
    if _of_connecting(plan, types, opened):
        caught.unavailable = True
        caught.beside.append(plan.edits(where.module).need(RUNTIME, _UNAVAILABLE))
    for name in caught.beside:
        plan.edits(where.module).change(types, _or(name))
    return caught


@dataclass
class _Drivers:
    """The drivers of SQL that asyncpg takes the place of.

    Attributes:
        gone: of all they open.
        shared: of some of it only.
        left: a port before this one has, as it seems: what they raise is told of, and stays.
    """

    gone: set[str]
    shared: set[str]
    left: set[str]

    def apart_from_all(self) -> _Drivers:
        """Where none of them can be met that asyncpg takes the place of."""
        return _Drivers(set(), set(), self.left)

    @classmethod
    def of(cls, plan: Plan) -> _Drivers:
        asked: dict[bool, set[str]] = defaultdict(set)
        for number, site in connect_sites(plan.idiom):
            if not site.where.module.is_test:
                of = {path.partition(".")[0] for path in site.paths & CONNECTING.keys()}
                asked[plan.idiom.converted(number) is not None] |= of
        converted = asked[True].intersection(SPEAKING_SQL)
        gone, shared = converted - asked[False], converted & asked[False]
        return cls(gone, shared, no_longer_asked(plan))


@dataclass
class _Caught:
    """What a handler gets, as it comes out: whose errors, which, and what is to be added."""

    asyncpgs: bool
    drivers: bool
    beside: list[str]
    unavailable: bool = False
    interfaces: bool = False


def _says_closed(expected: cst.Call, site: Site) -> bool:
    """Whether a test looks for what other drivers say of a connection that is used too late."""
    compared = m.findall(_node_of(site.where), m.Comparison(left=m.SimpleString()))
    looked_for = [expected, *compared]
    texts = [text for each in looked_for for text in m.findall(each, m.SimpleString())]
    return any("closed" in (text_of(text) or "") for text in texts)


def _node_of(where: Scope) -> cst.CSTNode:
    return where.node if isinstance(where, Function) else where.module.tree


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


def _is_of_connecting_alone(plan: Plan, caught: cst.BaseExpression) -> bool:
    """Whether it is for connections that cannot be had, and nothing else: of a port before this."""
    found = [paths(plan.program.errors.get(part, NOTHING)) for part in parts_of(caught)]
    return found == [{f"{RUNTIME}.{_UNAVAILABLE}"}]


def _or(name: str) -> Callable[[cst.BaseExpression], cst.BaseExpression]:
    def edit(caught: cst.BaseExpression) -> cst.BaseExpression:
        comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
        added = cst.Element(as_dotted(name))
        if isinstance(caught, cst.Tuple):
            last = caught.elements[-1].with_changes(comma=comma)
            return caught.with_changes(elements=[*caught.elements[:-1], last, added])
        return cst.Tuple([cst.Element(caught, comma), added])

    return edit


def _caught(plan: Plan, where: Scope, types: cst.BaseExpression, drivers: _Drivers) -> _Caught:
    """Write asyncpg's names in the place of those of drivers that are gone."""
    found = _Caught(asyncpgs=False, drivers=False, beside=[])
    for part in parts_of(types):
        for path in sorted(paths(plan.program.errors.get(part, NOTHING))):
            driver, name = path.partition(".")[0], path.rpartition(".")[2]
            found.asyncpgs |= driver == "asyncpg"
            found.interfaces |= path.endswith("asyncpg.InterfaceError")
            found.drivers |= driver in SPEAKING_SQL and driver not in drivers.gone
            if driver not in drivers.gone | drivers.shared | drivers.left:
                continue
            new = _OF_SQLITE.get(name) if driver == "sqlite3" else None
            new = new or _name_in_asyncpg(name)
            if new is None:
                reason = f"asyncpg has another name for {name}: see asyncpg.exceptions"
                plan.hand(where, part, reason)
            if new is None or driver in drivers.left:
                continue
            found.asyncpgs = True
            found.interfaces |= new == "InterfaceError" or name == "Error"
            plan.edits(where.module).need("asyncpg")
            if driver in drivers.gone:
                renamed = _named(as_dotted(f"asyncpg.{new}"))
                plan.edits(where.module).of_node[part].insert(0, renamed)
            else:
                found.beside.append(f"asyncpg.{new}")
            if name == "Error":
                found.beside.append("asyncpg.InterfaceError")
    return found


def _name_in_asyncpg(name: str) -> str | None:
    """What asyncpg calls an error of psycopg's, such as `SerializationFailure`; None if nothing."""
    lower = name.lower()
    bare = _ENDING.sub("", lower)
    names = (f"{lower}error", lower, f"{bare}error", f"postgres{bare}error")
    found = (_IN_LOWER_CASE[each] for each in names if each in _IN_LOWER_CASE)
    return _OF_ASYNCPG.get(name) or next(found, None)


def _named(node: cst.BaseExpression) -> Callable[[cst.BaseExpression], cst.BaseExpression]:
    return lambda old: node


def _met_as(item: cst.WithItem) -> m.Attribute:
    """The error that a test has met, as pytest and unittest give it."""
    assert item.asname is not None
    kept = m.OneOf(m.Name("value"), m.Name("exception"))
    return m.Attribute(m.Name(dotted(item.asname.name)), kept)


def _rewrite_attributes(
    plan: Plan, where: Scope, handler: cst.CSTNode, error: m.Name | m.Attribute, caught: _Caught
) -> None:
    """What a handler asks psycopg's error for; ConnectionsError, if it gets both, knows less."""
    if not caught.asyncpgs:
        return
    edits = plan.edits(where.module)
    for node in m.findall(handler, m.Attribute(value=error, attr=_STATE)):
        assert isinstance(node, cst.Attribute)
        if caught.drivers and node.attr.value == "pgcode":
            plan.hand(where, node, _ATTRIBUTES)
        elif caught.unavailable or caught.interfaces:
            rest = (cst.SimpleString('"sqlstate"'), cst.Name("None"))
            edits.change(node, _named(called("getattr", node.value, *rest)))
        elif node.attr.value == "pgcode":
            edits.rename(node.attr, "sqlstate")
    for node in m.findall(handler, m.Attribute(value=error, attr=_OTHERS))[:1]:
        plan.hand(where, handler if isinstance(error, m.Name) else node, _ATTRIBUTES)


@dataclass(eq=False)
class _Registered:
    """One registration of error handlers: of these functions, by this call, written at a place."""

    site: Site
    call: cst.Call
    place: cst.CSTNode | None
    functions: list[Function]


def _registered(plan: Plan) -> Iterator[_Registered]:
    decorated: dict[cst.CSTNode, tuple[Function, cst.Decorator]] = {
        decorator.decorator: (function, decorator)
        for function in plan.functions()
        if isinstance(function.node, cst.FunctionDef)
        for decorator in function.node.decorators
    }
    for site in plan.sites("call"):
        node = site.node
        of_handlers = any(map(is_of_error_handlers, site.paths))
        if not of_handlers or not isinstance(node, cst.Call) or not node.args:
            continue
        if node in decorated:
            function, decorator = decorated[node]
            yield _Registered(site, node, decorator, [function])
        else:
            handlers = routines(plan.program.values.get(node.args[-1].value, NOTHING))
            yield _Registered(site, node, plan.program.statements.get(node), [*handlers])


def _rewrite_registered(plan: Plan, kinds: set[str], drivers: _Drivers) -> None:
    """Error handlers of the app: one of them is for connections that cannot be had, too."""
    of_connecting: dict[_Registered, str] = {}
    added: dict[_Registered, list[str]] = {}
    for each in _registered(plan):
        types = each.call.args[0].value
        caught = _caught(plan, each.site.where, types, drivers)
        added[each] = caught.beside
        if name := _of_connecting(plan, types, kinds):
            caught.unavailable = True
            of_connecting[each] = name
        for function in each.functions:
            for error in function.names[:1]:
                _rewrite_attributes(plan, function, function.node, m.Name(error), caught)
    if of_connecting:
        best = min(of_connecting, key=lambda each: _OF_CONNECTING.index(of_connecting[each]))
        if len(kinds) > 1:
            plan.note(best.site.where, best.call, _ONE_FOR_ALL)
        else:
            added[best].append(plan.edits(best.site.where.module).need(RUNTIME, _UNAVAILABLE))
    for each, errors in added.items():
        if errors and each.place is not None:
            plan.edits(each.site.where.module).change(each.place, _again(errors))
        elif errors:
            plan.hand(each.site.where, each.call, f"register it for {' and '.join(errors)}, too")


def _again(errors: list[str]) -> Callable[[cst.Decorator | cst.SimpleStatementLine], object]:
    """Register for these errors, too."""

    def edit(old: cst.Decorator | cst.SimpleStatementLine) -> object:
        written = old if isinstance(old, cst.Decorator) else old.body[0]
        call = m.findall(written, m.Call())[0]
        assert isinstance(call, cst.Call)
        made = []
        for error in errors:
            first = call.args[0].with_changes(value=as_dotted(error))
            again = old.deep_replace(call, call.with_changes(args=[first, *call.args[1:]]))
            assert isinstance(again, cst.Decorator | cst.SimpleStatementLine)
            made.append(again.with_changes(leading_lines=[]))
        return cst.FlattenSentinel([old, *made])

    return edit
