"""Where templates are rendered, and which functions they may call there."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from service.porting.implicit import is_special
from service.porting.nodes import text_of
from service.porting.plan import Plan
from service.porting.program import Function
from service.porting.registration import TEMPLATE
from service.porting.sites import Site
from service.porting.values import NOTHING, Object, Values, routines

_FILES = {"flask.render_template", "flask.stream_template"}
_TEXTS = {"flask.render_template_string", "flask.stream_template_string"}
_OBJECTS = {"jinja2.Template.render"}
"""What renders a template: by the name of its file, by its text, or as an object."""
_PROCESSOR = "context processor"
_OWN_ENVIRONMENT = "jinja2."


class Rendered:
    """The places where templates are rendered.

    Attributes:
        words: the names in the templates that are rendered there.
        called: the functions that these may call.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.words = {site: words for site in plan.sites("call") if (words := self._words(site))}
        self._known_as = dict(self._registered())
        self.called = {site: self._given(site) for site in self.words}
        self._call_the_rest()

    def by_hand(self) -> Iterator[Site]:
        """Those whose templates may use what needs a hand where it is registered for them."""
        for node, (where, _) in self.plan.program.shown.items():
            if node in self.plan.by_hand[where.module] and (names := _keys(node)):
                yield from (site for site in self.words if names & self.words[site])

    def _call_the_rest(self) -> None:
        """Add what templates know without being given it where they are rendered."""
        everywhere = self.plan.program.templates.words
        given = {function for functions in self.called.values() for function in functions}
        for function in self.plan.functions():
            if not self._is_known(function):
                continue
            names = self._known_as.get(function) or _names(function)
            anywhere = is_special(function.name) or (
                function not in given and names.isdisjoint(everywhere)
            )
            for site, words in self.words.items():
                if names & words or (anywhere and function not in self._known_as):
                    self.called[site].add(function)

    def _is_known(self, function: Function) -> bool:
        """Whether templates know it."""
        if function.roles & {TEMPLATE, _PROCESSOR}:
            return True
        return function in self.plan.program.read_by_templates or function in self._known_as

    def _words(self, site: Site) -> set[str]:
        """The names in the template that is rendered there, if one is."""
        node, templates = site.node, self.plan.program.templates
        if not isinstance(node, cst.Call) or site.paths.isdisjoint(_FILES | _TEXTS | _OBJECTS):
            return set()
        written = text_of(node.args[0].value) if node.args else None
        if written is None or not site.paths.isdisjoint(_OBJECTS):
            return templates.words
        of_a_file = site.paths.isdisjoint(_TEXTS)
        return templates.words_at(written) if of_a_file else templates.words_of(written)

    def _given(self, site: Site) -> set[Function]:
        """The functions among the arguments of a call."""
        args = site.node.args if isinstance(site.node, cst.Call) else ()
        values = self.plan.program.values
        return {function for arg in args for function in routines(values.get(arg.value, NOTHING))}

    def _registered(self) -> Iterator[tuple[Function, set[str]]]:
        """The functions that templates know by a name of an environment alone, and the names."""
        known: dict[Function, list[set[str]]] = {}
        for node, (_, values) in self.plan.program.shown.items():
            for function in routines(values) | self._methods(values):
                known.setdefault(function, []).append(_keys(node))
        for site in self.plan.sites("call"):
            if isinstance(site.node, cst.Subscript) and _of_own_environment(site):
                for function in site.escaping:
                    known.setdefault(function, []).append(_keys(site.node))
        for function, names in known.items():
            if all(names):
                yield function, set().union(*names)

    def _methods(self, values: Values) -> set[Function]:
        """The methods of objects among the values that templates may call."""
        words = self.plan.program.templates.words
        return {
            function
            for value in values
            if isinstance(value, Object)
            for each in value.of.lineage()
            for name in each.bindings
            if name in words or is_special(name)
            for function in routines(each.bindings[name])
        }


def _of_own_environment(site: Site) -> bool:
    return any(path.startswith(_OWN_ENVIRONMENT) for path in site.paths)


def _keys(node: cst.CSTNode) -> set[str]:
    """The names that `globals["name"] = ...` or `globals.update(name=...)` registers."""
    if isinstance(node, cst.Subscript):
        texts = (text_of(each) for part in node.slice for each in m.findall(part, m.SimpleString()))
        return set(filter(None, texts))
    if isinstance(node, cst.Call) and m.matches(node.func, m.Attribute(attr=m.Name("update"))):
        return {arg.keyword.value for arg in node.args if arg.keyword is not None}
    return set()


def _names(function: Function) -> set[str]:
    """The names by which templates may know a function, as far as they can be read."""
    decorators = function.node.decorators if isinstance(function.node, cst.FunctionDef) else ()
    of_function = [function.node] if _PROCESSOR in function.roles else decorators
    texts = (text_of(each) for of in of_function for each in m.findall(of, m.SimpleString()))
    return set(filter(None, texts)) or {function.name}
