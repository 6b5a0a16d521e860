"""Finding out what expressions may stand for, by going through every function until nothing is new.

All of it is a may-analysis: a name stands for everything that is ever assigned to it on the way.
"""

from __future__ import annotations

import libcst as cst

from . import drivers
from . import flask_types as types
from .attributes import Attributes
from .environment import Environment
from .program import Function, Program, Read, Site
from .registration import TEMPLATE
from .values import (
    DATA,
    NOTHING,
    External,
    Generated,
    Instance,
    Many,
    ModuleValue,
    Object,
    Routine,
    Row,
    Text,
    Type,
    Values,
    items,
    many,
    one,
    routines,
    something_of,
)

_CONNECTIONS = frozenset(drivers.CONNECTING.values())


class Expressions(Attributes):
    """The evaluation of expressions; what it meets is noted in the program's sites."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self._handlers = {
            cst.Name: self._name,
            cst.Attribute: self._attribute,
            cst.Call: self._call,
            cst.Await: self._await,
            cst.Subscript: self._subscript,
            cst.Lambda: self._lambda,
            cst.SimpleString: self._string,
            cst.ConcatenatedString: self._string,
            cst.Tuple: self._tuple,
            cst.List: self._list,
            cst.Set: self._list,
            cst.Dict: self._dict,
            cst.ListComp: self._comprehension,
            cst.SetComp: self._comprehension,
            cst.GeneratorExp: self._comprehension,
            cst.DictComp: self._dict_comprehension,
            cst.IfExp: self._if,
            cst.BooleanOperation: self._either,
            cst.BinaryOperation: self._binary,
            cst.NamedExpr: self._named,
            cst.Yield: self._yield,
            cst.Integer: self._data,
            cst.Float: self._data,
            cst.FormattedString: self._data,
            cst.Comparison: self._data,
            cst.UnaryOperation: self._data,
        }

    def evaluate(self, node: cst.CSTNode, env: Environment) -> Values:
        """What an expression may stand for here."""
        handler = self._handlers.get(type(node))
        if handler is None:
            return self._parts(node, env)
        found: Values = handler(node, env)  # type: ignore[operator]
        return found

    def site(self, node: cst.CSTNode, env: Environment, role: str) -> Site:
        """The site of this node, made if it is new."""
        key = (node, role)
        found = self.program.sites.get(key)
        if found is None:
            found = self.program.sites[key] = Site(node, env.where, role, block=env.block)
        return found

    def _data(self, node: cst.CSTNode, env: Environment) -> Values:
        self._parts(node, env)
        return DATA

    def _parts(self, node: cst.CSTNode, env: Environment) -> Values:
        for child in node.children:
            if isinstance(child, cst.BaseParenthesizableWhitespace | cst.TrailingWhitespace):
                continue
            self.evaluate(child, env)
        return NOTHING

    def _name(self, node: cst.Name, env: Environment) -> Values:
        values = self.look_up(env, node.value)
        if isinstance(env.where, Function) and node.value not in env.names:
            self._note_read(node, node.value, values, env, of_g=False)
        return values

    def _note_read(
        self, node: cst.CSTNode, name: str, values: Values, env: Environment, of_g: bool
    ) -> None:
        numbers = frozenset(
            number
            for value in values
            if isinstance(value, Instance) and value.kind.partition("@")[0] in _CONNECTIONS
            if (number := drivers.number_of(value.kind)) is not None
        )
        if numbers:
            self.program.reads[node] = Read(name, env.where, env.block, numbers, of_g)

    def _string(self, node: cst.SimpleString | cst.ConcatenatedString, env: Environment) -> Values:
        try:
            text = node.evaluated_value
        except Exception:
            text = None
        if text is None:
            self._parts(node, env)
        return one(Text(text)) if isinstance(text, str) else DATA

    def _await(self, node: cst.Await, env: Environment) -> Values:
        self.program.awaited.add(node.expression)
        return self.evaluate(node.expression, env)

    def _attribute(self, node: cst.Attribute, env: Environment) -> Values:
        base = self.evaluate(node.value, env)
        return self.read(node, base, node.attr.value, env)

    def read(
        self,
        node: cst.Attribute | cst.Call,
        base: Values,
        name: str,
        env: Environment,
        called: bool = False,
    ) -> Values:
        """What an attribute of the values may be; notes what reading it calls."""
        found = self.attribute(base, name)
        self.program.values[node] = base
        self.program.module_of[node] = env.scope.module
        of_g = Instance("flask.g") in base
        if of_g or any(isinstance(value, ModuleValue) for value in base):
            self._note_read(node, name, found, env, of_g)
        for value in base:
            if isinstance(value, Object):
                for method in self.methods(value.of, name):
                    if method.is_property():
                        self.site(node, env, "attribute").functions.add(method)
                        found |= method.returns
        for value in found:
            if isinstance(value, External) and not called and drivers.number_of(value.path):
                self.site(node, env, "attribute").paths.add(value.path)
            if isinstance(value, External) and not called and self.is_property(value.path):
                self.site(node, env, "attribute").paths.add(value.path)
                kind = types.ATTRIBUTES.get(value.path)
                found = found - {value} | (one(Instance(kind)) if kind else DATA)
        return frozenset(
            value
            for value in found
            if not (isinstance(value, Routine) and value.function.is_property())
        )

    def _call(self, node: cst.Call, env: Environment) -> Values:
        if isinstance(node.func, cst.Attribute):
            base = self.evaluate(node.func.value, env)
            name = node.func.attr.value
            called = self.read(node.func, base, name, env, called=True)
            if not called:
                called = self._container_method(node, base, name, env)
                if called:
                    self._arguments(node, env)
                    return called
        else:
            called = self.evaluate(node.func, env)
        arguments = self._arguments(node, env)
        if isinstance(node.func, cst.Name):
            if node.func.value == "super" and not node.args:
                return self._super(env)
            if node.func.value == "getattr" and len(arguments) > 1:
                return self._getattr(node, arguments, env)
        elif isinstance(node.func, cst.Attribute) and node.func.attr.value in {"get", "pop"}:
            stored = self._stored_in_g(base, arguments)
            if stored:
                self.site(node, env, "call").paths.add("flask.g.get")
                return stored
        return self.call(node, called, arguments, env)

    def _arguments(self, node: cst.Call, env: Environment) -> list[tuple[str, Values]]:
        """Each argument with how it is given: ``""``, ``*``, ``**`` or its keyword."""
        given = []
        for arg in node.args:
            values = self.evaluate(arg.value, env)
            if any(isinstance(value, Generated | Routine) for value in values):
                self.program.values[arg.value] = values
            given.append((arg.keyword.value if arg.keyword else arg.star, values))
        return given

    def _stored_in_g(self, base: Values, arguments: list[tuple[str, Values]]) -> Values:
        found: Values = NOTHING
        if one(Instance("flask.g")) & base and arguments:
            for value in arguments[0][1]:
                if isinstance(value, Text):
                    found |= self.program.stored.get(("flask.g", value.text), NOTHING)
        return found

    def _super(self, env: Environment) -> Values:
        function = env.where
        if not isinstance(function, Function) or function.owner is None:
            return NOTHING
        found: Values = NOTHING
        for base in function.owner.bases:
            if isinstance(base, Type):
                found |= one(Object(base.of))
            elif isinstance(base, External):
                found |= one(Instance(base.path))
        return found

    def _getattr(
        self, node: cst.Call, arguments: list[tuple[str, Values]], env: Environment
    ) -> Values:
        base, names = arguments[0][1], arguments[1][1]
        found: Values = NOTHING
        known = [value.text for value in names if isinstance(value, Text)]
        for name in known:
            found |= self.attribute(base, name)
        if not known and one(Instance("flask.testing.FlaskClient")) & base:
            found |= one(External("flask.testing.FlaskClient.?"))
        for _, values in arguments[2:]:
            found |= values
        return found

    def _container_method(
        self, node: cst.Call, base: Values, name: str, env: Environment
    ) -> Values:
        inside = items(base)
        if not any(isinstance(value, Many | Row | Generated) for value in base):
            return NOTHING
        if name in {"get", "pop", "setdefault", "popitem", "popleft"}:
            return inside or DATA
        if name in {"values", "copy", "keys"}:
            return many(inside)
        if name == "items":
            return many(one(Row((DATA, inside))))
        if name in {"append", "add", "insert", "appendleft", "extend"} and node.args:
            target = node.func.value if isinstance(node.func, cst.Attribute) else None
            added = self.evaluate(node.args[-1].value, env)
            if added and isinstance(target, cst.Name):
                grown = many(added | inside)
                if routines(grown) or not inside >= added:
                    self.bind(env, target.value, self.look_up(env, target.value) | grown)
        return DATA

    def _subscript(self, node: cst.Subscript, env: Environment) -> Values:
        base = self.evaluate(node.value, env)
        for element in node.slice:
            self._parts(element, env)
        found: Values = NOTHING
        position = _integer(node)
        for value in base:
            if isinstance(value, Row) and position is not None:
                found |= value.places[position] if position < len(value.places) else NOTHING
            elif isinstance(value, Many | Row):
                found |= items(one(value)) or DATA
            elif isinstance(value, Object):
                for method in self.methods(value.of, "__getitem__"):
                    found |= method.returns
                if value.of.external_bases():
                    found |= DATA
            elif isinstance(value, Instance):
                found |= types.subscripted(value.kind)
            elif isinstance(value, Text):
                found |= DATA
            elif isinstance(value, External):
                found |= one(something_of(value.path))
        return found

    def _lambda(self, node: cst.Lambda, env: Environment) -> Values:
        return one(Routine(self.function(node, env)))

    def _tuple(self, node: cst.Tuple, env: Environment) -> Values:
        places = tuple(self.evaluate(element.value, env) for element in node.elements)
        if any(isinstance(element, cst.StarredElement) for element in node.elements):
            return many(frozenset().union(*places))
        return one(Row(places)) if len(places) < 12 else many(frozenset().union(*places))

    def _list(self, node: cst.List | cst.Set, env: Environment) -> Values:
        found: Values = NOTHING
        for element in node.elements:
            found |= self.evaluate(element.value, env)
        return many(found)

    def _dict(self, node: cst.Dict, env: Environment) -> Values:
        found: Values = NOTHING
        for element in node.elements:
            if isinstance(element, cst.DictElement):
                self.evaluate(element.key, env)
            found |= self.evaluate(element.value, env)
        kept = frozenset(value for value in found if not isinstance(value, Text))
        return many(kept or DATA)

    def _comprehension(
        self, node: cst.ListComp | cst.SetComp | cst.GeneratorExp, env: Environment
    ) -> Values:
        inner = env.branch()
        self._clauses(node.for_in, inner)
        return many(self.evaluate(node.elt, inner))

    def _dict_comprehension(self, node: cst.DictComp, env: Environment) -> Values:
        inner = env.branch()
        self._clauses(node.for_in, inner)
        self.evaluate(node.key, inner)
        return many(self.evaluate(node.value, inner))

    def _clauses(self, clause: cst.CompFor, env: Environment) -> None:
        self.iterate(clause, clause.iter, clause.target, env, quietly=True)
        for condition in clause.ifs:
            self.evaluate(condition.test, env)
        if clause.inner_for_in is not None:
            self._clauses(clause.inner_for_in, env)

    def iterate(
        self,
        node: cst.For | cst.CompFor,
        over: cst.BaseExpression,
        target: cst.BaseExpression,
        env: Environment,
        quietly: bool = False,
    ) -> None:
        """Bind the target of a loop."""
        values = self.evaluate(over, env)
        self.program.values[node] = values
        for value in values:
            if isinstance(value, Generated):
                self.site(node, env, "for").functions.add(value.function)
            elif isinstance(value, Object):
                for method in self.methods(value.of, "__iter__"):
                    self.site(node, env, "call").functions.add(method)
            elif isinstance(value, Instance):
                self.site(node, env, "for").paths.add(f"{value.kind}.__iter__")
        self.assign(target, items(values), env, quietly=quietly)

    def _if(self, node: cst.IfExp, env: Environment) -> Values:
        self.evaluate(node.test, env)
        return self.evaluate(node.body, env) | self.evaluate(node.orelse, env)

    def _either(self, node: cst.BooleanOperation, env: Environment) -> Values:
        return self.evaluate(node.left, env) | self.evaluate(node.right, env)

    def _binary(self, node: cst.BinaryOperation, env: Environment) -> Values:
        both = self.evaluate(node.left, env) | self.evaluate(node.right, env)
        return (
            frozenset(value for value in both if not isinstance(value, Text | Routine | Type))
            or DATA
        )

    def _named(self, node: cst.NamedExpr, env: Environment) -> Values:
        values = self.evaluate(node.value, env)
        self.assign(node.target, values, env)
        return values

    def _yield(self, node: cst.Yield, env: Environment) -> Values:
        function = env.where
        if not isinstance(function, Function):
            return NOTHING
        function.is_generator = True
        given: Values = NOTHING
        if isinstance(node.value, cst.From):
            given = items(self.evaluate(node.value.item, env))
            function.pins.setdefault("`yield from` has no asynchronous form", node)
        elif node.value is not None:
            given = self.evaluate(node.value, env)
        if not given <= function.yields:
            function.yields |= given
            self.changed = True
        return NOTHING

    def assign(
        self,
        target: cst.BaseExpression,
        values: Values,
        env: Environment,
        quietly: bool = False,
    ) -> None:
        """Assign values to a name, an attribute, or the parts of a tuple.

        Args:
            quietly: in a comprehension, whose names nobody else sees.
        """
        if isinstance(target, cst.Name):
            if quietly:
                env.names[target.value] = values
            else:
                self.bind(env, target.value, values)
        elif isinstance(target, cst.Attribute):
            self.store(self.evaluate(target.value, env), target.attr.value, values)
        elif isinstance(target, cst.Tuple | cst.List):
            for number, element in enumerate(target.elements):
                self.assign(element.value, _place(values, number), env, quietly)
        elif isinstance(target, cst.Subscript):
            self.evaluate(target, env)
            if routines(values):
                kept = self.evaluate(target.value, env)
                if any(isinstance(v, External) and v.path.startswith("jinja2.") for v in kept):
                    for function in routines(values):
                        function.roles.add(TEMPLATE)
                    return
                self.assign(target.value, kept | many(values | items(kept)), env)


def _place(values: Values, number: int) -> Values:
    found: Values = NOTHING
    for value in values:
        if isinstance(value, Row):
            found |= value.places[number] if number < len(value.places) else NOTHING
        elif isinstance(value, Many):
            found |= value.items
    return found


def _integer(node: cst.Subscript) -> int | None:
    if len(node.slice) == 1:
        index = node.slice[0].slice
        if isinstance(index, cst.Index) and isinstance(index.value, cst.Integer):
            return index.value.evaluated_value
    return None
