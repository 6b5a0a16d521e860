"""What tests hand over: doubles, in the place of something else, and what is to be called."""

from __future__ import annotations

import libcst as cst

from . import flask_types as types
from .environment import Environment
from .evaluation import Expressions
from .program import Double, Site
from .values import (
    NOTHING,
    Instance,
    ModuleValue,
    Object,
    Text,
    Type,
    Values,
    items,
    one,
    routines,
)

_IN_PLACE_OF_A_NAME = {"unittest.mock.patch", "mock.patch", "pytest_mock.MockerFixture.patch"}
_IN_PLACE_OF_A_MEMBER = {
    *("unittest.mock.patch.object", "mock.patch.object", "pytest_mock.?.object"),
    "pytest.MonkeyPatch.setattr",
}
STANDING_IN = _IN_PLACE_OF_A_NAME | _IN_PLACE_OF_A_MEMBER
"""Calls that put a double in the place of what they name."""

CALLING = {
    "pytest.raises": 1,
    "pytest.warns": 1,
    "unittest.TestCase.assertRaises": 1,
    "unittest.TestCase.assertRaisesRegex": 2,
    "unittest.TestCase.assertWarns": 1,
    "unittest.TestCase.assertWarnsRegex": 2,
}
"""Calls that call an argument: which one."""

Arguments = list[tuple[str, Values]]


class Doubles(Expressions):
    """The evaluation of calls that put something in the place of something else."""

    def call_given(self, site: Site, position: int, arguments: Arguments, env: Environment) -> None:
        """Call what is given to be called, with the arguments that come after it."""
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
        """Note a double, and that its functions must be of the same kind as what they replace."""
        if not isinstance(site.node, cst.Call) or not arguments:
            return
        texts = [value.text for value in arguments[0][1] if isinstance(value, Text)]
        naming = 2
        target: Values = NOTHING
        if texts:
            naming = 1
            for text in texts:
                target |= self._at(text)
        elif len(arguments) > 1:
            for value in arguments[1][1]:
                if isinstance(value, Text):
                    target |= self.attribute(arguments[0][1], value.text)
        double = Double(site, target)
        for number, (arg, (how, values)) in enumerate(zip(site.node.args, arguments, strict=True)):
            if how in {"new", "value"} or (how == "" and number == naming):
                double = Double(site, target, arg.value, values)
        self.program.doubles[site.node] = double
        self._of_one_kind(double)

    def _at(self, name: str) -> Values:
        """What a dotted name that is written out stands for."""
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            module = self.program.module_at(".".join(parts[:length]))
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
