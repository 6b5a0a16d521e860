"""Calls: what they bind, what they return, and what becomes of functions handed to others."""

from __future__ import annotations

import libcst as cst

from . import drivers
from . import flask_types as types
from .called_by_libraries import called_by_library, made_by_class
from .containers_made import CONTAINERS, SAME_AS_ARGUMENT, is_unknown, made_by, passed_through
from .doubles import CALLING, PUTTING_IN, STANDING_IN
from .environment import Environment
from .importing import Importing, imports
from .instances import told_of_classes
from .libraries import applied
from .narrowing import decorated_at_once, is_parameter, opened_for, passes_on, stands_for_a_view
from .program import Class, Function, Program
from .registration import (
    ENTERING,
    is_of_error_handlers,
    is_transparent,
    role_of,
)
from .signals import send, signalled
from .sites import Site
from .stand_ins import is_of_tests
from .templates import RENDERING_FILES, RENDERING_TEXTS
from .values import (
    NOTHING,
    Arguments,
    External,
    Generated,
    Getter,
    Instance,
    Object,
    Proxied,
    Routine,
    Row,
    Text,
    Type,
    Values,
    items,
    many,
    one,
    ordered,
    routines,
    something_of,
)
from .view_objects import call_view, registered, returned_by_views

_HOLDING = {
    f"builtins.{name}"
    for name in (
        "callable", "dict", "enumerate", "frozenset", "hasattr", "id", "isinstance", "issubclass",
        "iter", "list", "next", "print", "repr", "reversed", "set", "tuple", "type", "zip",
    )
} | CONTAINERS | {"functools.partial", *types.PUTTING}  # fmt: skip
"""Calls that call nothing of what they are given."""
_BY_NAME = {f"builtins.{name}" for name in ("delattr", "hasattr", "setattr", "vars")}
_OF_TEMPLATES = ("filters", "globals", "tests")
_RENDERING = {
    *(RENDERING_FILES | RENDERING_TEXTS),
    types.RENDERED,
    *(f"{types.APPS_TEMPLATES}.Environment.{name}.update" for name in _OF_TEMPLATES),
}
_AWAITING = {
    "asyncio.create_task", "asyncio.ensure_future", "asyncio.gather", "asyncio.run",
    "asyncio.?.create_task", "asyncio.?.run_until_complete", "asyncio.run_coroutine_threadsafe",
    "asyncio.wait_for", "anyio.run",
}  # fmt: skip
_AWAITING_OURS = tuple(
    f"service.{of}" for of in ("connections.", "porting.runtime.run_", "porting.runtime.await_")
)
_APP_FACTORY = "create_app"
"""How a group of commands is given what makes the app, which is no command."""
_MAKING = ("functools.", "pytest.mark.")


