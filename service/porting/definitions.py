"""Functions, classes and imports: what they bind."""

from __future__ import annotations

from abc import abstractmethod
from importlib import import_module

import libcst as cst

from . import flask_types as types
from .calls import Calls
from .environment import Environment
from .nodes import dotted
from .parametrized import PARAMETRIZE
from .program import Class, Function, Module, Program
from .registration import (
    CONTEXT_MANAGER,
    FIXTURE,
    TEST,
    VERBS,
    VIEW,
    WRAPPER,
    is_transparent,
)
from .values import (
    DATA,
    NOTHING,
    External,
    Instance,
    ModuleValue,
    Object,
    Routine,
    Type,
    Value,
    Values,
    items,
    many,
    one,
    ordered,
    routines,
)

_ANYTHING = {"typing.Any", "typing_extensions.Any", "typing.Callable", "collections.abc.Callable"}
"""Annotations that promise no class."""
_DATA = {External(f"builtins.{name}") for name in ("bool", "bytes", "float", "int", "str")}
_EITHER = {"optional", "union"}
_SEQUENCES = {
    "abstractset", "collection", "deque", "frozenset", "iterable", "iterator", "list",
    "mutablesequence", "mutableset", "sequence", "set", "tuple",
}  # fmt: skip
_MAPPINGS = {"defaultdict", "dict", "mapping", "mutablemapping", "ordereddict"}
_TEST_METHODS = ("setUp", "tearDown", "setUpClass", "tearDownClass", "setup_method")


