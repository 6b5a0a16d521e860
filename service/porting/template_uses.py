"""How templates use what they are given: which attributes they read, and what else they call."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from jinja2 import Environment, TemplateSyntaxError, nodes
from jinja2.meta import find_referenced_templates
from jinja2.visitor import NodeVisitor

_EXTENSIONS = ("jinja2.ext.do", "jinja2.ext.i18n", "jinja2.ext.loopcontrols")
_TEXT = frozenset({"__format__", "__html__", "__repr__", "__str__"})
_INSIDE = {None, _TEXT}
"""What calls methods of all that is in a container, too."""
_TRUTH = frozenset({"__bool__", "__len__"})
_LOOP = frozenset({"__getitem__", "__iter__", "__len__", "__next__"})
_ITEM = frozenset({"__getitem__"})
_GIVING = {"get", "pop"}
"""Methods that give what is in a container."""
_LISTING = {"items", "values"}
_TAKING = {"first", "last", "random"}
_GROUPING = {"batch", "groupby", "slice"}
_PASSING = {"count", "length", "list", "reverse"}
_SHOWING = {"e", "escape", "lower", "safe", "string", "title", "trim", "upper"}
_BY_ATTRIBUTE = {"groupby", "rejectattr", "selectattr", "sort"}
"""Filters that do nothing with what they get, show it, or read what they name of it."""
_ASKING = {"defined", "none", "undefined"}
"""Tests that do nothing with what they are given."""

Place = tuple[str, int, int]
"""Where something comes from: a name, how often it was taken out, how many attributes were read."""


@dataclass
class Use:
    """How one name is used.

    Attributes:
        attributes: what is read of it, or of what is in it.
        calls: special methods, or None for all, with how often it was taken out, and how many
            attributes were read, before.
    """

    attributes: set[str] = field(default_factory=set)
    calls: set[tuple[int, int, frozenset[str] | None]] = field(default_factory=set)

    def may_call(self, special: str, level: int) -> bool:
        """Whether a special method may be called of what is so many containers deep in it."""
        return any(
            (methods is None or special in methods)
            and (taken + read == level or (taken + read < level and methods in _INSIDE))
            for taken, read, methods in self.calls
        )

    def may_read(self, name: str, level: int) -> bool:
        """Whether an attribute may be read of it."""
        return name in self.attributes or self.may_call("", level)


ANYHOW = Use(calls={(0, 0, None)})
"""The use of what nobody knows how it is used."""


def uses(templates: Iterable[str], is_known: Callable[[str], object]) -> Mapping[str, Use] | None:
    """How each name is used in templates that are rendered as one; None if nobody knows.

    Args:
        is_known: tells whether a template that another one takes in is among them.
    """
    reader = _Reader()
    environment = Environment(extensions=_EXTENSIONS)
    try:
        for tree in map(environment.parse, templates):
            if not all(name and is_known(name) for name in find_referenced_templates(tree)):
                return None
            reader.visit(tree)
    except TemplateSyntaxError:
        return None
    return reader.found


class _Reader(NodeVisitor):
    def __init__(self) -> None:
        self.found: dict[str, Use] = defaultdict(Use)
        self._places: dict[str, set[Place]] = defaultdict(set)
        """Where the variables of templates come from."""

    def generic_visit(self, node: nodes.Node) -> None:
        for child in node.iter_child_nodes():
            if isinstance(child, nodes.Expr):
                self._use(child)
            else:
                self.visit(child)

    def visit_Output(self, node: nodes.Output) -> None:
        for each in node.nodes:
            self._use(each, _TEXT)

    def visit_For(self, node: nodes.For) -> None:
        places = self._read(node.iter)
        self._note(places, _LOOP)
        self._bind(node.target, _taken(places))
        if node.test is not None:
            self._use(node.test, _TRUTH)
        for each in (*node.body, *node.else_):
            self.visit(each)

    def visit_If(self, node: nodes.If) -> None:
        self._use(node.test, _TRUTH)
        for each in (*node.body, *node.elif_, *node.else_):
            self.visit(each)

    def visit_Assign(self, node: nodes.Assign) -> None:
        self._bind(node.target, self._read(node.node))

    def visit_With(self, node: nodes.With) -> None:
        for target, value in zip(node.targets, node.values, strict=True):
            self._bind(target, self._read(value))
        for each in node.body:
            self.visit(each)

    def _bind(self, target: nodes.Node, places: set[Place]) -> None:
        for name in (target, *target.find_all(nodes.Name)):
            if isinstance(name, nodes.Name):
                self._places[name.name] |= places

    def _use(self, node: nodes.Node, methods: frozenset[str] | None = None) -> None:
        """Note that these special methods of an expression's value are called, or any."""
        self._note(self._read(node), methods)

    def _note(self, places: set[Place], methods: frozenset[str] | None) -> None:
        for name, taken, read in places:
            self.found[name].calls.add((taken, read, methods))

    def _read(self, node: nodes.Node | None) -> set[Place]:
        """Where the value of an expression may come from; notes what is used within it."""
        if isinstance(node, nodes.Name):
            return {(node.name, 0, 0)} | self._places[node.name]
        if isinstance(node, nodes.Getattr):
            return self._attribute(self._read(node.node), node.attr)
        if isinstance(node, nodes.Getitem):
            self._use(node.arg)
            places = self._read(node.node)
            name = node.arg.value if isinstance(node.arg, nodes.Const) else None
            return _taken(places) | self._attribute(places, str(name))
        if isinstance(node, nodes.Call):
            return self._called(node)
        if isinstance(node, nodes.Filter):
            return self._filtered(node)
        if isinstance(node, nodes.Test) and node.name in _ASKING:
            self._read(node.node)
            return set()
        if isinstance(node, nodes.Not):
            self._use(node.node, _TRUTH)
            return set()
        if isinstance(node, nodes.And | nodes.Or):
            places = self._read(node.left)
            self._note(places, _TRUTH)
            return places | self._read(node.right)
        if isinstance(node, nodes.CondExpr):
            self._use(node.test, _TRUTH)
            return self._read(node.expr1) | self._read(node.expr2)
        if node is not None:
            self.generic_visit(node)
        return set()

    def _attribute(self, places: set[Place], name: str) -> set[Place]:
        self._note(places, _ITEM)  # which is asked for what is no attribute
        for root, _, _ in places:
            self.found[root].attributes.add(name)
        return {(root, taken, read + 1) for root, taken, read in places}

    def _called(self, node: nodes.Call) -> set[Place]:
        method = node.node
        for child in node.iter_child_nodes(exclude=("node",)):
            self._use(child.value if isinstance(child, nodes.Keyword) else child)
        places = self._read(method)
        if isinstance(method, nodes.Getattr) and method.attr in _GIVING | _LISTING:
            more = 1 if method.attr in _GIVING else 0
            return {(root, taken + more, read - 1) for root, taken, read in places}
        return set()

    def _filtered(self, node: nodes.Filter) -> set[Place]:
        given = [*node.args, *(pair.value for pair in node.kwargs)]
        named = {each.value for each in given if isinstance(each, nodes.Const)}
        by_attribute = node.name in _BY_ATTRIBUTE and any(isinstance(n, str) for n in named)
        if node.name in {"default", "d"}:
            return self._read(node.node).union(*map(self._read, given))
        if node.name in _SHOWING and node.node is not None and not given:
            self._use(node.node, _TEXT)
            return set()
        if node.name not in _TAKING | _GROUPING | _PASSING and not by_attribute:
            self.generic_visit(node)
            return set()
        places = self._read(node.node)
        for root, _, _ in places if by_attribute else ():
            names = (part for name in named for part in str(name).split("."))
            self.found[root].attributes.update(names)
        if node.name in _GROUPING:
            return _taken(places, -1)
        return _taken(places) if node.name in _TAKING else places


def _taken(places: set[Place], more: int = 1) -> set[Place]:
    return {(root, taken + more, read) for root, taken, read in places}
