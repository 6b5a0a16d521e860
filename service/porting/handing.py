"""What becomes of functions that are handed to others: to decorators, to Flask, to unknown code."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable

import libcst as cst

from . import flask_types as types
from .awaitables import AWAITABLE
from .encoders import Encoders
from .environment import Environment
from .generated import pin_beside_others, taken_by
from .getters import Getters
from .implicit import IMPLICIT
from .libraries import CALLING_WSGI, may_wait
from .nodes import dotted
from .parametrized import PARAMETRIZE, parameters
from .program import Function
from .registration import (
    AFTER,
    APP_COMMAND,
    CALLBACK,
    COMMAND,
    HOOK,
    OF_THE_APP,
    ON_THE_LOOP,
    is_of_error_handlers,
    is_transparent,
    pin_by_name,
    role_of,
)
from .signals import listen
from .sites import Site
from .values import (
    NOTHING,
    Arguments,
    External,
    Generated,
    Getter,
    Instance,
    ModuleValue,
    Object,
    Routine,
    Row,
    Text,
    Type,
    Value,
    Values,
    one,
    ordered,
    routines,
)

_TAKING_GENERATORS = {
    "flask.Flask.make_response",
    "flask.Flask.response_class",
    "flask.Response",
    "flask.make_response",
    "flask.stream_with_context",
}
_STARTING_THREADS = ("_thread.", "concurrent.futures.ThreadPoolExecutor.", "threading.Timer")
_OF_A_THREAD = ("group", "target", "name", "args")
"""What a thread is given by place."""
_ASKING = {"builtins.isinstance", "builtins.print", "builtins.repr", "builtins.type"}


class Handing(Encoders, Getters):
    """Functions as arguments."""

    @abstractmethod
    def call_function(self, routine: Routine, arguments: Arguments) -> Values:
        """What a function of the project returns for these arguments."""

    def hold(self, site: Site, arguments: Arguments) -> None:
        """Note what a function that holds its arguments reads, or calls, of them."""
        if any(isinstance(value, Getter) for _, values in arguments[:1] for value in values):
            self._hand_over(site, self.with_asked(site, arguments))

    def _escape(self, site: Site, arguments: Arguments, path: str = "") -> None:
        """Note which functions are handed to something that may call them, nobody knows how."""
        if path in {
            "flask.Flask.ensure_async",
            "flask.Flask.ensure_sync",
            "flask.utils.run_sync",
            "flask.stream_with_context",
        }:
            return
        arguments = self.with_asked(site, arguments)
        self._hand_over(site, arguments)
        if path.startswith(_STARTING_THREADS):
            self.program.threads[site.node] = NOTHING.union(*(values for _, values in arguments))
        for _, values in arguments:
            if path.startswith(CALLING_WSGI) and _brings_app(values):
                site.paths.add(f"{types.APP}.__call__")
            for function in routines(values) | self._filtering(path, values):
                site.escaping.add(function)
                what = path.removeprefix("builtins.").removeprefix("?.") or "unknown code"
                if (function.module.is_test and not path) or COMMAND in function.roles:
                    continue  # a command is an object of click's, and its function stays plain
                function.pins.setdefault(f"it is handed to {what}", site.node)
                self.changed |= listen(self.program, function, path)

    def _filtering(self, path: str, values: Values) -> set[Function]:
        """What logging calls of the filters that it is given, of whichever class they are."""
        of_logging = path.startswith("logging.") and path.endswith(".addFilter")
        filters = [value.of for value in values if isinstance(value, Object) and of_logging]
        return {method for each in filters for method in self.methods(each, "filter")}

    def _hand_over(self, site: Site, arguments: Arguments) -> None:
        """Note which functions of Quart's, or of its client, are handed over to be called."""
        args = site.node.args if isinstance(site.node, cst.Call) else ()
        for arg, (_, values) in zip(args, arguments, strict=False):
            if any(isinstance(value, External) and value.path in AWAITABLE for value in values):
                self.program.handed[arg.value] = site

    def handles(self, functions: Iterable[Function], kinds: Values) -> None:
        """Note that functions are called with errors of these kinds."""
        errors = frozenset(Object(kind.of) for kind in kinds if isinstance(kind, Type))
        for function in functions if errors else ():
            for param in function.names[:1]:
                self.changed |= function.bind(param, errors)

    def _stream(self, values: Values) -> None:
        self.program.streamed |= routines(values)
        for value in values:
            if isinstance(value, Generated):
                self.program.streamed.add(value.function)

    def _setattr(self, node: cst.CSTNode, arguments: Arguments, env: Environment) -> None:
        if len(arguments) == 3:
            for name in arguments[1][1]:
                if isinstance(name, Text):
                    self.leak(arguments[2][1], node, env)
                    self.store(arguments[0][1], name.text, arguments[2][1])

    def _open_up(self, site: Site, given: list[Values], env: Environment) -> None:
        """Note that functions of a module, or of an object, may be found by any name."""
        for value in given[0] if given else one(ModuleValue(env.scope.module)):
            self.pin_by_name(value, "", site.node)

    def _start_thread(self, site: Site, arguments: Arguments) -> None:
        """What a thread is given to call, it calls with the arguments given for that."""
        by_place = [values for how, values in arguments if not how]
        given = dict(zip(_OF_A_THREAD, by_place, strict=False)) | dict(arguments)
        self._hand_over(site, self.with_asked(site, arguments))
        self.program.threads[site.node] = target = given.get("target", NOTHING)
        for function in routines(target):
            function.pins.setdefault("a thread calls it", site.node)
            for value in given.get("args", NOTHING):
                if isinstance(value, Row):
                    places = [("", place) for place in value.places]
                    self.call_function(Routine(function), places)

    def _make_views(self, site: Site, arguments: Arguments) -> None:
        """`as_view(name, *args)`: what the view is made of, for each request anew."""
        called = site.node.func if isinstance(site.node, cst.Call) else site.node
        for value in self.program.values.get(called, NOTHING):
            for method in self.methods(value.of, "__init__") if isinstance(value, Type) else ():
                self.call_function(Routine(method, True), arguments[1:])

    def _consume(self, site: Site, path: str, arguments: Arguments) -> None:
        """Note who iterates over a generator that it is given."""
        if path in _TAKING_GENERATORS or not isinstance(site.node, cst.Call):
            return
        for arg, (_, values) in zip(site.node.args, arguments, strict=False):
            for value in values if path not in _ASKING else ():
                if isinstance(value, Generated) and not value.function.was_async:
                    self.program.consumed[arg.value] = value.function
                    site.functions.add(value.function)
                    if not taken_by(path, value.function):
                        reason = f"{path.removeprefix('builtins.')} iterates over it"
                        value.function.pins.setdefault(reason, site.node)
                    pin_beside_others(values, site.node)

    def _mark_awaited(self, node: cst.CSTNode) -> None:
        if isinstance(node, cst.Call):
            self.program.awaited.update(arg.value for arg in node.args)

    def take_role(self, function: Function, role: str, node: cst.CSTNode, path: str = "") -> None:
        """Note who calls a function from outside."""
        function.roles.add(role)
        self.program.registered[function].add((path.removesuffix("()"), node))
        if path.endswith(".cli.add_command") or path.startswith(OF_THE_APP):
            function.roles.add(APP_COMMAND)
        if role == HOOK and ".after_" in path:
            function.roles.add(AFTER)
        if "context_processor" in path and "shell" not in path:
            function.roles.add("context processor")
        if role in {CALLBACK, ON_THE_LOOP}:
            function.pins.setdefault("Quart calls it without awaiting it", node)

    def decorate(self, function: Function, values: Values, env: Environment) -> Values:
        """What a function's name stands for after its decorators."""
        assert isinstance(function.node, cst.FunctionDef)
        function.decorators = []
        for decorator in reversed(function.node.decorators):
            by = self.evaluate(decorator.decorator, env)
            function.decorators.append(by)
            values = self._decorated(decorator, by, values, function, env)
        pin_by_name(function)
        return values

    def _decorated(
        self,
        node: cst.Decorator,
        by: Values,
        values: Values,
        function: Function,
        env: Environment,
    ) -> Values:
        targets = routines(values) | {function}
        if not by:
            if not isinstance(node.decorator, cst.Name | cst.Attribute | cst.Call):
                return values
            if self._adds_to_generic(node, targets, env):
                return values
            for target in targets:
                target.pins.setdefault("its decorator is not known", node)
            return values
        result: Values = NOTHING
        by = self._of_partial(node, by)
        for value in ordered(by):
            if isinstance(value, External):
                role = role_of(value.path)
                if role is not None:
                    for target in targets:
                        self.take_role(target, role, node, value.path)
                    if isinstance(node.decorator, cst.Call) and is_of_error_handlers(value.path):
                        for arg in node.decorator.args[:1]:
                            self.program.errors[arg.value] = self.evaluate(arg.value, env)
                            self.handles(targets, self.program.errors[arg.value])
                elif value.path == "functools.wraps()" and isinstance(node.decorator, cst.Call):
                    for arg in node.decorator.args[:1]:
                        self.store(values, "__wrapped__", self.evaluate(arg.value, env))
                elif value.path == PARAMETRIZE:
                    self.parametrize(node.decorator, targets, env)
                elif value.path == "flask.utils.run_sync":
                    self.program.in_threads |= targets
                elif value.path == "flask.stream_with_context":
                    self.program.streamed |= targets
                elif not is_transparent(value.path) or _is_given_to_unittest(value.path, function):
                    self._foreign_decorator(value.path, targets, node)
                result |= values
            elif entered := self._entered_by(value):
                self._around(node, targets, entered)
            elif isinstance(value, Routine | Type | Object):
                result |= self.call(node, one(value), [("", values)], env) - by
            elif isinstance(value, Instance):
                self._foreign_decorator(value.kind, targets, node)
        return result or values

    def parametrize(
        self, node: cst.BaseExpression, functions: Iterable[Function], env: Environment
    ) -> None:
        """Bind what pytest passes to tests for each of their parameters."""
        fixtures = self.program.fixtures
        given = parameters(node, lambda each: self.evaluate(each, env), fixtures)
        for name, values in given.items():
            for function in functions:
                if name in function.names:
                    self.changed |= function.bind(name, values)

    def _adds_to_generic(
        self, node: cst.Decorator, targets: Iterable[Function], env: Environment
    ) -> bool:
        """`@render.register`: whoever calls `render`, a generic function, may call this."""
        by = node.decorator.func if isinstance(node.decorator, cst.Call) else node.decorator
        generic, _, method = dotted(by).rpartition(".")
        others = routines(self.look_up(env, generic))
        if method != "register" or not others:
            return False
        for function in {*others, *targets}:
            function.pins.setdefault("a generic function calls it", node)
        self.change(env, generic, frozenset(map(Routine, targets)))
        return True

    def _of_partial(self, node: cst.Decorator, by: Values) -> Values:
        """Of a decorator that, without a function, gives a partial of itself: that."""
        site = self.program.sites.get((node.decorator, "call"))
        made = site.functions if site is not None else set()
        itself = frozenset(v for v in by if isinstance(v, Routine) and v.function in made)
        return itself or by

    def _entered_by(self, value: Value) -> set[Function]:
        """What a context manager that decorates functions calls."""
        if isinstance(value, Generated):
            return {value.function}
        if not isinstance(value, Object) or [*self.methods(value.of, "__call__")]:
            return set()
        return {*self.methods(value.of, "__enter__"), *self.methods(value.of, "__exit__")}

    def entered(self, values: Values) -> Values:
        """What `with` gives of context managers."""
        found: Values = NOTHING
        for value in values:
            if isinstance(value, Generated):
                found |= value.function.yields
            elif isinstance(value, Object):
                for method in self.methods(value.of, "__enter__"):
                    found |= method.returns
            else:
                found |= one(value)
        return found

    def _around(self, node: cst.Decorator, targets: set[Function], around: set[Function]) -> None:
        """A context manager decorates functions: each of their calls enters it."""
        for function in around:
            function.pins.setdefault("it decorates a function", node)
        for target in targets:
            target.pins.setdefault("a context manager decorates it, which may not await it", node)
            where = Environment(target, target)
            self.site(node, where, IMPLICIT).functions |= around

    def _foreign_decorator(self, path: str, targets: set[Function], node: cst.Decorator) -> None:
        for target in targets:
            self.changed |= listen(self.program, target, path)
            if target.module.is_test and not may_wait(path) and not is_transparent(path):
                continue
            what = path.removesuffix("()").removesuffix(".?")
            target.pins.setdefault(f"{what} decorates it, which may not await it", node)


def _is_given_to_unittest(path: str, function: Function) -> bool:
    """Whether hypothesis calls a method of unittest's: it awaits none, as pytest-asyncio does."""
    of = function.owner.external_bases() if function.owner is not None else ()
    return path.startswith("hypothesis.given") and any(each.startswith("unittest.") for each in of)


def _brings_app(values: Values) -> bool:
    """Whether an app is among them, or what one of them returns."""
    return any(map(_is_app, values.union(*(each.returns for each in routines(values)))))


def _is_app(value: Value) -> bool:
    of = value.of.external_bases() if isinstance(value, Object) else ()
    return value == Instance(types.APP) or types.APP in of
