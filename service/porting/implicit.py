"""What Python calls by itself where an object is used: `__str__`, `__eq__`, `__get__`, a proxy."""

from __future__ import annotations

from abc import abstractmethod
from collections import ChainMap

import libcst as cst

from .attributes import Attributes
from .environment import Environment
from .flask_types import THREAD_LOCAL
from .program import Class, Function, Module, Program
from .registration import TEMPLATE
from .sites import Shown, Site
from .template_uses import ANYHOW, Use
from .templates import RENDERING_FILES, RENDERING_TEXTS
from .values import (
    DATA,
    NOTHING,
    Arguments,
    Instance,
    Many,
    Object,
    Proxied,
    Routine,
    Row,
    Text,
    Type,
    Value,
    Values,
    items,
    one,
    routines,
)
from .walking import below

IMPLICIT = "implicit"
"""The role of a site where nothing is called in words."""

EQUAL = {"__eq__", "__hash__", "__ne__"}
ORDER = {"__ge__", "__gt__", "__le__", "__lt__"}
_OPERATORS = ("add", "and", "floordiv", "lshift", "matmul", "mod", "mul", "or", "pow", "rshift")
ARITHMETIC = {
    f"__{how}{name}__" for how in ("", "i", "r") for name in (*_OPERATORS, "sub", "truediv", "xor")
}
OF_ITEMS = EQUAL | ORDER | {"__add__", "__radd__"}
"""What is called of the items of a container that is compared, sorted, searched or added up."""
_DEPTH = 5
"""How far within what templates are given something is looked at."""
_IN_WORDS = {
    "__aenter__", "__aexit__", "__aiter__", "__anext__", "__await__", "__call__",
    "__class_getitem__", "__delattr__", "__enter__", "__exit__", "__get__", "__getattr__",
    "__getattribute__", "__init__", "__init_subclass__", "__new__", "__post_init__",
    "__set__", "__set_name__", "__setattr__",
}  # fmt: skip
"""Special methods that something in the source tells of: a call, `with`, an attribute."""


def is_special(name: str) -> bool:
    """Whether Python itself calls a method of this name, of an object that is used somehow."""
    return name.startswith("__") and name.endswith("__") and name not in _IN_WORDS


def reached(site: Site, function: Function) -> str:
    """What to call a function that a site reaches: which special method it is, nobody can tell."""
    several = sum(is_special(each.name) for each in site.functions) > 1
    if several and function.owner and is_special(function.name):
        return f"a special method of {function.owner.name}"
    return function.label