class Definitions(Calls):
    """The evaluation of definitions."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self._parsed: dict[cst.CSTNode, cst.BaseExpression] = {}

    @abstractmethod
    def suite(self, suite: cst.BaseSuite, env: Environment) -> None:
        """Go through the statements of a block."""

    @abstractmethod
    def returned(self, function: Function, values: Values) -> None:
        """Add to what a function may return."""

    def objects_of(self, annotation: cst.BaseExpression, env: Environment) -> Values:
        """The objects that an annotation promises."""
        if isinstance(annotation, cst.SimpleString):
            if annotation not in self._parsed:
                try:
                    parsed = cst.parse_expression(str(annotation.evaluated_value))
                except cst.ParserSyntaxError:
                    parsed = cst.Name("object")
                self._parsed[annotation] = parsed
            annotation = self._parsed[annotation]
        if isinstance(annotation, cst.BinaryOperation):
            return self.objects_of(annotation.left, env) | self.objects_of(annotation.right, env)
        if isinstance(annotation, cst.Subscript):
            promised = self._objects_within(annotation, env)
            if promised is not None:
                return promised
        found: Values = NOTHING
        for value in self.evaluate(annotation, env):
            if value in _DATA:
                found |= DATA
            elif isinstance(value, Type):
                found |= one(Object(value.of))
            elif isinstance(value, External) and _is_class(value.path):
                found |= one(Instance(value.path))
        return found

    def _objects_within(self, annotation: cst.Subscript, env: Environment) -> Values | None:
        """What one such as `list[Item]` or `Optional[Item]` promises; None for all others."""
        of = {
            value.path.rpartition(".")[2].lower()
            for value in self.evaluate(annotation.value, env)
            if isinstance(value, External)
        }
        if not of & (_EITHER | _SEQUENCES | _MAPPINGS):
            return None
        parts = [part.slice.value for part in annotation.slice if isinstance(part.slice, cst.Index)]
        meant = parts[-1:] if of & _MAPPINGS else parts
        objects = NOTHING.union(*(self.objects_of(part, env) for part in meant))
        return objects if of & _EITHER or not objects else many(objects)

    def function(self, node: cst.FunctionDef | cst.Lambda, env: Environment) -> Function:
        """The function that this node defines."""
        found = self.program.functions.get(node)
        if found is None:
            owner = env.scope if isinstance(env.scope, Class) else None
            found = self.program.functions[node] = Function(node, env.scope, owner)
            self.changed = True
            self._take_test_role(found)
        return found

    def _take_test_role(self, function: Function) -> None:
        if function.is_lambda or not function.module.is_test:
            return
        owner = function.owner
        if owner is None and not isinstance(function.parent, Module):
            return
        is_setup = owner is not None and function.name in _TEST_METHODS
        if function.module.collected.is_test(function.name) or is_setup:
            function.roles.add(TEST)
        if function.name in {"setup_module", "teardown_module"}:
            for param in function.names[:1]:
                function.bind(param, one(ModuleValue(function.module)))

    def define(self, node: cst.FunctionDef, env: Environment) -> None:
        function = self.function(node, env)
        for param in [*function.positional, *node.params.kwonly_params]:
            if param.default is not None:
                given = self.evaluate(param.default, env)
                self.changed |= function.bind(param.name.value, given)
        values = self.decorate(function, one(Routine(function)), env)
        if FIXTURE in function.roles:
            self._note_fixture(function)
        if node.returns is not None and not function.roles & {CONTEXT_MANAGER, FIXTURE}:
            promised = self.objects_of(node.returns.annotation, env)
            self.returned(function, promised)
        self.bind(env, node.name.value, values)

    def _note_fixture(self, function: Function) -> None:
        assert isinstance(function.node, cst.FunctionDef)
        name = function.name
        for decorator in function.node.decorators:
            if isinstance(decorator.decorator, cst.Call):
                for arg in decorator.decorator.args:
                    if arg.keyword and arg.keyword.value == "name":
                        name = getattr(arg.value, "evaluated_value", name)
        known = self.program.fixtures[name]
        if function not in known:
            known.append(function)
            self.changed = True

    def define_class(self, node: cst.ClassDef, env: Environment) -> None:
        found = self.program.classes.get(node)
        if found is None:
            found = self.program.classes[node] = Class(node, env.scope)
            self.changed = True
        bases: tuple[Value, ...] = ()
        for arg in node.bases:
            bases += tuple(ordered(self.evaluate(arg.value, env)))
        self.changed |= found.inherit(bases)
        for arg in node.keywords:
            for value in self.evaluate(arg.value, env):
                if isinstance(value, Type):
                    found.factories |= {*self.methods(value.of, "__call__")}
                    found.of_metaclass |= self._special_methods(value.of)
        self._calls(node, env, {*self.methods(found, "__init_subclass__")})
        inner = Environment(found, env.where, block=env.block)
        self.suite(node.body, inner)
        for decorator in node.decorators if found.module.is_test else ():
            self._decorate_tests(decorator, found, env)
        if any(path.startswith("flask.views.") for path in found.external_bases()):
            self._is_view(found, node, env)
        self.bind(env, node.name.value, one(Type(found)))

    def _decorate_tests(self, decorator: cst.Decorator, of: Class, env: Environment) -> None:
        """What a decorator of a class does to the tests in it."""
        by = self.evaluate(decorator.decorator, env)
        if External(PARAMETRIZE) in by:
            tests = [test for values in of.bindings.values() for test in routines(values)]
            self.parametrize(decorator.decorator, tests, env)
        names = {name for each in of.lineage() for name in each.bindings if name.startswith("test")}
        targets = {test for name in names for test in routines(of.attribute(name))}
        for value in by:
            path = getattr(value, "path", getattr(value, "kind", ""))
            if path and not is_transparent(path):
                self._foreign_decorator(path, targets, decorator)

    def _is_view(self, of: Class, node: cst.ClassDef, env: Environment) -> None:
        methods: Values = NOTHING
        for name in VERBS:
            for value in of.bindings.get(name, NOTHING):
                if isinstance(value, Routine):
                    value.function.roles.add(VIEW)
                    methods |= one(value)
        for decorator in routines(items(of.attribute("decorators"))):
            given = one(External("flask.async_function"))
            for wrapper in routines(self.call(node, one(Routine(decorator)), [("", given)], env)):
                wrapper.roles.add(WRAPPER)

    def import_names(self, node: cst.Import, env: Environment) -> None:
        for alias in node.names:
            name = dotted(alias.name)
            if alias.asname is not None and isinstance(alias.asname.name, cst.Name):
                self.bind(env, alias.asname.name.value, self.imported(name, env.scope.module))
            else:
                first = name.partition(".")[0]
                values = self.imported(first, env.scope.module)
                module = self.module(name, env.scope.module)
                if module is not None and not any(isinstance(v, ModuleValue) for v in values):
                    values = one(ModuleValue(module))
                self.bind(env, first, values)

    def import_members(self, node: cst.ImportFrom, env: Environment) -> None:
        importer = env.scope.module
        written = dotted(node.module)
        name = importer.absolute(written, len(node.relative))
        module = self.program.module_at(name) if node.relative else self.module(name, importer)
        if module is not None:
            self.program.imports[node] = importer, module
        if isinstance(node.names, cst.ImportStar):
            if module is not None and module not in importer.stars:
                importer.stars.append(module)
                self.changed = True
            elif name in {"flask", "quart"} and isinstance(env.scope, Module):
                for public in vars(import_module(name)):
                    if not public.startswith("_") and public not in env.names:
                        self.bind(env, public, types.external(f"{name}.{public}"))
            return
        for alias in node.names:
            wanted = dotted(alias.name)
            bound = wanted
            if alias.asname is not None and isinstance(alias.asname.name, cst.Name):
                bound = alias.asname.name.value
            inner = None if module else self.module(f"{name}.{wanted}", importer)
            if module is not None:
                values = self.member(module, wanted)
                env.scope.imported[bound] = module, wanted
            elif inner is not None:  # of a package that is a folder without `__init__.py`
                values = one(ModuleValue(inner))
            else:
                values = types.external(f"{name}.{wanted}")
            self.bind(env, bound, values)


def _is_class(path: str) -> bool:
    return path.rpartition(".")[2][:1].isupper() and path not in _ANYTHING
