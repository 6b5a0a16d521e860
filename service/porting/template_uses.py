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
_ANY_ATTRIBUTE = ""
_GIVING = {"get", "pop"}
"""Methods that give what is in a container."""
_CONTAINERS = (dict, frozenset, list, set, tuple)
_OF_CONTAINERS = {name for kind in _CONTAINERS for name in dir(kind)} - {"keys"}
"""Methods that may give, or change, what is in a container."""
_TAKING = {"first", "last", "random"}
_GROUPING = {"batch", "groupby", "slice"}
_PASSING = {"count", "length", "list", "reverse"}
_SHOWING = {"e", "escape", "lower", "safe", "string", "title", "trim", "upper"}
_BY_ATTRIBUTE = {"groupby", "rejectattr", "selectattr", "sort"}
"""Filters that do nothing with what they get, show it, or read what they name of it."""
_ASKING = {"defined", "none", "undefined"}
"""Tests that do nothing with what they are given."""
_COUNTING = {
    "changed", "cycle", "depth", "depth0", "first", "index", "index0", "last", "length",
    "revindex", "revindex0",
}  # fmt: skip
"""What `loop` has that is not of what it goes through."""
_PLAIN = (
    nodes.AssignBlock, nodes.Block, nodes.Break, nodes.CallBlock, nodes.Continue,
    nodes.EvalContextModifier, nodes.ExprStmt, nodes.Extends, nodes.FilterBlock, nodes.Include,
    nodes.Macro, nodes.Scope, nodes.ScopedEvalContextModifier,
)  # fmt: skip
"""Statements that give no name to anything but texts, and to what calls are given."""
_DEEP = 8
"""How often something is taken out, or an attribute read, before nobody counts any more."""
_IMPORTED = "import()"
_LOOP_ITSELF = "loop()"
_NAMESPACE = "namespace()"
"""Where modules, `loop` and namespaces come from, which hold what templates give them."""

Place = tuple[str, int, int]
"""Where something comes from: a name, how often it was taken out, how many attributes were
read and calls made."""


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
        return name in self.attributes or self.may_call(_ANY_ATTRIBUTE, level)


ANYHOW = Use(calls={(0, 0, None)})
"""The use of what nobody knows how it is used."""


def uses(templates: Iterable[str], is_known: Callable[[str], object]) -> Mapping[str, Use] | None:
    """How each name is used in templates that are rendered as one; None if nobody knows.

    Args:
        is_known: tells whether a template that another one takes in is among them.
    """
    environment = Environment(extensions=_EXTENSIONS)
    try:
        trees = [environment.parse(template) for template in templates]
        taken_in = {name for tree in trees for name in find_referenced_templates(tree)}
        return _Reader().read(trees) if all(n and is_known(n) for n in taken_in) else None
    except (TemplateSyntaxError, _UnknownStatement):
        return None


class _UnknownStatement(Exception):
    """Raised at a statement that may do anything."""


