"""What becomes JSON: the project's objects in it are what encoders are asked about."""

from __future__ import annotations

from .doubles import Doubles
from .program import Function, Program
from .sites import Site
from .values import (
    NOTHING,
    OTHERS,
    Arguments,
    Instance,
    Many,
    Object,
    Row,
    Values,
    items,
    one,
    routines,
)

ENCODERS = {"DefaultJSONProvider", "JSONEncoder", "JSONProvider"}
"""The classes of what makes JSON, by their last names."""
_ENCODING = {
    f"{of}.{name}"
    for of in ("flask.Flask.json", "flask.json", "json")
    for name in ("dump", "dumps", "response")
} | {"flask.jsonify"}
_OF_OTHERS = one(Instance(OTHERS))


class Encoders(Doubles):
    """The evaluation of what becomes JSON."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self._encoded: Values = NOTHING
        self._all_known = False
        self._known_so_far = True

    def settle(self) -> None:
        """At the end of a round: see whether all that becomes JSON is known by now."""
        self.changed |= self._all_known != self._known_so_far
        self._all_known, self._known_so_far = self._known_so_far, True

    def take_for_encoded(self) -> None:
        """At last: methods that nobody else calls are of objects that get there unseen."""
        called = {function for site in self.program.sites.values() for function in site.functions}
        for site in self.program.sites.values():
            for name in asked_of_others(site):
                for function in self.program.functions.values():
                    if function.name == name and function.owner and function not in called:
                        site.functions.add(function)

    def encode(self, values: Values) -> None:
        """Note that this becomes JSON, with all that is in it."""
        self._known_so_far &= bool(values)
        found = _objects(values)
        self.changed |= not found <= self._encoded
        self._encoded |= found

    def asked_about(self, function: Function, name: str) -> Values:
        """What an encoder's method is asked about by this parameter; nothing if it is none."""
        bases = function.owner.external_bases() if function.owner is not None else []
        asked = function.names[0 if function.is_static() else 1 :][:1]
        if function.name != "default" or asked != [name]:
            return NOTHING
        if not any(base.rpartition(".")[2] in ENCODERS for base in bases):
            return NOTHING
        if function.returns:
            self.encode(function.returns)
        return self._in_question()

    def _encode(self, site: Site, path: str, arguments: Arguments) -> None:
        """Note what a call makes JSON of, and which function it asks about that."""
        if path not in _ENCODING or site.where.module.is_test:
            return
        for how, values in arguments:
            if how != "default":
                self.encode(values)
                continue
            for function in routines(values):
                for name in function.names[:1]:
                    self.changed |= function.bind(name, self._in_question())

    def _in_question(self) -> Values:
        return self._encoded | _OF_OTHERS if self._all_known else NOTHING


def asked_of_others(site: Site) -> list[str]:
    """The methods that an encoder calls there of objects which it knows nothing of."""
    prefix = f"{OTHERS}."
    return [path.removeprefix(prefix) for path in site.paths if path.startswith(prefix)]


def _objects(values: Values) -> Values:
    """The objects of the project among values, and in them."""
    found: Values = frozenset(value for value in values if isinstance(value, Object))
    for value in values:
        if isinstance(value, Many | Row):
            found |= _objects(items(one(value)))
    return found
