"""Lists, dictionaries and tuples: what is in them, and what is bound when they are taken apart."""

from __future__ import annotations

from abc import abstractmethod

import libcst as cst

from . import drivers
from . import flask_types as types
from .environment import Environment
from .generated import is_endless, pin_beside_others, pin_used
from .implicit import Implicit
from .program import Function
from .sites import Site
from .values import (
    DATA,
    NOTHING,
    External,
    Generated,
    Instance,
    Many,
    Object,
    Row,
    Text,
    Value,
    Values,
    items,
    many,
    one,
    place,
    routines,
)

_GROWING = {"append", "add", "insert", "appendleft", "extend", "update"}


class Containers(Implicit):
    """The evaluation of containers."""

    @abstractmethod
    def base(self, node: cst.CSTNode, env: Environment) -> Values:
        """What an expression may stand for of which an attribute is meant."""

    @abstractmethod
    def parts(self, node: cst.CSTNode, env: Environment) -> Values:
        """Evaluate what an expression consists of; nothing is known of the whole."""

    def _container_method(
        self, node: cst.Call, base: Values, name: str, env: Environment
    ) -> Values | None:
        """What a method of a container returns; None if it is none."""
        inside = items(base)
        if not any(isinstance(value, Many | Row | Generated) for value in base):
            return None
        for function in pin_used(base, name, node):
            self.site(node, env, "for").functions.add(function)
        if name == "setdefault" and node.args and isinstance(node.func, cst.Attribute):
            added = self.evaluate(node.args[-1].value, env)
            self._grow(node, node.func.value, added, env)
            return inside | added
        if name in {"get", "pop", "popitem", "popleft"}:
            for arg in node.args[1:]:
                inside |= self.evaluate(arg.value, env)
            return inside
        if name in {"values", "copy", "keys"}:
            return many(inside)
        if name == "items":
            return many(one(Row((DATA, inside))))
        if name in _GROWING and node.args and isinstance(node.func, cst.Attribute):
            for arg in node.args if name == "update" else node.args[-1:]:
                added = self.evaluate(arg.value, env)
                if name in {"extend", "update"} and arg.keyword is None:
                    self.go_through(arg.value, added, env)
                    added = items(added)
                self._grow(node, node.func.value, added, env)
        return DATA

    def _grow(
        self, node: cst.CSTNode, container: cst.BaseExpression, added: Values, env: Environment
    ) -> None:
        """Put values into the container that an expression stands for, wherever it is kept."""
        kept = self.evaluate(container, env)
        self.keep(added)
        self.leak(added, node, env)
        within = items(frozenset(value for value in kept if isinstance(value, Many | Row)))
        if not added or added <= within:
            return
        grown = kept | many(added | within)
        if isinstance(container, cst.Name):
            self.change(env, container.value, grown)
        elif isinstance(container, cst.Attribute):
            self.store(self.evaluate(container.value, env), container.attr.value, grown)
        elif isinstance(container, cst.Subscript):
            self._grow(node, container.value, grown, env)
        elif isinstance(container, cst.Call) and isinstance(container.func, cst.Attribute):
            self._grow_within(node, container, container.func, grown, env)

    def _grow_within(
        self, node: cst.CSTNode, call: cst.Call, of: cst.Attribute, grown: Values, env: Environment
    ) -> None:
        """Put values into what `get` or `setdefault` returns: a container within another one."""
        if of.attr.value not in {"get", "setdefault"}:
            return
        if Instance("flask.g") not in self.base(of.value, env):
            self._grow(node, of.value, grown, env)
        for name in self.evaluate(call.args[0].value, env) if call.args else ():
            if isinstance(name, Text):
                self.store(self.base(of.value, env) & one(Instance("flask.g")), name.text, grown)

    def _attach(
        self, target: cst.Attribute, base: Values, values: Values, env: Environment
    ) -> None:
        """Note connections that something other than `g` keeps."""
        if Instance("flask.g") in base:
            return
        for value in values:
            number = drivers.number_of(value.kind) if isinstance(value, Instance) else None
            if number is not None:
                site = self.site(target, env, "attribute")
                self.program.attached.setdefault(number, site)

    def leak(self, values: Values, node: cst.CSTNode, env: Environment) -> None:
        """Note connections that go where nobody follows them one by one."""
        for value in values:
            number = drivers.number_of(value.kind) if isinstance(value, Instance) else None
            if number is not None:
                self.program.leaked[number].append(self.site(node, env, "call"))

    def gathers(self, site: Site, given: list[Values]) -> None:
        """Note that a call goes through an object of a driver: to its end, but for `next`."""
        for number, values in enumerate(given):
            for value in values:
                if isinstance(value, Instance) and drivers.iterated(value.kind):
                    site.gathers, site.gathered = value.kind, number
                    of = drivers.number_of(value.kind)
                    one_by_one = "builtins.next" in site.paths
                    if drivers.endless(value.kind) and of is not None and not one_by_one:
                        self.program.leaked[of].append(site)

    def lose(self, values: Values, node: cst.CSTNode, env: Environment) -> None:
        """Note what goes where nobody follows it at all."""
        self.leak(values, node, env)
        for function in routines(values):
            function.pins.setdefault("it is kept where its calls are not seen", node)

    def _subscript(self, node: cst.Subscript, env: Environment) -> Values:
        base = self.evaluate(node.value, env)
        index: Values = NOTHING
        for element in node.slice:
            if isinstance(element.slice, cst.Index):
                index |= self.evaluate(element.slice.value, env)
            else:
                self.parts(element, env)
        found: Values = NOTHING
        position = _integer(node)
        for value in base:
            at = place(value, position) if position is not None else None
            if at is not None:
                found |= at
            elif isinstance(value, Many | Row):
                found |= items(one(value))
            elif isinstance(value, Object):
                self.passed_to("__getitem__", value, index)
                for method in self.methods(value.of, "__getitem__"):
                    found |= method.returns
                found |= items(one(value))
                if value.of.external_bases():
                    found |= DATA
            elif isinstance(value, Instance):
                if drivers.number_of(value.kind) is not None:
                    self.site(node, env, "call").paths.add(f"{value.kind}.__getitem__")
                found |= types.subscripted(value.kind)
            elif isinstance(value, Text):
                found |= DATA
            elif isinstance(value, External):
                found |= types.subscripted(value.path)
        return found

    def _tuple(self, node: cst.Tuple, env: Environment) -> Values:
        places = tuple(self._element(element, env) for element in node.elements)
        if any(isinstance(element, cst.StarredElement) for element in node.elements):
            return many(frozenset().union(*places))
        return one(Row(places)) if len(places) < 12 else many(frozenset().union(*places))

    def _list(self, node: cst.List | cst.Set, env: Environment) -> Values:
        found: Values = NOTHING
        for element in node.elements:
            found |= self._element(element, env)
        self.keep(found)
        return many(found)

    def _element(self, element: cst.BaseElement, env: Environment) -> Values:
        """What an element, or `*` before one, puts into a container."""
        values = self.evaluate(element.value, env)
        if not isinstance(element, cst.StarredElement):
            return values
        self.go_through(element.value, values, env)
        return items(values)

    def go_through(self, node: cst.BaseExpression, values: Values, env: Environment) -> None:
        """Note that all which a generator gives is taken at once, without a loop."""
        pin_beside_others(values, node)
        for value in values:
            if isinstance(value, Generated):
                if value.function.is_endless:
                    value.function.pins.setdefault("it does not end, and is no loop's here", node)
                self.site(node, env, "for").functions.add(value.function)
                self.program.consumed[node] = value.function
            elif isinstance(value, Instance) and drivers.iterated(value.kind):
                self.site(node, env, "for").paths.add(f"{value.kind}.__iter__")

    def _dict(self, node: cst.Dict, env: Environment) -> Values:
        found: Values = NOTHING
        for element in node.elements:
            if isinstance(element, cst.DictElement):
                self.evaluate(element.key, env)
            found |= self.evaluate(element.value, env)
        self.keep(found)
        kept = frozenset(value for value in found if not isinstance(value, Text))
        return many(kept or (DATA if node.elements else NOTHING))

    def _comprehension(
        self, node: cst.ListComp | cst.SetComp | cst.GeneratorExp, env: Environment
    ) -> Values:
        inner = env.branch()
        ends = self._clauses(node.for_in, inner)
        if isinstance(node, cst.GeneratorExp) and isinstance(env.where, Function) and not ends:
            self.program.endless[node] = env.where
        return many(self.evaluate(node.elt, inner))

    def _dict_comprehension(self, node: cst.DictComp, env: Environment) -> Values:
        inner = env.branch()
        self._clauses(node.for_in, inner)
        self.evaluate(node.key, inner)
        return many(self.evaluate(node.value, inner))

    def _clauses(self, clause: cst.CompFor, env: Environment) -> bool:
        """Go through the loops of a comprehension; whether all of them end."""
        self.iterate(clause, clause.iter, clause.target, env, quietly=True)
        for condition in clause.ifs:
            self.evaluate(condition.test, env)
        ends = not is_endless(self.program, clause)
        if clause.inner_for_in is not None:
            ends &= self._clauses(clause.inner_for_in, env)
        return ends

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
        pin_beside_others(values, over)
        for value in values:
            if isinstance(value, Generated):
                self.site(node, env, "for").functions.add(value.function)
            elif isinstance(value, Instance):
                self.site(node, env, "for").paths.add(f"{value.kind}.__iter__")
        where = env.where
        if isinstance(where, Function) and not where.is_endless and is_endless(self.program, node):
            where.is_endless = self.changed = True
        self.assign(target, items(values), env, quietly=quietly)

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
            base = self.base(target.value, env)
            self.write_to(target, base, target.attr.value, env)
            self._attach(target, base, values, env)
            for value in base:
                number = drivers.number_of(value.kind) if isinstance(value, Instance) else None
                if number is not None and target.attr.value == "autocommit":
                    self.program.autocommitting.add(number)
                elif number is not None:
                    self.program.adjusted.setdefault(number, target.attr.value)
            self.store(base, target.attr.value, values)
            mocked = target.attr.value == "side_effect" and env.scope.module.is_test
            if not base or mocked:
                self.lose(values, target, env)
        elif isinstance(target, cst.Tuple | cst.List):
            for number, element in enumerate(target.elements):
                starred = isinstance(element, cst.StarredElement)
                part = many(items(values)) if starred else _place(values, number)
                self.assign(element.value, part, env, quietly)
        elif isinstance(target, cst.Subscript):
            self.evaluate(target, env)
            kept = self.evaluate(target.value, env)
            kept_at = {value.path for value in kept if isinstance(value, External)}
            if any(path.startswith(types.APPS_TEMPLATES) for path in kept_at):
                self.show([("", values)], target, env.where)
                return
            if called_by := {path for path in kept_at if path.startswith("jinja2.")}:
                site = self.site(target, env, "call")
                site.paths |= called_by
                site.escaping |= routines(values)
                self.lose(values, target, env)
                return
            if any(isinstance(value, Object) for value in kept):
                self.lose(values, target, env)
            known = any(isinstance(value, Many | Row) for value in kept)
            if known or any(may_be_called(value) for value in values):
                self._grow(target, target.value, values, env)


def _place(values: Values, number: int) -> Values:
    found: Values = NOTHING
    for value in values:
        at = place(value, number)
        if at is not None:
            found |= at
        elif isinstance(value, Many | Generated | Instance | Text):
            found |= items(one(value))
    return found


def may_be_called(value: Value) -> bool:
    """Whether it matters who calls a method of it, or it itself."""
    if isinstance(value, Instance):
        return not value.kind.startswith(("builtins.", "flask.", "werkzeug."))
    return isinstance(value, Object) or bool(routines(one(value)))


def _integer(node: cst.Subscript) -> int | None:
    if len(node.slice) == 1:
        index = node.slice[0].slice
        if isinstance(index, cst.Index) and isinstance(index.value, cst.Integer):
            return index.value.evaluated_value
    return None