class _Reader(NodeVisitor):
    """What templates that share their variables do with them, in whatever order they run.

    What it does not know is a use of any kind of all that is within.
    """

    def __init__(self) -> None:
        self._found: dict[str, Use] = defaultdict(Use)
        self._places: dict[str, set[Place]] = defaultdict(set)
        """Where the variables of templates come from."""
        self._held: dict[str, dict[str, set[Place]]] = {
            _IMPORTED: self._places,
            _LOOP_ITSELF: {"nextitem": set(), "previtem": set()},
            _NAMESPACE: defaultdict(set),
        }
        """Where the attributes of what templates make come from."""
        self._used_anyhow: set[str] = set()
        """Those of them that are used otherwise than by these attributes."""

    def read(self, trees: Iterable[nodes.Template]) -> Mapping[str, Use]:
        """How each name is used; read again until no variable comes from anywhere else."""
        before = -1
        while before < self._size():
            before = self._size()
            for tree in trees:
                for each in tree.body:
                    self.visit(each)
            for maker in [*self._used_anyhow]:
                for places in [*self._held[maker].values()]:
                    self._note(places, None)
        return self._found

    def _size(self) -> int:
        places = (each for held in self._held.values() for each in held.values())
        return sum(map(len, places)) + len(self._used_anyhow)

    def generic_visit(self, node: nodes.Node) -> None:
        if isinstance(node, nodes.Stmt) and type(node) not in _PLAIN:
            raise _UnknownStatement
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
        self._places["loop"].add((_LOOP_ITSELF, 0, 0))
        for held in self._held[_LOOP_ITSELF].values():
            held |= self._counted(_taken(places))
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

    def visit_Import(self, node: nodes.Import) -> None:
        self._places[node.target].add((_IMPORTED, 0, 0))

    def visit_FromImport(self, node: nodes.FromImport) -> None:
        for each in node.names:
            name, known_as = each if isinstance(each, tuple) else (each, each)
            self._places[known_as] |= self._named(name)

    def _bind(self, target: nodes.Node, places: set[Place]) -> None:
        if isinstance(target, nodes.Name):
            self._places[target.name] |= self._counted(places)
        elif isinstance(target, nodes.Tuple | nodes.List):
            for each in target.items:
                self._bind(each, _one_of(places))
        elif isinstance(target, nodes.NSRef) and self._is_namespace(target.name):
            self._held[_NAMESPACE][target.attr] |= self._counted(places)
        else:
            self._note(places, None)

    def _counted(self, places: set[Place]) -> set[Place]:
        """The same without what grows in a loop, which is used anyhow."""
        deep = {each for each in places if max(map(abs, each[1:])) > _DEEP}
        self._note({(root, 0, 0) for root, _, _ in deep}, None)
        return places - deep

    def _is_namespace(self, name: str) -> bool:
        return self._named(name) == {(name, 0, 0), (_NAMESPACE, 0, 0)}

    def _named(self, name: str) -> set[Place]:
        return {(name, 0, 0)} | self._places[name]

    def _use(self, node: nodes.Node, methods: frozenset[str] | None = None) -> None:
        """Note that these special methods of an expression's value are called, or any."""
        self._note(self._read(node), methods)

    def _note(self, places: set[Place], methods: frozenset[str] | None) -> None:
        for name, taken, read in places:
            self._found[name].calls.add((taken, read, methods))
            if name in self._held and (taken or methods not in (_ITEM, _TRUTH)):
                self._used_anyhow.add(name)

    def _read(self, node: nodes.Node | None) -> set[Place]:
        """Where the value of an expression may come from; notes what is used within it."""
        if isinstance(node, nodes.Name):
            return self._named(node.name)
        if isinstance(node, nodes.Getattr):
            return self._attribute(self._read(node.node), node.attr)
        if isinstance(node, nodes.Getitem):
            self._use(node.arg)
            places = self._read(node.node)
            if isinstance(node.arg, nodes.Slice):
                self._note(places, _ITEM)
                return places
            if isinstance(node.arg, nodes.Const):
                return _one_of(places) | self._attribute(places, str(node.arg.value))
            self._note(places, _ITEM | {_ANY_ATTRIBUTE})
            return _taken(places)
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
        found: set[Place] = set()
        for root, taken, read in places:
            if root not in self._held:
                self._found[root].attributes.add(name)
                found.add((root, taken, read + 1))
            elif name in self._held[root]:
                found |= self._held[root][name]
            elif root == _LOOP_ITSELF and name not in _COUNTING:
                self._used_anyhow.add(root)
        return found

    def _called(self, node: nodes.Call) -> set[Place]:
        method = node.node
        for child in node.iter_child_nodes(exclude=("node",)):
            self._use(child.value if isinstance(child, nodes.Keyword) else child)
        if isinstance(method, nodes.Name) and method.name == "namespace":
            return {(_NAMESPACE, 0, 0)}
        places = self._read(method)
        made = {(root, taken, read + 1) for root, taken, read in places if root not in self._held}
        returned = self._counted(made)
        if not isinstance(method, nodes.Getattr):
            self._note({(root, 0, 0) for root, taken, read in places if taken or read}, None)
            return returned
        of = {(root, taken, read - 1) for root, taken, read in places}
        if method.attr in _GIVING:
            return _taken(of) | returned
        if method.attr == "values":
            return of
        if method.attr == "items":
            return _taken(of, -1)
        if method.attr in _OF_CONTAINERS:
            self._note(of, None)
        return returned

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
            self._found[root].attributes.update(names)
        if node.name in _GROUPING:
            return _taken(places, -2 if by_attribute else -1)
        return _taken(places) if node.name in _TAKING else places


def _taken(places: set[Place], more: int = 1) -> set[Place]:
    return {(root, taken + more, read) for root, taken, read in places}


def _one_of(places: set[Place]) -> set[Place]:
    """What is in tuples, or in what counts as one thing with them, as what is enumerated does."""
    return _taken(places) | {each for each in places if each[1] > 0}
