"""What is got by its name: by functions that `operator` makes, or from pytest's `request`."""

from __future__ import annotations

from dataclasses import replace

import libcst as cst

from . import drivers
from .awaitables import AWAITABLE
from .doubles import Doubles
from .environment import Environment
from .libraries import CALLING_ANYTHING
from .program import Program
from .registration import PROPERTIES
from .sites import Site
from .values import (
    DATA,
    NOTHING,
    Arguments,
    External,
    Getter,
    Routine,
    Row,
    Text,
    Value,
    Values,
    items,
    one,
    routines,
)

_READING, _CALLING = "operator.attrgetter", "operator.methodcaller"
_ASKING_FOR_FIXTURES = "pytest.FixtureRequest.getfixturevalue"
_ANY = frozenset((Text("form"), Text("get_json")))
"""What stands for a name that is not known."""


class Getters(Doubles):
    """The evaluation of what `attrgetter` and `methodcaller` make."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self._passed: dict[cst.CSTNode, Arguments] = {}
        """What methods are called with, by the call that says so."""

    def getter(self, site: Site, path: str, arguments: Arguments) -> Values | None:
        """What a call of `operator` makes, or pytest has by a name; None if it is no such call."""
        if path == _ASKING_FOR_FIXTURES and arguments:
            fixtures = self.program.fixtures
            texts = [value.text for value in arguments[0][1] if isinstance(value, Text)]
            asked = {each for text in texts for each in fixtures.get(text, ())}
            self.program.fixtures_asked_for[site] = asked
            return NOTHING.union(*(each.returns | each.yields for each in asked))
        if path in PROPERTIES:
            given = arguments[0][1] if arguments else NOTHING
            for function in routines(NOTHING.union(*(values for _, values in arguments))):
                self.changed |= not function.is_property()
                function.made_property |= not function.is_property()
            made = (replace(each, is_read=True) for each in given if isinstance(each, Getter))
            return frozenset[Value](made) or None
        if path not in {_READING, _CALLING} or not arguments:
            return None
        names: list[Values] = []
        for how, values in arguments[:1] if path == _CALLING else arguments:
            known = frozenset(value for value in values if isinstance(value, Text))
            names += [NOTHING, NOTHING] if how else [known]
        if path == _CALLING:
            self._passed[site.node] = arguments[1:]
        return one(Getter(tuple(names), site.node))

    def got(self, site: Site, getter: Getter, arguments: Arguments, env: Environment) -> Values:
        """What such a function returns for its argument."""
        node, names = site.node, getter.names[0]
        base = NOTHING.union(*(items(given) if how else given for how, given in arguments[:1]))
        if not isinstance(node, cst.Call):
            return NOTHING
        if getter.made in self._passed:
            called = self.by_name(node, base, names, env, called=True)
            if not called:
                site.asked |= {name.text for name in names if isinstance(name, Text)}
            plain = any(isinstance(v, External) and v.path not in AWAITABLE for v in called)
            self._note_either(site, env, plain)
            return self.call(node, called, self._passed[getter.made], env)
        if self._goes_on(getter, base):
            self.program.read_on[node] = site
            return DATA
        places = tuple(self._got_at(node, base, names, env) for names in getter.names)
        awaited = [self._is_awaited(self._along(base, way)) for way in _ways(names)]
        self._note_either(site, env, awaited != [True])
        return places[0] if len(places) == 1 else one(Row(places))

    def _note_either(self, site: Site, env: Environment, is_plain: bool) -> None:
        """Note whether it gives what is not awaited; another such function may be called there."""
        site.either |= is_plain
        self.site(site.node, env, "attribute").either |= is_plain

    def unfolded(self, node: cst.CSTNode, found: Values, base: Values, env: Environment) -> Values:
        """What attributes give, where one may be a property that such a function is."""
        for getter in [value for value in found if isinstance(value, Getter) and value.is_read]:
            found -= one(getter)
            for way in _ways(getter.names[0]):
                read = self._along(base, way)
                if getter.made in self._passed:
                    self.site(node, env, "attribute").functions |= routines(read)
                    read = NOTHING.union(*(each.returns for each in routines(read)))
                found |= read
        return found

    def _got_at(self, node: cst.Call, base: Values, names: Values, env: Environment) -> Values:
        found = NOTHING if names else self.by_name(node, base, names, env)
        for *way, last in _ways(names):
            found |= self.by_name(node, self._along(base, way), one(Text(last)), env)
        return found

    def _along(self, base: Values, way: list[str]) -> Values:
        """What is found by one attribute after the other."""
        for name in way:
            base = self.attribute(base | self.of_own_classes(base), name)
        return base

    def _goes_on(self, getter: Getter, base: Values) -> bool:
        """Whether it reads on of what is awaited now, or gives that together with others."""
        several = len(getter.names) > 1
        return any(
            self._is_awaited(self._along(base, way[:end]))
            for names in getter.names
            for way in _ways(names or _ANY)
            for end in range(1, len(way) + several)
        )

    def _is_awaited(self, values: Values) -> bool:
        return any(isinstance(value, External) and self.is_property(value.path) for value in values)

    def _is_read(self, value: Value) -> bool:
        """Whether reading this attribute calls something."""
        if isinstance(value, Routine):
            return value.function.is_property()
        return isinstance(value, External) and self.is_property(value.path)

    def with_asked(self, site: Site, arguments: Arguments) -> Arguments:
        """Arguments, with what getters among them read, or call, of the others."""
        return [(how, values | self._asked(site, values, arguments)) for how, values in arguments]

    def _asked(self, site: Site, values: Values, arguments: Arguments) -> Values:
        found: Values = NOTHING
        for getter in values:
            if not isinstance(getter, Getter):
                continue
            given = NOTHING.union(*(values | items(values) for _, values in arguments))
            if getter.made in self._passed:
                found |= self._methods_of(site, getter, given)
            elif self._goes_on(getter, given):
                self.program.read_on[site.node] = site
            else:
                for way in _ways(getter.names[0] or _ANY):
                    found |= frozenset(filter(self._is_read, self._along(given, way)))
        return found

    def _methods_of(self, site: Site, getter: Getter, given: Values) -> Values:
        """The methods that are called of what is given."""
        names = getter.names[0] or _ANY
        found = NOTHING.union(*(self._along(given, way) for way in _ways(names)))
        for path in [value.path for value in found if isinstance(value, External)]:
            number = drivers.number_of(path)
            if number is not None:
                self.program.leaked[number].append(site)
            if path not in AWAITABLE:
                site.paths.add(path)
        if not found:
            site.paths.add(CALLING_ANYTHING)
            site.asked |= {name.text for name in names if isinstance(name, Text)}
        return found


def _ways(names: Values) -> list[list[str]]:
    return [name.text.split(".") for name in names if isinstance(name, Text)]
