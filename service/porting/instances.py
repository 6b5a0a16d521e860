"""What is true, and what `isinstance`, `type` and `cast` tell of the class of something."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import libcst as cst
import libcst.matchers as m

from .environment import Environment, Names
from .nodes import parts_of
from .values import (
    DATA,
    OTHERS,
    Instance,
    Object,
    Routine,
    Type,
    Value,
    Values,
    instance_of,
)

_TOLD = m.Call(func=m.Name("isinstance"), args=[m.Arg(m.Name()), m.Arg()])


class Instances(Names):
    """Knowing more of a name within a branch."""

    @abstractmethod
    def evaluate(self, node: cst.CSTNode, env: Environment) -> Values:
        """What an expression may stand for here."""

    @contextmanager
    def where_true(self, test: cst.BaseExpression, env: Environment) -> Iterator[None]:
        """Know meanwhile of which class a name is that nothing else is known of."""
        before = dict(env.names)
        told: dict[str, Values] = {}
        for name, classes in _told(test):
            kinds = frozenset[Value]().union(*(self.evaluate(each, env) for each in classes))
            if all(map(instance_of, kinds)) and _is_open(self.look_up(env, name)):
                found = frozenset(value for kind in kinds if (value := instance_of(kind)))
                env.names[name] = told[name] = found
        yield
        for name, values in told.items():
            if env.names.get(name) is not values:
                continue
            if name in before:
                env.names[name] = before[name]
            else:
                del env.names[name]

    def either(self, node: cst.BooleanOperation, env: Environment) -> Values:
        """What `or` gives, or `and`, which never stops at what is always true."""
        values = self.evaluate(node.left, env)
        if isinstance(node.operator, cst.Or):
            return values | self.evaluate(node.right, env)
        with self.where_true(node.left, env):
            right = self.evaluate(node.right, env)
        return frozenset(value for value in values if not _is_true(value)) | right


def told_of_classes(path: str, given: list[Values]) -> Values | None:
    """What `type` gives, of one thing, or `cast`; None for other calls."""
    if path == "builtins.type" and len(given) == 1:
        return frozenset(Type(value.of) for value in given[0] if isinstance(value, Object))
    if path == "typing.cast" and len(given) == 2:
        return given[1] | {Object(value.of) for value in given[0] if isinstance(value, Type)}
    return None


def _is_true(value: Value) -> bool:
    """Whether it is true whatever it holds."""
    if isinstance(value, Object):
        asked = any(value.of.attribute(name) for name in ("__bool__", "__len__"))
        return not asked and {*value.of.external_bases()} <= {"builtins.object"}
    return isinstance(value, Routine | Type) or value == Instance("flask.Flask")


def _is_open(values: Values) -> bool:
    """Whether nothing else is known, or it may be of other classes than those known."""
    return values <= DATA or Instance(OTHERS) in values


def _told(test: cst.BaseExpression) -> Iterator[tuple[str, list[cst.BaseExpression]]]:
    """The names that are known where a test is true, each with the classes it may be of."""
    if isinstance(test, cst.BooleanOperation) and isinstance(test.operator, cst.And):
        yield from _told(test.left)
        yield from _told(test.right)
    elif isinstance(test, cst.Call) and m.matches(test, _TOLD):
        name, classes = test.args
        yield cst.ensure_type(name.value, cst.Name).value, parts_of(classes.value)