class Calls(Importing):
    """The evaluation of calls."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self._calls_of_round: dict[tuple[Values, tuple[tuple[str, Values], ...]], Values] = {}

    def call(
        self, node: cst.CSTNode, called: Values, arguments: Arguments, env: Environment
    ) -> Values:
        """What calling the values with these arguments may return."""
        site = self.site(node, env, "call")
        if is_parameter(node, env):
            site.through_parameter = True
        for how, values in arguments:
            if how in {"*", "**"}:
                self.leak(items(values), node, env)
        if any(External("asyncio.run") in values for _, values in arguments):
            self._mark_awaited(node)
        routines_called = frozenset(each for each in called if isinstance(each, Routine))
        site.functions.update(each.function for each in routines_called)
        if isinstance(env.where, Function) and passes_on(node, env.where):
            env.where.applies |= site.functions
        found = self._call_functions(routines_called, arguments)
        for value in ordered(called - routines_called):
            if isinstance(value, Type):
                found |= self._construct(site, value.of, arguments, env)
            elif isinstance(value, Object):
                if not (own := {*self.methods(value.of, "__call__")}):
                    site.paths |= {f"{base}.__call__" for base in value.of.external_bases()}
                for method in own:
                    site.functions.add(method)
                    found |= self.call_function(Routine(method, True), arguments)
            elif isinstance(value, Getter):
                found |= self.got(site, value, arguments, env)
            elif isinstance(value, External):
                found |= self._call_external(site, value.path, arguments, env)
            elif isinstance(value, Instance) and not is_unknown(value):
                site.paths.add(f"{value.kind}.__call__")
        if isinstance(env.where, Function) and stands_for_a_view(node, env.where):
            call_view(self, site, called)
        site.unresolved |= all(map(is_of_tests, called))
        if all(map(is_unknown, called)):
            self._escape(site, arguments)
        return found

    def _call_functions(self, called: Values, arguments: Arguments) -> Values:
        """What functions may return; many at once, as in a table, are called once in a round."""
        key = (called, tuple(arguments))
        known = self._calls_of_round.get(key)
        if known is None:
            known = NOTHING
            for value in ordered(called):
                if isinstance(value, Routine):
                    known |= self.call_function(value, arguments)
            if len(called) > 1:
                self._calls_of_round[key] = known
        return known

    def call_function(self, routine: Routine, arguments: Arguments) -> Values:
        function = routine.function
        names = list(function.names)
        if routine.bound and names:
            names.pop(0)
        position = 0
        for how, values in arguments:
            if how == "":
                if position < len(names):
                    self.changed |= function.bind(names[position], values)
                elif function.star:
                    self.changed |= function.bind(function.star, many(values))
                position += 1
            elif how == "*":
                for name in names[position:]:
                    self.changed |= function.bind(name, items(values))
            elif how == "**":
                for name in [*names[position:], *function.keyword_only]:
                    self.changed |= function.bind(name, items(values))
                if function.double_star:
                    self.changed |= function.bind(function.double_star, values)
            elif how in names or how in function.keyword_only:
                self.changed |= function.bind(how, values)
            elif function.double_star:
                self.changed |= function.bind(function.double_star, many(values))
        if function.is_generator:
            return one(Generated(function))
        return self._narrowed(function, arguments)

    def _narrowed(self, function: Function, arguments: Arguments) -> Values:
        """What it returns, or only the connection that its first argument names."""
        connections = [
            value
            for value in function.returns
            if isinstance(value, Instance) and drivers.number_of(value.kind) is not None
        ]
        if len(connections) > 1 and arguments:
            for value in arguments[0][1]:
                if isinstance(value, Text):
                    found: Values = NOTHING
                    for name in opened_for(function, value.text):
                        found |= self.program.stored.get(("flask.g", name), NOTHING)
                    if found:
                        return found
        return decorated_at_once(function, arguments)

    def _construct(self, site: Site, of: Class, arguments: Arguments, env: Environment) -> Values:
        for method in of.attribute("__init__"):
            if isinstance(method, Routine):
                site.functions.add(method.function)
                self.call_function(Routine(method.function, True), arguments)
        if not site.functions:
            site.paths.update(of.external_bases() or ["builtins.object"])
            self.fill(site, of, arguments, env)
        site.functions.update(
            made_by_class(self, of, site), *(each.factories for each in of.lineage())
        )
        return one(Object(of))

    def _call_external(
        self, site: Site, path: str, arguments: Arguments, env: Environment
    ) -> Values:
        path = types.canonical(path)
        site.paths.add(path)
        record = self.of_record(site, path, arguments, env)
        if record is not None:
            return record
        if path.endswith(".as_view"):
            self._make_views(site, arguments)
        given = [values for _, values in arguments]
        everything = frozenset().union(*given)
        if path in {types.CLIENT, types.REQUEST_CONTEXT} and given:
            site.first = given[0]
        if path in _BY_NAME and given:
            self.touch(site.node, given[0], env)
        site.functions |= called_by_library(self, site, path, arguments)
        site.paths |= applied(path, everything)
        role = role_of(path)
        if role is not None:
            for values in [values for how, values in arguments if how != _APP_FACTORY]:
                for function in registered(self, values):
                    self.take_role(function, role, site.node, path)
            if is_of_error_handlers(path) and len(given) == 2:
                self.handles(routines(given[1]), given[0])
                if isinstance(site.node, cst.Call):
                    self.program.errors[site.node.args[0].value] = given[0]
        elif path == "builtins.setattr":
            self._setattr(site.node, arguments, env)
        elif path in PUTTING_IN and isinstance(site.node, cst.Call):
            self.put_in(site.node, path, arguments, env)
        elif path in STANDING_IN:
            self.stand_in(site, path, arguments)
        elif path in CALLING:
            self.call_given(site, CALLING[path], arguments, env)
        elif path in types.NAMESPACES:
            self._open_up(site, given, env)
        elif path == "threading.Thread":
            self._start_thread(site, arguments)
        elif path in _RENDERING:
            self.show(arguments, site.node, site.where, path)
        else:
            send(self, site, path, arguments)
            self._encode(site, path, arguments)
            if path == "jinja2.Template.render":
                called = self.called_by_templates(arguments, site.node, site.where)
                self._escape(site, [("", frozenset(map(Routine, called)))], path)
            if not self._is_decorating(path):
                self._escape(site, arguments, path)
            self._consume(site, path, arguments)
        if path in _AWAITING or path.startswith(_AWAITING_OURS):
            self._mark_awaited(site.node)
            return everything
        if path in CALLING:
            return self.expected(arguments)
        if path.endswith("()"):
            return everything or NOTHING
        if path.endswith(ENTERING) and given:
            return self.entered(given[0])
        if path == "functools.update_wrapper" and len(given) > 1:
            self.store(given[0], "__wrapped__", given[1])
            return given[0]
        if (told := told_of_classes(path, given)) is not None:
            return told
        if (getter := self.getter(site, path, arguments)) is not None:
            return getter
        if role is not None or (is_transparent(path) and path not in types.RETURNED):
            if path == "flask.stream_with_context":
                self._stream(everything)
                return everything
            if path == "builtins.staticmethod":
                return everything
            options = path.startswith("click.") and all(how for how, _ in arguments)
            if not routines(everything) or options or path.startswith(_MAKING):
                return one(External(f"{path}()"))
            return everything
        if path in SAME_AS_ARGUMENT:
            self.gathers(site, given)
        if path == "flask.utils.run_sync":
            self.program.in_threads |= routines(everything)
        if path == "flask.Flask.ensure_sync":
            return one(types.VIEW)
        if path == "dataclasses.field":
            return self.field(site, arguments, env)
        if path == types.PROXY:
            proxies = frozenset(Proxied(function) for function in routines(everything))
            return proxies or one(Instance(path))
        if imports(path):
            return self.imported_by_call(site, path, arguments, env)
        if path in {"functools.partial", "flask.Flask.ensure_async", "flask.utils.run_sync"}:
            self.hold(site, arguments)
            return given[0] if given else NOTHING
        if path == "builtins.next":
            self.gathers(site, given)
            return frozenset().union(*map(items, given[:1]), *given[1:])
        if path in {"builtins.zip", "builtins.map"}:
            if _takes_apart("zip", everything):
                self._of_driver(site, "zip", arguments)
            rows = one(Row(tuple(items(values) for values in given)))
            known = [types.returned(of.path) for of in everything if isinstance(of, External)]
            objects = frozenset(Object(of.of) for of in everything if isinstance(of, Type))
            results = many(NOTHING.union(objects, *filter(None, known)))
            return many(rows) if path == "builtins.zip" else items(everything) | results
        if path == "builtins.dict" and _takes_apart("dict", everything):
            self._of_driver(site, "dict", arguments)
        made = made_by(path, arguments) or signalled(path, arguments)
        made = made or passed_through(path, everything)
        return self._of_driver(site, path, arguments) or made or self._result_of(path)

    def _of_driver(self, site: Site, path: str, arguments: Arguments) -> Values | None:
        """Calls on database drivers."""
        kind = drivers.CONNECTING.get(path)
        if kind is not None:
            made = self.program.connects.setdefault(site.node, len(self.program.connects) + 1)
            return one(Instance(f"{kind}@{made}"))
        if path.endswith(".execute") and path.startswith("psycopg") and len(arguments) > 1:
            self.program.adapted[site.node] = arguments[1][1]
        everything = frozenset().union(*(values for _, values in arguments))
        numbers = {
            number
            for value in everything
            if isinstance(value, Instance)
            if (number := drivers.number_of(value.kind)) is not None
        }
        if path.startswith("rethinkdb.") and path.endswith(".run"):
            for number in numbers:
                site.numbers.add(number)
            return drivers.run_result(path, next(iter(sorted(numbers)), None))
        inside = path.startswith("builtins.") or path in _RENDERING
        if not inside or _takes_apart(path, everything):
            for number in numbers:
                self.program.leaked[number].append(site)
        return drivers.returned(path, any(how == "index" for how, _ in arguments))

    def _result_of(self, path: str) -> Values:
        known = returned_by_views(self.program) if path == types.VIEW.path else types.returned(path)
        if known is not None:
            return known
        is_class = path.rpartition(".")[2][:1].isupper()
        return one(Instance(path) if is_class else something_of(path))

    def _is_decorating(self, path: str) -> bool:
        return is_transparent(path) or path in _HOLDING


def _takes_apart(path: str, values: Values) -> bool:
    """Whether a built-in function goes through what only `async for` goes through."""
    return path not in SAME_AS_ARGUMENT | _HOLDING and any(
        isinstance(value, Instance) and drivers.iterated(value.kind) for value in values
    )