class Implicit(Attributes):
    """Noting that an object is used, in whatever way: then any special method may be called."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self._special: dict[Class, set[Function]] = {}

    @abstractmethod
    def site(self, node: cst.CSTNode, env: Environment, role: str) -> Site:
        """The site of this node, made if it is new."""

    def used(self, node: cst.CSTNode, values: Values, env: Environment) -> Values:
        """What an expression may stand for, once what using it calls is noted."""
        found = values
        for value in values:
            if isinstance(value, Object):
                self._calls(node, env, self._special_methods(value.of))
            elif isinstance(value, Proxied):
                self._calls(node, env, {value.function})
                found |= value.function.returns
            elif isinstance(value, Many | Row):
                self._calls(node, env, self._compared(value))
            elif isinstance(value, Type):
                of_class = (each.of_metaclass for each in value.of.lineage())
                items_of = self.methods(value.of, "__class_getitem__")
                self._calls(node, env, {*items_of}.union(*of_class))
        return found

    def combined(self, both: Values) -> Values:
        """What an operator gives: what special methods return, or something of the same class."""
        found: Values = NOTHING
        for value in both:
            if isinstance(value, Object):
                methods = {each for name in ARITHMETIC for each in self.methods(value.of, name)}
                found |= NOTHING.union(*(each.returns for each in methods)) if methods else {value}
            elif not isinstance(value, Text | Routine | Type):
                found |= {value}
        return found or DATA

    def _compared(self, container: Many | Row) -> set[Function]:
        """The methods by which what is in a container is found, sorted or added up."""
        within = {item.of for item in items(one(container)) if isinstance(item, Object)}
        methods = (method for of in within for method in self._special_methods(of))
        return {method for method in methods if method.name in OF_ITEMS}

    def read_from(
        self, node: cst.CSTNode, base: Values, name: str, found: Values, env: Environment
    ) -> None:
        """Note what reading an attribute calls: of the object it is of, and of what is there."""
        self.touch(node, base, env)
        for value in base:
            if isinstance(value, Object):
                methods = {*self.methods(value.of, "__getattribute__")}
                if not found:
                    methods |= {*self.methods(value.of, "__getattr__")}
                self._calls(node, env, methods)
        for value in found:
            if isinstance(value, Object):
                self._calls(node, env, {*self.methods(value.of, "__get__")})

    def matched(self, node: cst.Match, values: Values, env: Environment) -> None:
        """Note the properties that the patterns of a `match` read."""
        patterns = [each for each in below(node) if isinstance(each, cst.MatchClass)]
        names = {each.key.value for pattern in patterns for each in pattern.kwds}
        by_place = any(pattern.patterns for pattern in patterns)
        for value in values:
            if isinstance(value, Object):
                read = value.of.bindings.keys() if by_place else names
                methods = {each for name in read for each in self.methods(value.of, name)}
                self._calls(node.subject, env, {each for each in methods if each.is_property()})

    def write_to(self, node: cst.CSTNode, base: Values, name: str, env: Environment) -> None:
        """Note what assigning to an attribute calls."""
        self.touch(node, base, env)
        for value in base:
            if isinstance(value, Object):
                methods = {*self.methods(value.of, "__setattr__")}
                for kept in value.of.attribute(name):
                    if isinstance(kept, Object):
                        methods |= {*self.methods(kept.of, "__set__")}
                    elif isinstance(kept, Routine) and kept.function.is_property():
                        methods.add(kept.function)
                self._calls(node, env, methods)

    def touch(self, node: cst.CSTNode, base: Values, env: Environment) -> None:
        """Note where an attribute is used that is another one in each thread."""
        for value in base:
            kinds = value.of.external_bases() if isinstance(value, Object) else ()
            if value == Instance(THREAD_LOCAL) or THREAD_LOCAL in kinds:
                self.site(node, env, "attribute").paths.add(THREAD_LOCAL)

    def passed_to(self, name: str, value: Value, given: Values) -> None:
        """Bind what an operator passes to a special method of an object."""
        for method in self.methods(value.of, name) if isinstance(value, Object) else ():
            for param in method.names[1:2]:
                self.changed |= method.bind(param, given)

    def show(
        self, given: Arguments, node: cst.CSTNode, where: Function | Module, path: str = ""
    ) -> None:
        """Note what templates are given there, and call of it."""
        called = self.called_by_templates(given, node, where, path)
        for function in routines(self.program.shown[node].values) | called:
            function.roles.add(TEMPLATE)

    def called_by_templates(
        self, given: Arguments, node: cst.CSTNode, where: Function | Module, path: str = ""
    ) -> set[Function]:
        """The methods that templates call of objects that they are given there.

        Args:
            given: what they are given, by its name if it has one.
            path: of what renders a template there, if it is written out which one.
        """
        found: set[Function] = set()
        for name, values in given:
            found |= self._called_by_templates(values, self._use(path, given[0][1], name))
        everything = NOTHING.union(*(values for _, values in given))
        self.program.shown[node] = Shown(where, everything, found)
        return found

    def _use(self, path: str, template: Values, name: str) -> Use:
        """How a template that is rendered uses what it is given by a name."""
        for value in template if len(template) == 1 and name.isidentifier() else ():
            if isinstance(value, Text) and path in RENDERING_FILES:
                return self.program.templates.use_at(value.text, name)
            if isinstance(value, Text) and path in RENDERING_TEXTS:
                return self.program.templates.use_of(value.text, name)
        return ANYHOW

    def _called_by_templates(self, values: Values, use: Use, level: int = 0) -> set[Function]:
        found: set[Function] = set()
        for value in values if level < _DEPTH else ():
            if isinstance(value, Object):
                found |= self._called_of_object(value.of, use, level)
            elif isinstance(value, Routine):
                found |= self._called_by_templates(_held(value.function.returns), use, level + 1)
            elif isinstance(value, Proxied):
                self.program.read_by_templates.add(value.function)
            elif isinstance(value, Many | Row):
                found |= self._called_by_templates(items(one(value)), use, level + 1)
        return found

    def _called_of_object(self, of: Class, use: Use, level: int) -> set[Function]:
        """The methods that templates call of an object, and of what it gives them."""
        found: set[Function] = set()
        known = ChainMap(*(each.bindings for each in of.lineage()))
        special = {name for name in known if is_special(name) and use.may_call(name, level)}
        read = {name for name in self.program.templates.words if use.may_read(name, level)}
        for name in (special | read) & known.keys():
            found |= routines(known[name])
        for name in read:
            values = of.attribute(name)
            properties = {each for each in routines(values) if each.is_property()}
            given = (function.returns for function in properties)
            values = _held(values.union(*given)) - {Routine(each) for each in properties}
            found |= self._called_by_templates(values, use, level + 1)
        return found

    def _calls(self, node: cst.CSTNode, env: Environment, functions: set[Function]) -> None:
        if functions:
            self.site(node, env, IMPLICIT).functions |= functions

    def _special_methods(self, of: Class) -> set[Function]:
        known = self._special.get(of)
        if known is None:
            known = self._special[of] = {
                function
                for each in (*of.lineage(), *of.heirs())
                for name in each.bindings
                if is_special(name)
                for function in self.methods(each, name)
            }
        return known


def _held(values: Values) -> Values:
    """What matters of the values to templates that are given them."""
    return frozenset(value for value in values if isinstance(value, Object | Routine | Many | Row))
