"""Finding out what expressions may stand for, by going through every function until nothing is new.

All of it is a may-analysis: a name stands for everything that is ever assigned to it on the way.
"""

from __future__ import annotations

import libcst as cst

from . import drivers
from . import flask_types as types
from .environment import Environment
from .generated import all_generating
from .nodes import beginning_of
from .program import Function, Program
from .registration import FIXTURE
from .settings import Settings
from .sites import Read, Site
from .values import (
    BYTEARRAY,
    DATA,
    NOTHING,
    External,
    Generated,
    Instance,
    ModuleValue,
    Object,
    Proxied,
    Routine,
    Super,
    Text,
    Values,
    items,
    merged,
    one,
    routines,
)

_CONNECTIONS = frozenset(drivers.CONNECTING.values())
_TOLD_OF = {BYTEARRAY, types.VIEW}


class Expressions(Settings):
    """The evaluation of expressions; what it meets is noted in the program's sites."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self._texts: dict[cst.CSTNode, Values] = {}
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
            cst.BooleanOperation: self.either,
            cst.BinaryOperation: self._binary,
            cst.NamedExpr: self._named,
            cst.Yield: self._yield,
            cst.Integer: self._data,
            cst.Float: self._data,
            cst.FormattedString: self._data,
            cst.Comparison: self._comparison,
            cst.UnaryOperation: self._data,
        }

    def evaluate(self, node: cst.CSTNode, env: Environment) -> Values:
        """What an expression may stand for here."""
        return self.used(node, self._found(node, env), env)

    def base(self, node: cst.CSTNode, env: Environment) -> Values:
        """The same where only an attribute of it is meant."""
        found = self._found(node, env)
        if any(isinstance(value, Proxied) for value in found):
            return self.used(node, found, env)
        return found

    def _found(self, node: cst.CSTNode, env: Environment) -> Values:
        handler = self._handlers.get(type(node))
        if handler is None:
            return self.parts(node, env)
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
        self.parts(node, env)
        return DATA

    def _comparison(self, node: cst.Comparison, env: Environment) -> Values:
        left = self.evaluate(node.left, env)
        for target in node.comparisons:
            within = self.evaluate(target.comparator, env)
            if isinstance(target.operator, cst.In | cst.NotIn):
                self.go_through(target.comparator, within, env)
            for value in within:
                self.passed_to("__contains__", value, left)
                if not isinstance(value, Instance) or drivers.number_of(value.kind) is None:
                    continue
                if isinstance(target.operator, cst.In | cst.NotIn):
                    self.site(node, env, "call").paths.add(f"{value.kind}.__contains__")
        return DATA

    def parts(self, node: cst.CSTNode, env: Environment) -> Values:
        """Evaluate what an expression consists of; nothing is known of the whole."""
        for child in node.children:
            if isinstance(child, cst.BaseParenthesizableWhitespace | cst.TrailingWhitespace):
                continue
            self.evaluate(child, env)
        return NOTHING

    def _name(self, node: cst.Name, env: Environment) -> Values:
        values = self.look_up(env, node.value)
        if not env.has_made(node.value):
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
        if node not in self._texts:
            try:
                text = node.evaluated_value
            except Exception:
                text = None
            self._texts[node] = one(Text(text)) if isinstance(text, str) else DATA
        if isinstance(node, cst.ConcatenatedString):
            self.parts(node, env)
        return self._texts[node]

    def _await(self, node: cst.Await, env: Environment) -> Values:
        self.program.awaited.add(node.expression)
        return self.evaluate(node.expression, env)

    def _attribute(self, node: cst.Attribute, env: Environment) -> Values:
        base = self.base(node.value, env)
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
        of_g = Instance("flask.g") in base
        base |= self.of_own_classes(base)
        found = self.unfolded(node, self.attribute(base, name), base, env)
        self.read_from(node, base, name, found, env)
        self.program.values[node] = base
        self.program.module_of[node] = env.scope.module
        if of_g or any(isinstance(value, ModuleValue) for value in base):
            self._note_read(node, name, found, env, of_g)
        for value in base:
            if isinstance(value, Object | Super):
                above = routines(self.attribute(one(value), name))
                methods = above if isinstance(value, Super) else {*self.methods(value.of, name)}
                for method in sorted(methods, key=lambda each: each.place):
                    if method.is_property():
                        self.site(node, env, "attribute").functions.add(method)
                        found |= method.returns
                if not self.attribute(one(value), name):
                    for method in self.methods(value.of, "__getattr__"):
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
            base = self.base(node.func.value, env)
            name = node.func.attr.value
            called = self.read(node.func, base, name, env, called=True)
            if not called:
                inside = self._container_method(node, base, name, env)
                if inside is not None:
                    if (given := self._arguments(node, env)) or name == "sort":
                        self.used(node.func.value, base, env)
                    if given and name == "sort":
                        self.call(node, one(External("builtins.sorted")), [("", base), *given], env)
                    return inside
        else:
            called = self.evaluate(node.func, env)
        arguments = self._arguments(node, env)
        if isinstance(node.func, cst.Name):
            if node.func.value == "super":
                return self.super_of(arguments, env)
            if node.func.value == "getattr" and len(arguments) > 1:
                return self._getattr(node, arguments, env)
            if node.func.value == "hasattr" and len(arguments) > 1:
                self._hasattr(node, arguments, env)
        elif isinstance(node.func, cst.Attribute):
            self.settings_put(node, base, name, arguments, env)
            if name in {"get", "pop", "setdefault"}:
                if stored := self._stored_in_g(base, name, arguments):
                    self.site(node, env, "call").paths.add("flask.g.get")
                    self.leak(stored, node, env)
                    return stored
                return self.held(base, self.call(node, called, arguments, env), arguments)
        return self.call(node, called, arguments, env)

    def _arguments(self, node: cst.Call, env: Environment) -> list[tuple[str, Values]]:
        """Each argument with how it is given: ``""``, ``*``, ``**`` or its keyword."""
        given = []
        for arg in node.args:
            values = self.evaluate(arg.value, env)
            if BYTEARRAY in values or any(isinstance(v, Generated | Routine) for v in values):
                self.program.values[arg.value] = values
            if arg.star == "*":
                self.go_through(arg.value, values, env)
            given.append((arg.keyword.value if arg.keyword else arg.star, values))
        return given

    def _stored_in_g(
        self, base: Values, method: str, arguments: list[tuple[str, Values]]
    ) -> Values:
        """What `g` has by this name, or the method returns in its place."""
        found: Values = NOTHING
        of_g = one(Instance("flask.g")) & base
        default = NOTHING.union(*(values for _, values in arguments[1:]))
        for value in arguments[0][1] if of_g and arguments else ():
            if isinstance(value, Text):
                if method == "setdefault":
                    self.store(of_g, value.text, default)
                found |= self.program.stored.get(("flask.g", value.text), NOTHING)
        return found | default if found else NOTHING

    def _getattr(
        self, node: cst.Call, arguments: list[tuple[str, Values]], env: Environment
    ) -> Values:
        beginning = beginning_of(node.args[1].value)
        found = self.by_name(node, arguments[0][1], arguments[1][1], env, beginning)
        return found.union(*(values for _, values in arguments[2:]))

    def by_name(
        self,
        node: cst.Call,
        base: Values,
        names: Values,
        env: Environment,
        beginning: str = "",
        called: bool = False,
    ) -> Values:
        """What an attribute may be whose name is a value; notes what reading it calls."""
        found: Values = NOTHING
        texts = (value.text for value in names if isinstance(value, Text))
        known = [text for text in texts if text.isidentifier()]
        if not known and one(Instance("flask.Request")) & base:
            known = ["get_json" if called else "form"]  # which stands for all that is awaited
        for name in known:
            found |= self.read(node, base, name, env, called)
        if not known and one(Instance("flask.testing.FlaskClient")) & base:
            found |= one(External("flask.testing.FlaskClient.?"))
        if not known:
            for value in base:
                found |= self.pin_by_name(value, beginning, node)
        if Instance("flask.g") in base:
            self.leak(found, node, env)
        return found

    def _hasattr(
        self, node: cst.Call, arguments: list[tuple[str, Values]], env: Environment
    ) -> None:
        """Note where an attribute that Quart gives an awaitable for would be read, to find it."""
        for name in arguments[1][1]:
            if isinstance(name, Text) and any(
                isinstance(value, External) and self.is_property(value.path)
                for value in self.attribute(arguments[0][1], name.text)
            ):
                self.program.looked_for.add(node)

    def _lambda(self, node: cst.Lambda, env: Environment) -> Values:
        return one(Routine(self.function(node, env)))

    def _if(self, node: cst.IfExp, env: Environment) -> Values:
        self.evaluate(node.test, env)
        with self.where_true(node.test, env):
            values = self.evaluate(node.body, env)
        return values | self.evaluate(node.orelse, env)

    def _binary(self, node: cst.BinaryOperation, env: Environment) -> Values:
        return self.combined(self.evaluate(node.left, env) | self.evaluate(node.right, env))

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
            values = self.evaluate(node.value.item, env)
            given = items(values)
            line = self.program.statements.get(node)
            made = all_generating(values) if FIXTURE in function.roles else set()
            if made and line is not None:  # nothing is thrown into a fixture
                self.site(line, env, "for").functions |= made
            else:
                function.pins.setdefault("`yield from` has no asynchronous form", node)
                self.go_through(node.value.item, values, env)
        elif node.value is not None:
            given = self.evaluate(node.value, env)
        if not given <= function.yields:
            before, function.yields = function.yields, merged(function.yields | given)
            self.changed |= function.yields != before
        return NOTHING
