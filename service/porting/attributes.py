"""Attributes of values, and what is stored in them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

import libcst as cst

from . import flask_types as types
from .awaitables import AWAITABLE
from .environment import Environment
from .flask_attributes import may_have
from .instances import Instances
from .program import Class, Function, Program, Scope
from .registration import ENCODER, ON_THE_LOOP, command_of
from .stand_ins import MOCKS
from .values import (
    NOTHING,
    External,
    Instance,
    ModuleValue,
    Object,
    Routine,
    Super,
    Text,
    Type,
    Value,
    Values,
    merged,
    one,
    routines,
)

_PROPERTIES = {
    f"flask.{name}"
    for name in (
        "Request.data",
        "Request.files",
        "Request.form",
        "Request.json",
        "Request.stream",
        "Request.values",
        "Response.data",
        "Response.json",
        "Response.text",
    )
}

_CLASSES = {
    "flask.Request": "request_class",
    "flask.Response": "response_class",
    "flask.g": "app_ctx_globals_class",
    "flask.testing.FlaskClient": "test_client_class",
}
"""The attributes of an app that say of which classes something is."""

_FAR = 4
"""How many dots a path may have."""

_ONLY_FLASKS = {"app_context", "test_request_context"}
"""Methods that nothing but an app has."""
_PYTEST = External("pytest")
"""A library that tests put things on, for others to read."""


class Attributes(Instances):
    """Reading and storing attributes."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self._own_classes: dict[str, Values] = {}

    @abstractmethod
    def call(
        self,
        node: cst.CSTNode,
        called: Values,
        arguments: list[tuple[str, Values]],
        env: Environment,
    ) -> Values:
        """What calling the values with these arguments may return."""

    @abstractmethod
    def function(self, node: cst.FunctionDef | cst.Lambda, env: Environment) -> Function:
        """The function that this node defines."""

    @abstractmethod
    def unfolded(self, node: cst.CSTNode, found: Values, base: Values, env: Environment) -> Values:
        """What attributes give, where one may be a property that a library has made."""

    def is_property(self, path: str) -> bool:
        """Whether Quart gives an awaitable when this attribute is read."""
        return path in _PROPERTIES

    def methods(self, owner: Class, name: str) -> Iterator[Function]:
        """The methods of this name that a call on an object of the class may reach."""
        for values in (
            owner.attribute(name),
            *(heir.bindings.get(name, NOTHING) for heir in owner.heirs()),
        ):
            for value in values:
                if isinstance(value, Routine):
                    yield value.function

    def attribute(self, base: Values, name: str) -> Values:
        """What an attribute of the values may be."""
        found: Values = NOTHING
        if not base and name in _ONLY_FLASKS:
            return one(External(f"flask.Flask.{name}"))
        for value in base:
            if name in _ONLY_FLASKS and value == Instance("flask.?"):
                found |= one(External(f"flask.Flask.{name}"))
            elif isinstance(value, External):
                stored = self.program.stored.get((value.path, name))
                found |= stored or types.external(_member(value.path, name))
            elif isinstance(value, Instance):
                found |= self._of_instance(value.kind, name)
            elif isinstance(value, ModuleValue):
                found |= self.member(value.module, name)
            elif isinstance(value, Type):
                found |= self._of_class(value.of, name)
            elif isinstance(value, Object):
                found |= self._of_object(value.of, name)
            elif isinstance(value, Super):
                found |= self._above(value.of, name)
            elif isinstance(value, Routine):
                found |= value.function.attributes.get(name, NOTHING)
                if command := command_of(value.function, name):
                    found |= types.external(f"{command}.{name}")
            elif isinstance(value, Text) and name in types.OF_DATA:
                found |= one(External(f"builtins.str.{name}"))
        return found

    def of_own_classes(self, base: Values) -> Values:
        """What requests, responses, `g` and clients are, if the app has a class of its own."""
        found: Values = NOTHING
        for value in base:
            if isinstance(value, Instance) and value.kind in _CLASSES:
                if value.kind not in self._own_classes:
                    self._own_classes[value.kind] = self._given_as(_CLASSES[value.kind])
                found |= self._own_classes[value.kind]
        return found

    def _given_as(self, attribute: str) -> Values:
        """Objects of the classes that this attribute of an app is set to."""
        given = self.program.stored.get((types.APP, attribute), NOTHING)
        for of in self.program.classes.values():
            if types.APP in of.external_bases():
                given |= of.attribute(attribute)
        return frozenset(Object(value.of) for value in given if isinstance(value, Type))

    def pin_by_name(self, owner: Value, prefix: str, node: cst.CSTNode) -> Values:
        """Pin what may be found in a class or a module by a name that is put together; tell it."""
        found: Values = NOTHING
        scopes: list[Scope] = []
        if isinstance(owner, ModuleValue):
            scopes.append(owner.module)
        elif isinstance(owner, Object | Type):
            scopes += [*owner.of.lineage(), *owner.of.heirs()]
        for scope in scopes:
            for name, values in scope.bindings.items():
                for function in routines(values) if name.startswith(prefix) else ():
                    found |= one(Routine(function))
                    if not function.roles:
                        function.pins.setdefault("it may be called by a name put together", node)
        return self._bound(found) if isinstance(owner, Object) else found

    def _of_instance(self, kind: str, name: str) -> Values:
        if kind == "builtins.?" and name not in types.OF_DATA:
            return NOTHING
        path = types.canonical(f"{kind}.{name}")
        stored = self.program.stored.get((kind, name))
        if stored is not None:
            return stored
        if not may_have(kind, name):
            return NOTHING
        known = types.ATTRIBUTES.get(path)
        if known and not self.is_property(path):
            return one(Instance(known))
        return one(External(path))

    def _of_class(self, of: Class, name: str) -> Values:
        found = of.attribute(name)
        bases = of.external_bases()
        if not found:
            for base in bases:
                found |= one(External(types.canonical(f"{base}.{name}")))
        elif not routines(found) and any(base.startswith("enum.") for base in bases):
            found |= one(Object(of))
        return frozenset(
            Routine(value.function, bound=_is_classmethod(value.function))
            if isinstance(value, Routine)
            else value
            for value in found
        )

    def _of_object(self, of: Class, name: str) -> Values:
        found = of.attribute(name)
        for heir in of.heirs():
            found |= heir.bindings.get(name, NOTHING) | heir.attributes.get(name, NOTHING)
        own = any(name in each.attributes for each in (*of.lineage(), *of.heirs()))
        known = bool(found) or own or (of.is_tuple() and name in of.fields())
        return self._bound(found) if known else self._inherited(of, name)

    def _above(self, of: Class, name: str) -> Values:
        """What `super().name` may be: what comes next in the class, and in those made of it."""
        found: Values = NOTHING
        for each in (of, *of.heirs()):
            line = list(each.lineage())
            for here in line[line.index(of) + 1 :]:
                if name in here.bindings:
                    found |= here.bindings[name]
                    break
        return self._bound(found) if found else self._inherited(of, name)

    def _inherited(self, of: Class, name: str) -> Values:
        found: Values = NOTHING
        if of.module.is_test:
            found |= self.program.stored.get((types.TESTED, name), NOTHING)
        for base in of.external_bases():
            found |= self._of_instance(base, name)
        return found

    def _bound(self, values: Values) -> Values:
        return frozenset(
            Routine(value.function, bound=not value.function.is_static())
            if isinstance(value, Routine) and value.function.owner is not None
            else value
            for value in values
        )

    def super_of(self, arguments: list[tuple[str, Values]], env: Environment) -> Values:
        """What `super()` gives."""
        named = arguments[0][1] if arguments else NOTHING
        if named:
            own = frozenset(Super(of.of) for of in named if isinstance(of, Type))
            return own | {Instance(of.path) for of in named if isinstance(of, External)}
        within: Scope | None = env.where
        while isinstance(within, Function) and within.owner is None:
            within = within.parent
        if not isinstance(within, Function) or within.owner is None:
            return NOTHING
        return one(Super(within.owner))

    def keep(self, values: Values, *names: str) -> None:
        """Note that a container, or an attribute of this name, holds functions."""
        for function in routines(values):
            self.program.kept[function].update(names)

    def store(self, base: Values, name: str, values: Values) -> None:
        """Put values into an attribute."""
        self.keep(values, name)
        for value in base:
            if isinstance(value, Object):
                before = value.of.attributes.get(name, NOTHING)
                if not values <= before or name not in value.of.attributes:
                    together = merged(before | values)
                    self.changed |= together != before or name not in value.of.attributes
                    value.of.attributes[name] = together
                if "flask.Flask" in value.of.external_bases():
                    self.store(one(Instance("flask.Flask")), name, values)
            elif isinstance(value, Routine):
                held = value.function.attributes.get(name, NOTHING)
                value.function.attributes[name] = merged(held | values)
                self.changed |= value.function.attributes[name] != held
            elif isinstance(value, Type):
                self.changed |= value.of.bind(name, values)
            elif isinstance(value, ModuleValue):
                self.changed |= value.module.bind(name, values)
            elif value == Instance(types.APP) and f"{types.APP}.{name}" in AWAITABLE:
                self.program.put_on_apps |= routines(values)
            elif value == External(f"{types.APP}.json") and name == "default":
                for function in routines(values):
                    function.roles.update((ON_THE_LOOP, ENCODER))
                    function.pins.setdefault("a JSON provider calls it", function.node)
            elif isinstance(value, Instance) and _keeps(value.kind, name):
                self._keep_for((value.kind, name), values)
            elif value == _PYTEST:
                self._keep_for((_PYTEST.path, name), values)

    def _keep_for(self, key: tuple[str, str], values: Values) -> None:
        kept = self.program.stored.get(key, NOTHING)
        if values and not values <= kept:
            self.program.stored[key] = merged(kept | values)
            self.changed |= self.program.stored[key] != kept


def _keeps(kind: str, name: str) -> bool:
    """Whether what is put into one object of a class tells of the others: not so with mocks."""
    return not kind.startswith(MOCKS) and f"{kind}.{name}" not in AWAITABLE


def _member(path: str, name: str) -> str:
    """The path of an attribute; far from what is known, only the library counts."""
    library, _, rest = path.partition(".")
    of_class = library != "flask" and "@" not in path and rest.rpartition(".")[0][:1].isupper()
    if rest.startswith("?.") or of_class or path.count(".") > _FAR:
        path = f"{library}.?"
    return f"{path}.{name}"


def _is_classmethod(function: Function) -> bool:
    return any(
        isinstance(value, External) and value.path == "builtins.classmethod"
        for values in function.decorators
        for value in values
    )
