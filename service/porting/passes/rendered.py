"""Where templates are rendered, and which functions they may call there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import libcst as cst
import libcst.matchers as m

from service.porting.flask_types import APP, TEMPLATE_EXTENSION
from service.porting.implicit import is_special
from service.porting.nodes import text_of
from service.porting.plan import Plan
from service.porting.program import Function
from service.porting.registration import TEMPLATE
from service.porting.sites import Site
from service.porting.templates import RENDERING_FILES, RENDERING_TEXTS
from service.porting.values import NOTHING, routines

_OBJECTS = {"jinja2.Template.render"}
_RENDERING = RENDERING_FILES | RENDERING_TEXTS | _OBJECTS
_FOR_EACH = "update_template_context"
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
        self._known_as = self._registered()
        self.called = {site: self._given(site) for site in self.words}
        self._call_the_rest()

    def by_hand(self) -> Iterator[Site]:
        """Those whose templates may use what needs a hand where it is registered for them."""
        for node, shown in self.plan.program.shown.items():
            if node in self.plan.by_hand[shown.where.module] and (names := _keys(node)):
                yield from (site for site in self.words if names & self.words[site])

    def calling(self, functions: set[Function]) -> Iterator[Site]:
        """Those whose templates may call one of these."""
        return (site for site, called in self.called.items() if not called.isdisjoint(functions))

    def _call_the_rest(self) -> None:
        """Add what templates know without being given it where they are rendered."""
        everywhere = self.plan.program.templates.words
        given = {function for functions in self.called.values() for function in functions}
        for function in self.plan.functions():
            if not self._is_known(function):
                continue
            known_as = self._known_as.get(function, set())
            names = known_as or names_of(function)
            anywhere = function not in given and names.isdisjoint(everywhere)
            anywhere |= is_special(function.name) and function in self._known_as
            anywhere |= _is_for_any(function)
            for site, words in self.words.items():
                if names & words or (anywhere and not known_as):
                    self.called[site].add(function)

    def _is_known(self, function: Function) -> bool:
        """Whether templates know it."""
        if function.roles & {TEMPLATE, _PROCESSOR}:
            return True
        if function in self.plan.program.read_by_templates or function in self._known_as:
            return True
        return _is_for_any(function)

    def _words(self, site: Site) -> set[str]:
        """The names in the template that is rendered there, if one is."""
        node, templates = site.node, self.plan.program.templates
        if not isinstance(node, cst.Call) or site.paths.isdisjoint(_RENDERING):
            return set()
        written = text_of(node.args[0].value) if node.args else None
        if written is None or not site.paths.isdisjoint(_OBJECTS):
            return templates.words
        of_a_file = site.paths.isdisjoint(RENDERING_TEXTS)
        return templates.words_at(written) if of_a_file else templates.words_of(written)

    def _given(self, site: Site) -> set[Function]:
        """The functions among the arguments of a call."""
        args = site.node.args if isinstance(site.node, cst.Call) else ()
        values = [self.plan.program.values.get(arg.value, NOTHING) for arg in args]
        shown = self.plan.program.shown.get(site.node)
        return routines(NOTHING.union(*values)) | (shown.called if shown else set())

    def _registered(self) -> dict[Function, set[str]]:
        """What templates know anywhere, by which names; no names, if not by those alone."""
        known: dict[Function, list[set[str]]] = defaultdict(list)
        rendering = {site.node for site in self.words}
        for node, shown in self.plan.program.shown.items():
            for function in routines(shown.values) | shown.called:
                known[function] += [] if node in rendering else [_keys(node)]
        for site in self.plan.sites("call"):
            if isinstance(site.node, cst.Subscript) and _of_own_environment(site):
                for function in site.escaping:
                    known[function].append(_keys(site.node))
        return {
            function: set().union(*names) if all(names) else set()
            for function, names in known.items()
            if names
        }


def _is_for_any(function: Function) -> bool:
    """Whether it is for tags of its own, which any template may have, or for each of them."""
    bases = function.owner.external_bases() if function.owner is not None else ()
    return TEMPLATE_EXTENSION in bases or (APP in bases and function.name == _FOR_EACH)


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


def names_of(function: Function) -> set[str]:
    """The names by which templates may know a function, as far as they can be read."""
    decorators = function.node.decorators if isinstance(function.node, cst.FunctionDef) else ()
    of_function = [function.node] if _PROCESSOR in function.roles else decorators
    texts = (text_of(each) for of in of_function for each in m.findall(of, m.SimpleString()))
    return set(filter(None, texts)) or {function.name}
