"""What tests hand over: doubles, in the place of something else, and what is to be called."""

from __future__ import annotations

from dataclasses import replace

import libcst as cst

from . import flask_types as types
from .environment import Environment
from .evaluation import Expressions
from .nodes import parts_of
from .sites import Double, Site
from .values import (
    DATA,
    NOTHING,
    Arguments,
    External,
    Instance,
    ModuleValue,
    Object,
    Text,
    Type,
    Values,
    items,
    many,
    merged,
    one,
    routines,
)

_IN_PLACE_OF_A_NAME = {"unittest.mock.patch", "mock.patch", "pytest_mock.MockerFixture.patch"}
_IN_PLACE_OF_A_MEMBER = {
    *("unittest.mock.patch.object", "mock.patch.object", "pytest_mock.?.object"),
    "pytest.MonkeyPatch.setattr",
}
_IN_PLACE_OF_MEMBERS = {
    *("unittest.mock.patch.multiple", "mock.patch.multiple", "pytest_mock.?.multiple"),
}
STANDING_IN = _IN_PLACE_OF_A_NAME | _IN_PLACE_OF_A_MEMBER | _IN_PLACE_OF_MEMBERS
"""Calls that put a double in the place of what they name."""

_SETTING_ITEMS = "pytest.MonkeyPatch.setitem"
PUTTING_IN = {
    *("unittest.mock.patch.dict", "mock.patch.dict", "pytest_mock.?.dict"),
    _SETTING_ITEMS,
}
"""Calls that put something into a container for a while."""

CALLING = {
    "pytest.raises": 1,
    "pytest.warns": 1,
    "unittest.TestCase.assertRaises": 1,
    "unittest.TestCase.assertRaisesRegex": 2,
    "unittest.TestCase.assertWarns": 1,
    "unittest.TestCase.assertWarnsRegex": 2,
}
"""Calls that call an argument: which one."""


class Doubles(Expressions):
    """The evaluation of calls that put something in the place of something else."""

    def call_given(self, site: Site, position: int, arguments: Arguments, env: Environment) -> None:
        """Call what is given to be called, with the arguments that come after it."""
        if isinstance(site.node, cst.Call) and site.node.args:
            for part in parts_of(site.node.args[0].value):
                self.program.errors[part] = self.evaluate(part, env)
        if isinstance(site.node, cst.Call) and [how for how, _ in arguments[position:]][:1] == [""]:
            given = site.node.args[position].value
            self.call(given, arguments[position][1], arguments[position + 1 :], env)
            self.program.given[given] = site, position

    def expected(self, arguments: Arguments) -> Values:
        """What tells of the error that is expected: it has the error as an attribute."""
        kinds = arguments[0][1] | items(arguments[0][1]) if arguments else NOTHING
        errors = frozenset(Object(kind.of) for kind in kinds if isinstance(kind, Type))
        names = sorted(f"{error.of.module.name}.{error.of.name}" for error in errors)
        info = one(Instance(f"pytest.ExceptionInfo of {', '.join(names)}"))
        for attribute in ("value", "exception"):
            self.store(info, attribute, errors)
        return info

    def stand_in(self, site: Site, path: str, arguments: Arguments) -> None:
        """Note doubles, and that their functions must be of the same kind as what they replace."""
        if not isinstance(site.node, cst.Call) or not arguments:
            return
        texts = [value.text for value in arguments[0][1] if isinstance(value, Text)]
        written = list(zip(site.node.args, arguments, strict=True))
        if path in _IN_PLACE_OF_MEMBERS:
            of = NOTHING.union(*map(self.at, texts)) if texts else arguments[0][1]
            for arg, (how, values) in written:
                made_up = any(
                    isinstance(v, External) and v.path.endswith("DEFAULT") for v in values
                )
                if how and not made_up:
                    self._note(arg, Double(site, of, self.attribute(of, how), arg.value, values))
            return
        of, naming = arguments[0][1], 2
        names = {v.text for v in arguments[1][1] if isinstance(v, Text)} if arguments[1:] else set()
        if texts:
            naming = 1
            of = NOTHING.union(*(self.at(text.rpartition(".")[0]) for text in texts))
            names = {text.rpartition(".")[2] for text in texts}
        target = NOTHING.union(*(self.attribute(of, name) for name in names))
        double = Double(site, of, target)
        for number, (arg, (how, values)) in enumerate(written):
            if how in {"new", "value"} or (how == "" and number == naming):
                double = replace(double, node=arg.value, given=values)
            elif how == "new_callable" and isinstance(arg.value, cst.Lambda):
                made = NOTHING.union(*(each.returns for each in routines(values)))
                double = replace(double, node=arg.value.body, given=made)
            elif how in {"side_effect", "wraps"}:
                double = replace(double, called=(*double.called, (arg.value, values)))
        self._note(site.node, double)

    def put_in(self, node: cst.Call, path: str, arguments: Arguments, env: Environment) -> None:
        """Note what a container has for a while, but for texts and numbers."""
        if path == _SETTING_ITEMS:
            given = [values for _, values in arguments[2:]]
        else:
            given = [values if how else items(values) for how, values in arguments[1:]]
        added = (
            frozenset(value for value in NOTHING.union(*given) if not isinstance(value, Text))
            - DATA
        )
        for arg, (_, named) in zip(node.args[:1], arguments, strict=False):
            self._grow(node, arg.value, added, env)
            for value in named:
                of, _, name = value.text.rpartition(".") if isinstance(value, Text) else ("",) * 3
                if added and name:
                    kept = self.attribute(self.at(of), name)
                    self.store(self.at(of), name, merged(kept | many(added)))

    def _note(self, node: cst.CSTNode, double: Double) -> None:
        self.program.doubles[node] = double
        self._of_one_kind(double)

    def at(self, name: str) -> Values:
        """What a dotted name that is written out stands for."""
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            module = self.program.module_called(".".join(parts[:length]))
            if module is not None:
                found = one(ModuleValue(module))
                for part in parts[length:]:
                    found = self.attribute(found, part)
                return found
        return types.external(name)

    def _of_one_kind(self, double: Double) -> None:
        for function in routines(double.given):
            self.program.aliases[function] |= routines(double.target) - {function}
        for value in double.given:
            for replaced in double.target:
                if isinstance(value, Object | Type) and isinstance(replaced, Object | Type):
                    for name in value.of.bindings:
                        for method in self.methods(value.of, name):
                            others = {*self.methods(replaced.of, name)} - {method}
                            self.program.aliases[method] |= others
