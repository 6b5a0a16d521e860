"""Settings of an app that are more than data: what the project puts there, and reads again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import libcst as cst

from .containers import Containers, may_be_called
from .environment import Environment
from .flask_types import APP, PUTTING
from .values import NOTHING, Arguments, External, Many, Row, Text, Values, items, merged

CONFIG = External(f"{APP}.config")
_UNNAMED = ""
"""What is put there by names that are not seen."""


class Settings(Containers):
    """The evaluation of `app.config`.

    Attributes:
        _places_of: the variables and attributes that are written like settings, as a round began.
    """

    _places_of: Mapping[str, Sequence[Mapping[str, Values]]] = {}

    def find_settings(self) -> None:
        """Find out where the project has something that may be loaded into `app.config`."""
        classes, modules = self.program.classes.values(), self.program.modules.values()
        places = [of.attributes for of in classes]
        places += [of.bindings for of in (*classes, *modules)]
        written = defaultdict(list)
        for where in places:
            for name in filter(str.isupper, where):
                written[name].append(where)
        self._places_of = written

    def _subscript(self, node: cst.Subscript, env: Environment) -> Values:
        found = super()._subscript(node, env)
        return (
            self._read(found, self._key(node, env)) if self._is_config(node.value, env) else found
        )

    def assign(
        self,
        target: cst.BaseExpression,
        values: Values,
        env: Environment,
        quietly: bool = False,
    ) -> None:
        """Assign values; what has a name in `app.config` is kept by that name."""
        names: set[str] = set()
        if isinstance(target, cst.Subscript) and self._is_config(target.value, env):
            names = _texts(self._key(target, env))
        if not names:
            super().assign(target, values, env, quietly)
        for name in names:
            self._put(target, name, values, env)

    def settings_put(
        self, node: cst.Call, base: Values, name: str, given: Arguments, env: Environment
    ) -> None:
        """Keep what `config.update(...)` is given, and the like."""
        putting = CONFIG in base and f"{CONFIG.path}.{name}" in PUTTING
        if not putting or not isinstance(node.func, cst.Attribute):
            return
        if name == "setdefault":
            for key in _texts(given[0][1]) if len(given) > 1 else ():
                self._put(node, key, given[1][1], env)
            return
        for arg, (how, values) in zip(node.args, given, strict=True):
            pairs = arg.value.elements if isinstance(arg.value, cst.Dict) else ()
            written = [pair for pair in pairs if isinstance(pair, cst.DictElement)]
            for pair in written:
                for key in _texts(self.evaluate(pair.key, env)):
                    self._put(node, key, self.evaluate(pair.value, env), env)
            if how not in {"", "*", "**"}:
                self._put(node, how, values, env)
            elif not values:
                self._put(node, _UNNAMED, NOTHING, env)
            elif not written or len(written) < len(pairs):
                self._grow(node, node.func.value, items(frozenset(filter(_holds, values))), env)

    def held(self, base: Values, found: Values, given: Arguments) -> Values:
        """What `get`, `pop` and `setdefault` return, of a container of the app's as well."""
        found |= items(frozenset(filter(_holds, base)))
        if CONFIG in base and given:
            found = self._read(found, given[0][1])
        return found.union(*(values for _, values in given[1:]))

    def _read(self, found: Values, names: Values) -> Values:
        """What settings of these names may be, where `found` is what any of them may be."""
        put = self.program.settings
        named = [put[name] for name in _texts(names) & put.keys()]
        if NOTHING in named:
            return NOTHING
        for name in _texts(names):
            named += [where[name] for where in self._places_of.get(name, ())]
        known = NOTHING.union(*named)
        if known:
            found = known.union(filter(may_be_called, found))
        anything = _UNNAMED in put and any(map(may_be_called, known))
        return NOTHING if anything else found

    def _put(self, node: cst.CSTNode, name: str, values: Values, env: Environment) -> None:
        self.keep(values)
        self.leak(values, node, env)
        before = self.program.settings.get(name)
        self.program.settings[name] = merged((before or NOTHING) | values)
        self.changed |= self.program.settings[name] != before

    def _is_config(self, node: cst.BaseExpression, env: Environment) -> bool:
        named = isinstance(node, cst.Name) or (
            isinstance(node, cst.Attribute) and node.attr.value == "config"
        )
        return named and CONFIG in self.evaluate(node, env)

    def _key(self, node: cst.Subscript, env: Environment) -> Values:
        index = node.slice[0].slice
        return self.evaluate(index.value, env) if isinstance(index, cst.Index) else NOTHING


def _holds(value: object) -> bool:
    return isinstance(value, Many | Row)


def _texts(names: Values) -> set[str]:
    return {value.text for value in names if isinstance(value, Text)}
